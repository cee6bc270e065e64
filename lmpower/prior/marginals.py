"""The prior laws of single parameters, each a rising map from a standard normal."""

from __future__ import annotations

import abc
import dataclasses

import jax.numpy as jnp
from jax.scipy.special import log_ndtr, ndtri
from jaxtyping import Array, Float

from lmpower.difficulty.base import Parameter
from lmpower.numerics.integrals import log1mexp
from lmpower.numerics.pytree import pytree


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
