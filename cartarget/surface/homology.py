"""Twins: surface proteins whose outside part is so alike that a binder may hit them too; and animals' own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from cartarget.errors import InputError
from cartarget.surface.protein import BREAK, Protein

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
WORD = 3
"""Residues in a word of the prefilter."""
CELLS = 10_000_000
"""Cells of alignment tables (length times length) that one search may fill: about half a second."""
TWIN_IDENTITY, TWIN_COVERAGE = 0.5, 0.5
"""From which identity, over which share of the shorter outside part, two proteins are called twins. An assumption: one
epitope decides whether a binder crosses, so it may spare a close relative and hit a distant one."""

_OTHER = str.maketrans({"U": "C", "O": "K", "J": "L"})


@dataclass(frozen=True)
class Alignment:
    """The best local alignment of two outside parts.

    Attributes
    ----------
    score
        BLOSUM62, gap opening 11, extension 1.
    n_identical, n_aligned
        Identical residues; columns of the alignment, gaps included.
    identity
        `n_identical / n_aligned`, in [0, 1]; NaN without an alignment.
    coverage
        Aligned residues over the length of the shorter part, in [0, 1].
    """

    score: float
    n_identical: int
    n_aligned: int
    identity: float
    coverage: float


@dataclass(frozen=True)
class Surfaceome:
    """Outside parts with an index of their words.

    Attributes
    ----------
    symbols
        The proteins.
    sequences
        Their outside parts, stretches joined by an X.
    starts, owners
        For each word, where its owners begin in `owners` (positions in `symbols`), one more than there are words.
    weights
        For each word, log of proteins over owners: rare words weigh more.
    """

    symbols: tuple[str, ...]
    sequences: tuple[str, ...]
    starts: np.ndarray
    owners: np.ndarray
    weights: np.ndarray


def outside_parts(proteins: Iterable[Protein]) -> dict[str, str]:
    """Symbol → outside part of each protein that has one; of several records of a gene, the longest.

    Examples
    --------
    >>> outside_parts([Protein("P1", genes=("A",), sequence="MKTAYIAK", outside=((2, 4), (7, 8)))])
    {'A': 'KTAXAK'}
    """
    found: dict[str, str] = {}
    for protein in proteins:
        part = protein.outside_part
        for gene in protein.genes if part else ():
            if len(part) > len(found.get(gene, "")):
                found[gene] = part
    return found


def build_surfaceome(parts: Mapping[str, str]) -> Surfaceome:
    """Index outside parts for `find_twins`.

    Parameters
    ----------
    parts
        Symbol → sequence, in one-letter codes. Selenocysteine is read as cysteine; X and other letters match nothing.

    Raises
    ------
    InputError
        A sequence is empty or holds characters that are no letters.

    Examples
    --------
    >>> build_surfaceome({"A": "MKTAYIAK"}).symbols
    ('A',)
    """
    cleaned = {symbol: _clean(sequence, symbol) for symbol, sequence in parts.items()}
    words = [np.unique(_words(sequence)) for sequence in cleaned.values()]
    n_words = len(LETTERS) ** WORD
    flat = np.concatenate(words) if words else np.zeros(0, dtype=np.int64)
    owner = np.repeat(np.arange(len(words)), [len(each) for each in words])
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(n_words + 1))
    n_owners = np.diff(starts)
    weights = np.log(max(len(words), 1) / np.maximum(n_owners, 1))
    return Surfaceome(tuple(cleaned), tuple(cleaned.values()), starts, owner[order].astype(np.int32), weights)


def _clean(sequence: str, symbol: str) -> str:
    text = sequence.strip().upper().rstrip("*")
    if not text or not text.isascii() or not text.isalpha():
        raise InputError(f"{symbol}: {sequence[:20]!r} is no protein sequence; give one-letter codes")
    return text.translate(_OTHER)


def _words(sequence: str) -> np.ndarray:
    """Codes of the words of a sequence; words with a letter that is no residue are left out."""
    table = np.full(128, -1, dtype=np.int64)
    table[[ord(letter) for letter in LETTERS]] = np.arange(len(LETTERS))
    residues = table[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    if len(residues) < WORD:
        return np.zeros(0, dtype=np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(residues, WORD)
    powers = len(LETTERS) ** np.arange(WORD)[::-1]
    return (windows @ powers)[(windows >= 0).all(axis=1)]


def shared_words(sequence: str, surfaceome: Surfaceome) -> np.ndarray:
    """For each protein, how many words it shares with a sequence beyond chance: `(found - expected) / sqrt(expected)`.

    Words are weighed by rarity. A protein of twice the length is expected to share twice as many, so that giants do not
    lead every list.

    Examples
    --------
    >>> int(shared_words("MKTAYIAK", build_surfaceome({"A": "MKTAYIAK", "B": "WWWWW"})).argmax())
    0
    """
    n_proteins = len(surfaceome.symbols)
    words = np.unique(_words(_clean(sequence, "sequence")))
    spans = [surfaceome.owners[surfaceome.starts[word] : surfaceome.starts[word + 1]] for word in words]
    if not spans or not n_proteins:
        return np.zeros(n_proteins)
    weights, n_owners = surfaceome.weights[words], np.array([len(span) for span in spans])
    found = np.bincount(np.concatenate(spans), weights=np.repeat(weights, n_owners), minlength=n_proteins)
    lengths = np.array([len(each) for each in surfaceome.sequences], dtype=float)
    expected = lengths / lengths.mean() * (weights @ n_owners) / n_proteins
    return np.where(found > 0, (found - expected) / np.sqrt(np.maximum(expected, 1e-9)), -np.inf)


@lru_cache(maxsize=1)
def _aligner() -> Any:
    from Bio.Align import PairwiseAligner, substitution_matrices

    aligner = PairwiseAligner(mode="local")
    aligner.substitution_matrix = substitution_matrices.load("BLOSUM62")
    aligner.open_gap_score, aligner.extend_gap_score = -11, -1
    return aligner


def align(one: str, other: str) -> Alignment:
    """Align two outside parts locally; an orthologue's part shows whether a safety model binds at all.

    Examples
    --------
    >>> align("MKTAYIAKQRQISFVK", "MKTAYIAKQRQLSFVK").identity
    0.9375
    """
    one, other = _clean(one, "first sequence"), _clean(other, "second sequence")
    found = _aligner().align(one, other)
    if not len(found):
        return Alignment(0.0, 0, 0, float("nan"), 0.0)
    best = found[0]
    counts = best.counts()
    paired = counts.identities + counts.mismatches
    shorter = min(len(each) - each.count(BREAK) for each in (one, other))
    columns = paired + counts.gaps
    return Alignment(
        float(best.score), int(counts.identities), int(columns), counts.identities / columns, min(1.0, paired / shorter)
    )


def find_twins(
    symbol: str,
    *,
    surfaceome: Surfaceome,
    sequence: str | None = None,
    n_best: int = 40,
    cells: int = CELLS,
) -> pd.DataFrame:
    """The surface proteins most like one antigen outside the cell.

    Proteins are ranked by the words that they share with the antigen (`shared_words`); the best are aligned as far as
    `cells` allow, then sorted by alignment score.

    Parameters
    ----------
    symbol
        The antigen. It is left out of its own twins.
    surfaceome
        `build_surfaceome`.
    sequence
        Its outside part. None: that of the surfaceome.
    n_best
        Proteins to align at most.
    cells
        Work allowed. A giant such as MUC16 is aligned with few, or none.

    Returns
    -------
    DataFrame
        Index `symbol`, best first: `shared_words`, `score`, `identity`, `coverage`, `is_twin` (`TWIN_IDENTITY` over
        `TWIN_COVERAGE`). Proteins that the work did not allow for have missing values: unknown, not apart.

    Raises
    ------
    InputError
        The antigen is not in the surfaceome and no sequence is given.

    Examples
    --------
    >>> known = build_surfaceome({"A": "MKTAYIAKQRQISFVK", "B": "MKTAYIAKQRQLSFVK", "C": "GGSGGSGGSGGSGG"})
    >>> find_twins("A", surfaceome=known)["is_twin"].to_dict()["B"]
    True
    """
    if sequence is None:
        if symbol not in surfaceome.symbols:
            raise InputError(f"{symbol}: no outside part in the surfaceome; give its sequence")
        sequence = surfaceome.sequences[surfaceome.symbols.index(symbol)]
    shared = shared_words(sequence, surfaceome)
    names = np.array(surfaceome.symbols, dtype=object)
    order = [at for at in np.argsort(-shared, kind="stable") if names[at] != symbol and np.isfinite(shared[at])][
        :n_best
    ]
    rows, left = [], cells
    for at in order:
        work = len(sequence) * len(surfaceome.sequences[at])
        found = align(sequence, surfaceome.sequences[at]) if work <= left else None
        left -= work if found else 0
        rows.append(_row(str(names[at]), float(shared[at]), found))
    columns = ["symbol", "shared_words", "score", "identity", "coverage", "is_twin"]
    table = pd.DataFrame(rows, columns=columns).astype({"is_twin": "boolean"})
    return table.sort_values("score", ascending=False, kind="stable", na_position="last").set_index("symbol")


def _row(symbol: str, shared: float, found: Alignment | None) -> tuple[object, ...]:
    if found is None:
        return symbol, shared, float("nan"), float("nan"), float("nan"), pd.NA
    is_twin = found.identity >= TWIN_IDENTITY and found.coverage >= TWIN_COVERAGE
    return symbol, shared, found.score, found.identity, found.coverage, is_twin


def cross_reaction(twins: pd.DataFrame, *, exposure: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The twins with their own exposure of normal tissue: what a binder that crosses would hit as well.

    Parameters
    ----------
    twins
        `find_twins`.
    exposure
        Index symbol, such as the antigens' table of a run.
    columns
        Its columns to show. A twin that it does not hold has missing values: unknown, never safe.

    Raises
    ------
    InputError
        A column is missing.

    Examples
    --------
    >>> twins = pd.DataFrame({"is_twin": [True]}, index=["CEACAM6"])
    >>> levels = pd.DataFrame({"worst_tissue": ["lung"]}, index=["CEACAM6"])
    >>> cross_reaction(twins, exposure=levels, columns=["worst_tissue"]).loc["CEACAM6", "worst_tissue"]
    'lung'
    """
    missing = [column for column in columns if column not in exposure]
    if missing:
        raise InputError(f"exposure: column {missing[0]!r} is missing; found {', '.join(map(str, exposure.columns))}")
    return twins[twins["is_twin"].fillna(True).astype(bool)].join(exposure[list(columns)])
