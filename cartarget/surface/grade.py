"""Is it on the membrane? A score with its parts, then a rule, and the reason for every gene that is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cartarget.surface.protein import LEAST_OUTSIDE

WEIGHTS = {
    "base": -2.9,
    "annotation": 1.9,
    "against_annotation": -0.1,
    "imaging": 0.7,
    "against_imaging": -0.5,
    "prediction": 3.2,
    "capture": 0.8,
    "other": 3.2,
    "outside": 1.3,
    "open": 0.4,
    "lumen": -1.0,
    "no anchor": -1.8,
    "not found": -1.8,
    "short": 0.0,
    "unknown": 0.0,
}
"""Points (log odds) of each part; those of `gather.TOPOLOGIES` are given where the topology is so. They are fixed, and
an assumption: `calibrate.fit_weights` gave them, rounded, from 331 labelled proteins, most of which were taken from
tables of others and are not kept here. On the 301 labels that are kept (`resources/surface_labels.tsv`) a new fit is
not clearly better (docs/surface.md). `other`, a user's own table, is taken at its word."""

WEIGHED = ("annotation", "against_annotation", "imaging", "against_imaging", "prediction", "capture", "other")
"""Columns of `gather.gather` that are multiplied with their weight."""

PARTS = {
    "annotation": ("annotation", "against_annotation"),
    "imaging": ("imaging", "against_imaging"),
    "prediction": ("prediction",),
    "capture": ("capture",),
    "other": ("other",),
}
"""Part of the score → its columns; `topology` is the sixth part."""

STATUSES = ("experiment", "surface", "not surface", "unknown")
"""What `surface_status` may say."""

CUT = 0.0
"""Score from which a gene is a candidate: even odds, as far as the weights hold."""


@dataclass(frozen=True)
class Part:
    """One part of a gene's surface evidence: its name, points, and what was found in words."""

    name: str
    points: float
    words: str


@dataclass(frozen=True)
class SurfaceEvidence:
    """The surface evidence of one gene.

    Attributes
    ----------
    symbol
        The gene.
    parts
        The parts, with their points.
    score
        Sum of the points and the base, in log odds; 0 is even.
    status
        One of `STATUSES`.
    is_candidate
        Whether the gene may be an antigen.
    reason
        Why, in a sentence.
    """

    symbol: str
    parts: tuple[Part, ...]
    score: float
    status: str
    is_candidate: bool
    reason: str


def grade(evidence: pd.DataFrame, *, cut: float = CUT) -> pd.DataFrame:
    """Score the surface evidence of genes and say which may be antigens.

    The score is the sum of points: a base of -2.9, the weight of what each independent source says (`WEIGHTS`), and the
    points of the topology. What is missing adds nothing. A gene is a candidate if an experiment put it on the surface;
    else if its score is at least `cut` and not fewer than 30 residues are known to be outside.

    Parameters
    ----------
    evidence
        `gather.gather`.
    cut
        Score from which a gene is a candidate.

    Returns
    -------
    DataFrame
        The rows and columns given, and `points_annotation`, `points_imaging`, `points_prediction`, `points_capture`,
        `points_other`, `points_topology`, `surface_score`, `surface_status` (one of `STATUSES`), `is_candidate` and
        `surface_reason`.

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> votes = pd.DataFrame({"uniprot": [1, 1], "go": [1, 1], "surfy": [1, 0]}, index=["MET", "AURKA"]).astype(bool)
    >>> grade(gather(["MET", "AURKA"], votes=votes))["is_candidate"].to_dict()
    {'MET': True, 'AURKA': False}
    """
    table = evidence.copy()
    for part, columns in PARTS.items():
        points = sum((evidence[column].fillna(0.0) * WEIGHTS[column] for column in columns), start=0.0)
        table[f"points_{part}"] = points
    table["points_topology"] = evidence["topology"].map(WEIGHTS).astype(float)
    table["surface_score"] = WEIGHTS["base"] + table.filter(like="points_").sum(axis=1)
    is_tried = evidence["experiment"].ne("")
    is_known = _is_known(evidence)
    passes = is_known & table["surface_score"].ge(cut) & evidence["topology"].ne("short")
    status = np.select([is_tried, ~is_known, passes], ["experiment", "unknown", "surface"], "not surface")
    table["surface_status"] = status
    table["is_candidate"] = is_tried | passes
    table["surface_reason"] = [_reason(row) for row in table.to_dict("records")]
    return table


def _is_known(evidence: pd.DataFrame) -> pd.Series:
    told = evidence[["annotation", "imaging", "against_imaging", "other"]].notna().any(axis=1)
    told |= evidence[["prediction", "capture"]].fillna(0.0).gt(0).any(axis=1)
    return told | ~evidence["topology"].isin(["unknown", "not found"])


def evidence_of(row: pd.Series) -> SurfaceEvidence:
    """The record of one gene, from a row of `grade`.

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> votes = pd.DataFrame({"uniprot": [True], "surfy": [True]}, index=["MET"])
    >>> found = evidence_of(grade(gather(["MET"], votes=votes)).loc["MET"])
    >>> found.status, [part.name for part in found.parts if part.points]
    ('surface', ['annotation', 'prediction'])
    """
    words = {
        "annotation": _places(row["annotation"], row["annotation_where"]),
        "imaging": _places(row["imaging"], row["imaging_where"]),
        "prediction": "SURFY calls it surface" if row["prediction"] > 0 else "",
        "capture": "captured on living cells" if row["capture"] > 0 else "",
        "other": "in your own table" if row["other"] > 0 else "",
        "topology": _outside(row),
    }
    parts = tuple(Part(name, float(row[f"points_{name}"]), text) for name, text in words.items())
    return SurfaceEvidence(
        symbol=str(row.name),
        parts=parts,
        score=float(row["surface_score"]),
        status=row["surface_status"],
        is_candidate=bool(row["is_candidate"]),
        reason=row["surface_reason"],
    )


def _places(weight: float, where: str) -> str:
    return ", ".join(filter(None, ["plasma membrane" if weight > 0 else "", where]))


def _outside(row: Any) -> str:
    count, source = row["n_residues_outside"], row["topology_source"]
    named = {
        "open": f"the part after its last span may be outside, of unknown length ({source})",
        "lumen": f"its far side is the lumen of an organelle ({source})",
        "no anchor": f"no membrane span or anchor on the outer face ({source})",
        "not found": "no membrane span or anchor is known",
        "unknown": "",
    }
    return named.get(row["topology"], f"{count} residues outside in one stretch ({source})")


def _reason(row: dict[Any, Any]) -> str:
    if row["surface_status"] == "experiment":
        return f"kept by experiment: {row['experiment']} ({row['experiment_source']})"
    if row["surface_status"] == "unknown":
        return "no source of surface evidence knows this gene"
    if row["is_candidate"]:
        return _support(row)
    topology = row["topology"]
    if topology == "short":
        return f"too little outside: {_outside(row)}; a binder needs {LEAST_OUTSIDE}"
    where = _elsewhere(row)
    if topology in ("no anchor", "not found"):
        return f"{_unheld(row, where)}: {_outside(row)}"
    if topology == "lumen":
        return f"inside the cell{f' ({where})' if where else ''}: {_outside(row)}"
    if where:
        return f"placed in the {where}, and too little speaks for the plasma membrane"
    return "too little evidence for the plasma membrane"


def _elsewhere(row: dict[Any, Any]) -> str:
    """Places named by annotation and images, each once, without the secretion that a receptor's shed part shows."""
    parts = [place for text in (row["annotation_where"], row["imaging_where"]) for place in text.split(", ") if place]
    return ", ".join(dict.fromkeys(parts))


def _unheld(row: dict[Any, Any], where: str) -> str:
    """What a protein is that nothing holds on the outer face."""
    if "secreted" in where or row["is_predicted_secreted"] or row["topology_source"] == "SURFY":
        return "secreted"
    if row["capture"] > 0:
        return "secreted, and captured because it sticks to cells"
    is_at_membrane = row["imaging"] > 0
    if is_at_membrane:
        return "inner leaflet, if at the membrane at all"
    return f"seen in the {where}" if where else "secreted or inside the cell"


def _support(row: dict[Any, Any]) -> str:
    names = {
        "annotation": "UniProt or GO",
        "imaging": "HPA",
        "prediction": "SURFY",
        "capture": "captured by mass spectrometry",
        "other": "your own table",
    }
    voices = ", ".join(text for name, text in names.items() if row[name] > 0)
    return f"{voices}; {_outside(row)}" if _outside(row) else voices
