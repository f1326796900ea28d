"""Which genes may be antigens: sources read from files, and every gene judged."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface import candidates as module
from cartarget.surface.candidates import candidates, installed_surfaceome, read_sources, read_surfaceome
from cartarget.surface.sources import experiments
from tests.swissprot import CELL_MEMBRANE, record

VOTES = pd.DataFrame(
    {"uniprot": [1, 1, 0], "go": [1, 1, 0], "surfy": [1, 0, 0], "cspa": [1, 0, 0]}, index=["TOP", "INNER", "NONE"]
).astype(bool)
SOURCES = {
    "votes": VOTES,
    "experiment": experiments(rescue=pd.DataFrame({"symbol": ["NONE", "NEW"], "reason": "bound", "source": "src"})),
}
NAMES = ["NONE", "TOP", "INNER", "NEW", "OTHER"]


def test_statuses_reasons_and_candidates() -> None:
    found = candidates(NAMES, sources=SOURCES).set_index("symbol")
    assert found["surface_status"].tolist() == ["experiment", "surface", "not surface", "experiment", "unknown"]
    assert found["is_candidate"].tolist() == [True, True, False, True, False]
    assert found["surface_sources"].tolist() == ["", "uniprot, go, surfy, cspa", "uniprot, go", "", ""]
    assert found["n_votes"].isna().tolist() == [False, False, False, True, True]
    assert found.at["TOP", "surface_score"] == pytest.approx(-2.9 + 1.9 + 3.2 + 0.8)
    assert pd.isna(found.at["OTHER", "surface_score"]), "a gene that no source knows has no score"
    assert found.at["NONE", "surface_reason"] == "kept by experiment: bound (src)"
    assert found.at["OTHER", "surface_reason"] == "no source of surface evidence knows this gene"


def test_without_sources_everything_is_a_candidate_and_unknown() -> None:
    found = candidates(["X", "Y"], sources=None)
    assert found["is_candidate"].all()
    assert set(found["surface_status"]) == {"unknown"}
    assert found[["n_votes", "surface_score"]].isna().all(axis=None)


def test_every_gene_that_a_source_names_is_judged() -> None:
    assert candidates(sources=SOURCES)["symbol"].tolist() == ["INNER", "NEW", "NONE", "TOP"]


@given(st.floats(-5, 8), st.floats(0, 3), st.lists(st.sampled_from(NAMES), max_size=5, unique=True))
def test_a_higher_score_asked_never_makes_more_candidates(least: float, more: float, symbols: list[str]) -> None:
    low = candidates(symbols, sources=SOURCES, min_score=least)["is_candidate"]
    high = candidates(symbols, sources=SOURCES, min_score=least + more)["is_candidate"]
    assert not (high & ~low).any()
    assert len(low) == len(symbols)


def test_records_alone_make_candidates(tmp_path: Path) -> None:
    file = tmp_path / "human.txt"
    span = [("SIGNAL", "1..20", ""), ("TOPO_DOM", "21..320", "Extracellular"), ("TRANSMEM", "321..341", "Helical")]
    file.write_text(
        record("P00001", gene="OUT", features=span, location=CELL_MEMBRANE)
        + record("P00002", gene="IN", location="Cytoplasm {ECO:0000269|PubMed:1}")
    )
    found = candidates(sources=read_sources(uniprot=file)).set_index("symbol")
    assert found["is_candidate"].to_dict() == {"IN": False, "OUT": True}
    assert found["n_votes"].isna().all()
    assert found.at["OUT", "n_residues_outside"] == 300


def test_spans_need_the_accessions_of_a_table_of_votes(tmp_path: Path) -> None:
    file = tmp_path / "human.txt"
    file.write_text(record())
    with pytest.raises(InputError, match=r"surface\.spans: needs surface\.votes"):
        read_sources(uniprot=file, spans="spans.csv")


def test_the_installed_surfaceome_serves_where_no_table_is_named() -> None:
    found = candidates(["CEACAM5", "EPCAM", "ACTB", "COX20"], sources=read_sources()).set_index("symbol")
    assert found["is_candidate"].to_dict() == {"CEACAM5": True, "EPCAM": True, "ACTB": False, "COX20": False}
    assert len(read_surfaceome(installed_surfaceome())) > 2700


def test_without_the_package_the_error_names_three_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError) as error:
        read_sources()
    for way in ("pip install --no-deps pirlygenes", "name a table", "every_gene: true"):
        assert way in str(error.value)


@pytest.mark.parametrize(("text", "message"), [("", "cannot be read"), ("Symbol,Category\nMET,x\n", "Ensembl_Gene_ID")])
def test_a_surfaceome_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "surface.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_surfaceome(file)


def test_the_package_is_read_without_being_imported() -> None:
    installed_surfaceome()
    assert "pirlygenes" not in sys.modules


@pytest.mark.real_data
def test_on_the_real_tables_clinical_targets_stay_and_inner_proteins_go(real_sources: dict[str, pd.DataFrame]) -> None:
    found = candidates(sources=real_sources).set_index("symbol")
    kept = found["is_candidate"]
    assert kept[["CEACAM5", "EPCAM", "MSLN", "FOLH1", "CLDN18", "CA9", "GPC3", "STEAP1", "GUCY2C", "LY6G6D"]].all()
    gone = ["AURKA", "PCSK9", "SRPX2", "PDGFC", "SLIT2", "FGA", "VTN", "APOH", "LAT2", "RGS19", "SNAP25", "NEMP1",
            "CTNNB1", "HNRNPU", "STT3B", "PI3", "CTTN", "HSP90AB1", "VAMP8", "S100A6", "LMAN2"]  # fmt: skip
    assert not kept[gone].any()
    assert found.loc[gone, "surface_reason"].str.len().gt(0).all()
