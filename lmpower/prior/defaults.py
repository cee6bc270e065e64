"""The prior of a family where none is given: a default law for each kind of coordinate."""

from __future__ import annotations

import numpy as np

from lmpower.difficulty.base import Difficulty
from lmpower.difficulty.beta import Beta
from lmpower.difficulty.mixture import Mixture
from lmpower.difficulty.named import family_given
from lmpower.difficulty.zero_inflated import ZeroInflated
from lmpower.prior.independent import Prior, kind_of
from lmpower.prior.marginals import LogNormal, Marginal, Normal, Share, SinhNormal

# The default law of each coordinate, by its name without a number; docs/posteriors.md has the reasons.
_DEFAULTS: dict[str, Marginal] = {
    "alpha": LogNormal(np.float64(0.3), np.float64(4.0)),
    "beta": LogNormal(np.float64(4.0), np.float64(3.0)),
    "c": Share(np.float64(0.5), np.float64(1.0)),
    "high": Share(np.float64(0.5), np.float64(1.0)),
    "pi0": Share(np.float64(0.5), np.float64(1.0)),
    "log_range": LogNormal(np.float64(6.0), np.float64(1.8)),
    "logit_lam": SinhNormal(np.float64(2.0), np.float64(-1.5), np.float64(1.5)),
    "logit_p": Normal(np.float64(-4.0), np.float64(3.0)),
    "logit_weight": Normal(np.float64(0.0), np.float64(1.5)),
}
# An unscaled Beta law has nothing but beta to set its level with: a pass@1 of .0005 must be possible.
_BETA_ALONE = LogNormal(np.float64(20.0), np.float64(6.0))


def default_prior(family: str | Difficulty) -> Prior:
    """The prior that `sample_posterior` takes unless given another.

    Raises:
        ValueError: for an unknown family, or one with a parameter that has no default.
    """
    template = family_given(family)
    names = template.box.names
    for name in names:
        if kind_of(name) not in _DEFAULTS:
            raise ValueError(f"there is no default prior for {name!r}: give a Prior of {', '.join(names)}")
    return Prior(tuple(_defaults(template)), names)


def prior_given(prior: Prior | None, family: Difficulty) -> Prior:
    """The prior, or the family's own where there is none.

    Raises:
        ValueError: for a prior of another family.
    """
    if prior is None:
        return default_prior(family)
    if not isinstance(prior, Prior):
        raise ValueError(f"prior must be a Prior (see default_prior), not {prior!r}")
    if prior.names != family.box.names:
        raise ValueError(
            f"the prior is of {', '.join(prior.names)}, and the family has {', '.join(family.box.names)}"
        )
    return prior


def _defaults(family: Difficulty) -> list[Marginal]:
    """In the order of the search coordinates."""
    if isinstance(family, ZeroInflated):
        return [*_defaults(family.base), _DEFAULTS["pi0"]]
    if isinstance(family, Mixture):
        parts = [marginal for part in family.components for marginal in _defaults(part)]
        return parts + [_DEFAULTS["logit_weight"]] * (len(family.components) - 1)
    named = _DEFAULTS | ({"beta": _BETA_ALONE} if isinstance(family, Beta) else {})
    return [named[kind_of(name)] for name in family.box.names]
