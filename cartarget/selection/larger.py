"""Gates of three to five antigens: searched exactly, then held to the same rules as gates of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.panel import Panel
from cartarget.logic.gate import Gate
from cartarget.safety.exposure_table import exposure_rows
from cartarget.safety.nested import as_antigens, judge_gates, protein_of, sensed, where_sensed
from cartarget.safety.scan import GAIN
from cartarget.safety.scores import score, thin_antigens, unmeasured_antigens
from cartarget.safety.window import gate_levels, windows
from cartarget.search.objectives import rank as rank_objective
from cartarget.search.search import search_gates
from cartarget.search.template import Template, sub_gates
from cartarget.selection.ranking import rank, ranking_order

LEAST = 3
"""Letters of the smallest template; smaller gates are all screened."""


@dataclass(frozen=True)
class Larger:
    """What `screen_larger` found.

    Attributes
    ----------
    table
        The columns of `gates`, best first.
    certificate
        One row a template, from the search: how many gates, whether its top is proven, the gap if not.
    """

    table: pd.DataFrame
    certificate: pd.DataFrame


def screen_larger(
    panel: Panel,
    *,
    candidates: Sequence[str],
    templates: Sequence[str],
    floor: float = 0.5,
    rare: Sequence[str] = (),
    top: int = 100,
    minutes: float = 10.0,
    progress: bool = True,
) -> Larger:
    """Search gates of the given shapes, score the best like any gate, and rank those that gain on every part.

    The search maximises the default rank on counted observations (`cartarget.search.objectives.rank`): eligible, then
    safety class by the caps of the counted populations, then selectivity; one observation counts as much as another.
    What it finds is scored by all evidence: donors weighed, summaries, stains, what was not measured. A gate is
    redundant unless it gains on **each** gate that is left when literals are deleted: a better class, or 0.05 in
    selectivity.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    candidates
        Antigens that may stand in a gate.
    templates
        Shapes such as `"A & (B | C)"`; each letter stands for an antigen, plain or as a blocker.
    floor
        Coverage that makes a gate eligible.
    rare
        Rare vital tissues and cell types (`Tiers.rare`); `cell_types_unmeasured` says which of them a gate leaves open.
    top
        How many gates the search returns.
    minutes
        Time for the search; when it is over, the gap that remains is stated.
    progress
        Show bars.

    Returns
    -------
    `Larger`.

    Raises
    ------
    GateError
        A template does not parse.
    InputError
        A template has one or two letters, or there are fewer antigens than letters.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(
    ...     atlas, symbols=["CEACAM5", "MSLN", "MUC16"], required=tiers.required, origin=["colon"]
    ... )
    >>> found = screen_larger(panel, candidates=panel.symbols, templates=["A & B & C"], top=3, progress=False)
    >>> bool(found.certificate["is_exact"].all())
    True
    """
    for text in templates:
        if Template.of(text, negate=True).n_literals < LEAST:
            raise InputError(f"larger template {text!r} has fewer than {LEAST} letters: gates of two are all screened")
    kept = panel.take(candidates)
    found = search_gates(
        kept.packed,
        objective=rank_objective(statistic="p10" if panel.kind == "cells" else "mean", floor=floor),
        templates=templates,
        populations=_populations(panel),
        top=top,
        time_budget=60 * minutes,
        progress=progress,
    )
    gates = [Gate.parse(text) for text in found.table["gate"]]
    certificate = found.certificate.drop(columns="seconds")
    if not gates:
        return Larger(pd.DataFrame(), certificate)
    parts = {gate: sub_gates(gate) for gate in gates}
    every = list(dict.fromkeys([*gates, *(part for own in parts.values() for part in own)]))
    frame = score_larger(panel, gates=every, floor=floor)
    row = {gate: i for i, gate in enumerate(every)}
    order = np.empty(len(frame), dtype=np.int64)
    order[ranking_order(frame)] = np.arange(len(frame))
    table = frame.iloc[: len(gates)].assign(
        **_gains(frame, [[row[part] for part in parts[gate]] for gate in gates], order),
        hardware=[_hardware(gate) for gate in gates],
        failure=[_failure(gate) for gate in gates],
        control="",
        cell_types_unmeasured=where_sensed(panel, gates, unmeasured_antigens(panel, rare=rare), rare),
    )
    return Larger(rank(table), certificate)


def score_larger(panel: Panel, *, gates: Sequence[Gate], floor: float = 0.5) -> pd.DataFrame:
    """Score gates of any shape, unranked, in the columns of `cartarget.score_gates`.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates over the panel's antigens.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate, in the order given.
    """
    levels, each = as_antigens(panel, gates), np.arange(len(gates))
    window = windows(panel, gate_levels(levels, a=each, b=each, op=np.zeros_like(each)))
    frame = score(panel, judge_gates(panel, gates), window, floor=floor).assign(**protein_of(panel, gates))
    frame["tissues_thin"] = where_sensed(panel, gates, thin_antigens(panel), panel.required)
    frame.insert(0, "gate", [str(gate) for gate in gates])
    frame["n_antigens"] = [len(gate.antigens) for gate in gates]
    return frame


def expose_larger(panel: Panel, *, gates: Sequence[Gate], atlas: str) -> pd.DataFrame:
    """Exposure of gates of any shape place by place, in the columns of the `exposure` table."""
    own, each = as_antigens(panel, gates), np.arange(len(gates))
    none = np.zeros_like(each)
    levels = gate_levels(own, a=each, b=each, op=none)
    unit = "CPM" if panel.kind == "samples" else "CP10k"
    return exposure_rows(
        own, judge_gates(panel, gates), levels, names=own.symbols, a=each, b=each, op=none, atlas=atlas, unit=unit
    )


def _populations(panel: Panel) -> pd.DataFrame:
    """What the search must know: the highest plain fraction that keeps each cap, and the weights that decide."""
    table = panel.populations
    decides = ~table["is_thin"].to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "population": table["population"],
            "cap": np.clip(panel.highest_fraction, 0.0, 1.0),
            "weight": np.where(decides, table["weight"].fillna(0.0), 0.0),
            "is_origin": table["is_origin"].fillna(False).astype(bool),
            "evidence": panel.kind,
        }
    )


def _gains(frame: pd.DataFrame, parts: list[list[int]], order: np.ndarray) -> dict[str, list[object]]:
    """What each of the first gates adds to its best part, and whether it gains on every part."""
    kind = frame["safety_class"].map({label: i for i, label in enumerate(CLASSES)}).to_numpy(dtype=np.int64)
    selectivity = frame["selectivity"].to_numpy(dtype=np.float64)
    redundant, best = [], []
    for gate, own in enumerate(parts):
        gains = (kind[gate] < kind[own]) | (selectivity[gate] >= selectivity[own] + GAIN - 1e-9)
        redundant.append(not gains.all())
        best.append(own[int(np.argmin(order[own]))])

    def gain(column: str, sign: float = 1.0) -> list[object]:
        values = frame[column].to_numpy(dtype=np.float64)
        return list(sign * (values[: len(parts)] - values[best]))

    return {
        "is_redundant": redundant,
        "best_member": frame["gate"].iloc[best].tolist(),
        "gain_coverage": gain("coverage"),
        "gain_liability": gain("liability", -1.0),
        "gain_window": gain("window"),
        "gain_selectivity": [selectivity[i] - selectivity[own].max() for i, own in enumerate(parts)],
    }


def _has(gate: Gate, operator: str) -> bool:
    """Whether two sensed antigens are joined by an operator somewhere."""
    own = sum(1 for part in gate.parts if sensed(part)) > 1 and gate.operator == operator
    return own or any(_has(part, operator) for part in gate.parts)


def _hardware(gate: Gate) -> str:
    parts = [
        (_has(gate, "&"), "synNotch or split-signal CAR"),
        (_has(gate, "|"), "tandem CAR or two products"),
        (len(sensed(gate)) < gate.n_literals, "inhibitory CAR"),
    ]
    return " + ".join(text for needed, text in parts if needed)


def _failure(gate: Gate) -> str:
    parts = [
        (_has(gate, "&"), "tumour that loses an antigen it must have escapes"),
        (_has(gate, "|"), "exposures add up"),
        (len(sensed(gate)) < gate.n_literals, "normal cells that lose or lack a blocker are killed"),
    ]
    return "; ".join(text for fails, text in parts if fails)
