"""Gates of any shape: what summaries say of a tree, and that counts and bounds hold whatever was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cartarget.evidence.intervals import by_population
from cartarget.evidence.packed import count_positive
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.conjunction import BELOW, EXPOSED, NO_VALUE, UNRESOLVED
from cartarget.safety.judge import judge
from tests.panels import observations, random_panel, summary


def state_of(gate: str, level: dict[str, float], **more: object) -> int:
    """What a summary of one tissue says of a gate; the antigens' levels there, at 10 and above positive."""
    panel = one_summary(level, **more)
    return int(judge(panel, Gates.parse([gate], panel=panel)).unit_state[0, 0])


def one_summary(level: dict[str, float], kind: str = "cells", required: tuple[str, ...] = ("spinal cord",)) -> Panel:
    """Tumour cells alone, and one summary of the spinal cord."""
    symbols = sorted(level)
    tumor = {f"p{i}": np.ones((10, len(symbols))) * 20 for i in range(6)}
    atlas = observations(kind, tumor, {"breast": {"d": np.zeros((5, len(symbols)))}}, symbols=symbols)
    levels = {"spinal cord": [level[symbol] for symbol in symbols]}
    return build_panel(
        atlas, symbols=symbols, required=required, origin=(), summaries=[summary(levels, symbols=symbols)]
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


def test_where_nothing_asks_for_a_place_what_was_not_measured_there_is_left_out() -> None:
    """A alone is not held against the spinal cord, so neither is `A & B`: it hits no more than A does."""
    levels = {"A": np.nan, "B": 30.0, "C": 0.0, "D": 0.0}
    assert state_of("A & B & ~C", levels, required=()) == BELOW


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(12))
def test_counts_and_bounds_of_a_tree(kind: str, seed: int) -> None:
    """Where all was measured the gate is counted in each observation; where not, every completion lies in bounds."""
    panel, whole = random_panel(seed, kind=kind), random_panel(seed, kind=kind, holes=False)
    texts = ["G0 & (G1 | G2)", "G3 | (G4 & ~G5)", "G6 & ~G7 & ~G8", "G0 & (G1 | ~G2)", "G1 | G2", "G1 & G2"]
    gates = Gates.parse(texts, panel=panel)
    judged = judge(panel, gates)
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
        fraction = by_population(count_positive(full) * panel.segment_weight, owner, measured.shape[1])
        truth = judge(replace(panel, packed=full, fraction=fraction), gates).low
        assert np.allclose(truth[judged.complete], judged.low[judged.complete])
        assert (truth <= judged.high + 1e-9)[judged.bounded].all()
        assert (truth >= judged.low - 1e-9)[judged.told].all()
    assert judge(whole, gates).complete.all()
