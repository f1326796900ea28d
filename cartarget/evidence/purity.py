"""Bulk coverage as a range: what gates reach in the tumour cells themselves, given the purity of the samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.logic.batch import Gates


def coverage_range(
    levels: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    gates: Gates,
    threshold: float,
    donors: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Fraction of patients whose tumour cells a gate hits: at least, and at most.

    With *sure* where the lowest level reaches the threshold and *possible* where the highest does,

        A: sure A … possible A        A & ~B: sure A and not possible B … possible A and not sure B

    `A | B` and `A & B` are hit where either, or both, are.

    Parameters
    ----------
    levels
        Lowest and highest level of the tumour cells, samples × antigens (`cartarget.tumor_level`).
    gates
        Gates of these antigens.
    threshold
        The level that counts as positive, in the unit of `levels`.
    donors
        Whose each sample is; a patient's samples are averaged. None: one sample per patient.

    Returns
    -------
    DataFrame
        One row per gate: `coverage_purity_lower` ≤ `coverage_purity_upper`, in [0, 1].

    Examples
    --------
    >>> from cartarget.atlas.purity import tumor_level
    >>> levels = tumor_level([[6.0], [30.0]], purity=[0.5, 0.5], normal=40.0)
    >>> coverage_range(levels, gates=Gates.singles(1), threshold=10).to_numpy().tolist()
    [[0.5, 1.0]]
    """
    owner, people = pd.factorize(np.arange(len(levels[0])) if donors is None else np.asarray(donors, dtype=object))
    weight = 1 / np.bincount(owner)[owner]
    sure, possible = (np.asarray(level) >= np.float32(threshold) for level in levels)
    ends = {"coverage_purity_lower": (sure, possible), "coverage_purity_upper": (possible, sure)}
    return pd.DataFrame(
        {name: gates.evaluate(own.T, ~other.T) @ weight / len(people) for name, (own, other) in ends.items()}
    )
