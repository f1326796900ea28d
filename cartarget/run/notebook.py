"""Atlases in memory, screened in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cartarget.config import AtlasConfig, Config, parse_config
from cartarget.errors import InputError
from cartarget.indications import Indication
from cartarget.run.asking import OpenRun
from cartarget.run.inputs import Atlases, build_run, surface_sources, symbols_of
from cartarget.safety.tiers import read_tiers

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.genes import GeneTable

_ROLES = {
    "cells": "counted", "samples": "counted", "summary": "normal", "protein": "protein", "stained": "tumor_protein",
    "ratios": "tumor_protein", "proteome": "proteome", "antibodies": "antibodies",
}  # fmt: skip
"""Kind of an atlas → its role."""
_CALL = 'cartarget.screen([tumour, normal], origin="colon")'


def screen(
    atlases: AnnData | Iterable[AnnData],
    *,
    origin: str | Sequence[str],
    surface: str | os.PathLike[str] | None = None,
    every_gene: bool = False,
    genes: GeneTable | None = None,
    sex: Literal["female", "male"] | None = None,
    floor: float = 0.5,
    top: int = 1000,
) -> OpenRun:
    """Screen every antigen, and every gate of two, over atlases in memory, as a run does over files.

    Parameters
    ----------
    atlases
        Atlases as `cartarget.from_anndata` or `cartarget.read_atlas` makes them, tumour, normal or both; some holds
        tumour. Cells decide the ranking if there are tumour cells, else bulk samples. Summaries and stains of normal
        tissue may stand among them.
    origin
        Tissue, or tissues, from which the tumour arises, such as `"colon"`.
    surface
        Table of surface votes (`cartarget.read_votes`). None: the surface proteins of the installed package pirlygenes.
    every_gene
        Every gene may be an antigen, on the cell surface or not.
    genes
        Gene table, for the aliases by which genes may be asked for. None: symbols alone.
    sex
        Patients of one sex: organs of the other are ignored. None: both.
    floor
        Coverage that makes a gate eligible.
    top
        Rows of the table of gates.

    Returns
    -------
    OpenRun
        `.antigens`, `.gates` and `.exposure` are tables, made when they are first asked for; `.score(["A & ~B"])`
        scores gates of any shape; `.explain("HER2")` tells of one gene.

    Raises
    ------
    InputError
        What was given is no atlas (the right call is shown), none holds tumour, or a tissue is not in the tier table.

    Examples
    --------
    >>> import cartarget
    >>> both = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> found = screen(both, origin=["colon", "rectum"], every_gene=True)
    >>> found.antigens["symbol"].head(2).tolist()
    ['LY6G6D', 'MSLN']
    """
    from cartarget.atlas.contract import require_atlas
    from cartarget.atlas.harmonise import harmonise
    from cartarget.evidence.derived import with_derived
    from cartarget.run.counting import count_for
    from cartarget.run.deriving import read_run_derived
    from cartarget.run.reading import GenesKept

    given = list(atlases) if isinstance(atlases, list | tuple) else [atlases]
    for one in given:
        require_atlas(one, call=_CALL)
    named = _named(given)
    config = _config(named, surface=surface, every_gene=every_gene, floor=floor, top=top)
    tissues = (origin,) if isinstance(origin, str) else tuple(origin)
    place = Indication("own", "tumour", tissues, sex or "", (), "the user"), tissues, read_tiers().for_sex(sex or "")
    derived = read_run_derived(config.surface.derived, genes=genes)
    kept = GenesKept(config, genes, surface_sources(config, genes=genes), derived)
    for adata in named.values():
        if _ROLES[adata.uns["cartarget"]["kind"]] == "counted":
            kept.meet(adata)
    table = kept.table()
    held = {a.name: with_derived(_slim(named[a.name], kept.kept(a)), kept.derived) for a in config.atlases}
    held = {name: harmonise(adata, tiers=place[2], origin=tissues) for name, adata in held.items()}
    symbols = symbols_of(config, table)[3]
    counted = [held[atlas.name] for atlas in config.atlases if atlas.role == "counted"]
    parts = [count_for(config, one, symbols=symbols) for one in counted]
    run = build_run(
        config, parts=parts, surface=table, atlases=Atlases(config, place[2], tissues, held=held), place=place
    )
    return OpenRun(config, run, folder=None)


def _named(given: Sequence[AnnData]) -> dict[str, AnnData]:
    """Each atlas under a name of its own."""
    named: dict[str, AnnData] = {}
    for adata in given:
        name = first = str(adata.uns["cartarget"]["atlas"])
        number = 2
        while name in named:
            name, number = f"{first}{number}", number + 1
        if name != first:
            adata = adata.copy()
            adata.uns["cartarget"] = {**adata.uns["cartarget"], "atlas": name}
        named[name] = adata
    return named


def _config(named: dict[str, AnnData], *, surface: Any, every_gene: bool, floor: float, top: int) -> Config:
    kinds = {name: adata.uns["cartarget"]["kind"] for name, adata in named.items()}
    tumors = {kinds[name] for name, adata in named.items() if (adata.obs["side"].astype(str) == "tumor").any()}
    if not tumors & {"cells", "samples"}:
        raise InputError(
            "no atlas holds tumour: say which cells are malignant, "
            'cartarget.from_anndata(adata, malignant="column", donor="column")'
        )
    atlases = [AtlasConfig(name=name, reader="h5ad", role=_ROLES[kind]) for name, kind in kinds.items()]
    return parse_config({
        "name": "own", "indication": "own", "primary": "single_cell" if "cells" in tumors else "bulk",
        "atlases": [atlas.model_dump() for atlas in atlases], "coverage_floor": floor, "top": top,
        "surface": {"votes": None if surface is None else str(Path(surface).resolve()), "every_gene": every_gene},
    })  # fmt: skip


def _slim(adata: AnnData, keep: Sequence[str]) -> AnnData:
    """The genes that matter; what is measured of the whole library is noted before the others are left out."""
    from cartarget.run.reading import count_library

    adata = adata.copy()
    count_library(adata)
    return adata[:, adata.var_names.isin(keep)].copy()
