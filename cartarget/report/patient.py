"""The page about one patient: one sheet of A4, offline, without a script and without a name."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from cartarget.logic.gate import Gate
from cartarget.report.render import csp_hash, page_environment, read_asset
from cartarget.selection.patient import OVER_CAP, Choice

ROWS = 10
"""Gates on the page; gates that sense the same antigens are one row."""

PLACES = 4
"""Places that a reason names."""

MEANING = {
    "within caps": "In no normal place of the run does it break a cap, and every required place was measured.",
    "origin only": "A cap is broken, or cannot be decided, in the tissue of origin alone.",
    "unknown": "Required normal places are not measured or not decided. It cannot be called safe.",
    OVER_CAP: "It breaks a cap in normal tissue.",
}
"""What a safety class says, for the reader of one page."""


def render_patient(choice: Choice, *, facts: dict[str, Any]) -> str:
    """The page, as HTML.

    Parameters
    ----------
    choice
        What was chosen for the patient.
    facts
        What stands beside it: `name` (P01 …), `title`, `run`, `is_simulated`, `floor`, `n_patients`, `kind`, `n`,
        `threshold`, `notes`, `both` (class of the first or the second choice as one gate; None), `reasons` (column of a
        gate → what it says), `lacking` (antigens not measured), `n_antigens`, `identifiers`.

    Returns
    -------
    str
        One file that loads nothing and holds no script. The same choice gives the same text.
    """
    style = "".join(read_asset(f"{name}.css") for name in ("base", "patient"))
    environment = page_environment()
    environment.filters["percent"] = percent
    return environment.get_template("patient.html.j2").render(
        **facts,
        style=style,
        style_hash=csp_hash(style),
        meaning=MEANING,
        first=_row(choice, choice.first, facts),
        second=_row(choice, choice.second, facts),
        together=facts["both"],
        bar=_bar(choice),
        left=_records(choice.left[~choice.left["by"].str.startswith("first")]),
        left_by={row["by"]: row for row in _records(choice.left)},
        stains=_records(choice.stains),
        leaders=leaders(choice.table, most=ROWS),
        counts=_counts(choice.table),
        in_run=_first_of_run(choice.table),
    )


def percent(value: float | None) -> str:
    r"""A share in whole per cent; what is not quite none or all is not printed so.

    Examples
    --------
    >>> [percent(value).replace("\u202f", " ") for value in (None, 0.0, 0.001, 0.5, 0.999, 1.0)]
    ['unknown', '0 %', '<1 %', '50 %', '>99 %', '100 %']
    """
    if value is None or math.isnan(value):
        return "unknown"
    if 0 < value < 0.005:
        return "<1\u202f%"
    return ">99\u202f%" if 0.995 <= value < 1 else f"{100 * value:.0f}\u202f%"


def leaders(table: pd.DataFrame, *, most: int) -> list[dict[str, Any]]:
    """The first gates for this tumour that differ in what they sense; those over cap only if nothing else reaches it.

    Parameters
    ----------
    table
        Gates ranked for the tumour.
    most
        Rows at most.

    Returns
    -------
    list
        Rows of the table, each with `alike`, the number of ranked gates that sense the same antigens.

    Examples
    --------
    >>> table = pd.DataFrame({"gate": ["A & ~B", "A", "C"], "rank": [1, 2, 3], "safety_class": "unknown"})
    >>> [(row["gate"], row["alike"]) for row in leaders(table, most=10)]
    [('A & ~B', 2), ('C', 1)]
    """
    ranked = table[table["rank"].notna()]
    fit = ranked[ranked["safety_class"].ne(OVER_CAP)]
    shown = fit if len(fit) else ranked
    sensed = shown["gate"].map(_sensed)
    alike = sensed.map(sensed.value_counts())
    return _records(shown.assign(alike=alike)[~sensed.duplicated()].head(most))


def _sensed(gate: str) -> str:
    return " ".join(sorted(one.symbol for one in Gate.parse(gate).literals if not one.is_negated))


def _row(choice: Choice, gate: str | None, facts: dict[str, Any]) -> dict[str, Any] | None:
    """A chosen gate with why its class is what it is."""
    if gate is None:
        return None
    row = _records(choice.table[choice.table["gate"] == gate])[0]
    why = [f"{text} {_shortened(row[name])}" for name, text in facts["reasons"].items() if row.get(name)]
    return row | {"why": why}


def _shortened(places: str) -> str:
    listed = places.split(", ")
    more = f" and {len(listed) - PLACES} more" if len(listed) > PLACES else ""
    return ", ".join(listed[:PLACES]) + more


def _bar(choice: Choice) -> list[dict[str, Any]]:
    """The malignant cells in three parts: hit by the first, by the second alone, by neither."""
    left = choice.left.set_index("by")["left"]
    if "first" not in left:
        return []
    after = left.get("first and second", left["first"])
    parts = (("first", 1 - left["first"]), ("second", left["first"] - after), ("none", after))
    starts = (0.0, 1 - left["first"], 1 - after)
    return [
        {"part": part, "start": round(100 * start, 3), "width": round(100 * width, 3), "share": width}
        for (part, width), start in zip(parts, starts, strict=True)
    ]


def _counts(table: pd.DataFrame) -> dict[str, int]:
    known = table["not_measured"].eq("")
    reach = table["rank"].notna()
    return {
        "gates": len(table),
        "unknown": int((~known).sum()),
        "reach": int(reach.sum()),
        "reach_over_cap": int((reach & table["safety_class"].eq(OVER_CAP)).sum()),
    }


def _first_of_run(table: pd.DataFrame) -> dict[str, Any] | None:
    """The gate that the run ranks first, as it stands for this patient."""
    rank = table["rank_run"].astype(float)
    return _records(table[rank == rank.min()].head(1))[0] if rank.notna().any() else None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    plain = frame.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
