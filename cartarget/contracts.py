"""What each table may hold, checked; and tables on disk, whole, with the same bytes for the same rows."""

from __future__ import annotations

import os

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet

from cartarget.dictionary import CLASSES, TABLES, Column, columns
from cartarget.errors import InputError
from cartarget.files import whole

__all__ = ["CLASSES", "TABLES", "Column", "columns", "conform", "read_table", "write_table"]

_DTYPES: dict[str, str] = {
    "text": "string",
    "category": "category",
    "flag": "boolean",
    "count": "Int64",
    "fraction": "float64",
    "number": "float64",
}


def _schema(table: str) -> pa.DataFrameSchema:
    checks = {
        "fraction": [pa.Check.in_range(-1e-9, 1 + 1e-9)],
        "count": [pa.Check.ge(0)],
    }
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                _DTYPES[column.kind] if column.kind != "category" else None,
                checks=[pa.Check.isin(CLASSES)] if column.name == "safety_class" else checks.get(column.kind, []),
                nullable=column.nullable,
            )
            for column in TABLES[table]
        },
        strict=True,
        ordered=True,
    )


def conform(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Put a frame into a table's shape: its columns, their order and types; check the values.

    Missing nullable columns are added as missing values.

    Raises
    ------
    InputError
        A column is unknown, a required one is missing, or a value is out of range.

    Examples
    --------
    >>> conform("antigens", pd.DataFrame({"symbol": ["X"]}))
    Traceback (most recent call last):
    cartarget.errors.InputError: table antigens: column 'safety_class' is missing
    """
    known = columns(table)
    extra = [name for name in frame if name not in known]
    if extra:
        raise InputError(f"table {table}: column {extra[0]!r} is not in its contract (see cartarget/contracts.py)")
    data = {}
    for name, column in known.items():
        if name in frame:
            values = frame[name]
        elif column.nullable:
            blank = float("nan") if _DTYPES[column.kind] == "float64" else pd.NA
            values = pd.Series(blank, index=frame.index, dtype="object")
        else:
            raise InputError(f"table {table}: column {name!r} is missing")
        data[name] = values.astype(_DTYPES[column.kind])
    shaped = pd.DataFrame(data, index=frame.index).reset_index(drop=True)
    try:
        _schema(table).validate(shaped, lazy=False)
    except pa.errors.SchemaError as error:
        raise InputError(f"table {table}: {str(error).splitlines()[0]}") from error
    return shaped


def write_table(
    table: str, frame: pd.DataFrame, path: str | os.PathLike[str], *, tsv_rows: pd.Series | None = None
) -> None:
    """Write `PATH.parquet` and its `PATH.tsv` twin, whole or not at all.

    The bytes depend on the rows alone: no pandas metadata, fixed compression, row order as given.

    Parameters
    ----------
    table
        `antigens`, `gates` or `exposure`.
    frame
        Rows, any index; put into the table's shape first.
    path
        Path without a suffix.
    tsv_rows
        Boolean mask of the rows that the TSV twin holds. None: all.
    """
    shaped = conform(table, frame)
    with whole(f"{path}.parquet") as temporary:
        data = pyarrow.Table.from_pandas(shaped, preserve_index=False).replace_schema_metadata(None)
        pyarrow.parquet.write_table(data, temporary, compression="zstd", compression_level=6, version="2.6")
    rows = shaped if tsv_rows is None else shaped[tsv_rows.to_numpy(dtype=bool)]
    with whole(f"{path}.tsv") as temporary:
        rows.to_csv(temporary, sep="\t", index=False, float_format="%.6g", lineterminator="\n")


def read_table(table: str, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table back from its Parquet file, in its contract's shape."""
    return conform(table, pyarrow.parquet.read_table(path).to_pandas())
