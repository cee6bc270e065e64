"""Posteriors: against dense grids, SciPy and ArviZ; and what is said of those not to be believed."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import warnings

import jax
import numpy as np
import pytest
from scipy import integrate, special, stats

from lmpower.counts import Counts, CountsError, rows_of_many, stack_rows
from lmpower.difficulty.named import family_named
from lmpower.fit.surface import reach_of
from lmpower.likelihood import expand, slope
from lmpower.numerics.grid import shared_grid
from lmpower.posterior import Posterior, Trust, sample_posterior
from lmpower.posterior import sample as sample_file
from lmpower.posterior import trust as trust_file
from lmpower.posterior.importance import Weighted, resampled
from lmpower.posterior.pareto import effective, fit_generalised_pareto, smoothed
from lmpower.posterior.pointwise import log_predictive
from lmpower.posterior.trust import trust_in
from lmpower.prior import LogNormal, Whitened, default_prior, sample_prior

F = np.float64
KEY = jax.random.key(7)
DRAWS = 1200


def _drawn(alpha: float, beta: float, problems: int, attempts: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    n = np.full(problems, attempts)
    return Counts(attempts=n, successes=rng.binomial(n, rng.beta(alpha, beta, problems)))


DATASETS = {
    "64 problems": _drawn(0.3, 4.0, 64, 50, 0),
    "8 problems": _drawn(0.3, 4.0, 8, 10, 1),
    "no success": Counts(attempts=[40] * 30, successes=[0] * 30),
    "all success": Counts(attempts=[40] * 30, successes=[40] * 30),
    "one problem": Counts(attempts=[40], successes=[3]),
    "one attempt": Counts(attempts=[1], successes=[1]),
    "many attempts": _drawn(0.2, 10.0, 128, 10_000, 2),
    "512 problems": _drawn(0.4, 3.0, 512, 100, 3),
    "unequal attempts": Counts(attempts=[5, 60, 60, 7, 900, 3], successes=[1, 0, 2, 7, 4, 0]),
}
PLACE = {name: i for i, name in enumerate(DATASETS)}


@functools.cache
def _batch() -> Posterior:
    """All data sets under Beta, and twice, so that there are enough to run as a batch does."""
    return sample_posterior(list(DATASETS.values()) * 2, "beta", key=KEY, draws=DRAWS)


@functools.cache
def _alone(method: str = "fast") -> Posterior:
    return sample_posterior(DATASETS["64 problems"], "beta", key=KEY, draws=DRAWS, method=method)


def _arviz():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ 0.23 announces its successor when imported
        return pytest.importorskip("arviz")


# --- the gradient that chains follow ---

ROWS = Counts(
    attempts=[50] * 12 + [80, 20, 7, 100],
    successes=[0, 0, 0, 0, 1, 1, 2, 5, 9, 15, 20, 30, 0, 3, 7, 61],
).rows()
GRID = shared_grid(reach_of(ROWS), 1.5, True)
FAMILIES = {
    name: family_named(name)
    for name in (
        "beta",
        "scaled-kumaraswamy",
        "zero-inflated-beta",
        "uniform",
        "continuous-bernoulli",
        "reciprocal",
        "discrete-2",
    )
}


@pytest.mark.parametrize("name", FAMILIES)
def test_slope_is_the_value_and_gradient_of_the_expansion(name):
    template = FAMILIES[name]
    whitened = Whitened(template, default_prior(template))
    size = len(whitened.box.names)

    def both(u):
        there = expand(whitened, u, ROWS, GRID)
        return (there.value, there.gradient), slope(whitened, u, ROWS, GRID)

    with jax.enable_x64(True):
        run = jax.jit(both)
        for place in (np.zeros(size), np.random.default_rng(size).normal(size=size)):
            expanded, ours = jax.tree.map(np.asarray, run(place))
            np.testing.assert_allclose(ours[0], expanded[0], rtol=1e-13)
            np.testing.assert_allclose(ours[1], expanded[1], rtol=1e-9, atol=1e-9)


# --- Pareto smoothing ---


def _weights(shape: float, size: int, lines: int) -> np.ndarray:
    rng = np.random.default_rng(int(100 * shape))
    return shape * rng.exponential(size=(lines, size)) + 0.3 * rng.normal(size=(lines, size))


@pytest.mark.parametrize("shape", [0.1, 0.4, 0.7, 1.2])
@pytest.mark.parametrize("size", [200, 2304])
def test_smoothed_weights_are_arviz_s(shape, size):
    arviz = _arviz()
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


# --- against a dense grid: the Beta-binomial, by SciPy's betaln ---

_CELLS = np.linspace(-8, 8, 641)


class Truth:
    """The posterior of Beta's two normals on a grid, under the default prior written out."""

    def __init__(self, counts: Counts) -> None:
        # (the family's box has no beta below .01, which counts that are all successes would like)
        alpha, beta = 0.3 * 2.5 ** _CELLS[:, None], np.maximum(20.0 * 6.0**_CELLS, 0.01)
        height = -0.5 * (_CELLS[:, None] ** 2 + _CELLS**2) - math.log(2 * math.pi)
        pairs = np.stack([counts.successes, counts.failures])
        for (s, f), many in zip(*np.unique(pairs.T, axis=0, return_counts=True), strict=True):
            log_choose = -special.betaln(s + 1, f + 1) - math.log(s + f + 1)
            height = height + many * (
                special.betaln(alpha + s, beta + f) - special.betaln(alpha, beta) + log_choose
            )
        self.log_evidence = special.logsumexp(height) + 2 * math.log(_CELLS[1] - _CELLS[0])
        mass = np.exp(height - special.logsumexp(height))
        self.marginals = mass.sum(1), mass.sum(0)

    def moments(self, d: int) -> tuple[float, float]:
        mean = self.marginals[d] @ _CELLS
        return mean, math.sqrt(self.marginals[d] @ (_CELLS - mean) ** 2)

    def cdf(self, d: int, u: np.ndarray) -> np.ndarray:
        edges = _CELLS + 0.5 * (_CELLS[1] - _CELLS[0])
        return np.interp(u, edges, np.cumsum(self.marginals[d]))


@functools.cache
def _truth(name: str) -> Truth:
    return Truth(DATASETS[name])


def test_the_prior_is_the_one_that_the_grid_takes():
    prior = default_prior("beta")
    assert prior.summary() == (
        "alpha: log-normal, median 0.3, a factor 2.5 either way\n"
        "beta: log-normal, median 20, a factor 6 either way"
    ), "the default prior has changed: change Truth, and the tables of docs/posteriors.md, with it"


def _check_against_grid(posterior: Posterior, name: str, far: float) -> None:
    """Means, spreads and quantiles within ``far`` standard deviations."""
    truth = _truth(name)
    for d in range(2):
        u = posterior.u[:, d]
        mean, sd = truth.moments(d)
        assert abs(np.mean(u) - mean) < far * sd
        assert abs(np.std(u) / sd - 1) < far
        # quantiles are compared by the share of the truth below them
        level = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
        share = truth.cdf(d, np.quantile(u, level))
        assert np.all(np.abs(share - level) < 0.5 * far)
    alpha = posterior.difficulty.alpha
    mean, sd = truth.moments(0)
    assert abs(np.mean(np.log(alpha)) - math.log(0.3) - mean * math.log(2.5)) < far * sd * math.log(2.5)


@pytest.mark.parametrize("name", DATASETS)
def test_weighted_points_are_the_posterior_on_a_grid(name):
    posterior = _batch()[PLACE[name]]
    assert posterior.ok
    assert posterior.method == "fast"
    assert posterior.pareto_k < 0.5
    assert posterior.ess > 1000
    _check_against_grid(posterior, name, far=0.1)
    np.testing.assert_allclose(posterior.log_evidence, _truth(name).log_evidence, rtol=0, atol=0.02)


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


def test_chains_are_the_posterior_on_a_grid():
    posterior = _alone("nuts")
    assert posterior.ok
    assert posterior.method == "nuts"
    assert int(posterior.chains) == 4
    assert posterior.r_hat < 1.01
    assert posterior.ess > 500
    assert np.isnan(posterior.log_evidence)
    assert np.isnan(posterior.pareto_k)
    _check_against_grid(posterior, "64 problems", far=0.16)
    assert "NUTS, 4 chains: 1,200 draws" in posterior.diagnostics()


@pytest.mark.parametrize("method", ["fast", "nuts"])
def test_the_likelihood_reported_of_a_draw_is_the_one_of_its_difficulty(method):
    posterior = _alone(method)
    rows = DATASETS["64 problems"].rows()
    alpha, beta = (
        np.asarray(each)[:, None] for each in (posterior.difficulty.alpha, posterior.difficulty.beta)
    )
    log_mass = stats.betabinom.logpmf(rows.successes, rows.attempts, alpha, beta)
    np.testing.assert_allclose(posterior.log_likelihood, log_mass @ rows.weight, rtol=0, atol=2e-3)
    normals = np.log(alpha / 0.3) / math.log(2.5), np.log(beta / 20) / math.log(6)
    u = np.concatenate(normals, axis=-1)
    np.testing.assert_allclose(posterior.u, u, atol=1e-10)


def test_what_is_likely_of_every_row_adds_up_to_the_likelihood():
    posterior = _batch()
    each = log_predictive(posterior[:2])
    assert each.shape == (2, DRAWS, posterior.rows.weight.shape[1])
    total = np.sum(each * posterior.rows.weight[:2, None], axis=-1)
    np.testing.assert_allclose(total, posterior.log_likelihood[:2], atol=2e-3)


def test_a_law_too_steep_for_float32_is_weighed_in_float64():
    """Guards against half a posterior unseen: lam = e^-190 is 0 in float32, and its likelihood nan."""
    rng = np.random.default_rng(0)
    easy = Counts(attempts=[200] * 64, successes=rng.binomial(200, rng.exponential(0.004, 64)))
    never = DATASETS["no success"]
    posterior = sample_posterior([easy, never], "continuous-bernoulli", key=KEY, draws=400)
    assert np.all(posterior.ok)
    assert np.all(posterior.ess > 1000)
    for i, counts in enumerate((easy, never)):
        rows = counts.rows()
        cells = np.linspace(-6, 2, 321)
        rate = np.clip(2 * np.sinh(1.5 - 1.5 * cells), -36, 700)
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


def test_a_law_narrower_than_the_grid_has_no_false_peak():
    """Guards against a likelihood of e^31 for counts without a success, at alpha = 98, beta = 2e5."""
    counts = [Counts(attempts=[30] * 32, successes=[0] * 32)] * 100
    posterior = sample_posterior(counts, "beta", key=KEY, draws=200, fall_back=False)
    assert np.all(posterior.log_likelihood < 1e-3)
    assert np.all(posterior.trust == Trust.NO_SUCCESS)


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


def test_few_draws_of_chains_that_have_mixed_are_believed():
    """Guards against an R-hat of four times ten draws, which is above 1.01 however well they mix."""
    counts = [DATASETS[name] for name in ("many attempts", "8 problems")]
    few = sample_posterior(counts, "beta", key=KEY, draws=40, method="nuts")
    assert few.u.shape == (2, 40, 2)
    assert np.all(few.ok)
    assert np.all(few.ess == 40)


# --- what it depends on ---


def test_a_data_set_does_not_see_its_neighbours():
    """Bit by bit, in batches of 16 and more."""
    names = list(DATASETS)
    mixed = [DATASETS[name] for name in names] + [DATASETS["many attempts"], DATASETS["8 problems"]] * 8
    other = sample_posterior(mixed, "beta", key=KEY, draws=DRAWS)
    assert len(other.trust) == 25
    for i in range(len(names)):
        mine, yours = _batch()[i], other[i]
        for field in ("u", "log_likelihood", "log_evidence", "ess", "pareto_k"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(yours, field), err_msg=field)
        np.testing.assert_array_equal(mine.difficulty.alpha, yours.difficulty.alpha)
    # the same counts elsewhere are drawn anew
    assert not np.array_equal(_batch()[0].u, _batch()[len(names)].u)


def test_alone_it_is_the_same_but_for_rounding():
    alone, among = _alone(), _batch()[PLACE["64 problems"]]
    np.testing.assert_allclose(alone.log_evidence, among.log_evidence, atol=1e-3)
    np.testing.assert_allclose(alone.ess, among.ess, rtol=0.02)
    # a rounding may move a centre of the last round to the next point, and with it the points around: what
    # is left to differ is what differs between two sets of as many effective draws
    level = np.linspace(0.05, 0.95, 7)[:, None]
    quantiles = np.quantile(alone.u, level[:, 0], axis=0)
    below = np.mean(among.u[:, None] <= quantiles, axis=0)
    assert np.all(np.abs(below - level) < 3 * np.sqrt(2 * level * (1 - level) / among.ess))


def test_the_key_decides_and_nothing_else():
    counts = DATASETS["8 problems"]
    one, same, other = (
        sample_posterior(counts, "beta", key=jax.random.key(k), draws=200) for k in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.u, same.u)
    assert not np.array_equal(one.u, other.u)
    # nothing of it is random but the draws
    assert abs(float(one.log_evidence - other.log_evidence)) < 0.02


def test_stopping_on_success_changes_nothing():
    """The likelihood principle: the same numbers, whatever rule stopped the attempts."""
    n, s = [60, 600, 120, 10_000, 60, 240], [1, 2, 1, 0, 5, 1]
    posteriors = [
        sample_posterior(Counts(attempts=n, successes=s, stopping=rule), "beta", key=KEY, draws=200)
        for rule in ("fixed", "on_success", "adaptive")
    ]
    for other in posteriors[1:]:
        np.testing.assert_array_equal(posteriors[0].u, other.u)
        np.testing.assert_array_equal(posteriors[0].log_likelihood, other.log_likelihood)
    assert all(posterior.ok for posterior in posteriors)


def test_rows_and_counts_are_the_same_data():
    counts = DATASETS["8 problems"]
    from_counts = sample_posterior(counts, "beta", key=KEY, draws=200)
    from_rows = sample_posterior(counts.rows(), "beta", key=KEY, draws=200)
    from_batch = sample_posterior(stack_rows([counts.rows()]), "beta", key=KEY, draws=200)
    np.testing.assert_array_equal(from_counts.u, from_rows.u)
    np.testing.assert_array_equal(from_counts.u[None], from_batch.u)
    assert from_rows.log_likelihood.shape == (200,)
    assert from_batch.log_likelihood.shape == (1, 200)


def test_another_prior_is_another_posterior():
    prior = default_prior("beta").replace(alpha=LogNormal(F(1.0), F(1.05)))
    posterior = sample_posterior(DATASETS["8 problems"], "beta", key=KEY, draws=200, prior=prior)
    assert abs(np.mean(np.log(posterior.difficulty.alpha))) < 0.05
    assert posterior.prior is prior


# --- calibration: the rank of a truth drawn from the prior among the draws is uniform ---


@pytest.mark.parametrize("family", ["beta", "scaled-kumaraswamy", "zero-inflated-beta"])
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


# --- what is said of it ---


def test_shapes_of_estimates():
    batch, one = _batch(), _batch()[0]
    assert batch.tail_exponent.shape == (18, DRAWS)
    assert one.tail_exponent.shape == (DRAWS,)
    np.testing.assert_array_equal(batch.tail_exponent, batch.difficulty.alpha)
    ks = np.array([1.0, 10.0, 100.0])
    curves, curve = batch.along(_pass_at_k, ks), one.along(_pass_at_k, ks)
    assert curves.shape == (18, DRAWS, 3)
    assert curve.shape == (DRAWS, 3)
    np.testing.assert_allclose(curves[0], curve, rtol=1e-12)
    many, few = batch.estimate(curves, 0.8), one.estimate(curve, 0.8)
    for part, mine in zip(many, few, strict=True):
        assert part.shape == (18, 3)
        assert mine.shape == (3,)
        np.testing.assert_allclose(part[0], mine, rtol=1e-12)
    assert np.all(many.lower < many.median)
    assert np.all(many.median < many.upper)
    scalar = one.estimate(one.tail_exponent)
    assert np.shape(scalar.mean) == ()
    np.testing.assert_allclose(scalar.lower, np.quantile(one.tail_exponent, 0.05, method="median_unbiased"))
    table = batch.estimate(batch.tail_exponent[..., None, None] * np.ones((2, 3)))
    assert table.upper.shape == (18, 2, 3)


def _pass_at_k(law, ks):
    return law.pass_at_k(ks)


def test_parts_of_a_batch():
    batch = _batch()
    assert batch[2:4].u.shape == (2, DRAWS, 2)
    assert batch[-1].rows.weight.ndim == 1
    chosen = batch[batch.trust == Trust.OK]
    assert len(chosen.ess) == 2 * (len(DATASETS) - 3)
    assert chosen.prior is batch.prior
    with pytest.raises(IndexError):
        _ = batch[0][0]


def test_what_the_counts_do_not_say_is_said():
    batch = _batch()
    trust = {name: Trust(int(batch.trust[i])) for name, i in PLACE.items()}
    assert trust.pop("no success") == Trust.NO_SUCCESS
    assert trust.pop("all success") == trust.pop("one attempt") == Trust.ALL_SUCCESS
    assert set(trust.values()) == {Trust.OK}
    assert np.all(batch.ok)
    assert "no problem was ever solved" in batch[PLACE["no success"]].summary()
    assert "every attempt succeeded" in batch[PLACE["all success"]].summary()


def test_what_a_posterior_says():
    text = _alone().summary(0.8)
    assert "80% interval" in text
    for word in ("alpha", "beta", "tail exponent", "weighted points: 1,200 draws", "Pareto k", "mixed"):
        assert word in text
    said = json.loads(json.dumps(_alone().to_dict()))
    assert set(said["params"]) == {"alpha", "beta"}
    assert said["tail_exponent"] == said["params"]["alpha"]
    lower, middle, upper = (said["tail_exponent"][name] for name in ("lower", "median", "upper"))
    assert lower < middle < upper
    assert said["status"] == "mixed"
    assert said["r_hat"] is None
    assert said["method"] == "fast"
    chains = json.loads(json.dumps(_alone("nuts").to_dict()))
    assert chains["pareto_k"] is None
    assert chains["r_hat"] < 1.01


@pytest.mark.parametrize("code", [code for code in Trust if code > Trust.ALL_SUCCESS])
def test_what_is_not_to_be_believed_has_no_interval(code):
    doubtful = dataclasses.replace(_alone(), trust=np.int32(code))
    assert not doubtful.ok
    assert doubtful.sentence == code.sentence
    assert "no interval is given" in code.sentence
    at = doubtful.estimate(doubtful.tail_exponent)
    assert all(np.isnan(part) for part in at)
    text = doubtful.summary()
    assert " to " not in text.split("\n")[1]
    assert text.split("\n")[1].split() == ["alpha", "-", "-", "-"]
    assert code.sentence in text
    said = json.loads(json.dumps(doubtful.to_dict()))
    assert said["tail_exponent"] == dict.fromkeys(("mean", "median", "lower", "upper"))
    # and spoils no neighbour
    trust = np.array(_batch().trust)
    trust[1] = code
    some = dataclasses.replace(_batch(), trust=trust)
    at = some.estimate(some.tail_exponent)
    assert np.all(np.isnan([part[1] for part in at]))
    assert np.all(np.isfinite([np.delete(part, 1) for part in at]))


def test_when_a_posterior_is_trusted():
    rows = stack_rows([DATASETS["64 problems"].rows()] * 7)
    nan = np.nan
    trust = trust_in(
        rows,
        r_hat=np.array([1.0, 1.02, nan, nan, 1.0, nan, 1.02]),
        ess=np.array([500.0, 500, 399, 500, 500, nan, 10]),
        divergent_share=np.array([0.0, 0, 0, 0, 0.02, 0, 0.5]),
        pareto_k=np.array([nan, nan, 0.1, 0.8, nan, nan, nan]),
        draws=1000,
    )
    expected = [
        "OK",
        "NOT_MIXED",
        "FEW_EFFECTIVE",
        "HEAVY_WEIGHTS",
        "DIVERGENT",
        "FEW_EFFECTIVE",
        "NOT_MIXED",
    ]
    assert [Trust(int(code)).name for code in trust] == expected
    # of few draws, half
    one = jax.tree.map(lambda leaf: leaf[:1], rows)
    few = trust_in(one, np.array([1.0]), np.array([101.0]), np.zeros(1), np.array([nan]), draws=200)
    assert few[0] == Trust.OK


@pytest.mark.parametrize("fall_back", [True, False])
def test_weights_that_cannot_be_trusted_fall_back_to_chains(monkeypatch, fall_back):
    for file in (sample_file, trust_file):
        monkeypatch.setattr(file, "MOST_K", -5.0)
    counts = DATASETS["64 problems"]
    posterior = sample_posterior(counts, "beta", key=KEY, draws=DRAWS, fall_back=fall_back)
    if fall_back:
        assert posterior.ok
        assert posterior.method == "nuts"
        assert np.isnan(posterior.pareto_k)
        _check_against_grid(posterior, "64 problems", far=0.16)
    else:
        # four times as many points were tried
        assert posterior.method == "fast"
        assert posterior.trust == Trust.HEAVY_WEIGHTS
        assert posterior.ess > 3 * _alone().ess
        assert np.isnan(posterior.estimate(posterior.tail_exponent).mean)


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


# --- to other programs ---


@pytest.mark.parametrize("method", ["fast", "nuts"])
def test_to_xarray(method):
    pytest.importorskip("xarray")
    posterior = _alone(method)
    group = posterior.to_xarray()
    assert set(group.data_vars) == {"alpha", "beta", "tail_exponent", "log_likelihood"}
    chains = 4 if method == "nuts" else 1
    assert dict(group.sizes) == {"chain": chains, "draw": DRAWS // chains}
    np.testing.assert_array_equal(group.alpha.values.ravel(), posterior.difficulty.alpha)
    assert group.attrs["status"] == "mixed"
    with pytest.raises(ValueError, match="takes a single posterior, not a batch"):
        _batch().to_xarray()


def test_to_arviz_and_back_from_a_file(tmp_path):
    arviz = _arviz()
    pytest.importorskip("h5netcdf")
    posterior = _alone("nuts")
    given = posterior.to_arviz()
    np.testing.assert_array_equal(given.posterior["alpha"].values.ravel(), posterior.difficulty.alpha)
    posterior.to_netcdf(tmp_path / "posterior.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ 1 and 0.23 each deprecate what the other needs
        summary = arviz.summary(given, round_to="none")
        found = arviz.from_netcdf(str(tmp_path / "posterior.nc"))
    assert summary.loc["alpha", "mean"] == pytest.approx(np.mean(posterior.difficulty.alpha))
    np.testing.assert_array_equal(found.posterior["beta"].values.ravel(), posterior.difficulty.beta)
    assert found.posterior.attrs["inference_library"] == "lmpower"
    assert "log-normal, median 0.3" in found.posterior.attrs["prior"]
    nowhere = tmp_path / "missing" / "posterior.nc"
    with pytest.raises(ValueError, match=f"^cannot write {nowhere}: No such file or directory$"):
        posterior.to_netcdf(nowhere)
    assert [each.name for each in tmp_path.iterdir()] == ["posterior.nc"]


def test_r_hat_and_effective_draws_are_near_arviz_s():
    """ArviZ ranks the draws first, so that the two agree to a few per cent only."""
    arviz, posterior = _arviz(), _alone("nuts")
    chains = posterior.difficulty.alpha.reshape(4, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        theirs = float(np.asarray(arviz.ess(chains)))
        r_hat = float(np.asarray(arviz.rhat(chains)))
    assert posterior.ess < 1.25 * theirs
    assert abs(posterior.r_hat - r_hat) < 0.01


# --- what cannot be asked for ---


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"family": "gamma"}, "unknown family 'gamma'"),
        ({"family": None}, "a family is a name such as 'beta', or a difficulty; got NoneType"),
        ({"prior": "weak"}, r"prior must be a Prior \(see default_prior\), not 'weak'"),
        ({"method": "gibbs"}, "method must be one of 'fast', 'nuts', not 'gibbs'"),
        ({"draws": 0}, "draws must be a multiple of 4 and at least 8, not 0"),
        ({"draws": 402}, "draws must be a multiple of 4 and at least 8, not 402"),
        (
            {"prior": default_prior("scaled-beta")},
            "the prior is of alpha, beta, c, and the family has alpha",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_repeated_in_one_line(named, words):
    asked = {"family": "beta", "key": KEY} | named
    with pytest.raises(ValueError, match=words) as error:
        sample_posterior(DATASETS["8 problems"], **asked)
    assert "\n" not in str(error.value)


def test_there_must_be_counts():
    with pytest.raises(CountsError, match="there are no counts"):
        sample_posterior([], "beta", key=KEY)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": DATASETS["8 problems"]}, "Counts or a list of them, not dict: take list"),
        ([{"a": DATASETS["8 problems"]}], "not dict"),
        ("counts.csv", "not str"),
        (None, "not NoneType"),
        ([[100, 3]], "not list"),
    ],
)
def test_what_are_no_counts_is_told_in_one_line(counts, words):
    with pytest.raises(CountsError, match=words) as error:
        sample_posterior(counts, "beta", key=KEY)
    assert "\n" not in str(error.value)


def test_counts_may_be_any_row_of_counts():
    groups = {"a": DATASETS["8 problems"], "b": DATASETS["no success"]}
    of_view, of_list = (
        sample_posterior(row, key=KEY, draws=DRAWS) for row in (groups.values(), list(groups.values()))
    )
    np.testing.assert_array_equal(of_view.u, of_list.u)


def test_what_is_said_of_one_posterior_is_refused_to_a_batch_in_one_line():
    batch = _batch()
    calls = (batch.summary, batch.to_dict, batch.diagnostics, lambda: batch.sentence, lambda: batch.method)
    for call in calls:
        with pytest.raises(ValueError, match=r"takes a single posterior, not a batch: take posterior\[i\]"):
            call()


def test_a_posterior_shows_itself_in_one_line():
    assert repr(_batch()) == f"<Posterior: Beta, {DRAWS:,} draws of each of {2 * len(DATASETS)} data sets>"
    one = repr(_alone())
    assert one.startswith(f"<Posterior: Beta, weighted points: {DRAWS:,} draws")
    assert one.endswith("; mixed>")
    assert (
        repr(jax.tree.map(np.shape, _alone())) == f"<Posterior of Beta(alpha=({DRAWS},), beta=({DRAWS},))>"
    )
    assert "\n" not in one


def test_a_level_of_several_digits_is_shown_with_all_of_them():
    assert "99.5% interval" in _alone().summary(0.995)


@pytest.mark.parametrize("level", [0.0, 1.0, 90])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), not"):
        _alone().estimate(_alone().tail_exponent, level)
