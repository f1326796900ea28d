"""How firm is a rank: the same gates on resampled people, and at other thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray
from tqdm import tqdm

from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.crossfit import restrict
from cartarget.selection.ranking import ranking_order
from cartarget.selection.screen import score_gates

BULK = (5.0, 10.0, 20.0)
COUNT = (1, 2, 3)
STAIN = ("Low", "Medium", "High")
TAIL = 0.025
FEW = 20
"""Patients below which a bootstrap interval is too narrow, and says so."""


def rank_intervals(
    panel: Panel,
    *,
    primary: AnnData,
    gates: Sequence[str],
    n: int = 100,
    seed: int = 0,
    floor: float = 0.5,
    bulk: float = 10.0,
    count: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Rank the reported gates again on resampled people.

    People are drawn with replacement, each with all that he gave on either side, among those who gave the same
    tissues; every gate is scored again and the gates are ranked among themselves. The interval is
    the 2.5th to the 97.5th percentile of the `n` ranks. Nothing is searched again: the interval says how firm the order
    of these gates is, not whether others were missed.

    Parameters
    ----------
    panel
        Evidence at the thresholds of the run.
    primary
        The harmonised atlas of `panel`.
    gates
        Gates of one or two antigens, as text; the reported ones.
    n
        Bootstrap samples.
    seed
        Each sample has a stream of its own: the first are the same whatever `n` is.
    floor
        Coverage that makes a gate eligible.
    bulk, count
        Thresholds of `panel`.
    progress
        Show a progress bar.

    Returns
    -------
    One row a gate in the order given: `gate`, `rank_here` (among these gates), `rank_lower`, `rank_upper`,
    `class_share` (share of samples in which its class is that of the run), and `is_interval_narrow`: under 20 patients,
    of whom a bootstrap says too little. A gate that loses its floor ranks behind all that keep it.

    Raises
    ------
    InputError
        No gates.
    GateError
        A gate has more than two antigens, or one that the panel lacks.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=5, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["colon", "lung"], origin=["colon"])
    >>> ranks = rank_intervals(panel, primary=atlas, gates=["CEACAM5 & MSLN", "MSLN"], n=5, progress=False)
    >>> ranks[["gate", "rank_lower", "rank_upper"]].values.tolist()
    [['CEACAM5 & MSLN', 1, 1], ['MSLN', 2, 2]]
    """
    if not len(gates):
        raise InputError("rank intervals need at least one gate; found none")
    own = sorted({symbol for gate in gates for symbol in Gate.parse(gate).antigens} & panel.index.keys())
    Gates.parse(gates, panel=panel)  # refuses what cannot be scored, naming it
    small, part = panel.take(own), _part(primary, panel.symbols, own)
    rank, place = _standing(small, gates, floor)
    ranks, places = np.empty((n, len(gates)), np.int64), np.empty((n, len(gates)), np.int64)
    streams = SeedSequence(seed).spawn(n)
    people = _people(part.obs)
    for i in tqdm(range(n), desc="bootstrap", unit="sample", disable=None if progress else True, leave=False):
        sample = resample(part, people=people, rng=default_rng(streams[i]))
        ranks[i], places[i] = _standing(restrict(small, primary=sample, bulk=bulk, count=count), gates, floor)
    frame = pd.DataFrame({"gate": list(gates), "rank_here": rank})
    frame["rank_lower"] = np.quantile(ranks, TAIL, axis=0, method="lower").astype(np.int64)
    frame["rank_upper"] = np.quantile(ranks, 1 - TAIL, axis=0, method="higher").astype(np.int64)
    frame["class_share"] = (places == place).mean(axis=0)
    return frame.assign(is_interval_narrow=_n_patients(panel) < FEW)


def sweep_ranks(ranked: pd.DataFrame, *, sweep: Mapping[str, Panel], floor: float = 0.5) -> pd.DataFrame:
    """Rank the same gates at each threshold of a sweep: thresholds are assumptions, and a rank that needs one says so.

    Parameters
    ----------
    ranked
        Ranked gates of the run, best first: `gate` (of one or two antigens) and `safety_class`.
    sweep
        Panels at other thresholds, by name (:func:`sweep_panels`).
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate in the order given: `gate`, `rank_sweep_lower`, `rank_sweep_upper` (among these gates), `class_best`,
    `class_worst`; best and worst of the sweep and the run. All missing where there is nothing to sweep.

    Raises
    ------
    GateError
        A gate has more than two antigens, or one that a panel lacks.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=5, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> sweep = sweep_panels(atlas, symbols=["CEACAM5", "MSLN"], required=["colon", "lung"], origin=["colon"])
    >>> ranked = pd.DataFrame({"gate": ["CEACAM5 & MSLN", "MSLN"], "safety_class": ["safe", "unsafe"]})
    >>> sweep_ranks(ranked, sweep=sweep)[["gate", "class_worst"]].values.tolist()
    [['CEACAM5 & MSLN', 'safe'], ['MSLN', 'unsafe']]
    """
    frame = pd.DataFrame({"gate": ranked["gate"].tolist()})
    if not sweep or frame.empty:
        frame["rank_sweep_lower"] = frame["rank_sweep_upper"] = pd.array([pd.NA] * len(frame), dtype="Int64")
        frame["class_best"] = frame["class_worst"] = pd.array([pd.NA] * len(frame), dtype="string")
        return frame
    own = (np.arange(1, len(frame) + 1), _place(ranked["safety_class"]))
    stood = [own, *(_standing(panel, frame["gate"].tolist(), floor) for panel in sweep.values())]
    ranks, places = (np.array([one[part] for one in stood]) for part in (0, 1))
    classes = np.array(CLASSES, dtype=object)
    frame["rank_sweep_lower"], frame["rank_sweep_upper"] = ranks.min(axis=0), ranks.max(axis=0)
    frame["class_best"], frame["class_worst"] = classes[places.min(axis=0)], classes[places.max(axis=0)]
    return frame


def sweep_panels(
    primary: AnnData,
    *,
    symbols: Sequence[str],
    required: Sequence[str],
    origin: Sequence[str] = (),
    summaries: Sequence[AnnData] = (),
    proteins: Sequence[AnnData] = (),
    bulk: float = 10.0,
    count: int = 1,
    protein: str = "Medium",
) -> dict[str, Panel]:
    """Panels at the thresholds of the sweep, one threshold moved at a time.

    Samples at 5, 10 and 20 CPM (summaries with them), cells at 1 to 3 counts, stains from low, medium or
    high; the run's own setting is left out. Cells of which only log-normalised values are known have no sweep.

    Parameters
    ----------
    primary, symbols, required, origin, summaries, proteins
        As for `cartarget.build_panel`, and as for the panel of the run: levels of cells are relative to its antigens.
    bulk, count, protein
        Thresholds of the run.

    Returns
    -------
    Panels by the name of their threshold, such as `5 CPM`, `2 counts`, `stain Low`.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> list(sweep_panels(atlas, symbols=["MSLN"], required=tiers.required))
    ['2 counts', '3 counts']
    """
    base = {"bulk": bulk, "count": count, "protein": protein}
    unit = primary.uns["cartarget"]["unit"]
    settings: dict[str, dict[str, object]] = {}
    if unit == "CPM":
        settings |= {f"{value:g} CPM": {"bulk": value} for value in BULK if value != bulk}
    elif unit == "counts":
        settings |= {f"{value} count{'s' if value > 1 else ''}": {"count": value} for value in COUNT if value != count}
    if len(proteins):
        settings |= {f"stain {value}": {"protein": value} for value in STAIN if value != protein}
    evidence = {"required": required, "origin": origin, "summaries": summaries, "proteins": proteins}
    return {
        name: build_panel(primary, symbols=symbols, **evidence, **(base | change))  # type: ignore[arg-type]
        for name, change in settings.items()
    }


def resample(adata: AnnData, *, people: Sequence[NDArray[np.str_]], rng: Generator) -> AnnData:
    """Draw people with replacement, each with all that he gave; who is drawn twice counts as two.

    Parameters
    ----------
    adata
        Harmonised atlas of observations.
    people
        Groups of donors; each is drawn from among itself.
    rng
        Source of chance.

    Returns
    -------
    AnnData with as many people per group. In single cell a patient's population is renamed with him.
    """
    rows_of = adata.obs.groupby(adata.obs["donor"].astype(str).to_numpy(), sort=True).indices
    drawn = [name for group in people for name in rng.choice(group, size=len(group))]
    seen: dict[str, int] = {}
    rows, suffix = [], []
    for name in drawn:
        seen[name] = seen.get(name, 0) + 1
        rows.append(rows_of[name])
        suffix += [f" #{seen[name]}" if seen[name] > 1 else ""] * len(rows_of[name])
    chosen = np.concatenate(rows)
    obs = adata.obs.iloc[chosen].copy()
    end = np.array(suffix, dtype=object)
    donor = obs["donor"].astype(str).to_numpy(dtype=object)
    population = obs["population"].astype(str).to_numpy(dtype=object)
    own = (obs["side"].astype(str) == "tumor").to_numpy() & (adata.uns["cartarget"]["kind"] == "cells")
    obs["donor"], obs["population"] = donor + end, np.where(own, population + end, population)
    obs.index = pd.Index([f"o{number}" for number in range(len(obs))], dtype=object)
    return AnnData(adata.X[chosen], obs=obs, var=adata.var, varm=dict(adata.varm), uns=dict(adata.uns))


def _part(primary: AnnData, symbols: Sequence[str], own: Sequence[str]) -> AnnData:
    """The atlas on some antigens; a cell's depth stays that over all antigens of the panel."""
    part = primary[:, list(own)].copy()
    if primary.uns["cartarget"]["unit"] == "counts" and "n_counts" not in part.obs:
        part.obs["n_counts"] = np.asarray(primary[:, list(symbols)].X.sum(axis=1)).ravel()
    return part


def _people(obs: pd.DataFrame) -> list[NDArray[np.str_]]:
    """Donors grouped by what they gave, so that every tissue keeps its size; who is alone in that joins the like."""
    place = obs["side"].astype(str) + "\t" + obs["tissue"].astype(str)
    gave = place.groupby(obs["donor"].astype(str).to_numpy(), sort=True).agg(lambda rows: "\n".join(sorted(set(rows))))
    gave = gave.where(gave.map(gave.value_counts()) > 1, "alone")
    return [np.array(sorted(names)) for _, names in sorted(gave.groupby(gave).groups.items())]


def _n_patients(panel: Panel) -> int:
    return int(panel.populations.loc[panel.is_tumor, "n_donors"].sum())


def _standing(panel: Panel, gates: Sequence[str], floor: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank among the gates, from 1, and class of each."""
    frame = score_gates(panel, gates=Gates.parse(gates, panel=panel), floor=floor)
    rank = np.empty(len(frame), dtype=np.int64)
    rank[frame.index.get_indexer(ranking_order(frame))] = np.arange(1, len(frame) + 1)
    return rank, _place(frame["safety_class"])


def _place(classes: pd.Series) -> NDArray[np.int64]:
    """Place of each safety class, from 0 (safe)."""
    return classes.map({label: number for number, label in enumerate(CLASSES)}).to_numpy(dtype=np.int64)
