"""Xena matrices: logs undone, libraries of the whole file, samples chosen by table or barcode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.genes import GeneTable, read_gene_table
from tests.atlas import standins

MATRIX, TABLE = "TcgaTargetGtex_gene_expected_count.gz", "TcgaTargetGTEX_phenotype.txt.gz"
ROWS = standins.toil_samples()
SAMPLES = [row[0] for row in ROWS]
COUNTS = standins.toil_counts(ROWS)


@pytest.fixture
def genes(tmp_path: Path) -> GeneTable:
    return gene_table(tmp_path)


def gene_table(folder: Path) -> GeneTable:
    path = folder / "genes.tsv"
    rows = [f"{entrez}\t{name}\t-\t{ensembl.split('.')[0]}" for name, (ensembl, entrez) in standins.GENES.items()]
    path.write_text("ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene\n" + "\n".join(rows) + "\n")
    return read_gene_table(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    standins.xena(tmp_path / MATRIX, COUNTS, SAMPLES)
    standins.phenotype(tmp_path / TABLE, ROWS)
    return tmp_path


def read(folder: Path, *, genes=None, keep=None, name=MATRIX, table=TABLE, tumor="rectum*", **changes):
    atlas = AtlasConfig(name="toil", reader="xena", path=name, samples=table, tumor=tumor, **changes)
    return read_atlas(atlas, config=Config(data_dir=str(folder), indication="read"), genes=genes, keep=keep)


def cpm(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=0) * 1e6


@pytest.mark.parametrize("keep", [None, {"EPCAM", "ALB"}])
def test_counts_become_cpm_of_the_whole_library(folder: Path, genes: GeneTable, keep: set[str] | None) -> None:
    adata = read(folder, genes=genes, keep=keep)
    wanted = list(standins.GENES) if keep is None else ["EPCAM", "ALB"]
    assert adata.var_names.tolist() == wanted
    columns = [SAMPLES.index(name) for name in adata.obs_names]
    expected = cpm(COUNTS)[[list(standins.GENES).index(gene) for gene in wanted]][:, columns].T
    np.testing.assert_allclose(adata.X, expected, rtol=3e-4, atol=0.01)
    assert adata.uns["cartarget"]["unit"] == "CPM"
    assert adata.uns["cartarget"]["symbols"] == sorted(standins.GENES)


def test_samples_are_chosen_and_the_others_counted(folder: Path, genes: GeneTable) -> None:
    adata = read(folder, genes=genes)
    obs = adata.obs
    assert (obs["side"] == "tumor").sum() == 12
    assert set(obs.loc[obs["side"] == "tumor", "tissue"]) == {"tumor"}
    normal = obs[obs["side"] == "normal"]
    assert set(normal["tissue"]) >= {
        "Rectum",
        "left ventricle",
        "kidney cortex",
        "cerebral cortex",
        "spinal cord",
        "blood",
    }
    assert not normal["tissue"].str.startswith("Cells").any()
    assert set(obs["dataset"]) == {"tcga", "gtex"}
    paired = set(normal.loc[normal["tissue"] == "Rectum", "donor"])
    assert paired == {f"TCGA-AF-{i:04d}" for i in range(4)}
    (note,) = [note for note in adata.uns["cartarget"]["notes"] if "left out" in note]
    assert note == (
        "13 of 131 samples are left out: 7 cell line, 3 metastasis, 1 of TARGET, 1 recurrence, "
        "1 tumors of other diseases"
    )


def test_one_project_of_the_gdc_hub_is_told_by_its_barcodes(tmp_path: Path, genes: GeneTable) -> None:
    names = ["TCGA-AF-2689-01A", "TCGA-AF-2689-01B", "TCGA-AF-2689-11A", "TCGA-AF-2690-06A", "TCGA-AF-2691-01A"]
    counts = COUNTS[:, :5].round()
    standins.xena(tmp_path / "TCGA-READ.star_counts.tsv.gz", counts, names, first="Ensembl_ID")
    adata = read(tmp_path, genes=genes, name="TCGA-READ.star_counts.tsv.gz", table=None, tissue="rectum")
    assert adata.obs_names.tolist() == [names[0], names[2], names[4]]
    assert adata.obs["tissue"].tolist() == ["tumor", "rectum", "tumor"]
    np.testing.assert_allclose(adata.X, cpm(counts)[:, [0, 2, 4]].T, rtol=3e-4)
    assert any("1 further sample of a patient, 1 metastasis" in note for note in adata.uns["cartarget"]["notes"])


def test_log_tpm_is_undone_and_stays_tpm(tmp_path: Path, genes: GeneTable) -> None:
    tpm = cpm(COUNTS)
    tpm[0, :] = 0
    standins.xena(tmp_path / "TcgaTargetGtex_rsem_gene_tpm.gz", tpm, SAMPLES, shift=0.001)
    standins.phenotype(tmp_path / TABLE, ROWS)
    adata = read(tmp_path, genes=genes, name="TcgaTargetGtex_rsem_gene_tpm.gz")
    columns = [SAMPLES.index(name) for name in adata.obs_names]
    np.testing.assert_allclose(adata.X, tpm[:, columns].T, rtol=3e-4, atol=1e-3)
    assert (adata[:, "CEACAM5"].X < 1e-6).all(), "log2(0.001) is zero"
    assert adata.uns["cartarget"]["unit"] == "TPM"


@pytest.mark.parametrize("name", ["x.tsv", "x.tsv.gz", "x.tsv.zip"])
def test_every_encoding_gives_the_same_numbers(tmp_path: Path, genes: GeneTable, name: str) -> None:
    standins.xena(tmp_path / name, COUNTS, SAMPLES)
    standins.phenotype(tmp_path / TABLE, ROWS)
    adata = read(tmp_path, genes=genes, name=name, unit="log2(count + 1)")
    assert adata.X.sum() == pytest.approx(1e6 * adata.n_obs, rel=1e-5)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("counts", "counts are stated, but the values look like logs"),
        ("log2(TPM + 0.001)", "TPM is stated, but a sample sums to .* more than a million: counts?"),
        ("log3", "'log3'; expected one of counts, TPM"),
        (None, "cannot be told; set atlases.toil.unit to one of counts"),
    ],
)
def test_a_wrong_unit_is_an_error(tmp_path: Path, genes: GeneTable, unit: str | None, message: str) -> None:
    standins.xena(tmp_path / "x.tsv", COUNTS * 30, SAMPLES)
    standins.phenotype(tmp_path / TABLE, ROWS)
    if message is None:
        return
    with pytest.raises(
        InputError, match=message.replace("(", r"\(").replace("+", r"\+") if "'" in message else message
    ):
        read(tmp_path, genes=genes, name="x.tsv", unit=unit)


@pytest.mark.parametrize(
    ("unit", "values", "message"),
    [
        ("log2(count + 1)", COUNTS, "which no log reaches"),
        ("log2(count + 1)", np.log2(COUNTS + 0.0001), r"below log2\(1\)"),
        ("counts", np.log2(COUNTS + 0.001), "these are logs or ratios"),
        ("counts", cpm(COUNTS), "every sample sums to one million"),
        ("TPM", COUNTS * 20, "more than a million: counts"),
    ],
)
def test_values_that_contradict_their_unit_are_an_error(
    tmp_path: Path, genes: GeneTable, unit: str, values: np.ndarray, message: str
) -> None:
    lines = ["\t".join(["sample", *SAMPLES])]
    for (ensembl, _), row in zip(standins.GENES.values(), values, strict=True):
        lines.append("\t".join([ensembl, *(f"{value:.6f}" for value in row)]))
    standins.write(tmp_path / "x.tsv", "\n".join(lines) + "\n")
    standins.phenotype(tmp_path / TABLE, ROWS)
    with pytest.raises(InputError, match=message):
        read(tmp_path, genes=genes, name="x.tsv", unit=unit)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\t9.", "\tx.", "line .* where a number belongs"),
        ("\t9.", "\t9.1\t9.", "line .* found 133 fields, expected 132"),
        ("sample\tTCGA-AF-0001-01", "sample\tTCGA-AF-0000-01", "stands twice"),
        ("sample\t", "", "fields, expected"),
    ],
)
def test_a_broken_matrix_is_named(tmp_path: Path, genes: GeneTable, old: str, new: str, message: str) -> None:
    standins.xena(tmp_path / "x.tsv", COUNTS, SAMPLES)
    text = (tmp_path / "x.tsv").read_text()
    if "AF-0001" in old:
        old, new = "TCGA-AF-0001-01\t", "TCGA-AF-0000-01\t"
    (tmp_path / "x.tsv").write_text(text.replace(old, new, 1))
    standins.phenotype(tmp_path / TABLE, ROWS)
    with pytest.raises(InputError, match=message):
        read(tmp_path, genes=genes, name="x.tsv", unit="log2(count + 1)")


def test_a_truncated_file_is_named(folder: Path, genes: GeneTable) -> None:
    data = (folder / MATRIX).read_bytes()
    (folder / MATRIX).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut short"):
        read(folder, genes=genes)


def test_an_unknown_disease_names_those_there_are(folder: Path) -> None:
    with pytest.raises(InputError, match=r"no primary tumour of 'x'; .*to one of Rectum Adenocarcinoma, Skin"):
        read(folder, tumor="x")


def test_a_table_of_other_samples_is_named(folder: Path) -> None:
    standins.phenotype(folder / TABLE, [("X", *row[1:]) for row in ROWS[:1]])
    with pytest.raises(InputError, match="none of its samples is in the matrix"):
        read(folder)
