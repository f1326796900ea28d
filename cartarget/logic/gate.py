"""Gates as values: parse, print, canonicalise, combine and evaluate Boolean rules over antigens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from cartarget.errors import GateError
from cartarget.logic.factor import Leaf, Node, factor
from cartarget.logic.thresholds import AT_LEAST, SIGNS, read_number, refuse_several, split_threshold, with_threshold

Operator = Literal["", "&", "|"]

_PLAIN = re.compile(r"[\w.\-/:@+*]+")
_WORDS = {"AND": "&", "OR": "|", "NOT": "~"}
_SIGNS = {"&&": "&", "∧": "&", "||": "|", "∨": "|", "!": "~", "¬": "~"}
"""Other ways to write an operator; words in any case."""

_DEPTH = 100


@dataclass(frozen=True)
class Gate:
    """A Boolean rule over antigens, in canonical form: equal rules are equal gates.

    Negations stand at the antigens, nested operators are flattened, and parts are sorted (parts that
    sense something first, then blockers; then by size; then by name). A rule that repeats an antigen is
    rewritten to its unique shortest factored form, so `(A & B) | (A & C)` *is* `A & (B | C)`.
    Build gates with `Gate.parse`, `Gate.literal`, `&`, `|` and `~`, not with the constructor.

    Attributes
    ----------
    operator
        Empty for a literal, else `&` or `|`.
    symbol, is_negated
        The antigen of a literal; one with a threshold of its own is told by it (`CEACAM5>=200`).
    parts
        The operands of `&` or `|`.

    Examples
    --------
    >>> gate = Gate.parse("~PTPRC & (CLDN6 | CLDN18)")
    >>> print(gate)
    (CLDN18 | CLDN6) & ~PTPRC
    >>> gate.antigens
    ('CLDN18', 'CLDN6', 'PTPRC')
    >>> gate == ~Gate.parse("PTPRC | (~CLDN18 & ~CLDN6)")
    True
    >>> gate.evaluate({"CLDN18": [1, 1, 0], "CLDN6": [0, 0, 0], "PTPRC": [0, 1, 0]}).tolist()
    [True, False, False]
    """

    operator: Operator
    symbol: str = ""
    is_negated: bool = False
    parts: tuple[Gate, ...] = ()

    @staticmethod
    def literal(symbol: str, *, negated: bool = False, threshold: float | None = None) -> Gate:
        """The gate of one antigen, plain or negated, at the run's threshold or at one of its own.

        Examples
        --------
        >>> print(Gate.literal("HLA-A", negated=True), Gate.literal("CEACAM5", threshold=200))
        ~HLA-A CEACAM5>=200
        """
        if not symbol:
            raise GateError("an antigen without a name: give a symbol")
        name, own = split_threshold(symbol)
        return Gate("", with_threshold(name, own if threshold is None else threshold), negated)

    @staticmethod
    def parse(text: str) -> Gate:
        """Read a gate: `&`, `|`, `~`, parentheses, or the words and, or, not in any case; `&` binds before `|`.

        `&&`, `||`, `!`, `∧`, `∨` and `¬` are read too. A symbol is any run of characters other than white space,
        operators, `<`, `>` and parentheses; any text at all may stand between backticks, a backtick itself doubled.
        `CEACAM5>=200` (or `≥`) is CEACAM5 at a threshold of its own, in the unit of the tumours that order the ranking;
        `~CEACAM5>=200` is below it.

        Raises
        ------
        GateError
            The text is not a gate (the message points at the place), is always true or always false, or has an antigen
            at two thresholds.

        Examples
        --------
        >>> print(Gate.parse("`a name` AND NOT HLA-DRA | a.b"))
        a.b | (`a name` & ~HLA-DRA)
        >>> print(Gate.parse("CEACAM5 and !MSLN"))
        CEACAM5 & ~MSLN
        >>> print(Gate.parse("CDH17 & CEACAM5 ≥ 2e2"))
        CDH17 & CEACAM5>=200
        >>> Gate.parse("A & | B")
        Traceback (most recent call last):
        cartarget.errors.GateError: ...
        """
        return _Parser(text).gate()

    @cached_property
    def literals(self) -> tuple[Gate, ...]:
        """The literals, from left to right."""
        if not self.operator:
            return (self,)
        return tuple(literal for part in self.parts for literal in part.literals)

    @cached_property
    def antigens(self) -> tuple[str, ...]:
        """The antigens, each once, in order of appearance."""
        return tuple(dict.fromkeys(literal.symbol for literal in self.literals))

    @property
    def n_literals(self) -> int:
        """How many literals the canonical form has."""
        return len(self.literals)

    @cached_property
    def is_not_only(self) -> bool:
        """Whether a cell that bears none of the antigens is hit: the rule needs no antigen to kill."""
        if not self.operator:
            return self.is_negated
        return (all if self.operator == "&" else any)(part.is_not_only for part in self.parts)

    @cached_property
    def shape(self) -> str:
        """The template: antigens replaced by A, B, C ... in order of appearance.

        Examples
        --------
        >>> Gate.parse("ERBB2 & ~PTPRC").shape
        'A & ~B'
        """
        letters = {symbol: letter(index) for index, symbol in enumerate(self.antigens)}
        return self._text(letters)

    def evaluate(self, values: Any) -> Any:
        """Evaluate on booleans.

        Parameters
        ----------
        values
            A mapping from antigen to boolean or array of booleans; a frame with antigens as columns; or an
            AnnData (positive = value > 0, or at the antigen's own threshold and above).

        Returns
        -------
        A NumPy boolean (array); a Series for a frame.

        Raises
        ------
        GateError
            An antigen is missing, or a value is missing (not measured is not absent).
        """
        found = {symbol: _booleans(values, symbol) for symbol in self.antigens}
        hit = self._evaluate(found)
        return pd.Series(hit, index=values.index, name=str(self)) if isinstance(values, pd.DataFrame) else hit

    def _evaluate(self, found: Mapping[str, Any]) -> Any:
        if not self.operator:
            return np.logical_not(found[self.symbol]) if self.is_negated else found[self.symbol]
        combine = np.logical_and if self.operator == "&" else np.logical_or
        hit = self.parts[0]._evaluate(found)
        for part in self.parts[1:]:
            hit = combine(hit, part._evaluate(found))
        return hit

    def __and__(self, other: Gate) -> Gate:
        return canonical(Gate("&", parts=(self, other)))

    def __or__(self, other: Gate) -> Gate:
        return canonical(Gate("|", parts=(self, other)))

    def __invert__(self) -> Gate:
        return canonical(_negate(self))

    def __str__(self) -> str:
        return self._text(None)

    def _text(self, names: Mapping[str, str] | None) -> str:
        if not self.operator:
            name = quote(self.symbol) if names is None else names[self.symbol]
            return f"~{name}" if self.is_negated else name
        inner = (part._text(names) for part in self.parts)
        texts = (f"({text})" if part.operator else text for part, text in zip(self.parts, inner, strict=True))
        return f" {self.operator} ".join(texts)


def letter(index: int) -> str:
    """The name of a template's literal: A, B, ... Z, A1, B1 ...

    Examples
    --------
    >>> letter(0), letter(27)
    ('A', 'B1')
    """
    return chr(65 + index % 26) + (str(index // 26) if index >= 26 else "")


def quote(symbol: str) -> str:
    """A symbol as it stands in a gate's text; its name between backticks unless it is plain.

    Examples
    --------
    >>> quote("HLA-A"), quote("a b"), quote("a b>=5")
    ('HLA-A', '`a b`', '`a b`>=5')
    """
    name, threshold = split_threshold(symbol)
    if not _PLAIN.fullmatch(name) or name.upper() in _WORDS:
        name = "`" + name.replace("`", "``") + "`"
    return with_threshold(name, threshold)


def canonical(gate: Gate) -> Gate:
    """The canonical form of a gate tree: flattened, sorted, and factored if an antigen repeats.

    Raises
    ------
    GateError
        The gate is always true or always false, repeats antigens and has more than twelve, or has an antigen at two
        thresholds.
    """
    literals = gate.literals
    refuse_several(literal.symbol for literal in literals)
    if len({literal.symbol for literal in literals}) == len(literals):
        return _flatten(gate)
    return _flatten(_built(factor(gate.evaluate, gate.antigens)))


def _built(tree: Node | Leaf) -> Gate:
    if isinstance(tree, Node):
        return Gate(tree.operator, parts=tuple(map(_built, tree.parts)))
    symbol, is_negated = tree
    return Gate.literal(symbol, negated=is_negated)


def _flatten(gate: Gate) -> Gate:
    if not gate.operator:
        return gate
    parts: list[Gate] = []
    for part in map(_flatten, gate.parts):
        parts.extend(part.parts if part.operator == gate.operator else (part,))
    if len(parts) == 1:
        return parts[0]
    return Gate(gate.operator, parts=tuple(sorted(parts, key=_order)))


def _order(gate: Gate) -> tuple[bool, int, str]:
    return all(literal.is_negated for literal in gate.literals), len(gate.literals), str(gate).lstrip("~")


def _negate(gate: Gate) -> Gate:
    if not gate.operator:
        return Gate("", gate.symbol, not gate.is_negated)
    return Gate("|" if gate.operator == "&" else "&", parts=tuple(map(_negate, gate.parts)))


def _booleans(values: Any, symbol: str) -> Any:
    if hasattr(values, "obs_names") and hasattr(values, "var_names"):
        name, threshold = split_threshold(symbol)
        if name not in values.var_names:
            raise GateError(f"antigen {name!r} is not among the {values.n_vars} genes of the AnnData")
        raw = values[:, name].X
        column = np.asarray(raw.toarray() if hasattr(raw, "toarray") else raw).ravel()
        _refuse_missing(column, symbol)
        return column > 0 if threshold is None else column >= threshold
    try:
        column = values[symbol]
    except KeyError:
        raise GateError(f"antigen {symbol!r} is not among the values: give a boolean for each antigen") from None
    _refuse_missing(column, symbol)
    return np.asarray(column, dtype=bool)


def _refuse_missing(column: Any, symbol: str) -> None:
    if np.any(pd.isna(column)):
        raise GateError(f"antigen {symbol!r} has missing values: not measured is not absent; drop them first")


class _Parser:
    """Recursive descent over tokens `(kind, text, place)`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0

    def gate(self) -> Gate:
        gate = self.either(0)
        if self.kind != "end":
            raise self.error("expected '&', '|' or the end")
        try:
            return canonical(gate)
        except GateError as error:
            raise GateError(f"gate {self.text!r}: {error}") from None

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    def error(self, expected: str) -> GateError:
        return _place(self.text, self.tokens[self.at][2], expected)

    def either(self, depth: int) -> Gate:
        return self.chain("|", self.both, depth)

    def both(self, depth: int) -> Gate:
        return self.chain("&", self.single, depth)

    def chain(self, operator: Operator, operand: Any, depth: int) -> Gate:
        parts = [operand(depth)]
        while self.kind == operator:
            self.at += 1
            parts.append(operand(depth))
        return parts[0] if len(parts) == 1 else Gate(operator, parts=tuple(parts))

    def single(self, depth: int) -> Gate:
        if depth > _DEPTH:
            raise self.error(f"nested more than {_DEPTH} deep; expected something simpler")
        kind, value, _ = self.tokens[self.at]
        if kind not in ("~", "(", "symbol"):
            raise self.error("expected an antigen, '~' or '('")
        self.at += 1
        if kind == "~":
            return _negate(self.single(depth + 1))
        if kind == "symbol":
            return Gate.literal(value, threshold=self.threshold())
        gate = self.either(depth + 1)
        if self.kind != ")":
            raise self.error("expected ')'")
        self.at += 1
        return gate

    def threshold(self) -> float | None:
        if self.kind != AT_LEAST:
            return None
        self.at += 1
        kind, value, _ = self.tokens[self.at]
        number = read_number(value) if kind == "symbol" else None
        if number is None:
            raise self.error("expected a threshold, a number above 0 such as 200")
        self.at += 1
        return number


_TOKEN = re.compile(
    r"\s*(?:(?P<operator>&&|\|\||[&|~()∧∨!¬])|(?P<compared>[<>]=?|[≤≥])|`(?P<quoted>(?:[^`]|``)+)`"
    r"|(?P<plain>[^\s&|~()`∧∨!¬<>≤≥]+))"
)


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise _place(text, place, "expected a name between two backticks")
        start = match.start(match.lastgroup or 0)
        if match["operator"]:
            tokens.append((_SIGNS.get(match["operator"], match["operator"]), "", start))
        elif match["compared"]:
            if match["compared"] not in SIGNS:
                raise _place(text, start, "expected '>=' (CEACAM5>=200; below it is ~CEACAM5>=200)")
            tokens.append((AT_LEAST, "", start))
        elif match["quoted"]:
            tokens.append(("symbol", match["quoted"].replace("``", "`"), start))
        else:
            tokens.append((_WORDS.get(match["plain"].upper(), "symbol"), match["plain"], start))
        at = match.end()
    return [*tokens, ("end", "", end)]


def _place(text: str, place: int, expected: str) -> GateError:
    found = repr(text[place]) if place < len(text) else "the end"
    return GateError(
        f"gate does not parse at character {place + 1}: {expected}, found {found}\n  {text}\n  {' ' * place}^"
    )
