"""Bulk counts: sides, donors, tissues, CPM by the whole library, and every gene accounted for."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.genes import read_gene_table

HOSTILE = "</script><img src=x onerror=alert(1)>"
TUMOR = "TCGA-AG-3742-01A-11R-1660-07"
NORMAL = "TCGA-AG-3742-11A-01R-1660-07"  # the same patient: fine
GTEX = "GTEX-S32W-1626-SM-4AD6G"
COUNTS = {"EPCAM": 30.0, "  ALB": 10.5, HOSTILE: 59.5, "A1BG": 900.0}


def write(file: Path, samples: list[str], counts: dict[str, float]) -> None:
    lines = ["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *samples])]
    lines += ["\t".join([name, "     0", *[f"{count:.2f}"] * len(samples)]) for name, count in counts.items()]
    file.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "read-rsem-count-tcga-t.txt.gz", [TUMOR], COUNTS)
    write(tmp_path / "ucs-rsem-count-tcga-t.txt.gz", ["TCGA-N5-A4R8-01A-11R-A28V-07"], COUNTS)
    write(tmp_path / "read-rsem-count-tcga.txt.gz", [NORMAL], COUNTS)
    write(tmp_path / "chol-rsem-count-tcga.txt.gz", ["TCGA-W5-AA34-11A-11R-A41I-07"], COUNTS | {"KRT19": 0.0})
    write(tmp_path / "uterus-rsem-count-gtex.txt.gz", [GTEX, "GTEX-S32W-1526-SM-4AD6Z"], {"EPCAM": 1e6})
    return tmp_path


def config(folder: Path, indication: str = "read") -> Config:
    return Config(data_dir=str(folder), indication=indication)


BULK = AtlasConfig(name="bulk", reader="rsem_counts", path=".")


def test_sides_donors_tissues_and_datasets(folder: Path) -> None:
    adata = read_atlas(BULK, config=config(folder))
    assert adata.obs["side"].astype(str).tolist() == ["tumor", "normal", "normal", "normal", "normal"]
    assert adata.obs.loc[TUMOR, "donor"] == adata.obs.loc[NORMAL, "donor"] == "TCGA-AG-3742"
    assert adata.obs.loc[GTEX, "donor"] == "GTEX-S32W"
    assert adata.obs["tissue"].tolist() == ["tumor", "liver", "rectum", "uterus", "uterus"]
    assert adata.obs["dataset"].astype(str).unique().tolist() == [
        "read-tcga-t",
        "chol-tcga",
        "read-tcga",
        "uterus-gtex",
    ]
    about = adata.uns["cartarget"]
    assert (about["kind"], about["unit"], about["atlas"]) == ("samples", "CPM", "bulk")
    assert [len(file["sha256"]) for file in about["files"]] == [64] * 5
    assert about["files"][-1]["path"] == "resources/tcga_normals.tsv"


def test_cpm_counts_the_whole_library_even_if_few_genes_are_kept(folder: Path) -> None:
    everything = read_atlas(BULK, config=config(folder))
    few = read_atlas(BULK, config=config(folder), keep=["EPCAM", HOSTILE])
    assert few.var_names.tolist() == ["EPCAM", HOSTILE]
    assert few.X.dtype == np.float32
    np.testing.assert_array_equal(few.X, everything[:, few.var_names].X)
    np.testing.assert_allclose(few.to_df().loc[TUMOR], [30_000, 59_500])


def test_a_gene_that_a_file_lacks_is_not_measured_there(folder: Path) -> None:
    adata = read_atlas(BULK, config=config(folder))
    measured = adata.varm["is_measured"]
    assert measured.loc["KRT19"].to_dict() == {
        **{"read-tcga-t": False, "chol-tcga": True, "read-tcga": False, "uterus-gtex": False}
    }
    assert measured.loc["EPCAM"].all()
    assert (adata[TUMOR, "KRT19"].X == 0).all()


def test_two_rows_of_one_gene_add_up_and_are_listed(folder: Path) -> None:
    write(folder / "read-rsem-count-tcga.txt.gz", [NORMAL], {"EPCAM": 1, " EPCAM": 2, "A1BG": 7})
    adata = read_atlas(BULK, config=config(folder))
    np.testing.assert_allclose(adata[NORMAL, "EPCAM"].X, 300_000)
    assert ["EPCAM", "merged into EPCAM"] in adata.uns["cartarget"]["lost"].to_numpy().tolist()


def test_patterns_of_the_configuration_override_the_names(folder: Path) -> None:
    atlas = BULK.model_copy(update={"tumor": "{indication}*-t.txt.gz", "normal": "uterus*"})
    adata = read_atlas(atlas, config=config(folder, "ucs"))
    assert adata.obs["dataset"].astype(str).unique().tolist() == ["ucs-tcga-t", "uterus-gtex"]


def test_an_unknown_indication_lists_those_that_are_there(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no tumour file 'brca-rsem.*set `indication` to one.*\(read, ucs\)"):
        read_atlas(BULK, config=config(folder, "brca"))


def test_a_folder_of_normal_tissue_needs_no_tumour(folder: Path) -> None:
    atlas = BULK.model_copy(update={"normal": "*-rsem-count-????.txt.gz"})
    assert set(read_atlas(atlas, config=config(folder, "brca")).obs["side"]) == {"normal"}


def test_a_folder_without_normals_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no file of normal tissue \(nothing\*\); set atlases\.bulk\.normal"):
        read_atlas(BULK.model_copy(update={"normal": "nothing*"}), config=config(folder))


def test_one_sample_on_both_sides_is_refused(folder: Path) -> None:
    write(folder / "stad-rsem-count-tcga.txt.gz", [TUMOR], COUNTS)
    with pytest.raises(InputError, match=rf"stad.*'{TUMOR}' is on both sides.*also in read-rsem-count-tcga-t"):
        read_atlas(BULK, config=config(folder))


def test_one_sample_in_two_files_of_one_side_is_refused(folder: Path) -> None:
    write(folder / "stad-rsem-count-tcga.txt.gz", [NORMAL], COUNTS)
    with pytest.raises(InputError, match=rf"stad.*'{NORMAL}' stands twice: also in read-rsem-count-tcga"):
        read_atlas(BULK, config=config(folder))


def test_one_table_is_split_by_the_barcode(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(f"gene\t{TUMOR}\t{NORMAL}\n?|4072\t30\t1\nA1BG|1\t70\t3\n")
    atlas = AtlasConfig(name="b", reader="rsem_counts", path="t.tsv", tissue="rectum")
    adata = read_atlas(atlas, config=config(tmp_path))
    assert adata.obs["side"].astype(str).tolist() == ["tumor", "normal"]
    assert adata.obs["tissue"].tolist() == ["tumor", "rectum"]
    assert adata.var_names.tolist() == ["?|4072", "A1BG"]
    with pytest.raises(InputError, match=r"normal samples have no tissue; set atlases\.b\.tissue"):
        read_atlas(atlas.model_copy(update={"tissue": None}), config=config(tmp_path))
    (tmp_path / "t.tsv").write_text("gene\tpatient7\nA1BG\t5\n")
    with pytest.raises(InputError, match=r"t\.tsv, line 1: sample 'patient7' does not say tumour or normal"):
        read_atlas(atlas, config=config(tmp_path))


def test_ensembl_ids_where_symbols_are_expected_just_work(folder: Path, tmp_path: Path) -> None:
    genes = tmp_path / "genes.tsv"
    genes.write_text(
        "ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene\n4072\tEPCAM\t-\tENSG00000119888\n"
        "213\tALB\t-\tENSG00000163631\n"
    )
    for file in folder.glob("*-rsem-*"):
        samples = gzip.decompress(file.read_bytes()).decode().splitlines()[0].split("\t")[2:]
        write(file, samples, {"ENSG00000119888.7": 1, "ENSG00000163631": 3, "ENSG00000999999": 4})
    adata = read_atlas(BULK, config=config(folder), genes=read_gene_table(genes))
    assert adata.var_names.tolist() == ["EPCAM", "ALB"]
    assert adata.var["ensembl"].tolist() == ["ENSG00000119888", "ENSG00000163631"]
    np.testing.assert_allclose(adata.X[0], [125_000, 375_000])
    assert adata.uns["cartarget"]["lost"].to_numpy().tolist() == [["ENSG00000999999", "id not in the gene table"]]


def test_every_prefix_has_its_tissue_and_a_source() -> None:
    table = pd.read_csv(Path(__file__).parents[2] / "resources/tcga_normals.tsv", sep="\t", dtype=str)
    assert table["prefix"].is_unique
    assert table.notna().all().all()
    assert (table["source"].str.contains("doi:10")).all()


@pytest.fixture(scope="module")
def markers(shared_data: Path) -> pd.DataFrame:
    adata = read_atlas(
        AtlasConfig(name="bulk", reader="rsem_counts", path="bulk_counts_rnaseqdb"),
        config=Config(data_dir=str(shared_data), indication="read"),
        genes=read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz"),
        keep=["CEACAM5", "ALB", "KRT19", "EPCAM", "NECTIN4"],
    )
    return adata.to_df().assign(**adata.obs[["side", "donor", "tissue", "dataset"]].astype(str))


@pytest.mark.real_data
def test_the_rectal_run_has_its_samples(markers: pd.DataFrame) -> None:
    sides = markers["side"].value_counts()
    assert (sides["tumor"], sides["normal"]) == (87, 764)
    normal = markers[markers["side"] == "normal"]
    assert normal["dataset"].nunique() == 22
    assert normal.groupby("tissue").size()[["rectum", "colon", "kidney", "liver", "lung"]].tolist() == [
        *(10, 41, 158, 57, 110)
    ]
    cervix = normal[normal["dataset"] == "cervix-gtex"]
    assert (len(cervix), cervix["donor"].nunique()) == (11, 8)
    tumor = markers[markers["side"] == "tumor"]
    assert tumor["donor"].isin(normal[normal["tissue"] == "rectum"]["donor"]).sum() == 6


@pytest.mark.real_data
def test_markers_are_where_biology_puts_them(markers: pd.DataFrame) -> None:
    medians = markers.groupby("dataset")[["CEACAM5", "ALB", "KRT19", "EPCAM"]].median()
    assert (medians.loc[["coad-tcga", "read-tcga", "read-tcga-t"], "CEACAM5"] > 1000).all()
    assert medians.loc["kirc-tcga", "CEACAM5"] < 1
    liver = markers[markers["dataset"] == "chol-tcga"]
    assert (liver["ALB"] > 10_000).all()
    assert liver["KRT19"].median() < 10  # liver, not bile duct
    assert (liver["tissue"] == "liver").all()


@pytest.mark.real_data
@pytest.mark.parametrize(("indication", "n"), [("chol", 31), ("kich", 60), ("ucs", 47)])
def test_the_other_tumours_need_one_line(shared_data: Path, indication: str, n: int) -> None:
    adata = read_atlas(
        AtlasConfig(name="bulk", reader="rsem_counts", path="bulk_counts_rnaseqdb", normal="cesc*"),
        config=Config(data_dir=str(shared_data), indication=indication),
        keep=["EPCAM"],
    )
    assert (adata.obs["side"] == "tumor").sum() == n


@pytest.mark.real_data
def test_the_breast_table_of_another_pipeline(shared_data: Path) -> None:
    adata = read_atlas(
        AtlasConfig(
            name="brca",
            reader="rsem_counts",
            path="bulk_other/tcga_brca_50tumor_50normal_rsem_raw_count.tsv.gz",
            tissue="breast",
        ),
        config=Config(data_dir=str(shared_data)),
        genes=read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz"),
    )
    assert adata.obs["side"].value_counts().to_dict() == {"tumor": 50, "normal": 50}
    assert adata.n_vars > 18_000
    assert adata.var_names.is_unique
