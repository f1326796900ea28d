"""One file over HTTP: resumed where it stopped, retried with patience, never mixed of two versions.

- A part that is there is continued with `Range` and `If-Range`, so that a file that changed in the meantime is sent
  whole; without an `ETag` or `Last-Modified` of the server, or if the server ignores the range, it starts over.
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
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cartarget
from cartarget.errors import InputError

CHUNK = 1 << 20
MARGIN = 256 << 20
"""Bytes that stay free on the disk."""

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
        return self.part.with_name(self.part.name + ".json")

    def length(self) -> int:
        return self.handle.seek(0, 2)

    def attempt(self) -> None:
        """One request; raises `_Passing` where another may help."""
        try:
            with self._opened() as response:
                total = self._begin(response)
                self._copy(response)
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
        version = self._version()
        if self.length() and not version:
            self.restart()
        if self.length():
            headers |= {"Range": f"bytes={self.length()}-", "If-Range": version}
        request = urllib.request.Request(self.address, headers=headers)
        response = urllib.request.build_opener().open(request, timeout=self.patience.stall)
        if self.address.startswith("https:") and not response.geturl().startswith("https:"):
            response.close()
            raise InputError(f"{self.address}: led to {response.geturl()}, which is not encrypted; not followed")
        return response

    def _version(self) -> str:
        """What the server called the version that the part is of; empty: not known."""
        try:
            memory = json.loads(self.memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(memory.get("version", "")) if memory.get("address") == self.address else ""

    def _begin(self, response: http.client.HTTPResponse) -> int | None:
        """Make the part ready for what comes; return the bytes of the whole file, if the server says."""
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if response.status == 206 and (span is None or int(span[1]) != self.length()):
            self.restart()
            raise _Passing("another range came than was asked for")
        if response.status == 206 and span is not None:
            total = None if span[2] == "*" else int(span[2])
        else:
            self.restart()
            said = response.headers.get("Content-Length", "")
            total = int(said) if said.isdigit() else None
            tag = response.headers.get("ETag", "")
            version = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
            self.memory.write_text(json.dumps({"address": self.address, "version": version}), encoding="utf-8")
        if self.size is not None and total not in (None, self.size):
            raise InputError(
                f"{self.address}: the server says {total:,} bytes, the registry {self.size:,}: the file has changed; "
                "look at its source and mend resources/atlases.tsv"
            )
        check_room(self.part.parent, (total or 0) - self.length())
        return total

    def _copy(self, response: http.client.HTTPResponse) -> None:
        while block := response.read1(CHUNK):
            self.handle.write(block)
            self.handle.flush()
            self.advance(len(block))
            if self.stop.is_set():
                raise InputError(f"{self.address}: stopped")

    def _refused(self, error: urllib.error.HTTPError) -> int | None:
        """The size of the whole file if the part already is the whole (416); else an error."""
        if error.code == 416:
            span = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", "").strip())
            if span is not None and int(span[1]) == self.length():
                return self.length()
            self.restart()
            raise _Passing("the server has no such range")
        if error.code in _PASSING:
            raise _Passing(f"HTTP {error.code} {error.reason}", after=_after(error.headers.get("Retry-After", "")))
        advice = _ADVICE.get(error.code, "look at the address in a browser")
        raise InputError(f"{self.address}: HTTP {error.code} {error.reason}; {advice}")


def _after(text: str) -> float:
    """Seconds that `Retry-After` asks for, given as seconds or as a date."""
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


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
