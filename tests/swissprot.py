"""Swiss-Prot records made from a few facts, for the tests of `cartarget.surface`."""

from __future__ import annotations

from collections.abc import Sequence

CELL_MEMBRANE = "Cell membrane {ECO:0000269|PubMed:1}"


def record(
    accession: str = "P00001",
    *,
    gene: str = "GENE1",
    length: int = 400,
    features: Sequence[tuple[str, str, str]] = (),
    location: str = "",
    comments: Sequence[tuple[str, str]] = (),
    go: Sequence[tuple[str, str]] = (),
    taxon: str = "9606",
    status: str = "Reviewed",
    sequence: str | None = None,
    others: Sequence[str] = (),
) -> str:
    """A record; `features` are (key, place such as `1..24`, note), `comments` (topic, text)."""
    sequence = "M" + "A" * (length - 1) if sequence is None else sequence
    name = gene.split(";")[0].replace("-", "")[:5].upper() or "NONE"
    rows = [
        f"ID   {name}_HUMAN              {status};         {length} AA.",
        f"AC   {'; '.join([accession, *others])};",
        "DT   01-NOV-1997, integrated into UniProtKB/Swiss-Prot.",
        "DE   RecName: Full=Protein of a test;",
        *_gene_lines(gene),
        "OS   Homo sapiens (Human).",
        f"OX   NCBI_TaxID={taxon};",
        "RN   [1]",
        "RP   NUCLEOTIDE SEQUENCE [MRNA].",
        "RA   Doe J.;",
        "RL   Submitted (JUN-1997) to the EMBL/GenBank/DDBJ databases.",
    ]
    if location:
        comments = [("SUBCELLULAR LOCATION", location), *comments]
    for topic, text in comments:
        rows.append(f"CC   -!- {topic}: {text}")
    rows.append("DR   EMBL; AF101051; AAD16433.1; -; mRNA.")
    rows += [f"DR   GO; GO:0000001; C:{name}; {code}:UniProtKB." for name, code in go]
    rows.append("KW   Membrane.")
    for key, place, note in features:
        identifier = note.split("|")[1] if "|" in note else ""
        rows.append(f"FT   {key:<16}{place}")
        if note.split("|")[0]:
            rows.append(f'FT                   /note="{note.split("|")[0]}"')
        if identifier:
            rows.append(f'FT                   /id="{identifier}"')
    rows.append(f"SQ   SEQUENCE   {length} AA;  42000 MW;  7B3E5A0AE8EC7AFD CRC64;")
    for start in range(0, len(sequence), 60):
        chunk = sequence[start : start + 60]
        rows.append("     " + " ".join(chunk[at : at + 10] for at in range(0, len(chunk), 10)))
    return "\n".join([*rows, "//", ""])


def _gene_lines(gene: str) -> list[str]:
    """GN lines: several genes are told apart by `and`, as UniProt writes them."""
    lines: list[str] = []
    for name in filter(None, gene.split(";")):
        lines += [*(["GN   and"] if lines else []), f"GN   Name={name.strip()} {{ECO:0000312|HGNC:HGNC:1}};"]
    return lines


def membrane_features(topology: str) -> list[tuple[str, str, str]]:
    """Features of a string such as `SP:1-24;NC:25-308;TM:309-332;CY:333-365`; NC is Extracellular, LU Lumenal."""
    notes = {"NC": "Extracellular", "CY": "Cytoplasmic", "LU": "Lumenal"}
    found = []
    for piece in filter(None, topology.split(";")):
        code, place = piece.split(":")
        place = place.replace("-", "..")
        if code == "SP":
            found.append(("SIGNAL", place, ""))
        elif code == "TM":
            found.append(("TRANSMEM", place, "Helical"))
        elif code == "GP":
            found.append(("LIPID", place, "GPI-anchor amidated serine"))
        else:
            found.append(("TOPO_DOM", place, notes[code]))
    return found
