"""Batches: depth, detection and housekeeping by data set; warnings; TMM against the written-out rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cartarget.atlas.batch import batch_report, pipeline_warnings, record_batches, scale_by_tmm, tmm_factors
from cartarget.atlas.contract import assemble
from cartarget.config import AtlasConfig
from cartarget.errors import InputError

GENES = ["ACTB", "GAPDH", "EPCAM", "ALB"]


def atlas(values, *, side, dataset=None, kind="samples", unit="CPM"):
    n = len(side)
    obs = pd.DataFrame(
        {"side": side, "donor": [f"d{i}" for i in range(n)], "tissue": "x", "cell_type": "",
         "dataset": dataset or side}, index=[f"s{i}" for i in range(n)],
    )  # fmt: skip
    genes = pd.DataFrame({"given": GENES}, index=GENES)
    lost = pd.DataFrame({"name": [], "reason": []})
    return assemble(values, obs=obs, genes=genes, kind=kind, unit=unit, atlas="a", files=[], lost=lost)


def notes(adata) -> list[str]:
    record_batches(adata)
    return adata.uns["cartarget"]["notes"]


def test_data_sets_that_are_called_after_a_person_are_numbered() -> None:
    """One file a patient; d1 detects nothing, which a note tells. The data set of many is called as it is."""
    values = np.array([[9.0, 9, 9, 9], [0, 0, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9]])
    adata = atlas(values, side=["tumor"] * 3 + ["normal"], dataset=["d0_cells", "d1_cells", "d2_cells", "liver"])
    note = notes(adata)[-1]
    assert [row["dataset"] for row in adata.uns["cartarget"]["batches"]] == [
        "data set 1",
        "data set 2",
        "data set 3",
        "liver",
    ]
    assert note == "batch: data set 2 (tumor) detects 0% of the genes, others 100%"


def test_a_report_by_hand() -> None:
    values = np.array([[3.0, 1, 0, 0], [7, 1, 5, 5], [31, 31, 0.5, 0]])
    report = batch_report(atlas(values, side=["tumor", "tumor", "normal"])).set_index("side")
    assert report["n_observations"].to_dict() == {"normal": 1, "tumor": 2}
    assert report["detection_rate"].to_dict() == {"normal": 0.5, "tumor": 0.75}
    assert report["housekeeping"].to_dict() == {"normal": 5.0, "tumor": pytest.approx((1.5 + 2.0) / 2)}
    assert report["housekeeping_spread"].to_dict() == {"normal": 0.0, "tumor": pytest.approx(0.25)}
    assert report["depth"].isna().all(), "the library of CPM is not known"


def test_counts_of_cells_have_a_depth() -> None:
    counts = sparse.csr_matrix(np.array([[5.0, 5, 0, 0], [50, 50, 0, 0]], dtype=np.float32))
    report = batch_report(atlas(counts, side=["tumor", "normal"], kind="cells", unit="counts"))
    assert report["depth"].tolist() == [100.0, 10.0]
    assert report["housekeeping"].nunique() == 1, "per ten thousand, depth does not matter"


def test_sides_that_look_like_different_pipelines_are_told() -> None:
    same = np.array([[100.0, 200, 5, 5]] * 4)
    sides = ["tumor", "tumor", "normal", "normal"]
    assert notes(atlas(same, side=sides)) == []
    shifted = same.copy()
    shifted[:2, :2] *= 4
    (note,) = notes(atlas(shifted, side=sides))
    assert note.startswith("batch: housekeeping genes are 2.0 log2 higher in the tumour than in normal tissue")


def test_atlases_of_one_pipeline_are_compared_without_a_warning() -> None:
    def atlases(tumor: str | None, normal: str | None) -> list[AtlasConfig]:
        return [
            AtlasConfig(name="toil", reader="xena", pipeline=tumor),
            AtlasConfig(name="hpa", reader="hpa_long", role="normal", pipeline=normal),
            AtlasConfig(name="stains", reader="ihc", role="protein"),
        ]

    assert pipeline_warnings(atlases("Toil", "Toil")) == []
    for tumor, normal in ((None, None), ("Toil", None), (None, "Toil"), ("Toil", "STAR")):
        (said,) = pipeline_warnings(atlases(tumor, normal))
        assert "different pipelines (toil against hpa)" in said
    assert pipeline_warnings(atlases(None, None)[::2]) == [], "stains are no pipeline of RNA"


def test_a_data_set_that_detects_little_is_told() -> None:
    values = np.array([[9.0, 9, 9, 9]] * 3 + [[9, 0, 0, 0]])
    sides = ["tumor", "normal", "normal", "normal"]
    said = notes(atlas(values, side=sides, dataset=["t", "a", "b", "poor"]))
    assert "batch: poor (normal) detects 25% of the genes, others 100%" in said


def test_a_summary_has_no_batches() -> None:
    summary = atlas(np.ones((1, 4)), side=["normal"], kind="summary", unit="TPM")
    assert notes(summary) == [] and "batches" not in summary.uns["cartarget"]


def written_out(row: np.ndarray, reference: np.ndarray) -> float:
    """Robinson & Oshlack's rule, gene by gene."""
    n, m = row.sum(), reference.sum()
    genes = [
        (np.log2(a / n) - np.log2(b / m), (np.log2(a / n) + np.log2(b / m)) / 2, (n - a) / n / a + (m - b) / m / b)
        for a, b in zip(row, reference, strict=True) if a > 0 and b > 0
    ]  # fmt: skip
    size = len(genes)
    low_m, low_a = int(size * 0.3) + 1, int(size * 0.05) + 1
    by_m = sorted(range(size), key=lambda i: genes[i][0])[low_m - 1 : size - low_m + 1]
    by_a = sorted(range(size), key=lambda i: genes[i][1])[low_a - 1 : size - low_a + 1]
    kept = sorted(set(by_m) & set(by_a))
    weights = [1 / genes[i][2] for i in kept]
    return float(2 ** (sum(genes[i][0] * w for i, w in zip(kept, weights, strict=True)) / sum(weights)))


def test_an_atlas_scaled_by_tmm_is_what_edger_would_count() -> None:
    draws = np.random.default_rng(0)
    counts = np.round(draws.gamma(2, 50, size=(4, 300))) + 1
    counts[3, :30] *= 30
    library = counts.sum(axis=1)
    obs = pd.DataFrame(
        {"side": ["tumor", "tumor", "normal", "normal"], "donor": list("abcd"), "tissue": "x", "cell_type": "",
         "dataset": "d", "library": library}, index=list("pqrs"),
    )  # fmt: skip
    names = [f"G{i}" for i in range(300)]
    genes = pd.DataFrame({"given": names}, index=names)
    lost = pd.DataFrame({"name": [], "reason": []})
    cpm = counts / library[:, None] * 1e6
    adata = assemble(cpm, obs=obs, genes=genes, kind="samples", unit="CPM", atlas="a", files=[], lost=lost)
    factors = tmm_factors(counts, library=library)
    before = batch_report(adata)
    scale_by_tmm(adata)
    np.testing.assert_allclose(adata.X, counts / (library * factors)[:, None] * 1e6, rtol=1e-3)
    assert cpm[3, 100:].mean() < 0.4 * cpm[:3, 100:].mean(), "30 genes took the library"
    assert adata.X[3, 100:].mean() > 0.8 * adata.X[:3, 100:].mean(), "and the others are given back their level"
    assert adata.uns["cartarget"]["notes"][-1].startswith("libraries are scaled by TMM over 300 genes: factors 0.")
    np.testing.assert_allclose(before["tmm"], [np.median(factors[2:]), np.median(factors[:2])], rtol=1e-3)
    with pytest.raises(InputError, match="scaling tmm needs bulk counts, found cells in counts"):
        scale_by_tmm(atlas(counts[:, :4], side=list(obs["side"]), kind="cells", unit="counts"))


def test_tmm_is_the_written_out_rule() -> None:
    draws = np.random.default_rng(0)
    counts = draws.gamma(2, 50, size=(5, 400)) + draws.random((5, 400))
    counts[3, :40] *= 30  # a few genes take the library
    library = counts.sum(axis=1)
    quartile = np.quantile(counts / library[:, None], 0.75, axis=1)
    reference = int(np.argmin(np.abs(quartile - quartile.mean())))
    raw = np.array([1.0 if row == reference else written_out(counts[row], counts[reference]) for row in range(5)])
    expected = raw / np.exp(np.log(raw).mean())
    np.testing.assert_allclose(tmm_factors(counts, library=library), expected, rtol=1e-9)
    assert expected[3] < 0.6, "its other genes look low only because of those few"


@given(scale=st.lists(st.floats(0.1, 10), min_size=3, max_size=3))
def test_depth_alone_needs_no_factor(scale: list[float]) -> None:
    base = np.random.default_rng(1).gamma(2, 50, size=200)
    counts = np.outer(scale, base)
    np.testing.assert_allclose(tmm_factors(counts, library=counts.sum(axis=1)), 1.0, rtol=1e-6)
