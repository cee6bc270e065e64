"""Bootstrap fits: what they scatter like, that they repeat, and what is refused."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
import pytest

import lmpower.fit.bootstrap
from lmpower.counts import Counts
from lmpower.fit import Fit, Status, fit_difficulty, profile_interval, standard_error
from lmpower.fit.bootstrap import bootstrap_fit, percentile_interval

KEY = 11


def _drawn(problems: int = 96) -> Counts:
    rng = np.random.default_rng(3)
    n = np.full(problems, 50)
    return Counts(attempts=n, successes=rng.binomial(n, rng.beta(0.4, 2.0, problems)))


COUNTS = _drawn()


@functools.cache
def _fit() -> Fit:
    return fit_difficulty(COUNTS, "beta")


@functools.cache
def _replicates(kind: str) -> Fit:
    return bootstrap_fit(_fit(), COUNTS, key=jax.random.key(KEY), replicates=256, kind=kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["problems", "parametric"])
def test_replicates_scatter_as_the_standard_errors_say(kind: str) -> None:
    replicates = _replicates(kind)
    assert replicates.ok.all()
    spread = np.std(replicates.tail_exponent, ddof=1)
    expected = standard_error(_fit(), {"problems": "sandwich", "parametric": "hessian"}[kind])
    # 256 replicates leave 4.4 % of noise, and the exponent's law is somewhat skewed
    assert spread == pytest.approx(float(expected), rel=0.25)
    assert np.median(replicates.tail_exponent) == pytest.approx(_fit().tail_exponent, rel=0.1)


def test_other_counts_than_the_fit_s_are_refused() -> None:
    with pytest.raises(ValueError, match="not the counts that the fit was made from"):
        bootstrap_fit(_fit(), _drawn(50), key=jax.random.key(0))
    with pytest.raises(ValueError, match="Counts"):
        bootstrap_fit(_fit(), [COUNTS], key=jax.random.key(0))  # type: ignore[arg-type]  # what is refused


def test_percentile_and_profile_intervals_are_alike() -> None:
    ends = np.array(percentile_interval(_replicates("problems"), 0.8))
    profile = np.array(profile_interval(_fit(), 0.8))
    assert ends == pytest.approx(profile, rel=0.15)


@pytest.mark.parametrize("kind", ["problems", "parametric"])
def test_a_replicate_does_not_depend_on_how_many_there_are(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _replicates(kind)
    # a smaller batch, drawn three at a time
    monkeypatch.setattr(lmpower.fit.bootstrap, "_DRAWS_AT_A_TIME", 3 * COUNTS.problems)
    few = bootstrap_fit(_fit(), COUNTS, key=jax.random.key(KEY), replicates=20, kind=kind)
    for name in ("successes", "failures", "weight"):
        mine, theirs = getattr(few.rows, name), getattr(whole.rows, name)[:20]
        used = np.any(mine * few.rows.weight != 0, axis=0) if name != "weight" else mine.any(axis=0)
        assert np.array_equal(mine[:, used], theirs[:, : mine.shape[1]][:, used])
    assert few.theta == pytest.approx(whole.theta[:20], abs=1e-6)


def test_resampled_problems_are_as_many_and_equally_likely() -> None:
    weight = _replicates("problems").rows.weight
    assert np.all(weight.sum(axis=1) == COUNTS.problems)
    rows = _fit().rows.weight
    sd = np.sqrt(rows * (1 - rows / COUNTS.problems) / len(weight))
    assert np.all(np.abs(weight.mean(axis=0)[: rows.size] - rows) < 4.5 * sd + 1e-12)


def test_degenerate_replicates_stay_and_say_so() -> None:
    # two problems of twelve were solved: one resample in nine holds neither
    counts = Counts(attempts=[50] * 12, successes=[0] * 10 + [3, 31])
    replicates = bootstrap_fit(fit_difficulty(counts, "beta"), counts, key=jax.random.key(0), replicates=32)
    failed = replicates.status == Status.NO_SUCCESS
    assert 1 <= failed.sum() <= 12
    assert np.all(np.isnan(replicates.tail_exponent[failed]))
    lower, upper = percentile_interval(replicates)
    assert lower <= upper


def test_what_is_refused() -> None:
    fit, key = _fit(), jax.random.key(0)
    stopped = Counts(COUNTS.attempts, COUNTS.successes, stopping="adaptive")
    with pytest.raises(ValueError, match=r"stopping='adaptive'.*use kind='problems'"):
        bootstrap_fit(fit, stopped, key=key, kind="parametric")
    with pytest.raises(ValueError, match="'problems', 'parametric', not 'rows'"):
        bootstrap_fit(fit, COUNTS, key=key, kind="rows")
    with pytest.raises(ValueError, match="at least 1, not 0"):
        bootstrap_fit(fit, COUNTS, key=key, replicates=0)
    with pytest.raises(ValueError, match="single fit"):
        bootstrap_fit(_replicates("problems"), COUNTS, key=key)
    failed = dataclasses.replace(fit, status=np.int32(Status.NO_SUCCESS))
    with pytest.raises(ValueError, match="no problem was ever solved"):
        bootstrap_fit(failed, COUNTS, key=key)
    with pytest.raises(ValueError, match="batch of fits"):
        percentile_interval(fit)
    with pytest.raises(ValueError, match="between 0 and 1, not 95"):
        percentile_interval(_replicates("problems"), 95)
