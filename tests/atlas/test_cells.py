from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.atlas.readers.cells import read_cell_tables
from cartarget.config import AtlasConfig, CellLabels, Config, load_config
from cartarget.errors import ConfigError, InputError

ROOT = Path(__file__).resolve().parents[2]
TUMOR = "P1_cancer_x.txt.gz"
NORMAL = "P1_around_x.txt.gz"
HEADER = "Gene\tGene\tc{0}\td{0}\t"
ONE, TWO, THREE = np.log1p(0.7 * np.arange(1, 4)).tolist()
ROWS = (
    f"EPCAM\tENSG00000119888\t{ONE}\t{TWO}\t",
    f"MSLN\tENSG00000102854\t0\t{THREE}\t",
    f"KDR\tENSG00000128052\t{TWO}\t{ONE}\t",
)


def table(number, rows=ROWS):
    return "\n".join([HEADER.format(number), *rows]) + "\n"


@pytest.fixture
def folder(tmp_path):
    """Two patients in the shape of E-MTAB-6149: two id columns under one header, a trailing empty field."""
    for number, name in enumerate([TUMOR, NORMAL, TUMOR.replace("P1", "P2"), NORMAL.replace("P1", "P2")]):
        write(tmp_path / name, table(number))
    write(tmp_path / "P1_noncancer_x.txt.gz", table(9))
    return tmp_path


def write(path, text):
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def config_of(folder, **changes):
    labels = changes.pop("labels", CellLabels(donor_pattern="^(P[0-9])_"))
    atlas = {"name": "lung", "reader": "cell_table", "tumor": "*_cancer_*", "normal": "*_around_*", **changes}
    return AtlasConfig(labels=labels, **atlas), Config(data_dir=str(folder))


def read(folder, **changes):
    atlas, config = config_of(folder, **changes)
    return read_atlas(atlas, config=config)


def test_sides_donors_and_datasets_come_from_the_file_names(folder):
    adata = read(folder)
    assert adata.shape == (8, 3)
    assert adata.obs["donor"].value_counts().to_dict() == {"P1": 4, "P2": 4}
    assert set(adata.obs.loc[adata.obs["side"] == "normal", "tissue"]) == {"tumor microenvironment"}
    assert set(adata.obs.loc[adata.obs["side"] == "tumor", "tissue"]) == {"tumor"}
    assert adata.obs["dataset"].nunique() == 4
    assert "P1:c0" in adata.obs_names
    assert not adata.obs_names.str.contains("c9").any(), "a file that fits neither pattern is left out"
    assert [file["path"].split("/")[-1] for file in adata.uns["cartarget"]["files"]] == sorted(
        file["path"].split("/")[-1] for file in adata.uns["cartarget"]["files"]
    )
    assert any("no healthy tissue" in note for note in adata.uns["cartarget"]["notes"])


def test_values_that_are_multiples_become_counts(folder):
    adata = read(folder)
    assert adata.uns["cartarget"]["unit"] == "counts"
    assert adata[["P1:c0", "P1:d0"]].X.toarray().tolist() == [[1, 0, 2], [2, 3, 1]]


def test_normal_cells_may_be_of_a_tissue(folder):
    adata = read(folder, tissue="lung")
    assert set(adata.obs.loc[adata.obs["side"] == "normal", "tissue"]) == {"lung"}


def test_keep_does_not_change_the_counts(folder):
    atlas, config = config_of(folder)
    kept = read_cell_tables(atlas, config=config, genes=None, keep={"MSLN"})
    assert kept.var_names.tolist() == ["MSLN"]
    assert (kept.X.toarray()[:, 0] == read(folder)[:, "MSLN"].X.toarray()[:, 0]).all()


def test_a_gene_that_one_file_lacks_is_not_measured_there(folder):
    write(folder / TUMOR, table(0, (*ROWS[:2], f"CA9\tENSG00000107159\t{ONE}\t0\t")))
    measured = read(folder).varm["is_measured"]
    first = TUMOR.split(".")[0]
    assert measured.loc["EPCAM"].all()
    assert measured.columns[~measured.loc["KDR"]].tolist() == [first]
    assert measured.columns[measured.loc["CA9"]].tolist() == [first]


def test_duplicate_genes_are_added_up_and_listed(folder):
    write(folder / TUMOR, table(0, (*ROWS, f"EPCAM\tENSG00000119888\t{ONE}\t0\t")))
    adata = read(folder)
    assert adata["P1:c0", "EPCAM"].X.toarray().item() == 2
    assert ("EPCAM", "merged into EPCAM") in adata.uns["cartarget"]["lost"].itertuples(index=False, name=None)


def test_a_hostile_gene_name_is_only_a_name(folder):
    name = "</script><img src=x onerror=alert(1)>"
    write(folder / TUMOR, table(0, (*ROWS, f"{name}\t\t{ONE}\t0\t")))
    assert name in read(folder).var_names


def test_values_that_are_no_multiples_stay_logs_and_say_so(folder):
    write(folder / TUMOR, table(0, (*ROWS, "CA9\tENSG00000107159\t0.9131\t0\t")))
    adata = read(folder)
    assert adata.uns["cartarget"]["unit"] == "log1p"
    assert adata["P1:c0", "EPCAM"].X.toarray().item() == pytest.approx(ONE, rel=1e-5)
    assert any("positive = value > 0; no sweep" in note for note in adata.uns["cartarget"]["notes"])


def test_logs_that_claim_to_be_counts_are_refused(folder):
    with pytest.raises(InputError, match=r"atlases\.lung\.unit says counts, but the values look like logs"):
        read(folder, unit="counts")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((ROWS[0], "MSLN\tENSG00000102854\t0\t"), f"{TUMOR}, line 3: found 4 fields, expected 5"),
        ((ROWS[0], ROWS[1].replace(f"{THREE}", "high")), f"{TUMOR}, line 3: found 'high' where a number belongs"),
        ((ROWS[0], ROWS[1].replace(f"{THREE}", "")), f"{TUMOR}, line 3: found nothing where a number belongs"),
        ((ROWS[0], ROWS[1].replace(f"{THREE}", "nan")), f"{TUMOR}, line 3: found nan in column 'd0'"),
        ((ROWS[0], ROWS[1].replace(f"{THREE}", "inf")), f"{TUMOR}, line 3: found inf in column 'd0'"),
        ((ROWS[0], ROWS[1].replace(f"{THREE}", f"-{THREE}")), f"{TUMOR}, line 3: found -1.1314 in column 'd0'"),
        ((), f"{TUMOR}: no row below the header"),
    ],
)
def test_broken_rows_are_named_by_file_and_line(folder, rows, message):
    write(folder / TUMOR, table(0, rows))
    with pytest.raises(InputError) as error:
        read(folder)
    assert message in str(error.value)


def test_truncated_gzip(folder):
    whole = (folder / TUMOR).read_bytes()
    (folder / TUMOR).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"{TUMOR}: truncated or damaged gzip"):
        read(folder)


def test_the_same_cell_twice(folder):
    write(folder / TUMOR, table(0).replace("\td0", "\tc0"))
    with pytest.raises(InputError, match=f"{TUMOR}, line 1: column 'c0' stands twice"):
        read(folder)


def test_the_same_cell_on_both_sides(folder):
    write(folder / NORMAL, table(0))
    with pytest.raises(InputError, match="cell 'P1:c0' stands in two files"):
        read(folder)


def test_an_empty_side(folder):
    with pytest.raises(InputError, match=r"no file fits atlases\.lung\.normal '\*_healthy_\*'; its files: P1_around"):
        read(folder, normal="*_healthy_*")
    with pytest.raises(InputError, match=r"no file fits atlases\.lung\.tumor"):
        read(folder, tumor="*_carcinoma_*")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"normal": None}, ConfigError, r"atlases\.lung\.normal is missing"),
        ({"normal": "*cancer*"}, InputError, "fits both"),
        ({"path": "absent"}, InputError, "absent: no such folder"),
        (
            {"labels": CellLabels(donor_pattern="(P[0-9]")},
            ConfigError,
            r"donor_pattern: .* is not a regular expression",
        ),
        ({"labels": CellLabels(donor_pattern="P[0-9]")}, ConfigError, "donor_pattern: .* has no group"),
        ({"labels": CellLabels(donor_pattern="^(Q[0-9])")}, InputError, "'P1_around_x.txt.gz' does not match"),
    ],
)
def test_a_wrong_configuration_names_its_key(folder, changes, error, message):
    with pytest.raises(error, match=message):
        read(folder, **changes)


def test_without_a_pattern_each_file_is_a_donor(folder):
    assert read(folder, labels=CellLabels()).obs["donor"].nunique() == 4


@pytest.mark.real_data
def test_lung_cells_are_counts_though_the_source_says_log2(shared_data):
    config = load_config(ROOT / "config" / "examples" / "lung_single_cell.yaml")
    config = config.model_copy(update={"data_dir": str(shared_data)})
    adata = read_atlas(config.atlases[0], config=config)
    about = adata.uns["cartarget"]
    assert adata.shape == (3741, 739)
    assert adata.obs["side"].value_counts().to_dict() == {"tumor": 2395, "normal": 1346}
    assert adata.obs["donor"].nunique() == 5
    assert about["unit"] == "counts"
    assert "counts recovered from ln(1 + x)" in about["notes"]
    assert (np.minimum.reduceat(adata.X.data, adata.X.indptr[:-1]) == 1).all(), "each cell has a gene of one count"
