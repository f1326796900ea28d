"""The wheel alone, in an empty folder: tables and workflow are inside, and a copy in the folder overrides."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.shared import once
from tests.workflow.place import ROOT, SMALL, workplace

SHARED = ("config", "resources", "workflow", "environment.yml")


def _install(folder: Path) -> None:
    """A wheel, and an environment that holds it and borrows what it depends on."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = str(folder / "env" / "bin" / "python")
    [wheel] = folder.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", str(wheel)], check=True, capture_output=True)
    [packages] = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "wheel", _install)


def call(installed: Path, folder: Path, *command: str) -> str:
    """What a program of the environment says in a folder; it must succeed."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own["PATH"] = f"{installed / 'env' / 'bin'}{os.pathsep}{own['PATH']}"
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_each_table_and_the_workflow(installed: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", *SHARED], cwd=ROOT, capture_output=True, text=True, check=True)
    [wheel] = installed.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert [name for name in tracked.stdout.split() if f"cartarget/share/{name}" not in held] == []
    assert not [name for name in held if "share/resources/downloads" in name or "__pycache__" in name]


def test_it_runs_from_an_empty_folder(
    installed: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there = workplace(tmp_path / "checkout", tmp_path_factory)
    here, other = tmp_path / "here", tmp_path / "other"
    for folder in (here, other):
        folder.mkdir()
        shutil.copy(there / "atlas.h5ad", folder)
        (folder / "small.yaml").write_text(SMALL)
    assert call(installed, here, "python", "-c", "import cartarget; print(cartarget.__file__)").startswith(
        str(installed)
    )
    assert call(installed, here, "cartarget", "config") == (ROOT / "config" / "config.yaml").read_text()
    assert "right" in call(installed, here, "cartarget", "config", "--check", "small.yaml")

    call(installed, here, "cartarget", "screen", "small.yaml")
    snakefile = call(installed, other, "cartarget", "workflow").strip()
    snakemake = ["python", "-m", "snakemake", "--snakefile", snakefile, "--configfile", "small.yaml"]
    call(installed, other, *snakemake, "--cores", "1", "--until", "screen")
    tables = [(folder / "results/demo/antigens.parquet").read_bytes() for folder in (here, other)]
    assert tables[0] == tables[1]

    asked = json.loads((here / "results/demo/log/screen.json").read_text())
    assert "cartarget:config/tissue_tiers.tsv" in asked["inputs"]
    assert not [path for path in asked["inputs"] if path.startswith(("/", ".."))], "no path of one machine"


def test_a_project_is_started_and_its_tables_override(installed: Path, tmp_path: Path) -> None:
    call(installed, tmp_path, "cartarget", "init", "mine")
    mine = tmp_path / "mine"
    assert "right" in call(installed, mine, "cartarget", "config", "--check", "config/config.yaml")
    inputs = "from cartarget.run.inputs import resource_paths; from cartarget import Config, read_tiers; "
    told = call(installed, mine, "python", "-c", inputs + "print(*resource_paths(Config()), sep='\\n')").split()
    assert "config/tissue_tiers.tsv" in told and "resources/controls.tsv" in told, "those of the folder"
    assert any(path.endswith("share/resources/toxicity.tsv") for path in told), "the others come with the package"
    tiers = mine / "config" / "tissue_tiers.tsv"
    lines = tiers.read_text().splitlines()
    tiers.write_text("\n".join(line for line in lines if not line.startswith("heart\t")) + "\n")
    assert call(installed, mine, "python", "-c", inputs + "print('heart' in read_tiers().required)") == "False\n"
    again = subprocess.run(
        [installed / "env" / "bin" / "cartarget", "init", "mine"], cwd=tmp_path, capture_output=True, text=True
    )
    assert again.returncode == 1 and "is there already" in again.stderr
