"""Judge gates of two antigens from counts: coverage, liability and safety class, compiled.

`safety.judge` says the same in plain numpy for any gate, and a test holds the two together. Arrays are walked along the
partners of one antigen, so that one vector register judges several gates at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cartarget.evidence.kernels import BLOCK, compiled, popcount
from cartarget.logic.batch import ANY, BOTH, NOT
from cartarget.safety.known import ORIGIN_ONLY, SAFE, UNKNOWN, UNSAFE

BROKEN, ORIGIN_BROKEN, DOUBT, ORIGIN_DOUBT, MAY_DECIDE = 1, 2, 4, 8, 16
"""Bits of a gate's status; the class follows from them."""


class Shape(NamedTuple):
    """One shape of gate for antigen `a` against partners `low … low + size`; `swap`: the partner stands first."""

    a: int
    low: int
    size: int
    op: int
    swap: bool


class Scratch(NamedTuple):
    """Room for one block of partners."""

    both: NDArray[np.float64]  # populations × partners: fraction positive for both
    over: NDArray[np.int64]  # shapes × populations × partners: donors over the cap
    total: NDArray[np.int64]
    coverage: NDArray[np.float64]
    low_end: NDArray[np.float64]
    liability: NDArray[np.float64]
    status: NDArray[np.int64]
    decided: NDArray[np.uint64]
    patients: NDArray[np.float64]


class Singles(NamedTuple):
    """What a gate must gain on, and what makes it eligible."""

    floor: float
    gain: float
    kind: NDArray[np.int64]
    score: NDArray[np.float64]


@compiled
def _scratch(t, size):  # type: ignore[no-untyped-def]
    n = len(t.limit)
    return Scratch(
        np.empty((n, size)),
        np.empty((4, n, size), dtype=np.int64),
        np.empty(size, dtype=np.int64),
        np.empty(size),
        np.empty(size),
        np.empty(size),
        np.empty(size, dtype=np.int64),
        np.empty(size, dtype=np.uint64),
        np.empty(t.n_tumor),
    )


@compiled
def _class_of(status):  # type: ignore[no-untyped-def]
    if status & BROKEN:
        return UNSAFE
    if status & DOUBT or not status & MAY_DECIDE:
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
def _count(a, low, size, t, s):  # type: ignore[no-untyped-def]
    """Mean fraction of each population that is positive for `a` and each partner, and donors over the cap."""
    s.both[:, :size] = 0.0
    s.over[:, :, :size] = 0
    for segment in range(len(t.starts)):
        for j in range(size):
            s.total[j] = 0
        for word in range(t.starts[segment], t.stops[segment]):
            own = t.words[a, word]
            partners = t.columns[word, low : low + size]
            for j in range(size):
                s.total[j] += popcount(own & partners[j])
        p, scale = t.owner[segment], t.weight_of_segment[segment]
        for j in range(size):
            s.both[p, j] += scale * s.total[j]
        if t.asked[segment]:
            need, mine = t.need[segment], t.hits[segment, a]
            for j in range(size):
                other = t.hits[segment, low + j]
                s.over[0, p, j] += mine + other - s.total[j] >= need
                s.over[1, p, j] += s.total[j] >= need
                s.over[2, p, j] += mine - s.total[j] >= need
                s.over[3, p, j] += other - s.total[j] >= need


@compiled
def _cover(shape, t, s, floor):  # type: ignore[no-untyped-def]
    """Mean coverage over patients and its tenth percentile (bulk: the mean again); is any gate eligible?"""
    a, low, size, op, swap = shape
    s.coverage[:size] = 0.0
    for p in range(t.n_tumor):
        fa = t.fraction[p, a]
        for j in range(size):
            s.coverage[j] += t.patient[p] * _hit(op, swap, fa, t.fraction[p, low + j], s.both[p, j])
    found = False
    for j in range(size):
        s.low_end[j] = s.coverage[j]
        found |= s.coverage[j] >= floor
    if not found or not t.is_cells_ranked:
        return found
    for j in range(size):
        if s.coverage[j] >= floor:
            n = 0
            for p in range(t.n_tumor):
                if t.tells_low_end[p]:
                    s.patients[n] = _hit(op, swap, t.fraction[p, a], t.fraction[p, low + j], s.both[p, j])
                    n += 1
            place = 0.1 * (n - 1)
            at = int(place)
            ordered = np.sort(s.patients[:n])
            s.low_end[j] = ordered[at] + (place - at) * (ordered[min(at + 1, n - 1)] - ordered[at])
    return True


@compiled
def _bounds(op, x, y, p, both, t):  # type: ignore[no-untyped-def]
    """Least and greatest fraction hit; whether it was counted; whether something is known; whether cells explain it."""
    cells, known_x, known_y = t.is_cells[p], t.is_measured[p, x], t.is_measured[p, y]
    cx, cy = t.corrected[p, x], t.corrected[p, y]
    if op == ANY:
        low = min(cx + cy - both, 1.0)
        return low, 0.0, known_x or known_y or low > 0, known_x and known_y, False
    if op == BOTH:
        explained = not cells and t.explained[p, x] and t.explained[p, y]
        low = min(both * t.gain[p, x] * t.gain[p, y], min(cx, cy))
        if known_x and known_y:
            return low, low, True, True, explained
        if known_x:
            return low, 0.0 if t.absent[p, y] else cx, low > 0, True, explained
        if known_y:
            return low, 0.0 if t.absent[p, x] else cy, low > 0, True, explained
        return low, 1.0, low > 0, False, explained
    explained = not cells and t.explained[p, x] and t.typed[p, y]
    if not cells:
        return cx, cx, known_x or cx > 0, known_x, explained
    if known_y:
        low = min((t.fraction[p, x] - both) * t.gain[p, x], cx)
        return low, low, known_x or low > 0, known_x, False
    return 0.0, cx, False, known_x, False


@compiled
def _expose(shape, p, t, s):  # type: ignore[no-untyped-def]
    """One normal population: does a gate break its cap here, or might it, and what does it add to the liability?"""
    a, low, size, op, swap = shape
    origin, limit, weight, cells = t.is_origin[p], t.limit[p], t.weight[p], t.is_cells[p]
    bad = ORIGIN_BROKEN if origin else BROKEN
    doubt = (ORIGIN_DOUBT if origin else DOUBT) if t.is_capped[p] else 0
    last, kind = t.median.shape[1] - 2, 3 if swap else op
    for j in range(size):
        x, y = (low + j, a) if swap else (a, low + j)
        f, most, told, informed, explained = _bounds(op, x, y, p, s.both[p, j], t)
        complete = t.is_measured[p, x] and (t.is_measured[p, y] or (op == NOT and not cells))
        if weight > 0 and not origin and informed:
            s.status[j] |= MAY_DECIDE
        if op != ANY and t.tells[p] and informed and (complete or most <= limit):
            s.decided[j] |= t.place[p]
        if op != ANY and not complete and (informed or op == NOT) and not explained and most > limit:
            s.status[j] |= doubt
        if not told or explained:
            continue
        if f > limit or (cells and s.over[kind, p, j] > t.most_people[p]):
            s.status[j] |= bad
        if weight > 0 and not origin:
            place = min(max(f, 0.0), 1.0) * (last + 1)
            at = min(int(place), last)
            median = t.median[p, at] + (place - at) * (t.median[p, at + 1] - t.median[p, at])
            s.liability[j] = max(s.liability[j], weight * median)


@compiled
def _weigh_units(x, y, op, t, status, liability):  # type: ignore[no-untyped-def]
    """Summary and protein evidence on one gate: status and liability."""
    for w in range(t.above_unit.shape[1]):
        above, unsure = t.above_unit[x, w], np.uint64(0)
        if op == ANY:
            above |= t.above_unit[y, w]
        elif op == BOTH:
            unsure = t.maybe_unit[x, w] & t.maybe_unit[y, w] & (above | t.above_unit[y, w])
            unsure &= ~(t.explained_unit[x, w] & t.explained_unit[y, w]) & t.capped_unit[w]
            above = np.uint64(0)
        else:
            above &= ~(t.explained_unit[x, w] & t.typed_unit[y, w])
        outside = above & ~t.origin_unit[w]
        if outside:
            if outside & t.capped_unit[w]:
                status |= BROKEN
            for level in range(len(t.weight_levels)):
                if outside & t.weight_unit[level, w]:
                    liability = max(liability, t.weight_levels[level])
                    break
        if above & t.origin_unit[w] & t.capped_unit[w]:
            status |= ORIGIN_BROKEN
        if unsure & ~t.origin_unit[w]:
            status |= DOUBT
        if unsure & t.origin_unit[w]:
            status |= ORIGIN_DOUBT
    return status, liability


@compiled
def _by_summary(x, y, op, t):  # type: ignore[no-untyped-def]
    """Required places in which summaries can decide about a gate, or about each member of an OR alone, as bits."""
    if op == ANY:
        return t.alone_place[x] & t.alone_place[y]
    if op == BOTH:
        return t.below_place[x] | t.below_place[y] | (t.summed_place[x] & t.summed_place[y])
    return t.summed_place[x]


@compiled
def _judge(shape, t, s, floor):  # type: ignore[no-untyped-def]
    """Judge one shape of gate; is any eligible?"""
    a, low, size, op, swap = shape
    if not _cover(shape, t, s, floor):
        return False
    s.liability[:size] = 0.0
    s.status[:size] = 0
    s.decided[:size] = 0
    for p in range(t.n_tumor, len(t.limit)):
        if t.is_normal[p]:
            _expose(shape, p, t, s)
    for j in range(size):
        if s.coverage[j] < floor:
            continue
        x, y = (low + j, a) if swap else (a, low + j)
        s.status[j], s.liability[j] = _weigh_units(x, y, op, t, s.status[j], s.liability[j])
        missing = t.all_place & ~(s.decided[j] | _by_summary(x, y, op, t))
        if missing & ~t.origin_place:
            s.status[j] |= DOUBT
        if missing & t.origin_place:
            s.status[j] |= ORIGIN_DOUBT
    return True


@compiled
def scan_rows(first, last, t, singles, out_code, out_score):  # type: ignore[no-untyped-def]
    """Judge all partners of rows `first … last`; code and score per row × shape × partner.

    Codes: 255 not eligible, the class for a gate that gains on its members, the class + 4 for a redundant one.
    """
    n = t.columns.shape[1]
    s = _scratch(t, BLOCK)
    for a in range(first, last):
        row = a - first
        out_code[row] = 255
        for low in range((a // BLOCK) * BLOCK, n, BLOCK):
            size = min(BLOCK, n - low)
            _count(a, low, size, t, s)
            for kind in range(4):
                op, swap = min(kind, NOT), kind == 3
                if not _judge(Shape(a, low, size, op, swap), t, s, singles.floor):
                    continue
                for j in range(size):
                    b = low + j
                    if b <= a or s.coverage[j] < singles.floor:
                        continue
                    code, score = _class_of(s.status[j]), s.low_end[j] - s.liability[j]
                    x, y = (b, a) if swap else (a, b)
                    gains = code < singles.kind[x] or score >= singles.score[x] + singles.gain
                    if op != NOT:
                        gains = gains and (code < singles.kind[y] or score >= singles.score[y] + singles.gain)
                    out_code[row, kind, b] = code if gains else code + 4
                    out_score[row, kind, b] = score


@compiled
def judge_singles(t, code, score):  # type: ignore[no-untyped-def]
    """Judge every antigen alone: class and selectivity into the last two arrays."""
    s = _scratch(t, 1)
    for a in range(len(code)):
        s.both[:, 0] = t.corrected[:, a]
        s.both[: t.n_tumor, 0] = t.fraction[: t.n_tumor, a]
        s.over[0, :, 0] = t.people[:, a]
        _judge(Shape(a, a, 1, ANY, False), t, s, -1.0)
        code[a] = _class_of(s.status[0])
        score[a] = s.low_end[0] - s.liability[0]
