"""Files that are whole or absent: atomic writing, checksums, tables on disk."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place only if the block succeeds.

    A killed or failing block leaves `path` as it was.

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
