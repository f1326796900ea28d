"""The first step of a run: every atlas is read, the genes that matter are kept, and those lost are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from tqdm import tqdm

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import whole
from cartarget.genes import GeneTable, read_gene_table
from cartarget.run.inputs import (
    STREAMED,
    lineage_markers,
    read_controls,
    surface_sources,
    wanted_symbols,
    work_path,
)
from cartarget.selection.ranking import NEGATIVE
from cartarget.sheet import ASSAYS

PARTLY = "measured in some of the tumours only, so its coverage is not known"
"""Why a gene that some counted tumours lack is no candidate."""


def read_step(config: Config) -> None:
    """Read every atlas of the run, keep the genes that matter, and list the genes lost on the way."""
    from cartarget.atlas import read_atlas
    from cartarget.atlas.batch import record_batches
    from cartarget.atlas.store import write_atlas
    from cartarget.evidence.ambient import call_doublets

    genes = read_gene_table(config.data(config.genes.table)) if config.genes.table else None
    sources = surface_sources(config, genes=genes)
    known, chosen = wanted_symbols(config, sources=sources), _Genes(config, genes, sources)
    lost, batches, aside = [], [], []
    for atlas in tqdm(_tumors_first(config), desc="atlases", unit="atlas", disable=None, leave=False):
        streamed = known if atlas.reader in STREAMED else None
        keep = streamed if chosen.keep is None else chosen.kept(atlas)
        adata = read_atlas(atlas, config=config, genes=genes, keep=keep)
        record_batches(adata)
        _count_library(adata)
        if atlas.role == "counted":
            chosen.meet(adata)
        if atlas.call_doublets:
            adata = call_doublets(adata, seed=config.seed)
        lost.append(adata.uns["cartarget"]["lost"].assign(atlas=atlas.name))
        batches += [{"atlas": atlas.name, **row} for row in adata.uns["cartarget"].get("batches", [])]
        aside.append((atlas, adata))
        if chosen.keep is not None:
            for one, held in aside:
                write_atlas(held[:, held.var_names.isin(chosen.kept(one))].copy(), work_path(config, one))
            aside = []
    with whole(config.run_dir / "work" / "genes.parquet") as temporary:
        chosen.table().to_parquet(temporary, index=False)
    with whole(config.run_dir / "batches.tsv") as temporary:
        pd.DataFrame(batches).to_csv(temporary, sep="\t", index=False, lineterminator="\n")
    with whole(config.run_dir / "genes_lost.tsv") as temporary:
        table = pd.concat(lost)[["atlas", "name", "reason"]] if lost else pd.DataFrame()
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def _tumors_first(config: Config) -> list[AtlasConfig]:
    """Counted atlases of the kind that orders the ranking, then other counted ones, then the rest."""
    assay = "bulk" if config.primary == "bulk" else "single_cell"
    own = (*ASSAYS[assay], "simulated")
    return sorted(config.used_atlases, key=lambda atlas: (atlas.role != "counted", atlas.reader not in own))


class _Genes:
    """Which genes a run keeps: told by the first atlas whose tumours order the ranking, narrowed by the others."""

    def __init__(self, config: Config, genes: GeneTable | None, sources: Mapping[str, pd.DataFrame] | None) -> None:
        self._config, self._genes, self._sources = config, genes, sources
        self._surface = pd.DataFrame()
        self._whole: set[str] = set()
        self._markers = lineage_markers(config)
        self.keep: list[str] | None = None

    def meet(self, adata: Any) -> None:
        """Look at a counted atlas."""
        from cartarget.evidence.join import RANKING
        from cartarget.evidence.part import measured_in_tumor

        if adata.uns["cartarget"]["kind"] != RANKING[self._config.primary] or not (adata.obs["side"] == "tumor").any():
            return
        measured = set(adata.var_names[measured_in_tumor(adata)])
        if self.keep is None:
            self._surface, self.keep = _choose(adata, measured, config=self._config, sources=self._sources)
            self._surface = _with_names(self._surface, adata, sources=self._sources, genes=self._genes)
            self._whole = set(self.keep)
        self._whole &= measured

    def kept(self, atlas: AtlasConfig) -> list[str]:
        """Genes to keep of an atlas; a counted one keeps the markers of lineages too, which the panel does not hold."""
        return sorted({*(self.keep or ()), *(self._markers if atlas.role == "counted" else ())})

    def table(self) -> pd.DataFrame:
        """Surface evidence of every gene of the tumour's atlas; candidates that some tumour lacks are none.

        Raises
        ------
        InputError
            No counted atlas holds tumour of the kind that orders the ranking.
        """
        if self.keep is None:
            word = "bulk samples" if self._config.primary == "bulk" else "cells"
            raise InputError(
                f"primary: {self._config.primary}, but no counted atlas holds tumour {word}; give one with tumour, say "
                "which observations are malignant, or set the other primary (bulk, single_cell)"
            )
        surface = self._surface.assign(is_whole=self._surface["symbol"].isin(self._whole))
        partly = surface["is_candidate"] & ~surface["is_whole"]
        surface.loc[partly, ["is_candidate", "surface_reason"]] = False, PARTLY
        return surface


def _choose(
    adata: Any, measured: set[str], *, config: Config, sources: Mapping[str, pd.DataFrame] | None
) -> tuple[pd.DataFrame, list[str]]:
    """Surface evidence of every gene of the tumour's atlas, and the genes to keep: candidates and controls."""
    from cartarget.surface.candidates import candidates

    controls = read_controls(config)
    symbols = adata.uns["cartarget"].get("symbols", list(adata.var_names))
    surface = candidates(symbols, sources=sources, min_score=config.surface.min_score)
    negative = controls.loc[controls["kind"].isin(NEGATIVE), "symbol"]
    surface.loc[surface["symbol"].isin(negative), "is_candidate"] = False
    asked = {*surface.loc[surface["is_candidate"], "symbol"], *controls["symbol"]}
    return surface, sorted(asked & measured)


def _with_names(
    surface: pd.DataFrame, adata: Any, *, sources: Mapping[str, pd.DataFrame] | None, genes: GeneTable | None
) -> pd.DataFrame:
    """The same with the other names of each gene, and with what sticks out of the membrane where a table says it."""
    from cartarget.aliases import other_names

    given = adata.var.reindex(surface["symbol"])["given"].fillna("").to_frame()
    surface = surface.assign(aliases=surface["symbol"].map(other_names(given, genes)).fillna(""))
    if sources is None or "topology" not in sources:
        return surface
    drawn = sources["topology"].set_index("symbol")["topology"]
    return surface.assign(topology=surface["symbol"].map(drawn))


def _count_library(adata: Any) -> None:
    """Note each cell's counts over all genes, before most genes are left out."""
    import numpy as np

    if adata.uns["cartarget"]["unit"] == "counts" and "library" not in adata.obs:
        adata.obs["library"] = np.asarray(adata.X.sum(axis=1)).ravel()
