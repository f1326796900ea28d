"""What would a gate of any shape hurt? The rules of `exposure.judge`, read off the gate's tree.

A gate of two antigens is judged alike by both; a test holds them together. Three ideas carry over to any tree:

- *inside an observation* the gate is simply evaluated; where an antigen was not measured, an AND is bounded above by
  the parts that were, and an OR below;
- *a summary* at or above the level says that some cells of the tissue may carry the antigen: the gate is exposed if one
  such antigen is enough to fire it, and undecided if it takes several that may lie in different cells;
- *a blocker* earns credit only where cells were counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.panel import Panel
from cartarget.logic.gate import Gate
from cartarget.safety.judge import (
    AT_LEAST,
    BELOW,
    BOUNDED,
    COUNTED,
    EXPOSED,
    NO_VALUE,
    UNMEASURED,
    UNRESOLVED,
    Judged,
    held,
    in_populations,
)
from cartarget.safety.scan_layout import possible_units, required_evidence
from cartarget.safety.scores import names, stained_antigens

Flags = NDArray[np.bool_]


def judge_gates(panel: Panel, gates: Sequence[Gate]) -> Judged:
    """Hold gates of any shape against all evidence, one gate a row.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates
        Gates over the panel's antigens that need at least one antigen to kill.

    Returns
    -------
    `Judged`, as from `cartarget.safety.exposure.judge`.
    """
    starts = panel.packed.segments["start"].to_numpy()

    def hits(gate: Gate, *, believed: bool) -> NDArray[np.int64]:
        bits = _evaluate(gate, lambda symbol: panel.packed.words[panel.index[symbol]], believed=believed)
        return np.add.reduceat(np.bitwise_count(bits), starts, dtype=np.int64)

    naive = np.stack([hits(gate, believed=True) for gate in gates])
    count = naive
    if panel.kind == "samples":
        tumor = panel.is_tumor[panel.packed.segments["population"].to_numpy()]
        count = np.where(tumor, naive, np.stack([hits(gate, believed=False) for gate in gates]))
    known = [_known(panel, gate) for gate in gates]
    complete, below, above, bound = (np.stack([getattr(k, name) for k in known]) for name in _Known.__annotations__)
    state = np.select([complete, above, below], [COUNTED, BOUNDED, AT_LEAST], default=UNMEASURED).astype(np.int8)
    fraction, _ = in_populations(panel, count)
    fraction = np.select([state == BOUNDED, state == UNMEASURED], [bound, 0.0], default=fraction)
    unit_state, decided = _unit_states(panel, gates), _decided(panel, gates)
    return held(panel, count, naive, state=state, fraction=fraction, unit_state=unit_state, decided=decided)


def _evaluate(gate: Gate, value: Callable[[str], Any], *, believed: bool) -> Any:
    """Evaluate on bits or booleans; a blocker that is not believed blocks nothing."""
    if not gate.operator:
        own = value(gate.symbol)
        return own if not gate.is_negated else (~own if believed else ~np.zeros_like(own))
    parts = [_evaluate(part, value, believed=believed) for part in gate.parts]
    return reduce(np.bitwise_and if gate.operator == "&" else np.bitwise_or, parts)


@dataclass(frozen=True)
class _Known:
    """What is known of a gate, per population: all of it; at least a lower bound; an upper bound, and which."""

    complete: Flags
    below: Flags
    above: Flags
    bound: NDArray[np.float64]


def _known(panel: Panel, gate: Gate) -> _Known:
    if not gate.operator:
        measured = panel.packed.is_measured[panel.index[gate.symbol]]
        nothing = np.zeros_like(measured)
        if gate.is_negated:
            return _Known(measured | (panel.kind == "samples"), nothing, nothing, np.ones(len(measured)))
        fraction = panel.fraction[panel.index[gate.symbol]]
        return _Known(measured, measured, measured, np.where(measured, fraction, 1.0))
    parts = [_known(panel, part) for part in gate.parts]
    every, some = np.logical_and.reduce, np.logical_or.reduce
    complete = every([part.complete for part in parts])
    if gate.operator == "&":
        bound = np.minimum.reduce([part.bound for part in parts])
        return _Known(complete, every([part.below for part in parts]), some([part.above for part in parts]), bound)
    bound = np.minimum(1.0, np.add.reduce([part.bound for part in parts]))
    return _Known(complete, some([part.below for part in parts]), every([part.above for part in parts]), bound)


def sensed(gate: Gate) -> list[str]:
    """The antigens that a gate senses (those that are not blockers).

    Examples
    --------
    >>> sensed(Gate.parse("(A | B) & ~C"))
    ['A', 'B']
    """
    return [literal.symbol for literal in gate.literals if not literal.is_negated]


def _unit_states(panel: Panel, gates: Sequence[Gate]) -> NDArray[np.int8]:
    maybe, covered = possible_units(panel)
    known = ~np.isnan(panel.value)

    def state(gate: Gate) -> NDArray[np.int8]:
        row = panel.index
        plain = [row[symbol] for symbol in sensed(gate)]
        blockers = set(gate.antigens) - set(sensed(gate))
        counted = covered[[row[symbol] for symbol in gate.antigens]].all(axis=0) & bool(blockers)
        exposed = np.zeros(maybe.shape[1], dtype=bool)
        for symbol in sensed(gate):
            if _fires(gate, {symbol}, believed=False):
                guarded = not _fires(gate, {symbol} | blockers, believed=True)
                exposed |= panel.is_above[row[symbol]] & ~(counted & guarded)
        fires = _evaluate(gate, lambda symbol: maybe[row[symbol]], believed=False)
        unresolved = fires & panel.is_above[plain].any(axis=0) & ~counted
        absent = ~_evaluate(gate, lambda symbol: ~known[row[symbol]] | maybe[row[symbol]], believed=False)
        below = known[plain].all(axis=0) | absent
        return np.select([exposed, unresolved, below], [EXPOSED, UNRESOLVED, BELOW], default=NO_VALUE).astype(np.int8)

    return np.stack([state(gate) for gate in gates])


def _fires(gate: Gate, present: set[str], *, believed: bool) -> bool:
    """Whether a cell with these antigens and no others is hit."""
    return bool(_evaluate(gate, lambda symbol: np.array(symbol in present), believed=believed))


def _all(flags: Flags) -> Flags:
    """All of the rows."""
    return np.asarray(flags.all(axis=0), dtype=bool)


def _some(flags: Flags) -> Flags:
    """Any of the rows."""
    return np.asarray(flags.any(axis=0), dtype=bool)


def _decided(panel: Panel, gates: Sequence[Gate]) -> Flags:
    absent, counted, summed = required_evidence(panel)
    believed = panel.kind == "cells"

    def every(gate: Gate, flags: Flags) -> Flags:
        own = [literal.symbol for literal in gate.literals if believed or not literal.is_negated]
        return _all(flags[[panel.index[symbol] for symbol in own]])

    def decided(gate: Gate) -> Flags:
        if gate.operator == "|":
            return _all(np.stack([decided(part) for part in gate.parts]))
        gone: Flags = ~_evaluate(gate, lambda symbol: ~absent[panel.index[symbol]], believed=False)
        has_blocker = believed and any(literal.is_negated for literal in gate.literals)
        by_summary = every(gate, summed) & (not has_blocker)
        alone = every(gate, counted | summed) & (len(sensed(gate)) == 1 and not has_blocker)
        return gone | every(gate, counted) | by_summary | alone

    return np.stack([decided(gate) for gate in gates])


def as_antigens(panel: Panel, gates: Sequence[Gate]) -> Panel:
    """A panel in whose levels each gate stands as an antigen: min for AND, max for OR; a blocker earns nothing.

    Only `symbols`, `levels` and `value` are those of the gates: what `gate_levels` and `exposure_rows` read.
    """
    levels = [_level(gate, lambda symbol: panel.levels[:, panel.index[symbol]]) for gate in gates]
    value = [_level(gate, lambda symbol: panel.value[panel.index[symbol]]) for gate in gates]
    return replace(panel, symbols=tuple(map(str, gates)), levels=np.stack(levels, axis=1), value=np.stack(value))


def _level(gate: Gate, value: Callable[[str], Any]) -> Any:
    if not gate.operator:
        own = value(gate.symbol)
        return np.full_like(own, np.inf) if gate.is_negated else own
    parts = [_level(part, value) for part in gate.parts]
    return reduce(np.minimum if gate.operator == "&" else np.maximum, parts)


def where_sensed(panel: Panel, gates: Sequence[Gate], flags: Flags, labels: Sequence[str]) -> list[str]:
    """Labels that any antigen that a gate senses has in `flags` (antigens × labels); a blocker is not asked."""
    rows = [[panel.index[symbol] for symbol in sensed(gate)] for gate in gates]
    return names(np.stack([_some(flags[own]) for own in rows]), labels)


def protein_of(panel: Panel, gates: Sequence[Gate]) -> dict[str, list[Any]]:
    """`is_protein_known` and `protein_flag` of gates of any shape, as `protein_columns` gives them for two."""
    known, flagged = stained_antigens(panel)
    hit = [_evaluate(gate, lambda symbol: flagged[panel.index[symbol]], believed=False) for gate in gates]
    return {
        "is_protein_known": [bool(known[[panel.index[s] for s in gate.antigens]].all()) for gate in gates],
        "protein_flag": names(np.stack(hit), panel.units["tissue"].tolist()),
    }
