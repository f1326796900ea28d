"""The reference judge with rules under which no gate is better than one that implies it.

The rules as first written break that property in four ways, each shown in `test_reference_mended.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, product

import numpy as np

from cartarget.logic.gate import Gate
from tests.safety.reference_evidence import Population, Unit
from tests.safety.reference_gate import Conjunction, blockers, conjunctions, joined, plain
from tests.safety.reference_judge import SEEN, Reference, unmeasured


class Mended(Reference):
    """`Reference` with four rules replaced."""

    _open_parts: dict[tuple[object, ...], bool]

    def may_be(self, unmeasured: Conjunction, at: Population | Unit) -> bool:
        """What was not measured may be present where it is, as a gate of its own, not within the caps.

        That is: a required place that covers this one is undecided for it, or it is broken or unresolved somewhere in
        the tissue.
        """
        self.__dict__.setdefault("_open_parts", {})
        key = (unmeasured, at.tissue, at.cell_type)
        if key not in self._open_parts:
            self._open_parts[key] = self._is_required_and_open(unmeasured, at) or self._is_harmed(unmeasured, at.tissue)
        return self._open_parts[key]

    def _is_required_and_open(self, cube: Conjunction, at: Population | Unit) -> bool:
        for required in self.required:
            tissue, _, cell_type = required.partition(": ")
            covers = tissue == at.tissue and (not cell_type or at.cell_type in ("", cell_type))
            if covers and not self._decided(required, cube):
                return True
        return False

    def _is_harmed(self, cube: Conjunction, tissue: str) -> bool:
        explained = self.explained(cube, tissue)
        for p in self.normals:
            left_out = p.tissue != tissue or (p.kind == "samples" and explained)
            if left_out or not any(p.measured(s) for s in plain(cube)):
                continue
            if self.breaks(p, joined([cube]), [cube]) or (p.cap < 1 and self._open(p, cube)):
                return True
        units = [u for u in self.units if u.tissue == tissue and u.cap < 1 and not explained]
        return any(self._unit(u, cube) for u in units)

    def conjunction(self, p: Population, cube: Conjunction, *, high: bool = False) -> float:
        """Corrected fraction: the least over the non-empty sets of plain literals, each with all blockers."""
        missing = unmeasured(p, cube)
        if missing and not (high and self.may_be(missing, p)):
            return 0.0
        stops = frozenset((symbol, True) for symbol in blockers(cube))
        least = 1.0
        for some in subsets([s for s in plain(cube) if p.measured(s)]):
            part = frozenset((symbol, False) for symbol in some) | stops
            power = float(np.prod([p.power.get(symbol, 1.0) for symbol in some]))
            least = min(least, self.fraction(p, [part], high=high) / power)
        return least

    def gate(self, p: Population, gate: Gate, cubes: Collection[Conjunction]) -> float:
        """Corrected fraction: the least over all gates of weaker conjunctions that the gate implies."""
        counted = [cube for cube in cubes if not unmeasured(p, cube)]
        if not p.power:
            return self.fraction(p, counted)
        return min((self._plus(p, cover) for cover in covers(counted)), default=0.0)

    def _plus(self, p: Population, cubes: Collection[Conjunction]) -> float:
        added = sum(self.conjunction(p, cube) - self.fraction(p, [cube]) for cube in cubes)
        return min(1.0, self.fraction(p, cubes) + added)

    def _shown(self, symbol: str, tissue: str) -> bool:
        """Shown by samples above the cap or `SEEN`, whichever is lower: within the cap, too, cells must be seen."""
        samples = [p for p in self.normals if p.kind == "samples" and p.tissue == tissue and p.measured(symbol)]
        by_sample = any(self.value(p, self.single(p, symbol)) > min(p.cap, SEEN) + 1e-9 for p in samples)
        return by_sample or any(u.above[symbol] for u in self.units if u.tissue == tissue)

    def is_below(self, gate: Gate, windows: Mapping[str, float]) -> bool:
        """Whether a conjunction without a blocker has no part with a window of 0 or more."""
        for cube in conjunctions(gate):
            parts = [joined([frozenset((s, False) for s in some)]) for some in subsets(plain(cube))]
            if not blockers(cube) and all(windows.get(str(part), np.nan) < 0 for part in parts):
                return True
        return False


def subsets(items: Collection[str]) -> Iterator[tuple[str, ...]]:
    """All non-empty subsets."""
    for size in range(1, len(items) + 1):
        yield from combinations(sorted(items), size)


def covers(cubes: Collection[Conjunction]) -> set[frozenset[Conjunction]]:
    """All ways to weaken each conjunction, as sets of conjunctions of which none contains another."""
    weaker = []
    for cube in cubes:
        stops = [(), *subsets(blockers(cube))]
        weaker.append([
            frozenset((s, False) for s in some) | frozenset((s, True) for s in stop)
            for some in subsets(plain(cube)) for stop in stops
        ])  # fmt: skip
    chosen = {frozenset(each) for each in product(*weaker)} if cubes else set()
    return {frozenset(c for c in each if not any(d < c for d in each)) for each in chosen}
