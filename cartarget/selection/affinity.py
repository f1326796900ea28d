"""Gates of two whose antigens have thresholds of their own, searched over a few steps of each antigen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates, renamed
from cartarget.logic.gate import Gate, canonical
from cartarget.logic.thresholds import name_of
from cartarget.selection.gains import gains
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS, rank_again
from cartarget.selection.screen import classes_of, score_gates, screen_gates


def plain(gate: Gate) -> Gate:
    """The gate with every antigen at the threshold of the run.

    Examples
    --------
    >>> print(plain(Gate.parse("CEACAM5>=200 & CDH17")))
    CDH17 & CEACAM5
    """
    return canonical(renamed(gate, {antigen: name_of(antigen) for antigen in gate.antigens}))


def screen_affinity(
    panel: Panel,
    *,
    candidates: Sequence[str],
    blockers: Collection[str] | None = None,
    floor: float = 0.5,
    top: int = 10_000,
    half: Panel | None = None,
    twice: Panel | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Search every gate of two over antigens at several thresholds, and keep of each rule its best thresholds.

    Every pair of rows is judged, but for an antigen with itself. Of the first `top` gates those stay that gain on their
    members and, where a threshold is not the run's, on the same rule at the run's thresholds: a better class, a better
    worst class at half, once and twice, or 0.05 in selectivity. Of gates of one rule the first by rank stays.

    Parameters
    ----------
    panel
        Evidence, with rows such as `CEACAM5` and `CEACAM5>=200` (`cartarget.evidence.affinity.with_own_thresholds`).
    candidates
        Antigens that may stand in a gate: names with and without a threshold.
    blockers
        Those that may block. None: all.
    floor
        Coverage that makes a gate eligible.
    top
        How many gates are asked, over all steps; fewer rules come back.
    half, twice
        The same rows with every threshold at half and at twice.
    progress
        Show a progress bar.

    Returns
    -------
    The columns of `gates`, best first. A rule that is best at the run's thresholds stands there as it is.

    Examples
    --------
    >>> import cartarget
    >>> from cartarget.evidence.affinity import with_own_thresholds
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> at = lambda count: cartarget.build_panel(
    ...     atlas, symbols=["CEACAM5", "MSLN"], required=tiers.required, origin=["colon"], count=count
    ... )
    >>> panel = with_own_thresholds(at(1), antigens=["CEACAM5>=2", "MSLN>=2"], at=at)
    >>> screen_affinity(panel, candidates=panel.symbols, progress=False)["gate"].head(1).tolist()
    ['CEACAM5>=2 & MSLN']
    """
    found = screen_gates(
        panel, candidates=candidates, floor=floor, top=top, half=half, twice=twice, progress=progress
    ).table
    found = found[found["rank"].notna()].reset_index(drop=True)
    gates = [Gate.parse(text) for text in found["gate"]]
    twins = [str(plain(gate)) for gate in gates]
    may_block = np.array([_may_block(gate, blockers) for gate in gates], dtype=bool)
    kept = may_block & ~_needs_no_threshold(panel, found, twins, floor=floor, half=half, twice=twice)
    best = found.assign(rule=twins)[kept].drop_duplicates("rule").drop(columns="rule")
    return rank_again(best.reset_index(drop=True))


def _may_block(gate: Gate, blockers: Collection[str] | None) -> bool:
    return blockers is None or all(one.symbol in blockers for one in gate.literals if one.is_negated)


def _needs_no_threshold(
    panel: Panel, found: pd.DataFrame, twins: Sequence[str], *, floor: float, half: Panel | None, twice: Panel | None
) -> NDArray[np.bool_]:
    """Gates that gain nothing on the same rule at the run's thresholds."""
    own = np.flatnonzero(found["gate"].to_numpy() != np.array(twins, dtype=object)).tolist()
    names = list(dict.fromkeys(twins[row] for row in own))
    out = np.zeros(len(found), dtype=bool)
    if not names:
        return out
    listed = Gates.parse(names, panel=panel)
    other = score_gates(panel, gates=listed, floor=floor)
    for column, moved in zip(AT_OTHER_THRESHOLDS, (half, twice), strict=True):
        if moved is not None:
            other[column] = classes_of(moved, listed).to_numpy()
    asked = found.iloc[own]
    shared = [column for column in other if column in asked]
    members = np.full((len(other) + len(asked), 1), -1, dtype=np.int64)
    members[len(other) :, 0] = pd.Index(names).get_indexer(pd.Index([twins[row] for row in own]))
    both = pd.concat([other[shared], asked[shared]], ignore_index=True)
    out[own] = gains(both, members=members)["is_redundant"].to_numpy(dtype=bool)[len(other) :]
    return out
