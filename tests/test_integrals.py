"""log Beta and its relatives against mpmath, with derivatives; the quadrature rules on their own."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf

from lmpower.numerics.integrals import (
    gauss_legendre,
    gregory_correction,
    log1mexp,
    log_beta,
    log_beta_ratio,
    log_rising,
    log_sum_exp,
)

# around 1/2, around 8 where the Stirling series of others begins, equal and nearly equal, far apart
SIZES = (1e-3, 0.3, 1.0, 3.5, 7.9999999, 8.0, 8.0000001, 15.5, 1e3, 1e6, 1e9)
PAIRS = [
    *itertools.product(SIZES, SIZES),
    *((a, a * (1 + h)) for a in (0.2, 5.0, 8.0, 400.0) for h in (1e-12, 1e-8, 1e-4)),
]


def exact(function, points) -> np.ndarray:
    """``function`` of mpf numbers at the exact doubles in ``points``, [N, ...] as float64."""
    with mp.workdps(60):
        return np.array(
            [np.vectorize(float, otypes=[float])(function(*map(mpf, point))) for point in points]
        )


def on_points(function, points) -> np.ndarray:
    """The same by lmpower: one compiled call for all the points."""
    with jax.enable_x64(True):
        columns = (jnp.asarray(column) for column in np.array(points, np.float64).T)
        return np.asarray(jax.jit(jax.vmap(function))(*columns))


def hessian(function):
    """Second derivatives in all arguments as one matrix."""
    return lambda *x: jax.hessian(lambda z: function(*z))(jnp.stack(x))


def gradient(function):
    return lambda *x: jax.grad(lambda z: function(*z))(jnp.stack(x))


def mp_log_beta(a, b):
    return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def test_log_beta_is_exact_also_at_equal_arguments_and_around_8():
    truth = exact(mp_log_beta, PAIRS)
    error = np.abs(on_points(log_beta, PAIRS) - truth) / np.maximum(np.abs(truth), 1)
    assert error.max() < 2e-14


def test_log_beta_is_symmetric():
    mirrored = on_points(log_beta, [(b, a) for a, b in PAIRS])
    np.testing.assert_allclose(on_points(log_beta, PAIRS), mirrored, rtol=1e-13, atol=1e-14)


def test_log_beta_derivatives():
    def first(a, b):
        return [mp.psi(0, a) - mp.psi(0, a + b), mp.psi(0, b) - mp.psi(0, a + b)]

    def second(a, b):
        cross = -mp.psi(1, a + b)
        return [[mp.psi(1, a) + cross, cross], [cross, mp.psi(1, b) + cross]]

    np.testing.assert_allclose(on_points(gradient(log_beta), PAIRS), exact(first, PAIRS), rtol=1e-9)
    # the diagonal is trigamma(a) - trigamma(a + b): relative to the larger of the two
    truth = exact(second, PAIRS)
    scale = exact(lambda a, b: [[mp.psi(1, a)] * 2, [mp.psi(1, b)] * 2], PAIRS)
    scale = np.maximum(scale, np.abs(truth))
    assert np.max(np.abs(on_points(hessian(log_beta), PAIRS) - truth) / scale) < 1e-9


RISES = [(x, a) for x in SIZES for a in (0.0, 1e-9, 0.4, 1.0, 8.0, 1e4, 1e9)]


def test_log_rising_does_not_cancel():
    truth = exact(lambda x, a: mp.loggamma(x + a) - mp.loggamma(x), RISES)
    error = np.abs(on_points(log_rising, RISES) - truth)
    assert np.max(error / np.maximum(np.abs(truth), 1e-3)) < 1e-12


def test_log_rising_derivatives():
    def first(x, a):
        return [mp.psi(0, x + a) - mp.psi(0, x), mp.psi(0, x + a)]

    def second(x, a):
        there, here = mp.psi(1, x + a), mp.psi(1, x)
        return [[there - here, there], [there, there]]

    truth = exact(first, RISES)
    error = np.abs(on_points(gradient(log_rising), RISES) - truth)
    assert np.max(error / np.maximum(np.abs(truth), 1e-3)) < 1e-8
    truth = exact(second, RISES)
    scale = np.maximum(exact(lambda x, a: [[mp.psi(1, x)] * 2] * 2, RISES) * 1e-3, np.abs(truth))
    assert np.max(np.abs(on_points(hessian(log_rising), RISES) - truth) / scale) < 1e-7


RATIOS = [
    (a, b, s, f)
    for a, b in itertools.product((1e-3, 0.3, 8.0, 50.0), (0.01, 5.0, 8.0, 1e6))
    for s, f in ((0, 1), (1, 0), (0, 10**9), (3, 3), (8, 100), (10**4, 17), (10**6, 10**6))
]


def mp_log_beta_ratio(a, b, s, f):
    return mp_log_beta(a + s, b + f) - mp_log_beta(a, b)


def test_log_beta_ratio_keeps_its_relative_accuracy():
    """Its derivatives are those of Beta's log_moment: see test_difficulty_moments."""
    truth = exact(mp_log_beta_ratio, RATIOS)
    np.testing.assert_allclose(on_points(log_beta_ratio, RATIOS), truth, rtol=1e-11)


BELOW_ZERO = [(-x,) for x in (1e-300, 1e-18, 1e-9, 0.1, np.log(2), 0.6932, 1.0, 40.0, 100.0)]


def test_log1mexp():
    np.testing.assert_allclose(
        on_points(log1mexp, BELOW_ZERO),
        exact(lambda x: mp.log(-mp.expm1(x)), BELOW_ZERO),
        rtol=1e-14,
    )


def test_log1mexp_derivatives():
    usual = BELOW_ZERO[1:]
    np.testing.assert_allclose(
        on_points(jax.grad(log1mexp), usual),
        exact(lambda x: mp.exp(x) / mp.expm1(x), usual),
        rtol=1e-13,
    )
    np.testing.assert_allclose(
        on_points(jax.grad(jax.grad(log1mexp)), usual),
        exact(lambda x: -mp.exp(x) / mp.expm1(x) ** 2, usual),
        rtol=1e-12,
    )


def test_log_sum_exp_of_nothing_is_minus_infinity_with_a_zero_derivative():
    with jax.enable_x64(True):
        nothing = jnp.full(3, -jnp.inf)
        assert log_sum_exp(nothing) == -np.inf
        np.testing.assert_array_equal(jax.grad(log_sum_exp)(nothing), 0)
        far = jnp.asarray([-1e5, -1e5, -jnp.inf])
        np.testing.assert_allclose(np.asarray(log_sum_exp(far)), -1e5 + np.log(2), rtol=1e-15)


def corrected_weights(nodes: int) -> np.ndarray:
    correction = gregory_correction(nodes)
    return 1 + correction + correction[::-1]


@pytest.mark.parametrize("degree", range(8))
def test_gregory_correction_is_exact_for_polynomials(degree):
    """Through seventh differences: of degree 7 and less."""
    x = np.linspace(-1.0, 1.0, 24)
    ours = (x[1] - x[0]) * corrected_weights(24) @ (1 + x) ** degree
    np.testing.assert_allclose(ours, 2 ** (degree + 1) / (degree + 1), rtol=1e-13)


def test_gregory_correction_integrates_what_goes_on_beyond_the_window():
    x = np.linspace(0.0, 2.0, 161)
    ours = (x[1] - x[0]) * corrected_weights(161) @ np.exp(-x)
    np.testing.assert_allclose(ours, -np.expm1(-2.0), rtol=1e-13)


def test_gauss_legendre_is_exact_for_polynomials():
    with jax.enable_x64(True):
        x, log_weight = gauss_legendre(jnp.asarray(1.0), jnp.asarray(3.0), 8)
    x, log_weight = np.asarray(x), np.asarray(log_weight)
    np.testing.assert_allclose(np.sum(x**15 * np.exp(log_weight)), (3**16 - 1) / 16, rtol=1e-13)
