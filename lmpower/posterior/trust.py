"""Whether to believe a posterior, from what is known of how it came about."""

from __future__ import annotations

import enum

import numpy as np
from jaxtyping import Float, Int
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

from lmpower.counts import Rows
from lmpower.posterior.pareto import MOST_K

# What a posterior must reach to be believed: R-hat at most, effective draws at least (Vehtari et al. 2021,
# Bayesian Analysis 16, 667), and at most this share of divergent draws.
MOST_R_HAT, LEAST_ESS, MOST_DIVERGENT = 1.01, 400, 0.01


class Trust(enum.IntEnum):
    """Whether a posterior can be believed. The first three can."""

    OK = 0
    NO_SUCCESS = 1
    ALL_SUCCESS = 2
    NOT_MIXED = 3
    FEW_EFFECTIVE = 4
    DIVERGENT = 5
    HEAVY_WEIGHTS = 6

    @property
    def sentence(self) -> str:
        """What happened, and what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    Trust.OK: "mixed",
    Trust.NO_SUCCESS: "no problem was ever solved: upper ends are from the counts, all else from the prior",
    Trust.ALL_SUCCESS: "every attempt succeeded: what is said of large k comes from the prior",
    Trust.NOT_MIXED: f"the chains have not mixed (R-hat above {MOST_R_HAT}): no interval is given; take "
    "more draws, or a family with fewer parameters",
    Trust.FEW_EFFECTIVE: f"fewer effective draws than {LEAST_ESS}, or than half of all: no interval is "
    "given; take more draws, or a family with fewer parameters",
    Trust.DIVERGENT: f"more than {MOST_DIVERGENT:.0%} of the draws diverged: no interval is given; take a "
    "family with fewer parameters, or a narrower prior",
    Trust.HEAVY_WEIGHTS: f"the importance weights are too uneven (Pareto k above {MOST_K}): no interval is "
    "given; take method='nuts'",
}


def chain_diagnostics(
    quantities: Float[np.ndarray, "B C S Q"],
) -> tuple[Float[np.ndarray, " B"], Float[np.ndarray, " B"]]:
    """The largest split R-hat and the least effective number of draws over Q quantities."""
    r_hat, ess = [], []
    for each in np.moveaxis(quantities, -1, 1):
        # a quantity that the family fixes does not vary
        moving = [one for one in each if np.max(one) != np.min(one)]
        # (chains that have stood still, or hold what is no number, have not mixed)
        if not moving or not np.all(np.isfinite(moving)):
            r_hat.append(np.inf)
            ess.append(0.0)
            continue
        r_hat.append(max(float(split_gelman_rubin(one)) for one in moving))
        ess.append(min(float(effective_sample_size(one)) for one in moving))
    return np.array(r_hat), np.array(ess)


def trust_in(
    rows: Rows,
    r_hat: Float[np.ndarray, " B"],
    ess: Float[np.ndarray, " B"],
    divergent_share: Float[np.ndarray, " B"],
    pareto_k: Float[np.ndarray, " B"],
    draws: int,
) -> Int[np.ndarray, " B"]:
    """Codes of ``Trust``; nan for what was not measured."""
    solved = np.sum(rows.weight * rows.successes, axis=-1)
    unsolved = np.sum(rows.weight * rows.failures, axis=-1)
    trust = np.where(solved == 0, Trust.NO_SUCCESS, Trust.OK)
    trust = np.where(unsolved == 0, Trust.ALL_SUCCESS, trust)
    # (a number that could not be computed is not enough)
    trust = np.where(~(ess >= min(LEAST_ESS, draws / 2)), Trust.FEW_EFFECTIVE, trust)
    trust = np.where(pareto_k > MOST_K, Trust.HEAVY_WEIGHTS, trust)
    trust = np.where(divergent_share > MOST_DIVERGENT, Trust.DIVERGENT, trust)
    return np.where(r_hat > MOST_R_HAT, Trust.NOT_MIXED, trust).astype(np.int32)
