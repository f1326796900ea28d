"""Isoforms in a run: the table that names them, which atlases tell them apart, and the note where none does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from anndata import AnnData

from cartarget.errors import InputError
from cartarget.evidence.isoforms import IsoformAntigen
from cartarget.safety.sourced import identified, read_sourced

ISOFORMS = Path("resources") / "isoforms.tsv"
"""The table that comes with the package's sources."""

COLUMNS = (
    *("antigen", "gene", "transcripts", "others", "differs", "carried_in", "other_in"),
    *("source", "source_title"),
)
_ID = re.compile(r"ENST\d{11}")


def read_isoforms(path: str | os.PathLike[str] = ISOFORMS) -> dict[str, IsoformAntigen]:
    """Read antigens that are one isoform of a gene.

    Parameters
    ----------
    path
        Tab-separated with `COLUMNS`; transcripts are separated by `|`, without version. Without transcripts no table of
        reference transcripts tells the antigen, and it stays a proxy.

    Returns
    -------
    dict
        Antigen → record, in order of appearance.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, a cell is empty, a transcript is no Ensembl id, one stands on both
        sides or one side is empty, an antigen stands twice, or a source is no identifier. The message names the line.

    Examples
    --------
    >>> read_isoforms()["CLDN18.2"].transcripts
    ('ENST00000343735',)
    """
    frame = read_sourced(path, COLUMNS, may_be_empty=("transcripts", "others"))
    identified(frame, ["source"], path)
    found: dict[str, IsoformAntigen] = {}
    for line, row in frame.iterrows():
        where = f"{path}, line {line}"
        if row["antigen"] in found:
            raise InputError(f"{where}: {row['antigen']!r} stands twice; keep one row")
        groups = {key: _transcripts(row[key], where=where) for key in ("transcripts", "others")}
        own, other = groups.values()
        if bool(own) != bool(other):
            empty = "others" if own else "transcripts"
            raise InputError(f"{where}: {empty} is empty; name the transcripts of both sides, or of none")
        for both in set(own) & set(other):
            raise InputError(f"{where}: {both} both carries the antigen and does not; name it once")
        found[row["antigen"]] = IsoformAntigen(**{**row.to_dict(), **groups})
    return found


def _transcripts(cell: str, *, where: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in cell.split("|")) if cell else ()
    for name in names:
        if not _ID.fullmatch(name):
            raise InputError(f"{where}: {name!r} is no Ensembl transcript; expected ENST and 11 digits, no version")
    return names


def told_by(atlases: Mapping[str, AnnData]) -> dict[str, list[str]]:
    """Isoform antigen → the atlases whose transcripts told it."""
    found: dict[str, list[str]] = {}
    for name, adata in atlases.items():
        for antigen in adata.uns["cartarget"].get("isoforms", {}):
            found.setdefault(antigen, []).append(name)
    return found


def isoform_notes(isoforms: Mapping[str, IsoformAntigen], *, told_by: Mapping[str, list[str]]) -> dict[str, str]:
    """What is said of isoforms on the page of each antigen and of its gene.

    Parameters
    ----------
    isoforms
        `read_isoforms`.
    told_by
        Antigen → atlases whose transcripts tell it.

    Examples
    --------
    >>> isoform_notes(read_isoforms(), told_by={"CLDN18.2": ["toil"]})["CLDN18.2"]
    'CLDN18.2 is told by transcripts in toil; atlases of normal tissue without them leave it unknown.'
    """
    found: dict[str, list[str]] = {}
    for name, isoform in isoforms.items():
        found.setdefault(isoform.gene, []).append(isoform.note)
        if name not in told_by:
            found.setdefault(name, []).append(isoform.note)
            continue
        atlases = ", ".join(told_by[name])
        text = f"{name} is told by transcripts in {atlases}; atlases of normal tissue without them leave it unknown."
        found.setdefault(name, []).append(text)
    return {symbol: " ".join(texts) for symbol, texts in found.items()}


def with_isoform_notes(table: pd.DataFrame, *, told_by: Mapping[str, list[str]]) -> pd.DataFrame:
    """Add to each antigen what its isoforms are, and whether the run tells them apart."""
    return table.assign(
        isoform_note=table["symbol"].map(isoform_notes(read_isoforms(), told_by=told_by)).astype(object)
    )
