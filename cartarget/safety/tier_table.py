"""The lines of a tier table: what they hold, and what is refused."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass

from cartarget.atlas.names import name_key
from cartarget.errors import InputError
from cartarget.files import resource

TIERS: dict[str, tuple[float, float]] = {
    "vital": (1.0, 0.05),
    "important": (0.5, 0.2),
    "tolerable": (0.1, 1.0),
    "ignored": (0.0, 1.0),
}
"""Tiers in order, each with its default weight and its default cap on exposure."""

ANYWHERE = "any tissue"
"""Tissue of a row that speaks of a cell type wherever it lives."""

ORGAN = "organ"
"""What may stand in for a required cell type without measured cells: bulk or a summary of its organ, as a bound."""

COLUMNS = (
    *("tissue", "cell_type", "ontology_id", "tier", "weight", "cap", "required", "stand_in"),
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


def name_pattern(name: str) -> str:
    """The key of a name, with the final `*` that matches any ending."""
    return name_key(name) + ("*" if name.endswith("*") else "")


@dataclass(frozen=True)
class Row:
    """One line of a tier table: a whole tissue (`cell_type` empty) or a cell type that differs from its tissue.

    `stand_in`: where no cells of a required cell type are measured, its organ's bulk samples or summary may bound it.
    """

    tissue: str
    cell_type: str
    ontology_id: str
    tier: str
    weight: float
    cap: float
    is_required: bool
    stand_in: bool
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


def read_rows(path: str | os.PathLike[str]) -> tuple[Row, ...]:
    """The checked lines of a tier table; see `cartarget.safety.tiers.read_tiers` for its columns and errors.

    Examples
    --------
    >>> read_rows("config/tissue_tiers.tsv")[0].tissue
    'brain'
    """
    try:
        text = resource(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a table such as config/tissue_tiers.tsv") from error
    lines = [
        (number, line.split("\t"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    missing = [column for column in _NEEDED if column not in header]
    extra = [column for column in header if column not in COLUMNS]
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if missing or extra or twice:
        fault = f"column {missing[0]!r} is missing" if missing else f"unknown column {extra[0]!r}" if extra else ""
        fault = fault or f"column {twice[0]!r} stands twice"
        raise InputError(f"{path}: {fault}; expected {', '.join(COLUMNS)}, separated by tabs")
    rows = {}
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            raise InputError(f"{path}, line {number}: {len(cells)} cells under {len(header)} columns; remove a tab")
        given = dict.fromkeys(COLUMNS, "") | dict(zip(header, (cell.strip() for cell in cells), strict=False))
        rows[number] = _row(given, f"{path}, line {number}")
    _refuse_twins(rows, str(path))
    return tuple(rows.values())


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
    _check_stand_in(given, where)
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
        stand_in=given["stand_in"] == ORGAN,
        names=tuple(_listed(given["names"])),
        parts=tuple((name, part or name) for name, _, part in parts),
        sex=given["sex"],
        reason=given["reason"],
        source=given["source"],
    )


def _check_stand_in(given: dict[str, str], where: str) -> None:
    if given["stand_in"] not in ("", ORGAN):
        raise InputError(f"{where}: stand_in is {given['stand_in']!r}; expected {ORGAN} or nothing")
    faults = {
        "which is a whole tissue": not given["cell_type"],
        "which has no organ": given["tissue"] == ANYWHERE,
        "which is not required": not _YES_NO[given["required"].lower()],
    }
    fault = next((fault for fault, is_so in faults.items() if is_so), None)
    if given["stand_in"] and fault:
        name = given["cell_type"] or given["tissue"]
        raise InputError(f"{where}: stand_in is {ORGAN!r} for {name!r}, {fault}; leave it empty")


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
            raise InputError(
                f"{where}: {row.cell_type!r} is a cell type of {row.tissue!r}, which has no row; "
                "add a row for the whole tissue, with cell_type empty"
            )
        for name in row.claims:
            twin = taken.setdefault((row.tissue if row.cell_type else "", name_pattern(name)), line)
            if twin != line:
                raise InputError(f"{where}: {name!r} is already taken by line {twin}; keep one of them")
