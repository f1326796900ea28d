"""Near the cap, antigen by antigen: the upper bound holds the truth where the donors of one antigen differ most."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.evidence.intervals import donor_ratio, effective_rows
from cartarget.evidence.spread import wide_spread
from tests.fooling import fooling

Population, covered = fooling.Population, fooling.covered

ODD = [0.3, 0.6, 0.99]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("donors", "truth"), [(3, 0.1), (5, 0.2), (10, 0.05), (10, 0.1), (20, 0.05), (20, 0.1)])
def test_the_bound_of_an_antigen_whose_donors_differ_holds_near_the_cap(donors: int, truth: float, odd: float) -> None:
    """One antigen in five has a correlation of 0.3 to 0.99 among antigens of 0.05."""
    found = covered(Population(donors, truth, odd), seed=3)
    assert found["bound, odd"] >= 0.92 and found["interval, odd"] >= 0.92
    assert found["bound, other"] >= 0.94


@pytest.mark.parametrize("donors", [10, 20, 60])
def test_where_antigens_are_alike_the_bound_is_no_wider_than_it_must_be(donors: int) -> None:
    found = covered(Population(donors, 0.1, 0.05), seed=4)
    assert 0.93 <= found["bound, other"] <= 0.97


def test_one_spread_for_all_antigens_holds_too_seldom() -> None:
    """What the estimate of the spread between antigens is for."""
    asked = Population(10, 0.1, 0.99)
    assert covered(asked, seed=3, is_spread=False)["bound, odd"] < 0.9 <= covered(asked, seed=3)["bound, odd"]


def test_spread_by_hand() -> None:
    """Two antigens in six donors of ten cells: one the same in each, one all or nothing."""
    rng = np.random.default_rng(0)
    _, _, _, packed = Population(6, 0.5, 0.05, cells=10, antigens=2).draw(rng)
    counts = np.array([[5] * 6, [10, 0] * 3])
    weight, n = np.full(6, 1 / 60), np.array([12.0])
    ratio, freedom, product = donor_ratio(counts, segments=packed.segments, weight=weight, n_effective=n)
    assert ratio[:, 0].tolist() == pytest.approx([0, 2.4]), "V = 6 (1/36) (1/4) / (5/6) = 0.05; r = 0.05 × 12 / 0.25"
    assert freedom[:, 0].tolist() == pytest.approx([5, 5]) and product[:, 0].tolist() == pytest.approx([3, 3])
    drawn = (5 * ratio[1, 0] + 4) / 9
    fewer = 2 * 3 / drawn
    assert fewer < 5, "an antigen whose donors differ more than others says less of itself"
    rows = effective_rows(counts, segments=packed.segments, weight=weight, n_effective=n)
    assert rows[1, 0] < rows[0, 0]
    wide = effective_rows(counts, segments=packed.segments, weight=weight, n_effective=n, spread=[3.0])
    assert (wide < rows).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_spread_is_one_where_antigens_are_alike(seed: int) -> None:
    _, _, count, packed = Population(30, 0.3, 0.05).draw(np.random.default_rng(seed))
    weight = np.full(30, 1 / 600)
    assert 1 <= wide_spread(packed, weight=weight, n_effective=[300.0])[0] < 1.4
    assert count.shape == (150, 30)
