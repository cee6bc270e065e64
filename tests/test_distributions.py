"""Our NumPyro distributions, tested as NumPyro's own are: masses, moments, shapes, inference."""

from __future__ import annotations

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import oracle
import pytest
from numpyro.infer import MCMC, NUTS
from scipy import stats

import lmpower
from lmpower.distributions import (
    ScaledBeta,
    ScaledBetaBinomial,
    ScaledKumaraswamy,
    ScaledKumaraswamyBinomial,
)

COUNTED = [ScaledBetaBinomial, ScaledKumaraswamyBinomial]
# compilations are what these tests spend their time on
MIXED = [(ScaledBetaBinomial, False), (ScaledKumaraswamyBinomial, True)]
CHANCES = [ScaledBeta, ScaledKumaraswamy]
A, B, C = np.array([0.05, 0.3, 2.0]), 4.0, np.array([0.2, 1.0, 0.6])


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def precise(request):
    with jax.enable_x64(request.param):
        yield request.param


def _float(x):
    return jnp.asarray(x, jnp.result_type(float))


@pytest.mark.parametrize("law", COUNTED)
def test_masses_sum_to_one_and_have_the_moments_stated(law, precise):
    n = 40
    d = law(_float(A), B, _float(C), n)
    s = np.arange(n + 1)[:, None]
    mass = np.exp(np.asarray(d.log_prob(s), np.float64))
    assert mass.shape == (n + 1, 3)
    tolerance = 1e-12 if precise else 2e-5
    assert mass.sum(axis=0) == pytest.approx(1, rel=tolerance)
    mean = (mass * s).sum(axis=0)
    assert np.asarray(d.mean) == pytest.approx(mean, rel=10 * tolerance)
    variance = (mass * s**2).sum(axis=0) - mean**2
    assert np.asarray(d.variance) == pytest.approx(variance, rel=50 * tolerance)
    assert np.array_equal(d.enumerate_support(expand=False), s)


@pytest.mark.parametrize("n", [1, 30, 10**6])
def test_at_scale_1_it_is_scipys_betabinom(n, precise):
    s = np.unique(np.array([0, 1, n // 3, n - 1, n]))
    got = ScaledBetaBinomial(_float(0.3), 4.0, 1.0, n).log_prob(s)
    tolerance = 1e-8 if precise else 1e-4
    assert np.asarray(got) == pytest.approx(stats.betabinom(n, 0.3, 4.0).logpmf(s), abs=tolerance)


def test_scaled_kumaraswamy_binomial_is_the_oracles():
    n, params = 50, (0.3, 4.0, 0.4)
    with jax.enable_x64(True):
        for s in (0, 3, 29, 50):
            got = ScaledKumaraswamyBinomial(*map(jnp.float64, params), n).log_prob(s)
            expected = oracle.log_likelihood("scaled_kumaraswamy", params, [n], [s])
            assert float(got) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("law", "precise"), MIXED, indirect=["precise"])
def test_samples_follow_the_masses(law, precise):
    n, draws = 40, 20_000
    d = law(_float(A), B, _float(C), n)
    s = np.asarray(d.sample(jax.random.key(1), (draws,)))
    assert s.shape == (draws, 3)
    assert np.issubdtype(s.dtype, np.integer)
    mass = np.exp(np.asarray(d.log_prob(np.arange(n + 1)[:, None]), np.float64))
    for j in range(3):
        seen = np.bincount(s[:, j], minlength=n + 1)
        # rare outcomes together, so that every class expects some 30
        rest = np.cumsum(mass[::-1, j])[::-1] * draws // 30
        cells = np.minimum(rest, np.arange(n + 1)).astype(int)
        expected = np.bincount(cells, mass[:, j]) * draws
        observed = np.bincount(cells, seen)
        kept = expected > 0
        if kept.sum() == 1:
            continue
        p_value = stats.chisquare(observed[kept], expected[kept] * observed.sum() / expected.sum()).pvalue
        assert p_value > 1e-4


@pytest.mark.parametrize(("law", "precise"), MIXED, indirect=["precise"])
def test_shapes_jit_vmap_and_gradients(law, precise):
    n = np.array([10, 20, 0, 40])
    s = np.array([0, 20, 0, 7])
    d = law(_float(0.3), 4.0, 0.5, n)
    assert d.batch_shape == (4,)
    assert d.log_prob(s).shape == (4,)
    assert d.sample(jax.random.key(0), (5, 2)).shape == (5, 2, 4)
    batch = law(_float(A)[:, None], B, 0.5, n)
    assert batch.batch_shape == (3, 4)
    assert batch.log_prob(s).shape == (3, 4)
    assert batch.mean.shape == batch.variance.shape == (3, 4)
    each = jax.jit(jax.vmap(lambda a: law(a, B, 0.5, n).log_prob(s)))(_float(A))
    assert np.asarray(each) == pytest.approx(np.asarray(batch.log_prob(s)), rel=1e-4)

    def total(parameters):
        return law(*parameters, n).log_prob(s).sum()

    slopes = jax.grad(total)((_float(0.05), _float(4.0), _float(0.5)))
    assert np.all(np.isfinite(slopes))
    outside = law(_float(0.3), 4.0, 0.5, 10, validate_args=True).log_prob
    with pytest.warns(UserWarning, match="Out-of-support"):
        assert np.isneginf(outside(11))


@pytest.mark.parametrize("law", CHANCES)
def test_chances_have_the_density_the_cdf_and_the_moments_stated(law):
    a, b, c = 0.6, 3.0, 0.4
    u = np.array([1e-6, 0.1, 0.5, 0.999])
    nodes, weights = np.polynomial.legendre.leggauss(200)
    with jax.enable_x64(True):
        d = law(*map(jnp.float64, (a, b, c)))
        if law is ScaledBeta:
            x, base = stats.beta.ppf(u, a, b), stats.beta(a, b)
            density, mean, variance = base.logpdf(x), base.mean(), base.var()
        else:
            x = (1 - (1 - u) ** (1 / b)) ** (1 / a)
            density = np.log(a * b * x ** (a - 1) * (1 - x**a) ** (b - 1))
            quantiles = np.asarray(d.icdf(0.5 + 0.5 * nodes)) / c
            mean = 0.5 * weights @ quantiles
            variance = 0.5 * weights @ quantiles**2 - mean**2
            assert np.asarray(d.icdf(u)) == pytest.approx(c * x, rel=1e-8)
        assert np.asarray(d.cdf(c * x)) == pytest.approx(u, rel=1e-8)
        assert np.asarray(d.log_prob(c * x)) == pytest.approx(density - np.log(c), rel=1e-8)
        assert float(d.mean) == pytest.approx(c * mean, rel=1e-4)
        assert float(d.variance) == pytest.approx(c * c * variance, rel=1e-4)
        assert d.support(c * x).all()
        assert not d.support(0.41)


@pytest.mark.parametrize("law", CHANCES)
def test_draws_of_chances_follow_their_cdf_far_below_the_smallest_float(law, precise):
    d = law(_float(0.02), 4.0, 0.5)
    log_p = np.asarray(d.sample_log_p(jax.random.key(2), (4000,)), np.float64)
    assert np.mean(log_p < np.log(np.finfo(np.float32).tiny)) > 0.1
    p = d.sample(jax.random.key(2), (4000,))
    assert np.all(np.isfinite(d.log_prob(p)))
    assert np.all((p > 0) & (p <= 0.5))
    above = log_p > -80
    share = np.asarray(d.cdf(_float(np.exp(log_p[above]))), np.float64)
    # u given u > F(e^-80) is uniform there
    lowest = float(d.cdf(_float(np.exp(-80.0))))
    assert stats.kstest((share - lowest) / (1 - lowest), "uniform").pvalue > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("law", "precise"), MIXED, indirect=["precise"])
def test_nuts_finds_the_exponent(law, precise):
    rng = np.random.default_rng(0)
    n, truth = 60, 0.4
    s = rng.binomial(n, rng.beta(truth, 3.0, 64))

    def model():
        a = numpyro.sample("a", numpyro.distributions.LogNormal(-1.0, 1.0))
        b = numpyro.sample("b", numpyro.distributions.LogNormal(1.0, 1.0))
        with numpyro.plate("problems", s.size):
            numpyro.sample("s", law(a, b, 1.0, n), obs=s)

    sampler = MCMC(NUTS(model), num_warmup=60, num_samples=60, progress_bar=False)
    sampler.run(jax.random.key(0))
    draws = np.asarray(sampler.get_samples()["a"])
    assert np.all(np.isfinite(draws))
    assert 0.2 < draws.mean() < 0.7
    assert draws.std() > 0.02


def test_no_other_room_imports_numpyro_for_these():
    rooms = Path(lmpower.__file__).parent.rglob("*.py")
    for room in rooms:
        imported = {
            name
            for node in ast.walk(ast.parse(room.read_text()))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert room.name == "distributions.py" or "lmpower.distributions" not in imported
