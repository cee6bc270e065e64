"""Why power laws: the mass of a difficulty near p = 0 fixes how -log pass@k falls.

If F has the density C p^(b-1) near 0, then -log pass@k ~ C Gamma(b) k^-b (Schaeffer et al. 2025,
theorem 3.1; by Karamata's theorem the cdf F(p) ~ A p^b/Gamma(b+1) is enough). So two different numbers
are both called "the exponent", and they differ:

* the *tail exponent* b, asymptotic, a property of the law (``difficulty.tail()``);
* the *window slope*, that of a straight line through log(-log pass@k) over a stated range of k.

In between, the local slope says how far from a power law the curve still is at a given k.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from lmpower.difficulty.base import Difficulty, over_batch
from lmpower.numerics.integrals import log1mexp
from lmpower.passk import check_ks

# Through how many log-spaced budgets the published code draws its line
SLOPE_POINTS = 20


def log_neg_log_pass(difficulty: Difficulty, k: Array) -> Float[Array, ...]:
    """log(-log pass@k), a straight line in log k for a power law; a kernel for ``jit`` and ``grad``."""
    log_fail = difficulty.log_moment(jnp.zeros_like(k), k)
    return jnp.log(-log1mexp(log_fail))


def window_slope(
    difficulty: Difficulty, k_low: float, k_high: float, points: int = SLOPE_POINTS
) -> Float[np.ndarray, "*B"]:
    """Minus the least-squares slope of log(-log pass@k) on log k, over k_low <= k <= k_high.

    Args:
        difficulty: one, or a batch.
        k_low, k_high: the window, at least 1 and rising; k need not be whole.
        points: through how many log-spaced k the line is drawn.

    Raises:
        ValueError: for a window that is not 1 <= k_low < k_high, or fewer than two points.
    """
    if not 1 <= k_low < k_high:
        raise ValueError(f"a window must have 1 <= k_low < k_high, not {k_low} to {k_high}")
    if points < 2:
        raise ValueError(f"a line needs at least 2 points, not {points}")
    ks = np.geomspace(k_low, k_high, points)
    _, slope = over_batch(_line, difficulty, ks)
    return np.asarray(slope)


def line_through(
    difficulty: Difficulty, ks: ArrayLike
) -> tuple[Float[np.ndarray, "*B"], Float[np.ndarray, "*B"]]:
    """(a, b) of the straight line -log pass@k = a k^-b through the law's own curve at the budgets ``ks``.

    It is what least squares (``baseline.fit_line``) would find with infinitely many problems and attempts.

    Args:
        difficulty: one, or a batch.
        ks: at least two different whole budgets, [K].

    Raises:
        CountsError: if a k is not a whole number of at least 1.
        ValueError: for fewer than two different k.
    """
    k = check_ks(ks)
    if np.unique(k).size < 2:
        raise ValueError(f"a line needs at least 2 different k, not {k.tolist()}")
    log_a, slope = over_batch(_line, difficulty, k.astype(np.float64))
    return np.exp(log_a), np.asarray(slope)


def _line(difficulty: Difficulty, ks: Array) -> tuple[Array, Array]:
    """log a and b."""
    x, y = jnp.log(ks), log_neg_log_pass(difficulty, ks)
    off = x - jnp.mean(x)
    slope = -jnp.sum(off * y) / jnp.sum(off * off)
    return jnp.mean(y) + slope * jnp.mean(x), slope


def local_slope(difficulty: Difficulty, k: ArrayLike) -> Float[np.ndarray, "*B K"]:
    """Minus d log(-log pass@k)/d log k at each k; it tends to the tail exponent."""
    ks = np.asarray(k, np.float64)
    if np.any(~(ks > 0)):
        raise ValueError(f"k must be positive, not {ks[~(ks > 0)].flat[0]}")
    return np.asarray(over_batch(_local_slope, difficulty, ks))


def _local_slope(difficulty: Difficulty, ks: Array) -> Any:
    def curve(log_k: Array) -> Array:
        return log_neg_log_pass(difficulty, jnp.exp(log_k))

    _, slope = jax.jvp(curve, (jnp.log(ks),), (jnp.ones_like(ks),))
    return -slope
