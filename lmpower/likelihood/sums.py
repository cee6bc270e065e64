"""One pass over the points for all rows: log sums of exp(phi_i . nu_j), and means under their weights.

Row i has phi_i = (s_i, f_i, 1), point j has nu_j = (log p_j, log(1-p_j), log w_j) and features whose means
over the points, as row i weighs them, are asked for. Rows and points can be taken in `Blocks`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty
from lmpower.numerics.grid import Grid, Nodes

T = TypeVar("T")
Cloud: TypeAlias = tuple[Float[Array, "3 J"], Float[Array, "J F"]]  # nu and features

# Below the exponent of any kernel: of a row that has seen no point yet.
_LOWEST = -1e30


class Blocks(NamedTuple):
    """Take ``rows`` rows and ``nodes`` nodes at a time, and only the first blocks: the rest is padding.

    What is held at once then depends neither on how many rows and nodes there are, nor the time on how
    many pad them. The lengths of both must be multiples.
    """

    rows: int
    nodes: int
    used_rows: Int[Array, ""]
    used_nodes: Int[Array, ""]


class RowSums(NamedTuple):
    """For every row, log sum_j exp(phi_i . nu_j) and the means of all features over those points."""

    log_total: Float[Array, " R"]
    means: Float[Array, "R F"]


def row_sums(
    outside: Cloud,
    inside: Callable[[Nodes], Cloud] | None,
    rows: Rows,
    grid: Grid,
    blocks: Blocks | None = None,
) -> RowSums:
    """One pass over the points, block by block; the first feature is 1.

    Each row carries the highest exponent seen so far, which keeps it from underflowing, and sums
    relative to it.
    """
    nu, features = outside
    so_far = (
        jnp.full_like(rows.weight, _LOWEST),
        jnp.zeros((*rows.weight.shape, features.shape[1]), nu.dtype),
    )

    def take_in(cloud: Cloud, rows: Rows, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
        nu, features = cloud
        exponent = jnp.matmul(jnp.stack(phi(rows), axis=-1), nu, precision="highest")
        peak = jax.lax.stop_gradient(jnp.maximum(so_far[0], jnp.max(exponent, axis=-1)))
        # (numbers below the smallest normal one would be slow, and are as good as nothing beside the peak)
        least = 0.9 * math.log(jnp.finfo(exponent.dtype).tiny)
        kernel = finished(jnp.exp(jnp.maximum(exponent - peak[:, None], least)))
        before = so_far[1] * jnp.exp(so_far[0] - peak)[:, None]
        return peak, before + jnp.matmul(kernel, features, precision="highest")

    if blocks is None:
        if nu.shape[1]:
            so_far = take_in(outside, rows, so_far)
        if inside is not None:
            so_far = take_in(inside(grid.nodes), rows, so_far)
        return _means(*so_far)

    cut, so_far = jax.tree.map(functools.partial(_cut, size=blocks.rows), (rows, so_far))

    def every_row(cloud: Cloud, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
        cloud = finished(cloud)

        def block(i: Array, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
            mine = jax.tree.map(lambda leaf: leaf[i], (cut, so_far))
            return jax.tree.map(lambda leaf, new: leaf.at[i].set(new), so_far, take_in(cloud, *mine))

        return cast(tuple[Array, Array], jax.lax.fori_loop(0, blocks.used_rows, block, so_far))

    if nu.shape[1]:
        so_far = every_row(outside, so_far)
    if inside is not None:

        def some_nodes(j: Array, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
            return every_row(inside(some_of(grid.nodes, j, blocks.nodes)), so_far)

        so_far = jax.lax.fori_loop(0, blocks.used_nodes, some_nodes, so_far)
    return _means(*jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, *leaf.shape[2:])), so_far))


def added_up(some: Callable[[Rows, Any], Any], rows: Rows, sums: Any, blocks: Blocks | None) -> Any:
    """``some(rows, sums)``, or its sum over the blocks of rows that are used."""
    if blocks is None:
        return some(rows, sums)
    cut = jax.tree.map(functools.partial(_cut, size=blocks.rows), (rows, sums))

    def add(i: Array, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, some(*jax.tree.map(lambda leaf: leaf[i], cut)))

    shapes = jax.eval_shape(lambda: some(*jax.tree.map(lambda leaf: leaf[0], cut)))
    zero = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.fori_loop(0, blocks.used_rows, add, zero)


def some_of(nodes: Nodes, block: Array | int, size: int) -> Nodes:
    """A block of so many nodes."""
    parts = (jax.lax.dynamic_slice_in_dim(part, block * size, size) for part in nodes)
    return Nodes(*parts)


def needs_nodes(law: Difficulty, grid: Grid) -> bool:
    """Whether the law has points at a grid's nodes at all."""
    return bool(jax.eval_shape(law.inside, grid.nodes).log_p.size)


def phi(rows: Rows) -> tuple[Array, Array, Array]:
    """(s, f, 1) of every row, each [R]."""
    s, f = jnp.asarray(rows.successes), jnp.asarray(rows.failures)
    return s, f, jnp.ones_like(s)


def weighted_sum(rows: Rows, log_moments: Float[Array, " R"]) -> Float[Array, ""]:
    """sum of weight * log_moment; rows of weight 0 are padding, whatever their moment."""
    return jnp.sum(jnp.where(rows.weight != 0, rows.weight * log_moments, 0.0))


def _means(peak: Float[Array, " R"], sums: Float[Array, "R F"]) -> RowSums:
    # a block of rows that was left out has sums of 0
    total = jnp.where(sums[:, 0] > 0, sums[:, 0], 1.0)
    return RowSums(jnp.log(total) + peak, sums[:, 1:] / total[:, None])


def _cut(leaf: Array, size: int) -> Array:
    return jnp.reshape(leaf, (-1, size, *leaf.shape[1:]))


def finished(arrays: T) -> T:
    """The same, kept from being fused into a loop that would take them anew for every use."""
    return cast(T, jax.lax.optimization_barrier(arrays))
