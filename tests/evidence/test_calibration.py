"""Calibration of the intervals: 95 % intervals hold the truth as often as they say, donors overdispersed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.evidence.intervals import effective_rows, fraction_interval, observation_weights
from cartarget.evidence.packed import Packed, pack_bits

MIXED = (0.02, 0.1, 0.3, 0.6)
"""Correlations of antigens that differ in how much donors differ in them."""


def population(rng: np.random.Generator, *, donors: int, antigens: int, rho: float | tuple[float, ...] | np.ndarray):
    """True fractions over 0.02–0.98, and beta-binomial counts of donors with unequal numbers of cells."""
    truth = rng.uniform(0.02, 0.98, antigens)
    rho = np.broadcast_to(rng.choice(rho, antigens) if isinstance(rho, tuple) else rho, antigens)[:, None]
    cells = np.maximum(rng.lognormal(np.log(30), 0.8, donors), 2).astype(int)
    size = (1 - rho) / rho
    rate = rng.beta(truth[:, None] * size, (1 - truth[:, None]) * size, (antigens, donors))
    count = rng.binomial(cells, rate)
    blocks = [pack_bits(np.arange(m)[None, :] < count[:, [d]]) for d, m in enumerate(cells)]
    stop = np.cumsum([block.shape[1] for block in blocks])
    packed = Packed(
        symbols=tuple(f"G{i}" for i in range(antigens)),
        words=np.hstack(blocks),
        segments=pd.DataFrame(
            {
                "population": 0,
                "n_observations": cells,
                "n_donors": 1,
                "start": stop - [block.shape[1] for block in blocks],
                "stop": stop,
            }
        ),
        populations=pd.DataFrame(
            {"population": ["x"], "side": ["normal"], "n_observations": [cells.sum()], "n_donors": [donors]}
        ),
        is_measured=np.ones((antigens, 1), dtype=bool),
    )
    return truth, count, packed


def coverage(seed: int, *, donors: int, antigens: int, rho: float | tuple[float, ...], repeats: int) -> float:
    """How often the reported interval holds the truth."""
    rng = np.random.default_rng(seed)
    held = []
    for _ in range(repeats):
        truth, count, packed = population(rng, donors=donors, antigens=antigens, rho=rho)
        weight, n_effective = observation_weights(packed)
        rows = effective_rows(count, segments=packed.segments, weight=weight, n_effective=n_effective)
        low, high = fraction_interval(count @ weight, rows[:, 0])
        held.append((low <= truth) & (truth <= high))
    return float(np.mean(held))


@pytest.mark.parametrize("rho", [0.01, 0.1, 0.3, 0.6, MIXED], ids=str)
@pytest.mark.parametrize("donors", [20, 30, 60])
def test_from_twenty_donors_the_interval_is_calibrated(donors, rho):
    assert 0.93 <= coverage(7, donors=donors, antigens=150, rho=rho, repeats=20) <= 0.97


@pytest.mark.parametrize("rho", [0.01, 0.1, 0.3, 0.6, MIXED], ids=str)
@pytest.mark.parametrize("donors", [1, 2, 3, 5, 10])
def test_with_fewer_donors_it_holds_at_least_what_it_promises(donors, rho):
    assert coverage(7, donors=donors, antigens=150, rho=rho, repeats=20) >= 0.93


@pytest.mark.parametrize("donors", [3, 10, 30])
def test_antigens_whose_donors_differ_more_than_others_are_held_too(donors):
    """One correlation for all antigens alone holds such an antigen only about three times in four."""
    rng = np.random.default_rng(5)
    rho = np.repeat([0.05, 0.6], [120, 30])
    own, pooled = [], []
    for _ in range(40):
        truth, count, packed = population(rng, donors=donors, antigens=150, rho=rho)
        weight, n_effective = observation_weights(packed)
        rows = effective_rows(count, segments=packed.segments, weight=weight, n_effective=n_effective)
        for store, n in ((own, rows[:, 0]), (pooled, n_effective)):
            low, high = fraction_interval(count @ weight, n)
            store.append(((low <= truth) & (truth <= high))[rho > 0.5])
    assert np.mean(own) >= 0.86
    assert np.mean(own) > np.mean(pooled) + 0.1


def test_a_panel_of_one_antigen_and_few_donors_still_promises_enough():
    assert coverage(3, donors=3, antigens=1, rho=MIXED, repeats=600) >= 0.93
