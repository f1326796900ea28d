"""Calibration of the surface score on made-up labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.calibrate import (
    FEATURES,
    cross_validate,
    features,
    fit_weights,
    performance,
    predict,
    read_labels,
    rounded,
)
from cartarget.surface.gather import gather
from cartarget.surface.grade import WEIGHTS, grade

TRUE = {"base": -1.5} | dict(zip(FEATURES, (2.0, -0.5, 1.0, -1.0, 2.5, 1.0, 1.5, 0.5, -1.0, -2.0), strict=True))


def made_up(count: int, *, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Evidence at random, and labels drawn with the log odds of `TRUE`."""
    rng = np.random.default_rng(seed)
    table = gather([f"G{number}" for number in range(count)])
    for name in ("annotation", "against_annotation", "imaging", "against_imaging", "prediction", "capture"):
        table[name] = rng.choice([0.0, 0.5, 1.0], count)
    table["topology"] = rng.choice(["outside", "open", "lumen", "no anchor", "not found", "unknown"], count)
    z = TRUE["base"] + features(table).to_numpy() @ np.array([TRUE[name] for name in FEATURES])
    return table, rng.random(count) < 1 / (1 + np.exp(-z))


def test_the_weights_that_drew_the_labels_are_found_again() -> None:
    found = fit_weights(*made_up(20_000, seed=0))
    assert {name: found[name] for name in TRUE if abs(found[name] - TRUE[name]) > 0.2} == {}


def error(count: int, *, seed: int) -> float:
    """Mean distance of fitted weights from those that drew the labels."""
    found = fit_weights(*made_up(count, seed=seed))
    return float(np.mean([abs(found[name] - TRUE[name]) for name in TRUE]))


@pytest.mark.parametrize("seed", range(5))
def test_as_many_labels_as_are_kept_find_the_weights_only_roughly(seed: int) -> None:
    few, kept, many = (error(count, seed=seed) for count in (64, 301, 2_000))
    assert few > 0.45 and 0.5 > kept > 0.25 > many


def test_unseen_labels_are_foretold_as_well_as_new_ones() -> None:
    evidence, truth = made_up(2_000, seed=2)
    held = cross_validate(evidence, truth)
    fresh, fresh_truth = made_up(20_000, seed=3)
    new = performance(predict(fresh, fit_weights(evidence, truth)), fresh_truth, fresh.index)
    assert held.precision == pytest.approx(new.precision, abs=0.03)
    assert held.recall == pytest.approx(new.recall, abs=0.03)


def test_labels_by_the_toss_of_a_coin_are_not_foretold() -> None:
    evidence, _ = made_up(100, seed=4)
    unseen, seen = [], []
    for seed in range(40):
        coins = np.random.default_rng(seed).random(100) < 0.5
        wrong = cross_validate(evidence, coins, seed=seed)
        unseen.append(1 - (len(wrong.wrongly_kept) + len(wrong.wrongly_lost)) / 100)
        seen.append(float((predict(evidence, fit_weights(evidence, coins)) == coins).mean()))
    assert np.mean(unseen) == pytest.approx(0.5, abs=0.03)
    assert np.mean(seen) > 0.55, "judged on the labels that it was fitted on, chance looks like skill"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_no_weight_has_the_wrong_sign(seed: int) -> None:
    evidence, _ = made_up(40, seed=seed)
    found = fit_weights(evidence, np.random.default_rng(seed).random(40) < 0.5)
    against = {"against_annotation", "against_imaging", "lumen", "unheld"}
    assert all(found[name] <= 0 if name in against else found[name] >= 0 for name in FEATURES)


def test_a_perfect_source_is_learned_and_a_useless_one_is_not() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(200) < 0.5
    table = pd.DataFrame({"surfy": truth, "cspa": rng.random(200) < 0.5}, index=[f"G{n}" for n in range(200)])
    weights = fit_weights(gather(table.index, votes=table), truth)
    assert weights["prediction"] > 4 and 0 <= weights["capture"] < 0.5
    found = cross_validate(gather(table.index, votes=table), truth)
    assert (found.precision, found.recall, found.wrongly_kept, found.wrongly_lost) == (1.0, 1.0, (), ())


def test_the_score_that_is_calibrated_is_the_score_that_is_given() -> None:
    evidence, _ = made_up(500, seed=5)
    weights = WEIGHTS | {"unheld": WEIGHTS["no anchor"]}
    assert rounded({name: weights[name] for name in ("base", *FEATURES)}) == WEIGHTS
    told = grade(evidence)
    is_known = told["surface_status"].ne("unknown")
    assert (told["is_candidate"] == predict(evidence, weights))[is_known].all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol\tis_surface\nA\tyes\n", "column 'source' is missing"),
        ("symbol\tis_surface\tsource\tsource_title\nA\tmaybe\tx\ty\n", "line 2: 'A' is 'maybe'"),
        ("symbol\tis_surface\tsource\tsource_title\nA\tyes\tx\ty\nA\tno\tx\ty\n", "line 3: 'A' is 'no'"),
        ("symbol\tis_surface\tsource\tsource_title\nA\tyes\t\ty\n", "line 2: source is empty"),
        ("", "cannot be read"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "labels.tsv"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_labels(file)
    assert message in str(error.value)
