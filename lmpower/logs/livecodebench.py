"""LiveCodeBench: ``*_eval_all.json``, an array with a question an item and its `graded_list` of verdicts.

A run that was resumed keeps the questions of the earlier run with as many samples as they had then,
so that numbers of attempts may differ. Questions of the scenarios about test outputs and execution come
several times, told apart by `test_id` or `id`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import Document, readable
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import label, outcome_of, shown

ANSWERS = ("code_list", "pred_list", "output_list")


def _recognise(opening: Opening) -> bool:
    # the texts of a question and of all its answers come first and may fill the head
    named_so = opening.path.name.lower().endswith("_eval_all.json")
    return opening.names("question_id", "graded_list") or (
        named_so and (opening.names("question_id") or opening.names("question_title"))
    )


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    with readable(path), open(path, "rb") as file:
        document = Document(file, str(path), choices.moved)
        for _ in document.array():
            _enter(document.value(), ledger, choices, document.name)
        document.end()


def _enter(question: Any, ledger: Ledger, choices: Choices, where: str) -> None:
    if not isinstance(question, dict):
        raise CountsError(f"{where}: a question is {shown(question)}, not an object")
    problem = label(question, "question_id", where)
    for part in ("test_id", "id"):
        if question.get(part) is not None:
            problem = f"{problem}/{label(question, part, where)}"
    graded = question.get("graded_list")
    if not isinstance(graded, list):
        raise CountsError(f"{where}: question {problem!r}: graded_list is {shown(graded)}, not a list")
    if problem in ledger.problems:
        raise CountsError(f"{where}: question {problem!r} appears a second time")
    verdicts = [outcome_of(each, choices, f"{where}: question {problem!r}: a verdict") for each in graded]
    answers: list[Any] = next(
        (question[name] for name in ANSWERS if isinstance(question.get(name), list)), []
    )
    ledger.add_all(problem, verdicts, answers)


LIVECODEBENCH = Format("livecodebench", "LiveCodeBench results", _recognise, _read)
