"""Gates of three to five antigens: searched exactly, then held to the same rules as gates of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import sub_gates, without
from cartarget.search.objectives import rank as rank_objective
from cartarget.search.search import search_gates
from cartarget.search.template import MOST, Template
from cartarget.selection.gains import gains
from cartarget.selection.ranking import rank, rank_again
from cartarget.selection.screen import Screened, hardware, score_gates, with_moved

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
    kept = panel.take(candidates).ranking_only()
    found = search_gates(
        kept.packed,
        objective=rank_objective(statistic="p10" if panel.kind == "cells" else "mean", floor=floor),
        templates=templates,
        populations=_populations(kept),
        top=top,
        time_budget=60 * minutes,
        progress=progress,
    )
    gates = [Gate.parse(text) for text in found.table["gate"]]
    certificate = found.certificate.drop(columns="seconds")
    if not gates:
        return Larger(pd.DataFrame(), certificate)
    table = score_beside_parts(panel, gates=gates, floor=floor)
    return Larger(rank(table), certificate)


def with_larger(
    found: Screened, larger: pd.DataFrame, *, panel: Panel, half: Panel | None = None, twice: Panel | None = None
) -> Screened:
    """Larger gates among those of one and two antigens: one table, of which each row competes as it did.

    Parameters
    ----------
    found
        What `screen_gates` found.
    larger
        The table of `screen_larger`. Empty: nothing is added.
    panel, half, twice
        Evidence on the antigens, at the threshold, and at half and twice of it as for `screen_gates`.
    """
    if larger.empty:
        return found
    added = Gates.parse(larger["gate"].tolist(), panel=panel)
    larger = with_moved(larger, added, half=half, twice=twice)
    known = [one.dropna(axis=1, how="all") for one in (found.table, larger)]
    table = rank_again(pd.concat(known, ignore_index=True).reindex(columns=found.table.columns))
    gates = Gates.join([found.gates, added])
    order = pd.Index([*found.table["gate"], *larger["gate"]]).get_indexer(pd.Index(table["gate"]))
    return replace(found, table=table, gates=gates.take(order))


def score_beside_parts(panel: Panel, *, gates: Sequence[Gate], floor: float = 0.5) -> pd.DataFrame:
    """Score gates of any shape and size, with what each gains on the gates that are left when literals are deleted.

    Of a gate of more than five literals only those are asked that lack a single one: the others are too many.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates, each once.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate, in the order given: the columns of `gates`, without a rank.

    Raises
    ------
    GateError
        A gate kills cells in which it senses nothing, or names an antigen that the panel lacks.
    """
    parts = {gate: _parts(gate) for gate in gates}
    every = list(dict.fromkeys([*gates, *(part for own in parts.values() for part in own)]))
    listed = Gates.parse(every, panel=panel)
    frame = score_gates(panel, gates=listed, floor=floor)
    row = {gate: i for i, gate in enumerate(every)}
    members = np.full((len(every), max(1, *map(len, parts.values()))), -1, dtype=np.int64)
    for gate, own in parts.items():
        members[row[gate], : len(own)] = [row[part] for part in own]
    first = listed.take(np.arange(len(gates)))
    table = frame.join(gains(frame, members=members)).iloc[: len(gates)]
    return table.assign(**hardware(first), control="")


def _parts(gate: Gate) -> list[Gate]:
    left = sub_gates(gate) if gate.n_literals <= MOST else [without(gate, [i]) for i in range(gate.n_literals)]
    return [part for part in left if part is not None and not part.is_not_only]


def _populations(panel: Panel) -> pd.DataFrame:
    """What the search must know: the highest plain fraction that keeps each cap, and the weights that decide."""
    table = panel.populations.assign(
        cap=np.clip(panel.highest_fraction, 0.0, 1.0),
        weight=np.where(panel.decides, panel.weight, 0.0),
        is_origin=panel.is_origin,
        evidence=panel.populations["kind"],
    )
    return table[["population", "cap", "weight", "is_origin", "evidence"]]
