"""Kumaraswamy's law: cdf F(x) = 1 - (1 - x^alpha)^beta on (0, 1).

Like Beta's, its density runs as x^(alpha-1) at 0 and (1-x)^(beta-1) at 1, but its cdf and quantiles
are elementary (Kumaraswamy 1980, J. Hydrology 46, 79). The tail of pass@k follows:
-log pass@k ~ alpha beta Gamma(alpha) k^-alpha.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Tail
from lmpower.difficulty.powertail import PowerTail
from lmpower.numerics.integrals import log1mexp, log_beta
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class Kumaraswamy(PowerTail):
    """Kumaraswamy(alpha, beta), both > 0; ``alpha`` is the tail exponent of pass@k."""

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        # alpha beta x^(alpha-1) (1 - x^alpha)^(beta-1) dx, with dx = x (1-x) dw
        log_t = self.alpha * log_x
        log_1mt = jnp.log(-jnp.expm1(log_t))
        return jnp.log(self.alpha * self.beta) + log_t + (self.beta - 1) * log_1mt + log_y

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self._log_cdf(log_x) - self.log_density(log_x, log_y)

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        # (1-t)^beta over its density alpha beta t (1-t)^(beta-1) y, t = x^alpha
        log_t = self.alpha * log_x
        return log1mexp(log_t) - log_t - log_y - jnp.log(self.alpha * self.beta)

    def _log_cdf(self, log_x: Array) -> Float[Array, ...]:
        # F = 1 - e^-y with y = -beta log(1 - t), t = x^alpha; where t or y vanishes, F -> y -> beta t
        log_t = self.alpha * log_x
        faint = log_t < -36.0
        log_rate = jnp.where(faint, log_t, jnp.log(-jnp.log1p(-jnp.exp(jnp.where(faint, -1.0, log_t)))))
        log_y = jnp.log(self.beta) + log_rate
        faint = log_y < -36.0
        return jnp.where(faint, log_y, log1mexp(-jnp.exp(jnp.where(faint, 0.0, log_y))))

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log F(p) for p in [0, 1]."""
        return self._log_cdf(jnp.log(p))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """F^-1(u) = (1 - (1-u)^(1/beta))^(1/alpha) for u in [0, 1]."""
        return jnp.exp(log1mexp(jnp.log1p(-u) / self.beta) / self.alpha)

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """Draws of log p. log(1-u) of a uniform u is minus a standard exponential."""
        exponential = jax.random.exponential(key, shape, jnp.result_type(self.alpha, float))
        return log1mexp(-exponential / self.beta) / self.alpha

    @float64_on_host
    def tail(self) -> Tail:
        """-log pass@k ~ beta Gamma(1 + alpha) k^-alpha."""
        return Tail(
            exponent=self.alpha,
            log_prefactor=jnp.log(self.beta) + jax.lax.lgamma(1 + self.alpha),
            floor=jnp.zeros_like(self.alpha),
        )

    def beta_of_mean(self, alpha: Array, mean: Array) -> Array:
        """beta B(1 + 1/alpha, beta) = mean, by Newton's method in log beta.

        log mean is concave in log beta, and tends to log Gamma(1 + 1/alpha) - log(beta)/alpha from
        below: from that line's solution Newton's steps go down to the root without overshooting.
        """
        r = 1 / alpha
        log_beta_shape = alpha * (jax.lax.lgamma(1 + r) - jnp.log(mean))
        for _ in range(5):
            beta = jnp.exp(log_beta_shape)
            excess = log_beta_shape + log_beta(1 + r, beta) - jnp.log(mean)
            slope = 1 + beta * (jax.lax.digamma(beta) - jax.lax.digamma(1 + r + beta))
            log_beta_shape -= excess / slope
        return jnp.exp(log_beta_shape)
