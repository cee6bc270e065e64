"""HarmBench results: ``{behavior_id: [{"test_case", "generation", "label"}, ...]}``.

The test cases of a behaviour may be different prompts. Then an attempt is one at the behaviour with a
prompt of that attack, and not the same prompt once more, which is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import Document, readable
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import outcome_of, shown


def _recognise(opening: Opening) -> bool:
    return opening.names("label") and bool(opening.named & {"test_case", "generation"})


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    different = 0
    with readable(path), open(path, "rb") as file:
        document = Document(file, str(path), choices.moved)
        for behaviour in document.object():
            cases = document.value()
            where = f"{path}: {behaviour}"
            if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
                raise CountsError(f"{where}: {shown(cases)} is no list of test cases")
            if not behaviour or behaviour in ledger.problems:
                raise CountsError(f"{where}: a behaviour without a name, or there a second time")
            ledger.add_all(
                behaviour,
                [outcome_of(case.get("label"), choices, f"{where}: label") for case in cases],
                [case.get("generation") for case in cases],
            )
            different += len({_prompt(case) for case in cases}) > 1
        document.end()
    ledger.unscored = "have no label"
    ledger.say("A success is a generation with label 1: the attack worked.")
    if different:
        ledger.say(
            f"{different:,} of {len(ledger.problems):,} behaviours were tried with different test cases: "
            f"their attempts are draws of the attack's prompts, too, not repeats of one prompt."
        )


def _prompt(case: dict[str, Any]) -> str:
    return repr(case.get("test_case"))


HARMBENCH = Format("harmbench", "HarmBench results", _recognise, _read)
