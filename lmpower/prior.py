"""What is believed of a difficulty before any counts: one law for each search coordinate.

A prior is a map from independent standard normals u to a family's search coordinates,

    theta_d = t_d(u_d),    u ~ N(0, I),

so that in u every family's prior is the same and a posterior is N(0, I) times the likelihood. Samplers,
importance weights and groups that share their parameters work in u and never see a family. `Whitened`
is the family in those coordinates, with which everything that fits it in its own works as it is.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, ndtri
from jaxtyping import Array, Float

from lmpower.difficulty.base import Box, Difficulty, Parameter, Search, Summary
from lmpower.difficulty.beta import Beta
from lmpower.difficulty.compose import Mixture, ZeroInflated
from lmpower.difficulty.named import family_given
from lmpower.numerics.integrals import log1mexp
from lmpower.numerics.pytree import pytree

# u is looked at within (-FAR, FAR), outside of which lies 1e-15 of the prior.
FAR = 8.0


class Marginal(abc.ABC):
    """The prior law of one parameter, as a rising map from a standard normal u."""

    @abc.abstractmethod
    def parameter(self, u: Array) -> Float[Array, ...]:
        """The parameter itself."""

    @abc.abstractmethod
    def log_parameter(self, u: Array) -> Float[Array, ...]:
        """Its log, with relative accuracy where it is tiny; nan for one that may be negative."""

    @abc.abstractmethod
    def normal(self, parameter: Array) -> Float[Array, ...]:
        """The u of a parameter: the inverse map."""

    @abc.abstractmethod
    def words(self) -> str:
        """The law in words."""


@pytree
@dataclasses.dataclass(frozen=True)
class LogNormal(Marginal):
    """A positive parameter: its log is normal, two thirds lie within a factor of the median."""

    median: Parameter
    factor: Parameter

    def parameter(self, u: Array) -> Float[Array, ...]:
        return jnp.exp(self.log_parameter(u))

    def log_parameter(self, u: Array) -> Float[Array, ...]:
        return jnp.log(self.median) + jnp.log(self.factor) * u

    def normal(self, parameter: Array) -> Float[Array, ...]:
        return (jnp.log(parameter) - jnp.log(self.median)) / jnp.log(self.factor)

    def words(self) -> str:
        return f"log-normal, median {float(self.median):g}, a factor {float(self.factor):g} either way"


@pytree
@dataclasses.dataclass(frozen=True)
class Share(Marginal):
    """A parameter in (0, 1) with P(share > x) = (1 - x^rise)^fall, Kumaraswamy's law.

    Beta(rise, 1) for fall = 1, Beta(1, fall) for rise = 1.
    """

    rise: Parameter
    fall: Parameter

    def parameter(self, u: Array) -> Float[Array, ...]:
        return jnp.exp(self.log_parameter(u))

    def log_parameter(self, u: Array) -> Float[Array, ...]:
        # 1 - x^rise = P(U > u)^(1/fall); log_ndtr keeps its digits below 0 only
        low = u < 0
        above = jnp.where(low, log1mexp(log_ndtr(jnp.where(low, u, -1.0))), log_ndtr(-u))
        return log1mexp(above / self.fall) / self.rise

    def normal(self, parameter: Array) -> Float[Array, ...]:
        log_x = jnp.log(parameter) * self.rise
        above = jnp.exp(self.fall * log1mexp(log_x))
        below = -jnp.expm1(self.fall * log1mexp(log_x))
        return jnp.where(above < 0.5, -ndtri(above), ndtri(below))

    def words(self) -> str:
        return f"Kumaraswamy({float(self.rise):g}, {float(self.fall):g}) on (0, 1)"


@pytree
@dataclasses.dataclass(frozen=True)
class Normal(Marginal):
    """A parameter anywhere on the line."""

    mean: Parameter
    sd: Parameter

    def parameter(self, u: Array) -> Float[Array, ...]:
        return self.mean + self.sd * u

    def log_parameter(self, u: Array) -> Float[Array, ...]:
        return jnp.full_like(u, jnp.nan)

    def normal(self, parameter: Array) -> Float[Array, ...]:
        return (parameter - self.mean) / self.sd

    def words(self) -> str:
        return f"normal, mean {float(self.mean):g}, standard deviation {float(self.sd):g}"


@pytree
@dataclasses.dataclass(frozen=True)
class SinhNormal(Marginal):
    """Of either sign and many sizes: ``scale`` times the sinh of a normal."""

    scale: Parameter
    mean: Parameter
    sd: Parameter

    def parameter(self, u: Array) -> Float[Array, ...]:
        return self.scale * jnp.sinh(self.mean + self.sd * u)

    def log_parameter(self, u: Array) -> Float[Array, ...]:
        return jnp.full_like(u, jnp.nan)

    def normal(self, parameter: Array) -> Float[Array, ...]:
        return (jnp.arcsinh(parameter / self.scale) - self.mean) / self.sd

    def words(self) -> str:
        mean, sd = float(self.mean), float(self.sd)
        return f"{float(self.scale):g} sinh of a normal, mean {mean:g}, standard deviation {sd:g}"


# The default law of each coordinate, by its name without a number; docs/posteriors.md has the reasons.
_DEFAULTS: dict[str, Marginal] = {
    "alpha": LogNormal(np.float64(0.3), np.float64(2.5)),
    "beta": LogNormal(np.float64(4.0), np.float64(3.0)),
    "c": Share(np.float64(0.5), np.float64(1.0)),
    "high": Share(np.float64(0.5), np.float64(1.0)),
    "pi0": Share(np.float64(1.0), np.float64(4.0)),
    "log_range": LogNormal(np.float64(6.0), np.float64(1.8)),
    "logit_lam": SinhNormal(np.float64(2.0), np.float64(-1.5), np.float64(1.5)),
    "p": Normal(np.float64(-4.0), np.float64(3.0)),
    "logit_weight": Normal(np.float64(0.0), np.float64(1.5)),
}
# An unscaled Beta law has nothing but beta to set its level with: a pass@1 of .0005 must be possible.
_BETA_ALONE = LogNormal(np.float64(20.0), np.float64(6.0))
# Coordinates that are searched as they are; all others are the logs of positive parameters.
_AS_THEY_ARE = ("pi0", "logit_lam", "p", "logit_weight")


@pytree
@dataclasses.dataclass(frozen=True)
class Prior:
    """Independent laws of a family's parameters.

    Attributes:
        marginals: one for each search coordinate.
        names: of the search coordinates, as in ``family.box.names``.
    """

    marginals: tuple[Marginal, ...]
    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})

    def search(self, u: Search) -> list[Array]:
        """Search coordinates of D normals, one by one."""
        return [
            marginal.parameter(each) if _kind(name) in _AS_THEY_ARE else marginal.log_parameter(each)
            for name, marginal, each in zip(self.names, self.marginals, u, strict=True)
        ]

    def normal(self, theta: Search) -> Float[Array, " D"]:
        """Normals of search coordinates, within (-FAR, FAR)."""
        u = [
            marginal.normal(each if _kind(name) in _AS_THEY_ARE else jnp.exp(each))
            for name, marginal, each in zip(self.names, self.marginals, theta, strict=True)
        ]
        return jnp.clip(jnp.stack(u), -FAR, FAR)

    def replace(self, **marginals: Marginal) -> Prior:
        """Another law for some parameters, by the names of their search coordinates.

        Raises:
            ValueError: for a name that the family does not have, or a law that its parameter cannot have.
        """
        for name, marginal in marginals.items():
            if name not in self.names:
                raise ValueError(f"the family has no {name!r}: it has {', '.join(self.names)}")
            if not isinstance(marginal, Marginal):
                raise ValueError(f"the prior of {name} must be a Marginal, not {marginal!r}")
            _check(name, marginal)
        kept = dict(zip(self.names, self.marginals, strict=True)) | marginals
        return Prior(tuple(kept.values()), self.names)

    def summary(self) -> str:
        """One line a parameter."""
        pairs = zip(self.names, self.marginals, strict=True)
        return "\n".join(f"{name}: {marginal.words()}" for name, marginal in pairs)


def _kind(name: str) -> str:
    """A coordinate's name without its number: p_0 is a p, alpha_1 an alpha."""
    head, _, number = name.rpartition("_")
    return _kind(head) if head and number.isdigit() else name


def _check(name: str, marginal: Marginal) -> None:
    """Refuse a law that its coordinate cannot have, or that is no law."""
    if _kind(name) not in _AS_THEY_ARE and isinstance(marginal, Normal | SinhNormal):
        raise ValueError(
            f"the prior of {name} must be of a positive parameter (LogNormal, Share), not {marginal!r}"
        )
    with jax.enable_x64(True), np.errstate(all="ignore"):
        places = np.asarray(Prior((marginal,), (name,)).search([jnp.array([-3.0, 0.0, 3.0])])[0])
    if not np.all(np.isfinite(places)) or not np.all(np.diff(places) > 0):
        raise ValueError(f"the prior of {name} must rise with u and be finite; got {marginal!r}")


def default_prior(family: str | Difficulty) -> Prior:
    """The prior that `sample_posterior` takes unless given another.

    Raises:
        ValueError: for an unknown family, or one with a parameter that has no default.
    """
    template = family_given(family)
    names = template.box.names
    for name in names:
        if _kind(name) not in _DEFAULTS:
            raise ValueError(f"there is no default prior for {name!r}: give a Prior of {', '.join(names)}")
    return Prior(tuple(_defaults(template)), names)


def prior_given(prior: Prior | None, family: Difficulty) -> Prior:
    """The prior, or the family's own where there is none.

    Raises:
        ValueError: for a prior of another family.
    """
    if prior is None:
        return default_prior(family)
    if not isinstance(prior, Prior):
        raise ValueError(f"prior must be a Prior (see default_prior), not {prior!r}")
    if prior.names != family.box.names:
        raise ValueError(
            f"the prior is of {', '.join(prior.names)}, and the family has {', '.join(family.box.names)}"
        )
    return prior


def _defaults(family: Difficulty) -> list[Marginal]:
    """In the order of the search coordinates."""
    if isinstance(family, ZeroInflated):
        return [*_defaults(family.base), _DEFAULTS["pi0"]]
    if isinstance(family, Mixture):
        parts = [marginal for part in family.components for marginal in _defaults(part)]
        return parts + [_DEFAULTS["logit_weight"]] * (len(family.components) - 1)
    named = _DEFAULTS | ({"beta": _BETA_ALONE} if isinstance(family, Beta) else {})
    return [named[_kind(name)] for name in family.box.names]


@pytree
@dataclasses.dataclass(frozen=True)
class Whitened:
    """A family whose search coordinates are standard normals a priori."""

    law: Difficulty
    prior: Prior

    @property
    def box(self) -> Box:
        size = len(self.prior.names)
        return Box((-FAR,) * size, (FAR,) * size, self.prior.names)

    @property
    def needs_span(self) -> bool:
        return self.law.needs_span

    def from_search(self, u: Search) -> Difficulty:
        """The family's member at u; held inside of the family's own box."""
        box, theta = self.law.box, self.prior.search(u)
        inside = zip(theta, box.lower, box.upper, strict=True)
        return self.law.from_search([jnp.clip(each, low, high) for each, low, high in inside])

    def starts(self, summary: Summary) -> Float[Array, "S D"]:
        """The family's own, no further out than the prior reaches."""
        starts = jax.vmap(self.prior.normal)(self.law.starts(summary))
        return jnp.clip(starts, -3.0, 3.0)


def sample_prior(
    family: str | Difficulty, draws: int, *, key: jax.Array, prior: Prior | None = None
) -> Difficulty:
    """Difficulties as the prior has them, a batch [draws].

    Raises:
        ValueError: for an unknown family, a prior of another, or fewer than one draw.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    template = family_given(family)
    prior = prior_given(prior, template)
    with jax.enable_x64(True):
        u = jax.random.normal(key, (draws, len(prior.names)), np.float64)
    return laws_at(Whitened(template, prior), np.asarray(u))


def laws_at(family: Whitened, u: Float[np.ndarray, "*B D"]) -> Difficulty:
    """The members at u, a batch [*B] of NumPy float64."""
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), family)
        flat = _laws(arrays, np.reshape(u, (-1, u.shape[-1])))
        return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(*u.shape[:-1], *leaf.shape[1:]), flat)


@jax.jit
def _laws(family: Whitened, u: Float[Array, "B D"]) -> Difficulty:
    return jax.vmap(family.from_search)(u)
