"""RNA of a blocker that leaked into a cell spares nothing: by hand, and that random evidence holds such places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.judge import judge
from cartarget.safety.leaks import may_leak
from cartarget.selection.screen import score_gates
from tests.evidence_makers import Block, atlas
from tests.safety.random_evidence import random_evidence

SYMBOLS = ["A", "B", "C", "D"]


def heart(leak: float, *, source: float = 100.0, twin: float = 100.0, unmeasured: bool = False) -> Panel:
    """Ten donors: A on every cardiomyocyte, B at `leak` counts in each and at `source` in endothelium; C stands on
    every normal cell at `twin`, or is `unmeasured` in them; D is everywhere at half."""
    blocks = [Block("", f"p{i}", np.tile([20.0, 0, 0, 10], (20, 1)), depth=5000) for i in range(6)]
    for i in range(10):
        blocks.append(Block("heart: cardiomyocyte", f"d{i}", np.tile([20.0, leak, twin, 10], (20, 1)), depth=5000))
        blocks.append(Block("heart: endothelial cell", f"d{i}", np.tile([0, source, twin, 10], (20, 1)), depth=5000))
    lacking = {place: ["C"] for place in ("heart: cardiomyocyte", "heart: endothelial cell") if unmeasured}
    made = atlas(blocks, symbols=SYMBOLS, kind="cells", name="x", required=("heart",), unmeasured=lacking)
    return build_panel([made], symbols=SYMBOLS, required=["heart"], origin=["colon"])


def scored(panel: Panel, *gates: str) -> pd.DataFrame:
    return score_gates(panel, gates=list(gates)).set_index("gate")


@pytest.mark.parametrize(("leak", "kind"), [(9.0, "unknown"), (11.0, "within caps"), (0.0, "over cap")])
def test_a_blocker_below_a_tenth_of_its_source_spares_nothing(leak: float, kind: str) -> None:
    row = scored(heart(leak), "A & ~B").iloc[0]
    assert row["safety_class"] == kind
    assert row["tissues_unresolved"] == ("heart" if kind == "unknown" else "")
    assert row["is_safety_known"] == (kind != "unknown")
    if kind == "unknown":
        assert row["liability"] < 0.05 and row["liability_upper"] > 0.95, "if it does not block, every cell is hit"


def test_a_blocker_that_the_cells_carry_themselves_is_believed() -> None:
    table = scored(heart(9.0), "A & ~C", "A & ~B & ~C", "A", "D & ~B", "B & ~A")
    assert table.loc["A & ~C", "safety_class"] == "within caps"
    assert table.loc["A & ~B & ~C", "safety_class"] == "within caps", "C alone spares the cells"
    assert table.loc["A", "safety_class"] == "over cap"
    assert table.loc["D & ~B", "safety_class"] == "unknown"


@pytest.mark.parametrize("unmeasured", [False, True])
def test_a_blocker_that_is_nowhere_does_not_cancel_a_leak(unmeasured: bool) -> None:
    """C stops no cell, or nothing measured it; B leaked: `A & ~B & ~C` is no better known than `A & ~B`."""
    table = scored(heart(9.0, twin=0.0, unmeasured=unmeasured), "A & ~B", "A & ~C & ~B", "A & ~B & ~C")
    assert set(table["safety_class"]) == {"unknown"} and set(table["tissues_unresolved"]) == {"heart"}
    assert not table["is_safety_known"].any()
    assert (table["liability_upper"] > 0.95).all()


def test_where_leaks_are_said_by_hand() -> None:
    panel = heart(9.0)
    flags = pd.DataFrame(may_leak(panel), index=SYMBOLS, columns=panel.populations["population"])
    found = [(symbol, place) for symbol in SYMBOLS for place in flags.columns[flags.loc[symbol]]]
    assert found == [("B", "heart: cardiomyocyte")]


def test_a_gate_without_a_blocker_is_never_spared_by_a_leak() -> None:
    panel = heart(9.0)
    assert not judge(panel, Gates.parse(["A", "A & D", "A | B"], panel=panel)).leaked.any()


def test_random_evidence_holds_leaks() -> None:
    """So that the reference judge is asked about them."""
    found = 0
    for seed in range(10):
        evidence = random_evidence(seed, depths=True)
        panel = build_panel(evidence.atlases, **evidence.more)
        pairs = [f"{a} & ~{b}" for a in panel.symbols for b in panel.symbols if a != b]
        found += int(judge(panel, Gates.parse(pairs, panel=panel)).leaked.sum())
    assert found >= 3
