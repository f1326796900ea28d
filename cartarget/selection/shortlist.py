"""What do we take to the meeting? At most fifteen ideas that differ, the best of each, with one line why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cartarget.contracts import CLASSES
from cartarget.logic.gate import Gate

LENGTH = 15
"""Ideas that a meeting can argue over."""

UNSAFE = CLASSES[-1]

COLUMNS = ("gate", "rank", "safety_class", "coverage", "liability", "liability_population", "n_alike", "why")


def shortlist(gates: pd.DataFrame, *, antigens: pd.DataFrame | None = None, n: int = LENGTH) -> pd.DataFrame:
    """Choose the best gate of each idea, down the ranking, until there are `n`.

    Twenty gates `CELSR3 & X` are one idea: a gate that senses an antigen which a gate above it senses already is a
    variation of that one, and is counted with it, not listed. Blockers may recur. Gates that are unsafe, not
    eligible, redundant, or controls are no ideas.

    Parameters
    ----------
    gates
        The `gates` table, ranked. (The ranking holds single antigens too.)
    antigens
        The `antigens` table, from which the line why says what the members are alone. None: it does not.
    n
        Most ideas listed.

    Returns
    -------
    pandas.DataFrame
        One row an idea, best first: `gate`, `rank`, `safety_class`, `coverage`, `liability`,
        `liability_population`, `n_alike` (ranked gates not unsafe that vary this idea), `why` (one sentence).
        No row if nothing qualifies; `why_empty` then says why.

    Examples
    --------
    >>> gates = pd.DataFrame({"gate": ["A & B", "A & C", "D & ~B"], "rank": [1, 2, 3], "safety_class": "safe",
    ...                       "coverage": [0.9, 0.8, 0.7], "liability": 0.01, "liability_population": "lung"})
    >>> shortlist(gates)[["gate", "n_alike"]].values.tolist()
    [['A & B', 1], ['D & ~B', 0]]
    """
    ranked = gates[gates["rank"].notna() & gates["safety_class"].ne(UNSAFE)].sort_values("rank", kind="stable")
    idea_of: dict[str, int] = {}
    alike: list[int] = []
    chosen: list[int] = []
    for row, text in enumerate(ranked["gate"].astype(str)):
        sensed = _sensed(text)
        known = [idea_of[symbol] for symbol in sensed if symbol in idea_of]
        if known:
            alike[min(known)] += 1
        elif len(chosen) < n:
            idea_of.update(dict.fromkeys(sensed, len(chosen)))
            chosen.append(row)
            alike.append(0)
    table = ranked.iloc[chosen].reset_index(drop=True)
    why = [_why(row, antigens) + _elsewhere(row) for row in table.to_dict("records")]
    table = table.assign(n_alike=alike, why=why)
    return table[list(COLUMNS)]


def why_empty(gates: pd.DataFrame) -> str:
    """Why a shortlist is empty, in one sentence.

    Examples
    --------
    >>> why_empty(pd.DataFrame({"rank": [1], "safety_class": ["unsafe"], "is_eligible": [True]}))
    'All 1 ranked gates are unsafe: each breaks the cap of some tissue outside the origin.'
    """
    if gates.empty:
        return "No gate was scored: the input left no candidate antigen, as the funnel says."
    if not gates["is_eligible"].fillna(False).astype(bool).any():
        return "No gate reaches the tumour: every coverage is below the floor of the run."
    ranked = int(gates["rank"].notna().sum())
    if not ranked:
        return "No gate competes: those that reach the tumour are controls, or gain nothing on their members."
    return f"All {ranked} ranked gates are unsafe: each breaks the cap of some tissue outside the origin."


def _sensed(text: str) -> tuple[str, ...]:
    """Antigens that a gate must see; those that block it do not make the idea."""
    return tuple(dict.fromkeys(part.symbol for part in Gate.parse(text).literals if not part.is_negated))


def _why(row: Mapping[str, Any], antigens: pd.DataFrame | None) -> str:
    """What the gate achieves that its members do not."""
    gate = Gate.parse(str(row["gate"]))
    if gate.n_literals == 1:
        return f"{row['safety_class']} alone: no partner is needed"
    if antigens is None:
        return f"{row['safety_class']} as a gate"
    alone = antigens.drop_duplicates("symbol").set_index("symbol")
    blockers = [part.symbol for part in gate.literals if part.is_negated]
    sensed = _sensed(str(row["gate"]))
    if all(_text(alone, symbol, "safety_class") == row["safety_class"] for symbol in sensed):
        return _gain(row)
    before = ", ".join(_alone(alone, symbol) for symbol in sensed)
    spared = f"; {' and '.join(blockers)} spares normal cells" if blockers else ""
    return before + spared


def _elsewhere(row: Mapping[str, Any]) -> str:
    """What the gate is at the threshold that suits it least, if that is worse."""
    worst = row.get("class_worst")
    worse = isinstance(worst, str) and CLASSES.index(worst) > CLASSES.index(row["safety_class"])
    return f"; {worst} at another threshold" if worse else ""


def _alone(antigens: pd.DataFrame, symbol: str) -> str:
    """What an antigen does alone: what it hits, if that is known."""
    kind = _text(antigens, symbol, "safety_class")
    if kind == "origin-only":
        return f"{symbol} alone hits the origin only"
    place = re.split(r" \(|: ", _text(antigens, symbol, "liability_population"))[0]
    if kind == UNSAFE and place:
        return f"{symbol} alone hits {place}"
    return f"{symbol} alone is {kind or 'unknown'}"


def _text(table: pd.DataFrame, row: str, column: str) -> str:
    found = table.at[row, column] if row in table.index and column in table else None
    return "" if found is None or pd.isna(found) else str(found)


def _gain(row: Mapping[str, Any]) -> str:
    """What a gate adds where its class is that of its members."""
    text = f"{row['safety_class']} like its members"
    parts = [
        f"{abs(row[column]):.2f} {word} than {row.get('best_member')}"
        for column, word in (("gain_coverage", "more coverage"), ("gain_liability", "less liability"))
        if row.get(column) is not None and row[column] >= 0.005
    ]
    return f"{text}, with {' and '.join(parts)}" if parts else text
