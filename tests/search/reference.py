"""Brute force: every gate of a template, evaluated observation by observation with NumPy booleans."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np
import pandas as pd

from cartarget.evidence.packed import Packed, pack
from cartarget.logic.gate import Gate
from cartarget.search.objectives import Objective
from cartarget.search.template import Template


def instance(
    seed: int, *, n: int = 6, patients: int = 3, tissues: int = 3, cells: int = 60
) -> tuple[np.ndarray, pd.DataFrame]:
    """Random positivity (observations × antigens) and labels; some antigens are empty, full or doubled."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, cells, patients + tissues)
    names = [f"p{i}" for i in range(patients)] + [f"n{i}" for i in range(tissues)]
    which = np.repeat(np.arange(len(sizes)), sizes)
    level = random.beta(0.6, 0.9, (patients + tissues, n))
    positive = random.random((len(which), n)) < level[which]
    for antigen in range(n):
        fate = random.random()
        if fate < 0.05:
            positive[:, antigen] = False
        elif fate < 0.1:
            positive[:, antigen] = True
        elif fate < 0.2 and antigen:
            positive[:, antigen] = positive[:, antigen - 1]
    labels = pd.DataFrame(
        {
            "population": np.array(names)[which],
            "side": np.where(which < patients, "tumor", "normal"),
            "donor": random.integers(0, 3, len(which)).astype(str),
        }
    )
    return positive, labels


def packed(positive: np.ndarray, labels: pd.DataFrame, symbols: Sequence[str] | None = None) -> Packed:
    """The same, packed."""
    return pack(
        positive,
        symbols=symbols or [f"G{i}" for i in range(positive.shape[1])],
        population=labels["population"].tolist(),
        donor=labels["donor"].tolist(),
        side=labels["side"].tolist(),
    )


def scores(
    hits: np.ndarray, labels: pd.DataFrame, objective: Objective, meta: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Score and worst weighted exposure of many gates (gates × observations), straight from the definitions."""
    name = labels["side"].map({"tumor": "p", "normal": "n"}) if objective.is_pooled else labels["population"]
    names = sorted(set(name))
    member = (name.to_numpy()[:, None] == np.array(names)).astype(float)
    size = member.sum(axis=0)
    fraction = hits.astype(float) @ member / size
    patients = [i for i, label in enumerate(names) if label.startswith("p")]
    tissues = [i for i, label in enumerate(names) if label.startswith("n")]
    coverage, exposure = fraction[:, patients], fraction[:, tissues]
    own = (
        pd.DataFrame(index=[names[i] for i in tissues])
        if objective.is_pooled
        else meta.loc[[names[i] for i in tissues]]
    )
    cap = own["cap"].to_numpy(dtype=float) if "cap" in own else np.full(len(tissues), objective.cap)
    weight = own["weight"].to_numpy(dtype=float) if "weight" in own else np.ones(len(tissues))
    origin = own["is_origin"].to_numpy(dtype=bool) if "is_origin" in own else np.zeros(len(tissues), dtype=bool)
    worst = (weight * exposure)[:, ~origin].max(axis=1, initial=0.0)
    if objective.function:
        return np.array([objective.function(c, e) for c, e in zip(coverage, exposure, strict=True)]), worst
    statistic = coverage.mean(axis=1) if objective.statistic == "mean" else np.quantile(coverage, 0.1, axis=1)
    broken = exposure > cap + 1e-9
    if objective.has_classes:
        level = np.where(broken[:, ~origin].any(axis=1), 0, np.where(broken.any(axis=1), 2, 3))
        value = 16 * (coverage.mean(axis=1) >= 0.5 - 1e-12) + 4 * level + statistic - worst
    elif objective.has_caps:
        excess = np.where(broken, exposure - cap, -np.inf).max(axis=1)
        value = np.where(broken.any(axis=1), -1 - excess, statistic)
    else:
        value = statistic - worst
    return np.round(value, 10), np.round(worst, 10)


def literal_values(
    positive: np.ndarray, labels: pd.DataFrame, meta: pd.DataFrame, measured: pd.DataFrame | None
) -> np.ndarray:
    """Literals (plain, negated, plain ...) × observations; the last column is a cell without any antigen.

    What was not measured counts against a gate, and a blocker earns no credit in normal samples.
    """
    n = positive.shape[1]
    values = np.empty((2 * n, len(positive) + 1), dtype=bool)
    values[0::2, :-1], values[1::2, :-1] = positive.T, ~positive.T
    values[0::2, -1], values[1::2, -1] = False, True
    for row, (name, side) in enumerate(zip(labels["population"], labels["side"], strict=True)):
        if side == "normal" and "evidence" in meta and meta.loc[name, "evidence"] == "samples":
            values[1::2, row] = True
        for antigen in range(n if measured is not None else 0):
            if not measured.loc[antigen, name]:
                values[[2 * antigen, 2 * antigen + 1], row] = side == "normal"
    return values


def brute_force(
    positive: np.ndarray, labels: pd.DataFrame, templates: Sequence[Template], objective: Objective, meta: pd.DataFrame,
    *, symbols: Sequence[str], top: int, not_only: bool = False, measured: pd.DataFrame | None = None,
) -> tuple[list[tuple[float, float, str]], int]:  # fmt: skip
    """The best gates of the templates as (score, worst exposure, gate), as a search lists them; and how many there are.

    The order: score, fewer antigens, lower exposure, the gate's text.
    """
    values = literal_values(positive, labels, meta, measured)
    rows: list[tuple[float, int, float, str]] = []
    total = 0
    for template in templates:
        leaves = every_gate(template, positive.shape[1])
        hits = evaluated(template, values, leaves)
        if not not_only:
            leaves, hits = leaves[~hits[:, -1]], hits[~hits[:, -1]]
        total += len(leaves)
        value, worst = scores(hits[:, :-1], labels, objective, meta)
        best = np.lexsort((worst, -value))
        if len(best) > top:  # and those that tie with the last
            last = best[top - 1]
            best = best[(value[best] > value[last]) | ((value[best] == value[last]) & (worst[best] <= worst[last]))]
        for i in best:
            if objective.has_caps and value[i] <= -1:
                continue
            text = str(
                template.fill([symbols[leaf >> 1] for leaf in leaves[i]], [bool(leaf & 1) for leaf in leaves[i]])
            )
            rows.append((-float(value[i]), template.n_literals, float(worst[i]), text))
    rows.sort()
    return [(-score, worst, text) for score, _, worst, text in rows[:top]], total


def every_gate(template: Template, n: int) -> np.ndarray:
    """Literals per leaf of every gate of a template over `n` antigens, each gate once."""
    k = template.n_literals
    patterns = list(product((0, 1), repeat=k)) if template.is_signed else [tuple(map(int, template.signs))]
    antigens = np.array(list(permutations(range(n), k))).reshape(-1, k)
    leaves = np.concatenate([2 * antigens + np.array(signs) for signs in patterns])
    base = 2 * n
    place = base ** np.arange(k)[::-1]
    least = np.min([leaves[:, list(g)] @ place for g in template.automorphisms], axis=0)
    return leaves[leaves @ place == least]


def evaluated(template: Template, values: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Gates × observations: which are hit."""
    count = iter(range(template.n_literals))

    def evaluate(node: Gate) -> np.ndarray:
        if not node.operator:
            return values[leaves[:, next(count)]]
        parts = [evaluate(part) for part in node.parts]
        return (np.logical_and if node.operator == "&" else np.logical_or).reduce(parts)

    return evaluate(template.gate)
