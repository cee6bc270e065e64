"""The log-likelihood of many laws at once, side by side along the last axis.

A posterior asks for values alone, at thousands of places, and a fit at each of its starting points. So laws
lie along the last axis and points before it: every step is one long vector operation, and a row's sum over
points is a product with a vector of ones.
"""

from __future__ import annotations

from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Points
from lmpower.likelihood.sums import Blocks, added_up, finished, needs_nodes, some_of
from lmpower.numerics.apart import apart
from lmpower.numerics.grid import Grid, Nodes


def values_side_by_side(laws: Difficulty, rows: Rows, grid: Grid, blocks: Blocks) -> Float[Array, " C"]:
    """``value_on_points`` of C laws, each for rows of its own, [R, C]."""
    inside = needs_nodes(jax.tree.map(lambda leaf: leaf[0], laws), grid)

    def nodes_of(block: Array | int) -> Points:
        return _at(some_of(grid.nodes, block, blocks.nodes), laws)

    def clouds() -> list[Points]:
        beyond = jax.vmap(lambda law: law.outside(grid))(laws)
        aside = [jax.tree.map(lambda part: jnp.atleast_2d(part.T), cloud) for cloud in beyond]
        return [*aside, nodes_of(0)] if inside else aside

    # (the points outside go with the first nodes: a pass of their own would cost almost as much)
    parts = zip(*apart(blocks.used_rows > 0, clouds), strict=True)
    first = Points(*(jnp.concatenate(part) for part in parts))
    log_moments = _log_sums(first, rows, blocks)
    if inside:

        def further(j: Array, so_far: Float[Array, "R C"]) -> Float[Array, "R C"]:
            return _log_sums(nodes_of(j), rows, blocks, so_far)

        log_moments = jax.lax.fori_loop(1, blocks.used_nodes, further, log_moments)
    return cast(Array, added_up(_weighted_sum, rows, log_moments, blocks))


def _at(nodes: Nodes, laws: Difficulty) -> Points:
    """The points of every law at these nodes, [J, C].

    Node by node and then law by law: so JAX lays out laws last, with nothing to be turned afterwards.
    """

    def node(*part: Array) -> Points:
        alone = Nodes(*(each[None] for each in part))
        return jax.vmap(lambda law: law.inside(alone), out_axes=-1)(laws)

    points = jax.vmap(node)(*nodes)
    return jax.tree.map(lambda part: jnp.reshape(part, (-1, part.shape[-1])), points)


def _log_sums(
    cloud: Points, rows: Rows, blocks: Blocks, before: Float[Array, "R C"] | None = None
) -> Float[Array, "R C"]:
    """log of every row's sum over these points, and over those ``before``."""
    s, f = rows.successes, rows.failures
    ones = jnp.ones((1, cloud.log_p.shape[0]), s.dtype)

    def row(i: Array, found: Float[Array, "R C"]) -> Float[Array, "R C"]:
        exponent = s[i] * cloud.log_p + f[i] * cloud.log_q + cloud.log_weight
        peak = jnp.max(exponent, axis=0)
        kernel = finished(jnp.exp(exponent - peak))
        here = jnp.log(jnp.matmul(ones, kernel)[0]) + peak
        return found.at[i].set(here if before is None else jnp.logaddexp(before[i], here))

    # (what is read is not what is written, or all of it would be copied for every row)
    return jax.lax.fori_loop(0, blocks.rows * blocks.used_rows, row, jnp.zeros_like(s))


def _weighted_sum(rows: Rows, log_moments: Float[Array, "R C"]) -> Float[Array, " C"]:
    return jnp.sum(jnp.where(rows.weight != 0, rows.weight * log_moments, 0.0), axis=0)
