"""What goes wrong with a run on disk, told in one line."""

from __future__ import annotations


class ShardsError(ValueError):
    """A run that cannot be opened, written, read or merged; the message is one line."""


def one_line(error: BaseException) -> str:
    """An error of the system or of a library, without line breaks."""
    strerror = error.strerror if isinstance(error, OSError) else None
    return " ".join((strerror or str(error)).split())
