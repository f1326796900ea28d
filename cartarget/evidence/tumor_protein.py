"""Is the protein there in the tumour? What stained patients and protein ratios say of each gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.evidence.panel import STAINS
from cartarget.evidence.positivity import dense

if TYPE_CHECKING:
    from anndata import AnnData


def tumor_protein(atlas: AnnData, *, stain: str = "Medium") -> pd.DataFrame:
    """What an atlas of protein in tumours says of each gene.

    Parameters
    ----------
    atlas
        Kind `stained` (patients by level of stain) or `ratios` (log2 ratios of tumours and paired normals).
    stain
        The stain that counts, a key of `STAINS`, or a stronger one.

    Returns
    -------
    DataFrame
        Indexed by symbol. `stained`: `protein_stained`, the fraction of graded patients who are stained, in [0, 1], and
        `n_protein_stained`, how many were graded. `ratios`: `protein_ratio`, the median over patients of tumour minus
        normal (log2, the samples of a patient averaged), and `n_protein_ratio`, how many patients have both. Missing
        where nobody was measured.

    Raises
    ------
    InputError
        The atlas is of another kind.

    Examples
    --------
    >>> import anndata
    >>> obs = pd.DataFrame({"side": ["tumor", "normal"] * 2, "donor": ["p", "p", "q", "q"]}, index=list("abcd"))
    >>> adata = anndata.AnnData(np.array([[2.0], [0.5], [1.0], [np.nan]]), obs=obs, var=pd.DataFrame(index=["EPCAM"]))
    >>> adata.uns["cartarget"] = {"kind": "ratios", "atlas": "cptac"}
    >>> tumor_protein(adata).loc["EPCAM"].tolist()
    [1.5, 1.0]
    """
    about = atlas.uns["cartarget"]
    values = pd.DataFrame(dense(atlas.X), columns=atlas.var_names)
    if about["kind"] == "stained":
        counts, level = values.to_numpy(dtype=float), atlas.obs["level"].to_numpy()
        n = counts.sum(axis=0)
        share = np.divide(counts[level >= STAINS[stain]].sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
        return pd.DataFrame({"protein_stained": share, "n_protein_stained": n}, index=atlas.var_names)
    if about["kind"] != "ratios":
        raise InputError(
            f"atlas {about['atlas']!r}: role tumor_protein is for readers ihc_cancer and cptac, found kind "
            f"{about['kind']!r}; give it another role"
        )
    keys = [atlas.obs[name].astype(str).to_numpy() for name in ("side", "donor")]
    by_side = values.groupby(keys).mean()
    tumor, normal = (by_side.loc[side] for side in ("tumor", "normal"))
    gain = tumor - normal
    return pd.DataFrame({"protein_ratio": gain.median(), "n_protein_ratio": gain.notna().sum()})
