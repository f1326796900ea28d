"""Gates with thresholds of their own, asked of a run: as a run at that threshold, or refused."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.contracts import columns
from cartarget.errors import GateError, InputError
from cartarget.run.asking import OpenRun
from cartarget.run.curves import threshold_curves
from cartarget.selection.screen import score_gates

ORIGIN = ["colon", "rectum"]
SHOWN = ["coverage", "liability", "liability_population", "selectivity", "window", "safety_class", "people_over_cap"]


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return cartarget.simulate_atlas(
        n_patients=6, n_donors=22, n_background=10, cells_per_tumor=60, cells_per_population=4, cells_per_rare=2
    )


@pytest.fixture(scope="module")
def samples(cells: anndata.AnnData) -> anndata.AnnData:
    """The same people as samples of sorted cells."""
    return cartarget.pseudobulk(cells, by=["side", "donor", "tissue", "cell_type"], min_cells=1)


@pytest.fixture(scope="module")
def of_samples(samples: anndata.AnnData) -> OpenRun:
    return cartarget.screen(samples, origin=ORIGIN, every_gene=True)


@pytest.fixture(scope="module")
def of_cells(cells: anndata.AnnData) -> OpenRun:
    return cartarget.screen(cells, origin=ORIGIN, every_gene=True)


def at(opened: OpenRun, adata: anndata.AnnData, gate: str, **limits: float) -> pd.Series:
    """What a panel counted at other thresholds says of a gate."""
    panel = opened.run.panel
    held = [symbol for symbol in panel.symbols if symbol in adata.var_names]
    atlas = cartarget.harmonise(adata, tiers=opened.run.tiers, origin=ORIGIN)
    other = cartarget.build_panel(
        atlas, symbols=held, required=panel.required, stand_in=panel.stand_in, origin=panel.origin, **limits
    )
    return score_gates(replace(other, harmed=panel.harmed), gates=[gate]).iloc[0]


@pytest.mark.parametrize("threshold", [120.0, 5000.5])
def test_samples_at_any_threshold(of_samples: OpenRun, samples: anndata.AnnData, threshold: float) -> None:
    row = of_samples.score(f"CEACAM5>={threshold} & MSLN≥{threshold}").table.iloc[0]
    assert row["gate"] == f"CEACAM5>={threshold:g} & MSLN>={threshold:g}"
    for name, factor in (("safety_class", 1.0), ("class_half", 0.5), ("class_twice", 2.0)):
        other = at(of_samples, samples, "CEACAM5 & MSLN", bulk=threshold * factor)
        assert row[name] == other["safety_class"], name
        if factor == 1:
            assert row[SHOWN].astype(object).equals(other[SHOWN].astype(object))
    assert row["is_firm"] == (row["class_half"] == row["safety_class"] and row["class_twice"] == row["safety_class"])


def test_plain_gates_beside_them_stay_as_they_are(of_samples: OpenRun) -> None:
    asked = ["MSLN>=300 & CEA", "CEACAM5 & MSLN", "CEACAM5>=300"]
    with pytest.raises(GateError, match="CEA"):
        of_samples.score(asked)
    asked[0] = "MSLN>=300.0 & ceacam5"
    scored = of_samples.score(asked)
    assert scored.table["gate"].tolist() == ["CEACAM5 & MSLN>=300", "CEACAM5 & MSLN", "CEACAM5>=300"]
    assert scored.notes == ("ceacam5 is read as CEACAM5",)
    assert list(scored.table) == list(columns("gates"))
    plain = of_samples.score("CEACAM5 & MSLN")
    pd.testing.assert_frame_equal(scored.table.iloc[[1]].reset_index(drop=True), plain.table, check_categorical=False)
    assert list(dict.fromkeys(scored.exposure["gate"].astype(str))) == scored.table["gate"].tolist()
    assert scored.table["mark_membrane"].iloc[0] == scored.table["mark_membrane"].iloc[1]


def test_a_higher_threshold_hits_fewer(of_samples: OpenRun) -> None:
    table = of_samples.score([f"EPCAM>={step}" for step in (10, 100, 1000, 10**5)]).table
    assert (np.diff(table["coverage"]) <= 0).all() and (np.diff(table["liability"]) <= 1e-12).all()
    assert table["coverage"].iloc[0] > table["coverage"].iloc[-1] == 0


def test_cells_at_the_steps_that_were_counted(of_cells: OpenRun, cells: anndata.AnnData) -> None:
    row = of_cells.score("CEACAM5>=2 & MSLN>=2").table.iloc[0]
    other = at(of_cells, cells, "CEACAM5 & MSLN", count=2)
    assert row["safety_class"] == other["safety_class"] and abs(row["coverage"] - other["coverage"]) < 1e-12
    assert row["class_half"] == at(of_cells, cells, "CEACAM5 & MSLN", count=1)["safety_class"]
    assert pd.isna(row["class_twice"]), "four counts were not counted"
    beside = of_cells.score("CEACAM5>=2 & MSLN").table.iloc[0]
    assert beside["class_half"] == row["class_half"], "an antigen at one count stays there"
    for text in ("CEACAM5>=3", "CEACAM5>=1.5 & MSLN"):
        with pytest.raises(InputError, match="counted at 1, 2"):
            of_cells.score(text)


def test_a_blocker_in_cells_blocks_from_its_threshold(of_cells: OpenRun, cells: anndata.AnnData) -> None:
    strict, plain = of_cells.score(["EPCAM & ~PTPRC>=2", "EPCAM & ~PTPRC"]).table["coverage"]
    assert strict >= plain


@pytest.fixture(scope="module")
def of_both(cells: anndata.AnnData, samples: anndata.AnnData) -> OpenRun:
    """Samples order the ranking; normal cells are counted beside them."""
    normal = cells[(cells.obs["side"] == "normal").to_numpy()].copy()
    normal.uns["cartarget"] = {**normal.uns["cartarget"], "atlas": "cells"}
    return cartarget.screen([samples, normal], origin=ORIGIN, every_gene=True)


def test_cells_beside_samples_bound_from_above(of_both: OpenRun, samples: anndata.AnnData) -> None:
    tumor = samples[(samples.obs["side"] == "tumor").to_numpy(), "CEACAM5"].X
    middle = np.ceil(np.median(np.asarray(tumor)))
    scored = of_both.score([f"CEACAM5>={middle} & MSLN", "CEACAM5 & MSLN"])
    own, plain = (
        scored.exposure[(scored.exposure["gate"] == gate) & (scored.exposure["evidence"] == "cells")]
        for gate in scored.table["gate"]
    )
    assert len(own) and own["fraction"].tolist() == plain["fraction"].tolist()
    assert scored.table["coverage"].iloc[0] < scored.table["coverage"].iloc[1]
    with pytest.raises(
        GateError, match=r"the blocker PTPRC>=50 has a threshold in CPM, and atlas .* is counted in counts"
    ):
        of_both.score("EPCAM & ~PTPRC>=50")


def test_an_atlas_without_levels_is_refused(cells: anndata.AnnData) -> None:
    logged = cells.copy()
    values = np.asarray(logged.X.todense())
    logged.X = np.log1p(values / np.maximum(values.sum(axis=1, keepdims=True), 1) * 1e4)
    logged.uns["cartarget"] = {**logged.uns["cartarget"], "unit": "log1p"}
    opened = cartarget.screen(logged, origin=ORIGIN, every_gene=True)
    with pytest.raises(InputError, match="known in log1p, which has no thresholds"):
        opened.score("CEACAM5>=2 & MSLN")


def test_the_search_says_what_scoring_says(of_samples: OpenRun) -> None:
    found = cartarget.affinity_search(of_samples, steps=[300, 3000], top=400)
    assert list(found) == list(columns("gates")) and found["rank"].tolist() == list(range(1, len(found) + 1))
    own = found[found["gate"].str.contains(">=")]
    assert len(own) and len(own) < len(found)
    some = pd.concat([own.head(6), found[~found["gate"].str.contains(">=")].head(3)])
    scored = of_samples.score(some["gate"].tolist()).table
    shown = [*SHOWN, "class_half", "class_twice", "is_firm", "mark_membrane", "mark_thresholds"]
    for name in shown:
        assert scored[name].astype(object).tolist() == pytest.approx(some[name].astype(object).tolist(), nan_ok=True), (
            name
        )


def test_in_a_run_of_two_units_blockers_stay_at_the_runs_threshold(
    of_cells: OpenRun, cells: anndata.AnnData, samples: anndata.AnnData
) -> None:
    normal = samples[(samples.obs["side"] == "normal").to_numpy()].copy()
    normal.uns["cartarget"] = {**normal.uns["cartarget"], "atlas": "samples"}
    both = cartarget.screen([cells, normal], origin=ORIGIN, every_gene=True)
    alone, beside = (cartarget.affinity_search(run, steps=[2], top=5000)["gate"] for run in (of_cells, both))
    assert alone.str.contains(r"~\S+>=").any()
    assert beside.str.contains("~").any() and beside.str.contains(">=").any()
    assert not beside.str.contains(r"~\S+>=").any()


@pytest.mark.parametrize("steps", [[], [10], [40, 40], [40, 10]])
def test_steps_are_other_thresholds_each_once(of_samples: OpenRun, steps: list[float]) -> None:
    with pytest.raises(InputError, match=r"expected thresholds other than that of the run \(10\), each once"):
        cartarget.affinity_search(of_samples, steps=steps)


def test_steps_of_cells_were_counted(of_cells: OpenRun) -> None:
    assert len(cartarget.affinity_search(of_cells, steps=[2], top=200))
    with pytest.raises(InputError, match="counted at 1, 2"):
        cartarget.affinity_search(of_cells, steps=[5])


def test_the_curve_of_an_antigen_is_what_scoring_says(of_samples: OpenRun, of_cells: OpenRun) -> None:
    curves = threshold_curves(of_samples.run, config=of_samples.config, symbols=["EPCAM", "CEACAM5"])
    assert curves["thresholds"] == [5, 10, 20, 40, 80, 160, 320, 640, 1280]
    told = curves["antigens"]["EPCAM"]
    scored = of_samples.score(["EPCAM", *(f"EPCAM>={step}" for step in (5, 160, 1280))]).table
    at = [1, 0, 5, 8]
    for name in ("coverage", "liability"):
        assert [told[name][i] for i in at] == pytest.approx(scored[name].tolist(), abs=1e-4)
    assert (np.diff(told["liability"]) <= 0).all() and (np.diff(told["coverage"]) <= 0).all()
    assert threshold_curves(of_cells.run, config=of_cells.config, symbols=["EPCAM"]) == {}
