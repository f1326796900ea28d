"""A run described for its report: the question, the funnel with reasons, tissues, controls, methods, limits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.atlas.batch import pipeline_warnings
from cartarget.config import Config
from cartarget.evidence.people import gifts
from cartarget.run.annotate import regression
from cartarget.run.curves import threshold_curves
from cartarget.run.inputs import Run
from cartarget.safety.beside import unmeasured_places
from cartarget.selection.controls import control_report, run_fails
from cartarget.selection.ranking import NEGATIVE

NO_SURFACE = "no surface evidence: every gene is a candidate"

CARDS = 150
"""Antigens whose level in every patient the report shows."""


def describe(
    config: Config,
    run: Run,
    *,
    antigens: pd.DataFrame,
    gates: pd.DataFrame,
    search: Mapping[str, int],
    procedure: Sequence[Mapping[str, Any]],
    random: pd.DataFrame,
) -> dict[str, Any]:
    """What `summary.json` holds: all that the report says beside the tables.

    Parameters
    ----------
    config, run
        The run.
    antigens, gates
        Its tables.
    search
        `n_gates` judged, `n_eligible` among them.
    procedure
        What the search achieves on people who had no part in it, one record a quantity.
    random
        Random pairs of candidates, scored.

    Returns
    -------
    Plain data.
    """
    simulated = any(adata.uns["cartarget"]["is_simulated"] for adata in run.atlases.values())
    title = config.title or run.indication.name[:1].upper() + run.indication.name[1:]
    return {
        "name": config.name,
        "title": title,
        "indication": run.indication.name,
        "is_simulated": simulated,
        "primary": config.primary,
        "origin": list(run.origin),
        "question": (
            f"Which surface antigens, alone or joined by logic, reach {run.indication.name} and spare the body, "
            "and how sure are we?"
        ),
        "funnel": _funnel(config, run, antigens, gates, search),
        "funnel_genes": why_not(run),
        "aliases": _aliases(run),
        "tissues": _tissues(run),
        "people": _people(run),
        "atlases": [_atlas(config, name, adata) for name, adata in run.atlases.items()],
        **_controls(run, antigens, gates, random),
        "procedure": list(procedure),
        "regression": regression(run),
        "methods": _methods(config, run),
        "limits": _limits(config, run, simulated),
        "thresholds": config.thresholds.model_dump() | {"coverage_floor": config.coverage_floor},
        "patients": _patients(run, antigens),
        "curves": threshold_curves(run, config=config, symbols=antigens["symbol"].head(CARDS).tolist()),
    }


def _derived_step(run: Run) -> list[dict[str, Any]]:
    """The step of the funnel at which derived antigens come in; none where there are none."""
    derived = run.surface[run.surface["derived"].notna() & run.surface["is_candidate"]]
    if derived.empty:
        return []
    is_proxy = derived["proxy_note"].notna()
    kinds = {"derived, so proxies": derived["symbol"][is_proxy], "told by transcripts": derived["symbol"][~is_proxy]}
    words = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if len(names))
    return [{"step": "with derived antigens", "n": len(run.candidates), "lost": 0, "reason": words}]


def _funnel(
    config: Config, run: Run, antigens: pd.DataFrame, gates: pd.DataFrame, search: Mapping[str, int]
) -> list[dict[str, Any]]:
    lost = run.atlases[run.primary].uns["cartarget"]["lost"]
    merged = lost["reason"].astype(str).str.startswith("merged into")
    genes = run.surface[run.surface["derived"].isna()]
    named, candidates, on_surface = len(genes), len(run.candidates), int(genes["is_candidate"].sum())
    mine = antigens[~antigens["control"].isin(NEGATIVE) & antigens["symbol"].isin(run.candidates)]
    eligible = int(mine["is_eligible"].sum())
    good = mine[mine["is_eligible"] & mine["safety_class"].isin(["within caps", "origin only"])]
    negative = int(antigens["control"].isin(NEGATIVE).sum())
    tried = int((mine["surface_status"] == "experiment").sum())
    ranked = gates[gates["rank"].notna()]
    return [
        {"step": "gene names in the tumour's atlas", "n": named + len(lost), "lost": 0, "reason": ""},
        {
            "step": "genes under a current symbol",
            "n": named,
            "lost": len(lost),
            "reason": f"{int(merged.sum())} merged, {int((~merged).sum())} unknown or ambiguous",
        },
        {
            "step": "candidates on the cell surface",
            "n": on_surface,
            "lost": named - on_surface,
            "reason": (NO_SURFACE if config.ranks_every_gene else "not on the plasma membrane, or not known to be")
            + f"; {negative} control genes set apart"
            + (f"; {tried} kept by experiment" if tried else ""),
        },
        *_derived_step(run),
        {
            "step": f"antigens with coverage of at least {config.coverage_floor:g}",
            "n": eligible,
            "lost": candidates - eligible,
            "reason": "the tumour does not carry them widely enough alone; all stay partners of gates",
        },
        {
            "step": "antigens within caps, or over a cap in the origin only",
            "n": len(good),
            "lost": eligible - len(good),
            "reason": "a cap is broken, or a required tissue is not known",
        },
        {
            "step": "gates judged",
            "n": int(search["n_gates"]),
            "lost": 0,
            "reason": "every candidate alone, and A AND B, A OR B, A AND NOT B over every pair of candidates",
        },
        {
            "step": f"gates with coverage of at least {config.coverage_floor:g}",
            "n": int(search["n_eligible"]),
            "lost": int(search["n_gates"] - search["n_eligible"]),
            "reason": "coverage below the floor",
        },
        {
            "step": "gates ranked in the table",
            "n": len(ranked),
            "lost": int(search["n_eligible"]) - len(ranked),
            "reason": f"they gain on no member, or rank below the first {config.top:,}",
        },
    ]


def why_not(run: Run) -> dict[str, str]:
    """Every gene of the input that is no candidate, with the step and the reason."""
    surface = run.surface[~run.surface["is_candidate"]]
    reasons = dict(zip(surface["symbol"], surface["surface_reason"], strict=True))
    negative = set(run.controls.loc[run.controls["kind"].isin(NEGATIVE), "symbol"]) & set(run.panel.symbols)
    reasons |= dict.fromkeys(negative & set(reasons), "control gene: scored outside the candidate set")
    lost = run.atlases[run.primary].uns["cartarget"]["lost"]
    for name, reason in zip(lost["name"].astype(str), lost["reason"].astype(str), strict=True):
        reasons.setdefault(name.strip(), f"gene names: {reason}")
    return dict(sorted(reasons.items()))


def _aliases(run: Run) -> dict[str, str]:
    """Other names of the genes of the tumour's atlas, joined by `|`."""
    if "aliases" not in run.surface:
        return {}
    known = run.surface[run.surface["aliases"].ne("")]
    return dict(zip(known["symbol"], known["aliases"], strict=True))


def _tissues(run: Run) -> list[dict[str, Any]]:
    """Tissues by tier, each with what measures it; required and rare ones appear even if nothing does."""
    panel = run.panel
    normal = panel.populations[panel.is_normal]
    normal = normal.assign(evidence=normal["kind"])
    units = panel.units.assign(n_donors=None, n_observations=None)
    shown = ["tissue", "atlas", "evidence", "n_donors", "n_observations"]
    everything = pd.concat([normal[shown].astype(object), units[shown].astype(object)], ignore_index=True)
    sources: dict[str, list[dict[str, Any]]] = {}
    for (tissue, atlas, evidence), rows in everything.groupby(["tissue", "atlas", "evidence"], sort=True):
        donors, observations = rows["n_donors"].dropna(), rows["n_observations"].dropna()
        sources.setdefault(str(tissue), []).append(
            {
                "atlas": str(atlas),
                "evidence": str(evidence),
                "n_donors": int(donors.max()) if len(donors) else None,
                "n_observations": int(observations.sum()) if len(observations) else None,
            }
        )
    result = []
    for row in run.tiers.rows:
        name = row.cell_type or row.tissue
        measured = _cell_sources(run, row.tissue, row.cell_type) if row.cell_type else sources.get(row.tissue, [])
        if not measured and name not in run.tiers.required and name not in run.tiers.rare:
            continue
        if row.cell_type and measured:
            continue
        result.append(
            {
                "tissue": name,
                "tier": row.tier,
                "required": row.is_required and not row.cell_type,
                "is_origin": row.tissue in run.panel.origin,
                "measured_by": measured,
            }
        )
    return result


def _people(run: Run) -> dict[str, dict[str, int]]:
    """Donors and observations behind each side: the tumours that order the ranking, and all normal ones."""
    panel = run.panel
    given = gifts(panel)
    sides = {"tumor": panel.is_tumor, "normal": panel.is_normal}
    return {
        side: {
            "n_donors": int(given.loc[given["side"] == side, "donor"].nunique()),
            "n_observations": int(panel.populations.loc[own, "n_observations"].sum()),
        }
        for side, own in sides.items()
        if own.any()
    }


def _cell_sources(run: Run, tissue: str, cell_type: str) -> list[dict[str, Any]]:
    table = run.panel.populations
    here = (table["cell_type"].astype(str) == cell_type) & run.panel.is_normal
    seen = [(row.atlas, row.kind) for row in table[here].itertuples()]
    units = run.panel.units
    seen += [(row.atlas, row.evidence) for row in units[units["cell_type"] == cell_type].itertuples()]
    nothing = {"n_donors": None, "n_observations": None}
    return [{"atlas": atlas, "evidence": kind, **nothing} for atlas, kind in dict.fromkeys(seen)]


def _atlas(config: Config, name: str, adata: AnnData) -> dict[str, Any]:
    about = adata.uns["cartarget"]
    asked = next(atlas for atlas in config.used_atlases if atlas.name == name)
    return {
        "name": name,
        "role": asked.role,
        "kind": about["kind"],
        "unit": about["unit"],
        "release": asked.release,
        "licence": asked.licence,
        "citation": asked.citation,
        "n_observations": adata.n_obs,
        "n_donors": len(set(adata.obs["donor"].astype(str)) - {""}),
        "notes": list(about["notes"]),
        "batches": about.get("batches", []),
    }


def _controls(run: Run, antigens: pd.DataFrame, gates: pd.DataFrame, random: pd.DataFrame) -> dict[str, Any]:
    """The run held against its controls, and one sentence if it fails."""
    absent = {symbol: _absence(run, symbol) for symbol in run.controls["symbol"]}
    report = control_report(antigens, gates=gates, controls=run.controls, random=random, absent=absent)
    rows = json.loads(report.to_json(orient="records", double_precision=6))
    return {"controls": rows, "failed": run_fails(report)}


def _absence(run: Run, symbol: str) -> str:
    found = run.surface[run.surface["symbol"] == symbol]
    if found.empty:
        return "not in the tumour's atlas under this symbol"
    return f"no candidate: {found['surface_reason'].iloc[0]}"


def _methods(config: Config, run: Run) -> list[str]:
    thresholds = config.thresholds
    bulk = run.panel.kind == "samples"
    positive = (
        f"A sample is positive at {thresholds.bulk:g} CPM or more."
        if bulk
        else f"A cell is positive at {thresholds.count} count{'s' if thresholds.count > 1 else ''} or more; where only "
        "log-normalised values are known, above zero."
    )
    scale = (
        "Summaries of normal tissue were mapped to CPM by a median ratio per gene over shared tissues, a global ratio "
        "where fewer than three tissues inform it."
    )
    coverage = (
        "Coverage is the fraction of patients hit."
        if bulk
        else "Coverage is the mean over patients of the fraction of malignant cells hit; selectivity uses the tenth "
        "percentile over patients."
    )
    blocker = (
        "Inside a bulk sample a blocker earns no credit: the exposure of A AND NOT B is that of A."
        if bulk
        else "A blocker is credited inside each cell."
    )
    return [
        positive,
        coverage,
        "Exposure of a normal population is the posterior median of a beta-binomial with the donor as unit (Jeffreys "
        "prior); intervals hold 95 %. Populations of few donors are marked thin and decide no rank by their width.",
        *([scale] if bulk and any(a.role == "normal" for a in config.used_atlases) else []),
        "Liability is the worst of weight × exposure outside the tissues of origin; a summary at or above its level "
        "counts as exposed. What is not measured counts as [0, 1].",
        "Safety class: within caps if every required tissue is measured and every cap kept; origin only if only the "
        "origin breaks its cap; unknown if a required tissue is unmeasured or the evidence is unresolved; over cap if "
        "a cap is broken.",
        blocker,
        "A stain vetoes only if the antibody is Enhanced or Supported, the level "
        f"{thresholds.protein.lower()} or more, and the protein located at the membrane; else it is a flag.",
        "Rank: eligible first; then the worst class at half, once and twice the threshold; then class; among those "
        "within caps, origin only and unknown selectivity, then window; among those over cap window; then fewer "
        "antigens; then name. A gate is ranked only if it gains on each member a better class, or 0.05 in selectivity.",
    ]


def _limits(config: Config, run: Run, simulated: bool) -> list[str]:
    unmeasured = unmeasured_places(run.panel)
    limits = [
        "Research use only: this report nominates candidates; it is not clinical advice.",
        *pipeline_warnings(config.used_atlases),
        "Expression cannot see cross-reactivity (a titin-like accident), shed antigen, antigen density or epitope.",
    ]
    if others := [atlas.name for atlas in config.atlases if atlas not in config.used_atlases]:
        limits.append(f"Left out, since they hold other tumours: {', '.join(others)}.")
    if simulated:
        limits.insert(0, "The atlas is simulated: no number here is a measurement.")
    if unmeasured:
        limits.append(f"Required places that no input measures: {', '.join(unmeasured)}. Nothing can be called safe.")
    if run.rare_unmeasured:
        limits.append(f"Vital but not measured by any input: {run.rare_unmeasured}.")
    if config.ranks_every_gene:
        limits.append("Surface evidence is unknown: every gene is a candidate, on the cell surface or not.")
    if config.needs_surfaceome:
        limits.append(
            "No table of surface votes was named: the surface proteins of the installed package pirlygenes (those of "
            "SURFY, doi:10.1073/pnas.1808790115) are the candidates."
        )
    if not config.genes.table:
        limits.append("Gene symbols are taken as given: no table of aliases was given.")
    if run.panel.kind == "samples":
        limits.append(
            "A bulk sample mixes cell types: A AND B counted inside a sample is an upper bound for cells, optimistic "
            "for coverage and conservative for safety."
        )
    own = sorted({str(adata.uns["cartarget"]["unit"]) for adata in run.summaries} - {"CPM"})
    if run.panel.kind == "cells" and own:
        limits.append(
            f"No bulk sample of this run tells how {', '.join(own)} relate to CPM, so summaries of normal tissue keep "
            f"their unit: {config.thresholds.bulk:g} there is a higher bar than {config.thresholds.bulk:g} CPM, and "
            "hides more."
        )
    if run.panel.n_twice:
        limits.append(
            f"{run.panel.n_twice:,} cells stand in two atlases (same donor and barcode) and were counted once."
        )
    if config.trust.folds < 2:
        limits.append("The best of many is partly luck: this run was not cross-fitted.")
    return limits


def _patients(run: Run, antigens: pd.DataFrame) -> dict[str, list[float]]:
    """Per leading antigen, its level in each patient (bulk) or the fraction of malignant cells hit, sorted."""
    panel = run.panel
    if panel.kind == "samples":
        rows = np.flatnonzero(panel.is_tumor[panel.level_population])
        values, digits = np.exp2(panel.levels[rows].T) - 1, 2
    else:
        values, digits = panel.fraction[:, panel.is_tumor], 4
    chosen = [symbol for symbol in antigens["symbol"].head(CARDS) if re.search(r"\S", symbol)]
    return {symbol: np.sort(values[panel.index[symbol]]).round(digits).astype(float).tolist() for symbol in chosen}
