"""A coordinate that was given and not fitted stays where it is, whatever is asked of the fit later."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from lmpower.counts import Counts, stack_rows
from lmpower.difficulty.named import family_named
from lmpower.fit import bootstrap_fit, profile_interval
from lmpower.fit.maximum import fit_rows
from lmpower.fit.uncertainty import covariance, maximiser

RNG = np.random.default_rng(4)
COUNTS = Counts(np.full(100, 100), RNG.binomial(100, 0.7 * RNG.beta(0.3, 3.0, 100)))
LOG_C = float(np.log(0.7))


@pytest.fixture(scope="module")
def fits():
    rows, family = stack_rows([COUNTS.rows()]), family_named("scaled-beta")
    return fit_rows(rows, family)[0], fit_rows(rows, family, held={"c": LOG_C})[0]


def test_it_is_not_in_the_covariance_and_its_bounds_are_one(fits):
    _, held = fits
    at = held.names.index("c")
    assert held.theta[at] == held.bounds[0][at] == held.bounds[1][at] == LOG_C
    assert not np.any(covariance(held)[at])


def test_replicates_hold_it(fits):
    free, held = (bootstrap_fit(fit, COUNTS, key=jax.random.key(0), replicates=20) for fit in fits)
    np.testing.assert_array_equal(held.theta[:, 2], LOG_C)
    assert np.ptp(free.theta[:, 2]) > 0


def test_the_profile_interval_is_that_of_the_others_at_their_best(fits):
    free, held = fits
    lower, upper = profile_interval(held)
    # at the ends, with alpha held as well, the likelihood is as far down as chi-square says
    ends = np.log([lower, upper])
    rows = stack_rows([COUNTS.rows()] * 2)
    there = fit_rows(rows, held.template, held={"alpha": ends, "c": np.full(2, LOG_C)})
    np.testing.assert_allclose(2 * (held.log_likelihood - there.log_likelihood), 2.705543454, rtol=1e-5)
    assert np.all(np.abs(np.array([lower, upper]) - profile_interval(free)) > 1e-3)


def test_a_held_exponent_is_its_own_interval():
    fit = fit_rows(stack_rows([COUNTS.rows()]), family_named("beta"), held={"alpha": np.log(0.25)})[0]
    np.testing.assert_allclose(profile_interval(fit), 0.25)


@pytest.mark.slow
def test_the_fit_as_a_function_of_weights_holds_it(fits):
    _, held = fits
    theta_of = maximiser(held)
    weights = np.asarray(held.rows.weight, np.float64)
    moved = weights + np.where(held.rows.successes == 0, 1.0, 0.0) * (weights > 0)
    assert theta_of(moved)[2] == LOG_C
    assert np.max(np.abs(theta_of(moved) - held.theta)) > 1e-4
    with jax.enable_x64(True):
        slopes = np.asarray(jax.jacfwd(theta_of)(jax.numpy.asarray(weights)))
    assert not np.any(slopes[2])
    assert np.any(slopes[:2])
