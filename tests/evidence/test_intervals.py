"""Intervals and the weight of donors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from cartarget.errors import InputError
from cartarget.evidence.intervals import (
    DEFAULT_CORRELATION,
    bootstrap_interval,
    donor_correlation,
    effective_rows,
    fraction_interval,
    observation_weights,
    posterior_quantile,
)
from cartarget.evidence.packed import count_positive, pack

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


@pytest.mark.parametrize("cells", [[3, 7, 11], [30, 41, 1000, 17, 5, 5, 83], range(1, 200)])
def test_an_interval_ends_at_1_where_every_patient_is_hit(cells):
    """Weights that sum to 1 but for rounding give a mean that is 1 but for rounding."""
    weight = np.array([m / (1 + 0.3 * (m - 1)) for m in cells])
    weight /= weight.sum()
    for mean in (np.ones(len(weight)) @ weight, 1 - 2**-52, 1 + 2**-51):
        low, high = fraction_interval(mean, len(weight))
        assert high == 1 and 0 < low < 1
    for mean in (2**-60, -(2**-60)):
        low, high = fraction_interval(mean, len(weight))
        assert low == 0 and 0 < high < 1


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


def cells(positive, donor, *, population="lung"):
    positive = np.atleast_2d(np.asarray(positive)).reshape(len(donor), -1)
    return pack(
        positive,
        symbols=[f"g{i}" for i in range(positive.shape[1])],
        population=[population] * len(donor),
        donor=donor,
        side=["normal"] * len(donor),
    )


def rows_of(packed):
    weight, n_effective = observation_weights(packed)
    rows = effective_rows(count_positive(packed), segments=packed.segments, weight=weight, n_effective=n_effective)
    return rows[:, 0], n_effective[0], count_positive(packed) @ weight


def test_one_donor_says_little_however_many_cells_he_gave():
    rows, n_effective, fraction = rows_of(cells([[1]] * 10 + [[0]] * 490, ["d"] * 500))
    assert fraction[0] == pytest.approx(0.02)
    assert rows[0] <= n_effective <= 1 / DEFAULT_CORRELATION
    assert fraction_interval(fraction, rows)[1][0] > 0.5


def test_of_a_patient_his_own_cells_are_asked():
    donor = cells([[1]] * 30 + [[0]] * 10, ["p"] * 40)
    patient = replace(donor, populations=donor.populations.assign(side="tumor"))
    rows, n_effective, fraction = rows_of(patient)
    assert rows[0] == n_effective == 40
    assert fraction[0] == pytest.approx(0.75)


def test_antigens_positive_in_all_cells_or_none_have_wide_open_ends_on_one_side():
    donor = list("aabbccdd")
    rows, _, fraction = rows_of(cells([[0, 1, i % 2] for i in range(8)], donor))
    low, high = fraction_interval(fraction, rows)
    assert low[0] == 0
    assert 0 < high[0] < 1, "no positive donor is not zero"
    assert high[1] == 1
    assert 0 < low[1] < 1


def test_one_observation_per_donor_is_plain_binomial():
    rows, n_effective, fraction = rows_of(cells([[i % 2] for i in range(9)], [f"d{i}" for i in range(9)]))
    assert rows[0] == n_effective == 9
    assert fraction[0] == pytest.approx(4 / 9)


def test_donors_that_differ_say_less_than_donors_that_agree():
    agree = [1, 0] * 40
    differ = [1] * 40 + [0] * 40
    rows, _, _ = rows_of(cells(np.array([agree, differ]).T, [f"d{i // 10}" for i in range(80)]))
    assert rows[1] < rows[0] / 2


@given(st.integers(0, 2**32 - 1))
def test_no_row_has_more_evidence_than_observations(seed):
    rng = np.random.default_rng(seed)
    donor = rng.choice(list("abcde"), int(rng.integers(1, 60)))
    rows, _, fraction = rows_of(cells(rng.random((len(donor), 3)) < rng.random(3), donor))
    assert ((rows > 0) & (rows <= len(donor) + 1e-9)).all()
    assert ((fraction >= -1e-12) & (fraction <= 1 + 1e-12)).all()


def test_a_population_without_cells_may_be_anything():
    packed = cells([[1], [0], [1]], list("aab"))
    empty = packed.populations.assign(population="spleen", n_observations=0, n_donors=0)
    both = replace(
        packed,
        populations=pd.concat([packed.populations, empty], ignore_index=True),
        is_measured=np.ones((1, 2), dtype=bool),
    )
    weight, n_effective = observation_weights(both)
    rows = effective_rows(count_positive(both), segments=both.segments, weight=weight, n_effective=n_effective)
    assert rows[0, 1] == n_effective[1] == 0
    assert [float(end[0, 1]) for end in fraction_interval([[0.5, 0.0]], rows)] == [0.0, 1.0]


def test_populations_are_kept_apart():
    rng = np.random.default_rng(4)
    donor = np.repeat(list("abcdef"), 10)
    first, second = rng.random((60, 4)) < 0.5, rng.random((60, 4)) < 0.1
    names = [f"g{i}" for i in range(4)]
    both = pack(
        np.vstack([first, second]),
        symbols=names,
        population=["heart"] * 60 + ["lung"] * 60,
        donor=[*donor, *donor],
        side=["normal"] * 120,
    )
    weight, n_effective = observation_weights(both)
    count = count_positive(both)
    rows = effective_rows(count, segments=both.segments, weight=weight, n_effective=n_effective)
    for index, here in enumerate(both.segments["population"].eq(i).to_numpy() for i in range(2)):
        part = both.segments[here].assign(population=0)
        alone = effective_rows(count[:, here], segments=part, weight=weight[here], n_effective=n_effective[[index]])
        assert rows[:, index] == pytest.approx(alone[:, 0])


def test_a_bootstrap_is_seeded_and_near_the_model():
    rng = np.random.default_rng(6)
    donors = rng.beta(2, 3, 40)
    low, high = bootstrap_interval(donors, seed=1)
    assert (low, high) == bootstrap_interval(donors, seed=1) != bootstrap_interval(donors, seed=2)
    assert low < donors.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * donors.std() / 40**0.5, rel=0.15)


@pytest.mark.parametrize(
    ("donors", "message"),
    [([0.1] * 19, "at least 20"), ([0.0] * 25, "no width"), ([1.0] * 25, "no width"), ([np.nan] * 25, "outside")],
)
def test_a_bootstrap_is_refused_where_it_would_flatter(donors, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(donors, seed=0)
