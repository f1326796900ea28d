"""Atlases for tests with what `tests/panels.py` leaves out: cell types, assays, depths, several data sets, barcodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

PLACES = {
    "heart": ("vital", 1.0, 0.05),
    "lung": ("vital", 1.0, 0.05),
    "colon": ("vital", 1.0, 0.05),
    "liver": ("vital", 1.0, 0.05),
    "spinal cord": ("vital", 1.0, 0.05),
    "adrenal gland": ("vital", 1.0, 0.05),
    "skin": ("important", 0.5, 0.2),
    "blood": ("important", 0.5, 0.2),
    "breast": ("tolerable", 0.1, 1.0),
    "not stated": ("ignored", 0.0, 1.0),
}
"""Tier, weight and cap of each tissue; a cell type has those of its tissue."""

REQUIRED = ("colon", "heart", "lung")
ORIGIN = ("colon",)

_COLUMNS = (
    *("population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin"),
    *("side", "donor", "dataset"),
)


@dataclass(frozen=True)
class Block:
    """Observations of one donor in one place; `tissue` empty: tumour.

    `place` is a tissue (`heart`) or a cell type in it (`heart: cardiomyocyte`), `values` observations × genes, `depth`
    the counts of each observation (0: not known), `barcodes` their names (empty: a name of their own).
    """

    place: str
    donor: str
    values: np.ndarray
    dataset: str = ""
    depth: float = 0.0
    barcodes: tuple[str, ...] = ()


def name_of(tissue: str, cell_type: str) -> str:
    """`heart`, or `heart: cardiomyocyte`."""
    return f"{tissue}: {cell_type}" if cell_type else tissue


def normal(
    places: Iterable[str], values: ArrayLike, *, donors: int = 6, dataset: str = "", depth: float = 0.0
) -> list[Block]:
    """The same observations in each donor of each place."""
    cells = np.atleast_2d(np.asarray(values, dtype=float))
    return [Block(place, f"d{i}", cells, dataset, depth) for place in places for i in range(donors)]


def tumor(values: ArrayLike, *, patients: int = 6, dataset: str = "", depth: float = 0.0) -> list[Block]:
    """The same observations in each patient."""
    return [Block("", f"p{i}", np.atleast_2d(np.asarray(values, dtype=float)), dataset, depth) for i in range(patients)]


def cells(values: Sequence[float], n: int = 50) -> np.ndarray:
    """`n` equal cells."""
    return np.tile(np.asarray(values, dtype=float), (n, 1))


def atlas(
    blocks: Sequence[Block],
    *,
    symbols: Sequence[str],
    kind: str = "cells",
    assay: str = "",
    name: str = "one",
    unmeasured: Mapping[str, Collection[str]] | None = None,
    origin: Collection[str] = ORIGIN,
    required: Collection[str] = REQUIRED,
) -> anndata.AnnData:
    """A harmonised atlas of observations.

    A block without a data set belongs to the one named after its place (`tumor` for tumours); `unmeasured` says which
    genes a data set lacks (their values are set to 0, as `anndata.concat` leaves them).
    """
    rows, names, depths = [], [], []
    for number, block in enumerate(blocks):
        n = len(block.values)
        rows += [_row(block, kind, origin, required)] * n
        names += list(block.barcodes) or [f"{name}:{number}:{i}" for i in range(n)]
        depths += [block.depth] * n
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), index=names)
    values = np.vstack([block.values for block in blocks]).astype(np.float32)
    measured = pd.DataFrame(True, index=list(symbols), columns=sorted(set(frame["dataset"])))
    for dataset, genes in (unmeasured or {}).items():
        measured.loc[list(genes), dataset] = False
        values[np.ix_((frame["dataset"] == dataset).to_numpy(), measured.index.isin(list(genes)))] = 0
    if any(depths):
        frame["n_counts"] = np.array(depths, dtype=float)
    made = anndata.AnnData(values, obs=frame, var=pd.DataFrame(index=list(symbols)))
    made.varm["is_measured"] = measured
    unit = "CPM" if kind == "samples" else "counts"
    made.uns["cartarget"] = {"kind": kind, "unit": unit, "atlas": name, "assay": assay or kind}
    return made


def _row(block: Block, kind: str, origin: Collection[str], required: Collection[str]) -> tuple[object, ...]:
    if not block.place:
        population = block.donor if kind == "cells" else "tumor"
        return (population, "", "", "", 0.0, 1.0, False, False, "tumor", block.donor, block.dataset or "tumor")
    return (*place_row(block.place, origin, required), "normal", block.donor, block.dataset or block.place)


def place_row(place: str, origin: Collection[str], required: Collection[str]) -> tuple[object, ...]:
    """Population, tissue, cell type, tier, weight, cap, `is_required`, `is_origin` of a place."""
    tissue, _, cell_type = place.partition(": ")
    return (place, tissue, cell_type, *PLACES[tissue], place in required or tissue in required, tissue in origin)


def levels(
    values: Mapping[str, Sequence[float]],
    *,
    symbols: Sequence[str],
    name: str = "summary",
    origin: Collection[str] = ORIGIN,
    required: Collection[str] = REQUIRED,
) -> anndata.AnnData:
    """A harmonised summary: place → level per gene in CPM, NaN not measured."""
    rows = pd.DataFrame([place_row(p, origin, required) for p in values], columns=list(_COLUMNS[:8]), index=[*values])
    data = np.array(list(values.values()), dtype=np.float32).reshape(len(values), len(symbols))
    made = anndata.AnnData(data, obs=rows, var=pd.DataFrame(index=list(symbols)))
    made.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": name}
    return made


def stains(
    values: Mapping[str, Sequence[float]],
    *,
    symbols: Sequence[str],
    name: str = "stains",
    reliability: float = 3.0,
    membrane: bool = True,
    origin: Collection[str] = ORIGIN,
    required: Collection[str] = REQUIRED,
) -> anndata.AnnData:
    """A harmonised atlas of stains: place → 0–3 per gene, NaN not graded."""
    made = levels(values, symbols=symbols, name=name, origin=origin, required=required)
    made.layers["reliability"] = np.where(np.isnan(made.X), np.nan, reliability).astype(np.float32)
    made.var["is_membrane"] = pd.array([membrane] * len(symbols), dtype="boolean")
    made.uns["cartarget"] = {"kind": "protein", "unit": "stain", "atlas": name}
    return made
