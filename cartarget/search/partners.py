"""Which literals may be one of the last two leaves of a template, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import WIDTH, inner, strip
from cartarget.search.scoring import score


class Work(NamedTuple):
    """Room to work in, one a task."""

    stack: NDArray[np.uint64]
    open: NDArray[np.uint64]  # words: where the last two leaves decide
    free: NDArray[np.uint64]  # words: where the very last decides
    fixed: NDArray[np.int64]  # per population: observations hit whatever the last two are
    reach: NDArray[np.int64]  # per population: bits of `open`
    base: NDArray[np.int64]  # per population: hit whatever the last is
    room: NDArray[np.int64]  # per population: bits of `free`
    limit: NDArray[np.int64]  # per population: most hits allowed
    upper: NDArray[np.int64]
    counts: NDArray[np.int64]
    hard: NDArray[np.int64]  # populations whose cap may break, likeliest first
    hits: NDArray[np.int64]  # tumour populations × literals, within `open`
    listed: NDArray[np.int64]  # candidates
    value: NDArray[np.float64]  # mean coverage that each candidate adds alone
    place: NDArray[np.int64]  # literal → index in `listed`, else −1
    lanes: NDArray[np.int64]
    signs: NDArray[np.uint8]  # may 0, 1, 2 of the last two be negated
    on: NDArray[np.bool_]
    off: NDArray[np.bool_]


@inner
def is_additive(t):  # type: ignore[no-untyped-def]
    """Whether the score is mean coverage under caps."""
    return t.kind == 0 and t.quantile < 0 and t.liability == 0.0


@inner
def may_stand(plan, pool, chosen, position, literal):  # type: ignore[no-untyped-def]
    """Whether a literal may take a position: sign, order among interchangeable leaves, no antigen twice."""
    if not plan.signs[position] & (2 if literal & 1 else 1):
        return False
    for i in range(position):
        if chosen[i] < 0:
            continue
        if chosen[i] >> 1 == literal >> 1:
            return False
        if plan.ordered[i, position] and pool.order[literal] < pool.order[chosen[i]]:
            return False
    return True


@inner
def candidates(problem, chosen, theta, work):  # type: ignore[no-untyped-def]
    """Literals that may be one of the last two, into `work.listed`; returns how many."""
    plan, pool, t = problem
    k, n_words, n_tumor = len(plan.signs), len(pool.valid), t.n_tumor
    n_literals, n_populations = pool.rows.shape[0], len(pool.starts)
    is_or, additive = plan.last == -2, is_additive(t)
    mean, n_hard, n = 0.0, 0, 0
    for p in range(n_tumor):
        mean += work.fixed[p] * t.scale[p]
    for p in range(n_tumor, n_populations):
        if is_or and work.reach[p] > work.limit[p] - work.fixed[p]:
            work.hard[n_hard] = p
            n_hard += 1
    alive = np.zeros(WIDTH, dtype=np.bool_)
    bits, lanes, signs = work.open.ctypes.data, work.lanes, work.signs
    for panel in range(pool.panels.shape[0]):
        low = panel * WIDTH
        some = False
        for j in range(WIDTH):
            literal = low + j
            alive[j] = literal < n_literals and (signs[literal & 1] or signs[(literal & 1) + 1])
            if alive[j]:
                position = k - 2 if plan.signs[k - 2] & (2 if literal & 1 else 1) else k - 1
                alive[j] = may_stand(plan, pool, chosen, position, literal)
            some |= alive[j]
            work.place[literal] = -1
        partners = pool.panels.ctypes.data + 8 * WIDTH * panel * n_words
        for i in range(n_hard if some else 0):
            p = work.hard[i]
            start = pool.starts[p]
            strip(bits + 8 * start, partners + 8 * WIDTH * start, pool.stops[p] - start, lanes.ctypes.data)
            some = False
            for j in range(WIDTH):
                alive[j] &= lanes[j] <= work.limit[p] - work.fixed[p]
                some |= alive[j]
            if not some:
                break
        if not some:
            continue
        adds = np.zeros(WIDTH)
        for p in range(n_tumor):
            start = pool.starts[p]
            strip(bits + 8 * start, partners + 8 * WIDTH * start, pool.stops[p] - start, lanes.ctypes.data)
            for j in range(WIDTH):
                work.hits[p, low + j] = lanes[j]
                adds[j] += lanes[j] * t.scale[p]
        for j in range(WIDTH):
            if not alive[j]:
                continue
            if not is_or:
                if additive:
                    alive[j] = mean + adds[j] >= theta - 1e-9
                else:
                    for p in range(n_populations):
                        work.counts[p] = work.fixed[p] + (work.hits[p, low + j] if p < n_tumor else 0)
                    alive[j] = score(work.counts, t, t.bound_address)[0] >= theta - 1e-9
            if alive[j]:
                work.listed[n] = low + j
                work.value[n] = adds[j]
                n += 1
    return n


@inner
def narrow(t, theta, work, n):  # type: ignore[no-untyped-def]
    """Drop candidates of an OR that reach too little even with the best partner; returns how many stay."""
    n_tumor, n_populations = t.n_tumor, len(work.fixed)
    best, mean = 0.0, 0.0
    for p in range(n_populations):
        work.upper[p] = 0
    for i in range(n):
        best = max(best, work.value[i])
        for p in range(n_tumor):
            work.upper[p] = max(work.upper[p], work.hits[p, work.listed[i]])
    for p in range(n_tumor):
        mean += work.fixed[p] * t.scale[p]
    kept = 0
    for i in range(n):
        literal = work.listed[i]
        if is_additive(t):
            stays = mean + work.value[i] + best >= theta - 1e-9
        else:
            for p in range(n_populations):
                work.counts[p] = work.fixed[p]
                if p < n_tumor:
                    work.counts[p] += min(work.reach[p], work.hits[p, literal] + work.upper[p])
            stays = score(work.counts, t, t.bound_address)[0] >= theta - 1e-9
        if stays:
            work.listed[kept] = literal
            work.value[kept] = work.value[i]
            kept += 1
    return kept


@inner
def arrange(work, n, is_or):  # type: ignore[no-untyped-def]
    """Order the candidates: an OR by what they add, an AND plain ones first; note their places."""
    listed, value = work.listed[:n].copy(), work.value[:n].copy()
    order = np.argsort(-value if is_or else (listed & 1).astype(np.float64), kind="mergesort")
    for i in range(n):
        work.listed[i], work.value[i] = listed[order[i]], value[order[i]]
        work.place[work.listed[i]] = i


@inner
def workspace(n_words, n_literals, n_populations, n_tumor, k):  # type: ignore[no-untyped-def]
    """Fresh room to work in."""
    padded = -(-n_literals // WIDTH) * WIDTH
    on = np.zeros(k, dtype=np.bool_)
    on[max(0, k - 2) :] = True
    bits = np.empty((2, n_words), dtype=np.uint64)
    per = np.zeros((8, n_populations), dtype=np.int64)
    return Work(
        np.empty((k + 1, n_words), dtype=np.uint64), bits[0], bits[1],
        per[0], per[1], per[2], per[3], per[4], per[5], per[6], per[7],
        np.zeros((n_tumor, padded), dtype=np.int64), np.empty(padded, dtype=np.int64), np.empty(padded),
        np.empty(padded, dtype=np.int64), np.empty(WIDTH, dtype=np.int64),
        np.zeros(3, dtype=np.uint8), on, np.zeros(k, dtype=np.bool_),
    )  # fmt: skip
