"""A browser for the report: Debian's Chromium, driven by playwright; absent, its tests are skipped visibly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from counted_run import counted_panels, make_counted_run

from cartarget.evidence.panel import Panel
from cartarget.report.render import render_report

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.__violations.push(event.violatedDirective + " " + event.blockedURI));
window.alert = () => window.__violations.push("alert was called");
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for a module; closed with it, since playwright holds the thread's event loop meanwhile."""
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is absent (apt-get install chromium): the report is not opened")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a report from disk; at the end nothing may have been fetched, logged or refused."""
    opened: list[tuple[Any, list[str]]] = []

    def _visit(report: Path, address: str = "", **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_default_timeout(90_000)
        page = context.new_page()
        trouble: list[str] = []
        page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                trouble.append(f"request: {request.url}") if request.url.split("#")[0] != report.as_uri() else None
            ),
        )
        page.add_init_script(WATCH)
        page.goto(report.as_uri() + address)
        page.wait_for_selector("html[data-ready=yes]", timeout=90_000)
        opened.append((page, trouble))
        return page

    yield _visit
    for page, trouble in opened:
        violations = page.evaluate("window.__violations")
        page.context.close()
        assert trouble == []
        assert violations == []


@pytest.fixture(scope="session")
def panels() -> list[Panel]:
    """A small simulated atlas, counted at one, two and three."""
    return counted_panels()


@pytest.fixture(scope="session")
def run(panels: list[Panel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with counted evidence."""
    return make_counted_run(tmp_path_factory.mktemp("counted"), panels)


@pytest.fixture(scope="session")
def counted_report(run: Path) -> Path:
    """Its report."""
    return render_report(run)
