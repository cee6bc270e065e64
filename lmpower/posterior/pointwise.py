"""What every draw of a posterior says of every row of counts, one problem at a time.

A problem with s successes in n attempts has probability C(n, s) E_F[p^s (1-p)^f] under a difficulty F.
Whatever leaves problems out, weighs them or asks which of them a family finds odd starts from the logs of
these, draws by rows.
"""

from __future__ import annotations

import functools
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty
from lmpower.fit.lanes import Lanes
from lmpower.fit.surface import Load, Tile, block_by_block
from lmpower.likelihood import Blocks, log_moments_on_points
from lmpower.numerics.grid import CHECK, FINE, FINEST
from lmpower.posterior.draws import Posterior

# Draws for which two grids differ by more in any row, being narrower than their spacing, are taken on the
# next. The last one does for any law that the default priors reach.
_GRIDS, _GRID_TOLERANCE = (FINE, FINEST, 4 * FINEST), 1e-6


def log_predictive(posterior: Posterior) -> Float[np.ndarray, "*B S R"]:
    """Log-probability of one problem of each row under each draw, log C(n, s) + log_moment(s, f).

    In nats; 0 for rows that are padding. Times the rows' weights the others add up to
    ``posterior.log_likelihood``, which is rounded where this is not.
    """
    shape, rows = posterior.log_likelihood.shape, posterior.rows
    law = jax.tree.map(lambda leaf: np.reshape(leaf, (-1, *leaf.shape[len(shape) :])), posterior.difficulty)
    lanes = _lanes_of_draws(rows, law, shape)
    width = rows.weight.shape[-1]
    found = np.zeros((len(lanes.lower), width))
    waiting = np.arange(len(found))
    for refinement in _GRIDS:
        part, mine = lanes.only(waiting), jax.tree.map(lambda leaf, at=waiting: leaf[at], law)
        here, there = (
            part.chunked(_log_moments, mine, refinement=r)[:, :width]
            for r in (refinement, CHECK * refinement)
        )
        found[waiting] = there
        off = np.where(part.rows.weight > 0, np.abs(here - there), 0.0)
        waiting = waiting[np.max(off, axis=-1) > _GRID_TOLERANCE]
        if not waiting.size:
            break
    each = found.reshape(*shape, width) + rows.log_choose[..., None, :]
    return np.asarray(np.where(rows.weight[..., None, :] > 0, each, 0.0))


def _lanes_of_draws(rows: Rows, law: Difficulty, shape: tuple[int, ...]) -> Lanes:
    """One lane a draw. All those of a data set look at the same rows, which are not copied."""
    width = rows.weight.shape[-1]

    def for_every_draw(leaf: np.ndarray) -> np.ndarray:
        return np.broadcast_to(leaf[..., None, :], (*shape, width)).reshape(-1, width)

    template = cast(Difficulty, jax.tree.map(lambda leaf: leaf[0], law))
    no_prior = np.zeros((2, len(template.box.names)))
    return Lanes.over(jax.tree.map(for_every_draw, rows), template, no_prior)


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def _log_moments(
    load: Load, rows: Rows, law: Difficulty, *, tile: Tile, rough: bool
) -> Float[Array, "B R"]:
    def some(load: Load, blocks: Blocks, rows: Rows, law: Difficulty) -> Array:
        def lane(rows: Rows, law: Difficulty) -> Array:
            return log_moments_on_points(law, rows, load.grid, blocks)

        return jax.vmap(lane)(rows, law)

    return block_by_block(some, load, (rows, law), jnp.zeros_like(rows.weight), tile, rough)
