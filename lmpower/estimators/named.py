"""All estimators, by the names typed on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lmpower.counts import Rows
from lmpower.estimators.base import WINDOW, Estimate, Estimator
from lmpower.estimators.binned import BINNED
from lmpower.estimators.curves import CURVES
from lmpower.estimators.laws import BY_RULE, LAWS
from lmpower.estimators.one_by_one import ONE_BY_ONE
from lmpower.estimators.posteriors import POSTERIORS

ESTIMATORS: dict[str, Estimator] = {
    **{name: Estimator(name, source, False, run) for name, (run, source) in (CURVES | BINNED).items()},
    **{
        # the rule for c takes the largest s/n, which stopping on success biases
        name: Estimator(name, source, fit not in BY_RULE.values(), run, fit)
        for name, (run, fit, source) in LAWS.items()
    },
    **{
        name: Estimator(name, source, True, run, sample)
        for name, (run, sample, source) in POSTERIORS.items()
    },
    **{name: Estimator(name, source, True, run) for name, (run, source) in ONE_BY_ONE.items()},
}


def estimator_named(name: str) -> Estimator:
    """The estimator with this name.

    Raises:
        ValueError: for a name that is not in ``ESTIMATORS``.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, not {name!r}")
    return ESTIMATORS[name]


def estimate_all(
    names: Sequence[str],
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float] = WINDOW,
) -> list[Estimate]:
    """The estimate of each; those that read the same fit share it."""
    prepared: dict[Any, tuple[Any, ...]] = {None: ()}
    estimates = []
    for estimator in map(estimator_named, names):
        if estimator.prepare is not None and estimator.prepare not in prepared:
            prepared[estimator.prepare] = (estimator.prepare(rows),)
        estimates.append(estimator.given(prepared[estimator.prepare], rows, ks, window))
    return estimates
