"""What the columns of the CELLxGENE schema say of an observation: repeated, of another species, diseased, foetal …

The names are those of every version of the schema since 2.0 (labels, else ontology ids); a table of cells of any other
origin that has a column of such a name is read alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from cartarget.atlas.names import are, is_missing, label_key, name_key
from cartarget.errors import InputError

DISEASE = ("disease", "disease_ontology_term_id")
NO_DISEASE = ("normal", "healthy", "PATO:0000461")

ORGANISM = ("organism", "organism_ontology_term_id")
_HUMAN = frozenset({"homosapiens", "human", "ncbitaxon9606", "9606"})

_STAGE = ("development_stage", "development_stage_ontology_term_id")
_PRENATAL = re.compile(
    r"carnegie|\bf(?:o?e|œ)t(?:al|us)\b|embryo|prenatal|post-?fertili[sz]ation|gestation|\blmp month\b"
    r"|zygote|cleavage stage|morula|blastula|gastrula|neurula|organogenesis",
    re.IGNORECASE,
)
_STAGE_ID = re.compile(r"HsapDv:0*([0-9]+)", re.IGNORECASE)
_PRENATAL_IDS = frozenset({*range(2, 76), *range(197, 204), 205})
"""Parts of the prenatal stage (HsapDv:0000045) in the Human Developmental Stages ontology of 2025-01-23."""

_CULTURED = frozenset({"organoid", "cell culture", "primary cell culture", "cell line"})
_CULTURE = re.compile(r"\((?:organoid|cell culture)\)$|^CL:|^CVCL", re.IGNORECASE)
"""How a tissue says so before schema 4, or with the id of a cell type or a cell line in place of a tissue's."""

CULTURED = "cultured, no tissue"
DISEASED = "disease"
_SURROUNDINGS = frozenset({"tumormicroenvironment", "tumourmicroenvironment", "tme"})


def text_of(cells: pd.DataFrame, *names: str) -> pd.Series | None:
    """The first of some columns that a table has, as text without blanks around it and without gaps; None: no such.

    Examples
    --------
    >>> text_of(pd.DataFrame({"b": [" x", None]}), "a", "b").tolist()
    ['x', '']
    """
    name = next((name for name in names if name in cells), None)
    if name is None:
        return None
    return cells[name].astype(object).where(cells[name].notna(), "").astype(str).str.strip()


def counted(values: pd.Series, *, most: int = 8) -> str:
    """Values with how often they stand, the commonest first.

    Examples
    --------
    >>> counted(pd.Series(["a", "b", "b", ""]))
    "'b' (2), '' (1), 'a' (1)"
    """
    counts = values.value_counts().reset_index().set_axis(["value", "n"], axis=1)
    counts = counts.sort_values(["n", "value"], ascending=[False, True])
    shown = ", ".join(f"{value!r} ({n:,})" for value, n in counts.head(most).itertuples(index=False))
    return shown + (f" and {len(counts) - most:,} more" if len(counts) > most else "")


def one_of(values: pd.Series, words: Iterable[str]) -> pd.Series:
    """Which labels are one of some words, whatever their case and the blanks around them.

    Examples
    --------
    >>> one_of(pd.Series(["Tumor ", "normal"]), ["tumor"]).tolist()
    [True, False]
    """
    keys = {label_key(word) for word in words}
    return are(values, lambda text: label_key(text) in keys)


def is_repeated(cells: pd.DataFrame) -> pd.Series:
    """Whether an observation stands in another data set too (`is_primary_data` is false).

    Examples
    --------
    >>> is_repeated(pd.DataFrame({"is_primary_data": [True, False]})).tolist()
    [False, True]
    """
    values = text_of(cells, "is_primary_data")
    return pd.Series(False, index=cells.index) if values is None else one_of(values, ("false", "no", "0"))


def refuse_other_species(cells: pd.DataFrame, *, where: str) -> None:
    """Raise where an observation is not of a human.

    Raises
    ------
    InputError
        `organism` or its ontology id names another species; the message counts them.

    Examples
    --------
    >>> refuse_other_species(pd.DataFrame({"organism": ["Homo sapiens", "Mus musculus"]}), where="cells.h5ad")
    Traceback (most recent call last):
    cartarget.errors.InputError: cells.h5ad: column 'organism' holds 'Mus musculus' (1) ...
    """
    for name in ORGANISM:
        values = text_of(cells, name)
        if values is None:
            continue
        other = values[~are(values, lambda text: is_missing(text) or name_key(text) in _HUMAN)]
        if len(other):
            raise InputError(
                f"{where}: column {name!r} holds {counted(other)} of {len(cells):,} observations; expected human "
                "alone: write a file of the human observations"
            )


def not_normal_tissue(cells: pd.DataFrame, *, tissue: pd.Series, normal: Collection[str]) -> pd.Series:
    """Why an observation is no normal tissue, as `tissue_type` and `disease` say it; empty where it is.

    Parameters
    ----------
    cells
        The table of cells.
    tissue
        Tissue of each observation. The surroundings of a tumour claim to be no normal tissue, and may be diseased.
    normal
        Labels that mean normal by the configuration.

    Examples
    --------
    >>> cells = pd.DataFrame({"disease": ["normal", "COVID-19", "COVID-19"], "tissue_type": ["organoid", "tissue", ""]})
    >>> tissue = pd.Series(["lung", "lung", "tumor microenvironment"])
    >>> not_normal_tissue(cells, tissue=tissue, normal=set()).tolist()
    ['cultured, no tissue', 'disease', '']
    """
    why = pd.Series("", index=cells.index, dtype=object)
    types = text_of(cells, "tissue_type")
    if types is not None:
        why[one_of(types, _CULTURED)] = CULTURED
    for name in ("tissue", "tissue_ontology_term_id"):
        places = text_of(cells, name)
        if places is not None:
            why[are(places, lambda text: bool(_CULTURE.search(text)))] = CULTURED
    diseases = text_of(cells, *DISEASE)
    if diseases is not None:
        is_well = one_of(diseases, (*NO_DISEASE, *normal))
        is_around = are(tissue, lambda text: name_key(text) in _SURROUNDINGS)
        why[(why == "") & ~is_well & ~is_around] = DISEASED
    return why


def is_prenatal(cells: pd.DataFrame) -> pd.Series:
    """Whether an observation is of an embryo or a foetus (`development_stage`, or its id in HsapDv).

    Examples
    --------
    >>> stages = ["15th week post-fertilization stage", "45-year-old stage", "newborn stage"]
    >>> is_prenatal(pd.DataFrame({"development_stage": stages})).tolist()
    [True, False, False]
    >>> ids = ["HsapDv:0000003", "HsapDv:0000144"]
    >>> is_prenatal(pd.DataFrame({"development_stage_ontology_term_id": ids})).tolist()
    [True, False]
    """
    found = pd.Series(False, index=cells.index)
    for name in _STAGE:
        values = text_of(cells, name)
        if values is not None:
            found |= are(values, _says_prenatal)
    return found


def _says_prenatal(text: str) -> bool:
    match = _STAGE_ID.fullmatch(text)
    return int(match[1]) in _PRENATAL_IDS if match else bool(_PRENATAL.search(text))


def assays(cells: pd.DataFrame) -> pd.Series | None:
    """`nuclei` or `cells` for each observation, as `suspension_type` says it; None without such a column.

    Examples
    --------
    >>> assays(pd.DataFrame({"suspension_type": ["nucleus", "cell", "na"]})).tolist()
    ['nuclei', 'cells', 'cells']
    """
    values = text_of(cells, "suspension_type")
    if values is None:
        return None
    return one_of(values, ("nucleus", "nuclei")).map({True: "nuclei", False: "cells"})


def with_organism(cells: pd.DataFrame, uns: Mapping[str, object]) -> pd.DataFrame:
    """The table with the organism of the whole file as a column, where the file says it in `uns` (schema 6 and later).

    Examples
    --------
    >>> with_organism(pd.DataFrame(index=["c"]), {"organism": "Mus musculus"})["organism"].tolist()
    ['Mus musculus']
    """
    told = {name: str(uns[name]) for name in ORGANISM if name in uns and name not in cells}
    return cells.assign(**told)
