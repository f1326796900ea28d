"""All pairs × all gates of 2,700 antigens × 100,000 observations in 300 populations: words against BLAS.

    python benchmarks/pairs.py [--quick]

For every pair: coverage over 30 patients and worst exposure over 270 normal populations of `A & B`, `A | B`, `A & ~B`,
`B & ~A`. The alternative multiplies float32 positivity population by population (BLAS) and derives the same numbers;
its counting alone is timed as well. Counts are compared for identity. The kernel is set against the machine's popcount
limit (words from registers), here and in a process without AVX-512.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd

from cartarget.evidence.kernels import ROWS, WIDTH, interleaved, popcount, spread, threads, tile
from cartarget.evidence.packed import Packed
from cartarget.search.grid import Words, pair_grid

CHUNK = 256
"""Words of a panel that stay in the first-level cache while all rows pass."""
NO_AVX512 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+fma"}


def simulated(n: int, observations: int, patients: int, tissues: int) -> tuple[np.ndarray, Packed]:
    """Random positivity, observations × antigens, and the same packed; populations of equal size."""
    random = np.random.default_rng(0)
    count = patients + tissues
    size = observations // count
    level = random.beta(0.4, 1.5, n).astype(np.float32)
    positive = np.empty((size * count, n), dtype=bool)
    for p in range(count):
        positive[p * size : (p + 1) * size] = random.random((size, n), dtype=np.float32) < level
    n_words = -(-size // 64)
    bits = np.zeros((n, count, n_words * 64), dtype=bool)
    bits[:, :, :size] = positive.T.reshape(n, count, size)
    words = np.packbits(bits.reshape(n, -1), axis=1, bitorder="little").view("<u8").astype(np.uint64)
    starts = np.arange(count) * n_words
    sides = ["tumor"] * patients + ["normal"] * tissues
    names = [f"{side} {i:03}" for i, side in enumerate(sides)]
    shared = {"n_observations": size, "n_donors": 1}
    populations = pd.DataFrame({"population": names, "side": sides, **shared})
    segments = pd.DataFrame({"population": range(count), **shared, "start": starts, "stop": starts + n_words})
    symbols = tuple(f"G{i:04}" for i in range(n))
    return positive, Packed(symbols, words, segments, populations, np.ones((n, count), dtype=bool))


def timed(
    task: Callable[[], Any], *, repeat: int = 3, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Best time and the result; wall time unless another clock is given."""
    best, result = np.inf, None
    for _ in range(repeat):
        begun = clock()
        result = task()
        best = min(best, clock() - begun)
    return best, result


def products(positive: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """One float32 product a population: the counts of all pairs."""
    for low in range(0, len(positive), size):
        block = positive[low : low + size].astype(np.float32)
        yield block.T @ block


def blas(positive: np.ndarray, size: int, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """The obvious way: products, then the four gates."""
    n = positive.shape[1]
    cover, worst = np.zeros((4, n, n), dtype=np.float32), np.zeros((4, n, n), dtype=np.float32)
    for p, both in enumerate(products(positive, size)):
        single = np.diagonal(both).copy()
        gates = (both, single[:, None] + single - both, single[:, None] - both, single - both)
        for gate, hits in enumerate(gates):
            if p < patients:
                cover[gate] += hits / np.float32(size * patients)
            else:
                np.maximum(worst[gate], hits / np.float32(size), out=worst[gate])
    return cover, worst


@numba.njit(nogil=True)
def _pair_counts(words, first, last, out):  # type: ignore[no-untyped-def]
    lefts, panels, starts, stops = words
    n_words, n_rows, n_partners = panels.shape[1], out.shape[0], out.shape[2]
    counts = np.empty((ROWS, WIDTH), dtype=np.int64)
    for p in range(len(starts)):
        for start in range(starts[p], stops[p], CHUNK):
            n = min(CHUNK, stops[p] - start)
            for panel in range(panels.shape[0]):
                low = panel * WIDTH
                partners = panels.ctypes.data + 8 * WIDTH * (panel * n_words + start)
                for block in range(first, last):
                    tile(lefts.ctypes.data + 8 * ROWS * (block * n_words + start), partners, n, counts.ctypes.data)
                    for row in range(min(ROWS, n_rows - block * ROWS)):
                        into = out[block * ROWS + row, p]
                        for j in range(min(WIDTH, n_partners - low)):
                            into[low + j] = counts[row, j] + (into[low + j] if start > starts[p] else 0)


def pair_counts(words: Words, out: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
    """Observations positive for both antigens, rows × populations × partners, into `out`, which is used again."""

    def task(first: int, last: int) -> None:
        _pair_counts(words, first, last, out)

    n_groups = len(words.lefts)
    deque(spread(task, n_groups, chunk=max(1, -(-n_groups // threads(n_threads))), n_threads=n_threads), maxlen=0)
    return out


def counted(packed: Packed) -> np.ndarray:
    """Σ over populations of (its number × count), from words: a checksum of every count."""
    n = packed.n_antigens
    starts, stops = packed.segments["start"].to_numpy(), packed.segments["stop"].to_numpy()
    panels, total = interleaved(packed.words, WIDTH), np.empty((n, n), dtype=np.int64)
    out = np.empty((64, len(starts), n), dtype=np.int32)
    weight = np.arange(1, len(starts) + 1)
    for low in range(0, n, 64):
        rows = np.arange(low, min(low + 64, n))
        words = Words(interleaved(packed.words[rows], ROWS), panels, starts, stops)
        counts = pair_counts(words, out[: len(rows)])
        total[rows] = np.einsum("asb,s->ab", counts, weight)
    return total


@numba.njit(nogil=True)
def _tiles(left, panel, out, n_words, n):  # type: ignore[no-untyped-def]
    for _ in range(n):
        tile(left.ctypes.data, panel.ctypes.data, n_words, out.ctypes.data)


@numba.njit(nogil=True)
def _registers(words, n):  # type: ignore[no-untyped-def]
    """popcount(x & y) and a sum, over 64 words that never leave the first-level cache."""
    total = np.zeros(64, dtype=np.int64)
    mask = np.uint64(words[0])
    for _ in range(n):
        for j in range(64):
            total[j] += popcount(words[j] & mask)
        mask ^= np.uint64(1)
    return total


def limit() -> float:
    """Words a second on one core that the machine counts at most: the better of two loops without memory traffic."""
    words = np.random.default_rng(0).integers(0, 2**63, 64, dtype=np.uint64)
    left, panel = np.ones((32, ROWS), dtype=np.uint64), np.ones((32, WIDTH), dtype=np.uint64)
    out = np.zeros((ROWS, WIDTH), dtype=np.int64)
    _registers(words, 1), _tiles(left, panel, out, 1, 1)
    plain, _ = timed(lambda: _registers(words, 300_000), repeat=5, clock=time.process_time)
    tiles, _ = timed(lambda: _tiles(left, panel, out, 32, 5_000), repeat=5, clock=time.process_time)
    return max(64 * 300_000 / plain, 32 * ROWS * WIDTH * 5_000 / tiles)


def kernel_rate(packed: Packed) -> float:
    """Words a second on one core of the pair counts proper (long populations, results written)."""
    n_words = packed.words.shape[1]
    rows = packed.words[:256]
    panels, spans = interleaved(packed.words, WIDTH), (np.array([0]), np.array([n_words]))
    out = np.empty((len(rows), 1, packed.n_antigens), dtype=np.int32)

    def count() -> np.ndarray:
        return pair_counts(Words(interleaved(rows, ROWS), panels, *spans), out, n_threads=1)

    seconds, _ = timed(count, repeat=5, clock=time.process_time)
    return len(rows) * packed.n_antigens * n_words / seconds


def kernel_report(packed: Packed) -> None:
    most, rate = limit(), kernel_rate(packed)
    print(
        f"  limit of one core {most / 1e9:6.1f} G words/s; pair counts {rate / 1e9:6.1f} ({rate / most:.0%} of it)",
        flush=True,
    )


def main() -> None:
    quick = "--quick" in sys.argv
    n, observations, tissues = (500, 30_000, 60) if quick else (2_700, 100_000, 270)
    positive, packed = simulated(n, observations, 30, tissues)
    if "--kernel" in sys.argv:
        kernel_report(packed)
        return
    size = int(packed.populations["n_observations"].iloc[0])
    print(f"{n} antigens × {len(positive)} observations in {30 + tissues} populations, {threads()} threads")
    pair_grid(simulated(40, 3_000, 5, 5)[1])  # compile
    ours, grid = timed(lambda: pair_grid(packed))
    counting, sums = timed(lambda: counted(packed), repeat=1)
    theirs_counting, _ = timed(lambda: deque(products(positive, size), maxlen=0), repeat=1)
    theirs, (cover, worst) = timed(lambda: blas(positive, size, 30), repeat=1)
    their_sums = np.zeros((n, n))
    for p, both in enumerate(products(positive, size)):
        their_sums += (p + 1) * both.astype(np.float64)
    upper = np.triu_indices(n, 1)
    same = np.array_equal(sums, their_sums)
    close = max(
        float(np.abs(a[gate][upper] - b[gate][upper]).max())
        for a, b in ((grid.coverage, cover), (grid.exposure, worst))
        for gate in range(4)
    )
    print(f"  all gates     {ours:7.2f} s   BLAS {theirs:7.2f} s   ratio {theirs / ours:5.1f}")
    print(f"  counts alone  {counting:7.2f} s   BLAS {theirs_counting:7.2f} s   (ours also sums them up)")
    print(f"  BLAS counting alone against all our gates: ratio {theirs_counting / ours:5.1f}")
    print(f"  counts identical: {same}; fractions differ by at most {close:.1e} (float32 sums)")
    kernel_report(packed)
    print("without AVX-512:")
    environment = {
        **os.environ,
        **NO_AVX512,
        "NUMBA_CACHE_DIR": os.environ.get("TMPDIR", "/tmp") + "/cartarget-no-avx512",
    }
    command = [sys.executable, str(Path(__file__)), "--kernel", *(["--quick"] if quick else [])]
    subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
