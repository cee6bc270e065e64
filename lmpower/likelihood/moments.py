"""Every row's log_moment on one cloud of points, shared by all rows: as exact as their grid is fine.

A difficulty gives weighted points in p that do for all rows of counts at once (``numerics.grid``), so
that a row's moment is a sum over points, and a likelihood one pass over them (``sums``).
"""

from __future__ import annotations

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Family, Points, gathered
from lmpower.likelihood.sums import Blocks, Cloud, added_up, needs_nodes, row_sums, weighted_sum
from lmpower.numerics.grid import Grid, Nodes


def log_moments_on_points(
    difficulty: Difficulty, rows: Rows, grid: Grid, blocks: Blocks | None = None
) -> Float[Array, " R"]:
    """log_moment of every row on one grid, whose reach bounds the rows."""

    def inside(nodes: Nodes) -> Cloud:
        return _plainly(difficulty.inside(nodes))

    outside = _plainly(gathered(difficulty.outside(grid)))
    return row_sums(
        outside, inside if needs_nodes(difficulty, grid) else None, rows, grid, blocks
    ).log_total


def scores_on_points(
    template: Family,
    theta: Float[Array, " D"],
    rows: Rows,
    grid: Grid,
    blocks: Blocks | None = None,
) -> Float[Array, "R D"]:
    """Derivative of every row's log_moment in the search coordinates."""

    def moments(t: Array) -> Array:
        return log_moments_on_points(template.from_search(t), rows, grid, blocks)

    return cast(Array, jax.jacfwd(moments)(theta))


def value_on_points(
    difficulty: Difficulty, rows: Rows, grid: Grid, blocks: Blocks | None = None
) -> Float[Array, ""]:
    """sum over rows of weight * log_moment(s, f), on one grid."""
    log_moments = log_moments_on_points(difficulty, rows, grid, blocks)
    return cast(Array, added_up(weighted_sum, rows, log_moments, blocks))


def normalised(rows: Rows) -> Rows:
    """Rows [B, R] with one (0, 0) in front that weighs as much as all of them, negatively.

    Its moment is the mass that a grid sees of a law: 1 but for rounding, unless the law is narrower than
    the grid's spacing. Taken off for every problem, it leaves no law a likelihood above what the law's own
    places on that grid can have, so that no false peak draws a sampler.
    """
    width = ((0, 0), (1, 0))
    whole = np.pad(rows.weight, width)
    whole[:, 0] = -np.sum(rows.weight, axis=-1)
    return Rows(np.pad(rows.successes, width), np.pad(rows.failures, width), whole)


def _plainly(points: Points) -> Cloud:
    """Points of which nothing but their mass is asked."""
    return jnp.stack(points), jnp.ones_like(points.log_p)[:, None]
