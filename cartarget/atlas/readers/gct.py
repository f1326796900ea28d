"""GCT, versions 1.2 and 1.3: GTEx's medians by tissue, and its samples.

    #1.2                                      #1.3
    56200 <tab> 54                            rows <tab> columns <tab> row annotations <tab> column annotations
    Name <tab> Description <tab> columns      id <tab> row annotations … <tab> columns
    ENSG00000223972.5 <tab> DDX11L1 <tab> 0 … column annotations, one line each; then the rows

A file whose columns are GTEx or TCGA barcodes holds samples, any other a summary by tissue. The tissue of a GTEx
sample comes from the table of sample attributes (`samples`: `SAMPID`, `SMTSD`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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

_FILES = {"tpm": "TPM", "reads": "counts"}


def read_gct(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read a GCT file.

    Parameters
    ----------
    atlas
        `path` is the file, `samples` the table of GTEx's sample attributes (for samples), `unit` one of
        `cartarget.atlas.formats.matrix.UNITS` where the file's name (`tpm`, `reads`) does not say.
    config
        `data_dir`.
    genes
        Gene table. None: descriptions (symbols) as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `summary` with the file's unit, or kind `samples` with CPM from counts and TPM from TPM. Cultured cells are
        left out and counted; a donor's further samples of a tissue too.

    Raises
    ------
    InputError
        The version, the dimensions or a row break the format, a tissue is not known, or anything that `build_bulk`
        rejects.
    """
    path = config.data(atlas.path)
    rows = lines(path)
    labels, columns, n_rows, rows = _head(rows, path)
    said = read_barcodes(check_names(columns, path=path))
    is_samples = bool((said["study"] != "").mean() > 0.5)
    table = config.data(atlas.samples) if atlas.samples and is_samples else None
    obs, notes = _samples(said, table, atlas) if is_samples else _summary(columns, path)
    obs["dataset"] = path.name.split(".")[0]
    unit = next((unit for word, unit in _FILES.items() if word in path.name.lower()), None)
    return build_bulk(
        _counted(rows, n_rows, path), path=path, label_names=labels, columns=columns, obs=obs,
        kind="samples" if is_samples else "summary", atlas=atlas, genes=genes, keep=keep, unit=unit,
        files=[table] if table else [], notes=notes,
    )  # fmt: skip


def _head(
    rows: Iterator[tuple[int, bytes]], path: Path
) -> tuple[list[str], list[str], int, Iterator[tuple[int, bytes]]]:
    """Names of label columns and of number columns, the number of rows said, and the rows."""
    top = [_text(line, path, number) for number, line in (next(rows, (0, b"")) for _ in range(3))]
    version = top[0].strip()
    if version not in ("#1.2", "#1.3"):
        raise InputError(f"{path}, line 1: found {version[:40]!r}; expected #1.2 or #1.3, as a GCT file begins")
    sizes = top[1].split("\t")
    needed = 2 if version == "#1.2" else 4
    if len(sizes) < needed or not all(size.strip().isdigit() for size in sizes[:needed]):
        raise InputError(f"{path}, line 2: found {top[1][:40]!r}; expected {needed} numbers, rows and columns first")
    n_rows, n_columns = int(sizes[0]), int(sizes[1])
    header = [name.strip().strip('"') for name in top[2].split("\t")]
    n_labels = 2 if version == "#1.2" else 1 + int(sizes[2])
    if header[:3] == ["id", "Name", "Description"] and len(header) == n_columns + 3:  # GTEx's files of one tissue
        n_labels = 3
    if len(header) != n_labels + n_columns:
        raise InputError(
            f"{path}, line 3: found {len(header)} columns; line 2 says {n_columns} beside {n_labels} labels"
        )
    for _ in range(int(sizes[3]) if version == "#1.3" else 0):
        if next(rows, None) is None:
            raise InputError(f"{path}: ends among the column annotations; fetch the file again")
    return header[:n_labels], header[n_labels:], n_rows, rows


def _text(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}, line {number}: not text in UTF-8; expected a GCT file") from None


def _counted(rows: Iterator[tuple[int, bytes]], n_rows: int, path: Path) -> Iterator[tuple[int, bytes]]:
    n = 0
    for row in rows:
        n += 1
        yield row
    if n != n_rows:
        raise InputError(f"{path}: found {n:,} rows, but line 2 says {n_rows:,}; fetch the file again")


def _summary(columns: list[str], path: Path) -> tuple[pd.DataFrame, list[str]]:
    tissue = as_tissues(pd.Series(columns, index=pd.Index(columns, dtype=object)))
    reasons = pd.Series("", index=tissue.index, dtype=object).where(tissue != "", "of cultured cells")
    said = [text.replace("samples", "columns") for text in left_out(reasons)]
    tissue = tissue[tissue != ""]
    if tissue.empty:
        raise InputError(f"{path}: no column is a tissue; found {', '.join(columns[:6])}")
    obs = pd.DataFrame({"side": "normal", "donor": "", "tissue": tissue, "cell_type": ""})
    return obs, said


def _samples(said: pd.DataFrame, table: Path | None, atlas: AtlasConfig) -> tuple[pd.DataFrame, list[str]]:
    given = pd.Series(atlas.tissue or "", index=said.index, dtype=object)
    if table is not None:
        given = read_attributes(table).reindex(said.index).fillna("")
    tissue = as_tissues(given)
    reasons = pd.Series("", index=said.index, dtype=object)
    reasons[tissue == ""] = "without a tissue"
    reasons[given.str.startswith("Cells")] = "of cultured cells"
    reasons[said["side"] == ""] = said["what"].where(said["what"] != "", "without a barcode")[said["side"] == ""]
    frame = said[["side", "donor", "order"]].assign(tissue=tissue.where(said["side"] != "tumor", "tumor"))
    reasons[frame.index[(reasons == "") & ~one_per_donor(frame)]] = "further sample of a donor"
    obs = frame[reasons == ""].assign(cell_type="")
    if obs.empty:
        raise InputError(
            f"atlas {atlas.name!r}: no sample has a tissue; set atlases.{atlas.name}.samples to GTEx's table of sample "
            "attributes (SAMPID, SMTSD)"
        )
    return obs.drop(columns="order"), left_out(reasons)


def read_attributes(path: Path) -> pd.Series:
    """Sample → tissue with site, from GTEx's table of sample attributes.

    Raises
    ------
    InputError
        The file cannot be read, or has no columns `SAMPID` and `SMTSD`.
    """
    rows = [_text(line, path, number).split("\t") for number, line in lines(path)]
    header = rows[0] if rows else []
    for column in ("SAMPID", "SMTSD"):
        if column not in header:
            raise InputError(
                f"{path}, line 1: column {column!r} is missing; expected GTEx's table of sample attributes"
            )
    sample, tissue = header.index("SAMPID"), header.index("SMTSD")
    pairs = {row[sample]: row[tissue].strip() for row in rows[1:] if len(row) > max(sample, tissue)}
    return pd.Series(pairs, dtype=object)
