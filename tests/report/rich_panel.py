"""Random panels of several atlases: cells and nuclei by cell type, bulk samples, summaries, stains, power, holes."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from cartarget.evidence.panel import Panel, build_panel
from tests.panels import ORIGIN, TISSUES, protein, summary

CELL_TYPES = {"heart": ["cardiomyocyte", "fibroblast"], "lung": ["alveolar", "ciliated"], "colon": ["enterocyte"]}
REQUIRED = ("colon", "heart: cardiomyocyte", "lung", "lung: alveolar", "spinal cord")
PLACE = ("population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin")


def place(tissue: str, cell_type: str = "") -> tuple[object, ...]:
    """What `harmonise` says of a place."""
    name = f"{tissue}: {cell_type}" if cell_type else tissue
    return name, tissue, cell_type, *TISSUES[tissue], tissue in ORIGIN


class Atlas:
    """Observations that are being gathered into one atlas."""

    def __init__(self, rng: np.random.Generator, name: str, kind: str, symbols: list[str]) -> None:
        self.rng, self.name, self.kind, self.symbols = rng, name, kind, symbols
        self.blocks: list[np.ndarray] = []
        self.rows: list[tuple[object, ...]] = []

    def add(self, where: tuple[object, ...], side: str, donor: str, rate: np.ndarray, n: int, depth: float) -> None:
        """Observations of one donor in one place, in a data set of their own by depth."""
        hits = self.rng.random((n, len(self.symbols))) < rate
        self.blocks.append(hits * (20 if self.kind == "samples" else 1 + self.rng.poisson(1.5, hits.shape)))
        dataset = f"{self.name}-{where[1] or side}"
        self.rows += [(*where, side, donor, dataset, depth * self.rng.uniform(0.5, 2.0)) for _ in range(n)]

    def finished(self, *, holes: float, assay: str | None = None) -> anndata.AnnData:
        """The atlas; a share of genes is not measured in each data set of normal tissue."""
        obs = pd.DataFrame(self.rows, columns=[*PLACE, "side", "donor", "dataset", "n_counts"])
        obs.index = pd.Index([f"{self.name}{i}" for i in range(len(obs))])
        values = np.vstack(self.blocks).astype(np.float32)
        measured = pd.DataFrame(True, index=self.symbols, columns=sorted(set(obs["dataset"])))
        for dataset in sorted(set(obs.loc[obs["side"] == "normal", "dataset"])):
            gone = self.rng.random(len(self.symbols)) < holes
            measured.loc[gone, dataset] = False
            values[np.ix_((obs["dataset"] == dataset).to_numpy(), gone)] = 0
        if self.kind == "samples":
            obs = obs.drop(columns="n_counts")
        adata = anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=self.symbols))
        adata.varm["is_measured"] = measured
        unit = "CPM" if self.kind == "samples" else "counts"
        adata.uns["cartarget"] = {"kind": self.kind, "unit": unit, "atlas": self.name, "assay": assay or self.kind}
        return adata


def rich_panel(seed: int, *, n_genes: int = 7, count: int = 1) -> Panel:
    """A panel of cells, nuclei, samples, a summary and stains, each with its holes; seeds take turns in what ranks."""
    rng = np.random.default_rng(1000 + seed)
    symbols = [f"G{i}" for i in range(n_genes)]
    depth = float(rng.choice([1500.0, 6000.0]))
    cells, nuclei, samples = (
        Atlas(rng, name, kind, symbols)
        for name, kind in (("primary", "cells"), ("nuclei", "cells"), ("bulk", "samples"))
    )
    rate = rng.choice([0.4, 0.8, 0.95], n_genes)
    nowhere = ("", "", "", 0.0, 1.0, False, False)
    for patient in range(8):
        cells.add((f"p{patient}", *nowhere), "tumor", f"p{patient}", rate, int(rng.integers(20, 60)), 2500.0)
        samples.add(("tumor", *nowhere), "tumor", f"b{patient}", rate, 1, 1.0)
    for tissue in TISSUES:
        low = rng.choice([0.0, 0.01, 0.06, 0.5], n_genes, p=[0.45, 0.25, 0.2, 0.1])
        for cell_type in CELL_TYPES.get(tissue, ["epithelial"]):
            own = np.where(rng.random(n_genes) < 0.3, rng.choice([0.0, 0.04, 0.3], n_genes), low)
            for atlas in (cells, nuclei):
                if rng.random() < 0.2:
                    continue
                donors = int(rng.choice([2, 6, 12], p=[0.2, 0.4, 0.4]))
                loud = rng.random(donors) < 0.2
                for donor in range(donors):
                    mine = np.minimum(own + 0.5 * loud[donor] * (rng.random(n_genes) < 0.5), 1.0)
                    where = place(tissue, cell_type)
                    n = int(rng.integers(2, 30))
                    shallow = depth * (0.05 if atlas is nuclei and tissue in ("lung", "heart") else 1.0)
                    atlas.add(where, "normal", f"d{donor}", mine, n, shallow)
        if rng.random() < 0.7:
            for donor in range(int(rng.choice([3, 8, 25]))):
                samples.add(place(tissue), "normal", f"s{donor}", np.minimum(low * 1.5, 1.0), 1, 1.0)

    def levels(high: float) -> dict[str, list[float]]:
        chosen = [t for t in TISSUES if t == "skin" or rng.random() < 0.6]
        table = rng.choice([0.0, high], (len(chosen), n_genes), p=[0.75, 0.25])
        table[rng.random(table.shape) < 0.2] = np.nan
        return {t: row.tolist() for t, row in zip(chosen, table, strict=True)}

    stains = protein(levels(3.0), symbols=symbols)
    stains.obs["cell_type"] = [CELL_TYPES.get(t, [""])[0] for t in stains.obs["tissue"]]
    return build_panel(
        [cells.finished(holes=0.15), nuclei.finished(holes=0.1, assay="nuclei"), samples.finished(holes=0.1)],
        symbols=symbols,
        required=REQUIRED,
        stand_in=["heart: cardiomyocyte"] if seed % 2 else [],
        origin=ORIGIN,
        summaries=[summary(levels(30.0), symbols=symbols)],
        proteins=[stains],
        count=count,
        primary="bulk" if seed % 3 == 2 else "single_cell",
    )
