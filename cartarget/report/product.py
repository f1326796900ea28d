"""What the report says of the product behind an idea: constructs, who is missed, who is at risk, the panel."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from cartarget.contracts import TABLES, read_table

PARTS = ("hardware", "escape", "people", "panel")
"""Tables that a run may have; the page draws those that are there."""

_DESCRIBED = ("name", "kind", "title", "meaning", "unit")
_DIGITS = 4


def read_product(run_dir: Path, *, gates: Collection[str]) -> dict[str, Any]:
    """Rows of `PARTS` on some gates, and under `columns` what their columns mean; a part that is absent is left out.

    A table without a column `gate` is taken whole. What is missing is None, and numbers have four digits.

    Examples
    --------
    >>> read_product(Path("absent"), gates=["A & B"])
    {'columns': {}}
    """
    found: dict[str, Any] = {"columns": {}}
    for name in PARTS:
        path = run_dir / f"{name}.parquet"
        if name not in TABLES or not path.is_file():
            continue
        table = read_table(name, path)
        if "gate" in table:
            table = table[table["gate"].isin(set(gates))]
        found[name] = _records(table)
        found["columns"][name] = [{key: getattr(column, key) for key in _DESCRIBED} for column in TABLES[name]]
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    numbers = table.select_dtypes("float")
    plain = table.assign(**{name: numbers[name].round(_DIGITS) for name in numbers}).astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
