"""Forecasts from a posterior, whose intervals are those of simulated problems.

Every draw is one difficulty, from which for *these* problems each has a chance of its own drawn, given what
was seen of it, and for a future measurement the outcomes of its attempts as well.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.counts import Counts, Rows, stack_rows, unseen
from lmpower.difficulty.base import Difficulty
from lmpower.forecast.chances import chance, grid_holding, reach_of_chances, weights_given
from lmpower.forecast.result import Forecast
from lmpower.numerics.binomial import log_choose
from lmpower.numerics.grid import FINE, Grid
from lmpower.numerics.lengths import rounded_up
from lmpower.posterior.draws import Posterior

# A multiple of so many rows, so that few programs are compiled.
_ROWS = 32
# Draws at a time, or fewer, whose weights (a row's points, for every row) are no more than these in all.
_AT_A_TIME, _MOST_WEIGHTS = 8, 1 << 23
# The chances of fewer problems than this are drawn from a grid as many times as fine, on which the ends of
# an interval are not seen to move in steps; unless that takes more nodes than this.
_FEW, _MANY_NODES = 8, 1 << 15


def forecast_from_draws(
    posterior: Posterior,
    ks: np.ndarray,
    counts: Counts | None,
    measured: int | None,
    key: jax.Array | None,
    asked: dict[str, Any],
) -> Forecast:
    """``forecast_pass_at_k`` of a posterior."""
    if posterior.log_likelihood.ndim != 1:
        raise ValueError("a forecast takes the posterior of one data set, not a batch: take posterior[i]")
    law, metric, tau = posterior.difficulty, asked["metric"], asked["tau"]
    seen = counts if asked["problems"] == "same" else None
    rows = None if seen is None else seen.rows()
    given = unseen()
    if rows is not None:
        given = jax.tree.map(lambda leaf: leaf[0], stack_rows([rows], _ROWS))
    # (new problems are drawn only for a measurement of them)
    simulated = seen is not None or measured is not None
    problems = 1 if counts is None else len(counts)
    counted = np.arange(rounded_up(problems)) < problems
    row_of_problem = np.zeros(counted.size, np.int64)
    if seen is not None:
        row_of_problem[:problems] = seen.row_of_problem
    grid = _grid_to_draw_from(law, rows, ks, metric, problems if simulated else _FEW)
    draws = len(posterior.log_likelihood)
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0) if key is None else key, draws)
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (law, given, grid, ks))
        found = _simulate(*arrays, row_of_problem, counted, keys, metric=metric, tau=tau)
        # (means of what is 1 everywhere round to a little above)
        mean, each, chances = (np.minimum(leaf, 1.0) for leaf in found[:3])
        log_p = np.asarray(found[3])
    values = chances if simulated else mean
    if measured is not None:
        values = _measurements(log_p[:, :problems], ks, seen, measured, key)
    lower, upper = posterior.estimate(values, asked["level"])[2:]
    per_problem = None if seen is None else each[seen.row_of_problem]
    estimate = np.mean(mean, axis=0)
    return Forecast(ks, estimate, lower, upper, per_problem, values, **asked, measured=measured)


def _grid_to_draw_from(
    law: Difficulty, rows: Rows | None, ks: np.ndarray, metric: str, problems: int
) -> Grid:
    reach = reach_of_chances(rows, ks, metric)
    grid = grid_holding(*reach, law.needs_span)
    finer = min(_FEW / problems, _MANY_NODES / grid.nodes.log_x.size)
    return grid if finer <= 1 else grid_holding(*reach, law.needs_span, refinement=finer * FINE)


@functools.partial(jax.jit, static_argnames=("metric", "tau"))
def _simulate(
    laws: Difficulty,
    rows: Rows,
    grid: Grid,
    ks: Array,
    row_of_problem: Array,
    counted: Array,
    keys: Array,
    *,
    metric: str,
    tau: float | None,
) -> tuple[Array, Array, Array, Array]:
    """Of S laws: E g [S, K] and of every row [R, K] (their mean); a draw of g [S, K] and log p [S, P].

    A problem's p is drawn from the grid's points, on which sums of g and g^2 are exact. Problems [P] which
    are not ``counted`` are there for the number only.
    """
    share = jnp.asarray(rows.weight) / jnp.sum(rows.weight)
    problems = jnp.sum(counted)

    def one(law: Difficulty, key: Array) -> tuple[Array, Array, Array, Array]:
        points = law.points(grid)
        hit, _ = chance(points, ks, metric, tau)
        weights = weights_given(points, rows)
        each = weights @ hit
        chosen = _drawn(weights, row_of_problem, jax.random.uniform(key, row_of_problem.shape, hit.dtype))
        return each, share @ each, counted @ hit[chosen] / problems, points.log_p[chosen]

    def some(total: Array, laws_keys: tuple[Difficulty, Array]) -> tuple[Array, tuple[Array, ...]]:
        each, *found = jax.vmap(one)(*laws_keys)
        return total + jnp.sum(each, axis=0), tuple(found)

    # (the chances of every row under every law are not kept: they would be the largest array by far)
    size = len(keys)
    points = jax.eval_shape(lambda: jax.tree.map(lambda leaf: leaf[0], laws).points(grid)).log_p.size
    chunk = _at_a_time(size, share.size * points)
    chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, chunk, *leaf.shape[1:]), (laws, keys))
    nothing = jnp.zeros((share.size, ks.size), share.dtype)
    total, found = jax.lax.scan(some, nothing, chunks)
    mean, chances, log_p = (leaf.reshape(size, -1) for leaf in found)
    return mean, total / size, chances, log_p


def _at_a_time(draws: int, weights: int) -> int:
    """How many draws of so many weights each are simulated together: a power of two that divides them."""
    fitting = max(_MOST_WEIGHTS // weights, 1)
    return math.gcd(draws, _AT_A_TIME, 1 << (fitting.bit_length() - 1))


def _drawn(weights: Float[Array, "R J"], row: Int[Array, " P"], u: Float[Array, " P"]) -> Int[Array, " P"]:
    """Which point is at the quantile u of a problem's row.

    All rows are one rising line, row r from r to r + 1, so that no problem needs a copy of its own.
    """
    cumulative = jnp.cumsum(weights, axis=-1)
    line = cumulative / cumulative[:, -1:] + jnp.arange(len(weights))[:, None]
    place = jnp.searchsorted(line.ravel(), row + u, side="right")
    return jnp.clip(place - row * weights.shape[1], 0, weights.shape[1] - 1)


def _measurements(
    log_p: Float[np.ndarray, "S P"],
    ks: np.ndarray,
    counts: Counts | None,
    measured: int,
    key: jax.Array | None,
) -> Float[np.ndarray, "S K"]:
    """Unbiased pass@k of ``measured`` attempts, those made and others, for problems of such chances."""
    # (the keys before this one are those of the draws)
    key = jax.random.fold_in(jax.random.key(0) if key is None else key, len(log_p))
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    made = np.zeros(log_p.shape[1], np.int64) if counts is None else counts.attempts
    solved = np.zeros(log_p.shape[1], np.int64) if counts is None else counts.successes
    successes = solved + rng.binomial(measured - made, np.exp(np.maximum(log_p, -700.0)))
    fails = measured - successes
    values = []
    for k in ks.astype(np.int64):
        # C(n - s, k) / C(n, k), which is 0 where fewer than k attempts failed
        missed = log_choose(np.maximum(fails, k), k) - log_choose(measured, k)
        values.append(np.mean(np.where(fails >= k, -np.expm1(missed), 1.0), axis=1))
    return np.stack(values, axis=-1)
