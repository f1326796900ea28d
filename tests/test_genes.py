"""Gene identity: the order of proof, and nothing lost in silence."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.genes import GeneTable, merge, plan_merge, read_gene_table, resolve, with_ids

HOSTILE = "</script><img src=x onerror=alert(1)>"
ROWS = [
    ("1048", "CEACAM5", "CEA|CD66e", "ENSG00000105388"),
    ("1084", "CEACAM3", "CEA|CD66D", "ENSG00000170956"),
    ("4072", "EPCAM", "TACSTD1|EGP40", "ENSG00000119888"),
    ("81607", "NECTIN4", "PVRL4|LNIR", "ENSG00000143217"),
    ("154881", "KCTD7", "EPM3", "ENSG00000243335"),
    ("27342", "RABGEF1", "RABEX5|KCTD7", "ENSG00000154710"),
    ("1", "A1BG", "-", ""),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "genes.tsv"
    frame = pd.DataFrame(ROWS, columns=["ncbi_gene_id", "gene_symbol", "synonyms", "ensembl_gene"])
    frame.to_csv(file, sep="\t", index=False)
    return file


@pytest.fixture
def table(path: Path) -> GeneTable:
    return read_gene_table(path)


@pytest.mark.parametrize(
    ("name", "symbol", "how"),
    [
        ("EPCAM", "EPCAM", "symbol"),
        ("   EPCAM  ", "EPCAM", "symbol"),
        ("TACSTD1", "EPCAM", "alias"),
        ("ENSG00000119888", "EPCAM", "ensembl"),
        ("ENSG00000119888.12", "EPCAM", "ensembl"),
        ("4072", "EPCAM", "entrez"),
        ("?|4072", "EPCAM", "entrez"),
        ("TACSTD1|4072", "EPCAM", "entrez"),
        ("KCTD7", "KCTD7", "symbol"),  # also an alias of RABGEF1: the current symbol goes first
    ],
)
def test_each_kind_of_name_finds_its_gene(table: GeneTable, name: str, symbol: str, how: str) -> None:
    row = resolve([name], table=table).iloc[0]
    assert (row["symbol"], row["how"], row["reason"]) == (symbol, how, "")


def test_a_stable_id_outranks_the_symbol(table: GeneTable) -> None:
    by_ensembl = resolve(["EPCAM"], table=table, ids=["ENSG00000143217.9"])
    by_entrez = resolve(["EPCAM"], table=table, entrez=["  81607"])
    assert by_ensembl["symbol"].tolist() == by_entrez["symbol"].tolist() == ["NECTIN4"]


def test_an_unknown_id_falls_back_to_the_name(table: GeneTable) -> None:
    found = resolve(["EPCAM", "PVRL4"], table=table, ids=["ENSG99999999999", ""], entrez=["0", "0"])
    assert found["symbol"].tolist() == ["EPCAM", "NECTIN4"]
    assert found["how"].tolist() == ["symbol", "alias"]


def test_an_ambiguous_name_is_lost_with_its_candidates(table: GeneTable) -> None:
    row = resolve(["CEA"], table=table).iloc[0]
    assert pd.isna(row["symbol"])
    assert (row["how"], row["reason"]) == ("lost", "ambiguous: CEACAM3, CEACAM5")


def test_an_id_shared_by_two_names_does_not_merge_them(table: GeneTable) -> None:
    found = resolve(["KCTD7", "RABGEF1", "KCTD7-RABGEF1"], table=table, entrez=["27342"] * 3)
    assert found["symbol"].tolist()[:2] == ["KCTD7", "RABGEF1"]
    assert found["reason"].tolist() == ["", "", "its id is that of RABGEF1"]


def test_probes_that_only_their_id_knows_become_one_gene(table: GeneTable) -> None:
    found = resolve(["probe_1", "probe_2"], table=table, entrez=["4072", "4072"])
    assert found["symbol"].tolist() == ["EPCAM", "EPCAM"]


def test_previous_symbols_go_before_aliases(tmp_path: Path) -> None:
    file = tmp_path / "genes.tsv"
    frame = pd.DataFrame(ROWS, columns=["ncbi_gene_id", "gene_symbol", "synonyms", "ensembl_gene"])
    frame["previous_symbols"] = ["CEA", "", "", "", "", "", ""]
    frame.to_csv(file, sep="\t", index=False)
    row = resolve(["CEA"], table=read_gene_table(file)).iloc[0]
    assert (row["symbol"], row["how"]) == ("CEACAM5", "previous")


def test_unknown_and_empty_names_say_why(table: GeneTable) -> None:
    found = resolve(["NOSUCH", "ENSG00000000000", "", HOSTILE], table=table)
    assert found["symbol"].isna().all()
    unknown, no_id = "name not in the gene table", "id not in the gene table"
    assert found["reason"].tolist() == [unknown, no_id, "name is empty", unknown]


def test_without_a_table_names_are_as_given() -> None:
    found = resolve([" CEA ", "EPCAM|4072", HOSTILE, "ENSG00000119888.1"], table=None)
    assert found["symbol"].tolist() == ["CEA", "EPCAM", HOSTILE, "ENSG00000119888.1"]
    assert set(found["how"]) == {"as given"}


def test_ids_must_be_as_many_as_names(table: GeneTable) -> None:
    with pytest.raises(InputError, match="found 1 for 2 names"):
        resolve(["A", "B"], table=table, ids=["ENSG00000119888"])


def test_counts_add_up_and_summaries_keep_the_maximum(table: GeneTable) -> None:
    names = resolve(["TACSTD1", "EPCAM", "CEA", "A1BG"], table=table)
    values = np.array([[1.0, 2.0, 9.0, np.nan], [4.0, np.nan, 9.0, 5.0]])
    added = merge(values, names, by="sum")
    highest = merge(values, names, by="max")
    assert added.genes.index.tolist() == ["EPCAM", "A1BG"]
    assert added.values[0, 0] == 3
    np.testing.assert_array_equal(highest.values, [[2, np.nan], [4, 5]])
    assert added.genes["given"].tolist() == ["EPCAM", "A1BG"]
    assert added.lost.values.tolist() == [["TACSTD1", "merged into EPCAM"], ["CEA", "ambiguous: CEACAM3, CEACAM5"]]


def test_keep_drops_values_but_not_the_account_of_what_was_lost(table: GeneTable) -> None:
    names = resolve(["TACSTD1", "EPCAM", "CEA", "A1BG"], table=table)
    kept = merge(np.arange(4.0)[None], names, by="sum", keep=["A1BG", "NOSUCH"])
    assert kept.genes.index.tolist() == ["A1BG"]
    assert kept.values.tolist() == [[3.0]]
    assert kept.lost["name"].tolist() == ["TACSTD1", "CEA"]


@given(st.lists(st.sampled_from(["A1BG", "EPCAM", "TACSTD1", "EGP40", "CEA", "?", "4072"]), max_size=12))
def test_no_count_and_no_name_vanishes(names: list[str]) -> None:
    genes = pd.DataFrame(ROWS, columns=["ncbi_gene_id", "gene_symbol", "synonyms", "ensembl_gene"])
    from cartarget.genes import _index

    resolved = resolve(names, table=_index(genes))
    values = 2.0 ** np.arange(len(names))[None]
    merged = merge(values, resolved, by="sum")
    is_found = resolved["symbol"].notna().to_numpy()
    assert merged.values.sum() == values[:, is_found].sum()
    assert len(merged.genes) + len(merged.lost) == len(names)
    plan = plan_merge(resolved)
    assert sorted([*plan.first, *plan.extra]) == np.flatnonzero(is_found).tolist()


def test_with_ids_fills_ensembl(table: GeneTable) -> None:
    frame = with_ids(pd.DataFrame({"given": ["x", "y"]}, index=["EPCAM", "A1BG"]), table)
    assert frame["ensembl"].tolist()[0] == "ENSG00000119888"
    assert pd.isna(frame["ensembl"].iloc[1])


def test_a_missing_column_and_a_double_symbol_name_file_and_line(tmp_path: Path, path: Path) -> None:
    text = path.read_text()
    (tmp_path / "a.tsv").write_text(text.replace("synonyms", "aliases"))
    with pytest.raises(InputError, match=r"a\.tsv: column 'synonyms' is missing"):
        read_gene_table(tmp_path / "a.tsv")
    (tmp_path / "b.tsv").write_text(text + "99\tEPCAM\t-\t\n")
    with pytest.raises(InputError, match=r"b\.tsv, line 9: symbol 'EPCAM' stands twice"):
        read_gene_table(tmp_path / "b.tsv")


def test_a_missing_and_a_truncated_gene_table_are_named(tmp_path: Path, path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.tsv: no such file"):
        read_gene_table(tmp_path / "absent.tsv")
    whole = gzip.compress(path.read_bytes())
    (tmp_path / "cut.tsv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.tsv\.gz: cannot be read"):
        read_gene_table(tmp_path / "cut.tsv.gz")


@pytest.mark.real_data
def test_the_real_table_resolves_what_the_field_pursues(shared_data: Path) -> None:
    table = read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz")
    assert len(table.symbols) == 19464
    names = ["HER2", "PVRL4", "CEA", "TROP2", "PDL1", "HIST1H3D", "STEAP1"]
    assert resolve(names, table=table)["symbol"].fillna("lost").tolist() == [
        *("ERBB2", "NECTIN4", "lost", "TACSTD2", "CD274", "H3C4", "STEAP1")
    ]


@pytest.mark.real_data
def test_names_of_the_real_count_files(shared_data: Path) -> None:
    table = read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz")
    file = shared_data / "bulk_counts_rnaseqdb/cesc-rsem-count-tcga.txt.gz"
    rows = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False)
    found = resolve(rows["Hugo_Symbol"], table=table, entrez=rows["Entrez_Gene_Id"]).set_index("name")
    assert found["how"].value_counts().to_dict() == {"entrez": 18245, "lost": 1377, "symbol": 438, "alias": 182}
    assert found.loc[["KCTD7", "RABGEF1", "PVRL4"], "symbol"].tolist() == ["KCTD7", "RABGEF1", "NECTIN4"]
    assert found.loc["CEA", "reason"] == "ambiguous: CEACAM3, CEACAM5, PSG2"
    assert found.loc["SYS1-DBNDD2", "reason"] == "its id is that of SYS1"
