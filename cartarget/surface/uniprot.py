"""Membrane topology from UniProt through Biopython: Swiss-Prot text or UniProt XML, plain or `.gz`, record by
record."""

from __future__ import annotations

import gzip
import os
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import pandas as pd
from Bio import BiopythonParserWarning, SeqIO, SwissProt

from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve
from cartarget.surface.locations import Location, parse_locations
from cartarget.surface.protein import Protein
from cartarget.surface.records import Facts, Feature, build_protein

HUMAN = "9606"

_TOPICS = ("SUBCELLULAR LOCATION", "ALTERNATIVE PRODUCTS", "PTM", "MISCELLANEOUS")
_FEATURES = {
    "SIGNAL", "TRANSIT", "PROPEP", "CHAIN", "TRANSMEM", "INTRAMEM", "TOPO_DOM", "LIPID", "CARBOHYD", "DISULFID",
    "SITE", "DOMAIN", "VAR_SEQ", "VARSPLIC", "NON_STD", "SE_CYS",
}  # fmt: skip
_KEYS = {"ID", "AC", "GN", "OS", "OX", "SQ", "  ", "//"}

_XML_FEATURES = {
    "signal peptide": "SIGNAL",
    "transit peptide": "TRANSIT",
    "propeptide": "PROPEP",
    "chain": "CHAIN",
    "transmembrane region": "TRANSMEM",
    "intramembrane region": "INTRAMEM",
    "topological domain": "TOPO_DOM",
    "lipid moiety-binding region": "LIPID",
    "glycosylation site": "CARBOHYD",
    "disulfide bond": "DISULFID",
    "site": "SITE",
    "domain": "DOMAIN",
    "splice variant": "VAR_SEQ",
}
_NS = "{http://uniprot.org/uniprot}"


def read_uniprot(path: str | os.PathLike[str]) -> Iterator[Protein]:
    """The reviewed human proteins of a UniProt file, one at a time: memory does not grow with the file.

    Parameters
    ----------
    path
        Swiss-Prot text (`.txt`, `.dat`) or UniProt XML (`.xml`), plain or gzipped. Records of other species and
        unreviewed ones are passed over. Text is several times quicker than XML, and only text gives GO evidence.

    Yields
    ------
    Protein
        One per accession.

    Raises
    ------
    InputError
        The file is absent, cut short, or no UniProt file; a record that cannot be read is named.

    Examples
    --------
    >>> next(read_uniprot("absent.txt"))
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.txt: no such file...
    """
    name = Path(path).name.removesuffix(".gz")
    found = _from_xml(path) if name.endswith(".xml") else _from_text(path)
    for facts in found:
        if facts.is_reviewed and HUMAN in facts.taxa:
            yield build_protein(facts)


def uniprot_table(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Topology and location of every reviewed human protein, one row per gene.

    Several accessions of one gene: the one with the longest stretch outside stands, then the longer protein, then the
    smaller accession; the others are listed. Several genes of one accession: a row each. Genes' names go through
    `genes`.

    Parameters
    ----------
    path
        As for `read_uniprot`.
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`; columns `accession`, `other_accessions`, `membrane_class`, `n_residues` (length),
        `signal_end`, `n_spans`, `n_residues_outside` (longest stretch; missing: unknown), `n_outside_total`, `outside`
        (`Protein.outside_part`), `domains_outside`, `is_derived`, `gpi_site`, `n_glycosylated`, `n_disulfides`,
        `cleavage`, `uniprot_surface` and `uniprot_elsewhere` (weights; missing where the record states nothing),
        `uniprot_where`, `go_surface`, `go_elsewhere`, `go_where`, `n_isoforms` and `isoforms_without_outside`.

    Raises
    ------
    InputError
        As for `read_uniprot`, or the file holds no reviewed human protein.

    Examples
    --------
    >>> uniprot_table("absent.txt")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.txt: no such file...
    """
    rows = [row for protein in read_uniprot(path) for row in _rows(protein)]
    if not rows:
        raise InputError(f"{path}: no reviewed human protein; expected Swiss-Prot records of Homo sapiens")
    table = pd.DataFrame(rows)
    symbols = resolve(table["symbol"], table=genes)["symbol"].set_axis(table.index)
    table = table.assign(symbol=symbols).dropna(subset=["symbol"])
    rank = table["n_residues_outside"].fillna(-1)
    table = table.assign(rank=rank).sort_values(
        ["symbol", "rank", "n_residues", "accession"], ascending=[True, False, False, True], kind="stable"
    )
    others = table.groupby("symbol")["accession"].agg(lambda found: ", ".join(dict.fromkeys(found[1:])))
    table = table.drop_duplicates("symbol").set_index("symbol").drop(columns="rank")
    table.insert(1, "other_accessions", others)
    weights = ["uniprot_surface", "uniprot_elsewhere", "go_surface", "go_elsewhere"]
    whole = ["n_residues", "signal_end", "n_spans", "n_residues_outside", "n_outside_total", "gpi_site"]
    whole += ["n_glycosylated", "n_disulfides", "n_isoforms"]
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(weights, float))


def accession_symbols(proteins: Iterable[Protein], *, genes: GeneTable | None = None) -> pd.Series:
    """Accession → symbol, today's and obsolete ones, for tables of another year.

    An obsolete accession that was split over several genes is left out, and so is a protein of several genes.

    Parameters
    ----------
    proteins
        `read_uniprot`.
    genes
        Gene table. None: names are taken as given.

    Examples
    --------
    >>> accession_symbols([Protein("P04439", secondary=("P01891",), genes=("HLA-A",))]).to_dict()
    {'P01891': 'HLA-A', 'P04439': 'HLA-A'}
    """
    rows = [
        (accession, protein.genes[0], accession == protein.accession)
        for protein in proteins
        for accession in ((protein.accession, *protein.secondary) if len(protein.genes) == 1 else ())
    ]
    table = pd.DataFrame(rows, columns=["accession", "symbol", "is_primary"])
    table["symbol"] = resolve(table["symbol"], table=genes)["symbol"].to_numpy()
    table = table.dropna(subset=["symbol"]).sort_values(["accession", "is_primary"], ascending=[True, False])
    n_symbols = table.groupby("accession")["symbol"].transform("nunique")
    has_primary = table.groupby("accession")["is_primary"].transform("any")
    table = table[n_symbols.eq(1) | (has_primary & table["is_primary"])]
    return table.drop_duplicates("accession").set_index("accession")["symbol"]


def _rows(protein: Protein) -> Iterator[dict[str, Any]]:
    uniprot, go = protein.uniprot_stance, protein.go_stance
    without = [isoform.identifier for isoform in protein.isoforms if isoform.keeps_outside is False]
    row = {
        "accession": protein.accession,
        "membrane_class": protein.membrane_class,
        "n_residues": protein.length,
        "signal_end": protein.signal,
        "n_spans": len(protein.spans),
        "n_residues_outside": protein.longest_outside,
        "n_outside_total": protein.n_outside,
        "outside": protein.outside_part,
        "domains_outside": ", ".join(protein.domains),
        "is_derived": protein.is_derived,
        "gpi_site": protein.gpi,
        "n_glycosylated": len(protein.glycosylation),
        "n_disulfides": protein.n_disulfides,
        "cleavage": " ".join(protein.cleavage),
        "uniprot_surface": uniprot.surface if protein.locations else None,
        "uniprot_elsewhere": uniprot.elsewhere if protein.locations else None,
        "uniprot_where": ", ".join(uniprot.where),
        "go_surface": go.surface if protein.go else None,
        "go_elsewhere": go.elsewhere if protein.go else None,
        "go_where": ", ".join(go.where),
        "n_isoforms": max(1, len(protein.isoforms)),
        "isoforms_without_outside": ", ".join(without) if protein.longest_outside else "",
    }
    for gene in protein.genes:
        yield {"symbol": gene, **row}


class _Lines:
    """Lines of a file as the handle that `SwissProt.parse` reads."""

    def __init__(self, found: Iterable[str]) -> None:
        self._found = iter(found)

    def __iter__(self) -> Iterator[str]:
        return self._found

    def __next__(self) -> str:
        return next(self._found)

    def read(self, _size: int = 0) -> str:
        return ""


def _needed(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a Swiss-Prot file that topology needs, in order: references and most cross-references left out."""
    keeps = False
    for number, raw in lines(path):
        line = raw.decode("utf-8", errors="replace")
        key = line[:2]
        if key == "FT":
            if line[5:13].strip():
                keeps = line[5:13].rstrip() in _FEATURES
            wanted = keeps
        elif key == "CC":
            if line[5:8] == "-!-":
                keeps = line[9:].startswith(_TOPICS)
            elif line[5:8] == "---":
                keeps = False
            wanted = keeps
        elif key == "DR":
            wanted = line.startswith("DR   GO;")
        else:
            wanted = key in _KEYS
            if number == 1 and key != "ID":
                raise InputError(f"{path}, line 1: found {line[:40]!r}; expected a Swiss-Prot record (ID ...)")
        if wanted:
            yield line + "\n"


def _from_text(path: str | os.PathLike[str]) -> Iterator[Facts]:
    last = "the first record"
    found = SwissProt.parse(_Lines(_needed(path)))
    while True:
        try:
            record = next(found, None)
        except InputError:
            raise
        except (ValueError, AssertionError, IndexError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}, after {last}: a record is broken or cut short ({error}); fetch the file again"
            ) from error
        if record is None:
            return
        last = record.entry_name
        yield _text_facts(record, path)


def _text_facts(record: Any, path: str | os.PathLike[str]) -> Facts:
    names = [name for name in record.gene_name if isinstance(name, dict)]
    if not record.accessions:
        raise InputError(f"{path}, {record.entry_name}: no accession; expected a line AC")
    if record.sequence and len(record.sequence) != record.sequence_length:
        raise InputError(
            f"{path}, {record.entry_name}: sequence of {len(record.sequence)} residues; the record says "
            f"{record.sequence_length}; fetch the file again"
        )
    comments = list(record.comments)
    return Facts(
        accessions=tuple(record.accessions),
        entry=record.entry_name,
        is_reviewed=record.data_class in ("Reviewed", "STANDARD"),
        taxa=tuple(record.taxonomy_id),
        genes=tuple(_bare(name["Name"]) for name in names if "Name" in name),
        synonyms=tuple(_bare(other) for name in names for other in name.get("Synonyms", ())),
        sequence=record.sequence,
        length=record.sequence_length,
        features=tuple(filter(None, map(_text_feature, record.features))),
        locations=tuple(each for text in comments if text.startswith("SUBCELL") for each in parse_locations(text)),
        notes=tuple(_notes(comments)),
        isoforms=tuple(each for text in comments if text.startswith("ALTERN") for each in _text_isoforms(text)),
        go=tuple((row[2][2:], row[3]) for row in record.cross_references if len(row) > 3 and row[2][:2] == "C:"),
    )


def _bare(name: str) -> str:
    return re.sub(r"\s*\{[^}]*\}", "", name).strip(" ;")


def _notes(comments: Iterable[str]) -> Iterator[str]:
    for text in comments:
        if text.startswith("PTM:"):
            yield text.removeprefix("PTM:").strip()
        elif text.startswith("SUBCELL") and "Note=" in text:
            yield text.split("Note=", 1)[1].strip()


def _text_feature(feature: Any) -> Feature | None:
    first, last = _position(feature.location.start, 1), _position(feature.location.end, 0)
    words = feature.qualifiers.get("note") or feature.qualifiers.get("description") or ""
    return Feature(feature.type, first, last, words, feature.id or "", feature.location.ref or "")


def _position(value: Any, shift: int) -> int | None:
    try:
        return int(value) + shift
    except TypeError:
        return None


_ISOFORM = re.compile(r"Name=(?P<name>[^;]+);.*?IsoId=(?P<id>[^;]+);\s*Sequence=(?P<sequence>[^;]+);")


def _text_isoforms(text: str) -> Iterator[tuple[str, str, str]]:
    """Identifier, name and sequence (`Displayed`, `VSP_1, VSP_2`, `Not described`, `External`) of each isoform."""
    for found in _ISOFORM.finditer(text):
        yield found["id"].split(",")[0].strip(), _bare(found["name"]), found["sequence"].strip()


def _from_xml(path: str | os.PathLike[str]) -> Iterator[Facts]:
    last = "the first record"
    try:
        with _opened(path) as handle:
            records = SeqIO.UniprotIO.UniprotIterator(handle, return_raw_comments=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BiopythonParserWarning)
                for record in records:
                    last = record.name
                    yield _xml_facts(record)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; fetch it from UniProt") from None
    except (ValueError, AssertionError, IndexError, KeyError, OSError, EOFError, zlib.error, ElementTree.ParseError,
            TypeError, AttributeError) as error:  # fmt: skip
        raise InputError(
            f"{path}, after {last}: broken, cut short, or no UniProt XML ({error}); fetch the file again"
        ) from error


def _opened(path: str | os.PathLike[str]) -> IO[bytes]:
    return gzip.open(path, "rb") if Path(path).suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _xml_facts(record: Any) -> Facts:
    told = record.annotations
    comments = {
        topic: [ElementTree.fromstring(text) for text in told.get(f"comment_{topic}_xml", ())]
        for topic in ("subcellularlocation", "alternativeproducts")
    }
    taxa = [each.split(":", 1)[1] for each in record.dbxrefs if each.startswith("NCBI Taxonomy:")]
    primary = told.get("gene_name_primary")
    return Facts(
        accessions=tuple(told["accessions"]),
        entry=record.name,
        is_reviewed=told.get("dataset") == "Swiss-Prot",
        taxa=tuple(taxa),
        genes=(primary,) if primary else (),
        synonyms=tuple(told.get("gene_name_synonym", ())),
        sequence=str(record.seq),
        length=len(record.seq),
        features=tuple(_xml_feature(each) for each in record.features if each.type in _XML_FEATURES),
        locations=tuple(each for root in comments["subcellularlocation"] for each in _xml_locations(root)),
        notes=tuple(told.get("comment_PTM", ())),
        isoforms=tuple(each for root in comments["alternativeproducts"] for each in _xml_isoforms(root)),
    )


def _xml_feature(feature: Any) -> Feature:
    told = feature.qualifiers
    words = told.get("description") or ""
    if feature.type == "splice variant":
        words = f"{told.get('original', 'Missing')} -> {told.get('variation', '')} {words}"
    first, last = _position(feature.location.start, 1), _position(feature.location.end, 0)
    return Feature(_XML_FEATURES[feature.type], first, last, words, told.get("id", ""))


def _xml_locations(root: ElementTree.Element) -> Iterator[Location]:
    """Locations of a comment; evidence keys point into the record, which Biopython leaves out, so none is given."""
    molecule = root.findtext(f"{_NS}molecule") or ""
    for each in root.iter(f"{_NS}subcellularLocation"):
        topology = [part.text or "" for tag in ("topology", "orientation") for part in each.findall(_NS + tag)]
        for place in each.findall(f"{_NS}location"):
            yield Location(place.text or "", "; ".join(topology), (), molecule)


def _xml_isoforms(root: ElementTree.Element) -> Iterator[tuple[str, str, str]]:
    for each in root.iter(f"{_NS}isoform"):
        sequence = each.find(f"{_NS}sequence")
        kind = "" if sequence is None else sequence.get("type", "")
        text = (sequence.get("ref") or "").replace(" ", ", ") if sequence is not None and kind == "described" else kind
        yield (
            each.findtext(f"{_NS}id") or "",
            each.findtext(f"{_NS}name") or "",
            text.capitalize() if text == kind else text,
        )
