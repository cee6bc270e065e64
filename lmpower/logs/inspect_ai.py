"""Inspect AI: ``.eval``, a zip of JSON members, and ``.json``, one document. Without Inspect itself.

A sample is one attempt: `id` (the problem), `epoch`, `scores` by scorer, `error`. Of an ``.eval`` only the
summaries are read, since whole samples are a hundred times as long; of a run that was cut off there
is no list of all summaries, but one of each batch that was written.

Members are compressed by zstandard (zip method 93), in several frames, which zipfile knows from Python 3.14
on, if at all; older logs are deflated.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from lmpower.counts import CountsError
from lmpower.files.documents import Document, Readable, readable
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.independence import fingerprint
from lmpower.logs.verdicts import choose, label, outcome_of, shown

ZSTANDARD = 93  # the zip standard's number
SUMMARIES = "summaries.json"
BATCHES = "_journal/summaries/"
# what Inspect's own metrics make of words: correct, incorrect, partly, no answer
WORDS = {"C": 1, "I": 0, "P": 0.5, "N": 0, "yes": 1, "true": 1, "no": 0, "false": 0}
_LOCAL_HEADER = struct.Struct("<26xHH")


def _recognise(opening: Opening) -> bool:
    if opening.head.startswith(b"PK"):
        return opening.path.suffix.lower() == ".eval"
    return opening.names("version", "status", "eval", "run_id")


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    with readable(path), open(path, "rb") as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        _read_archive(path, ledger, choices)
    else:
        with readable(path), open(path, "rb") as file:
            _read_document(Document(file, str(path), choices.moved), ledger, choices)


def _read_archive(path: Path, ledger: Ledger, choices: Choices) -> None:
    with _archive(path) as archive:
        names = set(archive.namelist())
        header = next((n for n in ("header.json", "_journal/start.json") if n in names), None)
        if header is None:
            raise CountsError(f"{path} has no header.json: it is no Inspect log")
        with _member(archive, path, header) as stream:
            describe(Document(stream, f"{path}: {header}").value(), ledger)
        members = [SUMMARIES]
        if SUMMARIES not in names:
            batches = [n for n in names if n.startswith(BATCHES) and n.endswith(".json")]
            members = sorted(batches, key=lambda name: (len(name), name))
            ledger.say(f"{path.name} was not finished: it holds {len(members)} batches of samples.")
        samples = Samples(choices)
        for member in members:
            with _member(archive, path, member) as stream:
                document = Document(stream, f"{path}: {member}", choices.moved)
                for _ in document.array():
                    samples.add(document.value(), document.name)
                document.end()
        samples.enter(ledger)


def _read_document(document: Document, ledger: Ledger, choices: Choices) -> None:
    samples = Samples(choices)
    header: dict[str, Any] = {}
    for name in document.object():
        if name == "samples" and document.peek() == "[":
            for _ in document.array():
                samples.add(document.value(), document.name)
        elif name in ("eval", "results", "status", "invalidated"):
            header[name] = document.value()
        else:
            document.value()
    document.end()
    samples.enter(ledger)
    describe(header, ledger)


def describe(header: Any, ledger: Ledger) -> None:
    """What the log says of itself, and whether it stopped early or was cut off."""
    header = header if isinstance(header, dict) else {}
    spec, results = header.get("eval"), header.get("results")
    if isinstance(spec, dict):
        ledger.labels |= {k: v for k in ("model", "task") if isinstance(v := spec.get(k), str) and v}
        # a retry has an eval_id of its own and takes over the samples that the earlier log has: only the
        # task_id stays
        run = spec.get("task_id") or spec.get("eval_id")
        ledger.runs |= {run} if isinstance(run, str) else set()
    status = header.get("status")
    if isinstance(status, str) and status != "success":
        ledger.say(f"{Path(ledger.name).name} is of a run that did not finish: its status is {status!r}.")
    if header.get("invalidated") is True:
        ledger.say(f"{Path(ledger.name).name} has samples that were marked invalid; they are counted.")
    early = results.get("early_stopping") if isinstance(results, dict) else None
    if isinstance(early, dict) and early.get("early_stops"):
        manager = early.get("manager")
        ledger.adaptive = f"Inspect's early stopping ({manager})" if manager else "Inspect's early stopping"


class Samples:
    """Samples by problem and epoch: of several the last counts, as Inspect itself has it."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._outcomes: dict[str, dict[int, tuple[bool | None, int]]] = {}

    def add(self, sample: Any, where: str) -> None:
        if not isinstance(sample, dict):
            raise CountsError(f"{where}: a sample is {type(sample).__name__}, not an object")
        problem = label(sample, "id", where)
        where = f"{where}: sample {problem!r}"
        epoch = sample.get("epoch", 1)
        if not isinstance(epoch, int):
            raise CountsError(f"{where}: epoch = {shown(epoch)} is not a whole number")
        self._outcomes.setdefault(problem, {})[epoch] = self._outcome(_scores(sample), where)

    def enter(self, ledger: Ledger) -> None:
        """All of them, the attempts on a problem in the order of their epochs."""
        ledger.unscored = "errored or have no score"
        for problem, epochs in self._outcomes.items():
            for _, (outcome, answer) in sorted(epochs.items()):
                ledger.add(problem, outcome, answer)

    def _outcome(self, scores: Any, where: str) -> tuple[bool | None, int]:
        if not scores:
            return None, 0  # the attempt broke, or was never scored
        name, value, text = self._verdict(scores, where)
        if isinstance(value, str):
            value = _number(value)
        return outcome_of(value, self._choices, f"{where}: the score of {name}"), fingerprint(text)

    def _verdict(self, scores: Any, where: str) -> tuple[str, Any, str]:
        if not isinstance(scores, dict):
            raise CountsError(f"{where}: scores are {type(scores).__name__}, not named scores")
        found: dict[str, tuple[Any, str]] = {}
        for scorer, score in scores.items():
            value, text = score, ""
            if isinstance(score, dict):
                value = score.get("value")
                text = f"{score.get('answer')}\n{score.get('explanation')}"
            if isinstance(value, dict):
                found |= {f"{scorer}/{key}": (part, text) for key, part in value.items()}
            else:
                found[scorer] = value, text
        name = choose(found, self._choices, "scorer", where)
        return name, *found[name]


def _scores(sample: dict[str, Any]) -> Any:
    """The scores by scorer; the logs of early 2024 have a single one without a name."""
    score = sample.get("score")
    return sample.get("scores") or ({"scorer": score} if score is not None else None)


def _number(word: str) -> Any:
    """The number that a word stands for, or the word if for none."""
    known = WORDS.get(word, WORDS.get(word.lower()))
    if known is None:
        with suppress(ValueError):
            return float(word)
        return word
    return known


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with readable(path):
        try:
            with zipfile.ZipFile(path) as archive:
                yield archive
        except (zipfile.BadZipFile, struct.error) as error:
            raise CountsError(f"cannot read {path}: a damaged zip archive ({error})") from None


@contextmanager
def _member(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[Readable]:
    info = archive.getinfo(name)
    if info.compress_type != ZSTANDARD:
        try:
            with archive.open(info) as stream:
                yield stream
        except (NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
            raise CountsError(f"cannot read {path}: {name}: {error}") from None
        return
    try:
        import zstandard
    except ImportError:
        raise CountsError(f"cannot read {path}: it needs pip install zstandard") from None
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(sum(lengths), io.SEEK_CUR)
        packed: Any = _Limited(file, info.compress_size)  # all that is asked of it is to be read
        unpacked = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        try:
            yield _Checked(unpacked, info.CRC, f"cannot read {path}: {name} is damaged")
        except zstandard.ZstdError as error:
            raise CountsError(f"cannot read {path}: {name} is damaged ({error})") from None


class _Limited:
    """The next so many bytes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        raw = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(raw)
        return raw


class _Checked:
    """A stream whose checksum is compared at its end."""

    def __init__(self, stream: Readable, checksum: int, complaint: str) -> None:
        self._stream, self._checksum, self._complaint, self._sum = stream, checksum, complaint, 0

    def read(self, size: int = -1) -> bytes:
        raw = self._stream.read(size)
        self._sum = zlib.crc32(raw, self._sum)
        if not raw and self._sum != self._checksum:
            raise CountsError(self._complaint)
        return raw


INSPECT = Format("inspect", "Inspect AI log", _recognise, _read)
