"""lm-evaluation-harness: ``samples_<task>_<time>.jsonl``, a line a document and filter.

The responses to a document are `resps[0]`, n of them. How many were right stands there only if the task
logs it, as `n_correct` or as pass@1. Any other metric is of what the filter made of the responses, and
the filter taken by default keeps the first: that is no count of n attempts, unless n is 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import choose, label, outcome_of, shown, successes_in, whole

FILE = re.compile(r"samples_(.+?)_\d{4}-\d{2}-\d{2}T.*\.jsonl")
COUNTED = "n_correct"
MEAN = re.compile(r"pass@1|pass_at_1|avg@\d+")


def _recognise(opening: Opening) -> bool:
    return opening.has("doc_id", "resps") or opening.has("doc_id", "filtered_resps")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    _describe(path, ledger)
    verdicts: dict[str, int] = {}  # and how many responses one score is made of
    entered = ""
    for line, record in json_lines(path, choices.moved):
        where = f"{path}, line {line}"
        answers = _responses(record, where)
        filtered = record.get("filter", "none")
        if not isinstance(filtered, str):
            raise CountsError(f"{where}: filter = {shown(filtered)} is no name")
        metrics = _metrics(record, len(answers))
        if not metrics:
            raise CountsError(f"{where} has no metric of single documents: was the task scored?")
        for metric in metrics:
            verdict = f"{filtered}/{metric}"
            counted = len(answers) == 1 or metric == COUNTED or MEAN.fullmatch(metric)
            verdicts[verdict] = max(1 if counted else len(answers), verdicts.get(verdict, 1))
            if counted and choices.scorer in (None, verdict, filtered, metric):
                entered = entered or verdict
                if verdict == entered:
                    _enter(record, metric, answers, ledger, choices, where)
    if not verdicts:
        return
    verdict = _choose(verdicts, choices, path)
    if verdicts[verdict] > 1:
        filtered, _, metric = verdict.rpartition("/")
        raise CountsError(
            f"{path}: there are {verdicts[verdict]} responses to a document, and {metric} scores what the "
            f"filter {filtered!r} made of them (the one taken by default keeps the first); have the task "
            f"log n_correct, or pass@1 over all responses"
        )


def _choose(verdicts: Iterable[str], choices: Choices, path: Path) -> str:
    """The verdict chosen by its filter, its metric or both; or the only one there is."""
    meant = [v for v in verdicts if choices.scorer in (v, *v.rpartition("/")[::2])]
    if len(meant) == 1:
        return meant[0]
    if meant:
        choices = replace(choices, scorer=None)  # it does not tell them apart
    return choose(meant or verdicts, choices, "verdict", str(path))


def _describe(path: Path, ledger: Ledger) -> None:
    if named := FILE.fullmatch(path.name):
        ledger.labels["task"] = named[1]
        if "__" in path.parent.name:  # how the harness writes an owner/model in a path
            ledger.labels["model"] = path.parent.name.replace("__", "/", 1)


def _responses(record: dict[str, Any], where: str) -> list[Any]:
    """The responses to a document; of a choice among given answers, one."""
    resps = record.get("resps", record.get("filtered_resps"))
    if not isinstance(resps, list) or not resps or not isinstance(resps[0], list):
        raise CountsError(f"{where}: resps = {shown(resps)} is no list of lists of responses")
    if len(resps) > 1:
        return [None]
    if not resps[0]:
        raise CountsError(f"{where}: resps has no response")
    return resps[0]


def _metrics(record: dict[str, Any], n: int) -> list[str]:
    """What can tell how many of n responses were right; failing that, all metrics there are."""
    if COUNTED in record:
        return [COUNTED]
    listed = record.get("metrics")
    if "metrics" not in record:  # earlier releases do not list them
        listed = [name for name, value in record.items() if isinstance(value, int | float)]
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    present = [name for name in dict.fromkeys(names) if name in record and name != "doc_id"]
    means = [name for name in present if MEAN.fullmatch(name)]
    return means if means and n > 1 else present


def _enter(
    record: dict[str, Any], metric: str, answers: list[Any], ledger: Ledger, choices: Choices, where: str
) -> None:
    problem, n = label(record, "doc_id", where), len(answers)
    if metric == COUNTED:
        tried = whole(record.get("n_attempts", n), f"{where}: n_attempts")
        solved = whole(record[COUNTED], f"{where}: {COUNTED}")
        if tried != n or solved > tried:
            raise CountsError(f"{where}: {solved} correct of {tried} attempts, with {n} responses")
        ledger.add_counts(problem, n, solved, answers)
    elif n > 1:
        solved = successes_in(record[metric], n, f"{where}: {metric}")
        ledger.add_counts(problem, n, solved, answers)
    elif problem in ledger.problems:
        raise CountsError(f"{where}: document {problem} appears a second time")
    else:
        ledger.add(problem, outcome_of(record[metric], choices, f"{where}: {metric}"))


LM_EVAL = Format("lm-eval", "lm-evaluation-harness samples", _recognise, _read)
