"""Zero is not absence: what a missed blocker exposes, and what missed antigens hide of the coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cartarget.evidence.intervals import posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import ALONE, ANY, BOTH, NOT, OF_TWO, Gates

TELLS = 0.2
"""Detection rate below which an antigen that is missed looks like one that is absent."""


def residual_exposure(naive: ArrayLike, *, antigen: ArrayLike, detection: ArrayLike) -> NDArray[np.float64]:
    r"""Exposure to `A & ~B` if cells in which the blocker is missed are killed.

    A blocker can spare at most the share of cells in which it is seen where it is certainly there:
    :math:`\max(x,\; a (1 - d))`, with the counted exposure :math:`x`, the fraction positive for A :math:`a` and the
    detection rate :math:`d` of B. For an upper end, give upper ends and the lower end of the rate.

    Parameters
    ----------
    naive
        Exposure as counted, with each blocker believed, in [0, 1]. In bulk: `fraction_naive`.
    antigen
        Fraction positive for the antigen that is sensed, in [0, 1].
    detection
        Detection rate of the blocker in [0, 1]; NaN is unknown, and the blocker earns no credit.

    Returns
    -------
    Exposure in [0, 1], never below `naive`; lower is better.

    Examples
    --------
    Every cell has A and B; a bulk sample shows B and seems safe, but B is seen in four cells of ten:

    >>> residual_exposure(0.0, antigen=1.0, detection=0.4)
    np.float64(0.6)
    """
    rate = np.nan_to_num(np.asarray(detection, dtype=np.float64), nan=0.0)
    return np.maximum(np.asarray(naive, dtype=np.float64), np.asarray(antigen, dtype=np.float64) * (1 - rate))


def protected_exposure(naive: ArrayLike, *, antigen: ArrayLike, detection: ArrayLike) -> NDArray[np.float64]:
    r"""Exposure to `A & ~B` if each missed blocker is there after all: the lower end of what a zero can mean.

    With the share :math:`s = 1 - x / a` of A-positive cells in which B is seen, :math:`s / d` have it, and
    :math:`a \max(0, 1 - s / d)` are hit. Parameters as for :func:`residual_exposure`; an unknown rate gives 0.

    Examples
    --------
    >>> protected_exposure(0.8, antigen=1.0, detection=0.4).round(3)
    np.float64(0.5)
    """
    x, a = np.asarray(naive, dtype=np.float64), np.asarray(antigen, dtype=np.float64)
    rate = np.asarray(detection, dtype=np.float64)
    rate = np.where(rate > 0, rate, 0.0)
    seen = np.clip(a - x, 0, None)
    return np.asarray(np.where(rate > 0, np.clip(a - seen / np.where(rate > 0, rate, 1.0), 0, 1), 0.0))


def residual_liability(
    panel: Panel,
    *,
    gates: Gates,
    low: NDArray[np.float64],
    unblocked: NDArray[np.float64],
    rates: pd.DataFrame,
    exposed: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Liability of gates with blockers if cells in which a blocker drops out are killed, beside the naive one.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates. Of several blockers the one that is detected least counts.
    low, unblocked
        Fractions hit, gates × populations: with blockers believed (`Judged.naive`), and by the same gates without their
        blockers.
    rates
        From `detection_rates`, of the run's cells; a gene that it lacks is unknown.
    exposed
        Units of summaries and stains that a gate exposes, gates × units (`Judged.unit_state`); None: none.

    Returns
    -------
    One row a gate: `detection`, `detection_lower` (of the blocker), `detection_populations` (where it was read off);
    `liability_residual`, `liability_residual_upper` (worst of weight × residual exposure outside the origin, over
    normal populations that may decide, and over exposed units, which count as 1; posterior median, and one-sided 95 %
    bound at the lower rate), `liability_residual_population`. Missing for gates without a blocker. A blocker that was
    not measured in a population spares nothing there.
    """
    table = rates.set_index("symbol").reindex(list(panel.symbols))
    blocked = np.flatnonzero(gates.has_blocker)
    frame = pd.DataFrame({name: np.full(len(gates), np.nan) for name in ("detection", "detection_lower")})
    frame = frame.assign(liability_residual=np.nan, liability_residual_upper=np.nan)
    for name in ("detection_populations", "liability_residual_population"):
        frame[name] = pd.Series(pd.NA, index=frame.index, dtype="string")
    if not len(blocked):
        return frame
    least = _least_detected(gates, table["detection"].to_numpy(dtype=np.float64))[blocked]
    for name in ("detection", "detection_lower"):
        frame.loc[blocked, name] = table[name].to_numpy(dtype=np.float64)[least]
    frame.loc[blocked, "detection_populations"] = table["populations"].replace("", pd.NA).to_numpy()[least]
    decides = np.flatnonzero(panel.decides & ~panel.is_origin)
    n = panel.populations["n_effective"].to_numpy(dtype=np.float64)[decides]
    x, whole = low[np.ix_(blocked, decides)], unblocked[np.ix_(blocked, decides)]
    is_known = _blockers_measured(gates, panel.packed.is_measured)[np.ix_(blocked, decides)]
    nowhere = np.zeros((len(gates), len(panel.units)), dtype=bool)
    of_units, of_unit = _unit_loads(panel, (nowhere if exposed is None else exposed)[blocked])
    named = [*panel.populations["population"].astype(str).to_numpy(dtype=object)[decides], *of_unit, None]

    def worst(q: float, rate: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        d = frame.loc[blocked, rate].to_numpy(dtype=np.float64)[:, None]
        hit = np.where(is_known, residual_exposure(x, antigen=whole, detection=d), whole)
        load = panel.weight[decides] * posterior_quantile(hit, n, q=q)
        load = np.hstack([np.where(np.isnan(whole), -1.0, load), of_units, np.full((len(load), 1), -1.0)])
        place = load.argmax(axis=1)
        value = load[np.arange(len(load)), place]
        return np.where(value < 0, np.nan, value), place

    value, place = worst(0.5, "detection")
    frame.loc[blocked, "liability_residual"] = value
    frame.loc[blocked, "liability_residual_upper"] = worst(0.95, "detection_lower")[0]
    frame.loc[blocked, "liability_residual_population"] = [named[i] for i in np.where(np.isnan(value), -1, place)]
    return frame


def never_below_liability(residual: pd.DataFrame, *, table: pd.DataFrame, blocked: NDArray[np.bool_]) -> pd.DataFrame:
    """Residual liabilities that are at least the liabilities: a missed blocker can only add to what is hit.

    The liability also knows of places that the residual does not weigh: what was not measured, thin populations, and
    power. So each is the larger of the two.

    Parameters
    ----------
    residual
        From :func:`residual_liability`.
    table
        The same gates scored: `liability`, `liability_upper`, `liability_population`. NaN says nothing.
    blocked
        Which gates have a blocker; all others stay missing.

    Examples
    --------
    >>> residual = pd.DataFrame({"liability_residual": [0.1], "liability_residual_upper": [0.3],
    ...                          "liability_residual_population": ["heart"]})
    >>> table = pd.DataFrame({"liability": [0.2], "liability_upper": [1.0], "liability_population": ["lung"]})
    >>> never_below_liability(residual, table=table, blocked=np.array([True])).values.tolist()
    [[0.2, 1.0, 'lung']]
    """
    own = residual["liability_residual"].to_numpy(dtype=np.float64)
    given = {name: table[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("liability", "liability_upper")}
    is_higher = blocked & (np.nan_to_num(given["liability"], nan=-1.0) > np.nan_to_num(own, nan=-1.0))
    place = residual["liability_residual_population"].mask(is_higher, pd.Series(table["liability_population"].array))
    upper = np.fmax(residual["liability_residual_upper"].to_numpy(dtype=np.float64), given["liability_upper"])
    return residual.assign(
        liability_residual=np.where(is_higher, given["liability"], own),
        liability_residual_upper=np.where(blocked, upper, np.nan),
        liability_residual_population=place,
    )


def _least_detected(gates: Gates, rate: NDArray[np.float64]) -> NDArray[np.int64]:
    """The blocker of each gate that is detected least, as a row of the panel; −1 without one. Unknown is least."""
    out = np.full(len(gates), -1, dtype=np.int64)
    for batch in gates.batches():
        own = [batch.of(one.symbol) for one in batch.shape.literals if one.is_negated]
        if own:
            rows = np.stack(own, axis=1)
            least = np.nan_to_num(rate, nan=-1.0)[rows].argmin(axis=1)
            out[batch.at] = rows[np.arange(len(rows)), least]
    return out


def _blockers_measured(gates: Gates, is_measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Gates × populations: every blocker of the gate was measured."""
    out = np.ones((len(gates), is_measured.shape[1]), dtype=bool)
    for batch in gates.batches():
        for one in batch.shape.literals:
            if one.is_negated:
                out[batch.at] &= is_measured[batch.of(one.symbol)]
    return out


def _unit_loads(panel: Panel, exposed: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Weights of the units that gates expose outside the origin (−1 elsewhere), and what the units are called."""
    units = panel.units[~panel.units["is_origin"].astype(bool)]
    weight = units["weight"].to_numpy(dtype=np.float64)
    names = (units["population"].astype(str) + " (" + units["atlas"].astype(str) + ")").to_numpy(dtype=object)
    return np.where(exposed[:, units.index], weight, -1.0), names


def coverage_corrected(
    hit: ArrayLike,
    *,
    first: ArrayLike,
    second: ArrayLike,
    op: ArrayLike,
    detection_first: ArrayLike,
    detection_second: ArrayLike,
) -> NDArray[np.float64]:
    r"""Fraction of malignant cells that truly meet a gate, if what is missed is missed at random.

    Each antigen is truly on :math:`\hat a = \min(1, a / d_A)` of the cells, both on
    :math:`\min(\hat a, \hat b, n_{AB} / (d_A d_B))`; the gate follows by inclusion and exclusion. AND is
    under-counted by dropout and rises; `A & ~B` is over-counted where B is missed, and falls. Misses that go together
    (shallow cells) make the correction of an AND too large: read it as the upper end.

    Parameters
    ----------
    hit, first, second
        Fractions hit by the gate, positive for A, and for B, in [0, 1].
    op
        0 for `A | B`, 1 for `A & B`, 2 for `A & ~B`. For an antigen alone give it twice, with 0.
    detection_first, detection_second
        Detection rates in tumour cells; take `detection_upper` of `detection_rates`, which corrects least. NaN:
        unknown, and the result is NaN.

    Returns
    -------
    Fraction in [0, 1].

    Examples
    --------
    Both antigens are on half of the cells, each seen in six cells of ten:

    >>> coverage_corrected(0.18, first=0.3, second=0.3, op=1, detection_first=0.6, detection_second=0.6).round(2)
    np.float64(0.5)
    """
    x, a, b = (np.asarray(v, dtype=np.float64) for v in (hit, first, second))
    kind = np.asarray(op)
    da, db = (np.asarray(v, dtype=np.float64) for v in (detection_first, detection_second))
    da, db = np.where(da > 0, da, np.nan), np.where(db > 0, db, np.nan)
    both = np.clip(np.where(kind == ANY, a + b - x, np.where(kind == BOTH, x, a - x)), 0, 1)
    true_a, true_b = np.minimum(a / da, 1), np.minimum(b / db, 1)
    alone = (kind == ANY) & (both >= a) & (both >= b) & (da == db)
    true_both = np.where(alone, true_a, np.minimum(np.minimum(true_a, true_b), both / (da * db)))
    truth = np.where(kind == ANY, true_a + true_b - true_both, np.where(kind == BOTH, true_both, true_a - true_both))
    return np.asarray(np.clip(truth, 0, 1))


def corrected_coverage(
    panel: Panel,
    *,
    gates: Gates,
    fraction: NDArray[np.float64],
    rates: pd.DataFrame,
    blocker_rates: pd.DataFrame | None = None,
) -> pd.Series:
    """Mean over patients of :func:`coverage_corrected`: the column `coverage_corrected`, gates in order.

    An antigen that is sensed is corrected by `detection_upper` in the tumour, which corrects least; a blocker by
    `detection` in the normal populations that certainly have it, since the tumour should lack it. Where the rate of a
    sensed antigen is below 0.2, dropout and absence cannot be told apart, and the value is missing.

    Parameters
    ----------
    panel
        Evidence on the antigens. In bulk a sample is no cell: all values are missing.
    gates
        The gates; of three antigens and more the value is missing.
    fraction
        Plain fractions hit, gates × populations (`Judged.naive`).
    rates, blocker_rates
        From `detection_rates(cells, side="tumor")` and `detection_rates(cells)`. None: rates of blockers are unknown,
        and values of `A & ~B` are missing.
    """
    out = pd.Series(np.nan, index=range(len(gates)), name="coverage_corrected")
    if panel.kind != "cells":
        return out
    names = list(panel.symbols)
    sensed = rates.set_index("symbol").reindex(names)["detection_upper"].to_numpy(dtype=np.float64)
    sensed = np.where(sensed >= TELLS, sensed, np.nan)
    blocked = np.full(len(names), np.nan)
    if blocker_rates is not None:
        blocked = blocker_rates.set_index("symbol").reindex(names)["detection"].to_numpy(dtype=np.float64)
    tumor = np.flatnonzero(panel.is_tumor)
    for shape, at, rows in gates.batches():
        op = ANY if shape == ALONE else OF_TWO.index(shape) if shape in OF_TWO else -1
        if op < 0:
            continue
        a, b = rows[:, 0], rows[:, -1]
        each = coverage_corrected(
            fraction[np.ix_(at, tumor)],
            first=panel.fraction[np.ix_(a, tumor)],
            second=panel.fraction[np.ix_(b, tumor)],
            op=op,
            detection_first=sensed[a][:, None],
            detection_second=(blocked if op == NOT else sensed)[b][:, None],
        )
        out.iloc[at] = each @ panel.patient_weight
    return out
