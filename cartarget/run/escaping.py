"""What the tumours of a run escape by: second gates, the purity of its samples, and what tumours need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.evidence.malignant import Mixtures
from cartarget.logic.gate import Gate
from cartarget.selection.escape import escape_table
from cartarget.selection.loss import Loss

if TYPE_CHECKING:
    from cartarget.run.asking import OpenRun

PARTNERS = 100
"""Ranked gates among which a second one is looked for."""

OFFERED = ("within caps", "origin only", "unknown")
"""Classes of gates that may be a second one: none that breaks a cap."""

RATE = 0.05
"""Share of cells that lose an antigen, unless another is stated: an assumption."""


def escape_of(opened: OpenRun, gates: Sequence[str | Gate], *, loss: Loss = RATE) -> pd.DataFrame:
    """What gates leave of the tumours of a run (see `cartarget.selection.escape.escape_table`).

    Parameters
    ----------
    opened
        The run.
    gates
        Gates over the run's candidates.
    loss
        Share of cells that lose an antigen.

    Returns
    -------
    The table of escape. Second gates are the first hundred ranked antigens and gates of the run that break no cap; an
    unknown one stays unknown. Purity is that of the atlas whose tumours order the ranking, where it is known; what a
    tumour needs comes from the run's table of essentiality, and is unknown without one.
    """
    skewed = opened.antigens.set_index("symbol")["skewed_lrt"].astype(float)
    return escape_table(
        opened.run.panel,
        gates,
        second_gates(opened),
        loss=loss,
        skewed_lrt=skewed.dropna().to_dict() if skewed.notna().any() else None,
        mixtures=mixtures_of(opened),
    )


def second_gates(opened: OpenRun) -> list[str]:
    """Ranked antigens and gates that break no cap, best class first, each list in its order."""
    found: list[str] = []
    tables = (opened.antigens.rename(columns={"symbol": "gate"}), opened.gates)
    for table in tables:
        ranked = table[table["rank"].notna() & table["safety_class"].isin(OFFERED)]
        found += ranked.sort_values("rank")["gate"].astype(str).head(PARTNERS // len(tables)).tolist()
    return found


def mixtures_of(opened: OpenRun) -> Mixtures | None:
    """Threshold and purity of the run's bulk tumours; None where no purity is known."""
    adata = opened.run.atlases[opened.run.primary]
    if adata.uns["cartarget"]["kind"] != "samples" or "purity" not in adata.obs:
        return None
    tumor = adata.obs[(adata.obs["side"].astype(str) == "tumor").to_numpy()]
    lowest = tumor["purity"].astype(np.float64).groupby(tumor["donor"].astype(str).to_numpy()).min()
    return Mixtures(threshold=opened.config.thresholds.bulk, purity=lowest.dropna().to_dict())
