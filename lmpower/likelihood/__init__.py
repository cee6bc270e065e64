"""Counts scored under a difficulty: exactly, or by the histogram of s/n alone.

Exact: log P(s | n) = log C(n, s) + log_moment(s, n - s), summed over distinct rows (s, f) times
their multiplicity. Two routes lead there. `log_likelihood` (``exact``) takes every row's integral to
the last digits. `expand` (``expansion``) takes all rows on one shared cloud of points, with gradient
and Hessian in the search coordinates, for the tens of evaluations a fit needs.

Binned (``binned``): the paper's likelihood of that histogram, for any law and any edges, to be compiled,
mapped and differentiated by whoever asks for it. No estimator runs on it: those that redo the published
figures have a quadrature of their own (``estimators/binned.py``).
"""

from lmpower.likelihood.binned import binned_log_likelihood
from lmpower.likelihood.exact import log_likelihood
from lmpower.likelihood.expansion import Expansion, expand, slope
from lmpower.likelihood.moments import (
    log_moments_on_points,
    normalised,
    scores_on_points,
    value_on_points,
)
from lmpower.likelihood.side_by_side import values_side_by_side
from lmpower.likelihood.sums import Blocks

__all__ = [
    "Blocks",
    "Expansion",
    "binned_log_likelihood",
    "expand",
    "log_likelihood",
    "log_moments_on_points",
    "normalised",
    "scores_on_points",
    "slope",
    "value_on_points",
    "values_side_by_side",
]
