"""EvalPlus: ``eval_results.json``, where each completion passed the base tests, the plus tests, or neither.

Two outcomes, and which one counts must be said where both were run. A completion passes "plus" if it
passes the base tests as well, as EvalPlus has it. Releases until 2024 write lists of [status, details]
under "base" and "plus", the earliest with other words for the status; later ones an object a completion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import Document, readable
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import choose, shown

PASS = "pass"
STATUSES = (PASS, "fail", "timeout")
EARLIEST = {"success": PASS, "failed": "fail", "timed out": "timeout"}


def _recognise(opening: Opening) -> bool:
    return opening.names("eval") and bool(opening.named & {"base_status", "nfiles", "files"})


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    with readable(path), open(path, "rb") as file:
        document = Document(file, str(path), choices.moved)
        for name in document.object():
            if name != "eval":
                document.value()
                continue
            for problem in document.object():
                _enter(problem, document.value(), ledger, choices, f"{path}: {problem}")
        document.end()


def _enter(problem: str, results: Any, ledger: Ledger, choices: Choices, where: str) -> None:
    if problem in ledger.problems:
        raise CountsError(f"{where} appears a second time")
    statuses = _statuses(results, where)
    if not statuses:
        ledger.add_all(problem, [])
        return
    has_plus = any(plus is not None for _, plus, _ in statuses)
    outcome = choose(["base", "plus"] if has_plus else ["base"], choices, "outcome", str(ledger.name))
    verdicts: list[bool | None] = []
    for base, plus, _ in statuses:
        both = (base, plus) if outcome == "plus" else (base,)
        verdicts.append(None if None in both else all(status == PASS for status in both))
    ledger.add_all(problem, verdicts, [solution for _, _, solution in statuses])


def _statuses(results: Any, where: str) -> list[tuple[str | None, str | None, Any]]:
    """Of each completion its two statuses and its text."""
    if isinstance(results, dict):  # as written until 2024
        base = [_status(each, where) for each in _list(results.get("base"), where)]
        plus = [_status(each, where) for each in _list(results.get("plus") or [], where)] or [None] * len(
            base
        )
        if len(base) != len(plus):
            raise CountsError(f"{where}: {len(base)} base results and {len(plus)} plus results")
        return [(b, p, None) for b, p in zip(base, plus, strict=True)]
    found = []
    for each in _list(results, where):
        if not isinstance(each, dict) or "base_status" not in each:
            raise CountsError(f"{where}: a result without base_status")
        base_status, plus_status = (_status(each.get(f"{name}_status"), where) for name in ("base", "plus"))
        found.append((base_status, plus_status, each.get("solution")))
    return found


def _status(value: Any, where: str) -> str | None:
    if isinstance(value, list) and value:
        value = value[0]
    if value is None or value in STATUSES:
        return value
    if isinstance(value, str) and value in EARLIEST:
        return EARLIEST[value]
    raise CountsError(f"{where}: status {shown(value)} is none of {', '.join(STATUSES)}")


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise CountsError(f"{where}: results are {shown(value)}, not a list")
    return value


EVALPLUS = Format("evalplus", "EvalPlus results", _recognise, _read)
