"""Posteriors under Beta: on a dense grid, beside ArviZ, and what is said of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import warnings

import jax
import numpy as np
import pytest
from oracle.posterior import BetaOnAGrid
from posterior_counts import DATASETS
from scipy import stats

from lmpower.counts import Counts, stack_rows
from lmpower.posterior import Posterior, Trust, sample_posterior
from lmpower.posterior import sample as sample_file
from lmpower.posterior import trust as trust_file
from lmpower.posterior.pointwise import log_predictive
from lmpower.posterior.trust import chain_diagnostics, trust_in
from lmpower.prior import LogNormal, default_prior

KEY = jax.random.key(7)
DRAWS = 1200
PLACE = {name: i for i, name in enumerate(DATASETS)}


@functools.cache
def _batch() -> Posterior:
    """All data sets under Beta, and twice, so that there are enough to run as a batch does."""
    return sample_posterior(list(DATASETS.values()) * 2, "beta", key=KEY, draws=DRAWS)


@functools.cache
def _alone(method: str = "fast") -> Posterior:
    return sample_posterior(DATASETS["64 problems"], "beta", key=KEY, draws=DRAWS, method=method)


# --- against a dense grid ---


@functools.cache
def _truth(name: str) -> BetaOnAGrid:
    return BetaOnAGrid(DATASETS[name])


def test_the_prior_is_the_one_that_the_grid_takes():
    prior = default_prior("beta")
    assert prior.summary() == (
        "alpha: log-normal, median 0.3, a factor 4 either way\n"
        "beta: log-normal, median 20, a factor 6 either way"
    ), "the default prior has changed: change BetaOnAGrid, and the tables of docs/posteriors.md, with it"


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
    assert abs(np.mean(np.log(alpha)) - math.log(0.3) - mean * math.log(4)) < far * sd * math.log(4)


@pytest.mark.parametrize("name", DATASETS)
def test_weighted_points_are_the_posterior_on_a_grid(name):
    posterior = _batch()[PLACE[name]]
    assert posterior.ok
    assert posterior.method == "fast"
    assert posterior.pareto_k < 0.5
    assert posterior.ess > 1000
    _check_against_grid(posterior, name, far=0.1)
    np.testing.assert_allclose(posterior.log_evidence, _truth(name).log_evidence, rtol=0, atol=0.02)


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
    normals = np.log(alpha / 0.3) / math.log(4), np.log(beta / 20) / math.log(6)
    u = np.concatenate(normals, axis=-1)
    np.testing.assert_allclose(posterior.u, u, atol=1e-10)


def test_what_is_likely_of_every_row_adds_up_to_the_likelihood():
    posterior = _batch()
    each = log_predictive(posterior[:2])
    assert each.shape == (2, DRAWS, posterior.rows.weight.shape[1])
    total = np.sum(each * posterior.rows.weight[:2, None], axis=-1)
    np.testing.assert_allclose(total, posterior.log_likelihood[:2], atol=2e-3)


def test_a_law_narrower_than_the_grid_has_no_false_peak():
    """Guards against a likelihood of e^31 for counts without a success, at alpha = 98, beta = 2e5."""
    counts = [Counts(attempts=[30] * 32, successes=[0] * 32)] * 100
    posterior = sample_posterior(counts, "beta", key=KEY, draws=200, fall_back=False)
    assert np.all(posterior.log_likelihood < 1e-3)
    assert np.all(posterior.trust == Trust.NO_SUCCESS)


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


def test_a_prior_of_whole_numbers_is_that_of_the_same_in_full():
    prior = default_prior("beta")
    whole, full = (
        sample_posterior(
            DATASETS["64 problems"],
            "beta",
            key=jax.random.key(0),
            prior=prior.replace(alpha=LogNormal(median, factor)),
        )
        for median, factor in ((1, 4), (1.0, 4.0))
    )
    np.testing.assert_array_equal(whole.u, full.u)


def test_another_prior_is_another_posterior():
    prior = default_prior("beta").replace(alpha=LogNormal(np.float64(1.0), np.float64(1.05)))
    posterior = sample_posterior(DATASETS["8 problems"], "beta", key=KEY, draws=200, prior=prior)
    assert abs(np.mean(np.log(posterior.difficulty.alpha))) < 0.05
    assert posterior.prior is prior


def test_counts_may_be_any_row_of_counts():
    groups = {"a": DATASETS["8 problems"], "b": DATASETS["no success"]}
    of_view, of_list = (
        sample_posterior(row, key=KEY, draws=DRAWS) for row in (groups.values(), list(groups.values()))
    )
    np.testing.assert_array_equal(of_view.u, of_list.u)


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


@pytest.mark.parametrize("seen", [np.nan, 1.0])
def test_chains_that_stood_still_or_are_no_numbers_have_not_mixed(seen):
    quantities = np.full((1, 4, 100, 2), seen)
    quantities[..., 1] = seen if seen == 1.0 else np.random.default_rng(0).normal(size=(1, 4, 100))
    r_hat, ess = chain_diagnostics(quantities)
    assert r_hat[0] == np.inf
    assert ess[0] == 0.0


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


def test_to_arviz_and_back_from_a_file(arviz, tmp_path):
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


def test_r_hat_and_effective_draws_are_near_arviz_s(arviz):
    """ArviZ ranks the draws first, so that the two agree to a few per cent only."""
    posterior = _alone("nuts")
    chains = posterior.difficulty.alpha.reshape(4, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        theirs = float(np.asarray(arviz.ess(chains)))
        r_hat = float(np.asarray(arviz.rhat(chains)))
    assert posterior.ess < 1.25 * theirs
    assert abs(posterior.r_hat - r_hat) < 0.01


# --- what cannot be asked of it ---


def test_what_is_said_of_one_posterior_is_refused_to_a_batch_in_one_line():
    batch = _batch()
    calls = (batch.summary, batch.to_dict, batch.diagnostics, lambda: batch.sentence, lambda: batch.method)
    for call in calls:
        with pytest.raises(ValueError, match=r"takes a single posterior, not a batch: take posterior\[i\]"):
            call()


@pytest.mark.parametrize("level", [0.0, 1.0, 90])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), not"):
        _alone().estimate(_alone().tail_exponent, level)
