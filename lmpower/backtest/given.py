"""What plans are given: numbers, laws and groups of counts, checked at the door and as JSON has them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lmpower.counts import Counts
from lmpower.difficulty.base import Difficulty

# Keys, and what is folded into them, have 32 bits: of a larger number JAX drops the rest or refuses it.
LARGEST = 2**32 - 1


def whole_number(name: str, given: Any, least: int, most: int = LARGEST) -> int:
    """A number of Python's, NumPy's or JAX's; 10.0 is taken as 10.

    Raises:
        ValueError: for all else, with its name and the range.
    """
    number = _plain(given)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or not least <= number <= most:
        raise ValueError(f"{name} = {number!r} is not a whole number from {least} to {most:,}")
    return number


def whole_numbers(name: str, given: Any, least: int, most: int = LARGEST) -> tuple[int, ...]:
    """One number or a list of them, each as ``whole_number``.

    Raises:
        ValueError: also for an empty list, and for one that names a number twice.
    """
    several = _plain(given)
    each = several if np.iterable(several) else [several]
    numbers = tuple(whole_number(name, number, least, most) for number in each)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must be whole numbers, at least one and none twice; got {list(numbers)}")
    return numbers


def window_between(given: Any) -> tuple[float, float]:
    """Two numbers of k between which slopes are taken.

    Raises:
        ValueError: unless 1 <= k_low < k_high.
    """
    ends = _plain(given)
    try:
        low, high = map(_plain, ends)
        fine = 1 <= low < high < math.inf
    except (TypeError, ValueError):  # no numbers, or not two of them
        fine = False
    if not fine:
        raise ValueError(f"a window must have two numbers 1 <= k_low < k_high, not {ends}")
    return low, high


def require_single_law(name: str, law: Any) -> None:
    """Refuse as a truth what is no law, or many at once.

    Raises:
        ValueError: naming it.
    """
    if not isinstance(law, Difficulty):
        raise ValueError(f"truth {name!r} must be a law such as Beta(.3, 3.), not {law!r}")
    if law.batch_shape:
        raise ValueError(f"truth {name!r} must be a single law, not a batch of shape {law.batch_shape}")


def described_law(law: Any) -> Any:
    """A law as JSON has it, with the laws it is made of: scaled laws differ in their bases too."""
    if isinstance(law, Difficulty):
        fields = dataclasses.fields(law)  # type: ignore[arg-type]  # families are dataclasses
        parts = {field.name: described_law(getattr(law, field.name)) for field in fields}
        return {"law": type(law).__name__} | parts
    if isinstance(law, tuple):
        return [described_law(part) for part in law]
    return np.asarray(law, np.float64).tolist()


def described_groups(groups: Mapping[str, Counts]) -> list[dict[str, Any]]:
    """Groups of counts as JSON has them: a list, since units of work are told by their place in it."""
    return [
        {
            "name": name,
            "stopping": counts.stopping,
            "attempts": counts.attempts.tolist(),
            "successes": counts.successes.tolist(),
        }
        for name, counts in groups.items()
    ]


def _plain(given: Any) -> Any:
    """Arrays and their scalars as lists and numbers of Python's, which errors show and JSON takes."""
    return given.tolist() if hasattr(given, "tolist") else given
