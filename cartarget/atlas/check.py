"""What was understood of an atlas, in a few lines that a person reads before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartarget.atlas.batch import tell_batches
from cartarget.atlas.contract import KINDS

if TYPE_CHECKING:
    from anndata import AnnData

SHOWN = 12
"""Names that a line lists at most."""


def describe(adata: AnnData) -> list[str]:
    """Say what an atlas holds.

    Parameters
    ----------
    adata
        Any reader's result.

    Returns
    -------
    list of str
        Lines: kind and unit; observations and patients of each side; tissues; cell types; genes kept, lost and merged,
        with the reasons counted; depth, detection and housekeeping of each data set; the reader's notes.

    Examples
    --------
    >>> from cartarget.atlas import read_atlas
    >>> from cartarget.config import Config
    >>> lines = describe(read_atlas(Config().atlases[0], config=Config()))
    >>> lines[0]
    'simulated: single cells; unit counts'
    """
    about = adata.uns["cartarget"]
    obs = adata.obs
    nuclei = "nuclei in place of " if about.get("assay") == "nuclei" else "nuclei among " if "assay" in obs else ""
    lines = [f"{about['atlas']}: {nuclei}{KINDS[about['kind']]}; unit {about['unit']}"]
    what = {"samples": "sample", "ratios": "sample", "cells": "cell"}.get(about["kind"], "entry")
    for side, rows in obs.groupby("side", observed=True):
        donors = rows["donor"][rows["donor"].astype(str) != ""]
        whose = f" of {_counted(donors.nunique(), 'donor')}, {_each(donors.value_counts())} each" if len(donors) else ""
        lines.append(f"  {side}: {_counted(len(rows), what)}{whose}")
    lines += _paired(obs)
    normal = obs[obs["side"] == "normal"]
    for column, word in (("tissue", "tissue"), ("cell_type", "cell type")):
        names = normal[column].astype(str)
        lines += _listed(names[names != ""], word)
    batches, warnings = tell_batches(adata)
    notes = dict.fromkeys([*about["notes"], *warnings])
    return [*lines, *_genes(adata), *_batches(batches), *(f"  note: {note}" for note in notes)]


def _batches(rows: list[dict[str, Any]]) -> list[str]:
    """Depth, detection and housekeeping level of each data set."""
    shown = []
    for row in rows[:SHOWN]:
        depth = "" if row["depth"] is None else f"depth {row['depth']:,.0f}, "
        steady = row["housekeeping"] is not None
        level = f", housekeeping {row['housekeeping']:.1f} ± {row['housekeeping_spread']:.1f} log2" if steady else ""
        tmm = "" if row["tmm"] is None else f", TMM {row['tmm']:.2f}"
        detected = f"{row['detection_rate']:.0%} of the genes detected"
        shown.append(f"  batch {row['dataset']} ({row['side']}): {depth}{detected}{level}{tmm}")
    more = [f"  and {len(rows) - SHOWN:,} more batches, listed in batches.tsv of the run"] if len(rows) > SHOWN else []
    return shown + more


def _paired(obs: pd.DataFrame) -> list[str]:
    """How many people gave both sides."""
    donors = obs["donor"].astype(str)
    sides = [set(donors[obs["side"] == side]) - {""} for side in ("tumor", "normal")]
    n = len(sides[0] & sides[1])
    return [f"  {_counted(n, 'donor')} gave both"] if n else []


def _listed(names: pd.Series, word: str) -> list[str]:
    counts = names.value_counts()
    if counts.empty:
        return []
    shown = ", ".join(f"{name} ({count:,})" for name, count in counts.head(SHOWN).items())
    more = f" and {len(counts) - SHOWN:,} more" if len(counts) > SHOWN else ""
    return [f"  {_counted(len(counts), word)}: {shown}{more}"]


def _counted(n: int, word: str) -> str:
    several = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{n:,} {word if n == 1 else several}"


def _each(counts: pd.Series) -> str:
    low, high = counts.min(), counts.max()
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _genes(adata: AnnData) -> list[str]:
    lost = adata.uns["cartarget"]["lost"]
    kinds = lost["reason"].str.replace(r"(ambiguous|its id is that of|merged into|not a gene but).*", r"\1", regex=True)
    counts = ", ".join(f"{count:,} {reason}" for reason, count in kinds.value_counts().items())
    lines = [f"  {adata.n_vars:,} genes; {len(lost):,} names lost or merged{': ' if counts else ''}{counts}"]
    if "is_measured" in adata.varm:
        held = adata.varm["is_measured"]
        partly = int((~held.to_numpy().all(axis=1)).sum())
        if partly:
            lines.append(f"  {partly:,} genes are not measured in every one of {held.shape[1]} data sets")
    return lines
