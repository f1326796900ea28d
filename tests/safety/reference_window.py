"""Windows for the reference judge, in plain loops over the levels of a panel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cartarget.evidence.panel import Panel
from tests.safety.reference_judge import Reference, sensing


def window_of(panel: Panel, reference: Reference) -> Callable[[tuple[str, ...]], float]:
    """Window of antigens that must meet: tumour's lower quartile minus the highest 90th percentile of vital places.

    Of antigens together neither cells nor places that cells explain are asked. NaN where no place tells.
    """
    found: dict[tuple[str, ...], float] = {}

    def of(symbols: tuple[str, ...]) -> float:
        if symbols not in found:
            found[symbols] = _window(panel, reference, symbols)
        return found[symbols]

    return of


def _window(panel: Panel, reference: Reference, symbols: tuple[str, ...]) -> float:
    columns = [panel.symbols.index(symbol) for symbol in symbols]
    levels = panel.levels[:, columns].min(axis=1)

    def is_asked(tier: str, tissue: str, origin: bool, kind: str) -> bool:
        if tier != "vital" or origin:
            return False
        return len(symbols) == 1 or (kind != "cells" and not reference.explained(sensing(symbols), tissue))

    highest = []
    for row, place in enumerate(panel.populations.itertuples()):
        own = levels[panel.level_population == row]
        asked = place.side == "normal" and is_asked(place.tier, place.tissue, place.is_origin, place.kind)
        if asked and len(own) and not np.isnan(own).any():
            highest.append(np.quantile(own, 0.9))
    for row, unit in enumerate(panel.units.itertuples()):
        level = np.log2(panel.value[columns, row].min() + 1)
        asked = unit.evidence == "summary" and is_asked(unit.tier, unit.tissue, unit.is_origin, "summary")
        if asked and not np.isnan(level):
            highest.append(level)
    ranking = panel.populations["is_ranking"].to_numpy()[panel.level_population]
    return float(np.quantile(levels[ranking], 0.25) - max(highest)) if highest else float("nan")
