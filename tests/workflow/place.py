"""A folder like a clone with a small run to do, and how to do it: by command, by Snakemake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cartarget.atlas.readers.simulate import simulate_atlas
from cartarget.config import Config
from cartarget.run.steps import STEPS
from tests.shared import once

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
DELIVERED = [Path(path).name for step in STEPS for path in step.outputs(Config()) if "/work/" not in path]
SMALL = """
name: demo
top: 100
trust: {gates: 5, folds: 2, bootstrap: 2, chance: 5}
larger: {templates: [A & B & C], top: 20}
atlases:
  - name: simulated
    reader: h5ad
    path: atlas.h5ad
    labels: {donor: donor, cell_type: cell_type, tissue: tissue}
"""
RUN = {"cartarget": ["run", "small.yaml"], "snakemake": ["--configfile", "small.yaml"]}


def command(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", {"cartarget": "cartarget.cli"}.get(program, program), *arguments]


def call(
    program: str, *arguments: str, folder: Path, environment: dict[str, str] = ENVIRONMENT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(program, *arguments), cwd=folder, env=environment, capture_output=True, text=True, timeout=1500
    )


def delivered(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "results" / "demo" / name).read_bytes() for name in DELIVERED}


def workplace(folder: Path, factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's workflow, configuration and resources, a small atlas, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("workflow", "config", "resources"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("downloads"))
    shutil.copy(ROOT / "environment.yml", folder)
    shutil.copy(once(factory, "small_atlas", _write_atlas) / "atlas.h5ad", folder)
    (folder / "small.yaml").write_text(SMALL)
    return folder


def _write_atlas(folder: Path) -> None:
    adata = simulate_atlas(n_patients=6, n_donors=6, n_background=20, cells_per_tumor=60, cells_per_population=12)
    adata.uns.clear()
    adata.write_h5ad(folder / "atlas.h5ad")
