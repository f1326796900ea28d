"""Whose signal is it? A bulk tumour holds other cells too: does an antigen follow one of their lineages?

A lineage (hepatocyte, T/NK, fibroblast …) has marker genes. In each tumour its *score* is their mean z-score,

    score[i] = mean over markers m of (x[i, m] − mean(x[·, m])) / sd(x[·, m]),    x = log2(CPM + 1)

over the markers that were measured and differ between tumours, the antigen itself left out; three at least. An antigen
*follows* a lineage if the Spearman correlation r of its level with the score over the tumours is high,

    r ≥ 0.6    and    tanh(atanh(r) − 1.645 · 1.03 / √(n − 3)) ≥ 0.3

the second (the lower end of r's interval, Fieller's standard error) so that a small cohort needs a higher r. A lineage
*tells* only where its own markers follow it as we ask of an antigen: their median r is 0.6 or more. Where they do not
(liver genes in rectal tumours) its cells are too few, or too even, to be followed, and the score is noise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.stats import rankdata

from cartarget.errors import InputError
from cartarget.evidence.positivity import dense
from cartarget.files import resource

MARKERS = Path("resources") / "lineage_markers.tsv"
NOTES = Path("resources") / "gene_notes.tsv"

CONTAMINANT = "contaminant?"
MIN_MARKERS = 3
MIN_TUMORS = 10
FOLLOWS = 0.6
"""Correlation from which an antigen follows a lineage, and its markers agree (chosen in benchmarks/lineage.py)."""
SURE = 0.3
"""What the lower end of the correlation's interval must reach."""
SEEN = 0.1
"""Share of malignant cells that carry an antigen from which it is the tumour's own: more than leaks give."""

Markers = Mapping[str, Sequence[str]]


def read_markers(path: str | os.PathLike[str] | None = None, *, indication: str = "") -> dict[str, tuple[str, ...]]:
    """Marker genes by lineage, without the lineages of which the tumour itself may be (hepatocytes in liver cancer).

    Parameters
    ----------
    path
        Table with `lineage`, `own_of` (indications, split by `|`) and `symbol`. None: `resources/lineage_markers.tsv`.
    indication
        Key of the tumour.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing or a cell of `lineage` or `symbol` empty.

    Examples
    --------
    >>> "ALB" in read_markers()["hepatocyte"], "hepatocyte" in read_markers(indication="lihc")
    (True, False)
    """
    table = _read(path or resource(MARKERS), ("lineage", "symbol"), may_be_empty=("own_of",))
    other = ~table["own_of"].map(lambda keys: indication in keys.split("|") if indication else False)
    return {str(name): tuple(group) for name, group in table[other].groupby("lineage", sort=False)["symbol"]}


def read_gene_notes(path: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """What kind of gene a symbol is, for those that a reader should know as such: `proliferation`, `oocyte` …

    Parameters
    ----------
    path
        Table with `symbol` and `kind`. None: `resources/gene_notes.tsv`.

    Raises
    ------
    InputError
        The file cannot be read, or a column is missing or a cell empty.

    Examples
    --------
    >>> read_gene_notes()["AURKA"]
    'proliferation'
    """
    table = _read(path or resource(NOTES), ("symbol", "kind"))
    return dict(zip(table["symbol"], table["kind"], strict=True))


def _read(path: str | os.PathLike[str], filled: Sequence[str], *, may_be_empty: Sequence[str] = ()) -> pd.DataFrame:
    try:
        table = pd.read_csv(resource(path), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error
    for name in (*filled, *may_be_empty):
        if name not in table:
            raise InputError(f"{path}: column {name!r} is missing; found {', '.join(map(str, table))}")
    for name in filled:
        empty = np.flatnonzero(table[name].str.strip().eq(""))
        if len(empty):
            raise InputError(f"{path}, line {empty[0] + 2}: {name} is empty; fill it, or leave the row out")
    return table


def lineage_scores(levels: pd.DataFrame, *, markers: Markers) -> pd.DataFrame:
    """Score of each lineage in each tumour: the mean z-score of its markers.

    Parameters
    ----------
    levels
        log2(CPM + 1), tumours × genes.
    markers
        Genes by lineage. A marker that `levels` lacks, or that is the same in every tumour, does not count.

    Returns
    -------
    DataFrame
        Tumours × lineages; missing for a lineage of fewer than three such markers.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [0.0, 2.0], "B": [1.0, 3.0], "C": [5.0, 4.0], "D": [7.0, 7.0]})
    >>> lineage_scores(levels, markers={"x": ["A", "B", "C"], "y": ["A", "B", "D"]}).round(2).values.tolist()
    [[-0.33, nan], [0.33, nan]]
    """
    held = {name: [gene for gene in genes if gene in levels] for name, genes in markers.items()}
    genes = sorted({gene for own in held.values() for gene in own})
    spread = levels[genes].std(ddof=0)
    z = (levels[genes] - levels[genes].mean()) / spread.where(spread > 0)
    found = {name: z[own].dropna(axis=1, how="all") for name, own in held.items()}
    return pd.DataFrame(
        {name: own.mean(axis=1) if own.shape[1] >= MIN_MARKERS else np.nan for name, own in found.items()},
        index=levels.index,
        dtype=float,
    )


def lineage_correlations(levels: pd.DataFrame, *, symbols: Sequence[str], markers: Markers) -> pd.DataFrame:
    """Spearman correlation of each antigen with each lineage over the tumours, the antigen left out of the score.

    Parameters
    ----------
    levels
        log2(CPM + 1), tumours × genes.
    symbols
        Antigens, columns of `levels`.
    markers
        Genes by lineage.

    Returns
    -------
    DataFrame
        Antigens × lineages; missing where the antigen is the same in every tumour or the lineage has no score.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [0, 1, 2], "B": [1, 3, 4], "C": [2, 5, 9], "D": [0, 4, 6], "X": [9, 5, 1]})
    >>> lineage_correlations(levels, symbols=["X", "A"], markers={"x": ["A", "B", "C", "D"]})["x"].round(2).tolist()
    [-1.0, 1.0]
    """
    found = spearman(levels[list(symbols)], lineage_scores(levels, markers=markers))
    for name, genes in markers.items():
        for gene in set(genes) & set(symbols):
            rest = {name: [other for other in genes if other != gene]}
            found.loc[gene, name] = spearman(levels[[gene]], lineage_scores(levels, markers=rest)).iloc[0, 0]
    return found


def spearman(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation of each column of one table with each of another; missing where a column is constant.

    Examples
    --------
    >>> spearman(pd.DataFrame({"a": [1, 2, 2, 9]}), pd.DataFrame({"b": [1, 5, 4, 6]})).round(3).values.tolist()
    [[0.949]]
    """
    (a, a_known), (b, b_known) = _ranks(left), _ranks(right)
    values = np.where(a_known[:, None] & b_known, np.clip(a.T @ b, -1, 1), np.nan)
    return pd.DataFrame(values, index=left.columns, columns=right.columns)


def _ranks(table: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Ranks of each column, centred and of length one; and which columns have any spread and no gap."""
    whole = table.notna().all().to_numpy()
    ranks = rankdata(np.where(whole, table.to_numpy(dtype=np.float64), 0), axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    return ranks / np.where(length > 0, length, 1), whole & (length > 0)


def telling(levels: pd.DataFrame, *, markers: Markers) -> dict[str, float]:
    """The lineages that tell in a cohort, with the median correlation of their markers with the others (0.6 or more).

    Parameters
    ----------
    levels
        log2(CPM + 1), tumours × genes.
    markers
        Genes by lineage.

    Examples
    --------
    >>> levels = pd.DataFrame({"A": [0, 1, 2], "B": [1, 3, 4], "C": [2, 5, 9], "D": [0, 4, 6]})
    >>> levels = levels.assign(E=[9, 5, 1], F=[3, 8, 3])
    >>> [*telling(levels, markers={"x": ["A", "B", "C", "D"], "y": ["A", "B", "E", "F"]})]
    ['x']
    """
    agree = {}
    for name, genes in markers.items():
        held = [gene for gene in genes if gene in levels]
        own = lineage_correlations(levels, symbols=held, markers={name: held})[name].dropna()
        agree[name] = float(own.median()) if len(own) else np.nan
    return {name: median for name, median in agree.items() if median >= FOLLOWS}


def follows(r: pd.Series, *, n: int) -> pd.Series:
    """Whether a correlation over `n` tumours is high, and surely so (formula at the head of the module).

    Examples
    --------
    >>> follows(pd.Series([0.59, 0.6, 0.6]), n=31).tolist(), follows(pd.Series([0.6, 0.75]), n=10).tolist()
    ([False, True, True], [False, True])
    """
    fisher = np.arctanh(r.clip(-1 + 1e-9, 1 - 1e-9))
    return (r >= FOLLOWS) & (np.tanh(fisher - 1.645 * 1.03 / np.sqrt(n - 3)) >= SURE)


def whose_signal(
    levels: pd.DataFrame,
    *,
    symbols: Sequence[str],
    markers: Markers,
    purity: pd.Series | None = None,
    malignant: pd.Series | None = None,
) -> pd.DataFrame:
    """Judge of each antigen whether cells around the tumour explain it.

    An antigen that a tenth or more of the malignant cells carry is the tumour's own, whatever bulk says. Else it is a
    possible contaminant if it follows a lineage over the tumours, or falls with purity as clearly.

    Parameters
    ----------
    levels
        log2(CPM + 1), tumours × genes; a patient is one row. No rows: no bulk tumours.
    symbols
        Antigens. One that `levels` lacks is unknown.
    markers
        Genes by lineage (:func:`read_markers`).
    purity
        Share of tumour cells of each row of `levels`, missing where not known. None: not known.
    malignant
        Share of malignant cells that carry each antigen, by symbol, missing where not counted. None: not counted.

    Returns
    -------
    DataFrame
        By symbol: `lineage`, the best correlated among those that tell, and `lineage_r`; `purity_r`, the Spearman
        correlation with purity (ten tumours of known purity or more); `contaminant`, `contaminant?` or empty, missing
        where it cannot be told: fewer than ten tumours, no lineage that tells, or an antigen that is the same in all;
        and `lineage_note`, the reason in words.

    Examples
    --------
    >>> share = np.arange(12.0)
    >>> levels = pd.DataFrame({gene: share + k % 2 for k, gene in enumerate("ABCD")})
    >>> levels = levels.assign(LIKE=2 * share, OWN=[5, 1] * 6)
    >>> found = whose_signal(levels, symbols=["LIKE", "OWN"], markers={"liver": list("ABCD")})
    >>> found["contaminant"].tolist(), found["lineage_note"].iloc[0]
    (['contaminant?', ''], 'follows liver over 12 tumours (r 1.00)')
    """
    n, held = len(levels), [symbol for symbol in symbols if symbol in levels]
    out = pd.DataFrame({"lineage": None, "lineage_r": np.nan}, index=pd.Index(symbols, name="symbol")).astype(
        {"lineage": object}
    )
    tell = list(telling(levels, markers=markers)) if n >= MIN_TUMORS else []
    if tell and held:
        r = lineage_correlations(levels, symbols=held, markers={name: markers[name] for name in tell}).dropna(how="all")
        out.loc[r.index, "lineage"], out.loc[r.index, "lineage_r"] = r.idxmax(axis=1), r.max(axis=1)
    out["purity_r"], n_purity = _purity_r(levels[held], purity)
    high = follows(out["lineage_r"], n=max(n, MIN_TUMORS))
    falls = follows(-out["purity_r"], n=max(n_purity, MIN_TUMORS))
    seen = (malignant.reindex(out.index) if malignant is not None else pd.Series(np.nan, index=out.index)).astype(float)
    own = seen >= SEEN
    known = own | out["lineage_r"].notna() | falls
    flag = np.where((high | falls) & ~own, CONTAMINANT, "")
    out["contaminant"] = pd.Series(flag, index=out.index, dtype=object).where(known, None)
    bulk = [_in_bulk(row, n, h, f, bool(tell)) for row, h, f in zip(out.itertuples(), high, falls, strict=True)]
    out["lineage_note"] = [_with_cells(text, share) for text, share in zip(bulk, seen, strict=True)]
    return out


def _purity_r(levels: pd.DataFrame, purity: pd.Series | None) -> tuple[pd.Series, int]:
    """Correlation of each column with purity, and over how many tumours; missing and 0 below ten of known purity."""
    known = purity.reindex(levels.index).dropna().astype(float) if purity is not None else pd.Series(dtype=float)
    if len(known) < MIN_TUMORS:
        return pd.Series(np.nan, index=levels.columns), 0
    return spearman(levels.loc[known.index], known.to_frame("purity"))["purity"], len(known)


def _in_bulk(row: tuple[object, ...], n: int, high: bool, falls: bool, tells: bool) -> str:
    """What bulk says of one antigen."""
    lineage, r, purity_r = (getattr(row, name) for name in ("lineage", "lineage_r", "purity_r"))
    text = f"follows {lineage} over {n} tumours (r {r:.2f})"
    if falls:
        return f"falls with purity (r {purity_r:.2f})" + (f" and {text}" if high else "")
    if high:
        return text
    if n < MIN_TUMORS:
        return f"{n} bulk tumours: too few to tell whose signal it is" if n else "no bulk tumours to tell it from"
    if not tells:
        return f"no lineage varies enough over these {n} tumours to tell"
    if pd.isna(r):
        return f"not measured, or the same, in all {n} tumours"
    return f"follows no lineage over {n} tumours (highest: {lineage}, r {r:.2f})"


def _with_cells(text: str, share: float) -> str:
    """The same, with what malignant cells say where they were counted."""
    if np.isnan(share):
        return text
    own = ": the tumour's own" if share >= SEEN else ""
    return f"{text}; {np.floor(100 * share + 1e-9):.0f} % of malignant cells carry it{own}"


def highest_normal(summaries: Sequence[AnnData], *, symbols: Sequence[str]) -> pd.Series:
    """The normal cell type in which each antigen is highest, from the first summary by cell type that measured it.

    Parameters
    ----------
    summaries
        Atlases of kind `summary`; whole tissues (`cell_type` empty) do not count.
    symbols
        Antigens.

    Returns
    -------
    Series
        By symbol: the cell type; missing where no summary measured the antigen, or all are zero.

    Examples
    --------
    >>> adata = AnnData(np.array([[0.0, 3.0], [0.0, 9.0]]), var=pd.DataFrame(index=["A", "B"]))
    >>> adata.obs["cell_type"] = ["T cell", "hepatocyte"]
    >>> highest_normal([adata], symbols=["A", "B", "C"]).tolist()
    [nan, 'hepatocyte', nan]
    """
    found = pd.Series(None, index=pd.Index(symbols, name="symbol"), dtype=object)
    for adata in summaries:
        names = adata.obs["cell_type"].astype(str).to_numpy()
        open_ = [symbol for symbol in found.index[found.isna()] if symbol in adata.var_names]
        if not open_ or not (names != "").any():
            continue
        values = pd.DataFrame(
            np.asarray(dense(adata[:, open_].X))[names != ""], index=names[names != ""], columns=open_
        )
        shown = values.loc[:, values.gt(0).any()]
        found[shown.columns] = shown.idxmax().to_numpy(dtype=object)
    return found
