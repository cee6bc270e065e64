"""``lmpower report``: everything on one page."""

from __future__ import annotations

import argparse
import sys

from lmpower.arguments import PAGES
from lmpower.cli.reading import read_logs_asked
from lmpower.cli.terminal import progress, require_file


def report(args: argparse.Namespace) -> None:
    require_file(args.out, PAGES, "page")
    import json

    import jax

    from lmpower.difficulty.named import family_named
    from lmpower.report import COMPARABLE, made_now, write_report

    compare = {("all",): COMPARABLE, ("none",): ()}.get(args.compare, args.compare)
    for family in (args.family, *compare):
        family_named(family)
    logs = read_logs_asked(args)
    made = made_now(args.files, ["lmpower", *args.typed])
    with progress(3 if compare else 2) as step:
        findings = write_report(
            logs.groups,
            args.out,
            args.family,
            compare=compare,
            ks=args.k,
            level=args.level,
            window=args.window,
            method=args.method,
            draws=args.draws,
            key=jax.random.key(args.key),
            line_ks=args.line_ks,
            stopping_detected=args.stopping == "auto",
            remarks=logs.notes,
            made=made,
            step=step,
        )
    if args.json:
        print(json.dumps(findings.to_dict(), allow_nan=False))
    for caution in findings.cautions:
        more = f" and {len(caution.groups) - 1} more" if len(caution.groups) > 1 else ""
        of = [caution.groups[0] + more] if caution.groups else []
        print(f"lmpower: {': '.join([*of, caution.title])}", file=sys.stderr)
    if not args.json:
        print(f"wrote {args.out}")
