"""Forecasts against the closed forms and sums they stand for."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import betaln, comb

from lmpower.counts import Counts
from lmpower.difficulty import Beta, Kumaraswamy
from lmpower.fit import fit_difficulty
from lmpower.forecast import forecast_pass_at_k
from lmpower.forecast.posteriors import _at_a_time, _drawn, _simulate
from lmpower.posterior import sample_posterior

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


@pytest.mark.parametrize("problems", ["same", "new"])
def test_a_chance_does_not_round_to_more_than_1(problems):
    sure = fit_difficulty(Counts(np.full(12, 50), np.repeat([20, 35], 6)), "discrete-2")
    batch = jax.tree.map(lambda leaf: np.stack([leaf] * 7), sure.difficulty)
    for law in (sure, batch) if problems == "new" else (sure,):
        ours = forecast_pass_at_k(law, [1000, 10_000], None if problems == "new" else COUNTS)
        assert np.all(ours.pass_at_k <= 1)
        assert not np.any(ours.upper > 1)


def test_at_least_next_to_nothing_is_any():
    ks = np.array([1, 10, 1000])
    ours = forecast_pass_at_k(LAW, ks, COUNTS, metric="at_least", tau=1e-10)
    np.testing.assert_allclose(ours.per_problem, forecast_pass_at_k(LAW, ks, COUNTS).per_problem, rtol=1e-8)


def test_a_share_that_is_a_whole_number_but_for_rounding():
    """.07 * 100 is 7.000000000000001."""
    ours = forecast_pass_at_k(LAW, [100], metric="at_least", tau=0.07)
    np.testing.assert_allclose(ours.pass_at_k, stats.betabinom.sf(6, 100, A, B), rtol=1e-8)


@pytest.mark.parametrize(
    ("replicates", "what"),
    [(LAW, "a single one"), (3, "int")],
)
def test_replicates_are_a_batch(replicates, what):
    with pytest.raises(ValueError, match=f"a batch of fits, as from bootstrap_fit, not {what}"):
        forecast_pass_at_k(LAW, KS, COUNTS, replicates=replicates)


def test_replicates_that_all_failed_are_none():
    failed = fit_difficulty([Counts([10, 10], [0, 0])] * 3, "beta")
    with pytest.raises(ValueError, match="of these every one failed"):
        forecast_pass_at_k(LAW, KS, COUNTS, replicates=failed)


@pytest.mark.parametrize(("weights", "together"), [(10, 8), (1 << 21, 4), (1 << 22, 2), (1 << 40, 1)])
def test_draws_are_simulated_together_as_far_as_memory_allows(weights, together):
    assert _at_a_time(1000, weights) == together


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


# --- from posteriors ---


@pytest.fixture(scope="module")
def posterior():
    return sample_posterior(COUNTS, key=jax.random.key(0))


def certain(posterior, law, draws):
    """A posterior with no doubt about the law."""
    return dataclasses.replace(
        posterior,
        difficulty=jax.tree.map(lambda leaf: np.full(draws, leaf), law),
        log_likelihood=np.zeros(draws),
        u=np.zeros((draws, 2)),
    )


def test_the_interval_of_a_single_problem_does_not_move_in_steps(posterior):
    """Its chance is drawn from a grid: the ends must not be the grid's."""
    one, sure = Counts(attempts=[10], successes=[3]), certain(posterior, LAW, 8000)
    p = stats.beta(A + 3, B + 7)
    for level in (0.9, 0.8, 0.7, 0.6, 0.5):
        ours = forecast_pass_at_k(sure, [1], one, level=level)
        np.testing.assert_allclose([ours.lower[0], ours.upper[0]], p.interval(level), atol=0.06 * p.std())
    draws = forecast_pass_at_k(sure, [1], one).draws
    np.testing.assert_allclose(draws.mean(), p.mean(), atol=4 * p.std() / np.sqrt(8000))
    np.testing.assert_allclose(draws.std(), p.std(), rtol=0.05)


def test_chances_per_problem_are_means_over_draws_however_many(posterior):
    some = jax.tree.map(lambda leaf: leaf[:7], posterior.difficulty)
    seven = dataclasses.replace(
        posterior, difficulty=some, log_likelihood=posterior.log_likelihood[:7], u=posterior.u[:7]
    )
    ours = forecast_pass_at_k(seven, KS, COUNTS)
    a, b = (part[:, None, None] for part in (some.alpha, some.beta))
    s, f = COUNTS.successes[:, None], COUNTS.failures[:, None]
    truth = np.mean(-np.expm1(betaln(a + s, b + f + KS) - betaln(a + s, b + f)), axis=0)
    np.testing.assert_allclose(ours.per_problem, truth, rtol=1e-9)
    np.testing.assert_allclose(ours.pass_at_k, truth.mean(axis=0), rtol=1e-9)


def test_a_few_problems_more_need_no_other_program(posterior):
    """And what fills up the number has no weight."""

    def alike(problems):
        counts = Counts(attempts=np.full(problems, 10), successes=np.full(problems, 3))
        return forecast_pass_at_k(certain(posterior, LAW, 400), KS, counts)

    few = alike(65)
    programs = _simulate._cache_size()
    many = alike(80)
    assert _simulate._cache_size() == programs
    np.testing.assert_allclose(few.per_problem, many.per_problem[:65], rtol=1e-12)
    p = stats.beta(A + 3, B + 7).rvs((4000, 65), random_state=1)
    spread = np.std(np.mean(-np.expm1(KS * np.log1p(-p[..., None])), axis=1), axis=0)
    np.testing.assert_allclose(few.draws.std(axis=0), spread, rtol=0.15)


def test_a_problem_is_drawn_from_its_own_row():
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.full(50, 0.1), 40)
    weights[3, :20] = weights[7, 30:] = 0.0
    row, u = rng.integers(0, 40, 2000), rng.random(2000)
    row[:2], u[0], u[1] = [3, 7], 0.0, 1 - 2**-53
    with jax.enable_x64(True):
        ours = np.asarray(_drawn(weights, row, u))
    cumulative = np.cumsum(weights, axis=1)
    truth = [
        np.searchsorted(cumulative[r], v * cumulative[r, -1], side="right")
        for r, v in zip(row, u, strict=True)
    ]
    np.testing.assert_array_equal(ours[2:], truth[2:])
    assert weights[3, ours[0]] > 0
    assert ours[1] == 49 or weights[7, ours[1]] > 0


def test_what_would_be_measured_of_the_same_problems(posterior):
    """Attempts made and others: p of each problem is Beta, what it will show Beta-binomial."""
    sure = certain(posterior, LAW, 4000)
    ours = forecast_pass_at_k(sure, [1, 50], COUNTS, measured=200)
    rng = np.random.default_rng(0)
    n, s = COUNTS.attempts, COUNTS.successes
    p = rng.beta(A + s, B + n - s, (20_000, len(COUNTS)))
    every = s + rng.binomial(200 - n, p)
    passed = np.stack([1 - comb(200 - every, k) / comb(200, k) for k in (1, 50)], axis=-1).mean(axis=1)
    np.testing.assert_allclose(ours.draws.mean(axis=0), passed.mean(axis=0), atol=0.006)
    ends = np.quantile(passed, [0.05, 0.95], axis=0)
    np.testing.assert_allclose([ours.lower, ours.upper], ends, atol=0.012)
    np.testing.assert_allclose(ours.pass_at_k, forecast_pass_at_k(LAW, [1, 50], COUNTS).pass_at_k)


def test_what_would_be_measured_of_as_many_new_problems(posterior):
    sure = certain(posterior, LAW, 4000)
    ours = forecast_pass_at_k(sure, [1, 50], COUNTS, problems="new", measured=200)
    rng = np.random.default_rng(0)
    every = rng.binomial(200, rng.beta(A, B, (20_000, len(COUNTS))))
    passed = np.stack([1 - comb(200 - every, k) / comb(200, k) for k in (1, 50)], axis=-1).mean(axis=1)
    ends = np.quantile(passed, [0.05, 0.95], axis=0)
    np.testing.assert_allclose([ours.lower, ours.upper], ends, atol=0.02)


def test_measured_may_be_written_as_a_float(posterior):
    one, other = (forecast_pass_at_k(posterior, [10], COUNTS, measured=m) for m in (1000, 1e3))
    np.testing.assert_array_equal(one.draws, other.draws)
    assert other.measured == 1000


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"measured": 1000.5}, "measured must be a whole number of attempts, not 1000.5"),
        ({"measured": "many"}, "measured must be a whole number of attempts, not 'many'"),
        ({"measured": [100, 200]}, r"measured must be a whole number of attempts, not \[100, 200\]"),
        ({"measured": 9}, "9 attempts cannot measure pass@10"),
        ({"measured": 60}, "measured=60 is less than the 100 attempts already made"),
        ({"measured": 200, "metric": "all"}, "is for metric='any', not for 'all'"),
        ({"counts": {"a": COUNTS}}, "counts must be the Counts of one data set, not dict"),
        ({"counts": None, "measured": 200}, r"needs counts=\.\.\., for how many problems"),
        ({"difficulty": {"a": LAW}}, "takes a posterior, a fit or a difficulty, not dict"),
        ({"difficulty": None}, "takes a posterior, a fit or a difficulty, not NoneType"),
    ],
)
def test_what_cannot_be_asked_of_a_posterior_is_told_in_one_line(posterior, asked, message):
    with pytest.raises(ValueError, match=message) as error:
        forecast_pass_at_k(**({"difficulty": posterior, "ks": [10], "counts": COUNTS} | asked))
    assert "\n" not in str(error.value)


def test_a_small_share_is_shown_with_its_digits(posterior):
    hard = forecast_pass_at_k(certain(posterior, Beta(0.3, 3e4), 100), [1, 10**13], level=0.995)
    first, one, most = hard.summary().splitlines()
    assert "99.5% interval" in first
    assert one.split()[1] == f"{hard.pass_at_k[0]:#.4g}" == "1.000e-05"
    # in one column, however long the budget
    assert len({line.index(line.split()[1]) + len(line.split()[1]) for line in (one, most)}) == 1


def test_a_batch_has_no_table():
    law = Beta(np.array([0.2, 0.4]), np.array([1.0, 3.0]))
    with pytest.raises(ValueError, match=r"take pass_at_k\[i\]"):
        forecast_pass_at_k(law, KS).summary()
