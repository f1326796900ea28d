"""Under which names a reader may ask for a gene."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import pandas as pd

from cartarget.errors import GateError
from cartarget.genes import GeneTable


def other_names(genes: pd.DataFrame, table: GeneTable | None) -> pd.Series:
    """Every other name under which a reader may ask for a gene: that of the file, previous symbols, aliases.

    Parameters
    ----------
    genes
        Index symbol, column `given` (the name in the file).
    table
        Gene table. None: the file's names alone.

    Returns
    -------
    Series
        Symbol → names joined by `|`, for the symbols that have any. A name that is another gene's symbol is left out;
        one that belongs to several genes stands with each.

    Examples
    --------
    >>> other_names(pd.DataFrame({"given": ["MER6", "MSLN"]}, index=["EPCAM", "MSLN"]), None).to_dict()
    {'EPCAM': 'MER6'}
    """
    named = [genes["given"].astype(str).str.strip()]
    if table is not None:
        many = table.ambiguous.str.split(", ").explode()
        known = pd.concat([table.previous, table.alias, many])
        named.append(pd.Series(known.index, index=known))
    pairs = pd.concat(named).rename_axis("symbol").rename("name").reset_index().drop_duplicates()
    pairs = pairs[pairs["symbol"].isin(genes.index) & ~pairs["name"].isin(genes.index)]
    return pairs.sort_values(["symbol", "name"]).groupby("symbol")["name"].agg("|".join)


class Names:
    """The gene that a reader means by a name: its symbol, a symbol in another case, or another of its names.

    Parameters
    ----------
    symbols
        Symbols of all genes.
    others
        Symbol → its other names, joined by `|`, as `other_names` makes them.

    Examples
    --------
    >>> names = Names(["ERBB2", "CD8A", "CD8B"], {"ERBB2": "HER2|NEU", "CD8A": "CD8", "CD8B": "CD8"})
    >>> names.find("HER2"), names.find("erbb2")
    ('ERBB2', 'ERBB2')
    >>> names.find("CD8")
    Traceback (most recent call last):
    cartarget.errors.GateError: 'CD8' is a name of several genes; write one of them: CD8A, CD8B
    """

    def __init__(self, symbols: Iterable[str], others: Mapping[str, str]) -> None:
        symbols = list(symbols)
        self._symbols = {symbol: [symbol] for symbol in symbols}
        pairs = [(name, symbol) for symbol, names in others.items() for name in names.split("|") if name]
        self._lookups = [self._symbols, _listed(pairs), _folded((name, name) for name in symbols), _folded(pairs)]

    def find(self, name: str) -> str:
        """The symbol of the gene.

        Raises
        ------
        GateError
            No gene has this name (the nearest symbols are given), or several have it.
        """
        keys = [name, name, name.casefold(), name.casefold()]
        found = next((look[key] for look, key in zip(self._lookups, keys, strict=True) if key in look), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise GateError(f"{name!r} is a name of several genes; write one of them: {', '.join(sorted(found))}")
        near = difflib.get_close_matches(name.upper(), self._symbols, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "give a gene by its current symbol"
        raise GateError(f"{name!r} is no name of a gene of the tumour's atlas; {hint}")


def _listed(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, symbol in pairs:
        if symbol not in found.setdefault(name, []):
            found[name].append(symbol)
    return found


def _folded(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    return _listed((name.casefold(), symbol) for name, symbol in pairs)
