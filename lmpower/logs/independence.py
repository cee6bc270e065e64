"""Signs that attempts were not independent: answers word for word the same, outcomes in repeated blocks.

A cache or a seed used again gives the same answer; a file filled up to a round number gives the same
block of outcomes over and over. Both make counts look surer than they are. Nothing is dropped for it:
people are told the numbers. Of every problem a bounded prefix is looked at.

Short answers repeat by themselves ("yes"), so only texts of some length are compared. Outcomes repeat
by themselves as well: that the last m of them agree with those d before has the chance (p² + q²)^m, and
a block counts as repeated where that is not to be believed.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np

from lmpower.counts.counts import INCREDIBLE

TELLING = 80  # characters, a sentence; at 1 bit a character two of them never agree by chance
PREFIX = 1 << 14  # attempts on each problem whose outcomes are kept, a byte each
COMPARED = 1 << 10  # and answers that are, eight bytes each


def fingerprint(text: Any) -> int:
    """A hash of an answer long enough to tell, or 0; it holds within this process."""
    return hash(text) if isinstance(text, str) and len(text) >= TELLING else 0


class Stream:
    """The first attempts on one problem, in order: a byte an outcome, and eight for an answer's hash."""

    __slots__ = ("hashes", "marks")

    def __init__(self) -> None:
        self.marks, self.hashes = bytearray(), array("q")

    def add(self, outcome: bool, answer: int) -> None:
        if len(self.marks) < PREFIX:
            self.marks.append(outcome)
        self.compare(answer)

    def compare(self, answer: int) -> None:
        """Have this answer compared with others, whatever its place among them."""
        if answer and len(self.hashes) < COMPARED:
            self.hashes.append(answer)

    def extend(self, other: Stream) -> None:
        """Take in the attempts of another log on the same problem."""
        self.marks += other.marks[: PREFIX - len(self.marks)]
        self.hashes += other.hashes[: COMPARED - len(self.hashes)]

    @property
    def repeated(self) -> int:
        """How many answers repeat an earlier one word for word."""
        return len(self.hashes) - len(set(self.hashes))

    def block(self) -> tuple[int, int]:
        """See `repeated_block`."""
        return repeated_block(bytes(self.marks))


def repeated_block(marks: bytes) -> tuple[int, int]:
    """Length d of the block in whose repeats the outcomes end, and how many outcomes m repeat it; or 0, 0.

    The smallest d is taken at which the last m agree with those d before and that is not to be believed.
    """
    n, s = len(marks), sum(marks)
    if s in (0, n):
        return 0, 0
    p = (s + 1) / (n + 2)
    credible = math.log(INCREDIBLE / n)
    # copies of more than two agree more easily than pairs, so that no shorter tail can tell
    tail = math.ceil(credible / math.log(p * p + (1 - p) * (1 - p)))
    constant = n - 1 - marks.rfind(1 - marks[-1])
    tail = max(tail, constant + 1)  # a run of failures says nothing: there are others
    at = marks.rfind(marks[n - tail :], 0, n - 1) if tail < n else -1
    while at >= 0:
        lag, agreeing = n - tail - at, tail
        while agreeing < n - lag and marks[n - 1 - agreeing] == marks[n - 1 - agreeing - lag]:
            agreeing += 1
        if _log_chance(p, lag, agreeing) < credible:
            return lag, agreeing
        at = marks.rfind(marks[n - tail :], 0, at + tail - 1)
    return 0, 0


def _log_chance(p: float, lag: int, agreeing: int) -> float:
    """That lag + agreeing outcomes have this period: at each place of the block all are 1 or all 0."""
    copies, more = divmod(lag + agreeing, lag)

    def alike(c: int) -> float:
        return float(np.logaddexp(c * math.log(p), c * math.log1p(-p)))

    return more * alike(copies + 1) + (lag - more) * alike(copies)
