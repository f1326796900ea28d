"""The evidence store: what is written is read back, memory-mapped, and nothing half-written is left or believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.errors import InputError
from cartarget.evidence.panel import build_panel
from cartarget.evidence.part import Part, count_atlas
from cartarget.evidence.store import read_part, write_part
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import REQUIRED

FILES = ["arrays.npz", "part.json", "populations.parquet", "segments.parquet", "words.npy"]


@pytest.fixture
def part() -> Part:
    return count_atlas(random_cells(0, depth=True), symbols=SYMBOLS, count=[1, 2])


@pytest.fixture
def stored(part: Part, tmp_path: Path) -> Path:
    write_part(part, tmp_path / "atlas")
    return tmp_path / "atlas"


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_part_comes_back_as_it_was_and_its_words_are_mapped(part: Part, stored: Path) -> None:
    again = read_part(stored)
    for field in fields(Part):
        one, other = getattr(part, field.name), getattr(again, field.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        elif isinstance(one, np.ndarray):
            assert one.dtype == other.dtype, field.name
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name
    assert isinstance(again.words, np.memmap) and not again.words.flags.writeable
    assert isinstance(again.at(2).base, np.memmap), "one threshold is a view of the file"
    assert listed(stored) == FILES


def test_a_panel_of_stored_parts_is_that_of_the_atlas(stored: Path) -> None:
    one = build_panel(random_cells(0, depth=True), symbols=SYMBOLS, required=REQUIRED, count=2)
    other = build_panel(read_part(stored), symbols=SYMBOLS, required=REQUIRED, count=2)
    np.testing.assert_array_equal(one.packed.words, other.packed.words)
    np.testing.assert_array_equal(one.fraction, other.fraction)
    pd.testing.assert_frame_equal(one.populations, other.populations)


def test_an_older_part_gives_way_to_the_new_one(part: Part, stored: Path) -> None:
    newer = count_atlas(random_cells(7), symbols=SYMBOLS[:2], count=[3])
    write_part(newer, stored)
    assert read_part(stored).symbols == ("G0", "G1")
    assert listed(stored.parent) == ["atlas"]


@pytest.mark.parametrize("name", [name for name in FILES if name != "part.json"])
def test_what_is_cut_or_gone_is_named(stored: Path, name: str) -> None:
    file = stored / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    message = rf"{name}: has {len(whole) - 7:,} bytes, expected {len(whole):,}; delete .*atlas and run the count step"
    with pytest.raises(InputError, match=message):
        read_part(stored)
    file.unlink()
    with pytest.raises(InputError, match=f"{name}: is missing; delete"):
        read_part(stored)


@pytest.mark.parametrize("name", [name for name in FILES if name != "part.json"])
def test_what_has_its_length_but_not_its_form_is_damaged(stored: Path, name: str) -> None:
    file = stored / name
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(InputError, match=r"damaged .*; delete .* and run the count step again"):
        read_part(stored)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "{}"])
def test_a_description_that_cannot_be_read_is_told(stored: Path, text: str) -> None:
    (stored / "part.json").write_text(text)
    with pytest.raises(InputError, match="run the count step again"):
        read_part(stored)


def test_another_form_or_none_is_told(stored: Path) -> None:
    about = json.loads((stored / "part.json").read_text())
    (stored / "part.json").write_text(json.dumps(about | {"form": 0}))
    with pytest.raises(InputError, match=r"found form 0, expected \d+; delete"):
        read_part(stored)
    with pytest.raises(InputError, match="no counted atlas; run the count step first"):
        read_part(stored.parent / "none")


def test_a_folder_that_cannot_be_written_is_told_and_stays_as_it_is(part: Part, tmp_path: Path) -> None:
    """A file stands where the folder should be made; this refuses every user, root too."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError):
        write_part(part, tmp_path / "file" / "atlas")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_left_as_it_is(part: Part, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionError):
            write_part(part, tmp_path / "atlas")
    finally:
        tmp_path.chmod(0o755)
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_middle_leaves_the_old_part_and_nothing_else(part: Part, stored: Path) -> None:
    broken = Part(**{f.name: getattr(part, f.name) for f in fields(Part)} | {"segments": "no table"})
    with pytest.raises(AttributeError):
        write_part(broken, stored)
    assert listed(stored.parent) == ["atlas"]
    assert read_part(stored).symbols == part.symbols


_DIES = """
import os, signal, sys
import pandas as pd
from cartarget.evidence.store import read_part, write_part
part = read_part(sys.argv[1])
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
pd.DataFrame.to_parquet = die
write_part(part, sys.argv[2])
"""


def test_a_job_that_is_killed_in_the_middle_leaves_no_part_that_is_believed(stored: Path) -> None:
    """The words are written, the tables not; the next job writes the part and clears what was left."""
    new = stored.parent / "new"
    done = subprocess.run([sys.executable, "-c", _DIES, str(stored), str(new)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not new.exists()
    with pytest.raises(InputError, match="no counted atlas"):
        read_part(new)
    write_part(read_part(stored), new)
    assert listed(stored.parent) == ["atlas", "new"]
    assert read_part(new).symbols == read_part(stored).symbols
