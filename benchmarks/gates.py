"""Exact gate search against exhaustive BLAS counting and a genetic algorithm, on real and simulated cells.

    python benchmarks/gates.py [--quick] [--only lung,large,million,growth,simulated] [--literals 2,3,4,5]

- `lung`: the real lung set (../shared/data/tumor_single_cell_emtab6149; tumour `cancer`, normal `allnontumor`,
  positive above 0), objective `pooled` at specificity 0.9. Every shape of two to five literals: exact search (five
  minutes a shape of four or five) against the genetic algorithm; brute force over float32 products for two and three.
- `large`: 2,700 antigens × 100,000 cells, 30 patients with 70 % of the cells, 60 normal populations.
- `million`: all pairs of 1,000,000 cells.
- `growth`: how the time of both grows with cells and with antigens, with a fit, and what each reaches.
- `simulated`: every shape against the genetic algorithm on 600 antigens × 25,000 cells, objective `worst_population`.

The genetic algorithm is a plain deap loop at the published settings: population 1,000, crossover 0.5, mutation 0.2,
tournament of 3, until 200 generations bring nothing new; it sees the same objective, on packed words.
"""

from __future__ import annotations

import argparse
import gzip
import random as plain_random
import resource
import time
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from deap import base, creator, tools

from cartarget.evidence.packed import Packed, pack
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import shapes
from cartarget.search.literals import Literals, literals
from cartarget.search.objectives import Objective, Terms, pooled, terms, worst_population
from cartarget.search.result import SearchResult
from cartarget.search.scoring import score
from cartarget.search.search import search_gates
from cartarget.search.template import Template

LUNG = Path(__file__).resolve().parents[2] / "shared" / "data" / "tumor_single_cell_emtab6149"


def lung() -> Packed:
    """The real lung set, packed by patient."""
    blocks, labels, genes = [], [], None
    for path in sorted(LUNG.glob("*_cells_*.txt.gz")):
        patient, kind = path.name.split("_")[:2]
        if kind == "noncancer":
            continue
        with gzip.open(path, "rt") as handle:
            next(handle)
            rows = [line.rstrip("\n\t").split("\t") for line in handle]
        names = [row[0] for row in rows]
        assert genes in (None, names), f"{path.name}: other genes than the files before"
        genes = names
        block = np.array([row[2:] for row in rows], dtype=np.float32).T > 0
        blocks.append(block)
        side = "tumor" if kind == "cancer" else "normal"
        labels += [(f"{patient} {side}", patient, side)] * len(block)
    assert genes is not None, f"{LUNG} holds no data"
    population, donor, sides = zip(*labels, strict=True)
    return pack(np.vstack(blocks), symbols=genes, population=population, donor=donor, side=sides)


def simulated(n: int, cells: int, *, patients: int = 30, tissues: int = 60, seed: int = 0) -> Packed:
    """Cells of patients (70 %) and normal populations; antigens differ in level, patients and tissues vary."""
    random = np.random.default_rng(seed)
    n_tumor = int(0.7 * cells)
    shares = [np.bincount(random.choice(k, m, p=random.dirichlet(np.full(k, 5.0))), minlength=k)
              for k, m in ((patients, n_tumor), (tissues, cells - n_tumor))]  # fmt: skip
    sizes = np.maximum(np.concatenate(shares), 1)
    level = np.empty((patients + tissues, n))
    level[:patients] = random.beta(0.5, 1.2, n) * random.beta(6, 1.5, (patients, n))
    silent = random.random((tissues, n)) < random.beta(2, 1, n)
    level[patients:] = np.where(silent, 0.002, random.beta(0.5, 1.5, n) * random.beta(2, 2, (tissues, n)))
    blocks, segments, start = [], [], 0
    for p, size in enumerate(sizes):
        positive = random.random((n, size), dtype=np.float32) < level[p][:, None]
        padded = np.zeros((n, -(-size // 64) * 64), dtype=bool)
        padded[:, :size] = positive
        blocks.append(np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64))
        width = blocks[-1].shape[1]
        segments.append((p, int(size), 1, start, start + width))
        start += width
    sides = ["tumor"] * patients + ["normal"] * tissues
    names = [f"{side} {i:02}" for i, side in enumerate(sides)]
    table = pd.DataFrame({"population": names, "side": sides, "n_observations": sizes, "n_donors": 1})
    columns = ["population", "n_observations", "n_donors", "start", "stop"]
    measured = np.ones((n, len(sizes)), dtype=bool)
    return Packed(
        tuple(f"G{i:04}" for i in range(n)), np.hstack(blocks), pd.DataFrame(segments, columns=columns), table, measured
    )


class Evaluator:
    """Scores rows of literals for one template, as any heuristic would: one gate at a time, on packed words."""

    def __init__(self, template: Template, pool: Literals, t: Terms) -> None:
        self.template, self.pool, self.t, self.known = template, pool, t, {}

    def __call__(self, leaves: tuple[int, ...]) -> float:
        if leaves not in self.known:
            self.known[leaves] = self._score(leaves)
        return self.known[leaves]

    def _score(self, leaves: tuple[int, ...]) -> float:
        if len({leaf >> 1 for leaf in leaves}) < len(leaves):
            return -9.0
        count = iter(leaves)
        rows = self.pool.pool.rows

        def bits(node: Gate) -> np.ndarray:
            if not node.operator:
                return rows[next(count)]
            parts = [bits(part) for part in node.parts]
            return (np.bitwise_and if node.operator == "&" else np.bitwise_or).reduce(parts)

        ones = np.bitwise_count(bits(self.template.gate)).astype(np.int64)
        counts = np.add.reduceat(ones, self.pool.pool.starts)
        return float(score(counts, self.t, self.t.address)[0])


def genetic(template: Template, pool: Literals, t: Terms, *, stale: int = 200, size: int = 1000) -> tuple[float, float]:
    """Best score and seconds of the genetic algorithm."""
    begun = time.perf_counter()
    draw = plain_random.Random(0)
    plain_random.seed(0)
    k, n = template.n_literals, len(pool.pool.rows)
    evaluate = Evaluator(template, pool, t)
    if not hasattr(creator, "Row"):
        creator.create("Best", base.Fitness, weights=(1.0,))
        creator.create("Row", list, fitness=creator.Best)
    box = base.Toolbox()
    box.register("row", lambda: creator.Row(draw.randrange(n) for _ in range(k)))
    box.register("mate", tools.cxUniform, indpb=0.5)
    box.register("mutate", tools.mutUniformInt, low=0, up=n - 1, indpb=0.2)
    box.register("select", tools.selTournament, tournsize=3)
    people = [box.row() for _ in range(size)]
    best, idle = -np.inf, 0
    while idle < stale:
        for row in people:
            if not row.fitness.valid:
                row.fitness.values = (evaluate(tuple(row)),)
        top = max(row.fitness.values[0] for row in people)
        best, idle = (top, 0) if top > best else (best, idle + 1)
        people = [box.clone(row) for row in box.select(people, size)]
        for a, b in zip(people[::2], people[1::2], strict=True):
            if draw.random() < 0.5:
                box.mate(a, b)
                del a.fitness.values, b.fitness.values
        for row in people:
            if draw.random() < 0.2:
                box.mutate(row)
                del row.fitness.values
    return best, time.perf_counter() - begun


def brute_force(template: Template, pool: Literals, t: Terms) -> tuple[float, float]:
    """Best score and seconds of exhaustive counting with float32 products (two or three literals, pooled).

    With n11 (or n111) of plain antigens, every gate and sign follows by inclusion and exclusion.
    """
    begun = time.perf_counter()
    rows = pool.pool.rows[0::2]
    bits = np.unpackbits(np.ascontiguousarray(rows).view(np.uint8), axis=1, bitorder="little")
    split = pool.pool.split * 64
    sides = [bits[:, :split].astype(np.float32), bits[:, split:].astype(np.float32)]
    size, limit = t.size, t.limit[1]
    k, best = template.n_literals, -np.inf
    signs = [
        s for s in product((0, 1), repeat=k) if not template.fill(template.gate.antigens, map(bool, s)).is_not_only
    ]
    cubes = list(product((0, 1), repeat=k))
    names = template.gate.antigens
    tables = {s: [bool(template.fill(names, map(bool, s)).evaluate(dict(zip(names, map(bool, c), strict=True))))
                  for c in cubes] for s in signs}  # fmt: skip
    for a in range(len(rows) if k == 3 else 1):
        counts = []
        for side, x in enumerate(sides):
            one = x[a] if k == 3 else np.ones(x.shape[1], dtype=np.float32)
            pair, both = x @ x.T, (x * one) @ x.T
            single = np.diagonal(pair)
            inner, n_one = np.diagonal(both), one.sum()
            total = size[side]
            p11, p10, p01 = both, inner[:, None] - both, inner[None, :] - both
            p00 = n_one - p11 - p10 - p01
            r11, r10, r01 = pair - both, single[:, None] - pair - p10, single[None, :] - pair - p01
            r00 = total - n_one - r11 - r10 - r01
            counts.append({(1, 1, 1): p11, (1, 1, 0): p10, (1, 0, 1): p01, (1, 0, 0): p00,
                           (0, 1, 1): r11, (0, 1, 0): r10, (0, 0, 1): r01, (0, 0, 0): r00})  # fmt: skip
        distinct = ~np.eye(len(rows), dtype=bool)
        if k == 3:
            distinct[a] = distinct[:, a] = False
        for table in tables.values():
            hit = [c if k == 3 else (1, *c) for c, value in zip(cubes, table, strict=True) if value]
            tumor, normal = (sum(side[c] for c in hit) for side in counts)
            feasible = distinct & (normal <= limit)
            if feasible.any():
                best = max(best, float(tumor[feasible].max() / size[0]))
    return best, time.perf_counter() - begun


def exact(
    data: Packed, objective: Objective, shape: str, **more: object
) -> tuple[float, float, float, bool, str, SearchResult]:
    """Best score, bound, seconds, whether proven, gate, result."""
    begun = time.perf_counter()
    found = search_gates(data, objective=objective, templates=[shape], progress=False, **more)  # type: ignore[arg-type]
    proof = found.certificate.iloc[0]
    gate = found.table["gate"].iloc[0] if len(found.table) else "none"
    best = float(proof["best"]) if len(found.table) else -1.0
    return best, float(proof["bound"]), time.perf_counter() - begun, bool(proof["is_exact"]), gate, found


def compare(data: Packed, objective: Objective, sizes: list[int], *, stale: int, budget: float, brute: bool) -> None:
    """Print exact search beside the genetic algorithm, shape by shape.

    The search first gets nine tenths of the time that the genetic algorithm took; a shape of four or five literals that
    is not proven by then goes on until the budget is over.
    """
    pool = literals(data, is_pooled=objective.is_pooled)
    t = terms(objective, pool.populations)
    worse = 0
    print(
        f"  {'shape':24} {'genetic':>7} {'s':>6}  {'exact':>7} {'s':>6}  {'at last':>7} {'bound':>7} {'s':>7}   brute"
    )
    for k in sizes:
        for shape in shapes(k):
            template = Template.of(shape, negate=True)
            theirs, their_seconds = genetic(template, pool, t, stale=stale)
            early, bound, seconds, proven, gate, found = exact(data, objective, shape, time_budget=0.9 * their_seconds)
            best, total = early, seconds
            if not proven:
                best, bound, more, proven, gate, _ = exact(data, objective, shape, time_budget=budget, resume=found)
                total += more
            line = f"  {shape:24} {theirs:7.4f} {their_seconds:6.1f}  {early:7.4f} {seconds:6.2f}"
            line += f"  {best:7.4f} {bound:7.4f} {total:7.2f}{' ' if proven else '*'}"
            if brute and k <= 3:
                reference, its_seconds = brute_force(template, pool, t)
                line += f"  {reference:7.4f} in {its_seconds:.1f} s"
                assert abs(reference - best) < 1e-6, f"{shape}: exact {best} is not brute force {reference}"
            worse += theirs > early + 1e-9
            print(f"{line}  {gate}", flush=True)
    n_shapes = sum(len(shapes(k)) for k in sizes)
    print(f"  below the genetic algorithm in its own time: {worse} of {n_shapes} shapes (* stopped, the bound holds)")


def large(n: int, cells: int) -> None:
    data = simulated(n, cells)
    objective = worst_population()
    print(f"{n} antigens × {cells} cells, 30 patients, 60 normal populations, objective {objective.name}")
    total = 0.0
    for group in (["A & B", "A | B"], *([shape] for shape in shapes(3))):
        begun, spent = time.perf_counter(), time.process_time()
        found = search_gates(data, objective=objective, templates=group, progress=False)
        seconds, spent = time.perf_counter() - begun, time.process_time() - spent
        total += seconds if len(group) == 1 else 0
        tested, gates = found.certificate["n_tested"].sum(), found.certificate["n_gates"].sum()
        best = found.table.iloc[0]
        print(f"  {', '.join(group):18} {seconds:8.2f} s ({spent:.1f} s of CPU)  best {best['score']:.4f} "
              f"{best['gate']}  tested {tested / gates:.2e} of {gates:.2e} gates", flush=True)  # fmt: skip
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  all templates of three {total:.1f} s; peak memory {peak:.2f} GB")


def million(cells: int) -> None:
    """All pairs of all gates on ever more cells, with the exponent of growth."""
    sizes, spent = [cells // 8, cells // 4, cells // 2, cells], []
    for size in sizes:
        data = simulated(2_700, size)
        begun, clock = time.perf_counter(), time.process_time()
        found = search_gates(data, templates=["A & B", "A | B"], progress=False)
        spent.append(time.process_time() - clock)
        seconds, best = time.perf_counter() - begun, found.table["gate"].iloc[0]
        print(f"2700 antigens × {size} cells: all pairs of all gates {seconds:.2f} s ({spent[-1]:.1f} s of CPU), "
              f"best {best}", flush=True)  # fmt: skip
    print(f"  CPU time grows with cells to the power of {slope(sizes, spent):.2f}")


def slope(x: list[int], y: list[float]) -> float:
    """Exponent of growth: slope of log y on log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def growth(*, quick: bool) -> None:
    """How the time of exact search and of the genetic algorithm grows, and what each reaches."""
    objective = worst_population()
    cells = [25_000, 50_000, 100_000, 200_000] if not quick else [5_000, 10_000, 20_000]
    antigens = [300, 600, 1200, 2400] if not quick else [100, 200, 400]
    for what, sizes in (("cells", cells), ("antigens", antigens)):
        sets = [simulated(*((antigens[1], value) if what == "cells" else (value, cells[0]))) for value in sizes]
        for shape in ("A & B", "A & B & C", "A & (B | C)"):
            ours = [exact(data, objective, shape) for data in sets]
            theirs = []
            for data in sets:
                pool = literals(data)
                terms_ = terms(objective, pool.populations)
                theirs.append(genetic(Template.of(shape, negate=True), pool, terms_, stale=20 if quick else 200))
            print(f"  {shape} over {what} {sizes}")
            for name, times, scores in (
                ("exact", [row[2] for row in ours], [row[0] for row in ours]),
                ("genetic", [row[1] for row in theirs], [row[0] for row in theirs]),
            ):
                print(f"    {name:8} {[round(t, 2) for t in times]} s, exponent {slope(sizes, times):5.2f}; "
                      f"reached {[round(score, 4) for score in scores]}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sets, short budgets: a minute")
    parser.add_argument("--only", default="lung,large,million,growth,simulated")
    parser.add_argument("--literals", default="", help="sizes of shapes for lung and simulated, such as 4,5")
    options = parser.parse_args()
    quick, parts = options.quick, options.only.split(",")
    sizes = [int(k) for k in options.literals.split(",") if k] or ([2, 3] if quick else [2, 3, 4, 5])
    stale = 20 if quick else 200
    for shape in (*shapes(2), *shapes(3), "A & B & C & D & E"):  # compile
        exact(simulated(12, 600), pooled(), shape)
    if "lung" in parts:
        if LUNG.is_dir():
            print("real lung cells, objective pooled at 0.9")
            compare(lung(), pooled(), sizes, stale=stale, budget=5 if quick else 300, brute=not quick)
        else:
            print(f"real lung cells: skipped, {LUNG} is absent")
    if "large" in parts:
        large(*((600, 20_000) if quick else (2_700, 100_000)))
    if "million" in parts:
        million(50_000 if quick else 1_000_000)
    if "growth" in parts:
        growth(quick=quick)
    if "simulated" in parts:
        n, cells = (200, 5_000) if quick else (600, 25_000)
        print(f"simulated, {n} antigens × {cells} cells, objective worst_population")
        compare(simulated(n, cells), worst_population(), sizes, stale=stale, budget=60, brute=False)


if __name__ == "__main__":
    main()
