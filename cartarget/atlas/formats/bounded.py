"""Text unpacked within bounds: a small file that unpacks to a very large one is an error, and fills no memory."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any

from cartarget.errors import InputError

LONGEST = 64 << 20
"""Bytes after which a line without an end is no line."""

LEAST = 256 << 20
"""Bytes that any packed file may unpack to."""

RATIO = 200
"""Times its own size that a packed file may unpack to; tables of expression reach 5 to 60, gzip itself 1,000."""

BUFFER = 1 << 20


def most_unpacked(path: str | os.PathLike[str]) -> int:
    """Bytes that a packed file may unpack to: 200 times its size, and 256 MB in any case.

    Examples
    --------
    >>> most_unpacked("pyproject.toml") == LEAST
    True
    """
    return max(LEAST, RATIO * Path(path).stat().st_size)


def too_much(path: str | os.PathLike[str], most: int) -> InputError:
    """The error of a packed file that unpacks to more than `most` bytes."""
    return InputError(
        f"{path}: unpacks to more than {most / 1e6:,.0f} MB, {RATIO} times its size or more; no table does: fetch the "
        "file again, or unpack it if it is right"
    )


class _Bounded(io.RawIOBase):
    """What is read from `handle`, until it is more than `most` bytes, or a line is longer than `LONGEST`."""

    def __init__(self, handle: IO[bytes], path: str | os.PathLike[str], most: int | None) -> None:
        self._handle, self._path, self._most = handle, path, most
        self._read = self._line = self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        octets = self._handle.read(len(buffer))
        buffer[: len(octets)] = octets
        self._read += len(octets)
        if self._most is not None and self._read > self._most:
            raise too_much(self._path, self._most)
        end = octets.rfind(b"\n")
        self._line = self._line + len(octets) if end < 0 else len(octets) - end - 1
        self._lines += octets.count(b"\n") if end >= 0 else 0
        if self._line > LONGEST:
            raise InputError(
                f"{self._path}, line {self._lines + 1}: no end of line within {LONGEST >> 20} MB; expected a table"
            )
        return len(octets)


def bounded(handle: IO[bytes], path: str | os.PathLike[str], *, most: int | None = None) -> IO[bytes]:
    """The same bytes, read within bounds.

    Parameters
    ----------
    handle
        A file of text, open for reading bytes.
    path
        Its name, for messages.
    most
        Bytes that may come. None: any number.

    Raises
    ------
    InputError
        While it is read: more bytes came, or a line has no end within 64 MB.

    Examples
    --------
    >>> bounded(io.BytesIO(b"a" * 9), "x.gz", most=8).read()
    Traceback (most recent call last):
    cartarget.errors.InputError: x.gz: unpacks to more than 0 MB, 200 times its size or more; ...
    """
    return io.BufferedReader(_Bounded(handle, path, most), BUFFER)
