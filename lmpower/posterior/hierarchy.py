"""Groups whose difficulties are alike in part: models, benchmarks, checkpoints of one model.

What they share, and how far, is a model of its own (``shared_model``). Its chains (``shared_chains``) begin
from posteriors of each group alone and end in a `Together`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float

from lmpower.counts import Counts, Rows, listed, stack_rows
from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.named import family_given
from lmpower.posterior.draws import Posterior
from lmpower.posterior.sample import labels_may_switch, sample_posterior
from lmpower.posterior.shared_chains import CHAINS, Found, chains_of
from lmpower.posterior.together import Together
from lmpower.posterior.trust import Trust, chain_diagnostics, trust_in
from lmpower.prior import LogNormal, Normal, Prior, Whitened, laws_at, prior_given

# One draw in so many is kept; chains that have not mixed run once more, that much longer.
_THINNINGS = (3, 12)
# Draws of each group alone, from which its likelihood's normal likeness is taken.
_ALONE = 1000


def sample_together(
    groups: Mapping[str, Counts],
    family: str | Difficulty = "beta",
    *,
    key: jax.Array,
    covariate: Mapping[str, float] | None = None,
    trend_of: str = "alpha",
    draws: int = 1000,
    prior: Prior | None = None,
) -> Together:
    """The posterior of several groups' difficulties, whose parameters are shared as far as they agree.

    Two parameters of eight groups take less than a minute on two cores, most of it to compile.

    Args:
        groups: counts by the names of their groups, at least two.
        family: a name (``difficulty.named``) or a difficulty of the structure wanted; not one of parts that
            have no order of their own (discrete laws, mixtures).
        key: from ``jax.random.key``.
        covariate: a number for each group, such as the log of a model's size, on which ``trend_of`` may
            depend in a straight line.
        trend_of: a parameter whose prior is log-normal or normal.
        draws: how many to keep, a multiple of 4 from 8 on.
        prior: of a single group; the family's own (``default_prior``) unless given.

    Returns:
        A ``Together``. Check ``together.ok``: one that has not mixed is a status with a sentence.

    Raises:
        ValueError: for no mapping of counts, fewer than two groups, a family of parts, an unknown family or
            parameter, a covariate that lacks a group or is the same for all, draws out of range, or a
            prior of another family.
    """
    names = _checked_names(groups)
    if draws < 8 or draws % CHAINS:
        raise ValueError(f"draws must be a multiple of {CHAINS} and at least 8, not {draws}")
    template = family_given(family)
    if labels_may_switch(template):
        raise ValueError(
            f"the parts of {family if isinstance(family, str) else type(family).__name__!r} have no order "
            "of their own, so that groups cannot share them: take a family such as 'beta' or "
            "'zero-inflated-kumaraswamy'"
        )
    prior = prior_given(prior, template)
    x = None if covariate is None else checked_covariate(covariate, names)
    step = 1.0 if x is None else _straight(prior, trend_of)
    rows = stack_rows([groups[name].rows() for name in names])
    alone = sample_posterior(rows, template, key=key, draws=_ALONE, prior=prior, fall_back=False)
    whitened = Whitened(template, prior)
    raised = None
    if x is not None:
        at = np.array([name == trend_of for name in prior.names])
        raised = np.outer((x - np.mean(x)) / np.std(x), at)
    words = np.asarray(jax.random.key_data(key)).ravel()
    for thinning in _THINNINGS:
        found = chains_of(rows, whitened, alone, raised, words, draws, thinning)
        trend = None if x is None else found.slope[..., 0] * step / np.std(x)
        together = _gathered(found, rows, whitened, names, trend, x, None if x is None else trend_of)
        if together.ok:
            break
    return together


def _checked_names(groups: Mapping[str, Counts]) -> tuple[str, ...]:
    if not isinstance(groups, Mapping):
        raise ValueError(f"groups must be a mapping of names to Counts, not {type(groups).__name__}")
    names = tuple(groups)
    if len(names) < 2:
        raise ValueError(
            f"it takes at least two groups to share anything; got {listed(map(repr, names)) or 'none'}"
        )
    for name in names:
        if not isinstance(groups[name], Counts):
            raise ValueError(f"group {name!r} must be Counts, not {type(groups[name]).__name__}")
    return names


def checked_covariate(covariate: Mapping[str, float], names: tuple[str, ...]) -> Float[np.ndarray, " G"]:
    """A covariate as numbers in the order of the groups.

    Raises:
        ValueError: if it lacks a group, has one more, is not finite, or is the same for all.
    """
    missing = [name for name in names if name not in covariate]
    if missing:
        raise ValueError(
            f"the covariate lacks {listed(map(repr, missing))}: it has {listed(map(repr, covariate))}"
        )
    unknown = [name for name in covariate if name not in names]
    if unknown:
        raise ValueError(
            f"the covariate has {listed(map(repr, unknown))}, but the groups are {listed(map(repr, names))}"
        )
    x = np.array([float(covariate[name]) for name in names])
    if not np.all(np.isfinite(x)):
        name = names[int(np.argmin(np.isfinite(x)))]
        raise ValueError(f"the covariate of {name!r} must be finite, not {covariate[name]!r}")
    if np.ptp(x) == 0:
        raise ValueError(f"the covariate must differ between groups; it is {x[0]:g} for all")
    return x


def _straight(prior: Prior, trend_of: str) -> float:
    """By how much the search coordinate moves as u moves by 1."""
    steps = {}
    for name, marginal in zip(prior.names, prior.marginals, strict=True):
        if isinstance(marginal, LogNormal):
            steps[name] = math.log(float(marginal.factor))
        elif isinstance(marginal, Normal):
            steps[name] = float(marginal.sd)
    if trend_of not in steps:
        allowed = listed(map(repr, steps)) or "none of this family's"
        raise ValueError(
            f"trend_of must be a parameter with a log-normal or normal prior ({allowed}), not {trend_of!r}"
        )
    return steps[trend_of]


def _gathered(
    found: Found,
    rows: Rows,
    family: Whitened,
    names: tuple[str, ...],
    trend: np.ndarray | None,
    covariate: np.ndarray | None,
    trend_of: str | None,
) -> Together:
    groups, draws = len(names), found.log_likelihood.shape[0] * found.log_likelihood.shape[1]
    tying = np.concatenate([found.shared, found.middle, found.slope], axis=-1)
    r_hat, ess = chain_diagnostics(tying[None])
    own = np.concatenate([found.u, found.log_likelihood[..., None]], axis=-1)
    own_r_hat, own_ess = chain_diagnostics(np.moveaxis(own, 2, 0))
    divergent = int(np.sum(found.divergent))
    share, unmeasured = np.full(groups, divergent / draws), np.full(groups, np.nan)
    # a group's draws are joint with the others': what has not mixed there is not to be believed here
    group_r_hat = np.maximum(own_r_hat, r_hat)
    trust = trust_in(rows, group_r_hat, own_ess, share, unmeasured, draws)
    whole = trust_in(rows, r_hat, np.minimum(ess, np.min(own_ess)), share, unmeasured, draws)
    failures = [int(code) for code in (*trust, *whole) if code > Trust.ALL_SUCCESS]
    u = np.moveaxis(found.u.reshape(draws, groups, -1), 1, 0)
    chosen = np.sum(rows.weight * rows.log_choose, axis=-1)
    posteriors = Posterior(
        difficulty=laws_at(family, u),
        u=u,
        log_likelihood=found.log_likelihood.reshape(draws, groups).T + chosen[:, None],
        log_evidence=unmeasured,
        rows=rows,
        r_hat=group_r_hat,
        ess=own_ess,
        divergences=np.full(groups, divergent),
        pareto_k=unmeasured,
        trust=trust,
        chains=np.full(groups, CHAINS),
        prior=family.prior,
        joint=hashlib.sha256(u.tobytes()).hexdigest()[:16],
    )
    return Together(
        posteriors=posteriors,
        shared=found.shared.reshape(draws, -1),
        middle=found.middle.reshape(draws, -1),
        trend=None if trend is None else trend.reshape(draws),
        covariate=covariate,
        r_hat=r_hat[0],
        ess=ess[0],
        divergences=np.asarray(divergent),
        trust=np.asarray(max(failures, default=int(Trust.OK))),
        names=names,
        trend_of=trend_of,
    )
