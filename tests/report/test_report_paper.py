"""The dossier on paper, and the index that joins several reports."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_run import HOSTILE, make_run

from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.report.index import render_index
from cartarget.report.pdf import find_chromium, print_pdf
from cartarget.report.render import render_report
from cartarget.selection.shortlist import shortlist


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium is on the path: nothing is printed")
def test_the_dossier_is_printed(counted_report: Path, run: Path, tmp_path: Path) -> None:
    pdf = print_pdf(counted_report, tmp_path / "dossier.pdf")
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    ideas = len(shortlist(read_table("gates", run / "gates.parquet")))
    assert len(re.findall(rb"/Type\s*/Page\b", content)) == 1 + ideas, "a memo of one page, and one page for each idea"


def test_the_dossier_has_a_memo_and_a_sheet_for_each_idea(
    counted_report: Path, run: Path, visit: Callable[..., Any]
) -> None:
    page = visit(counted_report, "#dossier")
    page.wait_for_selector(".sheet")
    names = shortlist(read_table("gates", run / "gates.parquet"))["gate"].tolist()
    assert page.locator(".sheet.memo h1").inner_text() == page.locator("#overview h1").text_content()
    assert page.locator(".sheet:not(.memo) h2").all_inner_texts() == names
    assert page.locator(".sheet .brief li").count() > 10
    page.evaluate("location.hash = ''")
    page.wait_for_selector("#overview", state="visible")


def test_what_cannot_be_printed_says_why(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    with pytest.raises(InputError, match="could not be printed"):
        print_pdf(report, tmp_path / "out.pdf", chromium=str(shutil.which("false")))
    with pytest.raises(InputError, match="could not be printed"):
        print_pdf(report, tmp_path / "out.pdf", chromium=str(tmp_path / "no such browser"))
    assert not (tmp_path / "out.pdf").exists()


def test_the_index_joins_reports_and_lets_no_name_through(tmp_path: Path) -> None:
    for name, title in (("b", "Colon"), ("a", HOSTILE)):
        render_report(make_run(tmp_path / name, n_antigens=12, n_gates=10, title=title))
    (tmp_path / "unfinished").mkdir()
    page = render_index(tmp_path).read_text(encoding="utf-8")
    assert page.index("Colon") > 0 and "unfinished" not in page
    assert 'href="a/report.html"' in page and 'href="b/report.html#gate=' in page
    assert HOSTILE not in page and "&lt;/script&gt;" in page
    assert "<script" not in page and "On more than one shortlist" in page
    assert render_index(tmp_path).read_text(encoding="utf-8") == page


def test_the_index_opens_quietly(tmp_path: Path, browser: Any) -> None:
    run = make_run(tmp_path / "one", n_antigens=12, n_gates=10, is_simulated=True)
    render_report(run)
    trouble: list[str] = []
    page = browser.new_context().new_page()
    page.on("console", lambda message: trouble.append(message.text))
    page.goto(render_index(tmp_path).as_uri())
    assert page.locator(".made-up").inner_text() == "SIMULATED"
    page.locator(".run h2 a").click()
    page.wait_for_selector("html[data-ready=yes]")
    page.context.close()
    assert trouble == []


def test_an_index_of_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="no run here has a report"):
        render_index(tmp_path)
