"""Labels that hold several kinds of cells are found, and pure ones, deep and shallow, from unlike donors, are not."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.evidence.labels import mixed_labels
from cartarget.evidence.packed import Packed, pack


def population(seed: int, *, inside: float, donors: int = 8, cells: int = 150, genes: int = 60) -> Packed:
    """Epithelial cells of unequal depth and unlike donors; a share are club cells with ten genes of their own."""
    rng = np.random.default_rng(seed)
    n = donors * cells
    depth = rng.lognormal(0, 0.5, n)
    usual = rng.beta(0.5, 2, (donors, genes)) * rng.random(genes)
    rate = np.repeat(usual, cells, axis=0)
    is_club = rng.random(n) < inside
    rate[:, :10] = 0.01
    rate[is_club, :10] = 1.5
    values = rng.random((n, genes)) < 1 - np.exp(-rate * depth[:, None])
    return pack(
        values, symbols=[f"G{i}" for i in range(genes)], population=["lung: epithelial cell"] * n,
        donor=[f"d{i // cells}" for i in range(n)], side=["normal"] * n,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("inside", [0.02, 0.05, 0.15])
def test_a_kind_of_cells_inside_a_label_is_found_with_its_share(inside: float, seed: int) -> None:
    row = mixed_labels(population(seed, inside=inside)).iloc[0]
    assert row["population"] == "lung: epithelial cell" and row["n_cells"] == 1200
    assert row["share"] == pytest.approx(inside, abs=0.4 * inside + 0.01)
    named = set(row["markers"].split(", "))
    assert len(named & {f"G{i}" for i in range(10)}) >= 6


@pytest.mark.parametrize("seed", range(6))
def test_a_pure_label_is_not_flagged_whatever_depth_and_donors_do(seed: int) -> None:
    assert mixed_labels(population(seed, inside=0.0)).empty


def test_people_who_differ_are_no_kind_of_cells() -> None:
    """One donor of eight shows ten genes on half of his cells, each by itself; the others on none."""
    rng = np.random.default_rng(0)
    values = rng.random((1200, 12)) < 0.02
    values[:150, :10] = rng.random((150, 10)) < 0.5
    packed = pack(
        values, symbols=[f"G{i}" for i in range(12)], population=["x"] * 1200, side=["normal"] * 1200,
        donor=[f"d{i // 150}" for i in range(1200)],
    )  # fmt: skip
    assert mixed_labels(packed).empty


def test_few_cells_say_nothing() -> None:
    assert mixed_labels(population(0, inside=0.1, donors=2, cells=40)).empty
