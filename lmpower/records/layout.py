"""Numbers and intervals as people read them, in columns one under the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def number(value: Any, layout: str = "{:#.4g}") -> str:
    """Four digits, or "-" where there is no number; a list is joined."""
    if isinstance(value, list):
        return " ".join(number(part) for part in value)
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "inf"
    return layout.format(value).removesuffix(".")


def interval(lower: float, upper: float) -> str:
    """ "0.21 to 0.36", or "-"."""
    if math.isnan(lower) and math.isnan(upper):
        return "-"
    return f"{number(lower)} to {number(upper)}"


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[int] = ()) -> str:
    """Columns two blanks apart: numbers to the right, those in ``text`` to the left."""
    depth = max(head.count("\n") for head in heads) + 1
    tops = [(depth - 1 - head.count("\n")) * [""] + head.split("\n") for head in heads]
    lines = [*zip(*tops, strict=True), *rows]
    widths = [max(len(line[c]) for line in lines) for c in range(len(heads))]

    def joined(cells: Sequence[str]) -> str:
        pads = ("<" if c in text else ">" for c in range(len(widths)))
        return "  ".join(
            f"{cell:{pad}{width}}" for cell, pad, width in zip(cells, pads, widths, strict=True)
        ).rstrip()

    rule = "  ".join("-" * width for width in widths)
    head = [joined(line) for line in lines[:depth]]
    return "\n".join([*head, rule, *(joined(line) for line in lines[depth:])])


def percent(level: float) -> str:
    """ "90%"."""
    return f"{100 * level:g}%"
