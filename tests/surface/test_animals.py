"""Identity of the part outside the cell with an animal's protein: by hand, from FASTA, and in a run's table."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.config import Config
from cartarget.errors import InputError
from cartarget.run.relatives import with_relatives
from cartarget.surface.animals import orthologue_identity, outside_identity, read_animal_proteins

PART = "MKTAYIAKQRQISFVKSHFS"
FASTA = f""">sp|Q1|EPCAM_MOUSE Epithelial protein OS=Mus musculus OX=10090 GN=Epcam PE=1 SV=1
GGGG{PART[:10]}A{PART[11:]}
GGGG
>ENSMUSP1.2 pep gene:ENSMUSG1 transcript:ENSMUST1 gene_symbol:Msln description:mesothelin
{PART}
>Epcam
WWWWWWWWWW*
"""


def test_genes_are_told_by_every_kind_of_title(tmp_path: Path) -> None:
    (tmp_path / "mouse.fasta").write_text(FASTA)
    (tmp_path / "mouse.fasta.gz").write_bytes(gzip.compress(FASTA.encode()))
    found = read_animal_proteins(tmp_path / "mouse.fasta")
    assert set(found) == {"epcam", "msln"} and len(found["epcam"]) == 2, "a gene may have several proteins"
    assert found == read_animal_proteins(tmp_path / "mouse.fasta.gz")


def test_identity_by_hand() -> None:
    other = PART[:10] + "A" + PART[11:]
    assert outside_identity(PART, [f"GGGG{other}GGGG"]) == pytest.approx(19 / 20)
    assert outside_identity(PART, [f"GGGG{other}GGGG", PART]) == 1, "the protein most alike counts"
    two = f"{PART}X{'WWCHPGDE'}XKK"
    assert outside_identity(two, [PART]) == pytest.approx(20 / 28, abs=0.08), "a stretch that is not there counts"
    assert outside_identity(two, [f"{PART}LLLLLLLLWWCHPGDE"]) == 1, "a stretch of two residues is not compared"


def test_what_cannot_be_compared_is_unknown() -> None:
    assert np.isnan(outside_identity(PART, []))
    assert np.isnan(outside_identity("KKKXRR", [PART]))
    assert np.isnan(outside_identity(PART, [PART], cells=10))
    assert np.isnan(orthologue_identity(PART, ["Absent"], {"epcam": (PART,)}))


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "holds no record"), (">Epcam\nMK1T\n", "'MK1T', which is no protein sequence"), (">Epcam\n", "no protein")],
)
def test_bad_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mouse.fasta").write_text(text)
    with pytest.raises(InputError, match=message):
        read_animal_proteins(tmp_path / "mouse.fasta")
    with pytest.raises(InputError, match="cannot be read"):
        read_animal_proteins(tmp_path / "absent.fasta")


def test_a_run_tells_the_identity_beside_the_orthologue(tmp_path: Path) -> None:
    (tmp_path / "mouse.csv").write_text("EPCAM,Epcam\nCEACAM5,\nMUC1,Muc1\n")
    (tmp_path / "mouse.fasta").write_text(FASTA)
    keys = {"mouse": "mouse.csv", "mouse_proteins": "mouse.fasta", "cynomolgus_proteins": "mouse.fasta"}
    config = Config.model_validate({"data_dir": str(tmp_path), "surface": keys})
    symbols = ["EPCAM", "CEACAM5", "MUC1", "MSLN"]
    table = pd.DataFrame({"symbol": symbols, "rank": 1.0, "safety_class": "unknown", "liability_population": None})
    parts = dict.fromkeys(symbols, PART)
    found = with_relatives(table, config, outside=parts).set_index("symbol")
    assert found["mouse_identity"].tolist() == pytest.approx([0.95, np.nan, np.nan, np.nan], nan_ok=True)
    assert found["cynomolgus_identity"].tolist() == pytest.approx([0.95, np.nan, np.nan, 1.0], nan_ok=True)
    assert found["orthologue"].tolist() == [
        "mouse: Epcam (one to one), 95% identical outside; cynomolgus: unknown, 95% identical outside",
        "mouse: none; cynomolgus: unknown",
        "mouse: Muc1 (one to one); cynomolgus: unknown",
        "mouse: unknown; cynomolgus: unknown, 100% identical outside",
    ]
    bare = with_relatives(table, config, outside={}).set_index("symbol")
    assert bare["mouse_identity"].isna().all(), "without the part outside nothing is compared"
