"""A blocker that leaked into a cell spares nothing: where the credit of `& ~B` rests on RNA from other cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.panel import THIN_CELLS, Panel
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import Conjunction, conjunctions
from cartarget.safety.conjunction import Evidence, Floats, weigh
from cartarget.safety.known import Flags

LEAKED = 0.1
"""Share of the highest level in its tissue below which what a population of cells shows may have leaked."""

_HELD: WeakKeyDictionary[Panel, Flags] = WeakKeyDictionary()


def may_leak(panel: Panel) -> Flags:
    r"""Antigens that other cells of the tissue may have spilled into a population of cells.

    With :math:`x_{gp}` the mean over donors of the level (CPM of the donor's cells together), an antigen may have
    leaked into population *p* where :math:`0 < x_{gp} < 0.1 \max_q x_{gq}` over the populations *q* of cells of the
    same tissue with thirty cells or more. Where levels are not known nothing is said.

    Returns
    -------
    Antigens × populations; False outside normal cells. Made once a panel.
    """
    if panel not in _HELD:
        _HELD[panel] = _may_leak(panel)
    return _HELD[panel]


def _may_leak(panel: Panel) -> Flags:
    out = np.zeros((len(panel.symbols), len(panel.populations)), dtype=bool)
    cells = np.flatnonzero(panel.is_normal & panel.is_cells)
    if not len(cells):
        return out
    level = _mean_levels(panel)[cells]
    tissue = panel.populations["tissue"].astype(str).to_numpy()[cells]
    enough = panel.populations["n_observations"].to_numpy()[cells] >= THIN_CELLS
    for name in np.unique(tissue):
        here = np.flatnonzero(tissue == name)
        highest = np.where(enough[here, None], level[here], 0.0).max(axis=0)
        out[:, cells[here]] = ((level[here] > 0) & (level[here] < LEAKED * highest)).T
    return out


def _mean_levels(panel: Panel) -> NDArray[np.float64]:
    """Mean over donors of CPM, populations × antigens; 0 where it is not known."""
    of = panel.level_population
    own = np.flatnonzero((panel.is_normal & panel.is_cells)[of])
    own = own[np.argsort(of[own], kind="stable")]
    out = np.zeros((len(panel.populations), len(panel.symbols)))
    if len(own):
        values = np.nan_to_num(np.exp2(panel.levels[own].astype(np.float64)) - 1)
        place, first, n = np.unique(of[own], return_index=True, return_counts=True)
        out[place] = np.add.reduceat(values, first, axis=0) / n[:, None]
    return out


def spared_by_leaks(evidence: Evidence, shape: Gate) -> tuple[Flags, Floats]:
    """Populations whose cap a gate may keep only since RNA of its blockers leaked there.

    A conjunction of which a blocker may have leaked into a population is asked without its blockers that leaked or were
    not measured there, and with the others: if what is seen of it is more than the cap allows, the place is open.

    Parameters
    ----------
    evidence
        A batch of gates.
    shape
        Their shape.

    Returns
    -------
    Gates × populations: the flag, and what is hit where the blockers that leaked spare nothing (0 where the flag is
    False).
    """
    panel = evidence.panel
    flags, hit = (np.zeros((evidence.n, len(panel.populations)), dtype=kind) for kind in (bool, np.float64))
    leaks = may_leak(panel) & panel.is_capped
    for one in conjunctions(shape) if leaks.any() else ():
        for kept, leaked in _left(evidence, one, leaks):
            low = weigh(evidence, Conjunction(one.plain, kept)).low
            own = leaked & (low > np.maximum(panel.highest_fraction, 0.0))
            flags, hit = flags | own, np.maximum(hit, np.where(own, low, 0.0))
    return flags, hit


def _left(evidence: Evidence, one: Conjunction, leaks: Flags) -> Iterator[tuple[tuple[str, ...], Flags]]:
    """Each choice of blockers to believe, and where the others leaked or were not measured, one of them leaked."""
    leaked = {symbol: evidence.of(leaks, symbol) for symbol in one.blockers}
    is_kept = {symbol: evidence.measured(symbol) & ~leaked[symbol] for symbol in one.blockers}
    for size in range(len(one.blockers)):
        for kept in combinations(one.blockers, size):
            here = np.logical_or.reduce(list(leaked.values()))
            for symbol in one.blockers:
                here = here & (is_kept[symbol] == (symbol in kept))
            if here.any():
                yield kept, here
