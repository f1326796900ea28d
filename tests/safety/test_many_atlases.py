"""Many atlases in one run: what is odd or missing in them, and the numbers that all of them answer."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.errors import InputError
from tests.evidence_makers import REQUIRED, Block, atlas, cells, levels, normal, tumor
from tests.safety.doors import CLEAN, CLEAN_BUT_HEART, HOT, NONE, SYMBOLS, TUMOR, named, panel, verdict

# ---- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [("breast", 0.1), ("skin", 0.5), ("heart", 1.0)])
def test_a_summary_at_the_level_weighs_what_its_place_weighs(place: tuple[str, float]) -> None:
    """A tolerable organ at 1,000 CPM in a summary had a liability of 0.006; counted, 0.099."""
    made = panel(TUMOR, CLEAN, summaries=[levels({place[0]: HOT}, symbols=SYMBOLS)])
    row = verdict(made, "A")
    assert row["liability"] == pytest.approx(place[1])
    assert row["safety_class"] == ("within caps" if place[0] == "breast" else "over cap")


def test_patients_are_weighed_by_what_they_can_tell() -> None:
    """Six patients of one cell, all hit, beside two of a thousand, not hit: coverage was 0.75."""
    rows = [Block("", f"p{i}", cells([1, 0, 0], 1)) for i in range(6)]
    rows += [Block("", f"q{i}", cells([0, 1, 0], 1000)) for i in range(2)]
    row = verdict(panel(atlas(rows, symbols=SYMBOLS), CLEAN), "A")
    large = 1000 / (1 + 999 * 0.3)
    assert row["coverage"] == pytest.approx(6 / (6 + 2 * large))
    assert row["coverage_p10"] == 0, "only patients of at least 30 cells tell"
    assert not row["is_eligible"]


def test_coverage_by_the_other_kind_of_tumour_stands_beside() -> None:
    rows = [*tumor([[20.0, 0, 0]], patients=9), Block("", "x", np.zeros((1, 3)))]
    bulk = atlas(rows, symbols=SYMBOLS, kind="samples", name="bulk")
    for primary, expected in (("single_cell", 1.0), ("bulk", 0.9)):
        row = verdict(panel(TUMOR, bulk, CLEAN, primary=primary), "A")
        assert row["coverage"] == pytest.approx(expected)
        assert (row["coverage_cells"], row["coverage_samples"]) == (pytest.approx(1.0), pytest.approx(0.9))
    alone = verdict(panel(TUMOR, CLEAN), "A")
    assert alone["coverage_cells"] == pytest.approx(1)
    assert pd.isna(alone["coverage_samples"])


# ---- bad input -----------------------------------------------------------------------------------------------------


def test_no_tumour_anywhere_is_refused() -> None:
    with pytest.raises(InputError, match="tumour"):
        panel(CLEAN)


def test_no_normal_anywhere_is_allowed_and_unknown() -> None:
    row = verdict(panel(TUMOR), "A & B")
    assert row["safety_class"] == "unknown"
    assert named(row["tissues_unmeasured"]) == set(REQUIRED)
    assert row["coverage"] == pytest.approx(1)


def test_an_atlas_without_any_candidate_says_nothing() -> None:
    other = atlas(normal(["heart"], np.ones((50, 2))), symbols=["X", "Y"], name="other")
    with_it, without = (verdict(panel(TUMOR, CLEAN, *each), "A") for each in ([other], []))
    assert with_it["safety_class"] == without["safety_class"] == "within caps"
    assert with_it["liability"] == pytest.approx(without["liability"])
    assert verdict(panel(TUMOR, CLEAN_BUT_HEART, other), "A")["tissues_unmeasured"] == "heart"


@pytest.mark.parametrize("kind", ["cells", "samples"])
def test_a_donor_in_two_atlases_is_one_donor(kind: str) -> None:
    n = 20 if kind == "cells" else 1
    parts = [atlas(normal(["heart"], cells(NONE, n), donors=4), symbols=SYMBOLS, kind=kind, name=x) for x in "ab"]
    made = panel(TUMOR, CLEAN_BUT_HEART, *parts)
    table = made.populations[made.populations["tissue"] == "heart"]
    assert (table["n_donors"].tolist(), table["n_observations"].tolist()) == ([4], [8 * n])
    assert verdict(made, "A")["tissues_unmeasured"] == "heart", "four people are too few, in however many files"


def test_the_same_cell_in_two_files_is_counted_once() -> None:
    def copy(name: str, cell: int) -> anndata.AnnData:
        rows = [Block("heart", f"d{i}", np.array([[1.0, 0, 0], NONE]), name, barcodes=(f"AC-{i}", f"GT-{i}-{cell}"))
                for i in range(6)]  # fmt: skip
        return atlas(rows, symbols=SYMBOLS, name=name)

    made = panel(TUMOR, CLEAN_BUT_HEART, copy("one", 1), copy("two", 1), copy("three", 2))
    table = made.populations[made.populations["tissue"] == "heart"]
    assert table["n_observations"].tolist() == [18]


def test_the_same_barcode_of_another_donor_is_another_cell() -> None:
    rows = [Block("heart", f"d{i}", np.zeros((1, 3)), barcodes=("AC",)) for i in range(2)]
    parts = [atlas(rows[:1], symbols=SYMBOLS, name="one"), atlas(rows[1:], symbols=SYMBOLS, name="two")]
    table = panel(TUMOR, CLEAN_BUT_HEART, *parts).populations
    assert table.loc[table["tissue"] == "heart", "n_observations"].tolist() == [2]


def test_nuclei_stay_apart_from_cells_and_the_worse_decides() -> None:
    nuclei = atlas(normal(["heart"], cells([1, 0, 0])), symbols=SYMBOLS, assay="nuclei", name="nuclei")
    made = panel(TUMOR, CLEAN, nuclei)
    heart = made.populations[made.populations["tissue"] == "heart"]
    assert sorted(heart["assay"]) == ["cells", "nuclei"]
    assert made.populations["population"].is_unique
    row = verdict(made, "A")
    assert (row["safety_class"], row["tissues_broken"]) == ("over cap", "heart")
    assert row["liability"] > 0.9


def test_an_atlas_whose_only_cell_type_is_unknown_vouches_for_nothing() -> None:
    blank = atlas(normal(["not stated: unknown"], cells(NONE)), symbols=SYMBOLS, name="blank")
    row = verdict(panel(TUMOR, blank), "A")
    assert row["safety_class"] == "unknown"
    assert named(row["tissues_unmeasured"]) == set(REQUIRED)


def test_a_required_cell_type_that_no_atlas_can_name_is_unknown_and_named() -> None:
    row = verdict(panel(TUMOR, CLEAN, required=(*REQUIRED, "heart: Purkinje fibre")), "A")
    assert (row["safety_class"], row["tissues_unmeasured"]) == ("unknown", "heart: Purkinje fibre")


def test_population_names_are_unique() -> None:
    parts = [atlas(normal(["heart"], cells(NONE[:n])), symbols=SYMBOLS[:n], name=f"a{n}") for n in (1, 2, 3)]
    table = panel(TUMOR, CLEAN, *parts).populations
    assert table["population"].is_unique
    assert (table["tissue"] == "heart").sum() == 3, "each set of measured antigens is a population of its own"
