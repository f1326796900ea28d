"""What a reader needs to disagree: counted evidence at several thresholds, small enough to travel in the report.

The page ranks its gates again when a weight, a cap, a floor or a threshold moves. It does so from what stands here:
positivity of each antigen as packed bits at thresholds chosen beforehand, and where summaries and stains are above
their level. The rules are those of `safety.judge` and `safety.scores`; a test in a browser holds them together.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.intervals import PRIOR_DONORS
from cartarget.evidence.packed import Packed
from cartarget.evidence.panel import MEASURED_DONORS, THIN_CELLS, Panel
from cartarget.evidence.power import LEAST
from cartarget.files import whole
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.report.closing import closing_parts
from cartarget.report.payload import Block, quantise_level
from cartarget.safety.known import CHANCE, GAIN, SEEN, known
from cartarget.safety.leaks import may_leak
from cartarget.safety.tier_table import TIERS
from cartarget.safety.window import gate_levels
from cartarget.selection.sweep import half_once_twice

BUDGET = 2_400_000
"""Bytes that the evidence may take in the report, compressed and before base64."""

_POPULATION = (
    "population", "kind", "assay", "atlas", "tissue", "cell_type", "tier", "weight", "cap", "n_donors",
    "n_observations",
)  # fmt: skip
_FLAGS = ("is_required", "is_origin", "is_thin")
_UNIT = ("population", "tissue", "cell_type", "tier", "weight", "cap", "evidence", "atlas", "unit")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Counted evidence on antigens: a header of plain data, and arrays whose first axis is the antigens.

    `words.i` (uint32) are packed observations at the i-th threshold, each segment beginning a word; `measured.i`
    (antigens × populations) says where they mean anything, `power.i` with what power in the populations that the header
    names as `powered` (1 in all others); `above.i` and `flagged` are bits over the units, `value` their levels or
    stains as `quantise_level` writes them, `level` the same per population of observations.
    """

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    def take(self, symbols: Collection[str]) -> Evidence:
        """The same on fewer antigens, in their order here; those that are not here are left out."""
        wanted = set(symbols)
        rows = [row for row, symbol in enumerate(self.header["symbols"]) if symbol in wanted]
        kept = [self.header["symbols"][row] for row in rows]
        return Evidence(self.header | {"symbols": kept}, {name: array[rows] for name, array in self.arrays.items()})


def argued_thresholds(panel: Panel, *, unit: str, base: float) -> list[float]:
    """Thresholds at which to count: half, once and twice the run's own.

    Where only log-normalised values are known there is nothing to sweep.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> argued_thresholds(SimpleNamespace(kind="samples"), unit="CPM", base=10.0)
    [5.0, 10.0, 20.0]
    """
    return half_once_twice(panel.kind, base) if unit in ("CPM", "counts") else [base]


def counted_evidence(
    panels: Sequence[Panel],
    *,
    thresholds: Sequence[float],
    base: float,
    unit: str,
    tiers: str = "",
    gates: Sequence[str] = (),
) -> Evidence:
    """Lay panels of the same run, counted at several thresholds, out for the page.

    Parameters
    ----------
    panels
        One panel a threshold, alike in all but the threshold.
    thresholds
        The thresholds, rising.
    base
        The run's own, among them.
    unit
        Unit of the thresholds.
    tiers
        Text of the tier table, so that the page can write a changed one.
    gates
        Gates of the run's tables, whose windows the page cannot reckon again.

    Returns
    -------
    `Evidence`.

    Raises
    ------
    InputError
        The run's own threshold is not among them, or the panels hold different antigens.
    """
    panels = [panel.ranking_only() for panel in panels]
    first = panels[0]
    if base not in thresholds or any(panel.symbols != first.symbols for panel in panels):
        raise InputError(f"thresholds {list(thresholds)}: expected {base:g} among them, and the same antigens at each")
    kept, starts = _dense_words(first.packed)
    arrays: dict[str, NDArray[Any]] = {
        "value": quantise_level(first.value),
        "flagged": _bits(first.is_flagged),
        "level": _levels(first),
    }
    for place, panel in enumerate(panels):
        arrays[f"power.{place}"] = _powers(panel)[:, _powered(panel)]
        arrays[f"measured.{place}"] = panel.packed.is_measured.astype(np.uint8)
        arrays[f"words.{place}"] = np.ascontiguousarray(panel.packed.words).astype("<u8").view("<u4")[:, kept]
        arrays[f"above.{place}"] = _bits(panel.is_above)
    segments = first.packed.segments
    header = {
        "symbols": list(first.symbols),
        "kind": first.kind,
        "thresholds": [float(value) for value in thresholds],
        "base": list(thresholds).index(base),
        "unit": unit,
        "starts": starts,
        "owner": segments["population"].tolist(),
        "sizes": segments["n_observations"].tolist(),
        "donors": segments["n_donors"].tolist(),
        "prior_donors": PRIOR_DONORS,
        "powered": [_powered(panel).tolist() for panel in panels],
        "segment_weight": [panel.segment_weight.tolist() for panel in panels],
        "n_effective": [panel.populations["n_effective"].astype(float).tolist() for panel in panels],
        "spread": [panel.populations["spread"].astype(float).tolist() for panel in panels],
        "populations": _records(first.populations.fillna({"weight": 0.0, "cap": 1.0}), _POPULATION, _FLAGS),
        "units": _records(first.units, _UNIT, ("is_required", "is_origin")),
        "tissues": known(first).tissues,
        "closing": closing_parts(first, [*(str(Gate.literal(symbol)) for symbol in first.symbols), *gates]),
        "harmed": sorted(first.harmed),
        "leaks": _leaks(first),
        "n_tumor": int(first.is_tumor.sum()),
        "patient_weight": first.patient_weight.tolist(),
        "tells_low_end": first.tells_low_end.tolist(),
        "required": list(first.required),
        "stand_in": sorted(first.stand_in),
        "origin": list(first.origin),
        "enough_donors": MEASURED_DONORS,
        "enough_cells": THIN_CELLS,
        "least_power": LEAST,
        "seen": SEEN,
        "chance": CHANCE,
        "gain": GAIN,
        "reference": {name: {"weight": weight, "cap": cap} for name, (weight, cap) in TIERS.items()},
        "tiers": tiers,
    }
    return Evidence(header, arrays)


def argued(
    panel: Panel, *, tiers: Mapping[str, Mapping[str, float]] | None = None, tolerated: Collection[str] = ()
) -> Panel:
    """A panel under other weights and caps: what the page does when a reader moves them.

    Parameters
    ----------
    panel
        Evidence of the run.
    tiers
        Per tier a `weight` and a `cap`. They move the places that have their tier's default; a place that the
        table gives a weight or cap of its own keeps it.
    tolerated
        Tissues to tolerate: no cap, and at most the weight of a tolerable tissue. Their tier stays, so that the
        window, which no threshold touches, stays too.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = harmonise(simulate_atlas(n_patients=2, n_donors=2, n_background=0), tiers=tiers, origin=["colon"])
    >>> panel = argued(build_panel(small, symbols=["MSLN"], required=tiers.required), tolerated=["lung"])
    >>> panel.populations.loc[panel.populations["tissue"] == "lung", "cap"].unique().tolist()
    [1.0]
    """
    asked = {name: {"weight": weight, "cap": cap} for name, (weight, cap) in TIERS.items()} | dict(tiers or {})
    old = panel.packed
    table = _weighed(old.populations, asked, tolerated)
    packed = replace(old, populations=table)
    return replace(panel, packed=packed, units=_weighed(panel.units, asked, tolerated))


def write_evidence(evidence: Evidence, path: str | os.PathLike[str]) -> None:
    """Write evidence as one `.npz` file; the same evidence gives the same bytes."""
    text = np.frombuffer(json.dumps(evidence.header, ensure_ascii=False).encode("utf-8"), dtype=np.uint8)
    with whole(Path(path)) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, header=text, **evidence.arrays)


def read_evidence(path: str | os.PathLike[str]) -> Evidence:
    """Read what `write_evidence` wrote.

    Raises
    ------
    InputError
        The file is not evidence.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes().decode("utf-8"))
            return Evidence(header, {name: stored[name] for name in stored.files if name != "header"})
    except (OSError, KeyError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: no evidence to argue with ({error}); run the report step again") from error


def fit_evidence(evidence: Evidence, *, order: Sequence[str], budget: int = BUDGET) -> Evidence:
    """The evidence on as many antigens as fit, those first in `order` first.

    Parameters
    ----------
    evidence
        All of it.
    order
        Antigens by worth; one that is not named is left out.
    budget
        Bytes that they may take, compressed one by one.
    """
    row = {symbol: place for place, symbol in enumerate(evidence.header["symbols"])}
    kept, used = [], 0
    for symbol in dict.fromkeys(order):
        if symbol not in row:
            continue
        raw = b"".join(np.ascontiguousarray(array[row[symbol]]).tobytes() for array in evidence.arrays.values())
        used += len(zlib.compress(raw, 1))
        if used > 1.6 * budget:
            break
        kept.append(symbol)
    while True:
        found = evidence.take(kept)
        if len(kept) < 100 or len(evidence_block(found).pack()) <= budget:
            return found
        kept = kept[: int(len(kept) * 0.85)]


def evidence_block(evidence: Evidence) -> Block:
    """The evidence as a block of the payload."""
    return Block(dict(evidence.header), {name: array.ravel() for name, array in evidence.arrays.items()})


def _levels(panel: Panel) -> NDArray[np.int16]:
    """90th percentile of each antigen's level per normal population, as the exposure table has it."""
    levels = gate_levels(panel, Gates.singles(len(panel.symbols)))
    found = levels.population.astype(np.float64)
    if panel.is_tumor.sum() == 1:
        found[:, np.flatnonzero(panel.is_tumor)] = levels.tumor[:, None]
    return quantise_level(np.exp2(found) - 1)


def _leaks(panel: Panel) -> dict[str, list[int]]:
    """Populations into which an antigen may have leaked, of antigens that may."""
    flags = may_leak(panel)
    return {panel.symbols[row]: np.flatnonzero(flags[row]).tolist() for row in np.flatnonzero(flags.any(axis=1))}


COARSE = 256
"""Power is told in so many steps where it corrects nothing, which packs well."""


def _powers(panel: Panel) -> NDArray[np.float32]:
    """Power of each antigen in each population, whole steps where no observation shows the antigen."""
    coarse = np.round(panel.power * COARSE) / COARSE
    return np.where(panel.corrected > 0, panel.power, coarse).astype(np.float32)


def _powered(panel: Panel) -> NDArray[np.int64]:
    """Populations in which some antigen has less than full power."""
    return np.flatnonzero((_powers(panel) < 1).any(axis=0))


def _dense_words(packed: Packed) -> tuple[NDArray[np.int64], list[int]]:
    """32-bit halves of the words that hold observations, and where each segment starts among them."""
    sizes = -(-packed.segments["n_observations"].to_numpy() // 32)
    firsts = 2 * packed.segments["start"].to_numpy()
    kept = [np.arange(first, first + size) for first, size in zip(firsts, sizes, strict=True)]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int).tolist()
    return (np.concatenate(kept) if kept else np.zeros(0, np.int64)), starts


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Flags packed along the last axis into 32-bit words, at least one."""
    octets = np.packbits(flags, axis=1, bitorder="little")
    width = max(4, -(-octets.shape[1] // 4) * 4)
    padded = np.zeros((len(flags), width), dtype=np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u4")


def _records(frame: pd.DataFrame, names: Sequence[str], flags: Sequence[str]) -> list[dict[str, Any]]:
    table = frame.reindex(columns=[*names, *flags])
    for name in flags:
        table[name] = table[name].fillna(False).astype(bool)
    plain = table.astype(object)
    return [
        {key: "" if pd.isna(value) or value in ("nan", "None") else value for key, value in row.items()}
        for row in plain.where(plain.notna(), "").to_dict("records")
    ]


def _weighed(frame: pd.DataFrame, asked: Mapping[str, Mapping[str, float]], tolerated: Collection[str]) -> pd.DataFrame:
    table = frame.copy()
    tier = table["tier"].astype(str)
    for name, (weight, cap) in TIERS.items():
        own = (tier == name) & np.isclose(table["weight"], weight) & np.isclose(table["cap"], cap)
        table.loc[own, ["weight", "cap"]] = asked[name]["weight"], asked[name]["cap"]
    spared = table["tissue"].isin(list(tolerated)) & tier.isin(list(TIERS))
    table.loc[spared, "weight"] = np.minimum(table.loc[spared, "weight"], asked["tolerable"]["weight"])
    table.loc[spared, "cap"] = 1.0
    return table
