"""What a format of logs is, and the tally that its reader keeps.

A log says, attempt after attempt, which problem was tried and what came of it. A `Format` knows such
logs by their name and first bytes, and reads them into a `Ledger`, which keeps two whole numbers a
problem, and of the stream of outcomes no more than what it takes to see whether attempts were
independent (`lmpower.logs.independence`). So memory grows with problems, not with attempts.

What an attempt came to is True, False, or None: nobody knows, since it broke or was never scored.
What becomes of those is the caller's choice and is settled when all is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError, listed
from lmpower.files.meter import Moved, unheard
from lmpower.logs.independence import Stream, fingerprint


@dataclass(frozen=True)
class Choices:
    """What the caller chose where a log leaves a choice.

    Attributes:
        scorer: which of several verdicts on the same attempt counts: a scorer, filter, metric, detector.
        threshold: the value from which on a graded attempt is a success; None takes 0 and 1 alone.
        moved: hears how many bytes were read.
    """

    scorer: str | None = None
    threshold: float | None = None
    moved: Moved = unheard


@dataclass(frozen=True)
class Opening:
    """What a log is recognised by.

    Attributes:
        path: the file.
        head: its first bytes, up to 64 KiB.
        first: its first line, if that is a JSON object; else empty.
        named: all names of values within the head, however deep, if that looks like JSON.
        columns: the columns of a Parquet file; else empty.
    """

    path: Path
    head: bytes
    first: Mapping[str, Any]
    named: frozenset[str]
    columns: Sequence[str] = ()

    def has(self, *names: str) -> bool:
        """Whether the first record has all of these names."""
        return self.first.keys() >= set(names)

    def names(self, *names: str) -> bool:
        """Whether it is one document in which all of these names occur early."""
        return self.named >= set(names) and self.path.suffix.lower() != ".jsonl"


@dataclass(frozen=True)
class Format:
    """One kind of log.

    Attributes:
        name: as in ``format=``.
        title: as people call it.
        recognise: whether a log that opens like this is of this kind.
        read: reads the log into the ledger.
        whole: whether a file is a whole run; otherwise it is an attempt, and many files make one group.
    """

    name: str
    title: str
    recognise: Callable[[Opening], bool]
    read: Callable[[Path, Ledger, Choices], None]
    whole: bool = True


class Problem:
    """The tally of one problem: attempts with an outcome, successes among them, and attempts without."""

    __slots__ = ("scored", "solved", "stream", "unscored")

    def __init__(self) -> None:
        self.scored, self.solved, self.unscored, self.stream = 0, 0, 0, Stream()


@dataclass(eq=False)
class Ledger:
    """The running tally of one log.

    Attributes:
        name: the file, for errors.
        labels: what the log says of itself: "model", "task".
        runs: what makes this run unlike every other, if the log says so.
        adaptive: the log's own word that outcomes decided how many attempts there are.
        unscored: what attempts without an outcome are called: "errored", "were not scored".
        notes: sentences for people.
    """

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    adaptive: str = ""
    unscored: str = "errored"
    notes: list[str] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        """Note it once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def add(self, problem: str, outcome: bool | None, answer: int = 0) -> None:
        """One more attempt, and the `fingerprint` of its answer."""
        seen = self.problems.get(problem)
        if seen is None:
            seen = self.problems[problem] = Problem()
        if outcome is None:
            seen.unscored += 1
            return
        seen.scored += 1
        if outcome:
            seen.solved += 1
        seen.stream.add(outcome, answer)

    def add_all(self, problem: str, outcomes: Iterable[bool | None], answers: Iterable[Any] = ()) -> None:
        """Attempts in the order in which they were made, with the texts of their answers."""
        self.problems.setdefault(problem, Problem())  # be there no attempt
        texts = iter(answers)
        for outcome in outcomes:
            self.add(problem, outcome, fingerprint(next(texts, "")))

    def add_counts(self, problem: str, attempts: int, successes: int, answers: Iterable[Any] = ()) -> None:
        """Attempts whose order is not known; the problem must be new."""
        if problem in self.problems:
            raise CountsError(f"{self.name}: problem {problem!r} appears a second time")
        seen = self.problems[problem] = Problem()
        seen.scored, seen.solved = attempts, successes
        for text in answers:
            seen.stream.compare(fingerprint(text))

    def merge(self, other: Ledger) -> None:
        """Take in another log of the same group."""
        if again := sorted(self.runs & other.runs):
            raise CountsError(
                f"{other.name} is a run that is there already ({listed(again)}), or a "
                f"retry of it: give the last alone, or its attempts count twice"
            )
        self.runs |= other.runs
        self.labels = {key: said for key, said in self.labels.items() if other.labels.get(key) == said}
        for name, problem in other.problems.items():
            mine = self.problems.setdefault(name, problem)
            if mine is not problem:
                mine.scored += problem.scored
                mine.solved += problem.solved
                mine.unscored += problem.unscored
                mine.stream.extend(problem.stream)
        self.adaptive = self.adaptive or other.adaptive
        for note in other.notes:
            self.say(note)
