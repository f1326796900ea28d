"""Two antigens in a tissue section: is B within reach of a T cell that A has primed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from cartarget.errors import InputError


@dataclass(frozen=True)
class Colocation:
    """How the spots that show A and B lie to each other; None where an antigen was not measured.

    Attributes
    ----------
    n_spots
        Spots of the section.
    n_a, n_b
        Spots that show A, and B.
    n_mixed
        Spots that show both. A spot holds several cells: this is no count of cells that carry both.
    n_reached
        Spots that show B within reach of one that shows A, itself included.
    share_reached
        `n_reached` / `n_b`; missing where no spot shows B.
    share_expected
        The same if the spots of B lay anywhere on the section: the share of all spots within reach of A.
    """

    n_spots: int
    n_a: int | None
    n_b: int | None
    n_mixed: int | None
    n_reached: int | None
    share_reached: float | None
    share_expected: float | None


def reached(
    counts: pd.DataFrame, coordinates: ArrayLike, *, a: str, reach: float, least: float = 1.0
) -> NDArray[np.bool_] | None:
    """Which spots lie within reach of one that shows A, itself included; None where A was not measured.

    Parameters
    ----------
    counts
        Spots × genes.
    coordinates
        Spots × 2.
    a
        The antigen that primes.
    reach
        How far a primed T cell is taken to go, in the unit of `coordinates`: an assumption of whoever asks.
    least
        Counts at or above which a spot shows an antigen.

    Raises
    ------
    InputError
        The reach is negative, or the coordinates are not two finite numbers for each spot.

    Examples
    --------
    >>> counts = pd.DataFrame({"A": [1, 0, 0]})
    >>> reached(counts, [[0, 0], [1, 0], [3, 0]], a="A", reach=1).tolist()
    [True, True, False]
    """
    places = np.asarray(coordinates, dtype=np.float64)
    if places.shape != (len(counts), 2) or not np.isfinite(places).all():
        raise InputError(
            f"coordinates: found {places.shape} for {len(counts)} spots; expected two finite numbers for each"
        )
    if not reach >= 0:
        raise InputError(f"reach: found {reach:g}; expected a distance of 0 or more, in the unit of the coordinates")
    if a not in counts:
        return None
    source = places[counts[a].to_numpy(dtype=np.float64) >= least]
    if not len(source):
        return np.zeros(len(counts), dtype=bool)
    return np.asarray(cKDTree(source).query(places)[0] <= reach + 1e-9)


def colocation(
    counts: pd.DataFrame, coordinates: ArrayLike, a: str, b: str, reach: float, *, least: float = 1.0
) -> Colocation:
    r"""How much of B lies within reach of a T cell that A has primed.

    With :math:`S_A` the spots that show A, and :math:`d` the distance between centres of spots,

    .. math:: \text{share} = \frac{|\{s \in S_B : \min_{t \in S_A} d(s, t) \le \text{reach}\}|}{|S_B|} .

    It is what an ordered gate (prime on A, kill on B) needs, and an upper bound of what a gate inside one cell can
    do: in a mixture the antigens may lie on different cells. Spots of one section are neighbours, not independent
    observations, so no interval is given; the comparison is with B anywhere on the section.

    Parameters
    ----------
    counts
        Spots × genes.
    coordinates
        Spots × 2.
    a, b
        The antigen that primes, and the one that is killed on.
    reach
        How far a primed T cell is taken to go, in the unit of `coordinates`: an assumption of whoever asks.
    least
        Counts at or above which a spot shows an antigen. A spot that shows none may still hold it: what is not reached
        may be, if depth is low.

    Returns
    -------
    `Colocation`. An antigen that the section lacks was not measured: all that it decides is None.

    Raises
    ------
    InputError
        The reach is negative, or the coordinates are not two finite numbers for each spot.

    Examples
    --------
    >>> counts = pd.DataFrame({"A": [2, 0, 0, 0], "B": [0, 1, 1, 0]})
    >>> found = colocation(counts, [[0, 0], [1, 0], [3, 0], [4, 0]], "A", "B", reach=1)
    >>> found.n_reached, found.share_reached, found.share_expected, found.n_mixed
    (1, 0.5, 0.5, 0)
    """
    near = reached(counts, coordinates, a=a, reach=reach, least=least)
    shows_a, shows_b = (_shows(counts, name, least) for name in (a, b))
    both = None if shows_a is None or shows_b is None else int((shows_a & shows_b).sum())
    n_reached = None if near is None or shows_b is None else int((near & shows_b).sum())
    n_b = None if shows_b is None else int(shows_b.sum())
    return Colocation(
        n_spots=len(counts),
        n_a=None if shows_a is None else int(shows_a.sum()),
        n_b=n_b,
        n_mixed=both,
        n_reached=n_reached,
        share_reached=n_reached / n_b if n_reached is not None and n_b else None,
        share_expected=float(near.mean()) if near is not None and len(counts) else None,
    )


def _shows(counts: pd.DataFrame, name: str, least: float) -> NDArray[np.bool_] | None:
    return counts[name].to_numpy(dtype=np.float64) >= least if name in counts else None
