"""Escape: what the malignant cells carry that a gate leaves, and the second gate that catches most of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import GateError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.malignant import Malignant, Mixtures, malignant_cells
from cartarget.evidence.panel import Panel
from cartarget.evidence.patients import weigh_patients
from cartarget.logic.gate import Gate
from cartarget.selection.lesions import patient_coverage
from cartarget.selection.loss import Loss, hard_to_lose, over_patients, residual_of
from cartarget.selection.missed import ALL, left_bits, long_rows, missed_by, parsed

SHOWN = 3
"""Antigens named of the cells that are left."""

COMMON = 0.1
"""Share of the cells left that must carry an antigen for it to be named."""


def left_carry(panel: Panel, gate: str | Gate) -> pd.DataFrame:
    """What the malignant cells carry that a gate leaves: each antigen of the panel, patient by patient.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gate
        The gate.

    Returns
    -------
    One row a patient and antigen that was measured in him, the most frequent first: `patient`, `symbol`, `n_left`,
    `n_carry`, `carry` (their ratio), `carry_lower`, `carry_upper` (95 %, his cells as units). Patients of whom no cell
    is left, or of whom it is not known, have no row; nor has bulk, which cannot say what single cells carry.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> table = left_carry(panel, "CEACAM5 & MSLN")
    >>> bool((table["n_carry"] <= table["n_left"]).all())
    True
    """
    gates = parsed([gate], panel)
    cells = malignant_cells(panel)
    left = left_bits(cells, gates)[0]
    n_left = np.where(cells.is_known(gates)[0], cells.count(left[None])[0], 0)
    carry = cells.count(cells.words & left)
    symbol, patient = np.nonzero(cells.is_measured & (n_left > 0))
    count, total = carry[symbol, patient], n_left[patient]
    lower, upper = fraction_interval(count / total, total)
    table = pd.DataFrame(
        {
            "patient": np.array(cells.patients, dtype=object)[patient],
            "symbol": np.array(panel.symbols, dtype=object)[symbol],
            "n_left": total, "n_carry": count, "carry": count / total, "carry_lower": lower, "carry_upper": upper,
        }
    )  # fmt: skip
    order = np.lexsort((table["symbol"].to_numpy(dtype=str), -table["carry"].to_numpy(), patient))
    return table.iloc[order].reset_index(drop=True)


def second_gate(panel: Panel, gate: str | Gate, *, partners: Sequence[str | Gate]) -> pd.DataFrame:
    """What each partner would catch of the malignant cells that a gate leaves, the best first.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gate
        The gate.
    partners
        Gates that may follow or join it; the gate itself is passed over. Whether each is safe is for the caller to see
        to: `both` is the gate to score if the two are given together.

    Returns
    -------
    One row a partner and patient, and one with the patient `all` a partner: `partner`, `patient`, `both` (the OR of the
    two; missing if it hits every cell there is), `catches` (share of the cells left that the partner hits; missing
    where none is left), `left_both` (share of all malignant cells that both leave). `all` is the mean over the patients
    of whom both gates are known, weighed as in coverage; its `catches` is 1 − mean left by both / mean left by the
    gate. Sorted by patient (`all` first), then `left_both`, fewer antigens, name. No row where no malignant cell was
    counted.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> second_gate(panel, "CEACAM5", partners=["CEACAM5", "MSLN"])["both"].unique().tolist()
    ['CEACAM5 | MSLN']
    """
    first = parsed([gate], panel)
    own = first.gates(panel.symbols)[0]
    listed = parsed([one for one in parsed(partners, panel).gates(panel.symbols) if one != own], panel)
    if not len(listed):
        return pd.DataFrame(columns=[*_SECOND]).astype({"catches": float, "left_both": float})
    cells = malignant_cells(panel)
    left = left_bits(cells, first)[0]
    known = cells.is_known(first) & cells.is_known(listed)
    of_gate = cells.count(left[None]) / np.maximum(cells.n_cells, 1)
    of_both = cells.count(left_bits(cells, listed) & left) / np.maximum(cells.n_cells, 1)
    weight = np.zeros(len(cells.patients))
    weight[cells.n_cells > 0] = weigh_patients(cells.n_cells[cells.n_cells > 0])
    before, after = (_with_mean(np.where(known, share, np.nan), weight) for share in (of_gate, of_both))
    seconds = listed.gates(panel.symbols)
    table = long_rows(
        [str(one) for one in seconds],
        [ALL, *cells.patients],
        place=np.tile(np.arange(len(cells.patients) + 1), len(seconds)),
        size=np.repeat([len(one.antigens) for one in seconds], len(cells.patients) + 1),
        both=np.repeat(np.array([_either(own, one) for one in seconds], dtype=object), len(cells.patients) + 1),
        catches=1 - np.divide(after, before, out=np.full(after.shape, np.nan), where=before > 0),
        left_both=after.round(12),  # equal however it was summed
    ).rename(columns={"gate": "partner"})
    table = table[table["left_both"].notna()].sort_values(["place", "left_both", "size", "partner"], ignore_index=True)
    return table[[*_SECOND]]


_SECOND = ("partner", "patient", "both", "catches", "left_both")


def _with_mean(share: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows × patients with the weighed mean over the known ones in front; NaN where nobody is known."""
    own = np.where(np.isnan(share), 0.0, weight)
    total = own.sum(axis=1)
    mean = np.divide((own * np.nan_to_num(share)).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    return np.column_stack([mean, share])


def _either(one: Gate, other: Gate) -> str | None:
    """The OR of two gates; None where one contains the negation of the other, so that all cells are hit."""
    try:
        return str(one | other)
    except GateError:
        return None


def escape_table(
    panel: Panel,
    gates: Sequence[str | Gate],
    partners: Sequence[str | Gate],
    *,
    loss: Loss = 0.05,
    skewed_lrt: Mapping[str, float] | None = None,
    mixtures: Mixtures | None = None,
    named: Collection[str] | None = None,
) -> pd.DataFrame:
    """What each gate leaves, what that carries, and the gate that catches most of it: all patients, then each.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates.
    partners
        Gates of which a second one may be named; those that break a cap should not be among them.
    loss
        Share of cells that lose an antigen (see `cartarget.selection.loss.residual`).
    skewed_lrt
        How selectively cell lines need each antigen (see `cartarget.selection.loss.hard_to_lose`).
    mixtures
        Threshold and purity of bulk samples.
    named
        Antigens that may be named as carried: those worth a second product. None: all.

    Returns
    -------
    For each gate a row of the patient `all` and one of each patient: the columns of :func:`missed_by`; `n_lesions`,
    `worst_lesion`, `left_worst_lesion` (see `cartarget.selection.lesions.patient_coverage`); `carried` (antigens of
    which a tenth or more of the cells left are positive, three at most, with their share); `second_gate`,
    `second_catches`, `left_both` (see :func:`second_gate`; no partner that catches anything: missing); `residual` at
    the loss; `hard_to_lose`. In the row `all`, `left` is the mean over the patients of counted cells, weighed as in
    coverage, its interval has patients as units, and `n_cells`, `n_left` are
    sums over the patients of whom the gate is known.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> escape_table(panel, ["CEACAM5"], ["MSLN"])["patient"].tolist()
    ['all', 'patient 1', 'patient 2']
    """
    listed = parsed(gates, panel)
    cells = malignant_cells(panel)
    share = residual_of(cells, listed, symbols=panel.symbols, loss=loss)
    table = missed_by(panel, gates, mixtures=mixtures)
    lesions = patient_coverage(panel, gates).set_index(["gate", "patient"])
    parts = []
    for at, gate in enumerate(listed.gates(panel.symbols)):
        own = table[table["gate"] == str(gate)]
        own = pd.concat([_over_all(own), own], ignore_index=True)
        worst = lesions.loc[str(gate)].reindex(own["patient"]) if len(lesions) else lesions.reindex(own["patient"])
        mean, _, _ = over_patients(share[at], cells.n_cells)
        left = {ALL: mean} | dict(zip(cells.patients, share[at], strict=True))
        second = second_gate(panel, gate, partners=partners)
        second = second[second["catches"] > 0].drop_duplicates("patient").set_index("patient")
        parts.append(
            own.assign(
                n_lesions=pd.array(worst["n_lesions"], dtype="Int64"),
                worst_lesion=worst["worst_lesion"].to_numpy(dtype=object),
                left_worst_lesion=1 - worst["coverage_worst"].to_numpy(dtype=np.float64),
                carried=own["patient"].map(_carried(_of(left_carry(panel, gate), named), cells)),
                second_gate=own["patient"].map(second["partner"]),
                second_catches=own["patient"].map(second["catches"]),
                left_both=own["patient"].map(second["left_both"]),
                residual=own["patient"].map(left).astype(float),
                hard_to_lose=hard_to_lose(gate, skewed_lrt),
            )
        )
    return pd.concat(parts, ignore_index=True)


def _over_all(own: pd.DataFrame) -> pd.DataFrame:
    """The row over all patients of one gate."""
    counted = own[own["left"].notna()]
    n = counted["n_cells"].to_numpy(dtype=np.int64)
    mean, _, _ = over_patients(counted["left"].to_numpy(dtype=np.float64), n)
    lower, upper = fraction_interval(np.nan_to_num(mean), len(counted))
    row = {
        "gate": own["gate"].iloc[0], "patient": ALL, "evidence": "cells" if len(counted) else own["evidence"].iloc[0],
        "n_cells": n.sum() if len(n) else pd.NA, "n_left": counted["n_left"].sum() if len(n) else pd.NA,
        "left": mean, "left_lower": lower.item(), "left_upper": upper.item(), "is_shown": pd.NA, "note": _of_whom(own),
    }  # fmt: skip
    return pd.DataFrame([row]).astype(own.dtypes)


def _of_whom(own: pd.DataFrame) -> str:
    """How many patients a gate is known of, and from what."""
    is_bulk = own["evidence"] == "samples"
    n = {
        "of counted cells": int(own["left"].notna().sum()),
        "unknown": int((own["left"].isna() & ~is_bulk).sum()),
        "of bulk samples that do not show the gate": int((~own["is_shown"]).sum()),
        "of bulk samples that show it": int(own["is_shown"].sum()),
        "of bulk samples unknown": int((is_bulk & own["is_shown"].isna()).sum()),
    }
    return "patients " + ", ".join(f"{told}: {many}" for told, many in n.items() if many)


def _of(table: pd.DataFrame, named: Collection[str] | None) -> pd.DataFrame:
    return table if named is None else table[table["symbol"].isin(list(named))]


def _carried(table: pd.DataFrame, cells: Malignant) -> dict[str, str]:
    """What the cells left of each patient, and of all, carry most often, in words."""
    n = dict(zip(cells.patients, cells.n_cells, strict=True))
    people = table.drop_duplicates("patient")
    weight = dict(zip(people["patient"], weigh_patients(people["patient"].map(n).to_numpy(dtype=float)), strict=True))
    of_all = table.assign(w=table["n_left"] / table["patient"].map(n) * table["patient"].map(weight))
    sums = of_all.assign(carry=of_all["carry"] * of_all["w"]).groupby("symbol")[["carry", "w"]].sum()
    mean = (sums["carry"] / sums["w"]).rename("carry").reset_index()
    mean = mean.sort_values(["carry", "symbol"], ascending=[False, True])
    return {
        str(patient): ", ".join(f"{name} {carry:.2f}" for name, carry in _first(own))
        for patient, own in [(ALL, mean), *table.groupby("patient", sort=False)]
        if len(own)
    }


def _first(table: pd.DataFrame) -> list[tuple[str, float]]:
    """The antigens that are named."""
    chosen = table[table["carry"] >= COMMON].head(SHOWN)
    return list(zip(chosen["symbol"].astype(str), chosen["carry"], strict=True))
