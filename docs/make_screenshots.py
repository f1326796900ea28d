"""Make the pictures of docs/images from the reports of the demo and of the rectal run, as a reader would see them.

    python docs/make_screenshots.py [--results results]

Runs that are not there are passed over. The pictures are PNG files of at most 300 kB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "images"
MOST = 300_000
FLAGS = ["--no-sandbox", "--disable-gpu"]


def front(page: Any) -> None:
    """The page as it opens."""


def argue(page: Any) -> None:
    """Argue mode with the first tissue tolerated, at the shortlist."""
    page.locator("#argue-open").click()
    page.wait_for_selector("html[data-argued='1']")
    page.locator("#argue .chip").first.click()
    page.wait_for_selector("html[data-argued='2']")
    page.evaluate(
        "document.querySelector('.shortlist').scrollIntoView({ block: 'start', behavior: 'instant' }); scrollBy(0, -80)"
    )


def card(page: Any) -> None:
    """The card of the first idea."""
    page.evaluate("location.hash = document.querySelector('#ideas a').getAttribute('href')")
    page.wait_for_selector("#card table.truth")


def window(page: Any) -> None:
    """The therapeutic window with its switches."""
    page.evaluate(
        "document.querySelector('.pair').scrollIntoView({ block: 'start', behavior: 'instant' }); scrollBy(0, -80)"
    )


PICTURES: dict[str, tuple[str, Callable[[Any], None], int]] = {
    "demo-front": ("demo", front, 1180),
    "demo-argue": ("demo", argue, 900),
    "demo-card": ("demo", card, 1080),
    "rectal-front": ("rectal", front, 1180),
    "rectal-window": ("rectal", window, 900),
}


def main() -> int:
    """Open each report and take its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the runs")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="browser")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=FLAGS)
        for name, (run, prepare, height) in PICTURES.items():
            report = (asked.results / run / "report.html").resolve()
            if not report.is_file():
                print(f"{name}: passed over, {report} is not there", file=sys.stderr)
                continue
            page = browser.new_page(
                viewport={"width": 1360, "height": height}, color_scheme="light", reduced_motion="reduce"
            )
            page.goto(report.as_uri())
            page.wait_for_selector("html[data-evidence=yes]")
            prepare(page)
            page.wait_for_timeout(400)
            size = len(page.screenshot(path=IMAGES / f"{name}.png"))
            page.close()
            if size > MOST:
                print(f"{name}: {size:,} bytes, more than {MOST:,}", file=sys.stderr)
                return 1
            print(f"{name}: {size:,} bytes")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
