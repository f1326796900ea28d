"""Ontologies: an unknown tissue is told with what it is part of, and which tier that has."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.atlas.harmonise import harmonise
from cartarget.atlas.public.ontology import FILES, read_obo
from cartarget.errors import InputError
from cartarget.safety.tiers import read_tiers
from tests.atlas import standins

ROOT = Path(__file__).resolve().parents[2]
OBO = """format-version: 1.2
ontology: uberon/basic

[Term]
id: UBERON:0001155
name: colon
synonym: "hindgut" RELATED [BTO:0000010]

[Term]
id: UBERON:0001157
name: transverse mesocolon
synonym: "mesentery of transverse colon" EXACT [FMA:7145]
is_a: UBERON:0002095 ! mesentery
relationship: part_of UBERON:0013234 ! thing in between

[Term]
id: UBERON:0013234
name: thing in between
relationship: part_of UBERON:0001155 ! colon
relationship: adjacent_to UBERON:0000955 ! brain

[Term]
id: UBERON:0000001
name: gone
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""


@pytest.fixture
def obo(tmp_path: Path) -> Path:
    standins.write(tmp_path / FILES[0], OBO)
    return tmp_path


def test_terms_by_name_and_exact_synonym_with_all_above_nearest_first(obo: Path) -> None:
    tree = read_obo(obo / FILES[0])
    assert [key for key, _ in tree.above("Mesentery of  transverse colon")] == [
        "UBERON:0001157", "UBERON:0002095", "UBERON:0013234", "UBERON:0001155",
    ]  # fmt: skip
    assert list(tree.above("UBERON:0001155")) == [("UBERON:0001155", "colon")]
    assert list(tree.above("hindgut")) == [], "related is not the same"
    assert list(tree.above("gone")) == [] and list(tree.above("part of")) == []


def test_a_circle_ends(tmp_path: Path) -> None:
    terms = "[Term]\nid: A:1\nname: a\nis_a: A:2\n\n[Term]\nid: A:2\nname: b\nis_a: A:1\n"
    standins.write(tmp_path / "x.obo", terms)
    assert [key for key, _ in read_obo(tmp_path / "x.obo").above("a")] == ["A:1", "A:2"]


def test_no_ontology_is_told(tmp_path: Path) -> None:
    standins.write(tmp_path / "x.obo", "<html>")
    with pytest.raises(InputError, match=r"no \[Term\] with id and name"):
        read_obo(tmp_path / "x.obo")


def atlas(*tissues: str) -> anndata.AnnData:
    obs = pd.DataFrame({"side": "normal", "donor": "d", "tissue": tissues, "cell_type": ""}, index=list(tissues))
    return anndata.AnnData(
        np.zeros((len(tissues), 1)), obs=obs, uns={"cartarget": {"kind": "summary", "atlas": "mine"}}
    )


def test_an_unknown_tissue_is_told_with_what_it_is_part_of(obo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    monkeypatch.chdir(obo)
    with pytest.raises(InputError) as error:
        harmonise(atlas("transverse mesocolon", "nowhere"), tiers=tiers, origin=["colon"])
    said = str(error.value)
    assert "'transverse mesocolon'; UBERON:0001157, in or of 'colon' (tier vital)" in said
    assert "UBERON" not in said.split("'nowhere'")[1].splitlines()[0], "no term, no guess"
    assert "atlas fetch" not in said


def test_without_the_ontologies_it_is_told_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="`cartarget atlas fetch uberon cell_ontology` adds what these are part of"):
        harmonise(atlas("transverse mesocolon"), tiers=tiers, origin=["colon"])


def test_an_id_is_a_name() -> None:
    tiers = read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    place = tiers.find("UBERON:0001155")
    assert place is not None and place.tissue == "colon"
