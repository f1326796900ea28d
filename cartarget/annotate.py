"""What stands beside the scores of a run: joined cells, T cells, dropout, clinical history, contradictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cartarget.evidence.conflicts import cells_source, find_conflicts, panel_sources
from cartarget.evidence.detection import detection_rates
from cartarget.evidence.dropout import corrected_coverage, residual_liability
from cartarget.gates.listed import Gates
from cartarget.inputs import Run
from cartarget.safety.exposure import COUNTED, judge
from cartarget.safety.fratricide import fratricide
from cartarget.safety.toxicity import read_clinical_targets, read_toxicity
from cartarget.selection.joined import join_cells

NO_CONFLICTS = ["gate", "tissue", "kind", "source_a", "value_a", "source_b", "value_b", "sentence"]


def with_cells(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add what the first joined single-cell atlas says of each row."""
    if not run.joined:
        return table
    cells = join_cells(
        run.joined[0], symbols=run.panel.symbols, gates=gates, epithelium=run.indication.epithelium, count=count
    )
    return table.assign(**{str(name): values.to_numpy() for name, values in cells.items()})


def with_t_cells(table: pd.DataFrame, run: Run, *, level: float, count: int) -> pd.DataFrame:
    """Add whether T cells carry each antigen, from every atlas of the run; unknown where none has T cells."""
    found = fratricide(run.atlases.values(), symbols=table["symbol"].tolist(), level=level, count=count)
    source = found["tcell_population"].fillna(found["tcell_level_source"])
    added = found[["tcell_fraction", "tcell_level", "is_fratricide_risk"]].assign(tcell_source=source)
    return table.assign(**{str(name): values.array for name, values in added.items()})


def with_dropout(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add what blockers that drop out would expose, and what dropout hides of the coverage.

    In bulk the rates come from the first joined single-cell atlas; without one nothing is added.
    """
    source = run.atlases[run.primary] if run.panel.kind == "cells" else next(iter(run.joined), None)
    if source is None:
        return table
    judged = judge(run.panel, a=gates.a, b=gates.b, op=gates.op)
    rates = detection_rates(source, count=count)
    residual = residual_liability(run.panel, a=gates.a, b=gates.b, op=gates.op, naive=judged.naive, rates=rates)
    tumor = detection_rates(source, side="tumor", count=count)
    corrected = corrected_coverage(
        run.panel, a=gates.a, b=gates.b, op=gates.op, fraction=judged.fraction, rates=tumor, blocker_rates=rates
    )
    added = residual.assign(coverage_corrected=corrected.to_numpy())
    return table.assign(**{str(name): values.array for name, values in added.items()})


def with_history(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add what the clinic knows of each antigen: products that sense it, and harm on target outside the tumour."""
    targets = read_clinical_targets()
    targets["text"] = (
        targets["modality"] + ", " + targets["indication"] + ", " + targets["status"] + " (" + targets["id"] + ")"
    )
    events = read_toxicity(tiers=run.tiers)
    events["text"] = events["organ"] + ", " + events["severity"] + " (" + events["source"] + ")"
    return table.assign(
        clinical=table["symbol"].map(targets.groupby("symbol")["text"].agg("; ".join)),
        toxicity=table["symbol"].map(events.groupby("symbol")["text"].agg("; ".join)),
    )


def run_conflicts(run: Run, *, gates: Sequence[str], bulk: float, count: int) -> pd.DataFrame:
    """Contradictions between the run's sources about gates: bulk and cells, RNA and protein, atlas and atlas."""
    if not gates:
        return pd.DataFrame(columns=NO_CONFLICTS)
    listed = Gates.parse(gates, panel=run.panel)
    place = {"a": listed.a, "b": listed.b, "op": listed.op}
    judged = judge(run.panel, **place)
    sources = panel_sources(
        run.panel, atlas=run.primary, fraction=judged.fraction, is_counted=judged.state == COUNTED, bulk=bulk, **place
    )
    sources += [cells_source(cells, symbols=run.panel.symbols, count=count, **place) for cells in run.joined]
    return find_conflicts(sources, gates=list(gates))


def with_gate_columns(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add all that stands beside the scores of gates; rows and gates in the same order."""
    table = with_dropout(with_cells(table, run, gates=gates, count=count), run, gates=gates, count=count)
    return table.assign(cell_types_unmeasured=np.repeat(run.rare_unmeasured, len(table)))
