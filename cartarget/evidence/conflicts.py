"""Where sources contradict each other about a gate in a tissue: both numbers are shown, none is averaged away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.evidence.incell import cell_shares
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.shapes import conjunctions

PRESENT, SILENT, ABSENT = 1, 0, -1
"""What a source says of a gate in a tissue; silent is neither, or not measured."""

TUMOR = "tumor"

SAMPLES_PRESENT, SAMPLES_ABSENT = 0.5, 0.1
"""Bulk: at least half of the donors, as for a median at the level; fewer than one in ten."""

CELLS_PRESENT, CELLS_ABSENT = 0.2, 0.02
"""Cells: one in five of some cell type; fewer than one in fifty of every cell type."""

MARGIN = 2.0
"""A summary below its level is absent only at half of it or less: a knife's edge is no conflict."""

STAIN_PRESENT, STAIN_ABSENT = 2.0, 0.0
"""Antibodies: medium or high in some cell type; not detected in every graded one."""

MIN_DONORS, MIN_CELLS = 5, 30
"""Donors of bulk samples, or cells, below which a source says nothing."""

_STAINS = ("not detected", "low staining", "medium staining", "high staining")


@dataclass(frozen=True, eq=False)
class Source:
    """What one atlas says of gates in tissues.

    Attributes
    ----------
    name
        The atlas.
    evidence
        `samples`, `cells`, `summary` or `protein`.
    unit
        Unit of the values of a summary.
    tissues
        Tissues that it measured; the tumour is called `tumor`.
    value
        Gates × tissues: fraction, level or stain (0–3); NaN where not measured.
    verdict
        Gates × tissues: `PRESENT`, `SILENT` or `ABSENT`.
    """

    name: str
    evidence: str
    unit: str
    tissues: tuple[str, ...]
    value: NDArray[np.float64]
    verdict: NDArray[np.int8]


def panel_sources(
    panel: Panel,
    *,
    gates: Gates,
    fraction: NDArray[np.float64],
    is_counted: NDArray[np.bool_],
    bulk: float = 10.0,
) -> list[Source]:
    """Sources of a panel: its observations, and each atlas of summaries or stains.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.
    fraction, is_counted
        Gates × populations: plain fraction, and whether every antigen was measured (`Judged.naive`, `Judged.complete`).
    bulk
        Level at which a summary counts as exposed, in the run's unit.

    Returns
    -------
    Observations by assay first. In bulk normals, summaries and stains, an AND or AND-NOT is only bounded from above, by
    its members: a bound can show that it is absent, never that it is present.
    """
    table = panel.populations
    tissue = np.where(table["side"] == "tumor", TUMOR, table["tissue"].astype(str))
    least = np.where(panel.is_cells, table["n_observations"] >= MIN_CELLS, table["n_donors"] >= MIN_DONORS)
    known = is_counted & (least | ~panel.is_normal)
    is_or = np.array([all(len(one.plain) == 1 and not one.blockers for one in conjunctions(s)) for s in gates.shapes])
    believed = _without_credit(panel, gates, fraction)
    found = []
    for (kind, assay), rows in table.groupby(["kind", "assay"], sort=True).indices.items():
        name = ", ".join(dict.fromkeys(table["atlas"].iloc[rows].astype(str)))
        value = np.where(known[:, rows], believed[:, rows], np.nan)
        tissues, highest = _highest(value, tissue[rows], mean=TUMOR if kind == "cells" else "")
        own = _observed(name if assay == kind else f"{name} ({assay})", str(kind), tissues, highest)
        if kind == "samples":
            is_bound = ~is_or[gates.kind][:, None] & (np.array(tissues) != TUMOR) & (own.verdict == PRESENT)
            own.verdict[is_bound] = SILENT
        found.append(own)
    return [*found, *(_unit_source(panel, name, gates, bulk) for name in panel.units["atlas"].unique())]


def _without_credit(panel: Panel, gates: Gates, fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fractions in which a blocker of a normal sample blocks nothing: there a gate is bounded by what it senses."""
    samples = np.flatnonzero(panel.is_sample)
    out = fraction.copy()
    for batch in gates.batches():
        if any(one.is_negated for one in batch.shape.literals):
            most = [
                np.minimum.reduce([panel.fraction[np.ix_(batch.of(symbol), samples)] for symbol in one.plain])
                for one in conjunctions(batch.shape)
            ]
            out[np.ix_(batch.at, samples)] = np.minimum(np.add.reduce(most), 1.0)
    return out


def _highest(
    value: NDArray[np.float64], tissue: NDArray[np.str_], *, mean: str
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Highest value over the places of each tissue (over the tumour's patients: the mean); NaN where none is known."""
    names = tuple(sorted(set(tissue.tolist())))
    out = np.full((len(value), len(names)), np.nan)
    for column, name in enumerate(names):
        part = value[:, tissue == name]
        known = ~np.isnan(part)
        highest = np.where(known, part, -np.inf).max(axis=1)
        if name == mean:
            highest = np.where(known, part, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        out[:, column] = np.where(known.any(axis=1), highest, np.nan)
    return names, out


def _observed(name: str, kind: str, tissues: tuple[str, ...], value: NDArray[np.float64]) -> Source:
    here, gone = (SAMPLES_PRESENT, SAMPLES_ABSENT) if kind == "samples" else (CELLS_PRESENT, CELLS_ABSENT)
    verdict = np.select([value >= here, value < gone], [PRESENT, ABSENT], default=SILENT).astype(np.int8)
    return Source(name, kind, "", tissues, value, verdict)


def _unit_source(panel: Panel, atlas: str, gates: Gates, bulk: float) -> Source:
    columns = np.flatnonzero((panel.units["atlas"] == atlas).to_numpy(dtype=bool))
    units = panel.units.iloc[columns]
    evidence = str(units["evidence"].iloc[0])
    tissues, value = _highest(panel.value[:, columns].astype(np.float64), units["tissue"].to_numpy(dtype=str), mean="")
    if evidence == "protein":
        verdict = np.select([value >= STAIN_PRESENT, value <= STAIN_ABSENT], [PRESENT, ABSENT], default=SILENT)
    else:
        verdict = np.select([value >= bulk, value < bulk / MARGIN], [PRESENT, ABSENT], default=SILENT)
    out = np.empty((len(gates), len(tissues)), dtype=np.int8)
    level = np.empty(out.shape)
    for batch in gates.batches():
        parts, levels = [], []
        for one in conjunctions(batch.shape):
            least = np.minimum.reduce([verdict[batch.of(symbol)] for symbol in one.plain])
            bounded = len(one.plain) > 1 or bool(one.blockers)
            parts.append(np.minimum(least, SILENT) if bounded else least)
            levels.append(np.fmin.reduce([value[batch.of(symbol)] for symbol in one.plain]))
        out[batch.at], level[batch.at] = np.maximum.reduce(parts), np.fmax.reduce(levels)
    return Source(atlas, evidence, str(units["unit"].iloc[0]), tissues, level, out)


def cells_source(
    adata: AnnData,
    *,
    symbols: Sequence[str],
    gates: Gates,
    count: int = 1,
) -> Source:
    """A joined single-cell atlas as a source: the gate is evaluated inside each cell.

    Parameters
    ----------
    adata
        Harmonised atlas of cells.
    symbols
        Antigens to which `gates` refers. A gate with one that the atlas lacks is not measured.
    gates
        The gates.
    count
        Counts that make a cell positive.

    Returns
    -------
    `Source`: share of cells of the most positive cell type (thirty cells or more) of each tissue; in the tumour the
    mean over patients of the share of malignant cells.
    """
    population = pd.Categorical(adata.obs["population"].astype(str))
    codes = population.codes
    n = np.bincount(codes, minlength=len(population.categories))
    first = np.unique(codes, return_index=True)[1]
    is_tumor = (adata.obs["side"].astype(str) == "tumor").to_numpy()[first]
    tissue = np.where(is_tumor, TUMOR, adata.obs["tissue"].astype(str).to_numpy()[first])
    fraction = cell_shares(adata, symbols=symbols, gates=gates, group=codes, n_groups=len(n), count=count)
    fraction[:, (n < MIN_CELLS) & ~is_tumor] = np.nan
    tissues, value = _highest(fraction, tissue.astype(str), mean=TUMOR)
    return _observed(adata.uns["cartarget"]["atlas"], "cells", tissues, value)


def kind_of(one: str, other: str) -> str:
    """What two kinds of evidence disagree as.

    Examples
    --------
    >>> kind_of("samples", "cells"), kind_of("protein", "cells"), kind_of("samples", "summary")
    ('bulk vs single cell', 'RNA vs protein', 'atlas vs atlas')
    """
    if one != other and "protein" in (one, other):
        return "RNA vs protein"
    return "bulk vs single cell" if (one == "cells") != (other == "cells") else "atlas vs atlas"


def find_conflicts(sources: Sequence[Source], *, gates: Sequence[str]) -> pd.DataFrame:
    """List where one source shows a gate in a tissue and another shows that it is absent.

    Present means: at least half of the donors (bulk), a fifth of the cells of some cell type (single cell), the run's
    level (summary), medium staining in some cell type (protein). Absent means: under a tenth of the donors, under a
    fiftieth of the cells of every type, under half the level, no staining in any graded cell type. In between, and
    where nothing was measured, a source is silent and contradicts nobody.

    Parameters
    ----------
    sources
        From :func:`panel_sources` and :func:`cells_source`, all for the same gates.
    gates
        The gates as text.

    Returns
    -------
    One row a contradiction: `gate`, `tissue`, `kind` (`bulk vs single cell`, `RNA vs protein`, `atlas vs atlas`),
    `source_a` with `value_a` (shows it), `source_b` with `value_b` (shows it absent), `sentence`. Ordered by gate as
    given, then tissue, kind and sources.

    Examples
    --------
    >>> rna = Source("gtex", "summary", "TPM", ("lung",), np.array([[40.0]]), np.array([[1]], dtype=np.int8))
    >>> stain = Source("hpa", "protein", "stain", ("lung",), np.array([[0.0]]), np.array([[-1]], dtype=np.int8))
    >>> find_conflicts([rna, stain], gates=["GPC3"])["sentence"].item()
    'GPC3 in lung, RNA vs protein: gtex shows it (40 TPM), hpa shows it absent (not detected)'
    """
    parts = []
    for one, other in combinations(sources, 2):
        shared = sorted(set(one.tissues) & set(other.tissues))
        if not shared:
            continue
        i = [one.tissues.index(name) for name in shared]
        j = [other.tissues.index(name) for name in shared]
        clash = one.verdict[:, i].astype(int) * other.verdict[:, j] == PRESENT * ABSENT
        gate, tissue = np.nonzero(clash)
        u, v = one.value[:, i][gate, tissue], other.value[:, j][gate, tissue]
        first = one.verdict[:, i][gate, tissue] == PRESENT
        parts.append(_rows(one, other, gate, np.array(shared, dtype=object)[tissue], u, v, first))
    names = ["gate", "tissue", "kind", "source_a", "value_a", "source_b", "value_b", "sentence"]
    if not parts:
        return pd.DataFrame({name: pd.Series([], dtype=float if "value" in name else object) for name in names})
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sort_values(["row", "tissue", "kind", "source_a", "source_b"], ignore_index=True)
    frame["gate"] = np.array(list(gates), dtype=object)[frame["row"]]
    frame["sentence"] = [
        f"{row.gate} in {row.tissue}, {row.kind}: {row.source_a} shows it ({row.text_a}), "
        f"{row.source_b} shows it absent ({row.text_b})"
        for row in frame.itertuples()
    ]
    return frame[names]


def _rows(
    one: Source,
    other: Source,
    gate: NDArray[np.int64],
    tissue: NDArray[np.object_],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    first: NDArray[np.bool_],
) -> pd.DataFrame:
    """Contradictions of two sources, the one that shows the gate first."""
    text_u = np.array([_text(value, one, name) for value, name in zip(u, tissue, strict=True)], dtype=object)
    text_v = np.array([_text(value, other, name) for value, name in zip(v, tissue, strict=True)], dtype=object)
    return pd.DataFrame(
        {
            "row": gate,
            "tissue": tissue,
            "kind": kind_of(one.evidence, other.evidence),
            "source_a": np.where(first, one.name, other.name),
            "value_a": np.where(first, u, v),
            "text_a": np.where(first, text_u, text_v),
            "source_b": np.where(first, other.name, one.name),
            "value_b": np.where(first, v, u),
            "text_b": np.where(first, text_v, text_u),
        }
    )


def _text(value: float, source: Source, tissue: str) -> str:
    """A value in words."""
    if source.evidence == "protein":
        return _STAINS[int(value)]
    if source.evidence == "summary":
        return f"{value:.3g} {source.unit}"
    whose = "patients" if source.evidence == "samples" else "malignant cells"
    normal = "donors" if source.evidence == "samples" else "cells of its most positive type"
    return f"{100 * value:.3g} % of {whose if tissue == TUMOR else normal}"
