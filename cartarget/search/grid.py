"""All pairs at once: coverage and worst exposure of the four gates of every pair of antigens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.kernels import ROWS, WIDTH, compiled, interleaved, spread, threads, tile
from cartarget.evidence.packed import Packed
from cartarget.search.literals import literals
from cartarget.search.objectives import terms, worst_population

GATES = ("A & B", "A | B", "A & ~B", "B & ~A")


@dataclass(frozen=True, eq=False)
class Grid:
    """Coverage and exposure of `GATES` for every pair; antigens × antigens, filled where row < column.

    Attributes
    ----------
    symbols
        Antigens, sorted by name.
    coverage
        `float32`, gates × antigens × antigens: mean over patients of the fraction hit.
    exposure
        The same: worst weight × fraction over normal populations outside the origin.
    """

    symbols: tuple[str, ...]
    coverage: NDArray[np.float32]
    exposure: NDArray[np.float32]


class Words(NamedTuple):
    """Positivity of plain antigens, laid out for counting pairs."""

    lefts: NDArray[np.uint64]  # groups × words × `ROWS` antigens
    panels: NDArray[np.uint64]  # groups × words × `WIDTH` antigens
    starts: NDArray[np.int64]  # per population: words
    stops: NDArray[np.int64]


class Singles(NamedTuple):
    """The populations, tumour first, and each antigen alone in them."""

    n_tumor: int
    factor: NDArray[np.float32]  # per population: what one observation adds to coverage or exposure
    single: NDArray[np.float32]  # populations × antigens: positive observations
    credit: NDArray[np.float32]  # populations × antigens: 1 where the negated antigen may spare observations, else 0


@compiled
def _grid(words, singles, first, last, coverage, exposure):  # type: ignore[no-untyped-def]
    lefts, panels, starts, stops = words
    n_tumor, factors, single, credit = singles
    n, n_words = single.shape[1], panels.shape[1]
    n11 = np.empty((ROWS, WIDTH), dtype=np.int64)
    cover = np.empty((ROWS, 4, WIDTH), dtype=np.float32)
    worst = np.empty((ROWS, 4, WIDTH), dtype=np.float32)
    for panel in range(panels.shape[0]):
        low = panel * WIDTH
        size = min(WIDTH, n - low)
        for block in range(first, min(last, (low + WIDTH) // ROWS)):
            cover[:] = 0
            worst[:] = 0
            for p in range(len(starts)):
                start, many = starts[p], stops[p] - starts[p]
                own = lefts.ctypes.data + 8 * ROWS * (block * n_words + start)
                tile(own, panels.ctypes.data + 8 * WIDTH * (panel * n_words + start), many, n11.ctypes.data)
                factor = factors[p]
                for r in range(min(ROWS, n - block * ROWS)):
                    a = single[p, block * ROWS + r] * factor
                    into = cover[r] if p < n_tumor else worst[r]
                    for j in range(size):
                        b = single[p, low + j] * factor
                        both = np.float32(n11[r, j]) * factor
                        if p < n_tumor:
                            into[0, j] += both
                            into[1, j] += a + b - both
                            into[2, j] += (a - both) * credit[p, low + j]
                            into[3, j] += (b - both) * credit[p, block * ROWS + r]
                        else:
                            into[0, j] = max(into[0, j], both)
                            into[1, j] = max(into[1, j], a + b - both)
                            into[2, j] = max(into[2, j], a - both * credit[p, low + j])
                            into[3, j] = max(into[3, j], b - both * credit[p, block * ROWS + r])
            for r in range(min(ROWS, n - block * ROWS)):
                i = block * ROWS + r
                for gate in range(4):
                    for j in range(size):
                        if i < low + j:
                            coverage[gate, i, low + j] = cover[r, gate, j]
                            exposure[gate, i, low + j] = worst[r, gate, j]


def pair_grid(packed: Packed, *, populations: pd.DataFrame | None = None, n_threads: int | None = None) -> Grid:
    """Coverage and worst exposure of every gate of two antigens.

    Parameters
    ----------
    packed
        Packed positivity. What was not measured counts against a gate (see `cartarget.search.literals.literals`).
    populations
        `population`, and any of `weight`, `is_origin`, instead of the data's own.
    n_threads
        None: all cores of the process. The result does not depend on it.

    Returns
    -------
    `Grid`; memory 32 bytes × antigens².

    Raises
    ------
    InputError
        No antigen, no patient or no normal population.

    Examples
    --------
    >>> from cartarget.evidence.packed import pack
    >>> packed = pack([[1, 0], [1, 1], [1, 1], [0, 1]], symbols=["X", "Y"], population=["p", "p", "liver", "liver"],
    ...               donor=["p", "p", "d", "d"], side=["tumor", "tumor", "normal", "normal"])
    >>> grid = pair_grid(packed)
    >>> dict(zip(GATES, grid.coverage[:, 0, 1].tolist()))
    {'A & B': 0.5, 'A | B': 1.0, 'A & ~B': 0.5, 'B & ~A': 0.0}
    """
    own = literals(packed, populations=populations)
    pool, t = own.pool, terms(worst_population(), own.populations)
    plain = np.ascontiguousarray(pool.rows[0::2])
    n = len(plain)
    spans = list(zip(pool.starts, pool.stops, strict=True))
    single = np.stack([np.bitwise_count(plain[:, a:z]).sum(axis=1, dtype=np.int64) for a, z in spans])
    # where a negated antigen hits nothing of the tumour or everything of a normal population, it has no credit
    blocked = np.stack([np.bitwise_count(pool.rows[1::2, a:z]).sum(axis=1, dtype=np.int64) for a, z in spans])
    credit = (single + blocked == t.size[:, None]).astype(np.float32)
    weight = np.where(t.origin, 0.0, t.weight)
    factor = np.where(np.arange(len(t.size)) < t.n_tumor, t.scale, weight)
    words = Words(interleaved(plain, ROWS), interleaved(plain, WIDTH), pool.starts, pool.stops)
    singles = Singles(t.n_tumor, factor.astype(np.float32), single.astype(np.float32), credit)
    coverage, exposure = np.zeros((4, n, n), dtype=np.float32), np.zeros((4, n, n), dtype=np.float32)

    def task(first: int, last: int) -> None:
        _grid(words, singles, first, last, coverage, exposure)

    n_groups = len(words.lefts)
    for _ in spread(task, n_groups, chunk=max(1, n_groups // (8 * threads(n_threads))), n_threads=n_threads):
        pass
    return Grid(own.symbols, coverage, exposure)
