"""The configuration of a long run: kept beside its shards, and refused where it is another."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import CONFIG, leftovers, refused, table

from lmpower.backtest.shards import Shards


def test_the_configuration_is_kept(shards: Shards) -> None:
    assert json.loads((shards.directory / "config.json").read_text()) == CONFIG == shards.config
    Shards(shards.directory, dict(reversed(CONFIG.items())) | {"ks": (1, 2, 4)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alpha": 0.5}, "alpha was 0.3 and is now 0.5"),
        ({"ks": [1, 2, 8, 16]}, "ks[2] was 4 and is now 8, ks[3] was absent and is now 16"),
        ({"search": {"steps": 50.0}}, "search.steps was 50 and is now 50.0"),
        ({"search": {}}, "search.steps was 50 and is now absent, search was absent and is now {}"),
        ({"study": "a" * 200}, f'study was "recovery" and is now "{"a" * 76}...'),
        (
            {"alpha": None, "ks": [], "b": "\n"},
            "alpha was 0.3 and is now null, ks[0] was 1 and is now absent, "
            "ks[1] was 2 and is now absent, and 3 more",
        ),
    ],
)
def test_another_configuration_is_refused(shards: Shards, change: dict[str, Any], said: str) -> None:
    shards.write(0, table(0))
    before = sorted(shards.directory.iterdir())
    assert refused(lambda: Shards(shards.directory, CONFIG | change)) == (
        f"{shards.directory} holds a run of another configuration: {said}; give another directory"
    )
    assert sorted(shards.directory.iterdir()) == before
    assert json.loads((shards.directory / "config.json").read_text()) == CONFIG


@pytest.mark.parametrize("value", [float("nan"), np.int64(3), {1, 2}, object()])
def test_a_configuration_is_json(tmp_path: Path, value: Any) -> None:
    assert "a configuration must be JSON: " in refused(lambda: Shards(tmp_path / "run", {"a": value}))
    assert not (tmp_path / "run").exists()


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert refused(lambda: Shards(tmp_path, CONFIG)) == (
        f"cannot keep a run in {tmp_path}: it holds 'thesis.tex' but no config.json, so it is something "
        f"else; give a new or empty directory"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert refused(lambda: Shards(tmp_path / "thesis.tex", CONFIG)).endswith("it is a file, not a folder")
    assert "Not a directory" in refused(lambda: Shards(tmp_path / "thesis.tex" / "run", CONFIG))


@pytest.mark.parametrize("text", ["", "{", "\xff"])
def test_an_unreadable_configuration(shards: Shards, text: str) -> None:
    path = shards.directory / "config.json"
    path.write_bytes(text.encode("latin-1"))
    assert refused(lambda: Shards(shards.directory, CONFIG)).startswith(f"cannot read {path}: ")


def test_the_run_of_a_faster_process_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def beaten(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        Shards(tmp_path, CONFIG)
        Path(source).touch()  # which the other process has cleared
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    assert "alpha was 0.3 and is now 0.5" in refused(lambda: Shards(tmp_path, CONFIG | {"alpha": 0.5}))
    assert not leftovers(tmp_path)
