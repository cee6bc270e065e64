"""logs, as tools write them besides the plain case: earlier releases, retries, long records, odd names."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import log_writers as write
import pytest
from log_writers import as_document, as_lines, from_lines

from lmpower.cli import main
from lmpower.counts import CountsError
from lmpower.logs import Logs, read_logs
from lmpower.logs.convert import write_counts
from lmpower.tables import read_counts

TRUTH = {"a": [True, False, True], "b": [False, False]}
PAIRS = {"a": (3, 2), "b": (2, 0)}


def counted(logs: Logs) -> dict[str, tuple[int, int]]:
    """Attempts and successes of each problem of the only group."""
    (counts,) = logs.groups.values()
    assert counts.problem is not None
    pairs = zip(counts.attempts.tolist(), counts.successes.tolist(), strict=True)
    return dict(zip(counts.problem.tolist(), pairs, strict=True))


# ---- what a log is recognised by


@pytest.mark.parametrize("before", ["\n", "\r\n \t\n", "\ufeff\n"])
def test_blank_lines_before_the_first_record(before: str, tmp_path: Path) -> None:
    path = write.human_eval(tmp_path / "results.jsonl", TRUTH)
    path.write_text(before + path.read_text(), encoding="utf-8")
    assert counted(read_logs(path)) == PAIRS


def test_first_records_of_many_megabytes(tmp_path: Path) -> None:
    long = {"completion": "x" * (5 << 20)}  # before the names that tell, as in rows of ten thousand answers
    rows = [long | row for row in from_lines(write.human_eval(tmp_path / "results.jsonl", TRUTH))]
    path = as_lines(tmp_path / "results.jsonl", rows)
    assert counted(read_logs(path)) == PAIRS


def test_a_compressed_log_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "a", "passed": true}\n'))
    with pytest.raises(CountsError, match=r"results\.jsonl\.gz: it is compressed by gzip; unpack it first"):
        read_logs(path)


def test_livecodebench_with_long_answers_before_the_verdicts(tmp_path: Path) -> None:
    path = write.livecodebench(tmp_path / "toy_EVAL_ALL.json", TRUTH)
    rows = [
        {"question_title": "t", "question_content": "x" * (1 << 17)} | r
        for r in json.loads(path.read_text())
    ]
    as_document(path, rows)
    assert counted(read_logs(path)) == PAIRS


def test_livecodebench_metrics_are_refused(tmp_path: Path) -> None:
    metrics = [{"pass@1": 0.5, "detail": {"pass@1": {"0": 0.5}}}, {"0": [[True], [False]]}, [["{}"]]]
    path = as_document(tmp_path / "Scenario.codegeneration_2_0.2_eval.json", metrics)
    with pytest.raises(CountsError, match=r"read the \*_eval_all.json beside it"):
        read_logs(path)


def test_the_empty_path_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write.inspect_eval(tmp_path / "log.eval", TRUTH)
    monkeypatch.chdir(tmp_path)
    assert counted(read_logs(".")) == PAIRS
    with pytest.raises(CountsError, match="cannot read '': it is no path"):
        read_logs("")
    assert main(["convert", "", "-o", "counts.csv"]) == 2


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), "0.5"])
def test_a_threshold_is_a_finite_number(threshold: Any, tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="threshold must be a finite number; got"):
        read_logs(write.human_eval(tmp_path / "results.jsonl", TRUTH), threshold=threshold)


# ---- Inspect AI


def inspect_log(path: Path, samples: list[dict[str, Any]], **spec: str) -> Path:
    log = write.inspect_header() | {"samples": samples}
    return as_document(path, log | {"eval": log["eval"] | spec})


def test_a_retry_holds_the_samples_of_the_run_it_retries(tmp_path: Path) -> None:
    samples = write.inspect_summaries(TRUTH)
    cut = inspect_log(tmp_path / "cut.json", samples[:2], eval_id="e1", task_id="t1")
    retry = inspect_log(tmp_path / "retry.json", samples, eval_id="e2", task_id="t1")
    with pytest.raises(CountsError, match=r"retry.json is a run that is there already \(t1\), or a retry"):
        read_logs([cut, retry], by="model")
    assert counted(read_logs(retry)) == PAIRS
    again = inspect_log(tmp_path / "again.json", samples, eval_id="e3", task_id="t2")
    assert counted(read_logs([retry, again], by="model")) == {"a": (6, 4), "b": (4, 0)}


def test_inspect_logs_of_early_2024_have_one_score(tmp_path: Path) -> None:
    samples = [{"id": "a", "epoch": e, "score": {"value": value}} for e, value in enumerate("CI", start=1)]
    assert counted(read_logs(inspect_log(tmp_path / "log.json", samples))) == {"a": (2, 1)}


def test_samples_marked_invalid_are_told(tmp_path: Path) -> None:
    log = write.inspect_header() | {"samples": write.inspect_summaries(TRUTH), "invalidated": True}
    assert (
        "log.json has samples that were marked invalid; they are counted."
        in read_logs(as_document(tmp_path / "log.json", log)).notes
    )


def test_a_link_within_a_folder_counts_once(tmp_path: Path) -> None:
    os.symlink(write.inspect_eval(tmp_path / "log.eval", TRUTH), tmp_path / "latest.eval")
    assert counted(read_logs(tmp_path)) == PAIRS


# ---- lm-evaluation-harness


def lm_row(doc: int, n: int = 1, filtered: str = "none", **metrics: float) -> dict[str, Any]:
    answers = [f"answer {i}" for i in range(n)]
    return {"doc_id": doc, "resps": [answers], "filter": filtered, "metrics": list(metrics)} | metrics


def test_a_verdict_is_chosen_by_filter_or_metric_or_both(tmp_path: Path) -> None:
    rows = [lm_row(0, filtered=name, exact_match=name == "flexible") for name in ("strict", "flexible")]
    path = as_lines(tmp_path / "samples.jsonl", rows)
    for scorer in ("flexible", "flexible/exact_match"):
        assert counted(read_logs(path, scorer=scorer)) == {"0": (1, 1)}
    with pytest.raises(CountsError, match="several verdicts: strict/exact_match, flexible/exact_match"):
        read_logs(path, scorer="exact_match")
    path = as_lines(tmp_path / "samples.jsonl", [lm_row(0, acc=1.0, acc_norm=0.0, brier_score=0.3)])
    assert counted(read_logs(path, scorer="acc_norm")) == {"0": (1, 0)}
    with pytest.raises(CountsError, match="has no verdict 'f1'; it has none/acc, none/acc_norm"):
        read_logs(path, scorer="f1")


def test_documents_with_several_responses_are_not_dropped_for_one_with_one(tmp_path: Path) -> None:
    rows = [lm_row(0, n=4, exact_match=1.0), lm_row(1, n=1, exact_match=1.0)]
    with pytest.raises(CountsError, match="there are 4 responses to a document"):
        read_logs(as_lines(tmp_path / "samples.jsonl", rows))


def test_a_document_without_its_metric_is_not_dropped(tmp_path: Path) -> None:
    broken = {key: value for key, value in lm_row(1, exact_match=1.0).items() if key != "exact_match"}
    path = as_lines(tmp_path / "samples.jsonl", [lm_row(0, exact_match=1.0), broken])
    with pytest.raises(CountsError, match="line 2 has no metric of single documents"):
        read_logs(path)


def test_lm_eval_releases_that_do_not_list_their_metrics(tmp_path: Path) -> None:
    rows = [
        {"doc_id": doc, "doc": {}, "resps": [["x"]], "filtered_resps": ["x"], "acc": float(doc)}
        for doc in (0, 1)
    ]
    assert counted(read_logs(as_lines(tmp_path / "samples.jsonl", rows))) == {"0": (1, 0), "1": (1, 1)}


# ---- EvalPlus


def test_the_earliest_words_of_evalplus(tmp_path: Path) -> None:
    base = [["success", []], ["success", [True]], ["failed", [False]], ["timed out", []]]
    plus = [["success", []], ["failed", []], ["success", []], ["timed out", []]]
    results = {"HumanEval/0": {"files": ["0.py"] * 4, "base": base, "plus": plus}}
    path = as_document(tmp_path / "eval_results.json", {"date": "", "hash": "", "eval": results})
    assert counted(read_logs(path, scorer="base")) == {"HumanEval/0": (4, 2)}
    assert counted(read_logs(path, scorer="plus")) == {"HumanEval/0": (4, 1)}


def test_an_evalplus_problem_without_completions_has_no_outcome_to_choose(tmp_path: Path) -> None:
    passed = {"base_status": "pass", "plus_status": "pass"}
    path = as_document(tmp_path / "eval_results.json", {"eval": {"a": [], "b": [passed]}})
    assert counted(read_logs(path, scorer="plus")) == {"b": (1, 1)}


# ---- garak


def garak_row(uuid: str, scores: list[float], **more: Any) -> dict[str, Any]:
    attempt = {"entry_type": "attempt", "uuid": uuid, "seq": 0, "status": 2, "probe_classname": "dan.Dan"}
    prompt = {"turns": [{"role": "user", "content": {"text": f"prompt {uuid}"}}]}
    return attempt | {"prompt": prompt, "outputs": [], "detector_results": {"dan.DAN": scores}} | more


def test_garak_prompts_under_one_number_are_not_one_problem(tmp_path: Path) -> None:
    notes = {"buff_creator": "Lowercase", "buff_source_seq": 0}
    rows = [garak_row("u1", [1, 0]), *(garak_row(u, [0, 0, 0], notes=notes) for u in ("u2", "u3"))]
    found = counted(read_logs(as_lines(tmp_path / "a.report.jsonl", rows)))
    assert list(found.values()) == [(2, 1), (3, 0), (3, 0)]


def test_garak_prompts_made_up_on_the_way_have_no_number(tmp_path: Path) -> None:
    rows = [garak_row("u1", [1, 0], seq=None), garak_row("u2", [0, 0, 0], seq=None)]
    for run in (1, 2):  # the same prompts again, under other identities
        setup = {"entry_type": "start_run setup", "plugins.model_name": "toy", "transient.run_id": str(run)}
        again = [row | {"uuid": f"{row['uuid']}-{run}"} for row in rows]
        as_lines(tmp_path / f"{run}.report.jsonl", [setup, *again])
    logs = read_logs([tmp_path / "1.report.jsonl", tmp_path / "2.report.jsonl"], by="model")
    assert list(counted(logs).values()) == [(4, 2), (6, 0)]


# ---- Harbor


def test_harbor_trials_with_long_records_of_the_agent_are_not_passed_over(tmp_path: Path) -> None:
    job = write.harbor(tmp_path / "job", TRUTH)
    long = {"rollout_details": list(range(1 << 15))}  # before the verdict
    for path in job.glob("a__*/result.json"):
        trial = json.loads(path.read_text())
        verdict = {key: trial.pop(key) for key in ("verifier_result", "exception_info")}
        as_document(path, trial | {"agent_result": long} | verdict)
    assert sorted(counted(read_logs(job)).values()) == [(2, 0), (3, 2)]


def test_harbor_agents_are_not_put_together(tmp_path: Path) -> None:
    for i, agent in enumerate(("terminus-2", "other")):
        trial = write.harbor_trial("a", i == 0, str(i))
        as_document(tmp_path / f"{i}.json", trial | {"agent_info": trial["agent_info"] | {"name": agent}})
    paths = [tmp_path / "0.json", tmp_path / "1.json"]
    assert sorted(read_logs(paths).groups) == ["other", "terminus-2"]
    assert list(counted(read_logs(paths, by="model")).values()) == [(2, 1)]


# ---- groups


def test_by_file_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(write.human_eval(tmp_path / folder / "results.jsonl", TRUTH))
    assert list(read_logs(paths, by="file").groups) == [str(path) for path in paths]


# ---- tables made of logs

NAMES = ["a\rb", "a\r\nb", "a\nb", "a,b", 'say "a"', " a ", "01", "NaN", "null", "true", "\u2028", "\x00"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_problems_of_odd_names_come_back_the_same(name: str, suffix: str, tmp_path: Path) -> None:
    logs = read_logs(write.human_eval(tmp_path / "results.jsonl", {name: [True, False], "other": [False]}))
    write_counts(logs, tmp_path / f"counts{suffix}")
    (counts,) = read_counts(tmp_path / f"counts{suffix}", by="group").values()
    assert counts.problem is not None
    assert counts.problem.tolist() == [name, "other"]
    assert counts.successes.tolist() == [1, 0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_name_that_is_no_text_is_named(suffix: str, tmp_path: Path) -> None:
    logs = read_logs(write.human_eval(tmp_path / "results.jsonl", {"\ud800": [True, False]}))
    with pytest.raises(CountsError, match=r"'\\ud800' is no text in UTF-8; .jsonl can hold it"):
        write_counts(logs, tmp_path / f"counts{suffix}")
    assert not (tmp_path / f"counts{suffix}").exists()
