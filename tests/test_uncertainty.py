"""Standard errors, influences, profile intervals: against refits, and an independent likelihood."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import numpy as np
import oracle
import pytest
from scipy import optimize, stats

from lmpower.counts import Counts
from lmpower.fit import profile_interval
from lmpower.fit.maximum import Fit, Status, fit_difficulty, fit_rows
from lmpower.fit.uncertainty import (
    covariance,
    exponent_influence,
    influence,
    jackknife,
    maximiser,
    sandwich,
    scores,
    standard_error,
)


def _drawn(alpha: float, beta: float, c: float, problems: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    n = np.full(problems, 50)
    return Counts(attempts=n, successes=rng.binomial(n, c * rng.beta(alpha, beta, problems)))


# every problem solved about as often: any narrower law explains it as well
ALIKE = Counts(attempts=np.full(17, 50), successes=np.arange(17, 34))
# all of 50 attempts and at most 24 distinct rows, so that one compiled program serves a family
DATASETS = {
    "beta": [_drawn(0.3, 2.0, 1.0, 48, 0), _drawn(1.2, 4.0, 1.0, 24, 1), ALIKE],
    "scaled-kumaraswamy": [_drawn(0.4, 1.5, 0.5, 60, 2)],
}
CASES = [("beta", 0), ("beta", 1), ("scaled-kumaraswamy", 0)]


@functools.cache
def _batch(family: str) -> Fit:
    return fit_difficulty(DATASETS[family], family)


@functools.cache
def _single() -> Fit:
    return fit_difficulty(DATASETS["beta"][0], "beta")


def _refitted(fit: Fit, weights: np.ndarray) -> Fit:
    """The fit again, with other weights [B, R] of its rows."""
    shape = np.shape(weights)
    s, f = (np.broadcast_to(x, shape) for x in (fit.rows.successes, fit.rows.failures))
    rows = dataclasses.replace(fit.rows, successes=s, failures=f, weight=weights)
    return fit_rows(rows, fit.template, begin_at=np.tile(fit.theta, (len(weights), 1)))


# --- profile intervals ---


def _oracle_profile(family: str, counts: Counts, alpha: float, others: np.ndarray) -> float:
    """The oracle's log-likelihood, highest over the other parameters, by Nelder-Mead in logs."""
    name = family.replace("-", "_")

    def loss(logs: np.ndarray) -> float:
        rest = np.exp(np.minimum(logs, [math.inf, 0.0][: logs.size]))
        return -oracle.log_likelihood(name, (alpha, *rest), counts.attempts, counts.successes)

    options = {"xatol": 1e-6, "fatol": 1e-9, "maxfev": 400}
    return -float(optimize.minimize(loss, others, method="Nelder-Mead", options=options).fun)


@pytest.mark.parametrize(("family", "j"), CASES)
def test_at_both_ends_the_oracles_profile_has_fallen_by_half_the_quantile(family: str, j: int) -> None:
    fit, counts, level = _batch(family), DATASETS[family][j], 0.9
    lower, upper = profile_interval(fit, level)
    assert lower[j] < fit.tail_exponent[j] < upper[j]
    others = fit.theta[j, 1:]
    top = _oracle_profile(family, counts, float(fit.tail_exponent[j]), others)
    assert top == pytest.approx(float(fit.log_likelihood[j]), abs=1e-6)
    for end in (lower[j], upper[j]):
        fall = 2 * (top - _oracle_profile(family, counts, float(end), others))
        assert fall == pytest.approx(stats.chi2(1).ppf(level), abs=2e-5)


def test_one_fit_and_a_batch_agree() -> None:
    lower, upper = profile_interval(_batch("beta"))
    assert profile_interval(_single()) == pytest.approx((lower[0], upper[0]), rel=1e-6)


def test_an_end_the_counts_do_not_exclude_is_open() -> None:
    lower, upper = profile_interval(_batch("beta"))
    assert upper[2] == math.inf
    assert 1 < lower[2] < 100
    assert np.all(np.isfinite(upper[:2]))


def test_exponents_fixed_by_the_family_and_missing_ones() -> None:
    uniform, discrete, beta = (
        dataclasses.replace(_single(), difficulty=fit_difficulty(DATASETS["beta"][0], family).difficulty)
        for family in ("uniform", "discrete-2", "beta")
    )
    assert profile_interval(uniform) == (1.0, 1.0)
    assert np.all(np.isnan(profile_interval(discrete)))
    failed = dataclasses.replace(beta, status=np.int32(Status.NO_SUCCESS))
    assert np.all(np.isnan(profile_interval(failed)))


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, math.nan])
def test_a_level_outside_of_0_to_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        profile_interval(_single(), level)


# --- covariances ---


def test_the_hessians_standard_error_is_that_of_the_oracles_curvature() -> None:
    fit, counts = _single(), DATASETS["beta"][0]

    def loss(theta: np.ndarray) -> float:
        return -oracle.log_likelihood("beta", np.exp(theta), counts.attempts, counts.successes)

    h, D, signs = 1e-3, np.eye(2), (1, -1)

    def second(i: int, j: int) -> float:
        steps = [(a * b, h * (a * D[i] + b * D[j])) for a in signs for b in signs]
        return sum(sign * loss(fit.theta + step) for sign, step in steps) / (4 * h * h)

    inverse = np.linalg.inv([[second(i, j) for j in range(2)] for i in range(2)])
    assert covariance(fit) == pytest.approx(inverse, rel=1e-4)
    # d alpha = alpha d log alpha
    expected = float(fit.tail_exponent) * math.sqrt(inverse[0, 0])
    assert standard_error(fit) == pytest.approx(expected, rel=1e-4)


def test_scores_sum_to_nothing_at_the_maximum_and_sandwich_is_their_spread() -> None:
    batch = _batch("beta")
    each, weight = scores(batch), batch.rows.weight
    assert np.einsum("br,brd->bd", weight, each)[:2] == pytest.approx(0, abs=1e-4)
    meat = np.einsum("br,brd,bre->bde", weight, each, each)
    C = covariance(batch)
    assert sandwich(batch) == pytest.approx(C @ meat @ C, rel=1e-9)
    problems = weight.sum(axis=-1)[:2, None, None]
    assert jackknife(batch)[:2] == pytest.approx(sandwich(batch)[:2] * problems / (problems - 1), rel=1e-6)


def test_where_the_law_is_right_all_three_standard_errors_agree() -> None:
    errors = [standard_error(_single(), kind) for kind in ("hessian", "sandwich", "jackknife")]
    assert np.ptp(errors) < 0.25 * errors[0]
    with pytest.raises(ValueError, match="'hessian', 'sandwich', 'jackknife', not 'huber'"):
        standard_error(_single(), "huber")


def test_a_coordinate_held_at_its_bound_does_not_scatter() -> None:
    fit = _single()
    box = fit.template.box
    held = dataclasses.replace(
        fit,
        theta=np.array([fit.theta[0], box.upper[1]]),
        gradient=np.array([0.0, 3.0]),
    )
    assert covariance(held) == pytest.approx(np.diag([-1 / fit.hessian[0, 0], 0.0]), rel=1e-12)


# --- influences ---


def test_influence_is_what_leaving_out_or_doubling_a_problem_does() -> None:
    fit, counts = _single(), DATASETS["beta"][0]
    predicted = influence(fit, counts)
    on_exponent = exponent_influence(fit, counts)
    row = np.asarray(counts.row_of_problem)
    problems = np.array([np.argmin(counts.successes), np.argmax(counts.successes)])
    change = np.zeros((4, fit.rows.weight.size))
    change[[0, 1], row[problems]] = 1.0
    change[[2, 3], row[problems]] = -1.0
    again = _refitted(fit, fit.rows.weight + change)
    # the second difference cancels the curvature
    moved = 0.5 * (again.theta[:2] - again.theta[2:])
    assert moved == pytest.approx(predicted[problems], rel=0.05)
    moved = 0.5 * (again.tail_exponent[:2] - again.tail_exponent[2:])
    assert moved == pytest.approx(on_exponent[problems], rel=0.05)


def test_influence_refuses_a_batch_with_counts_and_other_counts() -> None:
    with pytest.raises(ValueError, match="single fit"):
        influence(_batch("beta"), DATASETS["beta"][0])
    with pytest.raises(ValueError, match="not the counts"):
        influence(_single(), DATASETS["beta"][1])


# --- the differentiable fit ---


def test_the_maximisers_derivative_is_that_of_refitting() -> None:
    fit = _single()
    rng = np.random.default_rng(5)
    direction = rng.normal(size=fit.rows.weight.size) * (fit.rows.weight > 0)
    h = 0.05
    weights = fit.rows.weight + h * np.array([[1.0], [-1.0]]) * direction
    again = _refitted(fit, weights).theta
    slope = (again[0] - again[1]) / (2 * h)
    maximum = maximiser(fit)
    assert maximum(fit.rows.weight) == pytest.approx(fit.theta, abs=1e-7)
    with jax.enable_x64(True):
        w = jax.numpy.asarray(fit.rows.weight)
        # one program: value, forward and backward derivative, under jit and vmap
        values, jacobian = jax.jit(lambda w, near: (jax.vmap(maximum)(near), jax.jacrev(maximum)(w)))(
            w, jax.numpy.asarray(weights)
        )
        values, jacobian = np.asarray(values), np.asarray(jacobian)
    assert values == pytest.approx(again, abs=1e-6)
    assert jacobian @ direction == pytest.approx(slope, rel=2e-3)
    used = fit.rows.weight > 0
    assert jacobian[:, used] == pytest.approx(influence(fit).T[:, used], abs=1e-6)


def test_the_maximiser_takes_one_fit() -> None:
    with pytest.raises(ValueError, match="single fit"):
        maximiser(_batch("beta"))
