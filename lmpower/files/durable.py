"""Files that outlive a kill or the loss of power, in a folder that several processes write.

As in ``whole``, a file takes its name when all of it is there, and here not before it is on the disk. What
a killed process leaves is a `LEFTOVER`, which any process may clear: one whose file was taken for such
while it still wrote, writes it again.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from lmpower.files.whole import temporary_beside

_ENDING = ".partial"
# The names of files that are being written, or were when their process was killed.
LEFTOVER = re.compile(rf"\.lmpower-[0-9a-f]{{16}}{re.escape(_ENDING)}")


def write_durably(target: Path, fill: Callable[[BinaryIO], Any], replace: bool = True) -> None:
    """Write a file so that a kill, or loss of power, at any moment leaves all of it or nothing.

    Args:
        fill: writes the content; called again if the file was lost on its way.
        replace: whether a file that has the name by now gives way, or stays.

    Raises:
        OSError: if the file cannot be written.
    """
    while not _written(target, fill, replace):
        pass


def _written(target: Path, fill: Callable[[BinaryIO], Any], replace: bool) -> bool:
    """Whether the file is there now; it is not if it was lost on its way."""
    with temporary_beside(target, _ENDING) as temporary:
        try:
            with open(temporary, "xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())  # the name must not reach the disk before the content
            if replace:
                os.replace(temporary, target)
            else:
                _take_name_if_free(temporary, target)
            _flush_names(target.parent)
        except FileNotFoundError:
            # another process, clearing the folder at this moment, took the file for that of a killed one
            if _is_lost(temporary):
                return False
            raise
    return True


def _is_lost(temporary: Path) -> bool:
    return temporary.parent.is_dir() and not temporary.exists()


def _take_name_if_free(temporary: Path, target: Path) -> None:
    """As `os.replace`, but a file that is there stays: that of a process that was faster."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, target)


def _flush_names(directory: Path) -> None:
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
