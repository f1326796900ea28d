"""What an antigen reaches and hurts as its threshold moves: the therapeutic threshold curve of a bulk run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cartarget.config import Config
from cartarget.evidence.affinity import at_level
from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.run.annotate import run_evidence
from cartarget.run.inputs import Run
from cartarget.selection.screen import score_gates

DOUBLINGS = range(-1, 8)
"""Steps of the curve, in doublings of the run's threshold."""


def threshold_curves(run: Run, *, config: Config, symbols: Sequence[str]) -> dict[str, Any]:
    """Coverage and liability of single antigens from half to 128 times the run's threshold.

    Bulk samples and summaries move; cells, nuclei and stains beside them stay, since they have no such scale, and bound
    from above. Where cells order the ranking few counts were counted, and there is no curve.

    Parameters
    ----------
    run, config
        The run.
    symbols
        Antigens of its panel.

    Returns
    -------
    dict
        `thresholds`, rising, and `antigens`: symbol → `coverage` and `liability` at each (None: unknown). Empty where
        there is no curve.
    """
    if run.panel.kind != "samples" or not len(symbols):
        return {}
    limits, evidence = config.thresholds, run_evidence(run, config=config, symbols=symbols)
    thresholds = [limits.bulk * 2.0**step for step in DOUBLINGS]
    tables = []
    for threshold in thresholds:
        parts = [at_level(part, threshold) for part in run.parts]
        panel = build_panel(parts, bulk=threshold, count=limits.count, protein=limits.protein, **evidence)
        panel = replace(panel, harmed=run.panel.harmed)
        tables.append(score_gates(panel, gates=Gates.singles(len(symbols)), floor=config.coverage_floor))
    told = {
        name: [[None if value != value else round(float(value), 4) for value in table[name]] for table in tables]
        for name in ("coverage", "liability")
    }
    curves = {
        symbol: {name: [column[row] for column in columns] for name, columns in told.items()}
        for row, symbol in enumerate(symbols)
    }
    return {"thresholds": thresholds, "antigens": curves}
