"""A sheet of an `.xlsx` file as rows of text; enough for supplementary tables, and no more."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree

from cartarget.errors import InputError

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
LARGEST = 512 << 20
"""Bytes that a part of the file may unpack to."""
SMALL = 16 << 20
"""Bytes that the list of sheets may unpack to."""
PARTS = 1_000_000
"""XML elements that a row may have; a sheet has 16,384 columns."""
CELLS = 5_000_000
"""Cells that a sheet may have, the empty ones before a filled one included."""


def read_sheet(path: str | os.PathLike[str], *, sheet: str | None = None) -> list[list[str]]:
    """The rows of a sheet, each as long as its last filled cell.

    Parameters
    ----------
    path
        An `.xlsx` file.
    sheet
        The sheet's name. None: the first.

    Raises
    ------
    InputError
        The file is no workbook, is damaged, has more than five million cells, or has no such sheet (those it has are
        named).

    Examples
    --------
    >>> read_sheet("absent.xlsx")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.xlsx: cannot be read as a workbook ...
    """
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _shared(archive)
            return list(_within(_rows(archive, _sheet_name(archive, path, sheet), texts), path))
    except InputError:
        raise
    except (OSError, EOFError, LookupError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, StopIteration,
            ElementTree.ParseError) as error:  # fmt: skip
        raise InputError(f"{path}: cannot be read as a workbook ({error}); fetch it again") from None


def _within(rows: Iterator[list[str]], path: str | os.PathLike[str]) -> Iterator[list[str]]:
    n = 0
    for row in rows:
        n += len(row) + 1
        if n > CELLS:
            raise InputError(f"{path}: more than {CELLS:,} cells; no supplementary table has them: fetch it again")
        yield row


def _items(archive: zipfile.ZipFile, name: str, tag: str) -> Iterator[ElementTree.Element]:
    """Elements of a part one by one; each is forgotten once the next is asked for, and all else at once."""
    if archive.getinfo(name).file_size > LARGEST:
        raise zipfile.BadZipFile(f"{name} is larger than {LARGEST >> 20} MB")
    above: list[ElementTree.Element] = []
    first: ElementTree.Element | None = None
    parts = 0
    with archive.open(name) as handle:
        for event, item in ElementTree.iterparse(handle, events=("start", "end")):
            if event == "start":
                above.append(item)
                first = item if first is None and item.tag == tag else first
                parts += first is not None
                if parts > PARTS:
                    raise zipfile.BadZipFile(f"{name} has a {tag.removeprefix(_MAIN)} of more than {PARTS:,} parts")
                continue
            above.pop()
            if first is not None and item is first:
                yield first
                first, parts = None, 0
            if first is None and above:
                above[-1].remove(item)


def _shared(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    items = _items(archive, "xl/sharedStrings.xml", f"{_MAIN}si")
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in items]


def _rows(archive: zipfile.ZipFile, name: str, texts: list[str]) -> Iterator[list[str]]:
    return (_row(row, texts) for row in _items(archive, name, f"{_MAIN}row"))


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > SMALL:
        raise zipfile.BadZipFile(f"{name} is larger than {SMALL >> 20} MB")
    return ElementTree.fromstring(archive.read(name))


def _sheet_name(archive: zipfile.ZipFile, path: str | os.PathLike[str], sheet: str | None) -> str:
    links = {link.get("Id"): link.get("Target", "") for link in _part(archive, "xl/_rels/workbook.xml.rels")}
    sheets = {item.get("name"): item.get(_LINK) for item in _part(archive, "xl/workbook.xml").iter(f"{_MAIN}sheet")}
    if sheet is not None and sheet not in sheets:
        raise InputError(f"{path}: no sheet {sheet!r}; its sheets: {', '.join(map(str, sheets))}")
    target = links[sheets[sheet] if sheet is not None else next(iter(sheets.values()))]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _row(row: ElementTree.Element, texts: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_MAIN}c"):
        letters = re.match(r"[A-Z]+", cell.get("r", ""))
        at = _column(letters[0]) if letters else len(cells)
        cells += [""] * (min(at, 16_384) - len(cells))
        value = cell.find(f"{_MAIN}v")
        text = (value.text or "") if value is not None else "".join(part.text or "" for part in cell.iter(f"{_MAIN}t"))
        if cell.get("t") == "s" and text.isdigit() and int(text) < len(texts):
            text = texts[int(text)]
        cells.append(text.strip())
    return cells


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
