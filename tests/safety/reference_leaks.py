"""Leaks for the reference judge, in plain loops over the levels of a panel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cartarget.evidence.panel import Panel
from tests.safety.reference_evidence import Population


def leaks_of(panel: Panel) -> Callable[[Population, str], bool]:
    """Whether an antigen stands below a tenth of the highest population of cells of the tissue, and above nothing."""
    table = panel.populations

    def level(row: int, symbol: str) -> float:
        own = panel.levels[panel.level_population == row, panel.symbols.index(symbol)].astype(float)
        known = 2 ** own[~np.isnan(own)] - 1
        return float(known.sum() / len(own)) if len(own) else 0.0

    def of(population: Population, symbol: str) -> bool:
        others = [
            row
            for row, place in enumerate(table.itertuples())
            if (place.side, place.kind, place.tissue) == ("normal", "cells", population.tissue)
            and place.n_observations >= 30
        ]
        own = level(population.row, symbol)
        return 0 < own < 0.1 * max((level(row, symbol) for row in others), default=0.0)

    return of
