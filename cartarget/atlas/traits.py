"""What a table of cells says of its donors: sex, age by decade, smoking; empty where it says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas.cellxgene import text_of
from cartarget.atlas.names import is_missing, name_key

OLDEST = 90
"""Age from which donors are one band: very old people are few, and are told apart by their age alone."""

_SEX = {
    "female": ("female", "f", "woman", "pato0000383"),
    "male": ("male", "m", "man", "pato0000384"),
}
_SMOKING = {
    "smoker": ("smoker", "current", "currentsmoker", "active", "activesmoker", "smoking", "yes", "true"),
    "former smoker": ("former", "formersmoker", "exsmoker", "ex", "past", "pastsmoker", "quit"),
    "smoker, now or once": ("ever", "eversmoker"),
    "non-smoker": ("never", "neversmoker", "nonsmoker", "neversmoked", "no", "false"),
}
_DECADES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")
_AGE = re.compile(r"(\d{1,3})(?:\.\d+)?(?:[\s-]*(?:years?|yrs?|y|yo)\b.*)?", re.IGNORECASE)
_BAND = re.compile(r"(\d{1,3})\s*(?:-|–|to)\s*(\d{1,3})(?:\s*(?:years?|yrs?|y))?", re.IGNORECASE)
_DECADE = re.compile(rf"({'|'.join(_DECADES)}) decade\b.*", re.IGNORECASE)


def donor_traits(cells: pd.DataFrame) -> pd.DataFrame:
    """Traits of the donor of each cell, under names of their own.

    Parameters
    ----------
    cells
        A table of cells: `sex` or `gender`; `age`, `age_at_collection`, `age_group` or `development_stage`;
        `smoking_status`, `smoking` or `smoker`.

    Returns
    -------
    DataFrame
        Those of `donor_sex`, `donor_age` (`60-69`; `90 or older`; `under 10`) and `donor_smoking` that the table has a
        column for, in its rows. A text that cannot be read is empty: *unknown*, never one of the groups. A bare number
        for sex or smoking is a code whose meaning the file does not tell; it stays one (`code 2`).

    Examples
    --------
    >>> cells = pd.DataFrame({"sex": ["F", "male", "2"], "age": ["64", "71 years", ""], "smoker": ["no", "", "x"]})
    >>> donor_traits(cells).values.tolist()
    [['female', '60-69', 'non-smoker'], ['male', '70-79', ''], ['code 2', '', '']]
    """
    found = {
        name: _read(values, read)
        for name, (columns, read) in TRAITS.items()
        if (values := text_of(cells, *columns)) is not None
    }
    return pd.DataFrame(found, index=cells.index, dtype=object)


def traits_of(obs: pd.DataFrame, donors: Sequence[str] | NDArray, person: NDArray) -> dict[str, tuple[str, ...]]:
    """Trait → its value for each donor; empty where unknown, or where his observations contradict each other.

    Parameters
    ----------
    obs
        Observations, with those columns of `donor_traits` that are known.
    donors
        Names of the donors.
    person
        Row of `donors` of each observation.

    Examples
    --------
    >>> obs = pd.DataFrame({"donor_sex": ["male", "", "female", "male"]})
    >>> traits_of(obs, ["d1", "d2"], [0, 0, 1, 1])
    {'sex': ('male', '')}
    """
    return {
        name.removeprefix("donor_"): one_each(obs[name].astype(str), person, len(donors))
        for name in TRAITS
        if name in obs
    }


def one_each(values: Sequence[str] | pd.Series, person: Sequence[int] | NDArray, n: int) -> tuple[str, ...]:
    """The one value that each person's rows agree on; empty where they name none, or several.

    Examples
    --------
    >>> one_each(["a", "", "a", "b"], [0, 0, 1, 1], 3)
    ('a', '', '')
    """
    told = pd.DataFrame({"value": list(values), "person": list(person)}).drop_duplicates()
    told = told[told["value"] != ""].drop_duplicates("person", keep=False)
    found = dict(zip(told["person"], told["value"], strict=True))
    return tuple(str(found.get(row, "")) for row in range(n))


def _read(values: pd.Series, read: Callable[[str], str]) -> pd.Series:
    return values.map({text: "" if is_missing(text) else read(text) for text in values.unique()}).astype(object)


def _words(meanings: Mapping[str, tuple[str, ...]]) -> Callable[[str], str]:
    known = {word: meaning for meaning, words in meanings.items() for word in words}

    def read(text: str) -> str:
        code = re.fullmatch(r"(\d+)(?:\.0+)?", text)
        return f"code {code[1]}" if code else known.get(name_key(text), "")

    return read


def _age(text: str) -> str:
    """The decade of an age; a band given is its own decade if it lies in one."""
    if match := _DECADE.fullmatch(text):
        return _decade(10 * _DECADES.index(match[1].casefold()))
    if match := _BAND.fullmatch(text):
        first, last = _decade(int(match[1])), _decade(int(match[2]))
        return first if first == last else f"{int(match[1])}-{int(match[2])}"
    if match := _AGE.fullmatch(text):
        return _decade(int(match[1]))
    return ""


def _decade(age: int) -> str:
    if age >= OLDEST:
        return f"{OLDEST} or older" if age <= 120 else ""
    return f"{age // 10 * 10}-{age // 10 * 10 + 9}" if age >= 10 else "under 10"


TRAITS: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "donor_sex": (("sex", "gender", "sex_ontology_term_id"), _words(_SEX)),
    "donor_age": (("age", "age_at_collection", "age_group", "development_stage"), _age),
    "donor_smoking": (("smoking_status", "smoking", "smoker"), _words(_SMOKING)),
}
"""Trait → columns of a table that may tell it, and how their texts are read."""
