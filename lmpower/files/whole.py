"""Files written whole or not at all: what was there before stays until all of the new is there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def require_writable(path: str | os.PathLike[str]) -> None:
    """Refuse now what could not be written later, by writing an empty file beside it for a moment.

    Raises:
        ValueError: with the reason.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise ValueError(f"cannot write {os.fspath(path)}: it is a folder")
    with _beside(path, target) as temporary:
        temporary.touch(exist_ok=False)


def write_text_atomically(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text, see `written_whole`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write these bytes, see `written_whole`."""
    with written_whole(path) as temporary, open(temporary, "xb") as file:
        file.write(data)


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The name of a temporary file in the same folder, to be written; then it takes the name ``path``.

    Raises:
        ValueError: if that cannot be done; whatever was there before stays as it was.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    with _beside(path, target) as temporary:
        yield temporary
        os.replace(temporary, target)


@contextlib.contextmanager
def temporary_beside(target: Path, ending: str = "") -> Iterator[Path]:
    """A name for a temporary file in the target's folder, gone afterwards whatever happens."""
    temporary = target.with_name(f".lmpower-{secrets.token_hex(8)}{ending}")
    try:
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def _beside(path: str | os.PathLike[str], target: Path) -> Iterator[Path]:
    """As `temporary_beside`; an error of the system becomes one that names the path as it was given."""
    with temporary_beside(target) as temporary:
        try:
            yield temporary
        except OSError as error:
            raise ValueError(f"cannot write {os.fspath(path)}: {error.strerror}") from None
