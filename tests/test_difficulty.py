"""Families times laws: what every difficulty must satisfy, against answers found another way."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp, mpf
from scipy import stats

from lmpower.difficulty import (
    Beta,
    ContinuousBernoulli,
    Difficulty,
    Discrete,
    Kumaraswamy,
    Mixture,
    Reciprocal,
    Scaled,
    Uniform,
    ZeroInflated,
)
from lmpower.difficulty.base import over_batch
from lmpower.difficulty.named import LAWS, family_named
from lmpower.numerics.grid import Reach, shared_grid
from lmpower.numerics.integrals import log1mexp

REFERENCE = Path(__file__).parent / "reference" / "log_moment.json"
F = np.float64


def mixture(*parts: Difficulty, weights: tuple[float, ...]) -> Mixture:
    return Mixture(parts, np.array(weights))


DIFFICULTIES: dict[str, Difficulty] = {
    "beta": Beta(F(0.3), F(3.0)),
    "kumaraswamy": Kumaraswamy(F(0.3), F(3.0)),
    "scaled-beta": Scaled(Beta(F(0.5), F(3.5)), F(0.1)),
    "scaled-kumaraswamy": Scaled(Kumaraswamy(F(0.7), F(1.5)), F(0.8)),
    "uniform": Uniform(F(0.4)),
    "continuous-bernoulli": ContinuousBernoulli(F(0.1)),
    "reciprocal": Reciprocal(F(1e-4), F(0.5)),
    "discrete": Discrete(np.array([0.5, 0.1, 0.01]), np.array([0.2, 0.3, 0.5])),
    "zero-inflated-beta": ZeroInflated(Beta(F(0.3), F(3.0)), F(0.2)),
    "mixture": mixture(Beta(F(0.4), F(30.0)), Kumaraswamy(F(0.9), F(2.0)), weights=(0.7, 0.3)),
}
# with a cdf that rises everywhere
SMOOTH = [name for name in DIFFICULTIES if name not in ("discrete", "zero-inflated-beta", "mixture")]
EVERY = list(DIFFICULTIES)


# --- against mpmath -------------------------------------------------------------------------------

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
        bends = jax.jit(jax.hessian(ours))
        for beta in (0.02, 0.2, 0.45, 3.0):
            theta = jnp.log(jnp.array([0.7, beta, 1.0]))
            np.testing.assert_allclose(bends(theta), jax.hessian(exact)(theta), rtol=1e-8)


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


# --- every row of the table of closed forms ---------------------------------------------------------

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


# --- tails ------------------------------------------------------------------------------------------

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


# --- cdf, quantiles, draws --------------------------------------------------------------------------

SHARES = np.array([1e-6, 0.01, 0.2, 0.5, 0.9, 0.999])


@pytest.mark.parametrize("name", SMOOTH)
def test_icdf_is_the_inverse_of_cdf(name):
    law = DIFFICULTIES[name]
    p = law.icdf(SHARES)
    assert np.all((p > 0) & (p < 1))
    np.testing.assert_allclose(law.cdf(p), SHARES, rtol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_icdf_with_an_atom_or_without_reaches_its_share(name):
    law = DIFFICULTIES[name]
    p = law.icdf(SHARES)
    assert np.all(law.cdf(p) >= SHARES * (1 - 1e-9))
    assert np.all(np.diff(p) >= 0)


@pytest.mark.parametrize("name", EVERY)
def test_cdf_rises_from_0_to_1(name):
    law = DIFFICULTIES[name]
    p = np.concatenate([[0.0], np.geomspace(1e-12, 1.0, 200)])
    with np.errstate(divide="ignore"):
        cdf = law.cdf(p)
    assert np.all(np.isfinite(cdf))
    assert np.all(np.diff(cdf) >= -1e-13)
    np.testing.assert_allclose(cdf[-1], 1, rtol=1e-12)
    assert cdf[0] == pytest.approx(0.2 if name == "zero-inflated-beta" else 0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("alpha", "beta"), [(1e-3, 0.01), (0.176, 8.0), (1.0, 1.0), (50.0, 3.0), (0.3, 1e5)]
)
def test_cdf_of_beta_is_scipy_s(alpha, beta):
    p = np.concatenate([np.geomspace(1e-300, 0.5, 40), [0.9, 0.999, 1 - 1e-9]])
    ours = Beta(F(alpha), F(beta)).cdf(p)
    np.testing.assert_allclose(ours, stats.beta.cdf(p, alpha, beta), rtol=1e-9, atol=1e-300)


def test_log_cdf_goes_on_where_the_cdf_underflows():
    p, alpha = 1e-300, 5.0
    log_cdf = Beta(F(alpha), F(3.0)).log_cdf(p)
    with mp.workdps(30):
        truth = float(alpha * mp.log(mpf(p)) - mp.log(alpha * mp.beta(5, 3)))
    np.testing.assert_allclose(log_cdf, truth, rtol=1e-12)


def draws(law: Difficulty, number: int, seed: int = 0) -> np.ndarray:
    with jax.enable_x64(True):
        on_device = jax.tree.map(jnp.asarray, law)
        return np.asarray(on_device.sample_log_p(jax.random.key(seed), (number,)))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "discrete"])
def test_draws_follow_the_cdf(name):
    law, log_p = DIFFICULTIES[name], draws(DIFFICULTIES[name], 1000)
    assert log_p.shape == (1000,)
    assert np.all(log_p <= 0)
    atom = np.mean(np.isneginf(log_p))
    share = 0.2 if name == "zero-inflated-beta" else 0.0
    assert abs(atom - share) <= 4 * np.sqrt(share * (1 - share) / 1000)
    p = np.exp(log_p[np.isfinite(log_p)])
    below = (law.cdf(p) - share) / (1 - share)
    assert stats.kstest(below, "uniform").pvalue > 1e-3


def test_draws_of_a_discrete_law_have_its_weights():
    law = DIFFICULTIES["discrete"]
    log_p = draws(law, 4000)
    seen = [np.sum(np.isclose(log_p, np.log(p))) for p in law.p]
    assert sum(seen) == 4000
    assert stats.chisquare(seen, 4000 * law.weights).pvalue > 1e-3


@pytest.mark.parametrize("law", [Beta, Kumaraswamy])
def test_draws_stay_finite_where_p_itself_underflows(law):
    """With a tail exponent of .001 most problems lie below the smallest float."""
    log_p = draws(law(F(1e-3), F(3.0)), 2000)
    assert np.all(np.isfinite(log_p))
    assert np.mean(log_p < -745) > 0.3
    far = log_p[log_p < -30]
    if law is Kumaraswamy:
        # F(p) = 1 - (1 - p^alpha)^3 is elementary, also where p is no float
        below = 1 - (1 - np.exp(1e-3 * far)) ** 3
    else:
        # F(p) ~ A p^alpha far down, up to terms of order p
        log_a = law(F(1e-3), F(3.0)).tail().log_prefactor - np.log(1e-3) - float(mp.loggamma(1e-3))
        below = np.exp(log_a + 1e-3 * far)
    share = np.mean(log_p < -30)
    assert stats.kstest(below / share, "uniform").pvalue > 1e-3


def test_draws_in_float32_stay_finite_too():
    law = jax.tree.map(jnp.float32, Kumaraswamy(0.1, 20.0))
    log_p = law.sample_log_p(jax.random.key(0), (2000,))
    assert log_p.dtype == jnp.float32
    assert np.all(np.isfinite(log_p))
    assert np.mean(log_p < np.log(1.2e-7)) == pytest.approx(0.989, abs=0.01)


# --- points -----------------------------------------------------------------------------------------

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


# --- laws of composition ----------------------------------------------------------------------------


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


# --- batches, names, search coordinates ---------------------------------------------------------------


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
    "name", ["gamma", "scaled-uniform", "discrete-1", "discrete-99", "scaled-zero-inflated-beta", ""]
)
def test_an_unknown_name_is_repeated_with_those_there_are(name):
    with pytest.raises(ValueError, match="choose one of beta, kumaraswamy") as error:
        family_named(name)
    assert "unknown family" in str(error.value)
    assert str(error.value).count("\n") == 0
