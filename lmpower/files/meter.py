"""How far the reading of a long file is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONG = 1 << 26  # bytes from which on a file takes seconds

Moved = Callable[[int], object]  # hears how many bytes have gone by


def unheard(size: int) -> None:
    """Nobody asks how far it is."""


@contextmanager
def bar(path: Path, wanted: bool) -> Iterator[Moved]:
    """A bar on standard error while a long file is read, if wanted."""
    size = path.stat().st_size if wanted and path.is_file() else 0
    if size < LONG:
        yield unheard
        return
    from tqdm import tqdm

    with tqdm(total=size, unit="B", unit_scale=True, leave=False, desc=f"lmpower: {path.name}") as shown:
        yield shown.update
