"""One file over HTTP: resumed where it stopped, retried with patience, never mixed of two versions.

- A part that is there is continued with `Range` and `If-Range`, so that a file that changed in the meantime is sent
  whole; without an `ETag` or `Last-Modified` of the server, or if the server ignores the range, it starts over. A range
  of another version, or of a file whose size nobody has told, is not appended.
- No more is written than the server or the registry says; where neither says it, no more than `UNTOLD` bytes.
- Each redirect leads to http or https, and never from https to http.
- Failures that pass (no connection, a stall, an early end, HTTP 408, 425, 429 and 5xx) are retried after 1, 2, 4 …
  seconds, or after what `Retry-After` asks; each byte of progress renews the patience. Others end at once.
- Proxies are taken from the environment (`http_proxy`, `https_proxy`, `no_proxy`), as everywhere in Python.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import re
import shutil
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cartarget
from cartarget.errors import InputError

CHUNK = 1 << 20
MARGIN = 256 << 20
"""Bytes that stay free on the disk."""

UNTOLD = 8 << 30
"""Most bytes of a file whose size neither the server nor the registry tells."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_PACKED = (".gz", ".tgz", ".bgz")

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_ADVICE = {
    401: "the server asks for a login; fetch the file by hand",
    403: "the server refuses; fetch the file by hand, or ask a mirror (--mirror)",
    404: "the file is not there any more; look for its new place and mend resources/atlases.tsv",
    410: "the file was withdrawn; look for its new place and mend resources/atlases.tsv",
}


@dataclass(frozen=True)
class Patience:
    """How long to try: tries without progress, first and longest pause between them, and silence that is a stall.

    Examples
    --------
    >>> [Patience().pause(n) for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 60.0]
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 60.0
    stall: float = 60.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.first * 2.0 ** (failures - 1), self.longest)


class _Hops(urllib.request.HTTPRedirectHandler):
    """Follows redirects from one encrypted or open address to another; each hop is looked at, not the last alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise InputError(f"{req.full_url}: led to {newurl}, which is neither http nor https; not followed")
        if req.type == "https" and scheme != "https":
            raise InputError(f"{req.full_url}: led to {newurl}, which is not encrypted; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Passing(Exception):
    """A failure that another try may mend."""

    def __init__(self, reason: str, *, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


def download(
    address: str,
    *,
    part: Path,
    handle: IO[bytes],
    size: int | None = None,
    patience: Patience | None = None,
    advance: Callable[[int], object] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Bring the whole of a file into `part`.

    Parameters
    ----------
    address
        Where the file is.
    part
        Where it grows; beside it a small `.json` remembers which version it is part of.
    handle
        `part`, opened for appending (the caller holds its lock).
    size
        Bytes that the file must have. None: as the server says.
    patience
        How long to try. None: the default.
    advance
        Told the bytes gained (negative where the file starts over), for a progress bar.
    stop
        Set from elsewhere to end early; what has come stays.

    Raises
    ------
    InputError
        The server refuses, the file has not the right size, the disk is too small, or patience has ended; the message
        says what to do. What has come stays for the next time.
    """
    patience = patience or Patience()
    transfer = _Transfer(address, part, handle, size, patience, advance or (lambda n: None), stop or threading.Event())
    best, failures = -1, 0
    while True:
        try:
            transfer.attempt()
        except _Passing as error:
            here = transfer.length()
            failures = 1 if here > best else failures + 1
            best = max(best, here)
            if failures >= patience.tries:
                raise InputError(
                    f"{address}: {error}; gave up after {failures} tries without progress ({here:,} bytes are kept and "
                    "the next try goes on from there); check the connection and proxy, or use --mirror"
                ) from None
            if transfer.stop.wait(max(patience.pause(failures), min(error.after, 300.0))):
                raise InputError(f"{address}: stopped") from None
        else:
            transfer.memory.unlink(missing_ok=True)
            return


@dataclass(frozen=True)
class _Transfer:
    address: str
    part: Path
    handle: IO[bytes]
    size: int | None
    patience: Patience
    advance: Callable[[int], object]
    stop: threading.Event

    @property
    def memory(self) -> Path:
        return memory_of(self.part)

    def length(self) -> int:
        return self.handle.seek(0, 2)

    def attempt(self) -> None:
        """One request; raises `_Passing` where another may help."""
        try:
            with self._opened() as response:
                total = self._begin(response)
                self._copy(response, most=UNTOLD if total is None else total)
        except urllib.error.HTTPError as error:
            with error:
                total = self._refused(error)
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise InputError(f"{self.address}: its certificate is not valid ({error.reason})") from None
            raise _Passing(f"no connection ({error.reason})") from None
        except TimeoutError:
            raise _Passing(f"silent for {self.patience.stall:g} seconds") from None
        except (http.client.HTTPException, OSError) as error:
            if isinstance(error, OSError) and error.errno == 28:
                raise InputError(f"{self.part}: the disk is full; make room and fetch again") from None
            raise _Passing(f"the connection broke ({error or type(error).__name__})") from None
        if total is not None and self.length() != total:
            raise _Passing(f"ended after {self.length():,} of {total:,} bytes")
        if self.size is not None and self.length() != self.size:
            found = self.length()
            self.restart()
            raise InputError(
                f"{self.address}: {found:,} bytes came, but the registry says {self.size:,}: not that file"
            )

    def restart(self) -> None:
        self.advance(-self.length())
        self.handle.truncate(0)
        self.memory.unlink(missing_ok=True)

    def _opened(self) -> http.client.HTTPResponse:
        headers = {"User-Agent": f"cartarget/{cartarget.__version__}", "Accept-Encoding": "identity"}
        version, _ = self._remembered()
        if self.length() and not version:
            self.restart()
        if self.length():
            headers |= {"Range": f"bytes={self.length()}-", "If-Range": version}
        request = urllib.request.Request(self.address, headers=headers)
        opener = urllib.request.build_opener(_Hops())
        response: http.client.HTTPResponse = opener.open(request, timeout=self.patience.stall)
        return response

    def _remembered(self) -> tuple[str, int | None]:
        """What the server called the version that the part is of, and its bytes; empty and None: not known."""
        try:
            memory = json.loads(self.memory.read_text(encoding="utf-8"))
            if memory["address"] == self.address:
                total = memory["total"]
                return str(memory["version"]), None if total is None else int(total)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return "", None

    def _begin(self, response: http.client.HTTPResponse) -> int | None:
        """Make the part ready for what comes; return the bytes of the whole file, if anybody says."""
        packed = response.headers.get("Content-Encoding", "").strip().lower()
        if packed not in ("", "identity") and not self.part.name.removesuffix(".part").endswith(_PACKED):
            raise InputError(
                f"{self.address}: the server packed the file (Content-Encoding: {packed[:40]}) although asked not to; "
                "fetch it by hand, or ask a mirror (--mirror)"
            )
        total = self._continued(response) if response.status == 206 else self._started(response)
        if self.size is not None and total not in (None, self.size):
            raise InputError(
                f"{self.address}: the server says {total:,} bytes, the registry {self.size:,}: the file has changed; "
                "look at its source and mend resources/atlases.tsv"
            )
        check_room(self.part.parent, (total or 0) - self.length())
        return self.size if total is None else total

    def _started(self, response: http.client.HTTPResponse) -> int | None:
        """Start over and note which version begins; return its bytes, if the server says."""
        self.restart()
        total = self._told(response)
        memory = {"address": self.address, "version": _version(response), "total": total}
        self.memory.write_text(json.dumps(memory), encoding="utf-8")
        return total

    def _continued(self, response: http.client.HTTPResponse) -> int:
        """Bytes of the whole file, if what comes goes on where the part ends, in the same version; else start over."""
        version, before = self._remembered()
        span = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if span is None or int(span[1]) != self.length() or not self.length():
            trouble = "another range came than was asked for"
        elif _version(response) not in ((version,) if version.startswith('"') else (version, "")):
            trouble = "a range of another version came"
        else:
            total = (before if before is not None else self.size) if span[3] == "*" else int(span[3])
            if total is not None and before in (None, total) and int(span[2]) < total:
                return total
            trouble = "a range of a file of another or unknown size came"
        self.restart()
        raise _Passing(trouble)

    def _told(self, response: http.client.HTTPResponse) -> int | None:
        """Bytes of the whole file, as the server tells them."""
        said = response.headers.get("Content-Length")
        if said is not None and not _NUMBER.fullmatch(said.strip()):
            raise InputError(
                f"{self.address}: the server says Content-Length {said[:40]!r}, expected a number of bytes; "
                "ask a mirror (--mirror), or fetch it by hand"
            )
        return None if said is None else int(said)

    def _copy(self, response: http.client.HTTPResponse, *, most: int) -> None:
        here = self.length()
        while block := response.read1(CHUNK):
            here += len(block)
            if here > most:
                self.restart()
                raise InputError(f"{self.address}: more than {most:,} bytes came; nothing of it is kept")
            self.handle.write(block)
            self.handle.flush()
            self.advance(len(block))
            if self.stop.is_set():
                raise InputError(f"{self.address}: stopped")

    def _refused(self, error: urllib.error.HTTPError) -> int | None:
        """The size of the whole file if the part already is the whole (416); else an error."""
        if error.code == 416:
            span = re.fullmatch(r"bytes \*/([0-9]{1,18})", error.headers.get("Content-Range", "").strip())
            if span is not None and int(span[1]) == self.length():
                return self.length()
            self.restart()
            raise _Passing("the server has no such range")
        if error.code in _PASSING:
            raise _Passing(f"HTTP {error.code} {error.reason}", after=_after(error.headers.get("Retry-After", "")))
        advice = _ADVICE.get(error.code, "look at the address in a browser")
        raise InputError(f"{self.address}: HTTP {error.code} {error.reason}; {advice}")


def _version(response: http.client.HTTPResponse) -> str:
    """What a server calls a version: a strong `ETag`, else `Last-Modified`; empty: nothing."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _after(text: str) -> float:
    """Seconds that `Retry-After` asks for, given as seconds or as a date; 0 for anything else."""
    if _NUMBER.fullmatch(text.strip()):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def memory_of(part: Path) -> Path:
    """The small file beside a part that remembers which version it is part of."""
    return part.with_name(part.name + ".json")


def check_room(folder: Path, needed: int) -> None:
    """Raise if a disk has not `needed` bytes, and some to spare.

    Examples
    --------
    >>> check_room(Path("."), 10**18)
    Traceback (most recent call last):
    cartarget.errors.InputError: .: 1,000,000,000.0 GB are needed, ... GB are free; make room or choose another --folder
    """
    free = shutil.disk_usage(folder).free
    if needed > 0 and free < needed + MARGIN:
        raise InputError(
            f"{folder}: {needed / 1e9:,.1f} GB are needed, {free / 1e9:,.1f} GB are free; make room or choose another "
            "--folder"
        )
