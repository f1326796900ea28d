"""Human Protein Atlas tables of RNA, one row per gene and tissue or cell type, as they are downloaded (zip)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, apply_plan, plan_merge, resolve, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_PLACES = ("Tissue", "Cell type", "Brain region", "Blood cell")
_VALUES = ("nTPM", "NX", "pTPM", "TPM")


def read_hpa(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a long table of the Human Protein Atlas.

    Parameters
    ----------
    atlas
        `path` is the table (`.zip`, `.gz` or plain) with `Gene`, `Gene name`, `Tissue` or `Cell type`, and `nTPM` (else
        `NX`, `pTPM`, `TPM`).
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `summary`. A gene without a row for a place is not measured there (NaN); several rows become their maximum.

    Raises
    ------
    InputError
        A column is missing, a row is ragged, or a value is no number of zero or more; the message names the line.
    """
    path = config.data(atlas.path)
    table = _read(path)
    keys = list(dict.fromkeys(zip(table["id"], table["gene"], strict=True)))
    row_of = pd.Index(keys, tupleize_cols=False).get_indexer(
        pd.Index(list(zip(table["id"], table["gene"], strict=True)), tupleize_cols=False)
    )
    column_of, columns = pd.factorize(table["place"])
    values = np.full((len(columns), len(keys)), np.nan, dtype=np.float32)
    np.fmax.at(values, (column_of, row_of), table["value"].to_numpy(dtype=np.float32))
    plan = plan_merge(resolve([name for _, name in keys], table=genes, ids=[key for key, _ in keys]))
    merged = apply_plan(values, plan, by="max", keep=keep)
    place, unit = table.attrs["place"], table.attrs["unit"]
    is_type = place in ("Cell type", "Blood cell")
    obs = pd.DataFrame({"side": "normal", "donor": ""}, index=pd.Index(columns, dtype=object))
    obs["tissue"], obs["cell_type"] = ("", columns) if is_type else (columns, "")
    return assemble(
        merged.values,
        obs=obs.assign(dataset=path.name.split(".")[0]),
        genes=with_ids(merged.genes, genes),
        kind="summary",
        unit="TPM" if unit == "pTPM" else unit,
        atlas=atlas.name,
        files=[{"path": path.as_posix(), "sha256": sha256(path)}],
        lost=merged.lost,
    )


def _read(path: Path) -> pd.DataFrame:
    """`id`, `gene`, `place`, `value` of each row; what place and unit are called stands in `attrs`."""
    rows = lines(path)
    header = next(rows, (0, b""))[1].decode("utf-8-sig", errors="replace").split("\t")
    place, unit = (next((name for name in names if name in header), "") for names in (_PLACES, _VALUES))
    for column in ("Gene", "Gene name", place, unit):
        if column not in header:
            wanted = repr(column) if column else f"one of {', '.join(_PLACES)} or of {', '.join(_VALUES)}"
            raise InputError(f"{path}, line 1: column {wanted} is missing; found {header}")
    at = [header.index(column) for column in ("Gene", "Gene name", place, unit)]
    columns: list[list[str]] = [[], [], []]
    values = []
    for number, line in rows:
        fields = line.split(b"\t")
        if len(fields) != len(header):
            raise InputError(f"{path}, line {number}: found {len(fields)} fields, expected {len(header)}; mend the row")
        try:
            value = float(fields[at[3]])
            for texts, position in zip(columns, at, strict=False):
                texts.append(fields[position].decode("utf-8"))
        except ValueError:
            found = b"\t".join(fields)[:60]
            raise InputError(f"{path}, line {number}: {unit} or a name cannot be read in {found!r}; mend it") from None
        if not 0 <= value < np.inf:
            raise InputError(f"{path}, line {number}: {unit} is {value:g}; expected a number of zero or more")
        values.append(value)
    if not values:
        raise InputError(f"{path}: no row below the header; expected one per gene and {place.lower()}")
    frame = pd.DataFrame(dict(zip(("id", "gene", "place"), columns, strict=True)), dtype=object).assign(value=values)
    frame.attrs = {"place": place, "unit": unit}
    return frame
