"""One tumour by hand: the order of gates, intervals, what is left, the second choice, and the stain that decides."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from cartarget.errors import GateError
from cartarget.evidence.packed import pack_bits
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import evaluate
from cartarget.selection.patient import OVER_CAP, STAINS, Tumor, choose_for_patient, rank_for_patient

SYMBOLS = ("A", "B", "C", "D")


def cells(positive: np.ndarray, *, measured: tuple[bool, ...] | None = None) -> Tumor:
    """A tumour of cells, antigens × cells."""
    symbols = SYMBOLS[: len(positive)]
    known = np.ones(len(symbols), dtype=bool) if measured is None else np.array(measured)
    words = pack_bits(np.where(known[:, None], positive, False).astype(bool))
    return Tumor("cells", symbols, {"once": words}, positive.shape[1], known, np.full(len(symbols), np.nan), 1)


def bulk(cpm: dict[str, float], *, threshold: float = 10) -> Tumor:
    """A bulk sample."""
    values = np.array(list(cpm.values()))
    words = {
        name: pack_bits((values >= threshold * by)[:, None])
        for name, by in (("half", 0.5), ("once", 1.0), ("twice", 2.0))
    }
    return Tumor("samples", tuple(cpm), words, 1, np.isfinite(values), np.log2(values + 1), threshold)


def gates(**classes: str) -> pd.DataFrame:
    """Gates as a run has them, in its order; `A_and_B` is `A & B`."""
    names = {"_and_not_": " & ~", "_and_": " & ", "_or_": " | "}
    texts = list(classes)
    for word, sign in names.items():
        texts = [text.replace(word, sign) for text in texts]
    return pd.DataFrame(
        {"gate": texts, "safety_class": list(classes.values()), "rank": range(1, len(texts) + 1), "coverage": 0.5}
    )


def test_an_interval_is_that_of_the_share_of_his_own_cells() -> None:
    table = rank_for_patient(cells(np.arange(40)[None] < 30), gates=gates(A="unknown"), floor=0.5)
    row = table.iloc[0]
    assert (row["n_positive"], row["n_cells"], row["coverage"]) == (30, 40, 0.75)
    assert row["coverage_lower"] == pytest.approx(beta.ppf(0.025, 30.5, 10.5))
    assert row["coverage_upper"] == pytest.approx(beta.ppf(0.975, 30.5, 10.5))


def test_order_is_reach_then_class_then_the_lower_end() -> None:
    hit = np.array([[1] * 10 + [0] * 0, [1] * 6 + [0] * 4, [1] * 7 + [0] * 3, [1] * 4 + [0] * 6])
    asked = gates(A=OVER_CAP, B="within caps", C="within caps", D="within caps")
    table = rank_for_patient(cells(hit), gates=asked, floor=0.5)
    assert table["gate"].tolist() == ["C", "B", "A", "D"]
    assert table["rank"].tolist()[:3] == [1, 2, 3]
    assert table["rank"].isna().tolist() == [False, False, False, True], "D hits fewer cells than the floor"
    assert table["rank_run"].tolist() == [3, 2, 1, 4]


def test_a_class_that_needs_one_threshold_ranks_below_a_firm_one() -> None:
    hit = np.array([[1] * 10, [1] * 6 + [0] * 4])
    asked = gates(A="within caps", B="within caps").assign(class_half=None, class_twice=["unknown", "within caps"])
    assert rank_for_patient(cells(hit), gates=asked, floor=0.5)["gate"].tolist() == ["B", "A"]


def test_what_was_not_measured_is_unknown_and_never_absent() -> None:
    hit = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]])
    tumor = cells(hit, measured=(True, False, True))
    asked = gates(A="unknown", A_and_not_B="unknown", A_or_B="unknown", B="unknown")
    table = rank_for_patient(tumor, gates=asked, floor=0.5).set_index("gate")
    assert table.loc["A", "coverage"] == 0.75
    for gate in ("A & ~B", "A | B", "B"):
        assert table.loc[gate, ["rank", "coverage", "coverage_lower", "coverage_upper", "n_positive"]].isna().all()
        assert table.loc[gate, "not_measured"] == "B"


def test_left_second_and_the_share_of_no_gate() -> None:
    hit = np.array([[1] * 6 + [0] * 4, [1] * 5 + [0] * 4 + [1], [0] * 6 + [1, 1, 0, 0], [0] * 6 + [1, 1, 1, 0]])
    asked = gates(A="origin only", B="origin only", C="origin only", D=OVER_CAP)
    choice = choose_for_patient(cells(hit), gates=asked, floor=0.5)
    assert (choice.first, choice.second) == ("A", "C"), "D would catch three, but is over cap"
    left = choice.left.set_index("by")
    assert left["left"].round(6).to_dict() == {
        "first": 0.4, "first and second": 0.2, "origin only": 0.1, OVER_CAP: 0.0,
    }  # fmt: skip
    assert left.loc["origin only", "n_gates"] == 3
    assert left.loc["first", "left_lower"] == pytest.approx(beta.ppf(0.025, 4.5, 6.5))


def test_nothing_is_chosen_of_what_is_over_cap() -> None:
    choice = choose_for_patient(cells(np.ones((1, 5))), gates=gates(A=OVER_CAP), floor=0.5)
    assert (choice.first, choice.second, len(choice.stains)) == (None, None, 0)
    assert choice.table["rank"].tolist() == [1], "it reaches the tumour, and the table says so"


def test_nothing_is_chosen_of_what_does_not_reach() -> None:
    choice = choose_for_patient(cells(np.array([[1, 0, 0, 0]])), gates=gates(A="within caps"), floor=0.5)
    assert choice.first is None
    assert choice.left["left"].tolist() == [0.75]


def test_the_stain_that_decides_by_hand() -> None:
    """A on 8 of 10, B on 6, C not measured: the expected loss of staying with A under each answer."""
    hit = np.array([[1] * 8 + [0] * 2, [0] * 4 + [1] * 6, [0] * 10])
    choice = choose_for_patient(
        cells(hit, measured=(True, True, False)), gates=gates(A="unknown", B="unknown", C="unknown"), floor=0.5
    )
    stains = choice.stains.set_index("antigen")
    assert choice.first == "A"
    chances = {"A": 8.5 / 11, "B": 6.5 / 11, "C": 0.5}
    assert stains["chance"].to_dict() == pytest.approx(chances)
    worth = {"A": (1 - chances["A"]) * 0.6, "B": chances["B"] * 0.2, "C": 0.5 * 0.2}
    assert stains["value"].to_dict() == pytest.approx(worth)
    assert stains["answer"].to_dict() == {"A": "absent", "B": "present", "C": "present"}
    assert stains["instead"].to_dict() == {"A": "B", "B": "B", "C": "C"}
    assert choice.stains["antigen"].iloc[0] == "A"


def test_an_answer_is_weighed_by_the_choice_that_the_ranking_would_make() -> None:
    """Without A the next choice is B, of a worse class; that B is everywhere changes nothing, since A stays first."""
    hit = np.array([[1] * 8 + [0] * 2, [1] * 9 + [0], [1] * 3 + [0] * 7, [1] * 4 + [0] * 6])
    asked = gates(A="within caps", B="unknown", C="within caps", D=OVER_CAP)
    stains = choose_for_patient(cells(hit), gates=asked, floor=0.5).stains.set_index("antigen")
    assert stains["value"].to_dict() == pytest.approx({"A": 2.5 / 11 * 0.9, "C": 3.5 / 11 * 0.2})
    assert stains["instead"].to_dict() == {"A": "B", "C": "C"}


def test_a_blocker_that_is_found_takes_the_gate_away() -> None:
    hit = np.array([[1] * 9 + [0], [0] * 10, [1] * 6 + [0] * 4])
    choice = choose_for_patient(cells(hit), gates=gates(A_and_not_B="unknown", C="unknown"), floor=0.5)
    stains = choice.stains.set_index("antigen")
    assert stains.loc["B", "value"] == pytest.approx(0.5 / 11 * 0.6)
    assert (stains.loc["B", "answer"], stains.loc["B", "instead"]) == ("present", "C")


def test_a_bulk_sample_is_positive_at_half_once_and_twice() -> None:
    tumor = bulk({"A": 30.0, "B": 12.0, "C": 6.0, "D": float("nan")})
    asked = gates(C="unknown", B="unknown", A="unknown", A_and_B="unknown", D="unknown")
    table = rank_for_patient(tumor, gates=asked, floor=0.5).set_index("gate")
    assert table.index.tolist()[:3] == ["A", "B", "A & B"]
    assert table.loc[["A", "B", "A & B", "C"], "n_thresholds"].tolist() == [3, 2, 2, 1]
    assert table.loc[["A", "B", "C"], "coverage"].tolist() == [1, 1, 0]
    assert table.loc["A & B", "margin"] == pytest.approx(np.log2(13) - np.log2(11)), "an AND has the lower level"
    assert table["coverage_lower"].isna().all() and table["n_cells"].isna().all(), "of cells a bulk sample says nothing"
    assert table.loc["D", "not_measured"] == "D" and pd.isna(table.loc["D", "coverage"])
    assert pd.isna(table.loc["C", "rank"])


def test_the_second_choice_of_a_bulk_sample_shares_no_antigen_with_the_first() -> None:
    tumor = bulk({"A": 50.0, "B": 40.0, "C": 12.0})
    choice = choose_for_patient(tumor, gates=gates(A="unknown", A_and_B="unknown", C="unknown"), floor=0.5)
    assert (choice.first, choice.second) == ("A", "C")
    assert choice.left.empty, "the share of cells that is left is unknown"
    assert choice.stains.set_index("antigen").loc["A", "value"] == pytest.approx(0.5 / 4)


def test_a_gate_over_what_is_not_there_is_an_error() -> None:
    with pytest.raises(GateError, match="'B' is not in the panel"):
        rank_for_patient(cells(np.ones((1, 2))), gates=gates(A_and_B="unknown"), floor=0.5)


TEXTS = ["A", "B", "C", "D", "A & B", "A & ~C", "B | D", "C & D", "B & ~A", "A | (C & D)"]


@given(
    st.integers(1, 130).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=4, max_size=4)
    ),
    st.lists(st.sampled_from(["within caps", "unknown", OVER_CAP]), min_size=len(TEXTS), max_size=len(TEXTS)),
)
def test_bits_are_as_cells_one_by_one(positive: list[list[bool]], classes: list[str]) -> None:
    """Coverage, what is left and the second choice against a count that packs nothing."""
    hit = np.array(positive)
    asked = pd.DataFrame({"gate": TEXTS, "safety_class": classes, "rank": range(1, len(TEXTS) + 1)})
    row = dict(zip(SYMBOLS, hit, strict=True))
    plain = {
        text: evaluate(Gate.parse(text), lambda symbol: row[symbol], lambda symbol: ~row[symbol]) for text in TEXTS
    }
    choice = choose_for_patient(cells(hit), gates=asked, floor=0.5)
    table = choice.table.set_index("gate")
    for text, own in plain.items():
        assert table.loc[text, "coverage"] == pytest.approx(own.mean())
        assert table.loc[text, "coverage_lower"] <= own.mean() <= table.loc[text, "coverage_upper"]
    known = dict(zip(TEXTS, classes, strict=True))
    fit = [text for text in TEXTS if known[text] != OVER_CAP and plain[text].mean() >= 0.5]
    assert (choice.first is None) == (not fit)
    if choice.first is None:
        return
    order = ["within caps", "unknown", OVER_CAP]
    assert known[choice.first] == min((known[text] for text in fit), key=order.index)
    caught = {
        text: int((plain[text] & ~plain[choice.first]).sum())
        for text in TEXTS
        if order.index(known[text]) <= order.index(known[choice.first])
    }
    assert (0 if choice.second is None else caught[choice.second]) == max(caught.values())
    assert len(choice.stains) <= STAINS and (choice.stains["value"] > 0).all()
    left = choice.left.set_index("by")["left"]
    every = np.logical_or.reduce([plain[text] for text in TEXTS])
    worst = max(classes, key=order.index)
    assert left[worst] == pytest.approx(1 - every.mean())


def test_a_stain_is_worth_what_trying_every_answer_says() -> None:
    """The same value by putting each answer into the cells and choosing anew."""
    rng = np.random.default_rng(3)
    hit = rng.random((4, 90)) < np.array([[0.8], [0.6], [0.5], [0.3]])
    asked = pd.DataFrame({"gate": TEXTS, "safety_class": "unknown", "rank": range(1, len(TEXTS) + 1)})
    choice = choose_for_patient(cells(hit), gates=asked, floor=0.5)

    def shares(own: np.ndarray) -> dict[str, float]:
        found = rank_for_patient(cells(own), gates=asked, floor=0.5)
        return dict(zip(found["gate"], found["coverage"], strict=True))

    worth = dict.fromkeys(SYMBOLS, 0.0)
    for (place, symbol), answer in product(enumerate(SYMBOLS), (True, False)):
        told = hit.copy()
        told[place] = answer
        chance = (hit[place].sum() + 0.5) / 91
        found = shares(told)
        worth[symbol] += (chance if answer else 1 - chance) * (max(found.values()) - found[choice.first])
    for row in choice.stains.itertuples():
        assert row.value == pytest.approx(worth[row.antigen])
    assert choice.stains["antigen"].iloc[0] == max(worth, key=lambda symbol: worth[symbol])
