"""The real lung cells: every shape of two and three literals, against exhaustive counting."""

from __future__ import annotations

import gzip
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cartarget.evidence.packed import Packed, pack
from cartarget.logic.shapes import shapes
from cartarget.search.objectives import pooled
from cartarget.search.search import search_gates
from cartarget.search.template import Template


@pytest.fixture(scope="module")
def lung(shared_data: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Positivity (cells × antigens), which cells are malignant, antigens."""
    blocks, malignant, genes = [], [], []
    for path in sorted((shared_data / "tumor_single_cell_emtab6149").glob("*_cells_*.txt.gz")):
        kind = path.name.split("_")[1]
        if kind == "noncancer":
            continue
        with gzip.open(path, "rt") as handle:
            next(handle)
            rows = [line.rstrip("\n\t").split("\t") for line in handle]
        genes = [row[0] for row in rows]
        blocks.append(np.array([row[2:] for row in rows], dtype=np.float32).T > 0)
        malignant += [kind == "cancer"] * len(blocks[-1])
    return np.vstack(blocks), np.array(malignant), genes


def packed(positive: np.ndarray, malignant: np.ndarray, genes: list[str]) -> Packed:
    names = np.where(malignant, "tumour", "surroundings")
    side = np.where(malignant, "tumor", "normal")
    return pack(positive, symbols=genes, population=names, donor=names, side=side)


@pytest.mark.real_data
def test_pairs_of_all_antigens_equal_counting(lung: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    positive, malignant, genes = lung
    found = search_gates(packed(*lung), objective="pooled", templates=shapes(2), top=50, progress=False)
    best = []
    sides = [positive[malignant].astype(np.float32), positive[~malignant].astype(np.float32)]
    both = [x.T @ x for x in sides]
    single = [np.diagonal(x) for x in both]
    for kind in range(4):
        hits = [
            (b, s[:, None] + s - b, s[:, None] - b, s - b)[kind] / len(x)
            for x, b, s in zip(sides, both, single, strict=True)
        ]
        feasible = np.where(hits[1] <= 0.1 + 1e-9, hits[0], -1.0)
        best.append(feasible[np.triu_indices(len(genes), 1)])
    expected = np.sort(np.concatenate(best))[::-1][:50]
    assert np.allclose(found.table["score"], expected, atol=1e-6)
    assert found.certificate["is_exact"].all()


@pytest.mark.real_data
@pytest.mark.parametrize("shape", shapes(3))
def test_triples_equal_brute_force_on_a_subset(shape: str, lung: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    positive, malignant, genes = lung
    share = positive.mean(axis=0)
    chosen = np.argsort(-np.abs(positive[malignant].mean(axis=0) - share))[:24]
    subset = positive[:, chosen], malignant, [genes[i] for i in chosen]
    found = search_gates(packed(*subset), objective=pooled(specificity=0.6), templates=[shape], top=1, progress=False)
    template = Template.of(shape, negate=True)
    literals = np.stack([subset[0].T, ~subset[0].T], axis=1).reshape(48, -1)
    best = 0.0
    for a, b in product(range(48), repeat=2):
        if a >> 1 == b >> 1:
            continue
        third = np.flatnonzero((np.arange(48) >> 1 != a >> 1) & (np.arange(48) >> 1 != b >> 1))
        values = {"A": literals[a], "B": literals[b], "C": literals[third]}
        not_only = template.gate.evaluate({"A": bool(a & 1), "B": bool(b & 1), "C": third & 1 == 1})
        hits = template.gate.evaluate(values)[~np.broadcast_to(not_only, len(third))]
        feasible = hits[:, ~malignant].mean(axis=1) <= 0.4 + 1e-12
        best = max(best, float(hits[feasible][:, malignant].mean(axis=1).max(initial=0.0)))
    assert found.table["score"].iloc[0] == pytest.approx(best, abs=1e-9)


@pytest.mark.real_data
def test_every_shape_of_three_is_exact_over_all_antigens(lung: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    found = search_gates(packed(*lung), objective="pooled", templates=shapes(3), top=20, progress=False)
    assert found.certificate["is_exact"].all()
    best = dict(zip(found.certificate["template"], found.certificate["best"].round(4), strict=True))
    assert best == {"A & B & C": 0.8296, "A & (B | C)": 0.8948, "A | (B & C)": 0.7887, "A | B | C": 0.567}
    assert found.table["gate"].iloc[0] == "(CXADR | DDR1) & ~PIGR"
