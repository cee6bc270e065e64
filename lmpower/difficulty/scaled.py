"""A law scaled to (0, c): no problem is easier than c."""

from __future__ import annotations

import dataclasses
import math
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Parameter, Search, Summary, Tail, in_box
from lmpower.difficulty.continuous import Continuous
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree

# the largest alpha and beta of a scaled law that a fit looks at: 1e4
_MOST_LOG = math.log(1e4)


@pytree
@dataclasses.dataclass(frozen=True)
class Scaled(Continuous):
    """p = c x with x from ``base``: no problem is easier than c, 0 < c <= 1.

    It leaves the tail exponent alone and multiplies the prefactor of -log pass@k by c^-exponent.
    """

    base: Continuous
    c: Parameter

    @property
    def log_scale(self) -> Float[Array, ""]:
        return jnp.log(self.c) + self.base.log_scale

    @property
    def stiffness(self) -> Float[Array, ""]:
        return self.base.stiffness

    def log_density(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self.base.log_density(log_x, log_y)

    def log_reach_below(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self.base.log_reach_below(log_x, log_y)

    def log_reach_above(self, log_x: Array, log_y: Array) -> Float[Array, ...]:
        return self.base.log_reach_above(log_x, log_y)

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log F(p) = log F_base(p/c)."""
        return self.base.log_cdf(jnp.minimum(p / self.c, 1.0))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """c F_base^-1(u)."""
        return self.c * self.base.icdf(u)

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """log c + log x."""
        return jnp.log(self.c) + self.base.sample_log_p(key, shape)

    @float64_on_host
    def tail(self) -> Tail:
        """The base's, with the prefactor times c^-exponent."""
        tail = self.base.tail()
        return tail._replace(log_prefactor=tail.log_prefactor - tail.exponent * jnp.log(self.c))

    def to_search(self) -> Float[Array, " D"]:
        return jnp.concatenate([self.base.to_search(), jnp.log(self.c)[None]])

    def from_search(self, theta: Search) -> Self:
        return type(self)(base=self.base.from_search(theta[:-1]), c=jnp.exp(theta[-1]))

    @property
    def box(self) -> Box:
        # c carries the scale: a larger beta would only say the same again
        base = self.base.box
        upper = (min(high, _MOST_LOG) for high in base.upper)
        return base._replace(upper=tuple(upper)) + in_box(c=(1e-6, 1.0))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # c = 1, c near the easiest problem, and one between
        tries = []
        for c in (1.0, 1.05 * summary.largest, 2.5 * summary.largest):
            c = jnp.clip(c, 1e-6, 1.0)
            inner = summary._replace(
                mean=jnp.minimum(summary.mean / c, 0.95),
                largest=jnp.minimum(summary.largest / c, 1.0),
            )
            base = self.base.starts(inner)
            tries.append(jnp.column_stack([base, jnp.full(base.shape[0], jnp.log(c))]))
        if self.base.box.names == ("alpha", "beta"):
            # all problems hardly different: the mass piled up below c
            log_c = jnp.minimum(jnp.log(summary.mean), 0.0)
            piled = [jnp.full_like(log_c, math.log(100.0)), jnp.full_like(log_c, math.log(0.01)), log_c]
            tries.append(jnp.stack(piled)[None])
        return jnp.concatenate(tries)
