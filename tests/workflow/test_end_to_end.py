"""The simulated atlas from end to end: by command and by Snakemake, again, changed, and after a kill."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from cartarget.config import Config, load_config
from cartarget.contracts import TABLES, read_table
from cartarget.evidence.store import read_part
from cartarget.logic.gate import Gate
from cartarget.run.steps import STEPS
from tests.workflow.place import DELIVERED, ENVIRONMENT, RUN, SMALL, call, command, delivered, workplace


def test_the_simulated_atlas_is_read_and_ranked(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = workplace(tmp_path / "demo", tmp_path_factory)
    done = call("cartarget", "screen", "config/config.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    antigens = read_table("antigens", folder / "results/demo/antigens.parquet")
    assert antigens.sort_values("rank")["symbol"].iloc[0] == "LY6G6D"


def test_a_run_ends_with_the_report_and_the_top_rows(by_command: Path) -> None:
    told = (by_command / "stdout").read_text()
    assert told.rstrip().splitlines()[-1] == "Report: results/demo/report.html"
    first = read_table("antigens", by_command / "results/demo/antigens.parquet").sort_values("rank")["symbol"].iloc[0]
    assert first in told
    assert "[7/7] report" in (by_command / "stderr").read_text(), "progress is visible"


PANEL = {"panel", "panel_products", "panel_prices"}
"""Tables of `cartarget panel`, which no run writes."""


def test_a_run_leaves_what_it_promises(by_command: Path) -> None:
    run = by_command / "results" / "demo"
    assert {path.name for path in run.iterdir()} == {*DELIVERED, "log", "work"}
    for table in set(TABLES) - PANEL:
        rows = read_table(table, run / f"{table}.parquet")
        assert len(rows) or table not in ("antigens", "gates", "exposure", "trust")
    for step in STEPS:
        log = (run / "log" / f"{step.name}.log").read_text()
        assert log.startswith(f"step: {step.name}\ncommand: ")
        assert "seconds: " in log
    told = json.loads((run / "provenance.json").read_text())
    assert told["command"] == "cartarget run results/demo/config.yaml"
    assert str(by_command) not in (run / "provenance.json").read_text() + (run / "report.html").read_text()


def test_what_a_run_delivers_names_no_person(by_command: Path) -> None:
    run = by_command / "results" / "demo"
    people = {name for part in run.glob("work/evidence/*") for name in read_part(part).donors}
    assert {"patient01", "donor01"} < people
    for name in DELIVERED:
        text = told_by(run / name)
        assert not [person for person in people if person in text], name
    assert "patient 1" in told_by(run / "exposure.tsv") and "patient 1" in told_by(run / "report.html")


def test_gates_of_a_run_agree_with_what_they_are_made_of(by_command: Path) -> None:
    """The best member is the best-ranked part, gains are differences from it, and a missed blocker only adds harm."""
    run = by_command / "results" / "demo"
    gates, antigens = (read_table(name, run / f"{name}.parquet") for name in ("gates", "antigens"))
    singles = antigens.set_index("symbol")
    paired = gates[gates["best_member"].notna() & (gates["n_antigens"] == 2)]
    best = [Gate.parse(name).antigens[0] for name in paired["best_member"]]
    for row, own in zip(paired.itertuples(), best, strict=True):
        sensed = [one.symbol for one in Gate.parse(row.gate).literals if not one.is_negated]
        assert (
            singles["rank"].reindex(sensed).idxmin() == own if singles["rank"].reindex(sensed).notna().any() else True
        )
    for column, sign in (("coverage", 1), ("window", 1), ("selectivity", 1), ("liability", -1)):
        gain = sign * (paired[column].to_numpy(float) - singles[column].reindex(best).to_numpy(float))
        np.testing.assert_allclose(paired[f"gain_{column}"].to_numpy(float), gain, atol=1e-9)
    blocked = gates[gates["gate"].str.contains("~")]
    assert len(blocked)
    for end in ("", "_upper"):
        residual = blocked[f"liability_residual{end}"].to_numpy(float, na_value=np.nan)
        assert (residual >= blocked[f"liability{end}"].to_numpy(float, na_value=np.nan)).all()
    assert (blocked["liability_residual_upper"] >= blocked["liability_residual"]).all()


def told_by(path: Path) -> str:
    """All text of a file: of a table its cells, of a page what is packed in it too."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pandas().to_csv()
    text = path.read_text(encoding="utf-8")
    packed = re.findall(r"H4sI[A-Za-z0-9+/=]{100,}", text)
    return "\n".join([text, *(gzip.decompress(base64.b64decode(block)).decode("latin-1") for block in packed)])


def test_command_and_workflow_give_the_same_bytes(by_command: Path, by_snakemake: Path) -> None:
    one, two = delivered(by_command), delivered(by_snakemake)
    assert [name for name in DELIVERED if one[name] != two[name]] == []


def test_the_recorded_command_repeats_the_run(by_snakemake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(by_snakemake)
    recorded = json.loads(Path("results/demo/provenance.json").read_text())
    program, verb, file = recorded["command"].split()
    assert (program, verb) == ("cartarget", "run")
    assert load_config(file) == load_config("small.yaml")


def done_by_command(folder: Path, verb: str, changes: str) -> set[str]:
    """Steps that the command line does if its configuration changes."""
    (folder / "changed.yaml").write_text(SMALL + changes)
    done = call("cartarget", verb, "changed.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("[")]
    return {line.split()[1] for line in told if "nothing has changed" not in line}


def test_the_command_line_does_only_what_has_changed(by_command: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    shutil.copytree(by_command, folder)
    before = delivered(folder)
    assert done_by_command(folder, "run", "") == set()
    assert delivered(folder) == before
    assert done_by_command(folder, "screen", "coverage_floor: 0.25\n") == {"screen"}
    assert done_by_command(folder, "gates", "indication: read\n") == {"read", "count", "screen", "larger", "gates"}, (
        "what was read for another tumour is never used"
    )
    with open(folder / Config().tiers, "a") as tiers:
        tiers.write("# looked at\n")
    assert done_by_command(folder, "screen", "indication: read\n") == {"read", "count", "screen"}


def planned(folder: Path, *arguments: str) -> set[str]:
    """Steps that Snakemake would do."""
    plan = call("snakemake", *RUN["snakemake"], "--dry-run", *arguments, folder=folder)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    return {step.name for step in STEPS if f"rule {step.name}:" in plan.stdout + plan.stderr}


def test_a_second_run_does_nothing(by_snakemake: Path) -> None:
    assert planned(by_snakemake) == set()
    again = call("snakemake", *RUN["snakemake"], folder=by_snakemake)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("changed", "steps"),
    [
        ("title=Other", {"report"}),
        ("top=7", {"gates", "trust", "report"}),
        ("coverage_floor=0.25", {"screen", "larger", "gates", "trust", "report"}),
        ("seed=1", {"read", "count", "screen", "gates", "larger", "trust", "report"}),
        ("larger={templates: [A | (B & C)]}", {"larger", "gates", "trust", "report"}),
    ],
)
def test_a_changed_key_runs_what_depends_on_it(by_snakemake: Path, changed: str, steps: set[str]) -> None:
    assert planned(by_snakemake, "--config", changed) == steps


def test_a_changed_input_runs_what_depends_on_it(by_snakemake: Path) -> None:
    tiers = by_snakemake / Config().tiers
    before = tiers.read_text(encoding="utf-8")
    stamp = tiers.stat()
    try:
        tiers.write_text(before.replace("\t0.05\t", "\t0.04\t"), encoding="utf-8")
        assert {"screen", "gates", "trust", "report"} <= planned(by_snakemake)
    finally:
        tiers.write_text(before, encoding="utf-8")
        os.utime(tiers, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def test_snakemakes_report_has_words(by_snakemake: Path) -> None:
    done = call("snakemake", *RUN["snakemake"], "--report", "report.zip", folder=by_snakemake)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(by_snakemake / "report.zip") as archive:
        page = next(
            archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith("report.html") and "/data/" not in name
        )
    for word in ("Report", "Antigens", "Gates", "Exposure", "ranked antigens", "the report to mail"):
        assert word in page


@pytest.mark.parametrize(("program", "during"), [("snakemake", "screen"), ("cartarget", "gates")])
def test_a_killed_run_leaves_nothing_half_written_and_resumes(
    by_snakemake: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, program: str, during: str
) -> None:
    folder = workplace(tmp_path / "killed", tmp_path_factory)
    run = folder / "results" / "demo"
    started = subprocess.Popen(
        command(program, *RUN[program]), cwd=folder, env=ENVIRONMENT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while not (run / "log" / f"{during}.log").exists():
        assert started.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait(timeout=60)

    for path in run.glob("*.parquet"):
        pyarrow.parquet.read_table(path)
    for path in run.glob("*.json"):
        json.loads(path.read_text())
    assert not (run / "report.html").exists()

    read = run / "work" / "simulated.h5ad"
    read_at = read.stat().st_mtime_ns
    done = call(program, *RUN[program], folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert delivered(folder) == delivered(by_snakemake)
    assert not list(run.rglob("*.part"))
    assert read.stat().st_mtime_ns == read_at, "what was done is not done again"
