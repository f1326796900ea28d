"""One name for every tissue and cell type of an atlas, and what each place is worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from cartarget.atlas.contract import check_donors, require_atlas
from cartarget.atlas.names import NOT_STATED, is_missing, name_key, several
from cartarget.atlas.public.ontology import FILES, Ontology, read_obo
from cartarget.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


class KnownPlace(Protocol):
    """A tissue or cell type under its harmonised name, with what it is worth."""

    @property
    def population(self) -> str:
        """Name of the population."""

    @property
    def tissue(self) -> str:
        """Harmonised tissue."""

    @property
    def cell_type(self) -> str:
        """Harmonised cell type; empty: the whole tissue."""

    @property
    def tier(self) -> str:
        """How bad harm would be there."""

    @property
    def weight(self) -> float:
        """Weight of the exposure, 0 to 1."""

    @property
    def cap(self) -> float:
        """Highest exposure that is accepted, 0 to 1."""

    @property
    def is_required(self) -> bool:
        """Whether it must be measured before anything is called safe."""


class Places(Protocol):
    """What knows the places of the body: `cartarget.safety.tiers.Tiers`, or anything that answers like it."""

    @property
    def path(self) -> str:
        """The table's file, for messages."""

    def find(self, tissue: str, cell_type: str = "") -> KnownPlace | None:
        """The place that a tissue and cell type, named in any known way, stand for; None if unknown."""

    def nearest(self, tissue: str) -> list[str]:
        """Known names that look like an unknown one."""

    def how_to_add(self, name: str) -> str:
        """What to write into the table so that it knows a name."""


def harmonise(
    adata: AnnData, *, tiers: Places, origin: str | Collection[str], names: Mapping[str, str] | None = None
) -> AnnData:
    """Give every observation its population and what the population is worth.

    Parameters
    ----------
    adata
        An atlas as a reader returns it (`obs` with `side`, `donor`, `tissue`, `cell_type`).
    tiers
        The tier table.
    origin
        Tissue or tissues from which the tumour arises, in any known name.
    names
        What this atlas calls a tissue → what the tier table calls it, for names that mean something in
        this atlas alone ("Normal Adjacent").

    Returns
    -------
    AnnData
        A copy. `obs` gains `population`, `tier` (empty for the tumour), `weight` (0 for the tumour), `cap`
        (1 for the tumour), `is_required`, `is_origin`; `tissue` and `cell_type` become harmonised. Normal
        observations: population is `tissue`, `tissue (part)`, `tissue: cell type`. Tumour observations: the
        donor in kind `cells`, `tumor` otherwise. A text that says nothing (`unknown`, `nan`, `N/A` …) is no name:
        without a tissue the cell type decides; observations with neither are `not stated`, count nowhere, and are
        told in `uns["cartarget"]["notes"]`.

    Raises
    ------
    InputError
        A sample or cell has no donor. A normal tissue (or, where none is named, a cell type), or a tissue of origin, is
        unknown: all are listed, each with the nearest known names and, where UBERON and the Cell Ontology were fetched,
        with what it is part of; the row to add is shown.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> from cartarget import read_tiers
    >>> obs = pd.DataFrame({"side": "normal", "donor": "d", "tissue": ["Cerebellum"], "cell_type": ""}, index=["o"])
    >>> adata = anndata.AnnData(np.zeros((1, 1)), obs=obs, uns={"cartarget": {"kind": "summary"}})
    >>> found = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    >>> found.obs["population"].item(), found.obs["tier"].item()
    ('brain (cerebellum)', 'vital')
    """
    require_atlas(adata, call='cartarget.harmonise(atlas, tiers=cartarget.read_tiers(), origin="colon")')
    check_donors(adata)
    home = _origin(several(origin), tiers)
    keys = _keys(adata)
    unique = keys.drop_duplicates()
    rows = _rows(unique, tiers=tiers, names=names or {}, home=home, atlas=adata.uns["cartarget"].get("atlas", ""))
    where = dict(zip(unique.itertuples(index=False, name=None), range(len(unique)), strict=True))
    order = [where[key] for key in keys.itertuples(index=False, name=None)]
    result = adata.copy()
    for column, values in pd.DataFrame(rows, columns=_ADDED).iloc[order].items():
        is_text = isinstance(values.iloc[0], str) if len(values) else False
        result.obs[str(column)] = pd.Categorical(values) if is_text else values.to_numpy()
    _tell_not_stated(result)
    _tell_numbers(result)
    return result


_ADDED = ["population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin"]


def _keys(adata: AnnData) -> pd.DataFrame:
    """What decides an observation's place: side, donor (of malignant cells alone), tissue and cell type."""
    keys = pd.DataFrame({column: adata.obs[column].astype(str) for column in ("side", "donor", "tissue", "cell_type")})
    is_patient = (keys["side"] == "tumor") & (adata.uns["cartarget"]["kind"] == "cells")
    return keys.assign(donor=keys["donor"].where(is_patient, ""))


def _rows(
    unique: pd.DataFrame, *, tiers: Places, names: Mapping[str, str], home: set[str], atlas: str
) -> list[tuple[Any, ...]]:
    """The values of `_ADDED` for each distinct key."""
    renamed = {name_key(given): known for given, known in names.items()}
    rows: list[tuple[Any, ...]] = []
    unknown = set()
    for side, donor, tissue, cell_type in unique.itertuples(index=False, name=None):
        if side == "tumor":
            rows.append((donor or "tumor", tissue, cell_type, "", 0.0, 1.0, False, False))
            continue
        named = renamed.get(name_key(tissue), tissue)
        place = tiers.find(named, cell_type)
        if place is None:
            unknown.add(cell_type if is_missing(named) and not is_missing(cell_type) else tissue)
            continue
        worth = (place.tier, place.weight, place.cap, place.is_required)
        rows.append((place.population, place.tissue, place.cell_type, *worth, place.tissue in home))
    if unknown:
        raise InputError(_unknown(sorted(unknown), tiers, f"atlas {atlas!r}"))
    return rows


def _tell_not_stated(adata: AnnData) -> None:
    """Add a note that counts the observations that name no place."""
    lost = adata.obs[((adata.obs["side"] == "normal") & (adata.obs["tissue"] == NOT_STATED)).to_numpy()]
    if not len(lost):
        return
    donors = set(lost["donor"].astype(str)) - {""}
    whose = f", of {len(donors):,} donor{'' if len(donors) == 1 else 's'}" if donors else ""
    _note(
        adata,
        f"normal, but neither tissue nor cell type is named: {len(lost):,}{whose}; '{NOT_STATED}', counted nowhere",
    )


def _tell_numbers(adata: AnnData) -> None:
    """Add a note on normal cell types that are bare numbers: clusters without a name, which no tier can know."""
    types = adata.obs.loc[(adata.obs["side"] == "normal").to_numpy(), "cell_type"].astype(str)
    numbers = types[types.str.fullmatch(r"\d+(\.0)?")]
    if len(numbers):
        some = ", ".join(map(repr, sorted(set(numbers))[:4]))
        _note(
            adata,
            f"{numbers.nunique():,} normal cell types are bare numbers ({some}), {len(numbers):,} observations: they "
            "are judged as their tissue, and cannot stand for a required cell type; name the clusters",
        )


def _note(adata: AnnData, note: str) -> None:
    about = adata.uns["cartarget"]
    adata.uns["cartarget"] = {**about, "notes": [*about.get("notes", []), note]}


def _origin(origin: Collection[str], tiers: Places) -> set[str]:
    found = {name: None if is_missing(name) else tiers.find(name) for name in origin}
    unknown = sorted(name for name, place in found.items() if place is None)
    if unknown:
        raise InputError(_unknown(unknown, tiers, "origin"))
    return {place.tissue for place in found.values() if place}


def _unknown(unknown: list[str], tiers: Places, where: str) -> str:
    ontologies = [read_obo(path) for path in FILES if Path(path).is_file()]
    lines = [f"{where}: {len(unknown)} tissue name(s) that {tiers.path} does not know:"]
    for name in unknown:
        near, above = tiers.nearest(name), _above(name, tiers, ontologies)
        hint = f"; nearest: {', '.join(map(repr, near))}" if near else ""
        lines.append(f"  {name or '(empty)'!r}{above}{hint}")
    if not ontologies:
        lines.append("`cartarget atlas fetch uberon cell_ontology` adds what these are part of, where they are known.")
    return "\n".join([*lines, tiers.how_to_add(unknown[0])])


def _above(name: str, tiers: Places, ontologies: Sequence[Ontology]) -> str:
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
