"""Tables of surface evidence: which sources place an antigen on the cell surface, and who is kept regardless."""

from __future__ import annotations

import io
import os

import pandas as pd

from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError
from cartarget.files import resource

_SUFFIX = "_surface_flag"
_IDENTIFIERS = {
    "hgnc_id", "hgnc_symbol", "uniprot_acc", "ensembl_gene", "ncbi_gene_id", "n_sources_surface", "symbol", "topology",
}  # fmt: skip


def read_votes(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of surface votes: one row per gene, one 0/1 column per source.

    The symbol stands in a column `hgnc_symbol` or `symbol`. If any column ends with `_surface_flag`, those
    columns are the sources; else all columns but the known identifiers are. An empty cell is no vote.

    Parameters
    ----------
    path
        Tab-separated file, gzipped or not.

    Returns
    -------
    DataFrame
        Genes (index `symbol`) × sources, boolean.

    Raises
    ------
    InputError
        No symbol column, no source column, a value that is not 0 or 1, or a symbol twice.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "votes.tsv"
    >>> _ = file.write_text("symbol\\tmine\\tyours\\nCEACAM5\\t1\\t1\\nACTB\\t0\\t\\n")
    >>> read_votes(file).sum(axis=1).to_dict()
    {'CEACAM5': 2, 'ACTB': 0}
    """
    frame = _read_text(path)
    symbol = next((name for name in ("hgnc_symbol", "symbol") if name in frame), None)
    if symbol is None:
        raise InputError(f"{path}: no column 'hgnc_symbol' or 'symbol'; found {', '.join(frame.columns)}")
    columns = [str(name) for name in frame]
    flagged = [name for name in columns if name.endswith(_SUFFIX)]
    sources = flagged or [name for name in columns if name not in _IDENTIFIERS]
    if not sources:
        raise InputError(f"{path}: no column of votes; give at least one column of 0 and 1 beside {symbol!r}")
    named = frame[symbol].str.strip()
    frame = frame[named.ne("")].assign(**{symbol: named})
    values = frame[sources].apply(lambda column: column.str.strip())
    for source in sources:
        wrong = values.index[~values[source].isin(["0", "1", ""])]
        if len(wrong):
            raise InputError(f"{path}, line {wrong[0] + 2}: {source} is {values[source][wrong[0]]!r}; expected 0 or 1")
    twice = frame.index[frame[symbol].duplicated()]
    if len(twice):
        raise InputError(f"{path}, line {twice[0] + 2}: {frame[symbol][twice[0]]!r} stands twice; keep one row")
    votes = values.eq("1").set_axis(pd.Index(frame[symbol], name="symbol"), axis=0)
    return votes.rename(columns=lambda name: name.removesuffix(_SUFFIX))


def read_rescue(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the antigens that are kept in spite of their votes: `symbol`, `reason`, `source`, `source_title`.

    Raises
    ------
    InputError
        A column is missing, or a row lacks its symbol, its reason or its source.

    Examples
    --------
    >>> "STEAP1" in set(read_rescue("resources/surface_rescue.tsv")["symbol"])
    True
    """
    frame = _read_text(path)
    needed = ["symbol", "reason", "source"]
    missing = [name for name in needed if name not in frame]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected symbol, reason, source, source_title")
    for name in needed:
        empty = frame.index[frame[name].str.strip().eq("")]
        if len(empty):
            raise InputError(f"{path}, line {int(empty[0]) + 2}: {name} is empty; a rescued antigen needs one")
    return frame


def _read_text(path: str | os.PathLike[str]) -> pd.DataFrame:
    try:
        with opened(resource(path)) as handle:
            return pd.read_csv(io.BytesIO(handle.read()), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error
