"""The public run, end to end against a mirror on loopback that serves small stand-ins of every file that it needs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartarget.atlas.public.census import COLUMNS
from cartarget.atlas.public.sources import Source, read_sources
from cartarget.config import load_config
from cartarget.run.downloads import data_paths, needed
from cartarget.safety.tiers import read_tiers
from tests.atlas import standins
from tests.atlas.server import Manners, Served, serving
from tests.surface.test_build import write_hgnc, write_sources

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "config/examples/tcga_gtex_toil.yaml"
WITH_CELLS = "config/examples/tcga_gtex_census.yaml"
BRIEF = {"top": "300", "trust": "{gates: 10, folds: 2, bootstrap: 3, chance: 20}"}
"""Everything is asked, with few samples."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file by atlas and name, as the registry calls them."""
    folder = tmp_path_factory.mktemp("public")
    rows = standins.toil_samples(n_tumors=24)
    samples = [row[0] for row in rows]
    standins.xena(folder / "toil" / "TcgaTargetGtex_gene_expected_count.gz", standins.toil_counts(rows), samples)
    standins.phenotype(folder / "toil" / "TcgaTargetGTEX_phenotype.txt.gz", rows)
    standins.hpa_consensus(folder / "hpa" / "rna_tissue_consensus.tsv.zip")
    standins.hpa_ihc(folder / "hpa" / "normal_tissue.tsv.zip")
    standins.hpa_cancer(folder / "hpa" / "pathology.tsv.zip")
    standins.hpa_locations(folder / "hpa" / "subcellular_location.tsv.zip")
    write_hgnc(folder / "hgnc" / "hgnc_complete_set.txt")
    write_sources(folder / "surface")
    standins.uniprot(folder / "surface" / "uniprot_human_reviewed.txt.gz")
    write_cells(folder / "cellxgene_colon" / "63ff2c52-cb63-44f0-bac3-d0b33373e312.h5ad")
    return folder


def write_cells(path: Path) -> None:
    """An `.h5ad` as CELLxGENE deposits it: Ensembl ids as names, symbols in `feature_name`, counts in `raw`."""
    draws = np.random.default_rng(1)
    counts = sparse.csr_matrix(draws.poisson(1.0, size=(60, len(standins.GENES))).astype(np.float32))
    obs = pd.DataFrame(
        {
            "donor_id": pd.Categorical([f"D{i % 3}" for i in range(60)]),
            "cell_type": pd.Categorical(["enterocyte", "goblet cell"] * 30),
            "tissue": pd.Categorical(["left colon"] * 60),
            "disease": pd.Categorical(["normal"] * 60),
            "is_primary_data": True,
        },
        index=[f"cell{i}" for i in range(60)],
    )
    var = pd.DataFrame(
        {"feature_name": list(standins.GENES)}, index=[e.split(".")[0] for e, _ in standins.GENES.values()]
    )
    adata = anndata.AnnData(counts, obs=obs, var=var)
    adata.raw = adata
    adata.X = sparse.csr_matrix(np.log1p(counts.toarray() / 10))
    path.parent.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(path)


@pytest.fixture
def mirror(files: Path) -> Iterator[Served]:
    """A mirror that serves them by host and path, and cuts the largest short at first."""
    with serving() as server:
        for source in read_sources():
            path = source.path(files)
            if not source.is_template and path.exists():
                cut: list[int | None] = [5000] if "expected_count" in source.file else []
                server.paths["/" + source.address.split("://")[1]] = Manners(path.read_bytes(), cut=cut)
        yield server


@pytest.fixture
def checkout(tmp_path: Path, files: Path) -> Path:
    """A folder with the package's tables; its registry knows the stand-in's checksum where the real one's is known."""
    for name in ("config", "resources", "workflow"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("downloads", "*.lock.tsv"))
    shutil.copy(ROOT / "environment.yml", tmp_path)
    registry = tmp_path / "resources" / "atlases.tsv"
    text = registry.read_text()
    for source in read_sources():
        if source.checksum and source.path(files).exists():
            text = text.replace(
                source.checksum, f"sha256:{hashlib.sha256(source.path(files).read_bytes()).hexdigest()}"
            )
    registry.write_text(text)
    return tmp_path


def call(folder: Path, *arguments: str, mirror: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CARTARGET_MIRROR": mirror}
    program = ["-m", "cartarget.cli"] if arguments[0] == "atlas" else ["-m"]
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_every_file_of_the_public_run_is_in_the_registry() -> None:
    config = load_config(ROOT / CONFIG)
    assert len(data_paths(config)) == 10
    found = needed(config, folder=ROOT / "resources" / "downloads")
    assert set(found) == set(data_paths(config))
    assert all(isinstance(source, Source) and replace(source) == source for parts in found.values() for source in parts)


def test_fetch_check_and_run_from_nothing(checkout: Path, mirror: Served) -> None:
    done = call(checkout, "atlas", "fetch", CONFIG, mirror=mirror.address)
    assert done.returncode == 0, done.stderr
    assert "surface_votes.tsv" in done.stdout
    matrix = next(path for path in mirror.asked if "expected_count" in path)
    assert mirror.asked[matrix] == ["", "bytes=5000-"]
    pinned = (checkout / "resources" / "atlases.lock.tsv").read_text().splitlines()
    assert len(pinned) == 14 and pinned[0].startswith("name\tfile\tsize\tsha256")

    checked = call(checkout, "atlas", "check", CONFIG)
    assert checked.returncode == 0, checked.stderr
    for said in (
        "tumor: 24 samples of 24 donors",
        "unit CPM",
        "samples are left out",
        "every tissue and cell type has a tier",
    ):
        assert said in checked.stdout, checked.stdout

    tumors = [f"TCGA-AF-{number:04d}-01\t{0.5 + number / 100:g}" for number in range(20)]
    (checkout / "purity.tsv").write_text("\n".join(["sample\tpurity", *tumors]) + "\n")
    text = (checkout / CONFIG).read_text()
    asked = "    unit: log2(count + 1)\n"
    assert asked in text
    brief = "".join(f"{key}: {value}\n" for key, value in BRIEF.items())
    mine = text.replace(asked, f"{asked}    purity: purity.tsv\n    scaling: tmm\n") + brief
    (checkout / "mine.yaml").write_text(mine)
    run = call(checkout, "cartarget.cli", "run", "mine.yaml")
    assert run.returncode == 0, run.stderr
    results = checkout / "results" / "tcga_gtex_toil"
    assert (results / "report.html").stat().st_size > 100_000
    summary = json.loads((results / "summary.json").read_text())
    assert {atlas["name"] for atlas in summary["atlases"]} >= {"toil", "hpa_consensus", "hpa_ihc"}
    antigens = pd.read_parquet(results / "antigens.parquet")
    epcam = antigens[antigens["symbol"] == "EPCAM"]
    assert epcam["coverage"].item() == 1.0
    assert epcam["coverage_purity_upper"].item() == 1.0
    assert 0 < epcam["coverage_purity_lower"].item() < 1, "the rectum around the tumour has it too"
    assert epcam["n_purity"].item() == 20
    batches = pd.read_csv(results / "batches.tsv", sep="\t")
    assert set(zip(batches["atlas"], batches["dataset"], batches["side"], strict=True)) == {
        ("toil", "tcga", "tumor"), ("toil", "tcga", "normal"), ("toil", "gtex", "normal"),
        ("colon_epithelium", "colon_epithelium", "normal"),
    }  # fmt: skip
    toil = next(atlas for atlas in summary["atlases"] if atlas["name"] == "toil")
    assert len(toil["batches"]) == 3
    assert any(note.startswith("libraries are scaled by TMM over ") for note in toil["notes"])
    assert any("different pipelines (toil against hpa_consensus)" in limit for limit in summary["limits"])
    assert (epcam["protein_stained"].item(), epcam["n_protein_stained"].item()) == (0.75, 12)

    again = call(checkout, "atlas", "fetch", CONFIG, "--offline")
    assert again.returncode == 0, again.stderr
    assert mirror.asked[matrix] == ["", "bytes=5000-"], "nothing is fetched twice"


def test_one_command_of_the_workflow_does_it_all(checkout: Path, mirror: Served) -> None:
    brief = [f"{key}={value}" for key, value in BRIEF.items()]
    done = call(
        checkout, "snakemake", "--cores", "2", "--configfile", CONFIG, "--config", *brief, mirror=mirror.address
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (checkout / "results" / "tcga_gtex_toil" / "report.html").exists()
    assert (checkout / "resources" / "downloads" / "toil" / "TcgaTargetGtex_gene_expected_count.gz").exists()


ORGANS = (
    "brain", "heart", "lung", "liver", "kidney", "colon", "small intestine", "stomach", "pancreas", "bone marrow"
)  # fmt: skip


def write_census(path: Path) -> list[tuple[str, str]]:
    """Cells as workflow/scripts/census.py keeps them: 8 donors of ten organs, with every cell type that is required.

    The first cell type of an organ carries CEACAM5, the second EPCAM, no cell both; GPC3 is not among the genes.
    """
    asked = [tuple(name.split(": ")) for name in read_tiers("config/tissue_tiers.tsv").required_cell_types]
    places = [(organ, kind) for organ in ORGANS for tissue, kind in asked if tissue == organ]
    places += [(organ, "fibroblast") for organ in ORGANS] + [("bone marrow", "monocyte")]
    rows = [(*place, donor) for place in places for donor in range(8) for _ in range(5)]
    genes = [symbol for symbol in standins.GENES if symbol != "GPC3"]
    counts = np.zeros((len(rows), len(genes)), dtype=np.float32)
    counts[:, genes.index("ACTB")] = 3000
    for organ in ORGANS:
        first, second, *_ = (kind for tissue, kind in places if tissue == organ)
        for gene, carrier in (("CEACAM5", first), ("EPCAM", second)):
            counts[[row[:2] == (organ, carrier) for row in rows], genes.index(gene)] = 20
    told = {
        "dataset_id": "D1", "tissue_general": [row[0] for row in rows], "tissue": [row[0] for row in rows],
        "tissue_type": "tissue", "disease": "normal", "cell_type": [row[1] for row in rows],
        "donor_id": [f"p{row[2]}" for row in rows], "assay": "10x 3' v3",
        "suspension_type": ["nucleus" if row[0] == "brain" else "cell" for row in rows],
    }  # fmt: skip
    assert set(told) <= set(COLUMNS)
    obs = pd.DataFrame(told, index=[str(number) for number in range(len(rows))])
    obs["donor"] = obs["dataset_id"] + ":" + obs["donor_id"]
    ensembl = [standins.GENES[symbol][0].split(".")[0] for symbol in genes]
    var = pd.DataFrame({"feature_id": ensembl, "feature_name": genes}, index=ensembl)
    path.parent.mkdir(parents=True, exist_ok=True)
    anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=var).write_h5ad(path)
    return places


def test_the_example_with_cells_asks_census_for_the_ten_required_organs() -> None:
    atlas = next(atlas for atlas in load_config(ROOT / WITH_CELLS).atlases if atlas.census)
    assert set(re.findall(r"'([a-z ]+)'", atlas.census.cells)) == {*ORGANS, "normal", "tissue"}
    assert set(ORGANS) == set(read_tiers("config/tissue_tiers.tsv").required)


def test_cells_of_ten_organs_are_counted_beside_the_public_bulk(checkout: Path, mirror: Served) -> None:
    done = call(checkout, "atlas", "fetch", WITH_CELLS, mirror=mirror.address)
    assert done.returncode == 0, done.stderr
    run = call(checkout, "cartarget.cli", "run", WITH_CELLS)
    assert run.returncode == 1, "the cells are not there yet"
    assert "resources/downloads/census/ten_organs.h5ad: no such file" in run.stderr

    places = write_census(checkout / "resources" / "downloads" / "census" / "ten_organs.h5ad")
    brief = "".join(f"{key}: {value}\n" for key, value in BRIEF.items())
    (checkout / "mine.yaml").write_text((checkout / WITH_CELLS).read_text() + brief)
    run = call(checkout, "cartarget.cli", "run", "mine.yaml")
    assert run.returncode == 0, run.stderr
    results = checkout / "results" / "tcga_gtex_census"
    exposure = pd.read_parquet(results / "exposure.parquet").astype({"tissue": str, "cell_type": str, "gate": str})
    cells = exposure[(exposure["evidence"] == "cells") & (exposure["side"] == "normal")]
    assert set(zip(cells["tissue"], cells["cell_type"], strict=True)) == set(places)
    assert set(cells["assay"][cells["tissue"] == "brain"]) == {"nuclei"}
    assert set(cells["assay"][cells["tissue"] != "brain"]) == {"cells"}
    assert (cells["n_observations"] == 40).all() and (cells["n_donors"] == 8).all()

    gate = "CEACAM5 & EPCAM"
    assert gate in set(exposure["gate"]), sorted(set(exposure["gate"]))
    own = exposure[exposure["gate"] == gate]
    samples = own[own["evidence"] == "samples"].set_index("tissue")
    assert samples.loc["colon", "n_positive"] == samples.loc["colon", "n_observations"], "the organ's samples show both"
    assert (own.loc[own["evidence"] == "cells", "n_positive"] == 0).all(), "no cell of it does"
    decided = samples["decided_by"].astype(str)
    assert (decided["colon"], decided["small intestine"], decided["rectum"]) == ("cells", "cells", "samples")
    row = pd.read_parquet(results / "gates.parquet").set_index("gate").loc[gate]
    assert {"colon", "small intestine"} <= set(row["tissues_explained"].split(", "))

    lacking = exposure[exposure["gate"] == "GPC3"].set_index("evidence")
    assert not lacking.loc["cells", "is_measured"].any()
    assert lacking.loc["samples", "is_measured"].all() and lacking.loc["samples", "fraction"].notna().any()
