"""What commands read: tables of counts and logs; and ``lmpower convert``, which does no more."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from lmpower.cli.terminal import for_the_shell, require_picture

if TYPE_CHECKING:
    from lmpower.counts import Counts
    from lmpower.logs import Logs


def convert(args: argparse.Namespace) -> None:
    from lmpower.logs.convert import require_table, write_counts

    require_table(args.out)
    logs = read_logs_asked(args)
    write_counts(logs, args.out)
    problems = sum(map(len, logs.groups.values()))
    groups = "1 group" if len(logs.groups) == 1 else f"{len(logs.groups):,} groups"
    print(f"wrote {problems:,} problems in {groups} to {args.out}")


def groups_asked(args: argparse.Namespace) -> dict[str, Counts]:
    """What the file holds of the groups asked for; everything refusable is refused in here."""
    require_picture(args.plot)
    from lmpower.difficulty.named import family_named

    family_named(args.family)
    return read_asked(args)


def read_asked(args: argparse.Namespace) -> dict[str, Counts]:
    return read_logs_asked(args).groups


def read_logs_asked(args: argparse.Namespace) -> Logs:
    """The groups asked for; what was detected is told above the tables, or beside JSON."""
    _require_by(args)
    from lmpower.logs import read_logs
    from lmpower.tables import choose_group

    logs = read_logs(
        args.files,
        format=args.format,
        by=args.by,
        scorer=args.scorer,
        threshold=args.threshold,
        problem=args.problem_column,
        attempts=args.attempts_column,
        successes=args.successes_column,
        success=args.success_column,
        errors=args.errors,
        stopping=args.stopping,
        progress=sys.stderr.isatty(),
    )
    if args.group:
        logs = replace(logs, groups={name: choose_group(logs.groups, name) for name in args.group})
    for note in logs.notes:
        text = for_the_shell(note)
        print(f"lmpower: {text}" if args.json else text, file=sys.stderr if args.json else sys.stdout)
    if logs.notes and not args.json:
        print()
    return logs


def _require_by(args: argparse.Namespace) -> None:
    tables = all(file.suffix.lower() in (".csv", ".parquet") for file in args.files)
    if args.group and args.by is None and len(args.files) == 1 and tables:
        raise ValueError("--group needs --by, the column of group names")
