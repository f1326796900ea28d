"""Which cells bind an antibody to an antigen above its background: protein on cells, beside RNA and never in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.errors import InputError
from cartarget.evidence.positivity import dense

SHOWN = 5
"""Populations that are named for each antibody."""
FEWEST = 10
"""Cells that a population needs to be named."""


def antibody_fractions(adata: AnnData) -> pd.DataFrame:
    """The fraction of cells of each population that bind each antibody above its background.

    Parameters
    ----------
    adata
        A harmonised atlas of kind `antibodies`.

    Returns
    -------
    DataFrame
        One row an antibody and population: `antibody`, `symbol` (the antigen), `population` (`malignant cells` for the
        tumour), `fraction` in [0, 1] (missing without a background: unknown), `n` cells, `control` (`isotypes`: the
        fraction is the most that may be).

    Raises
    ------
    InputError
        The atlas is of another kind.

    Examples
    --------
    >>> obs = pd.DataFrame({"side": "normal", "population": ["blood: B cell"] * 4}, index=list("abcd"))
    >>> var = pd.DataFrame({"symbol": "CD19", "background": 8.0, "control": "isotypes"}, index=["CD19 (antibody)"])
    >>> adata = AnnData(np.array([[9.0], [8.0], [90.0], [0.0]]), obs=obs, var=var)
    >>> adata.uns["cartarget"] = {"kind": "antibodies", "atlas": "x"}
    >>> antibody_fractions(adata)["fraction"].tolist()
    [0.5]
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "antibodies":
        raise InputError(
            f"atlas {about['atlas']!r}: role antibodies is for the reader citeseq, found kind {about['kind']!r}; give "
            "it another role"
        )
    is_tumor = (adata.obs["side"].astype(str) == "tumor").to_numpy()
    names = np.where(is_tumor, "malignant cells", adata.obs["population"].astype(str).to_numpy(dtype=object))
    background = adata.var["background"].to_numpy(dtype=float)
    is_bound = pd.DataFrame(dense(adata.X) > background, columns=adata.var_names).groupby(names)
    share, n = is_bound.mean().T, is_bound.size()
    share[np.isnan(background)] = np.nan
    long = share.rename_axis("antibody").reset_index().melt("antibody", var_name="population", value_name="fraction")
    for name in ("symbol", "control"):
        long[name] = long["antibody"].map(adata.var[name].astype(str))
    return long.assign(n=long["population"].map(n).astype(int), fraction=long["fraction"].astype(float))


def antibody_cells(atlases: Sequence[AnnData], *, symbols: Sequence[str]) -> pd.DataFrame:
    """What antibodies on single cells say of each antigen.

    Parameters
    ----------
    atlases
        Harmonised atlases of kind `antibodies`.
    symbols
        Antigens.

    Returns
    -------
    DataFrame
        One row a symbol, in the order given: `antibody_cells` in words (`malignant cells 80% of 120, blood: B cell 2%
        of 400 (mine)`: the `SHOWN` populations that bind most, of `FEWEST` cells or more, and malignant cells always;
        several antibodies are told apart; `at most` where isotypes are the background), and `antibody_malignant`, the
        fraction of malignant cells above the background of empty droplets, the highest of several antibodies. Missing
        where there is no antibody, or no such background: unknown.

    Raises
    ------
    InputError
        An atlas is of another kind.

    Examples
    --------
    >>> antibody_cells([], symbols=["EPCAM"])["antibody_cells"].tolist()
    [None]
    """
    found = [antibody_fractions(atlas).assign(atlas=atlas.uns["cartarget"]["atlas"]) for atlas in atlases]
    columns: dict[str, list[object]] = {"antibody_cells": [], "antibody_malignant": []}
    long = pd.concat(found, ignore_index=True) if found else None
    for symbol in symbols:
        rows = None if long is None else long[(long["symbol"] == symbol) & ((long["n"] >= FEWEST) | _malignant(long))]
        columns["antibody_cells"].append(None if rows is None or rows.empty else _told(rows))
        own = None if rows is None else rows[_malignant(rows) & (rows["control"] != "isotypes")]
        share = np.nan if own is None else own["fraction"].max()
        columns["antibody_malignant"].append(share)
    table = pd.DataFrame(columns, index=pd.Index(list(symbols), name="symbol"), dtype=object)
    return table.astype({"antibody_malignant": float})


def _malignant(rows: pd.DataFrame) -> pd.Series:
    return rows["population"] == "malignant cells"


def _told(rows: pd.DataFrame) -> str:
    """The populations of each antibody, those that bind most first; of equal ones the first by name."""
    texts = []
    for (antibody, atlas), own in rows.groupby(["antibody", "atlas"], sort=False):
        where = f"{atlas}" if rows["antibody"].nunique() == 1 else f"{antibody}, {atlas}"
        if own["fraction"].isna().all():
            texts.append(f"counted without a background, so unknown ({where})")
            continue
        own = own.sort_values(["fraction", "population"], ascending=[False, True], kind="stable")
        shown = own[_malignant(own) | (np.arange(len(own)) < SHOWN)]
        words = "at most " * bool((own["control"] == "isotypes").all()) + ", ".join(
            f"{row.population} {row.fraction:.0%} of {row.n:,}" for row in shown.itertuples()
        )
        more = len(own) - len(shown)
        texts.append(f"{words}{f' and {more} more' if more else ''} ({where})")
    return "; ".join(texts)
