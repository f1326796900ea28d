"""Purity: what a bulk tumour sample can say of its tumour cells, as a range.

A sample is a mixture: with purity p, tumour cells at level t and other cells at level n,

    x = p · t + (1 − p) · n,    so    (x − (1 − p) · N) / p ≤ t ≤ x / p

for others that lie anywhere between 0 and N, their level in the normal tissue. The range is wide where purity is low,
and that is what is known. (Linear units only; RNA content per cell is taken to be alike, which in aneuploid tumours it
is not quite: doi:10.1038/s41587-022-01342-x.)
"""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cartarget.errors import InputError
from cartarget.files import sha256

if TYPE_CHECKING:
    from anndata import AnnData

_NAMES = ("sample", "patient", "donor", "barcode")


def read_purity(path: str | os.PathLike[str]) -> dict[str, float]:
    """Purity by sample or patient: a table with the columns `sample` (or `patient`) and `purity`, split by tabs.

    An empty purity and `NA` are left out: not known.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, a name stands twice, or a purity is not in (0, 1].
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table with the columns sample and purity") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    name = next((column for column in _NAMES if column in header), "")
    if not name or "purity" not in header:
        raise InputError(f"{path}, line 1: found the columns {header}; expected sample (or patient) and purity")
    at, value = header.index(name), header.index("purity")
    known: dict[str, float] = {}
    for number, row in enumerate(rows[1:], start=2):
        given = row[value].strip() if len(row) > max(at, value) else ""
        if given in ("", "NA", "nan"):
            continue
        try:
            purity = float(given)
        except ValueError:
            purity = np.nan
        if not 0 < purity <= 1:
            raise InputError(f"{path}, line {number}: purity is {given!r}; expected a fraction above 0 and up to 1")
        if known.setdefault(row[at].strip(), purity) != purity:
            raise InputError(f"{path}, line {number}: {row[at].strip()!r} stands twice; keep one row")
    return known


def add_purity(adata: AnnData, *, path: str | os.PathLike[str]) -> None:
    """Give each tumour sample its purity, in place: `obs["purity"]`, NaN where it is not known and for normals.

    A row of the table stands for the sample that it names, for those whose barcode it begins
    (`TCGA-AF-2689-01` for `TCGA-AF-2689-01A-01R`), or for a patient.

    Raises
    ------
    InputError
        The atlas is not of bulk samples, the table is malformed, or it names none of the tumours.
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "samples":
        raise InputError(f"atlas {about['atlas']!r}: purity is of bulk samples, found {about['kind']}; remove `purity`")
    known = read_purity(path)
    is_tumor = (adata.obs["side"].astype(str) == "tumor").to_numpy()
    found = np.full(adata.n_obs, np.nan)
    for row in np.flatnonzero(is_tumor):
        sample, donor = str(adata.obs_names[row]), str(adata.obs["donor"].iloc[row])
        names = [sample, *(sample[:size] for size in (16, 15)), donor]
        found[row] = next((known[name] for name in names if name in known), np.nan)
    n_known = int((~np.isnan(found)).sum())
    if not n_known:
        example = adata.obs_names[is_tumor][0] if is_tumor.any() else "none"
        raise InputError(f"{path}: names none of the tumours of atlas {about['atlas']!r}, such as {example!r}")
    adata.obs["purity"] = found
    about["files"] = [*about["files"], {"path": str(path), "sha256": sha256(path)}]
    median = np.nanmedian(found)
    about["notes"] = [*about["notes"], f"purity is known of {n_known} of {is_tumor.sum()} tumours, median {median:.2f}"]


def tumor_level(
    values: ArrayLike, *, purity: ArrayLike, normal: ArrayLike = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest level that the tumour cells of bulk samples may have.

    Parameters
    ----------
    values
        Samples × genes, linear (CPM or TPM).
    purity
        Fraction of tumour cells in each sample, in (0, 1]; NaN where it is not known.
    normal
        Highest level of each gene in the cells around the tumour (one per gene, or one for all); infinite if nothing
        is known of it.

    Returns
    -------
    low, high
        Samples × genes, 0 ≤ low ≤ high. Where purity is not known, 0 and infinity.

    Raises
    ------
    InputError
        A purity is not in (0, 1], or there are not as many as samples.

    Examples
    --------
    >>> low, high = tumor_level([[12.0]], purity=[0.5], normal=4.0)
    >>> low.item(), high.item()
    (20.0, 24.0)
    """
    x = np.atleast_2d(np.asarray(values, dtype=float))
    p = np.asarray(purity, dtype=float).reshape(-1, 1)
    if len(p) != len(x):
        raise InputError(f"purity: found {len(p)} for {len(x)} samples; give one for each")
    for row in np.flatnonzero(~(np.isnan(p) | ((p > 0) & (p <= 1))))[:1]:
        raise InputError(f"purity: sample {row + 1} has {p[row, 0]:g}; expected a fraction above 0 and up to 1")
    with np.errstate(invalid="ignore"):
        others = np.where(p == 1, 0.0, (1 - p) * np.asarray(normal, dtype=float))
    low = np.maximum((x - others) / p, 0.0)
    is_known = ~np.isnan(p)
    return np.where(is_known, low, 0.0), np.where(is_known, x / p, np.inf)
