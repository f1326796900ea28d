"""GCT 1.2 and 1.3, medians and samples, and what breaks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from tests.atlas import standins

MEDIANS = "GTEx_Analysis_2017-06-05_v8_RNASeQCv1.1.9_gene_median_tpm.gct.gz"
READS = "GTEx_Analysis_v10_RNASeQCv2.4.2_gene_reads.gct.gz"
ATTRIBUTES = "GTEx_Analysis_v10_Annotations_SampleAttributesDS.txt"
COLUMNS = list(standins.GTEX)
VALUES = np.arange(len(standins.GENES) * len(COLUMNS), dtype=float).reshape(len(standins.GENES), -1) / 8
SAMPLES = ["GTEX-1117F-0226-SM-5GZZ7", "GTEX-1117F-0326-SM-5EGHJ", "GTEX-ZZPU-2726-SM-5NQ8O", "GTEX-ZZPU-0001-SM-1"]
SITES = ["Heart - Left Ventricle", "Heart - Left Ventricle", "Whole Blood", "Cells - Cultured fibroblasts"]


def read(folder: Path, *, path: str = MEDIANS, keep=None, genes=None, **changes):
    atlas = AtlasConfig(name="gtex", reader="gct", path=path, role="normal", **changes)
    return read_atlas(atlas, config=Config(data_dir=str(folder)), genes=genes, keep=keep)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("keep", [None, {"EPCAM", "ALB"}])
def test_medians_are_a_summary_by_tissue(tmp_path: Path, version: str, keep: set[str] | None) -> None:
    standins.gct(tmp_path / MEDIANS, VALUES, COLUMNS, version=version)
    adata = read(tmp_path, keep=keep)
    wanted = list(standins.GENES) if keep is None else ["EPCAM", "ALB"]
    assert adata.var_names.tolist() == wanted
    left = [column for column in range(len(COLUMNS)) if not COLUMNS[column].startswith("Cells")]
    np.testing.assert_allclose(adata.X, VALUES[[list(standins.GENES).index(gene) for gene in wanted]][:, left].T)
    assert adata.obs.loc["Brain - Spinal Cord (Cervical C-1)", "tissue"] == "spinal cord"
    assert adata.uns["cartarget"]["kind"] == "summary"
    assert adata.uns["cartarget"]["unit"] == "TPM"
    assert "1 of 18 columns are left out: 1 of cultured cells" in adata.uns["cartarget"]["notes"]


def test_every_name_of_gtex_has_a_tissue_in_the_tier_table() -> None:
    from cartarget.atlas.barcodes import name_key, tissue_names
    from cartarget.safety.tiers import read_tiers

    tiers, names = read_tiers("config/tissue_tiers.tsv"), tissue_names()
    for given in COLUMNS:
        tissue = names.get(name_key(given), given)
        assert not tissue or tiers.find(tissue) is not None, given
    assert all(tiers.find(tissue) is not None for tissue in names.values() if tissue)


def test_reads_of_samples_become_cpm(tmp_path: Path) -> None:
    counts = np.round(VALUES[:, :4] * 100 + 1)
    standins.gct(tmp_path / READS, counts, SAMPLES)
    rows = "\n".join(f"{name}\t\t{site.split(' - ')[0]}\t{site}" for name, site in zip(SAMPLES, SITES, strict=True))
    standins.write(tmp_path / ATTRIBUTES, "SAMPID\tSMATSSCR\tSMTS\tSMTSD\n" + rows + "\n")
    adata = read(tmp_path, path=READS, samples=ATTRIBUTES)
    assert adata.obs_names.tolist() == [SAMPLES[0], SAMPLES[2]]
    assert adata.obs["donor"].tolist() == ["GTEX-1117F", "GTEX-ZZPU"]
    assert adata.obs["tissue"].tolist() == ["left ventricle", "blood"]
    np.testing.assert_allclose(adata.X, (counts / counts.sum(axis=0) * 1e6)[:, [0, 2]].T, rtol=1e-5)
    assert any("1 further sample of a donor, 1 of cultured cells" in note for note in adata.uns["cartarget"]["notes"])


def test_samples_without_a_table_need_a_tissue(tmp_path: Path) -> None:
    standins.gct(tmp_path / READS, np.round(VALUES[:, :4]), SAMPLES)
    with pytest.raises(InputError, match=r"set atlases\.gtex\.samples to GTEx's table"):
        read(tmp_path, path=READS)
    assert set(read(tmp_path, path=READS, tissue="heart").obs["tissue"]) == {"heart"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#1.2", "#1.4", "line 1: found '#1.4'; expected #1.2 or #1.3"),
        ("15\t18", "15", "line 2: found '15'; expected 2 numbers"),
        ("15\t18", "15\t19", "line 3: found 20 columns; line 2 says 19"),
        ("15\t18", "16\t18", "found 15 rows, but line 2 says 16"),
        ("\t2.25\t", "\t2,25\t", "line 5: found '2,25' in field 3"),
        ("\t2.25\t", "\t-2.25\t", "these are logs or ratios"),
        ("\t2.25\t", "\t", "line 5: found 19 fields, expected 20"),
        ("\t2.25\t", "\t2.25\t1\t", "line 5: found 21 fields, expected 20"),
        ("Name\t", "Liver\t", None),
        ("Liver\tLung", "Liver\tLiver", "column 'Liver' stands twice"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    standins.gct(tmp_path / "x_tpm.gct", VALUES, COLUMNS)
    text = (tmp_path / "x_tpm.gct").read_text()
    assert old in text
    (tmp_path / "x_tpm.gct").write_text(text.replace(old, new, 1))
    if message is None:
        assert read(tmp_path, path="x_tpm.gct").n_vars == 15
        return
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, path="x_tpm.gct")
    assert "x_tpm.gct" in str(error.value)


def test_a_gap_is_not_measured_in_a_summary_and_an_error_in_samples(tmp_path: Path) -> None:
    standins.gct(tmp_path / "x_tpm.gct", VALUES, COLUMNS)
    text = (tmp_path / "x_tpm.gct").read_text().replace("\t2.25\t", "\tNA\t", 1)
    (tmp_path / "x_tpm.gct").write_text(text)
    assert np.isnan(read(tmp_path, path="x_tpm.gct").X).sum() == 1
    standins.gct(tmp_path / READS, np.round(VALUES[:, :4] * 8), SAMPLES)
    import gzip

    broken = gzip.decompress((tmp_path / READS).read_bytes()).replace(b"\t0\t", b"\tNA\t", 1)
    (tmp_path / READS).write_bytes(gzip.compress(broken))
    with pytest.raises(InputError, match="found 'NA' in field"):
        read(tmp_path, path=READS, tissue="heart")


@pytest.mark.real_data
def test_a_real_table_gives_the_same_numbers_as_gct(tmp_path: Path, shared_data: Path) -> None:
    """GTEx's medians as HPA republishes them, written as GCT: the same numbers from both encodings."""
    source = next((shared_data / "normal_tissue_rna").glob("*gtex*tpm*.tsv.gz"))
    table = AtlasConfig(name="gtex", reader="summary_table", path=str(source), role="normal", unit="TPM")
    wide = read_atlas(table, config=Config(), keep=None)
    lines = ["#1.2", f"{wide.n_vars}\t{wide.n_obs}", "\t".join(["Name", "Description", *wide.obs_names])]
    values = np.asarray(wide.X)
    lines += [
        "\t".join([name, name, *("NA" if np.isnan(value) else f"{value:.9g}" for value in values[:, row])])
        for row, name in enumerate(wide.var_names)
    ]
    standins.write(tmp_path / "gtex_tpm.gct.gz", "\n".join(lines) + "\n")
    again = read(tmp_path, path="gtex_tpm.gct.gz")
    assert again.var_names.tolist() == wide.var_names.tolist()
    np.testing.assert_array_equal(np.asarray(again.X), values)
