"""How well estimators did in a backtest, as a table for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lmpower.records.layout import aligned, number
from lmpower.records.programs import Record


def score_table(records: Sequence[Record]) -> str:
    """Mean error of each quantity with its standard error: one line a cell and estimator.

    Of exponents the relative error, of pass@k that of log(-log pass@k). The least of a cell is starred.
    """
    quantities = list(dict.fromkeys(record["quantity"] for record in records))
    lines: dict[tuple[Any, ...], dict[str, Record]] = {}
    for record in records:
        line = tuple(record[name] for name in ("truth", "problems", "attempts", "estimator"))
        lines.setdefault(line, {})[record["quantity"]] = record
    kept = [q for q in quantities if any(not math.isnan(_error(each[q])) for each in lines.values())]
    least: dict[tuple[Any, ...], float] = {}
    for line, each in lines.items():
        for quantity in kept:
            cell, error = (*line[:3], quantity), _error(each[quantity])
            least[cell] = min(least.get(cell, math.inf), math.inf if math.isnan(error) else error)
    rows = []
    for line, each in lines.items():
        cells = [str(line[0]), f"{line[1]:,}", f"{line[2]:,}", str(line[3])]
        for quantity in kept:
            error, deviation = _error(each[quantity]), _error(each[quantity], "_se")
            star = "*" if error == least[*line[:3], quantity] else " "
            spread = "" if math.isnan(deviation) else f" ± {number(deviation, '{:.2g}')}"
            left_out = "†" if each[quantity]["missing"] else " "
            cells.append(
                "-  " if math.isnan(error) else f"{number(error, '{:.3g}')}{spread}{star}{left_out}"
            )
        rows.append(cells)
    heads = ["truth", "problems", "attempts", "estimator", *(q.replace("_", "\n") for q in kept)]
    said = (
        "Mean error ± its standard error over trials: relative for the exponents, of log(-log pass@k) for "
        "pass@k; * is the least."
    )
    if any(record["missing"] for record in records):
        said += " † without some trials, in which there was no estimate."
    return f"{aligned(heads, rows, text=(0, 3))}\n{said}"


def _error(record: Record, suffix: str = "") -> float:
    kind = "log_log_error" if record["quantity"].startswith("pass@") else "relative_error"
    return float(record[kind + suffix])
