"""What k attempts achieve on a problem of chance p, and the points on which means of it are taken.

    g(p) = 1 - (1-p)^k            at least one succeeds: pass@k ("any");
    g(p) = p^k                    all succeed: pass^k ("all");
    g(p) = P(Bin(k, p) >= tau k)  at least a share tau: G-pass@k ("at_least").

On a cloud of points p_j an expectation is a weighted mean of g(p_j), the weights being those of F, times
p_j^s (1-p_j)^f for a problem that showed (s, f).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Points
from lmpower.numerics.grid import FINE, Grid, Reach, filled_up, shared_grid

METRICS = ("any", "all", "at_least")
# Nodes of a grid, or 4, 16, ... times as many, so that few programs are compiled.
_NODES = 256


def grid_holding(
    successes: float, failures: float, span: bool, *, refinement: float = FINE, growth: int = 4
) -> Grid:
    """A grid for kernels of up to so many successes and failures, in one of few lengths."""
    return filled_up(shared_grid(Reach.holding(successes, failures), refinement, span), _NODES, growth)


def reach_of_chances(rows: Rows | None, ks: np.ndarray, metric: str) -> tuple[float, float]:
    """The most successes and failures of the rows' kernels times g^2; of new problems without rows."""
    most = 2 * float(np.max(ks))
    seen = (0.0, 0.0) if rows is None else (float(rows.successes.max()), float(rows.failures.max()))
    return seen[0] + (0 if metric == "any" else most), seen[1] + (0 if metric == "all" else most)


def chance(points: Points, ks: Array, metric: str, tau: float | None) -> tuple[Array, Array]:
    """g at every point and 1 - g, [J, K], each without cancellation."""
    log_p, log_q = points.log_p[:, None], points.log_q[:, None]
    if metric == "any":
        return -jnp.expm1(ks * log_q), jnp.exp(ks * log_q)
    if metric == "all":
        return jnp.exp(ks * log_p), -jnp.expm1(ks * log_p)
    # P(Bin(k, p) >= m) = I_p(m, k - m + 1)
    # (tau k is a whole number if it is one but for rounding)
    needed = jnp.maximum(jnp.ceil(jnp.asarray(tau) * ks * (1 - 1e-12)), 1.0)
    p, q = jnp.exp(jnp.minimum(log_p, 0.0)), jnp.exp(jnp.minimum(log_q, 0.0))
    reached = jax.scipy.special.betainc(needed, ks - needed + 1, p)
    return reached, jax.scipy.special.betainc(ks - needed + 1, needed, q)


def weights_given(points: Points, rows: Rows) -> Float[Array, "R J"]:
    """The points' probabilities given each row."""
    log_weight = (
        rows.successes[:, None] * points.log_p + rows.failures[:, None] * points.log_q + points.log_weight
    )
    return jax.nn.softmax(log_weight, axis=-1)
