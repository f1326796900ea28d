"""Files with different genes, joined: the zeros that fill the gaps are not measured, and true zeros are."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartarget
from cartarget.atlas import read_atlas
from cartarget.atlas.lacking import mark_lacking
from cartarget.config import AtlasConfig, Config, load_config
from cartarget.evidence.part import count_atlas

GENES = [f"G{i:03d}" for i in range(300)]
TYPES = ("T cell", "B cell", "fibroblast", "endothelial cell")


def cells(name: str, *, donors: int = 2, lacks: int = 0, tissue: str = "lung", depth: float = 1.0, seed: int = 0):
    """240 cells a donor of four types. Genes 0–199 are on most cells of all types, 200–299 are each on one type alone.

    `lacks` genes in the middle are not in the file. `depth`: share of the counts that is seen.
    """
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for donor in range(donors):
        for number, kind in enumerate(TYPES):
            mean = np.where(np.arange(300) < 200, 2.0, np.where(np.arange(300) % 4 == number, 1.0, 0.0))
            rows.append(rng.poisson(mean * depth, size=(60, 300)))
            labels += [(f"{name}{donor}", tissue, kind)] * 60
    obs = pd.DataFrame(
        labels, columns=["donor", "tissue", "cell_type"], index=[f"{name}-{i}" for i in range(len(labels))]
    )
    adata = anndata.AnnData(
        sparse.csr_matrix(np.vstack(rows).astype(np.float32)), obs=obs, var=pd.DataFrame(index=GENES)
    )
    return adata[:, [gene for gene in GENES if not 150 <= int(gene[1:]) < 150 + lacks]].copy()


def read(adata: anndata.AnnData, folder: Path) -> anndata.AnnData:
    adata.write_h5ad(folder / "a.h5ad")
    labels = {"donor": "donor", "tissue": "tissue", "cell_type": "cell_type"}
    atlas = AtlasConfig(name="a", reader="h5ad", path="a.h5ad", labels=labels)
    return read_atlas(atlas, config=Config(data_dir=str(folder)))


@pytest.mark.parametrize("depth", [1.0, 0.5])
def test_a_gene_that_one_of_two_joined_files_lacks_is_not_measured_there(tmp_path: Path, depth: float) -> None:
    """The second file lacks 80 genes: 50 that all cells show, and 30 that one type shows."""
    one, two = cells("x"), cells("y", lacks=80, depth=depth, seed=1)
    found = read(anndata.concat([one, two], join="outer"), tmp_path)
    measured = pd.DataFrame(found.varm["is_measured"])
    assert measured.columns.tolist() == ["a", "a, fewer genes 1"]
    assert measured["a"].all()
    assert sorted(measured.index[~measured["a, fewer genes 1"]]) == GENES[150:230]
    assert found.obs.groupby("dataset", observed=True)["donor"].unique().map(sorted).to_dict() == {
        "a": ["x0", "x1"], "a, fewer genes 1": ["y0", "y1"],
    }  # fmt: skip
    note = next(note for note in found.uns["cartarget"]["notes"] if "not measured there" in note)
    assert note.startswith("80 genes are zero in every cell of 2 of 4 donors")


def test_it_reaches_the_evidence_and_a_tissue_stays_among_the_unmeasured(tmp_path: Path) -> None:
    """Heart stands in the second file alone: what that file lacks is unknown in the heart, and known in the lung."""
    joined = anndata.concat([cells("x"), cells("y", lacks=80, tissue="heart")], join="outer")
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    part = count_atlas(
        cartarget.harmonise(read(joined, tmp_path), tiers=tiers, origin=["colon"]), symbols=["G160", "G001"]
    )
    table = part.populations.assign(**dict(zip(part.symbols, part.is_measured, strict=True)))
    by_tissue = table.groupby("tissue")[["G160", "G001"]].all()
    assert by_tissue.loc["heart"].tolist() == [False, True]
    assert by_tissue.loc["lung"].tolist() == [True, True]


def test_each_of_two_files_may_lack_genes_of_the_other(tmp_path: Path) -> None:
    one = cells("x")[:, [gene for gene in GENES if int(gene[1:]) >= 40]].copy()
    found = read(anndata.concat([one, cells("y", lacks=80)], join="outer"), tmp_path)
    measured = pd.DataFrame(found.varm["is_measured"])
    lacking = {tuple(sorted(measured.index[~measured[name]])) for name in measured}
    assert lacking == {tuple(GENES[:40]), tuple(GENES[150:230])}
    assert measured.shape[1] == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(cells("y"), id="the same genes"),
        pytest.param(cells("y", depth=0.1), id="ten times shallower"),
        pytest.param(cells("y", lacks=15), id="few genes, as those of one sex"),
        pytest.param(cells("y", donors=1)[:20].copy(), id="twenty cells"),
        pytest.param(cells("y")[:60].copy(), id="one cell type, which lacks the genes of others"),
    ],
)
def test_true_zeros_are_zeros(tmp_path: Path, other: anndata.AnnData) -> None:
    found = read(anndata.concat([cells("x"), other], join="outer"), tmp_path)
    measured = pd.DataFrame(found.varm["is_measured"])
    assert measured.columns.tolist() == ["a"] and measured.to_numpy().all()
    assert not any("not measured there" in note for note in found.uns["cartarget"]["notes"])


@pytest.mark.real_data
def test_half_of_the_donors_of_a_real_atlas_lose_genes(shared_data: Path) -> None:
    """Blood of forty donors, from twenty of whom every third gene is taken; untouched, nobody lacks any."""
    (config,) = [one for one in load_config("config/examples/breast.yaml").atlases if one.name == "blood_onek1k"]
    whole = read_atlas(config, config=Config(data_dir=str(shared_data)))
    assert pd.DataFrame(whole.varm["is_measured"]).shape[1] == 1
    names = sorted(set(whole.obs["donor"].astype(str)))[:20]
    taken = np.arange(whole.n_vars) % 3 == 0
    values = whole.X.tolil()
    rows = np.flatnonzero(whole.obs["donor"].isin(names))
    values[np.ix_(rows, np.flatnonzero(taken))] = 0
    broken = whole.copy()
    broken.X = values.tocsr()
    broken.X.eliminate_zeros()
    mark_lacking(broken)
    measured = pd.DataFrame(broken.varm["is_measured"])
    assert set(broken.obs.loc[broken.obs["dataset"] != "blood_onek1k", "donor"]) == set(names)
    seen = np.asarray(whole.X.sum(axis=0)).ravel() > 0
    other = measured.drop(columns="blood_onek1k").any(axis=1).to_numpy()
    assert not other[taken & seen].any(), "what was taken is not measured"
    assert other[~taken].mean() > 0.9, "what was left stays measured"
