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
from lmpower.lanes import FINEST, Lanes
from lmpower.likelihood import Blocks, log_moments_on_points
from lmpower.posterior.draws import Posterior
from lmpower.posterior.importance import GRID_TOLERANCE
from lmpower.surface import FINE, Load, Tile, block_by_block


def log_predictive(posterior: Posterior) -> Float[np.ndarray, "*B S R"]:
    """Log-probability of one problem of each row under each draw, log C(n, s) + log_moment(s, f).

    0 for rows that are padding. Times the rows' weights the others add up to ``posterior.log_likelihood``;
    draws whose sum is off on the usual grid, as those of a law narrower than its spacing, are taken on a
    finer one.
    """
    shape, rows = posterior.log_likelihood.shape, posterior.rows
    width = rows.weight.shape[-1]
    # every draw is a lane; of one data set they all look at the same rows in memory
    every = Rows(
        *(
            np.broadcast_to(leaf[..., None, :], (*shape, width)).reshape(-1, width)
            for leaf in (rows.successes, rows.failures, rows.weight)
        )
    )
    law = jax.tree.map(lambda leaf: np.reshape(leaf, (-1, *leaf.shape[len(shape) :])), posterior.difficulty)
    template = jax.tree.map(lambda leaf: leaf[0], law)
    lanes = Lanes.over(every, template, np.zeros((2, len(template.box.names))))
    found = _taken(lanes, law, rows, FINE)
    total = np.sum(rows.weight[..., None, :] * found.reshape(*shape, width), axis=-1)
    uneven = np.flatnonzero(np.abs(total - posterior.log_likelihood) > GRID_TOLERANCE)
    if uneven.size:
        part = jax.tree.map(lambda leaf: leaf[uneven], law)
        found[uneven] = lanes.only(uneven).chunked(_log_moments, part, refinement=FINEST)[:, :width]
    return found.reshape(*shape, width)
