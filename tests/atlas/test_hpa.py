"""Long tables of the Human Protein Atlas in their zips, RNA and stains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cartarget.atlas import read_atlas
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from tests.atlas import standins


def read(folder: Path, path: str, reader: str = "hpa_long", **changes):
    atlas = AtlasConfig(name="hpa", reader=reader, path=path, role="normal", **changes)
    return read_atlas(atlas, config=Config(data_dir=str(folder)), keep=changes.pop("keep", None))


@pytest.mark.parametrize("name", ["rna_tissue_consensus.tsv.zip", "x.tsv.gz", "x.tsv"])
def test_a_long_table_becomes_tissues_by_genes(tmp_path: Path, name: str) -> None:
    standins.hpa_consensus(tmp_path / name)
    adata = read(tmp_path, name)
    assert adata.shape == (7, len(standins.GENES))
    assert adata.obs["tissue"].tolist()[:2] == ["adipose tissue", "bone marrow"]
    assert adata.uns["cartarget"]["unit"] == "nTPM"
    expected = [[(gene * 7 + place * 3) % 40 / 10 for gene in range(adata.n_vars)] for place in range(7)]
    np.testing.assert_allclose(adata.X, expected, rtol=1e-6)


def test_cell_types_are_cell_types(tmp_path: Path) -> None:
    name = "rna_single_cell_type.tsv.zip"
    standins.hpa_consensus(tmp_path / name, place="Cell type", places=("Hepatocytes", "T-cells"))
    obs = read(tmp_path, name).obs
    assert obs["cell_type"].tolist() == ["Hepatocytes", "T-cells"]
    assert obs["tissue"].tolist() == ["", ""]


def test_a_gene_without_a_row_is_not_measured(tmp_path: Path) -> None:
    standins.hpa_consensus(tmp_path / "x.tsv")
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    (tmp_path / "x.tsv").write_text("\n".join([*lines[:1], *lines[2:], lines[2]]) + "\n")
    adata = read(tmp_path, "x.tsv")
    assert np.isnan(np.asarray(adata.X)).sum() == 1


def test_stains_are_read_from_the_zip(tmp_path: Path) -> None:
    standins.hpa_ihc(tmp_path / "normal_tissue.tsv.zip")
    standins.hpa_locations(tmp_path / "subcellular_location.tsv.zip")
    adata = read(tmp_path, "normal_tissue.tsv.zip", "ihc", locations="subcellular_location.tsv.zip")
    assert adata.n_obs == 3
    assert np.asarray(adata[:, "EPCAM"].X).ravel().tolist() == [3.0, 0.0, 0.0]
    assert adata.var["is_membrane"].all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nTPM\n", "expression\n", "column one of .*nTPM, NX"),
        ("\tTissue\t", "\tOrgan\t", "column one of Tissue, Cell type"),
        ("\tlung\t1.5", "\tlung\tlow", "nTPM or a name cannot be read"),
        ("\tlung\t1.5", "\tlung\t-1.5", "nTPM is -1.5; expected a number of zero or more"),
        ("\tlung\t1.5", "\tlung\tnan", "nTPM is nan"),
        ("\tlung\t1.5", "\t1.5", "line 7: found 3 fields, expected 4"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    standins.hpa_consensus(tmp_path / "x.tsv")
    text = (tmp_path / "x.tsv").read_text()
    assert old in text
    (tmp_path / "x.tsv").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read(tmp_path, "x.tsv")


def test_an_archive_of_two_files_or_none_is_named(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("b", "2")
    with pytest.raises(InputError, match="holds 2 files"):
        read(tmp_path, "x.zip")
    (tmp_path / "y.zip").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="damaged zip"):
        read(tmp_path, "y.zip")
