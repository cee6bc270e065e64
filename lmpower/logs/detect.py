"""Which format a log has, by its name, its first line and the names in its first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError, listed
from lmpower.files.documents import parse_json, readable
from lmpower.logs.aggregates import AGGREGATES
from lmpower.logs.base import Format, Opening
from lmpower.logs.best_of_n import BEST_OF_N
from lmpower.logs.columns import column_names
from lmpower.logs.evalplus import EVALPLUS
from lmpower.logs.garak import GARAK
from lmpower.logs.harbor import HARBOR
from lmpower.logs.harmbench import HARMBENCH
from lmpower.logs.human_eval import HUMAN_EVAL
from lmpower.logs.inspect_ai import INSPECT
from lmpower.logs.lighteval import LIGHTEVAL
from lmpower.logs.livecodebench import LIVECODEBENCH
from lmpower.logs.lm_eval import LM_EVAL
from lmpower.logs.monkeys import HUB, MONKEYS
from lmpower.logs.openai_evals import OPENAI_EVALS
from lmpower.tables.table import SUFFIXES

AUTO, TABLE = "auto", "table"

READ = (
    INSPECT, LM_EVAL, HUMAN_EVAL, EVALPLUS, LIVECODEBENCH, LIGHTEVAL, OPENAI_EVALS, MONKEYS, BEST_OF_N,
    GARAK, HARBOR, HARMBENCH,
)  # fmt: skip
FORMATS: Mapping[str, Format] = {each.name: each for each in READ}

HEAD = 1 << 16
LONGEST_LINE = 1 << 22  # of one long document; beyond it the names in its beginning have to do
BLANK = b"\xef\xbb\xbf \t\r\n"
GZIPPED = b"\x1f\x8b"
_NAME = re.compile(r'"((?:[^"\\]|\\.){1,80})"\s*:')


def opening(path: Path) -> Opening:
    """What there is to recognise this file by."""
    with readable(path), open(path, "rb") as file:
        head = file.read(HEAD)
        line, ended, _ = head.lstrip(BLANK).partition(b"\n")  # as json_lines passes over blank lines
        if line.startswith(b"{") and not ended:
            # of JSON lines the reader holds whole lines as well
            line += file.readline(-1 if path.suffix.lower() == ".jsonl" else LONGEST_LINE)
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    named = _NAME.findall(text) if text.startswith(("{", "[")) else []
    columns = column_names(path) if head.startswith(b"PAR1") else []
    return Opening(path, head, _first_record(line), frozenset(named), columns)


def detect(path: Path, given: str, columns: Mapping[str, str]) -> Format | None:
    """The format of a log, or None for a table, whose columns are called by these names.

    Raises:
        CountsError: if it is neither, saying what there is.
    """
    if given != AUTO:
        return None if given == TABLE else FORMATS[given]
    if str(path).startswith(HUB):
        return MONKEYS
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return None
    found = opening(path)
    if not found.head:
        raise CountsError(f"{path} is empty")
    if found.head.startswith(GZIPPED):
        raise CountsError(f"cannot read {path}: it is compressed by gzip; unpack it first")
    there = {*found.first, *found.columns}
    wide = {columns["attempts"], columns["successes"]} <= there
    long = {columns["problem"], columns["success"]} <= there
    if suffix in SUFFIXES and (wide or long):
        return None
    for format in (*READ, *AGGREGATES):
        if format.recognise(found):
            return format
    if suffix in SUFFIXES:
        return None
    raise CountsError(
        f"cannot tell what wrote {path}: a table's suffix must be one of {', '.join(SUFFIXES)}; of a log "
        f"give format=, one of {listed(FORMATS)}"
    )


def check_format(name: str) -> None:
    """Refuse a format that there is not."""
    if name not in (AUTO, TABLE, *FORMATS):
        raise CountsError(f"format must be {AUTO}, {TABLE} or one of {listed(FORMATS)}; got {name!r}")


def _first_record(line: bytes) -> dict[str, Any]:
    try:
        record = parse_json(line.decode("utf-8-sig"), "the first line")
    except (CountsError, UnicodeDecodeError):
        return {}
    return record if isinstance(record, dict) else {}
