"""A posterior from weighted points: thousands of data sets at once, without a chain.

In the prior's own normal coordinates u a posterior is N(u; 0, I) L(u). One point in nine is drawn from the
prior itself, so that an unforeseen part of it is always looked at and no weight is above 9 L(u); the
others in three rounds, each from a mixture around centres c,

    q_r = mean_j [.55 N(c_rj, h_r^2 C_r) + .45 N(c_rj, (2.5 h_r)^2 C_r)].

First C is the inverse curvature at the maximum, the one centre, and then the covariance of the points so
far with their mean as the centre; h = 1. The last round has many centres, drawn from the points so far,
and a narrower h: so it follows a posterior that is bent. A point, wherever it is from, has the weight
N(u; 0, I) L(u) / sum_r (n_r/n) q_r(u), the mixture of all together (Cornuet, Marin, Mira & Robert 2012,
Scand. J. Stat. 39, 798). The mean weight is the evidence; the largest weights are Pareto-smoothed, and the
shape of their tail says whether to trust them.
"""

from __future__ import annotations

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from lmpower.fit.chunks import overwrite
from lmpower.fit.devices import elsewhere, side_by_side
from lmpower.fit.lanes import Lanes
from lmpower.fit.surface import heights
from lmpower.numerics.grid import CHECK, COARSE, FINE, FINEST
from lmpower.posterior.pareto import effective, smoothed

# Blocks of points of each round, after one of the prior's, and how many points programs take at a time.
_ROUNDS, _POINTS = (1, 2, 5), 256
_LEAST_POINTS = _POINTS * (1 + sum(_ROUNDS))
# The share of a round's narrow kernels, and how much wider the others are.
_NARROW, _WIDE = 0.55, 2.5
# Centres of the last round.
_CENTRES = 64
# A round learns from weights flattened until they are worth so many points for each coordinate.
_LEARNED_FROM = 8
# Covariances are kept within these variances, the prior's being 1.
_NARROWEST, _WIDEST = 1e-10, 4.0
# Up to so many attempts a problem, log L is taken in float32 on the coarse grid. Its noise, up to .1 nats
# for 512 problems, moves no mean; where it is off by more for points that matter, `_uneven` sees it.
_FEW_ATTEMPTS = 2000
# A law narrower than the grid's spacing has false peaks: so many points are looked at once more on a finer
# grid, and may differ by so many nats.
_LOOKED_AT, GRID_TOLERANCE = 8, 0.05
# A point so many nats below another does not matter.
_DEEP = 10.0
# Data sets of a part, if each has the least points, which bounds the memory (a core looks at one part); and
# whose densities are taken at a time.
_AT_A_TIME, _BLOCK = 256, 32


class Weighted(NamedTuple):
    """Points of B data sets, [B, S, D], and their smoothed log weights, which sum to 1.

    Attributes:
        u: the points, in the prior's coordinates.
        log_weight: [B, S].
        log_likelihood: without log C(n, s), [B, S].
        log_evidence: log of the mean weight, [B].
        pareto_k, ess: whether and for how much to trust the weights, [B].
        mean, covariance: of the posterior, [B, D] and [B, D, D].
    """

    u: np.ndarray
    log_weight: np.ndarray
    log_likelihood: np.ndarray
    log_evidence: np.ndarray
    pareto_k: np.ndarray
    ess: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


def weigh(lanes: Lanes, seeds: Int[np.ndarray, "B W"], effort: int = 1) -> Weighted:
    """The posteriors of lanes whose family is whitened, from 2,304 points times the effort.

    ``seeds`` are words for each data set's own random numbers. Where the points that matter are not as high
    on a finer grid, they are weighed on that.
    """
    most = np.max(lanes.rows.successes + lanes.rows.failures, axis=-1)
    refinement_of = np.where(most <= _FEW_ATTEMPTS, COARSE, FINE)
    size, dimensions = lanes.lower.shape
    points, each = np.zeros((size, effort * _LEAST_POINTS)), np.zeros(size)
    whole = Weighted(
        u=np.zeros((*points.shape, dimensions)),
        log_weight=points,
        log_likelihood=points.copy(),
        log_evidence=each,
        pareto_k=each.copy(),
        ess=each.copy(),
        mean=np.zeros((size, dimensions)),
        covariance=np.zeros((size, dimensions, dimensions)),
    )

    def fill_in(index: np.ndarray, refinement: float) -> None:
        mine = lanes.only(index)
        part = _weigh(mine, seeds[index], effort, refinement)
        overwrite(whole, index, part)
        uneven = index[_uneven(mine, part, refinement)]
        refinement_of[uneven] = FINE if refinement == COARSE else FINEST

    together = max(_AT_A_TIME // effort, 1)
    for refinement in (COARSE, FINE, FINEST):
        waiting = np.flatnonzero(refinement_of == refinement)
        parts = [waiting[at : at + together] for at in range(0, waiting.size, together)]
        # (while one part does its sums on the host, another's heights are computed)
        side_by_side([functools.partial(fill_in, index, refinement) for index in parts])
    return whole


def _uneven(lanes: Lanes, weighted: Weighted, refinement: float) -> np.ndarray:
    """Whether typical points, and some from around the maximum, are not as high on a finer grid, [B].

    The maximum was found in float64: by those around it a place is known that float32 does not see at all.
    """
    first = weighted.u.shape[1] // (1 + sum(_ROUNDS))
    around = np.tile(np.arange(first, first + _LOOKED_AT // 2), (len(weighted.u), 1))
    places = np.concatenate([evenly(weighted.log_weight, _LOOKED_AT), around], axis=1)
    u = np.take_along_axis(weighted.u, places[..., None], axis=1)
    penalty = 0.5 * np.sum(u**2, axis=-1)
    claimed = np.take_along_axis(weighted.log_likelihood, places, axis=1) - penalty
    finer = CHECK * max(refinement, FINE)
    found = np.stack([lanes.height_at(u[:, j], finer) for j in range(places.shape[1])], axis=-1)
    higher = np.fmax(found, claimed)
    matters = higher > np.max(higher, axis=-1, keepdims=True) - _DEEP
    # (nan counts as off)
    same = np.abs(found - claimed) <= GRID_TOLERANCE
    return np.asarray(np.any(matters & ~same, axis=-1))


def _weigh(lanes: Lanes, seeds: np.ndarray, effort: int, refinement: float) -> Weighted:
    size, dimensions = lanes.lower.shape
    shifts = np.stack(
        [np.random.default_rng(words).random((len(_ROUNDS) + 1, dimensions)) for words in seeds.tolist()]
    )

    def heights_at(u: np.ndarray) -> np.ndarray:
        blocks = np.split(u, u.shape[1] // _POINTS, axis=1)
        each = [lanes.chunked(heights, block, refinement=refinement) for block in blocks]
        return np.concatenate(each, axis=1)

    u = _normals(effort * _POINTS, shifts[:, 0])
    # the prior's points do not wait for the maximum, which on a first call also takes a while to compile
    with ThreadPoolExecutor(1) as aside:
        at_prior = aside.submit(elsewhere(functools.partial(heights_at, u)))
        top, _ = lanes.best(1)
        height = at_prior.result()
    mean, covariance = np.asarray(top.theta), _inverse(-np.asarray(top.hessian))
    total = effort * _LEAST_POINTS
    rounds: list[_Round] = []
    log_weight = np.zeros((size, 0))
    log_density = _of_prior(u, effort * _POINTS / total)
    for r, blocks in enumerate(_ROUNDS, start=1):
        last = r == len(_ROUNDS)
        centres = drawn(u, log_weight, _CENTRES) if last else mean[:, None]
        points = effort * blocks * _POINTS
        rounds.append(_Round.around(mean, covariance, centres, points / total))
        new = rounds[-1].points(_normals(points, shifts[:, r]))
        before = _density_with(rounds[-1:], u, log_density)
        at_new = _density_with(rounds, new, _of_prior(new, effort * _POINTS / total))
        u, height, log_density = (
            np.concatenate(both, axis=1) for both in ((u, new), (height, heights_at(new)), (before, at_new))
        )
        # (before the last round shares do not sum to 1: a factor, the same for all weights)
        log_weight = height - log_density
        mean, covariance = _moments(u, _flattened(log_weight, _LEARNED_FROM * dimensions))
    smooth, pareto_k = smoothed(log_weight)
    highest = np.max(log_weight, axis=-1)
    log_evidence = highest + np.log(np.mean(np.exp(log_weight - highest[:, None]), axis=-1))
    mean, covariance = _moments(u, smooth)
    log_likelihood = height + 0.5 * np.sum(u**2, axis=-1)
    return Weighted(u, smooth, log_likelihood, log_evidence, pareto_k, effective(smooth), mean, covariance)


def resampled(weighted: Weighted, draws: int, seeds: Int[np.ndarray, "B W"]) -> np.ndarray:
    """Which points stand for equally weighted draws, [B, draws], in random order.

    Systematic resampling: a point of weight w is drawn draws * w times, up or down to a whole number.
    """
    lots = [np.random.default_rng([*words, 1]) for words in seeds.tolist()]
    offset = np.array([rng.random() for rng in lots])
    places = evenly(weighted.log_weight, draws, offset[:, None])
    return np.stack([rng.permutation(each) for rng, each in zip(lots, places, strict=True)])


class _Round(NamedTuple):
    """q_r of B data sets, all relative to the frame m + root z, C = root root^T.

    Attributes:
        mean: m, [B, D].
        root, inverse: and its inverse, [B, D, D].
        centres: z of the c_rj, [B, M, D].
        width: h, from the number of centres, [B].
        share: n_r/n, [B].
    """  # NumPy's on the host, JAX's in the program: hence Any

    mean: Any
    root: Any
    inverse: Any
    centres: Any
    width: Any
    share: Any

    @classmethod
    def around(cls, mean: np.ndarray, covariance: np.ndarray, centres: np.ndarray, share: float) -> _Round:
        variances, axes = np.linalg.eigh(covariance)
        sd = np.sqrt(np.clip(variances, _NARROWEST, _WIDEST))
        inverse = (axes / sd[:, None, :]).swapaxes(1, 2)
        many, size = centres.shape[1:]
        # Silverman's width for that many kernels
        width = (4 / (many * (size + 2))) ** (1 / (size + 4)) if many > 1 else 1.0
        z = (centres - mean[:, None]) @ inverse.swapaxes(1, 2)
        ones = np.ones(len(mean))
        return cls(mean, axes * sd[:, None, :], inverse, z, width * ones, share * ones)

    def points(self, normal: np.ndarray) -> np.ndarray:
        """Draws made from standard normals, [B, n, D]."""
        index = np.arange(normal.shape[1])
        wide = np.where(index < _NARROW * index.size, 1.0, _WIDE)
        z = self.centres[:, index % self.centres.shape[1]] + normal * np.outer(self.width, wide)[..., None]
        return self.mean[:, None] + z @ self.root.swapaxes(1, 2)


def drawn(u: np.ndarray, log_weight: np.ndarray, many: int) -> np.ndarray:
    """As many of the points, evenly by their weight, [B, many, D]."""
    return np.take_along_axis(u, evenly(log_weight, many)[..., None], axis=1)


def evenly(
    log_weight: Float[np.ndarray, "B S"], many: int, offset: np.ndarray | float = 0.5
) -> Int[np.ndarray, "B many"]:
    """Which points stand for as many of equal weight, evenly by the weight they have."""
    cumulative = np.cumsum(np.exp(log_weight - np.max(log_weight, axis=-1, keepdims=True)), axis=-1)
    wanted = (np.arange(many) + offset) / many * cumulative[:, -1:]
    chosen = np.stack([np.searchsorted(c, w) for c, w in zip(cumulative, wanted, strict=True)])
    return np.minimum(chosen, log_weight.shape[1] - 1)


def _of_prior(u: np.ndarray, share: float) -> np.ndarray:
    """The prior's part in the density of the mixture, without the factor (2 pi)^(-D/2), [B, S]."""
    return np.asarray(math.log(share) - 0.5 * np.sum(u**2, axis=-1))


def _density_with(rounds: list[_Round], u: np.ndarray, log_density: np.ndarray) -> np.ndarray:
    """The density at u with what these rounds add to it, [B, S]."""
    total = log_density.copy()
    for q in rounds:
        for at in range(0, len(u), _BLOCK):
            # (the last block is filled up, so that one program serves all)
            index = np.minimum(np.arange(at, at + _BLOCK), len(u) - 1) if len(u) > 1 else np.zeros(1, int)
            mine = jax.tree.map(lambda leaf, index=index: leaf[index], q)
            for first in range(0, u.shape[1], _POINTS):
                here = slice(at, at + _BLOCK), slice(first, first + _POINTS)
                with jax.enable_x64(True):
                    density = np.asarray(_round_density(mine, u[index, here[1]]))
                total[here] = np.logaddexp(total[here], density[: total[here].shape[0]])
    return total


@jax.jit
def _round_density(q: _Round, u: Float[Array, "B K D"]) -> Float[Array, "B K"]:
    z = (u - q.mean[:, None]) @ q.inverse.swapaxes(1, 2)
    size, many = u.shape[-1], q.centres.shape[1]
    # coordinate by coordinate, so that the centres, which are many, stay the last axis
    off = sum((z[:, :, None, d] - q.centres[:, None, :, d]) ** 2 for d in range(size))
    off = 0.5 * off / q.width[:, None, None] ** 2
    # relative to the nearest centre's wide kernel, above which no kernel is
    least = jnp.min(off, axis=-1, keepdims=True) / _WIDE**2
    wide = (1 - _NARROW) * _WIDE**-size * jnp.exp(least - off / _WIDE**2)
    total = jnp.sum(_NARROW * jnp.exp(least - off) + wide, axis=-1)
    volume = jnp.linalg.slogdet(q.inverse)[1] - size * jnp.log(q.width) - math.log(many)
    return jnp.log(total) - least[..., 0] + (jnp.log(q.share) + volume)[:, None]


def _normals(size: int, shift: Float[np.ndarray, "B D"]) -> Float[np.ndarray, "B S D"]:
    """Standard normals, evenly spread: a low-discrepancy sequence, shifted at random.

    The sequence is the additive recurrence of the generalised golden ratio, x^(D+1) = x + 1.
    """
    dimensions = shift.shape[-1]
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1, dimensions + 1)
    evenly = np.arange(1, size + 1)[:, None] * steps
    places = np.split((evenly + shift[:, None]) % 1.0, size // _POINTS, axis=1)
    with jax.enable_x64(True):
        return np.concatenate([np.asarray(_quantiles(block)) for block in places], axis=1)


@jax.jit
def _quantiles(places: Float[Array, "B K D"]) -> Float[Array, "B K D"]:
    return jax.scipy.special.ndtri(jnp.clip(places, 1e-12, 1 - 1e-12))


def _flattened(log_weight: np.ndarray, wanted: float) -> np.ndarray:
    """Weights to the highest power up to 1 that leaves them worth ``wanted`` points, [B, S]."""
    power = np.ones(len(log_weight))
    uneven = np.flatnonzero(~(effective(log_weight) >= wanted))
    low, high = np.zeros(uneven.size), np.ones(uneven.size)
    for _ in range(20 if uneven.size else 0):
        middle = 0.5 * (low + high)
        holds = effective(middle[:, None] * log_weight[uneven]) >= wanted
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
    power[uneven] = low
    return power[:, None] * log_weight


def _moments(u: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = np.exp(log_weight - np.max(log_weight, axis=-1, keepdims=True))
    weight /= np.sum(weight, axis=-1, keepdims=True)
    mean = np.einsum("bs,bsd->bd", weight, u)
    off = u - mean[:, None]
    return mean, np.einsum("bs,bsd,bse->bde", weight, off, off, optimize=True)


def _inverse(curvature: np.ndarray) -> np.ndarray:
    """Covariances from curvatures, whose least is that of the widest covariance looked at."""
    # (a curvature that has overflowed says nothing)
    known = np.all(np.isfinite(curvature), axis=(1, 2), keepdims=True)
    values, axes = np.linalg.eigh(np.where(known, curvature, 0.0))
    values = np.maximum(values, 1 / _WIDEST)
    return (axes / values[:, None, :]) @ axes.swapaxes(1, 2)
