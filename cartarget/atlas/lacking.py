"""Genes that some of an atlas's donors lack, told by zeros: what is left by joining files that hold different genes.

`anndata.concat(join="outer")` fills the genes that one file lacks with zeros, which read as measured and absent. A
donor lacks genes as no tissue does: genes that every population of the other donors shows, dozens of them at once,
stand on none of his cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from anndata import AnnData

POPULATIONS = 3
"""Populations that must show a gene for it to be one that all cells show."""
CELLS = 30
"""Cells that a population needs for it to show that."""
EXPECTED = 20.0
"""Cells of a donor that should show a gene, his depth allowed for: none instead is no chance."""
GENES = 20
"""Genes of that kind that a donor must lack; fewer may be his own, as those of the Y chromosome are."""
SHARE = 0.1
"""Their share of the genes that he should show."""
_GENES_AT_ONCE = 512


def mark_lacking(adata: AnnData) -> None:
    """Mark genes that stand on no cell of some donors, though all kinds of cells of others show them, in place.

    For each gene, over the donors who show it: the lowest fraction of cells that show it among their populations
    (tissue and cell type; three or more, of thirty cells or more). Times the donor's cells it gives the cells that
    should show it, and times the median of what his other genes show of theirs (at most 1) what his depth allows. Of
    the genes that twenty of his cells or more should show, he lacks some if twenty and a tenth of them are on none.
    Donors who lack the same are one data set, in which every gene that is on none of its cells, and on some of others,
    is not measured.

    Parameters
    ----------
    adata
        An atlas of kind `cells`, of one data set; other atlases, and those whose files tell what they hold, are left as
        they are. `obs["dataset"]`, `varm["is_measured"]` and the notes are changed where donors lack genes.

    Examples
    --------
    >>> from cartarget import simulate_atlas
    >>> adata = simulate_atlas(n_patients=2, n_donors=2, n_background=0)
    >>> mark_lacking(adata)
    >>> adata.varm["is_measured"].to_numpy().all()
    np.True_
    """
    about = adata.uns["cartarget"]
    if about["kind"] != "cells" or pd.DataFrame(adata.varm["is_measured"]).shape[1] != 1:
        return
    donor, people = pd.factorize(adata.obs["donor"].astype(str), sort=True)
    shown, own = _shown(adata, donor)
    signature = _signatures(shown, own, n_cells=np.bincount(donor, minlength=len(people)))
    if not signature.max(initial=0):
        return
    total = np.stack([shown[signature == number].sum(axis=0) > 0 for number in range(signature.max() + 1)])
    names = [about["atlas"], *(f"{about['atlas']}, fewer genes {n}" for n in range(1, len(total)))]
    measured = {name: row | ~total.any(axis=0) for name, row in zip(names, total, strict=True)}
    measured[names[0]][:] = True
    held = {name: column for name, column in measured.items() if (signature == names.index(name)).any()}
    adata.obs["dataset"] = pd.Categorical(np.array(names, dtype=object)[signature[donor]])
    adata.varm["is_measured"] = pd.DataFrame(held, index=adata.var_names)
    notes = [
        f"{int((~measured[name]).sum()):,} genes are zero in every cell of {int((signature == n).sum()):,} of "
        f"{len(people):,} donors, while all kinds of cells of the others show many of them: not measured there (files "
        "with different genes were joined)"
        for n, name in enumerate(names)
        if n
    ]
    adata.uns["cartarget"] = {**about, "notes": [*about["notes"], *notes]}


def _shown(adata: AnnData, donor: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cells that show each gene, donors × genes; and the lowest fraction that does in populations of who shows it."""
    values = sparse.csr_matrix(adata.X)
    marked = sparse.csr_matrix(((values.data > 0).astype(np.int32), values.indices, values.indptr), shape=values.shape)
    place = adata.obs[["side", "tissue", "cell_type"]].astype(str).agg("\t".join, axis=1)
    population = pd.factorize(place, sort=True)[0]
    n_donors = int(donor.max(initial=-1)) + 1
    group, code = np.unique(population * n_donors + donor, return_inverse=True)
    member = sparse.csr_matrix((np.ones(len(code), dtype=np.int32), (code, np.arange(len(code)))))
    counts, size = (member @ marked).tocsc(), np.bincount(code)
    of_population, of_donor = np.divmod(group, n_donors)
    by_population, by_donor = (
        sparse.csr_matrix((np.ones(len(group)), (row, np.arange(len(group))))) for row in (of_population, of_donor)
    )
    shown = np.zeros((n_donors, values.shape[1]), dtype=np.int64)
    lowest = np.zeros(values.shape[1])
    for start in range(0, values.shape[1], _GENES_AT_ONCE):
        part = slice(start, start + _GENES_AT_ONCE)
        hits = counts[:, part].toarray()
        shown[:, part] = by_donor @ hits
        asked = np.where(shown[of_donor, part] > 0, size[:, None], 0)
        cells = by_population @ asked
        tells = cells >= CELLS
        fraction = np.where(tells, (by_population @ hits) / np.maximum(cells, 1), np.inf)
        lowest[part] = np.where(tells.sum(axis=0) >= POPULATIONS, fraction.min(axis=0), 0.0)
    return shown, lowest


def _signatures(shown: NDArray[np.int64], own: NDArray[np.float64], *, n_cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the data set of each donor: 0 holds all genes, every other one lacks some."""
    expected = n_cells[:, None] * own
    ratio = np.where((shown > 0) & (expected >= EXPECTED), shown / np.maximum(expected, 1.0), np.nan)
    is_told = np.isfinite(ratio).any(axis=1)
    depth = np.zeros(len(shown))
    depth[is_told] = np.minimum(np.nanmedian(ratio[is_told], axis=1), 1.0)
    due = expected * depth[:, None] >= EXPECTED
    lacks = due & (shown == 0)
    flagged = (lacks.sum(axis=1) >= GENES) & (lacks.sum(axis=1) >= SHARE * due.sum(axis=1))
    signature = np.zeros(len(shown), dtype=np.int64)
    if flagged.any():
        common = due[flagged].all(axis=0)
        _, number = np.unique(lacks[flagged][:, common], axis=0, return_inverse=True)
        signature[flagged] = 1 + np.ravel(number)
    return signature
