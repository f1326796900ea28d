"""The report on paper: a memo and one page an idea, printed by a headless Chromium where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cartarget.errors import InputError
from cartarget.files import whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Names under which a Chromium may lie on the path, in the order in which they are tried."""


def find_chromium(names: Sequence[str] = BROWSERS) -> str | None:
    """Path of the first Chromium on the path, or None.

    Examples
    --------
    >>> find_chromium(["no such browser"]) is None
    True
    """
    return next((found for name in names if (found := shutil.which(name))), None)


def require_chromium() -> str:
    """Path of the first Chromium on the path.

    Raises
    ------
    InputError
        There is none.
    """
    found = find_chromium()
    if found is None:
        raise InputError(
            f"no Chromium on the path (tried {', '.join(BROWSERS)}): install one (apt-get install chromium), or open "
            "the report and print it to a file"
        )
    return found


def print_pdf(
    html: str | os.PathLike[str], pdf: str | os.PathLike[str] | None = None, *, chromium: str | None = None,
    timeout: float = 120.0,
) -> Path:  # fmt: skip
    """Print a report's dossier: one page of memo, then one page for each idea of its shortlist.

    Nothing is fetched: the browser starts with a profile of its own, thrown away afterwards, and the report's policy
    allows no network.

    Parameters
    ----------
    html
        A report, as `render_report` wrote it.
    pdf
        File to write; None: beside the report, with the ending `.pdf`.
    chromium
        Browser to use; None: the first of `BROWSERS` on the path.
    timeout
        Seconds after which the browser is given up.

    Returns
    -------
    pathlib.Path
        The PDF.

    Raises
    ------
    InputError
        The report or a browser is absent, or the browser fails.

    Examples
    --------
    >>> print_pdf("absent.html")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.html: there is no report to print...
    """
    source = Path(html)
    if not source.is_file():
        raise InputError(f"{source}: there is no report to print; run `cartarget report CONFIG` first")
    browser = chromium or require_chromium()
    target = Path(pdf) if pdf is not None else source.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile, whole(target) as temporary:
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", f"--user-data-dir={profile}", "--no-pdf-header-footer",
            "--virtual-time-budget=20000", f"--print-to-pdf={temporary.resolve()}",
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            f"{source.resolve().as_uri()}#dossier",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{browser}: the report could not be printed ({error}); open it and print it") from error
        if done.returncode != 0 or not temporary.exists() or temporary.stat().st_size == 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise InputError(f"{browser}: the report could not be printed ({last[0]}); open it and print it")
    return target
