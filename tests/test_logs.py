"""logs: what each tool writes, read into counts that equal the truth; and refusals that say why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import log_writers as write
import pyarrow as pa
import pytest
from known_logs import BROKEN, LOGS, PLAIN, TRUTH, by_problem, only, pairs, said, tallied
from log_writers import WRITERS, as_document, as_lines, from_lines

import lmpower.files.meter
from lmpower.counts import CountsError
from lmpower.logs import read_logs

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


# ---- long files


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
