"""The continuous Bernoulli law where lam = e^-L is below every float, or next to 1."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from lmpower.counts import Counts
from lmpower.difficulty import ContinuousBernoulli, Scaled
from lmpower.difficulty.named import family_named, law_named
from lmpower.fit import Status, fit_difficulty
from lmpower.numerics.grid import Reach, shared_grid

F = np.float64
ROWS = np.array([(0, 0), (0, 1), (1, 0), (0, 50), (1, 49), (25, 25), (49, 1), (200, 3), (0, 2000)])
RATES = np.array([-1e6, -1e4, -353.0, -36.0, -1e-9, 0.0, 1e-9, 0.3, 40.0, 353.0, 356.0, 701.0, 1e4, 1e6])


def gauss(rate: float, s: np.ndarray, f: np.ndarray, c: float = 1.0) -> np.ndarray:
    """log E[p^s (1-p)^f] under p = c x, x of density ~ e^(-rate x), by Gauss's rule on panels of x."""
    nodes, weight = np.polynomial.legendre.leggauss(12)
    edges = np.concatenate([[0], np.geomspace(1e-14, 0.5, 300)])
    half = 0.5 * np.diff(edges)[:, None]
    near, d = (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weight).ravel()
    x, y = np.append(near, 1 - near), np.append(1 - near, near)
    log_density = (-rate * x if rate > 0 else rate * y) + np.log(np.append(d, d))
    log_density -= special.logsumexp(log_density)
    log_q = np.log(y) if c == 1 else np.log1p(-c * x)
    kernel = np.asarray(s)[:, None] * np.log(c * x) + np.asarray(f)[:, None] * log_q
    return special.logsumexp(log_density + kernel, axis=1)


def test_the_parameter_is_lam_and_what_is_held_its_logit():
    law = ContinuousBernoulli(F(0.1))
    np.testing.assert_allclose(law.logit_lam, np.log(0.1 / 0.9))
    np.testing.assert_allclose(law.parameters()["lam"], 0.1)
    assert list(law.parameters()) == list(family_named("continuous-bernoulli").parameters()) == ["lam"]
    steep = ContinuousBernoulli(logit_lam=F(-1e5))
    assert steep.lam == 0
    np.testing.assert_allclose(steep.mean(), 1e-5)
    for given in ({}, {"lam": F(0.1), "logit_lam": F(-2.0)}):
        with pytest.raises(TypeError, match="takes lam or logit_lam, and one of them only"):
            ContinuousBernoulli(**given)
    batch = ContinuousBernoulli(lam=np.array([0.1, 0.5]))
    assert batch.batch_shape == (2,)
    assert batch.logit_lam[1] == 0


def test_a_law_is_written_with_its_lam():
    for text, lam, rest in (
        ("continuous-bernoulli:.1", 0.1, {}),
        ("scaled-continuous-bernoulli:.1,.5", 0.1, {"c": 0.5}),
        ("zero-inflated-scaled-continuous-bernoulli:.9,.5,.25", 0.9, {"c": 0.5, "pi0": 0.25}),
    ):
        assert law_named(text).parameters() == {"lam": pytest.approx(lam)} | rest
    for text in ("continuous-bernoulli:1", "continuous-bernoulli:0", "continuous-bernoulli:1.5"):
        with pytest.raises(ValueError, match="lam must be above 0 and at most 1; got"):
            law_named(text)


@pytest.mark.parametrize("c", [None, 1.0, 0.2])
def test_moments_are_gauss_s_over_the_whole_box(c):
    s, f = ROWS.astype(float).T
    for rate in RATES:
        law = ContinuousBernoulli(logit_lam=F(-rate))
        law = law if c is None else Scaled(law, F(c))
        truth = gauss(rate, s, f, c or 1.0)
        np.testing.assert_allclose(law.log_moment(s, f), truth, rtol=1e-9, atol=1e-9, err_msg=f"{rate}")


@pytest.mark.parametrize("dtype", [pytest.param(np.float64, marks=pytest.mark.slow), np.float32])
@pytest.mark.parametrize("family", ["continuous-bernoulli", "scaled-continuous-bernoulli"])
def test_value_gradient_and_hessian_are_finite_over_the_whole_box(family, dtype):
    """Guards against 1/lam^2, which overflows for logit lam < -354."""
    law, (s, f) = family_named(family), ROWS.astype(dtype).T
    low, high = np.array(law.box.lower), np.array(law.box.upper)
    share = np.linspace(0, 1, 41)[:, None]
    scales = np.log([1e-6, 0.2, 1.0])
    theta = low + share * (high - low)
    if len(low) == 2:
        theta = np.concatenate([np.column_stack([theta[:, 0], np.full(41, scale)]) for scale in scales])

    def on_points(t):
        cloud = law.from_search(t).points(shared_grid(Reach(1000, 10_000)))
        terms = s[:, None] * cloud.log_p + f[:, None] * cloud.log_q + cloud.log_weight
        return jax.scipy.special.logsumexp(terms, axis=1)

    def itself(t):
        return law.from_search(t).log_moment(s, f)

    with jax.enable_x64(dtype is np.float64):
        for function in (on_points, itself) if dtype is np.float64 else (on_points,):
            for part in (function, jax.jacfwd(function), jax.jacfwd(jax.jacfwd(function))):
                found = np.asarray(jax.jit(jax.vmap(part))(jnp.asarray(theta, dtype)))
                assert np.all(np.isfinite(found))


@pytest.mark.parametrize("family", ["continuous-bernoulli", "scaled-continuous-bernoulli"])
@pytest.mark.parametrize("rate", [400.0, 1e3, 1e5, -50.0, -1e4])
def test_a_fit_to_means_next_to_0_and_1_is_the_maximum(family, rate):
    """Guards against NOT_CONVERGED wherever pass@1 was below 1/355."""
    attempts = int(20 * abs(rate))
    p = np.random.default_rng(1).exponential(1 / abs(rate), 64)
    hits = np.random.default_rng(2).binomial(attempts, p)
    counts = Counts(attempts=[attempts] * 64, successes=hits if rate > 0 else attempts - hits)
    fit = fit_difficulty(counts, family)
    assert fit.status == Status.CONVERGED
    s, f = counts.successes, counts.attempts - counts.successes

    def height(rate, c):
        log_choose = -special.betaln(s + 1, f + 1) - np.log(attempts + 1)
        return np.sum(log_choose + gauss(rate, s, f, c))

    law = fit.difficulty
    base, c = (law.base, float(law.c)) if isinstance(law, Scaled) else (law, 1.0)
    found = -float(base.logit_lam)
    np.testing.assert_allclose(fit.log_likelihood, height(found, c), rtol=0, atol=1e-5)
    for other in (0.97, 1.03):
        assert height(other * found, c) < fit.log_likelihood - 1e-3
    assert abs(found / c / rate - 1) < 0.5


@pytest.mark.parametrize("rate", [-1e5, -30.0, 1e-8, 30.0, 1e5])
def test_draws_and_cdf_are_those_of_a_cut_exponential(rate):
    law = ContinuousBernoulli(logit_lam=F(-rate))
    away = stats.truncexpon(abs(rate), scale=1 / abs(rate))
    near = np.geomspace(1e-9, 1, 50)
    # seen from the end where most lie
    x, truth = (near, away.cdf(near)) if rate > 0 else (1 - near, away.sf(near))
    np.testing.assert_allclose(law.cdf(x), truth, rtol=1e-6, atol=1e-12)
    with jax.enable_x64(True):
        log_p = np.asarray(jax.tree.map(jnp.asarray, law).sample_log_p(jax.random.key(0), (1000,)))
    drawn = np.exp(log_p) if rate > 0 else -np.expm1(log_p)
    assert stats.kstest(drawn, away.cdf).pvalue > 1e-3
