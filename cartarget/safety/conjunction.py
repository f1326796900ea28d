"""What is known of one conjunction of antigens in each place: counted in cells, bounded by the rest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.intervals import by_population
from cartarget.evidence.panel import Panel
from cartarget.evidence.power import LEAST
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import Conjunction, conjunctions, evaluate
from cartarget.safety.known import Flags, known

BELOW, EXPOSED, UNRESOLVED, NO_VALUE = 0, 1, 2, 3
"""What a summary or stain says: below the level, exposed, undecided, not measured."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weighed:
    """A conjunction in each population, unit and required place.

    `low` and `most` are what it hits at least and at most. `unsure`: it may break the cap, what was not measured and
    may be left out of account left out.
    """

    low: Floats
    most: Floats
    complete: Flags
    told: Flags
    informed: Flags
    unsure: Flags
    explained: Flags
    unit_state: NDArray[np.int8]
    unit_explained: Flags
    decided: Flags


class Evidence:
    """A panel as one batch of gates sees it: bits, measured flags and corrected fractions by letter."""

    def __init__(self, panel: Panel, shape: Gate, rows: NDArray[np.int64]) -> None:
        self.panel, self.shape, self.known = panel, shape, known(panel)
        self.row = {symbol: rows[:, column] for column, symbol in enumerate(shape.antigens)}
        self.n = len(rows)
        self.segment_owner = panel.packed.segments["population"].to_numpy(dtype=np.int64)
        self.starts = panel.packed.segments["start"].to_numpy(dtype=np.int64)
        words = panel.packed.segments["stop"].to_numpy(dtype=np.int64) - self.starts
        self.word_owner = np.repeat(self.segment_owner, words)
        self.is_whole = bool(np.all([self.measured(symbol).all() for symbol in shape.antigens]))
        self.all_ones = _valid(panel)
        self._spared: dict[tuple[str, ...], Flags] = {}
        self._counts: dict[tuple[Gate, bool, bool, bool], NDArray[np.int64]] = {}

    def measured(self, symbol: str) -> Flags:
        """Gates × populations: the antigen at a letter was measured."""
        return self.panel.packed.is_measured[self.row[symbol]]

    def corrected(self, symbol: str) -> Floats:
        """Gates × populations: fraction of the antigen at a letter, for power corrected."""
        return self.panel.corrected[self.row[symbol]]

    def of(self, array: NDArray[Any], symbol: str) -> NDArray[Any]:
        """Rows of an array of antigens for the antigen at a letter."""
        return array[self.row[symbol]]

    def bits(self, symbol: str) -> NDArray[np.uint64]:
        """Gates × words: positivity of the antigen at a letter."""
        return self.panel.packed.words[self.row[symbol]]

    def open_bits(self, flags: Flags) -> NDArray[np.uint64]:
        """Gates × populations as bits of all their observations."""
        return np.where(flags[:, self.word_owner], self.all_ones, np.uint64(0))

    def count(
        self, gate: Gate, *, optimistic: bool = False, unblocked: bool = False, naive: bool = False
    ) -> NDArray[np.int64]:
        """Observations hit per segment, what was not measured taken as hitting least or most.

        In normal samples a blocker blocks nothing, unless `naive`. `unblocked`: a blocker that was not measured blocks
        nothing, whatever is said of the rest.
        """
        key = (gate, optimistic, unblocked, naive)
        if key not in self._counts:
            self._counts[key] = self._count(*key)
        return self._counts[key]

    def _count(self, gate: Gate, optimistic: bool, unblocked: bool, naive: bool) -> NDArray[np.int64]:
        hit = np.bitwise_count(self._hit(gate, optimistic, unblocked, naive))
        if not len(self.starts):
            return np.zeros((self.n, 0), dtype=np.int64)
        return np.add.reduceat(hit, self.starts, axis=1, dtype=np.int64)

    def hit(self) -> NDArray[np.uint64]:
        """Gates × words: observations that the whole gate hits, what was not measured taken as hitting least."""
        return self._hit(self.shape, False, False, False)

    def _hit(self, gate: Gate, optimistic: bool, unblocked: bool, naive: bool) -> NDArray[np.uint64]:
        everything = None
        if not naive and self.panel.is_sample.any():
            everything = np.where(self.panel.is_sample[self.word_owner], self.all_ones, np.uint64(0))

        def value(symbol: str) -> NDArray[np.uint64]:
            if self.is_whole or not optimistic:
                return self.bits(symbol)
            return self.bits(symbol) | self.open_bits(~self.measured(symbol))

        def blocked(symbol: str) -> NDArray[np.uint64]:
            own = ~self.bits(symbol) & self.all_ones
            if not self.is_whole:
                gone = self.open_bits(~self.measured(symbol))
                own = own | gone if optimistic or unblocked else own & ~gone
            return own if everything is None else own | everything

        return evaluate(gate, value, blocked)

    def fraction(self, count: NDArray[np.int64]) -> Floats:
        """Mean fraction per population, donors weighed."""
        return by_population(count * self.panel.segment_weight, self.segment_owner, len(self.panel.populations))

    def people_over(self, count: NDArray[np.int64]) -> NDArray[np.int64]:
        """Donors over the cap per population, from observations hit per segment: in samples those that are hit."""
        panel, owner = self.panel, self.segment_owner
        over = (count >= self.known.need).astype(np.float64)
        samples = panel.is_sample[owner]
        over[:, samples] = np.minimum(count, panel.packed.segments["n_donors"].to_numpy())[:, samples]
        return by_population(over, owner, len(panel.populations)).astype(np.int64)

    def breaks(self, low: Floats, people: NDArray[np.int64]) -> Flags:
        """Gates × populations: the fraction is over the cap, or in cells the share of people who are."""
        panel = self.panel
        return panel.is_normal & ((low > panel.highest_fraction) | (panel.is_cells & (people > self.known.most_people)))

    def may_be(self, symbols: tuple[str, ...]) -> Flags:
        """Gates × populations: antigens are not known to be absent together from the tissue."""
        about = self.known
        if len(symbols) == 1:
            return ~about.absent_population[self.row[symbols[0]]]
        if symbols not in self._spared:
            self._spared[symbols] = self._spares(Conjunction(symbols, ()))
        return ~self._spared[symbols]

    def _spares(self, one: Conjunction) -> Flags:
        """Gates × populations: the conjunction is decided at every required place of the tissue, and breaks nothing."""
        about, found = self.known, weigh(self, one)
        over = self.breaks(found.low, self.people_over(self.count(one.gate)))
        harm = ((found.told & ~found.explained & over) | found.unsure) & self.panel.is_normal
        at_unit = ((found.unit_state == EXPOSED) | (found.unit_state == UNRESOLVED)) & self.panel.is_unit_capped
        bad = about.anywhere(harm, at_unit)
        bad |= (~found.decided).astype(np.int64) @ about.in_tissue > 0
        return about.at_populations(~bad)


def _valid(panel: Panel) -> NDArray[np.uint64]:
    """Per word, the bits that are observations."""
    segments = panel.packed.segments
    words = (segments["stop"] - segments["start"]).to_numpy()
    at = np.arange(int(words.sum())) - np.repeat(np.cumsum(words) - words, words)
    left = np.clip(np.repeat(segments["n_observations"].to_numpy(), words) - 64 * at, 0, 64).astype(np.uint64)
    ones = ~np.uint64(0)
    return np.where(left > 0, ones >> (np.uint64(64) - np.maximum(left, np.uint64(1))), np.uint64(0))


def weigh(evidence: Evidence, one: Conjunction) -> Weighed:
    """Hold one conjunction of a batch of gates against all evidence."""
    panel, about = evidence.panel, evidence.known
    samples = panel.is_sample
    measured = [evidence.measured(symbol) for symbol in one.plain]
    blocking = [evidence.measured(symbol) | samples for symbol in one.blockers]
    complete = np.logical_and.reduce([*measured, *blocking])
    informed = np.logical_or.reduce(measured)
    low, most = _bounds(evidence, one, complete)
    high = np.where(complete | _rest_may_be(evidence, one), most, low)
    plain = [about.explained_population[evidence.row[s]] for s in one.plain]
    blockers = [about.typed_population[evidence.row[s]] for s in one.blockers]
    is_explained = _is_explained(plain, blockers) & samples
    unsure = (informed & (high > panel.highest_fraction)) | _is_seen(evidence, one)
    unit_state, unit_explained = _of_units(evidence, one)
    tells = (about.tells & informed & (complete | (high <= panel.highest_fraction))).astype(np.int64)
    by_summary = np.logical_and.reduce([evidence.of(about.summed, s) for s in one.plain])
    by_summary = by_summary | np.logical_or.reduce([evidence.of(about.below, s) for s in one.plain])
    return Weighed(
        low=low,
        most=most,
        complete=complete,
        told=complete | (low > 0),
        informed=informed,
        unsure=unsure & ~complete & ~is_explained,
        explained=is_explained,
        unit_state=unit_state,
        unit_explained=unit_explained,
        decided=(tells @ about.place_of_population > 0) | by_summary,
    )


def _is_explained(plain: list[Flags], blockers: list[Flags]) -> Flags:
    """Two literals of a conjunction or more are explained by cells, one of them plain."""
    number = np.add.reduce([flags.astype(np.int8) for flags in [*plain, *blockers]])
    return np.logical_or.reduce(plain) & (number >= 2)


def _bounds(evidence: Evidence, one: Conjunction, complete: Flags) -> tuple[Floats, Floats]:
    """Least and greatest fraction that a conjunction hits, corrected for power.

    Where the power for a plain antigen is too low, what was seen counts and what was not stays open.
    """
    if len(one.plain) == 1 and not one.blockers:
        own = evidence.corrected(one.plain[0])
        return own, np.where(complete, own, 1.0)
    low = _powered(evidence, one, optimistic=False)
    if evidence.is_whole:
        return low, low
    return low, np.where(complete, low, np.maximum(_powered(evidence, one, optimistic=True), low))


def _is_seen(evidence: Evidence, one: Conjunction) -> Flags:
    """What was seen of the plain antigens breaks the cap, were it not for blockers that were not measured."""
    panel = evidence.panel
    if evidence.is_whole or not one.blockers:
        return np.zeros((evidence.n, len(panel.populations)), dtype=bool)
    return evidence.fraction(evidence.count(one.gate, unblocked=True)) > np.maximum(panel.highest_fraction, 0.0)


def _powered(evidence: Evidence, one: Conjunction, *, optimistic: bool) -> Floats:
    """Fraction over the power of the plain literals, and not above what any part of the conjunction allows.

    The least over the parts S of the plain literals, all blockers with them, of f(S) / ∏ power(S).
    """
    measured = {symbol: evidence.measured(symbol) for symbol in one.plain}
    least = np.minimum.reduce([np.where(measured[s] | (not optimistic), evidence.corrected(s), 1.0) for s in one.plain])
    n = len(one.plain)
    everywhere = bool(np.all([(evidence.of(evidence.panel.power, s) >= 1).all() for s in one.plain]))
    for size in (n,) if everywhere else range(1 if one.blockers else 2, n + 1):
        for part in combinations(one.plain, size):
            fraction = evidence.fraction(evidence.count(Conjunction(part, one.blockers).gate, optimistic=optimistic))
            for symbol in part:
                strength = np.maximum(evidence.of(evidence.panel.power, symbol), LEAST)
                fraction = fraction / np.where(measured[symbol], strength, 1.0)
            least = np.minimum(least, fraction)
    return least


def _rest_may_be(evidence: Evidence, one: Conjunction) -> Flags:
    """Gates × populations: the plain antigens that were not measured there may all be there.

    They may not where they, as a gate of their own, keep the cap in the tissue and all its required places are known.
    """
    out = np.ones((evidence.n, len(evidence.panel.populations)), dtype=bool)
    gone = {symbol: ~evidence.measured(symbol) for symbol in one.plain}
    for size in range(1, len(one.plain)):
        for part in combinations(one.plain, size):
            here = np.logical_and.reduce([gone[symbol] for symbol in part])
            if here.any():
                out &= ~here | evidence.may_be(part)
    return out


def _of_units(evidence: Evidence, one: Conjunction) -> tuple[NDArray[np.int8], Flags]:
    """What summaries and stains say of a conjunction, and where cells decide instead."""
    about, panel = evidence.known, evidence.panel
    above = [evidence.of(panel.is_above, s) for s in one.plain]
    maybe = [evidence.of(about.maybe, s) for s in one.plain]
    is_known = [~np.isnan(evidence.of(panel.value, s)) for s in one.plain]
    explained = _is_explained(
        [evidence.of(about.explained_unit, s) for s in one.plain],
        [evidence.of(about.typed_unit, s) for s in one.blockers],
    )
    there = np.logical_and.reduce(maybe) & np.logical_or.reduce(above)
    hit = EXPOSED if len(one.plain) == 1 else UNRESOLVED
    below = np.logical_and.reduce(is_known) | ~np.logical_and.reduce(maybe)
    state = np.select([there & ~explained, below], [hit, BELOW], default=NO_VALUE)
    return state.astype(np.int8), there & explained


def beside_the_point(panel: Panel, gates: Gates) -> Flags:
    """Places whose level says nothing of harm: where cells decide, and cells for antigens that must meet in one.

    Returns
    -------
    Gates × populations and units.
    """
    about, samples = known(panel), panel.is_sample
    explained_at = np.hstack([about.explained_population & samples, about.explained_unit])
    typed_at = np.hstack([about.typed_population & samples, about.typed_unit])
    n = len(panel.populations)
    out = np.zeros((len(gates), n + len(panel.units)), dtype=bool)
    for batch in gates.batches():
        parts = conjunctions(batch.shape)
        if all(len(one.plain) == 1 for one in parts):
            continue
        out[batch.at, :n] |= panel.is_cells
        explained = []
        for one in parts:
            plain = [explained_at[batch.of(s)] for s in one.plain]
            explained.append(_is_explained(plain, [typed_at[batch.of(s)] for s in one.blockers]))
        out[batch.at] |= np.logical_and.reduce(explained)
    return out
