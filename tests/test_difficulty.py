"""Families times laws: what every difficulty must satisfy, whatever it is made of."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from difficulties import DIFFICULTIES, EVERY, mixture

from lmpower.difficulty import (
    Beta,
    ContinuousBernoulli,
    Discrete,
    Kumaraswamy,
    Scaled,
    Uniform,
    ZeroInflated,
)
from lmpower.difficulty.named import LAWS, family_named
from lmpower.numerics.grid import Reach, shared_grid
from lmpower.numerics.integrals import log1mexp

F = np.float64


# --- tails ---

K_FAR = 1e9
TAILED = {
    "beta": Beta(F(0.7), F(3.0)),
    "kumaraswamy": Kumaraswamy(F(0.7), F(3.0)),
    "scaled-beta": Scaled(Beta(F(0.7), F(3.0)), F(0.1)),
    "scaled-kumaraswamy": Scaled(Kumaraswamy(F(0.7), F(3.0)), F(0.1)),
    "uniform": Uniform(F(0.4)),
    "continuous-bernoulli": ContinuousBernoulli(F(0.1)),
    "zero-inflated": ZeroInflated(Beta(F(0.7), F(3.0)), F(0.2)),
    "mixture": mixture(Beta(F(0.7), F(3.0)), Uniform(F(0.4)), weights=(0.6, 0.4)),
    "mixture of equals": mixture(
        Beta(F(0.7), F(3.0)), Scaled(Beta(F(0.7), F(2.0)), F(0.5)), weights=(0.6, 0.4)
    ),
}


@pytest.mark.parametrize("name", TAILED)
def test_the_tail_is_what_pass_at_k_tends_to(name):
    law = TAILED[name]
    tail = law.tail()
    ks = np.array([1e8, K_FAR])
    with jax.enable_x64(True):
        neg_log = -np.asarray(log1mexp(jnp.asarray(law.log_moment(np.zeros(2), ks))))
    above = neg_log - tail.floor
    # a second component with exponent 1 is still 3e-3 of the first's at 1e9
    accuracy = 2e-2 if name == "mixture" else 1e-4
    np.testing.assert_allclose(above, np.exp(tail.log_prefactor) * ks**-tail.exponent, rtol=accuracy)
    slope = -np.diff(np.log(above)) / np.log(10)
    np.testing.assert_allclose(slope, tail.exponent, atol=accuracy)


def test_zero_inflation_leaves_a_floor():
    tail = TAILED["zero-inflated"].tail()
    np.testing.assert_allclose(tail.floor, -np.log(0.8), rtol=1e-14)
    base = TAILED["beta"].tail()
    np.testing.assert_allclose([tail.exponent, tail.log_prefactor], base[:2], rtol=1e-14)


@pytest.mark.parametrize("name", ["reciprocal", "discrete"])
def test_no_power_law_has_no_exponent(name):
    tail = DIFFICULTIES[name].tail()
    assert np.isnan(tail.exponent)
    assert np.isnan(tail.log_prefactor)
    assert tail.floor == 0


def test_a_mixture_of_laws_without_a_power_law_has_none():
    law = mixture(DIFFICULTIES["reciprocal"], DIFFICULTIES["discrete"], weights=(0.5, 0.5))
    assert np.isnan(law.tail().exponent)


# --- points ---

REACH = Reach(200, 2000)
ROWS = np.array([(0, 0), (0, 1), (1, 0), (0, 50), (1, 49), (25, 25), (200, 3), (0, 2000), (5, 1900)])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(("refinement", "accuracy"), [(1.0, 2e-6), (1.5, 1e-9)])
def test_points_carry_every_kernel_within_reach(name, refinement, accuracy):
    law = DIFFICULTIES[name]
    with jax.enable_x64(True):
        grid = shared_grid(REACH, refinement, span=True)
        cloud = jax.jit(lambda d: d.points(grid))(jax.tree.map(jnp.asarray, law))
    log_p, log_q, log_weight = (np.asarray(part) for part in cloud)
    s, f = ROWS.astype(float).T
    logs = s[:, None] * log_p + f[:, None] * log_q + log_weight
    ours = np.logaddexp.reduce(logs, axis=1)
    truth = law.log_moment(s, f)
    np.testing.assert_allclose(ours, truth, rtol=0, atol=accuracy)


@pytest.mark.parametrize("name", EVERY)
def test_log_moment_moves_with_the_parameters_as_its_derivative_says(name):
    """Guards against an integral whose ends move and whose derivative does not know."""
    law = DIFFICULTIES[name]
    s, f = ROWS[:, 0].astype(float), ROWS[:, 1].astype(float)
    with jax.enable_x64(True):
        theta = jax.tree.map(jnp.asarray, law).to_search()
        moments = jax.jit(lambda t: law.from_search(t).log_moment(s, f))
        slope = np.asarray(jax.jit(jax.jacfwd(lambda t: law.from_search(t).log_moment(s, f)))(theta))
        for d in range(theta.size):
            step = 1e-5 * np.eye(theta.size)[d]
            moved = np.asarray(moments(theta + step)) - np.asarray(moments(theta - step))
            np.testing.assert_allclose(slope[:, d], moved / 2e-5, rtol=1e-5, atol=1e-6, err_msg=f"{d}")


# --- laws of composition ---


@pytest.mark.parametrize(
    ("composed", "plain"),
    [
        (lambda d: Scaled(d, F(1.0)), Beta(F(0.3), F(3.0))),
        (lambda d: ZeroInflated(d, F(0.0)), Beta(F(0.3), F(3.0))),
        (lambda d: ZeroInflated(d, F(0.0)), Discrete(np.array([0.1, 0.3]), np.array([0.4, 0.6]))),
        (lambda d: mixture(d, weights=(1.0,)), Beta(F(0.3), F(3.0))),
        (lambda d: mixture(d, d, weights=(0.3, 0.7)), Beta(F(0.3), F(3.0))),
        (lambda d: Scaled(Scaled(d, F(0.5)), F(2.0)), Beta(F(0.3), F(3.0))),
    ],
    ids=[
        "scaled by 1",
        "no zeros",
        "no zeros in points",
        "mixture of one",
        "twice the same",
        "and back",
    ],
)
def test_a_composition_that_changes_nothing(composed, plain):
    law = composed(plain)
    s, f = ROWS.astype(float).T
    np.testing.assert_allclose(law.log_moment(s, f), plain.log_moment(s, f), rtol=1e-10, atol=1e-13)
    p = np.array([1e-6, 0.01, 0.2, 0.9])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(law.cdf(p), plain.cdf(p), rtol=1e-10)
    np.testing.assert_allclose(law.tail(), plain.tail(), rtol=1e-12, atol=1e-13)


def test_scaling_leaves_the_exponent_and_multiplies_the_prefactor():
    base = Beta(F(0.3), F(3.0))
    plain, scaled = base.tail(), Scaled(base, F(0.1)).tail()
    assert scaled.exponent == plain.exponent
    np.testing.assert_allclose(scaled.log_prefactor - plain.log_prefactor, -0.3 * np.log(0.1))


# --- names, search coordinates ---


def test_parameters_are_named():
    assert list(DIFFICULTIES["scaled-beta"].parameters()) == ["alpha", "beta", "c"]
    named = DIFFICULTIES["mixture"].parameters()
    assert {"alpha_0", "beta_0", "alpha_1", "beta_1", "weights"} == set(named)


NAMES = [
    *LAWS, "scaled-beta", "Scaled_Kumaraswamy", "scaled-continuous-bernoulli",
    "zero-inflated-beta", "zero-inflated-scaled-beta", "zero-inflated-discrete-3", "discrete-8",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_named_family_survives_the_search_coordinates(name):
    law = family_named(name)
    box = law.box
    with jax.enable_x64(True):
        theta = jax.tree.map(jnp.asarray, law).to_search()
        again = jax.tree.map(np.asarray, law.from_search(theta))
        theta = np.asarray(theta)
    assert len(theta) == len(box.names) == len(box.lower) == len(box.upper)
    assert np.all((np.array(box.lower) <= theta) & (theta <= np.array(box.upper)))
    for leaf, back in zip(jax.tree.leaves(law), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(back, leaf, rtol=1e-12)


def test_what_a_name_builds():
    law = family_named("zero-inflated-scaled-beta")
    assert isinstance(law, ZeroInflated)
    assert isinstance(law.base, Scaled)
    assert isinstance(law.base.base, Beta)
    assert family_named("discrete-3").p.shape == (3,)


@pytest.mark.parametrize(
    "name",
    [
        "gamma", "", "discrete-1", "discrete-99", "scaled-uniform", "zero-inflated-scaled-uniform",
        "scaled-zero-inflated-beta", "scaled-scaled-beta", "zero-inflated-zero-inflated-beta",
        "zero-inflated-" * 2000 + "beta", "zero-inflated-", "scaled-",
    ],
)  # fmt: skip
def test_an_unknown_name_is_repeated_with_those_there_are(name):
    with pytest.raises(ValueError, match="choose one of beta, kumaraswamy") as error:
        family_named(name)
    assert str(error.value).startswith(f"unknown family {name!r}: ")
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize("name", ["discrete-3", "zero-inflated-discrete-3"])
def test_a_coordinate_that_holds_a_logit_says_so(name):
    names = family_named(name).box.names
    assert names[:5] == ("logit_p_0", "logit_p_1", "logit_p_2", "logit_weight_1", "logit_weight_2")
    assert list(family_named(name).parameters())[:2] == ["p", "weights"]


# --- plain numbers ---


def test_a_law_of_plain_numbers_is_a_number_in_a_caller_s_program():
    """Guards against a tracer where NumPy wants a number."""
    law = Beta(0.3, 3.0)
    passed = law.pass_at_k(10.0)
    at_once = jax.jit(lambda x: x * law.pass_at_k(10.0) + 0 * ContinuousBernoulli(0.1).mean())(2.0)
    np.testing.assert_allclose(at_once, 2 * passed, rtol=1e-6)
    many = jax.jit(jax.vmap(lambda x: jax.grad(lambda y: y * law.pass_at_k(10.0))(x)))(np.ones(3))
    np.testing.assert_allclose(many, passed, rtol=1e-6)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(lambda x: x * law.mean())(F(1.0)), 1 / 11, rtol=1e-14)
