"""Topology from UniProt: every class of membrane protein, isoforms, and records that are odd, foreign or broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.protein import CLASSES, Protein, overlap
from cartarget.surface.topology import read_topology
from cartarget.surface.uniprot import accession_symbols, read_uniprot, uniprot_table
from tests.swissprot import CELL_MEMBRANE, membrane_features, record

GPI = f"{CELL_MEMBRANE}; Lipid-anchor, GPI-anchor {{ECO:0000255}}."
MULTI = f"{CELL_MEMBRANE}; Multi-pass membrane protein {{ECO:0000255}}."
INNER = f"{CELL_MEMBRANE}; Lipid-anchor {{ECO:0000269|PubMed:2}}; Cytoplasmic side {{ECO:0000269|PubMed:2}}."
PLAIN = f"{CELL_MEMBRANE}."
ER = "Endoplasmic reticulum membrane {ECO:0000305}; Multi-pass membrane protein {ECO:0000255}."

TRUTH = [
    ("EPCAM", 314, "SP:1-23;NC:24-265;TM:266-288;CY:289-314", PLAIN, "type I", 242, 242),
    ("ERBB2", 1255, "SP:1-22;NC:23-652;TM:653-675;CY:676-1255", PLAIN, "type I", 630, 630),
    ("ERBB3", 1342, "SP:1-19;NC:20-642;TM:643-666;CY:667-1342", PLAIN, "type I", 623, 623),
    ("MET", 1390, "SP:1-24;NC:25-932;TM:933-955;CY:956-1390", PLAIN, "type I", 908, 908),
    ("EGFR", 1210, "SP:1-24;NC:25-645;TM:646-668;CY:669-1210", PLAIN, "type I", 621, 621),
    ("CDH17", 832, "SP:1-22;NC:23-784;TM:785-808;CY:809-832", PLAIN, "type I", 762, 762),
    ("CDH3", 829, "SP:1-24;NC:25-654;TM:655-677;CY:678-829", PLAIN, "type I", 630, 630),
    ("CA9", 459, "SP:1-37;NC:38-414;TM:415-433;CY:434-459", PLAIN, "type I", 377, 377),
    ("ROR1", 937, "SP:1-29;NC:30-403;TM:404-427;CY:428-937", PLAIN, "type I", 374, 374),
    ("TACSTD2", 323, "SP:1-30;NC:31-274;TM:275-298;CY:299-323", PLAIN, "type I", 244, 244),
    ("GPA33", 319, "SP:1-21;NC:22-234;TM:235-259;CY:260-319", PLAIN, "type I", 213, 213),
    ("GUCY2C", 1073, "SP:1-23;NC:24-430;TM:431-454;CY:455-1073", PLAIN, "type I", 407, 407),
    ("CD276", 534, "SP:1-28;NC:29-465;TM:466-488;CY:489-534", PLAIN, "type I", 437, 437),
    ("GYPA", 150, "SP:1-19;NC:20-91;TM:92-113;CY:114-150", PLAIN, "type I", 72, 72),
    ("CD3E", 207, "SP:1-21;NC:22-129;TM:130-151;CY:152-207", PLAIN, "type I", 108, 108),
    ("FOLH1", 750, "CY:1-19;TM:20-43;NC:44-750", PLAIN, "type II", 707, 707),
    ("TFRC", 760, "CY:1-19;TM:20-37;NC:38-760", PLAIN, "type II", 723, 723),
    ("ASGR1", 291, "CY:1-40;TM:41-61;NC:62-291", PLAIN, "type II", 230, 230),
    ("DPP4", 766, "CY:1-6;TM:7-28;NC:29-766", PLAIN, "type II", 738, 738),
    ("FAP", 760, "CY:1-6;TM:7-27;NC:28-760", PLAIN, "type II", 733, 733),
    ("CD74", 296, "CY:1-48;TM:49-72;NC:73-296", PLAIN, "type II", 224, 224),
    ("B4GALT1", 398, "CY:1-20;TM:21-43;LU:44-398", "Golgi apparatus membrane.", "type II", 0, 0),
    ("LAT2", 243, "NC:1-6;TM:7-27;CY:28-243", PLAIN, "type III", 6, 6),
    ("VAMP2", 116, "CY:1-92;TM:93-114;LU:115-116", "Cytoplasmic vesicle membrane.", "type IV", 0, 0),
    ("STX1A", 288, "CY:1-265;TM:266-286;NC:287-288", "Cytoplasmic vesicle membrane.", "type IV", 2, 2),
    ("SEC61B", 96, "CY:1-70;TM:71-90;LU:91-96", "Endoplasmic reticulum membrane.", "type IV", 0, 0),
    ("MS4A1", 297, "CY:1-54;TM:55-78;NC:79-83;TM:84-103;CY:104-122;TM:123-143;NC:144-187;TM:188-212;CY:213-297",
     MULTI, "multi-pass", 44, 49),
    ("CLDN6", 220, "CY:1-6;TM:7-30;NC:31-78;TM:79-101;CY:102-118;TM:119-142;NC:143-162;TM:163-184;CY:185-220",
     MULTI, "multi-pass", 48, 68),
    ("CLDN18", 261, "CY:1-6;TM:7-27;NC:28-79;TM:80-101;CY:102-121;TM:122-149;NC:150-168;TM:169-195;CY:196-261",
     MULTI, "multi-pass", 52, 71),
    ("CD81", 236, "CY:1-11;TM:12-35;NC:36-58;TM:59-82;CY:83-89;TM:90-114;NC:115-201;TM:202-227;CY:228-236",
     MULTI, "multi-pass", 87, 110),
    ("SSTR2", 369, "NC:1-45;TM:46-69;CY:70-80;TM:81-104;NC:105-123;TM:124-143;CY:144-163;TM:164-183;NC:184-202;"
     "TM:203-233;CY:234-253;TM:254-275;NC:276-287;TM:288-306;CY:307-369", MULTI, "multi-pass", 45, 95),
    ("GPRC5D", 345, "NC:1-23;TM:24-47;CY:48-58;TM:59-82;NC:83-92;TM:93-113;CY:114-123;TM:124-149;NC:150-169;"
     "TM:170-192;CY:193-204;TM:205-225;NC:226-240;TM:241-260;CY:261-345", MULTI, "multi-pass", 23, 68),
    ("TUSC3", 348, "SP:1-41;LU:42-197;TM:198-217;CY:218-228;TM:229-248;LU:249-281;TM:282-301;CY:302-312;TM:313-333;"
     "LU:334-348", ER, "multi-pass", 0, 0),
    ("CEACAM5", 702, "SP:1-34", GPI, "GPI", 668, 668),
    ("GPC3", 580, "SP:1-24", GPI, "GPI", 556, 556),
    ("PSCA", 123, "SP:1-22", GPI, "GPI", 101, 101),
    ("FOLR1", 257, "SP:1-22", GPI, "GPI", 235, 235),
    ("CD59", 128, "SP:1-25", GPI, "GPI", 103, 103),
    ("KRAS", 189, "", INNER, "lipid anchor", 0, 0),
    ("GNAQ", 359, "", INNER, "lipid anchor", 0, 0),
    ("PCSK9", 692, "SP:1-30", "Secreted {ECO:0000269|PubMed:3}.", "none", 0, 0),
    ("CALR", 417, "SP:1-17", "Endoplasmic reticulum lumen {ECO:0000269|PubMed:3}.", "none", 0, 0),
]  # fmt: skip
"""Symbol, length, topology, location, class, longest stretch and all residues outside.

Spans and signal peptides are those of the supplement of Bausch-Fluck et al. 2018 (doi:10.1073/pnas.1808790115), which
took them from UniProt; stretches that face an organelle are marked LU by hand (SURFY calls them non-cytosolic). Class
and counts were worked out by hand."""


def proteins(tmp_path: Path, *records: str) -> list[Protein]:
    file = tmp_path / "human.txt"
    file.write_text("".join(records))
    return list(read_uniprot(file))


@pytest.mark.parametrize(("gene", "length", "topology", "location", "form", "longest", "total"), TRUTH)
def test_forty_proteins_of_every_class(
    tmp_path: Path, gene: str, length: int, topology: str, location: str, form: str, longest: int, total: int
) -> None:
    text = record(gene=gene, length=length, features=membrane_features(topology), location=location)
    (found,) = proteins(tmp_path, text)
    assert (found.genes, found.membrane_class) == ((gene,), form)
    assert (found.longest_outside, found.n_outside) == (longest, total)


def test_the_truth_has_every_class_but_peripheral_and_enough_proteins() -> None:
    assert {row[4] for row in TRUTH} == set(CLASSES) - {"peripheral"}
    assert len({row[0] for row in TRUTH}) >= 40


@pytest.mark.real_data
def test_surfy_agrees_with_the_truth(shared_data: Path) -> None:
    table = read_topology(shared_data / "surface" / "surfy.tsv.gz", genes=None).set_index("symbol")
    shared = [row for row in TRUTH if row[0] in table.index and "LU" not in row[2]]
    assert len(shared) >= 25
    for gene, *_, longest, _total in shared:
        assert table.loc[gene, "n_residues_outside"] == longest, gene


@pytest.mark.real_data
def test_three_real_entries(shared_data: Path) -> None:
    found = {
        name: next(read_uniprot(shared_data / "uniprot" / f"{name}.txt")) for name in ("O95832", "P04439", "Q13639")
    }
    claudin, hla, serotonin = found["O95832"], found["P04439"], found["Q13639"]
    assert (claudin.genes, claudin.membrane_class, claudin.signal) == (("CLDN1",), "multi-pass", None)
    assert claudin.outside == ((29, 81), (137, 163)) and claudin.longest_outside == 53 and claudin.n_disulfides == 1
    assert claudin.uniprot_stance.surface == 1.0 and claudin.go_stance.surface == 1.0
    assert len(claudin.outside_sequences[0]) == 53 and claudin.outside_sequences[0] == claudin.sequence[28:81]
    assert (hla.membrane_class, hla.signal, hla.spans, hla.longest_outside) == ("type I", 24, ((309, 332),), 284)
    assert hla.domains == ("Ig-like C1-type",) and hla.glycosylation == (110,) and hla.n_disulfides == 2
    assert "P01891" in hla.secondary
    assert [(each.identifier, each.n_outside, each.keeps_outside) for each in hla.isoforms] == [
        ("P04439-1", 284, True),
        ("P04439-2", 272, True),
    ]
    assert (serotonin.longest_outside, serotonin.n_outside, len(serotonin.isoforms)) == (34, 80, 7)


@pytest.mark.real_data
def test_text_and_xml_say_the_same(shared_data: Path) -> None:
    text = next(read_uniprot(shared_data / "uniprot" / "Q13639.txt"))
    xml = next(read_uniprot(shared_data / "uniprot" / "Q13639.xml"))
    for name in Protein.__dataclass_fields__:
        if name != "go":  # Biopython leaves GO evidence out of XML
            assert getattr(text, name) == getattr(xml, name), name


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["P04439.txt", "Q13639.xml"])
def test_gzipped_is_the_same(shared_data: Path, tmp_path: Path, name: str) -> None:
    plain = shared_data / "uniprot" / name
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_uniprot(packed)) == list(read_uniprot(plain))


def test_gpi_site_ends_the_outside_part_and_the_propeptide_does_not_count(tmp_path: Path) -> None:
    marks = [*membrane_features("SP:1-34;GP:685-685"), ("PROPEP", "686..702", "Removed in mature form")]
    (found,) = proteins(tmp_path, record(gene="CEACAM5", length=702, features=marks, location=GPI))
    assert (found.gpi, found.outside, found.is_derived) == (685, ((35, 685),), True)


def test_what_decorates_the_outside_part(tmp_path: Path) -> None:
    marks = [
        *membrane_features("SP:1-20;NC:21-200;TM:201-221;CY:222-300"),
        ("DOMAIN", "30..120", "Ig-like V-type"),
        ("DOMAIN", "230..290", "Protein kinase"),
        ("CARBOHYD", "50", "N-linked (GlcNAc...) asparagine"),
        ("CARBOHYD", "250", "O-linked (GlcNAc) serine"),
        ("DISULFID", "40..100", ""),
        ("DISULFID", "90..260", ""),
        ("DISULFID", "60", "Interchain"),
        ("SITE", "190..191", "Cleavage; by ADAM17"),
        ("INTRAMEM", "205..207", ""),
    ]
    notes = [("PTM", "The extracellular domain is shed by ADAM10. Phosphorylated on tyrosine. {ECO:0000269|PubMed:5}.")]
    (found,) = proteins(tmp_path, record(length=300, features=marks, location=PLAIN, comments=notes))
    assert found.domains == ("Ig-like V-type",)
    assert (found.glycosylation, found.n_disulfides) == ((50,), 1)
    assert found.cleavage == ("Cleavage; by ADAM17 (190)", "The extracellular domain is shed by ADAM10.")


def test_isoforms_that_lose_the_anchor_or_the_outside_part(tmp_path: Path) -> None:
    marks = [
        *membrane_features("SP:1-20;NC:21-60;TM:61-81;CY:82-300"),
        ("VAR_SEQ", "55..300", "Missing (in isoform 2)|VSP_1"),
        ("VAR_SEQ", "25..45", "Missing (in isoform 3)|VSP_2"),
        ("VAR_SEQ", "282..300", "AAAA -> GG (in isoform 4)|VSP_3"),
    ]
    told = (
        "Event=Alternative splicing; Named isoforms=6; Name=1; IsoId=P00001-1; Sequence=Displayed; "
        "Name=2; Synonyms=soluble; IsoId=P00001-2; Sequence=VSP_1; Name=3; IsoId=P00001-3; Sequence=VSP_2; "
        "Name=4 {ECO:0000303|PubMed:7}; IsoId=P00001-4; Sequence=VSP_3; "
        "Name=5; IsoId=P00001-5; Sequence=Not described; "
        "Name=6; IsoId=P00001-6, Q00001-1; Sequence=External;"
    )
    text = record(length=300, features=marks, location=PLAIN, comments=[("ALTERNATIVE PRODUCTS", told)])
    (found,) = proteins(tmp_path, text)
    kept = {each.name: (each.n_outside, each.has_anchor, each.keeps_outside) for each in found.isoforms}
    assert kept == {
        "1": (40, True, True),
        "2": (34, False, False),
        "3": (19, True, False),
        "4": (40, True, True),
        "5": (None, None, None),
        "6": (None, None, None),
    }
    table = uniprot_table(tmp_path / "human.txt")
    assert table.loc["GENE1", "isoforms_without_outside"] == "P00001-2, P00001-3"


def test_spans_without_sides_are_unknown_not_empty(tmp_path: Path) -> None:
    several = record(features=[("TRANSMEM", "50..70", ""), ("TRANSMEM", "90..110", "")], location=MULTI)
    (found,) = proteins(tmp_path, several)
    assert (found.has_topology, found.longest_outside, found.n_outside) == (False, None, None)
    single = record(
        length=300,
        features=[("SIGNAL", "1..20", ""), ("TRANSMEM", "200..220", "")],
        location=f"{CELL_MEMBRANE}; Single-pass type I membrane protein.",
    )
    (found,) = proteins(tmp_path, single)
    assert (found.outside, found.is_derived) == (((21, 199),), True)
    inner = record(length=300, features=[("SIGNAL", "1..20", ""), ("TRANSMEM", "200..220", "")], location=ER)
    (found,) = proteins(tmp_path, inner)
    assert found.longest_outside is None, "the lumen of the ER is not outside"


def test_peripheral_proteins_by_their_side(tmp_path: Path) -> None:
    words = f"{CELL_MEMBRANE}; Peripheral membrane protein; Extracellular side."
    (found,) = proteins(tmp_path, record(length=100, features=[("SIGNAL", "1..20", "")], location=words))
    assert (found.membrane_class, found.longest_outside) == ("peripheral", 80)
    words = f"{CELL_MEMBRANE}; Peripheral membrane protein; Cytoplasmic side."
    (found,) = proteins(tmp_path, record(length=100, location=words))
    assert (found.membrane_class, found.longest_outside) == ("peripheral", 0)
    assert found.uniprot_stance.where == ("inner leaflet",)


def test_selenocysteine_unknown_residues_and_unsure_ends(tmp_path: Path) -> None:
    marks = [("SIGNAL", "1..?", ""), ("TOPO_DOM", "<5..40", "Extracellular"), ("TRANSMEM", "41..60", "")]
    (found,) = proteins(tmp_path, record(length=80, sequence="MUX" + "A" * 77, features=marks, location=PLAIN))
    assert found.sequence.startswith("MUX")
    assert found.signal is None and found.outside == ((5, 40),)


def test_foreign_and_unreviewed_records_are_passed_over(tmp_path: Path) -> None:
    mouse = record("P1", gene="Met", taxon="10090")
    guess = record("P2", gene="MET", status="Unreviewed")
    assert [each.accession for each in proteins(tmp_path, mouse, guess, record("P3", gene="MET"))] == ["P3"]
    (tmp_path / "mouse.txt").write_text(mouse)
    with pytest.raises(InputError, match="no reviewed human protein"):
        uniprot_table(tmp_path / "mouse.txt")


def test_one_row_per_gene_of_several_accessions_and_several_genes(tmp_path: Path) -> None:
    file = tmp_path / "human.txt"
    short = record("P2", gene="GNAS", length=394, location=INNER)
    long = record("P1", gene="GNAS", length=1037, location=INNER)
    outer = record(
        "P9", gene="GNAS", length=100, features=membrane_features("NC:1-50;TM:51-71;CY:72-100"), others=["Q7"]
    )
    twins = record("P3", gene="CALM1;CALM2;CALM3", length=149)
    nameless = record("P4", gene="", length=20)
    file.write_text(short + long + outer + twins + nameless)
    table = uniprot_table(file)
    assert sorted(table.index) == ["CALM1", "CALM2", "CALM3", "GNAS"]
    assert table.loc["GNAS", ["accession", "other_accessions"]].tolist() == ["P9", "P1, P2"]
    assert table.loc["GNAS", "n_residues_outside"] == 50
    file.write_text(short + long)
    assert uniprot_table(file).loc["GNAS", "accession"] == "P1", "else the longer protein"


def test_evidence_codes_weigh_locations(tmp_path: Path) -> None:
    words = "Nucleus inner membrane {ECO:0000269|PubMed:1}; Multi-pass. Cell membrane {ECO:0000250|UniProtKB:Q1}. "
    words += "Note=Also outside."
    text = record(
        "P5", gene="NEMP1", location=words, go=[("plasma membrane", "IEA"), ("nuclear inner membrane", "IDA")]
    )
    file = tmp_path / "human.txt"
    file.write_text(text)
    row = uniprot_table(file).loc["NEMP1"]
    assert row[["uniprot_surface", "uniprot_elsewhere", "uniprot_where"]].tolist() == [0.5, 1.0, "nucleus"]
    assert row[["go_surface", "go_elsewhere", "go_where"]].tolist() == [0.0, 1.0, "nucleus"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no reviewed human protein"),
        ("symbol\tvotes\n", "line 1: found 'symbol"),
        (record()[:-3], "after the first record: a record is broken or cut short"),
        (
            record("P1", gene="A") + record("P2", gene="B").replace("OX   NCBI_TaxID=9606;", "OX   9606"),
            "after A_HUMAN",
        ),
        (record(length=400, sequence="M" * 60), "sequence of 60 residues; the record says 400"),
        (record().replace("AC   P00001;\n", ""), "no accession"),
        (record().replace("400 AA.", "many AA.", 1), "broken or cut short"),
    ],
)
def test_broken_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "human.txt"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        uniprot_table(file)
    assert message in str(error.value)
    assert "human.txt" in str(error.value)


@pytest.mark.parametrize("text", ["", "<a>", "<entry/>", "not xml", '<uniprot xmlns="http://example.org/x"/>'])
def test_broken_xml_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "human.xml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"human.xml"):
        uniprot_table(file)


@pytest.mark.real_data
def test_truncated_files_are_refused(shared_data: Path, tmp_path: Path) -> None:
    whole = (shared_data / "uniprot" / "Q13639.xml").read_bytes()
    (tmp_path / "cut.xml").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress((shared_data / "uniprot" / "P04439.txt").read_bytes())[:4000])
    for name in ("cut.xml", "cut.txt.gz"):
        with pytest.raises(InputError, match=name):
            list(read_uniprot(tmp_path / name))


def test_absent_files_are_named(tmp_path: Path) -> None:
    for name in ("absent.txt", "absent.xml", "absent.xml.gz"):
        with pytest.raises(InputError, match=name):
            list(read_uniprot(tmp_path / name))


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=8), st.integers(0, 40))
def test_any_alternation_of_sides_is_counted(pieces: list[tuple[int, bool]], signal: int) -> None:
    """Random proteins: residues outside are those of the pieces marked so, whatever stands between."""
    at, features, outside = signal + 1, [("SIGNAL", f"1..{signal}", "")] if signal else [], 0
    longest = 0
    for size, is_outside in pieces:
        features.append(("TOPO_DOM", f"{at}..{at + size - 1}", "Extracellular" if is_outside else "Cytoplasmic"))
        outside += size * is_outside
        longest = max(longest, size * is_outside)
        features.append(("TRANSMEM", f"{at + size}..{at + size + 19}", "Helical"))
        at += size + 20
    text = record(length=at, features=features, location=MULTI)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (found,) = proteins(Path(folder), text)
    assert (found.n_outside, found.longest_outside) == (outside, longest)
    assert len(found.spans) == len(pieces)


@given(
    st.tuples(st.integers(1, 50), st.integers(1, 50)).map(sorted),
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)).map(sorted), max_size=4),
)
def test_overlap_counts_shared_residues(one: list[int], many: list[list[int]]) -> None:
    apart = []
    for first, last in sorted(many):
        if not apart or first > apart[-1][1]:
            apart.append((first, last))
    shared = set(range(one[0], one[1] + 1)) & {at for first, last in apart for at in range(first, last + 1)}
    assert overlap((one[0], one[1]), apart) == len(shared)


def test_names_of_another_year_are_resolved(tmp_path: Path) -> None:
    from cartarget.genes import read_gene_table

    genes = tmp_path / "genes.tsv"
    genes.write_text("ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene\n1\tNECTIN4\tPVRL4\tENSG00000143217\n")
    file = tmp_path / "human.txt"
    file.write_text(record("P1", gene="PVRL4") + record("P2", gene="LOST"))
    table = uniprot_table(file, genes=read_gene_table(genes))
    assert table.index.tolist() == ["NECTIN4"]
    assert isinstance(table, pd.DataFrame)


def test_obsolete_accessions_lead_to_todays_gene(tmp_path: Path) -> None:
    found = proteins(
        tmp_path,
        record("P1", gene="A", others=["Q1", "Q9"]),
        record("P2", gene="B", others=["Q2", "Q9", "P1"]),
        record("P3", gene="A", others=["Q2"]),
        record("P4", gene="C;D", others=["Q4"]),
        record("P5", gene=""),
    )
    assert accession_symbols(found).to_dict() == {"P1": "A", "P2": "B", "P3": "A", "Q1": "A"}, "Q2 and Q9 were split"


def test_a_record_without_a_statement_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "human.txt"
    file.write_text(record("P1", gene="SILENT"))
    row = uniprot_table(file).loc["SILENT"]
    assert row[["uniprot_surface", "uniprot_elsewhere", "go_surface", "go_elsewhere"]].isna().all()
    voted = pd.DataFrame({"go": [True]}, index=["SILENT"])
    from cartarget.surface.gather import gather

    assert gather(["SILENT"], votes=voted, uniprot=uniprot_table(file))["annotation"].item() == 1.0, "its vote stands"
