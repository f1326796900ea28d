"""The columns of CELLxGENE: repeated, foreign, cultured, diseased and foetal cells, and nuclei; and its real files."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas import cellxgene, read_atlas
from cartarget.atlas.check import describe
from cartarget.atlas.harmonise import harmonise
from cartarget.atlas.store import read_stored, write_atlas
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import InputError
from cartarget.safety.tiers import read_tiers

N = 6
TUMOR = ["yes", "yes", "no", "no", "no", "no"]
LABELS = {"malignant": "label", "donor": "donor_id"}


def read(folder: Path, columns: dict[str, object], *, uns: dict[str, object] | None = None, organ="colon", **labels):
    """Six cells, two of them malignant, with some columns of the schema."""
    obs = pd.DataFrame({"label": TUMOR, "donor_id": list("AABBCC"), **columns}, index=[f"c{i}" for i in range(N)])
    adata = anndata.AnnData(np.ones((N, 2), dtype=np.float32), obs=obs, var=pd.DataFrame(index=["EPCAM", "KDR"]))
    adata.uns.update(uns or {})
    adata.write_h5ad(folder / "x.h5ad")
    return real(folder / "x.h5ad", organ=organ, **LABELS | labels)


def real(path: Path, *, organ: str | None = None, role: str = "counted", **labels):
    atlas = AtlasConfig(
        name="mine", reader="h5ad", path=path.name, tissue=organ, role=role, labels=CellLabels.model_validate(labels)
    )
    return read_atlas(atlas, config=Config(data_dir=str(path.parent)))


def notes(adata: anndata.AnnData) -> list[str]:
    return [note for note in adata.uns["cartarget"]["notes"] if "left out" in note or "fetal" in note]


@pytest.mark.parametrize("form", [bool, str, lambda value: str(value).upper()])
def test_cells_of_another_data_set_are_left_out(tmp_path: Path, form) -> None:
    adata = read(tmp_path, {"is_primary_data": [form(value) for value in [True, False, True, True, False, False]]})
    assert adata.obs_names.tolist() == ["c0", "c2", "c3"]
    assert notes(adata) == ["3 observations left out: is_primary_data is false, part of another data set too"]
    with pytest.raises(InputError, match="no observation is left: 6 observations left out: is_primary_data is false"):
        read(tmp_path, {"is_primary_data": False})


@pytest.mark.parametrize(
    "columns",
    [
        {"organism": ["Homo sapiens"] * 5 + ["Mus musculus"]},
        {"organism_ontology_term_id": ["NCBITaxon:9606"] * 5 + ["NCBITaxon:10090"]},
        {"organism": "Homo sapiens", "organism_ontology_term_id": ["NCBITaxon:9606"] * 5 + ["NCBITaxon:10090"]},
    ],
)
def test_another_species_is_refused(tmp_path: Path, columns) -> None:
    with pytest.raises(
        InputError, match=r"x\.h5ad: obs: column 'organism.*' holds '.*' \(1\) of 6 observations; expected hu"
    ):
        read(tmp_path, columns)
    left_out = read(tmp_path, columns | {"is_primary_data": [True] * 5 + [False]})
    assert left_out.n_obs == 5, "a cell that is left out already does no harm"


def test_the_species_of_a_whole_file_is_read_from_uns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'NCBITaxon:10090' \(6\) of 6"):
        read(tmp_path, {}, uns={"organism_ontology_term_id": "NCBITaxon:10090"})
    assert read(tmp_path, {}, uns={"organism": "Homo sapiens"}).n_obs == N
    assert read(tmp_path, {"organism": ["human"] * 5 + ["unknown"]}).n_obs == N


@pytest.mark.parametrize("word", ["organoid", "cell culture", "primary cell culture", "cell line", "Organoid "])
def test_cultures_are_no_normal_tissue(tmp_path: Path, word: str) -> None:
    adata = read(tmp_path, {"tissue_type": ["tissue", word, "tissue", word, "tissue", word]})
    assert adata.obs_names.tolist() == ["c0", "c1", "c2", "c4"], "the tumour may be grown; normal tissue may not"
    assert notes(adata) == ["2 observations left out: cultured (organoid, cell culture), no normal tissue"]


def test_old_schemas_tell_a_culture_in_the_tissue(tmp_path: Path) -> None:
    adata = read(tmp_path, {"tissue": ["colon"] * 4 + ["colon (organoid)", "fibroblast (cell culture)"]})
    assert adata.obs_names.tolist() == ["c0", "c1", "c2", "c3"]
    ids = ["UBERON:0001155"] * 5 + ["CL:0000057 (cell culture)"]
    assert read(tmp_path, {"tissue_ontology_term_id": ids}).n_obs == 5


DISEASES = ["carcinoma", "carcinoma", "normal", "Crohn disease", "Crohn disease", "COVID-19"]


def test_diseased_cells_are_no_normal_tissue(tmp_path: Path) -> None:
    adata = read(tmp_path, {"disease": DISEASES})
    assert adata.obs_names.tolist() == ["c0", "c1", "c2"]
    assert notes(adata) == [
        "3 observations left out: disease is 'Crohn disease' (2), 'COVID-19' (1), no normal tissue unless "
        "labels.normal_values names it"
    ]
    adata = read(tmp_path, {"disease_ontology_term_id": ["x", "y", "PATO:0000461", "MONDO:1", "", "PATO:0000461"]})
    assert adata.obs_names.tolist() == ["c0", "c1", "c2", "c5"], "a disease that is not told is not normal"


def test_the_configuration_may_call_a_disease_normal(tmp_path: Path) -> None:
    adata = read(tmp_path, {"disease": DISEASES}, normal_values=["no", "crohn disease"])
    assert adata.obs_names.tolist() == ["c0", "c1", "c2", "c3", "c4"]


@pytest.mark.parametrize("tissue", [None, "tumor microenvironment", "TME"])
def test_the_surroundings_of_a_tumour_may_be_diseased(tmp_path: Path, tissue: str | None) -> None:
    adata = read(tmp_path, {"disease": "carcinoma"}, organ=tissue)
    assert adata.n_obs == N and notes(adata) == []


def test_the_disease_may_be_the_label(tmp_path: Path) -> None:
    columns = {"disease": DISEASES}
    none = read(tmp_path, columns, malignant="disease", malignant_values=[])
    assert none.obs_names.tolist() == ["c2"] and "'Crohn disease' (2), 'carcinoma' (2)" in notes(none)[0]
    named = read(
        tmp_path, columns, malignant="disease", malignant_values=["Carcinoma"], normal_values=["normal", "COVID-19"],
        exclude_values=["Crohn disease"],
    )  # fmt: skip
    assert named.obs["side"].tolist() == ["tumor", "tumor", "normal", "normal"]
    with pytest.raises(InputError, match=r"holds 'Crohn disease' \(2\), 'COVID-19' \(1\), which is named neither"):
        read(tmp_path, columns, malignant="disease", malignant_values=["carcinoma"])


def test_nuclei_are_told(tmp_path: Path) -> None:
    adata = read(tmp_path, {"suspension_type": "nucleus"})
    assert adata.uns["cartarget"]["assay"] == "nuclei" and "assay" not in adata.obs
    assert describe(adata)[0] == "mine: nuclei in place of single cells; unit counts"
    for columns in ({"suspension_type": "cell"}, {"suspension_type": "na"}, {}):
        adata = read(tmp_path, columns)
        assert adata.uns["cartarget"]["assay"] == "cells" and "assay" not in adata.obs


def test_cells_and_nuclei_side_by_side_are_told_one_by_one(tmp_path: Path) -> None:
    adata = read(tmp_path, {"suspension_type": ["nucleus", "cell"] * 3})
    assert adata.uns["cartarget"]["assay"] == "cells"
    assert adata.obs["assay"].tolist() == ["nuclei", "cells"] * 3
    assert describe(adata)[0] == "mine: nuclei among single cells; unit counts"
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"])
    write_atlas(placed, tmp_path / "stored.h5ad")
    assert read_stored(tmp_path / "stored.h5ad").obs["assay"].tolist() == ["nuclei", "cells"] * 3


def test_nuclei_that_are_left_out_make_no_mixture(tmp_path: Path) -> None:
    columns = {"suspension_type": ["nucleus"] * 5 + ["cell"], "is_primary_data": [True] * 5 + [False]}
    assert read(tmp_path, columns).uns["cartarget"]["assay"] == "nuclei"


STAGES = {
    "15th week post-fertilization stage": True, "fetal stage": True, "Carnegie stage 17": True, "embryonic stage": True,
    "third LMP month stage": True, "HsapDv:0000037": True, "HsapDv:0000046": True, "HsapDv:0000197": True,
    "foetal": True, "gestational week 12": True, "newborn stage (0-28 days)": False, "45-year-old stage": False,
    "adult stage": False, "HsapDv:0000144": False, "HsapDv:0000087": False, "unknown": False, "UBERON:0018241": False,
    "third decade stage": False, "postnatal stage": False, "prime adult stage": False, "": False,
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_stages_before_birth(stage: str) -> None:
    for column in ("development_stage", "development_stage_ontology_term_id"):
        assert cellxgene.is_prenatal(pd.DataFrame({column: [stage]})).tolist() == [STAGES[stage]]


def test_foetal_cells_are_fetal_tissue(tmp_path: Path) -> None:
    stages = ["fetal stage", "adult stage", "fetal stage", "adult stage", "adult stage", "Carnegie stage 20"]
    adata = read(tmp_path, {"development_stage": stages})
    assert adata.obs["tissue"].tolist() == ["tumor", "tumor", "fetal tissue", "colon", "colon", "fetal tissue"]
    assert notes(adata) == ["fetal tissue by development_stage: 2 of the normal side"]
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["lung"])
    assert placed.obs["tier"].tolist() == ["", "", "ignored", "vital", "vital", "ignored"]


ROW = st.fixed_dictionaries(
    {
        "label": st.sampled_from(["yes", "no"]),
        "is_primary_data": st.booleans(),
        "tissue_type": st.sampled_from(["tissue", "organoid"]),
        "disease": st.sampled_from(["normal", "COVID-19"]),
    }
)


@given(st.lists(ROW, min_size=1, max_size=10))
def test_what_is_kept_is_what_the_rules_say_of_each_cell(rows: list[dict[str, object]]) -> None:
    from cartarget.atlas.labels import label_cells

    cells = pd.DataFrame(rows, index=[f"c{i}" for i in range(len(rows))])
    kept = [
        row["is_primary_data"]
        and (row["label"] == "yes" or (row["tissue_type"], row["disease"]) == ("tissue", "normal"))
        for row in rows
    ]
    atlas = AtlasConfig(name="x", reader="h5ad", tissue="colon", labels=CellLabels(malignant="label"))
    if not any(kept):
        with pytest.raises(InputError, match="no observation is left"):
            label_cells(cells, atlas=atlas, where="x")
        return
    found = label_cells(cells, atlas=atlas, where="x")
    assert found.is_kept.tolist() == kept
    counted = [int(note.split(" ")[0].replace(",", "")) for note in found.notes if "left out" in note]
    assert sum(counted) == len(rows) - sum(kept), "each cell that is left out is counted once"


VENTRICLES = {"heart right ventricle": "heart", "UBERON:0002080": "heart", "UBERON:0002084": "heart"}
NO_TUMOR = {"malignant_values": [], "donor": "donor_id"}


def human(path: Path, folder: Path, column: str, value: str) -> Path:
    """A copy of the human observations of a real file."""
    adata = opened(path)
    adata[(adata.obs[column] == value).to_numpy()].copy().write_h5ad(folder / "human.h5ad")
    return folder / "human.h5ad"


def opened(path: Path) -> anndata.AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anndata.OldFormatWarning)
        return anndata.read_h5ad(path)


@pytest.mark.real_data
def test_schema_2(shared_data: Path, tmp_path: Path) -> None:
    """Labels for everything; one mouse cell; cultures are told in the tissue."""
    path = shared_data / "cells_normal" / "schema_2.0.0_with_labels_noraw_heart320.h5ad"
    labels = {"malignant": "disease", "malignant_values": [], "tissue": "tissue", "cell_type": "cell_type"}
    with pytest.raises(InputError, match=r"column 'organism' holds 'Mus musculus' \(1\) of 320 observations"):
        real(path, **labels)
    adata = real(human(path, tmp_path, "organism", "Homo sapiens"), **labels)
    assert adata.n_obs == 317
    assert "2 observations left out: cultured" in " ".join(adata.uns["cartarget"]["notes"])
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"], names=VENTRICLES)
    assert set(placed.obs["tissue"]) == {"heart", "kidney"}


@pytest.mark.real_data
@pytest.mark.parametrize("schema", ["schema_3.0.0_donor_id_raw", "schema_6_or_7_organism_in_uns"])
def test_schemas_3_and_6(shared_data: Path, tmp_path: Path, schema: str) -> None:
    """Ontology ids alone: what is left is counted on the file itself."""
    path = shared_data / "formats" / f"{schema}.h5ad"
    labels = {
        "malignant": "disease_ontology_term_id", "tissue": "tissue_ontology_term_id",
        "cell_type": "cell_type_ontology_term_id", **NO_TUMOR,
    }  # fmt: skip
    if "organism_ontology_term_id" in opened(path).obs:
        with pytest.raises(InputError, match=r"'NCBITaxon:10090' \(1\), 'NCBITaxon:9483' \(1\) of 319"):
            real(path, **labels)
        path = human(path, tmp_path, "organism_ontology_term_id", "NCBITaxon:9606")
    obs = opened(path).obs
    tissue = obs["tissue_ontology_term_id"].astype(str)
    is_grown = tissue.str.contains(r"\(|^CL:")
    if "tissue_type" in obs:
        is_grown |= obs["tissue_type"] != "tissue"
    is_left = obs["is_primary_data"] & (obs["disease_ontology_term_id"] == "PATO:0000461") & ~is_grown
    adata = real(path, **labels)
    assert adata.obs_names.tolist() == obs.index[is_left].tolist()
    said = " ".join(adata.uns["cartarget"]["notes"])
    assert "1 observation left out: is_primary_data is false" in said or obs["is_primary_data"].all()
    placed = harmonise(adata, tiers=read_tiers("config/tissue_tiers.tsv"), origin=["colon"], names=VENTRICLES)
    is_embryo = (obs["development_stage_ontology_term_id"] == "HsapDv:0000003").all()
    assert is_embryo == (schema == "schema_6_or_7_organism_in_uns")
    assert set(placed.obs["tissue"].astype(str)) == ({"fetal tissue"} if is_embryo else {"heart", "kidney"})
    assert adata.uns["cartarget"]["assay"] == "cells"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "labels", "tissue", "n"),
    [
        ("onek1k_subset_40donors_7811cells_1000genes", {"donor": "indiv", "cell_type": "cell_type"}, "blood", 7811),
        ("brain_dlpfc_2donors_500nuclei_1000genes", {"donor": "donor", "cell_type": "cellType"}, "brain", 500),
    ],
)
def test_normal_cells_of_other_makers_are_read_whole(
    shared_data: Path, tmp_path: Path, name: str, labels: dict[str, str], tissue: str, n: int
) -> None:
    given = anndata.read_h5ad(shared_data / "cells_normal" / f"{name}.h5ad")
    given.obs["state"] = "normal"
    given.write_h5ad(tmp_path / "x.h5ad")
    adata = real(tmp_path / "x.h5ad", organ=tissue, malignant="state", malignant_values=[], **labels)
    assert adata.n_obs == n and notes(adata) == []
