"""One offline HTML file from a run's tables: nothing is fetched, nothing but the hashed script and style may run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from cartarget.contracts import TABLES, read_table
from cartarget.errors import InputError
from cartarget.files import whole
from cartarget.report.argue import Evidence, read_evidence
from cartarget.report.embed import embed
from cartarget.report.engine import Engine, read_engine
from cartarget.report.front import (
    about,
    controls_by_kind,
    facts,
    fraction_text,
    funnel_stages,
    known_harm,
    lead,
    tissues_in_order,
)
from cartarget.report.payload import Block, add_exposure, add_table, read_exposure
from cartarget.report.product import read_product
from cartarget.selection.shortlist import IDEAS, PRECEDENT, why_empty

SCRIPTS = (
    "payload",
    "special",
    "gate",
    "counted",
    "known",
    "judge",
    "rerank",
    "details",
    "argument",
    "dom",
    "tip",
    "charts",
    "curve",
    "grid",
    "tables",
    "tissues",
    "words",
    "counts",
    "own",
    "trust",
    "body",
    "topology",
    "marks",
    "product",
    "compare",
    "card",
    "search",
    "window",
    "ideas",
    "drawer",
    "dossier",
    "main",
)
STYLES = ("base", "page", "tables", "card", "argue", "print")
BUDGET = 5_000_000
"""Bytes that a report may have; gates from the end of the ranking are left out until it fits."""
GATES = 20_000
"""Gates that a report holds at most; the rest stay in `gates.parquet`."""

STORED = 5_000
"""Gates at most where each brings its rows of exposure along, since there is no counted evidence to draw them from."""

CONFLICTS = 200
"""Leading antigens whose contradictions between sources the report tells."""

_MODULE = re.compile(r"^import [^;]*;\n|^export (?=(?:async )?(?:function|const|let|class)\b)", re.MULTILINE)


def render_report(run_dir: str | os.PathLike[str], *, max_gates: int = GATES) -> Path:
    """Write `report.html` beside a run's tables and return its path.

    Parameters
    ----------
    run_dir
        Folder with `antigens.parquet`, `gates.parquet`, `exposure.parquet` and `summary.json`; with
        `work/argue.npz` beside them the page can argue, and draws every card from counted evidence.
    max_gates
        Gates that the file holds at most: the ranked first, then controls, then redundant ones in the table's order.

    Returns
    -------
    pathlib.Path
        The report. The same tables give the same bytes.

    Raises
    ------
    InputError
        A table or `summary.json` is missing or breaks its contract.

    Examples
    --------
    >>> render_report("absent")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent/summary.json...
    """
    run_dir = Path(run_dir)
    summary = read_summary(run_dir / "summary.json")
    antigens = read_table("antigens", _present(run_dir / "antigens.parquet"))
    gates = read_table("gates", _present(run_dir / "gates.parquet"))
    engine = read_engine()
    exposure = _present(run_dir / "exposure.parquet")
    stored = run_dir / "work" / "argue.npz"
    evidence = read_evidence(stored) if stored.is_file() else None
    more, searched = read_more(run_dir, antigens=antigens), read_searched(run_dir)
    ideas = read_table("shortlist", _present(run_dir / "shortlist.parquet"))
    product = read_product(run_dir, gates=ideas["gate"].tolist())
    run = _Run(summary, antigens, gates, ideas, more, searched, exposure, evidence, product)
    kept = choose_gates(gates, limit=max_gates if evidence else min(max_gates, STORED))
    while True:
        page = _page(run, gates.loc[kept], engine)
        if len(page) <= BUDGET or len(kept) <= 100:
            break
        kept = choose_gates(gates, limit=int(len(kept) * 0.7))
    report = run_dir / "report.html"
    with whole(report) as temporary:
        temporary.write_bytes(page)
    return report


def read_summary(path: Path) -> dict[str, Any]:
    """Read `summary.json`; keys that are absent are empty."""
    try:
        content = json.loads(_present(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); run the pipeline again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected an object at the top level, found {type(content).__name__}")
    lists = (
        "origin",
        "funnel",
        "tissues",
        "atlases",
        "controls",
        "procedure",
        "regression",
        "methods",
        "limits",
        "inputs",
    )
    maps = ("funnel_genes", "aliases", "people", "thresholds", "patients", "curves", "versions", "config")
    texts = ("name", "title", "indication", "primary", "question", "command", "failed")
    empty: dict[str, Any] = {**{key: [] for key in lists}, **{key: {} for key in maps}, **dict.fromkeys(texts, "")}
    return {**empty, "is_simulated": False, **{key: value for key, value in content.items() if value is not None}}


def choose_gates(gates: pd.DataFrame, *, limit: int) -> pd.Index:
    """Rows to embed, in the table's order: ranked gates first, then controls, then redundant ones.

    Examples
    --------
    >>> frame = pd.DataFrame({"rank": [None, 1, 2], "control": ["clinical", None, None]})
    >>> choose_gates(frame, limit=2).tolist()
    [1, 2]
    """
    rank = pd.to_numeric(gates["rank"], errors="coerce").astype("float64").to_numpy(na_value=np.nan)
    is_control = gates["control"].fillna("").astype(str).ne("").to_numpy()
    urgency = np.where(np.isfinite(rank), 0, np.where(is_control, 1, 2))
    chosen = np.lexsort((np.arange(len(gates)), np.nan_to_num(rank, nan=0.0), urgency))[:limit]
    return gates.index[np.sort(chosen)]


def read_more(run_dir: Path, *, antigens: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that a run may have beside its three: trust, replication, conflicts and doublets.

    Of the contradictions, those about the gates that were held to account, the first antigens and the controls.
    """
    found: dict[str, pd.DataFrame] = {}
    for name in ("trust", "replication", "conflicts", "doublets"):
        path = run_dir / f"{name}.parquet"
        if name in TABLES and path.is_file():
            found[name] = read_table(name, path)
    if "conflicts" in found:
        first = antigens["symbol"].head(CONFLICTS)
        marked = antigens.loc[antigens["control"].fillna("").ne(""), "symbol"]
        told = [*first, *marked, *(found["trust"]["gate"] if "trust" in found else ())]
        found["conflicts"] = found["conflicts"][found["conflicts"]["gate"].isin(told)].reset_index(drop=True)
    return found


def read_searched(run_dir: Path) -> list[dict[str, Any]]:
    """Shapes of larger gates that were searched, with what is proven of each; none where none was asked for.

    Examples
    --------
    >>> read_searched(Path("absent"))
    []
    """
    proof = run_dir / "work" / "larger.json"
    return json.loads(proof.read_text(encoding="utf-8"))["certificate"] if proof.is_file() else []


def _present(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: the report needs this file and it is absent; run `cartarget run CONFIG` first")
    return path


@dataclass(frozen=True)
class _Run:
    """What a run left, read: its summary, its tables, where exposure lies, and counted evidence if there is any."""

    summary: dict[str, Any]
    antigens: pd.DataFrame
    gates: pd.DataFrame
    ideas: pd.DataFrame
    more: dict[str, pd.DataFrame]
    searched: list[dict[str, Any]]
    exposure: Path
    evidence: Evidence | None
    product: dict[str, Any]


def _data(run: _Run, kept: pd.DataFrame) -> tuple[str, str]:
    """The payload, and the counted evidence if there is any, as text."""
    summary = run.summary
    block = Block({"run": {key: summary[key] for key in _FOR_PAGE} | _compact(summary), "product": run.product})
    add_table(block, "antigens", run.antigens)
    add_table(block, "gates", kept)
    for name, table in run.more.items():
        add_table(block, name, table)
    names, counted = pd.Index([*run.antigens["symbol"], *kept["gate"]]).astype(str).unique(), ""
    if run.evidence is not None:
        primary = next((atlas["name"] for atlas in summary["atlases"] if atlas.get("role") == "primary"), "")
        counts, lacking = embed(run.evidence, antigens=run.antigens, gates=kept, atlas=primary)
        names, counted = names[names.isin(lacking)], counts.encode()
    add_exposure(block, read_exposure(run.exposure, gates=names), gates=names)
    return block.encode(), counted


def _page(run: _Run, kept: pd.DataFrame, engine: Engine) -> bytes:
    summary, antigens, gates = run.summary, run.antigens, run.gates
    payload, counted = _data(run, kept)
    ideas, precedent = (_records(run.ideas[run.ideas["list"] == name]) for name in (IDEAS, PRECEDENT))
    script = engine.script + "".join(_module(f"{name}.js") for name in SCRIPTS)
    script = re.sub(r"<(?=!--|/?script)", r"\\x3C", script, flags=re.IGNORECASE)
    style = "".join(read_asset(f"{name}.css") for name in STYLES)
    html = (
        page_environment()
        .get_template("report.html.j2")
        .render(
            run=summary,
            engine=engine,
            facts=facts(summary, antigens, gates),
            about=about(summary),
            people=summary["people"],
            unit_word="samples" if summary["primary"] == "bulk" else "cells",
            tissues=tissues_in_order(summary["tissues"]),
            lead=lead(ideas),
            funnel=funnel_stages(summary["funnel"], n_ideas=len(ideas)),
            controls=controls_by_kind(summary["controls"]),
            harm=known_harm(summary["regression"]),
            words=_EVIDENCE_WORDS,
            shapes=_shapes(),
            searched=run.searched,
            n_larger=int((gates["n_antigens"] > 2).sum()),
            n_gates=len(gates),
            n_gates_kept=len(kept),
            payload=payload,
            evidence=counted,
            ideas=ideas,
            precedent=precedent,
            marks=_MARKS,
            signs=_SIGNS,
            no_ideas=why_empty(gates),
            script=script,
            style=style,
            script_hash=csp_hash(script),
            style_hash=csp_hash(style),
        )
    )
    return html.encode("utf-8")


_MARKS = (
    ("membrane", "membrane"),
    ("cells", "cells"),
    ("protein", "protein"),
    ("thresholds", "thresholds"),
    ("cohort", "cohort"),
)
_SIGNS = {"yes": "✓", "partly": "~", "no": "✗", "unknown": "?"}
_EVIDENCE_WORDS = {"samples": "samples", "cells": "single cells", "summary": "summary", "protein": "stain"}
_FOR_PAGE = (
    "name",
    "title",
    "indication",
    "is_simulated",
    "primary",
    "origin",
    "tissues",
    "thresholds",
    "config",
)


def _compact(summary: dict[str, Any]) -> dict[str, Any]:
    """Patients' levels in four digits; other names as one text; lost genes with each reason once."""
    lost = {str(name): str(reason) for name, reason in summary["funnel_genes"].items()}
    reasons = {reason: place for place, reason in enumerate(dict.fromkeys(lost.values()))}
    levels = {name: [float(f"{level:.4g}") for level in values] for name, values in summary["patients"].items()}
    told = ("name", "kind", "unit", "release", "n_donors", "n_observations")
    return {
        "patients": levels,
        "curves": summary["curves"],
        "atlases": [{key: atlas.get(key) for key in told} for atlas in summary["atlases"]],
        "aliases": "\n".join(f"{symbol}|{names}" for symbol, names in summary["aliases"].items()),
        "lost": {"names": list(lost), "reasons": list(reasons), "at": [reasons[reason] for reason in lost.values()]},
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data; what is missing is None."""
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")


def page_environment() -> jinja2.Environment:
    """Templates with autoescape, and the filters that print numbers."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("cartarget.report") / "templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["fraction"] = fraction_text
    environment.filters["number"] = lambda value: (
        f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else value
    )
    return environment


def read_asset(name: str) -> str:
    """The text of one of the page's own files."""
    return (files("cartarget.report") / "assets" / name).read_text(encoding="utf-8")


def _module(name: str) -> str:
    return f"// {name}\n{_MODULE.sub('', read_asset(name))}"


def _shapes() -> dict[str, str]:
    """The outline of each safety class, as the page's script draws it."""
    text = read_asset("dom.js").split("const SHAPES = {", 1)[1].split("};", 1)[0]
    return dict(re.findall(r'"?(\w[\w ]*\w)"?: "([^"]+)"', text))


def csp_hash(text: str) -> str:
    """What a content security policy calls this very script or style."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
