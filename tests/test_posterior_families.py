"""Posteriors family by family: evidence found another way, kinds of problem, ranks of true values."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from posterior_counts import DATASETS
from scipy import integrate, special, stats

from lmpower.counts import Counts, rows_of_many
from lmpower.posterior import sample as sample_file
from lmpower.posterior import sample_posterior
from lmpower.prior import sample_prior

KEY = jax.random.key(7)


# --- against integrals found another way ---


def test_the_evidence_is_right_in_one_dimension():
    """Uniform(0, h): E[p^s (1-p)^f] is an incomplete Beta integral, and h^(1/2) is uniform a priori."""
    counts = DATASETS["8 problems"]
    posterior = sample_posterior([counts] * 4, "uniform", key=KEY, draws=400)
    s, f = counts.successes, counts.failures
    log_choose = -special.betaln(s + 1, f + 1) - np.log(s + f + 1)

    def likelihood(root: float) -> float:
        h = root**2
        log_moment = special.betaln(s + 1, f + 1) + np.log(special.betainc(s + 1, f + 1, h)) - math.log(h)
        return math.exp(np.sum(log_moment + log_choose) + 20.0)

    truth, _ = integrate.quad(likelihood, 1e-3, 1.0, points=[0.3, 0.6, 0.9], epsabs=0, epsrel=1e-10)
    np.testing.assert_allclose(posterior.log_evidence, math.log(truth) - 20.0, atol=0.01)
    assert np.ptp(posterior.log_evidence) > 0  # each with random numbers of its own
    assert np.all(posterior.tail_exponent == 1)
    assert "1 to 1" in posterior[0].summary()


def test_a_law_too_steep_for_a_float_is_weighed_all_the_same():
    """Guards against half a posterior unseen: lam = e^-190 is 0 in float32, and e^-1000 in any float."""
    rng = np.random.default_rng(0)
    easy = Counts(attempts=[200] * 64, successes=rng.binomial(200, rng.exponential(0.004, 64)))
    never = DATASETS["no success"]
    posterior = sample_posterior([easy, never], "continuous-bernoulli", key=KEY, draws=400)
    assert np.all(posterior.ok)
    assert np.all(posterior.ess > 1000)
    for i, counts in enumerate((easy, never)):
        rows = counts.rows()
        cells = np.linspace(-6, 2, 321)
        rate = 2 * np.sinh(1.5 - 1.5 * cells)
        height = -0.5 * cells**2 - 0.5 * math.log(2 * math.pi) + np.sum(rows.weight * rows.log_choose)
        # 1F1(1+s; 2+s+f; -L) and its normaliser, by Gauss's rule over p e^(-Lp) on 400 panels of p
        x, w = np.polynomial.legendre.leggauss(10)
        edges = np.concatenate([[0], np.geomspace(1e-6, 1, 400)])
        half = 0.5 * np.diff(edges)[:, None]
        p, dp = (edges[:-1, None] + half * (1 + x)).ravel(), (half * w).ravel()
        log_density = -rate[:, None] * p - special.logsumexp(-rate[:, None] * p, b=dp, axis=1)[:, None]
        for s, f, many in zip(rows.successes, rows.failures, rows.weight, strict=True):
            kernel = s * np.log(p) + f * np.log1p(-p)
            height = height + many * special.logsumexp(log_density + kernel, b=dp, axis=1)
        evidence = special.logsumexp(height) + math.log(cells[1] - cells[0])
        mass = np.exp(height - special.logsumexp(height))
        mean = mass @ cells
        sd = math.sqrt(mass @ (cells - mean) ** 2)
        np.testing.assert_allclose(posterior.log_evidence[i], evidence, atol=0.02)
        assert abs(np.mean(posterior.u[i]) - mean) < 0.1 * sd
        assert abs(np.std(posterior.u[i]) / sd - 1) < 0.15


# --- kinds of problem ---


def test_kinds_of_problem_are_in_order_of_their_size():
    family = "discrete-2"
    rng = np.random.default_rng(4)
    p = np.where(rng.random(60) < 0.5, 0.03, 0.5)
    counts = Counts(attempts=[40] * 60, successes=rng.binomial(40, p))
    posterior = sample_posterior([counts] * 2, family, key=KEY, draws=400)
    assert np.all(np.diff(posterior.difficulty.p, axis=-1) > 0)
    np.testing.assert_allclose(np.sum(posterior.difficulty.weights, axis=-1), 1.0)
    # each weight went with its point: the law is the one at u
    low, high = (posterior.parameters()[name] for name in ("p_0", "p_1"))
    assert np.all(np.abs(np.mean(low, axis=-1) - 0.03) < 0.03)
    assert np.all(np.abs(np.mean(high, axis=-1) - 0.5) < 0.05)
    assert set(posterior.parameters()) == {"p_0", "p_1", "weights_0", "weights_1"}
    law = posterior.difficulty
    mass = stats.binom.pmf(counts.successes[:, None], 40, law.p[:, :, None, :]) * law.weights[:, :, None, :]
    total = np.sum(np.log(np.sum(mass, axis=-1)), axis=-1)
    np.testing.assert_allclose(total, posterior.log_likelihood, atol=2e-3)
    # there is no power law, and nothing is said of one
    assert np.all(np.isnan(posterior.tail_exponent))
    assert "tail exponent" not in posterior[0].summary()
    assert posterior[0].to_dict()["tail_exponent"]["mean"] is None


def test_chains_of_kinds_that_are_all_solved_can_have_mixed():
    """Guards against an R-hat of nan: log(-log pass@10,000) is -inf for every draw."""
    rng = np.random.default_rng(0)
    easy = Counts(attempts=[60] * 64, successes=rng.binomial(60, rng.choice([0.1, 0.4], 64)))
    posterior = sample_posterior(easy, "discrete-2", key=KEY, draws=400, method="nuts")
    assert posterior.r_hat < 1.1
    assert posterior.ess > 50


def test_chains_that_have_not_mixed_are_run_longer(monkeypatch):
    """Two kinds that can hardly be told apart: their chains go to and fro slowly."""
    rng = np.random.default_rng(0)
    p = [np.where(rng.random(64) < 0.6, 0.042, 0.017) for _ in range(3)]
    alike = [Counts(attempts=[100] * 64, successes=rng.binomial(100, each)) for each in p]
    longer = sample_posterior(alike, "discrete-2", key=KEY, method="nuts")
    monkeypatch.setattr(sample_file, "_LONGER", 1)
    short = sample_posterior(alike, "discrete-2", key=KEY, method="nuts")
    assert np.all(longer.ess >= short.ess)
    assert np.sum(longer.ok) > np.sum(short.ok)


# --- calibration: the rank of a truth drawn from the prior among the draws is uniform ---


@pytest.mark.parametrize(
    "family",
    [
        "beta",
        pytest.param("scaled-kumaraswamy", marks=pytest.mark.slow),
        pytest.param("zero-inflated-beta", marks=pytest.mark.slow),
    ],
)
def test_ranks_of_true_values_are_uniform(family):
    """Simulation-based calibration (Talts et al. 2018, arXiv 1804.06788)."""
    replicates, problems, attempts = 200, 32, 30
    truth = sample_prior(family, replicates, key=jax.random.key(0))
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(1), replicates)
        log_p = np.asarray(jax.vmap(lambda law, key: law.sample_log_p(key, (problems,)))(truth, keys))
    successes = np.random.default_rng(0).binomial(attempts, np.exp(np.minimum(log_p, 0.0)))
    rows = rows_of_many(np.full(problems, attempts), successes)
    posterior = sample_posterior(rows, family, key=jax.random.key(2), draws=200, fall_back=False)
    assert np.all(posterior.ok)
    for name, draws in posterior.parameters().items():
        below = np.mean(draws < truth.parameters()[name][:, None], axis=-1)
        bins = np.bincount(np.minimum((10 * below).astype(int), 9), minlength=10)
        assert stats.chisquare(bins).pvalue > 1e-4, f"{name}: {bins}"
        # central intervals of 90 % hold 90 %, give or take four standard errors
        at = posterior.estimate(draws, 0.9)
        held = np.mean((at.lower <= truth.parameters()[name]) & (truth.parameters()[name] <= at.upper))
        assert abs(held - 0.9) < 4 * math.sqrt(0.9 * 0.1 / replicates)
