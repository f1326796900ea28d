"""Single cells in a `.zarr` folder of anndata, read as an `.h5ad` is: a few thousand cells at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from cartarget.atlas.formats.hdf5 import guarded
from cartarget.atlas.readers.h5ad import read_store
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config


def read_zarr(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read single cells from a `.zarr` folder.

    Parameters
    ----------
    atlas, config, genes, keep
        As in `cartarget.atlas.readers.h5ad.read_h5ad`.

    Returns
    -------
    AnnData
        The same as from the `.h5ad` of the same data. The checksum is that of all files' checksums, by name.

    Raises
    ------
    InputError
        The folder is absent or no anndata store, or anything that `read_store` rejects.
    """
    import zarr

    path = config.data(atlas.path)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; check data_dir and atlases.{atlas.name}.path")
    with guarded(path, what="a zarr folder of anndata"):
        group = zarr.open_group(str(path), mode="r")
        return read_store(group, atlas=atlas, where=str(path), genes=genes, keep=keep, sha256=folder_sha256(path))


def folder_sha256(folder: Path) -> str:
    """SHA-256 over names and checksums of a folder's files, in order of their names."""
    total = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        total.update(f"{file.relative_to(folder).as_posix()}\t{sha256(file)}\n".encode())
    return total.hexdigest()
