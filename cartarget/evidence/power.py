"""Not seen is not absent: the chance that a cell of a given depth shows an antigen that it carries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from cartarget.evidence.derived import definitions, fold
from cartarget.evidence.detection import detection_from_counts
from cartarget.evidence.part import DEPTHS, PER_MILLION, Part

LEAST = 0.2
"""Power below which an antigen counts as not measured."""


def power_at(rate: ArrayLike, *, depth: ArrayLike, count: float = 1) -> NDArray[np.float64]:
    r"""Chance that a cell shows an antigen that it carries: :math:`P(\mathrm{Poisson}(r d) \ge k)`.

    Parameters
    ----------
    rate
        Share of a cell's counts that are the antigen's, where it is carried; ≥ 0. NaN: unknown.
    depth
        Counts of the cell.
    count
        Counts that make a cell positive.

    Returns
    -------
    Probability in [0, 1], in the broadcast shape; 1 where the rate is unknown.

    References
    ----------
    Svensson, Nature Biotechnology 2020, doi:10.1038/s41587-019-0379-5.

    Examples
    --------
    25 transcripts per million, in a cell of 40,000 counts and in one of 1,000:

    >>> power_at(25e-6, depth=[40_000, 1_000]).round(3).tolist()
    [0.632, 0.025]
    """
    expected = np.asarray(rate, dtype=np.float64) * np.asarray(depth, dtype=np.float64)
    return np.where(np.isnan(expected), 1.0, gammainc(float(count), np.nan_to_num(expected)))


def carried_rates(parts: Sequence[Part], *, symbols: Sequence[str], bulk: float = 10.0) -> NDArray[np.float64]:
    r"""Share of counts that is the antigen's, in the tumour that carries it.

    Cells: with :math:`m` the mean count and :math:`\bar d` the mean depth of the tumour cells that show it,
    :math:`\lambda` solves :math:`m = \lambda / (1 - e^{-\lambda})` (Poisson without the zeros) and the rate is
    :math:`\lambda / \bar d`; half a count is added, so that few cells of one count do not say zero. Samples: the
    median CPM of the tumours at or above the threshold, over a million. Cells are asked first; of several atlases the
    lowest rate counts, which claims the least power.

    Parameters
    ----------
    parts
        Counted atlases; those without tumour say nothing.
    symbols
        Antigens.
    bulk
        Threshold of samples, CPM.

    Returns
    -------
    One rate an antigen; NaN where no tumour shows it or no depths are known.
    """
    found = np.full((2, len(symbols)), np.nan)
    place = {symbol: row for row, symbol in enumerate(symbols)}
    of_atlas: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        of_atlas.setdefault((part.kind, part.atlas), []).append(part)
    for (kind, _), own in of_atlas.items():
        held = tuple(dict.fromkeys(symbol for part in own for symbol in part.symbols))
        rows = np.array([place.get(symbol, -1) for symbol in held], dtype=np.int64)
        rates = _of_cells(own, held) if kind == "cells" else _of_samples(own, held, bulk)
        row = 0 if kind == "cells" else 1
        found[row, rows[rows >= 0]] = np.fmin(found[row, rows[rows >= 0]], rates[rows >= 0])
    return np.where(np.isnan(found[0]), found[1], found[0])


def _columns(part: Part, symbols: Sequence[str]) -> NDArray[np.int64]:
    """Place of each symbol among the antigens of a part; −1 where it lacks it."""
    place = {symbol: row for row, symbol in enumerate(part.symbols)}
    return np.array([place.get(symbol, -1) for symbol in symbols], dtype=np.int64)


def _of_cells(parts: Sequence[Part], symbols: Sequence[str]) -> NDArray[np.float64]:
    """Rates of one atlas, whose parts are summed: how an atlas was split must not be seen."""
    seen = np.zeros((len(symbols), 3))
    for part in parts:
        at = _columns(part, symbols)
        seen[at >= 0] += part.seen[at[at >= 0]]
    cells, counts, depths = seen.T
    shown = cells > 0
    size = np.where(shown, cells, 1.0)
    carried = -np.log1p(-np.minimum(detection_from_counts((counts + 0.5) / size), 1 - 1e-12))
    return np.where(shown, carried / np.maximum(depths / size, 1.0), np.nan)


def _of_samples(parts: Sequence[Part], symbols: Sequence[str], bulk: float) -> NDArray[np.float64]:
    """Rates of one atlas of samples, its parts pooled."""
    blocks = []
    for part in parts:
        tumor = (part.populations["side"] == "tumor").to_numpy()[part.level_population]
        at = _columns(part, symbols)
        own = np.full((int(tumor.sum()), len(symbols)), np.nan)
        own[:, at >= 0] = np.exp2(part.levels[tumor][:, at[at >= 0]].astype(np.float64)) - 1
        blocks.append(own)
    levels = np.concatenate(blocks)
    out = np.full(levels.shape[1], np.nan)
    for column in np.flatnonzero((levels >= bulk).any(axis=0)):
        own = levels[:, column]
        out[column] = np.median(own[own >= bulk]) / PER_MILLION
    return out


def power(rate: NDArray[np.float64], *, depth: NDArray[np.int64], count: float = 1) -> NDArray[np.float64]:
    """Mean power over the cells of each population.

    Parameters
    ----------
    rate
        From :func:`carried_rates`.
    depth
        Populations × `DEPTHS`: how many cells of each depth.
    count
        Counts that make a cell positive.

    Returns
    -------
    Antigens × populations, in [0, 1]; 1 where depths or rate are not known.

    Examples
    --------
    >>> depth = np.zeros((2, len(DEPTHS)), dtype=np.int64)
    >>> depth[0, [80, 96]] = 10  # ten cells of 1,024 counts, ten of 4,096
    >>> power(np.array([1e-3, np.nan]), depth=depth).round(2).tolist()
    [[0.81, 1.0], [1.0, 1.0]]
    """
    n = depth.sum(axis=1)
    each = power_at(rate[:, None], depth=DEPTHS[None, :], count=count) @ depth.T
    return np.where(n > 0, each / np.maximum(n, 1), 1.0)


def antigen_power(
    parts: Sequence[Part], *, symbols: Sequence[str], depth: NDArray[np.int64], bulk: float = 10.0, count: float = 1
) -> NDArray[np.float64]:
    """Mean power for each antigen; of a derived one the product over an AND, the lowest over an OR.

    Parameters
    ----------
    parts
        Counted atlases, whose tumours tell the rate.
    symbols
        Antigens.
    depth
        As for :func:`power`.
    bulk, count
        Thresholds of samples and cells.

    Returns
    -------
    Antigens × populations, in [0, 1].
    """
    derived = {name: gate for part in parts for name, gate in definitions({"derived": part.derived}).items()}
    genes = (gene for symbol in symbols if symbol in derived for gene in derived[symbol].antigens)
    every = list(dict.fromkeys([*symbols, *genes]))
    each = power(carried_rates(parts, symbols=every, bulk=bulk), depth=depth, count=count)
    row = {symbol: at for at, symbol in enumerate(every)}
    out = each[: len(symbols)]
    for at, symbol in enumerate(symbols):
        if symbol in derived:
            out[at] = fold(derived[symbol], lambda gene: each[row[gene]], both=np.multiply, either=np.minimum)
    return out
