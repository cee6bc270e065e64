"""Difficulties as distributions of p: cdf, quantiles and draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from difficulties import DIFFICULTIES, EVERY, mixture
from mpmath import mp, mpf
from scipy import stats

from lmpower.difficulty import Beta, Difficulty, Discrete, Kumaraswamy, Reciprocal, ZeroInflated

F = np.float64
# with a cdf that rises everywhere
SMOOTH = [name for name in DIFFICULTIES if name not in ("discrete", "zero-inflated-beta", "mixture")]
SHARES = np.array([1e-6, 0.01, 0.2, 0.5, 0.9, 0.999])


# --- cdf and quantiles ---


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


@pytest.mark.parametrize("name", EVERY)
def test_cdf_is_0_below_0_and_1_above_1(name):
    """Guards against nan from one law, and against the atom at 0 already below it."""
    law = DIFFICULTIES[name]
    np.testing.assert_array_equal(law.cdf([-0.1, -1e-300, 1.5, np.inf]), [0, 0, 1, 1])
    assert np.isnan(law.cdf(np.nan))
    with jax.enable_x64(True):
        laws = jax.tree.map(jnp.asarray, law)
        slopes = jax.jit(jax.vmap(jax.grad(lambda p, d: d.cdf(p), (0, 1)), (0, None)))
        p = jnp.array([-0.1, 1e-6, 0.05, 0.3, 0.7, 1.5])
        by_p, by_law = slopes(p, laws)
    for slope in (by_p, *jax.tree.leaves(by_law)):
        assert np.all(np.isfinite(slope))
    assert np.all(np.asarray(by_p)[[0, -1]] == 0)


BETA = Beta(F(0.3), F(3.0))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mixture_s_quantile_is_0_where_the_mass_at_0_is_enough(dtype):
    """Guards against the 1e-300 at which its bisection in log p began, which is 0 in float32."""
    law = mixture(ZeroInflated(BETA, F(0.4)), BETA, weights=(0.5, 0.5))
    u = np.array([0.0, 0.1, 0.199, 0.5], dtype)
    with jax.enable_x64(dtype is np.float64):
        p = np.asarray(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), law).icdf(jnp.asarray(u)))
    assert np.all(p[:3] == 0)
    np.testing.assert_allclose(law.cdf(p[3]), 0.5, rtol=1e-9 if dtype is np.float64 else 1e-5)


def test_a_mixture_s_quantile_at_the_lower_end_is_that_end():
    kinds = Discrete(np.array([0.25, 0.5]), np.array([0.4, 0.6]))
    law = mixture(Reciprocal(F(0.1), F(0.5)), kinds, weights=(0.5, 0.5))
    np.testing.assert_allclose(law.icdf([0.0, 1.0]), [0.1, 0.5], rtol=1e-12)


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


# --- draws ---


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
