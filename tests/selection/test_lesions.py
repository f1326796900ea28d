"""Several lesions of one patient: from the label to the worst lesion, and what they do not change."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import cartarget
from cartarget.atlas.contract import validate_atlas
from cartarget.atlas.labels import label_cells
from cartarget.cell_labels import CellLabels
from cartarget.config import AtlasConfig
from cartarget.errors import ConfigError, InputError
from cartarget.evidence.intervals import fraction_interval
from cartarget.evidence.names import lesion_names
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import count_atlas
from cartarget.evidence.people import of_donors
from cartarget.evidence.store import read_part, write_part
from cartarget.selection.escape import escape_table
from cartarget.selection.lesions import lesion_coverage, patient_coverage
from cartarget.selection.screen import screen_antigens
from tests.evidence.test_join import named
from tests.panels import observations

HEART = {"heart": {"d1": np.zeros((3, 2)), "d2": np.zeros((3, 2))}}


def cells(n_a: int, n: int) -> np.ndarray:
    """Cells, the first of which carry A; all carry B."""
    return np.c_[np.arange(n) < n_a, np.ones(n)].astype(float)


def atlas(lesions: dict[str, list[tuple[str, int, int]]]) -> anndata.AnnData:
    """Patient → lesions: label, cells with A, cells."""
    tumor = {who: np.vstack([cells(a, n) for _, a, n in own]) for who, own in lesions.items()}
    adata = observations("cells", tumor, HEART, symbols=["A", "B"])
    labels = [label for own in lesions.values() for label, _, n in own for _ in range(n)]
    adata.obs["lesion"] = labels + [""] * (adata.n_obs - len(labels))
    return adata


def panel_of(*atlases: object) -> Panel:
    return build_panel(list(atlases), symbols=["A", "B"], required=["heart"])


PEOPLE = {
    "p1": [("primary", 36, 40), ("liver metastasis", 10, 40), ("biopsy", 0, 5)],
    "p2": [("primary", 30, 60)],
    "p3": [("", 4, 10), ("primary", 3, 4), ("MRN 77", 2, 4)],
}


def test_a_patient_is_covered_as_his_worst_lesion_and_both_are_told() -> None:
    table = patient_coverage(panel_of(atlas(PEOPLE)), ["A"]).set_index("patient")
    told = table[["n_cells", "n_lesions", "worst_lesion", "coverage", "coverage_worst"]]
    assert told.loc["patient 1"].tolist() == [85, 3, "liver metastasis", pytest.approx(46 / 85), 0.25], (
        "5 cells are few"
    )
    assert told.loc["patient 2"].tolist() == [60, 1, "", 0.5, 0.5]
    assert told.loc["patient 3"].tolist() == [18, 2, "lesion 1", 0.5, 0.5], "what is not told is no lesion"
    low, high = fraction_interval(0.25, 40)
    assert table.loc["patient 1", ["coverage_worst_lower", "coverage_worst_upper"]].tolist() == [low, high]
    weight = np.array([m / (1 + 0.3 * (m - 1)) for m in (85, 60, 18)])
    assert table.loc["all", "coverage"] == pytest.approx(weight @ [46 / 85, 0.5, 0.5] / weight.sum())
    assert table.loc["all", "coverage_worst"] == pytest.approx(weight @ [0.25, 0.5, 0.5] / weight.sum())
    low, high = fraction_interval(table.loc["all", "coverage_worst"], 3)
    assert table.loc["all", ["coverage_worst_lower", "coverage_worst_upper"]].tolist() == [low, high], (
        "3 patients, not 6"
    )


def test_each_lesion_is_counted_by_itself() -> None:
    table = lesion_coverage(panel_of(atlas(PEOPLE)), ["A", "A & B"])
    own = table[table["gate"] == "A"].set_index(["patient", "lesion"])
    assert own[["n_hit", "n_cells", "is_thin"]].apply(tuple, axis=1).to_dict() == {
        ("patient 1", "biopsy"): (0, 5, True),
        ("patient 1", "liver metastasis"): (10, 40, False),
        ("patient 1", "primary"): (36, 40, False),
        ("patient 2", "primary"): (30, 60, False),
        ("patient 3", "lesion 1"): (2, 4, True),
        ("patient 3", "primary"): (3, 4, True),
        ("patient 3", "not told"): (4, 10, True),
    }
    both = table[table["gate"] == "A & B"]
    assert both["n_hit"].tolist() == own["n_hit"].tolist()


def test_lesions_change_no_number_of_the_ranking() -> None:
    adata = atlas(PEOPLE)
    plain = adata.copy()
    del plain.obs["lesion"]
    one, other = panel_of(adata), panel_of(plain)
    np.testing.assert_array_equal(one.packed.words, other.packed.words)
    pd.testing.assert_frame_equal(one.populations, other.populations)
    pd.testing.assert_frame_equal(screen_antigens(one), screen_antigens(other))
    alone = patient_coverage(other, ["A"])
    assert (alone["worst_lesion"] == "").all() and (alone["coverage"] == alone["coverage_worst"]).all()


def test_the_escape_table_tells_the_worst_lesion() -> None:
    table = escape_table(panel_of(atlas(PEOPLE)), ["A"], ["B"]).set_index("patient")
    row = table.loc["patient 1"]
    assert (row["n_lesions"], row["worst_lesion"], row["left_worst_lesion"]) == (3, "liver metastasis", 0.75)
    assert row["left"] == pytest.approx(39 / 85)


def test_lesions_come_back_from_the_store_and_meet_in_one_patient(tmp_path: Path) -> None:
    """One file holds the primary, another the metastasis: one patient, two lesions."""
    first = named(atlas({"p1": [("primary", 40, 40)]}), "first")
    second = named(atlas({"p1": [("metastasis", 0, 40)], "p2": [("", 1, 1)]}), "second")
    parts = []
    for adata in (first, second):
        write_part(count_atlas(adata, symbols=["A", "B"]), tmp_path / adata.uns["cartarget"]["atlas"])
        parts.append(read_part(tmp_path / adata.uns["cartarget"]["atlas"]))
    panel = panel_of(*parts)
    table = patient_coverage(panel, ["A"])
    row = table.set_index("patient").loc["patient 1"]
    assert row[["n_lesions", "worst_lesion", "coverage", "coverage_worst"]].tolist() == [
        2, "metastasis", 0.5, 0.0
    ]  # fmt: skip
    again = of_donors(panel, np.arange(len(panel.packed.donors)))
    pd.testing.assert_frame_equal(patient_coverage(again, ["A"]), table)
    twice = of_donors(panel, [panel.packed.donors.index("p1")] * 2)
    assert patient_coverage(twice, ["A"])["n_lesions"].tolist() == [4, 2, 2]


def test_a_label_that_may_name_somebody_becomes_a_number() -> None:
    people = [1, 1, 1, 2]
    assert lesion_names(people, ["Lymph node, left", "Smith", "P1-L7", "Smith"]) == [
        "Lymph node, left", "lesion 2", "lesion 1", "lesion 1"
    ]  # fmt: skip


def labels(**columns: str | None) -> AtlasConfig:
    return AtlasConfig(name="mine", reader="h5ad", labels=CellLabels(malignant="what", **columns))


CELLS = pd.DataFrame(
    {"what": ["tumor", "tumor", "normal"], "who": ["p1", "p1", "p1"], "site": ["primary", "n/a", "primary"]},
    index=["c1", "c2", "c3"],
)


def test_the_column_of_the_lesion_is_read_for_malignant_cells() -> None:
    obs = label_cells(CELLS, atlas=labels(donor="who", lesion="site"), where="cells.tsv").obs
    assert obs["lesion"].tolist() == ["primary", "", ""]
    assert "lesion" not in label_cells(CELLS, atlas=labels(donor="who"), where="cells.tsv").obs


def test_lesions_of_an_unknown_patient_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"atlases.mine.labels.lesion: 'site' is named, but labels.donor is not"):
        label_cells(CELLS, atlas=labels(lesion="site"), where="cells.tsv")
    with pytest.raises(InputError, match="cell 'c2' has no donor"):
        label_cells(CELLS.assign(who=["p1", "", "p1"]), atlas=labels(donor="who", lesion="site"), where="cells.tsv")
    with pytest.raises(ConfigError, match=r"labels.lesion: cells.tsv has no column 'sit'; did you mean 'site'"):
        label_cells(CELLS, atlas=labels(donor="who", lesion="sit"), where="cells.tsv")


def test_an_anndata_of_ones_own_tells_its_lesions() -> None:
    adata = anndata.AnnData(np.eye(3, 2), obs=CELLS, var=pd.DataFrame(index=["A", "B"]))
    own = cartarget.from_anndata(adata, malignant="what", donor="who", lesion="site")
    assert own.obs["lesion"].tolist() == ["primary", "", ""]
    own.obs["lesion"] = [None, "", ""]
    with pytest.raises(InputError, match=r"obs\['lesion'\] is empty for 'c1'"):
        validate_atlas(own)
