"""Controls of a run: where known targets rank, that housekeeping genes do not lead, and where chance would rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cartarget.selection.ranking import NEGATIVE, ranking_order

RANDOM_SHARE = 0.05
"""Share of random pairs that may fall among the leading gates before the run fails."""

MIN_POSITIVE = 3
"""Clinical targets among the candidates from which on they are judged as a group."""

COLUMNS = ("kind", "name", "expected", "rank", "n_ranked", "percentile", "passed", "note")


def leading(gates: pd.DataFrame) -> int:
    """How many gates lead: a tenth of the ranked ones, at least 5, at most 200."""
    return int(min(200, max(5, int(gates["rank"].notna().sum()) // 10)))


def control_report(
    antigens: pd.DataFrame,
    *,
    gates: pd.DataFrame,
    controls: pd.DataFrame,
    random: pd.DataFrame | None = None,
    absent: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Hold a run against its controls.

    - *Clinical* targets of the indication compete with the candidates. Each is expected among them; together
      (three or more) their median percentile is expected above one half.
    - *Housekeeping* and *intracellular* genes are scored outside the candidates; none may rank among the leading gates.
    - *Random pairs* of candidates: at most 5 % may rank among the leading gates, or what leads is what chance finds.

    Parameters
    ----------
    antigens, gates
        Tables of the run, best first.
    controls
        `symbol` and `kind` (`clinical`, `housekeeping`, `intracellular`).
    random
        Scored random pairs (:func:`cartarget.selection.null.random_pairs`).
    absent
        Why a control is not in the table of antigens, per symbol.

    Returns
    -------
    One row a control, then one for the clinical targets together and one for the random pairs: `kind`,
    `name`, `expected`, `rank` (among ranked antigens for clinical targets, else among ranked gates; missing if it does
    not compete), `n_ranked`, `percentile` (share of candidates, or of gates, behind it, in [0, 1]), `passed` (missing
    where there is nothing to judge) and `note`.

    Examples
    --------
    >>> antigens = pd.DataFrame({"symbol": ["A", "B", "ACTB"], "rank": [1, 2, None], "is_eligible": True,
    ...                          "safety_class": ["within caps", "over cap", "over cap"],
    ...                          "tissues_broken": ["", "lung", "lung"], "coverage": 0.9,
    ...                          "control": ["clinical", "", "housekeeping"]})
    >>> gates = pd.DataFrame({"gate": ["A", "A & B", "ACTB"], "rank": [1, 2, None]})
    >>> controls = pd.DataFrame({"symbol": ["A", "ACTB"], "kind": ["clinical", "housekeeping"]})
    >>> report = control_report(antigens, gates=gates, controls=controls)
    >>> report[["name", "rank", "percentile", "passed"]].values.tolist()
    [['A', 1, 1.0, True], ['ACTB', 3, 0.0, False], ['clinical targets together', <NA>, 1.0, <NA>]]
    >>> run_fails(report)
    'Controls failed: ACTB (housekeeping) would rank 3 of 2, among the gates that lead. ...'
    """
    rows = []
    for symbol, kind in zip(controls["symbol"], controls["kind"], strict=True):
        here = antigens[antigens["symbol"] == symbol]
        if here.empty:
            note = (absent or {}).get(symbol, "not among the antigens of this run")
            rows.append(_row(kind, symbol, gates, passed=None if kind in NEGATIVE else False, note=note))
        elif kind in NEGATIVE:
            rows.append(_negative(kind, here.iloc[0], gates))
        else:
            rows.append(_clinical(kind, here.iloc[0], antigens))
    rows += _group(rows) + ([] if random is None else [_random(random, gates)])
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"rank": "Int64", "n_ranked": "Int64", "percentile": "Float64", "passed": "boolean"})


def run_fails(report: pd.DataFrame) -> str:
    """One sentence for the top of a report whose controls fail; empty if they hold.

    A negative control that leads, clinical targets that together rank no better than the middle, none of them
    among the candidates, or random pairs that lead: each fails the run. One clinical target that is
    no candidate, or not measured, does not.

    Parameters
    ----------
    report
        From :func:`control_report`.
    """
    passed = report["passed"].astype("boolean").fillna(True).astype(bool)
    reasons = [
        f"{row.name} ({row.kind}) would rank {row.rank} of {row.n_ranked}, among the gates that lead"
        for row in report[report["kind"].isin(NEGATIVE) & ~passed].itertuples()
    ]
    clinical = report[(report["kind"] == "clinical") & (report["name"] != "clinical targets together")]
    if len(clinical) and not clinical["passed"].astype("boolean").fillna(False).any():
        reasons.append(f"none of the {len(clinical)} clinical targets is among the candidates")
    together = report[report["name"].isin(["clinical targets together", "random pairs"]) & ~passed]
    reasons += [str(row.note) for row in together.itertuples()]
    if not reasons:
        return ""
    return f"Controls failed: {'; '.join(reasons)}. Read this ranking as unproven."


def _row(kind: str, name: str, gates: pd.DataFrame, **more: Any) -> dict[str, Any]:
    negative = kind in NEGATIVE
    entry = dict.fromkeys(COLUMNS) | {"kind": kind, "name": name, "note": ""}
    entry["expected"] = f"behind the first {leading(gates)} gates" if negative else "among the candidates"
    return entry | more


def _negative(kind: str, row: pd.Series, gates: pd.DataFrame) -> dict[str, Any]:
    """A gene that must not lead: its place is that among the gates, whether or not it competes."""
    n = int(gates["rank"].notna().sum())
    found = np.flatnonzero((gates["gate"] == row["symbol"]).to_numpy())
    ahead = int(gates["rank"].notna().to_numpy()[: found[0]].sum()) if len(found) else n
    eligible = bool(row["is_eligible"])
    return _row(
        kind,
        row["symbol"],
        gates,
        rank=ahead + 1,
        n_ranked=n,
        percentile=(n - ahead) / n if n else None,
        passed=not eligible or ahead + 1 > leading(gates),
        note="where it would rank if it were a candidate" if eligible else "not eligible",
    )


def _clinical(kind: str, row: pd.Series, antigens: pd.DataFrame) -> dict[str, Any]:
    mine = antigens[~antigens["control"].isin(NEGATIVE)].reset_index(drop=True)
    position = int(np.flatnonzero((mine["symbol"] == row["symbol"]).to_numpy())[0])
    broken = row["tissues_broken"]
    note = f"{row['safety_class']}: {broken}" if isinstance(broken, str) and broken else str(row["safety_class"])
    if not row["is_eligible"]:
        note = f"coverage {row['coverage']:.2f} is below the floor; {note}"
    return dict.fromkeys(COLUMNS) | {
        "kind": kind,
        "name": row["symbol"],
        "expected": "among the candidates",
        "rank": None if pd.isna(row["rank"]) else int(row["rank"]),
        "n_ranked": int(antigens["rank"].notna().sum()),
        "percentile": 1 - position / (len(mine) - 1) if len(mine) > 1 else 1.0,
        "passed": True,
        "note": note,
    }


def _group(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The clinical targets together: their median percentile among the candidates."""
    found = [row["percentile"] for row in rows if row["kind"] == "clinical" and row["percentile"] is not None]
    if not found:
        return []
    median = float(np.median(found))
    judged = len(found) >= MIN_POSITIVE
    note = f"the {len(found)} clinical targets rank at a median percentile of {100 * median:.0f} among the candidates"
    return [
        dict.fromkeys(COLUMNS)
        | {
            "kind": "clinical",
            "name": "clinical targets together",
            "expected": "median percentile above 50",
            "percentile": median,
            "passed": median > 0.5 if judged else None,
            "note": note if judged else f"{note}; too few to judge",
        }
    ]


def _random(random: pd.DataFrame, gates: pd.DataFrame) -> dict[str, Any]:
    """Random pairs: the rank that the median one would take, and how many would lead."""
    lead, ranked = leading(gates), gates[gates["rank"].notna()]
    columns = ["gate", "is_eligible", "safety_class", "selectivity", "window", "is_protein_known", "n_antigens"]
    both = pd.concat([ranked[columns].assign(own=True), random[columns].assign(own=False)], ignore_index=True)
    own = both.loc[ranking_order(both), "own"].to_numpy(dtype=bool)
    ranks = np.cumsum(own)[~own] + 1
    share = float((ranks <= lead).mean()) if len(ranks) else 0.0
    median = int(np.median(ranks)) if len(ranks) else None
    return dict.fromkeys(COLUMNS) | {
        "kind": "random pairs",
        "name": "random pairs",
        "expected": f"at most {100 * RANDOM_SHARE:g} % among the first {lead} gates",
        "rank": median,
        "n_ranked": len(ranked),
        "percentile": float(1 - np.mean(ranks - 1) / max(len(ranked), 1)) if len(ranks) else None,
        "passed": share <= RANDOM_SHARE if len(ranks) else None,
        "note": f"{100 * share:.1f} % of {len(ranks)} random pairs would rank among the first {lead} gates; "
        f"{100 * float(random['is_eligible'].mean()):.0f} % are eligible",
    }
