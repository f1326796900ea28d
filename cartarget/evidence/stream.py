"""Positivity in chunks: what does not fit into memory is packed a few thousand observations at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.abc import CSCDataset
from numpy.typing import NDArray
from scipy import sparse
from tqdm import tqdm

from cartarget.errors import InputError
from cartarget.evidence.packed import WORD, Packed, pack

OWN = {"population", "donor", "side", "dataset"}


def pack_stream(adata: AnnData, *, threshold: float | None = None, chunk: int = 4096, progress: bool = False) -> Packed:
    """Pack an AnnData of observations, reading `chunk` rows of `X` at a time.

    Each observation has its bit from the start, so chunks only add bits: the result is the same for any chunking, and
    the same as packing all at once. `X` may be dense, sparse, or on disk (`anndata.read_h5ad(path, backed="r")`, or an
    `AnnData` whose `X` is a zarr or HDF5 array).

    Parameters
    ----------
    adata
        `obs` has `side` (`tumor`, `normal`) and `donor`, and `population`, or else `tissue` and `cell_type` to name the
        normal populations by (tumour populations are then the donors).
    threshold
        Values at or above it are positive. None: values above 0.
    chunk
        Rows read at once (of a CSC matrix, as much in columns); memory is about `chunk` × antigens × 16 bytes beside
        the packed bits.
    progress
        Show a bar.

    Returns
    -------
    `Packed`; `populations` carries the other columns of `obs` (first value of each population).

    Raises
    ------
    InputError
        A column is missing, or a value is NaN (not measured is not absent).

    Examples
    --------
    >>> adata = AnnData(np.array([[1.0, 0.0], [0.0, 2.0]], dtype="float32"))
    >>> adata.obs = pd.DataFrame({"side": ["tumor", "normal"], "donor": ["p", "d"], "population": ["p", "liver"]},
    ...                          index=["c1", "c2"])
    >>> pack_stream(adata, chunk=1).words.tolist()
    [[1, 0], [0, 1]]
    """
    if threshold is not None and np.isnan(threshold):
        raise InputError("threshold is NaN: give a value at or above which an observation is positive")
    if chunk < 1:
        raise InputError(f"chunk is {chunk}: give at least 1 observation")
    labels = _labels(adata)
    layout, place = _layout(labels)
    symbols = tuple(map(str, adata.var_names))
    words = np.zeros((len(symbols), layout.words.shape[1]), dtype=np.uint64)
    for rows, columns in tqdm(_blocks(adata, chunk), desc="packing", unit="chunk", disable=not progress):
        block = _values(adata.X, rows, columns)
        _check(block, symbols[columns], rows.start)
        _add(words[columns], block > 0 if threshold is None else block >= threshold, place[rows])
    own = [name for name in adata.obs if name not in OWN]
    first = adata.obs[own].groupby(labels["population"].to_numpy(), observed=True).first()
    populations = layout.populations.join(first, on="population") if own else layout.populations
    return Packed(symbols, words, layout.segments, populations, _measured(adata, labels, layout.populations))


def _labels(adata: AnnData) -> pd.DataFrame:
    obs = adata.obs
    for name in ("side", "donor"):
        if name not in obs:
            raise InputError(f"obs: column {name!r} is missing; expected side ('tumor' or 'normal') and donor")
    labels = pd.DataFrame({name: obs[name].astype(str).to_numpy() for name in ("side", "donor")})
    if "population" in obs:
        return labels.assign(population=obs["population"].astype(str).to_numpy())
    if "tissue" not in obs:
        raise InputError("obs: column 'population' is missing, and so is 'tissue' to name normal populations by")
    tissue = obs["tissue"].astype(str).to_numpy()
    cell_type = obs["cell_type"].astype(str).to_numpy() if "cell_type" in obs else np.full(len(obs), "")
    names = np.array([f"{t}: {c}" if c else t for t, c in zip(tissue, cell_type, strict=True)], dtype=object)
    return labels.assign(population=np.where(labels["side"] == "tumor", labels["donor"], names))


def _layout(labels: pd.DataFrame) -> tuple[Packed, NDArray[np.int64]]:
    """Segments and populations as `pack` lays them, and the bit of each observation.

    The observations' own numbers are packed, in binary: read back, they say which observation each bit is.
    """
    n = len(labels)
    numbers = np.arange(1, n + 1)
    digits = max(1, int(n).bit_length())
    packed = pack(
        (numbers[:, None] >> np.arange(digits)) & 1,
        symbols=[str(i) for i in range(digits)],
        population=labels["population"].tolist(),
        donor=labels["donor"].tolist(),
        side=labels["side"].tolist(),
    )
    octets = np.ascontiguousarray(packed.words.astype("<u8")).view(np.uint8)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    found = (bits.astype(np.int64) << np.arange(digits)[:, None]).sum(axis=0)
    place = np.empty(n, dtype=np.int64)
    place[found[found > 0] - 1] = np.flatnonzero(found)
    return packed, place


def _blocks(adata: AnnData, chunk: int) -> list[tuple[slice, slice]]:
    """Rows and columns of `X` to read at once: rows, or as much in columns where columns lie together (CSC)."""
    n_obs, n_vars = adata.shape
    if _is_by_column(adata.X):
        step = max(1, chunk * n_vars // max(1, n_obs))
        return [(slice(0, n_obs), slice(low, min(low + step, n_vars))) for low in range(0, n_vars, step)]
    return [(slice(low, min(low + chunk, n_obs)), slice(0, n_vars)) for low in range(0, n_obs, chunk)]


def _is_by_column(X: Any) -> bool:
    return isinstance(X, CSCDataset) or (sparse.issparse(X) and X.format == "csc")


def _values(X: Any, rows: slice, columns: slice) -> NDArray[Any]:
    block = X[:, columns] if _is_by_column(X) else X[rows]
    return block.toarray() if sparse.issparse(block) else np.asarray(block)


def _check(values: NDArray[Any], symbols: tuple[str, ...], low: int) -> None:
    missing = np.isnan(values)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise InputError(
            f"antigen {symbols[column]!r} is NaN in observation {low + row}: not measured is not absent; drop the "
            "antigen, or mark it in varm['is_measured']"
        )


def _add(words: NDArray[np.uint64], positive: NDArray[np.bool_], place: NDArray[np.int64]) -> None:
    order = np.argsort(place)
    word, bit = np.divmod(place[order], WORD)
    starts = np.flatnonzero(np.r_[True, word[1:] != word[:-1]])
    bits = positive[order].T * (np.uint64(1) << bit.astype(np.uint64))
    words[:, word[starts]] += np.add.reduceat(bits, starts, axis=1)


def _measured(adata: AnnData, labels: pd.DataFrame, populations: pd.DataFrame) -> NDArray[np.bool_]:
    """Antigens × populations; an antigen is measured where every dataset of the population holds it."""
    measured = np.ones((adata.n_vars, len(populations)), dtype=bool)
    if "is_measured" not in adata.varm or "dataset" not in adata.obs:
        return measured
    by_dataset = pd.DataFrame(adata.varm["is_measured"]).astype(bool)
    datasets = adata.obs["dataset"].astype(str).to_numpy()
    for column, name in enumerate(populations["population"]):
        held = sorted(set(datasets[(labels["population"] == name).to_numpy()]))
        measured[:, column] = by_dataset[held].to_numpy().all(axis=1)
    return measured
