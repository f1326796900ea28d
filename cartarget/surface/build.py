"""The table of surface votes, made from its five public sources.

| source | votes for a protein that |
|---|---|
| UniProt, reviewed | is at the cell membrane or surface *and* spans it, is anchored by GPI, or lies on its outer side |
| Gene Ontology | is annotated (not by machine alone, no NOT) to the cell surface or the membrane's external side |
| Human Protein Atlas | is seen at the plasma membrane or the cell junctions, with a reliability above Uncertain |
| SURFY | is labelled `surface` by the classifier |
| CSPA | was captured on living human cells, with high confidence or putatively |

Sources are matched to genes by UniProt accession or Ensembl id where they give one, else by name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve
from cartarget.surface.workbook import read_sheet

FILES = {
    "uniprot": "uniprot_human_reviewed.tsv",
    "go": "goa_human.gaf.gz",
    "hpa": "subcellular_location.tsv.zip",
    "surfy": "table_S3_surfaceome.xlsx",
    "cspa": "S2_File.xlsx",
}
"""Source → its file in the folder of downloads."""

GO_TERMS = {"GO:0009986": "cell surface", "GO:0009897": "external side of plasma membrane"}
_BY_MACHINE = {"IEA", "ND"}
_ANCHORED = r"GPI-anchor|Extracellular side"
_AT_SURFACE = r"[Cc]ell membrane|[Cc]ell surface"


def build_votes(folder: str | os.PathLike[str], *, genes: GeneTable, names: pd.DataFrame) -> pd.DataFrame:
    """Count who places which protein on the cell surface.

    Parameters
    ----------
    folder
        Holds the files of `FILES`.
    genes
        Gene table.
    names
        The same genes with `gene_symbol` and `uniprot` accessions (`cartarget.atlas.public.hgnc.build_gene_table`).

    Returns
    -------
    DataFrame
        One row per gene: `hgnc_symbol`, one column `SOURCE_surface_flag` of 0 and 1 per source, `n_sources_surface`,
        and SURFY's `topology`; sorted by symbol. `votes.read_votes` and `topology.read_topology` read it.

    Raises
    ------
    InputError
        A file is absent, a column is missing, or a source places no protein on the surface.
    """
    folder = Path(folder)
    accession = names.assign(uniprot=names["uniprot"].str.split("|")).explode("uniprot")
    accession = accession[accession["uniprot"] != ""].drop_duplicates("uniprot").set_index("uniprot")["gene_symbol"]
    readers = {"uniprot": uniprot, "go": go, "hpa": hpa, "surfy": surfy, "cspa": cspa}
    table = pd.DataFrame({"hgnc_symbol": sorted(names["gene_symbol"].unique())})
    for source, read in readers.items():
        found = read(folder / FILES[source])
        symbols = _symbols(found, genes=genes, accession=accession)
        if not symbols:
            raise InputError(f"{folder / FILES[source]}: places no known protein on the surface; fetch it again")
        table[f"{source}_surface_flag"] = table["hgnc_symbol"].isin(symbols).astype(int)
    table["n_sources_surface"] = table.filter(like="_surface_flag").sum(axis=1)
    table["topology"] = table["hgnc_symbol"].map(topologies(folder / FILES["surfy"], accession=accession)).fillna("")
    return table


def _symbols(found: pd.DataFrame, *, genes: GeneTable, accession: pd.Series) -> set[str]:
    """Symbols of proteins given by `accession`, `ensembl` or `entrez`, else by `name`."""
    beside = {"ids": "ensembl", "entrez": "entrez"}
    ids = {key: found[column] for key, column in beside.items() if column in found}
    symbol = resolve(found["name"], table=genes, **ids)["symbol"].set_axis(found.index)
    if "accession" in found:
        symbol = found["accession"].map(accession).astype(object).fillna(symbol)
    return set(symbol.dropna())


def uniprot(path: str | os.PathLike[str]) -> pd.DataFrame:
    """`accession` and `name` of the proteins for which UniProt votes."""
    table = _table(
        _lines(path), path, needed=("Entry", "Gene Names (primary)", "Subcellular location [CC]", "Transmembrane")
    )
    where = table["Subcellular location [CC]"].str.replace(r"Note=.*", "", regex=True)
    outside = table["Topological domain"] if "Topological domain" in table else pd.Series("", index=table.index)
    spans = table["Transmembrane"].ne("") | outside.str.contains("Extracellular")
    is_surface = where.str.contains(_AT_SURFACE) & (spans | where.str.contains(_ANCHORED))
    return _named(table[is_surface], accession="Entry", name="Gene Names (primary)")


def go(path: str | os.PathLike[str]) -> pd.DataFrame:
    """`accession` and `name` of the proteins for which the Gene Ontology votes."""
    rows = []
    for number, line in lines(path):
        if line.startswith(b"!"):
            continue
        fields = line.decode("utf-8", errors="replace").split("\t")
        if len(fields) < 15:
            raise InputError(f"{path}, line {number}: found {len(fields)} fields; expected 17, as in GAF 2.2")
        if fields[4] in GO_TERMS and fields[6] not in _BY_MACHINE and "NOT" not in fields[3].split("|"):
            rows.append((fields[1].split(":")[0].split("-")[0], fields[2]))
    return pd.DataFrame(rows, columns=["accession", "name"], dtype=object).drop_duplicates(ignore_index=True)


def hpa(path: str | os.PathLike[str]) -> pd.DataFrame:
    """`ensembl` and `name` of the proteins for which the Human Protein Atlas votes."""
    table = _table(
        _lines(path), path, needed=("Gene", "Gene name", "Reliability", "Main location", "Additional location")
    )
    places = table["Main location"] + ";" + table["Additional location"]
    is_surface = places.str.contains("Plasma membrane|Cell Junctions") & table["Reliability"].ne("Uncertain")
    return _named(table[is_surface], ensembl="Gene", name="Gene name")


def surfy(path: str | os.PathLike[str]) -> pd.DataFrame:
    """`accession` and `name` of the proteins for which SURFY votes."""
    table = _surfaceome(path)
    return _named(table[table["Surfaceome Label"].eq("surface")], accession="UniProt accession", name="UniProt gene")


def topologies(path: str | os.PathLike[str], *, accession: pd.Series) -> pd.Series:
    """SURFY's topology per symbol, by the symbol of each `accession`; empty where the table holds none."""
    table = _surfaceome(path)
    texts = table["topology"] if "topology" in table else pd.Series("", index=table.index)
    named = texts.set_axis(table["UniProt accession"].map(accession))
    return named[named.index.notna() & ~named.index.duplicated() & named.ne("")]


def _surfaceome(path: str | os.PathLike[str]) -> pd.DataFrame:
    rows = _below(read_sheet(path, sheet="SurfaceomeMasterTable"), "Surfaceome Label")
    return _table(rows, path, needed=("UniProt accession", "UniProt gene", "Surfaceome Label"))


def cspa(path: str | os.PathLike[str]) -> pd.DataFrame:
    """`accession`, `entrez` and `name` of the human proteins for which the Cell Surface Protein Atlas votes."""
    rows = _below(read_sheet(path), "CSPA category")
    table = _table(rows, path, needed=("ID_link", "CSPA category", "ENTREZ_gene_ID", "ENTREZ gene symbol"))
    is_surface = table["CSPA category"].str.match(r"[12] ")
    if "organism" in table:
        is_surface &= table["organism"].str.lower().eq("human")
    found = _named(table[is_surface], accession="ID_link", name="ENTREZ gene symbol", entrez="ENTREZ_gene_ID")
    return found.assign(entrez=found["entrez"].str.replace(r"\.0$", "", regex=True))


def _named(table: pd.DataFrame, **columns: str) -> pd.DataFrame:
    return pd.DataFrame({key: table[column] for key, column in columns.items()}, dtype=object).reset_index(drop=True)


def _lines(path: str | os.PathLike[str]) -> list[list[str]]:
    return [line.decode("utf-8", errors="replace").split("\t") for _, line in lines(path)]


def _below(rows: list[list[str]], column: str) -> list[list[str]]:
    """The rows from the header on, which holds `column`; legends may stand above it."""
    start = next((number for number, row in enumerate(rows[:10]) if column in row), 0)
    return rows[start:]


def _table(rows: list[list[str]], path: str | os.PathLike[str], *, needed: Sequence[str]) -> pd.DataFrame:
    header = rows[0] if rows else []
    for column in needed:
        if column not in header:
            raise InputError(f"{path}: column {column!r} is missing; found {', '.join(header[:12]) or 'nothing'}")
    width = len(header)
    return pd.DataFrame([[*row[:width], *[""] * (width - len(row))] for row in rows[1:]], columns=header, dtype=object)
