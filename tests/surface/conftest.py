"""Evidence from the real tables, gathered once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cartarget.genes import read_gene_table
from cartarget.safety.toxicity import read_clinical_targets
from cartarget.surface.candidates import read_sources
from cartarget.surface.gather import gather
from cartarget.surface.votes import read_rescue


@pytest.fixture(scope="session")
def real_sources(shared_data: Path) -> dict[str, pd.DataFrame]:
    """Every source of surface evidence that the examples name."""
    folder = shared_data / "surface"
    return read_sources(
        votes=folder / "surface_votes.tsv.gz",
        topology=folder / "surfy.tsv.gz",
        spans=folder / "uniprot_topdb_human_tmh_2018.csv.gz",
        locations=shared_data / "protein_hpa" / "hpa22_subcellular_location.tsv.gz",
        captured=folder / "cspa.tsv.gz",
        rescue=read_rescue("resources/surface_rescue.tsv"),
        clinic=read_clinical_targets(),
        genes=read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz"),
    )


@pytest.fixture(scope="session")
def real(real_sources: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Evidence of every gene of the table of votes, from the real tables."""
    return gather(real_sources["votes"].index, **real_sources)
