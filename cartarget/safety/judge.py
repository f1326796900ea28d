"""What would a gate hurt? Every rule that calls a gate safe stands here, for gates of any shape and size.

A gate is read as an OR of conjunctions. Cells are counted: the gate is met inside one cell. Samples, summaries and
stains bound what cells may do, and stand only where cells do not explain them. docs/method.md tells each rule in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.intervals import by_population, effective_rows
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Batch, Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import Conjunction, conjunctions
from cartarget.safety.conjunction import BELOW, EXPOSED, NO_VALUE, UNRESOLVED, Evidence, Floats, Weighed, weigh
from cartarget.safety.known import ORIGIN_ONLY, SAFE, UNKNOWN, UNSAFE, Flags, Known, known
from cartarget.safety.leaks import spared_by_leaks

CHUNK = 512
"""Gates whose bits are in memory at a time."""


@dataclass(frozen=True)
class Judged:
    """Gates held against every population, unit and required place of a panel.

    Attributes
    ----------
    low, high
        Fraction hit at least and at most, for power corrected, gates × populations; the same where every antigen was
        measured. In samples a blocker blocks nothing; in tumours `low` is the plain fraction.
    naive
        Plain fraction with every blocker believed, gates × populations.
    trans
        Fraction of cells that carry one antigen of an AND whose others are present anywhere in the tissue; `low` or
        more.
    n_positive
        Observations hit, at least.
    n_effective
        Effective number of observations, from the gate's own spread over donors: for the ends of an interval.
    complete, told, bounded
        Every antigen was measured; at least one conjunction was counted; `high` says something; gates × populations.
    is_explained
        Cells decide here, and what is said is only a bound; gates × populations and gates × units.
    leaked
        Normal populations with a cap that a gate keeps there only since RNA of its blockers may have leaked; `high` is
        then what is hit where no blocker spares.
    people_over
        Donors whose own hits are more than the cap allows, gates × populations.
    unit_state
        `BELOW`, `EXPOSED`, `UNRESOLVED`, `NO_VALUE`, gates × units.
    breaks, unit_breaks, unresolved, unit_unresolved
        The cap is broken here, or may be.
    decided
        Gates × required places: some source can tell.
    may_decide
        Some population outside the origin may decide the liability.
    safety_class
        0 within caps, 1 origin only, 2 unknown, 3 over cap; the window is not asked here.
    is_known
        Nothing that must be known is open, in the origin or outside.
    """

    low: Floats
    high: Floats
    naive: Floats
    trans: Floats
    n_positive: NDArray[np.int64]
    n_effective: Floats
    complete: Flags
    told: Flags
    bounded: Flags
    is_explained: Flags
    unit_explained: Flags
    leaked: Flags
    people_over: NDArray[np.int64]
    unit_state: NDArray[np.int8]
    breaks: Flags
    unit_breaks: Flags
    unresolved: Flags
    unit_unresolved: Flags
    decided: Flags
    may_decide: Flags
    safety_class: NDArray[np.int64]
    is_known: Flags


def judge(panel: Panel, gates: Gates) -> Judged:
    """Hold gates against all evidence.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.

    Returns
    -------
    `Judged`, gates in the order given.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=5, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["lung"], origin=["colon"])
    >>> judge(panel, Gates.parse(["CEACAM5 & MSLN"], panel=panel)).safety_class.tolist()
    [0]
    """
    parts = [(at, _judge(panel, shape, rows)) for shape, at, rows in _chunks(gates)]
    if not parts:
        parts = [(np.arange(0), _judge(panel, Gate.literal("A"), np.zeros((0, 1), dtype=np.int64)))]
    order = np.argsort(np.concatenate([at for at, _ in parts]), kind="stable")
    return Judged(
        **{f.name: np.concatenate([getattr(part, f.name) for _, part in parts])[order] for f in fields(Judged)}
    )


def _chunks(gates: Gates) -> list[Batch]:
    return [
        Batch(batch.shape, batch.at[low : low + CHUNK], batch.rows[low : low + CHUNK])
        for batch in gates.batches()
        for low in range(0, len(batch.at), CHUNK)
    ]


def _judge(panel: Panel, shape: Gate, rows: NDArray[np.int64]) -> Judged:
    evidence, about = Evidence(panel, shape, rows), known(panel)
    least = evidence.count(shape)
    people = evidence.people_over(least)
    parts = [weigh(evidence, one) for one in conjunctions(shape)]
    complete = np.logical_and.reduce([part.complete for part in parts])
    told = np.logical_or.reduce([part.told & ~part.explained for part in parts])
    explained = np.stack([part.explained for part in parts])
    plain = evidence.fraction(least)
    low, high = _joined(evidence, parts, plain)
    low = np.where(panel.is_normal, _standing(evidence, low, explained), plain)
    naive = evidence.fraction(evidence.count(shape, naive=True)) if panel.is_sample.any() else plain
    over = told & evidence.breaks(low, people)
    unsure = np.logical_or.reduce([part.unsure for part in parts])
    unit_state, unit_explained = _units(parts)
    unit_over = (unit_state == EXPOSED) & panel.is_unit_capped
    unit_unsure = (unit_state == UNRESOLVED) & panel.is_unit_capped
    decided = np.logical_and.reduce([part.decided for part in parts])
    informed = np.logical_and.reduce([part.informed for part in parts])
    may_decide = (informed & panel.decides & ~panel.is_origin).any(axis=1)
    unresolved = unsure & panel.is_normal & ~over
    leaked, bare = spared_by_leaks(evidence, shape)
    safety_class, is_known = _class(panel, about, over, unresolved, unit_over, unit_unsure, decided, may_decide)
    usual = panel.populations["n_effective"].to_numpy(dtype=np.float64)
    return Judged(
        low=low,
        high=np.maximum.reduce([high, low, bare]),
        naive=naive,
        trans=np.maximum(_trans(evidence, shape), low),
        n_positive=by_population(least.astype(np.float64), evidence.segment_owner, len(usual)).astype(np.int64),
        n_effective=np.where(
            told,
            effective_rows(
                least,
                segments=panel.packed.segments,
                weight=panel.segment_weight,
                n_effective=usual,
                spread=panel.populations["spread"],
            ),
            usual,
        ),
        complete=complete,
        told=told,
        bounded=complete | informed,
        is_explained=np.asarray(explained.all(axis=0)),
        unit_explained=unit_explained,
        leaked=leaked & ~over,
        people_over=people,
        unit_state=unit_state,
        breaks=over,
        unit_breaks=unit_over,
        unresolved=unresolved,
        unit_unresolved=unit_unsure,
        decided=decided,
        may_decide=may_decide,
        safety_class=safety_class,
        is_known=is_known,
    )


def _joined(evidence: Evidence, parts: list[Weighed], plain: Floats) -> tuple[Floats, Floats]:
    """Least and greatest fraction that the whole gate hits, corrected for power."""
    if len(parts) == 1:
        return parts[0].low, parts[0].most
    shape, gates = evidence.shape, conjunctions(evidence.shape)
    added = np.zeros_like(plain)
    for one, part in zip(gates, parts, strict=True):
        added += np.where(part.told, part.low - _plain_fraction(evidence, one), 0.0)
    low = np.minimum(plain + added, 1.0)
    low = np.minimum(low, _ceiling(shape, evidence.corrected, np.ones_like(plain)))
    high = np.minimum(np.add.reduce([part.most for part in parts]), 1.0)
    complete = np.logical_and.reduce([part.complete for part in parts])
    return low, np.where(complete, low, np.maximum(high, low))


def _plain_fraction(evidence: Evidence, one: Conjunction) -> Floats:
    if len(one.plain) == 1 and not one.blockers:
        return evidence.of(evidence.panel.fraction, one.plain[0])
    return evidence.fraction(evidence.count(one.gate))


def _ceiling(gate: Gate, of: Callable[[str], Floats], one: Floats) -> Floats:
    """What the parts alone allow: the least of an AND, the sum of an OR; a blocker allows everything."""
    if not gate.operator:
        return one if gate.is_negated else of(gate.symbol)
    parts = [_ceiling(part, of, one) for part in gate.parts]
    return np.minimum.reduce(parts) if gate.operator == "&" else np.minimum(np.add.reduce(parts), 1.0)


def _standing(evidence: Evidence, low: Floats, explained: Flags) -> Floats:
    """What samples say once the conjunctions that cells explain are left out; the rest is counted together."""
    if not explained.any():
        return low
    out = low.copy()
    gates = [one.gate for one in conjunctions(evidence.shape)]
    row, population = np.nonzero(explained.any(axis=0))
    patterns, which = np.unique(explained[:, row, population], axis=1, return_inverse=True)
    for number, gone in enumerate(patterns.T):
        own = np.ravel(which) == number
        at = (row[own], population[own])
        rest = [gate for gate, left_out in zip(gates, gone, strict=True) if not left_out]
        if not rest:
            out[at] = 0.0
            continue
        union = rest[0] if len(rest) == 1 else Gate("|", parts=tuple(rest))
        out[at] = evidence.fraction(evidence.count(union))[at]
    return out


def _trans(evidence: Evidence, shape: Gate) -> Floats:
    """Fraction that carries one antigen of a conjunction whose others are present in the tissue."""
    about, panel = evidence.known, evidence.panel
    out = np.zeros((evidence.n, len(panel.populations)))
    for one in conjunctions(shape):
        if len(one.plain) < 2:
            continue
        present = {s: about.present_population[evidence.row[s]] for s in one.plain}
        for symbol in one.plain:
            primed = np.logical_and.reduce([present[other] for other in one.plain if other != symbol])
            out = np.maximum(out, np.where(primed & panel.is_cells, evidence.corrected(symbol), 0.0))
    return out


def _units(parts: list[Weighed]) -> tuple[NDArray[np.int8], Flags]:
    """What summaries and stains say of the whole gate: the worst that they say of a conjunction."""
    states = np.stack([part.unit_state for part in parts])
    worst = [(states == value).any(axis=0) for value in (EXPOSED, UNRESOLVED, NO_VALUE)]
    state = np.select(worst, [EXPOSED, UNRESOLVED, NO_VALUE], default=BELOW).astype(np.int8)
    return state, np.logical_or.reduce([part.unit_explained for part in parts]) & ~worst[0] & ~worst[1]


def classed(panel: Panel, judged: Judged) -> Judged:
    """The same places with the class that they make; for gates whose places were put together from others'."""
    kind, is_known = _class(
        panel, known(panel), judged.breaks, judged.unresolved, judged.unit_breaks, judged.unit_unresolved,
        judged.decided, judged.may_decide,
    )  # fmt: skip
    return replace(judged, safety_class=kind, is_known=is_known)


def _class(
    panel: Panel, about: Known, over: Flags, unresolved: Flags, unit_over: Flags, unit_unsure: Flags, decided: Flags,
    may_decide: Flags,
) -> tuple[NDArray[np.int64], Flags]:  # fmt: skip
    """The safety class, and whether nothing that must be known is open."""
    origin, unit_origin = panel.is_origin, panel.units["is_origin"].to_numpy(dtype=bool)
    inside = about.in_origin
    unresolved = unresolved & panel.is_capped
    unsafe = over[:, ~origin].any(1) | unit_over[:, ~unit_origin].any(1)
    doubt = unresolved[:, ~origin].any(1) | unit_unsure[:, ~unit_origin].any(1)
    doubt |= ~decided[:, ~inside].all(1) | ~may_decide
    at_home = over[:, origin].any(1) | unit_over[:, unit_origin].any(1)
    home_doubt = unresolved[:, origin].any(1) | unit_unsure[:, unit_origin].any(1) | ~decided[:, inside].all(1)
    kind = np.select([unsafe, doubt, at_home | home_doubt], [UNSAFE, UNKNOWN, ORIGIN_ONLY], default=SAFE)
    return kind.astype(np.int64), ~doubt & ~home_doubt
