"""Every estimator against an independent way to the same number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import optimize, special, stats

from lmpower.baseline import fit_line, log_spaced_ks
from lmpower.counts import Counts, CountsError, rows_of_many, stack_rows
from lmpower.difficulty.named import family_named
from lmpower.estimators import ESTIMATORS, WINDOW, estimator_named, largest_p
from lmpower.estimators.binned import discretized
from lmpower.estimators.curves import log_failure_at
from lmpower.estimators.laws import curve_of, fit_freely, read_off, scale_rule
from lmpower.fit.maximum import Status
from lmpower.passk import pass_at_k

ATTEMPTS, PROBLEMS, BATCH = 100, 64, 5
KS = np.array([10.0, 100.0, 1000.0])
RNG = np.random.default_rng(3)
SUCCESSES = RNG.binomial(ATTEMPTS, 0.6 * RNG.beta(0.35, 3.0, (BATCH, PROBLEMS)))
ROWS = rows_of_many(np.asarray(ATTEMPTS), SUCCESSES)
COUNTS = [Counts([ATTEMPTS] * PROBLEMS, s) for s in SUCCESSES]


@pytest.fixture(scope="module")
def estimates():
    return {name: estimator(ROWS, KS) for name, estimator in ESTIMATORS.items()}


def test_rows_of_many_are_the_rows_of_each():
    attempts = RNG.integers(1, 30, PROBLEMS)
    successes = RNG.binomial(attempts, 0.2, (BATCH, PROBLEMS))
    many = rows_of_many(attempts, successes)
    each = stack_rows([Counts(attempts, s).rows() for s in successes])
    for b in range(BATCH):
        sets = []
        for rows in (many, each):
            lines = np.stack([rows.successes[b], rows.failures[b], rows.weight[b]], -1)
            sets.append(sorted(map(tuple, lines[lines[:, 2] > 0])))
        assert sets[0] == sets[1]
    assert many.weight.sum() == BATCH * PROBLEMS
    assert many.weight.shape[1] % 8 == 0


def test_rows_of_the_largest_counts():
    attempts = np.array([2**53, 2**53, 2**53 - 1, 4 * 10**9, 1, 1])
    successes = np.array([[2**53, 2**53, 7, 7, 1, 0], [0, 2**53 - 1, 7, 7, 1, 1]])
    many = rows_of_many(attempts, successes)
    each = stack_rows([Counts(attempts, s).rows() for s in successes])
    for b, distinct in enumerate((5, 5)):
        found, wanted = (
            {(s, f): w for s, f, w in zip(r.successes[b], r.failures[b], r.weight[b], strict=True) if w}
            for r in (many, each)
        )
        assert found == wanted
        assert len(found) == distinct


def test_all_say_something_about_every_dataset(estimates):
    for name, estimate in estimates.items():
        assert estimate.pass_at_k.shape == (BATCH, KS.size), name
        assert estimate.tail_exponent.shape == estimate.window_slope.shape == (BATCH,), name
        assert np.all((estimate.pass_at_k > 0) & (estimate.pass_at_k <= 1)), name
        assert np.all(np.diff(estimate.pass_at_k) >= 0), name


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_dataset_s_estimate_does_not_depend_on_its_neighbours(name, estimates):
    alone = ESTIMATORS[name](rows_of_many(np.asarray(ATTEMPTS), SUCCESSES[2:3]), KS)
    np.testing.assert_allclose(alone.pass_at_k[0], estimates[name].pass_at_k[2], rtol=1e-5)
    np.testing.assert_allclose(alone.tail_exponent[0], estimates[name].tail_exponent[2], rtol=1e-4)


@pytest.mark.parametrize("name", ["line", "semilog", "brown"])
def test_a_curve_goes_through_all_attempts_of_its_own(name, estimates):
    few = Counts([20] * 40, RNG.binomial(20, 0.2, 40)).rows()
    both = stack_rows([few, *(counts.rows() for counts in COUNTS)])
    mixed = ESTIMATORS[name](both, KS)
    np.testing.assert_allclose(mixed.numbers[1:], estimates[name].numbers, rtol=1e-9)


def test_pass_at_k_is_the_unbiased_one():
    ks = np.array([1.0, 7.0, 100.0])
    ours = -np.expm1(log_failure_at(ROWS, ks))
    for b, counts in enumerate(COUNTS):
        np.testing.assert_allclose(ours[b], pass_at_k(counts, ks.astype(int)).estimate, rtol=1e-12)


def test_the_line_is_the_baseline_s(estimates):
    for b, counts in enumerate(COUNTS):
        line = fit_line(counts, log_spaced_ks(ATTEMPTS))
        np.testing.assert_allclose(estimates["line"].tail_exponent[b], line.b, rtol=1e-10)
        np.testing.assert_allclose(estimates["line"].pass_at_k[b], line.pass_at_k(KS), rtol=1e-10)


def test_semilog_is_a_straight_line_in_log_k(estimates):
    ks = log_spaced_ks(ATTEMPTS)
    for b, counts in enumerate(COUNTS):
        slope, intercept = np.polyfit(np.log(ks), -pass_at_k(counts, ks).log_estimate, 1)
        there = np.exp(-np.maximum(intercept + slope * np.log(KS), 0))
        np.testing.assert_allclose(estimates["semilog"].pass_at_k[b], there, rtol=1e-9)


def test_brown_is_scipy_s_least_squares(estimates):
    ks = log_spaced_ks(ATTEMPTS, 40)
    for b, counts in enumerate(COUNTS):
        coverage = pass_at_k(counts, ks).estimate
        (a, slope), _ = optimize.curve_fit(
            lambda k, a, slope: np.exp(-a * k**-slope), ks, coverage, p0=(3.0, 0.4), xtol=1e-12
        )
        np.testing.assert_allclose(estimates["brown"].tail_exponent[b], slope, rtol=1e-5)
        np.testing.assert_allclose(estimates["brown"].pass_at_k[b], np.exp(-a * KS**-slope), rtol=1e-5)


def test_beta_binomial_is_scipy_s_maximum(estimates):
    def loss(theta, s):
        return -np.sum(stats.betabinom.logpmf(s, ATTEMPTS, *np.exp(theta)))

    for b, s in enumerate(SUCCESSES):
        best = optimize.minimize(loss, np.log([0.3, 3.0]), args=(s,), method="Nelder-Mead",
                                 options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
        alpha, beta = np.exp(best.x)
        new, given = (estimates[name] for name in ("beta-binomial", "beta-binomial-given"))
        np.testing.assert_allclose(new.tail_exponent[b], alpha, rtol=1e-5)
        failure = special.betaln(alpha, beta + KS) - special.betaln(alpha, beta)
        np.testing.assert_allclose(new.pass_at_k[b], -np.expm1(failure), rtol=1e-5)
        on_these = special.betaln(alpha + s[:, None], beta + ATTEMPTS - s[:, None] + KS)
        on_these -= special.betaln(alpha + s, beta + ATTEMPTS - s)[:, None]
        np.testing.assert_allclose(given.pass_at_k[b], np.mean(-np.expm1(on_these), 0), rtol=1e-5)


def test_the_published_scale_is_a_rule():
    largest = SUCCESSES.max(1) / ATTEMPTS
    np.testing.assert_allclose(scale_rule(ROWS), np.minimum((PROBLEMS + 1) / PROBLEMS * largest, 1))


def scaled_kumaraswamy_cdf(p, alpha, beta, c):
    return 1 - (1 - np.minimum(p / c, 1) ** alpha) ** beta


def scaled_beta_cdf(p, alpha, beta, c):
    return stats.beta.cdf(np.minimum(p / c, 1), alpha, beta)


@pytest.mark.parametrize(("name", "cdf"), [
    ("discretized-beta", scaled_beta_cdf), ("discretized-kumaraswamy", scaled_kumaraswamy_cdf),
])  # fmt: skip
def test_discretized_fits_are_scipy_s(name, cdf, estimates):
    edges = np.concatenate([[0.0], np.logspace(-2, 0, 10)])
    edges[1] = 0.01
    for b, s in enumerate(SUCCESSES):
        rate = s / ATTEMPTS
        problems = np.histogram(rate, edges)[0]
        c = rate.max()
        used = problems > 0

        def loss(theta, c=c, used=used, problems=problems):
            mass = np.diff(cdf(edges, *np.exp(theta), c))[used]
            return -np.sum(problems[used] * np.log(np.maximum(mass, 1e-300)))

        best = optimize.minimize(loss, np.log([0.3, 2.0]), method="Nelder-Mead",
                                 bounds=[np.log([0.01, 100])] * 2,
                                 options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
        np.testing.assert_allclose(estimates[name].tail_exponent[b], np.exp(best.x[0]), rtol=1e-4)


def test_a_first_edge_above_1_in_n_takes_problems_solved_once_for_unsolved():
    """The published bins at N = 464: two histograms that differ in nothing else."""
    once = rows_of_many(np.asarray(464), np.array([[0] * 40 + [1] * 9 + [3, 20, 50, 300]]))
    never = rows_of_many(np.asarray(464), np.array([[0] * 49 + [3, 20, 50, 300]]))
    options = {"family": "beta", "corrected": False}
    exact, missed = (discretized(once, KS, WINDOW, **options, once_in_first=x) for x in (False, True))
    as_unsolved = discretized(never, KS, WINDOW, **options)
    np.testing.assert_allclose(missed.pass_at_k, as_unsolved.pass_at_k, rtol=1e-9)
    assert missed.tail_exponent[0] < exact.tail_exponent[0]


def test_slope_as_exponent_is_all_that_correcting_changes(estimates):
    for family in ("beta", "kumaraswamy"):
        published = estimates[f"{family}-binomial-published"]
        corrected = estimates[f"{family}-binomial-corrected"]
        np.testing.assert_array_equal(published.pass_at_k, corrected.pass_at_k)
        np.testing.assert_array_equal(published.tail_exponent, published.window_slope)
        assert np.all(corrected.tail_exponent < published.tail_exponent)


def test_independent_problems_are_a_beta_each(estimates):
    failure = special.betaln(1 + SUCCESSES[..., None], 1 + ATTEMPTS - SUCCESSES[..., None] + KS)
    failure -= special.betaln(1 + SUCCESSES, 1 + ATTEMPTS - SUCCESSES)[..., None]
    truth = np.mean(-np.expm1(failure), axis=1)
    np.testing.assert_allclose(estimates["independent"].pass_at_k, truth, rtol=1e-10)


def test_window_slopes_are_slopes_in_the_window(estimates):
    ks = np.geomspace(*WINDOW, 20)
    for name in ("scaled-beta", "independent", "discretized-beta"):
        curve = ESTIMATORS[name](ROWS, ks).pass_at_k
        for b in range(BATCH):
            slope = -np.polyfit(np.log(ks), np.log(-np.log(curve[b])), 1)[0]
            np.testing.assert_allclose(estimates[name].window_slope[b], slope, rtol=1e-9)


def test_the_largest_of_many_queries_follows_a_gumbel_tail():
    """Where the scores are exactly a line in log(j/m), the forecast is on that line."""
    m, a, b = 200, -0.8, -1.5
    j = np.arange(1, 11)
    p = np.exp(-np.exp((-np.log(j / m) + b) / a))
    attempts = np.full(m, 10**9)
    successes = np.concatenate([np.rint(p * 10**9), np.zeros(m - 10)]).astype(int)
    rows = rows_of_many(attempts, successes[None])
    queries = np.array([200.0, 1e4, 1e6])
    np.testing.assert_allclose(
        largest_p(rows, queries)[0], np.exp(-np.exp((np.log(queries) + b) / a)), rtol=1e-4
    )


def test_nothing_solved_is_nothing_said_by_a_fit():
    rows = rows_of_many(np.asarray(10), np.zeros((1, 20), int))
    for name in ("scaled-beta", "line", "discretized-beta", "brown"):
        assert np.all(np.isnan(ESTIMATORS[name](rows, KS).tail_exponent)), name
    assert np.all(np.isnan(largest_p(rows, np.array([10.0]))))


def test_a_fit_that_did_not_converge_says_nothing():
    """Its curve was left out and its exponent was scored."""
    fit = fit_freely(ROWS, family="scaled-beta")
    status = np.array([Status.CONVERGED, Status.NOT_CONVERGED, *fit.status[2:]])
    failed = status == Status.NOT_CONVERGED
    for exponent_of_curve in (False, True):
        ended = dataclasses.replace(fit, status=status)
        estimate = read_off(ROWS, KS, WINDOW, ended, slope_as_exponent=exponent_of_curve)
        np.testing.assert_array_equal(np.isnan(estimate.numbers).all(axis=1), failed)
        assert np.isfinite(estimate.tail_exponent[0])
        assert np.isnan(estimate.quantiles[1]).all()


def test_a_forecast_next_to_1_is_not_missing():
    """A pass@k summed to a little above 1 had no log, and its trial was left out of the scores."""
    alpha, beta = np.meshgrid([1.0, 3.0, 10.0, 30.0], [0.3, 1.0, 3.0, 10.0])
    theta = np.log(np.stack([alpha.ravel(), beta.ravel()], axis=-1))
    ks = np.array([10.0, 1e4, 1e8])
    log_failure = special.betaln(alpha.ravel()[:, None], beta.ravel()[:, None] + ks)
    log_failure -= special.betaln(alpha, beta).ravel()[:, None]
    curve = curve_of(family_named("beta"), theta, ks)
    with np.errstate(divide="ignore"):
        wanted = np.log(-np.log1p(-np.exp(log_failure)))
    met = np.exp(log_failure) > 1e-300
    np.testing.assert_allclose(curve.log_loss[met], wanted[met], atol=1e-5)
    assert not np.isnan(curve.log_loss).any()


def test_two_shapes_need_three_bins():
    """Under 30 attempts the published bins are 0 and all above."""
    for attempts, missing in ((29, True), (30, False)):
        successes = np.random.default_rng(1).binomial(attempts, 0.2, (1, 40))
        estimate = ESTIMATORS["discretized-beta"](rows_of_many(np.asarray(attempts), successes), KS)
        assert np.isnan(estimate.pass_at_k).all() == missing


def test_bad_input():
    with pytest.raises(ValueError, match=r"estimator must be one of line, .*, not 'lines'"):
        estimator_named("lines")
    with pytest.raises(CountsError, match="pass@200 cannot be read off a problem with 100 attempts"):
        log_failure_at(ROWS, np.array([200.0]))
