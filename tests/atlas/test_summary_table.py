"""Summary tables: what a column stands for, which unit, and that unmeasured stays unmeasured."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.genes import read_gene_table

HOSTILE = "</script><img src=x onerror=alert(1)>"


def read(folder: Path, text: str, *, name: str = "x_ntpm.tsv", **given: str) -> anndata.AnnData:
    (folder / name).write_text(text)
    atlas = AtlasConfig(name="s", reader="summary_table", role="normal", path=name, **given)  # type: ignore[arg-type]
    return read_atlas(atlas, config=Config(data_dir=str(folder)))


def test_tissues_by_symbol_with_ensembl_beside_and_gaps(tmp_path: Path) -> None:
    text = f"Gene\tGene.name\theart muscle\tlung\nENSG1\tEPCAM\t0.1\tNA\nENSG2\t{HOSTILE}\t\t3\n"
    adata = read(tmp_path, text)
    assert adata.var_names.tolist() == ["EPCAM", HOSTILE]
    assert adata.obs["tissue"].tolist() == ["heart muscle", "lung"]
    assert (adata.obs["cell_type"] == "").all()
    assert (adata.obs["side"] == "normal").all()
    np.testing.assert_allclose(adata.X, [[0.1, np.nan], [np.nan, 3]], rtol=1e-6)
    about = adata.uns["cartarget"]
    assert (about["kind"], about["unit"]) == ("summary", "nTPM")


def test_a_double_symbol_keeps_the_maximum_and_is_listed(tmp_path: Path) -> None:
    adata = read(tmp_path, "gene\tlung\tliver\nEPCAM\t1\tNA\nEPCAM\t4\tNA\nEPCAM\tNA\t2\n")
    np.testing.assert_array_equal(adata.X, [[4], [2]])
    assert adata.uns["cartarget"]["lost"]["reason"].tolist() == ["merged into EPCAM"] * 2


def test_keep(tmp_path: Path) -> None:
    (tmp_path / "x_tpm.tsv").write_text("gene\tlung\nA\t1\nB\t2\n")
    atlas = AtlasConfig(name="s", reader="summary_table", role="normal", path="x_tpm.tsv")
    adata = read_atlas(atlas, config=Config(data_dir=str(tmp_path)), keep=["B"])
    assert adata.var_names.tolist() == ["B"]
    assert adata.uns["cartarget"]["unit"] == "TPM"


@pytest.mark.parametrize(
    ("column", "tissue", "cell_type"),
    [
        ("Fibroblast_AdultHeart2", "AdultHeart2", "Fibroblast"),
        ("Enterocyte_CA7 high_AdultColon1", "AdultColon1", "Enterocyte_CA7 high"),
        ("Beta cell_AdultPancreas_Baron", "AdultPancreas", "Beta cell"),
        ("Hofbauer cell_ChorionicVillus1", "ChorionicVillus1", "Hofbauer cell"),
    ],
)
def test_landscape_columns_are_split(tmp_path: Path, column: str, tissue: str, cell_type: str) -> None:
    text = f"gene\t{column}\tT cell_AdultLung1\tT cell_FetalLung1\nA\t1\t3\t9\nB\t3\t1\t1\n"
    adata = read(tmp_path, text, name="landscape.tsv", unit="counts")
    assert adata.obs.loc[column, ["tissue", "cell_type"]].tolist() == [tissue, cell_type]
    np.testing.assert_allclose(adata[column].X, [[250_000, 750_000]])
    assert adata.uns["cartarget"]["unit"] == "CPM"
    assert "sum over the 2 genes" in adata.uns["cartarget"]["notes"][0]


def test_cell_types_by_file_name_or_by_a_given_tissue(tmp_path: Path) -> None:
    text = "gene\tductal\tacinar\nA\t1\t3\n"
    by_name = read(tmp_path, text, name="ref_2celltypes_cpm.tsv")
    given = read(tmp_path, text, name="means_cpm.tsv", tissue="pancreas")
    assert by_name.obs["cell_type"].tolist() == given.obs["cell_type"].tolist() == ["ductal", "acinar"]
    assert set(by_name.obs["tissue"]) == {""}
    assert set(given.obs["tissue"]) == {"pancreas"}


def test_the_unit_is_told_by_the_sums_when_nothing_else_says(tmp_path: Path) -> None:
    per_ten_thousand = read(tmp_path, "gene\tlung\nA\t9000\nB\t1000\n", name="x.tsv")
    np.testing.assert_allclose(per_ten_thousand.X, [[900_000, 100_000]])
    assert per_ten_thousand.uns["cartarget"]["unit"] == "CPM"
    per_million = read(tmp_path, "gene\tlung\nA\t900000\nB\t100000\n", name="x.tsv")
    np.testing.assert_allclose(per_million.X, [[900_000, 100_000]])


def test_an_unknown_unit_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.tsv: the unit of its values is not known; set atlases\.s\.unit"):
        read(tmp_path, "gene\tlung\nA\t5\n", name="x.tsv")
    with pytest.raises(InputError, match="the unit of its values is log1p; set"):
        read(tmp_path, "gene\tlung\nA\t5\n", unit="log1p")


def test_logs_are_not_taken_for_tpm(tmp_path: Path) -> None:
    rows = "".join(f"G{i}\t{i % 15}.5\n" for i in range(1000))
    with pytest.raises(InputError, match=r"x_ntpm\.tsv: the values look like logs \(largest 14.5 among 1000 genes\)"):
        read(tmp_path, "gene\tlung\n" + rows)


REAL = {
    "normal_tissue_rna/hpa21_consensus_ntpm_by_tissue.tsv.gz": ("nTPM", 54, 19_000),
    "normal_tissue_rna/hpa21_gtex_tpm_by_tissue.tsv.gz": ("TPM", 37, 19_000),
    "normal_tissue_rna/hpa21_fantom_ntpm_by_tissue.tsv.gz": ("nTPM", 60, 17_000),
    "normal_single_cell/hca_ref_24756genes_x_12celltypes_cpm.tsv.gz": ("CPM", 12, 18_000),
    "normal_single_cell/hpa20_singlecelltype_nx_enriched_genes.tsv.gz": ("NX", 51, 1_700),
    "normal_single_cell/hpa21_singlecelltype_ntpm_secretome_genes.tsv.gz": ("nTPM", 76, 2_600),
    "normal_single_cell/human_cell_landscape_ref_5467genes_x_1393celltypes.tsv.gz": ("CPM", 1393, 4_300),
    "normal_single_cell/normal_pancreas_indrop_celltype_means.tsv.gz": ("CPM", 14, 18_000),
}


def real(shared_data: Path, path: str) -> anndata.AnnData:
    return read_atlas(
        AtlasConfig(
            name="s",
            reader="summary_table",
            role="normal",
            path=path,
            unit="counts" if "landscape" in path else None,
            tissue="pancreas" if "pancreas" in path else None,
        ),
        config=Config(data_dir=str(shared_data)),
        genes=read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz"),
    )


@pytest.mark.real_data
@pytest.mark.parametrize("path", list(REAL))
def test_every_real_table_is_read(shared_data: Path, path: str) -> None:
    unit, n_obs, n_genes = REAL[path]
    adata = real(shared_data, path)
    assert adata.uns["cartarget"]["unit"] == unit
    assert adata.n_obs == n_obs
    assert n_genes < adata.n_vars < n_genes + 1000


@pytest.mark.real_data
def test_what_the_real_tables_say(shared_data: Path) -> None:
    gtex = real(shared_data, "normal_tissue_rna/hpa21_gtex_tpm_by_tissue.tsv.gz").to_df()
    retina_only = gtex.columns[gtex.drop("retina").isna().all() & gtex.loc["retina"].notna()]
    assert len(retina_only) == 165  # of 326 rows; the others are not protein-coding genes
    consensus = real(shared_data, "normal_tissue_rna/hpa21_consensus_ntpm_by_tissue.tsv.gz").to_df()
    assert consensus["CEACAM5"].idxmax() in {"colon", "rectum"}
    assert consensus["ALB"].idxmax() == "liver"
    pancreas = real(shared_data, "normal_single_cell/normal_pancreas_indrop_celltype_means.tsv.gz").to_df()
    assert pancreas["INS"].idxmax() == "beta"
    landscape = real(shared_data, list(REAL)[6])
    assert not landscape.var_names.isin(["ERBB2", "MET", "CD276"]).any()  # unmeasured, not absent
    assert {"AdultHeart2", "AdultPancreas"} <= set(landscape.obs["tissue"])
