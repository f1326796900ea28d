"""The numbers of a gate: coverage by patient, liability and where, selectivity, window, and what is unknown."""

from __future__ import annotations

from itertools import combinations
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.contracts import CLASSES
from cartarget.evidence.intervals import fraction_interval, posterior_quantile
from cartarget.evidence.panel import Panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate, letter
from cartarget.logic.shapes import conjunctions
from cartarget.safety.beside import names, sensed
from cartarget.safety.conjunction import EXPOSED, NO_VALUE, UNRESOLVED, beside_the_point
from cartarget.safety.judge import Judged
from cartarget.safety.known import ORIGIN_ONLY, ROUNDING, UNKNOWN, UNSAFE, known
from cartarget.safety.window import Levels, gate_levels, windows


def score(panel: Panel, gates: Gates, judged: Judged, levels: Levels, *, floor: float = 0.5) -> pd.DataFrame:
    """Score gates: one row a gate, in the columns of `cartarget.contracts`.

    Coverage is the fraction of patients hit (bulk) or the mean over patients of the fraction of malignant cells hit
    (single cell; of m cells a patient weighs m / (1 + 0.3 (m − 1))). Liability is the worst of weight × exposure over
    the normal populations outside the origin that may decide: posterior medians, thin populations left out, a summary
    or stain that exposes counted as 1. Its upper bound takes the one-sided 95 % bound of what a gate may hit at most,
    thin populations included, and 1 where a required place is open. Selectivity is coverage (tenth percentile over
    patients in single cell) minus liability.

    Parameters
    ----------
    panel
        Evidence on the antigens.
    gates, judged, levels
        The gates, held against the evidence, and their levels.
    floor
        Coverage that makes a gate eligible.

    Returns
    -------
    Frame of scores; a liability is missing where no population may decide.
    """
    frame = _coverage(panel, judged, floor)
    median, upper = _exposures(panel, judged)
    places, window = _Places(panel), windows(panel, levels)
    level = np.hstack([np.nan_to_num(window.level, nan=-1.0), np.full((len(gates), len(panel.required)), -1.0)])
    for suffix, chosen in (("", ~places.is_origin), ("_origin", places.is_origin)):
        value, place = _worst(median, chosen, places, level)
        bound, bounding = _worst(upper, chosen, places, level)
        frame[f"liability{suffix}"] = value
        frame[f"liability{suffix}_upper"] = np.fmax(bound, value)
        frame[f"liability{suffix}_population"] = places.name(place)
        if not suffix:
            for name in ("n_donors", "n_observations"):
                frame[f"liability_{name}"] = _behind(panel, name, place)
            frame["liability_n_positive"] = _positive(judged, place)
            frame["liability_evidence"] = places.evidence(place)
            frame["liability_upper_population"] = places.name(bounding)
    by = frame["coverage_p10"] if panel.kind == "cells" else frame["coverage"]
    both = frame[["liability", "liability_origin"]].max(axis=1)
    frame["selectivity"] = by - frame["liability"].fillna(0.0)
    frame["selectivity_origin"] = by - both.fillna(0.0)
    frame["liability_naive"] = _naive(panel, gates, judged)
    frame["liability_trans"] = _trans(panel, judged, median, places)
    frame = frame.assign(**_people(panel, judged))
    frame["window"] = window.vital
    frame["window_population"] = places.name(window.worst)
    for tier in ("important", "tolerable", "origin"):
        frame[f"window_{tier}"] = getattr(window, tier)
    frame["safety_class"] = np.array(CLASSES, dtype=object)[final_class(panel, gates, judged)]
    frame["is_safety_known"] = judged.is_known & ~is_doubted(panel, gates) & ~judged.leaked.any(axis=1)
    return frame.assign(**_tissues(panel, judged))


def final_class(panel: Panel, gates: Gates, judged: Judged) -> NDArray[np.int64]:
    """The class with window, harm on record in organs that nothing measured, and blockers that leaked asked too."""
    doubted = is_doubted(panel, gates) | judged.leaked[:, ~panel.is_origin].any(axis=1)
    at_home = judged.leaked[:, panel.is_origin].any(axis=1)
    found = np.where(at_home, np.maximum(judged.safety_class, ORIGIN_ONLY), judged.safety_class)
    found = np.where(doubted, np.maximum(found, UNKNOWN), found)
    return np.where(is_closed(panel, gates), UNSAFE, found)


def is_doubted(panel: Panel, gates: Gates) -> NDArray[np.bool_]:
    """Gates that sense an antigen of which severe harm is on record in an organ that nothing measured."""
    return sensed(gates, np.array([[symbol in panel.harmed] for symbol in panel.symbols], dtype=bool))[:, 0]


def is_closed(panel: Panel, gates: Gates, *, asked: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Gates that are over cap since vital tissue stands above the tumour.

    Some conjunction without a blocker has no part with a window of 0 or more: neither one of its antigens, nor some of
    them together, nor all. Places in which cells decide are not asked of antigens together, nor are cells, where they
    must meet inside one. Where there is no window nothing is said. `asked`: the places that count, gates × populations
    and units; None: all.
    """
    alone = antigens_closed(panel)
    out = np.zeros(len(gates), dtype=bool)
    for batch in gates.batches():
        for one in conjunctions(batch.shape):
            if one.blockers:
                continue
            rows = np.stack([batch.of(symbol) for symbol in one.plain], axis=1)
            shut = np.array(alone[rows].all(axis=1))
            for size in range(2 if asked is None else 1, len(one.plain) + 1):
                for part in combinations(range(len(one.plain)), size):
                    left = np.flatnonzero(shut)
                    own = Gates((_AND[size],), np.zeros(len(left), dtype=np.int64), rows[left][:, list(part)])
                    shut[left] = _window(panel, own, None if asked is None else asked[batch.at[left]]) < 0
            out[batch.at] |= shut
    return out


_AND = {size: Gate("&", parts=tuple(Gate.literal(letter(i)) for i in range(size))) for size in range(2, 13)}
_AND[1] = Gate.literal(letter(0))
_CLOSED: WeakKeyDictionary[Panel, NDArray[np.bool_]] = WeakKeyDictionary()


def antigens_closed(panel: Panel) -> NDArray[np.bool_]:
    """Antigens whose own window is below 0; reckoned once a panel."""
    if panel not in _CLOSED:
        _CLOSED[panel] = _window(panel, Gates.singles(len(panel.symbols))) < 0
    return _CLOSED[panel]


def _window(panel: Panel, gates: Gates, asked: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    if not len(gates):
        return np.zeros(0)
    hidden = beside_the_point(panel, gates) if asked is None else beside_the_point(panel, gates) | ~asked
    return windows(panel, gate_levels(panel, gates), hidden=hidden).vital


def _coverage(panel: Panel, judged: Judged, floor: float) -> pd.DataFrame:
    table = panel.populations
    tumor = judged.low[:, panel.is_tumor]
    n_patients = int(table.loc[panel.is_tumor, "n_donors"].sum())
    mean = tumor @ panel.patient_weight
    lower, upper = fraction_interval(mean, n_patients)
    frame = pd.DataFrame({"coverage": mean, "coverage_lower": lower, "coverage_upper": upper, "n_patients": n_patients})
    if panel.kind == "cells":
        sure = tumor[:, panel.tells_low_end]
        frame["coverage_median"] = np.median(tumor, axis=1)
        frame["coverage_p10"] = np.quantile(sure, 0.1, axis=1)
        frame["n_patients_thin"] = int(table.loc[panel.is_tumor, "is_thin"].sum())
    frame["is_eligible"] = mean >= floor - ROUNDING
    for kind, name in (("cells", "coverage_cells"), ("samples", "coverage_samples")):
        frame[name] = mean if kind == panel.kind else _other_coverage(panel, judged, kind)
    return frame


def _other_coverage(panel: Panel, judged: Judged, kind: str) -> NDArray[np.float64]:
    """Mean coverage of the other kind of tumour over the patients in whom every antigen was measured."""
    own = np.flatnonzero(((panel.populations["side"] == "tumor") & (panel.populations["kind"] == kind)).to_numpy())
    if not len(own):
        return np.full(len(judged.low), np.nan)
    measured = judged.complete[:, own]
    n = panel.populations["n_donors"].to_numpy(dtype=np.float64)[own] * measured
    total = n.sum(axis=1)
    return np.divide((judged.low[:, own] * n).sum(axis=1), total, out=np.full(len(n), np.nan), where=total > 0)


class _Places:
    """Populations of observations, then units, then required places: what a liability may name."""

    def __init__(self, panel: Panel) -> None:
        table, units = panel.populations, panel.units
        named = [f"{name} ({atlas})" for name, atlas in zip(units["population"], units["atlas"], strict=True)]
        self.names = np.array([*table["population"].astype(str), *named, *panel.required, None], dtype=object)
        of_units = units["evidence"].astype(str).tolist()
        self.kinds = np.array(
            [*table["kind"].astype(str), *of_units, *[None] * (len(panel.required) + 1)], dtype=object
        )
        self.is_origin = np.concatenate(
            [panel.is_origin, units["is_origin"].to_numpy(dtype=bool), known(panel).in_origin]
        )
        self.is_counted = np.arange(len(self.is_origin)) < len(table)

    def name(self, place: NDArray[np.int64]) -> list[str | None]:
        """Names; None for −1."""
        return list(self.names[place])

    def evidence(self, place: NDArray[np.int64]) -> list[str | None]:
        """Kinds of evidence; None for −1 and for a place that nothing measured."""
        return list(self.kinds[place])


def _exposures(panel: Panel, judged: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight × exposure, gates × places: median and upper bound; NaN where a place may not decide.

    A required place in which nothing decides is a place of its own: no median, and the bound is 1.
    """
    table, units = panel.populations, panel.units
    n, weight = table["n_effective"].to_numpy(dtype=np.float64), panel.weight
    required = table["is_required"].fillna(False).to_numpy(dtype=bool) & panel.is_normal
    median, upper = np.full(judged.low.shape, np.nan), np.full(judged.low.shape, np.nan)
    counts, bounds = panel.decides, panel.is_normal & (weight > 0)
    median[:, counts] = weight[counts] * posterior_quantile(judged.low[:, counts], n[counts], q=0.5)
    upper[:, bounds] = weight[bounds] * posterior_quantile(
        judged.high[:, bounds], judged.n_effective[:, bounds], q=0.95
    )
    median[~judged.told] = np.nan
    upper[~judged.bounded | judged.is_explained] = np.nan
    upper = np.where(~judged.bounded & required, weight, upper)

    load = np.where(units["weight"] > 0, units["weight"].to_numpy(dtype=np.float64), np.nan)
    unit_median = np.where(judged.unit_state == EXPOSED, load, np.nan)
    rna = (units["evidence"] == "summary").to_numpy(dtype=bool) & units["is_required"].to_numpy(dtype=bool)
    unsure = ((judged.unit_state == UNRESOLVED) & panel.is_unit_capped) | ((judged.unit_state == NO_VALUE) & rna)
    unit_upper = np.where((judged.unit_state == EXPOSED) | unsure, load, np.nan)
    undecided = np.where(judged.decided, np.nan, 1.0)
    nothing = np.full(undecided.shape, np.nan)
    return np.hstack([median, unit_median, nothing]), np.hstack([upper, unit_upper, undecided])


def _naive(panel: Panel, gates: Gates, judged: Judged) -> NDArray[np.float64]:
    """Liability with blockers believed inside bulk samples that measured them; missing where no sample counts."""
    own = np.flatnonzero(panel.decides & ~panel.is_cells & ~panel.is_origin)
    n = panel.populations["n_effective"].to_numpy(dtype=np.float64)
    load = panel.weight[own] * posterior_quantile(judged.naive[:, own], n[own], q=0.5)
    lacking = ~np.vstack([panel.packed.is_measured[:, own], np.ones((1, len(own)), dtype=bool)])  # row −1: no antigen
    return _highest(np.where(judged.told[:, own] & ~lacking[gates.rows].any(axis=1), load, np.nan))


def _trans(panel: Panel, judged: Judged, median: NDArray[np.float64], places: _Places) -> NDArray[np.float64]:
    """Liability if one antigen of an AND arms the T cell and another marks its neighbours; at least the liability."""
    own = np.flatnonzero(panel.decides & ~panel.is_origin)
    n = panel.populations["n_effective"].to_numpy(dtype=np.float64)
    load = panel.weight[own] * posterior_quantile(judged.trans[:, own], n[own], q=0.5)
    load = np.where(judged.told[:, own], load, np.nan)
    return np.fmax(_highest(load), _highest(median[:, ~places.is_origin]))


def _highest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Highest of each row; NaN where nothing is known."""
    best = np.nan_to_num(values, nan=-1.0).max(axis=1, initial=-1.0)
    return np.where(best < 0, np.nan, best)


def _people(panel: Panel, judged: Judged) -> dict[str, object]:
    """Where the largest share of people is over the cap, outside the origin: how many of how many, and its interval."""
    table = panel.populations
    own = np.flatnonzero(panel.is_capped & ~panel.is_origin)
    if not len(own):
        nothing = np.full(len(judged.low), np.nan)
        return {f"people_{name}": nothing for name in ("over_cap", "n", "share_lower", "share_upper")} | {
            "people_population": None
        }
    n = table["n_donors"].to_numpy(dtype=np.int64)[own]
    over = np.where(judged.told[:, own], judged.people_over[:, own], -1)
    share = posterior_quantile(np.maximum(over, 0) / np.maximum(n, 1), n, q=0.5)
    share = np.where(over > 0, share, np.where(over == 0, 0.0, -1.0))
    worst = share.argmax(axis=1)
    row = np.arange(len(over))
    told = over[row, worst] >= 0
    count, people = over[row, worst], n[worst]
    lower, upper = fraction_interval(np.maximum(count, 0) / np.maximum(people, 1), people)
    names_ = table["population"].astype(str).to_numpy(dtype=object)[own]
    return {
        "people_over_cap": np.where(told, count, np.nan),
        "people_n": np.where(told, people, np.nan),
        "people_population": np.where(told & (count > 0), names_[worst], None),
        "people_share_lower": np.where(told, lower, np.nan),
        "people_share_upper": np.where(told, upper, np.nan),
    }


def _behind(panel: Panel, name: str, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many donors or observations stand behind a place; NaN for a summary or stain, which tells none."""
    told = np.append(panel.populations[name].to_numpy(dtype=np.float64), np.nan)
    return np.asarray(told[np.where(place < len(panel.populations), place, -1)])


def _positive(judged: Judged, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many observations of a place are hit; NaN for a summary or stain."""
    counted = np.hstack([judged.n_positive, np.full((len(place), 1), np.nan)])
    own = np.where((place >= 0) & (place < judged.n_positive.shape[1]), place, -1)
    return np.asarray(counted[np.arange(len(place)), own])


def _worst(
    values: NDArray[np.float64], chosen: NDArray[np.bool_], places: _Places, level: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Highest value and its place; of equal ones what was counted, then the highest level, then the first name."""
    columns = np.flatnonzero(chosen)
    if not len(columns):
        return np.full(len(values), np.nan), np.full(len(values), -1)
    columns = columns[np.argsort([str(name) for name in places.names[columns]], kind="stable")]
    part = np.where(np.isnan(values[:, columns]), -1.0, values[:, columns])
    worst = part.max(axis=1)
    tied = part >= worst[:, None] - ROUNDING
    order = np.where(tied, level[:, columns] + 1e6 * places.is_counted[columns], -np.inf)
    best = columns[order.argmax(axis=1)]
    return np.where(worst < 0, np.nan, worst), np.where(worst < 0, -1, best)


def _tissues(panel: Panel, judged: Judged) -> dict[str, list[str]]:
    tissues = [*panel.populations["tissue"].astype(str), *panel.units["tissue"]]
    protein = (panel.units["evidence"] == "protein").to_numpy(dtype=bool)
    return {
        "tissues_broken": names(np.hstack([judged.breaks, judged.unit_breaks]), tissues),
        "tissues_unresolved": names(
            np.hstack([(judged.unresolved & panel.is_capped) | judged.leaked, judged.unit_unresolved]), tissues
        ),
        "tissues_unmeasured": names(~judged.decided, panel.required),
        "protein_veto": names(judged.unit_breaks & protein, panel.units["tissue"].tolist()),
        "tissues_explained": names(np.hstack([judged.is_explained & panel.is_normal, judged.unit_explained]), tissues),
    }
