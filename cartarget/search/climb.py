"""A quick good answer: climb from many starts by changing one literal at a time, each time to the best of all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import compiled
from cartarget.search.heap import bar, push
from cartarget.search.leaf import OpenLeaves, Plan, score_leaf, truth
from cartarget.search.literals import Pool


@compiled
def climb(problem, starts, floor, heap, stop):  # type: ignore[no-untyped-def]
    """Climb from each row of `starts`, and push every gate above `floor` on the way.

    A start is a literal per position; at most one is open (−1). A sweep scores every literal at one leaf; the leaf
    takes the best. It ends when no single change helps.
    """
    plan, pool = problem.plan, problem.pool
    k, n_literals = len(plan.signs), pool.rows.shape[0]
    scores, exposures = np.empty(n_literals), np.empty(n_literals)
    open_leaves = OpenLeaves(np.ones(k, dtype=np.bool_), np.zeros(k, dtype=np.bool_), 0.0)
    chosen = np.empty(k, dtype=np.int64)
    for start in range(starts.shape[0]):
        for i in range(k):
            chosen[i] = starts[start, i]
        best, worst, idle, leaf = -np.inf, np.inf, 0, 0
        for i in range(k):
            if chosen[i] < 0:
                leaf = i
        while idle < k and not stop[0]:
            score_leaf(problem, chosen, leaf, open_leaves, scores, exposures)
            allowed = np.zeros(2, dtype=np.bool_)
            for sign in range(2):
                was = chosen[leaf]
                chosen[leaf] = sign
                allowed[sign] = (plan.signs[leaf] & (1 + sign)) != 0 and (
                    plan.not_only or not truth(plan, chosen, False)
                )
                chosen[leaf] = was
            idle += 1
            for literal in range(n_literals):
                if not allowed[literal & 1]:
                    continue
                clash = False
                for i in range(k):
                    clash |= i != leaf and chosen[i] >= 0 and chosen[i] >> 1 == literal >> 1
                if clash:
                    continue
                if scores[literal] >= bar(heap, floor):
                    was = chosen[leaf]
                    chosen[leaf] = literal
                    push(heap, plan, pool, chosen, scores[literal], exposures[literal])
                    chosen[leaf] = was
                if scores[literal] > best or (scores[literal] == best and exposures[literal] < worst):
                    best, worst, idle = scores[literal], exposures[literal], 1
                    chosen[leaf] = literal
            if chosen[leaf] < 0:
                break  # no literal may stand at the open leaf
            leaf = (leaf + 1) % k


def random_starts(plan: Plan, pool: Pool, *, n: int, seed: int) -> NDArray[np.int64]:
    """Rows of distinct antigens with allowed signs; none where there are few antigens.

    The literals of a row are drawn among the first in the pool's order, more often the earlier they stand.
    """
    k, n_literals = len(plan.signs), len(pool.rows)
    if n_literals < 2 * k:
        return np.empty((0, k), dtype=np.int64)
    random = np.random.default_rng(np.random.SeedSequence(seed))
    by_order = np.argsort(pool.order)
    rows = np.full((n, k), -1, dtype=np.int64)
    for row in rows:
        while (row < 0).any():
            position = int(np.flatnonzero(row < 0)[0])
            literal = int(by_order[int(n_literals * random.random() ** 2)])
            sign = int(plan.signs[position])
            literal = literal if sign == 3 else (literal & ~1) | (sign - 1)
            if not (row >> 1 == literal >> 1).any():
                row[position] = literal
        chosen = row.copy()
        if not plan.not_only and truth(plan, chosen, False):
            row &= ~(plan.signs == 3).astype(np.int64)  # plain where allowed
    return rows
