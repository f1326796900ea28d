"""Intervals and flags of 1,000,000 gate × population rows: `cartarget` against a beta-binomial fit of each row.

    .venv/bin/python benchmarks/intervals.py [ROWS]

`cartarget` takes positive cells per donor, finds the spread over donors of every row, and gives the posterior median,
both ends of the 95 % interval, the one-sided bound and three flags. The obvious alternative maximises a beta-binomial
likelihood row by row (scipy); it is timed on a few hundred rows and scaled up.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import betabinom

from cartarget.evidence.intervals import effective_rows, fraction_interval, posterior_quantile

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
POPULATIONS, DONORS, SAMPLE, CAP = 50, 8, 200, 0.05


def draw(rng: np.random.Generator, gates: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Segments, their weights, effective numbers and counts: overdispersed donors, unequal cells."""
    cells = np.maximum(rng.lognormal(np.log(60), 0.7, POPULATIONS * DONORS), 2).astype(int)
    owner = np.repeat(np.arange(POPULATIONS), DONORS)
    segments = pd.DataFrame({"population": owner, "n_observations": cells, "n_donors": 1})
    mean = rng.beta(0.3, 2, (gates, POPULATIONS)).clip(1e-4, 1 - 1e-4)[:, owner]
    count = rng.binomial(cells, rng.beta(mean * 9, (1 - mean) * 9))
    each = 1 / (1 + (cells - 1) * 0.1)
    effective = np.bincount(owner, cells * each)
    return segments, each / effective[owner], effective, count


def ours(segments: pd.DataFrame, weight: np.ndarray, effective: np.ndarray, count: np.ndarray) -> pd.DataFrame:
    """One row a gate × population, as the exposure table needs it."""
    parts = []
    for low in range(0, len(count), 2048):
        part = count[low : low + 2048]
        rows = effective_rows(part, segments=segments, weight=weight, n_effective=effective)
        fraction = np.add.reduceat(part * weight, np.arange(0, len(segments), DONORS), axis=1)
        lower, upper = fraction_interval(fraction, rows)
        median = posterior_quantile(fraction, effective, q=0.5)
        bound = posterior_quantile(fraction, rows, q=0.95)
        flags = (median > CAP, (median <= CAP) & (bound > CAP), rows < 5)
        parts.append([array.ravel() for array in (median, lower, upper, bound, *flags)])
    names = ["fraction", "fraction_lower", "fraction_upper", "bound", "breaks", "may_break", "is_thin"]
    return pd.DataFrame(
        {name: np.concatenate(each) for name, each in zip(names, zip(*parts, strict=True), strict=True)}
    )


def row_by_row(segments: pd.DataFrame, count: np.ndarray, n: int) -> float:
    """Seconds per row of a beta-binomial fit."""
    cells = segments["n_observations"].to_numpy()[:DONORS]
    start = time.perf_counter()
    for row in count[:n, :DONORS]:
        minimize(
            lambda x, row=row: -betabinom.logpmf(row, cells, *np.exp(np.clip(x, -9, 9))).sum(),
            x0=[0.0, 1.0],
            method="Nelder-Mead",
        )
    return (time.perf_counter() - start) / n


def main() -> None:
    segments, weight, effective, count = draw(np.random.default_rng(0), ROWS // POPULATIONS)
    start = time.perf_counter()
    table = ours(segments, weight, effective, count)
    seconds = time.perf_counter() - start
    print(f"cartarget: {len(table):,} rows with intervals and flags in {seconds:.1f} s (at most 10 s wanted)")
    each = row_by_row(segments, count, SAMPLE)
    print(f"beta-binomial fit of each row: {each * 1e3:.1f} ms a row, {each * len(table) / 3600:.1f} h for as many")
    print(f"ratio: {each * len(table) / seconds:,.0f}")
    if seconds > 10:
        sys.exit("too slow")


if __name__ == "__main__":
    main()
