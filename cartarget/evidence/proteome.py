"""In which normal organs mass spectrometry found the protein: a third opinion beside RNA and stains, never scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.errors import InputError
from cartarget.evidence.positivity import dense


def proteome_organs(atlases: Sequence[AnnData], *, symbols: Sequence[str]) -> pd.DataFrame:
    """The normal organs in which each antigen's protein was detected, highest level first.

    Parameters
    ----------
    atlases
        Harmonised atlases of kind `proteome`.
    symbols
        Antigens.

    Returns
    -------
    DataFrame
        One row a symbol, in the order given: `ms_organs` for adults (`colon (hpm, kuster), lung (kuster)`: who found it
        there) and `ms_foetal` for foetal organs; `not detected in 22 organs` where the tables that hold the gene found
        none. Missing where no table holds it: unknown, which is not the same.

    Raises
    ------
    InputError
        An atlas is of another kind.

    Examples
    --------
    >>> obs = pd.DataFrame({"population": ["lung", "heart"], "is_foetal": False}, index=["a", "b"])
    >>> adata = AnnData(np.array([[35.0, 0], [0, 0]]), obs=obs, var=pd.DataFrame(index=["CEACAM5", "MSLN"]))
    >>> adata.uns["cartarget"] = {"kind": "proteome", "atlas": "hpm"}
    >>> proteome_organs([adata], symbols=["CEACAM5", "MSLN", "CLDN6"])["ms_organs"].tolist()
    ['lung (hpm)', 'not detected in 2 organs', None]
    """
    long = pd.concat([_long(atlas, symbols) for atlas in atlases], ignore_index=True) if atlases else _long_nothing()
    columns = {}
    for name, is_foetal in (("ms_organs", False), ("ms_foetal", True)):
        own = long[long["is_foetal"] == is_foetal]
        told = {str(symbol): _told(rows) for symbol, rows in own.groupby("symbol")}
        columns[name] = [told.get(symbol) for symbol in symbols]
    return pd.DataFrame(columns, index=pd.Index(list(symbols), name="symbol"), dtype=object)


def _long(atlas: AnnData, symbols: Sequence[str]) -> pd.DataFrame:
    """One row a gene and organ of an atlas."""
    about = atlas.uns["cartarget"]
    if about["kind"] != "proteome":
        raise InputError(
            f"atlas {about['atlas']!r}: role proteome is for the reader proteome, found kind {about['kind']!r}; give "
            "it another role"
        )
    held = [symbol for symbol in dict.fromkeys(symbols) if symbol in atlas.var_names]
    values = dense(atlas[:, held].X)
    return pd.DataFrame(
        {
            "symbol": np.tile(np.array(held, dtype=object), atlas.n_obs),
            "organ": np.repeat(atlas.obs["population"].astype(str).to_numpy(dtype=object), len(held)),
            "is_foetal": np.repeat(atlas.obs["is_foetal"].to_numpy(dtype=bool), len(held)),
            "atlas": about["atlas"],
            "level": values.ravel(),
        }
    )


def _long_nothing() -> pd.DataFrame:
    return pd.DataFrame({"symbol": [], "organ": [], "is_foetal": pd.Series(dtype=bool), "atlas": [], "level": []})


def _told(rows: pd.DataFrame) -> str:
    """Organs of one gene in words; of equal levels the first by name."""
    found = rows[rows["level"] > 0]
    if found.empty:
        n = rows["organ"].nunique()
        return f"not detected in {n} organ{'' if n == 1 else 's'}"
    level = found.groupby("organ")["level"].max().sort_index().sort_values(ascending=False, kind="stable")
    who = found.groupby("organ")["atlas"].agg(lambda names: ", ".join(sorted(set(names))))
    return ", ".join(f"{organ} ({who[organ]})" for organ in level.index)
