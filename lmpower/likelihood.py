"""Counts scored under a difficulty: exactly, and binned as the published estimators do.

Exact: log P(s | n) = log C(n, s) + log_moment(s, n - s), summed over distinct rows (s, f) times
their multiplicity. Two routes lead there. ``log_likelihood`` takes every row's integral to the last
digits. ``expand`` takes all rows on one shared cloud of points, with gradient and Hessian in the
search coordinates, for the tens of evaluations a fit needs.

Binned (Schaeffer et al. 2025): only the histogram of s/n is used, in bins of width about 1/N, with
the mass that F puts in each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Points
from lmpower.integrals import Reach, log1mexp
from lmpower.precision import float64_on_host

D = TypeVar("D", bound=Difficulty)


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
    scores: Float[Array, "R D"]  # each row's own gradient, not yet times its weight


def log_moments_on_points(
    difficulty: Difficulty, rows: Rows, reach: Reach, refinement: float = 1.0
) -> Float[Array, " R"]:
    """log_moment of every row on one shared grid; ``reach`` bounds the rows."""
    kernel, peak = _kernel(difficulty.points(reach, refinement), rows)
    return jnp.log(jnp.sum(kernel, axis=-1)) + peak


def expand(
    template: D, theta: Float[Array, " D"], rows: Rows, reach: Reach, refinement: float = 1.0
) -> Expansion:
    """Value, gradient, Hessian and scores of the log-likelihood at search coordinates ``theta``.

    Row i's moment is a sum over points, M_i = sum_j exp(phi_i . nu_j) with phi_i = (s_i, f_i, 1) and
    nu_j = (log p_j, log(1-p_j), log w_j), of which only nu depends on theta. With the posterior
    P_ij of point j given row i,

        grad log M_i = sum_j P_ij (phi_i . nu_j'),
        hess log M_i = sum_j P_ij [(phi_i . nu_j')(phi_i . nu_j')^T + phi_i . nu_j''] - grad grad^T,

    so derivatives are taken of J points and never of R x J numbers: two small matrix products.
    """

    points, slope, bend = _two_derivatives(
        lambda t: template.from_search(t).points(reach, refinement), theta
    )
    size, weight = theta.shape[0], jnp.asarray(rows.weight)
    s, f = jnp.asarray(rows.successes), jnp.asarray(rows.failures)
    phi = (s, f, jnp.ones_like(f))
    kernel, peak = _kernel(points, rows)

    # sums over points of K_ij and K_ij nu'_jad, [R, 1 + 3 D]
    features = jnp.stack([jnp.ones_like(points[0]), *(slope[d][a] for a in range(3) for d in range(size))])
    sums = jnp.einsum("rj,mj->rm", kernel, features, precision="highest")
    total = sums[:, 0]
    means = sums[:, 1:] / total[:, None]
    each = [phi[a][:, None] * means[:, a * size : (a + 1) * size] for a in range(3)]
    scores = each[0] + each[1] + each[2]

    # W_ab = sum over rows of weight_i phi_ia phi_ib P_ij, for a <= b, each [J]
    share = weight / total
    pairs = [(a, b) for a in range(3) for b in range(a, 3)]
    sums = jnp.matmul(jnp.stack([phi[a] * phi[b] * share for a, b in pairs]), kernel, precision="highest")
    W = {pair: sums[q] for q, pair in enumerate(pairs)}

    def curvature(d: int, e: int) -> Array:
        bent = sum(W[a, 2] * bend[d][e - d][a] for a in range(3))
        crossed = sum(
            W[min(a, b), max(a, b)] * slope[d][a] * slope[e][b] for a in range(3) for b in range(3)
        )
        return jnp.sum(bent + crossed) - jnp.sum(weight * scores[:, d] * scores[:, e])

    upper = {(d, e): curvature(d, e) for d in range(size) for e in range(d, size)}
    hessian = jnp.stack(
        [jnp.stack([upper[min(d, e), max(d, e)] for e in range(size)]) for d in range(size)]
    )
    return Expansion(
        value=jnp.sum(jnp.where(weight > 0, weight * (jnp.log(total) + peak), 0.0)),
        gradient=weight @ scores,
        hessian=hessian,
        scores=scores,
    )


def _kernel(points: Points, rows: Rows) -> tuple[Float[Array, "R J"], Float[Array, " R"]]:
    """exp(phi_i . nu_j - peak_i) and each row's peak, which keeps any row from underflowing."""
    s, f = jnp.asarray(rows.successes), jnp.asarray(rows.failures)
    rows_side = jnp.stack([s, f, jnp.ones_like(s)], axis=-1)
    # the points are finished first: fused into the loop over R x J they would be taken R times
    nu = jax.lax.optimization_barrier(jnp.stack(points))
    exponent = jnp.matmul(rows_side, nu, precision="highest")
    peak = jax.lax.stop_gradient(jnp.max(exponent, axis=-1))
    return jnp.exp(exponent - peak[:, None]), peak


def _two_derivatives(
    cloud: Callable[[Array], Points], theta: Array
) -> tuple[Points, list[Points], list[list[Points]]]:
    """The points, their derivatives [d], and their second derivatives [d][e - d] for e >= d.

    Forward over forward, linearised once each, so that the compiler sees the points' logarithms once
    and all derivatives as plain arithmetic on them: a quarter of the time of a vmapped Hessian.
    """
    directions = list(jnp.eye(theta.shape[0], dtype=theta.dtype))

    def first(t: Array) -> tuple[Points, list[Points]]:
        points, push = jax.linearize(cloud, t)
        return points, [push(direction) for direction in directions]

    (points, slope), push = jax.linearize(first, theta)
    bend = [push(direction)[1] for direction in directions]
    return points, slope, [bend[d][d:] for d in range(len(directions))]


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
