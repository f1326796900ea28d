"""From counts to scores, compiled: one number a gate, and how many observations a bound leaves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from cartarget.errors import InputError
from cartarget.evidence.kernels import compiled, inner

_KEPT: list[Any] = []  # compiled functions of users stay alive as long as their addresses are in use


@cache
def address_of(function: Callable[..., float]) -> int:
    """Compile `function(coverage, exposure)` and give its address.

    Raises
    ------
    InputError
        numba cannot compile it.
    """
    signature = types.float64(types.CPointer(types.float64), types.intp, types.CPointer(types.float64), types.intp)
    inner = numba.njit(nogil=True, error_model="numpy")(function)

    def call(coverage, n_coverage, exposure, n_exposure):  # type: ignore[no-untyped-def]
        return inner(numba.carray(coverage, n_coverage), numba.carray(exposure, n_exposure))

    try:
        compiled_call = numba.cfunc(signature)(call)
    except numba.core.errors.NumbaError as error:
        raise InputError(
            "the objective's function does not compile: write it with plain arithmetic and NumPy on two arrays "
            f"(coverage, exposure) and return one number; numba says: {str(error).splitlines()[0]}"
        ) from error
    _KEPT.append(compiled_call)
    return int(compiled_call.address or 0)


def _call_at(_context: Any, address: Any, coverage: Any, n_coverage: Any, exposure: Any, n_exposure: Any) -> Any:
    """Call the compiled function at an address; arrays are given by address and length."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        word, double = ir.IntType(64), ir.DoubleType()
        target, first, n_first, second, n_second = arguments
        pointer = double.as_pointer()
        kind = ir.FunctionType(double, [pointer, word, pointer, word])
        function = builder.inttoptr(target, kind.as_pointer())
        places = [builder.inttoptr(first, pointer), n_first, builder.inttoptr(second, pointer), n_second]
        return builder.call(function, places)

    return types.float64(types.intp, types.intp, types.intp, types.intp, types.intp), generate


call_at: Any = intrinsic(_call_at)


@inner
def percentile(counts, t):  # type: ignore[no-untyped-def]
    """A percentile over patients of the fraction hit, linear between patients (as NumPy's)."""
    n = t.n_tumor
    values = np.empty(n)
    for p in range(n):
        value = counts[p] / t.size[p]
        j = p
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    place = t.quantile * (n - 1)
    at = int(place)
    above = values[min(at + 1, n - 1)]
    return values[at] * (1 - (place - at)) + above * (place - at)


@inner
def rounded(value):  # type: ignore[no-untyped-def]
    """To twelve decimals, so that equal scores are equal however they were summed."""
    return np.floor(value * 1e12 + 0.5) / 1e12


@compiled
def score(counts, t, address):  # type: ignore[no-untyped-def]
    """Score and worst weighted exposure of a gate that hits `counts` observations per population.

    With caps, a gate that breaks one scores −1 − its largest excess: comparable, and always below a feasible one.
    """
    n, mean, worst, excess = t.n_tumor, 0.0, 0.0, 0.0
    broken, broken_origin = False, False
    for p in range(n):
        mean += counts[p] * t.scale[p]
    for p in range(n, len(counts)):
        exposure = counts[p] * t.weight[p]
        if not t.origin[p]:
            worst = max(worst, exposure)
        if counts[p] > t.limit[p]:
            excess = max(excess, counts[p] * t.scale[p] - t.cap[p])
            broken |= not t.origin[p]
            broken_origin |= t.origin[p]
    if t.kind == 2:
        fractions = np.empty(len(counts))
        for p in range(len(counts)):
            fractions[p] = counts[p] / t.size[p]
        start = fractions.ctypes.data
        return call_at(address, start, n, start + 8 * n, len(counts) - n), rounded(worst)
    coverage = mean if t.quantile < 0 else percentile(counts, t)
    if t.kind == 1:
        level = 0 if broken else (2 if broken_origin else 3)
        return rounded(16.0 * (mean >= t.floor - 1e-12) + 4.0 * level + coverage - worst), rounded(worst)
    if broken or broken_origin:
        return rounded(-1.0 - excess), rounded(worst)
    return rounded(coverage - t.liability * worst), rounded(worst)


@inner
def caps(t, theta, upper, out):  # type: ignore[no-untyped-def]
    """Most observations of each normal population that a gate may hit and still score `theta`.

    `upper` are counts that no completion exceeds in the tumour. A cap below 0 says that nothing can.
    """
    n = t.n_tumor
    for p in range(n, len(out)):
        out[p] = np.int64(t.size[p])
    if t.kind == 2 or theta < -1e17:
        return
    mean = 0.0
    for p in range(n):
        mean += upper[p] * t.scale[p]
    coverage = mean if t.quantile < 0 else percentile(upper, t)
    base = 16.0 * (mean >= t.floor - 1e-12) if t.kind == 1 else 0.0
    slack = coverage + base + (12.0 if t.kind == 1 else 0.0) - theta + 1e-9
    for p in range(n, len(out)):
        if t.kind == 1:
            needs = coverage + base + (8.0 if t.origin[p] else 0.0) < theta - 1e-9
            if needs:
                out[p] = min(out[p], t.limit[p])
        elif theta >= -1.0:
            out[p] = min(out[p], t.limit[p])
        else:
            out[p] = min(out[p], np.int64(np.floor((t.cap[p] - 1.0 - theta) / t.scale[p] + 1e-6)))
        if t.liability > 0 and not t.origin[p] and t.weight[p] > 0:
            allowed = -1.0 if slack < 0 else np.floor(slack / t.weight[p] + 1e-6)
            out[p] = min(out[p], np.int64(min(allowed, t.size[p])))
