"""A panel laid out for counting: what the judging kernel reads, as plain arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.intervals import posterior_quantile
from cartarget.evidence.packed import pack_bits
from cartarget.evidence.panel import MEASURED_DONORS, Panel

_GRID = 2048


class Terms(NamedTuple):
    """A panel as the arrays that the kernel reads; see `terms`.

    Bits stand for units (summary and protein evidence, `*_unit`) or for required tissues (`*_tissue`).
    """

    words: NDArray[np.uint64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    owner: NDArray[np.int64]
    weight_of_segment: NDArray[np.float64]
    fraction: NDArray[np.float64]
    is_measured: NDArray[np.bool_]
    n_tumor: int
    limit: NDArray[np.float64]
    weight: NDArray[np.float64]
    is_origin: NDArray[np.bool_]
    is_vital: NDArray[np.bool_]
    median: NDArray[np.float64]
    above_unit: NDArray[np.uint64]
    maybe_unit: NDArray[np.uint64]
    covered_unit: NDArray[np.uint64]
    origin_unit: NDArray[np.uint64]
    other_unit: NDArray[np.uint64]
    vital_unit: NDArray[np.uint64]
    weight_unit: NDArray[np.uint64]
    weight_levels: NDArray[np.float64]
    absent_tissue: NDArray[np.uint64]
    counted_tissue: NDArray[np.uint64]
    summed_tissue: NDArray[np.uint64]
    origin_tissue: np.uint64
    all_tissue: np.uint64
    is_cells: bool


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack the last axis into words, at least one."""
    packed = pack_bits(np.atleast_2d(flags))
    return packed if packed.shape[1] else np.zeros((packed.shape[0], 1), dtype=np.uint64)


def terms(panel: Panel) -> Terms:
    """Lay a panel out for counting.

    An antigen is *absent* from a required tissue when something measured it there and nothing breaks the
    cap; *maybe* there when it is at the level or not measured.
    """
    table, units = panel.populations, panel.units
    limit = panel.highest_fraction
    weight = table["weight"].fillna(0.0).to_numpy(dtype=np.float64)
    grid = np.linspace(0, 1, _GRID + 1)
    median = posterior_quantile(grid[None, :], table["n_effective"].to_numpy()[:, None], q=0.5)
    decides = ~table["is_thin"].to_numpy(dtype=bool) & ~panel.is_tumor
    capped = (units["cap"] < 1).to_numpy(dtype=bool)
    origin = units["is_origin"].to_numpy(dtype=bool)
    levels = np.array(sorted({float(w) for w in units.loc[capped, "weight"]}, reverse=True))

    absent, counted, summed = required_evidence(panel)
    maybe, covered = possible_units(panel)
    in_origin = np.array([name in panel.origin for name in panel.required], dtype=bool)
    if len(panel.required) > 64:
        raise InputError(
            f"{len(panel.required)} required tissues: at most 64 can be required; relax config/tissue_tiers.tsv"
        )
    segments = panel.packed.segments
    return Terms(
        words=panel.packed.words,
        starts=segments["start"].to_numpy(dtype=np.int64),
        stops=segments["stop"].to_numpy(dtype=np.int64),
        owner=segments["population"].to_numpy(dtype=np.int64),
        weight_of_segment=panel.segment_weight,
        fraction=panel.fraction,
        is_measured=panel.packed.is_measured,
        n_tumor=int(panel.is_tumor.sum()),
        limit=limit,
        weight=np.where(decides, weight, 0.0),
        is_origin=table["is_origin"].fillna(False).to_numpy(dtype=bool),
        is_vital=(table["tier"].astype(str) == "vital").to_numpy(dtype=bool),
        median=median,
        above_unit=_bits(panel.is_above & capped),
        maybe_unit=_bits(maybe & capped),
        covered_unit=_bits(covered & capped),
        origin_unit=_bits(capped & origin)[0],
        other_unit=_bits(capped & ~origin)[0],
        vital_unit=_bits((units["tier"] == "vital").to_numpy(dtype=bool))[0],
        weight_unit=_bits((units["weight"].to_numpy(dtype=np.float64)[None, :] == levels[:, None]) & capped)
        if len(levels)
        else np.zeros((0, 1), np.uint64),
        weight_levels=levels,
        absent_tissue=_bits(absent)[:, 0],
        counted_tissue=_bits(counted)[:, 0],
        summed_tissue=_bits(summed)[:, 0],
        origin_tissue=_bits(in_origin)[0, 0],
        all_tissue=_bits(np.ones(len(panel.required), dtype=bool))[0, 0],
        is_cells=panel.kind == "cells",
    )


def possible_units(panel: Panel) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a member of a gate may be present, and where cells were counted; antigens × units.

    Returns
    -------
    maybe
        At the level, or not measured. An antigen without a stain is not *maybe* there if RNA of the tissue
        shows it absent.
    covered
        Cells of the tissue were counted, so that a blocker can be believed there.
    """
    units = panel.units
    rna = (units["evidence"] == "summary").to_numpy(dtype=bool)
    absent, counted, _ = required_evidence(panel)
    row = pd.Index(panel.required).get_indexer(pd.Index(units["tissue"]))
    inside = row >= 0
    no_rna = _absent_by_summary(panel, rna)
    no_rna[:, inside] |= absent[:, row[inside]]
    covered = np.zeros(panel.is_above.shape, dtype=bool)
    if panel.kind == "cells":
        covered[:, inside] = counted[:, row[inside]]
    return panel.is_above | (np.isnan(panel.value) & (rna | ~no_rna)), covered


def _absent_by_summary(panel: Panel, rna: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Antigens × units: measured by RNA summaries of the unit's tissue, and below the level in all."""
    units = panel.units
    below = np.zeros(panel.is_above.shape, dtype=bool)
    for tissue in units["tissue"].unique():
        columns = np.flatnonzero((units["tissue"] == tissue).to_numpy(dtype=bool))
        sources = columns[rna[columns]]
        if len(sources):
            known = ~np.isnan(panel.value[:, sources])
            is_above = panel.is_above[:, sources]
            below[:, columns] = known.any(axis=1, keepdims=True) & ~is_above.any(axis=1, keepdims=True)
    return below


def required_evidence(panel: Panel) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """What is known of each antigen in each required tissue, antigens × `panel.required`.

    Returns
    -------
    absent
        Something measured it there and no evidence breaks the cap.
    counted
        Observations of at least five donors measured it there (of cells, thirty of one type).
    summed
        A published summary measured it there.
    """
    table, units = panel.populations, panel.units
    shape = (len(panel.symbols), len(panel.required))
    counted, summed, broken = (np.zeros(shape, dtype=bool) for _ in range(3))
    breaks = (panel.fraction > panel.highest_fraction) & panel.packed.is_measured
    rna = (units["evidence"] == "summary").to_numpy(dtype=bool)
    tells = table["n_donors"] >= MEASURED_DONORS
    if panel.kind == "cells":
        tells &= ~table["is_thin"]
    for column, tissue in enumerate(panel.required):
        here = (table["tissue"] == tissue).to_numpy(dtype=bool) & ~panel.is_tumor
        enough = here & tells.to_numpy(dtype=bool)
        counted[:, column] = panel.packed.is_measured[:, enough].any(1)
        unit = (units["tissue"] == tissue).to_numpy(dtype=bool)
        summed[:, column] = (~np.isnan(panel.value[:, unit & rna])).any(1)
        broken[:, column] = breaks[:, here].any(1) | panel.is_above[:, unit].any(1)
    return (counted | summed) & ~broken, counted, summed
