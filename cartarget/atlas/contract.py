"""What every atlas looks like once it is read, and the check that it does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartarget.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

KINDS = {
    "samples": "bulk samples",
    "cells": "single cells",
    "summary": "one number per tissue or cell type",
    "protein": "one stain per tissue and cell type: 0 not detected, 1 low, 2 medium, 3 high",
    "stained": "patients whose tumour is stained, by level",
    "ratios": "protein of tumours and normals by mass spectrometry, log2 ratios to one reference",
}
UNITS = ("CPM", "counts", "log1p", "nTPM", "TPM", "NX", "stain", "patients", "log2 ratio")
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
        Frames indexed by observation id and by symbol; `genes` has the column `given`.
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
    }
    return adata


def validate_atlas(adata: AnnData) -> None:
    """Check that an atlas keeps the contract.

    - `X` observations × genes, float32, dense or CSR; finite; not negative (but for log ratios); NaN (*not measured*)
      not in kinds `samples` and `cells`; stains are 0, 1, 2 or 3.
    - `obs`: unique ids; `side` (`tumor`, `normal`), `donor`, `tissue`, `cell_type` (empty for bulk), `dataset`,
      all text without gaps; each normal observation says a tissue or a cell type.
    - `var`: unique symbols and `given`.
    - `varm["is_measured"]`: genes × datasets, boolean (kinds samples and cells).
    - `uns["cartarget"]`: kind, unit, atlas, files, lost, notes, is_simulated.

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
    for key, allowed in (("kind", tuple(KINDS)), ("unit", UNITS)):
        if about[key] not in allowed:
            raise InputError(f"{where}: {key} is {about[key]!r}; expected one of {', '.join(allowed)}")
    _check_obs(adata.obs, where=where)
    _check_var(adata, where=where, kind=about["kind"])
    _check_values(adata, where=where, kind=about["kind"])
    if list(about["lost"].columns) != ["name", "reason"]:
        raise InputError(f"{where}: uns['cartarget']['lost'] needs the columns name and reason")


def _check_obs(obs: pd.DataFrame, *, where: str) -> None:
    if not len(obs):
        raise InputError(f"{where}: no observation; check the path and the patterns of its files")
    for twice in obs.index[obs.index.duplicated()][:1]:
        raise InputError(f"{where}: observation {twice!r} stands twice; each needs its own name")
    for column in _OBS:
        if column not in obs:
            raise InputError(f"{where}: obs[{column!r}] is missing")
        if obs[column].isna().any():
            gap = obs.index[obs[column].isna()][0]
            raise InputError(f"{where}: obs[{column!r}] is empty for {gap!r}; expected text")
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
