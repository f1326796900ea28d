"""Names of populations without identifiers of people: what tables and reports call the patients."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


LESION_WORDS = frozenset({
    "primary", "recurrence", "recurrent", "relapse", "local", "distant", "metastasis", "metastases", "metastatic",
    "tumour", "tumor", "lesion", "lymph", "node", "liver", "lung", "brain", "bone", "skin", "pleura", "pleural",
    "peritoneum", "peritoneal", "omentum", "ovary", "adrenal", "left", "right", "core", "centre", "center", "margin",
    "edge", "biopsy", "resection", "ascites", "before", "after", "treatment",
})  # fmt: skip
"""Words that a label of a lesion may consist of without telling who the patient is."""


def lesion_names(people: Sequence[int] | NDArray[np.int64], labels: Sequence[str] | NDArray[np.str_]) -> list[str]:
    """What to call the lesion of each observation: its label if that can name nobody, else a number within the patient.

    Parameters
    ----------
    people, labels
        Donor and label of each observation; an empty label is not told and stays empty.

    Examples
    --------
    >>> lesion_names([0, 0, 0, 1], ["primary", "MRN-7 B", "MRN-7 A", ""])
    ['primary', 'lesion 2', 'lesion 1', '']
    """
    pairs = list(zip(np.asarray(people).tolist(), np.asarray(labels).tolist(), strict=True))
    names, numbered_so_far = {}, Counter[int]()
    for person, label in sorted({pair for pair in pairs if pair[1]}):
        if set(re.findall(r"[^\W_]+", label.casefold())) <= LESION_WORDS:
            names[person, label] = label
        else:
            numbered_so_far[person] += 1
            names[person, label] = f"lesion {numbered_so_far[person]}"
    return [names.get(pair, "") for pair in pairs]


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
