"""Pseudobulk: the cells of a donor and cell type added up, as if they had been sequenced together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import require_atlas
from cartarget.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def pseudobulk(
    adata: AnnData, *, by: Sequence[str] = ("side", "donor", "tissue", "cell_type"), min_cells: int = 10
) -> AnnData:
    """Add up the counts of cells by donor and cell type (`scanpy.get.aggregate`), and make them CPM.

    Parameters
    ----------
    adata
        An atlas of kind `cells` with unit `counts`.
    by
        Columns of `obs` that make a group; `assay` too, where the atlas holds cells and nuclei.
    min_cells
        Groups of fewer cells are left out and counted: their sums are mostly noise.

    Returns
    -------
    AnnData
        Groups × genes; `X` CPM over the genes of the atlas, `layers["counts"]` the sums; `obs` holds `by`, `dataset`,
        `n_cells` and `library`. `uns["cartarget"]` is the atlas's, with kind `samples`, unit `CPM` and a note.

    Raises
    ------
    InputError
        The atlas holds no counts, a column is missing, or no group is large enough.

    Examples
    --------
    >>> from cartarget.atlas import read_atlas
    >>> from cartarget.config import Config
    >>> cells = read_atlas(Config().atlases[0], config=Config())
    >>> bool(pseudobulk(cells).obs["n_cells"].min() >= 10)
    True
    """
    import scanpy

    require_atlas(adata, call="cartarget.pseudobulk(atlas)")
    about = adata.uns["cartarget"]
    if about["kind"] != "cells" or about["unit"] != "counts":
        raise InputError(
            f"atlas {about['atlas']!r}: holds {about['kind']} in {about['unit']}; pseudobulk needs counts of cells"
        )
    by = [*by, *({"assay"} & set(adata.obs) - set(by))]
    for column in by:
        if column not in adata.obs:
            raise InputError(
                f"atlas {about['atlas']!r}: no column {column!r} to group by; found {', '.join(adata.obs)}"
            )
    groups = adata.copy()
    for column in by:
        groups.obs[column] = pd.Categorical(groups.obs[column].astype(str))
    added = scanpy.get.aggregate(groups, by=list(by), func="sum")
    n_cells = groups.obs.groupby(list(by), observed=True).size()
    keys = pd.MultiIndex.from_frame(added.obs[list(by)].astype(str)) if len(by) > 1 else added.obs[by[0]].astype(str)
    added.obs["n_cells"] = n_cells.reindex(keys).to_numpy(dtype=int)
    is_large = added.obs["n_cells"].to_numpy() >= min_cells
    if not is_large.any():
        raise InputError(f"atlas {about['atlas']!r}: no group of {min_cells} cells or more; lower min_cells")
    added = added[is_large].copy()
    counts = np.asarray(
        added.layers["sum"].todense() if hasattr(added.layers["sum"], "todense") else added.layers["sum"]
    )
    library = counts.sum(axis=1, dtype=np.float64)
    added.X = (counts / np.where(library > 0, library, 1)[:, None] * 1e6).astype(np.float32)
    added.layers = {"counts": counts.astype(np.float32)}
    added.obs["library"] = library
    added.obs["dataset"] = pd.Categorical([about["atlas"]] * added.n_obs)
    added.var = adata.var.copy()
    added.varm["is_measured"] = pd.DataFrame(True, index=added.var_names, columns=[about["atlas"]])
    note = (
        f"pseudobulk: {added.n_obs:,} groups of {min_cells} cells or more, {(~is_large).sum():,} smaller ones left out"
    )
    added.uns["cartarget"] = {**about, "kind": "samples", "unit": "CPM", "notes": [*about["notes"], note]}
    return added
