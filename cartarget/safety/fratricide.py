"""Would the product kill itself? Antigens on T cells, from every source that measured T cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.intervals import effective_rows, fraction_interval, observation_weights
from cartarget.evidence.packed import count_positive
from cartarget.evidence.positivity import dense, pack_atlas

SHARE = 0.1
"""Share of T cells that must carry an antigen for fratricide to threaten a product."""

MIN_CELLS = 30
"""T cells of one population below which a share says nothing."""

DECIDES = ("CPM", "TPM", "nTPM")
"""Units of summaries to which the level applies; other units are shown and decide nothing."""

_T_CELL = re.compile(
    r"(?<![a-z])T[ ._-]?(cells?|lymphocytes?)(?![a-z])|(?:^|[ _+./-])(?:CD[48][ _+.-]*)?T$|(?<![a-z])Treg(?![a-z])",
    re.IGNORECASE,
)
_ELSE = re.compile(r"natural killer|(?<![a-z])NKT?(?![a-z])|progenitor|precursor", re.IGNORECASE)


def is_t_cell(name: str) -> bool:
    """Whether a cell type's name, as any atlas writes it, means mature T cells.

    Examples
    --------
    >>> [name for name in ("T cell", "T.cells", "CD4+T", "CD8_T cell", "T", "Mast cell", "goblet cell", "NK T cell")
    ...  if is_t_cell(name)]
    ['T cell', 'T.cells', 'CD4+T', 'CD8_T cell', 'T']
    """
    return bool(_T_CELL.search(name)) and not _ELSE.search(name)


def fratricide(
    atlases: Iterable[AnnData], *, symbols: Sequence[str], level: float = 10.0, count: int = 1
) -> pd.DataFrame:
    """Worst share and worst level of each antigen on normal T cells.

    A product of T cells that senses an antigen which T cells carry kills itself while it is grown. T cells are found
    by the name of the cell type, in any tissue. Atlases of cells give a share per population (thirty T cells or more,
    donors weighted), summaries a level per column; the highest counts. Stains have no T cells of their own and are
    passed over, as are malignant T cells and T cell progenitors.

    Parameters
    ----------
    atlases
        Atlases of the run of any kind, harmonised; joined ones too.
    symbols
        Antigens.
    level
        Level of a summary (CPM, TPM, nTPM) at which an antigen counts as present.
    count
        Counts that make a cell positive.

    Returns
    -------
    One row an antigen: `symbol`; `tcell_fraction` (lower is better), `tcell_fraction_upper` (end of its 95 %
    interval), `tcell_population`; `tcell_level`, `tcell_level_source`; `n_tcells`, over the atlases of cells that
    measured it; `is_fratricide_risk`: a tenth of T cells or more, or a level at or above `level`; missing where no
    source measured it in T cells.

    References
    ----------
    Gomes-Silva et al., Blood 2017, doi:10.1182/blood-2017-01-761320 (CD7).

    Examples
    --------
    >>> adata = AnnData(np.array([[310.0, np.nan]], dtype="float32"))
    >>> adata.var_names, adata.obs["side"], adata.obs["cell_type"] = ["CD7", "MSLN"], "normal", "CD4+T"
    >>> adata.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": "hca"}
    >>> found = fratricide([adata], symbols=["CD7", "MSLN"])
    >>> found[["tcell_level", "tcell_level_source", "is_fratricide_risk"]].values.tolist()
    [[310.0, 'CD4+T (hca)', True], [nan, <NA>, <NA>]]
    """
    names = pd.Index(list(symbols))
    mature = [chosen for adata in atlases if (chosen := _t_cells(adata)).n_obs]
    kind = [adata.uns["cartarget"]["kind"] for adata in mature]
    cells = [_shares(adata, names, count) for adata, own in zip(mature, kind, strict=True) if own == "cells"]
    means = [_levels(adata, names) for adata, own in zip(mature, kind, strict=True) if own == "summary"]
    deciding = [
        _levels(adata, names)
        for adata, own in zip(mature, kind, strict=True)
        if own == "summary" and adata.uns["cartarget"]["unit"] in DECIDES
    ]
    share, where = _highest([(found.share, found.place) for found in cells], len(names))
    upper = np.fmax.reduce([np.full(len(names), np.nan), *(np.where(f.share == share, f.upper, np.nan) for f in cells)])
    highest, source = _highest(means, len(names))
    decisive = _highest(deciding, len(names))[0]
    is_risk = pd.array((share >= SHARE) | (decisive >= level), dtype="boolean")
    is_risk[np.isnan(share) & np.isnan(decisive)] = pd.NA
    return pd.DataFrame(
        {
            "symbol": list(symbols),
            "tcell_fraction": share,
            "tcell_fraction_upper": upper,
            "tcell_population": pd.array(where, dtype="string"),
            "tcell_level": highest,
            "tcell_level_source": pd.array(source, dtype="string"),
            "n_tcells": np.sum([np.zeros(len(names), dtype=np.int64), *(found.n for found in cells)], axis=0),
            "is_fratricide_risk": is_risk,
        }
    )


class _Shares(NamedTuple):
    """Per antigen: highest share over populations of T cells, upper end, T cells that measured it, where."""

    share: NDArray[np.float64]
    upper: NDArray[np.float64]
    n: NDArray[np.int64]
    place: NDArray[np.object_]


def _highest(
    found: Sequence[tuple[NDArray[np.float64], NDArray[np.object_]]], n: int
) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Highest value over sources and its name; the first of equals."""
    best, name = np.full(n, np.nan), np.full(n, None, dtype=object)
    for value, place in found:
        better = ~np.isnan(value) & ~(best >= value)
        best[better], name[better] = value[better], place[better]
    return best, name


def _t_cells(adata: AnnData) -> AnnData:
    if "cell_type" not in adata.obs or "side" not in adata.obs:
        raise InputError(
            f"atlas {adata.uns['cartarget']['atlas']}: obs needs side and cell_type (see atlas/contract.py)"
        )
    kinds = adata.obs["cell_type"].astype(str)
    known = {name: is_t_cell(name) for name in kinds.unique()}
    return adata[(kinds.map(known).astype(bool) & (adata.obs["side"].astype(str) == "normal")).to_numpy()]


def _shares(adata: AnnData, names: pd.Index, count: int) -> _Shares:
    rows = adata.var_names.get_indexer(names)
    held = np.flatnonzero(rows >= 0)
    packed = pack_atlas(adata[:, rows[held]], count=count)
    weight, effective = observation_weights(packed)
    seen = count_positive(packed)
    number = effective_rows(seen, segments=packed.segments, weight=weight, n_effective=effective)
    fraction = np.zeros(number.shape)
    np.add.at(fraction.T, packed.segments["population"].to_numpy(), (seen * weight).T)
    size = packed.populations["n_observations"].to_numpy(dtype=np.int64)
    known = packed.is_measured & (size >= MIN_CELLS)
    upper = fraction_interval(fraction, number)[1]
    worst = np.where(known, fraction, -1.0).argmax(axis=1)
    line, some = np.arange(len(held)), known.any(axis=1)
    label = packed.populations["population"].astype(str) + f" ({adata.uns['cartarget']['atlas']})"
    out = _Shares(
        np.full(len(names), np.nan),
        np.full(len(names), np.nan),
        np.zeros(len(names), dtype=np.int64),
        np.full(len(names), None, dtype=object),
    )
    out.share[held[some]] = fraction[line, worst][some]
    out.upper[held[some]] = upper[line, worst][some]
    out.place[held[some]] = label.to_numpy(dtype=object)[worst[some]]
    out.n[held] = np.where(packed.is_measured, size, 0).sum(axis=1)
    return out


def _levels(adata: AnnData, names: pd.Index) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Highest level over the columns of a summary that stand for T cells, and which."""
    rows = adata.var_names.get_indexer(names)
    values = np.full((len(names), adata.n_obs), np.nan)
    values[rows >= 0] = dense(adata.X)[:, rows[rows >= 0]].T
    known = ~np.isnan(values)
    some = known.any(axis=1)
    worst = np.where(known, values, -np.inf).argmax(axis=1)
    named = "population" if "population" in adata.obs else "cell_type"
    label = (adata.obs[named].astype(str) + f" ({adata.uns['cartarget']['atlas']})").to_numpy(dtype=object)
    place = np.full(len(names), None, dtype=object)
    place[some] = label[worst[some]]
    return np.where(some, values[np.arange(len(names)), worst], np.nan), place
