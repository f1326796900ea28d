"""The report in a browser, opened from disk: what a reader does with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from report_run import HOSTILE, make_run, make_unknown_run

from cartarget.contracts import read_table, write_table
from cartarget.report.render import render_report

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_report(make_run(tmp_path_factory.mktemp("run")))


def column(page: Any, grid: str, title: str) -> list[str]:
    """The cells of a column as shown, without the tag of a control."""
    heads = page.locator(f"{grid} thead tr:first-child th").all_inner_texts()
    place = [head.strip() for head in heads].index(title) + 1
    cells = page.locator(f"{grid} tbody tr td:nth-child({place})")
    return cells.evaluate_all("cells => cells.map((cell) => (cell.querySelector('a, .pill') ?? cell).innerText)")


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("<", "").replace(">", "").replace("+", ""))


def test_front_page_opens_quietly(report: Path, visit: Visit) -> None:
    page = visit(report)
    assert page.locator("h1").inner_text() == "Rectal adenocarcinoma"
    assert page.locator("#antigen-grid tbody tr").count() == 25
    assert page.locator("#gate-grid tbody tr").count() == 25
    assert page.locator("#window-plot svg .mark").count() == 4
    assert page.locator(".funnel li").count() == 7, "the six steps of the run, and the shortlist"


def sort_by(page: Any, name: str, direction: str) -> None:
    page.locator(f"#antigen-grid thead th[data-column={name}]").click()
    page.wait_for_selector(f"#antigen-grid th[data-column={name}][aria-sort={direction}]")


def test_sorting_puts_the_unknown_last(report: Path, visit: Visit) -> None:
    page = visit(report)
    sort_by(page, "coverage", "descending")
    falling = [number(text) for text in column(page, "#antigen-grid", "Coverage")]
    assert falling == sorted(falling, reverse=True)
    sort_by(page, "coverage", "ascending")
    rising = [number(text) for text in column(page, "#antigen-grid", "Coverage")]
    assert rising == sorted(rising)
    assert rising != falling
    sort_by(page, "rank", "ascending")
    assert column(page, "#antigen-grid", "Rank")[0] == "1"
    sort_by(page, "rank", "descending")
    assert column(page, "#antigen-grid", "Rank")[0] != "", "a control without a rank stays behind in either direction"


def test_filters_by_column(report: Path, visit: Visit) -> None:
    page = visit(report)
    page.get_by_label("Filter Safety").nth(1).select_option("safe")
    assert set(column(page, "#gate-grid", "Safety")) == {"safe"}
    page.locator("#gate-grid").get_by_label("Filter Coverage", exact=True).fill("0.7")
    values = [number(text) for text in column(page, "#gate-grid", "Coverage")]
    assert values and min(values) >= 0.7
    page.locator("#gate-grid").get_by_label("Filter Liability", exact=True).fill("0.1-0.3")
    assert all(0.1 <= number(text) <= 0.3 for text in column(page, "#gate-grid", "Liability"))
    page.locator("#gate-grid").get_by_label("Filter Gate", exact=True).fill("no such gate")
    assert "No row passes" in page.locator("#gate-grid tbody").inner_text()


def test_search_and_presets(report: Path, visit: Visit) -> None:
    page = visit(report)
    page.get_by_label("Search antigens").fill("ceacam")
    assert set(column(page, "#antigen-grid", "Antigen")) == {"CEACAM5", "CEACAM6"}
    page.get_by_label("Search antigens").fill("")
    page.locator("#antigen-grid").get_by_role("button", name="Controls").click()
    assert set(page.locator("#antigen-grid tbody .tag").all_inner_texts()) == {"clinical"}
    assert page.locator("#antigen-grid tbody tr").count() == 4


def test_columns_can_be_shown_and_explain_themselves(report: Path, visit: Visit) -> None:
    page = visit(report)
    chooser = page.locator("#antigen-grid .menu")
    chooser.locator("summary").click()
    chooser.get_by_label("Surface evidence").check()
    assert set(column(page, "#antigen-grid", "Surface evidence")) == {"surface"}
    page.locator("#antigen-grid thead th[data-column=liability]").hover()
    tip = page.locator("#tip").inner_text()
    assert "posterior median" in tip and "lower is better" in tip and "max(weight" in tip


def test_csv_holds_what_is_shown(report: Path, visit: Visit) -> None:
    page = visit(report, accept_downloads=True)
    page.get_by_label("Search antigens").fill("CLDN")
    with page.expect_download() as download:
        page.locator("#antigen-grid").get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("rank,symbol,safety_class,coverage")
    assert sorted(line.split(",")[1] for line in lines[1:]) == ["CLDN18", "CLDN6"]


def test_a_row_opens_its_card_and_escape_gives_the_focus_back(report: Path, visit: Visit) -> None:
    page = visit(report)
    page.locator("#antigen-grid tbody tr").first.locator("td").nth(3).click()
    name = column(page, "#antigen-grid", "Antigen")[0]
    assert page.locator("#card-title").inner_text() == name
    assert page.url.endswith(f"#antigen={name}")
    page.keyboard.press("Escape")
    assert page.locator("#card").is_hidden()
    assert "#" not in page.url


def test_the_focus_stays_inside_an_open_card(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    inside = "document.getElementById('card').contains(document.activeElement)"
    page.locator("#card .all-numbers summary").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "card-compare", "past the last stop comes the first"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "Every number of this row"
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)


@pytest.mark.parametrize("kind", ["antigen", "gate"])
def test_permalinks_open_cards(report: Path, visit: Visit, kind: str) -> None:
    page = visit(report)
    name = column(page, f"#{kind}-grid", kind.capitalize())[1]
    page = visit(report, f"#{kind}={quote(name, safe='')}")
    assert page.locator("#card-title").inner_text() == name
    assert page.locator("#card .verdict").inner_text().strip()
    assert page.locator("#card table.tissues tbody tr").count() > 10


def test_an_unknown_permalink_says_so(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=ACTB")
    assert "no surface vote" in page.locator("#card").inner_text()
    page = visit(report, "#gate=%E0%A4%A")
    assert "no card of that name" in page.locator("#card").inner_text()


def test_hostile_names_are_shown_as_text(report: Path, visit: Visit) -> None:
    page = visit(report, f"#antigen={quote(HOSTILE, safe='')}")
    assert page.locator("#card-title").inner_text() == HOSTILE
    page.get_by_label("Search antigens").fill("onerror")
    assert column(page, "#antigen-grid", "Antigen") == [HOSTILE]
    page.get_by_label("Search gates").fill("onerror")
    assert all(HOSTILE in text for text in column(page, "#gate-grid", "Gate"))
    page.get_by_label("Why is gene X not here?").fill("</script")
    assert HOSTILE in page.locator("#why-answers").inner_text()
    assert page.locator("img").count() == 0


def test_why_not(report: Path, visit: Visit) -> None:
    page = visit(report)
    field = page.get_by_label("Why is gene X not here?")
    field.fill("actb")
    assert "no surface vote" in page.locator("#why-answers").inner_text()
    field.fill("CEACAM5")
    assert "scored, not ranked" in page.locator("#why-answers").inner_text()
    field.fill("NOSUCHGENE")
    assert "in none of the files" in page.locator("#why-answers").inner_text()


def test_what_is_not_measured_is_hatched_and_never_a_zero(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    row = page.locator("#card table.tissues tr", has_text="bile duct")
    assert "not measured" in row.inner_text()
    assert not re.search(r"\b0\.00\b", row.inner_text())
    assert row.locator("[fill='url(#hatch)']").count() == row.locator("td").count()
    brain = page.locator("#card table.tissues tr", has_text="brain").locator("td").first
    assert "not measured" in brain.inner_text(), "measured by the summary only"
    assert page.locator("#tissues .tiles .unmeasured").count() == 2


def test_vital_tissues_come_first(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    tiers = page.locator("#card .tier th").all_text_contents()
    assert [re.sub(r"\d.*", "", tier) for tier in tiers] == ["Vital", "Important", "Tolerable", "Ignored"]
    assert tiers[0] == "Vital12 tissues, 2 not measured"


def test_patients_are_dots(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    assert page.locator("#card .dots .dot").count() == 87


def test_a_gate_stands_beside_its_members(report: Path, visit: Visit) -> None:
    page = visit(report)
    name = next(text for text in column(page, "#gate-grid", "Gate") if "|" in text and "<" not in text)
    page = visit(report, f"#gate={quote(name, safe='')}")
    members = page.locator("#card section", has_text="Against its members")
    assert members.locator("tbody tr").count() == 3
    members.locator("tbody a").first.click()
    assert page.locator("#card-title").inner_text() == name.split(" ")[0]
    page.go_back()
    assert page.locator("#card-title").inner_text() == name


def test_the_keyboard_reaches_everything(report: Path, visit: Visit) -> None:
    page = visit(report)
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim()"))
        if page.evaluate("Boolean(document.activeElement.closest('#antigen-grid tbody'))"):
            break
    assert "Skip to the report" in seen[0]
    assert any("Antigens" in text for text in seen)
    name = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_selector("#card:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "card-title"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.textContent") == name
    head = page.locator("#antigen-grid thead th[data-column=coverage]")
    head.focus() if head.get_attribute("tabindex") else head.locator("[tabindex]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#antigen-grid th[data-column=coverage][aria-sort=descending]")


def test_controls_and_fields_have_names(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, a")]
            .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    twice = page.evaluate(
        """(() => {
            const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
            return ids.filter((id, i) => ids.indexOf(id) !== i);
        })()"""
    )
    assert twice == []


def test_cells_that_disagree_with_samples_are_named(tmp_path: Path, visit: Visit) -> None:
    run = make_run(tmp_path, n_antigens=6, n_gates=0)
    antigens = read_table("antigens", run / "antigens.parquet")
    antigens.loc[antigens["symbol"] == "MSLN", ["coverage", "cells_malignant"]] = [0.9, 0.01]
    antigens.loc[antigens["symbol"] == "EPCAM", ["coverage", "cells_malignant"]] = [0.9, 0.8]
    write_table("antigens", antigens, run / "antigens")
    report = render_report(run)
    assert "Few malignant cells carry it (0.01)" in visit(report, "#antigen=MSLN").locator("#card").inner_text()
    assert "Few malignant cells" not in visit(report, "#antigen=EPCAM").locator("#card").inner_text()


def test_candidates_side_by_side(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    page.get_by_role("button", name="Add to comparison").click()
    assert page.get_by_role("button", name="In comparison").get_attribute("aria-pressed") == "true"
    page.evaluate("location.hash = '#antigen=CEACAM5'")
    page.wait_for_function("document.getElementById('card-title').textContent === 'CEACAM5'")
    page.get_by_role("button", name="Add to comparison").click()
    page.get_by_role("button", name="Close the card").click()
    page.get_by_role("button", name="Compare 2").click()
    assert page.locator("#card .compare thead a").all_inner_texts() == ["MSLN", "CEACAM5"]
    assert page.url.endswith("#compare=MSLN,CEACAM5")
    coverage = page.locator("#card .compare tr", has_text="Coverage").first
    assert coverage.locator("b").count() == 1
    assert page.locator("#card .compare tr.unmeasured, #card .compare td.missing").count() > 0


def test_a_comparison_has_an_address_and_names_what_is_not_here(report: Path, visit: Visit) -> None:
    page = visit(report, f"#compare=MSLN,NOSUCH,{quote(HOSTILE, safe='')}")
    assert page.locator("#card .compare thead a").all_inner_texts() == ["MSLN", HOSTILE]
    assert "Not in this file: NOSUCH" in page.locator("#card").inner_text()
    page = visit(report, "#compare=NOSUCH")
    assert "0 candidates" in page.locator("#card").inner_text()


def test_dark_and_light(report: Path, visit: Visit) -> None:
    page = visit(report, color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_window_plot_answers_pointer_and_switches(report: Path, visit: Visit) -> None:
    page = visit(report)
    ring = page.locator("#window-plot .ring").first
    ring.scroll_into_view_if_needed()
    box = ring.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "Coverage" in page.locator("#tip").inner_text()
    page.get_by_role("button", name="Gates", exact=True).click()
    assert "gates" in page.locator("#window-plot svg").get_attribute("aria-label")
    page.get_by_role("button", name="Window", exact=True).click()
    assert "window" in page.locator("#window-plot svg").get_attribute("aria-label")


def test_nothing_runs_off_the_page_sideways(report: Path, visit: Visit) -> None:
    page = visit(report, "#antigen=MSLN")
    for width in (1280, 1920, 3840):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width


def test_simulated_runs_say_so_on_screen_and_on_paper(tmp_path: Path, visit: Visit) -> None:
    page = visit(render_report(make_run(tmp_path, n_antigens=12, n_gates=10, is_simulated=True)))
    banner = page.locator(".simulated")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert banner.bounding_box()["y"] == 0
    page.emulate_media(media="print")
    assert banner.evaluate("(node) => getComputedStyle(node).position") == "fixed", "repeats on every page of paper"
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("size", [(1, 0), (1, 1), (4, 0)])
def test_small_and_empty_runs(tmp_path: Path, visit: Visit, size: tuple[int, int]) -> None:
    antigens, gates = size
    run = make_run(tmp_path, n_antigens=max(antigens, 2) if gates else antigens, n_gates=gates)
    page = visit(render_report(run), "#antigen=CEACAM5")
    assert page.locator("#card-title").inner_text() == "CEACAM5"
    if gates == 0:
        assert "No gates" in page.locator("#gate-grid").inner_text()
        assert page.get_by_role("button", name="Gates", exact=True).is_disabled()


def test_a_run_that_knows_nothing(tmp_path: Path, visit: Visit) -> None:
    page = visit(render_report(make_unknown_run(tmp_path)), "#antigen=MYSTERY")
    card = page.locator("#card").inner_text()
    assert "Safety unknown" in card
    assert "not measured" in card
    assert not re.search(r"\b0\.00\b", card)
    assert "Nothing to draw" in page.locator("#window-plot").inner_text()
