"""Long runs in shards: written, read back, merged, gone on with; and no part passes for the whole."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import CONFIG, UNITS, leftovers, refused, same, table

import lmpower.backtest.shards
from lmpower.backtest.shards import Shards, run_units

# ---- tables


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.array([1.5, np.nan, -np.inf, -0.0]), np.float64),
        (np.array([-(2**63), 2**63 - 1]), np.int64),
        (np.array(["a", "", "äß \n\0x"]), np.str_),
        (np.array([True, False]), np.bool_),
        (np.array([0.5, 0.1], np.float32), np.float64),
        (np.array([1, 2], np.uint8), np.int64),
        (np.array([1, 2], ">i8"), np.int64),
        (np.array(["a", "b"], object), np.str_),
        (["a", "b"], np.str_),
        (np.arange(6)[::2], np.int64),
        (np.array([]), np.float64),
        (np.array([], int), np.int64),
        (np.array([], str), np.str_),
    ],
)
def test_a_column_comes_back(shards: Shards, given: Any, kept: type) -> None:
    shards.write(3, {"column": given})
    back = shards.read(3)["column"]
    np.testing.assert_array_equal(back, given)
    assert back.dtype.type is kept
    if kept is np.float64:
        np.testing.assert_array_equal(np.signbit(back), np.signbit(given))
    back[:0] = back[:0]  # may be written to


def test_a_table_comes_back(shards: Shards) -> None:
    shards.write(4, table(4))
    same(shards.read(4), table(4))
    shards.write(4, table(3))
    same(shards.read(4), table(3))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "unit 0: a table has at least one column; got none"),
        ({"a": [1, 2], "b": [1]}, "unit 0: columns must be equally long; got a 2, b 1"),
        ({"a": np.ones((2, 3))}, "unit 0, column 'a': must have one dimension; got shape (2, 3)"),
        ({"a": 1}, "unit 0, column 'a': must have one dimension; got shape ()"),
        ({"a": np.array([1, 2], complex)}, "got complex128"),
        ({"a": np.array([2**64 - 1], np.uint64)}, "got uint64"),
        ({"a": np.array([1], ">u8")}, "got >u8"),
        ({"a": np.array(["b", None], object)}, "got object"),
        ({"a": np.array(["b\0"], object)}, "text without NUL at its end; got object"),
        ({"a": np.array(["2020-01-01"], "M8[D]")}, "got datetime64[D]"),
        ({"a": ["\ud800"]}, "surrogate"),
        ({1: [1]}, "unit 0: "),
    ],
)
def test_what_is_no_table(shards: Shards, given: Any, message: str) -> None:
    assert message in refused(lambda: shards.write(0, given))
    assert shards.missing(1) == [0]
    assert not leftovers(shards.directory)


# ---- merging


def test_merged_rows_stand_in_the_order_of_units(shards: Shards) -> None:
    merged = run_units(shards, UNITS, table, progress=False)
    assert merged == shards.directory / "results.parquet"
    found = pq.read_table(merged)
    tables = [table(unit) for unit in range(UNITS)]
    for name in tables[0]:
        np.testing.assert_array_equal(
            np.array(found[name].to_pylist()), np.concatenate([each[name] for each in tables])
        )
    assert pq.read_metadata(merged).metadata is None


def test_row_groups_are_of_many_units_or_one_large(monkeypatch: pytest.MonkeyPatch, shards: Shards) -> None:
    monkeypatch.setattr(lmpower.backtest.shards, "ROWS_PER_GROUP", 10)
    sizes = [0, 4, 4, 0, 4, 35, 1, 9, 3, 0]
    for unit, size in enumerate(sizes):
        shards.write(unit, {"x": np.full(size, unit)})
    file = pq.read_metadata(shards.merge(len(sizes)))
    assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [12, 35, 10, 3]


def test_a_run_may_have_no_rows_at_all(shards: Shards) -> None:
    merged = run_units(shards, 3, lambda unit: {"x": np.zeros(0)}, progress=False)
    assert pq.read_table(merged).column_names == ["x"]
    assert pq.read_table(merged).num_rows == 0


def test_columns_stand_as_in_unit_0(shards: Shards) -> None:
    shards.write(0, {"b": [1.0], "a": ["x"]})
    shards.write(1, {"a": ["y"], "b": [2.0]})
    assert pq.read_table(shards.merge(2, "all.parquet")).to_pydict() == {"b": [1.0, 2.0], "a": ["x", "y"]}
    assert (shards.directory / "all.parquet").exists()


def test_units_of_different_columns_are_refused(shards: Shards) -> None:
    shards.write(0, {"a": [1.0], "b": [1]})
    shards.write(1, {"a": [1], "b": [1]})
    assert refused(lambda: shards.merge(2)) == (
        f"{shards.path(1)} has columns a (int64), b (int64), "
        f"but unit-000000.parquet has a (double), b (int64)"
    )
    assert not leftovers(shards.directory)
    assert not (shards.directory / "results.parquet").exists()


def test_merging_needs_all_units(shards: Shards) -> None:
    shards.write(0, table(0))
    shards.write(2, table(2))
    assert refused(lambda: shards.merge(4)) == (
        f"cannot merge {shards.directory}: 2 of 4 units have no shard, the first of them unit 1"
    )
    assert "at least 1 unit; got 0" in refused(lambda: shards.merge(0))


@pytest.mark.parametrize(
    "name", ["config.json", "unit-000001.parquet", "../a.parquet", "/a.parquet", "a", "", "..", "."]
)
def test_the_merged_file_overwrites_nothing_else(shards: Shards, name: str) -> None:
    shards.write(0, table(0))
    assert f"got {name!r}" in refused(lambda: shards.merge(1, name))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(6)), stops=st.lists(st.integers(0, 5), max_size=2))
def test_no_order_and_no_pause_shows_in_the_bytes(order: list[int], stops: list[int]) -> None:
    def merged(units: list[int]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            shards = Shards(Path(folder), CONFIG)
            for at, unit in enumerate(units):
                if at in stops:
                    shards = Shards(Path(folder), CONFIG)
                shards.write(unit, table(unit))
            return shards.merge(len(units)).read_bytes()

    assert merged(order) == merged(list(range(6)))


# ---- going on


def test_only_missing_units_are_computed(shards: Shards, uninterrupted: bytes) -> None:
    def interrupted(unit: int) -> dict[str, np.ndarray]:
        if unit == 5:
            raise KeyboardInterrupt
        return table(unit)

    with pytest.raises(KeyboardInterrupt):
        run_units(shards, UNITS, interrupted, progress=False)
    assert not leftovers(shards.directory)
    shards.write(9, table(9))
    computed: list[int] = []
    again = Shards(shards.directory, CONFIG)
    merged = run_units(again, UNITS, lambda u: computed.append(u) or table(u), progress=False)
    assert computed == [5, 6, 7, 8, *range(10, UNITS)]
    assert merged is not None
    assert merged.read_bytes() == uninterrupted
    assert run_units(again, UNITS, lambda unit: pytest.fail("all is there"), progress=False) == merged


def test_processes_share_a_run(shards: Shards, uninterrupted: bytes) -> None:
    other = Shards(shards.directory, CONFIG)
    assert run_units(shards, UNITS, table, progress=False, process=0, processes=2) is None
    assert shards.missing(UNITS) == list(range(1, UNITS, 2))
    merged = run_units(other, UNITS, table, progress=False, process=1, processes=2)
    assert merged is not None
    assert merged.read_bytes() == uninterrupted


@pytest.mark.parametrize(("process", "processes"), [(2, 2), (-1, 2), (0, 0)])
def test_processes_are_numbered(shards: Shards, process: int, processes: int) -> None:
    message = refused(lambda: run_units(shards, 4, table, process=process, processes=processes))
    assert message.endswith(f"got {process} of {processes} processes")


def test_the_bar_begins_at_what_is_there(shards: Shards, capsys: pytest.CaptureFixture[str]) -> None:
    for unit in range(3):
        shards.write(unit, table(unit))
    run_units(shards, 4, table)
    said = capsys.readouterr()
    assert said.out == ""
    assert "3/4" in said.err
    assert "4/4" in said.err
    assert "unit/s" in said.err or "s/unit" in said.err
    run_units(shards, 4, table, progress=False)
    assert capsys.readouterr().err == ""


def test_a_file_cleared_by_another_process_is_written_again(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, times = os.replace, 0

    def cleared_first(source: Path, target: Path) -> None:
        nonlocal times
        times += 1
        if times == 1:
            Shards(shards.directory, CONFIG)
            assert not source.exists()
        replace(source, target)

    monkeypatch.setattr(os, "replace", cleared_first)
    shards.write(0, table(0))
    same(shards.read(0), table(0))
    assert times == 2


def test_a_folder_that_is_gone_is_an_error(shards: Shards) -> None:
    (shards.directory / "config.json").unlink()
    shards.directory.rmdir()
    assert "No such file or directory" in refused(lambda: shards.write(0, table(0)))
    assert "No such file or directory" in refused(lambda: shards.missing(1))


def test_a_full_disk_is_one_line(shards: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = refused(lambda: shards.write(0, table(0)))
    assert message == f"cannot write {shards.path(0)}: No space left on device"
    assert not leftovers(shards.directory)


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    Shards(tmp_path, CONFIG)
    Shards(tmp_path, CONFIG)


# ---- what should not occur


def test_no_part_of_a_shard_passes_for_one(shards: Shards) -> None:
    shards.write(0, table(4))
    path = shards.path(0)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert refused(lambda: shards.read(0)).startswith(f"cannot read {path} (delete")
    assert str(path) in refused(lambda: shards.merge(1))
    assert not leftovers(shards.directory)


def test_a_bit_that_fell_over_is_found(shards: Shards) -> None:
    values = np.random.default_rng(0).random(1000)
    shards.write(0, {"x": values})
    data = bytearray(shards.path(0).read_bytes())
    data[len(data) // 2] ^= 1
    shards.path(0).write_bytes(data)
    assert str(shards.path(0)) in refused(lambda: shards.read(0))


def test_a_shard_that_is_not_there(shards: Shards) -> None:
    assert refused(lambda: shards.read(2)) == f"unit 2 has no shard: there is no {shards.path(2)}"
    assert refused(lambda: shards.read(-1)) == "units are numbered from 0; got -1"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    message = "results are kept as Parquet, which needs pip install 'lmpower[io]'"
    assert refused(lambda: Shards(tmp_path / "run", CONFIG)) == message
    assert not (tmp_path / "run").exists()
