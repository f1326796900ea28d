"""The rules of evidence, each on a panel small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from cartarget.contracts import conform
from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.beside import rare_unmeasured
from cartarget.selection.screen import expose, score_gates
from tests.panels import ORIGIN, REQUIRED, observations, protein, summary

SYMBOLS = ["A", "B"]


def samples(*rows):
    """Samples × genes at 20 CPM (1) or 0 CPM (0)."""
    return np.array(rows, dtype=float) * 20


def one_each(values):
    """One sample a donor."""
    return {f"d{i}": values[i : i + 1] for i in range(len(values))}


CLEAN = {t: one_each(samples(*[[0, 0]] * 25)) for t in ("heart", "lung", "colon", "spinal cord", "skin", "breast")}
TUMOR = {f"p{i}": samples([1, 1]) for i in range(10)}


def panel(normal=CLEAN, *, tumor=TUMOR, kind="samples", unmeasured=None, **evidence):
    adata = observations(kind, tumor, normal, symbols=SYMBOLS, unmeasured=unmeasured)
    return build_panel(adata, symbols=SYMBOLS, required=REQUIRED, origin=ORIGIN, **evidence)


def verdict(made, gate):
    return score_gates(made, gates=Gates.parse([gate], panel=made)).iloc[0]


def with_tissue(tissue, values):
    return CLEAN | {tissue: one_each(values)}


def test_clean_everywhere_is_safe():
    row = verdict(panel(), "A & B")
    assert row["safety_class"] == "within caps"
    assert row["is_safety_known"]
    assert row["coverage"] == 1


def test_liability_is_the_posterior_median_times_the_weight():
    hit = samples(*[[1, 0]] * 3, *[[0, 0]] * 22)
    row = verdict(panel(with_tissue("lung", hit)), "A")
    assert row["liability"] == pytest.approx(beta(3.5, 22.5).median())
    assert row["liability_upper"] == pytest.approx(beta(3.5, 22.5).ppf(0.95))
    assert row["liability_population"] == "lung"
    assert row["selectivity"] == pytest.approx(1 - beta(3.5, 22.5).median())
    assert (row["safety_class"], row["tissues_broken"]) == ("over cap", "lung")


def test_no_positive_donor_is_not_zero():
    assert verdict(panel(), "A")["liability"] == pytest.approx(beta(0.5, 25.5).median())


def test_important_and_tolerable_tissue_weigh_less_and_have_wider_caps():
    hit = samples(*[[1, 0]] * 3, *[[0, 0]] * 22)
    assert verdict(panel(with_tissue("skin", hit)), "A")["safety_class"] == "within caps"
    row = verdict(panel(with_tissue("breast", samples(*[[1, 0]] * 25))), "A")
    assert row["safety_class"] == "within caps"
    assert row["liability"] == pytest.approx(0.1 * beta(25.5, 0.5).median())


def test_only_the_origin_broken_is_origin_only_and_judged_apart():
    row = verdict(panel(with_tissue("colon", samples(*[[1, 0]] * 25))), "A")
    assert row["safety_class"] == "origin only"
    assert row["liability"] < 0.05 < row["liability_origin"]
    assert row["liability_origin_population"] == "colon"
    assert row["selectivity_origin"] == pytest.approx(1 - row["liability_origin"])


def test_required_tissue_without_a_measurement_is_unknown_never_safe():
    without_heart = {name: donors for name, donors in CLEAN.items() if name != "heart"}
    row = verdict(panel(without_heart), "A")
    assert (row["safety_class"], row["tissues_unmeasured"]) == ("unknown", "heart")
    assert not row["is_safety_known"]
    assert row["liability"] < 0.05, "unmeasured tissue adds nothing to the point estimate"
    assert (row["liability_upper"], row["liability_upper_population"]) == (1, "heart")
    assert row["liability_origin_upper"] < 0.1


def test_required_tissue_of_which_no_atlas_knows_anything_is_unknown():
    row = verdict(panel({"breast": CLEAN["breast"]}), "A | B")
    assert (row["safety_class"], row["tissues_unmeasured"]) == ("unknown", "colon, heart, lung")


def test_fewer_than_five_donors_do_not_measure_a_required_tissue_but_a_summary_does():
    few = CLEAN | {"heart": one_each(samples(*[[0, 0]] * 4))}
    assert verdict(panel(few), "A")["safety_class"] == "unknown"
    below = summary({"heart": [0.0, 0.0]}, symbols=SYMBOLS)
    assert verdict(panel(few, summaries=[below]), "A")["safety_class"] == "within caps"


def test_an_absent_member_makes_and_safe_whatever_the_unmeasured_other_is():
    made = panel(unmeasured={"heart": ["B"]})
    assert verdict(made, "A & B")["safety_class"] == "within caps"
    assert verdict(made, "B")["safety_class"] == "unknown"
    assert verdict(made, "A | B")["safety_class"] == "unknown"


def test_a_present_member_with_an_unmeasured_partner_is_unknown():
    made = panel(with_tissue("heart", samples(*[[1, 0]] * 25)), unmeasured={"heart": ["B"]})
    row = verdict(made, "A & B")
    assert (row["safety_class"], row["tissues_unresolved"]) == ("unknown", "heart")
    assert (row["liability_upper"], row["liability_upper_population"]) == (1, "heart")


def test_an_unmeasured_partner_leaves_an_and_below_the_measured_member():
    hit = samples(*[[1, 0]] * 3, *[[0, 0]] * 22)
    made = panel(with_tissue("skin", hit), unmeasured={"skin": ["B"]})
    row = verdict(made, "A & B")
    assert row["safety_class"] == "within caps"
    assert row["liability_upper"] == pytest.approx(max(0.5 * beta(3.5, 22.5).ppf(0.95), beta(0.5, 25.5).ppf(0.95)))


@pytest.mark.parametrize("tissue", ["skin", "heart"])
def test_an_or_of_which_one_member_is_unmeasured_is_bounded_from_below_only(tissue):
    hit = samples(*[[1, 0]] * 1, *[[0, 0]] * 24)
    made = panel(with_tissue(tissue, hit), unmeasured={tissue: ["B"]})
    rows = expose(made, gates=Gates.parse(["A | B"], panel=made)).set_index("population")
    row = rows.loc[tissue]
    assert np.isnan(row["fraction"]), "half a count is no fraction"
    assert (row["fraction_lower"], row["fraction_upper"]) == (pytest.approx(beta(1.5, 24.5).ppf(0.025)), 1)
    verdict_ = verdict(made, "A | B")
    assert verdict_["safety_class"] == ("within caps" if tissue == "skin" else "unknown")
    assert verdict_["liability_upper"] == (1 if tissue == "heart" else pytest.approx(beta(0.5, 25.5).ppf(0.95)))
    broken = panel(with_tissue(tissue, samples(*[[1, 0]] * 25)), unmeasured={tissue: ["B"]})
    assert verdict(broken, "A | B")["tissues_broken"] == tissue, "what A alone hits is hit"


def test_a_handful_of_cells_does_not_measure_a_required_tissue():
    """Five donors of five cells in all: no cell is hit, and nothing is known."""
    many = {f"d{i}": np.zeros((10, 2)) for i in range(6)}
    few = {f"d{i}": np.zeros((1, 2)) for i in range(5)}
    tumor = {f"p{i}": np.ones((10, 2)) for i in range(6)}
    row = verdict(panel(dict.fromkeys(CLEAN, many), tumor=tumor, kind="cells"), "A")
    assert row["safety_class"] == "within caps"
    row = verdict(panel(dict.fromkeys(CLEAN, many) | {"heart": few}, tumor=tumor, kind="cells"), "A")
    assert (row["safety_class"], row["tissues_unmeasured"]) == ("unknown", "heart")


def test_bulk_blocker_earns_no_credit_and_the_naive_value_is_only_printed():
    stroma = samples(*[[1, 1]] * 25)
    made = panel(with_tissue("lung", stroma), tumor={f"p{i}": samples([1, 0]) for i in range(10)})
    row = verdict(made, "A & ~B")
    assert row["safety_class"] == "over cap"
    assert row["liability"] == pytest.approx(beta(25.5, 0.5).median())
    assert row["liability_naive"] == pytest.approx(beta(0.5, 25.5).median())


def test_a_blocker_in_cells_is_credited_inside_the_cell():
    cells = {f"d{i}": np.array([[1.0, 1.0]] * 10) for i in range(8)}
    clean = {f"d{i}": np.zeros((10, 2)) for i in range(8)}
    normal = {t: (cells if t == "lung" else clean) for t in CLEAN}
    tumor = {f"p{i}": np.array([[1.0, 0.0]] * 10) for i in range(6)}
    made = panel(normal, tumor=tumor, kind="cells")
    assert verdict(made, "A")["safety_class"] == "over cap"
    assert verdict(made, "A & ~B")["safety_class"] == "within caps"
    assert verdict(made, "A & ~B")["coverage_p10"] == 1


def test_summary_at_the_level_exposes_a_single_and_leaves_a_pair_unresolved():
    both = summary({"heart": [10.0, 30.0], "lung": [0.0, 0.0]}, symbols=SYMBOLS)
    made = panel(summaries=[both])
    single, pair, either = (verdict(made, gate) for gate in ("A", "A & B", "A | B"))
    assert (single["safety_class"], single["liability"]) == ("over cap", 1.0)
    assert (pair["safety_class"], pair["tissues_unresolved"]) == ("unknown", "heart")
    assert pair["liability"] < 0.05 < pair["liability_upper"] == 1
    assert either["safety_class"] == "over cap"
    one = summary({"heart": [10.0, 9.9]}, symbols=SYMBOLS)
    assert verdict(panel(summaries=[one]), "A & B")["safety_class"] == "within caps"


def test_unresolved_in_important_tissue_is_named_and_unknown():
    row = verdict(panel(summaries=[summary({"skin": [30.0, 30.0]}, symbols=SYMBOLS)]), "A & B")
    assert (row["safety_class"], row["tissues_unresolved"]) == ("unknown", "skin")


def test_unresolved_in_tolerable_tissue_is_no_doubt():
    row = verdict(panel(summaries=[summary({"breast": [30.0, 30.0]}, symbols=SYMBOLS)]), "A & B")
    assert (row["safety_class"], row["tissues_unresolved"]) == ("within caps", "")


def test_unresolved_in_vital_tissue_that_is_not_required_is_unknown():
    row = verdict(panel(summaries=[summary({"spinal cord": [15.0, 15.0]}, symbols=SYMBOLS)]), "A & B")
    assert row["safety_class"] == "unknown"


def test_what_stands_higher_in_vital_tissue_than_in_the_tumour_is_unsafe():
    row = verdict(panel(summaries=[summary({"spinal cord": [30.0, 30.0]}, symbols=SYMBOLS)]), "A & B")
    assert row["window"] < 0
    assert row["safety_class"] == "over cap"


@pytest.mark.parametrize(
    ("reliability", "membrane", "stain", "kind"),
    [
        (3.0, True, 2.0, "over cap"),
        (2.0, True, 3.0, "over cap"),
        (1.0, True, 3.0, "within caps"),
        (3.0, False, 3.0, "within caps"),
        (3.0, True, 1.0, "within caps"),
    ],
)
def test_protein_vetoes_only_reliable_membrane_staining_at_the_level(reliability, membrane, stain, kind):
    stained = protein({"heart": [stain, 0.0]}, symbols=SYMBOLS, reliability=reliability, membrane=membrane)
    row = verdict(panel(proteins=[stained]), "A")
    assert row["safety_class"] == kind
    assert row["protein_veto"] == ("heart" if kind == "over cap" else "")
    assert row["protein_flag"] == ("heart" if kind == "within caps" and stain >= 2 else "")


def test_protein_of_both_members_leaves_and_unresolved_not_unsafe():
    row = verdict(panel(proteins=[protein({"heart": [3.0, 3.0]}, symbols=SYMBOLS)]), "A & B")
    assert (row["safety_class"], row["tissues_unresolved"]) == ("unknown", "heart")


def test_an_antigen_without_an_antibody_wins_nothing_unless_rna_shows_it_absent():
    missing = protein({"heart": [3.0, np.nan]}, symbols=SYMBOLS)
    assert verdict(panel(proteins=[missing]), "A & B")["safety_class"] == "within caps", "25 hearts show B absent"
    without_heart = {name: donors for name, donors in CLEAN.items() if name != "heart"}
    row = verdict(panel(without_heart, proteins=[missing]), "A & B")
    assert row["safety_class"] == "unknown"
    assert "heart" in row["tissues_unresolved"]


def test_a_thin_population_is_not_condemned_by_its_width_but_by_what_is_seen():
    few = {f"d{i}": samples([0, 0]) for i in range(6)}
    assert beta(0.5, 6.5).ppf(0.95) > 0.2
    made = panel(CLEAN | {"lung": few})
    assert verdict(made, "A")["safety_class"] == "within caps"
    assert verdict(made, "A")["liability_population"] != "lung"
    hit = few | {"d0": samples([1, 0])}
    row = verdict(panel(CLEAN | {"lung": hit}), "A")
    assert (row["safety_class"], row["tissues_broken"]) == ("over cap", "lung")
    assert row["liability_population"] != "lung", "thin populations decide no liability"


def test_exposure_rows_say_what_is_known():
    made = panel(
        {"lung": CLEAN["lung"], "breast": CLEAN["breast"]},
        unmeasured={"breast": ["A"]},
        summaries=[summary({"heart": [50.0, np.nan]}, symbols=SYMBOLS)],
        proteins=[protein({"colon": [0.0, np.nan]}, symbols=SYMBOLS)],
    )
    rows = conform("exposure", expose(made, gates=Gates.parse(["A", "B", "A & B"], panel=made)))
    table = rows.set_index(["gate", "population", "evidence"])
    lung = table.loc[("A", "lung", "samples")]
    assert (lung["n_positive"], lung["n_donors"], lung["fraction_lower"]) == (0, 25, 0)
    assert lung["fraction"] == pytest.approx(beta(0.5, 25.5).median())
    for place in [("A", "breast", "samples"), ("B", "heart", "summary"), ("B", "colon", "protein")]:
        row = table.loc[place]
        assert not row["is_measured"]
        assert (row["fraction_lower"], row["fraction_upper"]) == (0, 1)
        assert np.isnan(row["fraction"])
    assert table.loc[("A", "heart", "summary"), ["fraction_lower", "fraction_upper"]].tolist() == [0, 1]
    assert table.loc[("A", "colon", "protein"), "fraction_upper"] == 0
    assert table.loc[("A & B", "tumor", "samples"), "fraction"] == 1
    assert len(rows) == 3 * 5


def test_rare_vital_tissue_is_named_for_each_gate_that_it_does_not_vouch_for():
    made = panel(unmeasured={"spinal cord": ["B"]})
    gates = Gates.parse(["A", "B", "A & B", "A & ~B"], panel=made)
    rare = ["spinal cord", "pituitary gland"]
    found = rare_unmeasured(made, gates, rare=rare)
    both = "pituitary gland, spinal cord"
    assert found == ["pituitary gland", both, both, "pituitary gland"]
    table = {"spinal cord": [0.0, 0.0]}
    made = panel(unmeasured={"spinal cord": ["B"]}, summaries=[summary(table, symbols=SYMBOLS)])
    assert rare_unmeasured(made, gates, rare=rare) == ["pituitary gland"] * 4


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_what_is_safe_with_holes_is_safe_whatever_fills_them(kind):
    """Draw a full truth, hide some of it, and hold what is called safe against the truth."""
    gates = ["A", "B", "A & B", "A | B", "A & ~B", "B & ~A"]
    called_safe = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        here, there = ["heart", "colon", "skin"], ["lung", "spinal cord"]
        share = {t: rng.choice([0.0, 0.0, 0.6], size=2) for t in here}
        normal = {
            t: {f"d{i}": 20.0 * (rng.random((30 if kind == "cells" else 1, 2)) < share[t]) for i in range(25)}
            for t in here
        }
        levels = {t: rng.choice([0.0, 0.0, 50.0], size=2) for t in there}
        hidden = {t: [s for s in SYMBOLS if rng.random() < 0.3] for t in here}
        seen = {t: np.where(rng.random(2) < 0.3, np.nan, level).tolist() for t, level in levels.items()}
        tumor = {f"p{i}": np.full((3, 2), 20.0) for i in range(6)}
        made = panel(normal, tumor=tumor, kind=kind, unmeasured=hidden, summaries=[summary(seen, symbols=SYMBOLS)])
        truth = panel(
            normal,
            tumor=tumor,
            kind=kind,
            summaries=[summary({t: list(v) for t, v in levels.items()}, symbols=SYMBOLS)],
        )
        told, real = (score_gates(one, gates=Gates.parse(gates, panel=one)) for one in (made, truth))
        safe = told["safety_class"] == "within caps"
        called_safe += int(safe.sum())
        for broken, unresolved in real.loc[safe, ["tissues_broken", "tissues_unresolved"]].itertuples(index=False):
            assert not {*broken.split(", "), *unresolved.split(", ")} & set(REQUIRED), seed
    assert called_safe > 10


def test_a_required_tissue_that_few_donors_measured_is_named():
    few = CLEAN | {"heart": one_each(samples(*[[0, 0]] * 8)), "skin": one_each(samples(*[[0, 0]] * 8))}
    made = panel(few)
    assert verdict(made, "A")["safety_class"] == "within caps"
    assert [verdict(made, gate)["tissues_thin"] for gate in ("A", "A & B", "A & ~B")] == ["heart"] * 3
    known = panel(few, summaries=[summary({"heart": [0.0, np.nan]}, symbols=SYMBOLS)])
    assert [verdict(known, gate)["tissues_thin"] for gate in ("A", "B", "A & B", "A & ~B")] == [
        "",
        "heart",
        "heart",
        "",
    ]
    assert verdict(panel(), "A")["tissues_thin"] == ""
