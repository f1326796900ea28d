"""Files are whole or absent, whatever happens to the process that writes them."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cartarget.files import sha256, sweep, whole

WRITER = """
import signal, sys, time
from cartarget.files import whole
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
with whole(sys.argv[1]) as temporary:
    with open(temporary, "w") as handle:
        handle.write("half")
        handle.flush()
        print("half", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("before", [None, "before"])
def test_a_killed_writer_leaves_the_file_as_it_was(tmp_path: Path, number: signal.Signals, before: str | None) -> None:
    target = tmp_path / "table.tsv"
    if before is not None:
        target.write_text(before)
    command = [sys.executable, "-c", WRITER, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        writer.send_signal(number)
        writer.wait(timeout=50)
    assert (target.read_text() if target.exists() else None) == before
    swept = sweep([target])
    assert swept == (number != signal.SIGINT), "an interrupt cleans up; a kill leaves one part, which is swept"
    assert list(tmp_path.iterdir()) == ([target] if before else [])


def test_a_failing_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), whole(tmp_path / "a" / "table.tsv") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list((tmp_path / "a").iterdir()) == []


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with whole(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent, "a rename is atomic only within one folder"
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_file_gets_the_permissions_that_the_user_wants(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with whole(tmp_path / "table.tsv") as temporary:
            temporary.touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "table.tsv").stat().st_mode) == 0o666 & ~mask


def test_sweeping_takes_only_the_parts_of_the_named_files(tmp_path: Path) -> None:
    kept = [
        tmp_path / name for name in ("table.tsv", ".table.tsv", "a.part", ".other.tsv.x.part", ".table.parquet.x.part")
    ]
    for path in [*kept, tmp_path / ".table.tsv.x.part"]:
        path.touch()
    assert sweep([tmp_path / "table.tsv", tmp_path / "absent" / "table.tsv"]) == 1
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
