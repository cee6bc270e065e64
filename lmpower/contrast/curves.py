"""The curves of a posterior's draws, as log(-log(1 - pass@k))."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.difficulty.base import Difficulty, Points
from lmpower.forecast.chances import grid_holding
from lmpower.numerics.grid import Grid
from lmpower.posterior.draws import Posterior

# Draws at a time.
AT_A_TIME = 16


def heights_of(posterior: Posterior, ks: np.ndarray) -> Float[np.ndarray, "S K"]:
    """log(-log(1 - pass@k)) of every draw."""
    law = posterior.difficulty
    with jax.enable_x64(True):
        grid = grid_holding(0, float(np.max(ks)), law.needs_span)
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (law, grid, ks))
        return np.asarray(_curves(*arrays))


@jax.jit
def _curves(laws: Difficulty, grid: Grid, ks: Float[Array, " K"]) -> Float[Array, "S K"]:
    return jax.lax.map(lambda law: height(law.points(grid), ks), laws, batch_size=AT_A_TIME)


def height(points: Points, ks: Float[Array, " K"]) -> Float[Array, " K"]:
    """log(-log(1 - pass@k)), from whichever of pass@k and 1 - pass@k is the smaller."""
    log_weight = points.log_weight - jax.nn.logsumexp(points.log_weight)
    log_missed = ks[:, None] * points.log_q
    hit = -jnp.expm1(log_missed) @ jnp.exp(log_weight)
    small = hit < 0.5
    log_miss = jnp.where(
        small, jnp.log1p(-jnp.where(small, hit, 0.25)), jax.nn.logsumexp(log_missed + log_weight, axis=-1)
    )
    return jnp.log(-log_miss)
