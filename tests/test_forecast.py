"""Forecasts against the closed forms and sums they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import betaln

from lmpower.counts import Counts
from lmpower.difficulty import Beta, Kumaraswamy
from lmpower.fit import fit_difficulty
from lmpower.forecast import forecast_pass_at_k

A, B = 0.4, 3.0
LAW = Beta(np.float64(A), np.float64(B))
COUNTS = Counts(
    attempts=np.array([50, 50, 50, 20, 100]), successes=np.array([0, 3, 0, 20, 41]), problem=None
)
KS = np.array([1, 10, 100, 10_000])


@pytest.fixture(scope="module")
def same():
    return forecast_pass_at_k(LAW, KS, COUNTS)


def test_new_problems_are_pass_at_k():
    new = forecast_pass_at_k(LAW, KS)
    assert new.problems == "new"
    np.testing.assert_allclose(new.pass_at_k, LAW.pass_at_k(KS), rtol=1e-9)
    np.testing.assert_allclose(new.neg_log, -np.log(new.pass_at_k))
    assert new.per_problem is None
    assert np.all(np.isnan(new.lower))


def test_the_same_problems_are_conditional_on_what_was_seen(same):
    a, b = A + COUNTS.successes[:, None], B + COUNTS.failures[:, None]
    truth = -np.expm1(betaln(a, b + KS) - betaln(a, b))
    assert same.problems == "same"
    assert same.per_problem.shape == (len(COUNTS), len(KS))
    np.testing.assert_allclose(same.per_problem, truth, rtol=1e-9)
    np.testing.assert_allclose(same.pass_at_k, truth.mean(axis=0), rtol=1e-9)


def test_the_same_problems_under_a_law_without_closed_form():
    law, ks = Kumaraswamy(np.float64(0.7), np.float64(4.0)), np.array([1, 30])

    def posterior_mean(s, f, k):
        def weight(x):  # in t = p^alpha the density of Kumaraswamy's law is beta (1-t)^(beta-1)
            p = x ** (1 / 0.7)
            return p**s * (1 - p) ** f * (1 - x) ** 3

        options = {"epsabs": 0, "epsrel": 1e-10, "limit": 200}
        above = integrate.quad(lambda x: weight(x) * (1 - x ** (1 / 0.7)) ** k, 0, 1, **options)[0]
        return 1 - above / integrate.quad(weight, 0, 1, **options)[0]

    few = Counts(attempts=np.array([20, 20, 9]), successes=np.array([0, 2, 8]))
    truth = [[posterior_mean(s, f, k) for k in ks] for s, f in ((0, 20), (2, 18), (8, 1))]
    ours = forecast_pass_at_k(law, ks, few)
    np.testing.assert_allclose(ours.per_problem, truth, rtol=1e-7)


def test_all_of_k_attempts():
    ours = forecast_pass_at_k(LAW, KS[:3], COUNTS, metric="all")
    a, b = A + COUNTS.successes[:, None], B + COUNTS.failures[:, None]
    truth = np.exp(betaln(a + KS[:3], b) - betaln(a, b))
    np.testing.assert_allclose(ours.per_problem, truth, rtol=1e-8, atol=1e-13)


def test_at_least_a_share_of_k_attempts():
    """P(Bin(4, p) >= 2), averaged: a sum of Beta-binomial probabilities."""
    ours = forecast_pass_at_k(LAW, [4], COUNTS, metric="at_least", tau=0.5)
    truth = stats.betabinom.sf(1, 4, A + COUNTS.successes, B + COUNTS.failures)
    np.testing.assert_allclose(ours.per_problem[:, 0], truth, rtol=1e-8)
    np.testing.assert_allclose(ours.pass_at_k, truth.mean(), rtol=1e-8)


def test_a_batch_has_its_axis_first():
    law = Beta(np.array([0.2, 0.4, 0.8]), np.array([1.0, 3.0, 9.0]))
    ours = forecast_pass_at_k(law, KS)
    assert ours.pass_at_k.shape == (3, len(KS))
    np.testing.assert_allclose(ours.pass_at_k[1], LAW.pass_at_k(KS), rtol=1e-9)
    with pytest.raises(ValueError, match="one difficulty, not a batch"):
        forecast_pass_at_k(law, KS, COUNTS)


@pytest.mark.parametrize("problems", ["same", "new"])
def test_intervals_contain_the_truth_of_a_simulated_case(problems):
    rng = np.random.default_rng(5)
    p = rng.beta(A, B, 100)
    counts = Counts(attempts=np.full(100, 60), successes=rng.binomial(60, p))
    fit = fit_difficulty(counts, "beta")
    ks = np.array([10, 1000])
    ours = forecast_pass_at_k(fit, ks, counts, problems=problems, level=0.99)
    truth = {
        "same": np.mean(-np.expm1(ks[:, None] * np.log1p(-p)), axis=1),
        "new": LAW.pass_at_k(ks),
    }[problems]
    assert np.all(ours.lower < ours.pass_at_k)
    assert np.all(ours.pass_at_k < ours.upper)
    assert np.all((ours.lower < truth) & (truth < ours.upper))
    assert np.all(ours.upper - ours.lower < 0.35)


def test_what_a_forecast_says(same):
    assert len(same.to_dict()) == len(KS)
    assert same.to_dict()[1]["k"] == 10
    assert same.to_dict()[1]["lower"] is None
    assert "10,000" in same.summary()
    assert "90% interval" in same.summary()


@pytest.mark.parametrize("k", [0, -3, 2.5, np.nan])
def test_a_budget_must_be_a_whole_number_of_at_least_1(k):
    with pytest.raises(ValueError, match="k"):
        forecast_pass_at_k(LAW, [1, k])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"level": 1.0}, r"level must lie in \(0, 1\), not 1.0"),
        ({"level": 90}, r"level must lie in \(0, 1\), not 90"),
        ({"metric": "most"}, "metric must be one of any, all, at_least, not 'most'"),
        ({"metric": "at_least"}, r"needs a share tau in \(0, 1\], not None"),
        ({"metric": "at_least", "tau": 1.5}, r"needs a share tau in \(0, 1\], not 1.5"),
        ({"tau": 0.5}, "tau goes with metric='at_least' only, not with 'any'"),
        ({"problems": "old"}, "problems must be 'same' or 'new', not 'old'"),
        ({"problems": "same"}, "needs their counts"),
    ],
)
def test_what_is_out_of_range_is_repeated(asked, message):
    with pytest.raises(ValueError, match=message):
        forecast_pass_at_k(LAW, KS, **asked)
