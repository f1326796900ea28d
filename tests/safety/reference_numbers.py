"""The numbers of a gate once more, in plain loops over cells: docs/method.md by numpy and scipy alone.

`Reference` counts the cells; its donors' weights and effective numbers, and power, are the package's own estimates.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, binom, norm, t

from cartarget.logic.gate import Gate
from tests.safety.reference_evidence import Population
from tests.safety.reference_gate import Conjunction, conjunctions
from tests.safety.reference_judge import Reference


def ends(fraction: float, n: float) -> tuple[float, float]:
    """Jeffreys interval; 0 and 1 where nobody and where everybody is hit."""
    low, high = beta.ppf([0.025, 0.975], 0.5 + n * fraction, 0.5 + n * (1 - fraction))
    return (0.0 if fraction <= 1e-9 else float(low)), (1.0 if fraction >= 1 - 1e-9 else float(high))


def coverage_numbers(reference: Reference, gate: Gate) -> dict[str, float]:
    """Coverage over patients: a patient of m cells weighs m / (1 + 0.3 (m − 1))."""
    cubes = conjunctions(gate)
    patients = [p for p in reference.populations if (p.side, p.kind) == ("tumor", "cells")]
    hit = np.array([np.concatenate(list(reference.hits(p, cubes).values())).mean() for p in patients])
    size = np.array([p.n_observations for p in patients])
    weight = size / (1 + 0.3 * (size - 1))
    mean = float((weight * hit).sum() / weight.sum())
    lower, upper = ends(mean, len(patients))
    told = hit[size >= 30] if (size >= 30).any() else hit
    return {
        "coverage": mean, "coverage_lower": lower, "coverage_upper": upper, "n_patients": len(patients),
        "coverage_median": float(np.median(hit)), "coverage_p10": float(np.quantile(told, 0.1)),
        "n_patients_thin": int((size < 30).sum()), "is_eligible": mean >= 0.5 - 1e-9,
    }  # fmt: skip


def effective(reference: Reference, p: Population, cubes: list[Conjunction], spread: float) -> float:
    """n* of a gate in a population of cells, from its own spread over donors."""
    hits = reference.hits(p, cubes)
    m = np.array([len(hits[d]) for d in hits], dtype=float)
    k = np.array([hits[d].sum() for d in hits], dtype=float)
    w = np.array([p.donor_weight[d] for d in hits])
    share, n = w * m, p.n_effective
    if (m <= 1).all() or n >= m.sum() - 1e-9:
        return n
    mean = float((w * k).sum())
    variance = float((share**2 * (k / m - mean) ** 2 / (1 - share)).sum())
    binomial = mean * (1 - mean)
    ratio = variance * n / binomial if binomial > 1e-12 else 1.0
    freedom = min(1 / float((share**2).sum()) - 1, 4 * n * binomial)
    drawn = (freedom * ratio + 4 * spread) / (freedom + 4)
    if drawn > 1:
        freedom = min(freedom, 2 * n * binomial / drawn)
        drawn = (freedom * ratio + 4 * spread) / (freedom + 4)
    student = (norm.ppf(0.975) / t.ppf(0.975, freedom + 4)) ** 2
    return float(min(n / drawn * student, m.sum()))


def people_numbers(reference: Reference, gate: Gate) -> dict[str, float]:
    """Where the largest share of people is over the cap, outside the origin."""
    cubes, found = conjunctions(gate), []
    for p in reference.normals:
        if p.cap >= 1 or p.is_origin:
            continue
        over = 0
        for hit in reference.hits(p, cubes).values():
            k, m = int(hit.sum()), len(hit)
            over += m > 1 and k > 0 and binom.sf(k - 1, m, p.cap) < 0.05
        share = beta.ppf(0.5, 0.5 + over, 0.5 + p.n_donors - over) if over else 0.0
        found.append((share, over, p.n_donors))
    share, over, n = max(found, key=lambda one: one[0])
    lower, upper = ends(over / n, n)
    return {"people_over_cap": over, "people_n": n, "people_share_lower": lower, "people_share_upper": upper}


def liability_numbers(reference: Reference, gate: Gate, spread: dict[int, float]) -> dict[str, float]:
    """The worst of weight × fraction: posterior medians, and one-sided 95 % bounds; all of it measured."""
    cubes = conjunctions(gate)
    out = dict.fromkeys(("liability", "liability_upper", "liability_origin", "liability_origin_upper"), -1.0)
    for p in reference.normals:
        if p.weight <= 0:
            continue
        side = "_origin" if p.is_origin else ""
        fraction = reference.gate(p, gate, cubes)
        if not p.is_thin:
            middle = beta.median(0.5 + p.n_effective * fraction, 0.5 + p.n_effective * (1 - fraction))
            out[f"liability{side}"] = max(out[f"liability{side}"], p.weight * float(middle))
        n = effective(reference, p, cubes, spread[p.row])
        most = fraction
        for cube in cubes:
            if reference.is_spared_by_leaks(p, cube):
                most = max(most, reference.conjunction(p, reference.without_leaks(p, cube)))
        bound = p.weight * float(beta.ppf(0.95, 0.5 + n * most, 0.5 + n * (1 - most)))
        out[f"liability{side}_upper"] = max(out[f"liability{side}_upper"], bound)
    for side in ("", "_origin"):
        out[f"liability{side}_upper"] = max(out[f"liability{side}_upper"], out[f"liability{side}"])
    return {name: float("nan") if value < 0 else value for name, value in out.items()}
