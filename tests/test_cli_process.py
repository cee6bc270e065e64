"""cli as a process: what it loads, how it ends, what it leaves to others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lmpower
import lmpower.study

# with PYTHONUNBUFFERED argparse meets the errors of stdout itself, and keeps them for itself
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def shell(*argv: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lmpower", *argv]
    return subprocess.run(
        command, text=True, stdout=stdout, stderr=subprocess.PIPE, env=BUFFERED, check=False
    )


def test_help_needs_the_standard_library_alone() -> None:
    code = (
        "import sys\n"
        "from lmpower.cli import main\n"
        "try: main(['forecast', '--help'])\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'jax', 'numpy', 'matplotlib', 'tqdm', 'narwhals'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_module_is_the_command() -> None:
    assert shell("--version").stdout == f"lmpower {lmpower.__version__}\n"
    refused = shell("fit", "missing.csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "lmpower: cannot read missing.csv: there is no such file\n"


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = shell("--help", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = shell("--help", stdout=full.fileno())
    assert done.returncode == 2
    assert done.stderr == "lmpower: [Errno 28] No space left on device\n"


def test_interrupted(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lmpower.study, "sample_posterior", interrupt)
    ran = run("demo")
    assert (ran.code, ran.out, ran.err) == (130, "", "lmpower: interrupted\n")
