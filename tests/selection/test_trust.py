"""The first gates held to account: one row a gate, by every means that the data allow."""

from __future__ import annotations

import pandas as pd
import pytest

from cartarget.atlas.harmonise import harmonise
from cartarget.atlas.readers.simulate import simulate_atlas
from cartarget.contracts import conform
from cartarget.evidence.panel import build_panel
from cartarget.safety.tiers import read_tiers
from cartarget.selection.trust import _is_firm, assess_gates

SYMBOLS = ["CEACAM5", "MSLN", "MET", "ASGR1", "LY6G6D", "MUC16"]
GATES = ["CEACAM5 & MSLN", "LY6G6D", "MET & ~ASGR1"]


@pytest.fixture(scope="module")
def made():
    tiers = read_tiers("config/tissue_tiers.tsv")
    small = simulate_atlas(n_patients=6, n_donors=6, n_background=0, cells_per_tumor=80, cells_per_population=8)
    atlas = harmonise(small, tiers=tiers, origin=["colon"])
    return build_panel(atlas, symbols=SYMBOLS, required=tiers.required, origin=["colon"])


def assess(made, gates=GATES, **given):
    asked = {"folds": 2, "bootstrap": 4, "n_null": 10, "progress": False} | given
    return assess_gates(made, gates=gates, candidates=SYMBOLS, **asked)


def test_each_gate_has_a_row_in_order_and_the_same_seed_gives_the_same_rows(made):
    conflicts = pd.DataFrame({"gate": ["LY6G6D", "LY6G6D"]})
    table, found = assess(made, conflicts=conflicts)
    shaped = conform("trust", table)
    assert shaped["gate"].tolist() == GATES
    assert shaped["n_conflicts"].tolist() == [0, 2, 0]
    assert (shaped["n_folds"] == 2).all()
    assert shaped["rank_lower"].le(shaped["rank_upper"]).all()
    assert set(found.procedure["quantity"]) >= {"coverage", "liability"}
    pd.testing.assert_frame_equal(table, assess(made, conflicts=conflicts)[0])


def test_what_cannot_be_done_is_left_empty(made):
    table, found = assess(made, folds=7, bootstrap=0, n_null=0)
    assert found is None
    shaped = conform("trust", table)
    assert shaped[["n_folds", "coverage_heldout", "rank_lower", "selectivity_p"]].isna().all(axis=None)


def test_no_gate_gives_an_empty_table(made):
    table, found = assess(made, gates=[])
    assert conform("trust", table).empty
    assert found is None


@pytest.mark.parametrize(
    ("share", "narrow", "worst", "firm"),
    [
        (0.97, False, "within caps", True),
        (0.97, False, "over cap", False),
        (0.90, False, "within caps", False),
        (0.97, True, "within caps", None),
        (0.97, True, "over cap", False),
        (0.90, True, "within caps", False),
        (0.97, False, None, None),
        (0.90, False, None, False),
    ],
)
def test_what_is_not_known_to_be_firm_is_not_called_firm(share, narrow, worst, firm):
    table = pd.DataFrame({"gate": ["A"], "class_share": [share], "is_interval_narrow": [narrow]})
    swept = pd.DataFrame({"gate": ["A"], "class_best": ["within caps"], "class_worst": [worst]})
    found = _is_firm(table, swept)
    assert found.tolist() == [pd.NA if firm is None else firm]
