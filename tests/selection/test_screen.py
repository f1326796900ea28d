"""Ranking, gains, and the tables that the screen returns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.contracts import CLASSES, conform
from cartarget.errors import GateError
from cartarget.logic.batch import Gates
from cartarget.selection.ranking import rank, ranking_order
from cartarget.selection.screen import expose, score_gates, screen_antigens, screen_gates
from tests.panels import random_panel


def frame(**columns):
    n = max(len(v) for v in columns.values())
    base = {
        "gate": [f"g{i}" for i in range(n)],
        "is_eligible": [True] * n,
        "safety_class": ["within caps"] * n,
        "selectivity": [0.5] * n,
        "window": [1.0] * n,
        "n_antigens": [1] * n,
        "is_protein_known": [False] * n,
    }
    return pd.DataFrame(base | columns)


def best(table):
    return table.loc[ranking_order(table), "gate"].tolist()


@pytest.mark.parametrize(
    ("columns", "order"),
    [
        ({"is_eligible": [False, True]}, ["g1", "g0"]),
        ({"safety_class": ["over cap", "unknown", "origin only", "within caps"]}, ["g3", "g2", "g1", "g0"]),
        ({"selectivity": [0.1, 0.2]}, ["g1", "g0"]),
        ({"window": [1.0, 2.0]}, ["g1", "g0"]),
        ({"window": [np.nan, -5.0]}, ["g1", "g0"]),
        ({"safety_class": ["over cap"] * 2, "selectivity": [0.9, 0.1], "window": [0.0, 1.0]}, ["g1", "g0"]),
        ({"n_antigens": [2, 1]}, ["g1", "g0"]),
        ({"is_protein_known": [False, True]}, ["g1", "g0"]),
        ({"gate": ["b", "a"]}, ["a", "b"]),
    ],
)
def test_order_is_by_one_rule_after_the_other(columns, order):
    assert best(frame(**columns)) == order


def test_redundant_gates_negative_controls_and_ineligible_rows_get_no_number():
    table = frame(
        gate=list("abcde"),
        is_redundant=[False, True, False, False, False],
        control=["", "", "housekeeping", "clinical", ""],
        is_eligible=[True, True, True, True, False],
    )
    assert rank(table)["rank"].tolist() == [1, pd.NA, pd.NA, 2, pd.NA]


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_tables_keep_their_contracts_and_agree_with_each_other(kind):
    panel = random_panel(11, kind=kind, n_genes=14)
    controls = pd.DataFrame({"symbol": ["G1", "G2"], "kind": ["clinical", "housekeeping"]})
    antigens = conform("antigens", screen_antigens(panel, floor=0.3, controls=controls))
    found = screen_gates(
        panel, candidates=[s for s in panel.symbols if s != "G2"], floor=0.3, controls=controls, progress=False
    )
    gates = conform("gates", found.table)
    assert sorted(antigens["symbol"]) == sorted(panel.symbols)
    assert found.gates.names(panel.symbols) == gates["gate"].tolist()
    assert not gates.loc[gates["n_antigens"] == 2, "gate"].str.contains("G2").any(), "controls stand in no gate"
    alone = gates[gates["n_antigens"] == 1].set_index("gate")
    shared = antigens.set_index("symbol").loc[alone.index]
    for column in ("safety_class", "coverage", "liability", "selectivity", "window"):
        pd.testing.assert_series_equal(alone[column], shared[column], check_names=False)
    ranked = gates.dropna(subset="rank")
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert not ranked["is_redundant"].any()
    place = ranked["safety_class"].map(list(CLASSES).index)
    assert place.is_monotonic_increasing


def test_gains_are_differences_from_the_best_member():
    panel = random_panel(11, kind="cells", n_genes=14)
    table = screen_gates(panel, candidates=panel.symbols, floor=0.3, progress=False).table.set_index("gate")
    pairs = table[table["n_antigens"] == 2]
    singles = score_gates(panel, gates=Gates.singles(len(panel.symbols)), floor=0.3).set_index("gate")
    assert len(pairs)
    for gate, row in pairs.iterrows():
        member = singles.loc[row["best_member"]]
        assert row["gain_coverage"] == pytest.approx(row["coverage"] - member["coverage"])
        assert row["gain_liability"] == pytest.approx(member["liability"] - row["liability"], nan_ok=True), gate


def test_each_gate_says_what_it_takes_and_what_its_failure_looks_like():
    panel = random_panel(11, kind="cells", n_genes=14, holes=False)
    table = screen_gates(panel, candidates=panel.symbols, floor=0.0, progress=False).table
    shape = table["gate"].str.extract(r"(& ~|&|\|)", expand=False).fillna("")
    takes = {"": "single CAR", "&": "synNotch or split", "|": "tandem", "& ~": "inhibitory CAR"}
    fails = {"": "loses the antigen", "&": "loses either antigen", "|": "add up", "& ~": "lack the blocker"}
    assert set(shape) == set(takes)
    for kind, build, failure in zip(shape, table["hardware"], table["failure"], strict=True):
        assert takes[kind] in build and fails[kind] in failure


def test_top_limits_ranked_and_redundant_gates_but_not_controls():
    panel = random_panel(11, kind="cells", n_genes=14, holes=False)
    controls = pd.DataFrame({"symbol": ["G0"], "kind": ["clinical"]})
    table = screen_gates(panel, candidates=panel.symbols, floor=0.0, top=20, controls=controls, progress=False).table
    assert len(table[table["control"] == ""]) <= 20
    assert "G0" in set(table["gate"])
    everything = screen_gates(panel, candidates=panel.symbols, floor=0.0, progress=False).table
    ranked = table.dropna(subset="rank")
    assert ranked["gate"].tolist() == everything.dropna(subset="rank")["gate"].head(len(ranked)).tolist()


@pytest.mark.parametrize("gate", ["~G0", "G0 | ~G1", "G0 & (G1 | ~G2) | ~G3", "G0 & NOBODY"])
def test_gates_that_the_screen_cannot_score_are_refused(gate):
    panel = random_panel(1, kind="cells")
    with pytest.raises(GateError, match="gate"):
        Gates.parse([gate], panel=panel)


def test_parsed_gates_print_the_same():
    panel = random_panel(1, kind="cells")
    gates = ["G0", "G0 & G1", "G0 | G1", "G0 & ~G1", "G2 & ~G1", "G0 & G1 & G2", "(G0 | G3) & ~G1"]
    assert Gates.parse(gates, panel=panel).names(panel.symbols) == gates


def test_a_hostile_name_is_only_a_name():
    evil = "</script><img src=x onerror=alert(1)>"
    panel = random_panel(2, kind="cells")
    symbols = (evil, *panel.symbols[1:])
    renamed = type(panel)(**{name: getattr(panel, name) for name in panel.__dataclass_fields__} | {"symbols": symbols})
    antigens = screen_antigens(renamed)
    assert evil in set(antigens["symbol"])
    rows = expose(renamed, gates=Gates.singles(len(symbols)))
    assert len(set(rows["gate"])) == len(symbols)
