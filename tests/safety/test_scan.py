"""The scan over all pairs against the written-out rules, gate by gate, on panels with every kind of hole."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.logic.batch import ANY, BOTH, NOT, Gates
from cartarget.safety.judge import judge
from cartarget.safety.known import GAIN
from cartarget.safety.scan import scan_pairs
from cartarget.safety.scores import final_class, score
from cartarget.safety.window import gate_levels
from tests.panels import random_panel


def every_gate(n):
    """All shapes over all pairs."""
    rows = [(a, b, op) for a in range(n) for b in range(n) if a != b for op in (ANY, BOTH, NOT) if op == NOT or a < b]
    return (np.array(column) for column in zip(*rows, strict=True))


def written_out(panel, floor):
    """Class, selectivity and eligibility of every gate and single, the readable way; of singles with the window."""
    n = len(panel.symbols)
    a, b, op = every_gate(n)
    gates = Gates.join([Gates.singles(n), Gates.of_two(a, b, op)])
    a, b, op = (np.concatenate([x, y]) for x, y in ((np.arange(n), a), (np.arange(n), b), (np.zeros(n, int), op)))
    judged = judge(panel, gates)
    levels = gate_levels(panel, gates)
    frame = score(panel, gates, judged, levels, floor=floor)
    kinds = judged.safety_class.copy()
    kinds[:n] = final_class(panel, gates, judged)[:n]
    return a, b, op, kinds, frame["selectivity"].to_numpy(), frame["is_eligible"].to_numpy()


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("seed", range(40))
def test_scan_equals_the_written_out_rules(kind, seed):
    panel, floor = random_panel(seed, kind=kind), 0.3
    a, b, op, kinds, selectivity, eligible = written_out(panel, floor)
    n = len(panel.symbols)
    expected = {}
    for row in range(n, len(a)):
        if not eligible[row]:
            continue
        members = [a[row]] if op[row] == NOT else [a[row], b[row]]
        gains = all(kinds[row] < kinds[m] or selectivity[row] >= selectivity[m] + GAIN - 1e-6 for m in members)
        expected[(a[row], b[row], op[row])] = (kinds[row], not gains, selectivity[row])

    scan = scan_pairs(panel, floor=floor, progress=False)

    found = dict(zip(zip(scan.a, scan.b, scan.op, strict=True), range(len(scan.a)), strict=True))
    assert set(found) == set(expected)
    assert scan.n_eligible == len(expected)
    for gate, row in found.items():
        kind_, redundant, value = expected[gate]
        assert scan.safety_class[row] == kind_, gate
        assert scan.selectivity[row] == pytest.approx(value, abs=2e-4), gate
        if not np.isclose(abs(value - max(selectivity[list(gate[:2])])), GAIN, atol=1e-3):
            assert scan.is_redundant[row] == redundant, gate


def test_no_pair_is_lost_for_a_useless_member():
    """A partner that alone reaches nobody still forms an OR, and one that hurts alone still forms an AND."""
    panel = random_panel(3, kind="cells", holes=False)
    scan = scan_pairs(panel, floor=0.0, progress=False)
    n = len(panel.symbols)
    assert len(scan.a) == scan.n_gates == 2 * n * (n - 1)


def test_the_number_of_threads_changes_nothing():
    panel = random_panel(5, kind="cells", n_genes=70)
    one, two = (scan_pairs(panel, floor=0.2, n_threads=t, progress=False) for t in (1, 2))
    for name in ("a", "b", "op", "safety_class", "selectivity", "is_redundant"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_redundant_gates_are_limited_to_the_best():
    panel = random_panel(7, kind="cells", n_genes=40)
    everything = scan_pairs(panel, floor=0.2, progress=False)
    few = scan_pairs(panel, floor=0.2, keep_redundant=10, progress=False)
    assert few.n_eligible == everything.n_eligible
    assert few.is_redundant.sum() == min(10, everything.is_redundant.sum())
    assert (~few.is_redundant).sum() == (~everything.is_redundant).sum()
