"""What a table of cells says of its donors, and that it reaches the panel, donor by donor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartarget.atlas.labels import label_cells
from cartarget.atlas.traits import donor_traits, one_each
from cartarget.config import AtlasConfig, CellLabels
from cartarget.evidence.panel import Panel, build_panel
from cartarget.evidence.part import count_atlas
from cartarget.evidence.people import of_donors
from cartarget.evidence.store import read_part, write_part
from tests.evidence_makers import atlas, cells, normal, tumor

SEX = {"d0": "male", "d1": "female", "d2": ""}


@pytest.mark.parametrize(
    ("column", "given", "read"),
    [
        ("sex", "Female", "female"),
        ("sex", "m", "male"),
        ("gender", "PATO:0000384", "male"),
        ("sex", "unknown", ""),
        ("sex", "both", ""),
        ("sex", 1.0, "code 1"),
        ("age", 9, "under 10"),
        ("age", "45", "40-49"),
        ("age", "63.5 yrs", "60-69"),
        ("age", 89, "80-89"),
        ("age", 97, "90 or older"),
        ("age", "400", ""),
        ("age", "adult", ""),
        ("age", "6 months", ""),
        ("age_group", "60-69", "60-69"),
        ("age_group", "55 to 64", "55-64"),
        ("development_stage", "45-year-old human stage", "40-49"),
        ("development_stage", "seventh decade human stage", "60-69"),
        ("development_stage", "human adult stage", ""),
        ("smoking_status", "Never", "non-smoker"),
        ("smoking", "ex-smoker", "former smoker"),
        ("smoker", "active", "smoker"),
        ("smoker", "ever", "smoker, now or once"),
        ("smoker", np.nan, ""),
    ],
)
def test_each_spelling_is_read_or_unknown(column: str, given: object, read: str) -> None:
    found = donor_traits(pd.DataFrame({column: [given]}))
    assert found.iloc[0].tolist() == [read]


def test_a_table_that_tells_nothing_has_no_trait() -> None:
    assert donor_traits(pd.DataFrame({"cell_type": ["T cell"]})).shape == (1, 0)


def test_a_person_who_is_called_both_is_unknown() -> None:
    assert one_each(["male", "female", "male", ""], [0, 0, 1, 1], 3) == ("", "male", "")


def test_labels_carry_traits_and_leave_the_users_columns_alone() -> None:
    table = pd.DataFrame({"who": ["a", "b"], "sex": ["F", "M"], "age": [61, 23]}, index=["c1", "c2"])
    asked = AtlasConfig(name="x", reader="h5ad", tissue="lung", labels=CellLabels(donor="who"))
    obs = label_cells(table, atlas=asked, where="x").obs
    assert obs[["donor_sex", "donor_age"]].values.tolist() == [["female", "60-69"], ["male", "20-29"]]
    assert "donor_smoking" not in obs and "sex" not in obs


def made(sex: dict[str, str] = SEX, *, name: str = "one") -> object:
    found = atlas([*tumor(cells([1])), *normal(["lung"], cells([0]), donors=3)], symbols=["A"], name=name)
    found.obs["donor_sex"] = [sex.get(donor, "") for donor in found.obs["donor"]]
    return found


def of(panel: Panel, trait: str) -> dict[str, str]:
    return dict(zip(panel.packed.donors, panel.traits[trait], strict=True))


def test_traits_reach_the_panel_through_the_store(tmp_path: Path) -> None:
    write_part(count_atlas(made(), symbols=["A"]), tmp_path / "one")
    part = read_part(tmp_path / "one")
    panel = build_panel(part, symbols=["A"], required=["lung"])
    assert {donor: of(panel, "sex")[donor] for donor in SEX} == SEX
    assert set(panel.traits) == {"sex"}


def test_two_atlases_fill_each_other_in_and_a_contradiction_is_unknown() -> None:
    parts = [count_atlas(made(), symbols=["A"])]
    parts.append(count_atlas(made({"d0": "female", "d2": "male"}, name="two"), symbols=["A"]))
    panel = build_panel(parts, symbols=["A"], required=["lung"])
    assert {donor: of(panel, "sex")[donor] for donor in SEX} == {"d0": "", "d1": "female", "d2": "male"}
    untold = replace(parts[1], traits={})
    assert of(build_panel([parts[0], untold], symbols=["A"], required=["lung"]), "sex")["d0"] == "male"


def test_donors_drawn_again_keep_their_traits() -> None:
    panel = build_panel(made(), symbols=["A"], required=["lung"])
    drawn = [panel.packed.donors.index(name) for name in ("d1", "d0", "d1")]
    assert of_donors(panel, drawn).traits["sex"] == ("female", "male", "female")


@pytest.mark.real_data
def test_blood_of_forty_donors_tells_age_and_a_code_for_sex(shared_data: Path) -> None:
    import anndata

    path = next((shared_data / "cells_normal").glob("onek1k*.h5ad"))
    found = donor_traits(anndata.read_h5ad(path, backed="r").obs)
    assert set(found["donor_sex"]) == {"code 1", "code 2"}
    assert found["donor_age"].ne("").all() and set(found["donor_age"]) >= {"60-69", "70-79"}
