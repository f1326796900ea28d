"""Cells beside the result: what fraction of malignant and of normal epithelial cells a bulk gate would hit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.evidence.positivity import is_positive
from cartarget.gates.judge import ANY, BOTH
from cartarget.gates.listed import Gates

NOT_IN_PANEL = "genes not in panel"


def epithelial(adata: AnnData, *, names: Sequence[str]) -> NDArray[np.bool_]:
    """Normal cells of the tumour's lineage: those whose cell type is one of `names`, whatever the case.

    Examples
    --------
    >>> adata = AnnData(np.zeros((2, 1), dtype="float32"))
    >>> adata.obs["side"], adata.obs["cell_type"] = ["normal", "tumor"], "Enterocyte"
    >>> epithelial(adata, names=["enterocyte"]).tolist()
    [True, False]
    """
    wanted = {name.casefold() for name in names}
    own = adata.obs["cell_type"].astype(str).str.casefold().isin(wanted)
    return (own & (adata.obs["side"].astype(str) == "normal")).to_numpy(dtype=bool)


def join_cells(
    cells: AnnData, *, symbols: Sequence[str], gates: Gates, epithelium: Sequence[str], count: int = 1
) -> pd.DataFrame:
    """Evaluate gates inside each cell of a joined atlas.

    Parameters
    ----------
    cells
        Harmonised single-cell atlas, malignant cells on side `tumor`.
    symbols
        Antigens to which `gates` refers.
    gates
        The gates.
    epithelium
        Cell types of the tumour's lineage.
    count
        Counts that make a cell positive.

    Returns
    -------
    One row a gate: `cells_malignant` and `cells_normal` (fractions, missing where a gene is not in the
    panel), and `cells_note` with the numbers of cells and donors behind them, or "genes not in panel".
    """
    rows = cells.var_names.get_indexer(pd.Index(list(symbols)))
    positive = is_positive(cells, count=count).T
    tumor = (cells.obs["side"].astype(str) == "tumor").to_numpy(dtype=bool)
    normal = epithelial(cells, names=epithelium)
    known = (rows[gates.a] >= 0) & (rows[gates.b] >= 0)
    hit = np.zeros((2, len(gates.a)))
    for start in range(0, len(gates.a), 2048):
        part = np.flatnonzero(known[start : start + 2048]) + start
        x, y = positive[rows[gates.a[part]]], positive[rows[gates.b[part]]]
        op = gates.op[part, None]
        both = np.where(op == ANY, x | y, np.where(op == BOTH, x & y, x & ~y))
        for side, cell in enumerate((tumor, normal)):
            hit[side, part] = both[:, cell].mean(axis=1) if cell.any() else np.nan
    note = f"{_people(cells, tumor)} malignant, {_people(cells, normal)} normal epithelial"
    return pd.DataFrame(
        {
            "cells_malignant": np.where(known, hit[0], np.nan),
            "cells_normal": np.where(known, hit[1], np.nan),
            "cells_note": np.where(known, note, NOT_IN_PANEL),
        }
    )


def _people(cells: AnnData, chosen: NDArray[np.bool_]) -> str:
    donors = cells.obs["donor"].astype(str)[chosen].nunique()
    return f"{int(chosen.sum())} cells of {donors} donor{'' if donors == 1 else 's'}"
