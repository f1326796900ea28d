"""What labels say of a cell, and that none of them hides harm: nobody's cells, nameless values, spellings."""

from __future__ import annotations

import re

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas.contract import assemble, validate_atlas
from cartarget.atlas.harmonise import harmonise
from cartarget.atlas.labels import Labelled, label_cells
from cartarget.atlas.names import is_missing
from cartarget.config import AtlasConfig, CellLabels, parse_config
from cartarget.errors import ConfigError, InputError
from cartarget.safety.tiers import read_tiers

NOTHING = ["nan", "NaN", "None", "NA", "N/A", "n/a", "<NA>", "unknown", "Unknown", "not stated", "", " ", "null", None]


def labelled(cells: dict[str, list[object]], *, tissue: str | None = "colon", **labels: object) -> Labelled:
    n = len(next(iter(cells.values())))
    frame = pd.DataFrame(cells, index=[f"c{i}" for i in range(n)])
    atlas = AtlasConfig(name="mine", reader="h5ad", tissue=tissue, labels=CellLabels.model_validate(labels))
    return label_cells(frame, atlas=atlas, where="cells.h5ad: obs")


@pytest.mark.parametrize("word", NOTHING)
def test_a_donor_that_names_nobody_is_refused(word: object) -> None:
    cells = {"side": ["tumor", "normal", "normal", "normal"], "who": ["P1", "P1", word, word]}
    with pytest.raises(InputError) as error:
        labelled(cells, donor="who")
    text = str(error.value)
    assert "cell 'c2' has no donor: atlas 'mine', column 'who' holds" in text
    assert "for 2 of 4 observations (normal 2)" in text
    assert "give their donors, or leave them out (labels.exclude_values" in text


def test_the_sides_of_nobodys_cells_are_counted() -> None:
    cells = {"side": ["tumor", "tumor", "normal", "normal"], "who": ["nan", "P1", "nan", "unknown"]}
    with pytest.raises(
        InputError, match=re.escape("holds 'nan', 'unknown' for 3 of 4 observations (normal 2, tumor 1)")
    ):
        labelled(cells, donor="who")


def test_a_pattern_may_cut_out_nobody() -> None:
    cells = {"side": ["tumor", "normal"], "who": ["P1_a", "unknown_b"]}
    with pytest.raises(InputError, match=r"'who', cut by labels\.donor_pattern, holds 'unknown' for 1 of 2"):
        labelled(cells, donor="who", donor_pattern="^([^_]+)_")


def test_nobodys_cells_can_be_left_out_by_name() -> None:
    cells = {"side": ["tumor", "normal", "normal"], "who": ["P1", "Unknown ", "P2"]}
    found = labelled(cells, donor="who", exclude_values=["unknown"])
    assert found.is_kept.tolist() == [True, False, True]
    assert found.notes == ["1 observation left out: named in labels.exclude_values"]


def test_a_cell_that_is_left_out_needs_no_donor() -> None:
    cells = {"label": ["yes", "no", "unknown"], "who": ["P1", "P2", "nan"]}
    assert labelled(cells, malignant="label", donor="who").obs["donor"].tolist() == ["P1", "P2"]


def test_without_a_column_of_donors_all_are_of_one() -> None:
    assert labelled({"side": ["tumor", "normal"]}).obs["donor"].tolist() == ["mine", "mine"]


@pytest.mark.parametrize("kind", ["cells", "samples"])
@pytest.mark.parametrize("check", ["validate", "harmonise"])
def test_no_reader_and_no_atlas_of_ones_own_may_have_nobodys_observations(kind: str, check: str) -> None:
    obs = pd.DataFrame(
        {
            "side": ["tumor", "normal"],
            "donor": ["P1", "nan"],
            "tissue": ["tumor", "colon"],
            "cell_type": "",
            "dataset": "d",
        },
        index=["a", "b"],
    )
    genes = pd.DataFrame({"given": ["X"]}, index=["X"])
    lost = pd.DataFrame({"name": [], "reason": []})
    adata = assemble(np.ones((2, 1)), obs=obs, genes=genes, kind=kind, unit="counts", atlas="mine", files=[], lost=lost)
    with pytest.raises(
        InputError, match=r"atlas 'mine': obs\['donor'\] holds 'nan' for 1 of 2 observations \(normal 1\)"
    ):
        if check == "validate":
            validate_atlas(adata)
        else:
            harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])


@pytest.mark.parametrize(
    ("malignant", "normal"),
    [("yes", "no"), ("Yes", "No"), ("true", "false"), ("True", "False"), (True, False), (1, 0), (1.0, 0.0), ("1", "0"),
     ("malignant", "normal"), ("Tumor ", "Normal"), ("tumour", "non-malignant"), ("TUMOR", "normal")],
)  # fmt: skip
def test_obvious_words_need_no_configuration(malignant: object, normal: object) -> None:
    assert labelled({"label": [malignant, normal]}, malignant="label").obs["side"].tolist() == ["tumor", "normal"]
    column = pd.Categorical([malignant, normal]) if isinstance(malignant, str) else [malignant, normal]
    assert labelled({"label": column}, malignant="label").obs["side"].tolist() == ["tumor", "normal"]  # type: ignore[dict-item]


def test_spellings_of_one_value_are_one_value() -> None:
    cells = {"label": ["tumor", "Tumor ", " TUMOR", "healthy epithelium", "Healthy Epithelium"]}
    found = labelled(cells, malignant="label", malignant_values=["Tumor"], normal_values=["healthy epithelium "])
    assert found.obs["side"].tolist() == ["tumor"] * 3 + ["normal"] * 2


@given(
    st.sampled_from(["yes", "Carcinoma", "Case 7"]),
    st.text(" \t", max_size=3),
    st.text(" \t", max_size=3),
    st.booleans(),
)
def test_case_and_blanks_never_make_a_new_normal_type(word: str, before: str, after: str, is_upper: bool) -> None:
    spelt = before + (word.upper() if is_upper else word.lower()) + after
    found = labelled({"label": [spelt, "no"]}, malignant="label", malignant_values=[word], normal_values=["no"])
    assert found.obs["side"].tolist() == ["tumor", "normal"]


def test_a_value_that_is_not_named_does_not_become_normal() -> None:
    cells = {"label": ["yes", "no", "unresolved", "low quality", "unresolved"]}
    with pytest.raises(InputError) as error:
        labelled(cells, malignant="label")
    text = str(error.value)
    assert (
        "column 'label' holds 'unresolved' (2), 'low quality' (1), which is named neither malignant nor normal" in text
    )
    assert "name each in atlases.mine.labels.malignant_values, normal_values or exclude_values" in text
    found = labelled(cells, malignant="label", exclude_values=["Unresolved", "low quality"])
    assert found.obs["side"].tolist() == ["tumor", "normal"]
    assert found.notes == ["3 observations left out: named in labels.exclude_values"]
    named = labelled(cells, malignant="label", normal_values=["no", "unresolved", "low quality"])
    assert named.obs["side"].tolist() == ["tumor"] + ["normal"] * 4


@given(st.lists(st.sampled_from(["yes", "no", "odd", "nan", "out"]), min_size=1, max_size=12))
def test_each_cell_is_named_left_out_or_refused(values: list[str]) -> None:
    """Held against a rule written down one cell at a time."""
    expected = {"yes": "tumor", "no": "normal"}
    kept = [expected[value] for value in values if value in expected]
    if "odd" in values or not kept:
        with pytest.raises(InputError):
            labelled({"label": list(values)}, malignant="label", exclude_values=["out"])
        return
    found = labelled({"label": list(values)}, malignant="label", exclude_values=["out"])
    assert found.obs["side"].tolist() == kept
    assert found.is_kept.tolist() == [value in expected for value in values]
    n_out, n_missing = values.count("out"), values.count("nan")
    said = {note.partition(" left out: ")[2]: int(note.split(" ")[0]) for note in found.notes}
    assert said.get("named in labels.exclude_values", 0) == n_out
    assert said.get("column 'label' does not say whether malignant", 0) == n_missing


def test_no_malignant_value_still_asks_for_the_normal_ones() -> None:
    with pytest.raises(InputError, match="column 'label' holds 'low quality' "):
        labelled({"label": ["normal", "low quality"]}, malignant="label", malignant_values=[])
    found = labelled({"label": ["normal", "Normal"]}, malignant="label", malignant_values=[])
    assert found.obs["side"].tolist() == ["normal", "normal"]


@pytest.mark.parametrize("word", NOTHING)
def test_a_missing_malignant_label_is_neither_side(word: object) -> None:
    found = labelled({"label": ["yes", "no", word]}, malignant="label")
    assert found.is_kept.tolist() == [True, True, False]
    assert found.notes == ["1 observation left out: column 'label' does not say whether malignant"]
    assert labelled({"side": ["tumor", "normal", word]}).is_kept.tolist() == [True, True, False]


def test_a_word_for_nothing_may_be_named_all_the_same() -> None:
    found = labelled(
        {"tumor_type": ["GBM", "None"]}, malignant="tumor_type", malignant_values=["GBM"], normal_values=["none"]
    )
    assert found.obs["side"].tolist() == ["tumor", "normal"]


@pytest.mark.parametrize("word", NOTHING)
def test_a_missing_cell_type_is_no_cell_type(word: object) -> None:
    cells = {"side": ["normal"] * 2, "type": ["enterocyte", word], "organ": ["colon", "colon"]}
    found = labelled(cells, cell_type="type", tissue="organ")  # type: ignore[arg-type]
    assert found.obs["cell_type"].tolist() == ["enterocyte", ""]


@pytest.mark.parametrize("word", NOTHING)
def test_neither_tissue_nor_type_is_read_and_told(word: object) -> None:
    cells = {"side": ["normal"] * 3, "type": ["cardiomyocyte", word, "x"], "organ": [word, word, "lung"]}
    frame = pd.DataFrame(cells, index=list("abc"))
    labels = CellLabels(cell_type="type", tissue="organ")
    obs = label_cells(frame, atlas=AtlasConfig(name="m", reader="h5ad", labels=labels), where="x").obs
    adata = anndata.AnnData(np.zeros((3, 1), dtype=np.float32), obs=obs)
    adata.uns["cartarget"] = {"kind": "cells", "atlas": "m", "notes": []}
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    assert placed.obs["population"].tolist() == ["heart: cardiomyocyte", "not stated", "lung: x"]
    (note,) = placed.uns["cartarget"]["notes"]
    assert note.startswith("normal, but neither tissue nor cell type is named: 1, of 1 donor;")


def test_values_of_both_sides_are_refused() -> None:
    labels = {"malignant": "x", "malignant_values": ["Yes"], "normal_values": ["yes "]}
    with pytest.raises(ConfigError, match="'yes' stands in malignant_values and in normal_values"):
        parse_config({"atlases": [{"name": "a", "reader": "h5ad", "labels": labels}]})


@given(st.text(max_size=12))
def test_what_is_missing_does_not_depend_on_case_and_blanks(text: str) -> None:
    assert is_missing(text) == is_missing(f"  {text.casefold()} ")
    assert not is_missing(f"{text}P7")


def test_a_name_in_any_script_is_a_name() -> None:
    assert not any(map(is_missing, ["患者", "донор", "P1", "Nana", "none-such", "unknown primary 3"]))
