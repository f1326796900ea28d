"""Graded surface evidence: reading votes, and who is a candidate."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.votes import candidates, read_rescue, read_votes

VOTES = pd.DataFrame({"a": [1, 1, 0], "b": [1, 0, 0], "c": [1, 0, 0]}, index=["TOP", "ONE", "NONE"]).astype(bool)
RESCUE = pd.DataFrame({"symbol": ["ONE", "NEW"], "reason": "why", "source": "src"})


def test_statuses_and_candidates() -> None:
    found = candidates(["NONE", "TOP", "ONE", "NEW", "OTHER"], votes=VOTES, rescue=RESCUE)
    assert found["surface_status"].tolist() == ["too few votes", "voted", "rescued", "rescued", "unknown"]
    assert found["is_candidate"].tolist() == [False, True, True, True, False]
    assert found["surface_sources"].tolist() == ["", "a, b, c", "a", "", ""]
    assert found["n_votes"].isna().tolist() == [False, False, False, True, True]


def test_a_rescued_gene_with_enough_votes_says_voted() -> None:
    assert candidates(["ONE"], votes=VOTES, min_votes=1, rescue=RESCUE)["surface_status"].tolist() == ["voted"]


def test_without_a_table_everything_is_a_candidate_and_unknown() -> None:
    found = candidates(["X", "Y"], votes=None, rescue=RESCUE)
    assert found["is_candidate"].all()
    assert set(found["surface_status"]) == {"unknown"}
    assert found["n_votes"].isna().all()


@given(st.integers(0, 5), st.lists(st.sampled_from(["TOP", "ONE", "NONE", "NEW", "OTHER"]), max_size=5, unique=True))
def test_more_votes_asked_never_make_more_candidates(min_votes: int, symbols: list[str]) -> None:
    less = candidates(symbols, votes=VOTES, min_votes=min_votes)["is_candidate"]
    more = candidates(symbols, votes=VOTES, min_votes=min_votes + 1)["is_candidate"]
    assert not (more & ~less).any()
    assert len(less) == len(symbols)


def test_a_users_table_may_have_any_sources(tmp_path: Path) -> None:
    file = tmp_path / "mine.tsv.gz"
    with gzip.open(file, "wt") as handle:
        handle.write("symbol\tmass spec\tflow\nERBB2\t1\t1\n\t1\t1\nACTB\t0\t\n")
    votes = read_votes(file)
    assert votes.columns.tolist() == ["mass spec", "flow"]
    assert votes.sum(axis=1).to_dict() == {"ERBB2": 2, "ACTB": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\ta\nX\t1\n", "no column 'hgnc_symbol' or 'symbol'"),
        ("symbol\nX\n", "no column of votes"),
        ("symbol\ta\nX\t1\nY\tyes\n", "line 3: a is 'yes'; expected 0 or 1"),
        ("symbol\ta\nX\t1\nX\t0\n", "line 3: 'X' stands twice"),
        ("", "cannot be read"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "votes.tsv"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_votes(file)
    assert message in str(error.value)


def test_a_truncated_gzip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "votes.tsv.gz"
    file.write_bytes(gzip.compress(b"symbol\ta\n" + b"X\t1\n" * 1000)[:-20])
    with pytest.raises(InputError, match=r"votes.tsv.gz: truncated or damaged gzip"):
        read_votes(file)


def test_a_rescue_without_a_source_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rescue.tsv"
    file.write_text("symbol\treason\tsource\nSTEAP1\tknown target\t\n")
    with pytest.raises(InputError, match="line 2: source is empty"):
        read_rescue(file)


@pytest.mark.real_data
def test_the_real_votes_and_the_rescue_list_fit(shared_data: Path) -> None:
    votes = read_votes(shared_data / "surface" / "surface_votes.tsv.gz")
    assert votes.shape == (19324, 5)
    rescue = read_rescue("resources/surface_rescue.tsv")
    rescued = candidates(rescue["symbol"].tolist(), votes=votes, rescue=rescue)
    assert set(rescued["surface_status"]) == {"rescued"}, "a rescued antigen that now has the votes needs no rescue"
    found = candidates(votes.index.tolist(), votes=votes, rescue=rescue).set_index("symbol")
    assert found.at["STEAP1", "n_votes"] == 0
    assert found.loc[["CEACAM5", "EPCAM", "MSLN", "FOLH1", "CLDN18", "CA9", "GPC3", "STEAP1"], "is_candidate"].all()
    assert not found.loc[["ACTB", "KRT20", "CDX2"], "is_candidate"].any()
