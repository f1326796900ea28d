"""What the report says of gates of three and more: what was searched, what is proven, and the few that gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from cartarget.contracts import read_table

SHOWN = 25
"""Rows of the report; the rest stand in `larger.tsv`."""
_COLUMNS = (
    "gate", "safety_class", "coverage", "liability", "liability_upper", "liability_population", "selectivity",
    "tissues_unmeasured", "best_member", "gain_selectivity",
)  # fmt: skip


def read_larger(run_dir: Path) -> dict[str, Any]:
    """Larger gates of a run, as the page shows them, and their `table`; `searched` is empty where none were asked for.

    Examples
    --------
    >>> read_larger(Path("absent"))
    {'searched': [], 'rows': [], 'n': 0, 'n_redundant': 0, 'table': None}
    """
    proof, path = run_dir / "work" / "larger.json", run_dir / "larger.parquet"
    if not (proof.is_file() and path.is_file()):
        return {"searched": [], "rows": [], "n": 0, "n_redundant": 0, "table": None}
    searched = json.loads(proof.read_text(encoding="utf-8"))["certificate"]
    table = read_table("gates", path)
    ranked = table[table["rank"].notna()].sort_values("rank").head(SHOWN)
    plain = ranked[list(_COLUMNS)].astype(object)
    return {
        "searched": searched,
        "rows": plain.where(pd.notna(plain), None).to_dict("records"),
        "n": len(table),
        "n_redundant": int(table["is_redundant"].sum()),
        "table": table if len(table) else None,
    }
