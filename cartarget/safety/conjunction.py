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

    `low` and `most` are what it hits at least and at most; `high` is `most`, or nothing where what was not measured may
    be left out of account.
    """

    low: Floats
    high: Floats
    most: Floats
    complete: Flags
    told: Flags
    informed: Flags
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

    def count(self, gate: Gate, *, optimistic: bool, believed: Flags | None = None) -> NDArray[np.int64]:
        """Observations hit per segment, what was not measured taken as hitting least or most.

        `believed`: populations in which a blocker blocks; None: all.
        """
        everything = None
        if believed is not None and not believed.all():
            everything = np.where(believed[self.word_owner], np.uint64(0), self.all_ones)

        def value(symbol: str) -> NDArray[np.uint64]:
            if self.is_whole or not optimistic:
                return self.bits(symbol)
            return self.bits(symbol) | self.open_bits(~self.measured(symbol))

        def blocked(symbol: str) -> NDArray[np.uint64]:
            own = ~self.bits(symbol) & self.all_ones
            if not self.is_whole and not optimistic:
                own = own & ~self.open_bits(~self.measured(symbol))
            return own if everything is None else own | everything

        hit = np.bitwise_count(evaluate(gate, value, blocked))
        if not len(self.starts):
            return np.zeros((self.n, 0), dtype=np.int64)
        return np.add.reduceat(hit, self.starts, axis=1, dtype=np.int64)

    def fraction(self, count: NDArray[np.int64]) -> Floats:
        """Mean fraction per population, donors weighed."""
        return by_population(count * self.panel.segment_weight, self.segment_owner, len(self.panel.populations))

    def may_be(self, symbols: tuple[str, ...]) -> Flags:
        """Gates × populations: antigens are not known to be absent together from the tissue."""
        about = self.known
        if len(symbols) == 1:
            return ~about.at_populations(about.absent)[self.row[symbols[0]]]
        if symbols not in self._spared:
            self._spared[symbols] = self._spares(Conjunction(symbols, ()))
        return ~self._spared[symbols]

    def _spares(self, one: Conjunction) -> Flags:
        """Gates × populations: the conjunction is decided at every required place of the tissue, and breaks nothing."""
        about, found = self.known, weigh(self, one)
        limit = self.panel.highest_fraction
        unsure = ~found.complete & found.informed & ~found.explained & (found.high > limit)
        harm = ((found.told & ~found.explained & (found.low > limit)) | unsure) & self.panel.is_normal
        capped = (self.panel.units["cap"] < 1).to_numpy(dtype=bool)
        at_unit = ((found.unit_state == EXPOSED) | (found.unit_state == UNRESOLVED)) & capped
        bad = np.zeros((self.n, len(about.tissues)), dtype=bool)
        for number in range(len(about.tissues)):
            bad[:, number] = harm[:, about.of_population == number].any(axis=1)
            bad[:, number] |= at_unit[:, about.of_unit == number].any(axis=1)
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
    samples = ~panel.is_cells & panel.is_normal
    measured = [evidence.measured(symbol) for symbol in one.plain]
    blocking = [evidence.measured(symbol) | samples for symbol in one.blockers]
    complete = np.logical_and.reduce([*measured, *blocking])
    informed = np.logical_or.reduce(measured)
    low, most = _bounds(evidence, one, complete)
    high = np.where(complete | _rest_may_be(evidence, one), most, low)
    plain = [about.at_populations(about.explained)[evidence.row[s]] for s in one.plain]
    blockers = [about.at_populations(about.typed)[evidence.row[s]] for s in one.blockers]
    unit_state, unit_explained = _of_units(evidence, one)
    tells = (about.tells & informed & (complete | (high <= panel.highest_fraction))).astype(np.int64)
    by_summary = np.logical_and.reduce([evidence.of(about.summed, s) for s in one.plain])
    by_summary = by_summary | np.logical_or.reduce([evidence.of(about.below, s) for s in one.plain])
    return Weighed(
        low=low,
        high=high,
        most=most,
        complete=complete,
        told=complete | (low > 0),
        informed=informed,
        explained=_is_explained(plain, blockers) & samples,
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
    panel = evidence.panel
    if len(one.plain) == 1 and not one.blockers:
        own = evidence.corrected(one.plain[0])
        return own, np.where(complete, own, 1.0)
    believed = panel.is_cells | ~panel.is_normal
    low = _powered(evidence, one, believed)
    if evidence.is_whole:
        return low, low
    most = evidence.fraction(evidence.count(one.gate, optimistic=True, believed=believed))
    out, ceiling = most, np.ones_like(most)
    for symbol in one.plain:
        measured = evidence.measured(symbol)
        out = out / np.where(measured, np.maximum(evidence.of(panel.power, symbol), LEAST), 1.0)
        ceiling = np.where(measured, np.minimum(ceiling, evidence.corrected(symbol)), ceiling)
    return low, np.where(complete, low, np.maximum(np.minimum(out, ceiling), low))


def _powered(evidence: Evidence, one: Conjunction, believed: Flags) -> Floats:
    """Fraction over the power of the plain literals, and not above what any part of the conjunction allows.

    The least over the parts S of the plain literals, all blockers with them, of f(S) / ∏ power(S).
    """
    least = np.minimum.reduce([evidence.corrected(symbol) for symbol in one.plain])
    n = len(one.plain)
    everywhere = bool(np.all([(evidence.of(evidence.panel.power, s) >= 1).all() for s in one.plain]))
    for size in (n,) if everywhere else range(1 if one.blockers else 2, n + 1):
        for part in combinations(one.plain, size):
            count = evidence.count(Conjunction(part, one.blockers).gate, optimistic=False, believed=believed)
            fraction = evidence.fraction(count)
            for symbol in part:
                strength = np.maximum(evidence.of(evidence.panel.power, symbol), LEAST)
                fraction = fraction / np.where(evidence.measured(symbol), strength, 1.0)
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
    about, samples = known(panel), ~panel.is_cells & panel.is_normal
    n = len(panel.populations)
    out = np.zeros((len(gates), n + len(panel.units)), dtype=bool)
    for batch in gates.batches():
        parts = conjunctions(batch.shape)
        if all(len(one.plain) == 1 for one in parts):
            continue
        out[batch.at, :n] |= panel.is_cells
        explained = []
        for one in parts:
            plain = [np.hstack([about.at_populations(about.explained) & samples, about.explained_unit])[batch.of(s)]
                     for s in one.plain]  # fmt: skip
            block = [np.hstack([about.at_populations(about.typed) & samples, about.typed_unit])[batch.of(s)]
                     for s in one.blockers]  # fmt: skip
            explained.append(_is_explained(plain, block))
        out[batch.at] |= np.logical_and.reduce(explained)
    return out
