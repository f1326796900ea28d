"""Evidence from the real tables, gathered once."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cartarget.config import load_config
from cartarget.genes import read_gene_table
from cartarget.run.inputs import surface_sources
from cartarget.surface.gather import gather


@pytest.fixture(scope="session")
def real_sources(shared_data: Path) -> dict[str, pd.DataFrame]:
    """Every source of surface evidence that the examples name."""
    config = load_config("config/examples/rectal.yaml").model_copy(update={"data_dir": shared_data.as_posix()})
    sources = surface_sources(config, genes=read_gene_table(config.data(str(config.genes.table))))
    assert sources is not None
    return sources


@pytest.fixture(scope="session")
def real(real_sources: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Evidence of every gene of the table of votes, from the real tables."""
    return gather(real_sources["votes"].index, **real_sources)
