"""Gates for the reference judge: conjunctions, truth tables, and random gates of any shape."""

from __future__ import annotations

from itertools import product

import numpy as np

from cartarget.errors import GateError
from cartarget.logic.gate import Gate

Literal = tuple[str, bool]
"""Symbol, and whether it is negated."""

Conjunction = frozenset[Literal]


def conjunctions(gate: Gate) -> list[Conjunction]:
    """Disjunctive normal form: the tree multiplied out, and what a smaller conjunction contains left out."""
    if not gate.operator:
        return [frozenset({(gate.symbol, gate.is_negated)})]
    parts = [conjunctions(part) for part in gate.parts]
    if gate.operator == "|":
        found = {one for part in parts for one in part}
    else:
        found = {frozenset().union(*chosen) for chosen in product(*parts)}
    consistent = {one for one in found if len({symbol for symbol, _ in one}) == len(one)}
    return sorted((one for one in consistent if not any(other < one for other in consistent)), key=sorted)


def plain(conjunction: Conjunction) -> list[str]:
    """The antigens that it senses."""
    return sorted(symbol for symbol, negated in conjunction if not negated)


def blockers(conjunction: Conjunction) -> list[str]:
    """The antigens that stop it."""
    return sorted(symbol for symbol, negated in conjunction if negated)


def implies(first: Gate, second: Gate) -> bool:
    """Whether every cell that meets `first` meets `second`, by truth table."""
    symbols = sorted({*first.antigens, *second.antigens})
    table = np.array(list(product([False, True], repeat=len(symbols)))).T
    values = dict(zip(symbols, table, strict=True))
    return bool((~first.evaluate(values) | second.evaluate(values)).all())


def random_gate(rng: np.random.Generator, symbols: list[str], *, most: int = 4) -> Gate:
    """A gate of one to `most` antigens of any shape that senses something in each conjunction."""
    while True:
        names = rng.choice(symbols, size=rng.integers(1, most + 1), replace=False)
        parts = [Gate.literal(str(name), negated=bool(rng.random() < 0.3)) for name in names]
        if len(parts) > 2 and rng.random() < 0.3:
            parts.append(Gate.literal(str(rng.choice(names)), negated=bool(rng.random() < 0.3)))
        try:
            while len(parts) > 1:
                i, j = sorted(rng.choice(len(parts), size=2, replace=False))
                second, first = parts.pop(j), parts.pop(i)
                parts.append(first & second if rng.random() < 0.5 else first | second)
        except GateError:  # always true, or always false
            continue
        if all(plain(one) for one in conjunctions(parts[0])):
            return parts[0]


def relatives(rng: np.random.Generator, gate: Gate) -> list[Gate]:
    """Gates that imply it or that it implies: a conjunction left out, a literal left out."""
    found = conjunctions(gate)
    rng.shuffle(found)
    one, out = found[0], []
    if len(found) > 1:
        out.append(found[1:])
    for literal in sorted(one):
        rest = one - {literal}
        if plain(rest):
            out.append([rest if other == one else other for other in found])
    gates = []
    for cubes in out:
        try:
            gates.append(joined(cubes))
        except GateError:
            continue
    return gates


def joined(cubes: list[Conjunction]) -> Gate:
    """The gate of some conjunctions."""
    whole = None
    for cube in cubes:
        part = None
        for symbol, negated in sorted(cube):
            literal = Gate.literal(symbol, negated=negated)
            part = literal if part is None else part & literal
        assert part is not None
        whole = part if whole is None else whole | part
    assert whole is not None
    return whole
