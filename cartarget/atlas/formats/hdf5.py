"""HDF5 files where the library itself fails: damaged ones are told apart first, and a full disk is borne.

The HDF5 library may loop for ever, or end the process, on a file whose heap of texts is damaged. So a child process
looks first: it visits every object and reads every attribute and text, and is given up after a while. It also ends the
process if the disk is full when it closes a file. So it writes to a file object that tells it of no failure.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartarget.errors import CartargetError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

SECONDS = 60.0
"""What a child may take, and one second more for each `PER_SECOND` bytes of the file."""

PER_SECOND = 20 << 20

_LOOK = """
import sys, h5py
def look(name, item):
    for key in item.attrs:
        item.attrs[key]
    if isinstance(item, h5py.Dataset) and item.dtype.kind == "O":
        for start in range(0, len(item) if item.shape else 0, 65536):
            item[start:start + 65536]
with h5py.File(sys.argv[1], "r", locking=False) as handle:
    look("/", handle)
    handle.visititems(look)
"""


def probe(path: str | os.PathLike[str], *, seconds: float | None = None) -> str:
    """What is wrong with an HDF5 file; empty: nothing that could hang or end the process.

    Parameters
    ----------
    path
        The file.
    seconds
        What the look may take, beside what the file's size adds. None: `SECONDS`.

    Examples
    --------
    >>> probe("absent.h5ad").split(":")[0]
    'FileNotFoundError'
    """
    size = Path(path).stat().st_size if Path(path).exists() else 0
    command = [sys.executable, "-c", _LOOK, str(path)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=(SECONDS if seconds is None else seconds) + size / PER_SECOND,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the HDF5 library finds no end in it"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
    return said[-1] if done.returncode > 0 and said else "the HDF5 library breaks down over it"


@contextmanager
def guarded(path: str | os.PathLike[str], *, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes its library raise into one error that names the file.

    Raises
    ------
    InputError
        Something within the block raised what damage raises; errors of the project itself pass.

    Examples
    --------
    >>> with guarded("x.h5ad", what="an .h5ad file"):
    ...     raise KeyError("obs")
    Traceback (most recent call last):
    cartarget.errors.InputError: x.h5ad: truncated, damaged or not an .h5ad file (KeyError: 'obs')
    """
    try:
        yield
    except CartargetError:
        raise
    except Exception as error:  # what these libraries raise over damage has no common kind
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{path}: truncated, damaged or not {what} ({said})") from error


def write_h5ad(adata: AnnData, path: str | os.PathLike[str], *, compression: str | None = None) -> None:
    """Write an `.h5ad`, as `AnnData.write_h5ad` does; a full disk is an error, and never the end of the process.

    Parameters
    ----------
    adata
        What to write. Its texts become categories, in place.
    path
        The file; give a temporary path (`cartarget.files.whole`).
    compression
        Of all arrays. None: none.

    Raises
    ------
    OSError
        The disk is full, or the file cannot be written for another reason.
    """
    import h5py
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    with _Bearing(os.fspath(path), "w+") as raw:
        try:
            with h5py.File(raw, "w") as handle:
                write_elem(handle, "/", adata, dataset_kwargs={"compression": compression} if compression else {})
        finally:
            if raw.failure is not None:
                raise raw.failure


class _Bearing(io.FileIO):
    """A file that goes on after a failure and keeps it in `failure`.

    What is written from then on is held if it is small: the library reads its own tables again before it closes a file.
    """

    SMALL = 1 << 20

    def __init__(self, name: str, mode: str) -> None:
        super().__init__(name, mode)
        self.failure: OSError | None = None
        self.held: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        start, octets = self.tell(), memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(octets):
                done += super().write(octets[done:]) or 0
        except OSError as error:
            self.failure = error
        if self.failure is not None:
            self.held += [(start, bytes(octets))] if len(octets) <= self.SMALL else []
            self.seek(start + len(octets))
        return len(octets)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        start, octets = self.tell(), memoryview(buffer).cast("B")
        found = super().readinto(octets) or 0
        if self.failure is None:
            return found
        octets[found:] = bytes(len(octets) - found)
        for at, data in self.held:
            low, high = max(at, start), min(at + len(data), start + len(octets))
            if low < high:
                octets[low - start : high - start] = data[low - at : high - at]
        self.seek(start + len(octets))
        return len(octets)
