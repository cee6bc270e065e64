"""A mixture of laws: problems of several kinds, told apart by nothing but their counts."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Difficulty, Parameter, Points, Search, Summary, Tail, gathered
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import log_sum_exp
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree

# e^12: a component with a weight below 6e-6 is no component of any data set we know
_MAX_LOGIT = math.log(1.6e5)


@pytree
@dataclasses.dataclass(frozen=True)
class Mixture(Difficulty):
    """A problem is from component j with probability ``weights[j]``; the weights sum to 1."""

    components: tuple[Difficulty, ...]
    weights: Parameter

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return jnp.shape(self.weights)[:-1]

    @float64_on_host
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log sum_j weight_j E_j[p^s (1-p)^f]."""
        each = jnp.stack([part.log_moment(successes, failures) for part in self.components], -1)
        near_one = jnp.all(each > -0.7, axis=-1)
        complement = jnp.sum(self.weights * jnp.expm1(jnp.minimum(each, 0)), axis=-1)
        return jnp.where(
            near_one,
            jnp.log1p(jnp.where(near_one, complement, -0.5)),
            log_sum_exp(each + jnp.log(self.weights)),
        )

    @float64_on_host
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log sum_j weight_j F_j(p)."""
        each = jnp.stack([part.log_cdf(p) for part in self.components], -1)
        return log_sum_exp(each + jnp.log(self.weights))

    @float64_on_host
    def icdf(self, u: Array) -> Float[Array, ...]:
        """Between the smallest and the largest of the components' quantiles, by bisection."""
        each = jnp.stack([part.icdf(u) for part in self.components], -1)
        # halving in log p reaches the last digit of any float64 in 70 steps
        least, tiny = jnp.min(each, -1), jnp.finfo(each.dtype).tiny
        low, high = jnp.log(jnp.maximum(least, tiny)), jnp.log(jnp.maximum(jnp.max(each, -1), tiny))

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (ends[0] + ends[1])
            below = self.log_cdf(jnp.exp(middle)) < jnp.log(u)
            return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

        low, high = jax.lax.fori_loop(0, 70, halve, (low, high))
        # the smallest itself where an atom holds the share, as at p = 0
        return jnp.where(self.log_cdf(least) >= jnp.log(u), least, jnp.exp(0.5 * (low + high)))

    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """A component by its weight, then a draw of it."""
        which, what = jax.random.split(key)
        chosen = jax.random.categorical(which, jnp.log(self.weights), shape=shape)
        keys = jax.random.split(what, len(self.components))
        draws = [part.sample_log_p(k, shape) for part, k in zip(self.components, keys, strict=True)]
        return jnp.take_along_axis(jnp.stack(draws), chosen[None], axis=0)[0]

    @float64_on_host
    def tail(self) -> Tail:
        """The component with the smallest exponent outlasts the others.

        With pass_j = S_j (1 - A_j k^-a_j), S_j the share that can be solved at all, and S the mean of
        the S_j, pass = S (1 - sum_j weight_j S_j A_j k^-a_j / S).
        """
        tails = [part.tail() for part in self.components]
        exponents = jnp.stack([tail.exponent for tail in tails])
        # a component without a power law falls faster than any: it counts as exponent infinity
        decay = jnp.where(jnp.isnan(exponents), jnp.inf, exponents)
        slowest = jnp.min(decay)
        log_share = jnp.log(self.weights) - jnp.stack([tail.floor for tail in tails])
        log_solvable = log_sum_exp(log_share)
        log_parts = jnp.stack([tail.log_prefactor for tail in tails]) + log_share - log_solvable
        prefactor = log_sum_exp(jnp.where(decay == slowest, log_parts, -jnp.inf))
        none = jnp.isinf(slowest)
        return Tail(
            exponent=jnp.where(none, jnp.nan, slowest),
            log_prefactor=jnp.where(none, jnp.nan, prefactor),
            floor=-log_solvable,
        )

    @property
    def needs_span(self) -> bool:
        return any(part.needs_span for part in self.components)

    def inside(self, nodes: Nodes) -> Points:
        """All components' points, each with its weight."""
        return gathered(self._weighted(lambda part: [part.inside(nodes)]))

    def outside(self, grid: Grid) -> list[Points]:
        """All components' points, each with its weight."""
        return self._weighted(lambda part: part.outside(grid))

    def _weighted(self, clouds: Callable[[Difficulty], list[Points]]) -> list[Points]:
        return [
            cloud._replace(log_weight=cloud.log_weight + jnp.log(weight))
            for part, weight in zip(self.components, self.weights, strict=True)
            for cloud in clouds(part)
        ]

    def to_search(self) -> Float[Array, " D"]:
        logits = jnp.log(self.weights[1:]) - jnp.log(self.weights[0])
        return jnp.concatenate([*(part.to_search() for part in self.components), logits])

    def from_search(self, theta: Search) -> Self:
        cuts = np.cumsum([0, *(len(part.box.names) for part in self.components)])
        components = tuple(
            part.from_search(theta[low:high])
            for part, (low, high) in zip(self.components, itertools.pairwise(cuts), strict=True)
        )
        weights = jax.nn.softmax(jnp.stack([jnp.zeros_like(theta[0]), *theta[cuts[-1] :]]))
        return type(self)(components=components, weights=weights)

    @property
    def box(self) -> Box:
        total = Box((), (), ())
        for j, part in enumerate(self.components):
            box = part.box
            total += box._replace(names=tuple(f"{name}_{j}" for name in box.names))
        free = len(self.components) - 1
        names = tuple(f"logit_weight_{j + 1}" for j in range(free))
        return total + Box((-_MAX_LOGIT,) * free, (_MAX_LOGIT,) * free, names)

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        # components spread around the mean: half a decade up and down, in either order
        size = len(self.components)
        tries = []
        for direction in (1.0, -1.0):
            parts = []
            for j, part in enumerate(self.components):
                shift = 10.0 ** (direction * (j - (size - 1) / 2))
                mean = jnp.clip(summary.mean * shift, 1e-9, 0.95)
                parts.append(part.starts(summary._replace(mean=mean))[0])
            tries.append(jnp.concatenate([*parts, jnp.zeros(size - 1, parts[0].dtype)]))
        return jnp.stack(tries)
