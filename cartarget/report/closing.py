"""Where vital tissue stands above the tumour: what closes a gate, part by part, whatever a reader's caps."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import conjunctions
from cartarget.safety.known import known
from cartarget.safety.scores import antigens_closed
from cartarget.safety.window import gate_levels, windows


def closing_parts(panel: Panel, gates: Iterable[str]) -> dict[str, list[int]]:
    """Parts of gates that a vital tissue closes, as numbers.

    A gate is over cap if some conjunction without a blocker has no part with a window of 0 or more
    (:func:`cartarget.safety.scores.is_closed`). Where cells decide, antigens together are not asked; where that is
    depends on the caps, so that the page needs the tissues themselves.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates as text; one with an antigen that the panel lacks is left out.

    Returns
    -------
    Numbers of each gate that has some, sorted: (sum of 2^i over the antigens i of a part, in the order in which the
    gate names them) × tissues + the tissue whose bulk samples or summaries stand above the tumour. A single antigen
    is closed or not whatever the tissue, which is then 0.
    """
    parsed = {text: Gate.parse(text) for text in gates}
    parts: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for text, gate in parsed.items():
        if any(symbol not in panel.index for symbol in gate.antigens):
            continue
        place = {symbol: number for number, symbol in enumerate(gate.antigens)}
        asked = {
            part
            for one in conjunctions(gate)
            if not one.blockers
            for size in range(1, len(one.plain) + 1)
            for part in combinations(sorted(one.plain), size)
        }
        for part in asked:
            parts.setdefault(part, []).append((text, sum(1 << place[symbol] for symbol in part)))
    n = len(known(panel).tissues)
    alone = antigens_closed(panel)
    found: dict[str, list[int]] = {}
    for part, tissues in _closed(panel, [part for part in parts if len(part) > 1]).items():
        for text, mask in parts[part]:
            found.setdefault(text, []).extend(mask * n + tissue for tissue in tissues)
    for part in parts:
        if len(part) == 1 and alone[panel.index[part[0]]]:
            for text, mask in parts[part]:
                found.setdefault(text, []).append(mask * n)
    return {text: sorted(numbers) for text, numbers in sorted(found.items())}


def _closed(panel: Panel, parts: list[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
    """Tissues, as numbers, that close antigens which must meet in one cell."""
    if not parts:
        return {}
    gates = Gates.parse([" & ".join(str(Gate.literal(symbol)) for symbol in part) for part in parts], panel=panel)
    table, units, levels = panel.populations, panel.units, gate_levels(panel, gates)
    tissue = np.concatenate([table["tissue"].astype(str), units["tissue"].astype(str)])
    vital = np.concatenate([table["tier"].astype(str), units["tier"].astype(str)]) == "vital"
    in_cells = np.concatenate([panel.is_cells, np.zeros(len(units), dtype=bool)])
    found: dict[tuple[str, ...], list[int]] = {}
    for number, name in enumerate(known(panel).tissues):
        here = (tissue == name) & vital & ~in_cells
        if not here.any():
            continue
        hidden = np.broadcast_to(in_cells | (tissue != name), (len(parts), len(tissue)))
        for row in np.flatnonzero(windows(panel, levels, hidden=hidden).vital < 0):
            found.setdefault(parts[row], []).append(number)
    return found
