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
from cartarget.evidence.intervals import by_population, effective_rows, fraction_interval, observation_weights
from cartarget.evidence.packed import count_positive
from cartarget.evidence.positivity import dense, pack_atlas
from cartarget.evidence.spread import wide_spread

SHARE = 0.1
"""Share of T cells that must carry an antigen for fratricide to threaten a product."""

MIN_CELLS = 30
"""T cells of one population below which a share says nothing."""

DECIDES = ("CPM", "TPM", "nTPM")
"""Units of summaries to which the level applies; other units are shown and decide nothing."""

LYMPHOID = ("", "blood", "bone marrow", "lymph node", "spleen", "thymus", "tonsil")
"""Tissues whose T cells speak for a product's; T cells of an organ also carry what its other cells spill."""

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
    by the name of the cell type. Atlases of cells give a share per population (thirty T cells or more, donors
    weighted), summaries a level per column; the highest counts. T cells of blood and lymphoid organs go first: those
    of other organs carry spilled RNA (mesothelin in T cells of the peritoneum) and are asked only where no others
    measured the antigen. Stains have no T cells of their own and are passed over, as are malignant T cells and T cell
    progenitors.

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
    >>> adata.var_names, adata.obs["side"] = ["CD7", "MSLN"], "normal"
    >>> adata.obs["tissue"], adata.obs["cell_type"] = "blood", "CD4+T"
    >>> adata.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": "hca"}
    >>> found = fratricide([adata], symbols=["CD7", "MSLN"])
    >>> found[["tcell_level", "tcell_level_source", "is_fratricide_risk"]].values.tolist()
    [[310.0, 'CD4+T (hca)', True], [nan, <NA>, <NA>]]
    """
    names = pd.Index(list(symbols))
    found = list(atlases)
    blood, organ = (_worst([_t_cells(a, lymphoid=here) for a in found], names, count) for here in (True, False))
    ask = ~_is_known(blood) & (_is_known(organ) | np.isnan(blood.level))
    worst = _Worst(*(np.where(ask, other, own) for own, other in zip(blood, organ, strict=True)))
    is_risk = pd.array((worst.share >= SHARE) | (worst.deciding >= level), dtype="boolean")
    is_risk[~_is_known(worst)] = pd.NA
    return pd.DataFrame(
        {
            "symbol": list(symbols),
            "tcell_fraction": worst.share,
            "tcell_fraction_upper": worst.upper,
            "tcell_population": pd.array(worst.place, dtype="string"),
            "tcell_level": worst.level,
            "tcell_level_source": pd.array(worst.source, dtype="string"),
            "n_tcells": worst.n.astype(np.int64),
            "is_fratricide_risk": is_risk,
        }
    )


class _Worst(NamedTuple):
    """Per antigen: what the worst source says."""

    share: NDArray[np.float64]
    upper: NDArray[np.float64]
    place: NDArray[np.object_]
    n: NDArray[np.int64]
    level: NDArray[np.float64]
    source: NDArray[np.object_]
    deciding: NDArray[np.float64]


def _is_known(worst: _Worst) -> NDArray[np.bool_]:
    return ~(np.isnan(worst.share) & np.isnan(worst.deciding))


def _worst(atlases: Sequence[AnnData], names: pd.Index, count: int) -> _Worst:
    """Worst share and level over atlases of T cells."""
    held = [(adata, adata.uns["cartarget"]) for adata in atlases if adata.n_obs]
    cells = [_shares(adata, names, count) for adata, about in held if about["kind"] == "cells"]
    means = [(about["unit"], _levels(adata, names)) for adata, about in held if about["kind"] == "summary"]
    share, place = _highest([(each.share, each.place) for each in cells], len(names))
    level, source = _highest([each for _, each in means], len(names))
    unknown = np.full(len(names), np.nan)
    return _Worst(
        share=share,
        upper=np.fmax.reduce([unknown, *(np.where(each.share == share, each.upper, np.nan) for each in cells)]),
        place=place,
        n=np.sum([np.zeros(len(names), dtype=np.int64), *(each.n for each in cells)], axis=0),
        level=level,
        source=source,
        deciding=_highest([each for unit, each in means if unit in DECIDES], len(names))[0],
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


def _t_cells(adata: AnnData, *, lymphoid: bool) -> AnnData:
    """Normal T cells of blood and lymphoid organs, or those of other organs."""
    if not {"cell_type", "side", "tissue"} <= set(adata.obs):
        raise InputError(f"atlas {adata.uns['cartarget']['atlas']}: obs needs side, tissue and cell_type; harmonise it")
    kinds, tissues = adata.obs["cell_type"].astype(str), adata.obs["tissue"].astype(str)
    is_t = kinds.map({name: is_t_cell(name) for name in kinds.unique()}).astype(bool)
    here = tissues.isin(LYMPHOID) == lymphoid
    return adata[(is_t & here & (adata.obs["side"].astype(str) == "normal")).to_numpy()]


def _shares(adata: AnnData, names: pd.Index, count: int) -> _Shares:
    rows = adata.var_names.get_indexer(names)
    held = np.flatnonzero(rows >= 0)
    packed = pack_atlas(adata[:, rows[held]], count=count)
    weight, effective = observation_weights(packed)
    seen = count_positive(packed)
    spread = wide_spread(packed, weight=weight, n_effective=effective)
    number = effective_rows(seen, segments=packed.segments, weight=weight, n_effective=effective, spread=spread)
    fraction = by_population(seen * weight, packed.segments["population"].to_numpy(), len(effective))
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
