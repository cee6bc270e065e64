"""logs, format by format: what each leaves open, hides or averages away, in its own sentence."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import log_writers as write
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_logs import TRUTH, by_problem, only, pairs, said, tallied
from log_writers import as_document, as_lines, from_lines

from lmpower.counts import CountsError
from lmpower.logs import read_logs

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
    assert pairs(only(read_logs(write.inspect_scored(tmp_path, {"judge": {"value": value}})))) == [
        (1, int(outcome))
    ]


@pytest.mark.parametrize(("value", "shown"), [("P", "0.5"), (0.37, "0.37"), (3, "3"), (-1.0, "-1.0")])
def test_partial_credit_needs_a_threshold(value: Any, shown: str, tmp_path: Path) -> None:
    path = write.inspect_scored(tmp_path, {"judge": {"value": value}})
    with pytest.raises(CountsError, match=rf"sample '7': the score of judge is {shown}, neither 0 nor 1"):
        read_logs(path)
    assert pairs(only(read_logs(path, threshold=0.3))) == [(1, int(value == "P" or value > 0.3))]


@pytest.mark.parametrize("value", [[1, 0], "maybe", {"deep": {"er": 1}}, float("inf")])
def test_scores_that_are_no_verdict(value: Any, tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="no verdict on one attempt"):
        read_logs(write.inspect_scored(tmp_path, {"judge": {"value": value}}))


def test_several_scorers_are_asked_about(tmp_path: Path) -> None:
    path = write.inspect_scored(
        tmp_path, {"match": {"value": "C"}, "judge": {"value": {"style": 0, "truth": 1}}}
    )
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


# ---- the others


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


def test_a_name_in_a_refusal_stays_on_its_line(tmp_path: Path) -> None:
    path = as_document(tmp_path / "results.json", {"a\nb": 0})
    with pytest.raises(CountsError, match=r"results.json: a\\nb: 0 is no list of test cases$"):
        read_logs(path, format="harmbench")


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
