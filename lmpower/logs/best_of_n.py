"""Best-of-N jailbreaking: a line an attempt with `behavior_id`, `n` (its index) and `flagged`.

A behaviour is tried in batches until a batch has a success, so attempts are many where successes are
few. Some published files are filled up to a round number by repeating results: `n` then comes again.
"""

from __future__ import annotations

from pathlib import Path

from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.independence import fingerprint
from lmpower.logs.verdicts import label, outcome_of, whole

ANSWERS = ("response", "completion", "assistant_response")


def _recognise(opening: Opening) -> bool:
    return opening.has("behavior_id", "flagged")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    last: dict[str, int] = {}
    again = 0
    for line, record in json_lines(path, choices.moved):
        where = f"{path}, line {line}"
        problem = label(record, "behavior_id", where)
        if record.get("n") is not None:
            n = whole(record["n"], f"{where}: n")
            again += n <= last.get(problem, -1)
            last[problem] = max(n, last.get(problem, -1))
        answer = next((text for name in ANSWERS if isinstance(text := record.get(name), str)), None)
        flagged = outcome_of(record.get("flagged"), choices, f"{where}: flagged")
        ledger.add(problem, flagged, fingerprint(answer))
    if again:
        ledger.say(
            f"{again:,} attempts of {path.name} have an index n that was passed before: results may have "
            f"been repeated to fill the file up. They are counted."
        )
    ledger.say("A success is an attempt that was flagged: the attack worked.")


BEST_OF_N = Format("best-of-n", "Best-of-N jailbreaking log", _recognise, _read)
