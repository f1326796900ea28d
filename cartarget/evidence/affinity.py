"""Antigens at thresholds of their own: further rows of a panel, counted by the rules of every other row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cartarget.errors import InputError
from cartarget.evidence.derived import definitions, fold
from cartarget.evidence.intervals import by_population
from cartarget.evidence.join import owners
from cartarget.evidence.packed import WORD, count_positive, lay_out, pack_bits
from cartarget.evidence.panel import Panel
from cartarget.evidence.part import Part
from cartarget.logic.thresholds import split_threshold

LIMIT_OF_UNIT = {"CPM": "bulk", "counts": "count"}
"""Which threshold of `build_panel` belongs to a unit."""


def limits_at(
    threshold: float, *, unit: str, limits: Mapping[str, float], parts: Sequence[Part]
) -> dict[str, float]:  # fmt: skip
    """Thresholds at which the row of an antigen with a threshold of its own is counted.

    Its threshold has a scale in one unit alone. In the other unit the antigen counts from the run's threshold, or, if
    its own is lower than the run's, from the lowest that was counted: either way a bound from above. Where no atlas was
    counted in the other unit (a summary alone is known in it), its threshold goes down by the same factor.

    Parameters
    ----------
    threshold
        The antigen's own.
    unit
        Its unit: that of the tumours that order the ranking.
    limits
        `bulk` and `count` of the run.
    parts
        Counted atlases.

    Returns
    -------
    dict
        `bulk` and `count`.

    Raises
    ------
    InputError
        The unit has no thresholds: only log-normalised values are known.

    Examples
    --------
    >>> limits_at(200, unit="CPM", limits={"bulk": 10, "count": 1}, parts=[])
    {'bulk': 200, 'count': 1}
    >>> limits_at(1, unit="counts", limits={"bulk": 10, "count": 2}, parts=[])
    {'bulk': 5.0, 'count': 1}
    >>> limits_at(200, unit="log1p", limits={"bulk": 10, "count": 1}, parts=[])
    Traceback (most recent call last):
    cartarget.errors.InputError: an antigen at a threshold of its own (200): the tumours are known in log1p, ...
    """
    if unit not in LIMIT_OF_UNIT:
        raise InputError(
            f"an antigen at a threshold of its own ({threshold:g}): the tumours are known in {unit}, which has no "
            "thresholds; give an atlas of counts or CPM, or write the antigen without a threshold"
        )
    own = LIMIT_OF_UNIT[unit]
    found = dict(limits) | {own: threshold}
    if threshold < limits[own]:
        for other, name in LIMIT_OF_UNIT.items():
            if other != unit:
                counted = [least for part in parts if part.unit == other for least in part.thresholds]
                found[name] = min([*counted, limits[name] if counted else limits[name] * threshold / limits[own]])
    return found


def at_level(part: Part, threshold: float) -> Part:
    """The same atlas, counted at another threshold where its levels tell it.

    Samples are positive where log2(CPM + 1) is at or above log2(t + 1) in single precision: to one part in a million
    the same as CPM at or above t. A derived antigen is read from its genes; a gene that was not measured may be at any
    level, so that the antigen is at most there, never less.

    Parameters
    ----------
    part
        A counted atlas. One of cells, or one counted at the threshold, is given back as it is.
    threshold
        CPM.

    Examples
    --------
    >>> import cartarget
    >>> from anndata import AnnData
    >>> import pandas as pd
    >>> about = {"population": "tumor", "donor": ["p", "q"], "side": "tumor", "dataset": "x", "tissue": ""}
    >>> atlas = AnnData(np.array([[30.0], [300.0]], dtype="float32"), obs=pd.DataFrame(about, index=["s1", "s2"]),
    ...                 var=pd.DataFrame(index=["CEACAM5"]))
    >>> atlas.varm["is_measured"] = pd.DataFrame({"x": [True]}, index=["CEACAM5"])
    >>> atlas.uns["cartarget"] = {"kind": "samples", "unit": "CPM", "atlas": "x"}
    >>> part = cartarget.count_atlas(atlas, symbols=["CEACAM5"], bulk=[10])
    >>> [np.bitwise_count(at_level(part, least).at(least)).tolist() for least in (10, 200, 1000)]
    [[[2]], [[1]], [[0]]]
    """
    if part.kind != "samples" or threshold in part.thresholds:
        return part
    rows = np.arange(len(part.levels))
    layout = lay_out(part.level_population, part.level_donor, rows, n_populations=len(part.populations))
    least = np.log2(np.float32(threshold) + np.float32(1))
    words = layout.fill(lambda own: least <= part.levels[own].T, n_antigens=len(part.symbols))
    _read_derived(part, words)
    return replace(part, thresholds=(threshold,), words=words[None])


def _read_derived(part: Part, words: NDArray[np.uint64]) -> None:
    """Fill in the rows of derived antigens from those of their genes."""
    row = {symbol: at for at, symbol in enumerate(part.symbols)}
    every = pack_bits((part.donor >= 0)[None, :])[0]
    population = owners(part)[::WORD]

    def most(gene: str) -> NDArray[np.uint64]:
        return np.where(part.is_measured[row[gene]][population], words[row[gene]], every) if gene in row else every

    for name, gate in definitions({"derived": part.derived}).items():
        found = fold(gate, most, both=np.bitwise_and, either=np.bitwise_or)
        words[row[name]] = np.where(part.is_measured[row[name]][population], found, np.uint64(0))


def with_own_thresholds(panel: Panel, *, antigens: Sequence[str], at: Callable[[float], Panel]) -> Panel:
    """Add antigens at thresholds of their own to a panel, each as one more row.

    A row at a lower threshold than the run's hits more, and may not be judged milder for it: it is measured only where
    the run's row is, and its power is not above that of the run's row.

    Parameters
    ----------
    panel
        Evidence at the run's thresholds. Donors are weighed as here, so that a row does not depend on the others.
    antigens
        Such as `CEACAM5>=200`; those without a threshold, or in the panel, are passed over.
    at
        Gives the panel of the same antigens and atlases at a threshold.

    Raises
    ------
    InputError
        An antigen is not in the panel, or `at` gives a panel of other populations.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> at = lambda count: cartarget.build_panel(atlas, symbols=["MSLN"], required=["lung"], count=count)
    >>> with_own_thresholds(at(1), antigens=["MSLN>=2"], at=at).symbols
    ('MSLN', 'MSLN>=2')
    """
    split = {antigen: split_threshold(antigen) for antigen in antigens if antigen not in panel.index}
    own = {antigen: (name, threshold) for antigen, (name, threshold) in split.items() if threshold is not None}
    absent = [name for name, _ in own.values() if name not in panel.index]
    if absent:
        raise InputError(f"antigen {absent[0]!r} is not in the panel of {len(panel.symbols)} antigens")
    if not own:
        return panel
    step = cache(at)
    rows = {antigen: (step(threshold), panel.index[name]) for antigen, (name, threshold) in own.items()}
    for other, _ in rows.values():
        _refuse_other_populations(panel, other)

    def added(values: NDArray, of: Callable[[Panel], NDArray]) -> NDArray:
        return np.concatenate([values, np.stack([of(other)[row] for other, row in rows.values()])])

    packed = replace(
        panel.packed,
        symbols=(*panel.symbols, *own),
        words=added(panel.packed.words, lambda other: other.packed.words),
        is_measured=added(panel.packed.is_measured, lambda other: other.packed.is_measured & panel.packed.is_measured),
    )
    owner = packed.segments["population"].to_numpy()
    counted = count_positive(replace(packed, symbols=tuple(own), words=packed.words[len(panel.symbols) :]))
    fraction = by_population(counted * panel.segment_weight, owner, len(packed.populations))
    plain = [panel.index[name] for name, _ in own.values()]
    harmed = {antigen: panel.harmed[name] for antigen, (name, _) in own.items() if name in panel.harmed}
    return replace(
        panel,
        symbols=packed.symbols,
        packed=packed,
        fraction=np.concatenate([panel.fraction, fraction]),
        power=added(panel.power, lambda other: np.minimum(other.power, panel.power)),
        value=added(panel.value, lambda other: other.value),
        is_above=added(panel.is_above, lambda other: other.is_above),
        is_flagged=added(panel.is_flagged, lambda other: other.is_flagged),
        levels=np.concatenate([panel.levels, panel.levels[:, plain]], axis=1),
        harmed={**panel.harmed, **harmed},
    )


def _refuse_other_populations(panel: Panel, other: Panel) -> None:
    names = ["population", "side", "n_observations", "n_donors"]
    if other.symbols != panel.symbols or not other.populations[names].equals(panel.populations[names]):
        raise InputError("panels at different thresholds must hold the same antigens and populations")
