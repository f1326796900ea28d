"""Twins, orthologues and essentiality in a run, from the records and tables that it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.contracts import read_table
from cartarget.run.relatives import twins_of
from tests.swissprot import CELL_MEMBRANE, record
from tests.workflow.place import SMALL, call, workplace

NAMED = "surface: {uniprot: records.txt, mouse: mouse.csv, cynomolgus: monkey.csv, essentiality: lrt.csv}\n"


def sequences() -> dict[str, str]:
    """Outside parts: CEACAM6 and CEACAM5 share four residues in five, the others none."""
    rng = np.random.default_rng(1)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    drawn = {gene: rng.choice(letters, 200) for gene in ("CEACAM5", "MSLN", "EPCAM", "LY6G6D")}
    near = np.where(rng.random(200) < 0.8, drawn["CEACAM5"], rng.choice(letters, 200))
    return {gene: "".join(row) for gene, row in ({"CEACAM6": near, "NOTHERE": near} | drawn).items()}


def write_inputs(folder: Path) -> None:
    inside = ("TOPO_DOM", "222..250", "Cytoplasmic")
    features = [("TOPO_DOM", "1..200", "Extracellular"), ("TRANSMEM", "201..221", "Helical"), inside]
    records = [
        record(f"P0000{i}", gene=gene, length=250, features=features, location=CELL_MEMBRANE, sequence=part + "L" * 50)
        for i, (gene, part) in enumerate(sequences().items())
    ]
    (folder / "records.txt").write_text("".join(records))
    (folder / "mouse.csv").write_text("EPCAM,Epcam\nCEACAM5,\n")
    (folder / "monkey.csv").write_text("EPCAM,EPCAM\nCEACAM5,\nMSLN,MSLN\n")
    (folder / "lrt.csv").write_text(",Skew_LRT\nEPCAM,130.5\nMSLN,\n")


def test_a_run_shows_what_is_alike_its_antigens(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    here = workplace(tmp_path / "here", tmp_path_factory)
    write_inputs(here)
    (here / "small.yaml").write_text(SMALL + NAMED)
    done = call("cartarget", "screen", "small.yaml", folder=here)
    assert done.returncode == 0, done.stdout + done.stderr
    table = read_table("antigens", here / "results/demo/antigens.parquet").set_index("symbol")
    names = {part.split()[0]: float(part.split()[1]) for part in table.loc["CEACAM5", "twins"].split(", ")}
    assert names == pytest.approx({"CEACAM6": 0.8, "NOTHERE": 0.8}, abs=0.06)
    worst = f"CEACAM6 {table.loc['CEACAM6', 'safety_class']} in {table.loc['CEACAM6', 'liability_population']}"
    assert set(table.loc["CEACAM5", "twins_exposure"].split(", ")) == {worst, "NOTHERE unknown"}
    assert table.loc["MSLN", "twins"] == "none" and pd.isna(table.loc["MSLN", "twins_exposure"])
    assert table.loc[["EPCAM", "CEACAM5", "MSLN", "LY6G6D"], "orthologue"].tolist() == [
        "mouse: Epcam (one to one); cynomolgus: EPCAM (one to one)",
        "mouse: none; cynomolgus: none",
        "mouse: unknown; cynomolgus: MSLN (one to one)",
        "mouse: unknown; cynomolgus: unknown",
    ]
    assert table.loc["EPCAM", "skewed_lrt"] == 130.5
    assert table.loc[["MSLN", "LY6G6D"], "skewed_lrt"].isna().all()


def test_a_relative_too_long_to_align_is_named_and_never_none() -> None:
    rng = np.random.default_rng(3)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    giant = "".join(rng.choice(letters, 12_000))
    strangers = {f"G{i}": "".join(rng.choice(letters, 40)) for i in range(5)}
    parts = {"MINE": giant[:2000], "GIANT": giant, **strangers}
    scored = pd.DataFrame({"safety_class": ["within caps"], "liability_population": [None]}, index=["MINE"])
    found = twins_of(["MINE", "GIANT", "ABSENT"], outside=parts, exposure=scored)
    assert found["twins"].to_dict() == {
        "MINE": "not compared, too long: GIANT",
        "GIANT": "not compared, too long: MINE",
    }


@pytest.mark.real_data
def test_real_tables_of_animals(shared_data: Path) -> None:
    from cartarget.config import Config
    from cartarget.run.relatives import with_relatives

    surface = {
        "mouse": "orthologs/Ensembl105_Human2Mouse_Genes.csv",
        "cynomolgus": "orthologs/Ensembl110_Human2Cynomolgus_Genes.csv",
        "essentiality": "essentiality/NormLRT.csv",
    }
    config = Config.model_validate({"data_dir": str(shared_data), "surface": surface})
    table = with_relatives(pd.DataFrame({"symbol": ["GUCY2C", "CEACAM5", "GD2"]}), config, outside={})
    assert table["orthologue"].tolist() == [
        "mouse: Gucy2c (one to one); cynomolgus: GUCY2C (one to one)",
        "mouse: none; cynomolgus: none",
        "mouse: unknown; cynomolgus: unknown",
    ]
