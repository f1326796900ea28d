"""Small random panels for tests: every kind of evidence, with holes."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from cartarget.evidence.panel import Panel, build_panel

TISSUES = {
    "heart": ("vital", 1.0, 0.05, True),
    "lung": ("vital", 1.0, 0.05, True),
    "colon": ("vital", 1.0, 0.05, True),
    "spinal cord": ("vital", 1.0, 0.05, False),
    "skin": ("important", 0.5, 0.2, False),
    "breast": ("tolerable", 0.1, 1.0, False),
}
REQUIRED = ("colon", "heart", "lung")
ORIGIN = ("colon",)


def describe_places(tissues: list[str]) -> pd.DataFrame:
    """What `harmonise` adds, for whole tissues."""
    rows = [(name, name, "", *TISSUES[name], name in ORIGIN) for name in tissues]
    names = ["population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin"]
    return pd.DataFrame(rows, columns=names)


def observations(
    kind: str,
    tumor: dict[str, np.ndarray],
    normal: dict[str, dict[str, np.ndarray]],
    *,
    symbols: list[str],
    unmeasured: dict[str, list[str]] | None = None,
) -> anndata.AnnData:
    """A harmonised atlas: `tumor` patient → observations × genes, `normal` tissue → donor → the same."""
    blocks, obs = [], []
    for patient, values in tumor.items():
        blocks.append(values)
        population = patient if kind == "cells" else "tumor"
        obs += [(population, "", "", "", 0.0, 1.0, False, False, "tumor", patient, "tumor")] * len(values)
    for tissue, donors in normal.items():
        place = tuple(describe_places([tissue]).iloc[0])
        for donor, values in donors.items():
            blocks.append(values)
            obs += [(*place, "normal", donor, tissue)] * len(values)
    names = [
        "population",
        "tissue",
        "cell_type",
        "tier",
        "weight",
        "cap",
        "is_required",
        "is_origin",
        "side",
        "donor",
        "dataset",
    ]
    frame = pd.DataFrame(obs, columns=names, index=[f"o{i}" for i in range(len(obs))])
    adata = anndata.AnnData(np.vstack(blocks).astype(np.float32), obs=frame, var=pd.DataFrame(index=symbols))
    measured = pd.DataFrame(True, index=symbols, columns=sorted(set(frame["dataset"])))
    for dataset, missing in (unmeasured or {}).items():
        measured.loc[missing, dataset] = False
    adata.varm["is_measured"] = measured
    adata.uns["cartarget"] = {"kind": kind, "unit": "CPM" if kind == "samples" else "counts", "atlas": "primary"}
    return adata


def summary(values: dict[str, list[float]], *, symbols: list[str]) -> anndata.AnnData:
    """A harmonised summary atlas: tissue → level per gene, NaN not measured."""
    places = describe_places(list(values))
    places.index = list(values)
    adata = anndata.AnnData(
        np.array(list(values.values()), dtype=np.float32), obs=places, var=pd.DataFrame(index=symbols)
    )
    adata.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": "summary"}
    return adata


def protein(
    values: dict[str, list[float]], *, symbols: list[str], reliability: float = 3.0, membrane: bool = True
) -> anndata.AnnData:
    """A harmonised atlas of stains: tissue → 0–3 per gene, NaN not graded."""
    adata = summary(values, symbols=symbols)
    adata.layers["reliability"] = np.where(np.isnan(adata.X), np.nan, reliability).astype(np.float32)
    adata.var["is_membrane"] = pd.array([membrane] * len(symbols), dtype="boolean")
    adata.uns["cartarget"] = {"kind": "protein", "unit": "stain", "atlas": "protein"}
    return adata


def random_panel(seed: int, *, kind: str, n_genes: int = 9, holes: bool = True) -> Panel:
    """A panel with tumour, thin and thick populations, summaries, stains, and genes missing here and there."""
    rng = np.random.default_rng(seed)
    symbols = [f"G{i}" for i in range(n_genes)]
    per = (lambda: 1) if kind == "samples" else (lambda: int(rng.integers(1, 12)))
    tumor_rate = rng.choice([0.1, 0.6, 0.95], n_genes)
    scale = 20 if kind == "samples" else 1

    def draw(rate: np.ndarray, n: int) -> np.ndarray:
        return (rng.random((n, n_genes)) < rate) * scale

    tumor = {f"p{i}": draw(tumor_rate, per() if kind == "samples" else 10) for i in range(12)}
    normal = {}
    for tissue in rng.permutation(list(TISSUES))[: rng.integers(3, 7)]:
        rate = rng.choice([0.0, 0.02, 0.5], n_genes, p=[0.6, 0.2, 0.2])
        donors = int(rng.choice([2, 6, 25]))
        normal[str(tissue)] = {f"d{i}": draw(rate, per()) for i in range(donors)}
    datasets = [*normal]
    missing = {name: [s for s in symbols if rng.random() < 0.15] for name in datasets} if holes else {}
    for name, genes in missing.items():
        for values in normal[name].values():
            values[:, [symbols.index(gene) for gene in genes]] = 0
    adata = observations(kind, tumor, normal, symbols=symbols, unmeasured=missing)

    def levels(high: float) -> dict[str, list[float]]:
        chosen = [t for t in TISSUES if rng.random() < 0.8]
        table = rng.choice([0.0, high], (len(chosen), n_genes), p=[0.7, 0.3])
        table[rng.random(table.shape) < (0.2 if holes else 0)] = np.nan
        return {t: row.tolist() for t, row in zip(chosen, table, strict=True)}

    return build_panel(
        adata,
        symbols=symbols,
        required=REQUIRED,
        origin=ORIGIN,
        summaries=[summary(levels(30.0), symbols=symbols)],
        proteins=[protein(levels(3.0), symbols=symbols)],
    )
