"""Positivity as bits: one bit an observation, 64 observations a word, populations word-aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cartarget.errors import InputError

WORD = 64


@dataclass(frozen=True, eq=False)
class Packed:
    """Positivity of antigens over observations, packed; what every score is counted from.

    Attributes
    ----------
    symbols
        Antigens, one a row of `words`.
    words
        `uint64`, antigens × words. Bit *b* of word *w* is one observation; bits beyond a segment's
        observations are 0.
    segments
        One row a segment, in the order of the words: `population` (row of `populations`),
        `n_observations`, `n_donors`, `start`, `stop` (words). A segment is either the observations of
        one donor (`n_donors` = 1), or one observation each of many donors
        (`n_donors` = `n_observations`); the donor stays the unit of evidence either way.
    populations
        One row a population: at least `population` (name), `side` (`tumor` or `normal`),
        `n_observations`, `n_donors`. Tumour populations come first.
    is_measured
        `bool`, antigens × populations. Bits of an unmeasured antigen are 0 and mean nothing.
    """

    symbols: tuple[str, ...]
    words: NDArray[np.uint64]
    segments: pd.DataFrame
    populations: pd.DataFrame
    is_measured: NDArray[np.bool_]

    @property
    def n_antigens(self) -> int:
        """How many antigens."""
        return len(self.symbols)

    @property
    def n_observations(self) -> int:
        """How many observations, tumour and normal."""
        return int(self.segments["n_observations"].sum())


def pack_bits(positive: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack the last axis of a boolean array into words, padded with zeros.

    Parameters
    ----------
    positive
        Antigens × observations.

    Returns
    -------
    `uint64`, antigens × ceil(observations / 64).

    Examples
    --------
    >>> pack_bits(np.array([[True, False, True]]))
    array([[5]], dtype=uint64)
    """
    n_antigens, n_observations = positive.shape
    n_words = -(-n_observations // WORD)
    octets = np.packbits(positive, axis=1, bitorder="little")
    padded = np.zeros((n_antigens, n_words * 8), dtype=np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u8").astype(np.uint64, copy=False)


def pack(
    positive: ArrayLike,
    *,
    symbols: Sequence[str],
    population: Sequence[str],
    donor: Sequence[str],
    side: Sequence[str],
    is_measured: pd.DataFrame | None = None,
) -> Packed:
    """Pack a positivity matrix, grouped by population and donor.

    Parameters
    ----------
    positive
        Boolean, observations × antigens.
    symbols
        Names of the antigens (columns).
    population, donor, side
        Labels of the observations (rows); `side` is `tumor` or `normal`. A population lies on one side.
    is_measured
        Antigens × populations, boolean, labelled; absent rows and columns count as measured.
        None: everything was measured.

    Returns
    -------
    `Packed`, populations sorted by side (tumour first) and name, donors by name.

    Raises
    ------
    InputError
        Lengths differ, a population lies on both sides, or a side is unknown.

    Examples
    --------
    >>> packed = pack([[1, 0], [1, 1], [0, 1]], symbols=["A", "B"], population=["p1", "p1", "liver"],
    ...               donor=["p1", "p1", "d1"], side=["tumor", "tumor", "normal"])
    >>> packed.populations[["population", "side", "n_observations", "n_donors"]].values.tolist()
    [['p1', 'tumor', 2, 1], ['liver', 'normal', 1, 1]]
    >>> np.bitwise_count(packed.words).tolist()
    [[2, 0], [1, 1]]
    """
    matrix = np.asarray(positive, dtype=bool)
    labels = pd.DataFrame({"population": population, "donor": donor, "side": side}).astype(str)
    if matrix.shape != (len(labels), len(symbols)):
        raise InputError(
            f"positivity is {matrix.shape}, but there are {len(labels)} labelled observations and "
            f"{len(symbols)} symbols: give observations × antigens"
        )
    unknown = sorted(set(labels["side"]) - {"tumor", "normal"})
    if unknown:
        raise InputError(f"side {unknown[0]!r} is unknown: expected 'tumor' or 'normal'")
    both = labels.groupby("population")["side"].nunique()
    if (both > 1).any():
        raise InputError(
            f"population {both.index[both > 1][0]!r} is on both sides: give its tumour and normal "
            "observations different population names"
        )

    labels["is_normal"] = labels["side"] == "normal"
    pairs = labels.groupby(["is_normal", "population", "donor"], sort=True).indices
    populations: list[dict[str, object]] = []
    segments: list[dict[str, int]] = []
    blocks: list[NDArray[np.uint64]] = []
    start = 0
    by_population: dict[tuple[bool, str], list[NDArray[np.intp]]] = {}
    for (is_normal, name, _), rows in pairs.items():
        by_population.setdefault((is_normal, name), []).append(rows)
    for index, ((is_normal, name), donors) in enumerate(by_population.items()):
        populations.append(
            {
                "population": name,
                "side": "normal" if is_normal else "tumor",
                "n_observations": sum(map(len, donors)),
                "n_donors": len(donors),
            }
        )
        singles = [rows for rows in donors if len(rows) == 1]
        groups = [(np.concatenate(singles), len(singles))] if singles else []
        groups += [(rows, 1) for rows in donors if len(rows) > 1]
        for rows, n_donors in groups:
            block = pack_bits(matrix[rows].T)
            blocks.append(block)
            segments.append(
                {
                    "population": index,
                    "n_observations": len(rows),
                    "n_donors": n_donors,
                    "start": start,
                    "stop": start + block.shape[1],
                }
            )
            start += block.shape[1]

    table = pd.DataFrame(populations, columns=["population", "side", "n_observations", "n_donors"])
    measured = np.ones((len(symbols), len(table)), dtype=bool)
    if is_measured is not None:
        known = is_measured.reindex(index=list(symbols), columns=table["population"])
        measured = known.astype("boolean").fillna(True).to_numpy(dtype=bool)
    return Packed(
        symbols=tuple(symbols),
        words=np.ascontiguousarray(np.hstack(blocks)) if blocks else np.zeros((len(symbols), 0), np.uint64),
        segments=pd.DataFrame(segments, columns=["population", "n_observations", "n_donors", "start", "stop"]),
        populations=table,
        is_measured=measured,
    )


def count_positive(packed: Packed) -> NDArray[np.int64]:
    """Positive observations per antigen and segment, antigens × segments.

    Examples
    --------
    >>> packed = pack([[1, 0], [1, 1], [0, 1]], symbols=["A", "B"], population=["p1", "p1", "liver"],
    ...               donor=["p1", "p1", "d1"], side=["tumor", "tumor", "normal"])
    >>> count_positive(packed).tolist()
    [[2, 0], [1, 1]]
    """
    ones = np.bitwise_count(packed.words)
    starts = packed.segments["start"].to_numpy()
    if not len(starts):
        return np.zeros((packed.n_antigens, 0), dtype=np.int64)
    return np.add.reduceat(ones, starts, axis=1, dtype=np.int64)
