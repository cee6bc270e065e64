"""Moments of difficulties: log_moment and pass@k, against answers found another way."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from difficulties import mixture
from mpmath import mp, mpf

from lmpower.difficulty import (
    Beta,
    ContinuousBernoulli,
    Difficulty,
    Discrete,
    Kumaraswamy,
    Reciprocal,
    Scaled,
    Uniform,
    ZeroInflated,
)
from lmpower.difficulty.base import over_batch

F = np.float64
REFERENCE = Path(__file__).parent / "reference" / "log_moment.json"


# --- against mpmath ---

FAMILIES = ("beta", "kumaraswamy", "scaled_beta", "scaled_kumaraswamy")


@dataclasses.dataclass(frozen=True)
class Reference:
    """Points of one family: parameters [N, D], (s, f) [N, 2], and the truth."""

    parameters: np.ndarray
    successes: np.ndarray
    failures: np.ndarray
    log_moment: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray


@cache
def reference(family: str, derivatives: bool) -> Reference:
    points = json.loads(REFERENCE.read_text())["points"]
    points = [p for p in points if p["family"] == family and (not derivatives or "hessian" in p)]
    names = ("alpha", "beta", "c") if family.startswith("scaled") else ("alpha", "beta")

    def column(name: str) -> np.ndarray:
        return np.array([p[name] for p in points if name in p], dtype=np.float64)

    return Reference(
        parameters=np.stack([column(name) for name in names], -1),
        successes=column("s"),
        failures=column("f"),
        log_moment=column("log_moment"),
        gradient=column("gradient") if derivatives else np.empty(0),
        hessian=column("hessian") if derivatives else np.empty(0),
    )


def build(family: str, parameters) -> Difficulty:
    law = Beta if family.endswith("beta") else Kumaraswamy
    base = law(parameters[0], parameters[1])
    return Scaled(base, parameters[2]) if family.startswith("scaled") else base


@cache
def computed(family: str, derivatives: bool) -> tuple[np.ndarray, ...]:
    """log_moment, and its derivatives in the logs of the parameters: one program a family."""
    truth = reference(family, derivatives)

    def value(log_factor, parameters, s, f):
        return build(family, parameters * jnp.exp(log_factor)).log_moment(s, f)

    def all_three(parameters, s, f):
        zero = jnp.zeros_like(parameters)
        if not derivatives:
            return (value(zero, parameters, s, f),)

        # forward over forward, all in one: a third of the compile time of grad and hessian apart
        def slope(t):
            push = jax.jacfwd(lambda u: (value(u, parameters, s, f),) * 2, has_aux=True)
            first, height = push(t)
            return first, (height, first)

        bend, (height, first) = jax.jacfwd(slope, has_aux=True)(zero)
        return height, first, bend

    with jax.enable_x64(True):
        given = (jnp.asarray(x) for x in (truth.parameters, truth.successes, truth.failures))
        return jax.tree.map(np.asarray, jax.jit(jax.vmap(all_three))(*given))


def worst(error: np.ndarray, truth: Reference) -> str:
    at = np.unravel_index(np.argmax(error), error.shape)
    i = at[0]
    where = f"{truth.parameters[i]}, s = {truth.successes[i]:.0f}, f = {truth.failures[i]:.0f}"
    return f"{error[at]:.2e} at {where}, entry {at[1:]}"


@pytest.mark.parametrize("family", FAMILIES)
def test_log_moment_has_a_relative_error_below_1e_10(family):
    truth = reference(family, derivatives=False)
    assert len(truth.log_moment) == 100
    (ours,) = computed(family, derivatives=False)
    error = np.abs(ours / truth.log_moment - 1)
    assert np.all(error <= 1e-10), worst(error, truth)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_of_log_moment(family):
    truth = reference(family, derivatives=True)
    _, ours, _ = computed(family, derivatives=True)
    row = np.max(np.abs(truth.gradient), axis=1, keepdims=True)
    error = np.abs(ours - truth.gradient) / np.maximum(np.abs(truth.gradient), 1e-6 * row)
    assert np.all(error <= 1e-7), worst(error, truth)


@pytest.mark.parametrize("family", FAMILIES)
def test_hessian_of_log_moment(family):
    truth = reference(family, derivatives=True)
    _, _, ours = computed(family, derivatives=True)
    largest = np.max(np.abs(truth.hessian), axis=(1, 2), keepdims=True)
    error = np.abs(ours - truth.hessian) / np.maximum(np.abs(truth.hessian), 1e-3 * largest)
    assert np.all(error <= 1e-5), worst(error, truth)


def test_one_failure_bends_as_a_mean_does():
    """At c = 1 the Hessian is that of log(1 - c m), m = alpha/(alpha + beta); guards a cancellation."""

    def ours(t):
        return Scaled(Beta(jnp.exp(t[0]), jnp.exp(t[1])), jnp.exp(t[2])).log_moment(
            0.0 * t[0], 1 + 0.0 * t[0]
        )

    def exact(t):
        return jnp.log1p(-jnp.exp(t[2]) / (1 + jnp.exp(t[1] - t[0])))

    with jax.enable_x64(True):
        bends, truth = jax.jit(jax.hessian(ours)), jax.jit(jax.hessian(exact))
        for beta in (0.02, 0.2, 0.45, 3.0):
            theta = jnp.log(jnp.array([0.7, beta, 1.0]))
            np.testing.assert_allclose(bends(theta), truth(theta), rtol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_derivative_is_nan(family):
    for derivatives in (False, True):
        for part in computed(family, derivatives=derivatives):
            assert np.all(np.isfinite(part))


@pytest.mark.parametrize("family", FAMILIES)
def test_in_float32_the_log_is_right_to_1e_4(family):
    """For accelerators without fast float64: k up to a million, chances down to e^-1000."""
    truth = reference(family, derivatives=False)
    rounded = truth.parameters.astype(np.float32)

    def value(parameters, s, f):
        return build(family, parameters).log_moment(s, f)

    counts = truth.successes, truth.failures
    single = jax.jit(jax.vmap(value))(*(jnp.asarray(x, jnp.float32) for x in (rounded, *counts)))
    assert single.dtype == jnp.float32
    with jax.enable_x64(True):  # at the rounded parameters, whose rounding is no fault of the integral
        double = jax.jit(jax.vmap(value))(*(jnp.asarray(x, jnp.float64) for x in (rounded, *counts)))
    double = np.asarray(double)
    asked = (np.abs(double) < 1000) & (np.maximum(*counts) <= 1e6)
    assert asked.sum() > 40
    error = np.where(asked, np.abs(np.asarray(single) - double), 0)
    assert np.all(error <= 1e-4), worst(error, truth)


# --- every row of the table of closed forms ---

KS = np.array([1.0, 2.0, 10.0, 137.0, 1e4])


def mp_pass(log_or_mean_failure, ks=KS) -> np.ndarray:
    """1 - I_k at 40 digits."""
    with mp.workdps(40):
        return np.array([float(1 - log_or_mean_failure(mpf(int(k)))) for k in ks])


def kumaraswamy_failure(k, a, b, c):
    """beta int (1 - c t^(1/alpha))^k (1-t)^(beta-1) dt, in v = -log t so that t = 0 is far away."""
    marks = sorted({mpf(0), mpf(1), mpf(4), *(a * mp.log(k * c) + d for d in (-3, 0, 3)), mpf(60)})
    marks = [m for m in marks if m >= 0] + [mpf(100)]
    return b * mp.quad(
        lambda v: (1 - c * mp.exp(-v / a)) ** k * (1 - mp.exp(-v)) ** (b - 1) * mp.exp(-v), marks
    )


def reciprocal_failure(k, low, high):
    marks = [mp.log(low) + j * (mp.log(high) - mp.log(low)) / 16 for j in range(17)]
    return mp.quad(lambda y: (1 - mp.exp(y)) ** k, marks) / (marks[-1] - marks[0])


def bernoulli_failure(k, lam):
    rate = mp.log((1 - lam) / lam)
    constant = rate / (1 - 2 * lam)
    return constant * lam / (k + 1) * mp.hyp1f1(k + 1, k + 2, rate)


TABLE = {
    "point mass": (
        Discrete(np.array([0.03]), np.array([1.0])),
        lambda k: (1 - mpf(0.03)) ** k,
    ),
    "uniform": (
        Uniform(F(0.4)),
        lambda k: (1 - (1 - mpf(0.4)) ** (k + 1)) / (mpf(0.4) * (k + 1)),
    ),
    "beta": (Beta(F(0.3), F(3.0)), lambda k: mp.beta(mpf(0.3), 3 + k) / mp.beta(mpf(0.3), 3)),
    "kumaraswamy": (
        Kumaraswamy(F(0.6), F(3.0)),
        lambda k: kumaraswamy_failure(k, mpf(0.6), mpf(3), mpf(1)),
    ),
    "continuous Bernoulli": (
        ContinuousBernoulli(F(0.1)),
        lambda k: bernoulli_failure(k, mpf(0.1)),
    ),
    "reciprocal": (
        Reciprocal(F(1e-4), F(0.5)),
        lambda k: reciprocal_failure(k, mpf(1e-4), mpf(0.5)),
    ),
    "scaled Beta": (
        Scaled(Beta(F(0.5), F(3.5)), F(0.1)),
        lambda k: mp.hyp2f1(-k, mpf(0.5), 4, mpf(0.1)),
    ),
    "scaled Kumaraswamy": (
        Scaled(Kumaraswamy(F(0.6), F(3.0)), F(0.2)),
        lambda k: kumaraswamy_failure(k, mpf(0.6), mpf(3), mpf(0.2)),
    ),
    "zero-inflated Beta": (
        ZeroInflated(Beta(F(0.3), F(3.0)), F(0.2)),
        lambda k: mpf(0.2) + (1 - mpf(0.2)) * mp.beta(mpf(0.3), 3 + k) / mp.beta(mpf(0.3), 3),
    ),
    "mixture": (
        mixture(Beta(F(0.3), F(3.0)), Uniform(F(0.4)), weights=(0.25, 0.75)),
        lambda k: (
            mp.beta(mpf(0.3), 3 + k) / mp.beta(mpf(0.3), 3) / 4
            + 3 * (1 - (1 - mpf(0.4)) ** (k + 1)) / (mpf(0.4) * (k + 1)) / 4
        ),
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_pass_at_k_is_the_table_s(row):
    law, failure = TABLE[row]
    ours = law.pass_at_k(KS)
    assert isinstance(ours, np.ndarray)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, mp_pass(failure), rtol=1e-10)


def test_a_discrete_law_s_worked_numbers():
    law = Discrete(np.array([0.5, 0.1, 0.01, 0.001, 0.0001]), np.full(5, 0.2))
    np.testing.assert_allclose(1 - law.pass_at_k(10), 0.6486, atol=5e-5)
    np.testing.assert_allclose(1 - law.pass_at_k(1000), 0.2545, atol=5e-5)
    np.testing.assert_allclose(1 - law.pass_at_k(10000), 0.0736, atol=5e-5)


@pytest.mark.parametrize("lam", [0.02, 0.499999, 0.5, 0.7, 0.98])
def test_continuous_bernoulli_on_both_sides_of_the_uniform(lam):
    if lam == 0.5:
        truth = KS / (KS + 1)
    else:
        truth = mp_pass(lambda k: bernoulli_failure(k, mpf(lam)))
    np.testing.assert_allclose(ContinuousBernoulli(F(lam)).pass_at_k(KS), truth, rtol=1e-9)


# --- batches ---


def _failure_and_tail(law, ks):
    return law.log_moment(jnp.zeros_like(ks), ks), law.tail().exponent


def test_a_batch_is_its_members_one_by_one():
    alphas, betas, cs = np.array([0.1, 0.5, 2.0]), np.array([3.0, 0.5, 40.0]), np.array([1.0, 0.3, 0.01])
    batch = Scaled(Beta(alphas, betas), cs)
    assert batch.batch_shape == (3,)
    together, exponents = over_batch(_failure_and_tail, batch, KS)
    assert together.shape == (3, len(KS))
    np.testing.assert_array_equal(exponents, alphas)
    for i in range(3):
        alone, _ = over_batch(_failure_and_tail, jax.tree.map(lambda x, i=i: x[i], batch), KS)
        np.testing.assert_allclose(together[i], alone, rtol=1e-12)
