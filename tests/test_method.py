"""`docs/method.md` and `docs/product.md` explain every number of every table."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartarget.dictionary import TABLES

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("method.md", "product.md"))
NUMBERS = sorted(
    {column.name for table in TABLES.values() for column in table if column.kind in ("fraction", "number", "flag")}
)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE, f"neither docs/method.md nor docs/product.md says what {name} is"
