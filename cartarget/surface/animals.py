"""Does a binder see the animal's antigen? Identity of the part outside the cell, from the animal's proteins."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cartarget.errors import InputError
from cartarget.surface.homology import CELLS, align
from cartarget.surface.protein import BREAK

SHORTEST = 8
"""Residues of a stretch that is compared; shorter ones are alike anywhere."""

_GENE = re.compile(r"\bGN=(\S+)|\bgene_symbol:(\S+)")


def read_animal_proteins(path: str | os.PathLike[str]) -> dict[str, tuple[str, ...]]:
    """Read an animal's proteins by gene.

    Parameters
    ----------
    path
        FASTA, plain or `.gz`. The gene is told by `GN=` (UniProt) or `gene_symbol:` (Ensembl), else by the first word.

    Returns
    -------
    dict
        Gene, in lower case → the sequences of its proteins.

    Raises
    ------
    InputError
        The file cannot be read, holds no record, or a record holds no protein sequence.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "mouse.fasta"
    >>> _ = file.write_text(">sp|Q99JW5|EPCAM_MOUSE Epcam OS=Mus musculus GN=Epcam PE=1\\nMAGPQALAF\\n")
    >>> read_animal_proteins(file)
    {'epcam': ('MAGPQALAF',)}
    """
    from Bio import SeqIO

    file = Path(path)
    found: dict[str, list[str]] = {}
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else open(file, encoding="utf-8") as handle:
            records = [(record.description, str(record.seq)) for record in SeqIO.parse(handle, "fasta")]
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give the animal's proteins as FASTA") from None
    for title, text in records:
        sequence = text.strip().upper().rstrip("*")
        if not sequence.isalpha() or not sequence.isascii():
            raise InputError(f"{path}: {title[:40]!r} holds {text[:20]!r}, which is no protein sequence")
        named = _GENE.search(title)
        gene = next(filter(None, named.groups())) if named else title.split()[0]
        found.setdefault(gene.casefold(), []).append(sequence)
    if not found:
        raise InputError(f"{path}: holds no record; give the animal's proteins as FASTA")
    return {gene: tuple(dict.fromkeys(sequences)) for gene, sequences in found.items()}


def outside_identity(outside: str, sequences: Iterable[str], *, cells: int = CELLS) -> float:
    """Share of an antigen's residues outside the cell that an animal's protein holds alike.

        identical residues of all stretches outside / their residues

    Each stretch of `SHORTEST` residues or more is aligned with the whole protein of the animal (local, BLOSUM62); of
    several proteins the one most alike counts.

    Parameters
    ----------
    outside
        The part outside the cell, stretches joined by an X.
    sequences
        The animal's proteins.
    cells
        Work allowed (length times length). More, no long stretch, or no protein: NaN, unknown.

    Examples
    --------
    Nine of ten residues, then a stretch of eight of which all are alike: 17 of 18.

    >>> round(outside_identity("MKTAYIAKQRXWWCHPGDE", ["GGMKTAYLAKQRLLLLLLLLLWWCHPGDEGG"]), 3)
    0.944
    """
    stretches = [part for part in outside.split(BREAK) if len(part) >= SHORTEST]
    n = sum(map(len, stretches))
    shares = (
        sum(align(part, sequence).n_identical for part in stretches) / n
        for sequence in sequences
        if n and n * len(sequence) <= cells
    )
    return max(shares, default=float("nan"))


def orthologue_identity(outside: str, genes: Sequence[str], proteins: dict[str, tuple[str, ...]]) -> float:
    """`outside_identity` with the proteins of an antigen's orthologues; NaN where none of them is given.

    Examples
    --------
    >>> orthologue_identity("MKTAYIAKQR", ["Epcam"], {"epcam": ("MKTAYIAKQR",)})
    1.0
    """
    return outside_identity(outside, [text for gene in genes for text in proteins.get(gene.casefold(), ())])
