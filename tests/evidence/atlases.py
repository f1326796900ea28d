"""Random atlases of cells with holes, assays and depths, and what a plain loop counts in them."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from tests.panels import observations

SYMBOLS = [f"G{i}" for i in range(6)]
PLACES = ("heart", "lung", "skin")


def random_cells(seed: int, *, depth: bool = False, holes: bool = True) -> anndata.AnnData:
    """Cells and nuclei of three patients and six donors, in data sets that lack different genes."""
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.poisson(rng.choice([0.1, 1.0, 2.5], len(SYMBOLS)), (n, len(SYMBOLS))).astype(float)  # noqa: E731
    tumor = {f"p{i}": draw(int(rng.integers(1, 90))) for i in range(3)}
    normal = {place: {f"d{i}": draw(int(rng.integers(1, 80))) for i in range(6)} for place in PLACES}
    adata = observations("cells", tumor, normal, symbols=SYMBOLS)
    obs = adata.obs
    is_normal = (obs["side"] == "normal").to_numpy()
    obs["dataset"] = np.where(is_normal, rng.choice(["x", "y", "z"], len(obs)), "t")
    obs["assay"] = np.where(is_normal & (rng.random(len(obs)) < 0.4), "nuclei", "cells")
    measured = pd.DataFrame(True, index=SYMBOLS, columns=["t", "x", "y", "z"])
    if holes:
        measured.loc["G1", "y"] = measured.loc["G2", "z"] = measured.loc["G1", "z"] = False
        for name in ("y", "z"):
            lacking = np.flatnonzero(~measured[name])
            adata.X[np.ix_(np.flatnonzero(obs["dataset"] == name), lacking)] = 0
    adata.varm["is_measured"] = measured
    if depth:
        obs["n_counts"] = rng.integers(300, 6000, len(obs)).astype(float)
    return adata


def masks(adata: anndata.AnnData) -> pd.Series:
    """Which antigens were measured in the data set of each observation, as text; tumours are not told apart."""
    of_dataset = adata.varm["is_measured"].apply(lambda column: "".join(map(str, column.astype(int))))
    return adata.obs["dataset"].map(of_dataset).where(adata.obs["side"] == "normal", "")


def by_loop(adata: anndata.AnnData, *, least: float) -> dict[tuple[str, ...], np.ndarray]:
    """Positive cells by population, assay, mask and donor, one after the other; last comes the number of cells."""
    counts: dict[tuple[str, ...], np.ndarray] = {}
    obs = adata.obs
    for row, key in enumerate(zip(obs["population"], obs["assay"], masks(adata), obs["donor"], strict=True)):
        own = counts.setdefault(tuple(map(str, key)), np.zeros(len(SYMBOLS) + 1, dtype=int))
        own[:-1] += adata.X[row] >= least
        own[-1] += 1
    return counts
