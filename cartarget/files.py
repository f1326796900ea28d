"""Files that are whole or absent: atomic writing, checksums, tables on disk."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cartarget.errors import CartargetError

if TYPE_CHECKING:
    import pandas as pd

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place only if the block succeeds.

    A killed or failing block leaves `path` as it was.

    Raises
    ------
    CartargetError
        The disk is full (:func:`on_disk`).

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with whole(target) as temporary:
    ...     _ = temporary.write_text("done")
    >>> target.read_text()
    'done'
    """
    path = Path(path)
    with on_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def on_disk(path: str | os.PathLike[str]) -> Iterator[None]:
    """Tell a disk, quota or limit that is full while `path` is written by one error that says what to do.

    Raises
    ------
    CartargetError
        The block failed for want of room. Any other error stays as it is.

    Examples
    --------
    >>> with on_disk("results/demo/gates.tsv"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    cartarget.errors.CartargetError: results/demo/gates.tsv: the disk is full (No space left on device); make room ...
    """
    try:
        yield
    except OSError as error:
        is_short = re.search(r"^\d+ requested and \d+ written$", str(error)) is not None  # numpy tells no number
        if error.errno not in _FULL and not is_short:
            raise
        why = os.strerror(error.errno or errno.ENOSPC)
        raise CartargetError(
            f"{path}: the disk is full ({why}); make room and run the same command again: finished steps are kept"
        ) from error


def sweep(paths: Iterable[str | os.PathLike[str]]) -> int:
    """Remove what a killed writer of these paths left half-written beside them; return how many files.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / ".a.txt.x1.part").touch()
    >>> sweep([folder / "a.txt"])
    1
    """
    stale = [part for path in map(Path, paths) for part in path.parent.glob(f".{glob.escape(path.name)}.*.part")]
    for part in stale:
        part.unlink(missing_ok=True)
    return len(stale)


def as_plain_text(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for a spreadsheet: text that would be run as a formula gets an apostrophe before it.

    That is text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return. A carriage return, which would end the
    row, becomes a space. Numbers stay as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"symbol": ["=1+1", "HLA-A"], "window": [-1.5, 2.0]})
    >>> as_plain_text(frame).to_numpy().tolist()
    [["'=1+1", -1.5], ['HLA-A', 2.0]]
    """
    texts = frame.select_dtypes(["object", "string", "category"])
    plain = {name: _plain(texts[name].astype("string")) for name in texts}
    return frame.assign(**plain)


def _plain(cells: pd.Series) -> pd.Series:
    live = cells.str.match(r"[=+\-@\t\r]").fillna(False).astype(bool)
    return cells.mask(live, "'" + cells).str.replace("\r", " ", regex=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes.

    Examples
    --------
    >>> import tempfile
    >>> empty = Path(tempfile.mkdtemp()) / "empty"
    >>> empty.touch()
    >>> sha256(empty)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def matching(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a path names: itself, or what its pattern (`*`, `?`, `[…]`) matches, sorted.

    Examples
    --------
    >>> matching("pyproject.toml"), [path.name for path in matching("cartarget/atlas/readers/reco*3.py")]
    ([PosixPath('pyproject.toml')], ['recount3.py'])
    """
    path = Path(path)
    wild = next((number for number, part in enumerate(path.parts) if re.search(r"[*?\[]", part)), None)
    if wild is None:
        return [path]
    return sorted(Path(*path.parts[:wild]).glob("/".join(path.parts[wild:])))


def shared_folder() -> Path:
    """Where the tables and the workflow lie that come with the package: within it, or around it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "share"
    return inside if inside.is_dir() else package.parent


def resource(path: str | os.PathLike[str]) -> Path:
    """A file that the package comes with: the working directory's copy, file by file, else the package's own.

    Examples
    --------
    >>> resource("resources/public_tissues.tsv").name
    'public_tissues.tsv'
    """
    own = shared_folder() / path
    return own if not Path(path).is_file() and own.is_file() else Path(path)
