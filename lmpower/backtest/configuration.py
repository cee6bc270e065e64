"""What decides a run's tables, as its folder keeps it, and how that differs from what is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lmpower.backtest.errors import ShardsError, one_line

DIFFERENCES_SHOWN = 3
LONGEST_VALUE = 80  # characters of a value in a message; a SHA-256 is shown

Leaf = tuple[str | int, ...]  # the keys and positions that lead to a value inside a configuration


def as_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it will be read back, keys in alphabetical order."""
    try:
        return json.loads(json.dumps(dict(config), sort_keys=True, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ShardsError(f"a configuration must be JSON: {one_line(error)}") from None


def require_same(path: Path, config: dict[str, Any]) -> None:
    """Refuse to go on with the run of another configuration.

    Raises:
        ShardsError: with the first differences, or if the file cannot be read.
    """
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShardsError(f"cannot read {path}: {one_line(error)}") from None
    before, now = dict(_leaves(old)), dict(_leaves(config))
    differing = [leaf for leaf in dict.fromkeys([*before, *now]) if before.get(leaf) != now.get(leaf)]
    if not differing:
        return
    said = ", ".join(
        f"{_spelled(leaf)} was {_shown(before.get(leaf))} and is now {_shown(now.get(leaf))}"
        for leaf in differing[:DIFFERENCES_SHOWN]
    )
    rest = len(differing) - DIFFERENCES_SHOWN
    raise ShardsError(
        f"{path.parent} holds a run of another configuration: {said}"
        f"{f', and {rest} more' if rest > 0 else ''}; give another directory"
    )


def _leaves(value: Any, leaf: Leaf = ()) -> Iterator[tuple[Leaf, str]]:
    """All values that have no parts, written as JSON, where 1, 1.0 and true are three things."""
    if isinstance(value, dict | list) and value:
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, (*leaf, key))
    else:
        yield leaf, json.dumps(value)


def _spelled(leaf: Leaf) -> str:
    steps = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in leaf)
    return "".join(steps).removeprefix(".") or "all of it"


def _shown(text: str | None) -> str:
    if text is None:
        return "absent"
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
