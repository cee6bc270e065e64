"""The continuous Bernoulli law: an exponential law cut at 1.

Its density is continuous and positive at 0, and every such law has -log pass@k ~ f(0)/k: exponent 1.
"""

from __future__ import annotations

import dataclasses
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Parameter, Search, Summary, Tail
from lmpower.difficulty.continuous import Continuous
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class ContinuousBernoulli(Continuous):
    """Density C lam^x (1-lam)^(1-x) on (0, 1), 0 < lam < 1 (Loaiza-Ganem & Cunningham 2019).

    It is an exponential law cut at 1, rate L = log((1-lam)/lam): the mass lies near 0 for lam < 1/2.
    """

    lam: Parameter

    @property
    def _rate(self) -> Float[Array, ""]:
        return jnp.log1p(-self.lam) - jnp.log(self.lam)

    @property
    def _log_density_at_zero(self) -> Float[Array, ""]:
        # L/(1 - e^-L) = e^y y/sinh y with y = L/2
        y = 0.5 * self._rate
        small = jnp.abs(y) < 0.1
        z = jnp.where(small, y, 0.0) ** 2
        series = z * (1 / 6 + z * (-1 / 180 + z * (1 / 2835 - z / 37800)))
        far = jnp.abs(jnp.where(small, 1.0, y))
        log_sinhc = far + jnp.log(-jnp.expm1(-2 * far) / (2 * far))
        return y - jnp.where(small, series, log_sinhc)

    @property
    def stiffness(self) -> Float[Array, ""]:
        return 1 + jnp.abs(self._rate)

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self._log_density_at_zero - self._rate * jnp.exp(log_x) + log_x + log_y

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        # mass C x (1 - L x/2) over density C (1 - L x) x y, to second order in x
        return self._rate * jnp.exp(log_x) / 2 - log_y

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return -self._rate * jnp.exp(log_y) / 2 - log_x

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """By inversion, x = -log(1 - u (1 - e^-L))/L; near L = 0 it is u."""
        rate = self._rate
        u = jax.random.uniform(key, shape, jnp.result_type(self.lam, float))
        small = jnp.abs(rate) < 1e-6
        steady = jnp.where(small, 1.0, rate)
        x = -jnp.log1p(u * jnp.expm1(-steady)) / steady
        return jnp.log(jnp.where(small, u, x))

    @float64_on_host
    def tail(self) -> Tail:
        """-log pass@k ~ f(0)/k with f(0) = C (1-lam), for k well above L."""
        log_c = self._log_density_at_zero
        return Tail(jnp.ones_like(log_c), log_c, jnp.zeros_like(log_c))

    def to_search(self) -> Float[Array, " D"]:
        return -self._rate[None]

    def from_search(self, theta: Search) -> Self:
        return type(self)(lam=jax.nn.sigmoid(theta[0]))

    @property
    def box(self) -> Box:
        # lam itself must stay a float64 away from 0 and 1
        return Box((-700.0,), (36.0,), ("logit_lam",))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # for a small mean the law is exponential with rate L = 1/mean
        return jnp.stack([-1 / jnp.clip(summary.mean, 2e-3, 0.4), jnp.zeros_like(summary.mean)])[:, None]
