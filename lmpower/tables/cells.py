"""What the cells of a table mean: a parser gives the meaning, or a ValueError that says what is wrong."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from lmpower.counts import STOPPING
from lmpower.counts.door import is_missing

OUTCOMES = {"true": True, "false": False, "1": True, "0": False, 1: True, 0: False}
WHOLE_NUMBER = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)


def label_in(cell: Any) -> str:
    """Any text or number, as text; a label must not be empty."""
    if is_missing(cell) or cell == "":
        raise ValueError("is empty")
    return str(cell)


def stopping_in(cell: Any) -> str:
    """How sampling stopped."""
    if cell in STOPPING:
        return str(cell)
    raise ValueError(f"= {cell!r} is none of {', '.join(STOPPING)}")


def whole_number_in(cell: Any) -> int:
    """A whole number, also written 3.0."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if isinstance(cell, str):
            if WHOLE_NUMBER.fullmatch(cell.strip()):
                return int(cell.partition(".")[0])
        elif not isinstance(cell, bool) and cell == int(cell):
            return int(cell)
    raise ValueError(f"= {cell!r} is not a whole number")


def outcome_in(cell: Any) -> bool | None:
    """True/false or 1/0 in any spelling; None where the cell is empty."""
    if is_missing(cell) or cell == "":
        return None
    outcome = OUTCOMES.get(cell.strip().lower() if isinstance(cell, str) else cell)
    if outcome is None:
        raise ValueError(f"= {cell!r} is neither true/false nor 1/0")
    return outcome
