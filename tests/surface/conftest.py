"""Evidence from the real tables, gathered once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cartarget.genes import read_gene_table
from cartarget.surface.gather import gather
from cartarget.surface.sources import (
    experiments,
    read_accessions,
    read_cspa,
    read_helices,
    read_hpa_locations,
    read_surfy,
)
from cartarget.surface.topology import read_topology
from cartarget.surface.votes import read_rescue, read_votes


@pytest.fixture(scope="session")
def real(shared_data: Path) -> pd.DataFrame:
    """Evidence of every gene of the table of votes, from the real tables."""
    folder = shared_data / "surface"
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    votes = read_votes(folder / "surface_votes.tsv.gz")
    clinic = pd.read_csv("resources/clinical_targets.tsv", sep="\t", dtype=str, keep_default_na=False)
    accession = read_accessions(folder / "surface_votes.tsv.gz")
    return gather(
        votes.index,
        votes=votes,
        topology=read_topology(folder / "surfy.tsv.gz", genes=genes),
        helices=read_helices(folder / "uniprot_topdb_human_tmh_2018.csv.gz", accession=accession),
        surfy=read_surfy(folder / "surfy.tsv.gz", genes=genes),
        hpa=read_hpa_locations(shared_data / "protein_hpa" / "hpa22_subcellular_location.tsv.gz", genes=genes),
        cspa=read_cspa(folder / "cspa.tsv.gz", genes=genes),
        experiment=experiments(rescue=read_rescue("resources/surface_rescue.tsv"), clinic=clinic),
    )
