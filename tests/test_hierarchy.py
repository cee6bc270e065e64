"""Groups that share their difficulty in part: against weighed draws of each alone, and on cases known."""

from __future__ import annotations

import dataclasses
import json
import math

import jax
import numpy as np
import pytest

from lmpower.counts import Counts
from lmpower.forecast import forecast_pass_at_k
from lmpower.posterior import Posterior, Together, Trust, sample_posterior, sample_together
from lmpower.prior import default_prior
from lmpower.tables import read_counts

KEY = jax.random.key(5)
# Three groups with a covariate and three without: two programs serve all tests.
X = {"small": -1.0, "middle": 0.0, "large": 4.0}


def drawn(alpha: float, beta: float, problems: int, attempts: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    successes = rng.binomial(attempts, rng.beta(alpha, beta, problems))
    return Counts(np.full(problems, attempts), successes)


def alike() -> dict[str, Counts]:
    """Two large groups of one law and a small one."""
    return {
        "one": drawn(0.3, 4, 200, 100, 1),
        "other": drawn(0.3, 4, 200, 100, 2),
        "few": drawn(0.3, 4, 5, 20, 3),
    }


def unlike() -> dict[str, Counts]:
    laws = ((0.05, 1.5), (0.4, 4), (3.0, 30))
    return {name: drawn(*law, 100, 60, j) for j, (name, law) in enumerate(zip("abc", laws, strict=True))}


def rising() -> dict[str, Counts]:
    """Log tail exponents that rise by .6 for each unit of x."""
    return {name: drawn(0.3 * math.exp(0.6 * x), 4, 150, 100, j) for j, (name, x) in enumerate(X.items())}


@pytest.fixture(scope="module")
def of_alike() -> Together:
    return sample_together(alike(), key=KEY)


@pytest.fixture(scope="module")
def of_unlike() -> Together:
    return sample_together(unlike(), key=KEY)


@pytest.fixture(scope="module")
def of_rising() -> Together:
    return sample_together(rising(), key=KEY, covariate=X)


def by_weighing(groups: dict[str, Counts], x: np.ndarray | None, at: int = 0) -> dict[str, np.ndarray]:
    """Posterior means of r, of u and of b, from draws of every group alone and no chain.

    Alone the prior is N(0, I). Given r the prior of one coordinate of all groups is normal with covariance
    r 11' + (1 - r) I (+ xx'), so that a set of draws, one of each group, has the ratio of the two as
    weight; r is summed over a grid.
    """
    rng, size = np.random.default_rng(0), 40_000
    alone = [sample_posterior(counts, key=jax.random.key(j)).u for j, counts in enumerate(groups.values())]
    u = np.stack([draws[rng.integers(len(draws), size=size)] for draws in alone], axis=1)
    grid = (np.arange(60) + 0.5) / 60
    many, log_ratio, slope = len(alone), [], np.zeros((size, grid.size))
    standard = None if x is None else (x - x.mean()) / x.std()
    for d in range(u.shape[-1]):
        columns = []
        for j, r in enumerate(grid):
            covariance = r * np.ones((many, many)) + (1 - r) * np.eye(many)
            if standard is not None and d == at:
                covariance += np.outer(standard, standard)
                slope[:, j] = u[:, :, d] @ np.linalg.solve(covariance, standard)
            inverse, volume = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
            here = u[:, :, d]
            columns.append(0.5 * np.sum(here**2 - here * (here @ inverse), axis=1) - 0.5 * volume)
        log_ratio.append(np.stack(columns, axis=-1))
    first, second = (np.exp(each - each.max()) for each in log_ratio)
    weight = first.sum(1) * second.sum(1)
    means = [
        ((first @ grid) * second.sum(1)).sum() / weight.sum(),
        (first.sum(1) * (second @ grid)).sum() / weight.sum(),
    ]
    b = ((first * slope).sum(1) * second.sum(1)).sum() / weight.sum()
    return {"r": np.array(means), "u": np.einsum("s,sgd->gd", weight, u) / weight.sum(), "b": np.array(b)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["of_alike", "of_unlike", "of_rising"])
def test_against_weighed_draws_of_each_alone(name, request):
    together: Together = request.getfixturevalue(name)
    groups = {"of_alike": alike, "of_unlike": unlike, "of_rising": rising}[name]()
    expected = by_weighing(groups, together.covariate)
    error = np.std(together.shared, axis=0) / math.sqrt(float(together.ess))
    assert np.all(np.abs(np.mean(together.shared, axis=0) - expected["r"]) < 4 * error + 0.02)
    spread = np.std(together.posteriors.u, axis=1)
    off = np.abs(np.mean(together.posteriors.u, axis=1) - expected["u"])
    assert np.all(off < 0.2 * spread)
    if together.trend is not None:
        step = math.log(4) / np.std(list(X.values()))
        expected_trend = expected["b"] * step
        assert abs(np.mean(together.trend) - expected_trend) < 0.2 * np.std(together.trend)


def test_beside_groups_that_say_nothing_it_is_the_posterior_alone():
    counts = drawn(0.25, 3, 60, 50, 7)
    nothing = Counts([1], [0])
    together = sample_together({"a": counts, "b": nothing, "c": nothing}, key=KEY)
    alone = sample_posterior(counts, key=KEY)
    shares = [0.1, 0.5, 0.9]
    for d in range(2):
        mine, yours = (np.quantile(one.u[:, d], shares) for one in (together["a"], alone))
        assert np.all(np.abs(mine - yours) < 0.25 * np.std(alone.u[:, d]))
    # and those know no more than their prior, whatever is shared
    assert together["b"].trust == Trust.NO_SUCCESS
    assert together["b"].ok
    assert together.trust == Trust.OK


def test_a_small_group_borrows_from_those_like_it(of_alike):
    alone = sample_posterior(alike()["few"], key=KEY)
    width = [np.ptp(np.log(one.estimate(one.tail_exponent)[2:])) for one in (of_alike["few"], alone)]
    assert width[0] < 0.8 * width[1]
    # (both parameters together: as one is drawn to the others', its companion may move either way)
    others = of_alike["one"].u.mean(axis=0)
    off = [np.linalg.norm(one.u.mean(axis=0) - others) for one in (of_alike["few"], alone)]
    assert off[0] < 0.75 * off[1]
    # a large one has nothing to borrow
    large = sample_posterior(alike()["one"], key=KEY)
    assert np.std(of_alike["one"].u[:, 0]) == pytest.approx(np.std(large.u[:, 0]), rel=0.15)


def test_groups_that_differ_share_little(of_unlike, of_alike):
    assert np.mean(of_unlike.shared[:, 0]) < 0.35
    assert np.mean(of_alike.shared[:, 0]) > 0.55
    for name, counts in unlike().items():
        alone = sample_posterior(counts, key=KEY).u[:, 0]
        moved = np.mean(of_unlike[name].u[:, 0]) - np.mean(alone)
        assert abs(moved) < 0.3 * np.std(alone)


def test_a_trend_is_found(of_rising):
    at = of_rising.estimate(of_rising.trend)
    assert at.lower < 0.6 < at.upper
    assert at.median == pytest.approx(0.6, abs=0.12)
    assert of_rising.chance_rising > 0.9
    assert "log alpha" in of_rising.summary()


def test_the_trend_is_in_the_units_given(of_rising):
    percent = {name: 100 * x - 7 for name, x in X.items()}
    again = sample_together(rising(), key=KEY, covariate=percent)
    assert 100 * again.trend == pytest.approx(of_rising.trend, rel=1e-6)


def test_it_has_mixed(of_alike, of_unlike, of_rising):
    for together in (of_alike, of_unlike, of_rising):
        assert together.ok, together.summary()
        assert together.divergences <= 3
        assert np.all(together.posteriors.r_hat < 1.01)


def test_a_key_is_a_result(of_alike):
    again, other = (sample_together(alike(), key=key) for key in (KEY, jax.random.key(6)))
    for mine, yours in zip(jax.tree.leaves(of_alike), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(mine, yours)
    assert again["one"].joint == of_alike["one"].joint != other["one"].joint
    assert not np.array_equal(of_alike.shared, other.shared)


def test_a_group_is_a_posterior(of_alike):
    one = of_alike["few"]
    assert isinstance(one, Posterior)
    assert one.method == "nuts"
    assert "NUTS, 4 chains: 1,000 draws" in one.summary()
    forecast = forecast_pass_at_k(one, [1, 100])
    assert np.all((forecast.lower < forecast.pass_at_k) & (forecast.pass_at_k < forecast.upper))
    assert of_alike.posteriors[2].joint == one.joint != ""
    # the log-likelihood is that of the counts, with log C(n, s)
    rows, law = one.rows, jax.tree.map(lambda leaf: leaf[7], one.difficulty)
    each = rows.log_choose + law.log_moment(rows.successes, rows.failures)
    assert one.log_likelihood[7] == pytest.approx(np.sum(rows.weight * each), abs=1e-6)


def test_results_as_text_and_numbers(of_rising, of_alike):
    found = json.loads(json.dumps(of_rising.to_dict(0.8)))
    assert set(found["groups"]) == set(X)
    assert found["trend"]["of"] == "log alpha"
    assert 0 < found["shared"]["beta"]["lower"] < found["shared"]["beta"]["upper"] < 1
    assert found["status"] == "mixed"
    assert of_alike.to_dict()["trend"] is None
    assert math.isnan(of_alike.chance_rising)
    lines = of_rising.summary(0.8).splitlines()
    assert "80% interval" in lines[0]
    assert lines[-1].startswith("NUTS, 4 chains: 1,000 draws")
    with pytest.raises(ValueError, match=r"no group 'huge': there are 'small', 'middle', 'large'"):
        of_rising["huge"]


def test_what_has_not_mixed_gives_no_interval(of_rising):
    failed = np.full(3, int(Trust.NOT_MIXED))
    broken = dataclasses.replace(
        of_rising,
        trust=np.asarray(int(Trust.NOT_MIXED)),
        posteriors=dataclasses.replace(of_rising.posteriors, trust=failed),
    )
    assert not broken.ok
    said = broken.summary()
    assert "have not mixed" in said
    assert " to " not in said.split("NUTS")[0]
    assert "P(trend > 0)" not in said
    assert np.isnan(broken.estimate(broken.trend).median)
    found = broken.to_dict()
    assert (
        found["trend"]["median"]
        is found["trend"]["chance_rising"]
        is found["shared"]["alpha"]["mean"]
        is None
    )


TWO = {"a": Counts([10], [3]), "b": Counts([10], [5])}


@pytest.mark.parametrize(
    ("groups", "named", "message"),
    [
        ({"a": TWO["a"]}, {}, "at least two groups to share anything; got 'a'"),
        ({}, {}, "at least two groups to share anything; got none"),
        ({"a": TWO["a"], "b": [1, 2]}, {}, "group 'b' must be Counts, not list"),
        (TWO, {"draws": 10}, "draws must be a multiple of 4 and at least 8, not 10"),
        (TWO, {"family": "discrete-2"}, "the parts of 'discrete-2' have no order"),
        (TWO, {"family": "gamma"}, "unknown family 'gamma'"),
        (TWO, {"covariate": {"a": 1.0}}, "the covariate lacks 'b': it has 'a'"),
        (TWO, {"covariate": {"a": 1, "b": 2, "c": 3}}, "has 'c', but the groups are 'a', 'b'"),
        (TWO, {"covariate": {"a": 2, "b": 2}}, "must differ between groups; it is 2 for all"),
        (TWO, {"covariate": {"a": 2, "b": math.nan}}, "the covariate of 'b' must be finite, not nan"),
        (TWO, {"covariate": {"a": 1, "b": 2}, "trend_of": "gamma"}, "\\('alpha', 'beta'\\), not 'gamma'"),
        (
            TWO,
            {"covariate": {"a": 1, "b": 2}, "trend_of": "pi0", "family": "zero-inflated-beta"},
            "\\('alpha', 'beta'\\), not 'pi0'",
        ),
        (list(TWO.values()), {}, "must be a mapping of names to Counts, not list"),
        (TWO, {"prior": default_prior("uniform")}, "the prior is of high, and the family has alpha, beta"),
    ],
)
def test_bad_input_is_told_in_one_line(groups, named, message):
    with pytest.raises(ValueError, match=message) as error:
        sample_together(groups, key=KEY, **named)
    assert "\n" not in str(error.value)


def test_a_level_must_be_one(of_alike):
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), not 2"):
        of_alike.summary(2)


def test_models_of_several_sizes(shared_data):
    """Pythia on MATH: exponents rise with size, as far as three models can say so."""
    models = read_counts(shared_data / "pythia_math.csv", by="model")
    sizes = {"Pythia 160M": 160e6, "Pythia 410M": 410e6, "Pythia 12B": 12e9}
    x = {name: math.log(size) for name, size in sizes.items()}
    counts = {name: models[name].thin(1000, KEY) for name in sizes}
    together = sample_together(counts, key=KEY, covariate=x)
    assert together.ok, together.summary()
    assert together.divergences == 0
    assert 0 < together.estimate(together.trend).median < 0.25
    largest, least = (together[name].tail_exponent for name in ("Pythia 12B", "Pythia 160M"))
    assert np.mean(largest > least) > 0.9
