"""Is the report light? 20,000 gates in one file: bytes, time to build, time until ready, heap, redraw of argue mode.

    python benchmarks/report.py            # simulated cells, screened at once (a minute)
    python benchmarks/report.py RUN_DIR    # a run that is there, such as results/demo

Beside it stands the obvious alternative: the same table of gates as plain rows of an HTML table, which a browser has to
hold as elements. The bounds are those that the project promises; a busy machine makes every time longer, so that the
smallest of five openings counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cartarget.contracts import read_table, write_table
from cartarget.report.render import render_report

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--js-flags=--expose-gc"]
WATCH = """
new MutationObserver(() => {
  const { ready, evidence } = document.documentElement.dataset;
  if (ready && !window.readyAt) window.readyAt = performance.now();
  if (evidence && !window.evidenceAt) window.evidenceAt = performance.now();
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready", "data-evidence"] });
"""
BOUNDS = {"file, MB": 5.0, "building, s": 10.0, "ready, s": 1.2, "heap, MB": 80.0, "argue, ms": 200.0}
N_GATES = 20_000


def simulated_run(folder: Path) -> Path:
    """Screen the simulated atlas of the demo, and keep 20,000 gates."""
    from cartarget.config import Config
    from cartarget.report.argue import counted_evidence, write_evidence
    from cartarget.run.inputs import load_run
    from cartarget.run.steps import read_step
    from cartarget.selection.screen import screen_antigens, screen_gates

    config = Config(name="bench-report", top=N_GATES)
    read_step(config)
    panels = []
    for count in (1, 2, 3):
        thresholds = config.thresholds.model_copy(update={"count": count})
        panels.append(load_run(config.model_copy(update={"thresholds": thresholds})).panel)
    run = load_run(config)
    found = screen_gates(run.panel, candidates=run.candidates, top=N_GATES, controls=run.controls)
    antigens = screen_antigens(run.panel, controls=run.controls)
    write_table("antigens", antigens, folder / "antigens")
    write_table("gates", found.table, folder / "gates")
    write_table("exposure", _first_exposure(run), folder / "exposure")
    (folder / "work").mkdir()
    write_evidence(counted_evidence(panels, thresholds=[1, 2, 3], base=1, unit="counts"), folder / "work" / "argue.npz")
    atlas = {"name": run.primary, "role": "counted", "kind": "cells", "unit": "counts", "release": "", "licence": ""}
    atlas |= {"citation": "", "n_observations": 1, "n_donors": 1, "notes": []}
    summary = {"name": "bench", "primary": "single_cell", "atlases": [atlas], "config": config.model_dump(mode="json")}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    shutil.rmtree(config.run_dir)
    return folder


def _first_exposure(run: Any) -> Any:
    from cartarget.logic.batch import Gates
    from cartarget.selection.screen import expose

    return expose(run.panel, gates=Gates.singles(1), atlas=run.primary)


def plain_table(run: Path, target: Path) -> Path:
    """The alternative: every row of the table of gates as an HTML row."""
    read_table("gates", run / "gates.parquet").to_html(target)
    return target


def open_page(browser: Any, page_file: Path, *, is_report: bool) -> dict[str, float]:
    """Open a file once; seconds until it stands, and its heap."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(page_file.as_uri(), timeout=120_000)
    if is_report:
        page.wait_for_selector("html[data-evidence=yes]", timeout=60_000)
        ready = page.evaluate("readyAt")
    else:
        ready = page.evaluate("performance.timing.loadEventEnd - performance.timing.navigationStart")
    page.evaluate("gc()")
    found = {"ready, s": ready / 1000, "heap, MB": page.evaluate("performance.memory.usedJSHeapSize") / 1e6}
    found["elements"] = page.evaluate("document.querySelectorAll('*').length")
    if is_report:
        found["argue, ms"] = argue(page)
    else:
        del found["heap, MB"]  # it counts no elements, which are what a plain table holds
    context.close()
    return found


def argue(page: Any) -> float:
    """Milliseconds from a moved slider to the redrawn ranking, shortlist and plot: the median of five."""
    page.locator("#argue-open").click()
    page.wait_for_selector("html[data-argued='1']")
    times = []
    for number, cap in enumerate((0.1, 0.02, 0.2, 0.05, 0.15), start=2):
        page.get_by_label("cap of vital tissues").fill(str(cap))
        page.wait_for_selector(f"html[data-argued='{number}']")
        times.append(float(page.evaluate("document.documentElement.dataset.argueMs")))
    return sorted(times)[len(times) // 2]


def main() -> int:
    """Measure, print, and say whether every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", type=Path, help="folder of a run; none: simulate one")
    parser.add_argument("--openings", type=int, default=5, help="how often each file is opened")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        run = asked.run or simulated_run(Path(name))
        start = time.perf_counter()
        report = render_report(run)
        built = time.perf_counter() - start
        plain = plain_table(run, Path(name) / "plain.html")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            ours = [open_page(browser, report.resolve(), is_report=True) for _ in range(asked.openings)]
            theirs = [open_page(browser, plain, is_report=False) for _ in range(1)]
            browser.close()
        least = {key: min(one[key] for one in ours) for key in ours[0]}
        least |= {"file, MB": report.stat().st_size / 1e6, "building, s": built}
        other = {key: min(one[key] for one in theirs) for key in theirs[0]} | {"file, MB": plain.stat().st_size / 1e6}
        n = len(read_table("gates", run / "gates.parquet"))
    print(f"{n:,} gates in the table\n\n{'':14}{'report':>10}{'bound':>10}{'plain table':>14}{'ratio':>8}")
    for key, value in least.items():
        bound = f"{BOUNDS[key]:g}" if key in BOUNDS else ""
        ratio = f"{other[key] / value:.1f}" if key in other and value else ""
        print(f"{key:14}{value:>10.2f}{bound:>10}{f'{other[key]:.2f}' if key in other else '':>14}{ratio:>8}")
    broken = [key for key, bound in BOUNDS.items() if least[key] > bound]
    print(f"\n{'every bound holds' if not broken else 'broken: ' + ', '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
