"""Selection without flattery: choose on some people, measure on others.

The best of millions is partly luck: it looks better on the people who chose it than on anyone else. So patients *and*
normal donors are dealt into folds, by donor id, each person into one fold whatever the side. For each fold the whole
search is run on everybody else, and the gates that it puts first are measured on the people held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.stats import t as student
from tqdm import tqdm

from cartarget.errors import InputError
from cartarget.evidence.packed import Packed
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.judge import AT_LEAST, COUNTED, EXPOSED, judge
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
    primary: AnnData,
    candidates: Sequence[str],
    folds: int = 5,
    seed: int = 0,
    floor: float = 0.5,
    top: int = 100,
    gates: Sequence[str] = (),
    bulk: float = 10.0,
    count: int = 1,
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
    - `selectivity`: coverage minus liability.

    Which populations may decide (not thin, five donors or more) is taken from the whole atlas, and what summaries and
    stains say is the same in every fold: they have no donors to hold out.

    Parameters
    ----------
    panel
        Evidence on the antigens, from all observations (`cartarget.build_panel`).
    primary
        The harmonised atlas that `panel` was built from.
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
    bulk, count
        Thresholds, those of `panel`.
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
    >>> found = crossfit(panel, primary=atlas, candidates=antigens, folds=2, top=1, progress=False)
    >>> found.gates[["gate", "n_chosen", "n_folds"]].values.tolist()
    [['CEACAM5 & MSLN', 2, 2]]
    """
    fold_of = deal(primary.obs, folds=folds, seed=seed)
    tumor = (primary.obs["side"].astype(str) == "tumor").to_numpy()
    person = primary.obs["donor"].astype(str).to_numpy()
    alone = [restrict(panel, primary=primary[fold_of == fold], bulk=bulk, count=count) for fold in range(folds)]
    parts, sizes = [], []
    for fold in tqdm(range(folds), desc="folds", unit="fold", disable=None if progress else True, leave=False):
        held = fold_of == fold
        rest = restrict(panel, primary=primary[~held], bulk=bulk, count=count)
        chosen = _chosen(rest, candidates=candidates, floor=floor, top=top)
        parts.append(_measured(rest, alone, chosen, fold=fold))
        sizes.append((fold, len(set(person[held & tumor])), len(set(person[held & ~tumor])), len(chosen.a)))
    rows = pd.concat(parts, ignore_index=True)
    table = _fold_table(rows, pd.DataFrame(sizes, columns=["fold", "n_patients", "n_donors", "n_chosen"]))
    return CrossFit(procedure=_procedure(table), folds=table, gates=_gate_table(rows, gates, folds))


def deal(obs: pd.DataFrame, *, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal people into folds; one person, one fold, whatever the side.

    People who gave the same tissues are shuffled and dealt out in turn, so that small tissues are spread evenly.

    Parameters
    ----------
    obs
        Observations with `donor`, `side`, `tissue`.
    folds, seed
        As for :func:`crossfit`.

    Returns
    -------
    Fold of each observation.

    Raises
    ------
    InputError
        Fewer than two folds, or fewer patients or normal donors than folds.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor": ["a", "b", "a", "c"], "side": ["tumor", "tumor", "normal", "normal"],
    ...                     "tissue": ["tumor", "tumor", "colon", "colon"]})
    >>> fold = deal(obs, folds=2, seed=0)
    >>> bool(fold[0] == fold[2]), bool(fold[0] != fold[1])
    (True, True)
    """
    if folds < 2:
        raise InputError(f"folds: found {folds}; one fold has to be held out from another: give at least 2")
    frame = pd.DataFrame({name: obs[name].astype(str).to_numpy() for name in ("donor", "side", "tissue")})
    for side, word in (("tumor", "patients"), ("normal", "normal donors")):
        n = frame.loc[frame["side"] == side, "donor"].nunique()
        if n < folds:
            fix = f"give at most {n} folds" if n > 1 else "nothing can be held out: add donors, or do not cross-fit"
            raise InputError(f"cross-fitting in {folds} folds needs as many {word}; the atlas has {n}; {fix}")
    frame["place"] = frame["side"] + "\t" + frame["tissue"]
    gave = frame.groupby("donor", sort=True)["place"].agg(lambda places: "\n".join(sorted(set(places))))
    (stream,) = np.random.SeedSequence(seed).spawn(1)
    order = np.random.default_rng(stream).permutation(len(gave))
    shuffled = gave.iloc[order].sort_values(kind="stable")
    fold = pd.Series(np.arange(len(shuffled)) % folds, index=shuffled.index)
    return frame["donor"].map(fold).to_numpy(dtype=np.int64)


def restrict(panel: Panel, *, primary: AnnData, bulk: float = 10.0, count: int = 1) -> Panel:
    """The same panel on some of its observations.

    Parameters
    ----------
    panel
        Evidence from all observations.
    primary
        The harmonised atlas of `panel`, fewer observations.
    bulk, count
        Thresholds.

    Returns
    -------
    `Panel`. Which populations are thin and how many donors measure them is what the whole atlas says; counts,
    fractions, effective numbers and levels are those of the observations given. Summaries and stains stay.
    """
    part = build_panel(
        primary, symbols=panel.symbols, required=panel.required, origin=panel.origin, bulk=bulk, count=count
    )
    own = ["n_donors", "is_thin"]
    normal = ~part.is_tumor
    design = panel.populations.set_index("population")[own]
    table = part.populations.copy()
    table.loc[normal, own] = design.loc[table.loc[normal, "population"]].to_numpy()
    table = table.astype({"n_donors": np.int64, "is_thin": bool})
    packed = Packed(part.symbols, part.packed.words, part.packed.segments, table, part.packed.is_measured)
    return replace(
        part,
        packed=packed,
        units=panel.units,
        value=panel.value,
        is_above=panel.is_above,
        is_flagged=panel.is_flagged,
    )


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
    judged = judge(panel, a=gates.a, b=gates.b, op=gates.op)
    table, units = panel.populations, panel.units
    decides = ~panel.is_tumor & ~table["is_thin"].to_numpy(dtype=bool)
    decides &= ~table["is_origin"].fillna(False).to_numpy(dtype=bool)
    weight = table["weight"].fillna(0.0).to_numpy(dtype=np.float64)
    counted = np.isin(judged.state, (COUNTED, AT_LEAST))[:, decides]
    load = (judged.fraction * weight)[:, decides]
    total, n = np.where(counted, load, 0.0).sum(axis=1), counted.sum(axis=1)
    weighs = ((units["cap"] < 1) & ~units["is_origin"].astype(bool)).to_numpy(dtype=bool)
    of_unit = np.where((judged.unit_state == EXPOSED) & weighs, units["weight"].to_numpy(dtype=np.float64), 0.0)
    liability = np.maximum(np.where(counted, load, 0.0).max(axis=1, initial=0.0), of_unit.max(axis=1, initial=0.0))
    coverage = judged.fraction[:, panel.is_tumor].mean(axis=1)
    exposure = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    values = (coverage, exposure, liability, coverage - liability)
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
