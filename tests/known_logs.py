"""Logs whose outcomes are known, and counts of logs in the shape in which they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lmpower.counts import Counts
from lmpower.logs import Logs

LOGS = Path(__file__).parent / "logs"
PLAIN = [LOGS / "inspect_5x10.eval", LOGS / "inspect_5x10_earlystop.eval"]
TRUTH = {
    "p0": [True] * 9 + [False],
    "p1": [False, True, False, False, True, False, True, False, False, False],
    "p2": [False] * 10,
    "p3": [True] * 10,
}
BROKEN = {"p0": [True, None, False, None], "p1": [None, None, None, None], "p2": [False, False, True, None]}


def pairs(counts: Counts) -> list[tuple[int, int]]:
    return list(zip(counts.attempts.tolist(), counts.successes.tolist(), strict=True))


def by_problem(counts: Counts) -> dict[str, tuple[int, int]]:
    assert counts.problem is not None
    return dict(zip(counts.problem.tolist(), pairs(counts), strict=True))


def only(logs: Logs) -> Counts:
    (counts,) = logs.groups.values()
    return counts


def tallied(outcomes: Mapping[str, Sequence[bool | None]]) -> list[tuple[int, int]]:
    return [(len(attempts), sum(map(bool, attempts))) for attempts in outcomes.values()]


def said(logs: Logs) -> str:
    return " ".join(logs.notes)
