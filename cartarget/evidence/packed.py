"""Positivity as bits: one bit an observation, 64 observations a word, populations word-aligned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cartarget.atlas.contract import tell_nobody
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
    donor
        `int32`, one a bit of the words: row of `donors` of the observation, −1 beyond a segment's observations. None
        where nobody asks for people.
    donors
        Names of the donors.
    lesion, lesions
        `int32`, one a bit: row of `lesions` of a malignant cell; −1 where it is not told. None where no lesions are.
    """

    symbols: tuple[str, ...]
    words: NDArray[np.uint64]
    segments: pd.DataFrame
    populations: pd.DataFrame
    is_measured: NDArray[np.bool_]
    donor: NDArray[np.int32] | None = None
    donors: tuple[str, ...] = ()
    lesion: NDArray[np.int32] | None = None
    lesions: tuple[str, ...] = ()

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
        Lengths differ, a donor is missing, a population lies on both sides, or a side is unknown.

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
    nobody = tell_nobody(labels["donor"], labels["side"])
    if nobody:
        raise InputError(f"donor holds {nobody.text}, which would all become one person; give their donors")
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
    names = labels[["is_normal", "population"]].drop_duplicates().sort_values(["is_normal", "population"])
    place = {name: row for row, name in enumerate(names["population"])}
    donors, person = np.unique(labels["donor"].to_numpy(dtype=str), return_inverse=True)
    rows = np.arange(len(labels))
    layout = lay_out(labels["population"].map(place).to_numpy(dtype=np.int64), person, rows, n_populations=len(names))
    table = pd.DataFrame(
        {
            "population": names["population"].to_numpy(dtype=object),
            "side": np.where(names["is_normal"], "normal", "tumor").astype(object),
            "n_observations": layout.n_observations,
            "n_donors": layout.n_donors,
        }
    )
    measured = np.ones((len(symbols), len(table)), dtype=bool)
    if is_measured is not None:
        known = is_measured.reindex(index=list(symbols), columns=table["population"])
        measured = known.astype("boolean").fillna(True).to_numpy(dtype=bool)
    return Packed(
        symbols=tuple(symbols),
        words=layout.fill(lambda chosen: matrix[chosen].T, n_antigens=len(symbols)),
        segments=layout.segments,
        populations=table,
        is_measured=measured,
        donor=layout.spread(person.astype(np.int32), missing=-1),
        donors=tuple(map(str, donors)),
    )


@dataclass(frozen=True, eq=False)
class Layout:
    """Where observations stand in the words: populations in order, in each the donors, each from a new word.

    Donors of one observation share a segment, which stands first in its population.

    Attributes
    ----------
    segments
        As in `Packed`.
    row, bit
        Per observation: its row in the data, and its bit.
    n_observations, n_donors
        Per population.
    """

    segments: pd.DataFrame
    row: NDArray[np.int64]
    bit: NDArray[np.int64]
    n_observations: NDArray[np.int64]
    n_donors: NDArray[np.int64]

    @property
    def n_words(self) -> int:
        """How many words."""
        return int(self.segments["stop"].iloc[-1]) if len(self.segments) else 0

    def spread(self, values: NDArray[np.integer], *, missing: int) -> NDArray[Any]:
        """A value of each row of the data, at its bit."""
        out = np.full(self.n_words * WORD, missing, dtype=values.dtype)
        out[self.bit] = values[self.row]
        return out

    def fill(
        self, positive: Callable[[NDArray[np.int64]], NDArray[np.bool_]], *, n_antigens: int, chunk: int = 65_536
    ) -> NDArray[np.uint64]:
        """Pack, some segments at a time; `positive` gives antigens × the rows that it is asked for."""
        words = np.zeros((n_antigens, self.n_words), dtype=np.uint64)
        start, size = self.segments["start"].to_numpy(), self.segments["n_observations"].to_numpy()
        first = np.cumsum(size) - size
        edge = 0
        while edge < len(size):
            last = max(edge + 1, int(np.searchsorted(np.cumsum(size[edge:]), chunk, side="right")) + edge)
            block = positive(self.row[first[edge] : first[last - 1] + size[last - 1]])
            for segment in range(edge, last):
                own = block[:, first[segment] - first[edge] :][:, : size[segment]]
                bits = pack_bits(own)
                words[:, start[segment] : start[segment] + bits.shape[1]] = bits
            edge = last
        return words


def lay_out(
    population: NDArray[np.integer], donor: NDArray[np.integer], row: NDArray[np.integer], *, n_populations: int
) -> Layout:
    """Lay observations out by population and donor.

    Parameters
    ----------
    population, donor
        Codes, one an observation. Donors are laid out by code.
    row
        What each observation is called in the data; observations of a donor keep the order given.
    n_populations
        Populations, those without an observation included.

    Examples
    --------
    >>> lay_out(np.array([0, 0, 0]), np.array([1, 1, 0]), np.arange(3), n_populations=1).segments.values.tolist()
    [[0, 1, 1, 0, 1], [0, 2, 1, 1, 2]]
    """
    order = np.lexsort((donor, population))
    key = np.stack([population[order], donor[order]])
    edges = np.flatnonzero(np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)]) if len(order) else np.zeros(0, int)
    size = np.diff(np.r_[edges, len(order)])
    owner = key[0, edges]
    single = size == 1
    # donors of one observation first, together; then the others, each alone
    rank = np.lexsort((np.arange(len(edges)), ~single, owner))
    edges, size, owner, single = edges[rank], size[rank], owner[rank], single[rank]
    fresh = ~single | np.r_[True, (owner[1:] != owner[:-1]) | ~single[:-1]][: len(single)]
    segment = np.cumsum(fresh) - 1
    n_segments = int(segment[-1]) + 1 if len(segment) else 0
    n_obs = np.bincount(segment, size, minlength=n_segments).astype(np.int64)
    words = -(-n_obs // WORD)
    stop = np.cumsum(words)
    at = np.repeat(edges - np.r_[0, np.cumsum(size)[:-1]], size) + np.arange(len(order)) if len(order) else order
    inside = np.arange(len(order)) - np.repeat(np.cumsum(n_obs) - n_obs, n_obs)
    return Layout(
        segments=pd.DataFrame(
            {
                "population": owner[fresh].astype(np.int64),
                "n_observations": n_obs,
                "n_donors": np.bincount(segment, minlength=n_segments).astype(np.int64),
                "start": (stop - words).astype(np.int64),
                "stop": stop.astype(np.int64),
            }
        ),
        row=np.asarray(row)[order][at].astype(np.int64),
        bit=np.repeat((stop - words) * WORD, n_obs) + inside,
        n_observations=np.bincount(population, minlength=n_populations).astype(np.int64),
        n_donors=np.bincount(owner, minlength=n_populations).astype(np.int64),
    )


def unpack_bits(words: NDArray[np.uint64], bits: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Chosen observations of packed words, antigens × bits.

    Examples
    --------
    >>> unpack_bits(np.array([[5]], dtype=np.uint64), np.array([0, 1, 2])).tolist()
    [[True, False, True]]
    """
    shift = (bits % WORD).astype(np.uint64)
    return ((words[:, bits // WORD] >> shift) & np.uint64(1)).astype(bool)


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
