"""Atlases with a known truth that fool a naive reading, and simulations of the intervals near the cap.

Each maker of an atlas returns the evidence of one run in which gate `A` (or `A & ~B`) truly harms the heart: more of
its cells carry it than the cap of 5 % allows. `benchmarks/fooled.py` prints how often it is called within caps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cartarget
from cartarget.evidence.intervals import (
    effective_rows,
    fraction_interval,
    observation_weights,
    posterior_quantile,
)
from cartarget.evidence.packed import Packed, pack_bits
from cartarget.evidence.spread import wide_spread
from cartarget.selection.sweep import rank_intervals

ROOT = Path(__file__).resolve().parents[1]
TIERS = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
BACKGROUND = 12
"""Other antigens of each atlas, from which the correlation within donors is estimated."""
GENES = ["A", "B", *(f"G{i}" for i in range(BACKGROUND))]
RATE = 1e-3
"""Share of a carrying cell's counts that is the antigen's."""
DEEP, SHALLOW = 5000, 500
"""Median counts of a cell."""


@dataclass(frozen=True)
class Cells:
    """Cells of one population: how many of each donor carry A and B, how deep they are, what leaks into them."""

    side: str
    tissue: str
    cell_type: str
    donors: Sequence[str]
    n: int = 40
    carry: dict[str, Sequence[float]] = field(default_factory=dict)
    leak: dict[str, float] = field(default_factory=dict)
    depth: float = DEEP
    assay: str = "cells"
    seen: float = 1.0
    """Share of the antigen's transcripts that the assay keeps beyond what its depth says, as in nuclei."""

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], pd.DataFrame]:
        """Counts, and one row of `obs` a cell."""
        who = np.repeat(np.arange(len(self.donors)), self.n)
        depth = self.depth * rng.lognormal(0, 0.4, len(who))
        rate = np.zeros((len(who), len(GENES)))
        for column, gene in enumerate(GENES):
            share = np.asarray(self.carry.get(gene, [0.0] * len(self.donors)), dtype=float)
            if gene.startswith("G"):
                share = np.clip(rng.beta(2, 4) + rng.normal(0, 0.08, len(self.donors)), 0, 1)
            rate[:, column] = RATE * self.seen * (rng.random(len(who)) < share[who])
            rate[:, column] += RATE * self.leak.get(gene, 0.0)
        obs = pd.DataFrame({"donor": np.array(self.donors, dtype=object)[who], "n_counts": np.round(depth)})
        about = {"side": self.side, "tissue": self.tissue, "cell_type": self.cell_type, "assay": self.assay}
        return rng.poisson(rate * depth[:, None]).astype(np.float32), obs.assign(**about)


def atlas(name: str, parts: Sequence[Cells], rng: np.random.Generator) -> anndata.AnnData:
    """A harmonised atlas of cells."""
    drawn = [part.draw(rng) for part in parts]
    obs = pd.concat([obs for _, obs in drawn], ignore_index=True).assign(dataset=name)
    obs.index = [f"{name}{i}" for i in range(len(obs))]
    adata = anndata.AnnData(np.vstack([x for x, _ in drawn]), obs=obs, var=pd.DataFrame(index=GENES))
    adata.varm["is_measured"] = pd.DataFrame(True, index=GENES, columns=[name])
    adata.uns["cartarget"] = {"kind": "cells", "unit": "counts", "atlas": name, "assay": "cells"}
    return cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])


def people(letter: str, n: int) -> list[str]:
    """Names of donors."""
    return [f"{letter}{i}" for i in range(n)]


def tumor(carry: Sequence[str] = ("A",), n: int = 8) -> Cells:
    """Patients whose malignant cells carry the antigens."""
    return Cells("tumor", "", "", people("p", n), carry={gene: [0.9] * n for gene in carry})


@dataclass(frozen=True)
class Case:
    """Evidence of one run, the gate asked, what must be measured, and how a naive method reads the same."""

    atlases: list[anndata.AnnData]
    gate: str = "A"
    required: tuple[str, ...] = ("heart",)
    naive: list[anndata.AnnData] | None = None
    naive_gate: str | None = None
    naive_required: tuple[str, ...] = ("heart",)

    def scores(self) -> pd.Series:
        """What `cartarget` says."""
        return score(self.atlases, self.gate, self.required)

    def naive_scores(self) -> pd.Series:
        """What is said if the trap is not seen."""
        return score(self.naive or self.atlases, self.naive_gate or self.gate, self.naive_required)


def score(atlases: list[anndata.AnnData], gate: str, required: Sequence[str]) -> pd.Series:
    """One row of scores."""
    panel = cartarget.build_panel(atlases, symbols=GENES, required=required, origin=["colon"])
    return cartarget.score_gates(panel, gates=[gate]).iloc[0]


def without(adata: anndata.AnnData, column: str, value: str | None = None) -> anndata.AnnData:
    """The atlas without a column of `obs`, or with one value in it."""
    copy = adata.copy()
    if value is None:
        del copy.obs[column]
    else:
        copy.obs[column] = value
    return copy


def shallow(rng: np.random.Generator) -> Case:
    """A tenth of the cardiomyocytes carry A; they are sequenced ten times shallower than the tumour."""
    donors = people("d", 12)
    heart = Cells("normal", "heart", "cardiomyocyte", donors, carry={"A": [0.1] * 12}, depth=SHALLOW)
    one = atlas("x", [tumor(), heart], rng)
    return Case([one], naive=[without(one, "n_counts")])


def very_shallow(rng: np.random.Generator) -> Case:
    """A third of the cardiomyocytes carry A; they are sequenced fifty times shallower."""
    donors = people("d", 12)
    heart = Cells("normal", "heart", "cardiomyocyte", donors, carry={"A": [0.3] * 12}, depth=DEEP / 50)
    one = atlas("x", [tumor(), heart], rng)
    return Case([one], naive=[without(one, "n_counts")])


def nuclei_beside_cells(rng: np.random.Generator) -> Case:
    """A fifth of the cardiomyocytes carry A; few were caught as cells, many as nuclei, which keep a tenth of it."""
    few, many = people("d", 6), people("e", 30)
    cells = Cells("normal", "heart", "cardiomyocyte", few, carry={"A": [0.15] * 6})
    nuclei = Cells("normal", "heart", "cardiomyocyte", many, carry={"A": [0.2] * 30}, assay="nuclei", seen=0.03)
    one = atlas("x", [tumor(), cells, nuclei], rng)
    return Case([one], naive=[without(one, "assay", "cells")])


def nuclei_alone(rng: np.random.Generator) -> Case:
    """A fifth of the cardiomyocytes carry A; all were caught as nuclei, which keep a thirtieth of it."""
    many = people("e", 30)
    nuclei = Cells("normal", "heart", "cardiomyocyte", many, carry={"A": [0.2] * 30}, assay="nuclei", seen=0.03)
    return Case([atlas("x", [tumor(), nuclei], rng)])


def leaking_blocker(rng: np.random.Generator) -> Case:
    """All cardiomyocytes carry A and none carries B, which leaks into them from the endothelium, the more so the
    rougher a donor's heart was taken apart: `A & ~B` seems to spare them."""
    donors = people("d", 12)
    parts = [tumor()]
    for donor in donors:
        leak = {"B": rng.uniform(0.6, 1.0)}
        parts.append(Cells("normal", "heart", "cardiomyocyte", [donor], carry={"A": [1.0]}, leak=leak))
        endothelium = Cells("normal", "heart", "endothelial cell", [donor], carry={"B": [1.0]}, leak={"B": 12.0})
        parts.append(endothelium)
    return Case([atlas("x", parts, rng)], gate="A & ~B")


def rare_person(rng: np.random.Generator) -> Case:
    """One donor of thirty has A on every cardiomyocyte, the others on none."""
    donors = people("d", 30)
    heart = Cells("normal", "heart", "cardiomyocyte", donors, carry={"A": [1.0] + [0.0] * 29})
    return Case([atlas("x", [tumor(), heart], rng)])


def some_people(rng: np.random.Generator) -> Case:
    """Three donors of thirty have A on a third of their cardiomyocytes, the others on none: the mean is 3 %."""
    donors = people("d", 30)
    heart = Cells("normal", "heart", "cardiomyocyte", donors, carry={"A": [0.33] * 3 + [0.0] * 27})
    return Case([atlas("x", [tumor(), heart], rng)])


def coarse_label(rng: np.random.Generator) -> Case:
    """Every club cell of the lung carries A; they are 3 % of what the atlas calls epithelial cells."""
    donors = people("d", 12)
    lung = Cells("normal", "lung", "epithelial cell", donors, n=100, carry={"A": [0.03] * 12})
    required = ("lung", "lung: club cell")
    return Case([atlas("x", [tumor(), lung], rng)], required=required, naive_required=("lung",))


def few_donors(rng: np.random.Generator) -> Case:
    """A fifth of the donors have A on all cardiomyocytes; one to three donors were taken, by chance without it."""
    donors = people("d", int(rng.integers(1, 4)))
    heart = Cells("normal", "heart", "cardiomyocyte", donors, n=200, carry={"A": [0.0] * len(donors)})
    one = atlas("x", [tumor(), heart], rng)
    doubled = one.copy()
    doubled.obs["donor"] = [f"{d}.{i % 5}" for i, d in enumerate(doubled.obs["donor"])]
    return Case([one], naive=[doubled])


CASES = {
    "normal cells ten times shallower": shallow,
    "normal cells fifty times shallower": very_shallow,
    "nuclei beside cells, read as one": nuclei_beside_cells,
    "a blocker that leaks": leaking_blocker,
    "three people in thirty": some_people,
    "a vital cell type inside a coarse label": coarse_label,
    "one to three donors": few_donors,
}
"""Traps in which `within caps` is false."""
OPEN = {"nuclei alone, which keep a thirtieth": nuclei_alone}
"""Traps that no rule sees yet."""


def streams(seed: int, n: int) -> list[np.random.Generator]:
    """Independent generators."""
    return [np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(n)]


@dataclass(frozen=True)
class Population:
    """One simulated population: antigens of one correlation, and odd ones of which donors differ more."""

    donors: int
    truth: float
    odd: float
    usual: float = 0.05
    cells: int = 20
    antigens: int = 150
    share: float = 0.2

    def draw(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64], Packed]:
        """Truth, which antigens are odd, counts, and the packed cells; every second antigen has the truth asked for."""
        is_odd = np.arange(self.antigens) < self.share * self.antigens
        rho = np.where(is_odd, self.odd, self.usual)[:, None]
        truth = np.where(np.arange(self.antigens) % 2 == 0, self.truth, rng.uniform(0.02, 0.98, self.antigens))
        size = (1 - rho) / rho
        rate = rng.beta(truth[:, None] * size, (1 - truth[:, None]) * size, (self.antigens, self.donors))
        count = rng.binomial(self.cells, rate)
        return truth, is_odd, count, pack_counts(count, self.cells)


def pack_counts(count: NDArray[np.int64], cells: int) -> Packed:
    """One population of donors with equally many cells, of which so many carry each antigen."""
    antigens, donors = count.shape
    blocks = [pack_bits(np.arange(cells)[None, :] < count[:, [d]]) for d in range(donors)]
    width = blocks[0].shape[1]
    start, each = width * np.arange(donors), np.full(donors, cells)
    columns = {"population": 0, "n_observations": each, "n_donors": 1, "start": start, "stop": start + width}
    row = {"population": ["x"], "side": ["normal"], "n_observations": [each.sum()], "n_donors": [donors]}
    names, measured = tuple(f"G{i}" for i in range(antigens)), np.ones((antigens, 1), dtype=bool)
    return Packed(names, np.hstack(blocks), pd.DataFrame(columns), pd.DataFrame(row), measured)


def covered(population: Population, *, seed: int, repeats: int = 40, is_spread: bool = True) -> dict[str, float]:
    """How often the 95 % bound and interval hold the truth asked for, of odd and of other antigens."""
    found: dict[str, list[NDArray[np.bool_]]] = {}
    for rng in streams(seed, repeats):
        truth, is_odd, count, packed = population.draw(rng)
        weight, n = observation_weights(packed)
        spread = wide_spread(packed, weight=weight, n_effective=n) if is_spread else 1.0
        rows = effective_rows(count, segments=packed.segments, weight=weight, n_effective=n, spread=spread)[:, 0]
        fraction = count @ weight
        low, high = fraction_interval(fraction, rows)
        held = {
            "bound": posterior_quantile(fraction, rows, q=0.95) >= truth,
            "interval": (low <= truth) & (truth <= high),
        }
        for name, own in held.items():
            for kind, mask in (("odd", is_odd), ("other", ~is_odd)):
                found.setdefault(f"{name}, {kind}", []).append(own[mask & (truth == population.truth)])
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}


def mislabelled_tumor(rng: np.random.Generator) -> Case:
    """The heart lacks A, but one in twenty of its cells is a tumour cell that was labelled normal."""
    heart = Cells("normal", "heart", "cardiomyocyte", people("d", 12), carry={"A": [0.08] * 12})
    return Case([atlas("x", [tumor(), heart], rng)])


def mislabelled_normal(rng: np.random.Generator) -> Case:
    """No tumour cell carries A; one in twenty of the cells labelled malignant is a normal cell that does."""
    patients = Cells("tumor", "", "", people("p", 8), carry={"A": [0.05] * 8})
    heart = Cells("normal", "heart", "cardiomyocyte", people("d", 12))
    return Case([atlas("x", [patients, heart], rng)])


def liver_in_pancreas(rng: np.random.Generator, *, has_liver: bool = True) -> anndata.AnnData:
    """Bulk: A is made in the liver alone; two in five samples of the pancreas hold a tenth of liver."""
    n = 25
    level = {"tumor": 60.0 * rng.lognormal(0, 0.3, n), "liver": 400.0 * rng.lognormal(0, 0.2, n)}
    level["pancreas"] = np.where(np.arange(n) % 5 < 2, 0.1 * level["liver"], 0.2)
    sides = ["tumor", "liver", "pancreas"] if has_liver else ["tumor", "pancreas"]
    obs = pd.DataFrame({"tissue": np.repeat(sides, n), "donor": [f"{side}{i}" for side in sides for i in range(n)]})
    obs = obs.assign(side=np.where(obs["tissue"] == "tumor", "tumor", "normal"), cell_type="", dataset="bulk")
    obs["tissue"] = obs["tissue"].replace("tumor", "")
    obs.index = [f"s{i}" for i in range(len(obs))]
    values = np.zeros((len(obs), len(GENES)), dtype=np.float32)
    values[:, 0] = np.concatenate([level[side] for side in sides])
    adata = anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=GENES))
    adata.varm["is_measured"] = pd.DataFrame(True, index=GENES, columns=["bulk"])
    adata.uns["cartarget"] = {"kind": "samples", "unit": "CPM", "atlas": "bulk"}
    return cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])


def worst_of(places: int, *, seed: int, donors: int = 10, antigens: int = 40) -> pd.DataFrame:
    """Antigens in many places whose fractions are mostly small: what holds of all bounds, and of the highest of them.

    Returns
    -------
    One row an antigen: the worst place's `truth`, the highest `bound` (one-sided 95 %) and the highest `median` over
    the places, and whether `all_hold`: no place lies above its own bound.
    """
    tables: dict[str, list[NDArray[np.float64]]] = {"truth": [], "bound": [], "median": []}
    for rng in streams(seed, places):
        truth = rng.beta(0.4, 12, antigens)
        count = rng.binomial(20, rng.beta(truth[:, None] * 9 + 1e-9, (1 - truth[:, None]) * 9, (antigens, donors)))
        packed = pack_counts(count, 20)
        weight, n = observation_weights(packed)
        spread = wide_spread(packed, weight=weight, n_effective=n)
        rows = effective_rows(count, segments=packed.segments, weight=weight, n_effective=n, spread=spread)[:, 0]
        tables["truth"].append(truth)
        tables["bound"].append(posterior_quantile(count @ weight, rows, q=0.95))
        tables["median"].append(posterior_quantile(count @ weight, n, q=0.5))
    stacked = {name: np.stack(parts) for name, parts in tables.items()}
    frame = pd.DataFrame({name: values.max(axis=0) for name, values in stacked.items()})
    return frame.assign(all_hold=(stacked["bound"] >= stacked["truth"]).all(axis=0))


def shares_over(share: float, *, donors: int, own: float, seed: int, cells: int = 40) -> pd.DataFrame:
    """A share of people carry an antigen on `own` of their cells, the others on one in fifty: what is said of it.

    Returns
    -------
    One row an antigen, as `score_gates` gives it.
    """
    (rng,) = streams(seed, 1)
    n = len(GENES) * 8
    symbols = [f"G{i}" for i in range(n)]
    is_odd = rng.random((n, donors)) < share
    rate = np.where(is_odd, own, 0.02)
    blocks = [rng.random((cells, n)) < rate[:, donor] for donor in range(donors)]
    obs = pd.DataFrame({"donor": np.repeat(people("d", donors), cells), "side": "normal", "tissue": "heart"})
    ill = pd.DataFrame({"donor": np.repeat(people("p", 4), 40), "side": "tumor", "tissue": ""})
    obs = pd.concat([ill, obs], ignore_index=True).assign(cell_type="", dataset="x")
    obs.loc[obs["side"] == "normal", "cell_type"] = "cardiomyocyte"
    obs.index = [f"c{i}" for i in range(len(obs))]
    values = np.vstack([np.ones((160, n)), *blocks]).astype(np.float32)
    adata = anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=symbols))
    adata.varm["is_measured"] = pd.DataFrame(True, index=symbols, columns=["x"])
    adata.uns["cartarget"] = {"kind": "cells", "unit": "counts", "atlas": "x", "assay": "cells"}
    adata = cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])
    panel = cartarget.build_panel([adata], symbols=symbols, required=["heart"], origin=["colon"])
    return cartarget.score_gates(panel, gates=symbols)


def ranks_held(patients: int, *, seed: int, antigens: int = 8, n: int = 60) -> tuple[float, float]:
    """Bulk tumours with antigens of known coverage and clean normal tissue: what the interval of a rank holds.

    Returns
    -------
    Share of antigens whose true rank lies in the interval, and the mean width of the interval in ranks.
    """
    (rng,) = streams(seed, 1)
    symbols = [f"R{i}" for i in range(antigens)]
    truth = np.sort(rng.uniform(0.55, 0.98, antigens))[::-1]
    shown = (rng.random((patients, antigens)) < truth) * 30.0
    values = np.vstack([shown, np.zeros((50, antigens))]).astype(np.float32)
    obs = pd.DataFrame({"donor": [*people("p", patients), *people("h", 25), *people("l", 25)]})
    obs["side"] = ["tumor"] * patients + ["normal"] * 50
    obs["tissue"] = [""] * patients + ["heart"] * 25 + ["lung"] * 25
    obs.index = [f"s{i}" for i in range(len(obs))]
    adata = anndata.AnnData(values, obs=obs.assign(cell_type="", dataset="x"), var=pd.DataFrame(index=symbols))
    adata.varm["is_measured"] = pd.DataFrame(True, index=symbols, columns=["x"])
    adata.uns["cartarget"] = {"kind": "samples", "unit": "CPM", "atlas": "x"}
    adata = cartarget.harmonise(adata, tiers=TIERS, origin=["colon"])
    panel = cartarget.build_panel([adata], symbols=symbols, required=["heart", "lung"], origin=["colon"])
    table, true = rank_intervals(panel, gates=symbols, n=n, progress=False), np.arange(1, antigens + 1)
    held = (table["rank_lower"] <= true) & (true <= table["rank_upper"])
    return float(held.mean()), float((table["rank_upper"] - table["rank_lower"]).mean())
