"""Inspect itself, with a mock model: what `eval` returns, forecast as the files that it writes are."""

from __future__ import annotations

import gc
import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from known_logs import by_problem

from lmpower.counts import CountsError
from lmpower.inspect_ai import EvalForecasts, forecast_evals
from lmpower.logs import read_logs

EPOCHS = 40
CHANCES = {"p0": 0.9, "p1": 0.5, "p2": 0.2, "p3": 0.05, "p4": 0.0}


def assert_alike(mine: EvalForecasts, others: EvalForecasts) -> None:
    """The same groups, counts, notes and numbers, to the last bit."""
    assert mine.to_dict() == others.to_dict()
    assert mine.summary() == others.summary()
    for name in others:
        np.testing.assert_array_equal(mine[name].forecast.per_problem, others[name].forecast.per_problem)


@pytest.fixture(scope="module")
def inspect() -> SimpleNamespace:
    """The names of Inspect that are used here, and its task of five sums."""
    pytest.importorskip("inspect_ai", reason="needs pip install 'lmpower[inspect]'")
    return SimpleNamespace(task=five_sums, eval=evaluated)


def five_sums(**options: Any) -> Any:
    from inspect_ai import Epochs, Task
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    samples = [Sample(id=p, input=f"What is {i} + {i}?", target=str(2 * i)) for i, p in enumerate(CHANCES)]
    epochs = Epochs(EPOCHS, ["mean"])
    return Task(dataset=samples, solver=generate(), scorer=match(numeric=True), epochs=epochs, **options)


def answering(seed: int, broken: float = 0.0) -> tuple[Callable[..., Any], dict[str, list[bool | None]]]:
    """A model that solves each problem with its chance, and what it did so far; None where it broke."""
    from inspect_ai.model import ModelOutput, ModelUsage

    draw, made = random.Random(seed), {problem: [] for problem in CHANCES}

    def answer(messages: Any, *_: Any) -> Any:
        number = int(re.findall(r"What is (\d+)", messages[-1].text)[0])
        outcome = None if draw.random() < broken else draw.random() < CHANCES[f"p{number}"]
        made[f"p{number}"].append(outcome)
        if outcome is None:
            raise RuntimeError("the provider is away")
        output = ModelOutput.from_content("mock", f"The answer is {2 * number if outcome else 99}")
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)  # or it would count them
        return output

    return answer, made


def evaluated(task: Any, answer: Any, folder: Path, name: str = "model", **options: Any) -> Any:
    from inspect_ai import eval
    from inspect_ai.model import get_model

    model = get_model(f"mockllm/{name}", custom_outputs=answer, memoize=False)
    quiet: dict[str, Any] = {"display": "none", "max_connections": 1, "max_samples": 1}
    with insides():
        return eval(task, model=model, log_dir=str(folder), **quiet, **options)


@contextmanager
def insides() -> Iterator[None]:
    """What Inspect's insides warn of (deprecated arguments, files left open) is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of another's insides alone, for as long as they run
        yield
        gc.collect()


def tallied(made: dict[str, list[bool | None]], *, failed: bool) -> dict[str, tuple[int, int]]:
    return {
        p: (sum(failed or o is not None for o in outcomes), sum(map(bool, outcomes)))
        for p, outcomes in made.items()
    }


def files_of(logs: Any) -> list[str]:
    return [log.location for log in logs]


def loaded(logs: Any) -> Any:
    """The same with whole samples in memory."""
    with insides():
        for log in logs:
            assert len(log.samples)
    return logs


def test_evals_of_inspect(inspect: SimpleNamespace, tmp_path: Path) -> None:
    answer, made = answering(0)
    logs = inspect.eval(inspect.task(), answer, tmp_path)
    found = forecast_evals(logs)
    assert by_problem(found["mockllm/model"].counts) == tallied(made, failed=False)
    assert found["mockllm/model"].counts.attempts.tolist() == [EPOCHS] * len(CHANCES)
    assert_alike(found, forecast_evals(files_of(logs)))
    assert_alike(forecast_evals(loaded(logs)), found)
    assert_alike(forecast_evals(logs[0]), found)
    assert "mockllm/model" in found.summary()


def test_evals_that_errored(inspect: SimpleNamespace, tmp_path: Path) -> None:
    answer, made = answering(1, broken=0.15)
    logs = inspect.eval(inspect.task(), answer, tmp_path, fail_on_error=False)
    lost = sum(outcomes.count(None) for outcomes in made.values())
    for given in (logs, loaded(logs)):
        with pytest.raises(CountsError, match=rf"{lost} of 200 attempts errored .* errors='exclude'"):
            forecast_evals(given)
        for errors in ("exclude", "fail"):
            found = forecast_evals(given, errors=errors)
            assert by_problem(found["mockllm/model"].counts) == tallied(made, failed=errors == "fail")
            assert_alike(found, forecast_evals(files_of(logs), errors=errors))


def test_evals_of_two_models(inspect: SimpleNamespace, tmp_path: Path) -> None:
    truths, logs = {}, []
    for seed, name in enumerate(("small", "large")):
        answer, made = answering(seed)
        logs += inspect.eval(inspect.task(), answer, tmp_path, name)
        truths[f"mockllm/{name}"] = tallied(made, failed=False)
    found = forecast_evals(loaded(logs))
    assert {name: by_problem(group.counts) for name, group in found.items()} == truths
    assert_alike(found, forecast_evals(files_of(logs)))


def test_evals_read_back_by_inspect(inspect: SimpleNamespace, tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log, write_eval_log

    answer, made = answering(4)
    logs = inspect.eval(inspect.task(), answer, tmp_path, log_header_only=True)
    assert logs[0].samples is None
    found = forecast_evals(logs)
    assert by_problem(found["mockllm/model"].counts) == tallied(made, failed=False)
    document = str(tmp_path / "log.json")
    with insides():
        whole = read_eval_log(logs[0].location)
        write_eval_log(whole, document)
        again = [read_eval_log(document, header_only=header_only) for header_only in (True, False)]
    assert_alike(forecast_evals(whole), found)
    for log in again:
        assert forecast_evals(log).records() == found.records()


def test_scores_edited_in_memory_count(inspect: SimpleNamespace, tmp_path: Path) -> None:
    answer, made = answering(5)
    logs = inspect.eval(inspect.task(), answer, tmp_path)
    for sample in logs[0].samples:
        if sample.id == "p4":
            sample.scores["match"].value = "C"
    truth = tallied(made, failed=False) | {"p4": (EPOCHS, EPOCHS)}
    assert by_problem(read_logs(logs).groups["mockllm/model"]) == truth


def test_evals_that_stopped_early(inspect: SimpleNamespace, tmp_path: Path) -> None:
    util = pytest.importorskip("inspect_ai.util")
    if not hasattr(util, "EarlyStop"):
        pytest.skip("this release of Inspect has no early stopping")
    solved: set[str] = set()

    class FirstSuccess:
        async def start_task(self, task: Any, samples: Any, epochs: int) -> str:
            return "first-success"

        async def schedule_sample(self, id: str, epoch: int) -> Any:
            return util.EarlyStop(id=id, epoch=epoch, reason="solved") if id in solved else None

        async def complete_sample(self, id: str, epoch: int, scores: Any) -> None:
            if any(each.score.value == "C" for each in scores.values()):
                solved.add(id)

        async def complete_task(self) -> dict[str, Any]:
            return {}

    answer, made = answering(3)
    logs = inspect.eval(inspect.task(early_stopping=FirstSuccess()), answer, tmp_path)
    found = forecast_evals(logs)
    counts = found["mockllm/model"].counts
    assert by_problem(counts) == tallied(made, failed=False)
    assert counts.stopping == "on_success"
    assert counts.attempts.min() < EPOCHS
    assert any("Inspect's early stopping (first-success)" in note for note in found.notes)
    assert_alike(forecast_evals(loaded(logs)), forecast_evals(files_of(logs)))


TASK = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from inspect_ai import task
from inspect_ai.model import get_model
from test_inspect_evals import answering, five_sums

@task
def sums():
    return five_sums(model=get_model("mockllm/model", custom_outputs=answering(0)[0]))
"""


@pytest.mark.parametrize("asked", ["--k 1,50", "1", "", "0"])
def test_the_forecast_after_a_run(asked: str, inspect: SimpleNamespace, tmp_path: Path) -> None:
    if "lmpower.inspect_hooks" not in {each.value for each in entry_points(group="inspect_ai")}:
        pytest.skip("the entry point is not installed: pip install lmpower once more")
    (tmp_path / "sums.py").write_text(TASK)
    command = [
        sys.executable,
        "-m",
        "inspect_ai",
        "eval",
        "sums.py",
        "--display",
        "plain",
        "--max-samples",
        "1",
    ]
    done = subprocess.run(
        [*command, "--log-dir", str(tmp_path / "logs")],
        cwd=tmp_path,
        env=os.environ | {"LMPOWER_FORECAST": asked},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "logs").glob("*.eval")
    if asked in ("", "0"):
        assert "Posterior" not in done.stdout
        assert "hooks enabled" not in done.stdout
        return
    ks = {"1": {}}.get(asked, {"ks": [1, 50]})
    assert done.stdout.rstrip().endswith(forecast_evals(path, **ks).summary())
