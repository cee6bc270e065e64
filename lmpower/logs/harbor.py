"""Harbor and Terminal-Bench: a ``result.json`` an attempt, with `verifier_result.rewards` in it.

Tasks of different sources or versions have the same name, so a problem is the task's id with the
checksum of its content. An attempt without rewards broke; Harbor's own tables score it 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import Document, readable
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.verdicts import choose, outcome_of, shown

NO_TRIALS = {"n_total_trials", "is_resolved"}  # a whole job; Terminal-Bench before it was Harbor's
CHECKSUM = 12  # hexadecimal digits that tell a million versions apart


def _recognise(opening: Opening) -> bool:
    # verifier_result comes after agent_result, which may hold megabytes of tokens
    trial = opening.names("verifier_result") or opening.names("trial_name")
    task = opening.named & {"task_id", "task_name", "task_checksum"}
    return trial and bool(task) and not opening.named & NO_TRIALS


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    with readable(path), open(path, "rb") as file:
        document = Document(file, str(path), choices.moved)
        trial = document.value()
        document.end()
    if not isinstance(trial, dict):
        raise CountsError(f"{path}: a trial is {shown(trial)}, not an object")
    _describe(trial, ledger)
    verifier = trial.get("verifier_result")
    rewards = verifier.get("rewards") if isinstance(verifier, dict) else None
    if rewards is not None and not isinstance(rewards, dict):
        raise CountsError(f"{path}: rewards are {shown(rewards)}, not named rewards")
    outcome = None
    if rewards:
        name = choose(rewards, choices, "reward", str(path))
        outcome = outcome_of(rewards[name], choices, f"{path}: {name}")
    ledger.add(_problem(trial, path), outcome)


def _describe(trial: dict[str, Any], ledger: Ledger) -> None:
    agent, config = trial.get("agent_info"), trial.get("config")
    agent = agent if isinstance(agent, dict) else {}
    asked = config.get("agent") if isinstance(config, dict) else None
    asked = asked if isinstance(asked, dict) else {}
    model = agent.get("model_info")
    named = {
        "model": (model.get("name") if isinstance(model, dict) else None) or asked.get("model_name"),
        "agent": agent.get("name") or asked.get("name"),
        "task": trial.get("source"),
    }
    ledger.labels |= {key: name for key, name in named.items() if isinstance(name, str) and name}
    if isinstance(trial.get("id"), str):
        ledger.runs.add(trial["id"])


def _problem(trial: dict[str, Any], path: Path) -> str:
    task: Any = trial.get("task_id") or trial.get("task_name")
    if isinstance(task, dict):  # where the task lies: a path, or a path in a repository
        task = " ".join(str(part) for _, part in sorted(task.items()) if part is not None)
    if not isinstance(task, str) or not task:
        raise CountsError(f"{path}: task_id = {shown(task)} is no name of a task")
    checksum = trial.get("task_checksum")
    return f"{task} {checksum[:CHECKSUM]}" if isinstance(checksum, str) and checksum else task


HARBOR = Format("harbor", "Harbor trial", _recognise, _read, whole=False)
