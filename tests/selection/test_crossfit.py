"""Selection without flattery: one person, one fold; the corrected estimate meets the truth, the naive one does not."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.errors import InputError
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.people import gifts, of_donors
from cartarget.logic.batch import Gates
from cartarget.selection.crossfit import QUANTITIES, crossfit, deal, plain_scores
from cartarget.selection.screen import score_gates
from tests.panels import REQUIRED, observations, summary

NORMAL = ("heart", "lung", "skin")


def world(
    seed: int, *, genes: int = 30, patients: int = 30, donors: int = 25
) -> tuple[anndata.AnnData, np.ndarray, np.ndarray]:
    """Bulk samples of independent antigens with known rates: tumour genes, and normal tissues × genes."""
    rng = np.random.default_rng(seed)
    tumor, normal = rng.beta(4, 2, genes), rng.choice([0.0, 0.03, 0.2], (len(NORMAL), genes))
    draw = lambda rate: (rng.random((1, genes)) < rate) * 20.0  # noqa: E731
    adata = observations(
        "samples",
        {f"p{i}": draw(tumor) for i in range(patients)},
        {name: {f"{name}{i}": draw(rate) for i in range(donors)} for name, rate in zip(NORMAL, normal, strict=True)},
        symbols=[f"G{i}" for i in range(genes)],
    )
    return adata, tumor, normal


def panel_of(adata: anndata.AnnData, **more: object) -> Panel:
    return build_panel(adata, symbols=list(adata.var_names), required=REQUIRED, **more)


def fold_of(adata: anndata.AnnData, panel: Panel, *, folds: int) -> np.ndarray:
    """Fold of each observation."""
    fold = deal(gifts(panel), folds=folds, seed=0)
    return fold[[panel.packed.donors.index(name) for name in adata.obs["donor"]]]


def true_coverage(gates: Gates, rate: np.ndarray) -> np.ndarray:
    out = np.empty(len(gates))
    rule = {
        "A": lambda a: a,
        "A | B": lambda a, b: a + b - a * b,
        "A & B": np.multiply,
        "A & ~B": lambda a, b: a - a * b,
    }
    for shape, at, rows in gates.batches():
        out[at] = rule[str(shape)](*rate[rows].T)
    return out


def test_the_corrected_coverage_is_unbiased_where_the_naive_one_is_not() -> None:
    naive, corrected = [], []
    for seed in range(12):
        adata, tumor, _ = world(seed)
        panel = panel_of(adata)
        found = crossfit(panel, candidates=panel.symbols, top=10, progress=False)
        gates = Gates.parse(found.gates["gate"], panel=panel)
        truth = np.average(true_coverage(gates, tumor), weights=found.gates["n_chosen"])
        row = found.procedure.set_index("quantity").loc["coverage"]
        naive.append(row["training"] - truth)
        corrected.append(row["corrected"] - truth)
    naive, corrected = np.array(naive), np.array(corrected)
    error = corrected.std(ddof=1) / np.sqrt(len(corrected))
    assert abs(corrected.mean()) < 3 * error
    assert naive.mean() > 3 * naive.std(ddof=1) / np.sqrt(len(naive))
    assert naive.mean() > 0.04, "the search flatters itself, or this test shows nothing"


def test_a_person_is_in_one_fold_whatever_the_side() -> None:
    given = pd.DataFrame(
        {
            "donor": [*range(20), *range(6), *range(20, 24), *range(20, 24)],
            "side": ["tumor"] * 20 + ["normal"] * 14,
            "tissue": ["tumor"] * 20 + ["rectum"] * 6 + ["rectum"] * 4 + ["lung"] * 4,
        }
    )
    for seed in range(5):
        of_donor = deal(given, folds=5, seed=seed)
        assert of_donor.shape == (24,) and set(of_donor) == set(range(5)), "each person is in exactly one fold"
        fold = of_donor[given["donor"]]
        patients = pd.Series(fold[:20]).value_counts()
        assert patients.max() - patients.min() <= 2 and len(patients) == 5
        rectal = pd.Series(fold[20:30]).value_counts()
        assert rectal.max() <= 3, "small tissues are spread over the folds"
    assert not np.array_equal(deal(given, folds=5, seed=0), deal(given, folds=5, seed=1))


def test_held_out_people_have_no_part_in_the_choice() -> None:
    """Spoiling the held-out people's samples must change what is measured on them, and nothing that was chosen."""
    adata, _, _ = world(3)
    panel = panel_of(adata)
    fold = fold_of(adata, panel, folds=3)
    chosen = crossfit(panel, candidates=panel.symbols, folds=3, top=5, progress=False)
    spoilt = adata.copy()
    spoilt.X[(fold == 0) & (adata.obs["side"] == "tumor").to_numpy()] = 0
    again = crossfit(panel_of(spoilt), candidates=panel.symbols, folds=3, top=5, progress=False)
    pick = lambda found: found.folds.set_index(["quantity", "fold"]).loc[("coverage", 0)]  # noqa: E731
    assert pick(chosen)["training"] == pick(again)["training"]
    assert pick(chosen)["held_out"] > 0.5 and pick(again)["held_out"] == 0


def test_the_same_bytes_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    adata, _, _ = world(1, genes=70)
    panel = panel_of(adata)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=threads: set(range(n)), raising=False)
        found.append(crossfit(panel, candidates=panel.symbols, folds=3, top=5, progress=False))
    for name in ("procedure", "folds", "gates"):
        pd.testing.assert_frame_equal(getattr(found[0], name), getattr(found[1], name), check_exact=True)


def test_shrinkage_and_counts_add_up() -> None:
    adata, _, _ = world(2)
    panel = panel_of(adata)
    found = crossfit(panel, candidates=panel.symbols, top=5, gates=["G0 | G1"], progress=False)
    table = found.procedure
    assert table["quantity"].tolist() == list(QUANTITIES)
    np.testing.assert_allclose(table["shrinkage"], table["training_matched"] - table["held_out"])
    np.testing.assert_allclose(table["corrected"], table["training"] - table["shrinkage"])
    assert (table["corrected_lower"] <= table["corrected"]).all()
    assert (table["corrected"] <= table["corrected_upper"]).all()
    assert found.gates["n_chosen"].sum() == found.folds.drop_duplicates("fold")["n_chosen"].sum() == 25
    one_fold = found.folds.drop_duplicates("fold")
    assert one_fold["n_patients"].sum() == 30 and one_fold["n_donors"].sum() == 75
    asked = found.gates.set_index("gate").loc["G0 | G1"]
    assert asked["n_chosen"] >= 0 and (asked["n_chosen"] > 0 or np.isnan(asked["coverage_heldout"]))


def test_a_part_of_the_panel_counts_only_its_people_and_keeps_the_design() -> None:
    adata, _, _ = world(4, donors=22)
    panel = panel_of(adata, summaries=[summary({"heart": [30.0] * 30}, symbols=list(adata.var_names))])
    rows = fold_of(adata, panel, folds=2) == 0
    part = of_donors(panel, np.flatnonzero(deal(gifts(panel), folds=2, seed=0) == 0))
    assert part.populations["n_observations"].sum() == rows.sum()
    normal = part.populations["side"] == "normal"
    assert not part.populations.loc[normal, "is_thin"].any(), "11 donors of a tissue that has 22 are not a thin tissue"
    assert part.populations.loc[normal, "n_effective"].tolist() == [11.0] * 3
    np.testing.assert_array_equal(part.is_above, panel.is_above)
    tumor = rows & (adata.obs["side"] == "tumor").to_numpy()
    np.testing.assert_allclose(part.fraction[:, 0], (adata.X[tumor] >= 10).mean(axis=0))


def test_plain_scores_agree_with_fractions_counted_by_hand() -> None:
    adata, _, _ = world(5)
    panel = panel_of(adata)
    gates = Gates.parse(["G0", "G0 & G1", "G0 | G1", "G0 & ~G1"], panel=panel)
    scores = plain_scores(panel, gates=gates)
    x, y = adata.X[:, 0] >= 10, adata.X[:, 1] >= 10
    place = adata.obs["population"].to_numpy()
    weight = {"heart": 1.0, "lung": 1.0, "skin": 0.5}
    for row, (tumor, normal) in enumerate([(x, x), (x & y, x & y), (x | y, x | y), (x & ~y, x)]):
        load = [weight[name] * normal[place == name].mean() for name in NORMAL]
        assert scores.loc[row, "coverage"] == pytest.approx(tumor[place == "tumor"].mean())
        assert scores.loc[row, "exposure"] == pytest.approx(np.mean(load))
        assert scores.loc[row, "liability"] == pytest.approx(max(load))
    table = score_gates(panel, gates=gates)
    np.testing.assert_allclose(scores["coverage"], table["coverage"])


@pytest.mark.parametrize(
    ("patients", "donors", "folds", "message"),
    [
        (1, 25, 5, "patients; the atlas has 1; nothing can be held out"),
        (4, 25, 5, "patients; the atlas has 4; give at most 4 folds"),
        (30, 25, 1, "at least 2"),
    ],
)
def test_too_few_patients(patients: int, donors: int, folds: int, message: str) -> None:
    adata, _, _ = world(0, patients=patients, donors=donors)
    panel = panel_of(adata)
    with pytest.raises(InputError, match=message):
        crossfit(panel, candidates=panel.symbols, folds=folds, progress=False)


def test_one_normal_donor() -> None:
    adata, _, _ = world(0, genes=5)
    adata.obs["donor"] = adata.obs["donor"].where(adata.obs["side"] == "tumor", "only")
    panel = panel_of(adata)
    with pytest.raises(InputError, match="normal donors; the atlas has 1"):
        crossfit(panel, candidates=panel.symbols, progress=False)


def test_nothing_eligible_gives_missing_numbers_not_zeros() -> None:
    adata, _, _ = world(0, genes=4)
    adata.X[:] = 0
    panel = panel_of(adata)
    found = crossfit(panel, candidates=panel.symbols, folds=2, gates=["G0 & G1"], progress=False)
    assert found.gates["n_chosen"].tolist() == [0]
    assert found.procedure["held_out"].isna().all() and found.procedure["corrected"].isna().all()
    assert found.procedure["corrected_lower"].tolist() == [0, 0, 0, -1]
    assert found.procedure["corrected_upper"].tolist() == [1, 1, 1, 1]
