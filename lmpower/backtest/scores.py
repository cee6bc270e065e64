"""How wrong forecasts were: errors over trials, each with its standard error, and against another's.

Of the exponents the relative error; of pass@k the absolute and the squared error, and the error of
log(-log pass@k), in which a power law is a straight line. Of intervals the share that holds the truth, the
width and the interval score. Estimators see the same trials, so that their difference is taken trial by
trial, and its standard error is that of the mean difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lmpower.backtest.intervals import LEVELS, ends_at, interval_score

Table = Mapping[str, np.ndarray]

_POINT_ERRORS = ("relative_error", "absolute_error", "squared_error", "log_log_error")
CELL = ("truth", "problems", "attempts", "quantity")


def score(table: Table, against: str | None = None, by: Sequence[str] = CELL) -> list[dict[str, Any]]:
    """One record for each cell and estimator of the results.

    Args:
        table: the columns of the results, as ``run_backtest`` writes them.
        against: an estimator with which each is compared, trial by trial.
        by: columns that make a cell, besides the estimator.

    Returns:
        records with the columns of ``by``, ``estimator``, ``trials`` (with an estimate and a truth),
        ``missing`` (without an estimate), and for each score its mean and ``_se``: ``relative_error``
        (exponents), or ``absolute_error``, ``squared_error``, ``log_log_error`` (pass@k), each with its
        ``_median`` too, since one exponent at the end of its box moves a mean; and where
        the estimator gives intervals ``coverage_50`` (80, 90, 95), ``width_..``, ``interval_score_..``
        and ``crps``. With ``against``, ``.._difference`` and its ``_se`` too; negative means better.

    Raises:
        ValueError: for an ``against`` that is not among the estimators.
    """
    estimators, estimator = _distinct([table["estimator"]])
    names = [name for (name,) in estimators]
    if against is not None and against not in names:
        raise ValueError(f"against must be one of {', '.join(names)}, not {against!r}")
    cells, cell = _distinct([table[name] for name in by])
    group = cell * len(names) + estimator
    size = len(cells) * len(names)
    errors = _errors(table)
    scores = {what: _means(error, group, size) for what, error in errors.items()}
    medians = {what: _medians(errors[what], group, size) for what in _POINT_ERRORS}
    if against is not None:
        rival = _rival(cell, group, estimator == names.index(against))
        for what, error in errors.items():
            with np.errstate(invalid="ignore"):  # widths of which both are infinite
                gap = np.where(rival >= 0, error - error[rival], np.nan)
            scores[f"{what}_difference"] = _means(gap, group, size)
    judged = np.isfinite(table["truth_value"])
    present = judged & np.isfinite(table["estimate"])
    trials, missing = (np.bincount(group, each, size) for each in (present, judged & ~present))
    there = np.bincount(group, minlength=size) > 0
    records = []
    for number in np.flatnonzero(there).tolist():
        which, name = divmod(number, len(names))
        record = {**dict(zip(by, cells[which], strict=True)), "estimator": names[name]}
        record |= {"trials": int(trials[number]), "missing": int(missing[number])}
        for what, (mean, deviation) in scores.items():
            record |= {what: float(mean[number]), f"{what}_se": float(deviation[number])}
            if what in medians:
                record[f"{what}_median"] = float(medians[what][number])
        records.append(record)
    return records


def _rival(cell: np.ndarray, group: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each line, that of the same trial under the estimator compared with; -1 where there is none.

    Trials of a cell are in the same order under every estimator.
    """
    order = np.argsort(group, kind="stable")
    first = np.concatenate([[True], np.diff(group[order]) != 0])
    begin = np.maximum.accumulate(np.where(first, np.arange(group.size), 0))
    rank = np.empty_like(group)
    rank[order] = np.arange(group.size) - begin
    trial = cell * (rank.max(initial=0) + 1) + rank
    found = np.full(trial.max(initial=0) + 1, -1)
    found[trial[theirs]] = np.flatnonzero(theirs)
    return found[trial]


def _errors(table: Table) -> dict[str, np.ndarray]:
    estimate, truth = table["estimate"], table["truth_value"]
    pass_at = table["k"] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(estimate - truth) / truth
        log_log = np.abs(np.log(np.log(estimate) / np.log(truth)))
    off = estimate - truth
    whole = {"crps": table["crps"]}
    for level in sorted(LEVELS):
        lower, upper = ends_at(table, level)
        known = ~(np.isnan(lower) | np.isnan(upper) | np.isnan(truth))
        held = np.where(known, (lower <= truth) & (truth <= upper), np.nan)
        whole |= {
            f"coverage_{level}": held,
            f"width_{level}": upper - lower,
            f"interval_score_{level}": interval_score(lower, upper, truth, level),
        }
    return {
        "relative_error": np.where(pass_at, np.nan, relative),
        "absolute_error": np.where(pass_at, np.abs(off), np.nan),
        "squared_error": np.where(pass_at, off**2, np.nan),
        "log_log_error": np.where(pass_at & np.isfinite(log_log), log_log, np.nan),
        **whole,
    }


def _means(errors: np.ndarray, group: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Each group's mean over the trials that have one, and its standard error; nan for too few."""
    used = np.isfinite(errors)
    errors, group = errors[used], group[used]
    count = np.bincount(group, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # an interval may be absurdly wide
        mean = np.bincount(group, errors, size) / count
        squares = np.bincount(group, (errors - mean[group]) ** 2, size)
        return mean, np.sqrt(squares / (count - 1) / count)


def _medians(errors: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
    """Each group's median over the trials that have one; nan for none."""
    used = np.flatnonzero(np.isfinite(errors))
    used = used[np.lexsort((errors[used], group[used]))]
    count = np.bincount(group[used], minlength=size)
    begin = np.concatenate([[0], np.cumsum(count)[:-1]])
    some = count > 0
    middle = [used[(begin + (count - 1 + up) // 2)[some]] for up in (0, 1)]
    medians = np.full(size, np.nan)
    medians[some] = 0.5 * (errors[middle[0]] + errors[middle[1]])
    return medians


def _distinct(columns: Sequence[np.ndarray]) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """The distinct combinations in order of appearance, and which of them each line has."""
    code = np.zeros(columns[0].size, np.int64)
    for column in columns:
        values, which = np.unique(column, return_inverse=True)
        # (small again after each column, so that products do not overflow)
        code = np.unique(code * values.size + which, return_inverse=True)[1]
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    lines = zip(*(column[first[order]].tolist() for column in columns), strict=True)
    return list(lines), place[which]
