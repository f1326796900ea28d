"""Names of populations without identifiers of people: what tables and reports call the patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.evidence.part import Part


def numbered(identifiers: Iterable[str], *, what: str = "patient") -> dict[str, str]:
    """A number for each identifier, in their order, as wide as the last one.

    Examples
    --------
    >>> numbered(["MRN-7", "MRN-2", "MRN-7"])
    {'MRN-2': 'patient 1', 'MRN-7': 'patient 2'}
    """
    people = sorted(set(identifiers))
    width = len(str(len(people)))
    return {name: f"{what} {number:0{width}d}" for number, name in enumerate(people, start=1)}


def patient_names(parts: Sequence[Part]) -> dict[str, str]:
    """What to call each patient whose malignant cells were counted, by the identifier that names the population."""
    tables = [part.populations for part in parts if part.kind == "cells"]
    return numbered(name for table in tables for name in table.loc[table["side"] == "tumor", "population"].astype(str))


def number_patients(adata: AnnData, *, names: Mapping[str, str]) -> None:
    """Give the populations of malignant cells of a harmonised atlas numbers for names, in place.

    Parameters
    ----------
    adata
        A harmonised atlas; other kinds than cells are left as they are.
    names
        From :func:`patient_names`. Patients whom it does not know are numbered within their atlas.
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "cells":
        return
    own = adata.obs["population"].astype(str)
    is_patient = (adata.obs["side"].astype(str) == "tumor").to_numpy()
    more = numbered(set(own[is_patient]) - set(names), what=f"{about['atlas']}: patient")
    adata.obs["population"] = pd.Categorical(own.mask(is_patient, own.map({**more, **names})))
