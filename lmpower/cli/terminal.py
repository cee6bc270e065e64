"""How commands speak to a terminal: progress, refusals, what was drawn."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lmpower.arguments import PICTURES

SPELLINGS = {
    r"\berrors='(\w+)'": r"--errors \1",
    r"\bscorer='([^']*)'": r"--scorer '\1'",
    r"\bthreshold=([\d.]+)": r"--threshold \1",
    r"\bwith by=": "with --by",
    r"\bby= may be": "--by may be",
    r"\bby='(\w+)'": r"--by \1",
}


def for_the_shell(message: str) -> str:
    """In one line, with arguments of Python functions under the names they have here."""
    for python, shell in SPELLINGS.items():
        message = re.sub(python, shell, message)
    return " ".join(message.split())


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Names the step under way on a terminal; it takes seconds, most of them compilation."""
    if not sys.stderr.isatty():
        yield lambda name: None
        return
    from tqdm import tqdm

    with tqdm(total=steps, leave=False, bar_format="{desc} [{n_fmt}/{total_fmt}] {elapsed}") as bar:

        def step(name: str) -> None:
            bar.update()
            bar.set_description_str(f"lmpower: {name}")

        yield step


def require_picture(path: Path | None) -> None:
    if path is not None:
        require_file(path, PICTURES, "picture")


def require_file(path: Path, suffixes: Sequence[str], what: str) -> None:
    if path.suffix.lower() not in suffixes:
        done = {"picture": "draw", "page": "write"}[what]
        raise ValueError(
            f"cannot {done} {path}: the suffix of a {what} must be one of {', '.join(suffixes)}"
        )
    from lmpower.files.whole import require_writable

    require_writable(path)


def say_drawn(path: Path | None) -> None:
    if path is not None:
        print(f"\nwrote {path}")
