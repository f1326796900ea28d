"""The tumour of one person, read as the run reads its own atlases and counted at the run's thresholds."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartarget.atlas.contract import tell_nobody
from cartarget.atlas.formats.matrix import UNITS
from cartarget.config import AtlasConfig, Config
from cartarget.errors import ConfigError, GateError, InputError
from cartarget.run.counting import count_for
from cartarget.run.inputs import Run, counted_atlases, place_of
from cartarget.run.withheld import described, withheld
from cartarget.selection.patient import Tumor
from cartarget.selection.sweep import half_once_twice
from cartarget.sheet import ASSAYS

if TYPE_CHECKING:
    from anndata import AnnData

    from cartarget.evidence.part import Part
    from cartarget.genes import GeneTable

NAME = "sample"
"""What the sample is called while it is read."""

DONORS = ("donor", "donor_id", "patient", "patient_id")
"""Columns of `obs` that tell people where the run's own does not."""

FEWEST_COLUMNS = 30
"""Columns from which a text table is taken for cells; one is a bulk sample."""

_READERS = {".h5ad": "h5ad", ".zarr": "zarr"}
_TEXTS = (".txt", ".tsv", ".csv", ".txt.gz", ".tsv.gz", ".csv.gz")


@dataclass(frozen=True, eq=False)
class Sample:
    """One person's tumour: counted, with what identifies it kept apart.

    Attributes
    ----------
    tumor
        The counted tumour, over the antigens asked for.
    digest
        SHA-256 of the files' checksums: the same sample is known again, and no name is kept.
    notes
        What its reader found.
    identifiers
        File and donor: shown only where that is asked for.
    """

    tumor: Tumor
    digest: str
    notes: tuple[str, ...]
    identifiers: tuple[str, ...]


def read_sample(
    path: str | os.PathLike[str], *, config: Config, run: Run, symbols: list[str], show_identifiers: bool = False
) -> Sample:
    """Read and count the tumour of one person.

    Parameters
    ----------
    path
        `.h5ad` or `.zarr`, or a folder with `matrix.mtx`: cells, of which the run's labels (`labels.malignant` of its
        own tumour cells, else a column `side`) say which are malignant. A text table of genes × cells: malignant cells
        alone. A text table with one column of numbers: a bulk sample, the column headed with its unit
        (:data:`cartarget.atlas.formats.matrix.UNITS`).
    config, run
        The run.
    symbols
        Antigens that are asked of the tumour. One that the sample lacks is not measured.
    show_identifiers
        Whether an error may quote the sample: its path, and names in it.

    Returns
    -------
    `Sample`.

    Raises
    ------
    ConfigError
        A column that the run's labels name is not there.
    InputError
        The file cannot be read, is of no known form, holds no malignant cell or those of several people, or its unit is
        not the run's. Unless asked for, the message quotes nothing of the sample.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> read_sample("Doe_Jane.h5ad", config=Config(), run=SimpleNamespace(parts=[]), symbols=["EPCAM"])
    Traceback (most recent call last):
    cartarget.errors.InputError: the sample: no such file or folder; check the path of the sample
    """
    with withheld(Path(path), name=NAME, show=show_identifiers):
        return _sample(Path(path), config=config, run=run, symbols=symbols)


def _sample(path: Path, *, config: Config, run: Run, symbols: list[str]) -> Sample:
    adata = _read(path, config=config, run=run, symbols=symbols)
    donors = sorted(set(adata.obs["donor"].astype(str)))
    files = adata.uns["cartarget"]["files"]
    if len(donors) > 1:
        raise InputError(
            f"the sample: malignant cells of {len(donors)} people; give each person's in a file of its own"
        )
    _check_unit(adata, config=config)
    _, origin, tiers = place_of(config)
    from cartarget.atlas.harmonise import harmonise
    from cartarget.evidence.derived import definitions, with_derived

    derived = {name: gate for part in run.parts for name, gate in definitions({"derived": part.derived}).items()}
    counted = count_for(config, harmonise(with_derived(adata, derived), tiers=tiers, origin=origin), symbols=symbols)
    told = "".join(sorted(file["sha256"] for file in files))
    return Sample(
        tumor=tumor_of(counted, symbols=symbols, config=config),
        digest=hashlib.sha256(told.encode()).hexdigest(),
        notes=tuple(note for note in adata.uns["cartarget"]["notes"] if note),
        identifiers=(path.name, *(donor for donor in donors if donor != NAME)),
    )


def tumor_of(part: Part, *, symbols: list[str], config: Config) -> Tumor:
    """The tumour of a counted sample, whose observations are all of it.

    Parameters
    ----------
    part
        The sample, as `count_for` counts it.
    symbols
        Antigens asked for; one that `part` lacks is not measured.
    config
        The run, for its thresholds.

    Examples
    --------
    >>> import cartarget
    >>> tiers = cartarget.read_tiers("config/tissue_tiers.tsv")
    >>> atlas = cartarget.simulate_atlas(n_patients=1, n_donors=1, cells_per_population=2, n_background=0)
    >>> atlas = atlas[(atlas.obs["side"] == "tumor").to_numpy()].copy()
    >>> part = count_for(Config(), cartarget.harmonise(atlas, tiers=tiers, origin=["colon"]), symbols=["MSLN"])
    >>> tumor = tumor_of(part, symbols=["MSLN", "absent"], config=Config())
    >>> tumor.n == atlas.n_obs, tumor.is_measured.tolist(), sorted(tumor.words)
    (True, [True, False], ['once', 'twice'])
    """
    from cartarget.evidence.packed import pack_bits, unpack_bits

    key = "bulk" if part.kind == "samples" else "count"
    base = float(getattr(config.thresholds, key))
    asked = [("half" if t < base else "twice" if t > base else "once", t) for t in half_once_twice(part.kind, base)]
    bits = np.flatnonzero(part.donor >= 0)
    rows = pd.Index(part.symbols).get_indexer(pd.Index(symbols))
    held = np.flatnonzero(rows >= 0)
    words = {}
    for name, threshold in asked:
        if name == "once" or part.unit != "log1p":
            own = np.zeros((len(symbols), len(bits)), dtype=bool)
            own[held] = unpack_bits(part.at(threshold), bits)[rows[held]]
            words[name] = pack_bits(own)
    is_measured, level = np.zeros(len(symbols), dtype=bool), np.full(len(symbols), np.nan)
    is_measured[held] = part.is_measured[rows[held]].all(axis=1)
    if part.kind == "samples":
        level[held] = part.levels[0, rows[held]]
    for own in words.values():
        own[~is_measured] = 0
    return Tumor(part.kind, tuple(symbols), words, len(bits), is_measured, level, base)


def _read(path: Path, *, config: Config, run: Run, symbols: list[str]) -> AnnData:
    """The malignant cells of a sample, or the bulk sample, with the run's names of genes."""
    from cartarget.atlas.registry import READERS
    from cartarget.genes import read_gene_table

    genes = read_gene_table(config.data(config.genes.table)) if config.genes.table else None
    wanted = {*symbols, *(gene for part in run.parts for gene in part.symbols)}
    keep = None if genes is None else wanted
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path of the sample")
    if path.is_file() and path.name.lower().endswith(_TEXTS):
        adata = _read_text(path, config=config, genes=genes, keep=keep)
    else:
        reader = _reader(path)
        entry = _entry(reader, path, config=config)
        adata = READERS[reader].read(entry, config=config, genes=genes, keep=keep)
    is_tumor = (adata.obs["side"].astype(str) == "tumor").to_numpy()
    if not is_tumor.any():
        raise InputError(
            f"{path}: none of its {adata.n_obs:,} cells is malignant, so no gate can be counted; a column of obs must "
            f"say which are (`labels.malignant` of the run's tumour cells, or `side`)"
        )
    adata = adata[is_tumor].copy()
    return adata if genes is not None else _renamed(adata, run, wanted)


def _reader(path: Path) -> str:
    if (path / "matrix.mtx").is_file() or (path / "matrix.mtx.gz").is_file():
        return "mtx"
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: not a sample; give an .h5ad, a .zarr, a folder with matrix.mtx, or a text table "
            f"({', '.join(_TEXTS)}) of genes × cells or of one bulk sample"
        )
    return reader


def _entry(reader: str, path: Path, *, config: Config) -> AtlasConfig:
    """How a sample of cells is read: as the run's own tumour cells are, where it has any."""
    single = [atlas for atlas in counted_atlases(config) if atlas.reader in ASSAYS["single_cell"]]
    like = next((atlas for atlas in single if atlas.reader == reader), single[0] if single else None)
    entry = AtlasConfig.model_validate({"name": NAME, "reader": reader, "path": path.resolve().as_posix()})
    cells = described(path) if path.is_dir() or reader in _READERS.values() else pd.DataFrame()
    if like is None:
        labels, unit, nuclei = entry.labels, entry.unit, entry.nuclei
    else:
        labels = like.labels.model_copy(update={"cell_type": None, "tissue": None, "donor": None, "exclude_values": []})
        unit, nuclei = like.unit if like.reader == reader else None, like.nuclei
    _require_malignant(path, cells, like)
    own = None if like is None else like.labels.donor
    told = next((name for name in (own, *DONORS) if name in cells and _names_people(cells[name])), None)
    if told is not None:
        labels = labels.model_copy(update={"donor": told} | ({} if told == own else {"donor_pattern": None}))
    return entry.model_copy(update={"labels": labels, "unit": unit, "nuclei": nuclei})


def _require_malignant(path: Path, cells: pd.DataFrame, like: AtlasConfig | None) -> None:
    """Refuse cells of which nothing says which are malignant, naming the column that does in the run."""
    named = None if like is None else like.labels.malignant
    name = named or "side"
    if cells.empty or name in (*cells.columns, cells.index.name, "cell"):
        return
    whose = "a sample" if like is None or named is None else f"the run's tumour atlas {like.name} (labels.malignant)"
    raise ConfigError(
        f"{path}: obs has no column `{name}`, by which {whose} says which cells are malignant; add a column `{name}` "
        f"to obs, with {'the words tumor and normal' if named is None else 'the words that the run uses'}"
    )


def _names_people(donors: pd.Series) -> bool:
    """Whether a column names people: everybody, or several; a sample whose one donor is left open is one person's."""
    values = donors.astype(object).where(donors.notna(), "").astype(str).str.strip()
    nobody = tell_nobody(values, pd.Series("tumor", index=values.index))
    return nobody is None or values.nunique() > 2


def _read_text(path: Path, *, config: Config, genes: GeneTable | None, keep: set[str] | None) -> AnnData:
    """A text table: one column of numbers is a bulk sample, many are malignant cells."""
    from cartarget.atlas.formats.tables import label_columns, read_header

    header = read_header(path)
    columns = header[label_columns(header) :]
    if len(columns) == 1:
        return _read_bulk(path, header, genes=genes, keep=keep)
    if len(columns) < FEWEST_COLUMNS:
        raise InputError(
            f"{path}, line 1: {len(columns)} columns of numbers, neither one bulk sample nor the cells of a tumour; "
            f"give one column, or {FEWEST_COLUMNS} cells or more (fewer: as .h5ad)"
        )
    return _read_cells(path, columns, config=config, genes=genes, keep=keep)


def _read_cells(
    path: Path, columns: list[str], *, config: Config, genes: GeneTable | None, keep: set[str] | None
) -> AnnData:
    from scipy import sparse

    from cartarget.atlas.formats.tables import read_numbers
    from cartarget.atlas.readers.single_cell import build_cells, chunks_of
    from cartarget.files import sha256

    table = read_numbers(path)
    return build_cells(
        chunks_of(sparse.csr_matrix(table.values)),
        obs=_obs(columns, cell_type="malignant cell"),
        labels=table.labels,
        atlas=_entry("cell_table", path, config=config),
        where=str(path),
        files=[{"path": str(path), "sha256": sha256(path)}],
        genes=genes,
        keep=keep,
        notes=["every cell of the table is taken as malignant"],
    )


def _read_bulk(path: Path, header: list[str], *, genes: GeneTable | None, keep: set[str] | None) -> AnnData:
    from cartarget.atlas.formats.stream import lines
    from cartarget.atlas.readers.bulk import COUNTED, build_bulk
    from cartarget.atlas.readers.single_cell import WHOLE

    unit = next((unit for unit in UNITS if unit.casefold() == header[-1].strip().casefold()), None)
    if unit is None:
        raise InputError(
            f"{path}: the unit of its values is not told; head the column of numbers with its unit ({', '.join(UNITS)})"
        )
    rows = lines(path)
    next(rows)
    adata = build_bulk(
        rows,
        path=path,
        label_names=header[:-1],
        columns=header[-1:],
        obs=_obs(header[-1:], cell_type=""),
        kind="samples",
        atlas=AtlasConfig(name=NAME, reader="xena"),
        genes=genes,
        keep=keep,
        unit=unit,
    )
    n_genes = len(adata.uns["cartarget"]["symbols"])
    if UNITS[unit].quantity in COUNTED and n_genes < WHOLE:
        raise InputError(
            f"{path}: counts of {n_genes:,} genes, of which no CPM can be made: they need the whole library "
            f"({WHOLE:,} genes or more); give all genes, or CPM in a column headed CPM"
        )
    return adata


def _obs(names: list[str], *, cell_type: str) -> pd.DataFrame:
    about = {"side": "tumor", "donor": NAME, "tissue": "tumor", "cell_type": cell_type, "dataset": NAME}
    return pd.DataFrame(about, index=pd.Index(names, dtype=object), dtype=object)


def _renamed(adata: AnnData, run: Run, wanted: set[str]) -> AnnData:
    """The sample with the run's names of genes, where no gene table told them; a name of several genes is no name."""
    from cartarget.aliases import Names

    surface = run.surface
    names = Names(surface["symbol"], dict(zip(surface["symbol"], surface.get("aliases", ""), strict=True)))
    own = list(map(str, adata.var_names))
    taken, found = set(own), {}
    for name in own:
        if name not in wanted:
            try:
                symbol = names.find(name)
            except GateError:
                continue
            if symbol not in taken:
                found[name] = symbol
                taken.add(symbol)
    adata.var_names = [found.get(name, name) for name in own]
    return adata[:, adata.var_names.isin(list(wanted))].copy()


def _check_unit(adata: Any, *, config: Config) -> None:
    """Refuse a sample whose values the run's thresholds do not fit."""
    unit, kind, limits = adata.uns["cartarget"]["unit"], adata.uns["cartarget"]["kind"], config.thresholds
    if kind == "samples" and unit != "CPM":
        raise InputError(
            f"the sample: its values are {unit}, but a bulk sample of this run is positive at {limits.bulk:g} CPM; "
            "give counts or CPM of all genes"
        )
    if unit == "log1p" and limits.count > 1:
        raise InputError(
            f"the sample: its counts cannot be recovered, but a cell of this run is positive at {limits.count} counts; "
            "give counts"
        )
