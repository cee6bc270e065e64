"""Logs in the true form of each tool, written from outcomes that are known.

The forms follow the tools' own sources. An outcome is True, False, or None for an attempt that broke
or was never scored; where a tool cannot write None there is none.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

Outcomes = Mapping[str, Sequence[bool | None]]


def inspect_summaries(outcomes: Outcomes, scorer: str = "match") -> list[dict[str, Any]]:
    """Samples in the order in which Inspect makes them: all problems of an epoch, then the next."""
    most = max(map(len, outcomes.values()))
    samples = []
    for epoch in range(most):
        for problem, attempts in outcomes.items():
            if epoch >= len(attempts):
                continue
            outcome = attempts[epoch]
            sample: dict[str, Any] = {"id": problem, "epoch": epoch + 1, "input": "?", "target": "!"}
            if outcome is None:
                sample |= {"scores": {}, "error": "RuntimeError('provider failure')"}
            else:
                score = {"value": "C" if outcome else "I", "answer": str(epoch), "history": []}
                sample["scores"] = {scorer: score}
            samples.append(sample | {"uuid": f"{problem}-{epoch}"})
    return samples


def inspect_header(**results: Any) -> dict[str, Any]:
    spec = {"eval_id": "e1", "run_id": "r1", "task": "tiny", "model": "mock/model"}
    return {"version": 2, "status": "success", "eval": spec, "plan": {}, "results": results}


def inspect_eval(path: Path, outcomes: Outcomes, deflated: bool = False) -> Path:
    members = {"header.json": inspect_header(), "summaries.json": inspect_summaries(outcomes)}
    return write_zip(path, members, deflated)


def inspect_scored(folder: Path, scores: Any) -> Path:
    """One sample, under the scores that are given."""
    log = inspect_header() | {"samples": [{"id": 7, "epoch": 1, "scores": scores}]}
    return as_document(folder / "log.json", log)


def write_zip(path: Path, members: Mapping[str, Any], deflated: bool = False) -> Path:
    """An archive of JSON members, by method 93 in many frames, as Inspect flushes them."""
    if deflated:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, value in members.items():
                archive.writestr(name, json.dumps(value))
        return path
    body, directory = io.BytesIO(), io.BytesIO()
    for name, value in members.items():
        raw = json.dumps(value, indent=1).encode()
        compress = zstandard.ZstdCompressor().compress
        packed = b"".join(compress(raw[at : at + 300]) for at in range(0, len(raw), 300))
        encoded = name.encode()
        shared = struct.pack(
            "<HHHHHIIIHH", 63, 0, 93, 0, 33, zlib.crc32(raw), len(packed), len(raw), len(encoded), 0
        )
        place = body.tell()
        body.write(b"PK\x03\x04" + shared + encoded + packed)
        directory.write(b"PK\x01\x02" + struct.pack("<H", 63) + shared)
        directory.write(struct.pack("<HHHII", 0, 0, 0, 0, place) + encoded)
    start, size, count = body.tell(), directory.tell(), len(members)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, 0)
    path.write_bytes(body.getvalue() + directory.getvalue() + end)
    return path


def inspect_json(path: Path, outcomes: Outcomes) -> Path:
    return as_document(path, inspect_header() | {"samples": inspect_summaries(outcomes)})


def lm_eval(path: Path, outcomes: Outcomes, told: str = "n_correct", filtered: str = "none") -> Path:
    rows = []
    for doc, (problem, attempts) in enumerate(outcomes.items()):
        n, s = len(attempts), sum(map(bool, attempts))
        responses = [f"{problem} {attempt}" for attempt in range(n)]
        row: dict[str, Any] = {"doc_id": doc, "doc": {"id": problem}, "resps": [responses]}
        row |= {"filtered_resps": [responses], "filter": filtered}
        if told == "n_correct":
            row |= {"metrics": ["n_correct", "n_attempts", "pass@1"], "n_correct": s, "n_attempts": n}
        row |= {"metrics": [told], told: s if told == "n_correct" else s / n}
        rows.append(row)
    return as_lines(path, rows)


def human_eval(path: Path, outcomes: Outcomes) -> Path:
    rows = [
        {"task_id": problem, "completion": f"    return {i}", "result": "passed", "passed": outcome}
        for problem, attempts in outcomes.items()
        for i, outcome in enumerate(attempts)
    ]
    return as_lines(path, rows)


def evalplus(path: Path, outcomes: Outcomes) -> Path:
    """Every third completion that passes the base tests fails the further ones."""
    status = {True: "pass", False: "fail", None: None}
    results = {
        problem: [
            {
                "task_id": problem,
                "solution": f"return {i}",
                "base_status": status[outcome],
                "plus_status": "fail" if i % 3 == 0 else status[outcome],
            }
            for i, outcome in enumerate(attempts)
        ]
        for problem, attempts in outcomes.items()
    }
    return as_document(path, {"date": "2026-01-01 00:00", "hash": "0", "eval": results})


def livecodebench(path: Path, outcomes: Outcomes) -> Path:
    questions = [
        {
            "question_title": problem,
            "question_id": problem,
            "output_list": ["text"] * len(attempts),
            "code_list": [f"print({i})" for i in range(len(attempts))],
            "graded_list": list(attempts),
            "pass@1": 0.5,
        }
        for problem, attempts in outcomes.items()
    ]
    path.write_text(json.dumps(questions, indent=4))
    return path


def lighteval(path: Path, outcomes: Outcomes) -> Path:
    rows = [
        {
            "__doc__": {"id": problem, "query": "?", "task_name": "toy"},
            "__metric__": {f"pass@k:k=1&n={len(attempts)}": sum(map(bool, attempts)) / len(attempts)},
            "__model_response__": {"text": [f"{i}" for i in range(len(attempts))]},
        }
        for problem, attempts in outcomes.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def openai_evals(path: Path, outcomes: Outcomes) -> Path:
    spec = {"completion_fns": ["toy-model"], "eval_name": "toy.dev.v0", "run_id": "240101"}
    rows: list[dict[str, Any]] = [{"spec": spec}]
    for problem, attempts in outcomes.items():
        for outcome in attempts:
            event = {"run_id": "240101", "event_id": len(rows), "sample_id": problem}
            rows.append(event | {"type": "sampling", "data": {"prompt": "?", "sampled": ["!"]}})
            data = {"correct": outcome, "expected": "a", "picked": "a"}
            rows.append(event | {"type": "match", "data": data})
    return as_lines(path, [*rows, {"final_report": {"accuracy": 0.5}}])


def monkeys(path: Path, outcomes: Outcomes) -> Path:
    rows = [
        {
            "question": "?",
            "samples": ["!"] * len(attempts),
            "is_corrects": list(attempts),
            "orig_dset_idx": i,
        }
        for i, attempts in enumerate(outcomes.values())
    ]
    if path.suffix == ".jsonl":
        return as_lines(path, rows)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def best_of_n(path: Path, outcomes: Outcomes) -> Path:
    rows = [
        {"behavior_id": problem, "n": n, "response": "text", "flagged": outcome}
        for problem, attempts in outcomes.items()
        for n, outcome in enumerate(attempts)
    ]
    return as_lines(path, rows)


def harmbench(path: Path, outcomes: Outcomes) -> Path:
    results = {
        problem: [
            {
                "test_case": "do it",
                "generation": f"text {i}",
                "label": outcome if outcome is None else int(outcome),
            }
            for i, outcome in enumerate(attempts)
        ]
        for problem, attempts in outcomes.items()
    }
    return as_document(path, results)


def garak(path: Path, outcomes: Outcomes) -> Path:
    setup = {"entry_type": "start_run setup", "plugins.target_name": "toy", "run.eval_threshold": 0.5}
    rows: list[dict[str, Any]] = [setup | {"transient.run_id": "g1"}, {"entry_type": "init"}]
    for seq, attempts in enumerate(outcomes.values()):
        scores = [None if outcome is None else 0.7 if outcome else 0.3 for outcome in attempts]
        attempt = {"entry_type": "attempt", "uuid": f"u{seq}", "seq": seq, "probe_classname": "dan.Dan"}
        attempt["outputs"] = [{"text": f"output {i}", "lang": "en"} for i in range(len(attempts))]
        rows.append(attempt | {"status": 1, "detector_results": {}})
        rows.append(attempt | {"status": 2, "detector_results": {"dan.DAN": scores}})
    return as_lines(path, [*rows, {"entry_type": "eval", "probe": "dan.Dan", "passed": 1}])


def harbor(path: Path, outcomes: Outcomes) -> Path:
    """A folder: a trial an attempt, and the job's own result beside them."""
    path.mkdir()
    as_document(path / "result.json", {"id": "job", "n_total_trials": 5, "stats": {}})
    for problem, attempts in outcomes.items():
        for i, outcome in enumerate(attempts):
            trial = path / f"{problem}__{i}"
            trial.mkdir()
            as_document(trial / "result.json", harbor_trial(problem, outcome, f"{problem}-{i}"))
    return path


def harbor_trial(problem: str, outcome: bool | None, identity: str) -> dict[str, Any]:
    rewards = None if outcome is None else {"rewards": {"reward": float(outcome)}}
    broke = {"exception_type": "AgentTimeoutError"} if outcome is None else None
    agent = {"name": "terminus-2", "version": "2.0", "model_info": {"name": "toy", "provider": "local"}}
    return {
        "id": identity,
        "task_name": problem,
        "trial_name": f"{problem}__{identity}",
        "task_id": {"path": f"tasks/{problem}"},
        "task_checksum": "0123456789abcdef" * 4,
        "config": {"agent": {"name": "terminus-2", "model_name": "local/toy"}},
        "agent_info": agent,
        "verifier_result": rewards,
        "exception_info": broke,
    }


def as_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def from_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def as_document(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


# of each format: a file's name, its writer, and whether it can say that an attempt has no outcome
WRITERS: dict[str, tuple[str, Callable[[Path, Outcomes], Path], bool]] = {
    "inspect": ("log.eval", inspect_eval, True),
    "inspect, as JSON": ("log.json", inspect_json, True),
    "lm-eval": ("samples_toy_2026-01-01T00-00-00.jsonl", lm_eval, False),
    "human-eval": ("samples.jsonl_results.jsonl", human_eval, True),
    "evalplus": ("eval_results.json", evalplus, False),
    "livecodebench": ("toy_eval_all.json", livecodebench, True),
    "lighteval": ("details_toy|0_2026-01-01T00-00-00.parquet", lighteval, False),
    "openai-evals": ("240101_toy.jsonl", openai_evals, True),
    "monkeys": ("monkeys.parquet", monkeys, True),
    "monkeys, as lines": ("monkeys.jsonl", monkeys, True),
    "best-of-n": ("bon.jsonl", best_of_n, True),
    "harmbench": ("results.json", harmbench, True),
    "garak": ("garak.report.jsonl", garak, True),
    "harbor": ("job", harbor, True),
}
