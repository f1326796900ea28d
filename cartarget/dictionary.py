"""The dictionary of columns: what each column of each table is called, means, and how to read it.

The entries are data (`columns.tsv`): one line a column, with the tables that have it. They feed the checks of
`contracts`, the headers of the report and the documentation.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, cast

Kind = Literal["text", "category", "flag", "count", "fraction", "number"]

CLASSES = ("within caps", "origin only", "unknown", "over cap")
"""Safety classes in the order in which they rank."""


@dataclass(frozen=True)
class Column:
    """One column: its name, its kind and what it means to a reader.

    `better` is `higher`, `lower` or empty where neither is better.
    """

    name: str
    kind: Kind
    title: str
    meaning: str
    unit: str = ""
    better: str = ""
    formula: str = ""
    nullable: bool = True


def _read() -> dict[str, tuple[Column, ...]]:
    tables: dict[str, list[Column]] = {}
    text = files("cartarget").joinpath("columns.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        column = Column(
            name=row["name"],
            kind=cast("Kind", row["kind"]),
            title=row["title"],
            meaning=row["meaning"],
            unit=row["unit"],
            better=row["better"],
            formula=row["formula"],
            nullable=row["is_nullable"] == "yes",
        )
        for table in row["tables"].split("|"):
            tables.setdefault(table, []).append(column)
    return {table: tuple(found) for table, found in tables.items()}


TABLES: dict[str, tuple[Column, ...]] = _read()
"""The columns of each table, in order."""


def columns(table: str) -> dict[str, Column]:
    """The columns of a table by name, in order.

    Examples
    --------
    >>> columns("antigens")["coverage"].better
    'higher'
    """
    return {column.name: column for column in TABLES[table]}
