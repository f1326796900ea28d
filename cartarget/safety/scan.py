"""Every gate of two antigens, judged in one pass over packed words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cartarget.evidence.kernels import spread
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.safety.known import GAIN, ROUNDING, UNSAFE
from cartarget.safety.scan_kernel import Singles, judge_singles, scan_rows
from cartarget.safety.scan_layout import terms
from cartarget.safety.scores import is_closed


@dataclass(frozen=True)
class Scan:
    """Gates of two antigens that the scan of all pairs kept.

    Attributes
    ----------
    a, b
        Antigens, as rows of the panel; for `A & ~B`, `b` is the blocker.
    op
        0 `A | B`, 1 `A & B`, 2 `A & ~B`.
    safety_class
        0 within caps, 1 origin only, 2 unknown, 3 over cap; the window is not asked.
    selectivity
        As the scan reckons it (a table of posterior medians, interpolated).
    is_redundant
        It gains on some member neither a class nor selectivity.
    n_gates, n_eligible
        Gates judged, and those that reach the coverage floor.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    op: NDArray[np.int64]
    safety_class: NDArray[np.int64]
    selectivity: NDArray[np.float64]
    is_redundant: NDArray[np.bool_]
    n_gates: int
    n_eligible: int


def scan_pairs(
    panel: Panel,
    *,
    floor: float = 0.5,
    keep_redundant: int = 10_000,
    n_threads: int | None = None,
    progress: bool = True,
) -> Scan:
    """Judge `A | B`, `A & B` and `A & ~B` for every pair of a panel's antigens.

    No antigen is set aside beforehand: a useless single may be half of the best pair. Every gate that
    reaches the coverage floor and gains on its members is returned, and the best of the redundant ones.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    floor
        Coverage (bulk: fraction of patients; single cell: mean over patients) that makes a gate eligible.
    keep_redundant
        How many redundant gates to return, best class and selectivity first.
    n_threads
        None: all cores of the process. The result does not depend on it.
    progress
        Show a progress bar.

    Returns
    -------
    `Scan`, in the order of the rows `a`, shape, `b`.
    """
    t = terms(panel)
    n = len(panel.symbols)
    singles = Singles(floor - ROUNDING, GAIN - 1e-6, np.empty(n, np.int64), np.empty(n))
    judge_singles(t, singles.kind, singles.score)
    alone = Gates.singles(n)
    singles.kind[is_closed(panel, alone)] = UNSAFE

    def task(first: int, last: int) -> tuple[NDArray[Any], ...]:
        code = np.empty((last - first, 4, n), dtype=np.uint8)
        score = np.empty((last - first, 4, n), dtype=np.float32)
        scan_rows(first, last, t, singles, code, score)
        row, shape, b = np.nonzero(code < 255)
        found, value = code[row, shape, b], score[row, shape, b]
        return row + first, shape, b, found, value

    chunk = 32
    parts = []
    with tqdm(total=n, desc="pairs", unit="antigen", disable=None if progress else True, leave=False) as bar:
        for part in spread(task, n, chunk=chunk, n_threads=n_threads):
            parts.append(_thin_out(part, keep_redundant))
            bar.update(min(chunk, n - bar.n))
    n_eligible = sum(part[1] for part in parts)
    row, shape, b, code, value = (np.concatenate([part[0][i] for part in parts]) for i in range(5))
    (row, shape, b, code, value), _ = _thin_out((row, shape, b, code, value), keep_redundant)
    swap = shape == 3
    return Scan(
        a=np.where(swap, b, row),
        b=np.where(swap, row, b),
        op=np.minimum(shape, 2),
        safety_class=(code % 4).astype(np.int64),
        selectivity=value.astype(np.float64),
        is_redundant=code >= 4,
        n_gates=4 * n * (n - 1) // 2,
        n_eligible=n_eligible,
    )


def _thin_out(part: tuple[NDArray[Any], ...], keep: int) -> tuple[tuple[NDArray[Any], ...], int]:
    """Drop all but the best `keep` redundant gates; also tell how many there were in all."""
    _, _, _, code, value = part
    total = len(code)
    redundant = np.flatnonzero(code >= 4)
    if len(redundant) <= keep:
        return part, total
    order = redundant[np.lexsort((redundant, -value[redundant], code[redundant]))[:keep]]
    chosen = np.sort(np.concatenate([np.flatnonzero(code < 4), order]))
    return tuple(array[chosen] for array in part), total
