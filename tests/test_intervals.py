"""Intervals of estimators, and the scores of intervals, against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from lmpower.backtest import Synthetic, read_results, run_backtest, score
from lmpower.backtest.intervals import LEVELS, crps, ends_at, interval_score, intervals
from lmpower.counts import Counts, rows_of_many
from lmpower.difficulty.named import law_named
from lmpower.estimators import QUANTILES, estimate_all
from lmpower.fit import fit_difficulty
from lmpower.fit.uncertainty import covariance, standard_error
from lmpower.forecast import forecast_pass_at_k

Q = np.array(QUANTILES)
RNG = np.random.default_rng(5)
SUCCESSES = RNG.binomial(100, 0.6 * RNG.beta(0.4, 3.0, (3, 96)))
ROWS = rows_of_many(np.asarray(100), SUCCESSES)
KS = np.array([10.0, 1000.0])


@pytest.fixture(scope="module")
def estimates():
    names = ["beta-binomial", "beta-binomial-given", "beta-binomial-published", "line", "independent"]
    return dict(zip(names, estimate_all(names, ROWS, KS), strict=True))


def test_crps_is_that_of_a_normal_law():
    truth = np.array([-3.0, -0.4, 0.0, 1.1, 2.5])
    ours = crps(np.tile(2 + 3 * stats.norm.ppf(Q), (5, 1)), 2 + 3 * truth)
    # Gneiting & Raftery 2007, Eq. 21; 21 quantiles know the law to some per cent
    exact = 3 * (truth * (2 * stats.norm.cdf(truth) - 1) + 2 * stats.norm.pdf(truth) - np.pi**-0.5)
    np.testing.assert_allclose(ours, exact, rtol=0.03)


def test_crps_without_spread_is_the_absolute_error():
    np.testing.assert_allclose(crps(np.full((2, Q.size), 4.0), np.array([1.0, 9.0])), [3.0, 5.0])


def test_crps_of_nothing_is_nothing():
    assert np.isnan(crps(np.full((1, Q.size), np.nan), np.array([1.0])))
    assert np.isnan(crps(np.zeros((1, Q.size)), np.array([np.nan])))


@pytest.mark.parametrize("level", LEVELS)
def test_central_intervals_are_quantiles(level):
    lower, upper = ends_at(intervals(Q[None]), level)
    np.testing.assert_allclose([lower[0], upper[0]], [0.5 - level / 200, 0.5 + level / 200])


def test_the_interval_score_charges_width_and_misses():
    lower, upper = np.full(3, 1.0), np.full(3, 3.0)
    ours = interval_score(lower, upper, np.array([2.0, 0.5, 3.25]), 90)
    np.testing.assert_allclose(ours, [2.0, 2 + 20 * 0.5, 2 + 20 * 0.25])


def test_quantiles_rise_and_have_the_estimate_in_the_middle(estimates):
    for name in ("beta-binomial", "beta-binomial-given", "beta-binomial-published"):
        quantiles = estimates[name].quantiles
        assert quantiles.shape == (3, 4, Q.size)
        assert np.all(np.diff(quantiles) > 0), name
        np.testing.assert_allclose(quantiles[..., QUANTILES.index(0.5)], estimates[name].numbers, rtol=1e-9)
        assert np.all((quantiles[:, 2:] > 0) & (quantiles[:, 2:] < 1)), name


def test_who_gives_no_interval_says_so(estimates):
    assert estimates["line"].quantiles is None
    assert estimates["independent"].quantiles is None


def test_the_exponent_s_interval_has_the_fit_s_standard_error(estimates):
    fit = fit_difficulty(Counts([100] * 96, SUCCESSES[0]), "beta")
    z = stats.norm.ppf(0.95)
    wanted = fit.tail_exponent * np.exp(z * standard_error(fit) / fit.tail_exponent)
    ours = estimates["beta-binomial"].quantiles[0, 0, QUANTILES.index(0.95)]
    np.testing.assert_allclose(ours, wanted, rtol=1e-5)


def test_the_spread_of_a_forecast_is_the_delta_rule_s(estimates):
    """By differences of the closed form 1 - B(alpha, beta + k)/B(alpha, beta)."""
    fit = fit_difficulty(Counts([100] * 96, SUCCESSES[1]), "beta")

    def stretched(theta):
        alpha, beta = np.exp(theta)
        failure = np.exp(special.betaln(alpha, beta + KS) - special.betaln(alpha, beta))
        return np.log(-np.log1p(-failure))

    steps = 1e-5 * np.eye(2)
    slope = np.stack([(stretched(fit.theta + h) - stretched(fit.theta - h)) / 2e-5 for h in steps], -1)
    error = np.sqrt(np.einsum("kd,de,ke->k", slope, covariance(fit), slope))
    quantiles = estimates["beta-binomial"].quantiles[1, 2:]
    ours = np.log(-np.log(quantiles[:, 0])) - np.log(-np.log(quantiles[:, QUANTILES.index(0.5)]))
    np.testing.assert_allclose(ours, -stats.norm.ppf(Q[0]) * error, rtol=1e-4)


def test_a_forecast_for_these_problems_is_the_forecast_s(estimates):
    """The same covariance, and the same chance left at a given law, on another scale."""
    counts = Counts([100] * 96, SUCCESSES[2])
    fit = fit_difficulty(counts, "beta")
    wanted = forecast_pass_at_k(fit, KS, counts, level=0.5)
    given = estimates["beta-binomial-given"]
    np.testing.assert_allclose(given.pass_at_k[2], wanted.pass_at_k, rtol=1e-5)
    width = given.quantiles[2, 2:, QUANTILES.index(0.75)] - given.quantiles[2, 2:, QUANTILES.index(0.25)]
    np.testing.assert_allclose(width, wanted.upper - wanted.lower, rtol=0.02)


def test_the_slope_as_exponent_brings_its_own_interval(estimates):
    published = estimates["beta-binomial-published"]
    np.testing.assert_array_equal(published.quantiles[:, 0], published.quantiles[:, 1])


def test_those_that_read_one_fit_share_it(monkeypatch):
    """Seven estimators, three fits."""
    from lmpower.estimators import laws

    fits = []

    def counted(rows, template, **options):
        fits.append(template)
        return fit_rows(rows, template, **options)

    fit_rows = laws.fit_rows
    monkeypatch.setattr(laws, "fit_rows", counted)
    alike = ["beta-binomial-published", "beta-binomial-corrected"], ["beta-binomial", "beta-binomial-given"]
    estimate_all([*alike[0], *alike[1], "beta-weak", "line", "independent"], ROWS, KS)
    assert len(fits) == 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    plan = Synthetic(
        truths={"t": law_named("beta:.4,3")},
        problems=[128],
        attempts=[100],
        seeds=200,
        estimators=["beta-binomial", "line"],
        ks=(10, 1000),
    )
    return read_results(run_backtest(plan, tmp_path_factory.mktemp("intervals") / "out", progress=False))


def test_results_have_the_intervals(table):
    mine = table["estimator"] == "beta-binomial"
    order = [table[name][mine] for name in ("lower_95", "lower", "lower_80", "lower_50", "estimate",
                                            "upper_50", "upper_80", "upper", "upper_95")]  # fmt: skip
    assert np.all(np.diff(order, axis=0) > 0)
    assert np.all(np.isnan(table["lower"][~mine]))
    assert np.all(np.isnan(table["crps"][~mine]))


def test_intervals_of_the_right_law_hold_the_truth_as_often_as_they_say(table):
    """200 trials: a coverage of .9 has a standard error of .021."""
    for record in score(table):
        if record["estimator"] != "beta-binomial":
            assert np.isnan(record["coverage_90"])
            continue
        for level, error in ((50, 0.035), (80, 0.028), (90, 0.021), (95, 0.015)):
            assert abs(record[f"coverage_{level}"] - level / 100) < 3.5 * error, (record["quantity"], level)
        assert record["width_50"] < record["width_95"]
        assert record["crps"] > 0
