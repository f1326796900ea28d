"""A disk that is full while a file is written: one clear error, and nothing half-written."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartarget
from cartarget.atlas.formats.hdf5 import write_h5ad
from cartarget.config import Config
from cartarget.contracts import write_table
from cartarget.errors import CartargetError
from cartarget.evidence.part import count_atlas
from cartarget.evidence.store import write_part
from cartarget.files import whole
from cartarget.run.steps import run
from tests.conftest import ROOT
from tests.test_contracts import frame
from tests.workflow.place import ENVIRONMENT


@contextmanager
def room_for(octets: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: the same failure as that of a full disk, without a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def table(path: Path) -> None:
    names = [f"G{number}" for number in np.random.default_rng(0).permutation(20_000)]
    write_table("antigens", frame("antigens", n=20_000, symbol=names), path)


def text(path: Path) -> None:
    with whole(path) as temporary:
        temporary.write_text("x" * 100_000, encoding="utf-8")


def part(path: Path) -> None:
    tiers = cartarget.read_tiers(ROOT / "config/tissue_tiers.tsv")
    atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=200)
    atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    write_part(count_atlas(atlas, symbols=list(atlas.var_names)), path)


@pytest.mark.parametrize("write", [table, text, part])
def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "out"
    with room_for(20_000), pytest.raises(CartargetError, match=r"out.*: the disk is full \(.*\); make room and run"):
        write(path)
    assert not list(tmp_path.iterdir())
    write(path)
    assert list(tmp_path.iterdir())


def test_a_step_that_fills_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    with room_for(200_000), pytest.raises(CartargetError, match=r"results/demo.*: the disk is full"):
        run(Config(), last="read")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and "log" not in path.parts] == []


def atlas() -> anndata.AnnData:
    """Sparse counts with texts and tables of every kind beside them."""
    rng = np.random.default_rng(0)
    values = sparse.random_array((300, 400), density=0.1, rng=rng, format="csr", dtype=np.float32)
    obs = pd.DataFrame(
        {"donor": [f"d{i % 9}" for i in range(300)], "depth": rng.random(300)}, index=map(str, range(300))
    )
    adata = anndata.AnnData(values, obs=obs, uns={"about": {"notes": ["a", "b"], "n": 3}})
    adata.varm["is_measured"] = pd.DataFrame({"x": [True] * 400}, index=adata.var_names)
    return adata


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_an_atlas_is_written_as_anndata_writes_it(tmp_path: Path, compression: str | None) -> None:
    write_h5ad(atlas(), tmp_path / "own.h5ad", compression=compression)
    atlas().write_h5ad(tmp_path / "theirs.h5ad", compression=compression)
    own, theirs = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("own", "theirs"))
    np.testing.assert_array_equal(own.X.toarray(), theirs.X.toarray())
    pd.testing.assert_frame_equal(own.obs, theirs.obs)
    pd.testing.assert_frame_equal(own.varm["is_measured"], theirs.varm["is_measured"])
    assert str(own.uns) == str(theirs.uns)


FILLED = """
import os, resource, sys
from cartarget.atlas.formats.hdf5 import write_h5ad
from tests.test_full_disk import atlas
adata, size = atlas(), int(sys.argv[1])
for room in range(size // 40, size, size // 40):
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        try:
            write_h5ad(adata, "x.h5ad")
        except OSError as error:
            sys.exit(0 if error.errno == 27 else 1)
        sys.exit(2)
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"with room for {room} of {size} bytes: {status}"
"""


def test_hdf5_does_not_end_the_process_wherever_the_disk_is_full(tmp_path: Path) -> None:
    write_h5ad(atlas(), tmp_path / "x.h5ad")
    size = (tmp_path / "x.h5ad").stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", FILLED, str(size)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
