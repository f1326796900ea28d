"""Fetching, against a real server on loopback that truncates, stalls, lies, refuses and redirects."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from cartarget.atlas.public.fetch import Fetching, fetch
from cartarget.atlas.public.sources import Source
from cartarget.atlas.public.transfer import Patience, check_room
from cartarget.errors import InputError
from tests.atlas.server import Manners, Served, serving

BODY = gzip.compress(hashlib.shake_256(b"cartarget").digest(300_000), mtime=0)
SHA = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
QUICK = Patience(tries=3, first=0.01, longest=0.02, stall=0.4)


@pytest.fixture
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def settings(tmp_path: Path) -> Fetching:
    return Fetching(folder=tmp_path / "downloads", pins=tmp_path / "atlases.lock.tsv", patience=QUICK)


def source(address: str, *, file: str = "a.gz", size: int | None = None, checksum: str = SHA) -> Source:
    return Source(
        name="a", file=file, release="1", holds="x", unit="", address=address, value="", size=size, checksum=checksum,
        licence="CC0", citation="", reader="", evidence="samples", seen="",
    )  # fmt: skip


def leftovers(settings: Fetching) -> list[str]:
    return sorted(path.name for path in settings.folder.rglob("*") if path.is_file() and path.name != "a.gz")


@pytest.mark.parametrize(
    ("manners", "asked"),
    [
        pytest.param(Manners(BODY), [""], id="well-behaved"),
        pytest.param(Manners(BODY, cut=[1000, 200_000]), ["", "bytes=1000-", "bytes=201000-"], id="truncates twice"),
        pytest.param(Manners(BODY, stall=[5000]), ["", "bytes=5000-"], id="stalls"),
        pytest.param(Manners(BODY, codes=[500, 503]), ["", "", ""], id="500 and 503 pass"),
        pytest.param(Manners(BODY, codes=[429], retry_after="0"), ["", ""], id="429 with retry-after"),
        pytest.param(Manners(BODY, cut=[1000], ranges=False), ["", "bytes=1000-"], id="ignores ranges"),
        pytest.param(Manners(BODY, cut=[1000], etag=""), ["", ""], id="no version: starts over"),
        pytest.param(Manners(BODY, cut=[1000], etag='W/"v1"'), ["", ""], id="weak version: starts over"),
        pytest.param(Manners(BODY, claim=len(BODY) + 7), ["", f"bytes={len(BODY)}-"], id="claims too much, then 416"),
        pytest.param(Manners(BODY, chunked=True), [""], id="no length"),
        pytest.param(Manners(BODY, chunked=True, cut=[1]), ["", f"bytes={len(BODY)}-"], id="chunks break off"),
    ],
)
def test_the_whole_file_comes_in_spite_of(
    server: Served, settings: Fetching, manners: Manners, asked: list[str]
) -> None:
    server.paths["/a.gz"] = manners
    (path,) = fetch([source(f"{server.address}/a.gz")], settings=settings)
    assert path.read_bytes() == BODY
    assert server.asked["/a.gz"] == asked
    assert leftovers(settings) == []
    assert not settings.pins.exists(), "a published checksum needs no pin"


@pytest.mark.parametrize(
    ("manners", "message"),
    [
        pytest.param(Manners(BODY, codes=[403]), "HTTP 403 .*mirror", id="403"),
        pytest.param(Manners(BODY, codes=[404]), "HTTP 404 .*mend resources/atlases.tsv", id="404"),
        pytest.param(Manners(BODY, codes=[401]), "HTTP 401 .*login", id="401"),
        pytest.param(Manners(BODY, codes=[500] * 9), "HTTP 500 .*gave up after 3 tries", id="500 for ever"),
        pytest.param(Manners(BODY, codes=[429] * 9), "HTTP 429 .*gave up after 3 tries", id="429 for ever"),
        pytest.param(Manners(BODY, cut=[1000] * 9, ranges=False), "ended after 1,000 of .*gave up", id="truncated"),
        pytest.param(Manners(BODY, stall=[0] * 9), "silent for 0.4 seconds.*gave up", id="always stalls"),
        pytest.param(Manners(BODY[:-5] + b"wrong"), f"expected {SHA[7:]}: damaged", id="wrong checksum"),
        pytest.param(Manners(BODY, claim=1000), f"expected {SHA[7:]}: damaged", id="claims too little"),
        pytest.param(Manners(to="/a.gz"), "HTTP 302 ", id="redirects in a circle"),
        pytest.param(Manners(to="file:///etc/hostname"), "HTTP 302 ", id="redirects to the disk"),
    ],
)
def test_what_cannot_be_had_is_told_and_leaves_nothing_under_its_name(
    server: Served, settings: Fetching, manners: Manners, message: str
) -> None:
    server.paths["/a.gz"] = manners
    with pytest.raises(InputError, match=message) as error:
        fetch([source(f"{server.address}/a.gz")], settings=settings)
    assert "/a.gz" in str(error.value)
    assert not (settings.folder / "a" / "a.gz").exists()
    assert not settings.pins.exists()


def test_what_came_before_is_kept_for_the_next_time(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY, cut=[100_000, 0, 0, 0, 0])
    asked = source(f"{server.address}/a.gz")
    with pytest.raises(InputError, match="100,000 bytes are kept"):
        fetch([asked], settings=settings)
    server.paths["/a.gz"].cut = []
    (path,) = fetch([asked], settings=settings)
    assert server.asked["/a.gz"][-1] == "bytes=100000-"
    assert path.read_bytes() == BODY


def test_a_file_that_changed_in_between_is_not_stitched(server: Served, settings: Fetching) -> None:
    other = gzip.compress(b"the second version, longer by far" * 9999, mtime=0)
    server.paths["/a.gz"] = Manners(BODY, cut=[100_000, 0, 0, 0, 0])
    asked = source(f"{server.address}/a.gz", checksum="")
    with pytest.raises(InputError, match="gave up"):
        fetch([asked], settings=settings)
    server.paths["/a.gz"] = Manners(other, etag='"v2"')
    assert fetch([asked], settings=settings)[0].read_bytes() == other


def test_a_damaged_part_is_fetched_afresh(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY, cut=[100_000, 0, 0, 0, 0])
    asked = source(f"{server.address}/a.gz")
    with pytest.raises(InputError, match="gave up"):
        fetch([asked], settings=settings)
    part = settings.folder / "a" / ".a.gz.part"
    part.write_bytes(b"x" * 100_000)
    server.paths["/a.gz"].cut = []
    assert fetch([asked], settings=settings)[0].read_bytes() == BODY
    assert server.asked["/a.gz"][-2:] == ["bytes=100000-", ""]


def test_redirects_are_followed(server: Served, settings: Fetching) -> None:
    server.paths["/old"] = Manners(to=f"{server.address}/a.gz")
    server.paths["/a.gz"] = Manners(BODY, cut=[1000])
    assert fetch([source(f"{server.address}/old")], settings=settings)[0].read_bytes() == BODY
    assert server.asked["/a.gz"] == ["", "bytes=1000-"]


def test_the_first_use_pins_and_the_second_is_held_to_it(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY)
    asked = source(f"{server.address}/a.gz", checksum="")
    (path,) = fetch([asked], settings=settings)
    header, row = settings.pins.read_text().splitlines()
    assert header.split("\t")[:4] == ["name", "file", "size", "sha256"]
    assert row.split("\t")[:4] == ["a", "a.gz", str(len(BODY)), SHA[7:]]
    path.unlink()
    server.paths["/a.gz"] = Manners(gzip.compress(b"another version"))
    with pytest.raises(InputError, match="another version; delete it"):
        fetch([asked], settings=settings)
    assert not path.exists()


def test_a_file_that_is_there_is_checked_and_not_fetched(server: Served, settings: Fetching) -> None:
    path = settings.folder / "a" / "a.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert fetch([source(f"{server.address}/a.gz")], settings=settings) == [path]
    assert not server.asked
    path.write_bytes(BODY + b"x")
    with pytest.raises(InputError, match="the file there has sha256 "):
        fetch([source(f"{server.address}/a.gz")], settings=settings)


@pytest.mark.parametrize(
    ("file", "body", "message"),
    [
        ("a.gz", b"<!DOCTYPE html><p>Please log in", "a web page came instead of a .gz file"),
        ("a.gz", BODY[:-400], "cut short"),
        ("a.gz", BODY[:5000] + b"\0" * 50 + BODY[5050:], "damaged"),
        ("a.zip", b"PK\3\4 and no more", "damaged or cut short"),
        ("a.h5ad", b"\x89HDF\r\n\x1a\n and no more", "damaged or cut short"),
        ("a.h5ad", BODY, "a gzip file came instead of a .h5ad file"),
        ("a.txt", b"", "nothing came"),
    ],
)
def test_without_a_checksum_the_file_is_looked_through(
    server: Served, settings: Fetching, file: str, body: bytes, message: str
) -> None:
    server.paths["/x"] = Manners(body)
    with pytest.raises(InputError, match=message):
        fetch([source(f"{server.address}/x", file=file, checksum="")], settings=settings)
    assert [path for path in settings.folder.rglob("*") if path.is_file()] == []


def test_whole_archives_pass(server: Served, settings: Fetching, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x.tsv", "a\tb\n")
    server.paths["/x"] = Manners((tmp_path / "x.zip").read_bytes())
    (path,) = fetch([source(f"{server.address}/x", file="x.zip", checksum="")], settings=settings)
    assert zipfile.ZipFile(path).namelist() == ["x.tsv"]
    with h5py.File(tmp_path / "x.h5", "w") as handle:
        handle["x"] = [1, 2]
    server.paths["/h"] = Manners((tmp_path / "x.h5").read_bytes())
    (path,) = fetch([source(f"{server.address}/h", file="x.h5", checksum="")], settings=settings)
    assert path.read_bytes() == (tmp_path / "x.h5").read_bytes()


def test_a_size_that_differs_from_the_registry_is_told_before_the_file_comes(
    server: Served, settings: Fetching
) -> None:
    server.paths["/a.gz"] = Manners(BODY)
    with pytest.raises(InputError, match=r"the server says [\d,]+ bytes, the registry 12: the file has changed"):
        fetch([source(f"{server.address}/a.gz", size=12)], settings=settings)


def test_files_come_in_parallel_politely_and_one_failure_does_not_spoil_the_others(
    server: Served, settings: Fetching
) -> None:
    asked = []
    for number in range(6):
        server.paths[f"/{number}.gz"] = Manners(BODY, stall=[10_000])
        asked.append(source(f"{server.address}/{number}.gz", file=f"{number}.gz"))
    asked.append(source(f"{server.address}/absent.gz", file="absent.gz"))
    with pytest.raises(InputError, match=r"absent\.gz: HTTP 404") as error:
        fetch(asked, settings=settings)
    assert len(str(error.value).splitlines()) == 1
    assert sum(path.read_bytes() == BODY for path in (settings.folder / "a").glob("?.gz")) == 6
    assert server.agents == {"cartarget/0.1.0"}


def test_offline_needs_no_server(settings: Fetching, server: Served) -> None:
    offline = replace(settings, is_offline=True)
    with pytest.raises(InputError, match="absent, and offline; it comes from http"):
        fetch([source(f"{server.address}/a.gz")], settings=offline)
    path = settings.folder / "a" / "a.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert fetch([source(f"{server.address}/a.gz")], settings=offline) == [path]
    assert not server.asked


def test_a_mirror_stands_for_every_server(server: Served, settings: Fetching) -> None:
    server.paths["/example.invalid/b/a.gz"] = Manners(BODY)
    mirrored = replace(settings, mirror=server.address)
    assert fetch([source("https://example.invalid/b/a.gz")], settings=mirrored)[0].read_bytes() == BODY


def test_a_proxy_of_the_environment_is_used(
    server: Served, settings: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.delenv("no_proxy", raising=False)
    server.paths["http://example.invalid/a.gz"] = Manners(BODY)
    assert fetch([source("http://example.invalid/a.gz")], settings=settings)[0].read_bytes() == BODY


def test_nobody_answers(settings: Fetching) -> None:
    with serving() as server:
        address = server.address
    with pytest.raises(InputError, match=r"no connection .*gave up after 3 tries"):
        fetch([source(f"{address}/a.gz")], settings=settings)


def test_the_disk_is_looked_at_before_anything_is_asked(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY)
    with pytest.raises(InputError, match=r"GB are needed, .* GB are free"):
        fetch([source(f"{server.address}/a.gz", size=10**16)], settings=settings)
    assert not server.asked
    with pytest.raises(InputError, match="are needed"):
        check_room(Path(), 10**16)


def test_two_processes_fetch_one_file_once(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY, stall=[1000])
    code = (
        "from pathlib import Path; from cartarget.atlas.public.fetch import Fetching, fetch; "
        "from cartarget.atlas.public.transfer import Patience; from tests.atlas.test_fetch import source; "
        f"fetch([source('{server.address}/a.gz')], settings=Fetching(folder=Path('{settings.folder}'), "
        f"pins=Path('{settings.pins}'), patience=Patience(first=0.01, stall=0.5)))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (settings.folder / "a" / "a.gz").read_bytes() == BODY
    assert server.asked["/a.gz"] == ["", "bytes=1000-"]
    assert leftovers(settings) == []


def test_a_killed_fetch_goes_on_where_it_stopped(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(BODY, stall=[50_000])
    code = (
        "from pathlib import Path; from cartarget.atlas.public.fetch import Fetching, fetch; "
        "from tests.atlas.test_fetch import source; "
        f"fetch([source('{server.address}/a.gz')], settings=Fetching(folder=Path('{settings.folder}')))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    part = settings.folder / "a" / ".a.gz.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size == 50_000:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (settings.folder / "a" / "a.gz").exists()
    assert fetch([source(f"{server.address}/a.gz")], settings=settings)[0].read_bytes() == BODY
    assert server.asked["/a.gz"][-1] == "bytes=50000-"


def answer(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """An answer word for word."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def started(server: Served, settings: Fetching, *, body: bytes) -> Source:
    """A text of which 8 bytes of the first version have come, and the source to go on with."""
    asked = source(f"{server.address}/a.txt", file="a.txt", checksum="")
    server.paths["/a.txt"] = Manners(body, cut=[8, 0, 0, 0, 0])
    with pytest.raises(InputError, match="8 bytes are kept"):
        fetch([asked], settings=settings)
    server.paths["/a.txt"].cut = []
    return asked


OLD, NEW = b"old one, 20 bytes...", b"NEW ONE, 20 BYTES..."


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Content_Range": "bytes 8-19/20", "ETag": '"v2"'}, id="another tag"),
        pytest.param({"Content_Range": "bytes 8-19/20"}, id="no tag"),
        pytest.param({"Content_Range": "bytes 8-19/24", "ETag": '"v1"'}, id="another size"),
        pytest.param({"Content_Range": "bytes 0-19/20", "ETag": '"v1"'}, id="another range"),
        pytest.param({"Content_Range": "bytes \xb2-19/20", "ETag": '"v1"'}, id="no number"),
        pytest.param({"ETag": '"v1"'}, id="no range"),
    ],
)
def test_a_range_of_another_version_is_not_appended(
    server: Served, settings: Fetching, headers: dict[str, str]
) -> None:
    """The server ignores `If-Range`: what it sends is not what was begun, so the file starts over."""
    asked = started(server, settings, body=OLD)
    raw = answer(NEW[8:], status="206 Partial Content", Content_Length="12", **headers)
    server.paths["/a.txt"] = Manners(NEW, etag='"v2"', raw=[raw])
    assert fetch([asked], settings=settings)[0].read_bytes() == NEW
    assert server.asked["/a.txt"][-2:] == ["bytes=8-", ""]


def test_a_short_range_of_unknown_total_is_not_the_whole(server: Served, settings: Fetching) -> None:
    """4 of the 12 bytes that are missing, and a total of `*`: the file is told to have 20 bytes by its first answer."""
    asked = started(server, settings, body=OLD)
    tag = {"Content_Length": "4", "ETag": '"v1"'}
    server.paths["/a.txt"].raw = [answer(OLD[8:12], status="206 Partial", Content_Range="bytes 8-11/*", **tag)]
    assert fetch([asked], settings=settings)[0].read_bytes() == OLD
    assert server.asked["/a.txt"][-2:] == ["bytes=8-", "bytes=12-"]


def test_a_range_of_a_file_of_unknown_size_is_not_the_whole(server: Served, settings: Fetching) -> None:
    """The first answer was chunked and broke off; the second is a range of `*`. Nobody knows the end: start over."""
    first = answer(b"8\r\nold one,\r\n", Transfer_Encoding="chunked", ETag='"v1"')
    second = answer(OLD[8:12], status="206 Partial", Content_Range="bytes 8-11/*", Content_Length="4", ETag='"v1"')
    server.paths["/a.txt"] = Manners(OLD, raw=[first, second])
    asked = source(f"{server.address}/a.txt", file="a.txt", checksum="")
    assert fetch([asked], settings=settings)[0].read_bytes() == OLD
    assert server.asked["/a.txt"] == ["", "bytes=8-", ""]


def test_three_at_once_after_a_bad_answer(server: Served, settings: Fetching) -> None:
    """The first throws its web page away; the others wait for the lock meanwhile, and one of them brings the file."""
    server.paths["/a.gz"] = Manners(BODY, stall=[20_000], raw=[answer(b"<html>busy</html>", Content_Length="17")])
    asked = source(f"{server.address}/a.gz", checksum="")

    def one(_: int) -> str:
        try:
            return fetch([asked], settings=settings)[0].read_bytes().hex()
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(3) as pool:
        told = sorted(pool.map(one, range(3)), key=len)
    assert "a web page came instead of a .gz file" in told[0]
    assert told[1:] == [BODY.hex()] * 2
    assert leftovers(settings) == []


def test_a_redirect_leads_to_http_or_https_alone(server: Served, settings: Fetching) -> None:
    server.paths["/a.gz"] = Manners(to="ftp://127.0.0.1:1/a.gz")
    with pytest.raises(InputError, match=r"led to ftp://127.0.0.1:1/a.gz, which is neither http nor https"):
        fetch([source(f"{server.address}/a.gz")], settings=settings)


def test_no_hop_of_an_encrypted_way_is_open(
    server: Served, settings: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https to http to https: the end is encrypted, and all the same who stood between could have led elsewhere."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of the encrypted server")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out",
         "cert.pem", *names], cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with serving(certificate=tmp_path) as safe:
        safe.paths["/a.gz"] = Manners(BODY)
        safe.paths["/moved.gz"] = Manners(to=f"{safe.address}/a.gz")
        assert fetch([source(f"{safe.address}/moved.gz")], settings=settings)[0].read_bytes() == BODY
        server.paths["/open"] = Manners(to=f"{safe.address}/a.gz")
        safe.paths["/b.gz"] = Manners(to=f"{server.address}/open")
        with pytest.raises(InputError, match=r"led to http://.*/open, which is not encrypted; not followed"):
            fetch([source(f"{safe.address}/b.gz", file="b.gz")], settings=settings)
        assert not server.asked


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(
            answer(BODY, Content_Length=str(len(BODY)), Content_Encoding="gzip"), "packed the file", id="gzip"
        ),
        pytest.param(answer(b"a\tb\n", Content_Length="\xb2"), "expected a number of bytes", id="superscript"),
        pytest.param(answer(b"a\tb\n", Content_Length="9" * 5000), "expected a number of bytes", id="5,000 digits"),
        pytest.param(answer(b"a\tb\n", Content_Length="-4"), "expected a number of bytes", id="negative"),
        pytest.param(answer(b"a\tb\n", Content_Length="4, 4"), "expected a number of bytes", id="twice"),
        pytest.param(
            answer(b"\xef\xbb\xbf\n<!DOCTYPE html>", Content_Length="19"),
            "a web page came instead of a .tsv",
            id="page",
        ),
        pytest.param(answer(BODY, Content_Length=str(len(BODY))), "a gzip file came instead of a .tsv", id="packed"),
        pytest.param(answer(b"PK\3\4zip", Content_Length="7"), "a zip archive came instead of a .tsv", id="zip"),
        pytest.param(answer(b"\0\1\2\3", Content_Length="4"), "something else came instead of a .tsv", id="binary"),
    ],
)
def test_what_is_not_the_table_is_not_pinned(server: Served, settings: Fetching, raw: bytes, message: str) -> None:
    server.paths["/a.tsv"] = Manners(raw=[raw] * 3)
    with pytest.raises(InputError, match=message):
        fetch([source(f"{server.address}/a.tsv", file="a.tsv", checksum="")], settings=settings)
    assert [path for path in settings.folder.rglob("*") if path.is_file()] == []
    assert not settings.pins.exists()


@pytest.mark.parametrize(
    ("inner", "message"),
    [(b"\n <html><p>Please log in", "a web page came, packed as a .gz"), (BODY, "a gzip file came, packed as a .gz")],
)
def test_what_is_packed_is_looked_at_too(server: Served, settings: Fetching, inner: bytes, message: str) -> None:
    server.paths["/a.gz"] = Manners(gzip.compress(inner))
    with pytest.raises(InputError, match=message):
        fetch([source(f"{server.address}/a.gz", checksum="")], settings=settings)
    assert [path for path in settings.folder.rglob("*") if path.is_file()] == []


def test_a_gz_file_may_be_told_to_be_packed(server: Served, settings: Fetching) -> None:
    """Many servers say `Content-Encoding: gzip` of a .gz file as it is."""
    server.paths["/a.gz"] = Manners(raw=[answer(BODY, Content_Length=str(len(BODY)), Content_Encoding="gzip")])
    assert fetch([source(f"{server.address}/a.gz")], settings=settings)[0].read_bytes() == BODY


@pytest.mark.parametrize("size", [None, 100_000])
def test_a_body_without_end_is_bounded(
    server: Served, settings: Fetching, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr("cartarget.atlas.public.transfer.UNTOLD", 1_000_000)
    server.paths["/a.txt"] = Manners(endless=True)
    most = f"{size or 1_000_000:,}"
    with pytest.raises(InputError, match=f"more than {most} bytes came; nothing of it is kept"):
        fetch([source(f"{server.address}/a.txt", file="a.txt", checksum="", size=size)], settings=settings)
    assert [path for path in settings.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("said", ["\xb2", "9" * 5000, "-1", "soon", "Mon, 01 Jan 0001 00:00:00 GMT"])
def test_a_strange_time_to_wait_is_no_time(server: Served, settings: Fetching, said: str) -> None:
    server.paths["/a.gz"] = Manners(BODY, codes=[503], retry_after=said)
    assert fetch([source(f"{server.address}/a.gz")], settings=settings)[0].read_bytes() == BODY
