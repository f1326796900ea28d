"""Escape in a whole run: its ranked gates as second gates, the purity of its samples, its table of need."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.run.asking import OpenRun
from cartarget.run.escaping import mixtures_of, run_escape, second_gates
from cartarget.selection.missed import missed_by

SYMBOLS = ["A", "B", "C", "D"]


@pytest.fixture(scope="module")
def opened() -> OpenRun:
    atlas = cartarget.simulate_atlas(
        n_patients=4, n_donors=6, n_background=10, cells_per_tumor=60, cells_per_population=8
    )
    return cartarget.screen(atlas, origin=["colon", "rectum"], every_gene=True)


def test_second_gates_are_ranked_and_break_no_cap(opened: OpenRun) -> None:
    classes = pd.concat([
        opened.antigens.set_index("symbol")["safety_class"], opened.gates.set_index("gate")["safety_class"]
    ]).astype(str)  # fmt: skip
    offered = second_gates(opened.antigens, opened.gates)
    assert 0 < len(offered) <= 100
    assert "over cap" not in set(classes.loc[offered])
    assert (classes == "over cap").any(), "some gate of the run breaks a cap"


def test_a_run_tells_what_its_first_gates_leave(opened: OpenRun) -> None:
    gates = opened.gates["gate"].astype(str).head(3).tolist()
    table = run_escape(opened.run, gates, antigens=opened.antigens, ranked=opened.gates, bulk=10)
    assert table["gate"].unique().tolist() == gates and (table.groupby("gate").size() == 5).all()
    coverage = opened.gates.set_index("gate")["coverage"]
    whole = table[table["patient"] == "all"].set_index("gate")
    assert (1 - whole["left"]).tolist() == pytest.approx(coverage.loc[gates].tolist()), "no blocker is among them"
    assert (table["hard_to_lose"] == "unknown").all(), "the run names no table of essentiality"
    assert set(table["second_gate"].dropna()) <= set(second_gates(opened.antigens, opened.gates))
    assert mixtures_of(opened.run, bulk=10) is None


def test_purity_of_a_run_bounds_what_bulk_tumours_leave() -> None:
    """The lowest purity of a patient's samples counts; one of unknown purity proves nothing."""
    values = np.array([[2, 30, 30, 30], [2, 30, 30, 30], [2, 30, 30, 30]] + [[0, 0, 0, 0]] * 3, dtype="float32")
    obs = pd.DataFrame(
        {"side": ["tumor"] * 3 + ["normal"] * 3, "donor": ["p1", "p1", "p2", "d1", "d2", "d3"], "cell_type": "",
         "tissue": ["tumor"] * 3 + ["liver"] * 3, "dataset": "x", "purity": [0.8, 0.5, np.nan] + [np.nan] * 3},
        index=[f"s{i}" for i in range(6)],
    )  # fmt: skip
    adata = anndata.AnnData(values, obs=obs, var=pd.DataFrame({"given": SYMBOLS}, index=SYMBOLS))
    adata.varm["is_measured"] = pd.DataFrame(True, index=SYMBOLS, columns=["x"])
    adata.uns["cartarget"] = {
        "kind": "samples", "unit": "CPM", "atlas": "mine", "files": [], "notes": [], "is_simulated": False,
        "lost": pd.DataFrame({"name": [], "reason": []}),
    }  # fmt: skip
    opened = cartarget.screen(adata, origin="colon", every_gene=True)
    known = mixtures_of(opened.run, bulk=10)
    assert known is not None and known.purity == {"p1": 0.5} and known.threshold == 10
    table = missed_by(opened.run.panel, ["A"], mixtures=known).set_index("patient")
    assert table["left_lower"].to_dict() == pytest.approx({"bulk patient 1": 0.6, "bulk patient 2": 0}, abs=1e-6)
