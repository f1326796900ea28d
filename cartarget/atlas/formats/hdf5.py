"""Damaged HDF5 files, told apart before they can do harm.

The HDF5 library may loop for ever, or end the process, on a file whose heap of texts is damaged. So a child process
looks first: it visits every object and reads every attribute and text, and is given up after a while.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartarget.errors import CartargetError, InputError

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
