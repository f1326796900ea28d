"""Single cells in 10x Genomics' HDF5 (`.h5`), of Cell Ranger 2 and from 3 on, and as TISCH keeps its studies.

    Cell Ranger ≥ 3: /matrix/{barcodes,data,indices,indptr,shape}, /matrix/features/{id,name,feature_type}
    Cell Ranger 2:   /GENOME/{barcodes,data,indices,indptr,shape,genes,gene_names}

The matrix is genes × cells in compressed columns, so a cell is a slice: a few thousand are read at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartarget.atlas.formats.hdf5 import guarded, probe
from cartarget.atlas.formats.stream import lines
from cartarget.atlas.labels import label_cells
from cartarget.atlas.readers.single_cell import CHUNK, build_cells
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_PARTS = ("barcodes", "data", "indices", "indptr", "shape")
GENES = "Gene Expression"
"""What 10x calls a feature that is a gene."""


def read_tenx(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a 10x HDF5 file.

    Parameters
    ----------
    atlas
        `path` is the file; `samples` a tab- or comma-separated table of its cells (a header; the first column is the
        barcode; cells without a row are left out and counted); `labels` says what that table's columns mean.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `cells`; unit and notes as `cartarget.atlas.readers.single_cell.build_cells` says. Antibodies and guides
        are no genes and are listed as lost.

    Raises
    ------
    ConfigError
        A label's column does not exist.
    InputError
        The file is absent, damaged, no 10x file, or contradicts itself; or anything that `label_cells` or
        `build_cells` rejects.
    """
    import h5py

    path = config.data(atlas.path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; check data_dir and atlases.{atlas.name}.path")
    table = config.data(atlas.samples) if atlas.samples else None
    if trouble := probe(path):
        raise InputError(f"{path}: truncated, damaged or not a 10x .h5 file ({trouble})")
    with guarded(path, what="a 10x .h5 file"), h5py.File(path, "r") as handle:
        return _read(group_of(handle, path), path=path, table=table, atlas=atlas, genes=genes, keep=keep)


def group_of(handle: Any, path: Path) -> Any:
    """The group of the one matrix that a 10x file holds.

    Raises
    ------
    InputError
        It holds none, or several genomes.
    """
    found = [name for name in handle if hasattr(handle[name], "keys") and all(part in handle[name] for part in _PARTS)]
    if len(found) != 1:
        what = f"several genomes ({', '.join(found)})" if found else f"no group with {', '.join(_PARTS)}"
        raise InputError(f"{path}: holds {what}; expected one matrix of 10x Genomics")
    return handle[found[0]]


def _read(
    group: Any,
    *,
    path: Path,
    table: Path | None,
    atlas: AtlasConfig,
    genes: GeneTable | None,
    keep: Collection[str] | None,
) -> AnnData:
    labels, types = features_of(group, path)
    barcodes = texts_of(group["barcodes"])
    indptr, shape = group["indptr"][:].astype(np.int64), tuple(int(size) for size in group["shape"][:])
    if shape != (len(labels), len(barcodes)) or len(indptr) != len(barcodes) + 1:
        raise InputError(f"{path}: the matrix is {shape}, but there are {len(labels)} genes and {len(barcodes)} cells")
    if (np.diff(indptr) < 0).any() or indptr[0] != 0 or indptr[-1] > len(group["data"]):
        raise InputError(f"{path}: indptr does not fit the data; the file is damaged")
    cells = pd.DataFrame(index=pd.Index(barcodes, dtype=object)) if table is None else read_cells(table)
    notes = []
    is_known = pd.Index(barcodes).isin(cells.index)
    if not is_known.any():
        raise InputError(f"{table}: none of its cells is in {path.name}; expected barcodes such as {barcodes[0]!r}")
    if not is_known.all():
        notes.append(f"{(~is_known).sum():,} of {len(barcodes):,} cells are not in the table of cells and are left out")
    known = cells.loc[np.array(barcodes)[is_known]]
    obs, is_kept, told = label_cells(known, atlas=atlas, where=str(table or path))
    taken = np.flatnonzero(is_known)[is_kept]
    is_gene = types == GENES if (types == GENES).any() else np.ones(len(labels), dtype=bool)
    other = labels[~is_gene]
    return build_cells(
        _chunks(group, indptr, taken, np.flatnonzero(is_gene), len(labels), atlas.name),
        obs=obs,
        labels=labels[is_gene].reset_index(drop=True),
        atlas=atlas,
        where=str(path),
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in [path, *([table] if table else [])]],
        genes=genes,
        keep=keep,
        lost=pd.DataFrame(
            {"name": other["symbol"], "reason": "not a gene but " + pd.Series(types[~is_gene], other.index)}
        ),
        notes=[*notes, *told],
    )


def features_of(group: Any, path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Ids and symbols, and what kind of feature each is."""
    if "features" in group:
        features = group["features"]
        labels = pd.DataFrame({"ensembl": texts_of(features["id"]), "symbol": texts_of(features["name"])}, dtype=object)
        types = texts_of(features["feature_type"]) if "feature_type" in features else [GENES] * len(labels)
        return labels, np.array(types, dtype=object)
    if "genes" not in group or "gene_names" not in group:
        raise InputError(f"{path}: no names of genes; expected features/id and features/name, or genes and gene_names")
    labels = pd.DataFrame({"ensembl": texts_of(group["genes"]), "symbol": texts_of(group["gene_names"])}, dtype=object)
    return labels, np.array([GENES] * len(labels), dtype=object)


def texts_of(dataset: Any) -> list[str]:
    """The texts of a dataset of bytes or text."""
    return [text.decode("utf-8", errors="replace") if isinstance(text, bytes) else str(text) for text in dataset[:]]


def read_cells(path: Path) -> pd.DataFrame:
    """A table of cells, indexed by its first column.

    Raises
    ------
    InputError
        The file cannot be read, is ragged, or a cell stands twice.
    """
    rows = [(number, line.decode("utf-8", errors="replace")) for number, line in lines(path)]
    if not rows:
        raise InputError(f"{path}: is empty; expected a header and one row per cell")
    mark = "\t" if "\t" in rows[0][1] else ","
    header = [name.strip().strip('"') for name in rows[0][1].split(mark)]
    split = [(number, [field.strip().strip('"') for field in line.split(mark)]) for number, line in rows[1:]]
    for number, fields in split:
        if len(fields) != len(header):
            raise InputError(f"{path}, line {number}: found {len(fields)} fields, expected {len(header)}; mend the row")
    frame = pd.DataFrame([fields for _, fields in split], columns=header, dtype=object).set_index(header[0])
    for twice in frame.index[frame.index.duplicated()][:1]:
        raise InputError(f"{path}: cell {twice!r} stands twice; keep one row")
    return frame


def _chunks(
    group: Any, indptr: np.ndarray, taken: np.ndarray, is_gene: np.ndarray, n_names: int, name: str
) -> Iterator[sparse.csr_matrix]:
    """The cells that are taken, `CHUNK` of the file at a time."""
    from tqdm import tqdm

    starts = range(0, len(indptr) - 1, CHUNK)
    for start in tqdm(starts, desc=f"reading {name}", unit="chunk", leave=False, delay=2, disable=None):
        stop = min(start + CHUNK, len(indptr) - 1)
        low, high = indptr[start], indptr[stop]
        indices = group["indices"][low:high]
        if len(indices) and not 0 <= indices.min() <= indices.max() < n_names:
            raise KeyError("an index lies outside the genes")
        parts = (group["data"][low:high].astype(np.float32), indices, indptr[start : stop + 1] - low)
        cells = sparse.csr_matrix(parts, shape=(stop - start, n_names))
        here = taken[(taken >= start) & (taken < stop)] - start
        yield cells[here][:, is_gene]
