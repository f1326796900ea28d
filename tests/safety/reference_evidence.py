"""The reference judge's evidence: populations and units straight from the atlases, in plain loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import anndata
import numpy as np
import pandas as pd

from cartarget.evidence.intervals import observation_weights
from cartarget.evidence.packed import pack

THIN = {"samples": 20, "cells": 5}
LEAST_CELLS = 30
TELLING_DONORS = 5
LEAST_POWER = 0.2


@dataclass
class Population:
    """Observations of one place, kind, assay and set of measured antigens."""

    side: str
    kind: str
    assay: str
    name: str
    tissue: str
    cell_type: str
    weight: float
    cap: float
    is_origin: bool
    given: frozenset[str]
    donors: dict[str, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    donor_weight: dict[str, float] = field(default_factory=dict)
    n_effective: float = 0.0
    power: dict[str, float] = field(default_factory=dict)
    row: int = -1
    """Row of the population in the panel."""

    @property
    def n_donors(self) -> int:
        return len(self.donors)

    @property
    def n_observations(self) -> int:
        return sum(map(len, self.donors.values()))

    @property
    def is_thin(self) -> bool:
        few = self.kind == "cells" and self.n_observations < LEAST_CELLS
        if self.side == "tumor" and self.kind == "cells":
            return few
        return self.n_donors < THIN[self.kind] or few

    @property
    def tells(self) -> bool:
        """Whether a required place may rest on it."""
        return self.n_donors >= TELLING_DONORS and (self.kind == "samples" or self.n_observations >= LEAST_CELLS)

    def measured(self, symbol: str) -> bool:
        """Measured, and with enough power to count."""
        return symbol in self.given and self.power.get(symbol, 1.0) >= LEAST_POWER


@dataclass
class Unit:
    """A summary or stain of one place: per antigen whether it is known, and at the level."""

    evidence: str
    name: str
    tissue: str
    cell_type: str
    weight: float
    cap: float
    is_origin: bool
    known: dict[str, bool]
    above: dict[str, bool]


def populations(
    atlases: Sequence[anndata.AnnData], symbols: Sequence[str], *, bulk: float, count: int
) -> list[Population]:
    """Observations of all atlases, grouped; one cell in two files counts once."""
    found: dict[tuple[object, ...], Population] = {}
    seen: set[tuple[str, str, str]] = set()
    for adata in atlases:
        about, genes = adata.uns["cartarget"], list(adata.var_names)
        kind, assay = about["kind"], about.get("assay") or about["kind"]
        threshold = {"CPM": bulk, "counts": count, "log1p": 1e-30}[about["unit"]]
        values = np.asarray(adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X)
        positive = {s: values[:, genes.index(s)] >= np.float32(threshold) for s in symbols if s in genes}
        for row, (barcode, obs) in enumerate(adata.obs.iterrows()):
            key = (kind, str(obs["donor"]), str(barcode))
            if key in seen:
                continue
            seen.add(key)
            measured = adata.varm["is_measured"][obs["dataset"]]
            given = frozenset(s for s in symbols if s in genes and bool(measured[s]))
            place = (str(obs["side"]), kind, assay, str(obs["population"]), given)
            if place not in found:
                found[place] = Population(
                    side=place[0], kind=kind, assay=assay, name=place[3], tissue=str(obs["tissue"]),
                    cell_type=str(obs["cell_type"]), weight=float(obs["weight"]), cap=float(obs["cap"]),
                    is_origin=bool(obs["is_origin"]), given=given,
                )  # fmt: skip
            bits = np.array([s in given and bool(positive[s][row]) for s in symbols])
            found[place].donors[str(obs["donor"])].append(bits)
    out = list(found.values())
    weigh(out, symbols)
    return out


def weigh(found: list[Population], symbols: Sequence[str]) -> None:
    """Effective numbers and the weight of one observation of each donor, as the package estimates them.

    An antigen of too little power is not measured, and says nothing of how alike a donor's cells are.
    """
    labels, bits = [], []
    for index, population in enumerate(found):
        for donor, rows in population.donors.items():
            labels += [(f"{index:05d}", donor, population.side)] * len(rows)
            bits += rows
    names = [f"{index:05d}" for index in range(len(found))]
    measured = pd.DataFrame({n: [p.measured(s) for s in symbols] for n, p in zip(names, found, strict=True)})
    measured.index = pd.Index(list(symbols))
    packed = pack(
        np.array(bits), symbols=symbols, population=[x[0] for x in labels], donor=[x[1] for x in labels],
        side=[x[2] for x in labels], is_measured=measured,
    )  # fmt: skip
    weight, effective = observation_weights(packed)
    order = packed.populations["population"].tolist()
    for row, name in enumerate(order):
        population = found[int(name)]
        population.n_effective = float(effective[row])
        several = sorted(d for d, rows in population.donors.items() if len(rows) > 1)
        for index in np.flatnonzero(packed.segments["population"] == row):
            segment = packed.segments.iloc[index]
            if segment["n_observations"] == segment["n_donors"]:
                for donor in (d for d, rows in population.donors.items() if len(rows) == 1):
                    population.donor_weight[donor] = float(weight[index])
            else:
                population.donor_weight[several.pop(0)] = float(weight[index])


def units(
    summaries: Sequence[anndata.AnnData], proteins: Sequence[anndata.AnnData], symbols: Sequence[str], *,
    bulk: float, stain: float,
) -> list[Unit]:  # fmt: skip
    """Summaries and stains, one unit a place of an atlas."""
    out = []
    for evidence, atlases in (("summary", summaries), ("protein", proteins)):
        for adata in atlases:
            for row, (_, obs) in enumerate(adata.obs.iterrows()):
                known, above = {}, {}
                for symbol in symbols:
                    column = list(adata.var_names).index(symbol) if symbol in adata.var_names else -1
                    value = float(adata.X[row, column]) if column >= 0 else np.nan
                    known[symbol] = not np.isnan(value)
                    above[symbol] = bool(value >= (bulk if evidence == "summary" else stain))
                    if evidence == "protein" and above[symbol]:
                        reliable = adata.layers["reliability"][row, column] >= 2
                        above[symbol] = bool(reliable and adata.var["is_membrane"].fillna(False).iloc[column])
                place = (str(obs[name]) for name in ("population", "tissue", "cell_type"))
                worth = (float(obs["weight"]), float(obs["cap"]), bool(obs["is_origin"]))
                out.append(Unit(evidence, *place, *worth, known, above))
    return out


def take_power(found: list[Population], panel: object, symbols: Sequence[str]) -> None:
    """Power as the package estimated it, population by population."""
    table, power = panel.populations, np.asarray(panel.power)  # type: ignore[attr-defined]
    given: Mapping[int, frozenset[str]] = {
        i: frozenset(np.array(symbols)[panel.packed.is_measured[:, i]])  # type: ignore[attr-defined]
        for i in range(len(table))
    }
    patients = sorted({one.name for one in found if (one.side, one.kind) == ("tumor", "cells")})
    called = {name: f"patient {n:0{len(str(len(patients)))}d}" for n, name in enumerate(patients, start=1)}
    for population in found:
        name = called.get(population.name, population.name)
        rows = [i for i, row in enumerate(table.itertuples()) if _same(population, name, row)]
        if len(rows) > 1:  # the same place with other antigens measured; too little power may clear an antigen
            weak = {i: {s for k, s in enumerate(symbols) if power[k, i] < LEAST_POWER} for i in rows}
            rows = [i for i in rows if given[i] <= population.given and population.given - given[i] <= weak[i]]
        assert len(rows) == 1, f"{population.name} ({population.assay}): {len(rows)} populations of the panel match"
        population.row = rows[0]
        population.power = {s: float(power[k, rows[0]]) for k, s in enumerate(symbols)}
    weigh(found, symbols)


def _same(population: Population, name: str, row: object) -> bool:
    columns = ("side", "kind", "assay", "tissue", "cell_type", "n_donors", "n_observations")
    equal = all(getattr(row, name) == getattr(population, name) for name in columns)
    return equal and str(row.population).startswith(name)  # type: ignore[attr-defined]
