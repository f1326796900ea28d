"""The votes table from its public sources: small stand-ins, and the real tables where they are there."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pandas as pd
import pytest

from cartarget.atlas.public.hgnc import build_gene_table
from cartarget.errors import InputError
from cartarget.genes import GeneTable, read_gene_table
from cartarget.surface import build
from cartarget.surface.topology import read_topology
from cartarget.surface.votes import read_votes
from cartarget.surface.workbook import read_sheet
from tests.atlas import standins

HGNC = [
    "hgnc_id",
    "symbol",
    "locus_group",
    "status",
    "alias_symbol",
    "prev_symbol",
    "entrez_id",
    "ensembl_gene_id",
    "uniprot_ids",
]
ACCESSION = {symbol: f"P{number:05d}" for number, symbol in enumerate(standins.GENES)}


def write_hgnc(path: Path) -> None:
    rows = [HGNC]
    for symbol, (ensembl, entrez) in standins.GENES.items():
        alias, before = ('"TACSTD1|CD326"', "MIC18") if symbol == "EPCAM" else ("", "")
        ids = [str(entrez), ensembl.split(".")[0], ACCESSION[symbol]]
        rows.append(["HGNC:1", symbol, "protein-coding gene", "Approved", alias, before, *ids])
    rows += [["HGNC:2", "MALAT1", "non-coding RNA", "Approved", "", "", "378938", "ENSG00000251562", ""]]
    standins.write(path, "\n".join("\t".join(row) for row in rows) + "\n")


def write_xlsx(path: Path, sheets: dict[str, list[list[str]]]) -> None:
    """A workbook as Excel writes it: shared strings, numbers, gaps."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    link = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts: list[str] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, rows in enumerate(sheets.values(), start=1):
            body = ""
            for at, row in enumerate(rows, start=1):
                cells = ""
                for column, value in enumerate(row):
                    place = f"{chr(65 + column)}{at}"
                    if value == "":
                        continue
                    if value.replace(".", "").isdigit():
                        cells += f'<c r="{place}"><v>{value}</v></c>'
                    else:
                        texts.append(value)
                        cells += f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>'
                body += f'<row r="{at}">{cells}</row>'
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
            )
        shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in texts)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{shared}</sst>')
        names = "".join(f'<sheet name="{name}" r:id="rId{n}"/>' for n, name in enumerate(sheets, start=1))
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{link}"><sheets>{names}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(sheets) + 1)
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{links}</Relationships>")


def write_sources(folder: Path) -> None:
    """All five, with EPCAM on the surface everywhere, ACTB nowhere, and each trap once."""
    head = "Entry,Gene Names (primary),Protein names,Subcellular location [CC],Transmembrane,Topological domain"
    uni = [head.split(",")]
    for gene, where, spans in [
        ("EPCAM", "Lateral cell membrane; Single-pass type I membrane protein", "TRANSMEM 266..288"),
        ("GPC3", "Cell membrane; Lipid-anchor, GPI-anchor", ""),
        ("ACTB", "Cytoplasm. Note=Near the cell membrane", "TRANSMEM 1..2"),
        ("TTN", "Cell membrane; Cytoplasmic side", ""),
    ]:
        uni.append([ACCESSION[gene], gene, "x", f"SUBCELLULAR LOCATION: {where}", spans, ""])
    standins.write(folder / build.FILES["uniprot"], "\n".join("\t".join(row) for row in uni) + "\n")
    gaf = ["!gaf-version: 2.2"]
    for gene, relation, term, proof in [
        ("EPCAM", "located_in", "GO:0009986", "IDA"), ("MSLN", "located_in", "GO:0009897", "IEA"),
        ("ALB", "NOT|located_in", "GO:0009986", "IDA"), ("ACTB", "located_in", "GO:0005829", "IDA"),
        ("CEACAM5", "is_active_in", "GO:0009897", "IBA"),
    ]:  # fmt: skip
        fields = ["UniProtKB", ACCESSION[gene], gene, relation, term, "PMID:1", proof, "", "C", "", "", "protein",
                  "taxon:9606", "20240101", "UniProt", "", ""]  # fmt: skip
        gaf.append("\t".join(fields))
    standins.write(folder / build.FILES["go"], "\n".join(gaf) + "\n")
    standins.hpa_locations(folder / build.FILES["hpa"])
    head = ["UniProt name", "UniProt accession", "UniProt gene", "Surfaceome Label", "topology"]
    master = [["SURFY: the in silico surfaceome"], head]
    master += [["EPCAM_HUMAN", ACCESSION["EPCAM"], "EPCAM", "surface", "SP:1-23;NC:24-265;TM:266-288;CY:289-314"]]
    master += [["ACTB_HUMAN", ACCESSION["ACTB"], "ACTB", "nonsurface", "CY:1-375"]]
    write_xlsx(folder / build.FILES["surfy"], {"legend": [["x"]], "SurfaceomeMasterTable": master})
    head = ["organism", "ID_link", "CSPA category", "UP_Protein_name", "ENTREZ_gene_ID", "ENTREZ gene symbol"]
    rows = [["Human", "", "1 - high confidence", "Ep-CAM", "4072.0", "TACSTD1"]]
    rows += [["Human", ACCESSION["ACTB"], "3 - unspecific", "Actin", "60", "ACTB"]]
    rows += [["Mouse", ACCESSION["ALB"], "1 - high confidence", "Albumin", "11657", "Alb"]]
    write_xlsx(folder / build.FILES["cspa"], {"Table A": [head, *rows]})


@pytest.fixture
def genes(tmp_path: Path) -> tuple[GeneTable, pd.DataFrame]:
    write_hgnc(tmp_path / "hgnc_complete_set.txt")
    names = build_gene_table(tmp_path / "hgnc_complete_set.txt")
    names.to_csv(tmp_path / "genes.tsv", sep="\t", index=False)
    return read_gene_table(tmp_path / "genes.tsv"), names


def test_hgnc_makes_the_gene_table(genes: tuple[GeneTable, pd.DataFrame]) -> None:
    table, names = genes
    assert names["gene_symbol"].tolist() == list(standins.GENES)
    assert table.alias["CD326"] == table.previous["MIC18"] == "EPCAM"
    assert table.entrez["4072"] == "EPCAM"


def test_votes_are_counted(tmp_path: Path, genes: tuple[GeneTable, pd.DataFrame]) -> None:
    write_sources(tmp_path)
    table = build.build_votes(tmp_path, genes=genes[0], names=genes[1])
    table.to_csv(tmp_path / "votes.tsv", sep="\t", index=False)
    votes = read_votes(tmp_path / "votes.tsv")
    assert votes.columns.tolist() == ["uniprot", "go", "hpa", "surfy", "cspa"]
    assert votes.loc["EPCAM"].all()
    assert not votes.loc[["ACTB", "TTN", "ALB"]].any(axis=None)
    assert votes.loc["GPC3"].to_dict() == {"uniprot": True, "go": False, "hpa": True, "surfy": False, "cspa": False}
    assert votes.index[votes["go"]].tolist() == ["CEACAM5", "EPCAM"], "by machine alone or NOT is no vote"
    topology = read_topology(tmp_path / "votes.tsv", genes=genes[0]).set_index("symbol")
    assert topology["n_residues_outside"].to_dict() == {"ACTB": 0, "EPCAM": 242}


@pytest.mark.parametrize("source", build.FILES)
def test_a_source_that_is_absent_or_something_else_is_named(
    tmp_path: Path, genes: tuple[GeneTable, pd.DataFrame], source: str
) -> None:
    write_sources(tmp_path)
    path = tmp_path / build.FILES[source]
    path.unlink()
    with pytest.raises(InputError, match=path.name):
        build.build_votes(tmp_path, genes=genes[0], names=genes[1])
    path.write_bytes(b"<html>")
    with pytest.raises(InputError, match=path.name):
        build.build_votes(tmp_path, genes=genes[0], names=genes[1])


def test_a_workbook_names_its_sheets(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "x.xlsx", {"one": [["a", "", "c"]], "two": []})
    assert read_sheet(tmp_path / "x.xlsx") == [["a", "", "c"]]
    with pytest.raises(InputError, match="no sheet 'three'; its sheets: one, two"):
        read_sheet(tmp_path / "x.xlsx", sheet="three")


@pytest.mark.real_data
def test_the_rules_agree_with_a_published_table_of_votes(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SURFY, CSPA and HPA by our rules, against the flags of another group's table: nine in ten agree both ways."""
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    flags = pd.read_csv(shared_data / "surface" / "surface_votes.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
    accession = flags[flags["uniprot_acc"] != ""].drop_duplicates("uniprot_acc").set_index("uniprot_acc")["hgnc_symbol"]

    def rows(path: Path, sheet: str | None = None) -> list[list[str]]:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        return [list(frame.columns), *frame.to_numpy().tolist()]

    monkeypatch.setattr(build, "read_sheet", rows)
    found = {
        "surfy": build.surfy(shared_data / "surface" / "surfy.tsv.gz"),
        "cspa": build.cspa(shared_data / "surface" / "cspa.tsv.gz"),
    }
    for source, table in found.items():
        ours = build._symbols(table, genes=genes, accession=accession)
        theirs = set(flags.loc[flags[f"{source}_surface_flag"] == "1", "hgnc_symbol"])
        assert len(ours & theirs) / len(theirs) > 0.9, (source, len(ours), len(theirs), len(ours & theirs))
        assert len(ours & theirs) / len(ours) > 0.9, (source, len(ours), len(theirs), len(ours & theirs))
