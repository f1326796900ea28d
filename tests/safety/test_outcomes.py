"""What products did to patients: what the tables refuse, what they give, and what an atlas shows of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cartarget.atlas.harmonise import harmonise
from cartarget.errors import InputError
from cartarget.logic.gate import Gate
from cartarget.safety.outcomes import WORDS, read_efficacy, read_outcomes, toxicity_view
from cartarget.safety.sourced import CERTAINTIES, SEVERITIES
from cartarget.safety.tiers import read_tiers
from cartarget.safety.toxicity import EVENTS, read_toxicity, tissue_levels

TIERS = read_tiers("config/tissue_tiers.tsv")
OUTCOME = {
    "antigen": "CA9", "product": "G250", "modality": "CAR T", "indication": "kidney cancer", "organ": "bile duct",
    "outcome": "harmed", "severity": "severe", "certainty": "shown", "presence": "", "n_patients": "12",
    "evidence": "liver enzymes rose", "source": "PMID:23423337", "title": "A title",
}  # fmt: skip
SPARED = OUTCOME | {"outcome": "tolerated", "severity": "", "certainty": "stated", "presence": "said"}
EFFICACY = {
    "antigen": "CA9", "product": "G250", "modality": "CAR T", "indication": "kidney cancer", "n_patients": "12",
    "n_responses": "3", "rate": "", "source": "PMID:23423337", "title": "A title",
}  # fmt: skip


def write(tmp_path: Path, *rows: dict[str, str]) -> Path:
    file = tmp_path / "table.tsv"
    file.write_text("\n".join(["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]) + "\n")
    return file


@pytest.mark.parametrize(
    ("row", "changed", "message"),
    [
        (OUTCOME, {"source": ""}, "line 3: source is empty; a row without one does not count"),
        (OUTCOME, {"title": ""}, "line 3: title is empty"),
        (OUTCOME, {"source": "a blog"}, "line 3: source is 'a blog'; expected doi"),
        (OUTCOME, {"antigen": "CA9 &"}, "line 3: antigen 'CA9 &' is no gate"),
        (OUTCOME, {"antigen": "~CA9"}, "line 3: '~CA9' hits cells that bear no antigen"),
        (OUTCOME, {"antigen": "CAIX"}, "line 3: 'CAIX' is no current symbol"),
        (OUTCOME, {"antigen": "CA9 & HER2"}, "line 3: 'HER2' is no current symbol"),
        (OUTCOME, {"organ": "bile dukt"}, "line 3: config/tissue_tiers.tsv has no organ 'bile dukt'; nearest: bile"),
        (OUTCOME, {"modality": "magic"}, "line 3: modality is 'magic'"),
        (OUTCOME, {"outcome": "unclear"}, "line 3: outcome is 'unclear'; expected harmed, tolerated, not reported"),
        (OUTCOME, {"severity": ""}, "line 3: severity of harmed is ''; expected fatal, severe, moderate, mild"),
        (OUTCOME, {"certainty": "stated"}, "line 3: certainty of harmed is 'stated'; expected shown"),
        (SPARED, {"severity": "mild"}, "line 3: severity of tolerated is 'mild'; expected nothing"),
        (SPARED, {"presence": ""}, "line 3: presence of tolerated is ''; expected said, atlas"),
        (OUTCOME, {"n_patients": "a dozen"}, "line 3: n_patients is 'a dozen'; expected a whole number from 1"),
        (OUTCOME, {"n_patients": "0"}, "line 3: n_patients is '0'; expected a whole number from 1"),
        (OUTCOME, {"n_patients": "²"}, "line 3: n_patients is '²'; expected a whole number from 1"),
        (
            OUTCOME,
            {"product": "G250"},
            "line 3: stands on line 2 already (CA9, G250, bile duct, harmed, PMID:23423337)",
        ),
    ],
)
def test_bad_outcomes_are_refused_with_their_line(
    tmp_path: Path, row: dict[str, str], changed: dict[str, str], message: str
) -> None:
    file = write(tmp_path, row, row | {"product": "another"} | changed)
    with pytest.raises(InputError) as error:
        read_outcomes(file, tiers=TIERS, symbols={"CA9"})
    assert message in str(error.value) and str(file) in str(error.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_responses": "13"}, "line 2: 13 responses of 12 patients"),
        ({"n_patients": ""}, "line 2: 3 responses of <NA> patients"),
        ({"n_responses": ""}, "line 2: neither n_responses nor rate is given"),
        ({"rate": "50 %"}, "line 2: rate is '50 %'; expected a fraction from 0 to 1"),
        ({"rate": "1.5"}, "line 2: rate is '1.5'; expected a fraction from 0 to 1"),
        ({"rate": "nan"}, "line 2: rate is 'nan'; expected a fraction from 0 to 1"),
        ({"n_responses": "-1"}, "line 2: n_responses is '-1'; expected a whole number from 0"),
    ],
)
def test_bad_efficacy_is_refused_with_its_line(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as error:
        read_efficacy(write(tmp_path, EFFICACY | changed))
    assert message in str(error.value)


def test_a_row_twice_is_refused_in_efficacy_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3: stands on line 2 already"):
        read_efficacy(write(tmp_path, EFFICACY, EFFICACY | {"n_responses": "4"}))


def test_what_is_read_is_harmonised_and_typed(tmp_path: Path) -> None:
    gate = OUTCOME | {"antigen": "ST8SIA1 & B4GALNT1", "organ": "Heart muscle", "n_patients": ""}
    table = read_outcomes(write(tmp_path, OUTCOME, gate), tiers=TIERS)
    assert table.index.tolist() == [2, 3]
    assert table["antigen"].tolist() == ["CA9", "B4GALNT1 & ST8SIA1"]
    assert table["organ"].tolist() == ["bile duct", "heart"]
    assert table["n_patients"].tolist() == [12, pd.NA]
    rates = read_efficacy(write(tmp_path, EFFICACY, EFFICACY | {"product": "b", "n_responses": "", "rate": "0.4"}))
    assert rates["rate"].tolist() == [0.25, 0.4]


def test_the_view_keeps_the_gravest_harm_that_is_put_down_to_the_antigen(tmp_path: Path) -> None:
    rows = [
        OUTCOME | {"severity": "mild", "product": "first"},
        OUTCOME | {"severity": "fatal", "certainty": "likely", "product": "second"},
        OUTCOME | {"severity": "fatal", "certainty": "shown", "product": "third", "evidence": "this one"},
        OUTCOME | {"severity": "fatal", "certainty": "shown", "product": "fourth"},
        OUTCOME | {"organ": "skin", "certainty": "unsaid"},
        OUTCOME | {"organ": "brain", "antigen": "CA9 & ERBB2"},
        SPARED | {"organ": "heart"},
    ]
    view = toxicity_view(read_outcomes(write(tmp_path, *rows), tiers=TIERS))
    assert view[["symbol", "organ", "severity", "event"]].values.tolist() == [["CA9", "bile duct", "fatal", "this one"]]


def test_toxicity_is_a_view_of_the_outcomes() -> None:
    view = toxicity_view(read_outcomes(tiers=TIERS))
    pd.testing.assert_frame_equal(view, read_toxicity(EVENTS, tiers=TIERS).reset_index(drop=True), check_dtype=False)


def test_every_word_has_rows_but_for_what_nobody_reported() -> None:
    outcomes = read_outcomes(tiers=TIERS)
    harmed, spared = (outcomes[outcomes["outcome"] == word] for word in ("harmed", "tolerated"))
    assert set(harmed["severity"]) == set(SEVERITIES) and set(harmed["certainty"]) == {*CERTAINTIES, "unsaid"}
    assert set(spared["certainty"]) == set(WORDS["tolerated"]["certainty"])


@pytest.mark.real_data
def test_symbols_are_current(shared_data: Path) -> None:
    known = pd.read_csv(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz", sep="\t", dtype=str)
    read_outcomes(tiers=TIERS, symbols=set(known["gene_symbol"]))
    read_efficacy(symbols=set(known["gene_symbol"]))


@pytest.mark.real_data
def test_an_atlas_shows_each_antigen_that_is_called_present_by_an_atlas(shared_data: Path) -> None:
    from cartarget.atlas import read_atlas
    from cartarget.config import AtlasConfig, Config
    from cartarget.genes import read_gene_table

    outcomes = read_outcomes(tiers=TIERS)
    called = outcomes[outcomes["presence"] == "atlas"]
    symbols = sorted({symbol for antigen in called["antigen"] for symbol in Gate.parse(antigen).antigens})
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    files = {
        "normal_tissue_rna/hpa21_consensus_ntpm_by_tissue.tsv.gz": "nTPM",
        "normal_single_cell/human_cell_landscape_ref_5467genes_x_1393celltypes.tsv.gz": "counts",
    }
    shown: set[tuple[str, str]] = set()
    for path, unit in files.items():
        atlas = AtlasConfig(name="normal", reader="summary_table", path=path, role="normal", unit=unit)
        adata = read_atlas(atlas, config=Config(data_dir=str(shared_data)), genes=genes, keep=symbols)
        levels = tissue_levels(harmonise(adata, tiers=TIERS, origin=[]))
        shown |= {(symbol, organ) for organ, symbol in levels.stack().loc[lambda level: level >= 1].index}
    unseen = {
        (antigen, organ)
        for antigen, organ in called[["antigen", "organ"]].itertuples(index=False, name=None)
        if any((symbol, organ) not in shown for symbol in Gate.parse(antigen).antigens)
    }
    assert unseen == {("CDH3", "oral mucosa")}, "oral mucosa is in neither table; stains show CDH3 there"
