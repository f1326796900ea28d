"""The package judges as the reference does, and no gate is better than one that implies it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.screen import score_gates
from tests.evidence_makers import Block, atlas, cells, levels, normal, tumor
from tests.safety.doors import named
from tests.safety.random_evidence import SYMBOLS, Evidence, random_evidence
from tests.safety.reference_gate import conjunctions, implies, joined, random_gate, relatives
from tests.safety.reference_judge import CLASSES, Reference
from tests.safety.reference_leaks import leaks_of
from tests.safety.reference_window import window_of

SEEDS = range(10)


def some_gates(seed: int, most: int = 4) -> list[Gate]:
    """Antigens, random gates of every shape, and what implies them or is implied by them."""
    rng = np.random.default_rng(seed)
    found = {symbol: Gate.literal(symbol) for symbol in SYMBOLS}
    for _ in range(10):
        gate = random_gate(rng, SYMBOLS, most=most)
        found |= {str(each): each for each in (gate, *relatives(rng, gate))}
    return list(found.values())


def scored(panel: Panel, gates: list[Gate]) -> pd.DataFrame:
    return score_gates(panel, gates=Gates.parse(gates, panel=panel))


def tissues(text: str) -> set[str]:
    return {name.partition(": ")[0].partition(" (")[0] for name in named(text)}


def both(seed: int, depths: bool) -> tuple[Panel, Reference, Evidence]:
    evidence = random_evidence(seed, depths=depths)
    panel = build_panel(evidence.atlases, **evidence.more)
    reference = Reference(evidence.atlases, **evidence.more).with_power(panel)
    reference.window = window_of(panel, reference)
    reference.leaks = leaks_of(panel)
    return panel, reference, evidence


@pytest.mark.parametrize("depths", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_package_judges_as_the_reference(seed: int, depths: bool) -> None:
    panel, reference, _ = both(seed, depths)
    gates = some_gates(seed)
    rows = scored(panel, gates)
    for gate, row in zip(gates, rows.to_dict("records"), strict=True):
        expected = reference.judge(gate)
        told = f"{gate} of seed {seed}: expected {expected}"
        assert tissues(row["tissues_broken"]) == expected.broken, told
        assert tissues(row["tissues_unresolved"]) == expected.unresolved, told
        assert named(row["tissues_unmeasured"]) == expected.undecided, told
        assert row["safety_class"] == expected.safety_class, told
        np.testing.assert_allclose(row["liability"], expected.liability, atol=1e-9, err_msg=told)
        assert np.isnan(row["liability"]) or row["liability_upper"] >= row["liability"] - 1e-9, told


def worse(gates: list[Gate], classes: list[str], liability: list[float]) -> list[str]:
    """Pairs of which the first implies the second, and the second is called better."""
    found = []
    for i, x in enumerate(gates):
        for j, y in enumerate(gates):
            if i == j or not implies(x, y):
                continue
            if CLASSES.index(classes[j]) < CLASSES.index(classes[i]):
                found.append(f"{x} is {classes[i]}, {y} is {classes[j]}")
            if np.nan_to_num(liability[j]) < np.nan_to_num(liability[i]) - 1e-9:
                found.append(f"{x} at {liability[i]}, {y} at {liability[j]}")
    return found


@pytest.mark.parametrize("depths", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_gate_is_better_than_one_that_implies_it(seed: int, depths: bool) -> None:
    """With power below 1 for gates of two antigens; for more the correction of an OR is not exact."""
    evidence = random_evidence(seed, depths=depths)
    panel, gates = build_panel(evidence.atlases, **evidence.more), some_gates(seed, most=2 if depths else 4)
    rows = scored(panel, gates)
    found = worse(gates, rows["safety_class"].tolist(), rows["liability"].tolist())
    assert not found, found[:5]


def test_every_class_is_drawn() -> None:
    evidence = [random_evidence(seed) for seed in SEEDS]
    references = [Reference(each.atlases, **each.more) for each in evidence]
    drawn = {one.judge(gate).safety_class for seed, one in zip(SEEDS, references, strict=True)
             for gate in some_gates(seed)[:10]}  # fmt: skip
    assert drawn == set(CLASSES)


# ---- the reference itself, by hand -----------------------------------------------------------------------------------

HAND = ["A", "B", "C"]
ILL = atlas(tumor(cells([1, 1, 1])), symbols=HAND, name="tumour")
WELL = atlas(normal(["heart", "lung", "colon"], cells([0, 0, 0])), symbols=HAND, name="well")


def reference(*atlases: object, required: tuple[str, ...] = ("colon", "heart", "lung"), **more: object) -> Reference:
    return Reference([ILL, *atlases], symbols=HAND, required=required, origin=("colon",), **more)  # type: ignore[list-item]


def verdict_of(made: Reference, gate: str) -> tuple[str, set[str]]:
    found = made.judge(Gate.parse(gate))
    return found.safety_class, set(found.broken | found.unresolved | found.undecided)


@pytest.mark.parametrize(("text", "count"), [("A", 1), ("A & (B | C)", 2), ("(A | B) & (C | D)", 4), ("A | ~A & B", 2),
                                             ("(A & B) | (A & C) | (B & C)", 3)])  # fmt: skip
def test_conjunctions_multiply_out_to_the_gate(text: str, count: int) -> None:
    gate = Gate.parse(text)
    assert len(conjunctions(gate)) == count
    again = joined(conjunctions(gate))
    assert implies(gate, again)
    assert implies(again, gate)


def test_reference_of_clean_tissue() -> None:
    assert verdict_of(reference(WELL), "A & B") == ("within caps", set())
    assert verdict_of(reference(), "A") == ("unknown", {"colon", "heart", "lung"})


def test_reference_of_holes() -> None:
    hole = atlas(normal(["skin"], cells([1, 0, 0]), dataset="x"), symbols=HAND, unmeasured={"x": ["B"]}, name="hole")
    made = reference(WELL, hole)
    assert verdict_of(made, "A") == verdict_of(made, "A | B") == ("over cap", {"skin"})
    assert verdict_of(made, "B") == ("within caps", set())
    assert verdict_of(made, "A & ~B") == ("unknown", {"skin"})


def test_reference_of_cells_that_explain_bulk() -> None:
    apart = [Block("heart", f"d{i}", np.vstack([cells([1, 0, 0]), cells([0, 1, 0])])) for i in range(6)]
    table = levels({"heart": [30.0, 30.0, 0.0]}, symbols=HAND)
    assert verdict_of(reference(WELL, summaries=[table]), "A & B") == ("unknown", {"heart"})
    made = reference(WELL, atlas(apart, symbols=HAND, name="apart"), summaries=[table])
    assert verdict_of(made, "A & B") == ("within caps", set())
    assert verdict_of(made, "A") == ("over cap", {"heart"})


def test_reference_of_people() -> None:
    rows = [Block("heart", f"d{i}", cells([float(i < 3), 0, 0], 5 if i < 3 else 400)) for i in range(30)]
    rest = atlas(normal(["lung", "colon"], cells([0, 0, 0])), symbols=HAND, name="rest")
    made = reference(rest, atlas(rows, symbols=HAND, name="people"))
    heart = next(p for p in made.normals if p.tissue == "heart")
    assert made.people_over(heart, conjunctions(Gate.parse("A"))) == 3
    assert verdict_of(made, "A")[0] == "over cap"


def test_reference_of_power() -> None:
    made = reference(WELL, atlas(normal(["heart"], cells([1, 1, 1])), symbols=HAND, assay="nuclei", name="x"))
    nuclei = next(p for p in made.normals if p.assay == "nuclei")
    nuclei.power = {"A": 0.5, "B": 0.5, "C": 0.1}
    assert made.single(nuclei, "A") == 1.0
    assert not nuclei.measured("C")
    half = [Block("heart", f"d{i}", np.vstack([cells([1, 1, 0], 1), cells([0, 0, 0], 19)])) for i in range(6)]
    made = reference(WELL, atlas(half, symbols=HAND, assay="nuclei", name="x"))
    nuclei = next(p for p in made.normals if p.assay == "nuclei")
    nuclei.power = {"A": 0.5, "B": 0.5}
    assert made.single(nuclei, "A") == pytest.approx(0.1)
    both_ = conjunctions(Gate.parse("A & B"))[0]
    assert made.conjunction(nuclei, both_) == pytest.approx(0.1), "0.05 / 0.25, and not above A alone"
    assert made.gate(nuclei, Gate.parse("A | B"), conjunctions(Gate.parse("A | B"))) == pytest.approx(0.15)
