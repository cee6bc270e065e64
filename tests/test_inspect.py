"""Logs in Inspect's memory, and forecasts of them; Inspect itself is not needed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jax
import pytest
from known_logs import LOGS, by_problem

from lmpower.cli import main
from lmpower.counts import CountsError
from lmpower.inspect_ai import forecast_evals
from lmpower.inspect_hooks import forecast_text
from lmpower.logs import read_logs

# ---- logs that have what Inspect's have


def stand_in(
    outcomes: dict[str, Sequence[Any]], *, model: str = "mock/model", task: str = "tiny", **changes: Any
) -> SimpleNamespace:
    """An `EvalLog` as far as it is looked at; None is a sample that errored, other values are scores."""
    samples = [
        SimpleNamespace(
            id=problem,
            epoch=epoch + 1,
            scores=None if value is None else {"match": SimpleNamespace(value=value, answer="a")},
        )
        for problem, values in outcomes.items()
        for epoch, value in enumerate(values)
    ]
    spec = SimpleNamespace(model=model, task=task, eval_id=f"{model} {task}")
    log = {"status": "success", "eval": spec, "results": None, "samples": samples, "location": ""}
    return SimpleNamespace(**(log | changes))


def test_a_log_in_memory_is_counted() -> None:
    log = stand_in({"a": ["C", "I", "C"], 7: [1.0, 0, True]})
    for given in (log, [log], (log,)):
        logs = read_logs(given)
        assert by_problem(logs.groups["mock/model"]) == {"a": (3, 2), "7": (3, 2)}
        assert logs.labels == {"mock/model": {"model": "mock/model", "task": "tiny"}}
        assert (logs.format, logs.notes) == ("inspect", ("Read as Inspect AI log.",))


def test_what_a_log_in_memory_leaves_open_is_asked() -> None:
    broken = stand_in({"a": ["C", None, math.nan, "I"]})
    with pytest.raises(
        CountsError, match=r"EvalLog mock/model tiny: 2 of 4 attempts errored or have no sc"
    ):
        forecast_evals(broken)
    assert by_problem(read_logs(broken, errors="exclude").groups["mock/model"]) == {"a": (2, 1)}
    assert by_problem(read_logs(broken, errors="fail").groups["mock/model"]) == {"a": (4, 1)}
    graded = stand_in({"a": [0.7, 0.2]})
    with pytest.raises(CountsError, match=r"sample 'a': the score of match is 0.7, neither 0 nor 1"):
        forecast_evals(graded)
    assert by_problem(read_logs(graded, threshold=0.5).groups["mock/model"]) == {"a": (2, 1)}
    several = stand_in({"a": [{"style": 1, "truth": 0}]})
    with pytest.raises(CountsError, match="several scorers: match/style, match/truth; choose one"):
        forecast_evals(several)
    assert by_problem(read_logs(several, scorer="match/style").groups["mock/model"]) == {"a": (1, 1)}


def test_what_a_header_in_memory_says_is_told() -> None:
    early = SimpleNamespace(manager="first", early_stops=[SimpleNamespace(id="a", epoch=2)])
    stopped = stand_in({"a": ["C"], "b": ["I", "I"]}, results=SimpleNamespace(early_stopping=early))
    logs = read_logs(stopped)
    assert logs.groups["mock/model"].stopping == "on_success"
    assert any("the log records Inspect's early stopping (first)" in note for note in logs.notes)
    early.early_stops = []
    assert not any("early" in note for note in read_logs(stopped).notes)
    assert any(
        "its status is 'cancelled'" in n for n in read_logs(stand_in({"a": [1]}, status="cancelled")).notes
    )


def test_logs_in_memory_are_groups_like_files() -> None:
    one, two = ({"a": ["C", "I"]}, {"a": ["I"] * 3, "b": ["C"]})
    logs = [stand_in(one, model="m0"), stand_in(two, model="m1")]
    assert list(read_logs(logs).groups) == ["m0", "m1"]
    assert list(read_logs([stand_in(one, task="t0"), stand_in(two, task="t1")]).groups) == ["t0", "t1"]
    mixed = [LOGS / "inspect_5x10.eval", stand_in(one, model="m0")]
    assert list(read_logs(mixed).groups) == ["mockllm/model", "m0"]
    runs = [stand_in(one, task="t0"), stand_in(two, task="t1")]
    assert by_problem(read_logs(runs, by="model").groups["mock/model"]) == {"a": (5, 1), "b": (1, 1)}
    with pytest.raises(CountsError, match="is given twice"):
        read_logs([logs[0], logs[0]])
    unnamed = [stand_in(each, eval=SimpleNamespace(model="m", task="t")) for each in (one, two)]
    assert len(read_logs(unnamed).groups) == 2


def test_a_header_alone_stands_for_its_file() -> None:
    path = LOGS / "inspect_5x10.eval"
    for location in (str(path), path.as_uri()):
        header = stand_in({}, samples=None, location=location)
        assert by_problem(read_logs(header).groups["mockllm/model"])["p0"] == (10, 9)
        assert read_logs(header).checks["mockllm/model"].files == (str(path),)
    with pytest.raises(CountsError, match="is given twice"):
        read_logs([path, header])
    for location in ("", "s3://bucket/log.eval"):
        with pytest.raises(CountsError, match=r"holds no samples, .*read_eval_log$"):
            read_logs(stand_in({}, samples=None, location=location))
    with pytest.raises(CountsError, match=r"gone\.eval: there is no such file"):
        read_logs(stand_in({}, samples=None, location="gone.eval"))


class Waiting(list[Any]):
    """A list that is empty in memory until somebody looks at it, which nobody may."""

    def __iter__(self) -> Any:
        raise AssertionError("whole samples were loaded")

    __len__ = __bool__ = __getitem__ = __iter__


def test_samples_that_wait_to_be_loaded_are_read_from_the_file() -> None:
    log = stand_in({}, samples=Waiting(), location=str(LOGS / "inspect_5x10.eval"))
    assert by_problem(read_logs(log).groups["mockllm/model"])["p0"] == (10, 9)


def test_samples_in_memory_count_even_where_there_is_a_file() -> None:
    log = stand_in({"a": ["C", "I"]}, location=str(LOGS / "inspect_5x10.eval"))
    assert by_problem(read_logs(log).groups["mock/model"]) == {"a": (2, 1)}
    with pytest.raises(CountsError, match="is given twice"):
        read_logs([log, LOGS / "inspect_5x10.eval"])


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(CountsError, match="each must be a path or an EvalLog of Inspect; got a int"):
        forecast_evals([stand_in({"a": [1]}), 3])
    with pytest.raises(CountsError, match="holds no attempts"):
        forecast_evals(stand_in({}))
    with pytest.raises(CountsError, match="no files given"):
        forecast_evals([])


# ---- the forecast


def test_the_forecast_is_that_of_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    path = LOGS / "inspect_5x10_errors.eval"
    found = forecast_evals(path, [1, 10, 1000], errors="exclude", problems="new", level=0.5)
    options = ["--k", "1,10,1000", "--errors", "exclude", "--problems", "new", "--level", ".5"]
    assert main(["forecast", str(path), *options]) == 0
    assert capsys.readouterr().out == found.summary() + "\n"
    assert main(["forecast", str(path), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found.records()
    assert main(["posterior", str(path), *options, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    (name,) = found
    assert found.to_dict()["groups"][name]["forecast"] | {"group": name} == record
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.notes == read_logs(path, errors="exclude").notes
    assert any("8 of 50 attempts" in note for note in found.notes)


def test_what_is_held_of_a_group() -> None:
    found = forecast_evals(LOGS / "inspect_5x10.eval", 100)
    assert list(found) == ["mockllm/model"]
    assert len(found) == 1
    group = found["mockllm/model"]
    assert group.counts.attempts.tolist() == [10] * 5
    assert group.posterior.ok
    assert group.forecast.k.tolist() == [100]
    assert group.forecast.per_problem is not None
    assert group.forecast.per_problem.shape == (5, 1)
    assert group.labels["model"] == "mockllm/model"
    with pytest.raises(KeyError, match="nobody"):
        found["nobody"]


def test_the_key_decides_all_that_is_random() -> None:
    path = LOGS / "inspect_5x10.eval"
    same = forecast_evals(path, key=jax.random.key(0)).records()
    assert same == forecast_evals(path).records()
    assert same != forecast_evals(path, key=jax.random.key(1)).records()


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"ks": [0]}, "k must be a whole number from 1 to 2"),
        ({"family": "gauss"}, "gauss"),
        ({"problems": "old"}, "problems must be 'same' or 'new', not 'old'"),
        ({"level": 1.5}, r"level must lie in \(0, 1\), not 1.5"),
        ({"errors": "drop"}, "errors must be one of"),
        ({"method": "slow"}, "method must be one of"),
    ],
)
def test_choices_that_there_are_not(choice: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        forecast_evals(LOGS / "inspect_5x10.eval", **choice)


def test_the_text_at_the_end_of_a_run() -> None:
    logs = [stand_in({}, samples=None, location=(LOGS / "inspect_5x10.eval").as_uri())]
    assert forecast_text(logs, ["--k", "1,50"]) == forecast_evals(logs, [1, 50]).summary()
    assert forecast_text(logs, ["--k", "none"]).startswith("lmpower: argument --k: must be whole numbers")
    assert "usage: lmpower forecast" in forecast_text(logs, ["--help"])
    broken = [stand_in({}, samples=None, location=str(LOGS / "inspect_5x10_errors.eval"))]
    assert "--errors exclude leaves them out" in forecast_text(broken, [])
    remote = [stand_in({}, samples=None, location="s3://bucket/log.eval")]
    assert forecast_text(remote, []).startswith(
        "lmpower: no forecast, since s3://bucket/log.eval is not on"
    )


def test_inspect_is_not_needed() -> None:
    source = (
        "import sys; sys.modules['inspect_ai'] = None;"
        "import lmpower.inspect_hooks; from lmpower.inspect_ai import forecast_evals;"
        f"print(*forecast_evals({str(LOGS / 'inspect_5x10.eval')!r}))"
    )
    alone = {name: value for name, value in os.environ.items() if name != "LMPOWER_FORECAST"}
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=300, env=alone
    )
    assert done.stdout == "mockllm/model\n", done.stderr
