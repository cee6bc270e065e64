"""tables: every bad input gets its own sentence, in the same words whatever the source."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from given_files import LONG, WIDE, WIDE_HEADER, in_file, refused, saved

import lmpower.tables.table
from lmpower.counts import CountsError
from lmpower.tables import choose_group, read_counts

# ---- cells, columns, groups

NOT_WHOLE = "is not a whole number"
NO_OUTCOME = "is neither true/false nor 1/0"
TWICE = (
    "problem 'a' appears a second time; if it belongs to another model or benchmark, name that "
    "column with by="
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIDE_HEADER + "a,5,1\nb,5,1.5\n", f", line 3: successes = '1.5' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,nan,1\n", f", line 2: attempts = 'nan' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,inf,1\n", f", line 2: attempts = 'inf' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,,1\n", f", line 2: attempts = '' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,1_0,1\n", f", line 2: attempts = '1_0' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,1e3,1\n", f", line 2: attempts = '1e3' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,٣,1\n", f", line 2: attempts = '٣' {NOT_WHOLE}"),
        (WIDE_HEADER + "a,5,True\n", f", line 2: successes = 'True' {NOT_WHOLE}"),
        (
            WIDE_HEADER + "\na,5,1\n\nb,5,-1\n",
            f", line 5: successes = -1 {NOT_WHOLE} from 0 to 2**53",
        ),
        (WIDE_HEADER + "a,0,0\n", f", line 2: attempts = 0 {NOT_WHOLE} from 1 to 2**53"),
        (
            WIDE_HEADER + "a,9007199254740993,0\n",
            f", line 2: attempts = 9007199254740993 {NOT_WHOLE} from 1 to 2**53",
        ),
        (WIDE_HEADER + '"a\nb",5,5\nc,5,6\n', ", line 4: 6 successes in 5 attempts"),
        (WIDE_HEADER + "a,5,1\n,5,1\n", ", line 3: problem is empty"),
        (WIDE_HEADER + "a,5,1\nb,5,1\na,5,2\n", f", line 4: {TWICE}"),
        (WIDE_HEADER + "a,5\n", ", line 2: 2 cells for 3 columns"),
        (WIDE_HEADER + "a,5,1,7\n", ", line 2: 4 cells for 3 columns"),
        (WIDE_HEADER + 'a,5,1\n"b,5,1\n', ", line 3: unexpected end of data"),
        ("problem,success\na,1\na,C\n", f", line 3: success = 'C' {NO_OUTCOME}"),
        ("problem,success\na,yes\n", f", line 2: success = 'yes' {NO_OUTCOME}"),
        ("problem,success\na,2\n", f", line 2: success = '2' {NO_OUTCOME}"),
        ("problem,success\n,1\n", ", line 2: problem is empty"),
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
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert refused(pipe) == f"cannot read {pipe}: it is a pipe; save it as a file first"
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
