"""Reading tables of votes and of rescued antigens."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cartarget.errors import InputError
from cartarget.surface.votes import read_rescue, read_votes


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
    kept = votes.index.intersection(rescue["symbol"])
    assert votes.loc[kept].sum(axis=1).lt(2).all(), "a rescued antigen that now has the votes needs no rescue"
