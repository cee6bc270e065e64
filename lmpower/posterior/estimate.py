"""What is said of one quantity over equally weighted draws: mean, median, interval; in text and numbers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Estimate(NamedTuple):
    """Of one quantity: mean, median and the ends of the equal-tailed interval, [*B, ...]."""

    mean: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def to_dict(self) -> dict[str, float | None]:
        """Of a single number, for JSON."""
        return {name: number_or_none(value) for name, value in self._asdict().items()}

    def line(self, name: str, width: int) -> str:
        """Of a single number, a line of a table under `head_line`."""
        if np.isnan(self.mean):
            return f"{name:{width}}{'-':>11}{'-':>11}   -"
        return (
            f"{name:{width}}{float(self.mean):>11.4g}{float(self.median):>11.4g}   "
            f"{float(self.lower):.4g} to {float(self.upper):.4g}"
        )


def estimate_of(
    draws: Float[np.ndarray, "*B S ..."], ok: Bool[np.ndarray, "*B"] | bool, level: float
) -> Estimate:
    """Mean, median and interval over the draws of any quantity; nan where they are not ``ok``.

    Raises:
        ValueError: for a level outside of (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), not {level!r}")
    axis = np.ndim(ok)
    ends = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    lower, median, upper = np.quantile(draws, ends, axis=axis, method="median_unbiased")
    known = np.reshape(ok, np.shape(ok) + (1,) * (median.ndim - axis))
    parts = (np.mean(draws, axis=axis), median, lower, upper)
    return Estimate(*(np.where(known, part, np.nan) for part in parts))


def head_line(name: str, width: int, level: float) -> str:
    """The head of a table of estimates."""
    return f"{name:{width}}{'mean':>11}{'median':>11}   {percent(level)} interval"


def number_or_none(value: Any) -> float | None:
    """A plain number for JSON; None for one that does not exist."""
    return float(value) if math.isfinite(value) else None


def percent(level: float) -> str:
    """90%, and 99.5%."""
    return f"{100 * level:.10g}%"
