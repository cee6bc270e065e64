"""Counts from the logs that people have: one call, whatever tool wrote them.

Each file is recognised and read into a ledger; ledgers of one group are merged; what became of attempts
without an outcome is settled as the caller chose; and then the counts are made where those of tables
are made, `lmpower.tables.read.split_groups`, so that the same checks meet them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmpower.counts import STOPPING, Counts, CountsError
from lmpower.files.meter import bar
from lmpower.logs.base import Choices, Format, Ledger
from lmpower.logs.detect import TABLE, check_format, detect, opening
from lmpower.logs.eval_log import Held, held_or_file, is_eval_log
from lmpower.logs.groups import grouped, short_names
from lmpower.logs.harbor import HARBOR
from lmpower.logs.inspect_ai import INSPECT
from lmpower.logs.monkeys import HUB
from lmpower.logs.notes import check, notes_of
from lmpower.logs.result import Logs
from lmpower.tables.read import ERRORS, Tally, check_choice, read_counts, split_groups
from lmpower.tables.table import why_no_file


def read_logs(
    paths: Any,
    *,
    format: str = "auto",
    by: str | Sequence[str] | None = None,
    scorer: str | None = None,
    threshold: float | None = None,
    errors: str | None = None,
    stopping: str = "auto",
    progress: bool = False,
    problem: str = "problem",
    attempts: str = "attempts",
    successes: str = "successes",
    success: str = "success",
) -> Logs:
    """Counts from one evaluation log or several; also from tables, as `read_counts` takes them.

    Args:
        paths: a file, a folder of logs, an Inspect `EvalLog`, or a list of them; or a data frame.
        format: "auto" recognises each file; otherwise a name of `FORMATS`, or "table".
        by: what makes a group: "model", "task", "file", or several; of tables, columns. Without it each
            file is a group, named by model and task where they differ, otherwise by its file.
        scorer: which verdict counts where an attempt has several.
        threshold: the value from which on a graded attempt is a success; without it only 0 and 1 will do.
        errors: what becomes of attempts without an outcome, where there are any: "exclude" them, count them
            as "fail", or "raise". Nothing is chosen for you: without it they are refused, too.
        stopping: "fixed", "on_success" or "adaptive"; "auto" looks at the log and the counts.
        progress: show a bar on standard error while long files are read.
        problem, attempts, successes, success: columns of tables, see `read_counts`.

    Raises:
        CountsError: naming the file, what it holds, and what may be chosen.
    """
    check_choice("stopping", stopping, ("auto", *STOPPING))
    if errors is not None:
        check_choice("errors", errors, ERRORS)
    if threshold is not None and not (isinstance(threshold, int | float) and math.isfinite(threshold)):
        raise CountsError(f"threshold must be a finite number; got {threshold!r}")
    check_format(format)
    files = _files(paths)
    columns = {"problem": problem, "attempts": attempts, "successes": successes, "success": success}
    formats = [_format_of(file, format, columns) for file in files]
    if all(each is None for each in formats):
        return _read_tables(files, by, errors, stopping, progress, columns)
    if None in formats:
        table = next(file for file, each in zip(files, formats, strict=True) if each is None)
        raise CountsError(
            f"{table} is a table and others are logs: convert the logs first, or read them apart"
        )
    ledgers = [
        _read_one(file, each, Choices(scorer, threshold), progress)
        for file, each in zip(files, formats, strict=True)
        if each is not None
    ]
    return _logs(ledgers, [each for each in formats if each is not None], by, errors, stopping)


def _format_of(file: Any, given: str, columns: Mapping[str, str]) -> Format | None:
    if isinstance(file, Held):
        return INSPECT
    return detect(file, given, columns) if isinstance(file, Path) else None


def _read_one(file: Path | Held, format: Format, choices: Choices, progress: bool) -> Ledger:
    ledger = Ledger(str(file))
    if isinstance(file, Held):
        file.read(ledger, choices)
    else:
        with bar(file, progress) as moved:
            format.read(file, ledger, replace(choices, moved=moved))
    if not ledger.problems:
        raise CountsError(f"{file}: this {format.title} holds no attempts")
    return ledger


def _logs(
    ledgers: list[Ledger],
    formats: list[Format],
    by: str | Sequence[str] | None,
    errors: str | None,
    stopping: str,
) -> Logs:
    whole = all(each.whole for each in formats)
    groups = grouped(ledgers, by, whole)
    counts: dict[str, Counts] = {}
    checks = {}
    for name, (ledger, files) in groups.items():
        tally, lost = _tally(ledger, errors)
        only = split_groups(ledger.name, tally, stopping)["all"]
        if stopping == "auto" and ledger.adaptive and only.stopping == "fixed":
            only = replace(only, stopping="adaptive")
        counts[name] = only
        checks[name] = check(ledger, files, only, errors, lost, stopping)
    titles = dict.fromkeys(each.title for each in formats)
    labels = {name: dict(ledger.labels) for name, (ledger, _) in groups.items()}
    notes = notes_of(list(titles), {name: ledger for name, (ledger, _) in groups.items()}, checks)
    return Logs(counts, ", ".join(dict.fromkeys(f.name for f in formats)), notes, checks, labels)


def _tally(ledger: Ledger, errors: str | None) -> tuple[Tally, int]:
    """The counts of one group once attempts without outcome have become what was chosen; problems lost."""
    problems = ledger.problems
    unscored = sum(p.unscored for p in problems.values())
    if unscored and errors in (None, "raise"):
        total = unscored + sum(p.scored for p in problems.values())
        raise CountsError(
            f"{ledger.name}: {unscored:,} of {total:,} attempts {ledger.unscored}; choose what becomes of "
            f"them: errors='exclude' leaves them out, errors='fail' counts them as failures"
        )
    failed = errors == "fail"
    kept = {k: p for k, p in problems.items() if p.scored or (failed and p.unscored)}
    if not kept:
        raise CountsError(f"{ledger.name}: no attempt has an outcome: {unscored:,} {ledger.unscored}")
    attempts = [p.scored + (p.unscored if failed else 0) for p in kept.values()]
    labels = list(kept)
    tally = Tally(
        [()] * len(kept),
        labels,
        attempts,
        [p.solved for p in kept.values()],
        lambda i: f"problem {labels[i]!r}",
    )
    return tally, len(problems) - len(kept)


def _read_tables(
    files: Sequence[Any],
    by: str | Sequence[str] | None,
    errors: str | None,
    stopping: str,
    progress: bool,
    columns: Mapping[str, str],
) -> Logs:
    found = [
        read_counts(file, by=by, errors=errors or "raise", stopping=stopping, progress=progress, **columns)
        for file in files
    ]
    names = [name for groups in found for name in groups]
    groups, checks = {}, {}
    shorts = short_names([str(f) if isinstance(f, str | os.PathLike) else "the table" for f in files])
    for file, short, counts_of in zip(files, shorts, found, strict=True):
        for group, counts in counts_of.items():
            alone = len(files) == 1 or (by is not None and len(set(names)) == len(names))
            name = group if alone else short if by is None else f"{short} / {group}"
            groups[name] = counts
            checks[name] = check(Ledger(short), (str(file),), counts, errors, 0, stopping)
    return Logs(groups, TABLE, (), checks, {})  # tables are counts already: there is nothing to tell


def _files(paths: Any) -> list[Any]:
    if isinstance(paths, str | os.PathLike) or is_eval_log(paths):
        given: list[Any] = [paths]
    elif isinstance(paths, Sequence):
        given = list(paths)
    else:
        return [paths]  # a data frame, which read_counts knows
    files = [file for each in given for file in _files_of(each)]
    if not files:
        raise CountsError("no files given; at least one is needed")
    real = [os.path.realpath(str(file)) for file in files]
    for place, file in enumerate(real):
        if file in real[:place]:
            raise CountsError(f"{files[place]} is given twice, and its attempts would count twice")
    return files


def _files_of(given: Any) -> list[Path] | list[Held]:
    if is_eval_log(given):
        file = held_or_file(given)
        return [file] if isinstance(file, Held) else _in_folder(file)
    if not isinstance(given, str | os.PathLike):
        raise CountsError(f"each must be a path or an EvalLog of Inspect; got a {type(given).__name__}")
    if os.fspath(given) == "":
        raise CountsError("cannot read '': it is no path")
    return _in_folder(Path(given))


def _in_folder(path: Path) -> list[Path]:
    if str(path).startswith(HUB):
        return [path]
    if not path.is_dir():
        if not path.is_file():
            raise CountsError(f"cannot read {path}: {why_no_file(path)}")
        return [path]
    trials = (file for file in path.rglob("result.json") if HARBOR.recognise(opening(file)))
    if found := sorted(path.rglob("*.eval")) or sorted(trials):  # a job has a result.json of its own
        return list({os.path.realpath(file): file for file in found}.values())  # some link to the latest
    raise CountsError(
        f"cannot read {path}: it is a folder, not a file, and holds neither .eval logs nor any result.json"
    )
