"""Purity turns a bulk level into a range, and coverage with it; the truth of a mixture lies inside."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas.contract import assemble
from cartarget.atlas.purity import add_purity, read_purity, tumor_level
from cartarget.errors import InputError
from cartarget.evidence.purity import coverage_range
from cartarget.logic.batch import ANY, BOTH, NOT, Gates


@given(
    tumor=st.floats(0, 1e3), other=st.floats(0, 1e3), more=st.floats(0, 1e3), purity=st.floats(0.05, 1)
)  # fmt: skip
def test_the_true_level_lies_in_the_range(tumor: float, other: float, more: float, purity: float) -> None:
    mixed = purity * tumor + (1 - purity) * other
    low, high = tumor_level([[mixed]], purity=[purity], normal=other + more)
    assert low.item() <= tumor + 1e-6 and high.item() >= tumor - 1e-6
    assert 0 <= low.item() <= high.item()


@pytest.mark.parametrize("purity", [[0.0], [1.2], [-0.1]])
def test_a_purity_that_is_none_is_told(purity: list[float]) -> None:
    with pytest.raises(InputError, match=r"sample 1 has .* expected a fraction above 0"):
        tumor_level([[1.0]], purity=purity)
    with pytest.raises(InputError, match="found 2 for 1 samples"):
        tumor_level([[1.0]], purity=[0.5, 0.5])


def test_purity_one_is_the_measurement_and_unknown_purity_is_no_knowledge() -> None:
    low, high = tumor_level([[12.0, 1.0], [12.0, 1.0]], purity=[1.0, np.nan], normal=[np.inf, 5.0])
    assert low.tolist() == [[12.0, 1.0], [0.0, 0.0]]
    assert high.tolist() == [[12.0, 1.0], [np.inf, np.inf]]


def test_coverage_by_hand() -> None:
    """Two antigens, three patients: A surely, possibly and never; B never, possibly and surely."""
    low = np.array([[12.0, 0.0], [3.0, 3.0], [0.0, 20.0]])
    high = np.array([[20.0, 5.0], [15.0, 15.0], [9.0, 30.0]])
    gates = Gates.parse(["A", "A | B", "A & B", "A & ~B"], panel=SimpleNamespace(index={"A": 0, "B": 1}))
    found = coverage_range((low, high), gates=gates, threshold=10)
    assert found["coverage_purity_lower"].tolist() == pytest.approx([1 / 3, 2 / 3, 0, 1 / 3])
    assert found["coverage_purity_upper"].tolist() == pytest.approx([2 / 3, 1, 1 / 3, 2 / 3])
    twice = coverage_range((low, high), gates=gates, threshold=10, donors=["p", "p", "q"])
    assert twice["coverage_purity_lower"].tolist() == pytest.approx([1 / 4, 3 / 4, 0, 1 / 4])


@given(seed=st.integers(0, 10**6))
def test_the_true_coverage_of_mixtures_lies_in_the_range(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n = 30
    tumor, normal = draws.gamma(1, 15, size=(n, 3)), draws.gamma(1, 10, size=(n, 3))
    purity = draws.uniform(0.1, 1, size=n)
    mixed = purity[:, None] * tumor + (1 - purity[:, None]) * normal
    low, high = tumor_level(mixed, purity=purity, normal=normal.max(axis=0))
    gates = Gates.of_two(np.repeat([0, 1, 2], 3), np.tile([1, 2, 0], 3), np.tile([ANY, BOTH, NOT], 3))
    true = coverage_range((tumor, tumor), gates=gates, threshold=10)["coverage_purity_lower"]
    found = coverage_range((low - 1e-3, high + 1e-3), gates=gates, threshold=10)
    assert (found["coverage_purity_lower"] <= true + 1e-9).all()
    assert (found["coverage_purity_upper"] >= true - 1e-9).all()


def bulk(kind: str = "samples"):
    names = ["TCGA-AF-0001-01A-11R", "TCGA-AF-0002-01A-11R", "TCGA-AF-0003-01A-11R", "TCGA-AF-0001-11A-11R"]
    obs = pd.DataFrame(
        {"side": ["tumor"] * 3 + ["normal"], "donor": [name[:12] for name in names], "tissue": "x", "cell_type": "",
         "dataset": "d"}, index=names,
    )  # fmt: skip
    genes = pd.DataFrame({"given": ["A"]}, index=["A"])
    lost = pd.DataFrame({"name": [], "reason": []})
    return assemble(
        np.ones((4, 1)), obs=obs, genes=genes, kind=kind, unit="CPM", atlas="a", files=[], lost=lost
    )  # fmt: skip


def test_a_row_stands_for_a_sample_or_a_patient_and_only_for_tumours(tmp_path: Path) -> None:
    path = tmp_path / "purity.tsv"
    path.write_text("Sample\tother\tPurity\nTCGA-AF-0001-01\t1\t0.5\nTCGA-AF-0002\tx\t0.8\nTCGA-AF-0003-01A\t\tNA\n")
    adata = bulk()
    add_purity(adata, path=path)
    np.testing.assert_array_equal(adata.obs["purity"], [0.5, 0.8, np.nan, np.nan])
    about = adata.uns["cartarget"]
    assert about["notes"] == ["purity is known of 2 of 3 tumours, median 0.65"]
    assert about["files"][0]["path"] == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tpure\nx\t1\n", r"line 1: found the columns \['sample', 'pure'\]; expected sample \(or patient\)"),
        ("sample\tpurity\nx\t1.2\n", "line 2: purity is '1.2'; expected a fraction"),
        ("sample\tpurity\nx\thigh\n", "line 2: purity is 'high'"),
        ("sample\tpurity\nx\t0.2\nx\t0.3\n", "line 3: 'x' stands twice"),
        ("sample\tpurity\nx\t0.2\n", "names none of the tumours of atlas 'a', such as 'TCGA-AF-0001-01A-11R'"),
    ],
)
def test_a_table_that_does_not_fit_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "purity.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        add_purity(bulk(), path=path)


def test_only_bulk_has_purity(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="purity is of bulk samples, found cells"):
        add_purity(bulk(kind="cells"), path=tmp_path / "absent")
    with pytest.raises(InputError, match="absent: cannot be read"):
        read_purity(tmp_path / "absent")
