"""Batches, told honestly: how deep each data set is, how much it detects, how steady its housekeeping genes are.

Bulk values are CPM by the whole library. `scaling: tmm` of an atlas scales its libraries by edgeR's factors as well
(`scale_by_tmm`; Robinson & Oshlack 2010, doi:10.1186/gb-2010-11-3-r25), and says so. No values are ever adjusted across
data sets (quantiles, ComBat): with tumours in one and normals in another that removes the biology.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartarget.atlas.contract import require_atlas
from cartarget.errors import InputError
from cartarget.sheet import ASSAYS

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig

HOUSEKEEPING = ("ACTB", "GAPDH", "B2M", "PPIA", "RPLP0", "TBP", "HPRT1", "UBC", "YWHAZ", "SDHA", "PGK1", "TUBA1B")
"""Genes whose level should be alike everywhere (Eisenberg & Levanon 2013, doi:10.1016/j.tig.2013.05.010, and habit)."""

MAX_SHIFT = 1.0
"""log2: sides whose housekeeping genes differ by more look as if from different pipelines."""

DETECTED = 1.0

BULK = ASSAYS["bulk"]
"""Readers of bulk samples."""


def batch_report(adata: AnnData, *, housekeeping: Sequence[str] = HOUSEKEEPING) -> pd.DataFrame:
    """Depth, detection rate and housekeeping level of each data set and side.

    Parameters
    ----------
    adata
        An atlas of kind samples or cells.
    housekeeping
        Symbols; those that the atlas lacks are passed over.

    Returns
    -------
    DataFrame
        One row per data set and side: `dataset`, `side`, `n_observations`, `n_donors`; `depth`, the median library
        (`obs["library"]` if there, else the sum over the atlas's genes; missing where values are CPM or TPM without
        it); `detection_rate`, the median fraction of genes at 1 or more (CPM, TPM or counts), in [0, 1];
        `housekeeping`, the median over observations of the mean log2(1 + x) of housekeeping genes (counts of cells: per
        ten thousand); `housekeeping_spread`, the median absolute deviation of it, missing without a housekeeping gene;
        `tmm`, the median TMM factor (bulk counts only; 1: as deep as it looks).

    Examples
    --------
    >>> from cartarget.atlas import read_atlas
    >>> from cartarget.config import Config
    >>> report = batch_report(read_atlas(Config().atlases[0], config=Config()))
    >>> report.columns.tolist()[:4]
    ['dataset', 'side', 'n_observations', 'n_donors']
    """
    require_atlas(adata, call="cartarget.batch_report(atlas)")
    values = adata.X
    genes = [gene for gene in housekeeping if gene in adata.var_names]
    level = _level(adata, genes)
    library = adata.obs["library"].to_numpy(dtype=float) if "library" in adata.obs else _library(adata)
    floor = DETECTED if adata.uns["cartarget"]["unit"] != "log1p" else np.log1p(DETECTED)
    detected = np.asarray((values >= floor).sum(axis=1)).ravel() / max(adata.n_vars, 1)
    frame = pd.DataFrame(
        {
            "dataset": adata.obs["dataset"].astype(str),
            "side": adata.obs["side"].astype(str),
            "donor": adata.obs["donor"].astype(str),
            "depth": library,
            "detection_rate": detected,
            "housekeeping": level,
            "tmm": _factors(adata),
        }
    )
    groups = frame.groupby(["dataset", "side"], sort=True)
    report = groups[["depth", "detection_rate", "housekeeping", "tmm"]].median()
    report.insert(0, "n_observations", groups.size())
    report.insert(1, "n_donors", groups["donor"].nunique())
    middle = groups["housekeeping"].transform("median")
    spread = (frame["housekeeping"] - middle).abs().groupby([frame["dataset"], frame["side"]], sort=True).median()
    report.insert(5, "housekeeping_spread", spread)
    return report.reset_index()


def record_batches(adata: AnnData) -> None:
    """Put the batch report and its warnings into `uns["cartarget"]` (`batches`, `notes`), in place; cells, samples."""
    about = adata.uns["cartarget"]
    rows, notes = tell_batches(adata)
    if rows:
        about["batches"], about["notes"] = rows, [*about["notes"], *notes]


def tell_batches(adata: AnnData) -> tuple[list[dict[str, Any]], list[str]]:
    """The batch report as plain data, and its warnings; nothing for what is neither cells nor samples.

    A data set that is called after one of its donors is called by a number: both go into tables and the report.
    """
    if adata.uns["cartarget"]["kind"] not in ("samples", "cells"):
        return [], []
    report = batch_report(adata)
    report["dataset"] = report["dataset"].replace(_numbered(adata))
    return json.loads(report.to_json(orient="records", double_precision=6)), _notes(report)


def _numbered(adata: AnnData) -> dict[str, str]:
    """Data sets that are called after a person in them (one file a patient), and the number that stands for each."""
    donors = adata.obs["donor"].astype(str).groupby(adata.obs["dataset"].astype(str)).unique()
    named = [
        dataset
        for dataset, people in donors.items()
        if dataset != adata.uns["cartarget"]["atlas"] and any(person and person in dataset for person in people)
    ]
    return {dataset: f"data set {number}" for number, dataset in enumerate(named, start=1)}


def _library(adata: AnnData) -> np.ndarray:
    if adata.uns["cartarget"]["unit"] != "counts":
        return np.full(adata.n_obs, np.nan)
    return np.asarray(adata.X.sum(axis=1), dtype=float).ravel()


def _level(adata: AnnData, genes: list[str]) -> np.ndarray:
    if not genes:
        return np.full(adata.n_obs, np.nan)
    part = adata[:, genes].X
    values = np.asarray(part.todense() if sparse.issparse(part) else part, dtype=float)
    unit = adata.uns["cartarget"]["unit"]
    if unit == "log1p":
        return values.mean(axis=1) / np.log(2)
    if unit == "counts":
        library = np.asarray(adata.X.sum(axis=1), dtype=float).ravel()
        values = values / np.where(library > 0, library, 1.0)[:, None] * 1e4
    return np.log2(values + 1).mean(axis=1)


def _notes(report: pd.DataFrame) -> list[str]:
    """Warnings: housekeeping genes apart by more than `MAX_SHIFT` between the sides; data sets that detect little."""
    notes = []
    weight = report["n_observations"]
    means = {
        side: np.average(report.loc[rows, "housekeeping"], weights=weight[rows])
        for side in ("tumor", "normal")
        if (rows := (report["side"] == side) & report["housekeeping"].notna()).any()
    }
    if len(means) == 2 and abs(shift := means["tumor"] - means["normal"]) > MAX_SHIFT:
        notes.append(
            f"batch: housekeeping genes are {abs(shift):.1f} log2 {'higher' if shift > 0 else 'lower'} in the tumour "
            "than in normal tissue, as if from different pipelines: compare levels between the sides with care"
        )
    middle = report["detection_rate"].median()
    poor = report[report["detection_rate"] < middle / 2]
    return notes + [
        f"batch: {dataset} ({side}) detects {rate:.0%} of the genes, others {middle:.0%}"
        for dataset, side, rate in zip(poor["dataset"], poor["side"], poor["detection_rate"], strict=True)
    ]


def pipeline_warnings(atlases: Sequence[AtlasConfig]) -> list[str]:
    """Warn where the tumour and its normal tissue come from different pipelines, as far as the configuration tells.

    The first counted atlas of bulk samples is held against the other ones and against summaries of normal tissue. Two
    atlases are of one pipeline only if both name the same `pipeline`.

    Examples
    --------
    >>> from cartarget.config import AtlasConfig
    >>> atlases = [AtlasConfig(name="toil", reader="xena", path="a"),
    ...            AtlasConfig(name="hpa", reader="hpa_long", path="b", role="normal")]
    >>> pipeline_warnings(atlases)
    ['Tumour and normal tissue come from different pipelines (toil against hpa): differences may be technical.']
    """
    counted = [atlas for atlas in atlases if atlas.role == "counted"]
    tumor = next((atlas for atlas in counted if atlas.reader in BULK), counted[0])
    beside = [atlas for atlas in atlases if atlas.role == "normal" or (atlas in counted and atlas.reader in BULK)]
    others = [
        atlas.name
        for atlas in beside
        if atlas != tumor and (atlas.pipeline is None or atlas.pipeline != tumor.pipeline)
    ]
    if not others:
        return []
    apart = f"{tumor.name} against {', '.join(others)}"
    return [f"Tumour and normal tissue come from different pipelines ({apart}): differences may be technical."]


def scale_by_tmm(adata: AnnData) -> None:
    """Divide each sample's CPM by its TMM factor, in place, and note it: CPM of the library times the factor.

    The factors are of the genes that the atlas holds; `obs["tmm"]` keeps them.

    Raises
    ------
    InputError
        The atlas holds no bulk counts (CPM of a known library).
    """
    about = adata.uns["cartarget"]
    factors = _factors(adata)
    if np.isnan(factors).all():
        raise InputError(
            f"atlas {about['atlas']!r}: scaling tmm needs bulk counts, found {about['kind']} in {about['unit']}; "
            "remove `scaling`"
        )
    adata.X = (adata.X / factors[:, None]).astype(np.float32)
    adata.obs["tmm"] = factors
    about["notes"] = [
        *about["notes"],
        f"libraries are scaled by TMM over {adata.n_vars:,} genes: factors {factors.min():.2f} to {factors.max():.2f}",
    ]


def _factors(adata: AnnData) -> np.ndarray:
    """TMM factor of each sample of bulk counts not yet scaled; else missing."""
    about = adata.uns["cartarget"]
    if about["kind"] != "samples" or about["unit"] != "CPM" or "library" not in adata.obs or "tmm" in adata.obs:
        return adata.obs["tmm"].to_numpy() if "tmm" in adata.obs else np.full(adata.n_obs, np.nan)
    library = adata.obs["library"].to_numpy(dtype=float)
    return tmm_factors(np.asarray(adata.X) * (library / 1e6).astype(np.float32)[:, None], library=library)


def tmm_factors(values: np.ndarray, *, library: np.ndarray, trim: float = 0.3, sum_trim: float = 0.05) -> np.ndarray:
    """Trimmed means of M values: by what each library is to be multiplied, as edgeR's `calcNormFactors` has it.

    The reference is the sample whose upper quartile (of values over library) is nearest the mean of all. Of the genes
    positive in both, those with the most extreme log ratios M (`trim` at each end) and averages A (`sum_trim`) are left
    out; the factor is 2 to the mean of the others' M, weighted by the inverse of its approximate variance.

    Parameters
    ----------
    values
        Samples × genes, counts.
    library
        Counts of each sample over all genes.
    trim, sum_trim
        Fractions left out.

    Returns
    -------
    ndarray
        One factor per sample; their geometric mean is 1. A sample without genes in common with the reference has 1.

    Notes
    -----
    Robinson MD, Oshlack A 2010, Genome Biology 11:R25, doi:10.1186/gb-2010-11-3-r25.

    Examples
    --------
    >>> counts = np.array([[10.0, 20, 30, 40], [20, 40, 60, 80]])
    >>> tmm_factors(counts, library=counts.sum(axis=1)).round(6).tolist()
    [1.0, 1.0]
    """
    quartile = np.array([np.quantile(row, 0.75) for row in values]) / library
    reference = int(np.argmin(np.abs(quartile - quartile.mean())))
    other = np.asarray(values[reference], dtype=float)
    factors = np.array(
        [
            _tmm(np.asarray(row, dtype=float), other, n, library[reference], trim, sum_trim)
            for row, n in zip(values, library, strict=True)
        ]
    )
    return factors / np.exp(np.log(factors).mean())


def _tmm(row: np.ndarray, other: np.ndarray, n: float, n_other: float, trim: float, sum_trim: float) -> float:
    both = (row > 0) & (other > 0)
    row, other = row[both], other[both]
    if not len(row):
        return 1.0
    level, level_other = np.log2(row / n), np.log2(other / n_other)
    ratio, mean = level - level_other, (level + level_other) / 2
    if np.abs(ratio).max() < 1e-6:
        return 1.0
    size = len(row)
    low, low_mean = np.floor(size * trim) + 1, np.floor(size * sum_trim) + 1
    is_kept = _between(ratio, low, size + 1 - low) & _between(mean, low_mean, size + 1 - low_mean)
    if not is_kept.any():
        return 1.0
    row, other = row[is_kept], other[is_kept]
    weight = 1 / ((n - row) / n / row + (n_other - other) / n_other / other)
    return float(2 ** ((ratio[is_kept] * weight).sum() / weight.sum()))


def _between(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Which values have a rank from `low` to `high`, where equal values share the mean of their ranks."""
    ordered = np.sort(values)

    def rank(value: float) -> float:
        return float(np.searchsorted(ordered, value) + 1 + np.searchsorted(ordered, value, side="right")) / 2

    first, last = ordered[int(low) - 1], ordered[int(high) - 1]
    above = values >= first if rank(first) >= low else values > first
    below = values <= last if rank(last) <= high else values < last
    is_between: np.ndarray = above & below
    return is_between
