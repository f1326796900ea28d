"""Protein in tumours: stained patients and paired ratios, by hand, on the real files, and in a whole run's table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.contract import validate_atlas
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import InputError
from cartarget.evidence.tumor_protein import tumor_protein
from cartarget.genes import read_gene_table
from tests.atlas import standins

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
STAINS = (
    "Gene\tGene name\tCancer\tHigh\tMedium\tLow\tNot detected\tprognostic - favorable\n"
    "ENSG00000119888\tEPCAM\tcolorectal cancer\t9\t1\t1\t1\t\n"
    "ENSG00000119888\tEPCAM\tmelanoma\t0\t0\t0\t12\t\n"
    "ENSG00000147257\tGPC3\tcolorectal cancer\t\t\t\t\t0.1\n"
)
TUMOR = "attrib_name\t01CO001\t01CO002\t01CO003\nEPCAM\t1.5\tNA\t-0.5\nMSLN\tNA\tNA\t2\nALB\t0\t0\t-1\n"
NORMAL = "attrib_name\t01CO001N\t01CO002N\t01CO004N\nMSLN\t1\t1\t1\nEPCAM\t0.5\t1\t0.5\nTTN\t-1\t0\t0\n"


def stains(folder: Path, *, tumor: str | None = "Colorectal cancer"):
    standins.write(folder / "pathology.tsv.zip", STAINS)
    atlas = AtlasConfig(name="hpa", reader="ihc_cancer", path="pathology.tsv.zip", role="tumor_protein", tumor=tumor)
    return read_atlas(atlas, config=Config(data_dir=str(folder)))


def ratios(folder: Path, *, tumor: str = TUMOR, normal: str = NORMAL, pattern: str | None = None, **about):
    standins.write(folder / "HS_CPTAC_X_proteome_TUMOR.cct", tumor)
    standins.write(folder / "HS_CPTAC_X_proteome_NORMAL.cct.gz", normal)
    about = {"role": "tumor_protein", "tissue": "colon", "tumor": pattern} | about
    atlas = AtlasConfig(name="cptac", reader="cptac", path=".", **about)
    return read_atlas(atlas, config=Config(data_dir=str(folder)))


def test_patients_stained_at_the_threshold_or_above_of_those_graded(tmp_path: Path) -> None:
    adata = stains(tmp_path)
    assert adata[:, "EPCAM"].X.ravel().tolist() == [1, 1, 1, 9]
    found = tumor_protein(adata)
    assert found.loc["EPCAM"].tolist() == pytest.approx([10 / 12, 12])
    assert np.isnan(found.loc["GPC3", "protein_stained"]) and found.loc["GPC3", "n_protein_stained"] == 0
    assert tumor_protein(adata, stain="High").loc["EPCAM", "protein_stained"] == 0.75
    assert tumor_protein(stains(tmp_path, tumor="melanoma")).loc["EPCAM", "protein_stained"] == 0


def test_a_cancer_that_the_table_lacks_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no cancer 'colorectal'; set atlases\.hpa\.tumor to one it has: color"):
        stains(tmp_path, tumor="colorectal")
    with pytest.raises(InputError, match="colorectal cancer, melanoma"):
        stains(tmp_path, tumor=None)


def test_a_number_of_patients_that_is_none_is_told(tmp_path: Path) -> None:
    standins.write(tmp_path / "p.tsv", STAINS.replace("\t9\t1\t1\t1", "\t9\tmany\t1\t1"))
    atlas = AtlasConfig(name="hpa", reader="ihc_cancer", path="p.tsv", role="tumor_protein", tumor="colorectal cancer")
    with pytest.raises(InputError, match=r"p\.tsv, line 2: Medium is 'many'; expected a number of patients"):
        read_atlas(atlas, config=Config(data_dir=str(tmp_path)))


def test_ratios_compare_a_patients_tumour_with_the_tissue_beside_it(tmp_path: Path) -> None:
    adata = ratios(tmp_path)
    validate_atlas(adata)
    assert adata.var_names.tolist() == ["EPCAM", "MSLN"], "genes of both files"
    assert adata.uns["cartarget"]["notes"] == [
        "2 patients have a tumour and a normal sample; ratios compare them gene by gene"
    ]
    found = tumor_protein(adata)
    assert found.loc["EPCAM"].tolist() == [1.0, 1], "1.5 − 0.5 of the one patient who has both"
    assert np.isnan(found.loc["MSLN", "protein_ratio"]) and found.loc["MSLN", "n_protein_ratio"] == 0


def test_ratios_that_cannot_be_paired_or_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no patient has a tumour and a normal sample.*donor_pattern"):
        ratios(tmp_path, normal=NORMAL.replace("01CO", "02CO"))
    both = ratios(tmp_path, normal=NORMAL.replace("01CO", "N-01CO"), labels=CellLabels(donor_pattern="(01CO[0-9]+)"))
    assert tumor_protein(both)["n_protein_ratio"].max() == 1
    with pytest.raises(InputError, match="no value is below zero; expected log2 ratios"):
        ratios(tmp_path, tumor=TUMOR.replace("-", ""))
    with pytest.raises(InputError, match=r"'\*\.tsv' matches none; set atlases.cptac.tumor to match one file"):
        ratios(tmp_path, pattern="*.tsv")


def test_an_atlas_of_another_kind_has_no_tumour_protein() -> None:
    with pytest.raises(InputError, match="role tumor_protein is for readers ihc_cancer and cptac, found kind 'cells'"):
        tumor_protein(read_atlas(Config().atlases[0], config=Config()))


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is absent")
def test_real_colorectal_tumours_carry_what_they_are_known_for() -> None:
    genes = read_gene_table(DATA / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    config = Config(data_dir=str(DATA))
    hpa = AtlasConfig(
        name="hpa", reader="ihc_cancer", path="protein_hpa/hpa21_cancer_ihc_pathology.tsv.gz", role="tumor_protein",
        tumor="colorectal cancer",
    )  # fmt: skip
    stained = tumor_protein(read_atlas(hpa, config=config, genes=genes, keep=["CEACAM5", "EPCAM", "ERBB2", "GPC3"]))
    assert stained.loc[["CEACAM5", "EPCAM"], "protein_stained"].tolist() == [1.0, 1.0]
    assert (
        stained.loc["ERBB2"].tolist() == pytest.approx([3 / 11, 11]) and stained.loc["GPC3", "n_protein_stained"] == 0
    )
    cptac = AtlasConfig(
        name="cptac", reader="cptac", path="protein_cptac_colon", role="tumor_protein", tumor="*proteomics_tumor*",
        normal="*proteomics_normal*", tissue="colon",
    )  # fmt: skip
    adata = read_atlas(cptac, config=config, genes=genes)
    assert adata.obs["side"].value_counts().to_dict() == {"normal": 100, "tumor": 97}
    found = tumor_protein(adata)
    assert found["n_protein_ratio"].max() == 96
    assert found.loc["CEACAM5", "protein_ratio"] > 1 > found.loc["CDH17", "protein_ratio"]
