"""Counts as callers give them: of one data set, of many, or as rows already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from lmpower.counts.counts import Counts
from lmpower.counts.door import CountsError
from lmpower.counts.rows import Rows, stack_rows


def rows_given(counts: Counts | Rows | Sequence[Counts]) -> tuple[Rows, bool]:
    """One data set or many, however given, as a batch of rows [B, R]; and whether it is a single one.

    Raises:
        CountsError: for anything else, or an empty list.
    """
    if isinstance(counts, Rows):
        single = counts.weight.ndim == 1
        return (jax.tree.map(lambda leaf: leaf[None], counts) if single else counts), single
    given: Any = counts
    many = isinstance(given, Iterable) and not isinstance(given, Counts | Mapping | str)
    datasets = list(given) if many else [given]
    for dataset in datasets:
        if not isinstance(dataset, Counts):
            values = ": take list(groups.values())" if isinstance(dataset, Mapping) else ""
            raise CountsError(
                f"counts must be Counts or a list of them, not {type(dataset).__name__}{values}"
            )
    if not datasets:
        raise CountsError("there are no counts: give those of one data set at least")
    return stack_rows([dataset.rows() for dataset in datasets]), not many


def require_counts(counts: Any) -> None:
    """Refuse what is not the counts of one data set.

    Raises:
        CountsError: saying what it is.
    """
    if not isinstance(counts, Counts):
        raise CountsError(f"counts must be the Counts of one data set, not {type(counts).__name__}")
