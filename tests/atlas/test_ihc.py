"""Antibody stains: the highest level, the reliability that belongs to it, and where the protein sits."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.harmonise import harmonise
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.genes import read_gene_table
from cartarget.safety.tiers import read_tiers

HEAD = "Gene\tGene name\tTissue\tCell type\tLevel\tReliability\n"
PLACES = "Gene\tGene name\tReliability\tMain location\tAdditional location\n"
HOSTILE = "</script><img src=x onerror=alert(1)>"
ROWS = [
    ("ENSG1", "EPCAM", "colon", "enterocytes", "Low", "Enhanced"),
    ("ENSG1", "EPCAM", "colon", "enterocytes", "High", "Uncertain"),
    ("ENSG1", "EPCAM", "colon", "enterocytes", "High", "Supported"),
    ("ENSG1", "EPCAM", "heart muscle", "cardiomyocytes", "Not detected", "Approved"),
    ("ENSG2", HOSTILE, "colon", "enterocytes", "Ascending", "Approved"),
    ("ENSG3", "ALB", "N/A", "N/A", "N/A", "Uncertain"),
    ("ENSG3", "ALB", "colon", "enterocytes", "Medium", "Uncertain"),
]


def read(folder: Path, rows: list[tuple[str, ...]], places: str = "", **given: object) -> anndata.AnnData:
    (folder / "ihc.tsv").write_text(HEAD + "".join("\t".join(row) + "\n" for row in rows))
    if places:
        (folder / "places.tsv").write_text(PLACES + places)
    locations = "places.tsv" if places else None
    atlas = AtlasConfig(name="ihc", reader="ihc", role="protein", path="ihc.tsv", locations=locations)
    return read_atlas(atlas, config=Config(data_dir=str(folder)), **given)  # type: ignore[arg-type]


def test_the_highest_level_counts_with_its_best_reliability(tmp_path: Path) -> None:
    adata = read(tmp_path, ROWS)
    levels = adata.to_df()
    reliability = adata.to_df("reliability")
    assert levels.index.tolist() == ["colon | enterocytes", "heart muscle | cardiomyocytes"]
    assert levels["EPCAM"].tolist() == [3, 0]
    assert reliability["EPCAM"].tolist() == [2, 1]


def test_ungraded_is_not_a_level_and_no_row_is_not_zero(tmp_path: Path) -> None:
    adata = read(tmp_path, ROWS)
    assert np.isnan(adata.to_df()[HOSTILE]).all()
    assert adata.to_df("reliability")[HOSTILE].tolist()[0] == 1
    assert np.isnan(adata.to_df("reliability")[HOSTILE].tolist()[1])
    assert adata.uns["cartarget"]["notes"] == ["2 of 7 stains are not graded, 1 name no place: not measured"]


@pytest.mark.parametrize("nothing", ["N/A", "unknown", "", "nan"])
def test_a_stained_cell_type_without_a_tissue_is_kept(tmp_path: Path, nothing: str) -> None:
    """A stain of a vital cell type does not vanish because its row names no tissue."""
    rows = [
        ("ENSG1", "EPCAM", nothing, "cardiomyocytes", "High", "Enhanced"),
        ("ENSG1", "EPCAM", "N/A", "cardiomyocytes", "Low", "Enhanced"),
        ("ENSG1", "EPCAM", nothing, nothing, "High", "Enhanced"),
        ("ENSG1", "EPCAM", "colon", nothing, "Medium", "Enhanced"),
    ]
    adata = read(tmp_path, rows)
    assert adata.to_df()["EPCAM"].to_dict() == {" | cardiomyocytes": 3, "colon | ": 2}
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["lung"])
    assert placed.obs["population"].tolist() == ["heart: cardiomyocyte", "colon"]
    assert adata.uns["cartarget"]["notes"] == ["0 of 4 stains are not graded, 1 name no place: not measured"]


def test_rows_in_any_order_say_the_same(tmp_path: Path) -> None:
    forward, backward = read(tmp_path, ROWS), read(tmp_path, ROWS[::-1])
    pd.testing.assert_frame_equal(forward.to_df(), backward.to_df()[forward.var_names])
    pd.testing.assert_frame_equal(forward.obs, backward.obs)


def test_membrane_by_main_or_additional_location(tmp_path: Path) -> None:
    places = (
        "ENSG1\tEPCAM\tEnhanced\tNucleoplasm\tCytosol;Cell Junctions\n"
        f"ENSG2\t{HOSTILE}\tEnhanced\tPlasma membrane;Vesicles\t\n"
        "ENSG9\tACTB\tEnhanced\tActin filaments\t\n"
    )
    adata = read(tmp_path, ROWS, places)
    assert adata.var["is_membrane"].dtype == "boolean"
    assert adata.var["is_membrane"].astype(object).where(adata.var["is_membrane"].notna(), None).to_dict() == {
        **{"EPCAM": True, HOSTILE: True, "ALB": None}
    }
    assert len(adata.uns["cartarget"]["files"]) == 2


def test_keep(tmp_path: Path) -> None:
    assert read(tmp_path, ROWS, keep=["ALB"]).to_df()["ALB"].tolist()[0] == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("E", "A", "lung", "x", "Huge", "Enhanced"), r"ihc\.tsv, line 9: level is 'Huge'; expected one of Not det"),
        (("E", "A", "lung", "x", "Low", "Perhaps"), r"ihc\.tsv, line 9: reliability is 'Perhaps'"),
        (("E", "A", "lung", "x", "Low"), r"ihc\.tsv, line 9: found 5 fields, expected 6"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, [*ROWS, row])


def test_a_missing_column_and_an_empty_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ihc\.tsv: no row"):
        read(tmp_path, [])
    (tmp_path / "ihc.tsv").write_text(HEAD.replace("Reliability", "Trust"))
    atlas = AtlasConfig(name="ihc", reader="ihc", role="protein", path="ihc.tsv")
    with pytest.raises(InputError, match=r"ihc\.tsv, line 1: column 'Reliability' .* is missing"):
        read_atlas(atlas, config=Config(data_dir=str(tmp_path)))


@pytest.mark.real_data
def test_the_real_stains(shared_data: Path) -> None:
    adata = read_atlas(
        AtlasConfig(
            name="ihc",
            reader="ihc",
            role="protein",
            path="protein_hpa/hpa22_normal_tissue_ihc.tsv.gz",
            locations="protein_hpa/hpa22_subcellular_location.tsv.gz",
        ),
        config=Config(data_dir=str(shared_data)),
        genes=read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz"),
    )
    levels = adata.to_df()
    assert levels.shape == (265, 15_100)
    assert levels.loc["colon | enterocytes", ["CEACAM5", "EPCAM"]].tolist() == [3, 3]
    absent = {"GPC3", "ROR1", "FOLR1", "DLL3", "IL13RA2", "CLDN6"}
    graded = set(levels.columns[levels.notna().any()])
    assert not absent & graded  # without a graded row: not measured, not absent
    assert adata.var.loc[["EPCAM", "ERBB2"], "is_membrane"].all()
    assert adata.uns["cartarget"]["notes"][0].startswith("2,114 of 1,194,479 stains are not graded")


def test_stains_that_name_no_place_at_all_are_no_atlas(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no observation"):
        read(tmp_path, [("ENSG1", "EPCAM", "N/A", "nan", "High", "Enhanced")])
