"""Controls of a run: who must lead, who must not, and the sentence on top when they fail."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import cartarget
from cartarget.selection.controls import control_report, leading, run_fails
from cartarget.selection.null import random_pairs
from cartarget.selection.screen import screen_antigens, screen_gates
from tests.selection.test_null import spread_panel

ROOT = Path(__file__).resolve().parents[2]


def antigens(order: list[str], *, control: dict[str, str] | None = None, eligible: bool = True) -> pd.DataFrame:
    kinds = control or {}
    frame = pd.DataFrame({"symbol": order, "is_eligible": eligible, "safety_class": "over cap", "coverage": 0.9})
    frame["tissues_broken"] = "lung"
    frame["control"] = frame["symbol"].map(kinds).fillna("")
    competes = ~frame["control"].isin(["housekeeping", "intracellular"])
    frame["rank"] = competes.cumsum().where(competes).astype("Int64")
    return frame


def gates(order: list[str], *, unranked: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = pd.DataFrame({"gate": order})
    competes = ~frame["gate"].isin(unranked)
    frame["rank"] = competes.cumsum().where(competes).astype("Int64")
    return frame


def kinds(**of: str) -> pd.DataFrame:
    return pd.DataFrame({"symbol": list(of), "kind": list(of.values())})


def test_a_housekeeping_gene_that_leads_fails_the_run() -> None:
    control = {"ACTB": "housekeeping", "KRT8": "intracellular"}
    table = antigens(["ACTB", *"ABCDEFGH", "KRT8"], control=control)
    found = gates(["ACTB", *"ABCDEFGH", "KRT8"], unranked=("ACTB", "KRT8"))
    report = control_report(table, gates=found, controls=kinds(**control)).set_index("name")
    assert report.loc["ACTB", "rank"] == 1 and not report.loc["ACTB", "passed"]
    assert report.loc["KRT8", "rank"] == 9 and report.loc["KRT8", "passed"]
    sentence = run_fails(report.reset_index())
    assert "ACTB (housekeeping) would rank 1 of 8" in sentence and "KRT8" not in sentence


def test_a_gene_below_the_floor_leads_nothing() -> None:
    table = antigens(["ACTB", "A"], control={"ACTB": "housekeeping"}, eligible=False)
    report = control_report(table, gates=gates(["ACTB", "A"]), controls=kinds(ACTB="housekeeping"))
    assert report["passed"].tolist() == [True] and report["note"].tolist() == ["not eligible"]


def test_clinical_targets_at_the_bottom_fail_the_run_together() -> None:
    control = dict.fromkeys("XYZ", "clinical")
    bad = control_report(antigens([*"ABCDEF", *"XYZ"], control=control), gates=gates(["A"]), controls=kinds(**control))
    assert bad["percentile"].tolist() == pytest.approx([0.25, 0.125, 0.0, 0.125])
    assert "median percentile of 12" in run_fails(bad)
    good = control_report(antigens([*"XYZ", *"ABCDEF"], control=control), gates=gates(["A"]), controls=kinds(**control))
    assert run_fails(good) == ""
    assert good["rank"].tolist()[:3] == [1, 2, 3]


def test_two_clinical_targets_are_too_few_to_judge() -> None:
    control = dict.fromkeys("XY", "clinical")
    report = control_report(antigens(list("ABCXY"), control=control), gates=gates(["A"]), controls=kinds(**control))
    assert run_fails(report) == "" and "too few to judge" in report["note"].iloc[-1]


def test_an_absent_target_is_named_and_only_the_absence_of_all_fails() -> None:
    wanted = kinds(X="clinical", GONE="clinical", HK="housekeeping")
    report = control_report(
        antigens(list("XAB"), control={"X": "clinical"}),
        gates=gates(["A"]),
        controls=wanted,
        absent={"GONE": "no vote"},
    ).set_index("name")
    assert report.loc["GONE", "note"] == "no vote" and not report.loc["GONE", "passed"]
    assert pd.isna(report.loc["HK", "passed"])
    assert run_fails(report.reset_index()) == ""
    none = control_report(antigens(list("AB")), gates=gates(["A"]), controls=kinds(GONE="clinical"))
    assert "none of the 1 clinical targets is among the candidates" in run_fails(none)


def test_random_pairs_lead_where_the_ranking_is_chance_and_not_where_a_pair_is_planted() -> None:
    panel = spread_panel(planted=True)
    found = screen_gates(panel, candidates=panel.symbols, floor=0.3, top=2000, progress=False).table
    random = random_pairs(panel, candidates=panel.symbols, floor=0.3)
    table = screen_antigens(panel, floor=0.3)
    row = control_report(table, gates=found, controls=kinds(), random=random).iloc[-1]
    assert row["kind"] == "random pairs" and row["passed"] and row["rank"] > leading(found)
    worst_first = found[found["rank"].notna()][::-1].tail(0)
    empty = control_report(table, gates=worst_first, controls=kinds(), random=random)
    assert not empty["passed"].iloc[-1], "with nothing ranked, chance leads"
    assert "random pairs would rank among the first" in run_fails(empty)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_planted_pair_leads_and_the_decoy_is_rejected_where_it_hits_rare_cells(seed: int) -> None:
    """Smaller than the default design; benchmarks/selection.py asks the same of 200 seeds at full size."""
    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    atlas = cartarget.simulate_atlas(seed=seed, n_background=60, cells_per_population=16, cells_per_tumor=150)
    truth = atlas.uns["cartarget"]["truth"]
    atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon", "rectum"])
    names = list(atlas.var_names[atlas.var["role"].isin(["surface", "background"])])
    panel = cartarget.build_panel(atlas, symbols=names, required=tiers.required, origin=["colon", "rectum"])
    control = pd.DataFrame({"symbol": [truth["decoy"]], "kind": ["clinical"]})
    table = screen_gates(panel, candidates=names, top=50, controls=control, progress=False).table
    assert table["gate"].iloc[0] == truth["best_and"]
    decoy = table.set_index("gate").loc[truth["decoy"]]
    assert decoy["safety_class"] == "over cap" and "lung" in decoy["tissues_broken"].split(", ")
