"""What each cell is: tumour or normal, whose, of which tissue and type, as the configuration reads a table of cells."""

from __future__ import annotations

import difflib
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.config import AtlasConfig
from cartarget.errors import ConfigError, InputError

MICROENVIRONMENT = "tumor microenvironment"
MALIGNANT = "malignant cell"


def label_cells(cells: pd.DataFrame, *, atlas: AtlasConfig, where: str) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Make `obs` of the atlas contract from a table of cells.

    - *side*: `tumor` where the column `labels.malignant` holds one of `labels.malignant_values` (an empty list: no
      cell is malignant), else `normal`; without `labels.malignant` the column `side` says it.
    - *donor*: the column `labels.donor` (the table's index if it is called so, or `cell`), of which
      `labels.donor_pattern` may cut out the first group; without it all cells are of one donor, the atlas.
    - *tissue*: malignant cells: `tumor`. Others: the column `labels.tissue`, else the atlas's `tissue`, else
      they are the tumour's surroundings (`tumor microenvironment`).
    - *is_doublet*, where the column `labels.doublet` gives calls.
    - cells whose type is one of `labels.exclude_values` are left out.

    Parameters
    ----------
    cells
        One row per cell, indexed by the cell's name.
    atlas
        The atlas's entry in the configuration.
    where
        The file, for messages.

    Returns
    -------
    obs, is_kept
        `obs` of the cells that are kept, and which rows of `cells` they are.

    Raises
    ------
    ConfigError
        A column does not exist (the nearest is named), or the pattern is no regular expression with a group.
    InputError
        A cell stands twice, no cell is malignant, or a donor cannot be told.

    Examples
    --------
    >>> from cartarget.config import CellLabels
    >>> cells = pd.DataFrame({"type": ["T cell", "cancer"]}, index=["P1_a", "P2_b"])
    >>> labels = CellLabels(malignant="type", malignant_values=["cancer"], donor="cell", donor_pattern="^(P[0-9])")
    >>> atlas = AtlasConfig(name="x", reader="mtx", labels=labels)
    >>> label_cells(cells, atlas=atlas, where="cells.tsv")[0][["side", "donor", "tissue"]].values.tolist()
    [['normal', 'P1', 'tumor microenvironment'], ['tumor', 'P2', 'tumor']]
    """
    for twice in cells.index[cells.index.duplicated()][:1]:
        raise InputError(f"{where}: cell {twice!r} stands twice; each cell needs its own name")
    is_malignant = _malignant(cells, atlas, where)
    kind = _column(cells, "cell_type", atlas, where)
    tissue = _column(cells, "tissue", atlas, where)
    surroundings = pd.Series(atlas.tissue or MICROENVIRONMENT, index=cells.index, dtype=object)
    obs = pd.DataFrame(
        {
            "side": np.where(is_malignant, "tumor", "normal"),
            "donor": _donors(cells, atlas, where),
            "tissue": np.where(is_malignant, "tumor", surroundings if tissue is None else tissue),
            "cell_type": np.where(is_malignant, MALIGNANT, "") if kind is None else kind,
            "dataset": atlas.name,
        },
        index=cells.index.astype(object),
        dtype=object,
    )
    called = _column(cells, "doublet", atlas, where)
    if called is not None:
        obs["is_doublet"] = called.astype(str).str.casefold().isin(["yes", "true", "1", "doublet"])
    is_kept = ~obs["cell_type"].isin(atlas.labels.exclude_values).to_numpy()
    return obs[is_kept], is_kept


def _malignant(cells: pd.DataFrame, atlas: AtlasConfig, where: str) -> NDArray[np.bool_]:
    labels = atlas.labels
    if labels.malignant is None:
        side = _find(cells, "side", "malignant", atlas, where)
        for value in set(side) - {"tumor", "normal"}:
            raise InputError(f"{where}: column 'side' holds {value!r}; expected tumor or normal")
        return (side == "tumor").to_numpy()
    values = _column(cells, "malignant", atlas, where)
    assert values is not None
    is_malignant = values.isin(labels.malignant_values).to_numpy()
    if labels.malignant_values and not is_malignant.any():
        found = ", ".join(map(repr, sorted(set(values))[:8]))
        raise InputError(
            f"{where}: no malignant cell: column {labels.malignant!r} holds {found}, none of which is in atlases."
            f"{atlas.name}.labels.malignant_values {labels.malignant_values}; name the values that mean malignant"
        )
    return is_malignant


def _donors(cells: pd.DataFrame, atlas: AtlasConfig, where: str) -> pd.Series:
    donors = _column(cells, "donor", atlas, where)
    if donors is None:
        return pd.Series(atlas.name, index=cells.index, dtype=object)
    for nameless in donors.index[donors == ""][:1]:
        raise InputError(
            f"{where}: cell {nameless!r} has no donor in column {atlas.labels.donor!r}; name one or remove it"
        )
    return cut_donors(donors, atlas=atlas, where=where)


def cut_donors(names: pd.Series, *, atlas: AtlasConfig, where: str) -> pd.Series:
    """The donor in each name: the first group of `labels.donor_pattern`, or the whole name without a pattern.

    Raises
    ------
    ConfigError
        The pattern is not a regular expression or has no group.
    InputError
        A name does not match.

    Examples
    --------
    >>> from cartarget.config import CellLabels
    >>> atlas = AtlasConfig(name="x", reader="cell_table", labels=CellLabels(donor_pattern="^([^_]+)_"))
    >>> cut_donors(pd.Series(["Patient1_cancer.txt"]), atlas=atlas, where="x").tolist()
    ['Patient1']
    """
    pattern = atlas.labels.donor_pattern
    if pattern is None:
        return names
    key = f"atlases.{atlas.name}.labels.donor_pattern"
    try:
        n_groups = re.compile(pattern).groups
    except re.error as error:
        raise ConfigError(f"{key}: {pattern!r} is not a regular expression ({error})") from None
    if n_groups == 0:
        raise ConfigError(f"{key}: {pattern!r} has no group; put the donor in brackets, as in '^([^_]+)_'")
    donors = names.str.extract(pattern)[0]
    for name in names[donors.isna()][:1]:
        raise InputError(f"{where}: {name!r} does not match {key} {pattern!r}; mend the pattern or the name")
    return donors


def _column(cells: pd.DataFrame, key: str, atlas: AtlasConfig, where: str) -> pd.Series | None:
    """The column that `labels.KEY` names, as text without gaps."""
    name = getattr(atlas.labels, key)
    return None if name is None else _find(cells, name, key, atlas, where)


def _find(cells: pd.DataFrame, name: str, key: str, atlas: AtlasConfig, where: str) -> pd.Series:
    if name in cells:
        return cells[name].astype(object).where(cells[name].notna(), "").astype(str).str.strip()
    if name in (cells.index.name, "cell"):
        return pd.Series(cells.index.astype(str), index=cells.index, dtype=object)
    near = difflib.get_close_matches(name, list(map(str, cells.columns)), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? its" if near else "its"
    known = ", ".join(map(repr, cells.columns)) or "none"
    raise ConfigError(f"atlases.{atlas.name}.labels.{key}: {where} has no column {name!r}; {hint} columns: {known}")
