"""The compiled programs of a fit: where to start, how high a place lies, and some steps further up.

Each takes a chunk of lanes, that is of datasets, as rows [B, R], and maps over them. The surface they
climb is the log-likelihood on a shared grid of points less the penalty of a normal prior on the search
coordinates, given as means and precisions [2, D].
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Summary
from lmpower.integrals import Reach
from lmpower.likelihood import Blocks, expand, value_on_points
from lmpower.maximise import ROUGH_TOLERANCE, TOLERANCE, Ascent, Surface, ascend, begin

# A batch climbs in float32 on a coarse grid (1e-6 a problem), which is twice as fast, and ends in
# float64 on a fine one (1e-10).
COARSE, FINE = 0.9, 1.5


class Grid(NamedTuple):
    """What fixes the arithmetic of one program: the points, and in which precision."""

    reach: Reach
    refinement: float = FINE
    block: int | None = None

    @property
    def rough(self) -> bool:
        """In float32, and only to the neighbourhood of a maximum."""
        return self.refinement == COARSE

    @property
    def dtype(self) -> Any:
        return np.float32 if self.rough else np.float64

    def blocks(self, count: Array | None) -> Blocks | None:
        return None if self.block is None or count is None else Blocks(self.block, count)


def reach_of(rows: Rows) -> Reach:
    """What a grid for all these rows must resolve, rounded up."""
    return Reach.holding(rows.successes.max(), rows.failures.max())


def surface_of(
    template: Difficulty, prior: Array, rows: Rows, grid: Grid, count: Array | None = None
) -> Surface:
    """Search coordinates -> value, gradient, Hessian of the penalised log-likelihood."""
    mean, precision = prior

    def surface(theta: Array) -> tuple[Array, Array, Array]:
        there = expand(template, theta, rows, grid.reach, grid.refinement, grid.blocks(count))
        off = theta - mean
        value = there.value - 0.5 * jnp.sum(precision * off**2)
        return value, there.gradient - precision * off, there.hessian - jnp.diag(precision)

    return surface


@functools.partial(jax.jit, static_argnames=("grid", "starts", "steps"))
def set_out(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    count: Array,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    *,
    grid: Grid,
    starts: int,
    steps: int,
) -> Ascent:
    """The first steps from the most probable of the family's starting points, [B, K].

    With no steps it only ranks them, which compiles in half the time.
    """
    template, prior, rows, lower, upper = _in_precision(grid, (template, prior, rows, lower, upper))
    tries = jax.vmap(lambda rows, low, high: jnp.clip(template.starts(summarise(rows)), low, high))(
        rows, lower, upper
    )

    heights = jax.lax.map(
        lambda thetas: _heights(template, prior, rows, count, thetas, grid), jnp.moveaxis(tries, 1, 0)
    )
    heights = jnp.where(jnp.isnan(heights), -jnp.inf, heights)
    _, best = jax.lax.top_k(heights.T, min(starts, tries.shape[1]))
    chosen = jnp.take_along_axis(tries, best[..., None], axis=1)
    if steps == 0:
        return begin(chosen)

    way = _way_up(template, prior, grid, count)
    each_start = jax.vmap(way, in_axes=(None, 0, None, None, None))
    return jax.vmap(each_start, in_axes=(0, 0, 0, 0, None))(rows, begin(chosen), lower, upper, steps)


@functools.partial(jax.jit, static_argnames="grid")
def climb(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    count: Array,
    state: Ascent,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    most_steps: Int[Array, " B"],
    *,
    grid: Grid,
) -> Ascent:
    """Every lane some steps further in its own box; lower == upper holds a coordinate."""
    template, prior, rows, lower, upper = _in_precision(grid, (template, prior, rows, lower, upper))

    return jax.vmap(_way_up(template, prior, grid, count))(rows, state, lower, upper, most_steps)


def _way_up(template: Difficulty, prior: Array, grid: Grid, count: Array) -> Callable[..., Ascent]:
    """One lane's ascent: rows, state, lower, upper and the most steps -> state."""
    tolerance = ROUGH_TOLERANCE if grid.rough else TOLERANCE

    def way(rows: Rows, state: Ascent, lower: Array, upper: Array, most: Array | int) -> Ascent:
        return ascend(surface_of(template, prior, rows, grid, count), state, lower, upper, most, tolerance)

    return way


@functools.partial(jax.jit, static_argnames="grid")
def height(
    template: Difficulty,
    prior: Array,
    rows: Rows,
    count: Array,
    theta: Float[Array, "B D"],
    *,
    grid: Grid,
) -> Float[Array, " B"]:
    """The penalised log-likelihood at ``theta``."""
    return _heights(template, prior, rows, count, theta, grid)


def _heights(
    template: Difficulty, prior: Array, rows: Rows, count: Array, theta: Array, grid: Grid
) -> Float[Array, " B"]:
    mean, precision = prior

    def lane(rows: Rows, theta: Array) -> Array:
        law = template.from_search(theta)
        value = value_on_points(law, rows, grid.reach, grid.refinement, grid.blocks(count))
        return value - 0.5 * jnp.sum(precision * (theta - mean) ** 2)

    return jax.vmap(lane)(rows, theta)


def _in_precision(grid: Grid, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, grid.dtype), tree)


def summarise(rows: Rows) -> Summary:
    """What rows [R] show at a glance, with rates kept off 0 so that logs of them exist."""
    n, weight = rows.attempts, rows.weight
    problems = jnp.sum(weight)
    rate = jnp.where(weight > 0, rows.successes / n, 0.0)
    least = 0.3 / jnp.sum(weight * n)
    return Summary(
        mean=jnp.clip(jnp.sum(weight * rate) / problems, least, 1 - 1e-6),
        largest=jnp.clip(jnp.max(rate), least, 1.0),
        unsolved=jnp.sum(jnp.where(rows.successes == 0, weight, 0.0)) / problems,
    )
