"""Who is missed by what: the malignant cells that gates leave, patient by patient and together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.errors import GateError, InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.malignant import Bulk, Malignant, Mixtures, bulk_tumors, malignant_cells
from cartarget.evidence.packed import WORD, unpack_bits
from cartarget.evidence.panel import Panel
from cartarget.evidence.patients import weigh_patients
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate

_MOST = 62
"""Gates in one `missed_together`: a bit each."""

ALL = "all"
"""What the row over all patients calls the patient."""

NO_CELLS = "unknown: no malignant cell was counted"
NOT_MEASURED = "unknown: an antigen was not measured"
MIXED = "unknown: the sample shows the gate, not which of its cells carry it"
NOT_SHOWN = "unknown: the sample does not show the gate; its purity or its level bounds nothing"
BOUNDED = "bounded from bulk: at least the lower end is left"


def missed_by(panel: Panel, gates: Sequence[str | Gate], *, mixtures: Mixtures | None = None) -> pd.DataFrame:
    """Malignant cells that each gate leaves, patient by patient.

    Of counted cells the share that the gate does not hit, with the 95 % interval on the patient's own cells. A cell in
    which no transcript of an antigen was caught counts as left, so without blockers the truth is at most this share,
    apart from chance. Of a bulk sample the share is not known; a lower bound is given where level and purity allow one
    (see `cartarget.evidence.malignant.bulk_tumors`), the upper end is 1.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates of any shape and size.
    mixtures
        Threshold and purity of bulk samples. None: bulk bounds nothing.

    Returns
    -------
    One row a gate and patient, in the order of the gates: `gate`, `patient`, `evidence` (`cells`, `samples`),
    `n_cells` and `n_left` (cells; missing in bulk), `left`, `left_lower`, `left_upper`, `is_shown` (bulk: whether every
    sample shows the gate; missing for cells) and `note`. Where an antigen was not measured or no malignant cell was
    counted, `left` is missing, its interval 0 to 1, and the note says why.

    Raises
    ------
    GateError
        A gate senses nothing, or names an antigen that the panel lacks.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> table = missed_by(panel, ["CEACAM5 | MSLN"])
    >>> bool(((table["left_lower"] <= table["left"]) & (table["left"] <= table["left_upper"])).all())
    True
    """
    listed = parsed(gates, panel)
    cells = malignant_cells(panel)
    names = listed.names(panel.symbols)
    parts = [_of_cells(cells, listed, names), _of_bulk(bulk_tumors(panel, listed, mixtures=mixtures), names)]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else parts[0]
    order = table["gate"].map({name: at for at, name in enumerate(names)})
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def parsed(gates: Sequence[str | Gate], panel: Panel) -> Gates:
    """Each gate once."""
    read = [gate if isinstance(gate, Gate) else Gate.parse(gate) for gate in gates]
    return Gates.parse(list(dict.fromkeys(read)), panel=panel)


def _of_cells(cells: Malignant, gates: Gates, names: Sequence[str]) -> pd.DataFrame:
    known = cells.is_known(gates)
    left = cells.n_cells - cells.count(cells.hit(gates))
    share = np.where(known, left / np.maximum(cells.n_cells, 1), np.nan)
    lower, upper = fraction_interval(np.nan_to_num(share), np.where(known, cells.n_cells, 0))
    note = np.where(known, "", np.where(cells.n_cells > 0, NOT_MEASURED, NO_CELLS))
    return long_rows(
        names,
        cells.patients,
        evidence=np.full(known.shape, "cells", dtype=object),
        n_cells=pd.array(np.broadcast_to(cells.n_cells, known.shape).ravel(), dtype="Int64"),
        n_left=pd.array(np.where(known, left, np.nan).ravel(), dtype="Int64"),
        left=share, left_lower=lower, left_upper=upper,
        is_shown=pd.array([pd.NA] * known.size, dtype="boolean"), note=note.astype(object),
    )  # fmt: skip


def _of_bulk(bulk: Bulk, names: Sequence[str]) -> pd.DataFrame:
    shape = bulk.n_shown.shape
    shown = bulk.n_shown == bulk.n_samples
    lower = np.where(bulk.is_known, bulk.left_lower, 0.0)
    note = np.where(lower > 0, BOUNDED, np.where(shown, MIXED, NOT_SHOWN))
    missing = pd.array([pd.NA] * bulk.n_shown.size, dtype="Int64")
    return long_rows(
        names,
        bulk.patients,
        evidence=np.full(shape, "samples", dtype=object),
        n_cells=missing, n_left=missing,
        left=np.full(shape, np.nan), left_lower=lower, left_upper=np.ones(shape),
        is_shown=pd.Series(shown.ravel(), dtype="boolean").mask(~bulk.is_known.ravel()).array,
        note=np.where(bulk.is_known, note, NOT_MEASURED).astype(object),
    )  # fmt: skip


def long_rows(names: Sequence[str], patients: Sequence[str], **columns: object) -> pd.DataFrame:
    """Gates × patients as rows."""
    flat = {name: np.ravel(values) if isinstance(values, np.ndarray) else values for name, values in columns.items()}
    return pd.DataFrame(
        {"gate": np.repeat(names, len(patients)).astype(object), "patient": list(patients) * len(names)} | flat
    )


def missed_together(
    panel: Panel, gates: Sequence[str | Gate], *, floor: float = 0.5, mixtures: Mixtures | None = None
) -> pd.DataFrame:
    """Who is missed by what: each set of gates, and the patients and cells that exactly these gates miss.

    A patient is missed by a gate that hits less than `floor` of his malignant cells; a bulk patient of whom a sample
    does not show the gate is missed too, as in coverage. One of whom some gate is not known stands in a row of his own
    kind, `unknown`, and in no other.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Two gates or more, at most 62.
    floor
        Share of the malignant cells that must be hit.
    mixtures
        Threshold and purity of bulk samples; a patient of whom they prove that more than 1 − `floor` is left is missed.

    Returns
    -------
    One row a set that some patient or cell falls into: `missed_by` (the gates, joined by `; `; `none`; `unknown`),
    `n_gates`, `n_patients`, `patients` (names, joined by `; `), `share_cells` (mean over the patients of counted cells
    of the share of cells that exactly these gates miss, weighed as in coverage; the shares of all rows sum to 1;
    missing in the row `unknown`, and where no cell was counted). Most patients first, then most cells, fewer gates,
    name.

    Raises
    ------
    GateError
        More than 62 gates are given, or none.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5", "MSLN"],
    ...                     required=tiers.required, origin=["colon"])
    >>> int(missed_together(panel, ["CEACAM5", "MSLN"])["n_patients"].sum())
    2
    """
    listed = parsed(gates, panel)
    if not 0 < len(listed) <= _MOST:
        raise GateError(f"found {len(listed)} gates; give 1 to {_MOST} to be told who is missed by which")
    names = listed.names(panel.symbols)
    if not 0 < floor <= 1:
        raise InputError(f"floor: found {floor:g}; expected a share of the malignant cells, above 0 and at most 1")
    people = _people_missed(missed_by(panel, gates, mixtures=mixtures), names, floor=floor)
    cells = malignant_cells(panel)
    share = _cells_missed(cells, listed)
    sets = [*dict.fromkeys([*people, *share])]
    rows = [(_told(one, names), 0 if one is None else one.bit_count(), people.get(one, []), one) for one in sets]
    table = pd.DataFrame(
        {
            "missed_by": [row[0] for row in rows],
            "n_gates": [row[1] for row in rows],
            "n_patients": [len(row[2]) for row in rows],
            "patients": ["; ".join(row[2]) for row in rows],
            "share_cells": [np.nan if row[3] is None or not share else share.get(row[3], 0.0) for row in rows],
        }
    )
    keys = table.assign(share=-table["share_cells"].fillna(-1.0), most=-table["n_patients"])
    return table.loc[keys.sort_values(["most", "share", "n_gates", "missed_by"]).index].reset_index(drop=True)


def _told(one: int | None, names: Sequence[str]) -> str:
    if one is None:
        return "unknown"
    return "; ".join(name for at, name in enumerate(names) if one >> at & 1) or "none"


def _people_missed(table: pd.DataFrame, names: Sequence[str], *, floor: float) -> dict[int | None, list[str]]:
    """Patients by the set of gates that miss them, as bits; None: some gate is not known."""
    found: dict[int | None, list[str]] = {}
    for patient, own in table.assign(missed=_missed(table, floor)).groupby("patient", sort=False):
        missed = own.set_index("gate")["missed"].loc[list(names)]
        key = None if missed.isna().any() else sum(1 << at for at, is_missed in enumerate(missed) if is_missed)
        found.setdefault(key, []).append(str(patient))
    return found


def _missed(table: pd.DataFrame, floor: float) -> pd.Series:
    """Whether a gate misses a patient; missing where it is not known."""
    most = 1 - floor + 1e-9
    by_cells = (table["left"] > most).astype("boolean").mask(table["left"].isna())
    proved = (table["left_lower"] > most).astype("boolean").mask(table["is_shown"].isna())
    return by_cells.fillna(~table["is_shown"] | proved)


def _cells_missed(cells: Malignant, gates: Gates) -> dict[int | None, float]:
    """Mean share of the cells that exactly the gates of each set miss; over patients of whom all gates are known."""
    chosen = np.flatnonzero(cells.is_known(gates).all(axis=0))
    if not len(chosen):
        return {}
    weight = np.zeros(len(cells.patients))
    weight[chosen] = weigh_patients(cells.n_cells[chosen]) / cells.n_cells[chosen]
    bits = np.flatnonzero(unpack_bits(cells.valid[None], np.arange(WORD * len(cells.valid)))[0])
    left = unpack_bits(left_bits(cells, gates), bits)
    code = (left.astype(np.uint64) << np.arange(len(gates), dtype=np.uint64)[:, None]).sum(axis=0, dtype=np.uint64)
    sets, place = np.unique(code, return_inverse=True)
    share = np.bincount(place, weight[cells.owner[bits // WORD]], minlength=len(sets))
    return {int(one): float(value) for one, value in zip(sets, share, strict=True) if value > 0}


def left_bits(cells: Malignant, gates: Gates) -> NDArray[np.uint64]:
    """Cells that each gate leaves, gates × words."""
    return np.asarray(~cells.hit(gates) & cells.valid)
