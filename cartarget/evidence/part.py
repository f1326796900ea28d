"""One atlas counted: its observations as packed bits, with all that is later asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.contract import require_harmonised
from cartarget.atlas.names import several
from cartarget.atlas.traits import traits_of
from cartarget.errors import InputError
from cartarget.evidence.derived import decided, definitions, lowest_highest
from cartarget.evidence.packed import WORD, Layout, lay_out
from cartarget.evidence.positivity import dense
from cartarget.logic.gate import Gate

SMALLEST = np.nextafter(np.float32(0), np.float32(1))
"""Threshold of log-normalised cells: every value above zero."""

DEPTHS = 2.0 ** (np.arange(201) / 8)
"""Depths (counts of a cell) at which cells are binned, an eighth of a doubling apart."""

PER_MILLION = 1e6
_DESCRIBED = ("tissue", "cell_type", "tier", "weight", "cap", "is_required", "is_origin")


@dataclass(frozen=True, eq=False)
class Part:
    """An atlas of observations, counted.

    Attributes
    ----------
    atlas, kind, unit
        Its name; `samples` or `cells`; the unit of `thresholds`.
    symbols
        Antigens that it holds, of those asked for.
    thresholds
        Values at or above which an observation is positive; the first axis of `words`.
    words
        `uint64`, thresholds × antigens × words, laid out as in `Packed`.
    segments, donor, donors
        As in `Packed`.
    populations
        One row a population: `population`, `side`, `assay`, `tissue`, `cell_type`, `tier`, `weight`, `cap`,
        `is_required`, `is_origin`. Data sets that measured different antigens are different populations.
    is_measured
        Antigens × populations.
    key
        `uint64`, one a bit: a digest of donor and barcode, by which a cell in two files is known again.
    levels, level_population, level_donor
        log2(CPM + 1) per sample, or per donor of a population of cells; rows of `populations` and `donors`.
    level_depth
        Counts behind each row of `levels`, by which rows of one donor are pooled; 1 for a sample.
    depth
        Populations × `DEPTHS`: cells of each depth. All zero where depths are not known.
    seen
        Antigens × (cells, counts, depths): tumour cells that show the antigen, their counts and their depths, summed.
    lesion, lesions
        `int32`, one a bit: row of `lesions`, the labels, of a malignant cell; −1 where it is not told. Both are empty
        where the atlas tells no lesions.
    derived
        Derived antigens among `symbols` → expression over genes, which stand among `symbols` where the atlas holds
        them. Such an antigen is measured in a population if what is known of its genes decides each observation.
    traits
        Trait (`sex`, `age`, `smoking`) → its value for each of `donors`, empty where unknown; only traits that the
        atlas tells.
    """

    atlas: str
    kind: str
    unit: str
    symbols: tuple[str, ...]
    thresholds: tuple[float, ...]
    words: NDArray[np.uint64]
    segments: pd.DataFrame
    donor: NDArray[np.int32]
    donors: tuple[str, ...]
    populations: pd.DataFrame
    is_measured: NDArray[np.bool_]
    key: NDArray[np.uint64]
    levels: NDArray[np.float32]
    level_population: NDArray[np.int64]
    level_donor: NDArray[np.int64]
    level_depth: NDArray[np.float64]
    depth: NDArray[np.int64]
    seen: NDArray[np.float64]
    lesion: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    lesions: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, dtype=np.str_))
    derived: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def holds_tumor(self) -> bool:
        """Whether some of its populations are tumours."""
        return bool((self.populations["side"] == "tumor").any())

    def at(self, threshold: float) -> NDArray[np.uint64]:
        """Words at a threshold.

        Raises
        ------
        InputError
            It was not counted at this threshold.
        """
        if self.unit == "log1p":
            return self.words[0]
        if threshold not in self.thresholds:
            raise InputError(
                f"atlas {self.atlas}: not counted at {threshold:g} {self.unit}; counted at "
                f"{', '.join(f'{t:g}' for t in self.thresholds)}; count it again with this threshold: a run "
                f"counts at half, once and twice thresholds.{'bulk' if self.unit == 'CPM' else 'count'}, so change that"
            )
        return self.words[self.thresholds.index(threshold)]


def count_atlas(
    adata: AnnData, *, symbols: Sequence[str], bulk: Sequence[float] = (10.0,), count: Sequence[float] = (1,)
) -> Part:
    """Count an atlas: one pass over its matrix, at every threshold that will be asked for.

    Parameters
    ----------
    adata
        A harmonised atlas of observations (kind `samples`, unit CPM; or `cells`, unit counts or log1p). The assay
        stands in `obs["assay"]` or `uns["cartarget"]["assay"]` (default: the kind), the depth of each cell over all
        genes in `obs["n_counts"]`.
    symbols
        Antigens asked for. Those that the atlas lacks are left out; the genes of derived ones are counted too.
    bulk, count
        Thresholds of samples (CPM) and of cells (counts).

    Returns
    -------
    `Part`.

    Raises
    ------
    InputError
        The atlas is no atlas of observations, or its unit has no threshold.

    Examples
    --------
    >>> import cartarget
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.simulate_atlas(n_patients=2, n_donors=2, cells_per_population=4, n_background=0)
    >>> part = count_atlas(cartarget.harmonise(atlas, tiers=tiers, origin=["colon"]), symbols=["MSLN", "absent"],
    ...                    count=[1, 2])
    >>> part.symbols, part.thresholds, part.words.shape[:2]
    (('MSLN',), (1.0, 2.0), (2, 1))
    """
    require_harmonised(adata, call="cartarget.count_atlas(atlas, symbols=[...])")
    about = adata.uns["cartarget"]
    symbols = several(symbols)
    thresholds = _thresholds(about, bulk, count)
    derived = {name: gate for name, gate in definitions(about).items() if name in set(symbols)}
    asked = dict.fromkeys([*symbols, *(gene for gate in derived.values() for gene in gate.antigens)])
    held = [symbol for symbol in asked if symbol in adata.var_names]
    chosen = adata[:, held]
    table, owner, is_measured = _populations(chosen)
    donors, person = np.unique(adata.obs["donor"].to_numpy(dtype=str), return_inverse=True)
    layout = lay_out(owner, person, np.arange(adata.n_obs), n_populations=len(table))
    values = chosen.X.tocsr() if sparse.issparse(chosen.X) else np.asarray(chosen.X)
    words = np.stack([_words(layout, values, np.float32(least)) for least in thresholds])
    levels, level_population, level_donor, level_depth = _levels(chosen, owner, person)
    levels[~is_measured.T[level_population]] = np.nan
    _settle(derived, held, words=words, levels=levels, is_measured=is_measured, layout=layout)
    key = pd.util.hash_array(
        (adata.obs["donor"].astype(str) + "\t" + adata.obs_names.astype(str)).to_numpy(dtype=object), categorize=False
    )
    lesion, lesions = _lesions(adata.obs, layout)
    return Part(
        atlas=about["atlas"],
        kind=about["kind"],
        unit=about["unit"],
        symbols=tuple(held),
        thresholds=thresholds,
        words=words,
        segments=layout.segments,
        donor=layout.spread(person.astype(np.int32), missing=-1),
        donors=tuple(map(str, donors)),
        populations=table.assign(n_observations=layout.n_observations, n_donors=layout.n_donors),
        is_measured=is_measured,
        key=layout.spread(key, missing=0),
        levels=levels,
        level_population=level_population,
        level_donor=level_donor,
        level_depth=level_depth,
        depth=_depths(adata, owner, len(table)),
        seen=_seen(chosen),
        lesion=lesion,
        lesions=lesions,
        derived={name: str(gate) for name, gate in derived.items()},
        traits=traits_of(adata.obs, donors, person),
    )


def _lesions(obs: pd.DataFrame, layout: Layout) -> tuple[NDArray[np.int32], NDArray[np.str_]]:
    """The lesion of each bit that is a malignant cell, and the labels of lesions."""
    if "lesion" not in obs:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.str_)
    told = obs["lesion"].astype(str).where(obs["side"].astype(str) == "tumor", "").to_numpy(dtype=np.str_)
    lesions = np.unique(told[told != ""])
    code = np.where(told == "", -1, np.searchsorted(lesions, told))
    return layout.spread(code.astype(np.int32), missing=-1), lesions


def _settle(
    derived: Mapping[str, Gate], held: Sequence[str], *, words: NDArray[np.uint64], levels: NDArray[np.float32],
    is_measured: NDArray[np.bool_], layout: Layout,
) -> None:  # fmt: skip
    """Fill in the level of each derived antigen, from those of its genes, and where it is known."""
    row = {symbol: at for at, symbol in enumerate(held)}
    valid = layout.spread(np.ones(len(layout.row), dtype=np.int8), missing=0).astype(bool)
    size = (layout.segments["stop"] - layout.segments["start"]).to_numpy() * WORD
    owner = np.repeat(layout.segments["population"].to_numpy(), size)
    unknown = np.full(len(levels), np.nan, dtype=np.float32)
    for name, gate in derived.items():
        genes = [gene for gene in gate.antigens if gene in row]
        levels[:, row[name]] = lowest_highest(gate, lambda gene: levels[:, row[gene]] if gene in row else unknown)
        is_measured[row[name]] = decided(
            gate,
            {gene: words[:, row[gene]] for gene in genes},
            {gene: is_measured[row[gene]] for gene in genes},
            owner,
            valid,
        )


def _words(layout: Layout, values: Any, least: np.float32) -> NDArray[np.uint64]:
    return layout.fill(lambda rows: least <= dense(values[rows]).T, n_antigens=values.shape[1])


def _thresholds(about: dict[str, str], bulk: Sequence[float], count: Sequence[float]) -> tuple[float, ...]:
    if about["kind"] not in ("samples", "cells"):
        raise InputError(
            f"atlas {about['atlas']}: kind {about['kind']!r} cannot be counted; expected samples or cells "
            "(give summaries of normal tissue and stains as such)"
        )
    of_unit = {"CPM": tuple(map(float, bulk)), "counts": tuple(map(float, count)), "log1p": (float(SMALLEST),)}
    if about["unit"] not in of_unit:
        raise InputError(
            f"atlas {about['atlas']}: unit {about['unit']!r} has no threshold; expected one of {', '.join(of_unit)}"
        )
    return of_unit[about["unit"]]


def _populations(adata: AnnData) -> tuple[pd.DataFrame, NDArray[np.int64], NDArray[np.bool_]]:
    """Populations, the one of each observation, and which antigens were measured in them.

    Normal observations of data sets that measured other antigens are kept apart; tumours are not: what one data set of
    a patient lacks is not known of the patient.
    """
    obs, about = adata.obs, adata.uns["cartarget"]
    measured = pd.DataFrame(adata.varm["is_measured"]).astype(bool)
    kinds, signature = np.unique(measured.to_numpy().T, axis=0, return_inverse=True)
    of_dataset = dict(zip(measured.columns, np.ravel(signature), strict=True))
    dataset = obs["dataset"].astype(str).map(of_dataset).to_numpy(dtype=np.int64)
    tumor = (obs["side"].astype(str) == "tumor").to_numpy()
    assay = (
        obs["assay"].astype(str).to_numpy() if "assay" in obs else np.full(len(obs), about.get("assay", about["kind"]))
    )
    keys = pd.DataFrame(
        {
            "is_normal": ~tumor,
            "population": obs["population"].astype(str).to_numpy(),
            "assay": assay,
            "mask": np.where(tumor, -1, dataset),
        }
    )
    grouped = keys.groupby(list(keys), sort=True)
    owner = grouped.ngroup().to_numpy(dtype=np.int64)
    table = grouped.size().reset_index()[list(keys)]
    first = np.full(len(table), len(obs))
    np.minimum.at(first, owner, np.arange(len(obs)))
    for name in _DESCRIBED:
        table[name] = obs[name].iloc[first].to_numpy() if name in obs else ""
    table["side"] = np.where(table["is_normal"], "normal", "tumor").astype(object)
    holds = np.zeros((len(table), len(kinds)), dtype=bool)
    holds[owner, dataset] = True
    lacking = (~kinds).T.astype(np.float32) @ holds.T.astype(np.float32)
    return table.drop(columns=["is_normal", "mask"]), owner, lacking == 0


def _levels(
    adata: AnnData, owner: NDArray[np.int64], person: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """log2(CPM + 1): per sample; in cells per donor and population, counts pooled over the donor's cells."""
    about = adata.uns["cartarget"]
    if about["kind"] == "samples":
        values = np.log2(np.asarray(dense(adata.X), dtype=np.float32) + 1)
        return values, owner, person.astype(np.int64), np.ones(len(owner))
    n_people = int(person.max()) + 1 if len(person) else 0
    group, code = np.unique(owner * n_people + person, return_inverse=True)
    member = sparse.csr_matrix(
        (np.ones(len(code)), (np.ravel(code), np.arange(len(code)))), shape=(len(group), len(code))
    )
    values = sparse.csr_matrix(adata.X, dtype=np.float64)
    if about["unit"] == "log1p":
        depth = np.asarray(member.sum(axis=1)).ravel() * 1e4
        values = values.expm1()
    else:
        named = next((name for name in ("library", "n_counts") if name in adata.obs), None)
        own = adata.obs[named].to_numpy(dtype=np.float64) if named else np.asarray(values.sum(axis=1)).ravel()
        depth = np.asarray(member @ own).ravel()
    totals = dense(member @ values) * (PER_MILLION / np.maximum(depth, 1))[:, None]
    return np.log2(totals + 1).astype(np.float32), group // max(n_people, 1), group % max(n_people, 1), depth


def _depths(adata: AnnData, owner: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    found = np.zeros((n, len(DEPTHS)), dtype=np.int64)
    if _has_depth(adata):
        depth = np.maximum(adata.obs["n_counts"].to_numpy(dtype=np.float64), 1)
        at = np.clip(np.rint(8 * np.log2(depth)), 0, len(DEPTHS) - 1).astype(np.int64)
        np.add.at(found, (owner, at), 1)
    return found


def _has_depth(adata: AnnData) -> bool:
    return adata.uns["cartarget"]["unit"] == "counts" and "n_counts" in adata.obs


def _seen(adata: AnnData) -> NDArray[np.float64]:
    out = np.zeros((adata.n_vars, 3))
    tumor = (adata.obs["side"].astype(str) == "tumor").to_numpy()
    if _has_depth(adata) and tumor.any():
        values = sparse.csr_matrix(adata.X[np.flatnonzero(tumor)], dtype=np.float64)
        shown = values > 0
        depth = adata.obs["n_counts"].to_numpy(dtype=np.float64)[tumor]
        out[:, 0] = np.asarray(shown.sum(axis=0)).ravel()
        out[:, 1] = np.asarray(values.sum(axis=0)).ravel()
        out[:, 2] = np.asarray(shown.T @ depth).ravel()
    return out


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
