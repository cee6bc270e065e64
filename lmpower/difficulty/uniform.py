"""The uniform law on (0, high).

Its density is continuous and positive at 0, and every such law has -log pass@k ~ f(0)/k: exponent 1.
"""

from __future__ import annotations

import dataclasses
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Parameter, Search, Summary, Tail, in_box
from lmpower.difficulty.continuous import Continuous
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class Uniform(Continuous):
    """p uniform on (0, high), 0 < high <= 1."""

    high: Parameter

    @property
    def log_scale(self) -> Float[Array, ""]:
        return jnp.log(self.high)

    @property
    def stiffness(self) -> Float[Array, ""]:
        return jnp.ones_like(self.high)

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return log_x + log_y

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return -log_y

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return -log_x

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log(p/high), 0 above."""
        return jnp.log(jnp.minimum(p / self.high, 1.0))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """high u."""
        return self.high * u

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """log high minus a standard exponential."""
        dtype = jnp.result_type(self.high, float)
        return jnp.log(self.high) - jax.random.exponential(key, shape, dtype)

    @float64_on_host
    def tail(self) -> Tail:
        """-log pass@k ~ 1/(high k)."""
        return Tail(jnp.ones_like(self.high), -jnp.log(self.high), jnp.zeros_like(self.high))

    def to_search(self) -> Float[Array, " D"]:
        return jnp.log(self.high)[None]

    def from_search(self, theta: Search) -> Self:
        return type(self)(high=jnp.exp(theta[0]))

    @property
    def box(self) -> Box:
        return in_box(high=(1e-6, 1.0))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        highs = jnp.stack([2 * summary.mean, 1.2 * summary.largest])
        return jnp.log(jnp.clip(highs, 1e-6, 1.0))[:, None]
