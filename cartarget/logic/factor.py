"""The unique factored form of a Boolean function: read-once where one exists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.errors import GateError

MOST = 12

Leaf = tuple[str, bool]
"""An antigen, and whether it is negated."""
Cube = tuple[Leaf, ...]
"""Literals that must all hold."""
Rule = Callable[[Mapping[str, NDArray[np.bool_]]], NDArray[np.bool_]]
"""Whether a rule holds, from whether each antigen is present; for many observations at once."""


class Node(NamedTuple):
    """An operator and its operands, each a node or a leaf."""

    operator: Literal["&", "|"]
    parts: tuple[Node | Leaf, ...]


def factor(rule: Rule, antigens: Sequence[str]) -> Node | Leaf:
    """The factored form of a rule whose antigens repeat, as a tree.

    The prime implicants of a function are unique (Blake's canonical form). They are split recursively: cubes
    that share no antigen are the parts of an OR; if the implicants are a product of independent groups, the
    groups are the parts of an AND (co-occurrence graph and its complement; Golumbic, Mintz and Rotics 2006,
    doi:10.1016/j.dam.2006.03.006). A read-once function so gets its read-once form; what cannot be split is the
    OR of its prime implicants.

    Parameters
    ----------
    rule
        Truth of the rule, from a mapping of antigen to booleans.
    antigens
        The antigens that it reads, each once.

    Raises
    ------
    GateError
        Always true, always false, or more than twelve antigens.

    Examples
    --------
    >>> factor(lambda has: (has["A"] & has["B"]) | (has["A"] & ~has["C"]), ["A", "B", "C"])
    Node(operator='&', parts=(('A', False), Node(operator='|', parts=(('B', False), ('C', True)))))
    """
    if len(antigens) > MOST:
        raise GateError(
            f"repeats antigens among {len(antigens)}: at most {MOST} can be simplified; write each antigen once"
        )
    cubes = prime_implicants(rule, antigens)
    if not cubes:
        raise GateError("is never true: no cell can meet it")
    if cubes == [()]:
        raise GateError("is always true: every cell meets it")
    return _split(cubes)


def prime_implicants(rule: Rule, antigens: Sequence[str]) -> list[Cube]:
    """All prime implicants, sorted (Quine and McCluskey).

    Examples
    --------
    >>> prime_implicants(lambda has: has["A"] & (has["B"] | ~has["B"]), ["B", "A"])
    [(('A', False),)]
    """
    antigens = sorted(antigens)
    n = len(antigens)
    index = np.arange(1 << n)
    table = np.broadcast_to(rule({name: (index >> i & 1).astype(bool) for i, name in enumerate(antigens)}), 1 << n)
    terms = {(int(i), 0) for i in np.flatnonzero(table)}
    primes: set[tuple[int, int]] = set()
    while terms:
        merged, used = set(), set()
        for value, free in terms:
            for bit in (1 << i for i in range(n)):
                if not (free | value) & bit and (value | bit, free) in terms:
                    merged.add((value, free | bit))
                    used |= {(value, free), (value | bit, free)}
        primes |= terms - used
        terms = merged
    return sorted(
        tuple((name, not value >> i & 1) for i, name in enumerate(antigens) if not free >> i & 1)
        for value, free in primes
    )


def _split(cubes: list[Cube]) -> Node | Leaf:
    literals = sorted({literal for cube in cubes for literal in cube})
    if len(cubes) == 1 or len(literals) == 1:
        return _join("&", cubes[0])
    together = {frozenset((a, b)) for cube in cubes for a in cube for b in cube if a[0] != b[0]}
    by_name = {name: {name} for name, _ in literals}
    linked = {frozenset((a[0], b[0])) for a, b in map(tuple, together)}
    groups = _components(list(by_name), linked)
    if len(groups) > 1:
        return _join("|", [_split([cube for cube in cubes if cube[0][0] in group]) for group in groups])
    names = list(by_name)
    apart = {frozenset((a, b)) for a in names for b in names if a < b} - linked
    groups = _components(names, apart)
    shares = [sorted({tuple(literal for literal in cube if literal[0] in group) for cube in cubes}) for group in groups]
    size = 1
    for share in shares:
        size *= len(share)
    if len(groups) > 1 and size == len(cubes) and all(all(share) for share in shares):
        return _join("&", [_split(share) for share in shares])
    return _join("|", [_split([cube]) for cube in cubes])


def _join(operator: Literal["&", "|"], parts: Sequence[Node | Leaf]) -> Node | Leaf:
    return parts[0] if len(parts) == 1 else Node(operator, tuple(parts))


def _components(names: list[str], edges: set[frozenset[str]]) -> list[set[str]]:
    groups = [{name} for name in names]
    for edge in edges:
        touching = [group for group in groups if group & edge]
        groups = [group for group in groups if not group & edge] + [set().union(*touching)]
    return sorted(groups, key=min)
