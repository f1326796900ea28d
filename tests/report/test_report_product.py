"""The product behind an idea: what can build it, in which order, how it fails; parts are drawn where they are there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest

from cartarget.contracts import TABLES, read_table, write_table
from cartarget.dictionary import Column
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
    assert "Who is missed" not in text, "no table tells it"
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


def test_other_parts_are_drawn_where_a_run_has_them(
    run: Path, primed: pd.Series, tmp_path: Path, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Column("gate", "text", "Gate", "The gate", nullable=False)
    missed = (gate, Column("place", "text", "Carries", "What they carry"), Column("share", "fraction", "Left", "Left"))
    monkeypatch.setitem(TABLES, "escape", missed)
    monkeypatch.setitem(TABLES, "panel", (Column("n_products", "count", "Products", "Products"),))
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    table = pd.DataFrame({"gate": [primed["gate"]] * 14 + ["not an idea"], "place": HOSTILE, "share": 0.25})
    write_table("escape", table, folder / "escape")
    write_table("panel", pd.DataFrame({"n_products": [3]}), folder / "panel")
    page = visit(render_report(folder), address(primed["gate"]))
    page.wait_for_selector("html[data-evidence=yes]")
    parts = page.locator("#card .product-part")
    assert parts.locator("h4").all_inner_texts() == ["Who is missed", "Panel of products"]
    assert parts.first.locator("th").all_inner_texts() == ["Carries", "Left"]
    assert parts.first.locator("tbody tr").count() == 12
    assert parts.first.locator("td").first.inner_text() == HOSTILE
    assert "2 more rows in escape.tsv." in parts.first.inner_text()
    assert parts.last.locator("td").all_inner_texts() == ["3"]


def test_parts_are_read_for_the_ideas_alone(run: Path) -> None:
    table = read_table("hardware", run / "hardware.parquet")
    one = table["gate"].iloc[0]
    found = read_product(run, gates=[one])
    assert {row["gate"] for row in found["hardware"]} == {one}
    assert [row["prime"] for row in found["hardware"]] == [
        None if pd.isna(x) else x for x in table.loc[table["gate"] == one, "prime"]
    ]
    assert [column["name"] for column in found["columns"]["hardware"]] == [column.name for column in TABLES["hardware"]]
