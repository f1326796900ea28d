"""An AnnData as a notebook holds it becomes an atlas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.cellxgene import ORGANISM, with_organism
from cartarget.atlas.contract import require_anndata, validate_atlas
from cartarget.atlas.labels import label_cells
from cartarget.atlas.readers.h5ad import (
    DEPTHS,
    PEEK,
    PLACES,
    choose_place,
    gene_labels,
    lost_features,
    other_features,
    refuse_spots,
)  # fmt: skip
from cartarget.atlas.readers.single_cell import CHUNK, build_cells
from cartarget.cell_labels import CellLabels
from cartarget.config import AtlasConfig
from cartarget.errors import CartargetError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable

OWN = (
    "side", "donor", "tissue", "cell_type", "dataset", "assay", "n_counts", "library", "is_doublet", "population",
    "lesion", "tier", "weight", "cap", "is_required", "is_origin",
)  # fmt: skip
"""Columns of `obs` that the atlas contract and `harmonise` fill; a column of the user's of that name is not kept."""

_IS_MALIGNANT = "malignant cells as given"


def from_anndata(
    adata: AnnData,
    *,
    malignant: str | Sequence[bool] | NDArray[np.bool_] | pd.Series | None = None,
    donor: str | None = None,
    lesion: str | None = None,
    cell_type: str | None = None,
    tissue: str | None = None,
    layer: str | None = None,
    unit: str | None = None,
    name: str = "adata",
    genes: GeneTable | None = None,
) -> AnnData:
    """Make an atlas of single cells from an AnnData.

    Parameters
    ----------
    adata
        Cells × genes. Nothing in it is changed.
    malignant
        Column of `obs` that tells malignant cells (yes, true, malignant, tumor against no, false, normal), or one
        boolean a cell, such as `adata.obs["label"] == "cancer"`. None: no cell is malignant, if `tissue` is given.
    donor
        Column of the patient or donor. None: all cells are of one donor, so that every interval is wide.
    lesion
        Column of the lesion of a patient, such as primary and metastasis. None: one lesion each.
    cell_type
        Column of the cell type.
    tissue
        Column of the tissue; or the tissue of all cells, such as `"colon"`. None: normal cells are the tumour's
        surroundings.
    layer
        Layer of the values. None: counts wherever they are: `layers["counts"]`, `raw`, `X`.
    unit
        Unit of the values in `layer` or `X`: counts, CPM, TPM, log1p or log2. None: told by the values.
    name
        Name of the atlas, shown beside every number that comes from it.
    genes
        Gene table (`cartarget.read_gene_table`) through which every name goes; Ensembl ids without symbols need one.
        None: symbols are taken as given, from the index or from `feature_name`, `gene_symbols` ….

    Returns
    -------
    AnnData
        The atlas contract (`cartarget.atlas.contract`), which `harmonise`, `build_panel` and `screen` take. Other
        columns of `obs` and `obsm` are kept for the cells that are; `write_h5ad` works.

    Raises
    ------
    ConfigError
        `obs` has no such column (the nearest is named).
    InputError
        What was given is no AnnData, cells cannot be told malignant or normal, a donor is missing, or the values are
        scaled, negative or NaN.

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame({"label": ["cancer", "T cell"], "who": ["P1", "P1"]}, index=["a", "b"])
    >>> adata = anndata.AnnData(np.array([[3.0, 0.0], [0.0, 1.0]]), obs=obs, var=pd.DataFrame(index=["EPCAM", "CD3E"]))
    >>> atlas = from_anndata(adata, malignant=adata.obs["label"] == "cancer", donor="who", cell_type="label")
    >>> atlas.obs[["side", "donor", "cell_type"]].values.tolist(), atlas.uns["cartarget"]["unit"]
    ([['tumor', 'P1', 'cancer'], ['normal', 'P1', 'T cell']], 'counts')
    """
    require_anndata(adata, call="cartarget.from_anndata(adata, malignant=..., donor=...)")
    cells = with_organism(adata.obs.copy(), {key: adata.uns[key] for key in ORGANISM if key in adata.uns})
    cells.index = cells.index.astype(str)
    if malignant is not None and not isinstance(malignant, str):
        cells[_IS_MALIGNANT], malignant = _yes_no(malignant, n=adata.n_obs), _IS_MALIGNANT
    is_column = tissue in cells
    columns = CellLabels(
        malignant=malignant, donor=donor, lesion=lesion, cell_type=cell_type, tissue=tissue if is_column else None,
    )  # fmt: skip
    asked = AtlasConfig(
        name=name, reader="h5ad", labels=columns, unit=unit, tissue=None if is_column else tissue,
    )  # fmt: skip
    obs, is_kept, notes = _labelled(cells, asked)
    refuse_spots(cells, where=name)
    place = _place(adata, layer=layer, unit=unit)
    raw = adata.raw.var if place == "raw/X" else None
    labels, other = gene_labels(adata.var, raw=raw), other_features(adata.var if raw is None else raw)
    is_gene = (other == "").to_numpy()
    values = _values(adata, place)
    if depth := next((column for column in DEPTHS if column in cells), None):
        obs["n_counts"] = pd.to_numeric(cells[depth], errors="coerce").to_numpy(dtype=np.float64)[is_kept]
    atlas = build_cells(
        (chunk[:, is_gene] for chunk in _chunks(values, is_kept)),
        obs=obs,
        labels=labels[is_gene].reset_index(drop=True),
        atlas=asked,
        where=f"{name}: {place}",
        files=[],
        genes=genes,
        keep=None,
        lost=lost_features(labels, other),
        notes=[f"values are read from {place}", *notes],
    )
    others = cells.loc[is_kept, cells.columns.difference([*OWN, *atlas.obs, _IS_MALIGNANT], sort=False)]
    atlas.obs = atlas.obs.join(others.set_axis(atlas.obs_names))
    for key, held in adata.obsm.items():
        atlas.obsm[key] = held.loc[is_kept].set_axis(atlas.obs_names) if hasattr(held, "loc") else held[is_kept]
    validate_atlas(atlas)
    return atlas


def _yes_no(malignant: Any, *, n: int) -> NDArray[np.object_]:
    given = np.asarray(malignant)
    if given.dtype != np.bool_ or given.shape != (n,):
        raise InputError(
            f"malignant: found {given.dtype} of shape {given.shape}; give the name of a column of obs, or one boolean "
            f'for each of the {n:,} cells, such as malignant=adata.obs["label"] == "cancer"'
        )
    return np.where(given, "yes", "no").astype(object)


def _labelled(cells: pd.DataFrame, asked: AtlasConfig) -> Any:
    try:
        return label_cells(cells, atlas=asked, where="obs")
    except CartargetError as error:
        hint = ""
        if asked.labels.malignant is None and "side" not in cells:
            hint = "; say which cells are malignant, or of which normal tissue all are (tissue=...)"
        elif "malignant" in str(error):
            hint = '; in Python: from_anndata(adata, malignant=adata.obs["column"].isin(["value", ...]), ...)'
        raise type(error)(f"{error}{hint}") from None


def _place(adata: AnnData, *, layer: str | None, unit: str | None) -> str:
    """Where the values are, as in the file that the AnnData would be written to."""
    if layer is not None:
        if layer not in adata.layers:
            raise InputError(
                f"layer: {layer!r} is no layer of the AnnData; its layers: {', '.join(adata.layers) or 'none'}"
            )
        return f"layers/{layer}"
    there = [f"layers/{key}" for key in adata.layers] + ["raw/X"] * (adata.raw is not None)
    there = [place for place in PLACES if place in there and unit is None] + ["X"] * (adata.X is not None)
    if not there:
        raise InputError(f"the AnnData has no values in {', '.join(PLACES)}; name their layer: layer=...")
    return choose_place({place: _rows(_values(adata, place), 0, PEEK).data for place in dict.fromkeys(there)})


def _values(adata: AnnData, place: str) -> Any:
    if place == "X":
        return adata.X
    return adata.raw.X if place == "raw/X" else adata.layers[place.removeprefix("layers/")]


def _rows(values: Any, start: int, stop: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(values[start:stop], dtype=np.float32)


def _chunks(values: Any, is_kept: NDArray[np.bool_]) -> Iterator[sparse.csr_matrix]:
    """The cells that are kept, some thousand at a time; CSC, which is slow to cut by cell, as CSR."""
    values = values.tocsr() if sparse.issparse(values) else values
    for start in range(0, len(is_kept), CHUNK):
        yield _rows(values, start, start + CHUNK)[np.flatnonzero(is_kept[start : start + CHUNK])]
