"""Sample sheets: a user's own atlases, one row each, as the `sheet` of a configuration names them."""

from __future__ import annotations

import csv
import difflib
import os
from pathlib import Path
from typing import Any

from cartarget.errors import InputError

_OWN = (
    "name", "reader", "path", "role", "unit", "tissue", "samples", "indications", "tumor", "normal", "nuclei",
    "call_doublets", "locations", "pipeline", "scaling", "purity", "transcripts", "background", "release",
    "licence", "citation",
)  # fmt: skip
_LABELS = {
    "malignant": "malignant", "malignant_values": "malignant_values", "normal_values": "normal_values",
    "exclude_values": "exclude_values", "donor": "donor", "donor_pattern": "donor_pattern", "cell_type": "cell_type",
    "tissue_column": "tissue", "lesion": "lesion",
}  # fmt: skip
_MANY = ("indications", "malignant_values", "normal_values", "exclude_values")
COLUMNS = (*_OWN, "assay", *_LABELS)
"""Columns that a sheet may have; `name` and `path` it must have."""

ASSAYS = {
    "bulk": ("rsem_counts", "xena", "gct", "recount3"),
    "single_cell": ("cell_table", "mtx", "tenx_h5", "h5ad", "zarr"),
    "summary": ("summary_table", "hpa_long", "gct"),
    "protein": ("ihc", "ihc_cancer", "cptac", "proteome", "citeseq"),
}
"""Assay → readers that may read it."""

_SUFFIXES = {".h5ad": "h5ad", ".zarr": "zarr", ".h5": "tenx_h5", ".gct": "gct"}


def read_rows(path: str | os.PathLike[str]) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a sample sheet, each with its place, as entries of `atlases` in a configuration would be.

    The file is tab-separated, one atlas in a row, columns from `COLUMNS`, lines with `#` passed over.
    `indications`, `malignant_values`, `normal_values` and `exclude_values` hold several values separated by `|`.
    `tissue_column` names the column of the tissue, `tissue` the tissue of all. Without a `reader` it is told by the
    file's ending (`.h5ad`, `.zarr`, `.h5`, `.gct`). `assay` (one of `ASSAYS`) is held against the reader.

    Raises
    ------
    InputError
        The file cannot be read, a column is unknown (the nearest is named), `name` or `path` is missing, a row is
        ragged, or assay and reader contradict each other; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> sheet = Path(tempfile.mkdtemp()) / "atlases.tsv"
    >>> _ = sheet.write_text("name\\tpath\\tmalignant\\nmine\\tcells.h5ad\\tlabel\\n")
    >>> [row for _, row in read_rows(sheet)]
    [{'name': 'mine', 'path': 'cells.h5ad', 'reader': 'h5ad', 'labels': {'malignant': 'label'}}]
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated sample sheet") from None
    numbered = [(n, row) for n, row in enumerate(rows, start=1) if any(row) and not row[0].startswith("#")]
    header = [name.strip() for name in numbered[0][1]] if numbered else []
    for name in header:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(COLUMNS)}"
            raise InputError(f"{path}, line {numbered[0][0]}: unknown column {name!r}; {hint}")
        if header.count(name) > 1:
            raise InputError(f"{path}, line {numbered[0][0]}: column {name!r} stands twice; delete one of the two")
    for name in ("name", "path"):
        if name not in header:
            raise InputError(f"{path}: column {name!r} is missing; a sheet has name and path, and more of {COLUMNS}")
    places = ((f"{path}, line {number}", row) for number, row in numbered[1:])
    return [(where, _atlas(row, header, where=where)) for where, row in places]


def _atlas(row: list[str], header: list[str], *, where: str) -> dict[str, Any]:
    if len(row) > len(header):
        raise InputError(f"{where}: found {len(row)} fields, expected {len(header)} as in the header; mend the row")
    filled = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
    cells: dict[str, Any] = {name: cell.split("|") if name in _MANY else cell for name, cell in filled.items()}
    for name in ("name", "path"):
        if name not in cells:
            raise InputError(f"{where}: {name} is empty; every atlas needs one")
    assay = cells.pop("assay", "")
    if "reader" not in cells:
        cells["reader"] = _reader(cells["path"], where)
    if assay and cells["reader"] not in ASSAYS.get(assay, ()):
        able = ", ".join(ASSAYS[assay]) if assay in ASSAYS else f"none: assay is one of {', '.join(ASSAYS)}"
        raise InputError(
            f"{where}: assay {assay!r} is not what reader {cells['reader']!r} reads; readers of it: {able}"
        )
    labels = {_LABELS[name]: cells.pop(name) for name in filled if name in _LABELS}
    return {**cells, "labels": labels}


def _reader(path: str, where: str) -> str:
    suffix = Path(path.removesuffix(".gz")).suffix
    if suffix not in _SUFFIXES:
        raise InputError(f"{where}: what reads {path!r} cannot be told by its ending; give its reader")
    return _SUFFIXES[suffix]
