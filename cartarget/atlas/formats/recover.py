"""Counts out of normalised values: a normalised cell is its counts times one number, and that number can be found.

Normalisation multiplies a cell's counts by one factor, and often takes a log after. So under the inverse of that log
every value of a cell is a whole multiple of what one count became, and some gene of the cell has one count:

    y = f(x),   u = min over the cell's positive y,   count = y / u whole for every value

(failing that y / (u / 2) or y / (u / 3): the cell's smallest count is then 2 or 3),

with f(x) = exp(x) − 1, 2^x − 1 or x. Whether that holds is tested on every value of every cell, never assumed: it holds
for E-MTAB-6149 (ln, though its source says log2), for the colorectal example of scMetaLink (ln) and for
the lung sample of METAFlux (log2), and it fails for TPM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LOG_MAX = 50.0
"""Logs of counts, CPM or TPM never reach this, counts and TPM nearly always do."""

TOLERANCE = 0.03
"""How far from a whole number a multiple may lie, in counts; values in text carry few digits."""

RELATIVE = 5e-4
"""The same per count, for large ones."""

_FEW = 20.0
_SMALLEST = 3

Floats = NDArray[np.float64]

SCALES: dict[str, Callable[[Floats], Floats]] = {
    "counts": lambda x: x,
    "ln(1 + x)": np.expm1,
    "log2(1 + x)": lambda x: np.exp2(x) - 1,
    "a factor per cell": lambda x: x,
}
"""Scales that are tried, with the function that undoes each; of several that fit, the one that fits best."""


@dataclass(frozen=True, eq=False)
class Recovery:
    """What came of it: `counts` (None if they cannot be recovered), on which `scale`, else the `reason`."""

    counts: sparse.csr_matrix | None
    scale: str
    reason: str


def recover_counts(values: sparse.csr_matrix, *, scale: str | None = None) -> Recovery:
    """Recover counts where every value of a cell is a whole multiple of one count.

    Parameters
    ----------
    values
        Cells × genes, finite and not negative; zeros are zero counts.
    scale
        A key of `SCALES` that must hold, as found in other cells of the same atlas. None: each is tried.

    Returns
    -------
    Recovery
        `counts` in the shape of `values`, whole float32 numbers. A common factor of all of a cell's counts cannot be
        seen: 2, 4, 6 comes out as 1, 2, 3.

    Examples
    --------
    >>> counts = np.array([[1, 0, 3], [2, 1, 5]])
    >>> values = sparse.csr_matrix(np.log1p(counts * [[0.8], [0.3]]))
    >>> found = recover_counts(values)
    >>> found.scale, found.counts.toarray().astype(int).tolist()
    ('ln(1 + x)', [[1, 0, 3], [2, 1, 5]])
    >>> recover_counts(sparse.csr_matrix([[0.5, 0.8, 1.3]])).reason
    'under no scale (counts, ln(1 + x), log2(1 + x), a factor per cell) are all values of a cell whole multiples of one
    count'
    """
    values = _positive(values)
    if not values.nnz:
        return Recovery(values, scale or "", "")
    if scale in (None, "counts") and _is_whole(values.data):
        return Recovery(values, "counts", "")
    tried = list(SCALES)[1:] if scale is None else [scale]
    fits = {name: _recover(values, name) for name in tried if name != "counts"}
    found = {name: counts for name, (counts, _) in fits.items() if counts is not None}
    if not found:
        names = ", ".join(SCALES) if scale is None else scale
        return Recovery(None, "", f"under no scale ({names}) are all values of a cell whole multiples of one count")
    best = min(found, key=lambda name: fits[name][1])
    if scale is None and not _is_informative(found[best]):
        return Recovery(None, "", "no cell has two different values, so one count cannot be told")
    return Recovery(found[best], best, "")


def _positive(values: sparse.csr_matrix) -> sparse.csr_matrix:
    values = sparse.csr_matrix(values, dtype=np.float32, copy=True)
    values.eliminate_zeros()
    return values


def _is_whole(values: NDArray[np.float32]) -> bool:
    return bool((values == np.rint(values)).all())


def _recover(values: sparse.csr_matrix, scale: str) -> tuple[sparse.csr_matrix | None, float]:
    """Counts under one scale, or None if a value does not fit; and how far from whole the multiples are on average."""
    if scale != "a factor per cell" and values.data.max() >= LOG_MAX:
        return None, np.inf
    per_cell = np.diff(values.indptr)
    starts, per_cell = values.indptr[:-1][per_cell > 0], per_cell[per_cell > 0]
    y = SCALES[scale](values.data.astype(np.float64))
    counts, residual = np.zeros_like(y), np.zeros_like(y)
    is_open = np.ones(len(starts), dtype=bool)
    for smallest in range(1, _SMALLEST + 1):
        whole, off = _multiples(y, starts, per_cell, smallest=smallest)
        fits = is_open & ~np.logical_or.reduceat(off > TOLERANCE + RELATIVE * whole, starts)
        here = np.repeat(fits, per_cell)
        counts[here], residual[here] = whole[here], off[here]
        is_open &= ~fits
        if not is_open.any():
            shaped = (counts.astype(np.float32), values.indices, values.indptr)
            return sparse.csr_matrix(shaped, shape=values.shape), float(residual.mean())
    return None, np.inf


def _multiples(
    y: Floats, starts: NDArray[np.int32], per_cell: NDArray[np.int32], *, smallest: int
) -> tuple[Floats, Floats]:
    """Counts if the smallest value of each cell is `smallest` counts, and how far from whole the multiples are."""
    multiple = y * smallest / np.repeat(np.minimum.reduceat(y, starts), per_cell)
    few = np.where(multiple < _FEW, multiple, 0)
    refined = np.add.reduceat(few, starts) / np.add.reduceat(np.rint(few), starts)  # the smallest value is rounded too
    multiple /= np.repeat(refined, per_cell)
    whole = np.rint(multiple)
    return whole, np.abs(multiple - whole)


def _is_informative(counts: sparse.csr_matrix) -> bool:
    """Whether some cell has two different counts: without that any number is a multiple of itself."""
    return bool((counts.data > 1).any())
