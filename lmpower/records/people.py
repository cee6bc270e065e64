"""Results as aligned tables for people, and what is to be said of them in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from lmpower.records.layout import aligned, interval, number, percent
from lmpower.records.programs import fit_records

if TYPE_CHECKING:
    from lmpower.baseline import Line
    from lmpower.counts import Counts
    from lmpower.difficulty import Difficulty
    from lmpower.study import Beliefs, Curve, Fits, Study

LINE = "-log pass@k = a k^-b, by least squares"


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
        f"{percent(study.level)}\ninterval",
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
    by_chains = np.asarray(study.posterior.chains) > 1
    rows, heads, statuses = [], [], {}
    for g, (name, line) in enumerate(study.lines.items()):
        one = study.posterior[g]
        exponent = one.estimate(one.tail_exponent, study.level)
        medians = {key: one.estimate(draws, study.level).median for key, draws in one.parameters().items()}
        heads = [
            "group",
            *medians,
            "tail\nexponent",
            f"{percent(study.level)}\ninterval",
            "effective\ndraws",
        ]
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
    """What most groups have in common, and then who differs; or what is said of each."""
    groups: dict[str, list[str]] = {}
    for name, sentence in sentences.items():
        groups.setdefault(sentence, []).append(name)
    usual, *others = sorted(groups, key=lambda sentence: -len(groups[sentence]))
    if others and 2 * len(groups[usual]) <= len(sentences):
        return [f"{what}:", *(f"  {', '.join(names)}: {sentence}" for sentence, names in groups.items())]
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
        f"{percent(first.level)} interval",
        "line",
        "measured\nby all" if held_out else "measured",
    ]
    heads += ["truth"] if truths else []
    rows = []
    for name, curve in curves.items():
        line, measured = study.lines[name], _measured_at((held_out or study.groups)[name], curve.k)
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


def _measured_at(counts: Counts, ks: Int64[np.ndarray, " K"]) -> Float64[np.ndarray, " K"]:
    """Unbiased pass@k, NaN where the counts cannot tell."""
    from lmpower.passk import pass_at_k

    measured = np.full(len(ks), np.nan)
    reach = ks <= counts.attempts.min()
    if counts.stopping == "fixed" and reach.any():
        measured[reach] = pass_at_k(counts, ks[reach]).estimate
    return measured
