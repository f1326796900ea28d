"""Single cells in any `.h5ad`: dense, CSR or CSC, counts wherever they are kept, a few thousand cells at a time."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.cellxgene import ORGANISM, with_organism
from cartarget.atlas.formats.hdf5 import guarded, probe
from cartarget.atlas.labels import label_cells
from cartarget.atlas.readers.single_cell import CHUNK, build_cells
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import sha256

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable

PLACES = ("layers/counts", "layers/raw_counts", "layers/umi", "raw/X", "X")
"""Where values may be: the first that holds whole numbers is read, else the first without negative ones."""

_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "symbol", "hgnc_symbol", "gene_short_name")
GENES = ("gene expression", "gene", "rna", "")
"""What a feature that is a gene is called, in lower case."""

PEEK = 256
"""Cells by which the values of a place are judged."""
DEPTHS = ("n_counts", "raw_sum", "total_counts", "nCount_RNA", "n_umi", "nUMI")
"""Columns of obs that tell a cell's counts over all genes."""


def read_h5ad(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read single cells from an `.h5ad` file.

    Counts are looked for in `layers["counts"]` (or `raw_counts`, `umi`), `raw.X` and `X`; normalised values are turned
    back into counts where that is possible. Names are the file's gene symbols (`feature_name`, `gene_symbols` …) and
    its Ensembl ids, wherever they stand in `var`.

    Parameters
    ----------
    atlas
        `path` is the file; `labels` says what the columns of its `obs` mean.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep; only some thousand cells are then held with all of their genes (of a CSC matrix, which cannot
        be cut by cell on disk, all cells). None: all.

    Returns
    -------
    AnnData
        Kind `cells`; unit and notes as `cartarget.atlas.readers.single_cell.build_cells` says.

    Raises
    ------
    ConfigError
        A label's column does not exist (the nearest is named).
    InputError
        The file is absent, damaged or not an `.h5ad`, or anything that `label_cells` or `build_cells` rejects.
    """
    import h5py

    path = config.data(atlas.path)
    if not path.is_file():
        hint = (
            "`snakemake --sdm conda` fetches it from CELLxGENE Census"
            if atlas.census
            else "check data_dir and its path"
        )
        raise InputError(f"{path}: no such file, asked for by atlas {atlas.name!r}; {hint}")
    if trouble := probe(path):
        raise InputError(f"{path}: truncated, damaged or not an .h5ad file ({trouble})")
    with guarded(path, what="an .h5ad file"), h5py.File(path, "r") as handle:
        return read_store(handle, atlas=atlas, where=str(path), genes=genes, keep=keep, sha256=sha256(path))


def read_store(
    handle: Any, *, atlas: AtlasConfig, where: str, genes: GeneTable | None, keep: Collection[str] | None, sha256: str
) -> AnnData:
    """Read single cells from an open HDF5 file or zarr group that anndata wrote; `sha256` is its checksum."""
    for key in ("obs", "var"):
        if key not in handle:
            raise InputError(f"{where}: it holds no {key!r}, so it is not an .h5ad file; write one with anndata")
    cells = elem_of(handle["obs"])
    if not hasattr(cells, "columns"):
        raise InputError(
            f"{where}: written by anndata before 0.7; open it with that version and save it with a newer one"
        )
    cells.index = cells.index.astype(str)
    uns = handle.get("uns", {})
    cells = with_organism(cells, {name: elem_of(uns[name]) for name in ORGANISM if name in uns})
    obs, is_kept, notes = label_cells(cells, atlas=atlas, where=f"{where}: obs")
    if depth := next((name for name in DEPTHS if name in cells), None):
        obs["n_counts"] = pd.to_numeric(cells[depth], errors="coerce").to_numpy(dtype=np.float64)[is_kept]
    place = _place(handle, where)
    var, raw = elem_of(handle["var"]), elem_of(handle["raw/var"]) if place == "raw/X" else None
    refuse_spots(cells, where=where)
    labels, other = gene_labels(var, raw=raw), other_features(var if raw is None else raw)
    n_cells, n_genes = _open(handle[place]).shape
    if (n_cells, n_genes) != (len(cells), len(labels)):
        raise InputError(
            f"{where}: {place} is {n_cells} × {n_genes}, but there are {len(cells)} cells and {len(labels)} genes"
        )
    return build_cells(
        (chunk[:, (other == "").to_numpy()] for chunk in _chunks(handle[place], is_kept, name=atlas.name)),
        obs=obs,
        labels=labels[(other == "").to_numpy()].reset_index(drop=True),
        atlas=atlas,
        where=f"{where}: {place}",
        files=[{"path": where, "sha256": sha256}],
        genes=genes,
        keep=keep,
        lost=lost_features(labels, other),
        notes=[f"values are read from {place}", *notes],
    )


def other_features(var: pd.DataFrame) -> pd.Series:
    """What each feature is that is no gene (`Antibody Capture`, `CRISPR Guide Capture` …); empty for genes.

    Examples
    --------
    >>> other_features(pd.DataFrame({"feature_types": ["Gene Expression", "Antibody Capture"]})).tolist()
    ['', 'Antibody Capture']
    """
    column = next((name for name in ("feature_types", "feature_type") if name in var), None)
    if column is None:
        return pd.Series("", index=var.index, dtype=object)
    types = var[column].astype(object).where(var[column].notna(), "").astype(str).str.strip()
    is_gene = types.str.casefold().isin(GENES)
    return types.mask(is_gene, "") if is_gene.any() else pd.Series("", index=var.index, dtype=object)


def lost_features(labels: pd.DataFrame, other: pd.Series) -> pd.DataFrame:
    """The features that are no genes, as names lost on the way."""
    is_other = (other != "").to_numpy()
    return pd.DataFrame({
        "name": labels.iloc[:, -1].to_numpy()[is_other], "reason": "not a gene but " + other[is_other].to_numpy()
    })  # fmt: skip


def refuse_spots(cells: pd.DataFrame, *, where: str) -> None:
    """Refuse Visium: a spot or bin is no cell, and what two antigens do in it says nothing of one cell.

    Raises
    ------
    InputError
        `obs` has the columns `array_row` and `array_col` of Space Ranger.
    """
    if {"array_row", "array_col"} <= set(cells.columns):
        raise InputError(
            f"{where}: these are spots of Visium (obs has array_row and array_col), of several cells each, in which "
            "no gate can be counted; give single cells or nuclei"
        )


def elem_of(element: Any) -> Any:
    """An element as anndata reads it, of whatever age the file is."""
    from anndata import OldFormatWarning
    from anndata.io import read_elem

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OldFormatWarning)
        return read_elem(element)


def _open(element: Any) -> Any:
    """A dense dataset, or a sparse one that can be sliced by row without reading the rest (CSR)."""
    from anndata.io import sparse_dataset

    return element if hasattr(element, "dtype") else sparse_dataset(element)


def _rows(values: Any, start: int, stop: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(values[start:stop], dtype=np.float32)


def _place(handle: Any, where: str) -> str:
    there = [place for place in PLACES if place in handle]
    if not there:
        raise InputError(f"{where}: no values; expected them in one of {', '.join(PLACES)}")
    return choose_place({place: _rows(_open(handle[place]), 0, PEEK).data for place in there})


def choose_place(first: Mapping[str, NDArray[np.floating]]) -> str:
    """The place whose values are read: the first with whole numbers, else the first without negative ones.

    Parameters
    ----------
    first
        Place → the values of its first cells that are not zero.

    Examples
    --------
    >>> choose_place({"layers/scaled": np.array([-1.5]), "X": np.array([0.5]), "raw/X": np.array([2.0])})
    'raw/X'
    """
    for place, data in first.items():
        if len(data) and (data == np.rint(data)).all() and data.min() >= 0:
            return place
    return next((place for place, data in first.items() if not (data < 0).any()), next(iter(first)))


def gene_labels(var: pd.DataFrame, *, raw: pd.DataFrame | None = None) -> pd.DataFrame:
    """What each column is called: its symbol and its Ensembl id as far as `var` has them.

    Parameters
    ----------
    var
        Genes, as in an AnnData; symbols may stand in its index or in `feature_name`, `gene_symbols` …
    raw
        The genes of `raw`, if the values come from there.

    Examples
    --------
    >>> var = pd.DataFrame({"feature_name": ["EPCAM"]}, index=["ENSG00000119888.17"])
    >>> gene_labels(var).to_dict("records")
    [{'ensembl': 'ENSG00000119888.17', 'symbol': 'EPCAM'}]
    """
    if raw is not None:
        var = raw.join(var[var.columns.difference(raw.columns)], how="left")
    names = pd.Series(var.index.astype(str), index=var.index)
    texts = [names] + [var[column].astype(object) for column in var]
    ids = next((text for text in texts if text.astype(str).str.startswith("ENSG").mean() > 0.5), None)
    symbols = next((var[column].astype(object) for column in _SYMBOLS if column in var), None)
    if symbols is None and ids is not names:
        symbols = names
    if symbols is None:
        return pd.DataFrame({"name": _text(names)})
    if ids is None or ids is symbols:
        return pd.DataFrame({"symbol": _text(symbols)})
    symbol, ensembl = _text(symbols), _text(ids)
    return pd.DataFrame({"ensembl": ensembl, "symbol": np.where(symbol == "", ensembl, symbol)})


def _text(text: pd.Series) -> NDArray[np.object_]:
    return text.astype(object).where(text.notna(), "").astype(str).to_numpy(dtype=object)


def _chunks(element: Any, is_kept: NDArray[np.bool_], *, name: str) -> Iterator[sparse.csr_matrix]:
    """The cells that are kept, `CHUNK` at a time; CSC cannot be cut by cell on disk and is read whole."""
    from tqdm import tqdm

    values = _open(element)
    if getattr(values, "format", "") == "csc":
        values = values.to_memory().tocsr()
    for start in tqdm(
        range(0, len(is_kept), CHUNK), desc=f"reading {name}", unit="chunk", leave=False, delay=2, disable=None
    ):
        yield _rows(values, start, start + CHUNK)[np.flatnonzero(is_kept[start : start + CHUNK])]
