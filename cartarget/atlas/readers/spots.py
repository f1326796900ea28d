"""Spots of a tissue section (Spatial Transcriptomics, as in her2st): counts, place and label of each.

A spot holds several cells. It is a mixture: it shows that a transcript is near, never that one cell carries two of
them, so spots are no atlas of observations and no gate is counted in them.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas.formats.tables import opened, read_numbers
from cartarget.errors import InputError

_NAME = re.compile(r"(\d+)x(\d+)")


@dataclass(frozen=True, eq=False)
class Spots:
    """Spots of one section.

    Attributes
    ----------
    counts
        Spots × genes, named.
    coordinates
        Spots × 2, in steps of the array (200 µm in Spatial Transcriptomics).
    label
        What a pathologist calls each spot; empty where the file has no label.
    n_without_counts
        Spots that have a place but no counts; they are left out.
    """

    counts: pd.DataFrame
    coordinates: NDArray[np.float64]
    label: pd.Series
    n_without_counts: int


def read_spots(counts: str | os.PathLike[str], coordinates: str | os.PathLike[str]) -> Spots:
    """Read the spots of one section.

    Parameters
    ----------
    counts
        Spots × genes, tab-separated, `.gz` or plain; the first column names each spot by its place, as `10x13`.
    coordinates
        Tab-separated, columns `x` and `y` (refined places, which round to that of the name) and, if it is there,
        `label`.

    Returns
    -------
    `Spots`, in the order of the counts.

    Raises
    ------
    InputError
        A file cannot be read, a column is missing, a place is no number, or a spot stands twice, is named otherwise, or
        has counts and no place.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "counts.tsv").write_text("\\tERBB2\\tCD4\\n1x2\\t3\\t0\\n2x2\\t0\\t1\\n")
    >>> _ = (folder / "places.tsv").write_text("x\\ty\\tlabel\\n0.98\\t2.01\\tinvasive cancer\\n2.0\\t2.0\\t\\n")
    >>> spots = read_spots(folder / "counts.tsv", folder / "places.tsv")
    >>> spots.counts["ERBB2"].tolist(), spots.coordinates.tolist(), spots.label.tolist()
    ([3.0, 0.0], [[0.98, 2.01], [2.0, 2.0]], ['invasive cancer', ''])
    """
    table = read_numbers(counts)
    names = table.labels.iloc[:, 0].astype(str).tolist()
    for number, name in enumerate(names, start=2):
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{counts}, line {number}: spot {name!r} is not named by its place; expected such as 10x13"
            )
    for twice in pd.Index(names)[pd.Index(names).duplicated()][:1]:
        raise InputError(f"{counts}: spot {twice!r} stands twice; keep one row")
    places = _places(coordinates)
    absent = [name for name in names if name not in places]
    if absent:
        raise InputError(f"{coordinates}: spot {absent[0]!r} of {counts} has no place; give the table of this section")
    found = [places[name] for name in names]
    return Spots(
        counts=pd.DataFrame(table.values.T, index=names, columns=table.columns),
        coordinates=np.array([place[:2] for place in found], dtype=np.float64).reshape(-1, 2),
        label=pd.Series([place[2] for place in found], index=names, dtype=object),
        n_without_counts=len(places) - len(names),
    )


def _places(path: str | os.PathLike[str]) -> dict[str, tuple[float, float, str]]:
    """Place and label by the name of the spot."""
    with opened(path) as handle:
        lines = handle.read().decode("utf-8-sig", errors="replace").splitlines()
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    for column in ("x", "y"):
        if column not in (rows.fieldnames or []):
            raise InputError(f"{path}, line 1: column {column!r} is missing; found {rows.fieldnames}")
    found: dict[str, tuple[float, float, str]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            x, y = float(row["x"]), float(row["y"])
            name = f"{round(x)}x{round(y)}"
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"{path}, line {number}: found x {row['x']!r}, y {row['y']!r}; expected two numbers"
            ) from None
        if name in found:
            raise InputError(f"{path}, line {number}: a second place rounds to spot {name!r}; keep one")
        found[name] = (x, y, (row.get("label") or "").strip())
    return found
