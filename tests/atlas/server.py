"""A real HTTP server on loopback that behaves as badly as servers do: every path has its own manners."""

from __future__ import annotations

import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Manners:
    """How a path is served.

    `body`: the whole file. `etag`: its version ("" for none). `ranges`: whether `Range` is honoured. `cut`: bytes
    after which the connection is closed, one number per request (None: not). `stall`: bytes after which nothing comes,
    one number per request. `claim`: the length that is claimed. `codes`: statuses answered before the file is served.
    `retry_after`: that header beside them. `to`: where a redirect leads. `chunked`: no length at all. `raw`: answers
    given word for word before the file is served, one per request. `endless`: chunks without end.
    """

    body: bytes = b""
    etag: str = '"v1"'
    ranges: bool = True
    cut: list[int | None] = field(default_factory=list)
    stall: list[int | None] = field(default_factory=list)
    claim: int | None = None
    codes: list[int] = field(default_factory=list)
    retry_after: str = ""
    to: str = ""
    chunked: bool = False
    raw: list[bytes] = field(default_factory=list)
    endless: bool = False


class Served:
    """A running server: `paths` holds the manners, `asked` the `Range` of each request by path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.paths: dict[str, Manners] = {}
        self.asked: dict[str, list[str]] = defaultdict(list)
        self.agents: set[str] = set()
        self.at_once = 0
        self.most_at_once = 0
        self.free = threading.Event()
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        served = self.served
        with served.lock:
            served.asked[self.path].append(self.headers.get("Range", ""))
            served.agents.add(self.headers.get("User-Agent", ""))
            served.at_once += 1
            served.most_at_once = max(served.most_at_once, served.at_once)
        try:
            self._answer(served.paths.get(self.path))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.close_connection = True
            with served.lock:
                served.at_once -= 1

    def _status(self, code: int, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def _answer(self, manners: Manners | None) -> None:
        if manners is None:
            self._status(404, Content_Length=0)
        elif manners.raw:
            self.wfile.write(manners.raw.pop(0))
        elif manners.endless:
            self._status(200, Transfer_Encoding="chunked")
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        elif manners.to:
            self._status(302, Location=manners.to, Content_Length=0)
        elif manners.codes:
            extra = {"Retry_After": manners.retry_after} if manners.retry_after else {}
            self._status(manners.codes.pop(0), Content_Length=0, **extra)
        else:
            self._file(manners)

    def _file(self, manners: Manners) -> None:
        body, start = manners.body, 0
        whole = len(body) if manners.claim is None else manners.claim
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fits = self.headers.get("If-Range", manners.etag) == manners.etag
        tag = {"ETag": manners.etag} if manners.etag else {}
        if span and manners.ranges and fits:
            start = int(span[1])
            if start >= len(body):
                self._status(416, Content_Range=f"bytes */{len(body)}", Content_Length=0)
                return
            length = {"Content_Length": whole - start, "Content_Range": f"bytes {start}-{whole - 1}/{whole}"}
            self._status(206, **length, **tag)
        elif manners.chunked:
            self._status(200, Transfer_Encoding="chunked", **tag)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
            if not (manners.cut and manners.cut.pop(0) is not None):
                self.wfile.write(b"0\r\n\r\n")
            return
        else:
            self._status(200, Content_Length=whole, **tag)
        self._body(body[start:], manners)

    def _body(self, body: bytes, manners: Manners) -> None:
        cut = manners.cut.pop(0) if manners.cut else None
        stall = manners.stall.pop(0) if manners.stall else None
        self.wfile.write(body[: cut if stall is None else stall])
        self.wfile.flush()
        if stall is not None:
            self.served.free.wait(20)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Served]:
    """A server on a free port of loopback, stopped at the end; encrypted with the cert.pem and key.pem of a folder."""
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served = Served(f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_address[1]}")
    handler.served = served  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.free.set()
        server.shutdown()
        server.server_close()
        thread.join()
