"""Doors through which harm was once called safe, each with its kin."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

import cartarget
from tests.evidence_makers import REQUIRED, Block, atlas, cells, levels, normal, stains, tumor
from tests.safety.doors import (
    ALL,
    CLASSES,
    CLEAN,
    CLEAN_BUT_HEART,
    CLEAN_BUT_SKIN,
    DEEP,
    HOT,
    NONE,
    SYMBOLS,
    TUMOR,
    is_told,
    named,
    panel,
    verdict,
)  # fmt: skip

# ---- a data set that lacks a gene erases what another counted ------------------------------------------------------


@pytest.mark.parametrize("same_file", [True, False])
@pytest.mark.parametrize("more", [1, 40])
@pytest.mark.parametrize(("gate", "kind"), [("A", "cells"), ("A", "samples"), ("A | B", "cells"), ("A & C", "cells"),
                                            ("A & ~B", "cells"), ("A & ~B", "samples")])  # fmt: skip
def test_what_was_counted_stays_counted(gate: str, kind: str, more: int, same_file: bool) -> None:
    """30 donors, A on all of the adrenal gland: over cap at 0.997; one observation without A made it safe at 0.016."""
    value = [20.0, 0.0, 20.0]
    adrenal = normal(["adrenal gland"], cells(value, 20 if kind == "cells" else 1), donors=30, dataset="told")
    clean = normal(ALL, cells(NONE, 20 if kind == "cells" else 1), donors=30)
    lacking = [Block("adrenal gland", f"x{i}", np.zeros((1, 3)), "lacks A") for i in range(more)]
    hole = {"lacks A": ["A"]}
    before = verdict(panel(TUMOR, atlas([*adrenal, *clean], symbols=SYMBOLS, kind=kind)), gate)
    if same_file:
        both = [atlas([*adrenal, *clean, *lacking], symbols=SYMBOLS, kind=kind, unmeasured=hole)]
    else:
        both = [atlas([*adrenal, *clean], symbols=SYMBOLS, kind=kind),
                atlas(lacking, symbols=SYMBOLS, kind=kind, name="two", unmeasured=hole)]  # fmt: skip
    after = verdict(panel(TUMOR, *both), gate)
    assert before["safety_class"] == after["safety_class"] == "over cap"
    assert "adrenal gland" in named(after["tissues_broken"])
    assert before["liability"] > 0.98
    assert after["liability"] == pytest.approx(before["liability"], abs=0.01)


def test_a_gene_that_an_atlas_does_not_hold_is_unmeasured_in_that_atlas_only() -> None:
    told = atlas(normal(["heart"], cells([1, 0, 0])), symbols=SYMBOLS, name="told")
    shorter = atlas(normal(["heart", "lung"], cells([0, 0])), symbols=["B", "C"], name="shorter")
    row = verdict(panel(TUMOR, CLEAN, told, shorter), "A")
    assert row["safety_class"] == "over cap"
    assert "heart" in named(row["tissues_broken"])
    assert verdict(panel(TUMOR, CLEAN, shorter), "A")["safety_class"] == "within caps"


def test_many_small_files_that_lose_genes_change_no_class() -> None:
    rng = np.random.default_rng(0)
    hot = {t: (rng.random(3) < 0.3).astype(float) for t in ALL}
    told = atlas([b for t in ALL for b in normal([t], cells(hot[t]))], symbols=SYMBOLS)
    lost = [Block(t, "x", np.zeros((1, 3)), f"small {t}") for t in ALL]
    holes = {f"small {t}": [s for s in SYMBOLS if rng.random() < 0.7] for t in ALL}
    small = atlas(lost, symbols=SYMBOLS, name="small", unmeasured=holes)
    for gate in ("A", "B", "C", "A & B", "A | C", "B & ~C"):
        one, two = (verdict(panel(TUMOR, *each), gate) for each in ([told], [told, small]))
        assert CLASSES.index(two["safety_class"]) >= CLASSES.index(one["safety_class"]), gate
        assert two["liability"] >= one["liability"] - 0.01


# ---- a blocker that is nowhere -------------------------------------------------------------------------------------


T_CELLS = atlas(normal(["heart: T cell", "lung: T cell", "colon: T cell"], cells(NONE)), symbols=SYMBOLS)
HOT_SUMMARY = {"heart": HOT, "lung": HOT, "colon": NONE}


@pytest.mark.parametrize("evidence", [
    {"summaries": [levels(HOT_SUMMARY, symbols=SYMBOLS)]},
    {"proteins": [stains({"heart": [3.0, 0.0, 0.0], "lung": [3.0, 0.0, 0.0]}, symbols=SYMBOLS)]},
])  # fmt: skip
@pytest.mark.parametrize("gate", ["A & ~B", "A & ~B & ~C", "A & (~B | ~C)", "C | (A & ~B)", "(A | C) & ~B"])
def test_a_blocker_that_no_cell_carries_cancels_nothing(gate: str, evidence: dict) -> None:
    """Only T cells without A and B were counted; the organ shows A: `A & ~B` was safe and led."""
    made = panel(TUMOR, T_CELLS, **evidence)
    assert verdict(made, "A")["safety_class"] == "over cap"
    row = verdict(made, gate)
    assert row["safety_class"] in ("over cap", "unknown")
    assert is_told(row, "heart")
    assert is_told(row, "lung")


def test_a_blocker_that_no_cell_carries_cancels_no_samples() -> None:
    bulk = atlas(normal(["heart"], [[1000.0, 1000.0, 0.0]], donors=25), symbols=SYMBOLS, kind="samples", name="bulk")
    row = verdict(panel(TUMOR, CLEAN, bulk), "A & ~B")
    assert (row["safety_class"], row["tissues_broken"]) == ("over cap", "heart")


def test_credit_where_cells_that_carry_the_antigen_carry_the_blocker() -> None:
    seen = atlas(normal(["heart"], cells([1, 1, 0])), symbols=SYMBOLS, name="seen")
    made = panel(TUMOR, CLEAN, seen, summaries=[levels({"heart": [1000.0, 1000.0, 0.0]}, symbols=SYMBOLS)])
    assert verdict(made, "A")["safety_class"] == "over cap"
    assert verdict(made, "A & ~B")["safety_class"] == "within caps"
    assert verdict(made, "A & ~C")["safety_class"] == "over cap", "these cells lack C"


def test_no_credit_while_the_cell_type_that_the_table_asks_for_is_not_counted() -> None:
    seen = atlas(normal(["heart: T cell"], cells([1, 1, 0])), symbols=SYMBOLS, name="seen")
    row = verdict(
        panel(
            TUMOR, CLEAN, seen, required=(*REQUIRED, "heart: cardiomyocyte"), stand_in=["heart: cardiomyocyte"],
            summaries=[levels({"heart": [1000.0, 1000.0, 0.0]}, symbols=SYMBOLS)],
        ), "A & ~B",
    )  # fmt: skip
    assert row["safety_class"] in ("over cap", "unknown")
    assert is_told(row, "heart")


@pytest.mark.parametrize("gate", ["C | (A & ~B)", "C | (A & B & ~B) | (A & ~B)", "(A & ~B) | (C & B)"])
def test_a_measured_blocker_sets_a_lower_bound(gate: str) -> None:
    """C unmeasured and every counted cell A+B-: read safe."""
    hit = normal(ALL, cells([1, 0, 0]), dataset="no C")
    row = verdict(panel(TUMOR, atlas(hit, symbols=SYMBOLS, unmeasured={"no C": ["C"]})), gate)
    assert row["safety_class"] == "over cap"
    assert row["liability"] > 0.9 or "|" not in gate


# ---- required cell types -------------------------------------------------------------------------------------------

TYPES = ("heart: cardiomyocyte", "lung: alveolar", "liver: hepatocyte")


@pytest.mark.parametrize("gate", ["A", "A & B", "A | B", "A & ~B"])
def test_t_cells_of_every_organ_do_not_vouch_for_its_own_cells(gate: str) -> None:
    """T cells of ten organs read safe and known; 34 rows of the table asked for other cell types."""
    made = panel(
        TUMOR, atlas(normal([f"{t}: T cell" for t in ALL], cells(NONE)), symbols=SYMBOLS), required=(*REQUIRED, *TYPES)
    )
    row = verdict(made, gate)
    assert row["safety_class"] == "unknown"
    assert not row["is_safety_known"]
    assert named(row["tissues_unmeasured"]) == set(TYPES)


@pytest.mark.parametrize("counted", range(3))
def test_each_cell_type_that_is_counted_is_no_longer_named(counted: int) -> None:
    own = normal([*ALL, *TYPES[:counted]], cells(NONE))
    row = verdict(panel(TUMOR, atlas(own, symbols=SYMBOLS), required=(*REQUIRED, *TYPES)), "A")
    assert named(row["tissues_unmeasured"]) == set(TYPES[counted:])


def test_few_cells_or_few_people_do_not_measure_a_cell_type() -> None:
    asked = (*REQUIRED, "heart: cardiomyocyte")
    for blocks in (normal(TYPES[:1], cells(NONE, 4)), normal(TYPES[:1], cells(NONE, 50), donors=4)):
        row = verdict(panel(TUMOR, CLEAN, atlas(blocks, symbols=SYMBOLS, name="few"), required=asked), "A")
        assert (row["safety_class"], row["tissues_unmeasured"]) == ("unknown", "heart: cardiomyocyte")


@pytest.mark.parametrize("source", ["summary", "samples"])
def test_the_organ_stands_in_only_where_the_table_says_so(source: str) -> None:
    asked = (*REQUIRED, "heart: cardiomyocyte")

    def row(value: list[float], gate: str, stand_in: list[str]) -> pd.Series:
        bulk = atlas(normal(["heart"], [value], donors=25), symbols=SYMBOLS, kind="samples", name="bulk")
        told = {"summaries": [levels({"heart": value}, symbols=SYMBOLS)]} if source == "summary" else {}
        return verdict(
            panel(TUMOR, CLEAN, *([] if told else [bulk]), required=asked, stand_in=stand_in, **told), gate
        )  # fmt: skip

    assert row(NONE, "A", [])["tissues_unmeasured"] == "heart: cardiomyocyte"
    assert row(NONE, "A", [])["safety_class"] == "unknown"
    assert row(NONE, "A", ["heart: cardiomyocyte"])["safety_class"] == "within caps"
    assert row(HOT, "A", ["heart: cardiomyocyte"])["safety_class"] == "over cap"
    assert row([1000.0, 1000.0, 0.0], "A & B", ["heart: cardiomyocyte"])["safety_class"] in ("unknown", "over cap")


def test_a_cell_type_elsewhere_does_not_say_that_an_antigen_is_absent_here() -> None:
    """A on every cardiomyocyte, B not measured in them: B off in the heart's T cells says nothing of them."""
    own = atlas(normal(["heart: cardiomyocyte"], cells([1, 0, 0]), dataset="no B"), symbols=SYMBOLS,
                unmeasured={"no B": ["B"]}, name="own")  # fmt: skip
    others = atlas(normal(["heart: T cell"], cells(NONE)), symbols=SYMBOLS, name="others")
    row = verdict(panel(TUMOR, CLEAN_BUT_HEART, own, others, required=(*REQUIRED, "heart: cardiomyocyte")), "A & B")
    assert row["safety_class"] == "unknown"


# ---- an unmeasured letter hides a known breach ---------------------------------------------------------------------


@pytest.mark.parametrize("gate", ["A | (B & C)", "A | C", "A | (C & ~B)", "A | (~C & B)", "(A | B) & (A | C)"])
@pytest.mark.parametrize("place", ["blood", "heart", "skin"])
def test_a_gate_hits_what_each_of_its_parts_hits(gate: str, place: str) -> None:
    """A on all blood cells, C unmeasured there: A over cap, `A | (B & C)` was safe at 0.016; it is 0.499 or more."""
    hit = normal([place], cells([1, 0, 0]), donors=30, dataset="no C")
    made = panel(TUMOR, CLEAN_BUT_HEART, atlas([*normal(["colon"], cells(NONE)), *hit], symbols=SYMBOLS,
                                               unmeasured={"no C": ["C"]}, name="hit"))  # fmt: skip
    alone, row = verdict(made, "A"), verdict(made, gate)
    assert alone["safety_class"] == row["safety_class"] == "over cap"
    assert row["liability"] >= alone["liability"] - 1e-9
    assert alone["liability"] >= (0.997 if place == "heart" else 0.498)


# ---- a tissue that is not stated -----------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["unknown", "nan", "NaN", "not stated", "NA", "N/A", "undetermined", ""])
def test_the_cell_type_decides_where_no_tissue_is_stated(given: str) -> None:
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    obs = pd.DataFrame({"side": "normal", "donor": "d", "tissue": [given], "cell_type": "cardiomyocyte"}, index=["o"])
    bare = anndata.AnnData(np.zeros((1, 1)), obs=obs, uns={"cartarget": {"kind": "cells", "atlas": "x"}})
    place = cartarget.harmonise(bare, tiers=tiers, origin=["colon"]).obs.iloc[0]
    assert (place["population"], place["tier"], place["cap"]) == ("heart: cardiomyocyte", "vital", 0.05)


# ---- thin organs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["samples", "cells"])
@pytest.mark.parametrize("donors", [3, 10])
def test_bounds_hold_thin_places(donors: int, kind: str) -> None:
    """A heart of few donors, one of ten people positive: the bound was below 0.10 for every antigen."""
    n = 1 if kind == "samples" else 2
    rows = [Block("heart", f"d{i}", cells([20.0 * (i == 0), 0, 0], n)) for i in range(donors)]
    clean = normal([t for t in ALL if t != "heart"], cells(NONE, 1 if kind == "samples" else 50), donors=25)
    row = verdict(panel(TUMOR, atlas([*rows, *clean], symbols=SYMBOLS, kind=kind)), "A")
    assert row["liability_upper"] >= 1 / donors
    assert row["safety_class"] == "over cap"


@pytest.mark.parametrize("donors", range(5, 20, 2))
@pytest.mark.parametrize("gate", ["A", "A & B", "A | B", "A & ~B"])
def test_where_only_thin_places_were_measured_nothing_decides(donors: int, gate: str) -> None:
    row = verdict(panel(TUMOR, atlas(normal(ALL, [NONE], donors=donors), symbols=SYMBOLS, kind="samples")), gate)
    assert row["safety_class"] == "unknown"
    assert row["liability_upper"] > 0.05


@pytest.mark.parametrize("gate", ["A", "A | B", "A & B", "A & ~B"])
def test_one_skin_cell_beside_summaries_decides_nothing(gate: str) -> None:
    below = levels({t: [9.9, 9.9, 9.9] for t in ALL}, symbols=SYMBOLS)
    one = atlas([Block("skin", "d", np.zeros((1, 3)))], symbols=SYMBOLS, name="one cell")
    assert verdict(panel(TUMOR, one, summaries=[below]), gate)["safety_class"] == "unknown"


def test_an_ignored_place_decides_nothing() -> None:
    below = levels(dict.fromkeys(ALL, NONE), symbols=SYMBOLS)
    ignored = atlas(normal(["not stated"], cells(NONE)), symbols=SYMBOLS, name="ignored")
    home = atlas(normal(["colon"], cells(NONE)), symbols=SYMBOLS, name="home")
    assert verdict(panel(TUMOR, ignored, home, summaries=[below]), "A")["safety_class"] == "unknown"


def test_unresolved_in_an_important_tissue_is_unknown() -> None:
    row = verdict(panel(TUMOR, CLEAN_BUT_SKIN, summaries=[levels({"skin": [30.0, 30.0, 0]}, symbols=SYMBOLS)]), "A & B")
    assert (row["safety_class"], row["tissues_unresolved"]) == ("unknown", "skin")


# ---- subgroups -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("donors", [20, 25, 30, 40])
@pytest.mark.parametrize("hit", [1, 2, 5])
@pytest.mark.parametrize("kind", ["cells", "samples"])
def test_people_over_the_cap_are_counted(donors: int, hit: int, kind: str) -> None:
    """One donor of 25 to 40 with every cell of every organ hit read safe, and nothing named him."""
    n = 40 if kind == "cells" else 1
    rows = [Block(t, f"d{i}", cells([20.0 * (i < hit), 0, 0], n)) for t in ALL for i in range(donors)]
    row = verdict(panel(TUMOR, atlas(rows, symbols=SYMBOLS, kind=kind)), "A")
    assert (row["people_over_cap"], row["people_n"]) == (hit, donors)
    assert row["people_population"] in ALL
    if beta(0.5 + hit, 0.5 + donors - hit).median() > 0.05:
        assert row["safety_class"] == "over cap"


def test_a_subgroup_with_few_cells_is_not_lost_in_the_mean() -> None:
    rows = [Block(t, f"d{i}", cells([float(i < 3), 0, 0], 8 if i < 3 else 400)) for t in ALL for i in range(30)]
    row = verdict(panel(TUMOR, atlas(rows, symbols=SYMBOLS)), "A")
    assert (row["people_over_cap"], row["people_n"]) == (3, 30)
    assert row["safety_class"] == "over cap"
    assert {"heart", "lung"} <= named(row["tissues_broken"])


def test_nobody_is_over_the_cap_by_sampling_error() -> None:
    rows = [Block(t, f"d{i}", np.vstack([cells([1, 0, 0], i % 2), cells(NONE, 40)]), depth=5e3)
            for t in ALL for i in range(30)]  # fmt: skip
    row = verdict(panel(DEEP, atlas(rows, symbols=SYMBOLS)), "A")
    assert row["people_over_cap"] == 0
    assert row["safety_class"] == "within caps"


# ---- depth ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "classes"), [(1000.0, ("over cap", "unknown")), (8000.0, ("over cap", "unknown")),
                                                (40000.0, ("over cap",))])  # fmt: skip
@pytest.mark.parametrize("gate", ["A", "A | B", "A & B"])
def test_what_shallow_cells_do_not_show_is_not_absent(depth: float, classes: tuple[str, ...], gate: str) -> None:
    """25 transcripts per million everywhere; the tumour's cells have 40,000 counts, normal ones 1,000: read safe."""
    rng = np.random.default_rng(1)

    def draw(n: int, counts: float) -> np.ndarray:
        return np.repeat(rng.poisson(25e-6 * counts, (n, 1)).astype(float), 3, axis=1)

    ill = [Block("", f"p{i}", draw(200, 4e4), depth=4e4) for i in range(6)]
    well = [Block(t, f"d{i}", draw(200, depth), depth=depth) for t in ALL for i in range(6)]
    made = panel(atlas(ill, symbols=SYMBOLS, name="ill"), atlas(well, symbols=SYMBOLS, name="well"))
    row = verdict(made, gate)
    assert row["safety_class"] in classes
    assert set(REQUIRED) <= named(row["tissues_broken"]) | named(row["tissues_unmeasured"])


@pytest.mark.parametrize("gate", ["A", "A | B", "A & C", "A & ~B"])
def test_what_shallow_cells_do_show_is_there(gate: str) -> None:
    """Too little power to say that A is absent; it was seen on nine of ten cells of an organ that is not required."""
    rng = np.random.default_rng(3)
    deep = [Block("", f"p{i}", 1.0 + rng.poisson(0.5, (100, 3)), depth=4e4) for i in range(6)]
    clean = normal([t for t in ALL if t != "spinal cord"], cells(NONE, 60), depth=4e4)
    seen = [Block("spinal cord", f"d{i}", cells([1, 0, 1], 60) * (rng.random((60, 1)) < 0.9), depth=1e3)
            for i in range(6)]  # fmt: skip
    made = panel(atlas(deep, symbols=SYMBOLS, name="ill"), atlas([*clean, *seen], symbols=SYMBOLS, name="well"))
    row = verdict(made, gate)
    if "~" in gate:  # whether B is there is not known
        assert row["safety_class"] in ("over cap", "unknown")
        assert is_told(row, "spinal cord")
        return
    assert (row["safety_class"], row["tissues_broken"]) == ("over cap", "spinal cord")
    assert row["liability"] > 0.8


@pytest.mark.parametrize("count", [1, 20, 50, 1000])
def test_power_of_any_count_is_a_number(count: int) -> None:
    ill = atlas(tumor(cells([count] * 3), depth=5e3), symbols=SYMBOLS, name="ill")
    made = panel(ill, atlas(normal(ALL, cells(NONE), depth=5e3), symbols=SYMBOLS, name="well"))
    assert ((made.power > 0) & (made.power <= 1)).all()


def test_depth_earns_no_harm_where_cells_are_deep_and_empty() -> None:
    rng = np.random.default_rng(2)
    ill = [Block("", f"p{i}", rng.poisson(3.0, (100, 3)).astype(float), depth=1e4) for i in range(6)]
    well = normal(ALL, cells(NONE, 100), depth=1e4)
    made = panel(atlas(ill, symbols=SYMBOLS, name="ill"), atlas(well, symbols=SYMBOLS, name="well"))
    assert verdict(made, "A")["safety_class"] == "within caps"


def test_no_class_above_unsafe_with_a_window_below_zero() -> None:
    ill = atlas(tumor([[30.0, 30.0, 0.0]], patients=10), symbols=SYMBOLS, kind="samples", name="ill")
    well = normal(ALL, [NONE], donors=57) + [Block(t, f"h{i}", np.array([[9.9, 0, 0]])) for t in ALL for i in range(3)]
    made = panel(ill, atlas(well, symbols=SYMBOLS, kind="samples", name="well"))
    assert verdict(made, "A")["safety_class"] == "within caps"
    below = panel(
        atlas(tumor([[9.0, 30.0, 0.0]], patients=10), symbols=SYMBOLS, kind="samples", name="ill"),
        atlas(normal(ALL, [[9.9, 0, 0]], donors=60), symbols=SYMBOLS, kind="samples", name="well"),
    )
    row = verdict(below, "A")
    assert row["window"] < 0
    assert row["safety_class"] == "over cap"


# ---- two public reports --------------------------------------------------------------------------------------------


def test_a_bulk_and_that_no_cell_has_is_explained_by_the_cells() -> None:
    apart = [Block(t, f"d{i}", np.vstack([cells([1, 0, 0], 30), cells([0, 1, 0], 30)]), depth=5e3)
             for t in ALL for i in range(6)]  # fmt: skip
    bulk = atlas(normal(ALL, [[50.0, 50.0, 0.0]], donors=25), symbols=SYMBOLS, kind="samples", name="bulk")
    assert verdict(panel(DEEP, bulk), "A & B")["safety_class"] == "over cap"
    row = verdict(panel(DEEP, bulk, atlas(apart, symbols=SYMBOLS, name="apart")), "A & B")
    assert row["safety_class"] == "within caps"
    assert row["liability"] < 0.05
    unseen = atlas(normal(ALL, cells([1, 0, 0]), depth=5e3), symbols=SYMBOLS, name="unseen")
    row = verdict(panel(DEEP, bulk, unseen), "A & B")
    assert row["safety_class"] == "over cap", "the cells that carry B were not captured: the bulk bound stays"


@pytest.mark.parametrize(("place", "share", "liability"), [("breast", 1.0, 0.09), ("skin", 0.15, 0.07)])
def test_bulk_that_no_cell_explains_stays_also_below_the_cap(place: str, share: float, liability: float) -> None:
    """Within the cap nothing breaks, but the liability may not fall to that of cells that do not show the antigens."""
    rows = [Block(place, f"d{i}", np.array([[50.0, 50.0, 0.0]]) * (i < 40 * share)) for i in range(40)]
    bulk = atlas(rows, symbols=SYMBOLS, kind="samples", name="bulk")
    empty = atlas(normal([place], cells(NONE)), symbols=SYMBOLS, name="empty")
    assert verdict(panel(TUMOR, CLEAN_BUT_SKIN, bulk, empty), "A & B")["liability"] > liability
