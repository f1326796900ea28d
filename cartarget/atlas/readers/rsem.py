"""Bulk count matrices: a folder with one file per tissue (RNAseqDB), or one table with tumours and normals.

Counts become CPM by the whole library, before any gene is dropped or lost:

    CPM[sample, gene] = count[sample, gene] / sum over all rows of the file (count[sample, ·]) × 10⁶

in plain numpy (float64 sums, float32 values): the same arithmetic as `scanpy.pp.normalize_total(target_sum=1e6)`,
without a second copy of the matrix. Files are read one at a time, and only the wanted genes are kept.

Folder: `<prefix>-rsem-count-<cohort>.txt.gz` is normal tissue, `<prefix>-rsem-count-<cohort>-t.txt.gz` a tumour. The
tumour is that of the run's indication; other tumours are left out; every normal is read. What tissue a prefix stands
for is in `resources/tcga_normals.tsv`. One table: the sample type in the TCGA barcode (01–09 tumour, 10–19 normal).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.tables import NumberTable, label_columns, read_header, read_numbers, resolve_labels
from cartarget.errors import InputError
from cartarget.files import resource, sha256
from cartarget.genes import GeneTable, Merged, MergePlan, apply_plan, plan_merge, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

_TUMOR = "{indication}-rsem-count-*-t.txt*"
_NAME = re.compile(r"^(?P<prefix>.+?)-rsem-count-(?P<cohort>.+?)\.(txt|tsv|csv)(\.gz)?$")
_RESOURCE = Path("resources") / "tcga_normals.tsv"
_LOG_MAX = 50.0


def read_rsem(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read bulk counts, tumour and normal, as CPM.

    Parameters
    ----------
    atlas
        `path` is a folder of count files or one table; `tumor` and `normal` override the patterns of file names in a
        folder (`normal` alone: a folder of normal tissue needs no tumour); `tissue` names the normal tissue of one
        table.
    config
        `data_dir` and `indication`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `samples`, unit `CPM`, samples × genes. Donors are the first three fields of a TCGA barcode, the first two
        of a GTEx one, else the sample. A gene that a file lacks is 0 there and not measured. Tumour samples have the
        tissue `tumor`.

    Raises
    ------
    InputError
        No tumour or no normal file, a sample on both sides or twice, data on a log scale, or anything that
        `cartarget.atlas.formats.tables.read_numbers` rejects; the message names the file.
    """
    path = config.data(atlas.path)
    if path.is_dir():
        files = _sides(path, atlas=atlas, indication=config.indication)
    elif path.is_file():
        return read_count_table(path, atlas=atlas, genes=genes, keep=keep)
    else:
        raise InputError(f"{path}: no such file or folder; check data_dir and atlases.{atlas.name}.path")
    _check_samples(files)
    table, tissues = _tissues()
    parts = [(file, _folder_obs(file, side, tissues)) for file, side in files.items()]
    adata = _gather(parts, atlas=atlas, genes=genes, keep=keep)
    adata.uns["cartarget"]["files"].append({"path": _RESOURCE.as_posix(), "sha256": sha256(table)})
    return adata


def read_count_table(
    path: Path, *, atlas: AtlasConfig, genes: GeneTable | None = None, keep: Collection[str] | None = None
) -> AnnData:
    """Read one table of bulk counts whose TCGA barcodes tell tumour (01–09) from normal (10–19).

    Parameters
    ----------
    path
        Genes × samples, with symbols, `SYMBOL|ENTREZ` or Entrez ids in the first column.
    atlas
        `tissue` is the tissue of the normal samples.
    genes, keep
        As in `read_rsem`.

    Returns
    -------
    AnnData
        As `read_rsem`.

    Raises
    ------
    InputError
        A sample whose name has no sample type, normal samples without `tissue`, and all that `read_rsem` rejects.
    """
    header = read_header(path)
    samples = header[label_columns(header) :]
    kinds = [re.match(r"TCGA-\w{2}-\w{4}-(\d{2})", name) for name in samples]
    sides = []
    for name, kind in zip(samples, kinds, strict=True):
        if kind is None or int(kind[1]) >= 20:
            raise InputError(
                f"{path}, line 1: sample {name!r} does not say tumour or normal; expected a TCGA barcode with "
                "sample type 01–19, or a folder with one file per tissue"
            )
        sides.append("tumor" if int(kind[1]) < 10 else "normal")
    if "normal" in sides and not atlas.tissue:
        raise InputError(f"{path}: its normal samples have no tissue; set atlases.{atlas.name}.tissue")
    tissue = ["tumor" if side == "tumor" else atlas.tissue or "" for side in sides]
    obs = _obs(samples, side=sides, tissue=tissue, dataset=path.name.split(".")[0])
    return _gather([(path, obs)], atlas=atlas, genes=genes, keep=keep)


def donor(sample: str) -> str:
    """The person a sample is from: three fields of a TCGA barcode, two of a GTEx one, else the sample itself.

    Examples
    --------
    >>> donor("TCGA-AG-3742-11A-01R-1660-07"), donor("GTEX-S32W-1626-SM-4AD6G"), donor("P7")
    ('TCGA-AG-3742', 'GTEX-S32W', 'P7')
    """
    found = re.match(r"TCGA-\w+-\w+|GTEX-\w+", sample)
    return found[0] if found else sample


def _sides(folder: Path, *, atlas: AtlasConfig, indication: str) -> dict[Path, str]:
    """Every file to read, and its side; tumours first, then by name."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    pattern = (atlas.tumor or _TUMOR).replace("{indication}", indication)
    tumor = fnmatch.filter(names, pattern)
    if not tumor and (atlas.tumor is not None or atlas.normal is None):
        known = sorted({name.split("-")[0] for name in fnmatch.filter(names, _TUMOR.replace("{indication}", "*"))})
        raise InputError(
            f"{folder}: no tumour file {pattern!r}; set `indication` to one that is there "
            f"({', '.join(known) or 'none'}) or atlases.{atlas.name}.tumor to the pattern of its file name"
        )
    if atlas.normal is not None:
        normal = fnmatch.filter(names, atlas.normal.replace("{indication}", indication))
    else:
        normal = [name for name in fnmatch.filter(names, "*-rsem-count-*") if not re.search(r"-t\.\w+(\.gz)?$", name)]
    normal = [name for name in normal if name not in tumor]
    if not normal:
        raise InputError(
            f"{folder}: no file of normal tissue ({atlas.normal or '<prefix>-rsem-count-<cohort>.txt.gz'}); "
            f"set atlases.{atlas.name}.normal to the pattern of their names"
        )
    return {folder / name: side for side, group in (("tumor", tumor), ("normal", normal)) for name in group}


def _check_samples(files: dict[Path, str]) -> None:
    """No sample may stand in two files: on one side it would count twice, on both it would be its own control."""
    seen: dict[str, Path] = {}
    for file, side in files.items():
        header = read_header(file)
        for sample in header[label_columns(header) :]:
            if sample in seen:
                other = seen[sample]
                what = "is on both sides, tumour and normal" if files[other] != side else "stands twice"
                raise InputError(f"{file}, line 1: sample {sample!r} {what}: also in {other.name}; remove one")
            seen[sample] = file


def _tissues() -> tuple[Path, dict[str, str]]:
    """Where the table of prefixes is, and the tissue of each prefix."""
    table = resource(_RESOURCE)
    if not table.is_file():
        raise InputError(f"{_RESOURCE}: no such file; install cartarget again")
    frame = pd.read_csv(table, sep="\t", dtype=str)
    return table, dict(zip(frame["prefix"], frame["tissue"], strict=True))


def _folder_obs(file: Path, side: str, tissues: dict[str, str]) -> pd.DataFrame:
    header = read_header(file)
    found = _NAME.match(file.name)
    prefix = found["prefix"] if found else file.name.split(".")[0]
    dataset = f"{prefix}-{found['cohort']}" if found else prefix
    tissue = "tumor" if side == "tumor" else tissues.get(prefix, prefix)
    return _obs(header[label_columns(header) :], side=side, tissue=tissue, dataset=dataset)


def _obs(samples: list[str], *, side: str | list[str], tissue: str | list[str], dataset: str) -> pd.DataFrame:
    donors = [donor(sample) for sample in samples]
    return pd.DataFrame(
        {"side": side, "donor": donors, "tissue": tissue, "cell_type": "", "dataset": dataset}, index=samples
    )


def _gather(
    parts: list[tuple[Path, pd.DataFrame]], *, atlas: AtlasConfig, genes: GeneTable | None, keep: Collection[str] | None
) -> AnnData:
    from tqdm import tqdm

    obs = pd.concat([obs for _, obs in parts])
    whole = np.zeros((len(obs), 0), dtype=np.float32)
    var = pd.DataFrame({"given": []}, index=pd.Index([], dtype=object))
    names, lost, libraries, held, start = None, [], [], {}, 0
    ahead = _ahead([file for file, _ in parts])
    tables = tqdm(ahead, f"reading {atlas.name}", len(parts), leave=False, unit="file", delay=2, disable=None)
    for table, (file, samples) in zip(tables, parts, strict=True):
        names, order = _name(table.labels, genes=genes, before=names)
        part, library = _cpm(table, file, plan=names.plan, order=order, keep=keep)
        libraries.append(library)
        fresh = part.genes[~part.genes.index.isin(var.index)]
        if len(fresh):
            var = pd.concat([var, fresh])
            room = np.zeros((len(obs), len(fresh)), dtype=np.float32)
            whole = np.hstack([whole, room]) if whole.size else room
        whole[start : start + len(part.values), var.index.get_indexer(part.genes.index)] = part.values
        start += len(part.values)
        held[samples["dataset"].iloc[0]] = part.genes.index
        lost.append(part.lost)
    return assemble(
        whole,
        obs=obs.assign(library=np.concatenate(libraries)),
        genes=with_ids(var, genes),
        kind="samples",
        unit="CPM",
        atlas=atlas.name,
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file, _ in parts],
        lost=pd.concat(lost).drop_duplicates(),
        notes=["CPM by the whole library: all rows of a file are counted before any gene is lost"],
        is_measured=pd.DataFrame({name: var.index.isin(symbols) for name, symbols in held.items()}, index=var.index),
    )


def _ahead(files: list[Path]) -> Iterator[NumberTable]:
    """The files' tables in turn; while one is worked on, the next is read."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read_numbers, files[0])
        for file in files[1:]:
            table = coming.result()
            coming = reader.submit(read_numbers, file)
            yield table
        yield coming.result()


@dataclass(frozen=True)
class _Names:
    """A file's row labels as keys, and what becomes of them."""

    keys: pd.Index
    plan: MergePlan


def _name(labels: pd.DataFrame, *, genes: GeneTable | None, before: _Names | None) -> tuple[_Names, np.ndarray | None]:
    """Resolve a file's labels, or reuse those of the file before, which mostly has the same ones in another order."""
    keys = pd.Index(labels.iloc[:, 0].str.cat(labels.iloc[:, 1:], sep="\t"))
    if before is not None and len(before.keys) == len(keys):
        if before.keys.equals(keys):
            return before, None
        if keys.is_unique:
            order = keys.get_indexer(before.keys)
            if (order >= 0).all() and before.keys.is_unique:
                return before, order
    return _Names(keys, plan_merge(resolve_labels(labels, genes=genes))), None


def _cpm(
    table: NumberTable, file: Path, *, plan: MergePlan, order: np.ndarray | None, keep: Collection[str] | None
) -> tuple[Merged, np.ndarray]:
    """One file as CPM, and its libraries."""
    _check_scale(table, file)
    library = table.values.sum(axis=1, dtype=np.float64)
    for empty in np.flatnonzero(library == 0)[:1]:
        raise InputError(f"{file}: sample {table.columns[empty]!r} has no count at all; remove it")
    merged = apply_plan(table.values, plan, by="sum", keep=keep, order=order)
    np.multiply(merged.values, (1e6 / library)[:, None].astype(np.float32), out=merged.values)
    return merged, library


def _check_scale(table: NumberTable, file: Path) -> None:
    """Counts reach far beyond 50 and logs never do: the largest log2 of any count is 32."""
    if table.values.max() < _LOG_MAX and (table.values % 1 != 0).any():
        raise InputError(
            f"{file}: the values look like logs (largest {table.values.max():g}, not whole), but counts are expected; "
            "give the counts, or undo the log"
        )
