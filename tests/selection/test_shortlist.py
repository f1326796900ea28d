"""The shortlist: ideas that differ, and a reason when there are none."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.logic.gate import Gate
from cartarget.selection.shortlist import shortlist, why_empty


def table(names: list[str], **more: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "gate": names,
            "rank": pd.array(range(1, len(names) + 1), dtype="Int64"),
            "safety_class": "safe",
            "is_eligible": True,
            "coverage": 0.9,
            "liability": 0.01,
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
    frame = table(["A", "B", "C", "D"], rank=ranks, safety_class=["unsafe", "safe", "unknown", "origin-only"])
    assert shortlist(frame)["gate"].tolist() == ["C", "D"]


def test_the_line_says_what_the_members_hit_alone() -> None:
    places = ["small intestine (duodenum) (hpa_consensus)", "lung: club cell", "lung", None, pd.NA]
    kinds = ["unsafe", "unsafe", "unknown", "origin-only", "unsafe"]
    antigens = pd.DataFrame({"symbol": list("ABCNX"), "safety_class": kinds, "liability_population": places})
    lines = shortlist(table(["A & B", "C & ~A", "D", "N & X"]), antigens=antigens)["why"].tolist()
    assert lines[0] == "A alone hits small intestine, B alone hits lung"
    assert lines[1] == "C alone is unknown; A spares normal cells"
    assert lines[2] == "safe alone: no partner is needed"
    assert lines[3] == "N alone hits the origin only, X alone is unsafe"


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
        (table(["A", "B"], safety_class="unsafe"), "All 2 ranked gates are unsafe"),
    ],
)
def test_an_empty_shortlist_says_why(frame: pd.DataFrame, word: str) -> None:
    assert shortlist(frame.assign(safety_class="unsafe")).empty
    assert word in why_empty(frame)


@given(st.lists(st.tuples(st.sampled_from("ABCDEFGH"), st.sampled_from("ABCDEFGH")), max_size=40))
def test_ideas_never_share_a_sensed_antigen_and_every_gate_is_counted_once(pairs: list[tuple[str, str]]) -> None:
    names = list(dict.fromkeys(str(Gate.parse(f"{a} & {b}")) if a != b else a for a, b in pairs))
    found = shortlist(table(names))
    sensed = [symbol for name in found["gate"] for symbol in Gate.parse(name).antigens]
    assert len(sensed) == len(set(sensed))
    assert len(found) + found["n_alike"].sum() == len(names)
    assert not names or found["gate"].iloc[0] == names[0]


def test_an_idea_that_another_threshold_worsens_says_so() -> None:
    worst = pd.array(["unsafe", "safe", None], dtype="string")
    why = shortlist(table(["A & B", "C & D", "E & F"], class_worst=worst))["why"].tolist()
    assert why == ["safe as a gate; unsafe at another threshold", "safe as a gate", "safe as a gate"]
