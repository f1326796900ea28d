"""Summaries and stains of normal tissue as evidence: one row a tissue or cell type, which can bound and never count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.positivity import dense

STAINS = {"Low": 1.0, "Medium": 2.0, "High": 3.0}
SUPPORTED = 2.0
UNIT_COLUMNS = ("population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin")


def no_units() -> pd.DataFrame:
    """The table of units without a row."""
    types = {"weight": float, "cap": float, "is_required": bool, "is_origin": bool}
    names = (*UNIT_COLUMNS, "evidence", "atlas", "unit")
    return pd.DataFrame({name: pd.Series([], dtype=types.get(name, object)) for name in names})


def _unit_frame(atlas: AnnData, evidence: str) -> pd.DataFrame:
    about = atlas.uns["cartarget"]
    frame = atlas.obs[list(UNIT_COLUMNS)].reset_index(drop=True)
    for name in ("population", "tissue", "cell_type", "tier"):
        frame[name] = frame[name].astype(str)
    return frame.assign(evidence=evidence, atlas=about["atlas"], unit=about["unit"])


def _values(atlas: AnnData, symbols: Sequence[str], layer: str | None = None) -> NDArray[np.float64]:
    rows = atlas.var_names.get_indexer(pd.Index(symbols))
    data = atlas.X if layer is None else atlas.layers[layer]
    values = np.full((len(symbols), atlas.n_obs), np.nan)
    values[rows >= 0] = dense(data)[:, rows[rows >= 0]].T
    return values


Units = tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


def summary_units(atlas: AnnData, symbols: Sequence[str], threshold: float) -> Units:
    """Units of an RNA summary with levels, and where they reach the threshold."""
    about = atlas.uns["cartarget"]
    if about["kind"] != "summary":
        raise InputError(f"atlas {about['atlas']}: kind {about['kind']!r} given as a summary of normal tissue")
    value = _values(atlas, symbols)
    above = value >= threshold
    return _unit_frame(atlas, "summary"), value, above, np.zeros_like(above)


def protein_units(atlas: AnnData, symbols: Sequence[str], stain: float) -> Units:
    """Units of an atlas of stains with their grades, where they veto, and where they are a flag."""
    value = _values(atlas, symbols)
    reliability = _values(atlas, symbols, "reliability")
    membrane = atlas.var["is_membrane"].reindex(list(symbols)).astype("boolean").fillna(False).to_numpy(dtype=bool)
    stained = value >= stain
    veto = stained & (reliability >= SUPPORTED) & membrane[:, None]
    return _unit_frame(atlas, "protein"), value, veto, stained & ~veto
