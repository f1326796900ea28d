"""Derived antigens: read, expanded and evaluated, with what is not measured left unknown."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import GateError, InputError
from cartarget.logic.gate import Gate
from cartarget.surface.derived import COLUMNS, add_derived, expand, genes_of, read_derived


def table(tmp_path: Path, *rows: tuple[str, str], name: str = "mine.tsv") -> Path:
    file = tmp_path / name
    lines = [
        "\t".join(COLUMNS),
        *("\t".join([*row, "what it is", "what it misses", "PMID:1", "a title"]) for row in rows),
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_the_packages_table_is_sourced_and_expands_to_genes() -> None:
    derived = read_derived()
    assert {"GD2", "GD3", "LewisY", "sLeA", "TAG-72", "CLDN18.2", "EGFRvIII", "CD44v6"} <= set(derived)
    form = re.compile(r"doi:10\.\d{4,9}/\S+|PMID:\d+|PMCID:PMC\d+|reactome:R-HSA-\d+|https://\S+")
    for antigen in derived.values():
        assert all(form.fullmatch(part) for part in antigen.source.split("|")), antigen.name
        assert len(antigen.misses) > 30 and len(antigen.source_title) > 15
        assert not set(genes_of(antigen.name, derived)) & set(derived)
    assert genes_of("TAG-72", derived) == ("ST6GALNAC1",)
    assert genes_of("sLeA", derived) == ("B3GALT5", "FUT3", "ST3GAL3")
    assert "proxy (B4GALNT1 & GD3)" in derived["GD2"].note


@pytest.mark.real_data
def test_genes_are_current_symbols(shared_data: Path) -> None:
    known = pd.read_csv(shared_data / "genes" / "ncbi_protein_coding_with_hgnc.tsv.gz", sep="\t", dtype=str)
    derived = read_derived()
    assert {gene for name in derived for gene in genes_of(name, derived)} <= set(known["gene_symbol"])


def test_expansion_keeps_the_logic() -> None:
    derived = read_derived()
    assert str(expand(Gate.parse("CD276 & ~GD2"), derived)) == str(Gate.parse("CD276 & ~(B4GALNT1 & ST8SIA1)"))
    assert expand(Gate.parse("MET | EPCAM"), derived) == Gate.parse("MET | EPCAM")
    with pytest.raises(GateError):
        expand(Gate.parse("GD2 & ~GD3"), derived)


def test_a_gene_that_is_not_measured_is_unknown_not_absent() -> None:
    cells = pd.DataFrame({"ST8SIA1": [True, False, None], "FUT1": [1.0, 0.0, float("nan")]}, index=["x", "y", "z"])
    found = add_derived(cells, read_derived())
    assert found["GD3"].tolist() == [True, False, pd.NA]
    assert found["GD2"].tolist() == [pd.NA, False, pd.NA], (
        "without the second enzyme only the first one's absence decides"
    )
    assert found["LewisY"].tolist() == [True, False, pd.NA]
    assert found["sLeA"].isna().all() and found["CLDN18.2"].isna().all()
    assert list(cells.columns) == ["ST8SIA1", "FUT1"], "the table given is left alone"


def test_what_was_measured_itself_stands() -> None:
    cells = pd.DataFrame({"GD2": [True, False], "ST8SIA1": [False, True], "B4GALNT1": [True, True]})
    assert add_derived(cells, read_derived(), names=["GD2"])["GD2"].tolist() == [True, False]
    other = pd.DataFrame({"GD3": [True], "B4GALNT1": [True], "ST8SIA1": [False]})
    assert add_derived(other, read_derived(), names=["GD2"])["GD2"].tolist() == [True]


def test_a_users_table_adds_and_redefines(tmp_path: Path) -> None:
    base = table(tmp_path, ("GD3", "ST8SIA1"), ("GD2", "GD3 & B4GALNT1"), name="base.tsv")
    mine = table(tmp_path, ("GD3", "ST8SIA1 & ~B4GALNT1"), ("ANY", "GD3 | GD2"))
    derived = read_derived(base, mine)
    assert list(derived) == ["GD3", "GD2", "ANY"]
    assert str(derived["GD3"].expression) == "ST8SIA1 & ~B4GALNT1"
    with pytest.raises(GateError):
        genes_of("GD2", derived)  # the user's GD3 lacks what GD2 needs: always false
    with pytest.raises(InputError, match="'NEW' is not defined; known are GD3, GD2, ANY"):
        add_derived(pd.DataFrame(index=[0]), derived, names=["NEW"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("A", "A")], "line 2: A -> A leads back to itself"),
        ([("A", "B & X"), ("B", "C"), ("C", "Y | A")], "A -> B -> C -> A leads back to itself"),
        ([("OUT", "A"), ("A", "B"), ("B", "A")], "A -> B -> A leads back to itself"),
        ([("A", "X &")], "line 2: gate does not parse"),
        ([("A", "~X")], "holds for a cell with none of its genes"),
        (
            [("A", "X>=5 & Y")],
            "line 2: X>=5 has a threshold of its own, but a derived antigen is read at that of its gate; write X",
        ),
        ([("A", "X | ~X")], "line 2: gate"),
        ([("A", "X"), ("A", "Y")], "line 3: 'A' stands twice"),
        ([("A", "")], "line 2: expression is empty"),
        ([("", "X")], "line 2: name is empty"),
    ],
)
def test_bad_definitions_are_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError) as error:
        read_derived(table(tmp_path, *rows))
    assert message in str(error.value)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.tsv: cannot be read"):
        read_derived(tmp_path / "absent.tsv")
    (tmp_path / "odd.tsv").write_text("name\texpression\nA\tB\n")
    with pytest.raises(InputError, match="column 'stands_for' is missing"):
        read_derived(tmp_path / "odd.tsv")


def test_a_diamond_is_no_cycle(tmp_path: Path) -> None:
    derived = read_derived(
        table(tmp_path, ("TOP", "LEFT & RIGHT"), ("LEFT", "BASE | X"), ("RIGHT", "BASE | Y"), ("BASE", "Z"))
    )
    assert set(genes_of("TOP", derived)) == {"X", "Y", "Z"}


FORMULAS = st.recursive(
    st.sampled_from(["P", "Q", "R"]),
    lambda inner: st.tuples(inner, st.sampled_from(["&", "|", "& ~"]), inner).map(lambda part: f"({' '.join(part)})"),
    max_leaves=5,
)
TRUTH = st.sampled_from([True, False, None])


@given(FORMULAS, st.tuples(TRUTH, TRUTH, TRUTH))
def test_unknown_is_what_any_completion_could_change(formula: str, known: tuple[bool | None, ...]) -> None:
    """Kleene's value is never bolder than the truth: where it answers, every completion of the unknowns agrees."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            derived = read_derived(table(Path(folder), ("D", formula)))
        except InputError:
            return
    values = pd.DataFrame([known], columns=["P", "Q", "R"], dtype="boolean")
    found = add_derived(values, derived)["D"].item()
    answers = set()
    for guess in itertools.product([True, False], repeat=3):
        full = [g if k is None else k for k, g in zip(known, guess, strict=True)]
        answers.add(bool(expand(Gate.literal("D"), derived).evaluate(dict(zip("PQR", full, strict=True)))))
    if found is not pd.NA:
        assert answers == {found}
    if None not in known:
        assert found is not pd.NA
