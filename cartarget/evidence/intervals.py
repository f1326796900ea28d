"""How sure are we of a fraction? Beta-binomial posteriors with the donor as the unit of evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri, stdtrit

from cartarget.errors import InputError
from cartarget.evidence.packed import Packed, count_positive

PRIOR = 0.5
"""Both parameters of the Jeffreys prior Beta(½, ½)."""

DEFAULT_CORRELATION = 0.3
"""Correlation of cells of one donor where no population of the run can tell: cautious, one donor says little."""

USUAL_WEIGHT = 20.0
"""Degrees of freedom that the correlation usual in the run is worth to a population's own estimate."""

PRIOR_DONORS = 4.0
"""Degrees of freedom that the population's correlation is worth to the spread of one antigen over donors."""

_ROWS = 2048

EXACT = 1e-9
"""Fractions that are nearer to 0 or 1 than this are 0 or 1."""

MIN_BOOTSTRAP = 20
"""Donors from which a bootstrap is allowed."""


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
    nothing is positive and the upper end 1 where everything is (each but for rounding), so that the
    interval holds the observed fraction.

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
    inside = np.clip(p, 0.0, 1.0)  # a weighted mean of ones may be off by a rounding
    low = np.where(p <= EXACT, 0.0, posterior_quantile(inside, n, q=tail))
    high = np.where(p >= 1 - EXACT, 1.0, posterior_quantile(inside, n, q=1 - tail))
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
    correlation within donors of the population: :func:`donor_correlation` over all measured antigens, drawn
    towards the median of the run the less the fewer donors and varying antigens inform it. The mean fraction of
    a population is :math:`\sum_s w_s k_s` over its segments, and its effective number of observations
    :math:`\sum e`; both are the same for all antigens, so that a higher fraction always means a higher posterior
    median. Where no donor has more than one observation, both are the plain mean and the plain count. Of a tumour
    patient his own fraction is asked, not that of patients like him: his cells are the unit, and ρ is 0.

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
    owner = segments["population"].to_numpy()
    sizes = _sizes(segments)
    is_patient = (packed.populations["side"] == "tumor") & (packed.populations["n_donors"] == 1)
    rho = np.where(is_patient, 0.0, _correlations(packed))[owner]
    each = 1 / (1 + (sizes - 1) * rho)
    effective = np.bincount(owner, segments["n_observations"].to_numpy() * each, minlength=len(packed.populations))
    return each / effective[owner], effective.astype(np.float64)


def _sizes(segments: pd.DataFrame) -> NDArray[np.float64]:
    """Observations per donor of each segment."""
    return (segments["n_observations"] / segments["n_donors"]).to_numpy(dtype=np.float64)


def _correlations(packed: Packed) -> NDArray[np.float64]:
    """Correlation within donors of each population, drawn towards what is usual in the run."""
    counts, sizes = count_positive(packed), _sizes(packed.segments)
    owner = packed.segments["population"].to_numpy()
    alone = (packed.segments["n_donors"] == 1).to_numpy()
    own, evidence = np.full(len(packed.populations), np.nan), np.zeros(len(packed.populations))
    for index in range(len(packed.populations)):
        rows = np.flatnonzero((owner == index) & alone)
        k = counts[np.ix_(packed.is_measured[:, index], rows)]
        total = k.sum(axis=1)
        varies = (total > 0) & (total < sizes[rows].sum())
        if len(rows) > 1 and varies.any():
            own[index] = donor_correlation(k[varies], sizes[rows])
            evidence[index] = 0 if np.isnan(own[index]) else (len(rows) - 1) * varies.sum()
    enough = evidence >= USUAL_WEIGHT
    usual = float(np.median(own[enough])) if enough.any() else DEFAULT_CORRELATION
    drawn = (evidence * np.nan_to_num(own) + USUAL_WEIGHT * usual) / (evidence + USUAL_WEIGHT)
    return np.asarray(drawn, dtype=np.float64)


def effective_rows(
    count: ArrayLike, *, segments: pd.DataFrame, weight: ArrayLike, n_effective: ArrayLike, spread: ArrayLike = 1.0
) -> NDArray[np.float64]:
    r"""Effective number of observations of each gate in each population, from its own spread over donors.

    One antigen's donors may differ more than the population's antigens do on average. Its variance over donors is
    :math:`V = \sum_d W_d^2 (p_d - p)^2 / (1 - W_d)`, and :math:`r = V n / (p (1 - p))` says how much larger it is
    than the population's :math:`n` effective observations make believe. With :math:`\nu` degrees of freedom of its
    own and four of the population (empirical Bayes), :math:`R = (\nu r + 4 R_0) / (\nu + 4)`, and the number is

    .. math:: n^* = \frac{n}{R} \left(\frac{z_{0.975}}{t_{0.975, \nu + 4}}\right)^2.

    :math:`\nu_0 = \min(1 / \sum W_d^2 - 1,\; 4 n p (1 - p))`, since near 0 and 1 few donors can differ, and an
    antigen says little about its own spread; if :math:`R > 1` by it, its :math:`n` is smaller, and
    :math:`\nu = \min(\nu_0,\; 2 n p (1 - p) / R)`. Hand :math:`n^*` to :func:`fraction_interval` for the ends of an
    interval; medians stay with :math:`n`, so that they rise with the fraction.

    Parameters
    ----------
    count
        Positive observations, gates × segments.
    segments
        `Packed.segments`.
    weight, n_effective
        As from :func:`observation_weights`: per segment (of one observation), per population.
    spread
        :math:`R_0` of each population: :func:`cartarget.evidence.spread.wide_spread`. 1: antigens do not differ in how
        much donors differ in them.

    Returns
    -------
    Gates × populations, > 0 where anything was observed, never more than the observations. Populations where each
    observation counts in full (one a donor, or one patient's own cells) keep `n_effective`: their variance is binomial.

    References
    ----------
    Franco, Little, Louis & Slud, Journal of Survey Statistics and Methodology 2019, doi:10.1093/jssam/smy019
    (interval from an effective number); Smyth, Stat. Appl. Genet. Mol. Biol. 2004, doi:10.2202/1544-6115.1027
    (variances drawn to a common one).

    Examples
    --------
    Three donors of ten cells; the second gate differs between them, and says less:

    >>> segments = pd.DataFrame({"population": 0, "n_observations": [10, 10, 10], "n_donors": 1})
    >>> n = effective_rows([[5, 5, 5], [0, 5, 10]], segments=segments, weight=[1 / 30] * 3, n_effective=[12])
    >>> n.round(1).tolist()
    [[11.5], [3.8]]
    """
    k, n = np.asarray(count), np.asarray(n_effective, dtype=np.float64)
    centre = np.broadcast_to(np.asarray(spread, dtype=np.float64), n.shape)
    out = np.empty((len(k), len(n)))
    for low in range(0, len(k), _ROWS):
        ratio, freedom, product = donor_ratio(k[low : low + _ROWS], segments=segments, weight=weight, n_effective=n)
        drawn = (freedom * ratio + PRIOR_DONORS * centre) / (freedom + PRIOR_DONORS)
        freedom = np.where(drawn > 1, np.minimum(freedom, 2 * product / drawn), freedom)
        drawn = (freedom * ratio + PRIOR_DONORS * centre) / (freedom + PRIOR_DONORS)
        out[low : low + _ROWS] = n / drawn * _student(freedom + PRIOR_DONORS)
    owner, observed = segments["population"].to_numpy(), segments["n_observations"].to_numpy(dtype=np.float64)
    total = np.bincount(owner, observed, minlength=len(n))
    several = (segments["n_donors"] == 1).to_numpy() & (observed > 1)
    is_binomial = (np.bincount(owner, several, minlength=len(n)) == 0) | (n >= total - EXACT)
    return np.where(is_binomial, n, np.minimum(out, total))


def donor_ratio(
    count: ArrayLike, *, segments: pd.DataFrame, weight: ArrayLike, n_effective: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    r"""How much more donors differ in each gate than the effective number of its population says.

    Arguments are those of :func:`effective_rows`.

    Returns
    -------
    Gates × populations: the ratio :math:`r` (1 where nothing differs), its degrees of freedom :math:`\nu_0`, and
    :math:`n p (1 - p)`.
    """
    part = np.asarray(count, dtype=np.float64)
    w, n = np.asarray(weight, dtype=np.float64), np.asarray(n_effective, dtype=np.float64)
    owner, observed = segments["population"].to_numpy(), segments["n_observations"].to_numpy(dtype=np.float64)
    alone = (segments["n_donors"] == 1).to_numpy()
    share = np.where(alone, w * observed, w)
    kish = np.bincount(owner, np.where(alone, 1, observed) * share**2, minlength=len(n))
    donors = np.maximum(1 / np.maximum(kish, 1e-12) - 1, 0)
    scale = w**2 * np.divide(1.0, 1 - share, out=np.zeros_like(share), where=share < 1 - EXACT)
    p = by_population(part * w, owner, len(n))
    mean = p[:, owner]
    within = np.where(alone, (part - observed * mean) ** 2, part * (1 - mean) ** 2 + (observed - part) * mean**2)
    binomial = p * (1 - p)
    ratio = np.divide(
        by_population(scale * within, owner, len(n)) * n, binomial, out=np.ones_like(p), where=binomial > 1e-12
    )
    return ratio, np.minimum(donors, 4 * n * binomial), n * binomial


def by_population(values: NDArray[np.floating], owner: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Sums over the segments of each population; rows × segments become rows × populations.

    Parameters
    ----------
    values
        Rows × segments.
    owner
        Population of each segment (`Packed.segments["population"]`); segments of one population stand together.
    n
        How many populations. One without segments sums to 0.

    Examples
    --------
    >>> by_population(np.array([[1.0, 2.0, 4.0]]), np.array([0, 0, 2]), 3).tolist()
    [[3.0, 0.0, 4.0]]
    """
    out = np.zeros((len(values), n))
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]) if len(owner) else np.zeros(0, dtype=np.int64)
    if len(first):
        out[:, owner[first]] = np.add.reduceat(values, first, axis=1)
    return out


def _student(freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """(z / t)² at 97.5 %, interpolated: 1 for many degrees of freedom, a half at four."""
    grid = np.linspace(0, 1 / PRIOR_DONORS, 257)
    t = np.concatenate([[ndtri(0.975)], stdtrit(1 / grid[1:], 0.975)])
    return np.asarray(np.interp(1 / freedom, grid, (t[0] / t) ** 2))


def bootstrap_interval(
    fraction: ArrayLike, *, seed: int, level: float = 0.95, n_draws: int = 2000
) -> tuple[float, float]:
    """Percentile interval of the mean fraction over donors, donors drawn again with replacement.

    A check on the model-based intervals, allowed from twenty donors and never where all donors agree on 0 or 1: a
    bootstrap of zeros is exactly zero, which no twenty donors can show.

    Parameters
    ----------
    fraction
        Fraction positive of each donor.
    seed
        Seed of the draws: the same seed gives the same interval.
    level
        Probability inside the interval.
    n_draws
        How often donors are drawn.

    Returns
    -------
    Lower and upper end, in [0, 1].

    Raises
    ------
    InputError
        Fewer than twenty donors, a fraction outside [0, 1], or all donors at 0 or all at 1.

    References
    ----------
    Efron, Annals of Statistics 1979, doi:10.1214/aos/1176344552.

    Examples
    --------
    >>> low, high = bootstrap_interval([0.2, 0.4] * 15, seed=0)
    >>> round(low, 2), round(high, 2)
    (0.27, 0.33)
    """
    values = np.asarray(fraction, dtype=np.float64)
    if len(values) < MIN_BOOTSTRAP:
        raise InputError(
            f"{len(values)} donors: a bootstrap needs at least {MIN_BOOTSTRAP}; use fraction_interval instead"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("a donor's fraction is missing or outside [0, 1]: give one fraction per measured donor")
    if values.max() <= 0 or values.min() >= 1:
        raise InputError(
            f"all {len(values)} donors are at {values[0]:g}: a bootstrap would have no width; use fraction_interval"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    means = values[rng.integers(len(values), size=(n_draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
