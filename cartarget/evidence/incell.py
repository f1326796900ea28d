"""Gates evaluated inside each cell: what share of a group of cells is hit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.evidence.positivity import is_positive
from cartarget.logic.batch import Gates

CHUNK = 512
"""Gates evaluated at a time."""


def gene_rows(adata: AnnData, symbols: Sequence[str]) -> NDArray[np.int64]:
    """Place of each symbol among the atlas's genes; −1 where the atlas, or one of its datasets, did not measure it.

    Examples
    --------
    >>> adata = AnnData(np.zeros((2, 2), dtype="float32"))
    >>> adata.var_names = ["A", "B"]
    >>> adata.varm["is_measured"] = pd.DataFrame({"x": [True, True], "y": [True, False]}, index=["A", "B"])
    >>> gene_rows(adata, ["B", "A", "C"]).tolist()
    [-1, 0, -1]
    """
    rows = adata.var_names.get_indexer(pd.Index(list(symbols)))
    if "is_measured" in adata.varm:
        lacking = np.flatnonzero((~pd.DataFrame(adata.varm["is_measured"]).astype(bool)).any(axis=1).to_numpy())
        rows = np.where(np.isin(rows, lacking), -1, rows)
    return np.asarray(rows, dtype=np.int64)


def cell_shares(
    adata: AnnData,
    *,
    symbols: Sequence[str],
    gates: Gates,
    group: NDArray[np.integer],
    n_groups: int,
    count: int = 1,
) -> NDArray[np.float64]:
    """Share of the cells of each group that each gate hits.

    Parameters
    ----------
    adata
        Harmonised atlas of cells.
    symbols
        Antigens to which `gates` refers.
    gates
        Gates of any shape.
    group
        Group of each cell, from 0; −1 for cells to leave out.
    n_groups
        How many groups.
    count
        Counts that make a cell positive.

    Returns
    -------
    Gates × groups, in [0, 1]; NaN where the atlas did not measure a member (see :func:`gene_rows`) or a group is empty.

    Examples
    --------
    >>> adata = AnnData(np.array([[1, 1], [1, 0], [0, 1]], dtype="float32"))
    >>> adata.var_names, adata.uns["cartarget"] = ["A", "B"], {"unit": "counts", "atlas": "x"}
    >>> gates = Gates.of_two(np.array([0]), np.array([1]), np.array([1]))
    >>> cell_shares(adata, symbols=["A", "B"], gates=gates, group=np.array([0, 0, 1]), n_groups=2).tolist()
    [[0.5, 0.0]]
    """
    rows = gene_rows(adata, symbols)
    positive = is_positive(adata, count=count).T
    own = np.flatnonzero(np.asarray(group) >= 0)
    member = sparse.csr_matrix((np.ones(len(own), np.float32), (own, group[own])), shape=(adata.n_obs, n_groups))
    size = np.bincount(group[own], minlength=n_groups)
    shares = np.full((len(gates), n_groups), np.nan)
    held = np.flatnonzero(((rows[gates.rows] >= 0) | (gates.rows < 0)).all(axis=1))
    every = np.vstack([positive, np.zeros((1, adata.n_obs), dtype=bool)])[rows]  # −1: the last row, never asked
    for low in range(0, len(held), CHUNK):
        part = held[low : low + CHUNK]
        hit = gates.take(part).evaluate(every, ~every).astype(np.float32)
        shares[part] = np.divide(hit @ member, size, out=np.full((len(part), n_groups), np.nan), where=size > 0)
    return shares
