"""Errors of one person's sample, told without what identifies the person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from cartarget.atlas.formats.matrix import UNITS
from cartarget.errors import CartargetError, ConfigError, InputError

_WORDS = (
    "and cell cells column columns count counts donor false file folder gene genes give good low malignant matrix nan "
    "no none normal not number numbers obs or path patient people person primary run sample samples side symbol text "
    "the tissue true tumor tumour unknown values yes"
)
ORDINARY = frozenset((*_WORDS.split(), *(unit.casefold() for unit in UNITS)))
"""Words of our own messages, and units: as a value or as the name of a file they identify nobody."""

UNREADABLE = "the sample could not be read; run with --show-identifiers, which shows the whole error"
_HINT = " (… is withheld; --show-identifiers shows it)"
_LITERAL = re.compile(r"""(?<![^\W_])(['"])(?:\\.|(?!\1)[^\\])*\1""")
_STRAY = re.compile(r"""(?<![^\W_])'|\"""")


def described(path: Path) -> pd.DataFrame:
    """What a sample says of its cells: `obs`, or the tables beside `matrix.mtx`; empty where it cannot be read.

    Its reader says what is wrong with a file that is not read here.

    Examples
    --------
    >>> described(Path("absent.h5ad")).empty
    True
    """
    try:
        return _obs(path)
    except Exception:  # any damage: the reader meets it too, and tells it
        return pd.DataFrame()


def _obs(path: Path) -> pd.DataFrame:
    from cartarget.atlas.formats.hdf5 import probe
    from cartarget.atlas.formats.tables import read_header
    from cartarget.atlas.readers.h5ad import elem_of

    if path.suffix.lower() == ".zarr":
        import zarr

        return pd.DataFrame(elem_of(zarr.open_group(str(path), mode="r")["obs"]))
    if path.is_dir():
        found = [path / name for name in ("cells.tsv", "cells.tsv.gz", "barcodes.tsv", "barcodes.tsv.gz")]
        table = next(each for each in found if each.is_file())
        header = "infer" if table.name.startswith("cells") else None
        return pd.read_csv(table, sep="\t", dtype=str, index_col=0, header=header)
    if path.suffix.lower() == ".h5ad":
        import h5py

        if probe(path):
            return pd.DataFrame()
        with h5py.File(path, "r") as handle:
            return pd.DataFrame(elem_of(handle["obs"]))
    return pd.DataFrame(index=read_header(path))


def identifiers(path: Path) -> set[str]:
    """What may identify a person: names of cells and values of `obs`, the header of a table, the name of the file.

    Values of one character, numbers of fewer than four digits and ordinary words are none.

    Examples
    --------
    >>> sorted(identifiers(Path("Doe_Jane.h5ad")))
    ['Doe_Jane', 'Doe_Jane.h5ad']
    """
    table = described(path)
    held = {str(value).strip() for column in table for value in table[column].dropna().unique()}
    held |= {str(name).strip() for name in table.index}
    if path.is_dir():  # a table without a header has a cell where its columns are named
        held |= {str(name).strip() for name in (table.index.name, *table.columns)}
    return {text for text in (*held, path.stem, path.name) if _is_telling(text)}


def _is_telling(text: str) -> bool:
    if text.casefold() in ORDINARY or len(text) < 2:
        return False
    return not re.fullmatch(r"[-+]?\d{1,3}|[-+]?\d*\.\d*(e[-+]?\d+)?", text)


def without(told: str, names: set[str]) -> str:
    """A message without the names, and without anything that it quotes.

    A message in which a name or half a quotation would be left is replaced as a whole.

    Examples
    --------
    >>> without("the sample: found -3 in cell 'Doe 1'; the run's threshold", {"Doe 1"})
    "the sample: found -3 in cell …; the run's threshold (… is withheld; --show-identifiers shows it)"
    >>> without("the sample: Doe has no count", {"Doe"}) == UNREADABLE
    True
    """
    kept = told
    for name in sorted((name for name in names if name in told or repr(name)[1:-1] in told), key=len, reverse=True):
        for quoted in (repr(name), f"'{name}'", f'"{name}"'):
            kept = kept.replace(quoted, "…")
    kept = _LITERAL.sub("…", kept)
    is_left = any(re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", kept) for name in names if name in kept)
    if is_left or _STRAY.search(kept):
        return UNREADABLE
    return kept if kept == told else kept + _HINT


@contextmanager
def withheld(path: Path, *, name: str, show: bool) -> Iterator[None]:
    """Tell any error of the sample, read as the atlas `name`, as one of ours; unless asked, without what it quotes."""
    try:
        yield
    except Exception as error:
        told = str(error).replace(f"atlases.{name}.", "atlases.<the run's tumour>.")
        kind: Any = type(error) if isinstance(error, CartargetError) else InputError
        if show:
            ours = isinstance(error, CartargetError)
            raise kind(told if ours else f"{path}: cannot be read ({type(error).__name__}: {told})") from None
        if not isinstance(error, CartargetError):
            strange = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise InputError(f"the sample: cannot be read ({strange})") from None
        for text in (str(path.resolve()), str(path), path.resolve().as_posix(), path.name):
            told = told.replace(text, "the sample")
        raise (ConfigError if isinstance(error, ConfigError) else InputError)(
            without(told, identifiers(path))
        ) from None
