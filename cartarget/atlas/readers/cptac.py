"""CPTAC: protein of tumours and of the normal tissue beside them, as LinkedOmics gives it (`.cct`).

    attrib_name <tab> 01CO005 <tab> 01CO006 …
    EPCAM <tab> 1.21 <tab> NA …

Values are log2 ratios to a pool of all samples of the study. They tell tumour from normal of one gene, not one gene
from another; a missing value is not measured, and not zero.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.matrix import Streamed, by_gene, names_of, stream_matrix
from cartarget.atlas.formats.stream import lines
from cartarget.atlas.formats.tables import resolve_labels
from cartarget.atlas.labels import cut_donors
from cartarget.atlas.readers.bulk import check_names
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_SIDES = {"tumor": "*tumor*.cct*", "normal": "*normal*.cct*"}


def read_cptac(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read log2 ratios of tumours and their paired normals.

    Parameters
    ----------
    atlas
        `path` is a folder with one file of tumours and one of normals; `tumor` and `normal` are patterns of their names
        (`*tumor*.cct*`, `*normal*.cct*`, in any case). `labels.donor_pattern` cuts the patient out of a
        sample's name; without it a final `N` of normals is cut. `tissue` is that of the normals.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `ratios`, unit `log2 ratio`: samples × genes that are in both files; NaN not measured.

    Raises
    ------
    InputError
        Not exactly one file matches a pattern, no patient has both samples, a file breaks the format, or the values are
        no ratios (none below zero).
    """
    folder = config.data(atlas.path)
    files = {side: _file(folder, getattr(atlas, side) or _SIDES[side], side, atlas.name) for side in _SIDES}
    parts = {side: _read(path, genes=genes, keep=keep) for side, path in files.items()}
    obs = pd.concat([_obs(parts[side][1], side, atlas, files[side]) for side in _SIDES])
    pairs = set(obs.loc[obs["side"] == "tumor", "donor"]) & set(obs.loc[obs["side"] == "normal", "donor"])
    if not pairs:
        raise InputError(f"{folder}: no patient has a tumour and a normal sample; set atlases.{atlas.name}.labels."
                         "donor_pattern to what cuts the patient out of their names")  # fmt: skip
    merged = {side: by_gene(table, resolve_labels(table.labels, genes=genes), by="max", keep=keep)
              for side, (table, _) in parts.items()}  # fmt: skip
    shared = merged["tumor"].genes.index.intersection(merged["normal"].genes.index, sort=False)
    values = [merged[side].values[:, merged[side].genes.index.get_indexer(shared)] for side in _SIDES]
    return assemble(
        np.vstack(values),
        obs=obs,
        genes=with_ids(merged["tumor"].genes.loc[shared], genes),
        kind="ratios",
        unit="log2 ratio",
        atlas=atlas.name,
        files=[{"path": path.as_posix(), "sha256": sha256(path)} for path in files.values()],
        lost=pd.concat([part.lost for part in merged.values()]).drop_duplicates(),
        notes=[f"{len(pairs)} patients have a tumour and a normal sample; ratios compare them gene by gene"],
    )


def _file(folder: Path, pattern: str, side: str, name: str) -> Path:
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; check data_dir and atlases.{name}.path, or `cartarget atlas fetch cptac_luad`"
        )
    found = sorted(path for path in folder.iterdir() if fnmatch.fnmatch(path.name.lower(), pattern.lower()))
    if len(found) != 1:
        what = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder}: {pattern!r} matches {what}; set atlases.{name}.{side} to match one file")
    return found[0]


def _read(path: Path, *, genes: GeneTable | None, keep: Collection[str] | None) -> tuple[Streamed, list[str]]:
    rows = lines(path)
    header = next(rows, (0, b""))[1].decode("utf-8", errors="replace").split("\t")
    if len(header) < 2:
        raise InputError(f"{path}, line 1: found {header[0][:40]!r}; expected attrib_name, and one column a sample")
    columns = check_names([name.strip() for name in header[1:]], path=path)
    slots = np.arange(len(columns), dtype=np.int32)
    table = stream_matrix(
        rows,
        where=path,
        label_names=["gene"],
        slots=slots,
        shift=0.0,
        wanted=names_of(keep, genes=genes),
        may_miss=True,
    )
    if table.low >= 0:
        raise InputError(f"{path}: no value is below zero; expected log2 ratios to a common reference")
    return table, columns


def _obs(columns: list[str], side: str, atlas: AtlasConfig, path: Path) -> pd.DataFrame:
    names = pd.Series(columns, index=[f"{name} ({side})" for name in columns], dtype=object)
    donors = names if side == "tumor" else names.str.removesuffix("N")
    if atlas.labels.donor_pattern:
        donors = cut_donors(names, atlas=atlas, where=str(path))
    place = "tumor" if side == "tumor" else atlas.tissue or "tumor microenvironment"
    return pd.DataFrame({"side": side, "donor": donors, "tissue": place, "cell_type": "", "dataset": atlas.name})
