"""garak: ``*.report.jsonl``, a line an entry; those of type "attempt" hold one prompt and all its outputs.

An attempt is written twice, with status 1 once generated and with status 2 once detected: only the
latter has `detector_results`, a score in [0, 1] for each output, null where it could not be scored.
A score at or above the run's `eval_threshold` is a hit, which here is the success: the attack worked.

A problem is a prompt: the probe's `seq`-th. Probes that make up prompts as they go (trees, conversations)
give no `seq`, and buffs put several prompts under the same, so those are told apart by what they say.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import choose, label, shown

DETECTED = 2
DIGITS = 12  # hexadecimal, that tell a million prompts apart
THRESHOLD = 0.5  # garak's own, where a report does not say
MODELS = ("plugins.target_name", "plugins.model_name", "plugins.target_type", "plugins.model_type")


def _recognise(opening: Opening) -> bool:
    return opening.has("entry_type")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    threshold = THRESHOLD
    started: set[str] = set()
    skipped = 0
    for line, record in json_lines(path, choices.moved):
        where = f"{path}, line {line}"
        kind = record.get("entry_type")
        if kind == "start_run setup":
            threshold = _setup(record, ledger)
        if kind != "attempt":
            continue
        identity = shown(record.get("uuid"))
        if record.get("status") != DETECTED:
            started.add(identity)
            continue
        started.discard(identity)
        skipped += not _enter(record, ledger, choices, threshold, where)
    ledger.unscored = "were not scored by the detector"
    at = threshold if choices.threshold is None else choices.threshold
    ledger.say(f"A success is an output that the detector scores {at:g} or more: the attack worked.")
    if started:
        ledger.say(f"{len(started):,} prompts were begun but never detected; they are left out.")
    if skipped:
        ledger.say(f"{skipped:,} prompts were not looked at by {choices.scorer}; they are left out.")


def _setup(record: dict[str, Any], ledger: Ledger) -> float:
    model = next((text for key in MODELS if isinstance(text := record.get(key), str) and text), None)
    if model:
        ledger.labels["model"] = model
    run = record.get("transient.run_id")
    ledger.runs |= {run} if isinstance(run, str) and run else set()
    value = record.get("run.eval_threshold")
    return float(value) if isinstance(value, float | int) and 0 < value <= 1 else THRESHOLD


def _enter(record: dict[str, Any], ledger: Ledger, choices: Choices, threshold: float, where: str) -> bool:
    """Whether the chosen detector looked at this prompt; if so, its outputs are in the ledger."""
    found = record.get("detector_results")
    if not isinstance(found, dict):
        raise CountsError(f"{where}: detector_results are {shown(found)}, not named scores")
    if not found or (choices.scorer is not None and choices.scorer not in found):
        return False
    scores = found[choose(found, choices, "detector", where)]
    if not isinstance(scores, list):
        raise CountsError(f"{where}: scores are {shown(scores)}, not a list")
    limit = threshold if choices.threshold is None else choices.threshold
    outputs = record.get("outputs")
    texts = outputs if isinstance(outputs, list) else []
    ledger.add_all(
        _problem(record, where), [_hit(each, limit, where) for each in scores], map(_text, texts)
    )
    return True


def _problem(record: dict[str, Any], where: str) -> str:
    probe, notes = label(record, "probe_classname", where), record.get("notes")
    buffed = isinstance(notes, dict) and "buff_creator" in notes
    if record.get("seq") is not None and not buffed:
        return f"{probe} {label(record, 'seq', where)}"
    prompt = record.get("prompt") or record.get("uuid")
    if not prompt:
        raise CountsError(f"{where}: seq, prompt and uuid are missing: which prompt is this?")
    return f"{probe} {hashlib.sha256(json.dumps(prompt).encode()).hexdigest()[:DIGITS]}"


def _hit(score: Any, limit: float, where: str) -> bool | None:
    if score is None or score != score:
        return None
    if isinstance(score, int | float) and 0 <= score <= 1:
        return bool(score >= limit)
    raise CountsError(f"{where}: score {shown(score)} is not between 0 and 1")


def _text(output: Any) -> Any:
    return output.get("text") if isinstance(output, dict) else output


GARAK = Format("garak", "garak report", _recognise, _read)
