"""Would a number have foreseen the harm? ROC, precision and recall, calibration, intervals by antigen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cartarget.errors import InputError
from cartarget.logic.gate import Gate

Statistic = Callable[[NDArray[np.float64], NDArray[np.bool_]], float]


def gate_levels(levels: pd.DataFrame, antigens: Sequence[str]) -> pd.DataFrame:
    """Levels of gates in each tissue: of `A & B` the least, of `A | B` the greatest, of `A & ~B` that of A.

    In tissue, A and B may stand in different cells, and a blocker protects inside cells only: both make these levels
    upper bounds. A gate with an antigen that decides it and is not measured is NaN.

    Parameters
    ----------
    levels
        Tissues × symbols, as `cartarget.safety.toxicity.tissue_levels` gives them. NaN: not measured.
    antigens
        Symbols or gates.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [9.0, 1.0], "B": [2.0, 4.0]}, index=["lung", "skin"])
    >>> gate_levels(levels, ["A", "A & B", "A | B", "A & ~B", "C"]).T.values.tolist()
    [[9.0, 1.0], [2.0, 1.0], [9.0, 4.0], [9.0, 1.0], [nan, nan]]
    """
    return pd.DataFrame({name: _level(Gate.parse(name), levels) for name in dict.fromkeys(antigens)})


def _level(gate: Gate, levels: pd.DataFrame) -> pd.Series:
    if not gate.operator:
        return levels[gate.symbol] if gate.symbol in levels else pd.Series(np.nan, index=levels.index)
    sensed = [part for part in gate.parts if not (not part.operator and part.is_negated)]
    parts = pd.concat([_level(part, levels) for part in sensed], axis=1)
    return parts.min(axis=1, skipna=False) if gate.operator == "&" else parts.max(axis=1, skipna=False)


def place_scores(levels: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    r"""Scores of one antigen in one organ: higher means more harm is expected.

    `level` is log2(1 + x); `share` the level over that of the antigen's highest tissue, x / max x, in [0, 1]; `place`
    the fraction of the antigen's other measured tissues that stand lower, ties counting half, in [0, 1].

    Parameters
    ----------
    levels
        Tissues × antigens, at least 0. NaN: not measured.
    pairs
        Columns `antigen` and `organ`, one row per prediction.

    Returns
    -------
    Pairs × scores, the index that of `pairs`. NaN: antigen or organ is not measured; `share` and `place` also where the
    antigen is detected nowhere or measured in one tissue only.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [7.0, 1.0, 1.0]}, index=["colon", "lung", "skin"])
    >>> pairs = pd.DataFrame({"antigen": ["A", "A", "B"], "organ": ["colon", "lung", "lung"]})
    >>> place_scores(levels, pairs)["place"].tolist()
    [1.0, 0.25, nan]
    """
    rows = []
    for antigen, organ in pairs[["antigen", "organ"]].itertuples(index=False, name=None):
        own = levels[antigen].dropna() if antigen in levels else pd.Series(dtype=float)
        level = float(own[organ]) if organ in own.index else np.nan
        others = own.drop(organ).to_numpy() if organ in own.index else own.to_numpy()
        is_told = np.isfinite(level) and len(others) > 0 and own.max() > 0
        place = float(np.mean((others < level) + (others == level) / 2)) if is_told else np.nan
        rows.append((np.log2(1 + level), level / own.max() if is_told else np.nan, place))
    return pd.DataFrame(rows, columns=["level", "share", "place"], index=pairs.index)


def antigen_scores(levels: pd.DataFrame, antigens: Sequence[str]) -> pd.DataFrame:
    r"""Scores that others give an antigen as a whole, turned so that higher means more harm is expected.

    `pooled` is log2(1 + the mean over tissues), as in the pooled normal of differential expression; `highest` is
    log2(1 + the highest tissue); `unspecific` is 1 − τ with
    :math:`\tau = \sum_i (1 - y_i / \max y) / (n - 1)`, y = log2(1 + x) over n tissues: 0 is one tissue, 1 is all alike
    (Yanai et al. 2005, doi:10.1093/bioinformatics/bti042).

    Returns
    -------
    Antigens × scores; NaN where the antigen is not measured, `unspecific` also where it is detected nowhere.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [3.0, 0.0, 0.0], "B": [3.0, 3.0, 3.0]}, index=["colon", "lung", "skin"])
    >>> antigen_scores(levels, ["A", "B"])["unspecific"].tolist()
    [0.0, 1.0]
    """
    rows = {}
    for antigen in dict.fromkeys(antigens):
        own = levels[antigen].dropna().to_numpy(dtype=float) if antigen in levels else np.empty(0)
        logs = np.log2(1 + own)
        is_told = len(own) > 1 and logs.max() > 0
        tau = float(np.sum(1 - logs / logs.max()) / (len(own) - 1)) if is_told else np.nan
        rows[antigen] = (np.log2(1 + own.mean()), logs.max(), 1 - tau) if len(own) else (np.nan,) * 3
    return pd.DataFrame.from_dict(rows, orient="index", columns=["pooled", "highest", "unspecific"])


def roc_auc(score: ArrayLike, harmed: ArrayLike) -> float:
    """Probability that a harmed row scores above a spared one, ties counting half; NaN without one of each.

    The Mann–Whitney statistic over the number of pairs (Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747).

    Examples
    --------
    >>> roc_auc([3, 2, 2, 1], [True, True, False, False])
    0.875
    """
    values, labels = _checked(score, harmed)
    n, m = int(labels.sum()), int((~labels).sum())
    if not n or not m:
        return float("nan")
    ranks = pd.Series(values).rank().to_numpy()
    return float((ranks[labels].sum() - n * (n + 1) / 2) / (n * m))


def average_precision(score: ArrayLike, harmed: ArrayLike) -> float:
    r"""Area under precision and recall, :math:`\sum_k (R_k - R_{k-1}) P_k` over distinct scores from the highest down.

    A score without information gives the share of harmed rows. NaN without a harmed row.

    Examples
    --------
    >>> average_precision([3, 2, 2, 1], [True, True, False, False])
    0.8333333333333333
    """
    values, labels = _checked(score, harmed)
    if not labels.any():
        return float("nan")
    order = np.argsort(-values, kind="stable")
    last = np.append(np.diff(values[order]) != 0, True)
    hits = np.cumsum(labels[order])[last]
    seen = np.flatnonzero(last) + 1
    gained = np.diff(np.concatenate([[0], hits])) / labels.sum()
    return float(np.sum(gained * hits / seen))


def interval_by_group(
    statistic: Statistic,
    score: ArrayLike,
    harmed: ArrayLike,
    groups: Sequence[str],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, int]:
    """Percentile bootstrap of a statistic that draws whole groups: the rows of one antigen are not independent.

    Parameters
    ----------
    statistic
        Function of scores and labels.
    score, harmed, groups
        One entry per row; no score is missing.
    n_resamples, seed, level
        Number of resamples, seed of the generator (each resample has its own stream), coverage.

    Returns
    -------
    Lower and upper end, and how many resamples could be used (the others held harmed or spared rows only). NaN ends
    with fewer than half of them.

    Examples
    --------
    >>> interval_by_group(roc_auc, [3, 2, 1, 0], [True, False, True, False], list("aabb"), n_resamples=50)
    (0.75, 1.0, 50)
    """
    values, labels = _checked(score, harmed)
    names, owner = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rows = [np.flatnonzero(owner == group) for group in range(len(names))]
    found = np.full(n_resamples, np.nan)
    for at, stream in enumerate(np.random.SeedSequence(seed).spawn(n_resamples)):
        drawn = np.random.default_rng(stream).integers(len(rows), size=len(rows))
        index = np.concatenate([rows[group] for group in drawn])
        found[at] = statistic(values[index], labels[index])
    told = found[np.isfinite(found)]
    if len(told) < n_resamples / 2:
        return float("nan"), float("nan"), len(told)
    lower, upper = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper), len(told)


def calibration(score: ArrayLike, harmed: ArrayLike, *, edges: Sequence[float]) -> pd.DataFrame:
    """Share of harmed rows in bins of a score, each with its Wilson 95 % interval.

    Parameters
    ----------
    score, harmed
        One entry per row; no score is missing.
    edges
        Inner edges of the bins, ascending; a score at an edge belongs to the bin above it.

    Returns
    -------
    One row per bin, empty bins too: `from_score`, `to_score`, `n_rows`, `n_harmed`, `harmed`, `lower`, `upper` (NaN in
    an empty bin; Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Examples
    --------
    >>> calibration([0, 1, 5], [False, True, True], edges=[1])[["n_rows", "n_harmed"]].values.tolist()
    [[1, 0], [2, 2]]
    """
    values, labels = _checked(score, harmed)
    bins = np.digitize(values, edges)
    n = np.bincount(bins, minlength=len(edges) + 1).astype(float)
    k = np.bincount(bins, weights=labels, minlength=len(edges) + 1)
    z = 1.959963984540054
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    ends = [-np.inf, *edges, np.inf]
    table = {"from_score": ends[:-1], "to_score": ends[1:], "n_rows": n.astype(int), "n_harmed": k.astype(int)}
    return pd.DataFrame(table | {"harmed": share, "lower": centre - half, "upper": centre + half})


def held_out_accuracy(score: ArrayLike, harmed: ArrayLike, groups: Sequence[str]) -> float:
    """Balanced accuracy of thresholds that were chosen without the group they judge.

    For each group the threshold with the best mean of sensitivity and specificity among the other groups calls its rows
    harmed (at or above) or spared; over all rows, sensitivity and specificity are then averaged. 0.5 is no information.
    NaN if a class is absent.

    Examples
    --------
    >>> held_out_accuracy([4, 3, 4, 1, 0, 1], [True, True, True, False, False, False], list("abcabc"))
    1.0
    """
    values, labels = _checked(score, harmed)
    if labels.all() or not labels.any():
        return float("nan")
    return balanced(held_out_calls(values, labels, groups), labels)


def balanced(called: ArrayLike, harmed: ArrayLike) -> float:
    """Mean of sensitivity and specificity of calls; NaN if a class is absent.

    Examples
    --------
    >>> balanced([True, False, False], [True, True, False])
    0.75
    """
    calls, labels = np.asarray(called, dtype=bool), np.asarray(harmed, dtype=bool)
    if labels.all() or not labels.any():
        return float("nan")
    return float((calls[labels].mean() + (~calls[~labels]).mean()) / 2)


def held_out_calls(score: ArrayLike, harmed: ArrayLike, groups: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows a threshold that was chosen on the other groups calls harmed (at or above it).

    Examples
    --------
    >>> held_out_calls([4, 3, 4, 1, 0, 1], [True, True, True, False, False, False], list("abcabc")).tolist()
    [True, True, True, False, False, False]
    """
    values, labels = _checked(score, harmed)
    names = np.asarray(groups, dtype=str)
    called = np.zeros(len(values), dtype=bool)
    for group in np.unique(names):
        own = names == group
        called[own] = values[own] >= best_threshold(values[~own], labels[~own])
    return called


def best_threshold(values: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """The threshold with the best mean of sensitivity and specificity: the lowest of several; infinite without both."""
    if labels.all() or not labels.any():
        return float("inf") if not labels.any() else float("-inf")
    known = np.unique(values)
    cuts = np.concatenate([known[:1], (known[1:] + known[:-1]) / 2, [np.inf]])
    is_called = values[None, :] >= cuts[:, None]
    gain = is_called[:, labels].mean(axis=1) - is_called[:, ~labels].mean(axis=1)
    return float(cuts[int(np.argmax(gain))])


def evaluate(
    scores: pd.DataFrame, harmed: pd.Series, groups: pd.Series, *, n_resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Each score against what happened: counts, ROC AUC, average precision, intervals by group.

    Parameters
    ----------
    scores
        Rows × scores, higher means more harm is expected. NaN: missing; the row leaves that score's denominator only.
    harmed, groups
        Whether the row tells of harm, and its antigen; the index that of `scores`.

    Returns
    -------
    One row per score: `score`, `n_rows`, `n_harmed`, `n_groups`, `n_missing`, `auc`, `auc_lower`, `auc_upper`, `base`
    (the share harmed, which is the average precision of no information), `precision`, `precision_lower`,
    `precision_upper`.

    Examples
    --------
    >>> scores = pd.DataFrame({"level": [3.0, 1.0, float("nan")]})
    >>> table = evaluate(scores, pd.Series([True, False, True]), pd.Series(list("aab")), n_resamples=10)
    >>> table[["n_rows", "n_missing", "auc"]].values.tolist()
    [[2.0, 1.0, 1.0]]
    """
    rows = []
    for name in scores:
        is_seen = scores[name].notna()
        values, labels, owners = scores.loc[is_seen, name], harmed[is_seen].astype(bool), groups[is_seen].tolist()
        row: dict[str, object] = {"score": name, "n_rows": int(is_seen.sum()), "n_harmed": int(labels.sum())}
        row |= {"n_groups": len(set(owners)), "n_missing": int((~is_seen).sum())}
        row["base"] = float(labels.mean()) if len(labels) else float("nan")
        for key, statistic in (("auc", roc_auc), ("precision", average_precision)):
            lower, upper = float("nan"), float("nan")
            if len(labels):
                lower, upper, _ = interval_by_group(
                    statistic, values, labels, owners, n_resamples=n_resamples, seed=seed
                )
            row |= {key: statistic(values.to_numpy(), labels.to_numpy()), f"{key}_lower": lower, f"{key}_upper": upper}
        rows.append(row)
    return pd.DataFrame(rows)


def _checked(score: ArrayLike, harmed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, labels = np.asarray(score, dtype=np.float64), np.asarray(harmed)
    if values.shape != labels.shape or values.ndim != 1:
        raise InputError(f"score: shape {values.shape}, harmed: {labels.shape}; give one of each per row")
    if not np.isfinite(values).all():
        raise InputError("score: holds values that are not finite; leave rows without a score out, and count them")
    return values, labels.astype(bool)
