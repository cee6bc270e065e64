"""Beta's law: density x^(alpha-1) (1-x)^(beta-1) / B(alpha, beta) on (0, 1).

Its moments are closed, E[p^s (1-p)^f] = B(alpha+s, beta+f)/B(alpha, beta), and so is its tail:
-log pass@k ~ Gamma(alpha+beta)/Gamma(beta) k^-alpha.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Tail
from lmpower.difficulty.powertail import PowerTail
from lmpower.numerics.integrals import log_beta, log_beta_ratio, log_rising
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class Beta(PowerTail):
    """Beta(alpha, beta), both > 0; ``alpha`` is the tail exponent of pass@k."""

    @float64_on_host
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log B(alpha + s, beta + f) / B(alpha, beta), elementwise."""
        return log_beta_ratio(self.alpha, self.beta, successes, failures)

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self.alpha * log_x + self.beta * log_y - log_beta(self.alpha, self.beta)

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self._log_reach(self.alpha, jnp.exp(log_x))

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self._log_reach(self.beta, jnp.exp(log_y))

    def _log_reach(self, a: Array, x: Array) -> Float[Array, ...]:
        # F(x) = x^a (1-x)^b / (a B(a,b)) 2F1(a+b, 1; a+1; x)   (DLMF 8.17.8), all terms positive
        # far out, where x (alpha + beta) < .02, six terms are exact
        total = self.alpha + self.beta
        series = jnp.zeros_like(x)
        for j in range(5, -1, -1):
            series = x * (total + j) / (a + 1 + j) * (1 + series)
        return jnp.log1p(series) - jnp.log(a)

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """Draws of log p = log of G_alpha/(G_alpha + G_beta), from log-gamma draws."""
        up, down = jax.random.split(key)
        dtype = jnp.result_type(self.alpha, float)
        log_g = jax.random.loggamma(up, self.alpha, shape, dtype)
        log_h = jax.random.loggamma(down, self.beta, shape, dtype)
        return log_g - jnp.logaddexp(log_g, log_h)

    @float64_on_host
    def tail(self) -> Tail:
        """-log pass@k ~ Gamma(alpha + beta)/Gamma(beta) k^-alpha."""
        return Tail(
            exponent=self.alpha,
            log_prefactor=log_rising(self.beta, self.alpha),
            floor=jnp.zeros_like(self.alpha),
        )

    def beta_of_mean(self, alpha: Array, mean: Array) -> Array:
        """alpha/(alpha + beta) = mean."""
        return alpha * (1 - mean) / mean
