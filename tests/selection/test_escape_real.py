"""Escape in five real lung tumours: the bits against a loop over cells, and a clone planted among them."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cartarget.atlas import read_atlas
from cartarget.atlas.harmonise import harmonise
from cartarget.config import load_config
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.gate import Gate
from cartarget.safety.tiers import read_tiers
from cartarget.selection.escape import escape_table
from cartarget.selection.loss import tradeoff
from cartarget.selection.missed import missed_by, missed_together
from tests.conftest import ROOT

pytestmark = pytest.mark.real_data
GATES = ["EGFR", "EGFR & ERBB3", "EGFR | MET", "ERBB2 & ~PTPRC"]


@pytest.fixture(scope="module")
def lung(shared_data) -> AnnData:
    config = load_config(ROOT / "config" / "examples" / "lung_single_cell.yaml")
    config = config.model_copy(update={"data_dir": shared_data.as_posix()})
    return harmonise(read_atlas(config.atlases[0], config=config), tiers=tiers(), origin=["lung"])


def tiers():
    return read_tiers(ROOT / "config" / "tissue_tiers.tsv")


def panel_of(adata: AnnData) -> Panel:
    return build_panel(adata, symbols=list(adata.var_names), required=tiers().required, origin=["lung"])


def test_what_is_left_of_five_lung_tumours_is_what_a_loop_counts(lung: AnnData) -> None:
    table = missed_by(panel_of(lung), GATES).set_index(["gate", "patient"])
    malignant = lung[(lung.obs["side"] == "tumor").to_numpy()]
    for number, donor in enumerate(sorted(set(malignant.obs["donor"])), start=1):
        own = malignant[(malignant.obs["donor"] == donor).to_numpy()]
        for gate in map(Gate.parse, GATES):
            row = table.loc[(str(gate), f"patient {number}")]
            assert (row["n_cells"], row["n_left"]) == (own.n_obs, int((~gate.evaluate(own)).sum()))


def test_a_clone_planted_in_a_real_tumour_is_found_and_its_gate_named(lung: AnnData) -> None:
    """A third of the malignant cells of one patient lose EGFR, MET and ERBB2, and gain FLT3, which few others have."""
    adata = lung.copy()
    values = pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names)
    largest = adata.obs.loc[adata.obs["side"] == "tumor", "donor"].value_counts().index[0]
    own = adata.obs_names[((adata.obs["donor"] == largest) & (adata.obs["side"] == "tumor")).to_numpy()]
    clone = own[np.random.default_rng(3).permutation(len(own))[: len(own) // 3]]
    values.loc[adata.obs_names[(adata.obs["side"] == "tumor").to_numpy()], ["EGFR", "MET", "ERBB2"]] = 3.0
    values.loc[clone, ["EGFR", "MET", "ERBB2"]] = 0.0
    values.loc[clone, "FLT3"] = 3.0
    adata.X = values.to_numpy(dtype=np.float32)
    table = escape_table(panel_of(adata), ["EGFR"], ["MET", "ERBB2", "FLT3", "IL2RA", "EGFR | MET"])
    per = table[table["patient"] != "all"].set_index("patient")
    hurt = per["left"].idxmax()
    assert per.loc[hurt, "n_left"] == len(clone) and (per["left"].drop(hurt) == 0).all()
    assert per.loc[hurt, ["second_gate", "second_catches"]].tolist() == ["FLT3", 1]
    assert table.iloc[0]["second_gate"] == "FLT3" and table.iloc[0]["left_both"] == 0


def test_the_tables_of_a_real_panel_are_whole_and_quick(lung: AnnData) -> None:
    panel, start = panel_of(lung), time.perf_counter()
    table = escape_table(panel, GATES, [*panel.symbols])
    assert time.perf_counter() - start < 30
    assert len(table) == len(GATES) * 6 and table["left"].notna().all()
    assert (table["left_both"] <= table["left"]).all() and (table["residual"] >= table["left"]).all()
    together = missed_together(panel, ["EGFR", "MET", "ERBB2"])
    assert together["n_patients"].sum() == 5 and together["share_cells"].sum() == pytest.approx(1)
    curve = tradeoff(panel, "EGFR", "ERBB3").pivot(index="loss", columns="gate", values="residual")
    assert (curve["EGFR | ERBB3"] < curve["EGFR & ERBB3"]).all()
