"""Hand-made tables whose every row has a source: reading them, and refusing rows with file and line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from cartarget.errors import InputError
from cartarget.files import resource
from cartarget.safety.tiers import Tiers

MODALITIES = (
    *("CAR T", "logic-gated CAR T", "TCR T", "T-cell engager"),
    *("antibody-drug conjugate", "antibody", "radioligand"),
)
SEVERITIES = ("fatal", "severe", "moderate", "mild")
CERTAINTIES = ("shown", "likely", "suspected", "contested")

_IDENTIFIER = re.compile(r"^(doi:10\.\d{4,9}/\S+|PMID:\d+|PMCID:PMC\d+|NCT\d{8})$")


def read_sourced(path: str | os.PathLike[str], names: Sequence[str], *, may_be_empty: Iterable[str]) -> pd.DataFrame:
    """Read a tab-separated table as text; the index is the line of each row in the file.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a cell is empty in a column outside `may_be_empty`.

    Examples
    --------
    >>> read_sourced("resources/toxicity.tsv", ["symbol", "source"], may_be_empty=[]).index[0]
    2
    """
    try:
        frame = pd.read_csv(resource(path), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error
    missing = [name for name in names if name not in frame]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected {', '.join(names)}")
    frame = frame[list(names)].apply(lambda column: column.str.strip()).set_axis(range(2, len(frame) + 2), axis=0)
    for name in (name for name in names if name not in set(may_be_empty)):
        empty = frame.index[frame[name].eq("")]
        if len(empty):
            raise InputError(f"{path}, line {empty[0]}: {name} is empty; a row without one does not count")
    return frame


def one_of(frame: pd.DataFrame, name: str, allowed: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Refuse a word that is not among those allowed.

    Examples
    --------
    >>> one_of(pd.DataFrame({"severity": ["mild"]}, index=[2]), "severity", SEVERITIES, "a.tsv")
    """
    wrong = frame.index[~frame[name].isin(allowed)]
    if len(wrong):
        raise InputError(f"{path}, line {wrong[0]}: {name} is {frame[name][wrong[0]]!r}; expected {', '.join(allowed)}")


def identified(frame: pd.DataFrame, names: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Refuse a source that is no DOI, PubMed, PubMed Central or trial number.

    Examples
    --------
    >>> identified(pd.DataFrame({"source": ["PMID:23423337"]}, index=[2]), ["source"], "a.tsv")
    """
    for name in names:
        wrong = frame.index[~frame[name].str.match(_IDENTIFIER)]
        if len(wrong):
            found = frame[name][wrong[0]]
            expected = "doi:10.…, PMID:…, PMCID:PMC… or NCT…"
            raise InputError(f"{path}, line {wrong[0]}: {name} is {found!r}; expected {expected}")


def harmonised_organs(frame: pd.DataFrame, path: str | os.PathLike[str], *, tiers: Tiers) -> pd.Series:
    """The column `organ` under the names of the tier table; an organ that it lacks is refused.

    Examples
    --------
    >>> from cartarget.safety.tiers import read_tiers
    >>> frame = pd.DataFrame({"organ": ["Heart muscle"]}, index=[2])
    >>> harmonised_organs(frame, "a.tsv", tiers=read_tiers("config/tissue_tiers.tsv")).tolist()
    ['heart']
    """
    names = {}
    for line, organ in frame["organ"].items():
        place = tiers.find(organ)
        if place is None:
            near = ", ".join(tiers.nearest(organ)) or "see the tier table"
            raise InputError(f"{path}, line {line}: {tiers.path} has no organ {organ!r}; nearest: {near}")
        names[line] = place.tissue
    return pd.Series(names, index=frame.index, dtype=object)
