"""Exposure of each gate in each place, row by row: the table that every claim of safety can be checked against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.intervals import fraction_interval, posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.safety.judge import AT_LEAST, BELOW, BOUNDED, COUNTED, EXPOSED, NO_VALUE, UNMEASURED, Judged
from cartarget.safety.window import Levels, combine


def exposure_rows(
    panel: Panel,
    judged: Judged,
    levels: Levels,
    *,
    names: Sequence[str],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    op: NDArray[np.int64],
    atlas: str,
    unit: str,
) -> pd.DataFrame:
    """Write out gates × places in the columns of the `exposure` table.

    Observations give the posterior median of the fraction hit with its 95 % interval (tumour: the plain
    fraction). A summary below its level gives [0, 0] with no fraction between, at or above it [0, 1]; what
    is not measured gives [0, 1] and `is_measured` false. Where one member of a gate was not measured, the other one
    bounds the gate, with no fraction between. Protein is one row a tissue, that of the cell type
    with the strongest stain.

    Parameters
    ----------
    panel, judged, levels
        Evidence, the gates held against it, their levels.
    names
        Gates as text, one a row.
    a, b, op
        The gates, as for `judge`.
    atlas, unit
        Name of the primary atlas, and unit of its levels.

    Returns
    -------
    Frame sorted by gate as given, then place.
    """
    parts = [_population_rows(panel, judged, levels, atlas, unit)]
    parts.append(_summary_rows(panel, judged, a, b, op))
    parts.append(_protein_rows(panel, judged, a, b, op))
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
    frame = frame.iloc[np.lexsort((frame["place"].to_numpy(), frame["gate"].to_numpy()))]
    frame["gate"] = pd.Categorical.from_codes(frame["gate"].to_numpy(), categories=pd.Index(list(names)))
    return frame.drop(columns="place").reset_index(drop=True)


def _grid(n_gates: int, places: pd.DataFrame, offset: int) -> pd.DataFrame:
    """Gates × places, with the columns that describe the place."""
    n = len(places)
    frame = pd.DataFrame(
        {"gate": np.repeat(np.arange(n_gates), n), "place": np.tile(np.arange(offset, offset + n), n_gates)}
    )
    for name in ("population", "side", "tissue", "cell_type", "tier", "evidence", "atlas", "unit"):
        coded = pd.Categorical(places[name].astype("string").fillna("").astype(str))
        frame[name] = pd.Categorical.from_codes(np.tile(coded.codes, n_gates), dtype=coded.dtype)
    frame["is_origin"] = np.tile(places["is_origin"].fillna(False).to_numpy(dtype=bool), n_gates)
    return frame


def _population_rows(panel: Panel, judged: Judged, levels: Levels, atlas: str, unit: str) -> pd.DataFrame:
    table = panel.populations
    places = table.assign(evidence=panel.kind, atlas=atlas, unit=unit)
    frame = _grid(len(judged.fraction), places, 0)
    n = table["n_effective"].to_numpy(dtype=np.float64)
    tumor = panel.is_tumor
    counted = judged.state == COUNTED
    middle = np.where(tumor, judged.fraction, posterior_quantile(judged.fraction, n, q=0.5))
    lower, upper = fraction_interval(judged.fraction, judged.n_effective)
    upper = np.where(counted | (judged.state == BOUNDED), upper, 1.0)
    lower = np.where(counted | (judged.state == AT_LEAST), lower, 0.0)
    level = levels.population.copy()
    level[:, np.flatnonzero(tumor)] = levels.tumor[:, None] if tumor.sum() == 1 else np.nan
    level = np.exp2(level) - 1
    size = len(judged.fraction)
    frame["n_observations"] = np.tile(table["n_observations"].to_numpy(), size)
    frame["n_donors"] = np.tile(table["n_donors"].to_numpy(), size)
    frame["n_positive"] = pd.array(judged.n_positive.ravel(), dtype="Int64")
    frame.loc[~counted.ravel(), "n_positive"] = pd.NA
    frame["fraction"] = np.where(counted, middle, np.nan).ravel()
    frame["fraction_lower"] = lower.ravel()
    frame["fraction_upper"] = upper.ravel()
    frame["fraction_naive"] = np.where((panel.kind == "samples") & counted, judged.naive, np.nan).ravel()
    frame["level"] = level.ravel()
    frame["is_measured"] = (judged.state != UNMEASURED).ravel()
    frame["is_thin"] = np.tile(table["is_thin"].to_numpy(dtype=bool), size)
    return frame


def _bounds(frame: pd.DataFrame, state: NDArray[np.int8], level: NDArray[np.floating]) -> pd.DataFrame:
    frame["fraction"] = np.nan
    frame["fraction_lower"] = 0.0
    frame["fraction_upper"] = np.where(state == BELOW, 0.0, 1.0).ravel()
    frame["level"] = np.where(state == NO_VALUE, np.nan, level).ravel()
    frame["is_measured"] = (state != NO_VALUE).ravel()
    frame["is_thin"] = False
    return frame


def _summary_rows(
    panel: Panel, judged: Judged, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]
) -> pd.DataFrame:
    columns = np.flatnonzero((panel.units["evidence"] == "summary").to_numpy(dtype=bool))
    places = panel.units.iloc[columns].assign(side="normal")
    frame = _grid(len(a), places, len(panel.populations))
    value = panel.value[:, columns]
    return _bounds(frame, judged.unit_state[:, columns], combine(value[a], value[b], op))


def _protein_rows(
    panel: Panel, judged: Judged, a: NDArray[np.int64], b: NDArray[np.int64], op: NDArray[np.int64]
) -> pd.DataFrame:
    units = panel.units.assign(side="normal", column=np.arange(len(panel.units)))
    protein = units[units["evidence"] == "protein"]
    parts = []
    for offset, (_, rows) in enumerate(protein.groupby(["atlas", "tissue"], sort=True)):
        columns = rows["column"].to_numpy()
        value = panel.value[:, columns]
        stain = combine(value[a], value[b], op)
        state = judged.unit_state[:, columns]
        urgency = np.where(state == EXPOSED, 3, np.where(state == BELOW, 1, np.where(state == NO_VALUE, 0, 2)))
        worst = (urgency * 10 + np.nan_to_num(stain, nan=-1.0)).argmax(axis=1)
        row = np.arange(len(a))
        place = rows.iloc[:1].assign(population=rows["tissue"].iloc[0])
        frame = _grid(len(a), place, 100_000 + offset)
        labels = pd.Categorical(rows["cell_type"].astype("string").fillna("").astype(str))
        frame["cell_type"] = pd.Categorical.from_codes(labels.codes[worst], dtype=labels.dtype)
        frame.loc[np.isnan(stain).all(axis=1), "cell_type"] = np.nan
        parts.append(_bounds(frame, state[row, worst], stain[row, worst]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
