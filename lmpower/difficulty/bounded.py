"""Laws that are bounded away from nothing, and why their tails differ.

A density that is continuous and positive at 0 (uniform, continuous Bernoulli) always gives
-log pass@k ~ f(0)/k, exponent 1. A law that starts above 0 (reciprocal) gives no power law at all:
every problem is at least as easy as its lower end, and failure falls exponentially in the end.
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
from lmpower.difficulty.continuous import Continuous, from_either_side, log_success
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import find_window, gauss_legendre, log_sum_exp
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
        """log [log(p/low)/log(high/low)]."""
        share = jnp.log(p / self.low) / jnp.log(self.high / self.low)
        return jnp.log(jnp.clip(share, 0.0, 1.0))

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

    def outside(self, grid: Grid) -> Points:
        """Gauss-Legendre over log p."""
        share, log_weight = grid.span
        y = jnp.log(self.low) + share * jnp.log(self.high / self.low)
        return Points(y, jnp.log1p(-jnp.exp(y)), log_weight + 0 * y)

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
