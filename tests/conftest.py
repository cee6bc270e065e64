"""What several test files need."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import pytest

from lmpower.cli import main

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real counts, which stays outside of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real counts (../shared/data, beside the repository) are not here")
    return SHARED_DATA


class Ran(NamedTuple):
    """What a command of the shell ended with, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*argv: Any) -> Ran:
        code = main([str(word) for word in argv])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def shards(tmp_path: Path) -> Any:
    """An empty run, of which each test fills what it needs."""
    from small_run import CONFIG

    from lmpower.backtest.shards import Shards

    return Shards(tmp_path / "run", CONFIG)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a small run ends with."""
    from small_run import CONFIG, UNITS, table

    from lmpower.backtest.shards import Shards, run_units

    merged = run_units(Shards(tmp_path_factory.mktemp("whole"), CONFIG), UNITS, table, progress=False)
    assert merged is not None
    return merged.read_bytes()


@pytest.fixture(scope="session")
def arviz() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ 0.23 announces its successor when imported
        return pytest.importorskip("arviz")


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_programs() -> Iterator[None]:
    """A process holds only so many compiled programs: give them back after each file."""
    yield
    jax.clear_caches()
