"""The innermost search, compiled: the last two leaves of a template, all others given.

With all but two sibling leaves given, a gate hits `fixed ∪ (open ∩ (c ∘ d))`, where ∘ is AND or OR. First every literal is
tried alone: for AND it must keep enough coverage, for OR it must keep every cap. What passes is paired; a pair is tried in the
population where it is most likely to break a cap first, 32 partners at a time, and only survivors are counted in full.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.gates.kernels import WIDTH, compiled, popcount, strip
from cartarget.gates.scoring import caps, score
from cartarget.gates.sweep import count_bits, fill, score_leaf, truth


class Heap(NamedTuple):
    """The best gates found: unordered rows, `state` = number held, row of the worst."""

    scores: NDArray[np.float64]
    exposures: NDArray[np.float64]
    leaves: NDArray[np.int64]  # literals in order of appearance, the least among equal arrangements
    state: NDArray[np.int64]


@compiled
def is_better(score_a, exposure_a, leaves_a, score_b, exposure_b, leaves_b):  # type: ignore[no-untyped-def]
    """Order of results: higher score, lower exposure, then names."""
    if score_a != score_b:
        return score_a > score_b
    if exposure_a != exposure_b:
        return exposure_a < exposure_b
    for i in range(len(leaves_a)):
        if leaves_a[i] != leaves_b[i]:
            return leaves_a[i] < leaves_b[i]
    return False


@compiled
def push(heap, plan, chosen, value, exposure):  # type: ignore[no-untyped-def]
    """Keep a gate if it is among the best."""
    k, n, worst = len(chosen), heap.state[0], heap.state[1]
    room = n < len(heap.scores)
    if not room and value < heap.scores[worst]:
        return
    leaves = np.empty(k, dtype=np.int64)
    for g in range(plan.automorphisms.shape[0]):
        smaller = g == 0
        for i in range(k):
            literal = chosen[plan.places[plan.automorphisms[g, i]]]
            if not smaller and literal > leaves[i]:
                break
            smaller |= literal < leaves[i]
            if smaller:
                leaves[i] = literal
    row = n
    if room:
        heap.state[0] = n + 1
    elif is_better(value, exposure, leaves, heap.scores[worst], heap.exposures[worst], heap.leaves[worst]):
        row = worst
    else:
        return
    heap.scores[row] = value
    heap.exposures[row] = exposure
    heap.leaves[row, :k] = leaves
    worst = 0
    for i in range(1, heap.state[0]):
        if is_better(
            heap.scores[worst], heap.exposures[worst], heap.leaves[worst], heap.scores[i], heap.exposures[i], heap.leaves[i]
        ):
            worst = i
    heap.state[1] = worst


@compiled
def bar(heap, theta):  # type: ignore[no-untyped-def]
    """Score that a gate must reach to matter."""
    if heap.state[0] == len(heap.scores):
        return max(theta, heap.scores[heap.state[1]])
    return theta


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
    on: NDArray[np.bool_]
    off: NDArray[np.bool_]


@compiled
def is_additive(t):  # type: ignore[no-untyped-def]
    """Whether the score is mean coverage under caps."""
    return t.kind == 0 and t.quantile < 0 and t.liability == 0.0


@compiled
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


@compiled
def order_hard(pool, t, work, n_hard):  # type: ignore[no-untyped-def]
    """Sort the listed populations by how much of their open observations must go."""
    for i in range(1, n_hard):
        p = work.hard[i]
        j = i
        while j > 0:
            q = work.hard[j - 1]
            if (work.limit[q] - work.base[q]) * work.room[p] <= (work.limit[p] - work.base[p]) * work.room[q]:
                break
            work.hard[j] = q
            j -= 1
        work.hard[j] = p


@compiled
def candidates(plan, pool, t, chosen, theta, signs, work):  # type: ignore[no-untyped-def]
    """Literals that may be one of the last two, into `work.listed`; returns how many."""
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
    bits, lanes = work.open.ctypes.data, work.lanes
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


@compiled
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


@compiled
def arrange(work, n, is_or):  # type: ignore[no-untyped-def]
    """Order the candidates: an OR by what they add, an AND plain ones first; note their places."""
    listed, value = work.listed[:n].copy(), work.value[:n].copy()
    order = np.argsort(-value if is_or else (listed & 1).astype(np.float64), kind="mergesort")
    for i in range(n):
        work.listed[i], work.value[i] = listed[order[i]], value[order[i]]
        work.place[work.listed[i]] = i


@compiled
def judge(plan, pool, t, chosen, theta, heap, work, mean_room):  # type: ignore[no-untyped-def]
    """Count one gate in full, the tumour first, and keep it if it is among the best."""
    row = pool.rows[chosen[len(chosen) - 1]]
    additive, left = is_additive(t), mean_room
    for p in range(len(pool.starts)):
        total = 0
        for w in range(pool.starts[p], pool.stops[p]):
            total += popcount(row[w] & work.free[w])
        work.counts[p] = work.base[p] + total
        if additive and p < t.n_tumor:
            left -= (work.room[p] - total) * t.scale[p]
            if left < theta - 1e-9:
                return
    value, exposure = score(work.counts, t, t.address)
    if value >= theta:
        push(heap, plan, chosen, value, exposure)


@compiled
def finish(plan, pool, t, chosen, theta, heap, work, part, n_parts, tally):  # type: ignore[no-untyped-def]
    """Search the last two leaves; `part` of `n_parts` of the first of them. Adds to `tally`: tested, nodes."""
    k, n_words, n_populations, n_tumor = len(plan.signs), len(pool.valid), len(pool.starts), t.n_tumor
    is_or, additive = plan.last == -2, is_additive(t)
    signs = plan.pair_signs.copy()
    if not plan.not_only:
        if truth(plan, chosen, False):
            return
        if truth(plan, chosen, True):
            signs[2] = 0
            if is_or:
                signs[1] = 0
    theta = bar(heap, theta)
    fill(plan, pool, chosen, work.off, work.off, work.stack)
    fixed = work.open
    for w in range(n_words):
        fixed[w] = work.stack[0, w]
    count_bits(fixed, pool, work.fixed)
    fill(plan, pool, chosen, work.on, work.on, work.stack)
    for w in range(n_words):
        work.open[w] = work.stack[0, w] & ~fixed[w]
    count_bits(work.open, pool, work.reach)
    for p in range(n_populations):
        work.upper[p] = work.fixed[p] + (work.reach[p] if p < n_tumor else 0)
    tally[1] += 1
    if score(work.upper, t, t.bound_address)[0] < theta - 1e-9:
        return
    caps(t, theta, work.upper, work.limit)
    for p in range(n_tumor, n_populations):
        if work.limit[p] < work.fixed[p]:
            return
    n = candidates(plan, pool, t, chosen, theta, signs, work)
    if is_or:
        n = narrow(t, theta, work, n)
    for i in range(n_tumor):
        work.counts[i] = work.upper[i]
    arrange(work, n, is_or)
    pair_up(plan, pool, t, chosen, theta, heap, work, n, signs, part, n_parts, tally)


@compiled
def pair_up(plan, pool, t, chosen, theta, heap, work, n, signs, part, n_parts, tally):  # type: ignore[no-untyped-def]
    """Try all pairs of the listed candidates."""
    k, n_populations, n_tumor = len(plan.signs), len(pool.starts), t.n_tumor
    is_or, additive = plan.last == -2, is_additive(t)
    mean, start_theta = 0.0, theta
    for p in range(n_tumor):
        mean += work.fixed[p] * t.scale[p]
    for i in range(part, n, n_parts):
        c = work.listed[i]
        plain, negated = signs[c & 1] != 0, signs[(c & 1) + 1] != 0
        if not (plain or negated):
            continue
        theta = bar(heap, start_theta)
        end = n
        if additive and is_or:
            need = theta - mean - work.value[i] - 1e-9
            if need > 0:
                low, high = i, n
                while low < high:
                    middle = (low + high) // 2
                    if work.value[middle] >= need:
                        low = middle + 1
                    else:
                        high = middle
                end = low
            if end <= i + 1:
                break
        elif additive and mean + work.value[i] < theta - 1e-9:
            continue
        chosen[k - 2] = c
        n_hard = open_last(pool, t, chosen[k - 2], is_or, theta, work)
        if n_hard < 0:
            continue
        room = 0.0
        for p in range(n_tumor):
            room += (work.base[p] + work.room[p]) * t.scale[p]
        if end - i - 1 < pool.panels.shape[0]:
            few(plan, pool, t, chosen, theta, heap, work, n_hard, i, end, plain, negated, room, tally)
        else:
            many(plan, pool, t, chosen, theta, heap, work, n_hard, i, end, plain, negated, room, tally)
    chosen[k - 2] = chosen[k - 1] = -1


@compiled
def open_last(pool, t, c, is_or, theta, work):  # type: ignore[no-untyped-def]
    """Set `free`, `base`, `room` for a first literal; returns how many caps may break, −1 if one must."""
    row, n_tumor = pool.rows[c], t.n_tumor
    for w in range(len(pool.valid)):
        work.free[w] = work.open[w] & (~row[w] if is_or else row[w])
    for p in range(n_tumor):
        hit = work.hits[p, c]
        work.base[p] = work.fixed[p] + (hit if is_or else 0)
        work.room[p] = work.reach[p] - hit if is_or else hit
        work.upper[p] = work.base[p] + work.room[p]
    if not is_additive(t):
        caps(t, theta, work.upper, work.limit)
    n_hard = 0
    for p in range(n_tumor, len(pool.starts)):
        left = 0
        for w in range(pool.starts[p], pool.stops[p]):
            left += popcount(work.free[w])
        work.room[p] = left
        work.base[p] = work.fixed[p] + (work.reach[p] - left if is_or else 0)
        if work.limit[p] < work.base[p]:
            return -1
        if work.base[p] + left > work.limit[p]:
            work.hard[n_hard] = p
            n_hard += 1
    order_hard(pool, t, work, n_hard)
    return n_hard


@compiled
def few(plan, pool, t, chosen, theta, heap, work, n_hard, i, end, plain, negated, room, tally):  # type: ignore[no-untyped-def]
    """Try the candidates after `i` one by one."""
    k = len(chosen)
    for j in range(i + 1, end):
        d = work.listed[j]
        if not (negated if d & 1 else plain) or d >> 1 == chosen[k - 2] >> 1:
            continue
        tally[0] += 1
        row = pool.rows[d]
        passes = True
        for h in range(n_hard):
            p = work.hard[h]
            total = 0
            for w in range(pool.starts[p], pool.stops[p]):
                total += popcount(row[w] & work.free[w])
            if work.base[p] + total > work.limit[p]:
                passes = False
                break
        if passes:
            chosen[k - 1] = d
            judge(plan, pool, t, chosen, bar(heap, theta), heap, work, room)


@compiled
def many(plan, pool, t, chosen, theta, heap, work, n_hard, i, end, plain, negated, room, tally):  # type: ignore[no-untyped-def]
    """Try the candidates after `i`, 32 at a time."""
    k, n_words = len(chosen), len(pool.valid)
    alive = np.zeros(WIDTH, dtype=np.bool_)
    lanes = work.lanes
    for panel in range(pool.panels.shape[0]):
        low = panel * WIDTH
        n_alive = 0
        for j in range(WIDTH):
            place = work.place[low + j]
            alive[j] = (place > i) & (place < end) & (negated if j & 1 else plain)
            n_alive += alive[j]
        tally[0] += n_alive
        partners = pool.panels.ctypes.data + 8 * WIDTH * panel * n_words
        for h in range(n_hard):
            if not n_alive:
                break
            p = work.hard[h]
            start = pool.starts[p]
            address = partners + 8 * WIDTH * start
            strip(work.free.ctypes.data + 8 * start, address, pool.stops[p] - start, lanes.ctypes.data)
            most = work.limit[p] - work.base[p]
            n_alive = 0
            for j in range(WIDTH):
                alive[j] &= lanes[j] <= most
                n_alive += alive[j]
        if not n_alive:
            continue
        for j in range(WIDTH):
            if alive[j] and (low + j) >> 1 != chosen[k - 2] >> 1:
                chosen[k - 1] = low + j
                judge(plan, pool, t, chosen, bar(heap, theta), heap, work, room)


@compiled
def workspace(n_words, n_literals, n_populations, n_tumor, k):  # type: ignore[no-untyped-def]
    """Fresh room to work in."""
    padded = -(-n_literals // WIDTH) * WIDTH
    on = np.zeros(k, dtype=np.bool_)
    on[max(0, k - 2) :] = True
    per = np.zeros((8, n_populations), dtype=np.int64)
    return Work(
        np.empty((k + 1, n_words), dtype=np.uint64), np.empty(n_words, dtype=np.uint64), np.empty(n_words, dtype=np.uint64),
        per[0], per[1], per[2], per[3], per[4], per[5], per[6], per[7],
        np.zeros((n_tumor, padded), dtype=np.int64), np.empty(padded, dtype=np.int64), np.empty(padded),
        np.empty(padded, dtype=np.int64), np.empty(WIDTH, dtype=np.int64), on, np.zeros(k, dtype=np.bool_),
    )  # fmt: skip


@compiled
def run(plan, pool, t, units, bounds, theta, heap, part, n_parts, stop, tally, state):  # type: ignore[no-untyped-def]
    """Search all completions of the units (literals of the first positions, one row a unit).

    `state`: units finished; highest bound among what was left of an unfinished unit.
    """
    k, depth = len(plan.signs), units.shape[1]
    n_literals = pool.rows.shape[0]
    work = workspace(len(pool.valid), n_literals, len(pool.starts), t.n_tumor, k)
    chosen = np.full(k, -1, dtype=np.int64)
    scores, exposures = np.empty(n_literals), np.empty(n_literals)
    tumor, normal = np.ones(k, dtype=np.bool_), np.zeros(k, dtype=np.bool_)
    for unit in range(units.shape[0]):
        if stop[0]:
            return
        if bounds[unit] < bar(heap, theta) - 1e-9:
            state[0] += 1
            continue
        chosen[:] = -1
        chosen[:depth] = units[unit]
        if depth == k - 2:
            finish(plan, pool, t, chosen, theta, heap, work, part, n_parts, tally)
            state[0] += 1
            continue
        score_leaf(plan, pool, t, chosen, depth, tumor, normal, 0.0, scores, exposures)
        for literal in np.argsort(-scores, kind="mergesort"):
            if scores[literal] < bar(heap, theta) - 1e-9:
                break
            if stop[0]:
                return
            chosen[depth] = -1
            if may_stand(plan, pool, chosen, depth, literal):
                chosen[depth] = literal
                finish(plan, pool, t, chosen, theta, heap, work, part, n_parts, tally)
        state[0] += 1
