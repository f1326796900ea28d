"""Numbers out of a line of text, compiled: the one loop that sees every byte of a matrix."""

from __future__ import annotations

import numba
import numpy as np

GAP, LESS, MORE = -1, -2, -3
"""What is wrong with a line: no number in a field, or too few or too many fields."""

LOW, HIGH, FRACTIONS = 0, 1, 2
"""Places in `facts`: smallest and largest value as written, and how many are not whole."""

_TENS = 10.0 ** np.arange(23)
_ROOTS, _TWOS = np.exp2(np.arange(10_000) / 10_000), np.exp2(np.arange(64.0))
"""2 ** (n / 10,000), and 2 ** n: a logarithm of four decimals is undone by two look-ups."""


@numba.njit(nogil=True, cache=True)
def parse(line, start, slots, shift, may_miss, out, totals, facts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Read the fields of a line into `out`, and add them up in `totals`.

    Parameters
    ----------
    line
        Bytes of the line, `uint8`; fields are separated by tabs.
    start
        Where the first field begins.
    slots
        For each field its place in `out` and `totals`, or -1 to pass over it.
    shift
        Positive: values are log2(x + shift), and x is wanted (never below 0). Zero: values as they are.
    may_miss
        Whether an empty field, `NA` and `nan` are NaN; else they are gaps.
    out, totals, facts
        Filled.

    Returns
    -------
    problem, field
        0 and the number of fields; or what is wrong and the field where it shows.
    """
    n, at, field = line.size, start, 0
    low, high, n_fractions = facts[LOW], facts[HIGH], 0.0
    while True:
        if field >= slots.size:
            return MORE, field
        slot = slots[field]
        if slot < 0:
            while at < n and line[at] != 9:
                at += 1
        else:
            begin = at
            is_negative = at < n and line[at] == 45
            if is_negative or (at < n and line[at] == 43):
                at += 1
            whole, value, digits, scale = np.int64(0), 0.0, 0, 0
            while at < n and 48 <= line[at] <= 57 and digits < 17:
                whole = whole * 10 + (line[at] - 48)
                digits += 1
                at += 1
            while at < n and 48 <= line[at] <= 57:  # beyond what a float can tell apart
                digits += 1
                scale -= 1
                at += 1
            if at < n and line[at] == 46:
                at += 1
                while at < n and 48 <= line[at] <= 57:
                    if digits < 17:
                        whole = whole * 10 + (line[at] - 48)
                        scale += 1
                    digits += 1
                    at += 1
            value = float(whole)
            is_plain = scale == 4 and not is_negative and whole < 640_000
            if digits and at < n and (line[at] == 101 or line[at] == 69):
                at += 1
                is_down = at < n and line[at] == 45
                if is_down or (at < n and line[at] == 43):
                    at += 1
                power, n_power = 0, 0
                while at < n and 48 <= line[at] <= 57:
                    power = min(power * 10 + (line[at] - 48), 9999)
                    n_power += 1
                    at += 1
                if not n_power:
                    return GAP, field
                scale += power if is_down else -power
                is_plain = False
            is_end = at >= n or line[at] == 9
            if digits and is_end:
                if 0 < scale < 23:
                    value /= _TENS[scale]
                elif scale:
                    value *= 10.0 ** float(-scale)
                if is_negative:
                    value = -value
                low, high = min(low, value), max(high, value)
                if value != np.floor(value):
                    n_fractions += 1
                if shift > 0.0:
                    value = _ROOTS[whole % 10_000] * _TWOS[whole // 10_000] if is_plain else np.exp2(value)
                    value = max(value - shift, 0.0)
                out[slot] = value
                totals[slot] += value
            else:
                while at < n and line[at] != 9:
                    at += 1
                size = at - begin
                is_na = size == 2 and line[begin] == 78 and line[begin + 1] == 65
                is_nan = (
                    size == 3
                    and (line[begin] | 32) == 110
                    and (line[begin + 1] | 32) == 97
                    and (line[begin + 2] | 32) == 110
                )
                if not may_miss or not (size == 0 or is_na or is_nan):
                    return GAP, field
                out[slot] = np.nan
        field += 1
        if at >= n:
            facts[LOW], facts[HIGH] = low, high
            facts[FRACTIONS] += n_fractions
            return (0, field) if field == slots.size else (LESS, field)
        at += 1
