"""What an atlas becomes under the names of the tier table."""

from __future__ import annotations

import functools

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cartarget.atlas.harmonise import harmonise
from cartarget.errors import InputError
from cartarget.safety.tiers import Tiers, read_tiers


@functools.cache
def shipped() -> Tiers:
    return read_tiers("config/tissue_tiers.tsv")


def atlas(rows: list[tuple[str, str, str, str]], *, kind: str = "samples") -> ad.AnnData:
    obs = pd.DataFrame(rows, columns=["side", "donor", "tissue", "cell_type"]).rename(index=lambda i: f"o{i}")
    adata = ad.AnnData(np.zeros((len(rows), 1), dtype=np.float32), obs=obs)
    adata.uns["cartarget"] = {"kind": kind, "atlas": "toy"}
    return adata


def test_harmonise_names_populations_and_leaves_its_input_alone() -> None:
    normal = [("normal", "d1", "Urinary bladder", ""), ("normal", "d2", "rectum", "")]
    adata = atlas([("tumor", "p1", "tumor", ""), *normal])
    result = harmonise(adata, tiers=shipped(), origin=["large intestine", "rectum"])
    assert list(result.obs["population"]) == ["tumor", "urinary bladder", "rectum"]
    assert list(result.obs["tier"]) == ["", "important", "vital"]
    assert list(result.obs["weight"]) == [0, 0.5, 1]
    assert list(result.obs["is_origin"]) == [False, False, True]
    assert list(result.obs["is_required"]) == [False, False, False]
    assert list(adata.obs) == ["side", "donor", "tissue", "cell_type"]


def test_malignant_cells_belong_to_their_patient() -> None:
    adata = atlas(
        [
            ("tumor", "p1", "tumor", "malignant"),
            ("tumor", "p2", "tumor", "malignant"),
            ("normal", "p1", "tumor microenvironment", "T cell"),
        ],
        kind="cells",
    )
    result = harmonise(adata, tiers=shipped(), origin=["lung"])
    assert list(result.obs["population"]) == ["p1", "p2", "tumor microenvironment: T cell"]
    assert list(result.obs["tier"]) == ["", "", "important"]


def test_a_name_that_means_something_in_one_atlas_only_can_be_given() -> None:
    adata = atlas([("normal", "d1", "Normal Adjacent", "Normal Epithelial")])
    result = harmonise(adata, tiers=shipped(), origin=["colon"], names={"normal adjacent": "colon"})
    assert list(result.obs["population"]) == ["colon: Normal Epithelial"]


def test_unknown_tissues_are_all_listed_with_the_nearest_and_the_row_to_add() -> None:
    adata = atlas([("normal", "d1", "Hart", ""), ("normal", "d2", "qqqq", ""), ("normal", "d3", "liver", "")])
    with pytest.raises(InputError) as error:
        harmonise(adata, tiers=shipped(), origin=["liver"])
    text = str(error.value)
    assert "atlas 'toy': 2 tissue name(s)" in text
    assert "'Hart'; nearest: 'heart'" in text
    assert "'qqqq'" in text
    assert "vital\\t1\\t0.05\\tno" in text
    with pytest.raises(InputError, match="origin: 1 tissue name"):
        harmonise(atlas([("normal", "d3", "liver", "")]), tiers=shipped(), origin=["livr"])


def test_the_order_of_observations_is_kept() -> None:
    names = ["liver", "lung", "liver", "cerebellum", "lung"]
    adata = atlas([("normal", str(i), name, "") for i, name in enumerate(names)])
    result = harmonise(adata, tiers=shipped(), origin=["lung"])
    assert list(result.obs["tissue"]) == ["liver", "lung", "liver", "brain", "lung"]
    assert list(result.obs["is_origin"]) == [False, True, False, False, True]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("human_cell_landscape_ref_5467genes_x_1393celltypes", {"unit": "counts"}),
        ("hca_ref_24756genes_x_12celltypes_cpm", {}),
        ("hpa21_singlecelltype_ntpm_secretome_genes", {}),
        ("hpa20_singlecelltype_nx_enriched_genes", {}),
        ("normal_pancreas_indrop_celltype_means", {"tissue": "pancreas"}),
    ],
)
def test_every_cell_type_of_the_reference_tables_has_a_tier(shared_data, name, given):
    """As their reader gives them: with a tissue, or with a cell type alone."""
    from cartarget.atlas import read_atlas
    from cartarget.config import AtlasConfig, Config

    atlas = AtlasConfig(
        name="x", reader="summary_table", path=f"normal_single_cell/{name}.tsv.gz", role="normal", **given
    )
    adata = read_atlas(atlas, config=Config(data_dir=shared_data.as_posix()))
    found = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=[])
    assert set(found.obs["tier"]) <= {"vital", "important", "tolerable", "ignored"}


def test_cells_that_name_no_place_are_told() -> None:
    rows = [("normal", "d1", "unknown", "cardiomyocyte"), ("normal", "d1", "N/A", ""), ("normal", "d2", "", "nan"),
            ("normal", "d2", "heart", "None")]  # fmt: skip
    adata = atlas(rows, kind="cells")
    adata.uns["cartarget"]["notes"] = ["before"]
    result = harmonise(adata, tiers=shipped(), origin=["lung"])
    assert list(result.obs["population"]) == ["heart: cardiomyocyte", "not stated", "not stated", "heart"]
    assert list(result.obs["tier"]) == ["vital", "ignored", "ignored", "vital"]
    before, note = result.uns["cartarget"]["notes"]
    assert before == "before" and note.startswith("normal, but neither tissue nor cell type is named: 2, of 2 donors; ")
    assert adata.uns["cartarget"]["notes"] == ["before"], "the atlas given is left alone"
    stated = harmonise(atlas(rows[:1]), tiers=shipped(), origin=["lung"])
    assert "notes" not in stated.uns["cartarget"], "nothing to tell"


def test_a_cell_type_that_is_not_known_is_listed_where_no_tissue_is_named() -> None:
    with pytest.raises(InputError, match="'cardiomyocit'; nearest: 'cardiomyocyte"):
        harmonise(atlas([("normal", "d", "unknown", "cardiomyocit")]), tiers=shipped(), origin=["lung"])


def test_numbers_as_cell_types_are_told() -> None:
    obs = pd.DataFrame(
        {"side": "normal", "donor": "D", "tissue": "liver", "cell_type": ["0", "17", "17", "hepatocyte", "0"]},
        index=list("abcde"),
    )
    obs.loc["e", "side"] = "tumor"
    adata = ad.AnnData(np.ones((5, 1), dtype=np.float32), obs=obs, uns={"cartarget": {"kind": "cells"}})
    found = harmonise(adata, tiers=read_tiers(), origin="colon")
    [note] = found.uns["cartarget"]["notes"]
    assert note.startswith("2 normal cell types are bare numbers ('0', '17'), 3 observations")
