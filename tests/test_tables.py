"""tables: every source gives the same counts, and every bad input its own sentence."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmpower.tables.table
from lmpower.counts import CountsError
from lmpower.files.whole import write_bytes_atomically, write_text_atomically
from lmpower.tables import choose_group, read_counts

WIDE = {
    "model": ["m1", "m1", "m2", "m2", "m2"],
    "benchmark": ["math", "math", "math", "code", "code"],
    "problem": ["p1", "p2", "p1", "p1", "p2"],
    "attempts": [10, 10, 20, 20, 20],
    "successes": [3, 0, 20, 1, 0],
    "note": ["", "a, b", 'said "no"', "two\nlines", "é"],
}
LONG = {
    "problem": ["b", "a", "b", "b", "a", "c"],
    "success": [True, False, False, True, False, True],
    "answer": ["x"] * 6,
}
FRAMES = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas, odd index": lambda columns: pd.DataFrame(columns).set_index(np.arange(5)[::-1] * 7),
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "pyarrow": pa.table,
}


def in_file(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def saved(folder: Path, columns: dict[str, Any], suffix: str) -> Path:
    frame, path = pd.DataFrame(columns), folder / f"counts{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return path


def refused(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(CountsError) as refusal:
        read_counts(*args, **kwargs)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


# ---- what is read


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame(kind: str) -> None:
    check_wide(FRAMES[kind](WIDE))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, WIDE, suffix)
    check_wide(path)
    check_wide(str(path))


def check_wide(source: Any) -> None:
    both = read_counts(source, by=["model", "benchmark"])
    assert list(both) == ["m1 / math", "m2 / math", "m2 / code"]
    assert {name: counts.to_dict() for name, counts in both.items()} == {
        "m1 / math": as_dict([10, 10], [3, 0], ["p1", "p2"]),
        "m2 / math": as_dict([20], [20], ["p1"]),
        "m2 / code": as_dict([20, 20], [1, 0], ["p1", "p2"]),
    }
    assert list(read_counts(source, by="model,benchmark")) == list(both)


def as_dict(
    attempts: list[int], successes: list[int], problem: list[str] | None, stopping: str = "fixed"
) -> dict[str, Any]:
    return {
        "attempts": attempts,
        "successes": successes,
        "problem": problem,
        "stopping": stopping,
    }


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_long_tables_are_counted(tmp_path: Path, suffix: str) -> None:
    counts = read_counts(saved(tmp_path, LONG, suffix))["all"]
    assert counts.to_dict() == as_dict([3, 2, 1], [2, 0, 1], ["b", "a", "c"])


@pytest.mark.parametrize(
    ("yes", "no"),
    [("true", "False"), ("TRUE", " false "), ("1", "0"), (1, 0), (1.0, 0.0), (True, False)],
)
def test_outcomes_are_true_false_1_or_0(tmp_path: Path, yes: Any, no: Any) -> None:
    columns = {"problem": [1, 1, 2], "success": [yes, no, no]}
    expected = as_dict([2, 1], [1, 0], ["1", "2"])
    assert read_counts(pl.DataFrame(columns))["all"].to_dict() == expected
    if not isinstance(yes, float):
        text = f"problem,success\n1,{yes}\n1,{no}\n2,{no}\n"
        assert read_counts(in_file(tmp_path, "a.csv", text))["all"].to_dict() == expected


def test_a_wide_table_may_lack_problems() -> None:
    counts = read_counts(pd.DataFrame({"attempts": [5, 6], "successes": [0, 1]}), stopping="fixed")
    assert counts["all"].to_dict() == as_dict([5, 6], [0, 1], None)


def test_columns_may_have_other_names() -> None:
    frame = pd.DataFrame({"task": ["a", "b"], "n": [5, 5], "c": [0, 1]})
    counts = read_counts(frame, problem="task", attempts="n", successes="c")["all"]
    assert counts.to_dict() == as_dict([5, 5], [0, 1], ["a", "b"])
    frame = pd.DataFrame({"task": ["a", "a"], "passed": [0, 1]})
    counts = read_counts(frame, problem="task", success="passed")["all"]
    assert counts.to_dict() == as_dict([2], [1], ["a"])


def test_csv_as_it_comes(tmp_path: Path) -> None:
    text = '\ufeffproblem,attempts,successes,why\r\n"a",5.0, 2,"one\r\ntwo"\r\n\r\nb,+7,0.,\r\n'
    counts = read_counts(in_file(tmp_path, "a.CSV", text), stopping="fixed")["all"]
    assert counts.to_dict() == as_dict([5, 7], [2, 0], ["a", "b"])


def test_long_answers_beside_the_counts(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    text = f"problem,success,answer\na,1,{'x' * 200_000}\n"
    assert len(read_counts(in_file(tmp_path, "a.csv", text))["all"]) == 1
    assert csv.field_size_limit() == before


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
            st.integers(1, 2**53),
            st.integers(0, 2**53),
        ).map(lambda row: (row[0], max(row[1:]), min(row[1:]))),
        min_size=1,
        unique_by=lambda row: row[0],
    )
)
def test_whatever_is_written_is_read(tmp_path_factory: Any, rows: list[tuple[str, int, int]]) -> None:
    folder = tmp_path_factory.mktemp("io")
    columns = dict(zip(("problem", "attempts", "successes"), zip(*rows, strict=True), strict=True))
    with open(folder / "a.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([tuple(columns), *rows])
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for path in (folder / "a.csv", folder / "a.jsonl"):
        found = read_counts(path, stopping="fixed")["all"].to_dict()
        assert found == as_dict(*([r[i] for r in rows] for i in (1, 2, 0)))


# ---- how sampling stopped


def test_stopping_is_seen_or_said() -> None:
    frame = pd.DataFrame({"attempts": [1, 3, 10], "successes": [1, 1, 0]})
    assert read_counts(frame)["all"].stopping == "on_success"
    for stopping in ("fixed", "on_success", "adaptive"):
        assert read_counts(frame, stopping=stopping)["all"].stopping == stopping
    assert refused(frame, stopping="no") == (
        "stopping must be one of auto, fixed, on_success, adaptive; got 'no'"
    )


def test_stopping_is_seen_in_each_group_alone() -> None:
    frame = pd.DataFrame(
        {"g": list("aaabbb"), "attempts": [1, 3, 9, 9, 9, 9], "successes": [1, 1, 0, 3, 4, 0]}
    )
    found = read_counts(frame, by="g")
    assert [counts.stopping for counts in found.values()] == ["on_success", "fixed"]


# ---- attempts without outcome


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("kind", ["pandas", "polars", "csv", "jsonl"])
def test_missing_outcomes_need_a_choice(tmp_path: Path, missing: float | None, kind: str) -> None:
    columns = {"problem": ["a", "a", "b", "b"], "success": [1.0, missing, 0.0, missing]}
    text = "problem,success\na,1\na,\nb,0\nb,\n"
    lines = '{"problem":"a","success":1}\n{"problem":"a","success":null}\n'
    lines += '\n{"problem":"b","success":0}\n{"problem":"b"}\n'
    source, name, place = {
        "pandas": (pd.DataFrame(columns), "the table", "row 1"),
        "polars": (pl.DataFrame(columns), "the table", "row 1"),
        "csv": (in_file(tmp_path, "a.csv", text), str(tmp_path / "a.csv"), "line 3"),
        "jsonl": (in_file(tmp_path, "a.jsonl", lines), str(tmp_path / "a.jsonl"), "line 2"),
    }[kind]
    assert refused(source) == (
        f"{name}, {place}: success is empty, as in 2 of 4 rows; errors='exclude' leaves them "
        "out, errors='fail' counts them as failures"
    )
    excluded = read_counts(source, errors="exclude")["all"]
    assert excluded.to_dict() == as_dict([1, 1], [1, 0], ["a", "b"])
    failed = read_counts(source, errors="fail")["all"]
    assert failed.to_dict() == as_dict([2, 2], [1, 0], ["a", "b"])


def test_no_problem_vanishes_with_its_outcomes() -> None:
    frame = pd.DataFrame({"problem": ["a", "b"], "success": [True, None]})
    assert refused(frame, errors="exclude") == (
        "the table, problem 'b': attempts = 0 is not a whole number from 1 to 2**53"
    )
    assert refused(frame, errors="ignore") == ("errors must be one of raise, exclude, fail; got 'ignore'")


# ---- what is refused, in the same words whatever the source

WIDE_HEADER = "problem,attempts,successes\n"
NOT_WHOLE = "is not a whole number"
NO_OUTCOME = "is neither true/false nor 1/0"
TWICE = (
    "problem 'a' appears a second time; if it belongs to another model or benchmark, name that "
    "column with by="
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIDE_HEADER + "a,5,1\nb,5,1.5\n", f"line 3: successes = '1.5' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,nan,1\n", f"line 2: attempts = 'nan' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,inf,1\n", f"line 2: attempts = 'inf' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,,1\n", f"line 2: attempts = '' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,1_0,1\n", f"line 2: attempts = '1_0' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,1e3,1\n", f"line 2: attempts = '1e3' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,٣,1\n", f"line 2: attempts = '٣' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,5,True\n", f"line 2: successes = 'True' {NOT_WHOLE}"),
        (
            WIDE_HEADER + "\na,5,1\n\nb,5,-1\n",
            f"line 5: successes = -1 {NOT_WHOLE} from 0 to 2**53",
        ),
        (WIDE_HEADER + "a,0,0\n", f"line 2: attempts = 0 {NOT_WHOLE} from 1 to 2**53"),
        (
            WIDE_HEADER + "a,9007199254740993,0\n",
            f"line 2: attempts = 9007199254740993 {NOT_WHOLE} from 1 to 2**53",
        ),
        (WIDE_HEADER + '"a\nb",5,5\nc,5,6\n', "line 4: 6 successes in 5 attempts"),
        (WIDE_HEADER + "a,5,1\n,5,1\n", "line 3: problem is empty"),
        (WIDE_HEADER + "a,5,1\nb,5,1\na,5,2\n", f"line 4: {TWICE}"),
        (WIDE_HEADER + "a,5\n", "line 2: 2 cells for 3 columns"),
        (WIDE_HEADER + "a,5,1,7\n", "line 2: 4 cells for 3 columns"),
        (WIDE_HEADER + 'a,5,1\n"b,5,1\n', "line 3: unexpected end of data"),
        ("problem,success\na,1\na,C\n", f"line 3: success = 'C' {NO_OUTCOME}"),
        ("problem,success\na,yes\n", f"line 2: success = 'yes' {NO_OUTCOME}"),
        ("problem,success\na,2\n", f"line 2: success = '2' {NO_OUTCOME}"),
        ("problem,success\n,1\n", "line 2: problem is empty"),
    ],
)
def test_bad_cells_in_csv(tmp_path: Path, text: str, message: str) -> None:
    path = in_file(tmp_path, "a.csv", text)
    assert refused(path) == f"{path}, {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty"),
        ("\n\n", " is empty"),
        (WIDE_HEADER, " has columns but no rows"),
        ("problem,success\n", " has columns but no rows"),
        ("a,b,a\n1,2,3\n", " has columns of equal name: a, b, a"),
        ("success\n1\n", " has no column 'problem'; its columns are success"),
        (
            "problem,n,c\na,1,1\n",
            " has neither columns 'attempts' and 'successes' (one row a problem) nor 'success' "
            "(one row an attempt); its columns are problem, n, c",
        ),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, message: str) -> None:
    path = in_file(tmp_path, "a.csv", text)
    assert refused(path) == f"{path}{message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty"),
        ("[1, 2]\n", ", line 1: not a JSON object with named values"),
        ('{"problem": 1, "success": 1}\n{"problem":\n', ", line 2: not JSON (Expecting value)"),
        (
            '{"problem": 1, "success": 1}\n\n{"problem": 1, "success": "C"}\n',
            f", line 3: success = 'C' {NO_OUTCOME}",
        ),
        (
            '{"problem": 1, "success": [1]}\n',
            ": cells must be text, numbers or true/false (unhashable type: 'list')",
        ),
        (
            '{"problem": [1], "attempts": 1, "successes": 1}\n',
            ": cells must be text, numbers or true/false (unhashable type: 'list')",
        ),
        (
            '{"attempts": 1, "successes": 1}\n{"attempts": 1.5, "successes": 1}\n',
            f", line 2: attempts = 1.5 {NOT_WHOLE}",
        ),
        (
            '{"attempts": 1, "successes": 1}\n{"attempts": 1}\n',
            f", line 2: successes = None {NOT_WHOLE}",
        ),
        (
            '{"attempts": true, "successes": 1}\n',
            f", line 1: attempts = True {NOT_WHOLE}",
        ),
    ],
)
def test_bad_json_lines(tmp_path: Path, text: str, message: str) -> None:
    path = in_file(tmp_path, "a.jsonl", text)
    assert refused(path) == f"{path}{message}"


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"attempts": [5.0, 5.5], "successes": [1, 1]}, f", row 1: attempts = 5.5 {NOT_WHOLE}"),
        ({"attempts": [5.0, np.inf], "successes": [1, 1]}, f", row 1: attempts = inf {NOT_WHOLE}"),
        ({"attempts": [5, 5], "successes": [1, 6]}, ", row 1: 6 successes in 5 attempts"),
        (
            {"attempts": [5, 5], "successes": [1, -1]},
            f", row 1: successes = -1 {NOT_WHOLE} from 0 to 2**53",
        ),
        ({"n": [5], "success": [1]}, " has no column 'problem'; its columns are n, success"),
        ({"problem": ["a", None], "success": [1, 1]}, ", row 1: problem is empty"),
        ({"problem": ["a", "a"], "success": [1, 2]}, f", row 1: success = 2 {NO_OUTCOME}"),
    ],
)
def test_bad_frames(library: Any, columns: dict[str, list[Any]], message: str) -> None:
    assert refused(library(columns)) == f"the table{message}"


def test_missing_numbers_in_frames() -> None:
    frame = pd.DataFrame({"attempts": [5, None], "successes": [1, 1]})
    assert refused(frame) == f"the table, row 1: attempts = nan {NOT_WHOLE}"
    assert refused(frame.astype("Int64")) == (f"the table, row 1: attempts = <NA> {NOT_WHOLE}")


def test_errors_name_the_group(tmp_path: Path) -> None:
    path = in_file(tmp_path, "a.csv", "model," + WIDE_HEADER + "m,a,5,1\nn,a,5,1\nm,a,5,2\n")
    assert refused(path, by="model") == (f"{path}, line 4: problem 'a' appears a second time (group 'm')")
    empty = in_file(tmp_path, "b.csv", "model," + WIDE_HEADER + "m,a,5,1\n,a,5,1\n")
    assert refused(empty, by="model") == f"{empty}, line 3: model is empty"


def test_columns_that_are_not_there() -> None:
    frame = pd.DataFrame(WIDE)
    there = "its columns are model, benchmark, problem, attempts, successes, note"
    assert refused(frame, by="size") == f"the table has no column 'size'; {there}"
    assert refused(frame, by="model,size") == f"the table has no column 'size'; {there}"
    assert refused(frame, problem="task") == f"the table has no column 'task'; {there}"


def test_groups_of_equal_name() -> None:
    frame = pd.DataFrame(
        {"x": ["a / b", "a"], "y": ["c", "b / c"], "attempts": [1, 1], "successes": [1, 0]}
    )
    assert refused(frame, by=["x", "y"]) == ("the table: two different groups are both called 'a / b / c'")


def test_unknown_group() -> None:
    groups = read_counts(pd.DataFrame(WIDE), by="model,benchmark")
    assert choose_group(groups, "m2 / code") is groups["m2 / code"]
    with pytest.raises(CountsError) as refusal:
        choose_group(groups, "m3")
    assert str(refusal.value) == ("there is no group 'm3'; the groups are m1 / math, m2 / math, m2 / code")


# ---- files that are no tables


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "a.csv"
    folder.mkdir()
    assert refused(folder) == f"cannot read {folder}: it is a folder, not a file"
    missing = tmp_path / "b.csv"
    assert refused(missing) == f"cannot read {missing}: there is no such file"
    sheet = in_file(tmp_path, "c.xlsx", "")
    assert refused(str(sheet)) == (f"cannot read {sheet}: its suffix must be one of .csv, .jsonl, .parquet")
    table = in_file(tmp_path, "d.parquet", "no")
    assert refused(table).startswith(f"cannot read {table} as Parquet: ")
    assert refused({"attempts": [1]}) == (
        "cannot read counts from a dict: give a path, or a table of pandas, Polars or PyArrow"
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_text_must_be_utf8(tmp_path: Path, suffix: str) -> None:
    path = in_file(tmp_path, "a" + suffix, "problem,success\ncaf\xe9,1\n".encode("latin-1"))
    assert refused(path) == f"cannot read {path}: it is not UTF-8 text (byte 0xe9)"


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = in_file(tmp_path, "a.csv", WIDE_HEADER)

    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lmpower.tables.table, "open", denied, raising=False)
    assert refused(path) == f"cannot read {path}: Permission denied"


def test_parquet_without_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, LONG, ".parquet")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refused(path) == f"cannot read {path}: Parquet needs pip install 'lmpower[io]'"


def test_csv_needs_no_data_frame_library(tmp_path: Path) -> None:
    path = saved(tmp_path, LONG, ".csv")
    code = (
        "import sys\n"
        "for name in ('pandas', 'polars', 'pyarrow', 'narwhals'): sys.modules[name] = None\n"
        "from lmpower.tables.read import read_counts\n"
        f"assert len(read_counts({str(path)!r})['all']) == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- size


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_a_million_rows(tmp_path: Path, shape: str) -> None:
    """1.5-2 s wide and .3 s long on one core; the bound only guards against another order."""
    rng = np.random.default_rng(0)
    size, path = 10**6, tmp_path / "a.csv"
    columns: dict[str, Any] = {"model": rng.choice(["m1", "m2"], size)}
    if shape == "wide":
        columns |= {"problem": np.arange(size), "attempts": rng.integers(50, 100, size)}
        columns |= {"successes": rng.integers(0, 50, size)}
    else:
        columns |= {"problem": rng.integers(0, 128, size), "success": rng.random(size) < 0.1}
    frame = pl.DataFrame(columns)
    frame.write_csv(path)
    started = time.perf_counter()
    found = read_counts(path, by="model", stopping="fixed")
    assert time.perf_counter() - started < 15
    for model, part in frame.group_by("model"):
        counts = found[str(model[0])]
        if shape == "wide":
            assert counts.attempts.tolist() == part["attempts"].to_list()
            assert counts.successes.tolist() == part["successes"].to_list()
        else:
            assert counts.attempts.sum() == len(part)
            assert counts.successes.sum() == part["success"].sum()
            assert len(counts) == 128


# ---- writing


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_text_atomically(path, "größer")
    assert path.read_bytes() == "größer".encode()
    write_bytes_atomically(str(path), b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert os.listdir(tmp_path) == ["out.json"]
    plain = in_file(tmp_path, "plain", "")
    assert path.stat().st_mode == plain.stat().st_mode


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    target, link = in_file(tmp_path, "target", "old"), tmp_path / "link"
    link.symlink_to(target)
    write_text_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_unwritable_places(tmp_path: Path) -> None:
    missing, folder, below = tmp_path / "no" / "out", tmp_path / "dir", tmp_path / "file" / "out"
    folder.mkdir()
    in_file(tmp_path, "file", "kept")
    before = sorted(os.listdir(tmp_path))
    for path, why in (
        (missing, "No such file or directory"),
        (folder, "Is a directory"),
        (below, "Not a directory"),
    ):
        with pytest.raises(ValueError, match="cannot write") as refusal:
            write_text_atomically(path, "x")
        assert str(refusal.value) == f"cannot write {path}: {why}"
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = in_file(tmp_path, "out", "old")

    def fail(source: object, target: object) -> None:
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    expected = ValueError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


# ---- a table that says how sampling stopped


def test_a_column_says_how_sampling_stopped(tmp_path: Path) -> None:
    rows = "m,p,attempts,successes,stopping\na,x,5,1,adaptive\na,y,3,0,adaptive\nb,x,3,1,fixed\n"
    path = in_file(tmp_path, "counts.csv", rows)
    stopped = {name: counts.stopping for name, counts in read_counts(path, by="m", problem="p").items()}
    assert stopped == {"a": "adaptive", "b": "fixed"}
    given = read_counts(path, by="m", problem="p", stopping="fixed")
    assert {counts.stopping for counts in given.values()} == {"fixed"}
    with pytest.raises(CountsError, match="stopping is adaptive of some problems and fixed of others"):
        read_counts(path, by="p", problem="m")
    path = in_file(tmp_path, "typo.csv", rows.replace("fixed", "fixd"))
    with pytest.raises(
        CountsError, match="line 4: stopping = 'fixd' is none of fixed, on_success, adaptive"
    ):
        read_counts(path, by="m", problem="p")
