"""A run's evidence with antigens at thresholds of their own: at the run's thresholds, and one step away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cartarget.config import Config
from cartarget.errors import GateError, InputError
from cartarget.evidence.affinity import LIMIT_OF_UNIT, at_level, limits_at, with_own_thresholds
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import Part
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.logic.thresholds import name_of, split_threshold
from cartarget.run.annotate import proxies, run_evidence, with_rare
from cartarget.run.inputs import Run
from cartarget.selection.sweep import half_and_twice, half_of, sweep_limits


def own_thresholds(gates: Iterable[Gate]) -> list[str]:
    """The antigens of gates that have a threshold of their own, each once.

    Examples
    --------
    >>> own_thresholds([Gate.parse("CEACAM5>=200 & CDH17"), Gate.parse("MSLN & ~CEACAM5>=200")])
    ['CEACAM5>=200']
    """
    every = dict.fromkeys(antigen for gate in gates for antigen in gate.antigens)
    return [antigen for antigen in every if split_threshold(antigen)[1] is not None]


def with_own_panel(run: Run, *, config: Config, gates: Sequence[Gate]) -> Run:
    """The run with a panel that holds the antigens at thresholds of their own too.

    Raises
    ------
    InputError
        The store does not hold a threshold (the message names those that it holds), or a unit has none.
    GateError
        A blocker has a threshold of its own that some atlas cannot count.
    """
    _refuse_scaleless(run)
    _refuse_blockers(run, gates)
    base = _limits(config)
    panel = with_own_thresholds(
        run.panel,
        antigens=own_thresholds(gates),
        at=lambda threshold: _panel_at(run, config, run.panel.symbols, threshold, limits=base),
    )
    return replace(run, panel=panel)


def own_sweep(
    run: Run, *, config: Config, gates: Sequence[Gate], only: Collection[str] | None = None
) -> dict[str, Panel]:
    """Panels of the sweep, in which thresholds of antigens move with that of the run: halved with it, doubled with it.

    What stands at one count has no half and stays. Where cells were not counted at a moved threshold, the panel is left
    out, and the class there is unknown. `only` names the panels that are asked for; None: all.
    """
    antigens = own_thresholds(gates)
    thresholds = [threshold for antigen in antigens if (threshold := split_threshold(antigen)[1]) is not None]
    symbols = list(dict.fromkeys(name_of(antigen) for gate in gates for antigen in gate.antigens))
    base, kind = _limits(config), run.panel.kind
    half, twice = half_and_twice(kind, bulk=base["bulk"], count=base["count"])
    units, is_stained = {part.unit for part in run.parts}, bool(run.atlases.of_role("protein"))
    sweep = {}
    for key, limits in ({half: base} | sweep_limits(units, is_stained=is_stained, **base)).items():
        if only is not None and key not in only:
            continue
        factor = {half: 0.5, twice: 2.0}.get(key, 1.0)
        moved = {own: moved_threshold(own, kind=kind, factor=factor) for own in thresholds}
        if all(_is_counted(run, threshold) for threshold in moved.values()):
            at = {own: _panel_at(run, config, symbols, threshold, limits=limits) for own, threshold in moved.items()}
            plain = build_panel(run.parts, **run_evidence(run, config=config, symbols=symbols), **limits)
            plain = replace(plain, harmed=run.panel.harmed)
            sweep[key] = with_own_thresholds(plain, antigens=antigens, at=at.__getitem__)
    return sweep


def moved_threshold(threshold: float, *, kind: str, factor: float) -> float:
    """A threshold of samples or cells at half, once or twice; in cells whole counts, at least one.

    Examples
    --------
    >>> moved_threshold(200, kind="samples", factor=0.5), moved_threshold(3, kind="cells", factor=0.5)
    (100.0, 1)
    >>> moved_threshold(1, kind="cells", factor=0.5), moved_threshold(1, kind="cells", factor=2)
    (1, 2)
    """
    return (half_of(kind, threshold) or threshold) if factor < 1 else threshold * factor


def with_own_columns(table: pd.DataFrame, run: Run, *, gates: Gates) -> pd.DataFrame:
    """Add what stands beside the scores of gates with thresholds of their own.

    What is known at the run's one threshold alone (purity, dropout, cells or samples beside those that order the
    ranking) stays missing.
    """
    other = {"samples": "coverage_cells", "cells": "coverage_samples"}[run.panel.kind]
    return with_rare(table, run, gates=gates).assign(proxies=proxies(run, gates), **{other: np.nan})


def _unit(run: Run) -> str:
    """The unit of thresholds: that of the tumours that order the ranking."""
    return next(part.unit for part in run.parts if part.atlas == run.primary and part.holds_tumor)


def _limits(config: Config) -> dict[str, Any]:
    limits = config.thresholds
    return {"bulk": limits.bulk, "count": limits.count, "protein": limits.protein}


def _is_counted(run: Run, threshold: float) -> bool:
    """Whether the store tells a threshold: samples any above 0, cells those that were counted."""
    own = [part for part in run.parts if part.unit == _unit(run) and part.kind != "samples"]
    return threshold > 0 and all(threshold in part.thresholds for part in own)


def _panel_at(
    run: Run, config: Config, symbols: Sequence[str], threshold: float, *, limits: Mapping[str, Any]
) -> Panel:
    """Evidence on the antigens, all at one threshold."""
    unit = _unit(run)
    two = {name: limits[name] for name in LIMIT_OF_UNIT.values()}
    found = limits_at(threshold, unit=unit, limits=two, parts=run.parts)
    parts = [at_level(part, threshold) if part.unit == unit else part for part in run.parts]
    evidence = run_evidence(run, config=config, symbols=symbols)
    return build_panel(parts, bulk=found["bulk"], count=found["count"], protein=limits["protein"], **evidence)


def _refuse_scaleless(run: Run) -> None:
    """Refuse tumours of which some are known in another unit than those that order the ranking."""
    for part in run.parts:
        if part.kind == run.panel.kind and part.holds_tumor and part.unit != _unit(run):
            raise InputError(
                f"an antigen at a threshold of its own needs tumours of one unit: {run.primary} is counted in "
                f"{_unit(run)}, and atlas {part.atlas} in {part.unit}; write the antigen without a threshold"
            )


def other_unit(run: Run) -> Part | None:
    """An atlas that is counted in another unit than the tumours that order the ranking; None: there is none.

    There an antigen with a threshold of its own counts from a lower one: for what is sensed a bound from above. A
    blocker would block too much, and has none.
    """
    return next((part for part in run.parts if part.unit != _unit(run)), None)


def _refuse_blockers(run: Run, gates: Sequence[Gate]) -> None:
    """Refuse blockers with a threshold of their own where an atlas is counted in another unit."""
    other = other_unit(run)
    if other is None:
        return
    for gate in gates:
        for one in gate.literals:
            name, threshold = split_threshold(one.symbol)
            if one.is_negated and threshold is not None:
                raise GateError(
                    f"gate {str(gate)!r}: the blocker {one.symbol} has a threshold in {_unit(run)}, and atlas "
                    f"{other.atlas} is counted in {other.unit}; write the blocker as ~{name}"
                )
