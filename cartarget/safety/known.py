"""What is known of each antigen alone in each tissue: what gates of any shape and size are judged from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from cartarget.evidence.intervals import by_population, posterior_quantile
from cartarget.evidence.packed import count_positive
from cartarget.evidence.panel import MEASURED_DONORS, THIN_CELLS, Panel
from cartarget.logic.thresholds import name_of

SAFE, ORIGIN_ONLY, UNKNOWN, UNSAFE = 0, 1, 2, 3
ROUNDING = 1e-9
"""What sums of fractions may differ by, so that a coverage of exactly the floor is eligible."""

GAIN = 0.05
"""Selectivity that a gate must add to each of its members to be worth another antigen."""

SEEN = 0.05
"""Share of a cell type that must show an antigen before the cells explain what bulk shows of it."""

CHANCE = 0.05
"""A donor is over the cap if as many hits would be rarer than this at the cap."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of each antigen in each tissue; see docs/method.md.

    Attributes
    ----------
    tissues
        Tissues of the normal evidence; the second axis of the arrays of antigens × tissues.
    of_population, of_unit
        Tissue of each population (−1: tumour) and unit.
    tells
        Populations that measure a place: cells of five donors and thirty cells, samples of five donors.
    people
        Antigens × populations: donors of cells that the antigen alone puts over the cap.
    breaks
        Antigens × populations: the antigen alone breaks the cap.
    absent
        Antigens × tissues: nothing there breaks the cap by the antigen alone, and every required place of the tissue
        was measured. Where it was not measured it may then be left out of account, as the antigen alone would be.
    typed
        Antigens × tissues: the cell types that the tier table asks of the tissue were measured in cells.
    explained
        Antigens × tissues: typed, and what bulk, summaries or stains show of it, some cell type carries.
    present
        Antigens × tissues: some population carries it, or a summary shows it.
    maybe
        Antigens × units: at the level, or not measured and not absent.
    place_of_population, place_of_unit
        Required places that a population or RNA summary tells of, × `panel.required`.
    alone
        Antigens × required places: something tells of the antigen alone.
    summed
        Antigens × required places: an RNA summary measured it.
    below
        Antigens × required places: an RNA summary measured it below the level.
    in_tissue
        Required places × tissues: 1 where the place lies in the tissue.
    in_origin
        Required places that lie in the origin.
    need
        Hits of a donor that are more than the cap allows, one a segment; a number that no donor reaches where a donor
        cannot tell.
    most_people
        Donors over the cap that a population may have before their share breaks it.
    """

    tissues: tuple[str, ...]
    of_population: NDArray[np.int64]
    of_unit: NDArray[np.int64]
    tells: Flags
    people: NDArray[np.int64]
    breaks: Flags
    absent: Flags
    typed: Flags
    explained: Flags
    present: Flags
    maybe: Flags
    place_of_population: Flags
    place_of_unit: Flags
    alone: Flags
    summed: Flags
    below: Flags
    in_tissue: NDArray[np.int64]
    in_origin: Flags
    need: NDArray[np.int64]
    most_people: NDArray[np.int64]

    @cached_property
    def explained_unit(self) -> Flags:
        """`explained`, antigens × units."""
        return self.explained[:, self.of_unit]

    @cached_property
    def typed_unit(self) -> Flags:
        """`typed`, antigens × units."""
        return self.typed[:, self.of_unit]

    @cached_property
    def absent_population(self) -> Flags:
        """`absent`, antigens × populations."""
        return self.at_populations(self.absent)

    @cached_property
    def explained_population(self) -> Flags:
        """`explained`, antigens × populations."""
        return self.at_populations(self.explained)

    @cached_property
    def typed_population(self) -> Flags:
        """`typed`, antigens × populations."""
        return self.at_populations(self.typed)

    @cached_property
    def present_population(self) -> Flags:
        """`present`, antigens × populations."""
        return self.at_populations(self.present)

    def at_populations(self, flags: Flags) -> Flags:
        """Rows × tissues as rows × populations; False for tumours."""
        out = np.zeros((len(flags), len(self.of_population)), dtype=bool)
        normal = self.of_population >= 0
        out[:, normal] = flags[:, self.of_population[normal]]
        return out

    def anywhere(self, populations: Flags, units: Flags) -> Flags:
        """Rows × populations and rows × units as rows × tissues: in some population or unit of the tissue."""
        return _anywhere(len(self.tissues), self.of_population, self.of_unit, populations, units)


_HELD: WeakKeyDictionary[Panel, Known] = WeakKeyDictionary()


def known(panel: Panel) -> Known:
    """What is known of each antigen of a panel; made once a panel."""
    if panel not in _HELD:
        _HELD[panel] = _known(panel)
    return _HELD[panel]


def _known(panel: Panel) -> Known:
    table, units, normal = panel.populations, panel.units, panel.is_normal
    tissues = tuple(sorted({*table.loc[normal, "tissue"].astype(str), *units["tissue"].astype(str)}))
    of_population = np.where(normal, pd.Index(tissues).get_indexer(pd.Index(table["tissue"].astype(str))), -1)
    of_unit = pd.Index(tissues).get_indexer(pd.Index(units["tissue"].astype(str)))
    tells = normal & (table["n_donors"] >= MEASURED_DONORS).to_numpy()
    tells &= ~panel.is_cells | (table["n_observations"] >= THIN_CELLS).to_numpy()
    measured = panel.packed.is_measured
    need, most_people = _need(panel), _most_people(panel)
    breaks = (measured | (panel.fraction > 0)) & (panel.corrected > panel.highest_fraction) & normal
    people = _people_over(panel, need)
    breaks |= people > most_people
    rna = (units["evidence"] == "summary").to_numpy(dtype=bool)
    is_known = ~np.isnan(panel.value)
    anywhere = partial(_anywhere, len(tissues), of_population, of_unit)
    no_unit = np.zeros_like(panel.is_above)
    broken = anywhere(breaks, panel.is_above & panel.is_unit_capped)
    shown = anywhere(_shown(panel), panel.is_above)
    enough = panel.is_cells & normal & (table["n_observations"] >= THIN_CELLS).to_numpy()
    carried = measured & (panel.corrected >= SEEN)
    seen = anywhere(carried & enough, no_unit)
    typed = _typed(panel, tissues, of_population, tells)
    places = [_Required(name) for name in panel.required]
    of_place = (
        np.stack([_tells_of(panel, place, tells) for place in places], axis=1) if places else tells[:, None][:, :0]
    )
    unit_place = np.zeros((len(units), len(places)), dtype=bool)
    for column, place in enumerate(places):
        unit_place[:, column] = rna & _units_of(panel, place)
    summed = (is_known.astype(np.int64) @ unit_place) > 0
    alone = ((measured & tells).astype(np.int64) @ of_place > 0) | summed
    in_tissue = np.array([[place.tissue == tissue for tissue in tissues] for place in places], dtype=np.int64)
    in_tissue = in_tissue.reshape(len(places), len(tissues))
    absent = ~broken & ~((~alone).astype(np.int64) @ in_tissue > 0)
    return Known(
        tissues=tissues,
        of_population=of_population,
        of_unit=of_unit,
        tells=tells,
        people=people,
        breaks=breaks,
        absent=absent,
        typed=typed,
        explained=typed & (~shown | _seen_at_the_runs_too(panel, seen)),
        present=anywhere(carried & normal, panel.is_above & rna),
        maybe=panel.is_above | (~is_known & ~absent[:, of_unit]),
        place_of_population=of_place,
        place_of_unit=unit_place,
        alone=alone,
        summed=summed,
        below=((is_known & ~panel.is_above).astype(np.int64) @ unit_place) > 0,
        in_tissue=in_tissue,
        in_origin=np.array([place.tissue in panel.origin for place in places], dtype=bool),
        need=need,
        most_people=most_people,
    )


def _seen_at_the_runs_too(panel: Panel, seen: Flags) -> Flags:
    """Antigens × tissues: seen, and at the run's threshold too, so that a lower one of its own excuses nothing more."""
    plain = [panel.index.get(name_of(symbol), row) for row, symbol in enumerate(panel.symbols)]
    return seen & seen[plain]


def _anywhere(
    n_tissues: int,
    of_population: NDArray[np.int64],
    of_unit: NDArray[np.int64],
    populations: Flags,
    units: Flags,
) -> Flags:
    out = np.zeros((len(populations), n_tissues), dtype=bool)
    for number in range(n_tissues):
        out[:, number] = populations[:, of_population == number].any(axis=1)
        out[:, number] |= units[:, of_unit == number].any(axis=1)
    return out


@dataclass(frozen=True)
class _Required:
    """A required place, read from its name."""

    name: str

    @property
    def tissue(self) -> str:
        return self.name.partition(": ")[0]

    @property
    def cell_type(self) -> str:
        return self.name.partition(": ")[2]


def _tells_of(panel: Panel, place: _Required, tells: Flags) -> Flags:
    """Populations that tell of a required place: those of its tissue, or of its cell type; the organ where it may."""
    table = panel.populations
    here = tells & (table["tissue"].to_numpy(dtype=object) == place.tissue)
    if not place.cell_type:
        return here
    own = panel.is_cells & (table["cell_type"].to_numpy(dtype=object) == place.cell_type)
    return here & (own | (~panel.is_cells & (place.name in panel.stand_in)))


def _units_of(panel: Panel, place: _Required) -> Flags:
    here = panel.units["tissue"].to_numpy(dtype=object) == place.tissue
    if not place.cell_type:
        return here
    cell_type = panel.units["cell_type"].to_numpy(dtype=object)
    whole = pd.isna(cell_type) | np.isin(cell_type.astype(str), ["", "nan", "None"])
    return here & ((cell_type == place.cell_type) | (whole & (place.name in panel.stand_in)))


def _typed(panel: Panel, tissues: tuple[str, ...], of_population: NDArray[np.int64], tells: Flags) -> Flags:
    """Antigens × tissues: every required cell type was measured in cells; if none is required, some cell type was."""
    wanted: dict[str, list[str]] = {}
    for place in map(_Required, panel.required):
        if place.cell_type:
            wanted.setdefault(place.tissue, []).append(place.cell_type)
    cell_type = panel.populations["cell_type"].astype(str).to_numpy()
    told = panel.is_cells & tells
    out = np.zeros((len(panel.symbols), len(tissues)), dtype=bool)
    for number, tissue in enumerate(tissues):
        here = told & (of_population == number)
        asked = [here & (cell_type == name) for name in wanted.get(tissue, [])] or [here]
        out[:, number] = np.logical_and.reduce([panel.packed.is_measured[:, own].any(axis=1) for own in asked])
    return out


def _shown(panel: Panel) -> Flags:
    """Antigens × populations: samples that show an antigen on more of the donors than its cap allows, or than 5 %."""
    table = panel.populations
    cap = np.minimum(panel.cap, SEEN)
    out = np.zeros(panel.fraction.shape, dtype=bool)
    own = np.flatnonzero(panel.is_sample)
    thin = table["is_thin"].to_numpy(dtype=bool)[own]
    fraction, n = panel.fraction[:, own], table["n_effective"].to_numpy(dtype=np.float64)[own]
    out[:, own] = np.where(thin, fraction, posterior_quantile(fraction, n, q=0.5)) > cap[own]
    return out & panel.packed.is_measured


def _people_over(panel: Panel, need: NDArray[np.int64]) -> NDArray[np.int64]:
    """Donors over the cap by each antigen alone, antigens × populations."""
    over = (count_positive(panel.packed) >= need).astype(np.float64)
    owner = panel.packed.segments["population"].to_numpy(dtype=np.int64)
    return by_population(over, owner, len(panel.populations)).astype(np.int64)


def _need(panel: Panel) -> NDArray[np.int64]:
    """Least hits of a donor of cells that are beyond the sampling error of the cap: P(Bin(m, cap) ≥ k) < 0.05."""
    segments = panel.packed.segments
    owner = segments["population"].to_numpy()
    size = segments["n_observations"].to_numpy(dtype=np.int64)
    cap = panel.cap[owner]
    one = (segments["n_donors"] == 1).to_numpy() & (size > 1)
    asked = (panel.is_capped & panel.is_cells)[owner] & one
    need = np.full(len(size), np.iinfo(np.int64).max // 2)
    least = binom.isf(CHANCE, size[asked], cap[asked]).astype(np.int64) + 1
    strict = binom.sf(least - 1, size[asked], cap[asked]) < CHANCE
    need[asked] = np.where(strict, least, least + 1)
    return need


def _most_people(panel: Panel) -> NDArray[np.int64]:
    """Largest number of donors over the cap whose share's posterior median keeps the cap; 0 allows none to be over."""
    table, cap = panel.populations, panel.cap
    out = np.full(len(table), np.iinfo(np.int64).max // 2)
    for row in np.flatnonzero(panel.is_capped & panel.is_cells):
        n = int(table["n_donors"].iloc[row])
        shares = posterior_quantile(np.arange(1, n + 1) / n, n, q=0.5) if n else np.empty(0)
        out[row] = int((shares <= cap[row]).sum())
    return out
