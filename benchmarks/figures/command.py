"""What the scripts of this folder share: their command line, and errors in one line with exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmpower.arguments import PICTURES
from lmpower.files.whole import require_writable
from lmpower.plot import save_figure
from lmpower.tables import choose_group, read_counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lmpower.counts import Counts

# where the published truths and numbers are
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def arguments(description: str | None, file: str | None = None, *, needed: bool = True) -> Any:
    """A parser of ``[FILE] OUT``: without FILE if ``file`` (its help) is None; optional unless needed."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if file is not None:
        parser.add_argument("file", metavar="FILE", nargs=None if needed else "?", help=file)
    parser.add_argument("out", metavar="OUT", type=Path, help=f"the picture ({', '.join(PICTURES)})")
    return parser


def draw_to_file(parser: argparse.ArgumentParser, draw: Callable[[argparse.Namespace], Figure]) -> int:
    """Draw what the command line asks for and write it whole; the exit code comes back."""
    options = parser.parse_intermixed_args()
    try:
        if options.out.suffix.lower() not in PICTURES:
            raise ValueError(f"cannot draw {options.out}: the suffix must be one of {', '.join(PICTURES)}")
        require_writable(options.out)
        save_figure(draw(options), options.out)
    except (ValueError, OSError) as error:
        said = " ".join(str(error).split()).replace("with by=", "with --by")
        print(f"{parser.prog}: {said}", file=sys.stderr)
        return 2
    print(f"wrote {options.out}")
    return 0


def add_counts_options(parser: argparse.ArgumentParser) -> None:
    """``--by`` and ``--group``, as ``lmpower fit`` has them."""
    parser.add_argument("--by", help="the column whose values make a group, such as model")
    parser.add_argument("--group", action="append", help="only this group; may be repeated")


def chosen_counts(options: argparse.Namespace) -> dict[str, Counts]:
    """The groups of ``options.file`` that were asked for."""
    if options.group and options.by is None:
        raise ValueError("--group needs --by, the column of group names")
    groups = read_counts(options.file, by=options.by)
    return {name: choose_group(groups, name) for name in options.group} if options.group else groups
