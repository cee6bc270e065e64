"""Weights of points: smoothed as ArviZ smooths them, and drawn by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from lmpower.posterior.importance import Weighted, resampled
from lmpower.posterior.pareto import effective, fit_generalised_pareto, smoothed

# --- Pareto smoothing ---


def _weights(shape: float, size: int, lines: int) -> np.ndarray:
    rng = np.random.default_rng(int(100 * shape))
    return shape * rng.exponential(size=(lines, size)) + 0.3 * rng.normal(size=(lines, size))


@pytest.mark.parametrize("shape", [0.1, 0.4, 0.7, 1.2])
@pytest.mark.parametrize("size", [200, 2304])
def test_smoothed_weights_are_arviz_s(arviz, shape, size):
    log_weight = _weights(shape, size, 4)
    ours, k = smoothed(log_weight)
    for line, mine, my_k in zip(log_weight, ours, k, strict=True):
        if "psislw" in vars(arviz):
            theirs, their_k = arviz.psislw(line)
        else:  # from version 1 on, of log-likelihoods left out
            theirs, their_k = pytest.importorskip("arviz_stats.base").array_stats.psislw(-line)
        np.testing.assert_allclose(my_k, their_k, atol=1e-10)
        theirs = np.asarray(theirs) - special.logsumexp(theirs)
        np.testing.assert_allclose(mine, theirs, atol=1e-10)
    np.testing.assert_allclose(special.logsumexp(ours, axis=-1), 0.0, atol=1e-12)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 0.9])
def test_the_fitted_tail_is_scipy_s(shape):
    """Zhang & Stephens are near the maximum of the likelihood that SciPy climbs, and near the truth."""
    law = stats.genpareto(shape, scale=2.0)
    excess = np.sort(law.rvs(size=(40, 1000), random_state=5), axis=-1)
    k, sigma = fit_generalised_pareto(excess)
    # (k is drawn towards .5 by ten weights' worth)
    bare = (k * 1010 - 5) / 1000
    assert abs(np.mean(bare) - shape) < 4 * np.std(bare) / math.sqrt(40) + 0.005
    assert abs(np.mean(sigma) - 2) < 4 * np.std(sigma) / math.sqrt(40) + 0.02
    for i in range(3):
        theirs, _, scale = stats.genpareto.fit(excess[i], floc=0.0)
        assert abs(bare[i] - theirs) < 0.02
        assert abs(sigma[i] / scale - 1) < 0.03


def test_weights_that_are_all_alike_stay_so():
    ours, k = smoothed(np.zeros((2, 500)))
    np.testing.assert_allclose(ours, -math.log(500), rtol=1e-12)
    assert np.all(np.isneginf(k))
    np.testing.assert_allclose(effective(ours), 500)


def test_one_weight_that_outweighs_all_is_not_trusted():
    log_weight = np.random.default_rng(0).normal(size=(1, 2304))
    log_weight[0, 77] = 40.0
    _, k = smoothed(log_weight)
    assert k[0] > 0.7
    # nearly all have none at all
    log_weight = np.full((1, 2304), -np.inf)
    log_weight[0, :9] = np.arange(9.0)
    smooth, k = smoothed(log_weight)
    assert k[0] > 0.7
    assert not np.any(np.isnan(smooth))


# --- resampling ---


def test_resampling_draws_every_point_its_due_number_of_times():
    log_weight = np.log(np.random.default_rng(1).dirichlet(np.full(300, 0.3), size=2))
    empty = np.zeros((2, 300, 1))
    weighted = Weighted(empty, log_weight, empty[..., 0], *[np.zeros(2)] * 3, empty[:, 0], empty[:, :1])
    seeds = np.array([[1, 2, 0], [1, 2, 1]], np.uint32)
    chosen = resampled(weighted, 4000, seeds)
    for line, log_w in zip(chosen, log_weight, strict=True):
        due = 4000 * np.exp(log_w)
        assert np.all(np.abs(np.bincount(line, minlength=300) - due) <= 1)
        # in random order: neighbours are as unlike as any
        assert abs(np.corrcoef(line[1:], line[:-1])[0, 1]) < 0.08
    np.testing.assert_array_equal(chosen, resampled(weighted, 4000, seeds))
    assert np.any(chosen[0] != chosen[1])
