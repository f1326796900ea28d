"""How often does a cell that has a gene show it? Detection rates, from the populations that certainly express it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.intervals import by_population, effective_rows, observation_weights, posterior_quantile
from cartarget.evidence.packed import Packed, count_positive
from cartarget.evidence.positivity import pack_atlas
from cartarget.evidence.spread import wide_spread

MIN_CELLS = 30
"""Cells that a population needs before it can show a detection rate."""

DONOR_CELLS = 10
"""Cells of one donor that must show a gene which his population certainly expresses."""

NEAR_HIGHEST = 0.25
"""Share of the highest level that a population must reach to be one that certainly expresses a gene."""

MOST_CELLS = 0.5
"""Share of a population's cells that must express a gene, judged from the counts of the positive ones."""


def detection_from_counts(positive_mean: ArrayLike) -> NDArray[np.float64]:
    r"""Detection rate of cells that have a gene, from the mean count of those that show it.

    Counts of expressing cells are taken as Poisson with mean λ; those that show the gene have mean
    :math:`m = \lambda / (1 - e^{-\lambda})`, and the rate is :math:`1 - e^{-\lambda}`. Cells that lack the gene do
    not enter. Counts that vary more than Poisson make the rate too high: it is an upper estimate.

    Parameters
    ----------
    positive_mean
        Mean count over the cells with at least one count, ≥ 1.

    Returns
    -------
    Rate in [0, 1), 0 at a mean of 1; NaN where it is NaN.

    References
    ----------
    Svensson, Nature Biotechnology 2020, doi:10.1038/s41587-019-0379-5 (zeros in droplet data are those of counting).

    Examples
    --------
    >>> detection_from_counts([1.0, 1.58, 4.0]).round(2).tolist()
    [0.0, 0.63, 0.98]
    """
    m = np.maximum(np.asarray(positive_mean, dtype=np.float64), 1.0)
    low, high = np.zeros_like(m), m.copy()
    for _ in range(60):
        middle = (low + high) / 2
        below = middle < m * -np.expm1(-middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(-np.expm1(-low))


def detection_at(rate: ArrayLike, *, depth_ratio: ArrayLike) -> NDArray[np.float64]:
    r"""Detection rate if a cell were read at another depth: :math:`1 - (1 - d)^{r}` (Poisson).

    Parameters
    ----------
    rate
        Detection rate in [0, 1].
    depth_ratio
        New depth over the depth at which `rate` was seen.

    Examples
    --------
    Half as deep, a rate of 0.4 falls to 0.23:

    >>> detection_at(0.4, depth_ratio=0.5).round(2)
    np.float64(0.23)
    """
    seen = np.clip(np.asarray(rate, dtype=np.float64), 0, 1)
    return np.asarray(1 - (1 - seen) ** np.asarray(depth_ratio, dtype=np.float64))


def detection_rates(adata: AnnData, *, side: str = "normal", count: int = 1) -> pd.DataFrame:
    """Detection rate of each gene, from the populations that certainly express it.

    A population certainly expresses a gene if it has thirty cells or more, each donor with ten cells or more shows
    it, its mean count reaches a quarter of that of the highest population, and at least half of its cells express
    it by :func:`detection_from_counts`. The share of its cells that show the gene is then the detection rate, or
    less than it, never more. Rates are brought to the median depth of the side (:func:`detection_at`).

    Parameters
    ----------
    adata
        Harmonised atlas of cells. With unit `log1p`, where counts are not known, populations certainly express a
        gene whose fraction reaches half of the highest, and depth is left as it is.
    side
        `normal` for blockers; `tumor` for antigens sensed in malignant cells.
    count
        Counts that make a cell positive.

    Returns
    -------
    One row a gene: `symbol`; `detection`, the mean rate over those populations; `detection_lower`, the lowest
    one-sided 95 % bound among them; `detection_upper`, from the counts of positive cells in all populations near
    the highest level, whatever share of their cells has the gene; `n_populations`, `n_donors`; `populations`, the
    names of those that certainly express it. The first two are missing where there are none.

    Raises
    ------
    InputError
        The atlas does not hold cells.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=1, n_donors=2, cells_per_population=40, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> rates = detection_rates(cartarget.harmonise(atlas, tiers=tiers, origin=["colon"]))
    >>> rates.set_index("symbol").loc["ASGR1", "populations"]
    'liver: hepatocyte'
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "cells":
        raise InputError(f"atlas {about['atlas']}: kind {about['kind']!r} has no dropout; detection needs cells")
    chosen = adata[(adata.obs["side"].astype(str) == side).to_numpy()]
    if not chosen.n_obs:
        return _rates(list(adata.var_names), *(np.zeros((adata.n_vars, 0)),) * 4, names=[], donors=np.zeros(0))
    packed = pack_atlas(chosen, count=count)
    seen = count_positive(packed)
    weight, n_effective = observation_weights(packed)
    spread = wide_spread(packed, weight=weight, n_effective=n_effective)
    rows = effective_rows(seen, segments=packed.segments, weight=weight, n_effective=n_effective, spread=spread)
    owner = packed.segments["population"].to_numpy()
    fraction = by_population(seen * weight, owner, len(n_effective))
    mean, upper, ratio = _counts(chosen, packed, seen)
    is_high, is_certain = _is_certain(packed, seen, fraction, mean, upper)
    lower = detection_at(posterior_quantile(fraction, rows, q=0.05), depth_ratio=ratio)
    return _rates(
        list(packed.symbols),
        np.where(is_certain, detection_at(fraction, depth_ratio=ratio), np.nan),
        np.where(is_certain, lower, np.nan),
        np.where(is_high, detection_at(upper, depth_ratio=ratio), np.nan),
        is_certain,
        names=packed.populations["population"].astype(str).tolist(),
        donors=packed.populations["n_donors"].to_numpy(dtype=np.int64),
    )


def _counts(
    adata: AnnData, packed: Packed, seen: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean count per cell and rate from positive cells, genes × populations; usual depth over each population's."""
    names = packed.populations["population"].astype(str)
    owner = packed.segments["population"].to_numpy()
    if adata.uns["cartarget"]["unit"] != "counts":
        unknown = np.full((packed.n_antigens, len(names)), np.nan)
        return unknown, unknown, np.ones(len(names))
    place = {name: index for index, name in enumerate(names)}
    group = adata.obs["population"].astype(str).map(place).to_numpy(dtype=np.int64)
    values = sparse.csr_matrix(adata.X, dtype=np.float64)
    indicator = sparse.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape=(len(names), len(group)))
    total = np.asarray((indicator @ values).todense()).T
    cells = np.bincount(group, minlength=len(names))
    depth = (
        adata.obs["n_counts"].to_numpy(dtype=np.float64)
        if "n_counts" in adata.obs
        else np.asarray(values.sum(1)).ravel()
    )
    per_cell = np.maximum(np.bincount(group, depth, minlength=len(names)) / cells, 1e-9)
    positive = by_population(seen.astype(np.float64), owner, len(names))
    upper = detection_from_counts(np.divide(total, positive, out=np.ones_like(total), where=positive > 0))
    return total / cells, upper, np.median(per_cell) / per_cell


def _is_certain(
    packed: Packed,
    seen: NDArray[np.int64],
    fraction: NDArray[np.float64],
    mean: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which populations reach a high level of each gene, and which of them certainly express it in most cells."""
    table, segments = packed.populations, packed.segments
    enough = (table["n_observations"] >= MIN_CELLS).to_numpy() & packed.is_measured
    must_show = (segments["n_donors"] == 1) & (segments["n_observations"] >= DONOR_CELLS)
    silent = (seen == 0) & must_show.to_numpy()
    owner = segments["population"].to_numpy()
    is_shown = by_population(silent.astype(np.float64), owner, len(table)) == 0
    level = np.where(np.isnan(mean), fraction, mean)
    share = np.where(np.isnan(mean), MOST_CELLS, NEAR_HIGHEST)
    highest = np.where(enough, level, 0.0).max(axis=1, keepdims=True, initial=0.0)
    is_high = enough & (level > 0) & (level >= share * highest)
    most = np.isnan(upper) | (fraction >= MOST_CELLS * upper)
    return is_high & ~np.isnan(upper), is_high & is_shown & most


def _rates(
    symbols: Sequence[str],
    rate: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    is_certain: NDArray[np.float64] | NDArray[np.bool_],
    *,
    names: Sequence[str],
    donors: NDArray[np.int64] | NDArray[np.float64],
) -> pd.DataFrame:
    certain = is_certain.astype(bool)
    n = certain.sum(axis=1)
    some = n > 0

    def over(values: NDArray[np.float64]) -> NDArray[np.float64]:
        known = (~np.isnan(values)).sum(axis=1)
        return np.divide(np.nansum(values, axis=1), known, out=np.full(len(n), np.nan), where=known > 0)

    lowest = np.where(np.isnan(lower), np.inf, lower).min(axis=1, initial=np.inf)
    return pd.DataFrame(
        {
            "symbol": list(symbols),
            "detection": over(rate),
            "detection_lower": np.where(some, lowest, np.nan),
            "detection_upper": np.where(some, np.maximum(over(upper), over(rate)), over(upper)),
            "n_populations": n,
            "n_donors": np.where(certain, donors, 0).max(axis=1, initial=0).astype(np.int64),
            "populations": ["; ".join(np.array(names, dtype=object)[row]) for row in certain],
        }
    )
