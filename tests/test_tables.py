"""tables: every source gives the same counts."""

from __future__ import annotations

import csv
import json
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
from given_files import LONG, WIDE, in_file, refused, saved
from hypothesis import given
from hypothesis import strategies as st

from lmpower.counts import CountsError
from lmpower.tables import read_counts

FRAMES = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas, odd index": lambda columns: pd.DataFrame(columns).set_index(np.arange(5)[::-1] * 7),
    "polars": pl.DataFrame,
    "polars, lazy": pl.LazyFrame,
    "pyarrow": pa.table,
}


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


def test_csv_needs_no_data_frame_library(tmp_path: Path) -> None:
    path = saved(tmp_path, LONG, ".csv")
    code = (
        "import sys\n"
        "for name in ('pandas', 'polars', 'pyarrow', 'narwhals'): sys.modules[name] = None\n"
        "from lmpower.tables.read import read_counts\n"
        f"assert len(read_counts({str(path)!r})['all']) == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


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
