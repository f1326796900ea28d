"""What a search found: the table, what each gate gains, the shortlist, and the certificate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.logic.gate import Gate
from cartarget.logic.shapes import sub_gates, without
from cartarget.search.branch import Found
from cartarget.search.literals import Literals
from cartarget.search.objectives import Objective, Terms
from cartarget.search.scoring import score
from cartarget.search.template import Template

LEAST_GAIN = 0.01
"""What a literal must add to belong to the idea of a gate."""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The best gates of a search, and the proof that there are no better ones.

    Attributes
    ----------
    table
        One row a gate, best first: `gate`, `template`, `score`, `coverage` (mean over patients of the fraction hit;
        pooled: over all tumour observations), `coverage_p10`, `exposure` (worst weight × fraction of a normal
        population outside the origin), `exposure_population`, `n_antigens`, `gain` (score minus that of the best
        feasible sub-gate; if there is none, of the gate that hits nothing), `best_sub_gate` (empty if there is none),
        `core` (the gate without literals that add less than 0.01), `idea` (the antigens that the core senses).
    certificate
        One row a template: `n_gates` in all, `n_tested` one by one, `n_pruned` by bounds, `best`, `bound` (no gate of
        the template scores above it), `gap` = bound − best, `is_exact` (the top is proven), `seconds`, `note`.
    objective
        What was searched for.
    """

    table: pd.DataFrame
    certificate: pd.DataFrame
    objective: Objective
    state: dict[str, Found] = field(repr=False, default_factory=dict)
    fingerprint: str = field(repr=False, default="")

    @property
    def shortlist(self) -> pd.DataFrame:
        """The best row of each idea: rows whose cores sense the same antigens count as one idea.

        A core is the gate without literals that add less than 0.01, so gates that differ in a harmless literal fall
        together, and so do gates that differ only in their blockers.
        """
        return self.table.loc[~self.table["idea"].duplicated()].reset_index(drop=True)


class Judge:
    """Scores any gate over a pool's antigens; remembers what it scored."""

    def __init__(self, literals: Literals, t: Terms, *, has_caps: bool, not_only: bool) -> None:
        self.literals, self.t, self.has_caps, self.not_only = literals, t, has_caps, not_only
        self.index = {symbol: i for i, symbol in enumerate(literals.symbols)}
        self.known: dict[Gate, tuple[float, float]] = {}

    def counts(self, gate: Gate) -> NDArray[np.int64]:
        """Observations hit per population."""
        pool = self.literals.pool
        ones = np.bitwise_count(self._bits(gate)).astype(np.int64)
        total = np.concatenate([[0], np.cumsum(ones)])
        return total[pool.stops] - total[pool.starts]

    def _bits(self, gate: Gate) -> NDArray[np.uint64]:
        if not gate.operator:
            return self.literals.pool.rows[2 * self.index[gate.symbol] + gate.is_negated]
        combine = np.bitwise_and if gate.operator == "&" else np.bitwise_or
        return combine.reduce([self._bits(part) for part in gate.parts])

    def score(self, gate: Gate) -> tuple[float, float]:
        """Score, and worst weighted exposure."""
        if gate not in self.known:
            self.known[gate] = score(self.counts(gate), self.t, self.t.address)
        return self.known[gate]

    def best_sub_gate(self, gate: Gate) -> tuple[str, float]:
        """The best feasible sub-gate and its score, fewer literals first among equals; else nothing's score."""
        best, most = "", -1.0 if self.has_caps else -np.inf
        for smaller in sub_gates(gate, not_only=self.not_only):
            value = self.score(smaller)[0]
            if value > most:
                best, most = str(smaller), value
        return best, most if best else score(np.zeros(len(self.t.size), dtype=np.int64), self.t, self.t.address)[0]

    def core(self, gate: Gate) -> Gate:
        """The gate without literals that add less than `LEAST_GAIN`, the least useful deleted first."""
        while gate.n_literals > 1:
            trials = [without(gate, {i}) for i in range(gate.n_literals)]
            usable = [g for g in trials if g is not None and (self.not_only or not g.is_not_only)]
            if not usable:
                break
            best = max(usable, key=lambda g: (self.score(g)[0], str(g)))
            if self.score(best)[0] <= self.score(gate)[0] - LEAST_GAIN:
                break
            gate = best
        return gate

    def row(self, gate: Gate) -> dict[str, Any]:
        """A row of the table."""
        t, populations = self.t, self.literals.populations
        counts, (value, exposure) = self.counts(gate), self.score(gate)
        fractions = counts[: t.n_tumor] / t.size[: t.n_tumor]
        weighted = np.where(t.origin, -1.0, counts * t.weight)[t.n_tumor :]
        sub_gate, most = self.best_sub_gate(gate)
        core = self.core(gate)
        return {
            "gate": str(gate),
            "score": value,
            "coverage": float(np.mean(fractions)),
            "coverage_p10": float(np.quantile(fractions, 0.1)),
            "exposure": exposure,
            "exposure_population": populations["population"].iloc[t.n_tumor + int(np.argmax(weighted))],
            "n_antigens": len(gate.antigens),
            "gain": value - most,
            "best_sub_gate": sub_gate,
            "core": str(core),
            "idea": " ".join(sorted(leaf.symbol for leaf in core.literals if not leaf.is_negated)),
        }


COLUMNS = (
    "gate", "template", "score", "coverage", "coverage_p10", "exposure", "exposure_population", "n_antigens", "gain",
    "best_sub_gate", "core", "idea",
)  # fmt: skip


def gate_of(template: Template, leaves: Iterable[int], literals: Literals) -> Gate:
    """The gate of a row of literals in the order of the template's leaves."""
    names = [literals.name(int(leaf)) for leaf in leaves]
    return template.fill([symbol for symbol, _ in names], [negated for _, negated in names])


def table(found: dict[str, tuple[Template, Found]], judge: Judge, *, top: int) -> pd.DataFrame:
    """The `top` best gates over all templates: score, fewer antigens, lower exposure, then names."""
    rows = []
    for template, outcome in found.values():
        for value, exposure, leaves in zip(outcome.scores, outcome.exposures, outcome.leaves, strict=True):
            gate = gate_of(template, leaves, judge.literals)
            rows.append((-value, gate.n_literals, exposure, str(gate), template.name, gate))
    rows.sort(key=lambda row: row[:4])
    made = [{**judge.row(gate), "template": name} for *_, name, gate in rows[:top]]
    return pd.DataFrame(made, columns=list(COLUMNS))


def certificate(
    found: dict[str, tuple[Template, Found]], notes: dict[str, str], *, n_antigens: int, not_only: bool
) -> pd.DataFrame:
    """One row a template: what was searched and what is proven."""
    rows = []
    for name, (template, outcome) in found.items():
        total = template.count(n_antigens, not_only=not_only)
        tested = min(outcome.n_tested, total)
        best = float(outcome.scores[0]) if len(outcome.scores) else np.nan
        rows.append(
            {
                "template": name,
                "n_gates": total,
                "n_tested": tested,
                "n_pruned": total - tested if outcome.is_done else 0,
                "best": best,
                "bound": outcome.bound,
                "gap": outcome.bound - best,
                "is_exact": outcome.is_done,
                "seconds": outcome.seconds,
                "note": notes.get(name, ""),
            }
        )
    return pd.DataFrame(rows)
