"""Where public data come from: the registry `resources/atlases.tsv`, one row per file."""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from cartarget.errors import InputError
from cartarget.files import resource

SOURCES = Path("resources") / "atlases.tsv"
EVIDENCE = ("samples", "cells", "summary", "protein", "annotation")
"""What a file is evidence of: see the kinds of the atlas contract; `annotation` says what things are called."""

_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Source:
    """One file of a public atlas.

    Attributes
    ----------
    name, file
        The atlas, and what the file is called on disk: `<downloads>/<name>/<file>`. Both may be said once only.
    release, holds, unit
        Which version, what is in it, in what unit.
    address
        Where it is. `{value}` stands for what follows the colon in `NAME:VALUE`, `{tail}` for its last two letters.
    value
        What VALUE is, for a row whose address holds `{value}`.
    size, checksum
        Bytes, and `sha256:…` or `md5:…`, where they are published; else None and empty.
    licence, citation
        For the report.
    reader
        Reader of `cartarget.atlas.registry` that reads it; empty: no atlas of its own.
    evidence
        One of `EVIDENCE`.
    seen
        Where the address was seen in use: a documentation page or a public repository's code.
    """

    name: str
    file: str
    release: str
    holds: str
    unit: str
    address: str
    value: str
    size: int | None
    checksum: str
    licence: str
    citation: str
    reader: str
    evidence: str
    seen: str

    @property
    def is_template(self) -> bool:
        """Whether the row needs a VALUE."""
        return "{value}" in self.address

    def path(self, folder: str | os.PathLike[str]) -> Path:
        """Where the file lies under the folder of downloads."""
        return Path(folder) / self.name / self.file


def read_sources(path: str | os.PathLike[str] | None = None) -> tuple[Source, ...]:
    """Read and check the registry of public files.

    Parameters
    ----------
    path
        Tab-separated table with the columns of `Source`. None: `resources/atlases.tsv`.

    Returns
    -------
    tuple of Source
        In the order of the file.

    Raises
    ------
    InputError
        A column is missing, a name, file, address or licence is empty, two rows share one file, a checksum, size,
        address or kind of evidence is malformed; the message names the line.

    Examples
    --------
    >>> {"gtex_v8", "toil", "hgnc"} <= {source.name for source in read_sources()}
    True
    """
    path = resource(SOURCES) if path is None else Path(path)
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); install cartarget again") from None
    names = [field.name for field in fields(Source)]
    if not rows or rows[0] != names:
        raise InputError(f"{path}, line 1: found {rows[0] if rows else 'nothing'}; expected the columns {names}")
    sources, seen = [], set()
    for number, row in enumerate(rows[1:], start=2):
        source = _source(row, names=names, where=f"{path}, line {number}")
        if (source.name, source.file) in seen:
            raise InputError(f"{path}, line {number}: {source.name}/{source.file} stands twice; keep one row")
        seen.add((source.name, source.file))
        sources.append(source)
    return tuple(sources)


def _source(row: list[str], *, names: list[str], where: str) -> Source:
    if len(row) != len(names):
        raise InputError(f"{where}: found {len(row)} fields, expected {len(names)} as in the header; mend the row")
    cells = dict(zip(names, (cell.strip() for cell in row), strict=True))
    for key in ("name", "file", "holds", "address", "licence", "evidence"):
        if not cells[key]:
            raise InputError(f"{where}: {key} is empty; every file needs one")
    if not _VALUE.fullmatch(cells["name"]) or "/" in cells["file"] or cells["file"].startswith("."):
        raise InputError(f"{where}: name {cells['name']!r} and file {cells['file']!r} must be plain names")
    if not re.match(r"https?://[^/]+/", cells["address"]):
        raise InputError(f"{where}: address {cells['address']!r}; expected http:// or https://, host and path")
    if ("{value}" in cells["address"]) != bool(cells["value"]):
        raise InputError(f"{where}: `value` says what {{value}} in the address is; both or neither")
    if cells["checksum"] and not _CHECKSUM.fullmatch(cells["checksum"]):
        raise InputError(f"{where}: checksum {cells['checksum']!r}; expected sha256: and 64 or md5: and 32 hex digits")
    if cells["evidence"] not in EVIDENCE:
        raise InputError(f"{where}: evidence {cells['evidence']!r}; expected one of {', '.join(EVIDENCE)}")
    if cells["size"] and not cells["size"].isdigit():
        raise InputError(f"{where}: size {cells['size']!r}; expected a number of bytes, or nothing")
    size = cells.pop("size")
    return Source(**cells, size=int(size) if size else None)


def find_sources(name: str, *, sources: Sequence[Source]) -> tuple[Source, ...]:
    """The files of one atlas, with its VALUE filled in.

    Parameters
    ----------
    name
        `NAME`, `NAME/FILE` for one of its files, or `NAME:VALUE` where the registry's row asks for a value.
    sources
        The registry (`read_sources`).

    Raises
    ------
    InputError
        The name is unknown (the nearest is named), or a value is missing, malformed or not asked for.

    Examples
    --------
    >>> find_sources("gtex_v9", sources=read_sources())
    Traceback (most recent call last):
    cartarget.errors.InputError: no atlas 'gtex_v9' in resources/atlases.tsv; did you mean 'gtex_v8'? ...
    """
    head, _, value = name.partition(":")
    key, _, file = head.partition("/")
    found = [source for source in sources if source.name == key and file in ("", source.file)]
    if not found:
        known = list(dict.fromkeys(source.name for source in sources))
        inside = [source.file for source in sources if source.name == key]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"its files: {', '.join(inside)}" if inside else f"did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no atlas {head!r} in {SOURCES.as_posix()}; {hint} `cartarget atlas list` shows all")
    return tuple(_filled(source, value) for source in found)


def _filled(source: Source, value: str) -> Source:
    if source.is_template != bool(value):
        if value:
            raise InputError(f"{source.name}: takes no value, but {value!r} was given; write {source.name}")
        raise InputError(f"{source.name}: needs a value ({source.value}); write {source.name}:VALUE")
    if not value:
        return source
    if not _VALUE.fullmatch(value):
        raise InputError(f"{source.name}: {value!r} cannot be part of an address; expected {source.value}")
    filled = {"{value}": value, "{tail}": value[-2:]}
    address, file = source.address, source.file
    for mark, text in filled.items():
        address, file = address.replace(mark, text), file.replace(mark, text)
    return replace(source, address=address, file=file, value="")
