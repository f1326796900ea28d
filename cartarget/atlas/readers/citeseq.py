"""Antibodies on single cells (CITE-seq): counts of antibody tags, and the background that each must exceed.

    10x HDF5, folders of 10x    features of the type `Antibody Capture`
    h5ad                        the same in `var`, or a table of antibodies in `obsm`
    text                        antibodies × cells, tab-separated

An antibody is evidence of its own: its name ends in `(antibody)`, so that it is never the gene of the same symbol, and
two antibodies to one protein are never added up. What binds without its antigen is counted too; a cell is positive only
above the background of the antibody in empty droplets:

    threshold = exp(mean + 3.5 · sd) - 10    of ln(count + 10) in the background

Isotype controls tell less: each antibody has more or less of it unbound in the droplets, which they do not show. A cell
below their threshold is negative, one above may be either, so that what they tell is the most that can be positive.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cartarget.atlas.contract import assemble
from cartarget.atlas.formats.hdf5 import guarded, probe
from cartarget.atlas.labels import label_cells
from cartarget.atlas.readers.h5ad import elem_of
from cartarget.atlas.readers.mtx import read_folder
from cartarget.atlas.readers.tenx import features_of, group_of, read_cells, texts_of
from cartarget.config import AtlasConfig, Config
from cartarget.errors import InputError
from cartarget.files import sha256
from cartarget.genes import GeneTable, resolve, with_ids

if TYPE_CHECKING:
    from anndata import AnnData

CAPTURE = "antibody capture"
"""What a feature that is an antibody is called, in lower case."""
PLACES = ("protein_expression", "protein_counts", "protein", "antibody_capture", "antibodies", "ADT", "adt", "prot")
"""Where antibodies may be in `obsm`."""
PSEUDO = 10.0
"""Added to counts before the log, as dsb does (doi:10.1038/s41467-022-29356-8)."""
DEVIATIONS = 3.5
"""Standard deviations above the background that make a cell positive: an assumption."""
DROPLETS = 100
"""Empty droplets from which a background is told."""

_ISOTYPE = re.compile(r"isotype|(?<![a-z])igg\d[a-c]?(?![a-z0-9])|(?<![a-z])iso[_ -]?(control|ctrl)", re.IGNORECASE)
_NO_ANTIBODY = ("bad_struct", "no_match", "total_reads", "unmapped", "unmapped reads")
_ENDINGS = re.compile(r"[ _.-]*(?:PROT|ADT|TotalSeq[ABCD]?|TotalA|Ab|antibody)$", re.IGNORECASE)
_STARTS = re.compile(r"^(?:anti[ _-]?)?(?:human|hu)[ _.-]+|^anti[ _-]", re.IGNORECASE)


class Tags(NamedTuple):
    """Antibodies of a file: counts (cells × antibodies), their names, the table of cells, and the files."""

    counts: NDArray[np.float32]
    names: list[str]
    cells: pd.DataFrame
    files: tuple[Path, ...]


def read_citeseq(
    atlas: AtlasConfig, *, config: Config, genes: GeneTable | None, keep: Collection[str] | None = None
) -> AnnData:
    """Read antibodies on single cells.

    Parameters
    ----------
    atlas
        `path` is a 10x `.h5`, a folder of 10x, an `.h5ad`, or a table of antibodies × cells; `samples` a table of its
        cells, where the file has none; `background` empty droplets in any of these forms; `labels` says what the
        columns of the cells mean.
    config
        `data_dir`.
    genes
        Gene table, by which an antibody's name (`PD-L1 (CD274)`, `CD326_PROT`) becomes its antigen's symbol. None:
        names as given.
    keep
        Antigens to keep. None: all, and antibodies to no single gene (`CD45RA`, `HLA-A,B,C`) too.

    Returns
    -------
    AnnData
        Kind `antibodies`, unit `counts`: cells × antibodies named `EPCAM (antibody)`. `var` holds the antigen's
        `symbol` (empty: no single gene), `background` (the threshold in counts; NaN: unknown) and `control` (what told
        it: `empty droplets`, `isotypes` or nothing).

    Raises
    ------
    ConfigError
        A label's column does not exist.
    InputError
        A file is absent or broken, holds no antibody, counts that are not whole or negative ones, the background has
        none of the antibodies, or anything that `label_cells` rejects.
    """
    path = config.data(atlas.path)
    tags = _read(path, atlas)
    cells = tags.cells
    if atlas.samples:
        table = read_cells(config.data(atlas.samples))
        is_known = np.isin(np.array(cells.index, dtype=object).astype(str), table.index.astype(str))
        if not is_known.any():
            raise InputError(
                f"{config.data(atlas.samples)}: none of its cells is in {path.name}, such as {cells.index[0]!r}"
            )
        tags, cells = tags._replace(counts=tags.counts[is_known]), table.loc[cells.index[is_known]]
    obs, is_kept, notes = label_cells(cells, atlas=atlas, where=str(path))
    counts = tags.counts[is_kept]
    kind = np.array([_kind_of(name) for name in tags.names])
    droplets = _read(config.data(atlas.background), atlas) if atlas.background else None
    var = _antigens([name for name, own in zip(tags.names, kind == "antibody", strict=True) if own], genes)
    told = _backgrounds(counts, tags.names, kind, droplets)
    var = var.assign(**{name: told[name].to_numpy()[kind == "antibody"] for name in told})
    is_wanted = np.ones(len(var), dtype=bool) if keep is None else var["symbol"].isin(set(keep)).to_numpy()
    other = [(name, what) for name, what in zip(tags.names, kind, strict=True) if what != "antibody"]
    files = [
        *tags.files,
        *(droplets.files if droplets else ()),
        *([config.data(atlas.samples)] if atlas.samples else []),
    ]
    return assemble(
        counts[:, kind == "antibody"][:, is_wanted],
        obs=obs,
        genes=with_ids(var[is_wanted], genes),
        kind="antibodies",
        unit="counts",
        atlas=atlas.name,
        files=[{"path": file.as_posix(), "sha256": sha256(file)} for file in files],
        lost=pd.DataFrame(other, columns=["name", "reason"], dtype=object),
        notes=[*notes, *_said(told[kind == "antibody"])],
    )


def _kind_of(name: str) -> str:
    """What a row of a table of antibodies is: `antibody`, or why it is none."""
    if name.strip().lower() in _NO_ANTIBODY:
        return "not an antibody but reads without one"
    return "not an antigen but an isotype control" if _ISOTYPE.search(name) else "antibody"


def _antigens(names: list[str], genes: GeneTable | None) -> pd.DataFrame:
    """Antibodies by name with their antigen's symbol; several to one antigen keep their own names."""
    symbols = [_symbol(name, genes) for name in names]
    shown = [symbol or name.strip() for symbol, name in zip(symbols, names, strict=True)]
    unique = [
        f"{text} (antibody{f' {name.strip()}' if shown.count(text) > 1 else ''})"
        for text, name in zip(shown, names, strict=True)
    ]
    return pd.DataFrame({"given": names, "symbol": symbols}, index=pd.Index(unique, dtype=object), dtype=object)


def _symbol(name: str, genes: GeneTable | None) -> str:
    """The gene whose protein an antibody binds; empty where its name fits none, or several."""
    bare = _STARTS.sub("", _ENDINGS.sub("", name.strip())).strip()
    inside = re.findall(r"\(([^)]*)\)", bare)
    tries = list(dict.fromkeys([bare, re.sub(r"\s*\([^)]*\)", "", bare).strip(), *(text.strip() for text in inside)]))
    if genes is None:
        return tries[0] if len(tries) == 1 else tries[1]
    for spelt in (tries, [text.upper() for text in tries]):
        found = {str(symbol) for symbol in resolve(spelt, table=genes)["symbol"].dropna()}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""


def background_threshold(background: NDArray[np.floating]) -> NDArray[np.float64]:
    """Counts above which an antibody is bound, from counts where it is not.

        threshold = exp(mean + 3.5 · sd) - 10    of ln(count + 10)

    Parameters
    ----------
    background
        Droplets (or cells) × antibodies.

    Returns
    -------
    One threshold an antibody, 0 or more; NaN with fewer than `DROPLETS` rows: unknown.

    Examples
    --------
    Nothing but zeros: any count is above. Zeros and 20s: ln 10 and ln 30, mean 2.852, sd 0.549.

    >>> background_threshold(np.repeat([[0.0, 0.0], [0.0, 20.0]], 100, axis=0)).round(1).tolist()
    [0.0, 108.4]
    """
    if len(background) < DROPLETS:
        return np.full(background.shape[1], np.nan)
    logs = np.log(np.asarray(background, dtype=np.float64) + PSEUDO)
    return np.maximum(np.exp(logs.mean(axis=0) + DEVIATIONS * logs.std(axis=0)) - PSEUDO, 0.0).round(9)


def _backgrounds(
    counts: NDArray[np.float32], names: list[str], kind: NDArray[np.str_], droplets: Tags | None
) -> pd.DataFrame:
    """Threshold of each row and what told it: its own empty droplets first, then the highest isotype control."""
    told = pd.DataFrame({"background": np.nan, "control": ""}, index=range(len(names)))
    is_control = kind == "not an antigen but an isotype control"
    if is_control.any():
        told["background"] = float(np.max(background_threshold(counts[:, is_control])))
        told.loc[told["background"].notna(), "control"] = "isotypes"
    if droplets is None:
        return told
    at = pd.Index(droplets.names).get_indexer(pd.Index(names))
    if (at < 0).all():
        raise InputError(
            f"{droplets.files[0]}: holds none of the antibodies, such as {names[0]!r}; give their droplets"
        )
    own = background_threshold(droplets.counts)
    is_told = (at >= 0) & ~np.isnan(own[at])
    told.loc[is_told, "background"] = own[at[is_told]]
    told.loc[is_told, "control"] = "empty droplets"
    return told


def _said(told: pd.DataFrame) -> list[str]:
    """What told the background, counted."""
    n = told["control"].value_counts()
    notes = [
        f"background of {n[control]} antibodies from {control}"
        for control in ("empty droplets", "isotypes")
        if control in n
    ]
    lacking = int(n.get("", 0))
    hint = "give empty droplets (`background`), or isotype controls, with 100 droplets or cells"
    return [
        *notes,
        *(
            [f"{lacking} antibodies have no background, so none of their cells is positive or negative: {hint}"]
            if lacking
            else []
        ),
    ]


def _read(path: Path, atlas: AtlasConfig) -> Tags:
    """Antibodies of a file in any form; counts are whole and not negative."""
    if path.is_dir():
        tags = _from_folder(path, atlas)
    elif not path.is_file():
        raise InputError(f"{path}: no such file; check data_dir and atlases.{atlas.name}.path")
    elif path.suffix in (".h5", ".h5ad"):
        tags = _from_hdf5(path)
    else:
        tags = _from_text(path)
    if not tags.names:
        raise InputError(f"{path}: holds no antibody; expected features of the type `Antibody Capture`")
    for twice in pd.Index(tags.names)[pd.Index(tags.names).duplicated()][:1]:
        raise InputError(f"{path}: antibody {twice!r} stands twice; give each its own name")
    bad = np.argwhere(~np.isfinite(tags.counts) | (tags.counts < 0) | (tags.counts != np.rint(tags.counts)))
    if len(bad):
        cell, name = tags.cells.index[bad[0][0]], tags.names[bad[0][1]]
        raise InputError(f"{path}: {tags.counts[tuple(bad[0])]:g} for {name!r} in cell {cell!r}; give counts, not logs")
    return tags


def _from_folder(path: Path, atlas: AtlasConfig) -> Tags:
    given = read_folder(path, atlas=atlas)
    types = given.labels[2] if given.labels.shape[1] > 2 else pd.Series("", index=given.labels.index)
    is_own = types.str.casefold().eq(CAPTURE).to_numpy()
    names = given.labels.iloc[:, 1][is_own].tolist() if is_own.any() else []
    return Tags(np.asarray(given.values[:, np.flatnonzero(is_own)].todense()), names, given.cells, given.files)


def _from_hdf5(path: Path) -> Tags:
    import h5py

    what = "an .h5ad file" if path.suffix == ".h5ad" else "a 10x .h5 file"
    if trouble := probe(path):
        raise InputError(f"{path}: truncated, damaged or not {what} ({trouble})")
    with guarded(path, what=what), h5py.File(path, "r") as handle:
        return _from_anndata(handle, path) if "obs" in handle else _from_tenx(handle, path)


def _from_tenx(handle: object, path: Path) -> Tags:
    group = group_of(handle, path)
    labels, types = features_of(group, path)
    parts = tuple(group[name][:] for name in ("data", "indices", "indptr"))
    barcodes = texts_of(group["barcodes"])
    values = sparse.csc_matrix(parts, shape=(len(labels), len(barcodes))).tocsr()
    is_own = np.array([str(kind).casefold() == CAPTURE for kind in types])
    counts = np.asarray(values[np.flatnonzero(is_own)].T.todense(), dtype=np.float32)
    cells = pd.DataFrame(index=pd.Index(barcodes, dtype=object))
    return Tags(counts, labels.loc[is_own, "symbol"].tolist(), cells, (path,))


def _from_anndata(handle: object, path: Path) -> Tags:
    cells, var = elem_of(handle["obs"]), elem_of(handle["var"])  # type: ignore[index]
    cells.index = cells.index.astype(str)
    types = next((var[name].astype(str) for name in ("feature_types", "feature_type") if name in var), None)
    is_own = np.zeros(len(var), dtype=bool) if types is None else types.str.casefold().eq(CAPTURE).to_numpy()
    if is_own.any():
        values = sparse.csr_matrix(elem_of(handle["X"]))  # type: ignore[index]
        counts = np.asarray(values[:, np.flatnonzero(is_own)].todense(), dtype=np.float32)
        return Tags(counts, var.index[is_own].astype(str).tolist(), cells, (path,))
    held = handle.get("obsm", {})  # type: ignore[attr-defined]
    place = next((name for name in PLACES if name in held), None)
    if place is None:
        there = ", ".join(held) or "nothing"
        raise InputError(
            f"{path}: no feature is `Antibody Capture`, and obsm holds {there}; expected one of {', '.join(PLACES)}"
        )
    table = elem_of(held[place])
    if hasattr(table, "columns"):
        return Tags(table.to_numpy(dtype=np.float32), [str(name) for name in table], cells, (path,))
    names = elem_of(handle["uns"]["protein_names"]) if "protein_names" in handle.get("uns", {}) else []  # type: ignore[index, attr-defined]
    values = np.asarray(table, dtype=np.float32)
    if len(names) != values.shape[1]:
        raise InputError(
            f"{path}: obsm[{place!r}] has {values.shape[1]} columns without names; name them in uns['protein_names'], "
            "or store a table"
        )
    return Tags(values, [str(name) for name in names], cells, (path,))


def _from_text(path: Path) -> Tags:
    try:
        frame = pd.read_csv(path, sep="\t", index_col=0)
        values = frame.to_numpy(dtype=np.float32).T
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table, antibodies × cells") from None
    cells = pd.DataFrame(index=pd.Index([str(name) for name in frame], dtype=object))
    return Tags(values, [str(name).strip() for name in frame.index], cells, (path,))
