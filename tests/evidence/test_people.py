"""The same evidence on other people: read from the panel's bits, equal to counting their observations again."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.people import gifts, of_donors
from cartarget.logic.batch import Gates
from cartarget.selection.screen import score_gates
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import REQUIRED, observations, protein, random_panel, summary


def panel_of(*atlases: anndata.AnnData, **more: object) -> Panel:
    return build_panel(list(atlases), symbols=SYMBOLS, required=REQUIRED, **more)


def rows_of(panel: Panel, names: list[str]) -> list[int]:
    return [panel.packed.donors.index(name) for name in names]


def levels(panel: Panel) -> pd.DataFrame:
    """Levels by population and donor."""
    frame = pd.DataFrame(panel.levels)
    frame["population"] = panel.populations["population"].to_numpy()[panel.level_population]
    frame["donor"] = np.array(panel.packed.donors)[panel.level_donor]
    return frame.sort_values(["population", "donor", *range(panel.levels.shape[1])], ignore_index=True)


def assert_same_counts(one: Panel, other: Panel) -> None:
    np.testing.assert_array_equal(one.packed.words, other.packed.words)
    pd.testing.assert_frame_equal(one.packed.segments, other.packed.segments)
    np.testing.assert_allclose(one.segment_weight, other.segment_weight)
    np.testing.assert_allclose(one.fraction, other.fraction)
    pd.testing.assert_frame_equal(levels(one), levels(other))


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(4))
def test_everybody_is_the_panel(seed: int, kind: str) -> None:
    panel = random_panel(seed, kind=kind)
    same = of_donors(panel, np.arange(len(panel.packed.donors)))
    assert_same_counts(panel, same)
    pd.testing.assert_frame_equal(panel.populations, same.populations, check_like=True, check_dtype=False)
    np.testing.assert_array_equal(panel.packed.donor, same.packed.donor)
    gates = [f"G{i}" for i in range(9)] + ["G0 & G1", "G2 | G3", "G4 & ~G5", "G6 & (G7 | G8)"]
    scores = [score_gates(one, gates=Gates.parse(gates, panel=one)) for one in (panel, same)]
    pd.testing.assert_frame_equal(*scores)


@given(seed=st.integers(0, 10**6), share=st.floats(0.3, 0.9))
@settings(max_examples=20, deadline=None)
def test_some_people_are_the_panel_of_their_observations(seed: int, share: float) -> None:
    adata = random_cells(seed)
    rng = np.random.default_rng(seed)
    donors = np.array(sorted(adata.obs["donor"].unique()))
    chosen = sorted({"p0", "d0", *donors[rng.random(len(donors)) < share]})
    panel = panel_of(adata)
    part = of_donors(panel, rows_of(panel, chosen))
    again = panel_of(adata[adata.obs["donor"].isin(chosen)].copy())
    assert part.packed.donors == tuple(chosen)
    own, new = part.populations.set_index("population"), again.populations.set_index("population")
    assert len(own) == len(new), "populations of nobody chosen are left out"
    assert own["n_observations"].tolist() == new["n_observations"].tolist()
    np.testing.assert_array_equal(part.packed.words, again.packed.words)
    np.testing.assert_allclose(part.fraction, again.fraction)
    np.testing.assert_allclose(own["n_effective"], new["n_effective"])
    np.testing.assert_array_equal(np.sort(part.levels, axis=0), np.sort(again.levels, axis=0))
    whole = panel.populations.set_index("population")
    normal = own.index[own["side"] == "normal"]
    for column in ("n_donors", "is_thin"):
        assert own.loc[normal, column].tolist() == whole.loc[normal, column].tolist(), "the design is the whole panel's"
    at = [panel.populations["population"].tolist().index(name) for name in own.index]
    np.testing.assert_array_equal(part.packed.is_measured, panel.packed.is_measured[:, at])


def test_power_and_what_was_measured_are_those_of_the_whole_panel() -> None:
    """Rates come from all patients: of fewer people they would be other ones, and with them what counts as measured."""
    panel = panel_of(random_cells(9, depth=True))
    part = of_donors(panel, rows_of(panel, ["d0", "d1", "p0"]))
    at = [panel.populations["population"].tolist().index(name) for name in part.populations["population"]]
    np.testing.assert_array_equal(part.power, panel.power[:, at])
    np.testing.assert_array_equal(part.packed.is_measured, panel.packed.is_measured[:, at])
    assert (part.power < 1).any()


def small() -> Panel:
    """Lung of d: A on 3 of 4 cells; of e: on none of 4. Patients p (2 of 2 cells) and q (0 of 2)."""
    lung = {"d": np.array([[1.0]] * 3 + [[0.0]]), "e": np.zeros((4, 1))}
    adata = observations("cells", {"p": np.ones((2, 1)), "q": np.zeros((2, 1))}, {"lung": lung}, symbols=["A"])
    stains = [protein({"heart": [3.0]}, symbols=["A"])]
    means = [summary({"heart": [30.0]}, symbols=["A"])]
    return build_panel(adata, symbols=["A"], required=REQUIRED, summaries=means, proteins=stains)


def test_who_is_drawn_twice_counts_as_two() -> None:
    panel = small()
    drawn = of_donors(panel, rows_of(panel, ["d", "d", "e", "p", "p"]))
    assert drawn.packed.donors == ("d", "d #2", "e", "p", "p #2")
    table = drawn.populations
    assert table["population"].tolist() == ["patient 1", "patient 1 #2", "lung"], (
        "a patient who is drawn twice is two; q is not here"
    )
    assert table["n_observations"].tolist() == [2, 2, 12]
    assert drawn.fraction[0].tolist() == pytest.approx([1.0, 1.0, 6 / 12], abs=0.02)
    assert drawn.packed.segments["n_donors"].tolist() == [1] * 5, "each draw is a donor of its own"
    assert drawn.patient_weight.tolist() == [0.5, 0.5]
    assert sorted(zip(drawn.level_population, drawn.level_donor, strict=True)) == [
        (0, 3),
        (1, 4),
        (2, 0),
        (2, 1),
        (2, 2),
    ]
    assert drawn.units.equals(panel.units) and np.array_equal(drawn.is_above, panel.is_above)


def test_samples_of_a_patient_drawn_twice_stay_in_one_tumour_population() -> None:
    tumor = {"p": np.array([[20.0]]), "q": np.array([[0.0]])}
    adata = observations("samples", tumor, {"lung": {"p": np.array([[20.0]])}}, symbols=["A"])
    panel = build_panel(adata, symbols=["A"], required=REQUIRED)
    drawn = of_donors(panel, rows_of(panel, ["p", "p", "p", "q"]))
    table = drawn.populations
    assert table["population"].tolist() == ["tumor", "lung"]
    assert table["n_observations"].tolist() == [4, 3], "each draw brings tumour and lung"
    assert table["n_donors"].tolist() == [4, 1], "patients are counted, donors of the lung are the design"
    assert drawn.fraction[0].tolist() == [0.75, 1.0]


def test_the_order_of_the_draws_changes_no_number() -> None:
    panel = panel_of(random_cells(1, depth=True))
    rng = np.random.default_rng(0)
    people = rng.integers(len(panel.packed.donors), size=12)
    one, other = of_donors(panel, people), of_donors(panel, rng.permutation(people))
    np.testing.assert_allclose(one.fraction, other.fraction)
    assert one.populations["population"].tolist() == other.populations["population"].tolist()
    np.testing.assert_allclose(one.populations["n_effective"], other.populations["n_effective"])
    np.testing.assert_array_equal(np.sort(one.levels, axis=0), np.sort(other.levels, axis=0))


def test_gifts_by_hand() -> None:
    """p gave tumour and lung, d lung and heart; the bulk tumour of b does not order the ranking of cells."""
    normal = {"lung": {"p": np.ones((2, 1)), "d": np.ones((2, 1))}, "heart": {"d": np.ones((1, 1))}}
    cells = observations("cells", {"p": np.ones((3, 1))}, normal, symbols=["A"])
    bulk = observations("samples", {"b": np.array([[20.0]])}, {}, symbols=["A"])
    bulk.uns["cartarget"]["atlas"] = "bulk"
    panel = build_panel([cells, bulk], symbols=["A"], required=REQUIRED)
    given_ = gifts(panel).assign(donor=lambda frame: [panel.packed.donors[row] for row in frame["donor"]])
    assert given_.values.tolist() == [
        ["d", "normal", "heart"],
        ["d", "normal", "lung"],
        ["p", "normal", "lung"],
        ["p", "tumor", "tumor"],
    ]
    with pytest.raises(ValueError, match="was not made by build_panel"):
        gifts(panel.ranking_only())
