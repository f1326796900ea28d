"""How names and labels that people wrote are compared, and which of them say nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

NOT_STATED = "not stated"
"""The place of what names no place."""

_NOTHING = frozenset({
    "", "na", "nan", "none", "null", "missing", "unknown", "undetermined", "unspecified", "notstated", "notspecified",
    "notavailable", "notapplicable", "notdetermined", "notknown",
})  # fmt: skip


def name_key(name: str) -> str:
    """A name without case, spaces and punctuation; `+` stays, for CD4+ is not CD4.

    Examples
    --------
    >>> name_key("Small-intestine "), name_key("CD4+ T")
    ('smallintestine', 'cd4+t')
    """
    return re.sub(r"[^a-z0-9+]", "", name.casefold())


def is_missing(text: str) -> bool:
    """Whether a text says nothing: empty, `nan`, `None`, `N/A`, `unknown`, `not stated` and their like, in any case.

    Examples
    --------
    >>> [is_missing(text) for text in ("", " N/A ", "<NA>", "Not_Stated", "Nanni", "liver")]
    [True, True, True, True, False, False]
    """
    return re.sub(r"[\W_]+", "", text.casefold()) in _NOTHING


def label_key(text: str) -> str:
    """A label as it is compared: without case and blanks around it; a whole number written as `1.0` is `1`.

    Examples
    --------
    >>> label_key(" Tumor "), label_key("1.0"), label_key("grade 1.0")
    ('tumor', '1', 'grade 1.0')
    """
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text.strip().casefold())


def are(values: pd.Series, test: Callable[[str], bool]) -> pd.Series:
    """Which texts pass a test; each distinct text is tested once, since a column holds few of them many times.

    Examples
    --------
    >>> import pandas as pd
    >>> are(pd.Series(["liver", "nan", "liver"]), is_missing).tolist()
    [False, True, False]
    """
    return values.map({value: test(value) for value in values.unique()}).astype(bool)


def several(names: str | Iterable[str]) -> list[str]:
    """One name or several, as several: a text is a name, never its letters.

    Examples
    --------
    >>> several("colon"), several(("colon", "rectum"))
    (['colon'], ['colon', 'rectum'])
    """
    return [names] if isinstance(names, str) else list(names)
