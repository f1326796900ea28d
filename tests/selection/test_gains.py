"""What a gate adds to its parts: all of them asked, the best-ranked one told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.contracts import CLASSES
from cartarget.selection.gains import gains
from cartarget.selection.ranking import ranking_order


def table(**columns: list[object]) -> pd.DataFrame:
    n = max(len(values) for values in columns.values())
    base = {
        "gate": [f"g{i}" for i in range(n)],
        "is_eligible": [True] * n,
        "safety_class": ["within caps"] * n,
        "selectivity": [0.5] * n,
        "window": [1.0] * n,
        "is_protein_known": [False] * n,
        "coverage": [0.5] * n,
        "liability": [0.1] * n,
    }
    return pd.DataFrame(base | columns)


def of_last(frame: pd.DataFrame) -> pd.Series:
    """Gains of the last gate, of which all others are parts."""
    n = len(frame)
    members = np.full((n, n - 1), -1)
    members[-1] = np.arange(n - 1)
    return gains(frame, members=members).iloc[-1]


@pytest.mark.parametrize(
    ("selectivity", "redundant"),
    [(0.55, False), (0.5499, True), (0.5, True), (0.4, True)],
)
def test_without_a_better_class_five_hundredths_of_selectivity_are_asked(selectivity: float, redundant: bool) -> None:
    assert of_last(table(selectivity=[0.5, selectivity]))["is_redundant"] == redundant


@pytest.mark.parametrize(
    ("part", "own", "redundant"),
    [
        ("over cap", "within caps", False),
        ("unknown", "origin only", False),
        ("within caps", "within caps", True),
        ("within caps", "over cap", True),
    ],
)
def test_a_better_class_is_a_gain_by_itself(part: str, own: str, redundant: bool) -> None:
    assert of_last(table(safety_class=[part, own], selectivity=[0.9, 0.2]))["is_redundant"] == redundant


def test_a_gate_must_gain_on_each_part_and_not_on_the_best_alone() -> None:
    """Safer than g0, which ranks last; no better than g1."""
    frame = table(safety_class=["over cap", "within caps", "within caps"], selectivity=[0.9, 0.5, 0.52])
    assert of_last(frame)["is_redundant"]
    assert not of_last(frame.assign(selectivity=[0.9, 0.5, 0.56]))["is_redundant"]


def test_all_gains_are_told_against_the_part_that_ranks_first() -> None:
    """g0 is over cap with the higher coverage; g1 is within caps and ranks first: the gains are those on g1."""
    row = of_last(
        table(
            safety_class=["over cap", "within caps", "within caps"],
            coverage=[0.95, 0.6, 0.9],
            liability=[0.9, 0.2, 0.05],
            selectivity=[0.05, 0.4, 0.85],
            window=[-3.0, 1.0, 2.5],
        )
    )
    assert row["best_member"] == "g1"
    gained = ["gain_coverage", "gain_liability", "gain_selectivity", "gain_window"]
    assert row[gained].tolist() == pytest.approx([0.3, 0.15, 0.45, 1.5])


def test_an_eligible_part_ranks_before_a_safer_one_that_is_not() -> None:
    frame = table(is_eligible=[False, True, True], safety_class=["within caps", "over cap", "within caps"])
    assert of_last(frame)["best_member"] == "g1"


def test_what_is_not_known_of_the_best_part_is_no_gain() -> None:
    row = of_last(table(liability=[np.nan, 0.1], window=[np.nan, 1.0], selectivity=[0.2, 0.9]))
    assert np.isnan(row["gain_liability"]) and np.isnan(row["gain_window"])
    assert row["gain_selectivity"] == pytest.approx(0.7)


def test_a_gate_without_parts_is_never_redundant_and_has_no_gain() -> None:
    found = gains(table(selectivity=[0.1, 0.9]), members=np.full((2, 1), -1))
    assert not found["is_redundant"].any()
    assert found.drop(columns="is_redundant").isna().all(axis=None)
    empty = gains(table(gate=["x"]).iloc[:0], members=np.empty((0, 1), dtype=np.int64))
    assert empty.empty


@given(seed=st.integers(0, 10**6), n=st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_the_result_is_that_of_a_plain_loop_and_of_no_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    frame = table(
        safety_class=rng.choice(CLASSES, n).tolist(),
        selectivity=rng.choice([0.1, 0.15, 0.2, 0.5], n).tolist(),
        coverage=rng.random(n).tolist(),
        is_eligible=(rng.random(n) < 0.7).tolist(),
    )
    members = np.where(rng.random((n, 4)) < 0.6, rng.integers(0, n, (n, 4)), -1)
    found = gains(frame, members=members)
    place, order = {label: i for i, label in enumerate(CLASSES)}, list(ranking_order(frame))
    for row in range(n):
        parts, mine = [m for m in members[row] if m >= 0], frame.loc[row]
        enough = [
            place[mine["safety_class"]] < place[frame.loc[m, "safety_class"]]
            or mine["selectivity"] >= frame.loc[m, "selectivity"] + 0.05 - 1e-9
            for m in parts
        ]
        assert found.loc[row, "is_redundant"] == (not all(enough))
        best = min(parts, key=order.index, default=None)
        assert found.loc[row, "best_member"] == (None if best is None else frame.loc[best, "gate"])
    pd.testing.assert_frame_equal(found, gains(frame, members=members[:, ::-1]))
