"""Shapes of gates: every read-once AND-OR tree of two to five literals, and how a search walks through each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product
from math import perm

from cartarget.errors import GateError
from cartarget.logic.gate import Gate, canonical
from cartarget.logic.shapes import shapes, without

MOST = 5
AND, OR = -1, -2
END, PRINTED_AND, PRINTED_OR, CLOSE, OPEN = -5, -4, -3, -2, -1
"""What a printed gate holds beside its literals, numbered in the order of their characters."""


@dataclass(frozen=True)
class Template:
    """A shape with its signs, and the order in which a search fills it.

    Attributes
    ----------
    gate
        The shape as a gate over A, B, C ... in order of appearance; signs as given.
    is_signed
        Whether each literal may be plain or negated (then the signs of `gate` mean nothing).
    """

    gate: Gate
    is_signed: bool

    @staticmethod
    def of(text: str | Gate, *, negate: bool) -> Template:
        """Read a template.

        Parameters
        ----------
        text
            A shape such as `"(A | B) & ~C"`; the letters stand for antigens, each once.
        negate
            Each literal may be plain or negated; the signs in `text` are dropped. Else they count.

        Raises
        ------
        GateError
            The text does not parse, holds something else than letters, repeats one, or has more than five literals.

        Examples
        --------
        >>> Template.of("(X | Y) & ~Z", negate=True).name
        'A & (B | C)'
        >>> Template.of("(X | Y) & ~Z", negate=False).name
        '(A | B) & ~C'
        """
        source = text if isinstance(text, Gate) else Gate.parse(text)
        words = [] if isinstance(text, Gate) else [one for one in source.antigens if not re.fullmatch(r"[A-Z]\d*", one)]
        if words:
            raise GateError(f"template {text!r}: {words[0]!r} is no letter; write a shape such as 'A & (B | ~C)'")
        if not 1 <= source.n_literals <= MOST:
            raise GateError(f"template {str(text)!r} has {source.n_literals} literals: give 1 to {MOST}")
        if len(source.antigens) != source.n_literals:
            raise GateError(f"template {str(text)!r} repeats an antigen: give each literal a letter of its own")
        gate = canonical(_plain(source)) if negate else source
        return Template(Gate.parse(gate.shape), negate)

    @property
    def name(self) -> str:
        """The shape as text."""
        return str(self.gate)

    @property
    def rule(self) -> str:
        """The shape as text, however the letters were given.

        Examples
        --------
        >>> Template.of("(A | B) & (C | ~D)", negate=False).rule
        '(A | B) & (C | ~D)'
        >>> Template.of("(A | ~B) & (C | D)", negate=False).rule
        '(A | B) & (C | ~D)'
        """
        return min(self.fill(letters).shape for letters in permutations(self.gate.antigens))

    @property
    def n_literals(self) -> int:
        """How many literals it has."""
        return self.gate.n_literals

    @cached_property
    def signs(self) -> tuple[bool, ...]:
        """Whether each leaf is negated, in order of appearance."""
        return tuple(literal.is_negated for literal in self.gate.literals)

    @cached_property
    def automorphisms(self) -> tuple[tuple[int, ...], ...]:
        """Permutations of the leaves that leave the rule as it is."""
        names = self.gate.antigens
        return tuple(
            order for order in permutations(range(len(names))) if self.fill([names[i] for i in order]) == self.gate
        )

    def fill(self, symbols: Iterable[str], negated: Iterable[bool] | None = None) -> Gate:
        """The gate with antigens in place of the letters, in order of appearance.

        Examples
        --------
        >>> print(Template.of("A & (B | C)", negate=True).fill(["X", "Z", "Y"], [False, False, True]))
        X & (Z | ~Y)
        """
        symbols, signs = tuple(symbols), self.signs if negated is None else tuple(negated)
        leaves = iter(Gate.literal(s, negated=n) for s, n in zip(symbols, signs, strict=True))

        def build(node: Gate) -> Gate:
            return next(leaves) if not node.operator else Gate(node.operator, parts=tuple(map(build, node.parts)))

        return canonical(build(self.gate))

    def prints(self, signs: Iterable[bool]) -> tuple[tuple[int, ...], ...]:
        """The texts that a gate with these signs may have, as rows of leaves and of `OPEN`, `CLOSE` and so on.

        Which of them is its canonical text depends on the antigens: it is the least one.

        Examples
        --------
        >>> Template.of("A & (B | C)", negate=True).prints([True, False, False])
        ((-1, 1, -3, 2, -2, -4, 0), (-1, 2, -3, 1, -2, -4, 0))
        """
        return tuple(_prints(self.gate, 0, tuple(signs)))

    def count(self, n_antigens: int, *, not_only: bool = False) -> int:
        """How many gates the template has over so many antigens.

        Examples
        --------
        >>> Template.of("A & B", negate=True).count(10)
        135
        """
        allowed = self._patterns if not_only else [signs for signs in self._patterns if not self._is_not_only(signs)]
        return perm(n_antigens, self.n_literals) * len(allowed) // len(self.automorphisms)

    @property
    def is_not_only(self) -> bool:
        """Whether every gate of the template hits a cell without any of its antigens."""
        return all(map(self._is_not_only, self._patterns))

    @property
    def _patterns(self) -> list[tuple[bool, ...]]:
        """The signs that the leaves may have."""
        return list(product((False, True), repeat=self.n_literals)) if self.is_signed else [self.signs]

    def _is_not_only(self, signs: tuple[bool, ...]) -> bool:
        return self.fill(self.gate.antigens, signs).is_not_only

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Leaves in the order in which they are assigned: shallow ones first, two siblings last."""
        if self.n_literals == 1:
            return (0,)
        depths: list[tuple[int, int]] = []

        def walk(node: Gate, depth: int) -> None:
            if not node.operator:
                depths.append((depth, len(depths)))
            for part in node.parts:
                walk(part, depth + 1)

        walk(self.gate, 0)
        last = [leaves for _, leaves, depth in self._cherries() if depth == max(d for _, _, d in self._cherries())][-1]
        head = [leaf for _, leaf in sorted(depths) if leaf not in last]
        return (*head, *last)

    @cached_property
    def last(self) -> int:
        """Operator of the two siblings that are assigned last."""
        deepest = max(depth for _, _, depth in self._cherries())
        return [AND if operator == "&" else OR for operator, _, depth in self._cherries() if depth == deepest][-1]

    def _cherries(self) -> list[tuple[str, tuple[int, int], int]]:
        """Pairs of sibling leaves: operator, the last two leaves of the node, depth."""
        found: list[tuple[str, tuple[int, int], int]] = []
        count = iter(range(self.n_literals))

        def walk(node: Gate, depth: int) -> int | None:
            if not node.operator:
                return next(count)
            leaves = [leaf for leaf in (walk(part, depth + 1) for part in node.parts) if leaf is not None]
            if len(leaves) > 1:
                found.append((node.operator, (leaves[-2], leaves[-1]), depth))
            return None

        walk(self.gate, 0)
        return found

    @cached_property
    def program(self) -> tuple[int, ...]:
        """The rule in postfix: positions in `order`, `AND`, `OR`."""
        place = {leaf: position for position, leaf in enumerate(self.order)}
        count = iter(range(self.n_literals))

        def emit(node: Gate) -> list[int]:
            if not node.operator:
                return [place[next(count)]]
            code = emit(node.parts[0])
            for part in node.parts[1:]:
                code += [*emit(part), AND if node.operator == "&" else OR]
            return code

        return tuple(emit(self.gate))

    @cached_property
    def ordered(self) -> tuple[tuple[int, int], ...]:
        """Positions `(i, j)` of `order`, interchangeable given all before `i`: `i` takes the earlier literal."""
        group = self.automorphisms
        pairs: list[tuple[int, int]] = []
        for i, leaf in enumerate(self.order):
            orbit = {g[leaf] for g in group}
            pairs += [(i, j) for j in range(i + 1, self.n_literals) if self.order[j] in orbit]
            group = tuple(g for g in group if g[leaf] == leaf)
        return tuple(pairs)

    def open_branch(self, depth: int) -> tuple[tuple[int, ...], Template] | None:
        """An OR that is partly open once positions 0 … `depth` of `order` stand.

        Returns
        -------
        Positions of the leaves of its open branches, and the smaller template that remains without its other branches;
        None if there is no such OR.

        Examples
        --------
        >>> positions, smaller = Template.of("A & (B | (C & D))", negate=True).open_branch(1)
        >>> positions, smaller.name
        ((2, 3), 'A & B & C')
        """
        position = {leaf: i for i, leaf in enumerate(self.order)}
        stack: list[tuple[Gate, int]] = [(self.gate, 0)]
        while stack:
            node, leaf = stack.pop(0)
            spans = []
            for part in node.parts:
                spans.append((part, range(leaf, leaf + part.n_literals)))
                leaf += part.n_literals
            open_parts = [all(position[i] > depth for i in span) for _, span in spans]
            if node.operator == "|" and any(open_parts) and not all(open_parts):
                gone = {i for (_, span), is_open in zip(spans, open_parts, strict=True) if not is_open for i in span}
                held = [i for (_, span), is_open in zip(spans, open_parts, strict=True) if is_open for i in span]
                smaller = without(self.gate, gone)
                assert smaller is not None  # an open branch remains
                return tuple(sorted(position[i] for i in held)), Template.of(smaller, negate=self.is_signed)
            stack += [(part, span.start) for part, span in spans if part.operator]
        return None


def _prints(node: Gate, leaf: int, signs: tuple[bool, ...]) -> Iterable[tuple[int, ...]]:
    """The texts of a node whose first leaf is `leaf`; parts in the order of the canonical form, ties in any."""
    if not node.operator:
        return [(leaf,)]
    parts = []
    for part in node.parts:
        own = slice(leaf, leaf + part.n_literals)
        texts = [(OPEN, *text, CLOSE) if part.operator else text for text in _prints(part, leaf, signs)]
        parts.append(((all(signs[own]), part.n_literals), texts))
        leaf = own.stop
    between = PRINTED_AND if node.operator == "&" else PRINTED_OR
    due = sorted(key for key, _ in parts)
    orders = (order for order in permutations(parts) if [key for key, _ in order] == due)
    return [
        (*texts[0], *(code for text in texts[1:] for code in (between, *text)))
        for order in orders
        for texts in product(*(texts for _, texts in order))
    ]


def _plain(gate: Gate) -> Gate:
    if not gate.operator:
        return Gate.literal(gate.symbol)
    return Gate(gate.operator, parts=tuple(map(_plain, gate.parts)))


def every(n_literals: Iterable[int], *, negate: bool = True) -> tuple[Template, ...]:
    """All templates of the given numbers of literals.

    Examples
    --------
    >>> len(every(range(2, 6)))
    40
    """
    return tuple(Template.of(text, negate=negate) for n in n_literals for text in shapes(n))
