"""Forecasts judged with their uncertainty: does the interval hold the truth, and is it narrow?

An estimator states quantiles q_t of each quantity at the levels t of ``estimators.base.QUANTILES``.
Central intervals are read off them. The whole forecast is scored by the continuous ranked probability score

    CRPS = 2 int_0^1 (1{y < q_t} - t) (q_t - y) dt,

the quantile score over all levels (Gneiting & Raftery 2007, JASA 102, 359, Sec. 4.2), by the trapezoid rule
between the levels there are; below the lowest and above the highest the quantiles stay what they are there.
Like the error |q - y| of a forecast without spread it is in units of the quantity, and the less the better.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from lmpower.estimators.base import QUANTILES

# Per cent of central intervals; the first is what "lower" and "upper" say.
LEVELS = (90, 50, 80, 95)


def intervals(quantiles: Float[np.ndarray, "N Q"]) -> dict[str, Float[np.ndarray, " N"]]:
    """Ends of the central intervals: lower, upper (90 %), lower_50, upper_50, ...."""
    columns = {}
    for level in LEVELS:
        name = "" if level == LEVELS[0] else f"_{level}"
        for side, share in (("lower", 0.5 - level / 200), ("upper", 0.5 + level / 200)):
            columns[side + name] = quantiles[:, _at(share)]
    return columns


def ends_at(table: Mapping[str, np.ndarray], level: int) -> tuple[np.ndarray, np.ndarray]:
    """The interval's columns of a table of results."""
    name = "" if level == LEVELS[0] else f"_{level}"
    return table[f"lower{name}"], table[f"upper{name}"]


def _at(share: float) -> int:
    """The place of a level among the quantiles."""
    return int(np.argmin(np.abs(np.array(QUANTILES) - share)))


def crps(quantiles: Float[np.ndarray, "N Q"], truth: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The continuous ranked probability score of each forecast; nan without quantiles or truth."""
    t = np.concatenate([[0.0], QUANTILES, [1.0]])
    q = np.concatenate([quantiles[:, :1], quantiles, quantiles[:, -1:]], axis=1)
    off = q - truth[:, None]
    score = 2 * ((off > 0) - t) * off
    return np.asarray(np.trapezoid(score, t, axis=1))


def interval_score(
    lower: Float[np.ndarray, " N"],
    upper: Float[np.ndarray, " N"],
    truth: Float[np.ndarray, " N"],
    level: int,
) -> Float[np.ndarray, " N"]:
    """Width, and 2/a for every unit by which a 1 - a interval misses (Gneiting & Raftery 2007, Eq. 43)."""
    a = 1 - level / 100
    missed = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return np.asarray(upper - lower + 2 / a * missed)
