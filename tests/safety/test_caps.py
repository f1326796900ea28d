"""Caps proposed from outcomes, and other methods' scores: by hand, by plain numpy, and where nothing can be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartarget.safety.caps import KINDS, propose_caps, strata
from cartarget.safety.outcomes import read_outcomes
from cartarget.safety.rivals import rival_scores
from cartarget.safety.sourced import MODALITIES
from cartarget.safety.tiers import read_tiers
from tests.panels import random_panel


def outcomes(harmed: list[bool], modality: str = "CAR T") -> pd.DataFrame:
    antigens = [f"G{i}" for i in range(len(harmed))]
    words = np.where(harmed, "harmed", "tolerated")
    return pd.DataFrame({"antigen": antigens, "outcome": words, "modality": modality})


def test_every_modality_belongs_to_one_kind() -> None:
    assert sorted(name for names in KINDS.values() for name in names) == sorted(MODALITIES)


def test_the_sets_of_rows_of_the_shipped_outcomes() -> None:
    rows = read_outcomes(tiers=read_tiers("config/tissue_tiers.tsv"))
    masks = strata(rows)
    assert masks["all rows"].all()
    grave = masks["severe or fatal harm put down to the antigen"]
    assert (grave <= masks["harm put down to the antigen"]).all() and 0 < grave.sum() < len(rows)
    assert sum(masks[kind].sum() for kind in KINDS) == len(rows)


def test_exposure_that_parts_harmed_from_spared_gives_a_cap_between_them() -> None:
    """Harmed at 0.3 and more, spared at 0.1 and less: the middle, 0.2, whichever antigen is left out."""
    exposure = pd.Series([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.1, 0.05, 0.02, 0.0, 0.0, 0.01])
    found = propose_caps(exposure, outcomes([True] * 6 + [False] * 6)).set_index("kind")
    row = found.loc["T cells and engagers"]
    assert row["cap"] == pytest.approx(0.2) and row["held_out"] == pytest.approx(1.0) and row["is_supported"]
    assert row["cap_lower"] <= 0.2 <= row["cap_upper"]
    others = found.drop("T cells and engagers")
    assert others["cap"].isna().all() and not others["is_supported"].any()


def test_noise_supports_no_cap_more_often_than_chance() -> None:
    rng = np.random.default_rng(0)
    supported = [
        bool(propose_caps(pd.Series(rng.random(30)), outcomes(list(rng.random(30) < 0.5)), n_resamples=60).iloc[0, -1])
        for _ in range(30)
    ]
    assert np.mean(supported) <= 0.1


def test_what_was_not_measured_is_counted_and_not_low() -> None:
    harmed = [True] * 6 + [False] * 6
    exposure = pd.Series([np.nan] + [0.5] * 5 + [0.0] * 5 + [np.nan])
    row = propose_caps(exposure, outcomes(harmed), n_resamples=20).iloc[0]
    assert (row["n_harmed"], row["n_spared"], row["n_missing"]) == (5, 5, 2)
    few = propose_caps(exposure.where(exposure.index > 1), outcomes(harmed), n_resamples=20).iloc[0]
    assert np.isnan(few["cap"]) and not few["is_supported"], "four harmed rows are too few"


@pytest.mark.parametrize("kind", ["samples", "cells"])
def test_other_scores_are_plain_means_and_welchs_t(kind: str) -> None:
    panel = random_panel(2, kind=kind, holes=False)
    scores = rival_scores(panel)
    table, of = panel.populations, panel.level_population
    tumor, normal = (panel.levels[flags[of]].astype(float) for flags in (panel.is_tumor, panel.is_normal))
    np.testing.assert_allclose(scores["pooled"], tumor.mean(0) - normal.mean(0), rtol=1e-6)
    tissues = table["tissue"].to_numpy()[of]
    means = {
        t: panel.levels[(tissues == t) & panel.is_normal[of]].mean(0) for t in table.loc[panel.is_normal, "tissue"]
    }
    np.testing.assert_allclose(scores["highest"], tumor.mean(0) - np.max(list(means.values()), axis=0), rtol=1e-5)
    error = np.sqrt(tumor.var(0, ddof=1) / len(tumor) + normal.var(0, ddof=1) / len(normal))
    told = error > 1e-6
    assert told.any() and scores["welch"].notna().to_numpy().tolist() == told.tolist()
    np.testing.assert_allclose(scores["welch"][told], (tumor.mean(0) - normal.mean(0))[told] / error[told], rtol=1e-5)
    stacked = np.array(list(means.values()), dtype=float)
    for row, tau in enumerate(scores["specific"]):
        own = stacked[:, row]
        plain = np.sum(1 - own / own.max()) / (len(own) - 1) if own.max() > 0 else np.nan
        assert tau == pytest.approx(plain, nan_ok=True)
    if "colon" in means:
        np.testing.assert_allclose(scores["matched"], tumor.mean(0) - means["colon"], rtol=1e-5)
    else:
        assert scores["matched"].isna().all()
