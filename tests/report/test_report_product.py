"""The product behind an idea: what can build it, in which order, how it fails; parts are drawn where they are there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest

from cartarget.contracts import read_table, write_table
from cartarget.report.product import read_product
from cartarget.report.render import render_report

HOSTILE = "<img src=x onerror=alert(1)>"
Visit = Callable[..., Any]


def address(gate: str) -> str:
    return f"#gate={quote(gate, safe='')}"


@pytest.fixture
def primed(run: Path) -> pd.Series:
    """The first row of the run that primes."""
    table = read_table("hardware", run / "hardware.parquet")
    return table[table["prime"].notna()].iloc[0]


def test_the_card_of_an_idea_says_what_can_build_it(
    run: Path, primed: pd.Series, counted_report: Path, visit: Visit
) -> None:
    rows = read_table("hardware", run / "hardware.parquet")
    rows = rows[rows["gate"] == primed["gate"]]
    page = visit(counted_report, address(primed["gate"]))
    page.wait_for_selector("html[data-evidence=yes]")
    product = page.locator("#card .about-product")
    lines = product.locator("table.product tbody tr")
    assert [line.split("\n")[0].split("\t")[0] for line in lines.all_inner_texts()] == rows["hardware"].tolist()
    for line, row in zip(lines.all_inner_texts(), rows.to_dict("records"), strict=True):
        assert row["exposure"] in line and row["safety_class"] in line
        assert f"{row['liability']:.2f}" in line and row["liability_population"] in line
    order = product.locator(".product-order").inner_text()
    assert primed["order_reason"] in order and f"{primed['prime']} first, then {primed['kill']}: " in order
    assert f"prime {primed['prime']}, kill {primed['kill']}" in product.locator("table.product").inner_text()
    text = product.inner_text()
    assert all(row.failure in text for row in rows.itertuples())
    links = product.locator("a").evaluate_all("(links) => links.map((link) => link.href)")
    assert links == [f"https://doi.org/{source.removeprefix('doi:')}" for source in rows["source"]]
    assert "To build" not in page.locator("#card .about-what-to-mind").inner_text(), "told once"
    page.locator("#argue-open").evaluate("(button) => button.click()")
    page.wait_for_selector("html[data-argued]")
    page.locator("#argue .chip").first.evaluate("(chip) => chip.click()")
    page.wait_for_selector("html[data-argued='2']")
    assert "As in the run: not argued." in product.inner_text()


def test_a_gate_that_is_no_idea_has_no_product(run: Path, counted_report: Path, visit: Visit) -> None:
    ideas = set(read_table("hardware", run / "hardware.parquet")["gate"])
    gates = read_table("gates", run / "gates.parquet")
    other = gates.loc[~gates["gate"].isin(ideas) & (gates["n_antigens"] == 2), "gate"].iloc[0]
    page = visit(counted_report, address(other))
    page.wait_for_selector("html[data-evidence=yes]")
    assert page.locator("#card .about-product").count() == 0
    assert "To build" in page.locator("#card .about-what-to-mind").inner_text()


def test_who_is_missed_who_is_at_risk_and_the_panel_are_told_where_a_run_has_them(
    run: Path, primed: pd.Series, tmp_path: Path, visit: Visit
) -> None:
    gate, folder = primed["gate"], tmp_path / "run"
    shutil.copytree(run, folder)
    whole = {"evidence": "cells", "left_lower": 0.1, "left_upper": 0.3, "hard_to_lose": "unknown"}
    patients = pd.DataFrame(
        {"gate": gate, "patient": ["all", *(f"patient {i}" for i in range(14))], "left": 0.2, **whole}
    ).assign(carried=HOSTILE, second_gate="C", second_catches=0.75, left_both=0.05, residual=0.24)
    write_table("escape", patients, folder / "escape")
    place = {"gate": gate, "is_required": True, "is_origin": False, "n_donors": 30, "cap": 0.05}
    heart = {"population": "heart: cardiomyocyte", "tissue": "heart", "measured": "yes", "people_over_cap": 1}
    heart |= {"share_lower": 0.004, "share_upper": 0.145, "donor_worst": 0.9, "in_common": HOSTILE}
    liver = {"population": "liver", "tissue": "liver", "measured": "yes", "people_over_cap": 0, "share_upper": 0.08}
    brain = {"population": "brain", "tissue": "brain", "measured": "unknown", "n_donors": 0, "share_upper": 1.0}
    people = pd.DataFrame([place | one for one in (heart, liver, brain)])
    write_table("people", people, folder / "people")
    curve = {"question": "most patients", "scope": "not over cap", "n_products": 1, "products": gate, "n_patients": 9}
    curve |= {"n_served": 6, "share_served": 2 / 3, "status": "optimal", "gap": 0.0, "patients": "x 6 of 9"}
    (folder / "panel").mkdir()
    write_table("panel", pd.DataFrame([curve]), folder / "panel" / "panel")
    page = visit(render_report(folder), address(gate))
    page.wait_for_selector("html[data-evidence=yes]")
    parts = page.locator("#card .product-part")
    assert parts.locator("h4").all_inner_texts() == ["Who is missed", "Who is at risk", "Panel of products"]
    missed, risk, panel = (parts.nth(i).inner_text() for i in range(3))
    assert "It leaves 20 % of the malignant cells on average (10 % to 30 %)." in missed and HOSTILE in missed
    assert "catches most of them and breaks no cap is C: it takes 75 % of them and leaves 5 % of the tumour." in missed
    parts.first.locator("summary").click()
    assert parts.first.locator("tbody tr").count() == 12 and "2 more rows in escape.tsv." in parts.first.inner_text()
    assert "Of 2 places outside the origin with donors, somebody is over the cap in 1." in risk and HOSTILE in risk
    assert "No donor tells of brain" in risk and "1 of 30" in risk and "up to 8 % of people could be" in risk
    assert "6 of 9" in panel and gate in panel


def test_tumours_in_bulk_alone_leave_what_nobody_knows(
    run: Path, primed: pd.Series, tmp_path: Path, visit: Visit
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    one = {"gate": primed["gate"], "patient": "all", "evidence": "samples", "left_lower": 0.0, "left_upper": 1.0}
    write_table("escape", pd.DataFrame([{**one, "note": "bulk"}]), folder / "escape")
    page = visit(render_report(folder), address(primed["gate"]))
    page.wait_for_selector("html[data-evidence=yes]")
    text = page.locator("#card .product-part").first.inner_text()
    assert "Not known: no malignant cells were counted of these patients (bulk)." in text


def test_parts_are_read_for_the_ideas_alone(run: Path) -> None:
    table = read_table("hardware", run / "hardware.parquet")
    one = table["gate"].iloc[0]
    found = read_product(run, gates=[one])
    assert {row["gate"] for row in found["hardware"]} == {one}
    assert [row["prime"] for row in found["hardware"]] == [
        None if pd.isna(x) else x for x in table.loc[table["gate"] == one, "prime"]
    ]
