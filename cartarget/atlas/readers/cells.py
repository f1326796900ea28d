"""Single cells as text: genes × cells tables, one file per patient and side, as E-MTAB-6149 comes."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartarget.atlas.formats.tables import NumberTable, read_numbers
from cartarget.atlas.labels import MALIGNANT, MICROENVIRONMENT, cut_donors
from cartarget.atlas.readers.single_cell import build_cells, chunks_of
from cartarget.config import AtlasConfig, Config
from cartarget.errors import ConfigError, InputError
from cartarget.files import sha256

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable


def read_cell_tables(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read single-cell tables: genes in rows, cells in columns, one file per patient and side.

    Parameters
    ----------
    atlas
        `path` is a folder; `tumor` and `normal` are patterns of the names of its files (files that fit neither are left
        out); `labels.donor_pattern` finds the donor in a file's name (without it, each file is a donor).
        `tissue` is that of the normal cells; without it they are the tumour's surroundings.
    config
        `data_dir` and `indication`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `cells`; unit and notes as `cartarget.atlas.readers.single_cell.build_cells` says. Each file is a dataset;
        a gene that a file lacks is not measured there. Cells are named `DONOR:CELL`.

    Raises
    ------
    ConfigError
        A pattern is missing or wrong.
    InputError
        No file fits a pattern, a file fits both, a cell of a donor stands twice, or anything that
        `cartarget.atlas.formats.tables.read_numbers` or `build_cells` rejects.
    """
    from tqdm import tqdm

    folder = config.data(atlas.path)
    sides = _sides(folder, atlas=atlas, indication=config.indication)
    tables = [
        read_numbers(file)
        for file in tqdm(sides, desc=f"reading {atlas.name}", unit="file", leave=False, delay=2, disable=None)
    ]
    obs = pd.concat([_obs(table, file, side, atlas) for table, (file, side) in zip(tables, sides.items(), strict=True)])
    for twice in obs.index[obs.index.duplicated()][:1]:
        raise InputError(f"{folder}: cell {twice!r} stands in two files of its donor; remove one")
    labels, positions = _union([table.labels for table in tables])
    held = {
        dataset: np.isin(np.arange(len(labels)), at)
        for dataset, at in zip(obs["dataset"].unique(), positions, strict=True)
    }
    return build_cells(
        chunks_of(_stack(tables, positions, n_names=len(labels))),
        obs=obs,
        labels=labels,
        atlas=atlas,
        where=str(folder),
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in sides],
        genes=genes,
        keep=keep,
        held=held,
        notes=[]
        if atlas.tissue not in (None, MICROENVIRONMENT)
        else ["normal cells are the tumour's surroundings: no healthy tissue is in this atlas"],
    )


def _sides(folder: Path, *, atlas: AtlasConfig, indication: str) -> dict[Path, str]:
    """The files of each side, in order of their names."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check data_dir and atlases.{atlas.name}.path")
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    sides: dict[str, str] = {}
    for side in ("tumor", "normal"):
        pattern = getattr(atlas, side)
        key = f"atlases.{atlas.name}.{side}"
        if not pattern:
            raise ConfigError(
                f"{key} is missing; give a pattern of the {side} files' names, such as '*_{side}_*.txt.gz'"
            )
        found = fnmatch.filter(names, pattern.replace("{indication}", indication))
        if not found:
            raise InputError(f"{folder}: no file fits {key} {pattern!r}; its files: {', '.join(names[:6]) or 'none'}")
        for name in found:
            if name in sides:
                raise InputError(
                    f"{folder / name}: fits both atlases.{atlas.name}.tumor and .normal; narrow the patterns"
                )
            sides[name] = side
    return {folder / name: side for name, side in sorted(sides.items())}


def _obs(table: NumberTable, file: Path, side: str, atlas: AtlasConfig) -> pd.DataFrame:
    donor = cut_donors(pd.Series([file.name]), atlas=atlas, where=str(file))[0]
    donor = file.name.split(".")[0] if donor == file.name else donor
    is_tumor = side == "tumor"
    tissue = "tumor" if is_tumor else atlas.tissue or MICROENVIRONMENT
    about = {"side": side, "donor": donor, "tissue": tissue, "cell_type": MALIGNANT if is_tumor else ""}
    index = pd.Index([f"{donor}:{cell}" for cell in table.columns], dtype=object)
    return pd.DataFrame({**about, "dataset": file.name.split(".")[0]}, index=index, dtype=object)


def _union(labels: list[pd.DataFrame]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """All names of all files, and where each file's names stand among them; a name twice in a file stays twice."""
    keyed = []
    for frame in labels:
        text = frame.astype(str)
        key = text.iloc[:, 0].str.cat(text.iloc[:, 1:], sep="\t")
        keyed.append(key + "\t" + frame.groupby(key.to_numpy()).cumcount().astype(str))
    union = pd.Index(pd.concat(keyed).unique())
    placed = [frame.set_axis(range(frame.shape[1]), axis=1) for frame in labels]  # files may head them differently
    rows = pd.concat(placed).fillna("").set_axis(pd.concat(keyed).to_numpy())
    return rows[~rows.index.duplicated()].loc[union].reset_index(drop=True), [union.get_indexer(key) for key in keyed]


def _stack(tables: list[NumberTable], positions: list[np.ndarray], *, n_names: int) -> sparse.csr_matrix:
    blocks = []
    for table, at in zip(tables, positions, strict=True):
        block = sparse.coo_matrix(table.values)
        blocks.append(sparse.csr_matrix((block.data, (block.row, at[block.col])), shape=(len(table.values), n_names)))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
