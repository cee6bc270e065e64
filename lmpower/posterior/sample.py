"""Draws from the posterior of a difficulty, for one data set or thousands.

The fast path weighs points drawn around the maximum (``importance``); where its weights cannot be trusted
it takes four times as many, and then chains (``nuts``).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import jax
import numpy as np

from lmpower.counts import Counts, Rows, rows_given
from lmpower.difficulty.base import Difficulty, over_batch
from lmpower.difficulty.discrete import Discrete
from lmpower.difficulty.mixture import Mixture
from lmpower.difficulty.named import family_given
from lmpower.difficulty.zero_inflated import ZeroInflated
from lmpower.fit.chunks import overwrite, taken
from lmpower.fit.lanes import Lanes
from lmpower.fit.surface import heights
from lmpower.likelihood import normalised
from lmpower.numerics.grid import CHECK, FINE
from lmpower.posterior.draws import Posterior
from lmpower.posterior.importance import GRID_TOLERANCE, Weighted, drawn, resampled, weigh
from lmpower.posterior.nuts import Chains, run_chains
from lmpower.posterior.pareto import MOST_K
from lmpower.posterior.trust import LEAST_ESS, MOST_R_HAT, chain_diagnostics, trust_in
from lmpower.prior import Prior, Whitened, laws_at, prior_given
from lmpower.scaling import log_neg_log_pass

METHODS = ("fast", "nuts")
# How many times as many points where weights cannot be trusted.
_HARDER = 4
_WARMUP, _CHAINS = 300, 4
# Every so many-th state of a chain is a draw. Chains that have not mixed are run again, so much longer.
_THINNING, _LONGER = 4, 8
# Chains are judged by so many draws at least: of fewer, R-hat says more of chance than of the chains.
_JUDGED_BY = 1000
# Budgets at which chains are compared whose parameters have no fixed order.
_KS = np.array([1.0, 100.0, 10_000.0])
# log(-log pass@k) where all is solved, to the last digits: what lies below is not told apart.
_SOLVED = math.log(1e-16)


def sample_posterior(
    counts: Counts | Rows | Sequence[Counts],
    family: str | Difficulty = "beta",
    *,
    key: jax.Array,
    method: str = "fast",
    draws: int = 1000,
    prior: Prior | None = None,
    fall_back: bool = True,
    alike: bool = False,
) -> Posterior:
    """The posterior of one data set's difficulty, or of many at once.

    The likelihood does not depend on how attempts were stopped, as long as the rule looked at outcomes
    alone: counts that stop on success are used as they are.

    Args:
        counts: one data set; or a sequence of them, or rows with a leading axis [B, R], for a batch.
        family: a name (``difficulty.named``) or a difficulty of the structure wanted.
        key: from ``jax.random.key``. Data set i uses it and i alone, whatever its neighbours.
        method: "fast" for weighted points, "nuts" for chains.
        draws: how many to keep of each data set, a multiple of 4 from 8 on.
        prior: the family's own (``default_prior``) unless given.
        fall_back: whether data sets whose weights cannot be trusted are left to chains.
        alike: whether all data sets use the same random numbers, so that their order does not matter
            either. Their draws are then not independent of each other's.

    Returns:
        A ``Posterior``. Check ``posterior.ok``: one that has not mixed is a status with a sentence.

    Raises:
        ValueError: for an unknown family or method, draws out of range, or a prior of another family.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}")
    if draws < 8 or draws % _CHAINS:
        raise ValueError(f"draws must be a multiple of {_CHAINS} and at least 8, not {draws}")
    template = family_given(family)
    prior = prior_given(prior, template)
    rows, single = rows_given(counts)
    found = _sample(rows, Whitened(template, prior), _seeds(key, rows, alike), method, draws, fall_back)
    return found[0] if single else found


def _seeds(key: jax.Array, rows: Rows, alike: bool) -> np.ndarray:
    """Words for each data set's own random numbers, [B, W]."""
    size = len(rows.weight)
    words = np.asarray(jax.random.key_data(key)).ravel()
    number = np.zeros(size, np.uint32) if alike else np.arange(size, dtype=np.uint32)
    return np.column_stack([np.tile(words, (size, 1)), number])


class _Draws(NamedTuple):
    """What either way gives of B data sets, the fields of `Posterior` by their names."""

    u: np.ndarray
    log_likelihood: np.ndarray
    log_evidence: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    divergences: np.ndarray
    pareto_k: np.ndarray
    chains: np.ndarray


def _sample(
    rows: Rows, family: Whitened, seeds: np.ndarray, method: str, draws: int, fall_back: bool
) -> Posterior:
    dimensions = len(family.prior.names)
    standard = np.stack([np.zeros(dimensions), np.ones(dimensions)])
    lanes = Lanes.over(normalised(rows), family, standard)
    weighted = weigh(lanes, seeds)
    if method == "nuts":
        found = _from_chains(lanes, family.law, weighted, seeds, draws)
    else:
        found = _from_points(weighted, seeds, draws)
        poor = _poor(found)
        if poor.size:
            harder = weigh(lanes.only(poor), seeds[poor], effort=_HARDER)
            overwrite(found, poor, _from_points(harder, seeds[poor], draws))
            still = _poor(found)
            if still.size and fall_back:
                begin = taken(harder, np.flatnonzero(np.isin(poor, still)))
                chains = _from_chains(lanes.only(still), family.law, begin, seeds[still], draws)
                overwrite(found, still, chains)
    share = found.divergences / draws
    return Posterior(
        difficulty=_in_order(laws_at(family, found.u)),
        u=found.u,
        log_likelihood=found.log_likelihood + np.sum(rows.weight * rows.log_choose, axis=-1)[:, None],
        log_evidence=found.log_evidence + np.sum(rows.weight * rows.log_choose, axis=-1),
        rows=rows,
        r_hat=found.r_hat,
        ess=found.ess,
        divergences=found.divergences,
        pareto_k=found.pareto_k,
        trust=trust_in(rows, found.r_hat, found.ess, share, found.pareto_k, draws),
        chains=found.chains,
        prior=family.prior,
    )


def _from_points(weighted: Weighted, seeds: np.ndarray, draws: int) -> _Draws:
    chosen = resampled(weighted, draws, seeds)
    size = len(chosen)
    return _Draws(
        u=np.take_along_axis(weighted.u, chosen[..., None], axis=1),
        log_likelihood=np.take_along_axis(weighted.log_likelihood, chosen, axis=1),
        log_evidence=weighted.log_evidence,
        r_hat=np.full(size, np.nan),
        ess=weighted.ess,
        divergences=np.zeros(size, np.int64),
        pareto_k=weighted.pareto_k,
        chains=np.ones(size, np.int64),
    )


def _from_chains(
    lanes: Lanes, law: Difficulty, weighted: Weighted, seeds: np.ndarray, draws: int
) -> _Draws:
    size = len(weighted.mean)
    start = drawn(weighted.u, weighted.log_weight, _CHAINS)
    every = -(-_JUDGED_BY // draws)

    def run(index: np.ndarray, thinning: int) -> tuple[Chains, np.ndarray, np.ndarray]:
        part, begin = lanes.only(index), taken((start, weighted.covariance, seeds), index)
        chains_of = functools.partial(
            run_chains, warmup=_WARMUP, draws=every * draws // _CHAINS, thinning=thinning
        )
        chains = chains_of(part, *begin)
        uneven = np.flatnonzero(off_the_grid(part, chains))
        if uneven.size:
            overwrite(chains, uneven, chains_of(part.only(uneven), *taken(begin, uneven), finest=True))
        return chains, *chain_diagnostics(_looked_at(law, part, chains))

    chains, r_hat, ess = run(np.arange(size), _THINNING)
    slow = np.flatnonzero((r_hat > MOST_R_HAT) | ~(ess >= LEAST_ESS))
    if slow.size:
        overwrite((chains, r_hat, ess), slow, run(slow, _LONGER * _THINNING))
    u, log_likelihood = (each[:, :, every - 1 :: every] for each in (chains.u, chains.log_likelihood))
    return _Draws(
        u=u.reshape(size, draws, -1),
        log_likelihood=log_likelihood.reshape(size, draws),
        log_evidence=np.full(size, np.nan),
        r_hat=r_hat,
        ess=np.minimum(ess, draws),
        divergences=np.ceil(np.sum(chains.divergent, axis=1) / every).astype(np.int64),
        pareto_k=np.full(size, np.nan),
        chains=np.full(size, _CHAINS),
    )


def off_the_grid(lanes: Lanes, chains: Chains) -> np.ndarray:
    """Whether the last draws are not as high as on a finer grid, [B]."""
    u = chains.u[:, :, -1]
    height = lanes.chunked(heights, u, refinement=CHECK * FINE) + 0.5 * np.sum(u**2, axis=-1)
    off = np.abs(height - chains.log_likelihood[:, :, -1])
    return np.asarray(np.max(off, axis=-1) > GRID_TOLERANCE)


def _looked_at(law: Difficulty, lanes: Lanes, chains: Chains) -> np.ndarray:
    """What must have mixed: every coordinate, or where labels may switch what does not depend on them."""
    log_likelihood = chains.log_likelihood[..., None]
    if not labels_may_switch(law):
        return np.concatenate([chains.u, log_likelihood], axis=-1)
    shape = chains.u.shape[:-1]
    laws = laws_at(cast(Whitened, lanes.template), chains.u.reshape(-1, chains.u.shape[-1]))
    curves = np.maximum(over_batch(log_neg_log_pass, laws, _KS), _SOLVED).reshape(*shape, -1)
    return np.concatenate([curves, log_likelihood], axis=-1)


def labels_may_switch(law: Difficulty) -> bool:
    """Whether two sets of parameters are one law, its parts in another order."""
    if isinstance(law, ZeroInflated):
        return labels_may_switch(law.base)
    return isinstance(law, Discrete | Mixture)


def _in_order(law: Difficulty) -> Difficulty:
    """The points of discrete laws by their size, since the posterior leaves their order open."""
    if isinstance(law, ZeroInflated):
        return dataclasses.replace(law, base=_in_order(law.base))
    if not isinstance(law, Discrete):
        return law
    order = np.argsort(law.p, axis=-1)
    return Discrete(*(np.take_along_axis(part, order, axis=-1) for part in (law.p, law.weights)))


def _poor(found: _Draws) -> np.ndarray:
    return np.flatnonzero((found.pareto_k > MOST_K) | ~(found.ess >= LEAST_ESS))
