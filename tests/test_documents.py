"""documents: taken apart as they stream by, and the same as json.loads wherever a chunk ends."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lmpower.files.documents
from lmpower.counts import CountsError
from lmpower.files.documents import Document, json_lines, parse_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


class Dribble(io.BytesIO):
    """A stream that gives a few bytes at a time, however many are asked for."""

    def __init__(self, data: bytes, few: int) -> None:
        super().__init__(data)
        self._few = few

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._few)


def apart(document: Document) -> Any:
    """A document taken apart to its last piece."""
    sign = document.peek()
    if sign == "[":
        return [apart(document) for _ in document.array()]
    if sign == "{":
        return {name: apart(document) for name in document.object()}
    return document.value()


@given(value=json_values, few=st.integers(1, 7), indent=st.sampled_from([None, 1]), ascii=st.booleans())
def test_the_same_wherever_a_chunk_ends(value: Any, few: int, indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    for way in (apart, Document.value):
        document = Document(Dribble(text, few), "it")
        assert way(document) == value
        document.end()


@given(value=json_values, data=st.data(), few=st.integers(1, 7))
def test_a_document_cut_off_is_refused(value: Any, data: st.DataObject, few: int) -> None:
    text = json.dumps([value, 0]).encode()
    cut = data.draw(st.integers(0, len(text) - 1))
    for way in (apart, Document.value):
        with pytest.raises(CountsError, match=r"it, (at its end|near character)"):
            way(Document(Dribble(text[:cut], few), "it"))


@pytest.mark.parametrize(
    "text", ["[1 2]", "[1,]", '{"a" 1}', '{"a": 1,}', "{1: 2}", "[tru]", "[}", '["\n"]']
)
def test_what_is_no_json(text: str) -> None:
    for way in (apart, Document.value):
        with pytest.raises(CountsError, match="not JSON"):
            way(Document(io.BytesIO(text.encode()), "it"))
    with pytest.raises(CountsError, match="there: not JSON"):
        parse_json(text, "there")


def test_a_mistake_is_told_without_reading_on() -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert self.tell() < 10 * lmpower.files.documents.CHUNK, "it reads on and on"
            return super().read(lmpower.files.documents.CHUNK)

    text = b'[{"a": 1}, {"a": nonsense}' + b', {"a": 1}' * (1 << 21)
    document = Document(Endless(text), "it")
    with pytest.raises(CountsError, match="it, near character 11: not JSON"):
        [document.value() for _ in document.array()]


def test_more_after_the_end_is_refused() -> None:
    document = Document(io.BytesIO(b"[] []"), "it")
    document.value()
    with pytest.raises(CountsError, match="it, near character 3: not JSON"):
        document.end()


def test_lines_have_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"a": 1}\n\n  {"a": 2}  \r\n{"a": 3}')
    assert list(json_lines(path)) == [(1, {"a": 1}), (3, {"a": 2}), (4, {"a": 3})]
    for wrong in ("[1]", "1", '{"a": 1}}', "{", "nonsense"):
        path.write_text('{"a": 1}\n' + wrong)
        with pytest.raises(CountsError, match=r"a.jsonl, line 2: not (a )?JSON"):
            list(json_lines(path))
