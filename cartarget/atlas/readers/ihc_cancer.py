"""Antibody stains of cancers (Human Protein Atlas): of how many patients is the tumour stained how strongly?"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.readers.ihc import LEVELS, read_columns
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, apply_plan, plan_merge, resolve, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_COLUMNS = {
    "id": ("ensembl", "Gene"),
    "gene": ("Gene.name", "Gene name"),
    "cancer": ("cancer", "Cancer"),
    **{level: (level.replace(" ", "."), level) for level in LEVELS},
}


def read_ihc_cancer(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read the stains of one cancer.

    Parameters
    ----------
    atlas
        `path` is the table (`Gene`, `Gene name`, `Cancer`, and the patients at `High`, `Medium`, `Low`,
        `Not detected`); `tumor` is the cancer as it calls it, such as `colorectal cancer`.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `stained`, unit `patients`: one observation per level (`obs["level"]`: 0 not detected, 1 low, 2 medium,
        3 high), with the number of patients. Several rows of a gene are added.

    Raises
    ------
    InputError
        A column is missing, a number cannot be read, a row is ragged, or the cancer is not in the table (the nearest
        are named).
    """
    path = config.data(atlas.path)
    table = read_columns(path, _COLUMNS).to_pandas().astype(object)
    mine = table[table["cancer"].str.lower() == (atlas.tumor or "").lower()]
    if mine.empty:
        known = sorted(table["cancer"].astype(str).unique())
        near = difflib.get_close_matches(atlas.tumor or "", known, n=3, cutoff=0.4) or known
        raise InputError(
            f"{path}: no cancer {atlas.tumor!r}; set atlases.{atlas.name}.tumor to one it has: {', '.join(near)}"
        )
    plan = plan_merge(resolve(mine["gene"], table=genes, ids=mine["id"]))
    merged = apply_plan(_patients(mine, path), plan, by="sum", keep=keep)
    cancer = str(mine["cancer"].iloc[0])
    obs = pd.DataFrame({"side": "tumor", "level": range(len(LEVELS))}, index=[f"{cancer} | {name}" for name in LEVELS])
    return assemble(
        merged.values,
        obs=obs.assign(donor="", tissue="tumor", cell_type="", dataset=path.name.split(".")[0]),
        genes=with_ids(merged.genes, genes),
        kind="stained",
        unit="patients",
        atlas=atlas.name,
        files=[{"path": path.as_posix(), "sha256": sha256(path)}],
        lost=merged.lost,
        notes=[f"patients with {cancer}, by how strongly the tumour is stained"],
    )


def _patients(rows: pd.DataFrame, path: Path) -> np.ndarray:
    """Patients at each of `LEVELS`, levels × rows; an empty cell is none."""
    texts = rows[list(LEVELS)].fillna("").astype(str).replace("", "0")
    counts = texts.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    for row, column in np.argwhere(~((counts >= 0) & (counts < np.inf)))[:1]:
        line, found = int(rows.index[row]) + 2, texts.iloc[row, column]
        raise InputError(f"{path}, line {line}: {LEVELS[column]} is {found!r}; expected a number of patients")
    return counts.T.astype(np.float32)
