"""A gene table out of HGNC's complete set: approved symbols of protein-coding genes, with every other name."""

from __future__ import annotations

import os

import pandas as pd

from cartarget.errors import InputError

_COLUMNS = {
    "entrez_id": "ncbi_gene_id", "symbol": "gene_symbol", "alias_symbol": "synonyms", "prev_symbol": "previous_symbols",
    "ensembl_gene_id": "ensembl_gene", "hgnc_id": "hgnc_id", "uniprot_ids": "uniprot",
}  # fmt: skip


def build_gene_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Make the table that `cartarget.genes.read_gene_table` reads.

    Parameters
    ----------
    path
        `hgnc_complete_set.txt`.

    Returns
    -------
    DataFrame
        `ncbi_gene_id`, `gene_symbol`, `synonyms`, `previous_symbols`, `ensembl_gene`, `hgnc_id`, `uniprot`; many values
        in a cell are separated by `|`. Approved protein-coding genes, in the order of the file.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or it holds no protein-coding gene.

    Examples
    --------
    >>> build_gene_table("absent.txt")
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.txt: cannot be read ...
    """
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected HGNC's complete set") from None
    for column in ("locus_group", "status", *_COLUMNS):
        if column not in frame:
            raise InputError(f"{path}, line 1: column {column!r} is missing; expected HGNC's complete set")
    is_coding = frame["locus_group"].eq("protein-coding gene") & frame["status"].eq("Approved")
    if not is_coding.any():
        raise InputError(f"{path}: no approved protein-coding gene; expected HGNC's complete set")
    table = frame.loc[is_coding, list(_COLUMNS)].rename(columns=_COLUMNS).reset_index(drop=True)
    return table.apply(lambda column: column.str.replace('"', "").str.strip())
