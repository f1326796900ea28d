"""Exposure of each gate in each place, row by row: the table that every claim of safety can be checked against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.intervals import fraction_interval, posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.safety.conjunction import BELOW, EXPOSED, NO_VALUE
from cartarget.safety.judge import Judged
from cartarget.safety.window import Levels

_TEXTS = ("population", "side", "tissue", "cell_type", "tier", "evidence", "assay", "atlas", "unit")


def exposure_rows(
    panel: Panel, gates: Gates, judged: Judged, levels: Levels, *, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Write out gates × places in the columns of the `exposure` table.

    Observations give the posterior median of the fraction hit, for power corrected, with its 95 % interval (tumour: the
    plain fraction). A summary below its level gives [0, 0] with no fraction between, at or above it [0, 1]; what
    is not measured gives [0, 1] and `is_measured` false. Where some antigens of a gate were not measured, the others
    bound it, with no fraction between. `decided_by` names the evidence that decides in the place: `cells` on the rows
    of samples, summaries and stains that cells explain. Protein is one row a tissue, that of the cell type with the
    strongest stain.

    Parameters
    ----------
    panel, gates, judged, levels
        Evidence, the gates, held against it, their levels.
    names
        Gates as text. None: as they are called.

    Returns
    -------
    Frame sorted by gate as given, then place.
    """
    parts = [_population_rows(panel, gates, judged, levels), _summary_rows(panel, gates, judged)]
    parts.append(_protein_rows(panel, gates, judged))
    columns = dict.fromkeys(column for part in parts for column in part)
    frame = pd.concat([part.dropna(axis=1, how="all") for part in parts if len(part)], ignore_index=True)
    frame = frame.reindex(columns=list(columns))
    frame = frame.iloc[np.lexsort((frame["place"].to_numpy(), frame["gate"].to_numpy()))]
    called = list(names) if names is not None else gates.names(panel.symbols)
    frame["gate"] = pd.Categorical.from_codes(frame["gate"].to_numpy(), categories=pd.Index(called))
    return frame.drop(columns="place").reset_index(drop=True)


def _grid(n_gates: int, places: pd.DataFrame, offset: int) -> pd.DataFrame:
    """Gates × places, with the columns that describe the place."""
    n = len(places)
    frame = pd.DataFrame(
        {"gate": np.repeat(np.arange(n_gates), n), "place": np.tile(np.arange(offset, offset + n), n_gates)}
    )
    for name in _TEXTS:
        coded = pd.Categorical(places[name].astype("string").fillna("").astype(str))
        frame[name] = pd.Categorical.from_codes(np.tile(coded.codes, n_gates), dtype=coded.dtype)
    frame["is_origin"] = np.tile(places["is_origin"].fillna(False).to_numpy(dtype=bool), n_gates)
    return frame


def _least_power(panel: Panel, gates: Gates) -> NDArray[np.float64]:
    """Lowest power of the antigens that a gate senses, gates × populations."""
    out = np.ones((len(gates), len(panel.populations)))
    for shape, at, rows in gates.batches():
        for symbol in {one.symbol for one in shape.literals if not one.is_negated}:
            out[at] = np.minimum(out[at], panel.power[rows[:, shape.antigens.index(symbol)]])
    return out


def _population_rows(panel: Panel, gates: Gates, judged: Judged, levels: Levels) -> pd.DataFrame:
    table, normal, size = panel.populations, panel.is_normal, len(gates)
    places = table.assign(evidence=table["kind"], unit="CPM")
    frame = _grid(size, places, 0)
    n = table["n_effective"].to_numpy(dtype=np.float64)
    middle = np.where(normal, posterior_quantile(_shown(judged), n, q=0.5), judged.low)
    lower = np.where(judged.told | judged.is_explained, fraction_interval(_shown(judged), judged.n_effective)[0], 0.0)
    upper = np.where(
        judged.bounded, fraction_interval(np.maximum(judged.high, _shown(judged)), judged.n_effective)[1], 1.0
    )
    level = levels.population.copy()
    tumor = panel.is_tumor
    level[:, np.flatnonzero(tumor)] = levels.tumor[:, None] if tumor.sum() == 1 else np.nan
    samples = panel.is_sample
    frame["n_observations"] = np.tile(table["n_observations"].to_numpy(), size)
    frame["n_donors"] = np.tile(table["n_donors"].to_numpy(), size)
    frame["n_positive"] = pd.array(judged.n_positive.ravel(), dtype="Int64")
    frame.loc[~judged.complete.ravel(), "n_positive"] = pd.NA
    frame["fraction"] = np.where(judged.complete, middle, np.nan).ravel()
    frame["fraction_lower"] = lower.ravel()
    frame["fraction_upper"] = upper.ravel()
    frame["fraction_naive"] = np.where(samples & judged.complete, judged.naive, np.nan).ravel()
    trans = np.where(panel.is_cells & normal & judged.complete, judged.trans, np.nan)
    frame["fraction_trans"] = np.where(samples & judged.complete, judged.naive, trans).ravel()
    frame["people_over_cap"] = pd.array(judged.people_over.ravel(), dtype="Int64")
    frame.loc[~(judged.complete & panel.is_capped).ravel(), "people_over_cap"] = pd.NA
    frame["power"] = np.where(panel.is_cells & normal, _least_power(panel, gates), np.nan).ravel()
    frame["level"] = (np.exp2(level) - 1).ravel()
    frame["is_measured"] = (judged.told | judged.bounded).ravel()
    frame["is_thin"] = np.tile(table["is_thin"].to_numpy(dtype=bool), size)
    kinds = np.tile(table["kind"].to_numpy(dtype=object), (size, 1))
    frame["decided_by"] = pd.Categorical(np.where(judged.is_explained, "cells", kinds).ravel())
    return frame


def _shown(judged: Judged) -> NDArray[np.float64]:
    """What is shown of a place: where cells decide, what the samples said all the same."""
    return np.where(judged.is_explained, judged.naive, judged.low)


def _bounds(
    frame: pd.DataFrame, state: NDArray[np.int8], level: NDArray[np.floating], explained: NDArray[np.bool_], kind: str
) -> pd.DataFrame:
    frame["fraction"] = np.nan
    frame["fraction_lower"] = 0.0
    frame["fraction_upper"] = np.where((state == BELOW) & ~explained, 0.0, 1.0).ravel()
    frame["level"] = np.where((state == NO_VALUE) & ~explained, np.nan, level).ravel()
    frame["is_measured"] = ((state != NO_VALUE) | explained).ravel()
    frame["is_thin"] = False
    frame["decided_by"] = pd.Categorical(np.where(explained, "cells", kind).ravel())
    return frame


def _summary_rows(panel: Panel, gates: Gates, judged: Judged) -> pd.DataFrame:
    columns = np.flatnonzero((panel.units["evidence"] == "summary").to_numpy(dtype=bool))
    places = panel.units.iloc[columns].assign(side="normal", assay="summary")
    frame = _grid(len(gates), places, len(panel.populations))
    level = gates.level(panel.value[:, columns])
    return _bounds(frame, judged.unit_state[:, columns], level, judged.unit_explained[:, columns], "summary")


def _protein_rows(panel: Panel, gates: Gates, judged: Judged) -> pd.DataFrame:
    units = panel.units.assign(side="normal", assay="protein", column=np.arange(len(panel.units)))
    protein = units[units["evidence"] == "protein"]
    parts = []
    for offset, (_, rows) in enumerate(protein.groupby(["atlas", "tissue"], sort=True)):
        columns = rows["column"].to_numpy()
        stain = gates.level(panel.value[:, columns])
        state, explained = judged.unit_state[:, columns], judged.unit_explained[:, columns]
        urgency = np.where(state == EXPOSED, 3, np.where(state == BELOW, 1, np.where(state == NO_VALUE, 0, 2)))
        worst = (urgency * 10 + np.nan_to_num(stain, nan=-1.0)).argmax(axis=1)
        row = np.arange(len(gates))
        place = rows.iloc[:1].assign(population=rows["tissue"].iloc[0])
        frame = _grid(len(gates), place, 100_000 + offset)
        labels = pd.Categorical(rows["cell_type"].astype("string").fillna("").astype(str))
        frame["cell_type"] = pd.Categorical.from_codes(labels.codes[worst], dtype=labels.dtype)
        frame.loc[np.isnan(stain).all(axis=1), "cell_type"] = np.nan
        parts.append(_bounds(frame, state[row, worst], stain[row, worst], explained[row, worst], "protein"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
