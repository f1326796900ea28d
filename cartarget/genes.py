"""What genes are called: every name of every file goes through here, and every one that is lost is listed.

The order of proof, strongest first:

1. a stable id (Ensembl with or without version, Entrez) that belongs to one gene and, in the file, to one name;
2. the current symbol;
3. a previous symbol that belongs to one gene;
4. an alias that belongs to one gene;
5. a stable id that several names of the file share, if none of those names is known otherwise (probes of one gene).
   RNAseqDB gives KCTD7 and RABGEF1 one Entrez id, and SYS1-DBNDD2 that of SYS1: the names go first, and a name that
   only borrows the id of a gene beside it is lost rather than added to it;
6. what the name was before a program spoiled it (`cartarget.spellings`): `HLA.A`, `epcam`, `ERBB2 (2064)`, `MATR3-1`.

The prefix of one human genome (`GRCh38_`) is taken off first.

NCBI's gene table has one column, `synonyms`, for both previous symbols and aliases; a table with a column
`previous_symbols` (HGNC) keeps the two apart. A name that fits several genes (CEA: CEACAM3, CEACAM5, PSG2) is lost,
with the candidates as the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.spellings import DATE, is_date, refuse_strangers, spellings, twin_of, without_genome

_ENSEMBL = r"^(?P<id>ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?$"


@dataclass(frozen=True)
class GeneTable:
    """The genes that exist, and every name under which each may be met.

    Attributes
    ----------
    ensembl, entrez, previous, alias
        Name → symbol, for the names that belong to one gene only.
    ambiguous
        Name → the candidates in one text, for the names that belong to several.
    symbols
        Symbol → Ensembl gene id (missing where the table has none).
    """

    ensembl: pd.Series
    entrez: pd.Series
    previous: pd.Series
    alias: pd.Series
    ambiguous: pd.Series
    symbols: pd.Series


def read_gene_table(path: str | os.PathLike[str]) -> GeneTable:
    """Read an NCBI-style gene table: tab-separated, `ncbi_gene_id`, `gene_symbol`, `synonyms`, `ensembl_gene`.

    Synonyms are separated by `|`, `-` means none. A column `previous_symbols` in the same shape is optional.

    Raises
    ------
    InputError
        The file is absent or broken, a column is missing or a symbol stands twice; the message names file and line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "genes.tsv"
    >>> columns = "ncbi_gene_id", "gene_symbol", "synonyms", "ensembl_gene"
    >>> row = "4072", "EPCAM", "TACSTD1|CD326", "ENSG00000119888"
    >>> _ = path.write_text("\\t".join(columns) + "\\n" + "\\t".join(row))
    >>> read_gene_table(path).alias.to_dict()
    {'TACSTD1': 'EPCAM', 'CD326': 'EPCAM'}
    """
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the gene table's path in genes.table, or none") from None
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected a tab-separated gene table") from error
    for column in ("ncbi_gene_id", "gene_symbol", "synonyms", "ensembl_gene"):
        if column not in frame:
            raise InputError(f"{path}: column {column!r} is missing; found {', '.join(map(repr, frame.columns))}")
    for twice in frame.index[frame["gene_symbol"].duplicated()][:1]:
        raise InputError(f"{path}, line {twice + 2}: symbol {frame['gene_symbol'][twice]!r} stands twice; keep one row")
    return _index(frame)


def _index(frame: pd.DataFrame) -> GeneTable:
    symbol = frame["gene_symbol"]
    previous = frame["previous_symbols"] if "previous_symbols" in frame else pd.Series("", index=frame.index)
    previous_unique, previous_many = _lookup(previous.str.split("|"), symbol)
    alias_unique, alias_many = _lookup(frame["synonyms"].str.split("|"), symbol)
    many = pd.concat([alias_many, previous_many])
    return GeneTable(
        ensembl=_lookup(frame["ensembl_gene"], symbol)[0],
        entrez=_lookup(frame["ncbi_gene_id"], symbol)[0],
        previous=previous_unique,
        alias=alias_unique,
        ambiguous=many[~many.index.duplicated(keep="last")],
        symbols=frame.set_index("gene_symbol")["ensembl_gene"].replace("", pd.NA),
    )


def _lookup(names: pd.Series, symbol: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Name → symbol where that is one gene, and name → candidates where it is several."""
    pairs = pd.DataFrame({"name": names, "symbol": symbol}).explode("name")
    pairs["name"] = pairs["name"].str.strip()
    pairs = pairs[~pairs["name"].isin(["", "-"])].drop_duplicates()
    is_many = pairs["name"].duplicated(keep=False)
    many = pairs[is_many].sort_values(["name", "symbol"]).groupby("name")["symbol"].agg(", ".join)
    return pairs[~is_many].set_index("name")["symbol"], many


def resolve(
    names: Iterable[str],
    *,
    table: GeneTable | None,
    ids: Iterable[str] | None = None,
    entrez: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Find the current symbol of each name, by the order of proof at the head of this module.

    Parameters
    ----------
    names
        Names as in a file: symbols (padded or not), Ensembl ids, Entrez ids, `SYMBOL|ENTREZ` or `?|ENTREZ`.
    table
        The genes. None: names are taken as given (`SYMBOL|ENTREZ` as `SYMBOL`), with `how` "as given".
    ids, entrez
        Ensembl and Entrez ids beside the names, where the file has them; "" or "0" means none.

    Returns
    -------
    DataFrame
        One row per name, in order: `name`; `symbol` (missing if lost); `how` (`ensembl`, `entrez`, `symbol`,
        `previous`, `alias`, `spelling`, `as given`, `lost`); `reason` (why it was lost, else empty).

    Raises
    ------
    InputError
        `ids` or `entrez` are not as many as the names; names are of several genomes or of another species.

    Examples
    --------
    >>> resolve([" EPCAM ", "KDR|3791"], table=None)[["symbol", "how"]].values.tolist()
    [['EPCAM', 'as given'], ['KDR', 'as given']]
    """
    given = without_genome(pd.Series(list(names), dtype=object).astype(str).str.strip())
    parts = _parts(given, ids, entrez)
    if table is None:
        symbol = parts["symbol"].where(parts["symbol"] != "", given)
        return pd.DataFrame({"name": given, "symbol": symbol.astype(object), "how": "as given", "reason": ""})
    is_shared = {key: _is_shared(parts[key], parts["symbol"]) for key in ("ensembl", "entrez")}
    proofs = [
        ("ensembl", parts["ensembl"].mask(is_shared["ensembl"]), table.ensembl),
        ("entrez", parts["entrez"].mask(is_shared["entrez"]), table.entrez),
        ("symbol", parts["symbol"], pd.Series(table.symbols.index, index=table.symbols.index)),
        ("previous", parts["symbol"], table.previous),
        ("alias", parts["symbol"].mask(parts["symbol"].isin(table.ambiguous.index)), table.alias),
    ]
    symbol = pd.Series(pd.NA, index=given.index, dtype=object)
    how = pd.Series("lost", index=given.index, dtype=object)
    for proof, keys, lookup in proofs:
        _prove(symbol, how, keys=keys, lookup=lookup, proof=proof)
    for proof, lookup in (("ensembl", table.ensembl), ("entrez", table.entrez)):
        keys = parts[proof].where(is_shared[proof])
        _prove(symbol, how, keys=keys.mask(keys.isin(keys[symbol.notna()])), lookup=lookup, proof=proof)
    _respell(symbol, how, names=parts["symbol"], table=table)
    refuse_strangers(given, symbol.notna() | parts["symbol"].isin(table.ambiguous.index))
    return pd.DataFrame({"name": given, "symbol": symbol, "how": how, "reason": _reasons(parts, symbol, table)})


def _respell(symbol: pd.Series, how: pd.Series, *, names: pd.Series, table: GeneTable) -> None:
    """Fill in symbols of names that only a program spoiled, and that no proof found (in place)."""
    current = dict.fromkeys(table.symbols.index)
    known = {**table.alias.to_dict(), **table.previous.to_dict(), **{name: name for name in current}}
    there = set(names)
    for row, name in names[symbol.isna() & (names != "") & ~names.isin(table.ambiguous.index)].items():
        twin = twin_of(name)
        tries = [known[spelt] for spelt in spellings(name) if spelt in known]
        if tries or (twin in there and twin in current):
            symbol[row], how[row] = (tries or [twin])[0], "spelling"


def _parts(given: pd.Series, ids: Iterable[str] | None, entrez: Iterable[str] | None) -> pd.DataFrame:
    """What each name says: a symbol, an Ensembl id, an Entrez id ("" where it does not say)."""
    split = _extract(given, r"^(?P<symbol>.+)\|(?P<entrez>\d+)$")
    symbol = _either(split["symbol"], given).str.strip().replace("?", "")
    number = _either(split["entrez"], _extract(given, r"^(?P<entrez>\d+)$")["entrez"])
    stable = _extract(symbol, _ENSEMBL)["id"]
    symbol = symbol.mask(stable.notna() | _extract(symbol, r"^(?P<entrez>\d+)$")["entrez"].notna(), "")
    for label, column in (("ids", ids), ("entrez", entrez)):
        if column is None:
            continue
        beside = pd.Series(list(column), dtype=object).astype(str).str.strip()
        if len(beside) != len(given):
            raise InputError(f"{label}: found {len(beside)} for {len(given)} names; give one for each name")
        if label == "ids":
            stable = _either(_extract(beside, _ENSEMBL)["id"], stable)
        else:
            number = _either(_extract(beside, r"^(?P<entrez>0*[1-9]\d*)$")["entrez"], number)
    none = pd.Series("", index=given.index, dtype=object)
    parts = {"symbol": symbol, "ensembl": _either(stable, none), "entrez": _either(number, none)}
    return pd.DataFrame(parts, index=given.index, dtype=object)


def _extract(text: pd.Series, pattern: str) -> pd.DataFrame:
    """The named groups of a pattern (RE2) in each text, missing where it does not fit; quicker than `str.extract`."""
    import pyarrow
    import pyarrow.compute

    found = pyarrow.compute.extract_regex(pyarrow.array(text.tolist(), pyarrow.string()), pattern)
    groups = re.findall(r"\?P<(\w+)>", pattern)
    columns = {name: pyarrow.compute.struct_field(found, name).to_numpy(zero_copy_only=False) for name in groups}
    return pd.DataFrame(columns, index=text.index, dtype=object)


def _either(first: pd.Series, second: pd.Series) -> pd.Series:
    """The first where it says something, else the second."""
    return first.astype(object).where(first.notna(), second.astype(object))


def _is_shared(ids: pd.Series, symbols: pd.Series) -> pd.Series:
    """Whether several different names of the file carry this id."""
    rows = pd.DataFrame({"id": ids, "symbol": symbols})
    n_names = rows[(rows["id"] != "") & (rows["symbol"] != "")].drop_duplicates().groupby("id")["symbol"].size()
    return ids.map(n_names).fillna(0).astype(int) > 1


def _prove(symbol: pd.Series, how: pd.Series, *, keys: pd.Series, lookup: pd.Series, proof: str) -> None:
    """Fill in the symbols that this proof finds and no stronger one did (in place)."""
    found = keys.map(lookup).astype(object)
    fresh = symbol.isna() & found.notna()
    symbol[fresh], how[fresh] = found[fresh], proof


def _reasons(parts: pd.DataFrame, symbol: pd.Series, table: GeneTable) -> pd.Series:
    candidates = parts["symbol"].map(table.ambiguous).astype(object)
    owner = _either(parts["ensembl"].map(table.ensembl), parts["entrez"].map(table.entrez))
    unknown = np.where(parts["symbol"] == "", "id not in the gene table", "name not in the gene table")
    reason = pd.Series(unknown, index=parts.index, dtype=object)
    reason = reason.mask(parts["symbol"].map(is_date), DATE)
    reason = reason.mask((parts == "").all(axis=1), "name is empty")
    reason = reason.mask(candidates.notna(), "ambiguous: " + candidates.astype(str))
    reason = reason.mask(candidates.isna() & owner.notna(), "its id is that of " + owner.astype(str))
    return reason.mask(symbol.notna(), "")


@dataclass(frozen=True)
class Merged:
    """Values by gene: `values` (observations × genes), `genes` (index symbol, column `given`), `lost`."""

    values: np.ndarray
    genes: pd.DataFrame
    lost: pd.DataFrame


def merge(
    values: np.ndarray, resolved: pd.DataFrame, *, by: Literal["sum", "max"], keep: Collection[str] | None = None
) -> Merged:
    """Put values under their genes' symbols; several names of one gene become one column.

    Counts add up (`by="sum"`); for summaries the maximum is kept (`by="max"`), which in normal tissue is the
    cautious side. NaN is *not measured*: it is ignored by the maximum unless nothing else is there.

    Parameters
    ----------
    values
        Observations × names.
    resolved
        One row per name, as `resolve` gives it.
    by
        `sum` or `max`.
    keep
        Symbols to keep. None: all. Names lost or merged are listed either way.

    Returns
    -------
    Merged
        Genes in order of first appearance; `lost` has `name` and `reason`, one row per name that was lost or merged.

    Examples
    --------
    >>> names = resolve(["A", "B", "A"], table=None)
    >>> merged = merge(np.array([[1.0, 2.0, 5.0]]), names, by="sum")
    >>> merged.values.tolist(), merged.lost.values.tolist()
    ([[6.0, 2.0]], [['A', 'merged into A']])
    """
    return apply_plan(values, plan_merge(resolved), by=by, keep=keep)


@dataclass(frozen=True)
class MergePlan:
    """Which names make which gene.

    Attributes
    ----------
    genes
        Index symbol in order of first appearance, column `given` (the name that stands for the gene).
    gene_of
        For each name the position of its gene, -1 if lost.
    first, extra
        Positions of the names that stand for a gene (one per gene, in order), and of those merged into one.
    lost
        `name`, `reason`: names lost or merged.
    """

    genes: pd.DataFrame
    gene_of: np.ndarray
    first: np.ndarray
    extra: np.ndarray
    lost: pd.DataFrame


def plan_merge(resolved: pd.DataFrame) -> MergePlan:
    """Work out which names make which gene.

    Examples
    --------
    >>> plan_merge(resolve(["A", "B", "A"], table=None)).gene_of.tolist()
    [0, 1, 0]
    """
    gene_of, symbols = pd.factorize(resolved["symbol"].astype(object))
    names = resolved["name"].to_numpy(dtype=object)
    found = np.flatnonzero(gene_of >= 0)
    is_own = names[found] == np.asarray(symbols, dtype=object)[gene_of[found]]
    order = found[np.lexsort((found, ~is_own, gene_of[found]))]
    is_first = np.r_[True, np.diff(gene_of[order]) > 0] if len(order) else np.zeros(0, dtype=bool)
    first, extra = order[is_first], np.sort(order[~is_first])
    reason = resolved["reason"].to_numpy(dtype=object).copy()
    reason[extra] = [f"merged into {symbols[code]}" for code in gene_of[extra]]
    gone = np.sort(np.r_[np.flatnonzero(gene_of < 0), extra])
    return MergePlan(
        genes=pd.DataFrame({"given": names[first]}, index=pd.Index(symbols, dtype=object)),
        gene_of=gene_of,
        first=first,
        extra=extra,
        lost=pd.DataFrame({"name": names[gone], "reason": reason[gone]}),
    )


def apply_plan(
    values: np.ndarray,
    plan: MergePlan,
    *,
    by: Literal["sum", "max"],
    keep: Collection[str] | None = None,
    order: np.ndarray | None = None,
) -> Merged:
    """Put values under their genes' symbols as `merge` does, by a plan made once for many files.

    Parameters
    ----------
    values
        Observations × names.
    plan
        Which names make which gene.
    by, keep
        As in `merge`.
    order
        Column of `values` that holds each of the plan's names. None: the same order.

    Examples
    --------
    >>> plan = plan_merge(resolve(["A", "B"], table=None))
    >>> apply_plan(np.array([[1.0, 2.0]]), plan, by="sum", order=np.array([1, 0])).values.tolist()
    [[2.0, 1.0]]
    """
    order = np.arange(len(plan.gene_of)) if order is None else order
    wanted = np.arange(len(plan.genes)) if keep is None else np.flatnonzero(plan.genes.index.isin(frozenset(keep)))
    column_of = np.full(len(plan.genes) + 1, -1)
    column_of[wanted] = np.arange(len(wanted))
    merged = values[:, order[plan.first[wanted]]]
    add = np.add if by == "sum" else np.fmax
    for name in plan.extra[column_of[plan.gene_of[plan.extra]] >= 0]:
        column = column_of[plan.gene_of[name]]
        merged[:, column] = add(merged[:, column], values[:, order[name]])
    return Merged(merged, plan.genes.iloc[wanted], plan.lost)


def with_ids(genes: pd.DataFrame, table: GeneTable | None) -> pd.DataFrame:
    """A copy of a frame indexed by symbol, with the column `ensembl` where a gene table knows it.

    Examples
    --------
    >>> with_ids(pd.DataFrame({"given": ["A"]}, index=["A"]), None).columns.tolist()
    ['given']
    """
    ids = None if table is None else table.symbols.reindex(genes.index)
    if ids is None or ids.isna().all():
        return genes.copy()
    return genes.assign(ensembl=ids.to_numpy(dtype=object))
