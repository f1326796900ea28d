"""Real runs in which every atlas is counted: breast, ordered by cells or by bulk, and a tumour of one's own."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.io import mmread

from cartarget.config import Trust, load_config
from cartarget.contracts import read_table
from cartarget.run.inputs import load_run
from cartarget.run.steps import run
from cartarget.safety.tiers import read_tiers
from tests.conftest import ROOT
from tests.test_real_screen import BESIDE, counted, normal_places, results, workplace

pytestmark = pytest.mark.real_data

BRIEF = {"trust": Trust(gates=0), "top": 300}
"""No gate is held to account: the tests ask what was counted."""


@pytest.fixture(scope="module")
def breast(shared_data, tmp_path_factory):
    """One folder of results, first ordered by cells, then by bulk."""
    folder = tmp_path_factory.mktemp("breast")
    return {
        primary: results(folder, shared_data, "breast", primary=primary, **BRIEF)[1]
        for primary in ("single_cell", "bulk")
    }


@pytest.fixture(scope="module")
def tumour_only(shared_data, tmp_path_factory):
    return results(tmp_path_factory.mktemp("tumour"), shared_data, "tumour_only", **BRIEF)[1]


def wu(shared):
    return anndata.read_h5ad(shared / "tumor_single_cell_brca" / "wu2021_tnbc_CID4465_1564cells_29733genes.h5ad")


def test_both_breast_tumours_are_counted_in_cells_and_fifty_stand_beside_in_bulk(breast):
    for primary, kind, n in (("single_cell", "cells", 2), ("bulk", "samples", 50)):
        antigens = breast[primary]["antigens"].set_index("symbol")
        assert (antigens["n_patients"] == n).all()
        assert antigens["coverage"].equals(antigens[f"coverage_{kind}"].rename("coverage"))
        both = antigens[["coverage_cells", "coverage_samples"]].notna().all(axis=1)
        assert both.sum() > 2000
        tumors = counted(breast[primary], "PTPRC").query("side == 'tumor'").set_index("population")
        assert tumors["n_observations"].to_dict() == {"patient 1": 124, "patient 2": 228, "tumor": 50}
        assert not tumors["is_thin"].any()
    by_cells = breast["single_cell"]["antigens"].set_index("symbol")
    lacking = by_cells["coverage_samples"].isna()
    assert 0 < lacking.sum() < 100, "genes that the bulk cohort lacks have no coverage there"
    assert not set(by_cells.index[lacking]) & set(breast["bulk"]["antigens"]["symbol"])


def test_the_normal_cells_of_breast_are_there_and_few_donors_are_said_to_be_few(breast):
    surroundings = {"tumor microenvironment"}
    for tables in breast.values():
        assert normal_places(tables) == BESIDE | {
            ("colon_normal", "cells"): {"colon"},
            ("tcga_brca", "samples"): {"breast"},
            ("tnbc_copykat", "cells"): surroundings,
            ("tnbc_wu", "cells"): surroundings,
        }
        rows = counted(tables, "PTPRC").query("side == 'normal'")
        few = (rows["evidence"] == "cells") & ((rows["n_donors"] < 5) | (rows["n_observations"] < 30))
        assert (rows["is_thin"] == few).all()
        assert set(rows.loc[few, "atlas"]) == {"brain_nuclei", "colon_normal", "heart_cells", "tnbc_copykat", "tnbc_wu"}
        assert set(rows.loc[~few, "atlas"]) == {"blood_onek1k", "tcga_brca"}


def test_a_gene_that_onek1k_lacks_is_unmeasured_there_and_measured_elsewhere(breast):
    for tables in breast.values():
        rows = counted(tables, "TACSTD2")
        blood = rows[rows["atlas"] == "blood_onek1k"]
        assert len(blood) == 4 and not blood["is_measured"].any()
        assert (blood["fraction_upper"] == 1).all() and blood["fraction"].isna().all()
        assert rows.loc[rows["side"] == "tumor", "is_measured"].all()
        assert rows.loc[rows["atlas"] == "tcga_brca", "is_measured"].all()
        assert rows.loc[(rows["atlas"] == "tnbc_wu") & (rows["side"] == "normal"), "is_measured"].any()


def test_breast_numbers_equal_a_count_by_hand(breast, shared_data):
    """TACSTD2 in both tumours and in the fifty, and CD74 in blood, in the source files."""
    tumor = wu(shared_data)
    one = tumor[tumor.obs["celltype_major"] == "Cancer Epithelial", "TACSTD2"].to_df()["TACSTD2"] >= 1
    folder = shared_data / "tumor_single_cell_tnbc"
    genes = pd.read_csv(folder / "genes.tsv.gz", sep="\t", header=None)[0].tolist()
    cells = pd.read_csv(folder / "cells.tsv.gz", sep="\t")
    counts = mmread(folder / "matrix.mtx.gz").tocsr()[genes.index("TACSTD2")].toarray().ravel()
    two = counts[(cells["malignant"] == "yes").to_numpy()] >= 1
    weights = [len(part) / (1 + 0.3 * (len(part) - 1)) for part in (one, two)]
    row = breast["single_cell"]["antigens"].set_index("symbol").loc["TACSTD2"]
    assert row["coverage"] == pytest.approx(np.average([one.mean(), two.mean()], weights=weights))

    bulk = pd.read_csv(
        shared_data / "bulk_other/tcga_brca_50tumor_50normal_rsem_raw_count.tsv.gz", sep="\t", index_col=0
    )
    own = bulk.columns[bulk.columns.str.split("-").str[3].str.startswith("01")]
    cpm = bulk.loc["TACSTD2|4070", own] / bulk[own].sum() * 1e6
    assert len(own) == 50
    row = breast["bulk"]["antigens"].set_index("symbol").loc["TACSTD2"]
    assert row["coverage"] == row["coverage_samples"] == pytest.approx((cpm >= 10).mean())
    assert_blood_by_hand(breast["bulk"], shared_data)


def assert_blood_by_hand(tables, shared):
    """CD74 (ENSG00000019582) in the cells of OneK1K, by cell type."""
    blood = anndata.read_h5ad(shared / "cells_normal/onek1k_subset_40donors_7811cells_1000genes.h5ad")
    shown = blood[:, "ENSG00000019582"].to_df().iloc[:, 0] >= 1
    by_hand = shown.groupby(blood.obs["cell_type"].astype(str)).sum().add_prefix("blood: ").to_dict()
    rows = counted(tables, "CD74")
    found = rows[rows["atlas"] == "blood_onek1k"].set_index("population")["n_positive"].to_dict()
    assert found == by_hand


def test_a_tumour_of_ones_own_is_counted_against_normal_cells_and_bulk(tumour_only, shared_data):
    tumor = wu(shared_data)
    own = tumor[tumor.obs["celltype_major"] == "Cancer Epithelial", "TACSTD2"].to_df()["TACSTD2"] >= 1
    row = tumour_only["antigens"].set_index("symbol").loc["TACSTD2"]
    assert (row["n_patients"], row["coverage"]) == (1, pytest.approx(own.mean()))
    assert len(own) == 124
    assert_blood_by_hand(tumour_only, shared_data)
    places = normal_places(tumour_only)
    assert {key: places[key] for key in BESIDE} == BESIDE
    assert places["colon_normal", "cells"] == {"colon"}
    assert {"kidney", "liver", "lung", "stomach", "colon"} <= places["bulk_normal", "samples"]
    rows = counted(tumour_only, "PTPRC").query("evidence == 'cells' and side == 'normal'")
    assert set(rows.loc[rows["is_thin"], "atlas"]) == {"brain_nuclei", "colon_normal", "heart_cells"}


def test_a_tumour_of_ones_own_is_called_safe_only_where_every_required_tissue_was_measured(tumour_only):
    antigens = tumour_only["antigens"]
    safe = antigens.loc[antigens["safety_class"] == "safe", "symbol"].tolist()
    assert safe and not antigens["is_eligible"][antigens["safety_class"] == "safe"].any(), "they are not on the tumour"
    rows = tumour_only["exposure"]
    rows = rows[rows["gate"].isin(safe) & rows["is_measured"] & (rows["side"] == "normal")]
    rows = rows[~rows["is_thin"] & rows["evidence"].isin(["cells", "samples", "summary"])].astype({"tissue": str})
    for symbol, own in rows.groupby(rows["gate"].astype(str)):
        assert set(read_tiers("config/tissue_tiers.tsv").required) <= set(own["tissue"]), symbol


def test_without_any_normal_tissue_nothing_is_called_safe(shared_data, tmp_path):
    config = load_config(ROOT / "config" / "examples" / "tumour_only.yaml")
    mine = [atlas for atlas in config.atlases if atlas.name == "mine"]
    config = config.model_copy(update={"data_dir": shared_data.as_posix(), "atlases": mine, "sheet": None})
    with workplace(tmp_path):
        run(config, last="screen")
        antigens = read_table("antigens", config.run_dir / "antigens.parquet")
        assert set(load_run(config).panel.populations["side"]) == {"tumor"}
    assert set(antigens["safety_class"]) == {"unknown"} and not antigens["is_safety_known"].any()
    assert antigens["tissues_unmeasured"].str.contains("heart").all()
