from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartarget.atlas import read_atlas
from cartarget.atlas.notebook import from_anndata
from cartarget.atlas.readers import h5ad, single_cell
from cartarget.atlas.readers.h5ad import read_h5ad
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.errors import ConfigError, InputError

NORMAL = ["T cell", "fibroblast"]
LABELS = CellLabels(
    malignant="cell_type", malignant_values=["carcinoma"], normal_values=NORMAL, donor="patient", cell_type="cell_type"
)
SYMBOLS = ["EPCAM", "MSLN", "KDR"]
ENSEMBL = ["ENSG00000119888", "ENSG00000102854", "ENSG00000128052"]
COUNTS = np.array([[3, 0, 1], [1, 2, 0], [0, 1, 5], [1, 0, 4], [2, 1, 0]], dtype=np.float32)
LOGS = np.log1p(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1000).astype(np.float32)


def make(values=COUNTS, *, symbols=SYMBOLS, var=None):
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(["carcinoma", "carcinoma", "T cell", "fibroblast", "carcinoma"]),
            "patient": ["A", "B", "A", "B", "B"],
            "organ": ["colon", "colon", "lung", "lung", "colon"],
        },
        index=[f"cell{i}" for i in range(5)],
    )
    return anndata.AnnData(values, obs=obs, var=pd.DataFrame(index=symbols) if var is None else var)


def read(tmp_path, adata, labels=LABELS, keep=None, **changes):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    atlas = AtlasConfig(name="cells", reader="h5ad", path="cells.h5ad", labels=labels, **changes)
    return read_atlas(atlas, config=Config(data_dir=str(tmp_path)), keep=keep)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("keep", [None, {"KDR"}])
@pytest.mark.parametrize("chunk", [2, 4096])
def test_every_form_gives_the_same_counts(tmp_path, monkeypatch, form, keep, chunk):
    monkeypatch.setattr(h5ad, "CHUNK", chunk)
    adata = read(tmp_path, make(form(COUNTS)), keep=keep)
    assert adata.var_names.tolist() == (SYMBOLS if keep is None else ["KDR"])
    assert (adata.X.toarray() == (COUNTS if keep is None else COUNTS[:, 2:])).all()
    assert adata.obs["side"].tolist() == ["tumor", "tumor", "normal", "normal", "tumor"]
    assert adata.obs["donor"].tolist() == ["A", "B", "A", "B", "B"]
    assert adata.uns["cartarget"]["unit"] == "counts"


def test_counts_are_found_in_a_layer(tmp_path):
    given = make(LOGS - LOGS.mean())
    given.layers["counts"] = sparse.csr_matrix(COUNTS)
    adata = read(tmp_path, given)
    assert (adata.X.toarray() == COUNTS).all()
    assert "values are read from layers/counts" in adata.uns["cartarget"]["notes"]


def test_counts_are_found_in_raw_with_the_symbols_of_var(tmp_path):
    given = make(COUNTS, var=pd.DataFrame(index=ENSEMBL))
    given.raw = given.copy()
    given.X = LOGS - LOGS.mean()
    given.var["feature_name"] = SYMBOLS
    adata = read(tmp_path, given)
    assert adata.var_names.tolist() == SYMBOLS
    assert (adata.X.toarray() == COUNTS).all()
    assert "values are read from raw/X" in adata.uns["cartarget"]["notes"]


@pytest.mark.parametrize("chunk", [2, 4096])
def test_logs_become_counts_again(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(h5ad, "CHUNK", chunk)
    adata = read(tmp_path, make(LOGS))
    assert (adata.X.toarray() == COUNTS).all()
    assert "counts recovered from ln(1 + x)" in adata.uns["cartarget"]["notes"]


def test_the_unit_does_not_depend_on_the_chunk_that_refuses(tmp_path, monkeypatch):
    values = LOGS.copy()
    values[4] = [1.234, 0.777, 0.317]
    whole = read(tmp_path, make(values))
    monkeypatch.setattr(h5ad, "CHUNK", 2)
    cut = read(tmp_path, make(values))
    assert whole.uns["cartarget"]["unit"] == cut.uns["cartarget"]["unit"] == "log1p"
    assert cut.X.toarray() == pytest.approx(values, rel=1e-5)
    assert (whole.X.toarray() == cut.X.toarray()).all()


def test_whole_numbers_at_first_and_fractions_later_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(h5ad, "CHUNK", 2)
    monkeypatch.setattr(h5ad, "PEEK", 2)
    values = COUNTS.copy()
    values[4] = [0.5, 0.777, 0.317]
    with pytest.raises(InputError, match="whole numbers in the first 4 cells, but not after"):
        read(tmp_path, make(values))


def test_ensembl_names_take_their_symbols_from_var(tmp_path):
    var = pd.DataFrame({"gene_symbols": pd.Categorical(["EPCAM", None, "KDR"])}, index=ENSEMBL)
    adata = read(tmp_path, make(var=var))
    assert adata.var_names.tolist() == ["EPCAM", "ENSG00000102854", "KDR"], "without a gene table the id stands in"


def test_a_stable_id_beside_the_symbol_is_used(tmp_path):
    from cartarget.genes import read_gene_table

    table = tmp_path / "genes.tsv"
    rows = ["ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene"]
    rows += [
        f"{i}\t{symbol}\t-\t{ensembl}" for i, (symbol, ensembl) in enumerate(zip(SYMBOLS, ENSEMBL, strict=True), 1)
    ]
    table.write_text("\n".join(rows) + "\n")
    make(symbols=["EPCAM", "NEWNAME", "KDR"], var=None).write_h5ad(tmp_path / "cells.h5ad")
    given = make(var=pd.DataFrame({"gene_ids": ENSEMBL}, index=["EPCAM", "NEWNAME", "KDR"]))
    given.write_h5ad(tmp_path / "cells.h5ad")
    atlas = AtlasConfig(name="cells", reader="h5ad", path="cells.h5ad", labels=LABELS)
    adata = read_h5ad(atlas, config=Config(data_dir=str(tmp_path)), genes=read_gene_table(table))
    assert adata.var_names.tolist() == SYMBOLS
    assert adata.var["given"].tolist() == ["EPCAM", "NEWNAME", "KDR"]


def test_cells_can_be_left_out_in_any_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(h5ad, "CHUNK", 2)
    adata = read(tmp_path, make(), LABELS.model_copy(update={"exclude_values": ["T cell"]}))
    assert adata.obs_names.tolist() == ["cell0", "cell1", "cell3", "cell4"]
    assert (adata.X.toarray() == COUNTS[[0, 1, 3, 4]]).all()


def test_an_atlas_of_normal_tissue_has_no_malignant_value(tmp_path):
    labels = LABELS.model_copy(
        update={"malignant_values": [], "normal_values": [*NORMAL, "carcinoma"], "tissue": "organ"}
    )
    adata = read(tmp_path, make(), labels, role="counted")
    assert set(adata.obs["side"]) == {"normal"}
    assert adata.obs["tissue"].tolist() == ["colon", "colon", "lung", "lung", "colon"]


def test_true_and_false_can_be_the_label(tmp_path):
    given = make()
    given.obs["is_tumor"] = given.obs["cell_type"] == "carcinoma"
    labels = LABELS.model_copy(update={"malignant": "is_tumor", "malignant_values": ["True"], "normal_values": None})
    assert (read(tmp_path, given, labels).obs["side"] == "tumor").sum() == 3


def test_duplicate_genes_are_added_up_and_listed(tmp_path):
    var = pd.DataFrame({"feature_name": ["EPCAM", "EPCAM", "KDR"]}, index=ENSEMBL)
    adata = read(tmp_path, make(var=var))
    assert adata[:, "EPCAM"].X.toarray()[:, 0].tolist() == [3, 3, 1, 1, 3]
    assert len(adata.uns["cartarget"]["lost"]) == 1


def test_a_hostile_gene_name_is_only_a_name(tmp_path):
    name = "</script><img src=x onerror=alert(1)>"
    var = pd.DataFrame({"feature_name": [name, *SYMBOLS[1:]]}, index=ENSEMBL)
    assert read(tmp_path, make(var=var)).var_names[0] == name


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-2.0, "-2")])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_values_that_cannot_be_are_named_by_gene_and_cell(tmp_path, form, value, shown):
    values = COUNTS.copy()
    values[3, 2] = value
    with pytest.raises(InputError, match=rf"cells\.h5ad: X: found {shown} for gene 'KDR' in cell 'cell3'"):
        read(tmp_path, make(form(values)))


def test_a_misspelled_column_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"labels\.donor: .* no column 'pateint'; did you mean 'patient'\?"):
        read(tmp_path, make(), LABELS.model_copy(update={"donor": "pateint"}))


def test_the_same_cell_twice(tmp_path):
    given = make()
    given.obs_names = ["a", "b", "c", "c", "d"]
    with pytest.raises(InputError, match="cell 'c' stands twice"):
        read(tmp_path, given)


def test_no_malignant_and_no_normal_cell(tmp_path):
    with pytest.raises(
        InputError, match="no malignant cell: column 'cell_type' holds 'T cell', 'carcinoma', 'fibroblast'"
    ):
        read(tmp_path, make(), LABELS.model_copy(update={"malignant_values": ["cancer"]}))
    tumor = read(tmp_path, make(), LABELS.model_copy(update={"exclude_values": ["T cell", "fibroblast"]}))
    assert set(tumor.obs["side"]) == {"tumor"}, "an atlas may hold tumour alone"


def test_files_that_are_none(tmp_path):
    config = Config(data_dir=str(tmp_path))
    atlas = AtlasConfig(name="cells", reader="h5ad", path="cells.h5ad", labels=LABELS)
    with pytest.raises(InputError, match=r"cells\.h5ad: no such file"):
        read_h5ad(atlas, config=config, genes=None)
    make().write_h5ad(tmp_path / "cells.h5ad")
    content = (tmp_path / "cells.h5ad").read_bytes()
    for broken in (b"not hdf5", content[: len(content) // 2]):
        (tmp_path / "cells.h5ad").write_bytes(broken)
        with pytest.raises(InputError, match=r"cells\.h5ad: truncated, damaged or not an \.h5ad file"):
            read_h5ad(atlas, config=config, genes=None)


def test_hdf5_that_is_no_h5ad(tmp_path):
    import h5py

    with h5py.File(tmp_path / "cells.h5ad", "w") as handle:
        handle["matrix"] = COUNTS
    atlas = AtlasConfig(name="cells", reader="h5ad", path="cells.h5ad", labels=LABELS)
    with pytest.raises(InputError, match="it holds no 'obs'"):
        read_h5ad(atlas, config=Config(data_dir=str(tmp_path)), genes=None)


def test_only_a_chunk_is_held_with_all_genes(tmp_path, monkeypatch):
    """What is merged is cut to `keep` before the next chunk is read."""
    shapes = []
    merged = single_cell._merged
    monkeypatch.setattr(h5ad, "CHUNK", 2)
    monkeypatch.setattr(
        single_cell, "_merged", lambda values, columns: shapes.append(values.shape) or merged(values, columns)
    )
    adata = read(tmp_path, make(), keep={"MSLN"})
    assert shapes == [(2, 3), (2, 3), (1, 3)]
    assert adata.n_vars == 1


def test_an_antibody_beside_its_gene_is_kept_apart(tmp_path):
    """The antibody HER2 (200 counts) beside ERBB2 (RNA, 3 counts), whose alias it is; in both directions."""
    values = np.array([[3, 200, 1], [0, 90, 2], [1, 150, 0], [2, 70, 5], [4, 10, 0]], dtype=np.float32)
    var = pd.DataFrame(
        {"feature_types": ["Gene Expression", "Antibody Capture", "Gene Expression"]}, index=["ERBB2", "HER2", "KDR"]
    )
    adata = make(values, symbols=list(var.index), var=var)
    atlas = read(tmp_path, adata)
    assert atlas.var_names.tolist() == ["ERBB2", "KDR"]
    assert atlas[:, "ERBB2"].X.toarray().ravel().tolist() == [3, 0, 1, 2, 4]
    assert atlas.uns["cartarget"]["lost"].values.tolist() == [["HER2", "not a gene but Antibody Capture"]]
    mine = from_anndata(adata, malignant=adata.obs["cell_type"] == "carcinoma", tissue="colon")
    assert mine.var_names.tolist() == ["ERBB2", "KDR"] and mine.X.sum() == atlas.X.sum()


def test_spots_of_visium_are_no_cells(tmp_path):
    adata = make()
    adata.obs["array_row"], adata.obs["array_col"] = range(adata.n_obs), 1
    with pytest.raises(InputError, match="spots of Visium"):
        read(tmp_path, adata)
    with pytest.raises(InputError, match="spots of Visium"):
        from_anndata(adata, malignant=[True] * adata.n_obs)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["anndata_archive_v0.5.0.h5ad", "cellxgene_nan.h5ad"])
def test_a_file_of_an_old_anndata_is_told(shared_data, name):
    atlas = AtlasConfig(name="old", reader="h5ad", path=f"formats/{name}", tissue="blood")
    with pytest.raises(InputError, match=r"written by anndata before 0\.7; open it"):
        read_atlas(atlas, config=Config(data_dir=str(shared_data)))
