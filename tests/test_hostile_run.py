"""Gene names that are code, formulas or operators go through a whole run as plain text."""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from cartarget.cli import app
from cartarget.config import AtlasConfig, Config, Trust
from cartarget.contracts import read_table
from cartarget.errors import ConfigError
from cartarget.logic.gate import Gate
from cartarget.provenance import write_provenance
from cartarget.run.steps import run
from tests.conftest import ROOT

HOSTILE = [
    "</script><img src=x onerror=alert(1)>", "=cmd|' /C calc'!A0", "A & ~B", "A B", "~X", "`", "(", "__proto__", "NA",
    "NaN", "null", "AND", "1-Mar", "'; DROP TABLE genes; --", "{{ 7 * 7 }}", "\u202egnp.exe", 'a"b',
]  # fmt: skip
TERMINAL = "\x1b[2Jgone"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with bulk counts of a rectal tumour, rectum and liver, whose genes have hostile names."""
    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    rng = np.random.default_rng(0)
    genes = [TERMINAL, *HOSTILE, "EPCAM", "ACTB", *(f"G{i}" for i in range(8))]
    for file, kind, n in (
        ("read-rsem-count-tcga-t", "01", 12),
        ("read-rsem-count-tcga", "11", 8),
        ("lihc-rsem-count-tcga", "11", 9),
    ):
        samples = [f"TCGA-{file[0]}{kind}-{i:04d}-{kind}A-11R-1660-07" for i in range(n)]
        counts = rng.poisson(rng.choice([0, 40, 400], size=len(genes))[:, None] * np.ones(n))
        counts[0] = 400 if kind == "01" else 0  # the best antigen there is, so that it is printed
        lines = ["\t".join([gene, "0", *map(str, row)]) for gene, row in zip(genes, counts, strict=True)]
        text = "\n".join(["\t".join(["Hugo_Symbol", "Entrez_Gene_Id", *samples]), *lines]) + "\n"
        (tmp_path / f"{file}.txt.gz").write_bytes(gzip.compress(text.encode()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def bulk(**given):
    atlas = AtlasConfig(name="bulk", reader="rsem_counts", path=".")
    return Config(
        **{
            "name": "hostile",
            "indication": "read",
            "primary": "bulk",
            "atlases": [atlas],
            "surface": {"every_gene": True},
        }
        | given
    )


def test_hostile_names_go_through_a_whole_run_as_text(here):
    folder = run(bulk(trust=Trust(gates=20, folds=2, bootstrap=2, chance=10)))
    tables = {name: read_table(name, folder / f"{name}.parquet") for name in ("antigens", "gates", "exposure", "trust")}
    assert set(HOSTILE) <= set(tables["antigens"]["symbol"])
    assert set(HOSTILE) <= {symbol for gate in tables["gates"]["gate"] for symbol in Gate.parse(gate).antigens}
    assert set(tables["gates"]["gate"]) <= set(tables["exposure"]["gate"])
    ranked = tables["gates"].dropna(subset="rank")["gate"]
    assert tables["trust"]["gate"].tolist() == ranked.head(20).tolist() != []
    with open(folder / "antigens.tsv", encoding="utf-8", newline="") as twin:
        rows = list(csv.DictReader(twin, delimiter="\t"))
    plain = [f"'{name}" if name.startswith("=") else name for name in HOSTILE]
    assert set(plain) <= {row["symbol"] for row in rows}
    for twin in folder.glob("*.tsv"):
        cells = [cell for line in twin.read_text(encoding="utf-8").splitlines() for cell in line.split("\t")]
        assert not [cell for cell in cells if cell.lstrip('"').startswith(("=", "@", "+", "-")) and not number(cell)]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert ">49<" not in page
    json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_the_ranking_rests_on_the_evidence_that_it_names(here):
    with pytest.raises(
        ConfigError, match=r"primary: single_cell, but no counted atlas has a reader of cells .* or set primary: bulk"
    ):
        run(bulk(primary="single_cell"))
    assert not list(here.glob("results/hostile/*.parquet"))


def test_no_name_reaches_the_terminal_as_a_command(here, capsys):
    folder = run(bulk(trust=Trust(gates=0)))
    assert read_table("antigens", folder / "antigens.parquet")["symbol"].iloc[0] == TERMINAL
    with pytest.raises(SystemExit):
        app(["run", write_provenance(bulk(trust=Trust(gates=0)), inputs=[]).with_name("config.yaml").as_posix()])
    told = capsys.readouterr().out
    assert "\ufffd[2Jgone" in told
    assert "\x1b" not in told
