"""Does a safety animal carry the antigen, and can the tumour live without it? Orthologue tables and essentiality."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve

KINDS = ("one to one", "one to many", "many to one", "many to many", "none")
"""How genes of two species match: human genes first."""

SELECTIVE = 100.0
"""Skewed likelihood ratio from which a gene is called selectively essential: an assumption. The cut-off was not checked
against a published rule, nor against genes that are known to be so; use the number itself where it matters."""


def read_orthologs(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read which gene of another species is the orthologue of each human gene.

    Parameters
    ----------
    path
        Comma-separated without a heading: human gene, gene of the other species (empty: none known). Several rows of a
        gene are several orthologues.
    genes
        Gene table, for human names of another year. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`: `orthologs` (comma-separated), `n_orthologs`, `kind` (one of `KINDS`). A gene that the table
        does not hold is not in it: unknown, which is not the same as `none`.

    Raises
    ------
    InputError
        The file cannot be read, has another number of columns, or holds no gene.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "mouse.csv"
    >>> _ = file.write_text("EPCAM,Epcam\\nCEACAM5,\\n")
    >>> read_orthologs(file)["kind"].to_dict()
    {'CEACAM5': 'none', 'EPCAM': 'one to one'}
    """
    frame = _pairs(path)
    symbol = resolve(frame[0], table=genes)["symbol"].set_axis(frame.index)
    pairs = pd.DataFrame({"symbol": symbol, "other": frame[1].str.strip()}).dropna().drop_duplicates()
    if pairs.empty:
        raise InputError(f"{path}: no human gene of the gene table; expected human, other species")
    real = pairs[pairs["other"].ne("")]
    n_humans = real.groupby("other")["symbol"].nunique()
    found = real.groupby("symbol")["other"].agg([", ".join, "size"]).set_axis(["orthologs", "n_orthologs"], axis=1)
    is_shared = real.assign(shared=real["other"].map(n_humans).gt(1)).groupby("symbol")["shared"].any()
    table = found.reindex(pd.Index(sorted(pairs["symbol"].unique()), name="symbol"))
    table["kind"] = [
        _kind(0 if pd.isna(count) else int(count), bool(is_shared.get(name, False)))
        for name, count in table["n_orthologs"].items()
    ]
    return table.fillna({"orthologs": "", "n_orthologs": 0}).astype({"n_orthologs": int})


def _kind(count: int, is_shared: bool) -> str:
    if count == 0:
        return "none"
    return f"{'many' if is_shared else 'one'} to {'one' if count == 1 else 'many'}"


def _pairs(path: str | os.PathLike[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(Path(path), header=None, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a comma-separated table of two columns") from error
    if frame.shape[1] != 2:
        raise InputError(
            f"{path}: found {frame.shape[1]} columns; expected two, human gene and that of the other species"
        )
    return frame[frame[0].str.strip().ne("")]


def read_essentiality(path: str | os.PathLike[str], *, genes: GeneTable | None = None) -> pd.DataFrame:
    """Read how selectively cancer cell lines need each gene: a note on escape, as a tumour cannot shed what it needs.

    Parameters
    ----------
    path
        Comma-separated with a heading: gene, and skewed likelihood ratio (`Skew_LRT`) as DepMap derives it. An empty
        cell is not measured.
    genes
        Gene table. None: names are taken as given.

    Returns
    -------
    DataFrame
        Index `symbol`: `skewed_lrt` (higher: some lines need the gene and others do not; a gene that all lines need
        scores low), `is_selectively_essential` (at least `SELECTIVE`; missing where not measured).

    Raises
    ------
    InputError
        The file cannot be read, has another number of columns, or a value is no number.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "lrt.csv"
    >>> _ = file.write_text(",Skew_LRT\\nHSPA5,530.9\\nMSLN,2.0\\nAARS,\\n")
    >>> read_essentiality(file)["is_selectively_essential"].tolist()
    [<NA>, True, False]
    """
    frame = _pairs(path).drop(index=0, errors="ignore")
    value = pd.to_numeric(frame[1].str.strip().replace("", None), errors="coerce")
    wrong = frame.index[value.isna() & frame[1].str.strip().ne("")]
    if len(wrong):
        raise InputError(
            f"{path}, line {int(wrong[0]) + 1}: {frame[1][wrong[0]]!r} is no number; expected a ratio or nothing"
        )
    symbol = resolve(frame[0], table=genes)["symbol"].set_axis(frame.index)
    table = pd.DataFrame({"symbol": symbol, "skewed_lrt": value.astype(float)}).dropna(subset=["symbol"])
    table = table.sort_values("skewed_lrt", ascending=False, kind="stable").drop_duplicates("symbol")
    table = table.sort_values("symbol").set_index("symbol")
    is_selective = table["skewed_lrt"].ge(SELECTIVE).astype("boolean").mask(table["skewed_lrt"].isna())
    return table.assign(is_selectively_essential=is_selective)
