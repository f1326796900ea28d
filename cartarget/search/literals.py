"""The literals of a search: each antigen plain and negated, as rows of packed words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.kernels import WIDTH, interleaved
from cartarget.evidence.packed import WORD, Packed
from cartarget.logic.gate import Gate


class Pool(NamedTuple):
    """What compiled code reads: literal `2 i` is antigen `i` plain, `2 i + 1` negated; antigens in order of name."""

    rows: NDArray[np.uint64]  # literals × words
    panels: NDArray[np.uint64]  # the same, `WIDTH` literals side by side
    valid: NDArray[np.uint64]  # words; bits that are observations
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    split: int  # words of the tumour
    order: NDArray[np.int64]  # order in which interchangeable literals are assigned
    text: NDArray[np.int64]  # rank of each literal's text among all


@dataclass(frozen=True, eq=False)
class Literals:
    """The pool, with names and populations."""

    symbols: tuple[str, ...]
    populations: pd.DataFrame
    pool: Pool

    def name(self, literal: int) -> tuple[str, bool]:
        """Antigen and sign of a literal."""
        return self.symbols[literal >> 1], bool(literal & 1)


def literals(packed: Packed, *, populations: pd.DataFrame | None = None, is_pooled: bool = False) -> Literals:
    """Lay out the literals of packed positivity.

    What was not measured counts against a gate: an unmeasured antigen, plain or negated, hits no tumour observation and
    every normal one. In normal populations of bulk samples (`evidence` is `samples`) a negated antigen hits everything:
    a blocker earns credit only inside cells.

    Parameters
    ----------
    packed
        Packed positivity.
    populations
        `population` and any of `cap`, `weight`, `is_origin`, `evidence`; overrides columns of `packed.populations`.
    is_pooled
        Join all tumour populations into one, and all normal ones.

    Raises
    ------
    InputError
        No antigen, a doubled symbol, a population given twice, or one that the data does not hold.

    Examples
    --------
    >>> from cartarget.evidence.packed import pack
    >>> packed = pack([[1, 0], [1, 1], [0, 1]], symbols=["A", "B"], population=["p1", "p1", "liver"],
    ...               donor=["p1", "p1", "d1"], side=["tumor", "tumor", "normal"])
    >>> literals(packed).pool.rows.tolist()
    [[3, 0], [0, 1], [2, 1], [1, 0]]
    """
    _check(packed)
    frame = _described(packed, populations)
    keep = frame["n_observations"].to_numpy() > 0
    spans = _spans(packed)
    columns = [column for _, _, column in spans]
    at = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
    valid = _valid(packed)[at]
    owner = (
        np.concatenate([np.full(len(column), p) for p, _, column in spans]) if spans else np.empty(0, dtype=np.int64)
    )

    order = sorted(range(packed.n_antigens), key=lambda i: packed.symbols[i])
    plain = packed.words[order][:, at]
    normal = (frame["side"] == "normal").to_numpy()[owner]
    measured = packed.is_measured[order][:, owner]
    credit = measured & ~(normal & (frame["evidence"] == "samples").to_numpy()[owner])
    everything = np.where(normal, valid, np.uint64(0))
    rows = np.empty((2 * len(order), len(at)), dtype=np.uint64)
    rows[0::2] = np.where(measured, plain, everything)
    rows[1::2] = np.where(credit, ~plain & valid, everything)

    lengths = np.bincount(owner, minlength=len(frame))[keep]
    frame = frame[keep].reset_index(drop=True)
    n_tumor = int((frame["side"] == "tumor").sum())
    split = int(lengths[:n_tumor].sum())
    stops = np.cumsum(lengths)
    starts = stops - lengths
    if is_pooled:
        frame = frame.groupby("side", sort=False, as_index=False)["n_observations"].sum()
        frame["population"] = frame["side"].map({"tumor": "tumour", "normal": "all normal"})
        present = [side in set(frame["side"]) for side in ("tumor", "normal")]
        starts = np.array([0, split])[present]
        stops = np.array([split, len(at)])[present]
    pool = Pool(
        rows=np.ascontiguousarray(rows),
        panels=interleaved(rows, WIDTH),
        valid=np.ascontiguousarray(valid),
        starts=starts.astype(np.int64),
        stops=stops.astype(np.int64),
        split=split,
        order=_order(rows, starts, stops, frame, n_tumor if not is_pooled else 1),
        text=_text([packed.symbols[i] for i in order]),
    )
    return Literals(tuple(packed.symbols[i] for i in order), frame, pool)


def _check(packed: Packed) -> None:
    if not packed.n_antigens:
        raise InputError("the data holds no antigen: a gate needs at least one")
    doubled = pd.Series(packed.symbols)[pd.Series(packed.symbols).duplicated()]
    if len(doubled):
        raise InputError(f"antigen {doubled.iloc[0]!r} stands twice in the data: merge or rename it")


def _described(packed: Packed, populations: pd.DataFrame | None) -> pd.DataFrame:
    frame = packed.populations.copy()
    if populations is not None:
        if "population" not in populations:
            raise InputError("populations: column 'population' is missing; name each population and give cap or weight")
        strange = set(populations["population"]) - set(frame["population"])
        if strange:
            raise InputError(f"populations: {min(strange)!r} is not among the {len(frame)} populations of the data")
        twice = populations.loc[populations["population"].duplicated(), "population"]
        if len(twice):
            raise InputError(f"populations: {twice.iloc[0]!r} stands in two rows; give each population once")
        given = populations.set_index("population")
        for name in ("cap", "weight", "is_origin", "evidence"):
            if name in given:
                frame[name] = frame["population"].map(given[name])
    if "evidence" not in frame:
        frame["evidence"] = "cells"
    return frame.reset_index(drop=True)


def _spans(packed: Packed) -> list[tuple[int, int, NDArray[np.int64]]]:
    """Per population with observations: its row, and the words of all its segments, side by side."""
    segments = packed.segments[packed.segments["n_observations"] > 0]
    return [
        (int(p), len(part), np.concatenate([np.arange(a, z) for a, z in zip(part["start"], part["stop"], strict=True)]))
        for p, part in segments.groupby("population", sort=True)
    ]


def _valid(packed: Packed) -> NDArray[np.uint64]:
    """Per word, the bits that are observations."""
    bits = np.zeros((packed.words.shape[1], WORD), dtype=np.uint8)
    for segment in packed.segments.itertuples(index=False):
        bits[segment.start : segment.stop].reshape(-1)[: segment.n_observations] = 1
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64).reshape(-1)


def _text(symbols: Sequence[str]) -> NDArray[np.int64]:
    """Rank of each literal's text, in the order of the letters."""
    texts = [str(Gate.literal(symbol, negated=negated)) for symbol in symbols for negated in (False, True)]
    rank = np.empty(len(texts), dtype=np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    return rank


def _order(
    rows: NDArray[np.uint64], starts: NDArray[np.int64], stops: NDArray[np.int64], frame: pd.DataFrame, n_tumor: int
) -> NDArray[np.int64]:
    """Rank of each literal: plain ones first, those that hit more of the tumour before others."""
    coverage = np.zeros(len(rows))
    for p in range(n_tumor if len(starts) else 0):
        hits = np.bitwise_count(rows[:, starts[p] : stops[p]]).sum(axis=1, dtype=np.int64)
        coverage += hits / frame["n_observations"].iloc[p]
    ids = np.arange(len(rows))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[np.lexsort((ids, -coverage, ids & 1))] = ids
    return rank
