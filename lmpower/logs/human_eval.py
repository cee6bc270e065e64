"""HumanEval and its descendants: ``*_results.jsonl``, a line a completion with `task_id` and `passed`."""

from __future__ import annotations

from pathlib import Path

from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.independence import fingerprint
from lmpower.logs.verdicts import label, outcome_of


def _recognise(opening: Opening) -> bool:
    return opening.has("task_id", "passed")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    for line, record in json_lines(path, choices.moved):
        problem, passed = record.get("task_id"), record.get("passed")
        if type(problem) is not str or not problem:
            problem = label(record, "task_id", f"{path}, line {line}")
        if type(passed) is not bool:
            passed = outcome_of(passed, choices, f"{path}, line {line}: passed")
        ledger.add(problem, passed, fingerprint(record.get("completion")))


HUMAN_EVAL = Format("human-eval", "HumanEval results", _recognise, _read)
