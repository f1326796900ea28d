"""Gates of three and more: found by exact search, held to the rules for gates of two."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.contracts import CLASSES, conform
from cartarget.errors import GateError, InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import sub_gates
from cartarget.selection.larger import screen_larger, with_larger
from cartarget.selection.ranking import ranking_order
from cartarget.selection.screen import expose, score_gates, screen_gates
from cartarget.selection.trust import assess_gates
from tests.panels import observations, random_panel


def planted() -> Panel:
    """A and B mark half of the tumour each, C marks all normal tissue: only (A | B) & ~C is fit and reaches all."""
    half = np.arange(40) % 2 == 0
    tumor = {f"p{i}": np.stack([half, ~half, np.zeros(40), np.zeros(40)], axis=1) for i in range(6)}
    normal = {t: {f"d{i}": np.tile([1.0, 1.0, 1.0, 0.0], (40, 1)) for i in range(6)} for t in ("heart", "lung")}
    atlas = observations("cells", tumor, normal, symbols=["A", "B", "C", "D"])
    return build_panel(atlas, symbols=["A", "B", "C", "D"], required=("heart", "lung"), origin=())


def test_a_planted_gate_of_three_is_found_and_gains_on_every_part() -> None:
    panel = planted()
    found = screen_larger(panel, candidates=panel.symbols, templates=["A & (B | C)", "A & B & C"], progress=False)
    assert found.certificate["is_exact"].all()
    first = found.table.iloc[0]
    assert first["gate"] == "(A | B) & ~C"
    assert (first["rank"], first["safety_class"], first["n_antigens"]) == (1, "within caps", 3)
    assert first["coverage"] == 1.0 and not first["is_redundant"]
    assert first["best_member"] in ("A & ~C", "B & ~C")
    assert first["gain_coverage"] == pytest.approx(0.5)
    assert "inhibitory CAR" in first["hardware"] and "tandem" in first["hardware"]
    conform("gates", found.table)
    conform("exposure", expose(panel, gates=Gates.parse([first["gate"]], panel=panel)))


def test_larger_gates_rank_among_the_others_and_are_held_to_account_like_them() -> None:
    panel = planted()
    pairs = screen_gates(panel, candidates=panel.symbols, half=panel, twice=panel, progress=False)
    larger = screen_larger(panel, candidates=panel.symbols, templates=["A & (B | C)"], progress=False).table
    found = with_larger(pairs, conform("gates", larger), panel=panel, half=panel, twice=panel)
    assert found.table["gate"].tolist() == found.gates.names(panel.symbols)
    assert found.table["gate"].iloc[0] == "(A | B) & ~C"
    ranked = found.table[found.table["rank"].notna()]
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    one = found.table.iloc[0]
    assert one["class_half"] == one["class_twice"] == one["safety_class"] == "within caps"
    trust, _ = assess_gates(
        panel,
        gates=["(A | B) & ~C", "A & ~C"],
        candidates=panel.symbols,
        folds=3,
        bootstrap=5,
        n_null=20,
        progress=False,
    )
    assert trust[["rank_lower", "selectivity_p"]].notna().all(axis=None)
    assert trust["n_chosen"].isna().tolist() == [True, False], "the folds search gates of two"


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(6))
def test_a_gate_is_redundant_unless_it_gains_on_each_part(seed: int, kind: str) -> None:
    panel = random_panel(seed, kind=kind)
    found = screen_larger(
        panel, candidates=panel.symbols, templates=["A & (B | C)", "A | B | C"], floor=0.3, progress=False
    )
    place = {label: i for i, label in enumerate(CLASSES)}
    for row in found.table.itertuples():
        parts = sub_gates(Gate.parse(row.gate))
        scored = score_gates(panel, gates=Gates.parse(parts, panel=panel), floor=0.3)
        gains = [
            place[row.safety_class] < place[kind] or row.selectivity >= selectivity + 0.05 - 1e-9
            for kind, selectivity in zip(scored["safety_class"], scored["selectivity"], strict=True)
        ]
        assert row.is_redundant == (not all(gains)), row.gate
        best = scored.loc[ranking_order(scored)[0]]
        assert row.best_member == best["gate"], "of all parts, the one that ranks first"
        assert row.gain_coverage == pytest.approx(row.coverage - best["coverage"])
        assert row.gain_selectivity == pytest.approx(row.selectivity - best["selectivity"])
    ranked = found.table[found.table["rank"].notna()]
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert not ranked["is_redundant"].any()


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_a_gate_scores_alone_as_among_gates_of_other_shapes(kind: str) -> None:
    panel = random_panel(3, kind=kind)
    texts = ["G0", "G1 & G2 & G3", "G1 & G2", "(G3 | G4) & ~G5", "G3 | G4", "G5 & ~G6", "G1 & G2 & G4"]
    together = score_gates(panel, gates=Gates.parse(texts, panel=panel))
    assert together["gate"].tolist() == texts
    assert together["n_antigens"].tolist() == [1, 3, 2, 3, 2, 2, 3]
    alone = [score_gates(panel, gates=Gates.parse([text], panel=panel)) for text in texts]
    shaped = conform("gates", pd.concat(alone, ignore_index=True).assign(**LACKING))
    pd.testing.assert_frame_equal(conform("gates", together.assign(**LACKING)), shaped)
    rows = conform("exposure", expose(panel, gates=Gates.parse(texts, panel=panel))).astype({"gate": object})
    each = [conform("exposure", expose(panel, gates=Gates.parse([text], panel=panel))) for text in texts]
    apart = pd.concat(each, ignore_index=True).astype({"gate": object})
    place = ["gate", "population", "evidence", "atlas", "assay"]
    pd.testing.assert_frame_equal(*(t.sort_values(place, ignore_index=True) for t in (rows, apart)))


LACKING = {"rank": None, "is_redundant": False, "control": ""}


def test_bad_templates_are_named() -> None:
    panel = random_panel(1, kind="cells")
    with pytest.raises(InputError, match="'A & B' has fewer than 3 letters"):
        screen_larger(panel, candidates=panel.symbols, templates=["A & B"], progress=False)
    with pytest.raises(GateError, match="character 5"):
        screen_larger(panel, candidates=panel.symbols, templates=["A & & B"], progress=False)
    with pytest.raises(InputError, match="needs 3 antigens, but the data holds 2"):
        screen_larger(panel, candidates=panel.symbols[:2], templates=["A & B & C"], progress=False)
