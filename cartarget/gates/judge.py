"""Judge gates of two antigens from counts: coverage, liability and safety class, compiled."""

from __future__ import annotations

import numpy as np

from cartarget.gates.kernels import BLOCK, compiled, popcount

ANY, BOTH, NOT = 0, 1, 2
"""Shapes of a gate: `A | B` (a single antigen is `A | A`), `A & B`, `A & ~B`."""

SAFE, ORIGIN_ONLY, UNKNOWN, UNSAFE = 0, 1, 2, 3


@compiled
def _judge_block(  # type: ignore[no-untyped-def]
    a,
    low,
    size,
    op,
    swap,
    n11,
    columns_fraction,
    columns_measured,
    t,
    floor,
    coverage,
    p10,
    liability,
    status,
    scratch,
):
    """Judge one gate shape for antigen `a` against partners `low … low + size`."""
    (
        _,
        _,
        _,
        _,
        _,
        fraction,
        measured,
        n_tumor,
        limit,
        weight,
        is_origin,
        median,
        above,
        maybe,
        covered,
        origin_unit,
        other_unit,
        weight_unit,
        weight_levels,
        absent,
        counted,
        summed,
        origin_tissue,
        all_tissue,
        is_cells,
    ) = t
    n_populations = len(limit)
    for j in range(size):
        coverage[j] = 0.0
        liability[j] = 0.0
        status[j] = 0
    for p in range(n_tumor):
        fa = fraction[a, p]
        for j in range(size):
            fb, both = columns_fraction[p, low + j], n11[p, j]
            f = both if op == 1 else (fa + fb - both if op == 0 else (fb - both if swap else fa - both))
            coverage[j] += f / n_tumor
    any_eligible = False
    for j in range(size):
        any_eligible |= coverage[j] >= floor
    if not any_eligible:
        return False
    if is_cells:
        for j in range(size):
            if coverage[j] >= floor:
                for p in range(n_tumor):
                    fa, fb, both = fraction[a, p], columns_fraction[p, low + j], n11[p, j]
                    scratch[p] = (
                        both if op == 1 else (fa + fb - both if op == 0 else (fb - both if swap else fa - both))
                    )
                values = np.sort(scratch[:n_tumor])
                place = 0.1 * (n_tumor - 1)
                at = int(place)
                p10[j] = values[at] + (place - at) * (values[min(at + 1, n_tumor - 1)] - values[at])
            else:
                p10[j] = 0.0
    else:
        for j in range(size):
            p10[j] = coverage[j]
    for p in range(n_tumor, n_populations):
        fa, known_a = fraction[a, p], measured[a, p]
        bad = 2 if is_origin[p] else 1
        doubt = 8 if is_origin[p] else 4
        for j in range(size):
            fb, known_b, both = columns_fraction[p, low + j], columns_measured[p, low + j], n11[p, j]
            if op == 0:
                f = fa + fb - both
            elif op == 1:
                f = both
                if known_a != known_b:
                    if (fa if known_a else fb) > limit[p]:
                        status[j] |= doubt
                    continue
            elif is_cells:
                f = fb - both if swap else fa - both
                if not (known_a if swap else known_b):
                    if (fb if swap else fa) > limit[p]:
                        status[j] |= doubt
                    continue
            else:
                f = fb if swap else fa
            if not (known_a or known_b):
                continue
            if f > limit[p]:
                status[j] |= bad
            if weight[p] > 0 and not is_origin[p]:
                place = min(max(f, 0.0), 1.0) * (median.shape[1] - 1)
                at = min(int(place), median.shape[1] - 2)
                value = weight[p] * (median[p, at] + (place - at) * (median[p, at + 1] - median[p, at]))
                liability[j] = max(liability[j], value)
    zero = np.uint64(0)
    for j in range(size):
        b = low + j
        x, y = (b, a) if swap else (a, b)
        for w in range(above.shape[1]):
            if op == 0:
                exposed = above[x, w] | above[y, w]
                unsure = zero
            elif op == 1:
                exposed = zero
                unsure = maybe[x, w] & maybe[y, w] & (above[x, w] | above[y, w])
            else:
                exposed = above[x, w] & ~(covered[x, w] & covered[y, w])
                unsure = zero
            if exposed & other_unit[w]:
                status[j] |= 1
                for level in range(len(weight_levels)):
                    if exposed & other_unit[w] & weight_unit[level, w]:
                        liability[j] = max(liability[j], weight_levels[level])
                        break
            if exposed & origin_unit[w]:
                status[j] |= 2
            if unsure & other_unit[w]:
                status[j] |= 4
            if unsure & origin_unit[w]:
                status[j] |= 8
        if op == 0:
            decided = (counted[x] | summed[x]) & (counted[y] | summed[y])
        elif op == 1:
            decided = absent[x] | absent[y] | (counted[x] & counted[y]) | (summed[x] & summed[y])
        elif is_cells:
            decided = absent[x] | (counted[x] & counted[y])
        else:
            decided = counted[x] | summed[x]
        missing = all_tissue & ~decided
        if missing & ~origin_tissue:
            status[j] |= 4
        if missing & origin_tissue:
            status[j] |= 8
    return True


@compiled
def _class_of(status):  # type: ignore[no-untyped-def]
    if status & 1:
        return 3
    if status & 4:
        return 2
    if status & 10:
        return 1
    return 0


@compiled
def _count_block(a, low, size, words, columns, starts, stops, owner, weight_of_segment, n11, total):  # type: ignore[no-untyped-def]
    n11[:, :size] = 0.0
    for segment in range(len(starts)):
        for j in range(size):
            total[j] = 0
        for word in range(starts[segment], stops[segment]):
            own = words[a, word]
            partners = columns[word, low : low + size]
            for j in range(size):
                total[j] += popcount(own & partners[j])
        p, scale = owner[segment], weight_of_segment[segment]
        for j in range(size):
            n11[p, j] += scale * total[j]


@compiled
def scan_rows(  # type: ignore[no-untyped-def]
    first,
    last,
    columns,
    columns_fraction,
    columns_measured,
    t,
    floor,
    gain,
    single_class,
    single_score,
    out_code,
    out_score,
):
    """Judge all partners of rows `first … last`; codes and scores per row × shape × partner."""
    words, starts, stops, owner, weight_of_segment = t[0], t[1], t[2], t[3], t[4]
    n = columns.shape[1]
    n11 = np.empty((len(t[8]), BLOCK))
    total = np.empty(BLOCK, dtype=np.int64)
    coverage, p10, liability = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    status = np.empty(BLOCK, dtype=np.int64)
    scratch = np.empty(t[7])
    for a in range(first, last):
        row = a - first
        out_code[row] = 255
        for low in range((a // BLOCK) * BLOCK, n, BLOCK):
            size = min(BLOCK, n - low)
            _count_block(a, low, size, words, columns, starts, stops, owner, weight_of_segment, n11, total)
            for shape in range(4):
                op, swap = min(shape, 2), shape == 3
                if not _judge_block(
                    a,
                    low,
                    size,
                    op,
                    swap,
                    n11,
                    columns_fraction,
                    columns_measured,
                    t,
                    floor,
                    coverage,
                    p10,
                    liability,
                    status,
                    scratch,
                ):
                    continue
                for j in range(size):
                    b = low + j
                    if b <= a or coverage[j] < floor:
                        continue
                    kind = _class_of(status[j])
                    score = p10[j] - liability[j]
                    x, y = (b, a) if swap else (a, b)
                    gains = kind < single_class[x] or score >= single_score[x] + gain
                    if op < 2:
                        gains = gains and (kind < single_class[y] or score >= single_score[y] + gain)
                    out_code[row, shape, b] = kind if gains else kind + 4
                    out_score[row, shape, b] = score


@compiled
def judge_singles(columns_fraction, columns_measured, t, code, score, coverage_out):  # type: ignore[no-untyped-def]
    """Judge every antigen alone: class, selectivity and coverage into the last three arrays."""
    n_populations = len(t[8])
    n11 = np.empty((n_populations, 1))
    coverage, p10, liability = np.empty(1), np.empty(1), np.empty(1)
    status = np.empty(1, dtype=np.int64)
    scratch = np.empty(t[7])
    for a in range(len(code)):
        for p in range(n_populations):
            n11[p, 0] = columns_fraction[p, a]
        _judge_block(
            a,
            a,
            1,
            0,
            False,
            n11,
            columns_fraction,
            columns_measured,
            t,
            -1.0,
            coverage,
            p10,
            liability,
            status,
            scratch,
        )
        code[a] = _class_of(status[0])
        score[a] = p10[0] - liability[0]
        coverage_out[a] = coverage[0]
