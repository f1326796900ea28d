"""What the front page says follows from the tables and the summary."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from report_run import make_run

from cartarget.contracts import read_table
from cartarget.report.front import controls_by_kind, facts, funnel_stages, known_harm, tissues_in_order
from cartarget.report.render import read_summary


def test_a_step_that_counts_more_begins_a_new_stage() -> None:
    stages = funnel_stages(
        [
            {"step": "genes", "n": 100},
            {"step": "surface", "n": 10},
            {"step": "pairs", "n": 45},
            {"step": "good", "n": 0},
        ]
    )
    assert [[step["step"] for step in stage] for stage in stages] == [["genes", "surface"], ["pairs", "good"]]
    assert stages[0][0]["width"] == stages[1][0]["width"] == 100
    assert stages[1][1]["width"] == 0
    assert 0 < stages[0][1]["width"] < 100
    assert funnel_stages([]) == []
    assert funnel_stages([{"step": "nothing", "n": 0}])[0][0]["width"] == 0


def test_controls_by_kind_count_what_was_judged() -> None:
    (clinical, random) = controls_by_kind(
        [
            {"kind": "clinical", "name": "A", "rank": 1, "n_ranked": 10, "passed": True},
            {"kind": "clinical", "name": "B", "rank": 12, "n_ranked": 10, "passed": False},
            {"kind": "clinical", "name": "C", "passed": None},
            {"kind": "random", "name": "D"},
        ]
    )
    assert (clinical["judged"], clinical["passed"]) == (2, 1)
    assert [item["name"] for item in clinical["failed"]] == ["B"]
    assert [mark["x"] for mark in clinical["marks"]] == [10.8, 99], "behind the last rank stays in the picture"
    assert (random["judged"], random["marks"]) == (0, [])


def test_known_harm_is_counted_per_kind_of_evidence_and_says_where_nothing_is_seen() -> None:
    seen = {"symbol": "A", "organ": "lung", "rank": 2.5, "n_tissues": 9, "reason": ""}
    unseen = {"symbol": "B", "organ": "skin", "rank": None, "n_tissues": 0, "reason": "skin is not measured"}
    records = [row | {"evidence": kind} for kind in ("summary", "protein") for row in (unseen, seen)]
    harm = known_harm(records)
    assert [kind["evidence"] for kind in harm["kinds"]] == ["protein", "summary"]
    assert harm["kinds"][0] | {"evidence": ""} == {"evidence": "", "n": 2, "n_visible": 1, "found": [0, 1, 1, 1]}
    assert [(event["symbol"], [cell["place"] for cell in event["cells"]]) for event in harm["events"]] == [
        ("A", ["2.5 of 9"] * 2),
        ("B", [None] * 2),
    ]
    assert harm["events"][1]["cells"][0]["reason"] == "skin is not measured"
    assert known_harm([]) == {"kinds": [], "events": []}


def test_tissues_stand_vital_and_required_first() -> None:
    rows = tissues_in_order(
        [
            {"tissue": "skin", "tier": "important"},
            {"tissue": "bile duct", "tier": "vital"},
            {
                "tissue": "lung",
                "tier": "vital",
                "required": True,
                "measured_by": [{"evidence": "protein"}, {"evidence": "samples"}],
            },
            {"tissue": "odd"},
        ]
    )
    assert [row["tissue"] for row in rows] == ["lung", "bile duct", "skin", "odd"]
    assert [source["evidence"] for source in rows[0]["measured_by"]] == ["samples", "protein"]


def test_key_numbers_count_what_reaches_the_tumour(tmp_path: Path) -> None:
    run = make_run(tmp_path, n_antigens=30, n_gates=20)
    antigens, gates = (read_table(name, run / f"{name}.parquet") for name in ("antigens", "gates"))
    antigens.loc[0, "control"] = "housekeeping"
    numbers = facts(read_summary(run / "summary.json"), antigens, gates)
    mine = antigens[antigens["control"].fillna("") != "housekeeping"]
    assert numbers["antigens"] == 29
    assert sum(numbers["antigen_classes"].values()) == int(mine["is_eligible"].sum())
    assert numbers["gates"] == int(gates["rank"].notna().sum())
    assert (numbers["required"], numbers["required_measured"]) == (10, 10)
    assert [row["name"] for row in numbers["leaders"]] == antigens.sort_values("rank")["symbol"].head(8).tolist()


def test_an_empty_run_has_no_numbers() -> None:
    columns = [
        "symbol",
        "gate",
        "rank",
        "control",
        "is_eligible",
        "safety_class",
        "coverage",
        "liability",
        "liability_population",
        "n_patients",
    ]
    empty = pd.DataFrame({name: pd.Series(dtype="boolean" if name == "is_eligible" else "object") for name in columns})
    numbers = facts({"tissues": []}, empty, empty)
    assert (numbers["patients"], numbers["antigens"], numbers["required"]) == (0, 0, 0)
    assert numbers["leaders"] == []
