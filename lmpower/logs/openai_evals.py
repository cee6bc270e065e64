"""OpenAI evals: a line an event; events of type "match" say whether a sample was `correct`.

The first line is the run's specification. A sample with an error and no match has no outcome. Most runs
try each sample once: repeated attempts are then several logs, read together by="model".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.independence import fingerprint
from lmpower.logs.verdicts import label, outcome_of, shown


def _recognise(opening: Opening) -> bool:
    spec = opening.first.get("spec")
    begins = isinstance(spec, dict) and bool(spec.keys() & {"completion_fns", "eval_name", "base_eval"})
    return begins or opening.has("run_id", "sample_id", "type", "data")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    broken: set[str] = set()
    for line, record in json_lines(path, choices.moved):
        where = f"{path}, line {line}"
        if isinstance(record.get("spec"), dict):
            _describe(record["spec"], ledger)
        elif record.get("type") in ("match", "error"):
            sample = label(record, "sample_id", where)
            if record["type"] == "error":
                broken.add(sample)
                continue
            data = record.get("data")
            if not isinstance(data, dict) or "correct" not in data:
                raise CountsError(f"{where}: a match without data.correct: {shown(data)}")
            correct = outcome_of(data["correct"], choices, f"{where}: correct")
            ledger.add(sample, correct, fingerprint(data.get("sampled")))
    for sample in sorted(broken - ledger.problems.keys()):
        ledger.add(sample, None)


def _describe(spec: dict[str, Any], ledger: Ledger) -> None:
    models, run = spec.get("completion_fns"), spec.get("run_id")
    model = models[0] if isinstance(models, list) and models else spec.get("model_name")
    named = {"model": model, "task": spec.get("eval_name") or spec.get("base_eval")}
    ledger.labels |= {key: name for key, name in named.items() if isinstance(name, str) and name}
    ledger.runs |= {run} if isinstance(run, str) and run else set()


OPENAI_EVALS = Format("openai-evals", "OpenAI evals log", _recognise, _read)
