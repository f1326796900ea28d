"""The best gates found so far, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import inner
from cartarget.search.template import END, MOST

LENGTH = 3 * MOST
"""Marks and literals of the longest gate: `MOST` literals, operators between, three pairs of parentheses."""


class Heap(NamedTuple):
    """The best gates found: unordered rows, `state` = number held, row of the worst."""

    scores: NDArray[np.float64]
    exposures: NDArray[np.float64]
    leaves: NDArray[np.int64]  # literals in order of the template's leaves
    names: NDArray[np.int64]  # the canonical text: ranks of literals, and marks; sorts as the text does
    state: NDArray[np.int64]


def new_heap(top: int, k: int) -> Heap:
    """An empty heap."""
    return Heap(
        scores=np.empty(top),
        exposures=np.empty(top),
        leaves=np.empty((top, k), dtype=np.int64),
        names=np.full((top, LENGTH), END, dtype=np.int64),
        state=np.zeros(2, dtype=np.int64),
    )


@inner
def compared(a, b):  # type: ignore[no-untyped-def]
    """Below 0 if name `a` comes before `b`, 0 if they are one."""
    for i in range(len(a)):
        if a[i] != b[i]:
            return -1 if a[i] < b[i] else 1
    return 0


@inner
def is_better(score, exposure, name, heap, row):  # type: ignore[no-untyped-def]
    """Order of results: higher score, lower exposure, then name."""
    if score != heap.scores[row]:
        return score > heap.scores[row]
    if exposure != heap.exposures[row]:
        return exposure < heap.exposures[row]
    return compared(name, heap.names[row]) < 0


@inner
def named(plan, pool, leaves, name):  # type: ignore[no-untyped-def]
    """The canonical text of a gate, into `name`: the least of those that its signs allow."""
    signs = 0
    for leaf in range(len(leaves)):
        signs |= (leaves[leaf] & 1) << leaf
    text = np.empty(len(name), dtype=np.int64)
    for row in range(plan.n_prints[signs]):
        for i in range(len(text)):
            code = plan.prints[signs, row, i]
            text[i] = code if code < 0 else pool.text[leaves[code]]
        if row == 0 or compared(text, name) < 0:
            name[:] = text


@inner
def push(heap, plan, pool, chosen, value, exposure):  # type: ignore[no-untyped-def]
    """Keep a gate if it is among the best."""
    k, n, worst = len(chosen), heap.state[0], heap.state[1]
    has_room = n < len(heap.scores)
    if not has_room and (
        value < heap.scores[worst] or (value == heap.scores[worst] and exposure > heap.exposures[worst])
    ):
        return
    leaves, name = np.empty(k, dtype=np.int64), np.empty(heap.names.shape[1], dtype=np.int64)
    for leaf in range(k):
        leaves[leaf] = chosen[plan.places[leaf]]
    named(plan, pool, leaves, name)
    for i in range(n):
        if heap.scores[i] == value and heap.exposures[i] == exposure and compared(heap.names[i], name) == 0:
            return
    row = n if has_room else worst
    if has_room:
        heap.state[0] = n + 1
    elif not is_better(value, exposure, name, heap, worst):
        return
    heap.scores[row], heap.exposures[row] = value, exposure
    heap.leaves[row], heap.names[row] = leaves, name
    worst = 0
    for i in range(1, heap.state[0]):
        if is_better(heap.scores[worst], heap.exposures[worst], heap.names[worst], heap, i):
            worst = i
    heap.state[1] = worst


@inner
def bar(heap, theta):  # type: ignore[no-untyped-def]
    """Score that a gate must reach to matter."""
    if heap.state[0] == len(heap.scores):
        return max(theta, heap.scores[heap.state[1]])
    return theta
