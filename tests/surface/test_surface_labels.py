"""What may stand in the table of labelled proteins, and what the score achieves on them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

from cartarget.surface.calibrate import cross_validate, performance, read_labels
from cartarget.surface.grade import grade
from cartarget.surface.votes import read_votes
from tests.surface.test_grade import MUST_GO, MUST_STAY

OWN_SOURCES = ("doi:10.1073/pnas.1808790115", "doi:10.1126/science.aal3321")
"""Papers of what the score itself reads: SURFY and HPA. A label from these would prove itself."""

STRATA = {
    "two votes": (79, 11),
    "one vote": (4, 56),
    "organelle": (14, 26),
    "secreted": (1, 32),
    "inner": (0, 14),
    "given to patients": (52, 0),
    "first list": (0, 12),
}
"""Where labels come from → how many are on the surface, and how many are not; the first five are drawn."""


def test_labels_are_many_and_none_is_copied_from_a_table() -> None:
    labels = read_labels()
    assert (labels["is_surface"].sum(), (~labels["is_surface"]).sum()) == (150, 151)
    told = {name: (int(part.sum()), int((~part).sum())) for name, part in labels.groupby("stratum")["is_surface"]}
    assert told == STRATA
    assert labels["kind"].value_counts().to_dict() == {"paper": 157, "family": 78, "trial": 52, "digest": 14}
    assert (labels["kind"].eq("trial") == labels["stratum"].eq("given to patients")).all()
    form = re.compile(r"^(doi:10\.\d{4,9}/\S+|PMID:\d+|PMCID:PMC\d+|NCT\d{8})$")
    assert [source for source in labels["source"] if not form.match(source)] == []
    assert labels["source"].value_counts().max() <= 4, "a source of many labels is a table that was copied"
    assert not set(labels["source"]) & set(OWN_SOURCES)
    assert not set(labels["symbol"]) & {*MUST_GO, *MUST_STAY}


@pytest.mark.parametrize("page", ["docs/surface.md", "resources/README.md"])
def test_pages_tell_how_many_labels_there_are(page: str) -> None:
    text = " ".join(Path(page).read_text(encoding="utf-8").split())
    assert "150 proteins on the surface and 151 that are not" in text and "465 genes" in text


def test_the_readme_tells_the_strata() -> None:
    text = Path("resources/README.md").read_text(encoding="utf-8")
    for name, (yes, no) in STRATA.items():
        assert any(f"`{name}`" in line and f"| {yes} | {no} |" in line for line in text.splitlines()), name


@pytest.mark.real_data
def test_label_symbols_are_current(shared_data: Path) -> None:
    known = pd.read_csv(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz", sep="\t", dtype=str)
    assert set(read_labels()["symbol"]) <= set(known["gene_symbol"])


@pytest.mark.real_data
def test_the_score_is_purer_than_two_votes_on_the_labels_and_loses_more(real: pd.DataFrame, shared_data: Path) -> None:
    labels = read_labels().set_index("symbol")["is_surface"]
    table = grade(real.loc[labels.index].assign(experiment=""))
    found = performance(table["is_candidate"].to_numpy(), labels.to_numpy(), labels.index)
    assert found.wrongly_kept == ("MCOLN1", "TRAM2")
    lost = table.loc[list(found.wrongly_lost), "topology"]
    assert {level: lost.index[lost.eq(level)].tolist() for level in lost.unique()} == {
        "open": ["CD207", "CD72", "KCND1", "KCND3", "TFRC"],
        "short": ["GPR4", "P2RY8", "SLC14A2", "SLC47A1"],
        "not found": ["KCNN4", "STEAP2"],
    }
    counts = read_votes(shared_data / "surface" / "surface_votes.tsv.gz").sum(axis=1)
    plain = performance(counts[labels.index].ge(2).to_numpy(), labels.to_numpy(), labels.index)
    assert (len(plain.wrongly_kept), len(plain.wrongly_lost)) == (17, 6)
    assert counts[list(MUST_GO)].ge(2).all(), "two votes keep every one of them; the score none"


@pytest.mark.real_data
def test_a_fit_on_the_labels_is_not_clearly_better_than_the_fixed_weights(real: pd.DataFrame) -> None:
    labels = read_labels().set_index("symbol")["is_surface"]
    blind = real.loc[labels.index].assign(experiment="")
    fixed = grade(blind)["is_candidate"].ne(labels)
    wrong = cross_validate(blind, labels.to_numpy())
    fitted = pd.Series(labels.index.isin([*wrong.wrongly_kept, *wrong.wrongly_lost]), index=labels.index)
    apart = [int((fitted & ~fixed).sum()), int((fixed & ~fitted).sum())]
    assert binomtest(apart[0], sum(apart)).pvalue > 0.2, "else the weights should be fitted anew"
