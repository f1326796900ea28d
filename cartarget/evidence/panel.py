"""All that was measured about the candidate antigens, in every atlas of a run, on one scale and ready to count."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cartarget.atlas.names import several
from cartarget.errors import InputError
from cartarget.evidence.intervals import by_population, observation_weights, posterior_quantile
from cartarget.evidence.join import join, ranking_kind
from cartarget.evidence.packed import Packed, count_positive
from cartarget.evidence.part import Part, count_atlas
from cartarget.evidence.patients import weigh_patients
from cartarget.evidence.power import LEAST, antigen_power
from cartarget.evidence.spread import wide_spread
from cartarget.evidence.units import STAINS, no_units, protein_units, summary_units

THIN_DONORS = {"samples": 20, "cells": 5}
THIN_CELLS = 30
MEASURED_DONORS = 5


@dataclass(frozen=True, eq=False)
class Panel:
    """Candidate antigens with everything that decides about them.

    Attributes
    ----------
    symbols
        Candidate antigens; the first axis of every matrix here.
    kind
        `samples` (bulk) or `cells`: the kind of tumour that orders the ranking.
    packed
        Positivity of all observations. `packed.populations` has one row a population: its `kind`, `assay` and `atlas`,
        its tier, weight, cap, `is_required`, `is_origin`, and `n_effective`, `spread` (how much more donors may
        differ in one antigen than in most), `is_thin`, `is_ranking`. Tumours that
        order the ranking come first, then other tumours, then normal populations.
    segment_weight
        What one observation of a segment weighs in its population's mean fraction.
    fraction
        Mean fraction positive, antigens × populations.
    power
        Chance that a cell of the population shows the antigen if it carries it, antigens × populations; 1 where depths
        are not known, and in samples. Below 0.2 the antigen counts as not measured (`packed.is_measured`), but what
        was seen of it counts.
    units
        Summary-level evidence: one row a tissue or cell type of an atlas, with its tier, weight, cap,
        `evidence` (`summary` or `protein`), `atlas`, `unit`.
    value
        Level (in the run's unit) or stain (0–3), antigens × units; NaN is not measured.
    is_above
        At or above the level (summary), or stained so that it vetoes (protein), antigens × units.
    is_flagged
        Stained at the level by an antibody that may not veto, antigens × units; False for RNA.
    levels
        log2(CPM + 1) per sample, or per donor and population of cells, rows × antigens. NaN is not measured.
    level_population, level_donor
        Row of `packed.populations` and of `packed.donors` of each row of `levels`.
    required
        Places that must be measured before anything is called safe: tissues, and cell types as `tissue: cell type`.
    stand_in
        Required cell types for which samples or a summary of the whole organ may stand in.
    origin
        Tissues from which the tumour arises.
    n_twice
        Cells left out since another atlas of the panel holds them.
    harmed
        Antigens of which severe harm is on record in an organ that nothing measured → that organ.
    traits
        Trait (`sex`, `age`, `smoking`) → its value for each of `packed.donors`, empty where unknown.
    """

    symbols: tuple[str, ...]
    kind: str
    packed: Packed
    segment_weight: NDArray[np.float64]
    fraction: NDArray[np.float64]
    power: NDArray[np.float64]
    units: pd.DataFrame
    value: NDArray[np.float32]
    is_above: NDArray[np.bool_]
    is_flagged: NDArray[np.bool_]
    levels: NDArray[np.float32]
    level_population: NDArray[np.int64]
    level_donor: NDArray[np.int64]
    required: tuple[str, ...]
    stand_in: frozenset[str]
    origin: tuple[str, ...]
    n_twice: int = 0
    harmed: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def populations(self) -> pd.DataFrame:
        """Populations of observations, tumour first."""
        return self.packed.populations

    @cached_property
    def index(self) -> dict[str, int]:
        """Row of each antigen."""
        return {symbol: row for row, symbol in enumerate(self.symbols)}

    @cached_property
    def is_tumor(self) -> NDArray[np.bool_]:
        """Which populations are tumours that order the ranking."""
        return self.populations["is_ranking"].to_numpy(dtype=bool)

    @cached_property
    def is_normal(self) -> NDArray[np.bool_]:
        """Which populations are normal."""
        return (self.populations["side"] == "normal").to_numpy(dtype=bool)

    @cached_property
    def is_cells(self) -> NDArray[np.bool_]:
        """Which populations are cells or nuclei, so that a gate is met inside one cell."""
        return (self.populations["kind"] == "cells").to_numpy(dtype=bool)

    @cached_property
    def is_origin(self) -> NDArray[np.bool_]:
        """Which populations are normal tissue of the tumour's origin."""
        return self.populations["is_origin"].fillna(False).to_numpy(dtype=bool) & self.is_normal

    @cached_property
    def is_sample(self) -> NDArray[np.bool_]:
        """Which populations are normal samples, in which the antigens of a gate may lie on different cells."""
        return self.is_normal & ~self.is_cells

    @cached_property
    def cap(self) -> NDArray[np.float64]:
        """Cap of each population; 1 for tumours, and where there is none."""
        return np.where(self.is_normal, self.populations["cap"].fillna(1.0).to_numpy(dtype=np.float64), 1.0)

    @cached_property
    def is_capped(self) -> NDArray[np.bool_]:
        """Which populations are normal tissue with a cap."""
        return self.cap < 1

    @cached_property
    def is_unit_capped(self) -> NDArray[np.bool_]:
        """Which units are of a tissue with a cap."""
        return (self.units["cap"] < 1).to_numpy(dtype=bool)

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """Weight of each population; 0 for tumours."""
        return np.where(self.is_normal, self.populations["weight"].fillna(0.0).to_numpy(dtype=np.float64), 0.0)

    @cached_property
    def decides(self) -> NDArray[np.bool_]:
        """Which populations may decide a liability: normal, not thin, of some weight."""
        return self.is_normal & ~self.populations["is_thin"].to_numpy(dtype=bool) & (self.weight > 0)

    @cached_property
    def corrected(self) -> NDArray[np.float64]:
        """Fraction positive over power, at most 1, antigens × populations.

        Where the power is too low, so that it is not measured, the plain fraction: what was seen was seen.
        """
        over = np.minimum(self.fraction / np.maximum(self.power, LEAST), 1.0)
        return np.where(self.packed.is_measured, over, self.fraction)

    @cached_property
    def patient_weight(self) -> NDArray[np.float64]:
        """Weight of each tumour of the ranking in the mean coverage: of m cells m / (1 + 0.3 (m − 1)); the sum is 1."""
        table = self.populations[self.is_tumor]
        return weigh_patients(table["n_observations"].to_numpy(), n_donors=table["n_donors"].to_numpy())

    @cached_property
    def tells_low_end(self) -> NDArray[np.bool_]:
        """Tumours of the ranking over which the tenth percentile is taken: those not thin, or all if all are."""
        thin = self.populations["is_thin"].to_numpy(dtype=bool)[self.is_tumor]
        return ~thin if self.kind == "cells" and not thin.all() else np.ones(len(thin), dtype=bool)

    @cached_property
    def highest_fraction(self) -> NDArray[np.float64]:
        """Highest mean fraction of each population that keeps its cap.

        The cap holds the posterior median; in a thin population, which its width alone must not condemn,
        it holds the plain fraction.
        """
        table, cap = self.populations, self.cap
        n = table["n_effective"].to_numpy(dtype=np.float64)
        low, high = np.zeros(len(table)), np.ones(len(table))
        for _ in range(60):
            middle = (low + high) / 2
            keeps = posterior_quantile(middle, n, q=0.5) <= cap
            low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
        at_zero = posterior_quantile(np.zeros(len(table)), n, q=0.5) > cap
        limit = np.where(at_zero, -1.0, low)
        limit = np.where(table["is_thin"].to_numpy(dtype=bool), cap, limit)
        return np.where(cap >= 1, 1.0, limit) + 1e-9

    def ranking_only(self) -> Panel:
        """The same evidence without the tumours that do not order the ranking."""
        asked = self.is_tumor | self.is_normal
        if asked.all():
            return self
        segments, place = self.packed.segments, np.cumsum(asked) - 1
        own = asked[segments["population"].to_numpy()]
        rows = asked[self.level_population]
        packed = replace(
            self.packed,
            segments=segments[own].assign(population=lambda kept: place[kept["population"]]).reset_index(drop=True),
            populations=self.populations[asked].reset_index(drop=True),
            is_measured=self.packed.is_measured[:, asked],
            donor=None,
            lesion=None,
        )
        return replace(
            self,
            packed=packed,
            segment_weight=self.segment_weight[own],
            fraction=self.fraction[:, asked],
            power=self.power[:, asked],
            levels=self.levels[rows],
            level_population=place[self.level_population[rows]],
            level_donor=self.level_donor[rows],
        )

    def take(self, symbols: Sequence[str]) -> Panel:
        """The same evidence on fewer antigens, in the order given.

        Raises
        ------
        InputError
            A symbol is not in the panel.
        """
        absent = [symbol for symbol in symbols if symbol not in self.index]
        if absent:
            raise InputError(f"antigen {absent[0]!r} is not in the panel of {len(self.symbols)} antigens")
        rows = np.array([self.index[symbol] for symbol in symbols], dtype=np.int64)
        packed = replace(
            self.packed,
            symbols=tuple(symbols),
            words=np.ascontiguousarray(self.packed.words[rows]),
            is_measured=self.packed.is_measured[rows],
        )
        return replace(
            self,
            symbols=tuple(symbols),
            packed=packed,
            fraction=self.fraction[rows],
            power=self.power[rows],
            value=self.value[rows],
            is_above=self.is_above[rows],
            is_flagged=self.is_flagged[rows],
            levels=self.levels[:, rows],
        )


def build_panel(
    atlases: AnnData | Part | Sequence[AnnData | Part],
    *,
    symbols: Sequence[str],
    required: Sequence[str],
    stand_in: Collection[str] = (),
    origin: Sequence[str] = (),
    summaries: Sequence[AnnData] = (),
    proteins: Sequence[AnnData] = (),
    bulk: float = 10.0,
    count: float = 1,
    protein: str = "Medium",
    primary: str | None = None,
) -> Panel:
    """Bring the atlases of a run onto one set of antigens.

    Parameters
    ----------
    atlases
        Harmonised atlases of observations (kind `samples` or `cells`), tumour, normal or both, as AnnData or already
        counted (`cartarget.count_atlas`). Some hold tumour.
    symbols
        Candidate antigens. Each must be measured in the tumours that order the ranking.
    required
        Places that must be measured before anything is called safe, whether or not an atlas holds them: tissues
        (`heart`) and cell types (`heart: cardiomyocyte`).
    stand_in
        Required cell types for which samples or a summary of the whole organ may stand in.
    origin
        Tissues from which the tumour arises, judged apart.
    summaries
        Harmonised summary atlases of normal tissue, in the unit of the run.
    proteins
        Harmonised atlases of antibody stains.
    bulk, count, protein
        Thresholds: CPM, counts, and the stain that counts (`Low`, `Medium`, `High`).
    primary
        Which tumours order the ranking, `bulk` or `single_cell`. None: those of the first atlas that holds tumour.

    Returns
    -------
    `Panel`. A gene that an atlas lacks is unmeasured there, never zero, and stays measured elsewhere.

    Raises
    ------
    InputError
        No atlas, or none with tumour of the kind asked for; a candidate is not measured in all of these tumours; an
        atlas is of the wrong kind.

    Examples
    --------
    >>> import cartarget
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.harmonise(atlas, tiers=tiers, origin=["colon"])
    >>> panel = build_panel(atlas, symbols=["CEACAM5", "MSLN"], required=tiers.required, origin=["colon"])
    >>> panel.symbols, panel.kind
    (('CEACAM5', 'MSLN'), 'cells')
    """
    given = list(atlases) if isinstance(atlases, list | tuple) else [atlases]
    symbols, origin, required = several(symbols), several(origin), several(required)
    parts = [
        one if isinstance(one, Part) else count_atlas(one, symbols=symbols, bulk=[bulk], count=[count]) for one in given
    ]
    kind = ranking_kind(parts, primary)
    joined = join(parts, symbols=symbols, thresholds={"CPM": bulk, "counts": count}, ranking=kind)
    _refuse_unmeasured(joined.packed, parts, kind)
    strength = np.where(
        (joined.packed.populations["side"] == "normal").to_numpy(),
        antigen_power(parts, symbols=symbols, depth=joined.depth, bulk=bulk, count=count),
        1.0,
    )
    packed = replace(
        joined.packed,
        populations=_with_reliability(joined.packed.populations),
        is_measured=joined.packed.is_measured & (strength >= LEAST),
    )
    weight, effective = observation_weights(packed)
    packed.populations["n_effective"] = effective
    packed.populations["spread"] = wide_spread(packed, weight=weight, n_effective=effective)
    owner = packed.segments["population"].to_numpy()

    units = [summary_units(atlas, symbols, bulk) for atlas in summaries]
    units += [protein_units(atlas, symbols, STAINS[protein]) for atlas in proteins]
    empty = np.zeros((len(symbols), 0))
    return Panel(
        symbols=tuple(symbols),
        kind=kind,
        packed=packed,
        segment_weight=weight,
        fraction=by_population(count_positive(packed) * weight, owner, len(effective)),
        power=strength,
        units=pd.concat([unit[0] for unit in units], ignore_index=True) if units else no_units(),
        value=np.hstack([empty, *(unit[1] for unit in units)]).astype(np.float32),
        is_above=np.hstack([empty, *(unit[2] for unit in units)]).astype(bool),
        is_flagged=np.hstack([empty, *(unit[3] for unit in units)]).astype(bool),
        levels=joined.levels,
        level_population=joined.level_population,
        level_donor=joined.level_donor,
        required=tuple(sorted(required)),
        stand_in=frozenset(stand_in),
        origin=tuple(sorted(origin)),
        n_twice=joined.n_twice,
        traits=joined.traits,
    )


def _refuse_unmeasured(packed: Packed, parts: Sequence[Part], kind: str) -> None:
    ranking = packed.populations["is_ranking"].to_numpy(dtype=bool)
    partly = np.flatnonzero(~packed.is_measured[:, ranking].all(axis=1))
    if not len(partly):
        return
    symbol = packed.symbols[partly[0]]
    holding = [part for part in parts if part.kind == kind and part.holds_tumor]
    lacking = [part.atlas for part in holding if symbol not in part.symbols]
    if lacking:
        raise InputError(
            f"atlas {lacking[0]}: candidate {symbol!r} is not among its genes; screen only what all tumours hold"
        )
    raise InputError(
        f"atlas {holding[0].atlas}: candidate {symbol!r} is not measured in all of its tumours, so its coverage is not "
        "known; leave it out (cartarget.evidence.part.measured_in_tumor)"
    )


def _with_reliability(populations: pd.DataFrame) -> pd.DataFrame:
    """Which populations are thin: few donors, few cells, or a patient of few malignant cells."""
    cells = populations["kind"] == "cells"
    few_cells = cells & (populations["n_observations"] < THIN_CELLS)
    few_donors = populations["n_donors"] < populations["kind"].map(THIN_DONORS)
    patient = cells & (populations["side"] == "tumor")
    return populations.assign(is_thin=(few_donors & ~patient) | few_cells)
