"""Results as records for programs and as aligned tables for people.

Numbers that do not exist (no power law, no interval, no line) are NaN here, ``null`` in JSON and "-" in
tables; the reason is always told in a sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

if TYPE_CHECKING:
    from lmpower.baseline import Line
    from lmpower.counts import Counts
    from lmpower.difficulty import Difficulty
    from lmpower.study import Beliefs, Curve, Fits, Study

Record = dict[str, Any]

LINE = "-log pass@k = a k^-b, by least squares"
ESTIMATES = (
    "tail_exponent", "tail_exponent_lower", "tail_exponent_upper", "window_slope", "log_likelihood",
)  # fmt: skip


# ---- records


def fit_records(study: Fits) -> list[Record]:
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


def posterior_records(study: Beliefs, curves: Mapping[str, Curve]) -> list[Record]:
    """One record a group: the exponent, the parameters, pass@k, and whether to believe them."""
    records = []
    for g, (name, curve) in enumerate(curves.items()):
        found = study.posterior[g].to_dict(study.level)
        ahead = zip(curve.k, curve.pass_at_k, curve.lower, curve.upper, strict=True)
        records.append(
            {
                "group": name,
                "family": study.family,
                "tail_exponent": found.pop("tail_exponent"),
                "params": found.pop("params"),
                "pass_at_k": [
                    {"k": int(k), "mean": float(mean), "lower": float(low), "upper": float(high)}
                    for k, mean, low, high in ahead
                ],
                "problems": curve.problems,
                **found,
            }
        )
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
    lines = [json.dumps(finite(record), ensure_ascii=False, allow_nan=False) for record in records]
    return "[" + ",\n ".join(lines) + "]"


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [finite(part) for part in value]
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


def fit_table(study: Fits) -> str:
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
    table = aligned(heads, rows, text=(0,))
    return "\n".join([table, *_said("status", statuses), *_said("line", _reasons(study))])


def _reasons(study: Study) -> dict[str, str]:
    return {
        name: f"none, because {line}" if isinstance(line, str) else LINE
        for name, line in study.lines.items()
    }


def beliefs_text(study: Beliefs) -> str:
    """What was counted, and what it leaves plausible."""
    return f"{counts_table(study)}\n\nPosterior: {study.family}\n{posterior_table(study)}"


def summaries_text(study: Beliefs) -> str:
    """What was counted, and everything about each posterior, one after the other."""
    parts = [
        f"Posterior of {name}: {study.family}\n{study.posterior[g].summary(study.level)}"
        for g, name in enumerate(study.groups)
    ]
    return "\n\n".join([counts_table(study), *parts])


def posterior_table(study: Beliefs) -> str:
    """Medians of the parameters, the exponent's interval and the straight lines; then whom to believe."""
    percent = _percent(study.level)
    by_chains = np.asarray(study.posterior.chains) > 1
    rows, heads, statuses = [], [], {}
    for g, (name, line) in enumerate(study.lines.items()):
        one = study.posterior[g]
        exponent = one.estimate(one.tail_exponent, study.level)
        medians = {key: one.estimate(draws, study.level).median for key, draws in one.parameters().items()}
        heads = ["group", *medians, "tail\nexponent", f"{percent}\ninterval", "effective\ndraws"]
        heads += ["R-hat"] if by_chains.any() else []
        heads += ["line\na", "line\nb", "line\nover k"]
        rows.append(
            [
                name,
                *(number(float(median)) for median in medians.values()),
                number(float(exponent.median)),
                interval(float(exponent.lower), float(exponent.upper)),
                f"{float(one.ess):,.0f}",
                *([number(float(one.r_hat))] if by_chains.any() else []),
                *(["-"] * 3 if isinstance(line, str) else _line_cells(line)),
            ]
        )
        statuses[name] = one.sentence
    table = aligned(heads, rows, text=(0,))
    return "\n".join([table, *_said("status", statuses), *_said("line", _reasons(study))])


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


def forecast_title(problems: str) -> str:
    """Whose forecast it is, of the "same" problems or of "new" ones."""
    whose = {
        "same": "of these same problems, given what was seen of them",
        "new": "of new problems of the same kind",
    }
    return f"Forecast {whose[problems]}"


def forecast_table(
    study: Study,
    curves: Mapping[str, Curve],
    truths: Mapping[str, Difficulty] | None = None,
    held_out: Mapping[str, Counts] | None = None,
) -> str:
    """pass@k with its interval; beside it the straight line and what was measured, or would be later."""
    first = next(iter(curves.values()))
    heads = [
        "group",
        "k",
        "pass@k",
        f"{_percent(first.level)} interval",
        "line",
        "measured\nby all" if held_out else "measured",
    ]
    heads += ["truth"] if truths else []
    rows = []
    for name, curve in curves.items():
        line, measured = study.lines[name], measured_at((held_out or study.groups)[name], curve.k)
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
