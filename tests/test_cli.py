"""cli: what the shell prints, in numbers those of the library."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from given_files import in_file

import lmpower
import lmpower.study
from lmpower.arguments import KS
from lmpower.baseline import fit_line, log_spaced_ks
from lmpower.counts import Counts
from lmpower.datasets import addition, example, example_truth
from lmpower.fit import Fit, Status, fit_difficulty, profile_interval
from lmpower.forecast import Forecast, forecast_pass_at_k
from lmpower.passk import pass_at_k
from lmpower.posterior import Posterior, Trust, sample_posterior
from lmpower.records import ESTIMATES, as_json, fit_records, fit_table, number
from lmpower.scaling import window_slope
from lmpower.study import Fits

EXAMPLE = Path(lmpower.__file__).parent / "data" / "example.csv"
FIT_KEYS = [
    "group", "family", "params", "tail_exponent", "tail_exponent_lower", "tail_exponent_upper",
    "window_slope", "window", "log_likelihood", "line", "status",
]  # fmt: skip
POSTERIOR_KEYS = [
    "group", "family", "tail_exponent", "params", "pass_at_k", "problems", "level", "method", "r_hat",
    "ess", "divergences", "pareto_k", "status",
]  # fmt: skip
FORECAST_KEYS = ["group", "k", "pass_at_k", "lower", "upper", "level", "problems", "family"]


def table(rows: list[tuple[Any, ...]]) -> str:
    lines = ["model,problem,attempts,successes", *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def fits() -> Fit:
    """Of both models of the example: the only fits here, as each takes seconds to compile."""
    return fit_difficulty([example("model-a"), example("model-b")])


@pytest.fixture
def fitted(fits: Fit, monkeypatch: pytest.MonkeyPatch) -> list[list[Counts]]:
    """What the shell asks to have fitted; it gets the fits of the example instead."""
    asked: list[list[Counts]] = []

    def fit(counts: list[Counts], family: str, penalty: str | None = None) -> Fit:
        asked.append(counts)
        return fits[: len(counts)]

    def no_interval(fit: Fit, level: float) -> Any:
        return np.zeros(len(fit.status)), np.full(len(fit.status), np.inf)

    monkeypatch.setattr(lmpower.study, "fit_difficulty", fit)
    monkeypatch.setattr(lmpower.study, "profile_interval", no_interval)
    return asked


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    groups = [example("model-a"), example("model-b")]
    return sample_posterior(groups, "beta", key=jax.random.key(0))


@pytest.fixture
def believed(posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the shell asks to have sampled; it gets the posteriors of the example instead."""
    asked: list[tuple[Any, ...]] = []

    def sample(counts: list[Counts], family: str, *, key: Any, method: str, draws: int) -> Posterior:
        asked.append((counts, family, method, draws))
        return posterior[: len(counts)]

    monkeypatch.setattr(lmpower.study, "sample_posterior", sample)
    return asked


def test_fit_records_are_the_library_s(run: Any, fits: Fit) -> None:
    ran = run("fit", EXAMPLE, "--by", "model", "--json", "--window", "1,1000", "--level", ".8")
    assert (ran.code, ran.err) == (0, "")
    records = json.loads(ran.out)
    lower, upper = profile_interval(fits, 0.8)
    slope = window_slope(fits.difficulty, 1, 1000)
    assert [record["group"] for record in records] == ["model-a", "model-b"]
    for g, record in enumerate(records):
        assert list(record) == FIT_KEYS
        line = fit_line(example(record["group"]))
        assert record["family"] == "beta"
        assert record["params"] == {k: v[g] for k, v in fits.difficulty.parameters().items()}
        assert record["tail_exponent"] == fits.tail_exponent[g]
        assert record["tail_exponent_lower"] == lower[g] < fits.tail_exponent[g]
        assert record["tail_exponent_upper"] == upper[g] > fits.tail_exponent[g]
        assert record["window_slope"] == slope[g]
        assert record["window"] == [1, 1000]
        assert record["log_likelihood"] == fits.log_likelihood[g]
        assert record["line"] == {"a": line.a, "b": line.b}
        assert record["status"] == "converged"


def test_fit_under_the_weak_prior(run: Any) -> None:
    options = ("fit", EXAMPLE, "--by", "model", "--penalty", "weak")
    records = json.loads(run(*options, "--json").out)
    models = [record["group"] for record in records]
    fits = fit_difficulty([example(model) for model in models], "beta", penalty="weak")
    assert [record["tail_exponent"] for record in records] == fits.tail_exponent.tolist()
    assert "Fit: beta under the weak prior" in run(*options).out


def test_fit_tables(run: Any, fits: Fit, fitted: list[list[Counts]], tmp_path: Path) -> None:
    picture = tmp_path / "fit.svg"
    ran = run("fit", EXAMPLE, "--by", "model", "--line-ks", "log-100", "--plot", picture)
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"model-a +128 +100 +61 +fixed \(detected\)\n", ran.out)
    line = fit_line(example("model-b"), log_spaced_ks(100))
    row = next(line for line in ran.out.splitlines()[6:] if line.startswith("model-b"))
    shown = [number(float(v[1])) for v in fits.difficulty.parameters().values()]
    assert row.split()[1:4] == [*shown, number(float(fits.tail_exponent[1]))]
    assert row.split()[-3:] == [number(line.a), number(line.b), "1..100"]
    for label in ("Fit: beta", "window slope", "k=1..10,000", "status: converged"):
        assert label in ran.out
    assert ran.out.endswith(f"wrote {picture}\n")
    assert picture.read_bytes().startswith(b"<?xml")


def test_forecasts_are_the_library_s(
    run: Any, believed: list[Any], posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[dict[str, Any], Forecast]] = []

    def spy(given: Posterior, ks: Any, counts: Counts, **options: Any) -> Forecast:
        seen.append((options, forecast_pass_at_k(given, ks, counts, **options)))
        return seen[-1][1]

    monkeypatch.setattr(lmpower.study, "forecast_pass_at_k", spy)
    options = ("--group", "model-b", "--k", "1000, 1 10,1e3", "--problems", "new", "--level", ".5")
    ran = run("forecast", EXAMPLE, "--by", "model", *options, "--json")
    assert (ran.code, ran.err) == (0, "")
    ((given, expected),) = seen
    assert (given["problems"], given["level"]) == ("new", 0.5)
    assert believed[0][1:] == ("beta", "fast", 1000)
    assert expected.k.tolist() == [1000, 1, 10]
    for i, record in enumerate(json.loads(ran.out)):
        assert list(record) == FORECAST_KEYS
        values = expected.k[i], expected.pass_at_k[i], expected.lower[i], expected.upper[i]
        assert list(record.values()) == ["model-b", *values, 0.5, "new", "beta"]

    picture = tmp_path / "forecast.png"
    options = ("--group", "model-a", "--k", "1,100,1000", "--plot", str(picture))
    ran = run("forecast", EXAMPLE, "--by", "model", *options)
    assert (ran.code, ran.err) == (0, "")
    given, expected = seen[1]
    assert (given["problems"], given["level"]) == ("same", 0.9)
    assert len(expected.k) >= 50  # for the picture
    at = [expected.k.tolist().index(k) for k in (1, 100, 1000)]
    measured = pass_at_k(example(), [1, 100]).estimate
    line = fit_line(example()).pass_at_k([1, 100, 1000])
    exponent = posterior[0].estimate(posterior[0].tail_exponent)
    assert f"{number(float(exponent.lower))} to {number(float(exponent.upper))}" in ran.out
    assert "status: mixed" in ran.out
    assert "Forecast of these same problems" in ran.out
    rows = ran.out[ran.out.index("Forecast") :].splitlines()[3:6]
    rows[0] = rows[0].removeprefix("model-a")
    assert [row.split()[0] for row in rows] == ["1", "100", "1,000"]
    assert [row.split()[1] for row in rows] == [number(p) for p in expected.pass_at_k[at]]
    assert [row.split()[2] for row in rows] == [number(p) for p in expected.lower[at]]
    assert [row.split()[4] for row in rows] == [number(p) for p in expected.upper[at]]
    assert [row.split()[5] for row in rows] == [number(p) for p in line]
    assert [row.split()[6] for row in rows] == [*(number(p) for p in measured), "-"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["forecast.png"]


def test_posteriors_are_the_library_s(
    run: Any, believed: list[Any], posterior: Posterior, tmp_path: Path
) -> None:
    options = ("--method", "nuts", "--draws", "400", "--k", "10,1000", "--level", ".8")
    ran = run("posterior", EXAMPLE, "--by", "model", *options, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert believed[0][1:] == ("beta", "nuts", 400)
    records = json.loads(ran.out)
    assert [record["group"] for record in records] == ["model-a", "model-b"]
    for g, record in enumerate(records):
        assert list(record) == POSTERIOR_KEYS
        expected = posterior[g].estimate(posterior[g].tail_exponent, 0.8)
        assert record["tail_exponent"] == {k: float(v) for k, v in expected._asdict().items()}
        assert set(record["params"]) == {"alpha", "beta"}
        ahead = forecast_pass_at_k(posterior[g], [10, 1000], example(record["group"]), level=0.8)
        assert [each["k"] for each in record["pass_at_k"]] == [10, 1000]
        assert [each["mean"] for each in record["pass_at_k"]] == ahead.pass_at_k.tolist()
        assert [each["upper"] for each in record["pass_at_k"]] == ahead.upper.tolist()
        assert record["ess"] == posterior.ess[g]
        assert (record["r_hat"], record["divergences"], record["status"]) == (None, 0, "mixed")

    picture = tmp_path / "posterior.svg"
    ran = run("posterior", EXAMPLE, "--by", "model", "--plot", picture)
    assert (ran.code, ran.err) == (0, "")
    assert posterior[1].summary() in ran.out
    assert picture.read_bytes().startswith(b"<?xml")


def test_what_has_not_mixed_gives_no_interval(
    run: Any, posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubtful = replace(posterior, trust=np.array([Trust.OK, Trust.NOT_MIXED]))
    monkeypatch.setattr(lmpower.study, "sample_posterior", lambda *_, **__: doubtful)
    ran = run("forecast", EXAMPLE, "--by", "model", "--k", "10", "--json")
    good, bad = json.loads(ran.out)
    assert good["lower"] is not None
    assert (bad["pass_at_k"], bad["lower"], bad["upper"]) == (None, None, None)
    assert ran.err.startswith("lmpower: group 'model-b': the chains have not mixed")
    ran = run("forecast", EXAMPLE, "--by", "model", "--k", "10")
    assert "status:\n  model-a: mixed\n  model-b: the chains have not mixed" in ran.out
    ran = run("posterior", EXAMPLE, "--by", "model", "--json")
    assert json.loads(ran.out)[1]["tail_exponent"] == dict.fromkeys(("mean", "median", "lower", "upper"))


def test_demo(run: Any, believed: list[Any]) -> None:
    ran = run("demo")
    assert (ran.code, ran.err) == (0, "")
    assert "alpha = 0.3, beta = 8" in ran.out
    assert "alpha = 0.6, beta = 2.5, c = 0.5" in ran.out
    made_up, real = ran.out.split("A real, if small, language model")
    ks: Any = np.array(KS)  # in the shape already compiled
    assert rows_of(made_up, "model-b")[-1][-1] == number(float(example_truth("model-b").pass_at_k(ks)[-1]))
    for name, sampled in (addition(400) | addition(1600, 1.0)).items():
        exact = -np.expm1(np.outer(KS, np.log1p(-sampled.p))).mean(axis=1)
        every = pass_at_k(sampled.counts, KS).estimate
        said = rows_of(real, name)
        assert [row[-1] for row in said] == [number(p) for p in exact]
        assert [row[-2] for row in said] == [number(p) for p in every]


def rows_of(text: str, group: str) -> list[list[str]]:
    """The cells of a group's lines in the last table of a text, from k on."""
    lines = text.splitlines()
    first = max(i for i, line in enumerate(lines) if line.startswith(f"{group} "))
    return [line.removeprefix(group).split() for line in lines[first : first + len(KS)]]


def test_stopped_counts_have_no_line(run: Any, fitted: list[list[Counts]], tmp_path: Path) -> None:
    rows = [("m", i, 10 * (1 + i % 7), 1) for i in range(30)] + [("m", 99, 100, 0)]
    path = in_file(tmp_path, "counts.csv", table(rows))
    ran = run("fit", path, "--by", "model", "--json")
    (record,) = json.loads(ran.out)
    assert ran.code == 0
    assert record["line"] is None
    assert fitted[0][0].stopping == "on_success"
    reason = "it needs attempts chosen in advance, and stopping is on_success"
    assert ran.err == f"lmpower: group 'm' has no line: {reason}\n"
    ran = run("fit", path, "--by", "model")
    assert "on_success (detected)" in ran.out
    assert f"line: none, because {reason}" in ran.out
    assert "on_success (as given)" in run("fit", path, "--stopping", "on_success").out


def test_a_group_without_success_is_no_error(run: Any, tmp_path: Path) -> None:
    rows = [("never", i, 60 + i, 0) for i in range(40)]
    path = in_file(tmp_path, "counts.csv", table(rows))
    ran = run("forecast", path, "--by", "model", "--k", "1,10", "--json")
    assert ran.code == 0
    assert ran.err.startswith("lmpower: group 'never': no problem was ever solved")
    one, ten = json.loads(ran.out)
    # what 40 problems without a success in 60 to 99 attempts leave possible
    assert 0 <= one["lower"] < one["pass_at_k"] < one["upper"] < 2e-3
    assert one["upper"] < ten["upper"] < 1e-2
    ran = run("fit", path, "--by", "model", "--json")
    (never,) = json.loads(ran.out)
    assert ran.code == 0
    assert never["params"] == {"alpha": None, "beta": None}
    assert [never[key] for key in FIT_KEYS[3:7] + FIT_KEYS[8:10]] == [None] * 6
    assert never["status"].startswith("no problem was ever solved")
    assert ran.err.startswith("lmpower: group 'never' has no line: a line needs two values of k")
    ran = run("fit", path, "--by", "model", "--plot", tmp_path / "fit.png")
    assert ran.code == 0
    assert "status: no problem was ever solved" in ran.out
    assert "line: none, because a line needs two values of k" in ran.out
    ran = run("forecast", path, "--by", "model", "--plot", tmp_path / "forecast.png")
    assert ran.code == 0
    assert "status: no problem was ever solved" in ran.out
    assert (tmp_path / "fit.png").exists()
    assert (tmp_path / "forecast.png").exists()


def test_groups_that_differ_are_told_apart(fits: Fit) -> None:
    counts = {"good": example(), "never": Counts([100, 100], [0, 0])}
    status = np.array([Status.CONVERGED, Status.NO_SUCCESS])
    pair = np.array([0.1, np.nan]), np.array([0.2, np.nan])
    lines = {"good": fit_line(example()), "never": "pass@k is 0"}
    found = replace(fits, status=status)
    study = Fits(counts, True, "beta", 0.9, lines, found, pair, (1, 10), pair[0])
    said = fit_table(study)
    assert "status:\n  good: converged\n  never: no problem was ever solved" in said
    assert "line:\n  good: -log pass@k = a k^-b, by least squares\n  never: none, because" in said
    assert re.search(r"good .*1\.\.100\n", said)
    assert re.search(r"never +- .*-\n", said)


def test_what_an_ascent_left_behind_is_no_estimate(fits: Fit) -> None:
    fit = replace(fits[:1], status=np.array([Status.NOT_CONVERGED]))
    one, none = np.ones(1), {"all": "pass@k is 0"}
    study = Fits({"all": example()}, True, "beta", 0.9, none, fit, (one, one), (1, 10), one)
    (record,) = json.loads(as_json(fit_records(study)))
    assert record["params"] == {"alpha": None, "beta": None}
    assert [record[key] for key in ESTIMATES] == [None] * 5
    assert record["status"].startswith("the ascent did not converge")


def test_other_columns_and_unscored_attempts(run: Any, fitted: list[list[Counts]], tmp_path: Path) -> None:
    outcomes = {f"task {i}": ["1"] * i + ["0"] * 20 + [""] for i in range(12)}
    rows = [f"{problem},{outcome}\n" for problem, row in outcomes.items() for outcome in row]
    path = in_file(tmp_path, "counts.csv", "id,passed\n" + "".join(rows))
    columns = ("--problem-column", "id", "--success-column", "passed")
    ran = run("fit", path, *columns)
    assert ran.code == 2
    assert "--errors exclude leaves them out, --errors fail counts them as failures" in ran.err
    assert run("fit", path, *columns, "--errors", "exclude", "--json").code == 0
    assert run("fit", path, *columns, "--errors", "fail", "--json").code == 0
    (excluded,), (failed,) = fitted
    assert excluded.successes.tolist() == failed.successes.tolist() == list(range(12))
    assert excluded.attempts.tolist() == [20 + i for i in range(12)]
    assert failed.attempts.tolist() == [21 + i for i in range(12)]


def test_a_million_rows(run: Any, fitted: list[list[Counts]], tmp_path: Path) -> None:
    rows = "".join(f"100,{s}\n" for s in example().successes.tolist())
    path = in_file(tmp_path, "counts.csv", "attempts,successes\n" + rows * 7813)
    ran = run("fit", path, "--json")
    assert ran.code == 0
    (record,) = json.loads(ran.out)
    assert record["group"] == "all"
    ((counts,),) = fitted
    assert counts.problems == 128 * 7813
    assert counts.successes.sum() == 7813 * example().successes.sum()


def test_a_failed_picture_leaves_no_file(
    run: Any, fitted: list[list[Counts]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    ran = run("fit", EXAMPLE, "--by", "model", "--plot", tmp_path / "a.png")
    assert ran.code == 2
    assert ran.err == f"lmpower: cannot write {tmp_path / 'a.png'}: No space left on device\n"
    assert not list(tmp_path.iterdir())
