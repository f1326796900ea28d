"""The readers, one record each: adding a source is one file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config
    from cartarget.genes import GeneTable


class Read(Protocol):
    """What every reader is: an atlas's entry in the configuration in, one AnnData of the contract out."""

    def __call__(
        self, atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
    ) -> AnnData:
        """Read `atlas`; `keep` names the symbols that are wanted, None all."""


@dataclass(frozen=True)
class Reader:
    """One way to read an atlas: its name in the configuration, the function, what it reads, tables that it looks up.

    The function is imported when it is first wanted, so that `cartarget --help` stays quick.

    Examples
    --------
    >>> READERS["ihc"].read.__name__
    'read_ihc'
    """

    name: str
    function: str
    description: str
    tables: tuple[str, ...] = ()

    @property
    def read(self) -> Read:
        """The reading function."""
        module, name = self.function.split(":")
        return getattr(importlib.import_module(f"cartarget.atlas.readers.{module}"), name)


_TCGA, _PUBLIC = ("resources/tcga_normals.tsv",), ("resources/public_tissues.tsv",)
_RECORDS = (
    Reader("simulated", "simulate:simulated", "the embedded simulated atlas, with planted truth"),
    Reader(
        "rsem_counts", "rsem:read_rsem", "bulk count matrices: a folder with one file per tissue, or one table", _TCGA
    ),
    Reader("xena", "xena:read_xena", "UCSC Xena matrices: TCGA, TARGET and GTEx (Toil), or one TCGA project", _PUBLIC),
    Reader("gct", "gct:read_gct", "GCT 1.2 and 1.3: GTEx medians by tissue, or its samples", _PUBLIC),
    Reader(
        "recount3",
        "recount3:read_recount3",
        "recount3 gene sums: TCGA projects and GTEx tissues, one pipeline",
        _PUBLIC,
    ),
    Reader("summary_table", "summary:read_summary", "one number per gene and tissue or cell type, in a wide table"),
    Reader("hpa_long", "hpa:read_hpa", "Human Protein Atlas RNA, one row per gene and tissue or cell type"),
    Reader("ihc", "ihc:read_ihc", "Human Protein Atlas antibody stains of normal tissue by cell type"),
    Reader("ihc_cancer", "ihc_cancer:read_ihc_cancer", "Human Protein Atlas stains of one cancer, patients by level"),
    Reader("proteome", "proteome:read_proteome", "protein of normal organs by mass spectrometry (HPM, Kuster)"),
    Reader("cptac", "cptac:read_cptac", "CPTAC protein ratios of tumours and their paired normals"),
    Reader("cell_table", "cells:read_cell_tables", "single cells: genes × cells text tables, one per patient and side"),
    Reader("mtx", "mtx:read_mtx", "single cells: a folder with matrix.mtx, genes and cells"),
    Reader("tenx_h5", "tenx:read_tenx", "single cells: 10x Genomics .h5, with a table of its cells"),
    Reader("h5ad", "h5ad:read_h5ad", "any .h5ad file"),
    Reader("citeseq", "citeseq:read_citeseq", "antibodies on single cells (CITE-seq): 10x, .h5ad or text"),
    Reader("zarr", "zarr:read_zarr", "any .zarr folder of anndata"),
)

READERS: dict[str, Reader] = {record.name: record for record in _RECORDS}
