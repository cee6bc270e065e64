"""A law with a share of problems that no attempt ever solves."""

from __future__ import annotations

import dataclasses
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import NEVER, Box, Difficulty, Parameter, Points, Search, Summary, Tail
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree

# the smallest share of unsolvable problems a fit looks at: it costs no data set 1e-6 nats against 0
_LEAST_SHARE = 1e-9


@pytree
@dataclasses.dataclass(frozen=True)
class ZeroInflated(Difficulty):
    """A share ``pi0`` of problems that no attempt ever solves; the others follow ``base``.

    -log pass@k then falls to the floor -log(1 - pi0), and only what lies above it is a power law.
    """

    base: Difficulty
    pi0: Parameter

    @float64_on_host
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log [pi0 1{s = 0} + (1 - pi0) E_base[p^s (1-p)^f]]."""
        base = self.base.log_moment(successes, failures)
        solvable = jnp.log1p(-self.pi0)
        # for a moment near 1 the complement keeps the last digits; for a small one the sum does
        near_one = base > -0.7
        complement = jnp.log1p((1 - self.pi0) * jnp.expm1(jnp.where(near_one, base, -1.0)))
        total = jnp.log(self.pi0 + (1 - self.pi0) * jnp.exp(jnp.where(near_one, -1.0, base)))
        unsolved = jnp.where(near_one, complement, jnp.where(self.pi0 > 0, total, base))
        return jnp.where(successes == 0, unsolved, solvable + base)

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log [pi0 + (1 - pi0) F_base(p)]."""
        return jnp.logaddexp(jnp.log(self.pi0), jnp.log1p(-self.pi0) + self.base.log_cdf(p))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """0 for u <= pi0, else the base's quantile at (u - pi0)/(1 - pi0)."""
        return jnp.where(u <= self.pi0, 0.0, self.base.icdf(jnp.maximum(u - self.pi0, 0) / (1 - self.pi0)))

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """-inf with probability pi0, else a draw of the base."""
        which, what = jax.random.split(key)
        unsolvable = jax.random.bernoulli(which, self.pi0, shape)
        return jnp.where(unsolvable, -jnp.inf, self.base.sample_log_p(what, shape))

    @float64_on_host
    def tail(self) -> Tail:
        """Above the floor, (1 - pass@k/(1-pi0)) falls as the base's does."""
        tail = self.base.tail()
        return tail._replace(floor=tail.floor - jnp.log1p(-self.pi0))

    @property
    def needs_span(self) -> bool:
        return self.base.needs_span

    def inside(self, nodes: Nodes) -> Points:
        """The base's points."""
        return self._solvable(self.base.inside(nodes))

    def outside(self, grid: Grid) -> list[Points]:
        """The base's points and one at p = 0."""
        log_pi0 = jnp.log(self.pi0)
        atom = Points(jnp.full_like(log_pi0, NEVER), jnp.zeros_like(log_pi0), log_pi0)
        return [*(self._solvable(cloud) for cloud in self.base.outside(grid)), atom]

    def _solvable(self, cloud: Points) -> Points:
        return cloud._replace(log_weight=cloud.log_weight + jnp.log1p(-self.pi0))

    def to_search(self) -> Float[Array, " D"]:
        return jnp.concatenate([self.base.to_search(), jnp.asarray(self.pi0)[None]])

    def from_search(self, theta: Search) -> Self:
        return type(self)(base=self.base.from_search(theta[:-1]), pi0=theta[-1])

    @property
    def box(self) -> Box:
        return self.base.box + Box((_LEAST_SHARE,), (1 - 1e-6,), ("pi0",))

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # hardly any unsolvable problem, or most of the unsolved ones
        tries = []
        for pi0 in (0.02 * summary.unsolved, 0.7 * summary.unsolved):
            pi0 = jnp.clip(pi0, _LEAST_SHARE, 1 - 1e-6)
            inner = summary._replace(
                mean=jnp.minimum(summary.mean / (1 - pi0), 0.99),
                unsolved=(summary.unsolved - pi0) / (1 - pi0),
            )
            base = self.base.starts(inner)
            tries.append(jnp.column_stack([base, jnp.full(base.shape[0], pi0)]))
        return jnp.concatenate(tries)
