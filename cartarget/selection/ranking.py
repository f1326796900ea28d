"""Which gates come first: eligible, then safety class at every threshold, then selectivity and window."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cartarget.contracts import CLASSES

AT_OTHER_THRESHOLDS = ("class_half", "class_twice")
"""Columns with the class at half and at twice the threshold, where it can be moved."""

NEGATIVE = ("housekeeping", "intracellular")
"""Kinds of control that are scored outside the candidate set and must never lead."""


def ranking_order(frame: pd.DataFrame, *, name: str = "gate") -> pd.Index:
    """Order gates from best to worst.

    Eligible gates first; then the worst safety class at half, at once and at twice the threshold, in the order within
    caps, origin only, unknown, over cap (a class that needs one threshold ranks below every firm one); then the class
    at the threshold itself; within the first three selectivity and then window, among those over cap window alone,
    since selectivity has saturated there; then fewer antigens; protein-checked first; then name.

    Parameters
    ----------
    frame
        Columns `is_eligible`, `safety_class`, `selectivity`, `window`, `is_protein_known`, the name, and
        `n_antigens` if gates differ in it; `class_half` and `class_twice` where the threshold was moved (missing: it
        could not be). A missing window ranks below every other.
    name
        Column of the name.

    Returns
    -------
    Index labels of `frame`, best first.

    Examples
    --------
    >>> gates = pd.DataFrame({"gate": ["A", "B", "C"], "is_eligible": [True, True, False],
    ...                       "safety_class": ["over cap", "within caps", "within caps"],
    ...                       "selectivity": [0.9, 0.5, 0.9], "window": [1.0, 2.0, 3.0], "is_protein_known": False})
    >>> gates.loc[ranking_order(gates), "gate"].tolist()
    ['B', 'A', 'C']
    """
    place = place_of(frame["safety_class"])
    unsafe = place.eq(len(CLASSES) - 1).to_numpy(dtype=bool)
    window = frame["window"].astype(float).fillna(-np.inf)
    keys = pd.DataFrame(
        {
            "eligible": ~frame["is_eligible"].astype(bool),
            "firm": place_firm(frame),
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


def place_firm(frame: pd.DataFrame) -> pd.Series:
    """Place of the worst class at half, once and twice the threshold: 0 is within caps, 3 over cap."""
    moved = [place_of(frame[column]) for column in AT_OTHER_THRESHOLDS if column in frame]
    return pd.concat([place_of(frame["safety_class"]), *moved], axis=1).max(axis=1).astype(int)


def is_firm(frame: pd.DataFrame) -> pd.Series:
    """Whether the class is no worse at half and at twice the threshold; missing where the threshold cannot be moved."""
    firm = (place_firm(frame) == place_of(frame["safety_class"])).astype("boolean")
    moved = [frame[column].notna() for column in AT_OTHER_THRESHOLDS if column in frame]
    return firm.where(pd.concat(moved, axis=1).any(axis=1) if moved else False)


def place_of(classes: pd.Series) -> pd.Series:
    """Place of each safety class: 0 is within caps, 3 over cap; missing where the class is."""
    return classes.map({label: rank for rank, label in enumerate(CLASSES)}).astype("Float64")


def rank_again(frame: pd.DataFrame, *, name: str = "gate") -> pd.DataFrame:
    """Sort and number again rows that have a rank, once more is known of them; the others stay without one."""
    ordered = frame.loc[ranking_order(frame, name=name)].reset_index(drop=True)
    return _numbered(ordered, ordered["rank"].notna())


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
    return _numbered(ordered, competes)


def _numbered(ordered: pd.DataFrame, competes: pd.Series) -> pd.DataFrame:
    """Rows in order with `rank`: those that compete numbered from 1, the others without."""
    return ordered.assign(rank=competes.cumsum().astype("Int64").where(competes))
