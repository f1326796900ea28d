"""recount3: TCGA and GTEx, and anything of SRA, through one pipeline; base coverage summed by gene.

    ##annotation=G026
    ##date.generated=2020-…
    gene_id <tab> sample <tab> sample …
    ENSG00000278704.1 <tab> 0 <tab> …

A file holds one project: a TCGA project, or a GTEx tissue. Its samples are named by GDC's ids or by GTEx's; beside it
lies the project's table of samples (`tcga.tcga.READ.MD.gz`), whose `external_id` stands for `tcga_barcode` or `smtsd`.
A read counts by its length in bases, which within a sample cancels: coverage becomes CPM as counts do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartarget.atlas.barcodes import as_tissues, left_out, one_per_donor, read_barcodes
from cartarget.atlas.formats.stream import lines
from cartarget.atlas.readers.bulk import build_bulk, check_names
from cartarget.errors import InputError
from cartarget.files import matching
from cartarget.genes import GeneTable

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_NAME = re.compile(r"(?P<source>tcga|gtex)\.gene_sums\.(?P<project>\w+)\.\w+\.gz")


def read_recount3(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read gene sums of recount3.

    Parameters
    ----------
    atlas
        `path` is one file of gene sums, or a pattern that matches several
        (`resources/downloads/recount3_*/*.gene_sums.*.gz`); each needs its table of samples beside it. `tissue` is
        that of normal samples of TCGA.
    config
        `data_dir`.
    genes
        Gene table. None: Ensembl ids as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `samples`, unit `CPM`; `obs["library"]` in bases. Datasets are source and project. Metastases, recurrences,
        cultured cells and further samples of a donor are left out and counted.

    Raises
    ------
    InputError
        No file matches, a file or its table breaks the format, the files are of different annotations, or anything
        that `build_bulk` rejects.
    """
    pattern = config.data(atlas.path)
    files = [file for file in matching(pattern) if file.is_file()]
    if not files:
        raise InputError(
            f"{pattern}: no such file; check atlases.{atlas.name}.path, or fetch it: "
            "`cartarget atlas fetch recount3_tcga:READ recount3_gtex:LIVER`"
        )
    return _joined([_read(file, atlas=atlas, genes=genes, keep=keep) for file in files], files)


def _read(path: Path, *, atlas: AtlasConfig, genes: GeneTable | None, keep: Collection[str] | None) -> AnnData:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise InputError(f"{path}: found this name, expected one such as tcga.gene_sums.READ.G026.gz of recount3")
    source, project = named["source"], named["project"]
    rows = ((number, line) for number, line in lines(path) if not line.startswith(b"##"))
    number, first = next(rows, (0, b""))
    header = first.decode("utf-8", errors="replace").split("\t")
    if header[0] != "gene_id" or len(header) < 2:
        raise InputError(f"{path}, line {number}: found {header[0][:40]!r}; expected gene_id, and one column a sample")
    table = path.with_name(f"{source}.{source}.{project}.MD.gz")
    columns = check_names(header[1:], path=path)
    obs, notes = _samples(columns, read_samples(table), source=source, atlas=atlas, table=table)
    return build_bulk(
        rows, path=path, label_names=["gene"], columns=columns, obs=obs.assign(dataset=f"{source}-{project.lower()}"),
        kind="samples", atlas=atlas, genes=genes, keep=keep, unit="coverage", files=[table],
        notes=[f"{path.name}: {note}" for note in notes],
    )  # fmt: skip


def read_samples(path: Path) -> pd.DataFrame:
    """A project's table of samples, indexed by `external_id`; column names in lower case, without the source.

    Raises
    ------
    InputError
        The file cannot be read, has no `external_id`, or names a sample twice.
    """
    rows = [line.decode("utf-8", errors="replace").split("\t") for _, line in lines(path)]
    header = [name.strip().lower().removeprefix("tcga.").removeprefix("gtex.") for name in rows[0]] if rows else []
    if "external_id" not in header:
        raise InputError(f"{path}, line 1: column 'external_id' is missing; expected recount3's table of samples")
    width = len(header)
    frame = pd.DataFrame([[*row[:width], *[""] * (width - len(row))] for row in rows[1:]], columns=header, dtype=object)
    for twice in frame.loc[frame["external_id"].duplicated(), "external_id"][:1]:
        raise InputError(f"{path}: sample {twice!r} stands twice; keep one row")
    return frame.set_index("external_id")


def _samples(
    columns: list[str], about: pd.DataFrame, *, source: str, atlas: AtlasConfig, table: Path
) -> tuple[pd.DataFrame, list[str]]:
    wanted = {"tcga": "tcga_barcode", "gtex": "smtsd"}[source]
    if wanted not in about:
        raise InputError(f"{table}, line 1: column {wanted!r} is missing; found {', '.join(about.columns[:8])}")
    given = about[wanted].reindex(columns).fillna("").astype(str).str.strip()
    said = read_barcodes(given.tolist() if source == "tcga" else columns).set_index(pd.Index(columns, dtype=object))
    tissue = as_tissues(given) if source == "gtex" else atlas.tissue or ""
    frame = said.assign(tissue=tissue)
    frame.loc[frame["side"] == "tumor", "tissue"] = "tumor"
    reasons = said["what"].where(said["side"] == "", "")
    reasons[(said["side"] == "") & (said["what"] == "")] = "without a barcode"
    reasons[(said["side"] == "normal") & (frame["tissue"] == "")] = (
        "of cultured cells or without a tissue"
        if source == "gtex"
        else f"normal, but atlases.{atlas.name}.tissue is empty"
    )
    left = frame[reasons == ""]
    reasons[left.index[~one_per_donor(left)]] = "further sample of a patient or donor"
    obs = frame.loc[reasons == "", ["side", "donor", "tissue"]].assign(cell_type="")
    if obs.empty:
        raise InputError(f"{table}: no sample is left; {'; '.join(left_out(reasons))}")
    return obs, left_out(reasons)


def _joined(parts: list[AnnData], files: list[Path]) -> AnnData:
    """Several projects as one atlas; all of one annotation."""
    import anndata

    first = parts[0]
    for part, file in zip(parts, files, strict=True):
        if not part.var_names.equals(first.var_names):
            raise InputError(f"{file}: its genes are not those of {files[0].name}; give files of one annotation")
    whole = anndata.concat(parts, merge="same")
    whole.obs["dataset"] = pd.Categorical(whole.obs["dataset"].astype(str))
    datasets = list(whole.obs["dataset"].cat.categories)
    whole.varm["is_measured"] = pd.DataFrame(True, index=whole.var_names, columns=datasets)
    about = [part.uns["cartarget"] for part in parts]
    notes = dict.fromkeys(note for each in about for note in each["notes"])
    whole.uns["cartarget"] = {
        **about[0],
        "files": [file for each in about for file in each["files"]],
        "notes": list(notes),
    }
    return whole
