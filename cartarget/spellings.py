"""Names of genes as programs spoil them: genome prefixes, R's dots, quotes, lower case, suffixes of twins, dates."""

from __future__ import annotations

import re

import pandas as pd

from cartarget.errors import InputError

_GENOME = r"^(GRCh3[78]|hg(?:18|19|38)|GRCm3[89]|mm(?:9|10|39)|Rnor[0-9]+|rn[0-9]+)_+(.+)$"
_HUMAN = ("GRCh", "hg")
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DATE = re.compile(rf"^(?:\d{{1,2}}-(?:{_MONTHS})|(?:{_MONTHS})-\d{{1,2}}|\d{{4}}-\d\d-\d\d.*)$", re.IGNORECASE)
_MOUSE = re.compile(r"^[A-Z][a-z][a-z0-9-]*$")
ENOUGH = 20
"""Names from which it is told what a whole table is."""

DATE = "a date, as Excel makes of SEPT2 or MARCH1; export the table again, with names as text"


def without_genome(names: pd.Series) -> pd.Series:
    """The names without the prefix of their genome (`GRCh38_EPCAM`), if that is one and a human one.

    Raises
    ------
    InputError
        The names are of several genomes, or of another species.

    Examples
    --------
    >>> without_genome(pd.Series(["hg19_EPCAM", "hg19___CD3E", "CD4"])).tolist()
    ['EPCAM', 'CD3E', 'CD4']
    >>> without_genome(pd.Series(["GRCh38_EPCAM", "mm10_Epcam"]))
    Traceback (most recent call last):
    cartarget.errors.InputError: names of genes are of several genomes: GRCh38 (1), mm10 (1); ...
    """
    if not names.str.contains("_", regex=False).any():
        return names
    parts = names.str.extract(_GENOME)
    genomes = parts[0].value_counts()
    if genomes.empty:
        return names
    told = ", ".join(f"{name} ({count:,})" for name, count in genomes.items())
    if len(genomes) > 1:
        raise InputError(f"names of genes are of several genomes: {told}; keep the human cells and genes alone")
    if not str(genomes.index[0]).startswith(_HUMAN):
        raise InputError(f"names of genes are of another species: {told}; give human genes")
    return parts[1].where(parts[1].notna(), names)


def spellings(name: str) -> list[str]:
    """What a name may have been before a program spoiled it, the likeliest first.

    Examples
    --------
    >>> spellings('"EPCAM"'), spellings("HLA.A"), spellings("ERBB2 (2064)"), spellings("epcam"), spellings("Epcam")
    (['EPCAM'], ['HLA-A'], ['ERBB2'], ['EPCAM'], [])
    """
    plain = name.strip("\"' ")
    found = [plain, re.sub(r"\s*\(\d+\)$", "", plain), plain.replace(".", "-")]
    found += [plain.upper()] if plain == plain.lower() else []
    return [one for one in dict.fromkeys(found) if one and one != name]


def twin_of(name: str) -> str:
    """The name that R or scanpy made unique by a suffix, if it did: `MATR3-1` and `MATR3.1` are second ones of MATR3.

    Examples
    --------
    >>> twin_of("MATR3-1"), twin_of("MATR3.1"), twin_of("EPCAM")
    ('MATR3', 'MATR3', '')
    """
    found = re.match(r"^(.+)[.-]\d{1,2}$", name)
    return found[1] if found else ""


def refuse_strangers(names: pd.Series, is_known: pd.Series) -> None:
    """Refuse a table of which hardly a name is one of a human gene.

    Raises
    ------
    InputError
        Of `ENOUGH` names or more fewer than one in twenty is known; the message says what they look like.

    Examples
    --------
    >>> names = pd.Series([f"Gene{number}" for number in range(30)])
    >>> refuse_strangers(names, pd.Series(False, index=names.index))
    Traceback (most recent call last):
    cartarget.errors.InputError: 0 of 30 names are known as human genes, such as 'Gene0', ...; they look like ...
    """
    if len(names) < ENOUGH or is_known.mean() >= 0.05:
        return
    strange = names[~is_known]
    guess = "names of probes or of another list"
    if strange.str.match(_MOUSE).mean() > 0.5 or strange.str.match(r"ENSMUSG|ENSRNOG").mean() > 0.5:
        guess = "genes of a mouse or rat"
    some = ", ".join(map(repr, strange.head(4)))
    raise InputError(
        f"{int(is_known.sum()):,} of {len(names):,} names are known as human genes, such as {some}; they look like "
        f"{guess}; give human symbols, Ensembl ids or Entrez ids"
    )


def is_date(name: str) -> bool:
    """Whether a name is a date that a spreadsheet made of a symbol.

    Examples
    --------
    >>> [is_date(name) for name in ("2-Sep", "Mar-01", "SEPTIN2", "MARCHF1")]
    [True, True, False, False]
    """
    return _DATE.match(name) is not None
