"""All estimators, by the names typed on a command line."""

from __future__ import annotations

from lmpower.estimators.base import Estimator
from lmpower.estimators.binned import BINNED
from lmpower.estimators.curves import CURVES
from lmpower.estimators.laws import LAWS
from lmpower.estimators.one_by_one import ONE_BY_ONE

ESTIMATORS: dict[str, Estimator] = {
    name: Estimator(name, source, stopping, run)
    for table, stopping in ((CURVES, False), (BINNED, False), (LAWS, True), (ONE_BY_ONE, True))
    for name, (run, source) in table.items()
}


def estimator_named(name: str) -> Estimator:
    """The estimator with this name.

    Raises:
        ValueError: for a name that is not in ``ESTIMATORS``.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, not {name!r}")
    return ESTIMATORS[name]
