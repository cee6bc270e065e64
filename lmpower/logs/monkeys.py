"""Large Language Monkeys: a row a problem with `is_corrects`, ten thousand verdicts, and `orig_dset_idx`.

As Parquet or JSON lines on disk, or by name from the Hugging Face hub where `datasets` is installed:
``hf:ScalingIntelligence/monkey_business/GSM8K_Llama-3-8B-Instruct``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lmpower.counts import CountsError
from lmpower.files.documents import json_lines
from lmpower.logs.base import Choices, Format, Ledger, Opening
from lmpower.logs.columns import parquet_rows
from lmpower.logs.verdicts import label, outcome_of, shown

HUB = "hf:"
SPLIT = "test"
PROBLEM, VERDICTS, ANSWERS = "orig_dset_idx", "is_corrects", "samples"


def _recognise(opening: Opening) -> bool:
    return VERDICTS in opening.columns or opening.has(VERDICTS)


def _read(path: Path, ledger: Ledger, choices: Choices) -> None:
    if str(path).startswith(HUB):
        rows = enumerate(_from_hub(str(path).removeprefix(HUB)), start=1)
        _enter(rows, ledger, choices, "row")
    elif path.suffix.lower() == ".parquet":
        rows = enumerate(parquet_rows(path, [PROBLEM, VERDICTS, ANSWERS], choices.moved), start=1)
        _enter(rows, ledger, choices, "row")
    else:
        _enter(json_lines(path, choices.moved), ledger, choices, "line")


def _enter(rows: Iterable[tuple[int, Any]], ledger: Ledger, choices: Choices, unit: str) -> None:
    for number, row in rows:
        where = f"{ledger.name}, {unit} {number}"
        problem = label(row, PROBLEM, where)
        if problem in ledger.problems:
            raise CountsError(f"{where}: problem {problem!r} appears a second time")
        verdicts = row.get(VERDICTS)
        if not isinstance(verdicts, list):
            raise CountsError(f"{where}: {VERDICTS} is {shown(verdicts)}, not a list")
        if not set(map(type, verdicts)) <= {bool}:
            verdicts = [outcome_of(each, choices, f"{where}: a verdict") for each in verdicts]
        answers = row.get(ANSWERS)
        ledger.add_all(problem, verdicts, answers if isinstance(answers, list) else ())


def _from_hub(name: str) -> Iterator[dict[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise CountsError(f"cannot read {HUB}{name}: it needs pip install 'lmpower[hub]'") from None
    owner, _, rest = name.partition("/")
    repository, _, configuration = rest.partition("/")
    configuration, _, split = configuration.partition("@")
    try:
        yield from datasets.load_dataset(
            f"{owner}/{repository}", configuration or None, split=split or SPLIT, streaming=True
        )
    except Exception as error:  # of the hub, the network, the files: there is no common kind
        raise CountsError(f"cannot read {HUB}{name}: {' '.join(str(error).split())}") from None


MONKEYS = Format("monkeys", "Large Language Monkeys rows", _recognise, _read)
