"""Counting in packed words: population counts through LLVM, compiled once, free of the interpreter lock.

Partners lie along the last axis: a vector register holds one word of eight partners, so no sum over lanes is needed and
short populations cost no more than long ones. Four rows times 32 partners are counted at once in registers.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES = 8
ROWS = 4
VECTORS = 4
WIDTH = LANES * VECTORS
"""Partners in a panel."""
CHUNK = 256
"""Words of a panel that stay in the first-level cache while all rows pass."""
BLOCK = 4 * WIDTH
"""Partners in a block of plain arrays: what accumulates stays in the first-level cache."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile without the interpreter lock; cached on disk where the disk can be written."""
    return _compile(function, error_model="numpy")


def inner(function: Callable[..., Any]) -> Any:
    """The same for functions that only compiled code calls: no wrappers, so it compiles faster."""
    return _compile(function, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compile(function: Callable[..., Any], **options: Any) -> Any:
    try:
        dispatcher = numba.njit(nogil=True, cache=True, boundscheck=False, **options)(function)
        # numba looks at a function's own file only; a function that it calls may have changed as well
        dispatcher._cache._cache_file._source_stamp = _sources()
    except (RuntimeError, AttributeError):  # no place for a cache, or another kind of cache
        return numba.njit(nogil=True, boundscheck=False, **options)(function)
    return dispatcher


@cache
def _sources() -> str:
    """Digest of every module of the package that holds compiled code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        content = path.read_bytes()
        if b"evidence.kernels" in content:
            digest.update(content)
    return digest.hexdigest()


def _popcount(_context: Any, word: Any) -> Any:
    """Set bits of a `uint64`, as `int64`: LLVM's `ctpop`, which vectorises."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(_popcount)
"""Set bits of a `uint64` inside compiled code."""


def _count_tile(_context: Any, left: Any, panel: Any, n_words: Any, out: Any) -> Any:
    """Count `popcount(left & panel)` for `ROWS` rows × `WIDTH` partners, held in registers.

    Addresses of `uint64` words × `ROWS`, `uint64` words × `WIDTH` and `int64` `ROWS` × `WIDTH`.
    """

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        _tile(builder, *arguments, rows=ROWS)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


def _count_strip(_context: Any, left: Any, panel: Any, n_words: Any, out: Any) -> Any:
    """Count `popcount(left & panel)` for one row × `WIDTH` partners, held in registers."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        _tile(builder, *arguments, rows=1)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


tile: Any = intrinsic(_count_tile)
"""Pairs of `ROWS` × `WIDTH` in registers, inside compiled code."""
strip: Any = intrinsic(_count_strip)
"""One row × `WIDTH` in registers, inside compiled code."""


def _tile(b: Any, left: Any, panel: Any, n_words: Any, out: Any, *, rows: int) -> None:
    word, index = ir.IntType(64), ir.IntType(32)
    vector = ir.VectorType(word, LANES)
    nothing, undefined = ir.Constant(vector, [0] * LANES), ir.Constant(vector, ir.Undefined)
    spread_first = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
    ctpop = cgutils.get_or_insert_function(b.module, ir.FunctionType(vector, [vector]), f"llvm.ctpop.v{LANES}i64")
    lefts = b.inttoptr(left, word.as_pointer())
    panels = b.inttoptr(panel, vector.as_pointer())
    outs = b.inttoptr(out, vector.as_pointer())

    def at(pointer: Any, base: Any, step: int, offset: int) -> Any:
        return b.gep(pointer, [b.add(b.mul(base, ir.Constant(word, step)), ir.Constant(word, offset))])

    before, loop, after = b.block, b.append_basic_block("tile"), b.append_basic_block("counted")
    b.cbranch(b.icmp_signed(">", n_words, ir.Constant(word, 0)), loop, after)
    b.position_at_end(loop)
    i = b.phi(word)
    sums = [b.phi(vector) for _ in range(rows * VECTORS)]
    partners = [b.load(at(panels, i, VECTORS, v), align=8) for v in range(VECTORS)]
    grown = []
    for row in range(rows):
        one = b.insert_element(undefined, b.load(at(lefts, i, rows, row)), ir.Constant(index, 0))
        own = b.shuffle_vector(one, undefined, spread_first)
        hits = [b.call(ctpop, [b.and_(own, partner)]) for partner in partners]
        grown += [b.add(total, hit) for total, hit in zip(sums[row * VECTORS :], hits, strict=False)]
    following = b.add(i, ir.Constant(word, 1))
    b.cbranch(b.icmp_signed("<", following, n_words), loop, after)
    i.add_incoming(ir.Constant(word, 0), before)
    i.add_incoming(following, loop)
    b.position_at_end(after)
    totals = [b.phi(vector) for _ in grown]
    for phi, total, more in zip(sums, totals, grown, strict=True):
        for target, source in ((phi, before), (total, before)):
            target.add_incoming(nothing, source)
        phi.add_incoming(more, loop)
        total.add_incoming(more, loop)
    for offset, total in enumerate(totals):
        b.store(total, b.gep(outs, [ir.Constant(word, offset)]), align=8)


@compiled
def _pair_counts(lefts, panels, starts, stops, first, last, out):  # type: ignore[no-untyped-def]
    n_words, n_rows, n_partners = panels.shape[1], out.shape[0], out.shape[2]
    counts = np.empty((ROWS, WIDTH), dtype=np.int64)
    for segment in range(len(starts)):
        for start in range(starts[segment], max(stops[segment], starts[segment] + 1), CHUNK):
            n = min(CHUNK, stops[segment] - start)
            for panel in range(panels.shape[0]):
                low = panel * WIDTH
                size = min(WIDTH, n_partners - low)
                partners = panels.ctypes.data + 8 * WIDTH * (panel * n_words + start)
                for block in range(first, last):
                    tile(lefts.ctypes.data + 8 * ROWS * (block * n_words + start), partners, n, counts.ctypes.data)
                    for row in range(min(ROWS, n_rows - block * ROWS)):
                        i = block * ROWS + row
                        if start == starts[segment]:
                            for j in range(size):
                                out[i, segment, low + j] = counts[row, j]
                        else:
                            for j in range(size):
                                out[i, segment, low + j] += counts[row, j]


def threads(n: int | None = None) -> int:
    """How many threads to use: as asked, else as many as the process may run on."""
    if n is not None:
        return max(1, n)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(task: Callable[[int, int], Any], size: int, *, chunk: int, n_threads: int | None = None) -> Iterator[Any]:
    """Run `task(first, last)` over chunks of `range(size)` in threads; results in order."""
    spans = [(low, min(low + chunk, size)) for low in range(0, size, chunk)]
    if threads(n_threads) == 1 or len(spans) <= 1:
        yield from (task(*span) for span in spans)
        return
    with ThreadPoolExecutor(threads(n_threads)) as pool:
        yield from pool.map(lambda span: task(*span), spans)


def interleaved(words: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """Rows in groups of `width`, word by word: groups × words × `width`, padded with zero rows.

    Examples
    --------
    >>> interleaved(np.arange(6, dtype=np.uint64).reshape(3, 2), 2).tolist()
    [[[0, 2], [1, 3]], [[4, 0], [5, 0]]]
    """
    n_rows, n_words = words.shape
    groups = -(-n_rows // width)
    padded = np.zeros((groups * width, n_words), dtype=np.uint64)
    padded[:n_rows] = words
    return np.ascontiguousarray(padded.reshape(groups, width, n_words).transpose(0, 2, 1))


def pair_counts(
    words: NDArray[np.uint64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    rows_a: NDArray[np.int64],
    rows_b: NDArray[np.int64],
    *,
    panels: NDArray[np.uint64] | None = None,
    out: NDArray[np.int32] | None = None,
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
    panels
        `interleaved(words[rows_b], WIDTH)`, if the caller asks many blocks of the same partners.
    out
        Where to write; fresh memory costs more than the counting, so reuse it from block to block.
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
    lefts = interleaved(words[rows_a], ROWS)
    partners = interleaved(words[rows_b], WIDTH) if panels is None else panels
    shape = (len(rows_a), len(starts), len(rows_b))
    counts = np.empty(shape, dtype=np.int32) if out is None else out[: len(rows_a)]
    if counts.shape != shape or counts.dtype != np.int32:
        raise ValueError(f"out is {counts.dtype} {counts.shape}; expected int32 {shape}")
    starts, stops = np.asarray(starts, dtype=np.int64), np.asarray(stops, dtype=np.int64)

    def task(first: int, last: int) -> None:
        _pair_counts(lefts, partners, starts, stops, first, last, counts)

    chunk = max(1, -(-len(lefts) // threads(n_threads)))
    for _ in spread(task, len(lefts), chunk=chunk, n_threads=n_threads):
        pass
    return counts
