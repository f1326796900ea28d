"""Damaged HDF5: a file on which the library never ends is told apart by a child process."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import h5py
import pytest

from cartarget.atlas.formats import hdf5
from cartarget.atlas.formats.hdf5 import guarded, probe
from cartarget.errors import ConfigError, InputError
from tests.atlas.test_check import cells


def test_a_whole_file_passes(tmp_path: Path) -> None:
    cells(tmp_path / "x.h5ad")
    assert probe(tmp_path / "x.h5ad") == ""


def test_a_heap_of_zeros_is_told_in_time(tmp_path: Path) -> None:
    cells(tmp_path / "x.h5ad")
    data = bytearray((tmp_path / "x.h5ad").read_bytes())
    place = data.find(b"GCOL")
    assert place > 0, "texts lie in a global heap"
    data[place + 16 : place + 4096] = bytes(4080)
    (tmp_path / "x.h5ad").write_bytes(data)
    start = time.monotonic()
    assert probe(tmp_path / "x.h5ad", seconds=2) != ""
    assert time.monotonic() - start < 20


def test_a_child_that_ends_badly_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as handle:
        handle["x"] = [1]
    monkeypatch.setattr(hdf5, "_LOOK", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert probe(tmp_path / "x.h5") == "the HDF5 library breaks down over it"
    monkeypatch.setattr(hdf5, "_LOOK", "import time; time.sleep(60)")
    assert probe(tmp_path / "x.h5", seconds=0.2) == "the HDF5 library finds no end in it"


def test_errors_of_the_project_pass_and_others_name_the_file() -> None:
    with pytest.raises(ConfigError, match="mine"), guarded("x.h5", what="x"):
        raise ConfigError("mine")
    message = r"x\.h5: truncated, damaged or not a matrix \(ValueError: bad\)"
    with pytest.raises(InputError, match=message), guarded("x.h5", what="a matrix"):
        raise ValueError("bad")
    with pytest.raises(SystemExit), guarded("x.h5", what="x"):
        sys.exit()
