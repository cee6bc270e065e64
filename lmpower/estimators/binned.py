"""The published discretized estimators: only a histogram of s/n is used (Schaeffer et al. 2025).

Bins are {0} and logspace(log10(1/N), 0, N/10), so that the first holds the problems never solved; the law
lives on (0, c) with c set to the largest s/n and not fitted; the exponent is alpha. The likelihood is
multinomial, and only the bins in which problems lie matter to it. Two bins, as for N < 30, leave two shapes
undetermined: nan.

Published: a bin [0, 1/N) for s = 0, while a problem of chance p < 1/N is often solved once, and one of
p > 1/N often not at all. Corrected: bins with edges between the values that s/n can take, and c from
the rule of the binomial fits, min(1, (P+1)/P max s/n). (A histogram still forgets the binomial noise.)

In floating point 10^log10(1/N) may come out above 1/N, and problems solved once then fall into the first
bin. The published figures at N = 464 and 4642 are those of such bins (``once_in_first``), and only those.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.counts import Rows, widened
from lmpower.difficulty.continuous import Continuous
from lmpower.difficulty.named import family_named
from lmpower.estimators.base import Estimate, ks_of_slope, slope_through
from lmpower.estimators.laws import curve_of, scale_rule
from lmpower.numerics.integrals import gauss_legendre, log_sides, log_sum_exp
from lmpower.numerics.maximise import ascend, begin

# The published box of both shapes.
_LOW, _HIGH = np.log(0.01), np.log(100.0)
_STARTS = np.log([[0.2, 3.0], [0.5, 1.0]])
_MOST_STEPS = 100
_NODES = 48
# Log-odds beyond which a law with shapes up to 100 has no features.
_FAR = 24.0


def discretized(
    rows: Rows,
    ks: Float[np.ndarray, " K"],
    window: tuple[float, float],
    *,
    family: str,
    corrected: bool,
    once_in_first: bool = False,
) -> Estimate:
    """alpha of the binned fit, and the forecast of its law for new problems.

    ``once_in_first`` puts the first edge a rounding error above 1/N.
    """
    law, rows = family_named(family), widened(rows)
    low, high, scale, bins = _bins(rows, corrected, once_in_first)
    scale = np.maximum(scale, 1e-6)
    with jax.enable_x64(True):
        # in units of c, on the scale of log-odds
        ends = [_log_odds(np.minimum(edge / scale[:, None], 1.0)) for edge in (low, high)]
        theta = np.asarray(_fit(law, ends[0], ends[1], rows.weight))
    theta = np.column_stack([theta, np.log(scale)])
    unsolved = np.max(np.where(rows.weight > 0, rows.successes, 0.0), axis=-1) == 0
    # the bins' shares add up to 1, so that two shapes need three bins
    theta[unsolved | (bins < 3)] = np.nan
    template = family_named(f"scaled-{family}")
    whole = curve_of(template, theta, np.concatenate([ks_of_slope(window), ks])).log_loss
    split = ks_of_slope(window).size
    slope = slope_through(whole[:, :split], window)
    return Estimate(np.exp(theta[:, 0]), slope, np.exp(-np.exp(whole[:, split:])))


def _log_odds(x: np.ndarray) -> np.ndarray:
    """logit x, as far out as the laws have features."""
    with np.errstate(divide="ignore"):
        return np.clip(np.log(x) - np.log1p(-x), -1e3, 1e3)


def _bins(
    rows: Rows, corrected: bool, once_in_first: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper edge of each row's bin, [B, R]; c and the number of bins, [B]."""
    present = rows.weight > 0
    most = np.max(np.where(present, rows.attempts, 1), axis=-1)
    rate = np.where(present, rows.successes / rows.attempts, 0.0)
    if corrected:
        half = 0.5 / rows.attempts
        return np.maximum(rate - half, 0.0), rate + half, scale_rule(rows), most + 1
    low, high = np.zeros_like(rate), np.zeros_like(rate)
    bins = np.maximum(most // 10, 2).astype(np.int64)
    for i, n in enumerate(most):
        edges = np.concatenate([[0.0], np.logspace(-np.log10(n), 0.0, bins[i])])
        # as numbers, not as powers of ten that miss them
        edges[1], edges[-1] = np.nextafter(1 / n, 1.0) if once_in_first else 1 / n, 1.0
        bin_ = np.clip(np.searchsorted(edges, rate[i], side="right") - 1, 0, edges.size - 2)
        low[i], high[i] = edges[bin_], edges[bin_ + 1]
    return low, high, rate.max(-1), bins


@jax.jit
def _fit(
    law: Continuous, low: Float[Array, "B R"], high: Float[Array, "B R"], weight: Float[Array, "B R"]
) -> Float[Array, "B 2"]:
    lower, upper = jnp.full(2, _LOW), jnp.full(2, _HIGH)

    def one(low: Array, high: Array, weight: Array) -> Array:
        def height(theta: Array) -> Array:
            mass = _log_mass(law.from_search(theta), low, high)
            return jnp.sum(jnp.where(weight > 0, weight * mass, 0.0))

        def surface(theta: Array) -> tuple[Array, Array, Array]:
            return height(theta), jax.grad(height)(theta), jax.hessian(height)(theta)

        def top(start: Array) -> tuple[Array, Array]:
            state = ascend(surface, begin(start), lower, upper, _MOST_STEPS)
            return state.theta, state.value

        thetas, values = jax.vmap(top)(jnp.asarray(_STARTS))
        return thetas[jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))]

    return jax.vmap(one)(low, high, weight)


def _log_mass(law: Continuous, low: Float[Array, " R"], high: Float[Array, " R"]) -> Float[Array, " R"]:
    """log P(low < logit x < high): inside the law's features by quadrature, beyond in closed form."""
    inside = jnp.clip(low, -_FAR, _FAR), jnp.clip(high, -_FAR, _FAR)
    # a bin from 0, or to 1, takes the mass beyond as well
    w, log_weight = gauss_legendre(*inside, _NODES)
    log_mass = log_sum_exp(law.log_density(*log_sides(w)) + log_weight)
    ends = [jnp.asarray(end, low.dtype) for end in (-_FAR, _FAR)]
    below = law.log_density(*log_sides(ends[0])) + law.log_reach_below(*log_sides(ends[0]))
    above = law.log_density(*log_sides(ends[1])) + law.log_reach_above(*log_sides(ends[1]))
    log_mass = jnp.where(low < -_FAR, jnp.logaddexp(log_mass, below), log_mass)
    return jnp.where(high > _FAR, jnp.logaddexp(log_mass, above), log_mass)


BINNED: dict[str, tuple[Callable[..., Estimate], str]] = {
    f"discretized-{family}{suffix}": (
        functools.partial(discretized, family=family, corrected=corrected),
        "Schaeffer et al. 2025: histogram of s/n, c = max s/n"
        if not corrected
        else "Schaeffer et al. 2025; corrected: bins between the values of s/n, c by rule",
    )
    for family in ("beta", "kumaraswamy")
    for suffix, corrected in (("", False), ("-corrected", True))
}
