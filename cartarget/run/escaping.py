"""What the tumours of a run escape by: second gates, the purity of its samples, and what tumours need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cartarget.evidence.malignant import Mixtures
from cartarget.logic.gate import Gate, quote
from cartarget.run.inputs import Run
from cartarget.selection.escape import escape_table
from cartarget.selection.loss import Loss

PARTNERS = 100
"""Ranked gates among which a second one is looked for."""

OFFERED = ("within caps", "origin only", "unknown")
"""Classes of gates that may be a second one: none that breaks a cap."""

RATE = 0.05
"""Share of cells that lose an antigen, unless another is stated: an assumption."""


def run_escape(
    run: Run,
    gates: Sequence[str | Gate],
    *,
    antigens: pd.DataFrame,
    ranked: pd.DataFrame,
    bulk: float,
    loss: Loss = RATE,
) -> pd.DataFrame:
    """What gates leave of the tumours of a run (see `cartarget.selection.escape.escape_table`).

    Parameters
    ----------
    run
        The run, as `load_run` reads it (`open_run(...).run`).
    gates
        Gates over the run's candidates.
    antigens, ranked
        Its tables `antigens` and `gates`.
    bulk
        CPM from which a bulk sample is positive.
    loss
        Share of cells that lose an antigen.

    Returns
    -------
    The table of escape. Second gates are the first hundred ranked antigens and gates of the run that break no cap; an
    unknown one stays unknown. Of what the cells left carry, candidates that break no cap are named. Purity is that of
    the atlas whose tumours order the ranking, where it is known; what a tumour needs comes from the run's table of
    essentiality, and is unknown without one.
    """
    named = antigens.loc[_is_offered(antigens) & antigens["control"].fillna("").eq(""), "symbol"]
    skewed = antigens.set_index("symbol")["skewed_lrt"].astype(float)
    return escape_table(
        run.panel,
        gates,
        second_gates(antigens, ranked),
        loss=loss,
        skewed_lrt=skewed.dropna().to_dict() if skewed.notna().any() else None,
        mixtures=mixtures_of(run, bulk=bulk),
        named=named.astype(str).tolist(),
    )


def second_gates(antigens: pd.DataFrame, gates: pd.DataFrame) -> list[str]:
    """Ranked antigens and gates that break no cap, best first, each list in its order."""
    found: list[str] = []
    tables = (antigens.assign(gate=antigens["symbol"].astype(str).map(quote)), gates)
    for table in tables:
        ranked = table[table["rank"].notna() & _is_offered(table)]
        found += ranked.sort_values("rank")["gate"].astype(str).head(PARTNERS // len(tables)).tolist()
    return found


def _is_offered(table: pd.DataFrame) -> pd.Series:
    return table["safety_class"].isin(OFFERED)


def mixtures_of(run: Run, *, bulk: float) -> Mixtures | None:
    """Threshold and purity of the run's bulk tumours; None where no purity is known."""
    adata = run.atlases[run.primary]
    if adata.uns["cartarget"]["kind"] != "samples" or "purity" not in adata.obs:
        return None
    tumor = adata.obs[(adata.obs["side"].astype(str) == "tumor").to_numpy()]
    lowest = tumor["purity"].astype(np.float64).groupby(tumor["donor"].astype(str).to_numpy()).min()
    return Mixtures(threshold=bulk, purity=lowest.dropna().to_dict())
