"""Cells of CELLxGENE Census, brought into an `.h5ad` file.

`cellxgene-census` pins other versions of the libraries that cartarget stands on, so this runs in an environment of its
own (`workflow/envs/census.yaml`): it imports nothing of cartarget but errors, files and formats.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from cartarget.atlas.formats.hdf5 import write_h5ad
from cartarget.errors import InputError
from cartarget.files import whole

COLUMNS = (
    "soma_joinid", "dataset_id", "donor_id", "cell_type", "cell_type_ontology_term_id", "tissue", "tissue_general",
    "tissue_ontology_term_id", "tissue_type", "development_stage", "disease", "assay", "suspension_type",
)  # fmt: skip
ORGANISM = "homo_sapiens"


def fetch_census(path: str | os.PathLike[str], *, release: str, cells: str, most: int, uri: str | None = None) -> Any:
    """Write the human cells that match a condition, each once.

    Parameters
    ----------
    path
        The `.h5ad` file: counts in `X`; in `obs` what `COLUMNS` names, and `donor`, data set and donor together, since
        donors of two data sets may share a name; in `var` Ensembl ids and `feature_name`.
    release
        Date of a release, such as 2025-11-08; never `latest`, so that the cells stay the same.
    cells
        Condition on the columns of `obs`, such as `tissue_general == 'colon' and disease == 'normal'`. Cells that stand
        in several data sets are counted once (`is_primary_data`).
    most
        Cells that may match: all of them are held in memory once.
    uri
        A copy of the Census. None: as `CARTARGET_CENSUS` of the environment says, else that of its makers.

    Returns
    -------
    AnnData
        What was written.

    Raises
    ------
    InputError
        cellxgene-census is not installed, the release is no date or not known, the condition cannot be read, no cell
        matches it or too many do, or there is no connection.

    Examples
    --------
    >>> fetch_census("x.h5ad", release="latest", cells="disease == 'normal'", most=9)
    Traceback (most recent call last):
    cartarget.errors.InputError: release is 'latest'; expected a date ...
    """
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", release):
        raise InputError(f"release is {release!r}; expected a date such as 2025-11-08, so that the cells stay the same")
    try:
        import cellxgene_census
    except ImportError:
        raise InputError(
            "cellxgene-census is not installed here; run the workflow with --sdm conda, or `make census` and put "
            ".census/bin first in PATH"
        ) from None
    uri = uri or os.environ.get("CARTARGET_CENSUS") or None
    where = f"CELLxGENE Census {uri or release}"
    try:
        with cellxgene_census.open_soma(census_version=release, uri=uri) as census:
            adata = _cells(census, where=where, cells=cells, most=most, get=cellxgene_census.get_anndata)
    except InputError:
        raise
    except Exception as error:  # what these libraries raise over a release or a condition has no common kind
        raise InputError(
            f"{where}: {' '.join(str(error).split())[:300]}; is the date one of its releases, and are the names of the "
            "condition columns of its obs?"
        ) from error
    with whole(path) as temporary:
        write_h5ad(adata, temporary, compression="gzip")
    return adata


def _cells(census: Any, *, where: str, cells: str, most: int, get: Callable[..., Any]) -> Any:
    """The cells that match, in the order of their ids."""
    condition = f"is_primary_data == True and ({cells})"
    table = census["census_data"][ORGANISM].obs
    n = sum(len(part) for part in table.read(value_filter=condition, column_names=["soma_joinid"]))
    if n == 0:
        raise InputError(f"{where}: no cell matches {condition!r}; look at the values of its columns")
    if n > most:
        raise InputError(
            f"{where}: {n:,} cells match, more than {most:,}; narrow the condition, or raise `most` if memory allows"
        )
    known = set(table.schema.names)
    adata = get(
        census, ORGANISM, obs_value_filter=condition, obs_column_names=[name for name in COLUMNS if name in known],
        var_column_names=["feature_id", "feature_name"],
    )  # fmt: skip
    adata = adata[adata.obs["soma_joinid"].argsort(kind="stable")].copy()
    adata.obs_names = adata.obs.pop("soma_joinid").astype(str)
    adata.obs["donor"] = adata.obs["dataset_id"].astype(str) + ":" + adata.obs["donor_id"].astype(str)
    adata.var_names = adata.var["feature_id"].astype(str)
    return adata
