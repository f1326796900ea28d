"""What a gate is searched for: objectives as records, and their numbers for one set of populations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import InputError

HARD, CLASSES, CUSTOM = 0, 1, 2
CAP = 0.05
"""Cap on exposure where no tier is known."""


@dataclass(frozen=True)
class Objective:
    """What makes a gate good, and why a search may prune by it.

    Attributes
    ----------
    name, formula, source
        For people.
    monotonicity
        What the bounds rest on. All built-in scores never fall when coverage of a patient rises, and never rise when
        exposure of a normal population rises; so optimistic counts give an upper bound.
    direction
        Higher is better, always.
    statistic
        Coverage over patients: `mean` or `p10` (tenth percentile, linear between patients).
    is_pooled
        All tumour observations are one population, and all normal ones another.
    has_caps
        Exposure of each normal population must keep its cap; a gate that does not is infeasible.
    has_liability
        The worst weight × exposure outside the origin is taken off.
    has_classes
        Score = 16 × eligible + 4 × class + selectivity; class 3 keeps every cap, 2 all but the origin's, 0 not.
    cap
        Cap of a population without one of its own.
    floor
        Mean coverage that makes a gate eligible.
    function, bound
        A user's score and its bound; see `custom`.
    """

    name: str
    formula: str
    source: str
    monotonicity: str = "never falls with coverage, never rises with exposure"
    direction: Literal["higher"] = "higher"
    statistic: Literal["mean", "p10"] = "mean"
    is_pooled: bool = False
    has_caps: bool = False
    has_liability: bool = False
    has_classes: bool = False
    cap: float = CAP
    floor: float = 0.5
    function: Callable[..., float] | None = None
    bound: Callable[..., float] | None = None

    @property
    def is_additive(self) -> bool:
        """Whether a union scores at most the sum of its parts: mean coverage under caps."""
        return self.function is None and self.statistic == "mean" and not (self.has_liability or self.has_classes)


def pooled(*, specificity: float = 0.9) -> Objective:
    """Sensitivity over all tumour cells subject to specificity over all normal cells: the published objective.

    Pooling lets a gate hit every cell of a rare vital cell type unseen; it is here for comparison.

    Examples
    --------
    >>> pooled().formula
    'hits / tumour cells, subject to 1 − hits / normal cells ≥ 0.9'
    """
    if not 0 <= specificity <= 1:
        raise InputError(f"specificity is {specificity}: give a fraction between 0 and 1")
    return Objective(
        "pooled",
        f"hits / tumour cells, subject to 1 − hits / normal cells ≥ {specificity:g}",
        "single-cell logic-gate search by genetic algorithm (LogiCAR designer); pooled normal hides a rare population",
        is_pooled=True,
        has_caps=True,
        cap=1 - specificity,
    )


def worst_population(*, statistic: Literal["mean", "p10"] = "mean", cap: float = CAP) -> Objective:
    """Coverage over patients subject to a cap on every normal population.

    Parameters
    ----------
    statistic
        `mean` or `p10` of the patients' fractions of malignant cells hit.
    cap
        Cap of populations that have none of their own (`populations["cap"]`).

    Examples
    --------
    >>> worst_population(statistic="p10").formula
    'p10 over patients of the fraction hit, subject to exposure ≤ cap in every normal population'
    """
    if not 0 <= cap <= 1:
        raise InputError(f"cap is {cap}: give a fraction between 0 and 1")
    return Objective(
        "worst_population",
        f"{statistic} over patients of the fraction hit, subject to exposure ≤ cap in every normal population",
        "docs/method.md: coverage, liability",
        statistic=_statistic(statistic),
        has_caps=True,
        cap=cap,
    )


def selectivity(*, statistic: Literal["mean", "p10"] = "p10") -> Objective:
    """Coverage minus liability, the worst weight × exposure outside the origin.

    Examples
    --------
    >>> selectivity().has_liability
    True
    """
    return Objective(
        "selectivity",
        f"{statistic} over patients of the fraction hit − max of weight × exposure outside the origin",
        "docs/method.md: selectivity",
        statistic=_statistic(statistic),
        has_liability=True,
    )


def rank(*, statistic: Literal["mean", "p10"] = "p10", floor: float = 0.5) -> Objective:
    """Eligible first, then safety class, then selectivity: 16 × eligible + 4 × class + selectivity.

    Class 3 keeps every cap, 2 breaks caps of the origin alone, 0 breaks others. An antigen that was not measured counts
    as exposed; the tables of a screen tell such *unknown* gates from those over cap.

    Examples
    --------
    >>> rank().has_classes
    True
    """
    return Objective(
        "rank",
        f"16 × (mean coverage ≥ {floor:g}) + 4 × class + selectivity ({statistic})",
        "docs/method.md: rank",
        statistic=_statistic(statistic),
        has_liability=True,
        has_classes=True,
        floor=floor,
    )


def custom(
    function: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    *,
    name: str,
    bound: Callable[[NDArray[np.float64], NDArray[np.float64]], float] | None = None,
) -> Objective:
    """A score of your own.

    Parameters
    ----------
    function
        `function(coverage, exposure)`: fractions hit per tumour patient and per normal population, to a finite number,
        higher is better. It is compiled by numba: plain arithmetic and NumPy.
    name
        Its name in the result.
    bound
        `bound(coverage, exposure)` is at least `function(c, e)` for all c ≤ coverage and e ≥ exposure. None: the
        function itself never falls with coverage and never rises with exposure; this is not checked.

    Examples
    --------
    >>> custom(lambda coverage, exposure: coverage.min() - exposure.max(), name="weakest").name
    'weakest'
    """
    stated = "stated by its bound" if bound else "declared: never falls with coverage, never rises with exposure"
    return Objective(name, f"user function {name}", "user", stated, function=function, bound=bound)


def _statistic(statistic: str) -> Any:
    if statistic not in ("mean", "p10"):
        raise InputError(f"statistic is {statistic!r}: expected 'mean' or 'p10'")
    return statistic


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "pooled": pooled,
    "worst_population": worst_population,
    "selectivity": selectivity,
    "rank": rank,
}


def named(objective: str | Objective) -> Objective:
    """An objective by name, or as given.

    Raises
    ------
    InputError
        The name is unknown.

    Examples
    --------
    >>> named("rank").name
    'rank'
    """
    if isinstance(objective, Objective):
        return objective
    if objective not in OBJECTIVES:
        raise InputError(
            f"objective {objective!r} is unknown: expected one of {', '.join(OBJECTIVES)}, or an Objective"
        )
    return OBJECTIVES[objective]()


class Terms(NamedTuple):
    """An objective as numbers for one list of populations, tumour first: what compiled code reads."""

    kind: int
    n_tumor: int
    size: NDArray[np.float64]  # observations
    scale: NDArray[np.float64]  # tumour: 1 / observations / patients; normal: 1 / observations
    limit: NDArray[np.int64]  # most observations that keep the cap
    cap: NDArray[np.float64]
    weight: NDArray[np.float64]  # weight / observations
    origin: NDArray[np.bool_]
    quantile: float  # negative: mean
    liability: float  # 1 if taken off
    floor: float  # mean coverage that makes eligible
    address: int
    bound_address: int


def terms(objective: Objective, populations: pd.DataFrame) -> Terms:
    """Put an objective into numbers.

    Parameters
    ----------
    objective
        The record.
    populations
        `side`, `n_observations` (all > 0) and optionally `cap`, `weight`, `is_origin`; tumour first.

    Raises
    ------
    InputError
        No patient, no normal population, or a cap or weight out of range.
    """
    n = populations["n_observations"].to_numpy(dtype=np.float64)
    is_tumor = (populations["side"] == "tumor").to_numpy()
    n_tumor = int(is_tumor.sum())
    if not n_tumor:
        raise InputError(
            "no tumour patient has an observation: a gate needs malignant cells (side 'tumor') to be scored on"
        )
    if n_tumor == len(n):
        raise InputError(
            "no normal population has an observation: exposure is unknown; give normal cells (side 'normal')"
        )
    cap = _column(populations, "cap", objective.cap)
    weight = _column(populations, "weight", 1.0)
    origin = _column(populations, "is_origin", 0.0) > 0
    caps = objective.has_caps or objective.has_classes
    limit = np.floor(cap * n + 1e-9) if caps else n
    address = bound_address = 0
    if objective.function is not None:
        from cartarget.search.scoring import address_of

        address = address_of(objective.function)
        bound_address = address_of(objective.bound) if objective.bound else address
    return Terms(
        kind=CUSTOM if objective.function else CLASSES if objective.has_classes else HARD,
        n_tumor=n_tumor,
        size=n,
        scale=np.where(is_tumor, 1 / n / n_tumor, 1 / n),
        limit=limit.astype(np.int64),
        cap=cap,
        weight=weight / n,
        origin=origin,
        quantile=0.1 if objective.statistic == "p10" else -1.0,
        liability=float(objective.has_liability),
        floor=objective.floor,
        address=address,
        bound_address=bound_address,
    )


def _column(populations: pd.DataFrame, name: str, default: float) -> NDArray[np.float64]:
    if name not in populations:
        return np.full(len(populations), default)
    values = pd.to_numeric(populations[name], errors="coerce").astype(float).fillna(default).to_numpy()
    normal = (populations["side"] != "tumor").to_numpy()
    wrong = np.flatnonzero(normal & ((values < 0) | (values > 1)))
    if len(wrong):
        row = populations.iloc[wrong[0]]
        raise InputError(
            f"population {row['population']!r}: {name} is {row[name]}; expected a fraction between 0 and 1"
        )
    return values
