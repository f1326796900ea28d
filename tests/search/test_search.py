from __future__ import annotations

import _thread
import io
import pickle
import signal
import sys
import threading
from collections.abc import Sequence

import anndata
import numpy as np
import pandas as pd
import pytest

import cartarget.search.objectives as o
from cartarget.errors import GateError, InputError
from cartarget.evidence.packed import Packed, pack
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import shapes
from cartarget.search.search import search_gates
from cartarget.search.template import Template
from tests.search.reference import brute_force, instance, packed, scores

OBJECTIVES = {
    "pooled": o.pooled(specificity=0.7),
    "mean": o.worst_population(cap=0.4),
    "p10": o.worst_population(cap=0.4, statistic="p10"),
    "selectivity": o.selectivity(),
    "selectivity-mean": o.selectivity(statistic="mean"),
    "rank": o.rank(),
    "custom": o.custom(lambda c, e: c.min() - e.mean(), name="least minus mean"),
}


def described(seed: int, tissues: int = 3) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "population": [f"n{i}" for i in range(tissues)],
            "cap": random.choice([0.1, 0.4, 0.7], tissues),
            "weight": random.choice([1.0, 0.5, 0.1], tissues),
            "is_origin": random.random(tissues) < 0.3,
        }
    )


SYMBOLS = ["G10", "G2", "G1", "HLA-A", "HLA", "two words", "ζ", "g1"]


def compare(
    seed: int, templates: Sequence[str], name: str, *, n: int, negate: bool = True, not_only: bool = False,
    top: int = 8, holes: bool = False,
) -> None:  # fmt: skip
    """Search and brute force list the same gates in the same order; `holes`: unmeasured antigens, and bulk samples."""
    random = np.random.default_rng(seed)
    positive, labels = instance(seed, n=n)
    meta, objective = described(seed), OBJECTIVES[name]
    data, measured = packed(positive, labels, SYMBOLS[:n]), None
    if holes:
        meta["evidence"] = random.choice(["cells", "samples"], len(meta))
        is_measured = random.random(data.is_measured.shape) < 0.85
        data = Packed(data.symbols, data.words, data.segments, data.populations, is_measured)
        measured = pd.DataFrame(is_measured, columns=data.populations["population"])
    found = search_gates(
        data, objective=objective, templates=templates, negate=negate, not_only=not_only, top=top,
        populations=meta, progress=False, n_threads=1,
    )  # fmt: skip
    expected, total = brute_force(
        positive, labels, [Template.of(text, negate=negate) for text in templates], objective,
        meta.set_index("population"), symbols=SYMBOLS, top=top, not_only=not_only, measured=measured,
    )  # fmt: skip
    where = f"seed {seed}, {templates}, {name}, holes {holes}"
    assert found.certificate["is_exact"].all(), where
    assert found.table["gate"].tolist() == [text for *_, text in expected], where
    assert np.allclose(found.table["score"], [score for score, *_ in expected]), where
    assert np.allclose(found.table["exposure"], [worst for _, worst, _ in expected]), where
    assert found.certificate["n_gates"].sum() == total, where


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("n_literals", [1, 2, 3])
def test_small_templates_equal_brute_force(name: str, n_literals: int) -> None:
    for template in shapes(n_literals):
        for seed in range(45):
            compare(seed, [template], name, n=3 + seed % 4, holes=seed % 3 == 0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_large_templates_equal_brute_force(name: str) -> None:
    for place, template in enumerate((*shapes(4), *shapes(5))):
        for seed in range(5 if place < 10 else 1):
            compare(100 * place + seed, [template], name, n=5, holes=seed == 1)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_several_templates_share_one_list(name: str) -> None:
    for seed in range(12):
        compare(seed, ["A", *shapes(2), *shapes(3)], name, n=4, top=20, holes=seed % 2 == 0)


@pytest.mark.parametrize(
    "template", ["A & ~B", "A | ~B", "(A | ~B) & C", "A & ~B & ~C", "(A & ~B) | C", "A & B & ~C & ~D"]
)
def test_given_signs_and_not_only_gates_equal_brute_force(template: str) -> None:
    for seed in range(12):
        for name in ("mean", "selectivity"):
            compare(seed, [template], name, n=5, negate=False, not_only=True, holes=seed % 2 == 0)
            compare(seed, [template], name, n=4, not_only=True)


def test_one_rule_written_twice_is_searched_once() -> None:
    data = packed(*instance(4, n=8))
    for texts in (["(A | ~B) & (C | D)", "(A | B) & (~C | D)"], ["A & ~B", "~X & Y"], ["(A | ~B) & C", "C & (~A | B)"]):
        both, one = (search_gates(data, templates=t, negate=False, progress=False) for t in (texts, texts[:1]))
        assert len(both.certificate) == 1
        pd.testing.assert_frame_equal(both.table, one.table)


@pytest.mark.parametrize("objective", ["worst_population", "selectivity"])
@pytest.mark.parametrize("template", ["~A", "A | ~B", "(A & (B | ~C)) | ~D"])
def test_a_template_of_not_only_gates_has_none(template: str, objective: str) -> None:
    found = search_gates(
        packed(*instance(4, n=12)), objective=objective, templates=[template], negate=False, progress=False
    )
    assert not len(found.table)
    assert found.certificate["n_gates"].item() == 0
    assert "needs no antigen to kill" in found.certificate["note"].item()


def medium(seed: int = 0, n: int = 40) -> Packed:
    return packed(*instance(seed, n=n, patients=5, tissues=6, cells=90))


def test_any_number_of_threads_and_any_start_give_the_same_result() -> None:
    data = medium()
    one, two, five = (
        search_gates(data, templates=["A & B & C", "A & (B | C)"], n_threads=n, progress=False) for n in (1, 2, 5)
    )
    for other in (two, five):
        pd.testing.assert_frame_equal(one.table, other.table)
        same = [name for name in one.certificate if name != "seconds"]
        pd.testing.assert_frame_equal(one.certificate[same], other.certificate[same])


def test_an_anndata_is_searched_as_its_packed_positivity() -> None:
    positive, labels = instance(5, n=6)
    names = pd.DataFrame(index=[f"G{i}" for i in range(6)])
    obs = labels.set_index(pd.Index([f"c{i}" for i in range(len(labels))]))
    counts = positive * np.random.default_rng(0).integers(1, 4, positive.shape)
    adata = anndata.AnnData(counts.astype(np.float32), obs=obs, var=names)
    expected = search_gates(packed(positive, labels), progress=False).table
    pd.testing.assert_frame_equal(search_gates(adata, progress=False).table, expected)
    expected = search_gates(packed(counts >= 2, labels), progress=False).table
    pd.testing.assert_frame_equal(search_gates(adata, threshold=2, progress=False).table, expected)
    adata.X[3, 2] = np.nan
    with pytest.raises(InputError, match="'G2' is NaN in observation 3"):
        search_gates(adata, progress=False)


def test_order_of_antigens_does_not_matter() -> None:
    positive, labels = instance(5, n=9)
    order = np.random.default_rng(0).permutation(9)
    names = [f"G{i}" for i in range(9)]
    first = packed(positive, labels)
    second = pack(
        positive[:, order], symbols=[names[i] for i in order], population=labels["population"], donor=labels["donor"],
        side=labels["side"],
    )  # fmt: skip
    found = [search_gates(data, templates=shapes(3), progress=False) for data in (first, second)]
    pd.testing.assert_frame_equal(found[0].table, found[1].table)


def test_table_says_what_each_gate_does() -> None:
    positive, labels = instance(7, n=8, patients=4)
    found = search_gates(packed(positive, labels), objective="selectivity", templates=shapes(3), progress=False)
    frame = {f"G{i}": positive[:, i] for i in range(8)}
    meta = pd.DataFrame(index=["n0", "n1", "n2"])
    for row in found.table.itertuples():
        gate = Gate.parse(row.gate)
        hit = gate.evaluate(frame)
        value, worst = scores(hit[None, :], labels, found.objective, meta)
        assert row.score == pytest.approx(value[0]) and row.exposure == pytest.approx(worst[0])
        by = pd.Series(hit).groupby(labels["population"]).mean()
        patients = by[[name for name in by.index if name.startswith("p")]]
        assert row.coverage == pytest.approx(patients.mean())
        assert row.coverage_p10 == pytest.approx(np.quantile(patients, 0.1))
        assert by[row.exposure_population] == pytest.approx(row.exposure)
        sub = Gate.parse(row.best_sub_gate)
        best, _ = scores(sub.evaluate(frame)[None, :], labels, found.objective, meta)
        assert row.gain == pytest.approx(value[0] - best[0])
        assert set(sub.antigens) < set(gate.antigens)


def test_shortlist_holds_one_row_an_idea() -> None:
    positive, labels = instance(11, n=12)
    positive[:, 1] = False  # a blocker that blocks nothing
    data = packed(positive, labels)
    found = search_gates(data, templates=["A & B & C"], objective=OBJECTIVES["mean"], progress=False)
    assert len(found.table) == 100
    assert found.shortlist["idea"].is_unique
    assert found.shortlist["gate"].iloc[0] == found.table["gate"].iloc[0]
    assert not found.table["core"].str.contains("~G1\\b").any()


def test_no_budget_gives_a_bound_and_resuming_the_whole() -> None:
    data = medium()
    whole = search_gates(data, templates=["A & B & C", "A | B"], progress=False)
    none = search_gates(data, templates=["A & B & C", "A | B"], time_budget=0, progress=False)
    assert not none.certificate["is_exact"].any()
    assert (none.certificate["bound"].to_numpy() >= whole.certificate["best"].to_numpy()).all()
    assert np.isfinite(none.certificate["bound"]).all()
    kept = pickle.loads(pickle.dumps(none))
    resumed = search_gates(data, templates=["A & B & C", "A | B"], resume=kept, progress=False)
    pd.testing.assert_frame_equal(resumed.table, whole.table)
    with pytest.raises(InputError, match="resume"):
        search_gates(data, templates=["A & B & C"], objective="selectivity", resume=none, progress=False)


def test_short_budgets_add_up_and_bounds_never_lie() -> None:
    data = packed(*instance(3, n=60, patients=4, tissues=4, cells=200))
    options = {"objective": "selectivity", "templates": ["(A | B) & (C | D)"], "progress": False, "top": 5}
    whole = search_gates(data, **options, time_budget=1e6)
    found, budget, stops = search_gates(data, **options, time_budget=0), 0.05, []
    while not found.certificate["is_exact"].all():
        stops.append(found.certificate.iloc[0])
        found = search_gates(data, **options, time_budget=budget, resume=found)
        budget *= 2  # however slow the machine, some budget is enough
    pd.testing.assert_frame_equal(found.table, whole.table)
    bounds, best = (np.array([stop[name] for stop in stops]) for name in ("bound", "best"))
    assert (bounds >= whole.table["score"].iloc[0]).all() and (np.diff(bounds) <= 0).all()
    assert (np.diff(best[~np.isnan(best)]) >= 0).all()


class Watched(io.StringIO):
    """A place for progress bars that interrupts the main thread, once, after a first gate was found."""

    timer: threading.Timer | None = None

    def write(self, text: str) -> int:
        if "best=" in text and "best=none" not in text and self.timer is None:
            self.timer = threading.Timer(0.2, _thread.interrupt_main)
            self.timer.start()
        return super().write(text)


def test_an_interrupt_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2e15 gates, and bounds that close none of them for long: only the interrupt ends it
    data = packed(*instance(3, n=1500, patients=4, tissues=4, cells=200))
    templates = ["A & B & C & D & E", "A & B"]
    bars, usual = Watched(), signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "stderr", bars)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        found = search_gates(data, objective="selectivity", templates=templates, time_budget=1e6)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)
        if bars.timer is not None:
            bars.timer.cancel()
            bars.timer.join()
    assert not found.certificate["is_exact"].any()
    assert len(found.table) and found.certificate["gap"].iloc[0] > 0
    best = Gate.parse(found.table["gate"].iloc[0])
    assert best.shape and found.certificate["best"].iloc[0] == found.table["score"].iloc[0]


def test_unmeasured_antigens_never_help() -> None:
    positive, labels = instance(2, n=4)
    data = packed(positive, labels)
    measured = data.is_measured.copy()
    liver = data.populations["population"].tolist().index("n1")
    measured[0, liver] = False
    unknown = Packed(data.symbols, data.words, data.segments, data.populations, measured)
    found = search_gates(unknown, objective="selectivity", templates=["A"], progress=False, top=9).table.set_index(
        "gate"
    )
    assert found.loc["G0", "exposure"] == 1.0 and found.loc["G0", "exposure_population"] == "n1"
    pairs = search_gates(unknown, objective="selectivity", templates=["A & B"], progress=False, top=99).table
    with_blocker = pairs[pairs["gate"].str.contains("~G0")]
    known = search_gates(data, objective="selectivity", templates=["A & B"], progress=False, top=99).table
    for row in with_blocker.itertuples():
        assert row.score <= known.set_index("gate").loc[row.gate, "score"] + 1e-12


def test_a_blocker_earns_no_credit_in_samples() -> None:
    positive, labels = instance(2, n=4)
    populations = pd.DataFrame({"population": ["n0", "n1", "n2"], "evidence": "samples"})
    found = search_gates(
        packed(positive, labels),
        objective="selectivity",
        templates=["A & B"],
        populations=populations,
        progress=False,
        top=99,
    ).table.set_index("gate")
    single = search_gates(packed(positive, labels), objective="selectivity", templates=["A"], progress=False)
    exposure = single.table.set_index("gate")["exposure"]
    blocked = [gate for gate in found.index if "~" in gate]
    assert blocked
    for gate in blocked:
        assert found.loc[gate, "exposure"] == pytest.approx(exposure[gate.split(" & ~")[0]])


def test_contradictory_caps_say_by_how_much() -> None:
    labels = pd.DataFrame(
        {"population": ["p"] * 4 + ["heart"] * 4, "side": ["tumor"] * 4 + ["normal"] * 4, "donor": "d"}
    )
    positive = np.array([[1, 1], [1, 1], [1, 0], [0, 1], [1, 1], [1, 1], [1, 0], [0, 1]], dtype=bool)
    found = search_gates(packed(positive, labels), templates=["A & B"], negate=False, progress=False)
    assert not len(found.table)
    note = found.certificate["note"].item()
    assert "infeasible" in note and "G0 & G1" in note and "'heart'" in note and "0.45 above its cap of 0.05" in note


def test_constant_antigens_and_single_cells() -> None:
    labels = pd.DataFrame({"population": ["p", "q", "n"], "side": ["tumor", "tumor", "normal"], "donor": "d"})
    positive = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0]], dtype=bool)
    found = search_gates(packed(positive, labels), templates=shapes(3), progress=False)
    assert found.table["gate"].iloc[0] == "G0 & (G1 | G2)"
    assert found.table["score"].iloc[0] == 0.5


def test_bad_input_is_named() -> None:
    positive, labels = instance(0, n=3)
    data = packed(positive, labels)
    with pytest.raises(InputError, match="needs 4 antigens, but the data holds 3"):
        search_gates(data, templates=["A & B & C & D"])
    with pytest.raises(GateError, match="character 5"):
        search_gates(data, templates=["A & & B"])
    with pytest.raises(GateError, match="6 literals"):
        search_gates(data, templates=["A & B & C & D & E & F"])
    with pytest.raises(GateError, match="repeats an antigen"):
        search_gates(data, templates=["(A & B) | (~A & ~B)"])
    with pytest.raises(InputError, match="objective 'best' is unknown"):
        search_gates(data, objective="best")
    with pytest.raises(InputError, match="top is 0"):
        search_gates(data, top=0)
    with pytest.raises(InputError, match="time_budget is -1"):
        search_gates(data, time_budget=-1)
    with pytest.raises(InputError, match="templates is empty"):
        search_gates(data, templates=[])
    with pytest.raises(InputError, match="'brain' is not among"):
        search_gates(data, populations=pd.DataFrame({"population": ["brain"], "cap": [0.1]}))
    with pytest.raises(InputError, match="'n0' stands in two rows"):
        search_gates(data, populations=pd.DataFrame({"population": ["n0", "n0"], "cap": [0.1, 0.2]}))
    ratio = o.custom(lambda c, e: c.mean() / e.max(), name="ratio")
    with pytest.raises(InputError, match="'ratio' is nan for a gate that hits nothing"):
        search_gates(data, objective=ratio, templates=["A"], progress=False)
    with pytest.raises(InputError, match="'n0': cap is 2"):
        search_gates(data, populations=pd.DataFrame({"population": ["n0"], "cap": [2.0]}))
    for side, expected in (("normal", "no tumour patient"), ("tumor", "no normal population")):
        with pytest.raises(InputError, match=expected):
            search_gates(packed(positive, labels.assign(side=side)))
    with pytest.raises(InputError, match="does not compile"):
        search_gates(
            data, objective=o.custom(lambda c, e: str(c).encode(), name="bad"), templates=["A"], progress=False
        )


def test_a_bound_of_ones_own_is_used() -> None:
    positive, labels = instance(9, n=6)
    odd = o.custom(
        lambda c, e: np.sin(20 * c.sum()) - e.max(), name="odd", bound=lambda c, e: 1.0 - e.max()
    )  # not monotone in coverage
    found = search_gates(packed(positive, labels), objective=odd, templates=["A & B & C"], top=10, progress=False)
    expected, _ = brute_force(
        positive, labels, [Template.of("A & B & C", negate=True)], odd, pd.DataFrame(index=["n0", "n1", "n2"]),
        symbols=[f"G{i}" for i in range(6)], top=10,
    )  # fmt: skip
    assert found.table["gate"].tolist() == [text for *_, text in expected]


@pytest.mark.parametrize("gap", [None, float("nan"), "nan", ""])
def test_a_missing_donor_is_no_patient(gap: object) -> None:
    """Two of four malignant cells have no donor: as a patient of their own they would halve the coverage."""
    obs = pd.DataFrame({"side": "tumor", "donor": ["P1", "P1", gap, gap]}, index=list("abcd"))
    obs.loc["e"] = ["normal", "D1"]
    obs["population"] = obs["side"]
    adata = anndata.AnnData(np.ones((5, 2), dtype=np.float32), obs=obs, var=pd.DataFrame(index=["A", "B"]))
    with pytest.raises(InputError, match=r"donor holds .* for 2 of 5 observations \(tumor 2\)"):
        search_gates(adata, templates=["A & B"], progress=False)
