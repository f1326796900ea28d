"""What stands beside the scores of a gate: thin and unmeasured places, and what antibodies say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.safety.known import Flags, known

GRAVE = ("severe", "fatal")
"""Severities of harm that make a gate unknown where the organ was not measured."""


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


def sensed(gates: Gates, flags: Flags) -> Flags:
    """Antigens × places as gates × places: any antigen that the gate senses; a blocker is not asked.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> gates = Gates.parse(["A & ~B"], panel=SimpleNamespace(index={"A": 0, "B": 1}))
    >>> sensed(gates, np.array([[False], [True]])).tolist()
    [[False]]
    """
    out = np.zeros((len(gates), flags.shape[1]), dtype=bool)
    for shape, at, rows in gates.batches():
        own = [shape.antigens.index(one.symbol) for one in shape.literals if not one.is_negated]
        out[at] = flags[rows[:, own]].any(axis=1)
    return out


def thin_required(panel: Panel, gates: Gates) -> list[str]:
    """Required places that few donors alone measured: known, and not well.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates. A blocker is not asked.

    Returns
    -------
    Names separated by commas, one text a gate: places in which what the gate senses was measured by thin populations
    and by no summary.
    """
    about, measured = known(panel), panel.packed.is_measured
    thick = panel.is_normal & ~panel.populations["is_thin"].to_numpy(dtype=bool)
    well = (measured & thick).astype(np.int64) @ about.place_of_population > 0
    return names(sensed(gates, about.alone & ~well & ~about.summed), panel.required)


def unmeasured_places(panel: Panel) -> tuple[str, ...]:
    """Required places in which no population and no RNA summary measured any antigen: nothing can be called safe.

    Parameters
    ----------
    panel
        Evidence on the antigens.

    Returns
    -------
    Names of `panel.required`, in its order. Populations of few donors (cells: of five, and of thirty cells; samples: of
    five) do not tell of a place.
    """
    alone = known(panel).alone
    return tuple(name for column, name in enumerate(panel.required) if not alone[:, column].any())


def nuclei_alone(panel: Panel) -> tuple[str, ...]:
    """Required places of which nuclei alone tell: an antigen whose RNA leaves the nucleus may look absent there.

    Parameters
    ----------
    panel
        Evidence on the antigens.

    Returns
    -------
    Names of `panel.required`, in its order, in which no cells, samples or RNA summary measured any antigen, and nuclei
    did.
    """
    about = known(panel)
    is_nuclei = (panel.populations["assay"].astype(str) == "nuclei").to_numpy()
    is_measured = np.asarray(panel.packed.is_measured.any(axis=0))
    tells = about.place_of_population & is_measured[:, None]
    others = tells[~is_nuclei].any(axis=0) | about.summed.any(axis=0)
    alone = tells[is_nuclei].any(axis=0) & ~others
    return tuple(name for name, is_alone in zip(panel.required, alone, strict=True) if is_alone)


def rare_unmeasured(panel: Panel, gates: Gates, *, rare: Sequence[str]) -> list[str]:
    """Rare vital tissues and cell types in which no source measured what a gate senses: no gate is vouched for there.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates. A blocker need not be measured: without it the gate is bounded by its antigen.
    rare
        Names of tissues and cell types (`Tiers.rare`).

    Returns
    -------
    Names separated by commas, one text a gate.
    """
    return names(sensed(gates, ~measured_anywhere(panel, rare)), rare)


def measured_anywhere(panel: Panel, places: Sequence[str]) -> Flags:
    """Whether any source measured each antigen in tissues or cell types, antigens × places; a blocker is one too."""
    table, units = panel.populations, panel.units
    found = np.zeros((len(panel.symbols), len(places)), dtype=bool)
    for column, name in enumerate(places):
        own = ((table["tissue"] == name) | (table["cell_type"] == name)).to_numpy(dtype=bool) & panel.is_normal
        here = ((units["tissue"] == name) | (units["cell_type"] == name)).to_numpy(dtype=bool)
        found[:, column] = panel.packed.is_measured[:, own].any(1) | (~np.isnan(panel.value[:, here])).any(1)
    return found


def harm_unmeasured(panel: Panel, events: pd.DataFrame) -> dict[str, str]:
    """Antigens of which severe or fatal harm is on record in an organ in which no source measured them → the organs.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    events
        `safety.toxicity.read_toxicity`: `symbol`, `organ`, `severity`.

    Examples
    --------
    >>> import cartarget
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["MSLN", "MET"], required=tiers.required)
    >>> events = pd.DataFrame({"symbol": ["MSLN", "MSLN", "MET"], "organ": ["pleura", "lung", "pleura"],
    ...                        "severity": ["severe", "fatal", "mild"]})
    >>> harm_unmeasured(panel, events)
    {'MSLN': 'pleura'}
    """
    grave = events[events["severity"].isin(GRAVE) & events["symbol"].isin(panel.symbols)]
    organs = sorted(grave["organ"].unique())
    is_known = measured_anywhere(panel, organs)
    place = {organ: column for column, organ in enumerate(organs)}
    pairs = zip(grave["symbol"], grave["organ"], strict=True)
    open_pairs = sorted({(s, organ) for s, organ in pairs if not is_known[panel.index[s], place[organ]]})
    return {symbol: ", ".join(organ for own, organ in open_pairs if own == symbol) for symbol, _ in open_pairs}


def harm_notes(panel: Panel, gates: Gates) -> list[str]:
    """Antigens that each gate senses with the organs of `Panel.harmed`, such as `CA9: bile duct`."""
    held = {symbol: organs for symbol, organs in panel.harmed.items() if symbol in panel.index}
    flags = np.zeros((len(panel.symbols), len(held)), dtype=bool)
    flags[[panel.index[symbol] for symbol in held], np.arange(len(held))] = True
    return names(sensed(gates, flags), [f"{symbol}: {organs}" for symbol, organs in held.items()])


def protein_columns(panel: Panel, gates: Gates) -> dict[str, object]:
    """Whether every member was stained in every required tissue, and where a weak antibody stains.

    Returns
    -------
    `is_protein_known` and `protein_flag`, one value a gate; blockers need a stain too.
    """
    units = panel.units
    protein = (units["evidence"] == "protein").to_numpy(dtype=bool)
    stained = np.ones(len(panel.symbols), dtype=bool)
    for tissue in panel.required:
        if ": " not in tissue:
            here = protein & (units["tissue"] == tissue).to_numpy(dtype=bool)
            stained &= (~np.isnan(panel.value[:, here])).any(axis=1)
    flagged = panel.is_flagged & panel.is_unit_capped
    is_known = np.zeros(len(gates), dtype=bool)
    for _, at, rows in gates.batches():
        is_known[at] = stained[rows].all(axis=1)
    flags = gates.evaluate(flagged, np.ones_like(flagged))
    return {"is_protein_known": is_known, "protein_flag": names(flags, units["tissue"].tolist())}
