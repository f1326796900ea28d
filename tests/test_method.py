"""`docs/method.md` explains every number of every table."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.dictionary import TABLES

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "method.md").read_text(encoding="utf-8")
NUMBERS = sorted(
    {column.name for table in TABLES.values() for column in table if column.kind in ("fraction", "number", "flag")}
)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE, f"docs/method.md does not say what {name} is"
