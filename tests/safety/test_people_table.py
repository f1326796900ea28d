"""Who is at risk: people counted one by one agree with the judge, and a subgroup that the mean hides is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom

from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.judge import judge
from cartarget.safety.people import COLUMNS, People, people_table, shared_traits
from cartarget.selection.screen import score_gates
from tests.evidence_makers import Block, atlas, cells, normal
from tests.panels import random_panel
from tests.safety.doors import ALL, SYMBOLS, TUMOR, panel
from tests.safety.random_evidence import random_evidence

GATES = ["A", "A & B", "B | C", "A & ~B", "(A & B) | C"]


def table(made, *gates: str) -> pd.DataFrame:
    return people_table(made, Gates.parse(list(gates), panel=made))


def row(made, gate: str = "A", place: str = "heart") -> pd.Series:
    found = table(made, gate)
    (one,) = found[found["population"] == place].to_dict("records")
    return pd.Series(one)


def subgroup(n: int, over: int, *, smoke: int = 0, hits: int = 36, n_cells: int = 40):
    """`n` donors in every tissue; in `over` of them most cells of the heart are hit; all of them and `smoke` smoke."""
    blocks = []
    for place in ALL:
        for i in range(n):
            k = hits if i < over and place == "heart" else 0
            blocks.append(Block(place, f"d{i}", np.vstack([cells([1, 0, 0], k), cells([0, 0, 0], n_cells - k)])))
    made = atlas(blocks, symbols=SYMBOLS)
    number = made.obs["donor"].str[1:].astype(int)
    made.obs["donor_smoking"] = np.where(number < over + smoke, "smoker", "non-smoker")
    made.obs["donor_sex"] = np.where(number % 2 == 0, "female", "male")
    return panel(TUMOR, made)


# ---- against the judge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_people_counted_one_by_one_are_those_of_the_judge(seed: int) -> None:
    """Cells, nuclei and samples, holes, donors of one cell, donors of several samples."""
    evidence = random_evidence(seed, depths=True, holes=0.25)
    made = build_panel(evidence.atlases, **evidence.more)
    gates = Gates.parse(GATES, panel=made)
    judged, people = judge(made, gates), People.of(made)
    for at, hits in people.hits(gates):
        for place, rows in people.places:
            if made.is_capped[place]:
                over = int((hits[rows] >= people.need[rows]).sum())
                assert over == judged.people_over[at, place], (GATES[at], place)
            assert hits[rows].sum() == judged.n_positive[at, place]
            assert len(set(people.donor[rows])) == len(rows) == made.populations["n_donors"].iloc[place]


def test_these_panels_have_people_over_the_cap_of_both_kinds() -> None:
    found = {"cells": 0, "samples": 0}
    for seed in range(12):
        evidence = random_evidence(seed, depths=True, holes=0.25)
        made = build_panel(evidence.atlases, **evidence.more)
        counted = table(made, *GATES)
        for kind in found:
            found[kind] += int(counted.loc[counted["evidence"] == kind, "people_over_cap"].sum())
    assert min(found.values()) > 0


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(3))
def test_the_table_says_what_the_score_says(seed: int, kind: str) -> None:
    """The largest share of people over a cap outside the origin stands in the score too, vital or not."""
    made = random_panel(seed, kind=kind, holes=False)
    gates = Gates.parse(["G0", "G1 & G2", "G3 | G4"], panel=made)
    scored = score_gates(made, gates=gates).set_index("gate")
    counted = people_table(made, gates)
    counted = counted.set_index(["gate", "population"])
    seen = 0
    for gate, one in scored.iterrows():
        if (gate, one["people_population"]) not in counted.index:
            continue
        mine = counted.loc[(gate, one["people_population"])]
        assert mine["people_over_cap"] == one["people_over_cap"] and mine["n_donors"] == one["people_n"]
        assert mine["share_lower"] == pytest.approx(one["people_share_lower"])
        assert mine["share_upper"] == pytest.approx(one["people_share_upper"])
        seen += 1
    assert seen > 0


# ---- what it must show ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [30, 60, 300])
def test_one_in_thirty_is_named_where_the_mean_alone_is_safe(n: int) -> None:
    over = n // 30
    made = subgroup(n, over, smoke=n // 6)
    one = row(made)
    assert one["mean_keeps_cap"] and one["mean_exposure"] < one["cap"], "the mean of all people keeps the cap"
    assert (one["people_over_cap"], one["n_donors"]) == (over, n)
    assert one["share_lower"] < 1 / 30 < one["share_upper"]
    expected = beta(0.5 + over, 0.5 + n - over)
    assert (one["share_lower"], one["share_upper"]) == pytest.approx(expected.ppf([0.025, 0.975]))
    assert one["share"] == pytest.approx(expected.median())
    assert (one["donor_worst"], one["worst_n_observations"]) == (0.9, 40)
    assert (one["donor_median"], one["donor_p90"]) == (0, 0)
    assert f"smoking: smoker {over} of {over} over the cap, {n // 6} of {n - over} others" in one["in_common"]
    other = row(made, place="lung")
    assert other["people_over_cap"] == 0 and pd.isna(other["in_common"])


@pytest.mark.parametrize("n", [30, 100, 300])
def test_the_interval_of_the_share_holds_the_truth_as_often_as_it_says(n: int) -> None:
    """Exact coverage over all outcomes of n donors of whom each is over the cap with chance 1 in 30."""
    k = np.arange(n + 1)
    lower, upper = fraction_interval(k / n, n)
    held = (lower <= 1 / 30) & (upper >= 1 / 30)
    assert binom.pmf(k[held], n, 1 / 30).sum() > 0.92, "Jeffreys: 95 % on average, a little less at some shares"


def test_of_one_person_no_group_is_shown() -> None:
    assert row(subgroup(30, 1))["in_common"].endswith("(one person: no group is shown)")
    assert "no group" not in row(subgroup(60, 2))["in_common"]


def test_two_values_that_tie_are_both_told() -> None:
    text = row(subgroup(60, 2))["in_common"]
    assert "sex: female 1 of 2 over the cap, 29 of 58 others; sex: male 1 of 2 over the cap, 29 of 58 others" in text
    assert "age: unknown" in text


def test_shared_by_less_than_half_is_not_shared() -> None:
    ages = ["20-29", "30-39", "40-49", "", "50-59"]
    (age,) = [one for one in shared_traits({"age": ages}, [True, True, True, True, False]) if one.trait == "age"]
    assert (age.value, age.n_over, age.of_over) == ("", 0, 3)
    assert str(age) == "age: nothing that half of the 3 over the cap share"


def test_no_donor_is_named() -> None:
    made = subgroup(30, 3)
    text = table(made, *GATES).to_csv()
    assert not any(name in text for name in made.packed.donors if len(name) > 2)
    assert not any(f"{name}," in text or f"{name} " in text for name in made.packed.donors)


# ---- what is not known ---------------------------------------------------------------------------------------------


def test_a_required_place_that_nobody_measured_is_unknown() -> None:
    rest = atlas(normal([t for t in ALL if t != "heart"], cells([0, 0, 0])), symbols=SYMBOLS)
    one = row(panel(TUMOR, rest))
    assert one["measured"] == "unknown" and one["n_donors"] == 0
    assert pd.isna(one["people_over_cap"]) and pd.isna(one["share"]) and pd.isna(one["mean_keeps_cap"])
    assert (one["share_lower"], one["share_upper"]) == (0, 1)


def test_a_required_cell_type_that_nobody_measured_is_unknown() -> None:
    kinds = ["heart: fibroblast", *(t for t in ALL if t != "heart")]
    made = panel(
        TUMOR, atlas(normal(kinds, cells([0, 0, 0])), symbols=SYMBOLS), required=["heart: cardiomyocyte", "lung"]
    )
    found = table(made, "A").set_index("population")["measured"]
    assert found["heart: cardiomyocyte"] == "unknown" and found["heart: fibroblast"] == "yes"


def test_an_antigen_not_measured_leaves_the_share_open() -> None:
    """In the heart B was not measured: A | B hits at least those whom A hits; A & B is unknown."""
    blocks = [Block(t, f"d{i}", cells([float(i < 3), 0, 0], 40)) for t in ALL for i in range(30)]
    made = panel(TUMOR, atlas(blocks, symbols=SYMBOLS, unmeasured={"heart": ["B"]}))
    either, both = row(made, "A | B"), row(made, "A & B")
    assert either["measured"] == "in part"
    assert either["people_over_cap"] == 3 and either["share_upper"] == 1 and pd.isna(either["share"])
    assert pd.isna(either["mean_keeps_cap"]) and pd.isna(either["mean_exposure"])
    assert both["measured"] == "unknown" and pd.isna(both["people_over_cap"]) and pd.isna(both["donor_worst"])
    assert (both["share_lower"], both["share_upper"]) == (0, 1)


def test_a_donor_of_one_cell_cannot_be_over_and_is_told_apart() -> None:
    blocks = [Block(t, f"d{i}", cells([1, 0, 0], 1 if i < 4 else 40)) for t in ALL for i in range(10)]
    one = row(panel(TUMOR, atlas(blocks, symbols=SYMBOLS)))
    assert (one["n_donors"], one["n_donors_able"], one["people_over_cap"]) == (10, 6, 6)


def test_no_gate_gives_an_empty_table_of_the_same_form() -> None:
    made = subgroup(30, 1)
    empty = people_table(made, Gates.parse(["A"], panel=made).take(np.arange(0)))
    assert list(empty) == list(COLUMNS) and empty.empty
    assert empty.dtypes.equals(table(made, "A").dtypes)


@pytest.mark.real_data
def test_two_real_brains_are_two_people(shared_data) -> None:
    """Nuclei of two donors whose sex and age are not told: both over the cap, and an interval that says how few."""
    import anndata

    from cartarget import from_anndata, harmonise, read_tiers

    cells_ = anndata.read_h5ad(next((shared_data / "cells_normal").glob("brain_dlpfc*.h5ad")))
    brain = from_anndata(cells_, donor="donor", cell_type="cellType.Broad", tissue="brain", name="brain")
    symbol = brain.var_names[np.asarray((brain.X > 0).mean(axis=0)).ravel().argmax()]
    tiers = read_tiers()
    brain = harmonise(brain, tiers=tiers, origin=["colon"])
    tumour = atlas([Block("", f"p{i}", cells([1], 40)) for i in range(6)], symbols=[symbol], name="tumour")
    made = build_panel([tumour, brain], symbols=[symbol], required=tiers.required, origin=["colon"])
    found = people_table(made, Gates.parse([symbol], panel=made))
    counted = found[(found["measured"] == "yes") & (found["n_donors"] == 2)]
    assert len(counted) >= 2
    worst = counted.sort_values("share").iloc[-1]
    assert worst["people_over_cap"] == 2 and worst["share_upper"] == 1 and worst["share_lower"] < 0.5
    assert worst["in_common"] == "sex: unknown; age: unknown; smoking: unknown"
    assert (found.loc[found["tissue"] == "heart", "measured"] == "unknown").all()
    assert not any(donor in found.to_csv() for donor in set(cells_.obs["donor"].astype(str)))
