"""What Beta's and Kumaraswamy's laws share: two positive shapes and a power-law tail.

Both densities run as x^(alpha-1) near 0, which makes ``alpha`` the tail exponent of pass@k, and as
(1-x)^(beta-1) near 1. Fits search over the logs of both.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Self

import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Parameter, Search, Summary, in_box
from lmpower.difficulty.continuous import Continuous

# Tail exponents to start a fit from, the most usual first.
_ALPHAS = (0.2, 0.05, 0.6, 2.5)


@dataclasses.dataclass(frozen=True)
class PowerTail(Continuous):
    """A law on (0, 1) with shapes alpha > 0 (the tail exponent) and beta > 0."""

    alpha: Parameter
    beta: Parameter

    @property
    def stiffness(self) -> Float[Array, ""]:
        return self.alpha + self.beta

    @abc.abstractmethod
    def beta_of_mean(self, alpha: Array, mean: Array) -> Array:
        """The beta with which the law has this mean."""

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # a heavy tail and lighter ones, all with the mean that was seen
        alphas = jnp.asarray(_ALPHAS, jnp.result_type(summary.mean))
        betas = jnp.clip(self.beta_of_mean(alphas, summary.mean), 1e-2, 1e5)
        return jnp.log(jnp.stack([alphas, betas], axis=-1))

    def to_search(self) -> Float[Array, " D"]:
        return jnp.stack([jnp.log(self.alpha), jnp.log(self.beta)])

    def from_search(self, theta: Search) -> Self:
        return type(self)(alpha=jnp.exp(theta[0]), beta=jnp.exp(theta[1]))

    @property
    def box(self) -> Box:
        return in_box(alpha=(1e-3, 1e2), beta=(1e-2, 1e6))
