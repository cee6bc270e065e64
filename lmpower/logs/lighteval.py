"""lighteval details: Parquet with a row a document and its metrics, among them ``pass@k:k=1&n=16``.

There is no verdict on each attempt, but pass@1 over n attempts is their mean: s = n times its value.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError, listed
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.columns import parquet_rows
from lmpower.logs.verdicts import choose, shown, successes_in

METRICS, DOCUMENT, ANSWERS = "__metric__", "__doc__", "__model_response__"
MEAN = re.compile(r"(?:.*pass@k:k=1&n=|.*avg@n:n=|.*pass@1:)(\d{1,9})(?:_samples)?")
FILE = re.compile(r"details_(.+?)_\d{4}-")


def _recognise(opening: Opening) -> bool:
    return METRICS in opening.columns


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    if named := FILE.match(path.name):
        ledger.labels["task"] = named[1]
    columns = [METRICS, f"{DOCUMENT}.id", f"{ANSWERS}.text"]
    for number, row in enumerate(parquet_rows(path, columns, choices.moved), start=1):
        where = f"{path}, row {number}"
        metrics = row.get(METRICS)
        if not isinstance(metrics, dict):
            raise CountsError(f"{where}: {METRICS} is {shown(metrics)}, not named metrics")
        means = {name: int(match[1]) for name in metrics if (match := MEAN.fullmatch(name))}
        if not means:
            raise CountsError(
                f"{where} has no mean over its attempts, such as pass@k:k=1&n=16; its metrics are "
                f"{listed(metrics)}"
            )
        name = choose(means, choices, "metric", str(path))
        solved = successes_in(metrics[name], means[name], f"{where}: {name}")
        ledger.add_counts(_problem(row, number), means[name], solved, _part(row, ANSWERS, "text") or ())


def _problem(row: dict[str, Any], number: int) -> str:
    name = _part(row, DOCUMENT, "id")
    return name if isinstance(name, str) and name else str(number)


def _part(row: dict[str, Any], column: str, name: str) -> Any:
    whole = row.get(column)
    return whole.get(name) if isinstance(whole, dict) else None


LIGHTEVAL = Format("lighteval", "lighteval details", _recognise, _read)
