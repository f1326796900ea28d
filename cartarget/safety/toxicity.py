"""What history says: targets tried in patients, harm they did, and whether an organ's expression would have warned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.evidence.positivity import dense
from cartarget.safety.sourced import (
    CERTAINTIES,
    MODALITIES,
    SEVERITIES,
    harmonised_organs,
    identified,
    one_of,
    read_sourced,
)
from cartarget.safety.tiers import Tiers

if TYPE_CHECKING:
    from anndata import AnnData

TARGETS = Path("resources") / "clinical_targets.tsv"
EVENTS = Path("resources") / "toxicity.tsv"

UNSOURCED = ("shed_antigen", "orthologue")
"""Columns for what is known to matter and has no sourced table yet: `unknown` for every antigen."""


def read_clinical_targets(path: str | os.PathLike[str] = TARGETS) -> pd.DataFrame:
    """Read the antigens that were pursued in solid tumours.

    Columns: `symbol`, `indication` (words), `keys` (keys of the indications table, separated by `|`), `modality`
    (one of `MODALITIES`), `status`, `id` (NCT, PMID or DOI of the trial or paper), `source` (where the
    row was read) and `source_title`.

    Raises
    ------
    InputError
        A row lacks a cell that it needs, or its `id` or `source` is no identifier. The message gives the line.

    Examples
    --------
    >>> targets = read_clinical_targets()
    >>> "GUCY2C" in set(targets.loc[targets["keys"].str.contains("read"), "symbol"])
    True
    """
    names = ["symbol", "indication", "keys", "modality", "status", "id", "source", "source_title"]
    frame = read_sourced(path, names, may_be_empty=["keys"])
    one_of(frame, "modality", MODALITIES, path)
    identified(frame, ["id", "source"], path)
    return frame


def read_toxicity(path: str | os.PathLike[str] = EVENTS, *, tiers: Tiers) -> pd.DataFrame:
    """Read the on-target harm to normal organs that patients have suffered.

    Columns: `symbol`, `organ` (a tissue of the tier table; returned under its harmonised name), `severity` (one
    of `SEVERITIES`), `certainty` that the antigen was the cause (one of `CERTAINTIES`), `modality`, `event`,
    `source`, `source_title`.

    Raises
    ------
    InputError
        A row lacks a cell, above all its source; its organ is in no row of the tier table; or a word is not
        among those allowed. The message gives the line.

    Examples
    --------
    >>> from cartarget.safety.tiers import read_tiers
    >>> events = read_toxicity(tiers=read_tiers("config/tissue_tiers.tsv"))
    >>> events.loc[events["symbol"] == "CA9", "organ"].tolist()
    ['bile duct']
    """
    names = ["symbol", "organ", "severity", "certainty", "modality", "event", "source", "source_title"]
    frame = read_sourced(path, names, may_be_empty=[])
    one_of(frame, "severity", SEVERITIES, path)
    one_of(frame, "certainty", CERTAINTIES, path)
    one_of(frame, "modality", MODALITIES, path)
    identified(frame, ["source"], path)
    frame["organ"] = harmonised_organs(frame, path, tiers=tiers)
    return frame


def tissue_levels(adata: AnnData) -> pd.DataFrame:
    """Levels of a harmonised atlas by tissue, for :func:`rank_organs`.

    Parameters
    ----------
    adata
        Harmonised atlas of any kind; `obs` holds `side`, `tissue`, `population`, `tier`.

    Returns
    -------
    Tissues × symbols: of observations the 90th percentile of each population, and the highest over the populations or
    columns of a tissue. Tumours and ignored places are left out; NaN is not measured.

    Examples
    --------
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"side": "normal", "tissue": ["lung", "lung", "skin"], "tier": "vital"}, index=list("abc"))
    >>> adata = AnnData(np.array([[1.0], [3.0], [np.nan]]), obs=obs, uns={"cartarget": {"kind": "summary"}})
    >>> adata.var_names = ["MSLN"]
    >>> tissue_levels(adata)["MSLN"].to_dict()
    {'lung': 3.0, 'skin': nan}
    """
    own = adata[((adata.obs["side"] == "normal") & (adata.obs["tier"].astype(str) != "ignored")).to_numpy()]
    table = pd.DataFrame(np.asarray(dense(own.X)), columns=own.var_names)
    tissue = own.obs["tissue"].astype(str).to_numpy()
    if own.uns["cartarget"]["kind"] in ("samples", "cells"):
        places = pd.MultiIndex.from_arrays([tissue, own.obs["population"].astype(str)])
        table = table.groupby(places).quantile(0.9)
        tissue = np.array([name for name, _ in table.index])
    return table.groupby(tissue).max()


def rank_organs(levels: pd.DataFrame, *, events: pd.DataFrame) -> pd.DataFrame:
    """Rank each harmed organ among the tissues of its antigen by level: would expression have warned?

    Parameters
    ----------
    levels
        Tissues × symbols, higher is more, one row per harmonised tissue (take the worst of its regions and
        cell types before). NaN: not measured.
    events
        Events as `read_toxicity` gives them.

    Returns
    -------
    DataFrame
        One row per pair of `symbol` and `organ`: `rank` (1 is the highest level; ties share their mid-rank;
        missing where it cannot be told), `n_tissues` measured for the antigen, and `reason` (empty, or why this
        evidence cannot see the event).

    Examples
    --------
    >>> levels = pd.DataFrame({"CEACAM5": [90.0, 5.0, 5.0]}, index=["colon", "lung", "liver"])
    >>> events = pd.DataFrame({"symbol": ["CEACAM5", "CA9"], "organ": ["lung", "bile duct"]})
    >>> rank_organs(levels, events=events)[["rank", "n_tissues", "reason"]].values.tolist()
    [[2.5, 3, ''], [nan, 0, 'CA9 is not measured']]
    """
    if levels.index.has_duplicates:
        twice = levels.index[levels.index.duplicated()][0]
        raise InputError(f"levels: tissue {twice!r} stands twice; take the worst of its rows first")
    rows = []
    for symbol, organ in events[["symbol", "organ"]].drop_duplicates().itertuples(index=False, name=None):
        values = levels[symbol].dropna() if symbol in levels else pd.Series(dtype=float)
        reason, rank = "", float("nan")
        if values.empty:
            reason = f"{symbol} is not measured"
        elif organ not in values.index:
            reason = f"{organ} is not measured"
        elif values.max() <= 0:
            reason = f"{symbol} is detected nowhere"
        else:
            rank = float(values.rank(ascending=False, method="average")[organ])
        rows.append((symbol, organ, rank, len(values), reason))
    return pd.DataFrame(rows, columns=["symbol", "organ", "rank", "n_tissues", "reason"])


def recall(ranks: pd.DataFrame, *, at: Sequence[int] = (1, 3, 5, 10)) -> pd.DataFrame:
    """How many events stand among the first organs of their antigen, as counts.

    Parameters
    ----------
    ranks
        As `rank_organs` gives them. Events without a rank count in no denominator.
    at
        How many of the first organs to look at.

    Returns
    -------
    DataFrame
        One row per number: `at`, `n_found`, `n_visible`.

    Examples
    --------
    >>> recall(pd.DataFrame({"rank": [1.0, 2.5, float("nan")]}), at=(1, 3)).values.tolist()
    [[1, 1, 2], [3, 2, 2]]
    """
    seen = ranks["rank"].dropna()
    return pd.DataFrame({"at": list(at), "n_found": [int((seen <= k).sum()) for k in at], "n_visible": len(seen)})
