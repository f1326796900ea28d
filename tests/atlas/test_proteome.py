"""Proteins of normal organs by mass spectrometry: not detected, not in the table, and organs of a foetus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget import harmonise, read_tiers
from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.evidence.proteome import proteome_organs
from cartarget.genes import GeneTable, read_gene_table

HPM = {
    "Gene ID": ["Adult_Colon", "Adult_Frontalcortex", "Adult_CD4Tcells", "Adult_Platelets", "Fetal_Gut"],
    "EPCAM": [0.6, 0, 0, 0.5, 0],
    "MSLN": [0, 0, 0, 0.5, 0],
    "CD4": [0.1, 0.9, 1, 0, 1],
}
KUSTER = {
    "GENE": ["adrenal_gland", "colon", "saliva", "uterus_post-menopause"],
    "EPCAM": ["x", "1000000", "x", "x"],
    "CD276": ["1000000", "x", "9", "1000000"],
}


def write(path: Path, table: dict[str, list[object]]) -> None:
    path.write_text("\n".join("\t".join(map(str, [name, *row])) for name, row in table.items()) + "\n")


def read(folder: Path, name: str, *, genes: GeneTable | None = None):  # type: ignore[no-untyped-def]
    atlas = AtlasConfig(name=name, reader="proteome", path=f"{name}.txt", role="proteome")
    adata = read_atlas(atlas, config=Config(data_dir=str(folder)), genes=genes)
    return harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])


def test_a_table_is_read_into_the_contract(tmp_path: Path) -> None:
    write(tmp_path / "hpm.txt", HPM)
    adata = read(tmp_path, "hpm")
    assert adata.obs["population"].tolist() == [
        "colon", "brain (cerebral cortex)", "blood: T cell", "small intestine",
    ]  # fmt: skip
    assert adata.obs["is_foetal"].tolist() == [False, False, False, True]
    assert adata.uns["cartarget"]["unit"] == "ppm"
    assert adata[:, "EPCAM"].X.ravel().tolist() == pytest.approx([600_000, 0, 0, 0])
    assert "Adult_Platelets" in adata.uns["cartarget"]["notes"][0]


def test_organs_are_told_with_who_found_them(tmp_path: Path) -> None:
    write(tmp_path / "hpm.txt", HPM)
    write(tmp_path / "kuster.txt", KUSTER)
    atlases = [read(tmp_path, "hpm"), read(tmp_path, "kuster")]
    found = proteome_organs(atlases, symbols=["EPCAM", "MSLN", "CD4", "CD276", "CLDN6"])
    assert found["ms_organs"].tolist() == [
        "colon (hpm, kuster)",
        "not detected in 3 organs",
        "blood: T cell (hpm), brain (cerebral cortex) (hpm), colon (hpm)",
        "adrenal gland (kuster), uterus (kuster)",
        None,
    ], "levels order, names break ties; a gene in no table is unknown"
    assert found["ms_foetal"].tolist() == [
        "not detected in 1 organ", "not detected in 1 organ", "small intestine (hpm)", None, None,
    ]  # fmt: skip
    assert proteome_organs([], symbols=["EPCAM"]).isna().all(axis=None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"GENE": ["colon"], "A": ["1000000"], "B": ["-3"]}, r"line 3: colon is '-3'; expected zero or more"),
        ({"GENE": ["colon"], "A": ["many"]}, r"line 2: colon is 'many'"),
        ({"GENE": ["colon"], "A": [""]}, r"line 2: colon is ''"),
        ({"GENE": ["colon"], "A": [37]}, r"columns sum to 37; expected shares of all protein"),
        ({"GENE": ["milk"], "A": [1]}, "no column is an organ; found milk"),
    ],
)
def test_a_wrong_table_is_told(table: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    write(tmp_path / "t.txt", table)
    with pytest.raises(InputError, match=message):
        read(tmp_path, "t")


def test_another_kind_has_another_role(tmp_path: Path) -> None:
    write(tmp_path / "t.txt", {"GENE": ["colon"], "A": [1]})
    adata = read(tmp_path, "t")
    adata.uns["cartarget"]["kind"] = "summary"
    with pytest.raises(InputError, match="role proteome is for the reader proteome, found kind 'summary'"):
        proteome_organs([adata], symbols=["A"])


@pytest.mark.real_data
def test_real_tables_hold_an_opinion_of_their_own(shared_data: Path) -> None:
    folder = shared_data / "protein_mass_spectrometry"
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    atlases = []
    files = {"hpm": "hpm_pandey_gene_expression_tissues_v2.txt.gz", "kuster": "kuster_EnsembleGenePPM_V3.txt.gz"}
    for name, file in files.items():
        atlas = AtlasConfig(name=name, reader="proteome", path=file, role="proteome")
        adata = read_atlas(atlas, config=Config(data_dir=str(folder)), genes=genes)
        atlases.append(harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"]))
        assert np.isfinite(adata.X).all()
    assert [(adata.n_obs, int(adata.obs["is_foetal"].sum())) for adata in atlases] == [(29, 7), (30, 0)]
    found = proteome_organs(atlases, symbols=["CEACAM5", "CLDN18", "CLDN6"])
    assert found.loc["CEACAM5", "ms_organs"].startswith("lung (hpm")
    assert found.loc["CLDN18", "ms_organs"] == "stomach (kuster), lung (hpm)"
    assert found.loc["CLDN6"].isna().all(), "in neither table: unknown"
