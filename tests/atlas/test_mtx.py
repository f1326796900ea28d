from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmwrite

from cartarget.atlas import read_atlas
from cartarget.atlas.readers.mtx import read_mtx
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import ConfigError, InputError

GENES = ["EPCAM", "MSLN", "KDR"]
COUNTS = np.array([[3, 0, 1], [1, 2, 0], [0, 0, 5], [1, 0, 4]])  # cells × genes
CELLS = ["cell\ttype\tmalignant", "P1_a\tcancer\tyes", "P2_b\tcancer\tyes", "P1_c\tvessel\tno", "P2_d\tstroma\tno"]
LABELS = CellLabels(malignant="malignant", cell_type="type", donor="cell", donor_pattern="^(P[0-9])_")


@pytest.fixture
def folder(tmp_path):
    put(tmp_path, COUNTS)
    write(tmp_path / "genes.tsv.gz", GENES)
    write(tmp_path / "cells.tsv.gz", CELLS)
    return tmp_path


def put(folder, values):
    """Cells × genes as `matrix.mtx.gz`, which holds genes × cells."""
    mmwrite(folder / "matrix.mtx", sparse.coo_matrix(np.asarray(values).T))
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress((folder / "matrix.mtx").read_bytes(), mtime=0))
    (folder / "matrix.mtx").unlink()


def write(path, lines):
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def read(folder, labels=LABELS, **changes):
    atlas = AtlasConfig(name="cells", reader="mtx", labels=labels, **changes)
    return read_atlas(atlas, config=Config(data_dir=str(folder)))


def rewrite_matrix(folder, old, new):
    path = folder / "matrix.mtx.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert old in lines
    write(path, [new if line == old else line for line in lines])


def test_labels_sides_and_counts(folder):
    adata = read(folder, tissue="colon")
    assert (adata.X.toarray() == COUNTS).all()
    assert adata.obs["side"].tolist() == ["tumor", "tumor", "normal", "normal"]
    assert adata.obs["donor"].tolist() == ["P1", "P2", "P1", "P2"]
    assert adata.obs["cell_type"].tolist() == ["cancer", "cancer", "vessel", "stroma"]
    assert adata.obs["tissue"].tolist() == ["tumor", "tumor", "colon", "colon"]
    assert adata.uns["cartarget"]["unit"] == "counts"
    assert len(adata.uns["cartarget"]["files"]) == 3


def test_without_a_tissue_normal_cells_surround_the_tumor(folder):
    assert set(read(folder).obs["tissue"]) == {"tumor", "tumor microenvironment"}


def test_a_column_may_give_the_tissue(folder):
    labels = LABELS.model_copy(update={"tissue": "type"})
    assert read(folder, labels).obs["tissue"].tolist() == ["tumor", "tumor", "vessel", "stroma"]


def test_cell_types_can_be_left_out(folder):
    adata = read(folder, LABELS.model_copy(update={"exclude_values": ["stroma"]}))
    assert adata.obs_names.tolist() == ["P1_a", "P2_b", "P1_c"]
    assert (adata.X.toarray() == COUNTS[:3]).all()


def test_without_a_donor_column_all_cells_are_of_one_donor(folder):
    assert set(read(folder, CellLabels(malignant="malignant")).obs["donor"]) == {"cells"}


@pytest.mark.parametrize("scale", ["ln", "log2"])
def test_logs_become_counts_again(folder, scale):
    counts = np.array([[3, 0, 1], [1, 2, 0], [0, 1, 5], [3, 0, 2]])
    normalised = counts * (10_000 / counts.sum(axis=1, keepdims=True))
    put(folder, np.log1p(normalised) if scale == "ln" else np.log2(1 + normalised))
    adata = read(folder)
    assert f"counts recovered from {scale}(1 + x)" in adata.uns["cartarget"]["notes"]
    assert (adata.X.toarray() == counts).all()


def test_tpm_becomes_logs_with_a_note(folder):
    tpm = COUNTS * np.array([310.5, 77.25, 1000.0])
    put(folder, tpm)
    adata = read(folder)
    assert adata.uns["cartarget"]["unit"] == "log1p"
    assert adata.X.toarray() == pytest.approx(np.log1p(tpm), rel=1e-5)
    assert any("no sweep" in note for note in adata.uns["cartarget"]["notes"])


def test_duplicate_genes_are_added_up_and_listed(folder):
    write(folder / "genes.tsv.gz", ["EPCAM", "EPCAM", "KDR"])
    adata = read(folder)
    assert adata[:, "EPCAM"].X.toarray()[:, 0].tolist() == [3, 3, 0, 1]
    assert adata.uns["cartarget"]["lost"].values.tolist() == [["EPCAM", "merged into EPCAM"]]


def test_duplicate_genes_in_logs_are_added_up_before_the_log(folder):
    write(folder / "genes.tsv.gz", ["EPCAM", "EPCAM", "KDR"])
    linear = np.array([[0.31, 0.777, 1.0], [0.43, 1.19, 2.0], [0.5, 0.9137, 0.3], [0.41, 0.57, 1.31]])
    put(folder, np.log1p(linear))
    adata = read(folder)
    assert adata.uns["cartarget"]["unit"] == "log1p"
    assert adata[:, "EPCAM"].X.toarray()[:, 0] == pytest.approx(np.log1p(linear[:, 0] + linear[:, 1]), rel=1e-5)


def test_keep(folder):
    atlas = AtlasConfig(name="cells", reader="mtx", labels=LABELS)
    adata = read_mtx(atlas, config=Config(data_dir=str(folder)), genes=None, keep=["KDR"])
    assert adata.var_names.tolist() == ["KDR"]
    assert adata.X.toarray()[:, 0].tolist() == COUNTS[:, 2].tolist()


def test_a_hostile_gene_name_is_only_a_name(folder):
    name = "</script><img src=x onerror=alert(1)>"
    write(folder / "genes.tsv.gz", [name, *GENES[1:]])
    assert read(folder).var_names[0] == name


def test_the_layout_of_10x(folder):
    (folder / "genes.tsv.gz").unlink()
    features = ["ENSG00000119888\tEPCAM\tGene Expression", "ENSG00000102854\tMSLN\tGene Expression"]
    write(folder / "features.tsv.gz", [*features, "CD3\tCD3_protein\tAntibody Capture"])
    write(folder / "barcodes.tsv.gz", ["P2_b", "P1_a", "P2_d", "P1_c"])
    adata = read(folder)
    assert adata.var_names.tolist() == ["EPCAM", "MSLN"]
    assert adata.uns["cartarget"]["lost"].values.tolist() == [["CD3_protein", "not a gene but Antibody Capture"]]
    assert adata.obs_names.tolist() == ["P2_b", "P1_a", "P2_d", "P1_c"], "columns stand in the order of the barcodes"
    assert adata.obs["side"].tolist() == ["tumor", "tumor", "normal", "normal"]
    write(folder / "barcodes.tsv.gz", ["P2_b", "P1_a", "P2_d", "P9_z"])
    with pytest.raises(InputError, match=r"cells\.tsv\.gz: cell 'P9_z' of barcodes\.tsv\.gz is missing"):
        read(folder)


def test_barcodes_alone_do_not_tell_tumor_from_normal(folder):
    (folder / "cells.tsv.gz").unlink()
    write(folder / "barcodes.tsv.gz", list("abcd"))
    with pytest.raises(
        ConfigError, match=r"atlases\.cells\.labels\.malignant: .*barcodes\.tsv\.gz has no column 'malignant'"
    ):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 1 3", "1 1 three", "line 4: Invalid"),
        ("1 1 3", "1 1", "line 4: Invalid"),
        ("1 1 3", "9 1 3", "line 4: Row index out of bounds"),
        ("3 4 7", "3 4 9", "Truncated file"),
        ("1 1 3", "1 2 3", "row 1, column 2 stands twice"),
        ("3 4 7", "3 5 7", "3 rows × 5 columns, but genes.tsv.gz names 3 genes and cells.tsv.gz 4 cells"),
    ],
)
def test_a_broken_matrix_is_named_by_file_and_line(folder, old, new, message):
    rewrite_matrix(folder, old, new)
    with pytest.raises(InputError) as error:
        read(folder)
    assert f"{folder / 'matrix.mtx.gz'}" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-2.0, "-2")])
def test_values_that_cannot_be_are_named_by_gene_and_cell(folder, value, shown):
    values = COUNTS.astype(float)
    values[1, 1] = value
    put(folder, values)
    with pytest.raises(InputError, match=rf"found {shown} for gene 'MSLN' in cell 'P2_b'"):
        read(folder)


def test_truncated_gzip(folder):
    whole = (folder / "matrix.mtx.gz").read_bytes()
    (folder / "matrix.mtx.gz").write_bytes(whole[:-12])
    with pytest.raises(InputError, match=r"matrix\.mtx\.gz: truncated or damaged gzip"):
        read(folder)


def test_ragged_cells(folder):
    write(folder / "cells.tsv.gz", [*CELLS[:3], "P1_c\tvessel", CELLS[4]])
    with pytest.raises(InputError, match=r"cells\.tsv\.gz, line 4: found 2 fields, expected 3"):
        read(folder)


def test_a_cell_that_stands_twice(folder):
    write(folder / "cells.tsv.gz", [*CELLS[:4], CELLS[3]])
    with pytest.raises(InputError, match=r"cells\.tsv\.gz: cell 'P1_c' stands twice"):
        read(folder)


def test_genes_that_are_too_few(folder):
    write(folder / "genes.tsv.gz", GENES[:2])
    with pytest.raises(InputError, match=r"3 rows × 4 columns, but genes\.tsv\.gz names 2 genes"):
        read(folder)


def test_no_malignant_cell(folder):
    with pytest.raises(InputError, match=r"no malignant cell: column 'malignant' holds 'no', 'yes', none of which"):
        read(folder, LABELS.model_copy(update={"malignant_values": ["cancer"]}))


def test_no_normal_cell(folder):
    adata = read(folder, LABELS.model_copy(update={"malignant_values": ["yes", "no"]}))
    assert set(adata.obs["side"]) == {"tumor"}, "an atlas may hold tumour alone"


def test_a_misspelled_column_names_the_nearest(folder):
    with pytest.raises(ConfigError, match=r"labels\.cell_type: .* no column 'tpye'; did you mean 'type'\?"):
        read(folder, LABELS.model_copy(update={"cell_type": "tpye"}))


def test_a_cell_without_a_donor(folder):
    with pytest.raises(InputError, match="cell 'P2_d' has no donor"):
        write(folder / "cells.tsv.gz", [CELLS[0] + "\tdonor", *[f"{line}\tA" for line in CELLS[1:4]], CELLS[4] + "\t"])
        read(folder, CellLabels(malignant="malignant", donor="donor"))


def test_a_missing_file(folder):
    (folder / "genes.tsv.gz").unlink()
    with pytest.raises(InputError, match=r"no genes\.tsv or features\.tsv"):
        read(folder)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"no matrix\.mtx"):
        read(folder)


@pytest.mark.parametrize("unit", ["counts", "log1p"])
def test_a_unit_that_the_values_contradict(folder, unit):
    put(folder, np.log1p(COUNTS * 0.3) if unit == "counts" else COUNTS * 100.5)
    with pytest.raises(InputError, match=rf"atlases\.cells\.unit says {unit}"):
        read(folder, unit=unit)


REAL = {
    "crc": ("counts", "counts recovered from ln(1 + x)", 600, 1, {}),
    "tnbc": ("counts", "counts as given", 228, 1, {}),
    "lung_umi": (
        "counts",
        "counts recovered from log2(1 + x)",
        120,
        1,
        {"malignant_values": ["unlabelled_epithelial"]},
    ),
    "oligodendroglioma": (
        "log1p",
        "linear values that are not counts",
        142,
        4,
        {"donor": "cell", "donor_pattern": "^((?:MGH)?[0-9]+)_"},
    ),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_real_folders(shared_data, name):
    unit, note, n_malignant, n_patients, more = REAL[name]
    labels = CellLabels(malignant="malignant", cell_type="cell_type", **more)
    adata = read(shared_data, labels, path=f"tumor_single_cell_{name}")
    is_tumor = adata.obs["side"] == "tumor"
    assert adata.uns["cartarget"]["unit"] == unit
    assert any(text.startswith(note) for text in adata.uns["cartarget"]["notes"])
    assert is_tumor.sum() == n_malignant
    assert adata.obs.loc[is_tumor, "donor"].nunique() == n_patients


@pytest.mark.real_data
def test_recovered_libraries_are_what_normalisation_divided_by(shared_data):
    """The lung sample holds every gene: 2^x − 1 sums to 10,000, so one count is 10,000 / the recovered library."""
    labels = CellLabels(malignant="malignant", malignant_values=["unlabelled_epithelial"])
    adata = read(shared_data, labels, path="tumor_single_cell_lung_umi")
    library = np.asarray(adata.X.sum(axis=1)).ravel()
    from scipy.io import mmread

    with gzip.open(shared_data / "tumor_single_cell_lung_umi" / "matrix.mtx.gz") as handle:
        values = mmread(handle, spmatrix=True).tocsc()
    least = np.array([values.data[a:b].min() for a, b in zip(values.indptr[:-1], values.indptr[1:], strict=True)])
    assert 10_000 / (np.exp2(least) - 1) == pytest.approx(library, rel=2e-3)


def test_a_prefix_of_geo_is_passed_over_where_one_sample_is_there(folder):
    expected = read(folder, tissue="colon").X.toarray()
    for path in list(folder.iterdir()):
        path.rename(folder / f"GSM1_{path.name}")
    assert (read(folder, tissue="colon").X.toarray() == expected).all()
    shutil.copy(folder / "GSM1_matrix.mtx.gz", folder / "GSM2_matrix.mtx.gz")
    with pytest.raises(InputError, match=r"no matrix\.mtx"):
        read(folder, tissue="colon")
