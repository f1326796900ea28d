"""What the report says of the product behind an idea: constructs, who is missed, who is at risk, the panel."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from cartarget.contracts import read_table

PARTS = {"hardware": "hardware", "escape": "escape", "people": "people", "panel": "panel/panel"}
"""Tables that a run may have, and where; the page draws those that are there."""

_DIGITS = 4


def read_product(run_dir: Path, *, gates: Collection[str]) -> dict[str, Any]:
    """Rows of `PARTS` on some gates; a part that is absent is left out.

    A table without a column `gate` is taken whole; of patients only those of whom it is known what is left. What is
    missing is None, and numbers have four digits.

    Examples
    --------
    >>> read_product(Path("absent"), gates=["A & B"])
    {}
    """
    found: dict[str, Any] = {}
    for name, place in PARTS.items():
        path = run_dir / f"{place}.parquet"
        if not path.is_file():
            continue
        table = read_table(name, path)
        if "gate" in table:
            table = table[table["gate"].isin(set(gates))]
        if name == "escape":
            table = table[table["patient"].eq("all") | table["left"].notna()]
        found[name] = _records(table)
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    numbers = table.select_dtypes("float")
    plain = table.assign(**{name: numbers[name].round(_DIGITS) for name in numbers}).astype(object)
    return plain.where(plain.notna(), None).to_dict("records")
