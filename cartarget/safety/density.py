"""How many molecules of an antigen a cell carries, where a source states it."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from cartarget.errors import InputError
from cartarget.safety.sourced import identified, one_of, read_sourced

DENSITIES = Path("resources") / "molecules_per_cell.tsv"
"""The table that comes with the package's sources."""

COLUMNS = ("symbol", "cells", "side", "what", "typical", "low", "high", "source", "source_title")
SIDES = ("tumor", "normal", "line")
"""Tumour cells of patients, normal cells, and cell lines."""
WHAT = ("molecules", "binding sites")
"""What was counted; an antibody with two arms may bind two molecules, so sites are not quite molecules."""


def read_densities(path: str | os.PathLike[str] = DENSITIES) -> pd.DataFrame:
    """Read how many molecules cells carry.

    Parameters
    ----------
    path
        Tab-separated with `COLUMNS`; `low` and `high` may be empty.

    Returns
    -------
    DataFrame
        `COLUMNS`, numbers as numbers, one row a statement of a source.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, a cell is empty or holds an unknown word, a source is no
        identifier, a number is none or not above zero, or `low`, `typical` and `high` are out of order.

    Examples
    --------
    >>> int(read_densities().set_index("symbol").loc["GPC2", "typical"])
    5000
    """
    frame = read_sourced(path, COLUMNS, may_be_empty=("low", "high"))
    identified(frame, ["source"], path)
    one_of(frame, "side", SIDES, path)
    one_of(frame, "what", WHAT, path)
    for name in ("typical", "low", "high"):
        values = pd.to_numeric(frame[name].replace("", None), errors="coerce").astype(float)
        wrong = frame.index[frame[name].ne("") & ~values.gt(0)]
        if len(wrong):
            found = frame[name][wrong[0]]
            raise InputError(f"{path}, line {wrong[0]}: {name} is {found!r}; expected a number above zero")
        frame[name] = values
    wrong = frame.index[(frame["low"] > frame["typical"]) | (frame["typical"] > frame["high"])]
    if len(wrong):
        raise InputError(f"{path}, line {wrong[0]}: low, typical and high are out of order; order them")
    return frame


def density_words(densities: pd.DataFrame) -> dict[str, str]:
    """What the sources say of each antigen, in words.

    Parameters
    ----------
    densities
        `read_densities`.

    Examples
    --------
    >>> density_words(read_densities())["GPC2"]
    'neuroblastoma: 5,000 molecules (1,000 to 6,000; PMID:34971569)'
    """
    found: dict[str, list[str]] = {}
    for row in densities.itertuples():
        ends = f"{row.low:,.0f} to {row.high:,.0f}; " if pd.notna(row.low) and pd.notna(row.high) else ""
        cells = f"{row.cells}{' (normal)' if row.side == 'normal' else ''}"
        found.setdefault(row.symbol, []).append(f"{cells}: {row.typical:,.0f} {row.what} ({ends}{row.source})")
    return {symbol: "; ".join(texts) for symbol, texts in found.items()}
