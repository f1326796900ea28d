"""Panels of products: the optimum is that of brute force, costs are those of a hand, and strangers judge."""

from __future__ import annotations

import contextlib
import shutil
import time
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.config import load_config
from cartarget.contracts import read_table
from cartarget.errors import InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.panel import build_panel
from cartarget.evidence.shares import patient_shares
from cartarget.logic.batch import Gates
from cartarget.run.asking import open_run
from cartarget.run.product_panel import Asked, choose_panels, gather, listed_gates, panel_into, tell
from cartarget.run.steps import run
from cartarget.selection.cover import LATE, OPTIMAL, cheapest_cover, fullest_cover, simplify
from cartarget.selection.panel import (
    cheapest_panel,
    held_out,
    needed,
    panel_curve,
    price_sensitivity,
    product_rows,
    smallest_panel,
)
from cartarget.selection.prices import Price, Prices, read_prices
from cartarget.selection.reach import UNSCORED, Reach, what_binds
from tests.panels import REQUIRED, observations
from tests.shared import once
from tests.test_cli import cartarget as command
from tests.workflow.place import SMALL, workplace

HAND = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
"""Four patients: A serves the first two, B the second and third, C the fourth."""


def reach_of(covers: np.ndarray, classes: list[int] | None = None, gates: tuple[str, ...] = ()) -> Reach:
    n = covers.shape[1]
    names = gates or tuple(f"G{i}" for i in range(n))
    kinds = np.array([classes or [0] * n], dtype=np.int8)
    return Reach(names, ("read",), np.zeros(len(covers), dtype=np.int64), covers, kinds)


def subsets(n: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))


def cost_of(chosen: tuple[int, ...], covers: np.ndarray, need: int, fixed: np.ndarray, each: np.ndarray) -> float:
    """By definition: the fixed costs, and the `need` cheapest treatments; infinite if fewer can be treated."""
    columns = list(chosen)
    price = np.where(covers[:, columns], each[columns], np.inf).min(axis=1, initial=np.inf)
    return float(fixed[columns].sum() + np.sort(price)[:need].sum())


@st.composite
def instances(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, m = draw(st.integers(1, 7)), draw(st.integers(1, 10))
    covers = np.array(draw(st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=m, max_size=m)))
    amounts = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5, 7.0]), min_size=n, max_size=n)
    return covers, np.array(draw(amounts)), np.array(draw(amounts))


@settings(max_examples=60)
@given(instances())
def test_the_optimum_is_that_of_brute_force(instance: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    covers, fixed, each = instance
    every = subsets(covers.shape[1])
    served = {chosen: int(covers[:, list(chosen)].any(axis=1).sum()) for chosen in every}
    for most in (1, 2, 4):
        full = fullest_cover(covers, most=most)
        assert full.value == max(n for chosen, n in served.items() if len(chosen) <= most)
        assert (full.gap, full.status) == (0.0, OPTIMAL)
        assert served[tuple(full.chosen)] == full.value
        assert len(full.chosen) <= most
    need = max(served.values())
    for asked in {need, (need + 1) // 2} - {0}:
        few = cheapest_cover(covers, need=asked)
        assert len(few.chosen) == few.value == min(len(chosen) for chosen, n in served.items() if n >= asked)
        cheap = cheapest_cover(covers, need=asked, fixed=fixed, each=each)
        assert cheap.value == pytest.approx(min(cost_of(chosen, covers, asked, fixed, each) for chosen in every))
        assert cheap.value == pytest.approx(cost_of(tuple(cheap.chosen), covers, asked, fixed, each))
        assert cheap.gap == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=40)
@given(instances())
def test_what_is_left_out_beforehand_changes_nothing(instance: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    covers, fixed, each = instance
    small = simplify(covers, fixed=fixed, each=each)
    assert small.weight.sum() == covers.any(axis=1).sum()
    for column in range(covers.shape[1]):
        if covers[:, column].any():
            better = covers[:, small.keep][covers[:, column]].all(axis=0)
            assert (better & (fixed[small.keep] <= fixed[column]) & (each[small.keep] <= each[column])).any()


def test_the_curve_rises_and_the_smallest_panel_lies_on_it() -> None:
    rng = np.random.default_rng(3)
    reach = reach_of(rng.random((60, 25)) < 0.2)
    curve = panel_curve(reach, most=25)
    served = [panel.n_served for panel in curve]
    assert served == sorted(set(served))
    assert served[-1] == reach.covers.any(axis=1).sum()
    for share in (0.3, 0.6, 0.9):
        small = smallest_panel(reach, share=share)
        assert small.n_asked == needed(share, 60)
        first = next(panel for panel in curve if panel.n_served >= small.n_asked)
        assert (len(small.products), small.n_served) == (len(first.products), first.n_served)


def planted(n: int, gates: int, *, parts: int, seed: int) -> tuple[np.ndarray, set[int]]:
    """Patients dealt into parts, one gate a part; decoys hit less than a part's size, spread over the parts.

    Each planted gate has a patient of its own, whom no decoy hits, so that nothing smaller serves all.
    """
    rng = np.random.default_rng(seed)
    part = np.arange(n) % parts
    covers = rng.random((n, gates)) < rng.uniform(0.01, 0.9 / parts, gates)
    covers[:parts] = False
    own = rng.choice(gates, parts, replace=False)
    covers[:, own] = part[:, None] == np.arange(parts)
    return covers, set(own.tolist())


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_minimum_is_found(seed: int) -> None:
    covers, own = planted(120, 400, parts=4, seed=seed)
    found = smallest_panel(reach_of(covers), share=1)
    assert {int(name[1:]) for name in found.products} == own
    assert (found.n_served, found.gap, found.status) == (120, 0.0, OPTIMAL)


def test_five_hundred_patients_and_five_thousand_gates_are_proven_within_a_minute() -> None:
    covers, own = planted(500, 5000, parts=6, seed=0)
    start = time.perf_counter()
    found = cheapest_cover(covers, need=500)
    assert set(found.chosen.tolist()) == own
    assert found.gap == 0
    assert time.perf_counter() - start < 60


def test_what_time_does_not_allow_is_a_gap_and_not_a_proof() -> None:
    covers = np.random.default_rng(0).random((150, 400)) < 0.15
    found = cheapest_cover(covers, need=150, seconds=0.5)
    assert found.status == LATE
    assert 0 < found.gap < 1
    assert found.bound < found.value == len(found.chosen)
    assert covers[:, found.chosen].any(axis=1).all()


def test_a_problem_on_which_presolve_fails_is_solved() -> None:
    """HiGHS ends with an error here unless presolve is off. B serves everybody for 2."""
    covers = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 0, 1]], dtype=bool)
    fixed, each = np.array([1.0, 2.0, 0.0, 2.0]), np.array([1.0, 0.0, 0.0, 0.0])
    found = cheapest_cover(covers, need=3, fixed=fixed, each=each)
    assert found.value == min(cost_of(chosen, covers, 3, fixed, each) for chosen in subsets(4)) == 2.0
    assert found.gap == 0


def test_the_cost_is_that_of_a_hand() -> None:
    """Three of four patients. A alone serves two, so a second product is needed: A + C is 1 + 2 + 3 treatments."""
    reach = reach_of(HAND, gates=("A", "B", "C"))
    rows = [Price(gate, "autologous", fixed, 1.0, line) for line, (gate, fixed) in enumerate(zip("ABC", (1, 5, 2)), 2)]  # noqa: B905
    found = cheapest_panel(reach, share=0.75, prices=Prices("p.tsv", tuple(rows)))
    assert (found.products, found.cost, found.kinds) == (("A", "C"), 6.0, ("autologous", "autologous"))
    # of 400 such patients 300 are treated: 1 + 2 + 300
    assert cheapest_panel(reach, share=0.75, prices=Prices("p.tsv", tuple(rows)), patients=400).cost == 303.0


def test_of_the_patients_asked_for_the_share_is_treated_and_not_whole_patients_of_the_cohort() -> None:
    """0.8 of 16 is 12.8, so 13 must be served; of 2,000 patients 1,600 are treated, and not 13 / 16."""
    reach = reach_of(np.eye(16, 2, dtype=bool) | np.array([[True, False]]))
    prices = Prices("p.tsv", (Price("*", "autologous", 10.0, 2.0, 2),))
    found = cheapest_panel(reach, share=0.8, prices=prices, patients=2000)
    assert (found.n_asked, found.cost) == (13, pytest.approx(10 + 2 * 1600))
    assert cheapest_panel(reach, share=0.8, prices=prices).cost == 10 + 2 * 13
    table = price_sensitivity(reach, share=0.8, prices=prices, patients=2000)
    assert table["cost_per_patient"].iloc[0] == pytest.approx((10 + 2 * 1600) / 1600)
    assert cheapest_panel(reach_of(np.eye(10, dtype=bool)), share=0.7, prices=prices, patients=10).cost == 7 * 10 + 14


def test_many_patients_make_the_product_off_the_shelf_cheaper() -> None:
    """One gate serves all ten: 10 + 3 n as autologous, 50 + n off the shelf; they meet at 20 patients."""
    reach = reach_of(np.ones((10, 1), dtype=bool))
    prices = Prices("p.tsv", (Price("*", "autologous", 10.0, 3.0, 2), Price("*", "off-the-shelf", 50.0, 1.0, 3)))
    few, many = (cheapest_panel(reach, share=1, prices=prices, patients=n) for n in (19, 21))
    assert (few.kinds, few.cost) == (("autologous",), pytest.approx(67.0))
    assert (many.kinds, many.cost) == (("off-the-shelf",), pytest.approx(71.0))


def test_prices_are_moved_one_at_a_time() -> None:
    reach = reach_of(np.ones((10, 1), dtype=bool))
    prices = Prices("p.tsv", (Price("*", "autologous", 10.0, 3.0, 2), Price("*", "off-the-shelf", 51.0, 0.0, 3)))
    table = price_sensitivity(reach, share=1, prices=prices)
    assert table["cost"].tolist() == [40.0, 35.0, 50.0, 25.0, 51.0, 25.5, 40.0]
    assert table["is_changed"].tolist() == [False, False, False, False, True, True, False]
    assert table["amount"].tolist() == ["", "fixed", "fixed", "per_patient", "per_patient", "fixed", "fixed"]
    assert (table["cost_per_patient"] == table["cost"] / 10).all()


def test_a_product_says_whom_it_serves_alone_and_what_it_shares() -> None:
    gates = ("A & B", "B | C", "D")
    reach = reach_of(HAND, gates=gates)
    rows = product_rows(smallest_panel(reach, share=1), reach)
    assert rows[["product", "n_served", "n_only", "antigens_shared"]].to_numpy().tolist() == [
        ["A & B", 2, 1, "B"],
        ["B | C", 2, 1, "B"],
        ["D", 1, 1, ""],
    ]


def test_one_product_may_serve_two_tumours_unless_it_is_over_a_cap_in_one() -> None:
    covers = np.ones((4, 2), dtype=bool)
    tumor = np.array([0, 0, 1, 1])
    basket = Reach(("A", "B"), ("read", "ucs"), tumor, covers, np.array([[0, 0], [3, 1]], dtype=np.int8))
    found = smallest_panel(basket.within((0, 1)), share=1)
    assert found.products == ("B",)
    assert product_rows(found, basket.within((0, 1)))["classes"].tolist() == ["read: within caps, ucs: origin only"]
    assert not basket.within((0, 1)).covers[2:, 0].any(), "A is over a cap in ucs, whatever it is in read"


def test_a_gate_that_is_unknown_in_one_tumour_alone_is_said_apart_there() -> None:
    covers = np.ones((4, 1), dtype=bool)
    basket = Reach(("A",), ("read", "ucs"), np.array([0, 0, 1, 1]), covers, np.array([[0], [2]], dtype=np.int8))
    found = choose_panels(basket, fold=None, asked=Asked(0.5, 1.0)).panel
    small = found[found["question"].eq("fewest products")].set_index("scope")
    assert small["n_served"].to_dict() == {"not over cap": 2, "unknown too": 4}
    assert small["patients"].to_list() == ["read 2 of 2, ucs 0 of 2", "read 2 of 2, ucs 2 of 2"]


def test_what_was_not_scored_serves_nobody() -> None:
    reach = reach_of(np.ones((3, 2), dtype=bool), [UNSCORED, 2])
    assert not reach.within((0, 1)).gates
    assert what_binds(reach, allowed=(0, 1)) == {"gates that are unknown only": 3}
    assert reach.within((0, 1, 2)).gates == ("G1",)


def test_a_share_out_of_reach_says_how_near_it_came_and_what_binds() -> None:
    covers = np.zeros((10, 4), dtype=bool)
    covers[:4, 0] = covers[4:6, 1] = covers[6:9, 2] = True  # within caps, unknown, over cap; the tenth by none
    reach = reach_of(covers, [0, 2, 3, 0])
    found = choose_panels(reach, fold=None, asked=Asked(0.5, 0.8))
    small = found.panel[found.panel["question"].eq("fewest products")].set_index("scope")
    assert small["n_served"].tolist() == [4, 6]
    assert not small["is_reached"].any()
    lines = [line for line in tell(found) if "fewest" in line]
    assert "fewest products for 8, not reached: 4 of 10 with every gate, next unknown: G0" in lines[0]
    assert found.notes[0] == (
        "not over cap: no panel serves 0.8 of the patients (8 of 10); all gates together serve 4 (0.40). "
        "The others are covered for 0.5 of their tumour: 2 by gates that are unknown only, 3 by gates that are over "
        "cap only, 1 by no gate"
    )


def test_no_gate_at_all_is_an_empty_panel() -> None:
    found = choose_panels(reach_of(np.zeros((3, 0), dtype=bool)), fold=np.array([0, 1, 0]), asked=Asked(0.5, 1.0))
    assert found.panel[["n_products", "n_served", "share_heldout"]].to_numpy().tolist() == [[0, 0, 0.0]]
    assert "0 of 3 with every gate" in "\n".join(tell(found))
    assert [line for line in tell(found) if line.endswith(": no gate serves a patient")]


def test_strangers_judge_a_panel() -> None:
    """Each patient carries an antigen of his own: who chose the panel is served, and nobody else ever is."""
    reach = reach_of(np.eye(12, dtype=bool))
    fold = np.arange(12) % 4
    assert smallest_panel(reach, share=1).n_served == 12
    tested = held_out(reach, fold=fold, choose=lambda rest: smallest_panel(rest, share=1))
    assert (tested["n_served"], tested["share"], tested["lower"]) == (0, 0, 0)
    twelve = 12 / (1 + 4 / 3)  # the folds share most of the patients who chose
    assert tested["upper"] == pytest.approx(fraction_interval(0.0, twelve)[1])


def test_the_share_held_out_is_that_of_a_hand() -> None:
    """Without each patient in turn: B and C, all three, A and C, A and B; only the second is served by them."""
    tested = held_out(reach_of(HAND), fold=np.arange(4), choose=lambda rest: smallest_panel(rest, share=1))
    assert (tested["n_served"], tested["n_patients"], tested["share"]) == (1, 4, 0.25)


def test_the_share_held_out_is_unbiased_where_the_naive_one_is_not() -> None:
    """Gates serve each patient with known chances: the truth of a panel is arithmetic."""
    rng = np.random.default_rng(5)
    naive, strict = [], []
    for _ in range(16):
        rate = rng.beta(2, 4, 30)
        reach = reach_of(rng.random((40, 30)) < rate)
        curve = panel_curve(reach, most=2)[-1]

        def choose(rest: Reach) -> object:
            return panel_curve(rest, most=2)[-1]

        fold = np.arange(40) % 5
        tested = held_out(reach, fold=fold, choose=choose)  # type: ignore[arg-type]
        truth = []
        for number in range(5):
            chosen = panel_curve(reach.of(fold != number), most=2)[-1].products
            truth.append(1 - np.prod(1 - rate[[int(name[1:]) for name in chosen]]))
        strict.append(tested["share"] - np.mean(truth))
        own = rate[[int(name[1:]) for name in curve.products]]
        naive.append(curve.n_served / 40 - (1 - np.prod(1 - own)))
    error = np.std(strict, ddof=1) / np.sqrt(16)
    assert abs(np.mean(strict)) < 3 * error
    assert np.mean(naive) > 0.03, "choosing flatters, or this test shows nothing"


@pytest.mark.parametrize("share", [0, -0.1, 1.2, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(InputError, match="share: found"):
        smallest_panel(reach_of(HAND), share=share)


GOOD = "product\tkind\tfixed\tper_patient\n*\tautologous\t10\t2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("product\tkind\tfixed\n*\tautologous\t1\n", "column 'per_patient' is missing"),
        ("product\tkind\tfixed\tper_patient\n", "holds no price"),
        (GOOD + "A\tautologous\t\t2\n", "line 3: fixed is empty"),
        (GOOD + "A\tautologous\t1\t-2\n", "line 3: per_patient is '-2'; expected an amount, 0 or more"),
        (GOOD + "A\tautologous\tfree\t2\n", "line 3: fixed is 'free'"),
        (GOOD + "A\tautologous\tinf\t2\n", "line 3: fixed is 'inf'"),
        (GOOD + "A\tallogeneic\t1\t2\n", "line 3: kind is 'allogeneic'; expected autologous, off-the-shelf"),
        (GOOD + "A &\tautologous\t1\t2\n", "line 3: product is no gate"),
        (GOOD + "*\tautologous\t1\t2\n", r"line 3: '\*', autologous, has a price already"),
        (GOOD + "B & A\tautologous\t1\t2\nA & B\tautologous\t1\t2\n", "line 4: 'A & B', autologous, has a price"),
    ],
)
def test_a_table_of_prices_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "prices.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_prices(tmp_path / "prices.tsv")


def test_a_gate_without_a_price_is_named(tmp_path: Path) -> None:
    (tmp_path / "prices.tsv").write_text(GOOD.replace("*", "A & *"))
    prices = read_prices(tmp_path / "prices.tsv")
    assert [price.fixed for price in prices.of("A & B")] == [10.0]
    with pytest.raises(InputError, match=r"prices.tsv: no line is the price of 'C'; add one"):
        cheapest_panel(reach_of(HAND, gates=("A & B", "C", "D")), share=0.5, prices=prices)
    with pytest.raises(InputError, match="patients: found 0"):
        cheapest_panel(reach_of(HAND), share=0.5, prices=prices, patients=0)


@pytest.mark.parametrize("pattern", ["A&*", "A & *", "A &*", "*&*"])
def test_blanks_in_a_pattern_do_not_count(pattern: str) -> None:
    prices = Prices("p.tsv", (Price("*", "autologous", 1.0, 0.0, 2), Price(pattern, "autologous", 9.0, 0.0, 3)))
    assert [prices.of(gate)[0].fixed for gate in ("A & B", "A", "A | B")] == [9.0, 1.0, 1.0]


def test_a_bulk_patient_is_his_samples_and_a_patient_of_few_cells_is_left_out() -> None:
    symbols = ["A", "B"]
    normal = {"heart": {"d0": np.zeros((1, 2))}}
    bulk = observations(
        "samples", {"p0": np.array([[20.0, 0.0]]), "p1": np.array([[20.0, 0.0], [0.0, 20.0]])}, normal, symbols=symbols
    )
    panel = build_panel(bulk, symbols=symbols, required=REQUIRED)
    _, share = patient_shares(panel, gates=Gates.parse(["A", "B", "A & ~B", "A | B"], panel=panel))
    assert share.tolist() == [[1.0, 0.5], [0.0, 0.5], [1.0, 0.5], [1.0, 1.0]]
    half = np.array([[1, 0]] * 20 + [[0, 1]] * 20)
    cells = observations("cells", {"p0": half, "p1": half[:10]}, normal, symbols=symbols)
    panel = build_panel(cells, symbols=symbols, required=REQUIRED)
    people, share = patient_shares(panel, gates=Gates.parse(["A", "A & B", "A | B"], panel=panel))
    assert [panel.packed.donors[row] for row in people] == ["p0"]
    assert share.tolist() == [[0.5], [0.0], [1.0]]


COHORT_ANTIGENS = ["CEACAM5", "CLDN6", "CDH3", "ERBB2", "FOLR1", "MET", "MSLN", "RHCG"]


@pytest.mark.real_data
@pytest.mark.parametrize("tumor", ["read", "ucs", "chol", "kich", "all four"])
def test_in_real_cohorts_the_optimum_is_that_of_brute_force(shared_data: Path, tumor: str) -> None:
    """Eight antigens at 10 CPM, alone and all their pairs by AND: up to three of 36 gates, whatever their safety."""
    names = ["read", "ucs", "chol", "kich"] if tumor == "all four" else [tumor]
    carries = np.vstack([positive(shared_data, name) for name in names])
    pairs = list(combinations(range(len(COHORT_ANTIGENS)), 2))
    covers = np.hstack([carries, *(carries[:, [a]] & carries[:, [b]] for a, b in pairs)])
    best = [max(covers[:, c].any(axis=1).sum() for c in map(list, combinations(range(36), size))) for size in (1, 2, 3)]
    curve = panel_curve(reach_of(covers), most=3)
    assert [panel.n_served for panel in curve] == best[: len(curve)]
    assert len(curve) == 3 or best[len(curve)] == best[len(curve) - 1], "the curve stops where nobody is left"
    assert all(panel.gap == 0 for panel in curve)
    small = smallest_panel(reach_of(covers), share=best[1] / len(covers))
    assert len(small.products) == 1 + int(np.searchsorted(best, best[1]))


def positive(folder: Path, tumor: str) -> np.ndarray:
    path = folder / "bulk_counts_rnaseqdb" / f"{tumor}-rsem-count-tcga-t.txt.gz"
    counts = pd.read_csv(path, sep="\t", index_col=0).drop(columns="Entrez_Gene_Id")
    cpm = counts / counts.sum() * 1e6
    cpm.index = cpm.index.str.strip()
    return cpm.groupby(level=0).max().loc[COHORT_ANTIGENS].T.to_numpy() >= 10


PUBLISHED = (
    "EPHA2 IL6R MUC1 CR2 VIPR1 FGFR3 KDR FGFR4 EGFR EPHB4 MET GPC3 FGFR1 CD274 CD44 PTPRJ FOLH1 IL10RA NRP1 FGFR2 "
    "ANPEP CDH1 ERBB2 CDH2 APP"
)
"""The 25 genes that MadHitter selects of 38 in its lung example, at ratio 1.5 (example_output.txt there)."""


@pytest.mark.real_data
def test_madhitters_published_example_comes_out_as_published(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OR-only cover of cells: a gene hits a cell above 1.5 times the mean of the normal cells that show it."""
    monkeypatch.syspath_prepend("benchmarks")
    from panel import LUNG, MADHITTER, madhitter

    assert LUNG.parent == shared_data
    cells = [madhitter(LUNG, patient) for patient in range(1, 6)]
    assert [len(hit) for hit in cells] == [61, 101, 341, 117, 767]
    assert [len(cheapest_cover(hit, need=len(hit)).chosen) for hit in cells] == [6, 9, 8, 14, 9]
    together = np.vstack(cells)
    found = cheapest_cover(together, need=len(together))
    assert (len(found.chosen), found.gap) == (25, 0.0)
    assert {MADHITTER[at] for at in found.chosen} == set(PUBLISHED.split())


def make(folder: Path, factory: pytest.TempPathFactory) -> None:
    workplace(folder / "here", factory)
    (folder / "here" / "other.yaml").write_text(SMALL.replace("name: demo", "name: other"))
    with contextlib.chdir(folder / "here"):
        run(load_config("small.yaml"), last="gates")
        shutil.copytree("results/demo", "results/other")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "panelled", lambda path: make(path, tmp_path_factory)) / "here"


def test_the_command_leaves_tables_that_say_what_it_said(folder: Path) -> None:
    (folder / "prices.tsv").write_text(GOOD)
    told = command("panel", "small.yaml", "--share", "0.9", "--prices", "prices.tsv", folder=folder)
    assert told.returncode == 0, told.stderr
    table = read_table("panel", folder / "results/demo/panel/panel.parquet")
    known = table[table["scope"] == "not over cap"].set_index("question")
    assert list(known.index) == ["most patients", "fewest products", "least cost"]
    n = int(known["n_patients"].iloc[0])
    assert known["cost"].dropna().tolist() == [10 + 2 * needed(0.9, n)]
    assert "CEACAM5 & MSLN" in known.loc["fewest products", "products"] or known["n_served"].min() == n
    assert known["share_heldout"].notna().all()
    for product in known.loc["fewest products", "products"].split("; "):
        assert product in told.stdout
    products = read_table("panel_products", folder / "results/demo/panel/panel_products.parquet")
    assert set(products["product"]) <= set("; ".join(table["products"]).split("; "))
    assert "over cap" not in " ".join(products["classes"])
    assert len(read_table("panel_prices", folder / "results/demo/panel/panel_prices.parquet")) == 5
    assert not [path for path in (folder / "results/demo/panel").iterdir() if b"patient0" in path.read_bytes()]


def test_no_prices_of_an_earlier_call_are_left(folder: Path, tmp_path: Path) -> None:
    with contextlib.chdir(folder):
        config, prices = load_config("small.yaml"), Prices("p.tsv", (Price("*", "autologous", 10.0, 2.0, 2),))
        told = []
        for own in (prices, None):
            panel_into(tmp_path / "panel", configs=[config], asked=Asked(0.5, 0.5, own))
            told.append(sorted(path.name for path in (tmp_path / "panel").iterdir() if "prices" in path.name))
    assert told == [["panel_prices.parquet", "panel_prices.tsv"], []]


def test_two_runs_of_the_same_patients_are_one_basket(folder: Path) -> None:
    with contextlib.chdir(folder):
        runs = [open_run(f"{name}.yaml") for name in ("small", "other")]
        folds: list[pd.DataFrame] = []

        def fold_of(given: pd.DataFrame) -> None:
            folds.append(given)

        basket, fold = gather(runs, covers=0.5, fold_of=fold_of)
        alone, _ = gather(runs[:1], covers=0.5, fold_of=fold_of)
    assert fold is None
    assert basket.tumors == ("demo", "other")
    n = len(alone.tumor)
    np.testing.assert_array_equal(basket.covers, np.vstack([alone.covers, alone.covers]))
    assert folds[0]["donor"].tolist() == [*range(n)] * 2, "one person has one number, so he is held out whole"
    one, both = (smallest_panel(reach.within((0, 1)), share=1) for reach in (alone, basket))
    assert one.products == both.products
    assert both.n_served == 2 * one.n_served


def test_classes_are_those_of_the_run(folder: Path) -> None:
    with contextlib.chdir(folder):
        opened = open_run("small.yaml")
        listed = listed_gates(opened)
        reach, _ = gather([opened], covers=0.5, fold_of=lambda given: None)
        gates = opened.gates
    told = gates[gates["gate"].isin(listed)].drop_duplicates("gate").set_index("gate")["safety_class"].astype(str)
    found = dict(zip(reach.gates, reach.classes[0], strict=True))
    names = ("within caps", "origin only", "unknown", "over cap", "not scored")
    assert len(told) > 20
    assert {gate: names[found[gate]] for gate in told.index} == told.to_dict()
    assert not gates.loc[gates["is_redundant"].fillna(False).astype(bool), "gate"].isin(listed).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("small.yaml", "small.yaml"), "two of the runs are named 'demo'"),
        (("small.yaml", "--share", "80"), "share: found 80; expected a share above 0 and up to 1"),
        (("small.yaml", "--covers", "0"), "covers: found 0; expected a share above 0 and up to 1"),
        (("small.yaml", "--patients", "0"), "patients: found 0; expected 1 or more"),
        (("small.yaml", "--prices", "absent.tsv"), "absent.tsv: cannot be read"),
    ],
)
def test_a_wrong_question_is_one_message_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    told = command("panel", *arguments, folder=tmp_path)
    assert not (tmp_path / "results").exists()
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("error: ")
    assert message in told.stderr
