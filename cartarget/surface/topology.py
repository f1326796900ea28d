"""Which part sticks out: topology strings as sequence features."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence

import pandas as pd
from Bio.SeqFeature import SeqFeature, SimpleLocation

from cartarget.atlas.formats.tables import opened
from cartarget.errors import InputError
from cartarget.genes import GeneTable, resolve

REGIONS = {
    "SP": "signal peptide",
    "NC": "outside",
    "TM": "transmembrane",
    "CY": "cytoplasmic",
    "IM": "in the membrane",
}
"""Regions of a SURFY topology string. Source: Bausch-Fluck et al. 2018, doi:10.1073/pnas.1808790115."""

_NAMES = ("hgnc_symbol", "symbol", "UniProt gene")

_PIECE = re.compile(r"^([A-Za-z]+):(\d+)-(\d+)$")


def parse_topology(text: str) -> list[SeqFeature]:
    """Read a topology string (`SP:1-20;NC:21-300;TM:301-323;CY:324-400`) into sequence features.

    Positions are residues, one-based and inclusive in the string, zero-based and half-open in the
    features, as Biopython has them. The feature's `type` is one of the values of `REGIONS`; a code that is
    not among them keeps its own name.

    Parameters
    ----------
    text
        Pieces `CODE:first-last`, separated by semicolons. Empty: no features (topology is unknown).

    Raises
    ------
    InputError
        A piece has another form, ends before it begins, or overlaps the one before it.

    Examples
    --------
    >>> [(part.type, len(part)) for part in parse_topology("SP:1-20;NC:21-300;TM:301-323;CY:324-400")]
    [('signal peptide', 20), ('outside', 280), ('transmembrane', 23), ('cytoplasmic', 77)]
    """
    features: list[SeqFeature] = []
    end = 0
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        match = _PIECE.match(piece)
        if match is None:
            raise InputError(f"topology {text!r}: cannot read {piece!r}; expected CODE:first-last, such as TM:301-323")
        code, first, last = match[1].upper(), int(match[2]), int(match[3])
        if last < first or first <= end:
            raise InputError(f"topology {text!r}: {piece!r} must begin after residue {end} and end after it begins")
        end = last
        features.append(SeqFeature(SimpleLocation(first - 1, last), type=REGIONS.get(code, code)))
    return features


def count_outside(features: Sequence[SeqFeature]) -> int | None:
    """Number of residues outside the cell (signal peptide not counted); None if the topology is unknown.

    Higher means more to bind; a loop of a few residues is hard to reach for a binder.

    Examples
    --------
    >>> count_outside(parse_topology("SP:1-20;NC:21-300;TM:301-323;CY:324-400"))
    280
    >>> count_outside([]) is None
    True
    """
    return sum(len(part) for part in features if part.type == "outside") if features else None


def longest_outside(features: Sequence[SeqFeature]) -> int | None:
    """Length of the longest stretch outside the cell; None if the topology is unknown.

    Examples
    --------
    >>> longest_outside(parse_topology("NC:1-37;TM:38-60;CY:61-71;TM:72-93;NC:94-98"))
    37
    """
    return max((len(part) for part in features if part.type == "outside"), default=0) if features else None


def read_topology(path: str | os.PathLike[str], *, genes: GeneTable | None) -> pd.DataFrame:
    """Read which part of each protein sticks out, from a table with a column `topology`.

    Parameters
    ----------
    path
        Tab-separated file, gzipped or not, such as SURFY's table: the gene in `hgnc_symbol`, `symbol` or
        `UniProt gene`, the string that `parse_topology` reads in `topology`. Rows without one are left out.
    genes
        Gene table, for names of another year. None: names are taken as given.

    Returns
    -------
    DataFrame
        One row per `symbol`, the first of the file: `topology`, and `n_residues_outside`, the longest stretch
        outside the cell.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or a string has another form.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "topology.tsv"
    >>> _ = file.write_text("symbol\\ttopology\\nMSLN\\tSP:1-36;NC:37-606\\n")
    >>> read_topology(file, genes=None).values.tolist()
    [['MSLN', 'SP:1-36;NC:37-606', 570]]
    """
    try:
        with opened(path) as handle:
            frame = pd.read_csv(io.BytesIO(handle.read()), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a tab-separated table") from error
    named = next((name for name in _NAMES if name in frame), None)
    if named is None or "topology" not in frame:
        raise InputError(f"{path}: expected a column 'topology' beside one of {', '.join(_NAMES)}")
    frame = frame[frame["topology"].str.strip().ne("")]
    symbol = resolve(frame[named], table=genes)["symbol"].set_axis(frame.index)
    found = pd.DataFrame({"symbol": symbol, "topology": frame["topology"].str.strip()}).dropna()
    found = found.drop_duplicates("symbol", ignore_index=True)
    longest = [longest_outside(parse_topology(text)) for text in found["topology"]]
    return found.assign(n_residues_outside=pd.array(longest, dtype="Int64"))
