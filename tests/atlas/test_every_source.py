"""Every atlas of the registry that has a reader: fetched from a mirror on loopback under its own name, and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.public.fetch import Fetching, fetch
from cartarget.atlas.public.sources import find_sources, read_sources
from cartarget.config import AtlasConfig, Config
from tests.atlas import standins, test_recount3, test_tenx, test_tumor_protein
from tests.atlas.server import Manners, serving
from tests.atlas.test_public_run import write_cells

ROWS = standins.toil_samples(n_tumors=3, n_donors=1)
NAMES = [row[0] for row in ROWS]
COUNTS = standins.toil_counts(ROWS)
GTEX = ["GTEX-1117F-0226-SM-5GZZ7", "GTEX-ZZPU-2726-SM-5NQ8O"]
BARCODES = ["TCGA-AF-2689-01A", "TCGA-AF-2690-01A", "TCGA-AF-2689-11A"]
CELLS = {"tissue": "colon", "labels": {"malignant": "disease", "malignant_values": [], "donor": "donor_id",
                                       "cell_type": "cell_type"}, "role": "counted"}  # fmt: skip
MALIGNANT = test_tenx.LABELS.model_dump()
RATIOS = {"path": ".", "role": "tumor_protein", "tissue": "colon"}


def medians(path: Path) -> None:
    standins.gct(path, COUNTS[:, : len(standins.GTEX)], list(standins.GTEX))


def samples(path: Path) -> None:
    standins.gct(path, np.round(COUNTS[:, :2] if "reads" in path.name else COUNTS[:, :2] / 1e3), GTEX)


def attributes(path: Path) -> None:
    standins.write(path, "SAMPID\tSMTSD\n" + "".join(f"{name}\tLiver\n" for name in GTEX))


def tumor(path: Path) -> None:
    standins.write(path, test_tumor_protein.TUMOR)


def normal(path: Path) -> None:
    standins.write(path, test_tumor_protein.NORMAL)


Case = tuple[str, dict[str, Callable[[Path], Any]], list[dict[str, Any]]]
"""The VALUE to fetch; how to write each file whose name holds a word; what to read."""

CASES: dict[str, Case] = {
    "gtex_v8": ("", {"median": medians}, [{"role": "normal"}]),
    "gtex_v10": ("", {"median": medians}, [{"role": "normal"}]),
    "gtex_v8_samples": (
        "", {"tpm": samples, "reads": samples, "Attributes": attributes},
        [{"path": "*tpm*", "samples": "*Attributes*", "role": "replication"},
         {"path": "*reads*", "samples": "*Attributes*", "role": "replication"}],
    ),
    "toil": (
        "",
        {"count": lambda path: standins.xena(path, COUNTS, NAMES),
         "phenotype": lambda path: standins.phenotype(path, ROWS)},
        [{"path": "*count*", "samples": "*phenotype*", "tumor": "Rectum*"}],
    ),
    "toil_tpm": ("", {"tpm": lambda path: standins.xena(path, COUNTS / 100, NAMES, shift=0.001)}, [{"tissue": "x"}]),
    "tcga": (
        "READ", {"star": lambda path: standins.xena(path, COUNTS[:, :3].round(), BARCODES, first="Ensembl_ID")},
        [{"tissue": "rectum"}],
    ),
    "recount3_tcga": (
        "READ", {"": lambda path: test_recount3.write(path.parent)}, [{"path": "*gene_sums*", "tissue": "rectum"}],
    ),
    "recount3_gtex": (
        "LIVER", {"": lambda path: test_recount3.write(path.parent)}, [{"path": "*gene_sums*", "role": "replication"}],
    ),
    "hpa": (
        "",
        {"consensus": standins.hpa_consensus, "pathology": standins.hpa_cancer, "normal": standins.hpa_ihc,
         "single_cell": lambda path: standins.hpa_consensus(path, place="Cell type", places=("hepatocytes", "T-cells")),
         "subcellular": standins.hpa_locations},
        [{"path": "*consensus*", "role": "normal"}, {"path": "*single_cell*", "role": "normal"},
         {"path": "normal*", "locations": "subcellular*", "role": "protein"},
         {"path": "pathology*", "role": "tumor_protein", "tumor": "melanoma"}],
    ),
    "cellxgene": ("0b7c0d8a-11d4", {"h5ad": write_cells}, [CELLS]),
    "cellxgene_colon": ("", {"h5ad": write_cells}, [CELLS]),
    "tabula_sapiens": ("Liver", {"h5ad": write_cells}, [CELLS]),
    "tisch": (
        "CRC_GSE1",
        {"h5": lambda path: test_tenx.write_tenx(path, values=np.log2(test_tenx.COUNTS * 1.0 + 1)),
         "Meta": test_tenx.write_cells},
        [{"path": "*.h5", "samples": "*Meta*", "role": "counted", "unit": "log2", "labels": MALIGNANT}],
    ),
    "cptac_luad": ("", {"TUMOR": tumor, "NORMAL": normal}, [RATIOS]),
    "cptac_colon": ("", {"Tumor": tumor, "Normal": normal}, [RATIOS]),
}  # fmt: skip
CASES["gtex_v10_samples"] = CASES["gtex_v8_samples"]


def test_every_atlas_with_a_reader_is_among_them() -> None:
    assert set(CASES) == {source.name for source in read_sources() if source.reader}


@pytest.mark.parametrize("name", CASES)
def test_it_is_fetched_and_read(name: str, tmp_path: Path) -> None:
    value, writers, wanted = CASES[name]
    asked = f"{name}:{value}" if value else name
    sources = find_sources(asked, sources=read_sources())
    with serving() as server:
        for source in sources:
            write = next((write for word, write in writers.items() if word in source.file), None)
            if write is not None:
                path = tmp_path / "made" / source.file
                path.parent.mkdir(exist_ok=True)
                write(path)
                server.paths["/" + source.address.split("://")[1]] = Manners(path.read_bytes())
        settings = Fetching(folder=tmp_path / "downloads", pins=tmp_path / "pins.tsv", mirror=server.address)
        fetch([replace(source, size=None, checksum="") for source in sources], settings=settings)
    folder = tmp_path / "downloads" / name
    readers = {source.file: source.reader for source in sources}
    for about in wanted:
        named = {key: found(folder, about[key]) for key in ("path", "samples", "locations") if key in about}
        named.setdefault("path", next(file for file, reader in readers.items() if reader))
        reader = readers.get(named["path"]) or next(reader for reader in readers.values() if reader)
        atlas = AtlasConfig.model_validate({"name": "x", "reader": reader, **about, **named})
        adata = read_atlas(atlas, config=Config(data_dir=str(folder), indication="read"))
        assert adata.n_obs and adata.n_vars


def found(folder: Path, pattern: str) -> str:
    if pattern == ".":
        return pattern
    (path,) = folder.glob(pattern)
    return path.name
