"""The shortlist: ideas that differ, and a reason when there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.contracts import conform
from cartarget.logic.gate import Gate
from cartarget.selection.marks import marks
from cartarget.selection.shortlist import shortlist, why_empty, with_cohort
from cartarget.surface.sources import given_to_patients


def table(names: list[str], **more: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "gate": names,
            "rank": pd.array(range(1, len(names) + 1), dtype="Int64"),
            "safety_class": "within caps",
            "is_eligible": True,
            "coverage": 0.9,
            "liability": 0.01,
            "selectivity": np.linspace(0.9, 0.1, len(names)),
            "window": 2.0,
            "liability_population": "lung",
        }
    )
    return frame.assign(**more)


def test_gates_around_one_antigen_are_one_idea() -> None:
    found = shortlist(table(["A & B", "A & C", "B & D", "E", "E | F", "G & ~A"]))
    assert found["gate"].tolist() == ["A & B", "E", "G & ~A"]
    assert found["n_alike"].tolist() == [2, 1, 0]
    assert found["rank"].tolist() == [1, 4, 6]


def test_what_does_not_compete_or_is_unsafe_is_no_idea() -> None:
    ranks = pd.array([1, None, 2, 3], dtype="Int64")
    frame = table(["A", "B", "C", "D"], rank=ranks, safety_class=["over cap", "within caps", "unknown", "origin only"])
    assert shortlist(frame)["gate"].tolist() == ["C", "D"]


def test_the_line_says_what_the_members_hit_alone() -> None:
    places = ["small intestine (duodenum) (hpa_consensus)", "lung: club cell", "lung", None, pd.NA]
    kinds = ["over cap", "over cap", "unknown", "origin only", "over cap"]
    antigens = pd.DataFrame({"symbol": list("ABCNX"), "safety_class": kinds, "liability_population": places})
    lines = shortlist(table(["A & B", "C & ~A", "D", "N & X"]), antigens=antigens)["why"].tolist()
    assert lines[0] == "A alone hits small intestine, B alone hits lung"
    assert lines[1] == "C alone is unknown; A spares normal cells"
    assert lines[2] == "within caps alone: no partner is needed"
    assert lines[3] == "N alone hits the origin only, X alone is over cap"


def test_a_gate_of_the_class_of_its_members_says_what_it_adds() -> None:
    antigens = pd.DataFrame({"symbol": list("AB"), "safety_class": "unknown"})
    frame = table(["A | B"], safety_class="unknown", best_member="A", gain_coverage=0.204, gain_liability=-0.1)
    assert shortlist(frame, antigens=antigens)["why"].item() == (
        "unknown like its members, with 0.20 more coverage than A"
    )


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (table([]), "No gate was scored"),
        (table(["A"], is_eligible=False), "below the floor"),
        (table(["A"], rank=pd.array([None], dtype="Int64")), "gain nothing"),
        (table(["A", "B"], safety_class="over cap"), "All 2 ranked gates are over cap"),
    ],
)
def test_an_empty_shortlist_says_why(frame: pd.DataFrame, word: str) -> None:
    assert shortlist(frame.assign(safety_class="over cap")).empty
    assert word in why_empty(frame)


@given(st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from("ABCDEFGH")), max_size=40))
def test_ideas_never_share_a_sensed_antigen_and_every_gate_is_counted_once(pairs: list[tuple[str, str]]) -> None:
    names = list(dict.fromkeys(str(Gate.parse(f"{a} & {b}")) if a != b else a for a, b in pairs))
    found = shortlist(table(names), n=100)
    sensed = [symbol for name in found["gate"] for symbol in Gate.parse(name).antigens]
    assert len(sensed) == len(set(sensed))
    assert len(found) + found["n_alike"].sum() == len(names)
    assert not names or found["gate"].iloc[0] == names[0]


def test_an_idea_that_another_threshold_or_stain_worsens_says_so() -> None:
    moved = {
        "class_half": pd.array(["origin only", "within caps", None], dtype="string"),
        "class_twice": pd.array(["within caps", "within caps", None], dtype="string"),
        "class_worst": pd.array(["origin only", "over cap", None], dtype="string"),
    }
    why = shortlist(table(["A & B", "C & D", "E & F"], **moved))["why"].tolist()
    assert why == [
        "within caps as a gate; origin only at half the threshold",
        "within caps as a gate; over cap if a weaker stain counts",
        "within caps as a gate",
    ]  # fmt: skip


def marked(symbols: str, **more: object) -> pd.DataFrame:
    """Antigens by letter, all on the membrane by experiment."""
    status = {"surface_status": "experiment", "surface_reason": "CAR T in patients"}
    return pd.DataFrame({"symbol": list(symbols), "safety_class": "over cap", "liability_population": "lung"}).assign(
        **status, **more
    )


def test_what_is_unsafe_at_half_or_twice_the_threshold_is_no_idea() -> None:
    half, twice = ["over cap", "within caps", "origin only"], ["within caps", "over cap", "within caps"]
    found = shortlist(table(["A & B", "C & D", "E & F"], class_half=half, class_twice=twice))
    assert found["gate"].tolist() == ["E & F"]


def test_an_idea_needs_a_window_of_one_doubling() -> None:
    found = shortlist(table(["A & B", "C & D", "E & F"], window=[0.99, 1.0, np.nan]))
    assert found["gate"].tolist() == ["C & D"], "a window that is not known is none"


def test_an_antigen_that_follows_another_cell_type_carries_no_idea() -> None:
    flagged = pd.array(["B", "", None], dtype="string")
    assert shortlist(table(["A & B", "C & D", "E & F"], contaminant=flagged))["gate"].tolist() == ["C & D", "E & F"]


def test_a_near_equal_gate_that_is_better_supported_shows_the_idea() -> None:
    told = {"mark_membrane": "yes", "mark_cells": "unknown", "mark_protein": ["no", "yes", "yes", "yes"]}
    scores = {"selectivity": [0.90, 0.86, 0.84, 0.80]}
    frame = table(["A & B", "A & C", "A & D", "C & E"], **told, **scores)
    found = shortlist(frame)
    assert found["gate"].tolist() == ["A & C"], "A & D is 0.06 behind, so it is not near"
    assert found["n_alike"].tolist() == [3]
    assert found["partners"].tolist() == ["B, D, E"]
    worse = shortlist(frame.assign(class_half=["within caps", "unknown", "within caps", "within caps"]))
    assert worse["gate"].tolist() == ["A & B", "C & E"], "a gate of another class around the threshold is not near"


def test_a_target_of_a_product_in_patients_supports_a_gate_and_makes_the_second_list() -> None:
    antigens = marked("ABCD", is_treated=pd.array([True, None, True, True], dtype="boolean"))
    frame = table(["A & B", "A & C", "D"], selectivity=[0.90, 0.89, 0.5])
    found = shortlist(frame, antigens=antigens)
    assert found[["list", "idea", "gate"]].values.tolist() == [
        ["ideas", 1, "A & C"], ["ideas", 2, "D"], ["precedent", 1, "A & C"], ["precedent", 2, "D"],
    ]  # fmt: skip


def test_antibodies_on_malignant_cells_are_protein_that_was_seen() -> None:
    antigens = marked("ABC").assign(antibody_malignant=[0.8, 0.1, None])
    found = marks(table(["A", "B", "A & C"]), antigens=antigens)
    assert found["mark_protein"].tolist() == ["yes", "no", "unknown"]
    assert found["reason_protein"].tolist()[:2] == [
        "A: 80% of the malignant cells bind an antibody", "B: 10% of the malignant cells bind an antibody",
    ]  # fmt: skip


def test_every_mark_has_its_reason() -> None:
    stained = {"protein_stained": [0.75, 0.25, None], "n_protein_stained": [12.0, 12.0, None]}
    antigens = marked("ABC", **stained).assign(n_protein_ratio=[None, 40, None], surface_score=[5.0, 1.2, None])
    antigens.loc[1:, "surface_status"] = ["surface", "unknown"]
    frame = table(
        ["A", "A & B", "C & ~A"],
        class_half=["within caps", "unknown", None],
        class_twice=["within caps", "within caps", None],
    )
    found = marks(frame.assign(coverage_cells=[0.7, None, None], cells_malignant=[None, 0.2, None]), antigens=antigens)
    assert found.filter(like="mark_").values.tolist() == [
        ["yes", "yes", "yes", "yes"], ["partly", "no", "partly", "no"], ["unknown", "unknown", "unknown", "unknown"],
    ]  # fmt: skip
    assert found["reason_membrane"].tolist()[:2] == [
        "A: CAR T in patients",
        "A: CAR T in patients; B: CAR T in patients",
    ]
    assert found["reason_cells"].tolist() == [
        "70% of the malignant cells that were counted", "20% of the malignant cells that were counted",
        "no malignant cells were counted",
    ]  # fmt: skip
    assert found["reason_protein"].iloc[1] == (
        "A: 9 of 12 patients stain; B: 3 of 12 patients stain; found by mass spectrometry in 40 tumours"
    )
    assert found["reason_thresholds"].tolist() == [
        "within caps at half the threshold; within caps at twice the threshold",
        "unknown at half the threshold; within caps at twice the threshold", "the threshold cannot be moved",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "mark"), [("holds", "yes"), ("uncertain", "partly"), ("drops", "no"), ("not measured", "unknown")]
)
def test_a_second_cohort_marks_the_ideas_that_it_measured(verdict: str, mark: str) -> None:
    second = {"gate": ["A & B"], "atlas": "other", "verdict": verdict, "coverage_second": 0.8, "n_patients_second": 40}
    ideas = with_cohort(shortlist(table(["A & B", "C"])), pd.DataFrame(second))
    assert ideas["mark_cohort"].tolist() == [mark, "unknown"]
    assert ideas["reason_cohort"].iloc[1] == "no second cohort was asked"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"class_half": "over cap"}, "over cap at half or at twice"),
        ({"window": np.nan}, "no vital tissue was measured"),
        ({"window": 0.5}, "none has a window of 1 log2"),
    ],
)
def test_a_shortlist_that_the_rules_emptied_says_which(more: dict[str, object], word: str) -> None:
    frame = table(["A & B"], **more)
    assert shortlist(frame).empty
    assert word in why_empty(frame)


def test_what_is_only_partly_known_to_be_on_the_membrane_is_no_idea() -> None:
    told = pd.array(["partly", "yes", "unknown", None], dtype="string")
    frame = table(["A & B", "C & D", "E & F", "G"], mark_membrane=told)
    assert shortlist(frame)["gate"].tolist() == ["C & D", "E & F", "G"], (
        "what no source was asked of is not partly known"
    )


def test_a_product_that_no_patient_has_had_is_no_precedent() -> None:
    clinic = pd.DataFrame({"symbol": ["A", "B"], "status": ["preclinical", "phase 1"]})
    antigens = marked("AB").assign(is_treated=lambda rows: rows["symbol"].isin(given_to_patients(clinic)["symbol"]))
    found = shortlist(table(["A", "B"]), antigens=antigens)
    assert found.loc[found["list"] == "precedent", "gate"].tolist() == ["B"]


def test_an_empty_shortlist_is_a_table() -> None:
    antigens = marked("A", is_treated=True)
    found = with_cohort(shortlist(table(["A"], window=0.0), antigens=antigens), pd.DataFrame({"gate": []}))
    assert found.empty
    assert conform("shortlist", found).empty


def surface(symbols: str, **more: object) -> pd.DataFrame:
    told = {"symbol": list(symbols), "surface_status": "surface", "surface_score": 4.0, "surface_reason": "SURFY"}
    return pd.DataFrame(told | more)


def test_a_stretch_outside_that_is_known_to_be_short_marks_the_membrane_partly() -> None:
    antigens = surface("ABC", n_residues_outside=pd.array([49, 50, None], dtype="Int64"))
    found = marks(table(["A", "B", "C", "A & B"]), antigens=antigens)
    assert found["mark_membrane"].tolist() == ["partly", "yes", "yes", "partly"]
    assert found["reason_membrane"].iloc[0] == "A: SURFY; under 50, few binders reach it"
    tried = antigens.assign(surface_status="experiment")
    assert marks(table(["A"]), antigens=tried)["mark_membrane"].tolist() == ["yes"]


def test_antigens_that_run_against_each_other_are_in_different_cells_unless_cells_were_counted() -> None:
    frame = table(["A & B"] * 4, members_r=[-0.31, -0.3, None, -0.9], coverage_cells=[None, None, None, 0.8])
    found = marks(frame, antigens=surface("AB"))
    assert found["mark_cells"].tolist() == ["no", "unknown", "unknown", "yes"]
    assert "r -0.31" in found["reason_cells"].iloc[0]


def test_a_firm_class_that_reaches_too_few_at_twice_the_threshold_holds_partly() -> None:
    frame = table(["A"] * 3, class_half="within caps", class_twice="within caps", coverage_twice=[0.49, 0.5, None])
    found = marks(frame, antigens=surface("A"), floor=0.5)
    assert found["mark_thresholds"].tolist() == ["partly", "yes", "yes"]
    assert found["reason_thresholds"].iloc[0].endswith("at twice the threshold; coverage 0.49 there")
    worse = marks(frame.assign(class_twice="over cap"), antigens=surface("A"))
    assert worse["mark_thresholds"].tolist() == ["no"] * 3


def test_an_antigen_of_most_tissues_is_said_to_hit_them() -> None:
    antigens = surface(
        "AB", safety_class="over cap", liability_population="lung", tissues_broken=["lung", "gut, lung, skin"]
    )
    assert shortlist(table(["A & B"]), antigens=antigens)["why"].tolist() == [
        "A alone hits lung, B alone hits lung and 2 more tissues"
    ]


def test_a_gate_that_malignant_cells_speak_against_is_no_idea() -> None:
    told = pd.array(["no", "yes", "unknown", None], dtype="string")
    frame = table(["A & B", "C & D", "E & F", "G"], mark_cells=told)
    assert shortlist(frame)["gate"].tolist() == ["C & D", "E & F", "G"]
    assert "malignant cells" in why_empty(frame.head(1))
