"""How well RNA foretells protein: the tables of the optional package, what they lack, and that they may be absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.errors import InputError
from cartarget.evidence.rna_protein import COLUMNS, FILES, calibration_paths, installed_calibrations, rna_protein


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tumors = pd.DataFrame({
        "cancer_code": ["COAD", "COAD", "COAD", "BRCA"], "cptac_cohort": ["COAD", "COAD", "COAD", "BRCA"],
        "canonical_gene_id": ["ENSG1", "ENSG2", "ENSG4", "ENSG1"], "n_matched_samples": 96,
        "n_protein_observed": [90, 5, 3, 121], "protein_detection_rate": [0.9375, 0.052, 0.03, 1.0],
        "quantitative_model_status": ["fit", "insufficient_pairs", "fit", "fit"], "pearson_r": [0.5, 0.9, 0.1, 0.8],
        "model_scope": "x",
    })  # fmt: skip
    genes = pd.DataFrame({
        "ensembl_gene_id": ["ENSG1", "ENSG2", "ENSG3", "ENSG4"], "symbol": ["EPCAM", "MSLN", "CLDN6", "EPCAM"],
    })  # fmt: skip
    normals = pd.DataFrame({
        "gene_symbol": ["EPCAM", "CLDN6"], "rna_ihc_spearman_rho": [0.38, np.nan], "n_matched_tissues": [36, 12],
    })  # fmt: skip
    for name, table in zip(FILES, (tumors, genes, normals), strict=True):
        table.to_csv(tmp_path / name, index=False)
    return tmp_path


def test_numbers_are_those_of_the_cohort(folder: Path) -> None:
    found = rna_protein(folder, symbols=["EPCAM", "MSLN", "CLDN6", "GD2"], indication="coad")
    assert tuple(found) == COLUMNS
    assert found["rna_protein_r"].tolist() == pytest.approx([0.5, np.nan, np.nan, np.nan], nan_ok=True), "only a fit"
    assert found["n_rna_protein"].tolist() == pytest.approx([90, 5, np.nan, np.nan], nan_ok=True)
    assert found["protein_detection_rate"].tolist() == pytest.approx([0.9375, 0.052, np.nan, np.nan], nan_ok=True)
    assert found["rna_protein_note"].tolist() == [
        "r 0.50 over 90 tumours of COAD (CPTAC); protein found in 94% of 96; "
        "rho 0.38 with stains over 36 normal tissues",
        "no fit over 5 tumours of COAD (CPTAC); protein found in 5% of 96",
        "unknown: not measured in COAD (CPTAC)",
        "unknown: not measured in COAD (CPTAC)",
    ]


def test_a_cancer_without_a_cohort_is_unknown_and_the_rectum_borrows_the_colon_by_name(folder: Path) -> None:
    chol = rna_protein(folder, symbols=["EPCAM", "MSLN"], indication="chol")
    assert chol["rna_protein_r"].isna().all() and chol["protein_detection_rate"].isna().all()
    assert chol["rna_protein_note"].tolist() == [
        "unknown: CPTAC has no cohort of this cancer; rho 0.38 with stains over 36 normal tissues",
        "unknown: CPTAC has no cohort of this cancer",
    ]
    read = rna_protein(folder, symbols=["EPCAM"], indication="read")
    assert read["rna_protein_r"].item() == 0.5 and "tumours of COAD" in read["rna_protein_note"].item()


def test_without_the_package_all_is_unknown() -> None:
    found = rna_protein(None, symbols=["EPCAM", "MSLN"], indication="coad")
    assert tuple(found) == COLUMNS and found[list(COLUMNS[:-1])].isna().all(axis=None)
    assert set(found["rna_protein_note"]) == {"unknown: the package oncoref, which holds it, is not installed"}
    assert bool(calibration_paths()) == (installed_calibrations() is not None)


@pytest.mark.parametrize("name", FILES)
def test_a_table_of_another_form_is_refused(name: str, folder: Path) -> None:
    pd.DataFrame({"other": [1]}).to_csv(folder / name, index=False)
    with pytest.raises(InputError, match=rf"{name}: cannot be read .*pip install --no-deps oncoref"):
        rna_protein(folder, symbols=["EPCAM"], indication="coad")


@pytest.mark.skipif(installed_calibrations() is None, reason="the optional package oncoref is not installed")
def test_the_package_as_it_is() -> None:
    colon = rna_protein(installed_calibrations(), symbols=["CDH17", "CLDN18", "MSLN"], indication="coad")
    assert colon["rna_protein_r"].round(2).tolist() == [0.75, 0.93, 0.77]
    assert colon["protein_detection_rate"].round(2).tolist() == [1.0, 0.16, 0.34]
    kich = rna_protein(installed_calibrations(), symbols=["CDH17"], indication="kich")
    assert kich["rna_protein_note"].item().startswith("unknown: CPTAC has no cohort of this cancer")
