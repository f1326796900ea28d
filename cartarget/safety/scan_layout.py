"""A panel laid out for counting: what the judging kernel reads, as plain arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.intervals import posterior_quantile
from cartarget.evidence.packed import count_positive, pack_bits
from cartarget.evidence.panel import Panel
from cartarget.evidence.power import LEAST
from cartarget.safety.known import Known, known

_GRID = 2048
MOST_PLACES = 64


class Terms(NamedTuple):
    """A panel as the arrays that the kernel reads; see `terms`.

    Arrays of antigens are turned: populations × antigens, so that the partners of one antigen lie side by side. Bits
    stand for units (`*_unit`) or for required places (`*_place`).
    """

    words: NDArray[np.uint64]
    columns: NDArray[np.uint64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    owner: NDArray[np.int64]
    weight_of_segment: NDArray[np.float64]
    need: NDArray[np.int64]
    asked: NDArray[np.bool_]
    hits: NDArray[np.int32]
    fraction: NDArray[np.float64]
    corrected: NDArray[np.float64]
    gain: NDArray[np.float64]
    is_measured: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    explained: NDArray[np.bool_]
    typed: NDArray[np.bool_]
    people: NDArray[np.int64]
    n_tumor: int
    patient: NDArray[np.float64]
    tells_low_end: NDArray[np.bool_]
    limit: NDArray[np.float64]
    weight: NDArray[np.float64]
    is_normal: NDArray[np.bool_]
    is_origin: NDArray[np.bool_]
    is_capped: NDArray[np.bool_]
    is_cells: NDArray[np.bool_]
    tells: NDArray[np.bool_]
    most_people: NDArray[np.int64]
    median: NDArray[np.float64]
    place: NDArray[np.uint64]
    above_unit: NDArray[np.uint64]
    maybe_unit: NDArray[np.uint64]
    explained_unit: NDArray[np.uint64]
    typed_unit: NDArray[np.uint64]
    capped_unit: NDArray[np.uint64]
    origin_unit: NDArray[np.uint64]
    weight_unit: NDArray[np.uint64]
    weight_levels: NDArray[np.float64]
    alone_place: NDArray[np.uint64]
    summed_place: NDArray[np.uint64]
    below_place: NDArray[np.uint64]
    origin_place: np.uint64
    all_place: np.uint64
    is_cells_ranked: bool


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack the last axis into words, at least one."""
    packed = pack_bits(np.atleast_2d(flags))
    return packed if packed.shape[1] else np.zeros((packed.shape[0], 1), dtype=np.uint64)


def terms(panel: Panel) -> Terms:
    """Lay a panel out for counting.

    Raises
    ------
    InputError
        More places are required than a word has bits.
    """
    if len(panel.required) > MOST_PLACES:
        raise InputError(
            f"{len(panel.required)} required places: at most {MOST_PLACES} can be required; relax "
            "config/tissue_tiers.tsv"
        )
    about, table, segments = known(panel), panel.populations, panel.packed.segments
    n_effective = table["n_effective"].to_numpy()
    owner = segments["population"].to_numpy(dtype=np.int64)
    asked = about.need <= segments["n_observations"].to_numpy()
    return Terms(
        words=panel.packed.words,
        columns=_turned(panel.packed.words),
        starts=segments["start"].to_numpy(dtype=np.int64),
        stops=segments["stop"].to_numpy(dtype=np.int64),
        owner=owner,
        weight_of_segment=panel.segment_weight,
        need=about.need,
        asked=asked,
        hits=_turned(count_positive(panel.packed).astype(np.int32)),
        fraction=_turned(panel.fraction),
        corrected=_turned(panel.corrected),
        gain=_turned(np.where(panel.packed.is_measured, 1 / np.maximum(panel.power, LEAST), 1.0)),
        is_measured=_turned(panel.packed.is_measured),
        absent=_turned(about.absent_population),
        explained=_turned(about.explained_population),
        typed=_turned(about.typed_population),
        people=_turned(about.people),
        n_tumor=int(panel.is_tumor.sum()),
        patient=panel.patient_weight,
        tells_low_end=panel.tells_low_end,
        limit=panel.highest_fraction,
        weight=np.where(panel.decides, panel.weight, 0.0),
        is_normal=panel.is_normal,
        is_origin=panel.is_origin,
        is_capped=panel.is_capped,
        is_cells=panel.is_cells,
        tells=about.tells,
        most_people=about.most_people,
        median=posterior_quantile(np.linspace(0, 1, _GRID + 1)[None, :], n_effective[:, None], q=0.5),
        place=_bits(about.place_of_population)[:, 0],
        **_of_units(panel, about),
        alone_place=_bits(about.alone)[:, 0],
        summed_place=_bits(about.summed)[:, 0],
        below_place=_bits(about.below)[:, 0],
        origin_place=_bits(about.in_origin)[0, 0],
        all_place=_bits(np.ones(len(panel.required), dtype=bool))[0, 0],
        is_cells_ranked=panel.kind == "cells",
    )


def _turned(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.T)


def _of_units(panel: Panel, about: Known) -> dict[str, Any]:
    units = panel.units
    weight = units["weight"].to_numpy(dtype=np.float64)
    levels = np.array(sorted({w for w in weight if w > 0}, reverse=True), dtype=np.float64)
    return {
        "above_unit": _bits(panel.is_above),
        "maybe_unit": _bits(about.maybe),
        "explained_unit": _bits(about.explained_unit),
        "typed_unit": _bits(about.typed_unit),
        "capped_unit": _bits(panel.is_unit_capped)[0],
        "origin_unit": _bits(units["is_origin"].to_numpy(dtype=bool))[0],
        "weight_unit": _bits(weight[None, :] == levels[:, None]) if len(levels) else np.zeros((0, 1), np.uint64),
        "weight_levels": levels,
    }
