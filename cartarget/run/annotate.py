"""What stands beside the scores of a run: joined cells, T cells, dropout, clinical history, contradictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.atlas.purity import tumor_level
from cartarget.config import Config, Thresholds
from cartarget.dictionary import columns
from cartarget.evidence.ambient import ambient_notes, ambient_scores, doublet_fractions
from cartarget.evidence.antibodies import antibody_cells
from cartarget.evidence.conflicts import cells_source, find_conflicts, panel_sources
from cartarget.evidence.detection import detection_rates
from cartarget.evidence.dropout import corrected_coverage, never_below_liability, residual_liability
from cartarget.evidence.lineage import highest_normal, read_gene_notes, read_markers, whose_signal
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import measured_in_tumor
from cartarget.evidence.positivity import dense
from cartarget.evidence.proteome import proteome_organs
from cartarget.evidence.purity import coverage_range
from cartarget.evidence.rna_protein import installed_calibrations, rna_protein
from cartarget.evidence.tumor_protein import tumor_protein
from cartarget.logic.batch import Gates
from cartarget.logic.gate import quote
from cartarget.logic.thresholds import name_of
from cartarget.run.deriving import with_inherited_harm
from cartarget.run.inputs import Run
from cartarget.run.isoforms import told_by, with_isoform_notes
from cartarget.safety.beside import rare_unmeasured
from cartarget.safety.conjunction import EXPOSED
from cartarget.safety.density import density_words, read_densities
from cartarget.safety.fratricide import fratricide
from cartarget.safety.judge import judge
from cartarget.safety.toxicity import UNSOURCED, rank_organs, read_clinical_targets, read_toxicity
from cartarget.safety.window import gate_levels
from cartarget.selection.joined import FEWEST_TUMORS, join_cells, members_r
from cartarget.selection.marks import marks, sensed
from cartarget.selection.replicate import replicate, without_shared
from cartarget.selection.sweep import firm_first, half_and_twice, sweep_panels
from cartarget.surface.sources import given_to_patients


def with_cells(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add what cells that do not order the ranking say of each row: malignant ones, and normal ones of the lineage."""
    others = [cells for cells in run.cells if cells.uns["cartarget"]["atlas"] != run.primary]
    others.sort(key=lambda cells: not (cells.obs["side"].astype(str) == "tumor").any())
    if not others:
        return table
    cells = join_cells(
        others[0], symbols=run.panel.symbols, gates=gates, epithelium=run.indication.epithelium, count=count
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
    """The first atlas of cells; None where there are none."""
    return next(iter(run.cells), None)


def with_dropout(table: pd.DataFrame, run: Run, *, gates: Gates, count: int) -> pd.DataFrame:
    """Add what blockers that drop out would expose, and what dropout hides of the coverage.

    In bulk the rates come from the first joined single-cell atlas; without one nothing is added.
    """
    source = _cells(run)
    if source is None:
        return table
    judged = judge(run.panel, gates)
    rates = detection_rates(source, count=count)
    residual = residual_liability(
        run.panel, gates=gates, low=np.where(judged.told, judged.naive, judged.low),
        unblocked=judge(run.panel, gates.unblocked).low, rates=rates, exposed=judged.unit_state == EXPOSED,
    )  # fmt: skip
    corrected = corrected_coverage(
        run.panel, gates=gates, fraction=judged.naive, rates=detection_rates(source, side="tumor", count=count),
        blocker_rates=rates,
    )  # fmt: skip
    residual = never_below_liability(residual, table=table, blocked=gates.has_blocker)
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


def with_lineage(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add whose signal each antigen may be: the lineage that it follows, the flag and its reason; and what gene it is.

    After :func:`with_cells`: the share of malignant cells that carry an antigen decides where it was counted. A run
    whose tumours are cells has counted it itself.
    """
    symbols = table["symbol"].tolist()
    markers = read_markers(indication=run.indication.key)
    levels, purity = _bulk_tumors(run, {*symbols, *(gene for genes in markers.values() for gene in genes)})
    counted = "coverage" if run.panel.kind == "cells" else "cells_malignant"
    malignant = table.set_index("symbol")[counted] if counted in table else None
    found = whose_signal(levels, symbols=symbols, markers=markers, purity=purity, malignant=malignant)
    return table.assign(
        **{str(name): values.array for name, values in found.items()},
        normal_lineage=highest_normal(run.summaries, symbols=symbols).array,
        gene_note=table["symbol"].map(read_gene_notes()),
    )


def _bulk_tumors(run: Run, genes: set[str]) -> tuple[pd.DataFrame, pd.Series | None]:
    """log2(CPM + 1) of the run's bulk tumours, and their purity where it is known: mean over a patient's samples."""
    adata = run.atlases[run.primary]
    if adata.uns["cartarget"]["kind"] != "samples":
        return pd.DataFrame(), None
    tumor = (adata.obs["side"] == "tumor").to_numpy()
    held = adata.var_names.isin(genes) & measured_in_tumor(adata)
    donors = adata.obs["donor"].astype(str)[tumor].to_numpy()
    values = np.log2(np.asarray(dense(adata[tumor, held].X), dtype=np.float64) + 1)
    levels = pd.DataFrame(values, index=donors, columns=adata.var_names[held]).groupby(level=0).mean()
    if "purity" not in adata.obs:
        return levels, None
    return levels, adata.obs["purity"][tumor].astype(float).groupby(donors).mean()


def with_members(table: pd.DataFrame, run: Run, *, gates: Gates) -> pd.DataFrame:
    """Add whether the antigens of each gate rise together over bulk tumours; missing where there are too few."""
    levels, _ = _bulk_tumors(run, set(gates.members(run.panel.symbols)))
    if len(levels) < FEWEST_TUMORS:
        return table
    return table.assign(members_r=members_r(levels, symbols=run.panel.symbols, gates=gates))


def with_tumor_protein(table: pd.DataFrame, run: Run, *, stain: str) -> pd.DataFrame:
    """Add what antibodies and mass spectrometry say of each antigen's protein in tumours; shown, not scored."""
    found = [tumor_protein(atlas, stain=stain) for atlas in run.atlases.of_role("tumor_protein")]
    added = {name: each[name] for each in reversed(found) for name in each}
    return table.assign(**{name: table["symbol"].map(values) for name, values in added.items()})


def with_proteome(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add the normal organs in which mass spectrometry found each antigen; shown, not scored."""
    atlases = run.atlases.of_role("proteome")
    if not atlases:
        return table
    found = proteome_organs(atlases, symbols=table["symbol"].tolist())
    return table.assign(**{str(name): values.array for name, values in found.items()})


def with_antibodies(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add which cells bind an antibody to each antigen; shown, not scored."""
    atlases = run.atlases.of_role("antibodies")
    if not atlases:
        return table
    found = antibody_cells(atlases, symbols=table["symbol"].tolist())
    return table.assign(**{str(name): values.array for name, values in found.items()})


def with_rna_protein(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add how well the RNA of each antigen foretells its protein in this cancer; shown, not scored."""
    found = rna_protein(installed_calibrations(), symbols=table["symbol"].tolist(), indication=run.indication.key)
    return table.assign(**{str(name): values.array for name, values in found.items()})


def with_history(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Add what the clinic knows of each antigen: products that sense it, harm on target; and what has no source."""
    targets = read_clinical_targets()
    targets["text"] = (
        targets["modality"] + ", " + targets["indication"] + ", " + targets["status"] + " (" + targets["id"] + ")"
    )
    events = with_inherited_harm(read_toxicity(tiers=run.tiers), run.surface)
    events["text"] = events["organ"] + ", " + events["severity"] + " (" + events["source"] + ")"
    return table.assign(
        is_treated=table["symbol"].isin(given_to_patients(targets)["symbol"]),
        clinical=table["symbol"].map(targets.groupby("symbol")["text"].agg("; ".join)),
        toxicity=table["symbol"].map(events.groupby("symbol")["text"].agg("; ".join)),
        antigen_density=table["symbol"].map(density_words(read_densities())).fillna("unknown"),
        **dict.fromkeys(UNSOURCED, "unknown"),
    )


def run_conflicts(run: Run, *, gates: Sequence[str], bulk: float) -> pd.DataFrame:
    """Contradictions between the run's sources: bulk and cells, RNA and protein, atlas and atlas.

    About every antigen alone, under its symbol, and about the gates of more.
    """
    named = Gates.parse(gates, panel=run.panel)
    more = named.take(np.flatnonzero(named.size > 1))
    listed = Gates.join([Gates.singles(len(run.panel.symbols)), more])
    judged = judge(run.panel, listed)
    sources = panel_sources(run.panel, gates=listed, fraction=judged.naive, is_counted=judged.complete, bulk=bulk)
    sources += [cells_source(cells, symbols=run.panel.symbols, gates=listed) for cells in run.atlases.of_role("shown")]
    return find_conflicts(sources, gates=[*run.panel.symbols, *more.names(run.panel.symbols)])


def with_antigen_columns(table: pd.DataFrame, run: Run, *, gates: Gates, limits: Thresholds) -> pd.DataFrame:
    """Add all that stands beside the scores of antigens; rows and gates in the same order."""
    table = with_history(with_t_cells(table, run, level=limits.bulk, count=limits.count), run)
    table = with_purity(table, run, gates=gates, level=limits.bulk)
    table = with_lineage(with_cells(table, run, gates=gates, count=limits.count), run)
    table = with_proteome(with_tumor_protein(table, run, stain=limits.protein), run)
    table = with_isoform_notes(with_rna_protein(with_antibodies(table, run), run), told_by=told_by(run.atlases))
    return with_rare(with_leaks(table, run, count=limits.count), run, gates=gates)


def with_gate_columns(table: pd.DataFrame, run: Run, *, gates: Gates, limits: Thresholds) -> pd.DataFrame:
    """Add all that stands beside the scores of gates; rows and gates in the same order."""
    table = with_members(with_purity(table, run, gates=gates, level=limits.bulk), run, gates=gates)
    table = with_dropout(with_cells(table, run, gates=gates, count=limits.count), run, gates=gates, count=limits.count)
    return with_rare(table, run, gates=gates).assign(proxies=proxies(run, gates))


def proxies(run: Run, gates: Gates) -> list[str | None]:
    """Of each gate, the members that are derived antigens, with what they are derived from."""
    derived = run.surface.dropna(subset="proxy_note").set_index("symbol")["derived"]
    members = [(name, derived.get(name_of(name))) for name in run.panel.symbols]
    told = [f"{name} ({text})" if text is not None else "" for name, text in members]
    named = [[told[row] for row in rows if row >= 0 and told[row]] for rows in gates.rows.tolist()]
    return ["; ".join(texts) or None for texts in named]


def with_marks(table: pd.DataFrame, antigens: pd.DataFrame, *, floor: float) -> pd.DataFrame:
    """Add the evidence strip of each row, and for gates the antigens whose signal is that of another cell type."""
    found = marks(table, antigens=antigens, floor=floor)
    table = table.assign(**{str(name): found[name] for name in found if str(name).startswith("mark_")})
    if "gate" not in table:
        return table
    flagged = set(antigens.loc[antigens["contaminant"].fillna("").ne(""), "symbol"])
    doubtful = [", ".join(symbol for symbol in sensed(gate) if symbol in flagged) for gate in table["gate"]]
    return table.assign(contaminant=doubtful)


def run_sweep(run: Run, *, config: Config, symbols: Sequence[str]) -> dict[str, Panel]:
    """Panels of the run at the thresholds of the sweep."""
    limits, evidence = config.thresholds, run_evidence(run, config=config, symbols=symbols)
    sweep = sweep_panels(run.parts, bulk=limits.bulk, count=limits.count, protein=limits.protein, **evidence)
    return {key: replace(moved, harmed=run.panel.harmed) for key, moved in sweep.items()}


def run_evidence(run: Run, *, config: Config, symbols: Sequence[str]) -> dict[str, Any]:
    """What `build_panel` is told of a run beside its counted atlases and its thresholds."""
    panel = run.panel
    return {
        "symbols": symbols,
        "required": panel.required,
        "stand_in": panel.stand_in,
        "origin": panel.origin,
        "summaries": run.summaries,
        "proteins": run.atlases.of_role("protein"),
        "primary": config.primary,
    }


def with_sweep(
    table: pd.DataFrame, run: Run, *, config: Config, sweep: Mapping[str, Panel] | None = None, name: str = "gate"
) -> pd.DataFrame:
    """Add the rank and the class of each ranked row at other thresholds, and rank again: the firm ones first."""
    limits, panel = config.thresholds, run.panel
    if sweep is None:
        ranked = table.loc[table["rank"].notna(), name]
        named = (ranked if name == "gate" else ranked.map(quote)).tolist()
        sweep = run_sweep(run, config=config, symbols=Gates.parse(named, panel=panel).members(panel.symbols))
    half, twice = half_and_twice(panel.kind, bulk=limits.bulk, count=limits.count)
    return firm_first(table, sweep=sweep, half=half, twice=twice, floor=config.coverage_floor, name=name)


def with_rare(table: pd.DataFrame, run: Run, *, gates: Gates) -> pd.DataFrame:
    """Add the rare vital tissues and cell types in which nothing measured what a gate senses."""
    rare = rare_unmeasured(run.panel, gates, rare=run.tiers.rare)
    return table.assign(cell_types_unmeasured=rare)


def replications(run: Run, table: pd.DataFrame, *, gates: Sequence[str], config: Config) -> pd.DataFrame:
    """The first gates in every second cohort, patients of the run's own left out."""
    frames = []
    people = {name for part in run.parts for name in part.donors}
    for atlas in run.atlases.of_role("replication") if gates else ():
        other = without_shared(atlas, first=people)
        held = list(other.var_names[measured_in_tumor(other)])
        panel = build_panel(
            other, symbols=held, required=run.panel.required, stand_in=run.panel.stand_in, origin=run.panel.origin,
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
    return doublet_fractions(atlas, symbols=run.panel.symbols, names=list(gates), gates=listed, count=count)


def empty(table: str) -> pd.DataFrame:
    """A table of the contract without rows."""
    return pd.DataFrame({name: pd.Series(dtype=object) for name in columns(table)})


def regression(run: Run) -> list[dict[str, Any]]:
    """Known harm on target: at which rank of its antigen's tissues, by level, does each kind of evidence put the organ?

    One record an event and kind of evidence (`samples`, `cells`, `summary`, `protein`): `symbol`, `organ`, `evidence`,
    `rank` (1 is the highest level; missing where it cannot be told, with the `reason`), `n_tissues`.
    """
    panel, events = run.panel, read_toxicity(tiers=run.tiers)
    normal = panel.is_normal & (panel.populations["tier"].astype(str) != "ignored").to_numpy(dtype=bool)
    levels = gate_levels(panel, Gates.singles(len(panel.symbols))).population
    tables: dict[str, tuple[Any, pd.Series]] = {}
    for evidence in ("samples", "cells"):
        own = normal & (panel.populations["kind"] == evidence).to_numpy(dtype=bool)
        if own.any():
            tables[evidence] = (levels[:, own], panel.populations.loc[own, "tissue"])
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
