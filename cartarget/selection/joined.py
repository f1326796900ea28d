"""Do the antigens of a bulk gate meet in one cell? What counted cells say, and what the levels over tumours hint at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.evidence.incell import cell_shares, gene_rows
from cartarget.evidence.lineage import spearman
from cartarget.evidence.panel import THIN_CELLS
from cartarget.logic.batch import Gates
from cartarget.logic.shapes import conjunctions

NOT_IN_PANEL = "genes not in panel"

FEWEST_TUMORS = 20
"""Patients from which a correlation over tumours is told."""


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
    One row a gate: `cells_malignant`, the mean over patients of the fraction of malignant cells hit; `cells_normal`,
    the fraction of the normal population of the lineage that is hit most (thirty cells or more); both missing where a
    gene is not in the panel or there are no such cells; and `cells_note` with the numbers of cells and donors behind
    them, or "genes not in panel".
    """
    tumor = (cells.obs["side"].astype(str) == "tumor").to_numpy(dtype=bool)
    normal = epithelial(cells, names=epithelium)
    patients, normals = (
        _shares(cells, chosen, by, symbols=symbols, gates=gates, count=count, least=least)
        for chosen, by, least in ((tumor, "donor", 1), (normal, "population", THIN_CELLS))
    )
    known = ((gene_rows(cells, symbols)[gates.rows] >= 0) | (gates.rows < 0)).all(axis=1)
    note = f"{_people(cells, tumor)} malignant, {_people(cells, normal)} normal epithelial"
    return pd.DataFrame(
        {
            "cells_malignant": patients.mean(axis=1) if patients.shape[1] else np.nan,
            "cells_normal": normals.max(axis=1) if normals.shape[1] else np.nan,
            "cells_note": np.where(known, note, NOT_IN_PANEL),
        }
    )


def _shares(
    cells: AnnData,
    chosen: NDArray[np.bool_],
    by: str,
    *,
    symbols: Sequence[str],
    gates: Gates,
    count: int,
    least: int,
) -> NDArray[np.float64]:
    """Gates × groups of the chosen cells, by donor or population; groups of fewer than `least` cells are left out."""
    names = cells.obs[by].astype(str).where(chosen)
    names = names.where(names.map(names.value_counts()) >= least)
    groups = pd.Categorical(names)
    return cell_shares(
        cells,
        symbols=symbols,
        gates=gates,
        group=groups.codes.astype(np.int64),
        n_groups=len(groups.categories),
        count=count,
    )


def _people(cells: AnnData, chosen: NDArray[np.bool_]) -> str:
    donors = cells.obs["donor"].astype(str)[chosen].nunique()
    return f"{int(chosen.sum())} cells of {donors} donor{'' if donors == 1 else 's'}"


def members_r(levels: pd.DataFrame, *, symbols: Sequence[str], gates: Gates) -> NDArray[np.float64]:
    """Lowest Spearman correlation over tumours between two antigens that a gate asks of the same cell.

    Antigens that run against each other over tumours are likely made by different cells: a bulk sample then holds
    both, and no cell does. The reverse does not follow: two antigens of one tissue rise together in different cells.

    Parameters
    ----------
    levels
        log2(CPM + 1), patients × genes.
    symbols
        Antigens to which `gates` refers.
    gates
        The gates. Blockers are not asked.

    Returns
    -------
    One number a gate, in [-1, 1]; NaN where no two antigens must meet, or of no two both are in `levels` and vary.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [1.0, 2, 3, 4], "B": [4.0, 3, 1, 2], "C": [1.0, 2, 4, 3]})
    >>> gates = Gates.singles(3).join([Gates.of_two(np.array([0, 0]), np.array([1, 2]), np.array([1, 1]))])
    >>> members_r(levels, symbols=["A", "B", "C"], gates=gates).round(2).tolist()
    [-0.8, 0.8]
    """
    held = levels.reindex(columns=list(symbols))
    r = spearman(held, held).to_numpy()
    found = np.full(len(gates), np.nan)
    for batch in gates.batches():
        asked = {pair for one in conjunctions(batch.shape) for pair in combinations(one.plain, 2)}
        if asked:
            found[batch.at] = np.fmin.reduce([r[batch.of(first), batch.of(second)] for first, second in sorted(asked)])
    return found
