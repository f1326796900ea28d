"""What each table may hold, checked; and tables on disk, whole, with the same bytes for the same rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet

from cartarget.dictionary import CLASSES, TABLES, Column, columns
from cartarget.errors import InputError
from cartarget.files import as_plain_text, whole

__all__ = ["CLASSES", "TABLES", "Column", "columns", "conform", "read_table", "write_parts", "write_table"]

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
        raise InputError(f"table {table}: column {extra[0]!r} is not in its contract (see cartarget/columns.tsv)")
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


def write_table(table: str, frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write `PATH.parquet` and its `PATH.tsv` twin, whole or not at all.

    The bytes depend on the rows alone: no pandas metadata, fixed compression, row order as given.

    Parameters
    ----------
    table
        A table of `TABLES`, such as `antigens`.
    frame
        Rows, any index; put into the table's shape first.
    path
        Path without a suffix.
    """
    write_parts(table, [frame], path)


def write_parts(
    table: str,
    parts: Iterable[pd.DataFrame],
    path: str | os.PathLike[str],
    *,
    in_tsv: Callable[[pd.DataFrame], pd.Series] | None = None,
) -> None:
    """Write a table that comes in parts, as `write_table` does, with one part in memory at a time.

    The Parquet file holds every text as it is. In the TSV twin, which spreadsheets open, text that they would run as a
    formula begins with an apostrophe (:func:`cartarget.files.as_plain_text`).

    Parameters
    ----------
    table, path
        As for `write_table`.
    parts
        Frames, at least one; each becomes a row group.
    in_tsv
        Tells which rows of a part the TSV twin holds. None: all.
    """
    writer = None
    with whole(f"{path}.parquet") as columns, whole(f"{path}.tsv") as rows, open(rows, "w", encoding="utf-8") as text:
        for part in parts:
            shaped = conform(table, part)
            data = _arrow(table, shaped)
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(
                    columns, data.schema, compression="zstd", compression_level=6, version="2.6"
                )
            writer.write_table(data)
            shown = shaped if in_tsv is None else shaped[in_tsv(shaped).to_numpy(dtype=bool)]
            header = text.tell() == 0
            as_plain_text(shown).to_csv(
                text, sep="\t", index=False, float_format="%.6g", lineterminator="\n", header=header
            )
        if writer is not None:
            writer.close()


def _arrow(table: str, shaped: pd.DataFrame) -> pyarrow.Table:
    """The rows for Parquet: categories as dictionaries of one width, nothing of pandas kept."""
    data = pyarrow.Table.from_pandas(shaped, preserve_index=False).replace_schema_metadata(None)
    fields = [
        field.with_type(pyarrow.dictionary(pyarrow.int32(), pyarrow.string())) if column.kind == "category" else field
        for field, column in zip(data.schema, TABLES[table], strict=True)
    ]
    return data.cast(pyarrow.schema(fields))


def read_table(table: str, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table back from its Parquet file, in its contract's shape."""
    return conform(table, pyarrow.parquet.read_table(path).to_pandas())
