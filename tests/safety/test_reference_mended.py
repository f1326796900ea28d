"""Where the rules as first written call a gate better than one that implies it, and rules that do not."""

from __future__ import annotations

from collections.abc import Sequence

import anndata
import numpy as np
import pytest

from cartarget.logic.gate import Gate
from tests.evidence_makers import ORIGIN, REQUIRED, Block, atlas, cells, normal
from tests.safety.doors import CLEAN_BUT_SKIN, NONE, SYMBOLS, TUMOR
from tests.safety.random_evidence import random_evidence
from tests.safety.reference_gate import conjunctions
from tests.safety.reference_judge import Reference
from tests.safety.reference_mended import Mended
from tests.safety.test_reference_judge import some_gates, worse

VITAL = atlas(normal(["heart", "lung", "colon"], cells(NONE)), symbols=SYMBOLS, name="vital")
JUDGES = [Reference, Mended]


def judge(kind: type[Reference], *atlases: anndata.AnnData, required: Sequence[str] = REQUIRED) -> Reference:
    return kind([TUMOR, *atlases], symbols=SYMBOLS, required=required, origin=ORIGIN)


def classes(made: Reference, *gates: str) -> list[str]:
    return [made.judge(Gate.parse(gate)).safety_class for gate in gates]


def test_a_hole_where_nothing_is_required() -> None:
    """A on the spinal cord, B measured nowhere in it: B alone is safe, so `A & B` cannot be unknown."""
    hole = atlas(normal(["spinal cord"], cells([1, 0, 0]), dataset="x"), symbols=SYMBOLS, unmeasured={"x": ["B"]})
    found = {kind: classes(judge(kind, VITAL, hole), "A & B", "B", "A") for kind in JUDGES}
    assert found == {Reference: ["unknown", "safe", "unsafe"], Mended: ["safe", "safe", "unsafe"]}


def test_absent_in_one_cell_type_is_not_absent_in_another() -> None:
    """A on the cardiomyocytes, B measured in the heart's T cells only: B alone is unknown, so is `A & B`."""
    own = atlas(normal(["heart: cardiomyocyte"], cells([1, 0, 0]), dataset="x"), symbols=SYMBOLS,
                unmeasured={"x": ["B"]})  # fmt: skip
    other = atlas(normal(["heart: T cell", "lung", "colon"], cells(NONE)), symbols=SYMBOLS, name="other")
    asked = (*REQUIRED, "heart: cardiomyocyte")
    found = {kind: classes(judge(kind, own, other, required=asked), "A & B", "B") for kind in JUDGES}
    assert found == {Reference: ["safe", "unknown"], Mended: ["unknown", "unknown"]}


def fractions(kind: type[Reference], blocks: list[Block], gates: Sequence[str], power: float) -> list[float]:
    made = judge(kind, CLEAN_BUT_SKIN, atlas(blocks, symbols=SYMBOLS, name="skin"))
    skin = next(p for p in made.normals if p.tissue == "skin")
    skin.power = dict.fromkeys(SYMBOLS, power)
    trees = [Gate.parse(gate) for gate in gates]
    return [round(made.gate(skin, tree, conjunctions(tree)), 6) for tree in trees]


def table(*parts: tuple[str, int]) -> list[Block]:
    """Cells of six donors: so many of each set of antigens."""
    rows = np.vstack([np.tile([float(s in names) for s in SYMBOLS], (n, 1)) for names, n in parts])
    return [Block("skin", f"d{i}", rows) for i in range(6)]


def test_power_of_three_against_power_of_two() -> None:
    """A, B and C each on 40 %, together on 5 %, power 0.5: `A & B & C` 0.4, `A & B` 0.2."""
    blocks = table(("ABC", 8), ("A", 56), ("B", 56), ("C", 40), ("", 0))
    gates = ("A & B & C", "A & B")
    assert fractions(Reference, blocks, gates, 0.5) == [0.4, 0.2]
    assert fractions(Mended, blocks, gates, 0.5) == [0.2, 0.2]


def test_power_of_an_or_of_parts_against_the_whole() -> None:
    """B and C on half of the cells that carry A: `(A & B) | (A & C)` adds two corrections, and A has but one."""
    blocks = table(("AB", 5), ("AC", 5), ("B", 10), ("C", 10), ("", 70))
    gates = ("A & (B | C)", "A | (B & C)")
    plain, mended = (fractions(kind, blocks, gates, 0.5) for kind in JUDGES)
    assert mended[0] <= mended[1]
    assert plain[0] <= 0.2


def test_power_of_three_pairs_against_two_parts() -> None:
    """Any two of three imply A or both others, and were corrected three times."""
    blocks = table(("AB", 5), ("AC", 5), ("BC", 5), ("", 85))
    gates = ("(A & B) | (A & C) | (B & C)", "A | (B & C)")
    assert fractions(Reference, blocks, gates, 0.5) == [0.6, 0.4]
    assert fractions(Mended, blocks, gates, 0.5) == [0.35, 0.35]


def test_windows_of_parts() -> None:
    """B is low in the tumour: `A & B` has a window below 0 and A has not; A is low there: A has, `A | B` has not."""
    windows = {"A": 4.0, "B": -0.5, "A & B": -0.5, "A | B": 4.0}
    made = {kind: judge(kind, VITAL) for kind in JUDGES}
    found = {
        kind: [one.judge(Gate.parse(gate), windows=windows).safety_class for gate in windows]
        for kind, one in made.items()
    }
    assert found[Reference] == ["safe", "unsafe", "unsafe", "safe"]
    assert found[Mended] == ["safe", "unsafe", "safe", "unsafe"]


@pytest.mark.parametrize(("place", "share"), [("breast", 1.0), ("skin", 0.15)])
def test_bulk_within_the_cap_still_needs_its_cells(place: str, share: float) -> None:
    rows = [Block(place, f"d{i}", np.array([[50.0, 50.0, 0.0]]) * (i < 40 * share)) for i in range(40)]
    bulk = atlas(rows, symbols=SYMBOLS, kind="samples", name="bulk")
    empty = atlas(normal([place], cells(NONE)), symbols=SYMBOLS, name="empty")
    found = [judge(kind, VITAL, bulk, empty).judge(Gate.parse("A & B")).liability for kind in JUDGES]
    assert found[0] < 0.02
    assert found[1] > 0.07


@pytest.mark.parametrize("seed", range(40, 56))
@pytest.mark.parametrize("depths", [False, True])
def test_no_gate_is_better_than_one_that_implies_it(seed: int, depths: bool) -> None:
    evidence = random_evidence(seed)
    made, rng = Mended(evidence.atlases, **evidence.more), np.random.default_rng(seed)
    for p in made.populations if depths else []:
        if p.kind == "cells":
            p.power = {symbol: float(rng.choice([0.1, 0.3, 0.6, 1.0])) for symbol in made.symbols}
    gates = some_gates(seed)
    verdicts = [made.judge(gate) for gate in gates]
    found = worse(gates, [v.safety_class for v in verdicts], [v.liability for v in verdicts])
    assert not found, found[:5]
