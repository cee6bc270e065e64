"""The reciprocal law: log p uniform between two ends.

It starts above 0, so it has no power law at all: every problem is at least as easy as its lower end, and
failure falls exponentially in the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import (
    Box,
    Difficulty,
    Parameter,
    Points,
    Search,
    Summary,
    Tail,
    in_box,
    no_points,
)
from lmpower.difficulty.continuous import from_either_side, log_success
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import find_window, gauss_legendre, log_sum_exp
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class Reciprocal(Difficulty):
    """Density 1/(p log(high/low)) on (low, high), 0 < low < high < 1: log p is uniform.

    pass@k falls along log k for 1/high << k << 1/low, and exponentially beyond: no power law.
    """

    low: Parameter
    high: Parameter

    @float64_on_host
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log E[p^s (1-p)^f], elementwise, by Gauss-Legendre over log p."""
        s, f = jnp.broadcast_arrays(jnp.asarray(successes) + 0.0 * self.low, failures + 0.0 * self.low)
        ends = (
            jnp.broadcast_to(jnp.log(self.low), s.shape),
            jnp.broadcast_to(jnp.log(self.high), s.shape),
        )
        tries = jnp.where(f == 0, 1.0, f)[..., None]

        def mean_log(log_kernel: Callable[[Array], Array]) -> Array:
            low, high = find_window(log_kernel, *ends)
            # a window does not move with the parameters, but the law's own ends do
            low = jnp.where(low <= ends[0], ends[0], low)
            high = jnp.where(high >= ends[1], ends[1], high)
            y, log_weight = gauss_legendre(low, high)
            return log_sum_exp(log_kernel(y) + log_weight) - jnp.log(ends[1] - ends[0])

        direct = mean_log(lambda y: s[..., None] * y + f[..., None] * jnp.log1p(-jnp.exp(y)))
        log_pass = mean_log(lambda y: log_success(tries, y, jnp.log1p(-jnp.exp(y))))
        return from_either_side(s, f, direct, log_pass)

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log [log(p/low)/log(high/low)]; -inf below ``low``, 0 above ``high``."""
        share = jnp.log(p / self.low) / jnp.log(self.high / self.low)
        return jnp.where(share > 0, jnp.log(jnp.where(share > 0, jnp.minimum(share, 1.0), 1.0)), -jnp.inf)

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """low (high/low)^u."""
        return self.low * (self.high / self.low) ** u

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """Uniform between log low and log high."""
        dtype = jnp.result_type(self.low, float)
        u = jax.random.uniform(key, shape, dtype)
        return jnp.log(self.low) + u * jnp.log(self.high / self.low)

    @float64_on_host
    def tail(self) -> Tail:
        """None: nothing lies below ``low``."""
        nothing = jnp.full_like(self.low, jnp.nan)
        return Tail(nothing, nothing, jnp.zeros_like(self.low))

    @property
    def needs_span(self) -> bool:
        return True

    def inside(self, nodes: Nodes) -> Points:
        """None: the law ends within (0, 1)."""
        return no_points(self.low)

    def outside(self, grid: Grid) -> list[Points]:
        """Gauss-Legendre over log p."""
        share, log_weight = grid.span
        y = jnp.log(self.low) + share * jnp.log(self.high / self.low)
        return [Points(y, jnp.log1p(-jnp.exp(y)), log_weight + 0 * y)]

    def to_search(self) -> Float[Array, " D"]:
        return jnp.stack([jnp.log(jnp.log(self.high / self.low)), jnp.log(self.high)])

    def from_search(self, theta: Search) -> Self:
        return type(self)(low=jnp.exp(theta[1] - jnp.exp(theta[0])), high=jnp.exp(theta[1]))

    @property
    def box(self) -> Box:
        return in_box(log_range=(1e-2, 40.0), high=(1e-6, 1 - 1e-9))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        high = jnp.log(jnp.clip(1.2 * summary.largest, 1e-6, 0.999))
        return jnp.stack([jnp.stack([jnp.log(jnp.full_like(high, r)), high]) for r in (2.0, 8.0)])
