"""A simulated single-cell atlas with planted truth: what the demo runs on, and what tests compare against.

The generative model, and what it assumes:

1. A *population* (tissue and cell type) has a mean count per gene; real antigen names carry tissue
   profiles written from public knowledge (`simulated_antigens.tsv`), background genes (`SIM0001` …)
   draw theirs at random: restricted to a few populations, to a tissue or to a lineage, ubiquitous, high in
   tumour and gut, or oncofetal. Outside its profile a gene leaks at `LEAK` counts per cell.
2. A *donor* multiplies each gene by a log-normal factor (`DONOR_SD`), shared by all of his tissues.
3. A *cell* has a log-normal depth (`DEPTH_SD`); what a shallow cell misses is dropout. Counts are negative
   binomial: Poisson around a gamma with shape `SHAPE`.
4. Each sample's *ambient* RNA, the mean of its cells, replaces a beta-distributed fraction (mean `AMBIENT`)
   of each cell's RNA.
5. A *tumour sample* holds malignant cells in a fraction (its *purity*, beta, mean 0.6) and microenvironment in
   the rest. A patient expresses a gene or not; within him a beta-distributed fraction of malignant cells does.

Not modelled: doublets, batches, correlation between genes within a population, isoforms, protein. The tumour
pretends to be an adenocarcinoma of colon and rectum; no number in it is a measurement.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.contract import assemble
from cartarget.config import AtlasConfig, Config

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable

LEAK = 0.002
DONOR_SD = 0.25
DEPTH_SD = 0.3
SHAPE = 2.5
AMBIENT = 0.01
CLONAL_WEIGHT = 100.0
MICROENVIRONMENT = "tumor microenvironment"

TRUTH = {
    "best_single": "LY6G6D",
    "best_and": "CEACAM5 & MSLN",
    "best_and_not": "MET & ~ASGR1",
    "decoy": "MUC16",
    "decoy_hits": ["lung: club cell", "lung: mesothelial cell"],
}
"""What was planted: the best gate of each kind, and a single that pooling would prefer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Panel:
    """Genes and their mean counts: in malignant cells, and in each normal population."""

    genes: pd.DataFrame  # symbol, role, tumor, clonal, patients
    populations: pd.DataFrame  # tissue, cell_type, is_rare, groups
    normal: Floats  # populations × genes


def simulated(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Reader `simulated`: the embedded atlas, drawn with the run's seed.

    Parameters
    ----------
    atlas
        Its name is written down; it has no path.
    config
        Gives the seed.
    genes
        Not used: the names are current symbols.
    keep
        Symbols to keep. None: all.
    """
    adata = simulate_atlas(seed=config.seed)
    adata.uns["cartarget"]["atlas"] = atlas.name
    return adata if keep is None else adata[:, adata.var_names.isin(list(keep))].copy()


def simulate_atlas(
    *,
    seed: int = 0,
    n_patients: int = 16,
    n_donors: int = 10,
    cells_per_population: int = 24,
    cells_per_rare: int = 8,
    cells_per_tumor: int = 280,
    n_background: int = 1000,
) -> AnnData:
    """Draw cells of a simulated tumour and of normal tissues, with planted truth.

    Parameters
    ----------
    seed
        The same seed and sizes give the same bytes, whatever the number of threads.
    n_patients, n_donors
        Tumour patients, and healthy donors that each give every normal tissue.
    cells_per_population, cells_per_rare
        Cells of a normal population, and of a rare one, per donor.
    cells_per_tumor
        Cells of a tumour sample, malignant and microenvironment together.
    n_background
        Background genes, named `SIM0001` onwards.

    Returns
    -------
    AnnData
        Cells × genes in the atlas contract: kind `cells`, unit `counts`, CSR of whole float32 numbers.
        `uns["cartarget"]["truth"]` holds `TRUTH`; `var["role"]` is `surface`, `background`,
        `housekeeping` or `intracellular`.

    Examples
    --------
    >>> adata = simulate_atlas(n_patients=2, n_donors=1, n_background=10)
    >>> adata.uns["cartarget"]["truth"]["best_and"]
    'CEACAM5 & MSLN'
    >>> sorted(adata.obs["side"].unique())
    ['normal', 'tumor']
    """
    shared, *samples = SeedSequence(seed).spawn(1 + n_donors + n_patients)
    panel = _panel(default_rng(shared), n_background)
    blocks: list[tuple[sparse.csr_matrix, pd.DataFrame]] = []
    sizes = np.where(panel.populations["is_rare"], cells_per_rare, cells_per_population)
    for number, stream in enumerate(samples[:n_donors], start=1):
        blocks += _donor(default_rng(stream), panel, f"donor{number:02d}", sizes)
    for number, stream in enumerate(samples[n_donors:], start=1):
        blocks.append(_patient(default_rng(stream), panel, f"patient{number:02d}", cells_per_tumor))
    return _adata(panel, blocks)


def _panel(rng: Generator, n_background: int) -> _Panel:
    here = files("cartarget.atlas.readers")
    with (here / "simulated_populations.tsv").open(encoding="utf-8") as handle:
        populations = pd.read_csv(handle, sep="\t", true_values=["yes"], false_values=["no"])
    with (here / "simulated_antigens.tsv").open(encoding="utf-8") as handle:
        antigens = pd.read_csv(handle, sep="\t", keep_default_na=False)
    rows = populations[["tissue", "cell_type", "groups"]].to_numpy(dtype=object)
    keys = [{"everything", tissue, kind, f"{tissue}/{kind}", *groups.split("|")} for tissue, kind, groups in rows]
    profiles = np.array([_profile(text, keys) for text in antigens["normal"]]).T
    background, noise = _background(rng, n_background, populations)
    genes = pd.concat([antigens.drop(columns="normal"), background], ignore_index=True)
    return _Panel(genes, populations, np.maximum(np.hstack([profiles, noise]), LEAK))


def _profile(text: str, keys: list[set[str]]) -> list[float]:
    """Mean counts of one gene per population, from `key:mean|key:mean`; the highest key that fits counts."""
    parts = [(key, float(mean)) for key, mean in (part.rsplit(":", 1) for part in text.split("|") if part)]
    unknown = [key for key, _ in parts if not any(key in known for known in keys)]
    if unknown:
        raise ValueError(f"simulated_antigens.tsv: no population is called {unknown[0]!r}")
    return [max((mean for key, mean in parts if key in known), default=0.0) for known in keys]


def _background(rng: Generator, n: int, populations: pd.DataFrame) -> tuple[pd.DataFrame, Floats]:
    """Genes without a name, in the shapes that real ones have; none is robust enough to block."""
    tissues = populations["tissue"].to_numpy()
    dummies = populations["groups"].str.get_dummies("|")
    groups = dict(zip(dummies.columns, dummies.to_numpy(dtype=bool).T, strict=True))
    everywhere = np.ones(len(tissues), dtype=bool)
    fixed = {
        "epithelial": groups["epithelial"],
        "gut": groups["gut"],
        "ubiquitous": everywhere,
        "oncofetal": ~everywhere,
    }
    shapes = ["restricted", "tissue", "lineage", "epithelial", "ubiquitous", "gut", "oncofetal"]
    drawn = rng.choice(shapes, size=n, p=[0.42, 0.14, 0.12, 0.06, 0.12, 0.08, 0.06])
    normal = np.zeros((len(populations), n))
    tumor = np.zeros((n, 3))
    for j, shape in enumerate(drawn):
        if shape == "restricted":
            where = np.isin(np.arange(len(tissues)), rng.choice(len(tissues), size=rng.integers(1, 5), replace=False))
        elif shape == "tissue":
            where = tissues == rng.choice(tissues)
        elif shape == "lineage":
            where = groups[rng.choice(list(groups))]
        else:
            where = fixed[shape]
        level = np.clip(rng.lognormal(0, 0.7), 0.3, 2.5)
        normal[:, j] = np.where(where, np.clip(level * rng.lognormal(0, 0.25, size=len(where)), 0.2, 3), 0)
        if shape in ("epithelial", "ubiquitous"):
            tumor[j] = level, rng.uniform(0.6, 0.85), 1
        elif shape == "gut":
            tumor[j] = rng.uniform(1, 6), rng.uniform(0.4, 0.8), rng.uniform(0.6, 1)
        elif shape == "oncofetal":
            tumor[j] = rng.uniform(0.5, 3), rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.4)
    frame = pd.DataFrame(tumor, columns=["tumor", "clonal", "patients"])
    frame.insert(0, "symbol", [f"SIM{j:04d}" for j in range(1, n + 1)])
    frame.insert(1, "role", "background")
    return frame, normal


def _donor(
    rng: Generator, panel: _Panel, donor: str, sizes: NDArray[np.int64]
) -> list[tuple[sparse.csr_matrix, pd.DataFrame]]:
    """One healthy donor: a sample of each normal tissue."""
    means = panel.normal * rng.lognormal(0, DONOR_SD, size=panel.normal.shape[1])
    tissues = panel.populations["tissue"]
    blocks = []
    for tissue in tissues[tissues != MICROENVIRONMENT].unique():
        chosen = np.repeat(np.flatnonzero(tissues == tissue), sizes[tissues == tissue])
        obs = panel.populations.loc[chosen, ["tissue", "cell_type"]].assign(side="normal", donor=donor)
        blocks.append((_counts(rng, means[chosen]), obs))
    return blocks


def _patient(rng: Generator, panel: _Panel, patient: str, n_cells: int) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """One tumour sample: malignant cells, and the microenvironment around them."""
    effect = rng.lognormal(0, DONOR_SD, size=panel.normal.shape[1])
    n_malignant = round(n_cells * np.clip(rng.beta(9, 6), 0.3, 0.9))
    around = np.flatnonzero(panel.populations["tissue"] == MICROENVIRONMENT)
    chosen = np.sort(rng.choice(around, size=n_cells - n_malignant))
    genes = panel.genes
    clonal = genes["clonal"].to_numpy()
    fraction = rng.beta(CLONAL_WEIGHT * clonal + 1e-9, CLONAL_WEIGHT * (1 - clonal) + 1e-9)
    fraction *= rng.random(len(genes)) < genes["patients"].to_numpy()
    expressed = rng.random((n_malignant, len(genes))) < fraction
    malignant = np.maximum(expressed * genes["tumor"].to_numpy(), LEAK)
    obs = pd.concat(
        [
            pd.DataFrame({"tissue": "tumor", "cell_type": "malignant cell", "side": "tumor"}, index=range(n_malignant)),
            panel.populations.loc[chosen, ["tissue", "cell_type"]].assign(side="normal"),
        ]
    ).assign(donor=patient)
    return _counts(rng, np.vstack([malignant, panel.normal[chosen]]) * effect), obs


def _counts(rng: Generator, means: Floats) -> sparse.csr_matrix:
    """Negative binomial counts of one sample's cells, with ambient RNA and depth."""
    ambient = rng.beta(2, 2 / AMBIENT - 2, size=(len(means), 1))
    rate = (1 - ambient) * means + ambient * means.mean(axis=0)
    rate *= rng.lognormal(0, DEPTH_SD, size=(len(means), 1))
    noise = rng.standard_gamma(SHAPE, size=rate.shape, dtype=np.float32) / SHAPE
    return sparse.csr_matrix(rng.poisson(rate * noise).astype(np.float32))


def _adata(panel: _Panel, blocks: list[tuple[sparse.csr_matrix, pd.DataFrame]]) -> AnnData:
    obs = pd.concat([rows for _, rows in blocks], ignore_index=True).assign(dataset="simulated")
    obs.index = pd.Index([f"cell{number:05d}" for number in range(1, len(obs) + 1)], dtype=object)
    names = pd.Index(panel.genes["symbol"], dtype=object, name=None)
    adata = assemble(
        sparse.vstack([block for block, _ in blocks], format="csr"),
        obs=obs[["side", "donor", "tissue", "cell_type", "dataset"]],
        genes=pd.DataFrame({"given": names, "role": panel.genes["role"].to_numpy(dtype=object)}, index=names),
        kind="cells",
        unit="counts",
        atlas="simulated",
        files=[],
        lost=pd.DataFrame({"name": [], "reason": []}, dtype=object),
        notes=[
            "Simulated: negative binomial counts with donors, ambient RNA, dropout and tumour purity; no number is a "
            "measurement."
        ],
        is_simulated=True,
    )
    adata.uns["cartarget"]["truth"] = dict(TRUTH)
    return adata
