"""The same evidence on other people: some of a panel's donors, or donors drawn again with replacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.evidence.intervals import by_population, observation_weights
from cartarget.evidence.join import choose, owners
from cartarget.evidence.packed import count_positive
from cartarget.evidence.panel import Panel
from cartarget.evidence.spread import wide_spread

TUMOR = "tumor"


def gifts(panel: Panel) -> pd.DataFrame:
    """What each donor gave: one row a donor, side and tissue (`tumor` on the tumour's side).

    Tumours that do not order the ranking are left out.

    Returns
    -------
    `donor` (row of `panel.packed.donors`), `side`, `tissue`.
    """
    packed = panel.packed
    owner = owners(packed)
    table = packed.populations
    asked = panel.is_tumor | panel.is_normal
    bits = np.flatnonzero((_donor(panel) >= 0) & asked[owner])
    tissue = np.where(panel.is_tumor, TUMOR, table["tissue"].astype(str))
    side = np.where(panel.is_tumor, TUMOR, "normal")
    frame = pd.DataFrame({"donor": _donor(panel)[bits], "population": owner[bits]}).drop_duplicates()
    frame = frame.assign(side=side[frame["population"]], tissue=tissue[frame["population"]])
    return (
        frame.drop(columns="population").drop_duplicates().sort_values(["donor", "side", "tissue"], ignore_index=True)
    )


def of_donors(panel: Panel, drawn: Sequence[int] | NDArray[np.int64]) -> Panel:
    """The same panel on the donors drawn, each with all that he gave; who is drawn twice counts as two.

    Parameters
    ----------
    panel
        Evidence from everybody.
    drawn
        Rows of `panel.packed.donors`, some of them perhaps several times.

    Returns
    -------
    `Panel`. Counts, fractions, effective numbers and levels are those of the people drawn; populations in which none of
    them is are left out. Which normal populations are thin and how many donors measure them, what was measured and
    with what power is what the whole panel says. Summaries and stains stay. In single cell a patient who is drawn twice
    is two populations.
    """
    people = np.asarray(drawn, dtype=np.int64)
    copy = pd.Series(people).groupby(people).cumcount().to_numpy(dtype=np.int64)
    packed, donor = panel.packed, _donor(panel)
    bits = np.flatnonzero(donor >= 0)
    chosen, draw = _rows_of(donor[bits], people)
    own = owners(packed)[bits[chosen]]
    again = np.where((panel.is_cells & ~panel.is_normal)[own], copy[draw], 0)
    key = own * (int(copy.max(initial=0)) + 1) + again
    source, population = np.unique(key, return_inverse=True)
    source //= int(copy.max(initial=0)) + 1
    names = [f"{packed.donors[who]} #{k + 1}" if k else packed.donors[who] for who, k in zip(people, copy, strict=True)]
    part = choose(packed, bits=bits[chosen], donor=draw, donors=names, population=np.ravel(population), source=source)
    table, normal = part.populations, panel.is_normal[source]
    for column in ("n_donors", "is_thin"):
        table[column] = np.where(normal, packed.populations[column].to_numpy()[source], table[column].to_numpy())
    table["is_thin"] = table["is_thin"].astype(bool)
    repeat = pd.Series(source).groupby(source).cumcount().to_numpy()
    table["population"] = [
        f"{name} #{k + 1}" if k else name for name, k in zip(table["population"], repeat, strict=True)
    ]
    weight, effective = observation_weights(part)
    table["n_effective"] = effective
    table["spread"] = wide_spread(part, weight=weight, n_effective=effective)
    place = pd.Series(np.arange(len(source)), index=pd.MultiIndex.from_arrays([source, repeat]))
    rows, of_draw = _rows_of(panel.level_donor, people)
    level_own = panel.level_population[rows]
    level_again = np.where((panel.is_cells & ~panel.is_normal)[level_own], copy[of_draw], 0)
    owner = part.segments["population"].to_numpy()
    return replace(
        panel,
        packed=part,
        segment_weight=weight,
        fraction=by_population(count_positive(part) * weight, owner, len(effective)),
        power=panel.power[:, source],
        levels=panel.levels[rows],
        level_population=place.loc[pd.MultiIndex.from_arrays([level_own, level_again])].to_numpy(dtype=np.int64),
        level_donor=of_draw,
        traits={name: tuple(values[who] for who in people) for name, values in panel.traits.items()},
    )


def _donor(panel: Panel) -> NDArray[np.int32]:
    if panel.packed.donor is None:
        raise ValueError("a panel knows whose each observation is; this one was not made by build_panel")
    return panel.packed.donor


def _rows_of(donor: NDArray[np.integer], people: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of each person drawn, one person after the other, and which draw each row belongs to."""
    order = np.argsort(donor, kind="stable")
    first = np.searchsorted(donor[order], people, side="left")
    size = np.searchsorted(donor[order], people, side="right") - first
    draw = np.repeat(np.arange(len(people)), size)
    inside = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    return order[first[draw] + inside], draw
