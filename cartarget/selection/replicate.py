"""Do the same gates hold in another cohort? Both numbers side by side, and what falls flagged."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.errors import InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.screen import score_gates

SCORES = ("coverage", "coverage_lower", "coverage_upper", "n_patients", "liability", "safety_class")


def replicate(gates: Sequence[str], *, second_cohort: Panel, first: pd.DataFrame, floor: float = 0.5) -> pd.DataFrame:
    r"""Score the same gates on an independent cohort, and flag what does not hold.

    A coverage has *dropped* when the interval of the difference lies above zero. The interval is Newcombe's, from the
    intervals of both cohorts, patients as units:

    .. math:: p_1 - p_2 > \sqrt{(p_1 - l_1)^2 + (u_2 - p_2)^2}

    Nothing is chosen in the second cohort, so its numbers are not flattered. Other pipelines and depths move
    positivity too: a drop says that the gate does not carry over, not why.

    Parameters
    ----------
    gates
        Gates of one or two antigens, as text.
    second_cohort
        Evidence from the other cohort; leave out patients that are in both (:func:`without_shared`).
    first
        Table of the first cohort: `gate`, `coverage`, `n_patients`, `safety_class`, `liability` and, if it has
        them, `coverage_lower`, `coverage_upper`.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    One row a gate, in the order given: `gate`, `genes_missing` (antigens that the second cohort lacks; the rest of the
    row is then empty), the scores of both cohorts as `*_first` and `*_second`, `coverage_drop` (first minus second)
    with `coverage_drop_lower`, `coverage_drop_upper`, `is_coverage_dropped`, `is_below_floor` (eligible first, not
    second), `is_class_changed` and `is_class_worse` (missing where the second cohort has no normal tissue, or too few
    to know the class: unknown is no contradiction), `evidence_second` (`samples` or `cells`: a fraction of patients and
    one of cells are not alike), and `verdict`: *drops* (coverage dropped, or the class is worse), *uncertain* (no
    drop is shown, but the interval of the second cohort reaches below the floor: few patients, or near it), *holds*, or
    *not measured*.

    Raises
    ------
    InputError
        The second cohort has none of the antigens, no patient, or `first` lacks a gate or a column.

    References
    ----------
    Newcombe, Statistics in Medicine 1998, 17:873–890.

    Examples
    --------
    >>> import cartarget
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> def cohort(seed, genes):
    ...     atlas = cartarget.simulate_atlas(seed=seed, n_patients=3, n_donors=3, cells_per_population=4,
    ...                                      n_background=0)
    ...     atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    ...     return cartarget.build_panel(atlas, symbols=genes, required=tiers.required, origin=["colon"])
    >>> names = ["CEACAM5 & MSLN", "MET"]
    >>> panel = cohort(0, ["CEACAM5", "MSLN", "MET"])
    >>> first = score_gates(panel, gates=Gates.parse(names, panel=panel))
    >>> replicate(names, second_cohort=cohort(1, ["CEACAM5", "MSLN"]), first=first)[
    ...     ["gate", "genes_missing", "verdict"]].values.tolist()
    [['CEACAM5 & MSLN', '', 'uncertain'], ['MET', 'MET', 'not measured']]
    """
    names = [str(Gate.parse(gate)) for gate in gates]
    before = _first(first, names)
    missing = [[symbol for symbol in Gate.parse(name).antigens if symbol not in second_cohort.index] for name in names]
    held = [name for name, lost in zip(names, missing, strict=True) if not lost]
    _refuse_strangers(names, second_cohort)
    frame = pd.DataFrame({"gate": names, "genes_missing": [", ".join(lost) for lost in missing]})
    for column in SCORES:
        frame[f"{column}_first"] = before[column].to_numpy()
    after = score_gates(second_cohort, gates=Gates.parse(held, panel=second_cohort), floor=floor) if held else None
    found = pd.DataFrame(columns=list(SCORES)) if after is None else after.set_index("gate")[list(SCORES)]
    found = found.reindex(names)
    if not _has_normals(second_cohort):
        found[["liability", "safety_class"]] = np.nan, None
    for column in SCORES:
        frame[f"{column}_second"] = found[column].to_numpy()
    frame = frame.astype({"n_patients_second": "Int64"}).assign(evidence_second=second_cohort.kind)
    return _flags(frame, floor)


def without_shared(second: AnnData, *, first: Collection[str]) -> AnnData:
    """Leave out everybody who is in the first cohort as well.

    Parameters
    ----------
    second
        Atlas of the second cohort.
    first
        Donors of the first cohort (for TCGA the first three fields of the barcode, as the reader gives them).

    Returns
    -------
    AnnData without them, a copy.

    Raises
    ------
    InputError
        No patient is left: the cohorts are one.

    Examples
    --------
    >>> adata = AnnData(np.zeros((2, 1), dtype="float32"))
    >>> adata.obs["donor"], adata.obs["side"] = ["TCGA-AG-3742", "TCGA-AA-3678"], "tumor"
    >>> without_shared(adata, first={"TCGA-AG-3742"}).obs["donor"].tolist()
    ['TCGA-AA-3678']
    """
    own = ~second.obs["donor"].astype(str).isin(set(first)).to_numpy(dtype=bool)
    if not (own & (second.obs["side"].astype(str) == "tumor").to_numpy()).any():
        raise InputError(
            "replication: every patient of the second cohort is in the first as well; give an independent cohort"
        )
    return second[own].copy()


def _first(first: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    lacking = [
        column for column in ("gate", *SCORES) if column not in first and not column.endswith(("lower", "upper"))
    ]
    if lacking:
        raise InputError(f"table of the first cohort: no column {lacking[0]!r}; give the table of gates of a run")
    table = first.drop_duplicates("gate").set_index("gate")
    absent = [name for name in names if name not in table.index]
    if absent:
        raise InputError(f"table of the first cohort: gate {absent[0]!r} is not in it; give gates of that table")
    table = table.loc[list(names)].copy()
    if "coverage_lower" not in table or "coverage_upper" not in table:
        table["coverage_lower"], table["coverage_upper"] = fraction_interval(table["coverage"], table["n_patients"])
    return table


def _refuse_strangers(names: Sequence[str], panel: Panel) -> None:
    wanted = sorted({symbol for name in names for symbol in Gate.parse(name).antigens})
    if not set(wanted) & panel.index.keys():
        some = ", ".join(wanted[:3])
        raise InputError(
            f"replication: the second cohort shares none of the {len(wanted)} antigens of the gates ({some} …); "
            f"it has {', '.join(panel.symbols[:3])} …; bring both to the same gene symbols (cartarget.read_gene_table)"
        )
    if not panel.is_tumor.any():
        raise InputError("replication: the second cohort holds no tumour; give one with patients")


def _has_normals(panel: Panel) -> bool:
    return bool(panel.is_normal.any()) or len(panel.units) > 0


def _flags(frame: pd.DataFrame, floor: float) -> pd.DataFrame:
    p, q = (frame[f"coverage_{cohort}"].to_numpy(dtype=np.float64) for cohort in ("first", "second"))
    (l1, l2), (u1, u2) = (
        [frame[f"coverage_{end}_{cohort}"].to_numpy(dtype=np.float64) for cohort in ("first", "second")]
        for end in ("lower", "upper")
    )
    drop = p - q
    lower, upper = drop - np.hypot(p - l1, u2 - q), drop + np.hypot(u1 - p, q - l2)
    measured = ~np.isnan(q)
    below = (p >= floor) & (q < floor)
    frame = frame.assign(coverage_drop=drop, coverage_drop_lower=lower, coverage_drop_upper=upper)
    frame["is_coverage_dropped"] = _known(lower > 0, measured)
    frame["is_below_floor"] = _known(below, measured)
    place = {label: number for number, label in enumerate(CLASSES)}
    one, two = (frame[f"safety_class_{cohort}"].map(place).to_numpy(dtype=float) for cohort in ("first", "second"))
    both = ~np.isnan(one) & ~np.isnan(two) & (two != place["unknown"])
    frame["is_class_changed"], frame["is_class_worse"] = _known(one != two, both), _known(two > one, both)
    dropped = (lower > 0) | (both & (two > one))
    unsure = (p >= floor) & (l2 < floor)
    frame["verdict"] = np.select([~measured, dropped, unsure], ["not measured", "drops", "uncertain"], default="holds")
    return frame


def _known(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> pd.Series:
    """A flag that is missing where it is not known."""
    return pd.Series(values).astype("boolean").mask(~known)
