"""The compiled programs of a fit: where to start, some steps up, how high a place lies, and all of that.

Each takes lanes, that is datasets, as rows [B, R], and maps over them, a block of lanes after the other.
The surface they climb is the log-likelihood on a grid of points less the penalty of a normal prior on the
search coordinates, given as means and precisions [2, D].

What varies from call to call (how many lanes, rows and nodes are used, and where the nodes lie) is data, so
that a family needs one program of each kind.
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
from lmpower.difficulty.base import Family, Summary
from lmpower.likelihood import Blocks, expand, value_on_points, values_side_by_side
from lmpower.numerics.grid import Grid, Reach
from lmpower.numerics.maximise import ROUGH_TOLERANCE, RUNNING, TOLERANCE, Ascent, Surface, begin, step_up
from lmpower.numerics.turns import take_turns

# Who has not arrived after so many steps in float32 goes on in float64: to wait for the last of them would
# take a small batch longer.
ROUGH_STEPS = 12


class Tile(NamedTuple):
    """How many lanes, rows and nodes a program takes at a time, and of each lane how many places."""

    lanes: int
    rows: int
    nodes: int
    places: int = 1


class Load(NamedTuple):
    """What one call of a program works on beside its lanes; B is a multiple of the tile's lanes.

    Attributes:
        template: the family, or any law of it.
        prior: means and precisions, [2, D].
        grid: filled up to a multiple of the tile's nodes.
        used_rows: blocks of rows that each lane uses; 0 for one that is padding, which come last, [B].
        used_nodes: blocks of nodes.
    """

    template: Family
    prior: Any
    grid: Grid
    used_rows: Any
    used_nodes: Any

    def in_precision(self, dtype: Any) -> Load:
        template, prior, grid = _in_precision((self.template, self.prior, self.grid), dtype)
        return self._replace(template=template, prior=prior, grid=grid)


def reach_of(rows: Rows) -> Reach:
    """What a grid for all these rows must resolve, rounded up."""
    return Reach.holding(rows.successes.max(), rows.failures.max())


def surface_of(
    template: Family, prior: Array, rows: Rows, grid: Grid, blocks: Blocks | None = None
) -> Surface:
    """Search coordinates -> value, gradient, Hessian of the penalised log-likelihood."""
    mean, precision = prior

    def surface(theta: Array) -> tuple[Array, Array, Array]:
        there = expand(template, theta, rows, grid, blocks)
        off = theta - mean
        value = there.value - 0.5 * jnp.sum(precision * off**2)
        return value, there.gradient - precision * off, there.hessian - jnp.diag(precision)

    return surface


@functools.partial(jax.jit, static_argnames=("tile", "rough", "starts"))
def set_out(
    load: Load,
    rows: Rows,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    *,
    tile: Tile,
    rough: bool = False,
    starts: int,
) -> Float[Array, "B K D"]:
    """The most probable of the family's starting points, the best first."""
    kept = min(starts, _number_of_starts(load.template, rows))

    def some(load: Load, blocks: Blocks, rows: Rows, lower: Array, upper: Array) -> Array:
        tries = jax.vmap(
            lambda rows, low, high: jnp.clip(load.template.starts(summarise(rows)), low, high)
        )(rows, lower, upper)
        _, best = jax.lax.top_k(_heights(load, blocks, rows, tries, tile.places), kept)
        return jnp.take_along_axis(tries, best[..., None], axis=1)

    like = jnp.zeros((lower.shape[0], kept, lower.shape[1]))
    return block_by_block(some, load, (rows, lower, upper), like, tile, rough)


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def climb(
    load: Load,
    rows: Rows,
    state: Ascent,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    most_steps: Int[Array, " B"],
    *,
    tile: Tile,
    rough: bool = False,
) -> Ascent:
    """Every lane some steps further in its own box; lower == upper holds a coordinate."""
    dtype, tolerance = (np.float32, ROUGH_TOLERANCE) if rough else (np.float64, TOLERANCE)
    load = load.in_precision(dtype)
    rows, state, lower, upper = _in_precision((rows, state, lower, upper), dtype)
    end = state.steps + most_steps

    def step(lanes: Array, states: Ascent) -> Ascent:
        blocks = Blocks(tile.rows, tile.nodes, jnp.max(load.used_rows[lanes]), load.used_nodes)

        def one(rows: Rows, state: Ascent, lower: Array, upper: Array) -> Ascent:
            surface = surface_of(load.template, load.prior, rows, load.grid, blocks)
            return step_up(surface, state, lower, upper, tolerance)

        mine = jax.tree.map(lambda leaf: leaf[lanes], rows)
        return jax.vmap(one)(mine, states, lower[lanes], upper[lanes])

    def running(lanes: Array, states: Ascent) -> Array:
        return (states.status == RUNNING) & (states.steps < end[lanes]) & (load.used_rows[lanes] > 0)

    return take_turns(step, running, state, places=tile.lanes)


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def height(
    load: Load, rows: Rows, theta: Float[Array, "B D"], *, tile: Tile, rough: bool = False
) -> Float[Array, " B"]:
    """The penalised log-likelihood at ``theta``."""
    return block_by_block(_height_of_each, load, (rows, theta), theta[:, 0], tile, rough)


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def whole_way(
    first: Load,
    fine: Load,
    finer: Load,
    rows: Rows,
    state: Ascent,
    lower: Float[Array, "B D"],
    upper: Float[Array, "B D"],
    most_steps: Int[Array, " B"],
    *,
    tile: Tile,
    rough: bool,
) -> tuple[Ascent, Float[Array, " B"]]:
    """From the best starting point up the fine surface, and the height of where that ends on a finer.

    ``rough`` is whether the first grid is coarse, and climbed in float32 on the way. Whatever load uses no
    rows is passed by: without the first one sets out from ``state``, without the last the height is 0.
    """
    start = set_out(first, rows, lower, upper, tile=tile, rough=rough, starts=1)[:, 0]
    if rough:
        steps = jnp.full_like(most_steps, ROUGH_STEPS)
        there = climb(first, rows, begin(start), lower, upper, steps, tile=tile, rough=True)
        start = inside(there.theta.astype(lower.dtype), lower, upper)

    def chosen(new: Array, old: Array) -> Array:
        return jnp.where(jnp.reshape(first.used_rows > 0, (-1, *[1] * (new.ndim - 1))), new, old)

    state = jax.tree.map(chosen, begin(start), state)
    state = climb(fine, rows, state, lower, upper, most_steps, tile=tile)
    return state, height(finer, rows, state.theta, tile=tile)


def inside(theta: Any, lower: Any, upper: Any) -> Any:
    """Inside the box, whose bounds float32 has rounded: what it cannot tell from a bound lies on it."""
    xp = theta.__array_namespace__()  # NumPy on the host, JAX in a program
    theta = xp.where(xp.isclose(theta, lower, rtol=1e-6, atol=1e-7), lower, theta)
    theta = xp.where(xp.isclose(theta, upper, rtol=1e-6, atol=1e-7), upper, theta)
    return xp.clip(theta, lower, upper)


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def heights(
    load: Load, rows: Rows, theta: Float[Array, "B K D"], *, tile: Tile, rough: bool = False
) -> Float[Array, "B K"]:
    """The penalised log-likelihood at K places of each lane; -inf where there is none."""

    def some(load: Load, blocks: Blocks, rows: Rows, theta: Array) -> Array:
        return _heights(load, blocks, rows, theta, tile.places)

    return block_by_block(some, load, (rows, theta), theta[..., 0], tile, rough)


def block_by_block(
    some: Callable[..., Any], load: Load, lanes: tuple[Any, ...], like: Any, tile: Tile, rough: bool
) -> Any:
    """``some(load, blocks, *lanes)`` over the blocks of lanes that are used; of the shape of ``like``."""
    dtype = np.float32 if rough else np.float64
    load = load.in_precision(dtype)
    lanes, like, used_rows = jax.tree.map(
        lambda leaf: jnp.reshape(leaf, (-1, tile.lanes, *leaf.shape[1:])),
        (*_in_precision((lanes, like), dtype), load.used_rows),
    )
    used_rows = jnp.max(used_rows, axis=-1)

    def block(i: Array, whole: Any) -> Any:
        mine = jax.tree.map(lambda leaf: leaf[i], lanes)
        part = some(load, Blocks(tile.rows, tile.nodes, used_rows[i], load.used_nodes), *mine)
        return jax.tree.map(lambda leaf, part: leaf.at[i].set(part), whole, part)

    whole = jax.lax.fori_loop(0, jnp.sum(used_rows > 0), block, like)
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, *leaf.shape[2:])), whole)


def _in_precision(tree: Any, dtype: Any) -> Any:
    """Real numbers in this precision, whole ones as they are."""

    def cast(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(cast, tree)


def _heights(
    load: Load, blocks: Blocks, rows: Rows, theta: Float[Array, "B K D"], together: int
) -> Float[Array, "B K"]:
    """At K places of each lane, so many of each ``together``, those of all lanes side by side."""
    lanes, places, dimensions = theta.shape
    together = min(together, places)
    theta = jnp.pad(theta, ((0, 0), (0, -places % together), (0, 0)), mode="edge")
    groups = jnp.moveaxis(jnp.reshape(theta, (lanes, -1, together, dimensions)), 1, 0)
    rows = jax.tree.map(lambda leaf: jnp.repeat(leaf.T, together, axis=1), rows)
    mean, precision = load.prior

    def of_group(theta: Float[Array, "B G D"]) -> Float[Array, "B G"]:
        flat = jnp.reshape(theta, (-1, dimensions))
        value = values_side_by_side(jax.vmap(load.template.from_search)(flat), rows, load.grid, blocks)
        value = value - 0.5 * jnp.sum(precision * (flat - mean) ** 2, axis=-1)
        return jnp.reshape(value, (lanes, together))

    each = jnp.moveaxis(jax.lax.map(of_group, groups), 0, 1)
    each = jnp.reshape(each, (lanes, -1))[:, :places]
    return jnp.where(jnp.isnan(each), -jnp.inf, each)


def _height_of_each(
    load: Load, blocks: Blocks, rows: Rows, theta: Float[Array, "B D"]
) -> Float[Array, " B"]:
    mean, precision = load.prior

    def lane(rows: Rows, theta: Array) -> Array:
        law = load.template.from_search(theta)
        value = value_on_points(law, rows, load.grid, blocks)
        return value - 0.5 * jnp.sum(precision * (theta - mean) ** 2)

    return jax.vmap(lane)(rows, theta)


def _number_of_starts(template: Family, rows: Rows) -> int:
    one = jax.tree.map(lambda leaf: leaf[0], rows)
    return int(jax.eval_shape(lambda: template.starts(summarise(one))).shape[0])


def summarise(rows: Rows) -> Summary:
    """What rows [R] show at a glance, with rates kept off 0 so that logs of them exist."""
    n, weight = rows.attempts, jnp.maximum(rows.weight, 0.0)
    problems = jnp.sum(weight)
    rate = jnp.where(weight > 0, rows.successes / jnp.maximum(n, 1.0), 0.0)
    least = 0.3 / jnp.sum(weight * n)
    return Summary(
        mean=jnp.clip(jnp.sum(weight * rate) / problems, least, 1 - 1e-6),
        largest=jnp.clip(jnp.max(rate), least, 1.0),
        unsolved=jnp.sum(jnp.where(rows.successes == 0, weight, 0.0)) / problems,
    )
