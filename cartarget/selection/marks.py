"""The evidence strip: five marks that a meeting asks of every idea, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cartarget.contracts import CLASSES
from cartarget.logic.gate import Gate
from cartarget.logic.thresholds import name_of
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS

YES, PARTLY, NO, UNKNOWN = "yes", "partly", "no", "unknown"

FIRM_SURFACE = 2.0
"""Surface score (log odds) from which a mark says yes without an experiment: 0.88 as far as the weights hold."""

FEWEST_RATIOS = 10
"""Patients in whom mass spectrometry must have found a protein for it to count as seen."""

APART = -0.3
"""Correlation over tumours below which two antigens are taken to lie in different cells where no cell was counted."""

OPEN_OUTSIDE = 50
"""Residues in the longest stretch outside from which a mark says yes without an experiment. The loops that the
antibodies of the clinic reach have 44 (MS4A1) to 52 (CLDN6, CLDN18), and those targets stand on their experiments."""

_ASKED = (
    "safety_class", "coverage_cells", "cells_malignant", "cells_note", "members_r", "coverage_twice",
    *AT_OTHER_THRESHOLDS,
)  # fmt: skip
_OF_ANTIGEN = (
    "surface_status", "surface_reason", "surface_score", "n_residues_outside",
    "protein_stained", "n_protein_stained", "n_protein_ratio", "antibody_malignant",
)  # fmt: skip


def sensed(gate: str) -> tuple[str, ...]:
    """Antigens that a gate must see, by name; those that block it say nothing of the tumour."""
    return tuple(dict.fromkeys(name_of(one.symbol) for one in Gate.parse(gate).literals if not one.is_negated))


def marks(rows: pd.DataFrame, *, antigens: pd.DataFrame, floor: float = 0.5) -> pd.DataFrame:
    """Mark what is known of each gate's antigens on the membrane, in malignant cells, as protein, and of thresholds.

    | mark | yes | no |
    |---|---|---|
    | membrane | an experiment put every antigen there, or its surface score is 2 or more and no stretch known to be \
the longest is under 50 residues (else partly) | |
    | cells | malignant cells are hit at the coverage floor or above | they are not, or none was counted and two \
antigens run against each other over tumours (`members_r` below -0.3) |
    | protein | every antigen stains or binds antibodies at the floor, or was found in 10 tumours by mass | one is not |
    | thresholds | the class is no worse at half and twice the threshold, and coverage at twice keeps the floor (else \
partly) | it is worse |

    What is not measured is unknown. Blockers are not asked.

    Parameters
    ----------
    rows
        Gates or antigens: `gate` (or `symbol`), `safety_class`, and where known `coverage_cells`, `cells_malignant`,
        `cells_note`, `is_firm`, `class_half`, `class_twice`.
    antigens
        The `antigens` table.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    For each row `mark_membrane`, `mark_cells`, `mark_protein`, `mark_thresholds` (yes, partly, no, unknown), and
    `reason_` for each, in words.

    Examples
    --------
    >>> antigens = pd.DataFrame({"symbol": ["A"], "surface_status": ["experiment"], "surface_reason": ["CAR T"]})
    >>> rows = pd.DataFrame({"gate": ["A"], "safety_class": ["within caps"], "coverage_cells": [0.4]})
    >>> found = marks(rows, antigens=antigens)
    >>> found[["mark_membrane", "mark_cells", "mark_protein", "mark_thresholds"]].values.tolist()
    [['yes', 'no', 'unknown', 'unknown']]
    """
    known = antigens.drop_duplicates("symbol").set_index("symbol")
    told = known[[column for column in _OF_ANTIGEN if column in known]].to_dict("index")
    membrane = {str(symbol): _membrane(row) for symbol, row in told.items()}
    protein = {str(symbol): _protein(row, floor) for symbol, row in told.items()}
    names = rows["gate"] if "gate" in rows else rows["symbol"]
    members = [sensed(text) if "gate" in rows else (text,) for text in names.astype(str)]
    found = pd.DataFrame(index=rows.index)
    records = rows[[column for column in _ASKED if column in rows]].to_dict("records")
    for name, found_of in (
        ("membrane", [_together(own, membrane) for own in members]),
        ("cells", [_cells(row, floor) for row in records]),
        ("protein", [_together(own, protein) for own in members]),
        ("thresholds", [_thresholds(row, floor) for row in records]),
    ):
        found[f"mark_{name}"] = [mark for mark, _ in found_of]
        found[f"reason_{name}"] = [reason for _, reason in found_of]
    return found


def cohort_mark(gate: str, replication: pd.DataFrame) -> tuple[str, str]:
    """Whether the gate's coverage holds in a second cohort: the first that measured all its antigens decides."""
    rows = replication[replication["gate"].astype(str) == gate]
    for row in rows.to_dict("records"):
        if row["verdict"] in _VERDICTS:
            words = f"{row['atlas']}: coverage {row['coverage_second']:.2f} in {row['n_patients_second']} patients"
            return _VERDICTS[row["verdict"]], words
    return UNKNOWN, "no second cohort measured it" if len(rows) else "no second cohort was asked"


_VERDICTS = {"holds": YES, "uncertain": PARTLY, "drops": NO}


def _together(members: Sequence[str], told: dict[str, tuple[str, str]]) -> tuple[str, str]:
    """All must say yes; one that says no decides, then one that is unknown."""
    found = [told.get(symbol, (UNKNOWN, "not among the antigens")) for symbol in members]
    worst = next((mark for mark in (NO, UNKNOWN, PARTLY) if any(mark == own for own, _ in found)), YES)
    return worst, "; ".join(f"{symbol}: {words}" for symbol, (_, words) in zip(members, found, strict=True))


def _membrane(row: Mapping[Any, Any]) -> tuple[str, str]:
    status, reason, score = row.get("surface_status"), _text(row.get("surface_reason")), _number(row, "surface_score")
    if status == "experiment":
        return YES, reason
    if status != "surface":
        return UNKNOWN, reason or "no surface evidence"
    outside = _number(row, "n_residues_outside")
    if outside is not None and outside < OPEN_OUTSIDE:
        return PARTLY, f"{reason}; under {OPEN_OUTSIDE}, few binders reach it"
    return (YES if score is not None and score >= FIRM_SURFACE else PARTLY), reason


def _protein(row: Mapping[Any, Any], floor: float) -> tuple[str, str]:
    stained, n_stained = _number(row, "protein_stained"), _number(row, "n_protein_stained")
    n_ratio = _number(row, "n_protein_ratio") or 0
    bound = _number(row, "antibody_malignant")
    is_found = n_ratio >= FEWEST_RATIOS or (bound is not None and bound >= floor)
    found = [
        f"found by mass spectrometry in {n_ratio:.0f} tumours" if n_ratio else "",
        "" if bound is None else f"{bound:.0%} of the malignant cells bind an antibody",
    ]
    if stained is None or n_stained is None:
        mark = YES if is_found else UNKNOWN if bound is None else NO
        return mark, "; ".join(filter(None, found)) or "no protein was measured in tumours"
    mark = YES if stained >= floor else PARTLY if is_found else NO
    return mark, "; ".join(filter(None, [f"{stained * n_stained:.0f} of {n_stained:.0f} patients stain", *found]))


def _cells(row: Mapping[Any, Any], floor: float) -> tuple[str, str]:
    counted = _number(row, "coverage_cells")
    share = _number(row, "cells_malignant") if counted is None else counted
    if share is None:
        r = _number(row, "members_r")
        if r is not None and r < APART:
            return NO, f"over tumours its antigens run against each other (r {r:.2f}): likely in different cells"
        return UNKNOWN, _text(row.get("cells_note")) or "no malignant cells were counted"
    return (YES if share >= floor else NO), f"{share:.0%} of the malignant cells that were counted"


def _thresholds(row: Mapping[Any, Any], floor: float) -> tuple[str, str]:
    moved = [_text(row.get(column)) for column in AT_OTHER_THRESHOLDS]
    named = zip(moved, ("half", "twice"), strict=True)
    words = "; ".join(f"{kind} at {name} the threshold" for kind, name in named if kind)
    if not words:
        return UNKNOWN, "the threshold cannot be moved"
    own = CLASSES.index(str(row["safety_class"]))
    if any(kind and CLASSES.index(kind) > own for kind in moved):
        return NO, words
    covered = _number(row, "coverage_twice")
    if covered is not None and covered < floor:
        return PARTLY, f"{words}; coverage {covered:.2f} there"
    return YES, words


def _text(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _number(row: Mapping[Any, Any], column: str) -> float | None:
    value = row.get(column)
    return None if value is None or pd.isna(value) else float(value)
