"""One patient: the gates of a run ranked for one tumour, what they leave, and what to stain first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.evidence.intervals import PRIOR, fraction_interval
from cartarget.evidence.packed import pack_bits
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.ranking import AT_OTHER_THRESHOLDS, place_firm, place_of

STAINS = 5
"""Stains that are proposed at most."""

OVER_CAP = CLASSES[-1]

Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Tumor:
    """One tumour, counted: malignant cells of one person, or one bulk sample.

    Attributes
    ----------
    kind
        `cells` or `samples`.
    symbols
        Antigens, the first axis of everything here.
    words
        `half`, `once`, `twice` the run's threshold (as far as it can be moved) → bits, antigens × words; bit *i* is
        the *i*-th observation. An antigen that was not measured has no bit.
    n
        Malignant cells; 1 in a bulk sample.
    is_measured
        Whether the sample measured the antigen. What it did not measure is unknown, never absent.
    level
        log2(CPM + 1) of a bulk sample; NaN in cells, and where it is not measured.
    threshold
        The run's threshold, in counts or CPM.
    """

    kind: str
    symbols: tuple[str, ...]
    words: Mapping[str, Words]
    n: int
    is_measured: NDArray[np.bool_]
    level: NDArray[np.float64]
    threshold: float

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each antigen."""
        return {symbol: row for row, symbol in enumerate(self.symbols)}

    @cached_property
    def every(self) -> Words:
        """Bits of all observations."""
        return np.asarray(pack_bits(np.ones((1, self.n), dtype=bool))[0])

    @cached_property
    def chance(self) -> NDArray[np.float64]:
        """Chance that a stain finds each antigen: (k + ½) / (n + 1), the mean of the posterior under Jeffreys' prior.

        Of n cells k show it; a bulk sample is positive at k of its n thresholds. What was not measured has n = 0: ½.
        """
        judged = [self.words["once"]] if self.kind == "cells" else list(self.words.values())
        found = np.sum([np.bitwise_count(own).sum(axis=1) for own in judged], axis=0)
        n = np.where(self.is_measured, self.n * len(judged), 0)
        return np.asarray((np.where(self.is_measured, found, 0) + PRIOR) / (n + 2 * PRIOR))


@dataclass(frozen=True, eq=False)
class Choice:
    """What the ranking says to do for one tumour.

    Attributes
    ----------
    table
        One row a gate, best first: see :func:`rank_for_patient`.
    first
        The gate of rank 1; None: no gate that is not over cap reaches the tumour.
    second
        Cells: the gate, of no worse class than the first, that catches most of the cells left by the first. A bulk
        sample: the next gate that senses none of the first's antigens. None: there is none.
    left
        What is left of the malignant cells: one row each for the first gate, for both, and for all gates of a class
        or better (`by`, `n_gates`, `left`, `left_lower`, `left_upper`). Empty in a bulk sample.
    stains
        What to stain first: see :func:`stain_first`.
    """

    table: pd.DataFrame
    first: str | None
    second: str | None
    left: pd.DataFrame
    stains: pd.DataFrame


def choose_for_patient(tumor: Tumor, *, gates: pd.DataFrame, floor: float) -> Choice:
    """Rank a run's gates for one tumour, and choose.

    Parameters
    ----------
    tumor
        The tumour. Its `symbols` hold every antigen of the gates.
    gates
        Gates as the run scored them: `gate`, `safety_class`, `class_half`, `class_twice`, `rank`, and whatever else
        is to be shown. Classes are those of the run and are not judged again.
    floor
        Share of the malignant cells from which a gate is eligible.

    Returns
    -------
    `Choice`.

    Raises
    ------
    GateError
        A gate senses nothing, or names an antigen that `tumor.symbols` lacks.

    Examples
    --------
    Four cells: three show A, one shows B.

    >>> bits = pack_bits(np.array([[1, 1, 1, 0], [0, 0, 0, 1]], dtype=bool))
    >>> tumor = Tumor("cells", ("A", "B"), {"once": bits}, 4, np.array([True, True]), np.full(2, np.nan), 1)
    >>> gates = pd.DataFrame({"gate": ["B", "A"], "safety_class": "unknown", "rank": [1, 2]})
    >>> choice = choose_for_patient(tumor, gates=gates, floor=0.5)
    >>> choice.first, choice.second, choice.left["left"].tolist()
    ('A', 'B', [0.25, 0.0, 0.0])
    """
    table, parsed = _ranked(tumor, gates, floor=floor)
    hits = _hits(tumor, parsed)
    is_first = (table["rank"].notna() & table["safety_class"].ne(OVER_CAP)).to_numpy(dtype=bool)
    if not is_first[:1].any():
        return Choice(table, None, None, _left(tumor, table, hits, chosen=[]), _no_stains())
    second = _second(tumor, table, hits, parsed=parsed)
    chosen = [0] if second is None else [0, second]
    return Choice(
        table=table,
        first=str(table["gate"].iloc[0]),
        second=None if second is None else str(table["gate"].iloc[second]),
        left=_left(tumor, table, hits, chosen=chosen),
        stains=stain_first(tumor, table=table, floor=floor),
    )


def rank_for_patient(tumor: Tumor, *, gates: pd.DataFrame, floor: float) -> pd.DataFrame:
    r"""Rank a run's gates for one tumour.

    Gates that reach the tumour first (cells: at least `floor` of them hit; bulk: positive at the threshold); then by
    the run's class at half, once and twice the threshold, and the class at the threshold, in the order of the run's own
    ranking; then cells by the lower end of the 95 % interval of the share hit, bulk by the number of thresholds at
    which the gate is positive and then by how far its level is above the threshold; then fewer antigens, then the
    run's rank.

    Parameters
    ----------
    tumor, gates, floor
        As for :func:`choose_for_patient`.

    Returns
    -------
    DataFrame
        The columns of `gates`, the run's `rank` as `rank_run` and its `coverage` as `coverage_run`; and `rank` (missing
        where the gate does not reach the tumour or is not known), `coverage` (share of the malignant cells hit; bulk: 1
        or 0), `coverage_lower` and `coverage_upper` (cells: Jeffreys interval, each cell a unit, since the question is
        his own share; missing in bulk), `n_positive`, `n_cells`, `n_thresholds` (of half, once and twice, those at
        which a bulk sample is positive), `margin` (bulk: level of the gate minus the threshold, log2), and
        `not_measured` (antigens that the sample did not measure: then all that is said of the tumour is missing).

    Examples
    --------
    >>> bits = pack_bits(np.array([[1, 1, 1, 0], [0, 0, 0, 1]], dtype=bool))
    >>> tumor = Tumor("cells", ("A", "B"), {"once": bits}, 4, np.array([True, False]), np.full(2, np.nan), 1)
    >>> gates = pd.DataFrame({"gate": ["A | B", "A"], "safety_class": "unknown", "rank": [1, 2]})
    >>> rank_for_patient(tumor, gates=gates, floor=0.5)[["rank", "gate", "coverage", "not_measured"]].values.tolist()
    [[1, 'A', 0.75, ''], [<NA>, 'A | B', nan, 'B']]
    """
    return _ranked(tumor, gates, floor=floor)[0]


def _ranked(tumor: Tumor, gates: pd.DataFrame, *, floor: float) -> tuple[pd.DataFrame, Gates]:
    """The table of `rank_for_patient`, and its gates in the same order."""
    parsed = Gates.parse(gates["gate"].tolist(), panel=tumor)
    names = {"rank": "rank_run", "coverage": "coverage_run"}
    table = gates.rename(columns=names).reset_index(drop=True).assign(n_antigens=parsed.size)
    table = pd.concat([table, _seen(tumor, parsed)], axis=1)
    reaches = (table["coverage"] >= (floor if tumor.kind == "cells" else 1.0)).to_numpy(dtype=bool)
    keys = pd.DataFrame(
        {
            "reaches": ~reaches,
            "known": table["coverage"].isna(),
            "class": _place(table),
            "lower": -table["coverage_lower"].fillna(0.0).round(9),
            "thresholds": -table["n_thresholds"].astype(float).fillna(0.0),
            "margin": -table["margin"].fillna(-np.inf),
            "size": table["n_antigens"],
            "run": table["rank_run"].astype(float).fillna(np.inf),
            "gate": table["gate"].astype(str),
        }
    )
    order = keys.sort_values(keys.columns.tolist(), kind="stable").index.to_numpy()
    rank = pd.Series(np.cumsum(reaches[order]), dtype="Int64").where(reaches[order])
    ordered = table.loc[order].reset_index(drop=True)
    return ordered.assign(rank=rank)[["rank", *ordered.columns]], parsed.take(order)


def stain_first(tumor: Tumor, *, table: pd.DataFrame, floor: float) -> pd.DataFrame:
    r"""Which antigen to stain first: the one whose answer would change the first choice most.

    A stain of an antigen answers *present* (all malignant cells carry it) or *absent* (none does). With
    :math:`c_a(g)` the share of malignant cells that gate :math:`g` hits under answer :math:`a`, :math:`p` the chance of
    *present* (`Tumor.chance`), :math:`g_1` the first choice and :math:`g_a` the gate that the same ranking puts first
    once the answer is known (reach, then class, then share), the stain is worth

    .. math:: V = \sum_a p_a \max(0,\, c_a(g_a) - c_a(g_1)),

    the share of the tumour that one would expect to lose by keeping the first choice whatever the stain says. The share
    of cells with the transcript stands in for the chance that the protein is there, which nobody knows: it orders the
    stains, and foretells none.

    Parameters
    ----------
    tumor
        The tumour.
    table
        Gates ranked for it (:func:`rank_for_patient`), the first choice first; those over cap are never chosen.
    floor
        Share of the malignant cells from which a gate is eligible.

    Returns
    -------
    DataFrame
        `antigen`, `chance`, `value`, `answer` (the one that would cost more), `instead` (the gate that it would put
        first) and `share` (what that gate would hit), the most valuable first, `STAINS` at most; only antigens whose
        answer can cost something.

    Examples
    --------
    >>> bits = pack_bits(np.array([[1, 1, 1, 0], [0, 1, 0, 1]], dtype=bool))
    >>> tumor = Tumor("cells", ("A", "B"), {"once": bits}, 4, np.array([True, True]), np.full(2, np.nan), 1)
    >>> gates = pd.DataFrame({"gate": ["A", "B"], "safety_class": "unknown", "rank": [1, 2]})
    >>> stains = stain_first(tumor, table=rank_for_patient(tumor, gates=gates, floor=0.5), floor=0.5).round(6)
    >>> stains[["antigen", "value", "answer", "instead"]].values.tolist()
    [['A', 0.15, 'absent', 'B'], ['B', 0.125, 'present', 'B']]
    """
    table = table[table["safety_class"].ne(OVER_CAP)]
    gates, names, place = Gates.parse(table["gate"].tolist(), panel=tumor), table["gate"].tolist(), _place(table)
    least = floor if tumor.kind == "cells" else 1.0
    lacking = np.isin(gates.rows, np.flatnonzero(~tumor.is_measured)).sum(axis=1)
    now = np.where(lacking == 0, _share(tumor, _hits(tumor, gates)), -1.0)
    rows = []
    for row in np.unique(gates.rows[gates.rows >= 0]):
        own = np.flatnonzero((gates.rows == row).any(axis=1) & (lacking == (not tumor.is_measured[row])))
        if not len(own):
            continue
        chance = float(tumor.chance[row])
        answers = []
        for answer, weight, bits in (("present", chance, tumor.every), ("absent", 1 - chance, np.uint64(0))):
            told = now.copy()
            told[own] = _share(tumor, _hits(tumor, gates.take(own), told=(int(row), bits)))
            best = int(np.argmax(np.where(told >= least, told - 2.0 * place, -np.inf)))
            answers.append((weight * max(0.0, told[best] - told[0]), answer, names[best], told[best]))
        rows.append((tumor.symbols[row], chance, sum(each[0] for each in answers), *max(answers)[1:]))
    stains = pd.DataFrame(rows, columns=_no_stains().columns)
    stains = stains[stains["value"] > 1e-9].sort_values(["value", "antigen"], ascending=[False, True])
    return stains.head(STAINS).reset_index(drop=True)


def _no_stains() -> pd.DataFrame:
    return pd.DataFrame(columns=["antigen", "chance", "value", "answer", "instead", "share"])


def _place(table: pd.DataFrame) -> NDArray[np.int64]:
    """Place of each gate by class: the worst at half, once and twice the threshold, then that at the threshold."""
    shown = table[["safety_class", *(name for name in AT_OTHER_THRESHOLDS if name in table)]]
    own = place_of(table["safety_class"]).to_numpy(dtype=np.int64)
    return np.asarray(place_firm(shown).to_numpy(dtype=np.int64) * len(CLASSES) + own)


def _hits(tumor: Tumor, gates: Gates, *, told: tuple[int, Any] | None = None, at: str = "once") -> Words:
    """Observations that each gate hits, gates × words; `told` puts bits in the place of one antigen's."""
    words = tumor.words[at]
    if told is not None:
        words = words.copy()
        words[told[0]] = told[1]
    return np.asarray(gates.evaluate(words, ~words) & tumor.every)


def _share(tumor: Tumor, hits: Words) -> NDArray[np.float64]:
    return np.asarray(np.bitwise_count(hits).sum(axis=1) / tumor.n)


def _seen(tumor: Tumor, gates: Gates) -> pd.DataFrame:
    """What the tumour says of each gate, in the order given."""
    lacking = [[tumor.symbols[i] for i in row if i >= 0 and not tumor.is_measured[i]] for row in gates.rows]
    known = np.array([not absent for absent in lacking], dtype=bool)
    n_positive = np.bitwise_count(_hits(tumor, gates)).sum(axis=1).astype(np.int64)
    share = n_positive / tumor.n
    is_cells = tumor.kind == "cells"
    low, high = fraction_interval(share, tumor.n) if is_cells else (np.full(len(gates), np.nan),) * 2
    missing = np.full(len(gates), np.nan)
    count = pd.Series(n_positive, dtype="Int64").where(known)
    times = sum(_share(tumor, _hits(tumor, gates, at=at)) for at in tumor.words)
    margin = gates.level(tumor.level[:, None])[:, 0] - np.log2(tumor.threshold + 1)
    return pd.DataFrame(
        {
            "coverage": np.where(known, share, np.nan),
            "coverage_lower": np.where(known, low, np.nan),
            "coverage_upper": np.where(known, high, np.nan),
            "n_positive": count,
            "n_cells": pd.Series(tumor.n if is_cells else pd.NA, index=range(len(gates)), dtype="Int64"),
            "n_thresholds": pd.Series(missing if is_cells else times, dtype="Int64").where(known),
            "margin": missing if is_cells else np.where(known, margin, np.nan),
            "not_measured": [", ".join(absent) for absent in lacking],
        }
    )


def _second(tumor: Tumor, table: pd.DataFrame, hits: Words, *, parsed: Gates) -> int | None:
    """Row of the second choice, among gates of no worse class than the first, which is row 0."""
    place = place_of(table["safety_class"]).to_numpy(dtype=np.int64)
    fit = np.flatnonzero((place <= place[0]) & table["coverage"].notna().to_numpy())
    if tumor.kind == "cells":
        caught = np.bitwise_count(hits[fit] & ~hits[0]).sum(axis=1)
        return int(fit[np.argmax(caught)]) if caught.max() > 0 else None
    reached = fit[table["rank"].notna().to_numpy(dtype=bool)[fit]]
    first = set(_sensed(parsed.take(reached[:1]).gates(tumor.symbols)[0]))
    gates = parsed.take(reached).gates(tumor.symbols)
    return next((int(row) for row, gate in zip(reached, gates, strict=True) if not first & set(_sensed(gate))), None)


def _sensed(gate: Gate) -> list[str]:
    return [one.symbol for one in gate.literals if not one.is_negated]


def _left(tumor: Tumor, table: pd.DataFrame, hits: Words, *, chosen: list[int]) -> pd.DataFrame:
    """Malignant cells that are left: by the first choice, by both, and by all gates of a class or better."""
    if tumor.kind != "cells":
        return pd.DataFrame(columns=["by", "n_gates", "left", "left_lower", "left_upper"])
    place = place_of(table["safety_class"]).to_numpy(dtype=np.int64)
    known = table["coverage"].notna().to_numpy()
    groups: list[tuple[str, Any]] = [("first", chosen[:1]), ("first and second", chosen)][: len(chosen)]
    by_class = [(label, np.flatnonzero(known & (place <= at))) for at, label in enumerate(CLASSES)]
    groups += [(label, rows) for label, rows in by_class if (table["safety_class"] == label).any()]
    rows = []
    for by, own in groups:
        caught = np.bitwise_or.reduce(hits[own], axis=0) if len(own) else np.zeros_like(tumor.every)
        left = 1 - float(np.bitwise_count(caught).sum()) / tumor.n
        low, high = fraction_interval(left, tumor.n)
        rows.append((by, len(own), left, float(low), float(high)))
    return pd.DataFrame(rows, columns=["by", "n_gates", "left", "left_lower", "left_upper"])
