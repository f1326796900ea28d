"""The innermost search, compiled: the last two leaves of a template, all others given.

With all but two sibling leaves given, a gate hits `fixed ∪ (open ∩ (c ∘ d))`, where ∘ is AND or OR. First every literal
is tried alone: for AND it must keep enough coverage, for OR it must keep every cap. What passes is paired; a pair is
tried in the population where it is most likely to break a cap first, 32 partners at a time, and only survivors are
counted in full.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import WIDTH, compiled, inner, popcount, strip
from cartarget.search.heap import Heap, bar, push
from cartarget.search.leaf import count_bits, fill, score_leaf, truth
from cartarget.search.partners import arrange, candidates, is_additive, may_stand, narrow, workspace
from cartarget.search.scoring import caps, score


class Units(NamedTuple):
    """Where searches begin: gates of which the first positions are given."""

    leaves: NDArray[np.int64]  # units × first positions: literals
    bounds: NDArray[np.float64]  # per unit: the most that its completions score


class Task(NamedTuple):
    """What one thread searches of each unit, and where it notes what it finds."""

    heap: Heap
    tally: NDArray[np.int64]  # gates tested, nodes
    stop: NDArray[np.int64]  # one flag for all tasks: set, they end early
    part: int  # which part of the candidates for the last position but one
    n_parts: int


class Partners(NamedTuple):
    """Which candidates may be the very last leaf, with all others given; indices in `Work.listed`."""

    after: int  # index of the last leaf but one: the partner comes later
    end: int  # index that the partner stays below
    plain: bool  # it may be plain
    negated: bool  # it may be negated
    n_hard: int  # populations whose cap may break, first in `Work.hard`
    room: float  # mean coverage that the gate reaches at most


@inner
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


@inner
def judge(problem, heap, work, chosen, theta, room):  # type: ignore[no-untyped-def]
    """Count one gate in full, the tumour first, and keep it if it is among the best."""
    plan, pool, t = problem
    row = pool.rows[chosen[len(chosen) - 1]]
    additive, left = is_additive(t), room
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
        c, d = chosen[-2], chosen[-1]
        if not plan.signs[-2] & (2 if c & 1 else 1):  # signs are given, and the two differ
            chosen[-2], chosen[-1] = d, c
        push(heap, plan, pool, chosen, value, exposure)
        chosen[-2], chosen[-1] = c, d


@inner
def finish(problem, task, work, chosen, theta):  # type: ignore[no-untyped-def]
    """Search the last two leaves, of the first of them the part that is the task's."""
    plan, pool, t = problem
    n_words, n_populations, n_tumor = len(pool.valid), len(pool.starts), t.n_tumor
    is_or = plan.last == -2
    signs = work.signs
    signs[:] = plan.pair_signs
    if not plan.not_only:
        if truth(plan, chosen, False):
            return
        if truth(plan, chosen, True):
            signs[2] = 0
            if is_or:
                signs[1] = 0
    theta = bar(task.heap, theta)
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
    task.tally[1] += 1
    if score(work.upper, t, t.bound_address)[0] < theta - 1e-9:
        return
    caps(t, theta, work.upper, work.limit)
    for p in range(n_tumor, n_populations):
        if work.limit[p] < work.fixed[p]:
            return
    n = candidates(problem, chosen, theta, work)
    if is_or:
        n = narrow(t, theta, work, n)
    arrange(work, n, is_or)
    pair_up(problem, task, work, chosen, theta, n)


@inner
def pair_up(problem, task, work, chosen, theta, n):  # type: ignore[no-untyped-def]
    """Try all pairs of the `n` listed candidates."""
    plan, pool, t = problem
    signs = work.signs
    k, n_tumor = len(plan.signs), t.n_tumor
    is_or, additive = plan.last == -2, is_additive(t)
    mean, start_theta = 0.0, theta
    for p in range(n_tumor):
        mean += work.fixed[p] * t.scale[p]
    for i in range(task.part, n, task.n_parts):
        c = work.listed[i]
        plain, negated = signs[c & 1] != 0, signs[(c & 1) + 1] != 0
        if not is_or and c & 1 and not negated:
            break  # plain ones come first: only negated partners are left
        if task.stop[0]:
            break
        if not (plain or negated):
            continue
        theta = bar(task.heap, start_theta)
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
        partners = Partners(i, end, plain, negated, n_hard, room)
        if end - i - 1 < pool.panels.shape[0]:
            few(problem, task, work, chosen, theta, partners)
        else:
            many(problem, task, work, chosen, theta, partners)
    chosen[k - 2] = chosen[k - 1] = -1


@inner
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


@inner
def few(problem, task, work, chosen, theta, partners):  # type: ignore[no-untyped-def]
    """Try the partners one by one."""
    pool, k = problem.pool, len(chosen)
    for j in range(partners.after + 1, partners.end):
        d = work.listed[j]
        if not (partners.negated if d & 1 else partners.plain) or d >> 1 == chosen[k - 2] >> 1:
            continue
        task.tally[0] += 1
        row = pool.rows[d]
        passes = True
        for h in range(partners.n_hard):
            p = work.hard[h]
            total = 0
            for w in range(pool.starts[p], pool.stops[p]):
                total += popcount(row[w] & work.free[w])
            if work.base[p] + total > work.limit[p]:
                passes = False
                break
        if passes:
            chosen[k - 1] = d
            judge(problem, task.heap, work, chosen, bar(task.heap, theta), partners.room)


@inner
def many(problem, task, work, chosen, theta, partners):  # type: ignore[no-untyped-def]
    """Try the partners, 32 at a time."""
    pool, k = problem.pool, len(chosen)
    n_words = len(pool.valid)
    after, end, plain, negated, n_hard, _ = partners
    alive = np.zeros(WIDTH, dtype=np.bool_)
    lanes = work.lanes
    for panel in range(pool.panels.shape[0]):
        low = panel * WIDTH
        n_alive = 0
        for j in range(WIDTH):
            place = work.place[low + j]
            alive[j] = (place > after) & (place < end) & (negated if j & 1 else plain)
            alive[j] &= (low + j) >> 1 != chosen[k - 2] >> 1
            n_alive += alive[j]
        task.tally[0] += n_alive
        words = pool.panels.ctypes.data + 8 * WIDTH * panel * n_words
        for h in range(n_hard):
            if not n_alive:
                break
            p = work.hard[h]
            start = pool.starts[p]
            address = words + 8 * WIDTH * start
            strip(work.free.ctypes.data + 8 * start, address, pool.stops[p] - start, lanes.ctypes.data)
            most = work.limit[p] - work.base[p]
            n_alive = 0
            for j in range(WIDTH):
                alive[j] &= lanes[j] <= most
                n_alive += alive[j]
        if not n_alive:
            continue
        for j in range(WIDTH):
            if alive[j]:
                chosen[k - 1] = low + j
                judge(problem, task.heap, work, chosen, bar(task.heap, theta), partners.room)


@compiled
def run(problem, units, theta, open_leaves, task):  # type: ignore[no-untyped-def]
    """Search all completions of the units; `open_leaves`: for the position after the units'."""
    plan, pool, t = problem
    leaves, bounds = units
    heap = task.heap
    k, depth = len(plan.signs), leaves.shape[1]
    n_literals = pool.rows.shape[0]
    work = workspace(len(pool.valid), n_literals, len(pool.starts), t.n_tumor, k)
    chosen = np.full(k, -1, dtype=np.int64)
    scores, exposures = np.empty(n_literals), np.empty(n_literals)
    for unit in range(leaves.shape[0]):
        if task.stop[0]:
            return
        if bounds[unit] < bar(heap, theta) - 1e-9:
            continue
        for i in range(k):
            chosen[i] = leaves[unit, i] if i < depth else -1
        if depth == k - 2:
            finish(problem, task, work, chosen, theta)
            continue
        score_leaf(problem, chosen, depth, open_leaves, scores, exposures)
        for literal in np.argsort(-scores, kind="mergesort"):
            if scores[literal] < bar(heap, theta) - 1e-9:
                break
            if task.stop[0]:
                return
            chosen[depth] = -1
            if may_stand(plan, pool, chosen, depth, literal):
                chosen[depth] = literal
                finish(problem, task, work, chosen, theta)
