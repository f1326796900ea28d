"""Four bulk cohorts: genes of normal cells are flagged, targets of the tumour are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.evidence.lineage import CONTAMINANT, read_markers, telling, whose_signal
from cartarget.evidence.positivity import dense

pytestmark = pytest.mark.real_data

CELLS = {
    "read": ["CD3E", "CD4", "CD19", "CDH5", "CD248", "TMEM156", "PTPRC"],
    "ucs": ["CD3E", "CD4", "CDH5", "TMEM156", "PTPRC"],
    "chol": ["FGA", "APOH", "ALB", "ASGR1", "SLC10A1", "CD3E", "CD4", "CD19", "CDH5", "TRABD2A", "SLIT2", "RGS19"],
    "kich": ["CD3E", "CD4", "CDH5", "TMEM156", "TRABD2A", "LAT2", "PTPRC"],
}
"""Genes of admixed cells, among them plasma proteins and genes that led lists of candidates."""

TARGETS = ["EPCAM", "CEACAM5", "CDH17", "MET", "MSLN", "ERBB2", "CA9", "MST1R", "GPC2", "CLDN6", "CDH3", "GUCY2C"]


@pytest.fixture(scope="module", params=sorted(CELLS))
def cohort(request, shared_data):
    atlas = AtlasConfig(name="bulk", reader="rsem_counts", path="bulk_counts_rnaseqdb")
    adata = read_atlas(atlas, config=Config(data_dir=shared_data.as_posix(), indication=request.param))
    own = adata[(adata.obs["side"] == "tumor").to_numpy()]
    return request.param, pd.DataFrame(np.log2(dense(own.X) + 1), index=own.obs_names, columns=own.var_names)


def test_genes_of_other_cells_are_flagged_and_targets_are_not(cohort):
    name, levels = cohort
    markers = read_markers(indication=name)
    found = whose_signal(levels, symbols=CELLS[name] + TARGETS, markers=markers)["contaminant"]
    assert found[CELLS[name]].eq(CONTAMINANT).all(), found[CELLS[name]]
    assert found[TARGETS].eq("").all(), found[TARGETS]


def test_liver_is_followed_only_where_there_is_liver(cohort):
    name, levels = cohort
    tell = telling(levels, markers=read_markers(indication=name))
    assert ("hepatocyte" in tell) == (name == "chol")
    assert {"T/NK", "myeloid", "endothelium"} <= set(tell)


def test_what_the_tumour_makes_itself_is_not_laid_to_other_cells(cohort):
    """Kidney's intercalated cells carry SLC4A1; rectal carcinoma makes TRABD2A, cholangiocarcinoma TMEM156."""
    name, levels = cohort
    own = {"kich": "SLC4A1", "read": "TRABD2A", "chol": "TMEM156"}.get(name, "EPCAM")
    assert levels[own].ge(np.log2(11)).mean() > 0.7
    assert whose_signal(levels, symbols=[own], markers=read_markers(indication=name))["contaminant"].item() == ""
