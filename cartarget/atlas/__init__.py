"""What is expressed where: public or private files become one AnnData contract."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config
    from cartarget.genes import GeneTable


def read_atlas(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None = None, keep: Collection[str] | None = None
) -> AnnData:
    """Read one atlas of the configuration into the atlas contract (see `cartarget.atlas.contract`).

    Parameters
    ----------
    atlas
        The atlas's entry in the configuration; `atlas.reader` picks the reader.
    config
        The run, for `data_dir` and the indication.
    genes
        Gene table through which every name goes. None: names are taken as given.
    keep
        Symbols to keep, to save memory; libraries are sized before. None: all.

    Returns
    -------
    AnnData
        Observations × genes, float32, as the contract says; checked. How deep each data set is and how much it detects
        tells `cartarget.batch_report`.

    Raises
    ------
    InputError
        A file is absent or breaks its format, the atlas breaks the contract or holds none of `keep`, or `scaling` or
        `purity` do not fit it.

    Examples
    --------
    >>> from cartarget.config import AtlasConfig, Config
    >>> read_atlas(AtlasConfig(name="x", reader="ihc", path="absent.tsv"), config=Config())
    Traceback (most recent call last):
    cartarget.errors.InputError: absent.tsv: no such file...
    """
    from cartarget.atlas.batch import scale_by_tmm
    from cartarget.atlas.contract import validate_atlas
    from cartarget.atlas.lacking import mark_lacking
    from cartarget.atlas.purity import add_purity
    from cartarget.atlas.registry import READERS
    from cartarget.errors import InputError

    adata = READERS[atlas.reader].read(atlas, config=config, genes=genes, keep=keep)
    validate_atlas(adata)
    mark_lacking(adata)
    if keep is not None and not adata.n_vars:
        some = ", ".join(sorted(keep)[:3])
        raise InputError(
            f"atlas {atlas.name}: it shares none of the {len(keep)} genes that the run asks for ({some} …); name its "
            "genes by current symbols, or give a gene table that knows its ids (genes.table)"
        )
    if atlas.scaling == "tmm":
        scale_by_tmm(adata)
    if atlas.purity:
        add_purity(adata, path=config.data(atlas.purity))
    return adata
