"""A run held against outcomes: what it measured is judged, what it did not is missing, and the command prints it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.run.backtesting import backtest_run, predictions, told
from cartarget.safety.outcomes import read_outcomes
from tests.shared import once
from tests.test_cli import cartarget as command
from tests.workflow.place import workplace


def make(folder: Path, factory: pytest.TempPathFactory) -> None:
    workplace(folder / "here", factory)
    done = command("backtest", "small.yaml", folder=folder / "here")
    assert done.returncode == 0, done.stderr
    (folder / "here" / "told.txt").write_text(done.stdout, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "backtested", lambda path: make(path, tmp_path_factory)) / "here"


def test_the_command_prints_and_writes_the_same_tables(folder: Path) -> None:
    text = (folder / "told.txt").read_text(encoding="utf-8")
    written = (folder / "results/demo/backtest.md").read_text(encoding="utf-8")
    assert written in text and "results/demo/backtest.md" in text
    for title in (
        "Run demo, ",
        "## Outcomes: all rows",
        "## Caps by kind of product",
        "## Clinical targets of the indication",
    ):
        assert title in text
    rows = pd.read_csv(folder / "results/demo/backtest.tsv", sep="\t")
    assert (
        len(rows)
        == (read_outcomes(tiers=cartarget.read_tiers("config/tissue_tiers.tsv"))["outcome"] != "not reported").sum()
    )
    assert rows["exposure, worst place"].isna().any(), "the small atlas does not hold every antigen and organ"


def test_predictions_are_the_exposure_table_read_by_hand(folder: Path) -> None:
    with contextlib.chdir(folder):
        opened = cartarget.open_run("small.yaml")
        outcomes = read_outcomes(tiers=opened.run.tiers)
        rows = outcomes[outcomes["outcome"] != "not reported"]
        found = predictions(opened, rows)
        known = [a for a in ("MSLN", "CEACAM5", "EPCAM") if a in opened.run.panel.index]
        exposure = opened.score(known).exposure
    own = exposure[(exposure["side"] == "normal") & exposure["is_measured"]]
    asked = 0
    for line, row in rows.iterrows():
        here = own[(own["gate"] == row["antigen"]) & (own["tissue"] == row["organ"])]
        if row["antigen"] not in known:
            continue
        if here.empty:
            assert np.isnan(found.at[line, "exposure, worst place"])
            continue
        asked += 1
        assert found.at[line, "exposure, worst place"] == pytest.approx(here["fraction"].max())
        assert found.at[line, "exposure, mean of places"] == pytest.approx(here["fraction"].mean())
        assert found.at[line, "exposure, upper bound"] == pytest.approx(here["fraction_upper"].max())
    assert asked > 3


def test_targets_are_placed_among_candidates(folder: Path) -> None:
    with contextlib.chdir(folder):
        opened = cartarget.open_run("small.yaml")
        opened.run.atlases["simulated"].uns["cartarget"]["is_simulated"] = True
        found = backtest_run(opened, n_resamples=20)
        table = opened.antigens
    ours = found.targets[found.targets["score"] == "rank of this run"]
    for row in ours[ours["symbol"] != "median"].to_dict("records"):
        rank = table.set_index("symbol").loc[row["symbol"], "rank"]
        assert 0 <= row["percentile"] <= 1
        if pd.notna(rank) and rank == 1:
            assert row["percentile"] == 1
    assert set(found.targets["score"]) >= {"rank of this run", "Welch t against all normal pooled"}
    assert "not supported: the cap stays" in told(found)
    assert "Its data are simulated" in told(found) and "no figure here is foresight" in told(found)


def test_a_run_without_any_of_the_antigens_says_missing_everywhere(folder: Path) -> None:
    with contextlib.chdir(folder):
        opened = cartarget.open_run("small.yaml")
        rows = read_outcomes(tiers=opened.run.tiers).head(3).assign(antigen="NOSUCH1")
        found = predictions(opened, rows)
    assert found.isna().all(axis=None) and len(found) == 3
