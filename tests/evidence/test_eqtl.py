"""Expression-raising genotypes: GTEx's tables in their forms, the model against a simulation, carriers in a VCF."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget import read_tiers
from cartarget.errors import InputError
from cartarget.evidence.eqtl import COLUMNS, leading, raised_fraction, read_copies, read_eqtl
from cartarget.evidence.panel import build_panel
from cartarget.safety.eqtl import COLUMNS as TABLE
from cartarget.safety.eqtl import eqtl_table
from tests.evidence_makers import Block, atlas, cells, tumor
from tests.surface.vcf_maker import GRCH37, write_vcf

SIGNIF = "variant_id\tgene_id\ttss_distance\tma_samples\tma_count\tmaf\tpval_nominal\tslope\tslope_se"
EGENES = "gene_id\tgene_name\tvariant_id\tslope\tpval_nominal\tqval"
TIERS = read_tiers("config/tissue_tiers.tsv")


def written(tmp_path: Path, name: str, *lines: str) -> Path:
    path = tmp_path / name
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


# ---- the table -----------------------------------------------------------------------------------------------------


def test_pairs_of_variant_and_gene_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "Heart_Left_Ventricle.v8.signif_variant_gene_pairs.txt.gz",
        SIGNIF,
        "chr16_760000_C_T_b38\tENSG00000102854.15\t-5\t80\t85\t0.1\t1e-9\t-0.45\t0.06",
    )
    table = read_eqtl(path)
    assert list(table) == list(COLUMNS)
    assert table.iloc[0].drop(["gene", "p_value", "slope"]).tolist() == [
        *("16-760000-C-T", "GRCh38", "Heart_Left_Ventricle", "C", path.name),
    ]
    assert (table["slope"].item(), table["p_value"].item()) == (-0.45, 1e-9)


@pytest.mark.real_data
def test_an_ensembl_id_becomes_a_symbol(tmp_path: Path, shared_data: Path) -> None:
    from cartarget.genes import read_gene_table

    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    path = written(
        tmp_path,
        "Lung.v8.signif_variant_gene_pairs.txt",
        SIGNIF,
        "chr16_760000_C_T_b38\tENSG00000102854.15\t-5\t80\t85\t0.1\t1e-9\t0.45\t0.06",
        "chr1_5_A_G_b38\tENSG00000999999.1\t-5\t80\t85\t0.1\t1e-9\t0.45\t0.06",
    )
    assert read_eqtl(path, genes=genes)["gene"].tolist() == ["MSLN"]


def test_a_gene_that_is_no_egene_is_left_out(tmp_path: Path) -> None:
    rows = ["E1.1\tA\tchr1_5_A_G_b38\t0.3\t1e-9\t1e-6", "E2.1\tB\tchr1_6_A_G_b38\t0.3\t0.01\t0.4"]
    assert read_eqtl(written(tmp_path, "Lung.v8.egenes.txt.gz", EGENES, *rows))["gene"].tolist() == ["A"]


def test_what_the_portal_exports_is_read_with_its_tissues(tmp_path: Path) -> None:
    head = "Gencode Id,Gene Symbol,Variant Id,SNP Id,P-Value,NES,Tissue"
    rows = ["E1.1,A,chr1_5_A_G_b38,rs1,1e-9,0.3,Lung", "E1.1,A,chr1_5_A_G_b38,rs1,1e-7,-0.2,Heart - Left Ventricle"]
    table = read_eqtl(written(tmp_path, "portal.csv", head, *rows))
    assert table["tissue"].tolist() == ["Lung", "Heart - Left Ventricle"]
    assert table["raising_allele"].tolist() == ["G", "A"]


def test_parquet_of_v10_is_read_and_genes_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "Lung.v10.eQTLs.signif_pairs.parquet"
    frame = {"gene_name": ["A", "B"], "variant_id": ["chr1_5_A_G_b38", "chrX_6_AT_A_b38"], "slope": [0.3, 0.4]}
    pd.DataFrame(frame).to_parquet(path)
    table = read_eqtl(path, keep=["B"])
    assert table[["gene", "variant", "tissue"]].values.tolist() == [["B", "X-6-AT-A", "Lung"]]


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("Lung.v8.egenes.txt", ["gene_name\tslope", "A\t1"], "no column tells the variant"),
        ("Lung.v8.egenes.txt", ["variant_id\tslope", "chr1_5_A_G_b38\t1"], "no column tells the gene"),
        ("Lung.v8.egenes.txt", ["gene_name\tvariant_id", "A\tchr1_5_A_G_b38"], "no column tells the slope"),
        ("mine.txt", ["gene_name\tvariant_id\tslope", "A\tchr1_5_A_G_b38\t1"], "tells the tissue; give tissue="),
        ("Lung.v8.egenes.txt", ["gene_name\tvariant_id\tslope", "A\trs123\t1"], "line 2: found variant 'rs123'"),
        ("Lung.v8.egenes.txt", ["gene_name\tvariant_id\tslope", "A\tchr1_5_A_G_b38\t"], "line 2: the slope"),
        ("Lung.v8.egenes.txt.gz", [], "found none|cannot be read"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, name: str, lines: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_eqtl(written(tmp_path, name, *lines))


def test_linked_variants_are_one_effect() -> None:
    eqtls = pd.DataFrame(
        {
            "gene": ["A", "A", "A", "B"],
            "tissue": ["Lung", "Lung", "Liver", "Lung"],
            "variant": ["1-1-A-C", "1-2-A-C", "1-3-A-C", "2-1-A-C"],
            "slope": [0.2, -0.5, 0.1, 0.3],
            "p_value": [np.nan, np.nan, 0.1, np.nan],
        }
    )
    assert leading(eqtls)["variant"].tolist() == ["1-2-A-C", "1-3-A-C", "2-1-A-C"]


# ---- the model -----------------------------------------------------------------------------------------------------


def test_the_model_is_that_of_people_drawn_at_random() -> None:
    """Normal scores of 400,000 people without the allele; carriers' scores are moved by 0.6 a copy."""
    scores = np.random.default_rng(0).normal(size=400_000)
    threshold = 1.5
    usual = (scores > threshold).mean()
    for copies in (0, 1, 2):
        carriers = (scores + 0.6 * copies > threshold).mean()
        assert raised_fraction(usual, slope=-0.6, copies=copies) == pytest.approx(carriers, abs=0.002)


@given(st.floats(0.001, 0.999), st.floats(-3, 3))
def test_more_copies_are_never_less(fraction: float, slope: float) -> None:
    none, one, two = (float(raised_fraction(fraction, slope=slope, copies=c)) for c in (0, 1, 2))
    assert fraction == pytest.approx(none) and none <= one <= two <= 1


# ---- in a panel ----------------------------------------------------------------------------------------------------


def bulk(hit: int = 1, donors: int = 40, places: tuple[str, ...] = ("lung", "heart", "skin")):
    rows = [Block(place, f"d{i}", cells([20.0 * (i < hit), 0], 1)) for place in places for i in range(donors)]
    made = atlas([*tumor([[20.0, 20.0]]), *rows], symbols=["A", "B"], kind="samples")
    return build_panel(made, symbols=["A", "B"], required=["lung"])


def eqtl(**more: object) -> pd.DataFrame:
    row = {"gene": "A", "variant": "1-5-A-G", "tissue": "Lung", "slope": 0.5, "raising_allele": "G", "p_value": 1e-9}
    return pd.DataFrame([row | {"build": "GRCh38", "source": "Lung.v8.egenes.txt.gz"} | more])


def test_carriers_pass_a_cap_that_people_keep() -> None:
    """1 of 40 over the threshold: median of Beta(1.5, 39.5) is 0.0293; Φ(−1.891 + 0.5) = 0.082, with two 0.187."""
    row = eqtl_table(bulk(), eqtls=eqtl(), tiers=TIERS).iloc[0]
    assert list(eqtl_table(bulk(), eqtls=eqtl(), tiers=TIERS)) == list(TABLE)
    found = [row["exposure"], row["exposure_one"], row["exposure_two"]]
    assert found == pytest.approx([0.0293, 0.0821, 0.1865], abs=2e-4)
    assert (row["cap"], row["flag"], row["n_donors"]) == (0.05, "over the cap with one copy", 40)
    assert row["exposure_upper"] > row["exposure"] and row["exposure_two_upper"] > row["exposure_two"]


@pytest.mark.parametrize(
    ("hit", "slope", "flag"),
    [
        (0, 0.1, "within the cap with two copies"),
        (1, 0.2, "over the cap with two copies"),
        (1, -0.5, "over the cap with one copy"),
        (8, 0.1, "over the cap without it"),
    ],
)
def test_flags(hit: int, slope: float, flag: str) -> None:
    assert eqtl_table(bulk(hit), eqtls=eqtl(slope=slope), tiers=TIERS)["flag"].tolist() == [flag]


def test_what_no_sample_measured_is_unknown() -> None:
    """Cells alone: a slope of whole tissue says nothing of the share of cells."""
    blocks = [Block(t, f"d{i}", cells([0, 0], 40)) for t in ("lung", "heart") for i in range(6)]
    made = build_panel(
        atlas([*tumor(cells([1, 1])), *blocks], symbols=["A", "B"]), symbols=["A", "B"], required=["lung"]
    )
    for panel, eqtls in ((made, eqtl()), (bulk(), eqtl(tissue="Liver"))):
        row = eqtl_table(panel, eqtls=eqtls, tiers=TIERS).iloc[0]
        assert row["flag"] == "unknown" and pd.isna(row["exposure"]) and row["n_donors"] == 0


def test_tissues_that_are_not_vital_and_genes_that_are_no_antigen_are_left_out() -> None:
    names = ["Skin_Sun_Exposed_Lower_leg", "Cells_Cultured_fibroblasts", "Heart_Atrial_Appendage"]
    eqtls = pd.concat([*(eqtl(tissue=name) for name in names), eqtl(gene="C")], ignore_index=True)
    table = eqtl_table(bulk(), eqtls=eqtls, tiers=TIERS)
    assert table[["tissue", "eqtl_tissue"]].values.tolist() == [["heart", "Heart_Atrial_Appendage"]]
    assert len(eqtl_table(bulk(), eqtls=eqtls.iloc[:0], tiers=TIERS)) == 0


def test_an_unknown_tissue_is_refused() -> None:
    with pytest.raises(InputError, match="does not know the tissue 'Hart'; nearest: 'heart'"):
        eqtl_table(bulk(), eqtls=eqtl(tissue="Hart"), tiers=TIERS)


# ---- carriers ------------------------------------------------------------------------------------------------------


def test_carriers_are_counted_and_who_is_not_genotyped_is_unknown(tmp_path: Path) -> None:
    pytest.importorskip("pysam")
    lowering = eqtl(tissue="Liver", raising_allele="A", slope=-0.2)
    unlisted = eqtl(tissue="Heart_Left_Ventricle", variant="1-9-C-T")
    eqtls = pd.concat([eqtl(), lowering, unlisted])
    rows = [("chr1", 5, "A", "G", {}, ["0/1", "1/1", "0/0", "./."]), ("chr1", 7, "A", "G", {}, ["1/1"] * 4)]
    path = write_vcf(tmp_path / "a.vcf", rows, samples=["w", "x", "y", "z"])
    copies = read_copies(path, eqtls=eqtls)
    assert list(copies) == ["P01", "P02", "P03", "P04"]
    assert copies.loc[("1-5-A-G", "G")].tolist() == [1, 2, 0, pd.NA]
    assert copies.loc[("1-5-A-G", "A")].tolist() == [1, 0, 2, pd.NA], "the reference raises it"
    assert copies.loc[("1-9-C-T", "G")].isna().all(), "not listed is not genotyped"
    table = eqtl_table(bulk(), eqtls=eqtls, tiers=TIERS, copies=copies).set_index("eqtl_tissue")
    assert table.loc["Lung", ["n_samples", "n_genotyped", "n_one", "n_two"]].tolist() == [4, 3, 1, 1]
    assert table.loc["Heart_Left_Ventricle", ["n_samples", "n_genotyped"]].tolist() == [4, 0]
    assert pd.isna(table.loc["Heart_Left_Ventricle", "n_one"])
    unasked = eqtl_table(bulk(), eqtls=eqtls, tiers=TIERS).set_index("eqtl_tissue")
    assert pd.isna(unasked.loc["Lung", "n_one"]) and unasked.loc["Lung", "n_samples"] == 0


def test_a_vcf_of_another_build_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pysam")
    path = write_vcf(tmp_path / "a.vcf", [], header=GRCH37)
    with pytest.raises(InputError, match="wrong genome build: found GRCh37"):
        read_copies(path, eqtls=eqtl())
    with pytest.raises(InputError, match="of several builds, GRCh37, GRCh38"):
        read_copies(path, eqtls=pd.concat([eqtl(), eqtl(build="GRCh37")]))
