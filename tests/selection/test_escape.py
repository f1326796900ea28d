"""What a gate leaves, what that carries, the second gate, and antigen loss: by hand, by loop, and planted."""

from __future__ import annotations

from itertools import product

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import GateError, InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.malignant import Mixtures, bulk_tumors, malignant_cells
from cartarget.evidence.panel import Panel, build_panel
from cartarget.logic.batch import Gates
from cartarget.logic.gate import Gate
from cartarget.selection.escape import escape_table, left_carry, second_gate
from cartarget.selection.loss import hard_to_lose, over_patients, residual, tradeoff
from cartarget.selection.missed import missed_by, missed_together
from tests.evidence.atlases import SYMBOLS, random_cells
from tests.panels import observations

GENES = ["A", "B", "C", "D"]
HEART = {"heart": {"d1": np.eye(4)[[3, 3, 1]], "d2": np.eye(4)[[3, 3]]}}


def cells(*rows: tuple[str, int]) -> np.ndarray:
    """Cells × genes: which genes each cell carries, and how many such cells there are."""
    return np.array([[gene in carried for gene in GENES] for carried, n in rows for _ in range(n)], dtype=float)


TUMOR = {"p1": cells(("AB", 2), ("A", 4), ("BD", 4)), "p2": cells(("A", 4))}
WEIGHT = np.array([10 / 3.7, 4 / 1.9]) / (10 / 3.7 + 4 / 1.9)


def panel_of(
    tumor: dict[str, np.ndarray], *, kind: str = "cells", normal: dict[str, dict[str, np.ndarray]] = HEART
) -> Panel:
    return build_panel(observations(kind, tumor, normal, symbols=GENES), symbols=GENES, required=["heart"])


@pytest.fixture(scope="module")
def two() -> Panel:
    return panel_of(TUMOR)


def rows_of(table: pd.DataFrame, *index: str) -> pd.DataFrame:
    return table.set_index(list(index))


def test_cells_left_are_counted_patient_by_patient(two: Panel) -> None:
    table = rows_of(missed_by(two, ["A", "A & B", "B & ~D"]), "gate", "patient")
    assert table["n_left"].to_dict() == {
        ("A", "patient 1"): 4, ("A", "patient 2"): 0,
        ("A & B", "patient 1"): 8, ("A & B", "patient 2"): 4,
        ("B & ~D", "patient 1"): 8, ("B & ~D", "patient 2"): 4,
    }  # fmt: skip
    row = table.loc[("A", "patient 1")]
    assert row["left"] == 0.4
    assert (row["left_lower"], row["left_upper"]) == fraction_interval(0.4, 10)
    assert table.loc[("A", "patient 2"), "left_lower"] == 0
    assert 0.3 < table.loc[("A", "patient 2"), "left_upper"] < 0.6, "four cells prove little"
    assert (table["evidence"] == "cells").all() and (table["note"] == "").all()


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_bits_say_what_a_loop_over_cells_says(seed: int) -> None:
    adata = random_cells(seed)
    panel = build_panel(adata, symbols=SYMBOLS, required=["heart"])
    gates = ["G0", "G0 & G1", "G2 | (G3 & ~G4)", "G5 & ~G0"]
    table = rows_of(missed_by(panel, gates), "gate", "patient")
    for number, patient in enumerate(sorted({*adata.obs.loc[adata.obs["side"] == "tumor", "donor"]}), start=1):
        own = adata[((adata.obs["donor"] == patient) & (adata.obs["side"] == "tumor")).to_numpy()]
        frame = pd.DataFrame(own.X > 0, columns=SYMBOLS)
        for text in gates:
            gate = Gate.parse(text)
            left = frame[~gate.evaluate(frame)]
            assert table.loc[(str(gate), f"patient {number}"), "n_left"] == len(left)
            carried = rows_of(left_carry(panel, gate), "patient", "symbol")["n_carry"]
            if len(left):
                assert carried[f"patient {number}"].to_dict() == left.sum().to_dict()


def test_what_the_cells_left_carry_stands_most_frequent_first(two: Panel) -> None:
    table = left_carry(two, "A")
    assert set(table["patient"]) == {"patient 1"}, "of patient 2 no cell is left"
    assert table[["symbol", "n_carry", "n_left"]].values.tolist() == [
        ["B", 4, 4], ["D", 4, 4], ["A", 0, 4], ["C", 0, 4]
    ]  # fmt: skip
    assert table["carry_upper"].iloc[0] == 1 and 0.3 < table["carry_lower"].iloc[0] < 0.6


def test_the_second_gate_is_the_one_that_leaves_least(two: Panel) -> None:
    table = second_gate(two, "A", partners=["A", "C", "B", "B & D"])
    whole = table[table["patient"] == "all"]
    assert whole["partner"].tolist() == ["B", "B & D", "C"], "of equal ones the one of fewer antigens"
    assert whole["both"].tolist() == ["A | B", "A | (B & D)", "A | C"]
    assert whole["catches"].tolist() == [1, 1, 0]
    assert whole["left_both"].tolist() == pytest.approx([0, 0, 0.4 * WEIGHT[0]])
    own = rows_of(table, "patient", "partner")["catches"]
    assert own[("patient 1", "B")] == 1 and np.isnan(own[("patient 2", "B")]), "where nothing is left nothing is caught"


def test_a_partner_that_completes_the_gate_to_everything_has_no_gate_of_both(two: Panel) -> None:
    table = second_gate(two, "A & B", partners=["A & ~B", "B | C"])
    assert set(table["both"]) == {"A", "B | C"}
    assert second_gate(two, "A", partners=["A"]).empty


def test_a_planted_clone_without_a_is_found_and_the_gate_that_catches_it_is_named() -> None:
    """A third of one patient's cells lost A and bears C; in the other patient A is everywhere; B is here and there."""
    rng = np.random.default_rng(7)
    plain = np.c_[np.ones(200), rng.random(200) < 0.3, np.zeros(200), np.zeros(200)]
    clone = np.c_[np.zeros(100), rng.random(100) < 0.3, np.ones(100), np.zeros(100)]
    panel = panel_of({"p1": np.vstack([plain, clone]), "p2": plain})
    table = rows_of(escape_table(panel, ["A"], ["B", "C", "B & C"]), "patient")
    assert table.loc["patient 1", "left_lower"] < 1 / 3 < table.loc["patient 1", "left_upper"]
    assert table.loc["patient 2", "left"] == 0 and pd.isna(table.loc["patient 2", "second_gate"])
    assert table.loc["patient 1", "carried"].startswith("C 1.00, B 0.")
    named = rows_of(escape_table(panel, ["A"], ["B"], named=["B"]), "patient")["carried"]
    assert named["patient 1"].startswith("B 0.") and "," not in named["patient 1"]
    for who in ("all", "patient 1"):
        assert table.loc[who, ["second_gate", "second_catches", "left_both"]].tolist() == ["C", 1, 0]
    together = missed_together(panel, ["A", "C"], floor=0.9).set_index("missed_by")
    assert together.loc["A; C", "n_patients"] == 1 and together.loc["C", "patients"] == "patient 2"


def test_the_row_of_all_patients_is_the_mean_as_in_coverage(two: Panel) -> None:
    table = escape_table(two, ["A", "A & B"], ["B", "D"], loss=0.1, skewed_lrt={"A": 250.0, "B": 3.0})
    assert table["patient"].tolist() == ["all", "patient 1", "patient 2"] * 2
    whole = table[table["patient"] == "all"].set_index("gate")
    assert whole["left"].tolist() == pytest.approx([0.4 * WEIGHT[0], 0.8 * WEIGHT[0] + WEIGHT[1]])
    assert whole["left"]["A"] == pytest.approx(1 - two.fraction[0, two.is_tumor] @ two.patient_weight)
    low, high = fraction_interval(whole["left"].to_numpy(), 2)
    assert whole["left_lower"].tolist() == low.tolist() and whole["left_upper"].tolist() == high.tolist()
    assert whole["n_cells"].tolist() == [14, 14] and whole["n_left"].tolist() == [4, 12]
    assert whole["residual"]["A"] == pytest.approx(WEIGHT @ [1 - 0.6 * 0.9, 0.1])
    assert whole["note"]["A"] == "patients of counted cells: 2"
    assert whole["hard_to_lose"].tolist() == ["A (250.0)", "A (250.0)"]
    # of the cells left by A & B, 4 of 8 in patient 1 carry A, and all 4 of patient 2
    shares = np.array([0.8, 1.0]) * WEIGHT
    assert whole["carried"]["A & B"].split(", ")[0] == f"A {(shares @ [0.5, 1]) / shares.sum():.2f}"


def test_residual_under_loss_by_hand(two: Panel) -> None:
    table = rows_of(residual(two, ["A", "A | B", "A & B", "A & ~B"], loss=0.1), "gate", "patient")["residual"]
    assert table[("A", "patient 1")] == pytest.approx(1 - 0.6 * 0.9)
    assert table[("A | B", "patient 1")] == pytest.approx((2 * 0.01 + 8 * 0.1) / 10), "r² where both are"
    assert table[("A & B", "patient 1")] == pytest.approx(0.8 + 0.2 * (1 - 0.9**2)), "1 − (1 − r)² where both are"
    assert table[("A & ~B", "patient 1")] == pytest.approx(1 - 0.4 * 0.9), "a blocker is not lost"
    assert table[("A | B", "patient 2")] == pytest.approx(0.1)
    own = rows_of(residual(two, ["A | B"], loss={"A": 0.5, "B": 0.0}), "patient")["residual"]
    assert own.tolist() == pytest.approx([4 * 0.5 / 10, 0.5])


@given(seed=st.integers(0, 10**6), rate=st.floats(0, 1))
@settings(max_examples=15)
def test_residual_is_the_sum_over_what_each_cell_may_lose(seed: int, rate: float) -> None:
    adata = random_cells(seed)
    panel = build_panel(adata, symbols=SYMBOLS, required=["heart"])
    gate = Gate.parse("(G0 & G1) | (G2 & ~G3)")
    found = residual(panel, [gate], loss=rate)["residual"].tolist()
    sensed = [0, 1, 2]
    for patient, value in zip(sorted({*adata.obs.loc[adata.obs["side"] == "tumor", "donor"]}), found, strict=True):
        own = adata.X[((adata.obs["donor"] == patient) & (adata.obs["side"] == "tumor")).to_numpy()] > 0
        total = np.zeros(len(own))
        for kept in product((False, True), repeat=3):
            after = own.copy()
            after[:, sensed] &= np.array(kept)
            chance = np.prod(np.where(kept, 1 - rate, rate))
            total += chance * gate.evaluate(pd.DataFrame(after, columns=SYMBOLS)).to_numpy()
        assert value == pytest.approx(1 - total.mean())


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_or_never_leaves_more_than_and_and_without_loss_both_leave_what_is_missed(seed: int) -> None:
    panel = build_panel(random_cells(seed), symbols=SYMBOLS, required=["heart"])
    curve = tradeoff(panel, "G0", "G1", rates=(0.0, 0.2, 1.0)).pivot(index="gate", columns="loss", values="residual")
    assert (curve.loc["G0 | G1"] <= curve.loc[["G0", "G1"]].min() + 1e-12).all()
    assert (curve.loc["G0 & G1"] >= curve.loc[["G0", "G1"]].max() - 1e-12).all()
    assert (curve.diff(axis=1).iloc[:, 1:] >= -1e-12).all().all(), "more loss never leaves less"
    assert curve[1.0].tolist() == pytest.approx([1.0] * 4)
    table = missed_by(panel, curve.index.tolist())
    for gate, own in table.groupby("gate"):
        mean, _, n = over_patients(own["left"].to_numpy(), own["n_cells"].to_numpy(dtype=np.int64))
        assert curve.loc[gate, 0.0] == pytest.approx(mean) and n == 3


def test_the_curve_tells_what_or_costs_in_normal_tissue() -> None:
    heart = {"heart": {f"d{i}": cells(("B", 4), ("", 6)) for i in range(6)}}
    curve = tradeoff(panel_of(TUMOR, normal=heart), "A", "B", rates=[0.1]).set_index("gate")
    assert curve.loc["A | B", "residual"] < curve.loc["A & B", "residual"]
    assert curve.loc["A | B", "liability"] > curve.loc["A & B", "liability"], "the heart carries B, never both"
    assert curve.loc["A & B", "residual_worst"] == 1.0 and (curve["n_patients"] == 2).all()


def test_who_is_missed_by_what(two: Panel) -> None:
    table = missed_together(two, ["A", "B", "C"])
    assert table[["missed_by", "n_gates", "n_patients", "patients"]].values.tolist() == [
        ["B; C", 2, 1, "patient 2"], ["C", 1, 1, "patient 1"], ["A; C", 2, 0, ""]
    ]  # fmt: skip
    shares = [0.4 * WEIGHT[0] + WEIGHT[1], 0.2 * WEIGHT[0], 0.4 * WEIGHT[0]]
    assert table["share_cells"].tolist() == pytest.approx(shares)
    assert table["share_cells"].sum() == pytest.approx(1)


def test_exactly_half_is_not_missed_at_a_floor_of_a_half() -> None:
    panel = panel_of({"p1": cells(("A", 5), ("B", 5))})
    assert missed_together(panel, ["A", "B"])["missed_by"].tolist()[0] == "none"
    assert missed_together(panel, ["A", "B"], floor=0.51)["missed_by"].tolist()[0] == "A; B"


def test_a_patient_without_malignant_cells_is_unknown_and_not_covered() -> None:
    adata = observations("cells", {"p1": cells(("A", 5))}, HEART, symbols=GENES)
    adata = with_microenvironment(adata, {"p1": cells(("A", 3)), "p9": cells(("A", 3))})
    panel = build_panel(adata, symbols=GENES, required=["heart"])
    table = rows_of(missed_by(panel, ["A"]), "patient")
    assert table.index.tolist() == ["patient 1", "no malignant cells 1"]
    row = table.loc["no malignant cells 1"]
    assert np.isnan(row["left"]) and (row["left_lower"], row["left_upper"]) == (0, 1)
    assert row["note"] == "unknown: no malignant cell was counted" and row["n_cells"] == 0
    assert np.isnan(residual(panel, ["A"], loss=0.1)["residual"].iloc[1])
    assert missed_together(panel, ["A"]).set_index("missed_by")["patients"].to_dict() == {
        "none": "patient 1", "unknown": "no malignant cells 1"
    }  # fmt: skip
    whole = escape_table(panel, ["A"], ["B"]).iloc[0]
    assert whole["left"] == 0 and whole["note"] == "patients of counted cells: 1, unknown: 1"


def with_microenvironment(adata: anndata.AnnData, donors: dict[str, np.ndarray]) -> anndata.AnnData:
    """The same atlas with cells from around the tumour."""
    first = adata.obs.iloc[[-1]]
    blocks = []
    for donor, values in donors.items():
        obs = pd.concat([first] * len(values)).assign(
            donor=donor, population="tumor microenvironment", tissue="tumor microenvironment", cap=1.0, weight=0.0,
            is_required=False, dataset="heart",
        )  # fmt: skip
        obs.index = [f"{donor}_around_{i}" for i in range(len(values))]
        blocks.append(anndata.AnnData(values.astype(np.float32), obs=obs, var=adata.var))
    joined = anndata.concat([adata, *blocks], merge="first", uns_merge="first")
    joined.varm["is_measured"] = adata.varm["is_measured"]
    joined.uns = adata.uns
    return joined


EMPTY_HEART = {"heart": {f"d{i}": np.zeros((1, 4)) for i in range(3)}}
BULK = {"s1": np.array([[2.0, 30.0, 0.0, 9.0]]), "s2": np.array([[20.0, 30.0, 0.0, 0.0]])}


def test_bulk_bounds_what_is_left_from_below_and_says_nothing_else() -> None:
    """Purity 0.5: 2 CPM are 4 in malignant cells at most, so at most 0.4 of them can stand at 10."""
    panel = panel_of(BULK, kind="samples", normal=EMPTY_HEART)
    known = Mixtures(threshold=10.0, purity={"s1": 0.5, "s2": 0.5})
    table = rows_of(missed_by(panel, ["A", "B", "A & B", "A | B", "A | D"], mixtures=known), "gate", "patient")
    assert table["left"].isna().all() and (table["left_upper"] == 1).all() and table["n_left"].isna().all()
    own = table["left_lower"].unstack("patient")
    assert own["bulk patient 1"].to_dict() == pytest.approx(
        {"A": 0.6, "B": 0.0, "A & B": 0.6, "A | B": 0.0, "A | D": 0.0}, abs=1e-6
    )
    assert (own["bulk patient 2"] == 0).all(), "that a sample shows A says nothing of which cells carry it"
    assert table.loc[("A", "bulk patient 1"), "note"] == "bounded from bulk: at least the lower end is left"
    assert table.loc[("A", "bulk patient 2"), "note"].startswith("unknown: the sample shows the gate")
    assert table["is_shown"].unstack("patient").loc["A"].tolist() == [False, True]
    blind = missed_by(panel, ["A"])
    assert (blind["left_lower"] == 0).all() and blind["note"].str.startswith("unknown").all()
    part = missed_by(panel, ["A"], mixtures=Mixtures(threshold=10.0, purity={"s2": 0.5}))
    assert (part["left_lower"] == 0).all(), "the purity of the sample that bounds is not known"


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20)
def test_a_mixture_of_cells_never_breaks_its_bound(seed: int) -> None:
    """Malignant and other cells of known level are mixed; the share that a gate leaves is not below the bound."""
    rng = np.random.default_rng(seed)
    n, purity = 200, float(rng.uniform(0.2, 1))
    carried = rng.random((n, 4)) < rng.uniform(0.05, 1, 4)
    malignant = rng.exponential(rng.choice([1.0, 5.0, 20.0], 4), (n, 4)) * carried
    others = rng.exponential(2.0, (n, 4))
    sample = purity * malignant.mean(axis=0) + (1 - purity) * others.mean(axis=0)
    panel = panel_of({"s": sample[None]}, kind="samples", normal=EMPTY_HEART)
    gates = Gates.parse(["A", "A & B", "A | B", "A & ~C", "(A | B) & (C | D)"], panel=panel)
    bound = bulk_tumors(panel, gates, mixtures=Mixtures(threshold=10.0, purity={"s": purity})).left_lower[:, 0]
    carries = pd.DataFrame(malignant >= 10, columns=GENES)
    left = [1 - gate.evaluate(carries).mean() for gate in gates.gates(GENES)]
    assert (bound <= np.array(left) + 1e-5).all()


def test_several_samples_of_a_bulk_patient_are_held_to_the_worst() -> None:
    samples = {"s1": np.vstack([BULK["s1"], BULK["s2"]])}
    panel = panel_of(samples, kind="samples", normal=EMPTY_HEART)
    row = missed_by(panel, ["A"], mixtures=Mixtures(threshold=10.0, purity={"s1": 0.5})).iloc[0]
    assert row["left_lower"] == pytest.approx(0.6, abs=1e-6) and not row["is_shown"]


def test_errors_say_what_is_wrong(two: Panel) -> None:
    with pytest.raises(InputError, match="no rate for B"):
        residual(two, ["A & B"], loss={"A": 0.1})
    with pytest.raises(InputError, match=r"found 1.5 for A; expected a share of cells in \[0, 1\]"):
        residual(two, ["A"], loss=1.5)
    with pytest.raises(GateError, match="'X' is not in the panel"):
        missed_by(two, ["A & X"])
    with pytest.raises(GateError, match="found 0 gates"):
        missed_together(two, [])
    with pytest.raises(InputError, match="expected CPM above 0"):
        Mixtures(threshold=0.0)


def test_what_a_tumour_needs_is_told_and_what_was_not_measured_is_unknown() -> None:
    assert hard_to_lose("A | B", {"A": 99.9, "B": float("nan")}) == "none; unknown: B"
    assert hard_to_lose("A & ~B", {"A": 100.0}) == "A (100.0)", "a blocker is not sensed"
    assert hard_to_lose("A", {}) == "unknown"


def test_words_of_more_than_64_cells_are_counted_without_their_padding() -> None:
    panel = panel_of({"p1": cells(("A", 64), ("", 1)), "p2": cells(("", 64)), "p3": cells(("A", 130))})
    found = malignant_cells(panel)
    assert found.n_cells.tolist() == [65, 64, 130]
    assert found.count(found.valid[None])[0].tolist() == [65, 64, 130]
    assert missed_by(panel, ["A"])["n_left"].tolist() == [1, 64, 0]


@pytest.mark.parametrize("floor", [0, -0.5, 50])
def test_a_floor_that_is_no_share_is_refused(two: Panel, floor: float) -> None:
    with pytest.raises(InputError, match="expected a share of the malignant cells"):
        missed_together(two, ["A"], floor=floor)
