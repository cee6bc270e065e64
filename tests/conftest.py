"""What several test files need."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real counts, which stays outside of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real counts (../shared/data, beside the repository) are not here")
    return SHARED_DATA
