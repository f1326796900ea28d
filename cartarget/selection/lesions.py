"""Lesions of one patient: each has its own coverage, and a patient is covered as his worst lesion is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.malignant import Malignant, malignant_cells
from cartarget.evidence.packed import WORD, pack_bits, unpack_bits
from cartarget.evidence.panel import THIN_CELLS, Panel
from cartarget.logic.gate import Gate
from cartarget.selection.loss import over_patients
from cartarget.selection.missed import ALL, long_rows, parsed

NOT_TOLD = "not told"
"""What malignant cells without a lesion are called where other cells of the patient have one."""


def lesion_coverage(panel: Panel, gates: Sequence[str | Gate]) -> pd.DataFrame:
    """Share of the malignant cells of each lesion that a gate hits.

    Parameters
    ----------
    panel
        Evidence; its atlases say the lesion of a cell (`labels.lesion`), or each patient has one.
    gates
        Gates of any shape and size.

    Returns
    -------
    One row a gate, patient and lesion: `gate`, `patient`, `lesion` (empty: the patient's only one), `n_cells`, `n_hit`,
    `coverage`, `coverage_lower`, `coverage_upper` (95 %, the lesion's own cells as units) and `is_thin` (fewer than 30
    cells). Where an antigen was not measured in the patient, the coverage is missing and its interval 0 to 1. Patients
    without a counted malignant cell, and bulk, have no row.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> is_late = [i % 2 == 0 for i in range(small.n_obs)]
    >>> small.obs["lesion"] = ["metastasis" if late else "primary" for late in is_late]
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5"],
    ...                     required=tiers.required, origin=["colon"])
    >>> lesion_coverage(panel, ["CEACAM5"])["lesion"].tolist()
    ['metastasis', 'primary', 'metastasis', 'primary']
    """
    listed, cells = parsed(gates, panel), malignant_cells(panel)
    groups, hit = _groups(cells), cells.hit(listed)
    who = np.array([group.patient for group in groups], dtype=np.int64)
    n = np.array([np.bitwise_count(group.cells).sum() for group in groups], dtype=np.int64)
    found = [np.bitwise_count(hit & group.cells).sum(axis=1, dtype=np.int64) for group in groups]
    n_hit = np.array(found, dtype=np.int64).reshape(len(groups), len(listed)).T
    known = cells.is_known(listed)[:, who]
    share = np.where(known, n_hit / n, np.nan)
    lower, upper = fraction_interval(np.nan_to_num(share), np.where(known, n, 0))
    table = long_rows(
        listed.names(panel.symbols),
        [cells.patients[patient] for patient in who],
        lesion=np.tile(np.array([group.name for group in groups], dtype=object), len(listed)),
        n_cells=np.tile(n, len(listed)),
        n_hit=pd.Series(n_hit.ravel(), dtype="Int64").mask(~known.ravel()).array,
        coverage=share, coverage_lower=lower, coverage_upper=upper,
    )  # fmt: skip
    return table.assign(is_thin=table["n_cells"] < THIN_CELLS)


class _Group(NamedTuple):
    """Malignant cells of one lesion of one patient, as bits."""

    patient: int
    name: str
    cells: NDArray[np.uint64]


def _groups(cells: Malignant) -> list[_Group]:
    """The lesions of each patient who has cells, those not told last."""
    owner = np.repeat(cells.owner, WORD)
    code = np.full(len(owner), -1, dtype=np.int32) if cells.lesion is None else cells.lesion
    is_cell = unpack_bits(cells.valid[None], np.arange(len(owner)))[0]
    found = []
    for patient in np.flatnonzero(cells.n_cells):
        own = is_cell & (owner == patient)
        told = sorted(set(code[own].tolist()), key=lambda one: (one < 0, one))
        for one in told:
            name = cells.lesions[one] if one >= 0 else NOT_TOLD if len(told) > 1 else ""
            found.append(_Group(int(patient), name, pack_bits((own & (code == one))[None])[0]))
    return found


def patient_coverage(panel: Panel, gates: Sequence[str | Gate]) -> pd.DataFrame:
    """Coverage of each patient over all his malignant cells, and in his worst lesion, side by side.

    Lesions of one patient are not independent, and one that is missed grows on: a patient is covered as his worst
    lesion is. That is the lesion of the lowest coverage among those of thirty cells or more (among all, if none has as
    many); cells whose lesion is not told decide only where no lesion is. Patients stay the units of the mean. The
    ranking takes the coverage over all cells; this table stands beside it.

    Parameters
    ----------
    panel
        Evidence.
    gates
        Gates of any shape and size.

    Returns
    -------
    For each gate a row of the patient `all` (means, weighed as in coverage) and one of each patient with malignant
    cells: `gate`, `patient`, `n_cells`, `n_lesions`, `coverage`, `worst_lesion` (empty where there is one),
    `coverage_worst`, `coverage_worst_lower`, `coverage_worst_upper` (95 %; of `all` with patients as units). Missing
    where an antigen was not measured.

    Examples
    --------
    >>> from cartarget import build_panel, harmonise, read_tiers, simulate_atlas
    >>> tiers = read_tiers("config/tissue_tiers.tsv")
    >>> small = simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0, cells_per_tumor=70)
    >>> panel = build_panel(harmonise(small, tiers=tiers, origin=["colon"]), symbols=["CEACAM5"],
    ...                     required=tiers.required, origin=["colon"])
    >>> table = patient_coverage(panel, ["CEACAM5"])
    >>> bool((table["coverage"] == table["coverage_worst"]).all())
    True
    """
    by_lesion = lesion_coverage(panel, gates)
    rows = [_row(own) for _, own in by_lesion.groupby(["gate", "patient"], sort=False)]
    table = pd.DataFrame(rows, columns=[*_COLUMNS])
    parts = [pd.concat([_over_all(own), own]) for _, own in table.groupby("gate", sort=False)]
    return pd.concat(parts, ignore_index=True) if parts else table


_COLUMNS = (
    "gate", "patient", "n_cells", "n_lesions", "coverage", "worst_lesion", "coverage_worst", "coverage_worst_lower",
    "coverage_worst_upper",
)  # fmt: skip


def _row(own: pd.DataFrame) -> tuple[object, ...]:
    """One patient, from the rows of his lesions."""
    told = own[own["lesion"] != NOT_TOLD]
    full = told[~told["is_thin"]]
    asked = next(rows for rows in (full, told, own) if len(rows))
    worst = asked.sort_values("coverage", kind="stable").iloc[0]
    n = own["n_cells"].sum()
    return (
        worst["gate"], worst["patient"], n, len(told), own["coverage"] @ own["n_cells"] / n,
        worst["lesion"] if len(own) > 1 else "", worst["coverage"], worst["coverage_lower"], worst["coverage_upper"],
    )  # fmt: skip


def _over_all(table: pd.DataFrame) -> pd.DataFrame:
    """The row over all patients of one gate."""
    n = table["n_cells"].to_numpy(dtype=np.int64)
    mean, _, _ = over_patients(table["coverage"].to_numpy(dtype=np.float64), n)
    worst, _, people = over_patients(table["coverage_worst"].to_numpy(dtype=np.float64), n)
    lower, upper = fraction_interval(np.nan_to_num(worst), people)
    row = (table["gate"].iloc[0], ALL, n.sum(), table["n_lesions"].sum(), mean, "", worst, lower.item(), upper.item())
    return pd.DataFrame([row], columns=[*_COLUMNS])
