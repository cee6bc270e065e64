"""Difficulties made of difficulties: scaled to (0, c), with unsolvable problems, or mixed.

A composition of difficulties is a difficulty, so every fit and forecast takes it as it is.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.difficulty.base import NEVER, Box, Difficulty, Parameter, Points, Search, Summary, Tail, in_box
from lmpower.difficulty.continuous import Continuous
from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.integrals import log_sum_exp
from lmpower.numerics.precision import float64_on_host
from lmpower.numerics.pytree import pytree

# the smallest share of unsolvable problems a fit looks at: it costs no data set 1e-6 nats against 0
_LEAST_SHARE = 1e-9
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
        base = self.base.inside(nodes)
        return base._replace(log_weight=base.log_weight + jnp.log1p(-self.pi0))

    def outside(self, grid: Grid) -> Points:
        """The base's points and one at p = 0."""
        base = self.base.outside(grid)
        return Points(
            jnp.append(base.log_p, NEVER),
            jnp.append(base.log_q, 0.0),
            jnp.append(base.log_weight + jnp.log1p(-self.pi0), jnp.log(self.pi0)),
        )

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
        low = jnp.log(jnp.maximum(jnp.min(each, -1), 1e-300))
        high = jnp.log(jnp.maximum(jnp.max(each, -1), 1e-300))

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (ends[0] + ends[1])
            below = self.log_cdf(jnp.exp(middle)) < jnp.log(u)
            return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

        low, high = jax.lax.fori_loop(0, 70, halve, (low, high))
        return jnp.exp(0.5 * (low + high))

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
        return self._weighted([part.inside(nodes) for part in self.components])

    def outside(self, grid: Grid) -> Points:
        """All components' points, each with its weight."""
        return self._weighted([part.outside(grid) for part in self.components])

    def _weighted(self, clouds: list[Points]) -> Points:
        weighted = [
            cloud._replace(log_weight=cloud.log_weight + jnp.log(weight))
            for cloud, weight in zip(clouds, self.weights, strict=True)
        ]
        return Points(*(jnp.concatenate(part) for part in zip(*weighted, strict=True)))

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


# e^12: a component with a weight below 6e-6 is no component of any data set we know
_MAX_LOGIT = math.log(1.6e5)
