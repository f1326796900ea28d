"""What every atlas looks like once it is read, and the check that it does."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from cartarget.atlas.names import are, is_missing
from cartarget.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

KINDS = {
    "samples": "bulk samples",
    "cells": "single cells",
    "summary": "one number per tissue or cell type",
    "protein": "one stain per tissue and cell type: 0 not detected, 1 low, 2 medium, 3 high",
    "stained": "patients whose tumour is stained, by level",
    "proteome": "protein of normal organs by mass spectrometry; 0 is not detected",
    "antibodies": "antibodies on single cells: counts of their tags",
    "ratios": "protein of tumours and normals by mass spectrometry, log2 ratios to one reference",
}
UNITS = ("CPM", "counts", "log1p", "nTPM", "TPM", "NX", "stain", "patients", "log2 ratio", "ppm")
SIDES = ("tumor", "normal")
_OBS = ("side", "donor", "tissue", "cell_type", "dataset")
_ABOUT = ("kind", "unit", "atlas", "files", "lost", "notes", "is_simulated")


def assemble(
    values: Any,
    *,
    obs: pd.DataFrame,
    genes: pd.DataFrame,
    kind: str,
    unit: str,
    atlas: str,
    files: list[dict[str, str]],
    lost: pd.DataFrame,
    notes: Iterable[str] = (),
    is_measured: pd.DataFrame | None = None,
    is_simulated: bool = False,
) -> AnnData:
    """Put the parts of an atlas together.

    Parameters
    ----------
    values
        Observations × genes; stored as float32.
    obs, genes
        Frames indexed by observation id and by symbol; `genes` has the column `given`. `obs["assay"]` (`cells`,
        `nuclei`) stays where both are there; else `uns["cartarget"]["assay"]` says it, and without it says the kind.
    kind, unit
        See `KINDS` and `UNITS`.
    atlas
        The atlas's name in the configuration.
    files
        `{"path", "sha256"}` of each input.
    lost
        `name`, `reason`: one row per gene name lost or merged on the way.
    notes
        Sentences for the report.
    is_measured
        Genes × datasets. None: every dataset of `obs` holds every gene (kinds samples and cells).

    Returns
    -------
    AnnData
        Not yet checked: see `validate_atlas`.
    """
    import anndata

    obs = obs.copy()
    for column in ("side", "dataset"):
        obs[column] = pd.Categorical(obs[column])
    assay, obs = _assay(obs, kind)
    adata = anndata.AnnData(values.astype(np.float32, copy=False), obs=obs, var=genes)
    if is_measured is None and kind in ("samples", "cells"):
        datasets = list(obs["dataset"].cat.categories)
        is_measured = pd.DataFrame(True, index=genes.index, columns=datasets)
    if is_measured is not None:
        adata.varm["is_measured"] = is_measured
    adata.uns["cartarget"] = {
        "kind": kind,
        "unit": unit,
        "atlas": atlas,
        "files": files,
        "lost": lost.reset_index(drop=True),
        "notes": list(notes),
        "is_simulated": is_simulated,
        "assay": assay,
    }
    return adata


def _assay(obs: pd.DataFrame, kind: str) -> tuple[str, pd.DataFrame]:
    """What all observations are, and `obs`, which tells it of each only where they differ."""
    found = sorted(set(obs["assay"])) if "assay" in obs else [kind]
    if len(found) > 1:
        return kind, obs.assign(assay=pd.Categorical(obs["assay"]))
    return found[0] if found else kind, obs.drop(columns="assay", errors="ignore")


def validate_atlas(adata: AnnData) -> None:
    """Check that an atlas keeps the contract.

    - `X` observations × genes, float32, dense or CSR; finite; not negative (but for log ratios); NaN (*not measured*)
      not in kinds `samples` and `cells`; stains are 0, 1, 2 or 3.
    - `obs`: unique ids; `side` (`tumor`, `normal`), `donor`, `tissue`, `cell_type` (empty for bulk), `dataset`,
      all text without gaps; each normal observation says a tissue or a cell type.
    - `var`: unique symbols and `given`.
    - `varm["is_measured"]`: genes × datasets, boolean (kinds samples and cells).
    - samples and cells are each of a named donor; `obs["lesion"]` may say from which of a patient's lesions (empty: not
      told).
    - `uns["cartarget"]`: kind, unit, atlas, files, lost, notes, is_simulated; `assay`, if given: the kind, or `nuclei`.
      Where cells and nuclei are mixed, `obs["assay"]` tells them.

    Parameters
    ----------
    adata
        Any reader's result.

    Raises
    ------
    InputError
        The first rule that is broken; the message names the atlas and the slot.

    Examples
    --------
    >>> import anndata
    >>> validate_atlas(anndata.AnnData(np.ones((1, 1), dtype="float32")))
    Traceback (most recent call last):
    cartarget.errors.InputError: atlas: uns['cartarget'] is missing...
    """
    about = adata.uns.get("cartarget")
    if about is None:
        raise InputError("atlas: uns['cartarget'] is missing; build the atlas with a reader of cartarget.atlas")
    where = f"atlas {about.get('atlas', '?')!r}"
    for key in _ABOUT:
        if key not in about:
            raise InputError(f"{where}: uns['cartarget'][{key!r}] is missing")
    for key, allowed in (("kind", tuple(KINDS)), ("unit", UNITS), ("assay", (*KINDS, "nuclei"))):
        if about.get(key, about["kind"]) not in allowed:
            raise InputError(f"{where}: {key} is {about[key]!r}; expected one of {', '.join(allowed)}")
    _check_obs(adata.obs, where=where)
    check_donors(adata)
    _check_var(adata, where=where, kind=about["kind"])
    _check_values(adata, where=where, kind=about["kind"])
    if list(about["lost"].columns) != ["name", "reason"]:
        raise InputError(f"{where}: uns['cartarget']['lost'] needs the columns name and reason")


ATLAS_CALL = 'cartarget.from_anndata(adata, malignant="column", donor="column", tissue="colon")'


def require_anndata(given: object, *, call: str) -> None:
    """Check that an AnnData was given.

    Parameters
    ----------
    given
        What was given.
    call
        The right call, for the message.

    Raises
    ------
    InputError
        It is something else.

    Examples
    --------
    >>> require_anndata("cells.h5ad", call="from_anndata(adata)")
    Traceback (most recent call last):
    cartarget.errors.InputError: expected an AnnData, found str; read the file first (anndata.read_h5ad) and ...
    """
    from anndata import AnnData

    if not isinstance(given, AnnData):
        first = "read the file first (anndata.read_h5ad) and " if isinstance(given, str | os.PathLike) else ""
        raise InputError(f"expected an AnnData, found {type(given).__name__}; {first}call {call}")


def require_atlas(given: object, *, call: str) -> None:
    """Check that an AnnData was given that keeps the atlas contract's description.

    Raises
    ------
    InputError
        It is something else; the message shows how to make one.

    Examples
    --------
    >>> import anndata
    >>> require_atlas(anndata.AnnData(np.ones((1, 1))), call="harmonise(atlas, tiers=tiers, origin=origin)")
    Traceback (most recent call last):
    cartarget.errors.InputError: a plain AnnData is no atlas yet; make one with cartarget.from_anndata(...) and then ...
    """
    require_anndata(given, call=f"{ATLAS_CALL} and then {call}")
    if "cartarget" not in given.uns:  # type: ignore[attr-defined]
        raise InputError(f"a plain AnnData is no atlas yet; make one with {ATLAS_CALL} and then call {call}")


def require_harmonised(given: object, *, call: str) -> None:
    """Check that an AnnData was given that `cartarget.harmonise` has been through.

    Raises
    ------
    InputError
        It is something else; the message shows how to make one.

    Examples
    --------
    >>> import anndata
    >>> plain = anndata.AnnData(np.ones((1, 1)), uns={"cartarget": {"atlas": "x"}})
    >>> require_harmonised(plain, call="count_atlas(atlas, symbols=[...])")
    Traceback (most recent call last):
    cartarget.errors.InputError: atlas 'x' has no populations yet; call atlas = cartarget.harmonise(atlas, ...
    """
    require_atlas(given, call=call)
    if "population" not in given.obs:  # type: ignore[attr-defined]
        name = given.uns["cartarget"].get("atlas", "?")  # type: ignore[attr-defined]
        raise InputError(
            f"atlas {name!r} has no populations yet; call atlas = cartarget.harmonise(atlas, "
            f'tiers=cartarget.read_tiers(), origin="colon") and then {call}'
        )


class Nobody(NamedTuple):
    """Observations without a donor: the first one's name, and what stands instead, counted by side."""

    first: str
    text: str


def tell_nobody(donors: pd.Series, side: pd.Series) -> Nobody | None:
    """The observations whose donor is a text that names nobody (`nan`, `unknown`, empty …); None: there are none.

    Examples
    --------
    >>> donors = pd.Series(["P1", "nan", ""], index=["a", "b", "c"])
    >>> tell_nobody(donors, pd.Series("normal", index=donors.index)).text
    "'nan', '' for 2 of 3 observations (normal 2)"
    """
    values = donors.astype(str)
    is_nobody = are(values, is_missing).to_numpy()
    if not is_nobody.any():
        return None
    words = ", ".join(map(repr, values[is_nobody].unique()[:4]))
    sides = ", ".join(f"{name} {n:,}" for name, n in side[is_nobody].astype(str).value_counts().sort_index().items())
    text = f"{words} for {is_nobody.sum():,} of {len(values):,} observations ({sides})"
    return Nobody(str(values.index[is_nobody][0]), text)


def check_donors(adata: AnnData) -> None:
    """Check that each sample or cell is of somebody: the donor is the unit of every interval.

    Raises
    ------
    InputError
        `obs["donor"]` names nobody (`nan`, `unknown`, empty …) for some observations of kind samples or cells: they
        would all become one person.

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame({"side": ["normal"], "donor": ["nan"]}, index=["c"])
    >>> check_donors(anndata.AnnData(obs=obs, uns={"cartarget": {"kind": "cells", "atlas": "mine"}}))
    Traceback (most recent call last):
    cartarget.errors.InputError: atlas 'mine': obs['donor'] holds 'nan' for 1 of 1 observations (normal 1) ...
    """
    about = adata.uns["cartarget"]
    found = tell_nobody(adata.obs["donor"], adata.obs["side"]) if about["kind"] in ("samples", "cells") else None
    if found:
        raise InputError(
            f"atlas {about.get('atlas', '?')!r}: obs['donor'] holds {found.text}, such as {found.first!r}, which "
            "would all become one person; give their donors, or leave them out"
        )


def _check_obs(obs: pd.DataFrame, *, where: str) -> None:
    if not len(obs):
        raise InputError(f"{where}: no observation; check the path and the patterns of its files")
    for twice in obs.index[obs.index.duplicated()][:1]:
        raise InputError(f"{where}: observation {twice!r} stands twice; each needs its own name")
    for column in (*_OBS, *(["lesion"] if "lesion" in obs else [])):
        if column not in obs:
            raise InputError(f"{where}: obs[{column!r}] is missing")
        if obs[column].isna().any():
            gap = obs.index[obs[column].isna()][0]
            raise InputError(f"{where}: obs[{column!r}] is empty for {gap!r}; expected text")
    for assay in set(obs["assay"]) - {"cells", "nuclei"} if "assay" in obs else ():
        raise InputError(f"{where}: obs['assay'] holds {assay!r}; expected cells or nuclei, or no such column")
    for side in set(obs["side"]) - set(SIDES):
        raise InputError(f"{where}: obs['side'] holds {side!r}; expected tumor or normal")
    nameless = (obs["side"] == "normal") & (obs["tissue"].astype(str) == "") & (obs["cell_type"].astype(str) == "")
    if nameless.any():
        raise InputError(f"{where}: normal observation {obs.index[nameless][0]!r} has neither tissue nor cell type")


def _check_var(adata: AnnData, *, where: str, kind: str) -> None:
    for twice in adata.var_names[adata.var_names.duplicated()][:1]:
        raise InputError(f"{where}: gene {twice!r} stands twice; merge it first (cartarget.genes.merge)")
    if "given" not in adata.var:
        raise InputError(f"{where}: var['given'] (the name in the file) is missing")
    if kind not in ("samples", "cells"):
        return
    measured = adata.varm.get("is_measured")
    datasets = set(adata.obs["dataset"].astype(str))
    if not isinstance(measured, pd.DataFrame) or set(measured.columns) != datasets:
        raise InputError(f"{where}: varm['is_measured'] must be a frame of genes × datasets {sorted(datasets)}")
    if measured.to_numpy().dtype != np.bool_:
        raise InputError(f"{where}: varm['is_measured'] must be boolean")


def _check_values(adata: AnnData, *, where: str, kind: str) -> None:
    values: Any = adata.X
    is_dense = isinstance(values, np.ndarray)
    if not is_dense and getattr(values, "format", "") != "csr":
        raise InputError(f"{where}: X is {type(values).__name__}; expected a CSR matrix or a dense array")
    if values.dtype != np.float32:
        raise InputError(f"{where}: X is {values.dtype}; expected float32")
    stored = values if is_dense else values.data
    if not stored.size:
        return
    least, most = np.min(stored), np.max(stored)
    if kind in ("samples", "cells") and np.isnan(least):
        raise InputError(f"{where}: X holds NaN, which samples and cells may not (elsewhere it means not measured)")
    if np.isnan(least):
        present = stored[~np.isnan(stored)]
        least, most = (present.min(), present.max()) if present.size else (0.0, 0.0)
    if (least < 0 and kind != "ratios") or not np.isfinite(most):
        raise InputError(f"{where}: X holds {least if least < 0 else most:g}; expected finite values of zero or more")
    if kind == "protein" and not np.isin(stored[~np.isnan(stored)], (0, 1, 2, 3)).all():
        raise InputError(f"{where}: stains must be 0, 1, 2 or 3")
