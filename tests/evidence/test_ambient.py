"""Leaking transcripts and doublets, planted and found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.errors import InputError
from cartarget.evidence.ambient import (
    ambient_notes,
    ambient_scores,
    call_doublets,
    doublet_fractions,
    is_doublet,
    otsu,
    without_doublets,
)
from cartarget.logic.batch import Gates
from tests.panels import observations

CELLS = 40


def liver(seed: int, *, leak: float) -> object:
    """Four cell types: LEAKY is the hepatocyte's and seeps into all; CLEAN is his alone; BROAD is in all."""
    rng = np.random.default_rng(seed)
    types = ["hepatocyte", "Kupffer cell", "endothelial cell", "cholangiocyte"]
    normal = {"breast": {f"d{i}": np.zeros((CELLS * len(types), 3)) for i in range(5)}}
    adata = observations("cells", {"p": np.zeros((40, 3))}, normal, symbols=["LEAKY", "CLEAN", "BROAD"])
    obs = adata.obs
    here = np.flatnonzero(obs["side"] == "normal")
    kind = np.tile(np.repeat(types, CELLS), 5)
    obs["tissue"], obs["cell_type"] = "liver", ""
    obs["population"] = obs["population"].astype(str)
    obs.iloc[here, obs.columns.get_loc("cell_type")] = kind
    obs.iloc[here, obs.columns.get_loc("population")] = [f"liver: {name}" for name in kind]
    own = (kind == "hepatocyte")[:, None]
    rate = np.where(own, [0.95, 0.9, 0.8], [leak, 0.001, 0.6])
    adata.X[here] = rng.random(rate.shape) < rate
    return adata


def test_a_transcript_that_leaks_into_all_others_is_flagged_and_named():
    scores = ambient_scores(liver(0, leak=0.1)).set_index("symbol")
    assert scores.loc["LEAKY", "is_ambient"]
    assert scores.loc["LEAKY", "top_population"] == "liver: hepatocyte"
    assert scores.loc["LEAKY", "ambient_score"] == pytest.approx(0.1 / 0.95, abs=0.04)
    assert not scores.loc["CLEAN", "is_ambient"]
    assert "BROAD" not in scores.index, "what all express leaks nowhere"
    notes = ambient_notes(scores.reset_index())
    assert list(notes.index) == ["LEAKY"]
    assert "leaks from liver: hepatocyte" in notes["LEAKY"]


def test_nothing_leaks_where_nothing_leaks():
    scores = ambient_scores(liver(1, leak=0.001))
    assert not scores["is_ambient"].any()
    assert ambient_notes(scores).empty


def test_an_atlas_without_a_tissue_of_several_types_has_no_scores():
    adata = observations("cells", {"p": np.ones((40, 1))}, {"lung": {"d": np.ones((40, 1))}}, symbols=["A"])
    scores = ambient_scores(adata)
    assert scores.empty
    assert {"symbol", "tissue", "ambient_score", "is_ambient"} <= set(scores)


def test_bulk_holds_no_cells():
    with pytest.raises(InputError, match="holds no cells"):
        ambient_scores(observations("samples", {"p": np.ones((1, 1))}, {}, symbols=["A"]))


def doublets() -> object:
    """Tumour cells have A or B; the two that have both are doublets."""
    values = np.array([[1, 0]] * 4 + [[0, 1]] * 4 + [[1, 1]] * 2)
    adata = observations("cells", {"p": values}, {"lung": {"d": np.array([[1, 1]])}}, symbols=["A", "B"])
    adata.obs["is_doublet"] = [False] * 8 + [True] * 3
    return adata


def test_doublets_fake_an_and():
    names = ["A & B", "A | B", "A & ~B"]
    gates = Gates.parse(names, panel=SimpleNamespace(index={"A": 0, "B": 1}))
    frame = doublet_fractions(doublets(), symbols=["A", "B"], names=names, gates=gates)
    tumor = frame[frame["population"] == "p"].set_index("gate")
    assert tumor["fraction"].tolist() == pytest.approx([0.2, 1.0, 0.4])
    assert tumor["fraction_without_doublets"].tolist() == pytest.approx([0.0, 1.0, 0.5])
    assert tumor["n_doublets"].tolist() == [2, 2, 2]
    lung = frame[frame["population"] == "lung"]
    assert lung["fraction_without_doublets"].isna().all(), "no single cell is left"


def test_a_gate_of_a_gene_that_the_atlas_lacks_has_no_row():
    names = ["A & ABSENT", "A"]
    gates = Gates.parse(names, panel=SimpleNamespace(index={"A": 0, "ABSENT": 1}))
    frame = doublet_fractions(doublets(), symbols=["A", "ABSENT"], names=names, gates=gates)
    assert set(frame["gate"]) == {"A"}


def test_calls_are_read_and_their_absence_is_told():
    adata = doublets()
    assert without_doublets(adata).n_obs == 8
    adata.obs["is_doublet"] = ["False"] * 8 + ["yes"] * 3
    assert is_doublet(adata).sum() == 3
    adata.obs["is_doublet"] = ["maybe"] * 11
    with pytest.raises(InputError, match="maybe"):
        is_doublet(adata)
    adata.obs["is_doublet"] = pd.array([None] + [True] * 10, dtype="boolean")
    with pytest.raises(InputError, match="missing for cell"):
        is_doublet(adata)
    with pytest.raises(InputError, match="call_doublets"):
        is_doublet(observations("cells", {"p": np.ones((1, 1))}, {}, symbols=["A"]))


def test_planted_doublets_are_called_and_the_calls_are_seeded():
    rng = np.random.default_rng(0)
    means = np.where(np.arange(200) < 100, [[4.0], [0.05]], [[0.05], [4.0]])
    singles = rng.poisson(np.repeat(means, 150, axis=0))
    pairs = rng.poisson(means.sum(axis=0), (15, 200))
    adata = observations(
        "cells", {"p": np.vstack([singles, pairs]), "q": singles[:20]}, {}, symbols=[f"G{i}" for i in range(200)]
    )
    called = call_doublets(adata, seed=1)
    truth = np.r_[np.zeros(300, dtype=bool), np.ones(15, dtype=bool)]
    found = called.obs["is_doublet"].to_numpy()[:315]
    assert found[truth].mean() >= 0.6
    assert found[~truth].mean() <= 0.05
    assert called.obs["doublet_score"].isna().sum() == 20
    assert "fewer than 50 cells: q" in called.uns["cartarget"]["notes"][-1]
    again = call_doublets(adata, seed=1)
    assert (again.obs["is_doublet"] == called.obs["is_doublet"]).all()
    assert "is_doublet" not in adata.obs, "the input stays as it is"


def test_log_values_cannot_be_called():
    adata = doublets()
    adata.uns["cartarget"]["unit"] = "log1p"
    with pytest.raises(InputError, match="only be called from counts"):
        call_doublets(adata, seed=0)


def test_otsu_parts_two_heaps():
    rng = np.random.default_rng(2)
    values = np.r_[rng.normal(0.1, 0.02, 300), rng.normal(0.6, 0.05, 100)]
    assert 0.15 <= otsu(values) <= 0.5


def test_the_simulated_atlas_leaks_as_planted():
    """One cell's RNA in a hundred is ambient: the liver's top transcripts show in few of the others."""
    tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    atlas = cartarget.simulate_atlas(n_patients=1, n_donors=4, n_background=0)
    scores = ambient_scores(cartarget.harmonise(atlas, tiers=tiers, origin=["colon"]))
    clean = scores.set_index(["symbol", "tissue"]).loc[("ASGR1", "liver")]
    assert clean["ambient_score"] < 0.2
