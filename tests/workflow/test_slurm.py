"""The workflow through its Slurm profile, on a real Slurm of one node: whole, with a node lost, with a job killed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared import alone, common
from tests.workflow.place import ROOT, RUN, command, delivered, workplace
from tests.workflow.slurm import LONG, OneNode, missing, one_node, until

PROFILE = ["--workflow-profile", "workflow/profiles/slurm", "--slurm-no-account", "--latency-wait", "5"]
PROFILE += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    if absent := missing():
        pytest.skip(f"no {', '.join(absent)} (apt-get install slurmctld slurmd slurm-client munge): Slurm is not tried")
    with alone(common(tmp_path_factory) / "slurm.lock"), one_node() as node:
        yield node


def start(node: OneNode, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Begin the run through the profile."""
    return subprocess.Popen(
        command("snakemake", *RUN["snakemake"], *PROFILE, *arguments), cwd=folder, text=True,
        env=node.environment | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def end(run: subprocess.Popen[str]) -> tuple[int, str]:
    """How it ended and what it said."""
    try:
        said, _ = run.communicate(timeout=LONG)
    finally:
        run.kill()
    return run.returncode, said


def running(node: OneNode, run: subprocess.Popen[str], rule: str) -> str:
    """The number of a rule's job once it runs."""
    found: list[str] = []

    def look() -> bool:
        found.extend(number for number, name in node.jobs("running").items() if name == rule)
        return bool(found) or run.poll() is not None

    until(look, what=f"{rule} runs")
    assert found, f"it ended before {rule} ran:\n{end(run)[1]}"
    return found[0]


@pytest.fixture(scope="module")
def through_a_lost_node(
    slurm: OneNode, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str], tuple[int, str]]:
    """A run whose node goes down during its first job and comes back: its folder, the states seen, its end."""
    folder = workplace(tmp_path_factory.mktemp("slurm") / "here", tmp_path_factory)
    run = start(slurm, folder)
    try:
        number = running(slurm, run, "read")
        slurm.ask("scontrol", "update", f"nodename={slurm.name}", "state=down", "reason=test")
        until(lambda: number in slurm.jobs("pending"), what="the job is put back into the queue")
        seen = [slurm.ask("sinfo", "--noheader", "--format", "%T")]
        slurm.ask("scontrol", "update", f"nodename={slurm.name}", "state=resume")
    except BaseException:
        run.kill()
        raise
    return folder, seen, end(run)


def test_a_run_goes_on_when_its_node_comes_back_and_gives_the_same_bytes(
    through_a_lost_node: tuple[Path, list[str], tuple[int, str]], by_command: Path
) -> None:
    folder, seen, (code, said) = through_a_lost_node
    assert seen == ["down"]
    assert code == 0, said
    for step in ("read", "screen", "gates", "larger", "trust", "report"):
        assert f"rule_{step}/" in said, f"{step} went to Slurm"
    assert delivered(folder) == delivered(by_command)


def test_a_killed_job_is_told_and_a_second_call_finishes(
    slurm: OneNode, through_a_lost_node: tuple[Path, list[str], tuple[int, str]], by_command: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "there"
    shutil.copytree(through_a_lost_node[0], folder)
    run = folder / "results" / "demo"
    table = (run / "gates.parquet").relative_to(folder).as_posix()
    for path in [*run.glob("gates.*"), run / "log" / "gates.log"]:
        path.unlink()
    read_at = (run / "work" / "simulated.h5ad").stat().st_mtime_ns

    first = start(slurm, folder, table, "--retries", "0")
    number = running(slurm, first, "gates")
    until((run / "log" / "gates.log").exists, what="gates begins its work")
    slurm.ask("scancel", number)
    code, said = end(first)
    assert code != 0
    assert "Error in rule gates" in said and "CANCELLED" in said, said
    assert not (run / "gates.parquet").exists()

    code, said = end(start(slurm, folder, table))
    assert code == 0, said
    assert delivered(folder) == delivered(by_command)
    assert (run / "work" / "simulated.h5ad").stat().st_mtime_ns == read_at, "what was done is not done again"
