"""Selection without flattery: choose on some people, measure on others.

The best of millions is partly luck: it looks better on the people who chose it than on anyone else. So patients *and*
normal donors are dealt into folds, by donor id, each person into one fold whatever the side. For each fold the whole
search is run on everybody else, and the gates that it puts first are measured on the people held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student
from tqdm import tqdm

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel
from cartarget.evidence.people import gifts, of_donors
from cartarget.logic.batch import Gates
from cartarget.safety.conjunction import EXPOSED
from cartarget.safety.judge import judge
from cartarget.selection.screen import screen_gates

QUANTITIES = ("coverage", "exposure", "liability", "selectivity")
LEVEL = 0.95


@dataclass(frozen=True)
class CrossFit:
    """What cross-fitting found.

    Attributes
    ----------
    procedure
        One row a quantity (`coverage`, `exposure`, `liability`, `selectivity`): `training`, `training_matched`,
        `held_out`, `shrinkage` (training matched minus held out), `corrected` (training minus shrinkage) and its 95 %
        interval `corrected_lower`, `corrected_upper`.
    folds
        One row a fold and quantity: `fold`, `n_patients`, `n_donors` (held out; normal donors), `n_chosen`,
        `quantity`, `training`, `training_matched`, `held_out`.
    gates
        One row a gate that some fold chose, or that was asked for: `gate`, `n_chosen` of `n_folds`, and per
        quantity `*_training` and `*_heldout`, means over the folds that chose it, each measured on one fold's people,
        and `*_shrinkage`, their difference; missing if no fold chose it. A gate that every fold chose was measured on
        everybody, so its own shrinkage is nil: how much choosing flatters is told by `procedure`.
    """

    procedure: pd.DataFrame
    folds: pd.DataFrame
    gates: pd.DataFrame


def crossfit(
    panel: Panel,
    *,
    candidates: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    floor: float = 0.5,
    top: int = 100,
    gates: Sequence[str] = (),
    progress: bool = True,
) -> CrossFit:
    r"""Select on all folds but one and measure on the one left out, in turn.

    For fold :math:`f` the search chooses the first `top` ranked gates :math:`C_f` on all other folds. With
    :math:`q_h(g)` a quantity of gate :math:`g` measured on the people of fold :math:`h` alone, and :math:`q_{-f}` on
    all people but those of :math:`f`,

    .. math::
        \text{held out} = \operatorname{mean}_f \operatorname{mean}_{g \in C_f} q_f(g), \qquad
        \text{training} = \operatorname{mean}_f \operatorname{mean}_{g \in C_f} q_{-f}(g), \qquad
        \text{matched} = \operatorname{mean}_f \operatorname{mean}_{g \in C_f} \operatorname{mean}_{h \ne f} q_h(g)

    The people of fold :math:`f` had no part in choosing :math:`C_f`. The worst of many groups is high by chance the
    more the smaller the groups are, so what is held out is compared with training *matched* for the number of people:
    the shrinkage, matched minus held out, is what the choice flatters. Training minus shrinkage is the corrected
    estimate (for coverage, a mean, that is the held-out one); its interval is Student's over folds, with the variance
    of Nadeau and Bengio, since folds share most of their training. On samples of known truth coverage and exposure
    are unbiased; liability, a worst of many, still errs on the high side (benchmarks/selection.py).
    Measured are plain fractions, not posterior medians, whose prior weighs more on few donors:

    - `coverage`: as in the tables (mean over patients);
    - `exposure`: mean of weight × fraction hit over the normal populations that may decide;
    - `liability`: the worst of weight × fraction hit over them; a summary or stain that counts as exposed included;
    - `selectivity`: coverage (in single cell its tenth percentile over patients) minus liability.

    Which populations may decide (not thin, five donors or more) is taken from the whole atlas, and what summaries and
    stains say is the same in every fold: they have no donors to hold out.

    Parameters
    ----------
    panel
        Evidence on the antigens, from all observations (`cartarget.build_panel`).
    candidates
        Antigens that may stand in a gate.
    folds
        How many, at least 2.
    seed
        Seed of the dealing. The result does not depend on the number of threads.
    floor
        Coverage that makes a gate eligible.
    top
        Ranked gates that count as chosen.
    gates
        Gates to report even if no fold chose them.
    progress
        Show a progress bar.

    Returns
    -------
    `CrossFit`. A fold whose search ranks no gate adds nothing to the means.

    Raises
    ------
    InputError
        Fewer than two folds, or fewer patients or normal donors than folds.

    References
    ----------
    Stone, J R Stat Soc B 1974, doi:10.1111/j.2517-6161.1974.tb00994.x; Nadeau & Bengio, Machine Learning 2003,
    doi:10.1023/A:1024068626366.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=8, n_donors=8, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> antigens = ["CEACAM5", "MSLN", "MUC16"]
    >>> panel = cartarget.build_panel(atlas, symbols=antigens, required=["colon", "lung"], origin=["colon"])
    >>> found = crossfit(panel, candidates=antigens, folds=2, top=1, progress=False)
    >>> found.gates[["gate", "n_chosen", "n_folds"]].values.tolist()
    [['CEACAM5 & MSLN', 2, 2]]
    """
    given = gifts(panel)
    fold_of = deal(given, folds=folds, seed=seed)
    everybody = np.unique(given["donor"].to_numpy())
    alone = [of_donors(panel, everybody[fold_of[everybody] == fold]) for fold in range(folds)]
    parts, sizes = [], []
    for fold in tqdm(range(folds), desc="folds", unit="fold", disable=None if progress else True, leave=False):
        held = fold_of[given["donor"]] == fold
        rest = of_donors(panel, everybody[fold_of[everybody] != fold])
        chosen = _chosen(rest, candidates=candidates, floor=floor, top=top)
        parts.append(_measured(rest, alone, chosen, fold=fold))
        people = [given.loc[held & (given["side"] == side), "donor"].nunique() for side in ("tumor", "normal")]
        sizes.append((fold, *people, len(chosen)))
    rows = pd.concat(parts, ignore_index=True)
    table = _fold_table(rows, pd.DataFrame(sizes, columns=["fold", "n_patients", "n_donors", "n_chosen"]))
    return CrossFit(procedure=_procedure(table), folds=table, gates=_gate_table(rows, gates, folds))


def deal(given: pd.DataFrame, *, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal people into folds; one person, one fold, whatever the side.

    People who gave the same tissues are shuffled and dealt out in turn, so that small tissues are spread evenly.

    Parameters
    ----------
    given
        What people gave: `donor` (a number), `side`, `tissue` (`cartarget.evidence.people.gifts`).
    folds, seed
        As for :func:`crossfit`.

    Returns
    -------
    Fold of each donor, −1 where nobody bears the number.

    Raises
    ------
    InputError
        Fewer than two folds, or fewer patients or normal donors than folds.

    Examples
    --------
    >>> given = pd.DataFrame({"donor": [0, 1, 0, 2], "side": ["tumor", "tumor", "normal", "normal"],
    ...                       "tissue": ["tumor", "tumor", "colon", "colon"]})
    >>> sorted(deal(given, folds=2, seed=0).tolist())
    [0, 0, 1]
    """
    if folds < 2:
        raise InputError(f"folds: found {folds}; one fold has to be held out from another: give at least 2")
    for side, word in (("tumor", "patients"), ("normal", "normal donors")):
        n = given.loc[given["side"] == side, "donor"].nunique()
        if n < folds:
            fix = f"give at most {n} folds" if n > 1 else "nothing can be held out: add donors, or do not cross-fit"
            raise InputError(f"cross-fitting in {folds} folds needs as many {word}; the atlas has {n}; {fix}")
    return deal_people(given, folds=folds, seed=seed)


def deal_people(given: pd.DataFrame, *, folds: int, seed: int) -> NDArray[np.int64]:
    """As :func:`deal`, for people of one side or both, however few.

    Examples
    --------
    >>> patients = pd.DataFrame({"donor": [0, 1, 2, 3], "side": "tumor", "tissue": ["a", "a", "b", "b"]})
    >>> fold = deal_people(patients, folds=2, seed=0)
    >>> bool(fold[0] != fold[1]), bool(fold[2] != fold[3])
    (True, True)
    """
    place = given["side"].astype(str) + "\t" + given["tissue"].astype(str)
    gave = place.groupby(given["donor"].to_numpy(), sort=True).agg(lambda places: "\n".join(sorted(set(places))))
    (stream,) = np.random.SeedSequence(seed).spawn(1)
    order = np.random.default_rng(stream).permutation(len(gave))
    shuffled = gave.iloc[order].sort_values(kind="stable")
    fold = np.full(int(gave.index.max()) + 1, -1, dtype=np.int64)
    fold[shuffled.index.to_numpy()] = np.arange(len(shuffled)) % folds
    return fold


def _chosen(panel: Panel, *, candidates: Sequence[str], floor: float, top: int) -> Gates:
    """The first `top` ranked gates of a search, best first."""
    found = screen_gates(panel, candidates=candidates, floor=floor, top=2 * top, progress=False)
    rows = np.flatnonzero(found.table["rank"].notna().to_numpy())[:top]
    return found.gates.take(rows)


def plain_scores(panel: Panel, *, gates: Gates) -> pd.DataFrame:
    """Coverage, exposure, liability and selectivity of gates from plain fractions, outside the origin.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.

    Returns
    -------
    One row a gate, the columns of `QUANTITIES` (see :func:`crossfit`). Populations in which a gate is not counted are
    left out; a gate that is counted nowhere has a missing exposure, and a liability of 0 unless a summary says more.
    """
    judged, units = judge(panel, gates), panel.units
    decides = panel.decides & ~panel.is_origin
    counted = judged.told[:, decides]
    load = (judged.low * panel.weight)[:, decides]
    total, n = np.where(counted, load, 0.0).sum(axis=1), counted.sum(axis=1)
    weighs = ~units["is_origin"].to_numpy(dtype=bool)
    of_unit = np.where((judged.unit_state == EXPOSED) & weighs, units["weight"].to_numpy(dtype=np.float64), 0.0)
    liability = np.maximum(np.where(counted, load, 0.0).max(axis=1, initial=0.0), of_unit.max(axis=1, initial=0.0))
    tumor = judged.low[:, panel.is_tumor]
    coverage = tumor @ panel.patient_weight
    least = np.quantile(tumor[:, panel.tells_low_end], 0.1, axis=1) if panel.kind == "cells" else coverage
    exposure = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    values = (coverage, exposure, liability, least - liability)
    return pd.DataFrame(dict(zip(QUANTITIES, values, strict=True)))


def _measured(rest: Panel, alone: Sequence[Panel], gates: Gates, *, fold: int) -> pd.DataFrame:
    """The gates that fold `fold` chose: on all who chose, on each fold of them, and on the people held out."""
    training = plain_scores(rest, gates=gates)
    matched = sum(plain_scores(one, gates=gates) for h, one in enumerate(alone) if h != fold) / (len(alone) - 1)
    held_out = plain_scores(alone[fold], gates=gates)
    frame = pd.DataFrame({"gate": gates.names(rest.symbols), "fold": fold})
    return frame.join([training.add_suffix("_training"), matched.add_suffix("_matched"), held_out.add_suffix("_held")])


def _fold_table(rows: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    means = rows.drop(columns="gate").groupby("fold", sort=True).mean()
    parts = []
    for name in QUANTITIES:
        columns = {"training": "training", "matched": "training_matched", "held": "held_out"}
        part = means[[f"{name}_{short}" for short in columns]].set_axis(list(columns.values()), axis=1)
        parts.append(part.reset_index().assign(quantity=name))
    return sizes.merge(pd.concat(parts), on="fold", how="left")[
        ["fold", "n_patients", "n_donors", "n_chosen", "quantity", "training", "training_matched", "held_out"]
    ]


def _procedure(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in QUANTITIES:
        part = table[table["quantity"] == name].dropna(subset=["training", "training_matched", "held_out"])
        shrinkage = part["training_matched"] - part["held_out"]
        lower, upper = _student((part["training"] - shrinkage).to_numpy(dtype=np.float64))
        least = -1.0 if name == "selectivity" else 0.0
        means = part[["training", "training_matched", "held_out"]].mean()
        corrected = means["training"] - shrinkage.mean()
        rows.append((name, *means, shrinkage.mean(), corrected, max(least, lower), min(1.0, upper)))
    names = ["training", "training_matched", "held_out", "shrinkage", "corrected", "corrected_lower", "corrected_upper"]
    return pd.DataFrame(rows, columns=["quantity", *names])


def _student(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of a mean over folds; unbounded if fewer than two values are known.

    Folds share most of the people who chose, so their variance is raised by test over training size, as for
    repeated splits.
    """
    n = len(values)
    if n < 2:
        return -np.inf, np.inf
    scale = float(values.std(ddof=1) * np.sqrt(1 / n + 1 / (n - 1)))
    half = float(student.ppf((1 + LEVEL) / 2, n - 1)) * scale
    return float(values.mean()) - half, float(values.mean()) + half


def _gate_table(rows: pd.DataFrame, asked: Sequence[str], folds: int) -> pd.DataFrame:
    """Per gate, means over the folds that chose it; those chosen most often first, then by selectivity held out."""
    grouped = rows.drop(columns="fold").groupby("gate", sort=True)
    means = grouped.mean().assign(n_chosen=grouped.size())
    means = means.reindex(means.index.union(pd.Index(list(asked), dtype=object)))
    table = pd.DataFrame({"gate": means.index.astype(object)}, index=means.index)
    table["n_chosen"] = means["n_chosen"].fillna(0).astype(np.int64)
    table["n_folds"] = folds
    for name in QUANTITIES:
        table[f"{name}_training"] = means[f"{name}_matched"]
        table[f"{name}_heldout"] = means[f"{name}_held"]
        table[f"{name}_shrinkage"] = means[f"{name}_matched"] - means[f"{name}_held"]
    order = ["n_chosen", "selectivity_heldout", "gate"]
    return table.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)
