"""Panels of products: how long a proof takes, MadHitter's published example, and the curves of four cohorts.

    .venv/bin/python benchmarks/panel.py [simulated|next|madhitter|cohorts ...] [--share 0.9] [--runs CONFIG ...]

- simulated: 500 patients × 5,000 gates. *planted*: a known minimum among decoys; *subtypes*: gates of two antigens
  whose rates differ between six subtypes; *unstructured*: each gate hits each patient with the same chance, which is
  the hardest case for a proof. Beside each: the greedy choice.
- next: cohorts of 60 patients of the world *subtypes*, a panel of two products, and what it does to 5,000 fresh
  patients: the share of those who chose it, the share held out, and how often the latter's interval holds the truth.
- madhitter: the lung cells, 38 genes and ratio 1.5 of MadHitter's example, as an OR-only cover of cells. It prints 25
  genes; published are the same 25 (github.com/ruppinlab/madhitter, example_output.txt; Ahmadi et al. 2020, bioRxiv,
  doi:10.1101/2020.01.28.923532).
- cohorts: the curve of each run named, whose gates have been searched, and of all of them as a basket.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from cartarget.config import load_config
from cartarget.run.asking import open_run
from cartarget.run.product_panel import Asked, choose_panels, gather, tell
from cartarget.selection.cover import Flags, cheapest_cover
from cartarget.selection.crossfit import deal_people
from cartarget.selection.panel import fullest_panel, held_out
from cartarget.selection.reach import Reach

ROOT = Path(__file__).resolve().parents[1]
LUNG = ROOT.parent / "shared" / "data" / "tumor_single_cell_emtab6149"
MADHITTER = [
    *("EPHA2", "IL6R", "MUC1", "SELE", "CR2", "VIPR1", "FGFR3", "PROM1", "KDR", "IL6ST", "PDGFRB", "FGFR4", "FLT4"),
    *("EGFR", "EPHB4", "MET", "IL13RA2", "GPC3", "FGFR1", "SDC2", "CD274", "TEK", "IL11RA", "CD44", "PTPRJ", "FOLH1"),
    *("IL10RA", "MCAM", "NRP1", "FGFR2", "FLT1", "ANPEP", "CDH1", "ERBB2", "CDH2", "CD93", "MMP9", "APP"),
]


def planted(n: int = 500, gates: int = 5000, *, parts: int = 6, seed: int = 0) -> Flags:
    """`parts` gates deal the patients among them; decoys hit less, and never some patients of each part."""
    rng = np.random.default_rng(seed)
    covers = rng.random((n, gates)) < rng.uniform(0.01, 0.9 / parts, gates)
    covers[:parts] = False
    covers[:, rng.choice(gates, parts, replace=False)] = (np.arange(n) % parts)[:, None] == np.arange(parts)
    return covers


def subtypes(n: int = 500, gates: int = 5000, *, kinds: int = 6, antigens: int = 250, seed: int = 0) -> Flags:
    """Antigens that each subtype of the tumour carries at a rate of its own, and gates of two of them."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(kinds, n, p=rng.dirichlet(np.full(kinds, 3.0)))
    carries = rng.random((n, antigens)) < rng.beta(0.25, 1.5, (kinds, antigens))[kind]
    a, b = rng.integers(antigens, size=(2, gates))
    op = rng.integers(3, size=gates)
    one, other = carries[:, a], carries[:, b]
    return np.where(op == 0, one & other, np.where(op == 1, one | other, one & ~other))


def unstructured(n: int = 500, gates: int = 5000, *, seed: int = 0) -> Flags:
    return np.random.default_rng(seed).random((n, gates)) < 0.3


def greedy(covers: Flags, need: int) -> int:
    """Products of the greedy choice."""
    left, number = np.ones(len(covers), dtype=bool), 0
    while len(covers) - left.sum() < need:
        left &= ~covers[:, covers[left].sum(axis=0).argmax()]
        number += 1
    return number


def report_simulated() -> None:
    worlds: dict[str, Callable[[], Flags]] = {"planted": planted, "subtypes": subtypes, "unstructured": unstructured}
    for name, world in worlds.items():
        covers = world()
        reachable = int(covers.any(axis=1).sum())
        for need in sorted({min(reachable, round(share * len(covers))) for share in (0.8, 0.9, 1.0)}):
            start = time.perf_counter()
            found = cheapest_cover(covers, need=need)
            took = time.perf_counter() - start
            print(
                f"{name:12} {need} of {len(covers)}: {len(found.chosen)} products, at least {found.bound:.0f}, "
                f"gap {found.gap:.2f} ({found.status}), {took:.1f} s; greedy {greedy(covers, need)}"
            )


def report_next(seeds: int = 100, *, n: int = 60, most: int = 2, folds: int = 5) -> None:
    rows = []
    for seed in range(seeds):
        covers = subtypes(n + 5000, 300, antigens=80, seed=seed)
        names = tuple(f"G{number}" for number in range(covers.shape[1]))
        every = Reach(names, ("simulated",), np.zeros(len(covers), int), covers, np.zeros((1, len(names)), np.int8))
        cohort, fresh = every.of(np.arange(len(covers)) < n), every.of(np.arange(len(covers)) >= n)
        chosen = fullest_panel(cohort, most=most)
        fold = np.random.default_rng(seed).permutation(np.arange(n) % folds)
        tested = held_out(cohort, fold=fold, choose=partial(fullest_panel, most=most))
        truth = fresh.served(chosen.products).mean()
        held = tested["lower"] <= truth <= tested["upper"]
        rows.append((chosen.n_served / n - truth, tested["share"] - truth, held))
    naive, strict, held = np.array(rows, dtype=float).T
    error = strict.std(ddof=1) / np.sqrt(seeds)
    print(
        f"next: of those who chose {naive.mean():+.3f} off the truth; held out {strict.mean():+.3f} ± {error:.3f}; "
        f"its 95 % interval holds the truth in {held.mean():.0%} of {seeds}"
    )


def madhitter(folder: Path, patient: int, *, ratio: float = 1.5) -> Flags:
    """Tumour cells that some gene hits × genes: above `ratio` times the mean of the normal cells that show the gene."""
    tumor, normal = (_cells(folder, patient, side) for side in ("cancer", "noncancer"))
    shows = np.maximum((normal > 0).sum(axis=1), 1)
    hit = (tumor > ratio * (normal.sum(axis=1) / shows)[:, None]).T
    return hit[hit.any(axis=1)]


def _cells(folder: Path, patient: int, side: str) -> np.ndarray:
    path = folder / f"Patient{patient}_{side}_cells_thresh1_1269genes.txt.gz"
    frame = pd.read_csv(path, sep="\t", index_col=0).iloc[:, 1:].dropna(axis=1, how="all")
    return frame.loc[MADHITTER].to_numpy(dtype=np.float64)


def report_madhitter() -> None:
    if not LUNG.is_dir():
        print("madhitter: the lung cells of ../shared/data are absent")
        return
    patients = [madhitter(LUNG, number) for number in range(1, 6)]
    alone = [len(cheapest_cover(cells, need=len(cells)).chosen) for cells in patients]
    cells = np.vstack(patients)
    print(f"madhitter: genes for each patient alone {alone}; published [6, 9, 8, 14, 9]")
    for share in (0.8, 0.9, 0.95, 1.0):
        start = time.perf_counter()
        found = cheapest_cover(cells, need=int(np.ceil(share * len(cells))))
        took = time.perf_counter() - start
        genes = " ".join(MADHITTER[at] for at in found.chosen)
        print(f"  {share:.0%} of {len(cells)} cells: {len(found.chosen)} genes, gap {found.gap}, {took:.2f} s: {genes}")
    print("  published for all cells: 25 genes")


def report_cohorts(files: list[Path], share: float) -> None:
    configs = [load_config(file) for file in files]
    for group in [[config] for config in configs] + [configs] * (len(configs) > 1):
        start = time.perf_counter()
        folds = group[0].trust.folds
        reach, fold = gather(
            [open_run(config) for config in group],
            covers=group[0].coverage_floor,
            fold_of=lambda given, n=folds: deal_people(given, folds=n, seed=0)[given["donor"].to_numpy()],  # type: ignore[misc]
        )
        counted = time.perf_counter() - start
        found = choose_panels(reach, fold=fold, asked=Asked(group[0].coverage_floor, share))
        took = time.perf_counter() - start
        known = len(reach.within((0, 1)).gates)
        print(f"\n{'+'.join(reach.tumors)}: {len(reach.gates):,} gates, {known:,} of them not over cap serve somebody")
        print("\n".join(tell(found)), f"\n  {counted:.1f} s to judge and count, {took - counted:.1f} s to choose")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["simulated", "next", "madhitter"])
    parser.add_argument("--share", type=float, default=0.9)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    if "simulated" in asked.what:
        report_simulated()
    if "next" in asked.what:
        report_next()
    if "madhitter" in asked.what:
        report_madhitter()
    if "cohorts" in asked.what:
        report_cohorts(asked.runs, asked.share)


if __name__ == "__main__":
    main()
