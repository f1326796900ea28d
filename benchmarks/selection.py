"""Selection on simulated atlases with known truth: flattery, the planted pair, the decoy, the cost of cross-fitting.

    .venv/bin/python benchmarks/selection.py [flat|atlas|planted|cost|rectal ...] [--seeds N] [--first N] [--plot FILE]

- flat: bulk samples of antigens that are drawn independently at known rates, so the truth of every gate is arithmetic.
- atlas: the simulated single-cell atlas; the truth is measured on 40 fresh patients and 30 fresh donors of its world.
- planted: at the default design of the atlas, does the planted pair rank first, and is the decoy rejected?
- cost: the cross-fitted run beside the plain one, on the simulated atlas of the demo.
- rectal: the first hundred gates of results/rectal (`cartarget run config/examples/rectal.yaml`) on held-out people,
  with all evidence of the run and with bulk counts alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

import cartarget
from cartarget.config import load_config
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.people import of_donors
from cartarget.logic.batch import Gates
from cartarget.run.inputs import load_run
from cartarget.selection.crossfit import QUANTITIES, CrossFit, crossfit, plain_scores
from cartarget.selection.screen import screen_gates

ORIGIN = ("colon", "rectum")
TISSUES = {"heart": 1.0, "lung": 1.0, "liver": 1.0, "kidney": 1.0, "stomach": 1.0, "skin": 0.5, "breast": 0.1}
CAPS = {1.0: 0.05, 0.5: 0.2, 0.1: 1.0}
TIERS = {1.0: "vital", 0.5: "important", 0.1: "tolerable"}
SHOWN = ["truth", "training", "held_out", "corrected"]


def flat_world(seed: int, *, genes: int = 80, patients: int = 40, donors: int = 25) -> tuple[anndata.AnnData, Any]:
    """Bulk samples with independent antigens, and their rates (populations × genes, tumour first)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    rates = np.vstack([rng.beta(4, 2, genes), rng.choice([0.0, 0.02, 0.1, 0.3], (len(TISSUES), genes))])
    blocks, obs = [], []
    for row_of_rates, (name, weight) in enumerate([("tumor", 0.0), *TISSUES.items()]):
        n = patients if row_of_rates == 0 else donors
        blocks.append((rng.random((n, genes)) < rates[row_of_rates]) * 20)
        side = "tumor" if row_of_rates == 0 else "normal"
        row = (name, name, "", TIERS.get(weight, ""), weight, CAPS.get(weight, 1.0), weight == 1, False, side, name)
        obs += [(*row, f"{name}{i}") for i in range(n)]
    place = ["population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin"]
    symbols = [f"G{i}" for i in range(genes)]
    frame = pd.DataFrame(obs, columns=[*place, "side", "dataset", "donor"], index=[f"o{i}" for i in range(len(obs))])
    adata = anndata.AnnData(np.vstack(blocks).astype(np.float32), obs=frame, var=pd.DataFrame(index=symbols))
    adata.varm["is_measured"] = pd.DataFrame(True, index=symbols, columns=sorted(set(frame["dataset"])))
    adata.uns["cartarget"] = {"kind": "samples", "unit": "CPM", "atlas": "flat"}
    return adata, rates


def flat_truth(gates: Gates, rates: Any) -> pd.DataFrame:
    """What the gates hit in truth: independent antigens multiply; a blocker earns no credit in bulk."""
    tumor, normal = np.empty(len(gates)), np.empty((len(rates) - 1, len(gates)))
    for shape, at, rows in gates.batches():
        a, b = rates[:, rows[:, 0]], rates[:, rows[:, -1]]
        hit = {"A": a, "A | B": a + b - a * b, "A & B": a * b, "A & ~B": a - a * b}[str(shape)]
        tumor[at], normal[:, at] = hit[0], (a if str(shape) == "A & ~B" else hit)[1:]
    load = normal * np.array(list(TISSUES.values()))[:, None]
    truth = {"coverage": tumor, "exposure": load.mean(axis=0), "liability": load.max(axis=0)}
    return pd.DataFrame(truth).assign(selectivity=truth["coverage"] - truth["liability"])


def beside_truth(found: CrossFit, truth: pd.DataFrame) -> pd.DataFrame:
    """The procedure's numbers beside the truth of the gates that it chose."""
    table = found.procedure.set_index("quantity")
    table["truth"] = [np.average(truth[name], weights=found.gates["n_chosen"]) for name in table.index]
    return table.reset_index()


def flat_seed(seed: int) -> pd.DataFrame:
    adata, rates = flat_world(seed)
    required = [name for name, weight in TISSUES.items() if weight == 1]
    panel = build_panel(adata, symbols=list(adata.var_names), required=required)
    found = crossfit(panel, candidates=panel.symbols, top=20, progress=False)
    return beside_truth(found, flat_truth(Gates.parse(found.gates["gate"], panel=panel), rates))


def harmonised(**design: Any) -> tuple[anndata.AnnData, tuple[str, ...], list[str]]:
    """A simulated atlas under the names of the tiers, the required tissues, and its candidates."""
    tiers = cartarget.read_tiers(Path(__file__).parents[1] / "config" / "tissue_tiers.tsv")
    adata = cartarget.harmonise(cartarget.simulate_atlas(**design), tiers=tiers, origin=list(ORIGIN))
    return adata, tiers.required, list(adata.var_names[adata.var["role"].isin(["surface", "background"])])


def atlas_seed(seed: int) -> pd.DataFrame:
    design = {"n_background": 250, "cells_per_population": 12, "cells_per_tumor": 120}
    world, required, candidates = harmonised(seed=seed, n_patients=56, n_donors=40, **design)
    known = {f"donor{i:02d}" for i in range(1, 11)} | {f"patient{i:02d}" for i in range(1, 17)}
    own = world.obs["donor"].astype(str).isin(known).to_numpy()
    panel = build_panel(world[own].copy(), symbols=candidates, required=required, origin=ORIGIN)
    everybody = build_panel(world, symbols=candidates, required=required, origin=ORIGIN)
    fresh = [row for row, name in enumerate(everybody.packed.donors) if name not in known]
    found = crossfit(panel, candidates=candidates, progress=False)
    gates = Gates.parse(found.gates["gate"], panel=panel)
    return beside_truth(found, plain_scores(of_donors(everybody, fresh), gates=gates))


def planted_seed(seed: int) -> dict[str, Any]:
    adata, required, candidates = harmonised(seed=seed)
    panel: Panel = build_panel(adata, symbols=candidates, required=required, origin=ORIGIN)
    table = screen_gates(panel, candidates=candidates, top=100, controls=_decoy(), progress=False).table
    decoy = table.set_index("gate").loc["MUC16"]
    hits = set(str(decoy["tissues_broken"]).split(", "))
    return {
        "seed": seed,
        "first": table["gate"].iloc[0],
        "decoy_class": decoy["safety_class"],
        "decoy_hits_lung": "lung" in hits,
        "decoy_rank": decoy["rank"],
    }


def _decoy() -> pd.DataFrame:
    """Marked as a control, the decoy stays in the table whatever its rank."""
    return pd.DataFrame({"symbol": ["MUC16"], "kind": ["clinical"]})


def report_flattery(name: str, table: pd.DataFrame) -> None:
    print(f"\n{name}: {table['seed'].nunique()} seeds; bias = mean of (estimate − truth) ± standard error")
    for quantity in QUANTITIES:
        rows = table[table["quantity"] == quantity]
        inside = rows["truth"].between(rows["corrected_lower"], rows["corrected_upper"]).mean()
        text = "  ".join(f"{column} {rows[column].mean():.4f}" for column in SHOWN)
        print(f"  {quantity:12} {text}  truth inside the 95 % interval in {100 * inside:.0f} %")
        for column in SHOWN[1:]:
            bias = rows[column] - rows["truth"]
            print(f"    {column:10} bias {bias.mean():+.4f} ± {bias.sem():.4f}")


def plot(table: pd.DataFrame, path: Path) -> None:
    """Estimate against truth, one point a seed: naive (training) and cross-fitted (corrected)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4.2), constrained_layout=True)
    for axis, quantity in zip(axes, ("coverage", "exposure"), strict=True):
        rows = table[table["quantity"] == quantity]
        ends = [rows[SHOWN].min().min(), rows[SHOWN].max().max()]
        axis.plot(ends, ends, color="0.6", lw=1)
        for column, label in (("training", "naive: on who chose"), ("corrected", "cross-fitted")):
            axis.plot(rows["truth"], rows[column], "o", ms=4, alpha=0.7, label=label)
        axis.set(xlabel=f"true {quantity} of the chosen gates", ylabel="estimate")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)
    print(f"plot: {path}")


def report_planted(seeds: range) -> None:
    rows = []
    for seed in seeds:
        rows.append(planted_seed(seed))
        if len(rows) % 10 == 0:
            print(f"  {len(rows)} seeds, planted pair first in {_first(rows)}", flush=True)
    table = pd.DataFrame(rows)
    print(f"\nplanted pair first in {_first(rows)} of {len(table)} seeds from {seeds[0]} at the default design")
    print(table["first"].value_counts().to_string())
    rejected = table["decoy_hits_lung"] & (table["decoy_class"] == "over cap")
    print(f"decoy MUC16 over cap for its hits in lung in {int(rejected.sum())} of {len(table)}")


def _first(rows: list[dict[str, Any]]) -> int:
    return sum(row["first"] == "CEACAM5 & MSLN" for row in rows)


def report_cost() -> None:
    adata, required, candidates = harmonised()
    seconds = {}
    for label in ("warm-up", "plain", "cross-fitted"):
        start = time.perf_counter()
        panel = build_panel(adata, symbols=candidates, required=required, origin=ORIGIN)
        if label == "cross-fitted":
            crossfit(panel, candidates=candidates, progress=False)
        screen_gates(panel, candidates=candidates, top=10_000, progress=False)
        seconds[label] = time.perf_counter() - start
    ratio = seconds["cross-fitted"] / seconds["plain"]
    print(
        f"\ncost: plain {seconds['plain']:.1f} s, with cross-fitting in 5 folds {seconds['cross-fitted']:.1f} s: "
        f"{ratio:.1f} times (asked: at most 6)"
    )


def report_rectal() -> None:
    """Summaries and stains have no donors to hold out; without them liability is all luck of the draw."""
    config = load_config(Path(__file__).parents[1] / "config" / "examples" / "rectal.yaml")
    run = load_run(config)
    primary = next(part for part in run.parts if part.atlas == run.primary)
    counted = sorted({*run.panel.required} & {*primary.populations["tissue"].astype(str)})
    alone = build_panel(primary, symbols=run.panel.symbols, required=counted, origin=run.panel.origin)
    for name, panel in (("all evidence of the run", run.panel), ("bulk counts alone", alone)):
        found = crossfit(panel, candidates=run.candidates, progress=False)
        print(f"\nrectal, {name}: the first hundred gates of each of five folds")
        for row in found.procedure.itertuples():
            shown = f"training {row.training:.3f} (matched {row.training_matched:.3f})  held out {row.held_out:.3f}"
            print(f"  {row.quantity:12} {shown}  corrected {row.corrected:.3f}")


def seeds_of(asked: argparse.Namespace, usual: int) -> range:
    return range(asked.first, asked.first + (asked.seeds or usual))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["flat", "atlas", "cost"])
    parser.add_argument("--seeds", type=int, help="default: 40 flat, 10 atlas, 200 planted")
    parser.add_argument("--first", type=int, default=0, help="first seed, for a long list in slices")
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    for name, one, usual in (("flat", flat_seed, 40), ("atlas", atlas_seed, 10)):
        if name in asked.what:
            table = pd.concat([one(seed).assign(seed=seed) for seed in seeds_of(asked, usual)])
            report_flattery(name, table)
            if asked.plot and name == asked.what[0]:
                plot(table, asked.plot)
    if "planted" in asked.what:
        report_planted(seeds_of(asked, 200))
    if "cost" in asked.what:
        report_cost()
    if "rectal" in asked.what:
        report_rectal()


if __name__ == "__main__":
    main()
