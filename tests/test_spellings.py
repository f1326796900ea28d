"""Names of genes that a program spoiled: resolved, or lost with that reason; genes of another species are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.errors import InputError
from cartarget.genes import GeneTable, read_gene_table, resolve

ROWS = [
    "4072\tEPCAM\tTACSTD1\tENSG00000119888", "2064\tERBB2\tHER2\tENSG00000141736", "3105\tHLA-A\t-\tENSG00000206503",
    "7080\tNKX2-1\tTTF1\tENSG00000136352", "9782\tMATR3\t-\tENSG00000015479", "5890\tPRPF31\tRP11\tENSG00000105618",
    "56915\tSEPTIN2\tSEPT2\tENSG00000168385",
]  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> GeneTable:
    head = "ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene"
    (tmp_path / "genes.tsv").write_text("\n".join([head, *ROWS]) + "\n")
    return read_gene_table(tmp_path / "genes.tsv")


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("HLA.A", "HLA-A"), ("NKX2.1", "NKX2-1"), ("ERBB2 (2064)", "ERBB2"), ('"EPCAM"', "EPCAM"), ("epcam", "EPCAM"),
        ("her2", "ERBB2"), ("MATR3-1", "MATR3"), ("MATR3.1", "MATR3"),
    ],
)  # fmt: skip
def test_spoiled_names_are_resolved(table: GeneTable, name: str, symbol: str) -> None:
    found = resolve([name, "MATR3"], table=table)
    assert found.loc[0, ["name", "symbol", "how", "reason"]].tolist() == [name, symbol, "spelling", ""]


def test_a_suffix_is_a_twin_only_beside_its_gene(table: GeneTable) -> None:
    found = resolve(["EPCAM-1", "RP11-5", "RP11"], table=table)
    assert found["symbol"].isna().tolist() == [True, True, False], "EPCAM is not there, and RP11 is no current symbol"


@pytest.mark.parametrize("name", ["2-Sep", "1-Mar", "Sep-02", "2024-09-02"])
def test_dates_are_lost_with_that_reason(table: GeneTable, name: str) -> None:
    found = resolve([name], table=table)
    assert found["symbol"].isna().all()
    assert found["reason"].item().startswith("a date, as Excel makes of SEPT2")


@pytest.mark.parametrize("genes", ["table", None])
def test_the_prefix_of_one_human_genome_is_taken_off(table: GeneTable, genes: str | None) -> None:
    found = resolve(["GRCh38_EPCAM", "GRCh38______ERBB2"], table=table if genes else None)
    assert found["symbol"].tolist() == ["EPCAM", "ERBB2"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["hg19_EPCAM", "hg19_ERBB2", "mm10_Epcam"], r"several genomes: hg19 \(2\), mm10 \(1\)"),
        (["mm10_Epcam", "mm10_Erbb2"], r"another species: mm10 \(2\)"),
        ([f"Gene{chr(97 + i)}" for i in range(25)], "0 of 25 names are known as human genes.*genes of a mouse or rat"),
        ([f"{i}_at" for i in range(25)], "names of probes or of another list"),
    ],
)
def test_other_species_and_probes_are_refused(table: GeneTable, names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(names, table=table)


def test_a_mouse_symbol_is_never_read_as_the_human_gene(table: GeneTable) -> None:
    assert resolve(["Epcam", "ERBB2"], table=table)["symbol"].isna().tolist() == [True, False]
