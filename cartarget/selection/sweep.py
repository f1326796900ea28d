"""How firm is a rank: the same gates on resampled people, and at other thresholds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.random import SeedSequence, default_rng
from numpy.typing import NDArray
from tqdm import tqdm

from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import Part
from cartarget.evidence.people import gifts, of_donors
from cartarget.logic.batch import Gates
from cartarget.logic.gate import quote
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS, is_firm, place_of, rank_again, ranking_order
from cartarget.selection.screen import score_gates

STAIN = ("Low", "Medium", "High")
TAIL = 0.025
_CLASSES_SWEPT = ("class_best", "class_worst", *AT_OTHER_THRESHOLDS)
FEW = 20
"""Patients below which a bootstrap interval is too narrow, and says so."""


def rank_intervals(
    panel: Panel,
    *,
    gates: Sequence[str],
    n: int = 100,
    seed: int = 0,
    floor: float = 0.5,
    swept: pd.DataFrame | None = None,
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
    gates
        Gates as text; the reported ones.
    n
        Bootstrap samples.
    seed
        Each sample has a stream of its own: the first are the same whatever `n` is.
    floor
        Coverage that makes a gate eligible.
    swept
        Classes of the gates at half and twice the threshold (`sweep_ranks`), which are not counted again on the people
        that are drawn. None: only the class at the threshold counts.
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
        A gate has an antigen that the panel lacks.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=5, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["colon", "lung"], origin=["colon"])
    >>> ranks = rank_intervals(panel, gates=["CEACAM5 & MSLN", "MSLN"], n=5, progress=False)
    >>> ranks[["gate", "rank_lower", "rank_upper"]].values.tolist()
    [['CEACAM5 & MSLN', 1, 1], ['MSLN', 2, 2]]
    """
    if not len(gates):
        raise InputError("rank intervals need at least one gate; found none")
    listed = Gates.parse(gates, panel=panel)
    small = panel.take(listed.members(panel.symbols))
    listed = Gates.parse(gates, panel=small)
    moved = None if swept is None else swept.set_index("gate").reindex(list(gates))[list(AT_OTHER_THRESHOLDS)]
    rank, place, _ = _standing(small, listed, floor, moved)
    ranks, places = np.empty((n, len(gates)), np.int64), np.empty((n, len(gates)), np.int64)
    streams = SeedSequence(seed).spawn(n)
    groups = _people(gifts(small))
    for i in tqdm(range(n), desc="bootstrap", unit="sample", disable=None if progress else True, leave=False):
        rng = default_rng(streams[i])
        drawn = np.concatenate([rng.choice(group, size=len(group)) for group in groups])
        ranks[i], places[i], _ = _standing(of_donors(small, drawn), listed, floor, moved)
    frame = pd.DataFrame({"gate": list(gates), "rank_here": rank})
    frame["rank_lower"] = np.quantile(ranks, TAIL, axis=0, method="lower").astype(np.int64)
    frame["rank_upper"] = np.quantile(ranks, 1 - TAIL, axis=0, method="higher").astype(np.int64)
    frame["class_share"] = (places == place).mean(axis=0)
    return frame.assign(is_interval_narrow=_n_patients(panel) < FEW)


def sweep_ranks(
    ranked: pd.DataFrame, *, sweep: Mapping[str, Panel], half: str = "", twice: str = "", floor: float = 0.5
) -> pd.DataFrame:
    """Rank the same gates at each threshold of a sweep: thresholds are assumptions, and a rank that needs one says so.

    Parameters
    ----------
    ranked
        Ranked gates of the run, best first: `gate` and `safety_class`.
    sweep
        Panels at other thresholds, by name (:func:`sweep_panels`), all of the same antigens.
    half, twice
        Which of them are at half and at twice the threshold by which tumours are counted (:func:`half_and_twice`).
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate in the order given: `gate`, `rank_sweep_lower`, `rank_sweep_upper` (among these gates), `class_best`,
    `class_worst`; best and worst of the sweep and the run; `class_half`, `class_twice`; `coverage_twice`. All missing
    where there is nothing to sweep.

    Raises
    ------
    GateError
        A gate has an antigen that a panel lacks.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=3, n_donors=5, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> sweep = sweep_panels(atlas, symbols=["CEACAM5", "MSLN"], required=["colon", "lung"], origin=["colon"])
    >>> ranked = pd.DataFrame({"gate": ["CEACAM5 & MSLN", "MSLN"], "safety_class": ["within caps", "over cap"]})
    >>> sweep_ranks(ranked, sweep=sweep)[["gate", "class_worst"]].values.tolist()
    [['CEACAM5 & MSLN', 'within caps'], ['MSLN', 'over cap']]
    """
    frame = pd.DataFrame({"gate": ranked["gate"].tolist()})
    if not sweep or frame.empty:
        frame["rank_sweep_lower"] = frame["rank_sweep_upper"] = pd.array([pd.NA] * len(frame), dtype="Int64")
        missing = {name: pd.array([pd.NA] * len(frame), dtype="string") for name in _CLASSES_SWEPT}
        return frame.assign(**missing, coverage_twice=np.nan)
    own = np.array([np.arange(1, len(frame) + 1), place_of(ranked["safety_class"]).to_numpy(dtype=np.int64)])
    listed = Gates.parse(frame["gate"].tolist(), panel=next(iter(sweep.values())))
    found = {name: _standing(panel, listed, floor) for name, panel in sweep.items()}
    ranks = np.array([own[0], *(one.rank for one in found.values())])
    places = np.array([own[1], *(one.place for one in found.values())])
    classes = np.array(CLASSES, dtype=object)
    frame["rank_sweep_lower"], frame["rank_sweep_upper"] = ranks.min(axis=0), ranks.max(axis=0)
    frame["class_best"], frame["class_worst"] = classes[places.min(axis=0)], classes[places.max(axis=0)]
    for column, name in zip(AT_OTHER_THRESHOLDS, (half, twice), strict=True):
        frame[column] = classes[found[name].place] if name in found else pd.array([pd.NA] * len(frame), dtype="string")
    return frame.assign(coverage_twice=found[twice].coverage if twice in found else np.nan)


def firm_first(
    table: pd.DataFrame,
    *,
    sweep: Mapping[str, Panel],
    half: str = "",
    twice: str = "",
    floor: float = 0.5,
    name: str = "gate",
) -> pd.DataFrame:
    """Add ranks and classes at other thresholds and `is_firm` to ranked rows, and rank them again: the firm first.

    Parameters
    ----------
    table
        Ranked gates or antigens.
    sweep, half, twice, floor
        As for `sweep_ranks`.
    name
        Column of the name.
    """
    ranked = table[table["rank"].notna()]
    ranked = ranked.assign(gate=ranked[name] if name == "gate" else ranked[name].map(quote))
    found = sweep_ranks(ranked, sweep=sweep, half=half, twice=twice, floor=floor)
    found = found.drop(columns=[column for column in AT_OTHER_THRESHOLDS if column in table])
    table = table.merge(found.drop(columns="gate").assign(**{name: ranked[name].array}), on=name, how="left")
    return rank_again(table.assign(is_firm=is_firm(table)), name=name)


def half_and_twice(kind: str, *, bulk: float, count: float) -> tuple[str, str]:
    """Names in the sweep of half and twice the threshold by which tumours of a kind (`samples`, `cells`) are counted.

    A cell cannot have half a count; the first name is then of no panel.

    Examples
    --------
    >>> half_and_twice("samples", bulk=10, count=1), half_and_twice("cells", bulk=10, count=2)
    (('5 CPM', '20 CPM'), ('1 count', '4 counts'))
    """
    base = bulk if kind == "samples" else count
    return threshold_text(kind, half_of(kind, base)), threshold_text(kind, base * 2)


def half_once_twice(kind: str, base: float) -> list[float]:
    """A threshold of samples (CPM) or cells (whole counts, at least 1) at half, at once and at twice its value.

    Examples
    --------
    >>> half_once_twice("samples", 10), half_once_twice("cells", 1), half_once_twice("cells", 3)
    ([5.0, 10.0, 20.0], [1.0, 2.0], [1.0, 3.0, 6.0])
    """
    return [float(value) for value in (half_of(kind, base), base, base * 2) if kind == "samples" or value >= 1]


def half_of(kind: str, base: float) -> float:
    """Half a threshold of samples, or of cells in whole counts; 0 counts where there is no half."""
    return base / 2 if kind == "samples" else base // 2


def threshold_text(kind: str, value: float) -> str:
    """A threshold with its unit: `5 CPM`, `1 count`, `2 counts`."""
    return f"{value:g} CPM" if kind == "samples" else f"{value:g} count{'s' if value > 1 else ''}"


def sweep_panels(
    atlases: Sequence[AnnData | Part],
    *,
    proteins: Sequence[AnnData] = (),
    bulk: float = 10.0,
    count: float = 1,
    protein: str = "Medium",
    **evidence: Any,
) -> dict[str, Panel]:
    """Panels at the thresholds of the sweep, one threshold moved at a time.

    Samples at half and twice the run's threshold (summaries with them), cells likewise in whole counts, stains from
    low, medium or high. Cells of which only log-normalised values are known have no sweep.

    Parameters
    ----------
    atlases, proteins, evidence
        As for `cartarget.build_panel`.
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
    >>> list(sweep_panels([atlas], symbols=["MSLN"], required=tiers.required))
    ['2 counts']
    """
    units = {one.unit if isinstance(one, Part) else one.uns["cartarget"]["unit"] for one in atlases}
    limits = sweep_limits(units, is_stained=len(proteins) > 0, bulk=bulk, count=count, protein=protein)
    return {name: build_panel(atlases, proteins=proteins, **evidence, **own) for name, own in limits.items()}


def sweep_limits(
    units: Collection[str], *, is_stained: bool, bulk: float = 10.0, count: float = 1, protein: str = "Medium"
) -> dict[str, dict[str, Any]]:
    """Thresholds of each panel of the sweep, by its name, without those of the run.

    Examples
    --------
    >>> sweep_limits(["CPM"], is_stained=False)["5 CPM"]
    {'bulk': 5.0, 'count': 1, 'protein': 'Medium'}
    """
    base: dict[str, Any] = {"bulk": bulk, "count": count, "protein": protein}
    settings: dict[str, dict[str, Any]] = {}
    if "CPM" in units:
        settings |= {threshold_text("samples", value): {"bulk": value} for value in half_once_twice("samples", bulk)}
    if "counts" in units:
        settings |= {threshold_text("cells", value): {"count": value} for value in half_once_twice("cells", count)}
    if is_stained:
        settings |= {f"stain {value}": {"protein": value} for value in STAIN if value != protein}
    return {name: base | change for name, change in settings.items() if base | change != base}


def _people(given: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Donors grouped by what they gave, so that every tissue keeps its size; who is alone in that joins the like,
    patients apart: a sample without any patient would say nothing."""
    place = given["side"].astype(str) + "\t" + given["tissue"].astype(str)
    gave = place.groupby(given["donor"].to_numpy(), sort=True).agg(lambda rows: "\n".join(sorted(set(rows))))
    alone = np.where(gave.str.contains("tumor\t", regex=False), "alone, a patient", "alone")
    gave = gave.where(gave.map(gave.value_counts()) > 1, alone)
    return [np.array(sorted(names)) for _, names in sorted(gave.groupby(gave).groups.items())]


def _n_patients(panel: Panel) -> int:
    return int(panel.populations.loc[panel.is_tumor, "n_donors"].sum())


class _Standing(NamedTuple):
    """Rank of each gate among those given, from 1, the place of its class, and its coverage."""

    rank: NDArray[np.int64]
    place: NDArray[np.int64]
    coverage: NDArray[np.float64]


def _standing(panel: Panel, gates: Gates, floor: float, moved: pd.DataFrame | None = None) -> _Standing:
    """How gates stand on a panel; `moved` holds the classes at other thresholds."""
    frame = score_gates(panel, gates=gates, floor=floor)
    if moved is not None:
        frame = frame.assign(**{str(column): moved[column].to_numpy() for column in moved})
    rank = np.empty(len(frame), dtype=np.int64)
    rank[frame.index.get_indexer(ranking_order(frame))] = np.arange(1, len(frame) + 1)
    return _Standing(
        rank, place_of(frame["safety_class"]).to_numpy(dtype=np.int64), frame["coverage"].to_numpy(dtype=np.float64)
    )
