"""The first step of a run: every atlas is read, the genes that matter are kept, and those lost are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from tqdm import tqdm

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import as_plain_text, whole
from cartarget.genes import GeneTable, read_gene_table
from cartarget.logic.gate import Gate
from cartarget.run.deriving import Derived, read_run_derived
from cartarget.run.inputs import (
    STREAMED,
    lineage_markers,
    outside_path,
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
    from cartarget.evidence.derived import with_derived
    from cartarget.evidence.isoforms import add_shares, with_isoforms
    from cartarget.run.isoforms import read_isoforms

    genes = read_gene_table(config.data(config.genes.table)) if config.genes.table else None
    sources = surface_sources(config, genes=genes)
    derived = read_run_derived(config.surface.derived, genes=genes)
    known, chosen = wanted_symbols(config, sources=sources), GenesKept(config, genes, sources, derived)
    if known is not None:
        known |= derived.genes
    isoforms = {name: isoform for name, isoform in read_isoforms().items() if name in derived.antigens}
    by_transcript = {name for name in isoforms if isoforms[name].transcripts and has_transcripts(config)}
    lost, batches, aside = [], [], []
    for atlas in tqdm(_tumors_first(config), desc="atlases", unit="atlas", disable=None, leave=False):
        streamed = known if atlas.reader in STREAMED else None
        keep = streamed if chosen.keep is None else chosen.kept(atlas)
        adata = read_atlas(atlas, config=config, genes=genes, keep=keep)
        record_batches(adata)
        count_library(adata)
        if atlas.transcripts:
            add_shares(adata, path=config.data(atlas.transcripts), isoforms=isoforms)
        if atlas.role == "counted":
            chosen.meet(adata)
        if atlas.call_doublets:
            adata = call_doublets(adata, seed=config.seed)
        lost.append(adata.uns["cartarget"]["lost"].assign(atlas=atlas.name))
        batches += [{"atlas": atlas.name, **row} for row in adata.uns["cartarget"].get("batches", [])]
        aside.append((atlas, adata))
        if chosen.keep is not None:
            for one, held in aside:
                kept = held if one.role == "antibodies" else held[:, held.var_names.isin(chosen.kept(one))].copy()
                is_coarse = not one.transcripts and not has_tumor(held)
                shown = {
                    name: gate for name, gate in chosen.derived.items() if not (is_coarse and name in by_transcript)
                }
                write_atlas(with_isoforms(with_derived(kept, shown), isoforms=isoforms), work_path(config, one))
            aside = []
    with whole(config.run_dir / "work" / "genes.parquet") as temporary:
        chosen.table().to_parquet(temporary, index=False)
    with whole(outside_path(config)) as temporary:
        _outside(sources).to_parquet(temporary, index=False)
    with whole(config.run_dir / "batches.tsv") as temporary:
        as_plain_text(pd.DataFrame(batches)).to_csv(temporary, sep="\t", index=False, lineterminator="\n")
    with whole(config.run_dir / "genes_lost.tsv") as temporary:
        table = pd.concat(lost)[["atlas", "name", "reason"]] if lost else pd.DataFrame()
        as_plain_text(table).to_csv(temporary, sep="\t", index=False, lineterminator="\n")


def has_transcripts(config: Config) -> bool:
    """Whether some atlas of the run comes with its transcripts."""
    return any(atlas.transcripts for atlas in config.used_atlases)


def has_tumor(adata: Any) -> bool:
    """Whether an atlas holds tumour."""
    return bool((adata.obs["side"].astype(str) == "tumor").any())


def _tumors_first(config: Config) -> list[AtlasConfig]:
    """Counted atlases of the kind that orders the ranking, then other counted ones, then the rest."""
    assay = "bulk" if config.primary == "bulk" else "single_cell"
    own = (*ASSAYS[assay], "simulated")
    return sorted(config.used_atlases, key=lambda atlas: (atlas.role != "counted", atlas.reader not in own))


class GenesKept:
    """Which genes a run keeps: told by the first atlas whose tumours order the ranking, narrowed by the others."""

    def __init__(
        self, config: Config, genes: GeneTable | None, sources: Mapping[str, pd.DataFrame] | None, derived: Derived
    ) -> None:
        self._config, self._genes, self._sources, self._derived = config, genes, sources, derived
        self._surface = pd.DataFrame()
        self._whole: set[str] = set()
        self._markers = lineage_markers(config)
        self.keep: list[str] | None = None
        self.derived: dict[str, Gate] = {}

    def meet(self, adata: Any) -> None:
        """Look at a counted atlas."""
        from cartarget.evidence.isoforms import told, untold
        from cartarget.evidence.join import RANKING
        from cartarget.evidence.part import measured_in_tumor

        if adata.uns["cartarget"]["kind"] != RANKING[self._config.primary] or not has_tumor(adata):
            return
        measured = set(adata.var_names[measured_in_tumor(adata)])
        if self.keep is None:
            surface, keep = _choose(adata, measured, config=self._config, sources=self._sources)
            self._derived.refuse_genes(set(surface["symbol"]), where=f"atlas {adata.uns['cartarget']['atlas']}")
            surface = _with_names(surface, adata, sources=self._sources, genes=self._genes)
            self._surface = self._derived.table(surface, measured=measured, told=told(adata))
            self.derived = {name: self._derived.expressions[name] for name in self._derived.held(measured)}
            genes = {gene for gate in self.derived.values() for gene in gate.antigens}
            self.keep = sorted({*keep, *genes})
            self._whole = {*self.keep, *self.derived}
        self._whole &= {*measured, *self._derived.held(measured)} - untold(adata)

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


def _outside(sources: Mapping[str, pd.DataFrame] | None) -> pd.DataFrame:
    """Symbol and outside part of every protein whose record tells it."""
    if sources is None or "uniprot" not in sources:
        return pd.DataFrame({"symbol": pd.Series(dtype=str), "outside": pd.Series(dtype=str)})
    parts = sources["uniprot"]["outside"]
    return parts[parts.ne("")].rename_axis("symbol").reset_index()


def count_library(adata: Any) -> None:
    """Note each cell's counts over all genes, before most genes are left out."""
    import numpy as np

    if adata.uns["cartarget"]["unit"] == "counts" and "library" not in adata.obs:
        adata.obs["library"] = np.asarray(adata.X.sum(axis=1)).ravel()
