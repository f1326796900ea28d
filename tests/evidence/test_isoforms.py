"""Isoform antigens: shares by hand, tables of every form, and a run that tells lung from stomach."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.evidence.isoforms import (
    SHARES,
    add_shares,
    isoform_shares,
    read_transcripts,
    told,
    untold,
    with_isoforms,
)
from cartarget.run.counting import count_step
from cartarget.run.inputs import load_run
from cartarget.run.isoforms import COLUMNS, isoform_notes, read_isoforms
from cartarget.run.reading import read_step
from cartarget.run.steps import antigen_table
from cartarget.run.summary import _derived_step
from tests.atlas import standins
from tests.conftest import ROOT

LUNG, STOMACH = "ENST00000183605", "ENST00000343735"
ISOFORMS = read_isoforms()


def toil(path: Path, tpm: dict[str, list[float]], samples: list[str]) -> None:
    """A table of transcripts as Toil's hub has it: log2(TPM + 0.001), ids with versions."""
    rows = ["\t".join(["sample", *samples])]
    rows += ["\t".join([f"{name}.9", *(f"{np.log2(value + 0.001):.4f}" for value in row)]) for name, row in tpm.items()]
    text = "\n".join(rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def gct(path: Path, tpm: dict[str, list[float]], samples: list[str]) -> None:
    """GTEx's table of transcripts, TPM."""
    rows = ["#1.2", f"{len(tpm)}\t{len(samples)}", "\t".join(["transcript_id", "gene_id", *samples])]
    rows += ["\t".join([f"{name}.6", "ENSG00000066405.12", *map(str, row)]) for name, row in tpm.items()]
    path.write_text("\n".join(rows) + "\n")


TPM = {"ENST00000000233": [5.0, 0.0], LUNG: [99.0, 10.0], STOMACH: [1.0, 30.0]}


@pytest.mark.parametrize(
    ("write", "name"),
    [(toil, "Tcga_rsem_isoform_tpm.gz"), (toil, "mine.tsv"), (gct, "GTEx_transcript_tpm.gct")],
)
def test_tables_of_every_form_hold_the_same(write, name: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(tmp_path / name, TPM, ["lung", "stomach"])
    found = read_transcripts(tmp_path / name, wanted=[STOMACH, LUNG, "ENST00000999999"])
    assert found.index.tolist() == ["lung", "stomach"] and set(found) == {LUNG, STOMACH}
    np.testing.assert_allclose(found[[LUNG, STOMACH]], [[99, 1], [10, 30]], rtol=1e-3)


def test_the_share_of_an_isoform_by_hand() -> None:
    tpm = pd.DataFrame({LUNG: [99.0, 10.0, 0.0], STOMACH: [1.0, 30.0, 0.0]}, index=["lung", "stomach", "none"])
    shares = isoform_shares(tpm, ISOFORMS)
    assert list(shares) == ["CLDN18.2"], "antigens without reference transcripts stay proxies"
    assert shares["CLDN18.2"].tolist() == pytest.approx([0.01, 0.75, np.nan], nan_ok=True)
    assert isoform_shares(tpm[[STOMACH]], ISOFORMS)["CLDN18.2"].isna().all(), "nothing to tell it from"
    assert isoform_shares(tpm[[LUNG]], ISOFORMS)["CLDN18.2"].isna().all()


def atlas(samples: dict[str, str], datasets: list[str] | None = None) -> anndata.AnnData:
    """Samples and their sides, each with CLDN18 at 200 CPM and its proxy."""
    obs = pd.DataFrame(
        {"side": list(samples.values()), "dataset": datasets or ["d"] * len(samples)}, index=list(samples)
    )
    var = pd.DataFrame(index=["CLDN18", "CLDN18.2"])
    adata = anndata.AnnData(np.full((len(samples), 2), 200, dtype=np.float32), obs=obs, var=var)
    columns = sorted(set(obs["dataset"]))
    adata.varm["is_measured"] = pd.DataFrame(True, index=var.index, columns=columns)
    about = {
        "kind": "samples",
        "atlas": "x",
        "files": [],
        "notes": [],
        "derived": {"CLDN18.2": "CLDN18", "GD3": "ST8SIA1"},
    }
    adata.uns["cartarget"] = about
    return adata


def test_a_sample_gets_the_gene_times_the_share_and_the_cautious_side_where_it_cannot_be_split(tmp_path: Path) -> None:
    tpm = {LUNG: [99.0, 1.0, 0.0, 0.0], STOMACH: [1.0, 3.0, 0.0, 0.0]}
    toil(tmp_path / "isoform_tpm.tsv", tpm, ["lung", "cancer", "bare normal", "bare cancer"])
    adata = atlas({"lung": "normal", "cancer": "tumor", "bare normal": "normal", "bare cancer": "tumor"})
    add_shares(adata, path=tmp_path / "isoform_tpm.tsv", isoforms=ISOFORMS)
    assert told(adata) == {"CLDN18.2"} and untold(adata) == set()
    found = with_isoforms(adata, isoforms=ISOFORMS)
    assert found[:, "CLDN18.2"].X.ravel().tolist() == pytest.approx([2, 150, 200, 0], rel=1e-3)
    assert found[:, "CLDN18"].X.ravel().tolist() == [200] * 4, "the gene itself is as it was"
    assert found.varm["is_measured"].to_numpy().all() and SHARES not in found.obsm
    about = found.uns["cartarget"]
    assert about["derived"] == {"GD3": "ST8SIA1"} and about["isoforms"] == {"CLDN18.2": "CLDN18"}
    assert "CLDN18.2 is told by transcripts in 4 of 4 samples" in about["notes"]
    assert about["files"][0]["path"].endswith("isoform_tpm.tsv")
    assert adata[:, "CLDN18.2"].X.ravel().tolist() == [200] * 4, "nothing is changed in place"


def test_a_data_set_with_a_sample_that_the_table_lacks_does_not_measure_the_isoform(tmp_path: Path) -> None:
    toil(tmp_path / "isoform_tpm.tsv", {LUNG: [99.0, 1.0], STOMACH: [1.0, 3.0]}, ["a", "b"])
    adata = atlas({"a": "normal", "b": "tumor", "c": "tumor"}, ["gtex", "tcga", "tcga"])
    add_shares(adata, path=tmp_path / "isoform_tpm.tsv", isoforms=ISOFORMS)
    assert untold(adata) == {"CLDN18.2"} and told(adata) == set()
    found = with_isoforms(adata, isoforms=ISOFORMS)
    assert found.varm["is_measured"].loc["CLDN18.2"].to_dict() == {"gtex": True, "tcga": False}
    assert found.varm["is_measured"].loc["CLDN18"].all()


def test_an_isoform_table_without_the_gene_leaves_it_unknown(tmp_path: Path) -> None:
    toil(tmp_path / "isoform_tpm.tsv", {LUNG: [3.0], "ENST00000000233": [1.0]}, ["a"])
    adata = atlas({"a": "tumor"})
    add_shares(adata, path=tmp_path / "isoform_tpm.tsv", isoforms=ISOFORMS)
    assert "CLDN18.2 is unknown: the table of transcripts lacks those of CLDN18" in adata.uns["cartarget"]["notes"]
    assert not with_isoforms(adata, isoforms=ISOFORMS).varm["is_measured"].loc["CLDN18.2"].any()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "isoform_tpm",
            "sample\ta\nENST00000000233.9\t1\n",
            "holds none of the transcripts by which isoforms are told",
        ),
        ("isoform_tpm", f"sample\tb\n{LUNG}.9\t1\n", "shares no sample with atlas 'x'; expected names such as 'a'"),
        ("isoform_tpm", f"sample\ta\n{LUNG}.9\t1\n{LUNG}.8\t1\n", f"transcript '{LUNG}' stands twice"),
        ("isoform_tpm", "sample\ta\nENSG00000066405.12\t1\n", "is no Ensembl transcript .*, not of genes"),
        ("isoform_tpm", f"sample\ta\ta\n{LUNG}.9\t1\t1\n", "line 1: sample 'a' stands twice"),
        ("isoform_tpm", "sample\n", "line 1: found 1 columns"),
        ("isoform_tpm", f"sample\ta\n{LUNG}.9\tx\n", "line 2: found 'x' in field 2 where a number belongs"),
        ("isoform_tpm", f"sample\ta\n{LUNG}.9\t99\n", "a value is 99, which no log reaches"),
        ("table", f"sample\ta\n{LUNG}.9\t1.5\n", "the unit of its values cannot be told.*file's name"),
    ],
)
def test_bad_tables_of_transcripts_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        add_shares(atlas({"a": "normal"}), path=tmp_path / name, isoforms=ISOFORMS)


def test_transcripts_of_cells_are_refused(tmp_path: Path) -> None:
    adata = atlas({"a": "normal"})
    adata.uns["cartarget"]["kind"] = "cells"
    with pytest.raises(InputError, match="transcripts are of bulk samples, found cells"):
        add_shares(adata, path=tmp_path / "absent", isoforms=ISOFORMS)


ROW = ["A.2", "A", "ENST00000000001", "ENST00000000002", "the first exon", "stomach", "lung", "PMID:1", "title"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gene": ""}, "line 2: gene is empty"),
        ({"others": ""}, "line 2: others is empty; name the transcripts of both sides"),
        ({"transcripts": "NM_001002026"}, "line 2: 'NM_001002026' is no Ensembl transcript"),
        ({"others": "ENST00000000001"}, "line 2: ENST00000000001 both carries the antigen and does not"),
        ({"source": "a page"}, "line 2: source is 'a page'"),
    ],
)
def test_bad_rows_of_the_table_are_refused(changes: dict[str, str], message: str, tmp_path: Path) -> None:
    row = dict(zip(COLUMNS, ROW, strict=True)) | changes
    (tmp_path / "isoforms.tsv").write_text("\t".join(COLUMNS) + "\n" + "\t".join(row.values()) + "\n")
    with pytest.raises(InputError, match=message):
        read_isoforms(tmp_path / "isoforms.tsv")


def test_a_table_without_the_gene_or_with_an_antigen_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.tsv").write_text("antigen\ttranscripts\nA.2\tENST00000000001\n")
    with pytest.raises(InputError, match="column 'gene' is missing"):
        read_isoforms(tmp_path / "none.tsv")
    (tmp_path / "twice.tsv").write_text("\n".join(["\t".join(COLUMNS), "\t".join(ROW), "\t".join(ROW)]) + "\n")
    with pytest.raises(InputError, match=r"line 3: 'A\.2' stands twice"):
        read_isoforms(tmp_path / "twice.tsv")


def test_the_note_names_the_tissues_where_it_matters() -> None:
    notes = isoform_notes(ISOFORMS, told_by={})
    assert "Numbers of the gene CLDN18 cannot tell CLDN18.2" in notes["CLDN18"] == notes["CLDN18.2"]
    assert "stomach (CLDN18.2); lung, which makes CLDN18.1 (PMID:11585919)" in notes["CLDN18"]
    assert {"FOLH1", "EGFR", "CD44", "EGFRvIII", "CD44v6"} <= set(notes)


SAMPLES = {
    **{f"TCGA-BR-{i:04d}-01": ("Stomach Adenocarcinoma", "Stomach", "Primary Tumor", "TCGA") for i in range(6)},
    **{f"GTEX-11{c}A-0126-SM-5A9{n}": ("Lung", "Lung", "Normal Tissue", "GTEX") for n, c in enumerate("ABCDEF")},
    **{f"GTEX-11{c}A-0226-SM-5B9{n}": ("Stomach", "Stomach", "Normal Tissue", "GTEX") for n, c in enumerate("ABCDEF")},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("resources", "config"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    rows = [(name, what, what, site, kind, "Male", study) for name, (what, site, kind, study) in SAMPLES.items()]
    standins.phenotype(tmp_path / "phenotype.txt", rows)
    counts = {"CLDN18": 400.0, "EPCAM": 200.0, "ACTB": 1_999_400.0}
    lines = ["\t".join(["sample", *SAMPLES])]
    lines += ["\t".join([gene, *[f"{np.log2(n + 1):.6f}"] * len(SAMPLES)]) for gene, n in counts.items()]
    (tmp_path / "gene_expected_count").write_text("\n".join(lines) + "\n")
    in_lung = [what == "Lung" for what, *_ in SAMPLES.values()]
    tpm = {LUNG: [99.0 if lung else 1.0 for lung in in_lung], STOMACH: [1.0 if lung else 99.0 for lung in in_lung]}
    toil(tmp_path / "rsem_isoform_tpm", tpm, list(SAMPLES))
    (tmp_path / "tissues_ntpm.tsv").write_text("gene\tlung\tliver\nCLDN18\t200\t0\nEPCAM\t200\t0\n")
    return tmp_path


def run_of(transcripts: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The antigens of a run and its surface evidence, with or without transcripts."""
    bulk = AtlasConfig(
        name="toil", reader="xena", path="gene_expected_count", samples="phenotype.txt", tumor="Stomach Adenocarcinoma",
        transcripts=transcripts,
    )  # fmt: skip
    table = AtlasConfig(name="hpa", reader="summary_table", path="tissues_ntpm.tsv", role="normal")
    config = Config(
        indication="stad",
        primary="bulk",
        atlases=[bulk, table],
        surface={"every_gene": True},
        results=f"out{transcripts}",
    )
    read_step(config)
    count_step(config)
    run = load_run(config)
    surface = run.surface.set_index("symbol")
    surface.attrs["funnel"] = _derived_step(run)
    return antigen_table(config, run).set_index("symbol"), surface


def test_a_run_with_transcripts_tells_lung_from_stomach(here: Path) -> None:
    antigens, surface = run_of("rsem_isoform_tpm")
    isoform, gene = antigens.loc["CLDN18.2"], antigens.loc["CLDN18"]
    assert isoform["coverage"] == gene["coverage"] == 1
    assert (gene["safety_class"], gene["liability"], gene["liability_population"]) == ("over cap", 1, "lung (hpa)")
    assert isoform["safety_class"] == "unknown" and not isoform["liability"] > 0, "198 of 200 CPM in lung are CLDN18.1"
    assert "lung" in isoform["tissues_thin"], "six donors of GTEx, and no word of the atlas without transcripts"
    assert surface.loc["CLDN18.2", "is_candidate"] and pd.isna(surface.loc["CLDN18.2", "proxy_note"])
    assert isoform["isoform_note"].startswith("CLDN18.2 is told by transcripts in toil")
    assert "told by transcripts: CLDN18.2" in surface.attrs["funnel"][0]["reason"]


def test_without_transcripts_the_antigen_is_a_proxy_and_the_note_says_so(here: Path) -> None:
    antigens, surface = run_of(None)
    assert antigens.loc["CLDN18.2", "liability"] == antigens.loc["CLDN18", "liability"]
    assert not surface.loc["CLDN18.2", "is_candidate"] and "is a proxy" in surface.loc["CLDN18.2", "proxy_note"]
    assert "cannot tell CLDN18.2" in antigens.loc["CLDN18.2", "isoform_note"]
    assert "cannot tell CLDN18.2" in antigens.loc["CLDN18", "isoform_note"] and pd.isna(
        antigens.loc["EPCAM", "isoform_note"]
    )
