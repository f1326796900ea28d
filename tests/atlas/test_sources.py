"""The registry of public files: what it holds, and what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.atlas.public.sources import SOURCES, find_sources, read_sources
from cartarget.atlas.registry import READERS
from cartarget.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
WANTED = {
    "gtex_v8", "gtex_v8_samples", "gtex_v10", "gtex_v10_samples", "toil", "toil_tpm", "tcga", "recount3_tcga", "hpa",
    "recount3_gtex",
    "tabula_sapiens", "cellxgene", "cellxgene_collection", "census", "tisch", "cptac_luad", "cptac_colon", "hgnc",
    "uberon", "cell_ontology", "surface",
}  # fmt: skip


def test_the_registry_holds_what_a_run_needs() -> None:
    sources = read_sources()
    assert {source.name for source in sources} >= WANTED
    assert {source.evidence for source in sources} == {"samples", "cells", "summary", "protein", "annotation"}
    for source in sources:
        assert source.citation and source.release and source.seen, source.file
        assert not source.reader or source.reader in READERS, source.reader
        assert source.reader or source.evidence == "annotation", f"nothing reads {source.file}"


def test_a_value_fills_the_address() -> None:
    found, about = find_sources("recount3_tcga:SKCM", sources=read_sources())
    assert about.address.endswith("/tcga/metadata/CM/SKCM/tcga.tcga.SKCM.MD.gz")
    assert found.address.endswith("/tcga/gene_sums/CM/SKCM/tcga.gene_sums.SKCM.G026.gz")
    assert found.file == "tcga.gene_sums.SKCM.G026.gz"
    assert not found.is_template
    assert found.path("x").as_posix() == "x/recount3_tcga/tcga.gene_sums.SKCM.G026.gz"
    (one,) = find_sources("hpa/normal_tissue.tsv.zip", sources=read_sources())
    assert one.reader == "ihc"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gtx_v8", "did you mean 'gtex_v8'"),
        ("hpa/absent.zip", "its files: rna_tissue_consensus.tsv.zip"),
        ("recount3_tcga", "needs a value .*TCGA project.*recount3_tcga:VALUE"),
        ("hgnc:9", "takes no value"),
        ("tcga:../x", "cannot be part of an address"),
    ],
)
def test_a_wrong_name_is_told(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_sources(name, sources=read_sources())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name\tfile", "nmae\tfile", "line 1: found .*expected the columns"),
        ("hgnc\t", "\t", "name is empty"),
        ("\tCC0\t", "\t\t", "licence is empty"),
        ("https://storage.googleapis.com/public", "ftp://x/", "expected http"),
        ("\tannotation\tseveral public repositories\n", "\thearsay\tx\n", "evidence 'hearsay'"),
        ("hgnc_complete_set.txt\t", "../x\t", "must be plain names"),
        ("\t8846936\t", "\t8.8 MB\t", "size '8.8 MB'"),
        ("\t8846936\t\t", "\t8846936\tabc\t", "checksum 'abc'"),
        ("\tCC0\t", "\tCC0\tone more\t", "found 15 fields, expected 14"),
        ("uniprot_human_reviewed.tsv", "S2_File.xlsx", "surface/S2_File.xlsx stands twice"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (ROOT / SOURCES).read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "atlases.tsv"
    broken.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_sources(broken)
    assert "line" in str(error.value)


def test_an_absent_registry_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sources(tmp_path / "absent.tsv")
