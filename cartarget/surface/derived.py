"""Antigens that are no gene's product (sugars, lipids, isoforms, deletions), as expressions over genes: proxies."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cartarget.errors import GateError, InputError
from cartarget.files import resource
from cartarget.logic.gate import Gate
from cartarget.logic.thresholds import name_of

DERIVED = Path("resources") / "derived_antigens.tsv"
"""The table that comes with the package's sources."""

COLUMNS = ("name", "expression", "stands_for", "misses", "source", "source_title")


@dataclass(frozen=True)
class DerivedAntigen:
    """An antigen that genes only stand for.

    Attributes
    ----------
    name
        As used in gates (`GD2`).
    expression
        Over genes, and over other derived antigens.
    stands_for, misses
        What is meant, and what the genes cannot tell.
    source, source_title
        Identifiers, separated by `|`, and the title of the first.
    """

    name: str
    expression: Gate
    stands_for: str
    misses: str
    source: str
    source_title: str

    @property
    def note(self) -> str:
        """The sentence that stands wherever the antigen is shown."""
        return f"{self.name} is a proxy ({self.expression}): it stands for {self.stands_for}, and misses {self.misses}."


def read_derived(*paths: str | os.PathLike[str]) -> dict[str, DerivedAntigen]:
    """Read derived antigens, from the package's table or from one's own as well.

    Parameters
    ----------
    *paths
        Tab-separated tables with `COLUMNS`; a later table may redefine a name of an earlier one. None: `DERIVED`.

    Returns
    -------
    dict
        Name → antigen, in order of appearance.

    Raises
    ------
    InputError
        A file cannot be read, a column is missing, a cell is empty, a name stands twice in one table, an expression
        does not parse, holds for a cell with none of its genes, or leads back to its own name. The message names the
        line.

    Examples
    --------
    >>> str(read_derived()["SSEA-4"].expression)
    'B3GALT5 & ST3GAL2'
    """
    found: dict[str, DerivedAntigen] = {}
    lines: dict[str, str] = {}
    for path in paths or (DERIVED,):
        for place, antigen in _rows(path):
            found[antigen.name] = antigen
            lines[antigen.name] = place
    for name in found:
        _refuse_cycle(name, found, lines)
    return found


def _rows(path: str | os.PathLike[str]) -> list[tuple[str, DerivedAntigen]]:
    try:
        frame = pd.read_csv(resource(path), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error
    for column in COLUMNS:
        if column not in frame:
            raise InputError(f"{path}: column {column!r} is missing; expected {', '.join(COLUMNS)}")
    rows: list[tuple[str, DerivedAntigen]] = []
    for number, row in enumerate(frame[list(COLUMNS)].to_dict("records"), start=2):
        place = f"{path}, line {number}"
        cells = {str(key): str(value).strip() for key, value in row.items()}
        empty = [column for column in COLUMNS if not cells[column]]
        if empty:
            raise InputError(f"{place}: {empty[0]} is empty; a derived antigen needs one")
        if any(cells["name"] == antigen.name for _, antigen in rows):
            raise InputError(f"{place}: {cells['name']!r} stands twice; keep one row")
        rows.append((place, DerivedAntigen(**{**cells, "expression": _parse(cells["expression"], place)})))  # type: ignore[arg-type]
    return rows


def _parse(text: str, place: str) -> Gate:
    try:
        gate = Gate.parse(text)
    except GateError as error:
        raise InputError(f"{place}: {error}") from error
    if gate.is_not_only:
        raise InputError(f"{place}: {text!r} holds for a cell with none of its genes; name at least one that it needs")
    for antigen in gate.antigens:
        name = name_of(antigen)
        if name != antigen:
            raise InputError(
                f"{place}: {antigen} has a threshold of its own, but a derived antigen is read at that of its gate; "
                f"write {name}"
            )
    return gate


def _refuse_cycle(name: str, derived: Mapping[str, DerivedAntigen], lines: Mapping[str, str]) -> None:
    trail = [name]

    def visit(current: str) -> None:
        for symbol in derived[current].expression.antigens:
            if symbol in trail:
                circle = " -> ".join([*trail[trail.index(symbol) :], symbol])
                raise InputError(f"{lines[name]}: {circle} leads back to itself; define it from genes")
            if symbol in derived:
                trail.append(symbol)
                visit(symbol)
                trail.pop()

    visit(name)


def expand(gate: Gate, derived: Mapping[str, DerivedAntigen]) -> Gate:
    """The gate with every derived antigen replaced by its expression, down to genes.

    Parameters
    ----------
    gate
        Over genes and derived antigens.
    derived
        `read_derived`.

    Raises
    ------
    GateError
        What is left is always true or always false, as in `GD2 & ~GD3` where GD2 needs GD3.

    Examples
    --------
    >>> print(expand(Gate.parse("GD2 & CD276"), read_derived()))
    B4GALNT1 & CD276 & ST8SIA1
    """
    if gate.operator:
        parts = [expand(part, derived) for part in gate.parts]
        result = parts[0]
        for part in parts[1:]:
            result = result & part if gate.operator == "&" else result | part
        return result
    if gate.symbol not in derived:
        return gate
    inner = expand(derived[gate.symbol].expression, derived)
    return ~inner if gate.is_negated else inner


def genes_of(name: str, derived: Mapping[str, DerivedAntigen]) -> tuple[str, ...]:
    """The genes that a derived antigen is judged by.

    Examples
    --------
    >>> genes_of("GD2", read_derived())
    ('B4GALNT1', 'ST8SIA1')
    """
    return expand(Gate.literal(name), derived).antigens


def over_genes(derived: Mapping[str, DerivedAntigen]) -> dict[str, Gate]:
    """Name → expression over genes, for antigens that atlases can be asked for.

    Raises
    ------
    InputError
        An expression holds a blocker: that a gene was not seen does not make an antigen. Write the blocker into the
        gate instead.

    Examples
    --------
    >>> str(over_genes(read_derived())["TAG-72"])
    'ST6GALNAC1'
    """
    found = {name: expand(antigen.expression, derived) for name, antigen in derived.items()}
    for name, gate in found.items():
        blockers = [literal.symbol for literal in gate.literals if literal.is_negated]
        if blockers:
            raise InputError(
                f"derived antigen {name!r}: {gate} holds the blocker {blockers[0]!r}, and that a gene was not seen "
                f"makes no antigen; define it without, and write ~{blockers[0]} into the gate"
            )
    return found


def add_derived(
    values: pd.DataFrame, derived: Mapping[str, DerivedAntigen], *, names: Collection[str] | None = None
) -> pd.DataFrame:
    """Add a column per derived antigen to a table of positivity.

    A gene that the table lacks, or a missing value, is unknown: the antigen is then unknown too, unless what is known
    decides (`A & B` is false where A is, whatever B). A column that the table holds already under the antigen's name
    was measured, as protein or by isoform, and stands.

    Parameters
    ----------
    values
        Observations × genes: boolean, nullable boolean, or 0 and 1 with NaN.
    derived
        `read_derived`.
    names
        Antigens to add. None: all.

    Returns
    -------
    DataFrame
        `values`, and a column of nullable booleans per antigen.

    Raises
    ------
    InputError
        A name of `names` is not among the derived antigens.

    Examples
    --------
    >>> cells = pd.DataFrame({"ST8SIA1": [1, 0]})
    >>> add_derived(cells, read_derived(), names=["GD3", "GD2"])["GD2"].tolist()
    [<NA>, False]
    """
    wanted = list(derived) if names is None else list(names)
    unknown = [name for name in wanted if name not in derived]
    if unknown:
        raise InputError(f"derived antigen {unknown[0]!r} is not defined; known are {', '.join(derived)}")
    fresh = [name for name in wanted if name not in values]
    columns = {name: _evaluate(derived[name].expression, values, derived) for name in fresh}
    return pd.concat([values, pd.DataFrame(columns, index=values.index)], axis=1) if columns else values.copy()


def _evaluate(gate: Gate, values: pd.DataFrame, derived: Mapping[str, DerivedAntigen]) -> pd.Series:
    """Three-valued: pandas' nullable booleans follow Kleene's logic."""
    if not gate.operator:
        found = _literal(gate.symbol, values, derived)
        return ~found if gate.is_negated else found
    parts = [_evaluate(part, values, derived) for part in gate.parts]
    result = parts[0]
    for part in parts[1:]:
        result = result & part if gate.operator == "&" else result | part
    return result


def _literal(symbol: str, values: pd.DataFrame, derived: Mapping[str, DerivedAntigen]) -> pd.Series:
    if symbol in values:
        return values[symbol].astype("boolean")
    if symbol in derived:
        return _evaluate(derived[symbol].expression, values, derived)
    return pd.Series(pd.NA, index=values.index, dtype="boolean")
