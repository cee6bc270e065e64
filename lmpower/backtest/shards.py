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
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

CONFIG = "config.json"
RESULTS = "results.parquet"
SHARD = re.compile(r"unit-\d{6,}\.parquet")
TEMPORARY = re.compile(r"\.lmpower-[0-9a-f]{16}\.partial")

KINDS = (np.bool_, np.int64, np.float64)  # what numbers are kept as, the narrowest first
ROWS_PER_GROUP = 2**16  # of the merged file: enough to compress and read well, little to hold
DIFFERENCES_SHOWN = 3
LONGEST_VALUE = 80  # characters of a value in a message; a SHA-256 is shown

Leaf = tuple[str | int, ...]  # the keys and positions that lead to a value inside a configuration


class ShardsError(ValueError):
    """A run that cannot be opened, written, read or merged; the message is one line."""


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
        _pyarrow()  # now rather than when the first unit is done
        self.directory = Path(directory)
        self.config = _as_json(config)
        path = self.directory / CONFIG
        self._require_ours(path)
        if not path.exists():
            text = json.dumps(self.config, indent=2) + "\n"
            _write_whole(path, lambda file: file.write(text.encode()), replace=False)
        _require_same(path, self.config)
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
        arrow = _to_arrow(f"unit {unit}", table)

        def fill(file: BinaryIO) -> None:
            with _writer(file, arrow.schema) as writer:
                _write_group(writer, arrow)

        _write_whole(path, fill)

    def read(self, unit: int) -> dict[str, np.ndarray]:
        """The table of a unit: int64, float64, bool and str arrays, each ``[rows]``.

        Raises:
            ShardsError: if there is no such shard, or it cannot be read.
        """
        table = self._load(unit)
        return {name: _to_numpy(table.column(name)) for name in table.column_names}

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
        _write_whole(target, lambda file: self._merge_into(file, units))
        return target

    def _merge_into(self, file: BinaryIO, units: int) -> None:
        schema = self._load(0).schema
        with _writer(file, schema) as writer:
            for group in self._groups(units, schema):
                _write_group(writer, group)

    def _groups(self, units: int, schema: Any) -> Iterator[Any]:
        """Tables of consecutive units until they have enough rows, which only the tables decide."""
        pending: list[Any] = []
        rows = 0
        for unit in range(units):
            pending.append(self._load_alike(unit, schema))
            rows += pending[-1].num_rows
            if rows >= ROWS_PER_GROUP or unit == units - 1:
                # as one piece: where a reader cuts a column must not show in the file
                yield _pyarrow().concat_tables(pending).combine_chunks()
                pending, rows = [], 0

    def _load_alike(self, unit: int, schema: Any) -> Any:
        table = self._load(unit)
        if _types(table.schema) != _types(schema):
            raise ShardsError(
                f"{self.path(unit)} has columns {_described(table.schema)}, "
                f"but {self.path(0).name} has {_described(schema)}"
            )
        return table.select(schema.names)

    def _load(self, unit: int) -> Any:
        """A shard as a table of pyarrow."""
        pa = _pyarrow()
        path = self.path(unit)
        if not path.exists():
            raise ShardsError(f"unit {unit} has no shard: there is no {path}")
        try:
            with pa.parquet.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read()
            _types(table.schema)  # damaged names show here
            return table
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = _one_line(error)
            raise ShardsError(f"cannot read {path} (delete it to have it again): {reason}") from None

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.directory))
        except OSError as error:
            raise ShardsError(f"cannot read {self.directory}: {_one_line(error)}") from None

    def _require_ours(self, config: Path) -> None:
        if self.directory.exists() and not self.directory.is_dir():
            raise ShardsError(f"cannot keep a run in {self.directory}: it is a file, not a folder")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ShardsError(f"cannot keep a run in {self.directory}: {_one_line(error)}") from None
        strange = [name for name in self._names() if not TEMPORARY.fullmatch(name)]
        # asked after the names were read: another process, just beginning the run, writes it first
        if strange and not config.exists():
            raise ShardsError(
                f"cannot keep a run in {self.directory}: it holds {strange[0]!r} but no {CONFIG}, so it "
                f"is something else; give a new or empty directory"
            )

    def _clear_leftovers(self) -> None:
        """Remove what killed runs were writing; a process that lives writes its file again."""
        for name in self._names():
            if TEMPORARY.fullmatch(name):
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


# ---- tables


def _to_arrow(name: str, table: Mapping[str, Any]) -> Any:
    """A table of pyarrow; errors begin with its name."""
    if not table:
        raise ShardsError(f"{name}: a table has at least one column; got none")
    columns = {column: _checked(f"{name}, column {column!r}", table[column]) for column in table}
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{column} {len(values)}" for column, values in columns.items())
        raise ShardsError(f"{name}: columns must be equally long; got {lengths}")
    pa = _pyarrow()
    try:
        return pa.table({column: _arrow_array(values) for column, values in columns.items()})
    except (TypeError, ValueError) as error:  # names that are no text, text that is no UTF-8
        raise ShardsError(f"{name}: {_one_line(error)}") from None


def _checked(name: str, column: Any) -> np.ndarray:
    """A column as one of the types that are kept, ``[rows]``, with the same values."""
    values = np.asarray(column)
    if values.ndim != 1:
        raise ShardsError(f"{name}: must have one dimension; got shape {values.shape}")
    for kind in KINDS:
        # of uint64, which NumPy would call safe in float64, 53 bits would be left
        rounded = kind is np.float64 and values.dtype.kind == "u"
        if np.can_cast(values.dtype, kind, "safe") and not rounded:
            return values.astype(kind)
    if values.dtype.kind in "UTO":
        given = values.tolist()
        texts = values.astype(str)
        # NumPy drops NULs at the end of a text
        if all(isinstance(each, str) for each in given) and texts.tolist() == given:
            return texts
    raise ShardsError(
        f"{name}: must hold true/false, numbers that fit int64 or float64, or text without NUL at its "
        f"end; got {values.dtype}"
    )


def _arrow_array(values: np.ndarray) -> Any:
    pa = _pyarrow()
    if values.dtype.kind == "U":  # pyarrow would cut NumPy's text at a NUL
        return pa.array(values.tolist(), type=pa.string())
    return pa.array(values)


def _to_numpy(column: Any) -> np.ndarray:
    if _pyarrow().types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=str)
    return np.array(column.to_numpy())  # a copy, since what pyarrow lends cannot be written to


def _types(schema: Any) -> dict[str, Any]:
    return dict(zip(schema.names, schema.types, strict=True))


def _described(schema: Any) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in _types(schema).items())


# ---- Parquet


def _pyarrow() -> Any:
    """The module, with its ``parquet``.

    Raises:
        ShardsError: if it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise ShardsError("results are kept as Parquet, which needs pip install 'lmpower[io]'") from None
    return pyarrow


def _writer(file: BinaryIO, schema: Any) -> Any:
    """A writer of which every choice that shows in the bytes is made here."""
    pa = _pyarrow()
    texts = [name for name, kind in _types(schema).items() if pa.types.is_string(kind)]
    return pa.parquet.ParquetWriter(
        file,
        pa.schema(list(_types(schema).items())),  # nothing of where it was read
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=texts,  # a dictionary of floats would make one of all nans
        store_schema=False,
        write_page_checksum=True,
    )


def _write_group(writer: Any, table: Any) -> None:
    if table.num_rows:
        writer.write_table(table, row_group_size=table.num_rows)


# ---- configurations


def _as_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it will be read back, keys in alphabetical order."""
    try:
        return json.loads(json.dumps(dict(config), sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ShardsError(f"a configuration must be JSON: {_one_line(error)}") from None


def _require_same(path: Path, config: dict[str, Any]) -> None:
    """Refuse to go on with the run of another configuration.

    Raises:
        ShardsError: with the first differences, or if the file cannot be read.
    """
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShardsError(f"cannot read {path}: {_one_line(error)}") from None
    before, now = dict(_leaves(old)), dict(_leaves(config))
    differing = [leaf for leaf in dict.fromkeys([*before, *now]) if before.get(leaf) != now.get(leaf)]
    if not differing:
        return
    said = ", ".join(
        f"{_spelled(leaf)} was {_shown(before.get(leaf))} and is now {_shown(now.get(leaf))}"
        for leaf in differing[:DIFFERENCES_SHOWN]
    )
    rest = len(differing) - DIFFERENCES_SHOWN
    raise ShardsError(
        f"{path.parent} holds a run of another configuration: {said}"
        f"{f', and {rest} more' if rest > 0 else ''}; give another directory"
    )


def _leaves(value: Any, leaf: Leaf = ()) -> Iterator[tuple[Leaf, str]]:
    """All values that have no parts, written as JSON, where 1, 1.0 and true are three things."""
    if isinstance(value, dict | list) and value:
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, (*leaf, key))
    else:
        yield leaf, json.dumps(value)


def _spelled(leaf: Leaf) -> str:
    steps = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in leaf)
    return "".join(steps).removeprefix(".") or "all of it"


def _shown(text: str | None) -> str:
    if text is None:
        return "absent"
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


# ---- files written whole or not at all


def _write_whole(target: Path, fill: Callable[[BinaryIO], Any], replace: bool = True) -> None:
    """Write a file so that a kill, or loss of power, at any moment leaves all of it or nothing.

    Args:
        fill: writes the content; called again if the file was lost on its way.
        replace: whether a file that has the name by now gives way, or stays.

    Raises:
        ShardsError: if the file cannot be written.
    """
    lost = True
    while lost:
        temporary = target.with_name(f".lmpower-{secrets.token_hex(8)}.partial")
        try:
            with open(temporary, "xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())  # the name must not reach the disk before the content
            if replace:
                os.replace(temporary, target)
            else:
                _take_name_if_free(temporary, target)
            _flush_names(target.parent)
            lost = False
        except OSError as error:
            # another process, opening the run at this moment, took the file for that of a killed one
            lost = isinstance(error, FileNotFoundError) and _is_lost(temporary)
            if not lost:
                raise ShardsError(f"cannot write {target}: {_one_line(error)}") from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _is_lost(temporary: Path) -> bool:
    return temporary.parent.is_dir() and not temporary.exists()


def _take_name_if_free(temporary: Path, target: Path) -> None:
    """As `os.replace`, but a file that is there stays: that of a process that was faster."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, target)


def _flush_names(directory: Path) -> None:
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _one_line(error: BaseException) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return " ".join((strerror or str(error)).split())
