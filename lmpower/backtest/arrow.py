"""Tables of columns to Parquet and back, through Arrow: the same values, and the same bytes always."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lmpower.backtest.errors import ShardsError, one_line

KINDS = (np.bool_, np.int64, np.float64)  # what numbers are kept as, the narrowest first


def require_pyarrow() -> Any:
    """The module, with its ``parquet``.

    Raises:
        ShardsError: if it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise ShardsError("results are kept as Parquet, which needs pip install 'lmpower[io]'") from None
    return pyarrow


def to_arrow(name: str, table: Mapping[str, Any]) -> Any:
    """A table of pyarrow; errors begin with its name."""
    if not table:
        raise ShardsError(f"{name}: a table has at least one column; got none")
    columns = {column: _checked(f"{name}, column {column!r}", table[column]) for column in table}
    if len({len(values) for values in columns.values()}) > 1:
        lengths = ", ".join(f"{column} {len(values)}" for column, values in columns.items())
        raise ShardsError(f"{name}: columns must be equally long; got {lengths}")
    pa = require_pyarrow()
    try:
        return pa.table({column: _arrow_array(values) for column, values in columns.items()})
    except (TypeError, ValueError) as error:  # names that are no text, text that is no UTF-8
        raise ShardsError(f"{name}: {one_line(error)}") from None


def to_numpy(column: Any) -> np.ndarray:
    """A column of pyarrow as an array of its own, ``[rows]``."""
    whole = column.combine_chunks()
    if require_pyarrow().types.is_string(whole.type):
        coded = whole.dictionary_encode()  # few texts in many lines
        return np.array(coded.dictionary.to_pylist(), dtype=str)[np.asarray(coded.indices)]
    # a copy, since what pyarrow lends cannot be written to
    return np.array(whole.to_numpy(zero_copy_only=False))


def types_of(schema: Any) -> dict[str, Any]:
    """The types of the columns, by their names."""
    return dict(zip(schema.names, schema.types, strict=True))


def described(schema: Any) -> str:
    """The columns in words, for messages."""
    return ", ".join(f"{name} ({kind})" for name, kind in types_of(schema).items())


def in_one_piece(tables: Sequence[Any]) -> Any:
    """Tables of one schema as one: where a reader cuts a column must not show in a file."""
    return require_pyarrow().concat_tables(tables).combine_chunks()


def write_groups(file: BinaryIO, schema: Any, groups: Iterable[Any]) -> None:
    """Tables of one schema as Parquet, each a row group unless it has no rows."""
    with _writer(file, schema) as writer:
        for group in groups:
            _write_group(writer, group)


def read_table(path: Path) -> Any:
    """A shard as a table of pyarrow.

    Raises:
        ShardsError: if it is damaged, or cannot be read.
    """
    pa = require_pyarrow()
    try:
        with pa.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        types_of(table.schema)  # damaged names show here
        return table
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = one_line(error)
        raise ShardsError(f"cannot read {path} (delete it to have it again): {reason}") from None


def _writer(file: BinaryIO, schema: Any) -> Any:
    """A writer of which every choice that shows in the bytes is made here."""
    pa = require_pyarrow()
    texts = [name for name, kind in types_of(schema).items() if pa.types.is_string(kind)]
    return pa.parquet.ParquetWriter(
        file,
        pa.schema(list(types_of(schema).items())),  # nothing of where it was read
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
    pa = require_pyarrow()
    if values.dtype.kind == "U":  # pyarrow would cut NumPy's text at a NUL
        return pa.array(values.tolist(), type=pa.string())
    return pa.array(values)
