"""Scores that other methods give a target, from the same levels, so that all are held against the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.intervals import EXACT
from cartarget.evidence.panel import Panel

RIVALS = {
    "pooled": "tumour minus pooled normal mean",
    "highest": "tumour minus highest tissue",
    "specific": "tau specificity",
    "matched": "fold change to the matched normal",
    "welch": "Welch t against all normal pooled",
}
"""Names of the scores, and what they are. Higher is a better target."""


def rival_scores(panel: Panel) -> pd.DataFrame:
    r"""Score each antigen of a panel as other methods do. Higher is a better target.

    On log2(CPM + 1) per sample (cells: per donor and population), rows of the kind that orders the ranking; of the
    other kind where it holds no normal tissue. `pooled`: mean of the tumours minus the mean of all normal rows
    (LogiCAR, PCASA). `highest`: minus the highest mean of a tissue. `specific`:
    :math:`\tau = \sum_i (1 - y_i / \max y) / (n - 1)` over the tissues' means (Yanai et al. 2005). `matched`: minus the
    mean of the tissue of origin (CARTAR). `welch`: Welch's t of tumours against all normal rows (TargetRanger).

    Parameters
    ----------
    panel
        Evidence of a run.

    Returns
    -------
    Antigens × scores; NaN where the antigen was measured in no row that the score asks, where the tissue of origin was
    not measured, and of `welch` with fewer than two rows on a side.

    References
    ----------
    Yanai et al., Bioinformatics 2005, doi:10.1093/bioinformatics/bti042; Welch, Biometrika 1947,
    doi:10.1093/biomet/34.1-2.28.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=2, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "PTPRC"], required=[], origin=["colon"])
    >>> bool(rival_scores(panel)["pooled"].diff().iloc[1] < 0)
    True
    """
    values, of = panel.levels.astype(np.float64), panel.level_population
    tumor = values[panel.is_tumor[of]]
    same = panel.is_normal & (panel.is_cells == (panel.kind == "cells"))
    chosen = same if same.any() else panel.is_normal
    normal, owner = values[chosen[of]], of[chosen[of]]
    tissue = panel.populations["tissue"].astype(str).to_numpy()[owner]
    names = np.unique(tissue)
    by_tissue = np.stack([_mean(normal[tissue == name]) for name in names]) if len(names) else normal[:0]
    mean = _mean(tumor)
    frame = {
        "pooled": mean - _mean(normal),
        "highest": mean - _highest(by_tissue),
        "specific": _tau(by_tissue),
        "matched": mean - _mean(values[panel.is_origin[of] & chosen[of]]),
        "welch": _welch(tumor, normal),
    }
    return pd.DataFrame(frame, index=pd.Index(panel.symbols, name="symbol"))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n = (~np.isnan(values)).sum(axis=0)
    return np.divide(np.nansum(values, axis=0), n, out=np.full(values.shape[1], np.nan), where=n > 0)


def _highest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    best = np.where(np.isnan(values), -np.inf, values).max(axis=0, initial=-np.inf)
    return np.where(np.isinf(best), np.nan, best)


def _tau(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n, highest = (~np.isnan(values)).sum(axis=0), _highest(values)
    is_told = (n > 1) & (highest > 0)
    part = np.nansum(1 - values / np.where(is_told, highest, 1.0), axis=0)
    return np.where(is_told, part / np.maximum(n - 1, 1), np.nan)


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    means, errors = [], []
    for values in (first, second):
        n, mean = (~np.isnan(values)).sum(axis=0), _mean(values)
        square = np.nansum((values - mean) ** 2, axis=0)
        errors.append(np.divide(square, (n - 1) * n, out=np.full(len(n), np.nan), where=n > 1))
        means.append(mean)
    error = np.sqrt(errors[0] + errors[1])
    told = np.nan_to_num(error) > EXACT
    return np.divide(means[0] - means[1], error, out=np.full(len(error), np.nan), where=told)
