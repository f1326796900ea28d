from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cartarget.atlas.formats.recover import LOG_MAX, recover_counts

FORWARD = {
    "ln(1 + x)": np.log1p,
    "log2(1 + x)": lambda y: np.log2(1 + y),
    "a factor per cell": lambda y: y,
}


def counts_of(seed, n_cells=30, n_genes=80, mean=1.5):
    """Counts in which each cell has a gene of one count, as cells have."""
    counts = np.random.default_rng(seed).poisson(mean, size=(n_cells, n_genes))
    counts[:, 0] = 1
    return counts


@pytest.mark.parametrize("scale", FORWARD)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(0.05, 1), ratio=st.floats(1, 9))
def test_counts_come_back_from_every_scale(scale, seed, low, ratio):
    counts = counts_of(seed)
    factors = np.random.default_rng(seed + 1).uniform(low, low * ratio, size=(len(counts), 1)) + 0.01
    found = recover_counts(sparse.csr_matrix(FORWARD[scale](counts * factors)))
    assert found.scale == scale
    assert (found.counts.toarray() == counts).all()


@pytest.mark.parametrize("digits", [4, 5])
def test_few_printed_digits_are_enough(digits):
    counts = counts_of(3)
    counts[5, 7] = 300
    values = np.log1p(counts * np.linspace(0.3, 1.4, len(counts))[:, None])
    printed = np.vectorize(lambda x: float(f"{x:.{digits}g}"))(values)
    assert (recover_counts(sparse.csr_matrix(printed)).counts.toarray() == counts).all()


def test_whole_numbers_are_counts_as_they_stand():
    counts = counts_of(0) * 2
    found = recover_counts(sparse.csr_matrix(counts))
    assert found.scale == "counts"
    assert (found.counts.toarray() == counts).all()


def test_one_value_that_does_not_fit_is_enough_to_refuse():
    values = np.log1p(counts_of(1) * 0.7)
    assert recover_counts(sparse.csr_matrix(values)).scale == "ln(1 + x)"
    values[11, 5] = np.log1p(0.7 * 1.4142)
    found = recover_counts(sparse.csr_matrix(values))
    assert found.counts is None
    assert "whole multiples" in found.reason


def test_continuous_values_are_refused():
    values = np.random.default_rng(0).lognormal(1, 1, size=(50, 40))
    for given_values in (values, np.log1p(values)):
        assert recover_counts(sparse.csr_matrix(given_values)).counts is None


def test_a_single_value_per_cell_proves_nothing():
    found = recover_counts(sparse.csr_matrix(np.diag([0.3, 0.7, 1.1])))
    assert found.counts is None
    assert "no cell has two different values" in found.reason


def test_a_cell_without_counts_and_an_empty_matrix_are_fine():
    values = np.log1p(np.array([[0, 0, 0], [1, 2, 5], [0, 0, 0]]) * 0.4)
    assert recover_counts(sparse.csr_matrix(values)).counts.toarray().tolist() == [[0, 0, 0], [1, 2, 5], [0, 0, 0]]
    assert recover_counts(sparse.csr_matrix((3, 4))).counts.nnz == 0


def test_a_scale_that_must_hold_is_not_replaced_by_another():
    values = sparse.csr_matrix(np.log2(1 + counts_of(4) * 0.9))
    assert recover_counts(values, scale="log2(1 + x)").counts is not None
    assert recover_counts(values, scale="ln(1 + x)").counts is None


def test_values_too_large_for_logs_are_not_exponentiated():
    values = sparse.csr_matrix([[LOG_MAX * 20, 0.5, 3.3], [1.7, 2.9, 1e4]])
    with np.errstate(over="raise"):
        assert recover_counts(values).counts is None


def test_the_input_is_left_alone():
    values = sparse.csr_matrix(np.log1p(counts_of(5) * 0.4))
    before = values.data.copy()
    recover_counts(values)
    assert (values.data == before).all()


def test_the_smallest_count_of_a_cell_may_be_two_or_three():
    counts = np.array([[1, 2, 7, 0], [2, 3, 0, 4], [0, 3, 5, 7], [6, 0, 2, 4]])
    found = recover_counts(sparse.csr_matrix(np.log1p(counts * 0.37)))
    assert found.counts.toarray().tolist() == [[1, 2, 7, 0], [2, 3, 0, 4], [0, 3, 5, 7], [3, 0, 1, 2]]
