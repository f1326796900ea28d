"""Purity: what a bulk tumour sample can say of its tumour cells, as a range.

A sample is a mixture: with purity p, tumour cells at level t and other cells at level n,

    x = p · t + (1 − p) · n,    so    (x − (1 − p) · N) / p ≤ t ≤ x / p

for others that lie anywhere between 0 and N, their level in the normal tissue. The range is wide where purity is low,
and that is what is known. (Linear units only; RNA content per cell is taken to be alike, which in aneuploid tumours it
is not quite: doi:10.1038/s41587-022-01342-x.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cartarget.errors import InputError


def tumor_level(
    values: ArrayLike, *, purity: ArrayLike, normal: ArrayLike = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest level that the tumour cells of bulk samples may have.

    Parameters
    ----------
    values
        Samples × genes, linear (CPM or TPM).
    purity
        Fraction of tumour cells in each sample, in (0, 1]; NaN where it is not known.
    normal
        Highest level of each gene in the cells around the tumour (one per gene, or one for all).

    Returns
    -------
    low, high
        Samples × genes, 0 ≤ low ≤ high. Where purity is not known, 0 and infinity.

    Raises
    ------
    InputError
        A purity is not in (0, 1], or there are not as many as samples.

    Examples
    --------
    >>> low, high = tumor_level([[12.0]], purity=[0.5], normal=4.0)
    >>> low.item(), high.item()
    (20.0, 24.0)
    """
    x = np.atleast_2d(np.asarray(values, dtype=float))
    p = np.asarray(purity, dtype=float).reshape(-1, 1)
    if len(p) != len(x):
        raise InputError(f"purity: found {len(p)} for {len(x)} samples; give one for each")
    for row in np.flatnonzero(~(np.isnan(p) | ((p > 0) & (p <= 1))))[:1]:
        raise InputError(f"purity: sample {row + 1} has {p[row, 0]:g}; expected a fraction above 0 and up to 1")
    low = np.maximum((x - (1 - p) * np.asarray(normal, dtype=float)) / p, 0.0)
    is_known = ~np.isnan(p)
    return np.where(is_known, low, 0.0), np.where(is_known, x / p, np.inf)


def coverage_range(
    values: ArrayLike, *, purity: ArrayLike, threshold: float, normal: ArrayLike = 0.0, symbols: Any = None
) -> pd.DataFrame:
    """Fraction of patients whose tumour cells reach a level: as measured, at least, and at most.

    Parameters
    ----------
    values, purity, normal
        As in `tumor_level`; one sample per patient.
    threshold
        The level that counts as positive, in the unit of `values`.
    symbols
        Names of the genes. None: numbered.

    Returns
    -------
    DataFrame
        One row per gene: `coverage` of the samples as they are, `coverage_lower` and `coverage_upper` in [0, 1].

    Examples
    --------
    >>> table = coverage_range([[6.0], [30.0]], purity=[0.5, 0.5], threshold=10, normal=40.0)
    >>> table.to_numpy().tolist()
    [[0.5, 0.5, 1.0]]
    """
    x = np.atleast_2d(np.asarray(values, dtype=float))
    low, high = tumor_level(x, purity=purity, normal=normal)
    parts = {"coverage": x, "coverage_lower": low, "coverage_upper": high}
    return pd.DataFrame({name: (part >= threshold).mean(axis=0) for name, part in parts.items()}, index=symbols)
