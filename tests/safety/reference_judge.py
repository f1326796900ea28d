"""The rules of safety once more, slow and plain: what `score_gates` must answer, from the atlases themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

import anndata
import numpy as np
from scipy.stats import beta, binom

from cartarget.logic.gate import Gate
from tests.safety.reference_evidence import Population, Unit, populations, take_power, units
from tests.safety.reference_gate import Conjunction, blockers, conjunctions, plain

CLASSES = ("safe", "origin-only", "unknown", "unsafe")
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


def unmeasured(p: Population, cube: Conjunction) -> Conjunction:
    """What a conjunction senses and the population did not measure."""
    return frozenset((symbol, False) for symbol in plain(cube) if not p.measured(symbol))


class Reference:
    """All evidence of a run, held against one gate at a time."""

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
        self._absent: dict[tuple[str, str, str], bool] = {}

    def with_power(self, panel: object) -> Reference:
        """The same with the power that the package estimated."""
        take_power(self.populations, panel, self.symbols)
        return self

    @cached_property
    def normals(self) -> list[Population]:
        """Populations of normal tissue."""
        return [p for p in self.populations if p.side == "normal"]

    # ---- counting -------------------------------------------------------------------------------------------------

    def _truth(self, p: Population, literal: tuple[str, bool], rows: np.ndarray, high: bool) -> np.ndarray:
        symbol, negated = literal
        if negated and p.kind == "samples" and p.side == "normal":
            return np.ones(len(rows), bool)
        if p.measured(symbol):
            own = rows[:, self.symbols.index(symbol)]
            return ~own if negated else own
        return np.full(len(rows), high)

    def may_be(self, unmeasured: Conjunction, at: Population | Unit) -> bool:
        """Whether antigens that were not measured may all be present in a place."""
        return not any(self.absent(symbol, at) for symbol in plain(unmeasured))

    def hits(self, p: Population, cubes: Collection[Conjunction], *, high: bool = False) -> dict[str, np.ndarray]:
        """Which observations of each donor at least one of the conjunctions hits."""
        open_ = [c for c in cubes if not unmeasured(p, c) or (high and self.may_be(unmeasured(p, c), p))]
        out = {}
        for donor, observed in p.donors.items():
            rows = np.array(observed)
            out[donor] = np.zeros(len(rows), bool)
            for cube in open_:
                every = np.ones(len(rows), bool)
                for literal in cube:
                    every &= self._truth(p, literal, rows, high)
                out[donor] |= every
        return out

    def fraction(self, p: Population, cubes: Collection[Conjunction], *, high: bool = False) -> float:
        """Mean over donors, not corrected for power."""
        return sum(p.donor_weight[d] * int(hit.sum()) for d, hit in self.hits(p, cubes, high=high).items())

    # ---- power ----------------------------------------------------------------------------------------------------

    def single(self, p: Population, symbol: str, *, high: bool = False) -> float:
        """Corrected fraction of an antigen alone; not measured, it is in no cell (low) or in any (high)."""
        if not p.measured(symbol):
            return float(high)
        return min(1.0, self.fraction(p, [frozenset({(symbol, False)})]) / p.power.get(symbol, 1.0))

    def conjunction(self, p: Population, cube: Conjunction, *, high: bool = False) -> float:
        """Corrected fraction of a conjunction."""
        seen = [s for s in plain(cube) if p.measured(s)]
        power = float(np.prod([p.power.get(s, 1.0) for s in seen])) if seen else 1.0
        corrected = min(1.0, self.fraction(p, [cube], high=high) / power)
        return min([corrected, *(self.single(p, s, high=high) for s in plain(cube))])

    def gate(self, p: Population, gate: Gate, cubes: Collection[Conjunction]) -> float:
        """Corrected fraction of the lower reading of a gate, of which `cubes` count."""
        f = self.fraction(p, cubes)
        added = f + sum(self.conjunction(p, cube) - self.fraction(p, [cube]) for cube in cubes)
        bound = self._tree(p, gate) if p.kind == "cells" else 1.0
        return max(f, min(1.0, added, bound))

    def _tree(self, p: Population, gate: Gate) -> float:
        if not gate.operator:
            return 1.0 if gate.is_negated else self.single(p, gate.symbol)
        parts = [self._tree(p, part) for part in gate.parts]
        return min(parts) if gate.operator == "&" else min(1.0, sum(parts))

    def value(self, p: Population, x: float) -> float:
        """V: the fraction itself where thin, else the posterior median."""
        return x if p.is_thin else _median(float(x), p.n_effective)

    # ---- what breaks ----------------------------------------------------------------------------------------------

    def breaks(self, p: Population, gate: Gate, cubes: Collection[Conjunction]) -> bool:
        """Whether the population, or too many of its people, break the cap."""
        if p.cap >= 1 or not cubes:
            return False
        if self.value(p, self.gate(p, gate, cubes)) > p.cap + 1e-9:
            return True
        over = self.people_over(p, cubes)
        return over > 0 and _median(over / p.n_donors, float(p.n_donors)) > p.cap

    def people_over(self, p: Population, cubes: Collection[Conjunction]) -> int:
        """Donors whose own hits are more than the cap allows; in samples, positive donors."""
        over = 0
        for hit in self.hits(p, cubes).values():
            k, m = int(hit.sum()), len(hit)
            over += k > 0 if p.kind == "samples" else bool(k > 0 and binom.sf(k - 1, m, p.cap) < 0.05 - 1e-12)
        return over

    def is_complete(self, p: Population, cube: Conjunction) -> bool:
        """Whether all its literals are measured; blockers are not asked in normal samples."""
        asked = plain(cube) if p.kind == "samples" else [symbol for symbol, _ in cube]
        return all(p.measured(symbol) for symbol in asked)

    def absent(self, symbol: str, at: Population | Unit) -> bool:
        """Whether a telling source of the tissue measured the antigen, and nothing there breaks the cap by it."""
        key = (symbol, at.tissue, "")
        if key not in self._absent:
            here = [p for p in self.normals if p.tissue == at.tissue and p.measured(symbol)]
            there = [u for u in self.units if u.tissue == at.tissue and u.known[symbol]]
            told = any(p.tells for p in here) or any(u.evidence == "summary" for u in there)
            cube = frozenset({(symbol, False)})
            broken = any(self.breaks(p, Gate.literal(symbol), [cube]) for p in here)
            broken |= any(u.above[symbol] and u.cap < 1 for u in there)
            self._absent[key] = told and not broken
        return self._absent[key]

    # ---- cells explain bulk ---------------------------------------------------------------------------------------

    def _typed(self, symbol: str, tissue: str) -> bool:
        asked = [r.partition(": ")[2] for r in self.required if r.startswith(f"{tissue}: ")]
        telling = [p for p in self.normals if p.kind == "cells" and p.tissue == tissue and p.tells]
        telling = [p for p in telling if p.measured(symbol)]
        return all(any(p.cell_type == one for p in telling) for one in asked) if asked else bool(telling)

    def _shown(self, symbol: str, tissue: str) -> bool:
        samples = [p for p in self.normals if p.kind == "samples" and p.tissue == tissue and p.measured(symbol)]
        by_sample = any(self.value(p, self.single(p, symbol)) > p.cap + 1e-9 for p in samples)
        return by_sample or any(u.above[symbol] for u in self.units if u.tissue == tissue)

    def _seen(self, symbol: str, tissue: str) -> bool:
        thick = [p for p in self.normals if p.kind == "cells" and p.tissue == tissue and p.n_observations >= 30]
        return any(self.single(p, symbol) >= SEEN for p in thick if p.measured(symbol))

    def explained(self, cube: Conjunction, tissue: str) -> bool:
        """Whether the cells of the tissue explain what its bulk says of a conjunction."""
        senses = [
            s for s in plain(cube)
            if self._typed(s, tissue) and (not self._shown(s, tissue) or self._seen(s, tissue))
        ]  # fmt: skip
        return bool(senses) and len(senses) + sum(self._typed(s, tissue) for s in blockers(cube)) >= 2

    # ---- one gate -------------------------------------------------------------------------------------------------

    def judge(self, gate: Gate, *, windows: Mapping[str, float] = MappingProxyType({})) -> Verdict:
        """The class, the liability and the places of one gate; windows of gates are taken as given."""
        cubes = conjunctions(gate)
        broken, unresolved, values = [], [], []
        for p in self.normals:
            ours = [c for c in cubes if p.kind == "cells" or not self.explained(c, p.tissue)]
            if self.breaks(p, gate, ours):
                broken.append(p)
            elif p.cap < 1 and any(self._open(p, c) for c in ours):
                unresolved.append(p)
            if not p.is_origin and not p.is_thin and any(self.is_complete(p, c) for c in ours):
                values.append(p.weight * self.value(p, self.gate(p, gate, ours)))
        for u in self.units:
            says = [self._unit(u, c) for c in cubes if not self.explained(c, u.tissue)]
            if "exposed" in says and not u.is_origin:
                values.append(u.weight)
            if u.cap < 1 and "exposed" in says:
                broken.append(u)
            elif u.cap < 1 and "unresolved" in says:
                unresolved.append(u)
        undecided = [r for r in self.required if not all(self._decided(r, c) for c in cubes)]
        return self._verdict(cubes, broken, unresolved, undecided, values, self.is_below(gate, windows))

    def is_below(self, gate: Gate, windows: Mapping[str, float]) -> bool:
        """Whether the gate has no blocker and a window below 0."""
        return not any(blockers(c) for c in conjunctions(gate)) and windows.get(str(gate), np.nan) < 0

    def _verdict(self, cubes, broken, unresolved, undecided, values, is_below) -> Verdict:  # type: ignore[no-untyped-def]
        may_decide = any(
            not p.is_origin and not p.is_thin and p.weight > 0
            and all(any(p.measured(s) for s in plain(c)) for c in cubes)
            for p in self.normals
        )  # fmt: skip
        at_home = [r for r in undecided if r.partition(": ")[0] in self.origin]
        if is_below or any(not place.is_origin for place in broken):
            kind = "unsafe"
        elif any(not p.is_origin for p in unresolved) or len(at_home) < len(undecided) or not may_decide:
            kind = "unknown"
        elif broken or unresolved or undecided:
            kind = "origin-only"
        else:
            kind = "safe"
        return Verdict(
            kind, max(values, default=float("nan")), frozenset(p.tissue for p in broken),
            frozenset(p.tissue for p in unresolved), frozenset(undecided), may_decide,
        )  # fmt: skip

    def _open(self, p: Population, cube: Conjunction) -> bool:
        if self.is_complete(p, cube) or not any(p.measured(s) for s in plain(cube)):
            return False
        return self.value(p, self.conjunction(p, cube, high=True)) > p.cap + 1e-9

    def _unit(self, u: Unit, cube: Conjunction) -> str:
        names = plain(cube)
        if len(names) == 1:
            return "exposed" if u.above[names[0]] else ""
        if not any(u.above[s] for s in names) or any(u.known[s] and not u.above[s] for s in names):
            return ""
        missing = frozenset((s, False) for s in names if not u.known[s])
        return "unresolved" if not missing or self.may_be(missing, u) else ""

    def _decided(self, required: str, cube: Conjunction) -> bool:
        tissue, _, cell_type = required.partition(": ")

        def of(place: Population | Unit, organ: bool) -> bool:
            if place.tissue != tissue:
                return False
            stands_in = organ and required in self.stand_in and not place.cell_type
            return not cell_type or place.cell_type == cell_type or stands_in

        for p in self.normals:
            if of(p, p.kind == "samples") and p.tells and any(p.measured(s) for s in plain(cube)):
                inside = self.value(p, self.conjunction(p, cube, high=True)) <= p.cap + 1e-9
                if self.is_complete(p, cube) or inside:
                    return True
        for u in self.units:
            if u.evidence == "summary" and of(u, True) and any(u.known[s] for s in plain(cube)):
                below = any(u.known[s] and not u.above[s] for s in plain(cube))
                if below or all(u.known[s] for s in plain(cube)):
                    return True
        return False
