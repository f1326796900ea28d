"""Large text matrices, line by line: unpacked in one thread while another reads, and never held whole."""

from __future__ import annotations

import os
import queue
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from cartarget.atlas.formats.bounded import LONGEST, most_unpacked, too_much
from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError

BLOCK = 1 << 20


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """Number and content (without its end) of each line of a plain, `.gz` or `.zip` file; blank lines are passed over.

    Unpacking runs ahead in a thread of its own, a few megabytes at most. A `.zip` holds one file.

    Raises
    ------
    InputError
        The file is absent, cannot be read, is cut short or damaged, unpacks to more than 200 times its size, or is no
        text of lines.

    Examples
    --------
    >>> next(lines("absent.tsv"))
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.tsv: no such file...
    """
    number, carry = 0, b""
    for block in _ahead(_unpacked(Path(path))):
        pieces = (carry + block).split(b"\n")
        carry = pieces.pop()
        if len(carry) > LONGEST:
            raise InputError(f"{path}, line {number + 1}: no end of line within {LONGEST >> 20} MB; expected a table")
        for piece in pieces:
            number += 1
            if piece and piece != b"\r":
                yield number, piece.rstrip(b"\r")
    if carry.strip(b"\r"):
        yield number + 1, carry.rstrip(b"\r")


def _unpacked(path: Path) -> Iterator[bytes]:
    try:
        if path.suffix == ".zip":
            yield from _from_zip(path)
        else:
            with open(path, "rb") as handle:
                blocks = iter(lambda: handle.read(BLOCK), b"")
                yield from _within(_from_gzip(blocks, path), path) if path.suffix == ".gz" else blocks
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check data_dir and the atlas's path, or fetch it") from None
    except zlib.error as error:
        raise InputError(f"{path}: truncated or damaged ({error}); fetch the file again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _within(blocks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The same blocks, as long as they are not more than the file may unpack to."""
    most, here = most_unpacked(path), 0
    for block in blocks:
        here += len(block)
        if here > most:
            raise too_much(path, most)
        yield block


def _from_gzip(blocks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The content of a gzip file, which may be several streams in a row and end in zeros."""
    unpack, is_open = zlib.decompressobj(31), False
    for block in blocks:
        while block:
            if not is_open:
                block = block.lstrip(b"\0")
                is_open = bool(block)
            if not block:
                break
            yield unpack.decompress(block, 4 * BLOCK)
            while not unpack.eof and unpack.unconsumed_tail:
                yield unpack.decompress(unpack.unconsumed_tail, 4 * BLOCK)
            block = unpack.unused_data
            if unpack.eof:
                unpack, is_open = zlib.decompressobj(31), False
    if is_open:
        raise InputError(f"{path}: the gzip stream is cut short; fetch the file again")


def _from_zip(path: Path) -> Iterator[bytes]:
    with opened(path) as handle:
        yield from iter(lambda: handle.read(BLOCK), b"")


def _ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same blocks, made in a thread a few steps ahead."""
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=4)
    stop = threading.Event()

    def put(item: bytes | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for block in blocks:
                if not put(block):
                    return
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
