"""All that was measured about the candidate antigens, on one scale and ready to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.intervals import by_population, observation_weights, posterior_quantile
from cartarget.evidence.packed import Packed, count_positive
from cartarget.evidence.positivity import dense, pack_atlas

STAINS = {"Low": 1.0, "Medium": 2.0, "High": 3.0}
SUPPORTED = 2.0
THIN_DONORS = {"samples": 20, "cells": 5}
THIN_CELLS = 30
MEASURED_DONORS = 5

UNIT_COLUMNS = ("population", "tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin")


@dataclass(frozen=True, eq=False)
class Panel:
    """Candidate antigens with everything that decides about them.

    Attributes
    ----------
    symbols
        Candidate antigens; the first axis of every matrix here.
    kind
        `samples` (bulk) or `cells`: what one observation is.
    packed
        Positivity of the observations. `packed.populations` has one row a population with its tier,
        weight, cap, `is_required`, `is_origin`, and `n_effective`, `is_thin`.
    segment_weight
        What one observation of a segment weighs in its population's mean fraction.
    fraction
        Mean fraction positive, antigens × populations.
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
        log2(level + 1) per donor or sample, rows × antigens: the threshold-free view. NaN is not measured.
    level_population
        Row of `packed.populations` of each row of `levels`.
    required
        Tissues that must be measured before anything is called safe.
    origin
        Tissues from which the tumour arises.
    """

    symbols: tuple[str, ...]
    kind: str
    packed: Packed
    segment_weight: NDArray[np.float64]
    fraction: NDArray[np.float64]
    units: pd.DataFrame
    value: NDArray[np.float32]
    is_above: NDArray[np.bool_]
    is_flagged: NDArray[np.bool_]
    levels: NDArray[np.float32]
    level_population: NDArray[np.int64]
    required: tuple[str, ...]
    origin: tuple[str, ...]

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
        """Which populations are tumour."""
        return (self.populations["side"] == "tumor").to_numpy()

    @cached_property
    def highest_fraction(self) -> NDArray[np.float64]:
        """Highest mean fraction of each population that keeps its cap.

        The cap holds the posterior median; in a thin population, which its width alone must not condemn,
        it holds the plain fraction.
        """
        table = self.populations
        cap = table["cap"].fillna(1.0).to_numpy(dtype=np.float64)
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
        packed = Packed(
            symbols=tuple(symbols),
            words=np.ascontiguousarray(self.packed.words[rows]),
            segments=self.packed.segments,
            populations=self.packed.populations,
            is_measured=self.packed.is_measured[rows],
        )
        return replace(
            self,
            symbols=tuple(symbols),
            packed=packed,
            fraction=self.fraction[rows],
            value=self.value[rows],
            is_above=self.is_above[rows],
            is_flagged=self.is_flagged[rows],
            levels=self.levels[:, rows],
        )


def build_panel(
    primary: AnnData,
    *,
    symbols: Sequence[str],
    required: Sequence[str],
    origin: Sequence[str] = (),
    summaries: Sequence[AnnData] = (),
    proteins: Sequence[AnnData] = (),
    bulk: float = 10.0,
    count: int = 1,
    protein: str = "Medium",
) -> Panel:
    """Bring the atlases of a run onto one set of antigens.

    Parameters
    ----------
    primary
        Harmonised atlas of observations that holds the tumour (kind `samples` or `cells`).
    symbols
        Candidate antigens. Each must be measured in the tumour.
    required
        Tissues that must be measured before anything is called safe, whether or not an atlas holds them.
    origin
        Tissues from which the tumour arises, judged apart.
    summaries
        Harmonised summary atlases of normal tissue, in the unit of the primary atlas.
    proteins
        Harmonised atlases of antibody stains.
    bulk, count, protein
        Thresholds: CPM, counts, and the stain that counts (`Low`, `Medium`, `High`).

    Returns
    -------
    `Panel`. A gene that an atlas lacks is unmeasured there, never zero.

    Raises
    ------
    InputError
        A candidate is not in the primary atlas or not measured in all of its tumours, or an atlas is of the wrong kind.

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
    about = primary.uns["cartarget"]
    if about["kind"] not in THIN_DONORS:
        raise InputError(f"atlas {about['atlas']}: kind {about['kind']!r} cannot be counted; expected samples or cells")
    absent = [symbol for symbol in symbols if symbol not in primary.var_names]
    if absent:
        raise InputError(
            f"atlas {about['atlas']}: candidate {absent[0]!r} is not among its genes; screen only what it holds"
        )
    chosen = primary[:, list(symbols)]
    partly = np.flatnonzero(~measured_in_tumor(chosen))
    if len(partly):
        raise InputError(
            f"atlas {about['atlas']}: candidate {symbols[partly[0]]!r} is not measured in all of its tumours, so its "
            "coverage is not known; leave it out (cartarget.evidence.panel.measured_in_tumor)"
        )
    packed = _with_reliability(pack_atlas(chosen, bulk=bulk, count=count), kind=about["kind"])
    weight, effective = observation_weights(packed)
    packed.populations["n_effective"] = effective
    owner = packed.segments["population"].to_numpy()

    parts = [_summary_units(atlas, symbols, bulk) for atlas in summaries]
    parts += [_protein_units(atlas, symbols, STAINS[protein]) for atlas in proteins]
    empty = np.zeros((len(symbols), 0))
    units = [part[0] for part in parts]
    levels, level_population = _levels(chosen, packed)
    return Panel(
        symbols=tuple(symbols),
        kind=about["kind"],
        packed=packed,
        segment_weight=weight,
        fraction=by_population(count_positive(packed) * weight, owner, len(effective)),
        units=pd.concat(units, ignore_index=True) if units else _no_units(),
        value=np.hstack([empty, *(part[1] for part in parts)]).astype(np.float32),
        is_above=np.hstack([empty, *(part[2] for part in parts)]).astype(bool),
        is_flagged=np.hstack([empty, *(part[3] for part in parts)]).astype(bool),
        levels=levels,
        level_population=level_population,
        required=tuple(sorted(required)),
        origin=tuple(sorted(origin)),
    )


def measured_in_tumor(adata: AnnData) -> NDArray[np.bool_]:
    """Which genes every data set that holds tumour measured; a gene that some patients lack has no coverage.

    Examples
    --------
    >>> adata = AnnData(np.zeros((2, 2), dtype="float32"))
    >>> adata.obs["side"], adata.obs["dataset"] = "tumor", ["x", "y"]
    >>> adata.varm["is_measured"] = pd.DataFrame({"x": [True, True], "y": [True, False]}, index=adata.var_names)
    >>> measured_in_tumor(adata).tolist()
    [True, False]
    """
    tumors = sorted(set(adata.obs["dataset"][(adata.obs["side"] == "tumor").to_numpy()].astype(str)))
    measured = pd.DataFrame(adata.varm["is_measured"])[tumors]
    return np.asarray(measured.to_numpy(dtype=bool).all(axis=1))


def _with_reliability(packed: Packed, *, kind: str) -> Packed:
    table = packed.populations.copy()
    thin = table["n_donors"] < THIN_DONORS[kind]
    if kind == "cells":
        thin |= table["n_observations"] < THIN_CELLS
    table["is_thin"] = thin
    return Packed(packed.symbols, packed.words, packed.segments, table, packed.is_measured)


def _no_units() -> pd.DataFrame:
    types = {"weight": float, "cap": float, "is_required": bool, "is_origin": bool}
    names = (*UNIT_COLUMNS, "evidence", "atlas", "unit")
    return pd.DataFrame({name: pd.Series([], dtype=types.get(name, object)) for name in names})


def _unit_frame(atlas: AnnData, evidence: str) -> pd.DataFrame:
    about = atlas.uns["cartarget"]
    frame = atlas.obs[list(UNIT_COLUMNS)].reset_index(drop=True)
    for name in ("population", "tissue", "cell_type", "tier"):
        frame[name] = frame[name].astype(str)
    return frame.assign(evidence=evidence, atlas=about["atlas"], unit=about["unit"])


def _values(atlas: AnnData, symbols: Sequence[str], layer: str | None = None) -> NDArray[np.float64]:
    rows = atlas.var_names.get_indexer(pd.Index(symbols))
    data = atlas.X if layer is None else atlas.layers[layer]
    values = np.full((len(symbols), atlas.n_obs), np.nan)
    values[rows >= 0] = dense(data)[:, rows[rows >= 0]].T
    return values


Units = tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


def _summary_units(atlas: AnnData, symbols: Sequence[str], threshold: float) -> Units:
    about = atlas.uns["cartarget"]
    if about["kind"] != "summary":
        raise InputError(f"atlas {about['atlas']}: kind {about['kind']!r} given as a summary of normal tissue")
    value = _values(atlas, symbols)
    above = value >= threshold
    return _unit_frame(atlas, "summary"), value, above, np.zeros_like(above)


def _protein_units(atlas: AnnData, symbols: Sequence[str], stain: float) -> Units:
    value = _values(atlas, symbols)
    reliability = _values(atlas, symbols, "reliability")
    membrane = atlas.var["is_membrane"].reindex(list(symbols)).astype("boolean").fillna(False).to_numpy(dtype=bool)
    stained = value >= stain
    veto = stained & (reliability >= SUPPORTED) & membrane[:, None]
    return _unit_frame(atlas, "protein"), value, veto, stained & ~veto


def _levels(adata: AnnData, packed: Packed) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """log2(level + 1): CPM per sample in bulk; counts per 10,000 per donor and population in cells."""
    names = packed.populations["population"].tolist()
    place = {name: row for row, name in enumerate(names)}
    population = adata.obs["population"].astype(str).map(place).to_numpy(dtype=np.int64)
    values = adata.X
    if adata.uns["cartarget"]["kind"] == "samples":
        levels = np.log2(np.asarray(dense(values), dtype=np.float32) + 1)
        owner = population
    else:
        levels, owner = _pseudobulk(adata, population)
    levels[~packed.is_measured.T[owner]] = np.nan
    return levels, owner


def _pseudobulk(adata: AnnData, population: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    import scanpy as sc

    groups = pd.DataFrame({"population": population, "donor": adata.obs["donor"].astype(str).to_numpy()})
    key = groups["population"].astype(str) + "\t" + groups["donor"]
    values = sparse.csr_matrix(adata.X, dtype=np.float64)
    log = adata.uns["cartarget"]["unit"] == "log1p"
    if log:
        values = values.expm1()
    small = AnnData(values, obs=pd.DataFrame({"key": pd.Categorical(key)}, index=adata.obs_names))
    sums = sc.get.aggregate(small, by="key", func="mean" if log else "sum")
    totals = dense(sums.layers["mean" if log else "sum"])
    if not log:
        depth = (
            adata.obs["n_counts"].to_numpy(dtype=np.float64)
            if "n_counts" in adata.obs
            else np.asarray(values.sum(1)).ravel()
        )
        per_group = np.bincount(pd.Categorical(key).codes, weights=depth)
        totals = totals * (1e4 / np.maximum(per_group, 1))[:, None]
    owner = np.array([int(name.split("\t")[0]) for name in sums.obs["key"].astype(str)], dtype=np.int64)
    return np.log2(totals + 1).astype(np.float32), owner
