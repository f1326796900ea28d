"""What each normal tissue is worth: the tier table and its lookups."""

from __future__ import annotations

import dataclasses
import difflib
import os
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from cartarget.atlas.names import NOT_STATED, is_missing, name_key
from cartarget.safety.tier_table import ANYWHERE, COLUMNS, TIERS, Place, Row, name_pattern, read_rows

TABLE = "config/tissue_tiers.tsv"
"""The table that the package comes with."""


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
    def required_cell_types(self) -> tuple[str, ...]:
        """Cell types that must be measured before anything is called safe, as `tissue: cell type`.

        Examples
        --------
        >>> "heart: cardiomyocyte" in read_tiers("config/tissue_tiers.tsv").required_cell_types
        True
        """
        return tuple(row.place.population for row in self.rows if row.is_required and row.cell_type)

    @property
    def stand_in(self) -> frozenset[str]:
        """Those of `required_cell_types` that bulk or a summary of the whole organ may stand in for, as a bound.

        Examples
        --------
        >>> "heart: cardiomyocyte" in read_tiers("config/tissue_tiers.tsv").stand_in
        True
        """
        return frozenset(row.place.population for row in self.rows if row.stand_in)

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
                    alone.setdefault(name_key(name), set()).add(row.place)
                continue
            parts = {given: dataclasses.replace(row.place, part=part) for given, part in row.parts}
            for name in row.claims:
                places[name_pattern(name)] = parts.get(name, row.place)
        ids = {name_key(row.ontology_id): row.place for row in self.rows if row.ontology_id and not row.cell_type}
        return ids | {key: next(iter(found)) for key, found in alone.items() if len(found) == 1} | places

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Place]:
        return {(row.tissue, name_key(name)): row.place for row in self.rows if row.cell_type for name in row.claims}

    def find(self, tissue: str, cell_type: str = "") -> Place | None:
        """The place that a tissue and cell type, named in any known way, stand for; None if unknown.

        Names are compared without case, spaces and punctuation; a tissue's UBERON id is one of its names. A cell type
        within a known tissue is always known: it has the tissue's tier unless a row of its own says otherwise. A cell
        type given where a tissue belongs is known if exactly one row describes it.

        Examples
        --------
        >>> tiers = read_tiers("config/tissue_tiers.tsv")
        >>> tiers.find("Heart muscle", "cardiomyocytes").population
        'heart: cardiomyocyte'
        >>> tiers.find("cerebellum").population
        'brain (cerebellum)'
        >>> tiers.find("unknown", "cardiomyocyte").population
        'heart: cardiomyocyte'
        >>> tiers.find("hart") is None
        True
        """
        cell_type = "" if is_missing(cell_type) else " ".join(cell_type.split())
        place = self._places.get(name_key(tissue)) or self._by_beginning(name_key(tissue))
        if is_missing(tissue) or (place is not None and place.tissue == NOT_STATED):
            return self.find(cell_type) if cell_type else self._places.get(name_key(NOT_STATED))
        if place is None or not cell_type:
            return place
        if place.cell_type:
            return dataclasses.replace(place, cell_type=cell_type)
        own = self._cells.get((place.tissue, name_key(cell_type))) or self._cells.get((ANYWHERE, name_key(cell_type)))
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
        known = {name_key(name): name.rstrip("*") for row in self.rows for name in row.claims}
        return [known[key] for key in difflib.get_close_matches(name_key(tissue), known, n=3, cutoff=0.6)]

    def how_to_add(self, name: str) -> str:
        """What to write into the table so that it knows a name."""
        row = "\\t".join([name or "my tissue", "", "", "vital", "1", "0.05", "no", "", "", "", "", "reason", "source"])
        return f"Add the name to the `names` of its tissue there; or add a row ({', '.join(COLUMNS)}): {row}"

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
            row
            if not sex or row.sex in ("", sex)
            else dataclasses.replace(row, tier="ignored", weight=weight, cap=cap, is_required=False, stand_in=False)
            for row in self.rows
        )
        return Tiers(tuple(rows), self.path)


def read_tiers(path: str | os.PathLike[str] = TABLE) -> Tiers:
    """Read and check a tier table; without a path the one that the package comes with, or the working directory's copy.

    A tab-separated file with the columns `tissue` (`any tissue`: a cell type wherever it lives), `cell_type`
    (empty: the whole tissue), `ontology_id` (UBERON or CL), `tier` (vital, important, tolerable, ignored),
    `weight` and `cap` (empty: the tier's default), `required` (yes or no), `stand_in` (`organ` or empty, for a required
    cell type: where none of its cells are measured, bulk samples or a summary of the whole organ may stand in for it,
    as a bound), `names` (other names, separated
    by `|`; a final `*` matches any ending), `parts` (regions that stay populations of their own;
    `given=part` renames), `sex` (empty, female, male), `reason`, `source`. Lines that start with `#` are
    skipped.

    Raises
    ------
    InputError
        A column is missing, a tissue has no tier or an unknown one, a weight or cap lies outside [0, 1], `stand_in` is
        another word or stands on a row that is no required cell type, a row has no reason or source, or two rows claim
        one name. The message gives the line.

    Examples
    --------
    >>> read_tiers().required[:2]
    ('brain', 'heart')
    """
    return Tiers(read_rows(path), str(path))
