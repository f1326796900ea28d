from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cartarget.errors import GateError
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import shapes, without
from cartarget.search.branch import plan_of
from cartarget.search.template import Template, every

PUBLISHED = {
    2: ["A & B", "A | B"],
    3: ["A & B & C", "A | B | C", "(A & B) | C", "(A | B) & C", "A & (B | C)", "A | (B & C)"],
    4: [
        "A & B & C & D", "A | B | C | D", "(A | B) & C & D", "(A & B) | C | D", "(A | B) & (C | D)",
        "(A & B) | (C & D)", "(A | B | C) & D", "(A & B & C) | D", "((A | B) & C) | D", "((A & B) | C) & D",
        "A & (B | (C & D))", "A | (B & (C | D))",
    ],
}  # fmt: skip
"""Shapes as a published engine writes them, commutative duplicates among them."""


def test_counts_are_those_of_series_parallel_networks() -> None:
    assert [len(shapes(n)) for n in range(1, 6)] == [1, 2, 4, 10, 24]


def test_shapes_differ_and_are_canonical() -> None:
    for n in range(1, 6):
        gates = [Gate.parse(text) for text in shapes(n)]
        assert [str(gate) for gate in gates] == list(shapes(n))
        names = gates[0].antigens
        assert all(set(gate.antigens) == set(names) for gate in gates)
        index = np.arange(1 << n)
        tables = set()
        for gate in gates:
            images = {
                tuple(
                    gate.evaluate(
                        {name: (index >> place & 1).astype(bool) for name, place in zip(names, order, strict=True)}
                    )
                )
                for order in _orders(n)
            }
            assert not images & tables
            tables |= images


def _orders(n: int) -> list[tuple[int, ...]]:
    return [order for order in product(range(n), repeat=n) if len(set(order)) == n]


def test_published_templates_map_onto_ours() -> None:
    for n, texts in PUBLISHED.items():
        assert {Template.of(text, negate=True).name for text in texts} == set(shapes(n))


@pytest.mark.parametrize("template", every(range(2, 6)), ids=lambda t: t.name)
def test_walk_fills_every_leaf_once(template: Template) -> None:
    k = template.n_literals
    assert sorted(template.order) == list(range(k))
    assert sorted(code for code in template.program if code >= 0) == list(range(k))
    a, b = template.order[-2:]
    swap = list(range(k))
    swap[a], swap[b] = b, a
    assert tuple(swap) in template.automorphisms  # the last two are interchangeable
    plan = plan_of(template, not_only=False)
    for signs in product((False, True), repeat=k):
        stack: list[bool] = []
        for code in template.program:
            if code >= 0:
                stack.append(signs[template.order[code]])
            else:
                right, left = stack.pop(), stack.pop()
                stack.append((left and right) if code == -1 else (left or right))
        values = dict(zip(template.gate.antigens, signs, strict=True))
        assert stack == [bool(template.gate.evaluate(values))]
    assert plan.program.tolist() == list(template.program)


@pytest.mark.parametrize("template", every(range(2, 5)), ids=lambda t: t.name)
def test_order_constraints_leave_each_gate_once(template: Template) -> None:
    k = template.n_literals
    seen = []
    for filled in _orders(k):  # literal per position; its rank is its number
        if all(filled[i] < filled[j] for i, j in template.ordered):
            leaves = [0] * k
            for position, leaf in enumerate(template.order):
                leaves[leaf] = filled[position]
            seen.append(str(template.fill([f"G{i}" for i in leaves])))
    assert len(seen) == len(set(seen)) == template.count(k) / _signs(template)


def _signs(template: Template) -> int:
    names = template.gate.antigens
    return sum(not template.fill(names, s).is_not_only for s in product((False, True), repeat=len(names)))


def test_open_branches_bound_by_smaller_templates() -> None:
    for template in every(range(2, 6)):
        for depth in range(template.n_literals - 1):
            split = template.open_branch(depth)
            if split is not None:
                positions, smaller = split
                assert min(positions) > depth
                assert smaller.n_literals < template.n_literals
                gone = {template.order[i] for i in range(template.n_literals)} - {template.order[i] for i in positions}
                assert without(template.gate, gone) is not None


def test_a_symbol_is_no_letter() -> None:
    with pytest.raises(GateError, match="'EPCAM' is no letter; write a shape such as"):
        Template.of("EPCAM & B", negate=True)
    assert Template.of("Z9 & ~B", negate=False).name == "A & ~B"
