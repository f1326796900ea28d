"""The rules of safety once more, slow and plain: what `score_gates` must answer, from the atlases themselves.

Power and levels are the package's own estimates; what follows from them is reckoned here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

import anndata
import numpy as np
from scipy.stats import beta, binom

from cartarget.logic.gate import Gate
from tests.safety.reference_evidence import Population, Unit, populations, take_power, units
from tests.safety.reference_gate import Conjunction, blockers, conjunctions, joined, plain

CLASSES = ("within caps", "origin only", "unknown", "over cap")
SEEN = 0.05
STAINS = {"Low": 1.0, "Medium": 2.0, "High": 3.0}


@dataclass(frozen=True)
class Verdict:
    """What the reference says of one gate; places are tissues, `undecided` holds names of required places."""

    safety_class: str
    liability: float
    broken: frozenset[str]
    unresolved: frozenset[str]
    undecided: frozenset[str]
    may_decide: bool


@lru_cache(maxsize=100_000)
def _median(x: float, n: float) -> float:
    return float(beta.median(0.5 + n * x, 0.5 + n * (1 - x)))


def subsets(items: Collection[str]) -> Iterator[tuple[str, ...]]:
    """All non-empty subsets."""
    for size in range(1, len(items) + 1):
        yield from combinations(sorted(items), size)


def sensing(symbols: Collection[str]) -> Conjunction:
    """The conjunction that senses some antigens, without a blocker."""
    return frozenset((symbol, False) for symbol in symbols)


class Reference:
    """All evidence of a run, held against one gate at a time."""

    window: Callable[[tuple[str, ...]], float] | None = None
    """Window of antigens that must meet in one cell; None: windows are not asked."""

    leaks: Callable[[Population, str], bool] | None = None
    """Whether an antigen may have leaked into a population; None: nothing leaks."""

    def __init__(
        self,
        atlases: Sequence[anndata.AnnData],
        *,
        symbols: Sequence[str],
        required: Collection[str],
        origin: Collection[str] = (),
        summaries: Sequence[anndata.AnnData] = (),
        proteins: Sequence[anndata.AnnData] = (),
        stand_in: Collection[str] = (),
        bulk: float = 10.0,
        count: int = 1,
        protein: str = "Medium",
    ) -> None:
        self.symbols, self.required, self.origin = list(symbols), sorted(required), set(origin)
        self.stand_in = set(stand_in)
        self.populations = populations(atlases, symbols, bulk=bulk, count=count)
        self.units = units(summaries, proteins, symbols, bulk=bulk, stain=STAINS[protein])
        self._spared: dict[tuple[Conjunction, str], bool] = {}

    def with_power(self, panel: object) -> Reference:
        """The same with the power that the package estimated."""
        take_power(self.populations, panel, self.symbols)
        self._spared.clear()
        return self

    @cached_property
    def normals(self) -> list[Population]:
        """Populations of normal tissue."""
        return [p for p in self.populations if p.side == "normal"]

    # ---- counting -------------------------------------------------------------------------------------------------

    def _truth(self, p: Population, literal: tuple[str, bool], rows: np.ndarray, high: bool) -> np.ndarray:
        symbol, negated = literal
        own, measured = rows[:, self.symbols.index(symbol)], p.measured(symbol)
        if not negated:
            return own | (high and not measured)
        if p.kind == "samples" and p.side == "normal":
            return np.ones(len(rows), bool)
        return ~own if measured else np.full(len(rows), high)

    def hits(self, p: Population, cubes: Collection[Conjunction], *, high: bool = False) -> dict[str, np.ndarray]:
        """Which observations of each donor at least one of the conjunctions hits."""
        out = {}
        for donor, observed in p.donors.items():
            rows = np.array(observed)
            out[donor] = np.zeros(len(rows), bool)
            for cube in cubes:
                every = np.ones(len(rows), bool)
                for literal in cube:
                    every &= self._truth(p, literal, rows, high)
                out[donor] |= every
        return out

    def fraction(self, p: Population, cubes: Collection[Conjunction], *, high: bool = False) -> float:
        """Mean over donors, not corrected for power."""
        return sum(p.donor_weight[d] * int(hit.sum()) for d, hit in self.hits(p, cubes, high=high).items())

    # ---- power ----------------------------------------------------------------------------------------------------

    def single(self, p: Population, symbol: str) -> float:
        """Corrected fraction of an antigen alone; where it was not measured, what was seen of it."""
        return self.conjunction(p, sensing([symbol]))

    def conjunction(self, p: Population, cube: Conjunction, *, high: bool = False) -> float:
        """Corrected fraction: the least over the parts of what it senses, alone and with all blockers."""
        stops, least = frozenset((symbol, True) for symbol in blockers(cube)), 1.0
        for some in subsets(plain(cube)):
            power = float(np.prod([p.power.get(s, 1.0) for s in some if p.measured(s)]))
            wholes = [sensing(some) | stops, *([sensing(some)] if len(some) == 1 else [])]
            least = min([least, *(self.fraction(p, [one], high=high) / power for one in wholes)])
        return least

    def most(self, p: Population, cube: Conjunction) -> float:
        """What a conjunction hits at most; what was not measured is left out where it is known to spare the tissue."""
        gone = [s for s in plain(cube) if not p.measured(s)]
        spared = any(self.spared(sensing(some), p.tissue) for some in subsets(gone))
        return self.conjunction(p, cube, high=not spared)

    def gate(self, p: Population, gate: Gate, cubes: Collection[Conjunction]) -> float:
        """Corrected fraction of the lower reading of a gate, of which `cubes` count."""
        f = self.fraction(p, cubes)
        if p.kind == "samples":
            return f
        added = f + sum(self.conjunction(p, cube) - self.fraction(p, [cube]) for cube in cubes)
        return min(1.0, added, self._tree(p, gate))

    def _tree(self, p: Population, gate: Gate) -> float:
        if not gate.operator:
            return 1.0 if gate.is_negated else self.single(p, gate.symbol)
        parts = [self._tree(p, part) for part in gate.parts]
        return min(parts) if gate.operator == "&" else min(1.0, sum(parts))

    def value(self, p: Population, x: float) -> float:
        """V: the fraction itself where thin, else the posterior median."""
        return x if p.is_thin else _median(float(x), p.n_effective)

    # ---- what breaks ----------------------------------------------------------------------------------------------

    def is_told(self, p: Population, cube: Conjunction) -> bool:
        """Whether it was counted, or was seen although its power is too low."""
        return self.is_complete(p, cube) or self.fraction(p, [cube]) > 0

    def breaks(self, p: Population, gate: Gate, cubes: Collection[Conjunction]) -> bool:
        """Whether the population, or in cells too many of its people, break the cap."""
        if p.cap >= 1 or not any(self.is_told(p, cube) for cube in cubes):
            return False
        if self.value(p, self.gate(p, gate, cubes)) > p.cap + 1e-9:
            return True
        over = self.people_over(p, cubes) if p.kind == "cells" else 0
        return over > 0 and _median(over / p.n_donors, float(p.n_donors)) > p.cap

    def people_over(self, p: Population, cubes: Collection[Conjunction]) -> int:
        """Donors of more than one cell whose own hits are more than the cap allows; in samples, positive donors."""
        over = 0
        for hit in self.hits(p, cubes).values():
            k, m = int(hit.sum()), len(hit)
            if p.kind == "samples":
                over += k > 0
            else:
                over += bool(m > 1 and k > 0 and binom.sf(k - 1, m, p.cap) < 0.05 - 1e-12)
        return over

    def is_complete(self, p: Population, cube: Conjunction) -> bool:
        """Whether all its literals are measured; blockers are not asked in normal samples."""
        asked = plain(cube) if p.kind == "samples" else [symbol for symbol, _ in cube]
        return all(p.measured(symbol) for symbol in asked)

    def spared(self, cube: Conjunction, tissue: str) -> bool:
        """Whether a conjunction is decided at every required place of a tissue, and neither breaks it nor may."""
        key = (cube, tissue)
        if key not in self._spared:
            asked = [r for r in self.required if r.partition(": ")[0] == tissue]
            self._spared[key] = all(self._decided(r, cube) for r in asked) and not self._is_harmed(cube, tissue)
        return self._spared[key]

    def _is_harmed(self, cube: Conjunction, tissue: str) -> bool:
        explained = self.explained(cube, tissue)
        for p in self.normals:
            if p.tissue != tissue or p.cap >= 1 or (p.kind == "samples" and explained):
                continue
            if self.breaks(p, joined([cube]), [cube]) or self._open(p, cube):
                return True
        return not explained and any(self._unit(u, cube) for u in self.units if u.tissue == tissue and u.cap < 1)

    # ---- cells explain bulk ---------------------------------------------------------------------------------------

    def _typed(self, symbol: str, tissue: str) -> bool:
        asked = [r.partition(": ")[2] for r in self.required if r.startswith(f"{tissue}: ")]
        telling = [p for p in self.normals if p.kind == "cells" and p.tissue == tissue and p.tells]
        telling = [p for p in telling if p.measured(symbol)]
        return all(any(p.cell_type == one for p in telling) for one in asked) if asked else bool(telling)

    def _shown(self, symbol: str, tissue: str) -> bool:
        samples = [p for p in self.normals if p.kind == "samples" and p.tissue == tissue and p.measured(symbol)]
        by_sample = any(self.value(p, self.single(p, symbol)) > min(p.cap, SEEN) + 1e-9 for p in samples)
        return by_sample or any(u.above[symbol] for u in self.units if u.tissue == tissue)

    def _seen(self, symbol: str, tissue: str) -> bool:
        thick = [p for p in self.normals if p.kind == "cells" and p.tissue == tissue and p.n_observations >= 30]
        return any(self.single(p, symbol) >= SEEN - 1e-9 for p in thick if p.measured(symbol))

    def explained(self, cube: Conjunction, tissue: str) -> bool:
        """Whether the cells of the tissue explain what its bulk says of a conjunction."""
        senses = [
            s for s in plain(cube)
            if self._typed(s, tissue) and (not self._shown(s, tissue) or self._seen(s, tissue))
        ]  # fmt: skip
        return bool(senses) and len(senses) + sum(self._typed(s, tissue) for s in blockers(cube)) >= 2

    # ---- one gate -------------------------------------------------------------------------------------------------

    def judge(self, gate: Gate) -> Verdict:
        """The class, the liability and the places of one gate."""
        cubes = conjunctions(gate)
        broken, unresolved, values = [], [], []
        for p in self.normals:
            ours = [c for c in cubes if p.kind == "cells" or not self.explained(c, p.tissue)]
            if self.breaks(p, gate, ours):
                broken.append(p)
            elif p.cap < 1 and any(self._open(p, c) or self.is_spared_by_leaks(p, c) for c in ours):
                unresolved.append(p)
            decides = not p.is_origin and not p.is_thin and p.weight > 0
            if decides and any(self.is_told(p, c) for c in ours):
                values.append(p.weight * self.value(p, self.gate(p, gate, ours)))
        for u in self.units:
            says = [self._unit(u, c) for c in cubes if not self.explained(c, u.tissue)]
            if "exposed" in says and not u.is_origin and u.weight > 0:
                values.append(u.weight)
            if u.cap < 1 and "exposed" in says:
                broken.append(u)
            elif u.cap < 1 and "unresolved" in says:
                unresolved.append(u)
        undecided = [r for r in self.required if not all(self._decided(r, c) for c in cubes)]
        return self._verdict(cubes, broken, unresolved, undecided, values, self.is_below(cubes))

    def is_spared_by_leaks(self, p: Population, cube: Conjunction) -> bool:
        """Whether the cap is kept only by blockers that may have leaked into the cells."""
        if self.leaks is None or p.kind != "cells" or not any(self.leaks(p, s) for s in blockers(cube)):
            return False
        bare = self.conjunction(p, self.without_leaks(p, cube))
        return bare > 0 and self.value(p, bare) > p.cap + 1e-9

    def without_leaks(self, p: Population, cube: Conjunction) -> Conjunction:
        """A conjunction without its blockers that may have leaked into the cells or were not measured there."""
        kept = [s for s in blockers(cube) if p.measured(s) and not (self.leaks and self.leaks(p, s))]
        return sensing(plain(cube)) | frozenset((s, True) for s in kept)

    def is_below(self, cubes: Collection[Conjunction]) -> bool:
        """Whether a conjunction without a blocker has no part with a window of 0 or more."""
        if self.window is None:
            return False
        senses = [plain(cube) for cube in cubes if not blockers(cube)]
        return any(all(self.window(some) < 0 for some in subsets(each)) for each in senses)

    def _verdict(self, cubes, broken, unresolved, undecided, values, is_below) -> Verdict:  # type: ignore[no-untyped-def]
        may_decide = any(
            not p.is_origin and not p.is_thin and p.weight > 0
            and all(any(p.measured(s) for s in plain(c)) for c in cubes)
            for p in self.normals
        )  # fmt: skip
        at_home = [r for r in undecided if r.partition(": ")[0] in self.origin]
        if is_below or any(not place.is_origin for place in broken):
            kind = "over cap"
        elif any(not p.is_origin for p in unresolved) or len(at_home) < len(undecided) or not may_decide:
            kind = "unknown"
        elif broken or unresolved or undecided:
            kind = "origin only"
        else:
            kind = "within caps"
        return Verdict(
            kind, max(values, default=float("nan")), frozenset(p.tissue for p in broken),
            frozenset(p.tissue for p in unresolved), frozenset(undecided), may_decide,
        )  # fmt: skip

    def _open(self, p: Population, cube: Conjunction) -> bool:
        """Whether it may break the cap: as far as it was measured, or by what was seen, blockers left out."""
        if self.is_complete(p, cube):
            return False
        if any(p.measured(s) for s in plain(cube)) and self.value(p, self.most(p, cube)) > p.cap + 1e-9:
            return True
        seen = frozenset(one for one in cube if not one[1] or p.measured(one[0]))
        f = self.fraction(p, [seen]) if len(seen) < len(cube) else 0.0
        return f > 0 and self.value(p, f) > p.cap + 1e-9

    def _unit(self, u: Unit, cube: Conjunction) -> str:
        names = plain(cube)
        if len(names) == 1:
            return "exposed" if u.above[names[0]] else ""
        if not any(u.above[s] for s in names) or any(u.known[s] and not u.above[s] for s in names):
            return ""
        return "" if any(self.spared(sensing([s]), u.tissue) for s in names if not u.known[s]) else "unresolved"

    def _decided(self, required: str, cube: Conjunction) -> bool:
        tissue, _, cell_type = required.partition(": ")

        def of(place: Population | Unit, organ: bool) -> bool:
            if place.tissue != tissue:
                return False
            stands_in = organ and required in self.stand_in and not place.cell_type
            return not cell_type or place.cell_type == cell_type or stands_in

        for p in self.normals:
            if of(p, p.kind == "samples") and p.tells and any(p.measured(s) for s in plain(cube)):
                inside = self.value(p, self.most(p, cube)) <= p.cap + 1e-9
                if self.is_complete(p, cube) or inside:
                    return True
        for u in self.units:
            if u.evidence == "summary" and of(u, True) and any(u.known[s] for s in plain(cube)):
                below = any(u.known[s] and not u.above[s] for s in plain(cube))
                if below or all(u.known[s] for s in plain(cube)):
                    return True
        return False
