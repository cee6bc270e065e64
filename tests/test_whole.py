"""Files written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from given_files import in_file

from lmpower.files.whole import write_bytes_atomically, write_text_atomically


def test_writing_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_text_atomically(path, "größer")
    assert path.read_bytes() == "größer".encode()
    write_bytes_atomically(str(path), b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert os.listdir(tmp_path) == ["out.json"]
    plain = in_file(tmp_path, "plain", "")
    assert path.stat().st_mode == plain.stat().st_mode


def test_writing_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    target, link = in_file(tmp_path, "target", "old"), tmp_path / "link"
    link.symlink_to(target)
    write_text_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_unwritable_places(tmp_path: Path) -> None:
    missing, folder, below = tmp_path / "no" / "out", tmp_path / "dir", tmp_path / "file" / "out"
    folder.mkdir()
    in_file(tmp_path, "file", "kept")
    before = sorted(os.listdir(tmp_path))
    for path, why in (
        (missing, "No such file or directory"),
        (folder, "Is a directory"),
        (below, "Not a directory"),
    ):
        with pytest.raises(ValueError, match="cannot write") as refusal:
            write_text_atomically(path, "x")
        assert str(refusal.value) == f"cannot write {path}: {why}"
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = in_file(tmp_path, "out", "old")

    def fail(source: object, target: object) -> None:
        raise failure

    monkeypatch.setattr(os, "replace", fail)
    expected = ValueError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]
