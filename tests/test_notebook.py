"""An AnnData as a notebook holds it, and a screen in one call: the same answers as from files, or one clear message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartarget
from cartarget.contracts import columns
from cartarget.errors import CartargetError, ConfigError, InputError
from cartarget.genes import read_gene_table
from cartarget.selection.screen import expose

ROOT = Path(__file__).resolve().parents[1]
ORIGIN = ["colon", "rectum"]


def simulated() -> anndata.AnnData:
    return cartarget.simulate_atlas(
        n_patients=4, n_donors=4, n_background=10, cells_per_tumor=60, cells_per_population=8
    )


def plain(adata: anndata.AnnData) -> anndata.AnnData:
    """The same cells as a notebook would hold them: nothing of the contract left."""
    obs = pd.DataFrame({
        "label": np.where(adata.obs["side"] == "tumor", "cancer", "healthy"),
        "patient": adata.obs["donor"].astype(str), "organ": adata.obs["tissue"].astype(str),
        "type": adata.obs["cell_type"].astype(str), "n_genes": np.arange(adata.n_obs),
    }, index=adata.obs_names)  # fmt: skip
    made = anndata.AnnData(sparse.csr_matrix(adata.X), obs=obs, var=pd.DataFrame(index=adata.var_names))
    made.obsm["X_pca"] = np.arange(2 * adata.n_obs, dtype=float).reshape(-1, 2)
    return made


@pytest.fixture(scope="module")
def known() -> anndata.AnnData:
    return simulated()


def taken(adata: anndata.AnnData, **more: Any) -> anndata.AnnData:
    asked: dict[str, Any] = {"malignant": adata.obs["label"] == "cancer", "donor": "patient", "cell_type": "type"}
    return cartarget.from_anndata(adata, **asked | {"tissue": "organ"} | more)


def test_a_notebooks_anndata_becomes_the_same_atlas(known: anndata.AnnData) -> None:
    mine = plain(known)
    before = mine.copy()
    atlas = taken(mine)
    wanted = ["side", "donor", "tissue", "cell_type"]
    pd.testing.assert_frame_equal(atlas.obs[wanted].astype(str), known.obs[wanted].astype(str), check_index_type=False)
    assert abs(atlas.X - sparse.csr_matrix(known.X)).max() == 0
    assert atlas.obs["n_genes"].tolist() == mine.obs["n_genes"].tolist(), "other columns are kept"
    assert atlas.obsm["X_pca"].tolist() == mine.obsm["X_pca"].tolist()
    pd.testing.assert_frame_equal(mine.obs, before.obs)
    assert "cartarget" not in mine.uns and abs(mine.X - before.X).max() == 0


def test_one_call_is_the_long_way(known: anndata.AnnData) -> None:
    """`screen` of tumour and normal in two AnnData against harmonise, build_panel and the screens, by hand."""
    is_tumor = (known.obs["side"] == "tumor").to_numpy()
    mine = plain(known)
    tumour = taken(mine[is_tumor].copy(), name="tumour", tissue=None)
    normal = taken(mine[~is_tumor].copy(), malignant=None, name="normal")
    found = cartarget.screen([tumour, normal], origin=ORIGIN, every_gene=True)

    tiers = cartarget.read_tiers(ROOT / "config" / "tissue_tiers.tsv")
    places = [cartarget.harmonise(one, tiers=tiers, origin=ORIGIN) for one in (tumour, normal)]
    genes = [name for name in found.run.panel.symbols if name in known.var_names]
    panel = cartarget.build_panel(
        places, symbols=genes, required=[*tiers.required, *tiers.required_cell_types],
        stand_in=tiers.stand_in, origin=ORIGIN, primary="single_cell",
    )  # fmt: skip
    shown = ["symbol", "safety_class", "coverage", "liability", "liability_population", "selectivity", "window"]
    alone = cartarget.screen_antigens(panel, controls=found.run.controls)[shown].sort_values(
        "symbol", ignore_index=True
    )
    is_gene = found.antigens["derived"].isna()
    mine = found.antigens.loc[is_gene, shown].sort_values("symbol", ignore_index=True)
    pd.testing.assert_frame_equal(mine, alone.astype(mine.dtypes))
    assert found.antigens["symbol"].iloc[0] == "LY6G6D", "the planted best single antigen"
    assert list(found.antigens) == list(columns("antigens"))

    pairs = cartarget.screen_gates(
        panel, candidates=found.run.candidates, top=1000, controls=found.run.controls, progress=False
    )
    assert set(found.gates["gate"]) == set(pairs.table["gate"])
    assert found.gates["gate"].iloc[0] == "CEACAM5 & MSLN", "the planted best AND"
    gates = cartarget.Gates.parse(pairs.table["gate"].tolist(), panel=panel)
    assert len(found.exposure) == len(expose(panel, gates=gates))
    assert found.explain("ceacam5").startswith("ceacam5 is read as CEACAM5.\nCEACAM5: over cap; rank ")
    asked = found.score("MSLN & CEACAM5").table
    assert asked["rank"].tolist() == [1] and asked["gate"].tolist() == ["CEACAM5 & MSLN"]
    assert "candidate antigens" in repr(found)


def test_what_is_written_screens_alike(known: anndata.AnnData, tmp_path: Path) -> None:
    atlas = taken(plain(known))
    atlas.write_h5ad(tmp_path / "atlas.h5ad")
    again = anndata.read_h5ad(tmp_path / "atlas.h5ad")
    one, two = (cartarget.screen(each, origin=ORIGIN, every_gene=True).antigens for each in (atlas, again))
    pd.testing.assert_frame_equal(one, two)


def test_two_atlases_of_one_name_stay_two(known: anndata.AnnData) -> None:
    is_tumor = (known.obs["side"] == "tumor").to_numpy()
    mine = plain(known)
    both = [taken(mine[is_tumor].copy(), tissue=None), taken(mine[~is_tumor].copy(), malignant=None)]
    assert [one.uns["cartarget"]["atlas"] for one in both] == ["adata", "adata"]
    found = cartarget.screen(both, origin=ORIGIN, every_gene=True)
    assert [part.atlas for part in found.run.parts] == ["adata", "adata2"]
    assert both[1].uns["cartarget"]["atlas"] == "adata", "what was given is not changed"


def two_cells(**more: Any) -> anndata.AnnData:
    obs = pd.DataFrame({"label": ["cancer", "T cell"], "who": ["P1", "P2"]}, index=["a", "b"])
    return anndata.AnnData(np.array([[3.0, 0.0], [0.0, 1.0]]), obs=obs, **more)


@pytest.mark.parametrize(
    "var",
    [
        pd.DataFrame(index=["EPCAM", "CD3E"]),
        pd.DataFrame({"feature_name": ["EPCAM", "CD3E"]}, index=["ENSG00000119888", "ENSG00000198851"]),
        pd.DataFrame({"gene_symbols": ["EPCAM", "CD3E"]}, index=["ENSG00000119888.17", "ENSG00000198851.10"]),
        pd.DataFrame({"gene_ids": ["ENSG00000119888", "ENSG00000198851"]}, index=["EPCAM", "CD3E"]),
    ],
)
def test_genes_are_named_as_users_have_them(var: pd.DataFrame) -> None:
    adata = two_cells(var=var)
    atlas = cartarget.from_anndata(adata, malignant=adata.obs["label"] == "cancer", donor="who")
    assert atlas.var_names.tolist() == ["EPCAM", "CD3E"]


def test_versioned_ensembl_ids_alone_need_a_gene_table(tmp_path: Path) -> None:
    head = "ncbi_gene_id\tgene_symbol\tsynonyms\tensembl_gene"
    rows = ["4072\tEPCAM\t-\tENSG00000119888", "916\tCD3E\t-\tENSG00000198851"]
    (tmp_path / "genes.tsv").write_text("\n".join([head, *rows]))
    adata = two_cells(var=pd.DataFrame(index=["ENSG00000119888.17", "ENSG00000198851.10"]))
    genes = read_gene_table(tmp_path / "genes.tsv")
    atlas = cartarget.from_anndata(adata, malignant=adata.obs["label"] == "cancer", donor="who", genes=genes)
    assert atlas.var_names.tolist() == ["EPCAM", "CD3E"]


def test_values_are_taken_from_where_they_were_named_or_are_whole() -> None:
    adata = two_cells(var=pd.DataFrame(index=["EPCAM", "CD3E"]))
    adata.layers["counts"], adata.layers["more"] = adata.X.copy(), 2 * adata.X
    adata.X = np.array([[-0.5, 1.5], [0.25, 1.0]])
    asked: dict[str, Any] = {"malignant": adata.obs["label"] == "cancer", "donor": "who"}
    assert cartarget.from_anndata(adata, **asked).X.sum() == 4
    assert cartarget.from_anndata(adata, layer="more", **asked).X.sum() == 8
    with pytest.raises(InputError, match="'absent' is no layer of the AnnData; its layers: counts, more"):
        cartarget.from_anndata(adata, layer="absent", **asked)
    with pytest.raises(InputError, match=r"found -0.5 for gene 'EPCAM' in cell 'a'.*scaled"):
        cartarget.from_anndata(adata, unit="log1p", **asked)
    del adata.layers["counts"], adata.layers["more"]
    adata.X = np.log1p(np.array([[3.0, 0.0], [0.0, 1.0]]))
    assert cartarget.from_anndata(adata, unit="log1p", **asked).uns["cartarget"]["unit"] in ("counts", "log1p")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"malignant": "lable"}, "has no column 'lable'; did you mean 'label'"),
        ({"malignant": "label"}, 'from_anndata(adata, malignant=adata.obs["column"].isin(["value", ...]), ...)'),
        ({"malignant": [True]}, "one boolean for each of the 2 cells"),
        ({"malignant": ["cancer", "T cell"]}, 'such as malignant=adata.obs["label"] == "cancer"'),
        ({}, "say which cells are malignant, or of which normal tissue all are (tissue=...)"),
        ({"malignant": [True, False], "donor": "gap"}, "cell 'b' has no donor"),
        ({"malignant": [True, False], "unit": "bananas"}, "unit is 'bananas'; expected one of"),
    ],
)
def test_what_cannot_be_taken_is_one_message(asked: dict[str, Any], message: str) -> None:
    adata = two_cells(var=pd.DataFrame(index=["EPCAM", "CD3E"]))
    adata.obs["gap"] = ["P1", None]
    with pytest.raises((InputError, ConfigError)) as told:
        cartarget.from_anndata(adata, **asked)
    assert message in str(told.value)


def test_a_wrong_type_is_a_message_with_the_right_call(known: anndata.AnnData) -> None:
    raw, tiers = plain(known), cartarget.read_tiers()
    calls = [
        (lambda: cartarget.from_anndata("cells.h5ad"), "read the file first"),  # type: ignore[arg-type]
        (lambda: cartarget.screen(raw, origin="colon"), "make one with cartarget.from_anndata("),
        (lambda: cartarget.screen("cells.h5ad", origin="colon"), "found str; read the file first"),  # type: ignore[arg-type]
        (lambda: cartarget.harmonise(raw, tiers=tiers, origin="colon"), "make one with cartarget.from_anndata("),
        (lambda: cartarget.build_panel(raw, symbols=["MSLN"], required=[]), "make one with cartarget.from_anndata("),
        (lambda: cartarget.build_panel(known, symbols=["MSLN"], required=[]), "atlas = cartarget.harmonise(atlas, "),
        (lambda: cartarget.count_atlas(known, symbols=["MSLN"]), "atlas = cartarget.harmonise(atlas, "),
        (lambda: cartarget.batch_report(raw), "make one with cartarget.from_anndata("),
        (lambda: cartarget.pseudobulk(raw), "make one with cartarget.from_anndata("),
        (lambda: cartarget.pack_atlas(raw), "make one with cartarget.from_anndata("),
        (lambda: cartarget.screen_antigens(known), "make one with cartarget.build_panel(atlas, "),  # type: ignore[arg-type]
        (lambda: cartarget.screen_gates(known, candidates=[]), "make one with cartarget.build_panel(atlas, "),  # type: ignore[arg-type]
        (lambda: cartarget.score_gates(known, gates=["MSLN"]), "make one with cartarget.build_panel(atlas, "),  # type: ignore[arg-type]
        (lambda: cartarget.Gates.parse("MSLN", panel=raw), "make one with cartarget.build_panel("),  # type: ignore[arg-type]
    ]  # fmt: skip
    for call, message in calls:
        with pytest.raises(CartargetError) as told:
            call()
        assert message in str(told.value)


def test_a_screen_without_tumour_says_what_to_give(known: anndata.AnnData) -> None:
    normal = taken(plain(known[known.obs["side"] == "normal"].copy()), malignant=None)
    with pytest.raises(InputError, match="no atlas holds tumour: say which cells are malignant"):
        cartarget.screen(normal, origin="colon")


def test_a_text_is_a_name_never_its_letters(known: anndata.AnnData) -> None:
    tiers = cartarget.read_tiers()
    atlas = cartarget.harmonise(known, tiers=tiers, origin="colon")
    panel = cartarget.build_panel(atlas, symbols="MSLN", required=tiers.required, origin="colon")
    assert panel.symbols == ("MSLN",) and list(panel.origin) == ["colon"]
    assert cartarget.score_gates(panel, gates="MSLN")["gate"].tolist() == ["MSLN"]
