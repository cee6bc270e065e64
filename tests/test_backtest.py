"""Backtests: trials, their futures, scores, the limit, and runs that can be resumed."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from lmpower.backtest import Real, Synthetic, exponent_bound, line_bias, read_results, run_backtest, score
from lmpower.backtest.errors import ShardsError
from lmpower.backtest.shards import Shards
from lmpower.backtest.trials import draw, future_of_counts, future_of_law, hide
from lmpower.baseline import log_spaced_ks
from lmpower.cli import main
from lmpower.counts import Counts, CountsError
from lmpower.difficulty import (
    Beta,
    Discrete,
    Kumaraswamy,
    Mixture,
    Reciprocal,
    Scaled,
    Uniform,
    ZeroInflated,
)
from lmpower.difficulty.named import law_named

F = np.float64
LAW = Scaled(Beta(F(0.3), F(3.0)), F(0.5))
KEY = jax.random.key(4)
KS = np.array([10.0, 100.0])
CHEAP = ("line", "independent")


def counts(stopping="fixed", problems=40, attempts=200):
    rng = np.random.default_rng(1)
    p = rng.beta(0.4, 3.0, problems)
    if stopping == "fixed":
        return Counts([attempts] * problems, rng.binomial(attempts, p))
    first = rng.geometric(p)
    return Counts(np.minimum(first, attempts), (first <= attempts).astype(int), stopping=stopping)


def test_trials_depend_on_their_place_alone():
    together = draw(LAW, KEY, (0, 30, 100), [0, 1, 2], 30)
    alone = draw(LAW, KEY, (0, 30, 100), [2], 30)
    width = alone.weight.shape[1]
    np.testing.assert_array_equal(together.successes[2, :width], alone.successes[0])
    np.testing.assert_array_equal(together.weight[2, :width], alone.weight[0])
    other = draw(LAW, KEY, (1, 30, 100), [2], 30)
    assert not np.array_equal(other.weight, alone.weight)


def test_trials_are_binomial_draws_from_the_law():
    rows = draw(LAW, KEY, (0, 400, 20), range(20), 400)
    seen = np.zeros(21)
    np.add.at(seen, rows.successes.astype(int), rows.weight)
    s = np.arange(21)
    chance = special.comb(20, s) * np.exp(LAW.log_moment(s.astype(float), 20.0 - s))
    kept = chance * 8000 > 5
    expected = np.append(chance[kept], chance[~kept].sum()) * 8000
    assert stats.chisquare(np.append(seen[kept], seen[~kept].sum()), expected).pvalue > 1e-3


def test_products_of_many_attempts_do_not_overflow():
    """Successes times attempts is beyond int64 from about 3.03e9 attempts on."""
    attempts = 4 * 10**9
    rows = draw(Uniform(F(1.0)), KEY, (0, 64, attempts), [0, 1], 64)
    np.testing.assert_array_equal(rows.attempts[rows.weight > 0], attempts)
    np.testing.assert_array_equal(rows.weight.sum(axis=1), 64)
    uniform = stats.kstest(rows.successes[rows.weight > 0] / attempts, "uniform")
    assert uniform.pvalue > 1e-3


def test_the_future_of_a_law_is_exact():
    future = future_of_law(LAW, KS, (1.0, 1e4))
    np.testing.assert_allclose(future.tail_exponent, 0.3)
    failure = special.hyp2f1(-KS, 0.3, 3.3, 0.5)
    np.testing.assert_allclose(future.pass_at_k, 1 - failure, rtol=1e-8)


def test_a_law_without_a_tail_has_no_exponent_and_one_that_reaches_1_no_slope():
    some, easy = (Discrete(np.array(p), np.array([0.4, 0.6])) for p in ([0.001, 0.3], [0.5, 0.9]))
    assert np.isnan(future_of_law(some, KS, (1.0, 1e4)).tail_exponent)
    assert np.isfinite(future_of_law(some, KS, (1.0, 1e4)).window_slope)
    assert np.isnan(future_of_law(easy, KS, (1.0, 1e4)).window_slope)


def test_fixed_attempts_are_thinned():
    full = counts()
    trials = hide(full, KEY, (0, 50), range(4))
    assert [set(trial.attempts) for trial in trials] == [{50}] * 4
    assert all(np.all(trial.successes <= full.successes) for trial in trials)
    assert len({tuple(trial.successes) for trial in trials}) == 4
    future = future_of_counts(full, np.array([10.0, 200.0, 201.0]))
    assert np.isnan(future.pass_at_k[2])
    np.testing.assert_allclose(future.pass_at_k[1], np.mean(full.successes > 0))


def test_a_stopped_stream_is_cut_and_never_thinned():
    full = counts("on_success")
    (cut,) = hide(full, KEY, (0, 20), range(4))
    assert cut.stopping == "on_success"
    assert cut.attempts.max() == 20
    early = full.attempts <= 20
    np.testing.assert_array_equal(cut.successes, np.where(early, full.successes, 0))
    future = future_of_counts(full, np.array([20.0, 200.0, 300.0]))
    np.testing.assert_allclose(future.pass_at_k[0], np.mean(cut.successes > 0))
    np.testing.assert_allclose(future.pass_at_k[1], np.mean(full.successes > 0))
    assert np.isnan(future.pass_at_k[2])
    with pytest.raises(CountsError, match="stopping='adaptive'"):
        hide(Counts([5], [1], stopping="adaptive"), KEY, (0, 2), [0])


def test_streams_tried_in_batches_are_cut_between_batches():
    streams = Counts([60, 120, 240, 240], [3, 1, 2, 0], stopping="on_success")
    (cut,) = hide(streams, KEY, (0, 120), range(2))
    np.testing.assert_array_equal(cut.attempts, [60, 120, 120, 120])
    np.testing.assert_array_equal(cut.successes, [3, 1, 0, 0])
    with pytest.raises(CountsError, match=r"batches of 60: .* at a multiple of 60 attempts, not at 100"):
        hide(streams, KEY, (0, 100), range(2))
    future = future_of_counts(streams, np.array([1.0, 60.0, 240.0, 300.0]))
    np.testing.assert_allclose(future.pass_at_k[:3], [3 / 60 / 4, 1 / 4, 3 / 4])
    assert np.isnan(future.pass_at_k[3])


def plan(**changes):
    truths = {"a": LAW, "b": law_named("kumaraswamy:.3,3")}
    given = {"truths": truths, "problems": [20], "attempts": [10, 30], "seeds": 3, "estimators": CHEAP}
    given["ks"] = (10, 100)
    return Synthetic(**(given | changes))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    return run_backtest(plan(), out, progress=False)


def test_one_row_per_trial_estimator_and_quantity(results):
    table = read_results(results)
    assert len(table["k"]) == 2 * 2 * 3 * 2 * 4
    lines = zip(*(table[c] for c in ("truth", "attempts", "seed", "estimator", "quantity")), strict=True)
    wanted = itertools.product("ab", (10, 30), range(3), CHEAP,
                               ("tail_exponent", "window_slope", "pass@10", "pass@100"))  # fmt: skip
    assert sorted(lines) == sorted(wanted)
    assert np.all(table["truth_value"][table["quantity"] == "tail_exponent"] == 0.3)


def test_results_are_the_shards_one_after_the_other(results):
    plan_ = plan()
    shards = [Shards(results.parent, plan_.config()).read(unit) for unit in range(plan_.units)]
    for name, column in read_results(results).items():
        pieces = np.concatenate([shard[name] for shard in shards])
        np.testing.assert_array_equal(column, pieces)
        assert column.dtype == pieces.dtype
        assert column.flags.writeable


def test_a_run_resumes_to_the_same_bytes(results, tmp_path):
    again = run_backtest(plan(), tmp_path / "out", progress=False)
    assert again.read_bytes() == results.read_bytes()
    again.unlink()
    (tmp_path / "out" / "unit-000001.parquet").unlink()
    assert run_backtest(plan(), tmp_path / "out", progress=False).read_bytes() == results.read_bytes()


def test_the_same_truths_in_another_order_are_another_plan(results):
    """Units are told by their place in the plan, so shards of the two must not mix."""
    turned = plan(truths=dict(reversed(plan().truths.items())))
    with pytest.raises(ShardsError, match="another configuration"):
        run_backtest(turned, results.parent, progress=False)


def test_laws_that_differ_in_what_they_are_made_of_are_two_plans(tmp_path):
    """They were told apart by their outermost kind and their parameters."""
    bases = [Beta(F(0.3), F(3.0)), Kumaraswamy(F(0.3), F(3.0))]
    halves = np.array([0.5, 0.5])
    for compound in (
        lambda base: Scaled(base, F(0.1)),
        lambda base: ZeroInflated(base, F(0.1)),
        lambda base: Mixture((base, Uniform(F(1.0))), halves),
    ):
        first, second = (plan(truths={"t": compound(base)}).config() for base in bases)
        assert first != second
    run_backtest(plan(truths={"t": Scaled(bases[0], F(0.1))}), tmp_path / "out", progress=False)
    with pytest.raises(ShardsError, match=r'truths\[0\]\.base\.law was "Beta" and is now "Kumaraswamy"'):
        run_backtest(plan(truths={"t": Scaled(bases[1], F(0.1))}), tmp_path / "out", progress=False)


@pytest.mark.parametrize(("law", "stored"), [
    (Beta(F(0.3), F(3.0)), {"law": "Beta", "alpha": 0.3, "beta": 3.0}),
    (Uniform(1), {"law": "Uniform", "high": 1.0}),
    (Reciprocal(np.float32(0.125), F(0.5)), {"law": "Reciprocal", "low": 0.125, "high": 0.5}),
])  # fmt: skip
def test_folders_of_laws_with_numbers_alone_go_on(law, stored):
    """As it was written before laws were described with what they are made of."""
    (kept,) = json.loads(json.dumps(plan(truths={"t": law}).config()))["truths"]
    assert kept == {"name": "t"} | stored


@pytest.mark.parametrize(("law", "exponent"), [
    (Mixture((LAW, Kumaraswamy(F(0.6), F(2.0))), np.array([0.4, 0.6])), 0.3),
    (Discrete(np.array([0.0, 0.001, 0.3]), np.array([0.2, 0.3, 0.5])), np.nan),
])  # fmt: skip
def test_truths_of_many_parts_run_and_are_scored(law, exponent, tmp_path):
    whole = plan(truths={"t": law})
    results = run_backtest(whole, tmp_path / "out", progress=False)
    table = read_results(results)
    truth = {name: table["truth_value"][table["quantity"] == name] for name in np.unique(table["quantity"])}
    np.testing.assert_array_equal(truth["tail_exponent"], exponent)
    np.testing.assert_allclose(truth["pass@100"], law.pass_at_k(F(100)))
    assert {each["trials"] for each in score(table) if each["quantity"] == "pass@100"} == {3}
    results.unlink()
    assert run_backtest(whole, tmp_path / "out", progress=False) == results


def test_what_cannot_be_hidden_is_refused_before_any_work():
    streams = Counts([60, 120, 240], [3, 1, 0], stopping="on_success")
    options = {"seeds": 2, "estimators": ["beta-binomial"]}
    with pytest.raises(CountsError, match="group 'm': problems were tried in batches of 60"):
        Real(groups={"m": streams}, attempts=[60, 100], **options)
    with pytest.raises(CountsError, match="group 'm': some problem has only 200 attempts; asked for 300"):
        Real(groups={"m": counts()}, attempts=[20, 300], **options)


def test_another_plan_is_refused(results):
    with pytest.raises(ShardsError, match="another configuration: seeds was 3 and is now 4"):
        run_backtest(plan(seeds=4), results.parent, progress=False)


def test_scores_are_means_over_trials(results):
    table = read_results(results)
    wanted = {"truth": "a", "attempts": 30, "quantity": "pass@100", "estimator": "independent"}
    (record,) = [each for each in score(table, "line") if wanted.items() <= each.items()]
    mine = (table["truth"] == "a") & (table["attempts"] == 30) & (table["quantity"] == "pass@100")
    errors = {}
    for name in CHEAP:
        here = mine & (table["estimator"] == name)
        errors[name] = np.abs(table["estimate"][here] - table["truth_value"][here])
    assert record["trials"] == 3
    np.testing.assert_allclose(record["absolute_error"], errors["independent"].mean())
    np.testing.assert_allclose(record["absolute_error_median"], np.median(errors["independent"]))
    gap = errors["independent"] - errors["line"]
    np.testing.assert_allclose(record["absolute_error_difference"], gap.mean())
    np.testing.assert_allclose(record["absolute_error_difference_se"], stats.sem(gap))
    with pytest.raises(ValueError, match="against must be one of line, independent, not 'none'"):
        score(table, "none")


def test_the_bound_is_that_of_the_beta_binomial():
    """Fisher information of SciPy's pmf by differences, for an unscaled Beta."""
    alpha, beta, n = 0.3, 3.0, 40
    s = np.arange(n + 1)

    def log_pmf(a, b):
        return stats.betabinom.logpmf(s, n, a, b)

    h = 1e-5
    g = np.stack([(log_pmf(alpha + h, beta) - log_pmf(alpha - h, beta)) / (2 * h),
                  (log_pmf(alpha, beta + h) - log_pmf(alpha, beta - h)) / (2 * h)])  # fmt: skip
    information = (np.exp(log_pmf(alpha, beta)) * g) @ g.T
    truth = np.sqrt(np.linalg.inv(information)[0, 0] / 100)
    np.testing.assert_allclose(exponent_bound(Beta(F(alpha), F(beta)), 100, n), truth, rtol=1e-6)


def test_the_bound_falls_with_problems_and_attempts_and_rises_with_what_is_unknown():
    simple, scaled = Beta(F(0.3), F(3.0)), Scaled(Beta(F(0.3), F(3.0)), F(0.999))
    assert exponent_bound(simple, 400, 100) == pytest.approx(exponent_bound(simple, 100, 100) / 2)
    assert exponent_bound(simple, 100, 1000) < exponent_bound(simple, 100, 100)
    assert exponent_bound(scaled, 100, 100) > exponent_bound(simple, 100, 100)
    assert np.isnan(exponent_bound(law_named("reciprocal:.001,.5"), 100, 100))
    with pytest.raises(ValueError, match="needs problems and attempts; got 0 and 5"):
        exponent_bound(simple, 0, 5)


def test_the_published_line_is_biased_by_its_window():
    """Published truth, |slope - a|/a with infinite data at the seven published N; SciPy's 2F1 besides."""
    law = Scaled(Beta(F(0.15), F(3.5)), F(0.1))
    bias = line_bias(law, (100, 215, 464, 1000, 2154, 4642, 10000))
    np.testing.assert_allclose(bias, [0.85, 0.90, 0.91, 0.89, 0.86, 0.82, 0.78], atol=0.01)
    ks = log_spaced_ks(100)
    loss = -np.log1p(-special.hyp2f1(-ks.astype(float), 0.15, 3.65, 0.1))
    np.testing.assert_allclose(bias[0], -np.polyfit(np.log(ks), np.log(loss), 1)[0] / 0.15 - 1, rtol=1e-9)


def test_bias_of_the_line_has_its_limits():
    assert np.isnan(line_bias(law_named("reciprocal:.001,.5"), 100)).all()
    with pytest.raises(ValueError, match="at least 2 attempts, not 1"):
        line_bias(LAW, [1, 10])
    with pytest.raises(CountsError, match=r"whole number from 1 to 2\*\*53; got 10.5"):
        line_bias(LAW, 10.5)


def test_the_line_is_refused_for_stopped_counts():
    with pytest.raises(ValueError, match=r"line cannot be used where outcomes decided .* group 'm'"):
        Real(groups={"m": counts("on_success")}, attempts=[20], seeds=2, estimators=["line", "scaled-beta"])


@pytest.mark.parametrize(("changes", "message"), [
    ({"seeds": 0}, r"seeds = 0 is not a whole number from 1 to 4,294,967,295"),
    ({"seeds": [3]}, r"seeds = \[3\] is not a whole number"),
    ({"seeds": True}, "seeds = True is not a whole number"),
    ({"key": 2**32}, "key = 4294967296 is not a whole number from 0 to 4,294,967,295"),
    ({"key": np.float64(0.5)}, "key = 0.5 is not a whole number"),
    ({"estimators": ["nobody"]}, "not 'nobody'"),
    ({"estimators": []}, "at least one estimator"),
    ({"attempts": [30, 0]}, "attempts = 0 is not a whole number from 1 to"),
    ({"attempts": [10.5]}, "attempts = 10.5 is not a whole number from 1 to"),
    ({"attempts": np.array([10, np.nan])}, "attempts = nan is not a whole number from 1 to"),
    ({"attempts": "10"}, "attempts = '1' is not a whole number from 1 to"),
    ({"attempts": [10**10]}, "attempts = 10000000000 is not a whole number from 1 to 4,294,967,295"),
    ({"attempts": []}, r"attempts must be whole numbers, at least one and none twice; got \[\]"),
    ({"attempts": [10, 10.0]}, r"attempts must be .* none twice; got \[10, 10\]"),
    ({"problems": [1]}, "problems = 1 is not a whole number from 2 to"),
    ({"problems": [None]}, "problems = None is not a whole number from 2 to"),
    ({"truths": {}}, "needs truths"),
    ({"truths": {"t": "beta:.3,3"}}, "truth 't' must be a law such as .*, not 'beta:.3,3'"),
    ({"truths": {"t": Uniform(np.ones(5))}}, r"truth 't' must be a single law, not .* of shape \(5,\)"),
    ({"estimators": ["line", "line"]}, "an estimator is named twice: line, line"),
    ({"ks": (10, 10)}, r"k must be whole numbers, at least one and none twice; got \[10, 10\]"),
    ({"ks": (1.5,)}, "k = 1.5 is not a whole number from 1 to 9,007,199,254,740,992"),
    ({"window": (5, 1)}, r"1 <= k_low < k_high, not \(5, 1\)"),
    ({"window": np.array([1.0, np.inf])}, r"1 <= k_low < k_high, not \[1.0, inf\]"),
    ({"window": (1, 10, 100)}, r"1 <= k_low < k_high, not \(1, 10, 100\)"),
    ({"window": 10}, "1 <= k_low < k_high, not 10"),
])  # fmt: skip
def test_bad_plans(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        plan(**changes)
    assert "\n" not in str(error.value)


def test_real_counts_are_needed():
    with pytest.raises(ValueError, match="needs groups"):
        Real(groups={}, attempts=[5], seeds=2, estimators=CHEAP)


def test_numbers_of_all_kinds_are_one_plan():
    wanted = plan(window=(1.0, 100.0), key=3, ks=(10, 100)).config()
    for array in (np.array, jnp.array):
        given = {"problems": array([20]), "attempts": array([10, 30]), "ks": array([10.0, 100.0])}
        given |= {"seeds": array(3), "window": array([1.0, 100.0]), "estimators": np.array(CHEAP)}
        mine = plan(key=np.int64(3), **given)
        assert json.loads(json.dumps(mine.config())) == json.loads(json.dumps(wanted))
    assert plan(seeds=3.0, attempts=(10.0, 30), problems=20).config() == plan().config()
    assert mine.compute(0)["attempts"].dtype == np.int64


@pytest.mark.parametrize(("text", "message"), [
    ("beta", "a truth is written beta:alpha,beta"),
    ("beta:.1", "a truth is written beta:alpha,beta"),
    ("beta:.1,x", "a truth is written beta:alpha,beta"),
    ("beta:.1,-1", "beta must be above 0; got 'beta:.1,-1'"),
    ("beta:.1,1,2", "c must be above 0 and at most 1"),
    ("zeta:1", "unknown family 'zeta'"),
    ("beta:inf,2", "parameters must be finite"),
    ("reciprocal:.5,.1", "low must be below high"),
])  # fmt: skip
def test_bad_truths(text, message):
    with pytest.raises(ValueError, match=message):
        law_named(text)


def test_from_the_shell(tmp_path, capsys):
    file, out = tmp_path / "counts.csv", tmp_path / "out"
    full = counts()
    lines = [f"m,{i},{n},{s}" for i, (n, s) in enumerate(zip(full.attempts, full.successes, strict=True))]
    file.write_text("\n".join(["model,problem,attempts,successes", *lines]))
    command = ["backtest", "real", str(file), "--by", "model", "--attempts", "20,50", "--seeds", "3",
               "--estimators", "line,independent", "--k", "100", "--out", str(out)]  # fmt: skip
    assert main([*command, "--csv"]) == 0
    said = capsys.readouterr().out
    assert "pass@100" in said
    assert "*" in said
    before = (out / "results.parquet").read_bytes()
    assert (out / "results.csv").read_text().count("\n") == 1 + 2 * 3 * 2 * 3
    assert main(command) == 0
    assert (out / "results.parquet").read_bytes() == before
    capsys.readouterr()
    assert main([*command[:6], "20", *command[7:]]) == 2
    assert "another configuration" in capsys.readouterr().err


def test_a_killed_run_goes_on_to_the_same_bytes(results, tmp_path):
    """SIGKILL after the first shard, then the same run again."""
    out = tmp_path / "out"
    script = (
        "import sys, os, signal\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from lmpower.backtest.shards import Shards\n"
        "from lmpower.backtest import run_backtest\n"
        "import test_backtest\n"
        "write = Shards.write\n"
        "def deadly(self, unit, table):\n"
        "    write(self, unit, table)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Shards.write = deadly\n"
        "run_backtest(test_backtest.plan(), Path(sys.argv[1]), progress=False)\n"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", script, str(out), here], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert not (out / "results.parquet").exists()
    assert run_backtest(plan(), out, progress=False).read_bytes() == results.read_bytes()
