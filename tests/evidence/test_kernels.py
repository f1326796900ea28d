from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.evidence.kernels import WIDTH, interleaved, pair_counts


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 70), segments=st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_pair_counts_are_those_of_plain_bits(seed: int, n: int, segments: list[int]) -> None:
    random = np.random.default_rng(seed)
    stops = np.cumsum(segments)
    starts = stops - segments
    words = random.integers(0, 2**64, (n, int(stops[-1])), dtype=np.uint64)
    rows_a, rows_b = random.integers(0, n, 5), random.integers(0, n, 37)
    counts = pair_counts(words, starts, stops, rows_a, rows_b, n_threads=int(random.integers(1, 4)))
    ones = np.bitwise_count(words[rows_a][:, None] & words[rows_b][None]).astype(int)
    for s, (a, z) in enumerate(zip(starts, stops, strict=True)):
        assert np.array_equal(counts[:, s], ones[:, :, a:z].sum(axis=2))


def test_room_can_be_reused() -> None:
    words = np.random.default_rng(0).integers(0, 2**64, (9, 4), dtype=np.uint64)
    out = np.full((9, 2, 9), -1, dtype=np.int32)
    spans = np.array([0, 2]), np.array([2, 4])
    rows = np.arange(9)
    first = pair_counts(words, *spans, rows, rows).copy()
    again = pair_counts(words, *spans, rows, rows, panels=interleaved(words, WIDTH), out=out)
    assert again.base is out or again is out
    assert np.array_equal(first, again)


def test_compiles_where_nothing_can_be_cached(tmp_path: Path) -> None:
    """A package in a folder that cannot be written to, for a user without a home."""
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "import numpy as np; from cartarget.evidence.kernels import pair_counts\n"
        "w = np.array([[3], [1]], dtype=np.uint64); s = np.array([0]); r = np.arange(2)\n"
        "print(pair_counts(w, s, s + 1, r, r).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout.strip() == "[[[2, 1]], [[1, 1]]]"
