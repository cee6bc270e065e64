"""logs: what each tool writes, read into counts that equal the truth; and each trap in its own sentence."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import log_writers as write
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_writers import WRITERS, as_document, as_lines, from_lines

import lmpower.files.meter
from lmpower.cli import main
from lmpower.counts import Counts, CountsError
from lmpower.logs import Logs, read_logs
from lmpower.logs.independence import PREFIX, repeated_block
from lmpower.tables import read_counts

LOGS = Path(__file__).parent / "logs"
PLAIN = [LOGS / "inspect_5x10.eval", LOGS / "inspect_5x10_earlystop.eval"]
TRUTH = {
    "p0": [True] * 9 + [False],
    "p1": [False, True, False, False, True, False, True, False, False, False],
    "p2": [False] * 10,
    "p3": [True] * 10,
}
BROKEN = {"p0": [True, None, False, None], "p1": [None, None, None, None], "p2": [False, False, True, None]}


def pairs(counts: Counts) -> list[tuple[int, int]]:
    return list(zip(counts.attempts.tolist(), counts.successes.tolist(), strict=True))


def by_problem(counts: Counts) -> dict[str, tuple[int, int]]:
    assert counts.problem is not None
    return dict(zip(counts.problem.tolist(), pairs(counts), strict=True))


def only(logs: Logs) -> Counts:
    (counts,) = logs.groups.values()
    return counts


def tallied(outcomes: Mapping[str, Sequence[bool | None]]) -> list[tuple[int, int]]:
    return [(len(attempts), sum(map(bool, attempts))) for attempts in outcomes.values()]


def said(logs: Logs) -> str:
    return " ".join(logs.notes)


# ---- logs by the real tools


def test_inspect_by_inspect() -> None:
    logs = read_logs(LOGS / "inspect_5x10.eval")
    truth = {"p0": (10, 9), "p1": (10, 3), "p2": (10, 0), "p3": (10, 0), "p4": (10, 0)}
    assert by_problem(logs.groups["mockllm/model"]) == truth
    assert (logs.format, logs.notes) == ("inspect", ("Read as Inspect AI log.",))
    assert only(logs).stopping == "fixed"


def test_inspect_that_stopped_early() -> None:
    logs = read_logs(LOGS / "inspect_5x10_earlystop.eval")
    truth = {"p0": (1, 1), "p1": (2, 1), "p2": (2, 1), "p3": (10, 0), "p4": (10, 0)}
    assert by_problem(only(logs)) == truth
    assert only(logs).stopping == "on_success"
    assert "Inspect's early stopping (first-success)" in said(logs)
    assert only(read_logs(LOGS / "inspect_5x10_earlystop.eval", stopping="fixed")).stopping == "fixed"


def test_inspect_as_json_by_inspect() -> None:
    logs = read_logs(LOGS / "inspect_5x10_earlystop.json")
    truth = {"p0": (1, 1), "p1": (2, 1), "p2": (1, 1), "p3": (5, 1), "p4": (10, 0)}
    assert by_problem(only(logs)) == truth
    assert only(logs).stopping == "on_success"
    assert "Inspect's early stopping (first-success)" in said(logs)


def test_inspect_with_provider_errors() -> None:
    path = LOGS / "inspect_5x10_errors.eval"
    with pytest.raises(CountsError, match="8 of 50 attempts errored"):
        read_logs(path)
    excluded = {"p0": (8, 6), "p1": (9, 4), "p2": (10, 2), "p3": (8, 0), "p4": (7, 0)}
    assert by_problem(only(read_logs(path, errors="exclude"))) == excluded
    failed = {problem: (10, s) for problem, (_, s) in excluded.items()}
    assert by_problem(only(read_logs(path, errors="fail"))) == failed


def test_lm_eval_by_lm_eval() -> None:
    logs = read_logs(LOGS / "lmeval_samples_tiny_repeats.jsonl")
    rows = from_lines(LOGS / "lmeval_samples_tiny_repeats.jsonl")
    truth = {
        str(row["doc_id"]): (10, sum(response == row["target"] for response in row["resps"][0]))
        for row in rows
    }
    assert by_problem(only(logs)) == truth
    assert logs.format == "lm-eval"


# ---- the round trip: any format, known outcomes


@pytest.mark.parametrize("kind", WRITERS)
def test_counts_equal_the_truth(kind: str, tmp_path: Path) -> None:
    name, writer, _ = WRITERS[kind]
    path = writer(tmp_path / name, TRUTH)
    scorer = "base" if kind == "evalplus" else None
    logs = read_logs(path, scorer=scorer)
    assert logs.format == kind.partition(",")[0]
    assert sorted(pairs(only(logs))) == sorted(tallied(TRUTH))
    assert only(logs).stopping == "fixed"
    assert not any("repeat" in note or "errored" in note for note in logs.notes)
    forced = read_logs(path, scorer=scorer, format=logs.format)
    assert pairs(only(forced)) == pairs(only(logs))


@pytest.mark.parametrize("kind", [kind for kind, (_, _, broken) in WRITERS.items() if broken])
def test_attempts_without_an_outcome(kind: str, tmp_path: Path) -> None:
    name, writer, _ = WRITERS[kind]
    path = writer(tmp_path / name, BROKEN)
    total, unscored = 12, 7
    for errors in (None, "raise"):
        with pytest.raises(CountsError, match=rf"{unscored} of {total} attempts .* errors='exclude'"):
            read_logs(path, errors=errors)
    excluded = read_logs(path, errors="exclude")
    assert sorted(pairs(only(excluded))) == [(2, 1), (3, 1)]
    assert f"{unscored} of {total} attempts" in said(excluded)
    assert ": left out. Problems left out, since no attempt on them has an outcome: 1." in said(excluded)
    (check,) = excluded.checks.values()
    assert (check.unscored, check.became, check.lost) == (unscored, "exclude", 1)
    assert (check.problems, check.attempts) == (3, total)
    failed = read_logs(path, errors="fail")
    assert sorted(pairs(only(failed))) == [(4, 0), (4, 1), (4, 1)]
    assert f"{unscored} of {total} attempts" in said(failed)
    assert ": counted as failures." in said(failed)


# ---- Inspect


def test_inspect_deflated_as_older_releases_wrote(tmp_path: Path) -> None:
    path = write.inspect_eval(tmp_path / "old.eval", TRUTH, deflated=True)
    assert pairs(only(read_logs(path))) == tallied(TRUTH)


def test_inspect_that_was_cut_off_has_batches(tmp_path: Path) -> None:
    samples = write.inspect_summaries(TRUTH)
    batches = {f"_journal/summaries/{i + 1}.json": samples[4 * i : 4 * i + 4] for i in range(10)}
    path = write.write_zip(tmp_path / "cut.eval", {"_journal/start.json": write.inspect_header()} | batches)
    logs = read_logs(path)
    assert pairs(only(logs)) == tallied(TRUTH)
    assert "was not finished: it holds 10 batches" in said(logs)


def test_inspect_that_did_not_finish(tmp_path: Path) -> None:
    log = write.inspect_header() | {"status": "cancelled", "samples": write.inspect_summaries(TRUTH)}
    logs = read_logs(as_document(tmp_path / "log.json", log))
    assert "log.json is of a run that did not finish: its status is 'cancelled'." in logs.notes


def test_inspect_takes_the_last_of_a_sample_run_again(tmp_path: Path) -> None:
    samples = write.inspect_summaries({"p": [None, False]}) + write.inspect_summaries({"p": [True]})
    path = as_document(tmp_path / "log.json", write.inspect_header() | {"samples": samples})
    assert by_problem(only(read_logs(path))) == {"p": (2, 1)}


SCORES: dict[str, tuple[Any, bool]] = {
    "C": ("C", True), "I": ("I", False), "N": ("N", False), "one": (1, True), "zero": (0.0, False),
    "true": (True, True), "false": (False, False), "1.0": ("1.0", True), "yes": ("yes", True),
}  # fmt: skip


@pytest.mark.parametrize("case", SCORES)
def test_inspect_scores(case: str, tmp_path: Path) -> None:
    value, outcome = SCORES[case]
    assert pairs(only(read_logs(scored(tmp_path, {"judge": {"value": value}})))) == [(1, int(outcome))]


def scored(folder: Path, scores: Any) -> Path:
    log = write.inspect_header() | {"samples": [{"id": 7, "epoch": 1, "scores": scores}]}
    return as_document(folder / "log.json", log)


@pytest.mark.parametrize(("value", "shown"), [("P", "0.5"), (0.37, "0.37"), (3, "3"), (-1.0, "-1.0")])
def test_partial_credit_needs_a_threshold(value: Any, shown: str, tmp_path: Path) -> None:
    path = scored(tmp_path, {"judge": {"value": value}})
    with pytest.raises(CountsError, match=rf"sample '7': the score of judge is {shown}, neither 0 nor 1"):
        read_logs(path)
    assert pairs(only(read_logs(path, threshold=0.3))) == [(1, int(value == "P" or value > 0.3))]


@pytest.mark.parametrize("value", [[1, 0], "maybe", {"deep": {"er": 1}}, float("inf")])
def test_scores_that_are_no_verdict(value: Any, tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="no verdict on one attempt"):
        read_logs(scored(tmp_path, {"judge": {"value": value}}))


def test_several_scorers_are_asked_about(tmp_path: Path) -> None:
    path = scored(tmp_path, {"match": {"value": "C"}, "judge": {"value": {"style": 0, "truth": 1}}})
    with pytest.raises(CountsError, match="several scorers: match, judge/style, judge/truth; choose one"):
        read_logs(path)
    for scorer, solved in (("match", 1), ("judge/style", 0), ("judge/truth", 1)):
        assert pairs(only(read_logs(path, scorer=scorer))) == [(1, solved)]
    with pytest.raises(CountsError, match="has no scorer 'judge'; it has match, judge/style"):
        read_logs(path, scorer="judge")


def test_inspect_without_the_keys_that_may_be_absent(tmp_path: Path) -> None:
    log = {
        "version": 1,
        "status": "success",
        "eval": {"run_id": "r"},
        "samples": [{"id": "a", "scores": {"m": 1}}],
    }
    assert by_problem(only(read_logs(as_document(tmp_path / "log.json", log)))) == {"a": (1, 1)}
    assert list(read_logs(tmp_path / "log.json").groups) == ["all"]


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = write.inspect_eval(tmp_path / "log.eval", TRUTH).read_bytes()
    for at in range(60, len(whole), 37):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        (tmp_path / "log.eval").write_bytes(damaged)
        with contextlib.suppress(CountsError):
            assert pairs(only(read_logs(tmp_path / "log.eval"))) == tallied(TRUTH)


# ---- lm-evaluation-harness


def test_pass_at_1_tells_the_successes(tmp_path: Path) -> None:
    path = write.lm_eval(tmp_path / "samples.jsonl", TRUTH, told="pass@1")
    assert pairs(only(read_logs(path))) == tallied(TRUTH)
    path = write.lm_eval(tmp_path / "other.jsonl", {"p": [True, False]}, told="pass@1")
    path.write_text(path.read_text().replace('"pass@1": 0.5', '"pass@1": 0.4'))
    with pytest.raises(CountsError, match=r"line 1: pass@1 = 0.4 is not a share of 2 attempts"):
        read_logs(path)


def lm_row(doc: int, filtered: str, n: int, **metrics: float) -> dict[str, Any]:
    return {
        "doc_id": doc,
        "resps": [["answer"] * n],
        "filtered_resps": ["answer"],
        "filter": filtered,
        "metrics": list(metrics),
        **metrics,
    }


def test_the_default_filter_scores_one_of_n(tmp_path: Path) -> None:
    path = as_lines(
        tmp_path / "samples.jsonl", [lm_row(doc, "none", 16, exact_match=1.0) for doc in range(3)]
    )
    with pytest.raises(CountsError, match="16 responses to a document, and exact_match scores what"):
        read_logs(path)


def test_one_response_a_document_is_one_attempt(tmp_path: Path) -> None:
    path = as_lines(tmp_path / "samples.jsonl", [lm_row(doc, "none", 1, acc=doc % 2) for doc in range(4)])
    assert pairs(only(read_logs(path))) == [(1, 0), (1, 1), (1, 0), (1, 1)]


def test_several_filters_and_metrics_are_asked_about(tmp_path: Path) -> None:
    rows = [
        lm_row(doc, name, 1, exact_match=float(name == "flexible"), f1=0.4)
        for doc in range(2)
        for name in ("strict", "flexible")
    ]
    path = as_lines(tmp_path / "samples.jsonl", rows)
    names = "strict/exact_match, strict/f1, flexible/exact_match, flexible/f1"
    with pytest.raises(CountsError, match=rf"several verdicts: {names}"):
        read_logs(path)
    assert pairs(only(read_logs(path, scorer="flexible/exact_match"))) == [(1, 1)] * 2
    assert pairs(only(read_logs(path, scorer="strict/exact_match"))) == [(1, 0)] * 2
    with pytest.raises(CountsError, match=r"f1 is 0.4, neither 0 nor 1"):
        read_logs(path, scorer="strict/f1")


def test_the_name_of_the_file_tells_task_and_model(tmp_path: Path) -> None:
    (tmp_path / "toy__model").mkdir()
    write.lm_eval(tmp_path / "toy__model" / "samples_gsm8k_2026-01-01T00-00-00.1.jsonl", TRUTH)
    logs = read_logs(next(tmp_path.rglob("*.jsonl")))
    assert list(logs.groups) == ["toy/model"]
    assert logs.labels == {"toy/model": {"task": "gsm8k", "model": "toy/model"}}


# ---- the others' traps


def test_evalplus_has_two_outcomes(tmp_path: Path) -> None:
    path = write.evalplus(tmp_path / "eval_results.json", TRUTH)
    with pytest.raises(CountsError, match=r"several outcomes: base, plus; choose one, as in scorer='base'"):
        read_logs(path)
    plus = {p: [o and i % 3 > 0 for i, o in enumerate(attempts)] for p, attempts in TRUTH.items()}
    assert pairs(only(read_logs(path, scorer="plus"))) == tallied(plus)


def test_evalplus_as_written_until_2024(tmp_path: Path) -> None:
    results = {
        "HumanEval/0": {
            "nfiles": 3,
            "base": [["pass", []], ["pass", None], ["fail", [True]]],
            "plus": [["pass", []], ["fail", []], ["pass", []]],
        }
    }
    path = as_document(tmp_path / "eval_results.json", {"date": "", "hash": "", "eval": results})
    assert pairs(only(read_logs(path, scorer="base"))) == [(3, 2)]
    assert pairs(only(read_logs(path, scorer="plus"))) == [(3, 1)]
    results["HumanEval/0"]["plus"] = []
    as_document(path, {"date": "", "hash": "", "eval": results})
    assert pairs(only(read_logs(path))) == [(3, 2)]


def test_problems_without_attempts_are_told(tmp_path: Path) -> None:
    logs = read_logs(write.livecodebench(tmp_path / "toy_eval_all.json", {"a": [True, False], "b": []}))
    assert by_problem(only(logs)) == {"a": (2, 1)}
    assert "Problems left out, since no attempt on them has an outcome: 1." in logs.notes


def test_unequal_numbers_of_attempts_are_told(tmp_path: Path) -> None:
    path = write.livecodebench(
        tmp_path / "toy_eval_all.json", {"a": [True, False, False], "b": [False] * 2}
    )
    assert "Problems have 2 to 3 attempts." in read_logs(path).notes


def test_lighteval_needs_a_mean_over_attempts(tmp_path: Path) -> None:
    path = tmp_path / "details.parquet"
    pq.write_table(pa.Table.from_pylist([{"__metric__": {"pass@k:k=8&n=16": 0.5, "f1": 0.2}}]), path)
    with pytest.raises(CountsError, match="row 1 has no mean over its attempts, such as pass@k:k=1&n=16"):
        read_logs(path)
    pq.write_table(pa.Table.from_pylist([{"__metric__": {"pass@k:k=1&n=16": 0.51}}]), path)
    with pytest.raises(CountsError, match=r"0.51 is not a share of 16 attempts"):
        read_logs(path)


def test_openai_samples_that_broke(tmp_path: Path) -> None:
    path = write.openai_evals(tmp_path / "log.jsonl", {"a": [True], "b": [False]})
    event = {"run_id": "1", "event_id": 9, "type": "error", "data": {"type": "Timeout", "message": ""}}
    with path.open("a") as file:
        for sample in ("c", "a"):  # a was tried again, and matched
            file.write(json.dumps(event | {"sample_id": sample}) + "\n")
    with pytest.raises(CountsError, match="1 of 3 attempts errored"):
        read_logs(path)
    excluded = read_logs(path, errors="exclude")
    assert "Each problem was tried once: read all runs of a model together, by='model'." in excluded.notes
    assert by_problem(only(read_logs(path, errors="exclude"))) == {"a": (1, 1), "b": (1, 0)}


def test_best_of_n_in_batches_that_stop(tmp_path: Path) -> None:
    outcomes = {
        "early": [False] * 30 + [True] + [False] * 29,
        "later": [False] * 110 + [True] * 2 + [False] * 8,
        "never": [False] * 240,
    }
    logs = read_logs(write.best_of_n(tmp_path / "bon.jsonl", outcomes))
    assert pairs(only(logs)) == tallied(outcomes)
    assert only(logs).stopping == "on_success"
    assert "Stopping is on_success" in said(logs)


def test_best_of_n_filled_up_by_repeating(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    real = (rng.random(60) < 0.3).tolist()
    path = write.best_of_n(tmp_path / "bon.jsonl", {"a": real * 4, "b": (rng.random(240) < 0.3).tolist()})
    logs = read_logs(path)
    (check,) = logs.checks.values()
    assert (check.padded, check.block) == (1, 60)
    told = "On 1 of 2 problems the outcomes end in repeats of a block, mostly of 60 attempts"
    assert told in said(logs)
    assert pairs(only(logs)) == [(240, 4 * sum(real)), (240, only(logs).successes[1])]  # told, not dropped
    rows = from_lines(path)
    as_lines(path, [row | {"n": row["n"] % 60} for row in rows])
    assert "360 attempts of bon.jsonl have an index n that was passed before" in said(read_logs(path))


def test_harmbench_with_different_prompts(tmp_path: Path) -> None:
    path = write.harmbench(tmp_path / "results.json", TRUTH)
    results = json.loads(path.read_text())
    results["p0"][1]["test_case"] = "another"
    as_document(path, results)
    assert "1 of 4 behaviours were tried with different test cases" in said(read_logs(path))


def test_garak_threshold_detectors_and_status(tmp_path: Path) -> None:
    path = write.garak(tmp_path / "g.report.jsonl", TRUTH)
    rows = from_lines(path)
    assert list(read_logs(path).groups) == ["toy"]
    assert pairs(only(read_logs(path, threshold=0.2))) == [(10, 10)] * 4
    assert pairs(only(read_logs(path, threshold=0.8))) == [(10, 0)] * 4
    as_lines(path, [rows[0] | {"run.eval_threshold": 0.75}, *rows[1:]])
    logs = read_logs(path)
    assert pairs(only(logs)) == [(10, 0)] * 4
    assert "the detector scores 0.75 or more" in said(logs)
    as_lines(path, rows[:-2])  # one prompt was begun and never detected
    assert "1 prompts were begun but never detected" in said(read_logs(path))
    for row in rows:
        if row.get("status") == 2 and row["seq"] < 3:
            row["detector_results"]["mitigation.Bypass"] = [1.0] * 10
    as_lines(path, rows)
    with pytest.raises(CountsError, match=r"several detectors: dan.DAN, mitigation.Bypass"):
        read_logs(path)
    logs = read_logs(path, scorer="mitigation.Bypass")
    assert pairs(only(logs)) == [(10, 10)] * 3
    assert "1 prompts were not looked at by mitigation.Bypass" in said(logs)


def test_harbor_tasks_of_equal_name(tmp_path: Path) -> None:
    for i, checksum in enumerate(("a" * 64, "b" * 64)):
        trial = write.harbor_trial("same", True, str(i)) | {"task_checksum": checksum}
        as_document(tmp_path / f"{i}.json", trial)
    logs = read_logs([tmp_path / "0.json", tmp_path / "1.json"])
    assert by_problem(only(logs)) == {"tasks/same " + c * 12: (1, 1) for c in "ab"}
    assert list(logs.groups) == ["toy"]
    as_document(tmp_path / "1.json", write.harbor_trial("same", True, "0"))
    with pytest.raises(CountsError, match="is a run that is there already"):
        read_logs([tmp_path / "0.json", tmp_path / "1.json"])


AGGREGATES: dict[str, tuple[str, Any]] = {
    "bigcode-evaluation-harness": ("m.json", {"humaneval": {"pass@1": 0.1}, "config": {"n_samples": 20}}),
    "lm-evaluation-harness": (
        "results_1.json",
        {"results": {"gsm8k": {"exact_match,none": 0.5}}, "configs": {}},
    ),
    "lighteval": ("results_2.json", {"config_general": {}, "results": {"all": {"f1": 0.5}}}),
    "simple-evals": ("math.json", {"score": 0.5, "metrics": {"score:std": 0.5}}),
    "Every Eval Ever": (
        "eee.json",
        {"schema_version": "0.1", "evaluation_id": "x", "evaluation_results": []},
    ),
}


@pytest.mark.parametrize("tool", AGGREGATES)
def test_averages_are_refused_with_the_reason(tool: str, tmp_path: Path) -> None:
    name, value = AGGREGATES[tool]
    with pytest.raises(CountsError, match=tool):
        read_logs(as_document(tmp_path / name, value))


# ---- signs that attempts were not independent


def test_answers_word_for_word_the_same_are_told(tmp_path: Path) -> None:
    answers = [
        "a sentence that nobody would write twice by chance, since it is too long for that " + c
        for c in "abb"
    ]
    rows = [
        {"task_id": "t", "passed": i == 0, "completion": answers[i]} for i in (0, 1, 2)
    ] + [{"task_id": "u", "passed": False, "completion": "short"}] * 5  # fmt: skip
    logs = read_logs(as_lines(tmp_path / "r.jsonl", rows))
    (check,) = logs.checks.values()
    assert (check.compared, check.repeated) == (3, 1)
    assert "1 of 3 answers compared (33%) repeat an earlier one" in said(logs)
    assert pairs(only(logs)) == [(3, 1), (5, 0)]


def test_blocks_are_found_where_they_are() -> None:
    rng = np.random.default_rng(1)
    for p in (0.02, 0.3, 0.9):
        for size in (60, 400):
            head, block = ((rng.random(n) < p).astype(np.uint8).tobytes() for n in (500, size))
            lag, agreeing = repeated_block(head + block * 6)
            if lag:
                assert lag == size
                assert agreeing >= 5 * size
            else:
                assert p == 0.02


def test_blocks_are_not_found_where_there_are_none() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        n, p = int(rng.integers(1, PREFIX)), rng.beta(0.3, 1.0)
        outcomes = (rng.random(n) < p).astype(np.uint8).tobytes()
        assert repeated_block(outcomes) == (0, 0)
        stopped = bytes(n) + b"\1"
        assert repeated_block(stopped) == (0, 0)


def test_blocks_are_found_in_no_time() -> None:
    for pattern in (b"\0\1", b"\0\0\0\1", b"\0" * 60 + b"\1", b"\1" * 100 + b"\0"):
        assert repeated_block((pattern * PREFIX)[:PREFIX])[0] in (len(pattern), 0)


# ---- several files, groups


def two_runs(folder: Path, **labels: str) -> list[Path]:
    paths = []
    for i, outcomes in enumerate(({"a": [True, False]}, {"a": [False] * 3, "b": [True]})):
        log = write.inspect_header() | {"samples": write.inspect_summaries(outcomes)}
        log["eval"] = log["eval"] | {"eval_id": f"e{i}"} | {k: v.format(i) for k, v in labels.items()}
        paths.append(as_document(folder / f"run{i}.json", log))
    return paths


def test_several_files_are_several_groups(tmp_path: Path) -> None:
    assert list(read_logs(two_runs(tmp_path, model="m{}")).groups) == ["m0", "m1"]
    assert list(read_logs(two_runs(tmp_path, task="t{}")).groups) == ["t0", "t1"]
    assert list(read_logs(two_runs(tmp_path)).groups) == ["run0", "run1"]
    assert list(read_logs(two_runs(tmp_path, model="m{}"), by="model,task").groups) == [
        "m0 / tiny",
        "m1 / tiny",
    ]


def test_runs_of_one_model_are_put_together(tmp_path: Path) -> None:
    paths = two_runs(tmp_path)
    logs = read_logs(paths, by="model")
    assert by_problem(logs.groups["mock/model"]) == {"a": (5, 1), "b": (1, 1)}
    assert logs.checks["mock/model"].files == tuple(map(str, paths))
    paths = two_runs(tmp_path, task="t{}")
    assert read_logs(paths, by="model").labels == {
        "mock/model": {"model": "mock/model"}
    }  # of two tasks none
    with pytest.raises(CountsError, match=r"does not say its 'temperature'; by= may be model, task, file"):
        read_logs(paths, by="temperature")


def test_no_run_counts_twice(tmp_path: Path) -> None:
    path = LOGS / "inspect_5x10.eval"
    with pytest.raises(CountsError, match="is given twice"):
        read_logs([path, path])
    (tmp_path / "copy.eval").write_bytes(path.read_bytes())
    with pytest.raises(CountsError, match="is a run that is there already"):
        read_logs([path, tmp_path / "copy.eval"], by="model")


def test_a_folder_of_logs(tmp_path: Path) -> None:
    for path in PLAIN:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert list(read_logs(tmp_path).groups) == ["tiny", "task"] == list(read_logs(PLAIN).groups)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CountsError, match=r"holds neither .eval logs nor any result"):
        read_logs(tmp_path / "empty")


def test_tables_are_read_as_ever(tmp_path: Path) -> None:
    text = "model,problem,attempts,successes\nm,a,5,1\nm,b,5,0\n"
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text(text.replace("m,", f"{name},"))
    logs = read_logs(tmp_path / "one.csv", by="model")
    assert logs.format == "table"
    assert logs.notes == ()
    assert pairs(logs.groups["one.csv"]) == [(5, 1), (5, 0)]
    both = [tmp_path / "one.csv", tmp_path / "two.csv"]
    assert list(read_logs(both).groups) == ["one", "two"]
    assert list(read_logs(both, by="model").groups) == ["one.csv", "two.csv"]
    (tmp_path / "two.csv").write_text((tmp_path / "one.csv").read_text())
    assert list(read_logs(both, by="model").groups) == ["one / one.csv", "two / one.csv"]
    with pytest.raises(CountsError, match="each must be a path or an EvalLog of Inspect; got a dict"):
        read_logs([both[0], {"attempts": [1]}])
    frame = pa.table({"problem": ["a"], "attempts": [3], "successes": [1]})
    assert pairs(only(read_logs(frame))) == [(3, 1)]
    with pytest.raises(CountsError, match="is a table and others are logs"):
        read_logs([*both, LOGS / "inspect_5x10.eval"])


def test_columns_named_by_the_caller_make_a_table(tmp_path: Path) -> None:
    path = write.human_eval(tmp_path / "r.jsonl", TRUTH)
    logs = read_logs(path, problem="task_id", success="passed")
    assert logs.format == "table"
    assert pairs(only(logs)) == tallied(TRUTH)
    as_lines(path, [row | {"success": 0.3} for row in from_lines(path)])  # a column of the log's own
    assert read_logs(path).format == "human-eval"


# ---- refusals


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "unknown": ("a.txt", "hello", "cannot tell what wrote .*a.txt: a table's suffix must be one of .csv"),
    "an unknown document": ("a.json", "{}", "cannot tell what wrote"),
    "empty": ("a.json", "", "is empty"),
    "an archive of something": ("a.zip", b"PK\3\4", "cannot tell what wrote"),
    "a broken archive": ("a.eval", b"PK\3\4garbage", "cannot read .*a.eval: a damaged zip archive"),
    "cut off": ("a.jsonl", '{"task_id": "a", "passed": true}\n{"task_id": "a", "pas', "line 2: not JSON"),
    "two on a line": ("a.jsonl", '{"task_id": "a", "passed": true} {}\n', "line 1: not JSON"),
    "not text": ("a.jsonl", b'{"task_id": "a", "passed": true}\n\xff\n', "it is not UTF-8 text"),
    "no name": ("a.jsonl", '{"task_id": null, "passed": true}\n', "line 1: task_id is missing"),
    "a list for a name": ("a.jsonl", '{"task_id": [1], "passed": true}\n', r"task_id = \[1\] is no name"),
    "too many digits": ("a.jsonl", '{"task_id": %s, "passed": true}\n' % ("1" * 5000), "line 1: not JSON"),
    "too deep": ("a.jsonl", '{"task_id": "a", "passed": %s\n' % ("[" * 100000), "line 1: not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    name, content, reason = REFUSED[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    format = "human-eval" if name == "a.jsonl" else "auto"
    with pytest.raises(CountsError, match=reason):
        read_logs(tmp_path / name, format=format)


def test_choices_that_there_are_not() -> None:
    path = LOGS / "inspect_5x10.eval"
    for choice in ({"errors": "drop"}, {"stopping": "never"}, {"format": "excel"}):
        with pytest.raises(CountsError, match=f"{next(iter(choice))} must be"):
            read_logs(path, **choice)
    with pytest.raises(CountsError, match="there is no such file"):
        read_logs("missing.eval")
    with pytest.raises(CountsError, match="no files given"):
        read_logs([])


def test_without_zstandard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(CountsError, match="it needs pip install zstandard"):
        read_logs(LOGS / "inspect_5x10.eval")


# ---- Hugging Face


def test_rows_from_a_data_set_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "owner" / "name" / "data").mkdir(parents=True)
    write.monkeys(tmp_path / "owner" / "name" / "data" / "test.parquet", TRUTH)
    script = (
        "import lmpower; logs = lmpower.read_logs('hf:owner/name');"
        "print(logs.format, logs.groups['all'].successes.tolist())"
    )
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=offline,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split("\n")[0] == f"monkeys {[s for _, s in tallied(TRUTH)]}", done.stderr


def test_without_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        CountsError, match=r"cannot read hf:owner/name: it needs pip install 'lmpower\[hub\]'"
    ):
        read_logs("hf:owner/name")


# ---- the shell


def run(capsys: pytest.CaptureFixture[str], *argv: Any) -> tuple[int, str, str]:
    code = main([str(word) for word in argv])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_convert_and_read_back(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = read_logs(PLAIN)
    out = tmp_path / f"counts{suffix}"
    code, said, err = run(capsys, "convert", *PLAIN, "-o", out)
    assert (code, err) == (0, "")
    assert said.startswith("Read as Inspect AI log.\n")
    assert said.endswith(f"wrote 10 problems in 2 groups to {out}\n")
    back = read_counts(out, by="group")
    assert back.keys() == logs.groups.keys()
    for name, counts in logs.groups.items():
        assert by_problem(back[name]) == by_problem(counts)
        assert back[name].stopping == counts.stopping


def test_convert_refuses_before_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, reason in (("a.txt", "its suffix must be one of"), ("no/such/folder.csv", "cannot write")):
        code, said, err = run(capsys, "convert", *PLAIN, "-o", tmp_path / out)
        assert (code, said) == (2, "")
        assert reason in err
    (tmp_path / "old.csv").write_text("kept")
    code, _, _ = run(capsys, "convert", tmp_path / "missing.eval", "-o", tmp_path / "old.csv")
    assert code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "kept"


def test_the_shell_names_its_own_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = write.inspect_eval(tmp_path / "log.eval", BROKEN)
    code, _, err = run(capsys, "convert", broken, "-o", tmp_path / "a.csv")
    assert code == 2
    assert "--errors exclude leaves them out, --errors fail counts them" in err
    scorers = scored(tmp_path, {"a": 1, "b": 0.5})
    _, _, err = run(capsys, "convert", scorers, "-o", tmp_path / "a.csv")
    assert "choose one, as in --scorer 'a'" in err
    _, _, err = run(capsys, "convert", scorers, "-o", tmp_path / "a.csv", "--scorer", "b")
    assert "--threshold 1 counts values from 1 on as successes, --threshold 0.5 those" in err
    code, _, _ = run(
        capsys, "convert", scorers, "-o", tmp_path / "a.csv", "--scorer", "b", "--threshold", ".5"
    )
    assert code == 0
    assert pairs(read_counts(tmp_path / "a.csv", by="group")["mock/model"]) == [(1, 1)]


def test_every_command_takes_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def stop(groups: Mapping[str, Counts], *args: Any, **options: Any) -> None:
        seen.append(list(groups))
        raise ValueError("far enough")

    import lmpower.study

    monkeypatch.setattr(lmpower.study, "study_fits", stop)
    monkeypatch.setattr(lmpower.study, "study_beliefs", stop)
    for command in ("fit", "posterior", "forecast"):
        code, out, err = run(capsys, command, *PLAIN)
        assert (code, err) == (2, "lmpower: far enough\n")
        assert out.startswith("Read as Inspect AI log.\nGroup 'task': stopping is on_success")
        code, out, err = run(capsys, command, *PLAIN, "--json", "--group", "tiny")
        assert out == ""
        assert err.startswith("lmpower: Read as Inspect AI log.\nlmpower: Group 'task': stopping")
    assert seen == [["tiny", "task"], ["tiny"]] * 3


def test_a_bar_for_long_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write.human_eval(tmp_path / "r.jsonl", TRUTH)
    read_logs(path, progress=True)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(lmpower.files.meter, "LONG", 10)
    table = tmp_path / "counts.csv"
    table.write_text("problem,attempts,successes\na,1,1\n")
    for file in (path, table, write.inspect_eval(tmp_path / "log.eval", TRUTH)):
        read_logs(file, progress=True)
        assert f"lmpower: {file.name}" in capsys.readouterr().err
