"""`cartarget patient` on a small run: right numbers, nobody named, no atlas read, and errors that say what to do."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

import cartarget
from cartarget.config import AtlasConfig, CellLabels, Config
from cartarget.contracts import read_table, write_table
from cartarget.errors import CartargetError, ConfigError, InputError
from cartarget.logic.gate import Gate
from cartarget.logic.shapes import evaluate
from cartarget.report.pdf import find_chromium
from cartarget.run.patient import Told, run_gates, tell_patient
from cartarget.run.sample import _require_malignant
from tests.shared import once
from tests.test_asking import make
from tests.test_cli import cartarget as command

MRN, NAME = "MRN-4711", "Doe_Jane"
"""What must be found nowhere: the donor, and the file."""
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a finished run, whose atlases are gone, and no Chromium on the path."""
    made = once(tmp_path_factory, "asked", lambda path: make(path, tmp_path_factory)) / "here"
    folder = tmp_path_factory.mktemp("patient") / "here"
    shutil.copytree(made, folder)
    (folder / "atlas.h5ad").unlink()
    for stored in (folder / "results" / "demo" / "work").glob("*.h5ad"):
        stored.unlink()
    monkeypatch.setenv("PATH", str(folder))
    with contextlib.chdir(folder):
        yield folder


def config() -> Config:
    return cartarget.load_config("small.yaml")


def sample(*, seed: int = 5, rename: dict[str, str] | None = None, without: tuple[str, ...] = ()) -> anndata.AnnData:
    """Cells of one person, malignant and others, under the names of a hospital."""
    made = cartarget.simulate_atlas(seed=seed, n_patients=1, n_donors=1, n_background=20, cells_per_population=2)
    own = made[(made.obs["donor"] == "patient01").to_numpy(), ~made.var_names.isin(without)]
    obs = pd.DataFrame({"side": own.obs["side"].astype(str).to_numpy(), "donor": MRN}, dtype=object)
    obs.index = [f"{MRN}_{place}" for place in range(len(obs))]
    names = [(rename or {}).get(name, name) for name in own.var_names]
    return anndata.AnnData(own.X.copy(), obs=obs, var=pd.DataFrame(index=names))


def given(folder: Path, adata: anndata.AnnData, name: str = f"{NAME}.h5ad") -> Path:
    adata.write_h5ad(folder / name)
    return folder / name


def tumour(adata: anndata.AnnData) -> pd.DataFrame:
    """Which malignant cells show which gene, counted without cartarget."""
    malignant = adata[(adata.obs["side"] == "tumor").to_numpy()]
    return pd.DataFrame(malignant.X.toarray() > 0, columns=malignant.var_names)


def share(gate: str, shown: pd.DataFrame) -> float:
    hit = evaluate(Gate.parse(gate), lambda symbol: shown[symbol], lambda symbol: ~shown[symbol])
    return float(hit.mean())


def texts(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Everything that lies in a folder, unpacked as far as it can be."""
    for path in (each for each in folder.rglob("*") if each.is_file()):
        octets = path.read_bytes()
        yield path, octets
        for start in (match.end() for match in re.finditer(rb"stream\r?\n", octets)):
            with contextlib.suppress(zlib.error):
                yield path, zlib.decompressobj().decompress(octets[start:])


def table(told: Told) -> pd.DataFrame:
    return pd.read_csv(told.tsv, sep="\t").set_index("gate")


def test_shares_are_those_of_his_malignant_cells(here: Path) -> None:
    adata = sample()
    found = table(tell_patient(given(here, adata), config=config()))
    shown = tumour(adata)
    assert (found["n_cells"] == len(shown)).all()
    told = [gate for gate in found.index if set(Gate.parse(gate).antigens) <= set(shown)]
    assert len(told) > 100, "all but those of derived antigens"
    for gate in told[:: len(told) // 60]:
        assert found.loc[gate, "coverage"] == pytest.approx(share(gate, shown), abs=1e-5), gate


def test_safety_is_the_runs_and_no_atlas_is_read(here: Path) -> None:
    found = table(tell_patient(given(here, sample()), config=config()))
    run = read_table("gates", here / "results/demo/gates.parquet").dropna(subset="rank").set_index("gate")
    both = [gate for gate in found.index if gate in run.index]
    assert len(both) > 60
    for column in ("safety_class", "class_twice", "liability_population", "tissues_broken"):
        known = run.loc[both, column].astype(object).where(run.loc[both, column].ne(""), None)
        assert found.loc[both, column].fillna("").tolist() == known.fillna("").tolist(), column
    assert found.loc[both, "liability"].to_numpy() == pytest.approx(run.loc[both, "liability"].to_numpy(), abs=1e-5)


def test_an_antigen_that_the_run_did_not_rank_has_its_class_at_other_thresholds(here: Path) -> None:
    opened = cartarget.open_run("small.yaml")
    antigens = read_table("antigens", here / "results/demo/antigens.parquet")
    asked = antigens[
        antigens["is_eligible"] & antigens["class_twice"].notna() & antigens["safety_class"].ne("over cap")
    ]
    assert len(asked)
    forgotten = antigens.assign(
        rank=antigens["rank"].where(~antigens["symbol"].isin(asked["symbol"])),
        class_twice=antigens["class_twice"].where(~antigens["symbol"].isin(asked["symbol"])),
    )
    write_table("antigens", forgotten, here / "results/demo/antigens")
    found = run_gates(opened).set_index("gate")
    assert found.loc[asked["symbol"], "class_twice"].tolist() == asked["class_twice"].tolist()


def test_nothing_that_is_written_or_said_names_him(here: Path) -> None:
    given(here, sample())
    for number, extra in enumerate(((), ("--show-identifiers",))):
        told = command("patient", f"{NAME}.h5ad", "--config", "small.yaml", *extra, folder=here)
        assert told.returncode == 0, told.stderr
        assert told.stdout.startswith("P01: first choice ")
        written = list(texts(here / "results"))
        assert {path.name for path, _ in written} >= {"P01.html", "P01.tsv", "P01.json"}
        naming = {path.name for path, octets in written for name in (MRN, NAME) if name.encode() in octets}
        assert naming == ({"P01.html"} if number else set()), "asked for, the page alone tells"
        assert MRN not in told.stdout + told.stderr and NAME not in told.stdout + told.stderr


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the path")
def test_the_pdf_is_one_page_for_research_only_and_names_nobody(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_file = given(here, sample())
    monkeypatch.setenv("PATH", os.defpath)
    told = tell_patient(sample_file, config=config())
    assert told.pdf is not None
    octets = told.pdf.read_bytes()
    assert octets.startswith(b"%PDF") and re.findall(rb"/Count (\d+)", octets) == [b"1"]
    for _, text in texts(told.pdf.parent):
        assert MRN.encode() not in text and NAME.encode() not in text


def test_the_page_loads_nothing_and_says_what_it_is_for(here: Path) -> None:
    told = tell_patient(given(here, sample()), config=config())
    page = told.html.read_text()
    assert page.count("<b>Research use only</b>") == 2, "at the top and the bottom of each page"
    assert not re.search(r"<script|(?:src|href)=|url\(|@import", page)
    assert told.choice.first is not None and told.choice.first.replace("&", "&amp;") in page
    assert told.pdf is None


def test_the_same_sample_keeps_its_number_and_its_bytes_and_the_next_gets_another(here: Path) -> None:
    path = given(here, sample())
    first = tell_patient(path, config=config())
    before = {each.name: each.read_bytes() for each in first.html.parent.iterdir()}
    again = tell_patient(shutil.copy(path, here / "other_name.h5ad"), config=config())
    assert {each.name: each.read_bytes() for each in again.html.parent.iterdir()} == before
    other = tell_patient(given(here, sample(seed=6), "third.h5ad"), config=config())
    assert (first.name, again.name, other.name) == ("P01", "P01", "P02")


def test_a_missing_gene_is_unknown_and_an_alias_is_read(here: Path) -> None:
    plain = table(tell_patient(given(here, sample()), config=config()))
    renamed = {"MSLN": "CAK1"}
    told = tell_patient(given(here, sample(rename=renamed, without=("CEACAM5",)), "b.h5ad"), config=config())
    found = table(told)
    lacks = found["not_measured"] == "CEACAM5"
    assert lacks.sum() > 5 and set(found["not_measured"].dropna()) == {"CEACAM5"}
    assert found.loc[lacks, ["rank", "coverage", "coverage_lower"]].isna().all().all()
    rest = found.index[~lacks]
    assert found.loc[rest, "coverage"].to_numpy() == pytest.approx(plain.loc[rest, "coverage"].to_numpy())
    assert any("MSLN" in gate for gate in rest), "CAK1 was read as MSLN"
    assert "1 of " in told.html.read_text() and "antigens were not measured in the sample" in told.html.read_text()


def bulk_table(folder: Path, values: dict[str, float], *, head: str = "CPM", name: str = f"{NAME}.tsv") -> Path:
    rows = [f"{symbol}\t{value:g}" for symbol, value in values.items()]
    (folder / name).write_text("\n".join([f"symbol\t{head}", *rows]) + "\n")
    return folder / name


def test_a_bulk_sample_is_held_against_the_runs_threshold(here: Path) -> None:
    cpm = {"CEACAM5": 30.0, "EPCAM": 12.0, "MSLN": 7.0, "PTPRC": 0.0}
    found = table(tell_patient(bulk_table(here, cpm), config=config()))
    assert found.loc[["CEACAM5", "EPCAM", "MSLN", "PTPRC"], "n_thresholds"].tolist() == [3, 2, 1, 0]
    assert found.loc["EPCAM", "margin"] == pytest.approx(np.log2(13 / 11), abs=1e-5)
    assert found["coverage_lower"].isna().all()
    assert MRN not in (here / "results/demo/patient/P01.html").read_text()


def cells_table(folder: Path, adata: anndata.AnnData, *, name: str = f"{NAME}.tsv.gz") -> Path:
    malignant = adata[(adata.obs["side"] == "tumor").to_numpy()]
    frame = pd.DataFrame(malignant.X.toarray().T, index=malignant.var_names, columns=malignant.obs_names)
    with gzip.open(folder / name, "wt") as handle:
        frame.rename_axis("symbol").to_csv(handle, sep="\t")
    return folder / name


def test_a_text_table_of_malignant_cells_is_as_the_h5ad(here: Path) -> None:
    adata = sample()
    left, right = (
        table(tell_patient(path, config=config())) for path in (given(here, adata), cells_table(here, adata))
    )
    pd.testing.assert_frame_equal(left, right)


def matrix_folder(folder: Path, adata: anndata.AnnData) -> Path:
    made = folder / NAME
    made.mkdir()
    mmwrite(made / "matrix.mtx", sparse.csr_matrix(adata.X.T))
    (made / "genes.tsv").write_text("\n".join(adata.var_names) + "\n")
    adata.obs.rename_axis("cell").to_csv(made / "cells.tsv", sep="\t")
    return made


def test_a_folder_with_a_matrix_is_as_the_h5ad(here: Path) -> None:
    adata = sample()
    left, right = (
        table(tell_patient(path, config=config())) for path in (given(here, adata), matrix_folder(here, adata))
    )
    pd.testing.assert_frame_equal(left, right)


def test_without_a_choice_the_page_says_why(here: Path) -> None:
    told = tell_patient(bulk_table(here, {"PTPRC": 50.0, "EPCAM": 0.0}), config=config())
    assert told.choice.first is None
    page = told.html.read_text()
    assert "No choice for this tumour" in page and "since the sample did not measure their antigens" in page
    assert "<b>Research use only</b>" in page


def no_malignant() -> anndata.AnnData:
    adata = sample()
    adata.obs["side"] = "normal"
    return adata


def two_people() -> anndata.AnnData:
    adata = sample()
    adata.obs["donor"] = [MRN, f"{NAME}-2"] * (adata.n_obs // 2) + [MRN] * (adata.n_obs % 2)
    return adata


def negative() -> anndata.AnnData:
    adata = sample()
    adata.X[0, 0] = -1.0
    return adata


@pytest.mark.parametrize(
    ("make_sample", "message"),
    [
        (lambda folder: given(folder, no_malignant()), "none of its 280 cells is malignant, so no gate can be counted"),
        (lambda folder: given(folder, two_people()), "malignant cells of 2 people; give each person's in a file of"),
        (lambda folder: given(folder, negative()), "found -1 for gene … in cell …; expected a number of zero or more"),
        (lambda folder: bulk_table(folder, {"EPCAM": 3.5}, head="TPM"), "are TPM, but a bulk sample of this run is"),
        (lambda folder: bulk_table(folder, {"EPCAM": 3.5}, head=MRN), "head the column of numbers with its unit"),
        (lambda folder: bulk_table(folder, {"EPCAM": 3}, head=MRN), "head the column of numbers with its unit"),
        (lambda folder: bulk_table(folder, {"EPCAM": 3}, head="counts"), "counts of 1 genes, of which no CPM can be"),
        (lambda folder: folder / f"{NAME}.h5ad", "the sample: no such file or folder; check the path of the sample"),
        (lambda folder: folder / "small.yaml", "not a sample; give an .h5ad, a .zarr, a folder with matrix.mtx"),
    ],
)  # fmt: skip
def test_bad_samples_are_told_without_their_names(here: Path, make_sample, message: str) -> None:  # type: ignore[no-untyped-def]
    path = make_sample(here)
    with pytest.raises(CartargetError) as told:
        tell_patient(path, config=config())
    assert message in str(told.value)
    assert MRN not in str(told.value) and NAME not in str(told.value)
    assert not (here / "results/demo/patient").exists(), "nothing is written"


def bad_cell(name: str) -> anndata.AnnData:
    adata = negative()
    adata.obs.index = [name, *adata.obs.index[1:]]
    return adata


def odd_side() -> anndata.AnnData:
    adata = sample()
    adata.obs["side"] = ["Jane's Doe", 'Doe "J" O\'Brien'] * (adata.n_obs // 2)
    return adata


@pytest.mark.parametrize("make_adata", [lambda: bad_cell('O\'Brien "Doe" 1'), odd_side], ids=["cell", "value"])
def test_a_name_with_both_quotes_is_withheld_whole(here: Path, make_adata) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="the sample") as told:
        tell_patient(given(here, make_adata()), config=config())
    assert not [part for part in ("Brien", "Doe", "Jane") if part in str(told.value)]


def test_an_error_that_is_not_ours_is_told_as_ours(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = given(here, sample())
    monkeypatch.setattr("cartarget.run.sample._check_unit", lambda *_, **__: {}[MRN])
    with pytest.raises(InputError, match=r"^the sample: cannot be read \(KeyError\)$"):
        tell_patient(path, config=config())


def test_people_are_told_whatever_the_form_of_the_sample(here: Path) -> None:
    with pytest.raises(InputError, match="malignant cells of 2 people"):
        tell_patient(matrix_folder(here, two_people()), config=config())
    adata = two_people()
    adata.obs = adata.obs.rename(columns={"donor": "donor_id"})
    with pytest.raises(InputError, match="malignant cells of 2 people"):
        tell_patient(given(here, adata), config=config())


def test_asked_for_the_page_names_file_and_donor_and_warns_of_few_cells(here: Path) -> None:
    adata = sample()
    kept = np.flatnonzero(adata.obs["side"] == "tumor")[:29]
    folder = matrix_folder(here, adata[kept].copy())
    page = tell_patient(folder, config=config(), show_identifiers=True).html.read_text()
    assert f"<dd>{NAME}, {MRN}</dd>" in page
    assert "29 malignant cells <b>few cells</b>" in page
    assert "few cells" not in tell_patient(given(here, adata), config=config()).html.read_text()


def test_asked_for_an_error_quotes_the_sample(here: Path) -> None:
    with pytest.raises(InputError, match=rf"{NAME}.*in cell '{MRN}_0'"):
        tell_patient(given(here, negative()), config=config(), show_identifiers=True)


def test_an_error_of_the_labels_names_the_column_to_give(here: Path) -> None:
    adata = sample()
    adata.obs = adata.obs.rename(columns={"side": "compartment"})
    with pytest.raises(ConfigError) as told:
        tell_patient(given(here, adata), config=config())
    assert str(told.value) == (
        "the sample: obs has no column `side`, by which a sample says which cells are malignant; add a column `side` "
        "to obs, with the words tumor and normal"
    )


def test_the_column_to_add_is_the_one_that_the_runs_tumour_atlas_names(here: Path) -> None:
    atlas = AtlasConfig(name="mine", reader="h5ad", labels=CellLabels(malignant="compartment"))
    with pytest.raises(ConfigError, match=r"no column `compartment`, by which the run's tumour atlas mine \(labels"):
        _require_malignant(here / "a.h5ad", sample().obs, atlas)


def test_a_cell_named_where_a_header_belongs_is_withheld(here: Path) -> None:
    folder = matrix_folder(here, sample())
    head, *rows = (folder / "cells.tsv").read_text().splitlines()
    (folder / "cells.tsv").write_text("\n".join(["Doe Brien\tJane Doe\tMRN 1", *rows]) + "\n")
    with pytest.raises(CartargetError) as told:
        tell_patient(folder, config=config())
    assert head and not [part for part in ("Brien", "Doe", "Jane") if part in str(told.value)]


def test_a_run_without_gates_says_what_to_do(here: Path) -> None:
    (here / "results/demo/gates.parquet").unlink()
    with pytest.raises(InputError, match=r"results/demo/gates\.parquet: no gates yet; run `cartarget run CONFIG`"):
        tell_patient(given(here, sample()), config=config())


def test_every_column_is_explained(here: Path) -> None:
    told = tell_patient(given(here, sample()), config=config())
    page = (ROOT / "docs" / "product.md").read_text(encoding="utf-8")
    lacking = [column for column in pd.read_csv(told.tsv, sep="\t").columns if f"`{column}`" not in page]
    assert not lacking
