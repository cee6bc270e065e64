"""Difficulties, and counts drawn under them, as NumPyro distributions for models of your own.

    p ~ ScaledBeta(a, b, c)                     one problem's chance of success, 0 < p < c
    s ~ ScaledBetaBinomial(a, b, c, n)          its successes in n attempts, p integrated out

and the same for Kumaraswamy's law. NumPyro's own ``BetaBinomial`` and ``Kumaraswamy`` do for c = 1
and moderate parameters; these hold to the last digits down to a tail exponent (a) of .001, because
both density and sampling stay in log p. Nothing else in this library imports this file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from numpyro.distributions import BinomialProbs, Distribution, constraints
from numpyro.distributions.util import promote_shapes, validate_sample

from lmpower.difficulty.beta import Beta
from lmpower.difficulty.continuous import Continuous
from lmpower.difficulty.kumaraswamy import Kumaraswamy
from lmpower.difficulty.scaled import Scaled
from lmpower.numerics.integrals import log_beta, log_rising

_CONSTRAINTS = {
    "concentration1": constraints.positive,
    "concentration0": constraints.positive,
    # (0, 1]; NumPyro has no half-open interval
    "scale": constraints.unit_interval,
}


class _OfDifficulty(Distribution):  # type: ignore[misc]  # numpyro is untyped here
    """What chances and counts share: three parameters, and the law they stand for."""

    _law: type[Beta] | type[Kumaraswamy]
    concentration1: Array
    concentration0: Array
    scale: Array

    @property
    def _parameters(self) -> tuple[Array, Array, Array]:
        parameters = self.concentration1, self.concentration0, self.scale
        dtype = jnp.result_type(*parameters, float)
        alpha, beta, c = (jnp.asarray(x, dtype) for x in parameters)
        return alpha, beta, c

    def _mapped(self, function: Callable[..., Array], *values: ArrayLike) -> Array:
        """``function(difficulty, *values)`` over the broadcast shape of parameters and values.

        Compiled once for each ``function``, so let it be a named one.
        """
        a, b, c = self._parameters
        unscaled = not isinstance(self.scale, jax.core.Tracer) and bool(np.all(self.scale == 1))
        values = tuple(jnp.asarray(value, a.dtype) for value in values)
        found = _over_parameters(function, self._law, unscaled, a, b, c, *values)
        shapes = (jnp.shape(x) for x in (a, b, c, *values))
        return jnp.broadcast_to(found, jnp.broadcast_shapes(*shapes, self.batch_shape))

    def sample_log_p(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draws of log p: below exp(-88) in float32, and exp(-708) in float64, p itself is 0."""
        a, b, c = self._parameters
        shape = sample_shape + self.batch_shape
        base = self._law(jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape))
        return jnp.log(c) + base.sample_log_p(key, shape).astype(a.dtype)

    def _raw_moment(self, order: int) -> Array:
        """E[p^order] = c^order E[x^order]."""
        c = self._parameters[2]
        return c**order * self._mapped(_moment_of_x, order)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _over_parameters(
    function: Callable[..., Array],
    law: type[Beta] | type[Kumaraswamy],
    unscaled: bool,
    a: Array,
    b: Array,
    c: Array,
    *values: Array,
) -> Array:
    def each(a: Array, b: Array, c: Array, *values: Array) -> Array:
        base = law(a, b)
        return function(base if unscaled else Scaled(base, c), *values)

    if a.size == b.size == c.size == 1:
        return each(a.reshape(()), b.reshape(()), c.reshape(()), *values)
    shape = jnp.broadcast_shapes(*(x.shape for x in (a, b, c, *values)))
    flat = (jnp.broadcast_to(x, shape).reshape(-1) for x in (a, b, c, *values))
    return jax.vmap(each)(*flat).reshape(shape)


def _log_mass(law: Continuous, s: Array, f: Array) -> Array:
    """log C(n, s) + log E[p^s (1-p)^f], n = s + f, with C(n, s) = 1 / ((n+1) B(s+1, f+1)).

    In float32 either carries an error of 1e-7 of its size, up to .7 n. For Beta's law they combine
    to C(n, s) B(a+s, b+f)/B(a, b) = G(s, a) G(f, b)/G(n, a+b), with terms of size log n.
    """
    if isinstance(law, Beta):
        a, b = law.alpha, law.beta
        return _log_negative_binomial(s, a) + (
            _log_negative_binomial(f, b) - _log_negative_binomial(s + f, a + b)
        )
    return law.log_moment(s, f) - jnp.log1p(s + f) - log_beta(s + 1, f + 1)


def _log_negative_binomial(s: Array, a: Array) -> Array:
    """log G(s, a), G(s, a) = Gamma(s + a) / (Gamma(a) s!)."""
    return log_rising(s + 1, a) - jnp.log(s + a) - jax.lax.lgamma(a)


def _moment_of_x(law: Continuous, order: Array) -> Array:
    base = law.base if isinstance(law, Scaled) else law
    return jnp.exp(base.log_moment(order, jnp.zeros_like(order)))


def _log_density(law: Continuous, p: Array) -> Array:
    # kept inside of the support, where the density is finite
    limits = _limits(p)
    log_x = jnp.log(jnp.maximum(p, limits.tiny)) - law.log_scale
    log_x = jnp.minimum(log_x, -limits.epsneg)
    log_y = jnp.log1p(-jnp.exp(log_x))
    return law.log_density(log_x, log_y) - log_x - log_y - law.log_scale


def _cdf(law: Continuous, p: Array) -> Array:
    return law.cdf(p)


def _icdf(law: Continuous, u: Array) -> Array:
    return law.icdf(u)


def _limits(like: Array) -> Any:
    return jnp.finfo(like.dtype)


class _Chance(_OfDifficulty):
    """p = scale * x."""

    arg_constraints = _CONSTRAINTS
    reparametrized_params = ("concentration1", "concentration0", "scale")

    def __init__(
        self,
        concentration1: ArrayLike,
        concentration0: ArrayLike,
        scale: ArrayLike = 1.0,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Shapes alpha and beta of the law of x, and the scale c."""
        given = concentration1, concentration0, scale
        self.concentration1, self.concentration0, self.scale = promote_shapes(*given)
        shape = jnp.broadcast_shapes(*map(jnp.shape, given))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)  # type: ignore[untyped-decorator]  # numpyro's
    def support(self) -> constraints.Constraint:
        """[0, scale]."""
        return constraints.interval(0.0, self.scale)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Float[Array, ...]:
        """Draws of p; those below the smallest positive float are returned as that."""
        log_p = self.sample_log_p(key, sample_shape)
        return jnp.clip(jnp.exp(log_p), _limits(log_p).tiny, self.scale)

    @validate_sample  # type: ignore[untyped-decorator]  # numpyro's
    def log_prob(self, value: ArrayLike) -> Float[Array, ...]:
        """log f(p): the density of logit x, times dw/dp = 1 / (c x (1 - x))."""
        return self._mapped(_log_density, value)

    def cdf(self, value: ArrayLike) -> Float[Array, ...]:
        """F(p)."""
        return self._mapped(_cdf, value)

    def icdf(self, q: ArrayLike) -> Float[Array, ...]:
        """F^-1(q)."""
        return self._mapped(_icdf, q)

    @property
    def mean(self) -> Float[Array, ...]:
        """E[p]."""
        return self._raw_moment(1)

    @property
    def variance(self) -> Float[Array, ...]:
        """E[p^2] - E[p]^2."""
        return self._raw_moment(2) - self._raw_moment(1) ** 2


class ScaledBeta(_Chance):
    """p = scale * x, x ~ Beta(concentration1, concentration0)."""

    _law = Beta


class ScaledKumaraswamy(_Chance):
    """p = scale * x, P(x < t) = 1 - (1 - t^concentration1)^concentration0."""

    _law = Kumaraswamy


class _Successes(_OfDifficulty):
    """s ~ Binomial(total_count, p), p = scale * x integrated out."""

    arg_constraints = _CONSTRAINTS | {"total_count": constraints.nonnegative_integer}
    has_enumerate_support = True
    enumerate_support = BinomialProbs.enumerate_support

    def __init__(
        self,
        concentration1: ArrayLike,
        concentration0: ArrayLike,
        scale: ArrayLike = 1.0,
        total_count: ArrayLike = 1,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Shapes alpha and beta of the law of x, the scale c, and the attempts n."""
        given = concentration1, concentration0, scale, total_count
        promoted = promote_shapes(*given)
        self.concentration1, self.concentration0, self.scale, self.total_count = promoted
        shape = jnp.broadcast_shapes(*map(jnp.shape, given))
        super().__init__(batch_shape=shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)  # type: ignore[untyped-decorator]  # numpyro's
    def support(self) -> constraints.Constraint:
        """0, 1, ..., total_count."""
        return constraints.integer_interval(0, self.total_count)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> Int[Array, ...]:
        """Draws of s: of log p first, then of s given p."""
        which, outcome = jax.random.split(key)
        p = jnp.exp(self.sample_log_p(which, sample_shape))
        successes = jax.random.binomial(outcome, self.total_count, p, dtype=p.dtype)
        return successes.astype(jnp.result_type(int))

    @validate_sample  # type: ignore[untyped-decorator]  # numpyro's
    def log_prob(self, value: ArrayLike) -> Float[Array, ...]:
        """log C(n, s) + log E[p^s (1-p)^(n-s)]."""
        dtype = self._parameters[0].dtype
        s, n = jnp.asarray(value, dtype), jnp.asarray(self.total_count, dtype)
        # what lies outside of the support is for validation to say, and must not spoil gradients
        s = jnp.clip(s, 0, n)
        return self._mapped(_log_mass, s, n - s)

    @property
    def mean(self) -> Float[Array, ...]:
        """n E[p]."""
        return jnp.asarray(self.total_count * self._raw_moment(1))

    @property
    def variance(self) -> Float[Array, ...]:
        """E[n p (1 - p)] + n^2 Var p."""
        n, first, second = self.total_count, self._raw_moment(1), self._raw_moment(2)
        return jnp.asarray(n * (first - second) + n**2 * (second - first**2))


class ScaledBetaBinomial(_Successes):
    """s ~ Binomial(total_count, scale * x), x ~ Beta(concentration1, concentration0)."""

    _law = Beta


class ScaledKumaraswamyBinomial(_Successes):
    """s ~ Binomial(total_count, scale * x), x ~ Kumaraswamy(concentration1, concentration0)."""

    _law = Kumaraswamy
