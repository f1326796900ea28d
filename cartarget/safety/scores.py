"""The numbers of a gate: coverage by patient, liability and where, selectivity, window, and what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.evidence.intervals import fraction_interval, posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import NOT
from cartarget.safety.judge import AT_LEAST, BOUNDED, EXPOSED, NO_VALUE, UNMEASURED, UNRESOLVED, Judged
from cartarget.safety.scan import ROUNDING
from cartarget.safety.scan_layout import required_evidence
from cartarget.safety.window import Windows


def score(panel: Panel, judged: Judged, windows: Windows, *, floor: float = 0.5) -> pd.DataFrame:
    """Score gates: one row a gate, in the columns of `cartarget.contracts`.

    Coverage is the fraction of patients hit (bulk) or the mean over patients of the fraction of
    malignant cells hit (single cell). Liability is the worst of weight × exposure over the normal
    populations outside the origin that may decide: posterior medians, thin populations left out, a unit of
    summary evidence at or above its level counted as 1. Its upper bound takes the one-sided 95 % bound
    instead, what one measured member allows where the other is not measured, and 1 where evidence is unresolved or a
    required tissue is not measured.
    Selectivity is coverage (tenth percentile over patients in single cell) minus liability.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    judged
        The gates held against it.
    windows
        Their windows.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    Frame of scores; a liability is missing where no population may decide.
    """
    frame = _coverage(panel, judged, floor)
    median, upper = _exposures(panel, judged)
    columns = _where(panel)
    is_origin = _origin(panel)
    for suffix, chosen in (("", ~is_origin), ("_origin", is_origin)):
        value, place = _worst(median, chosen)
        frame[f"liability{suffix}"] = value
        bound, bounding = _worst(upper, chosen)
        frame[f"liability{suffix}_upper"] = np.fmax(bound, value)
        frame[f"liability{suffix}_population"] = [columns[i] if i >= 0 else None for i in place]
        if not suffix:
            for name in ("n_donors", "n_observations"):
                frame[f"liability_{name}"] = _behind(panel, name, place)
            frame["liability_upper_population"] = [columns[i] if i >= 0 else None for i in bounding]
    by = frame["coverage_p10"] if panel.kind == "cells" else frame["coverage"]
    both = frame[["liability", "liability_origin"]].max(axis=1)
    frame["selectivity"] = by - frame["liability"].fillna(0.0)
    frame["selectivity_origin"] = by - both.fillna(0.0)
    frame["liability_naive"] = np.nan
    if panel.kind == "samples":
        frame["liability_naive"] = _worst(_exposures(panel, replace(judged, fraction=judged.naive))[0], ~is_origin)[0]
    frame["window"] = windows.vital
    frame["window_population"] = [columns[i] if i >= 0 else None for i in windows.worst]
    frame["window_important"] = windows.important
    frame["window_tolerable"] = windows.tolerable
    frame["window_origin"] = windows.origin
    frame["safety_class"] = np.array(CLASSES, dtype=object)[judged.safety_class]
    frame["is_safety_known"] = judged.is_known
    return frame.assign(**_tissues(panel, judged))


def _coverage(panel: Panel, judged: Judged, floor: float) -> pd.DataFrame:
    table = panel.populations
    tumor = judged.fraction[:, panel.is_tumor]
    n_patients = int(table.loc[panel.is_tumor, "n_donors"].sum())
    mean = tumor.mean(axis=1)
    lower, upper = fraction_interval(mean, n_patients)
    frame = pd.DataFrame({"coverage": mean, "coverage_lower": lower, "coverage_upper": upper, "n_patients": n_patients})
    if panel.kind == "cells":
        frame["coverage_median"] = np.median(tumor, axis=1)
        frame["coverage_p10"] = np.quantile(tumor, 0.1, axis=1)
    frame["is_eligible"] = mean >= floor - ROUNDING
    return frame


def _where(panel: Panel) -> list[str]:
    """Names of the places: populations of observations, then units, then required tissues."""
    units = panel.units
    named = [f"{population} ({atlas})" for population, atlas in zip(units["population"], units["atlas"], strict=True)]
    return [*panel.populations["population"].astype(str), *named, *panel.required]


def _origin(panel: Panel) -> NDArray[np.bool_]:
    own = panel.populations["is_origin"].fillna(False).to_numpy(dtype=bool)
    required = np.isin(np.array(panel.required, dtype=str), panel.origin)
    return np.concatenate([own, panel.units["is_origin"].to_numpy(dtype=bool), required])


def _exposures(panel: Panel, judged: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight × exposure, gates × places: median and upper bound; NaN where a place may not decide.

    A required tissue in which nothing decides is a place of its own: no median, and the bound is 1.
    """
    table, units = panel.populations, panel.units
    n = table["n_effective"].to_numpy(dtype=np.float64)
    weight = table["weight"].fillna(0.0).to_numpy(dtype=np.float64)
    decides = ~panel.is_tumor & ~table["is_thin"].to_numpy(dtype=bool)
    required = table["is_required"].fillna(False).to_numpy(dtype=bool)
    fraction = judged.fraction
    median, upper = np.full(fraction.shape, np.nan), np.full(fraction.shape, np.nan)
    median[:, decides] = weight[decides] * posterior_quantile(fraction[:, decides], n[decides], q=0.5)
    upper[:, decides] = weight[decides] * posterior_quantile(
        fraction[:, decides], judged.n_effective[:, decides], q=0.95
    )
    is_open = (judged.state == UNMEASURED) | (judged.state == AT_LEAST)
    median[(judged.state == BOUNDED) | (judged.state == UNMEASURED)] = np.nan
    upper[judged.state == UNMEASURED] = np.nan
    upper = np.where(is_open & required & ~panel.is_tumor, weight, upper)

    capped = (units["cap"] < 1).to_numpy(dtype=bool)
    load = np.where(capped, units["weight"].to_numpy(dtype=np.float64), np.nan)
    unit_median = np.where(judged.unit_state == EXPOSED, load, np.nan)
    rna = (units["evidence"] == "summary").to_numpy(dtype=bool) & units["is_required"].to_numpy(dtype=bool)
    unsure = (judged.unit_state == UNRESOLVED) | ((judged.unit_state == NO_VALUE) & rna)
    unit_upper = np.where((judged.unit_state == EXPOSED) | unsure, load, np.nan)
    undecided = np.where(judged.decided, np.nan, 1.0)
    nothing = np.full(undecided.shape, np.nan)
    return np.hstack([median, unit_median, nothing]), np.hstack([upper, unit_upper, undecided])


def _behind(panel: Panel, name: str, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many donors or observations stand behind a place; NaN for a summary or stain, which tells none."""
    told = np.append(panel.populations[name].to_numpy(dtype=np.float64), np.nan)
    return np.asarray(told[np.where(place < len(panel.populations), place, -1)])


def _worst(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    columns = np.flatnonzero(chosen)
    if not len(columns):
        return np.full(len(values), np.nan), np.full(len(values), -1)
    part = np.where(np.isnan(values[:, columns]), -1.0, values[:, columns])
    best = part.argmax(axis=1)
    worst = part[np.arange(len(part)), best]
    return np.where(worst < 0, np.nan, worst), np.where(worst < 0, -1, columns[best])


def _tissues(panel: Panel, judged: Judged) -> dict[str, list[str]]:
    tissues = [*panel.populations["tissue"].astype(str), *panel.units["tissue"]]
    protein = (panel.units["evidence"] == "protein").to_numpy(dtype=bool)
    unit_tissues = panel.units["tissue"].tolist()
    veto = judged.unit_breaks & protein
    return {
        "tissues_broken": names(np.hstack([judged.breaks, judged.unit_breaks]), tissues),
        "tissues_unresolved": names(np.hstack([judged.unresolved, judged.unit_unresolved]), tissues),
        "tissues_unmeasured": names(~judged.decided, panel.required),
        "protein_veto": names(veto, unit_tissues),
    }


def names(flags: NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """Join the labels of each row's flags: sorted, each once, separated by commas.

    Examples
    --------
    >>> names(np.array([[True, True, True], [False, False, False]]), ["lung", "heart", "lung"])
    ['heart, lung', '']
    """
    order = sorted(set(labels))
    place = {label: column for column, label in enumerate(order)}
    merged = np.zeros((len(flags), len(order)), dtype=bool)
    for column, label in enumerate(labels):
        merged[:, place[label]] |= flags[:, column]
    rows, first = np.unique(merged, axis=0, return_inverse=True)
    text = [", ".join(np.array(order, dtype=object)[row]) for row in rows]
    return [text[i] for i in np.ravel(first)]


def thin_required(panel: Panel, *, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> list[str]:
    """Required tissues that few donors alone measured: known, and not well.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    a, b, op
        Gates, as for `judge`. A blocker is not asked.

    Returns
    -------
    Names separated by commas, one text a gate: tissues in which what the gate senses was measured by thin populations
    and by no summary.
    """
    thin = thin_antigens(panel)
    return names(thin[a] | (thin[b] & (op != NOT)[:, None]), panel.required)


def thin_antigens(panel: Panel) -> NDArray[np.bool_]:
    """Antigens × required tissues: measured there by thin populations and by no summary."""
    _, counted, summed = required_evidence(panel)
    thick = ~panel.populations["is_thin"].to_numpy(dtype=bool) & ~panel.is_tumor
    of_tissue = panel.populations["tissue"].astype(str).to_numpy()[:, None] == np.array(panel.required, dtype=str)
    well = (panel.packed.is_measured[:, thick].astype(np.int64) @ of_tissue[thick]) > 0
    return np.asarray(counted & ~summed & ~well, dtype=bool)


def rare_unmeasured(
    panel: Panel, *, rare: Sequence[str], a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]
) -> list[str]:
    """Rare vital tissues and cell types in which no source measured what a gate senses: no gate is vouched for there.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    rare
        Names of tissues and cell types (`Tiers.rare`).
    a, b, op
        Gates, as for `judge`. A blocker need not be measured: without it the gate is bounded by its antigen.

    Returns
    -------
    Names separated by commas, one text a gate.
    """
    unknown = unmeasured_antigens(panel, rare=rare)
    return names(unknown[a] | (unknown[b] & (op != NOT)[:, None]), rare)


def unmeasured_antigens(panel: Panel, *, rare: Sequence[str]) -> NDArray[np.bool_]:
    """Antigens × rare tissues and cell types: no source measured it there."""
    table, units = panel.populations, panel.units
    known = np.zeros((len(panel.symbols), len(rare)), dtype=bool)
    for column, name in enumerate(rare):
        own = ((table["tissue"] == name) | (table["cell_type"] == name)).to_numpy(dtype=bool) & ~panel.is_tumor
        here = ((units["tissue"] == name) | (units["cell_type"] == name)).to_numpy(dtype=bool)
        known[:, column] = panel.packed.is_measured[:, own].any(1) | (~np.isnan(panel.value[:, here])).any(1)
    return ~known


def stained_antigens(panel: Panel) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Antigens that were stained in every required tissue; antigens × units with a weak stain where there is a cap."""
    units = panel.units
    protein = (units["evidence"] == "protein").to_numpy(dtype=bool)
    known = np.ones(len(panel.symbols), dtype=bool)
    for tissue in panel.required:
        here = protein & (units["tissue"] == tissue).to_numpy(dtype=bool)
        known &= (~np.isnan(panel.value[:, here])).any(axis=1)
    return known, panel.is_flagged & (units["cap"] < 1).to_numpy(dtype=bool)


def protein_columns(panel: Panel, *, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]) -> pd.DataFrame:
    """Whether every member was stained in every required tissue, and where a weak antibody stains.

    Returns
    -------
    Frame with `is_protein_known` and `protein_flag`; blockers need a stain too.
    """
    known, flagged = stained_antigens(panel)
    kind = op[:, None]
    both = np.where(kind == 0, flagged[a] | flagged[b], np.where(kind == 1, flagged[a] & flagged[b], flagged[a]))
    return pd.DataFrame(
        {"is_protein_known": known[a] & known[b], "protein_flag": names(both, panel.units["tissue"].tolist())}
    )
