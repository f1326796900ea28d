"""How firm is a rank: intervals over resampled people and over thresholds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.errors import GateError, InputError
from cartarget.evidence.panel import build_panel
from cartarget.evidence.people import gifts, of_donors
from cartarget.logic.batch import Gates
from cartarget.selection.ranking import rank
from cartarget.selection.screen import score_gates, screen_gates
from cartarget.selection.sweep import (
    _people,
    firm_first,
    half_and_twice,
    rank_intervals,
    sweep_panels,
    sweep_ranks,
)
from tests.panels import REQUIRED, observations, protein
from tests.selection.test_crossfit import panel_of, world

NAMES = ["G0", "G1", "G0 & G1", "G2 | G3", "G4 & ~G5"]


def test_intervals_hold_the_rank_and_stay_among_the_gates() -> None:
    adata, _, _ = world(0, genes=8)
    table = rank_intervals(panel_of(adata), gates=NAMES, n=40, progress=False)
    assert table["gate"].tolist() == NAMES
    assert sorted(table["rank_here"]) == [1, 2, 3, 4, 5]
    assert (table["rank_lower"] >= 1).all() and (table["rank_upper"] <= 5).all()
    assert (table["rank_lower"] <= table["rank_here"]).all() and (table["rank_here"] <= table["rank_upper"]).all()
    assert not table["is_interval_narrow"].any(), "30 patients are enough"


def test_a_clear_order_is_firm_and_a_tossed_one_is_not() -> None:
    rng = np.random.default_rng(0)
    tumor = np.hstack([np.full((40, 1), 20.0), (rng.random((40, 2)) < 0.7) * 20.0])
    normal = {name: {f"{name}{i}": np.zeros((1, 3)) for i in range(25)} for name in ("heart", "lung", "colon")}
    adata = observations(
        "samples", {f"p{i}": row[None] for i, row in enumerate(tumor)}, normal, symbols=["SURE", "X", "Y"]
    )
    panel = build_panel(adata, symbols=["SURE", "X", "Y"], required=REQUIRED)
    table = rank_intervals(panel, gates=["SURE", "X", "Y"], n=60, progress=False).set_index("gate")
    assert table.loc["SURE", ["rank_lower", "rank_upper"]].tolist() == [1, 1]
    assert table.loc["X", ["rank_lower", "rank_upper"]].tolist() == [2, 3]
    assert table.loc["Y", ["rank_lower", "rank_upper"]].tolist() == [2, 3]
    assert (table["class_share"] == 1).all()


def test_a_threshold_that_breaks_a_cap_shows_in_class_and_rank() -> None:
    normal = {name: {f"{name}{i}": np.array([[7.0, 0.0]]) for i in range(25)} for name in ("heart", "lung", "colon")}
    adata = observations("samples", {f"p{i}": np.array([[30.0, 12.0]]) for i in range(25)}, normal, symbols=["A", "B"])
    panel = build_panel(adata, symbols=["A", "B"], required=REQUIRED)
    sweep = sweep_panels([adata], symbols=["A", "B"], required=REQUIRED)
    assert list(sweep) == ["5 CPM", "20 CPM"]
    ranked = rank(score_gates(panel, gates=Gates.parse(["A", "B"], panel=panel)))
    table = sweep_ranks(ranked, sweep=sweep).set_index("gate")
    assert table.loc["A", ["class_best", "class_worst"]].tolist() == ["within caps", "over cap"], "7 CPM counts at 5"
    assert table.loc["A", ["rank_sweep_lower", "rank_sweep_upper"]].tolist() == [1, 2]
    assert table.loc["B", ["rank_sweep_lower", "rank_sweep_upper"]].tolist() == [1, 2], "12 CPM does not at 20"
    assert table.loc["B", "class_worst"] == "within caps"
    nothing = sweep_ranks(ranked, sweep={})
    assert nothing.drop(columns="gate").isna().all(axis=None), "no sweep is not a sweep that changes nothing"


def test_what_is_firm_ranks_before_what_needs_one_threshold() -> None:
    """B is within caps at 5, 10 and 20 CPM; A, of more coverage, is over cap at 5."""
    normal = {name: {f"{name}{i}": np.array([[7.0, 0.0]]) for i in range(25)} for name in ("heart", "lung", "colon")}
    tumor = {f"p{i}": np.array([[30.0, 30.0 if i < 20 else 0.0]]) for i in range(25)}
    adata = observations("samples", tumor, normal, symbols=["A", "B"])
    panel = build_panel(adata, symbols=["A", "B"], required=REQUIRED)
    sweep = sweep_panels([adata], symbols=["A", "B"], required=REQUIRED)
    ranked = rank(score_gates(panel, gates=Gates.parse(["A", "B"], panel=panel)))
    assert ranked["gate"].tolist() == ["A", "B"]
    half, twice = half_and_twice("samples", bulk=10, count=1)
    firm = firm_first(ranked, sweep=sweep, half=half, twice=twice)
    assert firm["gate"].tolist() == ["B", "A"]
    assert firm["rank"].tolist() == [1, 2]
    assert firm["is_firm"].tolist() == [True, False]
    assert firm[["class_half", "class_twice"]].values.tolist() == [
        ["within caps", "within caps"],
        ["over cap", "within caps"],
    ]
    unmoved = firm_first(ranked, sweep={})
    assert unmoved["gate"].tolist() == ["A", "B"]
    assert unmoved["is_firm"].isna().all(), "a threshold that cannot be moved tells nothing"


def test_a_partner_that_makes_the_class_firm_is_no_free_rider() -> None:
    """A is within caps at 10 CPM and over cap at 5; B, on the skin alone, makes A & B within caps at both."""
    level = {"heart": [7.0, 0.0], "lung": [0.0, 0.0], "colon": [0.0, 0.0], "skin": [0.0, 50.0]}
    normal = {name: {f"{name}{i}": np.array([values]) for i in range(25)} for name, values in level.items()}
    adata = observations("samples", {f"p{i}": np.array([[30.0, 30.0]]) for i in range(25)}, normal, symbols=["A", "B"])
    panel = build_panel(adata, symbols=["A", "B"], required=REQUIRED)
    sweep = sweep_panels([adata], symbols=["A", "B"], required=REQUIRED)
    alone = screen_gates(panel, candidates=["A", "B"], progress=False).table.set_index("gate")
    assert alone.loc["A & B", "is_redundant"], "at 10 CPM alone B adds nothing to A"
    found = screen_gates(panel, candidates=["A", "B"], half=sweep["5 CPM"], twice=sweep["20 CPM"], progress=False)
    table = found.table.set_index("gate")
    assert not table.loc["A & B", "is_redundant"]
    assert found.table["gate"].iloc[0] == "A & B"
    assert table.loc["A", ["safety_class", "class_half"]].tolist() == ["within caps", "over cap"]
    assert len(found.gates) == len(found.table)


def test_the_sweep_moves_one_threshold_at_a_time() -> None:
    adata, _, _ = world(1, genes=4)
    stains = protein({"heart": [1.0, 2.0, 3.0, np.nan]}, symbols=list(adata.var_names))
    sweep = sweep_panels([adata], symbols=list(adata.var_names), required=REQUIRED, proteins=[stains], bulk=7)
    assert list(sweep) == ["3.5 CPM", "14 CPM", "stain Low", "stain High"]
    assert sweep["stain Low"].is_above[:, 0].tolist() == [True, True, True, False]
    assert sweep["stain High"].is_above[:, 0].tolist() == [False, False, True, False]
    assert sweep["14 CPM"].is_above[:, 0].tolist() == [False, True, True, False]
    cells = observations("cells", {"p": np.ones((3, 1))}, {}, symbols=["A"])
    assert list(sweep_panels([cells], symbols=["A"], required=REQUIRED)) == ["2 counts"]
    cells.uns["cartarget"]["unit"] = "log1p"
    assert sweep_panels([cells], symbols=["A"], required=REQUIRED) == {}


def test_people_are_drawn_whole_and_every_tissue_keeps_its_size() -> None:
    cells = {f"p{i}": np.full((3, 1), float(i)) for i in range(6)}
    normal = {
        "lung": {f"d{i}": np.full((2, 1), 10.0 + i) for i in range(5)},
        "skin": {f"d{i}": np.full((4, 1), 10.0 + i) for i in range(5)},
    }
    panel = build_panel(observations("cells", cells, normal, symbols=["A"]), symbols=["A"], required=REQUIRED)
    rng, groups = np.random.default_rng(1), _people(gifts(panel))
    assert [[panel.packed.donors[who] for who in group] for group in groups] == [
        [f"d{i}" for i in range(5)],
        [f"p{i}" for i in range(6)],
    ]
    people = np.concatenate([rng.choice(group, size=len(group)) for group in groups])
    drawn = of_donors(panel, people)
    table = drawn.populations.set_index("population")
    assert table.loc[["lung", "skin"], "n_observations"].tolist() == [10, 20]
    tumor = drawn.populations[drawn.populations["side"] == "tumor"]
    assert len(tumor) == 6 and (tumor["n_observations"] == 3).all(), "drawn twice is two patients"
    donor = drawn.packed.donor
    for row, name in enumerate(drawn.packed.donors):
        assert (donor == row).sum() == (3 if name.startswith("p") else 6), "a donor brings all that he gave"
    assert any("#2" in name for name in drawn.packed.donors), "this seed draws someone twice"


def test_someone_alone_in_what_he_gave_is_still_drawn() -> None:
    given = pd.DataFrame({"donor": [0, 1, 2, 2], "side": "normal", "tissue": ["lung", "skin", "lung", "skin"]})
    assert [group.tolist() for group in _people(given)] == [[0, 1, 2]]


def test_the_same_seed_gives_the_same_bytes() -> None:
    adata, _, _ = world(2, genes=6)
    panel = panel_of(adata)
    run = lambda seed: rank_intervals(panel, gates=NAMES, n=15, seed=seed, progress=False)  # noqa: E731
    pd.testing.assert_frame_equal(run(3), run(3), check_exact=True)
    assert not run(3).equals(run(4))


def test_few_patients_are_said_to_be_few() -> None:
    adata, _, _ = world(0, genes=4, patients=1)
    table = rank_intervals(panel_of(adata), gates=["G0", "G1"], n=5, progress=False)
    assert table["is_interval_narrow"].all()


def test_what_cannot_be_ranked_is_refused() -> None:
    adata, _, _ = world(0, genes=4)
    panel = panel_of(adata)
    with pytest.raises(InputError, match="at least one gate"):
        rank_intervals(panel, gates=[], progress=False)
    with pytest.raises(GateError, match="NOBODY"):
        rank_intervals(panel, gates=["G0 & NOBODY"], progress=False)


def test_levels_of_cells_do_not_depend_on_which_gates_are_reported() -> None:
    rng = np.random.default_rng(0)
    cells = {f"p{i}": rng.poisson(2, (4, 6)).astype(float) for i in range(3)}
    normal = {"lung": {f"d{i}": rng.poisson(1, (4, 6)).astype(float) for i in range(3)}}
    symbols = [f"G{i}" for i in range(6)]
    adata = observations("cells", cells, normal, symbols=symbols)
    adata.obs["n_counts"] = adata.X.sum(axis=1)
    panel = build_panel(adata, symbols=symbols, required=REQUIRED)
    small = panel.take(["G1", "G4"])
    again = of_donors(small, np.arange(len(small.packed.donors)))
    np.testing.assert_array_equal(small.levels, panel.levels[:, [1, 4]])
    np.testing.assert_allclose(by_place(again), by_place(small), rtol=1e-6)


def by_place(panel) -> np.ndarray:
    """Levels by population and donor."""
    return panel.levels[np.lexsort((panel.level_donor, panel.level_population))]
