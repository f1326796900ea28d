"""Single cells as a sparse matrix in a folder: `matrix.mtx` with its genes and cells, 10x names included."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from cartarget.atlas.formats.tables import opened
from cartarget.atlas.labels import label_cells
from cartarget.atlas.readers.single_cell import build_cells, chunks_of
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import sha256

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable

MOST_ROWS = 5_000_000
"""Genes or cells that a matrix in text may have."""

_EXPRESSION = "Gene Expression"


def read_mtx(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a folder with a Matrix Market file of genes × cells.

    Parameters
    ----------
    atlas
        `path` is a folder with `matrix.mtx`; `genes.tsv` or 10x's `features.tsv` (no header; symbols, or ids and
        symbols; of the feature types only `Gene Expression` is read); and `cells.tsv` (a header; the first column is
        the cell's name) or 10x's `barcodes.tsv` (no header). With both, `cells.tsv` describes the barcodes, in
        any order. Each plain or `.gz`. `labels` says what the columns of `cells.tsv` mean.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `cells`; unit and notes as `cartarget.atlas.readers.single_cell.build_cells` says.

    Raises
    ------
    ConfigError
        A label's column does not exist.
    InputError
        A file is missing or broken, the matrix disagrees with its genes or cells, or anything that `label_cells` or
        `build_cells` rejects; the message names the file, and the line where there is one.
    """
    given = read_folder(config.data(atlas.path), atlas=atlas)
    obs, is_kept, notes = label_cells(given.cells, atlas=atlas, where=str(given.files[-1]))
    is_gene, lost = _expression(given.labels)
    by_cell = given.values[np.flatnonzero(is_kept)][:, np.flatnonzero(is_gene)]
    return build_cells(
        chunks_of(by_cell),
        obs=obs,
        labels=given.labels[is_gene].iloc[:, :2].reset_index(drop=True),
        atlas=atlas,
        where=str(given.files[0]),
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in given.files],
        genes=genes,
        keep=keep,
        lost=lost,
        notes=notes,
    )


class Folder(NamedTuple):
    """What a folder holds: values (cells × features), names of features, the table of cells, and the files."""

    values: sparse.csr_matrix
    labels: pd.DataFrame
    cells: pd.DataFrame
    files: tuple[Path, ...]


def read_folder(folder: Path, *, atlas: AtlasConfig) -> Folder:
    """A Matrix Market file with the names of its features and cells.

    Raises
    ------
    InputError
        A file is missing or broken, or the matrix disagrees with its features or cells.
    """
    matrix = _file(folder, "matrix.mtx", atlas=atlas)
    features = _file(folder, "genes.tsv", "features.tsv", atlas=atlas)
    cells_file, cells, used = _cells(folder, atlas)
    labels = _table(features, has_header=False)
    values = _matrix(matrix)
    expected = (len(labels), len(cells))
    if values.shape != expected:
        found = f"{values.shape[0]} rows × {values.shape[1]} columns"
        raise InputError(
            f"{matrix}: {found}, but {features.name} names {expected[0]} genes and {cells_file.name} "
            f"{expected[1]} cells; expected genes × cells, one line per gene (no header) and per cell"
        )
    return Folder(sparse.csr_matrix(values.T, dtype=np.float32), labels, cells, (matrix, features, *used))


def _file(folder: Path, *names: str, atlas: AtlasConfig) -> Path:
    found = _maybe(folder, *names)
    if found is None:
        raise InputError(
            f"{folder}: no {' or '.join(names)} (plain or .gz); check data_dir and atlases.{atlas.name}.path, "
            "and see `cartarget.atlas.readers.mtx.read_mtx` for the files that belong together"
        )
    return found


def _maybe(folder: Path, *names: str) -> Path | None:
    """The file of one of these names, plain or gzipped; else the only one that ends so, as GEO names it (`GSM1_…`)."""
    files = [f"{name}{suffix}" for name in names for suffix in (".gz", "")]
    exact = next((folder / file for file in files if (folder / file).is_file()), None)
    prefixed = [path for file in files for path in folder.glob(f"*_{file}")]
    return exact if exact or len(prefixed) != 1 else prefixed[0]


def _table(path: Path, *, has_header: bool) -> pd.DataFrame:
    """A tab-separated table as text, each line with the same number of fields."""
    with opened(path) as handle:
        octets = handle.read()
        if octets.count(b"\n") > MOST_ROWS:
            raise InputError(f"{path}: more than {MOST_ROWS:,} lines; expected one per gene or cell")
        try:
            lines = octets.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise InputError(f"{path}: not text in UTF-8") from None
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if len(rows) < 1 + has_header:
        raise InputError(f"{path}: no row; expected one line per {'cell below a header' if has_header else 'row'}")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{path}, line {number}: found {len(row)} fields, expected {len(rows[0])} as in line 1; mend the row"
            )
    columns = pd.Index(rows[0] if has_header else range(len(rows[0])))
    for twice in columns[columns.duplicated()][:1]:
        raise InputError(f"{path}, line 1: column {twice!r} stands twice; give each column its own name")
    return pd.DataFrame(rows[has_header:], columns=columns, dtype=object)


def _cells(folder: Path, atlas: AtlasConfig) -> tuple[Path, pd.DataFrame, list[Path]]:
    """The file that names the matrix's columns, their table in that order, and the files that were read."""
    described, barcodes = _maybe(folder, "cells.tsv"), _maybe(folder, "barcodes.tsv")
    if described is None:
        path = _file(folder, "cells.tsv", "barcodes.tsv", atlas=atlas)
        return path, _table(path, has_header=False).set_index(0).rename_axis("cell"), [path]
    cells = _table(described, has_header=True)
    cells = cells.set_index(cells.columns[0])
    if barcodes is None:
        return described, cells, [described]
    order = _table(barcodes, has_header=False)[0]
    for cell in order[~order.isin(cells.index)][:1]:
        raise InputError(f"{described}: cell {cell!r} of {barcodes.name} is missing; give it a row")
    for twice in cells.index[cells.index.duplicated()][:1]:
        raise InputError(f"{described}: cell {twice!r} stands twice; each cell needs its own name")
    return barcodes, cells.loc[order], [barcodes, described]


class _Forward:
    """A file that can only be read on: where scipy could seek back from damage, it would end the process."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.read = handle.read


def _check_text(path: Path) -> None:
    """Raise at the first byte that no Matrix Market file holds: scipy's reader would end the process over it."""
    number = 0
    with opened(path) as handle:
        while lines := handle.readlines(1 << 20):
            if not all(line.isascii() for line in lines) or any(b"\0" in line for line in lines):
                at = next(n for n, line in enumerate(lines, start=1) if not line.isascii() or b"\0" in line)
                raise InputError(
                    f"{path}, line {number + at}: not plain text; expected a Matrix Market file of numbers, genes × "
                    "cells"
                )
            number += len(lines)


def _matrix(path: Path) -> sparse.coo_matrix:
    from scipy.io import mmread

    _check_text(path)
    with opened(path) as handle:
        try:
            values = sparse.coo_matrix(mmread(_Forward(handle), spmatrix=True))
        except (ValueError, OverflowError, MemoryError) as error:
            reason = str(error)
            at = f", {reason[0].lower()}{reason[1:]}" if reason.startswith("Line ") else f": {reason}"
            raise InputError(
                f"{path}{at.rstrip('.')}; expected a Matrix Market file of numbers, genes × cells"
            ) from None
    if values.dtype.kind == "c":
        raise InputError(f"{path}, line 1: holds complex numbers; expected real or integer")
    entries = values.row.astype(np.int64) * values.shape[1] + values.col
    order = np.argsort(entries, kind="stable")
    for at in order[1:][np.diff(entries[order]) == 0][:1]:
        raise InputError(
            f"{path}: row {values.row[at] + 1}, column {values.col[at] + 1} stands twice; each value may stand once"
        )
    return values


def _expression(labels: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Which rows are genes, and the others (antibodies, guides) as lost names."""
    if labels.shape[1] < 3 or not (labels[2] == _EXPRESSION).any():
        return np.ones(len(labels), dtype=bool), pd.DataFrame({"name": [], "reason": []}, dtype=object)
    is_gene = (labels[2] == _EXPRESSION).to_numpy()
    other = labels[~is_gene]
    return is_gene, pd.DataFrame({"name": other[1], "reason": "not a gene but " + other[2]})
