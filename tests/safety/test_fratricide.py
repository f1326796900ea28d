"""Antigens on T cells are found in any source, and no T cell measured is unknown, never safe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.safety.fratricide import fratricide, is_t_cell
from tests.panels import observations, protein, summary

SYMBOLS = ["CD7", "MSLN", "RARE"]


@pytest.mark.parametrize(
    "name",
    [
        "T cell", "T cells", "T.cells", "T-cells", "t_cell", "T lymphocytes", "CD4+T", "CD8+T", "CD8_T cell", "T",
        "CD4 T cell", "Activated T cell", "Treg", "regulatory T cell", "blood: T cell",
    ],
)  # fmt: skip
def test_names_of_t_cells(name):
    assert is_t_cell(name)


@pytest.mark.parametrize(
    "name",
    [
        "Mast cell", "goblet cell", "B cell", "NK", "NK T cell", "NKT cell", "natural killer T cell", "Ductal cells",
        "", "T cell progenitor", "Plasma", "Intestinal.goblet.cells", "stromal", "parietal cell", "Stratified", "sweat",
    ],
)  # fmt: skip
def test_names_of_other_cells(name):
    assert not is_t_cell(name)


def cells(values: np.ndarray, *, cell_type: str = "T cell", donors: int = 4) -> object:
    blocks = {f"d{i}": part for i, part in enumerate(np.array_split(values, donors))}
    adata = observations("cells", {"p": np.ones((40, 3))}, {"skin": blocks}, symbols=SYMBOLS)
    adata.obs["cell_type"] = np.where(adata.obs["side"] == "normal", cell_type, "T cell")
    return adata


def levels(values: list[float], *, cell_type: str = "T cell", unit: str = "CPM") -> object:
    adata = summary({"skin": values}, symbols=SYMBOLS)
    adata.obs["side"], adata.obs["cell_type"] = "normal", cell_type
    adata.uns["cartarget"]["unit"] = unit
    return adata


def carried(*, n: int = 60) -> np.ndarray:
    """Every T cell has CD7, one in four MSLN, none RARE."""
    return np.array([[1, i % 4 == 0, 0] for i in range(n)], dtype=float)


def test_cells_give_the_share_and_its_upper_end():
    found = fratricide([cells(carried())], symbols=SYMBOLS).set_index("symbol")
    assert found["tcell_fraction"].tolist() == pytest.approx([1, 0.25, 0], abs=0.02)
    assert found["is_fratricide_risk"].tolist() == [True, True, False]
    assert found.loc["RARE", "tcell_fraction_upper"] > 0, "none seen is not zero"
    assert (found["n_tcells"] == 60).all()
    assert found.loc["CD7", "tcell_population"] == "skin (primary)"


def test_malignant_cells_do_not_count():
    """The tumour carries everything, and is called T cell; no normal T cell is there."""
    found = fratricide([cells(carried(), cell_type="keratinocyte")], symbols=SYMBOLS)
    assert found["is_fratricide_risk"].isna().all()
    assert (found["n_tcells"] == 0).all()


def test_no_t_cell_measured_is_unknown():
    few = cells(carried(n=20), donors=2)
    stains = protein({"skin": [3.0, 3.0, 3.0]}, symbols=SYMBOLS)
    stains.obs["side"], stains.obs["cell_type"] = "normal", "T cell"
    found = fratricide([few, levels([90.0] * 3, cell_type="fibroblast"), stains], symbols=SYMBOLS)
    assert found["is_fratricide_risk"].isna().all()
    assert found["tcell_fraction"].isna().all(), "twenty cells say nothing"
    assert fratricide([], symbols=SYMBOLS)["is_fratricide_risk"].isna().all()


def test_an_unmeasured_gene_is_unknown_beside_measured_ones():
    adata = cells(carried())
    adata.varm["is_measured"].loc["CD7", "skin"] = False
    found = fratricide([adata], symbols=[*SYMBOLS, "ABSENT"]).set_index("symbol")["is_fratricide_risk"]
    assert found.isna().tolist() == [True, False, False, True]


def test_the_worst_source_decides_and_is_named():
    one, two = levels([12.0, 3.0, np.nan]), levels([40.0, 9.9, np.nan])
    two.uns["cartarget"] = two.uns["cartarget"] | {"atlas": "second"}
    found = fratricide([one, two], symbols=SYMBOLS).set_index("symbol")
    assert found.loc["CD7", ["tcell_level", "tcell_level_source"]].tolist() == [40.0, "skin (second)"]
    assert found["is_fratricide_risk"].tolist() == [True, False, pd.NA]
    both = fratricide([cells(carried()), levels([0.0, 0.0, 50.0])], symbols=SYMBOLS)
    assert both["is_fratricide_risk"].tolist() == [True, True, True], "either source is enough"


def test_a_unit_without_a_threshold_is_shown_and_decides_nothing():
    found = fratricide([levels([500.0, 0.0, 0.0], unit="NX")], symbols=SYMBOLS)
    assert found["tcell_level"].iloc[0] == 500
    assert found["is_fratricide_risk"].isna().all()


def test_t_cells_of_blood_go_first_and_those_of_an_organ_fill_in():
    """RNA of the skin is spilled over its T cells; blood knows better, where it was asked."""
    skin, blood = levels([50.0, 60.0, 70.0]), levels([40.0, 0.1, np.nan])
    blood.obs["tissue"] = blood.obs["population"] = "blood"
    found = fratricide([skin, blood], symbols=SYMBOLS)
    assert found["tcell_level"].tolist() == [40.0, pytest.approx(0.1), 70.0]
    assert found["tcell_level_source"].tolist() == ["blood (summary)", "blood (summary)", "skin (summary)"]
    assert found["is_fratricide_risk"].tolist() == [True, False, True]


def test_an_atlas_without_cell_types_is_refused():
    adata = levels([1.0] * 3)
    del adata.obs["cell_type"]
    with pytest.raises(InputError, match="cell_type"):
        fratricide([adata], symbols=SYMBOLS)


@pytest.mark.real_data
def test_known_antigens_of_t_cells_in_the_cell_atlas(shared_data: Path):
    """HCA means of twelve cell types: CD7 and CD5 mark T cells, mesothelin and claudin 18 do not."""
    config = Config(data_dir=str(shared_data), indication="read")
    path = "normal_single_cell/hca_ref_24756genes_x_12celltypes_cpm.tsv.gz"
    atlas = read_atlas(
        AtlasConfig(name="hca", reader="summary_table", path=path, role="normal"), config=config, genes=None
    )
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    wanted = ["CD7", "CD5", "CD3E", "MSLN", "CLDN18", "CEACAM5"]
    for each in (atlas, cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])):
        found = fratricide([each], symbols=wanted).set_index("symbol")
        assert found["is_fratricide_risk"].tolist() == [True, True, True, False, False, False]
