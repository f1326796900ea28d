"""Antibody stains of normal tissue by cell type (Human Protein Atlas), and where in the cell the protein is.

Several antibodies may speak for one gene in one cell type: the highest level counts, with the best reliability found at
that level. `Ascending`, `Descending`, `Not representative` and `N/A` are not grades: the stain is then not known (NaN).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.csv

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.tables import opened
from cartarget.atlas.names import are, is_missing
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, MergePlan, plan_merge, resolve, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.config import AtlasConfig, Config

LEVELS = ("Not detected", "Low", "Medium", "High")
RELIABILITIES = ("Uncertain", "Approved", "Supported", "Enhanced")
MEMBRANE = ("Plasma membrane", "Cell Junctions")
_UNGRADED = ("Ascending", "Descending", "Not representative", "N/A", "")
_IHC = {
    "id": ("ensembl", "Gene"),
    "gene": ("gene", "Gene name"),
    "tissue": ("tissue", "Tissue"),
    "cell_type": ("cell_type", "Cell type"),
    "level": ("level", "Level"),
    "reliability": ("reliability", "Reliability"),
}
_PLACES = {
    "id": ("ensembl", "Gene"),
    "gene": ("gene", "Gene name"),
    "main": ("main_location", "Main location"),
    "additional": ("additional_location", "Additional location"),
}


def read_ihc(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read Human Protein Atlas stains of normal tissue.

    Parameters
    ----------
    atlas
        `path` is the table of stains (gene, tissue, cell type, level, reliability), `locations` the table of
        subcellular locations.
    config
        `data_dir`.
    genes
        Gene table. None: symbols as given.
    keep
        Symbols to keep. None: all.

    Returns
    -------
    AnnData
        Kind `protein`, unit `stain`: (tissue, cell type) × genes. `X` 0 not detected, 1 low, 2 medium, 3 high, NaN not
        measured or not graded; `layers["reliability"]` 0 uncertain, 1 approved, 2 supported, 3 enhanced, NaN without a
        row; `var["is_membrane"]` whether a main or additional location is the plasma membrane or the cell junctions,
        missing if the gene has no location.

    Raises
    ------
    InputError
        A column is missing, a level or reliability is unknown, a row is ragged, or the file cannot be read.
    """
    path = config.data(atlas.path)
    table = read_columns(path, _IHC)
    level = _codes(table["level"], path=path, what="level", grades=LEVELS, others=_UNGRADED)
    reliability = _codes(table["reliability"], path=path, what="reliability", grades=RELIABILITIES)
    rows, plan = _rows(table, genes)
    wanted = np.arange(len(plan.genes)) if keep is None else np.flatnonzero(plan.genes.index.isin(frozenset(keep)))
    place, obs = _places(table, dataset=path.name.split(".")[0])
    best = _best(4 * level + reliability, place=place, gene=rows, shape=(len(obs), len(plan.genes)))[:, wanted]
    var = with_ids(plan.genes.iloc[wanted], genes)
    var["is_membrane"] = _membrane(atlas, config=config, genes=genes).reindex(var.index).astype("boolean")
    n_ungraded, n_placeless = int((level < 0).sum()), int((place < 0).sum())
    adata = assemble(
        np.where(best >= 0, best // 4, np.nan),
        obs=obs,
        genes=var,
        kind="protein",
        unit="stain",
        atlas=atlas.name,
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in _files(atlas, config)],
        lost=plan.lost,
        notes=[f"{n_ungraded:,} of {len(level):,} stains are not graded, {n_placeless:,} name no place: not measured"],
    )
    adata.layers["reliability"] = np.where(best > -100, best % 4, np.nan).astype(np.float32)
    return adata


def _files(atlas: AtlasConfig, config: Config) -> list[Path]:
    return [config.data(path) for path in (atlas.path, atlas.locations) if path]


def read_columns(path: Path, wanted: Mapping[str, tuple[str, ...]]) -> pyarrow.Table:
    """The wanted columns of a tab-separated table, dictionary-encoded text."""
    with opened(path) as handle:
        first = handle.readline()
        header = first.decode("utf-8", errors="replace").rstrip("\r\n").split("\t")
        found = {next((name for name in names if name in header), ""): key for key, names in wanted.items()}
        if "" in found:
            names = wanted[found[""]]
            raise InputError(f"{path}, line 1: column {names[-1]!r} (or {names[0]!r}) is missing; found {header}")
        try:
            table = pyarrow.csv.read_csv(
                handle,
                read_options=pyarrow.csv.ReadOptions(column_names=header),
                parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(found),
                    column_types={name: pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) for name in found},
                ),
            )
        except pyarrow.ArrowInvalid as error:
            raise InputError(f"{path}{_ragged(path, len(header)) or f': no row can be read ({error})'}") from None
    return table.rename_columns([found[name] for name in table.column_names]).unify_dictionaries().combine_chunks()


def _ragged(path: Path, n_fields: int) -> str:
    with opened(path) as handle:
        for number, line in enumerate(handle, start=1):
            n_found = line.count(b"\t") + 1
            if line.strip(b"\r\n") and n_found != n_fields:
                return f", line {number}: found {n_found} fields, expected {n_fields} as in the header; mend the row"
    return ""


def _column(column: pyarrow.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and texts of a dictionary-encoded column."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pyarrow.ChunkedArray) else array
    return array.indices.to_numpy(), array.dictionary.to_numpy(zero_copy_only=False)


def _codes(
    column: pyarrow.ChunkedArray, *, path: Path, what: str, grades: tuple[str, ...], others: tuple[str, ...] = ()
) -> np.ndarray:
    """Position of each value in `grades`, -1 for `others`."""
    codes, words = _column(column)
    for code, word in enumerate(words):
        if word not in grades and word not in others:
            line = int(np.flatnonzero(codes == code)[0]) + 2
            raise InputError(f"{path}, line {line}: {what} is {word!r}; expected one of {', '.join(grades + others)}")
    grade = np.array([grades.index(word) if word in grades else -1 for word in words], dtype=np.int8)
    return grade[codes]


def _rows(table: pyarrow.Table, genes: GeneTable | None) -> tuple[np.ndarray, MergePlan]:
    """Position of each row's gene (-1 if lost), each pair of id and name resolved once."""
    ids, id_texts = _column(table["id"])
    names, name_texts = _column(table["gene"])
    codes, pairs = pd.factorize(ids.astype(np.int64) * len(name_texts) + names)
    plan = plan_merge(resolve(name_texts[pairs % len(name_texts)], table=genes, ids=id_texts[pairs // len(name_texts)]))
    return plan.gene_of[codes], plan


def _places(table: pyarrow.Table, *, dataset: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Position of each row's (tissue, cell type), -1 where the file names none; and their observations, sorted."""
    tissues, tissue_texts = _column(table["tissue"])
    types, type_texts = _column(table["cell_type"])
    codes, pairs = pd.factorize(tissues.astype(np.int64) * len(type_texts) + types)
    frame = pd.DataFrame(
        {"tissue": tissue_texts[pairs // len(type_texts)], "cell_type": type_texts[pairs % len(type_texts)]}
    )
    frame = frame.apply(lambda texts: texts.mask(are(texts, is_missing), ""))
    named = frame[(frame != "").any(axis=1)].drop_duplicates().sort_values(["tissue", "cell_type"])
    position = pd.MultiIndex.from_frame(named).get_indexer(pd.MultiIndex.from_frame(frame))
    obs = named.assign(side="normal", donor="", dataset=dataset)[["side", "donor", "tissue", "cell_type", "dataset"]]
    return position[codes], obs.set_axis((named["tissue"] + " | " + named["cell_type"]).to_numpy(), axis=0)


def _best(score: np.ndarray, *, place: np.ndarray, gene: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The highest score of each (place, gene); -100 where there is none."""
    best = np.full(shape[0] * shape[1], -100, dtype=np.int8)
    known = (place >= 0) & (gene >= 0)
    np.maximum.at(best, place[known].astype(np.int64) * shape[1] + gene[known], score[known])
    return best.reshape(shape)


def _membrane(atlas: AtlasConfig, *, config: Config, genes: GeneTable | None) -> pd.Series:
    """Symbol → whether a main or additional location is at the membrane."""
    if not atlas.locations:
        return pd.Series(dtype="boolean")
    frame = read_columns(config.data(atlas.locations), _PLACES).to_pandas().astype(str)
    places = (frame["main"] + ";" + frame["additional"]).str.split(";")
    resolved = resolve(frame["gene"], table=genes, ids=frame["id"])
    is_membrane = pd.Series([not set(MEMBRANE).isdisjoint(map(str.strip, row)) for row in places])
    return is_membrane.groupby(resolved["symbol"]).any().astype("boolean")
