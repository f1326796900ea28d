"""The therapeutic window: how far the tumour's level stands above that of the worst vital tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import compiled, spread
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates, level_of

TUMOR_QUANTILE = 0.25
NORMAL_QUANTILE = 0.90
PIECE = 1024
"""Gates whose levels are in memory at a time."""


@compiled
def _quantile(values, n, q):  # type: ignore[no-untyped-def]
    """Linear-interpolation quantile of the first `n` values, which are reordered."""
    place = q * (n - 1)
    at = int(place)
    if at + 1 >= n:
        return np.max(values[:n])
    part = np.partition(values[:n], at)
    above = np.min(part[at + 1 :])
    return part[at] + (place - at) * (above - part[at])


@compiled
def _quantiles(levels, starts, stops, quantiles, out):  # type: ignore[no-untyped-def]
    """Quantile of each gate in each group of rows; NaN where a level is not known or there is none."""
    longest = 0
    for group in range(len(starts)):
        longest = max(longest, stops[group] - starts[group])
    values = np.empty(longest, dtype=np.float32)
    for gate in range(levels.shape[0]):
        for group in range(len(starts)):
            n, unknown = stops[group] - starts[group], False
            for row in range(n):
                values[row] = levels[gate, starts[group] + row]
                unknown |= np.isnan(values[row])
            out[gate, group] = np.nan if unknown or n == 0 else _quantile(values, n, quantiles[group])


@dataclass(frozen=True)
class Levels:
    """Logic twin of the level of gates, log2(level + 1).

    Attributes
    ----------
    tumor
        Lower quartile over the tumour's patients, gates.
    population
        90th percentile per population of observations, gates × populations (NaN for tumour ones).
    unit
        Level per unit of summary evidence, gates × units (NaN for protein and where not measured).
    """

    tumor: NDArray[np.float32]
    population: NDArray[np.float32]
    unit: NDArray[np.float32]


def gate_levels(panel: Panel, gates: Gates, *, n_threads: int | None = None) -> Levels:
    """Level of each gate in tumour and normal tissue: min for AND, max for OR; a blocker earns nothing.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.
    n_threads
        None: all cores of the process.

    Returns
    -------
    `Levels`. A level that rests on an unmeasured antigen is NaN.
    """
    order = np.argsort(panel.level_population, kind="stable")
    owner = panel.level_population[order]
    levels = np.ascontiguousarray(panel.levels[order].T)
    n_tumor, n = int(panel.is_tumor.sum()), len(panel.populations)
    normal = np.flatnonzero(panel.is_normal)
    starts = np.concatenate([[0], np.searchsorted(owner, normal, side="left")])
    stops = np.concatenate(
        [[np.searchsorted(owner, n_tumor, side="left")], np.searchsorted(owner, normal, side="right")]
    )
    quantiles = np.array([TUMOR_QUANTILE] + [NORMAL_QUANTILE] * len(normal))
    out = np.empty((len(gates), len(starts)), dtype=np.float32)
    pieces = [
        (batch.shape, batch.at[low : low + PIECE], batch.rows[low : low + PIECE])
        for batch in gates.batches()
        for low in range(0, len(batch.at), PIECE)
    ]

    def task(first: int, last: int) -> None:
        for shape, at, rows in pieces[first:last]:
            found = np.empty((len(at), len(starts)), dtype=np.float32)
            _quantiles(level_of(shape, rows, levels), starts, stops, quantiles, found)
            out[at] = found

    for _ in spread(task, len(pieces), chunk=1, n_threads=n_threads):
        pass
    population = np.full((len(gates), n), np.nan, dtype=np.float32)
    population[:, normal] = out[:, 1:]
    rna = (panel.units["evidence"] == "summary").to_numpy(dtype=bool)
    value = np.where(rna, np.log2(panel.value + 1), np.nan).astype(np.float32)
    return Levels(tumor=out[:, 0], population=population, unit=gates.level(value))


@dataclass(frozen=True)
class Windows:
    """Windows of gates in log2 units, one value a gate; NaN where no tissue of the tier is measured.

    `vital` is outside the origin; `worst` is the row of the population that sets it (populations first, then
    units; −1 if none). `level` is the level of each gate in each of these places.
    """

    vital: NDArray[np.float64]
    worst: NDArray[np.int64]
    level: NDArray[np.float32]
    important: NDArray[np.float64]
    tolerable: NDArray[np.float64]
    origin: NDArray[np.float64]


def windows(panel: Panel, levels: Levels, *, hidden: NDArray[np.bool_] | None = None) -> Windows:
    r"""Lower quartile of the tumour minus the 90th percentile of the worst tissue of a tier.

    :math:`W = Q_{25}(\text{tumour}) - \max_{t} Q_{90}(t)` on log2(level + 1), over tissues outside the origin;
    higher is better. A summary's one number stands for its tissue's 90th percentile. Places that are `hidden` (gates ×
    populations and units) are not asked.
    """
    table, units = panel.populations, panel.units
    everything = np.hstack([levels.population, levels.unit])
    if hidden is not None:
        everything = np.where(hidden, np.nan, everything)
    tier = np.concatenate([table["tier"].astype(str), units["tier"].astype(str)]).astype(object)
    origin = np.concatenate([table["is_origin"].fillna(False).astype(bool), units["is_origin"].astype(bool)])
    origin[: len(table)] &= panel.is_normal
    tier[: len(table)][~panel.is_normal] = ""

    def against(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        columns = np.flatnonzero(chosen)
        part = np.where(np.isnan(everything[:, columns]), -np.inf, everything[:, columns])
        if not len(columns):
            return np.full(len(everything), np.nan), np.full(len(everything), -1)
        best = part.argmax(axis=1)
        worst = part[np.arange(len(part)), best]
        known = np.isfinite(worst)
        window = np.where(known, levels.tumor - np.where(known, worst, 0), np.nan)
        return window.astype(np.float64), np.where(known, columns[best], -1)

    vital, worst = against((tier == "vital") & ~origin)
    return Windows(
        vital=vital,
        worst=worst,
        level=everything,
        important=against((tier == "important") & ~origin)[0],
        tolerable=against((tier == "tolerable") & ~origin)[0],
        origin=against(origin)[0],
    )
