"""Curated tables: every row has what it needs, and fits the other tables."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from cartarget.config import load_config, parse_config
from cartarget.errors import InputError
from cartarget.indications import read_indication, read_indications
from cartarget.run.inputs import indication_of
from cartarget.safety.tiers import read_tiers

IDENTIFIER = re.compile(r"^(doi:10\.\d{4,}/\S+|PMID:\d+|PMCID:PMC\d+|NCT\d{8})$")


NAMED = ("lineage_markers.tsv", "gene_notes.tsv")


def rows(name: str) -> pd.DataFrame:
    return pd.read_csv(Path("resources") / name, sep="\t", dtype=str, keep_default_na=False)


def test_every_origin_is_a_known_tissue() -> None:
    tiers = read_tiers("config/tissue_tiers.tsv")
    for indication in read_indications().values():
        for tissue in indication.origin:
            place = tiers.find(tissue)
            assert place is not None and place.tissue == tissue, (indication.key, tissue)


def test_the_origin_of_a_sexed_tumor_is_not_ignored() -> None:
    tiers = read_tiers("config/tissue_tiers.tsv")
    for indication in read_indications().values():
        for tissue in indication.origin:
            assert tiers.for_sex(indication.sex).find(tissue).tier != "ignored", indication.key


def test_the_tumors_of_the_bulk_set_are_there() -> None:
    assert set(read_indications()) >= {"read", "chol", "kich", "ucs", "lung", "simulated"}
    assert read_indication("ucs").sex == "female"
    assert "liver" not in read_indication("chol").origin, "hepatocytes cannot be spared in cholangiocarcinoma"


def test_an_indication_has_an_identifier_and_spares_no_neighbor_of_its_origin() -> None:
    found = read_indications()
    assert [key for key, row in found.items() if key != "simulated" and not IDENTIFIER.match(row.source)] == []
    assert found["uvm"].origin == ("eye",) and found["rb"].origin == ("retina",)
    assert not any({"cartilage", "peripheral nerve"} & set(found[key].origin) for key in ("ews", "os", "nbl"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x\tname\t\t\t\tsrc", "line 2: origin is empty"),
        ("x\tname\tlung\tboth\t\tsrc", "line 2: sex is 'both'"),
        ("x\tname\tlung\t\t\t", "line 2: source is empty"),
        ("x\tname\tlung\t\t\tsrc\nx\tname\tlung\t\t\tsrc", "line 3: 'x' stands twice"),
    ],
)
def test_bad_indications_are_refused(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "indications.tsv"
    file.write_text(f"indication\tname\torigin\tsex\tepithelium\tsource\n{line}\n")
    with pytest.raises(InputError) as error:
        read_indications(file)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        *("controls.tsv", "surface_rescue.tsv", "clinical_targets.tsv", "toxicity.tsv", "hardware.tsv"),
        *NAMED,
    ],
)
def test_every_row_has_an_identifier_and_the_title_of_its_source(name: str) -> None:
    table = rows(name)
    assert [value for value in table["source"] if not IDENTIFIER.match(value)] == []
    assert (table["source_title"].str.len() > 15).all()
    if "reason" in table:
        assert (table["reason"].str.len() > 15).all()


@pytest.mark.parametrize("name", ["outcomes.tsv", "efficacy.tsv"])
def test_every_outcome_has_an_identifier_and_the_title_that_was_seen(name: str) -> None:
    table = rows(name)
    assert [value for value in table["source"] if not IDENTIFIER.match(value)] == []
    assert (table["title"].str.len() > 15).all()
    if "evidence" in table:
        assert (table["evidence"].str.len() > 15).all()


def test_outcomes_tell_of_harm_and_of_its_absence_over_many_antigens() -> None:
    outcomes, efficacy = rows("outcomes.tsv"), rows("efficacy.tsv")
    counts = outcomes["outcome"].value_counts()
    assert counts["harmed"] >= 50 and counts["tolerated"] >= 80
    assert outcomes["antigen"].nunique() >= 40 and len(efficacy) >= 40
    for outcome in ("harmed", "tolerated"):
        assert outcomes.loc[outcomes["outcome"] == outcome, "antigen"].nunique() >= 30


def test_controls_have_a_kind_and_fit_an_indication() -> None:
    table = rows("controls.tsv")
    assert set(table["kind"]) == {"clinical", "housekeeping", "intracellular"}
    named = {key for cell in table["indication"] for key in cell.split("|") if key}
    assert named <= set(read_indications())
    assert not table.duplicated(["kind", "symbol", "indication"]).any()
    clinical = table[table["kind"] == "clinical"]
    for key in ("read", "lung", "simulated"):
        assert clinical["indication"].str.split("|").map(lambda keys, key=key: key in keys).sum() >= 5


def test_clinical_memory_is_large_enough_and_fits_the_other_tables() -> None:
    targets, events = rows("clinical_targets.tsv"), rows("toxicity.tsv")
    in_patients = targets[~targets["status"].str.contains("preclinical")]
    assert in_patients["symbol"].nunique() >= 60
    assert len(events[["symbol", "organ"]].drop_duplicates()) >= 20
    assert not targets.duplicated(["symbol", "id", "modality"]).any()
    named = {key for cell in targets["keys"] for key in cell.split("|") if key}
    assert named <= set(read_indications())
    clinical = rows("controls.tsv").query("kind == 'clinical'")
    assert set(clinical["symbol"]) <= set(targets["symbol"]), "a clinical control is a clinical target"


@pytest.mark.parametrize("path", sorted(Path("config/examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_name_release_licence_and_citation(path: Path) -> None:
    config = load_config(path)
    read_indication(config.indication)
    for atlas in config.atlases:
        assert atlas.release and atlas.licence and atlas.citation, atlas.name


@pytest.mark.real_data
def test_curated_symbols_are_current(shared_data: Path) -> None:
    known = pd.read_csv(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz", sep="\t", dtype=str)
    symbols = set(known["gene_symbol"])
    for name in ("controls.tsv", "surface_rescue.tsv", "clinical_targets.tsv", "toxicity.tsv", *NAMED):
        assert set(rows(name)["symbol"]) - symbols == set(), name


def test_each_lineage_has_six_to_twelve_markers_of_its_own_and_one_cell_type() -> None:
    table = rows("lineage_markers.tsv")
    assert not table["symbol"].duplicated().any()
    assert table["lineage"].value_counts().between(6, 12).all()
    assert (table.groupby("lineage")[["cl_id", "own_of"]].nunique() == 1).all(axis=None)
    assert table["cl_id"].str.fullmatch(r"CL:\d{7}(\|CL:\d{7})*").all()
    assert {key for cell in table["own_of"] for key in cell.split("|") if key} <= set(read_indications())
    own = {key: set(table.loc[table["own_of"].str.split("|").map(lambda keys, key=key: key in keys), "lineage"])
           for key in ("lihc", "odg", "ucs", "rb")}  # fmt: skip
    assert own == {"lihc": {"hepatocyte"}, "odg": {"Schwann/neural"}, "ucs": {"fibroblast", "smooth muscle"},
                   "rb": {"neuroendocrine"}}  # fmt: skip


def test_genes_are_named_as_what_they_are_once() -> None:
    notes = rows("gene_notes.tsv")
    assert not notes["symbol"].duplicated().any()
    assert set(notes["kind"]) == {"proliferation", "cancer-testis antigen", "oocyte"}


@pytest.mark.real_data
def test_markers_and_cancer_testis_genes_are_highest_where_they_should_be(shared_data: Path) -> None:
    path = shared_data / "normal_tissue_rna" / "hpa21_consensus_ntpm_by_tissue.tsv.gz"
    levels = pd.read_csv(path, sep="\t").drop_duplicates("Gene.name").set_index("Gene.name").iloc[:, 1:]
    home = {
        "hepatocyte": ["liver"], "erythroid": ["bone marrow"], "adipocyte": ["adipose tissue"],
        "T/NK": ["thymus", "lymph node", "spleen", "bone marrow"], "B/plasma": ["tonsil", "lymph node", "spleen"],
    }  # fmt: skip
    markers, notes = rows("lineage_markers.tsv"), rows("gene_notes.tsv")
    for lineage, tissues in home.items():
        top = levels.loc[markers.loc[markers["lineage"] == lineage, "symbol"]].idxmax(axis=1)
        assert set(top.drop("TTR", errors="ignore")) <= set(tissues), "TTR is higher in the choroid plexus"
    testis = notes.loc[notes["kind"] == "cancer-testis antigen", "symbol"]
    assert set(levels.loc[testis].idxmax(axis=1)) == {"testis"}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("melanoma", "did you mean 'skcm' (cutaneous melanoma) or 'uvm' (uveal melanoma)?"),
        ("glioblastoma", "did you mean 'gbm' (glioblastoma)?"),
        ("raed", "did you mean 'read' (rectal adenocarcinoma)?"),
        ("chordoma", "or give its `origin` in the configuration"),
    ],
)
def test_an_unknown_indication_names_those_of_that_name(key: str, message: str) -> None:
    with pytest.raises(InputError) as told:
        read_indication(key)
    assert message in str(told.value)
    own = indication_of(parse_config({"indication": key, "origin": ["skin"], "sex": "female", "title": "Mine"}))
    assert (own.key, own.name, own.origin, own.sex) == (key, "Mine", ("skin",), "female")
