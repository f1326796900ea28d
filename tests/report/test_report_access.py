"""The page under axe-core: front page, card, argue mode, comparison and dossier, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cartarget.contracts import read_table

axe = pytest.importorskip("axe_playwright_python", reason="axe-core is absent (pip install axe-playwright-python)")
TAGS = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
RULES = f"{{ runOnly: {TAGS}, rules: {{ 'skip-link': {{ enabled: false }} }} }}"
"""Addresses of cards (#gate=…) are no anchors of the page, which the rule on skip links takes them for."""


def complaints(page: Any) -> list[str]:
    """What axe-core finds wrong, one line a rule with the first element."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate(f"async () => (await axe.run(document, {RULES})).violations")
    return [f"{one['id']} ×{len(one['nodes'])}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_page_and_argue_mode_are_accessible(
    counted_report: Path, visit: Callable[..., Any], scheme: str
) -> None:
    page = visit(counted_report, color_scheme=scheme)
    page.wait_for_selector("html[data-evidence=yes]")
    assert complaints(page) == []
    page.locator("#argue-open").click()
    page.wait_for_selector("html[data-argued]")
    page.locator("#argue .chip").first.click()
    page.wait_for_selector("html[data-argued='2']")
    assert complaints(page) == []


@pytest.mark.parametrize(
    ("address", "scheme"),
    [("gate", "light"), ("gate", "dark"), ("compare", "light"), ("compare", "dark"), ("dossier", "light")],
)
def test_cards_comparisons_and_the_dossier_are_accessible(
    counted_report: Path, run: Path, visit: Callable[..., Any], address: str, scheme: str
) -> None:
    gates = [gate.replace(" & ", "%20%26%20") for gate in read_table("gates", run / "gates.parquet")["gate"].head(2)]
    places = {"gate": f"#gate={gates[0]}", "compare": f"#compare={','.join(gates)}", "dossier": "#dossier"}
    page = visit(counted_report, places[address], color_scheme=scheme)
    page.wait_for_selector("html[data-evidence=yes]")
    assert complaints(page) == []


def test_a_walk_by_keyboard_reaches_argue_mode_and_comes_back(counted_report: Path, visit: Callable[..., Any]) -> None:
    page = visit(counted_report)
    page.wait_for_selector("html[data-evidence=yes]")
    page.locator("#argue-open").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-argued='1']")
    assert page.evaluate("document.activeElement.id") == "argue-title"
    page.locator("#argue .chip").first.focus()
    page.keyboard.press("Space")
    page.wait_for_selector("html[data-argued='2']")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true", "the focus stays on the chip"
    page.keyboard.press("Escape")
    assert page.locator("#argue").is_hidden()
    assert page.evaluate("document.activeElement.id") == "argue-open"


def test_on_a_phone_nothing_but_tables_scrolls_sideways(counted_report: Path, visit: Callable[..., Any]) -> None:
    page = visit(counted_report)
    page.wait_for_selector("html[data-evidence=yes]")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#ideas li").first.bounding_box()["x"] >= 0
