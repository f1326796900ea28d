"""What products cost: a user's table, read and matched with gates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import pandas as pd

from cartarget.errors import GateError, InputError
from cartarget.logic.gate import Gate
from cartarget.safety.sourced import one_of, read_sourced

KINDS = ("autologous", "off-the-shelf")
COLUMNS = ("product", "kind", "fixed", "per_patient")
Amount = Literal["fixed", "per_patient"]


@dataclass(frozen=True)
class Price:
    """One line of the table.

    Attributes
    ----------
    product
        A gate, or a pattern of gates: `*` is any text, so `*` alone is the price of whatever no other line names.
    kind
        `autologous` or `off-the-shelf`.
    fixed
        Cost of having the product at all, whoever is treated.
    per_patient
        Cost of each patient treated with it.
    line
        Line of the file.
    """

    product: str
    kind: str
    fixed: float
    per_patient: float
    line: int

    @property
    def is_pattern(self) -> bool:
        """Whether it names many gates."""
        return "*" in self.product


@dataclass(frozen=True)
class Prices:
    """A table of prices, all in one currency, which no rule asks for.

    Examples
    --------
    >>> some = Prices("mine.tsv", (Price("*", "autologous", 10.0, 2.0, 2), Price("A & *", "autologous", 15.0, 2.0, 3)))
    >>> [(price.line, price.fixed) for gate in ("A & B", "C") for price in some.of(gate)]
    [(3, 15.0), (2, 10.0)]
    """

    path: str
    rows: tuple[Price, ...]

    def of(self, gate: str) -> list[Price]:
        """Each kind in which a gate can be had: its own line, else the longest pattern that fits it.

        Raises
        ------
        InputError
            No line fits.
        """
        found = [one for kind in KINDS if (one := self._of_kind(gate, kind)) is not None]
        if not found:
            raise InputError(
                f"{self.path}: no line is the price of {gate!r}; add one, or a line whose product is * for all others"
            )
        return found

    def _of_kind(self, gate: str, kind: str) -> Price | None:
        own = [row for row in self.rows if row.kind == kind and (row.product == gate or _fits(gate, row))]
        return max(own, key=lambda row: (not row.is_pattern, len(row.product)), default=None)

    def times(self, line: int, amount: Amount, factor: float) -> Prices:
        """The same table with one amount of one line multiplied."""
        rows = tuple(
            replace(row, **{amount: getattr(row, amount) * factor}) if row.line == line else row for row in self.rows
        )
        return replace(self, rows=rows)


def _fits(gate: str, row: Price) -> bool:
    """Whether a pattern fits a gate; blanks do not count."""
    pattern = row.product.replace("[", "[[]").replace("?", "[?]")
    return row.is_pattern and fnmatchcase("".join(gate.split()), "".join(pattern.split()))


def read_prices(path: str | os.PathLike[str]) -> Prices:
    """Read a tab-separated table of prices.

    Parameters
    ----------
    path
        Columns `product` (a gate, a pattern such as `*&*`, or `*`), `kind` (autologous or off-the-shelf), `fixed`,
        `per_patient`; any others, such as a source, are passed over. A gate may have a line of each kind.

    Raises
    ------
    InputError
        The file cannot be read, a column or a cell is missing, an amount is no number or below 0, a kind is unknown, a
        product is no gate, or two lines are of the same product and kind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "prices.tsv"
    >>> _ = file.write_text("product\\tkind\\tfixed\\tper_patient\\n*\\tautologous\\t100\\t-3\\n")
    >>> read_prices(file)
    Traceback (most recent call last):
    cartarget.errors.InputError: ...prices.tsv, line 2: per_patient is '-3'; expected an amount, 0 or more
    """
    frame = read_sourced(path, COLUMNS, may_be_empty=())
    if frame.empty:
        raise InputError(f"{path}: holds no price; add a line whose product is *")
    one_of(frame, "kind", KINDS, path)
    fixed, each = (_amounts(frame, name, path) for name in ("fixed", "per_patient"))
    names = [_product(str(text), line, path) for line, text in frame["product"].items()]
    twice = pd.DataFrame({"product": names, "kind": frame["kind"].to_numpy()}).duplicated().to_numpy()
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        raise InputError(
            f"{path}, line {frame.index[at]}: {names[at]!r}, {frame['kind'].iloc[at]}, has a price already; keep one"
        )
    rows = zip(names, frame["kind"], fixed, each, frame.index, strict=True)
    return Prices(str(path), tuple(Price(name, kind, f, e, int(line)) for name, kind, f, e, line in rows))


def _amounts(frame: pd.DataFrame, name: str, path: str | os.PathLike[str]) -> Sequence[float]:
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        at = wrong[0]
        raise InputError(
            f"{path}, line {frame.index[at]}: {name} is {frame[name].iloc[at]!r}; expected an amount, 0 or more"
        )
    return values.tolist()


def _product(text: str, line: object, path: str | os.PathLike[str]) -> str:
    """A gate in the form in which tables write it; a pattern as it stands."""
    if "*" in text:
        return text
    try:
        return str(Gate.parse(text))
    except GateError as error:
        raise InputError(f"{path}, line {line}: product is no gate ({error}); write one, or a pattern with *") from None
