"""Atlases on disk between steps: h5ad, with the description as JSON."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.atlas.formats.hdf5 import write_h5ad
from cartarget.files import whole

if TYPE_CHECKING:
    from anndata import AnnData


def write_atlas(adata: AnnData, path: str | os.PathLike[str]) -> None:
    """Write an atlas as `.h5ad`, whole or not at all; `read_stored` gives it back."""
    about = dict(adata.uns["cartarget"])
    about["lost"] = about["lost"].to_dict("list")
    stored = adata.copy()
    stored.uns["cartarget"] = json.dumps(about, ensure_ascii=False)
    with whole(path) as temporary:
        write_h5ad(stored, temporary)


def read_stored(path: str | os.PathLike[str]) -> AnnData:
    """Read an atlas that `write_atlas` wrote."""
    import anndata

    adata = anndata.read_h5ad(path)
    about = json.loads(adata.uns["cartarget"])
    about["lost"] = pd.DataFrame(about["lost"], dtype=object)
    adata.uns["cartarget"] = about
    return adata
