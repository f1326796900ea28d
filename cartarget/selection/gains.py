"""What a gate adds to the gates that are left when antigens are taken away."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.safety.known import GAIN
from cartarget.selection.ranking import place_firm, place_of, ranking_order


def gains(frame: pd.DataFrame, *, members: NDArray[np.int64]) -> pd.DataFrame:
    """Compare each gate with its sub-gates.

    A gate is redundant unless it gains on **each** of them: a better safety class, a better worst class at half, once
    and twice the threshold, or 0.05 in selectivity. What it adds is told against the best-ranked one.

    Parameters
    ----------
    frame
        Scored gates with a default index, as from `cartarget.score_gates`; every sub-gate is among them; `class_half`
        and `class_twice` where the threshold was moved.
    members
        Gates × sub-gates: rows of `frame`; −1 for none. A gate without any is never redundant.

    Returns
    -------
    One row a gate: `is_redundant`, `best_member`, `gain_coverage`, `gain_liability` (that of the best member minus its
    own), `gain_window`, `gain_selectivity`; missing where there is no sub-gate.

    Examples
    --------
    >>> frame = pd.DataFrame({"gate": ["A", "A & B"], "is_eligible": True, "safety_class": ["over cap", "within caps"],
    ...     "selectivity": [0.9, 0.8], "window": 1.0, "is_protein_known": False, "coverage": [0.9, 0.8],
    ...     "liability": [0.5, 0.1]})
    >>> gains(frame, members=np.array([[-1], [0]]))[["is_redundant", "best_member"]].values.tolist()
    [[False, None], [False, 'A']]
    """
    place = place_of(frame["safety_class"]).to_numpy(dtype=np.int64)
    firm = place_firm(frame).to_numpy(dtype=np.int64)
    selectivity = frame["selectivity"].to_numpy(dtype=np.float64)
    order = np.empty(len(frame), dtype=np.int64)
    order[frame.index.get_indexer(ranking_order(frame))] = np.arange(len(frame))
    given = members >= 0
    better = (place[:, None] < place[members]) | (firm[:, None] < firm[members])
    better |= selectivity[:, None] >= selectivity[members] + GAIN - 1e-9
    best = members[np.arange(len(members)), np.where(given, order[members], len(frame)).argmin(axis=1)]
    has = given.any(axis=1)

    def gain(column: str, sign: float = 1.0) -> NDArray[np.float64]:
        values = frame[column].to_numpy(dtype=np.float64)
        return np.where(has, sign * (values - values[best]), np.nan)

    names = frame["gate"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "is_redundant": has & ~(better | ~given).all(axis=1),
            "best_member": np.where(has, names[best], None),
            "gain_coverage": gain("coverage"),
            "gain_liability": gain("liability", -1.0),
            "gain_window": gain("window"),
            "gain_selectivity": gain("selectivity"),
        },
        index=frame.index,
    )
