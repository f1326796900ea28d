"""Batches: depth, detection and housekeeping by data set; warnings; TMM against the written-out rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from cartarget.atlas.batch import batch_report, notes_on_batches, tmm_factors
from cartarget.atlas.contract import assemble

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
    assert notes_on_batches(atlas(same, side=sides)) == []
    shifted = same.copy()
    shifted[:2, :2] *= 4
    (note,) = notes_on_batches(atlas(shifted, side=sides))
    assert note.startswith("housekeeping genes are 2.0 log2 higher in the tumour than in normal tissue")
    (note,) = notes_on_batches(atlas(same, side=sides), pipelines={"tumor": "STAR", "normal": "RSEM"})
    assert "different pipelines (STAR against RSEM)" in note
    assert notes_on_batches(atlas(same, side=sides), pipelines={"tumor": "Toil", "normal": "Toil"}) == []


def test_a_data_set_that_detects_little_is_told() -> None:
    values = np.array([[9.0, 9, 9, 9]] * 3 + [[9, 0, 0, 0]])
    sides = ["tumor", "normal", "normal", "normal"]
    notes = notes_on_batches(atlas(values, side=sides, dataset=["t", "a", "b", "poor"]))
    assert "poor (normal) detects 25% of the genes, others 100%" in notes


def test_a_summary_has_no_batches() -> None:
    assert notes_on_batches(atlas(np.ones((1, 4)), side=["normal"], kind="summary", unit="TPM")) == []


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
