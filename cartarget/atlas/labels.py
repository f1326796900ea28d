"""What each cell is: tumour or normal, whose, of which tissue and type, as the configuration reads a table of cells."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cartarget.atlas import cellxgene
from cartarget.atlas.contract import tell_nobody
from cartarget.atlas.names import NOT_STATED, are, is_missing, label_key
from cartarget.atlas.traits import donor_traits
from cartarget.config import AtlasConfig
from cartarget.errors import ConfigError, InputError

MICROENVIRONMENT = "tumor microenvironment"
MALIGNANT = "malignant cell"
FETAL = "fetal tissue"

MALIGNANT_WORDS = ("yes", "true", "1", "malignant", "tumor", "tumour")
NORMAL_WORDS = ("no", "false", "0", "normal", "non-malignant", "nonmalignant")
"""What means malignant and normal where the configuration names no values."""


class Labelled(NamedTuple):
    """What a table of cells says: `obs` of the atlas contract, which rows of the table it holds, and what was found."""

    obs: pd.DataFrame
    is_kept: NDArray[np.bool_]
    notes: list[str]


def label_cells(cells: pd.DataFrame, *, atlas: AtlasConfig, where: str) -> Labelled:
    """Make `obs` of the atlas contract from a table of cells.

    Labels are compared without case and blanks around them; a text that says nothing (`nan`, `unknown`, `N/A` …, see
    `cartarget.atlas.names.is_missing`) is missing.

    - *side*: `tumor` where the column `labels.malignant` (without it: `side`) holds one of `labels.malignant_values`,
      `normal` where it holds one of `labels.normal_values`; without these, the obvious words (`MALIGNANT_WORDS`,
      `NORMAL_WORDS`; an empty list: none). Where it is missing, the cell is left out; any other value is an error.
      Without a column of either name all cells are normal if the atlas names their tissue, and a note says so.
    - *donor*: the column `labels.donor` (the table's index if it is called so, or `cell`), of which
      `labels.donor_pattern` may cut out the first group; without it all cells are of one donor, the atlas.
    - *tissue*: malignant cells: `tumor`. Others: the column `labels.tissue`, else the atlas's `tissue`, else
      they are the tumour's surroundings (`tumor microenvironment`); `fetal tissue` where `development_stage` says so.
    - *cell_type*: the column `labels.cell_type`; empty where it is missing.
    - *donor_sex*, *donor_age*, *donor_smoking*, where a column tells them (`cartarget.atlas.traits.donor_traits`).
    - *lesion* of malignant cells, where the column `labels.lesion` tells it; empty where it is missing.
    - *is_doublet*, where the column `labels.doublet` gives calls; *assay* (`cells`, `nuclei`), where `suspension_type`
      tells it.
    - Left out and counted: cells of which the malignant, cell type or donor column holds one of
      `labels.exclude_values`; repeated ones (`is_primary_data` false); and of the normal side cultured ones
      (`tissue_type`) and those with a `disease` that is not one of `labels.normal_values`.

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
    Labelled
        `obs` of the cells that are kept, which rows of `cells` they are, and notes on those that are not.

    Raises
    ------
    ConfigError
        A column does not exist (the nearest is named), the pattern is no regular expression with a group, or lesions
        are named and donors are not.
    InputError
        A cell stands twice, no cell is malignant or none is left, a value of the malignant column is not named, a
        donor is missing or cannot be told, or a cell is of another species.

    Examples
    --------
    >>> from cartarget.config import CellLabels
    >>> cells = pd.DataFrame({"type": ["T cell", "cancer"]}, index=["P1_a", "P2_b"])
    >>> labels = CellLabels(malignant="type", malignant_values=["cancer"], normal_values=["T cell"], donor="cell",
    ...                     donor_pattern="^(P[0-9])")
    >>> atlas = AtlasConfig(name="x", reader="mtx", labels=labels)
    >>> label_cells(cells, atlas=atlas, where="cells.tsv").obs[["side", "donor", "tissue"]].values.tolist()
    [['normal', 'P1', 'tumor microenvironment'], ['tumor', 'P2', 'tumor']]
    """
    for twice in cells.index[cells.index.duplicated()][:1]:
        raise InputError(f"{where}: cell {twice!r} stands twice; each cell needs its own name")
    left = _LeftOut(cells.index)
    if atlas.labels.exclude_values:
        for values in _labelled_columns(cells, atlas, where):
            left.out(cellxgene.one_of(values, atlas.labels.exclude_values), "named in labels.exclude_values")
    left.out(cellxgene.is_repeated(cells), "is_primary_data is false, part of another data set too")
    cellxgene.refuse_other_species(cells[left.is_kept], where=where)
    side = _sides(cells, left, atlas=atlas, where=where)
    tissue = _tissues(cells, side, atlas=atlas, where=where)
    _leave_out_no_tissue(cells, left, side=side, tissue=tissue, atlas=atlas)
    is_kept = left.is_kept
    if not is_kept.any():
        raise InputError(f"{where}: no observation is left: {'; '.join(left.notes()) or 'the table is empty'}")
    obs = _obs(cells, side, tissue, is_kept, atlas=atlas, where=where)
    foetal = int((obs["tissue"] == FETAL).sum())
    told = atlas.labels.malignant is not None or "side" in cells
    notes = [] if told else ["no column tells malignant cells: all are taken as normal tissue"]
    notes += [f"fetal tissue by development_stage: {foetal:,} of the normal side"] if foetal else []
    return Labelled(obs, is_kept, [*left.notes(), *notes])


class _LeftOut:
    """Which rows are left out, each for the first reason that was found."""

    def __init__(self, index: pd.Index) -> None:
        self._why = pd.Series("", index=index, dtype=object)

    @property
    def is_kept(self) -> NDArray[np.bool_]:
        return (self._why == "").to_numpy(dtype=bool)

    def out(self, which: pd.Series, why: str) -> None:
        self._why[which.to_numpy(dtype=bool) & self.is_kept] = why

    def notes(self) -> list[str]:
        counts = self._why[self._why != ""].value_counts(sort=False)
        return [f"{n:,} observation{'' if n == 1 else 's'} left out: {why}" for why, n in counts.items()]


def _obs(
    cells: pd.DataFrame,
    side: pd.Series,
    tissue: pd.Series,
    is_kept: NDArray[np.bool_],
    *,
    atlas: AtlasConfig,
    where: str,
) -> pd.DataFrame:
    kind = _column(cells, "cell_type", atlas, where)
    types = side.map({"tumor": MALIGNANT}).fillna("") if kind is None else _without_missing(kind)
    is_nowhere = (side == "normal") & are(tissue, is_missing) & (types == "")
    about = {
        "side": side,
        "donor": atlas.name,
        "tissue": tissue.mask(is_nowhere, NOT_STATED),
        "cell_type": types,
        "dataset": atlas.name,
    }
    obs = pd.DataFrame(about, index=cells.index.astype(object), dtype=object)
    lesion = _lesions(cells, side, atlas, where)
    if lesion is not None:
        obs["lesion"] = lesion
    called = _column(cells, "doublet", atlas, where)
    if called is not None:
        obs["is_doublet"] = called.str.casefold().isin(["yes", "true", "1", "doublet"])
    assay = cellxgene.assays(cells)
    if assay is not None:
        obs["assay"] = assay
    obs = obs.assign(**donor_traits(cells))[is_kept]
    donors = _donors(cells[is_kept], obs["side"], atlas, where)
    return obs if donors is None else obs.assign(donor=donors)


def _lesions(cells: pd.DataFrame, side: pd.Series, atlas: AtlasConfig, where: str) -> pd.Series | None:
    """The lesion of each malignant cell, empty where it is not told; None: no column tells lesions."""
    if atlas.labels.lesion is not None and atlas.labels.donor is None:
        raise ConfigError(
            f"atlases.{atlas.name}.labels.lesion: {atlas.labels.lesion!r} is named, but labels.donor is not: of which "
            "patient a lesion is would not be known; name the column of the patient"
        )
    named = _column(cells, "lesion", atlas, where)
    return None if named is None else _without_missing(named).where(side == "tumor", "")


def _sides(cells: pd.DataFrame, left: _LeftOut, *, atlas: AtlasConfig, where: str) -> pd.Series:
    """`tumor` or `normal`; empty where the column says nothing, and the row is left out."""
    labels, name = atlas.labels, atlas.labels.malignant or "side"
    if labels.malignant is None and name not in cells and is_normal_atlas(atlas):
        return pd.Series("normal", index=cells.index, dtype=object)
    values = _find(cells, name, "malignant", atlas, where)
    is_malignant = cellxgene.one_of(values, _words(labels.malignant_values, MALIGNANT_WORDS, labels.normal_values))
    obvious = (*NORMAL_WORDS, *cellxgene.NO_DISEASE) if name in cellxgene.DISEASE else NORMAL_WORDS
    is_normal = cellxgene.one_of(values, _words(labels.normal_values, obvious, labels.malignant_values))
    if labels.malignant_values and not is_malignant.any():
        found = ", ".join(map(repr, sorted(set(values))[:8]))
        raise InputError(
            f"{where}: no malignant cell: column {name!r} holds {found}, none of which is in atlases."
            f"{atlas.name}.labels.malignant_values {labels.malignant_values}; name the values that mean malignant"
        )
    side = pd.Series("", index=cells.index, dtype=object)
    side[is_normal], side[is_malignant] = "normal", "tumor"
    left.out((side == "") & are(values, is_missing), f"column {name!r} does not say whether malignant")
    if name in cellxgene.DISEASE and labels.malignant_values == []:
        _leave_out_diseased(left, values, side == "")
    open_ = values[(side == "").to_numpy() & left.is_kept]
    if len(open_):
        raise InputError(
            f"{where}: column {name!r} holds {cellxgene.counted(open_)}, which is named neither malignant nor normal; "
            f"name each in atlases.{atlas.name}.labels.malignant_values, normal_values or exclude_values"
        )
    return side


def is_normal_atlas(atlas: AtlasConfig) -> bool:
    """Whether an atlas that names no column of malignancy says of which normal tissue its cells are."""
    return bool(atlas.labels.tissue or (atlas.tissue and atlas.tissue != MICROENVIRONMENT))


def _words(named: list[str] | None, obvious: tuple[str, ...], other: list[str] | None) -> list[str]:
    """The values that mean a side: those named, else the obvious words that are not named for the other side."""
    taken = {label_key(value) for value in other or []}
    return [word for word in obvious if word not in taken] if named is None else named


def _without_missing(values: pd.Series) -> pd.Series:
    return values.mask(are(values, is_missing), "")


def _tissues(cells: pd.DataFrame, side: pd.Series, *, atlas: AtlasConfig, where: str) -> pd.Series:
    named = _column(cells, "tissue", atlas, where)
    tissue = pd.Series(atlas.tissue or MICROENVIRONMENT, index=cells.index, dtype=object) if named is None else named
    is_around = tissue == MICROENVIRONMENT
    return tissue.mask(cellxgene.is_prenatal(cells) & ~is_around, FETAL).mask(side == "tumor", "tumor")


def _leave_out_no_tissue(
    cells: pd.DataFrame, left: _LeftOut, *, side: pd.Series, tissue: pd.Series, atlas: AtlasConfig
) -> None:
    """Leave out what stands on the normal side and is no normal tissue: cultured or diseased."""
    why = cellxgene.not_normal_tissue(cells, tissue=tissue, normal=atlas.labels.normal_values or [])
    why = why.where(side == "normal", "")
    left.out(why == cellxgene.CULTURED, "cultured (organoid, cell culture), no normal tissue")
    diseases = cellxgene.text_of(cells, *cellxgene.DISEASE)
    if diseases is not None:
        _leave_out_diseased(left, diseases, why == cellxgene.DISEASED)


def _leave_out_diseased(left: _LeftOut, diseases: pd.Series, which: pd.Series) -> None:
    found = diseases[which.to_numpy() & left.is_kept]
    if len(found):
        left.out(
            which,
            f"disease is {cellxgene.counted(found)}, no normal tissue unless labels.normal_values names it",
        )


def _donors(cells: pd.DataFrame, side: pd.Series, atlas: AtlasConfig, where: str) -> pd.Series | None:
    """The donor of each cell; None: no column tells it."""
    donors = _column(cells, "donor", atlas, where)
    if donors is None:
        return None
    column = f"column {atlas.labels.donor!r}"
    _refuse_nobody(donors, side, atlas=atlas, where=where, column=column)
    cut = cut_donors(donors, atlas=atlas, where=where)
    _refuse_nobody(cut, side, atlas=atlas, where=where, column=f"{column}, cut by labels.donor_pattern,")
    return cut


def _refuse_nobody(donors: pd.Series, side: pd.Series, *, atlas: AtlasConfig, where: str, column: str) -> None:
    found = tell_nobody(donors, side)
    if found:
        raise InputError(
            f"{where}: cell {found.first!r} has no donor: atlas {atlas.name!r}, {column} holds {found.text}, which "
            "would all become one person; give their donors, or leave them out (labels.exclude_values takes values of "
            "this column too)"
        )


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


def _labelled_columns(cells: pd.DataFrame, atlas: AtlasConfig, where: str) -> list[pd.Series]:
    """The columns of malignancy, cell type and donor, as far as the configuration names them."""
    columns = (_column(cells, key, atlas, where) for key in ("malignant", "cell_type", "donor"))
    return [values for values in columns if values is not None]


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
