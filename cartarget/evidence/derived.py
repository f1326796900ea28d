"""Derived antigens in atlases: an expression over genes becomes one more antigen, unknown where its genes are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from cartarget.errors import InputError
from cartarget.evidence.packed import WORD, pack_bits
from cartarget.evidence.positivity import dense
from cartarget.logic.gate import Gate

OBSERVED = ("samples", "cells")
DERIVABLE = (*OBSERVED, "summary", "protein")
"""Kinds of atlases in which a derived antigen has a value."""

Combine = Callable[[Any, Any], Any]


def fold(gate: Gate, of: Callable[[str], Any], *, both: Combine, either: Combine) -> Any:
    """Combine what is known of the genes of an expression without blockers.

    Parameters
    ----------
    gate
        The expression.
    of
        Gives what is known of a gene.
    both, either
        Combine the parts of an AND, and of an OR.

    Examples
    --------
    >>> levels = {"A": 3.0, "B": 1.0, "C": 2.0}
    >>> fold(Gate.parse("A & (B | C)"), levels.get, both=min, either=max)
    2.0
    """
    if not gate.operator:
        return of(gate.symbol)
    parts = [fold(part, of, both=both, either=either) for part in gate.parts]
    return reduce(both if gate.operator == "&" else either, parts)


def lowest_highest(gate: Gate, of: Callable[[str], Any]) -> Any:
    """The lowest of an AND, the highest of an OR; NaN (not measured) stays NaN."""
    return fold(gate, of, both=np.minimum, either=np.maximum)


def definitions(about: Mapping[str, Any]) -> dict[str, Gate]:
    """The derived antigens of an atlas (`uns["cartarget"]["derived"]`) or a part (`derived`): name → expression."""
    return {name: Gate.parse(text) for name, text in about.get("derived", {}).items()}


def with_derived(adata: AnnData, derived: Mapping[str, Gate]) -> AnnData:
    """Add derived antigens to an atlas, each as one more gene.

    An observation reaches a threshold if the expression over its genes does: its value is the lowest of an AND and the
    highest of an OR. A summary's lowest is an upper bound of the AND, since the genes may sit in different cells; it
    counts as exposure like the level of any antigen. A stain stands only where all genes are stained; it may veto only
    if each of them is at the membrane, and is as reliable as the least of them.

    Parameters
    ----------
    adata
        An atlas of the contract. Kinds other than `DERIVABLE` are given back as they are.
    derived
        Name → expression over genes, without blockers (`cartarget.surface.derived.over_genes`).

    Returns
    -------
    AnnData
        A copy with the antigens of which the atlas holds a gene, named in `uns["cartarget"]["derived"]`. A gene that is
        missing is not measured, and neither is the antigen (`varm["is_measured"]` or NaN); `count_atlas` finds the
        populations in which what is known decides.

    Raises
    ------
    InputError
        A name is that of a gene of the atlas.

    Examples
    --------
    >>> adata = AnnData(np.array([[3, 1], [0, 2]], dtype="float32"), var=pd.DataFrame(index=["ST8SIA1", "B4GALNT1"]))
    >>> adata.uns["cartarget"] = {"kind": "summary", "unit": "CPM", "atlas": "x"}
    >>> with_derived(adata, {"GD2": Gate.parse("ST8SIA1 & B4GALNT1")})[:, "GD2"].X.ravel().tolist()
    [1.0, 0.0]
    """
    about = adata.uns["cartarget"]
    for name in derived:
        if name in adata.var_names:
            raise InputError(
                f"derived antigen {name!r} ({derived[name]}) has the name of a gene: atlas {about['atlas']} holds the "
                f"gene {name!r}; give the derived antigen another name"
            )
    held = {name: gate for name, gate in derived.items() if set(gate.antigens) & set(adata.var_names)}
    if not held or about["kind"] not in DERIVABLE:
        return adata
    is_observed = about["kind"] in OBSERVED
    values = _columns(adata, held, missing=0.0 if is_observed else np.nan)
    matrix = sparse.hstack([adata.X, sparse.csr_matrix(values)], format="csr") if sparse.issparse(adata.X) else None
    layers = {
        name: np.hstack([dense(layer), _columns(adata, held, layer=name, either=np.minimum)])
        for name, layer in adata.layers.items()
    }
    out = AnnData(
        np.hstack([np.asarray(adata.X), values]) if matrix is None else matrix,
        obs=adata.obs,
        var=_var(adata.var, held),
        layers=layers,
        uns={**adata.uns, "cartarget": {**about, "derived": {name: str(gate) for name, gate in held.items()}}},
        obsm=dict(adata.obsm),
    )
    if "is_measured" in adata.varm:
        out.varm["is_measured"] = _measured(pd.DataFrame(adata.varm["is_measured"]), held)
    return out


def renewed(adata: AnnData) -> AnnData:
    """The same with the values of derived antigens taken again from their genes, whose unit has changed."""
    held = definitions(adata.uns["cartarget"])
    if not held:
        return adata
    values = np.array(dense(adata.X))
    values[:, adata.var_names.get_indexer(list(held))] = _columns(adata, held, missing=np.nan)
    out = adata.copy()
    out.X = values
    return out


def _columns(
    adata: AnnData, held: Mapping[str, Gate], *, missing: float = np.nan, layer: str | None = None,
    either: Combine = np.maximum,
) -> NDArray[np.float32]:  # fmt: skip
    """Values of the antigens, observations × antigens."""
    matrix = adata.X if layer is None else adata.layers[layer]

    def of(symbol: str) -> NDArray[np.float32]:
        at = adata.var_names.get_indexer([symbol])
        found = dense(matrix[:, at]) if at[0] >= 0 else np.full((adata.n_obs, 1), missing)
        return np.asarray(found, dtype=np.float32).ravel()

    return np.stack([fold(gate, of, both=np.minimum, either=either) for gate in held.values()], axis=1)


def _var(var: pd.DataFrame, held: Mapping[str, Gate]) -> pd.DataFrame:
    """What is told of each gene, with a row an antigen."""
    added = pd.DataFrame(index=pd.Index(list(held), dtype=var.index.dtype, name=var.index.name))
    for column in var:
        if column == "given":
            added[column] = list(held)
        elif str(var[column].dtype) in ("bool", "boolean"):
            told = var[column].fillna(False).astype(bool)
            values = [bool(told.reindex(gate.antigens, fill_value=False).all()) for gate in held.values()]
            added[column] = pd.array(values, dtype=var[column].dtype)
        else:
            added[column] = pd.Series("" if var[column].dtype == object else np.nan, index=added.index)
    return pd.concat([var, added])


def _measured(table: pd.DataFrame, held: Mapping[str, Gate]) -> pd.DataFrame:
    """Genes and antigens × data sets: an antigen is measured where all its genes are."""
    rows = {name: table.reindex(gate.antigens, fill_value=False).all(axis=0) for name, gate in held.items()}
    return pd.concat([table, pd.DataFrame(rows).T.reindex(columns=table.columns)]).astype(bool)


def decided(
    gate: Gate, words: Mapping[str, NDArray[np.uint64]], measured: Mapping[str, NDArray[np.bool_]], owner: NDArray[Any],
    valid: NDArray[np.bool_],
) -> NDArray[np.bool_]:  # fmt: skip
    """Populations in which an expression is known of every observation, at every threshold, by three-valued logic.

    Parameters
    ----------
    gate
        The expression.
    words
        Gene → bits, thresholds × words. A gene that is not there was not measured.
    measured
        Gene → flag of each population.
    owner
        Population of each bit.
    valid
        Which bits are observations.

    Examples
    --------
    In the second population nothing is known of B, but no cell shows A:

    >>> words = {"A": np.array([[0b1, 0b0]], dtype=np.uint64)}
    >>> owner = np.repeat([0, 1], 64)
    >>> decided(Gate.parse("A & B"), words, {"A": np.array([True, True])}, owner, np.arange(128) % 64 < 2).tolist()
    [False, True]
    """
    n = len(next(iter(measured.values())))
    everything = pack_bits(valid[None, :])[0]
    of_word = owner[::WORD]
    shape = next(iter(words.values())).shape

    def bits(symbol: str, *, is_open: bool) -> NDArray[np.uint64]:
        known = measured[symbol][of_word] if symbol in words else np.zeros(len(of_word), dtype=bool)
        own = words[symbol] if symbol in words else np.zeros(shape, dtype=np.uint64)
        return np.where(known, own, everything if is_open else np.uint64(0))

    least, most = (
        fold(gate, partial(bits, is_open=is_open), both=np.bitwise_and, either=np.bitwise_or)
        for is_open in (False, True)
    )
    differs = (least != most).any(axis=0)
    return np.bincount(of_word[differs], minlength=n) == 0
