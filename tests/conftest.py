"""Fixtures that every room's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# A script for the environment of cellxgene-census, which test_census.py calls.
collect_ignore = ["workflow/small_census.py"]

# A busy machine is no failure, and a test that passes today passes tomorrow.
settings.register_profile("cartarget", deadline=None, derandomize=True)
settings.load_profile("cartarget")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fix` writes generated files again instead of only comparing them."""
    parser.addoption("--fix", action="store_true", help="write generated files again")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real atlases, read in place; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real atlases (../shared/data) is absent")
    return folder
