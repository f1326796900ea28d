"""Small files that unpack to gigabytes end in one clear error and take little memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cartarget.atlas.formats import bounded, stream
from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError
from cartarget.surface import workbook
from tests.workflow.place import ENVIRONMENT

READ = """
import json, sys
from pathlib import Path
from cartarget.atlas.formats.stream import lines
from cartarget.atlas.readers.mtx import read_mtx
from cartarget.atlas.readers.rsem import read_count_table
from cartarget.config import AtlasConfig, Config
from cartarget.errors import CartargetError
from cartarget.surface.votes import read_votes
from cartarget.surface.workbook import read_sheet
def mtx(path):
    return read_mtx(AtlasConfig(name="a", reader="mtx", path=str(path)), config=Config(), genes=None)
readers = {
    "rsem": lambda path: read_count_table(path, atlas=AtlasConfig(name="a", reader="rsem_counts", tissue="liver")),
    "stream": lambda path: list(lines(path)), "mtx": mtx, "votes": lambda path: read_votes(path),
    "xlsx": read_sheet,
}
try:
    readers[sys.argv[1]](Path(sys.argv[2]))
    told = "read"
except CartargetError as error:
    told = str(error)
used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([told, int(used.split()[1])]))
"""
MOST_KB = 1_500_000


def packed(start: bytes, block: bytes, megabytes: int) -> bytes:
    """Gzip of a start and of a block again and again, 32 MB of it at a time."""
    member = gzip.compress(block * ((32 << 20) // len(block)), mtime=0)
    return gzip.compress(start) + member * (megabytes // 32)


def told_by(reader: str, path: Path) -> str:
    """The error of a reader, in a process of its own, whose memory is looked at."""
    command = [sys.executable, "-c", READ, reader, str(path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    told, used = json.loads(done.stdout)
    assert used < MOST_KB, f"{used:,} KB for a file of {path.stat().st_size:,} bytes"
    return told


HEAD = b"Hugo_Symbol\tTCGA-AA-0001-01A\nX\t"
LINE = packed(HEAD, b"1" * 4096, 1024)
ROWS = packed(HEAD + b"1\n", b"X\t" + b"0" * 4093 + b"\n", 512)


@pytest.mark.parametrize(
    ("reader", "name", "content", "message"),
    [
        ("rsem", "a.txt.gz", LINE, "no end of line within 64 MB"),
        ("rsem", "a.txt.gz", ROWS, "unpacks to more than"),
        ("stream", "a.tsv.gz", LINE, "no end of line within 64 MB"),
        ("votes", "votes.tsv.gz", LINE, "no end of line within 64 MB"),
    ],
)
def test_a_packed_table_is_bounded(tmp_path: Path, reader: str, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    told = told_by(reader, tmp_path / name)
    assert message in told and name in told


MTX = b"%%MatrixMarket matrix coordinate integer general\n"


@pytest.mark.parametrize(
    ("bomb", "content", "message"),
    [
        ("matrix.mtx.gz", packed(MTX + b"%", b"x" * 4096, 512), "no end of line within 64 MB"),
        ("matrix.mtx.gz", packed(MTX, b"%" + b"x" * 4094 + b"\n", 512), "unpacks to more than"),
        ("genes.tsv.gz", packed(b"", b"x" * 4095 + b"\n", 512), "unpacks to more than"),
        ("genes.tsv.gz", packed(b"", b"G\n" * 2048, 32), "more than 5,000,000 lines"),
    ],
)
def test_each_file_of_a_matrix_is_bounded(tmp_path: Path, bomb: str, content: bytes, message: str) -> None:
    files = {
        "matrix.mtx.gz": b"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 1\n", "genes.tsv.gz": b"G\n",
        "cells.tsv.gz": b"cell\tdonor\nc\td\n",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_bytes(content if name == bomb else gzip.compress(text))
    told = told_by("mtx", tmp_path)
    assert message in told and bomb in told


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
BOOK = {
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="x"><Relationship Id="r" Target="s.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships"><sheets><sheet name="one" r:id="r"/></sheets></workbook>',
}


@pytest.mark.parametrize(
    ("start", "block", "times", "end", "message"),
    [
        ("", '<row><c r="XFD1"><v>1</v></c></row>', 200_000, "", "more than 5,000,000 cells"),
        ("", "<row/>", 8_000_000, "", "more than 5,000,000 cells"),
        ("<row>", "<c/>", 4_000_000, "</row>", "a row of more than 1,000,000 parts"),
        ("", "<x/>", 150_000_000, "", "larger than 512 MB"),
    ],
)
def test_a_workbook_is_bounded(tmp_path: Path, start: str, block: str, times: int, end: str, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in BOOK.items():
            archive.writestr(name, text)
        with archive.open("xl/s.xml", "w") as handle:
            handle.write(f'<worksheet xmlns="{MAIN}"><sheetData>{start}'.encode())
            for _ in range(times // 10_000):
                handle.write(block.encode() * 10_000)
            handle.write(f"{end}</sheetData></worksheet>".encode())
    assert message in told_by("xlsx", tmp_path / "a.xlsx")


def test_what_is_no_bomb_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the bound, and one byte above it."""
    text = b"ab\n" * 100
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    for least, is_read in ((300, True), (299, False)):
        monkeypatch.setattr(bounded, "LEAST", least)
        monkeypatch.setattr(bounded, "RATIO", 1)
        if is_read:
            with opened(tmp_path / "a.gz") as handle:
                assert handle.read() == text
            assert len(list(stream.lines(tmp_path / "a.gz"))) == 100
            continue
        with pytest.raises(InputError, match=r"a.gz: unpacks to more than"), opened(tmp_path / "a.gz") as handle:
            handle.read()
        with pytest.raises(InputError, match=r"a.gz: unpacks to more than"):
            list(stream.lines(tmp_path / "a.gz"))


def test_a_sheet_gives_its_rows(tmp_path: Path) -> None:
    rows = '<row><c><v>1</v></c><c r="C1" t="inlineStr"><is><t>x</t></is></c></row><row/><row><c><v>2</v></c></row>'
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        for name, text in BOOK.items():
            archive.writestr(name, text)
        archive.writestr("xl/s.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>')
    assert workbook.read_sheet(tmp_path / "a.xlsx") == [["1", "", "x"], [], ["2"]]
