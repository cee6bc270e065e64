"""Finitely many kinds of problem: the law whose shape is left free.

With m points anywhere it is a latent-class model; with as many points as the data support, the
nonparametric maximum likelihood (Kiefer & Wolfowitz 1956). It has no tail: below its smallest point
there is nothing, so its forecasts bend down exponentially where the data end.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lmpower.difficulty.base import (
    NEVER,
    Box,
    Difficulty,
    Parameter,
    Points,
    Search,
    Summary,
    Tail,
    no_points,
)
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import log_sum_exp
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree


@pytree
@dataclasses.dataclass(frozen=True)
class Discrete(Difficulty):
    """P(p = p_j) = weights[j], for p_j in [0, 1]; the weights sum to 1."""

    p: Parameter
    weights: Parameter

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return jnp.shape(self.weights)[:-1]

    @property
    def _cloud(self) -> Points:
        log_p = jnp.where(self.p > 0, jnp.log(jnp.where(self.p > 0, self.p, 1.0)), NEVER)
        log_q = jnp.where(self.p < 1, jnp.log1p(-jnp.where(self.p < 1, self.p, 0.0)), NEVER)
        return Points(log_p, log_q, jnp.log(self.weights))

    @float64_on_host
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log sum_j weight_j p_j^s (1-p_j)^f, elementwise."""
        log_p, log_q, log_weight = self._cloud
        s, f = jnp.asarray(successes)[..., None], jnp.asarray(failures)[..., None]
        direct = log_sum_exp(s * log_p + f * log_q + log_weight)
        fail = jnp.sum(self.weights * jnp.expm1(f * log_q), axis=-1)
        unsolved = (s[..., 0] == 0) & (fail > -0.5)
        return jnp.where(unsolved, jnp.log1p(jnp.where(unsolved, fail, 0.0)), direct)

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log of the weight at or below p."""
        return jnp.log(jnp.sum(jnp.where(self.p <= jnp.asarray(p)[..., None], self.weights, 0), -1))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """The smallest point with at least ``u`` of the weight at or below it."""
        order = jnp.argsort(self.p)
        cumulative = jnp.cumsum(self.weights[order])
        rank = jnp.searchsorted(cumulative, jnp.asarray(u) - 1e-12)
        return self.p[order][jnp.minimum(rank, self.p.size - 1)]

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """A point drawn by its weight; -inf for a point at 0."""
        return jnp.log(self.p)[jax.random.categorical(key, jnp.log(self.weights), shape=shape)]

    @float64_on_host
    def tail(self) -> Tail:
        """No power law; a point at 0 leaves a floor."""
        nothing = jnp.full((), jnp.nan, jnp.result_type(self.weights))
        never = jnp.sum(jnp.where(self.p == 0, self.weights, 0.0))
        return Tail(nothing, nothing, -jnp.log1p(-never))

    def inside(self, nodes: Nodes) -> Points:
        """None."""
        return no_points(self.weights)

    def outside(self, grid: Grid) -> list[Points]:
        """Itself."""
        return [self._cloud]

    def to_search(self) -> Float[Array, " D"]:
        logits = jnp.log(self.weights[1:]) - jnp.log(self.weights[0])
        return jnp.concatenate([jnp.log(self.p) - jnp.log1p(-self.p), logits])

    def from_search(self, theta: Search) -> Self:
        size = (len(theta) + 1) // 2
        weights = jax.nn.softmax(jnp.stack([jnp.zeros_like(theta[0]), *theta[size:]]))
        return type(self)(p=jax.nn.sigmoid(jnp.stack([*theta[:size]])), weights=weights)

    @property
    def box(self) -> Box:
        size = len(self.p)
        points = tuple(f"logit_p_{j}" for j in range(size))
        logits = tuple(f"logit_weight_{j}" for j in range(1, size))
        reach = math.log(1e9)
        return Box(
            (-reach,) * size + (-12.0,) * (size - 1),
            (reach,) * size + (12.0,) * (size - 1),
            points + logits,
        )

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # points spread evenly in log p between the rarest and the easiest problem
        size = len(self.p)
        tries = []
        for rarest in (1e-2, 1e-4):
            high = jnp.log(jnp.clip(summary.largest, 1e-6, 1 - 1e-6))
            log_p = high + math.log(rarest) * jnp.linspace(1.0, 0.0, size, dtype=high.dtype)
            logits = log_p - jnp.log1p(-jnp.exp(log_p))
            tries.append(jnp.concatenate([logits, jnp.zeros(size - 1, logits.dtype)]))
        return jnp.stack(tries)
