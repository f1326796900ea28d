"""Topology strings as sequence features."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import InputError
from cartarget.genes import read_gene_table
from cartarget.surface.topology import count_outside, longest_outside, parse_topology, read_topology


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("symbol\tlength\nMSLN\t606\n", "expected a column 'topology'"),
        ("protein\ttopology\nMSLN\tNC:1-606\n", "hgnc_symbol, symbol, UniProt gene"),
        ("symbol\ttopology\nMSLN\tNC:606-1\n", "must begin after"),
        ("", "cannot be read"),
    ],
)
def test_a_table_of_another_shape_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "topology.tsv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_topology(tmp_path / "topology.tsv", genes=None)


def test_the_first_of_a_gene_counts_and_unknown_is_left_out(tmp_path: Path) -> None:
    rows = ["symbol\ttopology", "MSLN\t", "MUC16\tNC:1-9;TM:10-30", "MUC16\tNC:1-5"]
    (tmp_path / "topology.tsv").write_text("\n".join(rows) + "\n")
    assert read_topology(tmp_path / "topology.tsv", genes=None).values.tolist() == [["MUC16", "NC:1-9;TM:10-30", 9]]


@pytest.mark.real_data
def test_every_real_string_is_read(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "surface" / "surfy.tsv.gz", sep="\t", keep_default_na=False)
    for text, length in table[["topology", "length"]].itertuples(index=False):
        features = parse_topology(text)
        assert int(features[-1].location.end) == int(length)
    ceacam5 = table.loc[table["UniProt gene"] == "CEACAM5", "topology"].item()
    assert count_outside(parse_topology(ceacam5)) > 600
    genes = read_gene_table(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz")
    found = read_topology(shared_data / "surface" / "surfy.tsv.gz", genes=genes).set_index("symbol")
    assert found.at["CLDN18", "n_residues_outside"] < 60 < found.at["CEACAM5", "n_residues_outside"]
