"""Sweeps, compiled: fill a template with literals, and score all literals for one of its leaves at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import WIDTH, compiled, popcount, strip
from cartarget.search.literals import Pool
from cartarget.search.objectives import Terms
from cartarget.search.scoring import score


class Plan(NamedTuple):
    """A template as compiled code reads it; leaves by position in its order of assignment."""

    program: NDArray[np.int64]  # postfix: position, −1 AND, −2 OR
    last: int  # operator of the last two leaves
    signs: NDArray[np.uint8]  # per position: 1 plain, 2 negated, 3 either
    pair_signs: NDArray[np.uint8]  # may 0, 1, 2 of the last two be negated
    ordered: NDArray[np.bool_]  # positions i, j: i takes the earlier literal
    places: NDArray[np.int64]  # leaf, in order of appearance → position
    prints: NDArray[np.int64]  # signs of the leaves as bits × texts that the gate may have × leaves and marks
    n_prints: NDArray[np.int64]  # how many texts
    not_only: bool  # gates that need no antigen are allowed


class Problem(NamedTuple):
    """What is searched: the gates of one template, over the literals of the data, for one objective."""

    plan: Plan
    pool: Pool
    terms: Terms


class OpenLeaves(NamedTuple):
    """What leaves without a literal count as; True in the tumour and False in the normal give an upper bound."""

    tumor: NDArray[np.bool_]  # per position
    normal: NDArray[np.bool_]  # per position
    slack: float  # what open branches may add to a feasible score


@compiled
def fill(plan, pool, chosen, tumor, normal, stack):  # type: ignore[no-untyped-def]
    """Observations that a template hits, into `stack[0]`.

    `chosen[i] < 0` stands for a constant: `tumor[i]` in words of the tumour, `normal[i]` in the others.
    """
    depth = 0
    n_words = stack.shape[1]
    for code in plan.program:
        if code >= 0:
            literal = chosen[code]
            top = stack[depth]
            if literal >= 0:
                row = pool.rows[literal]
                for w in range(n_words):
                    top[w] = row[w]
            else:
                for w in range(pool.split):
                    top[w] = pool.valid[w] if tumor[code] else np.uint64(0)
                for w in range(pool.split, n_words):
                    top[w] = pool.valid[w] if normal[code] else np.uint64(0)
            depth += 1
        else:
            depth -= 1
            left, right = stack[depth - 1], stack[depth]
            if code == -1:
                for w in range(n_words):
                    left[w] &= right[w]
            else:
                for w in range(n_words):
                    left[w] |= right[w]


@compiled
def truth(plan, chosen, pair):  # type: ignore[no-untyped-def]
    """Whether a template hits a cell without any antigen; open leaves are `pair` (the last two) or False.

    An open leaf that comes after a negated one in the order of literals can only be negated itself.
    """
    stack = np.zeros(8, dtype=np.bool_)
    depth = 0
    k = len(plan.signs)
    for code in plan.program:
        if code >= 0:
            if chosen[code] >= 0:
                stack[depth] = (chosen[code] & 1) == 1
            else:
                stack[depth] = pair and code >= k - 2
                for i in range(code):
                    stack[depth] |= plan.ordered[i, code] and chosen[i] >= 0 and (chosen[i] & 1) == 1
            depth += 1
        else:
            depth -= 1
            if code == -1:
                stack[depth - 1] &= stack[depth]
            else:
                stack[depth - 1] |= stack[depth]
    return stack[0]


@compiled
def count_bits(bits, pool, out):  # type: ignore[no-untyped-def]
    """Set bits per population."""
    for p in range(len(out)):
        total = 0
        for w in range(pool.starts[p], pool.stops[p]):
            total += popcount(bits[w])
        out[p] = total


@compiled
def score_leaf(problem, chosen, leaf, open_leaves, scores, exposures):  # type: ignore[no-untyped-def]
    """Score every literal at one leaf; with other leaves open, an upper bound of every completion.

    Parameters
    ----------
    chosen
        Literal per position, −1 if open; the entry of `leaf` is ignored.
    open_leaves
        What the other leaves count as where they are open.
    scores, exposures
        Per literal, filled.
    """
    plan, pool, t = problem
    n_words, n_literals, n_populations = len(pool.valid), pool.rows.shape[0], len(pool.starts)
    tumor, normal, slack = open_leaves.tumor.copy(), open_leaves.normal.copy(), open_leaves.slack
    stack = np.empty((len(plan.signs) + 1, n_words), dtype=np.uint64)
    kept = chosen[leaf]
    chosen[leaf] = -1
    tumor[leaf] = normal[leaf] = False
    fill(plan, pool, chosen, tumor, normal, stack)
    base = stack[0].copy()
    tumor[leaf] = normal[leaf] = True
    fill(plan, pool, chosen, tumor, normal, stack)
    chosen[leaf] = kept
    free = stack[0]
    for w in range(n_words):
        free[w] &= ~base[w]
    fixed = np.empty(n_populations, dtype=np.int64)
    count_bits(base, pool, fixed)
    counts = np.empty(n_populations, dtype=np.int64)
    hits = np.empty((n_populations, WIDTH), dtype=np.int64)
    address = t.bound_address if slack > 0 else t.address
    for i in range(len(chosen)):
        if chosen[i] < 0 and i != leaf:
            address = t.bound_address
    for panel in range(pool.panels.shape[0]):
        for p in range(n_populations):
            start = pool.starts[p]
            partners = pool.panels.ctypes.data + 8 * WIDTH * (panel * n_words + start)
            strip(free.ctypes.data + 8 * start, partners, pool.stops[p] - start, hits.ctypes.data + 8 * WIDTH * p)
        low = panel * WIDTH
        for j in range(min(WIDTH, n_literals - low)):
            for p in range(n_populations):
                counts[p] = fixed[p] + hits[p, j]
            value, exposure = score(counts, t, address)
            scores[low + j] = value + slack if value > -1.0 else value
            exposures[low + j] = exposure
