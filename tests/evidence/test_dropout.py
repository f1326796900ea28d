"""Dropout, held against simulated cells of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.evidence.detection import detection_at, detection_from_counts, detection_rates
from cartarget.evidence.dropout import (
    corrected_coverage,
    coverage_corrected,
    never_below_liability,
    protected_exposure,
    residual_exposure,
    residual_liability,
)
from cartarget.evidence.panel import build_panel
from cartarget.logic.batch import Gates
from cartarget.safety.conjunction import EXPOSED
from cartarget.safety.judge import judge
from tests.panels import ORIGIN, REQUIRED, observations, summary

unit = st.floats(0, 1)


def mean_for(rate: float) -> float:
    """Poisson mean at which cells show a gene at `rate`."""
    return -np.log1p(-rate)


def atlas(seed: int, *, detection: float = 0.4, share: float = 1.0, donors: int = 10, cells: int = 60, depth=1.0):
    """Heart cells all have A; a share of them truly has the blocker B, read at `detection`. Skin certainly has B.

    The tumour has A and C on half of its cells, together, each read at 0.6.
    """
    rng = np.random.default_rng(seed)

    def draw(n: int, means: list[float], has: list[float]) -> np.ndarray:
        truth = rng.random((n, 3)) < np.array(has)
        if has[0] == has[2] < 1:
            truth[:, 2] = truth[:, 0]
        donor = rng.lognormal(0, 0.1, 3)
        return rng.poisson(truth * np.array(means) * donor)

    low, strong = mean_for(detection), 8.0
    normal = {
        "heart": {f"d{i}": draw(cells, [strong, low * depth, 0.0], [1, share, 0.0]) for i in range(donors)},
        "skin": {f"d{i}": draw(cells, [0.0, low, 0.0], [0, 1, 0.0]) for i in range(donors)},
    }
    tumor = {f"p{i}": draw(300, [mean_for(0.6), 0, mean_for(0.6)], [0.5, 0, 0.5]) for i in range(6)}
    adata = observations("cells", tumor, normal, symbols=["A", "B", "C"])
    adata.obs["n_counts"] = np.where(adata.obs["tissue"] == "heart", 1000 * depth, 1000.0)
    return adata


def panel_of(adata):
    return build_panel(adata, symbols=["A", "B", "C"], required=REQUIRED, origin=ORIGIN)


def gates_of(panel, *names: str) -> Gates:
    return Gates.parse(names, panel=panel)


def residual(panel, gates: Gates, **given):
    low, unblocked = judge(panel, gates).naive, judge(panel, gates.unblocked).low
    return residual_liability(panel, gates=gates, low=low, unblocked=unblocked, **given)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
def test_residual_exposure_of_a_blocker_seen_in_four_cells_of_ten_is_bounded(share):
    """Truth: if what is missed is killed, 1 − 0.4 × share of the A-positive cells die; if all are spared, 1 − share."""
    held, centre = [], []
    for seed in range(16):
        adata = atlas(seed, share=share)
        panel = panel_of(adata)
        rates = detection_rates(adata).set_index("symbol").loc["B"]
        heart = int(np.flatnonzero(panel.populations["tissue"] == "heart")[0])
        gate = gates_of(panel, "A & ~B")
        naive = judge(panel, gate).naive[0, heart]
        row = residual(panel, gate, rates=detection_rates(adata)).iloc[0]
        killed, spared = 1 - 0.4 * share, 1 - share
        lower = protected_exposure(naive, antigen=panel.fraction[0, heart], detection=rates["detection_lower"])
        held.append(lower - 0.02 <= spared and killed <= row["liability_residual_upper"] + 0.005)
        centre.append(row["liability_residual"])
        assert row["liability_residual_population"] == "heart"
    assert np.mean(held) >= 0.9
    assert np.mean(centre) == pytest.approx(killed, abs=0.03)


def test_a_bulk_sample_believes_a_blocker_and_the_residual_does_not():
    rng = np.random.default_rng(1)
    both = {f"d{i}": np.array([[20.0, 20.0]]) for i in range(25)}
    tumor = {f"p{i}": np.array([[20.0, 20.0 * (rng.random() < 0.1)]]) for i in range(30)}
    panel = build_panel(
        observations("samples", tumor, {"lung": both}, symbols=["A", "B"]),
        symbols=["A", "B"],
        required=REQUIRED,
        origin=ORIGIN,
    )
    gate = gates_of(panel, "A & ~B")
    judged = judge(panel, gate)
    lung = panel.populations["tissue"].eq("lung").to_numpy()
    assert judged.naive[0, lung] == [0.0]
    frame = residual(panel, gate, rates=detection_rates(atlas(0)))
    assert frame["liability_residual"].iloc[0] == pytest.approx(0.6, abs=0.06)
    nothing = detection_rates(atlas(0)).iloc[:0]
    assert residual(panel, gate, rates=nothing)["liability_residual"].iloc[0] > 0.9


def test_a_summary_in_which_the_antigen_is_high_is_residual_too():
    adata = atlas(0)
    panel = build_panel(
        adata,
        symbols=["A", "B", "C"],
        required=REQUIRED,
        origin=ORIGIN,
        summaries=[summary({"lung": [50.0, 50.0, 0.0], "colon": [50.0, 0.0, 0.0]}, symbols=["A", "B", "C"])],
    )
    gate = gates_of(panel, "A & ~B")
    exposed = judge(panel, gate).unit_state == EXPOSED
    row = residual(panel, gate, rates=detection_rates(adata), exposed=exposed).iloc[0]
    assert (row["liability_residual"], row["liability_residual_population"]) == (1, "lung (summary)")
    assert row["liability_residual_upper"] == 1


def test_a_blocker_that_was_not_measured_spares_nothing():
    """A and B in every lung sample; the heart's samples have A, and were not asked for B, which cells show well."""
    values = {"lung": 20.0, "heart": 0.0}
    normal = {name: {f"d{i}": np.array([[20.0, b]]) for i in range(25)} for name, b in values.items()}
    tumor = {f"p{i}": np.array([[20.0, 0.0]]) for i in range(30)}
    samples = observations("samples", tumor, normal, symbols=["A", "B"], unmeasured={"heart": ["B"]})
    panel = build_panel(samples, symbols=["A", "B"], required=REQUIRED, origin=ORIGIN)
    row = residual(panel, gates_of(panel, "A & ~B"), rates=detection_rates(atlas(0, detection=0.9))).iloc[0]
    assert row["liability_residual_population"] == "heart"
    assert row["liability_residual"] > 0.95, "not one in ten, as if B were seen there"


def test_gates_without_a_blocker_have_no_residual():
    panel = panel_of(atlas(0))
    frame = residual(panel, gates_of(panel, "A", "A & C"), rates=detection_rates(atlas(0)))
    assert frame.isna().all(axis=None)


def test_detection_is_that_of_populations_which_certainly_express():
    rates = detection_rates(atlas(2, share=0.1)).set_index("symbol")
    assert rates.loc["B", "populations"] == "skin", "one heart cell in ten has B: no measure of detection"
    assert rates.loc["B", "detection"] == pytest.approx(0.4, abs=0.05)
    assert rates.loc["B", "detection_lower"] < 0.4 < rates.loc["B", "detection_upper"] + 0.05
    assert rates.loc["B", "n_donors"] == 10
    assert np.isnan(rates.loc["C", "detection"]), "no normal cell has C"


def test_a_shallow_population_is_brought_to_the_usual_depth():
    rates = detection_rates(atlas(3, depth=0.5, cells=150)).set_index("symbol").loc["B"]
    usual = detection_at(0.4, depth_ratio=0.75)
    assert rates["n_populations"] == 2
    assert rates["detection"] == pytest.approx(usual, abs=0.04)


def test_too_few_cells_show_no_rate():
    rates = detection_rates(atlas(0, donors=1, cells=20))
    assert rates["detection"].isna().all()
    assert (rates["n_populations"] == 0).all()
    normal_only = atlas(0)
    assert (
        detection_rates(normal_only[normal_only.obs["side"] == "normal"].copy(), side="tumor")["detection"].isna().all()
    )


def test_log_values_fall_back_on_fractions():
    adata = atlas(4)
    adata.X = np.log1p(adata.X)
    adata.uns["cartarget"]["unit"] = "log1p"
    rates = detection_rates(adata).set_index("symbol").loc["B"]
    assert rates["detection"] == pytest.approx(0.4, abs=0.05)
    assert np.isnan(rates["detection_upper"])


def test_bulk_has_no_dropout():
    samples = observations("samples", {"p": np.ones((1, 1))}, {}, symbols=["A"])
    with pytest.raises(InputError, match="needs cells"):
        detection_rates(samples)


def test_coverage_is_brought_back_to_the_truth():
    """A and C are on the same half of the cells, each read at 0.6; the blocker B is on none."""
    adata = atlas(5)
    panel = panel_of(adata)
    gates = gates_of(panel, "A & C", "A", "A & ~B")
    plain = judge(panel, gates).naive
    both = {"rates": detection_rates(adata, side="tumor"), "blocker_rates": detection_rates(adata)}
    counted = plain[:, panel.is_tumor].mean(axis=1)
    corrected = corrected_coverage(panel, gates=gates, fraction=plain, **both)
    assert counted == pytest.approx([0.18, 0.3, 0.3], abs=0.03)
    assert corrected.to_numpy() == pytest.approx([0.5, 0.5, 0.5], abs=0.05)
    unknown = corrected_coverage(panel, gates=gates, fraction=plain, rates=both["rates"])
    assert unknown.isna().tolist() == [False, False, True]


def test_a_trace_is_not_corrected_into_a_target():
    """One cell in fifty with one count each: dropout or absence, nobody can tell."""
    adata = atlas(6)
    rng = np.random.default_rng(0)
    tumor = np.flatnonzero(adata.obs["side"] == "tumor")
    adata.X[tumor, 1] = rng.random(len(tumor)) < 0.02
    panel = panel_of(adata)
    gates = gates_of(panel, "B")
    both = {"rates": detection_rates(adata, side="tumor"), "blocker_rates": detection_rates(adata)}
    assert np.isnan(corrected_coverage(panel, gates=gates, fraction=judge(panel, gates).naive, **both)[0])


def test_a_blocker_in_the_tumour_costs_coverage():
    """A on all malignant cells, B on half of them, seen at 0.4: the count believes 0.8, the truth is 0.5."""
    rng = np.random.default_rng(3)
    adata = atlas(7)
    tumor = np.flatnonzero(adata.obs["side"] == "tumor")
    adata.X[tumor, 0] = 5
    adata.X[tumor, 1] = rng.poisson(mean_for(0.4), len(tumor)) * (rng.random(len(tumor)) < 0.5)
    panel = panel_of(adata)
    gate = gates_of(panel, "A & ~B")
    plain = judge(panel, gate).naive
    both = {"rates": detection_rates(adata, side="tumor"), "blocker_rates": detection_rates(adata)}
    assert plain[0, panel.is_tumor].mean() == pytest.approx(0.8, abs=0.03)
    assert corrected_coverage(panel, gates=gate, fraction=plain, **both)[0] == pytest.approx(0.5, abs=0.07)


@given(unit, unit, unit)
def test_residual_exposure_never_flatters(share_seen, antigen, rate):
    naive = antigen * (1 - share_seen)
    residual = residual_exposure(naive, antigen=antigen, detection=rate)
    assert naive <= residual <= antigen + 1e-12
    assert residual >= antigen * (1 - rate) - 1e-12
    assert protected_exposure(naive, antigen=antigen, detection=rate) <= naive + 1e-9


@given(st.floats(0.01, 1), st.floats(0.01, 1), unit, st.integers(0, 2))
def test_a_corrected_coverage_is_a_fraction_and_perfect_detection_corrects_nothing(a, b, together, op):
    both = max(a + b - 1, 0) + together * (min(a, b) - max(a + b - 1, 0))
    hit = (a + b - both, both, a - both)[op]
    same = coverage_corrected(hit, first=a, second=b, op=op, detection_first=1.0, detection_second=1.0)
    assert same == pytest.approx(hit, abs=1e-9)
    some = coverage_corrected(hit, first=a, second=b, op=op, detection_first=0.5, detection_second=0.7)
    assert 0 <= some <= 1
    if op == 1:
        assert some >= hit - 1e-12


@given(st.floats(0.01, 6))
def test_the_rate_from_counts_is_that_of_poisson(mean):
    rate = -np.expm1(-mean)
    assert detection_from_counts(mean / rate) == pytest.approx(rate, abs=1e-6)


def test_an_unknown_rate_gives_a_blocker_no_credit_and_no_correction():
    assert residual_exposure(0.1, antigen=0.7, detection=np.nan) == 0.7
    assert protected_exposure(0.1, antigen=0.7, detection=np.nan) == 0
    assert np.isnan(coverage_corrected(0.1, first=0.3, second=0.3, op=1, detection_first=np.nan, detection_second=0.5))


@given(st.lists(st.tuples(unit, unit, unit, unit, st.booleans()), min_size=1, max_size=20), st.randoms())
def test_a_residual_liability_is_never_below_the_liability(rows, random):
    """What is missing says nothing; a gate without a blocker has no residual."""
    hole = lambda value: np.nan if random.random() < 0.2 else value  # noqa: E731
    columns = list(zip(*[(hole(a), hole(b), hole(c), hole(d), e) for a, b, c, d, e in rows], strict=True))
    blocked = np.array(columns[4])
    own = [np.where(blocked, column, np.nan) for column in columns[:2]]
    residual = pd.DataFrame({
        "liability_residual": own[0], "liability_residual_upper": own[1], "liability_residual_population": "own",
    })  # fmt: skip
    table = pd.DataFrame({"liability": columns[2], "liability_upper": columns[3], "liability_population": "counted"})
    found = never_below_liability(residual, table=table, blocked=blocked)
    for name, other in (("liability_residual", "liability"), ("liability_residual_upper", "liability_upper")):
        assert found.loc[~blocked, name].isna().all()
        expected = np.fmax(residual[name], table[other])[blocked]
        np.testing.assert_array_equal(found.loc[blocked, name], expected)
    is_own = ~(found["liability_residual"] > np.nan_to_num(residual["liability_residual"], nan=-1))
    assert found.loc[is_own, "liability_residual_population"].eq("own").all()
    assert found.loc[~is_own, "liability_residual_population"].eq("counted").all()
