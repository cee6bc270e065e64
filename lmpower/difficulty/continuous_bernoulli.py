"""The continuous Bernoulli law: an exponential law cut at 1.

Its density is continuous and positive at 0, and every such law has -log pass@k ~ f(0)/k: exponent 1.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Parameter, Search, Summary, Tail
from lmpower.difficulty.continuous import Continuous
from lmpower.numerics.integrals import log1mexp
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree

# The steepest rate L that a fit looks at, towards either end: a mean of p of 1e-6, or as far below 1.
_STEEPEST = 1e6


@pytree
@dataclasses.dataclass(frozen=True, init=False)
class ContinuousBernoulli(Continuous):
    """Density C lam^x (1-lam)^(1-x) on (0, 1), 0 < lam < 1 (Loaiza-Ganem & Cunningham 2019).

    It is an exponential law cut at 1, rate L = log((1-lam)/lam): the mass lies near 0 for lam < 1/2.
    Held is logit lam = -L: where the mean of p is below .001, lam = e^-L is no float any more.
    """

    logit_lam: Parameter

    def __init__(self, lam: Parameter = None, *, logit_lam: Parameter = None) -> None:
        if (lam is None) == (logit_lam is None):
            raise TypeError("a continuous Bernoulli law takes lam or logit_lam, and one of them only")
        object.__setattr__(self, "logit_lam", _logit(lam) if logit_lam is None else logit_lam)

    @property
    @float64_on_host
    def lam(self) -> Float[Array, ...]:
        """The parameter; 0 where it is below every float."""
        return jax.nn.sigmoid(self.logit_lam)

    def parameters(self) -> dict[str, Array]:
        """Of those who write the law: {"lam": ..}."""
        return {"lam": self.lam}

    @property
    def _rate(self) -> Float[Array, ""]:
        return -self.logit_lam

    @property
    def stiffness(self) -> Float[Array, ""]:
        return 1 + jnp.abs(self._rate)

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        # from the end where it is highest, so that no two large terms cancel
        rate = self._rate
        falls = rate > 0
        fall = jnp.where(falls, rate * jnp.exp(log_x), -rate * jnp.exp(log_y))
        return _log_height(jnp.where(falls, rate, -rate)) - fall + log_x + log_y

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        # mass C (1 - e^-Lx)/L over density C e^-Lx x y
        return -_log_at_zero(-self._rate * jnp.exp(log_x)) - log_y

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return -_log_at_zero(self._rate * jnp.exp(log_y)) - log_x

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """By inversion: -log(1 - u (1 - e^-|L|))/|L| from the end where most lie; near L = 0 it is u."""
        rate = jnp.asarray(self._rate)
        u = jax.random.uniform(key, shape, jnp.result_type(rate, float))
        flat = jnp.abs(rate) < 1e-6
        steady = jnp.where(flat, 1.0, jnp.abs(rate))
        away = jnp.where(flat, u, -jnp.log1p(u * jnp.expm1(-steady)) / steady)
        return jnp.where(rate < 0, jnp.log1p(-away), jnp.log(away))

    @float64_on_host
    def tail(self) -> Tail:
        """-log pass@k ~ f(0)/k with f(0) = C (1-lam), for k well above L."""
        log_c = _log_at_zero(self._rate)
        return Tail(jnp.ones_like(log_c), log_c, jnp.zeros_like(log_c))

    def to_search(self) -> Float[Array, " D"]:
        # logit lam = 2 sinh theta: as it is near 0, its log far out on either side
        return jnp.arcsinh(jnp.asarray(self.logit_lam) / 2)[None]

    def from_search(self, theta: Search) -> Self:
        return type(self)(logit_lam=2 * jnp.sinh(theta[0]))

    @property
    def box(self) -> Box:
        reach = math.asinh(_STEEPEST / 2)
        return Box((-reach,), (reach,), ("logit_lam",))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # a mean m far from 1/2 is 1/L, or 1 - 1/|L|
        mean = jnp.clip(summary.mean, 1 / _STEEPEST, 1 - 1 / _STEEPEST)
        steep = jnp.arcsinh((1 / (1 - mean) - 1 / mean) / 2)
        return jnp.stack([steep, jnp.zeros_like(steep)])[:, None]


@float64_on_host
def _logit(lam: Array) -> Float[Array, ...]:
    return jnp.log(lam) - jnp.log1p(-lam)


def _log_height(rate: Array) -> Array:
    """log [L/(1 - e^-L)] for L >= 0: the density of x where it is highest."""
    # near 0 it is L/2 - log [sinh(L/2)/(L/2)]
    flat = jnp.abs(rate) < 0.2
    z = jnp.where(flat, rate / 2, 0.0) ** 2
    series = rate / 2 - z * (1 / 6 + z * (-1 / 180 + z * (1 / 2835 - z / 37800)))
    steep = jnp.where(flat, 1.0, rate)
    return jnp.where(flat, series, jnp.log(steep) - log1mexp(-steep))


def _log_at_zero(rate: Array) -> Array:
    """log [L/(1 - e^-L)] for L of either sign: the density at x = 0."""
    falls = rate > 0
    return _log_height(jnp.where(falls, rate, -rate)) + jnp.where(falls, 0.0, rate)
