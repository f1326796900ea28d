"""The tier table: what it refuses and what it finds."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.safety.tier_table import COLUMNS, TIERS, Row
from cartarget.safety.tiers import Tiers, read_tiers

HEAD = "tissue\tcell_type\ttier\tweight\tcap\trequired\tnames\tparts\treason\tsource\n"


@functools.cache
def shipped() -> Tiers:
    return read_tiers("config/tissue_tiers.tsv")


def table(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "tiers.tsv"
    file.write_text(HEAD + "".join(line.replace("|>", "\t") + "\n" for line in lines))
    return file


def test_the_required_tissues_are_those_of_the_method() -> None:
    assert shipped().required == (
        "brain",
        "heart",
        "lung",
        "liver",
        "kidney",
        "colon",
        "small intestine",
        "stomach",
        "pancreas",
        "bone marrow",
    )
    rare = {"spinal cord", "haematopoietic stem cell", "bile duct", "pituitary gland", "adrenal gland"}
    assert rare <= set(shipped().rare)


def test_every_row_keeps_its_tiers_weight_and_cap_and_says_why() -> None:
    for row in shipped().rows:
        assert (row.weight, row.cap) == TIERS[row.tier], row.tissue
        assert row.source.startswith(("doi:", "PMID:", "NCT")), row.tissue
        assert len(row.reason) > 10, row.tissue
        assert not row.is_required or row.tier == "vital", row.tissue


def test_tissues_and_cell_types_have_an_ontology_id_of_their_kind() -> None:
    without = set()
    for row in shipped().rows:
        kind = r"CL:\d{7}" if row.cell_type else r"UBERON:\d{7}"
        if not re.fullmatch(kind, row.ontology_id):
            assert row.ontology_id == "", (row.tissue, row.cell_type, row.ontology_id)
            without.add(row.cell_type or row.tissue)
    assert without <= {
        "any tissue", "tumor microenvironment", "fetal tissue", "not stated", "undifferentiated cell of the gut",
        "basal squamous epithelial cell", "ciliated cell of the endometrium", "glandular cell of the endometrium",
    }  # fmt: skip


def test_regions_stay_apart_and_synonyms_do_not() -> None:
    tiers = shipped()
    names = ["cerebellum", "brain", "heart muscle", "Heart", "stomach 2"]
    populations = [tiers.find(name).population for name in names]
    assert populations == ["brain (cerebellum)", "brain", "heart", "heart", "stomach (2)"]
    assert tiers.find("duodenum", "enterocytes").population == "small intestine (duodenum): enterocyte"


def test_a_row_of_its_own_overrides_the_tissue() -> None:
    tiers = shipped()
    marrow, stem = tiers.find("bone marrow", "neutrophil"), tiers.find("bone marrow", "HSC")
    assert (marrow.tier, marrow.is_required) == ("vital", True)
    assert (stem.cell_type, stem.tier, stem.is_required) == ("haematopoietic stem cell", "vital", False)
    assert tiers.find("colon", "B-cells").tier == "tolerable"
    assert tiers.find("colon", "T cell").tier == "vital"
    assert tiers.find("B cells").population == "any tissue: B cell"


def test_a_cell_type_of_a_tissue_keeps_the_tissues_worth_and_stands_for_it_alone() -> None:
    tiers = shipped()
    for row in tiers.rows:
        if row.cell_type and row.reason.startswith("a cell type of the"):
            whole = tiers.find(row.tissue)
            assert (row.tier, row.is_required) == (whole.tier, whole.is_required), row.cell_type
    assert tiers.find("Alveolar.cells.type.1").population == "lung: alveolar type 1 cell"
    assert tiers.find("colon", "CD8+T").population == "colon: CD8+T"


def test_beginnings_match_but_exact_names_win() -> None:
    tiers = shipped()
    assert tiers.find("AdultLiver4-1").tissue == "liver"
    assert tiers.find("AdultAscendingColon1").population == "colon (ascending colon)"
    assert tiers.find("AdultBoneMarrow2").tissue == "bone marrow"


TISSUES = [row.tissue for row in shipped().rows if not row.cell_type]


@given(st.sampled_from(TISSUES), st.sampled_from([" ", "-", ".", "_"]))
def test_case_and_punctuation_do_not_matter(tissue: str, mark: str) -> None:
    assert shipped().find(tissue.upper().replace(" ", mark)) == shipped().find(tissue)


def test_organs_of_the_other_sex_are_ignored() -> None:
    female = shipped().for_sex("female")
    assert female.find("prostate").tier == "ignored"
    assert female.find("ovary").tier == "tolerable"
    assert shipped().for_sex("") == shipped()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["heart|>|>vitall|>|>|>|>|>|>why|>src"], "line 2: unknown tier 'vitall'; did you mean 'vital'"),
        (["heart|>|>|>|>|>|>|>|>why|>src"], "line 2: tier is empty for 'heart'"),
        (["heart|>|>vital|>2|>|>|>|>|>why|>src"], "line 2: weight is '2'"),
        (["heart|>|>vital|>|>-1|>|>|>|>why|>src"], "line 2: cap is '-1'"),
        (["heart|>|>vital|>|>nan|>|>|>|>why|>src"], "line 2: cap is 'nan'"),
        (["heart|>|>vital|>|>|>maybe|>|>|>why|>src"], "line 2: required is 'maybe'"),
        (["heart|>|>vital|>|>|>|>|>|>|>src"], "line 2: reason is empty"),
        (["heart|>|>vital|>|>|>|>|>|>why|>"], "line 2: source is empty"),
        (["heart|>|>vital|>|>|>|>|>|>why|>src"] * 2, "line 3: 'heart' is already taken by line 2"),
        (["heart|>|>vital|>|>|>|>Cor|>|>why|>src", "cor|>|>vital|>|>|>|>|>|>why|>src"], "line 3: 'cor' is already"),
        (["heart|>myocyte|>vital|>|>|>|>|>|>why|>src"], "line 2: 'myocyte' is a cell type of 'heart'"),
        (["heart|>|>vital|>|>|>|>|>|>why|>src|>more"], "line 2: 11 cells under 10 columns"),
    ],
)
def test_bad_tables_are_refused_with_their_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        read_tiers(table(tmp_path, *lines))
    assert message in str(error.value)


def test_a_missing_tier_column_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("tissue\treason\tsource\nheart\twhy\tsrc\n")
    with pytest.raises(InputError, match="column 'tier' is missing"):
        read_tiers(tmp_path / "t.tsv")
    with pytest.raises(InputError, match="cannot be read"):
        read_tiers(tmp_path / "absent.tsv")


def test_an_empty_weight_and_cap_take_the_tiers_defaults(tmp_path: Path) -> None:
    place = read_tiers(table(tmp_path, "heart|>|>important|>|>0.1|>yes|>|>|>why|>src")).find("heart")
    assert (place.weight, place.cap, place.is_required) == (0.5, 0.1, True)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["consensus_ntpm", "gtex_tpm", "fantom_ntpm"])
def test_every_tissue_of_the_summary_tables_is_known(shared_data: Path, name: str) -> None:
    file = shared_data / "normal_tissue_rna" / f"hpa21_{name}_by_tissue.tsv.gz"
    tissues = pd.read_csv(file, sep="\t", nrows=1).columns[2:]
    assert [tissue for tissue in tissues if shipped().find(tissue) is None] == []


@pytest.mark.real_data
def test_every_tissue_of_the_stains_is_known(shared_data: Path) -> None:
    file = shared_data / "protein_hpa" / "hpa22_normal_tissue_ihc.tsv.gz"
    pairs = pd.read_csv(file, sep="\t", usecols=["tissue", "cell_type"], keep_default_na=False).drop_duplicates()
    found = [(tissue, shipped().find(tissue, cell)) for tissue, cell in pairs.itertuples(index=False)]
    assert [tissue for tissue, place in found if place is None] == []
    assert {place.tissue for _, place in found if place} >= {"brain", "heart", "bone marrow"}


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["hca_ref", "hpa20", "hpa21", "normal_pancreas"])
def test_every_cell_type_of_the_reference_tables_is_known(shared_data: Path, name: str) -> None:
    (file,) = (shared_data / "normal_single_cell").glob(f"{name}*.tsv.gz")
    names = [name for name in pd.read_csv(file, sep="\t", nrows=1).columns if name.lower() not in ("gene", "ensembl")]
    names = [name for name in names if not name.startswith(("Gene.", "Unnamed"))]
    assert len(names) > 10
    assert [name for name in names if shipped().find(name) is None] == []


@pytest.mark.real_data
def test_every_source_of_the_cell_landscape_is_known(shared_data: Path) -> None:
    (file,) = (shared_data / "normal_single_cell").glob("human_cell_landscape*.tsv.gz")
    sources = {name.rsplit("_", 1)[-1] for name in pd.read_csv(file, sep="\t", nrows=1).columns[1:]}
    assert [source for source in sources if shipped().find(source) is None] == []
    assert shipped().find("FetalHeart1").tier == "ignored"


@pytest.mark.real_data
def test_every_prefix_of_the_bulk_set_leads_to_a_known_tissue() -> None:
    tissues = pd.read_csv("resources/tcga_normals.tsv", sep="\t")["tissue"]
    assert [tissue for tissue in tissues if shipped().find(tissue) is None] == []


def test_every_population_of_the_simulated_atlas_is_known() -> None:
    table = "cartarget/atlas/readers/simulated_populations.tsv"
    frame = pd.read_csv(table, sep="\t", comment="#", keep_default_na=False)
    assert [row.tissue for row in frame.itertuples() if shipped().find(row.tissue, row.cell_type) is None] == []


NOTHING = [
    "",
    " ",
    "unknown",
    "Unknown",
    "nan",
    "NaN",
    "not stated",
    "Not stated",
    "N/A",
    "NA",
    "None",
    "<NA>",
    "undetermined",
]


@pytest.mark.parametrize("tissue", NOTHING)
def test_without_a_tissue_the_cell_type_decides(tissue: str) -> None:
    place = shipped().find(tissue, "cardiomyocytes")
    assert (place.population, place.tier, place.is_required) == ("heart: cardiomyocyte", "vital", True)
    assert shipped().find(tissue, "cardiomyocytez") is None, "a cell type that is named but not known is not ignored"
    assert shipped().find(tissue, "liver") == shipped().find("liver")


@pytest.mark.parametrize("tissue", NOTHING)
@pytest.mark.parametrize("cell_type", ["", "unknown", "nan"])
def test_where_nothing_is_named_the_place_is_not_stated(tissue: str, cell_type: str) -> None:
    assert shipped().find(tissue, cell_type).population == "not stated"


@given(st.sampled_from([row for row in shipped().rows if row.cell_type]), st.sampled_from(NOTHING))
def test_no_word_for_nothing_changes_what_a_cell_type_is_worth(row: Row, tissue: str) -> None:
    assert shipped().find(tissue, row.cell_type) == shipped().find(row.cell_type)


@given(st.sampled_from(TISSUES), st.sampled_from(NOTHING))
def test_no_word_for_nothing_is_a_cell_type(tissue: str, cell_type: str) -> None:
    assert shipped().find(tissue, cell_type) == shipped().find(tissue)


def test_a_table_may_call_more_names_not_stated(tmp_path: Path) -> None:
    rows = ["not stated|>|>ignored|>|>|>|>various|>|>why|>src", "heart|>|>vital|>|>|>|>|>|>why|>src",
            "heart|>myocyte|>vital|>|>|>|>|>|>why|>src"]  # fmt: skip
    tiers = read_tiers(table(tmp_path, *rows))
    assert tiers.find("Various", "myocyte").population == "heart: myocyte"
    assert read_tiers(table(tmp_path, *rows[1:])).find("unknown") is None, "without such a row it is not known"


def test_required_cell_types_are_named_by_tissue_and_an_organ_may_stand_in() -> None:
    tiers = shipped()
    rows = [row for row in tiers.rows if row.cell_type and row.is_required]
    assert tiers.required_cell_types == tuple(f"{row.tissue}: {row.cell_type}" for row in rows)
    assert {"heart: cardiomyocyte", "liver: hepatocyte", "lung: alveolar type 1 cell"} <= set(tiers.required_cell_types)
    assert tiers.stand_in == set(tiers.required_cell_types), "the shipped table lets the organ bound each of them"
    assert all(row.stand_in == (bool(row.cell_type) and row.is_required) for row in tiers.rows)
    assert not set(tiers.required) & set(tiers.required_cell_types)
    for name in tiers.required_cell_types:
        assert tiers.find(*name.split(": ")).population == name


def test_a_stand_in_is_read_and_has_no_default(tmp_path: Path) -> None:
    head = "tissue\tcell_type\ttier\trequired\tstand_in\treason\tsource\n"
    lines = ["heart\t\tvital\tyes\t\twhy\tsrc", "heart\tmyocyte\tvital\tyes\torgan\twhy\tsrc",
             "heart\tpacemaker cell\tvital\tyes\t\twhy\tsrc", "heart\tfibroblast\tvital\tno\t\twhy\tsrc"]  # fmt: skip
    (tmp_path / "t.tsv").write_text(head + "\n".join(lines) + "\n")
    tiers = read_tiers(tmp_path / "t.tsv")
    assert [row.stand_in for row in tiers.rows] == [False, True, False, False]
    assert tiers.required == ("heart",)
    assert tiers.required_cell_types == ("heart: myocyte", "heart: pacemaker cell")
    assert tiers.stand_in == {"heart: myocyte"}
    assert not read_tiers(table(tmp_path, "heart|>|>vital|>|>|>yes|>|>|>why|>src")).stand_in, "an older table has none"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("heart\tmyocyte\tvital\tyes\tbulk\twhy\tsrc", "line 3: stand_in is 'bulk'; expected organ or nothing"),
        ("heart\tmyocyte\tvital\tyes\tOrgan\twhy\tsrc", "line 3: stand_in is 'Organ'; expected organ or nothing"),
        (
            "heart\tmyocyte\tvital\tno\torgan\twhy\tsrc",
            "line 3: stand_in is 'organ' for 'myocyte', which is not required",
        ),
        ("lung\t\tvital\tyes\torgan\twhy\tsrc", "line 3: stand_in is 'organ' for 'lung', which is a whole tissue"),
        (
            "any tissue\tmyocyte\tvital\tyes\torgan\twhy\tsrc",
            "line 3: stand_in is 'organ' for 'myocyte', which has no organ",
        ),
    ],
)
def test_a_stand_in_that_makes_no_sense_is_refused(tmp_path: Path, line: str, message: str) -> None:
    head = "tissue\tcell_type\ttier\trequired\tstand_in\treason\tsource\nheart\t\tvital\tyes\t\twhy\tsrc\n"
    (tmp_path / "t.tsv").write_text(head + line + "\n")
    with pytest.raises(InputError) as error:
        read_tiers(tmp_path / "t.tsv")
    assert message in str(error.value)


def test_no_organ_of_the_other_sex_is_required_or_stands_in(tmp_path: Path) -> None:
    head = "tissue\tcell_type\ttier\trequired\tstand_in\tsex\treason\tsource\n"
    rows = ["ovary\t\tvital\tyes\t\tfemale\twhy\tsrc", "ovary\toocyte\tvital\tyes\torgan\tfemale\twhy\tsrc"]
    (tmp_path / "t.tsv").write_text(head + "\n".join(rows) + "\n")
    tiers = read_tiers(tmp_path / "t.tsv")
    assert tiers.for_sex("female").stand_in == {"ovary: oocyte"}
    assert (tiers.for_sex("male").required_cell_types, tiers.for_sex("male").stand_in) == ((), frozenset())


def test_the_row_to_add_has_a_cell_for_each_column() -> None:
    text = shipped().how_to_add("hart")
    assert text.split(": ")[-1].count("\\t") == len(COLUMNS) - 1
