"""What the values in a log mean: a verdict on an attempt, a problem's name, a number of attempts.

Each gives the meaning or refuses the value, in a sentence that repeats it and says where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lmpower.counts import LARGEST_COUNT, CountsError, listed
from lmpower.logs.base import Choices

ROUNDING = 1e-6  # of a share that a log holds: float32 and seven printed digits meet it


def outcome_of(value: Any, choices: Choices, where: str) -> bool | None:
    """The verdict that a score is: True/False or 1/0, or a number at or above the threshold.

    Raises:
        CountsError: for a number between without a threshold to measure it by, or anything else.
    """
    if value is True or value is False or value is None:
        return value
    if isinstance(value, int | float) and value not in (math.inf, -math.inf):
        if value != value:  # a score that is NaN is none
            return None
        if choices.threshold is not None:
            return bool(value >= choices.threshold)
        if value == 0 or value == 1:
            return bool(value)
        raise CountsError(
            f"{where} is {shown(value)}, neither 0 nor 1; threshold=1 counts values from 1 on as "
            f"successes, threshold=0.5 those from 0.5 on"
        )
    raise CountsError(f"{where} is {shown(value)}, no verdict on one attempt")


def choose(names: Iterable[str], choices: Choices, what: str, where: str) -> str:
    """The one of several ``what`` that the caller chose, or the only one there is.

    Raises:
        CountsError: listing them.
    """
    given = list(names)
    if choices.scorer is None:
        if len(given) == 1:
            return given[0]
        if not given:
            raise CountsError(f"{where} has no {what}")
        raise CountsError(
            f"{where} has several {what}s: {listed(given)}; choose one, as in scorer={given[0]!r}"
        )
    if choices.scorer not in given:
        raise CountsError(f"{where} has no {what} {choices.scorer!r}; it has {listed(given) or 'none'}")
    return choices.scorer


def label(record: dict[str, Any], key: str, where: str) -> str:
    """The problem that a record names under this key: text, or a whole number as text."""
    value = record.get(key)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or value == "":
        raise CountsError(f"{where}: {key} is missing")
    raise CountsError(f"{where}: {key} = {shown(value)} is no name of a problem")


def shown(value: Any) -> str:
    """A value as errors show it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def whole(value: Any, where: str) -> int:
    """A number of attempts or successes.

    Raises:
        CountsError: if it is no whole number from 0 on.
    """
    if type(value) in (int, float) and 0 <= value <= LARGEST_COUNT and value == int(value):
        return int(value)
    raise CountsError(f"{where} = {shown(value)} is not a whole number from 0 on")


def successes_in(share: Any, attempts: int, where: str) -> int:
    """How many of so many attempts a mean of their outcomes is.

    Raises:
        CountsError: if it is the mean of no such outcomes.
    """
    if isinstance(share, int | float) and 0 <= share <= 1:
        successes = round(share * attempts)
        if abs(successes - share * attempts) < ROUNDING * max(attempts, 1):
            return successes
    raise CountsError(f"{where} = {shown(share)} is not a share of {attempts:,} attempts")
