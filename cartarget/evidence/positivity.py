"""Which observations are positive: thresholds that belong to a unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.contract import require_harmonised
from cartarget.errors import InputError
from cartarget.evidence.packed import Packed, pack


def dense(matrix: Any) -> NDArray[np.floating]:
    """A dense view or copy of a matrix that may be sparse."""
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def is_positive(adata: AnnData, *, bulk: float = 10.0, count: int = 1) -> NDArray[np.bool_]:
    """Which observations are positive for which antigen.

    Bulk samples are positive at or above `bulk` CPM. Cells are positive at or above `count` counts; where
    only log-normalised values are known, every value above zero is positive, whatever `count` says.

    Parameters
    ----------
    adata
        An atlas of kind `samples` (unit CPM) or `cells` (unit counts or log1p).
    bulk
        Threshold of samples in CPM.
    count
        Threshold of cells in counts.

    Returns
    -------
    Boolean, observations × antigens. Unmeasured antigens are False (see `varm["is_measured"]`).

    Raises
    ------
    InputError
        The atlas's unit has no threshold.

    Examples
    --------
    >>> adata = AnnData(np.array([[9.0, 10.0]], dtype="float32"))
    >>> adata.uns["cartarget"] = {"unit": "CPM", "atlas": "x"}
    >>> is_positive(adata).tolist()
    [[False, True]]
    """
    about = adata.uns["cartarget"]
    thresholds = {"CPM": bulk, "counts": count, "log1p": np.nextafter(np.float32(0), np.float32(1))}
    if about["unit"] not in thresholds:
        raise InputError(
            f"atlas {about['atlas']}: unit {about['unit']!r} has no threshold; expected one of {', '.join(thresholds)}"
        )
    return dense(adata.X) >= np.float32(thresholds[about["unit"]])


def pack_atlas(adata: AnnData, *, bulk: float = 10.0, count: int = 1) -> Packed:
    """Pack an atlas by population and donor.

    Parameters
    ----------
    adata
        A harmonised atlas of observations (`obs` has `population`, `donor`, `side`).
    bulk, count
        Thresholds, as for :func:`is_positive`.

    Returns
    -------
    `Packed`; `populations` carries the atlas's columns of the population (tissue, cell type, tier …).

    Examples
    --------
    >>> adata = AnnData(np.array([[9.0, 10.0]], dtype="float32"))
    >>> adata.obs = pd.DataFrame({"population": ["liver"], "donor": ["d"], "side": ["normal"], "dataset": ["x"],
    ...                           "tissue": ["liver"]}, index=["s"])
    >>> adata.varm["is_measured"] = pd.DataFrame({"x": [True, True]}, index=adata.var_names)
    >>> adata.uns["cartarget"] = {"unit": "CPM", "atlas": "x"}
    >>> pack_atlas(adata).populations["tissue"].tolist()
    ['liver']
    """
    require_harmonised(adata, call="cartarget.pack_atlas(atlas)")
    obs = adata.obs
    populations, datasets = (obs[name].astype(str) for name in ("population", "dataset"))
    holds = pd.crosstab(populations, datasets) > 0
    by_dataset = pd.DataFrame(adata.varm["is_measured"])[list(holds.columns)].to_numpy(dtype=bool)
    lacking = (~by_dataset).astype(np.float32) @ holds.to_numpy(dtype=np.float32).T
    measured = pd.DataFrame(lacking == 0, index=adata.var_names, columns=holds.index)
    packed = pack(
        is_positive(adata, bulk=bulk, count=count),
        symbols=list(adata.var_names),
        population=populations.tolist(),
        donor=obs["donor"].astype(str).tolist(),
        side=obs["side"].astype(str).tolist(),
        is_measured=measured,
    )
    own = [name for name in obs if name not in {"population", "donor", "side", "dataset"}]
    first = obs.groupby("population", observed=True)[own].first()
    first.index = first.index.astype(str)
    populations = packed.populations.join(first, on="population")
    return Packed(packed.symbols, packed.words, packed.segments, populations, packed.is_measured)
