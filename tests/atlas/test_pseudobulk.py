"""Pseudobulk is the sum of a group's cells; purity turns a bulk level into a range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas import read_atlas
from cartarget.atlas.contract import validate_atlas
from cartarget.atlas.pseudobulk import pseudobulk
from cartarget.atlas.purity import coverage_range, tumor_level
from cartarget.config import Config
from cartarget.errors import InputError


@pytest.fixture(scope="module")
def cells():
    return read_atlas(Config().atlases[0], config=Config())


def test_a_group_is_the_sum_of_its_cells(cells) -> None:
    groups = pseudobulk(cells)
    validate_atlas(groups)
    assert groups.uns["cartarget"]["unit"] == "CPM"
    np.testing.assert_allclose(groups.X.sum(axis=1), 1e6, rtol=1e-4)
    for name in groups.obs_names[[0, len(groups) // 2, -1]]:
        row = groups.obs.loc[name]
        mine = np.ones(cells.n_obs, dtype=bool)
        for column in ("side", "donor", "tissue", "cell_type"):
            mine &= (cells.obs[column].astype(str) == str(row[column])).to_numpy()
        assert row["n_cells"] == mine.sum()
        expected = np.asarray(cells.X[mine].sum(axis=0)).ravel()
        np.testing.assert_array_equal(np.asarray(groups[name].layers["counts"]).ravel(), expected)


def test_small_groups_are_left_out_and_counted(cells) -> None:
    few, many = pseudobulk(cells, min_cells=1), pseudobulk(cells, min_cells=100)
    assert few.n_obs > many.n_obs
    assert f"{few.n_obs - many.n_obs} smaller ones left out" in many.uns["cartarget"]["notes"][-1]
    assert few.obs["n_cells"].sum() == cells.n_obs


def test_what_cannot_be_added_is_told(cells) -> None:
    with pytest.raises(InputError, match="no group of 1000000 cells"):
        pseudobulk(cells, min_cells=10**6)
    with pytest.raises(InputError, match="no column 'doner'"):
        pseudobulk(cells, by=["doner"])
    with pytest.raises(InputError, match="pseudobulk needs counts of cells"):
        pseudobulk(pseudobulk(cells))


@given(
    tumor=st.floats(0, 1e3), other=st.floats(0, 1e3), more=st.floats(0, 1e3), purity=st.floats(0.05, 1)
)  # fmt: skip
def test_the_true_level_lies_in_the_range(tumor: float, other: float, more: float, purity: float) -> None:
    mixed = purity * tumor + (1 - purity) * other
    low, high = tumor_level([[mixed]], purity=[purity], normal=other + more)
    assert low.item() <= tumor + 1e-6 and high.item() >= tumor - 1e-6
    assert 0 <= low.item() <= high.item()


def test_purity_one_is_the_measurement_and_unknown_purity_is_no_knowledge() -> None:
    table = coverage_range([[12.0, 1.0]], purity=[1.0], threshold=10, normal=5.0, symbols=["A", "B"])
    assert table.loc["A"].tolist() == [1.0, 1.0, 1.0]
    assert table.loc["B"].tolist() == [0.0, 0.0, 0.0]
    unknown = coverage_range([[12.0]], purity=[np.nan], threshold=10)
    assert unknown.to_numpy().tolist() == [[1.0, 0.0, 1.0]]


@pytest.mark.parametrize("purity", [[0.0], [1.2], [-0.1]])
def test_a_purity_that_is_none_is_told(purity: list[float]) -> None:
    with pytest.raises(InputError, match=r"sample 1 has .* expected a fraction above 0"):
        tumor_level([[1.0]], purity=purity)
    with pytest.raises(InputError, match="found 2 for 1 samples"):
        tumor_level([[1.0]], purity=[0.5, 0.5])
