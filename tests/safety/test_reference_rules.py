"""Small cases from which rules were decided: a gate must not be called better than one that it implies."""

from __future__ import annotations

from collections.abc import Sequence

import anndata
import numpy as np
import pytest

from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.judge import judge
from cartarget.selection.screen import score_gates
from tests.evidence_makers import ORIGIN, REQUIRED, Block, atlas, cells, normal, tumor
from tests.safety.doors import CLEAN_BUT_SKIN, CLEAN_BUT_SPINE, NONE, SYMBOLS, TUMOR, panel, verdict
from tests.safety.random_evidence import random_evidence
from tests.safety.reference_gate import conjunctions
from tests.safety.reference_judge import Reference
from tests.safety.test_reference_judge import some_gates, worse

VITAL = atlas(normal(["heart", "lung", "colon"], cells(NONE)), symbols=SYMBOLS, name="vital")


def reference(*atlases: anndata.AnnData, required: Sequence[str] = REQUIRED) -> Reference:
    return Reference([TUMOR, *atlases], symbols=SYMBOLS, required=required, origin=ORIGIN)


def classes(*atlases: anndata.AnnData, gates: Sequence[str], required: Sequence[str] = REQUIRED) -> list[str]:
    """Classes by the reference, which are those of the package."""
    one = reference(*atlases, required=required)
    found = [one.judge(Gate.parse(gate)).safety_class for gate in gates]
    made = panel(TUMOR, *atlases, required=required)
    assert [verdict(made, gate)["safety_class"] for gate in gates] == found
    return found


def lacking(place: str, value: Sequence[float], *genes: str) -> anndata.AnnData:
    """A place in which some genes were not measured."""
    rows = normal([place], cells(value), dataset="lacks")
    return atlas(rows, symbols=SYMBOLS, unmeasured={"lacks": list(genes)}, name="lacks")


# ---- what was not measured -----------------------------------------------------------------------------------------


def test_a_hole_where_nothing_is_required() -> None:
    """A on the spinal cord, B measured nowhere in it: B alone is within caps, so `A & B` cannot be unknown."""
    found = classes(VITAL, lacking("spinal cord", [1, 0, 0], "B"), gates=("A & B", "B", "A"))
    assert found == ["within caps", "within caps", "over cap"]


def test_absent_in_one_cell_type_is_not_absent_in_another() -> None:
    """A on the cardiomyocytes, B measured in the heart's T cells only: B alone is unknown, so is `A & B`."""
    other = atlas(normal(["heart: T cell", "lung", "colon"], cells(NONE)), symbols=SYMBOLS, name="other")
    own = lacking("heart: cardiomyocyte", [1, 0, 0], "B")
    found = classes(own, other, gates=("A & B", "B"), required=(*REQUIRED, "heart: cardiomyocyte"))
    assert found == ["unknown", "unknown"]


def test_antigens_that_together_break_the_cap_in_some_people_are_not_left_out() -> None:
    """B and C on 12 of 40 cells of 3 of 30 people; where A is, neither was measured."""
    some, none = np.vstack([cells([0, 1, 1], 12), cells(NONE, 28)]), cells(NONE, 40)
    few = [Block("spinal cord", f"d{i}", some if i < 3 else none) for i in range(30)]
    people = atlas(few, symbols=SYMBOLS, name="people")
    found = classes(VITAL, people, lacking("spinal cord", [1, 0, 0], "B", "C"), gates=("A & B & C", "B & C"))
    assert found == ["unknown", "over cap"]


@pytest.mark.parametrize(("blocked", "expected"), [(0.0, "over cap"), (1.0, "within caps")])
def test_a_blocker_that_was_not_measured_blocks_nothing(blocked: float, expected: str) -> None:
    hole = lacking("spinal cord", [1, 0, 0], "B")
    assert classes(CLEAN_BUT_SPINE, hole, gates=("A & ~B",)) == ["unknown"]
    told = atlas(normal(["spinal cord"], cells([1, blocked, 0])), symbols=SYMBOLS, name="told")
    assert classes(CLEAN_BUT_SPINE, told, gates=("A & ~B",)) == [expected]


# ---- people --------------------------------------------------------------------------------------------------------


def test_a_donor_of_one_cell_is_not_counted_among_people() -> None:
    rows = [Block("heart", f"d{i}", cells([float(i == 0), 0, 0], 1 if i < 1 else 50)) for i in range(6)]
    made = atlas(rows, symbols=SYMBOLS, name="rows")
    made.obs["cap"] = 0.01
    rest = atlas(normal(["lung", "colon"], cells(NONE)), symbols=SYMBOLS, name="rest")
    row = verdict(panel(TUMOR, made, rest), "A")
    assert row["people_over_cap"] == 0


# ---- power ---------------------------------------------------------------------------------------------------------


def fractions(blocks: list[Block], gates: Sequence[str], power: float) -> list[float]:
    made = reference(CLEAN_BUT_SKIN, atlas(blocks, symbols=SYMBOLS, name="skin"))
    skin = next(p for p in made.normals if p.tissue == "skin")
    skin.power = dict.fromkeys(SYMBOLS, power)
    trees = [Gate.parse(gate) for gate in gates]
    return [round(made.gate(skin, tree, conjunctions(tree)), 6) for tree in trees]


def table(*parts: tuple[str, int]) -> list[Block]:
    """Cells of six donors: so many of each set of antigens."""
    rows = np.vstack([np.tile([float(s in names) for s in SYMBOLS], (n, 1)) for names, n in parts])
    return [Block("skin", f"d{i}", rows) for i in range(6)]


def test_power_of_three_against_power_of_two() -> None:
    """A, B and C each on 40 %, together on 5 %, power 0.5: `A & B & C` was 0.4, `A & B` 0.2."""
    blocks = table(("ABC", 8), ("A", 56), ("B", 56), ("C", 40))
    assert fractions(blocks, ("A & B & C", "A & B"), 0.5) == [0.2, 0.2]


def test_power_of_an_or_of_parts_against_the_whole() -> None:
    """B and C on half of the cells that carry A: `(A & B) | (A & C)` adds two corrections, and A has but one."""
    blocks = table(("AB", 5), ("AC", 5), ("B", 10), ("C", 10), ("", 70))
    assert fractions(blocks, ("A & (B | C)", "A | (B & C)"), 0.5) == [0.2, 0.2]


def test_power_of_three_pairs_against_two_parts() -> None:
    """Known limit: any two of three imply A or both others, and are corrected three times."""
    blocks = table(("AB", 5), ("AC", 5), ("BC", 5), ("", 85))
    assert fractions(blocks, ("(A & B) | (A & C) | (B & C)", "A | (B & C)"), 0.5) == [0.6, 0.4]


# ---- windows and bulk ----------------------------------------------------------------------------------------------


def test_windows_of_parts() -> None:
    """B is low in the tumour: `A & B` has a window below 0 and A has not; A is low there: A has, `A | B` has not."""
    windows = {("A",): 4.0, ("B",): -0.5, ("A", "B"): -0.5}
    made = reference(VITAL)
    made.window = windows.__getitem__
    found = [made.judge(Gate.parse(gate)).safety_class for gate in ("A", "B", "A & B", "A | B")]
    assert found == ["within caps", "over cap", "within caps", "over cap"]


@pytest.mark.parametrize(("place", "share"), [("breast", 1.0), ("skin", 0.15)])
def test_bulk_within_the_cap_still_needs_its_cells(place: str, share: float) -> None:
    rows = [Block(place, f"d{i}", np.array([[50.0, 50.0, 0.0]]) * (i < 40 * share)) for i in range(40)]
    bulk = atlas(rows, symbols=SYMBOLS, kind="samples", name="bulk")
    empty = atlas(normal([place], cells(NONE)), symbols=SYMBOLS, name="empty")
    assert reference(VITAL, bulk, empty).judge(Gate.parse("A & B")).liability > 0.07


def test_what_bulk_says_beside_an_explained_pair_is_counted_once() -> None:
    """C and D in the same 3 of 25 samples of skin, A and B in 5 others, where cells explain them: 0.12, not 0.24."""
    symbols = ["A", "B", "C", "D"]
    ill = atlas(tumor(cells([1, 1, 1, 1])), symbols=symbols, name="ill")
    well = atlas(normal(["heart", "lung", "colon"], cells([0, 0, 0, 0])), symbols=symbols, name="well")
    apart = [Block("skin", f"d{i}", np.repeat(np.eye(4)[:2], 5, axis=0).repeat(2, axis=0)) for i in range(6)]
    values = [[50.0, 50.0, 0, 0]] * 5 + [[0, 0, 50.0, 50.0]] * 3 + [[0.0] * 4] * 17
    rows = [Block("skin", f"s{i}", np.array([value])) for i, value in enumerate(values)]
    bulk = atlas(rows, symbols=symbols, kind="samples", name="bulk")
    made = build_panel([ill, well, atlas(apart, symbols=symbols, name="apart"), bulk], symbols=symbols,
                       required=REQUIRED, origin=ORIGIN)  # fmt: skip
    gates = Gates.parse(["(A & B) | C | D", "C | D", "(A & B) | (C & D)"], panel=made)
    own = (~made.is_cells & made.is_normal).argmax()
    assert judge(made, gates).low[:, own] == pytest.approx([0.12, 0.12, 0.12])
    assert score_gates(made, gates=gates)["safety_class"].tolist() == ["within caps"] * 3


# ---- the property --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40, 46))
@pytest.mark.parametrize("depths", [False, True])
def test_no_gate_is_better_than_one_that_implies_it(seed: int, depths: bool) -> None:
    evidence = random_evidence(seed)
    made, rng = Reference(evidence.atlases, **evidence.more), np.random.default_rng(seed)
    for p in made.populations if depths else []:
        if p.kind == "cells":
            p.power = {symbol: float(rng.choice([0.1, 0.3, 0.6, 1.0])) for symbol in made.symbols}
    gates = some_gates(seed, most=2 if depths else 4)
    verdicts = [made.judge(gate) for gate in gates]
    found = worse(gates, [v.safety_class for v in verdicts], [v.liability for v in verdicts])
    assert not found, found[:5]
