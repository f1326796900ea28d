"""Topology strings as sequence features."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.surface.topology import count_outside, longest_outside, parse_topology


@given(st.lists(st.tuples(st.sampled_from(["SP", "NC", "TM", "CY"]), st.integers(1, 400)), min_size=1, max_size=20))
def test_lengths_survive(pieces: list[tuple[str, int]]) -> None:
    text, at = [], 0
    for code, length in pieces:
        text.append(f"{code}:{at + 1}-{at + length}")
        at += length
    features = parse_topology(";".join(text))
    assert [len(part) for part in features] == [length for _, length in pieces]
    assert count_outside(features) == sum(length for code, length in pieces if code == "NC")
    assert longest_outside(features) == max((length for code, length in pieces if code == "NC"), default=0)


def test_a_feature_cuts_its_part_of_the_sequence() -> None:
    from Bio.Seq import Seq

    outside = parse_topology("SP:1-2;NC:3-5;TM:6-8")[1]
    assert str(outside.extract(Seq("MKWYVAAA"))) == "WYV"


def test_unknown_is_not_none_outside() -> None:
    assert count_outside(parse_topology("")) is None
    assert count_outside(parse_topology("CY:1-100")) == 0


@pytest.mark.parametrize("text", ["NC", "NC:1", "NC:5-1", "NC:1-5;TM:5-9", "NC:0-5", "NC:a-b"])
def test_malformed_strings_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="topology"):
        parse_topology(text)


@pytest.mark.real_data
def test_every_real_string_is_read(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "surface" / "surfy.tsv.gz", sep="\t", keep_default_na=False)
    for text, length in table[["topology", "length"]].itertuples(index=False):
        features = parse_topology(text)
        assert int(features[-1].location.end) == int(length)
    ceacam5 = table.loc[table["UniProt gene"] == "CEACAM5", "topology"].item()
    assert count_outside(parse_topology(ceacam5)) > 600
