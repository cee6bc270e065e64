"""Results of long runs, piece by piece on disk: a run killed at any moment goes on where it was.

A run is a fixed list of units of work, numbered from 0, each of which gives a table. Its folder holds

    config.json            everything that decides the tables, written before any of them
    unit-000000.parquet    the table of unit 0, a shard
    unit-000001.parquet    ...
    results.parquet        all tables, in the order of their units

A file is written under a temporary name and takes its own only when all of it is on the disk, so a
shard that is there is whole, and which units are still to do can be read off the names. The bytes of
results.parquet follow from the tables (and the release of pyarrow that merges them): not from the
order in which units were computed, by how many processes, or how often these were killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lmpower.backtest.arrow import (
    described,
    in_one_piece,
    read_table,
    require_pyarrow,
    to_arrow,
    to_numpy,
    types_of,
    write_groups,
)
from lmpower.backtest.configuration import as_json, require_same
from lmpower.backtest.errors import ShardsError, one_line
from lmpower.files.durable import LEFTOVER, write_durably

CONFIG = "config.json"
RESULTS = "results.parquet"
SHARD = re.compile(r"unit-\d{6,}\.parquet")
ROWS_PER_GROUP = 2**16  # of the merged file: enough to compress and read well, little to hold


class Shards:
    """The tables of one run, on disk.

    A table is a dict of equally long columns, one-dimensional arrays of numbers, true/false or text.
    Numbers are kept as int64 or float64, whichever holds all values of their type.

    Several processes may have the same run open and write different units.

    Attributes:
        directory: the folder.
        config: the configuration as JSON has it (tuples are lists).
    """

    def __init__(self, directory: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
        """Begin a run, or go on with one of the same configuration.

        Args:
            directory: a folder of this run alone; made if it is not there.
            config: everything that decides the tables, in terms of JSON.

        Raises:
            ShardsError: if the folder holds a run of another configuration (the message says where
                they differ) or something else, if it cannot be used, if ``config`` is not JSON, or
                without pyarrow.
        """
        require_pyarrow()  # now rather than when the first unit is done
        self.directory = Path(directory)
        self.config = as_json(config)
        path = self.directory / CONFIG
        self._require_ours(path)
        if not path.exists():
            text = json.dumps(self.config, indent=2) + "\n"
            self._write_whole(path, lambda file: file.write(text.encode()), replace=False)
        require_same(path, self.config)
        self._clear_leftovers()

    def path(self, unit: int) -> Path:
        """Where the shard of a unit is or will be."""
        if unit < 0:
            raise ShardsError(f"units are numbered from 0; got {unit}")
        return self.directory / f"unit-{unit:06d}.parquet"

    def missing(self, units: int) -> list[int]:
        """Numbers of the units, out of the first ``units``, that have no shard yet; ascending."""
        if units < 1:
            raise ShardsError(f"a run has at least 1 unit; got {units}")
        there = set(self._names())
        return [unit for unit in range(units) if self.path(unit).name not in there]

    def write(self, unit: int, table: Mapping[str, Any]) -> None:
        """Write the shard of a unit, whole or not at all; one that is there is replaced.

        Raises:
            ShardsError: naming the unit and the column, if this is no table; or if it cannot be
                written.
        """
        path = self.path(unit)
        arrow = to_arrow(f"unit {unit}", table)
        self._write_whole(path, lambda file: write_groups(file, arrow.schema, [arrow]))

    def read(self, unit: int) -> dict[str, np.ndarray]:
        """The table of a unit: int64, float64, bool and str arrays, each ``[rows]``.

        Raises:
            ShardsError: if there is no such shard, or it cannot be read.
        """
        table = self._load(unit)
        return {name: to_numpy(table.column(name)) for name in table.column_names}

    def merge(self, units: int, to: str = RESULTS) -> Path:
        """The first ``units`` shards in their order in one file of the same folder, whose path comes back.

        Columns stand as in unit 0. Only about ``ROWS_PER_GROUP`` rows and one shard are held at a time.

        Raises:
            ShardsError: if a shard is missing, cannot be read, or has other columns than unit 0.
        """
        if Path(to).name != to or Path(to).suffix != ".parquet" or SHARD.fullmatch(to):
            raise ShardsError(
                f"the merged file must be a .parquet in {self.directory} that is no shard; got {to!r}"
            )
        if absent := self.missing(units):
            raise ShardsError(
                f"cannot merge {self.directory}: {len(absent):,} of {units:,} units have no shard, "
                f"the first of them unit {absent[0]}"
            )
        target = self.directory / to
        self._write_whole(target, lambda file: self._merge_into(file, units))
        return target

    def _merge_into(self, file: BinaryIO, units: int) -> None:
        schema = self._load(0).schema
        write_groups(file, schema, self._groups(units, schema))

    def _groups(self, units: int, schema: Any) -> Iterator[Any]:
        """Tables of consecutive units until they have enough rows, which only the tables decide."""
        pending: list[Any] = []
        rows = 0
        for unit in range(units):
            pending.append(self._load_alike(unit, schema))
            rows += pending[-1].num_rows
            if rows >= ROWS_PER_GROUP or unit == units - 1:
                yield in_one_piece(pending)
                pending, rows = [], 0

    def _load_alike(self, unit: int, schema: Any) -> Any:
        table = self._load(unit)
        if types_of(table.schema) != types_of(schema):
            raise ShardsError(
                f"{self.path(unit)} has columns {described(table.schema)}, "
                f"but {self.path(0).name} has {described(schema)}"
            )
        return table.select(schema.names)

    def _load(self, unit: int) -> Any:
        """A shard as a table of pyarrow."""
        path = self.path(unit)
        if not path.exists():
            raise ShardsError(f"unit {unit} has no shard: there is no {path}")
        return read_table(path)

    def _write_whole(self, path: Path, fill: Callable[[BinaryIO], Any], replace: bool = True) -> None:
        try:
            write_durably(path, fill, replace)
        except OSError as error:
            raise ShardsError(f"cannot write {path}: {one_line(error)}") from None

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.directory))
        except OSError as error:
            raise ShardsError(f"cannot read {self.directory}: {one_line(error)}") from None

    def _require_ours(self, config: Path) -> None:
        if self.directory.exists() and not self.directory.is_dir():
            raise ShardsError(f"cannot keep a run in {self.directory}: it is a file, not a folder")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ShardsError(f"cannot keep a run in {self.directory}: {one_line(error)}") from None
        strange = [name for name in self._names() if not LEFTOVER.fullmatch(name)]
        # asked after the names were read: another process, just beginning the run, writes it first
        if strange and not config.exists():
            raise ShardsError(
                f"cannot keep a run in {self.directory}: it holds {strange[0]!r} but no {CONFIG}, so it "
                f"is something else; give a new or empty directory"
            )

    def _clear_leftovers(self) -> None:
        """Remove what killed runs were writing; a process that lives writes its file again."""
        for name in self._names():
            if LEFTOVER.fullmatch(name):
                with contextlib.suppress(OSError):
                    (self.directory / name).unlink()


def run_units(
    shards: Shards,
    units: int,
    compute: Callable[[int], Mapping[str, Any]],
    *,
    progress: bool = True,
    process: int = 0,
    processes: int = 1,
) -> Path | None:
    """Compute the units that have no shard yet, and merge when all have one.

    Interrupted or killed, the same call goes on: only the unit under way is lost.

    Args:
        shards: where the tables go.
        units: how many units the run has.
        compute: the table of a unit.
        progress: whether a bar on stderr shows how far this process is.
        process, processes: this process does the units whose number leaves the remainder
            ``process`` when divided by ``processes``.

    Returns:
        The path of the merged file; None while units of other processes are missing.

    Raises:
        ShardsError: see `Shards.write` and `Shards.merge`.
    """
    from tqdm import tqdm

    if not 0 <= process < processes:
        raise ShardsError(f"process must be one of 0..processes-1; got {process} of {processes} processes")
    mine = range(process, units, processes)
    todo = [unit for unit in shards.missing(units) if unit in mine]
    label = shards.directory.resolve().name + (f" {process}/{processes}" if processes > 1 else "")
    done = len(mine) - len(todo)
    with tqdm(desc=label, total=len(mine), initial=done, unit="unit", disable=not progress) as bar:
        for unit in todo:
            shards.write(unit, compute(unit))
            bar.update()
    return None if shards.missing(units) else shards.merge(units)
