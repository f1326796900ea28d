"""What every single-cell reader ends with: values checked, counts recovered, names merged into genes, one AnnData."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.recover import LOG_MAX, recover_counts
from cartarget.atlas.formats.tables import resolve_labels
from cartarget.config import AtlasConfig
from cartarget.errors import InputError
from cartarget.genes import GeneTable, plan_merge, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

CHUNK = 4096
"""Cells that are looked at together."""

LOGS = {"log1p": 1.0, "log2": float(np.log(2))}
"""Units of cells that are logs of 1 + x, and what makes a natural log of them."""

LINEAR = ("counts", "TPM", "CPM")

WHOLE = 10_000
"""Genes from which a file is taken to hold the whole transcriptome."""


@dataclass(frozen=True, eq=False)
class _Columns:
    """How names become genes: `genes` (index symbol), a 0/1 matrix names × genes, and the names lost or merged."""

    genes: pd.DataFrame
    matrix: sparse.csr_matrix
    lost: pd.DataFrame


def chunks_of(values: sparse.csr_matrix) -> Iterator[sparse.csr_matrix]:
    """The rows of a matrix, `CHUNK` at a time."""
    for start in range(0, values.shape[0], CHUNK):
        yield values[start : start + CHUNK]


def build_cells(
    chunks: Iterable[sparse.csr_matrix],
    *,
    obs: pd.DataFrame,
    labels: pd.DataFrame,
    atlas: AtlasConfig,
    where: str,
    files: list[dict[str, str]],
    genes: GeneTable | None,
    keep: Collection[str] | None,
    held: dict[str, np.ndarray] | None = None,
    lost: pd.DataFrame | None = None,
    notes: Iterable[str] = (),
) -> AnnData:
    """Build a single-cell atlas from values as they stand in a file.

    Parameters
    ----------
    chunks
        Cells × names, in the order of `obs`; only one chunk is held with all of its names.
    obs
        One row per cell, as `cartarget.atlas.labels.label_cells` makes them.
    labels
        One row per name: columns with symbols or ids.
    atlas, genes, keep
        As every reader has them.
    where
        The file or folder, for messages.
    files
        `{"path", "sha256"}` of each input.
    held
        Dataset → which names its file holds. None: every dataset holds all.
    lost
        Names that the reader itself lost (`name`, `reason`).
    notes
        Sentences for the report.

    Returns
    -------
    AnnData
        Kind `cells`, unit `counts`; or, where counts cannot be recovered, ln(1 + x) with unit `log1p`, and a note
        that positive means above zero and no threshold is swept.

    Raises
    ------
    InputError
        A value is NaN, infinite or negative, the atlas's unit is none of `LINEAR` and `LOGS` (`log1p`: ln(1 + x),
        `log2`: log2(1 + x)), or values contradict it.
    """
    columns = _columns(labels, genes=genes, keep=keep)
    names = labels.iloc[:, 0].astype(str).to_numpy()
    values, unit, note, library = _gather(
        chunks, columns=columns, cells=obs.index, names=names, atlas=atlas, where=where
    )
    obs = _with_depth(obs, library, n_genes=len(labels)) if unit == "counts" else obs
    if atlas.nuclei:
        obs = obs.assign(assay="nuclei")
    is_measured = None
    if held is not None:
        per_name = np.column_stack(list(held.values())).astype(np.int32)
        is_measured = pd.DataFrame(columns.matrix.T.astype(np.int32) @ per_name > 0, columns.genes.index, list(held))
    gone = columns.lost if lost is None else pd.concat([lost, columns.lost])
    return assemble(
        values,
        obs=obs,
        genes=with_ids(columns.genes, genes),
        kind="cells",
        unit=unit,
        atlas=atlas.name,
        files=files,
        lost=gone,
        notes=[*notes, note],
        is_measured=is_measured,
    )


def _columns(labels: pd.DataFrame, *, genes: GeneTable | None, keep: Collection[str] | None) -> _Columns:
    plan = plan_merge(resolve_labels(labels, genes=genes))
    found = np.flatnonzero(plan.gene_of >= 0)
    matrix = sparse.csr_matrix(
        (np.ones(len(found), dtype=np.float32), (found, plan.gene_of[found])), shape=(len(labels), len(plan.genes))
    )
    wanted = np.arange(len(plan.genes)) if keep is None else np.flatnonzero(plan.genes.index.isin(list(keep)))
    return _Columns(plan.genes.iloc[wanted], matrix[:, wanted], plan.lost)


def _gather(
    chunks: Iterable[sparse.csr_matrix],
    *,
    columns: _Columns,
    cells: pd.Index,
    names: np.ndarray,
    atlas: AtlasConfig,
    where: str,
) -> tuple[sparse.csr_matrix, str, str, np.ndarray]:
    """Counts by gene if every chunk gives them, else logs by gene; the unit, what was found, and each cell's counts."""
    library: list[np.ndarray] = []
    counts: list[sparse.csr_matrix] = []
    linear: list[sparse.csr_matrix] = []
    scale: str | None = None
    is_log: bool | None = None
    reason, start = "", 0
    for chunk in chunks:
        _check(chunk, cells=cells[start : start + chunk.shape[0]], names=names, where=where)
        start += chunk.shape[0]
        is_log = _is_log(chunk, before=is_log, atlas=atlas, where=where)
        if not reason:
            found = recover_counts(chunk, scale=scale)
            if scale == "counts" and found.reason:
                raise InputError(
                    f"{where}: whole numbers in the first {start - chunk.shape[0]} cells, but not after; give counts"
                )
            scale, reason = found.scale or None, found.reason
            if found.counts is not None:
                counts.append(_merged(found.counts, columns))
                library.append(np.asarray(found.counts.sum(axis=1)).ravel())
        if scale != "counts":
            linear.append(_merged(_unlogged(chunk, atlas.unit) if is_log else chunk, columns))
    if reason:
        note = f"counts cannot be recovered ({reason}): positive = value > 0; no sweep"
        if not is_log:
            note = f"linear values that are not counts, put on ln(1 + x); {note}"
        return _stack(linear, columns).log1p(), "log1p", note, np.empty(0)
    note = "counts as given" if scale in ("counts", None) else f"counts recovered from {scale}"
    return _stack(counts, columns), "counts", note, np.concatenate(library) if library else np.empty(0)


def _with_depth(obs: pd.DataFrame, library: np.ndarray, *, n_genes: int) -> pd.DataFrame:
    """Each cell's counts over all genes of the file (`library`), and its depth (`n_counts`) where those are all genes.

    A depth that the reader found in the file stands; a file of few genes says nothing of the depth.
    """
    obs = obs.assign(library=library)
    if "n_counts" in obs:
        return obs
    return obs.assign(n_counts=library) if n_genes >= WHOLE else obs


def _unlogged(values: sparse.csr_matrix, unit: str | None) -> sparse.csr_matrix:
    return sparse.csr_matrix((values.astype(np.float64) * LOGS.get(unit or "", 1.0)).expm1())


def _merged(values: sparse.csr_matrix, columns: _Columns) -> sparse.csr_matrix:
    merged = sparse.csr_matrix(values @ columns.matrix, dtype=np.float32)
    merged.eliminate_zeros()
    merged.sort_indices()
    return merged


def _stack(blocks: list[sparse.csr_matrix], columns: _Columns) -> sparse.csr_matrix:
    if not blocks:
        return sparse.csr_matrix(np.zeros((0, len(columns.genes)), dtype=np.float32))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))


def _is_log(values: sparse.csr_matrix, *, before: bool | None, atlas: AtlasConfig, where: str) -> bool | None:
    """Whether values are logs: as the unit says, else by their size; None while there are only zeros."""
    if not values.nnz:
        return before
    most = float(values.data.max())
    if before and most >= LOG_MAX:
        raise InputError(
            f"{where}: the first cells look like logs, but a value is {most:g}; give atlases.{atlas.name}.unit"
        )
    if before is not None:
        return before
    if atlas.unit is not None and atlas.unit not in (*LINEAR, *LOGS):
        expected = ", ".join((*LINEAR, *LOGS))
        raise InputError(f"{where}: atlases.{atlas.name}.unit is {atlas.unit!r}; expected one of {expected}, or none")
    if atlas.unit == "counts" and most < LOG_MAX and (values.data != np.rint(values.data)).any():
        raise InputError(
            f"{where}: atlases.{atlas.name}.unit says counts, but the values look like logs (largest {most:g}, not "
            "whole); give the counts, or set unit: log1p, and counts are recovered where they can be"
        )
    if atlas.unit in LOGS and most >= LOG_MAX:
        raise InputError(
            f"{where}: atlases.{atlas.name}.unit says {atlas.unit}, but a value is {most:g}; give the values' unit"
        )
    return most < LOG_MAX if atlas.unit is None else atlas.unit in LOGS


def _check(values: sparse.csr_matrix, *, cells: pd.Index, names: np.ndarray, where: str) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~((values.data >= 0) & (values.data < np.inf)))
    if not len(bad):
        return
    at = bad[0]
    cell = cells[int(np.searchsorted(values.indptr, at, side="right")) - 1]
    found = values.data[at]
    hint = "scaled or centred data cannot be counted; give the counts" if found < 0 else "every value must be finite"
    raise InputError(
        f"{where}: found {found:g} for gene {str(names[values.indices[at]])!r} in cell {cell!r}; "
        f"expected a number of zero or more ({hint})"
    )
