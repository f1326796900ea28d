"""Germline variants on UniProt's CLDN1 and HTR4: each consequence, each place, and VCFs that must be refused."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.hgvs import KINDS, parse_change
from cartarget.surface.protein import Isoform, Protein
from cartarget.surface.uniprot import read_uniprot
from cartarget.surface.variants import COLUMNS, UNLISTED, variant_table
from cartarget.surface.vcf import LENGTHS, build_of, read_alleles
from tests.surface.vcf_maker import GRCH37, GRCH38, ann, csq, write_vcf

CLAUDIN = (
    "MANAGLQLLGFILAFLGWIGAIVSTALPQWRIYSYAGDNIVTAQAMYEGLWMSCVSQSTGQIQCKVFDSLLNLSSTLQATRALMVVGILLGVIAIFVATV"
    "GMKCMKCLEDDEVQKMRMAVIGGAIFLLAGLAILVATAWYGNRIVQEFYDPMTPVNARYEFGQALFTGWAAASLCLLGGALLCCSCPRKTTSYPTPRPYP"
    "KPAPSSGKDYV"
)
CLDN1 = Protein(
    "O95832",
    genes=("CLDN1",),
    length=211,
    sequence=CLAUDIN,
    spans=((8, 28), (82, 102), (116, 136), (164, 184)),
    outside=((29, 81), (137, 163)),
    inside=((1, 7), (103, 115), (185, 211)),
    isoforms=(Isoform("O95832-1", is_displayed=True),),
)
DEPTH = "ID=DP,Number=1,Type=Integer"
pysam = pytest.importorskip("pysam", reason="reading a VCF needs pysam (pip install 'cartarget[variants]')")


def record(hgvs: str, genotypes: list[str] | None = None, *, gene: str = "CLDN1", at: int = 190310000, **more: str):
    return ("chr3", at, "G", "A", {"CSQ": csq(gene, hgvs, **more)}, ["0/1"] if genotypes is None else genotypes)


def one(path: Path, **more: object) -> pd.Series:
    table = variant_table(path, proteins=[CLDN1], **more)
    assert len(table) == 1, table
    return table.iloc[0]


def read(tmp_path: Path, hgvs: str, genotypes: list[str] | None = None, **more: object) -> pd.Series:
    samples = [f"S{i}" for i in range(len(genotypes or [""]))]
    return one(write_vcf(tmp_path / "a.vcf", [record(hgvs, genotypes)], samples=samples), **more)


# ---- UniProt's entries ---------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_the_hand_made_protein_is_uniprots(shared_data: Path) -> None:
    (protein,) = read_uniprot(shared_data / "uniprot" / "O95832.txt")
    assert (protein.sequence, protein.outside, protein.spans) == (CLAUDIN, CLDN1.outside, CLDN1.spans)


@pytest.mark.real_data
def test_claudin_and_the_serotonin_receptor(tmp_path: Path, shared_data: Path) -> None:
    """Reference, missense outside and inside, stop, frameshift, on the records that UniProt holds."""
    proteins = [one for name in ("O95832", "Q13639") for one in read_uniprot(shared_data / "uniprot" / f"{name}.txt")]
    rows = [
        record("ENSP00000295522.3:p.Glu48Lys", ["0/0"], at=1),
        record("ENSP00000295522.3:p.Ile32Met", ["0/1"], at=2),
        record("ENSP00000295522.3:p.Asn3Ser", ["1/1"], at=3),
        record("ENSP00000295522.3:p.Trp30Ter", ["0/1"], at=4, consequence="stop_gained"),
        record("ENSP00000295522.3:p.Lys65AsnfsTer5", ["0|1"], at=5, consequence="frameshift_variant"),
        ("chr5", 1, "G", "A", {"CSQ": csq("HTR4", "p.Asp5Asn"), "AF": "0.0012"}, ["0/1"]),
        ("chr5", 2, "G", "A", {"CSQ": csq("HTR4", "p.Cys372Tyr"), "AF": "0.03"}, ["./."]),
    ]
    table = variant_table(write_vcf(tmp_path / "a.vcf", rows), proteins=proteins)
    assert list(table) == list(COLUMNS)
    assert table["gene"].tolist() == ["CLDN1"] * 5 + ["HTR4"] * 2
    assert table["flag"].tolist() == ["reference", "outside", "inside", "stop", "frameshift", "outside", "inside"]
    assert table["place"].tolist() == ["outside", "outside", "inside", "outside", "outside", "outside", "inside"]
    assert table["n_carriers"].tolist() == [0, 1, 1, 1, 1, 1, pd.NA]
    assert table["n_two_copies"].tolist()[:4] == [0, 0, 1, 0]
    # outside are 29-81 and 137-163, 80 residues: from 30 on 79 of them, from 65 on 17 + 27
    assert table["outside_lost"].tolist()[3:5] == [79, 44] and table["n_outside"].iloc[3] == 80
    assert table["frequency"].tolist()[5:] == [0.0012, 0.03]


# ---- consequence, place, epitope -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hgvs", "consequence", "flag"),
    [
        ("p.Ile32Met", "missense", "outside"),
        ("p.Ile32%3D", "synonymous", "unchanged"),
        ("p.Ile32Ile", "synonymous", "unchanged"),
        ("p.Gly10Arg", "missense", "in the membrane"),
        ("p.Arg197Leu", "missense", "inside"),
        ("p.Ser56_Ser58del", "in-frame", "outside"),
        ("p.Pro28_Trp30delinsLeu", "in-frame", "outside"),
        ("p.Gly37dup", "in-frame", "outside"),
        ("p.Met1?", "start lost", "start lost"),
        ("p.Ter212GlnextTer?", "stop lost", "unknown"),
        ("p.Tyr210_Val211insTer", "stop", "stop"),
        ("p.?", "unknown", "unknown"),
        ("p.I32M", "missense", "outside"),
        ("p.Met1_Ala2del", "start lost", "start lost"),
        ("p.Met1del", "start lost", "start lost"),
        ("p.Met1delinsVal", "start lost", "start lost"),
        ("p.M1_A2del", "start lost", "start lost"),
        ("p.Met1_Ala2delinsMetVal", "in-frame", "inside"),
        ("p.Met1_Ala2insVal", "in-frame", "inside"),
        ("p.W30X", "stop", "stop"),
        ("p.Trp30X", "stop", "stop"),
        ("p.Tyr210_Val211insX", "stop", "stop"),
        ("p.Tyr210_Ter212del", "stop lost", "unknown"),
        ("p.Ter212delinsGlnLys", "stop lost", "unknown"),
        ("p.*212del", "stop lost", "unknown"),
        ("p.Tyr210_Ter212delinsTer", "stop", "stop"),
        ("p.Tyr210_Val211insXaa", "in-frame", "inside"),
    ],
)
def test_each_change_has_its_flag(tmp_path: Path, hgvs: str, consequence: str, flag: str) -> None:
    found = read(tmp_path, hgvs)
    assert (found["consequence"], found["flag"]) == (consequence, flag)


@pytest.mark.parametrize(
    ("hgvs", "touches", "flag"),
    [("p.Ile32Met", True, "in epitope"), ("p.Glu48Lys", False, "outside"), ("p.Trp30Ter", False, "stop")],
)
def test_an_epitope_is_told_apart(tmp_path: Path, hgvs: str, touches: bool, flag: str) -> None:
    found = read(tmp_path, hgvs, epitopes={"CLDN1": [(31, 35)]})
    assert (found["in_epitope"], found["flag"]) == (touches, flag)
    assert pd.isna(read(tmp_path, hgvs)["in_epitope"]), "no epitope is given"


@pytest.mark.parametrize("stretch", [(0, 5), (200, 212), (9, 3)])
def test_an_epitope_beyond_its_protein_is_refused(tmp_path: Path, stretch: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="1-211 of UniProt O95832"):
        read(tmp_path, "p.Ile32Met", epitopes={"CLDN1": [stretch]})
    with pytest.raises(InputError, match="no UniProt record of 'CLDN2'"):
        read(tmp_path, "p.Ile32Met", epitopes={"CLDN2": [(1, 2)]})


def test_a_blocker_that_is_lost_harms_normal_tissue(tmp_path: Path) -> None:
    for hgvs, harms in (("p.Trp30Ter", True), ("p.Ile32Met", True), ("p.Asn3Ser", False)):
        assert ("may be hit" in read(tmp_path, hgvs, blockers=["CLDN1"])["meaning"]) == harms
        assert "may be hit" not in read(tmp_path, hgvs)["meaning"]


def test_a_splice_site_is_unknown_and_an_intron_is_no_row(tmp_path: Path) -> None:
    rows = [record("", consequence="splice_donor_variant"), record("", consequence="intron_variant", at=2)]
    found = one(write_vcf(tmp_path / "a.vcf", rows))
    assert (found["consequence"], found["flag"]) == ("splice site", "unknown")


def losing(*said: str, tmp_path: Path) -> pd.Series:
    rows = [("chr3", 9, "G", "A", {"CSQ": ",".join(said)}, ["0/1"])]
    return one(write_vcf(tmp_path / "a.vcf", rows), blockers=["CLDN1"])


@pytest.mark.parametrize("hgvs", ["", "p.?"])
@pytest.mark.parametrize(
    ("consequence", "flag"),
    [
        ("start_lost&5_prime_UTR_variant", "start lost"),
        ("frameshift_variant", "frameshift"),
        ("splice_region_variant&stop_gained", "stop"),
        ("transcript_ablation", "deleted"),
    ],
)
def test_a_loss_without_a_position_is_flagged(tmp_path: Path, hgvs: str, consequence: str, flag: str) -> None:
    found = losing(csq("CLDN1", hgvs, consequence=consequence), tmp_path=tmp_path)
    assert (found["consequence"], found["flag"], found["place"]) == (flag, flag, "unknown")
    assert "the antigen may be lost" in found["meaning"] and "may be hit" in found["meaning"]
    assert pd.isna(found["outside_lost"])


SILENT = csq("CLDN1", "p.Ala2%3D", consequence="synonymous_variant", Feature="mild")
MAIN = csq("CLDN1", "p.Ala2%3D", consequence="synonymous_variant", Feature="mild", CANONICAL="YES")


@pytest.mark.parametrize(
    ("mild", "more", "flag"),
    [
        (SILENT, {"CANONICAL": "YES"}, "unknown"),
        (SILENT, {"CANONICAL": "YES", "Protein_position": "?/90"}, "unknown"),
        (SILENT, {}, "unknown"),
        (SILENT, {"Protein_position": "?/211"}, "unknown"),
        (SILENT, {"Protein_position": "?/90"}, "unchanged"),
        (MAIN, {}, "unchanged"),
        (MAIN, {"CANONICAL": "YES"}, "unknown"),
    ],
)
@pytest.mark.parametrize("site", ["splice_donor_variant", "splice_acceptor_variant&intron_variant"])
def test_a_lost_splice_site_goes_before_a_mild_change(tmp_path: Path, mild: str, more, flag: str, site: str) -> None:
    found = losing(mild, csq("CLDN1", "", consequence=site, Feature="cut", **more), tmp_path=tmp_path)
    assert found["flag"] == flag
    assert found["source"] == f"annotation of {'cut' if flag == 'unknown' else 'mild'}"


def test_a_splice_site_lost_in_the_same_transcript(tmp_path: Path) -> None:
    site = "missense_variant&splice_donor_variant"
    assert losing(csq("CLDN1", "p.Ile32Met", consequence=site), tmp_path=tmp_path)["flag"] == "unknown"
    assert losing(csq("CLDN1", "p.Trp30Ter", consequence=site), tmp_path=tmp_path)["flag"] == "stop"


def test_a_loss_in_another_isoform_alone_is_unknown(tmp_path: Path) -> None:
    cut = csq("CLDN1", "", consequence="stop_gained", Feature="short", Protein_position="30/90")
    found = losing(csq("CLDN1", "", consequence="intron_variant"), cut, tmp_path=tmp_path)
    assert (found["consequence"], found["flag"]) == ("in other isoforms", "unknown")
    assert losing(cut, tmp_path=tmp_path)["flag"] == "unknown"


def test_names_are_no_records(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")])
    with pytest.raises(InputError, match=r"proteins: found 'CLDN1', expected .*records, as .*read_uniprot"):
        variant_table(path, proteins=["CLDN1"])


def test_a_gene_without_a_record_is_unknown_not_reference(tmp_path: Path) -> None:
    found = one(write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met", gene="EGFR")]))
    assert (found["flag"], found["meaning"]) == ("unknown", UNLISTED)
    assert pd.isna(found["n_carriers"])


# ---- genotypes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("genotypes", "genotyped", "carriers", "two", "flag"),
    [
        (["0/0", "0|0"], 2, 0, 0, "reference"),
        (["0/1", "1/1", "./.", "1"], 3, 3, 1, "outside"),
        (["./1", "./0"], 1, 1, 0, "outside"),
        (["./.", "."], 0, None, None, "outside"),
        (["0/0", "./."], 1, 0, 0, "outside"),
    ],
)
def test_who_was_not_genotyped_is_unknown(tmp_path: Path, genotypes, genotyped, carriers, two, flag) -> None:
    found = read(tmp_path, "p.Ile32Met", genotypes)
    assert (found["n_samples"], found["n_genotyped"]) == (len(genotypes), genotyped)
    assert [None if pd.isna(found[name]) else found[name] for name in ("n_carriers", "n_two_copies")] == [carriers, two]
    assert found["flag"] == flag


def test_a_file_without_samples_tells_frequencies_and_no_carrier(tmp_path: Path) -> None:
    rows = [("chr3", 5, "G", "A", {"CSQ": csq("CLDN1", "p.Ile32Met"), "AF": "0.25"}, [])]
    found = one(write_vcf(tmp_path / "a.vcf", rows, samples=()))
    assert (found["n_samples"], found["n_genotyped"], found["frequency"]) == (0, 0, 0.25)
    assert pd.isna(found["n_carriers"]) and found["flag"] == "outside"


def test_a_record_without_genotypes_is_unknown(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")])
    text = path.read_text().replace("\tGT\t0/1", "\tDP\t7").replace("ID=GT,Number=1,Type=String", DEPTH)
    path.write_text(text)
    assert pd.isna(one(path)["n_carriers"])


def test_a_frequency_of_samples_alone_is_no_frequency(tmp_path: Path) -> None:
    """AF is a FORMAT of many callers: what a sample's reads show, not how common the allele is."""
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")])
    path.write_text(path.read_text().replace("##INFO=<ID=AF", "##FORMAT=<ID=AF"))
    assert pd.isna(one(path)["frequency"])


@pytest.mark.parametrize("numbered", [True, False])
def test_each_allele_of_several_has_its_own_row(tmp_path: Path, numbered: bool) -> None:
    entries = [("A", "p.Ile32Met", "1"), ("T", "p.Ile32Thr", "2")]
    said = ",".join(csq("CLDN1", h, allele=a, ALLELE_NUM=n if numbered else "") for a, h, n in entries)
    rows = [("chr3", 9, "G", "A,T", {"CSQ": said, "AF": "0.1,0.002"}, ["1/2", "0/2", "2/2", "0/0"])]
    path = write_vcf(tmp_path / "a.vcf", rows, samples=["a", "b", "c", "d"])
    found = variant_table(path, proteins=[CLDN1])
    assert found["variant"].tolist() == ["3-9-G-A", "3-9-G-T"]
    assert found["change"].tolist() == ["p.Ile32Met", "p.Ile32Thr"]
    assert found["n_carriers"].tolist() == [1, 3] and found["n_two_copies"].tolist() == [0, 1]
    assert found["frequency"].tolist() == [0.1, 0.002]


def test_alleles_of_several_lengths_go_by_veps_names(tmp_path: Path) -> None:
    said = csq("CLDN1", "p.Lys65AsnfsTer5", allele="-") + "," + csq("CLDN1", "p.Lys65Asn", allele="AT")
    rows = [("chr3", 9, "GAA", "G,GAT", {"CSQ": said}, ["1/2"])]
    found = variant_table(write_vcf(tmp_path / "a.vcf", rows), proteins=[CLDN1])
    assert found[["variant", "consequence"]].values.tolist() == [
        ["3-9-GAA-G", "frameshift"],
        ["3-9-GAA-GAT", "missense"],
    ]


def test_no_sample_is_named(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")], samples=["Identifier7"])
    assert "Identifier7" not in variant_table(path, proteins=[CLDN1]).to_csv()


# ---- transcripts ---------------------------------------------------------------------------------------------------


def test_the_transcript_of_uniprots_sequence_is_taken(tmp_path: Path) -> None:
    said = [
        csq("CLDN1", "p.Ala32Met", Feature="other", CANONICAL="YES"),
        csq("CLDN1", "p.Ile32Met", Feature="long", Protein_position="32/240"),
        csq("CLDN1", "p.Ile32Met", Feature="own", Protein_position="32/211"),
    ]
    found = one(write_vcf(tmp_path / "a.vcf", [("chr3", 9, "G", "A", {"CSQ": ",".join(said)}, ["0/1"])]))
    assert found["source"] == "annotation of own"


def test_a_variant_of_other_isoforms_alone_is_unknown(tmp_path: Path) -> None:
    said = [csq("CLDN1", "p.Ala32Met", Feature="other"), csq("CLDN1", "", consequence="intron_variant")]
    found = one(write_vcf(tmp_path / "a.vcf", [("chr3", 9, "G", "A", {"CSQ": ",".join(said)}, ["0/1"])]))
    assert (found["consequence"], found["flag"]) == ("in other isoforms", "unknown")


@pytest.mark.parametrize("hgvs", ["ENSP1:p.Ala32Met", "p.Ile232Met", "p.Lys65_Ala66del"])
def test_residues_that_are_not_uniprots_are_refused(tmp_path: Path, hgvs: str) -> None:
    with pytest.raises(InputError, match=r"3-190310000-G-A.*UniProt O95832 \(211 residues\).*isoform.*genome build"):
        read(tmp_path, hgvs)


@pytest.mark.real_data
def test_an_isoform_of_the_receptor_is_refused(tmp_path: Path, shared_data: Path) -> None:
    """Isoform 5-HT4(A) has Y at 360, the displayed one D."""
    proteins = list(read_uniprot(shared_data / "uniprot" / "Q13639.txt"))
    path = write_vcf(tmp_path / "a.vcf", [("chr5", 1, "G", "A", {"CSQ": csq("HTR4", "p.Tyr360His")}, ["0/1"])])
    with pytest.raises(InputError, match=r"Q13639 .388 residues. has D at 360"):
        variant_table(path, proteins=proteins)


def test_snpeff_is_read_as_well(tmp_path: Path) -> None:
    said = {"ANN": ann("CLDN1", "p.Ile32Met", length="32/211")}
    path = write_vcf(tmp_path / "a.vcf", [("chr3", 9, "G", "A", said, ["0/1"])])
    vep, functional = "Consequence annotations from Ensembl VEP. Format: ", "Functional annotations: "
    path.write_text(path.read_text().replace("ID=CSQ,", "ID=ANN,").replace(vep, functional))
    found = one(path)
    assert (found["flag"], found["source"]) == ("outside", "annotation of ENST1.2")
    other = path.read_text().replace("32/211", "32/400")
    path.write_text(other)
    with pytest.raises(InputError, match="of 400 residues"):
        one(path)


def test_vep_may_write_where_snpeff_does(tmp_path: Path) -> None:
    """With --vcf_info_field ANN; of alleles of several lengths it still drops the first base."""
    said = csq("CLDN1", "ENSP1.3:p.Ile32%3D", allele="-") + "," + csq("CLDN1", "p.Ile32Met", allele="AT")
    path = write_vcf(tmp_path / "a.vcf", [("chr3", 9, "GAA", "G,GAT", {"ANN": said}, ["1/2"])])
    path.write_text(path.read_text().replace("ID=CSQ,", "ID=ANN,"))
    assert variant_table(path, proteins=[CLDN1])["consequence"].tolist() == ["synonymous", "missense"]


# ---- files that must be refused ------------------------------------------------------------------------------------


def test_another_build_says_so(tmp_path: Path) -> None:
    rows = [("3", 9, "G", "A", {"CSQ": csq("CLDN1", "p.Ile32Met")}, ["0/1"])]
    path = write_vcf(tmp_path / "a.vcf", rows, header=GRCH37)
    with pytest.raises(InputError, match=r"wrong genome build: found GRCh37 .*expected GRCh38; lift it over"):
        one(path)
    assert one(path, build="GRCh37")["flag"] == "outside"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["##contig=<ID=3,length=198022430>"], "wrong genome build: found GRCh37"),
        (["##contig=<ID=3,assembly=b37>"], "wrong genome build: found GRCh37"),
        (["##reference=chm13v2.0.fa"], "wrong genome build: found CHM13"),
        ([*GRCH38, '##VEP="v104" cache="homo_sapiens" assembly="GRCh37.p13"'], "several genome builds"),
        ([*GRCH38, '##SnpEffCmd="SnpEff  hg19 in.vcf"'], "several genome builds"),
        (["##contig=<ID=chr3,length=160039680>"], "no human genome"),
        (["##reference=mm10.fa"], "no human genome"),
        (['##VEP="v110" cache="/cache/mus_musculus/110_GRCm39"'], "no human genome"),
        (['##contig=<ID=3,length=1000,species="Mus musculus">'], "no human genome"),
    ],
)
def test_headers_of_another_build_or_species_are_refused(tmp_path: Path, header: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        one(write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")], header=header))


def test_a_protein_of_a_mouse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ENSMUSP00000012345.*another species"):
        read(tmp_path, "ENSMUSP00000012345.1:p.Ile32Met")


def test_a_header_that_tells_no_build_is_let_pass_and_residues_are_checked(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")], header=["##contig=<ID=chr3>"])
    assert one(path)["flag"] == "outside"


def test_a_file_that_is_not_annotated_is_refused(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [("chr3", 9, "G", "A", {}, ["0/1"])])
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "ID=CSQ" not in line) + "\n")
    with pytest.raises(InputError, match=r"not annotated.*--hgvs"):
        one(path)
    assert [each.copies for each in read_alleles(path, is_annotated=False)] == [(1,)]


def test_an_annotation_without_hgvs_is_refused(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")], fields="Allele|Consequence|SYMBOL|Feature")
    with pytest.raises(InputError, match="no field HGVSp"):
        one(path)


@pytest.mark.parametrize("content", [b"", b"gene\tvalue\nCLDN1\t3\n", b"\x1f\x8b\x08\x00broken", b"\x89PNG\r\n"])
def test_what_is_no_vcf_is_refused(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.vcf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.vcf: damaged, or no VCF"):
        one(path)
    assert capfd.readouterr().err == "", "htslib writes nothing to the screen"


def test_a_compressed_file_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    plain = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met", at=at) for at in range(1, 2000)])
    whole = tmp_path / "a.vcf.gz"
    pysam.tabix_compress(str(plain), str(whole))
    assert len(variant_table(whole, proteins=[CLDN1])) == 1999
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        variant_table(whole, proteins=[CLDN1])
    whole.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(InputError, match="not by bgzip"):
        variant_table(whole, proteins=[CLDN1])


def test_without_pysam_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_vcf(tmp_path / "a.vcf", [record("p.Ile32Met")])
    monkeypatch.setitem(sys.modules, "pysam", None)
    with pytest.raises(InputError, match=r"pip install 'cartarget\[variants\]'"):
        one(path)


# ---- parts ---------------------------------------------------------------------------------------------------------


def test_lengths_tell_the_builds_apart() -> None:
    assert len({length for pair in LENGTHS.values() for length in pair}) == 2 * len(LENGTHS) == 46
    for name, (older, newer) in LENGTHS.items():
        assert list(build_of([f"##contig=<ID=chr{name},length={older}>"])) == ["GRCh37"]
        assert list(build_of([f"##contig=<ID={name},length={newer}>"])) == ["GRCh38"]
    assert build_of(["##contig=<ID=chrUn_KI270302v1,length=2274>", "##source=x"]) == {}


@pytest.mark.parametrize(
    "text", ["", "p.?", "p.(?)", "Val24Met?", "c.70G>A", "p.Val24Met[2]", "p.Val0Met", "p.Val24_Ala3del"]
)
def test_what_is_no_change_of_a_protein_is_unknown(text: str) -> None:
    assert parse_change(text).kind == "unknown" and not parse_change(text).fits(CLAUDIN)


@given(
    st.text(max_size=12)
    | st.from_regex(r"p\.[A-Z][a-z]{2}\d{1,4}(_[A-Z][a-z]{2}\d{1,4})?[a-zA-Z=*?%]{0,12}", fullmatch=True)
)
def test_any_text_is_read_as_something(text: str) -> None:
    change = parse_change(text)
    assert change.kind in KINDS and 0 <= change.first <= change.last
    if change.fits(CLAUDIN):
        assert all((CLAUDIN + "*")[at - 1] == residue for at, residue in change.residues)
