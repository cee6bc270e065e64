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
        (exponents), or ``absolute_error``, ``squared_error``, ``log_log_error`` (pass@k), and where
        the estimator gives intervals ``coverage_50`` (80, 90, 95), ``width_..``, ``interval_score_..``
        and ``crps``. With ``against``, ``.._difference`` and its ``_se`` too; negative means better.

    Raises:
        ValueError: for an ``against`` that is not among the estimators.
    """
    estimators = list(dict.fromkeys(table["estimator"].tolist()))
    if against is not None and against not in estimators:
        raise ValueError(f"against must be one of {', '.join(estimators)}, not {against!r}")
    keys = [table[name] for name in by]
    cells, cell = _distinct(keys)
    errors = _errors(table)
    records = []
    for number, values in enumerate(cells):
        inside = cell == number
        baseline = None if against is None else inside & (table["estimator"] == against)
        for name in estimators:
            mine = inside & (table["estimator"] == name)
            record: dict[str, Any] = {**dict(zip(by, values, strict=True)), "estimator": name}
            judged = np.isfinite(table["truth_value"][mine])
            present = judged & np.isfinite(table["estimate"][mine])
            record |= {"trials": int(present.sum()), "missing": int((judged & ~present).sum())}
            for what, error in errors.items():
                mean, deviation = _mean(error[mine])
                record |= {what: mean, f"{what}_se": deviation}
                if baseline is not None:
                    # (trials are in the same order under every estimator)
                    with np.errstate(invalid="ignore"):  # widths of which both are infinite
                        gap = error[mine] - error[baseline]
                    mean, deviation = _mean(gap)
                    record |= {f"{what}_difference": mean, f"{what}_difference_se": deviation}
            records.append(record)
    return records


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
        held = np.where(np.isfinite(upper - lower + truth), (lower <= truth) & (truth <= upper), np.nan)
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


def _mean(errors: np.ndarray) -> tuple[float, float]:
    """Mean and standard error over the trials that have one; nan for none, or for a single one."""
    errors = errors[np.isfinite(errors)]
    if errors.size == 0:
        return float("nan"), float("nan")
    with np.errstate(over="ignore"):  # an interval may be absurdly wide
        deviation = np.std(errors, ddof=1) / np.sqrt(errors.size) if errors.size > 1 else np.nan
        return float(np.mean(errors)), float(deviation)


def _distinct(columns: Sequence[np.ndarray]) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """The distinct combinations in order of appearance, and which of them each line has."""
    lines = list(zip(*(column.tolist() for column in columns), strict=True))
    number: dict[tuple[Any, ...], int] = {}
    which = np.array([number.setdefault(line, len(number)) for line in lines])
    return list(number), which
