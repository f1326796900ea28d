"""One page that joins the reports of several indications: what each found, side by side, with a link to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.files import whole
from cartarget.report.front import about, facts
from cartarget.report.render import csp_hash, page_environment, read_asset, read_summary
from cartarget.selection.shortlist import IDEAS, why_empty

FIRST = 3
"""Ideas of each run that the index names."""


def render_index(results_dir: str | os.PathLike[str]) -> Path:
    """Write `index.html` over every run of a results folder that has a report.

    Parameters
    ----------
    results_dir
        Folder that holds one folder a run, as `cartarget run` leaves them.

    Returns
    -------
    pathlib.Path
        The page: runs by title, simulated ones last. It holds no script and loads nothing; the same runs give the
        same bytes.

    Raises
    ------
    InputError
        No run of the folder has a report, or a run's summary or tables cannot be read.

    Examples
    --------
    >>> render_index("absent")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent: no run here has a report.html...
    """
    folder = Path(results_dir)
    found = sorted(path.parent for path in folder.glob("*/report.html") if (path.parent / "summary.json").is_file())
    if not found:
        raise InputError(f"{folder}: no run here has a report.html beside its summary.json; run `cartarget run CONFIG`")
    runs = sorted((_describe(run) for run in found), key=lambda run: (run["is_simulated"], run["title"], run["folder"]))
    style = "".join(read_asset(f"{name}.css") for name in ("base", "page", "argue", "index"))
    page = (
        page_environment()
        .get_template("index.html.j2")
        .render(
            runs=runs,
            shared=_shared(runs),
            first=FIRST,
            style=style,
            style_hash=csp_hash(style),
        )
    )
    target = folder / "index.html"
    with whole(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return target


def _describe(run: Path) -> dict[str, Any]:
    summary = read_summary(run / "summary.json")
    tables = {name: read_table(name, run / f"{name}.parquet") for name in ("antigens", "gates")}
    listed = read_table("shortlist", run / "shortlist.parquet")
    ideas = listed[listed["list"] == IDEAS]
    failed = [item["name"] for item in summary["controls"] if item.get("passed") is False]
    return {
        "folder": run.name,
        "title": summary["title"] or summary["name"] or run.name,
        "about": about(summary),
        "is_simulated": summary["is_simulated"],
        "facts": facts(summary, **tables),
        "ideas": _plain(ideas),
        "no_ideas": why_empty(tables["gates"]) if ideas.empty else "",
        "failed": failed,
    }


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return list(json.loads(frame.to_json(orient="records")))


def _shared(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gates on the shortlist of more than one indication, with the runs that list them."""
    where: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        if not run["is_simulated"]:
            for idea in run["ideas"]:
                where.setdefault(idea["gate"], []).append({"run": run, "idea": idea})
    return [{"gate": gate, "at": places} for gate, places in sorted(where.items()) if len(places) > 1]
