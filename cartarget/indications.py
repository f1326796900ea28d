"""Tumour indications: what they are called and from which tissues they arise."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from cartarget.errors import InputError
from cartarget.files import resource

TABLE = Path("resources") / "indications.tsv"


@dataclass(frozen=True)
class Indication:
    """One row of `resources/indications.tsv`.

    `origin` names the tissues from which the tumour arises, `sex` whom it befalls (`female`, `male`, empty:
    both), `epithelium` the normal cell types of the tumour's lineage, as atlases name them.
    """

    key: str
    name: str
    origin: tuple[str, ...]
    sex: str
    epithelium: tuple[str, ...]
    source: str


def read_indications(path: str | os.PathLike[str] = TABLE) -> dict[str, Indication]:
    """Read all indications by key.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, a key stands twice, or a row lacks its name, its
        origin or its source. The message gives the line.

    Examples
    --------
    >>> read_indications()["ucs"].sex
    'female'
    """
    try:
        lines = resource(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table such as resources/indications.tsv") from error
    header = lines[0].split("\t") if lines else []
    missing = [name for name in ("indication", "name", "origin", "sex", "epithelium", "source") if name not in header]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing")
    found: dict[str, Indication] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        row = dict.fromkeys(header, "") | dict(zip(header, (cell.strip() for cell in line.split("\t")), strict=False))
        for column in ("indication", "name", "origin", "source"):
            if not row[column]:
                raise InputError(f"{path}, line {number}: {column} is empty; every indication needs one")
        if row["indication"] in found:
            raise InputError(f"{path}, line {number}: {row['indication']!r} stands twice; keep one row")
        if row["sex"] not in ("", "female", "male"):
            raise InputError(f"{path}, line {number}: sex is {row['sex']!r}; expected female, male or nothing")
        found[row["indication"]] = Indication(
            row["indication"],
            row["name"],
            _listed(row["origin"]),
            row["sex"],
            _listed(row["epithelium"]),
            row["source"],
        )
    return found


def read_indication(key: str, *, path: str | os.PathLike[str] = TABLE) -> Indication:
    """One indication by its key, the config's `indication`.

    Raises
    ------
    InputError
        The key is unknown (the nearest are named), or the table breaks its format.

    Examples
    --------
    >>> read_indication("read").origin
    ('colon', 'rectum')
    >>> read_indication("raed")
    Traceback (most recent call last):
    cartarget.errors.InputError: indication 'raed' is not in resources/indications.tsv; did you mean 'read'?...
    """
    known = read_indications(path)
    if key in known:
        return known[key]
    named = [own for own, row in known.items() if key.casefold().replace("_", " ") in row.name.casefold()]
    near = named or difflib.get_close_matches(key, known, n=1)
    told = " or ".join(f"{own!r} ({known[own].name})" for own in near)
    hint = f"did you mean {told}? Else add a row" if near else f"known: {', '.join(known)}; or add a row"
    raise InputError(f"indication {key!r} is not in {path}; {hint}, or give its `origin` in the configuration")


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in cell.split("|") if name.strip())
