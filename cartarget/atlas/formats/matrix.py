"""A large matrix of genes × samples, read once: wanted genes and samples are kept, whole libraries are summed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cartarget.atlas.formats.digits import FRACTIONS, GAP, HIGH, LESS, LOW, parse
from cartarget.errors import InputError
from cartarget.genes import GeneTable, Merged, apply_plan, plan_merge

PEEK = 64
"""Lines that are looked at before the scale is settled."""

LOG_MAX = 50.0
"""No log2 of counts or TPM reaches this."""


@dataclass(frozen=True)
class Unit:
    """What a file's values are: their quantity (`counts`, `TPM`, `CPM` …) and, for log2(x + shift), the shift.

    Examples
    --------
    >>> UNITS["log2(count + 1)"].shift
    1.0
    """

    quantity: str
    shift: float = 0.0


UNITS = {
    "counts": Unit("counts"),
    "TPM": Unit("TPM"),
    "nTPM": Unit("nTPM"),
    "CPM": Unit("CPM"),
    "coverage": Unit("coverage"),
    "log2(count + 1)": Unit("counts", 1.0),
    "log2(TPM + 0.001)": Unit("TPM", 0.001),
    "log2(TPM + 1)": Unit("TPM", 1.0),
    "log2(CPM + 1)": Unit("CPM", 1.0),
}
"""Units that a configuration or the registry may name."""


@dataclass(frozen=True, eq=False)
class Streamed:
    """What is left of a matrix.

    Attributes
    ----------
    labels
        Text columns, one row per row of the file.
    kept
        Positions of the rows that are kept.
    values
        Samples × kept rows, linear, float32.
    totals
        Sum over *all* rows of each sample, linear, float64.
    low, high, n_fractions
        Smallest and largest value as written, and how many are not whole.
    """

    labels: pd.DataFrame
    kept: np.ndarray
    values: np.ndarray
    totals: np.ndarray
    low: float
    high: float
    n_fractions: int


def stream_matrix(
    rows: Iterator[tuple[int, bytes]],
    *,
    where: str | os.PathLike[str],
    label_names: Sequence[str],
    slots: np.ndarray,
    shift: float,
    wanted: Callable[[tuple[str, ...]], bool],
    may_miss: bool = False,
) -> Streamed:
    """Read rows of a matrix as they come.

    Parameters
    ----------
    rows
        Line numbers and lines: `label_names` fields of text, then one number per entry of `slots`, split by tabs.
    where
        The file, for messages.
    label_names
        What the leading columns are called.
    slots
        For each number column its place among the samples, -1 to leave it out.
    shift
        See `Unit`.
    wanted
        Whether a row with these labels is kept.
    may_miss
        Whether numbers may be missing (NaN).

    Raises
    ------
    InputError
        A row is ragged, a field is no number, a label is no UTF-8, or there is no row; the message names the line.
    """
    n = int((slots >= 0).sum())
    totals, scratch = np.zeros(n), np.zeros(n, dtype=np.float32)
    facts = np.array([np.inf, -np.inf, 0.0])
    labels: list[tuple[str, ...]] = []
    kept, values = [], []
    for number, line in rows:
        fields = line.split(b"\t", len(label_names))
        if len(fields) <= len(label_names):
            raise InputError(
                f"{where}, line {number}: found {len(fields)} fields; expected {len(label_names)} and numbers"
            )
        try:
            label = tuple(field.decode("utf-8").strip().strip('"') for field in fields[:-1])
        except UnicodeDecodeError:
            raise InputError(f"{where}, line {number}: the name of its gene is not text in UTF-8") from None
        is_kept = wanted(label)
        out = np.zeros(n, dtype=np.float32) if is_kept else scratch
        text = np.frombuffer(fields[-1], dtype=np.uint8)
        problem, field = parse(text, 0, slots, shift, may_miss, out, totals, facts)
        if problem:
            raise InputError(f"{where}, line {number}: {_problem(problem, field, fields[-1], len(slots), len(label))}")
        if is_kept:
            kept.append(len(labels))
            values.append(out)
        labels.append(label)
    if not labels:
        raise InputError(f"{where}: no row below the header; expected one line per gene")
    table = np.empty((len(values), n), dtype=np.float32)
    for row in range(len(values)):  # freed as they are copied: both are never whole at once
        table[row], values[row] = values[row], scratch
    frame = pd.DataFrame(labels, columns=list(label_names), dtype=object)
    seen = facts[LOW], facts[HIGH], int(facts[FRACTIONS])
    return Streamed(frame, np.array(kept, dtype=np.intp), table.T, totals, *seen)


def _problem(problem: int, field: int, text: bytes, n_fields: int, n_labels: int) -> str:
    if problem == GAP:
        found = text.split(b"\t")[field][:40].decode("utf-8", errors="replace")
        what = repr(found) if found else "nothing"
        return f"found {what} in field {field + n_labels + 1} where a number belongs; expected digits such as 12.5"
    found_fields = field if problem == LESS else text.count(b"\t") + 1
    return f"found {found_fields + n_labels} fields, expected {n_fields + n_labels} as in the header; mend the row"


def peek(rows: Iterator[tuple[int, bytes]]) -> tuple[list[tuple[int, bytes]], Iterator[tuple[int, bytes]]]:
    """The first lines, and all lines with these before the rest."""
    first = list(itertools.islice(rows, PEEK))
    return first, itertools.chain(first, rows)


def find_unit(stated: str | None, *, first: Streamed, where: str | os.PathLike[str], key: str) -> Unit:
    """What the values of a matrix are, as stated and as they look.

    Parameters
    ----------
    stated
        The unit that the configuration or the registry names; None: by the values alone, which only tells
        counts (whole), log2(TPM + 0.001) (down to -9.97) and otherwise nothing.
    first
        The first rows, read with shift 0.
    where, key
        File and configuration key, for messages.

    Raises
    ------
    InputError
        The unit is unknown or cannot be told, or values contradict it: negative or all small where linear values are
        claimed, large where logs are.
    """
    if stated is None:
        if first.low >= 0 and not first.n_fractions:
            stated = "counts"
        elif np.isclose(first.low, np.log2(0.001), atol=0.01):
            stated = "log2(TPM + 0.001)"
        else:
            raise InputError(f"{where}: the unit of its values cannot be told; set {key} to one of {', '.join(UNITS)}")
    if stated not in UNITS:
        raise InputError(f"{where}: {key} is {stated!r}; expected one of {', '.join(UNITS)}")
    unit = UNITS[stated]
    check_unit(unit, stated=stated, table=first, where=where)
    return unit


def check_unit(unit: Unit, *, stated: str, table: Streamed, where: str | os.PathLike[str], whole: bool = False) -> None:
    """Raise if values contradict their unit: logs against linear values, counts against TPM.

    `whole`: the table is all of the file, so that libraries can be judged.
    """
    low, high = table.low, table.high
    if unit.shift and high >= LOG_MAX:
        raise InputError(f"{where}: {stated} is stated, but a value is {high:g}, which no log reaches; state its unit")
    if unit.shift and low < np.log2(unit.shift) - 0.01:
        raise InputError(f"{where}: {stated} is stated, but a value is {low:g}, below log2({unit.shift:g})")
    if not unit.shift and low < 0:
        raise InputError(
            f"{where}: {stated} is stated, but a value is {low:g}: these are logs or ratios; state the unit"
        )
    if not whole:
        return
    if not unit.shift and unit.quantity == "counts" and high < LOG_MAX and table.n_fractions:
        raise InputError(f"{where}: counts are stated, but the values look like logs (largest {high:g}, not whole)")
    middle = float(np.median(table.totals))
    is_million = bool(np.all(np.abs(table.totals - 1e6) < 1e3)) and len(table.totals) > 1
    if unit.quantity == "counts" and is_million and table.n_fractions:
        raise InputError(
            f"{where}: counts are stated, but every sample sums to one million: TPM or CPM; state the unit"
        )
    if unit.quantity in ("TPM", "CPM") and middle > 1.05e6:
        raise InputError(
            f"{where}: {unit.quantity} is stated, but a sample sums to {middle:,.0f}, more than a million: counts?"
        )


def names_of(keep: Collection[str] | None, *, genes: GeneTable | None) -> Callable[[tuple[str, ...]], bool]:
    """Whether any of a row's labels may be the name of a wanted gene; what a name becomes is settled later.

    Examples
    --------
    >>> wanted = names_of({"EPCAM"}, genes=None)
    >>> wanted(("ENSG00000119888.10", "EPCAM")), wanted(("ACTB",))
    (True, False)
    """
    if keep is None:
        return lambda label: True
    names = set(keep)
    if genes is not None:
        for lookup in (genes.ensembl, genes.entrez, genes.previous, genes.alias):
            names |= set(lookup.index[lookup.isin(names)])
    parts = {part for name in names for part in (name, name.upper())}

    def is_wanted(label: tuple[str, ...]) -> bool:
        return any(
            piece in parts or piece.upper() in parts or piece.split(".")[0] in parts
            for text in label
            for piece in text.split("|")
        )

    return is_wanted


def by_gene(table: Streamed, resolved: pd.DataFrame, *, by: str, keep: Collection[str] | None) -> Merged:
    """Values under their genes' symbols, as `cartarget.genes.merge` has it; in the table's own memory where it can."""
    plan = plan_merge(resolved)
    order = np.full(len(table.labels), -1)
    order[table.kept] = np.arange(len(table.kept))
    if keep is not None:
        has = set(plan.genes.index[plan.gene_of[table.kept[plan.gene_of[table.kept] >= 0]]])
        keep = has & set(keep)
    wanted = np.arange(len(plan.genes)) if keep is None else np.flatnonzero(plan.genes.index.isin(keep))
    if np.array_equal(order[plan.first[wanted]], np.arange(len(table.kept))):  # each row is a gene, in order
        return Merged(table.values, plan.genes.iloc[wanted], plan.lost)
    return apply_plan(table.values, plan, by=by, keep=keep, order=order)  # type: ignore[arg-type]
