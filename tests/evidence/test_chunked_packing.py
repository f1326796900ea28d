from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.packed import pack
from cartarget.evidence.stream import pack_stream


def atlas(seed: int, *, n: int = 150, n_genes: int = 7) -> anndata.AnnData:
    random = np.random.default_rng(seed)
    which = random.integers(0, 5, n)
    obs = pd.DataFrame(
        {
            "side": np.where(which < 2, "tumor", "normal"),
            "population": [f"{'p' if w < 2 else 'n'}{w}" for w in which],
            "donor": random.integers(0, 4, n).astype(str),
            "tier": np.where(which < 2, "", "vital"),
        },
        index=[f"c{i}" for i in range(n)],
    )
    X = random.poisson(0.7, (n, n_genes)).astype(np.float32)
    return anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]))


def at_once(adata: anndata.AnnData, positive: np.ndarray) -> np.ndarray:
    obs = adata.obs
    return pack(
        positive, symbols=list(adata.var_names), population=obs["population"], donor=obs["donor"], side=obs["side"]
    ).words


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), chunk=st.integers(1, 200))
def test_any_chunking_is_packing_at_once(seed: int, chunk: int) -> None:
    adata = atlas(seed)
    assert np.array_equal(pack_stream(adata, chunk=chunk).words, at_once(adata, adata.X > 0))


STORED = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


@pytest.mark.parametrize("chunk", [1, 13, 64, 1000])
@pytest.mark.parametrize("form", STORED)
def test_memory_files_and_zarr_are_the_same(form: str, chunk: int, tmp_path: Path) -> None:
    adata = atlas(3)
    expected = at_once(adata, adata.X >= 2)
    adata.X = STORED[form](adata.X)
    assert np.array_equal(pack_stream(adata, threshold=2, chunk=chunk).words, expected)
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert np.array_equal(pack_stream(backed, threshold=2, chunk=chunk).words, expected)
    backed.file.close()
    zarr = pytest.importorskip("zarr")
    if form == "dense":
        array: object = zarr.array(adata.X, chunks=(10, 3))
    else:
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
        anndata.io.write_elem(group, "X", adata.X)
        array = anndata.io.sparse_dataset(group["X"])
    on_disk = anndata.AnnData(array, obs=adata.obs, var=adata.var)
    assert np.array_equal(pack_stream(on_disk, threshold=2, chunk=chunk).words, expected)


def test_populations_are_named_and_described() -> None:
    adata = atlas(1)
    packed = pack_stream(adata)
    assert set(packed.populations.loc[packed.populations["side"] == "normal", "tier"]) == {"vital"}
    adata.obs["tissue"], adata.obs["cell_type"] = "liver", ["hepatocyte"] * 75 + [""] * 75
    del adata.obs["population"]
    names = set(pack_stream(adata).populations["population"])
    assert names == {"0", "1", "2", "3", "liver", "liver: hepatocyte"}


def test_unmeasured_antigens_are_marked() -> None:
    adata = atlas(2)
    adata.obs["dataset"] = np.where(adata.obs["population"] == "n3", "x", "y")
    adata.varm["is_measured"] = pd.DataFrame({"x": [False] + [True] * 6, "y": [True] * 7}, index=adata.var_names)
    packed = pack_stream(adata)
    assert np.argwhere(~packed.is_measured).tolist() == [[0, packed.populations["population"].tolist().index("n3")]]


def test_bad_input_is_named() -> None:
    adata = atlas(4)
    adata.X[77, 3] = np.nan
    with pytest.raises(InputError, match="'G3' is NaN in observation 77"):
        pack_stream(adata, chunk=10)
    by_column = anndata.AnnData(sparse.csc_matrix(adata.X), obs=adata.obs, var=adata.var)
    with pytest.raises(InputError, match="'G3' is NaN in observation 77"):
        pack_stream(by_column, chunk=10)
    with pytest.raises(InputError, match="threshold is NaN"):
        pack_stream(adata, threshold=np.nan)
    with pytest.raises(InputError, match="chunk is 0"):
        pack_stream(adata, chunk=0)
    for name in ("side", "donor"):
        with pytest.raises(InputError, match=f"'{name}' is missing"):
            pack_stream(anndata.AnnData(adata.X, obs=adata.obs.drop(columns=name)))
    with pytest.raises(InputError, match="'population' is missing"):
        pack_stream(anndata.AnnData(adata.X, obs=adata.obs.drop(columns="population")))
