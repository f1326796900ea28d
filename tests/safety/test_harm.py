"""Harm on record in an organ that nothing measured, and what was seen in the place that is worst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.beside import harm_unmeasured
from cartarget.selection.screen import score_gates
from tests.panels import REQUIRED, observations, summary

EVENTS = pd.DataFrame(
    {
        "symbol": ["A", "A", "B", "C"],
        "organ": ["bile duct", "heart", "bile duct", "bile duct"],
        "severity": ["severe", "fatal", "moderate", "fatal"],
    }
)


def clean() -> Panel:
    """A, B and C are on every tumour and nowhere else; no bile duct was measured."""
    normal = {name: {f"{name}{i}": np.zeros((1, 3)) for i in range(25)} for name in ("heart", "lung", "colon")}
    adata = observations("samples", {f"p{i}": np.full((1, 3), 30.0) for i in range(25)}, normal, symbols=list("ABC"))
    return build_panel(adata, symbols=list("ABC"), required=REQUIRED)


def classes(panel: Panel, *gates: str) -> list[str]:
    return score_gates(panel, gates=Gates.parse(list(gates), panel=panel))["safety_class"].tolist()


def test_severe_and_fatal_harm_counts_where_nothing_measured_the_organ() -> None:
    assert harm_unmeasured(clean(), EVENTS) == {"A": "bile duct", "C": "bile duct"}


def test_a_gate_that_senses_the_antigen_is_unknown_at_best() -> None:
    panel = clean()
    gates = ("A", "B", "A & B", "A | B", "B & ~A", "B & ~C")
    assert set(classes(panel, *gates)) == {"safe"}
    harmed = replace(panel, harmed=harm_unmeasured(panel, EVENTS))
    assert classes(harmed, *gates) == ["unknown", "safe", "unknown", "unknown", "safe", "safe"]
    table = score_gates(harmed, gates=Gates.parse(list(gates), panel=harmed))
    assert table["harm_unmeasured"].tolist() == ["A: bile duct", "", "A: bile duct", "A: bile duct", "", ""]
    assert table["is_safety_known"].tolist() == [False, True, False, False, True, True]


def test_what_is_unsafe_stays_unsafe() -> None:
    panel = clean()
    hot = {name: {f"{name}{i}": np.full((1, 3), 30.0) for i in range(25)} for name in ("heart", "lung", "colon")}
    adata = observations("samples", {f"p{i}": np.full((1, 3), 30.0) for i in range(25)}, hot, symbols=list("ABC"))
    panel = replace(build_panel(adata, symbols=list("ABC"), required=REQUIRED), harmed={"A": "bile duct"})
    assert classes(panel, "A") == ["unsafe"]


def test_an_organ_that_a_summary_measured_is_judged_by_it() -> None:
    adata = observations(
        "samples",
        {f"p{i}": np.full((1, 3), 30.0) for i in range(25)},
        {name: {f"{name}{i}": np.zeros((1, 3)) for i in range(25)} for name in ("heart", "lung", "colon")},
        symbols=list("ABC"),
    )
    told = summary({"skin": [0.0, 0.0, np.nan]}, symbols=list("ABC"))
    panel = build_panel(adata, symbols=list("ABC"), required=REQUIRED, summaries=[told])
    assert harm_unmeasured(panel, EVENTS.replace("bile duct", "skin")) == {"C": "skin"}


def test_a_narrower_panel_keeps_what_it_holds() -> None:
    panel = replace(clean(), harmed={"A": "bile duct"}).take(["B", "C"])
    assert score_gates(panel, gates=Gates.singles(2))["harm_unmeasured"].tolist() == ["", ""]


def test_a_worst_place_without_a_positive_donor_says_that_none_was_seen() -> None:
    tumor = {f"p{i}": np.full((1, 2), 30.0) for i in range(25)}
    normal = {name: {f"{name}{i}": np.zeros((1, 2)) for i in range(25)} for name in ("heart", "lung", "colon")}
    normal["lung"]["lung0"] = np.array([[0.0, 30.0]])
    adata = observations("samples", tumor, normal, symbols=["A", "B"])
    told = summary({"skin": [99.0, 0.0]}, symbols=["A", "B"])
    bulk = build_panel(adata, symbols=["A", "B"], required=REQUIRED)
    table = score_gates(bulk, gates=Gates.singles(2))
    assert table["liability_n_positive"].tolist() == [0, 1]
    assert table["liability_population"].iloc[1] == "lung"
    with_skin = build_panel(adata, symbols=["A", "B"], required=REQUIRED, summaries=[told])
    seen = score_gates(with_skin, gates=Gates.singles(2))
    assert seen["liability_population"].iloc[0].startswith("skin")
    assert seen["liability_n_positive"].isna().tolist() == [True, False], "a summary tells of no donors"
