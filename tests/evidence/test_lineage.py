"""Whose signal it is: planted lineages, brute-force correlation, and what cannot be told."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import spearmanr

from cartarget.errors import InputError
from cartarget.evidence.lineage import (
    follows,
    highest_normal,
    lineage_correlations,
    lineage_scores,
    read_gene_notes,
    read_markers,
    telling,
    whose_signal,
)

LIVER = ["ALB", "APOA1", "APOA2", "AHSG", "TF"]
IMMUNE = ["CD3D", "CD3E", "CD3G", "CD6"]
MARKERS = {"hepatocyte": LIVER, "T/NK": IMMUNE}


def cohort(n: int = 30, *, seed: int = 0) -> pd.DataFrame:
    """Mixtures in CPM: hepatocytes and T cells of varying share around a tumour whose own antigens vary by themselves.

    FGA is the hepatocyte's alone, CD4 the T cell's; OWN is the tumour's; BOTH is the tumour's, a hundredth of it the
    hepatocyte's; EVEN is the same everywhere.
    """
    rng = np.random.default_rng(seed)
    liver, immune = (np.exp(rng.normal(-4, 1.5, n)).clip(max=0.4) for _ in range(2))
    tumor = 1 - liver - immune

    def measured(cpm: np.ndarray) -> np.ndarray:
        return np.log2(cpm * np.exp(rng.normal(0, 0.15, n)) + 1)

    levels = {gene: measured(liver * 20_000) for gene in LIVER} | {gene: measured(immune * 900) for gene in IMMUNE}
    own = np.exp(rng.normal(4, 0.8, n))
    levels |= {
        "FGA": measured(liver * 9000),
        "CD4": measured(immune * 600),
        "OWN": measured(tumor * own),
        "BOTH": measured(tumor * own + liver * own.mean() / 100),
        "EVEN": np.full(n, 5.0),
    }
    return pd.DataFrame(levels, index=[f"p{i:02}" for i in range(n)])


def judged(levels: pd.DataFrame, **more: object) -> pd.DataFrame:
    symbols = ["FGA", "CD4", "OWN", "BOTH", "EVEN", "ABSENT", "ALB"]
    return whose_signal(levels, symbols=symbols, markers=MARKERS, **more)


@pytest.mark.parametrize("seed", range(5))
def test_an_antigen_of_the_hepatocytes_is_flagged_and_one_of_the_tumour_is_not(seed: int) -> None:
    found = judged(cohort(seed=seed))
    assert found.loc["FGA", ["lineage", "contaminant"]].tolist() == ["hepatocyte", "contaminant?"]
    assert found.loc["ALB", ["lineage", "contaminant"]].tolist() == ["hepatocyte", "contaminant?"]
    assert found.loc["CD4", ["lineage", "contaminant"]].tolist() == ["T/NK", "contaminant?"]
    assert found.loc[["OWN", "BOTH"], "contaminant"].tolist() == ["", ""]
    assert found.loc[["EVEN", "ABSENT"], "contaminant"].isna().all()
    assert (
        found.loc["FGA", "lineage_note"]
        == f"follows hepatocyte over 30 tumours (r {found.loc['FGA', 'lineage_r']:.2f})"
    )
    assert found.loc["ABSENT", "lineage_note"] == "not measured, or the same, in all 30 tumours"


@pytest.mark.parametrize("seed", range(3))
def test_correlations_are_those_of_plain_loops(seed: int) -> None:
    levels = cohort(12, seed=seed).round(1)  # rounding makes ties
    levels["ALB"] = 3.0  # a marker without spread does not count
    symbols = [*levels.columns]
    found = lineage_correlations(levels, symbols=symbols, markers=MARKERS)
    for symbol, (lineage, genes) in itertools.product(symbols, MARKERS.items()):
        used = [gene for gene in genes if gene != symbol and np.ptp(levels[gene].to_numpy()) > 0]
        scores = [
            np.mean([(levels.loc[i, g] - np.mean(levels[g])) / np.std(levels[g].to_numpy()) for g in used])
            for i in levels.index
        ]
        if len(used) < 3 or np.ptp(levels[symbol].to_numpy()) == 0:
            assert np.isnan(found.loc[symbol, lineage]), (symbol, lineage)
        else:
            assert found.loc[symbol, lineage] == pytest.approx(spearmanr(levels[symbol], scores).statistic, abs=1e-12)


def test_a_lineage_of_two_markers_has_no_score() -> None:
    levels = cohort()
    assert lineage_scores(levels, markers={"few": [*LIVER[:2], "EVEN", "ABSENT"]})["few"].isna().all()
    assert lineage_scores(levels, markers={"enough": LIVER[:3]})["enough"].notna().all()


def test_markers_that_do_not_move_together_tell_nothing() -> None:
    levels, rng = cohort(), np.random.default_rng(9)
    for gene in LIVER:
        levels[gene] = rng.permutation(levels[gene].to_numpy())
    levels["FGA"] = levels[LIVER].mean(axis=1)
    assert list(telling(levels, markers=MARKERS)) == ["T/NK"]
    found = judged(levels)
    assert lineage_correlations(levels, symbols=["FGA"], markers=MARKERS).loc["FGA", "hepatocyte"] > 0.8
    assert found.loc["FGA", ["lineage", "contaminant"]].tolist() == ["T/NK", ""]
    alone = whose_signal(levels, symbols=["FGA"], markers={"hepatocyte": LIVER}).loc["FGA"]
    assert (
        alone["contaminant"] is None
        and alone["lineage_note"] == "no lineage varies enough over these 30 tumours to tell"
    )


@pytest.mark.parametrize(
    ("n", "text"), [(9, "9 bulk tumours: too few to tell whose signal it is"), (0, "no bulk tumours")]
)
def test_too_few_tumours_are_unknown(n: int, text: str) -> None:
    found = judged(cohort().iloc[:n])
    assert found["contaminant"].isna().all() and found["lineage"].isna().all()
    assert found["lineage_note"].str.startswith(text).all()


def test_a_small_cohort_needs_a_higher_correlation() -> None:
    lowest = {
        n: next(r for r in np.arange(0.5, 1, 0.001) if follows(pd.Series([r]), n=n)[0]) for n in (10, 15, 31, 500)
    }
    assert lowest[10] > lowest[15] > lowest[31] == lowest[500] == pytest.approx(0.6, abs=0.0011)
    assert not follows(pd.Series([np.nan]), n=500)[0]


def test_malignant_cells_decide() -> None:
    malignant = pd.Series({"FGA": 0.4, "CD4": 0.02, "ABSENT": 0.7, "OWN": np.nan})
    found = judged(cohort(), malignant=malignant)
    assert found["contaminant"].reindex(["FGA", "CD4", "ABSENT", "OWN"]).tolist() == ["", "contaminant?", "", ""]
    assert found.loc["FGA", "lineage_note"].endswith("; 40 % of malignant cells carry it: the tumour's own")
    assert found.loc["CD4", "lineage_note"].endswith("; 2 % of malignant cells carry it")
    alone = judged(pd.DataFrame(), malignant=malignant)
    assert alone.loc["FGA", "contaminant"] == "" and alone.loc["CD4", "contaminant"] is None


def test_what_falls_with_purity_is_flagged_whatever_its_lineage() -> None:
    levels = cohort()
    purity = pd.Series(np.linspace(0.1, 0.9, 30), index=levels.index)
    levels["STROMA"] = 9 * (1 - purity) + np.tile([0, 0.5], 15)
    found = whose_signal(levels, symbols=["STROMA", "OWN"], markers=MARKERS, purity=purity)
    assert found["contaminant"].tolist() == ["contaminant?", ""]
    assert found.loc["STROMA", "purity_r"] == pytest.approx(spearmanr(levels["STROMA"], purity).statistic)
    assert found.loc["STROMA", "lineage_note"].startswith("falls with purity (r -0.9")
    few = whose_signal(levels, symbols=["STROMA"], markers=MARKERS, purity=purity.where(purity < 0.3))
    assert few["purity_r"].isna().all() and few["contaminant"].tolist() == [""]


def test_a_tumour_may_be_of_the_lineage_itself() -> None:
    assert set(read_markers()) - set(read_markers(indication="lihc")) == {"hepatocyte"}
    assert set(read_markers()) - set(read_markers(indication="ucs")) == {"fibroblast", "smooth muscle"}
    assert set(read_markers(indication="chol")) == set(read_markers())


def test_the_highest_normal_cell_type_is_that_of_the_first_summary_that_measured_it() -> None:
    def table(values: list[list[float]], types: list[str]) -> AnnData:
        adata = AnnData(np.array(values), var=pd.DataFrame(index=["A", "B"]))
        adata.obs["cell_type"] = types
        return adata

    tissues = table([[9.0, 9.0]], [""])
    first = table([[99.0, np.nan], [1.0, np.nan], [3.0, np.nan]], ["", "T cell", "B cell"])
    second = table([[7.0, 1.0], [8.0, 4.0]], ["plasma cell", "monocyte"])
    assert highest_normal([tissues, first, second], symbols=["B", "A"]).tolist() == ["monocyte", "B cell"]
    assert highest_normal([tissues], symbols=["A"]).isna().all()
    assert highest_normal([], symbols=["A"]).isna().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lineage\tsymbol\nx\tA\n", "column 'own_of' is missing"),
        ("lineage\town_of\tsymbol\nx\t\tA\nx\t\t\n", "line 3: symbol is empty"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "markers.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_markers(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_gene_notes(tmp_path / "none.tsv")
