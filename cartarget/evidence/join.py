"""Counted atlases side by side: one set of populations, a donor in several data sets once, a cell in two files once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.packed import WORD, Packed, lay_out, unpack_bits
from cartarget.evidence.part import DEPTHS, Part

RANKING = {"bulk": "samples", "single_cell": "cells"}
"""Which kind of tumour orders the ranking."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Parts side by side.

    Attributes
    ----------
    packed
        All observations. `populations` has `kind`, `assay`, `atlas`, `is_ranking`; tumours that order the ranking come
        first, then other tumours, then normal populations.
    levels, level_population, level_donor
        As in `Part`; rows of the joined populations and of `packed.donors`. NaN is not measured.
    depth
        Joined populations × depths.
    n_twice
        Observations left out since another atlas holds them.
    """

    packed: Packed
    levels: NDArray[np.float32]
    level_population: NDArray[np.int64]
    level_donor: NDArray[np.int64]
    depth: NDArray[np.int64]
    n_twice: int


def join(
    parts: Sequence[Part], *, symbols: Sequence[str], thresholds: Mapping[str, float], ranking: str | None = None
) -> Joined:
    """Bring parts onto one list of antigens.

    A population holds the observations of one place that are alike in side, kind, assay and in the antigens that were
    measured. An antigen that an atlas lacks is not measured in its populations, and in no other.

    Parameters
    ----------
    parts
        Counted atlases, in the order in which a cell that stands in two of them is kept.
    symbols
        Antigens; the first axis of the result.
    thresholds
        Threshold per unit (`CPM`, `counts`).
    ranking
        Kind of tumour that orders the ranking (`samples`, `cells`). None: that of the first part with tumour.
    """
    kept, n_twice = _once(parts)
    table, own = _places(parts, symbols)
    if ranking is None:
        ranking = next((p.kind for p in parts if (p.populations["side"] == "tumor").any()), "")
    table["is_ranking"] = (table["side"] == "tumor") & (table["kind"] == ranking)
    order = np.lexsort(
        (table["row"], table["assay"], table["population"], table["side"] == "normal", ~table["is_ranking"])
    )
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    own = [rank[codes] for codes in own]
    table = table.iloc[order].reset_index(drop=True)
    packed = _packed(parts, own, kept, table, symbols=symbols, thresholds=thresholds)
    depth = np.zeros((len(table), len(DEPTHS)), dtype=np.int64)
    for part, codes in zip(parts, own, strict=True):
        np.add.at(depth, codes, part.depth)
    levels, population, donor = _levels(parts, own, packed.donors, symbols)
    return Joined(packed, levels, population, donor, depth, n_twice)


def _once(parts: Sequence[Part]) -> tuple[list[NDArray[np.bool_]], int]:
    """Bits of each part that are observations not met in an earlier part."""
    kept, met, n_twice = [], np.empty(0, dtype=np.uint64), 0
    for part in parts:
        mine = part.donor >= 0
        if part.kind == "cells" and len(parts) > 1:
            twice = mine & np.isin(part.key, met)
            n_twice += int(twice.sum())
            mine = mine & ~twice
            met = np.concatenate([met, part.key[mine]])
        kept.append(mine)
    return kept, n_twice


def _places(parts: Sequence[Part], symbols: Sequence[str]) -> tuple[pd.DataFrame, list[NDArray[np.int64]]]:
    """Joined populations, and for each part the joined population of each of its own."""
    frames = []
    for number, part in enumerate(parts):
        masks = _aligned(part, symbols, part.is_measured, missing=False)
        tumor = (part.populations["side"] == "tumor").to_numpy()
        mask = [b"" if own else np.packbits(column).tobytes() for own, column in zip(tumor, masks.T, strict=True)]
        frames.append(part.populations.assign(kind=part.kind, atlas=part.atlas, part=number, mask=mask))
    every = pd.concat(frames, ignore_index=True)
    every["row"] = np.arange(len(every))
    key = ["side", "population", "kind", "assay", "mask"]
    code = every.groupby(key, sort=False).ngroup().to_numpy()
    table = every.drop_duplicates(key).drop(columns=["part", "mask"]).reset_index(drop=True)
    atlases = every.groupby(code)["atlas"].agg(lambda names: ", ".join(dict.fromkeys(names)))
    table["atlas"] = atlases.to_numpy(dtype=object)
    table["population"] = _unique(table)
    edges = np.cumsum([len(part.populations) for part in parts])[:-1]
    return table, np.split(code, edges)


def _unique(table: pd.DataFrame) -> list[str]:
    """Names of populations; where one place has several, the atlas tells them apart, and then a number."""
    names = table["population"].astype(str)
    for more in (" (" + table["assay"].astype(str) + ")", " [" + table["atlas"].astype(str) + "]"):
        several = names.duplicated(keep=False)
        differs = (names + more).groupby(names).transform("nunique") > 1
        names = names.where(~(several & differs), names + more)
    count = names.groupby(names).cumcount() + 1
    return names.where(count == 1, names + " #" + count.astype(str)).tolist()


def _aligned(part: Part, symbols: Sequence[str], array: NDArray[np.generic], *, missing: bool | float) -> NDArray:
    """Rows of a part's array by the joined antigens."""
    at = pd.Index(part.symbols).get_indexer(pd.Index(list(symbols)))
    out = np.full((len(symbols), *array.shape[1:]), missing, dtype=array.dtype)
    out[at >= 0] = array[at[at >= 0]]
    return out


def _packed(
    parts: Sequence[Part], own: Sequence[NDArray[np.int64]], kept: Sequence[NDArray[np.bool_]], table: pd.DataFrame,
    *, symbols: Sequence[str], thresholds: Mapping[str, float],
) -> Packed:  # fmt: skip
    donors = sorted({name for part in parts for name in part.donors})
    place = {name: row for row, name in enumerate(donors)}
    person = [np.array([place[name] for name in part.donors], dtype=np.int64) for part in parts]
    words = [_aligned(part, symbols, part.at(thresholds.get(part.unit, 0.0)), missing=0) for part in parts]
    source, bit, population, donor = [], [], [], []
    for number, part in enumerate(parts):
        length = ((part.segments["stop"] - part.segments["start"]) * WORD).to_numpy()
        of_bit = np.repeat(own[number][part.segments["population"].to_numpy()], length)
        chosen = np.flatnonzero(kept[number])
        source.append(np.full(len(chosen), number))
        bit.append(chosen)
        population.append(of_bit[chosen])
        donor.append(person[number][part.donor[chosen]])
    sources, bits, populations, people = (np.concatenate(x).astype(np.int64) for x in (source, bit, population, donor))
    layout = lay_out(populations, people, np.arange(len(bits)), n_populations=len(table))
    measured = np.ones((len(symbols), len(table)), dtype=bool)
    for number, part in enumerate(parts):
        held = _aligned(part, symbols, part.is_measured, missing=False)
        np.logical_and.at(measured.T, own[number], held.T)
    table = table.assign(n_observations=layout.n_observations, n_donors=layout.n_donors)
    if len(parts) == 1 and np.array_equal(layout.bit, bits[layout.row]):
        filled = words[0]
    else:
        filled = layout.fill(lambda rows: _gather(words, sources[rows], bits[rows]), n_antigens=len(symbols))
    spread = layout.spread(people.astype(np.int32), missing=-1)
    columns = [c for c in table if c != "row"]
    return Packed(tuple(symbols), filled, layout.segments, table[columns], measured, spread, tuple(donors))


def _gather(
    words: Sequence[NDArray[np.uint64]], source: NDArray[np.int64], bit: NDArray[np.int64]
) -> NDArray[np.bool_]:
    out = np.empty((len(words[0]), len(bit)), dtype=bool)
    for number in np.unique(source):
        here = source == number
        out[:, here] = unpack_bits(words[number], bit[here])
    return out


def _levels(
    parts: Sequence[Part], own: Sequence[NDArray[np.int64]], donors: Sequence[str], symbols: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    place = {name: row for row, name in enumerate(donors)}
    levels, population, donor = [], [], []
    for number, part in enumerate(parts):
        levels.append(_aligned(part, symbols, part.levels.T, missing=np.nan).T)
        population.append(own[number][part.level_population])
        donor.append(np.array([place[part.donors[row]] for row in part.level_donor], dtype=np.int64))
    return np.concatenate(levels), np.concatenate(population), np.concatenate(donor)


def choose(
    packed: Packed,
    *,
    bits: NDArray[np.int64],
    donor: NDArray[np.int64],
    donors: Sequence[str],
    population: NDArray[np.int64] | None = None,
    source: NDArray[np.int64] | None = None,
) -> Packed:
    """Some of the observations, or some of them several times, under the donors given.

    Parameters
    ----------
    packed
        All of them.
    bits
        Places in the words; a bit that is named twice counts twice.
    donor, donors
        Donor of each, as rows of `donors`.
    population, source
        New population of each observation, and for each new population the old one that it is described by. None: the
        populations stay.

    Returns
    -------
    `Packed`. A population may be left without an observation.
    """
    if population is None or source is None:
        population, source = owners(packed)[bits], np.arange(len(packed.populations))
    layout = lay_out(population, donor, np.arange(len(bits)), n_populations=len(source))
    table = packed.populations.iloc[source].reset_index(drop=True)
    table = table.assign(n_observations=layout.n_observations, n_donors=layout.n_donors)
    words = layout.fill(lambda rows: unpack_bits(packed.words, bits[rows]), n_antigens=packed.n_antigens)
    spread = layout.spread(donor.astype(np.int32), missing=-1)
    measured = packed.is_measured[:, source]
    return Packed(packed.symbols, words, layout.segments, table, measured, spread, tuple(donors))


def owners(packed: Packed) -> NDArray[np.int64]:
    """Population of each bit of the words."""
    length = ((packed.segments["stop"] - packed.segments["start"]) * WORD).to_numpy()
    return np.repeat(packed.segments["population"].to_numpy(dtype=np.int64), length)
