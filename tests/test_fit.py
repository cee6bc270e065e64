"""Maximum likelihood: the height of an independent optimiser, and failure told in a sentence."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from lmpower.counts import Counts
from lmpower.difficulty import Beta
from lmpower.fit import Status, fit_difficulty
from lmpower.likelihood import log_likelihood
from lmpower.tables import read_counts


def drawn(alpha: float, beta: float, c: float, problems: int, attempts: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    p = c * rng.beta(alpha, beta, problems)
    n = np.full(problems, attempts)
    return Counts(attempts=n, successes=rng.binomial(n, p))


NEAR = drawn(0.4, 3.0, 1.0, problems=60, attempts=40, seed=1)
CAPPED = drawn(0.6, 1.5, 0.3, problems=60, attempts=40, seed=2)


HOPELESS = {
    Status.NO_SUCCESS: (Counts(attempts=[40] * 9, successes=[0] * 9), "no problem was ever solved"),
    Status.ALL_SUCCESS: (Counts(attempts=[40] * 9, successes=[40] * 9), "every attempt succeeded"),
    Status.ONE_PROBLEM: (Counts(attempts=[40], successes=[3]), "one problem says nothing"),
}


@pytest.fixture(scope="module")
def batch():
    """All datasets at once: compiling takes far longer than fitting."""
    hopeless = (counts for counts, _ in HOPELESS.values())
    return fit_difficulty([NEAR, CAPPED, *hopeless], "beta")


@pytest.mark.parametrize(
    ("counts", "family", "starts"),
    [
        (NEAR, "beta", [(0.3, 3.0), (1.0, 1.0)]),
        (CAPPED, "scaled-beta", [(0.5, 2.0, 0.35), (0.3, 3.0, 1.0)]),
    ],
    ids=["beta", "scaled-beta"],
)
def test_as_high_as_an_independent_optimiser(counts, family, starts):
    fit = fit_difficulty(counts, family)
    truth = oracle.best_fit(family.replace("-", "_"), counts.attempts, counts.successes, starts)
    assert fit.ok
    np.testing.assert_allclose(fit.log_likelihood, truth["log_likelihood"], rtol=0, atol=1e-6)


def test_the_reported_value_is_the_probability_of_the_counts(batch):
    rows = NEAR.rows()
    exact = log_likelihood(batch[0].difficulty, rows) + np.sum(rows.weight * rows.log_choose)
    np.testing.assert_allclose(batch[0].log_likelihood, exact, rtol=0, atol=1e-7)


def test_a_batch_is_its_members_one_by_one(batch):
    for i, counts in enumerate((NEAR, CAPPED)):
        alone = fit_difficulty(counts, "beta")
        np.testing.assert_allclose(batch[i].log_likelihood, alone.log_likelihood, rtol=0, atol=1e-8)
        np.testing.assert_allclose(batch[i].theta, alone.theta, atol=1e-5)
        assert batch[i].status == alone.status


def test_a_batch_too_large_to_be_alone_arrives_at_the_same_maxima(batch):
    """From 16 datasets on the climb begins in float32, which must not show."""
    many = fit_difficulty([NEAR, CAPPED] * 9, "beta")
    assert many.log_likelihood.shape == (18,)
    assert np.all(many.ok)
    expected = np.tile(batch.log_likelihood[:2], 9)
    np.testing.assert_allclose(many.log_likelihood, expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(many.theta, np.tile(batch.theta[:2], (9, 1)), atol=1e-4)


def test_what_a_fit_says(batch):
    fit = batch[0]
    assert fit.names == ("alpha", "beta")
    np.testing.assert_allclose(fit.tail_exponent, fit.difficulty.alpha)
    assert fit.sentence == "converged"
    assert "tail exponent" in fit.summary()
    assert {"alpha", "beta", "tail_exponent", "log_likelihood", "status"} == set(fit.to_dict())
    assert batch.tail_exponent.shape == (5,)


@pytest.mark.parametrize("family", ["beta", "scaled-beta"])
def test_single_attempts_tell_the_mean_of_a_law_and_nothing_else(family):
    once = Counts(np.ones(60), np.arange(60) < 20)
    fit = fit_difficulty(once, family)
    assert fit.status == Status.FEW_ATTEMPTS
    assert "many laws fit the same" in fit.sentence
    assert np.isnan(fit.tail_exponent)
    assert fit_difficulty(once, family, penalty="weak").ok


def test_single_attempts_are_enough_for_one_parameter():
    fit = fit_difficulty(Counts(np.ones(60), np.arange(60) < 20), "uniform")
    assert fit.ok
    np.testing.assert_allclose(fit.difficulty.high, 2 / 3)


def test_what_is_said_of_one_fit_is_refused_to_a_batch_in_one_line(batch):
    with pytest.raises(ValueError, match=r"the sentence takes a single fit, not a batch: take fit\[i\]"):
        _ = batch.sentence
    with pytest.raises(ValueError, match=r"a summary takes a single fit, not a batch: take fit\[i\]"):
        batch.summary()


def test_hopeless_counts_are_a_status_with_a_sentence_and_spoil_no_neighbour(batch):
    assert np.all(batch.ok[:2])
    for i, (status, (_, words)) in enumerate(HOPELESS.items(), start=2):
        fit = batch[i]
        assert fit.status == status
        assert not fit.ok
        assert words in fit.sentence
        assert words in fit.summary()
        assert np.isnan(fit.difficulty.alpha)


def test_a_weak_prior_keeps_even_hopeless_counts_finite(batch):
    fits = fit_difficulty([NEAR, HOPELESS[Status.NO_SUCCESS][0], CAPPED], "beta", penalty="weak")
    assert np.all(np.isfinite(fits.theta))
    assert np.all(np.isfinite(fits.log_likelihood))
    assert fits[0].log_likelihood <= batch[0].log_likelihood + 1e-8
    assert np.all(np.abs(fits.theta[0] - batch.theta[0]) < 1)


def test_what_cannot_be_asked_for_is_repeated():
    with pytest.raises(ValueError, match="unknown family 'gamma'"):
        fit_difficulty(NEAR, "gamma")
    with pytest.raises(ValueError, match="penalty must be None or 'weak', not 'strong'"):
        fit_difficulty(NEAR, "beta", penalty="strong")
    with pytest.raises(ValueError, match="starts must be at least 1, not 0"):
        fit_difficulty(NEAR, "beta", starts=0)


def test_the_published_models(shared_data):
    """Full-data maximum likelihood on 128 MATH problems of 10,000 attempts each."""
    models = read_counts(shared_data / "pythia_math.csv", by="model")
    names = ["Pythia 160M", "Pythia 410M", "Pythia 2.8B", "Pythia 12B"]
    fits = fit_difficulty([models[name] for name in names], Beta(np.float64(0.3), np.float64(3.0)))
    assert np.all(fits.ok)
    np.testing.assert_allclose(fits.tail_exponent, [0.176, 0.180, 0.246, 0.296], atol=0.002)
