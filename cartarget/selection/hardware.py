"""What would a gate be built from? Each construct with the exposure that decides for it, and the better order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cartarget.contracts import CLASSES
from cartarget.errors import GateError, InputError
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.beside import names
from cartarget.safety.known import UNSAFE
from cartarget.safety.priming import Primed, judge_primed
from cartarget.safety.scores import is_closed, score
from cartarget.safety.sourced import identified, one_of, read_sourced
from cartarget.safety.window import gate_levels
from cartarget.selection.screen import score_gates

HARDWARE = Path("resources") / "hardware.tsv"

Row = dict[str, Any]

CIS, TRANS = "cis", "trans"
"""Which exposure decides: cells that carry all, or the primer anywhere in a tissue and the rest on the cell hit."""

_COLUMNS = (
    "hardware", "shapes", "blockers", "exposure", "is_ordered", "failure", "needs", "source", "source_title",
)  # fmt: skip
_SCORES = (
    "safety_class", "coverage", "liability", "liability_upper", "liability_population", "tissues_broken",
    "tissues_unresolved", "tissues_unmeasured",
)  # fmt: skip
_FIRST = ("gate", "hardware", "exposure", "prime", "kill", "order_reason")
_LAST = ("tissues_seeded", "failure", "needs", "source", "source_title")
_COMPARED = ("liability", "liability_upper")


@dataclass(frozen=True)
class Hardware:
    """A construct that can build gates.

    Attributes
    ----------
    name
        What it is called.
    shapes
        Templates of the gates that it builds, as `Gate.shape` writes them.
    blockers
        Antigens that it can be blocked by; empty: any.
    exposure
        `cis` or `trans`: which exposure decides.
    is_ordered
        Whether one part of the gate arms and the other is killed.
    failure, needs
        What it looks like when it fails, and what it takes.
    source, source_title
        Where it was shown.
    """

    name: str
    shapes: tuple[str, ...]
    blockers: tuple[str, ...]
    exposure: str
    is_ordered: bool
    failure: str
    needs: str
    source: str
    source_title: str

    def builds(self, gate: Gate) -> bool:
        """Whether it can build a gate.

        Examples
        --------
        >>> kinds = read_hardware()
        >>> [one.name for one in kinds if one.builds(Gate.parse("CEACAM5 & ~HLA-A"))]
        ['inhibitory CAR', 'HLA-gated CAR']
        """
        blocking = {one.symbol for one in gate.literals if one.is_negated}
        return gate.shape in self.shapes and (not self.blockers or blocking <= set(self.blockers))


def read_hardware(path: str | os.PathLike[str] = HARDWARE) -> tuple[Hardware, ...]:
    """Read the constructs that can build gates.

    Parameters
    ----------
    path
        Tab-separated table with the columns `hardware`, `shapes` and `blockers` (several separated by `;`), `exposure`
        (`cis`, `trans`), `is_ordered` (`yes`, `no`), `failure`, `needs`, `source` (an identifier), `source_title`.

    Returns
    -------
    One record a construct, in the table's order.

    Raises
    ------
    InputError
        A cell is empty, a word is unknown, a shape is no gate, a source no identifier, a construct stands twice, or an
        order is asked of a shape that has none. The message gives the line.

    Examples
    --------
    >>> [one.name for one in read_hardware() if one.is_ordered]
    ['synNotch CAR']
    """
    frame = read_sourced(path, _COLUMNS, may_be_empty=["blockers"])
    one_of(frame, "exposure", (CIS, TRANS), path)
    one_of(frame, "is_ordered", ("yes", "no"), path)
    identified(frame, ["source"], path)
    twice = frame.index[frame["hardware"].duplicated()]
    if len(twice):
        raise InputError(f"{path}, line {twice[0]}: {frame['hardware'][twice[0]]!r} stands twice; name it once")
    return tuple(_record(row, f"{path}, line {line}") for line, row in frame.iterrows())


def _record(row: Mapping[str, str], where: str) -> Hardware:
    shapes = tuple(_shape(text, where) for text in _several(row["shapes"]))
    is_ordered = row["is_ordered"] == "yes"
    if is_ordered != (row["exposure"] == TRANS):
        found = f"exposure {row['exposure']!r} with is_ordered {row['is_ordered']!r}"
        raise InputError(f"{where}: {found}; expected trans with yes, or cis with no")
    for shape in shapes if is_ordered else ():
        gate = Gate.parse(shape)
        if gate.operator != "&" or len(gate.parts) != 2 or any(one.is_negated for one in gate.literals):
            raise InputError(f"{where}: shape {shape!r} has no order; expected two sensed parts joined by '&'")
    return Hardware(
        row["hardware"], shapes, _several(row["blockers"]), row["exposure"], is_ordered, row["failure"], row["needs"],
        row["source"], row["source_title"],
    )  # fmt: skip


def _shape(text: str, where: str) -> str:
    try:
        return Gate.parse(text).shape
    except GateError as error:
        raise InputError(f"{where}: shapes: {error}") from None


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def score_hardware(
    panel: Panel, *, gates: Sequence[str | Gate], kinds: Sequence[Hardware] | None = None, floor: float = 0.5
) -> pd.DataFrame:
    """Score each gate in each construct that can build it, under the exposure that decides there.

    In *cis* the numbers are those of the gate. In *trans* they are those of the product with its order
    (`safety.priming`), through the same judge and the same scores; it is over cap too where the second antigen stands
    above the tumour in a vital tissue that arms or may arm. Both orders are scored; the better is proposed: the
    better class, then the lower liability, fewer tissues over cap, the lower upper bound, fewer tissues that a lesion
    would arm (`tissues_seeded`), the higher coverage. Where all are alike, the first by name.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        The gates, as text or as values.
    kinds
        Constructs. None: those of `resources/hardware.tsv`.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    pandas.DataFrame
        The `hardware` table: one row a gate and construct, gates as given, of each gate the best class first, then the
        lowest liability. `prime`, `kill`, `order_reason` and `tissues_seeded` are of ordered constructs alone. A gate
        that no construct builds has no row. A liability is missing where nothing may decide.

    Raises
    ------
    GateError
        A gate is none, or an antigen is not in the panel.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=5, cells_per_population=8, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = cartarget.build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=["lung"], origin=["colon"])
    >>> score_hardware(panel, gates=["CEACAM5 & MSLN"])[["hardware", "exposure", "safety_class"]].values.tolist()
    [['split-signal CAR', 'cis', 'within caps'], ['synNotch CAR', 'trans', 'over cap']]
    """
    kinds = read_hardware() if kinds is None else kinds
    asked = list(dict.fromkeys(gate if isinstance(gate, Gate) else Gate.parse(gate) for gate in gates))
    cis = dict(zip(asked, _records(score_gates(panel, gates=asked, floor=floor)), strict=True))
    ordered = [gate for gate in asked if any(one.is_ordered and one.builds(gate) for one in kinds)]
    trans = _best_orders(panel, ordered, floor=floor)
    rows = [
        {"gate": str(gate), "hardware": one.name, "exposure": one.exposure}
        | {"failure": one.failure, "needs": one.needs, "source": one.source, "source_title": one.source_title}
        | (trans[gate] if one.is_ordered else cis[gate])
        for gate in asked
        for one in kinds
        if one.builds(gate)
    ]
    table = pd.DataFrame(rows, columns=[*_FIRST, *_SCORES, *_LAST])
    place = table["gate"].map({str(gate): number for number, gate in enumerate(asked)})
    liability = table["liability"].astype(float).fillna(np.inf)
    order = np.lexsort((liability, table["safety_class"].map(CLASSES.index), place))
    return table.iloc[order].reset_index(drop=True)


def _records(table: pd.DataFrame) -> list[Row]:
    return table[list(_SCORES)].astype(object).to_dict("records")


def _best_orders(panel: Panel, gates: Sequence[Gate], *, floor: float) -> dict[Gate, Row]:
    """Of each gate of two parts the row of its better order, with the reason."""
    if not gates:
        return {}
    one_way, other_way = (_primed_rows(panel, gates, first=first, floor=floor) for first in (0, 1))
    return {gate: _chosen(*rows) for gate, *rows in zip(gates, one_way, other_way, strict=True)}


def _primed_rows(panel: Panel, gates: Sequence[Gate], *, first: int, floor: float) -> list[Row]:
    """Rows of the gates with one of their two parts as the primer."""
    primers, killed = ([gate.parts[place] for gate in gates] for place in (first, 1 - first))
    prime, kill, both = (Gates.parse(part, panel=panel) for part in (primers, killed, list(gates)))
    found = judge_primed(panel, prime=prime, kill=kill, both=both)
    table = score(panel, both, found.judged, gate_levels(panel, both), floor=floor)
    table.loc[is_closed(panel, kill, asked=found.may_arm), "safety_class"] = CLASSES[UNSAFE]
    seeded = _seeded(panel, found)
    return [
        row | {"prime": str(one), "kill": str(other), "tissues_seeded": tissues}
        for row, one, other, tissues in zip(_records(table), primers, killed, seeded, strict=True)
    ]


def _seeded(panel: Panel, found: Primed) -> list[str]:
    """Tissues that only the absence of the primer spares: a lesion there that carries it would arm the T cell."""
    judged, alone = found.judged, found.kill

    def spared(places: str, doubts: str) -> np.ndarray:
        broken: np.ndarray = getattr(alone, places)
        return broken & ~getattr(judged, places) & ~getattr(judged, doubts)

    flags = np.hstack([spared("breaks", "unresolved") & panel.is_capped, spared("unit_breaks", "unit_unresolved")])
    return names(flags, [*panel.populations["tissue"].astype(str), *panel.units["tissue"]])


def _chosen(one: Row, other: Row) -> Row:
    """The better of two orders; where they are alike, the first by name."""
    first, second = sorted((one, other), key=lambda row: (*_badness(row), row["prime"]))
    alike = "Either order is alike. " if _badness(first) == _badness(second) else ""
    return first | {"order_reason": f"{alike}{_told(first)} {_told(second)}"}


def _badness(row: Row) -> tuple[float, ...]:
    """Class, liability, tissues over cap, upper bound, tissues seeded, and coverage; what is missing is the worst."""
    liability, upper = (np.inf if pd.isna(row[name]) else round(row[name], 9) for name in _COMPARED)
    broken, seeded = (row[name].count(",") + bool(row[name]) for name in ("tissues_broken", "tissues_seeded"))
    return CLASSES.index(row["safety_class"]), liability, broken, upper, seeded, -round(row["coverage"], 9)


def _told(row: Row) -> str:
    value = "unknown" if pd.isna(row["liability"]) else f"{row['liability']:.2f} ({row['liability_population']})"
    what = f"{row['safety_class']}, liability {value}, coverage {row['coverage']:.2f}"
    return f"{row['prime']} first, then {row['kill']}: {what}."
