from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.evidence.kernels import ROWS, WIDTH, interleaved, strip, tile


@numba.njit
def counted(lefts, panels, start, n, out):  # type: ignore[no-untyped-def]
    """Ones that each left row has in common with each partner, in `n` words from `start`."""
    n_words, n_rows = lefts.shape[1], lefts.shape[2]
    for i in range(lefts.shape[0]):
        for j in range(panels.shape[0]):
            left = lefts.ctypes.data + 8 * n_rows * (i * n_words + start)
            panel = panels.ctypes.data + 8 * WIDTH * (j * n_words + start)
            into = out.ctypes.data + 8 * n_rows * WIDTH * (i * panels.shape[0] + j)
            if n_rows == 1:
                strip(left, panel, n, into)
            else:
                tile(left, panel, n, into)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 70), size=st.integers(0, 9), start=st.integers(0, 5))
def test_counts_in_registers_are_those_of_plain_bits(seed: int, n: int, size: int, start: int) -> None:
    words = np.random.default_rng(seed).integers(0, 2**64, (n, start + size + 2), dtype=np.uint64)
    part = words[:, start : start + size]
    ones = np.bitwise_count(part[:, None] & part[None]).sum(axis=2, dtype=np.int64)
    panels = interleaved(words, WIDTH)
    for n_rows in (1, ROWS):
        lefts = interleaved(words, n_rows)
        out = np.full((len(lefts), len(panels), n_rows, WIDTH), -1, dtype=np.int64)
        counted(lefts, panels, start, size, out)
        grid = out.transpose(0, 2, 1, 3).reshape(len(lefts) * n_rows, len(panels) * WIDTH)
        assert np.array_equal(grid[:n, :n], ones)
        assert not grid[n:].any()
        assert not grid[:, n:].any()


def test_compiles_where_nothing_can_be_cached(tmp_path: Path) -> None:
    """A package in a folder that cannot be written to, for a user without a home."""
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "import numpy as np; from collections import namedtuple; from cartarget.search.leaf import count_bits\n"
        "words, out = np.array([3, 1], dtype=np.uint64), np.zeros(1, dtype=np.int64)\n"
        "count_bits(words, namedtuple('Spans', 'starts stops')(np.array([0]), np.array([2])), out)\n"
        "print(out.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout.strip() == "[3]"
