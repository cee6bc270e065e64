"""Budgets of attempts for all problems together: policies against exact laws, the plan, the shell."""

from __future__ import annotations

import collections
import itertools
import json
from fractions import Fraction

import jax
import numpy as np
import pytest
from scipy import stats

from lmpower.backtest import POLICIES, Budgeted, read_results, run_backtest, score, spend
from lmpower.backtest.trials import plug_in_future
from lmpower.cli import main
from lmpower.counts import Counts, CountsError
from lmpower.estimators import ESTIMATORS

KEY = jax.random.key(8)
SMALL = Counts([4, 6, 2], [1, 3, 0])
CHEAP = ("line", "independent")
PUBLISHED_BINS = {"discretized-beta", "discretized-kumaraswamy"}


def counts(problems=30, attempts=200):
    rng = np.random.default_rng(3)
    return Counts([attempts] * problems, rng.binomial(attempts, rng.beta(0.4, 3.0, problems)))


def seen(trials):
    return np.array([trial.attempts for trial in trials]), np.array([trial.successes for trial in trials])


# ---- policies


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("budget", [30, 31, 1000, 6000])
def test_a_budget_is_spent_to_its_last_attempt(policy, budget):
    full = counts()
    for trial in spend(full, policy, budget, KEY, range(3)):
        assert trial.attempts.sum() == budget
        assert np.all(trial.successes <= full.successes)
        assert np.all(trial.failures <= full.failures)
        assert trial.stopping == {"uniform": "fixed", "dynamic": "adaptive"}[policy]


def test_uniform_gives_each_its_share_and_the_remainder_at_random():
    full = counts(8)
    attempts, _ = seen(spend(full, "uniform", 8 * 5 + 3, KEY, range(800)))
    assert set(attempts.ravel()) == {5, 6}
    assert stats.chisquare((attempts == 6).sum(axis=0)).pvalue > 1e-3


def test_uniform_passes_over_problems_that_are_used_up():
    attempts, _ = seen(spend(SMALL, "uniform", 11, KEY, range(5)))
    assert np.all(attempts == [4, 5, 2])


def test_uniform_draws_are_hypergeometric():
    full = Counts([10, 30, 5], [4, 3, 2])
    attempts, successes = seen(spend(full, "uniform", 12, KEY, range(4000)))
    assert np.all(attempts == 4)
    for i in range(3):
        s = np.arange(5)
        chance = stats.hypergeom(full.attempts[i], full.successes[i], 4).pmf(s)
        observed = (successes[:, i, None] == s).sum(axis=0)
        assert np.all(observed[chance == 0] == 0)
        assert stats.chisquare(observed[chance > 0], 4000 * chance[chance > 0]).pvalue > 1e-3


def next_of(policy, state, full):
    """Who may be next, by the rule as it is told."""
    left = [i for i, (n, _) in enumerate(state) if n < full.attempts[i]]
    if policy == "dynamic":
        fewest = min(state[i][1] for i in left)
        left = [i for i in left if state[i][1] == fewest]
    fewest = min(state[i][0] for i in left)
    return [i for i in left if state[i][0] == fewest]


def exact_law(policy, full, budget):
    """Chance of every ((n, s), ..) after a budget, summed over all ways to get there."""
    law = {((0, 0),) * len(full): Fraction(1)}
    for _ in range(budget):
        after = collections.defaultdict(Fraction)
        for state, chance in law.items():
            possible = next_of(policy, state, full)
            for i in possible:
                n, s = state[i]
                solves = Fraction(int(full.successes[i]) - s, int(full.attempts[i]) - n)
                for outcome, share in ((1, solves), (0, 1 - solves)):
                    if share:
                        there = (*state[:i], (n + 1, s + outcome), *state[i + 1 :])
                        after[there] += chance * share / len(possible)
        law = after
    return law


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("budget", [4, 7, 10])
def test_outcomes_have_their_exact_law(policy, budget):
    """Order, ties, problems used up, draws without replacement: all at once."""
    law, trials = exact_law(policy, SMALL, budget), 6000
    attempts, successes = seen(spend(SMALL, policy, budget, KEY, range(trials)))
    met = collections.Counter(
        tuple(zip(n, s, strict=True)) for n, s in zip(attempts.tolist(), successes.tolist(), strict=True)
    )
    assert set(met) <= set(law)
    observed = np.array([met[state] for state in law])
    expected = np.array([float(chance) * trials for chance in law.values()])
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("policy", POLICIES)
def test_each_attempt_goes_where_the_rule_says(policy):
    """A larger budget goes on from a smaller one, so that single steps can be seen."""
    full, state = counts(12, 40), None
    for budget in range(12, 150):
        attempts, successes = (part[0] for part in seen(spend(full, policy, budget, KEY, [5])))
        if state is not None:
            (chosen,) = np.flatnonzero(attempts - [n for n, _ in state])
            assert chosen in next_of(policy, state, full)
            assert np.abs(successes - [s for _, s in state]).sum() == successes[chosen] - state[chosen][1]
        state = list(zip(attempts.tolist(), successes.tolist(), strict=True))


def test_a_trial_depends_on_its_seed_alone():
    together = seen(spend(counts(), "dynamic", 500, KEY, range(4)))
    alone = seen(spend(counts(), "dynamic", 500, KEY, [2]))
    for mine, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(mine[2], other[0])
    assert len({tuple(s) for s in together[1].tolist()}) == 4


def test_both_policies_are_tried_on_the_same_luck():
    uniform, dynamic = (seen(spend(counts(), policy, 50, KEY, range(20))) for policy in POLICIES)
    alike = uniform[0] == dynamic[0]
    assert alike.sum() > 50
    np.testing.assert_array_equal(uniform[1][alike], dynamic[1][alike])


@pytest.mark.parametrize("budget", [2, 13, 5.5, -1])
def test_budgets_that_cannot_be_spent(budget):
    with pytest.raises(CountsError, match=rf"from 3, one attempt .* to 12, .*; got {budget}"):
        spend(SMALL, "dynamic", budget, KEY, [0])


def test_neither_policy_is_made_for_stopped_streams():
    with pytest.raises(CountsError, match=r"without replacement is not valid .* stopping='on_success'"):
        spend(Counts([4, 6], [1, 0], stopping="on_success"), "uniform", 5, KEY, [0])
    with pytest.raises(ValueError, match="policy must be one of uniform, dynamic, not 'greedy'"):
        spend(SMALL, "greedy", 5, KEY, [0])


def test_the_plug_in_future_goes_on_beyond_the_attempts():
    ks = np.array([1.0, 4.0, 1000.0])
    rate = np.array([1 / 4, 1 / 2, 0.0])
    wanted = [1 - np.mean((1 - rate) ** k) for k in ks]
    np.testing.assert_allclose(plug_in_future(SMALL, ks).pass_at_k, wanted, rtol=1e-14)
    certain = Counts([3, 3], [3, 0])
    np.testing.assert_array_equal(plug_in_future(certain, ks).pass_at_k, 0.5)
    with pytest.raises(CountsError, match="rate s/n"):
        plug_in_future(Counts([3], [1], stopping="on_success"), ks)


# ---- the plan


def plan(**changes):
    given = {"groups": {"a": counts(), "b": counts(20)}, "budgets": [45, 300], "seeds": 3}
    given |= {"estimators": CHEAP, "ks": (10, 1000)}
    return Budgeted(**(given | changes))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_backtest(plan(), tmp_path_factory.mktemp("run") / "out", progress=False)


def test_policies_and_estimators_are_told_apart_and_paired(results):
    table = read_results(results)
    names = ("uniform line", "uniform independent", "dynamic independent")
    lines = zip(*(table[c] for c in ("truth", "attempts", "seed", "estimator", "quantity")), strict=True)
    quantities = ("tail_exponent", "window_slope", "pass@10", "pass@1000")
    assert sorted(lines) == sorted(itertools.product("ab", (45, 300), range(3), names, quantities))
    wanted = {"truth": "b", "attempts": 300, "quantity": "pass@10", "estimator": "dynamic independent"}
    (record,) = [each for each in score(table, "uniform line") if wanted.items() <= each.items()]
    assert record["trials"] == 3
    here = (table["truth"] == "b") & (table["attempts"] == 300) & (table["quantity"] == "pass@10")
    error = (table["estimate"] - table["truth_value"]) ** 2
    gap = error[here & (table["estimator"] == names[2])] - error[here & (table["estimator"] == names[0])]
    np.testing.assert_allclose(record["squared_error_difference"], gap.mean())
    beyond = here.copy()
    beyond[:] = (table["truth"] == "b") & (table["quantity"] == "pass@1000")
    wanted = 1 - np.mean((1 - counts(20).rate) ** 1000)
    np.testing.assert_allclose(table["truth_value"][beyond], wanted)


def test_a_run_resumes_to_the_same_bytes(results, tmp_path):
    out = tmp_path / "out"
    assert run_backtest(plan(), out, progress=False).read_bytes() == results.read_bytes()
    (out / "results.parquet").unlink()
    (out / "unit-000002.parquet").unlink()
    assert run_backtest(plan(), out, progress=False).read_bytes() == results.read_bytes()


def test_a_unit_does_not_depend_on_its_neighbours():
    whole = plan()
    alone = plan(groups={"a": counts()}, budgets=[300])
    assert whole.units == 4
    mine, other = whole.compute(1), alone.compute(0)
    for column in mine:
        np.testing.assert_array_equal(mine[column], other[column])


@pytest.mark.slow
@pytest.mark.parametrize("budget", [30, 220])
def test_with_few_attempts_estimates_are_finite_or_nan(budget):
    """One attempt a problem, and seven or eight, for which the published histogram has two bins."""
    names = ("independent", *(name for name, each in ESTIMATORS.items() if not each.stopping))
    table = plan(groups={"a": counts()}, budgets=[budget], estimators=names).compute(0)
    passes = table["k"] > 0
    estimate = table["estimate"][passes]
    assert np.all(np.isnan(estimate) | ((estimate >= 0) & (estimate <= 1)))
    given = set(table["estimator"][passes][np.isfinite(estimate)])
    missing = {name for name in names if f"uniform {name}" not in given}
    # of two bins there is no histogram to fit, and through one point no curve
    by_rule = {name for name in names if "-binomial-" in name}
    assert missing == (set(names) - by_rule - {"independent"} if budget == 30 else PUBLISHED_BINS)


@pytest.mark.parametrize(("changes", "message"), [
    ({"seeds": 0}, "seeds = 0 is not a whole number from 1 to"),
    ({"budgets": []}, r"budgets must be whole numbers, at least one and none twice; got \[\]"),
    ({"budgets": [45.5]}, "budgets = 45.5 is not a whole number from 1 to"),
    ({"groups": {}}, "needs groups of counts and policies"),
    ({"policies": []}, "needs groups of counts and policies"),
    ({"policies": ["uniform", "greedy"]}, "not 'greedy'"),
    ({"budgets": [300, 29]}, "group 'a': a budget must be a whole number from 30, .* to 6,000, .*; got 29"),
    ({"budgets": [5000]}, "group 'b': a budget must be a whole number from 20, .* to 4,000, .*; got 5000"),
    ({"policies": ["dynamic"]}, "line cannot be used where .* as under the dynamic policy"),
])  # fmt: skip
def test_bad_plans(changes, message):
    with pytest.raises(ValueError, match=message):
        plan(**changes)


def test_numbers_of_all_kinds_are_one_plan():
    policies = np.array(["uniform", "dynamic"])
    arrays = plan(budgets=np.array([45.0, 300.0]), seeds=np.int32(3), policies=policies)
    assert json.dumps(arrays.config()) == json.dumps(plan().config())


def test_scores_of_absurdly_wide_intervals_are_numbers_without_warnings(results):
    table = read_results(results)
    table["upper"] = np.where(np.arange(len(table["k"])) % 2, np.inf, 1e200)
    table["lower"] = np.zeros(len(table["k"]))
    records = score(table, "uniform line")
    assert all(np.isnan(each["width_90"]) or each["width_90"] > 0 for each in records)


# ---- the shell


@pytest.fixture
def file(tmp_path):
    lines = [f"m,{i},200,{s}" for i, s in enumerate(counts().successes)]
    path = tmp_path / "counts.csv"
    path.write_text("\n".join(["model,problem,attempts,successes", *lines]))
    return path


def test_from_the_shell(file, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["backtest", "budget", str(file), "--by", "model", "--budget", "100,500", "--seeds", "3",
               "--estimators", "line,independent", "--k", "100,1000", "--out", str(out)]  # fmt: skip
    assert main([*command, "--csv"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("uniform line", "dynamic independent", "pass@1000", "*"))
    before = (out / "results.parquet").read_bytes()
    assert (out / "results.csv").read_text().count("\n") == 1 + 2 * 3 * 3 * 4
    assert main([*command, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert {each["attempts"] for each in records} == {100, 500}
    assert all("squared_error_difference" in each for each in records)
    assert (out / "results.parquet").read_bytes() == before
    assert main([*command, "--policy", "uniform"]) == 2
    assert "another configuration" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    ("--budget 100 --policy dynamic --estimators line,independent", "as under the dynamic policy"),
    ("--budget 100 --policy greedy", "policy must be one of uniform, dynamic, not 'greedy'"),
    ("--budget 10", "group 'm': a budget must be a whole number from 30"),
    ("--budget many", "argument --budget: must be whole numbers from 1 to 2**53"),
    ("--budget 100 --stopping on_success", "group 'm': drawing attempts without replacement is not valid"),
    ("--policy uniform", "required: --budget"),
])  # fmt: skip
def test_refusals_are_one_line(options, message, file, tmp_path, capsys):
    command = ["backtest", "budget", str(file), "--by", "model", "--out", str(tmp_path / "out")]
    assert main([*command, *options.split()]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
