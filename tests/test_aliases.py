"""The names under which a reader may ask for a gene."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cartarget.aliases import other_names
from cartarget.genes import read_gene_table


def test_names_of_the_file_previous_symbols_and_aliases_lead_to_a_gene(tmp_path: Path) -> None:
    rows = [
        ("1048", "CEACAM5", "CD66e|CEA", "", "ENSG00000105388"),
        ("5670", "PSG2", "CEA", "", "ENSG00000242221"),
        ("64115", "VSIR", "B7-H5", "C10orf54", "ENSG00000107738"),
        ("976", "ADGRE5", "-", "", "ENSG00000123146"),
        ("4072", "EPCAM", "VSIR", "", "ENSG00000119888"),
    ]
    head = "ncbi_gene_id", "gene_symbol", "synonyms", "previous_symbols", "ensembl_gene"
    (tmp_path / "genes.tsv").write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n")
    given = pd.DataFrame(
        {"given": ["CEACAM5", "CD97", "C10orf54", "EPCAM"]}, index=["CEACAM5", "ADGRE5", "VSIR", "EPCAM"]
    )
    found = other_names(given, read_gene_table(tmp_path / "genes.tsv"))
    assert found.to_dict() == {"CEACAM5": "CD66e|CEA", "VSIR": "B7-H5|C10orf54", "ADGRE5": "CD97"}
    assert other_names(given, None).to_dict() == {"ADGRE5": "CD97", "VSIR": "C10orf54"}
