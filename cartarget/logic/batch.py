"""Many gates as arrays: of each its shape, and which antigens stand at the shape's letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cartarget.errors import GateError
from cartarget.logic.gate import Gate, canonical, letter
from cartarget.logic.shapes import conjunctions, evaluate, without

ANY, BOTH, NOT = 0, 1, 2
"""Shapes of a gate of two: `A | B`, `A & B`, `A & ~B`."""

ALONE = Gate.literal("A")
OF_TWO = tuple(map(Gate.parse, ("A | B", "A & B", "A & ~B")))
"""The gates of two, in the order of `ANY`, `BOTH`, `NOT`."""


class Indexed(Protocol):
    """What knows the row of each antigen: a `Panel`."""

    @property
    def index(self) -> dict[str, int]:
        """Row of each antigen."""


class Batch(NamedTuple):
    """Gates of one shape.

    `at` are their places among all gates; `rows` (gates × letters) the antigen of each letter of `shape`.
    """

    shape: Gate
    at: NDArray[np.int64]
    rows: NDArray[np.int64]

    def of(self, symbol: str) -> NDArray[np.int64]:
        """Antigens that stand at a letter, one a gate."""
        return self.rows[:, self.shape.antigens.index(symbol)]


@dataclass(frozen=True, eq=False)
class Gates:
    """Gates of any shape over the antigens of a panel.

    Attributes
    ----------
    shapes
        Gates over the letters A, B, C …
    kind
        Row of `shapes`, one a gate.
    rows
        Gates × letters: the antigen, as a row of the panel, at each letter of the gate's shape; −1 beyond its letters.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> panel = SimpleNamespace(index={"EGFR": 0, "MET": 1, "PTPRC": 2})
    >>> gates = Gates.parse(["EGFR & ~PTPRC", "EGFR & (MET | PTPRC)"], panel=panel)
    >>> gates.rows.tolist()
    [[0, 2, -1], [0, 1, 2]]
    >>> gates.names(list(panel.index))
    ['EGFR & ~PTPRC', 'EGFR & (MET | PTPRC)']
    """

    shapes: tuple[Gate, ...]
    kind: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: NDArray[np.int64]) -> Gates:
        """Some of the gates."""
        return Gates(self.shapes, self.kind[rows], self.rows[rows])

    def batches(self) -> Iterator[Batch]:
        """The gates shape by shape."""
        for number, shape in enumerate(self.shapes):
            at = np.flatnonzero(self.kind == number)
            if len(at):
                yield Batch(shape, at, self.rows[at, : len(shape.antigens)])

    @cached_property
    def size(self) -> NDArray[np.int64]:
        """Antigens of each gate."""
        return np.asarray((self.rows >= 0).sum(axis=1), dtype=np.int64)

    @property
    def pairs(self) -> Gates:
        """Those of two antigens."""
        return self.take(np.flatnonzero(self.size == 2))

    @staticmethod
    def join(parts: Sequence[Gates]) -> Gates:
        """Several sets of gates, one after the other."""
        shapes = tuple(dict.fromkeys(shape for part in parts for shape in part.shapes))
        width = max((part.rows.shape[1] for part in parts), default=1)
        kinds = [np.array([shapes.index(s) for s in part.shapes], dtype=np.int64)[part.kind] for part in parts]
        rows = [np.pad(p.rows, ((0, 0), (0, width - p.rows.shape[1])), constant_values=-1) for p in parts]
        return Gates(shapes, np.concatenate(kinds), np.concatenate(rows))

    @staticmethod
    def singles(n: int) -> Gates:
        """Every antigen alone."""
        return Gates((ALONE,), np.zeros(n, dtype=np.int64), np.arange(n, dtype=np.int64)[:, None])

    @staticmethod
    def of_two(a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> Gates:
        """Gates of two antigens, `op` one of `ANY`, `BOTH`, `NOT` each."""
        return Gates(OF_TWO, np.asarray(op, dtype=np.int64), np.stack([a, b], axis=1).astype(np.int64))

    def evaluate(self, values: NDArray[Any], blocked: NDArray[Any]) -> NDArray[Any]:
        """Evaluate on antigens × places of bits or booleans, as gates × places.

        `blocked` is what an antigen is worth where it stands as a blocker: `~values` if blockers are believed.
        """
        out = np.empty((len(self), values.shape[1]), dtype=values.dtype)
        for batch in self.batches():
            out[batch.at] = evaluate(batch.shape, _letters(batch, values), _letters(batch, blocked))
        return out

    def level(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Logic twin of antigens × places, as gates × places: min for AND, max for OR; NaN where one is unknown."""
        out = np.empty((len(self), values.shape[1]), dtype=values.dtype)
        for shape, at, rows in self.batches():
            out[at] = level_of(shape, rows, values)
        return out

    @property
    def has_blocker(self) -> NDArray[np.bool_]:
        """Which gates have a blocker."""
        own = [any(one.is_negated for one in shape.literals) for shape in self.shapes]
        return np.array(own, dtype=bool)[self.kind]

    @property
    def unblocked(self) -> Gates:
        """The same gates without their blockers."""
        names, parts, at = {}, [], []
        for batch in self.batches():
            gone = [i for i, one in enumerate(batch.shape.literals) if one.is_negated]
            shape = without(batch.shape, gone) if gone else batch.shape
            if shape is None:
                raise GateError(f"gate of shape {batch.shape} senses nothing")
            rows = np.stack([batch.of(symbol) for symbol in shape.antigens], axis=1)
            names = {symbol: letter(i) for i, symbol in enumerate(shape.antigens)}
            parts.append(Gates((renamed(shape, names),), np.zeros(len(rows), dtype=np.int64), rows))
            at.append(batch.at)
        if not parts:
            return self
        return Gates.join(parts).take(np.argsort(np.concatenate(at), kind="stable"))

    def members(self, symbols: Sequence[str]) -> list[str]:
        """The antigens that stand in any of the gates, in the order of `symbols`."""
        return [symbols[row] for row in np.unique(self.rows[self.rows >= 0])]

    def gates(self, symbols: Sequence[str]) -> list[Gate]:
        """The gates as values."""
        out: list[Gate] = [ALONE] * len(self)
        for shape, at, rows in self.batches():
            for place, row in zip(at, rows, strict=True):
                out[place] = canonical(
                    renamed(shape, dict(zip(shape.antigens, (symbols[i] for i in row), strict=True)))
                )
        return out

    def names(self, symbols: Sequence[str]) -> list[str]:
        """The gates as text, canonical."""
        return list(map(str, self.gates(symbols)))

    @staticmethod
    def parse(gates: str | Gate | Sequence[str | Gate], *, panel: Indexed) -> Gates:
        """Read gates of any shape and size.

        Raises
        ------
        GateError
            A gate kills cells in which it senses nothing, or names an antigen that the panel lacks.
        """
        if not hasattr(panel, "index") or not isinstance(panel.index, dict):
            raise GateError(f"panel: found {type(panel).__name__}; make one with cartarget.build_panel(...)")
        listed = [gates] if isinstance(gates, str | Gate) else gates
        parsed = [gate if isinstance(gate, Gate) else Gate.parse(gate) for gate in listed]
        shapes = [_shape(gate) for gate in parsed]
        unique = tuple(dict.fromkeys(shapes))
        width = max((len(shape.antigens) for shape in shapes), default=1)
        rows = np.full((len(parsed), width), -1, dtype=np.int64)
        for place, gate in enumerate(parsed):
            absent = [symbol for symbol in gate.antigens if symbol not in panel.index]
            if absent:
                raise GateError(f"gate {str(gate)!r}: antigen {absent[0]!r} is not in the panel")
            rows[place, : len(gate.antigens)] = [panel.index[symbol] for symbol in gate.antigens]
        return Gates(unique, np.array([unique.index(s) for s in shapes], dtype=np.int64), rows)


def _letters(batch: Batch, values: NDArray[Any]) -> Callable[[str], NDArray[Any]]:
    """Rows of an array of antigens by the letters of a batch."""
    return lambda symbol: values[batch.of(symbol)]


@cache
def _shape(gate: Gate) -> Gate:
    """The gate over letters, in the order in which its antigens appear."""
    if any(not one.plain for one in conjunctions(gate)):
        raise GateError(
            f"gate {str(gate)!r} kills cells in which it senses nothing; give at least one antigen to sense"
        )
    return renamed(gate, {symbol: letter(number) for number, symbol in enumerate(gate.antigens)})


def renamed(gate: Gate, names: Mapping[str, str]) -> Gate:
    """The same tree over other names; `cartarget.logic.gate.canonical` puts it in order.

    Examples
    --------
    >>> print(renamed(Gate.parse("HER2 & ~CD45"), {"HER2": "ERBB2", "CD45": "PTPRC"}))
    ERBB2 & ~PTPRC
    """
    if not gate.operator:
        return Gate("", names[gate.symbol], gate.is_negated)
    return Gate(gate.operator, parts=tuple(renamed(part, names) for part in gate.parts))


def level_of(shape: Gate, rows: NDArray[np.int64], values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logic twin of the level of gates of one shape.

    Parameters
    ----------
    shape
        A gate over letters.
    rows
        Gates × letters: rows of `values`.
    values
        Antigens × places.

    Returns
    -------
    Gates × places: min for AND, max for OR; a blocker is not asked. NaN where one that is sensed is unknown.

    Examples
    --------
    >>> values = np.array([[1.0, 1.0], [3.0, np.nan]])
    >>> level_of(Gate.parse("A | B"), np.array([[0, 1]]), values).tolist()
    [[3.0, nan]]
    """
    column = {symbol: rows[:, i] for i, symbol in enumerate(shape.antigens)}

    def level(gate: Gate) -> Any:
        if not gate.operator:
            return None if gate.is_negated else values[column[gate.symbol]]
        parts = [part for part in map(level, gate.parts) if part is not None]
        return reduce(np.minimum if gate.operator == "&" else np.maximum, parts) if parts else None

    return np.asarray(level(shape))
