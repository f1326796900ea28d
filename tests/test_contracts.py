"""Tables that cross rooms: their columns, types and bytes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from cartarget.contracts import TABLES, columns, conform, read_table, write_parts, write_table
from cartarget.errors import InputError

BY_KIND = {"text": "a", "category": "a", "flag": True, "count": 3, "fraction": 0.5, "number": -1.5}


def frame(table: str, *, n: int = 2, **given: object) -> pd.DataFrame:
    """A table's required columns, and those given."""
    values = {name: BY_KIND[column.kind] for name, column in columns(table).items() if not column.nullable}
    if "safety_class" in values:
        values["safety_class"] = "safe"
    return pd.DataFrame(values | given, index=range(n))


@pytest.mark.parametrize("table", TABLES)
def test_names_tell_kinds(table: str) -> None:
    names = [column.name for column in TABLES[table]]
    assert len(set(names)) == len(names)
    for column in TABLES[table]:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.title and column.meaning
        assert not column.name.startswith("n_") or column.kind == "count"
        assert not column.name.startswith("is_") or column.kind == "flag"
        assert not column.name.startswith("fraction") or column.kind == "fraction"
        assert not column.name.startswith("score_") or column.better == "higher"


@pytest.mark.parametrize("table", TABLES)
def test_missing_columns_become_missing_values(table: str) -> None:
    shaped = conform(table, frame(table))
    assert list(shaped) == [column.name for column in TABLES[table]]
    for column in TABLES[table]:
        assert shaped[column.name].isna().all() == column.nullable


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_table_is_a_table(table: str, tmp_path: Path) -> None:
    write_table(table, frame(table, n=0), tmp_path / table)
    assert read_table(table, tmp_path / f"{table}.parquet").empty
    assert len((tmp_path / f"{table}.tsv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("table", "given", "message"),
    [
        ("antigens", {"colour": 1}, "column 'colour' is not in its contract"),
        ("antigens", {"coverage": 1.2}, "coverage"),
        ("antigens", {"coverage": -0.1}, "coverage"),
        ("antigens", {"safety_class": "fine"}, "safety_class"),
        ("antigens", {"n_patients": -1}, "n_patients"),
        ("exposure", {"fraction_upper": np.nan}, "fraction_upper"),
    ],
)
def test_a_broken_table_is_refused(table: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        conform(table, frame(table, **given))
    assert str(error.value).startswith(f"table {table}: ")


def test_a_required_column_must_be_there() -> None:
    with pytest.raises(InputError, match="column 'symbol' is missing"):
        conform("antigens", frame("antigens").drop(columns="symbol"))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_comes_back_as_it_went(table: str, tmp_path: Path) -> None:
    given = {name: BY_KIND[column.kind] for name, column in columns(table).items() if name != "safety_class"}
    before = conform(table, frame(table, **given))
    write_table(table, before, tmp_path / table)
    pd.testing.assert_frame_equal(read_table(table, tmp_path / f"{table}.parquet"), before)


def test_bytes_depend_on_the_rows_alone(tmp_path: Path) -> None:
    rows = frame("gates", gate=["A & B", "A | B"], coverage=[0.25, np.nan])
    write_table("gates", rows, tmp_path / "one")
    shuffled = rows[list(rows)[::-1]].set_index(pd.Index([7, 3]))
    shuffled.attrs["note"] = "left behind"
    write_table("gates", shuffled, tmp_path / "two")
    for suffix in (".parquet", ".tsv"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert pyarrow.parquet.read_schema(tmp_path / "one.parquet").metadata is None


def test_the_twin_may_hold_fewer_rows(tmp_path: Path) -> None:
    rows = frame("exposure", n=3, gate=["A", "B", "C"])
    write_parts("exposure", [rows], tmp_path / "exposure", in_tsv=lambda part: part["gate"] != "B")
    assert len(read_table("exposure", tmp_path / "exposure.parquet")) == 3
    assert pd.read_csv(tmp_path / "exposure.tsv", sep="\t")["gate"].tolist() == ["A", "C"]


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    name = "</script><img src=x onerror=alert(1)>\t\n\"'"
    write_table("antigens", frame("antigens", n=1, symbol=name), tmp_path / "antigens")
    assert read_table("antigens", tmp_path / "antigens.parquet")["symbol"].tolist() == [name]
    assert pd.read_csv(tmp_path / "antigens.tsv", sep="\t")["symbol"].tolist() == [name]


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-HYPERLINK(1)", "@SUM(1)", "\t=1", "\r=1"])
def test_no_cell_of_the_twin_is_a_formula(tmp_path: Path, name: str) -> None:
    """The text is kept in Parquet; in the twin an apostrophe makes it text for a spreadsheet. Numbers stay numbers."""
    given = frame("antigens", n=2, symbol=[name, "HLA-A"], window=[-1.5, 2.0])
    write_table("antigens", given, tmp_path / "antigens")
    assert read_table("antigens", tmp_path / "antigens.parquet")["symbol"].tolist() == [name, "HLA-A"]
    twin = pd.read_csv(tmp_path / "antigens.tsv", sep="\t")
    assert twin["symbol"].tolist() == ["'" + name.replace("\r", " "), "HLA-A"]
    assert twin["window"].tolist() == [-1.5, 2.0]


def test_a_category_of_the_twin_is_no_formula(tmp_path: Path) -> None:
    write_table("exposure", frame("exposure", n=2, gate=["=A", "'=A"]), tmp_path / "exposure")
    assert read_table("exposure", tmp_path / "exposure.parquet")["gate"].tolist() == ["=A", "'=A"]
    assert pd.read_csv(tmp_path / "exposure.tsv", sep="\t")["gate"].tolist() == ["'=A", "'=A"]


def test_a_refused_table_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_table("antigens", frame("antigens", coverage=2.0), tmp_path / "antigens")
    assert not list(tmp_path.iterdir())


def test_parts_give_the_rows_of_the_whole(tmp_path: Path) -> None:
    rows = frame("exposure", n=60, gate=[f"G{i}" for i in range(60)])
    write_table("exposure", rows, tmp_path / "whole")
    write_parts("exposure", [rows.iloc[:7], rows.iloc[7:]], tmp_path / "parts")
    pd.testing.assert_frame_equal(
        read_table("exposure", tmp_path / "whole.parquet").astype(str),
        read_table("exposure", tmp_path / "parts.parquet").astype(str),
    )
    assert (tmp_path / "whole.tsv").read_bytes() == (tmp_path / "parts.tsv").read_bytes()
