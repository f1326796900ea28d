"""One scale: ratios per gene where they can be had, the global one elsewhere, zero and NaN untouched."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.atlas import read_atlas
from cartarget.atlas.scale import MAX_FOLD, to_scale
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.genes import read_gene_table

TISSUES = ["lung", "liver", "colon", "kidney"]


def atlas(values: np.ndarray, kind: str, tissues: list[str], genes: list[str], **obs: object) -> anndata.AnnData:
    names = [f"{tissue}{i}" for i, tissue in enumerate(tissues)]
    frame = pd.DataFrame({"side": "normal", "donor": names, "tissue": tissues, "cell_type": "", **obs}, index=names)
    adata = anndata.AnnData(np.asarray(values, dtype=np.float32), obs=frame, var=pd.DataFrame(index=genes))
    adata.uns["cartarget"] = {"kind": kind, "unit": "CPM" if kind == "samples" else "nTPM", "notes": []}
    return adata


def pair(ratio: float, summary: np.ndarray, genes: list[str]) -> tuple[anndata.AnnData, anndata.AnnData]:
    return atlas(summary, "summary", TISSUES, genes), atlas(summary * ratio, "samples", TISSUES, genes)


def test_a_constant_ratio_is_found_and_applied() -> None:
    values = np.array([[1000, 0.0], [2000, 0], [500, 0], [4000, 3]])
    scaled = to_scale(*pair(2, values, ["A", "B"])[:1], reference=pair(2, values, ["A", "B"])[1])
    np.testing.assert_allclose(scaled.var["scale"], 2, rtol=2e-3)
    assert scaled.var["is_scale_global"].tolist() == [False, True]
    np.testing.assert_allclose(scaled.X, values * 2, rtol=2e-3)
    assert scaled.uns["cartarget"]["unit"] == "CPM"
    assert "1 of 2 genes took the global ratio 2.00" in scaled.uns["cartarget"]["notes"][0]


def test_the_input_is_left_as_it_was() -> None:
    summary, samples = pair(3, np.full((4, 1), 100.0), ["A"])
    before = summary.X.copy()
    to_scale(summary, reference=samples)
    np.testing.assert_array_equal(summary.X, before)
    assert summary.uns["cartarget"] == {"kind": "summary", "unit": "nTPM", "notes": []}
    assert "scale" not in summary.var


def test_zero_stays_zero_and_unmeasured_stays_unmeasured() -> None:
    values = np.array([[100, 100], [100, 100], [100, 100], [0, np.nan]])
    scaled = to_scale(
        atlas(values, "summary", TISSUES, ["A", "B"]), reference=pair(2, np.full((4, 2), 100), ["A", "B"])[1]
    )
    assert scaled.X[3, 0] == 0
    assert np.isnan(scaled.X[3, 1])
    assert not scaled.var["is_scale_global"].any()


def test_near_zeros_say_nothing_about_a_ratio() -> None:
    values = np.array([[100, 0.5], [100, 0.9], [100, 0.1], [100, 900]])
    summary, samples = pair(4, values, ["A", "brain_only"])
    scaled = to_scale(summary, reference=samples)
    assert scaled.var.loc["brain_only", "is_scale_global"]
    assert scaled.var.loc["brain_only", "scale"] == scaled.var.loc["A", "scale"]


def test_a_gene_that_the_samples_lack_takes_the_global_ratio() -> None:
    summary = atlas(np.full((4, 2), 99.0), "summary", TISSUES, ["A", "X"])
    scaled = to_scale(summary, reference=atlas(np.full((4, 1), 199.0), "samples", TISSUES, ["A"]))
    np.testing.assert_allclose(scaled.var["scale"], [2, 2])
    assert scaled.var["is_scale_global"].tolist() == [False, True]


def test_a_ratio_is_held_within_eightfold_of_the_global_one() -> None:
    summary = atlas(np.full((4, 5), 99.0), "summary", TISSUES, list("ABCDE"))
    samples = atlas(np.tile([199.0, 199, 199, 1, 99_999], (4, 1)), "samples", TISSUES, list("ABCDE"))
    scale = to_scale(summary, reference=samples).var["scale"]
    np.testing.assert_allclose(scale, [2, 2, 2, 2 / MAX_FOLD, 2 * MAX_FOLD])


def test_donors_not_samples_and_normals_not_tumours_are_the_reference() -> None:
    tissues = [*TISSUES[:3], "lung", "lung", "lung", "lung"]
    values = np.array([[199.0], [199], [199], [199], [9_999], [9_999], [77_777]])
    donors = ["a", "b", "c", "d", "one", "one", "t"]  # in lung: 199, 199 and one donor with two high samples
    samples = atlas(values, "samples", tissues, ["A"], donor=donors, side=["normal"] * 6 + ["tumor"])
    summary = atlas(np.full((3, 1), 99.0), "summary", TISSUES[:3], ["A"])
    np.testing.assert_allclose(to_scale(summary, reference=samples).var["scale"], 2)


def test_cell_types_do_not_tell_the_ratio_but_are_scaled() -> None:
    tissues = [*TISSUES, "lung"]
    cells = [""] * 4 + ["fibroblast"]
    summary = atlas(np.array([[99.0]] * 4 + [[9_999]]), "summary", tissues, ["A"], cell_type=cells)
    scaled = to_scale(summary, reference=atlas(np.full((4, 1), 199.0), "samples", TISSUES, ["A"]))
    np.testing.assert_allclose(scaled.X.ravel(), [198] * 4 + [19_998])


def test_without_shared_tissues_values_are_taken_as_they_are_and_flagged() -> None:
    summary = atlas(np.full((1, 1), 7.0), "summary", ["brain"], ["A"])
    scaled = to_scale(summary, reference=atlas(np.full((4, 1), 199.0), "samples", TISSUES, ["A"]))
    assert scaled.X.tolist() == [[7]]
    assert scaled.var["is_scale_global"].all()
    assert "no tissue is shared" in scaled.uns["cartarget"]["notes"][0]


def test_kinds_are_checked() -> None:
    summary, samples = pair(2, np.full((4, 1), 9.0), ["A"])
    with pytest.raises(InputError, match="expected an atlas of kind summary, found samples"):
        to_scale(samples, reference=samples)
    with pytest.raises(InputError, match="expected an atlas of kind samples, found summary"):
        to_scale(summary, reference=summary)


@given(st.integers(0, 2**32 - 1))
def test_scaling_never_changes_the_order_of_tissues_or_the_sign(seed: int) -> None:
    rng = np.random.default_rng(seed)
    summary = atlas(rng.gamma(0.5, 50, (4, 6)), "summary", TISSUES, list("ABCDEF"))
    samples = atlas(rng.gamma(0.5, 50, (4, 6)), "samples", TISSUES, list("ABCDEF"))
    scaled = to_scale(summary, reference=samples)
    assert (scaled.var["scale"] > 0).all()
    spread = scaled.var["scale"].max() / scaled.var["scale"].min()
    assert spread <= MAX_FOLD**2 * 1.001
    np.testing.assert_array_equal(np.argsort(scaled.X, axis=0), np.argsort(summary.X, axis=0))


@pytest.mark.real_data
def test_gtex_tpm_runs_lower_than_cpm_and_scaling_mends_it(shared_data: Path) -> None:
    from cartarget.atlas.harmonise import harmonise
    from cartarget.safety.tiers import read_tiers

    tiers = read_tiers(Path(__file__).parents[2] / "config/tissue_tiers.tsv")
    config = Config(data_dir=str(shared_data), indication="read")
    genes = read_gene_table(shared_data / "genes/ncbi_protein_coding_with_hgnc.tsv.gz")
    bulk = AtlasConfig(name="bulk", reader="rsem_counts", path="bulk_counts_rnaseqdb")
    path = "normal_tissue_rna/hpa21_gtex_tpm_by_tissue.tsv.gz"
    gtex = AtlasConfig(name="gtex", reader="summary_table", role="normal", path=path)
    samples, summary = (
        harmonise(read_atlas(atlas, config=config, genes=genes), tiers=tiers, origin=["rectum"])
        for atlas in (bulk, gtex)
    )
    thyroid = (samples.obs["tissue"] == "thyroid gland").to_numpy()
    scaled = to_scale(summary, reference=samples[~thyroid])  # the tissue that is compared below is held out
    own = scaled.var.loc[~scaled.var["is_scale_global"], "scale"]
    assert 1.7 < own.median() < 2.2  # CPM counts reads, TPM reads per length: CPM runs higher
    shared = scaled.var_names.intersection(samples.var_names)
    truth = np.median(samples[thyroid, shared].X, axis=0)

    def disagreement(table: anndata.AnnData) -> float:
        values = np.asarray(table[table.obs["tissue"].to_numpy() == "thyroid gland", shared].X)[0]
        known = ~np.isnan(values) & (np.maximum(values, truth) > 2)
        return float(((values >= 10) != (truth >= 10))[known].mean())

    assert disagreement(summary) > 0.2  # calls at 10 that differ: TPM 10 is not CPM 10
    assert disagreement(scaled) < 0.08
