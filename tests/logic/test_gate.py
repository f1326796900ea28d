from __future__ import annotations

from itertools import product

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartarget.errors import GateError
from cartarget.logic.gate import Gate
from cartarget.search.template import Template, every

NAMES = ["A", "HLA-A", "a.b", "a name", "`tick`", "</script>", "AND", "~x", "日本", "(p)"]
literals = st.builds(lambda s, n: Gate.literal(s, negated=n), st.sampled_from(NAMES[:6]), st.booleans())


def table(gate: Gate, names: list[str]) -> list[bool]:
    index = np.arange(1 << len(names))
    return gate.evaluate({name: (index >> i & 1).astype(bool) for i, name in enumerate(names)}).tolist()


def tree_text(tree: object) -> str:
    return tree if isinstance(tree, str) else f"({f' {tree[0]} '.join(map(tree_text, tree[1]))})"  # type: ignore[index]


def tree_value(tree: object, values: dict[str, bool]) -> bool:
    if isinstance(tree, str):
        return not values[tree[1:]] if tree.startswith("~") else values[tree]
    return (all if tree[0] == "&" else any)(tree_value(part, values) for part in tree[1])  # type: ignore[index]


leaves = st.sampled_from([sign + name for name in "ABCDE" for sign in ("", "~")])
trees = st.recursive(
    leaves, lambda parts: st.tuples(st.sampled_from("&|"), st.lists(parts, min_size=2, max_size=3)), max_leaves=7
)


@settings(max_examples=300, deadline=None)
@given(tree=trees)
def test_any_rule_keeps_its_truth_table_and_has_one_form(tree: object) -> None:
    rows = [dict(zip("ABCDE", bits, strict=True)) for bits in product((False, True), repeat=5)]
    truth = [tree_value(tree, row) for row in rows]
    if all(truth) or not any(truth):
        with pytest.raises(GateError, match=r"always true|never true"):
            Gate.parse(tree_text(tree))
        return
    gate = Gate.parse(tree_text(tree))
    assert [bool(gate.evaluate(row)) for row in rows] == truth
    assert Gate.parse(str(gate)) == gate
    # equal functions are one gate: the same rule written as its disjunctive normal form
    minterms = [
        "(" + " & ".join(name if row[name] else f"~{name}" for name in gate.antigens) + ")"
        for row, hit in zip(rows, truth, strict=True)
        if hit
    ]
    assert Gate.parse(" | ".join(dict.fromkeys(minterms))) == gate


@settings(max_examples=200, deadline=None)
@given(a=literals, b=literals, c=literals)
def test_laws(a: Gate, b: Gate, c: Gate) -> None:
    def tried(build):  # type: ignore[no-untyped-def]
        try:
            return build()
        except GateError as error:
            return "always true" in str(error)

    assert a & a == a == a | a
    assert ~~a == a
    assert tried(lambda: ~(a & b)) == tried(lambda: ~a | ~b) or isinstance(tried(lambda: a & b), bool)
    assert tried(lambda: (a & b) & c) == tried(lambda: c & (b & a)) or isinstance(tried(lambda: a & b & c), bool)
    if len({a.symbol, b.symbol, c.symbol}) == 3:
        assert ~(a & b) == ~a | ~b and ~(a | b) == ~a & ~b
        assert (a & b) & c == c & (b & a) and hash((a & b) & c) == hash(c & (b & a))
        assert a & (b | c) == (a & b) | (a & c)
        assert a | (a & b) == a == a & (a | b)


@pytest.mark.parametrize("template", every(range(1, 6)), ids=lambda t: t.name)
def test_every_template_has_the_truth_table_of_its_text(template: Template) -> None:
    names = list(template.gate.antigens)
    text = template.name.replace("&", " and ").replace("|", " or ").replace("~", " not ")
    for signs in product((False, True), repeat=len(names)):
        gate = template.fill(names, signs)
        for bits in product((False, True), repeat=len(names)):
            values = {name: bit != sign for name, bit, sign in zip(names, bits, signs, strict=True)}
            assert bool(gate.evaluate(dict(zip(names, bits, strict=True)))) == eval(text, {}, values)
        assert gate.is_not_only == eval(text, {}, dict(zip(names, signs, strict=True)))


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.text(min_size=1, max_size=8), min_size=3, max_size=3, unique=True))
def test_any_text_can_name_an_antigen(names: list[str]) -> None:
    a, b, c = map(Gate.literal, names)
    gate = (a | ~b) & c
    assert Gate.parse(str(gate)) == gate
    assert set(gate.antigens) == set(names)


def test_words_and_precedence() -> None:
    assert Gate.parse("A AND NOT B OR C") == Gate.parse("(A & ~B) | C")
    assert str(Gate.parse("~PTPRC & (CLDN6|CLDN18)")) == "(CLDN18 | CLDN6) & ~PTPRC"
    assert Gate.parse("`AND` & A").antigens == ("A", "AND")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("CEACAM5 & !MSLN", "CEACAM5 & ~MSLN"), ("CEACAM5∧¬MSLN", "CEACAM5 & ~MSLN"), ("X ∨ Y", "X | Y"),
        ("X && Y || Z", "(X & Y) | Z"), ("X and not Y", "X & ~Y"), ("X And Not(Y oR Z)", "X & ~Y & ~Z"),
        ("ANDX & NOTCH1 & ORM1", "ANDX & NOTCH1 & ORM1"), ("X & `and`", "X & `and`"), ("X & `!Y`", "X & `!Y`"),
    ],
)  # fmt: skip
def test_other_spellings_of_operators_are_read_as_what_they_mean(text: str, means: str) -> None:
    gate = Gate.parse(text)
    assert gate == Gate.parse(means)
    assert Gate.parse(str(gate)) == gate
    assert "!MSLN" not in gate.antigens


@pytest.mark.parametrize("text", ["X !Y", "X! & Y", "X not Y", "X + Y", "X, Y", "X ! = Y"])
def test_what_only_looks_like_a_gate_is_refused(text: str) -> None:
    with pytest.raises(GateError, match="does not parse at character"):
        Gate.parse(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", 1), ("A &", 4), ("A B", 3), ("(A | B", 7), ("A & )", 5), ("`open", 1), ("``", 1), ("A ~ B", 3),
        ("(" * 200, 102),
    ],
)  # fmt: skip
def test_the_message_points_at_the_place(text: str, place: int) -> None:
    with pytest.raises(GateError, match=f"character {place}:"):
        Gate.parse(text)


def test_too_many_repeated_antigens_are_refused() -> None:
    many = " | ".join(f"(A & B{i})" for i in range(12))
    with pytest.raises(GateError, match="at most 12"):
        Gate.parse(many)


def test_evaluates_on_frames_and_anndata() -> None:
    frame = pd.DataFrame({"X": [1, 1, 0], "Y": [0, 1, 0]}, index=["a", "b", "c"])
    gate = Gate.parse("X & ~Y")
    assert gate.evaluate(frame).to_dict() == {"a": True, "b": False, "c": False}
    adata = anndata.AnnData(frame.to_numpy(dtype=np.float32), obs=frame[[]], var=pd.DataFrame(index=["X", "Y"]))
    assert gate.evaluate(adata).tolist() == [True, False, False]
    with pytest.raises(GateError, match="'Z' is not among"):
        Gate.parse("X & Z").evaluate(frame)
    with pytest.raises(GateError, match="'Z' is not among"):
        Gate.parse("X & Z").evaluate(adata)
    for missing in (frame.astype(float).mask(frame == 0), {"X": [True, None], "Y": [True, True]}):
        with pytest.raises(GateError, match="missing values"):
            gate.evaluate(missing)
