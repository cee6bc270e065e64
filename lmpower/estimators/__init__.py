"""Published ways from counts to an exponent and a forecast, and lmpower's own, behind one interface."""

from lmpower.estimators.base import QUANTILES, WINDOW, Estimate, Estimator
from lmpower.estimators.named import ESTIMATORS, estimate_all, estimator_named
from lmpower.estimators.one_by_one import largest_p

__all__ = [
    "ESTIMATORS",
    "QUANTILES",
    "WINDOW",
    "Estimate",
    "Estimator",
    "estimate_all",
    "estimator_named",
    "largest_p",
]
