"""Counted atlases side by side: one set of populations, a donor in several data sets once, a cell in two files once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas.traits import one_each
from cartarget.errors import InputError
from cartarget.evidence.names import lesion_names, patient_names
from cartarget.evidence.packed import WORD, Packed, lay_out, unpack_bits
from cartarget.evidence.part import DEPTHS, Part

RANKING = {"bulk": "samples", "single_cell": "cells"}
"""Which kind of tumour orders the ranking."""


def ranking_kind(parts: Sequence[Part], primary: str | None) -> str:
    """Kind of the tumours that order the ranking, `samples` or `cells`.

    Raises
    ------
    InputError
        No part holds tumour, or none of the kind that `primary` (`bulk`, `single_cell`) asks for.
    """
    if primary is not None and primary not in RANKING:
        raise InputError(f"primary: found {primary!r}; expected bulk or single_cell")
    holding = [part for part in parts if part.holds_tumor]
    names = ", ".join(part.atlas for part in parts) or "none"
    if not holding:
        raise InputError(
            f"no atlas holds tumour (atlases: {names}); give one with malignant cells or tumour samples, and say which "
            "observations are malignant"
        )
    kind = RANKING[primary] if primary else holding[0].kind
    if all(part.kind != kind for part in holding):
        other = next(name for name, value in RANKING.items() if value == holding[0].kind)
        raise InputError(
            f"primary: found {primary!r}, but the tumours of {', '.join(part.atlas for part in holding)} are {other}; "
            f"set primary: {other}"
        )
    return kind


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
    traits
        As in `Part`, for `packed.donors`; empty where two atlases contradict each other.
    """

    packed: Packed
    levels: NDArray[np.float32]
    level_population: NDArray[np.int64]
    level_donor: NDArray[np.int64]
    depth: NDArray[np.int64]
    n_twice: int
    traits: Mapping[str, tuple[str, ...]]


def join(parts: Sequence[Part], *, symbols: Sequence[str], thresholds: Mapping[str, float], ranking: str) -> Joined:
    """Bring parts onto one list of antigens.

    A population holds the observations of one place that are alike in side, kind, assay and in the antigens that were
    measured. An antigen that an atlas lacks is not measured in its populations, and in no other. The tumour cells of
    each patient are a population, named `patient 1` and so on: no identifier goes into a table or report.

    Parameters
    ----------
    parts
        Counted atlases, in the order in which a cell that stands in two of them is kept.
    symbols
        Antigens; the first axis of the result.
    thresholds
        Threshold per unit (`CPM`, `counts`).
    ranking
        Kind of tumour that orders the ranking (`samples`, `cells`).
    """
    kept, n_twice = _once(parts)
    table, own = _places(parts, symbols, kept)
    table["is_ranking"] = (table["side"] == "tumor") & (table["kind"] == ranking)
    order = _order(table)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    own = [np.where(codes >= 0, rank[codes], -1) for codes in own]
    table = table.iloc[order].drop(columns="mask").reset_index(drop=True)
    is_patient = (table["side"] == "tumor") & (table["kind"] == "cells")
    named = table["population"].astype(str)
    table["population"] = named.mask(is_patient, named.map(patient_names(parts)))
    table["population"] = _unique(table)
    packed = _packed(parts, own, kept, table, symbols=symbols, thresholds=thresholds)
    depth = np.zeros((len(table), len(DEPTHS)), dtype=np.int64)
    for part, codes in zip(parts, own, strict=True):
        np.add.at(depth, codes[codes >= 0], part.depth[codes >= 0])
    levels, population, donor = _levels(parts, own, kept, packed.donors, symbols)
    return Joined(packed, levels, population, donor, depth, n_twice, _traits(parts, packed.donors))


def _traits(parts: Sequence[Part], donors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What the parts say of each donor."""
    row = {name: number for number, name in enumerate(donors)}
    said = {name: [part for part in parts if name in part.traits] for part in parts for name in part.traits}
    return {
        name: one_each(
            [value for part in telling for value in part.traits[name]],
            [row[donor] for part in telling for donor in part.donors],
            len(donors),
        )
        for name, telling in said.items()
    }


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


def _places(
    parts: Sequence[Part], symbols: Sequence[str], kept: Sequence[NDArray[np.bool_]]
) -> tuple[pd.DataFrame, list[NDArray[np.int64]]]:
    """Joined populations, and for each part the joined population of each of its own; −1 where none of it is kept."""
    frames = []
    for part in parts:
        masks = _aligned(part, symbols, part.is_measured, missing=False)
        tumor = (part.populations["side"] == "tumor").to_numpy()
        mask = [b"" if own else np.packbits(column).tobytes() for own, column in zip(tumor, masks.T, strict=True)]
        frames.append(part.populations.assign(kind=part.kind, atlas=part.atlas, mask=mask))
    every = pd.concat(frames, ignore_index=True)
    filled = np.concatenate([_n_kept(part, own) > 0 for part, own in zip(parts, kept, strict=True)])
    edges = np.cumsum([len(part.populations) for part in parts])[:-1]
    every = every[filled]
    key = ["side", "population", "kind", "assay", "mask"]
    code = every.groupby(key, sort=False).ngroup().to_numpy()
    table = every.drop_duplicates(key).reset_index(drop=True)
    atlases = every.groupby(code)["atlas"].agg(lambda names: ", ".join(sorted(set(names))))
    table["atlas"] = atlases.to_numpy(dtype=object)
    codes = np.full(len(filled), -1, dtype=np.int64)
    codes[filled] = code
    return table, np.split(codes, edges)


def _order(table: pd.DataFrame) -> NDArray[np.int64]:
    """Order of populations, the same whatever the order of the parts; of one place, what measured most comes first."""
    mask = table["mask"]
    least = -mask.map(lambda octets: int.from_bytes(octets, "big").bit_count()).to_numpy(dtype=np.int64)
    text = mask.map(bytes.hex)
    is_normal = table["side"] == "normal"
    keys = (text, least, table["assay"], table["kind"], table["population"], is_normal, ~table["is_ranking"])
    return np.asarray(np.lexsort(keys), dtype=np.int64)


def _n_kept(part: Part, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Observations of each population of a part that are kept."""
    return np.bincount(owners(part)[kept], minlength=len(part.populations))


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
        of_bit = own[number][owners(part)]
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
        here = own[number] >= 0
        np.logical_and.at(measured.T, own[number][here], held.T[here])
    table = table.assign(n_observations=layout.n_observations, n_donors=layout.n_donors)
    if len(parts) == 1 and np.array_equal(layout.bit, bits[layout.row]):
        filled = words[0]
    else:
        filled = layout.fill(lambda rows: _gather(words, sources[rows], bits[rows]), n_antigens=len(symbols))
    spread = layout.spread(people.astype(np.int32), missing=-1)
    lesion, lesions = _lesions(parts, kept, people)
    told = layout.spread(lesion, missing=-1) if lesions else None
    return Packed(tuple(symbols), filled, layout.segments, table, measured, spread, tuple(donors), told, lesions)


def _lesions(
    parts: Sequence[Part], kept: Sequence[NDArray[np.bool_]], people: NDArray[np.int64]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The lesion of each observation that is kept, −1 where it is not told, and the names of lesions, if any."""
    if not any(len(part.lesions) for part in parts):
        return np.zeros(0, dtype=np.int32), ()
    labels = [
        np.where((own := part.lesion[mask]) < 0, "", part.lesions[own])
        if len(part.lesions)
        else np.full(mask.sum(), "")
        for part, mask in zip(parts, kept, strict=True)
    ]
    named = lesion_names(people, np.concatenate(labels))
    names = sorted(set(named) - {""})
    place = {name: row for row, name in enumerate(names)} | {"": -1}
    return np.array([place[name] for name in named], dtype=np.int32), tuple(names)


def _gather(
    words: Sequence[NDArray[np.uint64]], source: NDArray[np.int64], bit: NDArray[np.int64]
) -> NDArray[np.bool_]:
    out = np.empty((len(words[0]), len(bit)), dtype=bool)
    for number in np.unique(source):
        here = source == number
        out[:, here] = unpack_bits(words[number], bit[here])
    return out


def _levels(
    parts: Sequence[Part], own: Sequence[NDArray[np.int64]], kept: Sequence[NDArray[np.bool_]], donors: Sequence[str],
    symbols: Sequence[str],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Levels with their joined population and donor; cells of a donor that stand in several parts are pooled."""
    place = {name: row for row, name in enumerate(donors)}
    levels, population, donor, weight = [], [], [], []
    group: list[NDArray[np.int64]] = []
    for number, part in enumerate(parts):
        share = _kept_share(part, kept[number])
        rows = np.flatnonzero(share > 0)
        levels.append(_aligned(part, symbols, part.levels.T, missing=np.nan).T[rows])
        population.append(own[number][part.level_population[rows]])
        donor.append(np.array([place[part.donors[row]] for row in part.level_donor[rows]], dtype=np.int64))
        weight.append((part.level_depth * share)[rows])
        alone = sum(len(own) for own in group) + np.arange(len(rows))
        group.append(np.full(len(rows), -1) if part.kind == "cells" else alone)
    keys = np.stack([np.concatenate(x) for x in (population, donor, group)])
    return _pooled(np.concatenate(levels), keys, np.concatenate(weight))


def _kept_share(part: Part, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of the cells behind each level that are kept; 1 for samples."""
    if part.kind != "cells":
        return np.ones(len(part.level_population))
    n = max(len(part.donors), 1)
    code, real = owners(part) * n + part.donor, part.donor >= 0
    size = len(part.populations) * n
    every, own = (np.bincount(code[chosen], minlength=size) for chosen in (real, kept))
    rows = part.level_population * n + part.level_donor
    return own[rows] / np.maximum(every[rows], 1)


def _pooled(
    levels: NDArray[np.float32], keys: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Levels of equal keys (population, donor, sample) as one: the mean of the CPM, weighed by counts."""
    order = np.lexsort(keys[::-1])
    ordered = keys[:, order]
    first = np.flatnonzero(np.r_[True, (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)][: len(order)])
    if len(first) == len(order):
        return levels, keys[0], keys[1]
    own = np.maximum(weight[order], 1e-9)[:, None]
    total = np.add.reduceat((np.exp2(levels[order].astype(np.float64)) - 1) * own, first, axis=0)
    pooled = np.log2(total / np.add.reduceat(own, first, axis=0) + 1)
    return pooled.astype(np.float32), ordered[0, first], ordered[1, first]


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
    lesion = None if packed.lesion is None else layout.spread(packed.lesion[bits], missing=-1)
    return Packed(
        packed.symbols, words, layout.segments, table, measured, spread, tuple(donors), lesion, packed.lesions
    )


def owners(counted: Packed | Part) -> NDArray[np.int64]:
    """Population of each bit of the words."""
    length = ((counted.segments["stop"] - counted.segments["start"]) * WORD).to_numpy()
    return np.repeat(counted.segments["population"].to_numpy(dtype=np.int64), length)
