"""Pseudobulk is the sum of a group's cells."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.contract import validate_atlas
from cartarget.atlas.pseudobulk import pseudobulk
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


def test_cells_and_nuclei_are_never_added_up_together(cells) -> None:
    mixed = cells.copy()
    mixed.obs["assay"] = np.where(np.arange(mixed.n_obs) % 2, "cells", "nuclei")
    groups = pseudobulk(mixed, min_cells=1)
    validate_atlas(groups)
    assert set(groups.obs["assay"]) == {"cells", "nuclei"}
    assert groups.obs["n_cells"].sum() == cells.n_obs
    is_nuclei = (mixed.obs["assay"] == "nuclei").to_numpy()
    nuclei = pseudobulk(cells[is_nuclei].copy(), min_cells=1)
    own = groups[(groups.obs["assay"] == "nuclei").to_numpy()]
    assert sorted(own.obs["n_cells"]) == sorted(nuclei.obs["n_cells"])
    assert np.asarray(own.layers["counts"]).sum() == np.asarray(nuclei.layers["counts"]).sum()
