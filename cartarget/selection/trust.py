"""How firm are the first gates? Held-out people, resampled people, chance, contradictions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cartarget.evidence.panel import Panel
from cartarget.evidence.people import gifts
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.crossfit import CrossFit, crossfit
from cartarget.selection.null import random_pair_null
from cartarget.selection.sweep import rank_intervals

FIRM = 0.95
"""Share of samples of people in which a firm gate keeps its class."""

_HELD_OUT = (
    "n_chosen", "n_folds", "coverage_heldout", "liability_heldout", "selectivity_heldout", "coverage_shrinkage",
    "liability_shrinkage",
)  # fmt: skip


def assess_gates(
    panel: Panel,
    *,
    gates: Sequence[str],
    candidates: Sequence[str],
    swept: pd.DataFrame | None = None,
    conflicts: pd.DataFrame | None = None,
    folds: int = 5,
    bootstrap: int = 100,
    n_null: int = 200,
    seed: int = 0,
    floor: float = 0.5,
    progress: bool = True,
) -> tuple[pd.DataFrame, CrossFit | None]:
    """Hold the reported gates to account, each by every means that its data allow.

    Parameters
    ----------
    panel
        Evidence on candidates and controls.
    gates
        The reported gates, best first.
    candidates
        Antigens from which the search chose.
    swept
        Ranks and classes of the gates at other thresholds (`sweep_ranks`).
    conflicts
        Contradictions (`find_conflicts`), to be counted per gate.
    folds
        Folds of the cross-fitting; fewer than two, or more than there are patients or normal donors: none.
    bootstrap, n_null
        Samples of people, and random gates a stratum; 0 for none.
    seed, floor, progress
        As for `screen_gates` and `build_panel`.

    Returns
    -------
    The `trust` table, gates in order, and what the cross-fitting found (None if it was not possible).
    """
    names = list(gates)
    table = pd.DataFrame({"gate": names, "rank": range(1, len(names) + 1)})
    counted = conflicts["gate"].value_counts() if conflicts is not None and len(conflicts) else pd.Series(dtype=int)
    table["n_conflicts"] = table["gate"].map(counted).fillna(0).astype(int)
    if not names:
        return table, None
    found, searched = None, [name for name in names if Gate.parse(name).n_literals <= 2]
    if 2 <= folds <= _people(panel):
        found = crossfit(
            panel, candidates=candidates, folds=folds, seed=seed, floor=floor, gates=searched, progress=progress
        )
        table = table.merge(found.gates[["gate", *_HELD_OUT]], on="gate", how="left")
    listed = Gates.parse(names, panel=panel)
    if bootstrap:
        ranks = rank_intervals(panel, gates=names, n=bootstrap, seed=seed, floor=floor, swept=swept, progress=progress)
        table = table.merge(ranks.drop(columns="rank_here"), on="gate", how="left")
    table["is_rank_firm"] = _is_firm(table, swept)
    if n_null:
        null = random_pair_null(panel, gates=listed, candidates=candidates, seed=seed, n=n_null, progress=progress)
        table = table.merge(null.drop(columns=["null_stratum", "null_window"]), on="gate", how="left")
    return table, found


def _is_firm(table: pd.DataFrame, swept: pd.DataFrame | None) -> pd.Series:
    """Whether a gate keeps its class at every threshold and in 95 % of the samples; missing where that is not known.

    What few patients show to be firm is not known to be; what they show not to be firm is not.
    """
    unknown = pd.Series(pd.NA, index=table.index, dtype="boolean")
    steady = same = unknown
    if "class_share" in table:
        steady = (table["class_share"] >= FIRM).astype("boolean")
        steady = steady.mask(steady & table["is_interval_narrow"])
    if swept is not None:
        classes = swept.set_index("gate")[["class_best", "class_worst"]].reindex(table["gate"]).astype("string")
        same = (classes["class_best"] == classes["class_worst"]).set_axis(table.index).astype("boolean")
    return steady & same


def _people(panel: Panel) -> int:
    """Donors on the side that has fewer: the most folds that can be dealt."""
    sides = gifts(panel).groupby("side")["donor"].nunique()
    return int(min(sides.get("tumor", 0), sides.get("normal", 0)))
