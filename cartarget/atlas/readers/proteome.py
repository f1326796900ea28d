"""Protein of normal organs by mass spectrometry: the Human Proteome Map, and the table of Kuster (ProteomicsDB).

    Gene ID <tab> Adult_Colon <tab> Fetal_Gut …        shares of all protein; 0 is not detected
    GENE <tab> adrenal_gland <tab> cerebral_cortex …   parts per million; x is not detected

A gene that the table does not hold was found nowhere, or not looked for: it is unknown.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, merge, resolve, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

NOT_DETECTED = "x"
NO_ORGANS = ("anus", "ascites", "earwax", "milk", "platelets", "saliva", "vulva")
"""Columns that are no organ, or none of which the tier table knows."""

_FOETAL, _ADULT = "fetal_", "adult_"
_PLACES = {
    "cardia": ("stomach", ""),
    "cd4tcells": ("blood", "T cell"),
    "cd8tcells": ("blood", "T cell"),
    "frontalcortex": ("cerebral cortex", ""),
    "gut": ("small intestine", ""),
    "oral cavity": ("oral mucosa", ""),
    "tube": ("fallopian tube", ""),
    "uterus post-menopause": ("uterus", ""),
    "uterus pre-menopause": ("uterus", ""),
}
"""Names of these tables → tissue and cell type; the tier table knows the others."""


def read_proteome(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a table of proteins detected in normal organs.

    Parameters
    ----------
    atlas
        `path` is one tab-separated table, genes × organs: Ensembl ids or symbols in the first column.
    config
        `data_dir`.
    genes
        Gene table, needed for Ensembl ids. None: names as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `proteome`, unit `ppm`: organs × genes, 0 not detected. `obs["is_foetal"]` tells organs of a foetus.

    Raises
    ------
    InputError
        The file cannot be read, holds no organ, a value is no number, or columns are neither shares nor parts per
        million of all protein.
    """
    path = config.data(atlas.path)
    frame = _read(path)
    organs = {str(name): _key(str(name)) for name in frame if _key(str(name)) not in NO_ORGANS}
    if not organs:
        raise InputError(f"{path}: no column is an organ; found {', '.join(map(str, frame.columns)) or 'none'}")
    values = _ppm(_numbers(frame[list(organs)], path), path)
    names = frame.index.astype(str)
    merged = merge(values.T, resolve(names, table=genes, ids=names), by="max", keep=keep)
    left_out = [str(name) for name in frame if str(name) not in organs]
    return assemble(
        merged.values,
        obs=_obs(organs, dataset=atlas.name),
        genes=with_ids(merged.genes, genes),
        kind="proteome",
        unit="ppm",
        atlas=atlas.name,
        files=[{"path": path.as_posix(), "sha256": sha256(path)}],
        lost=merged.lost,
        notes=[f"left out, since they are no organ with a tier: {', '.join(left_out)}"] if left_out else [],
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, index_col=0, quoting=3)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check data_dir and the path in the configuration") from None
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table, genes × organs") from error


def _key(name: str) -> str:
    """What a column is called, without the age."""
    return name.strip().lower().removeprefix(_FOETAL).removeprefix(_ADULT).replace("_", " ")


def _numbers(frame: pd.DataFrame, path: Path) -> np.ndarray:
    told = frame.apply(lambda column: column.str.strip()).replace(NOT_DETECTED, "0")
    values = told.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.argwhere(~np.isfinite(values) | (values < 0))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{path}, line {row + 2}: {frame.columns[column]} is {frame.iloc[row, column]!r}; expected zero or more, "
            f"or {NOT_DETECTED} for not detected"
        )
    return values


def _ppm(values: np.ndarray, path: Path) -> np.ndarray:
    """Parts per million of all protein, from these or from shares."""
    total = float(np.median(values.sum(axis=0))) if values.size else 0.0
    if 0.5 <= total <= 2:
        return values * 1e6
    if 0.5e6 <= total <= 2e6:
        return values
    raise InputError(
        f"{path}: the columns sum to {total:g}; expected shares of all protein (about 1) or parts per million (about "
        "1,000,000)"
    )


def _obs(organs: dict[str, str], *, dataset: str) -> pd.DataFrame:
    places = [_PLACES.get(key, (key, "")) for key in organs.values()]
    return pd.DataFrame(
        {
            "side": "normal",
            "donor": "",
            "tissue": [tissue for tissue, _ in places],
            "cell_type": [cell_type for _, cell_type in places],
            "dataset": dataset,
            "is_foetal": [name.strip().lower().startswith(_FOETAL) for name in organs],
        },
        index=pd.Index(list(organs), dtype=object),
    )
