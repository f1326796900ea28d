"""What each normal tissue is worth: the tier table, and one name for every tissue and cell type."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

TIERS: dict[str, tuple[float, float]] = {
    "vital": (1.0, 0.05),
    "important": (0.5, 0.2),
    "tolerable": (0.1, 1.0),
    "ignored": (0.0, 1.0),
}
"""Tiers in order, each with its default weight and its default cap on exposure."""

ANYWHERE = "any tissue"
"""Tissue of a row that speaks of a cell type wherever it lives."""

COLUMNS = (
    *("tissue", "cell_type", "ontology_id", "tier", "weight", "cap", "required"),
    *("names", "parts", "sex", "reason", "source"),
)
"""Columns of a tier table."""

_NEEDED = ("tissue", "tier", "reason", "source")
_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class Place:
    """A tissue or cell type under its harmonised name, with what it is worth.

    `part` is a region of the tissue that stays a population of its own (the cerebellum of the brain).
    """

    tissue: str
    cell_type: str = ""
    part: str = ""
    tier: str = "vital"
    weight: float = 1.0
    cap: float = 0.05
    is_required: bool = False

    @property
    def population(self) -> str:
        """`tissue`, `tissue (part)`, `tissue: cell type` or `tissue (part): cell type`.

        Examples
        --------
        >>> Place("brain", "Purkinje cells", "cerebellum").population
        'brain (cerebellum): Purkinje cells'
        """
        where = f"{self.tissue} ({self.part})" if self.part else self.tissue
        return f"{where}: {self.cell_type}" if self.cell_type else where


def _key(name: str) -> str:
    """A name without case, spaces and punctuation; `+` stays, for CD4+ is not CD4."""
    return re.sub(r"[^a-z0-9+]", "", name.casefold())


@dataclass(frozen=True)
class Row:
    """One line of a tier table: a whole tissue (`cell_type` empty) or a cell type that differs from its tissue."""

    tissue: str
    cell_type: str
    ontology_id: str
    tier: str
    weight: float
    cap: float
    is_required: bool
    names: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]
    sex: str
    reason: str
    source: str

    @property
    def place(self) -> Place:
        """What the row stands for."""
        return Place(self.tissue, self.cell_type, "", self.tier, self.weight, self.cap, self.is_required)

    @property
    def claims(self) -> tuple[str, ...]:
        """Every name that leads to this row."""
        return (self.cell_type or self.tissue, *self.names, *(given for given, _ in self.parts))


@dataclass(frozen=True)
class Tiers:
    """A checked tier table with its lookups."""

    rows: tuple[Row, ...]
    path: str = "tissue_tiers.tsv"

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a frame, one row per line, for reports."""
        return pd.DataFrame([dataclasses.asdict(row) for row in self.rows])

    @property
    def required(self) -> tuple[str, ...]:
        """Tissues that must be measured before anything is called safe."""
        return tuple(row.tissue for row in self.rows if row.is_required and not row.cell_type)

    @property
    def rare(self) -> tuple[str, ...]:
        """Vital tissues and cell types that are not required: to be named where no atlas measures them."""
        return tuple(
            row.cell_type or row.tissue
            for row in self.rows
            if row.tier == "vital" and not row.is_required and (not row.cell_type or row.tissue in self.required)
        )

    @cached_property
    def _places(self) -> dict[str, Place]:
        alone: dict[str, set[Place]] = {}
        places: dict[str, Place] = {}
        for row in self.rows:
            if row.cell_type:
                for name in row.claims:
                    alone.setdefault(_key(name), set()).add(row.place)
                continue
            parts = {given: dataclasses.replace(row.place, part=part) for given, part in row.parts}
            for name in row.claims:
                places[_pattern(name)] = parts.get(name, row.place)
        return {key: next(iter(found)) for key, found in alone.items() if len(found) == 1} | places

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Place]:
        return {(row.tissue, _key(name)): row.place for row in self.rows if row.cell_type for name in row.claims}

    def find(self, tissue: str, cell_type: str = "") -> Place | None:
        """The place that a tissue and cell type, named in any known way, stand for; None if unknown.

        Names are compared without case, spaces and punctuation. A cell type within a known tissue is
        always known: it has the tissue's tier unless a row of its own says otherwise. A cell type
        given where a tissue belongs is known if exactly one row describes it.

        Examples
        --------
        >>> tiers = read_tiers("config/tissue_tiers.tsv")
        >>> tiers.find("Heart muscle", "cardiomyocytes").population
        'heart: cardiomyocyte'
        >>> tiers.find("cerebellum").population
        'brain (cerebellum)'
        >>> tiers.find("hart") is None
        True
        """
        place = self._places.get(_key(tissue)) or self._by_beginning(_key(tissue))
        if place is None:
            return None
        cell_type = " ".join(cell_type.split())
        if not cell_type:
            return place
        if place.cell_type:
            return dataclasses.replace(place, cell_type=cell_type)
        own = self._cells.get((place.tissue, _key(cell_type))) or self._cells.get((ANYWHERE, _key(cell_type)))
        if own is None:
            return dataclasses.replace(place, cell_type=cell_type)
        return dataclasses.replace(own, tissue=place.tissue, part=place.part)

    def _by_beginning(self, key: str) -> Place | None:
        found = [name for name in self._places if name.endswith("*") and key.startswith(name[:-1])]
        return self._places[max(found, key=len)] if found else None

    def nearest(self, tissue: str) -> list[str]:
        """Up to three known names that look like an unknown one.

        Examples
        --------
        >>> read_tiers("config/tissue_tiers.tsv").nearest("hart")[0]
        'heart'
        """
        known = {_key(name): name.rstrip("*") for row in self.rows for name in row.claims}
        return [known[key] for key in difflib.get_close_matches(_key(tissue), known, n=3, cutoff=0.6)]

    def for_sex(self, sex: str) -> Tiers:
        """The same table for patients of one sex: organs of the other are ignored and not required.

        Parameters
        ----------
        sex
            `female`, `male`, or empty for both (the table is returned as it is).

        Examples
        --------
        >>> read_tiers("config/tissue_tiers.tsv").for_sex("female").find("prostate").tier
        'ignored'
        """
        weight, cap = TIERS["ignored"]
        rows = (
            row if not sex or row.sex in ("", sex)
            else dataclasses.replace(row, tier="ignored", weight=weight, cap=cap, is_required=False)
            for row in self.rows
        )
        return Tiers(tuple(rows), self.path)


def _pattern(name: str) -> str:
    return _key(name) + ("*" if name.endswith("*") else "")


def read_tiers(path: str | os.PathLike[str]) -> Tiers:
    """Read and check a tier table.

    A tab-separated file with the columns `tissue` (`any tissue`: a cell type wherever it lives), `cell_type`
    (empty: the whole tissue), `ontology_id` (UBERON or CL), `tier` (vital, important, tolerable, ignored),
    `weight` and `cap` (empty: the tier's default), `required` (yes or no), `names` (other names, separated
    by `|`; a final `*` matches any ending), `parts` (regions that stay populations of their own;
    `given=part` renames), `sex` (empty, female, male), `reason`, `source`. Lines that start with `#` are
    skipped.

    Raises
    ------
    InputError
        A column is missing, a tissue has no tier or an unknown one, a weight or cap lies outside [0, 1],
        a row has no reason or source, or two rows claim one name. The message gives the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table such as config/tissue_tiers.tsv") from error
    lines = [(number, line.split("\t")) for number, line in enumerate(text.splitlines(), 1)
             if line.strip() and not line.startswith("#")]
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    missing = [column for column in _NEEDED if column not in header]
    extra = [column for column in header if column not in COLUMNS]
    if missing or extra:
        fault = f"column {missing[0]!r} is missing" if missing else f"unknown column {extra[0]!r}"
        raise InputError(f"{path}: {fault}; expected {', '.join(COLUMNS)}, separated by tabs")
    rows = {}
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            raise InputError(f"{path}, line {number}: {len(cells)} cells under {len(header)} columns; remove a tab")
        given = dict.fromkeys(COLUMNS, "") | dict(zip(header, (cell.strip() for cell in cells), strict=False))
        rows[number] = _row(given, f"{path}, line {number}")
    _refuse_twins(rows, str(path))
    return Tiers(tuple(rows.values()), str(path))


def _row(given: dict[str, str], where: str) -> Row:
    for column in _NEEDED:
        if not given[column]:
            raise InputError(f"{where}: {column} is empty for {given['tissue'] or 'a row'!r}; every row needs one")
    tier = given["tier"]
    if tier not in TIERS:
        near = difflib.get_close_matches(tier, TIERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(TIERS)}"
        raise InputError(f"{where}: unknown tier {tier!r}; {hint}")
    if given["required"].lower() not in _YES_NO:
        raise InputError(f"{where}: required is {given['required']!r}; expected yes or no")
    if given["sex"] not in ("", "female", "male"):
        raise InputError(f"{where}: sex is {given['sex']!r}; expected female, male or nothing")
    weight, cap = TIERS[tier]
    parts = (entry.partition("=") for entry in _listed(given["parts"]))
    return Row(
        tissue=given["tissue"],
        cell_type=given["cell_type"],
        ontology_id=given["ontology_id"],
        tier=tier,
        weight=_share(given["weight"], weight, f"{where}: weight"),
        cap=_share(given["cap"], cap, f"{where}: cap"),
        is_required=_YES_NO[given["required"].lower()],
        names=tuple(_listed(given["names"])),
        parts=tuple((name, part or name) for name, _, part in parts),
        sex=given["sex"],
        reason=given["reason"],
        source=given["source"],
    )


def _listed(cell: str) -> list[str]:
    return [name.strip() for name in cell.split("|") if name.strip()]


def _share(text: str, default: float, where: str) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise InputError(f"{where} is {text!r}; expected a number from 0 to 1")
    return value


def _refuse_twins(rows: dict[int, Row], path: str) -> None:
    taken: dict[tuple[str, str], int] = {}
    whole = {row.tissue for row in rows.values() if not row.cell_type}
    for line, row in rows.items():
        where = f"{path}, line {line}"
        if row.tissue not in whole and row.tissue != ANYWHERE:
            raise InputError(f"{where}: {row.cell_type!r} is a cell type of {row.tissue!r}, which has no row; "
                             "add a row for the whole tissue, with cell_type empty")
        for name in row.claims:
            twin = taken.setdefault((row.tissue if row.cell_type else "", _pattern(name)), line)
            if twin != line:
                raise InputError(f"{where}: {name!r} is already taken by line {twin}; keep one of them")


def harmonise(
    adata: AnnData, *, tiers: Tiers, origin: Collection[str], names: Mapping[str, str] | None = None
) -> AnnData:
    """Give every observation its population and what the population is worth.

    Parameters
    ----------
    adata
        An atlas as a reader returns it (`obs` with `side`, `donor`, `tissue`, `cell_type`).
    tiers
        The tier table.
    origin
        Tissues from which the tumour arises, in any known name.
    names
        What this atlas calls a tissue → what the tier table calls it, for names that mean something in
        this atlas alone ("Normal Adjacent").

    Returns
    -------
    AnnData
        A copy. `obs` gains `population`, `tier` (empty for the tumour), `weight` (0 for the tumour), `cap`
        (1 for the tumour), `is_required`, `is_origin`; `tissue` and `cell_type` become harmonised. Normal
        observations: population is `tissue`, `tissue (part)`, `tissue: cell type`. Tumour observations: the
        donor in kind `cells`, `tumor` otherwise.

    Raises
    ------
    InputError
        A normal tissue, or a tissue of origin, is unknown: all are listed, each with the nearest known
        names, and the row to add is shown.
    """
    renamed = {_key(given): known for given, known in (names or {}).items()}
    home = _origin(origin, tiers)
    given = pd.DataFrame({column: adata.obs[column].astype(str) for column in ("side", "donor", "tissue", "cell_type")})
    kind = adata.uns["cartarget"]["kind"]
    keys = given.assign(donor=given["donor"].where((given["side"] == "tumor") & (kind == "cells"), ""))
    unique = keys.drop_duplicates()
    rows, unknown = [], []
    for side, donor, tissue, cell_type in unique.itertuples(index=False, name=None):
        if side == "tumor":
            rows.append((donor or "tumor", tissue, cell_type, "", 0.0, 1.0, False, False))
            continue
        place = tiers.find(renamed.get(_key(tissue), tissue), cell_type)
        if place is None:
            unknown.append(tissue)
            continue
        rows.append((place.population, place.tissue, place.cell_type, place.tier, place.weight, place.cap,
                     place.is_required, place.tissue in home))
    if unknown:
        raise InputError(_unknown(sorted(set(unknown)), tiers, f"atlas {adata.uns['cartarget'].get('atlas', '')!r}"))
    where = dict(zip(unique.itertuples(index=False, name=None), range(len(unique)), strict=True))
    order = [where[key] for key in keys.itertuples(index=False, name=None)]
    result = adata.copy()
    for column, values in pd.DataFrame(rows, columns=_ADDED).iloc[order].items():
        is_text = isinstance(values.iloc[0], str) if len(values) else False
        result.obs[str(column)] = pd.Categorical(values) if is_text else values.to_numpy()
    return result


_ADDED = ["population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin"]


def _origin(origin: Collection[str], tiers: Tiers) -> set[str]:
    found = {name: tiers.find(name) for name in origin}
    unknown = sorted(name for name, place in found.items() if place is None)
    if unknown:
        raise InputError(_unknown(unknown, tiers, "origin"))
    return {place.tissue for place in found.values() if place}


def _unknown(unknown: list[str], tiers: Tiers, where: str) -> str:
    lines = [f"{where}: {len(unknown)} tissue name(s) that {tiers.path} does not know:"]
    for name in unknown:
        near = tiers.nearest(name)
        lines.append(f"  {name or '(empty)'!r}" + (f"; nearest: {', '.join(map(repr, near))}" if near else ""))
    row = "\\t".join([unknown[0] or "my tissue", "", "", "vital", "1", "0.05", "no", "", "", "", "reason", "source"])
    lines.append(f"Add the name to the `names` of its tissue there; or add a row ({', '.join(COLUMNS)}): {row}")
    return "\n".join(lines)
