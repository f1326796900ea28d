"""The numbers that judge a score: against pairs counted one by one, by symmetry, and on the page that quotes them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.safety.backtest import (
    antigen_scores,
    average_precision,
    calibration,
    evaluate,
    gate_levels,
    held_out_accuracy,
    interval_by_group,
    place_scores,
    roc_auc,
)

ROWS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30)
"""Few distinct scores, so that ties are common."""
LEVELS = pd.DataFrame(
    {"A": [9.0, 1.0, 4.0], "B": [2.0, 4.0, 0.0], "C": [0.0, 7.0, np.nan], "O": [0.0, 0.0, 0.0]},
    index=["lung", "skin", "colon"],
)


def split(rows: list[tuple[int, bool]]) -> tuple[list[int], list[bool]]:
    return [score for score, _ in rows], [harmed for _, harmed in rows]


@given(ROWS)
def test_roc_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    score, harmed = split(rows)
    high = [s for s, is_harmed in rows if is_harmed]
    low = [s for s, is_harmed in rows if not is_harmed]
    wins = [(a > b) + (a == b) / 2 for a, b in product(high, low)]
    assert roc_auc(score, harmed) == pytest.approx(np.mean(wins) if wins else np.nan, nan_ok=True)


@given(ROWS)
def test_roc_auc_mirrors_and_sees_order_only(rows: list[tuple[int, bool]]) -> None:
    score, harmed = split(rows)
    auc = roc_auc(score, harmed)
    assert roc_auc([-s for s in score], harmed) == pytest.approx(1 - auc, nan_ok=True)
    assert roc_auc([float(np.exp(s)) for s in score], harmed) == pytest.approx(auc, nan_ok=True)


@given(ROWS)
def test_average_precision_is_its_sum(rows: list[tuple[int, bool]]) -> None:
    score, harmed = split(rows)
    total, before = 0.0, 0.0
    for cut in sorted(set(score), reverse=True):
        called = [is_harmed for s, is_harmed in rows if s >= cut]
        reached = sum(called) / sum(harmed) if any(harmed) else np.nan
        total += (reached - before) * sum(called) / len(called)
        before = reached
    assert average_precision(score, harmed) == pytest.approx(total, nan_ok=True)


def test_average_precision_of_no_information_is_the_share_harmed() -> None:
    assert average_precision([1, 1, 1, 1], [True, False, False, False]) == 0.25


@pytest.mark.parametrize("statistic", [roc_auc, average_precision])
def test_what_is_missing_is_refused_and_not_guessed(statistic) -> None:
    with pytest.raises(InputError, match="not finite; leave rows without a score out, and count them"):
        statistic([1.0, np.nan], [True, False])
    with pytest.raises(InputError, match="give one of each per row"):
        statistic([1.0, 2.0], [True])


def test_levels_of_gates() -> None:
    found = gate_levels(LEVELS, ["A & B", "A | B", "A & ~B", "A & C", "A | X", "A & ~X", "A"])
    assert found["A & B"].tolist() == [2, 1, 0]
    assert found["A | B"].tolist() == [9, 4, 4]
    assert found["A & ~B"].tolist() == found["A & ~X"].tolist() == found["A"].tolist() == [9, 1, 4]
    assert found["A & C"].tolist()[:2] == [0, 1] and np.isnan(found.at["colon", "A & C"])
    assert found["A | X"].isna().all(), "a part that was not measured may stand anywhere"


def test_places() -> None:
    names = ["A", "A", "A", "C", "C", "O", "X", "A"]
    organs = ["lung", "skin", "colon", "skin", "colon", "lung", "lung", "liver"]
    pairs = pd.DataFrame({"antigen": names, "organ": organs}, index=range(10, 18))
    found = place_scores(LEVELS, pairs)
    assert found.index.tolist() == pairs.index.tolist()
    np.testing.assert_allclose(found["level"], np.log2([10, 2, 5, 8, np.nan, 1, np.nan, np.nan]))
    np.testing.assert_allclose(found["share"], [1, 1 / 9, 4 / 9, 1, np.nan, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(found["place"], [1, 0, 0.5, 1, np.nan, np.nan, np.nan, np.nan])


def test_a_place_is_not_told_where_one_tissue_is_measured() -> None:
    found = place_scores(LEVELS.loc[["lung"]], pd.DataFrame({"antigen": ["A"], "organ": ["lung"]}))
    assert found["level"].notna().all() and found[["share", "place"]].isna().all(axis=None)


def test_scores_of_a_whole_antigen() -> None:
    found = antigen_scores(LEVELS, ["A", "O", "X"])
    assert found.at["A", "pooled"] == pytest.approx(np.log2(1 + 14 / 3))
    assert found.at["A", "highest"] == pytest.approx(np.log2(10))
    logs = np.log2([10, 2, 5])
    assert found.at["A", "unspecific"] == pytest.approx(1 - np.sum(1 - logs / logs.max()) / 2)
    assert found.loc["O", ["pooled", "highest"]].tolist() == [0, 0] and np.isnan(found.at["O", "unspecific"])
    assert found.loc["X"].isna().all()


def test_the_bootstrap_draws_whole_groups() -> None:
    """Two groups whose scores never overlap: each resample has one, the other or both, so four values are possible."""
    score, groups = [5.0, 5.0, 1.0, 1.0], list("aabb")
    seen: list[float] = []

    def mean(values: np.ndarray, _: np.ndarray) -> float:
        seen.append(float(values.mean()))
        return seen[-1]

    interval_by_group(mean, score, [True, False, True, False], groups, n_resamples=100)
    assert set(seen) == {1.0, 3.0, 5.0}


def test_intervals_repeat_and_hold_the_estimate() -> None:
    rng = np.random.default_rng(1)
    harmed = rng.random(200) < 0.5
    score = harmed + rng.normal(size=200)
    groups = [str(at // 4) for at in range(200)]
    first = interval_by_group(roc_auc, score, harmed, groups, n_resamples=300)
    assert first == interval_by_group(roc_auc, score, harmed, groups, n_resamples=300)
    assert first != interval_by_group(roc_auc, score, harmed, groups, n_resamples=300, seed=1)
    assert first[0] < roc_auc(score, harmed) < first[1] and first[2] == 300


def test_no_interval_without_two_groups_that_differ() -> None:
    """One group is all harmed, one all spared: half the resamples hold one class only, which is told."""
    lower, upper, n_used = interval_by_group(roc_auc, [2, 2], [True, True], ["a", "b"], n_resamples=100)
    assert np.isnan([lower, upper]).all() and n_used == 0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """True AUC 0.5 with antigens that share their score: 95 % by group, as simulated from the seed."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(40), 3)
        score = rng.normal(size=40)[groups] + rng.normal(scale=0.3, size=120)
        harmed = rng.random(120) < rng.random(40)[groups]
        lower, upper, _ = interval_by_group(roc_auc, score, harmed, groups.astype(str).tolist(), n_resamples=200)
        held += lower <= 0.5 <= upper
    assert held >= 52


@given(ROWS)
def test_calibration_loses_no_row(rows: list[tuple[int, bool]]) -> None:
    score, harmed = split(rows)
    table = calibration(score, harmed, edges=[-1, 1])
    assert table["n_rows"].sum() == len(rows) and table["n_harmed"].sum() == sum(harmed)
    told = table[table["n_rows"] > 0]
    assert (told["lower"] <= told["harmed"] + 1e-12).all() and (told["harmed"] <= told["upper"] + 1e-12).all()
    assert table.loc[table["n_rows"] == 0, ["harmed", "lower", "upper"]].isna().all(axis=None)


def test_calibration_by_hand() -> None:
    """Wilson's interval of 1 of 10 is 0.018 to 0.404; a score at an edge belongs above it."""
    table = calibration([0.0] * 10 + [1.0], [True] + [False] * 9 + [True], edges=[1.0])
    assert table["n_rows"].tolist() == [10, 1]
    assert table.loc[0, ["lower", "upper"]].tolist() == pytest.approx([0.0179, 0.4042], abs=1e-4)


def test_a_threshold_never_sees_the_group_it_judges() -> None:
    """Scores that tell harm inside one antigen only, each at its own height, are worth nothing for the next."""
    score = [1, 0, 11, 10, 21, 20]
    harmed = [True, False] * 3
    assert held_out_accuracy(score, harmed, list("aabbcc")) == 0.5
    assert np.isnan(held_out_accuracy([1, 2], [True, True], list("ab")))


def test_missing_rows_are_counted_and_leave_one_score_only() -> None:
    scores = pd.DataFrame({"some": [3.0, np.nan, 1.0, np.nan], "all": [1.0, 2.0, 3.0, 4.0], "none": np.nan})
    table = evaluate(scores, pd.Series([True, True, False, False]), pd.Series(list("abcd")), n_resamples=50)
    table = table.set_index("score")
    assert table["n_missing"].tolist() == [2, 0, 4] and table["n_rows"].tolist() == [2, 4, 0]
    assert table["n_harmed"].tolist() == [1, 2, 0] and table["n_groups"].tolist() == [2, 4, 0]
    assert table["auc"].tolist()[:2] == [1, 0] and table.loc["none", ["auc", "base", "precision"]].isna().all()


@pytest.mark.real_data
def test_the_page_quotes_the_tables(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/foresight.md` holds what `benchmarks/backtest.py` prints."""
    monkeypatch.syspath_prepend("benchmarks")
    import backtest

    page = Path("docs/foresight.md").read_text(encoding="utf-8")
    told = page.partition("<!-- tables -->\n\n")[2].partition("\n<!-- end of tables -->")[0]
    assert told == backtest.report(shared_data)
