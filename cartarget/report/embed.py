"""Evidence beside the tables of a report: which antigens fit, and which rows of the tables they can judge again."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.logic.batch import ANY, BOTH, NOT
from cartarget.logic.gate import Gate
from cartarget.report.argue import BUDGET, Evidence, evidence_block, fit_evidence
from cartarget.report.payload import Block

LARGER = 3
"""Number of the shape of a gate of three antigens or more."""

FIRST = 200
"""Leading antigens whose evidence comes before that of any gate."""


def embed(
    evidence: Evidence,
    *,
    antigens: pd.DataFrame,
    gates: pd.DataFrame,
    atlas: str,
    budget: int = BUDGET,
) -> tuple[Block, frozenset[str]]:
    """Lay evidence and the rows that it can judge out as a block.

    Parameters
    ----------
    evidence
        Counted evidence on the run's antigens.
    antigens, gates
        Tables as they stand in the report.
    atlas
        Name of the primary atlas.
    budget
        Bytes that the evidence may take, compressed.

    Returns
    -------
    The block, and the names of the rows that it holds no evidence on. `gate.a`, `gate.b`, `gate.op` (−1: no
    evidence; `LARGER`: the page reads the gate's text) and `antigen.row` point into the evidence; `gate.tie` and
    `antigen.tie` number the rows by what ranks them when class and selectivity are alike; `gate.closing` and
    `antigen.closing` hold what closes each row (:mod:`cartarget.report.closing`), from `….closing_at` on.
    """
    parsed = [Gate.parse(name) for name in gates["gate"].astype(str)]
    members = [symbol for gate in parsed for symbol in gate.antigens]
    symbols = antigens["symbol"].astype(str).tolist()
    kept = fit_evidence(evidence, order=[*symbols[:FIRST], *members, *symbols], budget=budget)
    row = {symbol: place for place, symbol in enumerate(kept.header["symbols"])}
    block = evidence_block(kept)
    block.header["atlas"] = atlas
    closing = block.header.pop("closing")
    for prefix, frame, key in (("gate", gates, "gate"), ("antigen", antigens, "symbol")):
        found = [closing.get(text, []) for text in _texts(frame[key], key)]
        block.arrays[f"{prefix}.closing"] = np.array([number for row in found for number in row], dtype=np.int32)
        block.arrays[f"{prefix}.closing_at"] = np.cumsum([0, *map(len, found)]).astype(np.int32)
    table = np.array([_row(gate, row) for gate in parsed], dtype=np.int32).reshape(-1, 3)
    for place, name in enumerate(("a", "b", "op")):
        block.arrays[f"gate.{name}"] = np.ascontiguousarray(table[:, place])
    block.arrays["gate.tie"] = _tie(gates, name="gate")
    block.arrays["antigen.row"] = np.array([row.get(symbol, -1) for symbol in symbols], dtype=np.int32)
    block.arrays["antigen.tie"] = _tie(antigens, name="symbol")
    lacking = gates.loc[table[:, 2] < 0, "gate"].astype(str)
    return block, frozenset([*lacking, *(symbol for symbol in symbols if symbol not in row)])


def _texts(names: pd.Series, key: str) -> list[str]:
    """Rows of a table as gates: a symbol is quoted where it must be."""
    texts = names.astype(str).tolist()
    return [str(Gate.literal(text)) for text in texts] if key == "symbol" else texts


def _row(gate: Gate, row: dict[str, int]) -> tuple[int, int, int]:
    """Rows of the evidence and the shape of a gate of one or two antigens; `LARGER`; −1 where evidence is lacking."""
    literals = gate.literals
    if literals[0].is_negated or any(part.symbol not in row for part in literals):
        return 0, 0, -1
    if len(literals) > 2:
        return 0, 0, LARGER
    first, last = row[literals[0].symbol], row[literals[-1].symbol]
    if literals[-1].is_negated:
        return (first, last, NOT) if gate.operator == "&" else (0, 0, -1)
    return first, last, BOTH if gate.operator == "&" else ANY


def _tie(frame: pd.DataFrame, *, name: str) -> NDArray[np.int32]:
    """Place of each row by window, then fewer antigens, then protein checked, then name."""
    window = frame["window"].astype("float64").fillna(-np.inf)
    keys = pd.DataFrame(
        {
            "window": -np.round(window.to_numpy(), 6),
            "size": frame["n_antigens"].astype(int).to_numpy() if "n_antigens" in frame else 1,
            "protein": ~frame["is_protein_known"].astype("boolean").fillna(False).astype(bool).to_numpy(),
            "name": frame[name].astype(str).to_numpy(),
        }
    )
    tie = np.empty(len(frame), dtype=np.int32)
    tie[keys.sort_values(keys.columns.tolist(), kind="stable").index] = np.arange(len(frame))
    return tie
