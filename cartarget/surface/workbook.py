"""A sheet of an `.xlsx` file as rows of text; enough for supplementary tables, and no more."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from xml.etree import ElementTree

from cartarget.errors import InputError

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LINK = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
LARGEST = 512 << 20
"""Bytes that a part of the file may unpack to."""


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
        The file is no workbook, is damaged, or has no such sheet (those it has are named).

    Examples
    --------
    >>> read_sheet("absent.xlsx")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.xlsx: cannot be read as a workbook ...
    """
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _shared(archive)
            root = _part(archive, _sheet_name(archive, path, sheet))
    except InputError:
        raise
    except (OSError, EOFError, LookupError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, StopIteration,
            ElementTree.ParseError) as error:  # fmt: skip
        raise InputError(f"{path}: cannot be read as a workbook ({error}); fetch it again") from None
    return [_row(row, texts) for row in root.iter(f"{_MAIN}row")]


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > LARGEST:
        raise zipfile.BadZipFile(f"{name} is too large")
    return ElementTree.fromstring(archive.read(name))


def _shared(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = _part(archive, "xl/sharedStrings.xml")
    return ["".join(text.text or "" for text in item.iter(f"{_MAIN}t")) for item in root.iter(f"{_MAIN}si")]


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
