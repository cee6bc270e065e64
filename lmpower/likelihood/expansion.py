"""The log-likelihood around one point of the search coordinates: its value, slope and curvature.

What a fit needs tens of times, so derivatives are taken of the points that all rows share and never row by
row; `expand` has the formula, ``terms`` which of them there are, ``sums`` the pass over the points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Family, Points, gathered
from lmpower.likelihood.sums import (
    Blocks,
    Cloud,
    RowSums,
    added_up,
    needs_nodes,
    phi,
    row_sums,
    weighted_sum,
)
from lmpower.likelihood.terms import Terms, moved_by
from lmpower.numerics.grid import Grid, Nodes


class Expansion(NamedTuple):
    """The log-likelihood around one point of the search coordinates."""

    value: Float[Array, ""]
    gradient: Float[Array, " D"]
    hessian: Float[Array, "D D"]


def expand(
    template: Family,
    theta: Float[Array, " D"],
    rows: Rows,
    grid: Grid,
    blocks: Blocks | None = None,
) -> Expansion:
    """Value, gradient and Hessian of the log-likelihood at search coordinates ``theta``.

    Row i's moment is a sum over points, M_i = sum_j exp(phi_i . nu_j) with phi_i = (s_i, f_i, 1) and
    nu_j = (log p_j, log(1-p_j), log w_j), of which only nu depends on theta. With the posterior
    P_ij of point j given row i,

        grad log M_i = sum_j P_ij (phi_i . nu_j'),
        hess log M_i = sum_j P_ij [(phi_i . nu_j')(phi_i . nu_j')^T + phi_i . nu_j''] - grad grad^T,

    polynomials in phi_i whose coefficients are means of products of the nu_j', and of nu_j''. So
    derivatives are taken of J points and never of R x J numbers, and a row needs one product with the
    matrix of those products that are not zero.
    """
    terms, sums = _term_sums(template, theta, rows, grid, blocks, curved=True)

    def some(rows: Rows, sums: RowSums) -> tuple[Array, ...]:
        weight = jnp.asarray(rows.weight)
        scores, bends = terms.derivatives(phi(rows), sums.means)
        weighted = weight[:, None] * scores
        outer = jnp.matmul(weighted.T, scores, precision="highest")
        return weighted_sum(rows, sums.log_total), jnp.sum(weighted, axis=0), weight @ bends, outer

    value, gradient, bend, outer = added_up(some, rows, sums, blocks)
    return Expansion(value, gradient, bend[terms.place] - outer)


def slope(
    template: Family,
    theta: Float[Array, " D"],
    rows: Rows,
    grid: Grid,
    blocks: Blocks | None = None,
) -> tuple[Float[Array, ""], Float[Array, " D"]]:
    """Value and gradient alone, as ``expand`` has them, in about half the time."""
    terms, sums = _term_sums(template, theta, rows, grid, blocks, curved=False)

    def some(rows: Rows, sums: RowSums) -> tuple[Array, Array]:
        scores, _ = terms.derivatives(phi(rows), sums.means)
        return weighted_sum(rows, sums.log_total), jnp.asarray(rows.weight) @ scores

    return cast(tuple[Array, Array], added_up(some, rows, sums, blocks))


def _term_sums(
    template: Family, theta: Array, rows: Rows, grid: Grid, blocks: Blocks | None, curved: bool
) -> tuple[Terms, RowSums]:
    """What a gradient, and where ``curved`` a Hessian, is made of, and its means for every row."""
    size = theta.shape[0]

    def law(t: Sequence[Array]) -> Difficulty:
        return template.from_search(t)

    def outside(*t: Array) -> Points:
        return gathered(law(t).outside(grid))

    def inside(nodes: Nodes) -> Callable[..., Points]:
        return lambda *t: law(t).inside(nodes)

    t = [theta[d] for d in range(size)]
    moves = [
        set.union(*both) for both in zip(moved_by(outside, t), moved_by(inside(grid.nodes), t), strict=True)
    ]
    terms = Terms.of(moves, size, curved)

    def features_inside(nodes: Nodes) -> Cloud:
        return terms.features(inside(nodes), t)

    at_nodes = features_inside if needs_nodes(law(t), grid) else None
    return terms, row_sums(terms.features(outside, t), at_nodes, rows, grid, blocks)
