"""An estimator turns counts into an exponent and a forecast; all of them behind one interface.

    estimate = estimator(rows, ks)

``rows`` are the counts of B datasets (``counts.rows_of_many``, ``stack_rows``), and everything that comes
back has the leading axis B. Each estimator is as published; where the published one has a flaw, a
corrected variant stands beside it under its own name. ``estimators.named`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lmpower.counts import Rows

# The window of k in which slopes are compared, unless another is asked for: that of the published code.
WINDOW = (1.0, 1e4)


class Estimate(NamedTuple):
    """What one estimator says about B datasets; nan where it has nothing to say.

    Attributes:
        tail_exponent: what the estimator takes the asymptotic exponent of -log pass@k to be, [B]. For a
            straight line this is its slope, since that is how it is used.
        window_slope: minus the slope of its own curve log(-log pass@k) over the stated window, [B].
        pass_at_k: [B, K].
    """

    tail_exponent: Float[np.ndarray, " B"]
    window_slope: Float[np.ndarray, " B"]
    pass_at_k: Float[np.ndarray, "B K"]


@dataclass(frozen=True)
class Estimator:
    """A named way from counts to a forecast.

    Attributes:
        name: as typed on the command line.
        source: where it was published, or that it is lmpower's.
        stopping: whether it may be used when outcomes decided the number of attempts.
        run: (rows, ks [K], window) -> Estimate.
    """

    name: str
    source: str
    stopping: bool
    run: Callable[[Rows, Float[np.ndarray, " K"], tuple[float, float]], Estimate] = field(repr=False)

    def __call__(
        self, rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float] = WINDOW
    ) -> Estimate:
        """Estimates for rows [B, R] at budgets ``ks``; slopes over ``window``."""
        return self.run(rows, np.asarray(ks, np.float64), window)


def slope_in(
    window: tuple[float, float],
    pass_at: Callable[[np.ndarray], Float[np.ndarray, "B K"]],
    points: int = 20,
) -> Float[np.ndarray, " B"]:
    """Minus the least-squares slope of log(-log pass@k) on log k, through ``points`` log-spaced k.

    nan where the curve reaches 0 or 1 within the window.
    """
    ks = np.geomspace(*window, points)
    x = np.log(ks) - np.mean(np.log(ks))
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(-np.log(pass_at(ks)))
        slope = -(np.where(np.isfinite(y), y, np.nan) @ x) / (x @ x)
    return np.asarray(slope)
