"""What every streamed bulk matrix ends with: samples chosen, values made CPM, names merged into genes, one AnnData."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.matrix import Unit, by_gene, check_unit, find_unit, names_of, peek, stream_matrix
from cartarget.atlas.formats.tables import resolve_labels
from cartarget.config import AtlasConfig
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, with_ids

if TYPE_CHECKING:
    from anndata import AnnData


COUNTED = ("counts", "coverage")
"""Quantities of which a sample's share is taken."""


def build_bulk(
    rows: Iterator[tuple[int, bytes]],
    *,
    path: Path,
    label_names: list[str],
    columns: list[str],
    obs: pd.DataFrame,
    kind: str,
    atlas: AtlasConfig,
    genes: GeneTable | None,
    keep: Collection[str] | None,
    unit: str | None = None,
    files: list[Path] | None = None,
    notes: list[str] | None = None,
) -> AnnData:
    """Read a matrix as it streams by, and make an atlas of it.

    Counts (and base coverage, in which a read counts by its length) become CPM by the whole library: all rows are
    counted, also those that are not kept. TPM stay TPM.

    Parameters
    ----------
    rows
        Line numbers and lines below the header.
    path
        The file.
    label_names
        What its leading columns are called.
    columns
        What its number columns are called, in order.
    obs
        The samples (or tissues) that are wanted, indexed by column name, as the atlas contract has them.
    kind
        `samples` or `summary`.
    atlas, genes, keep
        As every reader has them.
    unit
        What the values are if the configuration does not say (a key of `cartarget.atlas.formats.matrix.UNITS`).
    files
        Other files that were read.
    notes
        Sentences for the report.

    Returns
    -------
    AnnData
        `uns["cartarget"]["symbols"]` lists every gene of the file, also where `keep` left only some; `obs["library"]`
        is what each sample's values sum to over all rows of the file.

    Raises
    ------
    InputError
        The unit cannot be told or contradicts the values, a sample has no count, or anything that `stream_matrix`
        rejects.
    """
    slots = pd.Index(obs.index).get_indexer(pd.Index(columns)).astype(np.int32)
    shared = {"where": path, "label_names": label_names, "slots": slots, "may_miss": kind == "summary"}
    first, rows = peek(rows)
    look = stream_matrix(iter(first), shift=0.0, wanted=lambda label: False, **shared)
    key = f"atlases.{atlas.name}.unit"
    stated = atlas.unit or unit
    found = find_unit(stated, first=look, where=path, key=key)
    wanted = names_of(keep, genes=genes)
    table = stream_matrix(_shown(rows, atlas.name), shift=found.shift, wanted=wanted, **shared)
    check_unit(found, stated=stated or found.quantity, table=table, where=path, whole=True)
    resolved = resolve_labels(table.labels, genes=genes)
    merged = by_gene(table, resolved, by="sum" if kind == "samples" else "max", keep=keep)
    values, made = _scaled(merged.values, table.totals, found, obs=obs, path=path)
    adata = assemble(
        values,
        obs=obs,
        genes=with_ids(merged.genes, genes),
        kind=kind,
        unit=made,
        atlas=atlas.name,
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in [path, *(files or [])]],
        lost=merged.lost,
        notes=[*(notes or []), *_said(found, made, stated)],
    )
    if kind == "samples":
        adata.obs["library"] = table.totals
    adata.uns["cartarget"]["symbols"] = sorted(set(resolved["symbol"].dropna()))
    return adata


def check_names(columns: list[str], *, path: Path) -> list[str]:
    """The names of a file's number columns, none of which may stand twice."""
    index = pd.Index(columns, dtype=object)
    for twice in index[index.duplicated()][:1]:
        raise InputError(f"{path}: column {twice!r} stands twice; each sample needs its own name")
    return columns


def _shown(rows: Iterator[tuple[int, bytes]], name: str) -> Iterator[tuple[int, bytes]]:
    from tqdm import tqdm

    return iter(tqdm(rows, desc=f"reading {name}", unit=" genes", leave=False, delay=2, mininterval=0.5, disable=None))


def _scaled(
    values: np.ndarray, totals: np.ndarray, unit: Unit, *, obs: pd.DataFrame, path: Path
) -> tuple[np.ndarray, str]:
    if unit.quantity not in COUNTED:
        return values, unit.quantity
    for empty in np.flatnonzero(totals == 0)[:1]:
        raise InputError(f"{path}: sample {obs.index[empty]!r} has no count at all; remove it")
    np.multiply(values, (1e6 / totals)[:, None].astype(np.float32), out=values)
    return values, "CPM"


def _said(unit: Unit, made: str, stated: str | None) -> list[str]:
    notes = [] if stated else [f"no unit is stated: the values look like {unit.quantity}"]
    if unit.shift:
        notes.append(f"values were log2(x + {unit.shift:g}), and x is used")
    if unit.quantity in COUNTED:
        notes.append("CPM by the whole library: all rows of the file are counted before any gene is lost")
    elif made == "TPM":
        notes.append("values are TPM, which thresholds in CPM do not fit: give counts to screen them")
    if unit.quantity == "coverage":
        notes.append("values are base coverage: libraries are sized in bases")
    return notes
