"""Gates of any shape are judged by the rules that hold for two antigens."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import ANY, BOTH, NOT, Gates
from cartarget.logic.gate import Gate
from cartarget.safety.judge import (
    AT_LEAST,
    BELOW,
    BOUNDED,
    COUNTED,
    EXPOSED,
    NO_VALUE,
    UNRESOLVED,
    in_populations,
    judge,
)
from cartarget.safety.nested import as_antigens, judge_gates, protein_of, where_sensed
from cartarget.safety.scores import (
    protein_columns,
    rare_unmeasured,
    thin_antigens,
    thin_required,
    unmeasured_antigens,
)
from cartarget.safety.window import gate_levels
from tests.panels import observations, random_panel, summary


def pairs(n: int) -> Gates:
    rows = [(a, a, ANY) for a in range(n)]
    rows += [
        (a, b, op) for a, b, op in product(range(n), range(n), (ANY, BOTH, NOT)) if a < b or (op == NOT and a != b)
    ]
    return Gates(*np.array(rows).T)


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(25))
def test_one_and_two_antigens_are_judged_as_ever(kind: str, seed: int) -> None:
    panel = random_panel(seed, kind=kind)
    listed = pairs(len(panel.symbols))
    place = {"a": listed.a, "b": listed.b, "op": listed.op}
    gates = [Gate.parse(text) for text in listed.names(panel.symbols)]
    expected, found = judge(panel, **place), judge_gates(panel, gates)
    for name in expected.__annotations__:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), err_msg=name)
    levels, each = as_antigens(panel, gates), np.arange(len(gates))
    ours = gate_levels(levels, a=each, b=each, op=np.zeros_like(each))
    theirs = gate_levels(panel, **place)
    for name in ours.__annotations__:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5, err_msg=name)
    assert where_sensed(panel, gates, thin_antigens(panel), panel.required) == thin_required(panel, **place)
    rare = ("heart", "spinal cord", "bile duct")
    unmeasured = where_sensed(panel, gates, unmeasured_antigens(panel, rare=rare), rare)
    assert unmeasured == rare_unmeasured(panel, rare=rare, **place)
    protein = protein_columns(panel, **place)
    for name, values in protein_of(panel, gates).items():
        assert values == protein[name].tolist(), name


def state_of(gate: str, level: dict[str, float], **more: object) -> int:
    """What a summary of one tissue says of a gate; the antigens' levels there, at 10 and above positive."""
    panel = one_summary(level, **more)
    return int(judge_gates(panel, [Gate.parse(gate)]).unit_state[0, 0])


def one_summary(level: dict[str, float], kind: str = "cells") -> Panel:
    """Tumour cells alone, and one summary of the spinal cord."""
    symbols = sorted(level)
    tumor = {f"p{i}": np.ones((10, len(symbols))) * 20 for i in range(6)}
    atlas = observations(kind, tumor, {"breast": {"d": np.zeros((5, len(symbols)))}}, symbols=symbols)
    levels = {"spinal cord": [level[symbol] for symbol in symbols]}
    return build_panel(
        atlas, symbols=symbols, required=(), origin=(), summaries=[summary(levels, symbols=symbols)]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "high", "state"),
    [
        ("A & B & C", "ABC", UNRESOLVED),  # three antigens that may lie in three cells
        ("A & B & C", "AB", BELOW),
        ("A & (B | C)", "AC", UNRESOLVED),
        ("A & (B | C)", "BC", BELOW),
        ("A | (B & C)", "A", EXPOSED),  # A alone fires it
        ("A | (B & C)", "BC", UNRESOLVED),
        ("A | (B & C)", "B", BELOW),
        ("A | B | C", "C", EXPOSED),
        ("A & B & ~C", "ABC", UNRESOLVED),  # a blocker earns nothing in a summary
        ("A & ~B & ~C", "ABC", EXPOSED),
        ("A & (B | ~C)", "AC", EXPOSED),
        ("(A | B) & ~C", "BC", EXPOSED),
        ("(A & B) | (C & D)", "AC", BELOW),
        ("(A & B) | (C & D)", "CD", UNRESOLVED),
    ],
)
def test_what_a_summary_says_of_a_tree(gate: str, high: str, state: int) -> None:
    assert state_of(gate, {name: 30.0 if name in high else 0.0 for name in "ABCD"}) == state


def test_what_a_summary_does_not_measure_may_be_there() -> None:
    levels = {"A": np.nan, "B": 30.0, "C": 0.0, "D": 0.0}
    assert state_of("A & B & C", levels) == BELOW  # C is absent, whatever A is
    assert state_of("A & B & ~C", levels) == UNRESOLVED
    assert state_of("A | (C & D)", levels) == NO_VALUE
    assert state_of("B | (A & D)", levels) == EXPOSED


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(12))
def test_counts_and_bounds_of_a_tree(kind: str, seed: int) -> None:
    """Where all was measured the gate is counted in each observation; where not, every completion lies in bounds."""
    panel, whole = random_panel(seed, kind=kind), random_panel(seed, kind=kind, holes=False)
    gates = [Gate.parse(text) for text in ("G0 & (G1 | G2)", "G3 | (G4 & ~G5)", "G6 & ~G7 & ~G8", "G0 & (G1 | ~G2)")]
    judged = judge_gates(panel, gates)
    random = np.random.default_rng(seed)
    segments, owner = panel.packed.segments, panel.packed.segments["population"].to_numpy()
    measured = panel.packed.is_measured
    for _ in range(8):  # what was not measured could be anything
        words = panel.packed.words.copy()
        for p in range(measured.shape[1]):
            for segment in segments[owner == p].itertuples():
                valid = np.packbits(np.arange((segment.stop - segment.start) * 64) < segment.n_observations,
                                    bitorder="little").view("<u8").astype(np.uint64)  # fmt: skip
                noise = random.integers(0, 2**64, (len(words), len(valid)), dtype=np.uint64) & valid
                rows = ~measured[:, p]
                words[rows, segment.start : segment.stop] = noise[rows]
        full = replace(panel.packed, words=words, is_measured=np.ones_like(measured))
        fraction = np.stack([in_populations(panel, np.add.reduceat(
            np.bitwise_count(words), segments["start"].to_numpy(), axis=1, dtype=np.int64))[0]])[0]  # fmt: skip
        truth = judge_gates(replace(panel, packed=full, fraction=fraction), gates).fraction
        state = judged.state
        assert np.allclose(truth[state == COUNTED], judged.fraction[state == COUNTED])
        assert (truth <= judged.fraction + 1e-9)[state == BOUNDED].all()
        assert (truth >= judged.fraction - 1e-9)[state == AT_LEAST].all()
    assert (judge_gates(whole, gates).state == COUNTED).all()
