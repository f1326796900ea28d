"""Weights of the surface score from labelled proteins, and what they achieve on proteins that they have not seen.

`resources/surface_labels.tsv` holds 150 proteins on the surface and 151 that are not, each with a source. A fit on
them, judged on folds that it has not seen, is not clearly better than the fixed `grade.WEIGHTS`
(`benchmarks/surface.py`), so these stay. Part of the labels was drawn by what the score reads (HPA's places): a fit
learns that too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from cartarget.errors import InputError
from cartarget.files import resource
from cartarget.surface.grade import CUT, WEIGHED, WEIGHTS

LABELS = Path("resources") / "surface_labels.tsv"

_AGAINST = ("against_annotation", "against_imaging", "lumen", "unheld")
FEATURES = (*(name for name in WEIGHED if name != "other"), "outside", "open", "lumen", "unheld")
"""Columns that are fitted; `unheld` is one weight for `no anchor` and `not found`."""


@dataclass(frozen=True)
class Performance:
    """Precision and recall of candidates among labelled proteins, and the names it gets wrong."""

    precision: float
    recall: float
    wrongly_kept: tuple[str, ...]
    wrongly_lost: tuple[str, ...]


def read_labels(path: str | os.PathLike[str] = LABELS) -> pd.DataFrame:
    """Read proteins of which it is known whether they are on the surface: `symbol`, `is_surface`, `source`,
    `source_title`; further columns (`kind` of source and `stratum` of the draw in our own table) are kept.

    Raises
    ------
    InputError
        A column is missing, a cell is empty, a label is not yes or no, or a symbol stands twice.

    Examples
    --------
    >>> read_labels()["is_surface"].dtype
    dtype('bool')
    """
    try:
        frame = pd.read_csv(resource(path), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table of labels") from error
    for column in ("symbol", "is_surface", "source", "source_title"):
        if column not in frame:
            raise InputError(f"{path}: column {column!r} is missing; expected symbol, is_surface, source, source_title")
        empty = frame.index[frame[column].str.strip().eq("")]
        if len(empty):
            raise InputError(f"{path}, line {int(empty[0]) + 2}: {column} is empty; a label needs one")
    wrong = frame.index[~frame["is_surface"].isin(["yes", "no"]) | frame["symbol"].duplicated()]
    if len(wrong):
        row = frame.loc[wrong[0]]
        raise InputError(
            f"{path}, line {int(wrong[0]) + 2}: {row['symbol']!r} is {row['is_surface']!r}; "
            "expected each symbol once, with yes or no"
        )
    return frame.assign(is_surface=frame["is_surface"].eq("yes"))


def features(evidence: pd.DataFrame) -> pd.DataFrame:
    """Evidence as numbers, one column for each of `FEATURES`; what is missing is 0.

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> features(gather(["X"]))["annotation"].tolist()
    [0.0]
    """
    table = evidence[[name for name in WEIGHED if name != "other"]].fillna(0.0).astype(float)
    for level in ("outside", "open", "lumen"):
        table[level] = evidence["topology"].eq(level).astype(float)
    table["unheld"] = evidence["topology"].isin(["no anchor", "not found"]).astype(float)
    return table[list(FEATURES)]


def fit_weights(evidence: pd.DataFrame, is_surface: np.ndarray, *, ridge: float = 1.0) -> dict[str, float]:
    """Fit the weights by logistic regression with a ridge, each with the sign that its meaning demands.

    Minimises `-log likelihood + ridge / 2 * |weights|^2` (the base is free). What speaks for the membrane cannot weigh
    against it, nor the other way round, so that a few odd labels cannot turn a source around.

    Parameters
    ----------
    evidence
        `gather.gather`, one row per label. Experiments are not read: a clinical target would prove itself.
    is_surface
        Labels, boolean.
    ridge
        Strength of the ridge.

    Returns
    -------
    dict
        `base` and each of `FEATURES` → weight (log odds).

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> votes = pd.DataFrame({"surfy": [True] * 5 + [False] * 5}, index=list("abcdefghij"))
    >>> fit_weights(gather(votes.index, votes=votes), votes["surfy"].to_numpy())["prediction"] > 1
    True
    """
    x = np.column_stack([np.ones(len(evidence)), features(evidence).to_numpy()])
    y = np.asarray(is_surface, dtype=float)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ weights
        penalty = np.r_[0.0, weights[1:]]
        value = np.logaddexp(0.0, z).sum() - z @ y + ridge / 2 * penalty @ penalty
        return value, x.T @ (1 / (1 + np.exp(-z)) - y) + ridge * penalty

    signs = [(None, None), *((None, 0.0) if name in _AGAINST else (0.0, None) for name in FEATURES)]
    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=signs)
    return dict(zip(("base", *FEATURES), map(float, found.x), strict=True))


def predict(evidence: pd.DataFrame, weights: dict[str, float]) -> np.ndarray:
    """Whether genes are candidates by given weights, without experiments.

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> predict(gather(["X"]), dict.fromkeys(["base", *FEATURES], -1.0)).tolist()
    [False]
    """
    score = weights["base"] + features(evidence).to_numpy() @ np.array([weights[name] for name in FEATURES])
    return (score >= CUT) & evidence["topology"].ne("short").to_numpy()


def cross_validate(evidence: pd.DataFrame, is_surface: np.ndarray, *, n_folds: int = 10, seed: int = 0) -> Performance:
    """Precision and recall on folds that were not fitted; each label is judged once.

    Parameters
    ----------
    evidence, is_surface
        As for `fit_weights`.
    n_folds, seed
        Folds, drawn at random with the seed.

    Examples
    --------
    >>> from cartarget.surface.gather import gather
    >>> votes = pd.DataFrame({"surfy": [True] * 20 + [False] * 20}, index=[f"g{n}" for n in range(40)])
    >>> cross_validate(gather(votes.index, votes=votes), votes["surfy"].to_numpy()).recall
    1.0
    """
    fold = np.random.default_rng(seed).permutation(len(evidence)) % n_folds
    called = np.zeros(len(evidence), dtype=bool)
    for number in range(n_folds):
        held = fold == number
        weights = fit_weights(evidence[~held], is_surface[~held])
        called[held] = predict(evidence[held], weights)
    return performance(called, is_surface, evidence.index)


def performance(called: np.ndarray, is_surface: np.ndarray, names: pd.Index) -> Performance:
    """Precision, recall and the errors of a call; NaN where nothing was called, or nothing is on the surface.

    Examples
    --------
    >>> performance(np.array([True, True]), np.array([True, False]), pd.Index(["MET", "AURKA"])).wrongly_kept
    ('AURKA',)
    """
    called, is_surface = np.asarray(called, bool), np.asarray(is_surface, bool)
    right = (called & is_surface).sum()
    return Performance(
        precision=float(right / called.sum()) if called.any() else float("nan"),
        recall=float(right / is_surface.sum()) if is_surface.any() else float("nan"),
        wrongly_kept=tuple(names[called & ~is_surface]),
        wrongly_lost=tuple(names[~called & is_surface]),
    )


def rounded(weights: dict[str, float]) -> dict[str, float]:
    """Weights as they stand in `grade.WEIGHTS`: to one decimal, `unheld` under its two names.

    Examples
    --------
    >>> rounded({"base": -3.04, "unheld": -1.88})["not found"]
    -1.9
    """
    table = {name: round(value, 1) for name, value in weights.items() if name != "unheld"}
    if "unheld" in weights:
        table |= dict.fromkeys(("no anchor", "not found"), round(weights["unheld"], 1))
    return table | {name: WEIGHTS[name] for name in ("other", "short", "unknown")}
