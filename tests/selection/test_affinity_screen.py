"""The search over thresholds of each antigen: nothing is lost, and a threshold of its own must earn its place."""

from __future__ import annotations

from itertools import combinations

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.evidence.affinity import at_level, with_own_thresholds
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import count_atlas
from cartarget.logic.thresholds import name_of
from cartarget.selection.affinity import screen_affinity
from cartarget.selection.ranking import place_of
from cartarget.selection.screen import score_gates, screen_gates
from tests.panels import ORIGIN, REQUIRED, observations, summary

SYMBOLS = ["A", "B", "C", "D"]
STEPS = [*SYMBOLS, *(f"{symbol}>={step}" for step in (40, 160) for symbol in SYMBOLS)]


def atlas(seed: int) -> anndata.AnnData:
    """Tumours that carry much of each antigen, and normal tissue that carries less of some."""
    rng = np.random.default_rng(seed)
    high = rng.choice([60.0, 300.0, 900.0], 4)
    low = {place: rng.choice([0.0, 3.0, 25.0, 100.0, 400.0], 4, p=[0.3, 0.2, 0.2, 0.2, 0.1]) for place in REQUIRED}
    spread = lambda level: (level * np.exp(rng.normal(0, 0.6, 4)))[None, :]  # noqa: E731
    tumor = {f"p{i}": spread(high) for i in range(24)}
    normal = {place: {f"d{i}": spread(level) for i in range(22)} for place, level in low.items()}
    return observations("samples", tumor, normal, symbols=SYMBOLS)


def panels(seed: int) -> tuple[Panel, Panel, Panel]:
    """Evidence at once, half and twice every threshold."""
    part = count_atlas(atlas(seed), symbols=SYMBOLS, bulk=[5, 10, 20])
    rng = np.random.default_rng(seed)
    skin = summary({"skin": rng.choice([0.0, 30.0, 300.0], 4).tolist()}, symbols=SYMBOLS)

    def at(threshold: float) -> Panel:
        asked = {"symbols": SYMBOLS, "required": REQUIRED, "origin": ORIGIN, "summaries": [skin]}
        return build_panel(at_level(part, threshold), bulk=threshold, **asked)

    def stacked(factor: float) -> Panel:
        return with_own_thresholds(at(10 * factor), antigens=STEPS, at=lambda threshold: at(threshold * factor))

    return stacked(1), stacked(0.5), stacked(2)


def every_gate() -> dict[tuple[str, ...], str]:
    """Gates of one and two antigens at every step: their members and operator, and their text."""
    gates = {(symbol,): symbol for symbol in STEPS}
    for one, other in combinations(STEPS, 2):
        if name_of(one) != name_of(other):
            first, second = sorted((one, other), key=name_of)
            gates |= {(first, op, second): f"{first} {op} {second}" for op in "&|"}
            gates |= {(one, "& ~", other): f"{one} & ~{other}", (other, "& ~", one): f"{other} & ~{one}"}
    return gates


def by_brute_force(once: Panel, half: Panel, twice: Panel) -> list[str]:
    """Every gate scored one by one; of each rule the best that earns its antigens and its thresholds."""
    gates = every_gate()
    table = score_gates(once, gates=list(gates.values()))
    tables = [table, *(score_gates(panel, gates=list(gates.values())) for panel in (half, twice))]
    worst = np.max([place_of(one["safety_class"]).to_numpy(dtype=int) for one in tables], axis=0)
    place, score = place_of(table["safety_class"]).to_numpy(dtype=int), table["selectivity"].to_numpy()
    row = {members: i for i, members in enumerate(gates)}

    def gains(mine: int, other: int) -> bool:
        return place[mine] < place[other] or worst[mine] < worst[other] or score[mine] >= score[other] + 0.05 - 1e-9

    best: dict[int, tuple[tuple[object, ...], str]] = {}
    for gate, mine in row.items():
        rule = row[tuple(name_of(part) if part in STEPS else part for part in gate)]
        sensed = [(part,) for part in (gate[:1] if "& ~" in gate else gate[::2])] if len(gate) > 1 else []
        others = [*(row[part] for part in sensed), *([rule] if rule != mine else [])]
        if table["is_eligible"].iloc[mine] and all(gains(mine, other) for other in others):
            told = table.iloc[mine]
            chosen = 0 if place[mine] == 3 else -round(score[mine], 9)
            key = (worst[mine], place[mine], chosen, -round(told["window"], 6), told["n_antigens"], told["gate"])
            best[rule] = min(best.get(rule, (key, told["gate"])), (key, told["gate"]))
    return [gate for _, gate in sorted(best.values())]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost(seed: int) -> None:
    once, half, twice = panels(seed)
    found = screen_affinity(once, candidates=STEPS, top=5000, half=half, twice=twice, progress=False)
    assert found["gate"].tolist() == by_brute_force(once, half, twice)
    assert found["rank"].tolist() == list(range(1, len(found) + 1))


def test_the_seeds_hold_thresholds_that_earn_it_and_some_that_do_not() -> None:
    kinds = set()
    for seed in range(12):
        once, half, twice = panels(seed)
        found = screen_affinity(once, candidates=STEPS, top=5000, half=half, twice=twice, progress=False)
        kinds |= set(found["gate"].str.contains(">="))
    assert kinds == {True, False}


def test_no_antigen_stands_beside_itself() -> None:
    once, half, twice = panels(3)
    found = screen_gates(once, candidates=STEPS, top=5000, half=half, twice=twice, progress=False)
    members = found.gates.rows[found.gates.size == 2]
    names = np.array([name_of(symbol) for symbol in once.symbols])
    assert len(members) and (names[members[:, 0]] != names[members[:, 1]]).all()
    n, steps = len(SYMBOLS), 3
    assert found.n_gates == 4 * (n * (n - 1) // 2) * steps**2 + n * steps


def test_without_steps_it_is_the_screen() -> None:
    once, _, _ = panels(5)
    mine = screen_affinity(once.take(SYMBOLS), candidates=SYMBOLS, progress=False)
    theirs = screen_gates(once.take(SYMBOLS), candidates=SYMBOLS, progress=False).table
    pd.testing.assert_frame_equal(mine, theirs[theirs["rank"].notna()].reset_index(drop=True))
