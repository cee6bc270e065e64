"""What posteriors say of the very problems that were counted: medians, with credible intervals.

Every draw is a law, under which the counted problems have a curve of pass@k given what was seen of them,
and scatter around it as problems of their number do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows
from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.named import family_named
from lmpower.estimators.base import QUANTILES, Estimate, ks_of_slope, slope_through
from lmpower.estimators.laws import curve_of
from lmpower.numerics.normal import normal_quantiles
from lmpower.posterior import Posterior, sample_posterior

_DRAWS = 200
# Data sets whose draws are looked at together, which bounds the memory.
_AT_A_TIME = 64


def sample(rows: Rows, *, family: str) -> Posterior:
    """Every data set's posterior, from the same random numbers, so that none depends on its neighbours."""
    return sample_posterior(rows, family, key=jax.random.key(0), draws=_DRAWS, alike=True)


def read_off(
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
    posterior: Posterior,
    *,
    family: str,
) -> Estimate:
    """Medians and quantiles over the draws; nan of a posterior that is not to be believed."""
    template, theta = family_named(family), posterior.along(_search)
    offsets = np.random.default_rng(0).permutation(normal_quantiles((np.arange(_DRAWS) + 0.5) / _DRAWS))
    parts = []
    for at in range(0, len(theta), _AT_A_TIME):
        some = theta[at : at + _AT_A_TIME]
        flat = some.reshape(-1, some.shape[-1])
        mine = jax.tree.map(lambda leaf, at=at: np.repeat(leaf[at : at + _AT_A_TIME], _DRAWS, axis=0), rows)
        slope = slope_through(curve_of(template, flat, ks_of_slope(window), sloped=False).log_loss, window)
        ahead = curve_of(template, flat, ks, mine, sloped=False)
        around = offsets[np.arange(len(flat)) % _DRAWS, None] * np.sqrt(ahead.spread)
        passed = np.exp(-np.exp(ahead.log_loss + around))
        parts.append(np.column_stack([slope, passed]).reshape(*some.shape[:2], -1))
    draws = np.concatenate([posterior.tail_exponent[..., None], np.concatenate(parts)], axis=-1)
    levels = np.array(QUANTILES)
    quantiles = np.moveaxis(np.quantile(draws, levels, axis=1, method="median_unbiased"), 0, -1)
    quantiles[~posterior.ok] = np.nan
    median = quantiles[..., QUANTILES.index(0.5)]
    return Estimate(median[:, 0], median[:, 1], median[:, 2:], quantiles)


def _search(law: Difficulty) -> Array:
    return law.to_search()


# name: (how to read the posterior, how to sample it, source)
POSTERIORS: dict[str, tuple[Callable[..., Estimate], Callable[[Rows], Posterior], str]] = {
    f"{family}-posterior": (
        functools.partial(read_off, family=family),
        functools.partial(sample, family=family),
        "lmpower: the posterior, conditional on each problem's own counts",
    )
    for family in ("beta", "scaled-kumaraswamy", "zero-inflated-beta")
}
