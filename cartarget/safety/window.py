"""The therapeutic window: how far the tumour's level stands above that of the worst vital tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import compiled, spread
from cartarget.evidence.panel import Panel

TUMOR_QUANTILE = 0.25
NORMAL_QUANTILE = 0.90


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
def _level_rows(first, last, a, b, op, levels, starts, stops, quantiles, out):  # type: ignore[no-untyped-def]
    longest = 0
    for group in range(len(starts)):
        longest = max(longest, stops[group] - starts[group])
    values = np.empty(longest, dtype=np.float32)
    for gate in range(first, last):
        x, y, kind = levels[a[gate]], levels[b[gate]], op[gate]
        for group in range(len(starts)):
            n, unknown = 0, False
            for row in range(starts[group], stops[group]):
                u, v = x[row], y[row]
                value = u if kind == 2 else (min(u, v) if kind == 1 else max(u, v))
                unknown |= np.isnan(u) or (kind != 2 and np.isnan(v))
                values[n] = value
                n += 1
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


def gate_levels(
    panel: Panel, *, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64], n_threads: int | None = None
) -> Levels:
    """Level of each gate in tumour and normal tissue: min for AND, max for OR, the level of A for `A & ~B`.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    a, b, op
        Gates: rows of the panel, and 0 for `A | B`, 1 for `A & B`, 2 for `A & ~B`. A single antigen is `A | A`.
    n_threads
        None: all cores of the process.

    Returns
    -------
    `Levels`. A level that rests on an unmeasured antigen is NaN.
    """
    order = np.argsort(panel.level_population, kind="stable")
    owner = panel.level_population[order]
    levels = np.ascontiguousarray(panel.levels[order].T)
    n_tumor = int(panel.is_tumor.sum())
    normal = np.arange(n_tumor, len(panel.populations))
    starts = np.concatenate([[0], np.searchsorted(owner, normal, side="left")])
    stops = np.concatenate(
        [[np.searchsorted(owner, n_tumor, side="left")], np.searchsorted(owner, normal, side="right")]
    )
    quantiles = np.array([TUMOR_QUANTILE] + [NORMAL_QUANTILE] * len(normal))
    out = np.empty((len(a), len(starts)), dtype=np.float32)

    def task(first: int, last: int) -> None:
        _level_rows(first, last, a, b, op, levels, starts, stops, quantiles, out)

    for _ in spread(task, len(a), chunk=2048, n_threads=n_threads):
        pass
    population = np.full((len(a), len(panel.populations)), np.nan, dtype=np.float32)
    population[:, n_tumor:] = out[:, 1:]
    return Levels(tumor=out[:, 0], population=population, unit=_unit_levels(panel, a, b, op))


def _unit_levels(
    panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]
) -> NDArray[np.float32]:
    rna = (panel.units["evidence"] == "summary").to_numpy(dtype=bool)
    value = np.where(rna, np.log2(panel.value + 1), np.nan).astype(np.float32)
    return combine(value[a], value[b], op).astype(np.float32)


def combine(x: NDArray[np.floating], y: NDArray[np.floating], op: NDArray[np.int64]) -> NDArray[np.floating]:
    """Logic twin of two levels: max for OR, min for AND, the first for AND-NOT; NaN where one is unknown.

    Examples
    --------
    >>> combine(np.array([[1.0], [1.0], [1.0]]), np.array([[3.0], [3.0], [np.nan]]), np.array([0, 1, 1])).ravel()
    array([ 3.,  1., nan])
    """
    kind = op[:, None]
    joined: NDArray[np.floating] = np.where(kind == 0, np.maximum(x, y), np.where(kind == 1, np.minimum(x, y), x))
    return joined


@dataclass(frozen=True)
class Windows:
    """Windows of gates in log2 units, one value a gate; NaN where no tissue of the tier is measured.

    `vital` is outside the origin; `worst` is the row of the population that sets it (populations first, then
    units; −1 if none).
    """

    vital: NDArray[np.float64]
    worst: NDArray[np.int64]
    important: NDArray[np.float64]
    tolerable: NDArray[np.float64]
    origin: NDArray[np.float64]


def windows(panel: Panel, levels: Levels) -> Windows:
    r"""Lower quartile of the tumour minus the 90th percentile of the worst tissue of a tier.

    :math:`W = Q_{25}(\text{tumour}) - \max_{t} Q_{90}(t)` on log2(level + 1), over tissues outside the origin;
    higher is better. A summary's one number stands for its tissue's 90th percentile.
    """
    table, units = panel.populations, panel.units
    everything = np.hstack([levels.population, levels.unit])
    tier = np.concatenate([table["tier"].astype(str), units["tier"].astype(str)])
    origin = np.concatenate([table["is_origin"].fillna(False).astype(bool), units["is_origin"].astype(bool)])
    origin[: int(panel.is_tumor.sum())] = False

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
        important=against((tier == "important") & ~origin)[0],
        tolerable=against((tier == "tolerable") & ~origin)[0],
        origin=against(origin)[0],
    )
