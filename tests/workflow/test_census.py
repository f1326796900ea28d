"""Cells of CELLxGENE Census: what is asked, what is refused; and, where cellxgene-census is, a small Census on disk."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import anndata
import pytest
import yaml

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config, parse_config
from cartarget.errors import ConfigError, InputError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "workflow" / "scripts" / "census.py"
PYTHON = Path(os.environ.get("CARTARGET_CENSUS_PYTHON", ROOT / ".census" / "bin" / "python"))
COLON = "tissue_general == 'colon'"
ATLAS = {
    "name": "colon", "reader": "h5ad", "path": "colon.h5ad", "role": "counted", "tissue": "colon",
    "labels": {"malignant": "disease", "malignant_values": [], "donor": "donor", "cell_type": "cell_type"},
    "census": {"release": "2025-11-08", "cells": COLON},
}  # fmt: skip

needs_census = pytest.mark.skipif(not PYTHON.exists(), reason="needs cellxgene-census: `make census`")


def call(*arguments: str, python: str | Path = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(SCRIPT), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | environment, check=False
    )


@pytest.mark.parametrize("release", ["latest", "stable", "2025-11", ""])
def test_only_a_dated_release_is_taken(release: str, tmp_path: Path) -> None:
    done = call("--release", release, "--cells", COLON, "--output", str(tmp_path / "x.h5ad"))
    assert done.returncode == 1 and "expected a date such as 2025-11-08" in done.stderr
    with pytest.raises(ConfigError, match=r"census\.release"):
        parse_config(
            {
                "atlases": [
                    ATLAS | {"census": {"release": release, "cells": COLON}},
                    {"name": "s", "reader": "simulated"},
                ]
            }
        )


def test_census_is_for_h5ad() -> None:
    with pytest.raises(ConfigError, match=r"atlases\.colon\.census: needs reader h5ad, and a path"):
        parse_config({"atlases": [ATLAS | {"reader": "zarr"}, {"name": "s", "reader": "simulated"}]})


def test_without_the_library_the_way_out_is_told(tmp_path: Path) -> None:
    done = call("--release", "2025-11-08", "--cells", COLON, "--output", str(tmp_path / "x.h5ad"), PYTHONPATH="")
    if done.returncode == 0 or "not installed" not in done.stderr:
        pytest.skip("cellxgene-census is installed beside cartarget")
    assert "run the workflow with --sdm conda, or `make census`" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_tells_who_fetches_the_cells(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`snakemake --sdm conda` fetches it from CELLxGENE Census"):
        read_atlas(AtlasConfig.model_validate(ATLAS), config=Config(data_dir=str(tmp_path)))


def configure(folder: Path) -> Path:
    for name in ("config", "resources", "workflow", "environment.yml"):
        (folder / name).symlink_to(ROOT / name)
    config = {"name": "c", "atlases": [{"name": "simulated", "reader": "simulated"}, ATLAS]}
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    return folder / "run.yaml"


def snakemake(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--configfile", "run.yaml"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip


def test_the_workflow_has_a_rule_for_each_atlas_that_asks(tmp_path: Path) -> None:
    configure(tmp_path)
    done = snakemake(tmp_path, "-n", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "rule census_colon" in said
    assert "--release 2025-11-08" in said and "--most 200000" in said


@needs_census
def test_a_small_census_becomes_an_atlas(tmp_path: Path) -> None:
    """Duplicates and other tissues are left out; donors of two data sets stay two; counts are counts."""
    subprocess.run([PYTHON, Path(__file__).with_name("small_census.py"), tmp_path / "census"], check=True)
    configure(tmp_path)
    path = f"{PYTHON.parent}:{os.environ['PATH']}"
    done = snakemake(tmp_path, "colon.h5ad", CARTARGET_CENSUS=str(tmp_path / "census"), PATH=path)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "results" / "c" / "log" / "census" / "colon.log").read_text()
    assert "8 cells of 4 donors × 2 genes: colon.h5ad" in log
    raw = anndata.read_h5ad(tmp_path / "colon.h5ad")
    assert raw.obs_names.tolist() == ["0", "1", "2", "3", "4", "6", "7", "8"]
    adata = read_atlas(AtlasConfig.model_validate(ATLAS), config=Config(data_dir=str(tmp_path)))
    assert adata.var_names.tolist() == ["EPCAM", "MSLN"] and adata.uns["cartarget"]["unit"] == "counts"
    assert adata.obs["donor"].astype(str).tolist()[-2:] == ["D2:q", "D2:p"]
    assert adata.X.toarray().ravel().tolist() == [
        float(2 * cell + gene) for cell in (0, 1, 2, 3, 4, 6, 7, 8) for gene in (0, 1)
    ]


@needs_census
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cells", COLON, "--most", "7"], "8 cells match, more than 7; narrow the condition"),
        (["--cells", "tissue_general == 'brain'"], "no cell matches .*is_primary_data == True"),
        (["--cells", "tisue == 'colon'"], "are the names of the condition columns of its obs"),
    ],
)
def test_what_cannot_be_had_is_told_and_nothing_is_left(tmp_path: Path, arguments: list[str], message: str) -> None:
    subprocess.run([PYTHON, Path(__file__).with_name("small_census.py"), tmp_path / "census"], check=True)
    (tmp_path / "out").mkdir()
    done = call(
        "--release", "2025-11-08", "--output", str(tmp_path / "out" / "x.h5ad"), *arguments, python=PYTHON,
        CARTARGET_CENSUS=str(tmp_path / "census"),
    )  # fmt: skip
    assert done.returncode == 1 and re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
