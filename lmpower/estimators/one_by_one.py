"""Estimators that share nothing between problems, or look at the easiest ones alone.

* Independent Beta(1, 1) for each problem, the default of scorio: 1 - B(1+s, 1+n-s+k)/B(1+s, 1+n-s),
  averaged over problems. Without pooling the prior's mean of 1/2 weighs on every hard problem.
* Jones et al. 2025 (arXiv 2502.16797): the upper tail *across queries*. With psi = -log(-log p), a line
  through log(j/m) of the ten largest gives the p that is exceeded once in n queries.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float

from lmpower.counts import Rows, widened
from lmpower.estimators.base import Estimate, slope_in
from lmpower.numerics.integrals import log_beta_ratio

_LARGEST = 10
_log_ratio = jax.jit(log_beta_ratio)


def independent(rows: Rows, ks: Float[np.ndarray, " K"], window: tuple[float, float]) -> Estimate:
    """The posterior mean of pass@k under a Beta(1, 1) of its own for each problem."""
    rows = widened(rows)
    share = rows.weight / rows.weight.sum(-1, keepdims=True)

    def pass_at(ks: np.ndarray) -> np.ndarray:
        shapes = (np.asarray(1 + part)[..., None] for part in (rows.successes, rows.failures))
        with jax.enable_x64(True):
            log_failure = np.asarray(_log_ratio(*shapes, np.zeros(1), ks))
        return np.asarray(np.einsum("br,brk->bk", share, -np.expm1(log_failure)))

    # each Beta(1 + s, 1 + n - s) has a tail exponent of 1 + s; the unsolved problems' decides
    least = np.min(np.where(rows.weight > 0, rows.successes, np.inf), axis=-1)
    return Estimate(1.0 + least, slope_in(window, pass_at), pass_at(ks))


def largest_p(rows: Rows, queries: Float[np.ndarray, " N"]) -> Float[np.ndarray, "B N"]:
    """Jones's forecast of the largest p among ``queries`` queries, [B, N]; nan for too few solved.

    Q_p(n) = exp(-exp((log n + b)/a)) with the line log(j/m) = a psi + b through the ten largest of m
    scores psi_j = -log(-log(s_j/n_j)), j = 1 the largest.
    """
    out = np.full((len(rows.weight), len(queries)), np.nan)
    for i, (s, n, weight) in enumerate(zip(rows.successes, rows.attempts, rows.weight, strict=True)):
        p = np.repeat(s / n, weight.astype(np.int64))
        top = np.sort(p)[::-1][:_LARGEST]
        # a share of 0 or 1 has no score
        j = np.flatnonzero((top > 0) & (top < 1))
        psi = -np.log(-np.log(top[j]))
        if np.unique(psi).size < 2:
            continue
        slope, intercept = np.polyfit(psi, np.log((j + 1) / p.size), 1)
        out[i] = np.exp(-np.exp((np.log(queries) + intercept) / slope))
    return out


ONE_BY_ONE: dict[str, tuple[Callable[..., Estimate], str]] = {
    "independent": (independent, "scorio's default: Beta(1, 1) for each problem"),
}
