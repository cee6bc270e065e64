"""How well a posterior predicts a problem that it has not seen, without a new posterior for each.

Left out, problem i takes its likelihood p_i(F) with it: the posterior without it has the weights
1 / p_i(F_s) on the draws F_s. Smoothed (``posterior.pareto``), they give

    log p(y_i | all others) = log sum_s w_s p_i(F_s),    sum_s w_s = 1,

the pointwise terms of elpd_loo (Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, 1413). The
Pareto k of the weights says whether to believe a term: above .7 not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lmpower.posterior.pareto import smoothed

# Rows whose weights are smoothed at a time, which bounds the memory.
_ROWS_AT_A_TIME = 512


class LeftOut(NamedTuple):
    """Of one problem of each row, [R].

    Attributes:
        elpd: log-probability of its counts, given all other problems.
        seen: the same given all problems, itself among them.
        pareto_k: of the weights behind ``elpd``; -inf where all draws say the same.
    """

    elpd: Float[np.ndarray, " R"]
    seen: Float[np.ndarray, " R"]
    pareto_k: Float[np.ndarray, " R"]


def leave_one_out(log_predictive: Float[np.ndarray, "S R"]) -> LeftOut:
    """Each row with one of its problems left out, from its log-probability under each draw."""
    parts = []
    for at in range(0, log_predictive.shape[1], _ROWS_AT_A_TIME):
        each = np.ascontiguousarray(log_predictive[:, at : at + _ROWS_AT_A_TIME].T)
        log_weight, pareto_k = smoothed(-each)
        elpd = _log_mean(log_weight + each) + np.log(each.shape[1])
        parts.append((elpd, _log_mean(each), pareto_k))
    return LeftOut(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _log_mean(logs: Float[np.ndarray, "R S"]) -> Float[np.ndarray, " R"]:
    """log of the mean over S of numbers given by their logs."""
    highest = np.max(logs, axis=-1, keepdims=True)
    return np.asarray(np.log(np.mean(np.exp(logs - highest), axis=-1)) + highest[:, 0])


def error_of_sum(
    values: Float[np.ndarray, "*F R"], weight: Float[np.ndarray, " R"]
) -> Float[np.ndarray, "*F"]:
    """Standard error of a sum over P problems, sqrt(P V), V the variance of its terms.

    Rows count as often as they have problems. Nan for a single problem.
    """
    problems = np.sum(weight)
    if problems < 2:
        return np.full(values.shape[:-1], np.nan)
    off = values - (values @ weight / problems)[..., None]
    return np.asarray(np.sqrt(problems * (off**2 @ weight) / (problems - 1)))
