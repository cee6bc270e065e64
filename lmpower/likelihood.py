"""Counts scored under a difficulty: exactly, and binned as the published estimators do.

Exact: log P(s | n) = log C(n, s) + log_moment(s, n - s), summed over distinct rows (s, f) times
their multiplicity. Two routes lead there. ``log_likelihood`` takes every row's integral to the last
digits. ``expand`` takes all rows on one shared cloud of points, with gradient and Hessian in the
search coordinates, for the tens of evaluations a fit needs.

Binned (Schaeffer et al. 2025): only the histogram of s/n is used, in bins of width about 1/N, with
the mass that F puts in each.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array, Float, Int

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty, Family, Points
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import log1mexp
from lmpower.numerics.precision import float64_on_host

T = TypeVar("T")
# Below the exponent of any kernel: of a row that has seen no point yet.
_LOWEST = -1e30


@float64_on_host
def log_likelihood(difficulty: Difficulty, rows: Rows) -> Float[Array, ""]:
    """sum over rows of weight * log_moment(s, f): the exact log-likelihood without log C(n, s).

    Add ``weight * rows.log_choose`` for the probability of the counts themselves; it does not depend
    on the difficulty. Rows of weight 0 are padding.
    """
    present = rows.weight > 0
    log_moment = difficulty.log_moment(jnp.asarray(rows.successes), jnp.asarray(rows.failures))
    return jnp.sum(jnp.where(present, rows.weight * jnp.where(present, log_moment, 0.0), 0.0))


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


class Expansion(NamedTuple):
    """The log-likelihood around one point of the search coordinates."""

    value: Float[Array, ""]
    gradient: Float[Array, " D"]
    hessian: Float[Array, "D D"]


class Blocks(NamedTuple):
    """Take ``rows`` rows and ``nodes`` nodes at a time, and only the first blocks: the rest is padding.

    What is held at once then depends neither on how many rows and nodes there are, nor the time on how
    many pad them. The lengths of both must be multiples.
    """

    rows: int
    nodes: int
    used_rows: Int[Array, ""]
    used_nodes: Int[Array, ""]


def log_moments_on_points(
    difficulty: Difficulty, rows: Rows, grid: Grid, blocks: Blocks | None = None
) -> Float[Array, " R"]:
    """log_moment of every row on one grid, whose reach bounds the rows."""

    def inside(nodes: Nodes) -> _Cloud:
        return _plainly(difficulty.inside(nodes))

    outside = _plainly(difficulty.outside(grid))
    return _row_sums(
        outside, inside if _needs_nodes(difficulty, grid) else None, rows, grid, blocks
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
    return cast(Array, _added_up(_weighted, rows, log_moments, blocks))


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

    def some(rows: Rows, sums: _RowSums) -> tuple[Array, ...]:
        weight = jnp.asarray(rows.weight)
        scores, bends = terms.derivatives(_phi(rows), sums.means)
        weighted = weight[:, None] * scores
        outer = jnp.matmul(weighted.T, scores, precision="highest")
        return _weighted(rows, sums.log_total), jnp.sum(weighted, axis=0), weight @ bends, outer

    value, gradient, bend, outer = _added_up(some, rows, sums, blocks)
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

    def some(rows: Rows, sums: _RowSums) -> tuple[Array, Array]:
        scores, _ = terms.derivatives(_phi(rows), sums.means)
        return _weighted(rows, sums.log_total), jnp.asarray(rows.weight) @ scores

    return cast(tuple[Array, Array], _added_up(some, rows, sums, blocks))


def _term_sums(
    template: Family, theta: Array, rows: Rows, grid: Grid, blocks: Blocks | None, curved: bool
) -> tuple[_Terms, _RowSums]:
    """What a gradient, and where ``curved`` a Hessian, is made of, and its means for every row."""
    size = theta.shape[0]

    def law(t: Sequence[Array]) -> Difficulty:
        return template.from_search(t)

    def outside(*t: Array) -> Points:
        return law(t).outside(grid)

    def inside(nodes: Nodes) -> Callable[..., Points]:
        return lambda *t: law(t).inside(nodes)

    t = [theta[d] for d in range(size)]
    moves = [
        set.union(*both) for both in zip(moved_by(outside, t), moved_by(inside(grid.nodes), t), strict=True)
    ]
    terms = _Terms.of(moves, size, curved)

    def features_inside(nodes: Nodes) -> _Cloud:
        return terms.features(inside(nodes), t)

    at_nodes = features_inside if _needs_nodes(law(t), grid) else None
    return terms, _row_sums(terms.features(outside, t), at_nodes, rows, grid, blocks)


class _RowSums(NamedTuple):
    """For every row, log sum_j exp(phi_i . nu_j) and the means of all features over those points."""

    log_total: Float[Array, " R"]
    means: Float[Array, "R F"]


_Cloud: TypeAlias = tuple[Float[Array, "3 J"], Float[Array, "J F"]]


def _plainly(points: Points) -> _Cloud:
    """Points of which nothing but their mass is asked."""
    return jnp.stack(points), jnp.ones_like(points.log_p)[:, None]


def _row_sums(
    outside: _Cloud,
    inside: Callable[[Nodes], _Cloud] | None,
    rows: Rows,
    grid: Grid,
    blocks: Blocks | None = None,
) -> _RowSums:
    """One pass over the points, block by block; the first feature is 1.

    Each row carries the highest exponent seen so far, which keeps it from underflowing, and sums
    relative to it.
    """
    nu, features = outside
    so_far = (
        jnp.full_like(rows.weight, _LOWEST),
        jnp.zeros((*rows.weight.shape, features.shape[1]), nu.dtype),
    )

    def take_in(cloud: _Cloud, rows: Rows, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
        nu, features = cloud
        exponent = jnp.matmul(jnp.stack(_phi(rows), axis=-1), nu, precision="highest")
        peak = jax.lax.stop_gradient(jnp.maximum(so_far[0], jnp.max(exponent, axis=-1)))
        # (numbers below the smallest normal one would be slow, and are as good as nothing beside the peak)
        least = 0.9 * math.log(jnp.finfo(exponent.dtype).tiny)
        kernel = _finished(jnp.exp(jnp.maximum(exponent - peak[:, None], least)))
        before = so_far[1] * jnp.exp(so_far[0] - peak)[:, None]
        return peak, before + jnp.matmul(kernel, features, precision="highest")

    if blocks is None:
        if nu.shape[1]:
            so_far = take_in(outside, rows, so_far)
        if inside is not None:
            so_far = take_in(inside(grid.nodes), rows, so_far)
        return _means(*so_far)

    cut, so_far = jax.tree.map(functools.partial(_cut, size=blocks.rows), (rows, so_far))

    def every_row(cloud: _Cloud, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
        cloud = _finished(cloud)

        def block(i: Array, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
            mine = jax.tree.map(lambda leaf: leaf[i], (cut, so_far))
            return jax.tree.map(lambda leaf, new: leaf.at[i].set(new), so_far, take_in(cloud, *mine))

        return cast(tuple[Array, Array], jax.lax.fori_loop(0, blocks.used_rows, block, so_far))

    if nu.shape[1]:
        so_far = every_row(outside, so_far)
    if inside is not None:

        def some_nodes(j: Array, so_far: tuple[Array, Array]) -> tuple[Array, Array]:
            size = blocks.nodes
            nodes = jax.tree.map(
                lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, j * size, size), grid.nodes
            )
            return every_row(inside(nodes), so_far)

        so_far = jax.lax.fori_loop(0, blocks.used_nodes, some_nodes, so_far)
    return _means(*jax.tree.map(lambda leaf: jnp.reshape(leaf, (-1, *leaf.shape[2:])), so_far))


def _needs_nodes(law: Difficulty, grid: Grid) -> bool:
    """Whether the law has points at a grid's nodes at all."""
    return bool(jax.eval_shape(law.inside, grid.nodes).log_p.size)


def _means(peak: Float[Array, " R"], sums: Float[Array, "R F"]) -> _RowSums:
    # a block of rows that was left out has sums of 0
    total = jnp.where(sums[:, 0] > 0, sums[:, 0], 1.0)
    return _RowSums(jnp.log(total) + peak, sums[:, 1:] / total[:, None])


def _cut(leaf: Array, size: int) -> Array:
    return jnp.reshape(leaf, (-1, size, *leaf.shape[1:]))


def _added_up(some: Callable[[Rows, Any], Any], rows: Rows, sums: Any, blocks: Blocks | None) -> Any:
    """``some(rows, sums)``, or its sum over the blocks of rows that are used."""
    if blocks is None:
        return some(rows, sums)
    cut = jax.tree.map(functools.partial(_cut, size=blocks.rows), (rows, sums))

    def add(i: Array, total: Any) -> Any:
        return jax.tree.map(jnp.add, total, some(*jax.tree.map(lambda leaf: leaf[i], cut)))

    shapes = jax.eval_shape(lambda: some(*jax.tree.map(lambda leaf: leaf[0], cut)))
    zero = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.fori_loop(0, blocks.used_rows, add, zero)


def _phi(rows: Rows) -> tuple[Array, Array, Array]:
    s, f = jnp.asarray(rows.successes), jnp.asarray(rows.failures)
    return s, f, jnp.ones_like(s)


def _finished(arrays: T) -> T:
    """The same, kept from being fused into a loop that would take them anew for every use."""
    return cast(T, jax.lax.optimization_barrier(arrays))


def _weighted(rows: Rows, log_moments: Float[Array, " R"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(rows.weight != 0, rows.weight * log_moments, 0.0))


class _Terms(NamedTuple):
    """Which derivatives of the points are not zero, and which products of them a Hessian needs.

    Attributes:
        slopes: (a, d) where part a of nu moves with coordinate d.
        bends: (a, b, d, e), d <= e, a <= b: the coefficient of phi_a phi_b in entry (d, e).
        place: of each entry in the list of those with d <= e, [D, D].
    """

    slopes: tuple[tuple[int, int], ...]
    bends: tuple[tuple[int, int, int, int], ...]
    place: np.ndarray

    @classmethod
    def of(cls, moves: Sequence[set[int]], size: int, curved: bool) -> Self:
        slopes = tuple((a, d) for a in range(3) for d in sorted(moves[a]))
        upper = [(d, e) for d in range(size) for e in range(d, size)]
        bends = {
            (min(a, b), max(a, b), d, e)
            for (a, one), (b, other), (d, e) in itertools.product(slopes, slopes, upper)
            if (one, other) == (d, e)
        }
        bends |= {(a, 2, d, e) for a, (d, e) in itertools.product(range(3), upper) if {d, e} <= moves[a]}
        bends = bends if curved else set()
        place = [[upper.index((min(d, e), max(d, e))) for e in range(size)] for d in range(size)]
        return cls(slopes, tuple(sorted(bends)), np.array(place))

    def features(self, cloud: Callable[..., Points], t: Sequence[Array]) -> _Cloud:
        """nu [3, J] and, side by side, 1, its slopes, and what goes with phi_a phi_b in the Hessian."""
        one = jnp.ones_like(t[0])

        def along(function: Callable[..., Points], d: int) -> Callable[..., Points]:
            # coordinate by coordinate, so that a derivative in one costs nothing where only others enter
            def derivative(*t: Array) -> Points:
                return cast(Points, jax.jvp(lambda x: function(*t[:d], x, *t[d + 1 :]), (t[d],), (one,))[1])

            return derivative

        points = cloud(*t)
        first = {d: along(cloud, d)(*t) for _, d in self.slopes}
        second = {(d, e): along(along(cloud, d), e)(*t) for *_, d, e in self.bends}
        columns = [jnp.ones_like(points.log_p), *(first[d][a] for a, d in self.slopes)]
        for a, b, d, e in self.bends:
            column = second[d, e][a] if b == 2 else jnp.zeros_like(points.log_p)
            for one_part, other in {(a, b), (b, a)}:
                if {(one_part, d), (other, e)} <= set(self.slopes):
                    column = column + first[d][one_part] * first[e][other]
            columns.append(column)
        return jnp.stack(points), jnp.stack(columns, axis=-1)

    def derivatives(
        self, phi: Sequence[Array], means: Float[Array, "R F"]
    ) -> tuple[Float[Array, "R D"], Float[Array, "R E"]]:
        """Each row's gradient, and mean of second derivatives for the entries with d <= e."""
        size = len(self.place)
        gradient: list[Any] = [jnp.zeros_like(phi[0])] * size
        entries: list[Any] = [jnp.zeros_like(phi[0])] * (size * (size + 1) // 2)
        for column, (a, d) in enumerate(self.slopes):
            gradient[d] = gradient[d] + phi[a] * means[:, column]
        for column, (a, b, d, e) in enumerate(self.bends, start=len(self.slopes)):
            entries[self.place[d, e]] += phi[a] * phi[b] * means[:, column]
        return jnp.stack(gradient, axis=-1), jnp.stack(entries, axis=-1)


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
