"""How far a fit could be off, read from its likelihood at the maximum.

Three answers to one question. If the difficulty law is right, the search coordinates scatter with
covariance (-H)^-1, H the Hessian. Whether it is right or not, they scatter with the sandwich
H^-1 (sum_i g_i g_i^T) H^-1, g_i the gradient of problem i's own log-likelihood (Huber 1967, Proc.
5th Berkeley Symp. 1, 221); where the two differ much, the law does not fit. And problem i moves the
maximum by (-H)^-1 g_i when its weight goes up by one: its influence, from which both the
infinitesimal jackknife and a differentiable fit follow.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from lmpower.counts import Counts, Rows, require_counts
from lmpower.difficulty.base import Difficulty
from lmpower.fit.lanes import MOST_STEPS, Lanes
from lmpower.fit.maximum import Fit, penalty_table
from lmpower.fit.surface import Load, Tile, block_by_block, reach_of, surface_of
from lmpower.likelihood import Blocks, expand, scores_on_points
from lmpower.numerics.grid import FINE, shared_grid
from lmpower.numerics.maximise import ascend, begin, free_coordinates, masked, solve_positive
from lmpower.numerics.precision import float64_on_host


def covariance(fit: Fit) -> Float[np.ndarray, "*B D D"]:
    """Covariance of the search coordinates if the law is right: (-H)^-1 at the maximum.

    A coordinate held at a bound of its box by the gradient has zero rows and columns: given the
    counts, the fit would not move it. Nan where the fit cannot be used or H is not negative
    definite in the others.
    """
    free = free_of_bounds(fit)
    both = free[..., :, None] & free[..., None, :]
    eye = np.eye(free.shape[-1])
    curvature = np.where(both, -fit.hessian, eye)
    usable = np.asarray(fit.ok) & np.all(np.isfinite(curvature), axis=(-2, -1))
    curvature = np.where(usable[..., None, None], curvature, eye)
    usable = usable & (np.linalg.eigvalsh(curvature)[..., 0] > 0)
    inverse = np.linalg.inv(np.where(usable[..., None, None], curvature, eye))
    return np.where(usable[..., None, None], np.where(both, inverse, 0.0), np.nan)


def sandwich(fit: Fit) -> Float[np.ndarray, "*B D D"]:
    """Covariance of the search coordinates whatever the law: H^-1 (sum w g g^T) H^-1.

    Problems, with all that was done to them, are taken to be independent draws.
    """
    return _spread(fit, influence(fit))


def jackknife(fit: Fit) -> Float[np.ndarray, "*B D D"]:
    """The infinitesimal jackknife: P/(P-1) sum_i (I_i - mean I)(I_i - mean I)^T, I the influences.

    Leaving out problem i moves the maximum by about -I_i P/(P-1) (exactly, were it a mean: weights
    then sum to P - 1), and Tukey's jackknife is (P-1)/P times the sum of those moves squared; hence
    the factor. For an unpenalised fit inside of its box the mean influence is 0, and this is the
    sandwich times P/(P-1).
    """
    each = influence(fit)
    weight = fit.rows.weight
    problems = np.sum(weight, axis=-1)[..., None, None]
    mean = np.sum(weight[..., None] * each, axis=-2, keepdims=True) / problems
    factor = problems / np.maximum(problems - 1, 1)
    return np.asarray(_spread(fit, each - mean) * factor)


def _spread(fit: Fit, each: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("...r,...rd,...re->...de", fit.rows.weight, each, each))


_SPREADS = {"hessian": covariance, "sandwich": sandwich, "jackknife": jackknife}


def standard_error(fit: Fit, kind: str = "hessian") -> Float[np.ndarray, "*B"]:
    """Standard error of the tail exponent b, by the delta rule: sqrt(b'^T C b'), b' = db/dtheta.

    Args:
        fit: one fit or a batch.
        kind: which covariance C: "hessian", "sandwich" or "jackknife".

    Returns:
        [*B]; 0 where the family fixes the exponent, nan where there is none or no usable fit.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind not in _SPREADS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, _SPREADS))}, not {kind!r}")
    slope = exponent_slope(fit)
    return np.asarray(np.sqrt(np.einsum("...d,...de,...e->...", slope, _SPREADS[kind](fit), slope)))


def exponent_slope(fit: Fit) -> Float[np.ndarray, "*B D"]:
    """Derivative of the tail exponent in the search coordinates; nan where there is no exponent."""
    theta = np.reshape(fit.theta, (-1, fit.theta.shape[-1]))
    with jax.enable_x64(True):
        exponent, slope = jax.tree.map(np.asarray, _exponent_and_slope(fit.template, theta))
    return np.where(np.isnan(exponent)[:, None], np.nan, slope).reshape(fit.theta.shape)


@jax.jit
def _exponent_and_slope(template: Difficulty, theta: Array) -> tuple[Array, Array]:
    return jax.vmap(jax.value_and_grad(lambda t: template.from_search(t).tail().exponent))(theta)


def scores(fit: Fit) -> Float[np.ndarray, "*B R D"]:
    """Gradient of each distinct row's own log-likelihood at the maximum, not times its weight.

    0 for padding; nan where the fit cannot be used.
    """
    lanes = _as_batch(fit)
    each = _programs(lanes).chunked(_scores, lanes.theta)[:, : lanes.rows.weight.shape[-1]]
    each = np.where(lanes.rows.weight[..., None] > 0, each, 0.0)
    each = np.where(np.asarray(lanes.ok)[:, None, None], each, np.nan)
    return np.asarray(each if fit.theta.ndim == 2 else each[0])


@functools.partial(jax.jit, static_argnames=("tile", "rough"))
def _scores(load: Load, rows: Rows, theta: Array, *, tile: Tile, rough: bool) -> Array:
    def some(load: Load, blocks: Blocks, rows: Rows, theta: Array) -> Array:
        def lane(rows: Rows, theta: Array) -> Array:
            return scores_on_points(load.template, theta, rows, load.grid, blocks)

        return jax.vmap(lane)(rows, theta)

    like = jnp.zeros((*rows.weight.shape, theta.shape[-1]))
    return block_by_block(some, load, (rows, theta), like, tile, rough)


def influence(fit: Fit, counts: Counts | None = None) -> Float[np.ndarray, "*B R D"]:
    """d theta_hat / d weight_i = (-H)^-1 g_i: where the maximum goes as row i gains weight.

    Args:
        fit: one fit or a batch.
        counts: what a single fit was made from, to have one line for each problem, [P, D].

    Raises:
        ValueError: for counts with a batch, or other counts than the fit's.
    """
    each: np.ndarray = np.einsum("...rd,...de->...re", scores(fit), covariance(fit))
    if counts is None:
        return each
    require_counts_of(fit, counts)
    return np.asarray(each[counts.row_of_problem])


def exponent_influence(fit: Fit, counts: Counts | None = None) -> Float[np.ndarray, "*B R"]:
    """d b_hat / d weight_i of the tail exponent b, for each row, or problem: see ``influence``."""
    return np.asarray(np.einsum("...rd,...d->...r", influence(fit, counts), exponent_slope(fit)))


def require_counts_of(fit: Fit, counts: Counts) -> None:
    """Refuse all but the counts that this single fit was made from."""
    require_counts(counts)
    if fit.theta.ndim != 1:
        raise ValueError("counts go with a single fit, not with a batch: take fit[i]")
    own, mine = counts.rows(), fit.rows
    size = own.weight.size
    given = np.stack([own.successes, own.failures, own.weight])
    fitted = np.stack([mine.successes, mine.failures, mine.weight])
    if not np.array_equal(given, fitted[:, :size]) or np.any(fitted[2, size:]):
        raise ValueError("these are not the counts that the fit was made from")


def maximiser(fit: Fit) -> Callable[[Float[Array, " R"]], Float[Array, " D"]]:
    """The fit as a differentiable function of its rows' weights: weights [R] -> theta_hat [D].

    It climbs from ``fit.theta``, so weights should be near the fit's own. Its derivative is that of
    the implicit function grad l(theta_hat, w) = 0,

        d theta_hat = (-H)^-1 sum_i g_i dw_i,

    whatever path the climb took; coordinates held at a bound do not move. It can be differentiated
    repeatedly, forward and backward, and works under ``jit`` and ``vmap``. NumPy weights are
    computed in float64; JAX arrays keep their precision (float64 needs ``jax.enable_x64``).

    Raises:
        ValueError: for a batch.
    """
    if fit.theta.ndim != 1:
        raise ValueError("maximiser takes a single fit, not a batch: take fit[i]")
    template, rows = fit.template, fit.rows
    grid = shared_grid(reach_of(rows), FINE, template.needs_span)
    prior = penalty_table(template, fit.penalty)
    constants = (prior, *fit.bounds, fit.theta)

    def setting(weights: Array) -> tuple[Rows, list[Array]]:
        weighted = dataclasses.replace(rows, weight=cast(np.ndarray, weights))
        as_given = functools.partial(jnp.asarray, dtype=weights.dtype)
        return jax.tree.map(as_given, weighted), [as_given(x) for x in constants]

    @jax.custom_jvp
    def maximum(weights: Array) -> Array:
        rows, (prior, lower, upper, theta) = setting(weights)
        surface = surface_of(template, prior, rows, grid)
        return ascend(surface, begin(theta), lower, upper, MOST_STEPS).theta

    @maximum.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        theta = maximum(*primals)
        rows, ((mean, precision), lower, upper, _) = setting(*primals)
        there = expand(template, theta, rows, grid)
        gradient = there.gradient - precision * (theta - mean)
        where = begin(theta)._replace(gradient=gradient)
        free = free_coordinates(where, lower, upper)
        scores = scores_on_points(template, theta, rows, grid)
        pull = jnp.where(free, tangents[0] @ scores, 0.0)
        return theta, solve_positive(masked(jnp.diag(precision) - there.hessian, free), pull)

    return float64_on_host(lambda weights: maximum(jnp.asarray(weights)))


# --- what the functions above and other modules need ---


def free_of_bounds(fit: Fit) -> Bool[np.ndarray, "*B D"]:
    """The coordinates not held at a bound."""
    # a fit has a theta and a gradient, and that is all that is looked at
    return np.asarray(free_coordinates(cast(Any, fit), *cast(Any, fit.bounds)))


def _as_batch(fit: Fit) -> Fit:
    if fit.theta.ndim == 2:
        return fit
    return cast(Fit, jax.tree.map(lambda leaf: np.asarray(leaf)[None], fit))


def _programs(fit: Fit) -> Lanes:
    return Lanes.over(fit.rows, fit.template, penalty_table(fit.template, fit.penalty))
