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


def threads(n: int | None = None) -> int:
    """How many threads to use: as asked, here or by CARTARGET_CORES, else as many as the process may run on."""
    n = n if n is not None else int(os.environ.get("CARTARGET_CORES", "0")) or None
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
