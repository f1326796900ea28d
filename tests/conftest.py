"""Fixtures that every room's tests share, and how tests are dealt out to several processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.shared import compile_one_at_a_time

ROOT = Path(__file__).resolve().parents[1]

# A script for the environment of cellxgene-census, which test_census.py calls.
collect_ignore = ["workflow/small_census.py"]

# A busy machine is no failure, and a test that passes today passes tomorrow.
settings.register_profile("cartarget", deadline=None, derandomize=True)
settings.load_profile("cartarget")

LONGEST = [
    "tests/workflow/test_end_to_end.py",
    "tests/workflow/test_slurm.py",
    "tests/test_real_screen.py",
    "tests/test_real_counted.py",
    "tests/search/test_search.py",
    "tests/atlas/test_public_run.py",
    "tests/report/test_report_access.py",
]
"""Modules that begin first, so that no process is left alone with one at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fix` writes generated files again instead of only comparing them."""
    parser.addoption("--fix", action="store_true", help="write generated files again")


def pytest_configure(config: pytest.Config) -> None:
    """Among several processes, each piece of compiled code is compiled by one and loaded by the others."""
    if hasattr(config, "workerinput"):
        compile_one_at_a_time(Path(config.rootpath, ".pytest_cache", "compile.lock"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules first; all others as they come."""
    place = {module: number for number, module in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.split("::")[0], len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """As many processes as there are cores that this one may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real atlases, read in place; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real atlases (../shared/data) is absent")
    return folder
