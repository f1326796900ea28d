"""Data that fool a naive reading do not make a harmful gate read as within caps; sizes as in benchmarks/fooled.py."""

from __future__ import annotations

import numpy as np
import pytest

from cartarget.evidence.panel import build_panel
from cartarget.safety.beside import nuclei_alone
from tests.fooling import fooling

N = 3
"""Atlases a trap; `benchmarks/fooled.py` makes 1,000."""


@pytest.mark.parametrize("name", list(fooling.CASES))
def test_a_trap_fools_the_naive_reading_and_not_the_class(name: str) -> None:
    cases = [fooling.CASES[name](rng) for rng in fooling.streams(11, N)]
    assert any(case.naive_scores()["liability"] <= 0.05 for case in cases), "else it is no trap"
    assert all(case.scores()["safety_class"] in ("unknown", "over cap") for case in cases)


@pytest.mark.parametrize("name", list(fooling.OPEN))
def test_what_fools_us_still_is_told(name: str) -> None:
    """Fails as soon as a rule sees it: then move it to `CASES`, and change `docs/method.md`."""
    found = [fooling.OPEN[name](rng).scores()["safety_class"] for rng in fooling.streams(11, N)]
    assert found == ["within caps"] * N


def test_places_of_which_nuclei_alone_tell_are_named() -> None:
    (rng,) = fooling.streams(1, 1)
    asked = {"symbols": fooling.GENES, "required": ["heart", "heart: cardiomyocyte", "lung"], "origin": ["colon"]}
    alone = build_panel(fooling.nuclei_alone(rng).atlases, **asked)
    assert nuclei_alone(alone) == ("heart", "heart: cardiomyocyte"), "nothing tells of the lung"
    assert nuclei_alone(build_panel(fooling.nuclei_beside_cells(rng).atlases, **asked)) == ()


def test_one_person_in_thirty_is_named() -> None:
    (rng,) = fooling.streams(2, 1)
    row = fooling.rare_person(rng).scores()
    assert (row["safety_class"], row["people_over_cap"], row["people_n"]) == ("within caps", 1, 30)
    assert row["people_population"] == "heart: cardiomyocyte" and row["people_share_upper"] > 0.1


def test_tumour_cells_labelled_normal_make_no_gate_look_safer() -> None:
    """One in twenty: at worst a target is lost."""
    rows = [fooling.mislabelled_tumor(rng).scores() for rng in fooling.streams(3, N)]
    assert all(row["safety_class"] == "over cap" for row in rows)


def test_normal_cells_labelled_malignant_make_no_target() -> None:
    rows = [fooling.mislabelled_normal(rng).scores() for rng in fooling.streams(4, N)]
    assert all(not row["is_eligible"] and row["coverage"] < 0.15 for row in rows)


@pytest.mark.parametrize(("has_liver", "place"), [(True, "liver"), (False, "pancreas")])
def test_liver_in_samples_of_the_pancreas(has_liver: bool, place: str) -> None:
    """The source is named if it was measured; if it was not, the contaminated tissue is blamed, never cleared."""
    (rng,) = fooling.streams(5, 1)
    row = fooling.score([fooling.liver_in_pancreas(rng, has_liver=has_liver)], "A", ("pancreas", "liver"))
    assert (row["safety_class"], row["liability_population"]) == ("over cap", place)


@pytest.mark.parametrize("places", [1, 30])
def test_the_highest_bound_holds_the_worst_place(places: int) -> None:
    """Whichever place is worst, its own bound holds in 95 %, and the highest bound is not below it."""
    table = fooling.worst_of(places, seed=places, antigens=200)
    assert (table["bound"] >= table["truth"]).mean() >= 0.95
    assert places == 1 or table["all_hold"].mean() < 0.9, "the bounds of many places do not hold all at once"


@pytest.mark.parametrize(("donors", "share"), [(30, 0.1), (100, 0.1)])
def test_the_share_of_people_over_the_cap_is_held(donors: int, share: float) -> None:
    table = fooling.shares_over(share, donors=donors, own=0.3, seed=donors)
    assert ((table["people_share_lower"] <= share) & (share <= table["people_share_upper"])).mean() >= 0.9


def test_people_at_the_cap_are_seldom_called_over() -> None:
    table = fooling.shares_over(1.0, donors=60, own=0.05, seed=1)
    assert 0.01 < (table["people_over_cap"] / table["people_n"]).mean() < 0.06


def test_the_interval_of_a_rank_holds_the_true_rank() -> None:
    found = [fooling.ranks_held(30, seed=seed, antigens=6, n=40) for seed in range(3)]
    assert np.mean([held for held, _ in found]) >= 0.88 and np.mean([width for _, width in found]) < 5


def test_makers_repeat() -> None:
    first, second = (fooling.shallow(fooling.streams(1, 1)[0]).scores() for _ in range(2))
    assert first["liability"] == second["liability"]
    assert np.isfinite(first["liability"])
