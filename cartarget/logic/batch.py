"""Gates of one or two antigens as arrays: what the screen scores by the thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cartarget.errors import GateError
from cartarget.logic.gate import Gate

ANY, BOTH, NOT = 0, 1, 2
"""Shapes of a gate of two: `A | B` (a single antigen is `A | A`), `A & B`, `A & ~B`."""


class Indexed(Protocol):
    """What knows the row of each antigen: a `Panel`."""

    @property
    def index(self) -> dict[str, int]:
        """Row of each antigen."""


@dataclass(frozen=True)
class Gates:
    """Gates of one or two antigens as rows of a panel: `A | B` (0), `A & B` (1), `A & ~B` (2); alone, `A | A`."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    op: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Gates:
        """Some of the gates."""
        return Gates(self.a[rows], self.b[rows], self.op[rows])

    def __len__(self) -> int:
        return len(self.a)

    @property
    def pairs(self) -> Gates:
        """Those of two antigens."""
        return self.take(np.flatnonzero(self.a != self.b))

    @staticmethod
    def join(parts: Sequence[Gates]) -> Gates:
        """Several sets of gates, one after the other."""
        return Gates(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("a", "b", "op")))

    @staticmethod
    def singles(n: int) -> Gates:
        """Every antigen alone."""
        return Gates(np.arange(n), np.arange(n), np.zeros(n, dtype=np.int64))

    def members(self, symbols: Sequence[str]) -> list[str]:
        """The antigens that stand in any of the gates, in the order of `symbols`."""
        return [symbols[row] for row in np.union1d(self.a, self.b)]

    def names(self, symbols: Sequence[str]) -> list[str]:
        """The gates as text, canonical."""
        literal = [Gate.literal(symbol) for symbol in symbols]
        blocker = [Gate.literal(symbol, negated=True) for symbol in symbols]
        text = []
        for a, b, op in zip(self.a, self.b, self.op, strict=True):
            if a == b:
                text.append(str(literal[a]))
            else:
                text.append(
                    str(
                        literal[a] | literal[b]
                        if op == ANY
                        else literal[a] & (literal[b] if op == BOTH else blocker[b])
                    )
                )
        return text

    @staticmethod
    def parse(gates: Sequence[str | Gate], *, panel: Indexed) -> Gates:
        """Read gates of one or two antigens.

        Raises
        ------
        GateError
            A gate has more than two antigens, kills without sensing any, or names one that the panel lacks.
        """
        rows = [_row(gate if isinstance(gate, Gate) else Gate.parse(gate), panel) for gate in gates]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return Gates(table[:, 0], table[:, 1], table[:, 2])


def _row(gate: Gate, panel: Indexed) -> tuple[int, int, int]:
    literals = gate.parts or (gate,)
    if len(literals) > 2 or any(part.parts for part in literals):
        raise GateError(f"gate {str(gate)!r} has more than two antigens; score it with cartarget.search_gates")
    for part in literals:
        if part.symbol not in panel.index:
            raise GateError(f"gate {str(gate)!r}: antigen {part.symbol!r} is not in the panel")
    plain = [panel.index[part.symbol] for part in literals if not part.is_negated]
    blockers = [panel.index[part.symbol] for part in literals if part.is_negated]
    if not plain or (blockers and gate.operator == "|"):
        raise GateError(
            f"gate {str(gate)!r} kills cells in which it senses nothing; give at least one antigen to sense"
        )
    if blockers:
        return plain[0], blockers[0], NOT
    return plain[0], plain[-1], BOTH if gate.operator == "&" else ANY
