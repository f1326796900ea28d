"""Under which names a reader may ask for a gene."""

from __future__ import annotations

import pandas as pd

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
