"""What the front page says: key numbers, the funnel in stages, the first of the ranking, controls, tissues."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from cartarget.contracts import CLASSES
from cartarget.report.payload import EVIDENCE, TIERS
from cartarget.safety.toxicity import recall
from cartarget.selection.ranking import NEGATIVE

_BLANK_TISSUE: dict[str, Any] = {"tier": "", "required": False, "is_origin": False, "measured_by": []}


def about(summary: dict[str, Any]) -> list[str]:
    """What stands above the title: the indication where the title does not say it, what decides, the origin."""
    title, indication = summary["title"] or summary["name"], summary["indication"] or "unnamed indication"
    decides = {"bulk": ["bulk samples decide"], "single_cell": ["single cells decide"]}.get(summary["primary"], [])
    origin = [f"origin: {', '.join(summary['origin'])}"] if summary["origin"] else []
    return [*([indication] if indication.lower() != title.lower() else []), *decides, *origin]


def facts(summary: dict[str, Any], antigens: pd.DataFrame, gates: pd.DataFrame) -> dict[str, Any]:
    """Key numbers: candidates, those that reach the tumour by class, required tissues, the first of the ranking."""
    candidates = antigens[~antigens["control"].isin(NEGATIVE)]
    ranked = gates[gates["rank"].notna()]
    tissues = [tissue for tissue in tissues_in_order(summary["tissues"]) if tissue["order"] < len(TIERS)]
    blank = [tissue for tissue in tissues if not tissue["measured_by"]]
    required = [tissue for tissue in tissues if tissue["required"]]
    return {
        "patients": int(antigens["n_patients"].max()) if len(antigens) else 0,
        "antigens": len(candidates),
        "antigen_classes": _classes(candidates),
        "gates": len(ranked),
        "gate_classes": _classes(ranked),
        "tissues": len(tissues),
        "unmeasured": [tissue["tissue"] for tissue in blank],
        "required": len(required),
        "required_measured": sum(bool(tissue["measured_by"]) for tissue in required),
        "leaders": _leaders(antigens),
    }


def lead(ideas: list[dict[str, Any]]) -> str:
    """The first idea in two sentences: what it reaches and hurts, and what is not known of it. Empty without ideas.

    Examples
    --------
    >>> idea = {"gate": "A & B", "coverage": 0.7, "liability_population": "lung", "liability_n_positive": 0,
    ...         "liability_n_observations": 33, "safety_class": "within caps", "mark_membrane": "yes",
    ...         "mark_cells": "unknown", "mark_protein": "no", "mark_thresholds": "yes", "mark_cohort": "yes"}
    >>> lead([idea])
    'First: A & B, within caps, reaches 0.70 of the tumour; worst place: none seen in lung (0 of 33).
    Against it: protein. Not known: cells.'
    """
    if not ideas:
        return ""
    first = ideas[0]
    place, seen = first.get("liability_population"), first.get("liability_n_positive")
    worst = f"none seen in {place} ({seen:.0f} of {first['liability_n_observations']:.0f})" if seen == 0 else place
    told = f"First: {first['gate']}, {first['safety_class']}, reaches {fraction_text(first['coverage'])} of the tumour"
    sentences = [f"{told}; worst place: {worst}." if place else f"{told}."]
    names = ("membrane", "cells", "protein", "thresholds", "cohort")
    for word, marks in (("Against it", ("no", "partly")), ("Not known", ("unknown",))):
        listed = [name for name in names if first.get(f"mark_{name}") in marks]
        if listed:
            sentences.append(f"{word}: {', '.join(listed)}.")
    return " ".join(sentences)


def _classes(frame: pd.DataFrame) -> dict[str, int]:
    """How many rows that reach the tumour are in each safety class."""
    eligible = frame.loc[frame["is_eligible"].fillna(False), "safety_class"]
    return {name: int(eligible.eq(name).sum()) for name in CLASSES}


def _leaders(antigens: pd.DataFrame, *, n: int = 8) -> list[dict[str, Any]]:
    best = antigens[antigens["rank"].notna()].sort_values("rank", kind="stable").head(n)
    columns = {"symbol": "name", "safety_class": "kind", "coverage": "coverage", "liability": "liability"}
    rows = best[list(columns)].rename(columns=columns).astype("object")
    return rows.where(rows.notna(), None).to_dict("records")


def known_harm(regression: list[dict[str, Any]]) -> dict[str, Any]:
    """Known harm on target: would each kind of evidence have put the organ among the first of its antigen's tissues?

    Parameters
    ----------
    regression
        Records of `summary.json`: `symbol`, `organ`, `evidence`, `rank`, `n_tissues`, `reason`.

    Returns
    -------
    `kinds`: per kind of evidence `evidence`, `n`, `n_visible` and `found` (counts at 1, 3, 5 and 10). `events`: per
    event `symbol`, `organ` and `cells`, one record a kind in the same order.
    """
    names = ["symbol", "organ", "rank", "n_tissues", "reason", "evidence"]
    table = pd.DataFrame(regression, columns=names).astype({"rank": float})
    kinds: list[dict[str, Any]] = []
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for evidence, rows in table.groupby("evidence", sort=True):
        counts = recall(rows)
        entry = {"evidence": evidence, "n": len(rows), "n_visible": int(counts["n_visible"].iloc[0])}
        kinds.append(entry | {"found": counts["n_found"].tolist()})
        for row in rows.to_dict("records"):
            place = None if math.isnan(row["rank"]) else f"{row['rank']:g} of {row['n_tissues']}"
            event = cells.setdefault((row["symbol"], row["organ"]), [])
            event.append({"place": place, "reason": row["reason"]})
    events = [{"symbol": symbol, "organ": organ, "cells": found} for (symbol, organ), found in sorted(cells.items())]
    return {"kinds": kinds, "events": events}


def controls_by_kind(controls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Controls by kind: how many passed, which failed, and where each stands on the way from first to last rank."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for control in controls:
        blank = {"kind": "", "name": "", "expected": "", "rank": None, "n_ranked": None, "passed": None, "note": ""}
        kinds.setdefault(str(control.get("kind", "")), []).append(blank | control)
    return [
        {
            "kind": kind,
            "items": items,
            "judged": sum(item["passed"] is not None for item in items),
            "passed": sum(bool(item["passed"]) for item in items),
            "failed": [item for item in items if item["passed"] is not None and not item["passed"]],
            "expected": items[0]["expected"],
            "n_ranked": max((item["n_ranked"] or 0 for item in items), default=0),
            "marks": [
                item | {"x": round(1 + 98 * min(item["rank"] / item["n_ranked"], 1), 2)}
                for item in items
                if item["rank"] and item["n_ranked"]
            ],
        }
        for kind, items in kinds.items()
    ]


def tissues_in_order(tissues: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tissues with every key, vital first, then required, then by name."""
    place = {tier: number for number, tier in enumerate(TIERS)}
    rows = [_BLANK_TISSUE | tissue | {"order": place.get(str(tissue.get("tier")), len(TIERS))} for tissue in tissues]
    for row in rows:
        row["measured_by"] = sorted(row["measured_by"] or [], key=lambda source: EVIDENCE.index(source["evidence"]))
    return sorted(rows, key=lambda tissue: (tissue["order"], not tissue["required"], str(tissue["tissue"])))


def funnel_stages(steps: list[dict[str, Any]], *, n_ideas: int | None = None) -> list[list[dict[str, Any]]]:
    """The funnel in stages: a step that counts more than the one before begins another stage, on a scale of its own.

    The shortlist is the last step, where its length is given.
    """
    stages: list[list[dict[str, Any]]] = []
    if steps and n_ideas is not None:
        rest = max(steps[-1]["n"] - n_ideas, 0)
        last = {
            "step": "ideas on the shortlist",
            "n": n_ideas,
            "lost": rest,
            "reason": "vary one above, or may not be listed",
        }
        steps = [*steps, last]
    for given in steps:
        step: dict[str, Any] = {"lost": 0, "reason": ""} | given
        if not stages or step["n"] > stages[-1][-1]["n"]:
            stages.append([])
        stages[-1].append(step)
    for stage in stages:
        most = math.log1p(max(step["n"] for step in stage))
        for step in stage:
            step["width"] = round(100 * math.log1p(step["n"]) / max(most, 1), 2)
    return stages


def fraction_text(value: float | None) -> str:
    """A fraction in two decimals; what is not quite 0 or 1 is not printed as 0 or 1.

    Examples
    --------
    >>> [fraction_text(value) for value in (None, 0.001, 0.5, 0.999, 1.0)]
    ['–', '<0.01', '0.50', '>0.99', '1.00']
    """
    if value is None:
        return "–"
    if 0 < value < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= value < 1 else f"{value:.2f}"
