"""Twins of an antigen, orthologues and essentiality."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.genes import read_gene_table
from cartarget.surface.homology import (
    LETTERS,
    align,
    build_surfaceome,
    cross_reaction,
    find_twins,
    outside_parts,
    shared_words,
)
from cartarget.surface.orthologs import KINDS, read_essentiality, read_orthologs
from cartarget.surface.uniprot import read_uniprot


def random_part(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(list(LETTERS), length))


def mutate(rng: np.random.Generator, sequence: str, identity: float) -> str:
    changes = rng.random(len(sequence)) > identity
    return "".join(
        rng.choice(list(LETTERS)) if change else letter for change, letter in zip(changes, sequence, strict=True)
    )


@pytest.fixture(scope="module")
def family() -> tuple[dict[str, str], dict[str, float]]:
    """Three hundred strangers, and six relatives of one antigen at falling identity."""
    rng = np.random.default_rng(7)
    parts = {f"G{number}": random_part(rng, int(rng.integers(30, 700))) for number in range(300)}
    parts["MINE"] = random_part(rng, 250)
    shares = {"NEAR": 0.95, "KIN": 0.8, "COUSIN": 0.65, "FAR": 0.5, "EDGE": 0.4}
    for name, share in shares.items():
        parts[name] = random_part(rng, 40) + mutate(rng, parts["MINE"], share)
    parts["PIECE"] = parts["MINE"][40:100]
    return parts, shares


def test_relatives_lead_in_the_order_of_their_identity(family: tuple[dict[str, str], dict[str, float]]) -> None:
    parts, shares = family
    found = find_twins("MINE", surfaceome=build_surfaceome(parts))
    assert "MINE" not in found.index
    first = [name for name in found.index if name in shares or name == "PIECE"]
    assert found.index[: len(first)].tolist() == first and len(first) == 6
    assert [name for name in first if name in shares] == list(shares)
    for name, share in shares.items():
        assert found.loc[name, "identity"] >= share - 0.1, "a local alignment keeps the part that is most alike"
    assert found.loc[["NEAR", "KIN", "COUSIN", "PIECE"], "is_twin"].all()
    assert found.loc["PIECE", "coverage"] == 1.0, "a short part counts over its own length"
    assert not found.loc[[name for name in found.index if name.startswith("G")], "is_twin"].any()


def test_the_prefilter_finds_what_aligning_everything_finds(family: tuple[dict[str, str], dict[str, float]]) -> None:
    parts, _ = family
    everything = {name: align(parts["MINE"], part) for name, part in parts.items() if name != "MINE"}
    true = {name for name, each in everything.items() if each.identity >= 0.5 and each.coverage >= 0.5}
    found = find_twins("MINE", surfaceome=build_surfaceome(parts))
    assert set(found.index[found["is_twin"].fillna(False)]) == true
    for name in found.index:
        assert found.loc[name, "score"] == everything[name].score


def test_work_is_bounded_and_what_was_not_aligned_is_unknown(family: tuple[dict[str, str], dict[str, float]]) -> None:
    parts, _ = family
    known = build_surfaceome(parts)
    found = find_twins("MINE", surfaceome=known, cells=250 * 400)
    assert 0 < found["score"].notna().sum() < len(found)
    assert found.loc[found["score"].isna(), "is_twin"].isna().all()
    risk = cross_reaction(found, exposure=pd.DataFrame({"worst": ["lung"]}, index=["NEAR"]), columns=["worst"])
    assert risk.loc["NEAR", "worst"] == "lung"
    assert risk["worst"].isna().sum() == len(risk) - 1, "what is not known stays in the list"
    with pytest.raises(InputError, match="column 'organ' is missing"):
        cross_reaction(found, exposure=pd.DataFrame({"worst": []}), columns=["organ"])


def test_an_antigen_of_ones_own_may_be_searched(family: tuple[dict[str, str], dict[str, float]]) -> None:
    parts, _ = family
    known = build_surfaceome({name: part for name, part in parts.items() if name != "MINE"})
    assert find_twins("MINE", surfaceome=known, sequence=parts["MINE"]).index[0] == "NEAR"
    with pytest.raises(InputError, match="MINE: no outside part"):
        find_twins("MINE", surfaceome=known)


def test_odd_letters_and_odd_sequences() -> None:
    assert align("MKTUYIAKX", "mktcyiakx").identity >= 0.85, "selenocysteine aligns with cysteine"
    known = build_surfaceome({"A": "MKUTAYIAKXXXBZ", "SHORT": "MK"})
    assert find_twins("A", surfaceome=known).empty, "too short to share a word"
    for sequence in ("", "MK1TA", "MK TA", "ÄÖ"):
        with pytest.raises(InputError, match="is no protein sequence"):
            build_surfaceome({"A": sequence})
    assert np.isnan(align("W", "A").identity) and align("W", "A").coverage == 0.0
    assert find_twins("A", surfaceome=build_surfaceome({"A": "MKTAYIAK"})).empty


SEQUENCES = st.text(alphabet=LETTERS, min_size=3, max_size=60)


@given(SEQUENCES, SEQUENCES)
def test_alignment_is_symmetric_and_bounded(one: str, other: str) -> None:
    ahead, back = align(one, other), align(other, one)
    assert ahead.score == back.score
    assert 0 <= ahead.coverage <= 1
    assert np.isnan(ahead.identity) or 0 <= ahead.identity <= 1
    itself = align(one, one)
    assert (itself.identity, itself.coverage, itself.n_identical) == (1.0, 1.0, len(one))
    assert itself.score >= ahead.score


@given(st.lists(SEQUENCES, min_size=1, max_size=8))
def test_shared_words_by_brute_force(parts: list[str]) -> None:
    """Proteins that share no word with the first are told apart from those that share one."""
    named = {f"G{number}": part for number, part in enumerate(parts)}
    found = shared_words(parts[0], build_surfaceome(named))
    words = [{part[at : at + 3] for at in range(len(part) - 2)} for part in parts]
    rare = {word for word in words[0] if sum(word in each for each in words) < len(words)}
    for score, each in zip(found, words, strict=True):
        assert np.isfinite(score) == bool(rare & each)


@pytest.mark.real_data
def test_outside_parts_of_real_records(shared_data: Path) -> None:
    names = ("O95832", "P04439", "Q13639")
    parts = outside_parts(next(read_uniprot(shared_data / "uniprot" / f"{name}.txt")) for name in names)
    assert set(parts) == {"CLDN1", "HLA-A", "HTR4"}
    assert len(parts["HLA-A"]) == 284 and len(parts["CLDN1"]) == 53 + 27 + 1


@pytest.mark.slow  # times a search, on a machine that may be busy
def test_one_antigen_against_three_thousand_within_seconds() -> None:
    rng = np.random.default_rng(0)
    known = build_surfaceome({f"G{number}": random_part(rng, int(rng.integers(30, 900))) for number in range(3000)})
    start = time.perf_counter()
    find_twins("G17", surfaceome=known)
    assert time.perf_counter() - start < 5, "a second on a free machine: benchmarks/surface.py"


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return file


def test_kinds_of_orthologues(tmp_path: Path) -> None:
    rows = "ONE,one\nTWO,a\nTWO,b\nLEFT,same\nRIGHT,same\nBOTH,same\nBOTH,more\nNONE,\nONE,one\n,x\n"
    found = read_orthologs(write(tmp_path, rows))
    assert found["kind"].to_dict() == {
        "BOTH": "many to many",
        "LEFT": "many to one",
        "NONE": "none",
        "ONE": "one to one",
        "RIGHT": "many to one",
        "TWO": "one to many",
    }
    assert found.loc["TWO", ["orthologs", "n_orthologs"]].tolist() == ["a, b", 2]
    assert found.loc["NONE", ["orthologs", "n_orthologs"]].tolist() == ["", 0]


@pytest.mark.real_data
def test_real_orthologues(shared_data: Path) -> None:
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    mouse = read_orthologs(shared_data / "orthologs" / "Ensembl105_Human2Mouse_Genes.csv", genes=genes)
    monkey = read_orthologs(shared_data / "orthologs" / "Ensembl110_Human2Cynomolgus_Genes.csv", genes=genes)
    assert mouse.loc["EPCAM", ["orthologs", "kind"]].tolist() == ["Epcam", "one to one"]
    assert mouse.loc["CLDN18", "orthologs"] == "Cldn18"
    assert mouse.loc["CEACAM5", "kind"] == "none" and monkey.loc["CEACAM5", "kind"] == "none"
    assert monkey.loc["EPCAM", "kind"] == "one to one"
    assert set(mouse["kind"]) <= set(KINDS)
    assert "NECTIN4" in mouse.index, "names of another year are resolved"


@pytest.mark.real_data
def test_real_essentiality(shared_data: Path) -> None:
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    found = read_essentiality(shared_data / "essentiality" / "NormLRT.csv", genes=genes)
    assert found.loc["CTNNB1", "is_selectively_essential"]
    assert not found.loc["PRMT1", "is_selectively_essential"]
    assert found.index.is_unique and found["skewed_lrt"].isna().any()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "cannot be read"), ("A\n", "found 1 columns"), ("A,b,c\n", "found 3 columns"), (",x\n", "no human gene")],
)
def test_bad_orthologues_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_orthologs(write(tmp_path, text))
    assert message in str(error.value)


def test_bad_essentiality_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3: 'high' is no number"):
        read_essentiality(write(tmp_path, ",Skew_LRT\nA,1\nB,high\n"))
    found = read_essentiality(write(tmp_path, ",Skew_LRT\nA,1\nA,150\nB,\n"))
    assert found["skewed_lrt"].to_dict()["A"] == 150
    assert found["is_selectively_essential"].tolist() == [True, pd.NA]
