"""Several atlases: a donor once, a cell once, and what one atlas lacks stays known in the others."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import count_atlas
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import REQUIRED, observations


def named(adata: anndata.AnnData, atlas: str, **more: str) -> anndata.AnnData:
    """The same atlas under a name; cells get barcodes of their own."""
    own = adata.copy()
    own.obs_names = [f"{atlas}-{name}" for name in own.obs_names]
    own.uns["cartarget"] = {**own.uns["cartarget"], "atlas": atlas, **more}
    return own


def panel_of(*atlases: anndata.AnnData, symbols: list[str], **more: object) -> Panel:
    return build_panel(list(atlases), symbols=symbols, required=REQUIRED, **more)


def place(panel: Panel, name: str) -> int:
    return int(np.flatnonzero(panel.populations["population"] == name)[0])


def test_a_donor_in_two_data_sets_is_one_donor() -> None:
    """d gave lung to both atlases, e to the second alone: two donors, and three cells of d."""
    one = observations("cells", {"p": np.ones((2, 1))}, {"lung": {"d": np.array([[1.0], [0.0]])}}, symbols=["A"])
    two = observations("cells", {}, {"lung": {"d": np.array([[1.0]]), "e": np.array([[0.0]])}}, symbols=["A"])
    panel = panel_of(named(one, "first"), named(two, "second"), symbols=["A"])
    lung = panel.populations.iloc[place(panel, "lung")]
    assert (lung["n_donors"], lung["n_observations"], lung["atlas"]) == (2, 4, "first, second")
    assert panel.packed.donors == ("d", "e", "p") and panel.n_twice == 0
    assert (panel.level_population == place(panel, "lung")).sum() == 2, "one pseudobulk a donor"


def test_the_pseudobulk_of_a_donor_in_two_data_sets_is_weighed_by_counts() -> None:
    """10 of 1,000 and 0 of 3,000 counts: 10 / 4,000, which is 2,500 CPM."""
    atlases = []
    for name, value, depth in (("first", 10.0, 1000.0), ("second", 0.0, 3000.0)):
        adata = observations("cells", {"p": np.ones((1, 1))}, {"lung": {"d": np.array([[value]])}}, symbols=["A"])
        adata.obs["n_counts"] = [500.0, depth]
        atlases.append(named(adata, name))
    panel = panel_of(*atlases, symbols=["A"])
    (level,) = panel.levels[panel.level_population == place(panel, "lung")]
    assert level == pytest.approx(np.log2(2501), rel=1e-6)


def test_a_cell_in_two_files_is_one_cell() -> None:
    """The second file holds the first's cells again, and one more."""
    one = observations("cells", {"p": np.ones((2, 1))}, {"lung": {"d": np.array([[1.0], [0.0]])}}, symbols=["A"])
    two = observations("cells", {"p": np.ones((2, 1))}, {"lung": {"d": np.array([[1.0], [0.0], [0.0]])}}, symbols=["A"])
    two.uns["cartarget"]["atlas"] = "second"
    panel = panel_of(one, two, symbols=["A"])
    assert panel.n_twice == 4
    assert panel.populations["n_observations"].tolist() == [2, 3]
    assert panel.fraction[0].tolist() == pytest.approx([1.0, 1 / 3])


@pytest.mark.parametrize("seed", range(3))
def test_an_atlas_that_stands_twice_in_a_run_changes_nothing(seed: int) -> None:
    adata = random_cells(seed, depth=True)
    again = adata.copy()
    again.uns["cartarget"]["atlas"] = "again"
    once, twice = (panel_of(*atlases, symbols=SYMBOLS) for atlases in ([adata], [adata, again]))
    assert twice.n_twice == adata.n_obs
    np.testing.assert_array_equal(once.packed.words, twice.packed.words)
    np.testing.assert_array_equal(once.fraction, twice.fraction)
    np.testing.assert_array_equal(once.power, twice.power)
    np.testing.assert_array_equal(once.levels, twice.levels)
    assert once.populations["population"].tolist() == twice.populations["population"].tolist()


def test_a_place_of_which_all_cells_stand_elsewhere_is_no_population() -> None:
    """The second file lacks B, so its lung would be a place of its own; all of its cells are the first's."""
    cells = {"lung": {"d": np.ones((3, 2))}}
    one = observations("cells", {"p": np.ones((2, 2))}, cells, symbols=["A", "B"])
    two = observations("cells", {"p": np.ones((2, 2))}, cells, symbols=["A", "B"], unmeasured={"lung": ["B"]})
    two.uns["cartarget"]["atlas"] = "second"
    panel = panel_of(one, two, symbols=["A", "B"])
    assert panel.n_twice == 5
    assert panel.populations[["population", "n_observations"]].values.tolist() == [["patient 1", 2], ["lung", 3]]
    assert panel.packed.is_measured.all()
    assert np.isfinite(panel.patient_weight).all()


def test_a_patient_of_whom_no_cell_is_left_weighs_nothing() -> None:
    """The same cells as nuclei: another assay, but no cell of its own."""
    one = observations("cells", {"p": np.ones((2, 1)), "q": np.ones((3, 1))}, {}, symbols=["A"])
    two = one[one.obs["donor"] == "p"].copy()
    two.uns["cartarget"] = {**two.uns["cartarget"], "atlas": "second", "assay": "nuclei"}
    panel = panel_of(one, two, symbols=["A"])
    assert panel.populations["population"].tolist() == ["patient 1", "patient 2"]
    assert panel.patient_weight.sum() == pytest.approx(1.0)


def test_an_antigen_that_one_atlas_lacks_stays_measured_in_the_others() -> None:
    values = np.ones((2, 2))
    full = observations("cells", {"p": values}, {"lung": {"d": values}, "heart": {"d": values}}, symbols=["A", "B"])
    part = named(full[full.obs["tissue"] == "lung"][:, ["A"]].copy(), "lacks B")
    panel = panel_of(named(full, "full"), part, symbols=["A", "B"])
    table = panel.populations
    assert table["population"].tolist() == ["patient 1", "heart", "lung [full]", "lung [lacks B]"]
    assert panel.packed.is_measured.tolist() == [[True] * 4, [True, True, True, False]]
    assert panel.fraction[0].tolist() == [1.0] * 4, "the lung that lacks B still tells of A"


def test_an_antigen_that_an_atlas_of_tumours_lacks_is_no_candidate() -> None:
    full = observations("cells", {"p": np.ones((2, 2))}, {}, symbols=["A", "B"])
    other = named(observations("cells", {"q": np.ones((2, 1))}, {}, symbols=["A"]), "small")
    with pytest.raises(InputError, match="atlas small: candidate 'B' is not among its genes"):
        panel_of(named(full, "full"), other, symbols=["A", "B"])
    bulk = named(observations("samples", {"r": np.full((1, 1), 50.0)}, {}, symbols=["A"]), "bulk")
    panel = panel_of(named(full, "full"), bulk, symbols=["A", "B"])
    assert panel.kind == "cells" and panel.packed.is_measured[1].tolist() == [True, False]
    with pytest.raises(InputError, match="atlas bulk: candidate 'B' is not among its genes"):
        panel_of(named(full, "full"), bulk, symbols=["A", "B"], primary="bulk")


def test_patients_are_numbered_and_not_named() -> None:
    """Ten of one atlas; two of them again as nuclei in a second, which keep their numbers."""
    ids = [f"MRN-{number:02d}" for number in range(10)]
    one = observations("cells", dict.fromkeys(ids, np.ones((2, 1))), {"lung": {"d": np.ones((1, 1))}}, symbols=["A"])
    two = observations("cells", dict.fromkeys(["MRN-03", "MRN-09"], np.ones((2, 1))), {}, symbols=["A"])
    panel = panel_of(named(one, "first"), named(two, "second", assay="nuclei"), symbols=["A"])
    names = panel.populations["population"].tolist()
    assert names[:3] == ["patient 01", "patient 02", "patient 03"]
    assert [name for name in names if name.startswith(("patient 04", "patient 10"))] == [
        f"patient {number} ({assay})" for number in ("04", "10") for assay in ("cells", "nuclei")
    ]
    assert not [name for name in names for patient in ids if patient in name]
    assert set(ids) < set(panel.packed.donors), "people are still told apart"


def test_names_are_unique_and_say_what_tells_them_apart() -> None:
    """Lung: two atlases, two assays, and in one atlas two data sets that lack different genes."""
    adata = random_cells(3)
    other = named(random_cells(4), "other")
    bulk = observations("samples", {}, {"lung": {"d": np.full((1, 6), 20.0)}}, symbols=SYMBOLS)
    bulk.uns["cartarget"]["atlas"] = "bulk"
    panel = panel_of(adata, other, bulk, symbols=SYMBOLS)
    names = panel.populations["population"]
    assert names.is_unique
    lung = panel.populations[panel.populations["tissue"] == "lung"]
    assert len(lung) == 7, "bulk, and cells and nuclei of three masks"
    assert all(name == "lung" or name.startswith("lung (") for name in lung["population"])
    assert {"lung (nuclei)", "lung (cells)"} <= set(lung["population"])


def test_the_order_of_the_atlases_changes_neither_names_nor_numbers() -> None:
    atlases = [random_cells(5), named(random_cells(6), "b"), named(random_cells(7), "a")]
    one, other = (panel_of(*given, symbols=SYMBOLS) for given in (atlases, atlases[::-1]))
    assert one.populations.equals(other.populations)
    np.testing.assert_array_equal(one.fraction, other.fraction)
    np.testing.assert_array_equal(one.packed.is_measured, other.packed.is_measured)


def test_bulk_and_cells_are_never_one_population() -> None:
    cells = observations("cells", {"p": np.ones((2, 1))}, {"lung": {"d": np.ones((2, 1))}}, symbols=["A"])
    bulk = observations("samples", {"p": np.full((1, 1), 20.0)}, {"lung": {"d": np.zeros((1, 1))}}, symbols=["A"])
    bulk.uns["cartarget"]["atlas"] = "bulk"
    panel = panel_of(cells, bulk, symbols=["A"], primary="bulk")
    table = panel.populations
    assert table["is_ranking"].tolist() == [True, False, False, False], "tumours that rank come first"
    assert table["kind"].tolist() == ["samples", "cells", "cells", "samples"]
    assert panel.fraction[0].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert panel.packed.donors == ("d", "p"), "who gave both is one person"


def test_parts_of_other_thresholds_are_refused() -> None:
    part = count_atlas(random_cells(0), symbols=SYMBOLS, count=[2])
    with pytest.raises(InputError, match="not counted at 1 counts; counted at 2"):
        build_panel(part, symbols=SYMBOLS, required=REQUIRED)
