"""Antigens at thresholds of their own: counted as atlases are counted at that threshold, and never too little."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.evidence.affinity import at_level, limits_at, with_own_thresholds
from cartarget.evidence.derived import with_derived
from cartarget.evidence.packed import unpack_bits
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import Part, count_atlas
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.safety.judge import judge
from cartarget.selection.screen import score_gates
from tests import evidence_makers as makers
from tests.panels import ORIGIN, REQUIRED, TISSUES, observations, protein, summary

SYMBOLS = ["A", "B", "C"]
DERIVED = {"AND": "A & B", "OR": "A | B"}


def bulk(seed: int, *, holes: bool = False, most: int = 1) -> anndata.AnnData:
    """Samples of tumours and normal tissue, up to `most` a donor, with whole and broken CPM; one set may lack B."""
    rng = np.random.default_rng(seed)

    def draw() -> np.ndarray:
        shape = (int(rng.integers(1, most + 1)), 3)
        return np.where(rng.random(shape) < 0.5, rng.integers(0, 60, shape), rng.lognormal(3, 2, shape))

    tumor = {f"p{i}": draw() for i in range(20)}
    normal = {place: {f"d{i}": draw() for i in range(22)} for place in ("heart", "lung", "colon")}
    for values in normal["heart"].values():
        values[:, 1] *= not holes
    return observations("samples", tumor, normal, symbols=SYMBOLS, unmeasured={"heart": ["B"]} if holes else None)


def shown(part: Part, threshold: float) -> pd.DataFrame:
    """Positive samples by antigen, with their population."""
    bits = np.flatnonzero(part.donor >= 0)
    return pd.DataFrame(unpack_bits(part.at(threshold), bits).T, columns=list(part.symbols))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.5, 1.0, 7.0, 10.0, 33.0, 200.0, 200.25, 5000.0]))
def test_levels_tell_any_threshold(seed: int, threshold: float) -> None:
    adata = with_derived(bulk(seed, most=3), {name: Gate.parse(text) for name, text in DERIVED.items()})
    asked = [*SYMBOLS, *DERIVED]
    once, again = (count_atlas(adata, symbols=asked, bulk=own) for own in ([10, 20], [threshold]))
    pd.testing.assert_frame_equal(shown(at_level(once, threshold), threshold), shown(again, threshold))


@pytest.mark.parametrize("threshold", [2.0, 50.0, 400.0])
def test_a_derived_antigen_is_never_counted_too_little(threshold: float) -> None:
    adata = with_derived(bulk(4, holes=True), {name: Gate.parse(text) for name, text in DERIVED.items()})
    part = count_atlas(adata, symbols=[*SYMBOLS, *DERIVED], bulk=[10])
    # pretend that what is known at 10 decided of both antigens everywhere
    part = replace(part, is_measured=part.is_measured | np.isin(part.symbols, list(DERIVED))[:, None])
    found = shown(at_level(part, threshold), threshold)
    bits = np.flatnonzero(part.donor >= 0)
    owner = np.repeat(part.segments["population"], 64 * (part.segments["stop"] - part.segments["start"])).to_numpy()
    heart = part.populations["tissue"].to_numpy()[owner[bits]] == "heart"
    assert heart.sum() and found.loc[heart, "OR"].all(), "B may be at any level where it was not measured"
    assert found.loc[heart, "AND"].equals(found.loc[heart, "A"])
    assert found.loc[~heart, "OR"].equals(found.loc[~heart, "A"] | found.loc[~heart, "B"])


def panel_at(adata: anndata.AnnData, threshold: float, seed: int) -> Panel:
    rng = np.random.default_rng(seed)
    tissues = {place: rng.choice([0.0, 8.0, 15.0, 40.0, 300.0], 3).tolist() for place in ("heart", "lung", "skin")}
    stained = {"heart": rng.choice([0.0, 3.0], 3, p=[0.8, 0.2]).tolist()}
    return build_panel(
        at_level(count_atlas(adata, symbols=SYMBOLS, bulk=[10]), threshold), symbols=SYMBOLS, required=REQUIRED,
        origin=ORIGIN, summaries=[summary(tissues, symbols=SYMBOLS)], proteins=[protein(stained, symbols=SYMBOLS)],
        bulk=threshold,
    )  # fmt: skip


SHAPES = ["A", "A | B", "A & B", "A & ~B", "(A | C) & B"]


def own(text: str, threshold: float) -> str:
    for symbol in SYMBOLS:
        text = text.replace(symbol, f"{symbol}>={threshold:g}")
    return text


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([3.0, 12.0, 40.0, 150.0]))
def test_all_at_one_threshold_is_the_run_at_that_threshold(seed: int, threshold: float) -> None:
    adata = bulk(seed, holes=seed % 2 == 0)
    asked = [f"{symbol}>={threshold:g}" for symbol in SYMBOLS]
    stacked = with_own_thresholds(panel_at(adata, 10, seed), antigens=asked, at=lambda t: panel_at(adata, t, seed))
    assert stacked.symbols == (*SYMBOLS, *asked)
    mine = score_gates(stacked, gates=[own(text, threshold) for text in SHAPES])
    theirs = score_gates(panel_at(adata, threshold, seed), gates=SHAPES)
    pd.testing.assert_frame_equal(mine.drop(columns="gate"), theirs.drop(columns="gate"))
    plain = score_gates(stacked, gates=SHAPES)
    pd.testing.assert_frame_equal(plain, score_gates(panel_at(adata, 10, seed), gates=SHAPES))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_higher_threshold_never_hits_more_normal_tissue(seed: int) -> None:
    adata = bulk(seed, holes=seed % 2 == 0)
    steps = (5.0, 10.0, 40.0, 160.0)
    asked = [f"{symbol}>={step:g}" for symbol in SYMBOLS for step in steps]
    panel = with_own_thresholds(panel_at(adata, 10, seed), antigens=asked, at=lambda t: panel_at(adata, t, seed))
    for text in ("A", "{} & B", "{} | C", "{} & ~C"):
        gates = [text.replace("{}", "A").replace("A", f"A>={step:g}") for step in steps]
        judged = judge(panel, Gates.parse(gates, panel=panel))
        assert (np.diff(judged.low[:, panel.is_normal], axis=0) <= 1e-12).all()
        assert (np.diff(judged.safety_class) <= 0).all(), gates


def test_an_antigen_of_the_run_keeps_its_harm_at_any_threshold() -> None:
    adata = bulk(1)
    panel = replace(panel_at(adata, 10, 1), harmed={"A": "bile duct"})
    found = with_own_thresholds(panel, antigens=["A>=80", "B>=80"], at=lambda t: panel_at(adata, t, 1))
    assert found.harmed == {"A": "bile duct", "A>=80": "bile duct"}
    assert found.levels[:, found.index["A>=80"]].tolist() == found.levels[:, found.index["A"]].tolist()


def test_the_example_of_the_method_by_hand() -> None:
    tumor = {f"p{i}": np.array([pair]) for i, pair in enumerate([(900, 60), (450, 30), (260, 8), (90, 70)])}
    normal = {place: {f"d{i}": np.zeros((1, 2)) for i in range(25)} for place in ("heart", "colon")}
    atlas = observations("samples", tumor, normal, symbols=["CEACAM5", "CDH17"])
    part = count_atlas(atlas, symbols=["CEACAM5", "CDH17"], bulk=[5, 10, 20])
    lung = summary({"lung": [150.0, 12.0]}, symbols=["CEACAM5", "CDH17"])

    def at(threshold: float) -> Panel:
        asked = {"symbols": ["CEACAM5", "CDH17"], "required": REQUIRED, "origin": ORIGIN, "summaries": [lung]}
        return build_panel(at_level(part, threshold), bulk=threshold, **asked)

    gate = "CDH17 & CEACAM5>=200"
    found = {}
    for factor in (0.5, 1, 2):
        panel = with_own_thresholds(at(10 * factor), antigens=["CEACAM5>=200"], at=lambda t, by=factor: at(t * by))
        found[factor] = score_gates(panel, gates=[gate, "CEACAM5 & CDH17"]).set_index("gate")
    assert [found[factor].loc[gate, "coverage"] for factor in (0.5, 1, 2)] == [0.75, 0.5, 0.5]
    assert [found[factor].loc[gate, "tissues_unresolved"] for factor in (0.5, 1, 2)] == ["lung", "", ""]
    assert [found[factor].loc[gate, "safety_class"] for factor in (0.5, 1)] == ["unknown", "within caps"]
    assert found[1].loc["CDH17 & CEACAM5", "tissues_unresolved"] == "lung"


def test_what_is_not_there_is_refused() -> None:
    adata = bulk(1)
    panel = panel_at(adata, 10, 1)
    with pytest.raises(InputError, match="antigen 'D' is not in the panel"):
        with_own_thresholds(panel, antigens=["D>=80"], at=lambda t: panel_at(adata, t, 1))
    with pytest.raises(InputError, match="the same antigens and populations"):
        with_own_thresholds(panel, antigens=["A>=80"], at=lambda t: panel_at(adata[5:], t, 1))
    assert with_own_thresholds(panel, antigens=["A"], at=lambda t: panel) is panel


def test_cells_are_told_at_what_they_were_counted() -> None:
    adata = makers.atlas(
        [*makers.tumor(makers.cells([5, 1])), *makers.normal(["heart"], makers.cells([1, 0]))], symbols=["A", "B"]
    )
    part = count_atlas(adata, symbols=["A", "B"], count=[1, 2])
    assert at_level(part, 3) is part
    with pytest.raises(InputError, match="not counted at 3 counts; counted at 1, 2"):
        build_panel(at_level(part, 3), symbols=["A", "B"], required=[], count=3)


def test_in_the_other_unit_an_antigen_counts_from_a_lower_threshold() -> None:
    cells = makers.atlas([*makers.tumor(makers.cells([5.0]))], symbols=["A"])
    part = count_atlas(cells, symbols=["A"], count=[1, 2, 4])
    limits = {"bulk": 10.0, "count": 2}
    assert limits_at(40.0, unit="CPM", limits=limits, parts=[part]) == {"bulk": 40.0, "count": 2}
    assert limits_at(5.0, unit="CPM", limits=limits, parts=[part]) == {"bulk": 5.0, "count": 1}
    assert limits_at(4, unit="counts", limits=limits, parts=[part]) == {"bulk": 10.0, "count": 4}
    with pytest.raises(InputError, match="known in log1p, which has no thresholds"):
        limits_at(4, unit="log1p", limits=limits, parts=[])


def mixed(seed: int) -> tuple[Panel, Panel]:
    """Cells in counts beside samples in CPM, the run at 2 counts: without and with antigens of their own from 1."""
    rng, symbols = np.random.default_rng(seed), [f"G{i}" for i in range(4)]
    rng.random()

    def drawn(kind: str, n: int, rate: float | np.ndarray) -> np.ndarray:
        shows = rng.random((n, 4)) < rate
        return shows * (rng.choice([3, 15, 60, 300], (n, 4)) if kind == "samples" else rng.integers(1, 7, (n, 4)))

    def atlas(kind: str, *, with_tumor: bool) -> anndata.AnnData:
        n = 1 if kind == "samples" else 20
        tumor = {f"p{i}": drawn(kind, n, 0.9) for i in range(8)} if with_tumor else {}
        normal = {
            place: {f"{place}{i}": drawn(kind, n, rng.choice([0, 0, 0.02, 0.5], 4)) for i in range(12)}
            for place in TISSUES
            if rng.random() < 0.8 or place in REQUIRED
        }
        return observations(kind, tumor, normal, symbols=symbols)

    atlases = [("cells", True), ("samples", False)]
    parts = [
        count_atlas(atlas(kind, with_tumor=tumor), symbols=symbols, bulk=[5, 10, 20], count=[1, 2, 4])
        for kind, tumor in atlases
    ]
    levels = {place: rng.choice([0.0, 7.0, 30.0], 4).tolist() for place in TISSUES if rng.random() < 0.3}
    skin = summary(levels or {"skin": [0.0] * 4}, symbols=symbols)

    def at(count: float) -> Panel:
        limits = limits_at(count, unit="counts", limits={"bulk": 10.0, "count": 2}, parts=parts)
        return build_panel(parts, symbols=symbols, required=REQUIRED, origin=ORIGIN, summaries=[skin], **limits)

    return at(2), with_own_thresholds(at(2), antigens=["G0>=1", "G1>=1"], at=at)


@pytest.mark.parametrize("seed", [*range(6), 50])
def test_a_lower_threshold_of_its_own_is_never_judged_milder(seed: int) -> None:
    plain, own = mixed(seed)
    rules = ["G0", "G0 & G2", "G0 & G1", "G0 | G2", "(G0 | G1) & G2", "G0 & ~G3"]
    lower = [rule.replace("G0", "G0>=1").replace("G1", "G1>=1") for rule in rules]
    at_run, at_own = (judge(own, Gates.parse(gates, panel=own)) for gates in (rules, lower))
    assert (at_own.safety_class >= at_run.safety_class).all(), lower
    assert (at_own.low >= at_run.low - 1e-9)[:, own.is_normal & own.is_cells].all()
    assert judge(plain, Gates.parse(rules, panel=plain)).safety_class.tolist() == at_run.safety_class.tolist()


def test_a_summary_alone_in_its_unit_is_asked_at_a_lower_threshold_too() -> None:
    """The heart stands at 7 CPM, below 10; from half the run's counts the bound is 5, and 7 is above."""
    tumor = {f"p{i}": np.full((40, 1), 4.0) for i in range(12)}
    normal = {place: {f"{place}{i}": np.zeros((40, 1)) for i in range(20)} for place in ("lung", "colon")}
    part = count_atlas(observations("cells", tumor, normal, symbols=["A"]), symbols=["A"], count=[1, 2, 4])
    levels = summary({"heart": [7.0], "lung": [0.0], "colon": [0.0]}, symbols=["A"])

    def at(count: float) -> Panel:
        limits = limits_at(count, unit="counts", limits={"bulk": 10.0, "count": 2}, parts=[part])
        return build_panel([part], symbols=["A"], required=REQUIRED, origin=ORIGIN, summaries=[levels], **limits)

    panel = with_own_thresholds(at(2), antigens=["A>=1", "A>=4"], at=at)
    found = score_gates(panel, gates=["A", "A>=1", "A>=4"]).set_index("gate")["safety_class"].to_dict()
    assert found == {"A": "within caps", "A>=1": "over cap", "A>=4": "within caps"}
