"""Whom an HLA-gated blocker can serve: who carries its allele once, and whose tumour has lost it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cartarget.atlas.names import is_missing
from cartarget.errors import InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.safety.sourced import identified, one_of, read_sourced

RATES = Path("resources") / "hla_loh.tsv"

SEROLOGICAL_A = frozenset({1, 2, 3, 11, 23, 24, 25, 26, 29, 30, 31, 32, 33, 34, 36, 43, 66, 68, 69, 74, 80})
"""Serological names of HLA-A that are those of one allele group (A2: A*02); broad ones (A9, A28) are not."""

_ALLELE = re.compile(
    r"(?:HLA[-_ ]?)?(?P<gene>[ABC])(?P<star>[*_ -]?)(?P<fields>\d{2,4}(?:[:_]\d{2,4}){0,3}|\d{1,8})(?P<suffix>[A-Z]?)"
)
_RATE = ("what", "allele", "cancer", "n", "percent", "is_upper_bound", "note", "source", "source_title")


@dataclass(frozen=True)
class HlaAllele:
    """An HLA class I allele: `gene` (A, B, C), allele `group`, `protein` (empty: not resolved), `suffix` (N: null).

    The text of one is `A*02:01`.
    """

    gene: str
    group: str
    protein: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.gene}*{self.group}" + (f":{self.protein}" if self.protein else "") + self.suffix

    def is_of(self, blocker: HlaAllele) -> bool | None:
        """Whether a blocker of an allele or an allele group binds this one; None: it was not typed finely enough.

        A null allele (N) is on no cell, whatever its number; of L, S, C, A and Q the level is not known.

        Examples
        --------
        >>> [parse_hla(name).is_of(parse_hla("A*02:01")) for name in ("A*02:01", "A*02:06", "A*02", "A*03:01")]
        [True, False, None, False]
        >>> parse_hla("A*02:53N").is_of(parse_hla("A*02"))
        False
        """
        if self.gene != blocker.gene or self.group != blocker.group or self.suffix == "N":
            return False
        if blocker.protein and self.protein:
            is_same = self.protein == blocker.protein
            return None if is_same and self.suffix in tuple("LSCAQ") else is_same
        return None if blocker.protein or self.suffix in tuple("LSCAQ") else True


def parse_hla(text: str) -> HlaAllele:
    """Read an HLA class I allele in any usual spelling.

    Parameters
    ----------
    text
        `HLA-A*02:01`, `A*02:01:01:02L`, `A*0201`, `A0201`, `hla_a_02_01_01_01`, `A*02`, and of HLA-A the serological
        `A2`. Fields beyond the second say nothing of the protein and are dropped; so are the endings G and P of groups.

    Raises
    ------
    InputError
        The text is no allele, a serological name that is no allele group, or digits that can be cut in two ways or mix
        both spellings (`A*02:0101`).

    Examples
    --------
    >>> [str(parse_hla(name)) for name in ("HLA-A*02:01", "A0201", "hla_a_02_01_01_01", "A2", "a*24:09N")]
    ['A*02:01', 'A*02:01', 'A*02:01', 'A*02', 'A*24:09N']
    """
    expected = "expected a name such as HLA-A*02:01, A*02:01 or A0201"
    match = _ALLELE.fullmatch(text.strip().upper())
    if match is None:
        raise InputError(f"HLA type {text!r}: no allele of HLA-A, B or C; {expected}")
    fields = re.split(r"[:_]", match["fields"])
    digits = fields[0]
    suffix = "" if match["suffix"] in "GP" else match["suffix"]
    if len(fields) == 1 and len(digits) <= 2 and match["star"] not in ("*", "_"):
        return _serological(match["gene"], int(digits), text)
    if len(fields) == 1 and len(digits) > 2:
        if len(digits) % 2:
            raise InputError(f"HLA type {text!r}: {len(digits)} digits can be cut in two ways; {expected}")
        fields = [digits[:2], digits[2:4]]
    if len(fields[0]) > 2:
        raise InputError(f"HLA type {text!r}: an allele group has two digits, found {fields[0]}; {expected}")
    if len(fields) > 1 and len(fields[1]) > 2 and fields[1].startswith("0"):
        raise InputError(
            f"HLA type {text!r}: no protein has the number {fields[1]}; with colons write {_colons(fields)}"
        )
    return HlaAllele(match["gene"], fields[0].zfill(2), fields[1] if len(fields) > 1 else "", suffix)


def _colons(fields: list[str]) -> str:
    return ":".join([fields[0], *re.findall(r"\d{1,2}", fields[1])])


def _serological(gene: str, number: int, text: str) -> HlaAllele:
    if gene != "A" or number not in SEROLOGICAL_A:
        raise InputError(
            f"HLA type {text!r}: a serological name that does not tell the allele group; give the molecular type, such "
            f"as {gene}*{number:02d}:01"
        )
    return HlaAllele(gene, f"{number:02d}")


def hla_table(types: pd.DataFrame, *, blocker: str) -> pd.DataFrame:
    """Whom a blocker of an HLA allele can serve, person by person.

    A person is served if the normal cells carry the allele, so that the blocker spares them, and the tumour has lost
    it. Who carries it on both chromosomes keeps one where the tumour loses the other.

    Parameters
    ----------
    types
        One row per person: `allele_1`, `allele_2` of the blocker's gene, germline, in any spelling of `parse_hla`;
        `lost`: the allele that the tumour has lost, `none`, or empty where it was not looked for. What says nothing
        (empty, `NA`, `unknown`) is unknown.
    blocker
        The allele (`A*02:01`) or allele group (`A*02`) that the blocker binds.

    Returns
    -------
    DataFrame
        One row per person, in the same order: `person` (`P01` …, never the table's own names), `is_carrier`,
        `is_heterozygous`, `has_lost`, `is_served`, each missing where *unknown*; `reason` in words.

    Raises
    ------
    InputError
        A column is missing, an allele cannot be read or is of another gene, or the tumour is said to have lost an
        allele that the person does not carry.

    Examples
    --------
    >>> types = pd.DataFrame({"allele_1": ["A*02:01", "A2", "A*02:01", ""], "allele_2": ["A0301", "A*24:02", "A*02:06",
    ...                       ""], "lost": ["HLA-A*02:01", "", "A*02:06", ""]})
    >>> hla_table(types, blocker="A*02")[["is_carrier", "is_served"]].values.tolist()
    [[True, True], [True, <NA>], [True, False], [<NA>, <NA>]]
    """
    target = parse_hla(blocker)
    for name in ("allele_1", "allele_2", "lost"):
        if name not in types:
            raise InputError(f"HLA types: column {name!r} is missing; expected allele_1, allele_2 and lost")
    rows = [_person(row, target, f"P{number + 1:02d}") for number, row in enumerate(types.to_dict("records"))]
    flags = ("is_carrier", "is_heterozygous", "has_lost", "is_served")
    frame = pd.DataFrame(rows, columns=["person", *flags, "reason"])
    return frame.astype(dict.fromkeys(flags, "boolean"))


def _person(row: Mapping[str, object], target: HlaAllele, name: str) -> dict[str, object]:
    alleles = [_known(row[column], target, name) for column in ("allele_1", "allele_2")]
    binds = [None if allele is None else allele.is_of(target) for allele in alleles]
    is_carrier = _any(binds)
    is_one = None if None in binds else sum(map(bool, binds)) == 1
    is_heterozygous = False if is_carrier is False else is_one
    has_lost = _lost(row["lost"], alleles, target, name)
    is_served = _all([is_heterozygous, has_lost])
    found = {"is_carrier": is_carrier, "is_heterozygous": is_heterozygous, "has_lost": has_lost, "is_served": is_served}
    return {"person": name, **found, "reason": _reason(found, target)}


def _known(value: object, target: HlaAllele, name: str) -> HlaAllele | None:
    text = "" if pd.isna(value) else str(value)
    if is_missing(text):
        return None
    try:
        allele = parse_hla(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if allele.gene != target.gene:
        raise InputError(f"{name}: found {allele}, expected an allele of HLA-{target.gene}, which the blocker binds")
    return allele


def _lost(value: object, alleles: list[HlaAllele | None], target: HlaAllele, name: str) -> bool | None:
    """Whether the tumour has lost what the blocker binds; None: not looked for, or not told finely enough."""
    if isinstance(value, str) and value.strip().casefold() in ("none", "no"):
        return False
    lost = _known(value, target, name)
    if lost is None:
        return None
    own = [allele for allele in alleles if allele is not None]
    meant = _meant(lost, own)
    if len(own) == 2 and not meant:
        raise InputError(
            f"{name}: the tumour is said to have lost {lost}, but the person carries {own[0]} and {own[1]}"
        )
    told = [allele for allele in meant if allele.protein or allele.suffix]
    binds = {allele.is_of(target) for allele in told}
    if lost.protein or len(own) < 2 or len(told) < len(meant):
        binds.add(lost.is_of(target))
    return binds.pop() if len(binds) == 1 else None


def _meant(lost: HlaAllele, own: list[HlaAllele]) -> list[HlaAllele]:
    """The person's alleles that the lost one may be: those of its very name, else all that its name does not exclude.

    A group without a protein (`A*02`) may be any allele of the group, a null one (`A*02:53N`) too.
    """
    same = [allele for allele in own if allele == lost and (lost.protein or lost.suffix)]
    return same or [
        allele
        for allele in own
        if allele.group == lost.group and (not (allele.protein and lost.protein) or allele.protein == lost.protein)
    ]


def _any(flags: list[bool | None]) -> bool | None:
    return True if any(flags) else None if None in flags else False


def _all(flags: list[bool | None]) -> bool | None:
    return False if any(flag is False for flag in flags) else None if None in flags else True


def _reason(found: Mapping[str, bool | None], target: HlaAllele) -> str:
    if found["is_served"]:
        return f"carries {target} once, and the tumour has lost it"
    if found["is_carrier"] is False:
        return f"does not carry {target}: nothing would spare normal cells"
    if found["has_lost"] is False:
        return f"the tumour has not lost {target}: the blocker would spare it"
    if found["is_carrier"] and found["is_heterozygous"] is False:
        return f"carries {target} on both chromosomes: a tumour that loses one keeps the other"
    if found["is_heterozygous"] is None:
        return "unknown: not typed, or not finely enough"
    return "unknown: not told whether the tumour has lost it, or not finely enough"


def served_people(table: pd.DataFrame) -> dict[str, float]:
    """Count whom a blocker serves.

    Parameters
    ----------
    table
        `hla_table`.

    Returns
    -------
    `n`, `n_served`, `n_unknown`, and the share of people served at least (`share_lower`: nobody unknown is served) and
    at most (`share_upper`: all of them are); of nobody 0 and 1.

    Examples
    --------
    >>> served_people(pd.DataFrame({"is_served": pd.array([True, False, None, False], dtype="boolean")}))
    {'n': 4, 'n_served': 1, 'n_unknown': 1, 'share_lower': 0.25, 'share_upper': 0.5}
    """
    served, n = table["is_served"], len(table)
    yes, open_ = int(served.fillna(False).sum()), int(served.isna().sum())
    lower, upper = (yes / n, (yes + open_) / n) if n else (0.0, 1.0)
    return {"n": n, "n_served": yes, "n_unknown": open_, "share_lower": lower, "share_upper": upper}


@dataclass(frozen=True)
class Rate:
    """A share of people, of `n` (None: not told), with its source; `is_upper_bound`: at most that."""

    share: float
    n: int | None = None
    is_upper_bound: bool = False
    source: str = ""


@dataclass(frozen=True)
class Served:
    """Share of patients served, its interval (NaN: the sizes behind it are not told), and what it rests on."""

    share: float
    lower: float
    upper: float
    is_upper_bound: bool
    source: str


def served_share(carriers: Rate, *, loss: Rate) -> Served:
    r"""Share of patients whom a blocker serves by published rates: carriers × loss.

    Parameters
    ----------
    carriers
        Patients who carry the allele once (`once`).
    loss
        Tumours of such patients that have lost it.

    Returns
    -------
    Served
        The interval is the product of two 97.5 % Jeffreys intervals, so that it holds at 95 % at least; NaN where a
        rate does not tell of how many people. If a rate is an upper bound so is the share, and the lower end is 0.

    Raises
    ------
    InputError
        A share is not between 0 and 1.

    Examples
    --------
    >>> found = served_share(Rate(0.4, 1000), loss=Rate(0.1, 500))
    >>> round(found.share, 3), round(found.lower, 3), round(found.upper, 3)
    (0.04, 0.027, 0.058)
    """
    for rate in (carriers, loss):
        if not 0 <= rate.share <= 1:
            raise InputError(f"rate {rate.share:g} ({rate.source or 'no source'}): expected a share between 0 and 1")
    ends = [
        (np.nan, np.nan) if rate.n is None else fraction_interval(rate.share, rate.n, level=0.975)
        for rate in (carriers, loss)
    ]
    is_bound = carriers.is_upper_bound or loss.is_upper_bound
    return Served(
        share=carriers.share * loss.share,
        lower=0.0 if is_bound else float(ends[0][0] * ends[1][0]),
        upper=float(ends[0][1] * ends[1][1]),
        is_upper_bound=is_bound,
        source="; ".join(dict.fromkeys(rate.source for rate in (carriers, loss) if rate.source)),
    )


def once(carriers: Rate) -> Rate:
    r"""Of people who carry an allele once or twice, those who carry it once, by Hardy–Weinberg.

    With a share :math:`c` of carriers the allele's frequency is :math:`f = 1 - \sqrt{1 - c}`, and :math:`2 f (1 - f)`
    carry it once.

    Examples
    --------
    >>> round(once(Rate(0.448)).share, 3)
    0.382
    """
    f = 1 - float(np.sqrt(1 - carriers.share))
    return Rate(2 * f * (1 - f), carriers.n, carriers.is_upper_bound, carriers.source)


def read_hla_rates(path: str | os.PathLike[str] = RATES) -> pd.DataFrame:
    """Published rates of HLA carriers and of HLA loss.

    Returns
    -------
    DataFrame
        `what` (`carriers`, `loss`), `allele`, `cancer`, `n` (missing: not told), `percent`, `is_upper_bound`, `note`,
        `source`, `source_title`; the index is the line.

    Raises
    ------
    InputError
        The file cannot be read, or a row has no source or no number.

    Examples
    --------
    >>> rates = read_hla_rates()
    >>> rates.loc[rates["what"] == "carriers", ["allele", "percent"]].values.tolist()
    [['A*02', 44.8]]
    """
    frame = read_sourced(path, _RATE, may_be_empty=["n"])
    one_of(frame, "what", ("carriers", "loss"), path)
    one_of(frame, "is_upper_bound", ("yes", "no"), path)
    identified(frame, ["source"], path)
    percent, n = (pd.to_numeric(frame[name], errors="coerce") for name in ("percent", "n"))
    for line in frame.index[~percent.between(0, 100) | (n.isna() & frame["n"].ne("")) | (n <= 0)][:1]:
        raise InputError(
            f"{path}, line {line}: percent is {frame['percent'][line]!r} of n {frame['n'][line]!r}; expected a number "
            "between 0 and 100, and how many people or nothing"
        )
    return frame.assign(percent=percent, n=n.astype("Int64"), is_upper_bound=frame["is_upper_bound"].eq("yes"))


def rate_of(row: pd.Series) -> Rate:
    """A row of `read_hla_rates` as a rate.

    Examples
    --------
    >>> rates = read_hla_rates()
    >>> rate_of(rates[rates["what"] == "carriers"].iloc[0])
    Rate(share=0.448, n=6606, is_upper_bound=False, source='PMID:38872830')
    """
    n = None if pd.isna(row["n"]) else int(row["n"])
    return Rate(round(float(row["percent"]) / 100, 12), n, bool(row["is_upper_bound"]), str(row["source"]))
