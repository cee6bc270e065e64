"""An estimator turns counts into an exponent and a forecast; all of them behind one interface.

    estimate = estimator(rows, ks)

``rows`` are the counts of B datasets (``counts.rows_of_many``, ``stack_rows``), and everything that comes
back has the leading axis B. Each estimator is as published; where the published one has a flaw, a
corrected variant stands beside it under its own name. ``estimators.named`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lmpower.counts import Rows
from lmpower.scaling import SLOPE_POINTS

# The window of k in which slopes are compared, unless another is asked for: that of the published code.
WINDOW = (1.0, 1e4)
# Intervals come as quantiles at these levels.
QUANTILES = (0.025, *(j / 20 for j in range(1, 20)), 0.975)


class Estimate(NamedTuple):
    """What one estimator says about B datasets; nan where it has nothing to say.

    Attributes:
        tail_exponent: what the estimator takes the asymptotic exponent of -log pass@k to be, [B]. For a
            straight line this is its slope, since that is how it is used.
        window_slope: minus the slope of its own curve log(-log pass@k) over the stated window, [B].
        pass_at_k: [B, K].
        quantiles: of the tail exponent, the window slope and each pass@k, at the levels ``QUANTILES``,
            [B, 2 + K, Q]; None from an estimator that gives no interval.
    """

    tail_exponent: Float[np.ndarray, " B"]
    window_slope: Float[np.ndarray, " B"]
    pass_at_k: Float[np.ndarray, "B K"]
    quantiles: Float[np.ndarray, "B M Q"] | None = None

    @property
    def numbers(self) -> Float[np.ndarray, "B M"]:
        """Tail exponent, window slope and each pass@k side by side, M = 2 + K."""
        return np.column_stack([self.tail_exponent, self.window_slope, self.pass_at_k])


@dataclass(frozen=True)
class Estimator:
    """A named way from counts to a forecast.

    Attributes:
        name: as typed on the command line.
        source: where it was published, or that it is lmpower's.
        stopping: whether it may be used when outcomes decided the number of attempts.
        run: (rows, ks [K], window) -> Estimate, or (rows, ks, window, prepared).
        prepare: rows -> what takes long and other estimators may need as well, such as a fit.
    """

    name: str
    source: str
    stopping: bool
    run: Callable[..., Estimate] = field(repr=False)
    prepare: Callable[[Rows], Any] | None = field(default=None, repr=False)

    def __call__(
        self, rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float] = WINDOW
    ) -> Estimate:
        """Estimates for rows [B, R] at budgets ``ks``; slopes over ``window``."""
        return self.given(() if self.prepare is None else (self.prepare(rows),), rows, ks, window)

    def given(
        self,
        prepared: tuple[Any, ...],
        rows: Rows,
        ks: Float[np.ndarray, " K"],
        window: tuple[float, float],
    ) -> Estimate:
        """The same when ``prepare`` has been done: () or (what it returned,)."""
        return self.run(rows, np.asarray(ks, np.float64), window, *prepared)


def ks_of_slope(window: tuple[float, float]) -> Float[np.ndarray, " W"]:
    """Log-spaced k at which a window slope looks at a curve."""
    return np.geomspace(*window, SLOPE_POINTS)


def slope_weights(window: tuple[float, float]) -> Float[np.ndarray, " W"]:
    """What each log(-log pass@k) adds to minus its least-squares slope on log k."""
    x = np.log(ks_of_slope(window))
    x = x - x.mean()
    return np.asarray(-x / (x @ x))


def slope_through(
    log_loss: Float[np.ndarray, "*B W"], window: tuple[float, float]
) -> Float[np.ndarray, "*B"]:
    """Minus the least-squares slope of log(-log pass@k), at ``ks_of_slope``, on log k.

    (Summed row by row: a matrix product would add up in an order that depends on how many rows there are.)
    """
    return np.asarray(np.sum(log_loss * slope_weights(window), axis=-1))


def slope_in(
    window: tuple[float, float], pass_at: Callable[[np.ndarray], Float[np.ndarray, "B K"]]
) -> Float[np.ndarray, " B"]:
    """Minus the least-squares slope of log(-log pass@k) on log k over the window.

    nan where the curve reaches 0 or 1 within it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(-np.log(pass_at(ks_of_slope(window))))
        return slope_through(np.where(np.isfinite(y), y, np.nan), window)
