"""Wide summary tables: one number per gene and tissue or cell type.

What a column stands for is told, in this order: by `tissue` in the configuration (the columns are cell types of that
tissue; `""`: of no one tissue); by names such as `Fibroblast_AdultHeart2` (Human Cell Landscape: cell type and sample,
split at the last underscore, a study's name behind it left out); by `celltype` in the file's name (cell types of no
one tissue); else the columns are tissues.

What unit the numbers have is told by `unit` in the configuration, by the file's name (`ntpm`, `tpm`, `nx`, `cpm`, as a
word of its own), or by the columns' sums (10⁶: CPM; 10⁴: counts per 10,000, made CPM by × 100). Counts become CPM:

    CPM[column, gene] = count[column, gene] / sum over the file's genes (count[column, ·]) × 10⁶
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.tables import read_numbers, resolve_labels
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, merge, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_LINEAR = ("counts", "CPM", "CP10k", "TPM", "nTPM", "NX")
_LOG_MAX, _MANY_GENES = 50.0, 1000
_NAMED_UNITS = {"ntpm": "nTPM", "tpm": "TPM", "nx": "NX", "cpm": "CPM", "counts": "counts"}
_SAMPLE = re.compile(r"_(?:Adult|Fetal|Neonatal)")
# Studies that the Human Cell Landscape took in: `Beta cell_AdultPancreas_Baron` is cell type, tissue, study.
_STUDY = re.compile(
    r"_(?:Baron|Camp|Guo|Lake|LaManno|Li|Muraro|Nguyen|Paresh|Plasschaert|Segerstolpe|Tsang|Velten|VentoTormo|Villani|Zhong)$"
)


def read_summary(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a wide summary table.

    Parameters
    ----------
    atlas
        `path` is one table, genes × tissues or cell types; `unit` and `tissue` say what the file does not.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `summary`, tissues or cell types × genes, linear. Empty fields and `NA` are NaN: not measured. Several
        rows of one gene become their maximum and are listed in `lost`. `donor` is empty: a summary knows none.

    Raises
    ------
    InputError
        The unit cannot be told, counts look like logs, or anything that `read_numbers` rejects.
    """
    path = config.data(atlas.path)
    table = read_numbers(path, may_miss=True)
    values, unit, notes = _linear(table.values, unit=atlas.unit or _unit(path, table.values), path=path, atlas=atlas)
    merged = merge(values, resolve_labels(table.labels, genes=genes), by="max", keep=keep)
    return assemble(
        merged.values,
        obs=_obs(table.columns, path=path, tissue=atlas.tissue),
        genes=with_ids(merged.genes, genes),
        kind="summary",
        unit=unit,
        atlas=atlas.name,
        files=[{"path": path.as_posix(), "sha256": sha256(path)}],
        lost=merged.lost,
        notes=notes,
    )


def _unit(path: Path, values: np.ndarray) -> str | None:
    for word in re.split(r"[^a-z]+", path.name.lower()):
        if word in _NAMED_UNITS:
            return _NAMED_UNITS[word]
    sums = np.nansum(values, axis=1, dtype=np.float64)
    for total, unit in ((1e6, "CPM"), (1e4, "CP10k")):
        if np.allclose(sums, total, rtol=0.01):
            return unit
    return None


def _linear(
    values: np.ndarray, *, unit: str | None, path: Path, atlas: AtlasConfig
) -> tuple[np.ndarray, str, list[str]]:
    """Values on a linear scale per million where that can be had, their unit, and what was done."""
    if unit in _LINEAR and values.shape[1] >= _MANY_GENES and np.nanmax(values) < _LOG_MAX:
        raise InputError(
            f"{path}: the values look like logs (largest {np.nanmax(values):g} among {values.shape[1]} genes), but "
            f"{unit} is expected; undo the log"
        )
    if unit == "CP10k":
        return values * np.float32(100), "CPM", ["counts per 10,000 (every column sums to 10⁴) were multiplied by 100"]
    if unit == "counts":
        library = np.nansum(values, axis=1, dtype=np.float64, keepdims=True)
        if (library == 0).any():
            raise InputError(f"{path}: a column holds no count at all; remove it")
        note = f"counts were made CPM by the sum over the {values.shape[1]} genes of the file"
        return (values / library * 1e6).astype(np.float32), "CPM", [note]
    if unit not in _LINEAR:
        raise InputError(
            f"{path}: the unit of its values is {unit or 'not known'}; set atlases.{atlas.name}.unit to one of "
            f"{', '.join(_LINEAR)}"
        )
    return values, unit, []


def _obs(columns: list[str], *, path: Path, tissue: str | None) -> pd.DataFrame:
    names = pd.Series(columns, dtype=object)
    if tissue is not None:
        tissues, cell_types = pd.Series(tissue, index=names.index), names
    elif names.str.contains(_SAMPLE).mean() > 0.5:
        split = names.str.replace(_STUDY, "", regex=True).str.rsplit("_", n=1)
        tissues, cell_types = split.str[-1], split.str[0].str.strip()
    elif re.search(r"cell.?type", path.name.lower()):
        tissues, cell_types = pd.Series("", index=names.index), names
    else:
        tissues, cell_types = names, pd.Series("", index=names.index)
    frame = {"side": "normal", "donor": "", "tissue": tissues.to_numpy(), "cell_type": cell_types.to_numpy()}
    return pd.DataFrame({**frame, "dataset": path.name.split(".")[0]}, index=columns)
