"""Lines of packed files: the same from every packing, whatever the blocks; damage is told."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas.formats import stream
from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError
from tests.atlas import standins

TEXT = "a\tb\r\n\nsecond\n\n" + "x" * 5000 + "\nlast"
LINES = [(1, b"a\tb"), (3, b"second"), (5, b"x" * 5000), (6, b"last")]


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz", "x.txt.zip"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_lines_are_the_same_from_every_packing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    monkeypatch.setattr(stream, "BLOCK", block)
    standins.write(tmp_path / name, TEXT)
    assert list(lines(tmp_path / name)) == LINES


@given(parts=st.lists(st.binary(max_size=50), max_size=5), padding=st.integers(0, 9))
def test_gzip_streams_in_a_row_are_one_file(tmp_path_factory: pytest.TempPathFactory, parts, padding: int) -> None:
    path = tmp_path_factory.mktemp("x") / "x.gz"
    path.write_bytes(b"".join(gzip.compress(part) for part in parts) + b"\0" * padding)
    assert b"".join(stream._unpacked(path)) == b"".join(parts)


@pytest.mark.parametrize("cut", [1, 9, 30, -1])
def test_a_cut_gzip_is_told(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(TEXT.encode())
    (tmp_path / "x.gz").write_bytes(data[:cut])
    with pytest.raises(InputError, match=r"x\.gz: .*(cut short|damaged)"):
        list(lines(tmp_path / "x.gz"))


def test_rubbish_behind_a_gzip_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"a\n") + b"rubbish")
    with pytest.raises(InputError, match="damaged"):
        list(lines(tmp_path / "x.gz"))


def test_a_line_without_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LONGEST", 1000)
    monkeypatch.setattr(stream, "BLOCK", 100)
    (tmp_path / "x.txt").write_bytes(b"a\n" + b"x" * 5000)
    with pytest.raises(InputError, match="line 2: no end of line"):
        list(lines(tmp_path / "x.txt"))


def test_a_reader_that_stops_early_leaves_no_thread(tmp_path: Path) -> None:
    standins.write(tmp_path / "x.gz", "line\n" * 10**6)
    before = threading.active_count()
    rows = lines(tmp_path / "x.gz")
    assert next(rows) == (1, b"line")
    rows.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
