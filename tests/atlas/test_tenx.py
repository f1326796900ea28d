"""10x HDF5 of both ages, with a table of cells; and zarr: the same cells from every encoding."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartarget.atlas import read_atlas
from cartarget.atlas.readers import tenx
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import InputError

SYMBOLS, IDS = ["EPCAM", "MSLN", "KDR"], ["ENSG00000119888", "ENSG00000102854", "ENSG00000128052"]
COUNTS = np.array([[3, 0, 1], [1, 2, 0], [0, 1, 5], [1, 0, 4], [2, 1, 0]], dtype=np.int32)
CELLS = [f"P{i % 2}@AAAC{i}-1" for i in range(5)]
LABELS = CellLabels(
    malignant="Celltype (malignancy)", malignant_values=["Malignant cells"],
    normal_values=["Immune cells"], donor="Patient", cell_type="Celltype (major-lineage)",
)  # fmt: skip
KINDS = ["Malignant", "Malignant", "CD8T", "Fibroblasts", "Malignant"]


def write_cells(path: Path, cells: list[str] = CELLS, mark: str = "\t") -> None:
    head = ["Cell", "UMAP_1", "Celltype (malignancy)", "Celltype (major-lineage)", "Patient"]
    rows = [
        [cell, "0.1", "Malignant cells" if kind == "Malignant" else "Immune cells", kind, f"P{i % 2}"]
        for i, (cell, kind) in enumerate(zip(cells, KINDS, strict=False))
    ]
    path.write_text("\n".join(mark.join(row) for row in [head, *rows]) + "\n")


def write_tenx(path: Path, *, version: int = 3, values: np.ndarray = COUNTS, antibody: bool = False) -> None:
    symbols, ids = list(SYMBOLS), list(IDS)
    if antibody:
        symbols, ids = [*symbols, "CD3_TotalSeq"], [*ids, "CD3"]
        values = np.hstack([values, np.full((len(values), 1), 99)])
    matrix = sparse.csr_matrix(values)
    with h5py.File(path, "w") as handle:
        group = handle.create_group("matrix" if version == 3 else "GRCh38")
        group["barcodes"] = np.array(CELLS, dtype="S")
        group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        group["shape"] = np.array(values.shape[::-1])
        if version == 3:
            group["features/id"], group["features/name"] = np.array(ids, dtype="S"), np.array(symbols, dtype="S")
            types = ["Gene Expression"] * 3 + ["Antibody Capture"] * antibody
            group["features/feature_type"] = np.array(types, dtype="S")
        else:
            group["genes"], group["gene_names"] = np.array(ids, dtype="S"), np.array(symbols, dtype="S")


def read(folder: Path, *, keep=None, samples: str | None = "cells.tsv", **changes):
    atlas = AtlasConfig(name="cells", reader="tenx_h5", path="x.h5", samples=samples, labels=LABELS, **changes)
    return read_atlas(atlas, config=Config(data_dir=str(folder)), keep=keep)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("keep", [None, {"KDR"}])
@pytest.mark.parametrize("chunk", [2, 4096])
def test_both_ages_give_the_same_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, keep: set[str] | None, chunk: int
) -> None:
    monkeypatch.setattr(tenx, "CHUNK", chunk)
    write_tenx(tmp_path / "x.h5", version=version)
    write_cells(tmp_path / "cells.tsv")
    adata = read(tmp_path, keep=keep)
    assert (adata.X.toarray() == (COUNTS if keep is None else COUNTS[:, 2:])).all()
    assert adata.obs["side"].tolist() == ["tumor", "tumor", "normal", "normal", "tumor"]
    assert adata.obs["donor"].tolist() == ["P0", "P1", "P0", "P1", "P0"]
    assert adata.uns["cartarget"]["unit"] == "counts"


def test_cells_without_a_row_are_left_out_and_counted(tmp_path: Path) -> None:
    write_tenx(tmp_path / "x.h5")
    write_cells(tmp_path / "cells.tsv", CELLS[:3], mark=",")
    adata = read(tmp_path)
    assert (adata.X.toarray() == COUNTS[:3]).all()
    assert any("2 of 5 cells are not in the table" in note for note in adata.uns["cartarget"]["notes"])


def test_antibodies_are_no_genes(tmp_path: Path) -> None:
    write_tenx(tmp_path / "x.h5", antibody=True)
    write_cells(tmp_path / "cells.tsv")
    adata = read(tmp_path)
    assert (adata.X.toarray() == COUNTS).all()
    lost = adata.uns["cartarget"]["lost"].to_numpy().tolist()
    assert ["CD3_TotalSeq", "not a gene but Antibody Capture"] in lost


def test_counts_come_back_from_tisch_values(tmp_path: Path) -> None:
    logs = np.log2(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4 + 1).astype(np.float32)
    write_tenx(tmp_path / "x.h5", values=logs)
    write_cells(tmp_path / "cells.tsv")
    assert (read(tmp_path).X.toarray() == COUNTS).all()


def test_logs_to_base_two_become_natural_ones_where_counts_cannot_be_recovered(tmp_path: Path) -> None:
    linear = COUNTS * np.random.default_rng(0).uniform(0.1, 9, size=COUNTS.shape)
    write_tenx(tmp_path / "x.h5", values=np.log2(linear + 1).astype(np.float32))
    write_cells(tmp_path / "cells.tsv")
    adata = read(tmp_path, unit="log2")
    assert adata.uns["cartarget"]["unit"] == "log1p"
    np.testing.assert_allclose(adata.X.toarray(), np.log1p(linear), rtol=1e-4)


def test_a_unit_that_no_cells_have_is_told(tmp_path: Path) -> None:
    write_tenx(tmp_path / "x.h5")
    write_cells(tmp_path / "cells.tsv")
    with pytest.raises(InputError, match=r"\.unit is 'log10'; expected one of counts, TPM, CPM, log1p, log2, or none"):
        read(tmp_path, unit="log10")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda group: group.pop("indptr"), "no group with barcodes, data"),
        (lambda group: group.pop("features"), "no names of genes"),
        (lambda group: group["shape"].__setitem__(0, 9), r"the matrix is \(9, 5\), but there are 3 genes and 5 cells"),
        (lambda group: group["indices"].__setitem__(0, 77), "an index lies outside the genes"),
        (lambda group: group["indptr"].__setitem__(1, 70), "indptr does not fit"),
        (lambda group: group["barcodes"].__setitem__(0, b"zzz"), None),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, change, message: str | None) -> None:
    write_tenx(tmp_path / "x.h5")
    write_cells(tmp_path / "cells.tsv")
    with h5py.File(tmp_path / "x.h5", "a") as handle:
        change(handle["matrix"])
    if message is None:
        assert read(tmp_path).n_obs == 4
        return
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_no_hdf5_at_all_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"nothing")
    write_cells(tmp_path / "cells.tsv")
    with pytest.raises(InputError, match=r"not a 10x \.h5 file"):
        read(tmp_path)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_and_h5ad_of_the_same_cells_are_the_same_atlas(tmp_path: Path, form, version: int) -> None:
    obs = pd.DataFrame({"type": KINDS, "who": ["A", "B", "A", "B", "B"]}, index=CELLS)
    given = anndata.AnnData(form(COUNTS.astype(np.float32)), obs=obs, var=pd.DataFrame(index=SYMBOLS))
    given.write_h5ad(tmp_path / "x.h5ad")
    with anndata.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore", UserWarning)  # anndata announces that it will write version 3 by itself
        given.write_zarr(tmp_path / "x.zarr")
    normal = ["CD8T", "Fibroblasts"]
    labels = CellLabels(
        malignant="type", malignant_values=["Malignant"], normal_values=normal, donor="who", cell_type="type"
    )
    both = [
        read_atlas(
            AtlasConfig(name="cells", reader=reader, path=f"x.{reader}", labels=labels),
            config=Config(data_dir=str(tmp_path)),
        )
        for reader in ("h5ad", "zarr")
    ]
    assert (both[0].X != both[1].X).nnz == 0
    pd.testing.assert_frame_equal(both[0].obs, both[1].obs)
    assert len(both[1].uns["cartarget"]["files"][0]["sha256"]) == 64


def test_an_absent_or_empty_zarr_is_named(tmp_path: Path) -> None:
    atlas = AtlasConfig(name="cells", reader="zarr", path="x.zarr")
    with pytest.raises(InputError, match="no such folder"):
        read_atlas(atlas, config=Config(data_dir=str(tmp_path)))
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(InputError, match=r"not a zarr folder|holds no 'obs'"):
        read_atlas(atlas, config=Config(data_dir=str(tmp_path)))
