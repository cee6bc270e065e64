"""JSON read as it streams by: one record a line, or one document too long to be held whole.

Whatever is wrong with the text (no JSON, no UTF-8, a number of 5,000 digits, brackets without end) is
one sentence with the file and the line or place in it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from lmpower.counts import CountsError
from lmpower.files.meter import Moved, unheard

CHUNK = 1 << 20  # bytes decoded at a time
LONGEST = 1 << 31  # characters of one value: beyond it memory is at stake, and no tool writes such logs
LONGEST_WORD = 16  # more than -Infinity or an escaped pair of surrogates, which the end of a chunk may cut

# one value from a place on; four times as fast as json.loads, which sets out anew for every short text
_decoder: Any = json.JSONDecoder()  # (the json module's stubs leave scan_once out)
_parse: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once
_SPACE = " \t\n\r"
_AFTER = (*_SPACE, ",", ":", "]", "}")


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Errors of reading as one sentence that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise CountsError(f"cannot read {path}: it is not UTF-8 text (byte 0x{byte:02x})") from None
    except OSError as error:
        raise CountsError(f"cannot read {path}: {error.strerror}") from None


def parse_json(text: str, where: str) -> Any:
    """The value that the text is, or an error that says where the text stands."""
    try:
        value, end = _parse(text, 0)
    except StopIteration:
        try:
            return json.loads(text)  # leading white space, or a message worth reading
        except ValueError as error:
            raise CountsError(f"{where}: not JSON ({_short(error)})") from None
    except (ValueError, RecursionError) as error:
        raise CountsError(f"{where}: not JSON ({_short(error)})") from None
    if text[end:].strip(_SPACE):
        raise CountsError(f"{where}: not JSON (more text after the value)")
    return value


def json_lines(path: Path, moved: Moved = unheard) -> Iterator[tuple[int, Any]]:
    """Line number and object of each line that is not blank; ``moved`` hears of bytes gone by.

    Raises:
        CountsError: naming the line that is not a JSON object.
    """
    with readable(path), open(path, encoding="utf-8-sig") as file:
        for number, text in enumerate(file, start=1):
            moved(len(text))
            try:
                record, end = _parse(text, 0)
            except (StopIteration, ValueError, RecursionError):
                if not text.strip(_SPACE):
                    continue
                record, end = parse_json(text, f"{path}, line {number}"), len(text)
            if text[end:].strip(_SPACE):
                raise CountsError(f"{path}, line {number}: not JSON (more text after the value)")
            if type(record) is not dict:
                raise CountsError(f"{path}, line {number}: not a JSON object with named values")
            yield number, record


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


class Document:
    """One JSON document, taken apart piece by piece: `array` and `object` descend, `value` takes whole.

    Args:
        stream: bytes of UTF-8.
        name: what errors call it.
        moved: hears how many bytes have gone by.
    """

    def __init__(self, stream: Readable, name: str, moved: Moved = unheard) -> None:
        self.name, self._stream, self._moved = name, stream, moved
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text, self._at, self._gone, self._ended = "", 0, 0, False

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = _parse(self._text, self._at)
                # 1 may be the beginning of 12 or, as far as the parser sees, of 1e5
                if (
                    self._ended
                    or self._text[end : end + 1] in _AFTER
                    or end < len(self._text) - LONGEST_WORD
                ):
                    self._at = end
                    return value
            except (StopIteration, ValueError, RecursionError) as error:
                if self._ended or len(self._text) > LONGEST or not self._breaks_off(error):
                    self._refuse(_short(error))
            self._more(len(self._text) - self._at)  # twice as much each time: linear in all

    def array(self) -> Iterator[None]:
        """Stops before each item of an array; take it by `value`, `array` or `object`."""
        self._expect("[")
        if self._next_is("]"):
            return
        while True:
            yield
            if self._next_is("]"):
                return
            self._expect(",")

    def object(self) -> Iterator[str]:
        """Stops before each named value of an object, with its name."""
        self._expect("{")
        if self._next_is("}"):
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                self._refuse(f"{name!r} is no name")
            self._expect(":")
            yield name
            if self._next_is("}"):
                return
            self._expect(",")

    def end(self) -> None:
        """Refuse whatever follows."""
        if self.peek():
            self._refuse("more text after the value")

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(0)

    def _next_is(self, sign: str) -> bool:
        if self.peek() != sign:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._next_is(sign):
            self._refuse(f"{sign!r} is missing")

    def _breaks_off(self, error: BaseException) -> bool:
        """Whether more text may mend what is wrong: it is at the end, or a string without one."""
        if isinstance(error, json.JSONDecodeError):
            return error.msg.startswith("Unterminated") or error.pos > len(self._text) - LONGEST_WORD
        return isinstance(error, StopIteration) and error.value > len(self._text) - LONGEST_WORD

    def _more(self, at_least: int) -> None:
        try:
            raw = self._stream.read(max(CHUNK, at_least))
        except EOFError:
            raise CountsError(f"{self.name} breaks off: it was not written to its end") from None
        self._moved(len(raw))
        self._ended = not raw
        text = self._decode(raw, final=self._ended)
        self._gone += self._at
        self._text, self._at = self._text[self._at :] + text, 0

    def _refuse(self, why: str) -> None:
        ended = self._ended and self._at >= len(self._text)
        place = "at its end" if ended else f"near character {self._gone + self._at:,}"
        raise CountsError(f"{self.name}, {place}: not JSON ({why})") from None


def _short(error: BaseException) -> str:
    """The reason alone: not the place, which the caller knows better, nor advice about the interpreter."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "a value breaks off" if isinstance(error, StopIteration) else str(error).partition(";")[0]
