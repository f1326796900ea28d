"""Public files, brought once and kept: fetched in parallel, checked, put in place whole."""

from __future__ import annotations

import fcntl
import gzip
import os
import threading
import urllib.parse
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cartarget.atlas.formats.hdf5 import probe
from cartarget.atlas.public.pins import add_pin, digest, read_pins
from cartarget.atlas.public.sources import Source
from cartarget.atlas.public.transfer import CHUNK, Patience, check_room, download, memory_of
from cartarget.errors import InputError

PER_HOST = 2
"""Files that are asked of one server at a time."""

LOOKED_AT = 4096
"""First bytes by which text is told from a web page or an archive."""

_NEVER_PACKED = ("a web page", "a gzip file")
_MAGIC = {".gz": b"\x1f\x8b", ".zip": b"PK", ".xlsx": b"PK", ".h5ad": b"\x89HDF", ".h5": b"\x89HDF"}


@dataclass(frozen=True)
class Fetching:
    """How files are fetched.

    Attributes
    ----------
    folder
        Where files lie: `<folder>/<name>/<file>`.
    pins
        Table of checksums pinned on first use; worth committing to the user's own repository.
    mirror
        Address under which every file stands by host and path (`MIRROR/toil.xenahubs.net/download/…`). Empty: the
        files' own servers.
    is_offline
        Only what is there.
    jobs
        Files at a time.
    patience
        How long a server is waited for.

    Examples
    --------
    >>> Fetching.from_environment(offline=True).is_offline
    True
    """

    folder: Path = Path("resources/downloads")
    pins: Path = Path("resources/atlases.lock.tsv")
    mirror: str = ""
    is_offline: bool = False
    jobs: int = 4
    patience: Patience = field(default_factory=Patience)

    @staticmethod
    def from_environment(
        *, folder: str | Path | None = None, mirror: str | None = None, offline: bool | None = None, jobs: int = 4
    ) -> Fetching:
        """Settings as given, else from `CARTARGET_DOWNLOADS`, `CARTARGET_MIRROR` and `CARTARGET_OFFLINE`."""
        place = Path(folder or os.environ.get("CARTARGET_DOWNLOADS") or "resources/downloads")
        return Fetching(
            folder=place,
            pins=place.parent / "atlases.lock.tsv",
            mirror=os.environ.get("CARTARGET_MIRROR", "") if mirror is None else mirror,
            is_offline=os.environ.get("CARTARGET_OFFLINE", "") not in ("", "0") if offline is None else offline,
            jobs=jobs,
        )


def fetch(sources: Sequence[Source], *, settings: Fetching | None = None) -> list[Path]:
    """Have files of the registry on disk, checked.

    A file that is there is checked against its published or pinned checksum and not fetched again. One that comes is
    checked for its size and checksum; where none is published, it is looked through (gzip to its end, zip and HDF5 by
    their directories) and its SHA-256 is pinned. It then takes its place in one step: a file under its name is whole.

    Parameters
    ----------
    sources
        What to fetch (`find_sources`), no templates.
    settings
        How. None: the defaults.

    Returns
    -------
    list of Path
        Where the files are, in the order asked.

    Raises
    ------
    InputError
        A file cannot be had or is not what it should be, or the disk is too small; one line per file. The others are
        fetched all the same.
    """
    from tqdm import tqdm

    settings = settings or Fetching()
    for source in sources:
        if source.is_template:
            raise InputError(f"{source.name}: needs a value ({source.value}); write {source.name}:VALUE")
    pins = read_pins(settings.pins)
    missing = [source for source in sources if not source.path(settings.folder).exists()]
    if missing and settings.is_offline:
        lines = [f"{one.path(settings.folder)}: absent, and offline; it comes from {one.address}" for one in missing]
        raise InputError("\n".join(lines))
    settings.folder.mkdir(parents=True, exist_ok=True)
    check_room(settings.folder, sum(source.size or 0 for source in missing))
    total = sum(source.size or 0 for source in missing) if all(source.size for source in missing) else None
    stop = threading.Event()
    hosts: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(PER_HOST))
    with tqdm(desc="fetching", total=total, unit="B", unit_scale=True, disable=None, delay=1, leave=False) as bar:

        def have(source: Source) -> str:
            try:
                with hosts[urllib.parse.urlsplit(source.address).netloc]:
                    _have(source, settings=settings, pins=pins, advance=bar.update, stop=stop)
            except InputError as error:
                return str(error)
            return ""

        with _pool(settings.jobs, stop) as pool:
            troubles = [line for line in pool.map(have, dict.fromkeys(sources)) if line]
    if troubles:
        raise InputError("\n".join(troubles))
    return [source.path(settings.folder) for source in sources]


@contextmanager
def _pool(jobs: int, stop: threading.Event) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(max_workers=max(1, jobs))
    try:
        yield pool
    except BaseException:
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _have(
    source: Source,
    *,
    settings: Fetching,
    pins: dict[tuple[str, str], str],
    advance: Callable[[int], object],
    stop: threading.Event,
) -> None:
    path = source.path(settings.folder)
    expected = source.checksum or _pinned(source, pins)
    if path.exists():
        _check(path, expected, what="the file there")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    address = mirrored(source.address, mirror=settings.mirror)

    def get(handle: IO[bytes]) -> None:
        download(
            address,
            part=part,
            handle=handle,
            size=source.size,
            patience=settings.patience,
            advance=advance,
            stop=stop,
        )

    with _locked(part) as handle:
        if path.exists():  # another process was quicker
            handle.truncate(0)
            return
        was_resumed = handle.seek(0, 2) > 0
        get(handle)
        try:
            _verify(part, source, expected, address)
        except InputError:
            handle.truncate(0)
            if not was_resumed:
                part.unlink()
                raise
            get(handle)
            _verify(part, source, expected, address)
        if not expected:
            found = digest(part, algorithm="sha256")
            size = part.stat().st_size
            add_pin(settings.pins, name=source.name, file=source.file, size=size, sha256=found, address=source.address)
        part.replace(path)


def _pinned(source: Source, pins: dict[tuple[str, str], str]) -> str:
    found = pins.get((source.name, source.file))
    return f"sha256:{found}" if found else ""


def mirrored(address: str, *, mirror: str) -> str:
    """The address of a file on a mirror, which keeps files by host and path.

    Examples
    --------
    >>> mirrored("https://toil.xenahubs.net/download/a.gz", mirror="http://127.0.0.1:8000/")
    'http://127.0.0.1:8000/toil.xenahubs.net/download/a.gz'
    """
    return f"{mirror.rstrip('/')}/{address.split('://', 1)[1]}" if mirror else address


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """`part` for this process alone; another that wants it waits.

    Who waited may hold a file that has been thrown away or put in its place since: that is not `part` any more.
    """
    while True:
        with open(part, "ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(handle, part):
                try:
                    yield handle
                finally:
                    if _is(handle, part) and not part.stat().st_size:
                        part.unlink()
                        memory_of(part).unlink(missing_ok=True)
                return


def _is(handle: IO[bytes], path: Path) -> bool:
    """Whether an open file still is the one under its name."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _verify(part: Path, source: Source, expected: str, address: str) -> None:
    if expected:
        _check(part, expected, what=f"what came from {address}")
    trouble = _damage(part, suffix=Path(source.file).suffix)
    if trouble:
        raise InputError(f"{address}: {trouble}; it was thrown away: try again, or look at the address in a browser")


def _check(path: Path, expected: str, *, what: str) -> None:
    if not expected:
        return
    algorithm, _, right = expected.partition(":")
    found = digest(path, algorithm=algorithm)
    if found != right:
        raise InputError(
            f"{path}: {what} has {algorithm} {found}, expected {right}: damaged, or another version; delete it to "
            "fetch it again, and if the new version is wanted, delete its line in the table of pinned checksums"
        )


def _damage(path: Path, *, suffix: str) -> str:
    """What is wrong with a file that no checksum vouches for; empty: nothing."""
    with open(path, "rb") as handle:
        first = handle.read(LOOKED_AT)
    magic = _MAGIC.get(suffix, ())
    if not first:
        return "nothing came"
    if not first.startswith(magic) if magic else _kind(first) != "text":
        return f"{_kind(first)} came instead of a {suffix} file"
    try:
        if suffix == ".gz":
            inner = _unpacked(path)
            return f"{_kind(inner)} came, packed as a {suffix} file" if _kind(inner) in _NEVER_PACKED else ""
        if suffix in (".zip", ".xlsx"):
            with zipfile.ZipFile(path) as archive:
                bad = archive.testzip()
            return f"{bad} in the archive is damaged" if bad else ""
        if magic:
            trouble = probe(path)
            return f"the file is damaged or cut short ({trouble})" if trouble else ""
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        return f"the file is damaged or cut short ({error})"
    return ""


def _unpacked(path: Path) -> bytes:
    """The first bytes of what is packed, which is read to its end."""
    with gzip.open(path, "rb") as unpacked:
        first = unpacked.read(LOOKED_AT)
        while unpacked.read(CHUNK):
            pass
    return first


def _kind(first: bytes) -> str:
    """What a file is, by its first bytes."""
    known = {"a gzip file": b"\x1f\x8b", "a zip archive": b"PK\x03\x04", "an HDF5 file": b"\x89HDF"}
    for name, magic in known.items():
        if first.startswith(magic):
            return name
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "a web page"
    return "something else" if b"\0" in first else "text"
