"""Comparing families: left-out problems against refits and ArviZ, stacking, averages, predictive checks."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import jax
import numpy as np
import pytest
from scipy.special import betaln

from lmpower.compare import average_forecast, check_fit, compare_families, families
from lmpower.compare.average import weighted_quantiles
from lmpower.compare.checks import _replicated
from lmpower.compare.families import Comparison
from lmpower.compare.leave_one_out import error_of_sum, leave_one_out
from lmpower.compare.stacking import stacking_weights
from lmpower.counts import Counts, CountsError, Rows
from lmpower.difficulty import Beta
from lmpower.forecast import Forecast, forecast_pass_at_k
from lmpower.posterior import Posterior, Trust, sample_posterior
from lmpower.posterior.pointwise import log_predictive

KEY = jax.random.key(3)
PAIR = ("beta", "zero-inflated-beta")


def _drawn(seed: int, problems: int, attempts: int, alpha: float, beta: float, never: float) -> Counts:
    rng = np.random.default_rng(seed)
    p = rng.beta(alpha, beta, problems) * (rng.random(problems) >= never)
    n = np.full(problems, attempts)
    return Counts(n, rng.binomial(n, p))


# few distinct rows of many problems each; a clear truth, which no Beta looks like; and one problem apart
FEW_ROWS = _drawn(0, 128, 12, 0.6, 2.0, 0.0)
TRUTH = _drawn(1, 128, 50, 6.0, 4.0, 0.3)
APART = Counts(np.full(20, 20), np.r_[np.zeros(16, int), 1, 1, 2, 20])


@functools.cache
def _posterior(name: str, family: str = "beta") -> Posterior:
    return sample_posterior({"few": FEW_ROWS, "truth": TRUTH, "apart": APART}[name], family, key=KEY)


@functools.cache
def _comparison() -> Comparison:
    return compare_families(TRUTH, PAIR, key=KEY)


# --- pointwise ---


@pytest.mark.parametrize("family", PAIR)
def test_pointwise_is_the_log_moment_of_each_draw(family: str):
    posterior = _posterior("few", family)
    found, rows = log_predictive(posterior), posterior.rows
    there = rows.weight > 0
    assert found.shape == (1000, len(there))
    assert np.all(found[:, ~there] == 0)
    for i in (0, 1, 500, 999):
        law = jax.tree.map(lambda leaf, i=i: leaf[i], posterior.difficulty)
        exact = law.log_moment(rows.successes, rows.failures) + rows.log_choose
        np.testing.assert_allclose(found[i, there], exact[there], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found @ rows.weight, posterior.log_likelihood, atol=5e-3)


def test_pointwise_of_laws_narrower_than_the_grid():
    """The narrowest that the default prior of alpha reaches, eight standard deviations up."""
    posterior = _posterior("few")
    narrow = Beta(np.geomspace(3.0, 450.0, 1000), np.geomspace(5.0, 750.0, 1000))
    found = log_predictive(dataclasses.replace(posterior, difficulty=narrow))
    there = posterior.rows.weight > 0
    for i in (0, 600, 999):
        law = Beta(narrow.alpha[i], narrow.beta[i])
        exact = law.log_moment(posterior.rows.successes, posterior.rows.failures)
        np.testing.assert_allclose(found[i, there], (exact + posterior.rows.log_choose)[there], atol=1e-8)


def test_pointwise_of_a_batch():
    one = _posterior("few")
    two = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), one)
    turned = jax.tree.map(lambda leaf: np.stack([leaf, leaf[::-1]]), one.difficulty)
    both = log_predictive(dataclasses.replace(two, difficulty=turned))
    assert both.shape == (2, 1000, len(one.rows.weight))
    np.testing.assert_array_equal(both[0], log_predictive(one))
    np.testing.assert_array_equal(both[1], both[0][::-1])


# --- problems left out ---


@pytest.mark.parametrize("family", PAIR)
def test_left_out_problems_against_posteriors_without_them(family: str):
    posterior = _posterior("few", family)
    rows = FEW_ROWS.rows()
    size = len(rows.weight)
    assert np.max(rows.weight) > 10  # one of them is left out, not the row
    assert size < 16  # as few run as one data set does: no other programs are compiled
    found = leave_one_out(log_predictive(posterior)[:, :size])
    fewer = [np.broadcast_to(x, (size, size)) for x in (rows.successes, rows.failures)]
    without = sample_posterior(Rows(*fewer, rows.weight - np.eye(size)), family, key=KEY)
    assert np.all(without.ok)
    # each predicts the problem that it has not seen; two evidences say the same
    same = dataclasses.replace(without, rows=Rows(*fewer, np.ones((size, size))))
    logs = log_predictive(same)[np.arange(size), :, np.arange(size)]
    exact = np.log(np.mean(np.exp(logs), axis=-1))
    np.testing.assert_allclose(found.elpd, exact, atol=0.05)
    np.testing.assert_allclose(found.elpd, posterior.log_evidence - without.log_evidence, atol=0.06)
    assert abs((found.elpd - exact) @ rows.weight) < 1.0
    assert np.all(found.seen > found.elpd)
    assert np.all(found.pareto_k < 0.5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_left_out_problems_against_arviz():
    arviz = pytest.importorskip("arviz", exc_type=ImportError)
    if not hasattr(arviz, "InferenceData"):
        pytest.skip("ArviZ 1 has another loo")
    posterior = _posterior("few", "zero-inflated-beta")
    # each draw once: theirs leaves weights that tie with the largest below the tail out of it
    once = np.unique(posterior.u, axis=0, return_index=True)[1]
    assert len(once) > 500
    each = log_predictive(posterior)[once]
    every = each[:, FEW_ROWS.row_of_problem]
    data = arviz.from_dict(log_likelihood={"y": every[None]})
    theirs = arviz.loo(data, pointwise=True, reff=1.0)
    ours = leave_one_out(every)
    np.testing.assert_allclose(ours.elpd, theirs.loo_i.values, atol=1e-6)
    np.testing.assert_allclose(ours.pareto_k, theirs.pareto_k.values, atol=1e-6)
    rows = FEW_ROWS.rows()
    by_row = leave_one_out(each[:, : len(rows.weight)])
    np.testing.assert_allclose(by_row.elpd @ rows.weight, theirs.elpd_loo, atol=1e-6)
    np.testing.assert_allclose((by_row.seen - by_row.elpd) @ rows.weight, theirs.p_loo, atol=1e-6)
    # theirs divides by P, ours by P - 1
    error = error_of_sum(by_row.elpd, rows.weight) * np.sqrt(127 / 128)
    np.testing.assert_allclose(error, theirs.se, atol=1e-6)


def test_rows_are_smoothed_alike_in_any_block(monkeypatch: pytest.MonkeyPatch):
    logs = np.random.default_rng(0).normal(-3, 0.5, (200, 20))
    whole = leave_one_out(logs)
    monkeypatch.setattr("lmpower.compare.leave_one_out._ROWS_AT_A_TIME", 7)
    for one, other in zip(whole, leave_one_out(logs), strict=True):
        np.testing.assert_array_equal(one, other)


def _log_evidence(counts: Counts) -> float:
    """Of Beta under its default prior, by the trapezoid rule in both normal coordinates."""
    u = np.linspace(-8, 8, 321)
    alpha, beta = 0.3 * 4.0 ** u[:, None], 20.0 * 6.0**u
    rows = counts.rows()
    height = -0.5 * (u[:, None] ** 2 + u**2) - np.log(2 * np.pi)
    for s, f, weight in zip(rows.successes, rows.failures, rows.weight, strict=True):
        height += weight * (betaln(alpha + s, beta + f) - betaln(alpha, beta))
    top = height.max()
    log_integral = top + np.log(np.sum(np.exp(height - top)) * (u[1] - u[0]) ** 2)
    return float(log_integral + rows.weight @ rows.log_choose)


def test_a_problem_that_a_posterior_hangs_on_is_left_out_in_earnest():
    found = compare_families(APART, ["beta"], key=KEY)
    rows = APART.row_of_problem
    uneven = found.pareto_k_of_row[0] > 0.7
    assert np.flatnonzero(uneven).tolist() == [rows[-1]]
    assert found.resampled[0].tolist() == uneven.tolist()
    whole = _log_evidence(APART)
    np.testing.assert_allclose(found.log_evidence[0], whole, atol=0.05)
    for problem in (0, 16, 18, 19):
        others = np.arange(20) != problem
        exact = whole - _log_evidence(Counts(APART.attempts[others], APART.successes[others]))
        np.testing.assert_allclose(found.elpd_of_row[0, rows[problem]], exact, atol=0.1)
    (note,) = found.notes
    assert note.startswith("beta hangs on 1 of 20 problems (Pareto k up to")
    assert note.endswith("above 0.7), each left out by a posterior of its own")


def test_what_cannot_be_left_out_is_said_to_be_rough(monkeypatch: pytest.MonkeyPatch):
    def sampled(counts: Any, family: str, **options: Any) -> Posterior:
        found = _posterior("apart")
        return found if isinstance(counts, Counts) else dataclasses.replace(found, log_evidence=np.nan)

    monkeypatch.setattr(families, "sample_posterior", sampled)
    found = compare_families(APART, ["beta"], key=KEY)
    assert not found.resampled.any()
    assert found.notes[0].endswith("whose terms of elpd_loo are rough")


# --- stacking ---


def test_stacking_against_a_search_of_the_whole_interval():
    rng = np.random.default_rng(2)
    logs, weight = rng.normal(-2, 1, (2, 30)), rng.integers(1, 6, 30).astype(float)
    w = stacking_weights(logs, weight)
    grid = np.linspace(0, 1, 100_001)
    score = np.log(np.outer(grid, np.exp(logs[0])) + np.outer(1 - grid, np.exp(logs[1]))) @ weight
    assert 0.05 < w[0] < 0.95
    np.testing.assert_allclose(w[0], grid[np.argmax(score)], atol=1e-5)
    assert w.sum() == pytest.approx(1, abs=1e-12)
    # a row of two problems is two rows of one
    apart = stacking_weights(np.repeat(logs, weight.astype(int), axis=1), np.ones(int(weight.sum())))
    np.testing.assert_allclose(w, apart, atol=1e-9)


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_stacking_ends_at_the_highest_score(spread: float):
    """No family would raise the mixture's mean log score by more than 1e-10 per unit of weight."""
    rng = np.random.default_rng(4)
    for size, rows in ((2, 1), (5, 8), (5, 300), (8, 40)):
        logs, weight = spread * rng.normal(size=(size, rows)), rng.integers(1, 9, rows).astype(float)
        w = stacking_weights(logs, weight)
        p = np.exp(logs - logs.max(axis=0))
        slope = (p / (w @ p)) @ weight / weight.sum()
        assert np.all(w >= 0)
        assert np.max(slope) - 1 < 1.5e-10
    alike = stacking_weights(np.tile(logs[:1], (3, 1)), weight)
    np.testing.assert_allclose(alike, 1 / 3, atol=1e-6)
    ahead = stacking_weights(np.stack([logs[0], logs[0] - 1]), weight)
    np.testing.assert_allclose(ahead, [1, 0], atol=1e-9)


# --- the comparison ---


def test_the_family_of_the_truth_wins():
    found = _comparison()
    assert found.best == "zero-inflated-beta"
    assert found.difference[1] == 0
    assert found.difference_error[1] == 0
    assert found.difference[0] < -10
    assert -found.difference[0] > 3 * found.difference_error[0]
    assert found.weights[1] > 0.9
    assert found.log_evidence[1] > found.log_evidence[0] + 10
    assert found.conclusion == (
        "zero-inflated-beta predicts problems left out best; all others are clearly behind"
    )
    assert 1 < found.p_loo[1] < 5
    np.testing.assert_allclose(found.elpd_loo, found.elpd_of_row @ found.rows.weight)
    assert found.notes == ()


def test_summary_and_dict():
    found = _comparison()
    lines = found.summary().splitlines()
    heads = "family elpd_loo error behind error p_loo max k evidence weight"
    assert " ".join(lines[0].split()) == heads
    assert [line.split()[0] for line in lines[1:3]] == ["zero-inflated-beta", "beta"]
    assert len({len(line) for line in lines[:3]}) == 1
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["best"] == "zero-inflated-beta"
    assert plain["problems"] == 128
    assert plain["families"][0]["elpd_loo"] == pytest.approx(found.elpd_loo[0])
    assert plain["families"][1]["weight"] == pytest.approx(found.weights[1])


def test_a_family_is_weighed_alike_in_any_company():
    alone, together = compare_families(TRUTH, ["beta"], key=KEY), _comparison()
    np.testing.assert_array_equal(alone.elpd_of_row[0], together.elpd_of_row[0])
    np.testing.assert_array_equal(alone.posteriors["beta"].u, sample_posterior(TRUTH, "beta", key=KEY).u)
    assert alone.weights.tolist() == [1.0]
    assert "no other family" in alone.conclusion


def test_counts_that_stop_on_success():
    stopped = Counts(
        np.array([1, 2, 5, 9, 12, 12, 12]), np.array([1, 1, 1, 1, 0, 0, 1]), stopping="on_success"
    )
    as_fixed = dataclasses.replace(stopped, stopping="fixed")
    one, other = (compare_families(c, ["beta"], key=KEY) for c in (stopped, as_fixed))
    np.testing.assert_array_equal(one.elpd_loo, other.elpd_loo)
    with pytest.raises(ValueError, match=r"stopping='on_success' cannot be replicated"):
        check_fit(one.posteriors["beta"], stopped, key=KEY)


@pytest.mark.parametrize(
    ("solved", "word"), [([0, 0, 0], "no problem was ever solved"), ([5, 5, 5], "every attempt")]
)
def test_counts_that_say_little_are_said_to(solved: list[int], word: str):
    found = compare_families(Counts([5, 5, 5], solved), ["beta"], key=KEY)
    assert word in found.notes[0]
    assert np.isfinite(found.elpd_loo).all()


def test_a_single_problem():
    found = compare_families(Counts([5], [2]), PAIR, key=KEY)
    assert np.isnan(found.standard_error).all()
    assert "cannot be told from it" in found.conclusion
    assert "a single problem has no standard errors" in found.notes


def test_a_posterior_that_cannot_be_believed(monkeypatch: pytest.MonkeyPatch):
    def sampled(counts: Any, family: str, **options: Any) -> Posterior:
        found = _posterior("truth", family)
        bad = family in unmixed
        return dataclasses.replace(found, trust=np.int32(Trust.NOT_MIXED)) if bad else found

    monkeypatch.setattr(families, "sample_posterior", sampled)
    unmixed = {"zero-inflated-beta"}
    found = compare_families(TRUTH, PAIR, key=KEY)
    assert found.best == "beta"
    assert found.weights.tolist() == [1.0, 0.0]
    assert np.isnan(
        [found.elpd_loo[1], found.difference[1], found.log_evidence[1], found.pareto_k[1]]
    ).all()
    (note,) = found.notes
    assert note.startswith("zero-inflated-beta is left out: the chains have not mixed")
    assert found.summary().splitlines()[2].split()[1:] == ["-"] * 7 + ["0.000"]
    assert found.to_dict()["families"][1]["elpd_loo"] is None
    checks = check_fit(found.posteriors["zero-inflated-beta"], TRUTH, key=KEY)
    assert np.isnan(checks.mean).all()
    assert checks.failed == ()
    assert "cannot be believed" in checks.summary()
    unmixed = set(PAIR)
    found = compare_families(TRUTH, PAIR, key=KEY)
    assert found.best is None
    assert np.isnan(found.weights).all()
    assert "nothing is compared" in found.summary()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], r"at least one name, not \[\]"),
        ("beta", "at least one name, not 'beta'"),
        (["gamma"], "unknown family 'gamma'"),
        (["zero_inflated_beta", "zero-inflated-beta"], "each family is compared once"),
    ],
)
def test_families_that_cannot_be_compared(asked: Any, message: str):
    with pytest.raises(ValueError, match=message):
        compare_families(TRUTH, asked, key=KEY)


# --- averages ---


@functools.cache
def _forecasts() -> dict[str, Forecast]:
    return {f: forecast_pass_at_k(q, [1, 100], FEW_ROWS) for f in PAIR for q in [_posterior("few", f)]}


def test_an_average_is_the_mixture_of_forecasts():
    each = _forecasts()
    one, other = each.values()
    found = average_forecast(each, [0.25, 0.75])
    np.testing.assert_allclose(found.pass_at_k, 0.25 * one.pass_at_k + 0.75 * other.pass_at_k)
    np.testing.assert_allclose(found.per_problem, 0.25 * one.per_problem + 0.75 * other.per_problem)
    union = np.concatenate([one.draws, other.draws, other.draws, other.draws])
    ends = np.quantile(union, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(np.stack([found.lower, found.upper]), ends, atol=2e-3)
    # the draws are of equal weight, and whole curves
    assert found.draws.shape == one.draws.shape
    np.testing.assert_allclose(np.quantile(found.draws, [0.05, 0.95], axis=0), ends, atol=5e-3)
    assert {tuple(draw) for draw in found.draws} <= {tuple(draw) for draw in union}
    assert isinstance(found.summary(), str)
    by_name = average_forecast(each, {"zero-inflated-beta": 0.75, "beta": 0.25})
    np.testing.assert_array_equal(found.lower, by_name.lower)


def test_a_family_of_weight_0_leaves_no_trace():
    each = _forecasts()
    found = average_forecast(each | {"beta": dataclasses.replace(each["beta"], draws=None)}, [0.0, 1.0])
    other = each["zero-inflated-beta"]
    np.testing.assert_array_equal(found.pass_at_k, other.pass_at_k)
    np.testing.assert_allclose(found.lower, other.lower, atol=1e-3)


def test_an_average_with_what_cannot_be_believed_has_no_interval():
    each = dict(_forecasts())
    each["beta"] = dataclasses.replace(each["beta"], lower=np.full(2, np.nan))
    found = average_forecast(each, [0.5, 0.5])
    assert np.isnan([found.lower, found.upper]).all()


def test_weighted_quantiles():
    rng = np.random.default_rng(0)
    draws, levels = rng.normal(size=(101, 3)), [0.0, 0.05, 0.5, 0.99]
    equal = weighted_quantiles(draws, np.full(101, 0.3), levels)
    np.testing.assert_allclose(equal, np.quantile(draws, levels, axis=0, method="hazen"), rtol=1e-12)
    heavy = weighted_quantiles(draws, np.r_[1e6, np.ones(100)], [0.5])
    np.testing.assert_allclose(heavy[0], draws[0], atol=1e-2)


@pytest.mark.parametrize(
    ("change", "weights", "message"),
    [
        ({}, [1.0], r"2 forecasts need 2 weights; got shape \(1,\)"),
        ({}, [0.5, 0.6], "sum to 1; got 0.5, 0.6"),
        ({}, [1.5, -0.5], "at least 0"),
        ({}, [np.nan, np.nan], "got nan, nan"),
        ({}, {"beta": 0.5, "uniform": 0.5}, "the weights are of beta, uniform"),
        ({"draws": None}, [0.5, 0.5], "the forecast of zero-inflated-beta has no draws"),
        ({"k": np.array([1.0, 2.0])}, [0.5, 0.5], "different budgets"),
        ({"level": 0.5}, [0.5, 0.5], "level is 0.9 for beta and 0.5 for zero-inflated-beta"),
        ({"problems": "new"}, [0.5, 0.5], "problems is 'same' for beta"),
    ],
)
def test_forecasts_that_cannot_be_averaged(change: dict[str, Any], weights: Any, message: str):
    each = dict(_forecasts())
    each["zero-inflated-beta"] = dataclasses.replace(each["zero-inflated-beta"], **change)
    with pytest.raises(ValueError, match=message):
        average_forecast(each, weights)
    with pytest.raises(ValueError, match="forecasts must be a mapping by family, not list"):
        average_forecast([], {})
    with pytest.raises(ValueError, match="no forecasts"):
        average_forecast({}, [])


# --- predictive checks ---


def test_checks_say_where_a_wrong_family_fails():
    found = check_fit(_posterior("truth"), TRUTH, key=KEY)
    assert "median of s/n" in found.failed
    assert any("the family expects" in words for words in found.words)
    assert json.loads(json.dumps(found.to_dict()))["failed"] == list(found.failed)


def test_checks_are_quiet_for_the_right_family():
    found = check_fit(_posterior("truth", "zero-inflated-beta"), TRUTH, key=KEY)
    assert found.failed == ()
    assert found.words[0].startswith("nothing stands out")
    assert len(found.summary().splitlines()) == 11


def test_checks_of_counts_that_a_posterior_did_not_see():
    """The words give the direction: too few never-solved problems, too hard ones."""
    n = np.full(128, 50)
    other = Counts(n, np.r_[np.zeros(80, int), np.full(48, 50)])
    found = check_fit(_posterior("truth", "zero-inflated-beta"), other, key=KEY)
    words = " ".join(found.words)
    assert "of 128 problems unsolved, 80 were: too few never-solved problems" in words
    assert "of 128 problems at every attempt, 48 were: too few always-solved problems" in words
    assert found.tail_probability[0] == pytest.approx(1 / 401)
    easy = check_fit(_posterior("truth", "zero-inflated-beta"), Counts(n, n), key=KEY)
    assert "too many never-solved problems" in " ".join(easy.words)
    assert "its problems are too hard" in " ".join(easy.words)
    assert "its problems differ too much" in " ".join(easy.words)


def test_replicates_are_what_the_draws_make_of_unequal_attempts():
    posterior = _posterior("few")
    n = np.repeat([3, 40], 64)
    found = _replicated(posterior.difficulty, n, KEY, 400)
    never = np.exp(posterior.along(Beta.log_moment, np.zeros(2), np.array([3.0, 40.0]))) @ [64, 64]
    for column, exact in ((0, never), (7, posterior.along(Beta.mean))):
        error = np.std(found[:, column]) / 20
        assert abs(np.mean(found[:, column]) - np.mean(exact)) < 4 * error
    # replicate i does not depend on how many there are
    np.testing.assert_array_equal(found[:130], _replicated(posterior.difficulty, n, KEY, 130))


def test_what_cannot_be_checked():
    posterior = _posterior("few")
    for ask in (functools.partial(check_fit, posterior), compare_families):
        with pytest.raises(CountsError, match="must be the Counts of one data set, not dict"):
            ask({"few": FEW_ROWS}, key=KEY)
    with pytest.raises(ValueError, match="at least 100, not 5"):
        check_fit(posterior, FEW_ROWS, key=KEY, replicates=5)
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], posterior)
    with pytest.raises(ValueError, match="single posterior, not a batch"):
        check_fit(batch, FEW_ROWS, key=KEY)
