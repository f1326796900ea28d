"""Intervals and the weight of donors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from cartarget.evidence.intervals import (
    donor_correlation,
    fraction_interval,
    observation_weights,
    posterior_quantile,
)
from cartarget.evidence.packed import pack

fractions = st.floats(0, 1)
numbers = st.floats(0.5, 1e4)


@given(fractions, numbers)
def test_the_posterior_is_scipys_beta(p, n):
    assert posterior_quantile(p, n, q=0.95) == pytest.approx(beta(0.5 + n * p, 0.5 + n * (1 - p)).ppf(0.95), rel=1e-6)


@given(fractions, fractions, numbers)
def test_more_positives_never_lower_the_exposure(p, q, n):
    low, high = sorted([p, q])
    assert posterior_quantile(low, n, q=0.5) <= posterior_quantile(high, n, q=0.5) + 1e-12


@given(fractions, numbers)
def test_the_interval_holds_the_fraction_and_lies_in_unit(p, n):
    low, high = fraction_interval(p, n)
    assert 0 <= low <= high <= 1
    assert high > 0
    assert low < 1


def test_nothing_observed_is_everything_possible():
    assert [float(end) for end in fraction_interval(0.0, 0.0)] == [0.0, 1.0]


def test_coverage_over_donors_by_simulation():
    """On average over fractions 0.02–0.98, 95 % intervals hold the truth 93–97 % of the time at 25 donors."""
    rng = np.random.default_rng(1)
    truth = np.repeat(np.linspace(0.02, 0.98, 49), 400)
    seen = rng.binomial(25, truth) / 25
    low, high = fraction_interval(seen, 25)
    assert 0.93 <= ((low <= truth) & (truth <= high)).mean() <= 0.97


def test_correlation_recovers_what_was_simulated():
    rng = np.random.default_rng(2)
    rho, donors, cells, genes = 0.2, 40, 50, 400
    mean = rng.uniform(0.2, 0.8, genes)[:, None]
    a = mean * (1 - rho) / rho
    p = rng.beta(a, (1 - mean) * (1 - rho) / rho, (genes, donors))
    found = donor_correlation(rng.binomial(cells, p), [cells] * donors)
    assert found == pytest.approx(rho, abs=0.02)


@pytest.mark.parametrize(("positive", "totals"), [([[1]], [3]), ([[1, 0]], [1, 1]), ([[0, 0]], [5, 5])])
def test_correlation_is_unknown_where_nothing_can_tell(positive, totals):
    assert np.isnan(donor_correlation(positive, totals))


def test_weights_give_each_population_a_mean_and_no_more_evidence_than_cells():
    rng = np.random.default_rng(3)
    donor = rng.choice(list("abcdefgh"), 400, p=[0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05])
    rate = dict(zip("abcdefgh", rng.random(8), strict=True))
    positive = rng.random((400, 30)) < np.array([rate[d] for d in donor])[:, None]
    packed = pack(
        positive, symbols=[f"g{i}" for i in range(30)], population=["lung"] * 400, donor=donor, side=["normal"] * 400
    )
    weight, effective = observation_weights(packed)
    sizes = packed.segments["n_observations"].to_numpy()
    assert (weight * sizes).sum() == pytest.approx(1)
    assert 8 <= effective[0] + 1e-9 <= 400
    assert effective[0] < 60, "strongly correlated donors count for few"
    assert weight[sizes.argmax()] < 1 / 400, "a donor with many cells does not outvote the others"
