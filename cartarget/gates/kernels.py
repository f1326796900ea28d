"""Counting in packed words: population counts through LLVM, compiled once, free of the interpreter lock.

Partners lie along the last axis, so that one vector register holds eight partners and no sum over lanes is needed:
short populations cost no more than long ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

BLOCK = 128
"""Partners in a block: accumulators and one word of each stay in the first-level cache."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock; cached on disk where the disk can be written."""
    try:
        return numba.njit(nogil=True, cache=True, boundscheck=False)(function)
    except RuntimeError:  # no place for a cache
        return numba.njit(nogil=True, boundscheck=False)(function)


@intrinsic
def popcount(_context: Any, word: Any) -> Any:
    """Set bits of a `uint64`, as `int64`: LLVM's `ctpop`, which vectorises."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@compiled
def _pair_counts(left, columns, starts, stops, first, last, out):  # type: ignore[no-untyped-def]
    n_partners = columns.shape[1]
    total = np.empty(BLOCK, dtype=np.int64)
    for low in range(0, n_partners, BLOCK):
        size = min(BLOCK, n_partners - low)
        for segment in range(len(starts)):
            for row in range(first, last):
                total[:] = 0
                for word in range(starts[segment], stops[segment]):
                    own = left[row, word]
                    partners = columns[word, low : low + size]
                    for j in range(size):
                        total[j] += popcount(own & partners[j])
                for j in range(size):
                    out[row, segment, low + j] = total[j]


def threads(n: int | None = None) -> int:
    """How many threads to use: as asked, else as many as the process may run on."""
    if n is not None:
        return max(1, n)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(task: Callable[[int, int], Any], size: int, *, chunk: int, n_threads: int | None = None) -> Iterator[Any]:
    """Run `task(first, last)` over chunks of `range(size)` in threads; results in order."""
    spans = [(low, min(low + chunk, size)) for low in range(0, size, chunk)]
    if threads(n_threads) == 1 or len(spans) == 1:
        yield from (task(*span) for span in spans)
        return
    with ThreadPoolExecutor(threads(n_threads)) as pool:
        yield from pool.map(lambda span: task(*span), spans)


def pair_counts(
    words: NDArray[np.uint64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rows_a: NDArray[np.int64],
    rows_b: NDArray[np.int64],
    *,
    n_threads: int | None = None,
) -> NDArray[np.int32]:
    """Observations positive for both antigens, for each pair of two lists of rows.

    Parameters
    ----------
    words
        Packed positivity, antigens × words.
    starts, stops
        Words of each segment (or of each population, if its segments lie side by side, as `pack` lays them).
    rows_a, rows_b
        Rows of `words`.
    n_threads
        None: all cores of the process. The result does not depend on it.

    Returns
    -------
    `int32`, `rows_a` × segments × `rows_b`. Ask for blocks: 64 × 300 × 2,700 takes 207 MB.

    Examples
    --------
    >>> words = np.array([[0b1011], [0b0011]], dtype=np.uint64)
    >>> pair_counts(words, np.array([0]), np.array([1]), np.array([0, 1]), np.array([0, 1])).tolist()
    [[[3, 2]], [[2, 2]]]
    """
    left = np.ascontiguousarray(words[rows_a])
    columns = np.ascontiguousarray(words[rows_b].T)
    out = np.empty((len(rows_a), len(starts), len(rows_b)), dtype=np.int32)
    starts, stops = np.asarray(starts, dtype=np.int64), np.asarray(stops, dtype=np.int64)

    def task(first: int, last: int) -> None:
        _pair_counts(left, columns, starts, stops, first, last, out)

    for _ in spread(task, len(rows_a), chunk=max(1, -(-len(rows_a) // (4 * threads(n_threads)))), n_threads=n_threads):
        pass
    return out
