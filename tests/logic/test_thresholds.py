"""Literals with thresholds of their own: one text each, and no antigen at two of them."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartarget.errors import GateError
from cartarget.files import as_plain_text
from cartarget.logic.gate import Gate, quote
from cartarget.logic.thresholds import split_threshold, with_threshold


@pytest.mark.parametrize(
    "text", ["CEACAM5>=200 & CDH17", "CDH17 and CEACAM5 >= 200.0", "CDH17 & CEACAM5≥2e2", "(CEACAM5>= 200)&&CDH17"]
)
def test_one_rule_has_one_text(text: str) -> None:
    gate = Gate.parse(text)
    assert str(gate) == "CDH17 & CEACAM5>=200"
    assert gate == Gate.literal("CDH17") & Gate.literal("CEACAM5", threshold=200) == Gate.parse(str(gate))
    assert gate.antigens == ("CDH17", "CEACAM5>=200") and gate.shape == "A & B"


def test_negation_is_below_the_threshold() -> None:
    assert str(~Gate.parse("CEACAM5>=200 & CDH17")) == "~CDH17 | ~CEACAM5>=200"
    assert Gate.parse("A & ~(B>=2 | C)") == Gate.parse("A & ~B≥2 & not C")
    values = {"A": [1, 1, 0], "B>=2": [0, 1, 0]}
    assert Gate.parse("A & ~B>=2").evaluate(values).tolist() == [True, False, False]


def test_rules_that_repeat_an_antigen_are_simplified() -> None:
    assert Gate.parse("(A>=5 & B) | (A>=5 & C)") == Gate.parse("A>=5 & (B | C)")
    with pytest.raises(GateError, match="never true"):
        Gate.parse("A>=5 & ~A>=5")


@pytest.mark.parametrize("text", ["A>=5 & A>=10", "A & A>=10", "A>=5 | (B & ~A)"])
def test_no_antigen_stands_at_two_thresholds(text: str) -> None:
    with pytest.raises(GateError, match="A stands at two thresholds"):
        Gate.parse(text)
    with pytest.raises(GateError, match="A stands at two thresholds"):
        Gate.parse("A>=5") & Gate.parse("A>=10")


@pytest.mark.parametrize(
    ("text", "expected", "place"),
    [
        ("A>=", "a threshold, a number above 0", 4),
        ("A>=0 & B", "a threshold, a number above 0", 4),
        ("A>=-5", "a threshold, a number above 0", 4),
        ("A>=nan", "a threshold, a number above 0", 4),
        ("A>=many", "a threshold, a number above 0", 4),
        ("A>=1_000", "a threshold, a number above 0", 4),
        ("A>=(5)", "a threshold, a number above 0", 4),
        ("A>5", "expected '>='", 2),
        ("A<5", "below it is ~CEACAM5>=200", 2),
        ("A<=5", "below it is ~CEACAM5>=200", 2),
        ("A>=5 CPM", "expected '&', '|' or the end", 6),
        ("A>=5>=6", "expected '&', '|' or the end", 5),
        (">=5", "expected an antigen", 1),
        ("(A & B)>=5", "expected '&', '|' or the end", 8),
    ],
)
def test_what_is_no_threshold_is_refused_at_its_place(text: str, expected: str, place: int) -> None:
    with pytest.raises(GateError) as told:
        Gate.parse(text)
    assert expected in str(told.value) and f"character {place}:" in str(told.value)


names = st.sampled_from(["A", "HLA-A", "a name", "`tick`", "AND", "x>", "x>=", "日本", "=A", "1"])
numbers = st.one_of(st.integers(1, 10**7), st.floats(1e-6, 1e7)).map(float)


@given(name=names, number=numbers, negated=st.booleans())
def test_any_threshold_is_read_back(name: str, number: float, negated: bool) -> None:
    gate = Gate.literal(name, threshold=number, negated=negated)
    assert Gate.parse(str(gate)) == gate
    assert split_threshold(gate.symbol) == (name, number)
    assert with_threshold(name, number) == gate.symbol
    assert "\t" not in str(gate) and "\n" not in str(gate)


def test_the_text_is_no_formula_in_a_spreadsheet() -> None:
    gates = pd.DataFrame({"gate": ["CDH17 & CEACAM5>=200", quote("=A>=5")]})
    assert as_plain_text(gates)["gate"].tolist() == gates["gate"].tolist()


def test_anndata_is_read_at_the_thresholds() -> None:
    adata = anndata.AnnData(
        np.array([[1, 300], [1, 199], [0, 200]], dtype="float32"), var=pd.DataFrame(index=["CDH17", "CEACAM5"])
    )
    assert Gate.parse("CDH17 & CEACAM5>=200").evaluate(adata).tolist() == [True, False, False]
    with pytest.raises(GateError, match="antigen 'MSLN' is not among"):
        Gate.parse("MSLN>=2").evaluate(adata)
    with pytest.raises(GateError, match="give a boolean for each antigen"):
        Gate.parse("A>=2").evaluate({"A": [1]})
