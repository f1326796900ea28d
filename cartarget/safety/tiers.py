"""What each normal tissue is worth: the tier table, and one name for every tissue and cell type."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.atlas.public.ontology import FILES, Ontology, read_obo
from cartarget.errors import InputError
from cartarget.safety.tier_table import ANYWHERE, COLUMNS, TIERS, Place, Row, name_key, name_pattern, read_rows

if TYPE_CHECKING:
    from anndata import AnnData


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
        """Cell types that must be measured before anything is called safe, as `tissue: cell type`."""
        return tuple(f"{row.tissue}: {row.cell_type}" for row in self.rows if row.is_required and row.cell_type)

    @property
    def stand_in(self) -> frozenset[str]:
        """Required cell types for which samples or a summary of the whole organ may stand in, as a bound."""
        return frozenset(self.required_cell_types)

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
        >>> tiers.find("hart") is None
        True
        """
        place = self._places.get(name_key(tissue)) or self._by_beginning(name_key(tissue))
        if place is None:
            return None
        cell_type = " ".join(cell_type.split())
        if not cell_type:
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
            else dataclasses.replace(row, tier="ignored", weight=weight, cap=cap, is_required=False)
            for row in self.rows
        )
        return Tiers(tuple(rows), self.path)


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

    Examples
    --------
    >>> read_tiers("config/tissue_tiers.tsv").required[:2]
    ('brain', 'heart')
    """
    return Tiers(read_rows(path), str(path))


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
        names and, where UBERON and the Cell Ontology were fetched, with what it is part of; the row to add is shown.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> obs = pd.DataFrame({"side": "normal", "donor": "d", "tissue": ["Cerebellum"], "cell_type": ""}, index=["o"])
    >>> adata = anndata.AnnData(np.zeros((1, 1)), obs=obs, uns={"cartarget": {"kind": "summary"}})
    >>> found = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    >>> found.obs["population"].item(), found.obs["tier"].item()
    ('brain (cerebellum)', 'vital')
    """
    renamed = {name_key(given): known for given, known in (names or {}).items()}
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
        named = renamed.get(name_key(tissue), tissue)
        place = tiers.find(named, cell_type) if named.strip() else tiers.find(cell_type)
        if place is None:
            unknown.append(tissue or cell_type)
            continue
        rows.append(
            (
                place.population,
                place.tissue,
                place.cell_type,
                place.tier,
                place.weight,
                place.cap,
                place.is_required,
                place.tissue in home,
            )
        )
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
    ontologies = [read_obo(path) for path in FILES if Path(path).is_file()]
    lines = [f"{where}: {len(unknown)} tissue name(s) that {tiers.path} does not know:"]
    for name in unknown:
        near, above = tiers.nearest(name), _above(name, tiers, ontologies)
        hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
        lines.append(f"  {name or '(empty)'!r}{above}{hint}")
    row = "\\t".join([unknown[0] or "my tissue", "", "", "vital", "1", "0.05", "no", "", "", "", "reason", "source"])
    if not ontologies:
        lines.append("`cartarget atlas fetch uberon cell_ontology` adds what these are part of, where they are known.")
    lines.append(f"Add the name to the `names` of its tissue there; or add a row ({', '.join(COLUMNS)}): {row}")
    return "\n".join(lines)


def _above(name: str, tiers: Tiers, ontologies: Sequence[Ontology]) -> str:
    """What an ontology says of a name: its id, and the nearest tissue or cell type above it that has a tier."""
    for ontology in ontologies:
        terms = list(ontology.above(name))
        for key, called in terms:
            place = tiers.find(key) or tiers.find(called)
            if place is not None:
                return f"; {terms[0][0]}, in or of {(place.cell_type or place.tissue)!r} (tier {place.tier})"
        if terms:
            return f"; {terms[0][0]}, of which nothing above has a tier"
    return ""
