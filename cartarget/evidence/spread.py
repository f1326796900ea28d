"""How much donors may differ in one antigen more than in most: what holds for antigens that say little themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cartarget.evidence.intervals import USUAL_WEIGHT, donor_ratio
from cartarget.evidence.packed import Packed, count_positive

WIDE = 0.95
"""Share of the antigens of a population whose donors differ less than an upper bound takes them to differ."""

_ROWS = 2048


def wide_spread(packed: Packed, *, weight: ArrayLike, n_effective: ArrayLike) -> NDArray[np.float64]:
    r"""Spread over donors that one antigen in twenty of a population exceeds, as a multiple of the usual one.

    Each antigen has the ratio :math:`r` of its variance over donors to that which the effective number says, with
    :math:`\nu` degrees of freedom (:func:`cartarget.evidence.intervals.donor_ratio`). A ratio of :math:`\nu` degrees
    that is truly :math:`R` varies by :math:`2 R^2 / \nu`; what it varies more is between antigens. Weighed by
    :math:`\nu`,

    .. math:: R_0 = 1 + z_{0.95} \sqrt{\max(0,\; \overline{r^2 / (1 + 2 / \nu)} - \bar r^2)}.

    An antigen that is seen in no donor, or in few, may be one of those in which donors differ most: its upper bound
    starts from :math:`R_0`, not from the average. A population of few donors is drawn towards the median of the run.

    Parameters
    ----------
    packed
        Packed positivity; antigens that are not measured in a population do not inform it.
    weight, n_effective
        As from :func:`cartarget.evidence.intervals.observation_weights`.

    Returns
    -------
    One number ≥ 1 a population; 1 where no population of the run can tell.

    References
    ----------
    Smyth, Stat. Appl. Genet. Mol. Biol. 2004, doi:10.2202/1544-6115.1027 (spread of variances after their own error).

    Examples
    --------
    Six donors of ten cells; in one antigen they are alike, in the other all or nothing:

    >>> from cartarget.evidence.intervals import observation_weights
    >>> from cartarget.evidence.packed import pack
    >>> cells = [[d % 2, c % 2] for d in range(6) for c in range(10)]
    >>> packed = pack(cells, symbols=["A", "B"], population=["liver"] * 60, side=["normal"] * 60,
    ...               donor=[f"d{i // 10}" for i in range(60)])
    >>> weight, n = observation_weights(packed)
    >>> wide_spread(packed, weight=weight, n_effective=n).round(1).tolist()
    [1.5]
    """
    counts, n = count_positive(packed), np.asarray(n_effective, dtype=np.float64)
    sums = np.zeros((3, len(n)))
    for low in range(0, len(counts), _ROWS):
        own = slice(low, low + _ROWS)
        ratio, freedom, _ = donor_ratio(counts[own], segments=packed.segments, weight=weight, n_effective=n)
        freedom = np.where(packed.is_measured[own], freedom, 0.0)
        square = np.divide(ratio**2 * freedom**2, freedom + 2)
        sums += np.stack([freedom.sum(axis=0), (freedom * ratio).sum(axis=0), square.sum(axis=0)])
    evidence = sums[0]
    mean, square = (np.divide(one, evidence, out=np.ones(len(n)), where=evidence > 0) for one in sums[1:])
    own = 1 + ndtri(WIDE) * np.sqrt(np.maximum(square - mean**2, 0.0))
    enough = evidence >= USUAL_WEIGHT
    usual = float(np.median(own[enough])) if enough.any() else 1.0
    return np.asarray((evidence * own + USUAL_WEIGHT * usual) / (evidence + USUAL_WEIGHT))
