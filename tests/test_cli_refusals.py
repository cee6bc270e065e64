"""cli: every refusal comes before any work, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from given_files import in_file

import lmpower
import lmpower.fit.maximum

EXAMPLE = Path(lmpower.__file__).parent / "data" / "example.csv"
REFUSALS = {
    "no command": ("", "the following arguments are required: COMMAND (see lmpower --help)"),
    "unknown command": ("guess", "invalid choice: 'guess'"),
    "unknown option": ("fit {example} --bye model", "unrecognized arguments: --bye model"),
    "no file": ("fit", "the following arguments are required: FILE (see lmpower fit --help)"),
    "missing file": ("fit missing.csv", "cannot read missing.csv: there is no such file"),
    "a folder": ("fit {folder}/data.csv", "data.csv: it is a folder, not a file"),
    "unknown suffix": ("fit {folder}/a.xls", "suffix must be one of .csv, .jsonl, .parquet"),
    "empty file": ("fit {folder}/empty.csv", "empty.csv is empty"),
    "only a header": ("fit {folder}/header.csv", "header.csv has columns but no rows"),
    "missing column": (
        "fit {example} --by modle",
        "has no column 'modle'; its columns are model, problem, attempts, successes",
    ),
    "missing counts": ("fit {example} --attempts-column n", "has neither columns 'n' and"),
    "problems twice": (
        "fit {example}",
        "problem 'problem-001' appears a second time; if it belongs to another model or "
        "benchmark, name that column with --by",
    ),
    "unknown group": (
        "fit {example} --by model --group gpt",
        "there is no group 'gpt'; the groups are model-a, model-b",
    ),
    "group without by": ("fit {example} --group model-a", "--group needs --by"),
    "unknown family": ("fit {example} --by model --family gamma", "unknown family 'gamma'"),
    "k of 0": ("forecast {example} --k 0", "argument --k: must be whole numbers from 1 to 2**53"),
    "negative k": ("forecast {example} --k=-5", "got '-5'"),
    "fractional k": ("forecast {example} --k 1.5,2", "got '1.5,2'"),
    "k too large": ("forecast {example} --k 1e17", "got '1e17'"),
    "k that is no number": ("forecast {example} --k ten", "got 'ten'"),
    "k of nan": ("forecast {example} --k nan", "got 'nan'"),
    "no k": ("forecast {example} --k ,", "got ','"),
    "level of 1": ("fit {example} --level 1", "must be between 0 and 1, such as 0.9; got '1'"),
    "level of 90": ("fit {example} --level 90", "got '90'"),
    "level of nan": ("fit {example} --level nan", "got 'nan'"),
    "one end of a window": ("fit {example} --window 10", "must be LOW,HIGH with LOW below HIGH"),
    "an empty window": ("fit {example} --window 10,10", "got '10,10'"),
    "unknown problems": ("forecast {example} --problems old", "invalid choice: 'old'"),
    "unknown stopping": ("fit {example} --stopping never", "invalid choice: 'never'"),
    "unknown line": ("fit {example} --line-ks all", "invalid choice: 'all'"),
    "unknown picture": (
        "fit {example} --plot a.gif",
        "cannot draw a.gif: the suffix of a picture must be one of .png, .pdf, .svg",
    ),
    "a picture without suffix": ("demo --plot picture", "cannot draw picture"),
    "nowhere to draw": (
        "forecast {example} --by model --plot {folder}/missing/a.png",
        "a.png: No such file or directory",
    ),
    "a folder to draw to": ("demo --plot {folder}/folder.png", "folder.png: it is a folder"),
    "a file as folder": ("demo --plot {folder}/empty.csv/a.png", "a.png: Not a directory"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_come_before_any_work(
    case: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*args: Any) -> None:
        raise AssertionError("it began to work")

    monkeypatch.setattr(lmpower.fit.maximum, "fit_difficulty", work)
    in_file(tmp_path, "empty.csv", "")
    in_file(tmp_path, "a.xls", "counts")
    in_file(tmp_path, "header.csv", "problem,attempts,successes\n")
    for name in ("data.csv", "folder.png"):
        (tmp_path / name).mkdir()
    before = sorted(tmp_path.rglob("*"))
    command, reason = REFUSALS[case]
    ran = run(*command.format(example=EXAMPLE, folder=tmp_path).split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("lmpower: ")
    assert reason in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
