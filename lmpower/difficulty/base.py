"""A difficulty is the law F of p, the chance that one attempt solves one problem, across problems.

One integral is all that anything else asks of it:

    log_moment(s, f) = log E_F[p^s (1-p)^f].

The likelihood of s successes in n attempts is log C(n, s) + log_moment(s, n-s); pass@k is
-expm1(log_moment(0, k)); the power law of pass@k is log_moment(0, k) as k grows, fixed by F near 0.

A law with a density needs to give that alone (``continuous.py``). A difficulty is a JAX pytree whose
leaves are its parameters: a batch of difficulties (posterior draws, bootstrap replicates, datasets) is
the same pytree with a leading axis, to be mapped over by ``jax.vmap``.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lmpower.numerics.grid import Grid, Nodes
from lmpower.numerics.precision import float64_on_host

# log p of what is never solved: p^s vanishes for s > 0 and is 1 for s = 0, without 0 * inf.
NEVER = -1e30
# A law's parameter: a Python number, a NumPy or a JAX array; [B] in a batch. (Spelled Any because no
# type of NumPy's or JAX's admits all of these in arithmetic.)
Parameter: TypeAlias = Any


# D search coordinates, as an array or one by one.
Search: TypeAlias = Float[Array, " D"] | Sequence[Array]


class Tail(NamedTuple):
    """The power law at large k: -log pass@k ~ exp(log_prefactor) k^-exponent.

    It holds for the share of problems that can be solved at all; an atom of mass ``pi0`` at p = 0
    adds the floor -log(1 - pi0) under it. ``exponent`` is nan where there is no power-law tail.
    """

    exponent: Float[Array, ...]
    log_prefactor: Float[Array, ...]
    floor: Float[Array, ...]


class Points(NamedTuple):
    """A difficulty as a weighted cloud of points: E_F[p^s (1-p)^f] = sum_j w_j p_j^s (1-p_j)^f."""

    log_p: Float[Array, " J"]
    log_q: Float[Array, " J"]
    log_weight: Float[Array, " J"]


def gathered(clouds: Sequence[Points]) -> Points:
    """One cloud of several, of which some may be single points."""
    parts = zip(*clouds, strict=True)
    return Points(*(jnp.concatenate([jnp.atleast_1d(each) for each in part]) for part in parts))


def no_points(like: Array) -> Points:
    """None, of the dtype of ``like``."""
    nothing = jnp.zeros(0, jnp.result_type(like))
    return Points(nothing, nothing, nothing)


class Summary(NamedTuple):
    """What counts show at a glance: enough to start a fit from."""

    mean: Float[Array, ""]  # of s/n
    largest: Float[Array, ""]  # s/n
    unsolved: Float[Array, ""]  # share of problems


class Box(NamedTuple):
    """Bounds of the search coordinates, and the names of the parameters behind them."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    names: tuple[str, ...]

    def __add__(self, other: Box) -> Box:  # type: ignore[override]  # boxes side by side, not tuples
        return Box(self.lower + other.lower, self.upper + other.upper, self.names + other.names)


def in_box(**bounds: tuple[float, float]) -> Box:
    """A box whose search coordinates are the logs of positive parameters."""
    return Box(
        lower=tuple(math.log(low) for low, _ in bounds.values()),
        upper=tuple(math.log(high) for _, high in bounds.values()),
        names=tuple(bounds),
    )


class Family(Protocol):
    """Laws of one kind, each at its search coordinates: all that a search among them needs to know."""

    @property
    def box(self) -> Box: ...

    @property
    def needs_span(self) -> bool: ...

    def from_search(self, theta: Search) -> Difficulty: ...

    def starts(self, summary: Summary) -> Float[Array, "S D"]: ...


class Difficulty(abc.ABC):
    """The law of single-attempt success chances across problems."""

    # from how many of its starting points, the most probable first, a fit climbs unless told otherwise
    climbs: ClassVar[int] = 3

    # --- what a family must give ---

    @abc.abstractmethod
    def log_moment(self, successes: Array, failures: Array) -> Float[Array, ...]:
        """log E_F[p^s (1-p)^f], elementwise; both >= 0 and real."""

    @abc.abstractmethod
    def log_cdf(self, p: Array) -> Float[Array, ...]:
        """log F(p), elementwise, for p in [0, 1], with relative accuracy also far down the tail."""

    @abc.abstractmethod
    def icdf(self, u: Array) -> Float[Array, ...]:
        """The p below which a share ``u`` of problems lies."""

    @abc.abstractmethod
    def sample_log_p(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """Draws of log p; in the log, because most problems may lie below the smallest float."""

    @abc.abstractmethod
    def tail(self) -> Tail:
        """Exponent and log prefactor of the power law of -log pass@k, or nan where there is none."""

    @abc.abstractmethod
    def inside(self, nodes: Nodes) -> Points:
        """The law at a grid's nodes, or at any of them; no points for a law that needs no nodes."""

    @abc.abstractmethod
    def outside(self, grid: Grid) -> list[Points]:
        """What of the law lies beyond the grid's ends, and its atoms: single points, or clouds of them."""

    @abc.abstractmethod
    def to_search(self) -> Float[Array, " D"]:
        """The parameters as a vector of search coordinates (logs, logits)."""

    @abc.abstractmethod
    def from_search(self, theta: Search) -> Self:
        """The same kind of difficulty with parameters read from D search coordinates."""

    @property
    @abc.abstractmethod
    def box(self) -> Box:
        """Bounds and names of the search coordinates."""

    @abc.abstractmethod
    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        """Search coordinates worth starting a fit from, for counts that look like ``summary``."""

    # --- what follows from it ---

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """() for one difficulty, (B,) for a batch of them."""
        return jnp.shape(jax.tree.leaves(self)[-1])

    @property
    def needs_span(self) -> bool:
        """Whether the law, or a part of it, lies on a grid's span."""
        return False

    def points(self, grid: Grid) -> Points:
        """The law as points that serve every kernel within the grid's reach at once."""
        return gathered([*self.outside(grid), self.inside(grid.nodes)])

    def parameters(self) -> dict[str, Array]:
        """The parameters by name, the outermost last: {"alpha": .., "beta": .., "c": ..}."""
        found: dict[str, Array] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # families are dataclasses
            value = getattr(self, field.name)
            if isinstance(value, Difficulty):
                found |= value.parameters()
            elif isinstance(value, tuple):
                for j, part in enumerate(value):
                    found |= {f"{name}_{j}": each for name, each in part.parameters().items()}
            else:
                found[field.name] = value
        return found

    @float64_on_host
    def pass_at_k(self, k: Array) -> Float[Array, ...]:
        """1 - E_F[(1-p)^k]: the chance that at least one of k attempts at a random problem succeeds."""
        return -jnp.expm1(self.log_moment(jnp.zeros_like(k), k))

    @float64_on_host
    def cdf(self, p: Array) -> Float[Array, ...]:
        """F(p): 0 below 0, and 1 above 1."""
        # (a place where every derivative is finite stands in for one beyond)
        within = (p >= 0) & (p <= 1)
        share = jnp.exp(self.log_cdf(jnp.where(within, p, 0.5)))
        return jnp.where(within, share, jnp.clip(p, 0.0, 1.0))

    @float64_on_host
    def mean(self) -> Float[Array, ""]:
        """E[p], which is pass@1."""
        return jnp.exp(self.log_moment(*jnp.asarray([1.0, 0.0])))


def over_batch(function: Callable[..., Any], difficulty: Difficulty, *args: Any) -> Any:
    """``function(difficulty, *args)`` in float64, mapped over the difficulty's batch axis if it has one.

    Arguments are shared by the whole batch; ``function`` is compiled once, so let it be a named one.
    Results are NumPy, with the batch axis first.
    """
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (difficulty, *args))
        return jax.tree.map(np.asarray, _mapped(function, bool(difficulty.batch_shape))(*arrays))


def tail_exponent(difficulty: Difficulty) -> Float[Array, ""]:
    """b of -log pass@k ~ a k^-b, nan where there is none: what `over_batch` is often asked for."""
    return difficulty.tail().exponent


@functools.lru_cache(maxsize=256)
def _mapped(function: Callable[..., Any], batched: bool) -> Callable[..., Any]:
    def each(difficulty: Difficulty, *args: Any) -> Any:
        if not batched:
            return function(difficulty, *args)
        return jax.vmap(function, in_axes=(0, *(None for _ in args)))(difficulty, *args)

    return jax.jit(each)
