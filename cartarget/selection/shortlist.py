"""What do we take to the meeting? At most fifteen ideas that differ, the best-supported gate of each, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.logic.gate import Gate
from cartarget.safety.known import GAIN, ORIGIN_ONLY
from cartarget.selection.marks import NO, PARTLY, YES, cohort_mark, marks, sensed
from cartarget.selection.ranking import place_firm

LENGTH = 15
"""Ideas that a meeting can argue over."""

LEAST_WINDOW = 1.0
"""Window (log2) that an idea needs: the tumour's lower quartile at twice the level of the worst vital tissue."""

UNSAFE = CLASSES[-1]

IDEAS, PRECEDENT = "ideas", "precedent"
"""The two lists: all ideas, and those whose antigens have all been targets of products in patients."""

COLUMNS = (
    "list", "idea", "gate", "rank", "safety_class", "class_half", "class_twice", "is_firm", "window", "coverage",
    "coverage_twice", "liability", "liability_population", "liability_n_positive", "liability_n_observations",
    "n_alike", "partners", "why",
)  # fmt: skip
_OF_CELLS = ("coverage_cells", "cells_malignant", "cells_note", "members_r")
_SUPPORT = ("mark_membrane", "mark_cells", "mark_protein")


def listable(gates: pd.DataFrame) -> pd.Series:
    """Whether a gate may stand on the shortlist.

    It is ranked; over cap at none of half, once and twice the threshold; has a window of `LEAST_WINDOW` or more; senses
    no antigen whose signal is that of another cell type (`contaminant`), and nothing that is only partly known to be on
    the membrane; and its malignant cells do not speak against it (`mark_cells`). A window that is missing, since no
    vital tissue was measured, is none.
    """
    is_outside = gates["mark_membrane"].fillna("").ne(PARTLY) if "mark_membrane" in gates else True
    is_in_cells = gates["mark_cells"].fillna("").ne(NO) if "mark_cells" in gates else True
    is_own = gates["contaminant"].fillna("").eq("") if "contaminant" in gates else True
    is_wide = gates["window"].astype(float).ge(LEAST_WINDOW) if "window" in gates else True
    return (
        gates["rank"].notna()
        & place_firm(gates).lt(CLASSES.index(UNSAFE))
        & is_wide
        & is_own
        & is_outside
        & is_in_cells
    )


def shortlist(
    gates: pd.DataFrame, *, antigens: pd.DataFrame | None = None, floor: float = 0.5, n: int = LENGTH
) -> pd.DataFrame:
    """Choose the gates that a meeting should see, one an idea, down the ranking, until there are `n`.

    Twenty gates `CELSR3 & X` are one idea: a gate that senses an antigen which an idea above it senses already is a
    variation of that idea, and is counted with it, not listed. An idea is shown by the best-supported of its
    near-equal gates: those of the same class, at other thresholds too unless it is the origin alone that differs, and
    less than 0.05 behind in selectivity. Support is
    the marks that say yes, less those that say no (membrane, malignant cells, protein), and the antigens sensed that
    were the target of a product in patients; of equal ones the best ranked is shown. Blockers may recur. What is not
    `listable` is no idea.

    Parameters
    ----------
    gates
        The `gates` table, ranked. (The ranking holds single antigens too.)
    antigens
        The `antigens` table, from which the line why says what the members are alone. None: it does not, and the list
        of precedents is empty.
    floor
        Coverage that makes a gate eligible.
    n
        Most ideas in each list.

    Returns
    -------
    pandas.DataFrame
        The list `ideas`, then the list `precedent` (every antigen that is sensed was the target of a product in
        patients), best first. One row an idea: `list`, `idea` (its number), `gate`, `rank`, classes, `is_firm`,
        `window`, `coverage`, `liability`, `liability_population`, `n_alike` (listable gates that vary this idea),
        `partners` (the antigens that they bring, best first, ten at most), `why` (one sentence), and with `antigens`
        four marks and their reasons (`selection.marks`). No row if nothing qualifies; `why_empty` then says why.

    Examples
    --------
    >>> gates = pd.DataFrame({"gate": ["A & B", "A & C", "D & ~B"], "rank": [1, 2, 3], "safety_class": "within caps",
    ...                       "coverage": [0.9, 0.8, 0.7], "liability": 0.01, "liability_population": "lung",
    ...                       "selectivity": [0.9, 0.8, 0.7], "window": 2.0})
    >>> shortlist(gates)[["gate", "n_alike", "partners"]].values.tolist()
    [['A & B', 1, 'C'], ['D & ~B', 0, '']]
    """
    fit = gates[listable(gates)].sort_values("rank", kind="stable")
    treated = _treated(antigens)
    found = [_ideas(fit, name=IDEAS, antigens=antigens, treated=treated, n=n)]
    if treated:
        known = np.array([treated.issuperset(sensed(text)) for text in fit["gate"].astype(str)], dtype=bool)
        found.append(_ideas(fit[known], name=PRECEDENT, antigens=antigens, treated=treated, n=n))
    told = [one.dropna(axis=1, how="all") for one in found if len(one)]
    ideas = (pd.concat(told, ignore_index=True) if told else found[0]).reindex(columns=[*COLUMNS, *_OF_CELLS])
    if antigens is not None:
        ideas = ideas.join(marks(ideas, antigens=antigens, floor=floor))
    return ideas.drop(columns=list(_OF_CELLS))


def with_cohort(ideas: pd.DataFrame, replication: pd.DataFrame) -> pd.DataFrame:
    """Add the fifth mark: whether the coverage holds in a second cohort (`selection.replicate`)."""
    told = [cohort_mark(str(gate), replication) for gate in ideas["gate"]]
    return ideas.assign(mark_cohort=[mark for mark, _ in told], reason_cohort=[reason for _, reason in told])


def _treated(antigens: pd.DataFrame | None) -> set[str]:
    """Antigens that were the target of a product in patients."""
    if antigens is None or "is_treated" not in antigens:
        return set()
    return set(antigens.loc[antigens["is_treated"].eq(True).fillna(False), "symbol"])


def _support(fit: pd.DataFrame, members: Sequence[tuple[str, ...]], treated: set[str]) -> NDArray[np.int64]:
    marked = fit[[column for column in _SUPPORT if column in fit]]
    told = (marked.eq(YES).sum(axis=1) - marked.eq(NO).sum(axis=1)).to_numpy(dtype=np.int64)
    return told + np.array([len(treated.intersection(own)) for own in members], dtype=np.int64)


def _ideas(fit: pd.DataFrame, *, name: str, antigens: pd.DataFrame | None, treated: set[str], n: int) -> pd.DataFrame:
    members = [sensed(text) for text in fit["gate"].astype(str)]
    if fit.empty:
        return pd.DataFrame(columns=[*COLUMNS, *_OF_CELLS])
    ideas: list[list[int]] = []
    idea_of: dict[str, int] = {}
    shown: list[int] = []
    support = _support(fit, members, treated)
    for row, own in enumerate(members):
        known = [idea_of[symbol] for symbol in own if symbol in idea_of]
        if known:
            ideas[min(known)].append(row)
        elif len(ideas) < n:
            best = _best_supported(fit, row, members, support=support, taken=idea_of)
            idea_of.update(dict.fromkeys(members[best], len(ideas)))
            ideas.append([row] if row != best else [])
            shown.append(best)
    table = fit.iloc[shown].reset_index(drop=True)
    partners = [_partners(members, best, alike) for best, alike in zip(shown, ideas, strict=True)]
    why = [_why(row, antigens) + _elsewhere(row) + _notes(row, antigens) for row in table.to_dict("records")]
    n_alike = [len(set(alike) - {best}) for best, alike in zip(shown, ideas, strict=True)]
    table = table.assign(list=name, idea=range(1, len(table) + 1), n_alike=n_alike, partners=partners, why=why)
    return table.reindex(columns=[*COLUMNS, *_OF_CELLS])


def _best_supported(
    fit: pd.DataFrame,
    row: int,
    members: Sequence[tuple[str, ...]],
    *,
    support: NDArray[np.int64],
    taken: Mapping[str, int],
) -> int:
    """The near-equal gate that shares an antigen with an idea's first, takes none of another, and is known best."""
    place, own = place_firm(fit).to_numpy(), set(members[row])
    same = (place == place[row]) | (np.maximum(place, place[row]) <= ORIGIN_ONLY)
    same &= fit["safety_class"].eq(fit["safety_class"].iloc[row]).to_numpy()
    same &= (fit["selectivity"] > fit["selectivity"].iloc[row] - GAIN).to_numpy(dtype=bool)
    near = [i for i in same.nonzero()[0] if own & set(members[i]) and not any(symbol in taken for symbol in members[i])]
    return int(max(near, key=lambda i: (support[i], -i)))


def _partners(members: Sequence[tuple[str, ...]], best: int, alike: Sequence[int], *, most: int = 10) -> str:
    found = dict.fromkeys(symbol for row in alike for symbol in members[row] if symbol not in members[best])
    return ", ".join(list(found)[:most])


def why_empty(gates: pd.DataFrame) -> str:
    """Why a shortlist is empty, in one sentence.

    Examples
    --------
    >>> why_empty(pd.DataFrame({"rank": [1], "safety_class": ["over cap"], "is_eligible": [True]}))
    'All 1 ranked gates are over cap: each breaks the cap of some tissue outside the origin.'
    """
    if gates.empty:
        return "No gate was scored: the input left no candidate antigen, as the funnel says."
    if not gates["is_eligible"].fillna(False).astype(bool).any():
        return "No gate reaches the tumour: every coverage is below the floor of the run."
    ranked = gates[gates["rank"].notna()]
    if ranked.empty:
        return "No gate competes: those that reach the tumour are controls, or gain nothing on their members."
    if ranked["safety_class"].eq(UNSAFE).all():
        return f"All {len(ranked)} ranked gates are over cap: each breaks the cap of some tissue outside the origin."
    left = ranked[place_firm(ranked).lt(CLASSES.index(UNSAFE))]
    if left.empty:
        return "Every gate that is not over cap is over cap at half or at twice the threshold."
    missing = int(left["window"].isna().sum())
    if missing == len(left):
        return "No gate has a window: no vital tissue was measured on a scale that compares with the tumour."
    return (
        f"{len(left)} gates are over cap at no threshold, but none has a window of {LEAST_WINDOW:g} log2 or more "
        "without an antigen that follows another cell type or is only partly known to be on the membrane, and with "
        "malignant cells that do not speak against it."
    )


def _why(row: Mapping[str, Any], antigens: pd.DataFrame | None) -> str:
    """What the gate achieves that its members do not."""
    gate = Gate.parse(str(row["gate"]))
    if gate.n_literals == 1:
        return f"{row['safety_class']} alone: no partner is needed"
    if antigens is None:
        return f"{row['safety_class']} as a gate"
    alone = antigens.drop_duplicates("symbol").set_index("symbol")
    blockers = [part.symbol for part in gate.literals if part.is_negated]
    own = sensed(str(row["gate"]))
    if all(_text(alone, symbol, "safety_class") == row["safety_class"] for symbol in own):
        return _gain(row)
    before = ", ".join(_alone(alone, symbol) for symbol in own)
    spared = f"; {' and '.join(blockers)} spares normal cells" if blockers else ""
    return before + spared


def _elsewhere(row: Mapping[str, Any]) -> str:
    """Where the gate is worse: at half or twice the threshold, or if weaker stains count."""
    own = CLASSES.index(row["safety_class"])
    told = {"at half the threshold": row.get("class_half"), "at twice the threshold": row.get("class_twice")}
    worse = [f"{kind} {where}" for where, kind in told.items() if isinstance(kind, str) and CLASSES.index(kind) > own]
    worst = row.get("class_worst")
    if not worse and isinstance(worst, str) and CLASSES.index(worst) > own:
        worse = [f"{worst} if a weaker stain counts"]
    return "".join(f"; {text}" for text in worse)


def _notes(row: Mapping[str, Any], antigens: pd.DataFrame | None) -> str:
    """What a gene is, where that matters more than its level: proliferation, cancer-testis, oocyte."""
    if antigens is None or "gene_note" not in antigens:
        return ""
    known = antigens.drop_duplicates("symbol").set_index("symbol")
    told = [(symbol, _text(known, symbol, "gene_note")) for symbol in sensed(str(row["gate"]))]
    return "".join(f"; {symbol}: {note}{'' if note.endswith('antigen') else ' gene'}" for symbol, note in told if note)


def _alone(antigens: pd.DataFrame, symbol: str) -> str:
    """What an antigen does alone: what it hits worst, and how many tissues beside."""
    kind = _text(antigens, symbol, "safety_class")
    if kind == "origin only":
        return f"{symbol} alone hits the origin only"
    place = re.split(r" \(|: ", _text(antigens, symbol, "liability_population"))[0]
    if kind == UNSAFE and place:
        broken = [tissue for tissue in _text(antigens, symbol, "tissues_broken").split(", ") if tissue]
        more = len(set(broken) - {place})
        beside = f" and {more} more tissue{'s' if more > 1 else ''}" if more else ""
        return f"{symbol} alone hits {place}{beside}"
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
