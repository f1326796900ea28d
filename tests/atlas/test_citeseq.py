"""Antibodies on single cells: every form of file, backgrounds by hand, names that are genes, and real tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartarget import harmonise, read_tiers
from cartarget.atlas import read_atlas
from cartarget.atlas.readers.citeseq import background_threshold
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import InputError
from cartarget.evidence.antibodies import antibody_cells, antibody_fractions
from cartarget.genes import GeneTable, read_gene_table

NAMES = ["EpCAM (CD326)", "CD19_PROT", "CD3_TotalSeqB"]
COUNTS = np.array([[90.0, 1, 0], [12, 0, 3], [0, 40, 5], [2, 30, 0]], dtype=np.float32)
CELLS = ["c1", "c2", "c3", "c4"]


@pytest.fixture
def genes(tmp_path: Path) -> GeneTable:
    rows = [
        ("1", "EPCAM", "CD326|ESA", "ENSG1"), ("2", "CD19", "-", "ENSG2"), ("3", "CD3D", "CD3", "ENSG3"),
        ("4", "CD3E", "CD3", "ENSG4"), ("5", "ITGAM", "CD11B", "ENSG5"), ("6", "CD274", "PD-L1|B7-H1", "ENSG6"),
    ]  # fmt: skip
    header = "ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene\n"
    (tmp_path / "genes.tsv").write_text(header + "\n".join("\t".join(row) for row in rows) + "\n")
    return read_gene_table(tmp_path / "genes.tsv")


def read(folder: Path, path: str, *, genes: GeneTable | None = None, keep: set[str] | None = None, **more: Any) -> Any:
    atlas = AtlasConfig(name="mine", reader="citeseq", role="antibodies", path=path, **{"tissue": "blood", **more})
    return read_atlas(atlas, config=Config(data_dir=str(folder)), genes=genes, keep=keep)


def text(path: Path, counts: np.ndarray = COUNTS, names: list[str] = NAMES, cells: list[str] | None = None) -> None:
    """Antibodies × cells, as dsb's data stand."""
    cells = [f"d{i}" for i in range(len(counts))] if cells is None else cells
    pd.DataFrame(counts.T.astype(int), index=names, columns=cells).to_csv(path, sep="\t")


def features() -> tuple[sparse.csr_matrix, list[str], list[str]]:
    """RNA of a gene CD19 beside the antibodies: cells × features, names, types."""
    rna = np.array([[700.0], [0], [800], [900]], dtype=np.float32)
    return sparse.csr_matrix(np.hstack([rna, COUNTS])), ["CD19", *NAMES], ["Gene Expression", *["Antibody Capture"] * 3]


def h5ad(path: Path) -> None:
    values, names, types = features()
    var = pd.DataFrame({"feature_types": types}, index=names)
    anndata.AnnData(values, obs=pd.DataFrame(index=CELLS), var=var).write_h5ad(path)


def h5ad_obsm(path: Path) -> None:
    values, names, _ = features()
    adata = anndata.AnnData(values[:, :1], obs=pd.DataFrame(index=CELLS), var=pd.DataFrame(index=names[:1]))
    adata.obsm["protein_expression"] = COUNTS
    adata.uns["protein_names"] = np.array(NAMES)
    adata.write_h5ad(path)


def tenx(path: Path) -> None:
    values, names, types = features()
    with h5py.File(path, "w") as handle:
        group = handle.create_group("matrix")
        group["barcodes"] = np.array(CELLS, dtype="S")
        group["data"], group["indices"], group["indptr"] = values.data, values.indices, values.indptr
        group["shape"] = np.array([len(names), len(CELLS)])
        for key, texts in {"id": names, "name": names, "feature_type": types}.items():
            group[f"features/{key}"] = np.array(texts, dtype="S")


def folder(path: Path) -> None:
    from scipy.io import mmwrite

    values, names, types = features()
    path.mkdir()
    mmwrite(path / "matrix.mtx", sparse.coo_matrix(values.T.astype(int)))
    rows = [f"{name}\t{name}\t{kind}" for name, kind in zip(names, types, strict=True)]
    (path / "features.tsv").write_text("\n".join(rows) + "\n")
    (path / "barcodes.tsv").write_text("\n".join(CELLS) + "\n")


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (h5ad, "a.h5ad"), (h5ad_obsm, "b.h5ad"), (tenx, "c.h5"), (folder, "d"),
        (lambda path: text(path, cells=CELLS), "e.tsv.gz"),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_and_never_the_gene_of_the_same_name(
    write: Any, name: str, tmp_path: Path, genes: GeneTable
) -> None:
    write(tmp_path / name)
    adata = read(tmp_path, name, genes=genes)
    assert adata.var_names.tolist() == ["EPCAM (antibody)", "CD19 (antibody)", "CD3_TotalSeqB (antibody)"]
    assert adata.var["symbol"].tolist() == ["EPCAM", "CD19", ""], "CD3 is several genes, and so none"
    assert adata.obs_names.tolist() == CELLS
    assert adata[:, "CD19 (antibody)"].X.ravel().tolist() == [1, 0, 40, 30], "no count of the RNA is in it"
    assert np.isnan(adata.var["background"]).all() and (adata.var["control"] == "").all()
    assert "3 antibodies have no background" in adata.uns["cartarget"]["notes"][-1]


def test_what_antibodies_are_called(tmp_path: Path, genes: GeneTable) -> None:
    names = ["anti-human CD326", "CD11b", "B7-H1 (PD-L1)", "PD-L1 (CD274)", "CD19", "IgG2a", "IgM", "no_match"]
    text(tmp_path / "t.tsv", np.ones((4, 8)), names)
    adata = read(tmp_path, "t.tsv", genes=genes)
    assert adata.var_names.tolist() == [
        "EPCAM (antibody)", "ITGAM (antibody)", "CD274 (antibody B7-H1 (PD-L1))", "CD274 (antibody PD-L1 (CD274))",
        "CD19 (antibody)", "IgM (antibody)",
    ]  # fmt: skip
    assert adata.uns["cartarget"]["lost"].to_dict("list") == {
        "name": ["IgG2a", "no_match"],
        "reason": ["not an antigen but an isotype control", "not an antibody but reads without one"],
    }
    kept = read(tmp_path, "t.tsv", genes=genes, keep={"CD274"})
    assert kept.var["symbol"].tolist() == ["CD274", "CD274"]


def test_the_background_by_hand() -> None:
    empty = np.repeat([[0.0, 0.0], [0.0, 20.0]], 50, axis=0)
    logs = np.log([10.0, 30.0])
    expected = np.exp(logs.mean() + 3.5 * (logs[1] - logs[0]) / 2) - 10
    assert background_threshold(empty).tolist() == pytest.approx([0, expected])
    assert np.isnan(background_threshold(empty[:99])).all(), "too few droplets tell nothing"


LABELS = CellLabels(
    malignant="kind", malignant_values=["cancer"], normal_values=["b", "t"], cell_type="type", donor="who"
)


def labelled(folder: Path) -> dict[str, Any]:
    """Twenty cancer cells, of which 15 bind EpCAM and none CD19; twenty B cells, the other way round."""
    counts = np.zeros((40, 3))
    counts[:15, 0] = counts[20:40, 1] = 500
    text(folder / "cells.tsv", counts)
    rows = [f"d{i}\t{'cancer' if i < 20 else 'b'}\t{'' if i < 20 else 'B cell'}\tP1" for i in range(40)]
    (folder / "table.tsv").write_text("cell\tkind\ttype\twho\n" + "\n".join(rows) + "\n")
    return {"path": "cells.tsv", "samples": "table.tsv", "labels": LABELS}


def test_who_binds_above_empty_droplets(tmp_path: Path, genes: GeneTable) -> None:
    asked = labelled(tmp_path)
    text(tmp_path / "empty.tsv", np.tile([[2, 3, 0]], (100, 1))[:, :2], NAMES[:2])
    adata = read(tmp_path, genes=genes, background="empty.tsv", **asked)
    assert adata.var["background"].tolist() == pytest.approx([2, 3, np.nan], nan_ok=True)
    assert adata.var["control"].tolist() == ["empty droplets", "empty droplets", ""]
    adata = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    found = antibody_cells([adata], symbols=["EPCAM", "CD19", "MSLN"])
    assert found["antibody_cells"].tolist() == [
        "malignant cells 75% of 20, blood: B cell 0% of 20 (mine)",
        "blood: B cell 100% of 20, malignant cells 0% of 20 (mine)",
        None,
    ]
    assert found["antibody_malignant"].tolist() == pytest.approx([0.75, 0, np.nan], nan_ok=True)
    rows = antibody_fractions(adata)
    assert rows.loc[rows["antibody"] == "CD3_TotalSeqB (antibody)", "fraction"].isna().all(), "unknown, not negative"


def test_isotypes_bound_the_share_from_above(tmp_path: Path, genes: GeneTable) -> None:
    counts = np.zeros((200, 3))
    counts[:50, 0], counts[:, 1] = 90, np.tile([0, 20], 100)
    text(tmp_path / "t.tsv", counts, ["CD326", "Mouse IgG1 isotype", "rat-IgG2b"])
    adata = read(tmp_path, "t.tsv", genes=genes)
    logs = np.log([10.0, 30.0])
    expected = np.exp(logs.mean() + 3.5 * (logs[1] - logs[0]) / 2) - 10
    assert adata.var["background"].tolist() == pytest.approx([expected]), "the highest of the controls"
    adata.var["background"] = 40.0
    adata = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    found = antibody_cells([adata], symbols=["EPCAM"])
    assert found["antibody_cells"].item() == "at most blood 25% of 200 (mine)"
    assert np.isnan(found["antibody_malignant"].item())


def test_an_atlas_of_another_kind_is_refused(tmp_path: Path) -> None:
    adata = anndata.AnnData(np.zeros((1, 1)), uns={"cartarget": {"kind": "cells", "atlas": "x"}})
    with pytest.raises(InputError, match="role antibodies is for the reader citeseq, found kind 'cells'"):
        antibody_fractions(adata)


def test_in_a_run_they_stand_beside_the_antigens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cartarget.run.annotate import with_antibodies
    from cartarget.run.counting import count_step
    from cartarget.run.inputs import load_run
    from cartarget.run.reading import read_step
    from tests.conftest import ROOT

    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    asked = labelled(tmp_path)
    text(tmp_path / "empty.tsv", np.zeros((100, 3)))
    pd.read_csv("cells.tsv", sep="\t", index_col=0).set_axis(["EPCAM", "CD19", "IgM"]).to_csv("cells.tsv", sep="\t")
    pd.read_csv("empty.tsv", sep="\t", index_col=0).set_axis(["EPCAM", "CD19", "IgM"]).to_csv("empty.tsv", sep="\t")
    tags = AtlasConfig(
        name="tags", reader="citeseq", role="antibodies", background="empty.tsv", tissue="blood", **asked
    )
    config = Config(atlases=[*Config().atlases, tags])
    read_step(config)
    count_step(config)
    run = load_run(config)
    found = with_antibodies(pd.DataFrame({"symbol": ["EPCAM", "MSLN"]}), run).set_index("symbol")
    assert found.loc["EPCAM", "antibody_malignant"] == 0.75
    assert found.loc["EPCAM", "antibody_cells"].endswith("blood: B cell 0% of 20 (tags)")
    assert found.loc["MSLN"].isna().all()
    assert not any("antibody" in str(name) for name in run.panel.symbols), "no antigen is made of them"


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("\tc1\nCD19\t1.5\n", {}, "1.5 for 'CD19' in cell 'c1'; give counts, not logs"),
        ("\tc1\nCD19\t-1\n", {}, "-1 for 'CD19'"),
        ("\tc1\nCD19\tmany\n", {}, "cannot be read"),
        ("\tc1\nCD19\t1\nCD19\t2\n", {}, "antibody 'CD19' stands twice"),
        ("\tc1\n", {}, "holds no antibody"),
        ("\tc1\nCD19\t1\n", {"background": "other.tsv"}, "other.tsv: holds none of the antibodies, such as 'CD19'"),
        ("\tc1\nCD19\t1\n", {"background": "gone.tsv"}, "gone.tsv: no such file"),
        ("\tc1\nCD19\t1\n", {"samples": "table.tsv"}, "table.tsv: none of its cells is in t.tsv, such as 'c1'"),
    ],
)
def test_bad_tables_are_refused(content: str, more: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(content)
    (tmp_path / "other.tsv").write_text("\td1\nCD7\t1\n")
    (tmp_path / "table.tsv").write_text("cell\tkind\nx\tb\n")
    with pytest.raises(InputError, match=message):
        read(tmp_path, "t.tsv", **more)


def test_stores_without_antibodies_are_refused(tmp_path: Path) -> None:
    adata = anndata.AnnData(
        np.ones((1, 1), dtype=np.float32), obs=pd.DataFrame(index=["c"]), var=pd.DataFrame(index=["A"])
    )
    adata.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.raises(InputError, match="no feature is `Antibody Capture`, and obsm holds nothing"):
        read(tmp_path, "rna.h5ad")
    adata.obsm["protein_expression"] = np.ones((1, 2))
    adata.write_h5ad(tmp_path / "nameless.h5ad")
    with pytest.raises(InputError, match="has 2 columns without names"):
        read(tmp_path, "nameless.h5ad")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    with pytest.raises(InputError, match=r"broken\.h5: truncated, damaged or not a 10x"):
        read(tmp_path, "broken.h5")


@pytest.fixture(scope="module")
def real_genes(shared_data: Path) -> GeneTable:
    return read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")


@pytest.mark.real_data
def test_real_droplets_find_the_cells_of_blood(shared_data: Path, real_genes: GeneTable) -> None:
    cells, empty = "dsb_pbmc_2872cells_87adt.tsv.gz", "dsb_empty_droplets_87adt.tsv.gz"
    adata = read(shared_data / "citeseq", cells, genes=real_genes, background=empty)
    assert adata.shape == (2872, 83) and (adata.var["control"] == "empty droplets").all()
    share = pd.Series(
        (np.asarray(adata.X) > adata.var["background"].to_numpy()).mean(axis=0), index=adata.var["symbol"]
    )
    assert 0.3 < share["CD4"] < 0.6 and 0.05 < share["CD19"] < 0.25 and 0.05 < share["CD14"] < 0.3
    assert share["CD8A"] < 0.35 and share["TNFRSF4"] < 0.01
    by_isotype = read(shared_data / "citeseq", cells, genes=real_genes)
    most = pd.Series(
        (np.asarray(by_isotype.X) > by_isotype.var["background"].to_numpy()).mean(axis=0), index=share.index
    )
    assert most["CD8A"] > 0.9, "isotypes miss what is unbound of each antibody: at most, not so many"


@pytest.mark.real_data
def test_real_stores_hold_antibodies_beside_rna(shared_data: Path, real_genes: GeneTable) -> None:
    pbmc = read(shared_data / "citeseq", "scvi_pbmc5k_protein_v3_200cells_29adt.h5ad", genes=real_genes)
    assert pbmc.shape == (200, 29) and pbmc[:, "CD4 (antibody)"].X[:3].ravel().tolist() == [164, 720, 1647]
    ctcl = read(shared_data / "citeseq", "citefuse_ctcl_hg19_prefix_eccite.h5ad", genes=real_genes)
    assert ctcl.n_vars == 47 and (ctcl.var["control"] == "isotypes").all()
    assert {"EPCAM (antibody)", "CD274 (antibody PD-L1 (CD274))"} <= set(ctcl.var_names)
    assert set(ctcl.uns["cartarget"]["lost"]["name"]) == {"IgG1", "IgG2a", "bad_struct", "no_match", "total_reads"}
