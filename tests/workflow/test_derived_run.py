"""A user's derived antigens in a whole run: in every table, as proxies, and why others are not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cartarget.config import load_config
from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.run.reading import read_step
from cartarget.surface.derived import COLUMNS
from tests.shared import once
from tests.workflow.place import SMALL, call, workplace

ROWS = {
    "Fusion": "CEACAM5 & MSLN",  # the planted gate
    "Lewis Y": "Fusion & (EPCAM | CLDN4)",
    "GD2": "ST8SIA1 & B4GALNT1",  # not in the atlas
    "MSLN.2": "MSLN",
    "Twice": "CEACAM5 & MSLN",
}


def write(path: Path, rows: dict[str, str]) -> None:
    lines = ["\t".join([name, text, f"what {name} is", "the rest", "PMID:1", "title"]) for name, text in rows.items()]
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        here = workplace(folder / "here", tmp_path_factory)
        write(here / "mine.tsv", ROWS)
        (here / "small.yaml").write_text(SMALL + "surface: {every_gene: true, derived: mine.tsv}\n")
        found = call("cartarget", "run", "small.yaml", folder=here)
        assert found.returncode == 0, found.stdout + found.stderr

    return once(tmp_path_factory, "derived_run", make) / "here" / "results" / "demo"


def test_they_are_antigens_marked_as_proxies(done: Path) -> None:
    antigens = read_table("antigens", done / "antigens.parquet").set_index("symbol")
    assert antigens["derived"].dropna().to_dict() == {
        "Fusion": "CEACAM5 & MSLN",
        "Lewis Y": "CEACAM5 & MSLN & (CLDN4 | EPCAM)",
        "MSLN.2": "MSLN",
        "Twice": "CEACAM5 & MSLN",
    }
    assert "it stands for what Fusion is, and misses the rest" in antigens.loc["Fusion", "proxy_note"]
    assert set(antigens.loc[["Fusion", "Lewis Y"], "surface_status"]) == {"derived"}
    assert antigens.loc[["Fusion", "Lewis Y", "MSLN.2"], "rank"].notna().all()
    renamed, gene = antigens.loc["MSLN.2"], antigens.loc["MSLN"]
    assert renamed["coverage"] == gene["coverage"] and renamed["liability"] == gene["liability"]


def test_what_an_expression_is_as_a_gate_it_is_as_an_antigen(done: Path) -> None:
    antigens = read_table("antigens", done / "antigens.parquet").set_index("symbol")
    gates = read_table("gates", done / "gates.parquet").set_index("gate")
    antigen, gate = antigens.loc["Fusion"], gates.loc["CEACAM5 & MSLN"]
    for name in ("coverage", "coverage_p10", "liability", "liability_upper", "selectivity"):
        assert antigen[name] == pytest.approx(gate[name], abs=1e-9), name
    assert antigen["safety_class"] == gate["safety_class"] == "unknown"
    assert (antigen["harm_unmeasured"], gate["harm_unmeasured"]) == ("Fusion: pleura", "MSLN: pleura")
    harm = {name: set(antigens.loc[name, "toxicity"].split("; ")) for name in ("Fusion", "CEACAM5", "MSLN")}
    assert harm["Fusion"] == harm["CEACAM5"] | harm["MSLN"], "harm through a gene is harm through the antigen"


def test_they_stand_in_gates_and_exposure_by_a_name_that_parses(done: Path) -> None:
    gates = read_table("gates", done / "gates.parquet")
    own = gates[gates["gate"].str.contains("Fusion|`Lewis Y`")]
    assert (own["n_antigens"] == 2).any()
    assert own["proxies"].notna().all()
    assert gates.loc[~gates["gate"].str.contains("Fusion|`Lewis Y`|MSLN.2|Twice"), "proxies"].isna().all()
    fusion = own.loc[own["gate"].str.contains("Fusion") & ~own["gate"].str.contains("Lewis"), "proxies"]
    assert set(fusion) == {"Fusion (CEACAM5 & MSLN)"}
    assert not gates.loc[gates["n_antigens"] == 2, "gate"].str.contains("MSLN.2|Twice").any(), "gates name the first"
    exposed = read_table("exposure", done / "exposure.parquet")
    assert {"Fusion", "`Lewis Y`"} <= set(exposed["gate"].astype(str))


def test_those_that_cannot_be_told_say_why(done: Path) -> None:
    table = pd.read_parquet(done / "work" / "genes.parquet").set_index("symbol")
    assert table.loc["GD2", "surface_reason"] == "not every tumour measures B4GALNT1, ST8SIA1, of which it is derived"
    assert not table.loc["GD2", "is_candidate"]
    assert table.loc["MSLN.2", "surface_reason"] == "scored alone: MSLN, read from the same genes, stands in gates"
    assert table.loc["Twice", "surface_reason"] == "scored alone: Fusion, read from the same genes, stands in gates"
    assert table.loc["Fusion", "surface_reason"] == "stands for what Fusion is"
    text = (done / "summary.json").read_text()
    assert "with derived antigens" in text and "derived, so proxies: Fusion, Lewis Y" in text
    assert "of which it is derived" in text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"MSLN": "CEACAM5"}, r"mine.tsv: derived antigen 'MSLN' \(CEACAM5\).*holds the gene 'MSLN'"),
        ({"A1": "B1", "B1": "A1"}, "leads back to itself"),
        ({"Tn": "CEACAM5 & ~MSLN"}, "holds the blocker 'MSLN'"),
    ],
)
def test_bad_definitions_are_refused(
    rows: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    here = workplace(tmp_path / "here", tmp_path_factory)
    write(here / "mine.tsv", rows)
    (here / "small.yaml").write_text(SMALL + "surface: {every_gene: true, derived: mine.tsv}\n")
    monkeypatch.chdir(here)
    with pytest.raises(InputError, match=message):
        read_step(load_config("small.yaml"))
