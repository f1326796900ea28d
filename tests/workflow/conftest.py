"""The small run, done once by command and once by Snakemake, for every test that looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared import once
from tests.workflow.place import RUN, call, workplace


@pytest.fixture(scope="session")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; what was said is in `stdout` and `stderr`."""

    def make(folder: Path) -> None:
        done = call("cartarget", *RUN["cartarget"], folder=workplace(folder / "here", tmp_path_factory))
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "here" / "stdout").write_text(done.stdout)
        (folder / "here" / "stderr").write_text(done.stderr)

    return once(tmp_path_factory, "by_command", make) / "here"


@pytest.fixture(scope="session")
def by_snakemake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder."""

    def make(folder: Path) -> None:
        done = call("snakemake", *RUN["snakemake"], folder=workplace(folder / "there", tmp_path_factory))
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "by_snakemake", make) / "there"
