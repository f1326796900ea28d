"""Antigens that are one isoform of a gene: which share of the gene's transcripts carries them, sample by sample.

    TCGA and GTEx by Toil     sample <tab> samples …                        log2(TPM + 0.001)
    GTEx, GCT                 #1.2 …, transcript_id <tab> gene_id <tab> …   TPM

The share of the transcripts times the gene's own value keeps the unit of the atlas, and with it every threshold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from cartarget.atlas.formats.matrix import find_unit, peek, stream_matrix
from cartarget.atlas.formats.stream import lines
from cartarget.errors import InputError
from cartarget.evidence.positivity import dense
from cartarget.files import sha256

SHARES = "isoform_share"
"""Where an atlas holds the shares (`obsm`) until they are applied."""

_LABELS = ("gene_id", "gene", "Description")
_TRANSCRIPT = re.compile(rb"^ENST\d{11}")
_UNITS = {"isoform_tpm": "log2(TPM + 0.001)", "tpm": "TPM"}
"""Word in a file's name → what its values are."""


@dataclass(frozen=True)
class IsoformAntigen:
    """An antigen that only some transcripts of a gene carry.

    Attributes
    ----------
    antigen, gene
        Names; the antigen's is that of a derived antigen where a run judges it.
    transcripts, others
        Ensembl transcripts that carry it, and those of the gene that do not; empty: no reference transcript does.
    differs
        What differs outside the cell.
    carried_in, other_in
        Tissues with the isoform, and tissues with another isoform of the gene.
    source, source_title
        Identifier and title.
    """

    antigen: str
    gene: str
    transcripts: tuple[str, ...]
    others: tuple[str, ...]
    differs: str
    carried_in: str
    other_in: str
    source: str
    source_title: str

    @property
    def note(self) -> str:
        """What numbers of the whole gene cannot tell, and where it matters."""
        return (
            f"Numbers of the gene {self.gene} cannot tell {self.antigen} from its other isoforms ({self.differs}). It "
            f"matters in: {self.carried_in} ({self.antigen}); {self.other_in} ({self.source})."
        )


def read_transcripts(path: str | os.PathLike[str], *, wanted: Sequence[str]) -> pd.DataFrame:
    """Read some transcripts of a table of TPM: Toil's, or GTEx's in text or GCT.

    Parameters
    ----------
    path
        Tab-separated, transcripts × samples, plain or `.gz`; ids are Ensembl transcripts with or without version. What
        the values are is told by the name (`isoform_tpm`: log2(TPM + 0.001), else `tpm`: TPM), or by the values.
    wanted
        Transcripts without version.

    Returns
    -------
    DataFrame
        Samples × those of `wanted` that the file holds, TPM.

    Raises
    ------
    InputError
        The file cannot be read, its rows are no transcripts, a sample or wanted transcript stands twice, a row is
        ragged or holds no number, or the unit cannot be told.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "isoform_tpm.tsv"
    >>> _ = file.write_text("sample\\tS1\\nENST00000343735.7\\t3\\nENST00000000001.1\\t-9.9658\\n")
    >>> read_transcripts(file, wanted=["ENST00000343735"]).round(1).values.tolist()
    [[8.0]]
    """
    path = Path(path)
    rows = lines(path)
    labels, samples = _header(rows, path)
    first, rows = peek(rows)
    if first and not any(_TRANSCRIPT.match(line.lstrip(b'"')) for _, line in first):
        raise InputError(
            f"{path}, line {first[0][0]}: {first[0][1][:30]!r} is no Ensembl transcript (ENST…); give a table of "
            "transcripts, not of genes"
        )
    slots = np.arange(len(samples), dtype=np.int32)
    look = stream_matrix(iter(first), where=path, label_names=labels, slots=slots, shift=0.0, wanted=lambda _: False)
    stated = next((unit for word, unit in _UNITS.items() if word in path.name.lower()), None)
    unit = find_unit(stated, first=look, where=path, key="the unit in the file's name (isoform_tpm, tpm)")
    held = {name.encode() for name in wanted}
    chosen = [row for row in rows if row[1].lstrip(b'"')[:15] in held]
    if not chosen:
        return pd.DataFrame(index=pd.Index(samples, dtype=object))
    table = stream_matrix(
        iter(chosen), where=path, label_names=labels, slots=slots, shift=unit.shift, wanted=lambda _: True
    )
    found = table.labels[labels[0]].str[:15]
    for twice in found[found.duplicated() & ~table.labels[labels[0]].str.contains("_PAR_Y")][:1]:
        raise InputError(f"{path}: transcript {twice!r} stands twice; keep one row")
    return pd.DataFrame(table.values.astype(np.float64), index=pd.Index(samples, dtype=object), columns=found.array)


def _header(rows: Iterator[tuple[int, bytes]], path: Path) -> tuple[list[str], list[str]]:
    """What the leading columns are called, and the samples."""
    number, line = next(rows, (1, b""))
    if line.startswith(b"#1."):
        next(rows, None)
        number, line = next(rows, (3, b""))
    try:
        names = [name.strip().strip('"') for name in line.decode("utf-8-sig").split("\t")]
    except UnicodeDecodeError:
        raise InputError(f"{path}, line {number}: not text in UTF-8; give a table of transcripts × samples") from None
    n_labels = 1 + sum(1 for name in names[1:3] if name in _LABELS)
    labels, samples = names[:n_labels], names[n_labels:]
    if not samples:
        raise InputError(f"{path}, line {number}: found {len(names)} columns; expected an id and one per sample")
    for twice in pd.Index(samples)[pd.Index(samples).duplicated()][:1]:
        raise InputError(f"{path}, line {number}: sample {twice!r} stands twice; each needs its own name")
    return labels, samples


def isoform_shares(tpm: pd.DataFrame, isoforms: Mapping[str, IsoformAntigen]) -> pd.DataFrame:
    """Which share of a gene's transcripts carries each isoform antigen.

        share = sum of TPM over its transcripts / sum over its transcripts and the others

    Parameters
    ----------
    tpm
        Samples × transcripts (`read_transcripts`).
    isoforms
        Antigens by name. Those without transcripts are left out: no table of reference transcripts tells them.

    Returns
    -------
    DataFrame
        Samples × antigens, in [0, 1]; missing where none of the transcripts has TPM. An antigen of which the table
        lacks every carrier, or every other transcript, is missing throughout: unknown.

    Examples
    --------
    >>> from cartarget.run.isoforms import read_isoforms
    >>> tpm = pd.DataFrame({"ENST00000343735": [6.0, 0.0], "ENST00000183605": [2.0, 0.0]})
    >>> isoform_shares(tpm, read_isoforms())["CLDN18.2"].tolist()
    [0.75, nan]
    """
    found = {}
    for name, isoform in isoforms.items():
        if not isoform.transcripts:
            continue
        own, other = (
            tpm.reindex(columns=[each for each in group if each in tpm])
            for group in (isoform.transcripts, isoform.others)
        )
        carried = own.sum(axis=1)
        total = carried + other.sum(axis=1)
        is_told = own.shape[1] > 0 and other.shape[1] > 0
        found[name] = (carried / total.where(total > 0)) if is_told else pd.Series(np.nan, index=tpm.index)
    return pd.DataFrame(found, index=tpm.index, dtype=float)


def add_shares(adata: AnnData, *, path: str | os.PathLike[str], isoforms: Mapping[str, IsoformAntigen]) -> None:
    """Give each sample of an atlas the share of each isoform antigen, in place: `obsm[SHARES]`.

    A sample that the table holds but in which none of a gene's transcripts has TPM cannot be split: the whole gene
    counts in normal tissue and nothing of it in a tumour, the cautious side of both. A sample that the table does not
    hold is missing.

    Raises
    ------
    InputError
        The atlas is not of bulk samples, the table shares no sample with it, or holds none of the transcripts; or
        anything that `read_transcripts` rejects.
    """
    about = adata.uns["cartarget"]
    where = f"atlas {about['atlas']!r}"
    if about["kind"] != "samples":
        raise InputError(f"{where}: transcripts are of bulk samples, found {about['kind']}; remove `transcripts`")
    wanted = list(dict.fromkeys(chain.from_iterable((*i.transcripts, *i.others) for i in isoforms.values())))
    tpm = read_transcripts(path, wanted=wanted)
    if tpm.shape[1] == 0:
        raise InputError(
            f"{path}: holds none of the transcripts by which isoforms are told ({', '.join(wanted[:2])} …); give the "
            f"whole table, or remove atlases.{about['atlas']}.transcripts"
        )
    is_held = adata.obs_names.isin(tpm.index)
    if not is_held.any():
        raise InputError(f"{path}: shares no sample with {where}; expected names such as {adata.obs_names[0]!r}")
    shares = isoform_shares(tpm, isoforms)
    is_told = shares.notna().any(axis=0)
    shares = shares.reindex(adata.obs_names)
    is_normal = (adata.obs["side"].astype(str) == "normal").to_numpy(dtype=float)
    for name in shares.columns[is_told]:
        shares[name] = shares[name].where(shares[name].notna() | ~is_held, is_normal)
    adata.obsm[SHARES] = shares
    about["files"] = [*about["files"], {"path": str(path), "sha256": sha256(path)}]
    told = [
        f"{name} is told by transcripts in {int(is_held.sum())} of {adata.n_obs} samples"
        for name in shares.columns[is_told]
    ]
    lacking = [
        f"{name} is unknown: the table of transcripts lacks those of {isoforms[str(name)].gene}"
        for name in shares.columns[~is_told]
    ]
    about["notes"] = [*about["notes"], *told, *lacking]


def told(adata: AnnData) -> set[str]:
    """Isoform antigens that an atlas's own transcripts tell in all of its tumours.

    Examples
    --------
    >>> adata = AnnData(np.zeros((1, 1)), obs=pd.DataFrame({"side": ["tumor"]}, index=["a"]))
    >>> adata.obsm[SHARES] = pd.DataFrame({"CLDN18.2": [0.5]}, index=["a"])
    >>> told(adata)
    {'CLDN18.2'}
    """
    return set(map(str, adata.obsm[SHARES])) - untold(adata) if SHARES in adata.obsm else set()


def untold(adata: AnnData) -> set[str]:
    """Isoform antigens that an atlas's own transcripts leave unknown in some of its tumours.

    Examples
    --------
    >>> adata = AnnData(np.zeros((1, 1)), obs=pd.DataFrame({"side": ["tumor"]}, index=["a"]))
    >>> adata.obsm[SHARES] = pd.DataFrame({"CLDN18.2": [np.nan], "CD44v6": [0.5]}, index=["a"])
    >>> untold(adata)
    {'CLDN18.2'}
    """
    if SHARES not in adata.obsm:
        return set()
    tumor = adata.obsm[SHARES][(adata.obs["side"].astype(str) == "tumor").to_numpy()]
    return {str(name) for name in tumor if tumor[name].isna().any()}


def with_isoforms(adata: AnnData, *, isoforms: Mapping[str, IsoformAntigen]) -> AnnData:
    """Replace proxies of isoform antigens by what the transcripts say: the gene's value times the isoform's share.

    Parameters
    ----------
    adata
        An atlas after `evidence.derived.with_derived`, in which each antigen has the value of its whole gene. Without
        shares (`add_shares`) it is given back as it is.
    isoforms
        Antigens by name.

    Returns
    -------
    AnnData
        A copy. A data set in which some sample has no share does not measure the antigen (`varm["is_measured"]`). The
        antigens are named in `uns["cartarget"]["isoforms"]`, and are derived no more.

    Examples
    --------
    >>> from cartarget.run.isoforms import read_isoforms
    >>> var = pd.DataFrame(index=["CLDN18", "CLDN18.2"])
    >>> obs = pd.DataFrame({"dataset": pd.Categorical(["gtex"])}, index=["lung"])
    >>> adata = AnnData(np.array([[200.0, 200.0]], dtype="float32"), obs=obs, var=var)
    >>> adata.uns["cartarget"] = {"derived": {"CLDN18.2": "CLDN18"}}
    >>> adata.obsm[SHARES] = pd.DataFrame({"CLDN18.2": [0.01]}, index=["lung"])
    >>> with_isoforms(adata, isoforms=read_isoforms()).X.ravel().tolist()
    [200.0, 2.0]
    """
    if SHARES not in adata.obsm:
        return adata
    out, shares = adata.copy(), adata.obsm[SHARES]
    del out.obsm[SHARES]
    values = np.array(dense(out.X))
    names = [str(name) for name in shares if name in out.var_names and isoforms[str(name)].gene in out.var_names]
    measured = pd.DataFrame(out.varm["is_measured"], index=out.var_names) if "is_measured" in out.varm else None
    dataset = out.obs["dataset"].astype(str).to_numpy()
    for name in names:
        share = shares[name].to_numpy(dtype=float)
        gene = values[:, out.var_names.get_loc(isoforms[name].gene)]
        values[:, out.var_names.get_loc(name)] = np.where(np.isnan(share), 0, gene * share)
        if measured is not None:
            measured.loc[name, list(measured.columns.intersection(np.unique(dataset[np.isnan(share)])))] = False
    out.X = values
    if measured is not None:
        out.varm["is_measured"] = measured
    about = out.uns["cartarget"]
    derived = {name: text for name, text in about.get("derived", {}).items() if name not in names}
    out.uns["cartarget"] = {**about, "derived": derived, "isoforms": {name: isoforms[name].gene for name in names}}
    return out
