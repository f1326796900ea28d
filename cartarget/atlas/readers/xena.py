"""UCSC Xena matrices: TCGA, TARGET and GTEx through one pipeline (Toil), or one TCGA project (GDC hub).

Toil's matrix of expected counts holds log2(count + 1), that of TPM log2(TPM + 0.001); the GDC hub's `star_counts` hold
log2(count + 1). The logs are undone; values below zero after that are rounding and become 0. Ids are Ensembl
ids with versions.

What each sample is comes from the hub's phenotype table (`samples`), whose columns are `sample`, `detailed_category`,
`primary disease or tissue`, `_primary_site`, `_sample_type`, `_gender`, `_study`, in Latin-1; without it, from the
barcodes. Tumours are the primary tumours of one disease, one sample per patient; normals are all of GTEx and every
normal tissue beside a tumour of TCGA. Metastases, recurrences, germline samples, TARGET and cell lines are left out and
counted.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.atlas.barcodes import as_tissues, left_out, one_per_donor, read_barcodes
from cartarget.atlas.formats.stream import lines
from cartarget.atlas.readers.bulk import build_bulk, check_names
from cartarget.errors import InputError
from cartarget.genes import GeneTable

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_DISEASE, _SITE, _DETAIL = "primary disease or tissue", "_primary_site", "detailed_category"
_TYPE, _STUDY = "_sample_type", "_study"
_FILES = {
    "gene_expected_count": "log2(count + 1)",
    "star_counts": "log2(count + 1)",
    "rsem_gene_tpm": "log2(TPM + 0.001)",
    "star_tpm": "log2(TPM + 1)",
}


def read_xena(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read bulk samples from a Xena matrix.

    Parameters
    ----------
    atlas
        `path` is the matrix; `samples` the hub's phenotype table; `tumor` the disease as that table names it, in which
        `{indication}` is replaced and `*` matches anything (only needed with `samples`); `tissue` the normal
        tissue where there is no table; `unit` one of `cartarget.atlas.formats.matrix.UNITS` where the file's
        name does not say.
    config
        `data_dir` and `indication`.
    genes
        Gene table. None: names as given (Ensembl ids).
    keep
        Symbols to keep; one pass over the file in little memory. None: all, which for the whole of Toil
        takes gigabytes.

    Returns
    -------
    AnnData
        Kind `samples`; unit `CPM`, or `TPM` from TPM. Datasets are the studies.

    Raises
    ------
    InputError
        No sample of the disease (the nearest names are given), a column of the table is missing, no sample is in both
        files, or anything that `build_bulk` rejects.
    """
    path = config.data(atlas.path)
    rows = lines(path)
    number, first = next(rows, (0, b""))
    try:
        header = first.decode("utf-8").split("\t")
    except UnicodeDecodeError:
        raise InputError(f"{path}, line 1: not text in UTF-8; expected a matrix with a header") from None
    if number == 0 or len(header) < 2:
        raise InputError(f"{path}, line 1: found {first[:40]!r}; expected `sample` or an id, and one column per sample")
    columns = check_names([name.strip() for name in header[1:]], path=path)
    table = config.data(atlas.samples) if atlas.samples else None
    obs, notes = _by_table(columns, table, atlas, config) if table else _by_barcode(columns, path, atlas)
    unit = next((unit for word, unit in _FILES.items() if word in path.name), None)
    return build_bulk(
        rows, path=path, label_names=["gene"], columns=columns, obs=obs, kind="samples", atlas=atlas, genes=genes,
        keep=keep, unit=unit, files=[table] if table else [], notes=notes,
    )  # fmt: skip


def _by_barcode(columns: list[str], path: Path, atlas: AtlasConfig) -> tuple[pd.DataFrame, list[str]]:
    said = read_barcodes(columns)
    reasons = said["what"].where(said["side"] == "", "")
    reasons[(said["side"] == "") & (said["what"] == "")] = "without a barcode"
    reasons[(said["side"] != "") & ~one_per_donor(said)] = "further sample of a patient"
    said = said[reasons == ""]
    if said.empty:
        raise InputError(
            f"{path}, line 1: no sample is told by a TCGA or GTEx barcode; set atlases.{atlas.name}.samples"
        )
    if (said["side"] == "normal").any() and not atlas.tissue:
        raise InputError(f"{path}: its normal samples have no tissue; set atlases.{atlas.name}.tissue")
    tissue = [atlas.tissue or "" if side == "normal" else "tumor" for side in said["side"]]
    obs = pd.DataFrame({"side": said["side"], "donor": said["donor"], "tissue": tissue, "cell_type": ""})
    return obs.assign(dataset=path.name.split(".")[0]), left_out(reasons)


def _by_table(columns: list[str], table: Path, atlas: AtlasConfig, config: Config) -> tuple[pd.DataFrame, list[str]]:
    about = read_phenotype(table)
    known = about.reindex(columns)
    if known[_STUDY].isna().all():
        raise InputError(f"{table}: none of its samples is in the matrix; expected names such as {columns[0]!r}")
    said = read_barcodes(columns)
    disease = (atlas.tumor or "*").replace("{indication}", config.indication)
    is_disease = known[_DISEASE].fillna("").map(lambda name: fnmatch.fnmatch(name.lower(), disease.lower()))
    side = said["side"].where(said["study"] != "TARGET", "")
    side = side.where((side != "tumor") | is_disease, "")
    if atlas.tumor and not (side == "tumor").any():
        named = sorted(set(known.loc[said["side"] == "tumor", _DISEASE].dropna()))
        raise InputError(
            f"{table}: no primary tumour of {disease!r}; set atlases.{atlas.name}.tumor to one of {', '.join(named)}"
        )
    given = known[_DISEASE].where(said["study"] == "GTEX", known[_SITE]).fillna("").astype(str).str.strip()
    tissue = as_tissues(given).where(side != "tumor", "tumor")
    reasons = _reasons(known, said, side, tissue)
    frame = pd.DataFrame({"side": side, "donor": said["donor"], "tissue": tissue, "order": said["order"]})
    open_ = frame[reasons == ""]
    reasons[open_.index[~one_per_donor(open_)]] = "further sample of a patient or donor"
    obs = frame[reasons == ""].assign(cell_type="", dataset=said["study"].str.lower())
    if obs.empty:
        raise InputError(f"{table}: no sample is left; {'; '.join(left_out(reasons))}")
    return obs[["side", "donor", "tissue", "cell_type", "dataset"]], left_out(reasons)


def _reasons(known: pd.DataFrame, said: pd.DataFrame, side: pd.Series, tissue: pd.Series) -> pd.Series:
    """Why each sample is left out; empty: it is not."""
    is_line = known[_TYPE].fillna("").str.contains("cell line", case=False) | (said["what"] == "cell line")
    reasons = pd.Series("", index=said.index, dtype=object)
    reasons[(side == "normal") & (tissue == "")] = "without a tissue"
    reasons[(side == "") & (said["side"] == "tumor")] = "tumors of other diseases"
    is_other = (side == "") & (said["side"] == "")
    reasons[is_other] = said["what"].where(said["what"] != "", "without a barcode")[is_other]
    reasons[said["study"] == "TARGET"] = "of TARGET"
    reasons[known[_STUDY].isna()] = "not in the table of samples"
    reasons[is_line] = "cell line"
    return reasons


def read_phenotype(path: Path) -> pd.DataFrame:
    """The Toil hub's table of samples, indexed by sample.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a sample stands twice.
    """
    rows = [line.decode("latin-1").split("\t") for _, line in lines(path)]
    header = [name.strip() for name in rows[0]] if rows else []
    for column in ("sample", _DETAIL, _DISEASE, _SITE, _TYPE, _STUDY):
        if column not in header:
            raise InputError(f"{path}, line 1: column {column!r} is missing; found {', '.join(header) or 'nothing'}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {number}: found {len(row)} fields, expected {len(header)}; mend the row")
    frame = pd.DataFrame(rows[1:], columns=header, dtype=object).set_index("sample")
    for twice in frame.index[frame.index.duplicated()][:1]:
        raise InputError(f"{path}: sample {twice!r} stands twice; keep one row")
    return frame
