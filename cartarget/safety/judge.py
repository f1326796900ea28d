"""What would a gate hurt? Exposure of every population, and the safety class that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.intervals import effective_rows
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import ANY, BOTH, NOT
from cartarget.safety.scan_kernel import ORIGIN_ONLY, SAFE, UNKNOWN, UNSAFE
from cartarget.safety.scan_layout import possible_units, required_evidence

COUNTED, BOUNDED, UNMEASURED, AT_LEAST = 0, 1, 2, 3
"""What is known of a gate in a population of observations: counted, only bounded above, nothing, only bounded below
(an OR of which one member was not measured)."""

BELOW, EXPOSED, UNRESOLVED, NO_VALUE = 0, 1, 2, 3
"""What summary evidence says of a gate in a unit: below the level, exposed, undecided, not measured."""


@dataclass(frozen=True)
class Judged:
    """Gates held against every population and unit of a panel (gates × populations, gates × units).

    Attributes
    ----------
    fraction
        Mean fraction hit; an upper bound where `state` is `BOUNDED`, a lower one where it is `AT_LEAST`.
    naive
        The same if a blocker is believed inside a bulk sample.
    n_positive
        Observations hit.
    n_effective
        Effective number of observations, from the gate's own spread over donors: for the ends of an interval.
    state, unit_state
        What is known, see the constants of this module.
    breaks, unit_breaks
        The cap is broken here.
    decided
        Gates × required tissues: some source can decide.
    safety_class
        0 safe, 1 origin-only, 2 unknown, 3 unsafe.
    is_known
        No required tissue unmeasured, and no vital one unresolved. (Unresolved in an important tissue is named but
        changes no class.)
    """

    fraction: NDArray[np.float64]
    naive: NDArray[np.float64]
    n_positive: NDArray[np.int64]
    n_effective: NDArray[np.float64]
    state: NDArray[np.int8]
    unit_state: NDArray[np.int8]
    breaks: NDArray[np.bool_]
    unit_breaks: NDArray[np.bool_]
    unresolved: NDArray[np.bool_]
    unit_unresolved: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    safety_class: NDArray[np.int64]
    is_known: NDArray[np.bool_]


def judge(panel: Panel, *, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> Judged:
    """Hold gates against all evidence, one gate a row.

    The rules are those of the scan over all pairs (`safety.scan_kernel`), written out so that a reader can
    follow every step; a test holds the two together.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    a, b, op
        Gates: rows of the panel, and 0 for `A | B`, 1 for `A & B`, 2 for `A & ~B`. A single antigen is `A | A`.

    Returns
    -------
    `Judged`.
    """
    count, naive = _counts(panel, a, b, op)
    fraction, _ = in_populations(panel, count)
    state, fraction = _population_state(panel, a, b, op, fraction)
    unit_state, decided = _unit_state(panel, a, b, op), _decided(panel, a, b, op)
    return held(panel, count, naive, state=state, fraction=fraction, unit_state=unit_state, decided=decided)


def held(
    panel: Panel, count: NDArray[np.int64], naive_count: NDArray[np.int64], *, state: NDArray[np.int8],
    fraction: NDArray[np.float64], unit_state: NDArray[np.int8], decided: NDArray[np.bool_],
) -> Judged:  # fmt: skip
    """Draw the safety class from what is known of gates in each place.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    count, naive_count
        Positive observations, gates × segments: as judged, and with every blocker believed.
    state, fraction, unit_state, decided
        As in `Judged`.

    Returns
    -------
    `Judged`.
    """
    _, n_positive = in_populations(panel, count)
    naive, _ = in_populations(panel, naive_count)
    usual = panel.populations["n_effective"].to_numpy(dtype=np.float64)
    own = effective_rows(count, segments=panel.packed.segments, weight=panel.segment_weight, n_effective=usual)
    over = fraction > panel.highest_fraction
    over[:, panel.is_tumor] = False
    capped = (panel.units["cap"] < 1).to_numpy(dtype=bool)
    breaks, unresolved = over & ((state == COUNTED) | (state == AT_LEAST)), over & (state == BOUNDED)
    unit_breaks, unit_unresolved = (unit_state == EXPOSED) & capped, (unit_state == UNRESOLVED) & capped

    origin = panel.populations["is_origin"].fillna(False).to_numpy(dtype=bool)
    unit_origin = panel.units["is_origin"].to_numpy(dtype=bool)
    inside = np.array([name in panel.origin for name in panel.required], dtype=bool)
    vital = (panel.populations["tier"].astype(str) == "vital").to_numpy(dtype=bool)
    unit_vital = (panel.units["tier"] == "vital").to_numpy(dtype=bool)
    open_here, open_unit = unresolved & vital, unit_unresolved & unit_vital
    unsafe = breaks[:, ~origin].any(1) | unit_breaks[:, ~unit_origin].any(1)
    doubt = open_here[:, ~origin].any(1) | open_unit[:, ~unit_origin].any(1) | ~decided[:, ~inside].all(1)
    origin_doubt = open_here[:, origin].any(1) | open_unit[:, unit_origin].any(1) | ~decided[:, inside].all(1)
    origin_hit = breaks[:, origin].any(1) | unit_breaks[:, unit_origin].any(1)
    return Judged(
        fraction=fraction,
        naive=naive,
        n_positive=n_positive,
        n_effective=np.where(state == BOUNDED, usual, own),
        state=state,
        unit_state=unit_state,
        breaks=breaks,
        unit_breaks=unit_breaks,
        unresolved=unresolved,
        unit_unresolved=unit_unresolved,
        decided=decided,
        safety_class=np.select(
            [unsafe, doubt, origin_hit | origin_doubt], [UNSAFE, UNKNOWN, ORIGIN_ONLY], default=SAFE
        ).astype(np.int64),
        is_known=~doubt & ~origin_doubt,
    )


def _counts(
    panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positive observations per gate and segment: as judged, and with every blocker believed."""
    words, starts = panel.packed.words, panel.packed.segments["start"].to_numpy()
    naive = np.empty((len(a), len(starts)), dtype=np.int64)
    whole = np.empty_like(naive)
    for low in range(0, len(a), 1024):
        rows = slice(low, low + 1024)
        x, y, kind = words[a[rows]], words[b[rows]], op[rows, None]
        hit = np.where(kind == ANY, x | y, np.where(kind == BOTH, x & y, x & ~y))
        naive[rows] = np.add.reduceat(np.bitwise_count(hit), starts, axis=1, dtype=np.int64)
        if panel.kind == "samples":
            hit = np.where(kind == NOT, x, hit)
        whole[rows] = np.add.reduceat(np.bitwise_count(hit), starts, axis=1, dtype=np.int64)
    tumor = panel.is_tumor[panel.packed.segments["population"].to_numpy()]
    return np.where(tumor, naive, whole), naive


def in_populations(panel: Panel, count: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean fraction hit and observations hit per population, from observations hit per segment."""
    owner = panel.packed.segments["population"].to_numpy()
    first = np.searchsorted(owner, np.arange(len(panel.populations)))
    return (
        np.add.reduceat(count * panel.segment_weight, first, axis=1),
        np.add.reduceat(count, first, axis=1),
    )


def _population_state(
    panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64], fraction: NDArray[np.float64]
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """What is known; an upper bound replaces the count of an AND or AND-NOT of which one member is missing."""
    measured = panel.packed.is_measured
    x, y = measured[a], measured[b]
    kind = op[:, None]
    blocked_by_sample = (kind == NOT) & (panel.kind == "samples")
    counted = np.where(blocked_by_sample, x, x & y)
    bounded = ((kind == BOTH) & (x ^ y)) | ((kind == NOT) & ~blocked_by_sample & x & ~y)
    bound = np.where(x, panel.fraction[a], panel.fraction[b])
    known = [counted, bounded, (kind == ANY) & (x ^ y)]
    state = np.select(known, [COUNTED, BOUNDED, AT_LEAST], default=UNMEASURED).astype(np.int8)
    return state, np.select([state == BOUNDED, state == UNMEASURED], [bound, 0.0], default=fraction)


def _unit_state(panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> NDArray[np.int8]:
    maybe, covered = possible_units(panel)
    above, known = panel.is_above, ~np.isnan(panel.value)
    kind = op[:, None]
    exposed = np.where(kind == ANY, above[a] | above[b], (kind == NOT) & above[a] & ~(covered[a] & covered[b]))
    unresolved = (kind == BOTH) & maybe[a] & maybe[b] & (above[a] | above[b])
    value = np.where(kind == NOT, known[a], known[a] & known[b])
    absent = (kind == BOTH) & ((known[a] & ~maybe[a]) | (known[b] & ~maybe[b]))
    return np.select([exposed, unresolved, value | absent], [EXPOSED, UNRESOLVED, BELOW], default=NO_VALUE).astype(
        np.int8
    )


def _decided(panel: Panel, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> NDArray[np.bool_]:
    absent, counted, summed = required_evidence(panel)
    known = counted | summed
    kind = op[:, None]
    both = absent[a] | absent[b] | (counted[a] & counted[b]) | (summed[a] & summed[b])
    block = absent[a] | (counted[a] & counted[b]) if panel.kind == "cells" else known[a]
    return np.where(kind == ANY, known[a] & known[b], np.where(kind == BOTH, both, block))
