"""Results as records for programs and as aligned tables for people.

A `Study` is what one run of the shell found out: one fit a group, and what was read off it. Numbers
that do not exist (no power law, no interval, no line) are NaN here, ``null`` in JSON and "-" in
tables; the reason is always told in a sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

if TYPE_CHECKING:
    from lmpower.baseline import Line
    from lmpower.counts import Counts
    from lmpower.difficulty import Difficulty
    from lmpower.fit import Fit

Record = dict[str, Any]

LINE = "-log pass@k = a k^-b, by least squares"
ESTIMATES = (
    "tail_exponent", "tail_exponent_lower", "tail_exponent_upper", "window_slope", "log_likelihood",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """Fits of G groups and what the shell reports of them.

    Attributes:
        groups: the counts by name of the group.
        detected: whether how sampling stopped was detected, rather than given.
        family: the family's name.
        fit: a batch [G].
        level: coverage of all intervals.
        exponent_interval: lower and upper end of the tail exponent, each [G].
        window: lowest and highest k of the window slope.
        window_slope: [G].
        lines: the straight line of each group, or the reason why there is none.
    """

    groups: Mapping[str, Counts]
    detected: bool
    family: str
    fit: Fit
    level: float
    exponent_interval: tuple[Float64[np.ndarray, " G"], Float64[np.ndarray, " G"]]
    window: tuple[int, int]
    window_slope: Float64[np.ndarray, " G"]
    lines: Mapping[str, Line | str]


@dataclass(frozen=True)
class Curve:
    """pass@k of one group at K budgets, with its interval: NaN where the fit failed."""

    k: Int64[np.ndarray, " K"]
    pass_at_k: Float64[np.ndarray, " K"]
    lower: Float64[np.ndarray, " K"]
    upper: Float64[np.ndarray, " K"]
    level: float
    problems: str

    def at(self, ks: Sequence[int]) -> Curve:
        """The same at some of its budgets, in the order given."""
        order = [self.k.tolist().index(k) for k in ks]
        parts = {name: getattr(self, name)[order] for name in ("k", "pass_at_k", "lower", "upper")}
        return replace(self, **parts)


# ---- records


def fit_records(study: Study) -> list[Record]:
    """One record a group: its parameters, both exponents, and the straight line."""
    lower, upper = study.exponent_interval
    exponents = np.asarray(study.fit.tail_exponent)
    records = []
    for g, (name, line) in enumerate(study.lines.items()):
        fit = study.fit[g]
        record: Record = {
            "group": name,
            "family": study.family,
            "params": {k: np.asarray(v).tolist() for k, v in fit.difficulty.parameters().items()},
            "tail_exponent": float(exponents[g]),
            "tail_exponent_lower": float(lower[g]),
            "tail_exponent_upper": float(upper[g]),
            "window_slope": float(study.window_slope[g]),
            "window": list(study.window),
            "log_likelihood": float(fit.log_likelihood),
            "line": None if isinstance(line, str) else {"a": line.a, "b": line.b},
            "status": fit.sentence,
        }
        if not fit.ok:  # where an ascent broke off there are numbers too, but no estimates
            record["params"] = dict.fromkeys(record["params"], math.nan)
            record |= dict.fromkeys(ESTIMATES, math.nan)
        records.append(record)
    return records


def forecast_records(study: Study, curves: Mapping[str, Curve]) -> list[Record]:
    """One record a group and k."""
    return [
        {
            "group": name,
            "k": int(k),
            "pass_at_k": float(mean),
            "lower": float(low),
            "upper": float(high),
            "level": curve.level,
            "problems": curve.problems,
            "family": study.family,
        }
        for name, curve in curves.items()
        for k, mean, low, high in zip(curve.k, curve.pass_at_k, curve.lower, curve.upper, strict=True)
    ]


def as_json(records: Sequence[Record]) -> str:
    """One JSON array, a record a line; what is not a finite number becomes null."""
    lines = [json.dumps(_finite(record), ensure_ascii=False, allow_nan=False) for record in records]
    return "[" + ",\n ".join(lines) + "]"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- tables


def counts_table(study: Study) -> str:
    """What was counted, and how sampling stopped."""
    how = "detected" if study.detected else "as given"
    rows = []
    for name, counts in study.groups.items():
        few, many = int(counts.attempts.min()), int(counts.attempts.max())
        rows.append(
            [
                name,
                f"{counts.problems:,}",
                f"{few:,}" if few == many else f"{few:,} to {many:,}",
                f"{int((counts.successes == 0).sum()):,}",
                f"{counts.stopping} ({how})",
            ]
        )
    return aligned(["group", "problems", "attempts", "unsolved", "stopping"], rows, text=(0, 4))


def fit_table(study: Study) -> str:
    """Parameters, both exponents and the straight lines; then how each fit ended."""
    low, high = study.window
    records = fit_records(study)
    heads = [
        "group",
        *records[0]["params"],
        "tail\nexponent",
        f"{_percent(study.level)}\ninterval",
        f"window slope\nk={low:,}..{high:,}",
        "log-\nlikelihood",
        "line\na",
        "line\nb",
        "line\nover k",
    ]
    rows = []
    for record, line in zip(records, study.lines.values(), strict=True):
        rows.append(
            [
                record["group"],
                *(number(value) for value in record["params"].values()),
                number(record["tail_exponent"]),
                interval(record["tail_exponent_lower"], record["tail_exponent_upper"]),
                number(record["window_slope"]),
                number(record["log_likelihood"], "{:.2f}"),
                *(["-"] * 3 if isinstance(line, str) else _line_cells(line)),
            ]
        )
    statuses = {record["group"]: record["status"] for record in records}
    reasons = {
        name: f"none, because {line}" if isinstance(line, str) else LINE
        for name, line in study.lines.items()
    }
    table = aligned(heads, rows, text=(0,))
    return "\n".join([table, *_said("status", statuses), *_said("line", reasons)])


def _line_cells(line: Line) -> list[str]:
    return [number(line.a), number(line.b), f"{line.ks.min():,}..{line.ks.max():,}"]


def _said(what: str, sentences: Mapping[str, str]) -> list[str]:
    """What most groups have in common, and then who differs."""
    groups: dict[str, list[str]] = {}
    for name, sentence in sentences.items():
        groups.setdefault(sentence, []).append(name)
    usual, *others = sorted(groups, key=lambda sentence: -len(groups[sentence]))
    return [
        f"{what}: {usual}" + (", except for" if others else ""),
        *(f"  {', '.join(groups[sentence])}: {sentence}" for sentence in others),
    ]


def forecast_table(
    study: Study, curves: Mapping[str, Curve], truths: Mapping[str, Difficulty] | None = None
) -> str:
    """pass@k with its interval; the straight line and what was measured beside it."""
    first = next(iter(curves.values()))
    heads = ["group", "k", "pass@k", f"{_percent(first.level)} interval", "line", "measured"]
    heads += ["truth"] if truths else []
    rows = []
    for name, curve in curves.items():
        line, measured = study.lines[name], measured_at(study.groups[name], curve.k)
        straight = np.full(len(curve.k), np.nan)
        if not isinstance(line, str):
            straight = line.pass_at_k(curve.k)
        columns = [
            [name] + [""] * (len(curve.k) - 1),
            [f"{k:,}" for k in curve.k.tolist()],
            [number(p) for p in curve.pass_at_k],
            [interval(*ends) for ends in zip(curve.lower, curve.upper, strict=True)],
            [number(p) for p in straight],
            [number(p) for p in measured],
        ]
        if truths:
            ks: Any = curve.k
            columns.append([number(p) for p in np.asarray(truths[name].pass_at_k(ks))])
        rows += [list(row) for row in zip(*columns, strict=True)]
    return aligned(heads, rows, text=(0,))


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


def measured_at(counts: Counts, ks: Int64[np.ndarray, " K"]) -> Float64[np.ndarray, " K"]:
    """Unbiased pass@k, NaN where the counts cannot tell."""
    from lmpower.passk import pass_at_k

    measured = np.full(len(ks), np.nan)
    reach = ks <= counts.attempts.min()
    if counts.stopping == "fixed" and reach.any():
        measured[reach] = pass_at_k(counts, ks[reach]).estimate
    return measured


def number(value: Any, layout: str = "{:#.4g}") -> str:
    """Four digits, or "-" where there is no number; a list is joined."""
    if isinstance(value, list):
        return " ".join(number(part) for part in value)
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "inf"
    return layout.format(value).removesuffix(".")


def interval(lower: float, upper: float) -> str:
    """ "0.21 to 0.36", or "-"."""
    if math.isnan(lower) and math.isnan(upper):
        return "-"
    return f"{number(lower)} to {number(upper)}"


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[int] = ()) -> str:
    """Columns two blanks apart: numbers to the right, those in ``text`` to the left."""
    depth = max(head.count("\n") for head in heads) + 1
    tops = [(depth - 1 - head.count("\n")) * [""] + head.split("\n") for head in heads]
    lines = [*zip(*tops, strict=True), *rows]
    widths = [max(len(line[c]) for line in lines) for c in range(len(heads))]

    def joined(cells: Sequence[str]) -> str:
        pads = ("<" if c in text else ">" for c in range(len(widths)))
        return "  ".join(
            f"{cell:{pad}{width}}" for cell, pad, width in zip(cells, pads, widths, strict=True)
        ).rstrip()

    rule = "  ".join("-" * width for width in widths)
    head = [joined(line) for line in lines[:depth]]
    return "\n".join([*head, rule, *(joined(line) for line in lines[depth:])])


def _percent(level: float) -> str:
    return f"{100 * level:g}%"
