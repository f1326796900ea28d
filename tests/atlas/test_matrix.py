"""The compiled reader of numbers, against Python's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas.formats.digits import FRACTIONS, GAP, HIGH, LESS, LOW, MORE, parse


def read(line: bytes, *, n: int, shift: float = 0.0, may_miss: bool = False, slots=None):
    slots = np.arange(n, dtype=np.int32) if slots is None else slots
    size = int((slots >= 0).sum())
    out, totals, facts = np.zeros(size, dtype=np.float32), np.zeros(size), np.array([np.inf, -np.inf, 0.0])
    problem = parse(np.frombuffer(line, dtype=np.uint8), 0, slots, shift, may_miss, out, totals, facts)
    return problem, out, totals, facts


NUMBERS = st.one_of(
    st.integers(0, 10**6).map(str),
    st.floats(0, 1e9, allow_nan=False).map(lambda value: f"{value:.4f}"),
    st.floats(1e-12, 1e12).map(lambda value: f"{value:.6g}"),
    st.floats(0, 1e9).map(repr),
    st.floats(-20, 20).map(lambda value: f"{value:.4f}"),
)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_it_reads_what_python_reads(texts: list[str]) -> None:
    (problem, field), out, totals, facts = read("\t".join(texts).encode(), n=len(texts))
    assert (problem, field) == (0, len(texts))
    expected = np.array([float(text) for text in texts])
    np.testing.assert_allclose(out, expected.astype(np.float32), rtol=1e-6)
    np.testing.assert_allclose(totals, expected, rtol=1e-12, atol=1e-300)
    assert facts[LOW] == pytest.approx(expected.min(), rel=1e-12)
    assert facts[HIGH] == pytest.approx(expected.max(), rel=1e-12)
    assert facts[FRACTIONS] == sum(not float(text).is_integer() for text in texts)


@given(st.floats(-12, 45).map(lambda value: f"{value:.4f}"), st.sampled_from([1.0, 0.001]))
def test_logs_are_undone(text: str, shift: float) -> None:
    _, _, totals, _ = read(text.encode(), n=1, shift=shift)
    assert totals[0] == pytest.approx(max(2 ** float(text) - shift, 0), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("line", "n", "problem"),
    [
        (b"1\t2", 2, (0, 2)), (b"1\t2", 3, (LESS, 2)), (b"1\t2\t3", 2, (MORE, 2)), (b"", 1, (GAP, 0)),
        (b"1\t", 2, (GAP, 1)), (b"1e", 1, (GAP, 0)), (b"e5", 1, (GAP, 0)), (b".", 1, (GAP, 0)), (b"-", 1, (GAP, 0)),
        (b"1.2.3", 1, (GAP, 0)), (b"1 ", 1, (GAP, 0)), (b"nan", 1, (GAP, 0)), (b"inf", 1, (GAP, 0)),
        (b"0x1", 1, (GAP, 0)),
        (b".5", 1, (0, 1)), (b"5.", 1, (0, 1)), (b"+5", 1, (0, 1)), (b"1e-3", 1, (0, 1)), (b"1E+3", 1, (0, 1)),
    ],
)  # fmt: skip
def test_what_is_no_number_is_seen(line: bytes, n: int, problem: tuple[int, int]) -> None:
    assert read(line, n=n)[0] == problem


def test_gaps_where_they_may_be() -> None:
    problem, out, totals, _ = read(b"NA\t\tnan\tNaN\t3", n=5, may_miss=True)
    assert problem == (0, 5)
    assert np.isnan(out[:4]).all() and out[4] == 3 and totals.tolist() == [0, 0, 0, 0, 3]
    assert read(b"N\t1", n=2, may_miss=True)[0] == (GAP, 0)


def test_columns_can_be_left_out_and_reordered() -> None:
    slots = np.array([-1, 1, -1, 0], dtype=np.int32)
    problem, out, _, _ = read(b"x\t2\t\t4", n=4, slots=slots)
    assert problem == (0, 4) and out.tolist() == [4.0, 2.0]


def test_numbers_beyond_all_bounds() -> None:
    assert read(b"9" * 400, n=1)[0] == (0, 1)
    assert math.isinf(read(b"1e999", n=1)[2][0])
    assert read(b"1e-999", n=1)[2][0] == 0
    assert read(b"0." + b"0" * 400 + b"1", n=1)[2][0] == 0
