"""A posterior from weighted points: thousands of data sets at once, without a chain.

In the prior's own normal coordinates u a posterior is N(u; 0, I) L(u). Points are drawn in three rounds,
each from a mixture

    q_r = .65 mean_j N(c_rj, h_r^2 C_r) + .25 N(m_r, 4 C_r) + .10 N(0, I).

First m and C are the maximum and the inverse curvature there, then mean and covariance of the points so
far, with the one centre c = m and h = 1. The last round has many centres, drawn from the points so far,
and a narrower h: so it follows a posterior that is bent. A point of any round has the weight
N(u; 0, I) L(u) / sum_r (n_r/n) q_r(u), the mixture of all rounds together (Cornuet, Marin, Mira & Robert
2012, Scand. J. Stat. 39, 798), never less than .1 N(u; 0, I): no weight is above 10 L(u), and an unforeseen
part of the prior is always looked at. The mean weight is the evidence; the largest are
Pareto-smoothed, whose shape says whether to trust them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.lanes import CHECK, FINEST, Lanes
from lmpower.posterior.pareto import effective, smoothed
from lmpower.surface import COARSE, FINE, heights

# Blocks of points of each round, and points of a block, for which programs are compiled.
_ROUNDS, _POINTS = (1, 2, 5), 256
# Shares of the mixture's parts, and how much wider the second is than C.
_SHARES, _WIDE = (0.5, 0.4, 0.10), 2.5
# Centres of the last round.
_CENTRES = 64
# A round learns from weights flattened until they are worth so many points for each coordinate.
_LEARNED_FROM = 8
# Covariances are kept within these variances, the prior's being 1.
_NARROWEST, _WIDEST = 1e-10, 4.0
# Up to so many attempts a problem, float32 on the coarse grid is good to 1e-3 nats.
_FEW_ATTEMPTS = 2000
# A law narrower than the grid's spacing has false peaks: so many points are looked at once more on a finer
# grid, and may differ by so many nats.
_LOOKED_AT, GRID_TOLERANCE = 8, 0.05
# Data sets looked at side by side, which bounds the memory; and whose densities are taken at a time.
_AT_A_TIME, _BLOCK = 512, 32


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


def weigh(lanes: Lanes, keys: jax.Array, effort: int = 1) -> Weighted:
    """The posteriors of lanes whose family is whitened, from 2,048 points times the effort; one key each.

    Where the points that matter are not as high on a finer grid, they are weighed on that.
    """
    most = np.max(lanes.rows.successes + lanes.rows.failures, axis=-1)
    refinement_of = np.where(most <= _FEW_ATTEMPTS, COARSE, FINE)
    whole: Any = None
    for refinement in (COARSE, FINE, FINEST):
        waiting = np.flatnonzero(refinement_of == refinement)
        for at in range(0, waiting.size, _AT_A_TIME):
            index = waiting[at : at + _AT_A_TIME]
            mine = lanes.only(index)
            part = _weigh(mine, keys[index], effort, refinement)
            uneven = index[_uneven(mine, part, refinement)]
            refinement_of[uneven] = FINE if refinement == COARSE else FINEST
            if whole is None:
                whole = jax.tree.map(lambda leaf: np.zeros((most.size, *leaf.shape[1:])), part)
            for leaf, new in zip(whole, part, strict=True):
                leaf[index] = new
    return cast(Weighted, whole)


def _uneven(lanes: Lanes, weighted: Weighted, refinement: float) -> np.ndarray:
    """Whether typical points are not as high as on a finer grid, [B]."""
    u = drawn(weighted.u, weighted.log_weight, _LOOKED_AT)
    claimed = np.take_along_axis(weighted.log_likelihood, _places(weighted.log_weight, _LOOKED_AT), axis=1)
    finer = CHECK * max(refinement, FINE)
    height = lanes.chunked(heights, u, refinement=finer) + 0.5 * np.sum(u**2, axis=-1)
    return np.asarray(np.max(np.abs(height - claimed), axis=-1) > GRID_TOLERANCE)


def _weigh(lanes: Lanes, keys: jax.Array, effort: int, refinement: float) -> Weighted:
    top, _ = lanes.best(1)
    mean, covariance = np.asarray(top.theta), _inverse(-np.asarray(top.hessian))
    sizes = [effort * blocks * _POINTS for blocks in _ROUNDS]
    shifts = np.asarray(_shifts(keys, mean.shape[-1], len(sizes)))
    rounds: list[_Round] = []
    u, height = np.zeros((len(mean), 0, mean.shape[-1])), np.zeros((len(mean), 0))
    log_weight = height
    for r, size in enumerate(sizes):
        last = r >= 2
        centres = drawn(u, log_weight, _CENTRES) if last else mean[:, None]
        rounds.append(_Round.around(mean, covariance, centres, size / sum(sizes)))
        new = rounds[-1].points(_evenly(size, mean.shape[-1]), shifts[:, r])
        u = np.concatenate([u, new], axis=1)
        for block in np.split(new, size // _POINTS, axis=1):
            height = np.concatenate([height, lanes.chunked(heights, block, refinement=refinement)], axis=1)
        log_weight = height - _log_density(rounds, u)
        mean, covariance = _moments(u, _flattened(log_weight, _LEARNED_FROM * u.shape[-1]))
    smooth, pareto_k = smoothed(log_weight)
    highest = np.max(log_weight, axis=-1)
    log_evidence = highest + np.log(np.mean(np.exp(log_weight - highest[:, None]), axis=-1))
    mean, covariance = _moments(u, smooth)
    log_likelihood = height + 0.5 * np.sum(u**2, axis=-1)
    return Weighted(u, smooth, log_likelihood, log_evidence, pareto_k, effective(smooth), mean, covariance)


def resampled(weighted: Weighted, draws: int, keys: jax.Array) -> np.ndarray:
    """Which points stand for equally weighted draws, [B, draws], in random order.

    Systematic resampling: a point of weight w is drawn draws * w times, up or down to a whole number.
    """
    with jax.enable_x64(True):
        offset, order = jax.tree.map(np.asarray, _lots(keys, draws))
    cumulative = np.cumsum(np.exp(weighted.log_weight), axis=-1)
    wanted = (np.arange(draws) + offset[:, None]) / draws * cumulative[:, -1:]
    chosen = np.stack([np.searchsorted(c, w) for c, w in zip(cumulative, wanted, strict=True)])
    return np.take_along_axis(np.minimum(chosen, cumulative.shape[1] - 1), order, axis=-1)


def _lots(keys: jax.Array, draws: int) -> tuple[Array, Array]:
    def one(key: Array) -> tuple[Array, Array]:
        which, order = jax.random.split(jax.random.fold_in(key, 1))
        return jax.random.uniform(which), jax.random.permutation(order, draws)

    return jax.vmap(one)(keys)


class _Round(NamedTuple):
    """q_r of B data sets, all relative to the frame m + root z, C = root root^T.

    Attributes:
        mean: m, [B, D].
        root, inverse: and its inverse, [B, D, D].
        centres: z of the c_rj, [B, M, D].
        width: h, from the number of centres.
        share: n_r/n.
    """

    mean: Any
    root: Any
    inverse: Any
    centres: Any
    width: float
    share: float

    @classmethod
    def around(cls, mean: np.ndarray, covariance: np.ndarray, centres: np.ndarray, share: float) -> _Round:
        variances, axes = np.linalg.eigh(covariance)
        sd = np.sqrt(np.clip(variances, _NARROWEST, _WIDEST))
        inverse = (axes / sd[:, None, :]).swapaxes(1, 2)
        many, size = centres.shape[1:]
        # Silverman's width for that many kernels
        width = (4 / (many * (size + 2))) ** (1 / (size + 4)) if many > 1 else 1.0
        z = (centres - mean[:, None]) @ inverse.swapaxes(1, 2)
        return cls(mean, axes * sd[:, None, :], inverse, z, width, share)

    def points(self, evenly: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Draws from even places [n, D] in the unit cube, shifted by [B, D]."""
        with jax.enable_x64(True):
            normal = np.asarray(_as_normals(evenly, shift))
        size = len(evenly)
        first, second = round(size * _SHARES[0]), round(size * (_SHARES[0] + _SHARES[1]))
        widths = np.where(np.arange(second) < first, self.width, _WIDE * self.width)
        centres = self.centres[:, np.arange(second) % self.centres.shape[1]]
        z = centres + widths[:, None] * normal[:, :second]
        around = self.mean[:, None] + z @ self.root.swapaxes(1, 2)
        return np.concatenate([around, normal[:, second:]], axis=1)


def drawn(u: np.ndarray, log_weight: np.ndarray, many: int) -> np.ndarray:
    """As many of the points, evenly by their weight, [B, many, D]."""
    return np.take_along_axis(u, _places(log_weight, many)[..., None], axis=1)


def _places(log_weight: np.ndarray, many: int) -> np.ndarray:
    cumulative = np.cumsum(np.exp(log_weight - np.max(log_weight, axis=-1, keepdims=True)), axis=-1)
    wanted = (np.arange(many) + 0.5) / many * cumulative[:, -1:]
    chosen = np.stack([np.searchsorted(c, w) for c, w in zip(cumulative, wanted, strict=True)])
    return np.minimum(chosen, log_weight.shape[1] - 1)


def _log_density(rounds: list[_Round], u: np.ndarray) -> np.ndarray:
    """Of the mixture of all rounds, without the factor (2 pi)^(-D/2), [B, S]."""
    parts = []
    for at in range(0, len(u), _BLOCK):
        # (the last block is filled up, so that one program serves all)
        index = np.minimum(np.arange(at, at + _BLOCK), len(u) - 1)
        mine, there = jax.tree.map(
            lambda leaf, index=index: leaf[index] if np.ndim(leaf) else leaf, (rounds, u)
        )
        with jax.enable_x64(True):
            parts.append(np.asarray(_block_density(mine, there)))
    return np.concatenate(parts)[: len(u)]


@jax.jit
def _block_density(rounds: list[_Round], u: Float[Array, "B S D"]) -> Float[Array, "B S"]:
    at_prior = -0.5 * jnp.sum(u**2, axis=-1)

    def density(q: _Round) -> Array:
        z = (u - q.mean[:, None]) @ q.inverse.swapaxes(1, 2)
        volume = jnp.linalg.slogdet(q.inverse)[1][:, None]
        size, many = u.shape[-1], q.centres.shape[1]
        off = jnp.sum((z[:, :, None] - q.centres[:, None]) ** 2, axis=-1) / q.width**2
        volume = volume - size * jnp.log(q.width) - math.log(many)
        near = jax.nn.logsumexp(-0.5 * off, axis=-1) + volume
        wide = jax.nn.logsumexp(-0.5 * off / _WIDE**2, axis=-1) + volume - size * math.log(_WIDE)
        each = jnp.stack([near, wide, at_prior]) + jnp.log(jnp.array(_SHARES))[:, None, None]
        return jnp.log(q.share) + jax.nn.logsumexp(each, axis=0)

    return jax.nn.logsumexp(jnp.stack([density(q) for q in rounds]), axis=0)


def _evenly(size: int, dimensions: int) -> np.ndarray:
    """The additive recurrence of the generalised golden ratio: a low-discrepancy sequence, [size, D]."""
    ratio = 2.0
    for _ in range(64):  # x^(D+1) = x + 1
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1, dimensions + 1)
    return np.arange(1, size + 1)[:, None] * steps % 1.0


def _shifts(keys: jax.Array, dimensions: int, rounds: int) -> Any:
    with jax.enable_x64(True):
        return jax.vmap(lambda key: jax.random.uniform(key, (rounds, dimensions), np.float64))(keys)


@jax.jit
def _as_normals(evenly: Float[Array, "S D"], shift: Float[Array, "B D"]) -> Float[Array, "B S D"]:
    places = (evenly + shift[:, None]) % 1.0
    return jax.scipy.special.ndtri(jnp.clip(places, 1e-12, 1 - 1e-12))


def _flattened(log_weight: np.ndarray, wanted: float) -> np.ndarray:
    """Weights to the highest power up to 1 that leaves them worth ``wanted`` points, [B, S]."""
    low, high = np.zeros(len(log_weight)), np.ones(len(log_weight))
    enough = effective(log_weight) >= wanted
    for _ in range(20):
        middle = 0.5 * (low + high)
        holds = effective(middle[:, None] * log_weight) >= wanted
        low, high = np.where(holds, middle, low), np.where(holds, high, middle)
    return np.where(enough, 1.0, low)[:, None] * log_weight


def _moments(u: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = np.exp(log_weight - np.max(log_weight, axis=-1, keepdims=True))
    weight /= np.sum(weight, axis=-1, keepdims=True)
    mean = np.einsum("bs,bsd->bd", weight, u)
    off = u - mean[:, None]
    return mean, np.einsum("bs,bsd,bse->bde", weight, off, off, optimize=True)


def _inverse(curvature: np.ndarray) -> np.ndarray:
    """Covariances from curvatures, whose least is that of the widest covariance looked at."""
    values, axes = np.linalg.eigh(curvature)
    values = np.maximum(values, 1 / _WIDEST)
    return (axes / values[:, None, :]) @ axes.swapaxes(1, 2)
