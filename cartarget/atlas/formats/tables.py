"""Wide tables of numbers, gene by gene, read fast and checked; every error names file and line."""

from __future__ import annotations

import gzip
import itertools
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute
import pyarrow.csv

from cartarget.atlas.formats.bounded import bounded, most_unpacked
from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve

# Headers (lower case) of columns that name genes rather than hold numbers; the first column always does.
_SYMBOLS = {"gene", "gene.name", "gene_name", "gene name", "gene_id", "gene_symbol", "symbol", "hugo_symbol"}
_IDS = {"ensembl", "ensembl_gene", "ensembl_gene_id", "entrez", "entrez_gene_id", "ncbi_gene_id"}
_NO_ROW = "no row below the header; expected one line per gene"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|NaN|inf|Inf|infinity|Infinity)")


@dataclass(frozen=True)
class NumberTable:
    """A wide table: what stands for each row, the columns' names, and the numbers, one row per *column* of the file.

    Attributes
    ----------
    labels
        Text columns, one row per row of the file.
    columns
        Names of the number columns (samples, tissues, cell types), unique.
    values
        Columns × rows, float32: observations × genes.
    """

    labels: pd.DataFrame
    columns: list[str]
    values: np.ndarray


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a text for reading bytes, decompressed when its name ends in `.gz`, or in `.zip` (with one file in it).

    Raises
    ------
    InputError
        The file is absent, cannot be read, or (while it is read) its gzip stream is truncated or damaged, it unpacks to
        more than 200 times its size, or a line has no end within 64 MB.

    Examples
    --------
    >>> with opened("absent.tsv") as handle:
    ...     handle.read()
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.tsv: no such file...
    """
    try:
        if str(path).endswith(".zip"):
            with zipfile.ZipFile(path) as archive, _inside(archive, path) as handle:
                yield bounded(handle, path, most=most_unpacked(path))
                return
        is_packed = str(path).endswith(".gz")
        with gzip.open(path, "rb") if is_packed else open(path, "rb") as handle:
            yield bounded(handle, path, most=most_unpacked(path) if is_packed else None)  # type: ignore[arg-type]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check data_dir and the atlas's path") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: truncated or damaged gzip ({error}); fetch the file again") from None
    except (zipfile.BadZipFile, lzma.LZMAError, struct.error, NotImplementedError) as error:
        raise InputError(f"{path}: truncated or damaged zip ({error}); fetch the file again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _inside(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> IO[bytes]:
    """The one file of an archive, opened."""
    inside = [item for item in archive.infolist() if not item.is_dir()]
    if len(inside) != 1 or inside[0].flag_bits & 1:
        raise InputError(f"{path}: holds {len(inside)} files or is encrypted; expected one file")
    try:
        return archive.open(inside[0])
    except (UnicodeDecodeError, RuntimeError) as error:
        raise zipfile.BadZipFile(str(error)) from None


def read_header(path: str | os.PathLike[str]) -> list[str]:
    """The names in a table's first line, without reading the rest.

    Raises
    ------
    InputError
        The file cannot be read, is empty, or two columns have one name.
    """
    with opened(path) as handle:
        return _header(handle.readline(), path)


def _header(line: bytes, path: str | os.PathLike[str]) -> list[str]:
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}, line 1: not text in UTF-8; expected a table with a header") from None
    if not text.strip():
        raise InputError(f"{path}, line 1: the header is empty; expected names of genes and columns")
    names = [name.strip().strip('"') for name in text.split(_delimiter(line))]
    if names[-1] == "" and len(names) > 2:  # a delimiter that ends every line
        names.pop()
    if len(names) < 2:
        raise InputError(
            f"{path}, line 1: found one column {names[0][:40]!r}; expected a tab- or comma-separated table"
        )
    if len(names) > 2 and names[0] == names[1] and names[1].lower() in _SYMBOLS | _IDS:  # "Gene", "Gene": symbol and id
        names[1] = "gene_id"
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}, line 1: column {name!r} stands twice; each sample needs its own name")
        seen.add(name)
    return names


def _delimiter(line: bytes) -> str:
    return "\t" if b"\t" in line else ","


def label_columns(header: list[str]) -> int:
    """How many leading columns name the gene.

    Examples
    --------
    >>> label_columns(["Hugo_Symbol", "Entrez_Gene_Id", "TCGA-AF-2689-11A"])
    2
    >>> label_columns(["", "acinar", "ductal"])
    1
    """
    n = 1
    while n < len(header) and header[n].lower() in _SYMBOLS | _IDS:
        n += 1
    return n


def read_numbers(path: str | os.PathLike[str], *, may_miss: bool = False) -> NumberTable:
    """Read a wide table: leading columns that name the gene, then one column of numbers per sample, tissue or type.

    Parameters
    ----------
    path
        Tab- or comma-separated text, gzip or plain. The first column, and those after it that are headed like a
        gene's name or id, are labels.
    may_miss
        Whether empty fields, `NA` and `NaN` mean *not measured* (NaN); otherwise they are errors.

    Returns
    -------
    NumberTable
        Labels as text, stripped; numbers as float32, finite and not negative (or NaN if `may_miss`).

    Raises
    ------
    InputError
        Unreadable file, duplicate columns, ragged rows, text where a number belongs, NaN, negative or infinite
        values, or no row at all; the message names file and line.
    """
    with opened(path) as handle:
        first = handle.readline()
        names = _header(first, path)
        n_labels = label_columns(names)
        if len(names) == n_labels:
            raise InputError(f"{path}, line 1: no column of numbers; found only {', '.join(map(repr, names))}")
        delimiter = _delimiter(first)
        is_ended = first.rstrip(b"\r\n").endswith(delimiter.encode())  # one empty field more in every line
        table = _parse(
            handle,
            path=path,
            numbers=range(n_labels, len(names)),
            n=len(names) + is_ended,
            delimiter=delimiter,
            null=["", "NA", "NaN", "nan"] if may_miss else [],
        )
    for row in np.flatnonzero(table.column(len(names)).to_numpy() != "")[:1] if is_ended else ():
        raise InputError(
            f"{path}, line {_line(path, row)}: found one field more than the header has names; mend the row"
        )
    values = np.empty((len(names) - n_labels, table.num_rows), dtype=np.float32)
    for row in range(len(values)):
        values[row] = table.column(n_labels + row).to_numpy()
    _check(values, path=path, columns=names[n_labels:], may_miss=may_miss)
    labels = {names[i]: _text(table.column(i)) for i in range(n_labels)}
    return NumberTable(pd.DataFrame(labels, dtype=object), names[n_labels:], values)


def _text(column: pyarrow.ChunkedArray) -> np.ndarray:
    trimmed = pyarrow.compute.utf8_trim_whitespace(column)
    return pyarrow.compute.utf8_trim(trimmed, characters='"').to_numpy()


def _parse(
    handle: IO[bytes], *, path: str | os.PathLike[str], numbers: range, n: int, delimiter: str, null: list[str]
) -> pyarrow.Table:
    """The lines below the header: `n` columns, float32 where `numbers` says, else text."""
    types = {f"c{i}": pyarrow.float32() if i in numbers else pyarrow.string() for i in range(n)}
    try:
        table = pyarrow.csv.read_csv(
            handle,
            read_options=pyarrow.csv.ReadOptions(column_names=list(types), use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types, null_values=null),
            memory_pool=pyarrow.system_memory_pool(),
        )
    except pyarrow.ArrowInvalid as error:
        if "Empty" in str(error):
            raise InputError(f"{path}: {_NO_ROW}") from None
        where = _explain(path, numbers=numbers, n=n, delimiter=delimiter, null=null)
        raise InputError(f"{path}{where or f': cannot be read as a table ({error})'}") from None
    if not table.num_rows:
        raise InputError(f"{path}: {_NO_ROW}")
    return table


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """Numbers and contents of the lines below the header that are not blank, as the parser counts them."""
    with opened(path) as handle:
        for number, line in enumerate(handle, start=1):
            if number > 1 and line.strip(b"\r\n"):
                yield number, line


def _line(path: str | os.PathLike[str], row: int) -> int:
    """Number of the line that holds a row."""
    return next(itertools.islice(_lines(path), int(row), None))[0]


def _explain(path: str | os.PathLike[str], *, numbers: range, n: int, delimiter: str, null: list[str]) -> str:
    """Find the first line that cannot be read, and say why (only ever run on a broken file)."""
    for number, line in _lines(path):
        try:
            fields = line.decode("utf-8").rstrip("\r\n").split(delimiter)
        except UnicodeDecodeError:
            return f", line {number}: not text in UTF-8"
        if len(fields) != n:
            return f", line {number}: found {len(fields)} fields, expected {n} as in the header; mend the row"
        for field in (fields[i].strip() for i in numbers):
            if field not in null and not _NUMBER.fullmatch(field):
                kind = "nothing" if not field else repr(field[:40])
                return f", line {number}: found {kind} where a number belongs; expected digits such as 12.5"
    return ""


def _check(values: np.ndarray, *, path: str | os.PathLike[str], columns: list[str], may_miss: bool) -> None:
    """Numbers are finite and not negative; NaN only where it may mean *not measured*."""
    with np.errstate(invalid="ignore"):
        if values.min() >= 0 and values.max() < np.inf:
            return
        bad = ~((values >= 0) & (values < np.inf))
    if may_miss:
        bad &= ~np.isnan(values)
    if not bad.any():
        return
    row = int(np.flatnonzero(bad.any(axis=0))[0])
    column = int(np.flatnonzero(bad[:, row])[0])
    found = values[column, row]
    hint = "log ratios and other signed scales cannot be counted" if found < 0 else "every value must be finite"
    raise InputError(
        f"{path}, line {_line(path, row)}: found {found:g} in column {columns[column]!r}; "
        f"expected a number of zero or more ({hint})"
    )


def resolve_labels(labels: pd.DataFrame, *, genes: GeneTable | None) -> pd.DataFrame:
    """Resolve a table's label columns, each told by what it holds: Ensembl ids, Entrez ids, or symbols.

    Without a gene table the column of symbols is taken as given, or the first column if there is none.

    Examples
    --------
    >>> labels = pd.DataFrame({"Gene": ["ENSG00000119888"], "Gene.name": ["EPCAM"]})
    >>> resolve_labels(labels, genes=None)["symbol"].tolist()
    ['EPCAM']
    """
    ids: dict[str, pd.Series] = {}
    names = []
    for column in labels:
        text = pyarrow.array(labels[column].tolist(), pyarrow.string())
        if pyarrow.compute.all(pyarrow.compute.match_substring_regex(text, r"^\d*$")).as_py():
            ids["entrez"] = labels[column]
        elif pyarrow.compute.any(pyarrow.compute.starts_with(text, "ENSG")).as_py() and "ids" not in ids:
            ids["ids"] = labels[column]
        else:
            names.append(labels[column])
    return resolve(names[0] if names else labels.iloc[:, 0], table=genes, **ids)
