"""The null of equal expression, and random pairs: what chance finds is told from what was planted."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.selection.null import level_bins, random_pair_null, random_pairs
from cartarget.selection.screen import Gates, score_gates
from tests.panels import REQUIRED, observations, random_panel

SHAPES = ["G3", "G1 & G4", "G1 | G4", "G1 & ~G4"]


def spread_panel(seed: int = 0, *, genes: int = 60, planted: bool = False) -> Panel:
    """Bulk samples with antigens of all levels; planted: G0 and G1 meet in the tumour and nowhere else."""
    rng = np.random.default_rng(seed)
    tumor = rng.random((30, genes)) * np.geomspace(2, 200, genes)
    normal = {name: rng.random((22, genes)) * np.geomspace(2, 200, genes) for name in ("heart", "lung", "skin")}
    if planted:
        tumor[:, :2] = 100
        for number, values in enumerate(normal.values()):
            values[:, :2] = 0
            values[:, number % 2] = 100
    adata = observations(
        "samples",
        {f"p{i}": row[None] for i, row in enumerate(tumor)},
        {name: {f"{name}{i}": row[None] for i, row in enumerate(rows)} for name, rows in normal.items()},
        symbols=[f"G{i}" for i in range(genes)],
    )
    return build_panel(adata, symbols=list(adata.var_names), required=REQUIRED)


def test_a_planted_pair_beats_its_null_and_a_typical_pair_does_not() -> None:
    panel = spread_panel(genes=150, planted=True)
    gates = Gates.parse(["G0 & G1", "G147 & G149"], panel=panel)
    null = random_pair_null(panel, gates=gates, candidates=panel.symbols, n=300, progress=False)
    assert null["selectivity_percentile"].iloc[0] > 0.98 and null["selectivity_p"].iloc[0] < 0.03
    assert null["selectivity_p"].iloc[1] > 0.1
    assert (null["null_stratum"] == "A10 & B10").all(), "both are as high in the tumour as each other"


def test_pairs_drawn_at_random_have_uniform_percentiles() -> None:
    panel = spread_panel(1)
    rng = np.random.default_rng(5)
    a = rng.integers(60, size=600)
    b = (a + rng.integers(1, 60, size=600)) % 60
    null = random_pair_null(
        panel, gates=Gates.of_two(a, b, rng.integers(3, size=600)), candidates=panel.symbols, n=200, progress=False
    )
    assert null["selectivity_percentile"].mean() == pytest.approx(0.5, abs=0.04)
    assert (null["selectivity_p"] <= 0.05).mean() < 0.08


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_a_null_does_not_depend_on_the_other_gates_or_their_order(kind: str) -> None:
    panel = random_panel(3, kind=kind, n_genes=30)
    one = random_pair_null(
        panel, gates=Gates.parse(SHAPES, panel=panel), candidates=panel.symbols, n=40, progress=False
    )
    other = random_pair_null(
        panel, gates=Gates.parse(SHAPES[::-1], panel=panel), candidates=panel.symbols, n=40, progress=False
    )
    pd.testing.assert_frame_equal(one, other[::-1].reset_index(drop=True), check_exact=True)
    alone = random_pair_null(
        panel, gates=Gates.parse(SHAPES[:1], panel=panel), candidates=panel.symbols, n=40, progress=False
    )
    pd.testing.assert_frame_equal(one.head(1), alone, check_exact=True)


def test_percentile_and_p_by_hand() -> None:
    panel = spread_panel(2, genes=8)  # one bin
    gates = Gates.parse(["G2 & G5"], panel=panel)
    row = random_pair_null(panel, gates=gates, candidates=panel.symbols, n=500, seed=4, progress=False).iloc[0]
    a, b = np.meshgrid(np.arange(8), np.arange(8))
    pairs = Gates.of_two(a[a != b], b[a != b], np.ones(56, dtype=np.int64))
    every = score_gates(panel, gates=pairs)["selectivity"].round(9)
    mine = score_gates(panel, gates=gates)["selectivity"].round(9).iloc[0]
    exact = (every < mine).mean() + (every == mine).mean() / 2
    assert row["selectivity_percentile"] == pytest.approx(exact, abs=0.06)
    assert row["selectivity_p"] == pytest.approx((every >= mine).mean(), abs=0.06)
    assert row["null_stratum"] == "A1 & B1" and row["n_null"] == 500


def test_partners_come_from_the_bins_of_the_gate() -> None:
    panel = spread_panel(3)
    members = np.arange(60)
    bins = level_bins(panel, members=members)
    assert len(np.unique(bins)) == 10 and np.bincount(bins).min() >= 5
    level = np.median(panel.levels[panel.is_tumor[panel.level_population]], axis=0)
    edges = [level[bins == number] for number in range(10)]
    assert all(low.max() <= high.min() + 1e-5 for low, high in itertools.pairwise(edges))


def test_random_pairs_are_pairs() -> None:
    panel = spread_panel(4, genes=12)
    table = random_pairs(panel, candidates=panel.symbols[:5], n=200)
    assert (table["n_antigens"] == 2).all()
    named = set(" ".join(table["gate"]).replace("&", " ").replace("|", " ").replace("~", " ").split())
    assert named == set(panel.symbols[:5])
    pd.testing.assert_frame_equal(table, random_pairs(panel, candidates=panel.symbols[:5], n=200))


def test_one_candidate_is_no_null() -> None:
    panel = spread_panel(5, genes=3)
    gates = Gates.parse(["G0"], panel=panel)
    with pytest.raises(InputError, match="at least two candidates"):
        random_pair_null(panel, gates=gates, candidates=["G0"], progress=False)
    with pytest.raises(InputError, match="at least two candidates"):
        random_pairs(panel, candidates=["G0"])


def test_no_gates_give_an_empty_table() -> None:
    panel = spread_panel(6, genes=10)
    none = Gates.parse([], panel=panel)
    assert random_pair_null(panel, gates=none, candidates=panel.symbols, progress=False).empty
