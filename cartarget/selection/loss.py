"""Antigen loss: what is left of a tumour when cells lose antigens at a stated rate, for OR and for AND."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import GateError, InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.malignant import Malignant, malignant_cells
from cartarget.evidence.panel import Panel
from cartarget.evidence.patients import weigh_patients
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.screen import score_gates
from cartarget.surface.orthologs import SELECTIVE

MOST = 12
"""Antigens of a gate whose patterns are counted: 4,096."""

RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Rates of loss at which the curve is drawn."""


def residual_of(cells: Malignant, gates: Gates, *, symbols: Sequence[str], loss: Loss) -> NDArray[np.float64]:
    """As :func:`residual`, gates × patients; NaN where a gate is not known."""
    known, out = cells.is_known(gates), np.full((len(gates), len(cells.patients)), np.nan)
    for at, gate in enumerate(gates.gates(symbols)):
        words = [cells.words[symbols.index(name)] for name in gate.antigens]
        share = cells.count(_patterns(words, gate) & cells.valid) / np.maximum(cells.n_cells, 1)
        out[at] = np.where(known[at], 1 - _chance(gate, loss).ravel() @ share, np.nan)
    return np.clip(out, 0.0, 1.0)


Loss = float | Mapping[str, float]
"""Share of cells that lose an antigen: one rate for all, or one for each."""


def residual(panel: Panel, gates: Sequence[str | Gate], *, loss: Loss) -> pd.DataFrame:
    r"""What is left of each tumour when its cells lose antigens, each independently of the others.

    A cell that carries antigen :math:`i` loses it with the chance :math:`r_i`. With :math:`n_s` of :math:`n` cells that
    carry the antigens :math:`s` of the gate's, and :math:`g(t) = 1` where the gate hits a cell of the antigens
    :math:`t`,

    .. math:: R = 1 - \sum_s \frac{n_s}{n} \sum_{t \subseteq s} g(t) \prod_{i \in t} (1 - r_i)
        \prod_{i \in s \setminus t} r_i .

    Of cells that carry both, `A | B` leaves :math:`r^2` and `A & B` leaves :math:`1 - (1 - r)^2`. The patterns are
    counted, so antigens that stand in different cells are told from antigens that stand together. A blocker is not
    lost: nothing selects for it.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates of at most twelve antigens.
    loss
        Share of the cells that lose an antigen that is sensed, in [0, 1]: one rate, or antigen → rate.

    Returns
    -------
    One row a gate and patient of counted cells: `gate`, `patient`, `n_cells`, `residual`, `residual_lower`,
    `residual_upper` (95 % on the patient's own cells, the rate taken as stated). An unknown gate has a missing residual
    and the interval 0 to 1. Bulk has no row: it cannot say which antigens stand in one cell.

    Raises
    ------
    InputError
        A rate is not in [0, 1], or an antigen that is sensed has none.
    GateError
        A gate has more antigens, or names one that the panel lacks.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> residual(panel, ["CEACAM5 | MSLN"], loss=1.0)["residual"].tolist()
    [1.0, 1.0]
    """
    listed = Gates.parse(list(gates), panel=panel)
    cells = malignant_cells(panel)
    share = residual_of(cells, listed, symbols=panel.symbols, loss=loss)
    n = np.where(np.isnan(share), 0, cells.n_cells)
    lower, upper = fraction_interval(np.nan_to_num(share), n)
    return pd.DataFrame(
        {
            "gate": np.repeat(np.array(listed.names(panel.symbols), dtype=object), len(cells.patients)),
            "patient": list(cells.patients) * len(listed),
            "n_cells": np.tile(cells.n_cells, len(listed)),
            "residual": share.ravel(), "residual_lower": lower.ravel(), "residual_upper": upper.ravel(),
        }
    )  # fmt: skip


def _patterns(words: Sequence[NDArray[np.uint64]], gate: Gate) -> NDArray[np.uint64]:
    """Cells of each pattern of presence, patterns × words; the first antigen varies slowest."""
    if len(words) > MOST:
        raise GateError(f"gate {str(gate)!r} has {len(words)} antigens; residuals are counted of at most {MOST}")
    found = []
    for present in product((False, True), repeat=len(words)):
        held = [word if is_there else ~word for word, is_there in zip(words, present, strict=True)]
        found.append(np.bitwise_and.reduce(held))
    return np.stack(found)


def _chance(gate: Gate, loss: Loss) -> NDArray[np.float64]:
    """Chance that a cell of each pattern is still hit after the loss; one axis of two an antigen."""
    present = np.indices((2,) * len(gate.antigens)).astype(bool)
    chance = np.asarray(gate.evaluate(dict(zip(gate.antigens, present, strict=True))), dtype=np.float64)
    for axis, name in enumerate(gate.antigens):
        rate = 0.0 if _is_blocker(gate, name) else _rate(loss, name)
        lost, kept = np.split(chance, 2, axis=axis)
        chance = np.concatenate([lost, rate * lost + (1 - rate) * kept], axis=axis)
    return chance


def _is_blocker(gate: Gate, name: str) -> bool:
    return all(one.is_negated for one in gate.literals if one.symbol == name)


def _rate(loss: Loss, name: str) -> float:
    rate = loss.get(name) if isinstance(loss, Mapping) else loss
    if rate is None:
        raise InputError(f"loss: found no rate for {name}; give one in [0, 1], or one rate for all antigens")
    if not 0 <= rate <= 1:
        raise InputError(f"loss: found {rate:g} for {name}; expected a share of cells in [0, 1]")
    return float(rate)


def tradeoff(panel: Panel, a: str, b: str, *, rates: Sequence[float] = RATES) -> pd.DataFrame:
    """OR against AND of two antigens: what is left at each rate of loss, and what each does to normal tissue.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    a, b
        Two antigens.
    rates
        Rates of loss, the same for both antigens.

    Returns
    -------
    One row a gate (`A`, `B`, `A | B`, `A & B`) and rate: `gate`, `loss`, `residual` (mean over the patients of counted
    cells, weighed as in coverage), `residual_worst` (the patient with most left), `n_patients` of whom it is known, and
    the gate's `liability` and `safety_class`, which do not depend on the rate. No known patient: residuals are missing.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> curve = tradeoff(panel, "CEACAM5", "MSLN", rates=[0.0, 0.1]).pivot(index="loss", columns="gate")["residual"]
    >>> bool((curve["CEACAM5 | MSLN"] <= curve["CEACAM5 & MSLN"]).all())
    True
    """
    one, other = Gate.literal(a), Gate.literal(b)
    listed = Gates.parse([one, other, one | other, one & other], panel=panel)
    cells = malignant_cells(panel)
    scores = score_gates(panel, gates=listed)
    rows = []
    for rate in rates:
        share = residual_of(cells, listed, symbols=panel.symbols, loss=rate)
        for at, gate in enumerate(scores["gate"]):
            mean, worst, n = over_patients(share[at], cells.n_cells)
            rows.append((gate, rate, mean, worst, n, scores["liability"].iloc[at], scores["safety_class"].iloc[at]))
    names = ["gate", "loss", "residual", "residual_worst", "n_patients", "liability", "safety_class"]
    return pd.DataFrame(rows, columns=names)


def over_patients(share: NDArray[np.float64], n_cells: NDArray[np.int64]) -> tuple[float, float, int]:
    """Mean over the patients of whom a share is known, weighed as in coverage, the highest, and how many they are.

    Examples
    --------
    >>> over_patients(np.array([0.5, 0.1, np.nan]), np.array([1, 1, 10]))
    (0.3, 0.5, 2)
    """
    known = np.flatnonzero(~np.isnan(share))
    if not len(known):
        return float("nan"), float("nan"), 0
    return float(weigh_patients(n_cells[known]) @ share[known]), float(share[known].max()), len(known)


def hard_to_lose(gate: str | Gate, skewed_lrt: Mapping[str, float] | None) -> str:
    """Antigens that a gate senses and a tumour would not easily shed, as cancer cell lines need them.

    Losing all is needed to escape an OR, losing one to escape an AND: the first is harder if any is needed, the second
    only if all are. The rate of loss is not changed: what need does to it was not measured.

    Parameters
    ----------
    gate
        The gate.
    skewed_lrt
        Antigen → skewed likelihood ratio (column `skewed_lrt` of the antigens); absent or NaN: not measured. None: the
        run names no table.

    Returns
    -------
    `HSPA5 (530.9)`, `none`, or with what is not known: `none; unknown: MSLN`. Without a table `unknown`.

    Examples
    --------
    >>> hard_to_lose("HSPA5 & MSLN & ~CD4", {"HSPA5": 530.9})
    'HSPA5 (530.9); unknown: MSLN'
    >>> hard_to_lose("MSLN", None)
    'unknown'
    """
    parsed = Gate.parse(gate) if isinstance(gate, str) else gate
    sensed = [name for name in parsed.antigens if not _is_blocker(parsed, name)]
    found = {} if skewed_lrt is None else {name: skewed_lrt.get(name, np.nan) for name in sensed}
    unknown = [name for name in sensed if np.isnan(found.get(name, np.nan))]
    if len(unknown) == len(sensed):
        return "unknown"
    hard = ", ".join(f"{name} ({value:.1f})" for name, value in found.items() if value >= SELECTIVE)
    return (hard or "none") + (f"; unknown: {', '.join(unknown)}" if unknown else "")
