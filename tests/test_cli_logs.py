"""cli on logs: tables out of them, and every command on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import log_writers as write
import pytest
from known_logs import BROKEN, PLAIN, by_problem, pairs

from lmpower.counts import Counts
from lmpower.logs import read_logs
from lmpower.tables import read_counts


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_convert_and_read_back(suffix: str, tmp_path: Path, run: Any) -> None:
    logs = read_logs(PLAIN)
    out = tmp_path / f"counts{suffix}"
    code, said, err = run("convert", *PLAIN, "-o", out)
    assert (code, err) == (0, "")
    assert said.startswith("Read as Inspect AI log.\n")
    assert said.endswith(f"wrote 10 problems in 2 groups to {out}\n")
    back = read_counts(out, by="group")
    assert back.keys() == logs.groups.keys()
    for name, counts in logs.groups.items():
        assert by_problem(back[name]) == by_problem(counts)
        assert back[name].stopping == counts.stopping


def test_convert_refuses_before_it_reads(tmp_path: Path, run: Any) -> None:
    for out, reason in (("a.txt", "its suffix must be one of"), ("no/such/folder.csv", "cannot write")):
        code, said, err = run("convert", *PLAIN, "-o", tmp_path / out)
        assert (code, said) == (2, "")
        assert reason in err
    (tmp_path / "old.csv").write_text("kept")
    code, _, _ = run("convert", tmp_path / "missing.eval", "-o", tmp_path / "old.csv")
    assert code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "kept"


def test_the_shell_names_its_own_options(tmp_path: Path, run: Any) -> None:
    broken = write.inspect_eval(tmp_path / "log.eval", BROKEN)
    code, _, err = run("convert", broken, "-o", tmp_path / "a.csv")
    assert code == 2
    assert "--errors exclude leaves them out, --errors fail counts them" in err
    scorers = write.inspect_scored(tmp_path, {"a": 1, "b": 0.5})
    _, _, err = run("convert", scorers, "-o", tmp_path / "a.csv")
    assert "choose one, as in --scorer 'a'" in err
    _, _, err = run("convert", scorers, "-o", tmp_path / "a.csv", "--scorer", "b")
    assert "--threshold 1 counts values from 1 on as successes, --threshold 0.5 those" in err
    code, _, _ = run("convert", scorers, "-o", tmp_path / "a.csv", "--scorer", "b", "--threshold", ".5")
    assert code == 0
    assert pairs(read_counts(tmp_path / "a.csv", by="group")["mock/model"]) == [(1, 1)]


def test_every_command_takes_logs(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def stop(groups: Mapping[str, Counts], *args: Any, **options: Any) -> None:
        seen.append(list(groups))
        raise ValueError("far enough")

    import lmpower.study

    monkeypatch.setattr(lmpower.study, "study_fits", stop)
    monkeypatch.setattr(lmpower.study, "study_beliefs", stop)
    for command in ("fit", "posterior", "forecast"):
        code, out, err = run(command, *PLAIN)
        assert (code, err) == (2, "lmpower: far enough\n")
        assert out.startswith("Read as Inspect AI log.\nGroup 'task': stopping is on_success")
        code, out, err = run(command, *PLAIN, "--json", "--group", "tiny")
        assert out == ""
        assert err.startswith("lmpower: Read as Inspect AI log.\nlmpower: Group 'task': stopping")
    assert seen == [["tiny", "task"], ["tiny"]] * 3
