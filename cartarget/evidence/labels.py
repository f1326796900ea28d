"""Labels that hold cells of several kinds: antigens that go together in a few cells of one population."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.packed import Packed, unpack_bits

MINORITY = (0.005, 0.25)
"""Share of the cells of a population in which an antigen of a kind of cells inside it may be seen."""
LEAST_LIFT = 4.0
"""How much more often than by chance two antigens of one kind of cells are seen together."""
LEAST_TOGETHER = 5
"""Cells that show both, and antigens that go with one, before a kind of cells is told."""
LEAST_CELLS = 100
MOST_CELLS = 5_000
"""Cells of a population below which nothing is said, and that are looked at, evenly taken."""
COLUMNS = ("population", "n_cells", "n_inside", "share", "markers")


def mixed_labels(packed: Packed) -> pd.DataFrame:
    r"""Find populations of cells inside which a few cells of another kind stand under the same label.

    "Epithelial cell" of the lung holds club cells: few cells, but every club cell. Antigens of such cells are seen
    together far more often than by chance. Among antigens on 0.5 to 25 % of the cells of a population, with
    :math:`n_{gd}` cells of donor *d* that show *g*, of :math:`m_d`, and :math:`c_{gh}` that show both, the lift is
    :math:`L_{gh} = c_{gh} / \sum_d (n_{gd} n_{hd} / m_d)`; reckoned donor by donor, so that people who differ make
    none. Depth that varies between cells makes a lift of little above 1. A label is mixed where some antigen has five
    others with a lift of 4 or more and five cells or more that show both. The cells inside are those that show three or
    more of these antigens.

    Parameters
    ----------
    packed
        Packed positivity of all antigens of a run; few antigens see little.

    Returns
    -------
    One row a mixed population of normal cells, the largest share first: `population`, `n_cells` looked at, `n_inside`
    and `share` of the cells inside, `markers` (up to eight antigens that they share, the commonest among them first).
    What is not in the table is not shown to be pure: a kind of cells without six antigens of its own is not seen, nor
    is one of under half a per cent.

    Examples
    --------
    >>> from cartarget.evidence.packed import pack
    >>> rng = np.random.default_rng(0)
    >>> club = np.arange(1000) % 20 == 0
    >>> cells = np.where(club[:, None], rng.random((1000, 8)) < 0.8, rng.random((1000, 8)) < 0.01)
    >>> packed = pack(cells, symbols=[f"G{i}" for i in range(8)], population=["lung: epithelial cell"] * 1000,
    ...               donor=[f"d{i // 200}" for i in range(1000)], side=["normal"] * 1000)
    >>> mixed_labels(packed)[["population", "share"]].round(2).values.tolist()
    [['lung: epithelial cell', 0.05]]
    """
    owner = packed.segments["population"].to_numpy()
    table, rows = packed.populations, []
    kind = table["kind"].astype(str) if "kind" in table else pd.Series("cells", index=table.index)
    asked = (table["side"].astype(str) == "normal") & (kind == "cells") & (table["n_observations"] >= LEAST_CELLS)
    for place in np.flatnonzero(asked.to_numpy()):
        bits, donor = _cells(packed, np.flatnonzero(owner == place))
        measured = np.flatnonzero(packed.is_measured[:, place])
        share = bits[measured].mean(axis=1)
        some = measured[(share >= MINORITY[0]) & (share <= MINORITY[1])]
        group = some[_together(bits[some], donor)]
        inside = bits[group].sum(axis=0) >= 3
        if len(group) and inside.any():
            order = np.argsort(-bits[group][:, inside].mean(axis=1), kind="stable")[:8]
            names = ", ".join(packed.symbols[row] for row in group[order])
            name = table["population"].iloc[place]
            rows.append((str(name), bits.shape[1], int(inside.sum()), float(inside.mean()), names))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values("share", ascending=False, ignore_index=True)


def _cells(packed: Packed, segments: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Bits of some cells of a population, antigens × cells, and which segment each is of."""
    table = packed.segments.iloc[segments]
    sizes = table["n_observations"].to_numpy(dtype=np.int64)
    first = 64 * table["start"].to_numpy(dtype=np.int64)
    donor = np.repeat(np.arange(len(segments)), sizes)
    at = np.repeat(first - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(int(sizes.sum()))
    kept = np.unique(np.linspace(0, len(at) - 1, min(len(at), MOST_CELLS)).astype(np.int64))
    return unpack_bits(packed.words, at[kept]), donor[kept]


def _together(bits: NDArray[np.bool_], donor: NDArray[np.int64]) -> NDArray[np.int64]:
    """The antigen with the most others that go together with it, and these; none if they are too few."""
    values = bits.astype(np.float32)
    both, expected = np.zeros((len(bits), len(bits))), np.zeros((len(bits), len(bits)))
    for one in np.unique(donor):
        own = values[:, donor == one]
        n = own.sum(axis=1, dtype=np.float64)
        both += own @ own.T
        expected += np.outer(n, n) / own.shape[1]
    lift = np.divide(both, expected, out=np.zeros_like(both), where=expected > 0)
    is_pair = (lift >= LEAST_LIFT) & (both >= LEAST_TOGETHER)
    np.fill_diagonal(is_pair, False)
    n_with = is_pair.sum(axis=1)
    if not len(n_with) or n_with.max() < LEAST_TOGETHER:
        return np.zeros(0, dtype=np.int64)
    best = int(n_with.argmax())
    return np.concatenate([[best], np.flatnonzero(is_pair[best])])
