"""Judge gates of two antigens from counts: coverage, liability and safety class, compiled.

`safety.exposure` says the same in plain numpy, and a test holds the two together. Arrays are walked along the
partners of one antigen, so that one vector register judges several gates at once.
"""

from __future__ import annotations

import numpy as np

from cartarget.evidence.kernels import BLOCK, compiled, popcount
from cartarget.logic.batch import ANY, BOTH, NOT

SAFE, ORIGIN_ONLY, UNKNOWN, UNSAFE = 0, 1, 2, 3

BROKEN, ORIGIN_BROKEN, DOUBT, ORIGIN_DOUBT = 1, 2, 4, 8
"""Bits of a gate's status; the class follows from them."""


@compiled
def _class_of(status):  # type: ignore[no-untyped-def]
    if status & BROKEN:
        return UNSAFE
    if status & DOUBT:
        return UNKNOWN
    return ORIGIN_ONLY if status & (ORIGIN_BROKEN | ORIGIN_DOUBT) else SAFE


@compiled
def _hit(op, swap, fa, fb, both):  # type: ignore[no-untyped-def]
    """Fraction that a gate hits, from those of its members and of both at once."""
    if op == ANY:
        return fa + fb - both
    if op == BOTH:
        return both
    return fb - both if swap else fa - both


@compiled
def _count(a, low, size, t, columns, n11, total):  # type: ignore[no-untyped-def]
    """Mean fraction of each population that is positive for `a` and each partner."""
    n11[:, :size] = 0.0
    for segment in range(len(t.starts)):
        for j in range(size):
            total[j] = 0
        for word in range(t.starts[segment], t.stops[segment]):
            own = t.words[a, word]
            partners = columns[word, low : low + size]
            for j in range(size):
                total[j] += popcount(own & partners[j])
        p, scale = t.owner[segment], t.weight_of_segment[segment]
        for j in range(size):
            n11[p, j] += scale * total[j]


@compiled
def _cover(a, low, size, op, swap, t, partner, n11, floor, coverage, low_end, scratch):  # type: ignore[no-untyped-def]
    """Mean coverage over patients and its tenth percentile (bulk: the mean again); is any gate eligible?"""
    coverage[:size] = 0.0
    for p in range(t.n_tumor):
        fa = t.fraction[a, p]
        for j in range(size):
            coverage[j] += _hit(op, swap, fa, partner[p, low + j], n11[p, j]) / t.n_tumor
    found = False
    for j in range(size):
        low_end[j] = coverage[j]
        found |= coverage[j] >= floor
    if not found or not t.is_cells:
        return found
    place = 0.1 * (t.n_tumor - 1)
    at = int(place)
    for j in range(size):
        if coverage[j] >= floor:
            for p in range(t.n_tumor):
                scratch[p] = _hit(op, swap, t.fraction[a, p], partner[p, low + j], n11[p, j])
            ordered = np.sort(scratch[: t.n_tumor])
            low_end[j] = ordered[at] + (place - at) * (ordered[min(at + 1, t.n_tumor - 1)] - ordered[at])
    return True


@compiled
def _expose(a, low, size, op, swap, p, t, partner, measured, n11, liability, status):  # type: ignore[no-untyped-def]
    """One normal population: does a gate break its cap here, or might it, and what does it add to the liability?"""
    origin, limit, weight = t.is_origin[p], t.limit[p], t.weight[p]
    bad = ORIGIN_BROKEN if origin else BROKEN
    doubt = (ORIGIN_DOUBT if origin else DOUBT) if t.is_vital[p] else 0
    fa, known_a, last = t.fraction[a, p], t.is_measured[a, p], t.median.shape[1] - 2
    for j in range(size):
        fb, known_b = partner[p, low + j], measured[p, low + j]
        first, known_first, known_second = (fb, known_b, known_a) if swap else (fa, known_a, known_b)
        if op == NOT and not t.is_cells:
            f, known, bound = first, known_first, -1.0
        elif op == ANY:
            f, known, bound = fa + fb - n11[p, j], known_a or known_b, -1.0
        else:
            f, known = _hit(op, swap, fa, fb, n11[p, j]), known_a and known_b
            bound = -1.0 if known else (first if known_first else (fb if op == BOTH and known_second else -1.0))
        if bound > limit:
            status[j] |= doubt
        if not known:
            continue
        if f > limit:
            status[j] |= bad
        if weight > 0 and not origin:
            place = min(max(f, 0.0), 1.0) * (last + 1)
            at = min(int(place), last)
            median = t.median[p, at] + (place - at) * (t.median[p, at + 1] - t.median[p, at])
            liability[j] = max(liability[j], weight * median)


@compiled
def _weigh_units(x, y, op, t, status, liability):  # type: ignore[no-untyped-def]
    """Summary and protein evidence on one gate: status and liability."""
    for w in range(t.above_unit.shape[1]):
        above, unsure = t.above_unit[x, w], np.uint64(0)
        if op == ANY:
            above |= t.above_unit[y, w]
        elif op == BOTH:
            unsure = t.maybe_unit[x, w] & t.maybe_unit[y, w] & (above | t.above_unit[y, w]) & t.vital_unit[w]
            above = np.uint64(0)
        else:
            above &= ~(t.covered_unit[x, w] & t.covered_unit[y, w])
        if above & t.other_unit[w]:
            status |= BROKEN
            for level in range(len(t.weight_levels)):
                if above & t.other_unit[w] & t.weight_unit[level, w]:
                    liability = max(liability, t.weight_levels[level])
                    break
        if above & t.origin_unit[w]:
            status |= ORIGIN_BROKEN
        if unsure & t.other_unit[w]:
            status |= DOUBT
        if unsure & t.origin_unit[w]:
            status |= ORIGIN_DOUBT
    return status, liability


@compiled
def _undecided(x, y, op, t):  # type: ignore[no-untyped-def]
    """Required tissues in which nothing can decide about a gate, as bits."""
    known_x, known_y = t.counted_tissue[x] | t.summed_tissue[x], t.counted_tissue[y] | t.summed_tissue[y]
    counted = t.counted_tissue[x] & t.counted_tissue[y]
    if op == ANY:
        decided = known_x & known_y
    elif op == BOTH:
        decided = t.absent_tissue[x] | t.absent_tissue[y] | counted | (t.summed_tissue[x] & t.summed_tissue[y])
    else:
        decided = (t.absent_tissue[x] | counted) if t.is_cells else known_x
    return t.all_tissue & ~decided


@compiled
def _judge(a, low, size, op, swap, t, partner, measured, n11, floor, coverage, low_end, liability, status, scratch):  # type: ignore[no-untyped-def]
    """Judge one shape of gate for antigen `a` against partners `low … low + size`; is any eligible?"""
    if not _cover(a, low, size, op, swap, t, partner, n11, floor, coverage, low_end, scratch):
        return False
    liability[:size] = 0.0
    status[:size] = 0
    for p in range(t.n_tumor, len(t.limit)):
        _expose(a, low, size, op, swap, p, t, partner, measured, n11, liability, status)
    for j in range(size):
        if coverage[j] < floor:
            continue
        x, y = (low + j, a) if swap else (a, low + j)
        status[j], liability[j] = _weigh_units(x, y, op, t, status[j], liability[j])
        missing = _undecided(x, y, op, t)
        if missing & ~t.origin_tissue:
            status[j] |= DOUBT
        if missing & t.origin_tissue:
            status[j] |= ORIGIN_DOUBT
    return True


@compiled
def scan_rows(first, last, t, columns, partner, measured, floor, gain, single_class, single_score, out_code, out_score):  # type: ignore[no-untyped-def]
    """Judge all partners of rows `first … last`; code and score per row × shape × partner.

    Codes: 255 not eligible, the class for a gate that gains on its members, the class + 4 for a redundant one.
    """
    n = columns.shape[1]
    n11 = np.empty((len(t.limit), BLOCK))
    total = np.empty(BLOCK, dtype=np.int64)
    coverage, low_end, liability = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    status = np.empty(BLOCK, dtype=np.int64)
    scratch = np.empty(t.n_tumor)
    for a in range(first, last):
        row = a - first
        out_code[row] = 255
        for low in range((a // BLOCK) * BLOCK, n, BLOCK):
            size = min(BLOCK, n - low)
            _count(a, low, size, t, columns, n11, total)
            for shape in range(4):
                op, swap = min(shape, NOT), shape == 3
                if not _judge(
                    a,
                    low,
                    size,
                    op,
                    swap,
                    t,
                    partner,
                    measured,
                    n11,
                    floor,
                    coverage,
                    low_end,
                    liability,
                    status,
                    scratch,
                ):
                    continue
                for j in range(size):
                    b = low + j
                    if b <= a or coverage[j] < floor:
                        continue
                    kind, score = _class_of(status[j]), low_end[j] - liability[j]
                    x, y = (b, a) if swap else (a, b)
                    gains = kind < single_class[x] or score >= single_score[x] + gain
                    if op != NOT:
                        gains = gains and (kind < single_class[y] or score >= single_score[y] + gain)
                    out_code[row, shape, b] = kind if gains else kind + 4
                    out_score[row, shape, b] = score


@compiled
def judge_singles(t, partner, measured, code, score):  # type: ignore[no-untyped-def]
    """Judge every antigen alone: class and selectivity into the last two arrays."""
    n11 = np.empty((len(t.limit), 1))
    coverage, low_end, liability = np.empty(1), np.empty(1), np.empty(1)
    status = np.empty(1, dtype=np.int64)
    scratch = np.empty(t.n_tumor)
    for a in range(len(code)):
        n11[:, 0] = partner[:, a]
        _judge(a, a, 1, ANY, False, t, partner, measured, n11, -1.0, coverage, low_end, liability, status, scratch)
        code[a] = _class_of(status[0])
        score[a] = low_end[0] - liability[0]
