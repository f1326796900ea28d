"""What stands beside the scores of a run: joined cells, T cells, dropout, clinical history, contradictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.atlas.purity import tumor_level
from cartarget.config import Config, Thresholds
from cartarget.dictionary import columns
from cartarget.evidence.ambient import ambient_notes, ambient_scores, doublet_fractions
from cartarget.evidence.conflicts import cells_source, find_conflicts, panel_sources
from cartarget.evidence.detection import detection_rates
from cartarget.evidence.dropout import corrected_coverage, residual_liability
from cartarget.evidence.panel import build_panel, measured_in_tumor
from cartarget.evidence.positivity import dense
from cartarget.evidence.purity import coverage_range
from cartarget.evidence.tumor_protein import tumor_protein
from cartarget.logic.batch import Gates
from cartarget.run.inputs import Run
from cartarget.safety.fratricide import fratricide
from cartarget.safety.judge import COUNTED, EXPOSED, judge
from cartarget.safety.scores import rare_unmeasured
from cartarget.safety.toxicity import UNSOURCED, rank_organs, read_clinical_targets, read_toxicity
from cartarget.safety.window import gate_levels
from cartarget.selection.joined import join_cells
from cartarget.selection.replicate import replicate, without_shared
from cartarget.selection.sweep import sweep_panels, sweep_ranks


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
    shown = ["tcell_fraction", "tcell_fraction_upper", "n_tcells", "tcell_level", "is_fratricide_risk"]
    added = found[shown].assign(tcell_source=source)
    return table.assign(**{str(name): values.array for name, values in added.items()})


def with_leaks(table: pd.DataFrame, run: Run, *, count: int) -> pd.DataFrame:
    """Add a warning for antigens whose transcripts leak from one population of the run's cells into all others."""
    cells = _cells(run)
    if cells is None:
        return table
    notes = ambient_notes(ambient_scores(cells, count=count))
    return table.assign(ambient_note=table["symbol"].map(notes))


def _cells(run: Run) -> AnnData | None:
    """The run's own cells, or those of the first joined atlas; None where there are none."""
    return run.atlases[run.primary] if run.panel.kind == "cells" else next(iter(run.joined), None)


def with_dropout(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add what blockers that drop out would expose, and what dropout hides of the coverage.

    In bulk the rates come from the first joined single-cell atlas; without one nothing is added.
    """
    source = _cells(run)
    if source is None:
        return table
    judged = judge(run.panel, a=gates.a, b=gates.b, op=gates.op)
    rates = detection_rates(source, count=count)
    residual = residual_liability(
        run.panel, a=gates.a, b=gates.b, op=gates.op, naive=judged.naive, rates=rates,
        exposed=judged.unit_state == EXPOSED,
    )  # fmt: skip
    tumor = detection_rates(source, side="tumor", count=count)
    corrected = corrected_coverage(
        run.panel, a=gates.a, b=gates.b, op=gates.op, fraction=judged.fraction, rates=tumor, blocker_rates=rates
    )
    added = residual.assign(coverage_corrected=corrected.to_numpy())
    return table.assign(**{str(name): values.array for name, values in added.items()})


def with_purity(table: pd.DataFrame, run: Run, *, gates: Gates, level: float) -> pd.DataFrame:
    """Add the range in which bulk coverage lies given the tumours' purity; nothing where no purity is known.

    The cells around the tumour are taken to hold at most what the highest normal sample of the origin does; without a
    normal sample of the origin they may hold anything.
    """
    adata = run.atlases[run.primary]
    if "purity" not in adata.obs:
        return table
    values = dense(adata[:, list(run.panel.symbols)].X)
    is_tumor = (adata.obs["side"] == "tumor").to_numpy()
    is_home = adata.obs["is_origin"].to_numpy(dtype=bool) & ~is_tumor
    around = values[is_home].max(axis=0) if is_home.any() else np.inf
    tumor = adata.obs[is_tumor]
    levels = tumor_level(values[is_tumor], purity=tumor["purity"], normal=around)
    found = coverage_range(levels, gates=gates, threshold=level, donors=tumor["donor"].astype(str).tolist())
    is_known = table["coverage"].notna().to_numpy()
    return table.assign(
        **{str(name): values.where(is_known).to_numpy() for name, values in found.items()},
        n_purity=tumor.loc[tumor["purity"].notna(), "donor"].nunique(),
    )


def with_tumor_protein(table: pd.DataFrame, run: Run, *, stain: str) -> pd.DataFrame:
    """Add what antibodies and mass spectrometry say of each antigen's protein in tumours; shown, not scored."""
    found = [tumor_protein(atlas, stain=stain) for atlas in run.tumor_proteins]
    added = {name: each[name] for each in reversed(found) for name in each}
    return table.assign(**{name: table["symbol"].map(values) for name, values in added.items()})


def with_history(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add what the clinic knows of each antigen: products that sense it, harm on target; and what has no source."""
    targets = read_clinical_targets()
    targets["text"] = (
        targets["modality"] + ", " + targets["indication"] + ", " + targets["status"] + " (" + targets["id"] + ")"
    )
    events = read_toxicity(tiers=run.tiers)
    events["text"] = events["organ"] + ", " + events["severity"] + " (" + events["source"] + ")"
    return table.assign(
        clinical=table["symbol"].map(targets.groupby("symbol")["text"].agg("; ".join)),
        toxicity=table["symbol"].map(events.groupby("symbol")["text"].agg("; ".join)),
        **dict.fromkeys(UNSOURCED, "unknown"),
    )


def run_conflicts(run: Run, *, gates: Sequence[str], bulk: float, count: int) -> pd.DataFrame:
    """Contradictions between the run's sources: bulk and cells, RNA and protein, atlas and atlas.

    About every antigen alone, under its symbol, and about those of the gates that have two.
    """
    named = Gates.parse(gates, panel=run.panel)
    pairs = [gate for gate, a, b in zip(gates, named.a, named.b, strict=True) if a != b]
    listed = Gates.join([Gates.singles(len(run.panel.symbols)), named.pairs])
    place = {"a": listed.a, "b": listed.b, "op": listed.op}
    judged = judge(run.panel, **place)
    sources = panel_sources(
        run.panel, atlas=run.primary, fraction=judged.fraction, is_counted=judged.state == COUNTED, bulk=bulk, **place
    )
    sources += [cells_source(cells, symbols=run.panel.symbols, count=count, **place) for cells in run.joined]
    return find_conflicts(sources, gates=[*run.panel.symbols, *pairs])


def with_antigen_columns(table: pd.DataFrame, run: Run, *, gates: Gates, limits: Thresholds) -> pd.DataFrame:
    """Add all that stands beside the scores of antigens; rows and gates in the same order."""
    table = with_history(with_t_cells(table, run, level=limits.bulk, count=limits.count), run)
    table = with_purity(table, run, gates=gates, level=limits.bulk)
    table = with_tumor_protein(with_cells(table, run, gates=gates, count=limits.count), run, stain=limits.protein)
    return with_rare(with_leaks(table, run, count=limits.count), run, gates=gates)


def with_gate_columns(table: pd.DataFrame, run: Run, *, gates: Gates, limits: Thresholds) -> pd.DataFrame:
    """Add all that stands beside the scores of gates; rows and gates in the same order."""
    table = with_purity(table, run, gates=gates, level=limits.bulk)
    table = with_dropout(with_cells(table, run, gates=gates, count=limits.count), run, gates=gates, count=limits.count)
    return with_rare(table, run, gates=gates)


def with_sweep(table: pd.DataFrame, run: Run, *, config: Config) -> pd.DataFrame:
    """Add the rank among the ranked gates, and the class, of each ranked gate at other thresholds."""
    limits, panel = config.thresholds, run.panel
    ranked = table[table["rank"].notna()]
    sweep = sweep_panels(
        run.atlases[run.primary], symbols=Gates.parse(ranked["gate"].tolist(), panel=panel).members(panel.symbols),
        required=panel.required, origin=panel.origin, summaries=run.summaries, proteins=run.proteins,
        bulk=limits.bulk, count=limits.count, protein=limits.protein,
    )  # fmt: skip
    return table.merge(sweep_ranks(ranked, sweep=sweep, floor=config.coverage_floor), on="gate", how="left")


def with_rare(table: pd.DataFrame, run: Run, *, gates: Gates) -> pd.DataFrame:
    """Add the rare vital tissues and cell types in which nothing measured what a gate senses."""
    rare = rare_unmeasured(run.panel, rare=run.tiers.rare, a=gates.a, b=gates.b, op=gates.op)
    return table.assign(cell_types_unmeasured=rare)


def replications(run: Run, table: pd.DataFrame, *, gates: Sequence[str], config: Config) -> pd.DataFrame:
    """The first gates in every second cohort, patients of the run's own left out."""
    frames = []
    people = set(run.atlases[run.primary].obs["donor"].astype(str))
    for atlas in run.replications if gates else ():
        other = without_shared(atlas, first=people)
        held = list(other.var_names[measured_in_tumor(other)])
        panel = build_panel(
            other, symbols=held, required=run.panel.required, origin=run.panel.origin,
            bulk=config.thresholds.bulk, count=config.thresholds.count,
        )  # fmt: skip
        found = replicate(gates, second_cohort=panel, first=table, floor=config.coverage_floor)
        frames.append(found.assign(atlas=atlas.uns["cartarget"]["atlas"]))
    return pd.concat(frames, ignore_index=True) if frames else empty("replication")


def run_doublets(run: Run, *, gates: Sequence[str], count: int) -> pd.DataFrame:
    """The first gates with and without cells called doublets; empty where nothing was called."""
    atlas = run.atlases[run.primary]
    if not gates or "is_doublet" not in atlas.obs:
        return empty("doublets")
    listed = Gates.parse(gates, panel=run.panel)
    return doublet_fractions(
        atlas, symbols=run.panel.symbols, names=list(gates), a=listed.a, b=listed.b, op=listed.op, count=count
    )


def empty(table: str) -> pd.DataFrame:
    """A table of the contract without rows."""
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns(table)})


def regression(run: Run) -> list[dict[str, Any]]:
    """Known harm on target: at which rank of its antigen's tissues, by level, does each kind of evidence put the organ?

    One record an event and kind of evidence (`samples`, `cells`, `summary`, `protein`): `symbol`, `organ`, `evidence`,
    `rank` (1 is the highest level; missing where it cannot be told, with the `reason`), `n_tissues`.
    """
    panel, events = run.panel, read_toxicity(tiers=run.tiers)
    alone = Gates.singles(len(panel.symbols))
    normal = ~panel.is_tumor & (panel.populations["tier"].astype(str) != "ignored").to_numpy(dtype=bool)
    levels = gate_levels(panel, a=alone.a, b=alone.b, op=alone.op).population
    tables: dict[str, tuple[Any, pd.Series]] = {
        panel.kind: (levels[:, normal], panel.populations.loc[normal, "tissue"])
    }
    for evidence in ("summary", "protein"):
        chosen = ((panel.units["evidence"] == evidence) & (panel.units["tier"] != "ignored")).to_numpy(dtype=bool)
        if chosen.any():
            tables[evidence] = (panel.value[:, chosen], panel.units.loc[chosen, "tissue"])
    records: list[dict[str, Any]] = []
    for evidence, (values, tissues) in tables.items():
        by_tissue = pd.DataFrame(values.T, columns=list(panel.symbols)).groupby(tissues.astype(str).to_numpy()).max()
        ranks = rank_organs(by_tissue, events=events).assign(evidence=evidence)
        ranks.loc[~ranks["symbol"].isin(panel.symbols), "reason"] = "no candidate of this run"
        records += json.loads(ranks.to_json(orient="records"))
    return records
