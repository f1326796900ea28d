"""The best gates found so far, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.gates.kernels import inner


class Heap(NamedTuple):
    """The best gates found: unordered rows, `state` = number held, row of the worst."""

    scores: NDArray[np.float64]
    exposures: NDArray[np.float64]
    leaves: NDArray[np.int64]  # literals in order of appearance, the least among equal arrangements
    state: NDArray[np.int64]


@inner
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


@inner
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
    for i in range(n):
        if heap.scores[i] == value and heap.exposures[i] == exposure:
            same = True
            for j in range(k):
                same &= heap.leaves[i, j] == leaves[j]
            if same:
                return
    row = n
    if room:
        heap.state[0] = n + 1
    elif is_better(value, exposure, leaves, heap.scores[worst], heap.exposures[worst], heap.leaves[worst]):
        row = worst
    else:
        return
    heap.scores[row] = value
    heap.exposures[row] = exposure
    for i in range(k):
        heap.leaves[row, i] = leaves[i]
    worst = 0
    for i in range(1, heap.state[0]):
        if is_better(
            heap.scores[worst],
            heap.exposures[worst],
            heap.leaves[worst],
            heap.scores[i],
            heap.exposures[i],
            heap.leaves[i],
        ):
            worst = i
    heap.state[1] = worst


@inner
def bar(heap, theta):  # type: ignore[no-untyped-def]
    """Score that a gate must reach to matter."""
    if heap.state[0] == len(heap.scores):
        return max(theta, heap.scores[heap.state[1]])
    return theta
