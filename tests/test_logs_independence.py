"""logs, and the signs in them that attempts were not independent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from known_logs import only, pairs, said
from log_writers import as_lines

from lmpower.logs import read_logs
from lmpower.logs.independence import PREFIX, repeated_block


def test_answers_word_for_word_the_same_are_told(tmp_path: Path) -> None:
    answers = [
        "a sentence that nobody would write twice by chance, since it is too long for that " + c
        for c in "abb"
    ]
    rows = [
        {"task_id": "t", "passed": i == 0, "completion": answers[i]} for i in (0, 1, 2)
    ] + [{"task_id": "u", "passed": False, "completion": "short"}] * 5  # fmt: skip
    logs = read_logs(as_lines(tmp_path / "r.jsonl", rows))
    (check,) = logs.checks.values()
    assert (check.compared, check.repeated) == (3, 1)
    assert "1 of 3 answers compared (33%) repeat an earlier one" in said(logs)
    assert pairs(only(logs)) == [(3, 1), (5, 0)]


def test_blocks_are_found_where_they_are() -> None:
    rng = np.random.default_rng(1)
    for p in (0.02, 0.3, 0.9):
        for size in (60, 400):
            head, block = ((rng.random(n) < p).astype(np.uint8).tobytes() for n in (500, size))
            lag, agreeing = repeated_block(head + block * 6)
            if lag:
                assert lag == size
                assert agreeing >= 5 * size
            else:
                assert p == 0.02


def test_blocks_are_not_found_where_there_are_none() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        n, p = int(rng.integers(1, PREFIX)), rng.beta(0.3, 1.0)
        outcomes = (rng.random(n) < p).astype(np.uint8).tobytes()
        assert repeated_block(outcomes) == (0, 0)
        stopped = bytes(n) + b"\1"
        assert repeated_block(stopped) == (0, 0)


def test_blocks_are_found_in_no_time() -> None:
    for pattern in (b"\0\1", b"\0\0\0\1", b"\0" * 60 + b"\1", b"\1" * 100 + b"\0"):
        assert repeated_block((pattern * PREFIX)[:PREFIX])[0] in (len(pattern), 0)
