"""Checksums pinned on first use, for files whose publishers give none: the same bytes tomorrow, or an error."""

from __future__ import annotations

import csv
import datetime
import fcntl
import hashlib
import os
from pathlib import Path

from cartarget.errors import InputError

COLUMNS = ("name", "file", "size", "sha256", "address", "date")


def read_pins(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """SHA-256 of each pinned file by atlas and file; empty if there is no such table yet.

    Raises
    ------
    InputError
        The table is malformed, or pins one file twice with two checksums.
    """
    path = Path(path)
    if not path.exists() or not path.stat().st_size:
        return {}
    with open(path, encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    if tuple(rows[0]) != COLUMNS:
        raise InputError(f"{path}, line 1: expected the columns {', '.join(COLUMNS)}; delete the file to pin afresh")
    pins: dict[tuple[str, str], str] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(COLUMNS) or len(row[3]) != 64:
            raise InputError(f"{path}, line {number}: not a pinned file; delete the line to pin afresh")
        if pins.setdefault((row[0], row[1]), row[3]) != row[3]:
            raise InputError(f"{path}, line {number}: {row[0]}/{row[1]} is pinned twice; delete one line")
    return pins


def add_pin(path: str | os.PathLike[str], *, name: str, file: str, size: int, sha256: str, address: str) -> None:
    """Pin a file's checksum; processes that pin at the same time wait for each other."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with open(path, "a", encoding="utf-8", newline="") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        writer = csv.writer(handle, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        if not handle.seek(0, 2):
            writer.writerow(COLUMNS)
        if (name, file) not in read_pins(path):
            writer.writerow([name, file, size, sha256, address, today])


def digest(path: str | os.PathLike[str], *, algorithm: str) -> str:
    """Hexadecimal digest of a file's bytes (`sha256` or `md5`)."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()
