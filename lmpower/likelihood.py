"""Counts scored under a difficulty: exactly, and binned as the published estimators do.

Exact: log P(s | n) = log C(n, s) + log_moment(s, n - s), summed over distinct rows (s, f) times
their multiplicity. Two routes lead there. ``log_likelihood`` takes every row's integral to the last
digits. ``expand`` takes all rows on one shared cloud of points, with gradient and Hessian in the
search coordinates, for the tens of evaluations a fit needs.

Binned (Schaeffer et al. 2025): only the histogram of s/n is used, in bins of width about 1/N, with
the mass that F puts in each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Points
from lmpower.integrals import Reach, log1mexp
from lmpower.precision import float64_on_host

D = TypeVar("D", bound=Difficulty)
T = TypeVar("T")


@float64_on_host
def log_likelihood(difficulty: Difficulty, rows: Rows) -> Float[Array, ""]:
    """sum over rows of weight * log_moment(s, f): the exact log-likelihood without log C(n, s).

    Add ``weight * rows.log_choose`` for the probability of the counts themselves; it does not depend
    on the difficulty. Rows of weight 0 are padding.
    """
    present = rows.weight > 0
    log_moment = difficulty.log_moment(jnp.asarray(rows.successes), jnp.asarray(rows.failures))
    return jnp.sum(jnp.where(present, rows.weight * jnp.where(present, log_moment, 0.0), 0.0))


class Expansion(NamedTuple):
    """The log-likelihood around one point of the search coordinates."""

    value: Float[Array, ""]
    gradient: Float[Array, " D"]
    hessian: Float[Array, "D D"]


class Blocks(NamedTuple):
    """Take ``size`` rows at a time, and of the blocks only the first ``used``: the rest is padding.

    What is held at once then depends neither on how many rows there are, nor the time on how many
    pad them; R must be a multiple of ``size``.
    """

    size: int
    used: Int[Array, ""]


def log_moments_on_points(
    difficulty: Difficulty, rows: Rows, reach: Reach, refinement: float = 1.0
) -> Float[Array, " R"]:
    """log_moment of every row on one shared grid; ``reach`` bounds the rows."""
    kernel, peak = _kernel(_finished(jnp.stack(difficulty.points(reach, refinement))), rows)
    return jnp.log(_totals(kernel)) + peak


def scores_on_points(
    template: Difficulty, theta: Float[Array, " D"], rows: Rows, reach: Reach, refinement: float = 1.0
) -> Float[Array, "R D"]:
    """Derivative of every row's log_moment in the search coordinates."""

    def moments(t: Array) -> Array:
        return log_moments_on_points(template.from_search(t), rows, reach, refinement)

    return cast(Array, jax.jacfwd(moments)(theta))


def value_on_points(
    difficulty: Difficulty,
    rows: Rows,
    reach: Reach,
    refinement: float = 1.0,
    blocks: Blocks | None = None,
) -> Float[Array, ""]:
    """sum over rows of weight * log_moment(s, f), on one shared grid."""
    nu = _finished(jnp.stack(difficulty.points(reach, refinement)))

    def some(rows: Rows) -> Array:
        kernel, peak = _kernel(nu, rows)
        return _weighted(rows, jnp.log(_totals(kernel)) + peak)

    return cast(Array, _over(some, rows, blocks))


def expand(
    template: D,
    theta: Float[Array, " D"],
    rows: Rows,
    reach: Reach,
    refinement: float = 1.0,
    blocks: Blocks | None = None,
) -> Expansion:
    """Value, gradient and Hessian of the log-likelihood at search coordinates ``theta``.

    Row i's moment is a sum over points, M_i = sum_j exp(phi_i . nu_j) with phi_i = (s_i, f_i, 1) and
    nu_j = (log p_j, log(1-p_j), log w_j), of which only nu depends on theta. With the posterior
    P_ij of point j given row i,

        grad log M_i = sum_j P_ij (phi_i . nu_j'),
        hess log M_i = sum_j P_ij [(phi_i . nu_j')(phi_i . nu_j')^T + phi_i . nu_j''] - grad grad^T,

    so derivatives are taken of J points and never of R x J numbers: two small matrix products, of
    K_ij with the nu_j' that are not zero, and of W_ab = sum_i weight_i phi_ia phi_ib P_ij.
    """
    size = theta.shape[0]
    points, slope, bend = _two_derivatives(
        lambda t: template.from_search(t).points(reach, refinement), theta
    )
    moving = sorted(slope)
    pairs = sorted({tuple(sorted((a, b))) for a, _ in moving for b in (2, *(b for b, _ in moving))})
    features = jnp.stack([jnp.ones_like(points[0]), *(slope[each] for each in moving)], axis=-1)
    nu, features = _finished((jnp.stack(points), features))

    def some(rows: Rows) -> tuple[Array, ...]:
        weight = jnp.asarray(rows.weight)
        phi = _phi(rows)
        kernel, peak = _kernel(nu, rows)
        sums = jnp.matmul(kernel, features, precision="highest")
        total, means = sums[:, 0], sums[:, 1:] / sums[:, :1]
        by_coordinate: list[Any] = [jnp.zeros_like(total)] * size
        for q, (a, d) in enumerate(moving):
            by_coordinate[d] = by_coordinate[d] + phi[a] * means[:, q]
        scores = jnp.stack(by_coordinate, axis=-1)
        weighted = weight[:, None] * scores
        outer = jnp.matmul(weighted.T, scores, precision="highest")
        share = jnp.stack([phi[a] * phi[b] * (weight / total) for a, b in pairs])
        W = jnp.matmul(share, kernel, precision="highest")
        return _weighted(rows, jnp.log(total) + peak), jnp.sum(weighted, axis=0), outer, W

    value, gradient, outer, W = cast(tuple[Array, ...], _over(some, rows, blocks))
    W_of = dict(zip(pairs, W, strict=True))

    def curvature(d: int, e: int) -> Array:
        bent = sum(W_of[a, 2] * bend[a, d, e] for a in range(3) if (a, d, e) in bend)
        crossed = (
            W_of[min(a, b), max(a, b)] * slope[a, d] * slope[b, e]
            for (a, one), (b, other) in itertools.product(moving, moving)
            if (one, other) == (d, e)
        )
        return bent + sum(crossed) + jnp.zeros_like(points[0])

    upper = [(d, e) for d in range(size) for e in range(d, size)]
    # a product with ones, because XLA adds up a plain sum's terms one by one
    sums = _totals(jnp.stack([curvature(d, e) for d, e in upper]))
    place = np.array([[upper.index((min(d, e), max(d, e))) for e in range(size)] for d in range(size)])
    return Expansion(value, gradient, sums[place] - outer)


def _over(some: Callable[[Rows], Any], rows: Rows, blocks: Blocks | None) -> Any:
    """``some(rows)``, or its sum over blocks of rows."""
    if blocks is None:
        return some(rows)
    cut = jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, blocks.size)), rows)

    def add(i: Array, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, some(jax.tree.map(lambda leaf: leaf[i], cut)))

    shapes = jax.eval_shape(lambda: some(jax.tree.map(lambda leaf: leaf[0], cut)))
    zero = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.fori_loop(0, blocks.used, add, zero)


def _phi(rows: Rows) -> tuple[Array, Array, Array]:
    s, f = jnp.asarray(rows.successes), jnp.asarray(rows.failures)
    return s, f, jnp.ones_like(s)


def _kernel(nu: Float[Array, "3 J"], rows: Rows) -> tuple[Float[Array, "R J"], Float[Array, " R"]]:
    """exp(phi_i . nu_j - peak_i) and each row's peak, which keeps any row from underflowing."""
    exponent = jnp.matmul(jnp.stack(_phi(rows), axis=-1), nu, precision="highest")
    peak = jax.lax.stop_gradient(jnp.max(exponent, axis=-1))
    # (numbers below the smallest normal one would be slow, and are as good as nothing beside the peak)
    least = 0.9 * math.log(jnp.finfo(exponent.dtype).tiny)
    return _finished(jnp.exp(jnp.maximum(exponent - peak[:, None], least))), peak


def _finished(arrays: T) -> T:
    """The same, kept from being fused into a loop that would take them anew for every use."""
    return cast(T, jax.lax.optimization_barrier(arrays))


def _totals(terms: Float[Array, "R J"]) -> Float[Array, " R"]:
    return jnp.matmul(terms, jnp.ones_like(terms[0]), precision="highest")


def _weighted(rows: Rows, log_moments: Float[Array, " R"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(rows.weight > 0, rows.weight * log_moments, 0.0))


def _two_derivatives(
    cloud: Callable[[Sequence[Array]], Points], theta: Array
) -> tuple[Points, dict[tuple[int, int], Array], dict[tuple[int, int, int], Array]]:
    """nu, its derivatives {(a, d): [J]}, and its second derivatives {(a, d, e): [J], d <= e}.

    a counts nu's parts; what is zero for every theta is left out. The coordinates go in one by one, so
    that a derivative in one of them costs nothing where only others enter.
    """
    size = theta.shape[0]
    t = [theta[d] for d in range(size)]
    one = jnp.ones_like(t[0])

    def along(function: Callable[..., Points], d: int) -> Callable[..., Points]:
        def derivative(*t: Array) -> Points:
            return cast(Points, jax.jvp(lambda x: function(*t[:d], x, *t[d + 1 :]), (t[d],), (one,))[1])

        return derivative

    def at(*t: Array) -> Points:
        return cloud(t)

    moves = moved_by(at, t)
    slope: dict[tuple[int, int], Array] = {}
    bend: dict[tuple[int, int, int], Array] = {}
    for d in range(size):
        first = along(at, d)
        slope |= {(a, d): part for a, part in enumerate(first(*t)) if d in moves[a]}
        for e in range(d, size):
            both = [a for a in range(3) if d in moves[a] and e in moves[a]]
            if both:
                second = along(first, e)(*t)
                bend |= {(a, d, e): second[a] for a in both}
    return at(*t), slope, bend


def moved_by(function: Callable[..., Points], args: Sequence[Array]) -> list[set[int]]:
    """For each part of nu, which arguments it may depend on: read off its program."""
    program = jax.make_jaxpr(function)(*args).jaxpr
    reached: dict[Any, set[int]] = {variable: {d} for d, variable in enumerate(program.invars)}

    def behind(variables: Sequence[Any]) -> set[int]:
        known = (reached.get(v, set()) for v in variables if not isinstance(v, Literal))
        return set().union(*known)

    for equation in program.eqns:
        reached |= dict.fromkeys(equation.outvars, behind(equation.invars))
    return [behind([variable]) for variable in program.outvars]


@float64_on_host
def binned_log_likelihood(
    difficulty: Difficulty, edges: Float[Array, " B+1"], problems: Float[Array, " B"]
) -> Float[Array, ""]:
    """Multinomial log-likelihood of a histogram of s/n under F, without the multinomial coefficient.

    ``edges`` rise from 0 to 1; ``problems[j]`` counts those with edges[j] <= s/n < edges[j+1] (the
    last bin includes 1), so that the first bin holds the problems never solved.
    """
    log_cdf = difficulty.log_cdf(edges[1:-1])
    ends = jnp.full_like(log_cdf[:1], -jnp.inf), jnp.zeros_like(log_cdf[:1])
    below = jnp.concatenate([ends[0], log_cdf])
    above = jnp.concatenate([log_cdf, ends[1]])
    log_mass = above + log1mexp(jnp.minimum(below - above, -1e-300))
    return jnp.sum(jnp.where(problems > 0, problems * log_mass, 0.0))
