"""Which gates come first: eligible, then safety class, then selectivity and window."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cartarget.contracts import CLASSES

NEGATIVE = ("housekeeping", "intracellular")
"""Kinds of control that are scored outside the candidate set and must never lead."""


def ranking_order(frame: pd.DataFrame, *, name: str = "gate") -> pd.Index:
    """Order gates from best to worst.

    Eligible gates first; then safety class in the order safe, origin-only, unknown, unsafe; within the
    first three selectivity and then window, within unsafe window alone, since selectivity has saturated
    there; then fewer antigens; protein-checked first; then name.

    Parameters
    ----------
    frame
        Columns `is_eligible`, `safety_class`, `selectivity`, `window`, `is_protein_known`, the name, and
        `n_antigens` if gates differ in it. A missing window ranks below every other.
    name
        Column of the name.

    Returns
    -------
    Index labels of `frame`, best first.

    Examples
    --------
    >>> gates = pd.DataFrame({"gate": ["A", "B", "C"], "is_eligible": [True, True, False],
    ...                       "safety_class": ["unsafe", "safe", "safe"], "selectivity": [0.9, 0.5, 0.9],
    ...                       "window": [1.0, 2.0, 3.0], "is_protein_known": False})
    >>> gates.loc[ranking_order(gates), "gate"].tolist()
    ['B', 'A', 'C']
    """
    place = frame["safety_class"].map({label: rank for rank, label in enumerate(CLASSES)}).astype(int)
    unsafe = place == len(CLASSES) - 1
    window = frame["window"].astype(float).fillna(-np.inf)
    keys = pd.DataFrame(
        {
            "eligible": ~frame["is_eligible"].astype(bool),
            "class": place,
            "score": -np.round(frame["selectivity"].astype(float).where(~unsafe, 0.0), 9),
            "window": -np.round(window, 6),
            "size": frame["n_antigens"].astype(int) if "n_antigens" in frame else 1,
            "protein": ~frame["is_protein_known"].astype(bool),
            "name": frame[name].astype(str),
        },
        index=frame.index,
    )
    return keys.sort_values(keys.columns.tolist(), kind="stable").index


def rank(frame: pd.DataFrame, *, name: str = "gate") -> pd.DataFrame:
    """Sort gates and number those that compete, from 1; redundant gates and controls get no number.

    Parameters
    ----------
    frame
        As for :func:`ranking_order`; `is_redundant` and `control` say who does not compete.
    name
        Column of the name.

    Returns
    -------
    Sorted copy with a column `rank` (missing where a row does not compete).
    """
    ordered = frame.loc[ranking_order(frame, name=name)].reset_index(drop=True)
    competes = ordered["is_eligible"].astype(bool)
    if "is_redundant" in ordered:
        competes &= ~ordered["is_redundant"].astype(bool)
    if "control" in ordered:
        competes &= ~ordered["control"].fillna("").isin(NEGATIVE)
    ordered["rank"] = competes.cumsum().astype("Int64").where(competes)
    return ordered
