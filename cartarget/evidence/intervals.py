"""How sure are we of a fraction? Beta-binomial posteriors with the donor as the unit of evidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from cartarget.evidence.packed import Packed, count_positive

PRIOR = 0.5
"""Both parameters of the Jeffreys prior Beta(½, ½)."""

DEFAULT_CORRELATION = 0.1
"""Correlation of cells of one donor, where no population of the run has the donors to estimate it."""


def posterior_quantile(fraction: ArrayLike, n_effective: ArrayLike, *, q: float) -> NDArray[np.float64]:
    r"""Quantile of the posterior of a population's fraction.

    With mean fraction :math:`p` over an effective number :math:`n` of independent observations, the
    posterior under the Jeffreys prior is :math:`\mathrm{Beta}(\tfrac12 + np, \tfrac12 + n(1 - p))`.

    Parameters
    ----------
    fraction
        Observed mean fraction in [0, 1], any shape.
    n_effective
        Effective number of observations ≥ 0, broadcast against `fraction`. At 0 the prior is all
        that is known.
    q
        Probability in (0, 1): 0.5 is the posterior median, 0.95 a one-sided upper bound.

    Returns
    -------
    Quantile in (0, 1), in the broadcast shape; NaN where `fraction` is NaN. Higher `fraction` gives a
    higher quantile.

    References
    ----------
    Brown, Cai & DasGupta, Statistical Science 2001, doi:10.1214/ss/1009213286.

    Examples
    --------
    No positive donor of ten is not zero:

    >>> posterior_quantile(0.0, 10, q=0.5).round(3), posterior_quantile(0.0, 10, q=0.95).round(3)
    (np.float64(0.022), np.float64(0.171))
    """
    p = np.asarray(fraction, dtype=np.float64)
    n = np.asarray(n_effective, dtype=np.float64)
    return np.asarray(betaincinv(PRIOR + n * p, PRIOR + n * (1 - p), q))


def fraction_interval(
    fraction: ArrayLike, n_effective: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two-sided interval of a population's fraction.

    Equal-tailed Jeffreys interval on the effective number of observations; the lower end is 0 where
    nothing is positive and the upper end 1 where everything is, so that the interval holds the
    observed fraction.

    Parameters
    ----------
    fraction, n_effective
        As for :func:`posterior_quantile`.
    level
        Probability inside the interval.

    Returns
    -------
    Lower and upper end, each in [0, 1]; [0, 1] where nothing was observed.

    References
    ----------
    Brown, Cai & DasGupta, Statistical Science 2001, doi:10.1214/ss/1009213286.

    Examples
    --------
    >>> low, high = fraction_interval([0.0, 0.5], [10, 10])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.224], [0.217, 0.776])
    """
    p, n = np.broadcast_arrays(np.asarray(fraction, np.float64), np.asarray(n_effective, np.float64))
    tail = (1 - level) / 2
    low = np.where(p <= 0, 0.0, posterior_quantile(p, n, q=tail))
    high = np.where(p >= 1, 1.0, posterior_quantile(p, n, q=1 - tail))
    empty = n <= 0
    return np.where(empty, 0.0, low), np.where(empty, 1.0, high)


def donor_correlation(positive: ArrayLike, totals: ArrayLike) -> float:
    r"""Correlation of the observations of one donor, estimated over many antigens.

    The one-way analysis-of-variance estimator of the intraclass correlation of binary observations,
    with the mean squares summed over antigens before the ratio is taken:
    :math:`\rho = \sum(MSB - MSW) / \sum(MSB + (m_0 - 1) MSW)`, clipped to [0, 1].

    Parameters
    ----------
    positive
        Positive observations, antigens × donors.
    totals
        Observations per donor.

    Returns
    -------
    ρ in [0, 1]: 0, cells of a donor are independent; 1, a donor counts once. NaN with fewer than two
    donors, no donor with two observations, or no antigen that varies.

    References
    ----------
    Ridout, Demétrio & Firth, Biometrics 1999, doi:10.1111/j.0006-341X.1999.00137.x.

    Examples
    --------
    Donors that are all or nothing:

    >>> donor_correlation([[10, 0, 10, 0]], [10, 10, 10, 10])
    1.0
    """
    k = np.asarray(positive, dtype=np.float64)
    m = np.asarray(totals, dtype=np.float64)
    n_donors, total = len(m), float(m.sum())
    if n_donors < 2 or total <= n_donors:
        return float("nan")
    within = (k * (1 - k / m)).sum() / (total - n_donors)
    pooled = k.sum(axis=1, keepdims=True) / total
    between = (m * (k / m - pooled) ** 2).sum() / (n_donors - 1)
    m0 = (total - (m**2).sum() / total) / (n_donors - 1)
    scale = between + (m0 - 1) * within
    return float("nan") if scale <= 0 else float(np.clip((between - within) / scale, 0, 1))


def observation_weights(packed: Packed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""What one observation of each segment weighs in its population's mean, and the effective number.

    A donor with :math:`m` observations counts as :math:`e = m / (1 + (m - 1)\rho)` of them, with ρ the
    correlation within donors of the population (:func:`donor_correlation`; the median over the other
    populations where fewer than five donors were seen). The mean fraction of a population is
    :math:`\sum_s w_s k_s` over its segments, and its effective number of observations :math:`\sum e`.
    Where no donor has more than one observation, both are the plain mean and the plain count.

    Parameters
    ----------
    packed
        Packed positivity; antigens that are not measured in a population do not inform its ρ.

    Returns
    -------
    Weight per segment (of one observation), and effective number per population.

    References
    ----------
    Kish, Survey Sampling 1965 (design effect); Ridout, Demétrio & Firth, Biometrics 1999,
    doi:10.1111/j.0006-341X.1999.00137.x.

    Examples
    --------
    >>> from cartarget.evidence.packed import pack
    >>> packed = pack([[1], [0], [1]], symbols=["A"], population=["liver"] * 3, donor=["a", "b", "c"],
    ...               side=["normal"] * 3)
    >>> weight, n_effective = observation_weights(packed)
    >>> weight.round(3).tolist(), n_effective.tolist()
    ([0.333], [3.0])
    """
    segments = packed.segments
    counts = count_positive(packed)
    owner = segments["population"].to_numpy()
    sizes = (segments["n_observations"] / segments["n_donors"]).to_numpy(dtype=np.float64)
    donors = packed.populations["n_donors"].to_numpy()

    correlation = np.full(len(packed.populations), np.nan)
    for index in range(len(packed.populations)):
        rows = np.flatnonzero(owner == index)
        known = packed.is_measured[:, index]
        if donors[index] >= 5 and len(rows) > 1 and sizes[rows].max() > 1:
            repeats = segments["n_donors"].to_numpy()[rows]
            single = rows[repeats == 1]
            if len(single) >= 2:
                correlation[index] = donor_correlation(counts[np.ix_(known, single)], sizes[single])
    usual = float(np.nanmedian(correlation)) if np.isfinite(correlation).any() else DEFAULT_CORRELATION
    rho = np.where(np.isnan(correlation), usual, correlation)[owner]

    each = 1 / (1 + (sizes - 1) * rho)
    effective = np.bincount(owner, segments["n_observations"].to_numpy() * each, minlength=len(packed.populations))
    return each / effective[owner], effective.astype(np.float64)
