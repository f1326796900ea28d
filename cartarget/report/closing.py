"""Where vital tissue stands above the tumour: what closes a gate, tissue by tissue, whatever a reader's caps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import conjunctions
from cartarget.safety.window import gate_levels, windows

ALWAYS = -1
"""Stands for a gate that is closed wherever cells decide."""


def meets_in_one(gate: Gate) -> bool:
    """Some antigens must meet in one cell: places in which cells decide are not asked for the gate's level.

    Examples
    --------
    >>> meets_in_one(Gate.parse("A | B")), meets_in_one(Gate.parse("A | (B & C)"))
    (False, True)
    """
    return any(len(one.plain) > 1 for one in conjunctions(gate))


def closing_tissues(panel: Panel, gates: Sequence[str]) -> dict[str, list[str]]:
    """Vital tissues whose bulk samples or summaries stand above the tumour, for gates whose antigens must meet.

    A gate without a blocker is unsafe if its window is below 0, and a tissue in which cells decide is not asked. Where
    cells decide depends on the caps, so that the page needs the tissues themselves.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates as text; those that have a blocker or sense one antigen a conjunction are left out, and so are those with
        an antigen that the panel lacks.

    Returns
    -------
    Tissues of each gate that has some, sorted.
    """
    parsed = {text: Gate.parse(text) for text in gates}
    asked = [
        text
        for text, gate in parsed.items()
        if meets_in_one(gate)
        and not any(one.is_negated for one in gate.literals)
        and all(symbol in panel.index for symbol in gate.antigens)
    ]
    if not asked:
        return {}
    table, units = panel.populations, panel.units
    levels = gate_levels(panel, Gates.parse(asked, panel=panel))
    tissue = np.concatenate([table["tissue"].astype(str), units["tissue"].astype(str)])
    vital = np.concatenate([table["tier"].astype(str), units["tier"].astype(str)]) == "vital"
    in_cells = np.concatenate([panel.is_cells, np.zeros(len(units), dtype=bool)])
    found: dict[str, list[str]] = {}
    for name in sorted(set(tissue[vital & ~in_cells])):
        hidden = np.broadcast_to(in_cells | (tissue != name), (len(asked), len(tissue)))
        for row in np.flatnonzero(windows(panel, levels, hidden=hidden).vital < 0):
            found.setdefault(asked[row], []).append(name)
    return found


def closing_numbers(
    names: Sequence[str], window: pd.Series, *, closing: dict[str, list[str]], tissues: Sequence[str]
) -> list[list[int]]:
    """What closes each row of a table: tissues as numbers, or `ALWAYS`.

    Parameters
    ----------
    names, window
        Gates, and their windows in the table.
    closing
        From :func:`closing_tissues`.
    tissues
        Tissues in the order in which they are numbered.

    Examples
    --------
    >>> closing_numbers(["A", "A & B", "A & ~B"], pd.Series([-1.0, -1.0, -1.0]), closing={"A & B": ["lung"]},
    ...                 tissues=["heart", "lung"])
    [[-1], [1], []]
    """
    number = {name: place for place, name in enumerate(tissues)}
    below = window.astype("float64").lt(0).tolist()
    out = []
    for text, is_below in zip(names, below, strict=True):
        gate = Gate.parse(text)
        if meets_in_one(gate):
            out.append([number[name] for name in closing.get(text, [])])
        else:
            out.append([ALWAYS] if is_below and not any(one.is_negated for one in gate.literals) else [])
    return out
