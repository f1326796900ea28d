"""Shapes of gates: read-once AND-OR trees, the conjunctions of a gate, and what is left of it without some literals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache, reduce
from itertools import combinations, combinations_with_replacement, product
from typing import Any, NamedTuple

import numpy as np

from cartarget.logic.gate import Gate, canonical, letter


class Conjunction(NamedTuple):
    """Antigens that a cell must have, and those that it must lack, to be hit."""

    plain: tuple[str, ...]
    blockers: tuple[str, ...]

    @property
    def gate(self) -> Gate:
        """The conjunction as a gate."""
        literals = [Gate.literal(symbol) for symbol in self.plain]
        literals += [Gate.literal(symbol, negated=True) for symbol in self.blockers]
        return literals[0] if len(literals) == 1 else Gate("&", parts=tuple(literals))


@cache
def conjunctions(gate: Gate) -> tuple[Conjunction, ...]:
    """The gate as an OR of conjunctions; those that another one contains, or that nothing can meet, are left out.

    Examples
    --------
    >>> [(one.plain, one.blockers) for one in conjunctions(Gate.parse("A & (B | ~C)"))]
    [(('A',), ('C',)), (('A', 'B'), ())]
    """
    order = {symbol: place for place, symbol in enumerate(gate.antigens)}
    found = {sets for sets in _expanded(gate) if not sets[0] & sets[1]}
    least = [own for own in found if not any(one != own and one[0] <= own[0] and one[1] <= own[1] for one in found)]
    ordered = [
        Conjunction(tuple(sorted(plain, key=order.__getitem__)), tuple(sorted(blockers, key=order.__getitem__)))
        for plain, blockers in least
    ]
    return tuple(sorted(ordered, key=lambda one: ([order[s] for s in one.plain], [order[s] for s in one.blockers])))


Sets = tuple[frozenset[str], frozenset[str]]


def _expanded(gate: Gate) -> set[Sets]:
    if not gate.operator:
        own, none = frozenset([gate.symbol]), frozenset[str]()
        return {(none, own) if gate.is_negated else (own, none)}
    parts = [_expanded(part) for part in gate.parts]
    if gate.operator == "|":
        return set().union(*parts)
    return {
        (frozenset().union(*(one[0] for one in chosen)), frozenset().union(*(one[1] for one in chosen)))
        for chosen in product(*parts)
    }


@cache
def shapes(n_literals: int) -> tuple[str, ...]:
    """All read-once AND-OR shapes of a number of literals, each once up to order.

    There are 1, 2, 4, 10, 24 of 1 to 5 literals (series-parallel networks, OEIS A000084). With each literal plain or
    negated they are all read-once functions.

    Examples
    --------
    >>> shapes(3)
    ('A & B & C', 'A & (B | C)', 'A | (B & C)', 'A | B | C')
    >>> [len(shapes(n)) for n in (1, 2, 3, 4, 5)]
    [1, 2, 4, 10, 24]
    """
    if n_literals == 1:
        return ("A",)
    found = (_named(tree) for operator in "&|" for tree in _trees(n_literals, operator))
    return tuple(sorted(found, key=lambda text: (text.count("|"), text)))


Tree = tuple  # () is a leaf; (operator, parts) a node


@cache
def _trees(n: int, operator: str) -> tuple[Tree, ...]:
    """Trees of `n` ≥ 2 leaves whose root is `operator`."""
    other = "|" if operator == "&" else "&"
    found: set[Tree] = set()
    for sizes in _partitions(n):
        pools = [_trees(size, other) if size > 1 else ((),) for size in sizes]
        for parts in product(*pools):
            found.add((operator, tuple(sorted(parts, key=repr))))
    return tuple(sorted(found, key=repr))


def _partitions(n: int) -> Iterable[tuple[int, ...]]:
    return (
        sizes
        for count in range(2, n + 1)
        for sizes in combinations_with_replacement(range(1, n), count)
        if sum(sizes) == n
    )


def _named(tree: Tree) -> str:
    names = iter(letter(i) for i in range(26))

    def build(node: Tree) -> Gate:
        if not node:
            return Gate.literal(next(names))
        return Gate(node[0], parts=tuple(map(build, node[1])))

    return Gate.parse(str(build(tree))).shape


def without(gate: Gate, leaves: Collection[int]) -> Gate | None:
    """A gate without some of its literals (numbered from left to right); None if none is left.

    Examples
    --------
    >>> print(without(Gate.parse("A & (B | C)"), {1}))
    A & C
    """
    count = iter(range(gate.n_literals))

    def build(node: Gate) -> Gate | None:
        if not node.operator:
            return None if next(count) in leaves else node
        parts = tuple(part for part in map(build, node.parts) if part is not None)
        return Gate(node.operator, parts=parts) if len(parts) > 1 else parts[0] if parts else None

    left = build(gate)
    return None if left is None else canonical(left)


def sub_gates(gate: Gate, *, not_only: bool = False) -> list[Gate]:
    """Every gate that is left when some literals are deleted, each once; fewer literals first, then by name.

    Examples
    --------
    >>> [str(part) for part in sub_gates(Gate.parse("A & (B | ~C)"))]
    ['A', 'B', 'A & B', 'A & ~C']
    """
    n = gate.n_literals
    left = (without(gate, gone) for size in range(1, n) for gone in combinations(range(n), size))
    kept = {part for part in left if part is not None and (not_only or not part.is_not_only)}
    return sorted(kept, key=lambda part: (part.n_literals, str(part)))


def evaluate(gate: Gate, value: Callable[[str], Any], blocked: Callable[[str], Any]) -> Any:
    """Evaluate a gate on bits or booleans; `blocked` gives what a negated antigen is worth."""
    if not gate.operator:
        return blocked(gate.symbol) if gate.is_negated else value(gate.symbol)
    parts = [evaluate(part, value, blocked) for part in gate.parts]
    return reduce(np.bitwise_and if gate.operator == "&" else np.bitwise_or, parts)
