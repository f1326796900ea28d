"""Would expression have warned? Known harm on target: how often the organ is among the first of its antigen's tissues.

Reads the record of a run (default results/rectal): `python benchmarks/known_harm.py [RUN_FOLDER]`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from cartarget.safety.toxicity import recall


def main() -> None:
    """Print counts at 1, 3, 5 and 10 per kind of evidence, and why the rest cannot be seen."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/rectal")
    path = folder / "summary.json"
    if not path.exists():
        print(f"{path}: absent; run `cartarget run config/examples/rectal.yaml` first")
        return
    table = pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["regression"])
    for evidence, rows in table.groupby("evidence", sort=True):
        counts = recall(rows)
        found = ", ".join(f"{k}: {n}" for k, n in zip(counts["at"], counts["n_found"], strict=True))
        unseen = rows.loc[rows["rank"].isna(), "reason"].value_counts()
        why = "; ".join(f"{reason} ({n})" for reason, n in sorted(unseen.items()))
        print(f"{evidence}: {len(rows)} events, {counts['n_visible'].iloc[0]} visible; among the first {found}")
        print(f"  not visible: {why or 'none'}")


if __name__ == "__main__":
    main()
